"""What the screen asks of others: commands, the desk's days, single entries, files of its own.

Lives here: the protocols and the values that cross them. May import: msgspec, events. Always holds:
the room reaches nothing but through a port; in a recorded session there is no ``Control`` object at
all; every call has a deadline and is made off the painting thread. Start reading at ``Ports``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from tui.entries import Entries
from tui.travel import Travel
from tui.view.why import Explain, reason_sentence

Outcome = Literal["ACCEPTED", "REFUSED", "PENDING", "UNANSWERED"]


class Command(msgspec.Struct, frozen=True):
    """An operator's request. ``word`` is the mode's word as it was typed, where one was asked."""

    verb: str
    subject: str | None
    value: str | None
    why: str
    word: str | None


class Answer(msgspec.Struct, frozen=True):
    """What became of a command. ``text`` is one line for a person; ``seq`` the journal's entry that
    answers, None where nothing was journaled; UNANSWERED means that nobody knows."""

    outcome: Outcome
    text: str
    seq: int | None


class Control(Protocol):
    """The operator's end of the control socket of a running engine."""

    def give(self, command: Command) -> Answer:
        """Give a command and wait for what became of it, by the socket's own deadline."""
        ...


class Parity(msgspec.Struct, frozen=True):
    """What a replay of a session came to. ``word`` is the verdict's, or why there is none;
    ``identical`` says of any code whether every derivation was the same. ``entries`` and ``head``
    (the chain's hash, hex) are the end of the journal that was replayed, None where it is not
    known; codes are digests of the engine's code; ``first`` is the first entry that differs.
    ``unkept`` says why it could not be kept."""

    word: str
    identical: bool = False
    entries: int | None = None
    head: str | None = None
    recorded_code: str | None = None
    code: str | None = None
    first: int | None = None
    unkept: str | None = None


class Day(msgspec.Struct, frozen=True):
    """A session of the desk. ``facts`` are named figures for people, in the order to show them;
    ``fault`` says why nothing more of it could be read. ``entries`` and ``head`` are its end now;
    ``parity`` is the verdict that was kept of it, whenever that was."""

    session: str
    day: str
    mode: str
    state: str
    decisions: int | None
    trades: int | None
    net_paise: int | None
    facts: tuple[tuple[str, str], ...]
    fault: str | None
    entries: int | None = None
    head: str | None = None
    parity: Parity | None = None


class Opened(msgspec.Struct, frozen=True):
    """A session that can be shown. ``running``: an engine writes it now."""

    session: str
    folder: Path
    running: bool


class Library(Protocol):
    """The desk's sessions."""

    def days(self) -> tuple[Day, ...]:
        """All of them, newest first. Reads files; may take seconds."""
        ...

    def find(self, session: str) -> Opened:
        """One of them. Raises ``LookupError`` with a line where it is not there any more."""
        ...

    def newest(self) -> Opened | None:
        """The one that was begun last, None where there is none."""
        ...

    def replay(self, session: str) -> Parity:
        """Replay one, give back the verdict and keep it for ``days``. Takes a while; never
        raises."""
        ...


class States(Protocol):
    """Where states of sessions are kept between two screens; all of it may fail, and then a session
    is read from its start."""

    def release(self) -> str:
        """The code that folds, as a name: what another one kept is not used."""
        ...

    def load(self, session: str) -> bytes | None:
        """What was kept of a session, None where there is nothing. Raises ``OSError``."""
        ...

    def keep(self, session: str, data: bytes) -> None:
        """Keep this instead. Raises ``OSError``."""
        ...


class Chore(Protocol):
    """A process that was started for the person."""

    def lines(self) -> tuple[str, ...]:
        """What it said so far, as far as it is kept."""
        ...

    def code(self) -> int | None:
        """Its exit code, None while it runs."""
        ...

    def stop(self) -> None:
        """End it, if it runs."""
        ...


class Starter(Protocol):
    """What can be started where there is nothing to show yet."""

    def demo(self) -> Chore:
        """A simulated day. Raises ``OSError`` where it cannot be started."""
        ...


class Memory(Protocol):
    """What a user's screen keeps from one time to the next, and where it may write files."""

    def load(self) -> Mapping[str, str]:
        """What was kept; empty where there is nothing or it cannot be read."""
        ...

    def keep(self, kept: Mapping[str, str]) -> None:
        """Keep this instead."""
        ...

    def export(self, name: str, text: str) -> str:
        """Write a new file of this name, 0600, and give back its path. Raises ``OSError``."""
        ...


class StateHash(msgspec.Struct, frozen=True):
    """The hash (hex) of the engine's state after an entry, as it was recorded beside the journal
    while the session ran."""

    seq: int
    ts: int
    digest: str


class Rederived(msgspec.Struct, frozen=True):
    """What a replay led to, to the end of the group that holds an entry: where that is, the state's
    hash (hex) there, the first entry that differs,
    None where none does. ``other_code`` is the digest of the code that recorded the session, where
    that is not ours."""

    seq: int
    digest: str
    first: int | None
    other_code: str | None


class Hashes(Protocol):
    """The hashes of the engine's state in the session that is shown."""

    def recorded(self) -> tuple[StateHash, ...]:
        """Those that were recorded, oldest first. Reads a file's headers; never raises."""
        ...

    def rederive(self, seq: int) -> Rederived:
        """Replay the session's facts up to an entry. Takes a while; raises ``ValueError`` with a
        line for a person where it cannot be told."""
        ...


LeastChange = Callable[[int], str]
"""What the least change of limits is under which the decision at a seq would have been a trade, or
why there is none, in one sentence. Runs the session again: takes seconds. Never raises."""


class Ports(msgspec.Struct, frozen=True):
    """All that the screen was given; None is a port that is not there, and the screen says so.
    ``shown`` is the
    name of the session that is shown; ``bell``: a new loud alarm may ring."""

    explain: Explain = reason_sentence
    control: Control | None = None
    desk: Library | None = None
    memory: Memory | None = None
    states: States | None = None
    starter: Starter | None = None
    shown: str | None = None
    bell: bool = True
    least_change: LeastChange | None = None
    entries: Entries | None = None
    verbs: tuple[tuple[str, str], ...] = ()
    """(verb, what it does) of the command line, for the palette to name."""
    travel: Travel | None = None
    hashes: Hashes | None = None
    first_divergence: Callable[[], int | None] | None = None
    """The first seq at which a replay differs, None where it is identical. Takes seconds; raises
    ``ValueError`` with a line for a person where it cannot be told."""

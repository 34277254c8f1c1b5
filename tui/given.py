"""What was commanded from this screen, and what became of it.

Lives here: the list of given commands, and the judgement whether one is confirmed. May import:
msgspec, projections.live, tui.ports. Always holds: a command is confirmed only by the engine's own
word, from the socket or from the journal; one that is not confirmed within its time says so until
it is. Start reading at ``fate``.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from projections.live.view import CommandLine
from tui.ports import Answer, Command

CONFIRM_NS: Final = 2_000_000_000
"""Without a word for so long a command counts as not confirmed."""

KEPT: Final = 50
HALT: Final = "HALT"
LEVELS: Final = (None, "CANCEL", "FLATTEN")
"""A halt's values, from the least to the most."""

Word = Literal["SENT", "CONFIRMED", "REFUSED", "NOT CONFIRMED"]


class Given(msgspec.Struct, frozen=True):
    """One command. ``at_seq`` is the journal's last entry that was shown when it was given."""

    number: int
    command: Command
    at_seq: int
    sent_mono_ns: int
    answer: Answer | None


class Fate(msgspec.Struct, frozen=True):
    """What is known of a command: ``seq`` is the entry that answers it, ``text`` its line."""

    word: Word
    seq: int | None
    text: str


class GivenList:
    """The commands of this screen, the newest last. Touched by the painting thread alone."""

    def __init__(self) -> None:
        self._rows: dict[int, Given] = {}
        self._count = 0

    @property
    def shown(self) -> tuple[Given, ...]:
        """All that are kept, frozen."""
        return tuple(self._rows.values())

    def begin(self, command: Command, at_seq: int, mono_ns: int) -> Given:
        """A command goes out now."""
        self._count += 1
        given = Given(self._count, command, at_seq, mono_ns, None)
        self._rows[given.number] = given
        if len(self._rows) > KEPT:
            del self._rows[next(iter(self._rows))]
        return given

    def end(self, number: int, answer: Answer) -> None:
        """Its answer came."""
        given = self._rows.get(number)
        if given is not None:
            self._rows[number] = msgspec.structs.replace(given, answer=answer)


def fate(given: Given, mono_ns: int, told: tuple[CommandLine, ...]) -> Fate:
    """What became of a command by now. ``told`` are the commands of the journal: a halt that the
    socket could not confirm is confirmed by its entry there, through whatever channel it came."""
    answer = given.answer
    if answer is not None and answer.outcome in ("ACCEPTED", "REFUSED"):
        word: Word = "CONFIRMED" if answer.outcome == "ACCEPTED" else "REFUSED"
        return Fate(word, answer.seq, answer.text)
    seq = _journaled(given, told)
    if seq is not None:
        return Fate("CONFIRMED", seq, f"{given.command.verb} accepted (entry {seq})")
    if answer is not None:
        return Fate("NOT CONFIRMED", None, answer.text)
    late = mono_ns - given.sent_mono_ns >= CONFIRM_NS
    return Fate("NOT CONFIRMED" if late else "SENT", None, "")


def _journaled(given: Given, told: tuple[CommandLine, ...]) -> int | None:
    """The entry with which the engine took a halt of at least this level after it was given."""
    if given.command.verb != HALT:
        return None
    for line in told:
        asked = line.asked
        if asked.verb != HALT or asked.value not in LEVELS or line.outcome != "ACCEPTED":
            continue
        enough = LEVELS.index(asked.value) >= LEVELS.index(given.command.value)
        if enough and line.seq > given.at_seq:
            return line.answered_seq
    return None


def unconfirmed_halt(
    rows: tuple[Given, ...], mono_ns: int, told: tuple[CommandLine, ...]
) -> Given | None:
    """The newest halt of this screen, where it is not confirmed in its time."""
    for given in reversed(rows):
        if given.command.verb == HALT:
            return given if fate(given, mono_ns, told).word == "NOT CONFIRMED" else None
    return None

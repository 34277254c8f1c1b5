"""Going on with a session whose engine died: what is rebuilt, re-derived, and left to take.

Lives here: the core brought to the end of a journal by its entries, the rest of a cut group, what
of the running engine must equal the recorded one, what becomes of a fault, the facts that a market
has left. May import: events, engine. Always holds: pure; recorded entries are applied as they
stand, so no recorded decision is taken twice; a group is only finished by the code that began it,
and only onto bytes that it would have written itself.
Start reading at ``Rebuilt``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import msgspec

from engine.apply import Entry
from engine.config import ConfigError
from engine.core import Core, CoreFault, Derived
from engine.orders.contracts import CONTRACTS
from engine.ports import Market
from engine.schedule import Dated, facts_of
from engine.state import State
from events.base import Event
from events.envelope import EnvelopeError, decode_envelope
from events.feed import FeedFrame, TimerTick
from events.registry import PayloadError, UnknownKindError, VersionTooNewError
from events.session import ArtifactLoaded, CarriedOver, SessionClosed, SessionOpened, TailCut
from events.upcast import current_event

TORN: Final = "TORN"
OTHER_CODE: Final = "OTHER_CODE"
"""Why a tail was cut: see ``TailCut``."""

POISONED: Final = (
    "this code fails there each time: mended code closes the session and a successor goes on, or "
    "end it as it is with 'axiom journal seal --close'"
)
"""What to do about a fact that the core cannot take: it is never skipped."""

TAIL_CUT: Final = TailCut.__name__

CODE: Final = "code"
SCHEMA: Final = "schema"
RULEBOOK: Final = "rulebook"
DAY: Final = "day"


class ResumeError(ValueError):
    """A session that cannot go on from here; one line that says where, and what to do."""


class EngineFault(RuntimeError):  # noqa: N818 - named for the condition
    """The session stopped: the message names the fact and what failed."""


@contextmanager
def told_as_fault(session: str) -> Iterator[None]:
    """A session that cannot be taken up again, as ``EngineFault`` with its name."""
    try:
        yield
    except CoreFault as error:
        raise EngineFault(f"{session}: {error}; {POISONED}") from error
    except (
        ResumeError, ConfigError, EnvelopeError, UnknownKindError, VersionTooNewError, PayloadError
    ) as error:  # fmt: skip
        raise EngineFault(f"{session}: {error}") from error


class Running(msgspec.Struct, frozen=True):
    """What of the running engine a session depends on. ``day`` is the trading day (yyyymmdd)."""

    code_digest: str
    schema_digest: str
    rulebook_digest: str
    day: int

    def differs_from(self, opened: SessionOpened) -> tuple[str, ...]:
        """What is not as it was when the session was opened; with any of it, it cannot go on."""
        pairs = (
            (CODE, self.code_digest, opened.code_digest),
            (SCHEMA, self.schema_digest, opened.schema_digest),
            (RULEBOOK, self.rulebook_digest, opened.rulebook_digest),
            (DAY, self.day, opened.day),
        )
        return tuple(name for name, ours, theirs in pairs if ours != theirs)


def can_derive(differs: Sequence[str]) -> bool:
    """Whether the running engine would derive what the recording one did.

    The rules of a session are in its journal, so another rulebook or day changes nothing of them.
    """
    return CODE not in differs and SCHEMA not in differs


class Rebuilt:
    """The core at the end of a journal, by its entries alone; with the figures of a run.

    ``last`` is the last fact of the market, ``ended`` the reason of the session's close; both as
    far as they are among the entries that were applied. ``told_seq`` is the last entry behind which
    the journal tells of a cut (-1: it tells of none).
    """

    def __init__(self, core: Core | None = None) -> None:
        self.core = core or Core()
        self.facts = 0
        self.derivations = 0
        self.digest = hashlib.sha256()
        self.last: Dated | None = None
        self.ended: str | None = None
        self.told_seq = -1
        self._known_seq = self.core.state.seq

    def take(self, data: bytes) -> None:
        """One recorded entry as it stands; those that the state already holds are counted only.

        Raises what decoding raises, and ``CoreFault``.
        """
        envelope = decode_envelope(data)
        if envelope.is_fact:
            self.facts += 1
        else:
            self.derivations += 1
            self.digest.update(data)
        if envelope.seq <= self._known_seq and envelope.kind != TAIL_CUT:
            return
        event = current_event(envelope)
        if isinstance(event, TailCut):
            self.told_seq = event.after_seq
        if envelope.seq <= self._known_seq:
            return
        self.core.take(Entry(envelope.seq, envelope.kind, envelope.ts, envelope.cause, event))
        if isinstance(event, FeedFrame | TimerTick):
            self.last = envelope.ts, event
        elif isinstance(event, SessionClosed):
            self.ended = event.reason

    def rest_of(self, incomplete: Sequence[bytes]) -> tuple[bytes, ...]:
        """Derive a last group again, of which ``incomplete`` is recorded; gives what is missing.

        Raises ``ResumeError`` where what is recorded is not what is derived.
        """
        fact = decode_envelope(incomplete[0])
        if not fact.is_fact:
            raise ResumeError(f"seq {fact.seq} begins a group and is no fact: see axiom verify")
        event = current_event(fact)
        derived = self.core.step(fact.seq, fact.ts, event)
        _must_match(incomplete[1:], derived, fact.seq)
        self.facts += 1
        self.derivations += len(derived)
        for one in derived:
            self.digest.update(one.data)
        if isinstance(event, FeedFrame | TimerTick):
            self.last = fact.ts, event
        return tuple(one.data for one in derived[len(incomplete) - 1 :])


def _must_match(recorded: Sequence[bytes], derived: Sequence[Derived], fact_seq: int) -> None:
    for place, data in enumerate(recorded):
        if place >= len(derived) or derived[place].data != data:
            raise ResumeError(
                f"seq {fact_seq + 1 + place} was recorded otherwise than it is derived from fact "
                f"{fact_seq}, by the same code: see axiom replay, and do not go on"
            )
    if len(recorded) >= len(derived):
        raise ResumeError(
            f"the group of fact {fact_seq} is whole and its end is not marked: see axiom verify"
        )


# --- a market's day ------------------------------------------------------------------------------


def opening_left(state: State, opening: Sequence[Event]) -> tuple[Event, ...]:
    """What of the opening facts a session that died within them has yet to take.

    The connection's fact is always among them: whatever was connected is not any more.
    """
    there = {
        "SessionOpened": state.opened is not None,
        "CarriedOver": state.carried is not None,
        "RULEBOOK": bool(state.rule_rows),
        CONTRACTS: bool(state.contract_rows or state.instruments),
        "InstrumentsLoaded": bool(state.instruments),
    }
    names = (one.kind if isinstance(one, ArtifactLoaded) else type(one).__name__ for one in opening)
    return tuple(
        one for one, name in zip(opening, names, strict=True) if not there.get(name, False)
    )


def account_of(state: State, carried: CarriedOver | None) -> CarriedOver:
    """What a session began with, or what is given where it died before it held that. Raises
    ``ResumeError`` where neither is."""
    account = state.carried or carried
    if state.opened is None or account is None:
        raise ResumeError(
            "it died before it held its account, and nothing has happened in it: run the market "
            "anew; 'axiom journal seal --close' ends this one"
        )
    return account


def facts_left(market: Market, state: State, last: Dated | None) -> Iterator[Dated]:
    """The facts of a market's day that the session of ``state`` has yet to take.

    ``last`` is the last of them that it holds, where that is known. A session that began later than
    its market's day (the successor of another) has the facts after its beginning: what came while
    no engine ran is lost to it, as on a real feed. Raises ``ResumeError`` where the market does not
    give what was recorded.
    """
    facts = _facts_since(market, state.opened)
    taken = state.feed.frames + state.cycle
    at: Dated | None = None
    for count in range(taken):
        at = next(facts, None)
        if at is None:
            raise ResumeError(f"the market has {count} facts, the session took {taken} of them")
    if last is not None and at != last:
        raise ResumeError(f"the market's fact {taken} is not the one that was recorded")
    return facts


def _facts_since(market: Market, opened: SessionOpened | None) -> Iterator[Dated]:
    facts = iter(facts_of(market.frames(), market.cycle_rule, market.open_ns, market.close_ns))
    if opened is None or opened.anchor_ns <= market.anchor_ns:
        return facts
    return (one for one in facts if one[0] > opened.anchor_ns)


def check_market(market: Market, state: State) -> None:
    """Refuse to go on with a session on another market. Raises ``ResumeError``."""
    opened = state.opened
    assert opened is not None, "a session that never opened had no market"
    pairs = (
        ("market", market.identity, opened.market),
        ("trading day", market.day, opened.day),
        ("cycle rule", market.cycle_rule, opened.cycle_rule),
    )
    for name, ours, theirs in pairs:
        if ours != theirs:
            raise ResumeError(f"it ran on another {name}: {_text(theirs)}")
    if state.instruments and state.instruments != market.instruments():
        raise ResumeError("it ran on other instruments than the market now has")


def _text(value: object) -> str:
    """``kind GRID, cadence_ms 5000`` of a record; a plain value as it is."""
    if not isinstance(value, msgspec.Struct):
        return str(value)
    fields = ((name, getattr(value, name)) for name in value.__struct_fields__)
    return ", ".join(f"{name} {one}" for name, one in fields if one not in (None, ()))

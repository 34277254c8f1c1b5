"""Two recorded sessions, decision by decision.

Lives here: the walk over both journals side by side. May import: events, the journal's reader,
engine's pure types, replay. Always holds: what is compared was recorded, nothing is judged again;
decisions meet by underlying and time of the trading day, so that two days can be compared too; a
contract is the same where its exchange and trading symbol are, whatever its place in either list.
Start reading at ``diff_sessions``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from engine.rulebook import ist_ns
from events.base import Event
from events.decision import ContractsScreened, DecisionMade, GatesEvaluated
from events.envelope import decode_envelope
from events.orders import IntentApproved, PositionChanged
from events.session import InstrumentsLoaded, SessionOpened
from events.upcast import current_event
from journal.reader import JournalReader
from replay.decisions import DecisionDiff, DecisionDiffer, Difference
from replay.divergence import Makings, makings_of
from replay.session import PROGRESS_SEQS, ReplayError, told_as_replay_error

COMPARED: Final = frozenset(
    kind.__name__
    for kind in (GatesEvaluated, ContractsScreened, DecisionMade, IntentApproved, PositionChanged)
)
"""Kinds that say what was decided and what came of it."""

OPENING: Final = frozenset(("SessionOpened", "InstrumentsLoaded"))

KINDS: Final = ("gained", "lost", "reason_changed", "size_changed")

Symbol = tuple[str, str]


class DiffRow(msgspec.Struct, frozen=True):
    """One decision that differs, with its kind: one of ``KINDS``."""

    kind: str
    difference: Difference


class SessionDiff(msgspec.Struct, frozen=True):
    """What session B decided otherwise than session A. Times are A's, ns UTC.

    ``decisions`` counts those of A and of B; ``days`` are their trading days (yyyymmdd);
    ``makings`` is what differs in code and configuration.
    """

    diff: DecisionDiff
    decisions: tuple[int, int]
    days: tuple[int, int]
    makings: Makings

    @property
    def rows(self) -> tuple[DiffRow, ...]:
        """Every difference in order of time, those of one moment by underlying."""
        found = [DiffRow(kind, one) for kind in KINDS for one in getattr(self.diff, kind)]
        return tuple(sorted(found, key=lambda r: (r.difference.ts, r.difference.underlying)))


def diff_sessions(
    before: Path, after: Path, on_progress: Callable[[int], None] | None = None
) -> SessionDiff:
    """Compare the recorded decisions of two session folders; chains are verified on the way.

    ``on_progress`` is told a seq of ``before`` now and then. Raises ``ReplayError`` for a folder
    that holds no session of ours, and the journal's errors where one is damaged.
    """
    with told_as_replay_error():
        ours, theirs = _Side(before, on_progress), _Side(after, None)
        try:
            return _compared(ours, theirs)
        finally:
            ours.close()
            theirs.close()


class _Moment(msgspec.Struct, frozen=True):
    """What was decided and done at one time; ``offset_ns`` is after midnight IST of the day.

    ``rank`` orders what has one time: odd for a cycle, even for what came before or after it. So a
    fill between two cycles is no effect of the second, whatever the clock says.
    """

    offset_ns: int
    rank: int
    events: tuple[Event, ...]

    @property
    def place(self) -> tuple[int, int]:
        return self.offset_ns, self.rank


class _Side:
    """One session, read moment by moment."""

    def __init__(self, folder: Path, on_progress: Callable[[int], None] | None) -> None:
        self._reader = JournalReader(folder, verify_chain=True)
        self._on_progress = on_progress
        self.opened: SessionOpened | None = None
        self.midnight_ns = 0
        self.symbols: tuple[Symbol, ...] = ()
        self.decisions = 0
        self.moments = self._moments(folder)

    def close(self) -> None:
        """Let go of the journal."""
        self._reader.close()

    def _moments(self, folder: Path) -> Iterator[_Moment]:
        last: _Moment | None = None
        for ts, events in self._groups(folder):
            offset_ns = ts - self.midnight_ns
            before = last.rank if last is not None and last.offset_ns == offset_ns else 0
            rank = _next_rank(before, any(isinstance(event, DecisionMade) for event in events))
            if last is not None and last.place == (offset_ns, rank):
                last = replace(last, events=(*last.events, *events))
                continue
            if last is not None:
                yield last
            last = _Moment(offset_ns, rank, events)
        if last is not None:
            yield last

    def _groups(self, folder: Path) -> Iterator[tuple[int, tuple[Event, ...]]]:
        """(ts, what is compared) of every group that says any of it."""
        gathered: list[Event] = []
        ts = 0
        for entry in self._reader:
            envelope = decode_envelope(entry.data)
            if self._on_progress is not None and envelope.seq % PROGRESS_SEQS == 0:
                self._on_progress(envelope.seq)
            if envelope.seq == 1 and envelope.kind != "SessionOpened":
                raise ReplayError(f"{folder} begins with {envelope.kind}: it is no session of ours")
            if envelope.is_fact and gathered:
                yield ts, tuple(gathered)
                gathered = []
            if envelope.kind in OPENING:
                self._open(current_event(envelope))
            elif envelope.kind in COMPARED:
                ts = envelope.ts
                gathered.append(current_event(envelope))
                self.decisions += envelope.kind == "DecisionMade"
        if gathered:
            yield ts, tuple(gathered)
        if self.opened is None:
            raise ReplayError(f"{folder} holds no entry: there is nothing to compare")

    def _open(self, event: Event) -> None:
        if isinstance(event, SessionOpened):
            self.opened = event
            self.midnight_ns = ist_ns(event.day, "00:00")
        elif isinstance(event, InstrumentsLoaded):
            self.symbols = tuple((row.exchange, row.tradingsymbol) for row in event.rows)


def _next_rank(before: int, is_cycle: bool) -> int:
    """The rank of a group after one of rank ``before`` at the same time: no two cycles share it."""
    if is_cycle:
        return before + 1 if before % 2 == 0 else before + 2
    return before if before % 2 == 0 else before + 1


def _compared(ours: _Side, theirs: _Side) -> SessionDiff:
    """Walk both sides in order of the time of day; the moments of one meet those of the other."""
    left, right = next(ours.moments, None), next(theirs.moments, None)
    places = _Places(ours, theirs)
    differ = DecisionDiffer(places.symbol)
    while left is not None or right is not None:
        at = min(one.place for one in (left, right) if one is not None)
        before = left.events if left is not None and left.place == at else ()
        after = right.events if right is not None and right.place == at else ()
        differ.take(ours.midnight_ns + at[0], before, places.of(after))
        if before:
            left = next(ours.moments, None)
        if after:
            right = next(theirs.moments, None)
    counts = (ours.decisions, theirs.decisions)
    a, b = ours.opened, theirs.opened
    assert a is not None and b is not None, "a side without an opening raises as it is read"
    return SessionDiff(differ.result(), counts, (a.day, b.day), makings_of(a, b))


class _Places:
    """B's events as A would have said them: contracts as places in A's list (one that A does not
    have is below zero), times as those of A's day."""

    def __init__(self, ours: _Side, theirs: _Side) -> None:
        self._shift_ns = ours.midnight_ns - theirs.midnight_ns
        self._same = ours.symbols == theirs.symbols and not self._shift_ns
        self._symbols = (ours.symbols, theirs.symbols)
        known = {symbol: place for place, symbol in enumerate(ours.symbols)}
        self._place = [known.get(one, -1 - i) for i, one in enumerate(theirs.symbols)]

    def symbol(self, place: int) -> str:
        """The trading symbol of a place in A's list, or below zero of one that only B has."""
        ours, theirs = self._symbols
        return ours[place][1] if place >= 0 else theirs[-1 - place][1]

    def of(self, events: tuple[Event, ...]) -> tuple[Event, ...]:
        """The events with every contract and time as A would have it."""
        return events if self._same else tuple(map(self._named, events))

    def _named(self, event: Event) -> Event:
        if isinstance(event, ContractsScreened):
            return replace(event, contracts=tuple(self._place[i] for i in event.contracts))
        if isinstance(event, DecisionMade):
            contract = event.contract
            return event if contract is None else replace(event, contract=self._place[contract])
        if isinstance(event, IntentApproved):
            due = event.due_ts + self._shift_ns
            return replace(event, contract=self._place[event.contract], due_ts=due)
        if isinstance(event, PositionChanged):
            opened = event.opened_ts + self._shift_ns
            return replace(event, contract=self._place[event.contract], opened_ts=opened)
        return event

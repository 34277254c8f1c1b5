"""Re-derive a session from its facts and compare every derivation with what was recorded.

Lives here: the comparison and its outcomes. May import: events, the journal's reader, engine.
Always holds: only facts are fed; equal code must give equal bytes; under other code a difference is
no failure, and the decisions that differ are given.

What was recorded in an older version of its kind is compared upcast, as canonical bytes. A field
that the old version did not have says nothing after the upcast (None), so nothing can differ from
it: it is left out on both sides.
Start reading at ``replay_session``.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from engine.apply import Entry
from engine.checkpoint import state_hash
from engine.config import ConfigError
from engine.core import Core, CoreFault, Derived
from engine.resume import OTHER_CODE, TORN
from engine.runner import own_code_digest
from engine.state import State
from events.base import Event
from events.envelope import Envelope, EnvelopeError, decode_envelope, encode_payload
from events.registry import (
    FACT_KINDS,
    PAST,
    PayloadError,
    UnknownKindError,
    VersionTooNewError,
)
from events.session import SessionOpened, SessionResumed, TailCut
from events.upcast import current_event
from journal.block import Entry as Recorded
from journal.reader import JournalReader
from replay.decisions import DecisionDiff, DecisionDiffer
from replay.divergence import (
    Divergence,
    Makings,
    Place,
    as_silent,
    causal_chain,
    difference,
    event_or_none,
    first_field,
    missing,
    recorded_makings,
)

Outcome = Literal["identical", "diverged", "other_engine"]
COMPARED_BYTES: Final = "bytes"
COMPARED_UPCAST: Final = "upcast"
PROGRESS_SEQS: Final = 512


class ReplayReport(msgspec.Struct, frozen=True):
    """What a replay found.

    ``outcome`` is ``other_engine`` wherever other code recorded the session; ``identical`` says of
    any code whether every derivation is the same. Digests are over whole derivation envelopes, the
    recorded ones as they stand. ``comparison`` is ``upcast`` where anything was recorded in a past
    version of its kind. ``unrecorded`` counts the derivations of a last group that a crash
    cut off: they are nobody's difference. ``makings`` is what recorded the session beside what
    replayed it. ``ticks_per_s`` is per CPU second. ``state_hash`` is the SHA-256 (hex) of the state
    to which the facts led.
    """

    outcome: Outcome
    identical: bool
    facts: int
    derivations: int
    ticks: int
    digest: str
    recorded_digest: str
    comparison: str
    first_divergence: Divergence | None
    makings: Makings
    ticks_per_s: int
    head_seq: int
    unrecorded: int
    state_hash: str
    decisions: DecisionDiff | None


class Until(msgspec.Struct, frozen=True):
    """Where to stop: after the group that holds ``seq``, or before the first fact past ``ts``."""

    seq: int | None = None
    ts: int | None = None


class ReplayError(Exception):
    """A session that cannot be replayed; one line that says what to do."""


class _Comparison:
    """The running comparison of recorded and re-derived groups."""

    def __init__(self, other_engine: bool) -> None:
        self.core = Core()
        self.first_place: Place | None = None
        self.expected: deque[Derived] = deque()
        self.first: Divergence | None = None
        self.facts = 0
        self.derivations = 0
        self.unrecorded = 0
        self.upcast = False
        self.recorded = hashlib.sha256()
        self.replayed = hashlib.sha256()
        self.head_seq = 0
        self.decisions = DecisionDiffer(self._symbol) if other_engine else None
        self._group_open = False
        self._fact_entry: Entry | None = None
        self._group: list[Derived] = []
        self._theirs: list[Event] = []

    def take(self, entry: Recorded) -> None:
        """One recorded entry."""
        if self.expected and self.decisions is None and self.expected[0].data == entry.data:
            # The usual case. Nothing of it needs reading: it says what was derived.
            self.expected.popleft()
            self.derivations += 1
            self.recorded.update(entry.data)
            self.head_seq, self._group_open = entry.seq, not entry.group_end
            return
        envelope = decode_envelope(entry.data)
        if envelope.is_fact:
            self._group_ends(cut=self._group_open and _leaves_open(envelope))
            self._fact(envelope)
        else:
            self._derivation(envelope, entry.data)
        self.head_seq = envelope.seq
        self._group_open = not entry.group_end

    def finish(self) -> None:
        """Whatever the core derived last and was not recorded is a difference too, unless a crash
        cut the group."""
        self._group_ends(cut=self._group_open)

    def _symbol(self, index: int) -> str:
        return symbol_in(self.core.state, index)

    def _fact(self, envelope: Envelope) -> None:
        if envelope.kind not in FACT_KINDS or envelope.ts < self.core.now:
            raise ReplayError(
                f"seq {envelope.seq}, {envelope.kind}, cannot be a fact here: no engine of ours "
                "wrote this journal"
            )
        self.facts += 1
        self.upcast |= _is_past(envelope)
        seq, ts, event = envelope.seq, envelope.ts, current_event(envelope)
        if isinstance(event, SessionResumed) and self.decisions is None:
            self._check_resumed(envelope, event)
        if isinstance(event, TailCut):
            self._check_cut(envelope, event)
        self._fact_entry = Entry(seq, envelope.kind, ts, seq, event)
        self._group = self.core.step(seq, ts, event)
        self.expected.extend(self._group)
        self.replayed.update(b"".join([one.data for one in self._group]))

    def _check_resumed(self, envelope: Envelope, event: SessionResumed) -> None:
        """The engine said which state it went on from: the facts must lead to the same."""
        here = replace(event, after_seq=self.head_seq, state_hash=state_hash(self.core.state))
        self._compare(envelope, event, here)

    def _check_cut(self, envelope: Envelope, event: TailCut) -> None:
        """A cut is told of right behind the group in which or behind which it was; and only a group
        that was left open is left so by other code."""
        first = self._fact_entry.seq if self._fact_entry is not None else 0
        if event.reason == OTHER_CODE:
            here = replace(event, after_seq=self.head_seq)
            here = here if self._group_open else replace(here, reason=TORN)
        else:
            here = replace(event, after_seq=min(max(event.after_seq, first), self.head_seq))
        self._compare(envelope, event, here)

    def _compare(self, envelope: Envelope, event: Event, here: Event) -> None:
        """A fact of the engine about the session, beside what the session says itself."""
        if self.first is None and here != event:
            field, recorded, replayed = first_field(event, here)
            seq, kind = envelope.seq, envelope.kind
            self.first = Divergence(seq, kind, field, recorded, replayed, envelope.cause)

    def _derivation(self, envelope: Envelope, data: bytes) -> None:
        self.derivations += 1
        self.recorded.update(data)
        if self.decisions is not None:
            self._theirs.append(current_event(envelope))
        ours = self.expected.popleft() if self.expected else None
        if ours is not None and ours.data == data:
            return
        if _is_past(envelope):
            self.upcast = True
            if ours is not None and _equal_after_upcast(envelope, ours):
                return
        if self.first is None:
            self.first = difference(envelope, ours)
            if ours is not None:
                self._found(ours.entry)
            elif (event := event_or_none(envelope)) is not None:
                entry = Entry(envelope.seq, envelope.kind, envelope.ts, envelope.cause, event)
                self._found(entry)

    def _found(self, entry: Entry) -> None:
        """Keep what the first difference follows from."""
        assert self._fact_entry is not None
        earlier = tuple(one.entry for one in self._group if one.entry.seq < entry.seq)
        before = self.core.before
        self.first_place = Place(entry, self._fact_entry, earlier, before, self.core.state)

    def _group_ends(self, cut: bool) -> None:
        if self.expected and cut:
            self.unrecorded += len(self.expected)
        elif self.expected and self.first is None:
            self.first = missing(self.expected[0])
            self._found(self.expected[0].entry)
        self.expected.clear()
        if self.decisions is not None:
            ours = [one.entry.event for one in self._group]
            self.decisions.take(self.core.now, self._theirs, ours)
            self._theirs = []
        self._group = []


def _leaves_open(envelope: Envelope) -> bool:
    """Whether a fact says that the group before it was left as it was cut: the engine that cut it
    finishes it, so only another may say so."""
    event = current_event(envelope)
    return isinstance(event, TailCut) and event.reason == OTHER_CODE


def _never() -> bool:
    return False


def replay_session(
    folder: Path,
    *,
    until: Until | None = None,
    follow: bool = False,
    stop: Callable[[], bool] = _never,
    on_progress: Callable[[int], None] | None = None,
) -> ReplayReport:
    """Replay a session's folder, reading and checking its chain on the way.

    ``follow`` keeps reading a running session until it is closed, or at an idle moment ``stop()``.
    ``on_progress`` is told a seq now and then. Raises ``ReplayError`` for a folder without a
    session and for entries that this release cannot read, and the journal's own errors for a
    damaged one.
    """
    started = time.process_time()
    comparison: _Comparison | None = None
    with JournalReader(folder, verify_chain=True) as reader, told_as_replay_error():
        for entry in _entries(reader, until or Until(), follow, stop):
            if comparison is None:
                opened = _opened(entry.data)
                comparison = _Comparison(opened.code_digest != own_code_digest())
            comparison.take(entry)
            if on_progress is not None and entry.seq % PROGRESS_SEQS == 0:
                on_progress(entry.seq)
        if comparison is None:
            raise ReplayError(f"{folder} holds no entry up to there: nothing to replay")
        comparison.finish()
        cpu_s = time.process_time() - started
        return _report(comparison, folder, recorded_makings(opened), cpu_s)


@contextmanager
def told_as_replay_error() -> Iterator[None]:
    """An intact entry that this release cannot read, or that leads nowhere, as ``ReplayError``."""
    try:
        yield
    except (
        EnvelopeError, UnknownKindError, VersionTooNewError, PayloadError, CoreFault, ConfigError
    ) as error:  # fmt: skip
        raise ReplayError(str(error)) from error


def _entries(
    reader: JournalReader, until: Until, follow: bool, stop: Callable[[], bool]
) -> Iterator[Recorded]:
    """Recorded entries up to the limit; whole groups only."""
    for block in _blocks(reader, follow, stop):
        for entry in block:
            if until.seq is not None or until.ts is not None:
                envelope = decode_envelope(entry.data)
                if envelope.is_fact and _past(envelope, until):
                    return
            yield entry


def _past(envelope: Envelope, until: Until) -> bool:
    return (until.seq is not None and envelope.seq > until.seq) or (
        until.ts is not None and envelope.ts > until.ts
    )


def _blocks(
    reader: JournalReader, follow: bool, stop: Callable[[], bool]
) -> Iterator[Iterable[Recorded]]:
    if not follow:
        yield from reader.iter_blocks()
        return
    for block in reader.follow_blocks(poll_s=0.02, stop=stop):
        if block is not None:
            yield block


def _opened(data: bytes) -> SessionOpened:
    envelope = decode_envelope(data)
    opened = current_event(envelope) if envelope.is_fact else None
    if not isinstance(opened, SessionOpened):
        raise ReplayError(f"the session begins with {envelope.kind}, not with SessionOpened")
    return opened


def _report(comparison: _Comparison, folder: Path, makings: Makings, cpu_s: float) -> ReplayReport:
    ticks, first = comparison.core.state.feed.ticks, comparison.first
    if first is not None and comparison.first_place is not None:
        chain = causal_chain(comparison.first_place, first.field, folder)
        first = replace(first, chain=chain)
    identical = comparison.first is None
    outcome: Outcome = "identical" if identical else "diverged"
    if comparison.decisions is not None:
        outcome = "other_engine"
    return ReplayReport(
        outcome=outcome,
        identical=identical,
        facts=comparison.facts,
        derivations=comparison.derivations,
        ticks=ticks,
        digest=comparison.replayed.hexdigest(),
        recorded_digest=comparison.recorded.hexdigest(),
        comparison=COMPARED_UPCAST if comparison.upcast else COMPARED_BYTES,
        first_divergence=first,
        makings=makings,
        ticks_per_s=int(ticks / cpu_s) if cpu_s > 0 else 0,
        head_seq=comparison.head_seq,
        unrecorded=comparison.unrecorded,
        state_hash=state_hash(comparison.core.state),
        decisions=comparison.decisions.result() if comparison.decisions is not None else None,
    )


def _is_past(envelope: Envelope) -> bool:
    return (envelope.kind, envelope.version) in PAST


def _equal_after_upcast(envelope: Envelope, ours: Derived) -> bool:
    """Whether an entry of a past version says what was derived, as far as it says anything."""
    entry = ours.entry
    head = (envelope.kind, envelope.ts, envelope.cause)
    if head != (entry.kind, entry.ts, entry.cause):
        return False
    recorded = current_event(envelope)
    return encode_payload(recorded) == encode_payload(as_silent(envelope, recorded, entry.event))


def symbol_in(state: State, index: int) -> str:
    """The trading symbol of an instrument; a recorded index that names none is said as it is."""
    known = 0 <= index < len(state.instruments)
    return state.instruments[index].tradingsymbol if known else f"instrument {index}"


def facts_of_session(folder: Path) -> Iterator[tuple[int, int, Event]]:
    """(recorded seq, ts, fact) of a session in order, upcast to the current shapes.

    Raises ``ReplayError`` for a fact that this release cannot read, and the journal's errors.
    """
    with JournalReader(folder, verify_chain=True) as reader:
        for entry in reader:
            with told_as_replay_error():
                envelope = decode_envelope(entry.data)
                event = current_event(envelope) if envelope.is_fact else None
            if event is not None:
                yield envelope.seq, envelope.ts, event

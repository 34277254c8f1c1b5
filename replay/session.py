"""Re-derive a session from its facts and compare every derivation with what was recorded.

Lives here: the comparison, its outcomes, the first divergence. May import: events, the journal's
reader, engine. Always holds: only facts are fed; equal code must give equal bytes; under other code
a difference is no failure, and the decisions that differ are given.

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
from typing import Any, Final, Literal

import msgspec
from msgspec.structs import replace

from engine.core import Core, CoreLoopError, Derived
from engine.runner import own_code_digest
from events.base import Event
from events.envelope import Envelope, EnvelopeError, decode_envelope, encode_payload
from events.registry import (
    FACT_KINDS,
    PAST,
    PayloadError,
    UnknownKindError,
    VersionTooNewError,
    spec_of,
)
from events.session import SessionOpened
from events.upcast import current_event
from journal.block import Entry
from journal.reader import JournalReader
from replay.decisions import DecisionDiff, DecisionDiffer

Outcome = Literal["identical", "diverged", "other_engine"]
COMPARED_BYTES: Final = "bytes"
COMPARED_UPCAST: Final = "upcast"
ABSENT: Final = "(absent)"
PROGRESS_SEQS: Final = 512


class Divergence(msgspec.Struct, frozen=True):
    """The first derivation that differs: where, in which field, and both values."""

    seq: int
    kind: str
    field: str
    recorded: Any
    replayed: Any
    cause: int


class ReplayReport(msgspec.Struct, frozen=True):
    """What a replay found.

    ``outcome`` is ``other_engine`` wherever other code recorded the session; ``identical`` says of
    any code whether every derivation is the same. Digests are over whole derivation envelopes, the
    recorded ones as they stand. ``unrecorded`` counts the derivations of a last group that a crash
    cut off: they are nobody's difference. ``ticks_per_s`` is per CPU second.
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
    ticks_per_s: int
    head_seq: int
    unrecorded: int
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
        self.expected: deque[Derived] = deque()
        self.first: Divergence | None = None
        self.facts = 0
        self.derivations = 0
        self.unrecorded = 0
        self.upcast = False
        self.recorded = hashlib.sha256()
        self.replayed = hashlib.sha256()
        self.head_seq = 0
        self.decisions = DecisionDiffer() if other_engine else None
        self._group_open = False
        self._ours: list[Event] = []
        self._theirs: list[Event] = []

    def take(self, entry: Entry) -> None:
        """One recorded entry."""
        envelope = decode_envelope(entry.data)
        if envelope.is_fact:
            self._group_ends(cut=self._group_open and envelope.kind == "TailCut")
            self._fact(envelope)
        else:
            self._derivation(envelope, entry.data)
        self.head_seq = envelope.seq
        self._group_open = not entry.group_end

    def finish(self) -> None:
        """Whatever the core derived last and was not recorded is a difference too, unless a crash
        cut the group."""
        self._group_ends(cut=self._group_open)

    def _fact(self, envelope: Envelope) -> None:
        if envelope.kind not in FACT_KINDS or envelope.ts < self.core.state.now:
            raise ReplayError(
                f"seq {envelope.seq}, {envelope.kind}, cannot be a fact here: no engine of ours "
                "wrote this journal"
            )
        self.facts += 1
        derived = self.core.step(envelope.seq, envelope.ts, current_event(envelope))
        self.expected.extend(derived)
        for one in derived:
            self.replayed.update(one.data)
        if self.decisions is not None:
            self._ours = [one.entry.event for one in derived]
            self._theirs = []

    def _derivation(self, envelope: Envelope, data: bytes) -> None:
        self.derivations += 1
        self.recorded.update(data)
        if self.decisions is not None:
            self._theirs.append(current_event(envelope))
        ours = self.expected.popleft() if self.expected else None
        if ours is not None and ours.data == data:
            return
        if ours is not None and _equal_after_upcast(envelope, ours):
            self.upcast = True
            return
        if self.first is None:
            self.first = _difference(envelope, ours)

    def _group_ends(self, cut: bool) -> None:
        if self.expected and cut:
            self.unrecorded += len(self.expected)
        elif self.expected and self.first is None:
            one = self.expected[0].entry
            self.first = Divergence(one.seq, one.kind, "", ABSENT, "derived", one.cause)
        self.expected.clear()
        if self.decisions is not None:
            self.decisions.take(self.core.state.now, self._theirs, self._ours)
            self._ours, self._theirs = [], []


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
                comparison = _Comparison(_recorded_code(entry.data) != own_code_digest())
            comparison.take(entry)
            if on_progress is not None and entry.seq % PROGRESS_SEQS == 0:
                on_progress(entry.seq)
        if comparison is None:
            raise ReplayError(f"{folder} holds no entry up to there: nothing to replay")
        comparison.finish()
    return _report(comparison, time.process_time() - started)


@contextmanager
def told_as_replay_error() -> Iterator[None]:
    """An intact entry that this release cannot read, or that leads nowhere, as ``ReplayError``."""
    try:
        yield
    except (
        EnvelopeError, UnknownKindError, VersionTooNewError, PayloadError, CoreLoopError
    ) as error:  # fmt: skip
        raise ReplayError(str(error)) from error


def _entries(
    reader: JournalReader, until: Until, follow: bool, stop: Callable[[], bool]
) -> Iterator[Entry]:
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
) -> Iterator[Iterable[Entry]]:
    if not follow:
        yield from reader.iter_blocks()
        return
    for block in reader.follow_blocks(poll_s=0.02, stop=stop):
        if block is not None:
            yield block


def _recorded_code(data: bytes) -> str:
    envelope = decode_envelope(data)
    opened = current_event(envelope) if envelope.is_fact else None
    if not isinstance(opened, SessionOpened):
        raise ReplayError(f"the session begins with {envelope.kind}, not with SessionOpened")
    return opened.code_digest


def _report(comparison: _Comparison, cpu_s: float) -> ReplayReport:
    ticks = comparison.core.state.feed.ticks
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
        first_divergence=comparison.first,
        ticks_per_s=int(ticks / cpu_s) if cpu_s > 0 else 0,
        head_seq=comparison.head_seq,
        unrecorded=comparison.unrecorded,
        decisions=comparison.decisions.result() if comparison.decisions is not None else None,
    )


def _equal_after_upcast(envelope: Envelope, ours: Derived) -> bool:
    """Whether an entry of a past version says what was derived, as far as it says anything."""
    entry = ours.entry
    if envelope.kind != entry.kind or envelope.version == spec_of(envelope).version:
        return False
    if (envelope.ts, envelope.cause) != (entry.ts, entry.cause):
        return False
    recorded = current_event(envelope)
    return encode_payload(recorded) == encode_payload(_as_silent(envelope, recorded, entry.event))


def _as_silent(envelope: Envelope, recorded: Event, derived: Event) -> Event:
    """``derived`` without the fields that the recorded version did not have."""
    past = PAST.get((envelope.kind, envelope.version))
    if past is None:
        return derived
    silent = {
        name: None
        for name in recorded.__struct_fields__
        if name not in past.__struct_fields__ and getattr(recorded, name) is None
    }
    return replace(derived, **silent)


# --- naming the difference -----------------------------------------------------------------------


def _difference(envelope: Envelope, ours: Derived | None) -> Divergence:
    seq, kind, cause = envelope.seq, envelope.kind, envelope.cause
    if ours is None:
        return Divergence(seq, kind, "", "recorded", ABSENT, cause)
    if kind != ours.entry.kind:
        return Divergence(seq, kind, "kind", kind, ours.entry.kind, cause)
    for name, recorded, replayed in (
        ("ts", envelope.ts, ours.entry.ts),
        ("cause", envelope.cause, ours.entry.cause),
    ):
        if recorded != replayed:
            return Divergence(seq, kind, name, recorded, replayed, cause)
    try:
        event = current_event(envelope)
    except PayloadError:
        event = None
    derived = ours.entry.event if event is None else _as_silent(envelope, event, ours.entry.event)
    if event is None or _same(event, derived):  # not of the kind's shape, or not canonical
        payloads = bytes(envelope.payload).hex(), encode_payload(derived).hex()
        return Divergence(seq, kind, "payload", *payloads, cause)
    return Divergence(seq, kind, *first_field(event, derived), cause)


def first_field(recorded: Any, replayed: Any, path: str = "") -> tuple[str, Any, Any]:
    """The dotted path of the first field in which two values differ, and both values there."""
    if isinstance(recorded, msgspec.Struct) and type(recorded) is type(replayed):
        for name in recorded.__struct_fields__:
            ours, theirs = getattr(recorded, name), getattr(replayed, name)
            if not _same(ours, theirs):
                return first_field(ours, theirs, f"{path}.{name}" if path else name)
    if isinstance(recorded, tuple) and isinstance(replayed, tuple):
        if len(recorded) != len(replayed):
            return f"{path}.length", len(recorded), len(replayed)
        for place, (ours, theirs) in enumerate(zip(recorded, replayed, strict=True)):
            if not _same(ours, theirs):
                return first_field(ours, theirs, f"{path}[{place}]")
    return path, plain(recorded), plain(replayed)


def _same(ours: Any, theirs: Any) -> bool:
    """Equal to the byte: 1 is not 1.0 and not True."""
    return msgspec.msgpack.encode(ours) == msgspec.msgpack.encode(theirs)


def plain(value: Any) -> Any:
    """A value as JSON can hold it; bytes as hex."""
    return value.hex() if isinstance(value, bytes) else msgspec.to_builtins(value)


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

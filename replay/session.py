"""Re-derive a session from its facts and compare every derivation with what was recorded.

Lives here: the comparison, its outcomes, the first divergence. May import: events, the journal's
reader, engine. Always holds: only facts are fed; equal code must give equal bytes; under other code
the decisions are compared instead, and that is no failure.
Start reading at ``replay_session``.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from engine.core import Core, Derived
from engine.runner import own_code_digest
from events.base import Event
from events.decision import DecisionMade
from events.envelope import Envelope, decode_envelope
from events.registry import spec_of
from events.session import SessionOpened
from events.upcast import current_bytes, current_event
from journal.reader import JournalReader
from replay.decisions import Decided, DecisionDiff, diff_decisions

Outcome = Literal["identical", "diverged", "other_engine"]
COMPARED_BYTES: Final = "bytes"
COMPARED_UPCAST: Final = "upcast"
ABSENT: Final = "(absent)"


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

    Digests are over derivation envelopes; ``ticks_per_s`` is per CPU second.
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
        self.other_engine = other_engine
        self.expected: deque[Derived] = deque()
        self.first: Divergence | None = None
        self.facts = 0
        self.derivations = 0
        self.upcast = False
        self.recorded = hashlib.sha256()
        self.replayed = hashlib.sha256()
        self.recorded_decisions: list[Decided] = []
        self.replayed_decisions: list[Decided] = []
        self.head_seq = 0

    def take(self, data: bytes) -> None:
        """One recorded entry."""
        envelope = decode_envelope(data)
        self.head_seq = envelope.seq
        if envelope.is_fact:
            self._fact(envelope)
        else:
            self._derivation(envelope, data)

    def finish(self) -> None:
        """Whatever the core derived last and was not recorded is a difference too."""
        self._missing()

    def _fact(self, envelope: Envelope) -> None:
        self._missing()
        self.facts += 1
        derived = self.core.step(envelope.seq, envelope.ts, current_event(envelope))
        self.expected.extend(derived)
        for one in derived:
            self.replayed.update(one.data)
            if self.other_engine and isinstance(one.entry.event, DecisionMade):
                self.replayed_decisions.append(Decided.of(envelope.ts, one.entry.event, None))

    def _derivation(self, envelope: Envelope, data: bytes) -> None:
        self.derivations += 1
        self.recorded.update(data)
        if self.other_engine:
            self.expected.clear()
            if envelope.kind == "DecisionMade":
                event = current_event(envelope)
                assert isinstance(event, DecisionMade)
                self.recorded_decisions.append(Decided.of(envelope.ts, event, None))
            return
        ours = self.expected.popleft() if self.expected else None
        if ours is not None and ours.data == data:
            return
        if ours is not None and self._equal_after_upcast(envelope, ours):
            self.upcast = True
            return
        if self.first is None:
            self.first = _difference(envelope, ours)

    def _equal_after_upcast(self, envelope: Envelope, ours: Derived) -> bool:
        if envelope.version == spec_of(envelope).version:
            return False
        return current_bytes(envelope) == ours.data

    def _missing(self) -> None:
        if self.expected and self.first is None and not self.other_engine:
            one = self.expected[0].entry
            self.first = Divergence(one.seq, one.kind, "", ABSENT, "derived", one.cause)
        self.expected.clear()


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
    Raises ``ReplayError`` for a
    folder without a session, and the journal's own errors for a damaged one.
    """
    started = time.process_time()
    comparison: _Comparison | None = None
    with JournalReader(folder, verify_chain=True) as reader:
        for data in _entries(reader, until or Until(), follow, stop):
            if comparison is None:
                comparison = _Comparison(_recorded_code(data) != own_code_digest())
            comparison.take(data)
            if on_progress is not None and comparison.head_seq % 512 == 0:
                on_progress(comparison.core.state.now)
    if comparison is None:
        raise ReplayError(f"{folder} holds no entries: nothing to replay")
    comparison.finish()
    return _report(comparison, time.process_time() - started)


def _entries(
    reader: JournalReader, until: Until, follow: bool, stop: Callable[[], bool]
) -> Iterator[bytes]:
    """Recorded envelopes up to the limit; whole groups only."""
    for block in _blocks(reader, follow, stop):
        for entry in block:
            if until.seq is not None or until.ts is not None:
                envelope = decode_envelope(entry.data)
                if envelope.is_fact and _past(envelope, until):
                    return
            yield entry.data


def _past(envelope: Envelope, until: Until) -> bool:
    return (until.seq is not None and envelope.seq > until.seq) or (
        until.ts is not None and envelope.ts > until.ts
    )


def _blocks(
    reader: JournalReader, follow: bool, stop: Callable[[], bool]
) -> Iterator[Iterable[Any]]:
    if not follow:
        yield from reader.iter_blocks()
        return
    for block in reader.follow_blocks(poll_s=0.02, stop=stop):
        if block is not None:
            yield block


def _recorded_code(data: bytes) -> str:
    envelope = decode_envelope(data)
    opened = current_event(envelope)
    if not isinstance(opened, SessionOpened):
        raise ReplayError(f"the session begins with {envelope.kind}, not with SessionOpened")
    return opened.code_digest


def _report(comparison: _Comparison, cpu_s: float) -> ReplayReport:
    ticks = comparison.core.state.feed.ticks
    diff: DecisionDiff | None = None
    outcome: Outcome = "identical" if comparison.first is None else "diverged"
    if comparison.other_engine:
        outcome = "other_engine"
        diff = diff_decisions(comparison.recorded_decisions, comparison.replayed_decisions)
    return ReplayReport(
        outcome=outcome,
        identical=outcome == "identical",
        facts=comparison.facts,
        derivations=comparison.derivations,
        ticks=ticks,
        digest=comparison.replayed.hexdigest(),
        recorded_digest=comparison.recorded.hexdigest(),
        comparison=COMPARED_UPCAST if comparison.upcast else COMPARED_BYTES,
        first_divergence=comparison.first,
        ticks_per_s=int(ticks / cpu_s) if cpu_s > 0 else 0,
        head_seq=comparison.head_seq,
        decisions=diff,
    )


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
    field, recorded, replayed = first_field(current_event(envelope), ours.entry.event)
    return Divergence(seq, kind, field, recorded, replayed, cause)


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
    """(recorded seq, ts, fact) of a session in order, upcast to the current shapes."""
    with JournalReader(folder, verify_chain=True) as reader:
        for entry in reader:
            envelope = decode_envelope(entry.data)
            if envelope.is_fact:
                yield envelope.seq, envelope.ts, current_event(envelope)

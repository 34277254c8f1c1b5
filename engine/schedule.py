"""The cycle rule: when decision cycles fall between the frames of a market.

Lives here: frames and timer ticks merged into one order of facts, and a day of them handed over.
May import: events, engine. Always holds: pure; a frame at the time of a tick comes before it;
a tick is due by the rule and never by what was seen, so the same frames give the same ticks.
Start reading at ``facts_of``. The ticks of a session in real time are ``engine.live``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from engine.ports import MarketFrame
from engine.sink import Sink
from events.base import Event
from events.feed import FeedFrame, FeedStatus, TimerTick
from events.session import CycleRule, SessionClosed
from events.wire.kite import CODEC_NAME, CODEC_VERSION

MS: Final = 1_000_000
GRID: Final = "GRID"
AFTER_SNAPSHOT: Final = "AFTER_SNAPSHOT"
END_OF_DAY: Final = "END_OF_DAY"
PROGRESS_EACH: Final = 256
"""Facts from one word about progress to the next."""

Dated = tuple[int, Event]
"""(ts in ns UTC, fact)."""


def facts_of(
    frames: Iterable[MarketFrame], rule: CycleRule, open_ns: int, close_ns: int
) -> Iterator[Dated]:
    """Frames and ticks of a day in order. Raises ``ValueError`` for a rule that is not known."""
    if rule.cadence_ms <= 0:
        raise ValueError(f"cycle rule {rule.kind}: the cadence must be positive")
    if rule.kind == GRID:
        return _on_grid(frames, rule, open_ns, close_ns)
    if rule.kind == AFTER_SNAPSHOT:
        return _after_snapshots(frames, rule, close_ns)
    raise ValueError(f"cycle rule {rule.kind!r} is not known")


def _on_grid(
    frames: Iterable[MarketFrame], rule: CycleRule, open_ns: int, close_ns: int
) -> Iterator[Dated]:
    due, step = open_ns, rule.cadence_ms * MS
    for frame in frames:
        while due < frame.ts and due < close_ns:
            yield _tick(due)
            due += step
        yield frame.ts, _fact(frame)
    while due < close_ns:
        yield _tick(due)
        due += step


def _after_snapshots(
    frames: Iterable[MarketFrame], rule: CycleRule, close_ns: int
) -> Iterator[Dated]:
    """A tick with each page; in a silence longer than the largest gap, one each cadence.

    A silence that lasts to the close is one like any other: positions are squared off in it. Before
    the first page there is no market to decide about, so the rule counts from there.
    """
    due: int | None = None
    step = rule.cadence_ms * MS
    for frame in frames:
        while due is not None and due < frame.ts:
            yield _tick(due)
            due += step
        yield frame.ts, _fact(frame)
        if frame.snapshot_end:
            yield _tick(frame.ts)
            due = frame.ts + rule.max_gap_ms * MS + step
    while due is not None and due < close_ns:
        yield _tick(due)
        due += step


def _tick(due: int) -> Dated:
    return due, TimerTick(due, 0)


def _fact(frame: MarketFrame) -> FeedFrame:
    return FeedFrame(
        frame.connection,
        CODEC_NAME,
        CODEC_VERSION,
        frame.snapshot_end,
        len(frame.data),
        None,
        frame.data,
    )


def drive(
    sink: Sink,
    facts: Iterable[Dated],
    close_ns: int,
    on_progress: Callable[[int], None] | None,
) -> None:
    """Hand over a market's facts, and close the session at its end (``close_ns`` at the earliest).

    ``on_progress`` is told the session time now and then.
    """
    for count, (ts, event) in enumerate(facts, 1):
        sink.fact(ts, event)
        if on_progress is not None and count % PROGRESS_EACH == 0:
            on_progress(ts)
    end = max(sink.now, close_ns)
    sink.fact(end, FeedStatus(0, "ENDED", False, 0))
    sink.fact(end, SessionClosed(END_OF_DAY))

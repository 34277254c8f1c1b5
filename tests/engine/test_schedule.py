"""When cycles are due: the grid, the pages, silence, open and close."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.ports import MarketFrame
from engine.schedule import facts_of
from events.feed import FeedFrame, TimerTick
from events.session import CycleRule

MS = 1_000_000
OPEN, CLOSE = 1_000_000 * MS, 1_060_000 * MS
GRID = CycleRule("GRID", 5_000, 0)
PAGES = CycleRule("AFTER_SNAPSHOT", 10_000, 15_000)


def _frames(ms: list[int], ends: list[bool] | None = None) -> list[MarketFrame]:
    """Frames so many ms after the open; each ends a page unless ``ends`` says otherwise."""
    flags = ends or [True] * len(ms)
    return [MarketFrame(OPEN + at * MS, b"\0", 0, end) for at, end in zip(ms, flags, strict=True)]


def _ticks(frames: list[MarketFrame], rule: CycleRule) -> list[int]:
    """Ticks as ms after the open."""
    return [
        (ts - OPEN) // MS
        for ts, event in facts_of(frames, rule, OPEN, CLOSE)
        if isinstance(event, TimerTick)
    ]


def test_the_grid_runs_from_the_open_and_leaves_out_the_close() -> None:
    """Every cadence from the open, the close excluded, whether or not a frame comes."""
    due = list(range(0, 60_000, 5_000))
    assert _ticks([], GRID) == due
    assert _ticks(_frames([-7_000, 3_000, 59_999, 60_000, 70_000]), GRID) == due


def test_a_frame_at_the_time_of_a_tick_comes_first() -> None:
    """At equal times the frame is applied before the cycle looks."""
    kinds = [
        (type(event).__name__, (ts - OPEN) // MS)
        for ts, event in facts_of(_frames([0, 5_000]), GRID, OPEN, OPEN + 10_000 * MS)
    ]
    assert kinds == [
        ("FeedFrame", 0), ("TimerTick", 0), ("FeedFrame", 5_000), ("TimerTick", 5_000),
    ]  # fmt: skip


def test_each_page_is_followed_by_one_tick() -> None:
    """A tick stands right after a page's last frame, at its time, and after no other frame."""
    frames = _frames([0, 0, 9_000, 9_000], [False, True, False, True])
    kinds = [type(e).__name__ for _, e in facts_of(frames, PAGES, OPEN, OPEN + 20_000 * MS)]
    assert kinds == ["FeedFrame", "FeedFrame", "TimerTick"] * 2


def test_an_outage_between_pages_is_ticked() -> None:
    """Once the largest gap has passed without a page, one tick each cadence until the next page."""
    assert _ticks(_frames([0, 50_000]), PAGES) == [0, 25_000, 35_000, 45_000, 50_000]


def test_an_outage_to_the_close_is_ticked() -> None:
    """Silence after the last page is an outage too: positions must be squared off in it."""
    assert _ticks(_frames([0]), PAGES) == [0, 25_000, 35_000, 45_000, 55_000]


def test_before_the_first_page_nothing_is_due() -> None:
    """The page rule counts from the first page: without one there is no market to decide about."""
    assert _ticks(_frames([40_000]), PAGES)[0] == 40_000
    assert _ticks([], PAGES) == []


def test_frames_become_facts_byte_for_byte() -> None:
    """A frame's fact holds its bytes, its length and its connection."""
    frame = MarketFrame(OPEN, b"\1\2\3", 4, False)
    (ts, event), *_ = facts_of([frame], GRID, OPEN, CLOSE)
    assert isinstance(event, FeedFrame)
    assert (ts, event.data, event.length_bytes, event.connection) == (OPEN, b"\1\2\3", 3, 4)
    assert event.digest is None


@pytest.mark.parametrize(
    ("rule", "message"),
    [(CycleRule("HOURLY", 1, 0), "not known"), (CycleRule("GRID", 0, 0), "must be positive")],
)
def test_a_rule_that_cannot_be_is_refused(rule: CycleRule, message: str) -> None:
    """An unknown kind or a cadence of nothing is an error before the first frame."""
    with pytest.raises(ValueError, match=message):
        facts_of([], rule, OPEN, CLOSE)


@given(
    st.lists(st.integers(-20_000, 80_000), max_size=20).map(sorted),
    st.lists(st.booleans(), min_size=20, max_size=20),
    st.sampled_from((GRID, PAGES, CycleRule("AFTER_SNAPSHOT", 3_000, 0))),
)
def test_order_and_completeness(ms: list[int], ends: list[bool], rule: CycleRule) -> None:
    """Facts never go back in time, every frame is there once and in order, every tick is due at its
    own time, and no two ticks stand at one time without a frame between them."""
    frames = _frames(ms, ends[: len(ms)])
    facts = list(facts_of(frames, rule, OPEN, CLOSE))
    assert [ts for ts, _ in facts] == sorted(ts for ts, _ in facts)
    assert [ts for ts, e in facts if isinstance(e, FeedFrame)] == [one.ts for one in frames]
    for (before_ts, before), (ts, event) in itertools.pairwise(facts):
        assert not isinstance(event, TimerTick) or event.due_ts == ts
        both = isinstance(before, TimerTick) and isinstance(event, TimerTick)
        assert not both or ts > before_ts


@given(st.lists(st.integers(0, 59_000), max_size=12).map(lambda ms: [0, *sorted(ms)]))
def test_no_silence_within_the_session_goes_without_a_cycle(ms: list[int]) -> None:
    """From the first page to the close two cycles are never further apart than gap and cadence."""
    ticks = [*_ticks(_frames(ms), PAGES), 60_000]
    assert all(after - before <= 25_000 for before, after in itertools.pairwise(ticks))

"""What a session says of itself, folded: one row a thing, bounded, nothing lost on a restart."""

from __future__ import annotations

from events import feed, governance
from projections.live.watch import PARTS_KEPT, ROWS_KEPT, WatchState
from tests.projections.live.story import SECOND, Story, a_day
from tests.projections.live.test_model import view_of
from tests.projections.live.trouble import (
    KEY,
    a_troubled_day,
    acknowledge,
    compared,
    raise_incident,
    resolve_incident,
)


def test_incidents_differences_and_comparisons_are_one_row_each() -> None:
    """The troubled morning as worked out by hand."""
    watch = view_of(a_troubled_day()).watch
    assert [(one.incident_id, one.unseen, one.is_open) for one in watch.incidents] == [
        ("I1", False, True), ("I2", False, False), ("I3", True, True),
    ]  # fmt: skip
    assert [(one.subject, one.times, one.closed_ts) for one in watch.differences] == [
        (KEY, 2, None)
    ]
    assert [one.status for one in watch.comparisons] == ["EQUAL", "DIFFERS", "DIFFERS"]
    assert watch.halts == ()
    assert watch.books is not None
    assert watch.books.told.trigger == "PERIODIC"


def test_a_difference_that_comes_back_begins_anew() -> None:
    """Closed by an equal comparison, found again: it stands since then, and is counted on."""
    story = a_day()
    for differ in (True, False, True):
        story.now += 30 * SECOND
        compared(story, 65, differ=differ)
    row = view_of(story).watch.differences[0]
    assert (row.times, row.closed_ts, row.since_ts) == (2, None, story.now)


def test_what_is_kept_is_bounded_and_open_rows_go_last() -> None:
    """Hundreds of incidents and differences: the newest stay, and the open before the over."""
    story = Story()
    raise_incident(story, 0, "AUTH_LOST", 1, "AB1234")
    for number in range(1, ROWS_KEPT + 50):
        raise_incident(story, number, "HISTORY_FAILED", 3, f"X{number}")
        resolve_incident(story, number, "HISTORY_FAILED", f"X{number}")
    kept = view_of(story).watch.incidents
    assert len(kept) == ROWS_KEPT
    assert kept[0].code == "AUTH_LOST"
    for number in range(ROWS_KEPT + 50):
        seq = story.fact(feed.TimerTick(story.now, 0))
        story.derive(governance.DifferenceFound(f"X{number}", "POSITION_DIFFERS", 1, 0), seq)
    assert len(view_of(story).watch.differences) == ROWS_KEPT


def test_commands_that_are_never_answered_are_forgotten() -> None:
    """Wishes without an answer are bounded; a later one still counts."""
    story = Story()
    raise_incident(story, 1, "AUTH_LOST", 1, "AB1234")
    for number in range(300):
        acknowledge(story, f"I{number + 50}", "REFUSED")
    acknowledge(story, "I1")
    assert view_of(story).watch.incidents[0].acked_by == "asha"


def test_ticks_are_counted_in_bounded_parts_across_a_pause() -> None:
    """Quiet parts are zeros; a pause longer than all parts leaves only zeros before it."""
    state = WatchState()
    for at in (0, 5, 12, 41):
        state.count_packets(at * SECOND, 2)
    packets = state.view().packets
    assert packets[-5:] == (4, 2, 0, 0, 2)
    state.count_packets(90_000 * SECOND, 3)
    packets = state.view().packets
    assert len(packets) == PARTS_KEPT
    assert packets[-2:] == (0, 3)

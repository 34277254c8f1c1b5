"""N5: no entry near a scheduled event, and an unknown calendar is said."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.gates.regime import event_row
from engine.scheduled import EVENT_SCOPES, ScheduledEvent
from engine.times import MINUTE_NS
from tests.engine.build import at_trade, view_of
from tests.engine.gates.cases import rules

START = at_trade().state


@given(st.integers(-90, 90), st.sampled_from(EVENT_SCOPES), st.booleans())
def test_entries_stop_inside_the_window_alone(minutes: int, kind: str, unsure: bool) -> None:
    """15 minutes before an event, its own moment and 30 minutes after it (the end excluded) block;
    the event is named, and whether its row is unsure. Any other minute passes."""
    event = ScheduledEvent(kind, START.now - minutes * MINUTE_NS, unsure)
    row = event_row(view_of(rules(START, events=(event,), events_unknown=(), events_unsure=False)))
    near = -15 <= minutes < 30
    assert (row.verdict, row.reason) == (
        ("BLOCK", "REGIME_EVENT_WINDOW") if near else ("PASS", None)
    )
    named = (f"EVENT_{kind}", *(("UNSURE_EVENT",) if unsure else ()))
    assert row.marks == (named if near else ())


def test_a_calendar_that_does_not_cover_the_day_is_said() -> None:
    """No row of an uncovered kind is no knowledge: the gate passes and its marks name the kind."""
    row = event_row(
        view_of(rules(START, events=(), events_unknown=("RBI", "FED"), events_unsure=False))
    )
    assert row.verdict == "PASS"
    assert row.marks == ("CALENDAR_UNKNOWN_RBI", "CALENDAR_UNKNOWN_FED")


def test_an_unsure_calendar_is_marked_and_blocks_in_no_mode() -> None:
    """Second-hand rows are knowledge: LIVE too only says whose word it takes."""
    state = rules(START, events=(), events_unknown=(), events_unsure=True)
    assert state.opened is not None
    live = replace(state, opened=replace(state.opened, mode="LIVE"))
    for one in (state, live):
        row = event_row(view_of(one))
        assert (row.verdict, row.marks) == ("PASS", ("UNSURE_CALENDAR",))


def test_in_live_an_unknown_calendar_blocks() -> None:
    """Nobody knows that the day is quiet: LIVE enters nothing until a person has said so; an event
    that is near is the better reason."""
    state = rules(START, events=(), events_unknown=("RBI",))
    assert state.opened is not None
    live = replace(state, opened=replace(state.opened, mode="LIVE"))
    row = event_row(view_of(live))
    assert (row.verdict, row.reason) == ("UNKNOWN", "REGIME_CALENDAR_UNKNOWN")
    known = event_row(view_of(rules(live, events=(), events_unknown=(), events_unsure=False)))
    assert known.verdict == "PASS"
    near = event_row(view_of(rules(live, events=(ScheduledEvent("FED", START.now, False),))))
    assert near.reason == "REGIME_EVENT_WINDOW"


def test_an_expiry_of_today_is_named() -> None:
    """The day's expiry is an event that the instruments tell of, also where the chain in view is
    the next one; it stops nothing by itself."""
    view = view_of(rules(START, events=(), events_unknown=(), events_unsure=False))
    assert view.near is not None and view.state.opened is not None
    assert event_row(view).marks == ()
    first = replace(view.umap.expiries[0], expiry=view.state.opened.day)
    today = replace(view, umap=replace(view.umap, expiries=(first, *view.umap.expiries)))
    assert (event_row(today).verdict, event_row(today).marks) == ("PASS", ("EVENT_EXPIRY",))

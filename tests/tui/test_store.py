"""The hand-over to the screen: what is said about time when nothing comes any more."""

from __future__ import annotations

import msgspec
import pytest

from events.session import CycleRule
from projections.live.view import LiveView
from tests.projections.live.story import a_day
from tests.tui.screen import HandClock, view_of
from tui.store import Published, Store, silence_limit_ns


@pytest.fixture(scope="module")
def view() -> LiveView:
    return view_of(a_day())


def with_session(view: LiveView, **changes: object) -> LiveView:
    assert view.session is not None
    return msgspec.structs.replace(view, session=msgspec.structs.replace(view.session, **changes))


def test_silence_becomes_no_data_and_ages_go_on(view: LiveView) -> None:
    """Two seconds without an entry from a running engine: NO DATA, with ages still rising."""
    clock = HandClock()
    store = Store(clock, live=True)
    store.publish(Published(with_session(view, rate=1), "FOLLOWING", clock.now, None))
    clock.advance(1.9)
    assert not store.frame().no_data
    clock.advance(0.2)
    frame = store.frame()
    assert frame.no_data
    assert frame.silent_ns == 2_100_000_000
    assert frame.now_ts == view.ts + 2_100_000_000
    clock.advance(60)
    assert store.frame().age_ns(view.ts) == 62_100_000_000


def test_a_recorded_session_never_ages(view: LiveView) -> None:
    """Its clock stands at its last entry, and no silence is expected to end."""
    clock = HandClock()
    store = Store(clock, live=False)
    store.publish(Published(view, "ENDED", clock.now, None))
    clock.advance(3_600)
    frame = store.frame()
    assert (frame.now_ts, frame.silent_ns, frame.no_data) == (view.ts, None, False)
    assert frame.replay


def test_a_closed_session_is_not_missed(view: LiveView) -> None:
    """After its last fact an engine may fall silent."""
    clock = HandClock()
    store = Store(clock, live=True)
    closed = view_of(a_day().close())
    store.publish(Published(closed, "FOLLOWING", clock.now, None))
    clock.advance(60)
    assert not store.frame().no_data


def test_on_the_wall_clock_an_old_session_is_old_at_once(view: LiveView) -> None:
    """LIVE and PAPER run on wall time: what was recorded yesterday is a day old when opened."""
    clock = HandClock()
    clock.now = view.ts + 86_400_000_000_000
    store = Store(clock, live=True)
    store.publish(Published(with_session(view, mode="LIVE"), "FOLLOWING", clock.now, None))
    assert store.frame().age_ns(view.ts) == 86_400_000_000_000


def test_a_failed_reader_is_no_data(view: LiveView) -> None:
    """A journal that cannot be read on leaves everything old."""
    clock = HandClock()
    store = Store(clock, live=True)
    store.publish(Published(view, "FAILED", clock.now, "JOURNAL_CORRUPT: a block is damaged"))
    frame = store.frame()
    assert (frame.no_data, frame.fault) == (True, "JOURNAL_CORRUPT: a block is damaged")


def test_a_market_of_pages_may_be_quiet_between_them(view: LiveView) -> None:
    """Its own cadence, at its rate, is how long silence is normal."""
    rule = CycleRule("AFTER_SNAPSHOT", 70_000, 130_000)
    assert silence_limit_ns(with_session(view, cycle_rule=rule, rate=1)) == 200_000_000_000
    assert silence_limit_ns(with_session(view, cycle_rule=rule, rate=1000)) == 2_000_000_000
    assert silence_limit_ns(view) == 2_000_000_000


def test_before_anything_was_read_nothing_is_claimed() -> None:
    """The first frame is empty and loading."""
    frame = Store(HandClock(), live=True).frame()
    assert (frame.state, frame.view.session, frame.view.decisions) == ("LOADING", None, 0)

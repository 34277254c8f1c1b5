"""Data and SLA: connections, ages against their limits, filters, lamps, measurements."""

from __future__ import annotations

import pytest

from events import broker, feed, market
from tests.projections.live.story import INSTRUMENTS, Story, a_day
from tests.projections.live.trouble import a_troubled_day
from tests.tui.long import a_long_list, count_calls
from tests.tui.screen import SIZES, Screen, on_screen, view_of
from tests.tui.test_app import check_golden, check_shape, in_mode
from tests.tui.test_bar import frame_of, lamp, text
from tui.store import Frame
from tui.view import bar, data
from tui.view.data import ages_lines, connections_table, health_table, instruments_table
from tui.view.shaping import Shaping
from tui.view.staleness import buckets, instrument_ages, uses
from tui.view.text import line_width

SCENES = {
    "data": (False, "REPLAY", 0.0, 726.0),
    "data-live": (True, "SIM", 0.0, 726.0),
    "data-stale": (True, "SIM", 0.0, 790.0),
    "data-dead": (True, "SIM", 4.2, 726.0),
}


def later(at: float) -> Story:
    """The troubled morning, and a cycle at this second after the open."""
    story = a_troubled_day()
    story.at(at).cycle_of("NIFTY", ("N4_QUOTE_OK", "QUOTE_SPREAD_WIDE"))
    return story


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scene", SCENES)
def test_the_pane_is_as_it_was_agreed(scene: str, size: tuple[int, int]) -> None:
    """Recorded, live, stale and dead at both sizes."""
    live, mode, silent, at = SCENES[scene]
    story = later(at) if live else later(at).close()

    async def use(screen: Screen) -> None:
        await screen.press("8")
        screen.clock.advance(silent)
        await screen.settle()
        check_shape(screen, mode)
        check_golden(screen, scene)

    view = in_mode(view_of(story), "SIM") if live else view_of(story)
    on_screen(view, use, size=size, live=live, state="FOLLOWING" if live else "ENDED")


@pytest.mark.parametrize("size", SIZES)
def test_an_empty_session_claims_nothing(size: tuple[int, int]) -> None:
    """No connection, no instrument, no measurement: each place says so."""

    async def use(screen: Screen) -> None:
        await screen.press("8")
        check_shape(screen, "SIM")
        check_golden(screen, "data-empty")

    on_screen(in_mode(view_of(Story()), "SIM"), use, size=size, live=True, state="FOLLOWING")


def frame_at(at: float) -> Frame:
    return frame_of(view_of(later(at)), live=False)


def test_an_instrument_is_stale_one_frame_past_its_limit() -> None:
    """At its limit an age is plain; a tenth of a second later it has its mark and is counted."""
    for at, stale in ((724 + 3.0, 0), (724 + 3.1, 3)):
        rows = instrument_ages(frame_at(at))
        assert sum(row.stale for row in rows) == stale
    held = [row for row in instrument_ages(frame_at(724 + 60.1)) if row.use == "HELD"]
    assert [row.stale for row in held] == [True]


def test_the_users_of_an_instrument_are_named() -> None:
    """The open position holds the call; indices and the rest are by kind; every bucket is counted,
    and what was never seen apart."""
    frame = frame_at(726)
    assert uses(frame.view) == {3: "HELD"}
    assert [row.use for row in instrument_ages(frame)] == ["INDEX", "INDEX", "VIX", "HELD", "CHAIN"]
    counted = dict(buckets(instrument_ages(frame)))
    assert sum(counted.values()) == len(INSTRUMENTS)
    assert counted["never"] == 1
    assert counted["2-5s"] == 4


def test_filters_leave_out_what_is_not_so() -> None:
    """``v`` keeps the stale ones, ``h`` the held ones; again brings the rest back."""

    async def use(screen: Screen) -> None:
        await screen.press("8", "v")
        assert "INSTRUMENTS  4 of 5  4 stale  only stale" in screen.text()
        await screen.press("h")
        assert "INSTRUMENTS  1 of 5  4 stale  only stale and held" in screen.text()
        await screen.press("v")
        assert "only held" in screen.text()
        await screen.press("h")
        assert "INSTRUMENTS  5 of 5" in screen.text()

    on_screen(view_of(later(790).close()), use)


def test_the_oldest_stale_instrument_comes_first() -> None:
    """Stale ones by age, then fresh ones, then those never seen."""
    frame = frame_at(730)
    ages = instrument_ages(frame)
    rows = instruments_table(frame, ages, stale_only=False, held_only=False).rows
    assert [row.cells[1][0] for row in rows] == ["INDEX", "INDEX", "VIX", "HELD", "CHAIN"]
    assert rows[0].cells[2][0].endswith("▲")
    assert rows[-1].cells[2][0] == "never"


def test_a_frame_makes_only_the_rows_in_sight(monkeypatch: pytest.MonkeyPatch) -> None:
    """500 instruments that change places at each frame, the cursor on any of them: a paint costs
    the rows on the screen; a filter, which reads every row, costs them all."""
    made = count_calls(monkeypatch, data, "_instrument_row")
    story = a_long_list()

    async def use(screen: Screen) -> None:
        await screen.press("8", "tab")
        for keys in ((), ("G",), ("j",), ("k", "k", "k")):
            await screen.press(*keys)
            for _ in range(3):
                story.at(story.seconds + 1).quotes()
                screen.give(view_of(story))
                made.clear()
                await screen.settle()
                assert 0 < len(made) <= screen.app.size.height
        grid = screen.app._grid()
        assert grid is not None
        assert grid.id == "data-instruments"
        grid.reshape(Shaping(words="kind:CE"))
        made.clear()
        await screen.settle()
        assert grid.table.title.endswith("251 of 505")

    on_screen(view_of(story), use, live=True, state="FOLLOWING")


def test_the_connection_has_its_losses() -> None:
    """Refused and dropped frames, gaps and how often it came up stand in its row."""
    story = a_troubled_day()
    story.rejected("FRAME_TRAILING")
    seq = story.fact(feed.FeedStatus(0, "LOST", False, 0))
    story.derive(market.FeedHealthChanged(0, "DOWN", "FEED_DOWN", 4_000, 3_000), seq)
    story.fact(feed.FeedStatus(0, "CONNECTED", True, 5))
    story.fact(feed.SubscriptionChanged(0, "PARTIAL", "full", 5, (11,)))
    cells = [cell[0] for cell in connections_table(frame_of(view_of(story))).rows[0].cells]
    assert cells[1] == "● CONNECTED"
    assert cells[2] == "✗ DOWN"
    assert cells[6:12] == ["1", "3", "2", "2", "5", "1"]


def test_rates_and_lags_are_lines_of_blocks() -> None:
    """Ticks are counted in parts of ten seconds, the last whole one is the rate; memory is
    bounded by the parts that are kept."""
    story = Story().setting_up()
    for second in range(1_200):
        story.at(second).quotes()
    view = view_of(story)
    assert len(view.watch.packets) == 60
    assert set(view.watch.packets) == {40}
    lines = ages_lines(frame_of(view), (), 120)
    assert "now 4.0  most 4.0" in text(lines[0])
    assert text(lines[1]).endswith(" ?")
    story.at(9_000).quotes()
    assert sum(view_of(story).watch.packets) == 4


def test_the_health_of_clock_process_and_login_is_told() -> None:
    """Each source once with its last figure; what is beyond its limit is bad."""
    story = a_troubled_day()
    story.fact(feed.ClockStepped(-900_000_000, 500_000_000, "WALL"))
    story.fact(feed.HealthObserved("DISK_FREE_MB", "BAD", 100, 2_048))
    story.fact(broker.AuthStatus("EXPIRED", "AB1234", None, "TOKEN"))
    seq = story.fact(
        feed.HistoryLoaded(0, 60_000, "kite", 0, 1, (), (), (), (), (), (), "HTTP_503")
    )
    rows = {row.key[1]: [c[0] for c in row.cells]  # type: ignore[index]
            for row in health_table(frame_of(view_of(story))).rows}  # fmt: skip
    assert rows["login"][1:3] == ["✗ EXPIRED", "TOKEN"]
    assert rows["clock against NTP"][1:4] == ["● OK", "+12 ms", "500 ms"]
    assert rows["clock against WALL"][1:3] == ["✗ BAD", "-900 ms"]
    assert rows["DISK_FREE_MB"][1:3] == ["✗ BAD", "100"]
    assert rows["cycles missed"][1:3] == ["▲ MISSED", "2"]
    assert rows["history, 0 series"][1] == "▲ FAILED"
    assert view_of(story).notices[-1].seq == seq


def test_lamps_know_what_they_do_not_know() -> None:
    """DATA and KILL without their inputs are ``?``; with them they follow."""
    empty = view_of(Story())
    assert lamp(empty, "DATA").shape == "?"
    assert lamp(view_of(a_day()), "KILL").number == "off"
    fresh = lamp(view_of(later(726)), "DATA")
    assert (fresh.shape, fresh.number) == ("●", "0 stale")
    assert lamp(view_of(later(730)), "DATA").shape == "▲"
    held = lamp(view_of(later(790)), "DATA")
    assert (held.shape, held.number) == ("✗", "1 held")


@pytest.mark.parametrize("width", [80, 120, 200])
def test_every_lamp_fits_its_row(width: int) -> None:
    """At any width each lamp keeps word and shape; narrow rows keep the numbers that matter."""
    view = in_mode(view_of(later(790)), "LIVE")
    line = bar.lamp_line(frame_of(view), width)
    assert line_width(line) == width
    for one in bar.lamps(frame_of(view)):
        assert one.word in text(line)
    assert ("DATA✗ 1" if width == 80 else "DATA ✗ 1 held") in text(line)
    assert "…" not in text(line)

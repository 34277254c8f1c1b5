"""Mode row, lamps and the alert."""

from __future__ import annotations

import msgspec
import pytest
from rich.color import Color

from projections.live.view import LiveView
from tests.projections.live.story import Story, a_day
from tests.tui.screen import HandClock, view_of
from tui import theme
from tui.store import Frame, Published, Store
from tui.view import bar
from tui.view.text import Line, line_width

MODES = ("LIVE", "PAPER", "SIM", "BACKTEST")


def frame_of(view: LiveView, *, live: bool = True, silent: float = 0.0) -> Frame:
    clock = HandClock()
    store = Store(clock, live=live)
    store.publish(Published(view, "FOLLOWING" if live else "ENDED", clock.now, None))
    clock.advance(silent)
    return store.frame()


def text(line: Line) -> str:
    return "".join(piece for piece, _ in line)


def in_mode(mode: str) -> LiveView:
    view = view_of(a_day())
    assert view.session is not None
    return msgspec.structs.replace(view, session=msgspec.structs.replace(view.session, mode=mode))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_mode_word_stands_first_and_colours_the_row(mode: str, width: int) -> None:
    """Cells 1 on of row 0 are the mode, in one role over the whole row, with IST and phase."""
    line = bar.mode_line(frame_of(in_mode(mode)), width)
    assert text(line).startswith(f" {mode} ")
    assert "IST" in text(line)
    assert {role for _, role in line} == {mode}
    assert line_width(line) == width


def test_each_mode_looks_different_with_and_without_colour() -> None:
    """Five words, five backgrounds."""
    words = (*MODES, "REPLAY")
    colours = {theme.LOOKS[True].styles[bar.mode_role(word)].bgcolor for word in words}
    assert len(colours) == len(words)
    assert all(isinstance(colour, Color) for colour in colours)


def test_live_and_replay_stand_at_both_ends() -> None:
    """The two that must never be mistaken are said twice."""
    assert text(bar.mode_line(frame_of(in_mode("LIVE")), 120)).rstrip().endswith("LIVE")
    replay = text(bar.mode_line(frame_of(in_mode("LIVE"), live=False), 120))
    assert replay.startswith(" REPLAY  recorded LIVE 20-Nov-2026  NOT LIVE ")
    assert replay.rstrip().endswith("REPLAY")


def test_without_a_session_the_mode_is_not_known() -> None:
    """No header event, no mode."""
    line = bar.mode_line(frame_of(LiveModelEmpty), 80)
    assert text(line).startswith(" MODE ? ")


LiveModelEmpty = Store(HandClock(), live=True).frame().view


def test_an_unknown_mode_looks_unknown() -> None:
    """A mode of another release keeps its word and gets the unknown role."""
    line = bar.mode_line(frame_of(in_mode("SHADOW")), 80)
    assert text(line).startswith(" SHADOW ")
    assert {role for _, role in line} == {"MODE ?"}


def test_lamps_without_data_are_unknown() -> None:
    """No lamp stays green on an engine that says nothing."""
    lamps = bar.lamps(frame_of(in_mode("SIM"), silent=3))
    assert {lamp.shape for lamp in lamps} == {"?"}
    assert "●" in {lamp.shape for lamp in bar.lamps(frame_of(in_mode("SIM")))}


def lamp(view: LiveView, word: str) -> bar.Lamp:
    found = [lamp for lamp in bar.lamps(frame_of(view)) if lamp.word == word]
    assert len(found) == 1
    return found[0]


def test_the_feed_lamp_follows_health_and_age() -> None:
    """Fresh, past its limit, far past it, in a gap, with refused frames, never seen."""
    story = a_day()
    assert lamp(view_of(story), "FEED").shape == "●"
    story.at(726).cycle_of("NIFTY", ("N4_QUOTE_OK", "QUOTE_SPREAD_WIDE"))
    assert lamp(view_of(story), "FEED").shape == "▲"
    story.at(740).cycle_of("NIFTY", ("N4_QUOTE_OK", "QUOTE_SPREAD_WIDE"))
    assert lamp(view_of(story), "FEED").shape == "✗"
    refused = a_day()
    refused.rejected("FRAME_TRAILING")
    assert lamp(view_of(refused), "FEED").shape == "▲"
    assert "1 refused" in lamp(view_of(refused), "FEED").number
    assert lamp(view_of(Story()), "FEED").shape == "?"


def test_a_stale_age_is_marked_without_colour() -> None:
    """Past the limit a mark stands behind the age, far past it another."""
    second = 1_000_000_000
    assert [bar.aged(n * second, 3_000)[0] for n in (3, 4, 16)] == ["3.0s", "4.0s ▲", "16s ✗"]
    assert bar.aged(None, 3_000)[0] == "-"
    assert bar.aged(99 * second, None)[0] == "1m"


def test_the_alert_says_how_long_and_since_when() -> None:
    """NO DATA has the age and the last entry; a fault its own words; otherwise there is none."""
    view = in_mode("SIM")
    line = bar.alert_line(frame_of(view, silent=4.2), 120)
    assert line is not None
    assert text(line).startswith(" NO DATA FROM ENGINE 4.2s - everything below is old")
    assert f"#{view.seq}" in text(line)
    assert bar.alert_line(frame_of(view), 120) is None
    fault = msgspec.structs.replace(frame_of(view), fault="JOURNAL_CORRUPT: \x1b[2Jx")
    line = bar.alert_line(fault, 80)
    assert line is not None
    assert text(line).startswith(" JOURNAL_CORRUPT: ·[2Jx")


def test_a_recorded_session_without_its_close_is_not_healthy() -> None:
    """The journal's lamp is bad and the alert says where it ends; with the close neither is."""
    left = frame_of(view_of(a_day()), live=False)
    line = bar.alert_line(left, 120)
    assert line is not None
    assert text(line).startswith(f" SESSION NOT CLOSED after #{left.view.seq} ")
    assert "✗" in {lamp.shape for lamp in bar.lamps(left) if lamp.word == "JRNL"}
    whole = frame_of(view_of(a_day().close()), live=False)
    assert bar.alert_line(whole, 120) is None
    assert "●" in {lamp.shape for lamp in bar.lamps(whole) if lamp.word == "JRNL"}


def test_the_result_at_the_top_is_net() -> None:
    """The top row shows the day net of charges, signed, with the arrow of its sign."""
    assert text(bar.profit_line(frame_of(view_of(a_day())))) == " P&L net -₹1,362.50 ▼ 0.0s "


def test_a_session_that_closed_says_so() -> None:
    """Watching to the end: the journal lamp stays good and names the state."""
    closed = lamp(view_of(a_day().close()), "JRNL")
    assert closed.shape == "●"
    assert closed.number.endswith(" closed")


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("width", [80, 120])
def test_how_far_a_long_session_was_read(live: bool, width: int) -> None:
    """While it is read: the part, what is left, and that nothing is of now; no lamp is believed in
    a running one, and both small and whole screens say it."""
    view = in_mode("SIM")
    clock = HandClock()
    store = Store(clock, live=live)
    store.publish(Published(view, "LOADING", clock.now, None, 1_000_000))
    frame = store.frame()
    line = text(bar.alert_line(frame, width) or ())
    assert line_width(bar.alert_line(frame, width) or ()) == width
    assert f"{1_000_000 - view.seq:,}"[-3:] in line
    assert line.startswith(" CATCHING UP 0 %" if live else " READING THE SESSION 0 %")
    assert "nothing below is of" in line
    assert all(lamp.shape == "?" for lamp in bar.lamps(frame)) == live
    assert ("CATCHING UP" in text(bar.too_small_line(frame, 79, 23))) == live
    store.publish(Published(view, "FOLLOWING", clock.now, None, 1_000_000))
    assert store.frame().behind is None

"""Days: the desk's sessions, read off the painting thread, opened in place of the present one."""

from __future__ import annotations

import pytest

from tests.projections.live.story import a_day
from tests.tui.days import DAYS, Desk, answered, opened
from tests.tui.screen import SIZES, Screen, on_screen, view_of
from tests.tui.test_app import check_golden, check_shape, in_mode
from tui.ports import Ports
from tui.view.days import ASKED, LOADING, days_table, detail

READ = Ports(desk=Desk(), shown="2026-11-19-paper-b")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("scene", "live"), [("days", False), ("days-live", True)])
def test_the_pane_is_as_it_was_agreed(scene: str, live: bool, size: tuple[int, int]) -> None:
    """Recorded and live at both sizes: running, closed, crashed and damaged days."""

    async def use(screen: Screen) -> None:
        await screen.press("9")
        await answered(screen)
        await screen.press("down")
        check_shape(screen, "SIM" if live else "REPLAY")
        check_golden(screen, scene)

    view = in_mode(view_of(a_day()), "SIM") if live else view_of(a_day().close())
    state = "FOLLOWING" if live else "ENDED"
    on_screen(view, use, size=size, live=live, state=state, ports=READ)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", SIZES)
def test_without_a_desk_it_says_so(size: tuple[int, int]) -> None:
    """A screen that was given no library names the verb that gives one."""

    async def use(screen: Screen) -> None:
        await screen.press("9", "enter", "p", "r")
        check_shape(screen, "REPLAY")
        screen.clock.advance(6)
        await screen.settle()
        check_golden(screen, "days-empty")

    on_screen(view_of(a_day().close()), use, size=size)


def test_until_it_is_read_it_loads() -> None:
    """Before the desk answered the table says that it loads, and is not empty by that."""
    table = days_table(None, {}, None)
    assert (table.rows, table.empty) == ((), LOADING)
    assert "no session yet" in days_table((), {}, None).empty


def test_what_was_not_recorded_is_missing_and_never_nought() -> None:
    """A session that runs has no result yet; the sum is of those that have one."""
    table = days_table(DAYS, {"2026-11-18-paper-c": ASKED}, None)
    assert table.title == "DAYS  4 sessions  net of 2 that ended +₹2,123.48"
    assert [cell[0] for cell in table.rows[0].cells[3:7]] == ["-", "-", "-", "not asked"]
    assert table.rows[2].cells[6][0] == "? replaying"
    assert table.rows[1].cells[7][0] == "TREND_DAY"
    assert table.rows[3].cells[7] == ("axiom verify 2026-11-17-live-d tells what it is", "bad")
    assert "ticks 9,50,120" in detail(DAYS, ("day", "2026-11-19-paper-b"))


def test_enter_shows_a_session_instead() -> None:
    """The app ends and names the session; the one that is shown already is not opened again, and
    one that is gone is said to be."""
    desk = Desk()

    async def use(screen: Screen) -> None:
        await screen.press("9")
        await answered(screen)
        await screen.press("down", "enter")
        assert "This is the session that is shown" in screen.lines()[-1]
        await screen.press("down", "down", "enter")
        await answered(screen)
        assert "has no session '2026-11-17-live-d'" in screen.lines()[-1]
        assert screen.app.return_value is None
        await screen.press("up", "enter")
        await answered(screen)
        assert screen.app.wanted == opened("2026-11-18-paper-c", running=False)
        assert screen.app.return_value == 0

    ports = Ports(desk=desk, shown="2026-11-19-paper-b")
    on_screen(view_of(a_day().close()), use, ports=ports)


def test_parity_is_asked_of_a_replay_and_stands_in_its_row() -> None:
    """``p`` replays the session once, off the painting thread; the verdict has shape and word."""
    desk = Desk()

    async def use(screen: Screen) -> None:
        await screen.press("9")
        await answered(screen)
        await screen.press("down", "p")
        await answered(screen)
        await screen.press("down", "p")
        await answered(screen)
        assert "● identical" in screen.text()
        assert "✗ diverged" in screen.text()
        assert desk.asked == ["days", "replay 2026-11-19-paper-b", "replay 2026-11-18-paper-c"]

    on_screen(view_of(a_day().close()), use, ports=Ports(desk=desk))


def test_the_desk_can_be_read_again() -> None:
    """``r`` reads anew; a desk that cannot be read is a line, and the screen goes on."""
    desk = Desk(days=())

    async def use(screen: Screen) -> None:
        await screen.press("9")
        await answered(screen)
        assert "this desk has no session yet" in screen.text()
        desk.given = DAYS
        await screen.press("r")
        await answered(screen)
        assert "DAYS  4 sessions" in screen.text()
        desk.broken = True
        await screen.press("r")
        await answered(screen)
        assert "the desk cannot be read: the disk went away" in screen.text()

    on_screen(view_of(a_day().close()), use, ports=Ports(desk=desk))

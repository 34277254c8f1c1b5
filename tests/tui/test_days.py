"""Days: the desk's sessions, read off the painting thread, opened in place of the present one."""

from __future__ import annotations

import msgspec
import pytest

from tests.projections.live.story import a_day
from tests.tui.days import CODE, DAYS, KEPT, OLD, Desk, answered, opened
from tests.tui.screen import SIZES, Screen, on_screen, view_of
from tests.tui.test_app import check_golden, check_shape, in_mode
from tui.ports import Day, Parity, Ports
from tui.view.days import ASKED, LOADING, days_table, detail, parity_text

READ = Ports(desk=Desk(KEPT), shown="2026-11-19-paper-b")


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
    assert "ticks 9,50,120" in detail(DAYS, {}, ("day", "2026-11-19-paper-b"))


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


def shown(day: Day, asked: Parity | None = None) -> tuple[str, str]:
    """A session's word in the table, and the sentence about its verdict."""
    verdicts = {} if asked is None else {day.session: asked}
    word = days_table((day,), verdicts, None).rows[0].cells[6][0]
    text = detail((day,), verdicts, ("day", day.session))
    return word, text[text.find("PARITY") : text.find(".") + 1] if "PARITY" in text else ""


def test_a_kept_verdict_says_of_which_journal_and_code() -> None:
    """It is shown with its end and the code that replayed; of other code both; with the first
    difference where there is one."""
    _, same, differs, damaged = KEPT
    assert shown(same) == ("● identical", "PARITY identical, to #1013000, by code c0dec0dec0de.")
    assert shown(differs) == (
        "✗ diverged", "PARITY diverged, first at #97, to #412, by code c0dec0dec0de.",
    )  # fmt: skip
    assert shown(damaged) == ("not asked", "")
    other = Parity("other_engine", True, 1_013_000, "bb", OLD, CODE)
    assert parity_text(same, other) == (
        "PARITY other_engine, every derivation is the same, to #1013000, by code c0dec0dec0de,"
        " recorded by 01d001d001d0."
    )


def test_a_verdict_of_a_session_that_has_grown_is_of_its_beginning() -> None:
    """Not shown as identical: up to where it was; a difference stays one; one of another end of
    the same length, or of a longer journal, is of another journal and is not shown."""
    running, same, differs, _ = KEPT
    word, text = shown(running)
    assert word == "~ has grown"
    assert "it has grown since, to #1900: p asks again" in text
    assert shown(msgspec.structs.replace(differs, entries=500, head="cd"))[0] == "✗ diverged"
    assert shown(msgspec.structs.replace(same, head="b9"))[0] == "not asked"
    assert shown(msgspec.structs.replace(same, entries=12_000, head="b8"))[0] == "not asked"
    while_it_ran = Parity("identical", True, 1_900, None, CODE, CODE)
    assert shown(running, while_it_ran)[0] == "~ has grown"


def test_a_verdict_is_there_again() -> None:
    """What another screen, or this one before, was told stands there without asking; asked again
    of a session that grew meanwhile, the row is as the replay found it."""
    desk = Desk(KEPT)

    async def use(screen: Screen) -> None:
        await screen.press("9")
        await answered(screen)
        assert "● identical" in screen.text()
        assert "~ has grown" in screen.text()
        await screen.press("G", "g", "p")
        await answered(screen)
        assert "✗ diverged" in screen.lines()[5]
        assert desk.asked == ["days", "replay 2026-11-20-sim-a"]

    on_screen(view_of(a_day().close()), use, ports=Ports(desk=desk))


def test_a_verdict_that_cannot_be_kept_is_said() -> None:
    """It is shown all the same."""

    class Full(Desk):
        def replay(self, session: str) -> Parity:
            return Parity("identical", True, unkept="disk is full")

    async def use(screen: Screen) -> None:
        await screen.press("9")
        await answered(screen)
        await screen.press("down", "p")
        await answered(screen)
        assert "The verdict is not kept: disk is full" in screen.lines()[-1]
        assert "● identical" in screen.text()

    on_screen(view_of(a_day().close()), use, ports=Ports(desk=Full()))


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

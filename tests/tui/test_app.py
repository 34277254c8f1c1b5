"""The app on a pretended terminal: goldens, keys, sizes, hostile text, silence."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.strip import Strip

from events import session
from projections.live.view import LiveView
from tests.projections.live.story import INSTRUMENTS, Story, a_day
from tests.tui.screen import SIZES, Screen, on_screen, view_of
from tui.keys import KEYS
from tui.store import Published, Store
from tui.widgets.grid import LiveGrid

GOLDEN = Path(__file__).parent / "golden"
GLYPHS = set("₹▲▼●◐✗?~·…─═└▁▂▃▄▅▆▇█░")
"""Every glyph beyond ASCII that a screen may use: one cell wide in common fonts."""


def check_shape(screen: Screen, mode: str) -> None:
    """What holds on every screen at every moment."""
    width, height = screen.app.size
    lines = screen.lines()
    assert len(lines) == height
    assert [cell_len(line) for line in lines] == [width] * height
    assert lines[0].startswith(f" {mode} ")
    text = "".join(lines)
    assert {char for char in text if not char.isascii()} <= GLYPHS
    for word in ("None", "nan", "Traceback"):
        assert word not in text


def check_golden(screen: Screen, name: str) -> None:
    """The screen equals its checked-in text. ``AXIOM_WRITE_GOLDENS=1`` writes it anew, to be read
    in the diff."""
    width, height = screen.app.size
    path = GOLDEN / f"{name}@{width}x{height}.txt"
    if os.environ.get("AXIOM_WRITE_GOLDENS") == "1":
        path.write_text(screen.text(), encoding="utf-8")
    assert screen.text() == path.read_text(encoding="utf-8")


async def _silence(screen: Screen) -> None:
    screen.clock.advance(4.2)
    await screen.settle()


async def _old_feed(screen: Screen) -> None:
    screen.clock.advance(10)
    screen.give(_quiet_feed())
    await screen.settle()


async def _behind(screen: Screen) -> None:
    """Half of a session of today was folded, the screen was begun a moment ago."""
    view = in_mode(view_of(a_day()), "SIM")
    screen.store.publish(Published(view, "LOADING", screen.clock.now, None, 2 * view.seq))
    await screen.settle()


def _quiet_feed() -> LiveView:
    story = a_day()
    story.at(731).cycle_of("BANKNIFTY", ("N4_QUOTE_OK", "QUOTE_SPREAD_WIDE"))
    return in_mode(view_of(story), "PAPER")


def in_mode(view: LiveView, mode: str) -> LiveView:
    assert view.session is not None
    changed = msgspec.structs.replace(view.session, mode=mode, rate=1)
    return msgspec.structs.replace(view, session=changed)


Then = Callable[[Screen], Awaitable[None]]
SCENES: dict[str, tuple[bool, str, tuple[str, ...], Then | None]] = {
    "home": (False, "REPLAY", (), None),
    "gates": (False, "REPLAY", ("2", "down"), None),
    "gates-live": (True, "SIM", ("2",), None),
    "gates-dead": (True, "SIM", ("2",), _silence),
    "chain": (False, "REPLAY", ("4",), None),
    "chain-live": (True, "SIM", ("4", "right_square_bracket"), None),
    "chain-dead": (True, "SIM", ("4",), _silence),
    "blocked": (False, "REPLAY", ("b", "down"), None),
    "blocked-nearest": (False, "REPLAY", ("5", "u", "n", "tab"), None),
    "blocked-live": (True, "SIM", ("5",), None),
    "why": (False, "REPLAY", ("down", "enter"), None),
    "why-all": (False, "REPLAY", ("down", "enter", "a"), None),
    "why-chain": (False, "REPLAY", ("down", "enter", "c"), None),
    "why-inputs": (False, "REPLAY", ("enter", "d"), None),
    "why-build": (False, "REPLAY", ("enter", "h"), None),
    "help": (False, "REPLAY", ("question_mark",), None),
    "palette": (False, "REPLAY", ("colon",), None),
    "home-unfinished": (False, "REPLAY", (), None),
    "home-live": (True, "SIM", (), None),
    "home-stale": (True, "PAPER", (), _old_feed),
    "home-dead": (True, "SIM", (), _silence),
    "home-behind": (True, "SIM", (), _behind),
    "why-dead": (True, "SIM", ("enter",), _silence),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scene", SCENES)
def test_screens_are_as_they_were_agreed(scene: str, size: tuple[int, int]) -> None:
    """Each pane at both sizes, recorded, live, stale, dead and left by its engine, equals its text
    golden."""
    live, mode, keys, then = SCENES[scene]
    ended = not live and scene != "home-unfinished"
    view = view_of(a_day().close() if ended else a_day())
    if live:
        view = in_mode(view, "SIM")

    async def use(screen: Screen) -> None:
        await screen.press(*keys)
        if then is not None:
            await then(screen)
        check_shape(screen, mode)
        check_golden(screen, scene)

    on_screen(view, use, size=size, live=live, state="FOLLOWING" if live else "ENDED")


@pytest.mark.parametrize("size", SIZES)
def test_an_empty_session_says_what_is_missing(size: tuple[int, int]) -> None:
    """Before the first entry every table says so, and the mode is not claimed."""

    async def use(screen: Screen) -> None:
        check_shape(screen, "MODE ?")
        check_golden(screen, "home-empty")
        await screen.press("enter", "b", "enter", "question_mark", "escape", "1")
        check_shape(screen, "MODE ?")

    empty = Store(Screen(view_of(Story())).clock, live=True).frame().view
    on_screen(empty, use, size=size, live=True, state="LOADING")


def test_what_the_reader_says_stands_in_the_last_row_once() -> None:
    """A kept state that could not be used: a line for some seconds, and not again."""

    async def use(screen: Screen) -> None:
        view = view_of(a_day())
        for _ in range(2):
            screen.store.publish(
                Published(view, "FOLLOWING", screen.clock.now, None, 0, "READ ANEW")
            )
            await screen.settle()
            assert "READ ANEW" in screen.lines()[-1]
        screen.clock.advance(6)
        screen.store.publish(Published(view, "FOLLOWING", screen.clock.now, None, 0, "READ ANEW"))
        await screen.settle()
        assert "READ ANEW" not in screen.text()

    on_screen(view_of(a_day()), use, live=True, state="FOLLOWING")


# --- keys --------------------------------------------------------------------------------------


def _every_key_on(starts: tuple[str, ...]) -> None:
    async def use(screen: Screen) -> None:
        names = [name for key in KEYS for name in key.keys if key.action != "leave"]
        for start in starts:
            await screen.press(start)
            place = screen.app._place
            for name in names:
                await screen.press(name)
                check_shape(screen, "REPLAY")
                if screen.app._place != place:
                    await screen.press(start)

    on_screen(view_of(a_day()), use, size=(80, 24))


@pytest.mark.slow
@pytest.mark.parametrize("start", ["1", "question_mark"])
def test_every_key_answers(start: str) -> None:
    """Any key on the first pane and on the help leaves a whole screen."""
    _every_key_on((start,))


@pytest.mark.slow
def test_every_key_answers_on_every_pane() -> None:
    """Any key on any pane that a key leads to."""
    _every_key_on(("2", "3", "4", "b", "6", "7", "8", "9", "0", "i", "t", "ctrl+k"))


def test_from_home_to_the_gates_and_back() -> None:
    """Enter opens the decision under the cursor; esc returns to the same row of the same table."""

    async def use(screen: Screen) -> None:
        await screen.press("tab", "tab", "down")
        grid = screen.app.focused
        assert isinstance(grid, LiveGrid)
        assert grid.id == "blocked-short"
        key = grid.cursor_key
        await screen.press("enter")
        assert "DECISIONS  WARMUP_BARS  the last 10 of 10" in screen.text()
        await screen.press("tab", "down", "enter")
        assert "GATES  NIFTY 09:23:01.000 IST" in screen.text()
        assert "Too few closed bars" in screen.text()
        await screen.press("escape")
        assert "DECISIONS  WARMUP_BARS" in screen.text()
        await screen.press("escape")
        again = screen.app.focused
        assert again is grid
        assert grid.cursor_key == key

    on_screen(view_of(a_day()), use)


def test_a_position_opens_the_decision_that_made_it() -> None:
    """Enter on a position shows the gates of its own trade."""

    async def use(screen: Screen) -> None:
        await screen.press("tab", "down", "enter")
        assert "GATES  NIFTY 09:25:02.000 IST" in screen.text()
        assert "11 of 11 stages pass" in screen.text()

    on_screen(view_of(a_day()), use)


@pytest.mark.slow
def test_stepping_through_decisions() -> None:
    """Brackets go to the neighbours of the same underlying and say where they end."""

    async def use(screen: Screen) -> None:
        await screen.press("enter")
        assert "GATES  NIFTY 09:27:00.000" in screen.text()
        await screen.press("left_square_bracket")
        assert "GATES  NIFTY 09:26:45.000" in screen.text()
        await screen.press("right_square_bracket", "right_square_bracket")
        assert "GATES  NIFTY 09:27:00.000" in screen.text()
        assert "no further decision" in screen.text()

    on_screen(view_of(a_day()), use)


def test_freezing_holds_the_tables_and_not_the_top() -> None:
    """Frozen, the tables stay while clock, result and alert go on; a second f goes on."""

    async def use(screen: Screen) -> None:
        await screen.press("f")
        later = a_day()
        later.at(730).quotes(nifty=2_999_900)
        screen.clock.advance(1.5)
        screen.give(in_mode(view_of(later), "SIM"))
        await screen.settle()
        text = screen.text()
        assert "FROZEN 1.5s +1 entries" in text
        assert "29,999.00" in screen.lines()[0]
        assert "29,999.00" not in "".join(screen.lines()[3:])
        await screen.press("f")
        assert "29,999.00" in "".join(screen.lines()[3:])

    on_screen(in_mode(view_of(a_day()), "SIM"), use, live=True, state="FOLLOWING")


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
def test_leaving_ends_with_zero(key: str) -> None:
    """Either key closes the screen and nothing else."""

    async def use(screen: Screen) -> None:
        await screen.pilot.press(key)
        await screen.pilot.pause()
        assert screen.app.return_value == 0

    on_screen(view_of(a_day()), use)


def test_the_cursor_stays_on_its_row_when_rows_move() -> None:
    """A reason that climbs in the list keeps the cursor that was on it."""

    async def use(screen: Screen) -> None:
        await screen.press("b", "down", "down")
        grid = screen.app.query_one("#reasons", LiveGrid)
        key = grid.cursor_key
        assert key == ("reason", "N9_STRATEGY_ELIGIBLE", "COOLDOWN_ACTIVE")
        story = a_day()
        for second in range(40):
            story.at(730 + second).cycle_of("NIFTY", ("N9_STRATEGY_ELIGIBLE", "COOLDOWN_ACTIVE"))
        screen.give(view_of(story))
        await screen.settle()
        assert grid.cursor_key == key
        assert ">A N9" in screen.lines()[5]

    on_screen(view_of(a_day()), use)


@pytest.mark.slow
def test_a_cursor_at_the_top_stays_at_the_top() -> None:
    """New events push the old ones down; a cursor that was moved keeps its event in view."""

    async def use(screen: Screen) -> None:
        grid = screen.app.query_one("#events", LiveGrid)
        story = a_day()
        for number in range(30):
            story.at(730 + number).regime("NIFTY", f"R{number}")
            if number == 15:
                await screen.press("shift+tab", "down", "down")
                assert screen.app.focused is grid
                held = grid.cursor_key
            screen.give(view_of(story))
            await screen.settle()
            if number < 15:
                assert grid.cursor_key == ("notice", story.envelopes[-2].seq)
                assert f"REGIME NIFTY R{number}" in screen.text()
        assert grid.cursor_key == held
        assert "REGIME NIFTY R12" in screen.text()
        assert ">" in "".join(line for line in screen.lines() if "R12 " in line)

    on_screen(view_of(a_day()), use, size=(80, 24))


def test_a_window_too_small_for_a_while_changes_nothing() -> None:
    """Shrunk to a few cells and back, rows, cursor and focus are where they were."""
    story = a_day()
    for number in range(12):
        story.at(730 + number).cycle_of("NIFTY", ("N4_QUOTE_OK", f"R{number}"))

    async def use(screen: Screen) -> None:
        await screen.press("tab", "tab", "down", "down")
        was = screen.lines()
        await screen.resize(5, 2)
        await screen.resize(80, 24)
        assert screen.lines() == was

    on_screen(view_of(story.close()), use, size=(80, 24))


def test_the_mouse_points_and_opens() -> None:
    """A click puts the cursor on a row, a second one opens it, the wheel moves it."""

    async def use(screen: Screen) -> None:
        await screen.pilot.click("#underlyings", offset=(5, 3))
        await screen.settle()
        grid = screen.app.query_one("#underlyings", LiveGrid)
        assert grid.cursor_key == ("underlying", "BANKNIFTY")
        await screen.pilot.click("#underlyings", offset=(5, 3))
        await screen.settle()
        assert "GATES  BANKNIFTY" in screen.text()

    on_screen(view_of(a_day()), use)


# --- sizes, colours, foreign text --------------------------------------------------------------


@pytest.mark.slow
@settings(max_examples=5, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 220), st.integers(1, 60)), min_size=2, max_size=5))
def test_any_size_is_answered(sizes: list[tuple[int, int]]) -> None:
    """Resizing to anything and back: whole lines, the mode word, the result, no fault."""

    async def use(screen: Screen) -> None:
        await screen.press("b")
        for width, height in sizes:
            await screen.resize(width, height)
            lines = screen.lines()
            assert [cell_len(line) for line in lines] == [width] * height
            if width >= 60:
                assert lines[0].startswith(" REPLAY ")
                assert "-₹1,362.50" in "".join(lines)
        await screen.resize(80, 24)
        check_shape(screen, "REPLAY")

    on_screen(view_of(a_day()), use)


def test_a_terminal_that_is_too_small_says_so() -> None:
    """79x23 shows the mode, the result and what is needed; enlarging brings all back."""

    async def use(screen: Screen) -> None:
        await screen.resize(79, 23)
        assert "terminal 79x23, needs 80x24" in screen.lines()[0]
        assert "-₹1,362.50" in screen.lines()[0]
        await screen.resize(80, 24)
        assert "CAN IT TRADE?" in screen.text()

    on_screen(view_of(a_day()), use)


HOSTILE = "\x1b[2J\x1b]0;owned\x07[red]REJ[/red]\u202e🔴[@click=app.quit]x[/]"


def hostile_story() -> Story:
    """Foreign words wherever a journal can hold them."""
    story = Story()
    rows = tuple(
        msgspec.structs.replace(row, tradingsymbol=HOSTILE, underlying=HOSTILE)
        for row in INSTRUMENTS
    )
    story.fact(session.InstrumentsLoaded("i" * 64, rows))
    story.quotes()
    story.fact(session.OperatorCommand(HOSTILE, HOSTILE, HOSTILE, None, None, "", "NONE"))
    story.fact(session.ConfigChanged((session.Setting(HOSTILE, HOSTILE),), HOSTILE, HOSTILE))
    story.rejected(HOSTILE)
    story.cycle_of(HOSTILE, ("N4_QUOTE_OK", HOSTILE))
    story.regime(HOSTILE, HOSTILE)
    story.entry()
    story.fact(session.SessionClosed(HOSTILE))
    return story


@pytest.mark.parametrize("size", SIZES)
def test_hostile_text_is_text(size: tuple[int, int]) -> None:
    """Escape codes, markup, overrides and wide glyphs from the journal are shown, not obeyed."""

    async def use(screen: Screen) -> None:
        for keys in (
            ("1",),
            ("enter",),
            ("3",),
            ("b",),
            ("tab", "enter"),
            ("6",),
            ("ctrl+k",),
            ("question_mark",),
        ):
            await screen.press(*keys)
            check_shape(screen, "REPLAY")
            assert not any(char in screen.text() for char in "\x1b\x07\u202e🔴")
        await screen.press("1")
        assert "[red]REJ[/red]" in screen.text()

    on_screen(view_of(hostile_story()), use, size=size)


def test_without_colour_every_state_is_still_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """With NO_COLOR the text is the same: nothing is said by colour alone."""

    async def use(screen: Screen) -> None:
        plain.append(screen.text())

    plain: list[str] = []
    on_screen(view_of(a_day()), use)
    monkeypatch.setenv("NO_COLOR", "1")
    on_screen(view_of(a_day()), use)
    assert plain[0] == plain[1]
    assert "✗ QUOTE_SPREAD_WIDE" in plain[0]


# --- time --------------------------------------------------------------------------------------


def test_no_data_within_two_and_a_half_seconds() -> None:
    """The alert appears once the last entry is two seconds old, and goes with the next one."""

    async def use(screen: Screen) -> None:
        screen.clock.advance(1.9)
        await screen.settle()
        assert "NO DATA" not in screen.text()
        screen.clock.advance(0.5)
        await screen.settle()
        assert "NO DATA FROM ENGINE 2.4s" in screen.text()
        assert " 3.4s" in screen.text()  # the age of the last decision has gone on rising
        screen.give(in_mode(view_of(a_day()), "SIM"))
        await screen.settle()
        assert "NO DATA" not in screen.text()

    on_screen(in_mode(view_of(a_day()), "SIM"), use, live=True, state="FOLLOWING")


def test_a_quiet_screen_is_not_painted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recorded session at rest repaints no table: the second frame refreshes nothing."""

    async def use(screen: Screen) -> None:
        painted.clear()
        screen.app.paint()
        await screen.settle()
        assert painted == []
        await screen.press("down")
        assert painted  # canary: the probe does see a repaint

    painted: list[int] = []
    render = LiveGrid.render_line

    def probe(self: LiveGrid, y: int) -> Strip:
        painted.append(y)
        return render(self, y)

    monkeypatch.setattr(LiveGrid, "render_line", probe)
    on_screen(view_of(a_day()), use)


def test_the_timer_paints_by_itself() -> None:
    """The app as it runs outside of tests repaints without being told."""

    async def go() -> None:
        screen = Screen(view_of(a_day()))
        screen.app._auto_paint = True
        async with screen.app.run_test(size=(80, 24)) as pilot:
            screen.pilot = pilot
            story = a_day()
            story.at(722).quotes(nifty=1_111_100)
            screen.give(view_of(story))
            async with asyncio.timeout(20):
                while "11,111.00" not in screen.text():
                    await pilot.pause(0.01)

    asyncio.run(go())

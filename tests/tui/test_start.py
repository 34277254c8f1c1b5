"""First use: what the screen says and does where there is no session."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.tui.days import Desk, Starts, answered, opened
from tests.tui.screen import SIZES, HandClock, Screen
from tests.tui.test_app import check_golden, check_shape
from tui.app import AxiomApp
from tui.ports import Ports
from tui.screens.start import StartPane
from tui.store import EMPTY_VIEW, Store


class First(Screen):
    """The app as it is opened without a session."""

    def __init__(self, ports: Ports) -> None:
        super().__init__(EMPTY_VIEW, live=False, state="LOADING")
        self.clock = HandClock()
        self.store = Store(self.clock, live=False)
        self.app = AxiomApp(self.store, self.clock, ports, live=False, at="start", auto_paint=False)


def at_first(
    ports: Ports, use: Callable[[First], Awaitable[None]], size: tuple[int, int] = (120, 40)
) -> First:
    """Open it and do something."""
    screen = First(ports)

    async def go() -> None:
        async with screen.app.run_test(size=size) as pilot:
            screen.pilot = pilot
            await screen.settle()
            await use(screen)

    asyncio.run(go())
    return screen


@pytest.mark.parametrize("size", SIZES)
def test_it_says_what_to_do(size: tuple[int, int]) -> None:
    """The choices at both sizes, no mode claimed; then the demo with what it says."""
    starts = Starts()

    async def use(screen: First) -> None:
        check_shape(screen, "MODE ?")
        check_golden(screen, "start")
        starts.child.said = [f"line {number} of the demo" for number in range(60)]
        await screen.press("d")
        screen.app.query_one(StartPane).look()
        await screen.settle()
        check_golden(screen, "start-demo")

    at_first(Ports(desk=Desk(()), starter=starts), use, size)


def test_the_demo_is_run_and_its_session_opened() -> None:
    """``d`` starts it once; its lines are shown; when it ends well its session is shown."""
    starts, desk = Starts(), Desk((), opened("2026-11-20-backtest-x", running=False))

    async def use(screen: First) -> None:
        await screen.press("d", "d")
        assert starts.count == 1
        assert "The demo is running" in screen.lines()[-1]
        starts.child.said.append("A simulated trading day \x1b[2J")
        screen.app.query_one(StartPane).look()
        await screen.settle()
        assert "A simulated trading day ·[2J" in screen.text()
        screen.app.look_for_next()  # its own session is no reason to leave it
        await screen.settle()
        assert screen.app.wanted is None
        starts.child.ended = 0
        screen.app.query_one(StartPane).look()
        await screen.pilot.pause()
        assert screen.app.wanted == opened("2026-11-20-backtest-x", running=False)

    at_first(Ports(desk=desk, starter=starts), use)
    assert not starts.child.stopped


def test_a_demo_that_fails_is_said_and_can_be_tried_again() -> None:
    """Its exit code and last lines stay; ``d`` starts it anew; so does one that cannot begin."""
    starts = Starts()

    async def use(screen: First) -> None:
        await screen.press("d")
        starts.child.said.append("axiom: no space left")
        starts.child.ended = 2
        screen.app.query_one(StartPane).look()
        await screen.settle()
        assert "THE DEMO ENDED WITH 2" in screen.text()
        assert "axiom: no space left" in screen.text()
        starts.fault = "no such program"
        await screen.press("d")
        assert "COULD NOT BE STARTED: no such program" in screen.text()
        starts.fault, starts.child.ended = None, None
        await screen.press("d")
        assert starts.count == 2

    at_first(Ports(desk=Desk(()), starter=starts), use)
    assert starts.child.stopped  # leaving ends what was started


def test_an_engine_that_begins_is_shown_by_itself() -> None:
    """The desk is asked while there is nothing to show; a session that runs is shown, one that is
    left is not."""
    desk = Desk(())

    async def use(screen: First) -> None:
        for newest in (None, opened("a", running=False)):
            desk.next = newest
            screen.app.look_for_next()
            await answered(screen)
            assert screen.app.wanted is None
        desk.broken = True
        screen.app.look_for_next()
        await answered(screen)
        desk.broken, desk.next = False, opened("a", running=True)
        screen.app.look_for_next()
        await answered(screen)
        assert screen.app.wanted == opened("a", running=True)

    at_first(Ports(desk=desk), use)


def test_without_a_starter_the_verb_is_named() -> None:
    """A screen that can start nothing says which verb does."""

    async def use(screen: First) -> None:
        await screen.press("d")
        assert "axiom demo" in screen.lines()[-1]
        await screen.press("9", "escape")
        check_shape(screen, "MODE ?")

    at_first(Ports(), use)

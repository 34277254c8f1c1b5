"""From one session to another: the next one of the desk, the one that runs beside, the way back."""

from __future__ import annotations

import asyncio

from projections.live.view import LiveView
from tests.projections.live.story import Story, a_day
from tests.projections.live.trouble import a_troubled_day, raise_incident
from tests.tui.days import Desk, answered, opened
from tests.tui.screen import HandClock, Screen, view_of
from tests.tui.test_app import check_shape, in_mode
from tui.app import AxiomApp
from tui.ports import Opened, Ports
from tui.store import Published, Store

HERE = opened("2026-11-20-sim-a", running=True)
NEXT = opened("2026-11-23-sim-b", running=True)


class Shown(Screen):
    """A session of a desk; ``beside`` is the view of the one that runs while it is looked at."""

    def __init__(
        self, view: LiveView, desk: Desk, shown: Opened, beside: LiveView | None = None
    ) -> None:
        super().__init__(view, live=shown.running)
        self.clock = HandClock()
        self.store = Store(self.clock, live=shown.running)
        self.runs = Store(self.clock, live=True)
        if beside is not None:
            self.runs.publish(Published(beside, "FOLLOWING", self.clock.now, None))
        self.app = AxiomApp(
            self.store,
            self.clock,
            Ports(desk=desk, shown=shown.session),
            live=shown.running,
            shown=shown,
            beside=None if beside is None else self.runs,
            auto_paint=False,
        )
        self.give(view, "FOLLOWING" if shown.running else "ENDED")

    async def looked(self) -> None:
        """Let the clock ask for the next session, and the answer come."""
        self.app.look_for_next()
        await answered(self)


def live(story: Story, mode: str = "SIM") -> LiveView:
    return in_mode(view_of(story), mode)


def test_the_next_session_of_the_desk_is_shown_once_this_one_is_over() -> None:
    """While it runs nobody asks; closed, the desk is asked; the same one again is no reason."""
    desk = Desk(newest=NEXT)

    async def go() -> None:
        screen = Shown(live(a_day()), desk, HERE)
        async with screen.app.run_test(size=(80, 24)) as screen.pilot:
            await screen.looked()
            assert desk.asked == []
            screen.give(live(a_day().close()), "ENDED")
            desk.next = HERE
            await screen.looked()
            assert screen.app.wanted is None
            desk.next = opened("2026-11-23-sim-b", running=False)
            await screen.looked()
            assert screen.app.wanted is None
            desk.next = NEXT
            await screen.looked()
            assert screen.app.wanted == NEXT

    asyncio.run(go())


def test_a_recorded_session_is_never_left_by_itself() -> None:
    """Somebody looks at a day that is over: an engine that starts does not take it away."""
    desk = Desk(newest=NEXT)

    async def go() -> None:
        screen = Shown(view_of(a_day().close()), desk, opened("a", running=False))
        async with screen.app.run_test(size=(80, 24)) as screen.pilot:
            await screen.looked()
            assert desk.asked == []
            await screen.press("ctrl+l")
            await answered(screen)
            assert screen.app.wanted == NEXT

    asyncio.run(go())


def test_ctrl_l_says_why_it_goes_nowhere() -> None:
    """Where this is the one that runs, where none runs, where there is no desk."""

    async def go() -> None:
        screen = Shown(live(a_day()), Desk(newest=HERE), HERE)
        async with screen.app.run_test(size=(80, 24)) as screen.pilot:
            await screen.press("ctrl+l")
            assert "This is the session that runs" in screen.lines()[-1]
        desk = Desk(newest=opened("a", running=False))
        screen = Shown(view_of(a_day().close()), desk, opened("a", running=False))
        async with screen.app.run_test(size=(80, 24)) as screen.pilot:
            await screen.press("ctrl+l")
            await answered(screen)
            assert "No engine runs on this desk" in screen.lines()[-1]
            screen.app._ports = Ports()
            await screen.press("ctrl+l")
            assert "one session alone" in screen.lines()[-1]

    asyncio.run(go())


def test_the_running_session_is_not_out_of_sight() -> None:
    """While a recorded day is looked at its mode row says REPLAY, and a row tells that another
    session runs, of its alarms and of its silence; the bell is its own."""
    rung: list[bool] = []

    async def go() -> None:
        old = view_of(a_day().close())
        screen = Shown(old, Desk(), opened("old", running=False), beside=live(a_day(), "PAPER"))
        async with screen.app.run_test(size=(120, 40)) as screen.pilot:
            screen.app.bell = lambda: rung.append(True)  # type: ignore[method-assign]
            await screen.settle()
            check_shape(screen, "REPLAY")
            line = next(line for line in screen.lines() if "ctrl+l goes back" in line)
            assert line.startswith(" PAPER runs on, P&L net -₹1,362.50")
            story = a_troubled_day()
            raise_incident(story, 4, "AUTH_LOST", 1, "AB1234")
            clock = screen.clock.now
            screen.runs.publish(Published(live(story, "PAPER"), "FOLLOWING", clock, None))
            await screen.settle()
            assert "✗ 2 ALARMS: " in screen.text()
            assert rung == [True]
            screen.clock.advance(5)
            await screen.settle()
            assert "PAPER gives NO DATA for 5.0s" in screen.text()
            ended = live(a_day().close(), "PAPER")
            screen.runs.publish(Published(ended, "ENDED", clock, None))
            await screen.settle()
            assert "PAPER has closed (END_OF_DAY)" in screen.text()

    asyncio.run(go())

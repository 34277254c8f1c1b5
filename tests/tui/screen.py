"""An app on a pretended terminal, and what stands on it as text.

The clock is the test's, frames are painted when the test says, nothing sleeps. Reading the finished
strips uses a private part of Textual; it stands here and nowhere else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from textual import events
from textual.geometry import Size
from textual.pilot import Pilot

from projections.live import LiveModel, LiveView
from tests.projections.live.story import Story
from tui.app import AxiomApp
from tui.ports import Ports
from tui.store import LinkState, Published, Store

SIZES = ((80, 24), (120, 40))


class HandClock:
    """Clocks that move when told to, in ns."""

    def __init__(self) -> None:
        self.now = 1_000_000_000_000

    def mono_ns(self) -> int:
        return self.now

    def wall_ns(self) -> int:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += int(seconds * 1_000_000_000)


def view_of(story: Story) -> LiveView:
    """What a story amounts to."""
    model = LiveModel()
    for envelope in story.envelopes:
        model.fold(envelope)
    return model.view()


class Screen:
    """One app with its clock; ``text()`` is the terminal's content."""

    def __init__(
        self,
        view: LiveView,
        *,
        live: bool = False,
        state: LinkState = "ENDED",
        ports: Ports | None = None,
    ) -> None:
        self.clock = HandClock()
        self.store = Store(self.clock, live=live)
        self.app = AxiomApp(self.store, self.clock, ports or Ports(), live=live, auto_paint=False)
        self.pilot: Pilot[int]
        self.give(view, state)

    def give(
        self, view: LiveView, state: LinkState = "FOLLOWING", fault: str | None = None
    ) -> None:
        """Publish a view, as the reader would."""
        self.store.publish(Published(view, state, self.clock.now, fault))

    async def settle(self) -> None:
        """Paint a frame and let everything that follows from it happen."""
        await self._quiet()
        self.app.paint()
        await self._quiet()

    async def _quiet(self) -> None:
        """Until all queues are empty. Textual's own way waits for an idle processor each time."""
        for _ in range(3):
            await self.pilot.pause(0)

    async def press(self, *keys: str) -> None:
        """Press keys one after another, each with its effects."""
        driver = self.app._driver
        assert driver is not None
        for key in keys:
            driver.send_message(events.Key(key, key if len(key) == 1 else None))
            await self.settle()

    async def resize(self, width: int, height: int) -> None:
        """Give the terminal another size."""
        driver = self.app._driver
        assert driver is not None
        driver._size = (width, height)
        self.app.post_message(events.Resize(Size(width, height), Size(width, height)))
        async with asyncio.timeout(20):
            # The app waits a moment for further resizing before it lays out.
            while self.app.screen.size != (width, height):
                await self.pilot.pause(0.005)
        await self.settle()

    def lines(self) -> list[str]:
        """The rows of the terminal."""
        strips = self.app.screen._compositor.render_strips()
        return [strip.text for strip in strips]

    def text(self) -> str:
        """The rows as one text, blanks at their ends cut."""
        return "\n".join(line.rstrip() for line in self.lines()) + "\n"


def on_screen(
    view: LiveView,
    use: Callable[[Screen], Awaitable[None]],
    *,
    size: tuple[int, int] = (120, 40),
    live: bool = False,
    state: LinkState = "ENDED",
    ports: Ports | None = None,
) -> None:
    """Run an app on a pretended terminal and do something with it."""

    async def go() -> None:
        screen = Screen(view, live=live, state=state, ports=ports)
        async with screen.app.run_test(size=size) as pilot:
            screen.pilot = pilot
            await screen.settle()
            await use(screen)

    asyncio.run(go())

"""The halt, positions and execution panes equal their text goldens, live, halted, silent, recorded
and empty, at both sizes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.projections.live.story import Story, a_day
from tests.tui import desk
from tests.tui.screen import SIZES, Screen, on_screen, view_of
from tests.tui.test_app import check_golden, check_shape
from tui.ports import Ports
from tui.store import LinkState

Then = Callable[[Screen], Awaitable[None]]


async def _silence(screen: Screen) -> None:
    screen.clock.advance(4.2)
    await screen.settle()


def _halted() -> Story:
    story = desk.a_desk()
    desk.halted(story, "CANCEL")
    return story


KEYS = {"positions": "3", "execution": "6", "halt": "ctrl+k"}
SCENES: dict[str, tuple[str, Callable[[], Story], bool, Then | None]] = {
    "live": ("SIM", desk.a_desk, True, None),
    "halted": ("SIM", _halted, True, None),
    "dead": ("SIM", desk.a_desk, True, _silence),
    "replay": ("REPLAY", lambda: a_day().close(), False, None),
    "empty": ("SIM", lambda: Story("SIM", rate=1), True, None),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("place", KEYS)
def test_the_desk_looks_as_agreed(place: str, scene: str, size: tuple[int, int]) -> None:
    """Every scene of every pane, read by a person when it was written."""
    mode, story, live, then = SCENES[scene]
    ports = desk.with_control(desk.Control()) if live else Ports()
    state: LinkState = "FOLLOWING" if live else "ENDED"

    async def use(screen: Screen) -> None:
        await screen.press(KEYS[place])
        if then is not None:
            await then(screen)
        check_shape(screen, mode)
        check_golden(screen, f"{place}-{scene}")

    on_screen(view_of(story()), use, size=size, live=live, state=state, ports=ports)


@pytest.mark.parametrize("size", SIZES)
def test_home_says_what_waits(size: tuple[int, int]) -> None:
    """An unknown order and an entry that waits stand above everything on every pane."""

    async def use(screen: Screen) -> None:
        check_shape(screen, "SIM")
        check_golden(screen, "home-waiting")

    on_screen(view_of(desk.a_desk()), use, size=size, live=True, state="FOLLOWING")

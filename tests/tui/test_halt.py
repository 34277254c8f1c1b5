"""The kill switch: two keys from anywhere, the word for the dangerous levels, and never a halt that
looks taken without the engine's word."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.projections.live.story import Story, a_day
from tests.tui import desk
from tests.tui.screen import SIZES, Screen, on_screen, view_of
from tui.ports import Answer, Command, Ports
from tui.store import Published
from tui.widgets.grid import LiveGrid

LEAVES_S = 0.1
"""A command is out this long after its last key."""


async def came(screen: Screen, control: desk.Control, number: int = 1) -> Command:
    """The command of this number, and the screen after its answer."""
    async with asyncio.timeout(20):
        while len(control.given) < number:
            await screen.pilot.pause(0.001)
        while control.may_answer.is_set() and not control.answered.is_set():
            await screen.pilot.pause(0.001)
    await screen.settle()
    return control.given[number - 1]


def in_live(control: desk.Control | desk.BrokenControl | None, story: Story | None = None):  # type: ignore[no-untyped-def]
    """The arguments of a running session with this control."""
    ports = Ports() if control is None else desk.with_control(control)
    view = view_of(story or desk.a_desk())
    return {"view": view, "live": True, "state": "FOLLOWING", "ports": ports}


@pytest.mark.parametrize("start", ["1", "3", "5", "6", "question_mark", "enter"])
def test_two_keys_halt_from_anywhere(start: str) -> None:
    """ctrl+k and enter send the first level, within a tenth of a second of the last key; the
    answer of the engine is shown with its entry."""
    control = desk.Control()

    async def use(screen: Screen) -> None:
        await screen.press(start, "down", "ctrl+k")
        begun = time.process_time()
        await screen.press("enter")
        command = await came(screen, control)
        assert control.at_s - begun < LEAVES_S
        assert (command.verb, command.value, command.word) == ("HALT", None, None)
        assert "● CONFIRMED #77" in screen.text()
        assert len(control.given) == 1

    on_screen(use=use, **in_live(control))


def test_two_keys_halt_while_a_line_is_typed() -> None:
    """With the prompt open, ctrl+k takes the keys away from it; what was typed goes nowhere."""
    control = desk.Control()

    async def use(screen: Screen) -> None:
        await screen.press("3", "x", "S", "I", "M")
        assert "Type SIM:" in screen.lines()[-1]
        await screen.press("ctrl+k", "enter")
        command = await came(screen, control)
        assert (command.verb, command.value) == ("HALT", None)
        assert not screen.app._prompt.is_open
        assert len(control.given) == 1

    on_screen(use=use, **in_live(control))


def test_the_second_key_may_come_at_once() -> None:
    """Both keys before anything was painted: the halt goes out all the same, not the typed line."""
    control = desk.Control()

    async def use(screen: Screen) -> None:
        await screen.press("3", "x", "S", "I", "M")
        await screen.pilot.press("ctrl+k", "enter")
        assert (await came(screen, control)).verb == "HALT"
        assert len(control.given) == 1

    on_screen(use=use, **in_live(control))


def test_the_first_level_is_chosen_whatever_was_before() -> None:
    """Whoever left the cursor on another level finds it on the first again, also from there."""
    control = desk.Control()

    async def use(screen: Screen) -> None:
        await screen.press("ctrl+k", "down", "down", "ctrl+k", "enter")
        assert (await came(screen, control)).value is None

    on_screen(use=use, **in_live(control))


@pytest.mark.parametrize(("downs", "value"), [(1, "CANCEL"), (2, "FLATTEN")])
def test_the_dangerous_levels_need_the_word(downs: int, value: str) -> None:
    """The mode's exact word; any other does nothing and says so; escape does nothing."""
    control = desk.Control()

    async def use(screen: Screen) -> None:
        down = ("down",) * downs
        await screen.press("ctrl+k", *down, "enter", *"sim", "enter")
        assert "that is not SIM: nothing was done" in screen.lines()[-1]
        await screen.press("ctrl+k", *down, "enter", *"LIVE", "enter")
        await screen.press("ctrl+k", *down, "enter", *"SIM", "escape")
        await screen.press("ctrl+k", *down, "enter", "enter")
        assert control.given == []
        await screen.press("ctrl+k", *down, "enter", *"SIM", "enter")
        command = await came(screen, control)
        assert (command.verb, command.value, command.word) == ("HALT", value, "SIM")

    on_screen(use=use, **in_live(control))


def test_resume_needs_a_reason_and_the_word() -> None:
    """Both are typed from the same pane; without a reason nothing is resumed."""
    control = desk.Control()
    story = desk.a_desk()
    desk.halted(story)

    async def use(screen: Screen) -> None:
        to = ("ctrl+k", "down", "down", "down", "enter")
        await screen.press(*to, "enter")
        assert "Without a reason" in screen.lines()[-1]
        await screen.press(*to, *"ok now", "enter", *"LIVE", "enter")
        assert control.given == []
        await screen.press(*to, *"ok now", "enter", *"SIM", "enter")
        assert await came(screen, control) == Command("RESUME", None, None, "ok now", "SIM")

    on_screen(use=use, **in_live(control, story))


@pytest.mark.parametrize("size", SIZES)
def test_no_answer_in_two_seconds_is_said_on_every_pane(size: tuple[int, int]) -> None:
    """SENT with its age, then NOT CONFIRMED with what to do, in the row above every pane, until the
    engine says that it has the halt."""
    control = desk.Control(slow=True)

    async def use(screen: Screen) -> None:
        await screen.press("ctrl+k", "enter")
        await came(screen, control)
        screen.clock.advance(1.9)
        await screen.settle()
        assert "◐ SENT 1.9s" in screen.text()
        assert "NOT CONFIRMED" not in screen.text()
        screen.clock.advance(0.2)
        await screen.settle()
        assert "✗ NOT CONFIRMED 2.1s" in screen.text()
        for key in ("1", "3", "6", "question_mark"):
            await screen.press(key)
            text = screen.text()
            assert "HALT NOT CONFIRMED for 2.1s: run 'axiom halt' in another terminal, or" in text
        control.may_answer.set()
        await came(screen, control)
        assert "NOT CONFIRMED" not in screen.text()
        await screen.press("ctrl+k")
        assert "● CONFIRMED #77" in screen.text()

    on_screen(use=use, size=size, **in_live(control))


def test_the_journal_confirms_what_the_socket_could_not() -> None:
    """An engine that takes the kill file says so in its journal, and that is its word; a weaker or
    an older halt confirms nothing."""
    control = desk.Control(Answer("UNANSWERED", "no engine answers; the kill file is left", None))

    async def use(screen: Screen) -> None:
        story = desk.a_desk()
        await screen.press("ctrl+k", "down", "enter", *"SIM", "enter")
        await came(screen, control)
        assert "✗ NOT CONFIRMED" in screen.text()
        assert "the kill file is left" in screen.text()
        desk.commanded(story, "HALT", "weaker")
        screen.give(view_of(story))
        await screen.settle()
        assert "✗ NOT CONFIRMED" in screen.text()
        seq = desk.commanded(story, "HALT", "file-1", value="FLATTEN", channel="FILE")
        screen.give(view_of(story))
        await screen.settle()
        assert f"● CONFIRMED #{seq}" in screen.text()
        assert "NOT CONFIRMED" not in screen.text()

    story = desk.a_desk()
    on_screen(use=use, **in_live(control, story))


def test_a_halt_goes_out_while_others_hang() -> None:
    """Commands that wait for an engine hold up no halt, however many they are."""
    control = desk.Control(slow=True)

    async def use(screen: Screen) -> None:
        await screen.press("6")
        for number in range(1, 13):
            await screen.press("r")
            await came(screen, control, number)
        await screen.press("ctrl+k", "enter")
        assert (await came(screen, control, 13)).verb == "HALT"
        control.may_answer.set()

    on_screen(use=use, **in_live(control))


def test_a_control_that_breaks_is_told() -> None:
    """The screen stays, and says that the command may have gone out."""

    async def use(screen: Screen) -> None:
        await screen.press("ctrl+k", "enter")
        async with asyncio.timeout(20):
            while "it may have gone out" not in screen.text():
                await screen.pilot.pause(0.001)
                await screen.settle()
        assert "HALT NOT CONFIRMED" in screen.text()

    on_screen(use=use, **in_live(desk.BrokenControl()))


def test_a_refusal_is_shown_with_its_words() -> None:
    """What the engine refuses is refused, not unconfirmed."""
    control = desk.Control(Answer("REFUSED", "RESUME refused (entry 9): CMD_X: No.", 9))

    async def use(screen: Screen) -> None:
        await screen.press("ctrl+k", "down", "down", "down", "enter", *"ok", "enter")
        await screen.press(*"SIM", "enter")
        await came(screen, control)
        assert "✗ REFUSED #9" in screen.text()
        assert "RESUME refused (entry 9): CMD_X: No." in screen.text()

    on_screen(use=use, **in_live(control))


PRESSES = ("ctrl+k", "enter", "down", "enter", "3", "x", "6", "a", "r", "u", "escape")


@pytest.mark.parametrize(
    ("live", "given", "why"),
    [
        (False, True, "Nothing to command: this is a recorded session"),
        (True, False, "This screen only reads"),
    ],
)
def test_where_nothing_can_be_commanded_every_key_says_why(
    live: bool, given: bool, why: str
) -> None:
    """In a recorded session, even with a control, and in one without a control: no key gives a
    command, each of them explains."""
    control = desk.Control()

    async def use(screen: Screen) -> None:
        await screen.press("ctrl+k")
        assert why in screen.text()
        for key in PRESSES:
            await screen.press(key)
            if key in ("x", "a", "r", "u"):
                assert why in screen.lines()[-1]
        assert control.given == []
        assert not screen.app._prompt.is_open

    ports = desk.with_control(control) if given else Ports()
    state = "FOLLOWING" if live else "ENDED"
    story = desk.a_desk() if live else a_day().close()
    on_screen(view_of(story), use, live=live, state=state, ports=ports)  # type: ignore[arg-type]


def test_without_a_mode_nothing_is_commanded() -> None:
    """Before the session's first entry the mode is ``MODE ?`` and the switch says what to do."""
    control = desk.Control()

    async def use(screen: Screen) -> None:
        await screen.press("ctrl+k", "enter")
        assert screen.lines()[0].startswith(" MODE ? ")
        assert "has not said its mode" in screen.text()
        assert control.given == []

    from tui.store import EMPTY_VIEW

    ports = desk.with_control(control)
    on_screen(EMPTY_VIEW, use, live=True, state="LOADING", ports=ports)


def test_a_screen_that_catches_up_halts_at_once() -> None:
    """The halt does not wait for the fold: two keys while most of the session is not read yet."""
    control = desk.Control()

    async def use(screen: Screen) -> None:
        view = view_of(desk.a_desk())
        screen.store.publish(Published(view, "LOADING", screen.clock.now, None, 50 * view.seq))
        await screen.settle()
        assert "CATCHING UP 2 %" in screen.text()
        await screen.press("ctrl+k", "enter")
        command = await came(screen, control)
        assert (command.verb, command.value) == ("HALT", None)
        assert "CATCHING UP 2 %" in screen.text()

    on_screen(use=use, **in_live(control))


def test_a_frozen_screen_halts_by_what_is() -> None:
    """Frozen tables stay, but the switch shows and counts the present."""
    control = desk.Control()

    async def use(screen: Screen) -> None:
        await screen.press("3", "f")
        story = desk.a_desk()
        desk.at_broker(story, "O9", "I9", "ENTRY", "BUY", desk.PUT, 30, 5_000)
        screen.give(view_of(story))
        await screen.press("ctrl+k")
        assert "also cancel 3 orders" in screen.text()
        await screen.press("enter")
        assert (await came(screen, control)).verb == "HALT"
        assert "● CONFIRMED #77" in screen.text()

    on_screen(use=use, **in_live(control))


def test_back_from_the_switch() -> None:
    """Escape leads to where one was, with the cursor there."""

    async def use(screen: Screen) -> None:
        await screen.press("6", "down", "ctrl+k", "escape")
        grid = screen.app.focused
        assert isinstance(grid, LiveGrid)
        assert grid.id == "orders"
        assert "ORDERS" in screen.text()

    on_screen(use=use, **in_live(desk.Control()))


def test_the_list_of_commands_gives_nothing() -> None:
    """Enter below the levels does nothing but say where they are."""
    control = desk.Control()

    async def use(screen: Screen) -> None:
        await screen.press("ctrl+k", "tab", "enter")
        assert "The levels stand above" in screen.lines()[-1]
        assert control.given == []

    on_screen(use=use, **in_live(control))

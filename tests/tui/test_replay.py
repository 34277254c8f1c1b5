"""The replay pane by its keys, and what every pane shows of the past."""

from __future__ import annotations

import asyncio

import pytest

from tests.projections.live.story import a_day
from tests.tui.pages import StoryEntries, StoryTravel
from tests.tui.screen import SIZES, HandClock, Screen, on_screen, view_of
from tests.tui.test_app import check_golden, check_shape, in_mode
from tui.places import PLACES
from tui.ports import Answer, Command, Ports
from tui.screens.pane import Pane

STORY = a_day().close()


class Refusing:
    """A control that must not be reached."""

    def give(self, command: Command) -> Answer:
        raise AssertionError(f"{command.verb} left")


def ports(control: Refusing | None = None, **more: object) -> Ports:
    travel = StoryTravel(STORY.envelopes, HandClock())
    entries = StoryEntries(STORY.envelopes)
    return Ports(travel=travel, entries=entries, control=control, **more)  # type: ignore[arg-type]


async def answered(screen: Screen, text: str) -> None:
    screen.app._prompt._input.insert_text_at_cursor(text)
    await screen.press("enter")
    await screen.settle()


@pytest.mark.parametrize("size", SIZES)
def test_replay_screens_are_as_they_were_agreed(size: tuple[int, int]) -> None:
    """The scrubber at the end, and Home as of an entry, at both sizes."""

    async def use(screen: Screen) -> None:
        await screen.press("t")
        await screen.settle()
        check_shape(screen, "REPLAY")
        check_golden(screen, "replay")
        await screen.press("o")
        await answered(screen, "09:25:30")
        check_shape(screen, "REPLAY")
        check_golden(screen, "replay-then")
        await screen.press("1")
        check_shape(screen, "REPLAY")
        check_golden(screen, "home-then")

    on_screen(view_of(STORY), use, size=size, ports=ports())


def test_every_pane_shows_the_past_and_says_so() -> None:
    """On each pane of a running session the first rows cannot be mistaken, and ctrl+l ends it."""

    async def use(screen: Screen) -> None:
        await screen.press("t", "o")
        await answered(screen, "#100")
        for row in PLACES:
            if row.keys and row.place != "halt":
                await screen.press(row.keys[0])
                check_shape(screen, "REPLAY")
                assert "AS OF 09:23:01.000" in screen.lines()[0]
                assert "NOT LIVE" in screen.lines()[0]
                assert any("THE PAST, NOT LIVE: #100 of" in line for line in screen.lines()[:4])
        await screen.press("ctrl+l")
        assert screen.lines()[0].startswith(" SIM ")
        assert "THE PAST" not in screen.text()

    view = in_mode(view_of(STORY), "SIM")
    on_screen(view, use, live=True, state="FOLLOWING", ports=ports(), size=(80, 24))


def test_no_command_leaves_the_past() -> None:
    """A pane that gives a command while the past is shown is refused, whatever the port."""

    async def use(screen: Screen) -> None:
        await screen.press("t", "o")
        await answered(screen, "#100")
        pane = screen.app._panes["home"]
        pane.post_message(Pane.Gives(Command("halt", None, None, "x", None), lambda _: None))
        await screen.settle()
        assert "No command leaves while the past is shown" in screen.text()

    view = in_mode(view_of(STORY), "SIM")
    on_screen(view, use, live=True, state="FOLLOWING", ports=ports(Refusing()))


def test_the_keys_of_replay() -> None:
    """Steps, marks, playing, speed, and the ends of the session."""
    given = ports()
    travel = given.travel
    assert isinstance(travel, StoryTravel)

    async def use(screen: Screen) -> None:
        def seq() -> int:
            return screen.store.frame().view.seq

        await screen.press("t", "o")
        await answered(screen, "#100")
        ahead = ("full_stop", "greater_than_sign", "n", "right_square_bracket")
        back = ("comma", "less_than_sign", "p", "left_square_bracket")
        for on, away in zip(ahead, back, strict=True):
            was = seq()
            await screen.press(on)
            there = seq()
            assert there > was, on
            await screen.press(away)
            assert seq() < there, away
        await screen.press("plus", "minus", "minus", "minus", "minus")
        assert "speed x1" in screen.text()
        await screen.press("space")
        assert travel.where().playing
        await screen.press("space")
        assert not travel.where().playing
        await screen.press("down", "enter")
        assert seq() in {mark.seq for mark in travel.where().way.marks}
        await screen.press("o")
        await answered(screen, "nowhere")
        assert "That is no place" in screen.text()

    on_screen(view_of(STORY), use, ports=given)


def test_from_an_entry_into_the_past() -> None:
    """z on an entry of the journal shows everything as of it; the journal then ends there."""

    async def use(screen: Screen) -> None:
        await screen.press("0", "o")
        await answered(screen, "#120")
        await screen.press("z")
        assert screen.store.frame().view.seq == 120
        await screen.press("0", "G")
        await screen.settle()
        assert "of 120" in screen.text()
        assert "#121" not in screen.text()

    on_screen(view_of(STORY), use, ports=ports())


@pytest.mark.parametrize(
    ("found", "words"), [(90, "differs first at #90"), (None, "identical"), ("x", "other code")]
)
def test_the_first_divergence(found: object, words: str) -> None:
    """d replays off the painting thread, says what came of it and goes there."""

    def find() -> int | None:
        if found == "x":
            raise ValueError("recorded by other code")
        assert found is None or isinstance(found, int)
        return found

    async def use(screen: Screen) -> None:
        await screen.press("t", "d")
        async with asyncio.timeout(20):
            while words not in screen.lines()[-1]:
                await screen.pilot.pause(0.01)
                screen.app.paint()
        if found == 90:
            await screen.settle()
            assert screen.store.frame().view.seq == 90

    on_screen(view_of(STORY), use, ports=ports(first_divergence=find))


def test_without_a_way_into_the_past_it_says_so() -> None:
    """No traveller and no replay: every key says so."""

    async def use(screen: Screen) -> None:
        await screen.press("t", "space")
        assert "no way into the past" in screen.text()

    on_screen(view_of(STORY), use)

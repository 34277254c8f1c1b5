"""What holds on every pane there is: whole lines, known glyphs, no fault, whatever was folded.

Each place is seen at each size here, and two mutilated days; the slow half crosses sizes with live
and recorded, and sees many more.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from projections.live import LiveModel
from projections.live.view import LiveView
from tests.projections.live.story import a_day
from tests.tui.pages import StoryEntries, StoryTravel
from tests.tui.screen import HandClock, Screen, on_screen, view_of
from tests.tui.test_app import check_shape, hostile_story, in_mode
from tui.places import PLACES
from tui.ports import Ports

STORY = a_day()
SIZES = ((80, 24), (120, 40), (200, 60))


def ports() -> Ports:
    travel = StoryTravel(STORY.envelopes, HandClock())
    return Ports(entries=StoryEntries(STORY.envelopes), travel=travel)


async def visit(screen: Screen, mode: str) -> None:
    """Every pane, as a person comes there or as another pane leads there."""
    for row in PLACES:
        screen.app._go(row.place)
        await screen.settle()
        check_shape(screen, mode)


def every_pane(size: tuple[int, int], live: bool) -> None:
    """Go through all panes of one session, running or recorded."""

    async def use(screen: Screen) -> None:
        await visit(screen, "SIM" if live else "REPLAY")

    view = in_mode(view_of(STORY), "SIM")
    state = "FOLLOWING" if live else "ENDED"
    on_screen(view, use, size=size, live=live, state=state, ports=ports())  # type: ignore[arg-type]


@pytest.mark.parametrize(("size", "live"), list(zip(SIZES, (True, False, True), strict=True)))
def test_every_pane_at_every_size(size: tuple[int, int], live: bool) -> None:
    """Exactly the width, only glyphs of one cell, the mode in row 0, at three sizes."""
    every_pane(size, live)


@pytest.mark.slow
@pytest.mark.parametrize(("size", "live"), list(zip(SIZES, (False, True, False), strict=True)))
def test_every_pane_at_every_size_the_other_way(size: tuple[int, int], live: bool) -> None:
    """What was seen live above is seen recorded, and the other way round."""
    every_pane(size, live)


def prefix(seqs: list[int]) -> LiveView:
    """Any of the day's entries, in order: what a broken or foreign journal could amount to."""
    model = LiveModel()
    for envelope in STORY.envelopes:
        if envelope.seq in seqs:
            model.fold(envelope)
    return model.view()


PREFIXES = st.integers(1, len(STORY.envelopes)).map(lambda end: list(range(1, end + 1)))
SELECTIONS = st.lists(st.integers(1, len(STORY.envelopes)), min_size=1, max_size=60)


def show_all(*many: list[int]) -> None:
    """Every pane of what these entries amount to, without a fault, None or nan; one app for all."""

    async def use(screen: Screen) -> None:
        for seqs in many:
            view = prefix(seqs)
            screen.give(view, "ENDED")
            await visit(screen, "MODE ?" if view.session is None else "REPLAY")

    on_screen(prefix(many[0]), use, size=(80, 24))


def test_any_entries_can_be_shown() -> None:
    """A day that breaks off in the middle, and one of which every third entry is missing."""
    every = range(1, len(STORY.envelopes) + 1)
    show_all(list(every[: len(every) // 2]), [seq for seq in every if seq % 3])


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(PREFIXES, SELECTIONS)
def test_many_more_entries_can_be_shown(first: list[int], some: list[int]) -> None:
    """Any prefix and any selection: more than anybody waits for at each change."""
    show_all(first, some)


def test_hostile_text_on_every_pane() -> None:
    """Foreign words of any kind are text on all panes, and shift no column."""

    async def use(screen: Screen) -> None:
        await visit(screen, "REPLAY")
        assert all(cell_len(line) == 120 for line in screen.lines())

    story = hostile_story()
    given = Ports(entries=StoryEntries(story.envelopes))
    on_screen(view_of(story), use, ports=given)

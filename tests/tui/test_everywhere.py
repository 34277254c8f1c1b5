"""What holds on every pane there is: whole lines, known glyphs, no fault, whatever was folded."""

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


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("live", [True, False])
def test_every_pane_at_every_size(size: tuple[int, int], live: bool) -> None:
    """Exactly the width, only glyphs of one cell, the mode in row 0, at three sizes."""

    async def use(screen: Screen) -> None:
        await visit(screen, "SIM" if live else "REPLAY")

    view = in_mode(view_of(STORY), "SIM")
    state = "FOLLOWING" if live else "ENDED"
    on_screen(view, use, size=size, live=live, state=state, ports=ports())  # type: ignore[arg-type]


def prefix(seqs: list[int]) -> LiveView:
    """Any of the day's entries, in order: what a broken or foreign journal could amount to."""
    model = LiveModel()
    for envelope in STORY.envelopes:
        if envelope.seq in seqs:
            model.fold(envelope)
    return model.view()


SELECTIONS = st.lists(
    st.one_of(
        st.integers(0, len(STORY.envelopes)).map(lambda end: list(range(1, end + 1))),
        st.lists(st.integers(1, len(STORY.envelopes)), max_size=60),
    ),
    min_size=2,
    max_size=2,
)
"""Prefixes, and entries by chance."""


def _any_entries(many: list[list[int]]) -> None:
    async def use(screen: Screen) -> None:
        for seqs in many:
            view = prefix(seqs)
            screen.give(view, "ENDED")
            await visit(screen, "MODE ?" if view.session is None else "REPLAY")

    on_screen(prefix(many[0]), use, size=(80, 24))


@settings(max_examples=2, deadline=None)
@given(SELECTIONS)
def test_any_entries_can_be_shown(many: list[list[int]]) -> None:
    """Any prefix and any selection of entries: every pane, without a fault, None or nan."""
    _any_entries(many)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(SELECTIONS)
def test_any_entries_can_be_shown_many_times(many: list[list[int]]) -> None:
    """The same of many more selections."""
    _any_entries(many)


def test_hostile_text_on_every_pane() -> None:
    """Foreign words of any kind are text on all panes, and shift no column."""

    async def use(screen: Screen) -> None:
        await visit(screen, "REPLAY")
        assert all(cell_len(line) == 120 for line in screen.lines())

    story = hostile_story()
    given = Ports(entries=StoryEntries(story.envelopes))
    on_screen(view_of(story), use, ports=given)

"""The scrubber's lines: whole widths, whatever is known of the way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.projections.live.story import a_day
from tests.tui.pages import StoryTravel
from tests.tui.screen import HandClock
from tui.store import Store
from tui.travel import PRESENT, Goal
from tui.view.replay import scrubber
from tui.view.text import crop, line_width

DAY = a_day().envelopes


@given(st.integers(1, 260), st.integers(1, len(DAY)))
def test_every_width_is_answered(width: int, seq: int) -> None:
    """At any width and entry: seven lines, none wider than the room, one pointer."""
    travel = StoryTravel(DAY, HandClock())
    store = Store(HandClock(), live=False)
    for where in (PRESENT, travel.where()):
        lines = scrubber(where, store.frame(), width)
        assert len(lines) == 7
    travel.go(Goal(seq=seq))
    where = travel.where()
    store.look_back(where.view)
    lines = scrubber(where, store.frame(), width)
    assert all(line_width(crop(line, width)) == width for line in lines)
    if width > 40:
        assert all(line_width(line) <= width for line in lines)
        assert sum(text.count("▲") for text, _ in lines[4]) == 1

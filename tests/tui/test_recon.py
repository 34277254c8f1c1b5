"""Reconciliation: the verdict, the differences with their ends, the broker's books, the lamp."""

from __future__ import annotations

import pytest

from tests.projections.live.story import a_day
from tests.projections.live.trouble import KEY, SYMBOL, a_troubled_day, books, compared
from tests.tui.screen import SIZES, Screen, on_screen, view_of
from tests.tui.test_app import check_golden, check_shape, in_mode
from tests.tui.test_bar import frame_of, lamp, text
from tui.view.recon import (
    detail,
    differences_table,
    orders_table,
    positions_table,
    verdict_lines,
)

SCENES = {
    "recon": (False, "REPLAY", 0.0),
    "recon-live": (True, "SIM", 0.0),
    "recon-dead": (True, "SIM", 4.2),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scene", SCENES)
def test_the_pane_is_as_it_was_agreed(scene: str, size: tuple[int, int]) -> None:
    """Recorded, live and dead at both sizes."""
    live, mode, silent = SCENES[scene]
    story = a_troubled_day() if live else a_troubled_day().close()

    async def use(screen: Screen) -> None:
        await screen.press("7")
        screen.clock.advance(silent)
        await screen.settle()
        check_shape(screen, mode)
        check_golden(screen, scene)

    view = in_mode(view_of(story), "SIM") if live else view_of(story)
    on_screen(view, use, size=size, live=live, state="FOLLOWING" if live else "ENDED")


@pytest.mark.parametrize("size", SIZES)
def test_without_a_broker_it_says_so(size: tuple[int, int]) -> None:
    """A backtest has no books to compare, and no RECON lamp that could look well."""

    async def use(screen: Screen) -> None:
        await screen.press("7", "tab", "enter")
        check_shape(screen, "REPLAY")
        assert "RECON" not in screen.lines()[1]
        screen.clock.advance(6)
        await screen.settle()
        check_golden(screen, "recon-empty")

    on_screen(view_of(a_day().close()), use, size=size)


def test_the_lamp_is_bad_within_a_frame_of_the_difference() -> None:
    """RECON ✗ with the first frame after the entry, and well again after an equal comparison."""
    story = a_troubled_day()

    async def use(screen: Screen) -> None:
        calm = a_day()
        compared(calm, 130, differ=False)
        screen.give(in_mode(view_of(calm), "SIM"))
        await screen.settle()
        assert "RECON ●" in screen.lines()[1]
        screen.give(in_mode(view_of(story), "SIM"))
        await screen.settle()
        assert "RECON ✗ 1" in screen.lines()[1]
        compared(story.at(728), 130, differ=False)
        screen.give(in_mode(view_of(story), "SIM"))
        await screen.settle()
        assert "RECON ●" in screen.lines()[1]

    view = in_mode(view_of(a_day()), "SIM")
    on_screen(view, use, size=(200, 50), live=True, state="FOLLOWING")


def test_a_comparison_that_is_too_old_is_no_longer_known() -> None:
    """The lamp turns to ``?`` with the engine's own limit; never compared is ``?`` as well."""
    story = a_day()
    compared(story, 130, differ=False)
    assert lamp(in_mode(view_of(story), "LIVE"), "RECON").shape == "●"
    old = a_day()
    assert lamp(in_mode(view_of(old), "LIVE"), "RECON").shape == "?"


def test_a_difference_that_is_not_found_again_is_over() -> None:
    """Found twice it is one row; the comparison that does not find it closes it."""
    story = a_troubled_day()
    rows = differences_table(frame_of(view_of(story))).rows
    assert [row.cells[0][0] for row in rows] == ["✗ DIFFERS"]
    assert rows[0].cells[7][0] == "x2"
    assert "holds less" in detail(frame_of(view_of(story)), ("difference", "POSITION_DIFFERS", KEY))
    compared(story.at(730), 130, differ=False)
    table = differences_table(frame_of(view_of(story)))
    assert table.title == "DIFFERENCES  0 now  1 over"
    assert table.rows[0].cells[0][0] == "● over"
    assert table.rows[0].cells[5][0] == "6.0s"


def test_the_books_stand_beside_ours() -> None:
    """Ours 130, the broker's 65: the row says so and comes first."""
    frame = frame_of(view_of(a_troubled_day()))
    row = positions_table(frame).rows[0]
    assert [cell[0] for cell in row.cells[:5]] == [SYMBOL, "130", "65", "-65", "✗ differs"]
    assert [row.cells[1][0] for row in orders_table(frame).rows] == ["OPEN", "COMPLETE"]
    assert "BOOKS DIFFER" in text(verdict_lines(frame)[0])
    assert text(verdict_lines(frame)[1]) == "  last comparisons ●✗✗"


def test_a_book_that_was_not_received_is_not_flat() -> None:
    """Positions that did not come are said to be missing; ours that the broker lacks as well."""
    story = a_troubled_day()
    books(story, None, failed=("positions: HTTP_503",))
    table = positions_table(frame_of(view_of(story)))
    assert not table.rows
    assert "not flat" in table.empty
    assert "NOT RECEIVED: positions: HTTP_503" in table.title
    assert "positions ?" in table.title

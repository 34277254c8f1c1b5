"""What blocked today, and that its numbers are the journal's."""

from __future__ import annotations

import msgspec
import pytest

from events.decision import DecisionMade
from events.upcast import current_event
from projections.live.verdicts import lean_of, missed_ppm
from tests.projections.live.story import a_day
from tests.tui.recorded import NAMES, entries, view_of_golden
from tests.tui.screen import Screen, on_screen, view_of
from tui.store import Frame
from tui.view.blocked import (
    EVERYTHING,
    Choice,
    chosen_rows,
    count_of,
    decisions_table,
    heat_lines,
    letter_of,
    next_list,
    next_underlying,
    reason_row,
    reasons_table,
)
from tui.view.text import Row
from tui.widgets.grid import LiveGrid


def frame_of(name: str) -> Frame:
    return Screen(view_of_golden(name)).store.frame()


def cell(row: Row, place: int) -> str:
    return row.cells[place][0].strip()


def number(text: str) -> int:
    return int(text.replace(",", ""))


@pytest.mark.parametrize("name", NAMES)
def test_the_counts_are_the_blocked_total_and_the_journal(name: str) -> None:
    """Check 11: the sum of what is shown = the view's blocked = the journal's, of each underlying
    too, and no trade is among them."""
    made = [event for _, event in entries(name) if isinstance(event, DecisionMade)]
    blocked = [event for event in made if event.outcome != "TRADE"]
    frame = frame_of(name)
    assert frame.view.blocked == len(blocked)
    for underlying in (None, *(row.name for row in frame.view.underlyings)):
        choice = Choice(underlying, "last")
        mine = [one for one in blocked if underlying in (None, one.underlying)]
        table = reasons_table(frame, choice)
        assert sum(number(cell(row, 3)) for row in table.rows) == len(mine)
        for row in table.rows:
            count = sum(("reason", one.stage, one.reason) == row.key for one in mine)
            assert number(cell(row, 3)) == count


@pytest.mark.parametrize("name", NAMES)
def test_the_picture_of_the_day_holds_every_decision(name: str) -> None:
    """The heat of a reason sums to its count, of each underlying too."""
    for row in chosen_rows(view_of_golden(name), EVERYTHING):
        assert sum(row.heat) in (0, row.count)  # 0 where the day's hours are not known
        if sum(row.heat):
            assert tuple(map(sum, row.heat_by_underlying)) == row.by_underlying


@pytest.mark.parametrize("name", NAMES)
def test_the_nearest_miss_is_the_least_of_all(name: str) -> None:
    """No decision of the journal missed its limit by less than the one that is named."""
    frame = frame_of(name)
    best: dict[tuple[str, str, str], int] = {}
    gates = {env.seq: env for env, _ in entries(name) if env.kind == "GatesEvaluated"}
    for _, event in entries(name):
        if not isinstance(event, DecisionMade) or event.outcome == "TRADE":
            continue
        whole = current_event(gates[event.gates_seq])
        lean = lean_of(msgspec.msgpack.encode(whole))
        assert lean is not None
        stage = next(one for one in lean.official if one.stage == event.stage)
        row = next((one for one in stage.rows if one.gate == stage.gate), None)
        ppm = missed_ppm(row)
        if ppm is not None:
            key = (event.stage, event.reason, event.underlying)
            best[key] = min(best.get(key, ppm), ppm)
    found = {
        (row.stage, row.reason, miss.line.made.underlying): miss.ppm
        for row in frame.view.funnel
        for miss in row.nearest
    }
    assert found == best
    shown = decisions_table(frame, None, Choice(None, "nearest"))
    assert len(shown.rows) == len(best)


def test_nothing_shown_is_a_hypothetical_result() -> None:
    """Check 12: this pane holds no money at all, and no rupee of it is in the day's result."""

    async def use(screen: Screen) -> None:
        before = screen.lines()[1]
        await screen.press("5", "n")
        assert "₹" not in "".join(screen.lines()[3:])
        assert screen.lines()[1] == before

    on_screen(view_of(a_day()), use)


def test_keys_choose_an_underlying_and_a_list() -> None:
    """u: all, each underlying, all; n: the last, the nearest misses, one gate away."""

    async def use(screen: Screen) -> None:
        await screen.press("5")
        assert "DECISIONS  QUOTE_SPREAD_WIDE  the last 15 of 15" in screen.text()
        await screen.press("u")
        assert "NIFTY alone 15" in screen.text()
        assert "QUOTE_SPREAD_WIDE" not in "".join(screen.lines()[3:8])
        await screen.press("u", "n")
        assert "BANKNIFTY alone 15" in screen.text()
        assert "NEAREST MISSES" in screen.text()
        await screen.press("u", "n")
        assert "alone" not in screen.text()
        assert "ONE GATE AWAY  0 today" in screen.text()
        await screen.press("n", "tab", "down", "enter")
        assert "GATES  BANKNIFTY 09:26:44.000" in screen.text()
        await screen.press("escape")
        grid = screen.app.focused
        assert isinstance(grid, LiveGrid)
        assert grid.id == "decisions"

    on_screen(view_of(a_day()), use)


def test_a_chosen_underlying_opens_its_own_last_decision() -> None:
    """Enter on a reason opens a decision of the underlying that is looked at."""

    async def use(screen: Screen) -> None:
        await screen.press("5", "u", "u", "enter")
        assert "GATES  BANKNIFTY 09:26:45.000" in screen.text()

    on_screen(view_of(a_day()), use)


def test_the_picture_names_the_most_frequent_reason_of_each_column() -> None:
    """Below the blocks a letter, below that the hours; the letters stand before the reasons."""
    frame = Screen(view_of(a_day())).store.frame()
    blocks, letters, hours = heat_lines(frame, EVERYTHING, 120)
    assert [text for text, _ in letters][1].strip() == "AAA"
    assert [text for text, _ in blocks][1].strip() == "███"
    assert hours[1][0].startswith("09:15       10:15")
    assert "column: 5 min" in hours[1][0]
    narrow = heat_lines(frame, EVERYTHING, 42)
    assert len(narrow[0][1][0]) == 39  # two columns in one
    assert cell(reasons_table(frame, EVERYTHING).rows[1], 0) == "B"
    assert letter_of(0) + letter_of(26) + letter_of(99) == "Aa*"


def test_without_hours_there_is_no_picture() -> None:
    """A session without a rulebook says so in its place."""
    view = msgspec.structs.replace(view_of(a_day()), hours=None)
    frame = Screen(view).store.frame()
    assert "not known" in heat_lines(frame, EVERYTHING, 120)[0][0][0]


def test_choices_go_round() -> None:
    """Both keys come back to where they began; a name that is gone counts as all."""
    view = view_of(a_day())
    choice = EVERYTHING
    for _ in range(3):
        choice = next_underlying(view, next_list(choice))
    assert choice == EVERYTHING
    assert next_underlying(view, Choice("GONE", "last")).underlying == "NIFTY"
    frame = Screen(view).store.frame()
    assert reason_row(frame, None, Choice("NIFTY", "last")) is not None
    row = reason_row(frame, ("reason", "N4_QUOTE_OK", "QUOTE_SPREAD_WIDE"), EVERYTHING)
    assert row is not None
    assert count_of(row, 1) == 15

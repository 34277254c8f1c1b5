"""The matrix of underlyings and stages."""

from __future__ import annotations

import pytest

from events.decision import DecisionMade, GatesEvaluated
from events.reasons import STAGES
from tests.projections.live.story import Story, a_day
from tests.tui.recorded import NAMES, entries, view_of_golden
from tests.tui.screen import Screen, on_screen, view_of
from tui.store import Frame, Store
from tui.view.gates import matrix_table, pointed, stages_table
from tui.view.text import Row

SHAPE_OF = {"PASS": "●", "BLOCK": "✗", "UNKNOWN": "?"}


def frame_of(story: Story) -> Frame:
    screen = Screen(view_of(story))
    return screen.store.frame()


def texts(row: Row) -> list[str]:
    return [text.strip() for text, _ in row.cells]


def test_a_row_shows_each_stage_and_the_numbers_that_decided() -> None:
    """Shapes in the order of the stages, then gate, since when, observed, limit, margin."""
    rows = {row.key[1]: texts(row) for row in matrix_table(frame_of(a_day())).rows}  # type: ignore[index]
    assert rows["BANKNIFTY"][1:12] == ["●", "●", "●", "✗", *"·" * 7]
    assert rows["BANKNIFTY"][12:] == ["near_spread", "12m", "86 bps", "<= 60 bps", "-26 bps"]
    assert rows["NIFTY"][1:13] == [*"●" * 11, "● TRADE"]


@pytest.mark.parametrize("name", NAMES)
def test_the_matrix_is_that_of_the_last_gates_in_the_journal(name: str) -> None:
    """In every golden session each shape is the verdict of the journal's last GatesEvaluated."""
    last: dict[str, GatesEvaluated] = {}
    for _, event in entries(name):
        if isinstance(event, GatesEvaluated):
            last[event.underlying] = event
    view = view_of_golden(name)
    screen = Screen(view)
    rows = {row.key[1]: texts(row) for row in matrix_table(screen.store.frame()).rows}  # type: ignore[index]
    for underlying, gates in last.items():
        shown = rows[underlying][1:12]
        assert shown == [
            "·" if one.depends_on is not None else SHAPE_OF[one.verdict] for one in gates.official
        ]


@pytest.mark.parametrize("name", NAMES)
def test_for_how_long_is_counted_from_the_first_that_said_so(name: str) -> None:
    """Since when each stage says the same equals a walk over the whole journal."""
    since: dict[tuple[str, str], tuple[tuple[str, str | None, str | None], int]] = {}
    gates: dict[int, GatesEvaluated] = {}
    for envelope, event in entries(name):
        if isinstance(event, GatesEvaluated):
            gates[envelope.seq] = event
        elif isinstance(event, DecisionMade):
            for one in gates[event.gates_seq].official:
                key, said = (event.underlying, one.stage), (one.verdict, one.reason, one.depends_on)
                if key not in since or since[key][0] != said:
                    since[key] = said, envelope.ts
    view = view_of_golden(name)
    found = {(row.name, one.stage): one.since_ts for row in view.underlyings for one in row.stages}
    assert found == {key: ts for key, (_, ts) in since.items()}


def test_an_underlying_without_a_decision_says_so() -> None:
    """Nothing is guessed before the first cycle."""
    frame = frame_of(Story().setting_up())
    assert "no decision yet" in texts(matrix_table(frame).rows[0])
    assert stages_table(frame, pointed(frame, None)).rows == ()
    empty = Store(Screen(view_of(Story())).clock, live=True).frame()
    assert matrix_table(empty).rows == ()
    assert pointed(empty, None) is None


def test_enter_opens_the_decision_at_the_stage_under_the_cursor() -> None:
    """From the matrix the deciding gate is pointed at, from the stages the chosen stage."""

    async def use(screen: Screen) -> None:
        await screen.press("2", "down", "enter")
        assert "GATES  BANKNIFTY 09:26:45.000" in screen.text()
        assert ">  near_spread" in screen.text()
        await screen.press("escape", "tab", "down", "down", "enter")
        assert ">N3_WARMUP_DONE" in screen.text()
        await screen.press("escape")
        assert screen.app.focused is screen.app.query_one("#stages")

    on_screen(view_of(a_day()), use)


def test_the_eleven_stages_are_below() -> None:
    """All stages of the underlying under the cursor, in their order."""
    frame = frame_of(a_day())
    table = stages_table(frame, pointed(frame, ("underlying", "BANKNIFTY")))
    assert tuple(row.key[1] for row in table.rows) == STAGES  # type: ignore[index]
    assert texts(table.rows[3])[1:7] == [
        "✗ BLOCK", "12m", "near_spread", "86 bps", "<= 60 bps", "-26 bps",
    ]  # fmt: skip
    assert texts(table.rows[4])[3] == "waits for N4"

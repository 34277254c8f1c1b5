"""The policy table: relaxations only outside LIVE, each marked, and nobody else reads the mode."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.gates.feed import judge as judge_feed
from engine.gates.quote import judge as judge_quote
from engine.policy import POLICY, applies, limit_ms
from engine.state import EMPTY, State
from events.decision import GateRow
from events.gates import BY_GATE
from events.session import CycleRule
from tests.engine.build import at_trade, view_of

ROOT = Path(__file__).resolve().parents[2]
MODES = ("BACKTEST", "SIM", "PAPER", "LIVE")
PAGES = CycleRule("AFTER_SNAPSHOT", 60_000, 130_000)
GRID = CycleRule("GRID", 1_000, 0)


def _state(mode: str, rule: CycleRule) -> State:
    state = at_trade().state
    assert state.opened is not None
    return replace(state, opened=replace(state.opened, mode=mode, cycle_rule=rule))


def _rows(state: State) -> dict[str, GateRow]:
    view = view_of(state)
    stages = (judge_feed(view), judge_quote(view))
    return {row.gate: row for stage in stages for row in stage.rows}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("row", POLICY, ids=lambda row: row.name)
def test_a_row_applies_to_its_market_outside_live_alone(mode: str, row: object) -> None:
    """In a market of pages the row's limit holds in every mode but LIVE; on a grid in none."""
    (one,) = [known for known in POLICY if known is row]
    relaxed = mode != "LIVE"
    assert applies(_state(mode, PAGES), one.when) == relaxed
    assert not applies(_state(mode, GRID), one.when)
    want = (one.limit_ms, (one.name,)) if relaxed else (5, ())
    assert limit_ms(_state(mode, PAGES), one.gate, 5) == want
    assert limit_ms(_state(mode, GRID), one.gate, 5) == (5, ())


def test_live_has_no_row_at_all() -> None:
    """In LIVE every limit is the configured one, unmarked, whatever the market; before a session is
    opened too."""
    for gate in (*BY_GATE, "contract_age"):
        assert limit_ms(_state("LIVE", PAGES), gate, 77) == (77, ())
        assert limit_ms(EMPTY, gate, 77) == (77, ())


@pytest.mark.parametrize("gate", ["link_age", "page_age", "spot_age"])
def test_a_relaxed_gate_is_marked_in_its_evidence(gate: str) -> None:
    """The gate's row shows the row's limit and its name; in LIVE neither."""
    (row,) = [one for one in POLICY if one.gate == gate]
    relaxed = _rows(_state("PAPER", PAGES))[gate]
    assert relaxed.limit == row.limit_ms
    assert row.name in relaxed.marks
    live = _rows(_state("LIVE", PAGES))[gate]
    assert live.limit != row.limit_ms
    assert row.name not in live.marks


def test_rows_say_why_and_are_named_once() -> None:
    """Each row has a reason in words, a limit above zero and a name of its own; one row a gate."""
    assert len({row.name for row in POLICY}) == len({row.gate for row in POLICY}) == len(POLICY)
    for row in POLICY:
        assert row.why.endswith(".")
        assert row.limit_ms > 0
        assert row.gate in BY_GATE or row.gate == "contract_age"


MODE_READERS = (
    "engine/orders/operator.py",
    "engine/orders/route.py",
    "engine/policy.py",
    "engine/runner.py",
)
"""Who may read the mode: the policy table, the order route, the table of commands (which says what
a mode takes), and the runner, which names a session's folder by it and looks for the one before."""


def _reads_of_mode(path: Path) -> list[int]:
    """Lines that take an attribute ``mode``."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "mode"
    ]


def test_only_the_policy_reads_the_mode() -> None:
    """No module of the engine but those listed takes ``.mode`` of anything."""
    readers = {
        path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "engine").rglob("*.py"))
        if _reads_of_mode(path)
    }
    assert readers == set(MODE_READERS)


def test_the_search_for_readers_finds_one(tmp_path: Path) -> None:
    """Canary: a module that reads the mode is found."""
    path = tmp_path / "gate.py"
    path.write_text("def judge(view):\n    return view.state.opened.mode == 'LIVE'\n")
    assert _reads_of_mode(path) == [2]

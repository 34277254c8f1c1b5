"""Routing: every regime and mode has its families, and every family refused its own reason."""

from __future__ import annotations

import itertools
import sys

import pytest
from msgspec.structs import replace

from engine.gates.strategy import judge_family
from engine.regime import NEUTRAL, UNKNOWN
from engine.regime_model import LABELS
from engine.strategies import FAMILIES
from engine.strategies.routing import ROUTES, route_of, routed
from events.gates import BY_GATE
from tests.engine.build import at_trade, view_of
from tests.engine.gates.cases import regime

MODES = ("LIVE", "PAPER", "SIM", "BACKTEST", "RECORD")
REGIMES = (*LABELS, NEUTRAL, UNKNOWN)
NAMES = {family.name for family in FAMILIES}
WANT = {
    "TREND": "TREND", "RANGE": "MEAN_REVERT", "RANGE_VOLATILE": "MEAN_REVERT",
}  # fmt: skip
PAIRED = {("EVENT", mode) for mode in MODES} | {(NEUTRAL, mode) for mode in MODES if mode != "LIVE"}
"""Where a spread is traded."""


def test_every_regime_has_one_row_and_every_row_known_families() -> None:
    """The table is total over the labels of the regime; what nobody knows is UNKNOWN."""
    assert sorted(route.regime for route in ROUTES) == sorted(REGIMES)
    assert {name for route in ROUTES for name in (*route.live, *route.others)} == NAMES
    assert route_of("WHATEVER") is route_of(UNKNOWN)


def test_live_is_never_wider_than_another_mode() -> None:
    """What LIVE may trade, every other mode may; without a leader LIVE trades nothing."""
    for route in ROUTES:
        assert set(route.live) <= set(route.others)
    assert routed(NEUTRAL, live=True) == routed("PANIC", live=False) == ()
    assert routed(NEUTRAL, live=False) == ("DEFINED_RISK",)


def test_in_each_regime_and_mode_each_family_is_allowed_or_has_its_reason() -> None:
    """All regimes by all modes: one family at most trades, every other shows a code of its own
    gate."""
    count = 0
    for name, mode in itertools.product(REGIMES, MODES):
        state = regime(at_trade().state, regime=name, leader=name)
        assert state.opened is not None
        state = replace(state, opened=replace(state.opened, mode=mode))
        verdict, allowed = judge_family(view_of(state))
        want = [WANT[name]] if name in WANT else []
        want = ["DEFINED_RISK"] if (name, mode) in PAIRED else want
        assert [family.name for family in allowed] == want
        assert (verdict.verdict == "PASS") == bool(allowed)
        rows = {row.gate: row for row in verdict.evidence}
        assert len(rows) == len(NAMES)
        for row in rows.values():
            assert (row.reason is None) == any(row.gate == family.gate for family in allowed)
            assert row.reason is None or row.reason in BY_GATE[row.gate].codes
        count += 1
    sys.stdout.write(f"regimes by modes: {count}\n")
    assert count == 35


@pytest.mark.parametrize(
    ("name", "mode", "reason"),
    [
        ("EVENT", "LIVE", None),
        ("EVENT", "SIM", None),
        ("EVENT", "PAPER", None),
        (NEUTRAL, "SIM", None),
        (NEUTRAL, "PAPER", None),
        (NEUTRAL, "LIVE", "FAMILY_NEUTRAL"),
        ("PANIC", "PAPER", "FAMILY_PANIC"),
        ("TREND", "PAPER", "FAMILY_NOT_FOR_REGIME"),
    ],
)
def test_a_spread_says_why_it_is_not_traded(name: str, mode: str, reason: str | None) -> None:
    """Nothing where the regime is its own; elsewhere what the regime says."""
    state = regime(at_trade().state, regime=name, leader=name)
    assert state.opened is not None
    state = replace(state, opened=replace(state.opened, mode=mode))
    rows = {row.gate: row.reason for row in judge_family(view_of(state))[0].evidence}
    assert rows["family_defined_risk"] == reason
    assert rows["family_trend"] == {
        "EVENT": "FAMILY_EVENT", NEUTRAL: "FAMILY_NEUTRAL", "PANIC": "FAMILY_PANIC",
    }.get(name)  # fmt: skip

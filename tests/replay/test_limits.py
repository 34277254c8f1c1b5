"""The table of limits: every gate has one or a reason why not, and each moves as it says."""

from __future__ import annotations

import pytest

from engine.config import DEFAULTS, from_settings, merge, setting_specs
from engine.core import Core
from engine.policy import POLICY
from engine.strategies import FAMILIES
from events.gates import CONTRACT_FILTERS, GATES
from events.session import Setting
from replay.limits import (
    BY_SETTING,
    LIMITS,
    NOT_OF_DEGREE,
    POLICY_SETTINGS,
    STRATEGIES,
    Limit,
    limits_of,
    moved,
    overruled,
    relative,
    relative_milli,
    steps_between,
    value_in,
)
from tests.engine.fabricated import SmallMarket, small_facts

SPECS = {spec.key: spec for spec in setting_specs()}
KNOWN = {*(spec.gate for spec in GATES), *CONTRACT_FILTERS}


def test_every_gate_and_filter_has_a_limit_or_a_reason() -> None:
    """Nothing can refuse a trade that neither table knows, and neither names what is not there."""
    with_limits = {gate for limit in LIMITS for gate in limit.gates}
    without = [gate for gate, _ in NOT_OF_DEGREE]
    assert with_limits | set(without) == KNOWN
    assert len(set(without)) == len(without)
    assert all(why and not why.endswith(".") for _, why in NOT_OF_DEGREE)


def test_every_limit_is_a_setting_once() -> None:
    """The key is declared, and stands in one row."""
    assert len(BY_SETTING) == len(LIMITS)
    assert set(BY_SETTING) <= set(SPECS)


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.setting)
def test_a_limit_can_be_moved_to_its_bound(limit: Limit) -> None:
    """At its bound the configuration is a legal one; the last step leads there, one less does not;
    the type of a switch is a truth value."""
    most = steps_between(limit, DEFAULTS)
    switched_on = limit.toward == "ON" and value_in(DEFAULTS, limit.setting) == 1
    assert (most == 0) == switched_on
    furthest = moved(limit, DEFAULTS, most)
    if limit.setting != "session.last_entry_hhmm":
        assert furthest == limit.bound
    value: int | bool = bool(furthest) if SPECS[limit.setting].type == "bool" else furthest
    config = from_settings((Setting(limit.setting, value),))
    assert value_in(config, limit.setting) == furthest
    assert steps_between(limit, config) == 0
    assert moved(limit, DEFAULTS, 0) == value_in(DEFAULTS, limit.setting)


def test_a_limit_past_its_bound_is_not_moved_back() -> None:
    """Towards fewer trades nothing is ever moved."""
    config = merge(DEFAULTS, {"contract": {"spread_bps_max": 9_999}, "warmup": {"bars_min": 1}})
    for setting in ("contract.spread_bps_max", "warmup.bars_min"):
        assert steps_between(BY_SETTING[setting], config) == 0


def test_a_time_of_day_moves_by_minutes_up_to_the_square_off() -> None:
    """Over the full hour too; its size is measured from the open."""
    limit = BY_SETTING["session.last_entry_hhmm"]
    config = merge(DEFAULTS, {"session": {"last_entry_hhmm": 1458, "square_off_hhmm": 1504}})
    assert steps_between(limit, config) == 6
    assert [moved(limit, config, n) for n in (1, 2, 6)] == [1459, 1500, 1504]
    assert relative_milli(limit.setting, 1015, 1030) == 250


def test_the_size_of_a_move_is_relative_and_rounded_up() -> None:
    """Per mille of the old value; from nothing it is the new value itself; a switch is whole."""
    assert relative_milli("contract.spread_bps_max", 100, 112) == 120
    assert relative_milli("contract.spread_bps_max", 3, 4) == 334
    assert relative_milli("warmup.bars_after_gap_min", 2, 0) == 1_000
    assert relative_milli("risk.trades_day_max", 0, 2) == 2_000
    assert relative_milli("trend.enabled", 0, 1) == 1_000


def test_two_moves_that_are_shown_as_equal_are_told_apart() -> None:
    """What is least is decided by exact shares: a per mille, rounded up, hides sixty steps."""
    sizes = [relative("contract.premium_paise_max", 60_000, 60_000 + step) for step in (1, 2, 60)]
    assert sizes == sorted(set(sizes))
    assert {relative_milli("contract.premium_paise_max", 60_000, 60_000 + n) for n in (1, 60)} == {
        1
    }
    assert relative("contract.spread_bps_max", 3, 4) * 3 == 1


def test_a_family_has_its_own_limits_only() -> None:
    """The strength of a trend is no limit of mean reversion."""
    assert {family.name.lower() for family in FAMILIES} == set(STRATEGIES)
    assert {one.setting for one in limits_of("signal_strength", "TREND")} == {
        "trend.signal_milli_min"
    }
    assert len(limits_of("signal_strength")) == 3
    assert [one.setting for one in limits_of("bars", "TREND")] == ["warmup.bars_min"]


def test_every_policy_row_takes_the_place_of_a_limit() -> None:
    """In a market of pages those settings move nothing, and in another they do."""
    settings = dict(POLICY_SETTINGS)
    assert {row.gate for row in POLICY} == set(settings)
    assert set(settings.values()) <= set(BY_SETTING)
    config = DEFAULTS
    for pages, expected in ((True, {settings[row.gate]: row.name for row in POLICY}), (False, {})):
        market = SmallMarket(minutes=1, pages=pages)
        (_, opened), *_ = small_facts(market, config)
        core = Core()
        core.step(1, market.anchor_ns, opened)
        assert overruled(core.state) == expected

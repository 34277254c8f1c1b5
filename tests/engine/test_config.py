"""Settings: every one documented and bounded, the journaled form, and what is refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config import (
    DEFAULTS,
    Config,
    ConfigError,
    digest,
    flatten,
    from_settings,
    merge,
    setting_specs,
)
from events.session import Setting
from tests.engine.fabricated import SmallMarket, relaxed, run_core, small_facts

SPECS = setting_specs()
NUMBERS = [one for one in SPECS if one.type == "int"]


def _set(key: str, value: Any) -> Config:
    section, _, field = key.partition(".")
    return merge(DEFAULTS, {section: {field: value}})


def test_every_setting_is_documented_and_has_its_default_in_bounds() -> None:
    """Each has a sentence, a type of three, and a default that its own bounds allow."""
    assert len(SPECS) == len({one.key for one in SPECS}) > 40
    assert [one.key for one in SPECS] == sorted(one.key for one in SPECS)
    for one in SPECS:
        assert len(one.description) > 8, one.key
        assert one.type in ("int", "bool", "str"), one.key
        assert type(one.default).__name__ == one.type, one.key
        if isinstance(one.default, int) and not isinstance(one.default, bool):
            assert one.least is not None, f"{one.key} has no lower bound"
            assert one.least <= one.default, one.key
            assert one.most is not None, f"{one.key} has no upper bound"
            assert one.default <= one.most, one.key


def test_no_setting_is_a_fraction() -> None:
    """No float reaches the journal through the configuration; a fraction names its unit."""
    assert not [one.key for one in SPECS if isinstance(one.default, float)]
    for one in SPECS:
        if "bps" in one.description or "thousandths" in one.description:
            assert any(word in one.key for word in ("bps", "milli")), one.key


@pytest.mark.parametrize("spec", NUMBERS, ids=lambda spec: spec.key)
def test_bounds_hold(spec: Any) -> None:
    """One below the least and one above the most are refused, with the setting's path."""
    section = spec.key.partition(".")[0]
    with pytest.raises(ConfigError, match=section):
        _set(spec.key, spec.least - 1)
    if spec.most is not None:
        with pytest.raises(ConfigError, match=section):
            _set(spec.key, spec.most + 1)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.key)
def test_a_wrong_type_is_refused(spec: Any) -> None:
    """A word for a number, a number for a truth value, a fraction: each is refused in one line."""
    for wrong in ("many", 1.5, None, [1]):
        if not (spec.type == "str" and isinstance(wrong, str)):
            with pytest.raises(ConfigError) as caught:
                _set(spec.key, wrong)
            assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"nothing": {}}, r"unknown section \[nothing\]"),
        ({"risk": {"lots": 1}}, "unknown setting risk.lots; .* has: .*lots_max"),
        ({"risk": 5}, r"\[risk\] must be a section"),
        ({"contract": {"delta_milli_min": 700}}, "delta_milli_min must be below"),
        ({"contract": {"premium_paise_min": 90_000}}, "premium_paise_min must be below"),
        ({"contract": {"iv_ratio_milli_min": 2_500}}, "iv_ratio_milli_min must be below"),
        ({"session": {"last_entry_hhmm": 1506}}, "must not be after"),
        ({"session": {"last_entry_hhmm": 1461}}, "not a time of day"),
    ],
)
def test_what_is_refused_says_what_to_do(tree: dict[str, Any], message: str) -> None:
    """Unknown sections and settings name those that are known; bounds between two settings hold."""
    with pytest.raises(ConfigError, match=message):
        merge(DEFAULTS, tree)


def test_a_setting_without_a_section_is_refused() -> None:
    """A journaled key is dotted."""
    with pytest.raises(ConfigError, match="no section"):
        from_settings((Setting("lots_max", 1),))


WORDS = {
    "orders.sim_route": ("broker", "paper"),
    "orders.product": ("MIS", "NRML"),
    "orders.algo_id": ("", "ALGO1"),
    "orders.permitted": ("NIFTY", "BANKNIFTY NIFTY SENSEX"),
    "risk.profile": ("PILOT", "NORMAL", "AGGRESSIVE"),
    "contract.strike_by": ("DELTA", "MONEYNESS"),
    "plan.regime_flip": ("OFF", "PANIC", "ANY"),
    "plan.hard_halt": ("HOLD", "FLATTEN"),
    "regime_model.name": ("axiom-2", "mine"),
}
"""Values of the settings that are words."""


def _values(spec: Any) -> st.SearchStrategy[int | bool | str]:
    if spec.type == "bool":
        return st.booleans()
    if spec.type == "str":
        return st.sampled_from(WORDS[spec.key])
    return st.integers(spec.least, spec.most if spec.most is not None else spec.least + 10**9)


CHANGES = st.fixed_dictionaries({}, optional={one.key: _values(one) for one in SPECS})


EXTREMES = st.fixed_dictionaries(
    {}, optional={one.key: st.sampled_from((one.least, one.most)) for one in NUMBERS}
)


@settings(max_examples=25, deadline=None)
@given(EXTREMES)
def test_no_setting_within_its_bounds_breaks_the_engine(changes: dict[str, int]) -> None:
    """E13: every combination of bounds that is a configuration runs, trades or not, and each event
    of it can be written: bounds are what the engine bears, not what somebody guessed."""
    tree: dict[str, dict[str, int]] = {}
    for key, value in changes.items():
        section, _, field = key.partition(".")
        tree.setdefault(section, {})[field] = value
    try:
        config = merge(relaxed(), tree)
    except ConfigError:
        return  # two settings that contradict each other: refused as a whole, tested above
    market = SmallMarket(minutes=6, every_ms=10_000, cadence_ms=20_000)
    assert run_core(small_facts(market, config)).core.state.closed


@given(CHANGES)
def test_the_journaled_form_says_the_whole(changes: dict[str, Any]) -> None:
    """Any valid configuration flattens to settings that give it back; equal ones have equal
    digests, others different ones."""
    tree: dict[str, dict[str, Any]] = {}
    for key, value in changes.items():
        section, _, field = key.partition(".")
        tree.setdefault(section, {})[field] = value
    try:
        config = merge(DEFAULTS, tree)
    except ConfigError:
        return  # two settings that contradict each other: refused as a whole, tested above
    flat = flatten(config)
    assert [one.key for one in flat] == [one.key for one in SPECS]
    assert from_settings(flat) == config
    assert (digest(flat) == digest(flatten(DEFAULTS))) == (config == DEFAULTS)


def test_a_part_replaces_only_what_it_names() -> None:
    """Settings laid over a configuration leave every other one as it was."""
    base = _set("risk.lots_max", 2)
    changed = from_settings((Setting("plan.stop_bps", 1_234),), base)
    assert changed.plan.stop_bps == 1_234
    assert changed.risk == base.risk
    assert msgspec.structs.replace(changed, plan=base.plan) == base


def test_true_is_no_number_and_one_is_no_truth() -> None:
    """Truth values and numbers are not taken for each other, in either direction."""
    with pytest.raises(ConfigError):
        _set("trend.enabled", 1)
    with pytest.raises(ConfigError):
        _set("risk.lots_max", True)

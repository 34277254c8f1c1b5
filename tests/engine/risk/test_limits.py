"""The table of limits: its profiles, which side is tighter, and what may change in LIVE."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.apply import apply
from engine.config import (
    DEFAULTS,
    Config,
    ConfigError,
    flatten,
    from_settings,
    merge,
    setting_specs,
)
from engine.core import Core
from engine.decide import decide
from engine.lookup import lookup_for
from engine.risk.limits import (
    GATED,
    LIMITS,
    OTHERS,
    PERMITTED,
    PROFILE_KEY,
    PROFILES,
    SWITCHES,
    profile_values,
    split_change,
    tightens,
    tighter_side,
)
from engine.state import State
from engine.work import Item
from events.risk import RiskTransitioned, SettingsDeferred
from events.session import ConfigChanged, Setting
from tests.engine.build import at_trade, entry_of
from tests.engine.gates.cases import account, with_order

KEYS = {spec.key: spec for spec in setting_specs()}
SIDED = [key for key, spec in KEYS.items() if tighter_side(key) and spec.type == "int"]


def _of(profile: str) -> Config:
    return merge(DEFAULTS, {"risk": {"profile": profile}})


def test_the_defaults_are_the_profile_normal() -> None:
    """Nothing set, and NORMAL set, are the same configuration; every row has its setting."""
    assert _of("NORMAL") == DEFAULTS
    for row in LIMITS:
        assert getattr(DEFAULTS.risk, row.name) == row.normal
        assert row.key in KEYS
        assert row.why.endswith(".")


def test_a_profile_is_never_looser_than_the_one_above_it() -> None:
    """PILOT, NORMAL, AGGRESSIVE: each limit is as tight as in the next or tighter, and within the
    bounds of its setting."""
    for row in LIMITS:
        values = [row.value(profile) for profile in PROFILES]
        assert values == sorted(values, reverse=row.tighter == "HIGHER")
        for value in values:
            least, most = KEYS[row.key].least, KEYS[row.key].most
            assert least is not None and most is not None and least <= value <= most
    assert _of("PILOT") != _of("NORMAL") != _of("AGGRESSIVE")


def test_an_explicit_key_overrides_its_profile_and_no_other() -> None:
    """A file that names a profile and one limit has the profile's values and that limit."""
    tree = {"risk": {"lots_max": 7, "profile": "PILOT"}}
    found = merge(DEFAULTS, tree).risk
    assert found == replace(_of("PILOT").risk, lots_max=7)
    again = from_settings(flatten(merge(DEFAULTS, tree)))
    assert again.risk == found, "the journaled form gives the same configuration again"
    later = merge(merge(DEFAULTS, {"risk": {"lots_max": 7}}), {"risk": {"cooldown_s": 1}}).risk
    assert (later.lots_max, later.cooldown_s) == (7, 1)
    with pytest.raises(ConfigError, match=r"risk\.profile"):
        merge(DEFAULTS, {"risk": {"profile": "BOLD"}})
    with pytest.raises(ValueError, match="not in tuple"):
        LIMITS[0].value("BOLD")


def test_limits_of_entries_have_a_side_and_nothing_else_has() -> None:
    """Every limit of the sections that only gate entries has a tighter side; exits, orders'
    mechanics and the paper broker have none: changing those is no tightening."""
    for key, spec in KEYS.items():
        section, _, name = key.partition(".")
        if section in GATED and name.endswith(("_max", "_min")):
            assert tighter_side(key), key
        if section in ("plan", "paper", "account", "approval", "instrument_gates"):
            assert (tighter_side(key) is None) == (key not in OTHERS), key
        if key in OTHERS:
            assert spec.type == "int"
    assert set(OTHERS) | set(SWITCHES) | {PERMITTED} <= set(KEYS)
    assert all(KEYS[key].type == "bool" for key in SWITCHES)
    assert tighter_side("orders.exit_steps_max") is None
    assert tighter_side("orders.exit_reprice_ms") is None


@given(st.sampled_from(SIDED), st.integers(-50, 50))
def test_the_two_sides_are_opposite(key: str, step: int) -> None:
    """Of two values of a limit one tightens the other, or they are equal."""
    old, new = 100, 100 + step
    both = tightens(key, old, new), tightens(key, new, old)
    assert both == ((True, True) if step == 0 else (not both[1], not both[0]))


def test_what_is_a_switch_or_no_limit_tightens_one_way_or_never() -> None:
    """A family may be switched off, expiry days and underlyings taken away; the product, a stop's
    width or a word never tighten."""
    assert tightens("trend.enabled", True, False)
    assert not tightens("trend.enabled", False, True)
    assert not tightens("plan.stop_bps", 2_000, 1_000)
    assert not tightens("orders.product", "MIS", "NRML")
    assert tightens("orders.product", "MIS", "MIS")
    assert tightens("orders.permitted", "NIFTY SENSEX", "NIFTY")
    assert not tightens("orders.permitted", "NIFTY SENSEX", "NIFTY BANKNIFTY")
    assert not tightens("orders.permitted", "NIFTY", "NIFTY SENSEX")
    assert tightens("contract.expiry_day_allowed", True, False)
    assert not tightens("contract.expiry_day_allowed", False, True)
    assert tightens("approval.required", False, True)
    assert not tightens("approval.required", True, False)


def test_a_profile_s_name_follows_its_limits() -> None:
    """Down a profile all acts at once; up, all waits; with one limit looser the name waits."""
    normal, pilot = flatten(DEFAULTS), flatten(_of("PILOT"))
    now, later = split_change(normal, pilot)
    assert later == ()
    assert Setting(PROFILE_KEY, "PILOT") in now
    now, later = split_change(pilot, normal)
    assert now == ()
    assert Setting(PROFILE_KEY, "NORMAL") in later
    mixed = flatten(merge(DEFAULTS, {"risk": {"profile": "PILOT", "lots_max": 9}}))
    now, later = split_change(normal, mixed)
    assert {one.key for one in later} == {PROFILE_KEY, "risk.lots_max"}
    assert len(now) == sum(row.pilot != row.normal for row in LIMITS) - 1


# --- a running session ----------------------------------------------------------------------------


def _in(mode: str) -> State:
    state = at_trade().state
    assert state.opened is not None
    return replace(state, opened=replace(state.opened, mode=mode))


def _changed(state: State, *settings: Setting) -> tuple[Config, list[Setting]]:
    """The configuration after a change of settings, and what of it was told to wait."""
    fact = entry_of(ConfigChanged(settings, "x", "why"), state.seq + 1, state.now)
    look = lookup_for(state)
    after = apply(state, fact, look)
    outcome = decide(after, Item(fact.kind, 0, fact), look, fact.seq + 1)
    told = [one for one in outcome.events if isinstance(one, SettingsDeferred)]
    return after.config, [setting for one in told for setting in one.settings]


TIGHTER = Setting("risk.trades_day_max", 2)
LOOSER = Setting("risk.loss_streak_max", 30)
NEITHER = Setting("plan.stop_bps", 1_000)


def test_in_live_a_limit_tightens_at_once_and_loosens_with_the_next_session() -> None:
    """Of one change the tighter limit acts and the looser one, and what is no limit, is told to
    wait; in every other mode all of it acts."""
    config, told = _changed(_in("LIVE"), TIGHTER, LOOSER, NEITHER)
    assert config == merge(_in("LIVE").config, {"risk": {"trades_day_max": 2}})
    assert told == [NEITHER, LOOSER]
    for mode in ("PAPER", "SIM", "BACKTEST"):
        config, told = _changed(_in(mode), TIGHTER, LOOSER, NEITHER)
        assert (config.risk.trades_day_max, config.risk.loss_streak_max) == (2, 30)
        assert (config.plan.stop_bps, told) == (1_000, [])


def test_a_limit_that_is_tightened_below_what_is_halts_at_once() -> None:
    """No position is needed for it: the change itself looks, and ends what works of entries."""
    state = account(with_order(_in("LIVE"), leg=None), loss_streak=2)
    core = Core(state)
    fact = ConfigChanged((Setting("risk.loss_streak_max", 2),), "x", "why")
    events = [one.entry.event for one in core.step(state.seq + 1, state.now, fact)]
    (moved,) = [one for one in events if isinstance(one, RiskTransitioned)]
    assert (moved.reason, moved.observed, moved.limit) == ("RISK_LOSS_STREAK", 3, 2)
    assert core.state.account.halts == ("RISK_LOSS_STREAK",)
    later = Setting("risk.loss_streak_max", 9)
    core.step(core.state.seq + 1, state.now, ConfigChanged((later,), "x", "why"))
    assert core.state.account.halts == ("RISK_LOSS_STREAK",)


def test_in_live_a_profile_acts_downwards_alone() -> None:
    """PILOT acts at once where it is tighter; AGGRESSIVE waits whole."""
    state = _in("LIVE")
    looser = [row for row in LIMITS if not tightens(row.key, getattr(state.config.risk, row.name),
                                                    row.pilot)]  # fmt: skip
    config, told = _changed(state, Setting(PROFILE_KEY, "PILOT"))
    assert {one.key for one in told} == {row.key for row in looser} | (
        {PROFILE_KEY} if looser else set()
    )
    for row in LIMITS:
        if row not in looser:
            assert getattr(config.risk, row.name) == row.pilot
    config, told = _changed(replace(state, config=DEFAULTS), Setting(PROFILE_KEY, "AGGRESSIVE"))
    assert config == DEFAULTS
    assert {one.key for one in told} == {PROFILE_KEY, *(row.key for row in LIMITS)}


def test_half_of_a_change_that_two_settings_forbid_together_does_nothing() -> None:
    """A tighter band that only fits its looser other end: nothing of it acts."""
    state = replace(_in("LIVE"), config=DEFAULTS)
    pair = (Setting("contract.delta_milli_min", 700), Setting("contract.delta_milli_max", 900))
    config, told = _changed(state, *pair)
    assert config == DEFAULTS
    assert {one.key for one in told} == {one.key for one in pair}


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from([row.name for row in LIMITS]), st.integers(1, 250)))
@settings(max_examples=60)
def test_a_live_session_is_never_looser_than_it_was(values: dict[str, int]) -> None:
    """Whatever is asked for, each limit after it is as it was or tighter, and what did not act was
    told."""
    state = replace(_in("LIVE"), config=DEFAULTS)
    asked = tuple(Setting(f"risk.{name}", value) for name, value in sorted(values.items()))
    try:
        from_settings(asked)
    except ConfigError:
        return  # out of a setting's own bounds: the edge refuses it
    config, told = _changed(state, *asked)
    waiting = {one.key for one in told}
    for row in LIMITS:
        old, new = getattr(DEFAULTS.risk, row.name), getattr(config.risk, row.name)
        assert tightens(row.key, old, new)
        if row.name in values:
            assert (new == values[row.name]) or row.key in waiting


def test_the_table_is_whole() -> None:
    """Every ``risk`` setting is the profile's name, a row of the table, or a limit with a side."""
    named = {row.key for row in LIMITS} | set(OTHERS) | {PROFILE_KEY}
    ours = {key for key in KEYS if key.startswith("risk.")}
    sys.stdout.write(f"{len(LIMITS)} limits, {len(SIDED)} settings with a tighter side\n")
    assert ours <= named
    assert dict(profile_values("NORMAL")).keys() == {row.name for row in LIMITS}

"""The regime model: probabilities, entropy, hysteresis, and the kind of day."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.config import DEFAULTS, Config, ConfigError, flatten, merge, of_session
from engine.indicators import IndicatorState, VolatilityState
from engine.regime import (
    DAY_TYPE_AFTER_BARS,
    DAY_TYPE_LOCK_BARS,
    Features,
    assess,
    day_type,
    entropy_nats,
    features_of,
    per_mille,
    probabilities,
    push_of,
)
from engine.regime_model import (
    FEATURES,
    FIRST,
    LABELS,
    SHIPPED,
    RegimeModelConfig,
    model_of,
    weights_of,
)
from engine.state import EMPTY_UNDERLYING, BarSlot, RegimeState, UnderlyingState
from events.decision import RegimeAssessed
from events.features import FeaturesDerived
from events.reasons import BY_CODE
from events.session import Setting
from tests.engine.build import at_trade

FINITE = st.floats(-50.0, 50.0)
PUSH = st.none() | st.floats(0.0, 20.0)
FEATURE = st.builds(Features, st.floats(0.0, 100.0), FINITE, FINITE, st.floats(0.0, 20.0), PUSH)
CALM_TREND = Features(40.0, 2.0, 0.0, 0.8, 1.5)
CALM_RANGE = Features(8.0, 0.1, 0.0, 0.6, 0.5)
WEIGHTS = weights_of(SHIPPED)
MODEL = st.builds(
    lambda rows: model_of("any", 1_000, tuple(rows)),
    st.lists(
        st.tuples(*[st.integers(-20_000, 20_000)] * len(FEATURES)),
        min_size=len(LABELS),
        max_size=len(LABELS),
    ),
)
BAR_MS = 60_000


def _slot() -> BarSlot:
    return at_trade().state.slots[0]


def _assess(
    slot: BarSlot, before: RegimeState | None, settle: int, *, event_near: bool = False
) -> RegimeAssessed | None:
    config = merge(
        DEFAULTS,
        {"regime": {"settle_bars": settle, "prob_milli_min": 0, "entropy_milli_max": 9_999}},
    )
    market = replace(EMPTY_UNDERLYING, regime=before)
    return assess("NIFTY", slot, BAR_MS, market, config, event_near=event_near)


def test_the_table_has_a_row_a_label_and_a_weight_a_feature() -> None:
    """Every label has one weight for each feature, and each an integer."""
    assert len(WEIGHTS) == len(LABELS)
    assert all(len(row) == len(FEATURES) == len(CALM_TREND.values) for row in WEIGHTS)
    assert all(isinstance(weight, int) for row in WEIGHTS for weight in row)


@given(FEATURE, st.sampled_from((SHIPPED, FIRST)))
def test_probabilities_are_a_distribution(features: Features, model: RegimeModelConfig) -> None:
    """For any features the probabilities are positive, finite and sum to one; the journaled ones
    are whole, within one of the float, and sum to exactly 1000."""
    probs = probabilities(features, weights_of(model))
    assert all(0.0 < p <= 1.0 for p in probs)
    assert math.isclose(math.fsum(probs), 1.0, abs_tol=1e-12)
    whole = per_mille(probs)
    assert sum(whole) == 1000
    assert all(abs(w - p * 1000.0) < 1.0 for w, p in zip(whole, probs, strict=True))


@given(FEATURE)
def test_probabilities_are_the_softmax_of_the_scores(features: Features) -> None:
    """The same numbers from the standard library, to fifteen places."""
    scores = [
        sum(w * v for w, v in zip(row, features.values, strict=True)) / 1000.0 for row in WEIGHTS
    ]
    raised = [math.exp(score - max(scores)) for score in scores]
    for ours, theirs in zip(probabilities(features, WEIGHTS), raised, strict=True):
        assert ours == pytest.approx(theirs / sum(raised), abs=1e-12)


@given(st.lists(st.integers(0, 1_000), min_size=2, max_size=6).filter(any))
def test_per_mille_sums_to_a_thousand(weights: list[int]) -> None:
    """Any distribution becomes integers that sum to 1000; who is greater is never less."""
    probs = tuple(w / sum(weights) for w in weights)
    whole = per_mille(probs)
    assert sum(whole) == 1000
    for i, p in enumerate(probs):
        assert all(whole[i] >= whole[j] for j, other in enumerate(probs) if p > other)


def test_entropy_is_shannon_s() -> None:
    """Certainty has none, five equal have log 5, and a zero counts for nothing."""
    assert entropy_nats((1.0, 0.0, 0.0)) == 0.0
    assert entropy_nats((0.2,) * 5) == pytest.approx(math.log(5), abs=1e-12)
    assert entropy_nats((0.5, 0.5, 0.0)) == pytest.approx(math.log(2), abs=1e-12)


def test_the_model_says_what_its_table_is_meant_to() -> None:
    """Separated averages in calm are a trend, flat ones a range; high volatility without drift is a
    volatile range or an event, with a fall a panic."""

    def leader(features: Features) -> str:
        probs = probabilities(features, WEIGHTS)
        return LABELS[probs.index(max(probs))]

    assert leader(CALM_TREND) == "TREND"
    assert leader(CALM_RANGE) == "RANGE"
    assert leader(Features(12.0, 0.1, 0.0, 1.4, 0.6)) == "RANGE_VOLATILE"
    assert leader(Features(25.0, 0.5, 0.0, 4.0, 1.2)) == "EVENT"
    assert leader(Features(40.0, 2.5, 2.5, 3.0, 2.5)) == "PANIC"


def test_features_wait_for_every_input() -> None:
    """Without indicators, volatility, a first return or any range there is no assessment at all."""
    slot = _slot()
    assert features_of(slot, BAR_MS, None, 950) is not None
    assert isinstance(slot.volatility, VolatilityState)
    assert isinstance(slot.indicators, IndicatorState)
    for one in (
        replace(slot, indicators=None),
        replace(slot, volatility=None),
        replace(slot, volatility=replace(slot.volatility, returns=0)),
        replace(slot, indicators=replace(slot.indicators, atr_paise=0.0)),
        replace(slot, indicators=replace(slot.indicators, bars=1)),
    ):
        assert features_of(one, BAR_MS, None, 950) is None
        assert _assess(one, None, 1) is None


def _follow(settle: int, before: RegimeState | None, times: int) -> list[RegimeAssessed]:
    """The same features assessed bar after bar."""
    made: list[RegimeAssessed] = []
    for _ in range(times):
        one = _assess(_slot(), before, settle)
        assert one is not None
        before = RegimeState(one.regime, one.leader, one.leader_bars, one.probs_milli, 0, 0)
        made.append(one)
    return made


@pytest.mark.parametrize("settle", [1, 2, 3, 5])
def test_a_regime_changes_only_after_its_leader_has_led(settle: int) -> None:
    """A new leader is in force at exactly the configured bar; before it the old regime is, and the
    assessment says that it is changing."""
    old = RegimeState("PANIC", "PANIC", 9, (0, 0, 0, 0, 1000), 0, 0)
    made = _follow(settle, old, settle + 1)
    leader = made[0].leader
    assert leader != "PANIC"
    assert [one.leader_bars for one in made] == list(range(1, settle + 2))
    want = ["PANIC"] * (settle - 1) + [leader] * 2
    assert [one.regime for one in made] == want
    assert [bool(one.unstable) for one in made] == [one == "PANIC" for one in want]


def test_before_the_first_leader_settles_the_regime_is_neutral() -> None:
    """A day begins NEUTRAL, which no family may trade."""
    assert [one.regime for one in _follow(3, None, 3)] == ["NEUTRAL", "NEUTRAL", _leader()]


def _leader() -> str:
    one = _assess(_slot(), None, 1)
    assert one is not None
    return one.leader


def test_a_leader_that_loses_the_lead_begins_anew() -> None:
    """One bar of another leader sets the count back to one."""
    other = RegimeState(_leader(), "PANIC", 7, (0, 0, 0, 0, 1000), 0, 0)
    one = _assess(_slot(), other, 3)
    assert one is not None
    assert (one.leader_bars, one.regime, one.unstable) == (1, _leader(), ())


def test_the_assessment_keeps_what_it_was_made_from() -> None:
    """Probabilities sum to 1000 in the order of the labels, the leader has the most of them, the
    entropy is theirs, in thousandths."""
    one = _assess(_slot(), None, 1)
    assert one is not None
    assert one.labels == LABELS
    assert sum(one.probs_milli) == 1000
    assert one.probs_milli[LABELS.index(one.leader)] == max(one.probs_milli)
    exact = -sum(p / 1000 * math.log(p / 1000) for p in one.probs_milli if p)
    assert one.entropy_milli == pytest.approx(exact * 1000, abs=1)


MARKET = replace(EMPTY_UNDERLYING, day_open_paise=100_000)


@pytest.mark.parametrize(
    ("high", "low", "close", "kind"),
    [
        (101_000, 100_000, 100_600, "TREND_DAY"),
        (101_000, 100_000, 100_599, "RANGE_DAY"),
        (101_500, 100_000, 100_800, "VOLATILE_DAY"),
        (101_500, 100_000, 101_400, "TREND_DAY"),
        (100_000, 100_000, 100_000, "RANGE_DAY"),
        (100_200, 99_000, 99_100, "TREND_DAY"),
    ],
)
def test_the_kind_of_day(high: int, low: int, close: int, kind: str) -> None:
    """A day that kept three fifths of its range is a trend day, one of 150 bps volatile."""
    market = replace(MARKET, day_high_paise=high, day_low_paise=low)
    said = day_type("NIFTY", market, close, DAY_TYPE_AFTER_BARS)
    assert said is not None
    assert said.day_type == kind
    assert day_type("NIFTY", replace(market, day_type=kind), close, DAY_TYPE_AFTER_BARS) is None
    assert day_type("NIFTY", market, close, DAY_TYPE_AFTER_BARS - 1) is None
    assert day_type("NIFTY", replace(market, day_open_paise=0), close, 99) is None


def _said(market: UnderlyingState, kind: str, bars: int) -> tuple[UnderlyingState, Any]:
    """A bar after which the day looks like a kind: the state behind it and what was said."""
    high, low, close = {
        "TREND_DAY": (101_000, 100_000, 100_900), "RANGE_DAY": (101_000, 100_000, 100_100),
        "VOLATILE_DAY": (102_000, 100_000, 100_100),
    }[kind]  # fmt: skip
    seen = replace(market, day_high_paise=high, day_low_paise=low)
    event = day_type("NIFTY", seen, close, bars)
    if event is None:
        return seen, None
    assert event.before == market.day_type
    switches, locked = event.switches or 0, bool(event.locked)
    after = replace(seen, day_type=event.day_type, day_switches=switches, day_locked=locked)
    return after, event


def test_a_day_that_changes_its_kind_too_often_is_locked() -> None:
    """Its first naming is no change; with the third change it stays what it then is."""
    market, told = MARKET, []
    kinds = ("RANGE_DAY", "TREND_DAY", "TREND_DAY", "RANGE_DAY", "VOLATILE_DAY", "TREND_DAY")
    for bars, kind in enumerate(kinds, DAY_TYPE_AFTER_BARS):
        market, event = _said(market, kind, bars)
        told.append(None if event is None else (event.day_type, event.switches, event.locked))
    assert told == [
        ("RANGE_DAY", 0, False), ("TREND_DAY", 1, False), None, ("RANGE_DAY", 2, False),
        ("VOLATILE_DAY", 3, True), None,
    ]  # fmt: skip
    assert market.day_type == "VOLATILE_DAY"


def test_a_kind_is_locked_in_the_afternoon() -> None:
    """At its bar the lock is said once, also where the kind is what it was; then nothing moves."""
    market, _ = _said(MARKET, "TREND_DAY", DAY_TYPE_AFTER_BARS)
    _, event = _said(market, "TREND_DAY", DAY_TYPE_LOCK_BARS - 1)
    assert event is None
    market, event = _said(market, "TREND_DAY", DAY_TYPE_LOCK_BARS)
    assert (event.day_type, event.switches, event.locked) == ("TREND_DAY", 0, True)
    assert _said(market, "RANGE_DAY", DAY_TYPE_LOCK_BARS + 60) == (
        replace(market, day_high_paise=101_000, day_low_paise=100_000), None,
    )  # fmt: skip
    late, event = _said(MARKET, "RANGE_DAY", DAY_TYPE_LOCK_BARS + 1)
    assert (event.before, event.locked, late.day_locked) == ("UNKNOWN", True, True)


# --- the model as an artefact ---------------------------------------------------------------------


@given(FEATURE, st.sampled_from((
    ("TREND", "adx", 1), ("TREND", "drift", 1), ("RANGE", "level", -1), ("RANGE", "drift", -1),
    ("RANGE_VOLATILE", "adx", -1), ("PANIC", "fall", 1), ("PANIC", "push", 1),
)), st.floats(0.0, 30.0))  # fmt: skip
def test_a_probability_follows_its_feature(
    features: Features, case: tuple[str, str, int], more: float
) -> None:
    """With more of a feature alone a probability goes the way of docs/REGIME.md, or stays."""
    label, feature, sign = case
    before = getattr(features, feature)
    if before is None:
        return
    place = LABELS.index(label)
    less = probabilities(features, WEIGHTS)[place]
    then = probabilities(replace(features, **{feature: before + more}), WEIGHTS)[place]
    assert (then - less) * sign >= -1e-12


@given(FEATURE, st.floats(0.0, 30.0))
def test_an_event_is_volatility_above_all(features: Features, more: float) -> None:
    """EVENT's probability never falls with the level of volatility; no other weight of it is so
    large, which is what makes that so for any features."""
    less = probabilities(features, WEIGHTS)[LABELS.index("EVENT")]
    then = probabilities(replace(features, level=features.level + more), WEIGHTS)
    assert then[LABELS.index("EVENT")] >= less - 1e-12


def test_canary_a_weight_of_the_wrong_sign_is_seen() -> None:
    """With TREND's drift turned round the property above does not hold."""
    turned = weights_of(msgspec.structs.replace(SHIPPED, trend_drift_milli=-1_550))
    flat, apart = Features(20.0, 0.2, 0.0, 0.8), Features(20.0, 2.0, 0.0, 0.8)
    assert probabilities(apart, turned)[0] < probabilities(flat, turned)[0]
    assert probabilities(apart, WEIGHTS)[0] > probabilities(flat, WEIGHTS)[0]


@given(MODEL)
def test_a_model_comes_back_from_the_journaled_settings(model: RegimeModelConfig) -> None:
    """Any model stands in the session's settings as typed integers, and is read from them alone."""
    flat = flatten(Config(regime_model=model))
    ours = [one for one in flat if one.key.startswith("regime_model.")]
    assert len(ours) == len(LABELS) * len(FEATURES) + 2
    assert of_session(flat).regime_model == model


def test_a_journal_without_a_model_ran_on_the_first() -> None:
    """What was written before models were recorded is assessed as it was then, and nothing else of
    its settings changes."""
    old = tuple(one for one in flatten(DEFAULTS) if not one.key.startswith("regime_model."))
    assert of_session(old) == Config(regime_model=FIRST)
    assert of_session(flatten(DEFAULTS)) == DEFAULTS
    assert weights_of(FIRST) != weights_of(SHIPPED)
    assert of_session((Setting("regime.settle_bars", 7),)).regime_model == FIRST


@given(FEATURE)
def test_the_first_model_reads_no_push(features: Features) -> None:
    """The first model had no such feature: whatever it is, the probabilities are the same."""
    first = weights_of(FIRST)
    same = probabilities(replace(features, push=None), first)
    assert probabilities(features, first) == same


@pytest.mark.parametrize(
    "wrong",
    [
        {"trend_adx_milli": 20_001},
        {"trend_adx_milli": "much"},
        {"trend_adx_milli": 0.5},
        {"level_reference_bps": 0},
        {"name": "no good name"},
        {"trend_momentum_milli": 1},
    ],
)
def test_a_bad_model_is_refused_in_one_line(wrong: dict[str, object]) -> None:
    """A weight out of bounds, a word, a fraction, no reference, an unknown weight."""
    with pytest.raises(ConfigError) as caught:
        merge(DEFAULTS, {"regime_model": wrong})
    assert "\n" not in str(caught.value)
    assert "regime_model" in str(caught.value)


# --- scheduled events and doubts ------------------------------------------------------------------


def test_in_the_window_of_a_scheduled_event_the_regime_is_event() -> None:
    """Whoever leads: the leader is told as it is, and after the window it is in force at once where
    it has led for long enough."""
    settled = RegimeState(_leader(), _leader(), 9, (0, 0, 0, 0, 1000), 0, 0)
    inside = _assess(_slot(), settled, 3, event_near=True)
    assert inside is not None
    assert (inside.regime, inside.leader, inside.leader_bars) == ("EVENT", _leader(), 10)
    assert inside.unstable == ("REGIME_EVENT_WINDOW",)
    after = RegimeState("EVENT", inside.leader, inside.leader_bars, inside.probs_milli, 0, 0)
    outside = _assess(_slot(), after, 3)
    assert outside is not None
    assert (outside.regime, outside.unstable) == (_leader(), ())


def test_a_doubtful_assessment_says_each_doubt() -> None:
    """Limits that nothing meets: a low probability and a high entropy are named, beside the change
    of the leader."""
    config = merge(DEFAULTS, {"regime": {"prob_milli_min": 1_000, "entropy_milli_max": 0}})
    market = replace(EMPTY_UNDERLYING, regime=RegimeState("PANIC", "PANIC", 9, (0,) * 5, 0, 0))
    one = assess("NIFTY", _slot(), BAR_MS, market, config)
    assert one is not None
    assert one.unstable == ("REGIME_PROB_LOW", "REGIME_ENTROPY_HIGH", "REGIME_CHANGING")
    assert all(code in BY_CODE for code in one.unstable)


# --- push -----------------------------------------------------------------------------------------


def _derived(change_ppm: int | None, slow_bps: int | None) -> FeaturesDerived:
    derived = at_trade().state.markets[0].features
    assert derived is not None
    return replace(
        derived,
        momentum=replace(derived.momentum, change_15m_ppm=change_ppm),
        realised=replace(derived.realised, slow_bps=slow_bps),
    )


def test_push_is_the_move_over_what_chance_gives() -> None:
    """At 12 % a year fifteen minutes make 15.1 bps by chance, either way; what is not known is None
    and no zero."""
    by_chance = 0.12 * math.sqrt(15 / (252 * 375)) * 1e6
    for change in (1_000, -1_000):
        assert push_of(_derived(change, 1_200)) == pytest.approx(1_000 / by_chance, rel=1e-9)
    assert push_of(_derived(0, 1_200)) == 0.0
    for unknown in (_derived(None, 1_200), _derived(5, None), _derived(5, 0), None):
        assert push_of(unknown) is None
    assert Features(20.0, 1.0, 0.0, 1.0, None).values == Features(20.0, 1.0, 0.0, 1.0, 1.0).values

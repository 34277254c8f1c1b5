"""The regime model: probabilities, entropy, hysteresis, and the kind of day."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.indicators import IndicatorState, VolatilityState
from engine.regime import (
    DAY_TYPE_AFTER_BARS,
    FEATURES,
    LABELS,
    WEIGHTS_MILLI,
    Features,
    assess,
    day_type,
    entropy_nats,
    features_of,
    per_mille,
    probabilities,
)
from engine.state import EMPTY_UNDERLYING, BarSlot, RegimeState
from events.decision import RegimeAssessed
from tests.engine.build import at_trade

FINITE = st.floats(-50.0, 50.0)
FEATURE = st.builds(Features, st.floats(0.0, 100.0), FINITE, FINITE, st.floats(0.0, 20.0))
CALM_TREND = Features(40.0, 2.0, 0.0, 0.8)
CALM_RANGE = Features(8.0, 0.1, 0.0, 0.8)
BAR_MS = 60_000


def _slot() -> BarSlot:
    return at_trade().state.slots[0]


def test_the_table_has_a_row_a_label_and_a_weight_a_feature() -> None:
    """Every label has one weight for each feature, and each an integer."""
    assert len(WEIGHTS_MILLI) == len(LABELS)
    assert all(len(row) == len(FEATURES) == len(CALM_TREND.values) for row in WEIGHTS_MILLI)


@given(FEATURE)
def test_probabilities_are_a_distribution(features: Features) -> None:
    """For any features the probabilities are positive, finite and sum to one; the journaled ones
    are whole, within one of the float, and sum to exactly 1000."""
    probs = probabilities(features)
    assert all(0.0 < p <= 1.0 for p in probs)
    assert math.isclose(math.fsum(probs), 1.0, abs_tol=1e-12)
    whole = per_mille(probs)
    assert sum(whole) == 1000
    assert all(abs(w - p * 1000.0) < 1.0 for w, p in zip(whole, probs, strict=True))


@given(FEATURE)
def test_probabilities_are_the_softmax_of_the_scores(features: Features) -> None:
    """The same numbers from the standard library, to fifteen places."""
    scores = [
        sum(w * v for w, v in zip(row, features.values, strict=True)) / 1000.0
        for row in WEIGHTS_MILLI
    ]
    raised = [math.exp(score - max(scores)) for score in scores]
    for ours, theirs in zip(probabilities(features), raised, strict=True):
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
        probs = probabilities(features)
        return LABELS[probs.index(max(probs))]

    assert leader(CALM_TREND) == "TREND"
    assert leader(CALM_RANGE) == "RANGE"
    assert leader(Features(12.0, 0.1, 0.0, 2.2)) == "RANGE_VOLATILE"
    assert leader(Features(30.0, 2.0, 0.0, 4.0)) == "EVENT"
    assert leader(Features(40.0, 3.0, 3.0, 5.0)) == "PANIC"


def test_features_wait_for_every_input() -> None:
    """Without indicators, volatility, a first return or any range there is no assessment at all."""
    slot = _slot()
    assert features_of(slot, BAR_MS) is not None
    assert isinstance(slot.volatility, VolatilityState)
    assert isinstance(slot.indicators, IndicatorState)
    for one in (
        replace(slot, indicators=None),
        replace(slot, volatility=None),
        replace(slot, volatility=replace(slot.volatility, returns=0)),
        replace(slot, indicators=replace(slot.indicators, atr_paise=0.0)),
        replace(slot, indicators=replace(slot.indicators, bars=1)),
    ):
        assert features_of(one, BAR_MS) is None
        assert assess("NIFTY", one, BAR_MS, None, 1) is None


def _follow(settle: int, before: RegimeState | None, times: int) -> list[RegimeAssessed]:
    """The same features assessed bar after bar."""
    made: list[RegimeAssessed] = []
    for _ in range(times):
        one = assess("NIFTY", _slot(), BAR_MS, before, settle)
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
    one = assess("NIFTY", _slot(), BAR_MS, None, 1)
    assert one is not None
    return one.leader


def test_a_leader_that_loses_the_lead_begins_anew() -> None:
    """One bar of another leader sets the count back to one."""
    other = RegimeState(_leader(), "PANIC", 7, (0, 0, 0, 0, 1000), 0, 0)
    one = assess("NIFTY", _slot(), BAR_MS, other, 3)
    assert one is not None
    assert (one.leader_bars, one.regime, one.unstable) == (1, _leader(), ())


def test_the_assessment_keeps_what_it_was_made_from() -> None:
    """Probabilities sum to 1000 in the order of the labels, the leader has the most of them, the
    entropy is theirs, in thousandths."""
    one = assess("NIFTY", _slot(), BAR_MS, None, 1)
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

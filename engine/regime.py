"""The regime of an underlying: a transparent model with probabilities, entropy and hysteresis.

Lives here: features after a declared bar, scores by the session's table of weights, a softmax, the
settling of a new leader, the rule of scheduled events; the kind of day. May import: events, engine.
Always holds: weights are the integers that the session recorded (``engine.regime_model``); a regime
changes only after its leader has led for the configured number of bars, but in the window of a
scheduled event it is EVENT; without the features there is no assessment at all.
Start reading at ``assess``, or in ``docs/REGIME.md``.
"""

from __future__ import annotations

from typing import Final

import msgspec

from engine.config import Config
from engine.exact import exp, floor, log, sqrt
from engine.regime_model import LABELS, Weights, weights_of
from engine.state import BarSlot, UnderlyingState
from events.decision import DayTypeAssessed, RegimeAssessed
from events.features import FeaturesDerived

NEUTRAL: Final = "NEUTRAL"
UNKNOWN: Final = "UNKNOWN"
EVENT: Final = "EVENT"

TRADING_MS_PER_YEAR: Final = 252 * 375 * 60_000
FEATURE_MAX: Final = 3.0
PUSH_SHARE: Final = sqrt(15.0 * 60_000.0 / TRADING_MS_PER_YEAR)
"""Share of a year's volatility that fifteen minutes of trading have."""

TREND_MOVE_MILLI: Final = 600
DAY_TYPE_AFTER_BARS: Final = 30
DAY_TYPE_LOCK_BARS: Final = 240
"""With a bar a minute a whole day's kind is locked at a quarter past one."""

DAY_TYPE_SWITCHES: Final = 3
"""So often may a day's kind change; with the last of them it is locked."""


class Features(msgspec.Struct, frozen=True, gc=False):
    """The inputs of one assessment, unscaled: ADX; separation of the averages in ATR (``drift``,
    and downwards ``fall``); realised volatility a year over the model's reference (``level``);
    change of fifteen minutes over the one that this volatility makes by chance (``push``), None
    where the minutes are not known.
    """

    adx: float
    drift: float
    fall: float
    level: float
    push: float | None = None

    @property
    def values(self) -> tuple[float, ...]:
        """Scaled to about -1..3 and clipped, in the order of ``FEATURES``. A push that is not known
        is what chance gives: it speaks for no regime."""
        return (
            _clip(self.adx / 25.0),
            _clip(self.drift),
            _clip(self.fall),
            _clip(self.level - 1.0),
            _clip(self.push - 1.0) if self.push is not None else 0.0,
            1.0,
        )


def _clip(value: float) -> float:
    return FEATURE_MAX if value > FEATURE_MAX else -1.0 if value < -1.0 else value


def features_of(
    slot: BarSlot, bar_ms: int, derived: FeaturesDerived | None, reference_bps: int
) -> Features | None:
    """The features after the slot's last declared bar, with what was ``derived`` of it; None while
    one of the indicators has no value."""
    ind, vol = slot.indicators, slot.volatility
    if ind is None or vol is None or ind.atr_paise <= 0.0 or ind.adx is None:
        return None
    yearly = vol.annualised_fast(float(TRADING_MS_PER_YEAR // bar_ms))
    if yearly is None:
        return None
    apart = (ind.ema_fast_paise - ind.ema_slow_paise) / ind.atr_paise
    level = yearly * 10_000.0 / reference_bps
    return Features(ind.adx, abs(apart), max(-apart, 0.0), level, push_of(derived))


def push_of(derived: FeaturesDerived | None) -> float | None:
    """How far fifteen minutes went, against what the last hour's volatility gives by chance."""
    if derived is None:
        return None
    change, yearly_bps = derived.momentum.change_15m_ppm, derived.realised.slow_bps
    if change is None or yearly_bps is None or yearly_bps <= 0:
        return None
    return abs(change) / (yearly_bps * 100.0 * PUSH_SHARE)


def probabilities(features: Features, weights: Weights) -> tuple[float, ...]:
    """Softmax of the label scores."""
    scores = []
    for row in weights:
        score = 0.0
        for weight, value in zip(row, features.values, strict=True):
            score = score + weight * value
        scores.append(score / 1000.0)
    top = max(scores)
    raised = [exp(score - top) for score in scores]
    total = 0.0
    for one in raised:
        total = total + one
    return tuple(one / total for one in raised)


def entropy_nats(probs: tuple[float, ...]) -> float:
    """Shannon entropy in nats."""
    total = 0.0
    for p in probs:
        if p > 0.0:
            total = total - p * log(p)
    return total


def per_mille(probs: tuple[float, ...]) -> tuple[int, ...]:
    """Integers that sum to 1000: floors, and the remainder to the largest fractions."""
    floors = [floor(p * 1000.0) for p in probs]
    missing = 1000 - sum(floors)  # pure: integers
    by_fraction = sorted(range(len(probs)), key=lambda i: (floors[i] - probs[i] * 1000.0, i))
    for i in by_fraction[:missing]:
        floors[i] += 1
    return tuple(floors)


def assess(
    underlying: str,
    slot: BarSlot,
    bar_ms: int,
    market: UnderlyingState,
    config: Config,
    *,
    event_near: bool = False,
) -> RegimeAssessed | None:
    """The assessment after a declared bar; None while a feature has no value.

    ``event_near``: a scheduled event's window, in which the regime is EVENT whoever leads.
    """
    model, rules, before = config.regime_model, config.regime, market.regime
    features = features_of(slot, bar_ms, market.features, model.level_reference_bps)
    if features is None:
        return None
    probs = per_mille(probabilities(features, weights_of(model)))
    leader = LABELS[max(range(len(LABELS)), key=lambda i: (probs[i], -i))]
    led = before.leader_bars + 1 if before is not None and before.leader == leader else 1
    current = before.regime if before is not None else NEUTRAL
    regime = EVENT if event_near else leader if led >= rules.settle_bars else current
    entropy = floor(entropy_nats(tuple(p / 1000.0 for p in probs)) * 1000.0 + 0.5)
    doubts = (
        ("REGIME_PROB_LOW", max(probs) < rules.prob_milli_min),
        ("REGIME_ENTROPY_HIGH", entropy > rules.entropy_milli_max),
        ("REGIME_CHANGING", regime != leader and led < rules.settle_bars),
        ("REGIME_EVENT_WINDOW", event_near),
    )
    return RegimeAssessed(
        underlying,
        regime,
        leader,
        led,
        LABELS,
        probs,
        entropy,
        tuple(code for code, doubtful in doubts if doubtful),
        _milli(features.adx),
        _milli(features.drift),
        _milli(features.fall),
        _milli(features.level),
    )


def _milli(value: float) -> int:
    return floor(value * 1000.0 + 0.5)


def day_type(
    underlying: str, market: UnderlyingState, close_paise: int, bars_done: int
) -> DayTypeAssessed | None:
    """The kind of day when it is another than the one in force, or from now on locked; None before
    enough bars, while nothing changes, and once it is locked.

    It is locked after ``DAY_TYPE_LOCK_BARS``, or with the last of ``DAY_TYPE_SWITCHES``: a day that
    is called something else every half hour tells nobody anything.
    """
    if bars_done < DAY_TYPE_AFTER_BARS or market.day_open_paise <= 0 or market.day_locked:
        return None
    range_bps = (market.day_high_paise - market.day_low_paise) * 10_000 // market.day_open_paise
    move = abs(close_paise - market.day_open_paise)
    kind, before = _kind_of(market, move, range_bps), market.day_type
    switched = before not in (kind, UNKNOWN)
    switches = market.day_switches + switched
    locked = bars_done >= DAY_TYPE_LOCK_BARS or switches >= DAY_TYPE_SWITCHES
    if kind == before and not locked:
        return None
    move_bps = move * 10_000 // market.day_open_paise
    return DayTypeAssessed(underlying, kind, range_bps, move_bps, before, int(switches), locked)


def _kind_of(market: UnderlyingState, move: int, range_bps: int) -> str:
    span = market.day_high_paise - market.day_low_paise
    if span > 0 and move * 1000 // span >= TREND_MOVE_MILLI:
        return "TREND_DAY"
    return "VOLATILE_DAY" if range_bps >= 150 else "RANGE_DAY"

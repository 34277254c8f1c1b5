"""The regime of an underlying: a transparent model with probabilities, entropy and hysteresis.

Lives here: features after a declared bar, scores by a table of weights, a softmax, the settling of
a new leader; the kind of day. May import: events, engine. Always holds: weights are integers in one
table; a regime changes only after its leader has led for the configured number of bars; without the
features there is no assessment at all.
"""

from __future__ import annotations

from typing import Final

import msgspec

from engine.exact import exp, floor, log
from engine.state import BarSlot, RegimeState, UnderlyingState
from events.decision import DayTypeAssessed, RegimeAssessed

LABELS: Final = ("TREND", "RANGE", "RANGE_VOLATILE", "EVENT", "PANIC")
NEUTRAL: Final = "NEUTRAL"
UNKNOWN: Final = "UNKNOWN"

FEATURES: Final = ("adx", "drift", "fall", "level", "bias")
WEIGHTS_MILLI: Final[tuple[tuple[int, ...], ...]] = (
    (600, 1_600, 0, -900, -2_200),
    (-400, -1_800, 0, -1_000, 1_600),
    (-100, -1_600, 0, 1_800, -100),
    (0, 200, 0, 2_400, -3_000),
    (0, 0, 1_400, 2_000, -4_600),
)
"""Scores in thousandths a unit of feature, one row a label in the order of ``LABELS``.

Features are scaled to about 0..2: ``adx`` ADX/25; ``drift`` |fast EMA - slow EMA| in ATR; ``fall``
the same where the fast average is below; ``level`` realised volatility a year over its reference,
less 1; ``bias`` is 1. Own choice, to be read as: a trend is separated averages in calm volatility,
a range the opposite; high volatility without separation is a volatile range, with it an event,
downwards a panic. The table is part of the code digest, so a change of it is a change of the
engine.
"""

LEVEL_REFERENCE: Final = 0.12
"""Ordinary realised volatility a year of these indices; INDIA VIX has stood around it for years."""

TRADING_MS_PER_YEAR: Final = 252 * 375 * 60_000
FEATURE_MAX: Final = 3.0
TREND_MOVE_MILLI: Final = 600
DAY_TYPE_AFTER_BARS: Final = 30


class Features(msgspec.Struct, frozen=True, gc=False):
    """The inputs of one assessment, unscaled."""

    adx: float
    drift: float
    fall: float
    level: float

    @property
    def values(self) -> tuple[float, ...]:
        """Scaled and clipped, in the order of ``FEATURES``."""
        return (
            _clip(self.adx / 25.0),
            _clip(self.drift),
            _clip(self.fall),
            _clip(self.level - 1.0),
            1.0,
        )


def _clip(value: float) -> float:
    return FEATURE_MAX if value > FEATURE_MAX else -1.0 if value < -1.0 else value


def features_of(slot: BarSlot, bar_ms: int) -> Features | None:
    """The features after the slot's last declared bar; None while one has no value."""
    ind, vol = slot.indicators, slot.volatility
    if ind is None or vol is None or ind.atr_paise <= 0.0 or ind.adx is None:
        return None
    yearly = vol.annualised_fast(float(TRADING_MS_PER_YEAR // bar_ms))
    if yearly is None:
        return None
    apart = (ind.ema_fast_paise - ind.ema_slow_paise) / ind.atr_paise
    return Features(ind.adx, abs(apart), max(-apart, 0.0), yearly / LEVEL_REFERENCE)


def probabilities(features: Features) -> tuple[float, ...]:
    """Softmax of the label scores."""
    scores = []
    for row in WEIGHTS_MILLI:
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
    underlying: str, slot: BarSlot, bar_ms: int, before: RegimeState | None, settle_bars: int
) -> RegimeAssessed | None:
    """The assessment after a declared bar; None while a feature has no value."""
    features = features_of(slot, bar_ms)
    if features is None:
        return None
    probs = per_mille(probabilities(features))
    leader = LABELS[max(range(len(LABELS)), key=lambda i: (probs[i], -i))]
    led = before.leader_bars + 1 if before is not None and before.leader == leader else 1
    current = before.regime if before is not None else NEUTRAL
    regime = leader if led >= settle_bars else current
    unstable = ("REGIME_CHANGING",) if regime != leader else ()
    return RegimeAssessed(
        underlying,
        regime,
        leader,
        led,
        LABELS,
        probs,
        floor(entropy_nats(tuple(p / 1000.0 for p in probs)) * 1000.0 + 0.5),
        unstable,
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
    """The kind of day when it differs from the one in force; None before enough bars."""
    if bars_done < DAY_TYPE_AFTER_BARS or market.day_open_paise <= 0:
        return None
    span = market.day_high_paise - market.day_low_paise
    move = abs(close_paise - market.day_open_paise)
    range_bps = span * 10_000 // market.day_open_paise
    kind = "RANGE_DAY"
    if span > 0 and move * 1000 // span >= TREND_MOVE_MILLI:
        kind = "TREND_DAY"
    elif range_bps >= 150:
        kind = "VOLATILE_DAY"
    if kind == market.day_type:
        return None
    return DayTypeAssessed(underlying, kind, range_bps, move * 10_000 // market.day_open_paise)

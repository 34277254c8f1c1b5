"""MEAN_REVERT: buy the option back towards the day's average after a stretch in a range.

May import: events, engine. Always holds: the stretch is measured in ATR from the VWAP of the
future, or from the TWAP where there is none; the RSI must be at its extreme on the same side; a
stretch that still gathers pace is not faded.
"""

from __future__ import annotations

from typing import Final

from engine.exact import floor
from engine.strategies.family import HIGHER_TREND, Family
from engine.strategies.signal import DOWN, UP, Signal
from engine.view import View

RSI_LOW = 38.0
RSI_HIGH = 62.0


def signal(view: View) -> Signal:
    """UP when the price is stretched below the day's average with a low RSI; DOWN the mirror."""
    ind, config = view.indicators, view.state.config.mean_revert
    if ind is None or view.line_paise is None or ind.atr_paise <= 0.0 or ind.rsi is None:
        return Signal(None, UP, 0)
    away = (ind.close_paise - view.line_paise) / ind.atr_paise
    lean = DOWN if away > 0.0 else UP
    strength = min(1000, floor(abs(away) * 300.0))
    extreme = ind.rsi <= RSI_LOW if away < 0.0 else ind.rsi >= RSI_HIGH
    if abs(away) * 1000.0 < config.stretch_milli_min or not extreme or _gathers(view, away):
        return Signal(None, lean, strength)
    return Signal(lean, lean, strength)


def _gathers(view: View, away: float) -> bool:
    """Whether the last five minutes went further away, and further than the five before; a pace
    that is not known does not."""
    features = view.market.features
    if features is None:
        return False
    change, pace = features.momentum.change_5m_ppm, features.momentum.acceleration_ppm
    return change is not None and pace is not None and change * away > 0.0 and pace * away > 0.0


FAMILY: Final = Family(
    "MEAN_REVERT", "mean_revert.v1", "family_mean_revert",
    lambda config: config.mean_revert.enabled,
    lambda config: config.mean_revert.signal_milli_min,
    signal,
    lambda config: (HIGHER_TREND,) if config.mean_revert.aligned else (),
)  # fmt: skip

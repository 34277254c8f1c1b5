"""TREND: buy the option in the direction of an established move.

May import: events, engine. Always holds: the averages, the day's average price and the ADX must
agree, and the move of the last five minutes must not be against them; what the strategy knows is
the bars that have closed.
"""

from __future__ import annotations

from typing import Final

from engine.exact import floor
from engine.strategies.family import HIGHER_TREND, OPENING_RANGE, Family
from engine.strategies.signal import DOWN, UP, Signal
from engine.view import View

AWAY_MAX = 16.0
"""ATRs from the day's average beyond which a move would be chased, not joined."""


def signal(view: View) -> Signal:
    """UP when the fast average leads above the slow one and the day's average; DOWN the mirror."""
    ind = view.indicators
    if ind is None or view.line_paise is None or ind.atr_paise <= 0.0 or ind.adx is None:
        return Signal(None, UP, 0)
    spread = (ind.ema_fast_paise - ind.ema_slow_paise) / ind.atr_paise
    away = (ind.close_paise - view.line_paise) / ind.atr_paise
    lean = UP if spread >= 0.0 else DOWN
    strength = floor(abs(spread) * 450.0 + (ind.adx - 15.0) * 18.0)
    strength = min(1000, max(0, strength))
    agrees = spread * away > 0.0
    held = view.state.config.trend.adx_milli_min
    if not agrees or ind.adx * 1000.0 < held or abs(away) > AWAY_MAX:
        return Signal(None, lean, strength)
    momentum = ind.close_paise - ind.ema_fast_paise
    if momentum * spread <= 0.0 or _turned(view, spread):
        return Signal(None, lean, strength)
    return Signal(lean, lean, strength)


def _turned(view: View, spread: float) -> bool:
    """Whether the index went the other way over the last five minutes, where that is known."""
    features = view.market.features
    change = features.momentum.change_5m_ppm if features is not None else None
    return change is not None and change * spread < 0.0


FAMILY: Final = Family(
    "TREND", "trend.v1", "family_trend",
    lambda config: config.trend.enabled,
    lambda config: config.trend.signal_milli_min,
    signal,
    lambda config: (OPENING_RANGE, HIGHER_TREND) if config.trend.aligned else (),
)  # fmt: skip

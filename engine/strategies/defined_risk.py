"""DEFINED_RISK: a debit spread in the direction of an event's move.

May import: events, engine. Always holds: the averages and the last five minutes must go the same
way, and the index must not stand on the other side of its opening range; what may be lost is what
the pair of legs costs (``engine.spreads``), however wild the move.
"""

from __future__ import annotations

from typing import Final

from engine.exact import floor
from engine.strategies.family import HIGHER_TREND, Family
from engine.strategies.signal import DOWN, UP, Signal
from engine.view import View

FULL_PPM: Final = 1_000.0
"""A move of five minutes that is of full strength: a tenth of a per cent."""

AGAINST: Final = {UP: "BELOW", DOWN: "ABOVE"}


def signal(view: View) -> Signal:
    """The direction in which averages and momentum agree; the strength is that of the momentum."""
    ind, features = view.indicators, view.market.features
    if ind is None or features is None or ind.atr_paise <= 0.0:
        return Signal(None, UP, 0)
    change = features.momentum.change_5m_ppm
    apart = ind.ema_fast_paise - ind.ema_slow_paise
    lean = UP if apart >= 0.0 else DOWN
    if change is None:
        return Signal(None, lean, 0)
    strength = min(1000, floor(abs(change) * 1000.0 / FULL_PPM))
    if change * apart <= 0.0 or features.opening_range.side == AGAINST[lean]:
        return Signal(None, lean, strength)
    return Signal(lean, lean, strength)


FAMILY: Final = Family(
    "DEFINED_RISK", "defined_risk.v1", "family_defined_risk",
    lambda config: config.defined_risk.enabled,
    lambda config: config.defined_risk.signal_milli_min,
    signal,
    lambda config: (HIGHER_TREND,) if config.defined_risk.aligned else (),
    two_legs=True,
)  # fmt: skip

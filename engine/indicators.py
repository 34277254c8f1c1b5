"""Indicators as reducers: one closed bar in, the next state out.

Lives here: EMA, RSI, ATR, ADX, session VWAP and TWAP in one state per instrument, realised
volatility in another. May import: ``bars``, ``exact``, msgspec. Always holds: states are frozen and
finite; floats go through ``+ - * /`` and ``exact`` only; VWAP and TWAP are integer sums, divided
when read, so they do not depend on the order of rounding. A value that does not exist yet is None.
Seeding: every average starts at its first value (no simple average of the first n), so there is a
value from the first bar on and the stage that asks for warm-up decides when to trust it.
Source of the Wilder averages: J. W. Wilder, New Concepts in Technical Trading Systems (1978).
Start reading at ``step_bar``.
"""

from __future__ import annotations

from typing import Final

import msgspec

from engine.bars import Bar
from engine.exact import log, sqrt

EMA_FAST_BARS: Final = 9
EMA_SLOW_BARS: Final = 21
WILDER_BARS: Final = 14
"""RSI, ATR and ADX: Wilder's own period, alpha 1/14."""

VOL_FAST_BARS: Final = 10
VOL_SLOW_BARS: Final = 60

_EMA_FAST_ALPHA: Final = 2.0 / (EMA_FAST_BARS + 1)
_EMA_SLOW_ALPHA: Final = 2.0 / (EMA_SLOW_BARS + 1)
_WILDER: Final = float(WILDER_BARS)


class IndicatorState(
    msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True
):
    """The indicators of one instrument after its last closed bar.

    ``bars`` counts all bars folded, warm-up included. ``gain``, ``loss``, ``plus_dm``, ``minus_dm``
    are Wilder averages in paise (0.0 until the second bar). The sums are of this session:
    ``typical_sum`` of high + low + close (three times the typical price) per bar,
    ``turnover_sum`` of the same times the bar's volume.
    """

    bars: int
    high_paise: int
    low_paise: int
    close_paise: int
    ema_fast_paise: float
    ema_slow_paise: float
    gain: float
    loss: float
    atr_paise: float
    plus_dm: float
    minus_dm: float
    adx_average: float
    session_bars: int
    typical_sum: int
    turnover_sum: int
    volume_sum: int

    @property
    def rsi(self) -> float | None:
        """100 * gain / (gain + loss), from the second bar on; 50 when nothing has moved."""
        if self.bars < 2:
            return None
        moved = self.gain + self.loss
        return 100.0 * self.gain / moved if moved > 0.0 else 50.0

    @property
    def adx(self) -> float | None:
        """Average directional index, 0 to 100, from the second bar on."""
        return self.adx_average if self.bars > 1 else None

    @property
    def plus_di(self) -> float | None:
        """Positive directional indicator, 100 * plus_dm / atr."""
        return self._directional(self.plus_dm)

    @property
    def minus_di(self) -> float | None:
        """Negative directional indicator, 100 * minus_dm / atr."""
        return self._directional(self.minus_dm)

    @property
    def vwap_paise(self) -> float | None:
        """Session VWAP of the bars' typical prices; None before any volume (never for an index)."""
        return self.turnover_sum / (3 * self.volume_sum) if self.volume_sum > 0 else None

    @property
    def twap_paise(self) -> float | None:
        """Session mean of the bars' typical prices; None before the session's first bar."""
        return self.typical_sum / (3 * self.session_bars) if self.session_bars > 0 else None

    def _directional(self, movement: float) -> float | None:
        if self.bars < 2 or self.atr_paise <= 0.0:
            return None
        return 100.0 * movement / self.atr_paise


def step_bar(state: IndicatorState | None, bar: Bar) -> IndicatorState:
    """The state after ``bar``; ``None`` is the state before the first bar.

    EMA: alpha 2/(n+1) of the close. RSI: gains and losses of the close. ATR: true range, the first
    being high - low. ADX: directional movement, DX = 100 |plus - minus| / (plus + minus); the ATR
    that both directional indicators are divided by cancels. All of these but EMA have alpha 1/14.
    """
    high, low, close = bar.high_paise, bar.low_paise, bar.close_paise
    typical = high + low + close
    volume = bar.volume or 0
    if state is None:
        return _first(bar, typical, volume)
    before = state.close_paise
    top = high if high > before else before
    bottom = low if low < before else before
    change = close - before
    up, down = high - state.high_paise, state.low_paise - low
    plus_move = up if up > down and up > 0 else 0
    minus_move = down if down > up and down > 0 else 0
    if state.bars == 1:
        gain, loss = float(max(change, 0)), float(max(-change, 0))
        plus, minus = float(plus_move), float(minus_move)
    else:
        gain, loss = state.gain, state.loss
        gain += ((change if change > 0 else 0) - gain) / _WILDER
        loss += ((-change if change < 0 else 0) - loss) / _WILDER
        plus, minus = state.plus_dm, state.minus_dm
        plus += (plus_move - plus) / _WILDER
        minus += (minus_move - minus) / _WILDER
    moved = plus + minus
    dx = 100.0 * abs(plus - minus) / moved if moved > 0.0 else 0.0
    fast, slow, atr, adx = (
        state.ema_fast_paise,
        state.ema_slow_paise,
        state.atr_paise,
        state.adx_average,
    )
    return IndicatorState(
        state.bars + 1,
        high,
        low,
        close,
        fast + _EMA_FAST_ALPHA * (close - fast),
        slow + _EMA_SLOW_ALPHA * (close - slow),
        gain,
        loss,
        atr + ((top - bottom) - atr) / _WILDER,
        plus,
        minus,
        dx if state.bars == 1 else adx + (dx - adx) / _WILDER,
        state.session_bars + 1,
        state.typical_sum + typical,
        state.turnover_sum + typical * volume,
        state.volume_sum + volume,
    )


def _first(bar: Bar, typical: int, volume: int) -> IndicatorState:
    close = float(bar.close_paise)
    return IndicatorState(
        1,
        bar.high_paise,
        bar.low_paise,
        bar.close_paise,
        close,
        close,
        0.0,
        0.0,
        float(bar.high_paise - bar.low_paise),
        0.0,
        0.0,
        0.0,
        1,
        typical,
        typical * volume,
        volume,
    )


def start_session(state: IndicatorState) -> IndicatorState:
    """A state warmed up on earlier bars, before the session's first: VWAP and TWAP start anew."""
    return msgspec.structs.replace(
        state, session_bars=0, typical_sum=0, turnover_sum=0, volume_sum=0
    )


class VolatilityState(
    msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True
):
    """Realised volatility of one instrument, from squared log returns of closes.

    ``fast`` and ``slow`` are exponential averages of the squared return (alpha 2/(n+1), n 10 and
    60, first-value seed); ``session_sum`` is the realised variance of the session, the plain sum.
    """

    close_paise: int
    returns: int
    fast: float
    slow: float
    session_returns: int
    session_sum: float

    def annualised_fast(self, bars_per_year: float) -> float | None:
        """Volatility per year (0.12 is 12 %) of the recent bars; None before the first return."""
        return sqrt(self.fast * bars_per_year) if self.returns > 0 else None

    def annualised_slow(self, bars_per_year: float) -> float | None:
        """Volatility per year of the longer average; None before the first return."""
        return sqrt(self.slow * bars_per_year) if self.returns > 0 else None

    def annualised_session(self, bars_per_year: float) -> float | None:
        """Volatility per year of the session so far; None before its first return."""
        if self.session_returns == 0:
            return None
        return sqrt(self.session_sum / self.session_returns * bars_per_year)

    @property
    def expansion(self) -> float | None:
        """Fast over slow volatility: above 1 it is rising; None while neither has moved."""
        return sqrt(self.fast / self.slow) if self.slow > 0.0 else None


_VOL_FAST_ALPHA: Final = 2.0 / (VOL_FAST_BARS + 1)
_VOL_SLOW_ALPHA: Final = 2.0 / (VOL_SLOW_BARS + 1)


def step_volatility(state: VolatilityState | None, close_paise: int) -> VolatilityState:
    """The state after a bar that closed at ``close_paise``; ``None`` before the first bar."""
    if state is None:
        return VolatilityState(close_paise, 0, 0.0, 0.0, 0, 0.0)
    change = log(close_paise / state.close_paise)
    squared = change * change
    fast, slow = state.fast, state.slow
    seeded = state.returns > 0
    return VolatilityState(
        close_paise,
        state.returns + 1,
        fast + _VOL_FAST_ALPHA * (squared - fast) if seeded else squared,
        slow + _VOL_SLOW_ALPHA * (squared - slow) if seeded else squared,
        state.session_returns + 1,
        state.session_sum + squared,
    )


def start_volatility_session(state: VolatilityState) -> VolatilityState:
    """Before the session's first bar: the session's variance starts anew, the averages stay.

    The first return then spans the night; a caller that does not want it starts from ``None``.
    """
    return msgspec.structs.replace(state, session_returns=0, session_sum=0.0)

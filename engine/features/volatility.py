"""Volatility: realised, implied, and where the implied stands against what it has been.

Lives here: readings, ranks and scores. May import: events, engine. Always holds: ranks and scores
are of whole numbers of basis points and exact up to the one square root; the one of now is part of
what it is ranked in; of earlier days only closes before this one count.
The volatility of the near expiry rises by itself as that expiry nears: a rank over days says where
it stands among closes of near expiries, not of one maturity.
"""

from __future__ import annotations

from typing import Final

from engine.exact import sqrt
from engine.features.reading import (
    BPS,
    GAP,
    MILLI,
    NO_EARLIER_DAY,
    NO_QUOTE,
    NOT_OFFERED,
    TOO_FEW,
    Reading,
    gathered,
    known,
    rounded_ratio,
    scaled,
    unknown,
)
from engine.features.tape import VolatilityDay
from engine.indicators import VOL_FAST_BARS, VolatilityState
from engine.state import ExpiryState
from events.features import Implied, Realised

FAST_RETURNS_MIN: Final = 5
SLOW_RETURNS_MIN: Final = 20
SESSION_RETURNS_MIN: Final = 5
SESSION_BARS_MIN: Final = 15
"""A rank among fewer says little."""

DAYS_MIN: Final = 20
"""A month of closes."""


def realised(
    volatility: VolatilityState | None, bars_per_year: float, bars_done: int, since_gap: int
) -> tuple[Realised, tuple[str, ...]]:
    """Realised volatilities after the last declared bar. A return over a gap of the feed is in the
    fast average until it has been outweighed, and in the others for good."""
    state = volatility
    if state is None:
        return gathered("realised", Realised, (unknown(TOO_FEW),) * 3)
    fast = _yearly(state.annualised_fast(bars_per_year), state.returns, FAST_RETURNS_MIN)
    slow = _yearly(state.annualised_slow(bars_per_year), state.returns, SLOW_RETURNS_MIN)
    session = _yearly(
        state.annualised_session(bars_per_year), state.session_returns, SESSION_RETURNS_MIN
    )
    if since_gap < bars_done and since_gap < VOL_FAST_BARS and fast.reason is None:
        fast = unknown(GAP)
    return gathered("realised", Realised, (fast, slow, session))


def _yearly(value: float | None, returns: int, returns_min: int) -> Reading:
    if value is None or returns < returns_min:
        return unknown(TOO_FEW)
    return scaled(value, BPS)


def atm_bps(expiries: tuple[ExpiryState, ...]) -> int | None:
    """Volatility at the money of the near expiry, bps a year; None where it is not known."""
    if not expiries or expiries[0].atm_iv is None:
        return None
    return scaled(expiries[0].atm_iv, BPS).number


def implied(
    expiries: tuple[ExpiryState, ...], day: VolatilityDay, closes: tuple[int, ...]
) -> tuple[Implied, tuple[str, ...]]:
    """Implied volatility of the viewed expiries; ``day`` is the session's with this bar in it,
    ``closes`` are the known ones of earlier days, bps a year."""
    if not expiries:
        return gathered("implied", Implied, (unknown(NOT_OFFERED),) * 7)
    near = expiries[0]
    skew = unknown(NO_QUOTE) if near.skew_25d is None else scaled(near.skew_25d, BPS)
    now = atm_bps(expiries)
    if now is None:
        atm = unknown(NO_QUOTE)
        return gathered("implied", Implied, (atm, atm, atm, atm, atm, skew, atm))
    readings = (
        known(now),
        *_ranked(now, day, SESSION_BARS_MIN, TOO_FEW),
        *_ranked(now, over_days(closes, now), DAYS_MIN + 1, NO_EARLIER_DAY),
        skew,
        _term(near, expiries),
    )
    return gathered("implied", Implied, readings)


def _term(near: ExpiryState, expiries: tuple[ExpiryState, ...]) -> Reading:
    """Near over next: above 0 the near expiry is the dearer, which is fear of something soon."""
    if len(expiries) < 2:
        return unknown(NOT_OFFERED)
    further = expiries[1].atm_iv
    if near.atm_iv is None or further is None:
        return unknown(NO_QUOTE)
    return scaled(near.atm_iv - further, BPS)


def over_days(closes: tuple[int, ...], now_bps: int) -> VolatilityDay:
    """The same sums over days' closes, and now."""
    total = squares = 0
    for one in closes:
        total += one
        squares += one * one
    return VolatilityDay(
        0,
        len(closes) + 1,
        total + now_bps,
        squares + now_bps * now_bps,
        min((*closes, now_bps)),
        max((*closes, now_bps)),
        now_bps,
    )


def _ranked(
    now_bps: int, day: VolatilityDay, count_min: int, reason: str
) -> tuple[Reading, Reading]:
    """Rank between lowest and highest, and standard deviations (of a sample) from the mean; what
    has not moved has neither."""
    if day.count < count_min:
        return unknown(reason), unknown(reason)
    if day.high_bps == day.low_bps:
        return unknown(TOO_FEW), unknown(TOO_FEW)
    rank = rounded_ratio(now_bps - day.low_bps, day.high_bps - day.low_bps, MILLI)
    spread = day.count * day.squares - day.total_bps * day.total_bps
    deviation = sqrt(spread / (day.count * (day.count - 1)))
    mean = day.total_bps / day.count
    return known(rank), scaled((now_bps - mean) / deviation, MILLI)

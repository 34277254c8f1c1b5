"""Implied volatility and greeks of a quoted option, by the engine's own mathematics.

Lives here: when each expiry ends, and the sensitivities of one contract. May import: events, the
engine's pure option maths and rulebook. Always holds: forward and rate are journaled, the price is
a two-sided quote's mid; where one of them is missing there is no number; nothing here is a fact,
and no decision was made by it. Start reading at ``greeks_of``.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from engine.options import (
    Greeks,
    OptionInputError,
    Pricer,
    discount_factor,
    pricer_for,
    year_fraction,
)
from engine.rulebook import Rulebook, resolve_day
from events.session import Instrument, RuleRow

BPS = 10_000.0


class Pricing(msgspec.Struct, frozen=True):
    """The discount rate in force (0 where the rulebook has none, as in the engine) and when each
    (exchange, expiry) ends, ns UTC."""

    rate_bps: int
    closes: tuple[tuple[str, int, int], ...]

    def close_ns(self, exchange: str, expiry: int) -> int | None:
        """The end of an expiry, None where no rule gives it."""
        for venue, day, at in self.closes:
            if (venue, day) == (exchange, expiry):
                return at
        return None


NO_PRICING = Pricing(0, ())


class Sensitivities(msgspec.Struct, frozen=True, gc=False):
    """Of one contract: volatility a year, delta per unit, theta in paise a calendar day, vega in
    paise a volatility point."""

    vol: float
    delta: float
    theta_paise: float
    vega_paise: float


def pricing_of(rows: tuple[RuleRow, ...], day: int, instruments: tuple[Instrument, ...]) -> Pricing:
    """What the journaled rules say of the expiries of a session's contracts."""
    try:
        book = Rulebook(rows)
        rate = resolve_day(book, day, ()).discount_rate_bps
        wanted = {(row.exchange, row.expiry) for row in instruments if row.kind in ("CE", "PE")}
        windows = ((one, book.session_window(one[1], "fno", one[0])) for one in sorted(wanted))
        closes = tuple((*one, window.expiry_close_ns) for one, window in windows if window)
    except ValueError:
        return NO_PRICING
    return Pricing(rate or 0, closes)


@lru_cache(maxsize=16)
def _pricer(forward_paise: int, now_ns: int, close_ns: int, rate_bps: int, tick: int) -> Pricer:
    """All contracts of an expiry share it."""
    t_years = year_fraction(now_ns, close_ns)
    return pricer_for(forward_paise, t_years, discount_factor(rate_bps / BPS, t_years), tick)


@lru_cache(maxsize=2048)
def _solved(pricer: Pricer, twice_mid: int, strike_paise: int, right: str) -> Sensitivities | None:
    """Once for each price of a contract: most do not move between two frames."""
    found = pricer.implied_vol(twice_mid / 2.0, float(strike_paise), right)
    if found.vol is None:
        return None
    greeks: Greeks = pricer.greeks(float(strike_paise), right, found.vol)
    return Sensitivities(found.vol, greeks.delta, greeks.theta_paise, greeks.vega_paise)


def greeks_of(
    pricing: Pricing, row: Instrument, forward_paise: int | None, now_ns: int,
    bid_paise: int | None, ask_paise: int | None,
) -> Sensitivities | None:  # fmt: skip
    """The sensitivities of a contract at ``now_ns``, None where anything they need is missing."""
    close = pricing.close_ns(row.exchange, row.expiry)
    if close is None or forward_paise is None:
        return None
    if bid_paise is None or ask_paise is None or bid_paise > ask_paise:
        return None
    try:
        pricer = _pricer(forward_paise, now_ns, close, pricing.rate_bps, row.tick_paise)
        return _solved(pricer, bid_paise + ask_paise, row.strike_paise, row.kind)
    except OptionInputError:
        return None

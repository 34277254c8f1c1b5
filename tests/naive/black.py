"""Black-76 by the textbook: ``math.erfc`` and bisection.

Lives here: price, implied volatility, greeks. May import: the standard library. Always holds:
prices are paise, volatilities a year, a right is CE or PE; a price that carries no volatility gives
None. Start reading at ``Model``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

YEAR_NS = 365 * 86_400 * 1_000_000_000
LOWEST, HIGHEST = 0.0001, 20.0


def years(now_ns: int, end_ns: int) -> float:
    return (end_ns - now_ns) / YEAR_NS if end_ns > now_ns else 0.0


def normal(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def density(x: float) -> float:
    return math.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)


@dataclass(frozen=True)
class Greeks:
    """Of one unit: paise per paisa, per paisa², a volatility point, a day."""

    delta: float
    gamma: float
    vega: float
    theta: float


@dataclass(frozen=True)
class Model:
    """The options of one expiry."""

    forward: float
    t: float
    df: float

    def price(self, strike: float, right: str, vol: float) -> float:
        """Discounted."""
        sign = 1.0 if right == "CE" else -1.0
        deviation = vol * math.sqrt(self.t)
        if deviation <= 0.0:
            return self.df * max(sign * (self.forward - strike), 0.0)
        d1 = math.log(self.forward / strike) / deviation + 0.5 * deviation
        d2 = d1 - deviation
        whole = self.forward * normal(sign * d1) - strike * normal(sign * d2)
        return self.df * sign * whole

    def vega(self, strike: float, vol: float) -> float:
        """Discounted, a unit of volatility."""
        deviation = vol * math.sqrt(self.t)
        d1 = math.log(self.forward / strike) / deviation + 0.5 * deviation
        return self.df * self.forward * density(d1) * math.sqrt(self.t)

    def vol(self, price: float, strike: float, right: str, tick: int) -> float | None:
        """The volatility of a price by bisection; of what is out of the money, by parity."""
        if self.t <= 0.0 or price <= 0.0:
            return None
        inside = self.forward - strike if right == "CE" else strike - self.forward
        value = price / self.df - max(inside, 0.0)
        if value < 0.0 or value >= min(self.forward, strike) or value * self.df < tick:
            return None
        out = "CE" if strike > self.forward else "PE"
        low, high = LOWEST, HIGHEST
        for _ in range(80):
            middle = 0.5 * (low + high)
            if self.price(strike, out, middle) < value * self.df:
                low = middle
            else:
                high = middle
        found = 0.5 * (low + high)
        if found - LOWEST < 1e-8 or HIGHEST - found < 1e-8:
            return None
        return None if self.vega(strike, found) * 0.01 < tick else found

    def greeks(self, strike: float, right: str, vol: float) -> Greeks:
        root = math.sqrt(self.t)
        deviation = vol * root
        d1 = math.log(self.forward / strike) / deviation + 0.5 * deviation
        delta = self.df * (normal(d1) if right == "CE" else -normal(-d1))
        bell = self.df * self.forward * density(d1)
        rate = -math.log(self.df) / self.t
        decay = rate * self.price(strike, right, vol) - 0.5 * bell * vol / root
        gamma = self.df * density(d1) / (self.forward * deviation)
        return Greeks(delta, gamma, bell * root * 0.01, decay / 365.0)


def nearest(value: float) -> int:
    """The nearest integer, halves up."""
    return math.floor(value + 0.5)

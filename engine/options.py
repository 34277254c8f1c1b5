"""Option maths: Black-76 on the forward, implied volatility, greeks, the parity forward.

Lives here: European options on a forward, as NSE and BSE index options are. May import: ``exact``
and msgspec. Always holds: only ``engine.exact`` and IEEE arithmetic, so a recorded volatility is
re-derived to the bit; a volatility that the price cannot carry is None with a reason, never a
guess. Units: prices come in as paise (integers, or a mid that ends on half a paisa) and stay paise
as floats inside; volatilities are per year (0.12 is 12 %), rates per year and continuous, time in
years of 365 days. A right is ``"CE"`` (call) or ``"PE"`` (put).
Formulas: F. Black, "The pricing of commodity contracts", J. Financial Economics 3 (1976); start
values: C. Corrado and T. Miller, J. Banking and Finance 20 (1996), S. Manaster and G. Koehler,
J. Finance 37 (1982). Start reading at ``Pricer``.
"""

from __future__ import annotations

from typing import Final

import msgspec

from engine.exact import exp, floor, log, norm_cdf, norm_cdf_pdf, sqrt

CALL: Final = "CE"
PUT: Final = "PE"

YEAR_NS: Final = 365 * 86_400 * 1_000_000_000
"""ACT/365: a year of 365 days, in nanoseconds."""

DAYS_PER_YEAR: Final = 365.0

VOL_POINT: Final = 0.01
"""Vega is quoted for one volatility point."""

VOL_MIN: Final = 0.0001
VOL_MAX: Final = 20.0
"""The solver's bracket, per year: 0.01 % to 2,000 %."""

VOL_TOLERANCE: Final = 1e-8
"""A step is the last one when the error it leaves is below this: a millionth of a vol point."""

ITERATIONS_MAX: Final = 64
"""Bisection alone closes the bracket in 31; a warm start needs one or two steps."""

PARITY_STRIKES: Final = 7
"""The parity forward is the median over at most this many strikes, the nearest to it."""

PARITY_STRIKES_MIN: Final = 3
"""With fewer usable strikes one bad quote could be the median: no answer."""

IV_EXPIRED: Final = "EXPIRED"
IV_PRICE_NOT_POSITIVE: Final = "PRICE_NOT_POSITIVE"
IV_PRICE_BELOW_INTRINSIC: Final = "PRICE_BELOW_INTRINSIC"
IV_PRICE_ABOVE_MAXIMUM: Final = "PRICE_ABOVE_MAXIMUM"
IV_TIME_VALUE_BELOW_TICK: Final = "TIME_VALUE_BELOW_TICK"
IV_VEGA_BELOW_TICK: Final = "VEGA_BELOW_TICK"
IV_OUTSIDE_BRACKET: Final = "VOLATILITY_OUTSIDE_BRACKET"

IV_REASONS: Final = (
    IV_EXPIRED,
    IV_PRICE_NOT_POSITIVE,
    IV_PRICE_BELOW_INTRINSIC,
    IV_PRICE_ABOVE_MAXIMUM,
    IV_TIME_VALUE_BELOW_TICK,
    IV_VEGA_BELOW_TICK,
    IV_OUTSIDE_BRACKET,
)
"""Why a volatility is None, in the order of the tests: the first that holds is given."""

ParityQuote = tuple[int, int, int, int, int]
"""(strike_paise, call_bid_paise, call_ask_paise, put_bid_paise, put_ask_paise); 0 is no quote."""

_TWO_PI: Final = 6.283185307179586
_INVERSE_PI: Final = 0.3183098861837907
_INFINITY: Final = float("inf")
_VOL_FALLBACK: Final = 0.25


class OptionInputError(ValueError):
    """An argument no option can have, such as a strike of zero; the message names it."""


class ImpliedVol(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A volatility per year, or None with its reason (one of ``IV_REASONS``)."""

    vol: float | None
    reason: str | None
    iterations: int


class Greeks(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Discounted price of one option and its derivatives, per unit of the underlying.

    ``delta``: paise of price per paisa of forward. ``gamma``: delta per paisa of forward.
    ``theta_paise``: per calendar day, forward and rate held. ``vega_paise``: per volatility point.
    """

    price_paise: float
    delta: float
    gamma: float
    theta_paise: float
    vega_paise: float


class Pricer(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What all options of one expiry share in one cycle; made by ``pricer_for``.

    ``df`` discounts from the expiry, ``rate`` is the rate it stands for, ``tick_paise`` the
    options' price step. ``log_forward`` is log(forward_paise): a caller that keeps the logarithm
    of each strike passes ``log_moneyness`` = log_forward - log(strike_paise) below and saves most
    of a step's cost.
    """

    forward_paise: float
    t_years: float
    sqrt_t: float
    df: float
    rate: float
    tick_paise: float
    log_forward: float

    def implied_vol(
        self,
        price_paise: float,
        strike_paise: float,
        right: str,
        start: float | None = None,
        log_moneyness: float | None = None,
    ) -> ImpliedVol:
        """The volatility at which Black-76 gives ``price_paise``; None with a reason otherwise.

        ``start`` is a volatility near by, such as the last cycle's. The result depends on it by
        less than ``VOL_TOLERANCE``, so a start that comes from the journal keeps replay exact.
        Raises ``OptionInputError`` for a strike or a right that cannot be.
        """
        if self.t_years <= 0.0:
            return ImpliedVol(None, IV_EXPIRED, 0)
        value = price_paise / self.df - self.intrinsic(strike_paise, right)
        # One comparison for the contract that has a volatility; which it fails is asked after.
        if not (
            self.tick_paise <= value * self.df
            and 0.0 <= value < self.forward_paise
            and value < strike_paise
            and price_paise > 0.0
        ):
            reason = self._refusal(price_paise, value, strike_paise)
            if reason is not None:
                return ImpliedVol(None, reason, 0)
        if log_moneyness is None:
            log_moneyness = self.log_forward - log(strike_paise)
        if start is None:
            start = self._start_vol(value, strike_paise, log_moneyness)
        return self._solve(value, strike_paise, start, log_moneyness)

    def newton_step(
        self, time_value_paise: float, strike_paise: float, vol: float, log_moneyness: float
    ) -> tuple[float, float, float]:
        """One Newton step: ``(next_vol, error, vega)``; the hot path of a warm start.

        ``time_value_paise`` is undiscounted: price / df - intrinsic. ``error`` bounds the distance
        of ``next_vol`` from the solution: the second-order term |d1 d2| step^2 / (2 vol) with
        |d1 d2| replaced by d1^2 + d2^2 + 1 over two, which has no zero at the inflection, where a
        long step would pass for an exact one. ``vega`` is the undiscounted derivative by vol at
        ``vol``, in paise. Where it vanishes the model price is far below any tick: vol doubles.
        """
        deviation = vol * self.sqrt_t
        value, slope = self.time_value(strike_paise, deviation, log_moneyness)
        vega = slope * self.sqrt_t
        if vega <= 0.0:
            return vol + vol, _INFINITY, 0.0
        step = (time_value_paise - value) / vega
        ratio = log_moneyness / deviation
        curvature = 1.0 + ratio * ratio + 0.25 * deviation * deviation
        return vol + step, curvature * step * step / vol, vega

    def time_value(
        self, strike_paise: float, deviation: float, log_moneyness: float
    ) -> tuple[float, float]:
        """Undiscounted time value in paise, and its derivative by ``deviation`` = vol * sqrt(t).

        By parity the call and the put of a strike share one time value, the price of whichever is
        out of the money. With A the lesser and B the greater of forward and strike it is
        A N(h) - B N(h - deviation), h = -|log_moneyness| / deviation + deviation / 2, and its
        derivative A n(h): no branch on the right is left.
        """
        forward = self.forward_paise
        if forward < strike_paise:
            h = log_moneyness / deviation + 0.5 * deviation
            cdf, pdf = norm_cdf_pdf(h)
            return forward * cdf - strike_paise * norm_cdf(h - deviation), forward * pdf
        h = 0.5 * deviation - log_moneyness / deviation
        cdf, pdf = norm_cdf_pdf(h)
        return strike_paise * cdf - forward * norm_cdf(h - deviation), strike_paise * pdf

    def intrinsic(self, strike_paise: float, right: str) -> float:
        """Undiscounted max(F - K, 0) of a call, max(K - F, 0) of a put, in paise."""
        if strike_paise <= 0.0:
            raise OptionInputError(f"strike {strike_paise!r} paise: it must be positive")
        if right == CALL:
            return max(self.forward_paise - strike_paise, 0.0)
        if right == PUT:
            return max(strike_paise - self.forward_paise, 0.0)
        raise OptionInputError(f"right {right!r}: it must be {CALL!r} or {PUT!r}")

    def price(self, strike_paise: float, right: str, vol: float) -> float:
        """Discounted Black-76 price in paise; discounted intrinsic value at t = 0 or vol = 0."""
        intrinsic = self.intrinsic(strike_paise, right)
        deviation = vol * self.sqrt_t
        if deviation <= 0.0:
            return self.df * intrinsic
        value, _ = self.time_value(strike_paise, deviation, self.log_forward - log(strike_paise))
        return self.df * (intrinsic + value)

    def greeks(
        self, strike_paise: float, right: str, vol: float, log_moneyness: float | None = None
    ) -> Greeks:
        """Price, delta, gamma, theta, vega at ``vol``.

        Raises ``OptionInputError`` at t = 0 or vol = 0, where gamma and theta do not exist.
        """
        deviation = vol * self.sqrt_t
        if deviation <= 0.0:
            raise OptionInputError(f"vol {vol!r} over {self.t_years!r} years: no greeks there")
        intrinsic = self.intrinsic(strike_paise, right)
        if log_moneyness is None:
            log_moneyness = self.log_forward - log(strike_paise)
        value, slope = self.time_value(strike_paise, deviation, log_moneyness)
        df, forward = self.df, self.forward_paise
        price = df * (intrinsic + value)
        return Greeks(
            price,
            self.delta(right, vol, log_moneyness),
            df * slope / (forward * forward * deviation),
            (self.rate * price - 0.5 * df * slope * vol / self.sqrt_t) / DAYS_PER_YEAR,
            df * slope * self.sqrt_t * VOL_POINT,
        )

    def delta(self, right: str, vol: float, log_moneyness: float) -> float:
        """The delta of ``greeks`` alone, to the bit, for a third of its cost; ``vol`` above 0."""
        deviation = vol * self.sqrt_t
        d1 = log_moneyness / deviation + 0.5 * deviation
        return self.df * norm_cdf(d1) if right == CALL else -self.df * norm_cdf(-d1)

    def _refusal(self, price_paise: float, value: float, strike_paise: float) -> str | None:
        """The first reason for which the price cannot carry a volatility at all."""
        if price_paise <= 0.0:
            return IV_PRICE_NOT_POSITIVE
        if value < 0.0:
            return IV_PRICE_BELOW_INTRINSIC
        if value >= self.forward_paise or value >= strike_paise:
            return IV_PRICE_ABOVE_MAXIMUM
        if value * self.df < self.tick_paise:
            return IV_TIME_VALUE_BELOW_TICK
        return None

    def _start_vol(self, value: float, strike_paise: float, log_moneyness: float) -> float:
        """Corrado and Miller's closed form; where it has no root, Manaster and Koehler's point."""
        forward = self.forward_paise
        gap = abs(forward - strike_paise)
        excess = value + 0.5 * gap
        radicand = excess * excess - gap * gap * _INVERSE_PI
        if radicand > 0.0:
            root = excess + sqrt(radicand)
            return sqrt(_TWO_PI) * root / ((forward + strike_paise) * self.sqrt_t)
        return sqrt(2.0 * abs(log_moneyness)) / self.sqrt_t

    def _solve(
        self, value: float, strike_paise: float, start: float, log_moneyness: float
    ) -> ImpliedVol:
        """Newton inside a bracket that every step narrows; a step that leaves it is a bisection.

        The step is ``newton_step``'s, written out with its ``time_value``: three calls of four are
        saved where a chain is solved, and a test holds the two to the same bits.
        """
        low, high, root_t = VOL_MIN, VOL_MAX, self.sqrt_t
        vol = start if low < start < high else _VOL_FALLBACK
        forward = self.forward_paise
        below = forward < strike_paise
        lesser, greater = (forward, strike_paise) if below else (strike_paise, forward)
        for iteration in range(1, ITERATIONS_MAX + 1):
            deviation = vol * root_t
            ratio = log_moneyness / deviation
            h = ratio + 0.5 * deviation if below else 0.5 * deviation - ratio
            cdf, pdf = norm_cdf_pdf(h)
            vega = lesser * pdf * root_t
            if vega <= 0.0:
                next_vol, error = vol + vol, _INFINITY
            else:
                step = (value - (lesser * cdf - greater * norm_cdf(h - deviation))) / vega
                curvature = 1.0 + ratio * ratio + 0.25 * deviation * deviation
                next_vol, error = vol + step, curvature * step * step / vol
            inside = low < next_vol < high
            if inside and error < VOL_TOLERANCE:
                if self.df * vega * VOL_POINT < self.tick_paise:
                    return ImpliedVol(None, IV_VEGA_BELOW_TICK, iteration)
                return ImpliedVol(next_vol, None, iteration)
            if next_vol > vol:
                low = vol
            else:
                high = vol
            if high - low < VOL_TOLERANCE:
                return ImpliedVol(None, IV_OUTSIDE_BRACKET, iteration)
            vol = next_vol if low < next_vol < high else 0.5 * (low + high)
        return ImpliedVol(None, IV_OUTSIDE_BRACKET, ITERATIONS_MAX)


def pricer_for(forward_paise: int, t_years: float, df: float, tick_paise: int) -> Pricer:
    """The ``Pricer`` of one expiry.

    ``df`` is the discount factor to the expiry, in (0, 2); ``tick_paise`` the options' price step.
    At or past the expiry (``t_years`` 0) it gives intrinsic values and ``IV_EXPIRED``.
    Raises ``OptionInputError`` for a forward, a time or a discount factor that cannot be.
    """
    if forward_paise <= 0:
        raise OptionInputError(f"forward {forward_paise!r} paise: it must be positive")
    if not 0.0 <= t_years < 100.0:
        raise OptionInputError(f"time {t_years!r} years: it must be from 0 to 100")
    if not 0.0 < df < 2.0:
        raise OptionInputError(f"discount factor {df!r}: it must be between 0 and 2")
    rate = -log(df) / t_years if t_years > 0.0 else 0.0
    forward = float(forward_paise)
    return Pricer(forward, t_years, sqrt(t_years), df, rate + 0.0, float(tick_paise), log(forward))


def implied_vol(
    price_paise: float,
    forward_paise: int,
    strike_paise: int,
    t_years: float,
    df: float,
    right: str,
    tick_paise: int,
    start: float | None = None,
) -> ImpliedVol:
    """``Pricer.implied_vol`` for a single option; an expiry's many options share one ``Pricer``."""
    pricer = pricer_for(forward_paise, t_years, df, tick_paise)
    return pricer.implied_vol(price_paise, float(strike_paise), right, start)


def year_fraction(now_ns: int, expiry_close_ns: int) -> float:
    """ACT/365 years from ``now_ns`` to the close of the expiry day (both ns UTC); 0.0 when past.

    One division of two integers, which Python rounds correctly, so no precision is lost to ns.
    """
    return (expiry_close_ns - now_ns) / YEAR_NS if expiry_close_ns > now_ns else 0.0


def discount_factor(rate: float, t_years: float) -> float:
    """exp(-rate * t): what one paisa at the expiry is worth now, the rate continuous per year."""
    return exp(-rate * t_years)


def parity_forward(quotes: tuple[ParityQuote, ...], df: float) -> int | None:
    """The forward in paise by put-call parity, F = K + (C - P) / df at the mids; None if unknown.

    Used are strikes with two-sided, uncrossed quotes on both legs; of these the
    ``PARITY_STRIKES`` nearest to the forward, which are those with the smallest |C - P| (the
    forward is where the two are equal); the answer is their median, rounded to a paisa. Freshness
    is the caller's: a stale quote is passed as 0. Fewer than ``PARITY_STRIKES_MIN``: None.
    """
    gaps = [
        (
            abs(call_bid + call_ask - put_bid - put_ask),
            strike,
            call_bid + call_ask - put_bid - put_ask,
        )
        for strike, call_bid, call_ask, put_bid, put_ask in quotes
        if 0 < call_bid <= call_ask and 0 < put_bid <= put_ask
    ]
    if len(gaps) < PARITY_STRIKES_MIN:
        return None
    gaps.sort()
    forwards = sorted(strike + gap / (2.0 * df) for _, strike, gap in gaps[:PARITY_STRIKES])
    middle = len(forwards) // 2
    if len(forwards) % 2:
        median = forwards[middle]
    else:
        median = 0.5 * (forwards[middle - 1] + forwards[middle])
    return floor(median + 0.5)

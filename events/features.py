"""The derivation of the features of an underlying after its declared bar.

Lives here: one record a family of features, and the event that holds them all. May import:
events.base. Always holds: integers in the unit that a name ends in; what is not known is None (a
word: ``UNKNOWN``) and stands in ``FeaturesDerived.unknown`` with its reason code, never as 0.
Ratios: ``ppm`` is a millionth, ``bps`` a ten-thousandth, ``milli`` a thousandth; volatilities are
``bps`` a year (1,234 is 12.34 %).
"""

from __future__ import annotations

from events.base import Event, Record


class Momentum(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Change of the index over the last minutes, and of the last five against the five before."""

    change_1m_ppm: int | None
    change_5m_ppm: int | None
    change_10m_ppm: int | None
    change_15m_ppm: int | None
    acceleration_ppm: int | None


class OpeningRange(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Range of the day's first minutes. ``side`` is where the last minute closed: ABOVE, BELOW,
    INSIDE; ``broken`` the side of the first minute after the range that closed outside it: UP,
    DOWN, NONE. Both are UNKNOWN where the range is."""

    high_paise: int | None
    low_paise: int | None
    side: str
    broken: str


class HigherTrend(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Direction of the longer bars: UP, DOWN, FLAT, UNKNOWN. ``separation_milli`` is fast less slow
    average of their closes, in thousandths of their average true range."""

    direction: str
    separation_milli: int | None


class OpenGap(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The index's first price of continuous trading against the close of the trading day before."""

    previous_close_paise: int | None
    open_paise: int | None
    gap_ppm: int | None


class Realised(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Realised volatility of the index a year: of recent bars, of more bars, of the session."""

    fast_bps: int | None
    slow_bps: int | None
    session_bps: int | None


class FutureVwap(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Volume-weighted average price of the near future: the session's, that of the last minutes,
    and how far the latter moved in ten minutes."""

    session_paise: int | None
    rolling_paise: int | None
    slope_ppm: int | None


class OpenInterest(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Puts against calls of the near expiry, the strike at which their writers pay least, and what
    is built up: LONG, SHORT, SHORT_COVER, LONG_LIQ, FLAT, UNKNOWN, each of the contract itself (a
    long put is bought, not written). Changes are over ``span_min`` minutes."""

    pcr_oi_milli: int | None
    pcr_volume_milli: int | None
    max_pain_paise: int | None
    span_min: int | None
    future_change_units: int | None
    calls_change_units: int | None
    puts_change_units: int | None
    future_build: str
    calls_build: str
    puts_build: str


class Implied(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Volatility at the money of the near expiry, its rank (0 the lowest, 1000 the highest) and
    score (standard deviations from the mean, in thousandths) over the session and over the closes
    of earlier days; the put of a quarter delta over the call; near over next expiry."""

    atm_bps: int | None
    session_rank_milli: int | None
    session_z_milli: int | None
    days_rank_milli: int | None
    days_z_milli: int | None
    skew_25d_bps: int | None
    term_bps: int | None


class Imbalance(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Units bid less units asked over both, of five levels: of the near future, of the calls and of
    the puts near the money."""

    future_milli: int | None
    calls_milli: int | None
    puts_milli: int | None


class Peer(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Another index, or INDIA VIX, over the same minutes, and the correlation with it."""

    name: str
    change_1m_ppm: int | None
    change_5m_ppm: int | None
    change_15m_ppm: int | None
    correlation_milli: int | None


class FeaturesDerived(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The features of one underlying, at the first cycle after its declared bar that began at
    ``bar_start_ts``.

    ``alignment_milli`` is the share of the other indices that went the same way over five minutes,
    less that which went the other way. ``unknown`` names each feature that is not known, a line
    each: ``family.field CODE``, peers by their names.
    """

    underlying: str
    bar_start_ts: int
    bars_done: int
    momentum: Momentum
    opening_range: OpeningRange
    higher_trend: HigherTrend
    open_gap: OpenGap
    realised: Realised
    future_vwap: FutureVwap
    open_interest: OpenInterest
    implied: Implied
    imbalance: Imbalance
    alignment_milli: int | None
    peers: tuple[Peer, ...]
    unknown: tuple[str, ...]

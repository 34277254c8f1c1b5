"""Derivations about the market: bars, snapshots, faults and health of the feed.

Lives here: what the core saw, in the form the gates used it. May import: events.base. Always holds:
instruments are indices into ``InstrumentsLoaded.rows``; unknown is None, never 0; floats are
settled as the record is made (``events.base``).
"""

from __future__ import annotations

from typing import Final

from events.base import Event, Record, settle_floats

INDICATORS: Final = (
    "ema_fast_paise",
    "ema_slow_paise",
    "rsi",
    "atr_paise",
    "adx",
    "vwap_paise",
)
"""The float fields of bars and snapshots."""


class BarClosed(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """A bar of one instrument, with the indicators after it where it is the market's declared bar.

    Prices in paise; ``volume_units`` None where the market has none. Indicators are floats in paise
    (EMA, ATR, VWAP/TWAP) or 0-100 (RSI, ADX), None where they do not run on this bar.
    """

    instrument: int
    bar_ms: int
    start_ts: int
    open_paise: int
    high_paise: int
    low_paise: int
    close_paise: int
    volume_units: int | None
    ticks: int
    bars_done: int
    ema_fast_paise: float | None
    ema_slow_paise: float | None
    rsi: float | None
    atr_paise: float | None
    adx: float | None
    vwap_paise: float | None
    vwap_is_twap: bool

    def __post_init__(self) -> None:
        settle_floats(self, INDICATORS)


class FrameRejected(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """A frame refused whole. ``fault`` is the codec's word, ``offset`` where it gave up."""

    connection: int
    fault: str
    offset: int
    length_bytes: int


class FeedHealthChanged(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The feed changed its state: ``LIVE``, ``GAP`` or ``DOWN``, with reason code and age."""

    connection: int
    status: str
    reason: str
    link_age_ms: int
    limit_ms: int


class TicksJudged(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Ticks that were not taken at their word since the last tick of the clock, in parallel arrays,
    in order; ``ticks`` counts them all, the arrays hold the first 32.

    ``reasons`` are TICK_IMPLAUSIBLE, TICK_REORDERED, TICK_NO_TIME and FEED_FUTURE_STAMP.
    ``outcomes``: HELD until a second witness, CONFIRMED by one, REFUTED by the next tick, STOOD
    because nothing contradicted it, DROPPED, UNTIMED (the price was taken, its time was not).
    ``prices_paise`` are what the ticks said (of a contract whose bid or ask jumped, that side),
    ``accepted_paise`` what they were held against, 0 where there was nothing; ``stamps_s`` their
    exchange times, ``seqs`` their frames.
    """

    ticks: int
    instruments: tuple[int, ...]
    reasons: tuple[str, ...]
    outcomes: tuple[str, ...]
    prices_paise: tuple[int, ...]
    accepted_paise: tuple[int, ...]
    stamps_s: tuple[int, ...]
    seqs: tuple[int, ...]


class InstrumentsGated(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The minute's table of instrument gates, packed: one verdict byte per instrument.

    0 pass, 1 warm-up, 2 stale quote, 3 spread; the first that fails, in that order.
    """

    minute_ts: int
    bars_min: int
    age_ms_max: int
    spread_bps_max: int
    verdicts: bytes


class ExpiryView(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """One expiry in a snapshot.

    The forward and how it was found (``PARITY``, ``FUTURE``), at-the-money volatility (a fraction a
    year), skew, put-call ratio.
    """

    expiry: int
    forward_paise: int | None
    forward_source: str | None
    forward_pairs: int
    atm_strike_paise: int | None
    atm_iv: float | None
    skew_25d: float | None
    pcr_oi_milli: int | None
    contracts_quoted: int

    def __post_init__(self) -> None:
        settle_floats(self, ("atm_iv", "skew_25d"))


class SnapshotTaken(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """What one underlying looked like at a cycle: what the gates used, and a hash of the whole.

    ``whole_hash`` is the SHA-256 (hex) of the underlying's full frozen view, which time travel
    re-derives. Ages in ms against the fact's ``ts``. ``atr_paise`` and the other indicators are
    those after the last closed declared bar. ``reference_*`` is what stands for the underlying's
    price (INDEX, in the closing auction FUTURE or PARITY, discounted to today), ``witness_*`` what
    confirms it; ``near_age_ms`` is the age of the oldest fresh quote near the money.
    """

    cycle: int
    underlying: str
    spot_paise: int | None
    spot_source: str
    spot_age_ms: int | None
    future_paise: int | None
    future_age_ms: int | None
    vix_paise: int | None
    link_age_ms: int | None
    page_age_ms: int | None
    bars_done: int
    ema_fast_paise: float | None
    ema_slow_paise: float | None
    rsi: float | None
    atr_paise: float | None
    adx: float | None
    vwap_paise: float | None
    vwap_is_twap: bool
    vix_age_ms: int | None
    reference_paise: int | None
    reference_source: str | None
    reference_age_ms: int | None
    witness_paise: int | None
    witness_source: str | None
    near_age_ms: int | None
    expiries: tuple[ExpiryView, ...]
    whole_hash: str

    def __post_init__(self) -> None:
        settle_floats(self, INDICATORS)

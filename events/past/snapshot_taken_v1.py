"""``SnapshotTaken`` as it was in version 1: no age of INDIA VIX, no reference and no witness.

Lives here: that struct with the record inside it. May import: events.base. Always holds: their
fields never change; floats are settled as they were.
"""

from __future__ import annotations

from typing import Final

from events.base import Event, Record, settle_floats

INDICATORS_V1: Final = (
    "ema_fast_paise",
    "ema_slow_paise",
    "rsi",
    "atr_paise",
    "adx",
    "vwap_paise",
)


class ExpiryViewV1(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
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


class SnapshotTakenV1(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """What one underlying looked like at a cycle: what the gates used, and a hash of the whole.

    ``whole_hash`` is the SHA-256 (hex) of the underlying's full frozen view, which time travel
    re-derives. Ages in ms against the fact's ``ts``. ``atr_paise`` and the other indicators are
    those after the last closed declared bar.
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
    expiries: tuple[ExpiryViewV1, ...]
    whole_hash: str

    def __post_init__(self) -> None:
        settle_floats(self, INDICATORS_V1)

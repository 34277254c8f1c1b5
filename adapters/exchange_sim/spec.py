"""What a simulated exchange is set up with: the account, its behaviour, and switches for faults.

Lives here: three plain structs. May import: msgspec. Always holds: the defaults are those of a
well-behaved exchange; only ``FaultSwitches`` changes while it runs, and what reads a switch reads
it at the moment concerned. Start reading at ``Behaviour``.
"""

from __future__ import annotations

from typing import Final

import msgspec

NS_PER_MS: Final = 1_000_000


class AccountSpec(msgspec.Struct, frozen=True, gc=False):
    """The one account. ``allowed_ips``: orders are taken from these only; empty is from anywhere,
    unless ``Behaviour.ip_required``."""

    user_id: str = "demo"
    api_key: str = "demo"
    api_secret: str = "demo"
    access_token: str = "demo"
    cash_paise: int = 500_000_000
    allowed_ips: tuple[str, ...] = ()
    app_id: int = 1234


class Behaviour(msgspec.Struct, frozen=True, gc=False):
    """How the exchange behaves. Delays are milliseconds of session time.

    ``ack_ms`` is the server's wait before it answers an order message; the others run from the
    moment the message is taken. ``depth_share_bps`` is how much of a shown level our orders may
    have. ``range_bps`` of the underlying's previous close is the half-width of the circuit limits.
    ``margin_bps`` of the underlying's value is what a short unit (or a future) blocks: SPAN,
    exposure, and what expiry day adds. ``square_off_hhmm`` None asks the rulebook.
    """

    seed: int = 1
    ack_ms: int = 15
    open_lag_ms: int = 20
    modify_lag_ms: int = 20
    cancel_lag_ms: int = 20
    update_lag_ms: int = 5
    listing_lag_ms: int = 0
    late_fill_ms: int = 250
    pending_retry_ms: int = 1_000
    duplicate_ms: int = 40
    reorder_ms: int = 400
    depth_share_bps: int = 10_000
    open_updates: bool = False
    autoslice_v2: bool = True
    autoslice_max: int = 10
    modifications_max: int = 25
    ip_required: bool = False
    price_protection: bool = True
    range_bps: int = 1_000
    span_bps: int = 1_000
    exposure_bps: int = 200
    expiry_day_bps: int = 200
    square_off_hhmm: str | None = None
    flush_hhmm: str = "06:00"
    request_token_s: int = 300
    orders_a_second: int = 10
    orders_a_minute: int = 400
    orders_a_day: int = 5_000
    quotes_a_second: int = 1
    historical_a_second: int = 3
    others_a_second: int = 10


class FaultSwitches(msgspec.Struct):
    """Faults of the core, set from outside at any moment. Shares are per mille.

    ``listing_lag_ms`` above 0 replaces the behaviour's. While ``pending_forever`` is on, nothing
    leaves OPEN PENDING, CANCEL PENDING or MODIFY PENDING. ``reject_next`` is the message with which
    the exchange rejects the next order it is sent. ``margin_async``: want of funds is found after
    the order was accepted. ``clock_offset_ms``: how far the broker's clock is ahead, in all that it
    stamps from then on.
    """

    duplicate_updates: int = 0
    reorder_updates: int = 0
    drop_updates: int = 0
    late_fill_after_cancel: bool = False
    listing_lag_ms: int = 0
    pending_forever: bool = False
    reject_next: str | None = None
    margin_async: bool = False
    clock_offset_ms: int = 0

    def stamped(self, ns: int) -> int:
        """A time as the broker's own clock shows it; only what goes out is stamped with it."""
        return ns + self.clock_offset_ms * NS_PER_MS

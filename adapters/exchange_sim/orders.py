"""An order in the broker's book: its numbers, its statuses, and the object that the API shows.

Lives here: ``Order`` and ``Trade``. May import: words. Always holds: filled never decreases and
never passes the quantity; a terminal order changes no more (a late fill apart); a remaining
quantity is never negative. Start reading at ``Order.data``.
"""

from __future__ import annotations

from typing import Final

import msgspec

from adapters.exchange_sim.listing import Listed
from adapters.exchange_sim.words import Data, average_rupees, maybe_stamp, rupees, stamp

RECEIVED: Final = "PUT ORDER REQ RECEIVED"
VALIDATION: Final = "VALIDATION PENDING"
OPEN_PENDING: Final = "OPEN PENDING"
OPEN: Final = "OPEN"
TRIGGER_PENDING: Final = "TRIGGER PENDING"
MODIFY_VALIDATION: Final = "MODIFY VALIDATION PENDING"
MODIFY_PENDING: Final = "MODIFY PENDING"
MODIFIED: Final = "MODIFIED"
CANCEL_PENDING: Final = "CANCEL PENDING"
COMPLETE: Final = "COMPLETE"
REJECTED: Final = "REJECTED"
CANCELLED: Final = "CANCELLED"
UPDATE: Final = "UPDATE"
"""Never a status in the book: only messages have it."""

TERMINAL: Final = (COMPLETE, REJECTED, CANCELLED)


class Trade(msgspec.Struct, frozen=True, gc=False):
    """One fill. ``charges_paise`` is what it cost beyond its price, ``ns`` a stamp."""

    trade_id: str
    order_id: str
    listed: Listed
    product: str
    side: str
    units: int
    price_paise: int
    charges_paise: int
    ns: int


class Order(msgspec.Struct, eq=False):
    """One order. ``priority`` is its place in time at the exchange, renewed when it loses it;
    ``ahead_units`` is what the market shows before it at its price. ``resting`` is its state at
    the exchange, whatever is on its way: ``changes`` modifications, a cancellation. ``placed_ns``,
    ``update_ns`` and ``exchange_ns`` are stamps of the broker's clock, ``taken_ns`` and
    ``listed_ns`` session time."""

    order_id: str
    listed: Listed
    variety: str
    side: str
    order_type: str
    product: str
    validity: str
    validity_ttl: int
    quantity: int
    price_paise: int
    trigger_paise: int
    protection_e2: int
    tag: str | None
    tags: list[str]
    account_id: str
    placed_by: str
    own_app: bool
    placed_ns: int
    taken_ns: int
    listed_ns: int
    guid: str
    meta: Data = msgspec.field(default_factory=dict)
    algo_id: str | None = None
    parent_order_id: str | None = None
    status: str = RECEIVED
    message: str | None = None
    message_raw: str | None = None
    exchange_order_id: str | None = None
    update_ns: int | None = None
    exchange_ns: int | None = None
    modifications: int = 0
    filled: int = 0
    value_paise: int = 0
    priority: int = 0
    ahead_units: int = 0
    triggered: bool = False
    resting: str = OPEN_PENDING
    changes: int = 0
    cancelling: bool = False
    expires: bool = False
    history: list[Data] = msgspec.field(default_factory=list)

    @property
    def remaining(self) -> int:
        return self.quantity - self.filled

    @property
    def terminal(self) -> bool:
        return self.status in TERMINAL

    @property
    def at_exchange(self) -> bool:
        """Whether it can trade: registered, not finished, and no stop that waits."""
        return not self.terminal and self.resting == OPEN

    @property
    def waits_for_trigger(self) -> bool:
        return not self.terminal and self.resting == TRIGGER_PENDING

    def data(self) -> Data:
        """The object of ``GET /orders``."""
        unfilled = 0 if self.status == REJECTED else self.remaining
        shown: Data = {
            "account_id": self.account_id,
            "placed_by": self.placed_by,
            "order_id": self.order_id,
            "exchange_order_id": self.exchange_order_id,
            "parent_order_id": self.parent_order_id,
            "status": self.status,
            "status_message": self.message,
            "status_message_raw": self.message_raw,
            "order_timestamp": stamp(self.placed_ns),
            "exchange_update_timestamp": maybe_stamp(self.update_ns),
            "exchange_timestamp": maybe_stamp(self.exchange_ns),
            "variety": self.variety,
            "modified": self.modifications > 0,
            "exchange": self.listed.row.exchange,
            "tradingsymbol": self.listed.row.tradingsymbol,
            "instrument_token": self.listed.row.token,
            "order_type": self.order_type,
            "transaction_type": self.side,
            "validity": self.validity,
            "validity_ttl": self.validity_ttl,
            "product": self.product,
            "quantity": self.quantity,
            "disclosed_quantity": 0,
            "price": rupees(self.price_paise),
            "trigger_price": rupees(self.trigger_paise),
            "auction_number": None,
            "average_price": average_rupees(self.value_paise, self.filled),
            "filled_quantity": self.filled,
            "pending_quantity": unfilled,
            "cancelled_quantity": unfilled if self.status == CANCELLED else 0,
            "market_protection": self.protection_e2 / 100,
            "meta": self.meta,
            "tag": self.tag,
        }
        if self.tags:
            shown["tags"] = list(self.tags)
        shown["guid"] = self.guid
        return shown


HISTORY_OMITS: Final = (
    "account_id", "exchange_update_timestamp", "validity_ttl", "auction_number", "meta", "tags",
    "guid", "status_message_raw",
)  # fmt: skip
"""Fields of the order that a row of its history does not have."""


def history_row(order: Order, ns: int) -> Data:
    """The order as it stood at a step, for ``GET /orders/{id}``; the first row carries the wrong
    instrument token 1, as the broker's own sample does."""
    row = {name: value for name, value in order.data().items() if name not in HISTORY_OMITS}
    row["order_timestamp"] = stamp(ns)
    if not order.history:
        row["instrument_token"] = 1
    return row


def trade_data(trade: Trade, order: Order) -> Data:
    """The object of ``GET /trades``; its ``order_timestamp`` is a time of day."""
    row = trade.listed.row
    return {
        "trade_id": trade.trade_id,
        "order_id": trade.order_id,
        "exchange": row.exchange,
        "tradingsymbol": row.tradingsymbol,
        "instrument_token": row.token,
        "product": trade.product,
        "average_price": rupees(trade.price_paise),
        "quantity": trade.units,
        "exchange_order_id": order.exchange_order_id,
        "transaction_type": trade.side,
        "fill_timestamp": stamp(trade.ns),
        "order_timestamp": stamp(order.placed_ns)[11:],
        "exchange_timestamp": stamp(trade.ns),
    }

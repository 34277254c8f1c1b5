"""Orders at the broker, looked at: who they are, whether they live, what they may still do.

Lives here: the words of an order's life, the broker's words for its end, finders. May import:
events, engine. Always holds: pure; a status that is not in ``ENDS`` is a working one, whatever it
says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from engine.books import ENTRY, EXIT, PROTECT
from engine.shorts import COVER, is_leg
from engine.state import Leg, Order, Position, State
from events.broker import BrokerReport

HELD: Final = "HELD"
PENDING: Final = "PENDING"
SENT: Final = "SENT"
UNKNOWN: Final = "UNKNOWN"
WORKING: Final = "WORKING"
PARTIAL: Final = "PARTIAL"

PLACE: Final = "PLACE"
MODIFY: Final = "MODIFY"
CANCEL: Final = "CANCEL"

LIMIT: Final = "LIMIT"
STOP: Final = "SL"

ENDS: Final[dict[str, str]] = {
    "COMPLETE": "FILLED",
    "CANCELLED": "CANCELLED",
    "CANCELLED AMO": "CANCELLED",
    "REJECTED": "REJECTED",
}
"""The broker's words for an order that is over, and ours (Kite Connect v3, order statuses)."""

RESTING: Final = ("OPEN", "TRIGGER PENDING")
"""The broker's words for an order that rests and that nothing is being done to."""

_OWN_TAG: Final = re.compile("[0-9a-f]{16}S?(X[0-9A-Z]+)?")

PASSING: Final = (
    "PUT ORDER REQ RECEIVED",
    "VALIDATION PENDING",
    "OPEN PENDING",
    "MODIFY VALIDATION PENDING",
    "MODIFY PENDING",
    "CANCEL PENDING",
)
"""The broker's words for an order that is on its way to something: it takes no change meanwhile."""

UNSENT: Final = (HELD, PENDING)
AT_BROKER: Final = (SENT, UNKNOWN, WORKING, PARTIAL)


def legs(state: State) -> Iterator[tuple[Order, Leg]]:
    """The working orders that are or will be at the broker."""
    for order in state.orders:
        if order.leg is not None:
            yield order, order.leg


def find(orders: tuple[Order, ...], report: BrokerReport) -> Order | None:
    """The order that a report tells of: by the broker's id, else by our tag. A tag tells of an
    order only while that has no other id: ids of the broker come again on another day."""
    for order in orders:
        if order.leg is not None and order.leg.broker_order_id == report.broker_order_id:
            return order
    for order in orders:
        known = order.leg is not None and bool(order.leg.broker_order_id)
        if order.leg is not None and not known and order.authority in report.tags:
            return order
    return None


def working(state: State, report: BrokerReport) -> Order | None:
    """Our working order that a report tells of."""
    return find(state.orders, report)


def ended(state: State, report: BrokerReport) -> Order | None:
    """Our order of today that is over and that a report still tells of."""
    return find(state.desk.ended, report)


def is_stale(order: Order, report: BrokerReport) -> bool:
    """Whether a report tells less than what is known: reports come twice and in any order."""
    return report.filled_units < order.filled_units


def own_tag(report: BrokerReport) -> str | None:
    """The tag of a report that is of our making: an intent's id, a sold leg's, or an exit's behind
    one of them."""
    return next((tag for tag in report.tags if _OWN_TAG.fullmatch(tag)), None)


def takes_over(state: State, report: BrokerReport) -> bool:
    """Whether an order carries our tag and these books do not know it: another machine sent it
    under this account's journal, which went on here from a copy. What had ended before the
    session's first books is already in what the session carried."""
    if own_tag(report) is None:
        return False
    return report.status not in ENDS or not state.desk.first_books


def idle(leg: Leg) -> bool:
    """Whether nothing of the order has left unanswered, is wanted, or is being cancelled."""
    return leg.wish is None and leg.flight is None and not leg.cancelling


def remaining(order: Order) -> int:
    """Units of an order that are not filled."""
    return order.quantity_units - order.filled_units


def of_position(state: State, position: Position, role: str) -> Order | None:
    """The working order of a role that belongs to a position."""
    for order in state.orders:
        if order.role != role or order.leg is None:
            continue
        if role == ENTRY and order.authority == position.position_id:
            return order
        if role in (EXIT, PROTECT) and order.authority.startswith(position.position_id):
            return order
    return None


def held_units(state: State, contract: int, product: str | None = None) -> int:
    """Units of a contract in our positions: of one product, or of all."""
    return sum(
        one.quantity_units
        for one in state.positions
        if one.contract == contract and product in (None, own_product(state, one))
    )


def sold_units(state: State, contract: int, product: str) -> int:
    """Units of a contract that are sold against our longs, in one product."""
    return -sum(
        one.quantity_units
        for one in state.shorts
        if one.contract == contract and own_product(state, one) == product
    )


def own_product(state: State, position: Position) -> str:
    """The product that a position is held in: its own, or where the broker refused a sale in that
    one and its books show the contract in another alone, that: somebody converted it."""
    own = position.product or state.config.orders.product
    refused = refused_ns(state, position, "PRODUCT")
    if not refused or refused >= state.desk.nets_ns:
        return own
    nets = [one for one in state.desk.nets if one.contract == position.contract and one.net_units]
    if any(one.product == own for one in nets) or len(nets) != 1 or nets[0].net_units < 0:
        return own
    return nets[0].product


def position_key(state: State, position: Position) -> tuple[str, str, str]:
    """What the broker's books call a position: its exchange, its symbol, the product it is held in.
    Joined with colons it is the subject of every difference and incident about that position's
    net, whoever raises it."""
    row = state.instruments[position.contract]
    return row.exchange, row.tradingsymbol, own_product(state, position)


def refused_ns(state: State, position: Position, fault: str) -> int:
    """When a sale of a position was last refused for a reason, ns UTC; 0 for never."""
    at = 0
    for one in refused_for(state, position, fault):
        assert one.leg is not None
        at = max(at, one.leg.sent_ns)
    return at


def refused_for(state: State, position: Position, fault: str) -> list[Order]:
    """Sales of a position that were refused for a reason, the oldest first."""
    return [
        one
        for one in state.desk.ended
        if one.leg is not None
        and one.leg.fault == fault
        and one.role in (EXIT, PROTECT, COVER)
        and one.authority.startswith(position.position_id)
        and is_leg(position.position_id) == (one.role == COVER)
    ]


def with_leg(state: State, order: Order, leg: Leg) -> State:
    """The state with a working order's leg replaced."""
    orders = tuple(replace(one, leg=leg) if one is order else one for one in state.orders)
    return replace(state, orders=orders)

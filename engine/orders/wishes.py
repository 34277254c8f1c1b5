"""What is wanted of an order, as events: sent, changed, cancelled, or ended before it left.

Lives here: the forms of the protocol's wishes, prices on tick, whose order it is. May import:
events, engine. Always holds: pure; what is in doubt is searched before it is cancelled.
"""

from __future__ import annotations

from engine.orders.legs import CANCEL, PARTIAL, UNSENT, WORKING, idle
from engine.paper import order_event
from engine.state import Leg, Order, State
from events.base import Event
from events.governance import OrderWanted


def withdrawn(order: Order, leg: Leg, reason: str) -> list[Event]:
    """End what has not left, cancel what rests; what is in doubt is searched first."""
    if leg.status in UNSENT and leg.flight is None:
        return [order_event(order, "CANCELLED", reason, order.filled_units)]
    if leg.status in (WORKING, PARTIAL) and idle(leg) and leg.broker_order_id and not leg.doubt:
        return [to_cancel(order, reason)]
    return []


def to_cancel(order: Order, reason: str) -> OrderWanted:
    """The wish that an order be taken from the broker."""
    assert order.leg is not None
    return OrderWanted(
        order.order_id, order.authority, CANCEL, order.leg.order_type, order.quantity_units,
        None, None, reason,
    )  # fmt: skip


def to_send(
    order: Order, action: str, order_type: str, units: int, limit_paise: int, trigger_paise: int
) -> OrderWanted:
    """The wish that an order be sent, or changed to this."""
    return OrderWanted(
        order.order_id, order.authority, action, order_type, units, limit_paise,
        trigger_paise or None, "ORDER_WANTED",
    )  # fmt: skip


def was(order: Order, status: str) -> bool:
    """Whether an order stands at a status."""
    return order.leg is not None and order.leg.status == status


def tick(state: State, contract: int) -> int:
    """The contract's tick in paise, 1 where none is known."""
    return max(state.instruments[contract].tick_paise, 1)


def on_tick(state: State, contract: int, paise: int) -> int:
    """A price rounded down to the contract's tick."""
    return paise - paise % tick(state, contract)

"""What opens a position at a broker: when it may leave, and when it is cancelled.

Lives here: the levels of the kill switch, the ends of entries and of pairs' sales, the rule of the
role ENTRY. May import: events, engine. Always holds: pure; what opens a position is sent once; no
exit asks any of this.
Start reading at ``entry``.
"""

from __future__ import annotations

from typing import Final

from engine.books import STOPPING
from engine.orders.legs import LIMIT, PARTIAL, PLACE, UNSENT, WORKING, idle
from engine.orders.wishes import to_cancel, to_send
from engine.paper import order_event
from engine.risk.states import ALLOWS, is_risk_halt
from engine.state import Leg, Order, State
from events.base import Event

KILL_CANCEL: Final = 2
KILL_FLATTEN: Final = 3
"""Levels of the kill switch; 1 lets nothing new leave."""


def stopped(state: State) -> bool:
    """Whether nothing that opens a position leaves any more. A soft halt of the risk limits is of
    what is approved after it."""
    others = any(not is_risk_halt(code) for code in state.account.halts)
    return not ALLOWS[state.risk.status].working or others or state.desk.kill > 0


def unwanted(state: State) -> bool:
    """Whether what is at the broker and opens a position is cancelled: where the session stops
    nobody would be there when it is filled."""
    hard = not ALLOWS[state.risk.status].working
    return hard or STOPPING in state.account.halts or state.desk.kill >= KILL_CANCEL


def at_home(leg: Leg) -> bool:
    """Whether an order has not left."""
    return leg.status in UNSENT and leg.flight is None


def ended(order: Order, *, over: bool) -> Event:
    """The end of an order that has not left: its time is over, or it is not to leave any more."""
    return order_event(order, "CANCELLED", _why(over), order.filled_units)


def lapsed(state: State, order: Order, leg: Leg, *, over: bool) -> list[Event]:
    """The wish to cancel what rests at the broker, where its time is over or nothing is to be
    opened; what is in doubt is searched first."""
    rests = leg.status in (WORKING, PARTIAL) and idle(leg) and not leg.doubt
    return [to_cancel(order, _why(over))] if rests and (over or unwanted(state)) else []


def _why(over: bool) -> str:
    return "ORDER_LAPSED" if over else "ORDER_KILLED"


def entry(state: State, order: Order, leg: Leg) -> list[Event]:
    """An entry is sent once; when its time is over, or entries are, it is cancelled."""
    over = state.now >= order.expires_ns
    if not at_home(leg):
        return lapsed(state, order, leg, over=over)
    if over or stopped(state):
        return [ended(order, over=over)]
    if leg.wish is not None:
        return []
    return [to_send(order, PLACE, LIMIT, order.quantity_units, order.limit_paise, 0)]

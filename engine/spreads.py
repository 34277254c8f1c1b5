"""The life of a pair: a long that is bought first, and a leg that is sold against it.

Lives here: the sale that waits for its long, what a pair is closed by, and in which order. May
import: events, engine. Always holds: nothing is sold before as much is held of the long; the sold
leg is bought back before anything of the long is sold; a pair whose leg was not sold whole, in the
time that an entry has, is closed: what is left of it would be another trade than the one approved;
no entry gate is asked for any of it. At a broker the orders' own protocol sends what is signalled
here (``engine.orders.pairs``), and an end that is not told yet is waited for.
Start reading at ``decide_pairs``.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from engine.books import ENTRY, exit_id, exit_working, order_of, own_id
from engine.exits import PERSON, REST, Fired, all_of_it, first_of, is_pair, may_exit
from engine.lookup import Lookup
from engine.orders.past import may_try_again
from engine.orders.protocol import asked_again
from engine.orders.route import to_broker
from engine.orders.wishes import withdrawn
from engine.paper import NOT_DUE_NS, order_event
from engine.shorts import COVER, HELD, RELEASED, SHORT, leg_id, long_of, short_of
from engine.state import NEW_LEG, Order, Position, State
from events.base import Event
from events.orders import ExitSignalled, OrderChanged, SpreadApproved

MS: Final = 1_000_000
BROKEN: Final = "EXIT_SPREAD_BROKEN"


def decide_pairs(state: State) -> list[Event]:
    """What is to be done for the pairs at this moment, in order of their longs."""
    outputs: list[Event] = []
    for position in state.positions:
        if is_pair(state, position) and position.quantity_units > 0:
            outputs.extend(_decide(state, position))
    for leg in state.shorts:
        if _is_bare(state, leg):
            outputs.extend(_bought_back(state, leg, (BROKEN, None, None)))
    return outputs


def _is_bare(state: State, leg: Position) -> bool:
    """Whether more is sold than is held of the long, or the long is on its way out: somebody else
    sold it, or the sale was filled after it was thought to be over."""
    long = long_of(state, leg.position_id)
    held = long.quantity_units if long is not None else 0
    leaving = long is not None and exit_working(state, long)
    return leg.quantity_units < 0 and (held < -leg.quantity_units or leaving)


def _decide(state: State, position: Position) -> list[Event]:
    leg = short_of(state, position.position_id)
    sold = -leg.quantity_units if leg is not None else 0
    sale = _order(state, position, SHORT)
    if exit_working(state, position) or _order(state, position, COVER) is not None:
        return []
    if sold > position.quantity_units:
        return []  # it is bare
    fired = _fired(state, position, leg, sold, sale)
    if fired is not None:
        return _closed(state, position, leg, sale, fired)
    if to_broker(state):
        return []  # the sale leaves by the orders' own protocol
    if sale is not None and sale.due_ns == NOT_DUE_NS and not _entering(state, position):
        units = min(sale.quantity_units, position.quantity_units)
        return [replace(order_event(sale, "WORKING", RELEASED, 0), quantity_units=units)]
    return []


def _fired(
    state: State, position: Position, leg: Position | None, sold: int, sale: Order | None
) -> Fired | None:
    """Why the pair is to be closed, None while it is not."""
    if leg is not None and sold == 0:
        return leg.exit_reason, None, None  # its leg was bought back: the long follows
    rules = (*PERSON, _net_stop, _net_target, *REST) if sold else None
    fired = first_of(state, position, rules) if rules else first_of(state, position)
    if fired is not None:
        return fired
    whole = sold == position.quantity_units
    waits = sale is not None or _entering(state, position)
    return None if whole or waits else (BROKEN, None, None)


def _closed(
    state: State, position: Position, leg: Position | None, sale: Order | None, fired: Fired
) -> list[Event]:
    """The next step of closing: no more is sold of the leg, it is bought back, the long is sold."""
    events: list[Event] = []
    if sale is not None:
        events.extend(_withdrawn(state, sale))
        if not _ends(events, sale):
            return events  # nothing of the long is sold while it may still be filled
    if leg is None or leg.quantity_units == 0:
        ready = may_exit(state, position)
        return [*events, *all_of_it(state, position, fired)] if ready else events
    entry = order_of(state, own_id(state, position.position_id))
    if entry is not None:
        events.extend(_withdrawn(state, entry))
    return [*events, *_bought_back(state, leg, fired)]


def _withdrawn(state: State, order: Order) -> list[Event]:
    """On paper an order ends at once; at a broker its end is asked for, and told later."""
    if order.leg is None:
        return [order_event(order, "CANCELLED", "ORDER_EXITED", order.filled_units)]
    wished = withdrawn(order, order.leg, "ORDER_EXITED")
    return [one for one in wished if not asked_again(state, order.leg, one)]


def _ends(events: list[Event], order: Order) -> bool:
    """Whether an order is over by these events."""
    return any(isinstance(one, OrderChanged) and one.order_id == order.order_id for one in events)


def _bought_back(state: State, leg: Position, fired: Fired) -> list[Event]:
    """The signal that buys a leg back, once: at a broker again only after a while."""
    if any(one.role == COVER and one.authority.startswith(leg.position_id) for one in state.orders):
        return []
    if to_broker(state) and not may_try_again(state, leg, COVER):
        return []
    reason, trigger, seen = fired
    seen = seen if trigger is not None else None  # what a clock saw is the long's bid
    due = state.now if to_broker(state) else state.now + state.config.paper.latency_ms * MS
    return [
        ExitSignalled(
            exit_id(state, leg), leg.position_id, leg.contract, reason, -leg.quantity_units,
            trigger, seen, due,
        )
    ]  # fmt: skip


def _order(state: State, position: Position, role: str) -> Order | None:
    wanted = leg_id(position.position_id)
    for one in state.orders:
        if one.role == role and one.authority.startswith(wanted):
            return one
    return None


def _entering(state: State, position: Position) -> bool:
    return any(one.role == ENTRY and one.authority == position.position_id for one in state.orders)


def unwanted_sales(state: State, entry_id: str) -> list[Event]:
    """The sale that waited for an entry which ended without a fill."""
    if any(one.position_id == entry_id for one in state.positions):
        return []
    return [
        order_event(one, "CANCELLED", "ORDER_NOT_NEEDED", 0)
        for one in state.orders
        if one.role == SHORT and one.authority == leg_id(entry_id)
    ]


# --- what a pair is worth ------------------------------------------------------------------------


def net_paise(state: State, position: Position) -> int | None:
    """What a unit of the pair would bring now: the long's bid less the sold leg's ask; None where
    one of them is not quoted, or a book is crossed."""
    leg = short_of(state, position.position_id)
    bought = state.quotes[position.contract]
    sold = state.quotes[leg.contract] if leg is not None else None
    if bought is None or sold is None or not (bought.two_sided and sold.two_sided):
        return None
    return bought.bid_paise - sold.ask_paise


def _net_stop(state: State, position: Position, bid: int) -> Fired | None:
    leg, net = short_of(state, position.position_id), net_paise(state, position)
    if leg is None or net is None or net > leg.stop_paise:
        return None
    return "EXIT_STOP", leg.stop_paise, net


def _net_target(state: State, position: Position, bid: int) -> Fired | None:
    leg, net = short_of(state, position.position_id), net_paise(state, position)
    if leg is None or leg.target_paise <= 0 or net is None or net < leg.target_paise:
        return None
    return "EXIT_TARGET", leg.target_paise, net


# --- the sale ------------------------------------------------------------------------------------


def apply_spread_approved(state: State, event: SpreadApproved, ts: int, look: Lookup) -> State:
    """The sale exists from its approval on, held until its long is."""
    entry = order_of(state, own_id(state, event.intent_id))
    assert entry is not None, f"the pair {event.intent_id} has no entry"
    sale = replace(
        entry,
        order_id=own_id(state, event.leg_id),
        authority=event.leg_id,
        role=SHORT,
        contract=event.contract,
        side="SELL",
        quantity_units=event.quantity_units,
        limit_paise=event.limit_paise,
        reference_paise=event.reference_paise,
        due_ns=state.now if entry.leg is not None else NOT_DUE_NS,
        expires_ns=0,
        leg=replace(NEW_LEG, status="HELD") if entry.leg is not None else None,
        risk_paise=0,
        stop_paise=event.stop_paise,
        target_paise=event.target_paise,
        trail_paise=0,
    )
    return replace(state, orders=(*state.orders, sale))


def sale_of(state: State, event: SpreadApproved) -> Event:
    """That the sale waits."""
    sale = order_of(state, own_id(state, event.leg_id))
    assert sale is not None
    return order_event(sale, "HELD", HELD, 0)

"""The legs of a pair at a broker: what is sold against a long, and what buys that back.

Lives here: the rules of the roles SHORT and COVER, what a long's own orders may do meanwhile. May
import: events, engine. Always holds: pure; the sale leaves once, when the entry is over, for no
more than is held of the long and while no stop of the long can fire; what buys back is for no more
than is sold; nothing of the long is sold that the sold leg still stands on.
Start reading at ``sale``, then ``cover``.
"""

from __future__ import annotations

from engine.books import ENTRY, PROTECT, holding_key
from engine.orders.entries import at_home, ended, lapsed, stopped
from engine.orders.incidents import Incidents
from engine.orders.legs import (
    AT_BROKER,
    HELD,
    LIMIT,
    PARTIAL,
    PENDING,
    PLACE,
    WORKING,
    idle,
    legs,
    of_position,
    own_product,
    position_key,
    remaining,
)
from engine.orders.past import slice_units, waits_for_books, waits_for_hand
from engine.orders.pricing import leaving_paise, repriced
from engine.orders.reports import difference_of, in_doubt
from engine.orders.wishes import to_cancel, to_send, withdrawn
from engine.paper import order_event
from engine.shorts import SHORT, leg_id, leg_of, long_of, short_of
from engine.state import Leg, Order, Position, State
from events.base import Event

# --- what the legs do to each other --------------------------------------------------------------


def sale_of(state: State, position: Position) -> Order | None:
    """The order that sells a long's leg, while it works or waits."""
    wanted = leg_id(position.position_id)
    for one in state.orders:
        if one.role == SHORT and one.authority == wanted and one.leg is not None:
            return one
    return None


def bound_units(state: State, position: Position) -> int:
    """Units of a long that what is sold against it stands on, or may by now."""
    leg, order = short_of(state, position.position_id), sale_of(state, position)
    units = -leg.quantity_units if leg is not None else 0
    if order is None or order.leg is None or at_home(order.leg):
        return units
    return units + remaining(order)


def takes_no_stop(state: State, position: Position) -> bool:
    """Whether a long may have no resting stop: what is sold against it, or is about to be, would be
    left without it when the stop fires. Its loss is what the pair cost, whatever happens."""
    if bound_units(state, position):
        return True
    order = sale_of(state, position)
    if order is None or order.leg is None:
        return False
    return order.leg.wish is not None or may_go(state, position)


def may_go(state: State, position: Position) -> bool:
    """Whether the sale of a leg may leave, but for the stop of its long: the entry is over, and
    what is held of the long is no guess."""
    if position.quantity_units <= 0 or stopped(state):
        return False
    if of_position(state, position, ENTRY) is not None:
        return False
    product = own_product(state, position)
    doubted = in_doubt(state, position.contract, product)
    return not doubted and not waits_for_books(state, position, position.opened_ns)


# --- the sale ------------------------------------------------------------------------------------


def sale(state: State, order: Order, leg: Leg) -> list[Event]:
    """A sale is sent once, for its time; when that is over, or entries are, it is cancelled, and so
    it is where less is held of the long than it could leave sold."""
    position = long_of(state, order.authority)
    if leg.status == HELD:
        return _released(state, position, order)
    over = state.now >= order.expires_ns
    if at_home(leg):
        return [ended(order, over=over)] if over or stopped(state) else []
    if position is None or bound_units(state, position) > position.quantity_units:
        return withdrawn(order, leg, "EXIT_EXCEEDS_LONG")
    return lapsed(state, order, leg, over=over)


def _released(state: State, position: Position | None, order: Order) -> list[Event]:
    if position is None:
        return []  # its entry still works; where that ends without a fill, so does this
    if position.quantity_units == 0:
        return [order_event(order, "CANCELLED", "ORDER_NOT_NEEDED", 0)]
    if of_position(state, position, ENTRY) is None and stopped(state):
        return [order_event(order, "CANCELLED", "ORDER_KILLED", 0)]
    if not may_go(state, position) or of_position(state, position, PROTECT) is not None:
        return []
    units = min(order.quantity_units, position.quantity_units)
    return [to_send(order, PLACE, LIMIT, units, order.limit_paise, 0)]


# --- what buys back ------------------------------------------------------------------------------


def cover(state: State, order: Order, leg: Leg) -> list[Event]:
    """What buys a sold leg back: held until the sale is over, then priced above the ask, higher
    each time, and for no more than is sold."""
    short = leg_of(state, order.authority)
    if short is None or short.quantity_units == 0:
        return withdrawn(order, leg, "ORDER_NOT_NEEDED")
    if leg.status == HELD:
        return _release_cover(state, short, order)
    if leg.status not in (WORKING, PARTIAL) or not idle(leg) or leg.doubt:
        return []
    if remaining(order) > _coverable(state, short, order):
        return [to_cancel(order, "EXIT_EXCEEDS_SHORT")]
    return repriced(state, order, leg)


def _release_cover(state: State, short: Position, order: Order) -> list[Event]:
    long = long_of(state, short.position_id)
    selling = sale_of(state, long) if long is not None else None
    if selling is not None:
        assert selling.leg is not None
        return withdrawn(selling, selling.leg, "ORDER_EXITED")
    if _less_is_sold(state, short) or waits_for_books(state, short, order.due_ns):
        return []
    if waits_for_hand(state, order):
        return []
    units, incidents = _coverable(state, short, order), Incidents(state)
    if units <= 0:
        subject = ":".join(position_key(state, short))
        incidents.raised("POSITION_DIFFERS", subject, held=short.quantity_units)
        return [order_event(order, "CANCELLED", "EXIT_EXCEEDS_SHORT", 0), *incidents.events]
    price = leaving_paise(state, order, 0)
    if price is None:
        incidents.raised("EXIT_NO_ASK", short.position_id, units=units)
        return incidents.events
    incidents.resolved("EXIT_NO_ASK", short.position_id)
    return [to_send(order, PLACE, LIMIT, units, price, 0), *incidents.events]


def _coverable(state: State, short: Position, order: Order) -> int:
    """Units that an order may buy back: what is sold by our books, less what others hold beside it
    and what other orders buy back already, no more than the broker's books showed where two
    comparisons in a row found less, and one slice at most."""
    key = position_key(state, short)
    product = own_product(state, short)
    others = sum(one.net_units for one in state.desk.holdings if holding_key(one) == key)
    free = -short.quantity_units - max(others, 0)
    found = difference_of(state, short.contract, product)
    if found is not None and found.times > 1:
        free = min(free, max(-found.theirs, 0))
    for one, leg in legs(state):
        buys = one.side == "BUY" and one.contract == short.contract and one is not order
        if buys and leg.status in (*AT_BROKER, PENDING):
            free -= remaining(one)
    return max(min(free, slice_units(state, short)), 0)


def _less_is_sold(state: State, short: Position) -> bool:
    """Whether the last comparison, and none before it, found less sold than our books have."""
    found = difference_of(state, short.contract, own_product(state, short))
    return found is not None and found.times == 1 and found.theirs > found.ours

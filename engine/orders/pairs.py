"""The legs of a pair at a broker: what is sold against a long, and what buys that back.

Lives here: the rules of the roles SHORT and COVER, what a long's own orders may do meanwhile. May
import: events, engine. Always holds: pure; the sale leaves once, when the entry is over, for no
more than is held of the long and while no stop of the long can fire; what buys back is for no more
than is sold; nothing of the long is sold that the sold leg still stands on.
Start reading at ``sale``, then ``cover``.
"""

from __future__ import annotations

from typing import Final

from engine.books import ENTRY, MS, PROTECT, STOPPING, holding_key
from engine.orders.incidents import Incidents
from engine.orders.legs import (
    AT_BROKER,
    HELD,
    LIMIT,
    MODIFY,
    PARTIAL,
    PASSING,
    PENDING,
    PLACE,
    UNSENT,
    WORKING,
    idle,
    legs,
    of_position,
    own_product,
    position_key,
    remaining,
)
from engine.orders.past import refused_before, slice_units, waits_for_books, waits_for_hand
from engine.orders.reports import difference_of, in_doubt
from engine.orders.wishes import to_cancel, to_send, withdrawn
from engine.paper import order_event
from engine.risk.states import ALLOWS, is_risk_halt
from engine.shorts import SHORT, leg_id, leg_of, long_of, short_of
from engine.state import Leg, Order, Position, State
from engine.times import own_times
from events.base import Event

BPS: Final = 10_000
KILL_CANCEL: Final = 2


# --- what holds for every entry ------------------------------------------------------------------


def stopped(state: State) -> bool:
    """Whether nothing that opens a position leaves any more. A soft halt of the risk limits is of
    what is approved after it."""
    others = any(not is_risk_halt(code) for code in state.account.halts)
    return not ALLOWS[state.risk.status].working or others or state.desk.kill > 0


def ends(state: State) -> bool:
    """Whether what is at the broker and opens a position is cancelled: where the session stops
    nobody would be there when it is filled."""
    hard = not ALLOWS[state.risk.status].working
    return hard or STOPPING in state.account.halts or state.desk.kill >= KILL_CANCEL


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
    away = order is not None and not _at_home(order)
    return units + (remaining(order) if order is not None and away else 0)


def _at_home(order: Order) -> bool:
    """Whether an order has not left."""
    leg = order.leg
    return leg is not None and leg.status in UNSENT and leg.flight is None


def takes_no_stop(state: State, position: Position) -> bool:
    """Whether a long may have no resting stop: what is sold against it, or is about to be, would be
    left without it when the stop fires. Its loss is what the pair cost, whatever happens."""
    if bound_units(state, position):
        return True
    order = sale_of(state, position)
    return order is not None and ((order.leg is not None and order.leg.wish is not None) or
                                  may_go(state, position, order))  # fmt: skip


def may_go(state: State, position: Position, order: Order) -> bool:
    """Whether a sale may leave, but for the stop of its long: the entry is over, and what is held
    of the long is no guess."""
    if position.quantity_units <= 0 or stopped(state):
        return False
    if of_position(state, position, ENTRY) is not None:
        return False
    product = own_product(state, position)
    doubted = in_doubt(state, position.contract, product)
    return not doubted and not waits_for_books(state, position, position.opened_ns)


# --- the sale ------------------------------------------------------------------------------------


def sale(state: State, order: Order, leg: Leg) -> list[Event]:
    """A sale is sent once, for its time; when that is over, or entries are, it is cancelled."""
    position = long_of(state, order.authority)
    held = position.quantity_units if position is not None else 0
    if leg.status == HELD:
        return _released(state, position, order)
    over = state.now >= order.expires_ns
    if _at_home(order):
        if over or stopped(state):
            return [order_event(order, "CANCELLED", _ended(over), order.filled_units)]
        return []
    sold = short_of(state, order.authority.removesuffix("S"))
    naked = remaining(order) - (sold.quantity_units if sold is not None else 0) > held
    if leg.status not in (WORKING, PARTIAL) or not idle(leg) or leg.doubt:
        return []
    if naked:
        return [to_cancel(order, "EXIT_EXCEEDS_LONG")]
    return [to_cancel(order, _ended(over))] if over or ends(state) else []


def _released(state: State, position: Position | None, order: Order) -> list[Event]:
    if position is None:
        return []  # its entry still works; where that ends without a fill, so does this
    if position.quantity_units == 0:
        return [order_event(order, "CANCELLED", "ORDER_NOT_NEEDED", 0)]
    if of_position(state, position, ENTRY) is None and stopped(state):
        return [order_event(order, "CANCELLED", "ORDER_KILLED", 0)]
    if not may_go(state, position, order) or of_position(state, position, PROTECT) is not None:
        return []
    units = min(order.quantity_units, position.quantity_units)
    return [to_send(order, PLACE, LIMIT, units, order.limit_paise, 0)]


def _ended(over: bool) -> str:
    return "ORDER_LAPSED" if over else "ORDER_KILLED"


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
    return _repriced(state, order, leg)


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
    price = _cover_price(state, order, 0)
    if price is None:
        incidents.raised("EXIT_NO_ASK", short.position_id, units=units)
        return incidents.events
    incidents.resolved("EXIT_NO_ASK", short.position_id)
    return [to_send(order, PLACE, LIMIT, units, price, 0), *incidents.events]


def _repriced(state: State, order: Order, leg: Leg) -> list[Event]:
    settings = state.config.orders
    if leg.broker_status in PASSING or state.now - leg.priced_ns < settings.exit_reprice_ms * MS:
        return []
    price = _cover_price(state, order, leg.steps + 1)
    if price is None or price == leg.limit_paise:
        return []
    if leg.modified >= settings.modifications_max:
        return [to_cancel(order, "ORDER_REPLACED")]
    return [to_send(order, MODIFY, LIMIT, order.quantity_units, price, 0)]


def _cover_price(state: State, order: Order, step: int) -> int | None:
    """The limit after so many re-pricings, in paise: as far above the ask as an exit goes below the
    bid; None without an ask."""
    quote = state.quotes[order.contract]
    ask = quote.ask_paise if quote is not None else 0
    if ask <= 0:
        return None
    settings = state.config.orders
    late = state.now >= own_times(state, order.underlying).deadline_ns
    steps = settings.exit_steps_max if late else min(step, settings.exit_steps_max)
    collar = settings.exit_collar_bps + settings.exit_step_bps * steps
    if step == 0 and refused_before(state, order):
        collar = 0
    price = ask + ask * min(collar, BPS) // BPS
    return price + -price % max(state.instruments[order.contract].tick_paise, 1)


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

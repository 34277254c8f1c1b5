"""The order protocol: what of entries, stops and exits is wanted, cancelled, re-priced or given up.

Lives here: the rules that look at every order and position of a broker's session. May import:
events, engine. Always holds: pure; an exit leaves only when stop and entry of its position are
known to be over, for what is then held and no part of it sells already, and no larger than an order
may be; a stop rests for every long but one that a sold leg stands on, and follows its position; a
cancel is wanted once until something answers it; calling it again after its events were applied
leads to nothing new (``tests/engine/orders`` shows the fixed point).
Start reading at ``decide_orders``.
"""

from __future__ import annotations

from typing import Final

from engine.books import (
    ENTRY,
    EXIT,
    EXIT_PROTECT,
    MS,
    PROTECT,
    TP1,
    exit_id,
    exit_working,
    taking_part,
)
from engine.orders import entries, pairs
from engine.orders.incidents import Incidents
from engine.orders.legs import (
    AT_BROKER,
    CANCEL,
    HELD,
    LIMIT,
    MODIFY,
    PARTIAL,
    PASSING,
    PENDING,
    PLACE,
    STOP,
    UNSENT,
    WORKING,
    idle,
    legs,
    of_position,
    own_product,
    position_key,
    remaining,
)
from engine.orders.past import (
    ended_of,
    may_try_again,
    slice_units,
    unheard_since_ns,
    waits_for_books,
)
from engine.orders.pricing import leaving_paise, repriced
from engine.orders.reduce import CANCEL_PATIENCE_NS
from engine.orders.reports import in_doubt, sellable
from engine.orders.route import to_broker, wants_stop
from engine.orders.wishes import on_tick, tick, to_cancel, to_send, was, withdrawn
from engine.paper import order_event
from engine.shorts import COVER, SHORT
from engine.state import Leg, Order, Position, State
from events.base import Event
from events.governance import OrderWanted
from events.orders import ExitSignalled

BPS: Final = 10_000
PASSING_PATIENCE_NS: Final = 30_000 * MS
"""So long a refused cancel waits for an order that is on its way to something."""


def decide_orders(state: State) -> list[Event]:
    """The next wishes, ends and signals of all orders; nothing where they go to no broker."""
    if not to_broker(state):
        return []
    events: list[Event] = []
    for order, leg in legs(state):
        rule = _BY_ROLE.get(order.role)
        if rule is not None:
            events.extend(
                one for one in rule(state, order, leg) if not asked_again(state, leg, one)
            )
    for position in state.positions:
        if position.quantity_units > 0:
            events.extend(_guard(state, position))
    return events


def asked_again(state: State, leg: Leg, event: Event) -> bool:
    """Whether an event wants a cancel that the broker turned down a moment ago: asked once more,
    and once more, it would only cost messages that an exit may need."""
    if not isinstance(event, OrderWanted) or (event.action, leg.answered) != (CANCEL, CANCEL):
        return False
    passing = leg.broker_status in PASSING
    return state.now - leg.sent_ns < (PASSING_PATIENCE_NS if passing else CANCEL_PATIENCE_NS)


# --- stops ---------------------------------------------------------------------------------------


def _stop(state: State, order: Order, leg: Leg) -> list[Event]:
    """A resting stop: sent at once, moved with its position, withdrawn without one."""
    position = _position(state, order)
    if position is None or position.quantity_units == 0:
        return withdrawn(order, leg, "ORDER_NOT_NEEDED")
    if of_position(state, position, EXIT) is not None:
        return withdrawn(order, leg, "ORDER_EXITED")
    if pairs.takes_no_stop(state, position):
        return withdrawn(order, leg, "ORDER_PAIRED")
    if leg.status == HELD:
        trigger = stop_level(state, position)
        units = _sized(state, position, order)
        if units <= 0 or _doubted(state, position, order):
            return []
        return [to_send(order, PLACE, STOP, units, _stop_limit(state, order, trigger), trigger)]
    if leg.status not in (WORKING, PARTIAL) or not idle(leg) or leg.doubt:
        return []
    return _moved_stop(state, position, order, leg)


def _moved_stop(state: State, position: Position, order: Order, leg: Leg) -> list[Event]:
    units, settings = _sized(state, position, order), state.config.orders
    if _doubted(state, position, order):
        return []
    woken = leg.broker_status == "OPEN"
    if units <= 0 or (woken and remaining(order) > units):
        return [to_cancel(order, "EXIT_EXCEEDS_LONG")]
    trigger = stop_level(state, position)
    resized = remaining(order) != units
    step = leg.trigger_paise * settings.trail_step_bps // BPS
    due = state.now - leg.priced_ns >= settings.trail_every_ms * MS
    raised = due and trigger >= leg.trigger_paise + max(step, 1)
    if woken or leg.broker_status in PASSING or not (resized or raised):
        return []
    if leg.modified >= settings.modifications_max:
        return [to_cancel(order, "ORDER_REPLACED")]
    level = max(trigger, leg.trigger_paise)
    total = units + order.filled_units
    return [to_send(order, MODIFY, STOP, total, _stop_limit(state, order, level), level)]


def stop_level(state: State, position: Position) -> int:
    """Where a position's resting stop belongs, in paise: its stop, or its trail once that is on."""
    average = position.value_paise // max(position.quantity_units, 1)
    trail = position.best_bid_paise - position.trail_paise
    on = position.trail_paise > 0 and trail >= average
    return on_tick(state, position.contract, max(position.stop_paise, trail if on else 0))


def _stop_limit(state: State, order: Order, trigger_paise: int) -> int:
    below = trigger_paise * state.config.orders.stop_gap_bps // BPS
    return max(on_tick(state, order.contract, trigger_paise - below), tick(state, order.contract))


# --- exits ---------------------------------------------------------------------------------------


def _exit(state: State, order: Order, leg: Leg) -> list[Event]:
    """An exit: held until the stop and the entry are over, then priced below the bid, lower each
    time, and for no more than is held."""
    position = _position(state, order)
    if position is None or position.quantity_units == 0:
        return withdrawn(order, leg, "ORDER_NOT_NEEDED")
    if order.reason == TP1 and leg.status in UNSENT and exit_working(state, position):
        # The whole goes now. A part that is at the broker stays: a sale that is cancelled may still
        # be filled, and two that add up to what is held sell it sooner than one after the other.
        return withdrawn(order, leg, "ORDER_EXITED")
    if leg.status == HELD:
        held_back = pairs.bound_units(state, position) > 0
        return [] if held_back else _release(state, position, order)
    if leg.status not in (WORKING, PARTIAL) or not idle(leg) or leg.doubt:
        return []
    if remaining(order) > _sized(state, position, order):
        return [to_cancel(order, "EXIT_EXCEEDS_LONG")]
    return repriced(state, order, leg)


def _release(state: State, position: Position, order: Order) -> list[Event]:
    """Withdraw the entry that stands in an exit's way, as the stop does by itself; once neither is
    there, want it sent."""
    entry = of_position(state, position, ENTRY)
    if entry is not None:
        assert entry.leg is not None
        return withdrawn(entry, entry.leg, "ORDER_EXITED")
    if of_position(state, position, PROTECT) is not None or _doubted(state, position, order):
        return []
    if waits_for_books(state, position, order.due_ns):
        return []
    units = _sized(state, position, order)
    incidents = Incidents(state)
    if order.reason == TP1:
        units = min(units, position.quantity_units - position.keep_units)
        if units <= 0:
            return [order_event(order, "CANCELLED", "ORDER_NOT_NEEDED", 0)]
    elif units <= 0 and taking_part(state, position) is not None:
        return []
    if units <= 0:
        subject = ":".join(position_key(state, position))
        incidents.raised("POSITION_DIFFERS", subject, held=position.quantity_units)
        return [order_event(order, "CANCELLED", "EXIT_EXCEEDS_LONG", 0), *incidents.events]
    price = leaving_paise(state, order, 0)
    if price is None:
        incidents.raised("EXIT_NO_BID", position.position_id, units=units)
        return incidents.events
    incidents.resolved("EXIT_NO_BID", position.position_id)
    return [to_send(order, PLACE, LIMIT, units, price, 0), *incidents.events]


def _sized(state: State, position: Position, order: Order) -> int:
    """Units that an order of a position may sell: what is held and confirmed, less what other
    orders of the contract sell already and what a sold leg stands on, and one slice at most."""
    product = _product(state, position, order)
    free = sellable(state, position.contract, product)
    for one, leg in legs(state):
        same = one.contract == position.contract and (leg.product or product) == product
        sells = one.side == "SELL" and same and one is not order
        if sells and leg.status in (*AT_BROKER, PENDING):
            free -= remaining(one)
    free = min(position.quantity_units, free) - pairs.bound_units(state, position)
    return max(min(free, slice_units(state, position)), 0)


def _product(state: State, position: Position, order: Order) -> str:
    known = order.leg.product if order.leg is not None else ""
    return known or own_product(state, position)


def _doubted(state: State, position: Position, order: Order) -> bool:
    return in_doubt(state, position.contract, _product(state, position, order))


# --- positions -----------------------------------------------------------------------------------


def _guard(state: State, position: Position) -> list[Event]:
    """A long has a stop at the broker, unless it is on its way out or that is waived."""
    incidents = Incidents(state)
    stop = of_position(state, position, PROTECT)
    leaving = of_position(state, position, EXIT) is not None
    rests = stop is not None and stop.leg is not None and stop.leg.status in (WORKING, PARTIAL)
    without = leaving or pairs.takes_no_stop(state, position)
    if rests or without:
        incidents.resolved("POSITION_UNPROTECTED", position.position_id)
    if without or stop is not None or not wants_stop(state):
        return incidents.events
    if not may_try_again(state, position, PROTECT):
        return incidents.events
    if waits_for_books(state, position, unheard_since_ns(state, position)):
        return incidents.events
    tried = ended_of(state, position, PROTECT)
    if len(tried) >= 3 and all(was(one, "REJECTED") for one in tried[-3:]):
        incidents.raised("POSITION_UNPROTECTED", position.position_id)
        return incidents.events
    return [*incidents.events, protect_signal(state, position)]


def protect_signal(state: State, position: Position) -> ExitSignalled:
    """The signal that puts a stop to a long: the authority of an order that only sells it."""
    return ExitSignalled(
        exit_id(state, position), position.position_id, position.contract, EXIT_PROTECT,
        position.quantity_units, stop_level(state, position), None, state.now,
    )  # fmt: skip


# --- parts ----------------------------------------------------------------------------------------


def _position(state: State, order: Order) -> Position | None:
    return next(
        (one for one in state.positions if order.authority.startswith(one.position_id)), None
    )


_BY_ROLE: Final = {
    ENTRY: entries.entry, EXIT: _exit, PROTECT: _stop, SHORT: pairs.sale, COVER: pairs.cover,
}  # fmt: skip
"""The rule of each role. Orders of others have none."""

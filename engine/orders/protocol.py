"""The order protocol: what of entries, stops and exits is wanted, cancelled, re-priced or given up.

Lives here: the rules that look at every order and position of a broker's session. May import:
events, engine. Always holds: pure; an exit leaves only when stop and entry of its position are
known to be over, for what is then held and no part of it sells already, and no larger than an order
may be; a stop follows its position; a cancel is wanted once until something answers it; calling it
again after its events were applied leads to nothing new (``tests/engine/orders`` shows the fixed
point).
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
    STOPPING,
    TP1,
    exit_id,
    exit_working,
    taking_part,
)
from engine.feed import unheard_ns
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
    refused_for,
    remaining,
)
from engine.orders.reduce import CANCEL_PATIENCE_NS
from engine.orders.reports import in_doubt, sellable
from engine.orders.route import to_broker, wants_stop
from engine.paper import order_event
from engine.risk.states import ALLOWS, is_risk_halt
from engine.state import Leg, Order, Position, State
from engine.times import own_times
from events.base import Event
from events.governance import OrderWanted
from events.orders import ExitSignalled

BPS: Final = 10_000
PASSING_PATIENCE_NS: Final = 30_000 * MS
"""So long a refused cancel waits for an order that is on its way to something."""

SILENT_BOOKS_NS: Final = 5_000 * MS
BOOKS_PATIENCE_NS: Final = 10_000 * MS
"""A sale waits so long for books, once what it knows is in doubt."""

KILL_CANCEL: Final = 2
KILL_FLATTEN: Final = 3


def decide_orders(state: State) -> list[Event]:
    """The next wishes, ends and signals of all orders; nothing where they go to no broker."""
    if not to_broker(state):
        return []
    events: list[Event] = []
    for order, leg in legs(state):
        rule = _BY_ROLE.get(order.role)
        if rule is not None:
            events.extend(one for one in rule(state, order, leg) if not _again(state, leg, one))
    for position in state.positions:
        if position.quantity_units > 0:
            events.extend(_guard(state, position))
    return events


def _again(state: State, leg: Leg, event: Event) -> bool:
    """Whether an event wants a cancel that the broker turned down a moment ago: asked once more,
    and once more, it would only cost messages that an exit may need."""
    if not isinstance(event, OrderWanted) or (event.action, leg.answered) != (CANCEL, CANCEL):
        return False
    passing = leg.broker_status in PASSING
    return state.now - leg.sent_ns < (PASSING_PATIENCE_NS if passing else CANCEL_PATIENCE_NS)


# --- entries -------------------------------------------------------------------------------------


def _entry(state: State, order: Order, leg: Leg) -> list[Event]:
    """An entry is sent once; when its time is over, or entries are, it is cancelled."""
    over = state.now >= order.expires_ns
    hard = not ALLOWS[state.risk.status].working
    # A soft halt of the risk limits is of what is approved after it.
    others = any(not is_risk_halt(code) for code in state.account.halts)
    stopped = hard or others or state.desk.kill > 0
    if leg.status in UNSENT and leg.flight is None:
        if leg.wish is None and not over and not stopped:
            wanted = _wanted(order, PLACE, LIMIT, order.quantity_units, order.limit_paise, 0)
            return [wanted]
        if over or stopped:
            return [order_event(order, "CANCELLED", _ended(over), order.filled_units)]
        return []
    ends = STOPPING in state.account.halts  # nobody would be there when it is filled
    cancel = over or hard or ends or state.desk.kill >= KILL_CANCEL
    if cancel and leg.status in (WORKING, PARTIAL) and idle(leg) and not leg.doubt:
        return [_cancel(order, _ended(over))]
    return []


def _ended(over: bool) -> str:
    return "ORDER_LAPSED" if over else "ORDER_KILLED"


# --- stops ---------------------------------------------------------------------------------------


def _stop(state: State, order: Order, leg: Leg) -> list[Event]:
    """A resting stop: sent at once, moved with its position, withdrawn without one."""
    position = _position(state, order)
    if position is None or position.quantity_units == 0:
        return _withdrawn(order, leg, "ORDER_NOT_NEEDED")
    if of_position(state, position, EXIT) is not None:
        return _withdrawn(order, leg, "ORDER_EXITED")
    if leg.status == HELD:
        trigger = stop_level(state, position)
        units = _sized(state, position, order)
        if units <= 0 or _doubted(state, position, order):
            return []
        return [_wanted(order, PLACE, STOP, units, _stop_limit(state, order, trigger), trigger)]
    if leg.status not in (WORKING, PARTIAL) or not idle(leg) or leg.doubt:
        return []
    return _moved_stop(state, position, order, leg)


def _moved_stop(state: State, position: Position, order: Order, leg: Leg) -> list[Event]:
    units, settings = _sized(state, position, order), state.config.orders
    if _doubted(state, position, order):
        return []
    woken = leg.broker_status == "OPEN"
    if units <= 0 or (woken and remaining(order) > units):
        return [_cancel(order, "EXIT_EXCEEDS_LONG")]
    trigger = stop_level(state, position)
    resized = remaining(order) != units
    step = leg.trigger_paise * settings.trail_step_bps // BPS
    due = state.now - leg.priced_ns >= settings.trail_every_ms * MS
    raised = due and trigger >= leg.trigger_paise + max(step, 1)
    if woken or leg.broker_status in PASSING or not (resized or raised):
        return []
    if leg.modified >= settings.modifications_max:
        return [_cancel(order, "ORDER_REPLACED")]
    level = max(trigger, leg.trigger_paise)
    total = units + order.filled_units
    return [_wanted(order, MODIFY, STOP, total, _stop_limit(state, order, level), level)]


def stop_level(state: State, position: Position) -> int:
    """Where a position's resting stop belongs, in paise: its stop, or its trail once that is on."""
    average = position.value_paise // max(position.quantity_units, 1)
    trail = position.best_bid_paise - position.trail_paise
    on = position.trail_paise > 0 and trail >= average
    return _on_tick(state, position.contract, max(position.stop_paise, trail if on else 0))


def _stop_limit(state: State, order: Order, trigger_paise: int) -> int:
    below = trigger_paise * state.config.orders.stop_gap_bps // BPS
    return max(_on_tick(state, order.contract, trigger_paise - below), _tick(state, order.contract))


# --- exits ---------------------------------------------------------------------------------------


def _exit(state: State, order: Order, leg: Leg) -> list[Event]:
    """An exit: held until the stop and the entry are over, then priced below the bid, lower each
    time, and for no more than is held."""
    position = _position(state, order)
    if position is None or position.quantity_units == 0:
        return _withdrawn(order, leg, "ORDER_NOT_NEEDED")
    if order.reason == TP1 and leg.status in UNSENT and exit_working(state, position):
        # The whole goes now. A part that is at the broker stays: a sale that is cancelled may still
        # be filled, and two that add up to what is held sell it sooner than one after the other.
        return _withdrawn(order, leg, "ORDER_EXITED")
    if leg.status == HELD:
        return _release(state, position, order)
    if leg.status not in (WORKING, PARTIAL) or not idle(leg) or leg.doubt:
        return []
    if remaining(order) > _sized(state, position, order):
        return [_cancel(order, "EXIT_EXCEEDS_LONG")]
    return _repriced(state, order, leg)


def _release(state: State, position: Position, order: Order) -> list[Event]:
    """Withdraw the entry that stands in an exit's way, as the stop does by itself; once neither is
    there, want it sent."""
    entry = of_position(state, position, ENTRY)
    if entry is not None:
        assert entry.leg is not None
        return _withdrawn(entry, entry.leg, "ORDER_EXITED")
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
    price = _exit_price(state, order, 0)
    if price is None:
        incidents.raised("EXIT_NO_BID", position.position_id, units=units)
        return incidents.events
    incidents.resolved("EXIT_NO_BID", position.position_id)
    return [_wanted(order, PLACE, LIMIT, units, price, 0), *incidents.events]


def _repriced(state: State, order: Order, leg: Leg) -> list[Event]:
    settings = state.config.orders
    if leg.broker_status in PASSING or state.now - leg.priced_ns < settings.exit_reprice_ms * MS:
        return []
    price = _exit_price(state, order, leg.steps + 1)
    if price is None or price == leg.limit_paise:
        return []
    if leg.modified >= settings.modifications_max:
        return [_cancel(order, "ORDER_REPLACED")]
    return [_wanted(order, MODIFY, LIMIT, order.quantity_units, price, 0)]


def _exit_price(state: State, order: Order, step: int) -> int | None:
    """The limit of an exit after so many re-pricings, in paise; None without a bid.

    One that was refused before goes out at the bid itself: a price band ends below it. From the
    day's hard deadline on every other one goes as low as the schedule goes.
    """
    quote = state.quotes[order.contract]
    bid = quote.bid_paise if quote is not None else 0
    if bid <= 0:
        return None
    settings = state.config.orders
    late = state.now >= own_times(state, order.underlying).deadline_ns
    steps = settings.exit_steps_max if late else min(step, settings.exit_steps_max)
    collar = settings.exit_collar_bps + settings.exit_step_bps * steps
    if step == 0 and _refused_before(state, order):
        collar = 0
    price = bid - bid * min(collar, BPS) // BPS
    return max(_on_tick(state, order.contract, price), _tick(state, order.contract))


def _refused_before(state: State, order: Order) -> bool:
    return any(
        one.role == EXIT and one.contract == order.contract and _was(one, "REJECTED")
        for one in state.desk.ended[-8:]
    )


def _was(order: Order, status: str) -> bool:
    return order.leg is not None and order.leg.status == status


def _sized(state: State, position: Position, order: Order) -> int:
    """Units that an order of a position may sell: what is held and confirmed, less what other
    orders of the contract sell already, and one slice at most."""
    product = _product(state, position, order)
    free = sellable(state, position.contract, product)
    for one, leg in legs(state):
        same = one.contract == position.contract and (leg.product or product) == product
        sells = one.side == "SELL" and same and one is not order
        if sells and leg.status in (*AT_BROKER, PENDING):
            free -= remaining(one)
    return max(min(position.quantity_units, free, slice_units(state, position)), 0)


def _product(state: State, position: Position, order: Order) -> str:
    known = order.leg.product if order.leg is not None else ""
    return known or own_product(state, position)


def _doubted(state: State, position: Position, order: Order) -> bool:
    return in_doubt(state, position.contract, _product(state, position, order))


def slice_units(state: State, position: Position) -> int:
    """The largest order of a position: the freeze quantity in whole lots, or half of what the
    exchange refused as above its own, which then is another."""
    rules, name = state.rules, state.underlyings[position.underlying].name
    lot = max(state.instruments[position.contract].lot_units, 1)
    freeze = (
        next((one.freeze_units for one in rules.underlyings if one.underlying == name), None)
        if rules is not None
        else None
    )
    known = freeze is not None and freeze >= lot
    largest = freeze // lot * lot if freeze is not None and known else position.quantity_units
    for one in refused_for(state, position, "FREEZE"):
        largest = min(largest, max(one.quantity_units // 2 // lot * lot, lot))
    return largest


# --- positions -----------------------------------------------------------------------------------


def _guard(state: State, position: Position) -> list[Event]:
    """A long has a stop at the broker, unless it is on its way out or that is waived."""
    incidents = Incidents(state)
    stop = of_position(state, position, PROTECT)
    leaving = of_position(state, position, EXIT) is not None
    rests = stop is not None and stop.leg is not None and stop.leg.status in (WORKING, PARTIAL)
    if rests or leaving:
        incidents.resolved("POSITION_UNPROTECTED", position.position_id)
    if leaving or stop is not None or not wants_stop(state):
        return incidents.events
    if not may_try_again(state, position, PROTECT):
        return incidents.events
    if waits_for_books(state, position, unheard_since_ns(state, position)):
        return incidents.events
    tried = ended_of(state, position, PROTECT)
    if len(tried) >= 3 and all(_was(one, "REJECTED") for one in tried[-3:]):
        incidents.raised("POSITION_UNPROTECTED", position.position_id)
        return incidents.events
    return [*incidents.events, protect_signal(state, position)]


def protect_signal(state: State, position: Position) -> ExitSignalled:
    """The signal that puts a stop to a long: the authority of an order that only sells it."""
    return ExitSignalled(
        exit_id(state, position), position.position_id, position.contract, EXIT_PROTECT,
        position.quantity_units, stop_level(state, position), None, state.now,
    )  # fmt: skip


def may_try_again(state: State, position: Position, role: str) -> bool:
    """Whether enough time has passed since the last order of a role that did not come through."""
    tried = ended_of(state, position, role)
    if not tried or (tried[-1].reason == TP1 and _was(tried[-1], "FILLED")):
        return True
    leg = tried[-1].leg
    last = max(leg.sent_ns if leg is not None else 0, tried[-1].due_ns)
    return state.now - last >= state.config.orders.exit_reprice_ms * MS


def unheard_since_ns(state: State, position: Position) -> int:
    """Since when something may have happened to a position that nobody told: an order of it ended
    at the broker, and we did not ask for that (a square-off cancels before it sells); an update
    of one was missed, so others may be; the feed, which carries them, is silent; or the session
    has begun or gone on, and has not seen the broker's positions yet. 0 for nothing of the kind."""
    since = 0 if state.desk.nets_ns else _begun_ns(state)
    for one in (*state.orders, *state.desk.ended):
        leg = one.leg
        if leg is None or not one.authority.startswith(position.position_id):
            continue
        since = max(since, leg.missed_ns)
        ours = leg.cancel_sent or not leg.broker_order_id or one.role == ENTRY
        if not ours and leg.status in ("CANCELLED", "REJECTED"):
            since = max(since, leg.seen_ns)
    if unheard_ns(state) > state.config.feed.link_age_ms_max * MS:
        since = max(since, state.now - SILENT_BOOKS_NS)
    return since


def _begun_ns(state: State) -> int:
    """When the session began, or last went on."""
    begun = state.opened.anchor_ns if state.opened is not None else 0
    return max(begun, state.desk.resumed_ns)


def waits_for_books(state: State, position: Position, asked_ns: int) -> bool:
    """Whether a sale waits for the broker's positions: they are not as new as what may have
    happened unheard. Not for longer than so much since ``asked_ns``: an exit is not blocked."""
    since = unheard_since_ns(state, position)
    late = state.now - max(asked_ns, 1) >= BOOKS_PATIENCE_NS
    return since > state.desk.nets_ns and not late


def books_awaited(state: State) -> bool:
    """Whether some sale waits for the broker's positions."""
    return any(
        position.quantity_units > 0 and unheard_since_ns(state, position) > state.desk.nets_ns
        for position in state.positions
    )


def ended_of(state: State, position: Position, role: str) -> list[Order]:
    """Orders of a position that are over, by role, the oldest first."""
    return [
        one
        for one in state.desk.ended
        if one.role == role and one.authority.startswith(position.position_id)
    ]


# --- parts ---------------------------------------------------------------------------------------


def _withdrawn(order: Order, leg: Leg, reason: str) -> list[Event]:
    """End what has not left, cancel what rests; what is in doubt is searched first."""
    if leg.status in UNSENT and leg.flight is None:
        return [order_event(order, "CANCELLED", reason, order.filled_units)]
    if leg.status in (WORKING, PARTIAL) and idle(leg) and leg.broker_order_id and not leg.doubt:
        return [_cancel(order, reason)]
    return []


def _cancel(order: Order, reason: str) -> OrderWanted:
    assert order.leg is not None
    return OrderWanted(
        order.order_id, order.authority, CANCEL, order.leg.order_type, order.quantity_units,
        None, None, reason,
    )  # fmt: skip


def _wanted(
    order: Order, action: str, order_type: str, units: int, limit_paise: int, trigger_paise: int
) -> OrderWanted:
    return OrderWanted(
        order.order_id, order.authority, action, order_type, units, limit_paise,
        trigger_paise or None, "ORDER_WANTED",
    )  # fmt: skip


def _position(state: State, order: Order) -> Position | None:
    return next(
        (one for one in state.positions if order.authority.startswith(one.position_id)), None
    )


def _tick(state: State, contract: int) -> int:
    return max(state.instruments[contract].tick_paise, 1)


def _on_tick(state: State, contract: int, paise: int) -> int:
    return paise - paise % _tick(state, contract)


_BY_ROLE: Final = {ENTRY: _entry, EXIT: _exit, PROTECT: _stop}
"""The rule of each role. Orders of others have none."""

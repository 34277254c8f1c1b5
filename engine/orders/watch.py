"""What a session in real time looks after at each tick: incidents, and the readiness behind them.

Lives here: conditions that raise and resolve incidents by themselves. May import: events, engine.
Always holds: pure; a backtest (rate 0) has none of it; readiness is told once no incident is left
to tell.
Start reading at ``watched``.
"""

from __future__ import annotations

from typing import Final

from engine.books import ENTRY, EXIT, MS, PROTECT, holding_key
from engine.feed import unseen_ns
from engine.orders.contracts import CHANGED, is_of_position
from engine.orders.entries import KILL_FLATTEN
from engine.orders.incidents import Incidents
from engine.orders.legs import (
    PARTIAL,
    PASSING,
    UNKNOWN,
    UNSENT,
    WORKING,
    held_units,
    legs,
    of_position,
    own_product,
)
from engine.orders.pairs import takes_no_stop
from engine.orders.reduce import LOGIN_OK, ORDER_NOT_LISTED, REFUSED_WINDOW_NS
from engine.orders.route import in_real_time, to_broker, wants_stop
from engine.orders.standing import DROPPED_NS, NO_LOGIN
from engine.readiness import readiness_events
from engine.shorts import COVER, SHORT
from engine.state import Leg, Position, State
from engine.times import own_times
from events.base import Event

UNPROTECTED_NS: Final = 5_000 * MS
FLATTEN_NS: Final = 20_000 * MS
LATE_NS: Final = 60_000 * MS
"""So long after the hard deadline an exit of it may still be under way."""

OF_UNKNOWN: Final = ("ORDER_UNKNOWN", "ORDER_UNKNOWN_LONG")
"""Over once the order's fate is known, however it was found: filled at once, it has ended before
its report's own end is looked at."""


def watched(state: State) -> list[Event]:
    """Incidents of this moment; once there is none to say, the readiness that they add up to."""
    if not in_real_time(state):
        return []
    incidents = Incidents(state)
    _feed(state, incidents)
    _deadline(state, incidents)
    _login(state, incidents)
    if to_broker(state):
        _orders(state, incidents)
        _positions(state, incidents)
    else:
        _closed_positions(state, incidents)
    return incidents.events or readiness_events(state)


def _feed(state: State, incidents: Incidents) -> None:
    limit_ns = state.config.feed.link_age_ms_max * MS
    for position in _open(state):
        if unseen_ns(state, position.contract) > limit_ns:
            incidents.raised("POSITION_BLIND", position.position_id, units=position.quantity_units)
        else:
            incidents.resolved("POSITION_BLIND", position.position_id)
    if state.desk.dropped_ns and state.now - state.desk.dropped_ns < DROPPED_NS:
        incidents.raised("FRAMES_DROPPED", "feed")
    else:
        incidents.resolved("FRAMES_DROPPED", "feed")


def _deadline(state: State, incidents: Incidents) -> None:
    """Whoever is still in a position after the day's hard deadline needs a person."""
    for position in _open(state):
        if state.now >= own_times(state, position.underlying).deadline_ns + LATE_NS:
            row = state.instruments[position.contract]
            incidents.raised(
                "POSITION_PAST_DEADLINE", position.position_id, contract=row.tradingsymbol,
                units=position.quantity_units,
            )  # fmt: skip


def _login(state: State, incidents: Incidents) -> None:
    desk = state.desk
    if desk.auth in NO_LOGIN:
        incidents.raised("AUTH_LOST", "login", status=desk.auth)
    elif desk.auth == LOGIN_OK:  # an answer that did not come makes no lost login good
        incidents.resolved("AUTH_LOST", "login")
    if desk.clock_bad:
        incidents.raised("CLOCK_OFFSET", "clock", offset_ms=desk.clock_offset_ns // MS)
    else:
        incidents.resolved("CLOCK_OFFSET", "clock")
    if desk.unhealthy:
        incidents.raised("PROCESS_UNHEALTHY", "process", what=", ".join(desk.unhealthy))
    else:
        incidents.resolved("PROCESS_UNHEALTHY", "process")


def _orders(state: State, incidents: Incidents) -> None:
    cutoff_ns = state.config.orders.unknown_cutoff_s * 1_000 * MS
    for order, leg in legs(state):
        if leg.status == UNKNOWN and state.now - leg.sent_ns >= cutoff_ns:
            row = state.instruments[order.contract]
            incidents.raised(
                "ORDER_UNKNOWN_LONG", order.order_id, contract=row.tradingsymbol,
                side=order.side, units=order.quantity_units, tag=order.authority,
            )  # fmt: skip
        if _pending(leg) and state.now - leg.sent_ns >= cutoff_ns:
            incidents.raised("ORDER_PENDING_LONG", order.order_id, status=leg.broker_status)
    absent = _absent(state)
    for lost in state.desk.differences:
        if lost.subject in absent:
            incidents.raised(ORDER_NOT_LISTED, lost.subject, filled=lost.ours)
    unknown = {order.order_id for order, leg in legs(state) if leg.status == UNKNOWN}
    pending = {order.order_id for order, leg in legs(state) if _pending(leg)}
    for one in state.desk.incidents:
        found = one.code in OF_UNKNOWN and one.subject not in unknown
        listed = one.code == ORDER_NOT_LISTED and one.subject not in absent
        if found or listed or (one.code == "ORDER_PENDING_LONG" and one.subject not in pending):
            incidents.resolved(one.code, one.subject)
    if all(at <= state.now - REFUSED_WINDOW_NS for at in state.desk.refused_ns):
        incidents.resolved("ORDER_REJECT_BURST", "orders")


def _absent(state: State) -> frozenset[str]:
    """Orders that two comparisons in a row did not find: the books lag behind each other once."""
    return frozenset(
        one.subject
        for one in state.desk.differences
        if one.reason == ORDER_NOT_LISTED and one.times > 1
    )


def _pending(leg: Leg) -> bool:
    """Whether the broker has an order and is not done with what it was last asked."""
    asked = leg.cancelling or leg.broker_status in ("", *PASSING)
    return asked and leg.status in (WORKING, PARTIAL)


def _positions(state: State, incidents: Incidents) -> None:
    for position in state.positions:
        leaving = of_position(state, position, EXIT) is not None or takes_no_stop(state, position)
        rests = _stop_rests(state, position)
        late = state.now - position.opened_ns >= UNPROTECTED_NS
        if late and not rests and not leaving and wants_stop(state):
            incidents.raised(
                "POSITION_UNPROTECTED", position.position_id, units=position.quantity_units
            )
    if state.desk.kill >= KILL_FLATTEN:
        _flattened(state, incidents)
    _shorts(state, incidents)
    _closed_positions(state, incidents)


def _open(state: State) -> tuple[Position, ...]:
    """Longs, and the legs that are still sold against them."""
    return (*state.positions, *(one for one in state.shorts if one.quantity_units))


def _flattened(state: State, incidents: Incidents) -> None:
    """What a person must close at the broker, since our own orders have not for long."""
    for position in _open(state):
        if not _long_leaving(state, position.position_id):
            continue
        row, units = state.instruments[position.contract], position.quantity_units
        incidents.raised(
            "FLATTEN_INCOMPLETE", position.position_id, exchange=row.exchange,
            contract=row.tradingsymbol, units=abs(units), side="SELL" if units > 0 else "BUY",
            product=own_product(state, position),
        )  # fmt: skip


def exposed(state: State) -> int:
    """Positions that are open and orders that work."""
    return len(state.positions) + len(state.orders)


def loose(state: State) -> int:
    """Orders at the broker that could still open something, and longs without a stop that rests
    there, those of pairs among them: what a session that ends must not leave behind."""
    if not to_broker(state):
        return 0
    opens = [
        one for one, leg in legs(state) if one.role in (ENTRY, SHORT) and leg.status not in UNSENT
    ]
    if not wants_stop(state):
        return len(opens)
    held = [one for one in state.positions if one.quantity_units > 0]
    return len(opens) + len([one for one in held if not _stop_rests(state, one)])


def _stop_rests(state: State, position: Position) -> bool:
    stop = of_position(state, position, PROTECT)
    return stop is not None and stop.leg is not None and stop.leg.status in (WORKING, PARTIAL)


def _shorts(state: State, incidents: Incidents) -> None:
    """A contract of ours that the account is short of, whoever sold too much."""
    ours = {one.contract for one in (*state.orders, *state.desk.ended)}
    short: dict[str, int] = {}
    for one in state.desk.holdings:
        net = one.net_units + held_units(state, one.contract, one.product)
        if net < 0 and one.contract in ours:
            short[":".join(holding_key(one))] = -net
    for subject, units in short.items():
        incidents.raised("POSITION_SHORT", subject, units=units)
    for told in state.desk.incidents:
        if told.code == "POSITION_SHORT" and told.subject not in short:
            incidents.resolved(told.code, told.subject)


def _long_leaving(state: State, position_id: str) -> bool:
    """Whether exits of a position have been tried for long."""
    tried = [
        one.due_ns
        for one in (*state.orders, *state.desk.ended)
        if one.authority.startswith(position_id) and one.role in (EXIT, COVER)
    ]
    return bool(tried) and state.now - min(tried) >= FLATTEN_NS


_OF_POSITION: Final = (
    "EXIT_NO_BID", "EXIT_REFUSED", "POSITION_UNPROTECTED", "POSITION_BLIND", "FLATTEN_INCOMPLETE",
    CHANGED, "POSITION_PAST_DEADLINE", "EXIT_NO_ASK",
)  # fmt: skip


def _closed_positions(state: State, incidents: Incidents) -> None:
    """What was wrong with a position is over with it."""
    held = {one.position_id for one in _open(state)}
    for one in state.desk.incidents:
        if one.code in _OF_POSITION and one.subject not in held:
            if one.code == CHANGED and not is_of_position(state, one.subject):
                continue  # of contracts that are watched
            incidents.resolved(one.code, one.subject)

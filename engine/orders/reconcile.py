"""Our books against the broker's.

Lives here: the comparison after a snapshot was taken in. May import: events, engine. Always holds:
pure; a book that was not received is no evidence; a position on which something is under way is
not compared; what differs is said with both figures before anything follows; nothing of ours is
ever changed to fit: fills come from reports, the rest is a person's.
Start reading at ``compared``. A difference is acted on when two comparisons in a row found it.
"""

from __future__ import annotations

from engine.books import holding_key
from engine.orders.incidents import Incidents
from engine.orders.legs import SENT, UNKNOWN, UNSENT, WORKING, legs, position_key
from engine.orders.reduce import (
    ORDER_NOT_LISTED,
    POSITION_DIFFERS,
    POSITION_EXTERNAL,
    RESOLVED_GONE,
    was_asked,
)
from engine.state import State
from events.base import Event
from events.broker import BrokerSnapshot
from events.governance import DifferenceFound, Reconciled

Key = tuple[str, str, str]
"""Exchange, tradingsymbol, product."""


def compared(state: State, event: BrokerSnapshot) -> list[Event]:
    """Differences, incidents, and the verdict of one comparison."""
    if event.orders is None or event.positions is None or event.trades is None:
        incidents = Incidents(state)
        if not was_asked(event):
            return []  # the session's own end, and no fault of the broker
        incidents.raised("BROKER_UNREACHABLE", "books", failed=", ".join(event.failed))
        return incidents.events
    events: list[Event] = []
    incidents = Incidents(state)
    incidents.resolved("BROKER_UNREACHABLE", "books")
    theirs: dict[Key, int] = {}
    for row in event.positions:
        theirs[row.exchange, row.tradingsymbol, row.product] = row.net_units
    ours = our_nets(state)
    busy = busy_keys(state, event.asked_ts)
    differences = skipped = 0
    told = {_key_of(one.subject) for one in state.desk.incidents if one.code == POSITION_DIFFERS}
    for key in sorted({*theirs, *ours, *told}):
        if key in busy:
            skipped += 1
            continue
        subject = ":".join(key)
        mine, yours = ours.get(key, 0), theirs.get(key, 0)
        if mine == yours:
            incidents.resolved(POSITION_DIFFERS, subject)
            continue
        sure = _was_found(state, subject)
        others = _others(state, key)
        if sure and (yours > mine or others > 0):
            # What others hold explains it: more than we know of, or less than they had.
            moved = yours - mine if yours > mine else -min(mine - yours, others)
            events.append(DifferenceFound(subject, POSITION_EXTERNAL, mine, mine + moved))
            incidents.raised("POSITION_EXTERNAL", subject, ours=mine, theirs=yours)
            if mine + moved == yours:
                continue
        differences += 1
        events.append(DifferenceFound(subject, POSITION_DIFFERS, mine, yours))
        if sure:
            incidents.raised(POSITION_DIFFERS, subject, ours=mine, theirs=yours)
    lost = _not_listed(state, event)
    differences += len(lost)
    events.extend(lost)
    status = "DIFFERS" if differences else "SKIPPED" if skipped else "EQUAL"
    counted = len(event.orders), len(theirs)
    events.extend(incidents.events)
    events.append(Reconciled(event.trigger, status, *counted, skipped, differences))
    return events


def our_nets(state: State) -> dict[Key, int]:
    """Net units by key: our positions, sold legs and what others hold."""
    found: dict[Key, int] = {}
    for position in (*state.positions, *state.shorts):
        key = position_key(state, position)
        found[key] = found.get(key, 0) + position.quantity_units
    for one in state.desk.holdings:
        key = holding_key(one)
        found[key] = found.get(key, 0) + one.net_units
    return found


def _key_of(subject: str) -> Key:
    exchange, tradingsymbol, product = subject.split(":")
    return exchange, tradingsymbol, product


def _others(state: State, key: Key) -> int:
    """Units of a key that are held and not ours."""
    return sum(one.net_units for one in state.desk.holdings if holding_key(one) == key)


def busy_keys(state: State, asked_ns: int) -> set[Key]:
    """Keys on which something is under way, or moved since the books were asked for.

    An order that works may have been filled in the positions already and not yet in its own row:
    the broker's books lag behind each other. Only a stop that waits for its trigger is at rest,
    and what has not left is not at the broker.
    """
    busy: set[Key] = set()
    for order, leg in legs(state):
        if leg.status in UNSENT and leg.flight is None:
            continue
        waits = leg.broker_status == "TRIGGER PENDING" and leg.seen_ns <= asked_ns
        if not (waits and leg.flight is None and leg.status not in (SENT, UNKNOWN)):
            row = state.instruments[order.contract]
            busy.add((row.exchange, row.tradingsymbol, leg.product or state.config.orders.product))
    for order in state.desk.ended:
        if order.leg is not None and order.leg.seen_ns >= asked_ns:
            row = state.instruments[order.contract]
            busy.add((row.exchange, row.tradingsymbol, order.leg.product))
    return busy


def _was_found(state: State, subject: str) -> bool:
    """Whether the comparison before found the difference too: books lag behind each other."""
    found = [one.reason for one in state.desk.differences if one.subject == subject]
    return any(reason != RESOLVED_GONE for reason in found)


def _not_listed(state: State, event: BrokerSnapshot) -> list[DifferenceFound]:
    """Working orders of ours that the broker's order book does not show: not over, but in doubt."""
    listed = {report.broker_order_id for report in event.orders or ()}
    return [
        DifferenceFound(order.order_id, ORDER_NOT_LISTED, order.filled_units, None)
        for order, leg in legs(state)
        if leg.status == WORKING
        and leg.broker_order_id
        and leg.broker_order_id not in listed
        and leg.sent_ns < event.asked_ts
    ]

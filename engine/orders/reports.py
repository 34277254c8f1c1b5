"""What follows from the broker's words: fills, ends, late fills, orders of others.

Lives here: the answers to a message and the reports of orders, turned into derivations. May import:
events, engine. Always holds: pure; the same report twice leads to nothing the second time; filled
units only grow; an order ends by a report, by a definite refusal or by a person, never by silence;
what a report says of others' orders counts and is never corrected.
Start reading at ``report_events``, then ``result_events``.
"""

from __future__ import annotations

from typing import Final

from engine.books import ADOPTED, ENTRY, EXIT, EXTERNAL, PROTECT, holding_key, is_of_leg
from engine.charges import charge_lines, charges_paise
from engine.orders.incidents import Incidents
from engine.orders.legs import (
    ENDS,
    PARTIAL,
    PLACE,
    SENT,
    STOP,
    UNKNOWN,
    WORKING,
    ended,
    held_units,
    is_stale,
    own_product,
    own_tag,
    takes_over,
    working,
)
from engine.orders.reduce import contract_places
from engine.paper import order_event
from engine.shorts import COVER, SHORT, is_leg
from engine.state import Difference, Foreign, Order, State
from events.base import Event
from events.broker import BrokerReport, OrderSendResult
from events.orders import FillApplied, OrderChanged

END_REASONS: Final = {
    "FILLED": "ORDER_FILLED",
    "CANCELLED": "ORDER_CANCELLED",
    "REJECTED": "ORDER_REJECTED",
}


# --- reports -------------------------------------------------------------------------------------


def changes(state: State, report: BrokerReport) -> bool:
    """Whether a report leads to anything, now that it is noted."""
    order = working(state, report)
    if order is not None and order.leg is not None:
        return (
            report.filled_units > order.filled_units
            or order.leg.status in (SENT, UNKNOWN)
            or (report.status in ENDS and not is_stale(order, report))
        )
    old = ended(state, report)
    if old is not None:
        return report.filled_units > old.filled_units
    if takes_over(state, report):
        return True
    one = foreign_of(state, report)
    return one is not None and one.ours_units > 0


def is_new(state: State, report: BrokerReport) -> bool:
    """Whether an order was taken over just now, and no word of the broker is noted for it yet."""
    order = working(state, report)
    return order is not None and order.leg is not None and order.leg.seen_ns == 0


def foreign_of(state: State, report: BrokerReport) -> Foreign | None:
    """The order of others that a report tells of."""
    return next(
        (o for o in state.desk.foreign if o.broker_order_id == report.broker_order_id), None
    )


def report_events(state: State, report: BrokerReport) -> list[Event]:
    """The beginning of what a report leads to: that an order is there, and its fills. Its end
    follows in ``end_events``, once the fills have moved the books."""
    order = working(state, report)
    if order is None:
        old = ended(state, report)
        if old is not None:
            return _late(state, old, report)
        return _taken_over(state, report) if takes_over(state, report) else _foreign(state, report)
    assert order.leg is not None
    events: list[Event] = []
    if order.leg.status in (SENT, UNKNOWN) and report.status not in ENDS:
        found = "ORDER_FOUND" if order.leg.status == UNKNOWN else "ORDER_ACCEPTED"
        events.append(order_event(order, WORKING, found, order.filled_units))
    events.extend(_fills(state, order, report))
    return events


def end_events(state: State, report: BrokerReport) -> list[Event]:
    """The end of an order, where a report tells of it and nothing of its fills is missing."""
    order = working(state, report)
    end = ENDS.get(report.status)
    incidents = Incidents(state)
    if order is None or order.leg is None:
        return []
    if order.leg.status != UNKNOWN:
        for code in ("ORDER_UNKNOWN", "ORDER_UNKNOWN_LONG"):
            incidents.resolved(code, order.order_id)
    if end is None or is_stale(order, report):
        return incidents.events
    if order.leg.status == UNKNOWN:
        for code in ("ORDER_UNKNOWN", "ORDER_UNKNOWN_LONG"):
            incidents.resolved(code, order.order_id)
    short = report.filled_units - order.filled_units
    if short > 0:
        row = state.instruments[order.contract]
        key = row.exchange, row.tradingsymbol, order.leg.product
        code = "POSITION_SHORT" if order.side == "SELL" else "POSITION_EXTERNAL"
        incidents.raised(code, ":".join(key), units=short)
    if end == "FILLED" and report.filled_units < order.quantity_units:
        # Complete, and yet less than ordered: the rest is not coming.
        end = "CANCELLED"
    if end == "REJECTED":
        _refused(state, order, incidents, report.status_message or "")
    reason = END_REASONS[end]
    return [order_event(order, end, reason, report.filled_units), *incidents.events]


def _refused(state: State, order: Order, incidents: Incidents, fault: str) -> None:
    """What a person should know of an order that the broker refused, at once or later."""
    if order.role in (EXIT, PROTECT, COVER):
        incidents.raised("EXIT_REFUSED", _position_id(state, order), fault=fault)
    refused = len(state.desk.refused_ns)
    if refused > state.config.orders.rejects_per_minute_max:
        incidents.raised("ORDER_REJECT_BURST", "orders", refused=refused)


def _fills(state: State, order: Order, report: BrokerReport) -> list[Event]:
    """The fills between what is known and what is reported, exact to the paisa: where the value
    does not divide, two fills a paisa apart carry it."""
    assert order.leg is not None
    new = report.filled_units - order.filled_units
    if order.role not in (ENTRY, SHORT):
        new = min(new, _held(state, order))
    if new <= 0:
        return []
    reported = report.filled_units - order.filled_units
    value = report.filled_value_paise - order.leg.value_paise
    if order.filled_units and not order.leg.value_paise:
        # Carried over with its fills and not their value: the average stands for the new ones.
        value = report.filled_value_paise * reported // report.filled_units
    price, rest = divmod(max(value, 0), reported)
    if new != reported:
        rest = 0
    parts = [(new - rest, price), (rest, price + 1)]
    fills: list[Event] = []
    for units, paise in parts:
        if units > 0:
            fills.append(_fill(state, order, units, paise, order.fills + len(fills)))
    return fills


def _held(state: State, order: Order) -> int:
    """What an order that closes can take out of: the position that it belongs to."""
    for one in state.shorts if is_of_leg(order) else state.positions:
        if order.authority.startswith(one.position_id):
            return abs(one.quantity_units)
    return 0


def _fill(state: State, order: Order, units: int, paise: int, before: int) -> FillApplied:
    assert state.rules is not None, "an order can only exist under a rulebook"
    exchange = state.instruments[order.contract].exchange
    lines = charge_lines(state.rules, exchange, order.side, paise, units, first_fill=before == 0)
    away = paise - order.reference_paise
    return FillApplied(
        order.order_id,
        before + 1,
        order.contract,
        order.side,
        units,
        paise,
        away if order.side == "BUY" else -away,
        lines,
        charges_paise(lines),
        state.seq,
    )


def _late(state: State, old: Order, report: BrokerReport) -> list[Event]:
    """A fill of an order that was over: it counts, loudly, and the order lives until it ends."""
    if report.filled_units <= old.filled_units:
        return []
    incidents = Incidents(state)
    incidents.raised("ORDER_LATE_FILL", old.order_id, units=report.filled_units - old.filled_units)
    again = order_event(old, PARTIAL, "ORDER_LATE_FILL", old.filled_units)
    return [again, *incidents.events, *_fills(state, old, report)]


def _taken_over(state: State, report: BrokerReport) -> list[Event]:
    """An order of ours that another machine sent: in the books from here on, its fills with it.

    A contract that the session does not have is told as a difference of the positions.
    """
    contract = contract_places(state).get((report.exchange, report.tradingsymbol), -1)
    tag = own_tag(report)
    if contract < 0 or tag is None:
        return []
    if is_leg(tag.partition("X")[0]):
        role = COVER if report.side == "BUY" else SHORT
    else:
        role = ENTRY if report.side == "BUY" else PROTECT if report.order_type == STOP else EXIT
    begun = OrderChanged(
        f"B{tag}", tag, role, contract, report.side, WORKING, "ORDER_TAKEN_OVER",
        report.quantity_units, 0, report.limit_paise or None,
    )  # fmt: skip
    return [begun]


def _foreign(state: State, report: BrokerReport) -> list[Event]:
    """Somebody else sold what we hold, or bought what we have sold: our positions shrink by it,
    the oldest first."""
    one = foreign_of(state, report)
    if one is None or one.ours_units <= 0 or one.contract < 0:
        return []
    events: list[Event] = []
    left = one.ours_units
    bought = one.side == "BUY"
    for place, position in enumerate(state.shorts if bought else state.positions):
        units = min(left, abs(position.quantity_units))
        same = (position.contract, own_product(state, position)) == (one.contract, one.product)
        if not same or units <= 0:
            continue
        left -= units
        order_id = f"E{one.broker_order_id}-{one.applied_units}-{place}"
        sold = OrderChanged(
            order_id, position.position_id, EXTERNAL, one.contract, one.side, WORKING,
            "ORDER_EXTERNAL", units, 0, None,
        )  # fmt: skip
        events.append(sold)
        events.append(external_fill(state, sold, one.ours_paise))
    return events


def adopted_events(state: State, one: Foreign, units: int) -> list[Event]:
    """A long that others bought, taken over as if one of our entries had been filled."""
    assert state.rules is not None, "a session that trades has rules"
    authority = f"{one.broker_order_id[-13:]:0>13}ADO"
    paise = one.applied_value_paise // max(one.applied_units, 1)
    begun = OrderChanged(
        f"B{authority}", authority, ADOPTED, one.contract, "BUY", WORKING, "ORDER_ADOPTED",
        units, 0, None,
    )  # fmt: skip
    exchange = state.instruments[one.contract].exchange
    lines = charge_lines(state.rules, exchange, "BUY", paise, units)
    return [
        begun,
        FillApplied(
            begun.order_id, 1, one.contract, "BUY", units, paise, 0, lines,
            charges_paise(lines), state.seq,
        ),
    ]  # fmt: skip


def external_fill(state: State, sold: OrderChanged, paise: int) -> FillApplied:
    """The one fill of an order of somebody else's that took from what is ours, ``paise`` a unit."""
    assert state.rules is not None, "a position can only exist under a rulebook"
    exchange = state.instruments[sold.contract].exchange
    lines = charge_lines(state.rules, exchange, sold.side, paise, sold.quantity_units)
    return FillApplied(
        sold.order_id, 1, sold.contract, sold.side, sold.quantity_units, paise, 0, lines,
        charges_paise(lines), state.seq,
    )  # fmt: skip


def sellable(state: State, contract: int, product: str) -> int:
    """Confirmed net long of a contract: what our books hold, less what was sold beyond it (a hand
    may be told of before the fill that it sold), and no more than the broker's showed where two
    comparisons in a row found less."""
    row = state.instruments[contract]
    key = row.exchange, row.tradingsymbol, product
    others = sum(one.net_units for one in state.desk.holdings if holding_key(one) == key)
    held = held_units(state, contract, product) + min(others, 0)
    one = difference_of(state, contract, product)
    return min(held, max(one.theirs, 0)) if one is not None and one.times > 1 else held


def in_doubt(state: State, contract: int, product: str) -> bool:
    """Whether the last comparison, and none before it, found less of a contract than our books
    hold: until the next one nothing new is sold, and nothing that protects is taken away."""
    one = difference_of(state, contract, product)
    return one is not None and one.times == 1 and one.theirs < one.ours


def difference_of(state: State, contract: int, product: str) -> Difference | None:
    """What the last comparison found of a contract, where it differed."""
    row = state.instruments[contract]
    subject = f"{row.exchange}:{row.tradingsymbol}:{product}"
    return next((one for one in state.desk.differences if one.subject == subject), None)


# --- answers -------------------------------------------------------------------------------------

REFUSED: Final[dict[str, str]] = {
    "MARGIN": "ORDER_REFUSED_MARGIN",
    "TOKEN": "ORDER_REFUSED_LOGIN",
    "PERMISSION": "ORDER_REFUSED_PERMISSION",
    "IP": "ORDER_REFUSED_ADDRESS",
    "RATE": "ORDER_REFUSED_RATE",
}
"""Reason codes of definite refusals, by the adapter's fault; any other is ORDER_REFUSED."""


def result_events(state: State, order: Order, action: str, event: OrderSendResult) -> list[Event]:
    """What an answer leads to. ``order`` is as it stands now, ``action`` what was asked."""
    assert order.leg is not None
    incidents = Incidents(state)
    if action != PLACE:
        return []
    if event.outcome == "ACCEPTED":
        if order.leg.status != WORKING or order.leg.broker_status:
            return []
        return [order_event(order, WORKING, "ORDER_ACCEPTED", order.filled_units)]
    if event.outcome == "UNKNOWN":
        if order.leg.status != UNKNOWN:
            return []
        incidents.raised("ORDER_UNKNOWN", order.order_id, fault=event.fault or "")
        unknown = order_event(order, UNKNOWN, "ORDER_UNKNOWN", order.filled_units)
        return [unknown, *incidents.events]
    if order.leg.broker_order_id:
        # A report of it came before this answer: the broker's books are believed.
        return []
    if event.outcome == "NOT_SENT":
        return [order_event(order, "CANCELLED", "ORDER_NOT_SENT", order.filled_units)]
    reason = REFUSED.get(event.fault or "", "ORDER_REFUSED")
    _refused(state, order, incidents, event.fault or "")
    return [order_event(order, "REJECTED", reason, order.filled_units), *incidents.events]


def _position_id(state: State, order: Order) -> str:
    if order.role == ENTRY:
        return order.authority
    held = state.shorts if is_of_leg(order) else state.positions
    return next(
        (p.position_id for p in held if order.authority.startswith(p.position_id)),
        order.authority,
    )

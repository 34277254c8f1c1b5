"""What the broker's facts and the operator's lead to: events now, steps behind them.

Lives here: the rows of ``engine.decide`` for a broker's session. May import: events, engine. Always
holds: pure; a report's fills move the books before its end is said; after anything that may have
changed an order the protocol looks at all of them, until it wants nothing more.
Start reading at ``ROWS``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine.books import ENTRY, order_of
from engine.commands import EXIT
from engine.orders.entries import KILL_CANCEL, KILL_FLATTEN
from engine.orders.legs import SENT, UNKNOWN, UNSENT, legs
from engine.orders.operator import answers, is_taken
from engine.orders.protocol import decide_orders
from engine.orders.reconcile import compared
from engine.orders.reduce import reports_of
from engine.orders.reports import changes, end_events, is_new, report_events, result_events
from engine.orders.watch import watched
from engine.paper import order_event
from engine.shorts import SHORT
from engine.state import State
from engine.work import NOTHING, Item, Outcome
from events.base import Event
from events.broker import (
    BrokerReport,
    BrokerSnapshot,
    BrokerUpdate,
    OrderLookup,
    OrderSendResult,
)
from events.session import OperatorCommand

ORDERS: Final = ("orders", 0)
WATCH: Final = ("watch", 0)
EXITS: Final = ("exits", 0)
RISK: Final = ("risk", 0)


def _report_at(event: Event, place: int) -> BrokerReport | None:
    if isinstance(event, BrokerSnapshot):
        return reports_of(event)[place]
    assert isinstance(event, BrokerUpdate | OrderLookup)
    return event.report


def _report_steps(place: int) -> tuple[tuple[str, int], ...]:
    return ("report", place), ("report_more", place), ("report_end", place)


def one_report(state: State, item: Item) -> Outcome:
    """A report by itself, or found by a lookup."""
    report = _report_at(item.entry.event, 0)
    steps = _report_steps(0) if report is not None and changes(state, report) else ()
    return Outcome((), (*steps, EXITS, ORDERS))


def books(state: State, item: Item) -> Outcome:
    """The reports that tell something new, then the comparison."""
    event = item.entry.event
    assert isinstance(event, BrokerSnapshot)
    steps: list[tuple[str, int]] = []
    for place, report in enumerate(reports_of(event)):
        if changes(state, report):
            steps.extend(_report_steps(place))
    return Outcome((), (*steps, ("compare", 0), EXITS, ORDERS, WATCH))


def sent_result(state: State, item: Item) -> Outcome:
    """An answer to a message."""
    event = item.entry.event
    assert isinstance(event, OrderSendResult)
    order = order_of(state, event.order_id)
    if order is None or order.leg is None or order.leg.message_no != event.message_no:
        return Outcome((), (ORDERS,))
    found = result_events(state, order, order.leg.answered, event)
    return Outcome(tuple(found), (EXITS, ORDERS))


def command(state: State, item: Item) -> Outcome:
    """The answer to an operator, then what the command leads to."""
    event = item.entry.event
    assert isinstance(event, OperatorCommand)
    closes = state.desk.kill >= KILL_FLATTEN or (event.verb == EXIT and is_taken(state))
    exits = (EXITS,) if closes else ()
    steps = (("killed", 0), RISK, *exits, ORDERS, WATCH)
    return Outcome(tuple(answers(state, event)), steps)


def resumed(state: State, item: Item) -> Outcome:
    """What had not left lapses; of what had left and was not answered nothing is known."""
    events: list[Event] = []
    for order, leg in legs(state):
        if leg.status in UNSENT:
            events.append(
                order_event(order, "CANCELLED", "ORDER_LAPSED_UNSENT", order.filled_units)
            )
        elif leg.status == SENT:
            events.append(order_event(order, UNKNOWN, "ORDER_UNKNOWN", order.filled_units))
    return Outcome(tuple(events), (ORDERS, WATCH))


def look_again(state: State, item: Item) -> Outcome:
    """A fact after which only the incidents may have changed."""
    return Outcome((), (WATCH,))


# --- steps ---------------------------------------------------------------------------------------


def step_report(state: State, item: Item) -> Outcome:
    """That an order is there, and its new fills."""
    report = _report_at(item.entry.event, item.arg)
    return Outcome(tuple(report_events(state, report))) if report is not None else NOTHING


def step_report_more(state: State, item: Item) -> Outcome:
    """The fills of an order that was only just taken over."""
    report = _report_at(item.entry.event, item.arg)
    if report is None or not is_new(state, report):
        return NOTHING
    return Outcome(tuple(report_events(state, report)))


def step_report_end(state: State, item: Item) -> Outcome:
    """That an order is over."""
    report = _report_at(item.entry.event, item.arg)
    return Outcome(tuple(end_events(state, report))) if report is not None else NOTHING


def step_compare(state: State, item: Item) -> Outcome:
    """The broker's books against ours."""
    event = item.entry.event
    assert isinstance(event, BrokerSnapshot)
    return Outcome(tuple(compared(state, event)))


def step_orders(state: State, item: Item) -> Outcome:
    """The protocol, again until it wants nothing."""
    events = tuple(decide_orders(state))
    return Outcome(events, (ORDERS,)) if events else NOTHING


def step_watch(state: State, item: Item) -> Outcome:
    """Incidents, then readiness, which counts them: again until there is nothing to say."""
    events = tuple(watched(state))
    return Outcome(events, (WATCH,)) if events else NOTHING


def step_killed(state: State, item: Item) -> Outcome:
    """On paper, the kill switch's second level cancels what is not filled."""
    if state.desk.kill < KILL_CANCEL:
        return NOTHING
    events = tuple(
        order_event(one, "CANCELLED", "ORDER_KILLED", one.filled_units)
        for one in state.orders
        if one.leg is None and one.role in (ENTRY, SHORT)
    )
    return Outcome(events) if events else NOTHING


ROWS: Final[dict[str, Callable[[State, Item], Outcome]]] = {
    "BrokerUpdate": one_report,
    "OrderLookup": one_report,
    "BrokerSnapshot": books,
    "OrderSendResult": sent_result,
    "OperatorCommand": command,
    "SessionResumed": resumed,
    "AuthStatus": look_again,
    "ClockStepped": look_again,
    "HealthObserved": look_again,
    "FramesDropped": look_again,
    "MarginObserved": lambda state, item: NOTHING,
    "QuotesObserved": lambda state, item: Outcome((), (EXITS, ORDERS)),
}
"""Facts, by kind. Bars that end before a fact are the business of ``engine.decide``."""

STEPS: Final[dict[str, Callable[[State, Item], Outcome]]] = {
    "report": step_report,
    "report_more": step_report_more,
    "report_end": step_report_end,
    "compare": step_compare,
    "orders": step_orders,
    "watch": step_watch,
    "killed": step_killed,
}

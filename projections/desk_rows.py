"""Events of the desk to table rows: messages and books of the broker, approvals, incidents, health.

Lives here: the rows of what a session exchanges with its broker, its operator and its machine. May
import: events, msgspec. Always holds: a list inside a field is text, its parts joined by commas in
their order; what the broker did not tell is None. Start reading at ``ROWS``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from events import broker, market, risk, session

Row = tuple[Any, ...]
Head = tuple[int, int, int]
Tables = dict[str, list[Row]]


def joined(value: Any) -> Any:
    """A scalar as it is; of a tuple its parts in one text, settings as ``key=value``."""
    if not isinstance(value, tuple):
        return value
    return ",".join(f"{one.key}={one.value}" if hasattr(one, "key") else str(one) for one in value)


def flat(table: str) -> Callable[[Tables, Head, Any], int]:
    """A kind whose fields are a table's columns in order, lists joined."""

    def add(out: Tables, head: Head, event: Any) -> int:
        out[table].append((*head, *(joined(one) for one in msgspec.structs.astuple(event))))
        return 1

    return add


def _report(out: Tables, head: Head, ordinal: int, source: str, one: broker.BrokerReport) -> None:
    values = (joined(value) for value in msgspec.structs.astuple(one))
    out["broker_reports"].append((*head, ordinal, source, *values))


def _update(out: Tables, head: Head, event: broker.BrokerUpdate) -> int:
    _report(out, head, 0, event.source, event.report)
    return 1


def _lookup(out: Tables, head: Head, event: broker.OrderLookup) -> int:
    out["order_lookups"].append(
        (*head, event.order_id, event.tag, event.asked_ts, event.outcome, event.fault)
    )
    if event.report is None:
        return 1
    _report(out, head, 0, "LOOKUP", event.report)
    return 2


def _books(out: Tables, head: Head, event: broker.BrokerSnapshot) -> int:
    funds = event.funds
    money = msgspec.structs.astuple(funds) if funds is not None else (None, None, None)
    counts = (None if one is None else len(one) for one in (
        event.orders, event.trades, event.positions,
    ))  # fmt: skip
    out["broker_books"].append(
        (*head, event.trigger, event.asked_ts, *counts, *money, joined(event.failed))
    )
    for place, report in enumerate(event.orders or ()):
        _report(out, head, place, "BOOKS", report)
    out["broker_trades"].extend(
        (*head, place, *msgspec.structs.astuple(one))
        for place, one in enumerate(event.trades or ())
    )
    out["broker_positions"].extend(
        (*head, place, *msgspec.structs.astuple(one))
        for place, one in enumerate(event.positions or ())
    )
    books = (event.orders, event.trades, event.positions)
    return 1 + sum(len(one or ()) for one in books)


def _deferred(out: Tables, head: Head, event: risk.SettingsDeferred) -> int:
    out["settings_deferred"].extend(
        (*head, place, one.key, str(one.value), event.reason)
        for place, one in enumerate(event.settings)
    )
    return len(event.settings)


def _amended(out: Tables, head: Head, event: session.SessionAmended) -> int:
    name, scope, value, who, source = msgspec.structs.astuple(event)
    out["amendments"].append((*head, name, scope, str(value), who, source))
    return 1


def _judged(out: Tables, head: Head, event: market.TicksJudged) -> int:
    arrays = (
        event.instruments, event.reasons, event.outcomes, event.prices_paise,
        event.accepted_paise, event.stamps_s, event.seqs,
    )  # fmt: skip
    out["ticks_judged"].extend(
        (*head, place, *values) for place, values in enumerate(zip(*arrays, strict=True))
    )
    return len(event.instruments)


ROWS: Final[dict[str, Callable[[Tables, Head, Any], int]]] = {
    "AuthStatus": flat("logins"),
    "OrderSendStarted": flat("order_messages"),
    "OrderSendResult": flat("order_results"),
    "BrokerUpdate": _update,
    "OrderLookup": _lookup,
    "BrokerSnapshot": _books,
    "OrderWanted": flat("order_wishes"),
    "MarginWanted": flat("margins_wanted"),
    "MarginObserved": flat("margins_told"),
    "ApprovalRequested": flat("approval_requests"),
    "ApprovalClosed": flat("approvals_closed"),
    "CommandAnswered": flat("command_answers"),
    "Reconciled": flat("reconciliations"),
    "DifferenceFound": flat("differences"),
    "IncidentRaised": flat("incidents_raised"),
    "IncidentResolved": flat("incidents_resolved"),
    "ReadinessChanged": flat("readiness"),
    "SessionEndDue": flat("session_ends_due"),
    "RiskTransitioned": flat("risk_transitions"),
    "SettingsDeferred": _deferred,
    "PositionSettled": flat("settlements"),
    "SpreadApproved": flat("spreads"),
    "SessionAmended": _amended,
    "FramesDropped": flat("frames_dropped"),
    "SubscriptionChanged": flat("subscriptions"),
    "ClockStepped": flat("clock_steps"),
    "HealthObserved": flat("health"),
    "TicksJudged": _judged,
}
"""Kind to the function that makes its rows and gives their number."""

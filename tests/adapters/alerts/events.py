"""Entries that are news, made by hand."""

from __future__ import annotations

from events.governance import ApprovalClosed, ApprovalRequested, IncidentRaised, IncidentResolved
from events.orders import OrderChanged
from events.session import Setting

S = 1_000_000_000
T0 = 1_795_600_000 * S
"""A moment of November 2026."""


def raised(id_: str = "I1", severity: int = 1, code: str = "FEED_GAP") -> IncidentRaised:
    """An incident begins."""
    return IncidentRaised(id_, code, severity, "NFO:NIFTY", (Setting("age_ms", 9_000),))


def resolved(id_: str = "I1") -> IncidentResolved:
    """And is over."""
    return IncidentResolved(id_, "FEED_GAP", "NFO:NIFTY", None)


def order(status: str, id_: str = "o1") -> OrderChanged:
    """An order's state."""
    return OrderChanged(id_, "i1", "ENTRY", 3, "BUY", status, None, 75, 0, 10_000)


def wanted(id_: str = "r1") -> ApprovalRequested:
    """An entry waits for a person."""
    return ApprovalRequested(
        id_,
        "NIFTY",
        "TREND",
        3,
        "BUY",
        75,
        9_900,
        10_100,
        8_000,
        13_000,
        150_000,
        41,
        T0 + S,
        None,
        None,
    )


def answered(outcome: str, id_: str = "r1") -> ApprovalClosed:
    """The person has answered, or time has."""
    return ApprovalClosed(id_, outcome, "CMD_ACCEPTED", None, None)

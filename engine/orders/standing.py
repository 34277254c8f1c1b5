"""How the desk stands with its broker: figures that gates, readiness and the outbox share.

Lives here: whether the login is taken, how old agreement of the books is, orders in doubt, recent
entries. May import: events, engine. Always holds: pure; what was never heard is None or false.
"""

from __future__ import annotations

from typing import Final

from engine.books import ENTRY, MS
from engine.orders.legs import UNKNOWN, legs
from engine.orders.reduce import LOGIN_OK
from engine.state import State

DROPPED_NS: Final = 60_000 * MS
"""So long after frames were lost no entry is made."""

NO_LOGIN: Final = ("EXPIRED", "REFUSED")


def login_known(state: State) -> bool:
    """Whether the broker took or refused the login when it was last asked."""
    return state.desk.auth == LOGIN_OK or state.desk.auth in NO_LOGIN


def reconciled_age_s(state: State) -> int | None:
    """Seconds since the books that last agreed were asked for; None where they never did."""
    if not state.desk.reconciled_ns:
        return None
    return max(state.now - state.desk.reconciled_ns, 0) // (1_000 * MS)


def reconciled_since(state: State) -> bool:
    """Whether books that were asked for since a connection came back agreed with ours: while it was
    lost order updates were, and so may be what they told."""
    return state.desk.reconciled_ns >= state.desk.reconnected_ns


def entries_recent(state: State) -> int:
    """Entries that were approved in the last minute, whatever became of them."""
    count = 0
    for one in (*state.orders, *state.desk.ended):
        approved_ns = one.expires_ns - state.config.orders.entry_valid_ms * MS
        count += one.role == ENTRY and approved_ns > state.now - 60_000 * MS
    return count


def unknown_orders(state: State) -> int:
    """Orders whose fate is not known."""
    return sum(leg.status == UNKNOWN for _, leg in legs(state))


def acute(state: State) -> int:
    """Open incidents of severity 1 that no person has acknowledged."""
    return sum(1 for one in state.desk.incidents if one.severity == 1 and not one.acknowledged)

"""Held contracts against today's instruments: what of them cannot be what it was.

Lives here: the comparison at a session's start. May import: events, engine. Always holds: pure, and
only what the session's own journal holds is compared. A carried position keeps its contract's
name and units alone, so a lot shows where the units are no whole lots any more, and an expiry where
it is past; what else changed between two dumps is the check ``LIVE_CONTRACTS`` of ``axiom doctor``.
Start reading at ``changed_contracts``.
"""

from __future__ import annotations

from typing import Final

from engine.orders.incidents import Incidents
from engine.orders.route import in_real_time
from engine.state import State
from events.base import Event

CHANGED: Final = "CONTRACT_CHANGED"


def changed_contracts(state: State) -> tuple[Event, ...]:
    """An incident for each carried position whose contract has changed."""
    if not in_real_time(state) or state.opened is None:
        return ()
    incidents = Incidents(state)
    for held in state.positions:
        row = state.instruments[held.contract]
        if row.lot_units > 0 and held.quantity_units % row.lot_units:
            incidents.raised(
                CHANGED, held.position_id, contract=row.tradingsymbol, what="LOT",
                units=held.quantity_units, lot_units=row.lot_units,
            )  # fmt: skip
        elif 0 < row.expiry < state.opened.day:
            incidents.raised(
                CHANGED, held.position_id, contract=row.tradingsymbol, what="EXPIRY",
                expiry=row.expiry,
            )  # fmt: skip
    return tuple(incidents.events)

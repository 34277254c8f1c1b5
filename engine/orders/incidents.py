"""Incidents: what a person should know, said once when it begins and once when it ends.

Lives here: raising, resolving, their reducers. May import: events, engine. Always holds: pure; a
code about a subject is open at most once; severity is the table's, not the caller's.
Start reading at ``Incidents``.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from engine.lookup import Lookup
from engine.state import Incident, State
from events.base import Event
from events.governance import IncidentRaised, IncidentResolved
from events.session import Setting

SEVERITY: Final[dict[str, int]] = {
    "ORDER_UNKNOWN": 2,
    "ORDER_UNKNOWN_LONG": 1,
    "ORDER_PENDING_LONG": 2,
    "ORDER_LATE_FILL": 1,
    "ORDER_NOT_LISTED": 2,
    "ORDER_REJECT_BURST": 2,
    "POSITION_DIFFERS": 1,
    "POSITION_SHORT": 1,
    "POSITION_EXTERNAL": 3,
    "POSITION_BLIND": 1,
    "POSITION_UNPROTECTED": 1,
    "EXIT_NO_BID": 1,
    "EXIT_NO_ASK": 1,
    "EXIT_REFUSED": 1,
    "FLATTEN_INCOMPLETE": 1,
    "AUTH_LOST": 1,
    "CLOCK_OFFSET": 2,
    "FRAMES_DROPPED": 2,
    "PROCESS_UNHEALTHY": 2,
    "BROKER_UNREACHABLE": 2,
    "CLOSED_UNRECONCILED": 2,
    "HISTORY_FAILED": 3,
    "CONTRACT_CHANGED": 1,
    "RESULT_UNCONFIRMED": 3,
    "STOP_WAIVED": 3,
    "SETTLEMENT_UNKNOWN": 2,
    "POSITION_PAST_DEADLINE": 1,
}
"""1 act now, 2 act soon, 3 look at it, 4 know of it."""


class Incidents:
    """The incidents that one decision raises and resolves, in order."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._raised = state.desk.incidents_raised
        self.events: list[Event] = []

    def raised(self, code: str, subject: str, **evidence: int | bool | str) -> None:
        """Raise it, unless it is open."""
        told = any(
            isinstance(one, IncidentRaised) and (one.code, one.subject) == (code, subject)
            for one in self.events
        )
        if told or open_incident(self._state, code, subject) is not None:
            return
        self._raised += 1
        pairs = tuple(Setting(key, value) for key, value in sorted(evidence.items()))
        self.events.append(IncidentRaised(f"I{self._raised}", code, SEVERITY[code], subject, pairs))

    def resolved(self, code: str, subject: str, who: str | None = None) -> None:
        """Resolve it, if it is open."""
        one = open_incident(self._state, code, subject)
        if one is not None:
            self.events.append(IncidentResolved(one.incident_id, code, subject, who))


def open_incident(state: State, code: str, subject: str) -> Incident | None:
    """The open incident of a code about a subject."""
    return next(
        (one for one in state.desk.incidents if one.code == code and one.subject == subject), None
    )


def apply_incident_raised(state: State, event: IncidentRaised, ts: int, look: Lookup) -> State:
    """It is open, and its number is used."""
    one = Incident(event.incident_id, event.code, event.severity, event.subject, ts, False)
    desk = state.desk
    return replace(
        state,
        desk=replace(
            desk,
            incidents=(*desk.incidents, one),
            incidents_raised=desk.incidents_raised + 1,
        ),
    )


def apply_incident_resolved(state: State, event: IncidentResolved, ts: int, look: Lookup) -> State:
    """It is over."""
    left = tuple(one for one in state.desk.incidents if one.incident_id != event.incident_id)
    return replace(state, desk=replace(state.desk, incidents=left))

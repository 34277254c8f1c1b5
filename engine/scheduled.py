"""Scheduled events: their kinds, and one of the day.

Lives here: what a dated row of an event becomes. May import: events. Always holds: plain values;
the rulebook finds them, N5 judges them. Start reading at ``ScheduledEvent``.
"""

from __future__ import annotations

from typing import Final

from events.base import Record

EVENT_KINDS: Final = ("RBI", "BUDGET", "FED")
"""Scheduled events that have a calendar: a decision on rates here, the budget, one of the Fed (at
the first moment at which this market can meet it)."""

EVENT_SCOPES: Final = (*EVENT_KINDS, "DESK")
"""Whose events a row can date: those with a calendar, and the desk's own, of which nobody keeps a
calendar (the count of an election)."""


class ScheduledEvent(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """An event of the day: its kind (one of ``EVENT_SCOPES``), when it is (ns UTC), and whether its
    row is unsure."""

    kind: str
    at_ns: int
    unsure: bool

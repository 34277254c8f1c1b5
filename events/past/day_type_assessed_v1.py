"""``DayTypeAssessed`` as it was in version 1: without the kind before it, a count or a lock.

Lives here: that struct. May import: events.base. Always holds: its fields never change.
"""

from __future__ import annotations

from events.base import Event


class DayTypeAssessedV1(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The kind of day so far: ``UNKNOWN``, ``TREND_DAY``, ``RANGE_DAY`` or ``VOLATILE_DAY``."""

    underlying: str
    day_type: str
    range_bps: int
    move_bps: int

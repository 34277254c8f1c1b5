"""``OperatorCommand`` as it was in version 1: a verb and a reason, about nothing in particular.

Lives here: that struct. May import: events.base. Always holds: its fields never change.
"""

from __future__ import annotations

from events.base import Event


class OperatorCommandV1(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """What a person asked for. ``verb`` is ``HALT`` or ``RESUME``; ``why`` is kept as given."""

    verb: str
    who: str
    why: str

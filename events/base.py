"""What every event struct is made from.

Lives here: the base class of events and of the records inside them. May import: msgspec. Always
holds: frozen, encoded as arrays, unknown fields refused, no field has a default value, so that a
change of a field list cannot go unnoticed and is always a new version.
"""

from __future__ import annotations

import msgspec


class Record(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """A value inside an event (a row, an identity)."""


class Event(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The payload of an envelope. The class name is the kind; ``registry`` gives the version."""

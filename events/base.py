"""What every event struct is made from.

Lives here: the base class of events and of the records inside them, and what settles their floats.
May import: msgspec. Always holds: frozen, encoded as arrays, unknown fields refused, no field has a
default value, so that a change of a field list cannot go unnoticed and is always a new version; a
float in an event is a float, finite, and never -0.0.
"""

from __future__ import annotations

from math import isfinite

import msgspec


class Record(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """A value inside an event (a row, an identity)."""


class Event(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The payload of an envelope. The class name is the kind; ``registry`` gives the version."""


def settle_floats(record: Record, names: tuple[str, ...]) -> None:
    """Give the named fields their one canonical form, in place, while the record is being made.

    Called from ``__post_init__`` of every record with floats, so it holds however one came to be:
    an integer becomes a float and -0.0 becomes 0.0 (equal values, other bytes). Raises
    ``ValueError`` on an infinity or NaN: unknown is None, never a number that is none.
    """
    for name in names:
        value = getattr(record, name)
        if value is None:
            continue
        if not isfinite(value):
            raise ValueError(f"{type(record).__name__}.{name} is {value}: unknown is None")
        if value == 0.0 or type(value) is not float:
            # -0.0 + 0.0 is 0.0 by IEEE 754.
            msgspec.structs.force_setattr(record, name, value + 0.0)

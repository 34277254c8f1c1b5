"""A feature's value, or why it has none.

Lives here: ``Reading`` and the making of a family's record from readings. May import: events,
msgspec. Always holds: a reading has a value or a reason code, never both and never neither; a word
that stands for unknown comes with its reason all the same.
"""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from engine.exact import floor
from events.base import Record

PPM: Final = 1_000_000
BPS: Final = 10_000
MILLI: Final = 1_000

NOT_OFFERED: Final = "FEATURE_NOT_OFFERED"
TOO_FEW: Final = "FEATURE_TOO_FEW"
GAP: Final = "FEATURE_GAP"
NOT_SEEN: Final = "FEATURE_NOT_SEEN"
NO_QUOTE: Final = "FEATURE_NO_QUOTE"
NO_EARLIER_DAY: Final = "FEATURE_NO_EARLIER_DAY"
PENDING: Final = "FEATURE_PENDING"

UNKNOWN: Final = "UNKNOWN"
R = TypeVar("R", bound=Record)


class Reading(msgspec.Struct, frozen=True, gc=False):
    """A number in the feature's unit, or a word; where it is unknown None or a word, and why."""

    value: int | str | None
    reason: str | None

    @property
    def number(self) -> int | None:
        """The value of a feature that is a number."""
        assert not isinstance(self.value, str)
        return self.value


def known(value: int | str) -> Reading:
    """A value."""
    return Reading(value, None)


def unknown(reason: str, value: str | None = None) -> Reading:
    """No value, and why."""
    return Reading(value, reason)


def scaled(value: float, scale: int) -> Reading:
    """A float as an integer in so many parts of its unit, rounded half up."""
    return Reading(floor(value * scale + 0.5), None)


def rounded_ratio(part: int, whole: int, scale: int) -> int:
    """``part / whole`` in so many parts, rounded half up, in integers; ``whole`` is positive."""
    return (2 * part * scale + whole) // (2 * whole)


def change_ppm(now: int, before: int) -> int:
    """How far ``now`` lies from ``before`` in parts per million of it (100 are a basis point)."""
    return rounded_ratio(now - before, before, PPM)


def gathered(
    family: str, struct: type[R], readings: tuple[Reading, ...]
) -> tuple[R, tuple[str, ...]]:
    """A family's record from its readings in field order, and a line a reading that is unknown:
    ``family.field CODE``."""
    names = struct.__struct_fields__
    lines = tuple(
        f"{family}.{name} {one.reason}"
        for name, one in zip(names, readings, strict=True)
        if one.reason is not None
    )
    return struct(*(one.value for one in readings)), lines

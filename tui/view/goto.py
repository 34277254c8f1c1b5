"""Where a person wants to go: a seq, a time of day, or a kind of entry.

Lives here: reading that line. May import: msgspec, tui.fmt. Always holds: every line means one
place or none, and none is said.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from tui import fmt

_TIME: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(?:\.(\d{1,3}))?)?")
_KIND: Final = re.compile(r"[A-Za-z]{2,}")
UNKNOWN_PLACE: Final = "That is no place: #seq, hh:mm:ss or a kind of entry."


class Goal(msgspec.Struct, frozen=True):
    """One of three is set: an entry, a moment (ns UTC), a word of a kind."""

    seq: int | None = None
    ts: int | None = None
    kind: str | None = None


def goal_of(text: str, day_ts: int) -> Goal | None:
    """The place that a line names; a time is of the IST day in which ``day_ts`` is."""
    text = text.strip()
    bare = text.removeprefix("#").replace(",", "")
    if bare.isascii() and bare.isdecimal() and len(bare) < 19:
        return Goal(seq=int(bare))
    time = _TIME.fullmatch(text)
    if time is not None:
        hours, minutes, seconds, part = time.groups()
        whole = int(hours) * 3_600 + int(minutes) * 60 + int(seconds or 0)
        millis = int((part or "").ljust(3, "0"))
        midnight = (day_ts + fmt.IST_OFFSET_NS) // fmt.DAY_NS * fmt.DAY_NS - fmt.IST_OFFSET_NS
        return Goal(ts=midnight + whole * fmt.NS_PER_S + millis * fmt.NS_PER_MS)
    return Goal(kind=text) if _KIND.fullmatch(text) else None

"""Momentum: how far the index went over the last minutes, and whether it goes faster.

Lives here: changes between closes of minutes. May import: events, engine. Always holds: a window
that a gap of the feed lies in is unknown until it has passed, or its minutes came as candles; the
close that a window begins from may be older than asked by a fifth of the window at most.
"""

from __future__ import annotations

from engine.bars import MINUTE_NS, Bar
from engine.features.reading import (
    GAP,
    TOO_FEW,
    Reading,
    change_ppm,
    gathered,
    known,
    unknown,
)
from events.features import Momentum

SLACK_DIVISOR = 5
"""A market of pages misses minutes; none of a window of a minute, three of one of fifteen."""


def momentum(minutes: tuple[Bar, ...]) -> tuple[Momentum, tuple[str, ...]]:
    """The momentum after the last of the index's minutes."""
    end = minutes[-1].start_ts if minutes else 0
    changes = tuple(change_over(minutes, end, span) for span in (1, 5, 10, 15))
    now, before = changes[1].number, change_over(minutes, end - 5 * MINUTE_NS, 5)
    earlier = before.number
    faster = before if changes[1].reason is None else changes[1]
    if now is not None and earlier is not None:
        faster = known(now - earlier)
    return gathered("momentum", Momentum, (*changes, faster))


def change_over(minutes: tuple[Bar, ...], end_ts: int, span: int) -> Reading:
    """Change in ppm over ``span`` minutes, the last of which began at ``end_ts`` (within the
    slack); from close to close."""
    slack = span // SLACK_DIVISOR * MINUTE_NS
    last = place_at(minutes, end_ts, slack)
    first = place_at(minutes, end_ts - span * MINUTE_NS, slack)
    if last < 0 or first < 0 or first >= last:
        return unknown(TOO_FEW)
    if has_gap(minutes, first, last):
        return unknown(GAP)
    return known(change_ppm(minutes[last].close_paise, minutes[first].close_paise))


def place_at(minutes: tuple[Bar, ...], start_ts: int, slack_ns: int) -> int:
    """Place of the last minute that began at or before a time, -1 where it is older by more."""
    for place in range(len(minutes) - 1, -1, -1):
        begun = minutes[place].start_ts
        if begun <= start_ts:
            return place if begun >= start_ts - slack_ns else -1
    return -1


def has_gap(minutes: tuple[Bar, ...], first: int, last: int) -> bool:
    """Whether a gap has a part in one of the minutes from place to place."""
    return any(minutes[place].gapped for place in range(first, last + 1))

"""VWAP of the near future: of the session and of the last minutes.

Lives here: the readings; the session's sums are the indicators'. May import: events, engine. Always
holds: typical prices weighted by volume; an index has none, so without a future there is no VWAP;
the session's is unknown while a gap has a part in more than a tenth of the session's minutes.
"""

from __future__ import annotations

from typing import Final

from engine.bars import MINUTE_NS, Bar
from engine.features.momentum import has_gap
from engine.features.reading import (
    GAP,
    NO_QUOTE,
    NOT_OFFERED,
    TOO_FEW,
    Reading,
    change_ppm,
    gathered,
    known,
    scaled,
    unknown,
)
from engine.indicators import IndicatorState
from events.features import FutureVwap

ROLLING_MINUTES: Final = 20
ROLLING_MINUTES_MIN: Final = 15
"""Of the last twenty minutes so many must have traded."""

SLOPE_MINUTES: Final = 10
LOST_DIVISOR: Final = 10


def future_vwap(
    future: tuple[Bar, ...],
    lost: int,
    indicators: IndicatorState | None,
    end_ts: int,
    open_ns: int,
    *,
    offered: bool,
) -> tuple[FutureVwap, tuple[str, ...]]:
    """The future's averages after the minute that began at ``end_ts``; ``lost`` counts its minutes
    since the open that a gap has a part in."""
    if not offered:
        return gathered("future_vwap", FutureVwap, (unknown(NOT_OFFERED),) * 3)
    session = _session(future, lost, indicators, end_ts, open_ns)
    rolling = rolling_vwap(future, end_ts)
    before = rolling_vwap(future, end_ts - SLOPE_MINUTES * MINUTE_NS)
    slope = rolling if rolling.reason is not None else before
    now, then = rolling.number, before.number
    if now is not None and then is not None:
        slope = known(change_ppm(now, then))
    return gathered("future_vwap", FutureVwap, (session, rolling, slope))


def _session(
    future: tuple[Bar, ...], lost: int, indicators: IndicatorState | None, end_ts: int, open_ns: int
) -> Reading:
    vwap = indicators.vwap_paise if indicators is not None else None
    if vwap is None:
        return unknown(NO_QUOTE if future else TOO_FEW)
    passed = (end_ts - open_ns) // MINUTE_NS + 1
    if lost * LOST_DIVISOR > passed:
        return unknown(GAP)
    return scaled(vwap, 1)


def rolling_vwap(future: tuple[Bar, ...], end_ts: int) -> Reading:
    """VWAP of the twenty minutes of which the last began at ``end_ts``."""
    first_ts = end_ts - (ROLLING_MINUTES - 1) * MINUTE_NS
    places = [n for n, one in enumerate(future) if first_ts <= one.start_ts <= end_ts]
    if len(places) < ROLLING_MINUTES_MIN:
        return unknown(TOO_FEW)
    if has_gap(future, places[0], places[-1]):
        return unknown(GAP)
    turnover = volume = 0
    for place in places:
        one = future[place]
        units = one.volume or 0
        turnover += (one.high_paise + one.low_paise + one.close_paise) * units
        volume += units
    if volume == 0:
        return unknown(NO_QUOTE)
    return known((2 * turnover + 3 * volume) // (6 * volume))

"""Features of the session's shape: opening range, gap of the open, trend of the longer bars.

Lives here: what is read off the tape. May import: events, engine. Always holds: without the
candles of the day's first minutes a session that began later has no opening range and no open,
whatever it saw since; a gap is against the trading day before, and against no other.
"""

from __future__ import annotations

from typing import Final

from engine.features.reading import (
    GAP,
    MILLI,
    NO_EARLIER_DAY,
    NOT_SEEN,
    PENDING,
    TOO_FEW,
    UNKNOWN,
    Reading,
    change_ppm,
    gathered,
    known,
    scaled,
    unknown,
)
from engine.features.tape import DOWN, UP, Opening, Tape, Trend
from events.features import HigherTrend, OpenGap, OpeningRange

TREND_BARS_MIN: Final = 4
"""An hour of longer bars: the averages begin at the first close, and need some to part."""

SEPARATION_MILLI_MIN: Final = 250
"""A quarter of the longer bars' average range apart is a direction, less is FLAT. A steady move of
half an average range a bar comes to about this within the first hour."""


def opening_range(tape: Tape, open_ns: int) -> tuple[OpeningRange, tuple[str, ...]]:
    """The opening range, where the last minute closed against it, and which side broke."""
    opening = tape.opening
    reason = opening_fault(opening, open_ns)
    if reason is not None:
        none, word = unknown(reason), unknown(reason, UNKNOWN)
        return gathered("opening_range", OpeningRange, (none, none, word, word))
    close = tape.minutes[-1].close_paise
    side = "INSIDE"
    if close > opening.high_paise:
        side = "ABOVE"
    elif close < opening.low_paise:
        side = "BELOW"
    readings = (opening.high_paise, opening.low_paise, side, opening.broken)
    return gathered("opening_range", OpeningRange, tuple(known(one) for one in readings))


def opening_fault(opening: Opening, open_ns: int) -> str | None:
    """Why there is no opening range; None where there is one."""
    if opening.first_ts != open_ns:
        return NOT_SEEN
    if opening.holed:
        return GAP
    return None if opening.is_over(open_ns) else PENDING


def open_gap(
    opening: Opening, open_ns: int, previous_close_paise: int
) -> tuple[OpenGap, tuple[str, ...]]:
    """The gap of the open; ``previous_close_paise`` 0 is: not known."""
    before = known(previous_close_paise) if previous_close_paise > 0 else unknown(NO_EARLIER_DAY)
    first = known(opening.open_paise) if opening.saw_open(open_ns) else unknown(NOT_SEEN)
    gap: Reading = before if before.reason is not None else first
    if before.reason is None and first.reason is None:
        gap = known(change_ppm(opening.open_paise, previous_close_paise))
    return gathered("open_gap", OpenGap, (before, first, gap))


def higher_trend(trend: Trend, *, gapped: bool) -> tuple[HigherTrend, tuple[str, ...]]:
    """The direction of the longer bars; ``gapped``: the session has had a gap."""
    indicators = trend.indicators
    if indicators is None or trend.bars < TREND_BARS_MIN or indicators.atr_paise <= 0.0:
        reason = GAP if gapped else TOO_FEW
        readings = (unknown(reason, UNKNOWN), unknown(reason))
        return gathered("higher_trend", HigherTrend, readings)
    apart = indicators.ema_fast_paise - indicators.ema_slow_paise
    separation = scaled(apart / indicators.atr_paise, MILLI)
    value = separation.number or 0
    direction = "FLAT"
    if value >= SEPARATION_MILLI_MIN:
        direction = UP
    elif value <= -SEPARATION_MILLI_MIN:
        direction = DOWN
    return gathered("higher_trend", HigherTrend, (known(direction), separation))

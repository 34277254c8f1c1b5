"""Candles of one instrument, made from the frames seen, a minute at a time.

Lives here: ``Candles`` and the intervals of the historical route. May import: engine.rulebook.
Always holds: a candle is stamped with its start; a minute without a trade (of an index, a price)
has none. Start reading at ``Candles.of``.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from engine.rulebook import IST_OFFSET_NS, NS_PER_S, day_from_days, hhmmss_of, iso_day

MINUTE_NS: Final = 60 * NS_PER_S
INTERVALS: Final = MappingProxyType(
    {
        "minute": 1,
        "3minute": 3,
        "5minute": 5,
        "10minute": 10,
        "15minute": 15,
        "30minute": 30,
        "60minute": 60,
        "day": 1_440,
    }
)
"""Name to minutes. Intraday candles are counted from 09:15 IST."""

DAYS_MAX: Final = MappingProxyType(
    {
        "minute": 60,
        "3minute": 100,
        "5minute": 100,
        "10minute": 100,
        "15minute": 200,
        "30minute": 200,
        "60minute": 400,
        "day": 2_000,
    }
)
"""How many days one request may span."""

_OPEN_MINUTE: Final = 9 * 60 + 15

START, OPEN, HIGH, LOW, CLOSE, VOLUME, OI = range(7)
"""A minute's cell."""


class Candles:
    """The minutes in order; only the last can still change."""

    __slots__ = ("minutes",)

    def __init__(self) -> None:
        self.minutes: list[list[int]] = []

    def see(self, now_ns: int, price: int, traded: int, oi: int) -> None:
        """Take a price at which so many units were seen to trade, with the open interest. What
        comes before 09:15 is in no candle."""
        start = (now_ns + IST_OFFSET_NS) // MINUTE_NS
        if start % 1_440 < _OPEN_MINUTE:
            return
        cell = self.minutes[-1] if self.minutes else None
        if cell is None or cell[START] != start:
            self.minutes.append([start, price, price, price, price, traded, oi])
            return
        cell[HIGH] = max(cell[HIGH], price)
        cell[LOW] = min(cell[LOW], price)
        cell[CLOSE], cell[OI] = price, oi
        cell[VOLUME] += traded

    def of(self, interval: str, from_ns: int, to_ns: int, oi: bool) -> list[list[str | float]]:
        """Candles that start within [from, to], as rows of the historical route."""
        size = INTERVALS[interval]
        merged: list[list[int]] = []
        for cell in self.minutes:
            start = _start(cell[START], size)
            if merged and merged[-1][START] == start:
                _merge(merged[-1], cell)
            else:
                merged.append([start, *cell[1:]])
        rows = []
        for cell in merged:
            at_ns = cell[START] * MINUTE_NS - IST_OFFSET_NS
            if from_ns <= at_ns <= to_ns:
                rows.append(_row(cell, oi))
        return rows


def _start(minute: int, size: int) -> int:
    """The first minute (IST, since 1970) of the candle that a minute belongs to."""
    midnight = minute // 1_440 * 1_440
    if size == 1_440:
        return midnight
    return midnight + _OPEN_MINUTE + (minute - midnight - _OPEN_MINUTE) // size * size


def _merge(into: list[int], cell: list[int]) -> None:
    into[HIGH] = max(into[HIGH], cell[HIGH])
    into[LOW] = min(into[LOW], cell[LOW])
    into[CLOSE], into[OI] = cell[CLOSE], cell[OI]
    into[VOLUME] += cell[VOLUME]


def _row(cell: list[int], oi: bool) -> list[str | float]:
    day = iso_day(day_from_days(cell[START] // 1_440))
    when = f"{day}T{hhmmss_of(cell[START] * MINUTE_NS - IST_OFFSET_NS)}+0530"
    prices = [cell[n] / 100 for n in (OPEN, HIGH, LOW, CLOSE)]
    row: list[str | float] = [when, *prices, cell[VOLUME]]
    return [*row, cell[OI]] if oi else row

"""Candles by request, as one fact for each instrument.

Lives here: the intervals, the cut into requests, the reading of candles. May import: adapters.kite,
events. Always holds: the candles of an event are whole and in order or there are none and a fault;
a candle that has not ended by the end of what was asked for is left out, since it still changes;
each event says where its candles come from. Start reading at ``load_history``.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

import msgspec

from adapters.kite.broker import KiteReads, fault_of
from adapters.kite.rate import HISTORICAL
from adapters.kite.reports import candle_of, rows_of
from engine.rulebook import IST_OFFSET_NS, NS_PER_DAY, NS_PER_S, day_from_days, hhmmss_of, iso_day
from events.feed import HistoryLoaded

SOURCE: Final = "kite:historical"
MINUTE_MS: Final = 60_000

INTERVALS: Final = {
    MINUTE_MS: ("minute", 60),
    3 * MINUTE_MS: ("3minute", 100),
    5 * MINUTE_MS: ("5minute", 100),
    10 * MINUTE_MS: ("10minute", 100),
    15 * MINUTE_MS: ("15minute", 200),
    30 * MINUTE_MS: ("30minute", 200),
    60 * MINUTE_MS: ("60minute", 400),
    1440 * MINUTE_MS: ("day", 2000),
}
"""Bar length to the broker's word and the most days that one request may span (as measured by its
users; the documentation gives no number)."""

CANDLES_MAX: Final = 200_000
TRIES: Final = 3
RETRY_S: Final = 1.0
AGAIN: Final = ("RATE", "TIMEOUT", "NETWORK", "CONNECT", "GENERAL")
"""Faults that a second request, a moment later, may not meet. A read changes nothing."""


class HistoryRequest(msgspec.Struct, frozen=True):
    """Candles of one instrument: its index and token, from and to in ns UTC, the bar's length."""

    instrument: int
    token: int
    bar_ms: int
    from_ns: int
    to_ns: int


class Candle(msgspec.Struct, frozen=True, gc=False):
    """One candle; ``start`` ns UTC, prices in paise."""

    start: int
    open_paise: int
    high_paise: int
    low_paise: int
    close_paise: int
    volume_units: int


def load_history(reads: KiteReads, request: HistoryRequest) -> HistoryLoaded:
    """Ask for the candles, in as many requests as the broker's spans need. A fault of any request
    is the event's, and then it holds no candle. Raises ``ValueError`` for a bar that the broker
    does not have."""
    if request.bar_ms not in INTERVALS:
        raise ValueError(f"the broker has no candles of {request.bar_ms} ms")
    interval, days = INTERVALS[request.bar_ms]
    candles: list[Candle] = []
    for start, end in spans(request.from_ns, request.to_ns, days):
        found, fault = _ask(reads, request.token, interval, start, end)
        if fault is None:
            fault = _add(candles, found, request)
        if fault is not None:
            return no_history(request, fault)
    return _loaded(request, interval, tuple(candles), None)


def no_history(request: HistoryRequest, fault: str) -> HistoryLoaded:
    """The event of candles that could not be had."""
    interval, _ = INTERVALS.get(request.bar_ms, ("none", 0))
    return _loaded(request, interval, (), fault)


def spans(from_ns: int, to_ns: int, days: int) -> Iterator[tuple[int, int]]:
    """Consecutive pieces of at most so many days; the broker takes both ends in, to the second."""
    start = from_ns
    while start <= to_ns:
        end = min(to_ns, start + days * NS_PER_DAY - NS_PER_S)
        yield start, end
        start = end + NS_PER_S


def _ask(
    reads: KiteReads, token: int, interval: str, from_ns: int, to_ns: int
) -> tuple[tuple[Candle, ...], str | None]:
    ask = partial(_candles, token, interval, ist_text(from_ns), ist_text(to_ns))
    for tried in range(1, TRIES + 1):
        reply = reads.read(HISTORICAL, ask)
        if reply.verdict is None:
            return reply.data or (), None
        if reply.verdict.fault not in AGAIN or tried == TRIES:
            break
        reads.rest(RETRY_S * tried)
    return (), fault_of(reply)


def _candles(token: int, interval: str, start: str, end: str, client: Any) -> tuple[Candle, ...]:
    data = client.historical_data(token, start, end, interval)
    return rows_of(data, "candles", lambda row: Candle(*candle_of(row)))


def _add(candles: list[Candle], found: tuple[Candle, ...], request: HistoryRequest) -> str | None:
    """Take over what is finished and inside; the fault of what is out of order."""
    for candle in found:
        if candles and candle == candles[-1]:
            continue  # both ends of a span are taken in
        if candles and candle.start <= candles[-1].start:
            return "DATA candle.date"
        ended = candle.start + request.bar_ms * 1_000_000 <= request.to_ns
        if ended and candle.start >= request.from_ns:
            candles.append(candle)
    return "DATA candles" if len(candles) > CANDLES_MAX else None


def _loaded(
    request: HistoryRequest, interval: str, candles: tuple[Candle, ...], fault: str | None
) -> HistoryLoaded:
    return HistoryLoaded(
        instrument=request.instrument,
        bar_ms=request.bar_ms,
        source=f"{SOURCE}:{interval}",
        from_ts=request.from_ns,
        to_ts=request.to_ns,
        starts=tuple(candle.start for candle in candles),
        opens_paise=tuple(candle.open_paise for candle in candles),
        highs_paise=tuple(candle.high_paise for candle in candles),
        lows_paise=tuple(candle.low_paise for candle in candles),
        closes_paise=tuple(candle.close_paise for candle in candles),
        volumes_units=tuple(candle.volume_units for candle in candles),
        fault=fault,
    )


def ist_text(ns: int) -> str:
    """``YYYY-MM-DD HH:MM:SS`` IST of ns UTC, as the broker takes times."""
    day = day_from_days((ns + IST_OFFSET_NS) // NS_PER_DAY)
    return f"{iso_day(day)} {hhmmss_of(ns)}"

"""What the features of an underlying remember between bars.

Lives here: the frozen ``Tape`` and its steps by a minute of the index or the future. May import:
events.base, engine.bars, engine.indicators, engine.exact. Always holds: it speaks of this trading
day, but for the averages of the longer bars; a minute is taken once, in order; folded anew from a
day's minutes (candles among them) it is what the ticks would have made of it.
It stands beside ``UnderlyingState``, not in it: each snapshot hashes that, and this is long.
Start reading at ``with_minute``.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from engine.bars import MINUTE_NS, Bar, bar_start, merge
from engine.indicators import IndicatorState, step_bar
from events.base import Record

MINUTES_KEPT: Final = 31
"""Enough for thirty changes of a minute."""

OPENING_MINUTES: Final = 15
"""The opening range is that of the first quarter of an hour, as its traders have it."""

TREND_MINUTES: Final = 15
"""The longer bar."""

OPENING_NS: Final = OPENING_MINUTES * MINUTE_NS
TREND_NS: Final = TREND_MINUTES * MINUTE_NS

UP: Final = "UP"
DOWN: Final = "DOWN"
NONE: Final = "NONE"


class Opening(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The opening range so far. ``first_ts`` is the day's first minute (0: none yet), ``last_ts``
    the last; ``open_paise`` is 0 where the first began late; ``holed`` says that a gap of the feed
    lies in the range."""

    first_ts: int
    last_ts: int
    open_paise: int
    high_paise: int
    low_paise: int
    holed: bool
    broken: str

    def saw_open(self, open_ns: int) -> bool:
        """Whether the first price of continuous trading was seen: a gap in the first minute may
        have hidden it."""
        return self.first_ts == open_ns and self.open_paise > 0

    def is_over(self, open_ns: int) -> bool:
        return self.last_ts + MINUTE_NS >= open_ns + OPENING_NS


class Trend(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The longer bars of the index: ``forming`` are the minutes of the open one, ``bars`` counts
    those closed without one that is missing or not whole, the last at ``last_ts`` (0: none today);
    ``indicators`` are after it."""

    indicators: IndicatorState | None
    bars: int
    last_ts: int
    forming: tuple[Bar, ...]


class VolatilityDay(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Volatilities at the money of the session's bars (bps a year): how many, their sums, lowest,
    highest and last, and the bar of the last."""

    bar_ts: int
    count: int
    total_bps: int
    squares: int
    low_bps: int
    high_bps: int
    last_bps: int


class InterestRow(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Open interest at a moment, in units: of the future, and of the near expiry's calls and puts
    in strike order. -1 is: not seen. ``index_paise`` is where the index stood."""

    bar_ts: int
    index_paise: int
    expiry: int
    future_units: int
    units: tuple[int, ...]


class Tape(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The memory of one underlying's features.

    ``minutes`` and ``future`` are the last closed minutes of the index and of the near future,
    ``lost`` counts the future's since the open that a gap has a part in. ``declared_ts`` is the
    last declared bar of the index. Of earlier days there are the close of the trading day before
    (0: not known) and the volatilities at the money of their closes, the oldest first.
    """

    minutes: tuple[Bar, ...]
    future: tuple[Bar, ...]
    lost: int
    opening: Opening
    trend: Trend
    declared_ts: int
    volatility: VolatilityDay
    interest: tuple[InterestRow, ...]
    previous_close_paise: int
    closes_bps: tuple[int, ...]


NO_OPENING: Final = Opening(0, 0, 0, 0, 0, False, NONE)
NEW_TAPE: Final = Tape(
    (), (), 0, NO_OPENING, Trend(None, 0, 0, ()), 0, VolatilityDay(0, 0, 0, 0, 0, 0, 0), (), 0, ()
)


def kept(minutes: tuple[Bar, ...], minute: Bar) -> tuple[Bar, ...]:
    """The last minutes after one more; one that is not later than the last changes nothing."""
    if minutes and minute.start_ts <= minutes[-1].start_ts:
        return minutes
    return (*minutes[-MINUTES_KEPT + 1 :], minute)


def with_minute(tape: Tape, minute: Bar, open_ns: int) -> Tape:
    """The tape after a closed minute of the index; ``open_ns`` is the day's open (ns UTC)."""
    minutes = kept(tape.minutes, minute)
    if minutes is tape.minutes:
        return tape
    return replace(
        tape,
        minutes=minutes,
        opening=step_opening(tape.opening, minute, open_ns),
        trend=step_trend(tape.trend, minute, open_ns),
    )


def with_future(tape: Tape, minute: Bar, open_ns: int) -> Tape:
    """The tape after a closed minute of the near future.

    The hole of a minute that a gap has a part in reaches back to the minute before it, or to the
    open; a minute without a trade is no hole.
    """
    minutes = kept(tape.future, minute)
    if minutes is tape.future or minute.start_ts < open_ns:
        return tape
    lost = tape.lost
    if minute.gapped:
        before = tape.future[-1].start_ts if tape.future else open_ns - MINUTE_NS
        lost += (minute.start_ts - before) // MINUTE_NS
    return replace(tape, future=minutes, lost=lost)


def refolded(tape: Tape, minutes: tuple[Bar, ...], open_ns: int) -> Tape:
    """The tape with the index's part folded anew from all the day's minutes."""
    fresh = NEW_TAPE
    for minute in minutes:
        fresh = with_minute(fresh, minute, open_ns)
    return replace(tape, minutes=fresh.minutes, opening=fresh.opening, trend=fresh.trend)


def refolded_future(tape: Tape, minutes: tuple[Bar, ...], open_ns: int) -> Tape:
    """The tape with the future's part folded anew from all the day's minutes."""
    fresh = NEW_TAPE
    for minute in minutes:
        fresh = with_future(fresh, minute, open_ns)
    return replace(tape, future=fresh.future, lost=fresh.lost)


def step_opening(opening: Opening, minute: Bar, open_ns: int) -> Opening:
    """The opening range after a minute.

    The hole of a minute that a gap has a part in reaches back to the minute before it: where that
    lies in the range, the range has a hole. A side once broken stays so for the day.
    """
    start, before = minute.start_ts, opening.last_ts
    if start < open_ns:
        return opening
    end = open_ns + OPENING_NS
    holed = opening.holed or (minute.gapped and min(before + MINUTE_NS, start) < end)
    first, open_paise = opening.first_ts or start, opening.open_paise
    if not opening.first_ts and start == open_ns and not minute.gapped:
        open_paise = minute.open_paise
    if start < end:
        low = opening.low_paise
        return Opening(
            first,
            start,
            open_paise,
            max(opening.high_paise, minute.high_paise),
            min(low, minute.low_paise) if low else minute.low_paise,
            holed,
            NONE,
        )
    broken, close = opening.broken, minute.close_paise
    if first == open_ns and not holed and broken == NONE:
        broken = UP if close > opening.high_paise else DOWN if close < opening.low_paise else NONE
    return Opening(first, start, open_paise, opening.high_paise, opening.low_paise, holed, broken)


def step_trend(trend: Trend, minute: Bar, open_ns: int) -> Trend:
    """The longer bars after a minute: the open one ends with its last minute, or with the first of
    a later one."""
    start = bar_start(minute.start_ts, TREND_NS, open_ns)
    forming = trend.forming
    if forming and bar_start(forming[0].start_ts, TREND_NS, open_ns) < start:
        trend = _ended(trend, open_ns)
        forming = ()
    trend = replace(trend, forming=(*forming, minute))
    last = minute.start_ts + MINUTE_NS == start + TREND_NS
    return _ended(trend, open_ns) if last else trend


def _ended(trend: Trend, open_ns: int) -> Trend:
    """The open longer bar closed. It is whole with two thirds of its minutes, untouched by a gap; a
    bar that is not, or one that is missing, begins the count anew."""
    minutes = trend.forming
    start = bar_start(minutes[0].start_ts, TREND_NS, open_ns)
    untouched = 0
    for minute in minutes:
        untouched += not minute.gapped
    next_one = trend.last_ts in (0, start - TREND_NS)
    bars = trend.bars if next_one else 0
    bars = bars + 1 if 3 * untouched >= 2 * TREND_MINUTES else 0
    bar = merge(minutes, start, TREND_NS)
    return Trend(step_bar(trend.indicators, bar), bars, start, ())


def start_trend_day(trend: Trend) -> Trend:
    """Before a day's first minute: averages of longer bars stay, an open bar does not go on."""
    return replace(trend, last_ts=0, forming=())


def start_day(tape: Tape) -> Tape:
    """Before a day's first minute: nothing stays but the averages of the longer bars."""
    return replace(NEW_TAPE, trend=start_trend_day(tape.trend))


def step_volatility_day(day: VolatilityDay, bar_ts: int, atm_bps: int | None) -> VolatilityDay:
    """The session's volatilities with that of one more bar; a bar counts once."""
    if atm_bps is None or bar_ts <= day.bar_ts:
        return day
    return VolatilityDay(
        bar_ts,
        day.count + 1,
        day.total_bps + atm_bps,
        day.squares + atm_bps * atm_bps,
        min(day.low_bps, atm_bps) if day.count else atm_bps,
        max(day.high_bps, atm_bps),
        atm_bps,
    )

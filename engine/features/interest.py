"""Open interest: puts against calls, the strike of least pain, what is built up.

Lives here: the near expiry's ratios, and changes against a row of the tape. May import: events,
engine. Always holds: what is built up follows from the UNDERLYING's direction and the change of
open interest, with the direction turned for puts (a put gains when its underlying falls); only
contracts seen at both ends of a span have a part in a change.
Start reading at ``open_interest``; for one contract at ``contract_build``.
"""

from __future__ import annotations

from typing import Final

from engine.bars import FIVE_NS, MINUTE_NS
from engine.features.reading import (
    BPS,
    MILLI,
    NO_QUOTE,
    NOT_OFFERED,
    TOO_FEW,
    UNKNOWN,
    Reading,
    change_ppm,
    gathered,
    known,
    unknown,
)
from engine.features.tape import InterestRow
from engine.options import PUT
from engine.state import NO_INDEX, ExpiryMap, Quote
from events.features import OpenInterest

SPAN_NS: Final = 15 * MINUTE_NS
"""Changes are against the newest row that is at least so old: the exchange publishes open interest
every few minutes."""

ROW_NS: Final = FIVE_NS
ROWS_KEPT: Final = 5
SPAN_MAX_NS: Final = 30 * MINUTE_NS

FLAT_PPM: Final = 300
"""The underlying has not moved below three basis points."""

FLAT_BPS: Final = 20
"""Open interest has not changed below a fifth of a per cent."""

LONG, SHORT, SHORT_COVER, LONG_LIQ, FLAT = "LONG", "SHORT", "SHORT_COVER", "LONG_LIQ", "FLAT"

BUILDS: Final[dict[tuple[int, int], str]] = {
    (1, 1): LONG,
    (-1, 1): SHORT,
    (1, -1): SHORT_COVER,
    (-1, -1): LONG_LIQ,
}
"""By the direction of the contract's price and of its open interest; anything flat is FLAT."""

SEEN_OF: Final = (4, 5)
"""Of the contracts near the money so large a part must have been seen, or a ratio is no ratio."""


def build_of(direction: int, oi_before: int, oi_change: int) -> str:
    """What is built up in a contract whose price goes in ``direction`` (-1, 0, 1)."""
    turn = (oi_change > 0) - (oi_change < 0)
    if abs(oi_change) * BPS < FLAT_BPS * oi_before:
        turn = 0
    return BUILDS.get((direction, turn), FLAT)


def direction_of(index_now: int, index_before: int) -> int:
    """The underlying's direction: 1, -1, or 0 where it has hardly moved."""
    change = change_ppm(index_now, index_before)
    return 0 if abs(change) < FLAT_PPM else 1 if change > 0 else -1


def interest_row(
    bar_ts: int,
    index_paise: int,
    emap: ExpiryMap | None,
    future: int,
    quotes: tuple[Quote | None, ...],
) -> InterestRow:
    """The open interest of now."""
    legs = (*emap.calls, *emap.puts) if emap is not None else ()
    units = tuple(_units(quotes, i) for i in legs)
    expiry = emap.expiry if emap is not None else 0
    return InterestRow(bar_ts, index_paise, expiry, _units(quotes, future), units)


def _units(quotes: tuple[Quote | None, ...], i: int) -> int:
    quote = quotes[i] if i != NO_INDEX else None
    return quote.oi_units if quote is not None else -1


def with_row(rows: tuple[InterestRow, ...], row: InterestRow) -> tuple[InterestRow, ...]:
    """The rows with one more, where it is of a later five minutes than the last."""
    if rows and row.bar_ts // ROW_NS <= rows[-1].bar_ts // ROW_NS:
        return rows
    return (*rows[-ROWS_KEPT + 1 :], row)


def reference(rows: tuple[InterestRow, ...], bar_ts: int) -> InterestRow | None:
    """The newest row that is old enough, if it is not too old."""
    for row in reversed(rows):
        if row.bar_ts <= bar_ts - SPAN_NS:
            return row if row.bar_ts >= bar_ts - SPAN_MAX_NS else None
    return None


def open_interest(
    now: InterestRow,
    rows: tuple[InterestRow, ...],
    emap: ExpiryMap | None,
    near: range,
    quotes: tuple[Quote | None, ...],
    *,
    has_future: bool,
) -> tuple[OpenInterest, tuple[str, ...]]:
    """Ratios, pain and builds; ``near`` are the places of the strikes near the money, which have to
    have been seen."""
    ratios = (unknown(NOT_OFFERED),) * 3 if emap is None else _ratios(emap, near, quotes)
    before = reference(rows, now.bar_ts)
    if before is None or before.index_paise <= 0 or now.index_paise <= 0:
        few, word = unknown(TOO_FEW), unknown(TOO_FEW, UNKNOWN)
        changes: tuple[Reading, ...] = (few, few, few, few, word, word, word)
        return gathered("open_interest", OpenInterest, (*ratios, *changes))
    direction = direction_of(now.index_paise, before.index_paise)
    future, future_build = _side(direction, (before.future_units,), (now.future_units,))
    if not has_future:
        future, future_build = unknown(NOT_OFFERED), unknown(NOT_OFFERED, UNKNOWN)
    half = len(now.units) // 2
    same = before.expiry == now.expiry and len(before.units) == len(now.units) and half > 0
    calls, calls_build = unknown(NO_QUOTE), unknown(NO_QUOTE, UNKNOWN)
    puts, puts_build = calls, calls_build
    if same:
        calls, calls_build = _side(direction, before.units[:half], now.units[:half])
        puts, puts_build = _side(-direction, before.units[half:], now.units[half:])
    span = known((now.bar_ts - before.bar_ts) // MINUTE_NS)
    changes = (span, future, calls, puts, future_build, calls_build, puts_build)
    return gathered("open_interest", OpenInterest, (*ratios, *changes))


def _side(direction: int, before: tuple[int, ...], now: tuple[int, ...]) -> tuple[Reading, Reading]:
    """Change and build of contracts whose price goes in ``direction``."""
    had = change = seen = 0
    for was, is_now in zip(before, now, strict=True):
        if was >= 0 and is_now >= 0:
            had += was
            change += is_now - was
            seen += 1
    if seen == 0 or (had == 0 and change == 0):
        return unknown(NO_QUOTE), unknown(NO_QUOTE, UNKNOWN)
    return known(change), known(build_of(direction, had, change))


def contract_build(
    rows: tuple[InterestRow, ...], emap: ExpiryMap, place: int, right: str, now: InterestRow
) -> tuple[int | None, str]:
    """Change of open interest and build of the contract at a strike's place: (None, UNKNOWN) where
    it was not seen at both ends, or is not of the rows' expiry."""
    before = reference(rows, now.bar_ts)
    at = place + (len(emap.strikes_paise) if right == PUT else 0)
    if before is None or not before.expiry == now.expiry == emap.expiry:
        return None, UNKNOWN
    if len(before.units) != len(now.units) or before.index_paise <= 0 or now.index_paise <= 0:
        return None, UNKNOWN
    was, is_now = before.units[at], now.units[at]
    if was < 0 or is_now < 0:
        return None, UNKNOWN
    direction = direction_of(now.index_paise, before.index_paise)
    return is_now - was, build_of(-direction if right == PUT else direction, was, is_now - was)


# --- ratios --------------------------------------------------------------------------------------


def _ratios(
    emap: ExpiryMap, near: range, quotes: tuple[Quote | None, ...]
) -> tuple[Reading, Reading, Reading]:
    """Put-call ratio of open interest and of volume, and the strike of least pain."""
    listed = seen = 0
    for place in near:
        for i in (emap.calls[place], emap.puts[place]):
            listed += i != NO_INDEX
            seen += i != NO_INDEX and quotes[i] is not None
    part, whole = SEEN_OF
    if seen * whole < listed * part or listed == 0:
        return (unknown(NO_QUOTE),) * 3
    calls_oi, calls_volume = _sums(emap.calls, quotes)
    puts_oi, puts_volume = _sums(emap.puts, quotes)
    pain = max_pain(emap.strikes_paise, _interest(emap.calls, quotes), _interest(emap.puts, quotes))
    return (
        _ratio(puts_oi, calls_oi),
        _ratio(puts_volume, calls_volume),
        known(pain) if pain is not None else unknown(NO_QUOTE),
    )


def _ratio(puts: int, calls: int) -> Reading:
    return known(puts * MILLI // calls) if calls > 0 else unknown(NO_QUOTE)


def _sums(legs: tuple[int, ...], quotes: tuple[Quote | None, ...]) -> tuple[int, int]:
    """Open interest and the day's volume of those that were seen."""
    oi = volume = 0
    for i in legs:
        quote = quotes[i] if i != NO_INDEX else None
        if quote is not None:
            oi += quote.oi_units
            volume += quote.volume_units
    return oi, volume


def _interest(legs: tuple[int, ...], quotes: tuple[Quote | None, ...]) -> tuple[int, ...]:
    return tuple(max(_units(quotes, i), 0) for i in legs)


def max_pain(strikes: tuple[int, ...], calls: tuple[int, ...], puts: tuple[int, ...]) -> int | None:
    """The strike at which all options of an expiry would pay their holders least, in paise; the
    lowest of several, None without open interest. ``calls`` and ``puts`` are units by strike.

    From a strike to the next the calls below it pay the step more, the puts above it less, so one
    pass over ascending strikes finds it.
    """
    below = above = pain = 0
    for strike, units in zip(strikes, puts, strict=True):
        above += units
        pain += (strike - strikes[0]) * units
    if above == 0 and not any(calls):
        return None
    least, at = pain, strikes[0]
    for place in range(1, len(strikes)):
        below += calls[place - 1]
        above -= puts[place - 1]
        pain += (strikes[place] - strikes[place - 1]) * (below - above)
        if pain < least:
            least, at = pain, strikes[place]
    return at

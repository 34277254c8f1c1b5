"""Where an underlying's instruments stand: made once from the instruments and the rulebook.

Lives here: the maps of ``engine.state`` built from ``InstrumentsLoaded``. May import: events,
engine. Always holds: underlyings follow the order of their index rows; strikes ascend; a strike
with only one of its two legs keeps ``NO_INDEX`` for the other; an option without a strike stands in
no map.
"""

from __future__ import annotations

from engine.exact import log
from engine.rulebook import Rulebook
from engine.state import NO_INDEX, ExpiryMap, UnderlyingMap
from events.session import Instrument

OPTION_KINDS = ("CE", "PE")
UNLISTED = "carried"
"""The provenance of a held contract that today's list does not have: its row is an earlier one's.
It is in no map, so that nothing is reckoned from it and nothing entered in it."""

BAR_KINDS = ("INDEX", "FUT", "VIX")
"""Kinds that have bars from the start; an option has them while it is held."""


def underlyings_of(
    instruments: tuple[Instrument, ...], book: Rulebook | None
) -> tuple[UnderlyingMap, ...]:
    """One map per row of kind INDEX, in row order."""
    return tuple(
        _underlying(i, row, instruments, book)
        for i, row in enumerate(instruments)
        if row.kind == "INDEX"
    )


def _underlying(
    index: int, row: Instrument, instruments: tuple[Instrument, ...], book: Rulebook | None
) -> UnderlyingMap:
    name = row.underlying
    future = nearest_future(name, instruments)
    options = [
        (i, one)
        for i, one in enumerate(instruments)
        if one.underlying == name
        and one.kind in OPTION_KINDS
        and one.strike_paise > 0
        and one.provenance != UNLISTED
    ]
    expiries = sorted({one.expiry: None for _, one in options})
    maps = tuple(_expiry(expiry, options, book) for expiry in expiries)
    exchange = options[0][1].exchange if options else row.exchange
    close = (
        _close_ns(instruments[future].expiry, instruments[future].exchange, book)
        if future >= 0
        else 0
    )
    return UnderlyingMap(name, exchange, index, future, close, row.provenance == "estimated", maps)


def nearest_future(name: str, instruments: tuple[Instrument, ...]) -> int:
    """Index of the underlying's future that expires first, ``NO_INDEX`` without one."""
    rows = [
        (row.expiry, i)
        for i, row in enumerate(instruments)
        if row.kind == "FUT" and row.underlying == name
    ]
    return min(rows)[1] if rows else NO_INDEX


def vix_of(instruments: tuple[Instrument, ...]) -> int:
    """Index of the volatility index, ``NO_INDEX`` without one."""
    return next((i for i, row in enumerate(instruments) if row.kind == "VIX"), NO_INDEX)


def _expiry(expiry: int, options: list[tuple[int, Instrument]], book: Rulebook | None) -> ExpiryMap:
    calls = {one.strike_paise: i for i, one in options if (one.expiry, one.kind) == (expiry, "CE")}
    puts = {one.strike_paise: i for i, one in options if (one.expiry, one.kind) == (expiry, "PE")}
    strikes = tuple(sorted(calls | puts))
    return ExpiryMap(
        expiry,
        _close_ns(expiry, options[0][1].exchange, book),
        strikes,
        tuple(log(float(strike)) for strike in strikes),
        tuple(calls.get(strike, NO_INDEX) for strike in strikes),
        tuple(puts.get(strike, NO_INDEX) for strike in strikes),
    )


def _close_ns(expiry: int, exchange: str, book: Rulebook | None) -> int:
    """When contracts of an expiry end (ns UTC); 0 when the rulebook does not say."""
    window = book.session_window(expiry, "fno", exchange) if book is not None else None
    return window.expiry_close_ns if window is not None else 0

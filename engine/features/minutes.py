"""Closed minutes into the tapes, and tapes for a new day.

Lives here: the steps of the state's tapes. May import: events, engine. Always holds: a minute comes
by its ``BarClosed``, or with all of the day's where candles have taken the place of some.
Start reading at ``take_bar``.
"""

from __future__ import annotations

from msgspec.structs import replace

from engine.bars import MINUTE_NS, Bar
from engine.features.tape import (
    NEW_TAPE,
    Tape,
    kept,
    refolded,
    refolded_future,
    with_future,
    with_minute,
)
from engine.lookup import Lookup
from engine.rulebook import Rulebook, add_days
from engine.state import State
from events.market import BarClosed
from events.session import CarriedDay

MS = 1_000_000
LONGEST_BREAK_DAYS = 14
"""No trading day is further from the one before."""


def take_bar(state: State, event: BarClosed, look: Lookup) -> State:
    """The tapes after a bar: a minute of an index, of its future, of INDIA VIX."""
    instrument = event.instrument
    u = look.underlying_of.get(instrument, -1)
    if u < 0:
        if instrument != state.vix or event.bar_ms * MS != MINUTE_NS:
            return state
        minute = _minute(state, event, look)
        return replace(state, vix_minutes=kept(state.vix_minutes, minute))
    tape, cash = state.tapes[u], state.rules.cash if state.rules is not None else None
    if cash is None:
        return state
    is_index = instrument == state.underlyings[u].index
    if event.bar_ms * MS == MINUTE_NS:
        minute = _minute(state, event, look)
        step = with_minute if is_index else with_future
        tape = step(tape, minute, cash.open_ns)
    if is_index and state.opened is not None and event.bar_ms == state.opened.market.bar_ms:
        tape = replace(tape, declared_ts=event.start_ts)
    return _with_tape(state, u, tape)


def _minute(state: State, event: BarClosed, look: Lookup) -> Bar:
    """The bar itself, which also says whether a gap has a part in it."""
    closed = state.slots[look.slot_of[event.instrument]].closed
    return next(one for one in closed if one.length_ns == MINUTE_NS)


def refold(state: State, instrument: int, minutes: tuple[Bar, ...], look: Lookup) -> State:
    """The tapes with an instrument's part folded anew from all the day's minutes."""
    u = look.underlying_of.get(instrument, -1)
    if u < 0:
        if instrument != state.vix:
            return state
        fresh: tuple[Bar, ...] = ()
        for minute in minutes:
            fresh = kept(fresh, minute)
        return replace(state, vix_minutes=fresh)
    cash = state.rules.cash if state.rules is not None else None
    if cash is None:
        return state
    anew = refolded if instrument == state.underlyings[u].index else refolded_future
    return _with_tape(state, u, anew(state.tapes[u], minutes, cash.open_ns))


def _with_tape(state: State, u: int, tape: Tape) -> State:
    tapes = list(state.tapes)
    tapes[u] = tape
    return replace(state, tapes=tuple(tapes))


# --- earlier days --------------------------------------------------------------------------------


def opening_tape(name: str, day: int, days: tuple[CarriedDay, ...], book: Rulebook | None) -> Tape:
    """An underlying's tape before the first bar of a day, with what was carried of earlier ones."""
    rows = [one for one in days if one.underlying == name and one.day < day]
    closes = tuple(one.atm_iv_bps for one in rows if one.atm_iv_bps is not None)
    before = rows[-1] if rows else None
    previous = 0
    if before is not None and before.day == day_before(day, book):
        previous = before.close_paise or 0
    return replace(NEW_TAPE, previous_close_paise=previous, closes_bps=closes)


def day_before(day: int, book: Rulebook | None) -> int | None:
    """The trading day before a day; None where the calendar does not say."""
    if book is None:
        return None
    for back in range(1, LONGEST_BREAK_DAYS + 1):
        before = add_days(day, -back)
        trades = book.is_trading_day(before)
        if trades is None:
            return None
        if trades:
            return before
    return None

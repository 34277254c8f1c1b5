"""History: minutes that the feed did not give, taken from candles.

Lives here: which minutes are missing, when to ask for their candles, what candles do. May import:
events, engine. Always holds: pure; a session at full speed has none of it; a candle stands only for
a minute of this day in which the feed was not whole, and only once, for bars are always folded anew
from the day's minutes; candles that cannot be are passed over whole.
The minute in which the feed began or came back is one of the missing: it is asked for once it is
over, and the whole candle then takes the place of the part that was seen.
Start reading at ``history_due``, then ``apply_history_loaded``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec.structs import replace

from engine.bars import FIVE_NS, MINUTE_NS, Bar, floor_to
from engine.books import MS
from engine.features.minutes import refold
from engine.feed import rolled
from engine.lookup import Lookup
from engine.orders.incidents import Incidents
from engine.orders.route import in_real_time
from engine.state import NO_HISTORY, BarSlot, HistoryState, SlotHistory, State
from events.base import Event
from events.feed import HistoryLoaded

BAR_MS: Final = MINUTE_NS // MS
"""One interval for every question: minutes make bars of every declared length."""

SETTLE_NS: Final = 5_000 * MS
"""A candle is asked for so long after its minute."""

AGAIN_NS: Final = 10_000 * MS
AGAIN_DOUBLINGS_MAX: Final = 5
"""After a failure it is asked again, first after this, each time after twice as long, to a limit.
"""

FAILED: Final = "HISTORY_FAILED"
NOT_ASKED: Final = "CLOSING"
"""Of an answer that the session's own end gave in the source's place: no fault of anybody."""

WARMED: Final = "WARMED_BY_HISTORY"
"""Marks evidence that rests on candles."""

NO_VOLUME: Final = ("INDEX", "VIX")
TIMES_MAX: Final = 2
"""No price is this many times the last one or more, or its part; another unit would be."""


class HistoryQuery(msgspec.Struct, frozen=True):
    """Candles to ask for: of an instrument, [from, to) in ns UTC."""

    instrument: int
    token: int
    bar_ms: int
    from_ns: int
    to_ns: int


def history_due(state: State) -> tuple[HistoryQuery, ...]:
    """What should be asked for now, one question an instrument, in instrument order."""
    history = state.history
    if not history.to_ns or state.desk.auth in ("EXPIRED", "REFUSED"):
        return ()
    queries = []
    for slot, bars in zip(history.slots, state.slots, strict=True):
        if slot.wanted and state.now >= slot.next_ns:
            token = state.instruments[bars.instrument].token
            window = history.from_ns, history.to_ns
            queries.append(HistoryQuery(bars.instrument, token, BAR_MS, *window))
    return tuple(queries)


# --- what is missing -----------------------------------------------------------------------------


def begin_missing(state: State, from_ns: int) -> State:
    """From this time on minutes are not whole, until ``end_missing``. What is still wanted of an
    earlier hole is asked for with this one."""
    opened, cash = state.opened, state.rules.cash if state.rules is not None else None
    if opened is None or cash is None or not in_real_time(state) or not state.slots:
        return state
    if "history" in opened.market.lacks:
        return state
    start = max(floor_to(from_ns, MINUTE_NS), cash.open_ns)
    before = state.history
    if any(slot.wanted for slot in before.slots):
        start = min(start, before.from_ns)
    slots = tuple(replace(slot, wanted=True, tries=0) for slot in before.slots)
    return replace(state, history=HistoryState(start, 0, slots))


def end_missing(state: State, ts: int) -> State:
    """The feed is whole from the next minute on."""
    history, cash = state.history, state.rules.cash if state.rules is not None else None
    if cash is None or history.to_ns or not history.from_ns:
        return state
    to_ns = min(floor_to(ts, MINUTE_NS) + MINUTE_NS, cash.close_ns)
    if to_ns <= history.from_ns:
        slots = tuple(replace(slot, wanted=False) for slot in history.slots)
        return replace(state, history=HistoryState(0, 0, slots))
    due_ns = to_ns + SETTLE_NS
    slots = tuple(replace(slot, next_ns=due_ns) for slot in history.slots)
    return replace(state, history=HistoryState(history.from_ns, to_ns, slots))


def warmed(state: State, place: int) -> tuple[str, ...]:
    """The mark of bars some of whose minutes are candles; ``place`` is that of a bar slot."""
    slots = state.history.slots
    return (WARMED,) if 0 <= place < len(slots) and slots[place].candles else ()


# --- the answer ----------------------------------------------------------------------------------


def apply_history_loaded(state: State, event: HistoryLoaded, ts: int, look: Lookup) -> State:
    """Minutes from candles take the place of those that were not whole, and what the instrument's
    bars lead to is folded anew. An answer to no open question changes nothing, a bad one only when
    it is asked again."""
    place = _place(state, event, look)
    if place is None:
        return state
    slot = state.history.slots[place]
    if history_fault(state, event) is not None:
        wait_ns = AGAIN_NS << min(slot.tries, AGAIN_DOUBLINGS_MAX)
        return _with_slot(state, place, replace(slot, tries=slot.tries + 1, next_ns=ts + wait_ns))
    kept = {one.start_ts: one for one in (*slot.minutes, *_bars(state, event))}
    minutes = tuple(sorted(kept.values(), key=lambda one: one.start_ts))
    count = sum(one.ticks == 0 for one in minutes)
    state = _with_slot(state, place, SlotHistory(minutes, False, 0, 0, count))
    return _refolded(state, place, minutes, look)


def history_news(state: State, event: HistoryLoaded, look: Lookup) -> tuple[Event, ...]:
    """The incident of an answer that was none, or its end; after ``apply_history_loaded``."""
    if not in_real_time(state) or not 0 <= event.instrument < len(state.instruments):
        return ()
    subject = state.instruments[event.instrument].tradingsymbol
    incidents = Incidents(state)
    place = look.slot_of[event.instrument]
    if place >= 0 and not state.history.slots[place].wanted:
        incidents.resolved(FAILED, subject)
    elif event.fault != NOT_ASKED and _place(state, event, look) is not None:
        fault = history_fault(state, event)
        incidents.raised(FAILED, subject, fault=fault or "", source=event.source)
    return tuple(incidents.events)


def _place(state: State, event: HistoryLoaded, look: Lookup) -> int | None:
    """The bar slot of an answer to what is asked; None for any other."""
    if not 0 <= event.instrument < len(look.slot_of):
        return None
    place, history = look.slot_of[event.instrument], state.history
    if place < 0 or not history.to_ns or not history.slots[place].wanted:
        return None
    asked = (BAR_MS, history.from_ns, history.to_ns)
    over = history.to_ns <= state.bar_end_ns - MINUTE_NS
    return place if over and (event.bar_ms, event.from_ts, event.to_ts) == asked else None


def history_fault(state: State, event: HistoryLoaded) -> str | None:
    """Why candles are not taken, as a word; None where they can be."""
    if event.fault is not None:
        return event.fault
    columns = (
        event.opens_paise, event.highs_paise, event.lows_paise, event.closes_paise,
        event.volumes_units,
    )  # fmt: skip
    if not event.starts:
        return "EMPTY"
    if any(len(column) != len(event.starts) for column in columns):
        return "DATA columns"
    before = 0
    for start, *prices, volume in zip(event.starts, *columns, strict=True):
        if start <= before or start % MINUTE_NS or not event.from_ts <= start < event.to_ts:
            return "DATA start"
        first, high, low, close = prices
        if not 0 < low <= min(first, close) or max(first, close) > high or volume < 0:
            return "DATA prices"
        before = start
    return _out_of_proportion(state, event)


def _out_of_proportion(state: State, event: HistoryLoaded) -> str | None:
    quote = state.quotes[event.instrument]
    last = quote.ltp_paise if quote is not None and quote.ltp_paise > 0 else event.closes_paise[-1]
    high, low = max(event.highs_paise), min(event.lows_paise)
    return "DATA unit" if high >= TIMES_MAX * last or TIMES_MAX * low <= last else None


def _bars(state: State, event: HistoryLoaded) -> Iterator[Bar]:
    """Candles as minutes; an index has no volume, whatever a candle says."""
    silent = state.instruments[event.instrument].kind in NO_VOLUME
    for start, first, high, low, close, volume in zip(
        event.starts,
        event.opens_paise,
        event.highs_paise,
        event.lows_paise,
        event.closes_paise,
        event.volumes_units,
        strict=True,
    ):
        units = None if silent else volume
        yield Bar(start, MINUTE_NS, first, high, low, close, units, 0, False)


def _with_slot(state: State, place: int, slot: SlotHistory) -> State:
    slots = list(state.history.slots)
    slots[place] = slot
    return replace(state, history=replace(state.history, slots=tuple(slots)))


def _refolded(state: State, place: int, minutes: tuple[Bar, ...], look: Lookup) -> State:
    """The slot that the day's minutes lead to, the tape, and of an index the day's range."""
    assert state.opened is not None
    before = state.slots[place]
    bar_ns = state.opened.market.bar_ms * MS
    slot = BarSlot(before.instrument, (), (), None, None, 0)
    declared: list[Bar] = []
    open_start = state.bar_end_ns - MINUTE_NS
    nexts = (*(one.start_ts for one in minutes[1:]), open_start)
    for minute, next_start in zip(minutes, nexts, strict=True):
        five_start = floor_to(minute.start_ts, FIVE_NS)
        ended = floor_to(next_start, FIVE_NS) > five_start
        slot = rolled(slot, minute, ended, five_start, bar_ns)
        declared.extend(bar for bar in slot.closed if bar.length_ns == bar_ns)
    slots = list(state.slots)
    # Bars that ended before this fact are still to be said.
    slots[place] = replace(slot, closed=before.closed)
    state = refold(replace(state, slots=tuple(slots)), before.instrument, minutes, look)
    return _with_range(state, before.instrument, declared, look) if declared else state


def _with_range(state: State, instrument: int, declared: list[Bar], look: Lookup) -> State:
    u = look.underlying_of.get(instrument, -1)
    if u < 0 or state.underlyings[u].index != instrument:
        return state
    markets = list(state.markets)
    markets[u] = replace(
        markets[u],
        day_open_paise=declared[0].open_paise,
        day_high_paise=max(bar.high_paise for bar in declared),
        day_low_paise=min(bar.low_paise for bar in declared),
        # Bars that a hole has no part in any more, those from candles among them.
        bars_since_gap=sum(bar.start_ts >= state.history.from_ns for bar in declared),
    )
    return replace(state, markets=tuple(markets))


def fresh_history(slots: int) -> HistoryState:
    """That of a day of so many instruments with bars, before any hole."""
    return HistoryState(0, 0, (NO_HISTORY,) * slots)

"""The desk's own times of the day: last entry, square-off, hard deadline, windows of events.

Lives here: those three, as a session has them now. May import: events, engine. Always holds: they
are the settings', or those of rows dated for the day alone where it has hours of its own; none is
so near to the close of the exchange that it could not be acted on, unless a row of the day says so;
where the close is amended they move with it; they come in their order. What LIVE makes of them is
``cli.doctor``'s to refuse.
Start reading at ``own_times``.
"""

from __future__ import annotations

from typing import Final

import msgspec

from engine.rulebook import IST_OFFSET_NS, NS_PER_DAY, NS_PER_S, DayRules
from engine.scheduled import ScheduledEvent
from engine.state import State

MINUTE_NS: Final = 60 * NS_PER_S
LAST_ENTRY_BEFORE_NS: Final = 15 * MINUTE_NS
SQUARE_OFF_BEFORE_NS: Final = 10 * MINUTE_NS
DEADLINE_BEFORE_NS: Final = 3 * MINUTE_NS
"""So long before the close of the exchange each of the three is at the latest."""


class OwnTimes(msgspec.Struct, frozen=True, gc=False):
    """ns UTC: no entry from the first on, everything is closed from the second on, and from the
    third on at whatever price."""

    last_entry_ns: int
    square_off_ns: int
    deadline_ns: int


def own_times(state: State, underlying: int) -> OwnTimes:
    """The times of the session's day, for an underlying (its exchange's close bounds them)."""
    rules, session = state.rules, state.config.session
    if rules is not None and rules.own_ns:
        first, second, third = rules.own_ns
        times = first, second, third
    else:
        midnight = state.now - (state.now + IST_OFFSET_NS) % NS_PER_DAY
        times = (
            midnight + hhmm_seconds(session.last_entry_hhmm) * NS_PER_S,
            midnight + hhmm_seconds(session.square_off_hhmm) * NS_PER_S,
            midnight + hhmm_seconds(session.deadline_hhmm) * NS_PER_S,
        )
    if rules is not None:
        bse = state.underlyings[underlying].exchange in ("BFO", "BSE")
        window = rules.fno_bse if bse else rules.fno_nse
        if window is not None:
            times = _bounded(times, window.close_ns, state.closes_ns[1 if bse else 0], rules)
    last_entry_ns, square_off_ns, deadline_ns = times
    return OwnTimes(last_entry_ns, square_off_ns, max(deadline_ns, square_off_ns))


def _bounded(
    times: tuple[int, int, int], close_ns: int, then_ns: int, rules: DayRules
) -> tuple[int, int, int]:
    """Times moved as far as the close was since the session began (``then_ns``, 0: not known), and
    none too near to it; what rows of the day itself say is only held before it."""
    moved_ns = close_ns - then_ns if then_ns else 0
    first, second, third = times[0] + moved_ns, times[1] + moved_ns, times[2] + moved_ns
    if rules.own_ns:
        return min(first, close_ns), min(second, close_ns), min(third, close_ns)
    # Asked by every cycle: three comparisons cost less than three calls.
    if first > close_ns - LAST_ENTRY_BEFORE_NS:
        first = close_ns - LAST_ENTRY_BEFORE_NS
    if second > close_ns - SQUARE_OFF_BEFORE_NS:
        second = close_ns - SQUARE_OFF_BEFORE_NS
    if third > close_ns - DEADLINE_BEFORE_NS:
        third = close_ns - DEADLINE_BEFORE_NS
    return first, second, third


def ist_seconds(ns: int) -> int:
    """Seconds after midnight IST."""
    return (ns + IST_OFFSET_NS) % NS_PER_DAY // NS_PER_S


def hhmm_seconds(hhmm: int) -> int:
    """Seconds after midnight of an HHMM integer."""
    return hhmm // 100 * 3600 + hhmm % 100 * 60


def near_events(state: State) -> tuple[ScheduledEvent, ...]:
    """The scheduled events in whose window the session is now, in order of time."""
    rules, config = state.rules, state.config.regime
    if rules is None or not rules.events:
        return ()
    before_ns = config.event_before_min * MINUTE_NS
    after_ns = config.event_after_min * MINUTE_NS
    return tuple(
        one for one in rules.events if one.at_ns - before_ns <= state.now < one.at_ns + after_ns
    )

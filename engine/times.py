"""The desk's own times of the day: last entry, square-off, hard deadline.

Lives here: those three, as a session has them now. May import: events, engine. Always holds: they
are the settings', or those of rows dated for the day alone where it has hours of its own; none is
so near to the close of the exchange that it could not be acted on, whenever that is moved to; they
come in their order. What LIVE makes of them is ``cli.doctor``'s to refuse.
Start reading at ``own_times``.
"""

from __future__ import annotations

from typing import Final

import msgspec

from engine.rulebook import IST_OFFSET_NS, NS_PER_DAY, NS_PER_S
from engine.state import State

MINUTE_NS: Final = 60 * NS_PER_S
BEFORE_CLOSE_NS: Final = (15 * MINUTE_NS, 10 * MINUTE_NS, 3 * MINUTE_NS)
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
    midnight = state.now - (state.now + IST_OFFSET_NS) % NS_PER_DAY
    settings = (session.last_entry_hhmm, session.square_off_hhmm, session.deadline_hhmm)
    times = tuple(midnight + hhmm_seconds(one) * NS_PER_S for one in settings)
    if rules is not None:
        times = rules.own_ns or times
        bse = state.underlyings[underlying].exchange in ("BFO", "BSE")
        window = rules.fno_bse if bse else rules.fno_nse
        if window is not None:
            close_ns = window.close_ns
            times = tuple(
                min(at, close_ns - before)
                for at, before in zip(times, BEFORE_CLOSE_NS, strict=True)
            )
    last_entry_ns, square_off_ns, deadline_ns = times
    return OwnTimes(last_entry_ns, square_off_ns, max(deadline_ns, square_off_ns))


def ist_seconds(ns: int) -> int:
    """Seconds after midnight IST."""
    return (ns + IST_OFFSET_NS) % NS_PER_DAY // NS_PER_S


def hhmm_seconds(hhmm: int) -> int:
    """Seconds after midnight of an HHMM integer."""
    return hhmm // 100 * 3600 + hhmm % 100 * 60

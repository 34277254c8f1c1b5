"""The phase of the session and the time to the next one.

Lives here: one function over the journaled hours and the desk's own times. May import:
projections.live, tui.fmt. Always holds: without a rule the phase is unknown and says so.
"""

from __future__ import annotations

from typing import Final

import msgspec

from projections.live.view import LiveView, SessionHours
from tui.fmt import DAY_NS, IST_OFFSET_NS, NS_PER_S

UNKNOWN: Final = "PHASE ?"


class Phase(msgspec.Struct, frozen=True):
    """``word`` now, then ``next_word`` in ``left_ns`` (both None when nothing follows)."""

    word: str
    next_word: str | None
    left_ns: int | None


def phase_of(view: LiveView, now_ts: int) -> Phase:
    """The phase at a session time: PRE, OPEN, AUCTION, NO-ENTRY, FLATTEN, CLOSED, HOLIDAY, SPECIAL.

    NO-ENTRY and FLATTEN are the desk's own (settings ``session.*_hhmm``); they name the open
    session's later part and never hide the auction or the close.
    """
    hours = view.hours
    if hours is None or hours.trading_day is None:
        return Phase(UNKNOWN, None, None)
    if not hours.trading_day:
        return Phase("HOLIDAY", None, None)
    edges = _edges(view, hours)
    if not edges:
        return Phase("SPECIAL", None, None)
    word = "PRE"
    for at, name in edges:
        if now_ts < at:
            return Phase(word, name, at - now_ts)
        word = name
    return Phase(word, None, None)


def _edges(view: LiveView, hours: SessionHours) -> list[tuple[int, str]]:
    """(from when, phase) in order of time; a later edge wins."""
    if hours.open_ns is None or hours.close_ns is None:
        return []
    own = (
        (_own_time(view, "session.last_entry_hhmm", hours), "NO-ENTRY"),
        (_own_time(view, "session.square_off_hhmm", hours), "FLATTEN"),
    )
    edges = [(hours.open_ns, "OPEN")]
    edges.extend((at, word) for at, word in own if at is not None and hours.open_ns < at)
    if hours.auction_from_ns is not None and hours.auction_to_ns is not None:
        after = [word for at, word in edges if at <= hours.auction_to_ns][-1]
        edges = [edge for edge in edges if not _inside(edge[0], hours)]
        edges.append((hours.auction_from_ns, "AUCTION"))
        edges.append((hours.auction_to_ns, after))
    edges = [edge for edge in edges if edge[0] < hours.close_ns]
    edges.append((hours.close_ns, "CLOSED"))
    return sorted(edges)


def _inside(at: int, hours: SessionHours) -> bool:
    assert hours.auction_from_ns is not None
    assert hours.auction_to_ns is not None
    return hours.auction_from_ns <= at <= hours.auction_to_ns


def _own_time(view: LiveView, key: str, hours: SessionHours) -> int | None:
    hhmm = view.setting(key)
    if hhmm is None or hours.open_ns is None:
        return None
    midnight = (hours.open_ns + IST_OFFSET_NS) // DAY_NS * DAY_NS - IST_OFFSET_NS
    return midnight + (hhmm // 100 * 3600 + hhmm % 100 * 60) * NS_PER_S + hours.moved_ns

"""N1: is the market open for a new entry, by the dated calendar.

May import: events, engine. Always holds: a day without a rule is UNKNOWN, never open.
"""

from __future__ import annotations

from engine.gates.rows import UNKNOWN, at_least, is_true, stage_of
from engine.rulebook import NS_PER_S
from engine.times import own_times
from engine.view import View
from events.decision import StageVerdict
from events.reasons import N1


def judge(view: View) -> StageVerdict:
    """Verdict of N1."""
    state, window = view.state, view.window
    rules, now = state.rules, state.now
    known = rules is not None and rules.trading_day is not None
    trading = rules is not None and bool(rules.trading_day)
    unknown = _unknown(view)
    reason = "SESSION_NOT_TRADING_DAY" if known else unknown
    day = is_true("trading_day", trading, reason, "BLOCK" if known else UNKNOWN)
    if window is None:
        opened = is_true("session_open", False, unknown, UNKNOWN)
        return stage_of(N1, (day, opened))
    inside = window.open_ns <= now < window.close_ns
    closed = view.auction and not state.config.session.auction_entries
    left_s = -((now - own_times(state, view.u).last_entry_ns) // NS_PER_S)
    return stage_of(
        N1,
        (
            day,
            is_true("session_open", inside, "SESSION_NOT_OPEN"),
            is_true("closing_auction", not closed, "SESSION_CLOSING_AUCTION"),
            at_least("last_entry", left_s, 1, "SESSION_LAST_ENTRY_PAST"),
        ),
    )


def _unknown(view: View) -> str:
    """Why the day's hours are not known: their rows have ended, or there never were any."""
    rules = view.state.rules
    if rules is None:
        return "SESSION_RULE_MISSING"
    venue = "BSE" if view.umap.exchange in ("BFO", "BSE") else "NSE"
    hours = ("calendar.covered:*", f"session.fno.open:{venue}", f"session.fno.close:{venue}")
    # A day that the calendar knows to be special has its hours by rows of its own or not at all.
    ended = any(one in rules.stale for one in (hours[1:] if rules.trading_day else hours))
    return "RULEBOOK_STALE" if ended else "SESSION_RULE_MISSING"

"""The hours of a day that changed while it ran: what an operator may amend, and what moves with it.

Lives here: the judgement of the command AMEND, the fact that it leads to, how far a day's end has
moved. May import: events, engine. Always holds: pure; nothing in the past is amended, and nothing
of a day that is over; without an amendment nothing moves; the desk's own times (last entry,
square-off) keep their distance to the close of their exchange.
Start reading at ``amendment_refused``.
"""

from __future__ import annotations

from typing import Final

from engine import commands
from engine.rulebook import (
    AMENDABLE,
    DayRules,
    SessionWindow,
    amendment_fault,
    ist_ns,
    venue_of,
)
from engine.state import State
from events.session import OperatorCommand, SessionAmended

VENUES: Final = ("NSE", "BSE")
ALL_VENUES: Final = "*"


def amendment_of(event: OperatorCommand) -> SessionAmended:
    """The fact that a command AMEND leads to: its subject is the rule, its value the exchange and
    the hour (``NSE:17:00``), its reason the source of what holds from here on."""
    scope, _, value = (event.value or "").partition(":")
    return SessionAmended(event.subject or "", scope, value, event.who, event.why)


def amendment_refused(state: State, event: OperatorCommand) -> str | None:
    """The code why the day cannot be amended so; None where it can."""
    one = amendment_of(event)
    if state.opened is None or state.rules is None or one.name not in AMENDABLE:
        return commands.NOT_AMENDABLE
    if amendment_fault(one.name, one.scope, one.value) is not None:
        return commands.VALUE
    ends = [closes for closes in _closes(state.rules, one.scope) if closes]
    if not ends:
        return commands.NOT_AMENDABLE
    if state.now >= max(ends):
        return commands.AMEND_OVER
    return commands.AMEND_PAST if ist_ns(state.opened.day, str(one.value)) <= state.now else None


# --- what moves ----------------------------------------------------------------------------------


def closes_of(rules: DayRules) -> tuple[int, int]:
    """When the derivatives day ends on NSE and on BSE (ns UTC); 0 where that is not known."""
    return _close(rules.fno_nse), _close(rules.fno_bse)


def moved_ns(state: State, place: int) -> int:
    """By how much (ns) the day of ``VENUES[place]`` ends later than when the session began."""
    then = state.closes_ns[place]
    now = closes_of(state.rules)[place] if state.rules is not None else 0
    return now - then if now and then else 0


def end_moved_ns(state: State) -> int:
    """By how much (ns) the day of what is watched ends later than when the session began: the last
    of its exchanges counts."""
    places = sorted({VENUES.index(venue_of(one.exchange)): None for one in state.underlyings})
    if state.rules is None or not places:
        return 0
    now, then = closes_of(state.rules), state.closes_ns
    known = [place for place in places if now[place] and then[place]]
    if not known:
        return 0
    return max(now[place] for place in known) - max(then[place] for place in known)


def _closes(rules: DayRules, scope: str) -> tuple[int, ...]:
    both = closes_of(rules)
    return both if scope == ALL_VENUES else (both[VENUES.index(scope)],)


def _close(window: SessionWindow | None) -> int:
    return window.close_ns if window is not None else 0

"""Readiness: whether entries may be made at all, and every code that stands in the way.

Lives here: the states, what moves between them as a total table, the blockers as a table, the
budgets that open a breaker. May import: events, engine. Always holds: pure; BLOCKED and DEGRADED
have a code that says why; each blocker is a gate of N2 or N7 too, so that readiness explains what
the gates decide and never decides beside them (``tests/engine/test_readiness.py``); an exit asks
nothing here.
Start reading at ``TRANSITIONS``, then ``BLOCKERS``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from engine.books import HALTED, STOPPING
from engine.carry import EXITS_ONLY
from engine.feed import losses_recent
from engine.orders.route import needs_arming, to_broker
from engine.orders.standing import (
    NO_LOGIN,
    acute,
    login_known,
    reconciled_age_s,
    reconciled_since,
    unknown_orders,
)
from engine.rulebook import SessionWindow
from engine.state import State
from events.base import Event
from events.governance import ReadinessChanged

BOOTING: Final = "BOOTING"
MARKET_CLOSED: Final = "MARKET_CLOSED"
READY: Final = "READY"
DEGRADED: Final = "DEGRADED"
BLOCKED: Final = "BLOCKED"
STATES: Final = (BOOTING, MARKET_CLOSED, READY, DEGRADED, BLOCKED)

ENTERS: Final = (READY, DEGRADED)
"""States in which the gates may let an entry through."""

# --- what moves it -------------------------------------------------------------------------------

SILENT: Final = "SILENT"
CLOSED: Final = "CLOSED"
BARRED: Final = "BARRED"
TROUBLED: Final = "TROUBLED"
CLEAR: Final = "CLEAR"
SIGNALS: Final = (SILENT, CLOSED, BARRED, TROUBLED, CLEAR)
"""What is seen at a moment, the first that holds: SILENT, no frame of this session yet; CLOSED, no
exchange of derivatives is open; BARRED, a blocker holds; TROUBLED, an incident of severity 1 or 2
is open; CLEAR, none of these."""

TRANSITIONS: Final[dict[tuple[str, str], str]] = {
    (BOOTING, SILENT): BOOTING,
    (BOOTING, CLOSED): MARKET_CLOSED,
    (BOOTING, BARRED): BLOCKED,
    (BOOTING, TROUBLED): DEGRADED,
    (BOOTING, CLEAR): READY,
    (MARKET_CLOSED, SILENT): MARKET_CLOSED,
    (MARKET_CLOSED, CLOSED): MARKET_CLOSED,
    (MARKET_CLOSED, BARRED): BLOCKED,
    (MARKET_CLOSED, TROUBLED): DEGRADED,
    (MARKET_CLOSED, CLEAR): READY,
    (READY, SILENT): BLOCKED,
    (READY, CLOSED): MARKET_CLOSED,
    (READY, BARRED): BLOCKED,
    (READY, TROUBLED): DEGRADED,
    (READY, CLEAR): READY,
    (DEGRADED, SILENT): BLOCKED,
    (DEGRADED, CLOSED): MARKET_CLOSED,
    (DEGRADED, BARRED): BLOCKED,
    (DEGRADED, TROUBLED): DEGRADED,
    (DEGRADED, CLEAR): READY,
    (BLOCKED, SILENT): BLOCKED,
    (BLOCKED, CLOSED): MARKET_CLOSED,
    (BLOCKED, BARRED): BLOCKED,
    (BLOCKED, TROUBLED): DEGRADED,
    (BLOCKED, CLEAR): READY,
}
"""The state after a signal, for every pair. Only what has not heard a frame yet is BOOTING; whoever
was past that and hears of none is BLOCKED (FEED_DOWN), never BOOTING again."""


def after(state: str, signal: str) -> str:
    """The state after a signal. Raises ``KeyError`` for a state or signal that there is not."""
    return TRANSITIONS[state, signal]


# --- what blocks ---------------------------------------------------------------------------------


class Blocker(msgspec.Struct, frozen=True):
    """A code that bars entries, where it is asked (``broker``: with a broker alone), its gate, and
    when it holds."""

    code: str
    gate: str
    broker: bool
    holds: Callable[[State], bool]


BLOCKERS: Final[tuple[Blocker, ...]] = (
    Blocker("GOV_CARRY_MISSING", "carried_over", False, lambda s: s.carried is None),
    Blocker("GOV_HALTED", "halted", False, lambda s: HALTED in s.account.halts),
    Blocker("GOV_EXITS_ONLY", "halted", False, lambda s: EXITS_ONLY in s.account.halts),
    Blocker("GOV_STOPPING", "halted", False, lambda s: STOPPING in s.account.halts),
    Blocker("FEED_DOWN", "link_up", False, lambda s: not (s.feed.connected and s.feed.verified)),
    Blocker("GOV_FEED_BREAKER", "feed_losses", False,
            lambda s: losses_recent(s) > s.config.feed.losses_per_hour_max),
    Blocker("GOV_LOGIN", "login", False, lambda s: s.desk.auth in NO_LOGIN),
    Blocker("GOV_LOGIN_UNKNOWN", "login_known", True, lambda s: not login_known(s)),
    Blocker("GOV_CLOCK_OFFSET", "clock", False, lambda s: s.desk.clock_bad),
    Blocker("GOV_UNHEALTHY", "process", False, lambda s: bool(s.desk.unhealthy)),
    Blocker("GOV_UNRECONCILED", "reconciled_age", True, lambda s: reconciled_age_s(s) is None),
    Blocker("GOV_RECONNECTED", "reconciled_since", True, lambda s: not reconciled_since(s)),
    Blocker("GOV_BOOKS_DIFFER", "books_differ", True, lambda s: bool(s.desk.differences)),
    Blocker("GOV_ORDER_UNKNOWN", "orders_unknown", True, lambda s: unknown_orders(s) > 0),
    Blocker("GOV_INCIDENT", "incidents", True, lambda s: acute(s) > 0),
    Blocker("GOV_NOT_ARMED", "armed", True,
            lambda s: needs_arming(s) and s.now >= s.desk.armed_until_ns),
)  # fmt: skip
"""Every blocker, in the order in which they are told."""


def blockers(state: State) -> tuple[str, ...]:
    """The codes that bar entries now."""
    broker = to_broker(state)
    return tuple(one.code for one in BLOCKERS if (broker or not one.broker) and one.holds(state))


# --- where it stands -----------------------------------------------------------------------------


def readiness_events(state: State) -> list[Event]:
    """What has changed since it was last told."""
    status, codes = readiness(state)
    if (status, codes) == (state.desk.readiness, state.desk.blockers):
        return []
    return [ReadinessChanged(status, codes)]


def readiness(state: State) -> tuple[str, tuple[str, ...]]:
    """The state of this moment, and its codes: the blockers, or the incidents that degrade it."""
    codes = blockers(state)
    degraded = sorted({one.code for one in state.desk.incidents if one.severity <= 2})
    signal = _signal(state, codes, degraded)
    status = after(state.desk.readiness or BOOTING, signal)
    return status, tuple(degraded) if signal == TROUBLED else codes


def _signal(state: State, codes: tuple[str, ...], degraded: list[str]) -> str:
    if not state.feed.frames and state.desk.readiness in ("", BOOTING):
        return SILENT
    if not _is_open(state):
        return CLOSED
    if codes:
        return BARRED
    return TROUBLED if degraded else CLEAR


def _is_open(state: State) -> bool:
    rules = state.rules
    windows: tuple[SessionWindow | None, ...] = (
        (rules.fno_nse, rules.fno_bse) if rules is not None else ()
    )
    return any(one is not None and one.open_ns <= state.now < one.close_ns for one in windows)

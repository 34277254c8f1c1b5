"""N7: is anything locked or halted, and is the engine itself in order.

May import: events, engine. Always holds: a session that does not know what it carries over blocks;
halts of the risk limits are the business of N6.
"""

from __future__ import annotations

from typing import Final

from engine.books import HALTED, STOPPING
from engine.carry import EXITS_ONLY
from engine.feed import losses_recent
from engine.gates.rows import UNKNOWN, at_least, at_most, is_true, stage_of
from engine.orders.reduce import REFUSED_WINDOW_NS
from engine.orders.route import in_real_time, needs_arming, to_broker
from engine.orders.standing import (
    DROPPED_NS,
    NO_LOGIN,
    acute,
    entries_recent,
    login_known,
    reconciled_age_s,
    reconciled_since,
    unknown_orders,
)
from engine.risk.states import is_risk_halt
from engine.state import State
from engine.view import View
from events.decision import GateRow, StageVerdict
from events.reasons import N7

MS: Final = 1_000_000
DROPPED_MS: Final = DROPPED_NS // MS


def judge(view: View) -> StageVerdict:
    """Verdict of N7. What only a session in real time, or one with a broker, can be asked is asked
    of it alone."""
    state = view.state
    halts = [code for code in state.account.halts if not is_risk_halt(code)]
    halted = next((code for code in (EXITS_ONLY, STOPPING) if code in halts), HALTED)
    rows = [
        is_true("carried_over", state.carried is not None, "GOV_CARRY_MISSING", UNKNOWN),
        is_true("halted", not halts, halted),
        at_most("cycles_missed", state.missed, 0, "GOV_CYCLES_MISSED"),
    ]
    if in_real_time(state):
        rows.extend(_process(state))
    if to_broker(state):
        rows.extend(_broker(state))
    return stage_of(N7, tuple(rows))


def _process(state: State) -> tuple[GateRow, ...]:
    desk = state.desk
    since_ms = (state.now - desk.dropped_ns) // MS if desk.dropped_ns else DROPPED_MS
    return (
        is_true("login", desk.auth not in NO_LOGIN, "GOV_LOGIN"),
        is_true("clock", not desk.clock_bad, "GOV_CLOCK_OFFSET"),
        is_true("process", not desk.unhealthy, "GOV_UNHEALTHY"),
        at_least("frames_lost", min(since_ms, DROPPED_MS), DROPPED_MS, "GOV_FRAMES_DROPPED"),
        at_most("feed_losses", losses_recent(state), state.config.feed.losses_per_hour_max,
                "GOV_FEED_BREAKER"),
    )  # fmt: skip


def _broker(state: State) -> tuple[GateRow, ...]:
    desk, limits = state.desk, state.config.orders
    recent = sum(at > state.now - REFUSED_WINDOW_NS for at in desk.refused_ns)
    armed = not needs_arming(state) or state.now < desk.armed_until_ns
    return (
        is_true("login_known", login_known(state), "GOV_LOGIN_UNKNOWN", UNKNOWN),
        at_most("reconciled_age", reconciled_age_s(state), limits.reconciled_age_s_max,
                "GOV_BOOKS_OLD", unknown="GOV_UNRECONCILED"),
        is_true("reconciled_since", reconciled_since(state), "GOV_RECONNECTED", UNKNOWN),
        at_most("orders_unknown", unknown_orders(state), 0, "GOV_ORDER_UNKNOWN"),
        at_most("books_differ", len(desk.differences), 0, "GOV_BOOKS_DIFFER"),
        at_most("rejects", recent, limits.rejects_per_minute_max, "GOV_REJECT_BURST"),
        at_most("entries_minute", entries_recent(state) + 1, limits.entries_per_minute_max,
                "GOV_ENTRY_BURST"),
        at_most("incidents", acute(state), 0, "GOV_INCIDENT"),
        is_true("armed", armed, "GOV_NOT_ARMED"),
    )  # fmt: skip

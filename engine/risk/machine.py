"""What moves the risk state: halts that begin by a limit, halts that end by their rule.

Lives here: the conditions of the automatic halts, the events they lead to, their reducers, and what
of a changed configuration may act at once. May import: events, engine. Always holds: pure; one halt
is told at a time, in the order of ``states.HALTS``, again until nothing is left to tell; no exit
asks anything of this module.
Start reading at ``watch_risk``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from engine.books import ENTRY
from engine.config import ConfigError, flatten, from_settings
from engine.lookup import Lookup
from engine.paper import order_event
from engine.policy import loosening_waits
from engine.risk.command import DEFERRED
from engine.risk.day import (
    cvar_paise,
    fires_of,
    result_paise,
    share_of,
)
from engine.risk.limits import split_change
from engine.risk.states import (
    ALLOWS,
    DAY,
    HALTS,
    NEXT_DAY,
    RESUME,
    RESUMED,
    SESSION,
    WON,
    after,
    cleared,
    halt_of,
    trigger_of_end,
)
from engine.shorts import is_leg
from engine.state import State
from events.base import Event
from events.orders import PositionChanged
from events.risk import RiskTransitioned, SettingsDeferred
from events.session import ConfigChanged

Measured = tuple[int, int]
"""(observed, limit) in the unit of the halt's gate."""

CLEARED: Final = "RISK_HALT_CLEARED"
RESUMED_CODE: Final = "RISK_RESUMED"
RECOVERED: Final = "RISK_RECOVERED"


def watch_risk(state: State) -> list[Event]:
    """The next halt that begins or ended by a person; nothing where all is told."""
    told = state.risk.halts
    asked = tuple(one for one in state.account.halts if halt_of(one).clears != SESSION)
    ended = tuple(one for one in told if one in asked)
    if ended != told:
        trigger = trigger_of_end(ended, RESUMED)
        return [_moved(state, trigger, RESUMED_CODE, ended, None)]
    for code in asked:
        if code not in told:
            return [_moved(state, halt_of(code).trigger, code, (*told, code), None)]
    result = result_paise(state)
    for halt in HALTS:
        condition = CONDITIONS.get(halt.code)
        if condition is None or halt.code in told:
            continue
        found = condition(state, result)
        if found is not None and found[0] > found[1]:
            return [_moved(state, halt.trigger, halt.code, (*told, halt.code), found)]
    return []


def day_begun(state: State) -> list[Event]:
    """The halts of an earlier day that end with it, once a session has taken in what it carries."""
    carried = state.carried
    if carried is None or state.opened is None or carried.risk.day == state.opened.day:
        return []
    left = cleared(state.risk.halts, NEXT_DAY)
    if left == state.risk.halts:
        return []
    return [_moved(state, trigger_of_end(left, DAY), CLEARED, left, None)]


def trade_closed(state: State, event: PositionChanged) -> list[Event]:
    """A trade that won ends a recovery; a pair is one trade, and ends with its long."""
    closed = event.status == "CLOSED" and not is_leg(event.position_id)
    won = closed and state.risk.closed_paise[-1:] > (0,)
    if not won or after(state.risk.status, WON) == state.risk.status:
        return []
    return [_moved(state, WON, RECOVERED, state.risk.halts, None)]


def _moved(
    state: State, trigger: str, reason: str, halts: tuple[str, ...], found: Measured | None
) -> RiskTransitioned:
    before = state.risk.status
    observed, limit = found if found is not None else (None, None)
    return RiskTransitioned(before, after(before, trigger), trigger, reason, halts, observed, limit)


# --- the conditions of the automatic halts -------------------------------------------------------


def _daily_loss(state: State, result: int | None) -> Measured | None:
    limit = share_of(state.account.capital_paise, state.config.risk.daily_loss_bps_max)
    return None if result is None else (-result, limit)


def _drawdown(state: State, result: int | None) -> Measured | None:
    limit = share_of(state.account.capital_paise, state.config.risk.drawdown_bps_max)
    return None if result is None else (state.risk.high_paise - result, limit)


def _profit_lock(state: State, result: int | None) -> Measured | None:
    limit = share_of(state.account.capital_paise, state.config.risk.profit_lock_bps_max)
    return None if result is None else (result, limit)


def _loss_streak(state: State, result: int | None) -> Measured | None:
    return state.account.loss_streak + 1, state.config.risk.loss_streak_max


def _cvar(state: State, result: int | None) -> Measured | None:
    observed = cvar_paise(state)
    limit = share_of(state.account.capital_paise, state.config.risk.cvar_bps_max)
    return None if observed is None else (observed, limit)


def _repeat_fire(state: State, result: int | None) -> Measured | None:
    """What the strategy that fired last got approved in its underlying, with the next one."""
    if not state.risk.fires:
        return None
    last = state.risk.fires[-1]
    fired = fires_of(state, last.strategy_id, last.underlying)
    return fired + 1, state.config.risk.repeat_fires_max


CONDITIONS: Final[dict[str, Callable[[State, int | None], Measured | None]]] = {
    "RISK_DAILY_LOSS": _daily_loss,
    "RISK_CVAR": _cvar,
    "RISK_REPEAT_FIRE": _repeat_fire,
    "RISK_DRAWDOWN": _drawdown,
    "RISK_LOSS_STREAK": _loss_streak,
    "RISK_PROFIT_LOCK": _profit_lock,
}
"""What each automatic halt measures: it begins where the first is above the second. None: it cannot
be measured now, and the gate that asks the same says UNKNOWN."""


# --- what a transition leads to ------------------------------------------------------------------


def stopped_entries(state: State, event: RiskTransitioned) -> list[Event]:
    """The paper orders that a hard halt ends; those at a broker the protocol cancels."""
    if ALLOWS[event.after].working:
        return []
    return [
        order_event(one, "CANCELLED", "ORDER_KILLED", one.filled_units)
        for one in state.orders
        if one.leg is None and one.role == ENTRY
    ]


def apply_risk_transitioned(state: State, event: RiskTransitioned, ts: int, look: Lookup) -> State:
    """State and halts as they are now. What a person let go on counts anew from here."""
    risk = state.risk
    over = tuple(one for one in risk.halts if one not in event.halts)
    kept = tuple(one for one in state.account.halts if one not in over)
    halts = (*kept, *(one for one in event.halts if one not in kept))
    anew = "RISK_CVAR" in over
    return replace(
        state,
        account=replace(state.account, halts=halts),
        risk=replace(
            risk,
            status=event.after,
            halts=event.halts,
            closed_paise=() if anew else risk.closed_paise,
            tail_paise=0 if anew else risk.tail_paise,
            fires=() if "RISK_REPEAT_FIRE" in over else risk.fires,
        ),
    )


def resumed_halts(halts: tuple[str, ...]) -> tuple[str, ...]:
    """The halts that an operator's ``resume`` leaves in force."""
    return cleared(halts, RESUME)


# --- a changed configuration ---------------------------------------------------------------------


def apply_config_changed(state: State, event: ConfigChanged) -> State:
    """Settings that replace those in force; where loosening waits, only what tightens."""
    wanted = from_settings(event.settings, state.config)
    if not loosening_waits(state):
        return replace(state, config=wanted)
    now, _ = split_change(flatten(state.config), flatten(wanted))
    try:
        return replace(state, config=from_settings(now, state.config))
    except ConfigError:
        # Half of a change can be one that two settings forbid together: then none of it acts.
        return state


def deferred_settings(state: State, event: ConfigChanged) -> list[Event]:
    """What of a change that was applied does not act in this session, and is told."""
    wanted, held = flatten(from_settings(event.settings, state.config)), flatten(state.config)
    later = tuple(new for new, old in zip(wanted, held, strict=True) if new != old)
    return [SettingsDeferred(later, DEFERRED)] if later else []

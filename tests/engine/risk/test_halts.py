"""A halt once in force admits no entry until its own rule ends it, whatever happens meanwhile."""

from __future__ import annotations

import sys
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.carry import carry_over
from engine.core import Core
from engine.cycle import decide_cycle
from engine.lookup import lookup_for
from engine.risk.day import with_fire, with_tail
from engine.risk.states import ALLOWS, HALTS, NEXT_DAY, RESUME, halt_of
from engine.state import State
from events.base import Event
from events.decision import DecisionMade
from events.orders import IntentApproved
from events.session import ConfigChanged, OperatorCommand
from tests.engine.build import at_trade
from tests.engine.fabricated import DAY
from tests.engine.gates.cases import account, bps, risk
from tests.engine.risk.test_machine import _session

DAYS = (DAY, 20261123, 20261125, 20261126, 20261127, 20261130, 20261201, 20261202, 20261203)
seen: dict[str, int] = {}


def _step(state: State, event: Event) -> State:
    core = Core(state)
    core.step(state.seq + 1, state.now, event)
    return core.state


def _look(state: State) -> State:
    """The risk machine looks until nothing is left to tell."""
    return _step(state, ConfigChanged((), "x", "nothing"))


def _lose(state: State) -> State:
    limit = bps(state, state.config.risk.daily_loss_bps_max)
    return _look(account(state, realised_paise=-limit - 1, charges_paise=0))


def _recover(state: State) -> State:
    """The figures are good again: that alone ends nothing."""
    good = account(state, realised_paise=0, charges_paise=0, loss_streak=0, trades_today=0)
    return _look(with_tail(risk(good, high_paise=0, closed_paise=(), fires=())))


def _win(state: State) -> State:
    limit = bps(state, state.config.risk.profit_lock_bps_max)
    return _look(account(state, realised_paise=limit + 1, charges_paise=0))


def _fall(state: State) -> State:
    fallen = bps(state, state.config.risk.drawdown_bps_max) + 1
    return _look(risk(account(state, realised_paise=0, charges_paise=0), high_paise=fallen))


def _streak(state: State) -> State:
    return _look(account(state, loss_streak=state.config.risk.loss_streak_max))


def _tail(state: State) -> State:
    loss = bps(state, state.config.risk.cvar_bps_max) + 1
    closed = (-loss,) * state.config.risk.cvar_trades_min
    return _look(with_tail(risk(state, closed_paise=closed)))


def _fire(state: State) -> State:
    for number in range(state.config.risk.repeat_fires_max):
        state = with_fire(state, "trend.v1", "NIFTY", state.now - number)
    return _look(state)


def _halt(state: State) -> State:
    return _step(state, OperatorCommand("HALT", "x", "why", None, None, "", "SOCKET"))


def _resume(state: State) -> State:
    return _step(state, OperatorCommand("RESUME", "x", "why", None, None, "", "SOCKET"))


def _at(day: int, state: State) -> State:
    """The moment at which every gate passes, on a day, with what another session's account and
    limits know."""
    base = at_trade().state
    assert base.opened is not None
    return replace(
        base, opened=replace(base.opened, day=day), account=state.account, risk=state.risk,
        carried=state.carried,
    )  # fmt: skip


def _day_of(state: State) -> int:
    assert state.opened is not None
    return state.opened.day


def _restart(state: State) -> State:
    day = _day_of(state)
    return _at(day, _session(carry_over(state, "00" * 32, day, orders_unknown=False), day).state)


def _tomorrow(state: State) -> State:
    day = DAYS[DAYS.index(_day_of(state)) + 1]
    return _at(day, _session(carry_over(state, "00" * 32, day, orders_unknown=False), day).state)


Action = Callable[[State], State]

BEGIN: tuple[Action, ...] = (_lose, _win, _fall, _streak, _tail, _fire, _halt)
ACTIONS = (*BEGIN, _recover, _resume, _restart, _tomorrow)
ENDS: dict[Action, str] = {_resume: RESUME, _tomorrow: NEXT_DAY}


def _check(before: State, action: Action, after: State) -> None:
    rule = ENDS.get(action)
    stays = {one for one in before.account.halts if halt_of(one).clears != rule}
    assert stays <= set(after.account.halts), action
    assert set(after.account.halts) == set(after.risk.halts)
    if action not in BEGIN and action is not _recover:
        assert stays == set(after.account.halts), action
    assert ALLOWS[after.risk.status].entries == (not after.account.halts)
    made = decide_cycle(after, 0, lookup_for(after).slot_of, 1)
    (decision,) = [one for one in made if isinstance(one, DecisionMade)]
    if after.account.halts:
        assert not any(isinstance(one, IntentApproved) for one in made)
        assert decision.stage in ("N6_RISK_OK", "N7_GOVERNANCE_LOCKS_OK")
        seen["halted"] = seen.get("halted", 0) + 1
    elif decision.outcome == "TRADE":
        seen["traded"] = seen.get("traded", 0) + 1


@given(st.lists(st.sampled_from(range(len(ACTIONS))), min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_a_halt_admits_no_entry_until_its_rule_ends_it(steps: list[int]) -> None:
    """Limits passed in any order, figures that are good again, commands, restarts and days: a halt
    goes by its rule alone; the state allows entries exactly while there is none; and no cycle of a
    moment that would trade approves one."""
    state = at_trade().state
    for step in steps:
        after = ACTIONS[step](state)
        _check(state, ACTIONS[step], after)
        state = after


def test_each_halt_stays_through_all_that_is_not_its_rule() -> None:
    """Every automatic halt and the operator's, one by one: good figures, a restart and the other
    rule leave it in force; its own ends it, and the moment trades again."""
    begun = 0
    for begin in BEGIN:
        state = begin(at_trade().state)
        (code,) = state.account.halts
        begun += 1
        state = _restart(_recover(state))
        wrong, right = (
            (_tomorrow, _resume) if halt_of(code).clears == RESUME else (_resume, _tomorrow)
        )
        state = wrong(state)
        assert state.account.halts == (code,)
        _check(state, wrong, state)
        state = right(state)
        assert state.account.halts == ()
        made = decide_cycle(state, 0, lookup_for(state).slot_of, 1)
        assert any(isinstance(one, IntentApproved) for one in made), code
    sys.stdout.write(f"halts: {begun}\n")
    assert begun == sum(one.automatic for one in HALTS) + 1


def test_a_halt_of_the_old_bot_s_that_came_back_does_not() -> None:
    """[BUG] of the previous system: the window of its CVaR outlived the halt, so that a recovery
    fell straight back; and any halt, a person's kill switch with it, was cleared at a start with
    the market closed. Here the count begins anew with the person's word, and no start clears."""
    state = _resume(_tail(at_trade().state))
    assert (state.account.halts, state.risk.status) == ((), "RECOVERY")
    assert _look(state).account.halts == ()
    state = _halt(at_trade().state)
    for _ in range(3):
        state = _tomorrow(_restart(state))
    assert state.account.halts == ("GOV_HALTED",)

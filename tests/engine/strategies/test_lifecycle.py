"""The lifecycle: a total table of moves, a promotion that holds for one digest, kept over days."""

from __future__ import annotations

import itertools
import sys

import pytest
from msgspec.structs import replace

from engine.carry import carry_over
from engine.gates.strategy import judge_signal
from engine.lookup import lookup_for
from engine.orders.operator import answers, apply_operator_command, verdict
from engine.state import State, StrategyLife
from engine.strategies import FAMILIES
from engine.strategies.lifecycle import (
    MOVES,
    STANDINGS,
    named,
    parameters_of,
    refusal,
    standing,
    taken_over,
)
from events.governance import CommandAnswered
from events.session import OperatorCommand
from tests.engine.build import at_trade, core_at, view_of, with_config

TREND = next(one for one in FAMILIES if one.name == "TREND")
MODES = ("LIVE", "PAPER", "SIM", "BACKTEST")


def _in(mode: str, state: State | None = None) -> State:
    state = state or at_trade().state
    assert state.opened is not None
    return replace(state, opened=replace(state.opened, mode=mode))


def _life(state: State, where: str, names: str = "") -> State:
    code, parameters, *algo = names.split(":") if names else ("", "")
    one = StrategyLife("trend.v1", where, code, parameters, ":".join(algo), "W12", "asha", 1)
    return replace(state, strategies=(one,))


def _command(verb: str, value: str | None, subject: str = "trend.v1") -> OperatorCommand:
    return OperatorCommand(verb, "asha", "W12", subject, value, f"c-{verb}-{value}", "SOCKET")


def _to(state: State, where: str, subject: str = "trend.v1") -> OperatorCommand:
    """The command that moves the strategy there, naming what runs."""
    if where == "QUARANTINED":
        return _command("QUARANTINE", None, subject)
    money = f":{named(state, 'TREND')}" if where in ("PILOT", "LIVE") else ""
    return _command("PROMOTE", where + money, subject)


def _given(state: State, command: OperatorCommand) -> State:
    return apply_operator_command(state, command, state.now, lookup_for(state))


def test_every_standing_moves_as_the_table_says() -> None:
    """All pairs, by the commands: moved, or refused with nothing changed."""
    assert [was for was, _ in MOVES] == list(STANDINGS)
    moves = dict(MOVES)
    for was, to in itertools.product(STANDINGS, STANDINGS):
        state = _life(_in("SIM"), was)
        command = _to(state, to)
        after = _given(state, command)
        told = answers(after, command)
        (answer,) = [one for one in told if isinstance(one, CommandAnswered)]
        if to in moves[was]:
            assert (answer.outcome, standing(after, "trend.v1").standing) == ("ACCEPTED", to)
        else:
            assert (answer.reason, after.strategies) == ("CMD_NO_SUCH_MOVE", state.strategies)
    sys.stdout.write(f"pairs of standings: {len(STANDINGS) * len(STANDINGS)}\n")
    assert moves["RETIRED"] == ()
    assert not set(moves["QUARANTINED"]) & {"PILOT", "LIVE"}
    assert "LIVE" not in moves["PAPER"]


def test_a_strategy_is_named_by_its_id_or_its_family() -> None:
    """Either; one that nobody is, is nobody's."""
    state = _in("SIM")
    moved = _given(state, _to(state, "QUARANTINED", "TREND"))
    assert standing(moved, "trend.v1").standing == "QUARANTINED"
    assert standing(state, "trend.v1").standing == "PAPER"
    assert verdict(state, _to(state, "PILOT", "martingale.v1")) == "CMD_SUBJECT_UNKNOWN"


def test_a_promotion_names_what_runs_or_is_refused() -> None:
    """Code, parameters and algo id are those of the session, each; the evidence must be given."""
    state = with_config(_in("LIVE"), orders={"algo_id": "ALGO7"})
    code, parameters, algo = named(state, "TREND").split(":")
    assert algo == "ALGO7"
    for words in (
        f"{'0' * 12}:{parameters}:{algo}",
        f"{code}:{'0' * 12}:{algo}",
        f"{code}:{parameters}",
        f"{code}:{parameters}:ALGO8",
        code,
    ):
        assert verdict(state, _command("PROMOTE", f"PILOT:{words}")) == "CMD_OTHER_DIGEST"
    good = _command("PROMOTE", f"PILOT:{code}:{parameters}:{algo}")
    assert verdict(state, good) is None
    assert verdict(state, replace(good, why=" ")) == "CMD_WHY_MISSING"
    life = standing(_given(state, good), "trend.v1")
    assert (life.code, life.parameters, life.algo_id) == (code, parameters, algo)
    assert (life.evidence, life.who, life.since_ns) == ("W12", "asha", state.now)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("where", STANDINGS)
def test_who_may_enter(mode: str, where: str) -> None:
    """What was taken out of use enters nowhere; LIVE wants a promotion, of a pilot under its own
    profile; nothing else is asked in other modes."""
    state = _life(_in(mode), where, named(at_trade().state, "TREND"))
    want = {"QUARANTINED": "STRATEGY_QUARANTINED", "RETIRED": "STRATEGY_RETIRED"}.get(where)
    if mode == "LIVE" and want is None and where != "LIVE":
        want = "STRATEGY_NOT_PROMOTED"
    row = judge_signal(view_of(state), (TREND,))[0].rows[0]
    assert (row.gate, row.reason) == ("lifecycle", want)
    if mode == "LIVE" and where == "PILOT":
        pilot = with_config(state, risk={"profile": "PILOT"})
        assert refusal(pilot, "trend.v1", "TREND", live=True) is None


@pytest.mark.parametrize(
    "change",
    [
        {"trend": {"adx_milli_min": 1}},
        {"contract": {"score_milli_min": 1}},
        {"plan": {"stop_bps": 601}},
        {"orders": {"algo_id": "ALGO9"}},
    ],
)
def test_live_refuses_another_digest(change: dict[str, dict[str, int | str]]) -> None:
    """A parameter, a filter, the plan, the algo id or the code is another: not promoted any more.
    Another family's setting changes nothing."""
    state = _life(_in("LIVE"), "LIVE", named(at_trade().state, "TREND"))
    assert refusal(state, "trend.v1", "TREND", live=True) is None
    other = with_config(state, mean_revert={"stretch_milli_min": 7})
    assert refusal(other, "trend.v1", "TREND", live=True) is None
    changed = with_config(state, **change)
    assert refusal(changed, "trend.v1", "TREND", live=True) == "STRATEGY_NOT_PROMOTED"
    assert state.opened is not None
    code = replace(state, opened=replace(state.opened, code_digest="9" * 64))
    assert refusal(code, "trend.v1", "TREND", live=True) == "STRATEGY_NOT_PROMOTED"


def test_parameters_differ_between_families() -> None:
    """A promotion of one is none of another."""
    config = at_trade().state.config
    assert parameters_of(config, "TREND") != parameters_of(config, "MEAN_REVERT")


@pytest.mark.parametrize("days", [0, 1])
def test_a_standing_is_carried_into_the_next_session(days: int) -> None:
    """On the same day and on another, with all that it was promoted with."""
    state = _life(_in("LIVE"), "LIVE", "a:b:c")
    assert state.opened is not None
    carried = carry_over(state, "0" * 64, state.opened.day + days, orders_unknown=False)
    assert taken_over(carried) == state.strategies


@pytest.mark.parametrize(
    ("where", "value", "code"),
    [
        ("PAPER", "LIVE:a:b", "CMD_NO_SUCH_MOVE"),
        ("PAPER", "PILOT:a:b", "CMD_OTHER_DIGEST"),
        ("PILOT", "RETIRED", "CMD_ACCEPTED"),
    ],
)
def test_the_engine_answers_a_promotion(where: str, value: str, code: str) -> None:
    """Through the engine: the command is a fact, its answer follows in the group."""
    state = _life(_in("SIM"), where)
    core = core_at(state)
    derived = core.step(state.seq + 1, state.now, _command("PROMOTE", value))
    (told,) = [one.entry.event for one in derived if isinstance(one.entry.event, CommandAnswered)]
    assert told.reason == code
    assert (standing(core.state, "trend.v1").standing == "RETIRED") == (code == "CMD_ACCEPTED")

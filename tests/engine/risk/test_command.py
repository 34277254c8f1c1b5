"""A limit that an operator sets while a session runs: what is taken, when it acts, over a death."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.config import flatten, setting_specs
from engine.core import Core
from engine.orders.operator import verdict
from engine.risk.command import change_of, is_settable, settable_keys
from engine.state import State
from events.decision import DecisionMade
from events.governance import CommandAnswered
from events.risk import SettingsDeferred
from events.session import ConfigChanged, OperatorCommand, SessionResumed, Setting
from replay.session import replay_session
from tests.engine.build import at_trade
from tests.engine.test_hours import _goes_on, _journal, answers, at, lived

TRADES = "risk.trades_day_max"


def setting(key: str, value: str, why: str = "budget day", id_: str = "s1") -> OperatorCommand:
    return OperatorCommand("SET", "ana", why, key, f"TO:{value}", id_, "SOCKET")


def _in(mode: str) -> State:
    state = at_trade().state
    assert state.opened is not None
    return replace(state, opened=replace(state.opened, mode=mode))


def test_a_limit_acts_from_the_next_fact_on() -> None:
    """No trade a day is allowed: the fact stands right behind its command, with who and why, and
    every decision after it says so; before it none did."""
    sink = lived(("09:18:00", setting(TRADES, "0")))
    assert answers(sink) == [("ACCEPTED", "CMD_ACCEPTED")]
    place = sink.facts.index((at("09:18:00"), setting(TRADES, "0")))
    fact = ConfigChanged((Setting(TRADES, 0),), "ana", "budget day")
    assert sink.facts[place + 1] == (at("09:18:00"), fact)
    assert sink.core.state.config.risk.trades_day_max == 0
    assert sink.core.state.desk.setting is None
    said = sink.times(lambda e: isinstance(e, DecisionMade) and e.reason == "RISK_TRADES_DAY")
    assert said[0] >= "09:18:00"
    assert len(said) > 20


@pytest.mark.parametrize(
    ("value", "acts"), [("2", True), ("6000", False)], ids=["tighter", "looser"]
)
def test_in_live_a_tighter_one_acts_and_a_looser_one_is_told_to_wait(
    value: str, acts: bool
) -> None:
    """The command is taken either way; what does not act is SettingsDeferred, with its code."""
    state, command = _in("LIVE"), setting(TRADES, value)
    core, before = Core(state), state.config.risk.trades_day_max
    told = [one.entry.event for one in core.step(state.seq + 1, state.now, command)]
    (answer,) = [one for one in told if isinstance(one, CommandAnswered)]
    assert (answer.outcome, answer.reason) == (
        "ACCEPTED", "CMD_ACCEPTED" if acts else "RISK_LIMIT_DEFERRED")  # fmt: skip
    assert core.state.config == state.config
    fact = core.state.desk.setting
    assert fact is not None
    after = [one.entry.event for one in core.step(core.state.seq + 1, state.now, fact)]
    waits = [one for one in after if isinstance(one, SettingsDeferred)]
    assert core.state.config.risk.trades_day_max == (int(value) if acts else before)
    assert [one.settings for one in waits] == ([] if acts else [(Setting(TRADES, int(value)),)])
    assert all(one.reason == "RISK_LIMIT_DEFERRED" for one in waits)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (setting("risk.nothing", "1"), "CMD_SUBJECT_UNKNOWN"),
        (setting("plan.stop_bps", "100"), "CMD_SUBJECT_UNKNOWN"),
        (setting("account.capital_paise", "100"), "CMD_SUBJECT_UNKNOWN"),
        (setting(TRADES, "many"), "CMD_VALUE"),
        (setting(TRADES, "99999999"), "CMD_VALUE"),
        (setting("trend.enabled", "1"), "CMD_VALUE"),
        (setting("risk.profile", "BOLD"), "CMD_VALUE"),
        (setting("contract.delta_milli_min", "999"), "CMD_VALUE"),
        (setting(TRADES, "2", why=" "), "CMD_WHY_MISSING"),
        (replace(setting(TRADES, "2"), value="2"), "CMD_VALUE"),
        (setting(TRADES, "2"), None),
        (setting("trend.enabled", "false"), None),
        (setting("risk.profile", "PILOT"), None),
    ],
)
def test_what_is_no_limit_or_no_value_is_refused(
    command: OperatorCommand, code: str | None
) -> None:
    """Each with its code, before anything changes."""
    assert verdict(_in("LIVE"), command) == code


def test_only_limits_of_entries_can_be_set() -> None:
    """No setting of an exit, of the account or of the paper broker's fills: a command that could
    widen a stop would be a way around its plan. Every value in force is one of its kind."""
    keys = settable_keys()
    assert len(keys) > 40
    sections = {key.partition(".")[0] for key in keys}
    assert not sections & {"plan", "account", "instrument_gates"}
    held = {one.key: one.value for one in flatten(at_trade().state.config)}
    for spec in setting_specs():
        text = str(held[spec.key]).lower() if spec.type == "bool" else str(held[spec.key])
        change = change_of(setting(spec.key, text))
        assert (change is not None) == is_settable(spec.key) == (spec.key in keys)
        assert change is None or change.settings == (Setting(spec.key, held[spec.key]),)


def test_an_accepted_setting_is_kept_by_an_engine_that_died_behind_it(tmp_path: Path) -> None:
    """The command is durable and its fact is not: the next engine gives it; where both are there it
    gives nothing. Either way the limit holds, and the session replays identical."""
    fact = change_of(setting(TRADES, "2"))
    assert fact is not None
    for number, after in enumerate(((), (fact,))):
        folder = tmp_path / f"2026-11-20-paper-{number}"
        folder.mkdir(mode=0o700)
        _journal(folder, setting(TRADES, "2"), *after)
        given, state = _goes_on(folder)
        assert isinstance(given[0], SessionResumed)
        assert given[1:] == ([] if after else [fact])
        assert state.desk.setting is None
        assert state.config.risk.trades_day_max == 2
        assert replay_session(folder).outcome == "identical"

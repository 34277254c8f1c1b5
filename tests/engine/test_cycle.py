"""One decision cycle: eleven official stages, one decision, and no entry without all of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine import cycle
from engine.apply import screen_mark
from engine.cycle import decide_cycle
from engine.gates import contract, controls, sizing, strategy
from engine.gates.contract import Pick, Plan
from engine.gates.rows import stage_of, upstream
from engine.gates.strategy import Chosen
from engine.lookup import lookup_for
from engine.risk.portfolio import Book
from engine.state import State
from engine.strategies import FAMILIES
from engine.strategies.signal import Signal
from engine.view import View
from events.base import Event
from events.decision import (
    CandidateProposed,
    ContractsScreened,
    DecisionMade,
    GateRow,
    GatesEvaluated,
    StageVerdict,
)
from events.gates import BY_GATE
from events.market import SnapshotTaken
from events.orders import IntentApproved
from events.reasons import BY_CODE, N3, N4, N5, N8, N9, N10, N11, STAGES
from tests.engine.build import at_trade, with_config
from tests.engine.fabricated import SmallMarket, relaxed, run_core, small_facts, small_run
from tests.engine.gates.cases import LOSSES, MISSES, market, regime, with_order

SAMPLED = ("signal_strength", "lots_by_risk", "lots_by_open_risk", "lots_by_funds")
CHANGES: dict[str, Callable[[State], State]] = {
    **{f"miss {one.gate}": one.missed for one in MISSES if one.gate not in SAMPLED},
    **dict(LOSSES),
}


def _cycle(state: State) -> list[Event]:
    return decide_cycle(state, 0, lookup_for(state).slot_of, state.seq + 1)


def _gates(events: list[Event]) -> GatesEvaluated:
    (one,) = [event for event in events if isinstance(event, GatesEvaluated)]
    return one


def _decision(events: list[Event]) -> DecisionMade:
    (one,) = [event for event in events if isinstance(event, DecisionMade)]
    return one


def _checked(events: list[Event]) -> DecisionMade:
    """The decision, after all that holds for every cycle has been asserted of its events."""
    gates, made = _gates(events), _decision(events)
    intents = [event for event in events if isinstance(event, IntentApproved)]
    assert isinstance(events[0], SnapshotTaken)
    assert tuple(stage.stage for stage in gates.official) == STAGES
    passed = all(stage.verdict == "PASS" for stage in gates.official)
    assert len(intents) == passed
    assert made.outcome == ("TRADE" if passed else "NO_TRADE")
    first = next((stage for stage in gates.official if stage.verdict != "PASS"), None)
    if first is None:
        assert (made.stage, made.reason) == (N11, "TRADE_APPROVED")
        assert made.intent_id == intents[0].intent_id
    else:
        assert (made.stage, made.reason) == (first.stage, first.reason)
        assert (made.intent_id, made.contract) == (None, None)
    return made


def test_every_cycle_of_a_day_ends_in_exactly_one_decision() -> None:
    """Over a whole run: per tick and underlying one snapshot, one set of gates, one decision; the
    decision points at its own gates and snapshot."""
    facts = small_facts(SmallMarket(minutes=6, names=("NIFTY", "BANKNIFTY")), relaxed())
    for group in (*small_run().groups, *run_core(facts).groups):
        if group.fact.kind != "TimerTick":
            assert not [e for e in group.derived if e.kind == "DecisionMade"]
            continue
        by_seq = {entry.seq: entry.event for entry in group.derived}
        decisions = [e.event for e in group.derived if isinstance(e.event, DecisionMade)]
        names = [one.underlying for one in decisions]
        assert names in (["NIFTY"], ["NIFTY", "BANKNIFTY"])
        for one in decisions:
            gates, snapshot = by_seq[one.gates_seq], by_seq[one.snapshot_seq]
            assert isinstance(gates, GatesEvaluated)
            assert isinstance(snapshot, SnapshotTaken)
            assert gates.snapshot_seq == one.snapshot_seq
            assert {gates.underlying, snapshot.underlying} == {one.underlying}
            assert {gates.cycle, snapshot.cycle} == {one.cycle}


def test_the_start_trades() -> None:
    """The state that the changes begin with is approved: what blocks afterwards is the change."""
    events = _cycle(at_trade().state)
    made = _checked(events)
    assert made.outcome == "TRADE"
    (intent,) = [event for event in events if isinstance(event, IntentApproved)]
    (candidate,) = [event for event in events if isinstance(event, CandidateProposed)]
    assert intent.contract == candidate.contract == made.contract
    assert intent.quantity_units == intent.lots * 65
    assert candidate.stop_paise < candidate.entry_paise < candidate.target_paise
    assert intent.limit_paise >= candidate.entry_paise
    assert not _gates(events).assumed


MUST_BLOCK = [
    name for name in CHANGES
    if name not in ("no future", "no rate", "future unlisted", "all stamps of the future",
                    "every lead equal")
]  # fmt: skip


@pytest.mark.parametrize("name", MUST_BLOCK)
def test_what_is_missing_stale_or_of_the_future_blocks(name: str) -> None:
    """One input taken away, aged or dated ahead: no trade, with a code of the table, no crash."""
    made = _checked(_cycle(CHANGES[name](at_trade().state)))
    assert made.outcome == "NO_TRADE"
    assert BY_CODE[made.reason].stage == made.stage


@given(st.lists(st.sampled_from(sorted(CHANGES)), min_size=2, max_size=6, unique=True))
@settings(max_examples=80)
def test_no_combination_of_losses_opens_a_way(names: list[str]) -> None:
    """Whatever is lost together and in whatever order: the cycle ends in one decision, and an
    intent exists only where all eleven stages passed officially."""
    state = at_trade().state
    for name in names:
        try:
            state = CHANGES[name](state)
        except (AssertionError, IndexError, ZeroDivisionError):
            continue  # the case changes what an earlier one took away: nothing is left to change
    _checked(_cycle(state))


# --- every combination of verdicts ----------------------------------------------------------------


def _verdict(stage: str, verdict: str) -> StageVerdict:
    code = {"PASS": None}.get(verdict, f"{stage}_{verdict}")
    margin = {"PASS": 0, "BLOCK": -1}.get(verdict)
    return stage_of(stage, (GateRow("gate", verdict, code, margin, 0, margin, None, ()),))


class Judges:
    """Stands in for the gate modules: each says what it was told."""

    def __init__(self, verdicts: dict[str, str]) -> None:
        self.verdicts = verdicts

    def say(self, stage: str) -> StageVerdict:
        return _verdict(stage, self.verdicts[stage])

    def family(self, view: View) -> tuple[StageVerdict, tuple[Any, ...]]:
        verdict = self.say(N8)
        return verdict, FAMILIES if verdict.verdict == "PASS" else ()

    def signal(self, view: View, families: tuple[Any, ...]) -> tuple[StageVerdict, Chosen]:
        assert families, "a signal is asked of no family"
        verdict = self.say(N9)
        direction = "UP" if verdict.verdict == "PASS" else None
        return verdict, Chosen(families[0], Signal(direction, "UP", 700))

    def contract(
        self, view: View, direction: str, family: str
    ) -> tuple[StageVerdict, ContractsScreened | None, Pick | None]:
        verdict = self.say(N10)
        pick = Pick(2, 0, 500, Plan(1_000, 800, 1_300, 0, 100, 65), 0.14, None)
        return verdict, None, pick if verdict.verdict == "PASS" else None

    def sizing(self, view: View, pick: Pick, book: Book) -> tuple[StageVerdict, int]:
        verdict = self.say(N11)
        return verdict, 2 if verdict.verdict == "PASS" else 0


def _with_judges(monkeypatch: pytest.MonkeyPatch, verdicts: dict[str, str]) -> Judges:
    judges = Judges(verdicts)
    modules = ("session", "feed", "warmup", "quote", "regime", "risk", "governance")
    for stage, name in zip(STAGES[:7], modules, strict=True):
        monkeypatch.setattr(
            getattr(cycle, name), "judge", lambda *_, stage=stage: judges.say(stage)
        )
    monkeypatch.setattr(strategy, "judge_family", judges.family)
    monkeypatch.setattr(strategy, "judge_signal", judges.signal)
    monkeypatch.setattr(contract, "judge", judges.contract)
    monkeypatch.setattr(sizing, "judge", judges.sizing)
    monkeypatch.setattr(controls, "with_controls", lambda view, final, pick: final)
    return judges


LINKED = (N3, N4, N5, N8, N9, N10, N11)
"""The stages that take from each other; the other four stand alone."""
ALONE = tuple(stage for stage in STAGES if stage not in LINKED)
NEEDS = {N5: (N3,), N8: (N5,), N9: (N8,), N10: (N9, N4), N11: (N10,)}
"""What each stage takes its input from."""


def _expected(verdicts: dict[str, str]) -> dict[str, str | None]:
    """What each stage depends on officially, by the table alone."""
    depends: dict[str, str | None] = {}
    for stage in STAGES:
        depends[stage] = next(
            (
                need
                for need in NEEDS.get(stage, ())
                if depends[need] is not None or verdicts[need] != "PASS"
            ),
            None,
        )
    return depends


def test_every_combination_of_verdicts(monkeypatch: pytest.MonkeyPatch) -> None:
    """All combinations of the linked stages' verdicts, and each of the others missed alone: an
    intent exists only if all eleven pass; a stage whose input failed says UPSTREAM with
    ``depends_on`` and is never asked officially; the others say what their gates said."""
    state = at_trade().state
    words = ("PASS", "BLOCK", "UNKNOWN")
    trades = 0
    for number, combination in enumerate(itertools.product(words, repeat=len(LINKED))):
        verdicts = dict.fromkeys(STAGES, "PASS") | dict(zip(LINKED, combination, strict=True))
        if number % 3:
            verdicts[ALONE[number % len(ALONE)]] = words[number % 3]
        with monkeypatch.context() as patch:
            _with_judges(patch, verdicts)
            events = _cycle(state)
        made = _checked(events)
        trades += made.outcome == "TRADE"
        depends = _expected(verdicts)
        for stage in _gates(events).official:
            needed = depends[stage.stage]
            if needed is None:
                assert stage.verdict == verdicts[stage.stage]
            else:
                assert (stage.depends_on, stage.reason) == (needed, f"UPSTREAM_{needed}")
                assert stage.verdict == "UNKNOWN"
    assert trades == 1


@pytest.mark.parametrize("stage", STAGES)
def test_assumed_verdicts_decide_nothing(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one stage missed, stages that would pass stand in ``assumed`` and not among the official
    ones; the decision is that of the missed stage."""
    with monkeypatch.context() as patch:
        _with_judges(patch, dict.fromkeys(STAGES, "PASS") | {stage: "BLOCK"})
        events = _cycle(at_trade().state)
    gates, made = _gates(events), _checked(events)
    assert made.stage == stage
    assumed = {one.stage for one in gates.assumed}
    official = {one.stage for one in gates.official if one.depends_on is None}
    assert assumed <= {N8, N9, N10, N11}
    assert not assumed & official
    assert bool(assumed) == (stage in (N3, N4, N5, N8, N9))


# --- assumed evaluation on real gates -------------------------------------------------------------


def test_later_stages_run_on_the_best_ranked_family_and_contract() -> None:
    """Without a signal, N10 and N11 are assumed: for the family's lean, a contract and its size."""
    case = next(one for one in MISSES if one.gate == "signal")
    gates = _gates(_cycle(case.missed(at_trade().state)))
    assert [one.stage for one in gates.assumed] == [N10, N11]
    assert {one.verdict for one in gates.assumed} == {"PASS"}
    assert gates.assumed_family in {family.name for family in FAMILIES}
    assert gates.assumed_contract is not None


def test_an_unclear_regime_leaves_all_four_assumed() -> None:
    """With N5 missed, N8 to N11 are all assumed where their inputs allow."""
    case = next(one for one in MISSES if one.gate == "regime_prob")
    gates = _gates(_cycle(case.missed(at_trade().state)))
    assert [one.stage for one in gates.official[7:] if one.depends_on] == [N8, N9, N10, N11]
    assert [one.stage for one in gates.assumed] == [N8, N9, N10, N11]


def test_where_inputs_do_not_allow_nothing_is_assumed_of_them() -> None:
    """Without regime, indicators and expiries only the contract stage can say that it has none."""
    state = at_trade().state
    state = market(state, regime=None, expiries=())
    state = replace(state, slots=tuple(replace(one, indicators=None) for one in state.slots))
    gates = _gates(_cycle(state))
    assert [(one.stage, one.reason) for one in gates.assumed] == [(N10, "EXPIRY_NONE")]


def test_a_family_refused_keeps_its_own_reason() -> None:
    """In a regime that nobody trades every family stands as evidence with its own refusal."""
    state = with_config(regime(at_trade().state, regime="PANIC", leader="PANIC"),
                        trend={"enabled": False})  # fmt: skip
    family = _gates(_cycle(state)).official[7]
    assert (family.stage, family.reason) == (N8, "FAMILY_NONE")
    assert {row.gate: row.reason for row in family.evidence} == {
        "family_trend": "FAMILY_DISABLED",
        "family_mean_revert": "FAMILY_PANIC",
        "family_defined_risk": "FAMILY_PANIC",
    }


def test_an_entry_on_its_way_counts_as_a_trade_of_the_day() -> None:
    """With one trade left and another underlying's entry approved but not filled, there is none
    left: two underlyings of one tick cannot both have the last."""
    state = at_trade().state
    state = with_config(state, risk={"trades_day_max": 1})
    assert _checked(_cycle(state)).outcome == "TRADE"
    waiting = with_order(state, underlying=5, filled_units=0, limit_paise=0)
    made = _checked(_cycle(waiting))
    assert (made.outcome, made.reason) == ("NO_TRADE", "RISK_TRADES_DAY")
    counted = with_order(state, underlying=5, filled_units=1, limit_paise=0)
    assert _checked(_cycle(counted)).outcome == "TRADE", "a filled entry is counted by the account"


def test_missing_charges_are_unknown_and_said() -> None:
    """Without a charge in the rulebook no contract can be judged: UNKNOWN, marked, no crash."""
    stage = _gates(_cycle(dict(LOSSES)["no charges"](at_trade().state))).official[9]
    assert (stage.stage, stage.verdict) == (N10, "UNKNOWN")
    assert stage.rows[-1].marks == ("CHARGES_MISSING",)


def test_a_screening_is_said_only_when_it_differs() -> None:
    """The same screening in the next cycle is not said again; the gates and the decision are."""
    state = at_trade().state
    events = _cycle(state)
    (screened,) = [event for event in events if isinstance(event, ContractsScreened)]
    known = market(state, screened=screen_mark(screened))
    again = _cycle(replace(known, cycle=state.cycle + 1))
    assert not [event for event in again if isinstance(event, ContractsScreened)]
    assert _checked(again).outcome == "TRADE"


def test_a_cycle_is_pure() -> None:
    """Twice the same state, twice the same bytes."""
    state = at_trade().state
    once, twice = (msgspec.msgpack.encode(_cycle(state)) for _ in range(2))
    assert once == twice


def test_codes_of_gate_rows_are_those_of_the_catalogue() -> None:
    """Over a day and over every loss, a row that is no pass gives a code that its gate declares."""
    seen = [e for e in small_run().events("GatesEvaluated") if isinstance(e, GatesEvaluated)]
    seen += [_gates(_cycle(change(at_trade().state))) for change in CHANGES.values()]
    for gates in seen:
        for stage in (*gates.official, *gates.assumed):
            for row in (*stage.rows, *stage.evidence):
                assert (row.reason is None) == (row.verdict == "PASS")
                assert row.reason is None or row.reason in BY_GATE[row.gate].codes


def test_upstream_names_its_stage() -> None:
    """The verdict of a stage without input: UNKNOWN, the code of the stage that failed."""
    assert upstream(N5, N3) == StageVerdict(N5, "UNKNOWN", f"UPSTREAM_{N3}", None, N3, (), ())
    for stage in STAGES:
        assert f"UPSTREAM_{stage}" in BY_CODE
    assert N4 in NEEDS[N10]

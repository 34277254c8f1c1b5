"""Every gate at its boundary, in the order in which the catalogue declares it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.cycle import decide_cycle
from engine.gates import session
from engine.lookup import lookup_for
from engine.state import State
from events.base import Event
from events.decision import DecisionMade, GateRow, GatesEvaluated, StageVerdict
from events.gates import BY_GATE, GATES
from events.reasons import BY_CODE, STAGES
from tests.engine.build import at_trade, view_of
from tests.engine.gates.cases import (
    MISSES,
    OF_A_PAIR,
    WHEN_ASKED,
    WHEN_HELD,
    WHEN_JUDGED,
    WITH_A_BROKER,
    Miss,
    rules,
)

SOMETIMES = WITH_A_BROKER | WHEN_HELD | WHEN_ASKED | WHEN_JUDGED | OF_A_PAIR
NAMES = [one.gate for one in GATES if one.gate not in SOMETIMES]
BY_NAME = {one.gate: one for one in MISSES}


def _cycle(state: State) -> list[Event]:
    return decide_cycle(state, 0, lookup_for(state).slot_of, state.seq + 1)


def _official(state: State) -> tuple[StageVerdict, ...]:
    return next(e.official for e in _cycle(state) if isinstance(e, GatesEvaluated))


def _rows(state: State) -> dict[str, GateRow]:
    return {row.gate: row for stage in _official(state) for row in stage.rows}


def _decision(state: State) -> DecisionMade:
    return next(e for e in _cycle(state) if isinstance(e, DecisionMade))


def test_the_start_passes_every_gate() -> None:
    """All rows of the state that the cases change are PASS: a miss is the case's own doing."""
    assert {row.verdict for row in _rows(at_trade().state).values()} == {"PASS"}


def test_every_gate_has_a_case_and_every_row_a_gate() -> None:
    """The cycle evaluates the catalogue, no more and no less, each gate in its own stage and in
    declared order; each has a case here."""
    stages = _official(at_trade().state)
    rows = [row.gate for stage in stages for row in stage.rows]
    evidence = [row.gate for stage in stages for row in stage.evidence]
    assert rows == [name for name in NAMES if name not in evidence]
    assert set(rows) | set(evidence) == set(NAMES)
    for stage in stages:
        assert {BY_GATE[row.gate].stage for row in (*stage.rows, *stage.evidence)} == {stage.stage}
    assert list(dict.fromkeys(one.gate for one in MISSES)) == [
        name for name in rows if name != "expiry"
    ]


@pytest.mark.parametrize("case", MISSES, ids=lambda case: case.gate)
def test_a_gate_just_missed_does_not_pass(case: Miss) -> None:
    """One unit past its limit the gate gives its verdict, its code and a negative margin; UNKNOWN
    has no observed value, for nothing was observed."""
    row = _rows(case.missed(at_trade().state))[case.gate]
    assert (row.verdict, row.reason) == (case.verdict, case.reason)
    assert row.reason in BY_GATE[case.gate].codes
    if case.verdict == "UNKNOWN":
        assert (row.observed, row.margin) == (None, None)
    else:
        assert row.margin == -1
        assert row.observed is not None
        assert row.limit is not None
        side = 1 if BY_GATE[case.gate].sense == "AT_MOST" else -1
        assert row.observed - row.limit == side


@pytest.mark.parametrize(
    "case", [one for one in MISSES if one.just is not None], ids=lambda case: case.gate
)
def test_a_gate_on_its_limit_passes(case: Miss) -> None:
    """Exactly on its limit the gate passes, with no code; a number has no room left."""
    assert case.just is not None
    row = _rows(case.just(at_trade().state))[case.gate]
    assert (row.verdict, row.reason) == ("PASS", None)
    assert row.margin == 0 or case.gate in ("lots_by_risk", "lots_by_open_risk")


@pytest.mark.parametrize("case", MISSES, ids=lambda case: case.gate)
def test_a_missed_gate_is_the_reason_of_the_decision(case: Miss) -> None:
    """Missed alone, the gate's code is the decision's, at the gate's stage."""
    made = _decision(case.missed(at_trade().state))
    assert (made.outcome, made.reason) == ("NO_TRADE", case.reason)
    assert made.stage == BY_GATE[case.gate].stage
    assert BY_CODE[made.reason].stage == made.stage


@given(st.sets(st.sampled_from([one.gate for one in MISSES]), min_size=1, max_size=5))
@settings(max_examples=60)
def test_the_first_missed_gate_in_declared_order_is_the_reason(gates: set[str]) -> None:
    """With several gates missed, the decision names the one that the catalogue declares first,
    whatever the order in which they were broken."""
    broken = [gate for gate in gates if _can(gate, gates)]
    state = at_trade().state
    # Backwards: a case may move what the cases declared after it were worked out from.
    for gate in sorted(broken, key=lambda one: (one not in ALONE, -NAMES.index(one))):
        state = BY_NAME[gate].missed(state)
    made = _decision(state)
    first = min(broken, key=NAMES.index)
    assert (made.stage, made.reason) == (BY_GATE[first].stage, BY_NAME[first].reason)


ALONE = (
    "signal_strength", "lots_by_risk", "lots_by_open_risk", "lots_by_funds", "lots_by_day_loss",
    "lots_by_exposure", "lots_by_expiry", "lots_by_delta", "lots_by_gamma", "lots_by_vega",
    "lots_by_theta", "lots_by_stress", "lots_by_value", "collar", "duplicates", "self_trades",
)  # fmt: skip
"""Cases worked out from a state that still trades: one of them at a time, before all others."""


def _can(gate: str, gates: set[str]) -> bool:
    if gate not in ALONE:
        return True
    return gate == max((one for one in gates if one in ALONE), key=NAMES.index)


def test_stages_stand_in_declared_order() -> None:
    """Whatever is missed there are exactly eleven official stages, in order, each with the verdict
    of its first row that is no pass."""
    for case in MISSES:
        stages = _official(case.missed(at_trade().state))
        assert tuple(stage.stage for stage in stages) == STAGES
        for stage in stages:
            bad = next((row for row in stage.rows if row.verdict != "PASS"), None)
            if stage.depends_on is not None:
                assert (stage.verdict, stage.reason) == ("UNKNOWN", f"UPSTREAM_{stage.depends_on}")
                assert (stage.gate, stage.rows) == (None, ())
            elif bad is None:
                assert (stage.verdict, stage.reason, stage.gate) == ("PASS", None, None)
            else:
                said = (stage.verdict, stage.reason, stage.gate)
                assert said == (bad.verdict, bad.reason, bad.gate)


@pytest.mark.parametrize(
    ("day", "stale", "reason"),
    [
        (None, (), "SESSION_RULE_MISSING"),
        (None, ("calendar.covered:*",), "RULEBOOK_STALE"),
        (None, ("session.fno.close:NSE",), "RULEBOOK_STALE"),
        (None, ("session.fno.close:BSE", "freeze:NIFTY", "lot:NIFTY"), "SESSION_RULE_MISSING"),
        (True, ("calendar.covered:*",), "SESSION_RULE_MISSING"),
        (True, ("session.fno.open:NSE",), "RULEBOOK_STALE"),
    ],
)
def test_hours_whose_rows_have_ended_are_stale(
    day: bool | None, stale: tuple[str, ...], reason: str
) -> None:
    """N1 is UNKNOWN either way; the code says whether rows have ended or never were. A day that the
    calendar names special is known without its year, so its hours are only missing."""
    state = rules(at_trade().state, trading_day=day, fno_nse=None, stale=stale)
    verdict = session.judge(view_of(state))
    assert (verdict.verdict, verdict.reason) == ("UNKNOWN", reason)

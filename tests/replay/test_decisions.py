"""Two runs side by side: what differs, and the gate, filter or deed behind it."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from events.decision import ContractsScreened, DecisionMade, GatesEvaluated
from events.gates import BY_GATE, CONTRACT_FILTERS
from events.orders import IntentApproved, PositionChanged
from events.reasons import BY_CODE
from replay.decisions import (
    CHANGED_GATE,
    DOWNSTREAM,
    DecisionDiff,
    DecisionDiffer,
    Difference,
    FirstCause,
)
from tests.engine.fabricated import CoreRun, SmallMarket, relaxed, run_core, small_facts

Section = dict[str, int | bool]
NAMES = ("NIFTY", "BANKNIFTY")
SYMBOLS = tuple(f"symbol {index}" for index in range(1_000))
"""What a differ says for an index: the true symbols are told by those that use it."""


def run(**sections: Section) -> CoreRun:
    """Two underlyings in one account, so that one can stand in the other's way."""
    market = SmallMarket(minutes=9, names=NAMES, cadence_ms=10_000, every_ms=5_000)
    return run_core(small_facts(market, relaxed(**sections)))


@functools.cache
def recorded() -> CoreRun:
    return run()


def compare(old: CoreRun, new: CoreRun) -> DecisionDiff:
    differ = DecisionDiffer(SYMBOLS.__getitem__)
    for ours, theirs in zip(old.groups, new.groups, strict=True):
        before, after = ([entry.event for entry in one.derived] for one in (ours, theirs))
        differ.take(ours.fact.ts, before, after)
    return differ.result()


def listed(diff: DecisionDiff) -> list[Difference]:
    """Every difference in the order of time, and of the cycle."""
    found = (*diff.gained, *diff.lost, *diff.reason_changed, *diff.size_changed)
    return sorted(found, key=lambda one: (one.ts, NAMES.index(one.underlying)))


def first_cause(diff: DecisionDiff) -> FirstCause:
    cause = listed(diff)[0].first_cause
    assert cause is not None
    return cause


def test_equal_runs_do_not_differ() -> None:
    """A run against itself has no difference of any kind."""
    assert compare(recorded(), recorded()).count == 0


GATES: tuple[tuple[str, Section, str, str | None], ...] = (
    ("session", {"last_entry_hhmm": 920}, "last_entry", None),
    ("warmup", {"bars_min": 5}, "bars", None),
    ("quote", {"near_spread_bps_max": 8}, "near_spread", None),
    ("regime", {"entropy_milli_max": 900}, "regime_entropy", None),
    ("risk", {"trades_day_max": 1}, "trades_day", None),
    ("risk", {"cooldown_s": 200}, "cooldown", None),
    ("trend", {"enabled": False}, "family_trend", None),
    ("mean_revert", {"stretch_milli_min": 5_000}, "signal", None),
    ("contract", {"oi_units_min": 1_000_000_000}, "contract", "CONTRACT_OI"),
    ("contract", {"reward_milli_min": 1_400}, "contract", "CONTRACT_REWARD"),
    ("contract", {"spread_bps_max": 1}, "contract", "CONTRACT_SPREAD"),
    ("contract", {"premium_paise_max": 501}, "contract", "CONTRACT_PREMIUM"),
    ("risk", {"trade_risk_bps_max": 20}, "lots_by_risk", None),
    ("risk", {"open_risk_bps_max": 20}, "lots_by_open_risk", None),
)


@pytest.mark.parametrize(("section", "values", "gate", "refused_by"), GATES)
def test_a_changed_setting_is_named_by_its_gate(
    section: str, values: Section, gate: str, refused_by: str | None
) -> None:
    """The first difference is at the gate that the setting belongs to, with the filter where it is
    one; every other is at a gate too, or downstream of an earlier moment."""
    diff = compare(recorded(), run(**{section: values}))
    cause = first_cause(diff)
    assert (cause.kind, cause.gate, cause.contract_filter) == (CHANGED_GATE, gate, refused_by)
    assert cause.stage == BY_GATE[gate].stage
    check(diff)


def check(diff: DecisionDiff) -> None:
    """What holds for every difference between two runs of the same code."""
    for one in listed(diff):
        cause = one.first_cause
        assert cause is not None
        if cause.kind == CHANGED_GATE:
            assert (cause.ts, cause.underlying, cause.event) == (one.ts, one.underlying, None)
            assert cause.stage is not None
        else:
            assert cause.kind == DOWNSTREAM
            assert cause.ts <= one.ts
            assert (cause.gate, cause.stage) == (None, None)
            assert cause.event in ("IntentApproved", "PositionChanged")
        for reason in (one.before_reason, one.after_reason):
            assert reason in BY_CODE


PLANS: tuple[tuple[str, Section, str], ...] = (
    ("plan", {"stop_bps": 900}, "IntentApproved"),
    ("plan", {"hold_s_max": 60}, "PositionChanged"),
    ("paper", {"entry_collar_bps": 0}, "IntentApproved"),
)


@pytest.mark.parametrize(("section", "values", "event"), PLANS)
def test_a_changed_plan_is_named_by_the_first_deed(
    section: str, values: Section, event: str
) -> None:
    """No gate judged otherwise of its own: each difference follows from the first moment at which
    the accounts did otherwise, and that moment is one in the runs."""
    old, new = recorded(), run(**{section: values})
    diff = compare(old, new)
    check(diff)
    causes = {one.first_cause for one in listed(diff)}
    assert len(causes) == 1
    (cause,) = causes
    assert cause is not None
    assert (cause.kind, cause.event) == (DOWNSTREAM, event)
    kinds = {
        (group.fact.ts, entry.kind, getattr(entry.event, "underlying", ""))
        for group in (*old.groups, *new.groups)
        for entry in group.derived
    }
    assert (cause.ts, event, cause.underlying) in kinds


def turned(events: list[object], **verdicts: str) -> list[object]:
    """The cycle with its families judged so, and a trade of it only where one is let in."""
    return [_turned(e, verdicts) if isinstance(e, GatesEvaluated) else e for e in events]


def _turned(gates: GatesEvaluated, verdicts: dict[str, str]) -> GatesEvaluated:
    stages = []
    for stage in gates.official:
        evidence = tuple(
            replace(row, verdict=verdicts[row.gate], reason="FAMILY_DISABLED")
            if row.gate in verdicts
            else row
            for row in stage.evidence
        )
        allowed = sum(row.verdict == "PASS" for row in evidence)
        rows = tuple(
            replace(row, observed=allowed, verdict="PASS" if allowed else "BLOCK")
            if row.gate == "family"
            else row
            for row in stage.rows
        )
        stages.append(replace(stage, rows=rows, evidence=evidence))
    return replace(gates, official=tuple(stages))


FAMILIES_TURNED: tuple[tuple[dict[str, str], dict[str, str], str], ...] = (
    ({"family_trend": "BLOCK", "family_mean_revert": "PASS"},
     {"family_trend": "BLOCK", "family_mean_revert": "BLOCK"}, "family_mean_revert"),
    ({"family_trend": "PASS", "family_mean_revert": "BLOCK"},
     {"family_trend": "BLOCK", "family_mean_revert": "BLOCK"}, "family_trend"),
    ({"family_trend": "PASS", "family_mean_revert": "BLOCK"},
     {"family_trend": "BLOCK", "family_mean_revert": "PASS"}, "family_trend"),
)  # fmt: skip
"""Verdicts of the families before and after, and the family that is responsible: it was let in or
turned away. Another reason of the same refusal is no other judgement."""


@pytest.mark.parametrize(("before", "after", "gate"), FAMILIES_TURNED)
def test_the_family_that_was_turned_away_is_named(
    before: dict[str, str], after: dict[str, str], gate: str
) -> None:
    """Neither the first family that is refused with another reason, nor a later gate where one
    family took the place of another."""
    events = next(decided())
    old = turned(events, **before)
    new = [
        replace(e, outcome="NO_TRADE", stage="N8_STRATEGY_SELECT", reason="FAMILY_NONE")
        if isinstance(e, DecisionMade)
        else e
        for e in turned(events, **after)
        if not isinstance(e, IntentApproved)
    ]
    names = ("trend", "mean_revert", "defined_risk")
    reasons = {f"family_{name}": "FAMILY_NOT_FOR_REGIME" for name in names}
    old = [with_reasons(e, reasons) if isinstance(e, GatesEvaluated) else e for e in old]
    (lost, *_) = pair(old, new).lost
    assert (lost.stage, lost.gate) == ("N8_STRATEGY_SELECT", gate)
    assert lost.first_cause is not None
    assert lost.first_cause.kind == CHANGED_GATE
    assert lost.first_cause.gate == gate


def with_reasons(gates: GatesEvaluated, reasons: dict[str, str]) -> GatesEvaluated:
    """The families refused for these reasons."""
    stages = tuple(
        replace(
            stage,
            evidence=tuple(
                replace(row, reason=reasons[row.gate]) if row.verdict == "BLOCK" else row
                for row in stage.evidence
            ),
        )
        for stage in gates.official
    )
    return replace(gates, official=stages)


def test_a_size_that_changed_has_both_contracts() -> None:
    """The trading symbols of what was taken, None where nothing was."""
    diff = compare(recorded(), run(risk={"lots_max": 1}))
    for one in diff.size_changed:
        assert one.before_contract == one.after_contract
        assert one.before_contract in SYMBOLS
    (lost, *_) = compare(recorded(), run(risk={"trades_day_max": 1})).lost
    assert (lost.before_contract in SYMBOLS, lost.after_contract) == (True, None)


def test_the_cap_on_lots_is_named_by_its_stage() -> None:
    """No gate of N11 set the size: the stage is named, without a gate, each time."""
    diff = compare(recorded(), run(risk={"lots_max": 1}))
    assert len(diff.size_changed) == diff.count > 1
    for one in diff.size_changed:
        assert one.before_lots > one.after_lots == 1
        cause = one.first_cause
        assert cause is not None
        assert (cause.kind, cause.stage, cause.gate) == (CHANGED_GATE, "N11_FINAL_DECISION", None)


def test_a_trade_stands_in_the_way_of_the_other_underlying_of_its_tick() -> None:
    """Where a gained trade takes the last place of the day, the next underlying's loss of it at the
    same moment follows from it."""
    old, new = run(trend={"enabled": False}), run()
    diff = compare(old, new)
    check(diff)
    limited = compare(
        run(quote={"near_spread_bps_max": 8}, risk={"trades_day_max": 1}),
        run(risk={"trades_day_max": 1}),
    )
    check(limited)
    downstream = [
        one for one in listed(limited)
        if one.first_cause is not None and one.first_cause.kind == DOWNSTREAM
    ]  # fmt: skip
    assert downstream


def test_swapping_the_runs_swaps_gained_and_lost() -> None:
    """A difference is the same seen from either side."""
    other = run(risk={"trades_day_max": 1})
    there, back = compare(recorded(), other), compare(other, recorded())
    assert [(one.ts, one.underlying) for one in there.lost] == [
        (one.ts, one.underlying) for one in back.gained
    ]
    assert len(there.reason_changed) == len(back.reason_changed)
    assert there.count == back.count > 0


# --- single groups -------------------------------------------------------------------------------


def decided() -> Iterator[list[object]]:
    """The derivations of every cycle of the recorded run in which a trade was approved."""
    for group in recorded().groups:
        events: list[object] = [entry.event for entry in group.derived]
        if any(isinstance(event, IntentApproved) for event in events):
            yield events


def pair(before: list[object], after: list[object]) -> DecisionDiff:
    differ = DecisionDiffer(SYMBOLS.__getitem__)
    differ.take(7, before, after)  # type: ignore[arg-type]
    return differ.result()


def test_names_and_seqs_are_no_deeds() -> None:
    """Ids hold seqs, and those move when the other run journals more: not a difference."""
    events = next(decided())
    renamed = [
        replace(e, intent_id="x", gates_seq=1) if isinstance(e, IntentApproved) else e
        for e in events
    ]
    differ = DecisionDiffer(SYMBOLS.__getitem__)
    differ.take(7, events, renamed)  # type: ignore[arg-type]
    assert differ.result().count == 0
    assert differ._root is None


def test_a_deed_alone_is_no_difference_and_yet_a_root() -> None:
    """Another stop of the same trade: nothing is listed, and what follows is downstream of it."""
    events = next(decided())
    other = [replace(e, stop_paise=5) if isinstance(e, IntentApproved) else e for e in events]
    later = [
        replace(e, outcome="NO_TRADE", stage="N6_RISK_OK", reason="RISK_OPEN_RISK")
        if isinstance(e, DecisionMade)
        else e
        for e in events
        if not isinstance(e, IntentApproved)
    ]
    later = [blocked(e, "open_risk") if isinstance(e, GatesEvaluated) else e for e in later]
    differ = DecisionDiffer(SYMBOLS.__getitem__)
    differ.take(7, events, other)  # type: ignore[arg-type]
    assert differ.result().count == 0
    differ.take(9, events, later)  # type: ignore[arg-type]
    (lost, *_) = differ.result().lost
    cause = lost.first_cause
    assert cause is not None
    assert (cause.kind, cause.ts, cause.event) == (DOWNSTREAM, 7, "IntentApproved")


NUMBERS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("lots_by_risk", (), CHANGED_GATE),
    ("lots_by_open_risk", (), DOWNSTREAM),
    ("lots_by_open_risk", ("open_risk",), CHANGED_GATE),
    ("lots_by_funds", (), DOWNSTREAM),
    ("lots_by_funds", ("open_risk",), DOWNSTREAM),
    ("lots_by_funds", ("open_risk", "daily_loss"), CHANGED_GATE),
)
"""A gate of N11, the gates whose limits moved, and what its other number follows from: a number of
lots has the limit one, its budget is seen elsewhere."""


@pytest.mark.parametrize(("gate", "budgets", "kind"), NUMBERS)
def test_a_size_follows_from_the_account_where_no_budget_moved(
    gate: str, budgets: tuple[str, ...], kind: str
) -> None:
    """After the accounts parted: the risk of one trade is no matter of the account, and a budget
    that moved is the cause itself."""
    events = next(decided())
    differ = DecisionDiffer(SYMBOLS.__getitem__)
    other = [replace(e, stop_paise=5) if isinstance(e, IntentApproved) else e for e in events]
    differ.take(7, events, other)  # type: ignore[arg-type]
    later = []
    for event in events:
        if isinstance(event, GatesEvaluated):
            event = numbered(event, gate, observed=1)
            for budget in budgets:
                event = numbered(event, budget, limit=1)
        later.append(replace(event, lots=1) if isinstance(event, IntentApproved) else event)
    differ.take(9, events, later)  # type: ignore[arg-type]
    (sized, *_) = differ.result().size_changed
    assert sized.gate == gate
    assert sized.first_cause is not None
    assert sized.first_cause.kind == kind


def numbered(gates: GatesEvaluated, gate: str, **fields: int) -> GatesEvaluated:
    """The gates with other numbers in one row."""
    stages = tuple(
        replace(
            stage,
            rows=tuple(replace(row, **fields) if row.gate == gate else row for row in stage.rows),
        )
        for stage in gates.official
    )
    return replace(gates, official=stages)


def blocked(gates: GatesEvaluated, gate: str, **fields: object) -> GatesEvaluated:
    """The gates with one of them at BLOCK."""
    stages = []
    for stage in gates.official:
        rows = tuple(
            replace(row, verdict="BLOCK", reason="RISK_OPEN_RISK", **fields)
            if row.gate == gate
            else row
            for row in stage.rows
        )
        stages.append(replace(stage, rows=rows))
    return replace(gates, official=tuple(stages))


def test_a_limit_of_the_account_that_moved_is_the_cause_itself() -> None:
    """After the accounts parted a gate of the account is downstream, unless its limit differs."""
    events = next(decided())
    other = [replace(e, stop_paise=5) if isinstance(e, IntentApproved) else e for e in events]
    for limit, kind in ((None, DOWNSTREAM), (1, CHANGED_GATE)):
        fields = {} if limit is None else {"limit": limit}
        later = [
            blocked(e, "open_risk", **fields)
            if isinstance(e, GatesEvaluated)
            else replace(e, outcome="NO_TRADE", stage="N6_RISK_OK", reason="RISK_OPEN_RISK")
            if isinstance(e, DecisionMade)
            else e
            for e in events
            if not isinstance(e, IntentApproved)
        ]
        differ = DecisionDiffer(SYMBOLS.__getitem__)
        differ.take(7, events, other)  # type: ignore[arg-type]
        differ.take(9, events, later)  # type: ignore[arg-type]
        cause = differ.result().lost[0].first_cause
        assert cause is not None
        assert cause.kind == kind


def test_a_cycle_that_only_one_run_had_is_a_difference_without_a_gate() -> None:
    """Under other code a cycle may be missing: it is listed as absent, never dropped."""
    events = next(decided())
    diff = pair(events, [])
    assert {one.after for one in (*diff.lost, *diff.reason_changed)} == {"ABSENT"}
    assert diff.lost[0].first_cause is None
    assert pair([], events).gained[0].before == "ABSENT"


def test_a_screening_holds_until_the_next_one() -> None:
    """A screening that did not change is not journaled again: the last one of each run counts."""
    events = next(decided())
    screened = next(e for e in events if isinstance(e, ContractsScreened))
    place = CONTRACT_FILTERS.index("CONTRACT_VOLUME")
    passing = [at for at, mask in enumerate(screened.masks) if mask == 0]
    masks = tuple(1 << place if at in passing else m for at, m in enumerate(screened.masks))
    refused = replace(screened, masks=masks)
    differ = DecisionDiffer(SYMBOLS.__getitem__)
    differ.take(5, [screened], [refused])
    later = [
        blocked(e, "contract")
        if isinstance(e, GatesEvaluated)
        else replace(e, outcome="NO_TRADE", stage="N10_DECISION_READY", reason="X")
        if isinstance(e, DecisionMade)
        else e
        for e in events
        if not isinstance(e, IntentApproved | ContractsScreened)
    ]
    quiet = [e for e in events if not isinstance(e, ContractsScreened)]
    differ.take(9, quiet, later)  # type: ignore[arg-type]
    cause = differ.result().lost[0].first_cause
    assert cause is not None
    assert (cause.gate, cause.contract_filter) == ("contract", "CONTRACT_VOLUME")


def test_a_position_is_compared_without_its_name() -> None:
    """Two accounts that hold the same have not parted."""
    closed = next(e for e in recorded().events("PositionChanged") if isinstance(e, PositionChanged))
    differ = DecisionDiffer(SYMBOLS.__getitem__)
    differ.take(7, [closed], [replace(closed, position_id="other")])
    assert root_of(differ) is None
    differ.take(8, [closed], [replace(closed, quantity_units=1)])
    root = root_of(differ)
    assert root is not None
    assert (root.ts, root.event) == (8, "PositionChanged")


def root_of(differ: DecisionDiffer) -> Any:
    """Where the two accounts parted, None while they hold the same."""
    return differ._root

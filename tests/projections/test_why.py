"""projections/why.py: one set of words, nothing judged again."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.decision import DecisionMade, GateRow, GatesEvaluated, StageVerdict
from events.reasons import REASONS, STAGES
from events.registry import decode_event
from projections import why
from tests.projections.builders import OPEN_NS, envelopes

SESSION = envelopes(cycles=200)


def pairs() -> list[tuple[DecisionMade, GatesEvaluated]]:
    """Every decision with the gates behind it."""
    events = {envelope.seq: decode_event(envelope) for envelope in SESSION}
    found = []
    for event in events.values():
        if isinstance(event, DecisionMade):
            gates = events[event.gates_seq]
            assert isinstance(gates, GatesEvaluated)
            found.append((event, gates))
    return found


PAIRS = pairs()
FIRST, FIRST_GATES = next(pair for pair in PAIRS if pair[0].outcome == "NO_TRADE")


def made(stage: str, reason: str) -> DecisionMade:
    return msgspec.structs.replace(
        FIRST, outcome="NO_TRADE", stage=stage, reason=reason, underlying="NIFTY"
    )


def judged(stage: str, row: GateRow) -> GatesEvaluated:
    verdict = StageVerdict(stage, row.verdict, row.reason, row.gate, None, (row,), ())
    return msgspec.structs.replace(FIRST_GATES, official=(verdict,), assumed=())


def test_sentence_gives_reason_and_numbers() -> None:
    """A refused entry is told with the reason's text and the deciding gate's numbers and unit."""
    row = GateRow("near_spread", "BLOCK", "QUOTE_SPREAD_WIDE", 45, 30, -15, 900, ())
    gates = judged("N4_QUOTE_OK", row)
    text = why.sentence(made("N4_QUOTE_OK", "QUOTE_SPREAD_WIDE"), gates)
    assert text == (
        "No trade in NIFTY: The median near-the-money spread is wider than allowed. "
        "Median spread near the money: 45 bps, asked is at most 30 bps."
    )


def test_sentence_shows_money_and_marks() -> None:
    """Paise are shown as rupees in Indian grouping, and what weakens the evidence is named."""
    row = GateRow(
        "daily_loss", "BLOCK", "RISK_DAILY_LOSS", 1_234_567_89, 50_000, -1, 0, ("unsure",)
    )
    text = why.sentence(made("N6_RISK_OK", "RISK_DAILY_LOSS"), judged("N6_RISK_OK", row))
    assert text.endswith("₹12,34,567.89, asked is at most ₹500.00. [unsure]")


def test_sentence_without_gates_or_numbers() -> None:
    """Without the gates, or where the gate is a yes or no, the reason's text stands alone."""
    decision = made("N7_GOVERNANCE_LOCKS_OK", "GOV_HALTED")
    text = "No trade in NIFTY: The operator halted new entries."
    row = GateRow("halted", "BLOCK", "GOV_HALTED", 0, 1, None, None, ())
    assert why.sentence(decision, None) == text
    assert why.sentence(decision, judged("N7_GOVERNANCE_LOCKS_OK", row)) == text


def test_sentence_names_a_reason_it_does_not_know() -> None:
    """A code of another release is shown as such, never replaced."""
    assert "FROM_TOMORROW" in why.sentence(made("N1_MARKET_OPEN", "FROM_TOMORROW"), None)


@pytest.mark.parametrize("code", [spec.code for spec in REASONS])
def test_every_reason_has_a_sentence(code: str) -> None:
    """Any code of the table can end a decision and be told."""
    assert why.reason_text(code).endswith(".")


@given(st.integers(min_value=0, max_value=10**15))
def test_indian_grouping_keeps_the_number(rupees: int) -> None:
    """Grouping adds commas only: three digits last, twos before."""
    text = why.indian(rupees)
    assert int(text.replace(",", "")) == rupees
    head, *rest = text.split(",")
    assert 1 <= len(head) <= (3 if not rest else 2)
    assert [len(part) for part in rest] == [2] * (len(rest) - 1) + [3] * bool(rest)


@given(st.integers(min_value=-(10**9), max_value=10**9))
def test_amounts_keep_their_sign(value: int) -> None:
    """An amount's text holds its number, sign included, in every unit."""
    assert why.amount(value, "paise").startswith("-") == (value < 0)
    assert float(why.amount(value, "milli")) == pytest.approx(value / 1000)
    assert why.amount(value, "ms") == f"{value} ms"


def test_times_are_ist() -> None:
    """09:15 IST is 03:45 UTC; nanoseconds are cut, not rounded."""
    assert why.ist_iso(OPEN_NS) == "2025-08-29T09:15:00.000"
    assert why.ist_iso(OPEN_NS + 999_999) == "2025-08-29T09:15:00.000"


def recorded(decision: DecisionMade, gates: GatesEvaluated) -> why.Recorded:
    return why.Recorded("s", 10, OPEN_NS, 5, decision, gates, "NIFTY2590224000CE")


def test_answer_has_eleven_official_stages_first() -> None:
    """The stages of an answer are the official eleven in order, then the assumed ones."""
    for decision, gates in PAIRS:
        stages = why.answer(recorded(decision, gates)).gates
        assert tuple(stage.stage for stage in stages[:11]) == STAGES
        assert [stage.assumed for stage in stages] == [False] * 11 + [True] * len(gates.assumed)


def test_answer_agrees_with_the_record() -> None:
    """Stage, reason and numbers of an answer are the recorded ones; a stage shows its own gate."""
    for decision, gates in PAIRS:
        answer = why.answer(recorded(decision, gates))
        assert (answer.stage, answer.reason) == (decision.stage, decision.reason)
        for shown, verdict in zip(answer.gates, (*gates.official, *gates.assumed), strict=True):
            assert (shown.verdict, shown.reason) == (verdict.verdict, verdict.reason)
            row = next((row for row in verdict.rows if row.gate == verdict.gate), None)
            if row is not None:
                assert (shown.observed, shown.limit, shown.margin) == (
                    row.observed,
                    row.limit,
                    row.margin,
                )


def test_passed_stage_shows_its_tightest_gate() -> None:
    """A passed stage shows the gate with the least room relative to its limit."""
    flag = GateRow("link_up", "PASS", None, 1, 1, 0, None, ())
    wide = GateRow("link_age", "PASS", None, 100, 6_000, 5_900, 100, ())
    tight = GateRow("page_age", "PASS", None, 5_990, 6_000, 10, 5_990, ())
    verdict = StageVerdict("N2_FEED_FRESH", "PASS", None, None, None, (flag, wide, tight), ())
    (shown,) = why.stage_answers(
        msgspec.structs.replace(FIRST_GATES, official=(verdict,), assumed=())
    )
    assert (shown.gate, shown.margin) == ("page_age", 10)
    assert shown.ages == {"link_age": 100, "page_age": 5_990}


def test_gates_of_another_cycle_are_refused() -> None:
    """An answer is never put together from two cycles."""
    other = msgspec.structs.replace(FIRST_GATES, cycle=FIRST.cycle + 1)
    with pytest.raises(ValueError, match="another cycle"):
        why.answer(recorded(FIRST, other))


def test_answers_are_json() -> None:
    """An answer encodes to JSON as it is, with the keys of the contract."""
    keys = msgspec.to_builtins(why.answer(recorded(FIRST, FIRST_GATES)))
    assert {"decision", "reason", "stage", "gates", "trail"} <= set(keys)
    wanted = "stage verdict reason observed limit margin ages assumed".split()
    assert all(set(wanted) <= set(gate) for gate in keys["gates"])


counts = st.lists(
    st.tuples(st.sampled_from(STAGES), st.sampled_from(("A", "B", "C")), st.integers(1, 10**6)),
    unique_by=lambda row: row[:2],
)


@settings(deadline=None)
@given(counts)
def test_funnel_loses_nothing(rows: list[tuple[str, str, int]]) -> None:
    """The funnel has each row once, stages in their order, frequent reasons first."""
    funnel = why.funnel(rows)
    assert sorted((row.stage, row.reason, row.count) for row in funnel) == sorted(rows)
    order = [(STAGES.index(row.stage), -row.count) for row in funnel]
    assert order == sorted(order)


def test_every_refusal_has_one_terminal_blocker() -> None:
    """Each decision without a trade ends at exactly one blocker: the terminals add up to them."""
    refused = [pair for pair in PAIRS if pair[0].outcome == "NO_TRADE"]
    counted = why.blockers(why.count_blockers(refused))
    assert len(refused) > 100
    assert sum(row.terminal for row in counted) == len(refused)
    assert all(row.sole <= row.failed and row.terminal <= row.failed for row in counted)
    assert any(row.sole for row in counted)
    assert any(row.sole < row.terminal for row in counted)


def row(gate: str, *, passes: bool) -> GateRow:
    code = None if passes else "QUOTE_SPREAD_WIDE"
    return GateRow(gate, "PASS" if passes else "BLOCK", code, 1, 1, 0, None, ())


def verdict(stage: str, *rows: GateRow) -> StageVerdict:
    missed = next((item for item in rows if item.verdict != "PASS"), None)
    reason, gate = (missed.reason, missed.gate) if missed else (None, None)
    return StageVerdict(stage, missed.verdict if missed else "PASS", reason, gate, None, rows, ())


UPSTREAM = StageVerdict(
    "N9_STRATEGY_ELIGIBLE", "UNKNOWN", "UPSTREAM_N4_QUOTE_OK", None, "N4_QUOTE_OK", (), ()
)
MISSED = verdict("N4_QUOTE_OK", row("near_spread", passes=False))
TWICE = verdict("N4_QUOTE_OK", row("near_spread", passes=False), row("near_quotes", passes=False))
PASSED = verdict("N9_STRATEGY_ELIGIBLE", row("signal", passes=True))
FAILED = verdict("N9_STRATEGY_ELIGIBLE", row("signal", passes=False))


@pytest.mark.parametrize(
    ("official", "assumed", "sole"),
    [
        ((MISSED, PASSED), (), True),
        ((MISSED, UPSTREAM), (PASSED,), True),
        ((MISSED, UPSTREAM), (FAILED,), False),
        ((MISSED, UPSTREAM), (), False),
        ((TWICE, PASSED), (), False),
        ((MISSED, FAILED), (), False),
        ((PASSED,), (), False),
    ],
)
def test_sole_blocker_table(
    official: tuple[StageVerdict, ...], assumed: tuple[StageVerdict, ...], sole: bool
) -> None:
    """A gate is the sole blocker only where everything else is known to pass."""
    gates = msgspec.structs.replace(FIRST_GATES, official=official, assumed=assumed)
    found = why.sole_blocker(gates)
    assert found == (("N4_QUOTE_OK", "near_spread", "QUOTE_SPREAD_WIDE") if sole else None)

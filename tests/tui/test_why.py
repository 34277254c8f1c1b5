"""The gates of a decision, as recorded."""

from __future__ import annotations

import msgspec

from events import session
from events.decision import GateRow, GatesEvaluated
from events.gates import GATES
from events.reasons import STAGES
from projections.live.view import DecisionLine, LiveView
from tests.projections.live.story import Story, a_day, stage_verdict
from tests.tui.screen import view_of
from tui import fmt
from tui.view.text import Row, Table
from tui.view.why import (
    SPOT_AGE,
    age_limit_ms,
    deciding_key,
    detail_text,
    gates_of,
    gates_table,
    reason_sentence,
    reason_text,
    trail_text,
)


def last_of(view: LiveView, reason: str) -> DecisionLine:
    return next(row for row in view.funnel if row.reason == reason).recent[-1]


def table_of(line: DecisionLine, *, all_gates: bool = True) -> Table:
    return gates_table(line, gates_of(line), all_gates=all_gates)


def texts(row: Row) -> list[str]:
    return [text.strip() for text, _ in row.cells]


def test_every_gate_shows_what_was_recorded() -> None:
    """Observed, limit, margin and age of every gate equal the journal's, in its unit and order."""
    line = last_of(view_of(a_day()), "QUOTE_SPREAD_WIDE")
    gates = gates_of(line)
    assert gates is not None
    shown = [texts(row) for row in table_of(line).rows if row.key[2]]  # type: ignore[index]
    units = {spec.gate: spec.unit for spec in GATES}
    recorded = [
        [
            gate.gate,
            *(fmt.measure(number, units[gate.gate]) for number in (gate.observed, gate.limit)),
            "" if units[gate.gate] == "flag" else fmt.measure(gate.margin, units[gate.gate]),
        ]
        for stage in gates.official
        for gate in stage.rows
    ]
    assert [[row[0], row[2], row[4], row[5]] for row in shown] == recorded
    assert len(recorded) > 10


def test_eleven_stages_in_their_order() -> None:
    """All official stages, passed or not, in both forms of the table."""
    line = last_of(view_of(a_day()), "WARMUP_BARS")
    for all_gates in (True, False):
        stages = [
            row.key[1]  # type: ignore[index]
            for row in table_of(line, all_gates=all_gates).rows
            if not row.key[2]  # type: ignore[index]
        ]
        assert tuple(stages) == STAGES


def test_the_short_form_lists_what_did_not_pass() -> None:
    """Without all gates only the failing one stands under its stage, and the eye falls on it."""
    line = last_of(view_of(a_day()), "QUOTE_SPREAD_WIDE")
    rows = table_of(line, all_gates=False).rows
    gate_keys = [row.key for row in rows if row.key[2]]  # type: ignore[index]
    assert gate_keys == [("official", "N4_QUOTE_OK", "near_spread")]
    assert deciding_key(gates_of(line)) == gate_keys[0]


def test_a_trade_points_at_its_last_stage() -> None:
    """Where all pass, the last stage is what decided."""
    line = view_of(a_day()).trade_decisions[-1]
    assert deciding_key(gates_of(line)) == ("official", STAGES[-1], "")
    assert "11 of 11 stages pass" in table_of(line).title


def test_assumed_verdicts_come_after_and_say_so() -> None:
    """What an assumed stage would have said is marked and never among the eleven."""
    story = a_day()
    line = last_of(view_of(story), "QUOTE_SPREAD_WIDE")
    gates = gates_of(line)
    assert gates is not None
    evidence = GateRow("family_trend", "BLOCK", "FAMILY_DISABLED", None, None, None, None, ())
    stage = msgspec.structs.replace(
        stage_verdict("N8_STRATEGY_SELECT", "BLOCK", "FAMILY_NONE", "family"), evidence=(evidence,)
    )
    table = gates_table(line, msgspec.structs.replace(gates, assumed=(stage,)), all_gates=True)
    parts = [row.key[0] for row in table.rows]  # type: ignore[index]
    assert parts.index("assumed") > max(i for i, part in enumerate(parts) if part == "official")
    assert texts(table.rows[parts.index("assumed")])[:3] == [
        "N8_STRATEGY_SELECT",
        "✗ BLOCK",
        "assumed",
    ]
    assert texts(table.rows[-1])[0] == ". family_trend"


def test_a_decision_without_gates_says_so() -> None:
    """Gates not seen, or not decodable, give an empty table with a sentence, and no detail."""
    line = msgspec.structs.replace(last_of(view_of(a_day()), "WARMUP_BARS"), gates=None)
    assert table_of(line).rows == ()
    assert "not seen" in table_of(line).empty
    assert gates_of(msgspec.structs.replace(line, gates=b"\x91\x01")) is None
    assert detail_text(line, None, ("official", "N1_MARKET_OPEN", "")) == ""
    assert deciding_key(None) is None


def test_the_detail_tells_what_a_row_means_and_what_to_do() -> None:
    """The gate's title, its marks, the reason's sentence and remedy; for a stage its question."""
    line = last_of(view_of(a_day()), "QUOTE_SPREAD_WIDE")
    gates = gates_of(line)
    text = detail_text(line, gates, ("official", "N4_QUOTE_OK", "near_spread"))
    assert text.startswith("near_spread: median spread near the money.")
    assert "RELAXED_BY_POLICY" in text
    assert "QUOTE_SPREAD_WIDE: " in text
    assert (
        detail_text(line, gates, ("official", "N1_MARKET_OPEN", ""))
        == "N1_MARKET_OPEN: market open."
    )
    assert detail_text(line, gates, "something else") == ""
    assert "does not know" in reason_text("NOT_A_CODE")


def test_every_decision_has_a_sentence() -> None:
    """Traded, blocked and of an unknown reason."""
    view = view_of(a_day())
    for row in view.funnel:
        line = row.recent[-1]
        assert reason_sentence(line.made, gates_of(line)).endswith(".")
    odd = msgspec.structs.replace(view.funnel[0].recent[-1].made, reason="NOT_A_CODE")
    assert "does not know" in reason_sentence(odd, None)


def test_the_trail_names_every_step_by_seq() -> None:
    """Tick, snapshot, gates, decision, intent, as the journal has them."""
    story = a_day()
    view = view_of(story)
    line = view.trade_decisions[0]
    kinds = {
        "tick": "TimerTick",
        "snapshot": "SnapshotTaken",
        "gates": "GatesEvaluated",
        "decision": "DecisionMade",
    }
    trail = trail_text(line, view)
    for word, kind in kinds.items():
        seq = int(trail.split(f"{word} #")[1].split()[0])
        assert story.envelopes[seq - 1].kind == kind
    assert "NIFTY26NOV24500CE" in trail


def test_a_verdict_of_tomorrow_is_shown_as_it_stands() -> None:
    """An unknown verdict word and gate do not break the table."""
    stage = stage_verdict("N1_MARKET_OPEN", "DEFERRED", "SOON", "last_entry")
    rows = (*stage.rows, GateRow("new_gate", "PASS", None, 7, 9, 2, None, ("m",)))
    gates = GatesEvaluated(
        1, "NIFTY", 1, (msgspec.structs.replace(stage, rows=rows),), (), None, None
    )
    line = last_of(view_of(_one_decision()), "WARMUP_BARS")
    shown = [texts(row) for row in gates_table(line, gates, all_gates=True).rows]
    assert shown[0][1] == "! DEFERRED"
    assert ["new_gate", "● PASS", "7", "", "9", "2", "-", f"#{line.cause}", "", "m"] in shown


def _one_decision() -> Story:
    story = Story().setting_up()
    story.at(1).cycle_of("NIFTY", ("N3_WARMUP_DONE", "WARMUP_BARS"))
    return story


def test_an_age_is_judged_by_the_limit_in_force() -> None:
    """A decision's gate has the limit in force; without it the setting, which pages do not use."""
    view = view_of(a_day())
    line = last_of(view, "QUOTE_SPREAD_WIDE")
    assert age_limit_ms(view, line, *SPOT_AGE) == 3_000
    settings = (session.Setting("quote.spot_age_ms_max", 9_000),)
    view = msgspec.structs.replace(view, settings=settings)
    assert age_limit_ms(view, None, *SPOT_AGE) == 9_000
    assert view.session is not None
    rule = msgspec.structs.replace(view.session.cycle_rule, kind="AFTER_SNAPSHOT")
    pages = msgspec.structs.replace(
        view, session=msgspec.structs.replace(view.session, cycle_rule=rule)
    )
    assert age_limit_ms(pages, None, *SPOT_AGE) is None
    assert age_limit_ms(pages, line, *SPOT_AGE) == 3_000

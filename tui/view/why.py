"""A decision and its gates as a person reads them.

Lives here: decoding the gates of one decision, its sentence, its rows, the text about one row.
May import: events, projections.live, tui's pure parts. Always holds: numbers are those of the
journal in the units of the gate catalogue; the eleven official stages come first and in declared
order, assumed verdicts after them and named so. Start reading at ``gates_table``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

import msgspec

from events.decision import DecisionMade, GateRow, GatesEvaluated, StageVerdict
from events.envelope import UNDECODABLE
from events.gates import BY_GATE
from events.reasons import BY_CODE, STAGE_TITLES, STAGES
from projections.live.view import DecisionLine, LiveView
from tui import fmt
from tui.view.text import Column, Role, Row, Span, Table, column, span
from tui.view.trace import source_of

Explain = Callable[[DecisionMade, GatesEvaluated | None], str]
"""The sentence of a decision; the composition root gives the one that every surface uses."""

_decoder: Final = msgspec.msgpack.Decoder(GatesEvaluated)

VERDICTS: Final[dict[str, Span]] = {
    "PASS": ("● PASS", "ok"),
    "BLOCK": ("✗ BLOCK", "bad"),
    "UNKNOWN": ("? UNKNOWN", "unknown"),
}
SENSES: Final[dict[str, str]] = {"AT_MOST": "<=", "AT_LEAST": ">=", "IS_TRUE": "is"}


def gates_of(line: DecisionLine | None) -> GatesEvaluated | None:
    """The gates of a decision, None where they were not seen or are of another release."""
    return None if line is None or line.gates is None else _decoded(line.gates)


@lru_cache(maxsize=512)
def _decoded(payload: bytes) -> GatesEvaluated | None:
    """Cached: the last decision of each underlying is asked for at every frame."""
    try:
        return _decoder.decode(payload)
    except UNDECODABLE:
        return None


def age_limit_ms(view: LiveView, line: DecisionLine | None, gate: str, key: str) -> int | None:
    """The age limit in force: as a decision's gate had it, else the setting ``key``.

    The gate comes first because policy rows relax limits by market and are journaled only there. A
    market of pages is always relaxed, so there the bare setting would judge wrongly.
    """
    gates = gates_of(line)
    for verdict in () if gates is None else gates.official:
        for row in verdict.rows:
            if row.gate == gate and row.limit is not None:
                return row.limit
    pages = view.session is not None and view.session.cycle_rule.kind == "AFTER_SNAPSHOT"
    return None if pages else view.setting(key)


SPOT_AGE: Final = ("spot_age", "quote.spot_age_ms_max")
CONTRACT_AGE: Final = ("contract_age", "quote.contract_age_ms_max")
LINK_AGE: Final = ("link_age", "feed.link_age_ms_max")
"""Gate and setting of an age limit."""


def short_stage(stage: str) -> str:
    """``N4`` for ``N4_QUOTE_OK``."""
    return stage.partition("_")[0]


def stage_title(stage: str) -> str:
    """What a stage asks, in words; a stage of another release as its code."""
    return STAGE_TITLES[STAGES.index(stage)] if stage in STAGES else stage


def reason_sentence(made: DecisionMade, gates: GatesEvaluated | None) -> str:
    """The sentence from the reason table alone, where the composition root gave no other."""
    row = BY_CODE.get(made.reason)
    text = row.sentence if row is not None else "This release does not know the reason."
    head = "Trade" if made.outcome == "TRADE" else "No trade"
    return f"{head} in {made.underlying}: {text}"


def verdict_span(verdict: str) -> Span:
    """A verdict with its shape; one that is not known is shown as it stands."""
    return VERDICTS.get(verdict) or span(f"! {verdict}", "warn")


# --- the table of gates ------------------------------------------------------------------------

COLUMNS: Final[tuple[Column, ...]] = (
    column("STAGE / GATE", 22, grow=True),
    column("VERDICT", 9),
    column("OBSERVED", 11, ">"),
    column("", 2),
    column("LIMIT", 12, ">"),
    column("MARGIN", 11, ">"),
    column("AGE", 6, ">"),
    column("SOURCE", 9, ">", priority=2),
    column("REASON", 18, priority=3, grow=True),
    column("MARKS", 12, priority=4),
)

GateKey = tuple[str, str, str]
"""(part, stage, gate): part is ``official``, ``evidence`` or ``assumed``; no gate is a stage."""


def gates_table(line: DecisionLine, gates: GatesEvaluated | None, *, all_gates: bool) -> Table:
    """The eleven stages, and under each the gates that did not pass, or with ``all_gates`` every
    one of them. A gate that was judged after its stage had already failed is shown as well."""
    title = f"GATES  {line.made.underlying} {fmt.clock_ms(line.ts)} IST  decision #{line.seq}"
    if gates is None:
        return Table(title, COLUMNS, (), "the gates of this decision were not seen here")
    rows: list[Row] = []
    for part, verdicts in (("official", gates.official), ("assumed", gates.assumed)):
        for verdict in verdicts:
            rows.extend(_stage_rows(line, part, verdict, all_gates=all_gates))
    passed = sum(verdict.verdict == "PASS" for verdict in gates.official)
    title += f"  {passed} of {len(gates.official)} stages pass"
    return Table(title, COLUMNS, tuple(rows), "no stages")


def _stage_rows(
    line: DecisionLine, part: str, verdict: StageVerdict, *, all_gates: bool
) -> list[Row]:
    rows = [_stage_row(part, verdict)]
    for kind, gates in ((part, verdict.rows), ("evidence", verdict.evidence)):
        rows.extend(
            _gate_row(line, kind, verdict.stage, gate)
            for gate in gates
            if all_gates or gate.verdict != "PASS"
        )
    return rows


def _stage_row(part: str, verdict: StageVerdict) -> Row:
    role: Role = "title" if part == "official" else "dim"
    blank: Span = ("", "text")
    return Row(
        (part, verdict.stage, ""),
        (
            span(verdict.stage, role),
            verdict_span(verdict.verdict),
            span(
                "assumed" if part == "assumed" else _waits_for(verdict),
                "warn" if part == "assumed" else "dim",
            ),
            blank,
            blank,
            blank,
            blank,
            blank,
            span(verdict.reason or "", "dim"),
            blank,
        ),
    )


def _waits_for(verdict: StageVerdict) -> str:
    return "" if verdict.depends_on is None else f"needs {short_stage(verdict.depends_on)}"


def _gate_row(line: DecisionLine, part: str, stage: str, row: GateRow) -> Row:
    spec = BY_GATE.get(row.gate)
    unit = "" if spec is None else spec.unit
    dim: Role = "text" if part == "official" else "dim"
    missed: Role = "bad" if part == "official" and (row.margin or 0) < 0 else dim
    verdict = verdict_span(row.verdict)
    # "By how much" makes no sense for yes and no.
    margin = "" if unit == "flag" else fmt.measure(row.margin, unit)
    age_ns = None if row.age_ms is None else row.age_ms * fmt.NS_PER_MS
    lead = "  . " if part == "evidence" else "  "
    return Row(
        (part, stage, row.gate),
        (
            span(lead + row.gate, dim),
            verdict if part == "official" else (verdict[0], "dim"),
            span(fmt.measure(row.observed, unit), dim),
            ("" if spec is None or row.limit is None else SENSES[spec.sense], "dim"),
            span(fmt.measure(row.limit, unit), dim),
            span(margin, missed),
            span(fmt.age(age_ns), dim),
            span(f"#{source_of(line, stage, row.gate)[1]}", "dim"),
            span(row.reason or "", "dim"),
            span(" ".join(row.marks), "warn"),
        ),
    )


def deciding_key(gates: GatesEvaluated | None, stage: str | None = None) -> GateKey | None:
    """Where the eye should fall first: the gate that decided ``stage``, or the decision where none
    is named; else the stage, else the last."""
    if gates is None:
        return None
    for verdict in gates.official:
        if verdict.stage == stage or (stage is None and verdict.verdict != "PASS"):
            return "official", verdict.stage, verdict.gate or ""
    return ("official", gates.official[-1].stage, "") if gates.official else None


# --- the text about one row ----------------------------------------------------------------------


def gate_source(line: DecisionLine, key: GateKey) -> int:
    """The entry that the gate under the cursor looked at; of a stage, that of its gates."""
    return source_of(line, key[1], key[2])[1]


def detail_text(line: DecisionLine, gates: GatesEvaluated | None, key: object) -> str:
    """What the row under the cursor asks, what its reason means and what to do about it."""
    if gates is None or not isinstance(key, tuple):
        return ""
    part, stage, gate = key
    role, seq = source_of(line, stage, gate)
    verdicts = gates.assumed if part == "assumed" else gates.official
    verdict = next((v for v in verdicts if v.stage == stage), None)
    if verdict is None:
        return ""
    if not gate:
        text = f"{stage}: {stage_title(stage)}."
        return f"{text} {reason_text(verdict.reason)}".rstrip()
    rows = verdict.evidence if part == "evidence" else verdict.rows
    row = next((r for r in rows if r.gate == gate), None)
    spec = BY_GATE.get(gate)
    asks = gate if spec is None else f"{gate}: {spec.title}."
    marks = "" if row is None or not row.marks else f" Marked: {', '.join(row.marks)}."
    text = f"{asks}{marks} {reason_text(None if row is None else row.reason)}".rstrip()
    return f"{text} Observed with the {role}, entry #{seq}."


def reason_text(code: str | None) -> str:
    """A reason in words with what to do; empty for none."""
    if code is None:
        return ""
    row = BY_CODE.get(code)
    if row is None:
        return f"{code}: this release does not know this reason."
    return f"{code}: {row.sentence} {row.what_to_do}"


def trail_text(line: DecisionLine, view: LiveView) -> str:
    """How the decision came about, by seq: tick, snapshot, gates, decision, intent."""
    made = line.made
    steps = [
        f"tick #{line.cause}",
        f"snapshot #{made.snapshot_seq}",
        f"gates #{made.gates_seq}",
        f"decision #{line.seq}",
    ]
    if made.intent_id is not None:
        steps.append(f"intent {made.intent_id} {view.symbol(made.contract)}")
    family = f"  family {made.family}" if made.family else ""
    return f"{' > '.join(steps)}   regime {made.regime}  day {made.day_type}{family}"

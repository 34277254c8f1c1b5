"""Gates: every underlying against every stage, as its last decision found them.

Lives here: the matrix and the stages of one underlying in full. May import: events,
projections.live, tui's pure parts. Always holds: a verdict is a shape; numbers are the journal's in
the unit of the gate; "for" counts from the first decision in a row that said the same.
Start reading at ``matrix_table``.
"""

from __future__ import annotations

from typing import Final

from events.decision import GateRow, GatesEvaluated, StageVerdict
from events.gates import BY_GATE
from events.reasons import STAGES
from projections.live.view import StageView, UnderlyingView
from tui import fmt
from tui.store import Frame
from tui.view.text import Column, Row, Span, Table, column, span
from tui.view.why import SENSES, gates_of, short_stage, stage_title, verdict_span

WAITS: Final = "·"
SHAPES: Final[dict[str, Span]] = {
    "PASS": ("●", "ok"),
    "BLOCK": ("✗", "bad"),
    "UNKNOWN": ("?", "unknown"),
}

MATRIX: Final[tuple[Column, ...]] = (
    column("UNDERLYING", 10),
    *(column(short_stage(stage), 3) for stage in STAGES),
    column("DECIDED BY", 15, grow=True),
    column("FOR", 5, ">"),
    column("OBSERVED", 11, ">", priority=2),
    column("LIMIT", 13, ">", priority=2),
    column("MARGIN", 11, ">", priority=2),
)


def matrix_table(frame: Frame) -> Table:
    """One row an underlying: a shape for each stage, the gate that decided and its numbers."""
    rows = tuple(_matrix_row(frame, row) for row in frame.view.underlyings)
    title = f"GATES NOW  ● pass  ✗ block  ? unknown  {WAITS} waits for another"
    return Table(title, MATRIX, rows, "no underlying yet")


def _matrix_row(frame: Frame, row: UnderlyingView) -> Row:
    said = {stage.stage: stage for stage in row.stages}
    shapes = tuple(_shape(said.get(stage)) for stage in STAGES)
    return Row(("underlying", row.name), (span(row.name, "title"), *shapes, *_decided(frame, row)))


def _shape(stage: StageView | None) -> Span:
    if stage is None:
        return fmt.MISSING, "dim"
    if stage.waits_for is not None:
        return WAITS, "dim"
    return SHAPES.get(stage.verdict, ("!", "warn"))


def _decided(frame: Frame, row: UnderlyingView) -> tuple[Span, ...]:
    """(gate, for how long, observed, limit, margin) of the last decision."""
    nothing: Span = (fmt.MISSING, "dim")
    if row.episode is None:
        return ("no decision yet", "unknown"), nothing, nothing, nothing, nothing
    lasted = span(fmt.age(frame.age_ns(row.episode.since_ts)))
    made = row.episode.last.made
    if made.outcome == "TRADE":
        return ("● TRADE", "ok"), lasted, nothing, nothing, nothing
    gates = gates_of(row.episode.last)
    verdict = _stage(gates, made.stage)
    gate = None if verdict is None else gate_row(verdict)
    if gate is None:
        return span(made.reason, "bad"), lasted, nothing, nothing, nothing
    return span(gate.gate, "bad"), lasted, *numbers(gate)


def _stage(gates: GatesEvaluated | None, stage: str) -> StageVerdict | None:
    official = () if gates is None else gates.official
    return next((one for one in official if one.stage == stage), None)


def gate_row(verdict: StageVerdict) -> GateRow | None:
    """The row of the gate that decided a stage."""
    return next((row for row in verdict.rows if row.gate == verdict.gate), None)


def numbers(row: GateRow) -> tuple[Span, Span, Span]:
    """(observed, operator and limit, margin) in the gate's own unit."""
    spec = BY_GATE.get(row.gate)
    unit = "" if spec is None else spec.unit
    sense = "" if spec is None else SENSES[spec.sense] + " "
    limit = fmt.MISSING if row.limit is None else sense + fmt.measure(row.limit, unit)
    margin = "" if unit == "flag" else fmt.measure(row.margin, unit)
    missed = row.margin is not None and row.margin < 0
    return (
        span(fmt.measure(row.observed, unit)),
        span(limit),
        span(margin, "bad" if missed else "text"),
    )


STAGES_OF: Final[tuple[Column, ...]] = (
    column("STAGE", 22),
    column("VERDICT", 9),
    column("FOR", 5, ">"),
    column("GATE", 15, grow=True),
    column("OBSERVED", 10, ">"),
    column("LIMIT", 12, ">"),
    column("MARGIN", 11, ">", priority=2),
    column("ASKS", 22, priority=3, grow=True),
)


def stages_table(frame: Frame, row: UnderlyingView | None) -> Table:
    """The eleven stages of one underlying, each with the gate that decided it."""
    if row is None or row.episode is None:
        return Table("STAGES", STAGES_OF, (), "no decision has been made yet")
    line = row.episode.last
    gates = gates_of(line)
    title = f"STAGES  {row.name}  decision #{line.seq} at {fmt.clock(line.ts)} IST"
    if gates is None:
        return Table(title, STAGES_OF, (), "the gates of this decision were not seen here")
    since = {stage.stage: stage.since_ts for stage in row.stages}
    rows = tuple(_stage_row(frame, one, since.get(one.stage)) for one in gates.official)
    return Table(title, STAGES_OF, rows, "no stages")


def _stage_row(frame: Frame, verdict: StageVerdict, since: int | None) -> Row:
    gate = gate_row(verdict)
    blank: Span = ("", "text")
    figures = (blank, blank, blank) if gate is None else numbers(gate)
    waits = verdict.depends_on
    name = f"waits for {short_stage(waits)}" if waits else "" if gate is None else gate.gate
    return Row(
        ("stage", verdict.stage),
        (
            span(verdict.stage, "title"),
            (f"{WAITS} WAITS", "dim") if waits else verdict_span(verdict.verdict),
            span(fmt.age(frame.age_ns(since))),
            span(name, "dim" if waits else "text"),
            *figures,
            span(stage_title(verdict.stage), "dim"),
        ),
    )


def pointed(frame: Frame, key: object) -> UnderlyingView | None:
    """The underlying under the cursor, else the first."""
    rows = frame.view.underlyings
    return next((row for row in rows if ("underlying", row.name) == key), rows[0] if rows else None)

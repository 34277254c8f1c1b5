"""How a gate row and a stage verdict are made; nothing else decides what PASS is.

Lives here: the constructors of rows and stages. May import: events. Always holds: margin is room to
spare in the gate's own unit, negative where missed; a row without an observed value is UNKNOWN.
"""

from __future__ import annotations

from typing import Final

from events.decision import GateRow, StageVerdict

PASS: Final = "PASS"
BLOCK: Final = "BLOCK"
UNKNOWN: Final = "UNKNOWN"
NO_MARKS: Final[tuple[str, ...]] = ()


def at_most(
    gate: str,
    observed: int | None,
    limit: int,
    reason: str,
    age_ms: int | None = None,
    marks: tuple[str, ...] = NO_MARKS,
    unknown: str | None = None,
) -> GateRow:
    """A row that passes while ``observed <= limit``; UNKNOWN with ``unknown`` where it is None."""
    margin = None if observed is None else limit - observed
    return _measured(gate, observed, limit, margin, reason, age_ms, marks, unknown)


def at_least(
    gate: str,
    observed: int | None,
    limit: int,
    reason: str,
    age_ms: int | None = None,
    marks: tuple[str, ...] = NO_MARKS,
    unknown: str | None = None,
) -> GateRow:
    """A row that passes while ``observed >= limit``; UNKNOWN as in ``at_most``."""
    margin = None if observed is None else observed - limit
    return _measured(gate, observed, limit, margin, reason, age_ms, marks, unknown)


def _measured(
    gate: str,
    observed: int | None,
    limit: int,
    margin: int | None,
    reason: str,
    age_ms: int | None,
    marks: tuple[str, ...],
    unknown: str | None,
) -> GateRow:
    if margin is None:
        return GateRow(gate, UNKNOWN, unknown or reason, None, limit, None, age_ms, marks)
    if margin >= 0:
        return GateRow(gate, PASS, None, observed, limit, margin, age_ms, marks)
    return GateRow(gate, BLOCK, reason, observed, limit, margin, age_ms, marks)


def is_true(
    gate: str,
    holds: bool,
    reason: str,
    verdict: str = BLOCK,
    age_ms: int | None = None,
    marks: tuple[str, ...] = NO_MARKS,
) -> GateRow:
    """A row of a condition: observed 1 or 0 against 1; ``verdict`` where it does not hold."""
    if holds:
        return GateRow(gate, PASS, None, 1, 1, 0, age_ms, marks)
    observed = None if verdict == UNKNOWN else 0
    margin = None if observed is None else -1
    return GateRow(gate, verdict, reason, observed, 1, margin, age_ms, marks)


def stage_of(
    stage: str, rows: tuple[GateRow, ...], evidence: tuple[GateRow, ...] = ()
) -> StageVerdict:
    """The stage's verdict: that of its first row which is no pass."""
    for row in rows:
        if row.verdict != PASS:
            return StageVerdict(stage, row.verdict, row.reason, row.gate, None, rows, evidence)
    return StageVerdict(stage, PASS, None, None, None, rows, evidence)


def upstream(stage: str, missing: str) -> StageVerdict:
    """The verdict of a stage whose input another stage failed to give."""
    return StageVerdict(stage, UNKNOWN, f"UPSTREAM_{missing}", None, missing, (), ())

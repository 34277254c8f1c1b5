"""The part of a decision's gates that every decision is counted by.

Lives here: a lean form of ``GatesEvaluated`` and what is asked of it. May import: msgspec. Always
holds: only what is counted is decoded, the rest of the payload is passed over in C; numbers are the
journal's. Start reading at ``lean_of``.
"""

from __future__ import annotations

from typing import Final

import msgspec

from events.envelope import UNDECODABLE

PASS: Final = "PASS"
PPM: Final = 1_000_000


class LeanRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The head of a ``GateRow``."""

    gate: str
    verdict: str
    reason: str | None
    observed: int | None
    limit: int | None
    margin: int | None


class LeanStage(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The head of a ``StageVerdict``."""

    stage: str
    verdict: str
    reason: str | None
    gate: str | None
    depends_on: str | None
    rows: tuple[LeanRow, ...]


class LeanAssumed(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Of an assumed stage only what it says."""

    stage: str
    verdict: str


class Lean(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The head of a ``GatesEvaluated``."""

    cycle: int
    underlying: str
    snapshot_seq: int
    official: tuple[LeanStage, ...]
    assumed: tuple[LeanAssumed, ...]


_decoder: Final = msgspec.msgpack.Decoder(Lean)


def lean_of(payload: bytes | None) -> Lean | None:
    """The lean form; None where there is no payload or it is of another release."""
    if payload is None:
        return None
    try:
        return _decoder.decode(payload)
    except UNDECODABLE:
        return None


def is_sole(lean: Lean) -> bool:
    """Whether exactly one gate stood between the decision and a trade.

    One official gate did not pass, and every stage that waited for it was judged in its place and
    would have passed. A stage that nobody could judge makes that unknown, which is no.
    """
    waiting = {one.stage for one in lean.official if one.depends_on is not None}
    failed = sum(
        row.verdict != PASS
        for one in lean.official
        if one.verdict != PASS and one.depends_on is None
        for row in one.rows
    )
    passed = {one.stage for one in lean.assumed if one.verdict == PASS}
    return failed == 1 and waiting <= passed


def deciding_row(lean: Lean, stage: str) -> LeanRow | None:
    """The gate that decided a stage, None where none of its own did."""
    for one in lean.official:
        if one.stage == stage:
            return next((row for row in one.rows if row.gate == one.gate), None)
    return None


def missed_ppm(row: LeanRow | None) -> int | None:
    """By how much of its limit a gate was missed, in millionths; None where that says nothing: a
    gate that passed or measures nothing, a limit of 0."""
    if row is None or row.margin is None or row.margin >= 0 or not row.limit:
        return None
    return -row.margin * PPM // abs(row.limit)

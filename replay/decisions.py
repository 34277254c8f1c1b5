"""The decisions of two runs, side by side.

Lives here: what is compared of a decision, and how a difference is named by its first cause. May
import: events. Always holds: decisions are paired by session time and underlying; each difference
is at a gate that judged otherwise, or downstream of an earlier one that is named.
Start reading at ``diff_decisions``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from events.decision import DecisionMade, GatesEvaluated, StageVerdict

CHANGED_GATE: Final = "CHANGED_GATE"
DOWNSTREAM: Final = "DOWNSTREAM"

Key = tuple[int, str]
"""(session time ns, underlying)."""


class Decided(msgspec.Struct, frozen=True):
    """One decision with the gates behind it where they were kept, and the lots of its intent."""

    ts: int
    underlying: str
    outcome: str
    stage: str
    reason: str
    contract: int | None
    lots: int
    official: tuple[StageVerdict, ...]

    @classmethod
    def of(
        cls, ts: int, made: DecisionMade, gates: GatesEvaluated | None, lots: int = 0
    ) -> Decided:
        """The decision of a cycle."""
        return cls(
            ts, made.underlying, made.outcome, made.stage, made.reason, made.contract, lots,
            gates.official if gates is not None else (),
        )  # fmt: skip

    @property
    def key(self) -> Key:
        return self.ts, self.underlying


class FirstCause(msgspec.Struct, frozen=True):
    """Why a decision differs: ``CHANGED_GATE`` with the gate that judged otherwise under another
    limit, or ``DOWNSTREAM`` of the earlier difference at ``ts`` in ``underlying``."""

    kind: str
    stage: str | None
    gate: str | None
    ts: int
    underlying: str


class Difference(msgspec.Struct, frozen=True):
    """One decision that differs."""

    ts: int
    underlying: str
    before: str
    after: str
    before_stage: str
    after_stage: str
    before_reason: str
    after_reason: str
    before_lots: int
    after_lots: int
    first_cause: FirstCause | None


class DecisionDiff(msgspec.Struct, frozen=True):
    """Differences by kind: trades gained and lost, reasons changed, sizes changed."""

    gained: tuple[Difference, ...]
    lost: tuple[Difference, ...]
    reason_changed: tuple[Difference, ...]
    size_changed: tuple[Difference, ...]

    @property
    def count(self) -> int:
        return len(self.gained) + len(self.lost) + len(self.reason_changed) + len(self.size_changed)


ABSENT: Final = "ABSENT"


def diff_decisions(before: Iterable[Decided], after: Iterable[Decided]) -> DecisionDiff:
    """Pair two runs' decisions and name every difference, in order of time."""
    old = {one.key: one for one in before}
    new = {one.key: one for one in after}
    kinds: dict[str, list[Difference]] = {"gained": [], "lost": [], "reason": [], "size": []}
    first: Difference | None = None
    for key in sorted(old.keys() | new.keys()):
        ours, theirs = old.get(key), new.get(key)
        kind = _kind(ours, theirs)
        if kind is not None:
            one = _difference(key, ours, theirs, first)
            kinds[kind].append(one)
            first = first or one
    return DecisionDiff(
        tuple(kinds["gained"]), tuple(kinds["lost"]), tuple(kinds["reason"]), tuple(kinds["size"])
    )


def _kind(old: Decided | None, new: Decided | None) -> str | None:
    was, now = _traded(old), _traded(new)
    if was != now:
        return "gained" if now else "lost"
    if old is None or new is None:
        return "reason"
    if (old.stage, old.reason) != (new.stage, new.reason):
        return "reason"
    if was and (old.lots, old.contract) != (new.lots, new.contract):
        return "size"
    return None


def _traded(one: Decided | None) -> bool:
    return one is not None and one.outcome == "TRADE"


def _difference(
    key: Key, old: Decided | None, new: Decided | None, first: Difference | None
) -> Difference:
    return Difference(
        key[0],
        key[1],
        old.outcome if old is not None else ABSENT,
        new.outcome if new is not None else ABSENT,
        old.stage if old is not None else "",
        new.stage if new is not None else "",
        old.reason if old is not None else "",
        new.reason if new is not None else "",
        old.lots if old is not None else 0,
        new.lots if new is not None else 0,
        _cause(key, old, new, first),
    )


def _cause(
    key: Key, old: Decided | None, new: Decided | None, first: Difference | None
) -> FirstCause | None:
    if old is not None and new is not None:
        changed = changed_gate(old.official, new.official)
        if changed is not None:
            return FirstCause(CHANGED_GATE, changed[0], changed[1], key[0], key[1])
    if first is not None:
        return FirstCause(DOWNSTREAM, None, None, first.ts, first.underlying)
    return None


def changed_gate(
    old: Sequence[StageVerdict], new: Sequence[StageVerdict]
) -> tuple[str, str] | None:
    """(stage, gate) of the first gate that judged otherwise under another limit.

    A gate with the same limit that judges otherwise saw another state: that is downstream.
    """
    for ours, theirs in zip(old, new, strict=False):
        rows = {row.gate: row for row in theirs.rows}
        for row in ours.rows:
            other = rows.get(row.gate)
            if other is not None and row.limit != other.limit and row.verdict != other.verdict:
                return ours.stage, row.gate
    return None

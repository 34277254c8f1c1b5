"""The decisions of two runs over the same facts, side by side.

Lives here: what is compared of a decision, and how a difference is named by its first cause. May
import: events. Always holds: the runs are compared group by group, so only differences are kept; a
difference is at the first gate that judged otherwise, or downstream of the first moment at which
the two accounts did otherwise, and that moment is named.
Start reading at ``DecisionDiffer.take``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec
from msgspec.structs import astuple, replace

from events.base import Event
from events.decision import (
    ContractsScreened,
    DecisionMade,
    GateRow,
    GatesEvaluated,
    StageVerdict,
)
from events.gates import CONTRACT_FILTERS, GATES
from events.orders import IntentApproved, PositionChanged
from events.reasons import N6, N8, N9, N10, N11

CHANGED_GATE: Final = "CHANGED_GATE"
DOWNSTREAM: Final = "DOWNSTREAM"
ABSENT: Final = "ABSENT"
CONTRACT: Final = "contract"

CHOOSING: Final = (N8, N9, N10)
"""The stages whose numbers say which contract is taken."""

OF_ACCOUNT: Final[dict[str, tuple[str, ...]]] = {
    **{spec.gate: (spec.gate,) for spec in GATES if spec.stage == N6},
    "cooldown": ("cooldown",),
    "lots_by_open_risk": ("open_risk",),
    "lots_by_funds": ("daily_loss", "open_risk"),
    "lots_by_day_loss": ("daily_loss",),
    "lots_by_exposure": ("exposure",),
    "lots_by_expiry": ("lots_by_expiry",),
    "lots_by_delta": ("net_delta",),
    "lots_by_gamma": ("net_gamma",),
    "lots_by_vega": ("net_vega",),
    "lots_by_theta": ("net_theta",),
    "lots_by_stress": ("stress",),
    "duplicates": ("duplicates",),
    "self_trades": ("self_trades",),
    "open_orders": ("open_orders",),
}
"""The gates that ask what the account did before, each with those whose limits all move where its
own does: a number of lots is asked to be one at least, and its limit is the budget behind it. How
many lots the risk of one trade leaves is no matter of the account: its capital is the day's."""

WHEN_HELD: Final = ("exposure", "net_delta", "net_gamma", "net_vega", "net_theta", "stress")
"""Gates of what is held, which have rows only while something is."""

PASS: Final = "PASS"

Key = Callable[[GateRow], object]
Pair = tuple[GateRow | None, GateRow | None]


SymbolOf = Callable[[int], str]
"""The trading symbol of an instrument index."""


class Decided(msgspec.Struct, frozen=True):
    """One decision with the gates behind it and the lots of its intent (0 without one)."""

    outcome: str
    stage: str
    reason: str
    contract: int | None
    lots: int
    official: tuple[StageVerdict, ...]


_NOTHING: Final = Decided(ABSENT, "", "", None, 0, ())


class FirstCause(msgspec.Struct, frozen=True):
    """Why a decision differs.

    ``CHANGED_GATE``: ``gate`` of ``stage`` judged otherwise here (None where no single gate of the
    stage did: a cap on lots), ``contract_filter`` the filter behind it. ``DOWNSTREAM``: it follows
    from ``ts`` (ns) and ``underlying``, where the accounts first did otherwise; ``event`` is the
    kind of derivation in which they did.
    """

    kind: str
    stage: str | None
    gate: str | None
    contract_filter: str | None
    event: str | None
    ts: int
    underlying: str


class Difference(msgspec.Struct, frozen=True):
    """One decision that differs. Without a first cause the other run made no such decision.

    ``gate`` of ``stage`` is the first that judged otherwise in this decision, with the filter
    behind it, whatever it follows from: the responsible one. None where no single gate is.
    ``before_contract`` and ``after_contract`` are trading symbols, None where none was picked.
    """

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
    before_contract: str | None
    after_contract: str | None
    stage: str | None
    gate: str | None
    contract_filter: str | None
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


class _Group:
    """What one run's group says of one underlying."""

    def __init__(self) -> None:
        self.decided: Decided | None = None
        self.deeds: list[tuple[object, ...]] = []


class _Run:
    """One run, group by group, with the last screening of each underlying: it is journaled only
    when it changes."""

    def __init__(self) -> None:
        self.screened: dict[str, ContractsScreened] = {}

    def read(self, events: Iterable[Event]) -> dict[str, _Group]:
        """The groups by underlying, in the order of the cycle."""
        groups: dict[str, _Group] = {}
        gates: dict[str, tuple[StageVerdict, ...]] = {}
        for event in events:
            if isinstance(event, GatesEvaluated):
                gates[event.underlying] = event.official
            elif isinstance(event, ContractsScreened):
                self.screened[event.underlying] = event
            elif isinstance(event, DecisionMade):
                official = gates.get(event.underlying, ())
                groups.setdefault(event.underlying, _Group()).decided = Decided(
                    event.outcome, event.stage, event.reason, event.contract, 0, official
                )
            elif isinstance(event, IntentApproved | PositionChanged):
                _act(groups.setdefault(event.underlying, _Group()), event)
        return groups


def _act(group: _Group, event: IntentApproved | PositionChanged) -> None:
    """What an account did, without the names it did it under: those hold seqs, and differ."""
    if isinstance(event, PositionChanged):
        group.deeds.append(("PositionChanged", *astuple(replace(event, position_id=""))))
        return
    group.deeds.append(("IntentApproved", *astuple(replace(event, intent_id="", gates_seq=0))))
    if group.decided is not None:
        group.decided = replace(group.decided, lots=group.decided.lots + event.lots)


class DecisionDiffer:
    """Compares two runs as they go; both say contracts by the indices that ``symbol_of`` knows."""

    def __init__(self, symbol_of: SymbolOf) -> None:
        self._symbol_of = symbol_of
        self._before, self._after = _Run(), _Run()
        self._kinds: dict[str, list[Difference]] = {
            "gained": [], "lost": [], "reason_changed": [], "size_changed": []
        }  # fmt: skip
        self._root: FirstCause | None = None

    def take(self, ts: int, before: Iterable[Event], after: Iterable[Event]) -> None:
        """The derivations that the fact at ``ts`` led to in both runs, in order."""
        old, new = self._before.read(before), self._after.read(after)
        for name in {**old, **new}:
            ours, theirs = old.get(name, _Group()), new.get(name, _Group())
            kind = _kind(ours.decided, theirs.decided)
            if kind is not None:
                self._kinds[kind].append(self._named(ts, name, ours.decided, theirs.decided))
            if self._root is None and ours.deeds != theirs.deeds:
                event = _first_deed(ours.deeds, theirs.deeds)
                self._root = FirstCause(DOWNSTREAM, None, None, None, event, ts, name)

    def result(self) -> DecisionDiff:
        """Every difference so far, in order of time."""
        return DecisionDiff(**{kind: tuple(found) for kind, found in self._kinds.items()})

    def _named(self, ts: int, name: str, old: Decided | None, new: Decided | None) -> Difference:
        """A difference with its gate, and with the moment it follows from where there is one."""
        was, now = old or _NOTHING, new or _NOTHING
        values = (
            ts, name, was.outcome, now.outcome, was.stage, now.stage, was.reason, now.reason,
            was.lots, now.lots, self._symbol(was), self._symbol(now),
        )  # fmt: skip
        if old is None or new is None:
            return Difference(*values, None, None, None, self._root)
        changed = _changed(old, new)
        refused = self._changed_filter(name) if changed.gate == CONTRACT else None
        place = (changed.stage, changed.gate, refused)
        follows = self._root is not None and changed.follows
        cause = self._root if follows else FirstCause(CHANGED_GATE, *place, None, ts, name)
        return Difference(*values, *place, cause)

    def _symbol(self, one: Decided) -> str | None:
        return None if one.contract is None else self._symbol_of(one.contract)

    def _changed_filter(self, name: str) -> str | None:
        """The first filter that let one run have a contract which it refused the other."""
        ours, theirs = self._before.screened.get(name), self._after.screened.get(name)
        if ours is None or theirs is None:
            return None
        masks = dict(zip(theirs.contracts, theirs.masks, strict=True))
        turned: set[str] = set()
        for contract, mask in zip(ours.contracts, ours.masks, strict=True):
            other = masks.get(contract)
            if other is not None and (mask == 0) != (other == 0):
                # An older release's bits are of its own list of filters.
                turned |= {*_failed(ours.filters, mask), *_failed(theirs.filters, other)}
        return min(turned, key=CONTRACT_FILTERS.index) if turned else None


def _failed(filters: tuple[str, ...], mask: int) -> tuple[str, ...]:
    return tuple(name for place, name in enumerate(filters) if mask >> place & 1)


class _Change(msgspec.Struct, frozen=True):
    """The gate that differs first; ``follows`` where its input is what the account did before and
    its limit is the same, so that the difference may have come from there."""

    stage: str
    gate: str | None
    follows: bool


def _changed(old: Decided, new: Decided) -> _Change:
    """The first gate, in declared order, that judged otherwise; for the same judgements, the one
    behind another contract or another size."""
    judged = next(_rows(old.official, new.official, _judgement), None)
    if judged is not None:
        return judged
    seen = _rows(old.official, new.official, _observed)
    if old.contract != new.contract:
        chosen = (one for one in seen if one.stage in CHOOSING)
        return next(chosen, _Change(N10, CONTRACT, False))
    # The smaller size was set by the gate that had room for just so much, or by the cap on lots.
    small = min(old, new, key=lambda one: one.lots)
    tight = [row.gate for one in small.official for row in one.rows if row.observed == small.lots]
    sized = (one for one in seen if one.stage == N11 and one.gate in tight)
    return next(sized, _Change(N11, None, False))


def _rows(
    old: tuple[StageVerdict, ...], new: tuple[StageVerdict, ...], key: Key
) -> Iterator[_Change]:
    """Gates in which two evaluations differ by ``key``; where a family was let in or turned away,
    that family is named for its stage, also when another took its place and the count is the same.
    """
    limits = _moved_limits(old, new)
    for ours, theirs in zip(old, new, strict=False):
        families = _pairs(ours.evidence, theirs.evidence)
        turned = next((one for one in families if _differ(*one, _verdict)), None)
        for row, other in _pairs(ours.rows, theirs.rows):
            if turned is not None or _differ(row, other, key):
                named, unnamed = turned or (row, other)
                gate = named or unnamed
                assert gate is not None
                follows = _follows(gate.gate, limits) and (
                    (row is not None and other is not None) or _only_when_held(gate)
                )
                yield _Change(ours.stage, gate.gate, follows)


def _pairs(ours: tuple[GateRow, ...], theirs: tuple[GateRow, ...]) -> Iterator[Pair]:
    """Rows of the same gate in both; None for a gate that only one side has."""
    left, right = ({row.gate: row for row in rows} for rows in (ours, theirs))
    return ((left.get(gate), right.get(gate)) for gate in {**left, **right})


def _differ(row: GateRow | None, other: GateRow | None, key: Key) -> bool:
    if row is None or other is None:
        known = row or other
        # A gate that the other engine has not, or that has a row only while something is held,
        # judged nothing where it passed: what a decision differs by is a gate that did.
        passed = known is not None and known.verdict == PASS
        return not (passed and key is _judgement)
    return key(row) != key(other)


def _only_when_held(row: GateRow) -> bool:
    return row.gate in WHEN_HELD


def _moved_limits(old: tuple[StageVerdict, ...], new: tuple[StageVerdict, ...]) -> set[str]:
    """The gates that both evaluations have under different limits."""
    ours, theirs = (
        {row.gate: row.limit for one in side for row in one.rows} for side in (old, new)
    )
    return {gate for gate in ours if gate in theirs and ours[gate] != theirs[gate]}


def _follows(gate: str, moved: set[str]) -> bool:
    """Whether a gate's other number may come from what the account did: its limit has not moved."""
    shown_by = OF_ACCOUNT.get(gate)
    return shown_by is not None and not moved.issuperset(shown_by)


def _judgement(row: GateRow) -> object:
    return row.verdict, row.reason


def _verdict(row: GateRow) -> object:
    return row.verdict


def _observed(row: GateRow) -> object:
    return row.observed


def _kind(old: Decided | None, new: Decided | None) -> str | None:
    was, now = _traded(old), _traded(new)
    if was != now:
        return "gained" if now else "lost"
    if old is None or new is None:
        return None if old is new else "reason_changed"
    if (old.stage, old.reason) != (new.stage, new.reason):
        return "reason_changed"
    if was and (old.lots, old.contract) != (new.lots, new.contract):
        return "size_changed"
    return None


def _traded(one: Decided | None) -> bool:
    return one is not None and one.outcome == "TRADE"


def _first_deed(ours: list[tuple[object, ...]], theirs: list[tuple[object, ...]]) -> str:
    """The kind of the first derivation that only one run has, or has otherwise."""
    same = 0
    while same < min(len(ours), len(theirs)) and ours[same] == theirs[same]:
        same += 1
    return str((ours[same:] or theirs[same:])[0][0])

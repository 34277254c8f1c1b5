"""Why no trade, or why this one: answers assembled from what was recorded, in one set of words.

Lives here: the sentence of a decision, its stages and gates as an answer, its trail, the funnel and
the blockers of a window. May import: events, msgspec. Always holds: nothing is judged again,
numbers and codes are those of the journal; official verdicts count, assumed ones never enter the
funnel; the sentence is the same everywhere because this is the only function that makes it.
Start reading at ``sentence`` and ``answer``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from events import gates as gate_catalogue
from events import reasons
from events.decision import DecisionMade, GateRow, GatesEvaluated, StageVerdict

UPSTREAM: Final = "UPSTREAM_"
_IST_MICROSECONDS: Final = 19_800_000_000
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - IST is written without an offset
_STAGE_PLACE: Final = {stage: place for place, stage in enumerate(reasons.STAGES)}


def ist_iso(ts: int, timespec: str = "milliseconds") -> str:
    """A session-clock time (ns UTC) as ISO text in IST, cut to ``timespec``, without an offset."""
    moment = _EPOCH + timedelta(microseconds=ts // 1000 + _IST_MICROSECONDS)
    return moment.isoformat(timespec=timespec)


# --- the sentence ----------------------------------------------------------------------------


def sentence(decision: DecisionMade, gates: GatesEvaluated | None) -> str:
    """The decision in words: what it was, the reason's text, and the deciding gate's numbers.

    ``gates`` is the GatesEvaluated of the same cycle; without it the numbers are left out.
    """
    head = "Trade" if decision.outcome == "TRADE" else "No trade"
    parts = [f"{head} in {decision.underlying}: {reason_text(decision.reason)}"]
    row = None if gates is None else deciding_row(gates, decision.stage)
    if row is not None and row.verdict != "PASS":
        parts.append(row_text(row))
    return " ".join(part for part in parts if part)


def reason_text(code: str) -> str:
    """The sentence of a reason code; a code of another release is named as such."""
    spec = reasons.BY_CODE.get(code)
    return spec.sentence if spec else f"{code} (a reason this release does not know)."


def deciding_row(gates: GatesEvaluated, stage: str) -> GateRow | None:
    """The gate row that decided an official stage, None where no gate of its own did."""
    for verdict in gates.official:
        if verdict.stage == stage:
            return _row_of(verdict)
    return None


def _row_of(verdict: StageVerdict) -> GateRow | None:
    for row in verdict.rows:
        if row.gate == verdict.gate:
            return row
    return None


_COMPARED: Final = {"AT_MOST": "at most", "AT_LEAST": "at least"}


def row_text(row: GateRow) -> str:
    """A gate row's numbers in words: title, observed, limit; empty where it has no numbers."""
    spec = gate_catalogue.BY_GATE.get(row.gate)
    title, unit = (spec.title, spec.unit) if spec else (row.gate, "")
    compared = _COMPARED.get(spec.sense) if spec else "limit"
    if compared is None or row.observed is None:
        return _marked("", row)
    text = f"{title[:1].upper()}{title[1:]}: {amount(row.observed, unit)}"
    if row.limit is not None:
        text += f", asked is {compared} {amount(row.limit, unit)}"
    return _marked(f"{text}.", row)


def _marked(text: str, row: GateRow) -> str:
    if not row.marks:
        return text
    return f"{text} [{', '.join(row.marks)}]".strip()


def amount(value: int, unit: str) -> str:
    """A gate's number with its unit; paise as rupees, per mille as a fraction."""
    if unit == "paise":
        sign = "-" if value < 0 else ""
        rupees, paise = divmod(abs(value), 100)
        return f"{sign}₹{indian(rupees)}.{paise:02d}"
    if unit in ("milli", "milli-nat"):
        sign = "-" if value < 0 else ""
        whole, rest = divmod(abs(value), 1000)
        return f"{sign}{whole}.{rest:03d}" + (" nat" if unit == "milli-nat" else "")
    if unit in ("count", "flag", ""):
        return str(value)
    return f"{value} {unit}"


def indian(rupees: int) -> str:
    """A natural number grouped the Indian way: 12,34,567."""
    text = str(rupees)
    head, tail = text[:-3], text[-3:]
    groups: list[str] = []
    while head:
        groups.insert(0, head[-2:])
        head = head[:-2]
    return ",".join([*groups, tail])


# --- one decision ----------------------------------------------------------------------------


class GateAnswer(msgspec.Struct, frozen=True):
    """One gate row. Numbers in ``unit``; ``title`` is the catalogue's short name."""

    gate: str
    title: str
    unit: str
    verdict: str
    reason: str | None
    observed: int | None
    limit: int | None
    margin: int | None
    age_ms: int | None
    marks: tuple[str, ...]


class StageAnswer(msgspec.Struct, frozen=True):
    """One stage with the numbers of the gate that decided it, or of its tightest gate on a pass.

    ``ages`` maps gate to the age of its oldest input, ms. ``assumed`` verdicts were given on the
    best-ranked family or contract and count in no funnel.
    """

    stage: str
    verdict: str
    reason: str | None
    gate: str | None
    unit: str | None
    observed: int | None
    limit: int | None
    margin: int | None
    ages: dict[str, int]
    assumed: bool
    depends_on: str | None
    text: str | None
    rows: tuple[GateAnswer, ...]
    evidence: tuple[GateAnswer, ...]


class TrailStep(msgspec.Struct, frozen=True):
    """One entry of the cause chain; ``what`` says in a few words what it recorded."""

    seq: int
    kind: str
    ts: int
    ts_ist: str
    cause: int
    what: str


class DecisionAnswer(msgspec.Struct, frozen=True):
    """The decision itself. ``contract`` is a trading symbol where the instruments are known."""

    session: str | None
    seq: int
    ts: int
    ts_ist: str
    cause: int
    cycle: int
    underlying: str
    outcome: str
    stage: str
    reason: str
    family: str | None
    strategy_id: str | None
    regime: str
    day_type: str
    contract: str | int | None
    intent_id: str | None
    gates_seq: int
    snapshot_seq: int


class WhyAnswer(msgspec.Struct, frozen=True):
    """The whole answer about one decision; ``gates`` has the eleven official stages first."""

    decision: DecisionAnswer
    reason: str
    stage: str
    sentence: str
    what_to_do: str
    gates: tuple[StageAnswer, ...]
    trail: tuple[TrailStep, ...]


class Recorded(msgspec.Struct, frozen=True):
    """A decision as recorded: its place, its event, the gates behind it, its contract's name."""

    session: str | None
    seq: int
    ts: int
    cause: int
    decision: DecisionMade
    gates: GatesEvaluated
    symbol: str | None


def answer(recorded: Recorded, trail: Iterable[TrailStep] = ()) -> WhyAnswer:
    """The answer about one decision. Raises ``ValueError`` when the gates are not its own."""
    decision = recorded.decision
    if (recorded.gates.cycle, recorded.gates.underlying) != (decision.cycle, decision.underlying):
        raise ValueError(f"gates of another cycle given for the decision at seq {recorded.seq}")
    spec = reasons.BY_CODE.get(decision.reason)
    return WhyAnswer(
        decision=_decision_answer(recorded),
        reason=decision.reason,
        stage=decision.stage,
        sentence=sentence(decision, recorded.gates),
        what_to_do=spec.what_to_do if spec else "",
        gates=stage_answers(recorded.gates),
        trail=tuple(sorted(trail, key=lambda step: step.seq)),
    )


def _decision_answer(recorded: Recorded) -> DecisionAnswer:
    fields = msgspec.structs.asdict(recorded.decision)
    if recorded.symbol is not None:
        fields["contract"] = recorded.symbol
    return DecisionAnswer(
        session=recorded.session,
        seq=recorded.seq,
        ts=recorded.ts,
        ts_ist=ist_iso(recorded.ts),
        cause=recorded.cause,
        **fields,
    )


def stage_answers(gates: GatesEvaluated) -> tuple[StageAnswer, ...]:
    """All stage verdicts of a cycle as answers: the eleven official ones in order, then assumed."""
    official = tuple(_stage_answer(verdict, assumed=False) for verdict in gates.official)
    return official + tuple(_stage_answer(verdict, assumed=True) for verdict in gates.assumed)


def _stage_answer(verdict: StageVerdict, *, assumed: bool) -> StageAnswer:
    shown = _row_of(verdict) or _tightest(verdict.rows)
    spec = gate_catalogue.BY_GATE.get(shown.gate) if shown else None
    return StageAnswer(
        stage=verdict.stage,
        verdict=verdict.verdict,
        reason=verdict.reason,
        gate=shown.gate if shown else None,
        unit=spec.unit if spec else None,
        observed=shown.observed if shown else None,
        limit=shown.limit if shown else None,
        margin=shown.margin if shown else None,
        ages={row.gate: row.age_ms for row in verdict.rows if row.age_ms is not None},
        assumed=assumed,
        depends_on=verdict.depends_on,
        text=reason_text(verdict.reason) if verdict.reason else None,
        rows=tuple(gate_answer(row) for row in verdict.rows),
        evidence=tuple(gate_answer(row) for row in verdict.evidence),
    )


def _tightest(rows: tuple[GateRow, ...]) -> GateRow | None:
    """The row with the least room relative to its limit, None when no row has a margin.

    A yes or no has no room: it is shown only where the stage asks nothing else.
    """
    measured = [row for row in rows if row.margin is not None]
    graded = [row for row in measured if not _is_flag(row.gate)]
    if not measured:
        return None
    return min(graded or measured, key=lambda row: (row.margin or 0) / (abs(row.limit or 0) or 1))


def _is_flag(gate: str) -> bool:
    spec = gate_catalogue.BY_GATE.get(gate)
    return spec is not None and spec.sense == "IS_TRUE"


def gate_answer(row: GateRow) -> GateAnswer:
    """A gate row with title and unit from the catalogue (its own name where it is not there)."""
    spec = gate_catalogue.BY_GATE.get(row.gate)
    return GateAnswer(
        gate=row.gate,
        title=spec.title if spec else row.gate,
        unit=spec.unit if spec else "",
        verdict=row.verdict,
        reason=row.reason,
        observed=row.observed,
        limit=row.limit,
        margin=row.margin,
        age_ms=row.age_ms,
        marks=row.marks,
    )


# --- the trail -------------------------------------------------------------------------------

Fields = Mapping[str, Any]


def trail_step(seq: int, kind: str, ts: int, cause: int, fields: Fields) -> TrailStep:
    """A step of the chain. ``fields`` are the event's, or the projection's columns of it."""
    describe = _WHAT.get(kind)
    return TrailStep(seq, kind, ts, ist_iso(ts), cause, describe(fields) if describe else "")


def _tick(fields: Fields) -> str:
    missed = fields["missed"]
    return f"due {ist_iso(fields['due_ts'])[11:]}" + (f", {missed} missed" if missed else "")


def _snapshot(fields: Fields) -> str:
    spot = fields["spot_paise"]
    price = "unknown" if spot is None else amount(spot, "paise")
    age = fields["spot_age_ms"]
    return f"spot {price} ({fields['spot_source']})" + ("" if age is None else f", {age} ms old")


def _regime(fields: Fields) -> str:
    return f"{fields['regime']}, led by {fields['leader']} for {fields['leader_bars']} bars"


def _screened(fields: Fields) -> str:
    return f"{fields['family']} {fields['direction']}"


def _gates(fields: Fields) -> str:
    return f"snapshot {fields['snapshot_seq']}"


def _decision(fields: Fields) -> str:
    return f"{fields['outcome']} at {fields['stage']}: {fields['reason']}"


def _candidate(fields: Fields) -> str:
    plan = (fields["entry_paise"], fields["stop_paise"], fields["target_paise"])
    entry, stop, target = (amount(price, "paise") for price in plan)
    return f"{fields['strategy_id']} {fields['side']} at {entry}, stop {stop}, target {target}"


def _intent(fields: Fields) -> str:
    limit, risk = amount(fields["limit_paise"], "paise"), amount(fields["risk_paise"], "paise")
    return f"{fields['side']} {fields['quantity_units']} units at {limit}, risking {risk}"


def _spread(fields: Fields) -> str:
    limit, debit = amount(fields["limit_paise"], "paise"), amount(fields["debit_paise"], "paise")
    width = amount(fields["width_paise"], "paise")
    units = fields["quantity_units"]
    return f"SELL {units} units at {limit} or more, {debit} at most for a width of {width}"


def _order(fields: Fields) -> str:
    filled = f"{fields['filled_units']} of {fields['quantity_units']} units"
    return f"{fields['order_id']} {fields['side']} {fields['status']}, {filled} filled"


def _fill(fields: Fields) -> str:
    price = amount(fields["price_paise"], "paise")
    charges = amount(fields["charges_paise"], "paise")
    return f"{fields['side']} {fields['quantity_units']} units at {price}, charges {charges}"


def _position(fields: Fields) -> str:
    realised = amount(fields["realised_paise"], "paise")
    return f"{fields['status']}, {fields['quantity_units']} units, realised {realised} gross"


def _exit(fields: Fields) -> str:
    return f"{fields['reason']}: {fields['quantity_units']} units"


_WHAT: Final[Mapping[str, Callable[[Fields], str]]] = {
    "TimerTick": _tick,
    "SnapshotTaken": _snapshot,
    "RegimeAssessed": _regime,
    "DayTypeAssessed": lambda fields: str(fields["day_type"]),
    "ContractsScreened": _screened,
    "GatesEvaluated": _gates,
    "DecisionMade": _decision,
    "CandidateProposed": _candidate,
    "IntentApproved": _intent,
    "SpreadApproved": _spread,
    "OrderChanged": _order,
    "FillApplied": _fill,
    "PositionChanged": _position,
    "ExitSignalled": _exit,
}


# --- a window --------------------------------------------------------------------------------


class FunnelRow(msgspec.Struct, frozen=True):
    """Decisions that ended here with this reason; ``share_milli`` per mille of the window."""

    stage: str
    reason: str
    count: int
    share_milli: int
    text: str


class Blocker(msgspec.Struct, frozen=True):
    """A gate that failed in the window, counted over official verdicts.

    ``failed`` decisions had it in the way, ``terminal`` ended at it, ``sole`` had nothing else in
    the way (every other stage passed, officially or assumed). ``nearest_margin`` is the narrowest
    miss.
    """

    stage: str
    gate: str | None
    reason: str
    failed: int
    terminal: int
    sole: int
    nearest_margin: int | None
    unit: str | None
    text: str


class WindowAnswer(msgspec.Struct, frozen=True):
    """The funnel and the blockers of a window of one session, ns UTC bounds inclusive."""

    session: str | None
    underlying: str | None
    from_ts: int | None
    to_ts: int | None
    decisions: int
    trades: int
    funnel: tuple[FunnelRow, ...]
    blockers: tuple[Blocker, ...]


def funnel(counts: Iterable[tuple[str, str, int]]) -> tuple[FunnelRow, ...]:
    """(stage, reason, decisions) as the funnel: stages in order, most frequent reason first."""
    rows = sorted(counts, key=lambda row: (_STAGE_PLACE.get(row[0], 99), -row[2], row[1]))
    total = 0
    for _, _, count in rows:
        total += count
    return tuple(
        FunnelRow(stage, reason, count, 1000 * count // total, reason_text(reason))
        for stage, reason, count in rows
    )


BlockerCount = tuple[str, str | None, str, int, int, int, int | None]
"""stage, gate, reason, failed, terminal, sole, nearest margin."""


def blockers(counts: Iterable[BlockerCount]) -> tuple[Blocker, ...]:
    """Counted blockers, the one with most terminal decisions first."""
    rows = sorted(
        counts,
        key=lambda row: (-row[4], -row[3], _STAGE_PLACE.get(row[0], 99), row[1] or "", row[2]),
    )
    return tuple(Blocker(*row, _unit(row[1]), reason_text(row[2])) for row in rows)


def _unit(gate: str | None) -> str | None:
    spec = gate_catalogue.BY_GATE.get(gate) if gate else None
    return spec.unit if spec else None


def count_blockers(
    pairs: Iterable[tuple[DecisionMade, GatesEvaluated]],
) -> tuple[BlockerCount, ...]:
    """Blockers counted from recorded events; the SQL of ``v1.blockers`` counts the same."""
    tally: dict[tuple[str, str | None, str], list[int | None]] = {}
    for decision, gates in pairs:
        failing = tuple(_failing(gates))
        only = sole_blocker(gates)
        for verdict, key, margin in failing:
            counts = tally.setdefault(key, [0, 0, 0, None])
            terminal = verdict.stage == decision.stage and verdict.gate == key[1]
            counts[0] = (counts[0] or 0) + 1
            counts[1] = (counts[1] or 0) + int(terminal)
            counts[2] = (counts[2] or 0) + int(key == only)
            if margin is not None:
                counts[3] = margin if counts[3] is None else max(counts[3], margin)
    return tuple(
        (*key, failed or 0, terminal or 0, sole or 0, margin)
        for key, (failed, terminal, sole, margin) in tally.items()
    )


def _failing(
    gates: GatesEvaluated,
) -> Iterable[tuple[StageVerdict, tuple[str, str | None, str], int | None]]:
    """Non-pass rows of official stages; a stage that failed without a row of its own gives one."""
    for verdict in gates.official:
        if verdict.verdict == "PASS" or (verdict.reason or "").startswith(UPSTREAM):
            continue
        missed = missed_rows(verdict)
        if not missed:
            yield verdict, (verdict.stage, None, verdict.reason or ""), None
        for row in missed:
            yield verdict, (verdict.stage, row.gate, row.reason or ""), row.margin


def missed_rows(verdict: StageVerdict) -> tuple[GateRow, ...]:
    """The rows of a stage that are no pass."""
    return tuple(row for row in verdict.rows if row.verdict != "PASS")


def sole_blocker(gates: GatesEvaluated) -> tuple[str, str | None, str] | None:
    """(stage, gate, reason) of the one gate in the way, None when there are none or several.

    A stage that could not be asked is judged by its assumed verdict; without one nothing is sole.
    """
    assumed = {verdict.stage: verdict for verdict in gates.assumed}
    failed: list[StageVerdict] = []
    for official in gates.official:
        upstream = (official.reason or "").startswith(UPSTREAM)
        verdict = assumed.get(official.stage, official) if upstream else official
        if verdict.verdict != "PASS":
            failed.append(official)
    if len(failed) != 1 or (failed[0].reason or "").startswith(UPSTREAM):
        return None
    verdict = failed[0]
    missed = missed_rows(verdict)
    if not missed:
        return (verdict.stage, None, verdict.reason or "")
    return (verdict.stage, missed[0].gate, missed[0].reason or "") if len(missed) == 1 else None


def window(
    session: str | None,
    underlying: str | None,
    bounds: tuple[int | None, int | None],
    counts: Iterable[tuple[str, str, int]],
    blocked: Iterable[BlockerCount],
) -> WindowAnswer:
    """The answer over a window; ``bounds`` are ns UTC, None for the session's own."""
    rows = funnel(counts)
    total, trades = 0, 0
    for row in rows:
        total += row.count
        trades += row.count if row.reason == "TRADE_APPROVED" else 0
    return WindowAnswer(
        session, underlying, bounds[0], bounds[1], total, trades, rows, blockers(blocked)
    )

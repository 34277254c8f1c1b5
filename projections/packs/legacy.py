"""The old bot's files from a session of ours, for tools that still read them.

Lives here: ``write_legacy_files``, its rows, what of the old fields is gone. May import: events,
journal, projections. Always holds: a field under an old name means what it meant; one that can mean
it no more is not there, and ``LEGACY.txt`` says why; ours begin with ``axiom_``.
Start reading at ``write_legacy_files``, then ``GONE`` and ``DIFFERENT``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from events import decision, governance, market, session
from events.reasons import BY_CODE, N1, N2, N3, N4, N8, N10, N11
from projections.packs.entries import Fields, Item, OnSeq, items_of, named, unseen
from projections.packs.files import PackError, PackFolder, line_of
from projections.why import ist_iso, reason_text

GATE_STATUS: Final = "gate_status.jsonl"
BLOCKED: Final = "blocked_candidates.jsonl"
INCIDENTS: Final = "incidents.jsonl"
SLA_CHECK: Final = "sla_check.json"
NOTE: Final = "LEGACY.txt"

Rows = tuple[tuple[str, str], ...]

GONE: Final[dict[str, Rows]] = {
    GATE_STATUS: (
        ("kite_use_api", "whether data comes from the broker is the session's mode and market"),
        ("rsi_mom", "it was always 0; the RSI itself is v1.snapshots.rsi"),
        ("vol_z, vwap_slope, bias", "no rule of this engine uses them"),
        ("indicators_age_sec", "an indicator is as old as its bar, which is counted instead"),
        ("ohlc_seeded, ohlc_seed_reason", "history is a fact of its own (HistoryLoaded)"),
        ("regime_reasons", "a regime has probabilities, and reasons that make it unstable"),
        ("node_call_counts", "each stage is evaluated exactly once a cycle"),
        ("trade_builder_gate, strategy_gate", "there is one list of stages: N1 to N11"),
    ),
    BLOCKED: (
        ("quote_source fallback, cache", "no price stands in for one that is missing"),
        ("trend_vwap_fallback rows", "there is no fallback signal"),
    ),
    INCIDENTS: (
        ("CB_ERROR_STORM, CANARY_ROLLBACK, MODEL_RETRAIN_TRIGGER", "nothing here can raise them"),
        ("DB_WRITE_FAIL", "the engine ends where its journal cannot be written"),
        ("AUDIT_CHAIN_FAIL", "a broken chain is an answer of axiom verify"),
    ),
    SLA_CHECK: (
        ("offhours_mode", "there are no other limits outside the session: it is closed"),
        ("depth.max", "each contract has its own limit; so many must be fresh: depth.needed"),
    ),
}
"""Old fields and words that are not in a file, and why."""

DIFFERENT: Final[dict[str, Rows]] = {
    GATE_STATUS: (
        ("stage, decision_stage", "the first that did not pass, as before; of a trade N11"),
        ("decision_blockers", "of all stages, as before, but not what an earlier one caused"),
        ("decision_explain", "the facts are of gates that did not pass; all are in v1.gates"),
        ("gate_reasons", "each refused family has its own, where one code stood for all"),
        ("ltp_source", "EXCHANGE, or ESTIMATED where the market has no index of its own"),
        ("primary_regime", "in the names of this engine's model"),
        ("regime_entropy", "in nats"),
        ("ts_epoch, cycle_id", "the session's clock: a replayed day has that day's times"),
    ),
    BLOCKED: (
        ("rows", "one for every decision not to trade; those without a contract were dropped"),
        ("stage", "decision_dag for N1 to N9, trade_builder for N10 and N11"),
        ("reason_code", "the old word where one means the same, else ours; axiom_reason is ours"),
    ),
    INCIDENTS: (
        ("code", "the old word where one means the same, else ours; axiom_code is ours"),
        ("context", "the subject, the evidence, and when and by whom it was resolved"),
    ),
    SLA_CHECK: (
        ("ltp, depth", "of the underlying whose is the oldest, where NIFTY stood for all"),
        ("depth", "the oldest fresh quote near the money"),
        ("market_open", "whether N1 passes: no entry in the closing auction"),
        ("ts", "the last decision of the session"),
    ),
}
"""Old fields that are there, and what is not quite as it was."""

_PAISE: Final = 100
_MILLI: Final = 1000
_MS_NS: Final = 1_000_000
_BUILDER: Final = (N10, N11)
_KEPT: Final = frozenset({"SnapshotTaken", "GatesEvaluated"})


class LegacyFiles(msgspec.Struct, frozen=True):
    """What was written: rows by file, and each file's size and digest."""

    session: str
    rows: dict[str, int]
    files: dict[str, dict[str, Any]]


class Cycle(msgspec.Struct, frozen=True):
    """A decision with what it was made on; ``regime`` is in force, None before the first."""

    seq: int
    ts: int
    mode: str
    session: str
    made: decision.DecisionMade
    gates: decision.GatesEvaluated
    snapshot: market.SnapshotTaken
    regime: decision.RegimeAssessed | None


def write_legacy_files(folder: Path, target: Path, *, on_seq: OnSeq = unseen) -> LegacyFiles:
    """Write the old files of a session into a new or empty folder. ``on_seq``: as of ``items_of``.
    Raises ``PackError`` where it cannot be written, and the journal's errors."""
    pack = PackFolder(target)
    rows = {GATE_STATUS: 0, BLOCKED: 0, INCIDENTS: 0, SLA_CHECK: 1}
    book = _Book(folder.name)
    latest: dict[str, Cycle] = {}
    with pack.create(GATE_STATUS) as status, pack.create(BLOCKED) as blocked:
        for item in items_of(folder, on_seq):
            cycle = book.take(item)
            if cycle is None:
                continue
            latest[cycle.made.underlying] = cycle
            status.write(line_of(gate_status(cycle)))
            rows[GATE_STATUS] += 1
            if cycle.made.outcome != "TRADE":
                blocked.write(line_of(blocked_candidate(cycle)))
                rows[BLOCKED] += 1
    incidents = tuple(book.incidents())
    rows[INCIDENTS] = len(incidents)
    pack.json_lines(INCIDENTS, incidents)
    pack.json(SLA_CHECK, sla_check(tuple(latest.values())))
    pack.text(NOTE, note(folder.name, rows))
    return LegacyFiles(folder.name, rows, pack.files)


class _Book:
    """What stands while the entries go by."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._mode = "UNKNOWN"
        self._fact = 0
        self._group: dict[int, Item] = {}
        self._regimes: dict[str, decision.RegimeAssessed] = {}
        self._raised: dict[str, Item] = {}
        self._resolved: dict[str, Item] = {}

    def take(self, item: Item) -> Cycle | None:
        """The next entry; a cycle where it ends one."""
        envelope = item.envelope
        if envelope.cause != self._fact:
            self._fact, self._group = envelope.cause, {}
        if envelope.kind in _KEPT:
            self._group[item.seq] = item
        if envelope.kind not in _TAKEN:
            return None
        event: Any = item.event
        if isinstance(event, session.SessionOpened):
            self._mode = event.mode
        elif isinstance(event, decision.RegimeAssessed):
            self._regimes[event.underlying] = event
        elif isinstance(event, governance.IncidentRaised):
            self._raised[event.incident_id] = item
        elif isinstance(event, governance.IncidentResolved):
            self._resolved[event.incident_id] = item
        else:
            return self._cycle(item, event)
        return None

    def _cycle(self, item: Item, made: decision.DecisionMade) -> Cycle:
        try:
            gates: Any = self._group[made.gates_seq].event
            snapshot: Any = self._group[made.snapshot_seq].event
        except KeyError as error:
            raise PackError(
                f"the decision at seq {item.seq} of {self._name} names an entry that is not there: "
                f"'axiom replay {self._name}' tells more"
            ) from error
        regime = self._regimes.get(made.underlying)
        return Cycle(
            item.seq, item.envelope.ts, self._mode, self._name, made, gates, snapshot, regime
        )

    def incidents(self) -> Iterator[Fields]:
        """The incidents in the order they were raised."""
        for incident_id, item in self._raised.items():
            yield incident(item, self._resolved.get(incident_id))


_TAKEN: Final = frozenset(
    {
        "SessionOpened", "RegimeAssessed", "IncidentRaised", "IncidentResolved", "DecisionMade",
    }
)  # fmt: skip


# -- rows -----------------------------------------------------------------------------------------


def gate_status(cycle: Cycle) -> Fields:
    """A row of ``gate_status.jsonl``. Prices in rupees, ages in seconds, times in epoch seconds."""
    made, shot, regime = cycle.made, cycle.snapshot, cycle.regime
    stages = {one.stage: one for one in cycle.gates.official}
    warm = stages[N3].verdict == "PASS"
    return {
        **_when(cycle.ts),
        "symbol": made.underlying,
        "stage": made.stage,
        "cycle_id": cycle.ts // _MS_NS,
        "execution_mode": cycle.mode,
        "ltp": _rupees(shot.spot_paise),
        "ltp_source": shot.spot_source,
        "ltp_age_sec": _seconds(shot.spot_age_ms),
        "vwap": _rupees(shot.vwap_paise),
        "atr": _rupees(shot.atr_paise),
        "adx_14": shot.adx,
        "indicators_ok": _passes(stages[N3], "indicators"),
        "missing_inputs": [row.gate for one in stages.values() for row in one.rows
                           if row.verdict == "UNKNOWN"],
        "ohlc_bars_count": shot.bars_done,
        "system_state": "READY" if warm else "WARMUP",
        "warmup_reasons": _codes((stages[N3],)),
        "primary_regime": made.regime,
        "regime_confidence": _leading(regime, made.regime),
        "regime_probs_max": max(regime.probs_milli) / _MILLI if regime else None,
        "regime_entropy": regime.entropy_milli / _MILLI if regime else None,
        "unstable_reasons": list(regime.unstable) if regime else [],
        "day_type": made.day_type,
        "gate_allowed": stages[N8].verdict == "PASS",
        "gate_family": made.family,
        "gate_reasons": _family_reasons(stages[N8]),
        "feed_health_snapshot": {
            "ok": stages[N2].verdict == "PASS",
            "link_age_sec": _seconds(shot.link_age_ms),
            "page_age_sec": _seconds(shot.page_age_ms),
        },
        "decision_allowed": made.outcome == "TRADE",
        "decision_stage": made.stage,
        "decision_blockers": _blockers(cycle),
        "decision_explain": [_node(one) for one in cycle.gates.official],
        **_ours(cycle),
    }  # fmt: skip


def blocked_candidate(cycle: Cycle) -> Fields:
    """A row of ``blocked_candidates.jsonl``."""
    made, shot = cycle.made, cycle.snapshot
    stages = {one.stage: one for one in cycle.gates.official}
    return {
        **_when(cycle.ts),
        "ts": _epoch(cycle.ts),
        "symbol": made.underlying,
        "stage": "trade_builder" if made.stage in _BUILDER else "decision_dag",
        "reason_code": old_code(made.reason),
        "reason_text": reason_text(made.reason),
        "ltp": _rupees(shot.spot_paise),
        "vwap": _rupees(shot.vwap_paise),
        "atr": _rupees(shot.atr_paise),
        "primary_regime": made.regime,
        "quote_ok": stages[N4].verdict == "PASS",
        "quote_source": shot.spot_source,
        "candidate_summary": {
            "family": made.family,
            "strategy": made.strategy_id,
            "assumed_family": cycle.gates.assumed_family,
        },
        "primary_blocker": old_code(made.reason),
        "blockers": _blockers(cycle),
        "node_explain_snippet": [
            _node(one) for one in cycle.gates.official if one.verdict != "PASS"
        ],
        **_ours(cycle),
    }


def incident(raised: Item, resolved: Item | None) -> Fields:
    """A row of ``incidents.jsonl``."""
    event, ended = raised.event, resolved.event if resolved else None
    assert isinstance(event, governance.IncidentRaised)
    who = ended.who if isinstance(ended, governance.IncidentResolved) else None
    context: Fields = {one.key: named(one.value) for one in event.evidence}
    return {
        **_when(raised.envelope.ts),
        "ts": _epoch(raised.envelope.ts),
        "incident_id": event.incident_id,
        "sev": f"SEV{event.severity}",
        "code": old_code(event.code),
        "context": {
            **context,
            "subject": event.subject,
            "resolved_ts": _epoch(resolved.envelope.ts) if resolved else None,
            "resolved_by": who,
        },
        "axiom_code": event.code,
        "axiom_seq": raised.seq,
    }


def sla_check(latest: tuple[Cycle, ...]) -> Fields:
    """``sla_check.json`` at the last decision of each underlying; without one it is not ok."""
    if not latest:
        said = {"ok": False, "state": "UNKNOWN", "reasons": ["no decision was made"]}
        return {**said, "market_open": None, "ts": None, "ltp": None, "depth": None}
    each = [_sla(one) for one in latest]
    moment = max(one.ts for one in latest)
    market_open = all(one["market_open"] for one in each)
    fresh, quoted = (all(one[name]["ok"] for one in each) for name in ("ltp", "depth"))
    if not market_open:
        state = "MARKET_CLOSED"
    elif not fresh:
        state = "STALE"
    else:
        state = "OK" if quoted else "DEGRADED"
    reasons = dict.fromkeys(reason for one in each for reason in one["reasons"])
    return {
        "ok": fresh and quoted,
        "state": state,
        "market_open": market_open,
        **_when(moment),
        "ts": _epoch(moment),
        "ltp": max((one["ltp"] for one in each), key=_oldest),
        "depth": max((one["depth"] for one in each), key=_oldest),
        "reasons": list(reasons),
        "axiom_underlyings": each,
    }


def _oldest(side: Fields) -> tuple[bool, float]:
    """What is not known is older than anything."""
    return side["age"] is None, side["age"] or 0.0


def _sla(cycle: Cycle) -> Fields:
    shot, name = cycle.snapshot, cycle.made.underlying
    stages = {one.stage: one for one in cycle.gates.official}
    spot, near = _row(stages[N4], "spot_age"), _row(stages[N4], "near_quotes")
    feed_ok = stages[N2].verdict == "PASS"
    return {
        "symbol": name,
        "market_open": stages[N1].verdict == "PASS",
        "ltp": {
            "ok": feed_ok and spot is not None and spot.verdict == "PASS",
            "age": _seconds(shot.spot_age_ms),
            "max": _seconds(spot.limit) if spot else None,
            "symbol": name,
            "source": shot.spot_source,
        },
        "depth": {
            "ok": near is not None and near.verdict == "PASS",
            "age": _seconds(shot.near_age_ms),
            "needed": near.limit if near else None,
            "scope": f"options of {name} near the money",
            "source": "feed",
            "required": True,
        },
        "reasons": [old_code(one) for one in _codes((stages[N2], stages[N4]))],
    }


# -- pieces ---------------------------------------------------------------------------------------


def old_code(code: str) -> str:
    """The old bot's word for a reason; ours where none means the same."""
    spec = BY_CODE.get(code)
    return spec.legacy_code if spec and spec.legacy_code else code


def _when(ts: int) -> Fields:
    return {"ts_epoch": _epoch(ts), "ts_ist": f"{ist_iso(ts)}+05:30"}


def _epoch(ts: int) -> float:
    return ts // _MS_NS / _MILLI


def _rupees(paise: float | None) -> float | None:
    return None if paise is None else paise / _PAISE


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else ms / _MILLI


def _ours(cycle: Cycle) -> Fields:
    return {
        "axiom_session": cycle.session,
        "axiom_seq": cycle.seq,
        "axiom_cycle": cycle.made.cycle,
        "axiom_reason": cycle.made.reason,
        "axiom_blockers": _codes(cycle.gates.official),
    }


def _row(stage: decision.StageVerdict, gate: str) -> decision.GateRow | None:
    return next((row for row in stage.rows if row.gate == gate), None)


def _passes(stage: decision.StageVerdict, gate: str) -> bool | None:
    row = _row(stage, gate)
    return None if row is None else row.verdict == "PASS"


def _codes(stages: tuple[decision.StageVerdict, ...]) -> list[str]:
    """The codes of all that did not pass, each once, in order; not what an earlier stage caused."""
    found: dict[str, None] = {}
    for stage in stages:
        if stage.verdict == "PASS" or stage.depends_on is not None:
            continue
        missed = [row.reason for row in stage.rows if row.verdict != "PASS" and row.reason]
        found.update(dict.fromkeys(missed or [stage.reason or ""]))
    return list(found)


def _blockers(cycle: Cycle) -> list[str]:
    return list(dict.fromkeys(old_code(one) for one in _codes(cycle.gates.official)))


def _family_reasons(stage: decision.StageVerdict) -> list[str]:
    rows = (*stage.rows, *stage.evidence)
    refused = [old_code(row.reason) for row in rows if row.verdict != "PASS" and row.reason]
    return list(dict.fromkeys(refused))


def _leading(regime: decision.RegimeAssessed | None, name: str) -> float | None:
    """The probability of the regime that is in force."""
    if regime is None or name not in regime.labels:
        return None
    return regime.probs_milli[regime.labels.index(name)] / _MILLI


def _node(stage: decision.StageVerdict) -> Fields:
    """A stage as a node of the old graph, with the facts of what did not pass."""
    ok = stage.verdict == "PASS"
    return {
        "node": stage.stage,
        "ok": ok,
        "reasons": [] if ok else [old_code(one) for one in _codes((stage,))] or [stage.reason],
        "facts": {
            row.gate: {"verdict": row.verdict, "observed": row.observed, "limit": row.limit}
            for row in stage.rows
            if row.verdict != "PASS"
        },
    }


# -- the note -------------------------------------------------------------------------------------


def note(name: str, rows: dict[str, int]) -> str:
    """``LEGACY.txt``: what the files are, and what of them is gone or different."""
    parts = [_HEAD.format(name=name)]
    for file, count in rows.items():
        parts.append(f"{file}: {count} {'row' if count == 1 else 'rows'}\n")
        parts += [f"  gone       {field}: {why}\n" for field, why in GONE[file]]
        parts += [f"  different  {field}: {what}\n" for field, what in DIFFERENT[file]]
        parts.append("\n")
    return "".join(parts).rstrip() + "\n"


_HEAD: Final = """\
The old files of {name}

Made from the session's journal for tools that read the files of the bot before this one. A field
under an old name means what it meant; one that can mean it no more is not there. Fields that begin
with axiom_ are ours: axiom_seq is the entry in the journal. Prices are rupees, ages seconds, times
epoch seconds and IST. The journal is the record; these files prove nothing.

"""

"""From envelopes to rows: what each kind of entry says in each table.

Lives here: one pure function a kind, and the buffer that gathers their rows. May import: events,
projections.tables, projections.why, msgspec. Always holds: rows depend on the envelopes alone, in
journal order, so incremental equals rebuilt however the entries are cut into batches; every
registered kind either has a function here or is named in ``NOT_PROJECTED`` with the reason.
Start reading at ``RowBuffer`` and ``ROWS``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Any, Final

import msgspec

from events import decision, feed, market, orders, session
from events.base import Event
from events.envelope import Envelope
from events.upcast import current_event
from projections import tables
from projections.desk_rows import ROWS as DESK
from projections.why import missed_rows, sentence

Row = tuple[Any, ...]

_ENTRIES_ONLY: Final = "no table of its own yet: `entries` holds it"

NOT_PROJECTED: Final[dict[str, str]] = {
    "FeedFrame": "its packets go to the tick files; the entry itself is in `entries`",
    "InstrumentsGated": "packed verdicts of the benchmark's instrument gates, not of decisions",
    "HistoryLoaded": _ENTRIES_ONLY,
    "QuotesObserved": _ENTRIES_ONLY,
    "FeaturesDerived": _ENTRIES_ONLY,
}


class RowBuffer:
    """Gathers rows of all tables. Feed it envelopes in order, then take what has gathered.

    Gates are held back until their decision of the same group has come, so that each gate row names
    its decision; ``end_group`` lets go of gates that got none.
    """

    def __init__(self) -> None:
        self._rows: dict[str, list[Row]] = {table.name: [] for table in tables.TABLES}
        self._gates: dict[int, tuple[Envelope, decision.GatesEvaluated]] = {}
        self.count = 0
        """Rows gathered and not yet taken."""

    def __getitem__(self, table: str) -> list[Row]:
        return self._rows[table]

    def add(self, envelope: Envelope) -> Event | None:
        """Turn one envelope into rows; gives back its event where it was decoded.

        Raises ``events.registry``'s errors on a kind, version or payload that is not known.
        """
        head = (envelope.seq, envelope.ts, envelope.cause)
        rows = self._rows
        rows["entries"].append((*head, envelope.kind, envelope.version, envelope.is_fact))
        self.count += 1
        if envelope.kind in NOT_PROJECTED:
            return None
        event = current_event(envelope)
        if isinstance(event, decision.GatesEvaluated):
            self._gates[envelope.seq] = (envelope, event)
            return event
        if isinstance(event, decision.DecisionMade):
            self._decision(envelope, event)
            return event
        rows_of = ROWS.get(envelope.kind)
        if rows_of is not None:
            self.count += rows_of(rows, head, event)
        return event

    def end_group(self) -> None:
        """Say that a group is whole: gates without a decision get their rows now."""
        for envelope, gates in self._gates.values():
            self.count += _gate_rows(self._rows, envelope, gates, None)
        self._gates.clear()

    def take(self) -> dict[str, list[Row]]:
        """The rows gathered since the last call, tables without any left out."""
        taken = {name: rows for name, rows in self._rows.items() if rows}
        for name in taken:
            self._rows[name] = []
        self.count = 0
        return taken

    def _decision(self, envelope: Envelope, event: decision.DecisionMade) -> None:
        held = self._gates.pop(event.gates_seq, None)
        if held is not None:
            self.count += _gate_rows(self._rows, *held, envelope.seq)
        text = sentence(event, held[1] if held else None)
        fields = msgspec.structs.astuple(event)
        self._rows["decisions"].append((envelope.seq, envelope.ts, envelope.cause, *fields, text))
        self.count += 1


def columns(rows: list[Row]) -> Iterator[tuple[Any, ...]]:
    """The rows of one table as columns, in the table's declared order."""
    return zip(*rows, strict=True)


# --- gates -----------------------------------------------------------------------------------

Tables = dict[str, list[Row]]
Head = tuple[int, int, int]


def _gate_rows(
    out: Tables, envelope: Envelope, event: decision.GatesEvaluated, decision_seq: int | None
) -> int:
    """Rows of one GatesEvaluated: the run, its stage verdicts, its gates."""
    seq, ts = envelope.seq, envelope.ts
    common = (seq, decision_seq, ts, event.cycle, event.underlying)
    out["gate_runs"].append(
        (
            *(seq, ts, envelope.cause, decision_seq, event.cycle, event.underlying),
            *(event.snapshot_seq, event.assumed_family, event.assumed_contract),
        )
    )
    stages, gates = out["stage_verdicts"], out["gates"]
    before = len(gates)
    ordinal = 0
    for assumed, verdicts in ((False, event.official), (True, event.assumed)):
        for verdict in verdicts:
            stages.append((*common, assumed, ordinal, *_stage_values(verdict)))
            _append_gates(gates, (*common, assumed), before, verdict)
            ordinal += 1
    return 1 + ordinal + len(gates) - before


def _stage_values(verdict: decision.StageVerdict) -> Row:
    values = (verdict.stage, verdict.verdict, verdict.reason, verdict.gate, verdict.depends_on)
    return (*values, len(verdict.rows))


def _append_gates(
    gates: list[Row], common: Row, before: int, verdict: decision.StageVerdict
) -> None:
    """Gate rows of one stage. A stage that no gate row accounts for has a row of its own."""
    stage = verdict.stage
    for role, rows in (("GATE", verdict.rows), ("EVIDENCE", verdict.evidence)):
        for row in rows:
            gates.append(
                (
                    *common,
                    *(len(gates) - before, stage, role, row.gate, row.verdict, row.reason),
                    *(row.observed, row.limit, row.margin, row.age_ms, ",".join(row.marks)),
                )
            )
    if not verdict.rows or (verdict.verdict != "PASS" and not missed_rows(verdict)):
        place = len(gates) - before
        numbers = (None, None, None, None, "")
        gates.append(
            (*common, place, stage, "STAGE", None, verdict.verdict, verdict.reason, *numbers)
        )


# --- every other kind ------------------------------------------------------------------------


def _plain(table: str) -> Callable[[Tables, Head, Any], int]:
    """A kind whose fields are a table's columns, in order."""

    def add(out: Tables, head: Head, event: Any) -> int:
        out[table].append((*head, *msgspec.structs.astuple(event)))
        return 1

    return add


def _session_opened(out: Tables, head: Head, event: session.SessionOpened) -> int:
    kind, seed, profile, digest, lacks, bar_ms = msgspec.structs.astuple(event.market)
    rule = msgspec.structs.astuple(event.cycle_rule)
    out["session_opened"].append(
        (
            *(*head, event.mode, event.day, event.anchor_ns, event.rate, event.account),
            *(kind, seed, profile, digest, ",".join(lacks), bar_ms, *rule),
            *(event.code_digest, event.schema_digest, event.rulebook_digest),
            event.settings_digest,
        )
    )
    return 1 + _settings(out, head, "SessionOpened", event.settings, (None, None))


def _config_changed(out: Tables, head: Head, event: session.ConfigChanged) -> int:
    return _settings(out, head, "ConfigChanged", event.settings, (event.who, event.why))


def _settings(
    out: Tables,
    head: Head,
    kind: str,
    settings: tuple[session.Setting, ...],
    people: tuple[str | None, str | None],
) -> int:
    out["settings"].extend((*head, kind, item.key, _text(item.value), *people) for item in settings)
    return len(settings)


def _text(value: int | bool | str) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _instruments(out: Tables, head: Head, event: session.InstrumentsLoaded) -> int:
    out["instruments"].extend(
        (head[0], place, *msgspec.structs.astuple(row)) for place, row in enumerate(event.rows)
    )
    return len(event.rows)


def _carried_over(out: Tables, head: Head, event: session.CarriedOver) -> int:
    # The days behind it and the strategies' lifecycle have no table yet: `entries` holds them.
    *counters, cooldowns, positions, orders, _days, _, _ = msgspec.structs.astuple(event)
    risk = event.risk
    place = counters.index(event.halts)
    counters[place] = ",".join(event.halts)
    stood = (risk.status, risk.day, risk.high_paise, len(risk.closed_paise))
    out["carried_over"].append((*head, *counters, *stood))
    records = (
        ("carried_cooldowns", cooldowns),
        ("carried_positions", positions),
        ("carried_orders", orders),
    )
    for table, rows in records:
        out[table].extend(
            (head[0], place, *msgspec.structs.astuple(row)) for place, row in enumerate(rows)
        )
    return 1 + len(cooldowns) + len(positions) + len(orders)


def _artifact(out: Tables, head: Head, event: session.ArtifactLoaded) -> int:
    for place, row in enumerate(event.rows):
        name, scope, valid_from, valid_to, value, unit, source, unsure = msgspec.structs.astuple(
            row
        )
        dates = (valid_from, valid_to)
        out["rulebook"].append(
            (
                *(head[0], place, event.kind, event.digest, name, scope, *dates),
                *(_text(value), unit, source, unsure),
            )
        )
    return len(event.rows)


def _feed_status(out: Tables, head: Head, event: feed.FeedStatus) -> int:
    seen = (event.subscription_verified, event.subscribed)
    out["feed_events"].append(
        (*head, "FeedStatus", event.connection, event.status, None, *seen, *repeat(None, 5))
    )
    return 1


def _feed_health(out: Tables, head: Head, event: market.FeedHealthChanged) -> int:
    said = (event.connection, event.status, event.reason)
    ages = (event.link_age_ms, event.limit_ms)
    out["feed_events"].append(
        (*head, "FeedHealthChanged", *said, None, None, *ages, None, None, None)
    )
    return 1


def _frame_rejected(out: Tables, head: Head, event: market.FrameRejected) -> int:
    said = (event.connection, "REJECTED", "FRAME_REFUSED")
    fault = (event.fault, event.offset, event.length_bytes)
    out["feed_events"].append((*head, "FrameRejected", *said, *repeat(None, 4), *fault))
    return 1


def _regime(out: Tables, head: Head, event: decision.RegimeAssessed) -> int:
    scores = (event.adx_milli, event.drift_milli, event.fall_milli, event.level_milli)
    out["regimes"].append(
        (
            *(*head, event.underlying, event.regime, event.leader, event.leader_bars),
            *(event.entropy_milli, ",".join(event.unstable), *scores),
        )
    )
    names = zip(event.labels, event.probs_milli, strict=True)
    out["regime_probs"].extend((head[0], event.underlying, *pair) for pair in names)
    return 1 + len(event.labels)


ADDED: Final = 7
"""Fields that version 2 of SnapshotTaken has before its expiries."""


def _snapshot(out: Tables, head: Head, event: market.SnapshotTaken) -> int:
    *fields, expiries, whole_hash = msgspec.structs.astuple(event)
    # What version 2 added stands behind the columns that were there: none changes its place.
    old, added = fields[:-ADDED], fields[-ADDED:]
    out["snapshots"].append((*head, *old, whole_hash, *added))
    out["snapshot_expiries"].extend(
        (head[0], event.underlying, *msgspec.structs.astuple(view)) for view in expiries
    )
    return 1 + len(expiries)


def _screened(out: Tables, head: Head, event: decision.ContractsScreened) -> int:
    filters = event.filters
    names = dict(enumerate(filters)) | {-1: None}
    failed = {mask: _names(filters, mask) for mask in dict.fromkeys(event.masks)}
    out["contracts_screened"].extend(
        (
            *(*head, event.cycle, event.underlying, event.family, event.direction),
            *(contract, names[first], failed[mask], mask),
            *(None if score == -1 else score, contract == event.selected),
        )
        for contract, first, mask, score in zip(
            event.contracts, event.first_filter, event.masks, event.scores_milli, strict=True
        )
    )
    return len(event.contracts)


def _names(filters: tuple[str, ...], mask: int) -> str:
    return ",".join(name for place, name in enumerate(filters) if mask >> place & 1)


def _fill(out: Tables, head: Head, event: orders.FillApplied) -> int:
    out["fills"].append(
        (
            *(*head, event.order_id, event.fill_no, event.contract, event.side),
            *(event.quantity_units, event.price_paise, event.slippage_paise),
            *(event.charges_paise, event.quote_seq),
        )
    )
    out["fill_charges"].extend(
        (head[0], event.order_id, event.fill_no, line.name, line.paise, line.unsure)
        for line in event.charges
    )
    return 1 + len(event.charges)


ROWS: Final[dict[str, Callable[[Tables, Head, Any], int]]] = {
    "SessionOpened": _session_opened,
    "CarriedOver": _carried_over,
    "SessionResumed": _plain("session_resumed"),
    "ArtifactLoaded": _artifact,
    "InstrumentsLoaded": _instruments,
    "ConfigChanged": _config_changed,
    "OperatorCommand": _plain("operator_commands"),
    "TailCut": _plain("tail_cuts"),
    "SessionClosed": _plain("session_closed"),
    "FeedStatus": _feed_status,
    "TimerTick": _plain("timer_ticks"),
    "BarClosed": _plain("bars"),
    "FrameRejected": _frame_rejected,
    "FeedHealthChanged": _feed_health,
    "SnapshotTaken": _snapshot,
    "RegimeAssessed": _regime,
    "DayTypeAssessed": _plain("day_types"),
    "ContractsScreened": _screened,
    "CandidateProposed": _plain("candidates"),
    "IntentApproved": _plain("intents"),
    "ExitSignalled": _plain("exits"),
    "OrderChanged": _plain("order_events"),
    "FillApplied": _fill,
    "PositionChanged": _plain("position_events"),
    "RiskStateChanged": _plain("risk_states"),
    "SessionSummarised": _plain("session_summaries"),
    **DESK,
}
"""Kind to the function that makes its rows and gives their number. GatesEvaluated and DecisionMade
are handled by ``RowBuffer``, which joins them."""

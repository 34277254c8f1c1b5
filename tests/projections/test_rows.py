"""projections/rows.py: every kind has its rows, and the rows do not depend on the batches."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.decision import DecisionMade, GatesEvaluated
from events.envelope import Envelope, decode_envelope, encode_envelope
from events.reasons import STAGES
from events.registry import BY_KIND, SPECS, decode_event
from projections import tables
from projections.rows import NOT_PROJECTED, ROWS, Row, RowBuffer, columns
from projections.why import sentence
from tests.projections.builders import envelopes

SESSION = envelopes(cycles=30)
JOINED = {"GatesEvaluated", "DecisionMade"}

PLAIN = {
    "SessionResumed": "session_resumed",
    "OperatorCommand": "operator_commands",
    "TailCut": "tail_cuts",
    "SessionClosed": "session_closed",
    "TimerTick": "timer_ticks",
    "BarClosed": "bars",
    "DayTypeAssessed": "day_types",
    "CandidateProposed": "candidates",
    "IntentApproved": "intents",
    "ExitSignalled": "exits",
    "OrderChanged": "order_events",
    "PositionChanged": "position_events",
    "RiskStateChanged": "risk_states",
    "SessionSummarised": "session_summaries",
    "OrderWanted": "order_wishes",
    "OrderSendStarted": "order_messages",
    "OrderSendResult": "order_results",
    "AuthStatus": "logins",
    "MarginWanted": "margins_wanted",
    "MarginObserved": "margins_told",
    "ApprovalRequested": "approval_requests",
    "ApprovalClosed": "approvals_closed",
    "CommandAnswered": "command_answers",
    "Reconciled": "reconciliations",
    "DifferenceFound": "differences",
    "IncidentRaised": "incidents_raised",
    "IncidentResolved": "incidents_resolved",
    "ReadinessChanged": "readiness",
    "SessionEndDue": "session_ends_due",
    "RiskTransitioned": "risk_transitions",
    "PositionSettled": "settlements",
    "SpreadApproved": "spreads",
    "SessionAmended": "amendments",
    "FramesDropped": "frames_dropped",
    "SubscriptionChanged": "subscriptions",
    "ClockStepped": "clock_steps",
    "HealthObserved": "health",
}
TRIGGER = {"trigger_paise": "stop_trigger_paise"}
RENAMED = {
    "day_types": {"before": "day_type_before", "switches": "day_switches", "locked": "day_locked"},
    "order_events": {"role": "order_role"},
    "order_wishes": TRIGGER,
    "order_messages": TRIGGER,
    "order_results": {
        "outcome": "send_outcome", "fault": "broker_fault", "message": "broker_message",
    },
    "logins": {"status": "login_status", "account": "broker_account", "fault": "broker_fault"},
    "approval_requests": {"low_paise": "band_low_paise", "high_paise": "band_high_paise"},
    "approvals_closed": {"outcome": "approval_outcome"},
    "command_answers": {"outcome": "answer"},
    "reconciliations": {
        "trigger": "book_trigger", "status": "books_status", "orders": "book_orders",
        "positions": "book_positions", "mended": "books_skipped",
    },
    "incidents_raised": {"code": "incident_code"},
    "incidents_resolved": {"code": "incident_code"},
    "readiness": {"status": "readiness_status", "reasons": "blockers"},
    "risk_transitions": {
        "before": "risk_before", "after": "risk_after", "trigger": "risk_trigger",
        "limit": "limit_value",
    },
    "settlements": {"source": "settlement_source"},
    "frames_dropped": {"frames": "lost_frames"},
    "subscriptions": {"mode": "feed_mode", "missing": "missing_tokens"},
    "clock_steps": {"limit_ns": "clock_limit_ns", "source": "clock_source"},
    "health": {"status": "health_status", "limit": "limit_value"},
}  # fmt: skip
"""Fields that a column names otherwise, for its name has one meaning in all tables."""


def project(entries: list[Envelope], batch: int = 10**9) -> dict[str, list[Row]]:
    """All rows of a session, taken every ``batch`` envelopes at a group's end."""
    buffer, found = RowBuffer(), dict[str, list[Row]]()
    since = 0
    for place, envelope in enumerate(entries):
        buffer.add(envelope)
        since += 1
        last = place + 1 == len(entries) or entries[place + 1].cause != envelope.cause
        if last:
            buffer.end_group()
        if last and since >= batch:
            _merge(found, buffer.take())
            since = 0
    _merge(found, buffer.take())
    return found


def _merge(into: dict[str, list[Row]], rows: dict[str, list[Row]]) -> None:
    for name, added in rows.items():
        into.setdefault(name, []).extend(added)


ALL = project(SESSION)


def rows_of(table: str) -> list[dict[str, object]]:
    names = [column.name for column in tables.BY_NAME[table].columns]
    return [dict(zip(names, row, strict=True)) for row in ALL[table]]


def test_every_registered_kind_is_projected_or_excused() -> None:
    """No kind is forgotten: it has a function, is joined, or its excuse is written."""
    assert set(ROWS) | JOINED | set(NOT_PROJECTED) == set(BY_KIND)
    assert not set(ROWS) & set(NOT_PROJECTED)


def test_the_invented_session_holds_every_projected_kind() -> None:
    """The session these tests stand on leaves no projected kind and no table untried."""
    assert {envelope.kind for envelope in SESSION} >= set(ROWS) | JOINED
    assert set(ALL) == set(tables.BY_NAME)


@pytest.mark.parametrize(("kind", "table"), sorted(PLAIN.items()))
def test_plain_tables_follow_their_struct(kind: str, table: str) -> None:
    """A table that takes a struct's fields as they are has exactly those fields, in order."""
    names = RENAMED.get(table, {})
    fields = [names.get(f, f) for f in BY_KIND[kind].struct.__struct_fields__]
    assert [column.name for column in tables.BY_NAME[table].columns[3:]] == fields


_TYPES = {"INT": int, "TEXT": str, "BOOL": bool, "REAL": float}


@pytest.mark.parametrize("table", sorted(tables.BY_NAME))
def test_values_have_the_declared_types(table: str) -> None:
    """Each row has a value for each column, of the column's type or None."""
    declared = tables.BY_NAME[table].columns
    for row in ALL[table]:
        assert len(row) == len(declared)
        for column, value in zip(declared, row, strict=True):
            assert value is None or type(value) is _TYPES[column.type], (column.name, value)


def test_structs_outside_the_plain_tables_lose_no_field() -> None:
    """A field that is added to a struct with a table of its own making cannot be forgotten."""
    expected = {
        "CarriedOver": 16,
        "SessionOpened": 12,
        "InstrumentsLoaded": 2,
        "FeedStatus": 4,
        "FeedHealthChanged": 5,
        "FrameRejected": 4,
        "RegimeAssessed": 12,
        "SnapshotTaken": 27,
        "GatesEvaluated": 7,
        "ContractsScreened": 10,
        "DecisionMade": 13,
        "FillApplied": 10,
        "ArtifactLoaded": 4,
        "ConfigChanged": 3,
        "FeedFrame": 7,
        "InstrumentsGated": 5,
        "BrokerUpdate": 2,
        "OrderLookup": 6,
        "BrokerSnapshot": 7,
        "SettingsDeferred": 2,
        "TicksJudged": 8,
    }
    found = {spec.kind: len(spec.struct.__struct_fields__) for spec in SPECS}
    without = set(NOT_PROJECTED) - {"FeedFrame", "InstrumentsGated"}
    assert {kind: found[kind] for kind in sorted(set(found) - set(PLAIN) - without)} == dict(
        sorted(expected.items())
    )


@settings(max_examples=8, deadline=None)
@given(st.integers(min_value=1, max_value=400))
def test_batches_do_not_change_the_rows(batch: int) -> None:
    """The same rows come out however many envelopes are taken at a time."""
    assert project(SESSION, batch) == ALL


def test_columns_are_the_rows_turned() -> None:
    """Column-wise reading of a table gives back its rows."""
    assert list(zip(*columns(ALL["gates"]), strict=True)) == ALL["gates"]


def test_every_decision_has_its_eleven_stages_and_its_gates() -> None:
    """Each decision is named by eleven official verdicts and by every gate row of its event."""
    gates_by_seq = {
        e.seq: decode_event(e) for e in SESSION if BY_KIND[e.kind].struct is GatesEvaluated
    }
    official = [row for row in rows_of("stage_verdicts") if not row["assumed"]]
    for envelope in SESSION:
        event = decode_event(envelope) if envelope.kind == "DecisionMade" else None
        if not isinstance(event, DecisionMade):
            continue
        stages = [row["stage"] for row in official if row["decision_seq"] == envelope.seq]
        assert stages == list(STAGES)
        gates = gates_by_seq[event.gates_seq]
        assert isinstance(gates, GatesEvaluated)
        expected = [
            row.gate for verdict in (*gates.official, *gates.assumed) for row in verdict.rows
        ]
        found = [
            row["gate"]
            for row in rows_of("gates")
            if row["decision_seq"] == envelope.seq and row["role"] == "GATE"
        ]
        assert found == expected


def test_every_stage_has_a_row_among_the_gates() -> None:
    """A stage that asked no gate still shows in the gates, so that all eleven are there."""
    by_decision: dict[object, set[object]] = {}
    for row in rows_of("gates"):
        if not row["assumed"]:
            by_decision.setdefault(row["decision_seq"], set()).add(row["stage"])
    assert by_decision
    assert all(stages == set(STAGES) for stages in by_decision.values())


def test_gates_without_a_decision_are_not_lost() -> None:
    """Gates whose group ends without a decision get rows that name none."""
    gates = next(envelope for envelope in SESSION if envelope.kind == "GatesEvaluated")
    buffer = RowBuffer()
    buffer.add(gates)
    assert not buffer["gates"]
    buffer.end_group()
    assert buffer["gates"]
    assert {row[1] for row in buffer["gates"]} == {None}


def test_sentence_of_a_decision_row_is_the_one_function() -> None:
    """What SQL shows as a decision's words is what every other surface makes of the same events."""
    events = {envelope.seq: envelope for envelope in SESSION}
    for row in rows_of("decisions"):
        seq, gates_seq = row["seq"], row["gates_seq"]
        assert isinstance(seq, int)
        assert isinstance(gates_seq, int)
        made, gates = decode_event(events[seq]), decode_event(events[gates_seq])
        assert isinstance(made, DecisionMade)
        assert isinstance(gates, GatesEvaluated)
        assert row["sentence"] == sentence(made, gates)


def test_screened_filters_are_named() -> None:
    """The first filter and all failed filters of a contract are names, not bits."""
    for row in rows_of("contracts_screened"):
        failed = str(row["failed_filters"])
        names = failed.split(",") if failed else []
        assert len(names) == int(str(row["mask"])).bit_count()
        assert row["first_filter"] == (names[0] if names else None)


def test_a_changed_number_changes_its_row() -> None:
    """Canary: the comparison of rows sees one changed field in one envelope."""
    changed = list(SESSION)
    place = next(i for i, envelope in enumerate(changed) if envelope.kind == "BarClosed")
    bar = msgspec.structs.replace(decode_event(changed[place]), close_paise=1)
    old = changed[place]
    data = encode_envelope(old.seq, old.kind, old.version, old.ts, old.cause, bar)
    changed[place] = decode_envelope(data)
    assert project(changed) != ALL

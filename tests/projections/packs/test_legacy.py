"""projections/packs/legacy.py: the old files, from what was recorded, and what of them is gone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from events import governance, session
from events.base import Event
from events.reasons import BY_CODE, STAGES
from journal.writer import JournalWriter
from projections.packs.entries import items_of
from projections.packs.files import PackError
from projections.packs.legacy import (
    BLOCKED,
    DIFFERENT,
    GATE_STATUS,
    GONE,
    INCIDENTS,
    SLA_CHECK,
    old_code,
    sla_check,
    write_legacy_files,
)
from tests.projections.packs.desk import APPROVER, NAME, UID, AtABroker, write

OLD = {
    GATE_STATUS: (
        "ts_epoch ts_ist symbol stage cycle_id execution_mode ltp vwap atr adx_14 missing_inputs "
        "ohlc_bars_count primary_regime regime_confidence regime_probs_max regime_entropy "
        "unstable_reasons gate_allowed gate_family gate_reasons system_state warmup_reasons "
        "decision_allowed decision_stage decision_blockers decision_explain feed_health_snapshot"
    ),
    BLOCKED: (
        "ts symbol stage reason_code reason_text ltp vwap atr primary_regime quote_ok quote_source "
        "candidate_summary primary_blocker blockers node_explain_snippet"
    ),
    INCIDENTS: "incident_id sev code context ts",
    SLA_CHECK: "ok state market_open ts ltp depth reasons",
}
"""The old bot's fields that are still written."""


class WithIncidents(AtABroker):
    """Two incidents, one of them over."""

    def _desk(self) -> Iterator[Event]:
        yield from super()._desk()
        evidence = (session.Setting("age_ms", 7_000),)
        yield governance.IncidentRaised("I1", "FEED_GAP", 2, "feed", evidence)
        yield governance.IncidentRaised("I2", "POSITION_SHORT", 1, "P1", ())
        self.ts += 1_000_000_000
        yield session.OperatorCommand("ACK", APPROVER, "", "I1", None, "c9", "SOCKET")
        yield governance.IncidentResolved("I1", "FEED_GAP", "feed", APPROVER)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That session, closed."""
    place = tmp_path_factory.mktemp("desk") / NAME
    with JournalWriter.create(place, UID) as writer:
        for group in WithIncidents(cycles=40).groups():
            writer.append(group)
    return place


@pytest.fixture(scope="module")
def old(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its old files."""
    place = tmp_path_factory.mktemp("out") / "old"
    write_legacy_files(folder, place)
    return place


def _rows(place: Path, name: str) -> list[dict[str, Any]]:
    text = (place / name).read_text("utf-8")
    return [json.loads(text)] if name == SLA_CHECK else [json.loads(x) for x in text.splitlines()]


def _events(folder: Path, kind: str) -> list[Any]:
    return [item.event for item in items_of(folder) if item.envelope.kind == kind]


@pytest.mark.parametrize("name", OLD)
def test_the_old_names_are_there_and_what_is_gone_is_not(old: Path, name: str) -> None:
    """Each row has every old field that still means something and none that is said to be gone."""
    gone = {word for words, _ in GONE[name] for word in words.split(", ") if "." not in word}
    for row in _rows(old, name):
        assert set(OLD[name].split()) <= set(row)
        assert not gone & set(row)
        assert "max" not in (row.get("depth") or {})


def test_gate_status_is_every_decision_as_recorded(folder: Path, old: Path) -> None:
    """One row a cycle and symbol, the stage and the verdict of the journal, in its order."""
    decisions = _events(folder, "DecisionMade")
    rows = _rows(old, GATE_STATUS)
    assert len(rows) == len(decisions) == 80
    for row, made in zip(rows, decisions, strict=True):
        assert (row["symbol"], row["stage"]) == (made.underlying, made.stage)
        assert row["decision_allowed"] == (made.outcome == "TRADE")
        assert row["gate_family"] == made.family
        assert [node["node"] for node in row["decision_explain"]] == list(STAGES)
        first = next((node for node in row["decision_explain"] if not node["ok"]), None)
        assert (first["node"] if first else STAGES[-1]) == made.stage
        assert bool(row["decision_blockers"]) == (made.outcome == "NO_TRADE")
    assert (rows[0]["ltp"], rows[0]["ts_ist"][:10]) == (24_500.0, "2025-08-29")
    assert rows[0]["cycle_id"] == round(rows[0]["ts_epoch"] * 1000)
    assert (rows[0]["regime_probs_max"], rows[0]["regime_entropy"]) == (0.5, 1.029)


def test_blocked_candidates_keep_those_without_a_contract(folder: Path, old: Path) -> None:
    """Every decision not to trade, by the old word for its reason, with the sentence of today."""
    blocked = [one for one in _events(folder, "DecisionMade") if one.outcome == "NO_TRADE"]
    rows = _rows(old, BLOCKED)
    assert Counter(row["axiom_reason"] for row in rows) == Counter(one.reason for one in blocked)
    for row in rows:
        assert row["reason_code"] == old_code(row["axiom_reason"]) == row["primary_blocker"]
        assert row["reason_text"] == BY_CODE[row["axiom_reason"]].sentence
        assert row["stage"] in ("decision_dag", "trade_builder")
        assert all(not node["ok"] for node in row["node_explain_snippet"])
        assert row["quote_ok"] == all(
            node["node"] != "N4_QUOTE_OK" for node in row["node_explain_snippet"]
        )
    assert {row["stage"] for row in rows} == {"decision_dag", "trade_builder"}


def test_old_words_for_reasons() -> None:
    """Where one means the same; else our own, also where this release does not know it."""
    assert old_code("SESSION_NOT_OPEN") == "MARKET_CLOSED"
    assert old_code("GOV_NOT_ARMED") == "GOV_NOT_ARMED"
    assert old_code("OF_ANOTHER_RELEASE") == "OF_ANOTHER_RELEASE"


def test_incidents_by_severity_with_their_end(old: Path) -> None:
    """SEV1 to SEV4; one that is over says since when and by whom."""
    first, second = _rows(old, INCIDENTS)
    assert (first["incident_id"], first["sev"], first["code"]) == ("I1", "SEV2", "FEED_STALE")
    assert (first["axiom_code"], first["context"]["age_ms"]) == ("FEED_GAP", 7_000)
    assert first["context"]["resolved_by"] == APPROVER
    assert first["context"]["resolved_ts"] == first["ts"] + 1
    assert (second["sev"], second["code"]) == ("SEV1", "POSITION_SHORT")
    assert second["context"]["resolved_ts"] is None


def test_sla_check_is_of_the_worst_underlying(folder: Path, old: Path) -> None:
    """At the last decision; not ok whenever one underlying is not, as its gates say."""
    (row,) = _rows(old, SLA_CHECK)
    each = row["axiom_underlyings"]
    assert {one["symbol"] for one in each} == {"NIFTY", "BANKNIFTY"}
    assert row["ok"] == all(one["ltp"]["ok"] and one["depth"]["ok"] for one in each)
    assert row["state"] in ("OK", "DEGRADED", "STALE", "MARKET_CLOSED")
    last = {one.underlying: one for one in _events(folder, "GatesEvaluated")}
    for one in each:
        stages = {stage.stage: stage for stage in last[one["symbol"]].official}
        assert one["market_open"] == (stages["N1_MARKET_OPEN"].verdict == "PASS")
        spot = next(row for row in stages["N4_QUOTE_OK"].rows if row.gate == "spot_age")
        both = stages["N2_FEED_FRESH"].verdict == spot.verdict == "PASS"
        assert one["ltp"]["ok"] == both


def test_without_a_decision_nothing_is_ok() -> None:
    """A session that never came to one: unknown, and why."""
    assert sla_check(())["ok"] is False
    assert sla_check(())["reasons"] == ["no decision was made"]


def test_the_note_says_what_is_gone_and_why(old: Path) -> None:
    """Each row of both tables stands in it, beside the file's rows."""
    text = (old / "LEGACY.txt").read_text("utf-8")
    for table in (GONE, DIFFERENT):
        assert set(table) == set(OLD)
        for rows in table.values():
            for field, why in rows:
                assert f"{field}: {why}\n" in text
    assert f"{GATE_STATUS}: 80 rows" in text


def test_twice_is_the_same_bytes(folder: Path, old: Path, tmp_path: Path) -> None:
    """Of one session."""
    told = write_legacy_files(folder, tmp_path / "again")
    assert told.rows[GATE_STATUS] == 80
    for path in old.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


def test_a_decision_without_its_gates_is_refused(tmp_path: Path) -> None:
    """The canary: nothing is written in place of what is not there."""
    folder = write(tmp_path / NAME, "GatesEvaluated")
    with pytest.raises(PackError, match="names an entry that is not there"):
        write_legacy_files(folder, tmp_path / "old")

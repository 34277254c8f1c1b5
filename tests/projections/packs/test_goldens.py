"""The packs over the recorded sessions that are kept, older versions of events among them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from journal.verify_pack import verify_pack
from projections.packs.compliance import write_compliance_pack
from projections.packs.entries import items_of
from projections.packs.incident import Window, write_incident_bundle
from projections.packs.legacy import BLOCKED, GATE_STATUS, write_legacy_files

GOLDENS = Path(__file__).resolve().parents[2] / "replay/goldens"
SESSIONS = sorted(path.name for path in GOLDENS.iterdir() if (path / "000001.axs").is_file())


def test_there_are_recorded_sessions() -> None:
    """Else what follows would prove nothing."""
    assert {"trades", "resumed", "pages", "intent_approved_v1"} <= set(SESSIONS)


@pytest.mark.parametrize("name", SESSIONS)
def test_every_order_of_a_recorded_session_is_complete(name: str, tmp_path: Path) -> None:
    """100 %, over backtests and paper, a resumed session and one of pages; each pack verifies. What
    an older release wrote is shown in today's shape, and says so."""
    told = write_compliance_pack(GOLDENS / name, tmp_path / "pack")
    assert told.orders > 0
    assert told.broken == ()
    assert verify_pack(tmp_path / "pack", head=told.head_hash).problems == []
    lines = (tmp_path / "pack" / "orders.jsonl").read_text("utf-8").splitlines()
    upcast = {
        entry["kind"]
        for line in lines
        for link in json.loads(line)["links"]
        for entry in link["entries"]
        if entry.get("upcast")
    }
    assert upcast <= {"IntentApproved", "SnapshotTaken", "CarriedOver"}
    assert ("IntentApproved" in upcast) == (name == "intent_approved_v1")


@pytest.mark.parametrize("name", SESSIONS)
def test_a_whole_recorded_session_leaves_and_is_proved(name: str, tmp_path: Path) -> None:
    """Every entry of it beside the session, older versions too."""
    bundle = write_incident_bundle(GOLDENS / name, tmp_path / "bundle", Window())
    found = verify_pack(tmp_path / "bundle", session=GOLDENS / name)
    assert (found.problems, found.proved) == ([], bundle.entries)
    assert verify_pack(tmp_path / "bundle").ok


@pytest.mark.parametrize("name", SESSIONS)
def test_the_old_files_of_a_recorded_session(name: str, tmp_path: Path) -> None:
    """As many rows as decisions, and as decisions not to trade."""
    made = [item.event for item in items_of(GOLDENS / name) if item.envelope.kind == "DecisionMade"]
    outcomes = Counter(getattr(one, "outcome", "") for one in made)
    rows = write_legacy_files(GOLDENS / name, tmp_path / "old").rows
    assert rows[GATE_STATUS] == len(made)
    assert rows[BLOCKED] == outcomes["NO_TRADE"]

"""``axiom whatif``: two derived sessions and their differences; no ledger, never ``latest``."""

from __future__ import annotations

from pathlib import Path

import pytest

from journal.session_folder import ledger_path
from replay.diff import KINDS
from tests.cli.conftest import Call, contents

KEYS = {
    "session", "baseline", *KINDS, "not_recorded", "not_recorded_instruments", "changed", "folder",
    "baseline_folder",
}  # fmt: skip


@pytest.fixture
def tighter(tmp_path: Path) -> Path:
    """A configuration that allows one trade of two lots."""
    path = tmp_path / "tighter.toml"
    path.write_text("[risk]\ntrades_day_max = 1\nlots_max = 2\n")
    return path


def test_the_differences_are_given(axiom: Call, session: Path, tighter: Path) -> None:
    """Exit 0 with the keys of the contract; what was recorded is untouched."""
    before = contents(session)
    answer = axiom("whatif", "latest", "--config", tighter, "--json")
    assert answer.code == 0
    document = answer.document
    assert {*document} == KEYS
    assert len(document["lost"]) > 0
    assert {row["gate"] for row in document["lost"]} == {"trades_day"}
    assert document["changed"] == ["risk.lots_max: 5 -> 2", "risk.trades_day_max: 20 -> 1"]
    assert (document["not_recorded"], document["not_recorded_instruments"]) == (0, [])
    assert contents(session) == before
    diffed = axiom("diff", document["baseline_folder"], document["folder"], "--json").document
    assert {kind: diffed[kind] for kind in KINDS} == {kind: document[kind] for kind in KINDS}


def test_derived_sessions_are_neither_latest_nor_in_the_ledger(
    axiom: Call, home: Path, session: Path, tighter: Path
) -> None:
    """Under ``derived/`` of the desk, private; the list, the ledger and ``latest`` stay."""
    listed = axiom("sessions", "--json").document
    ledger = ledger_path(home, "main").read_bytes()
    found = axiom("whatif", "latest", "--config", tighter, "--json").document
    folder = Path(found["folder"])
    assert folder.parent.name == "derived"
    assert folder.parent.stat().st_mode & 0o077 == 0
    assert axiom("sessions", "--json").document == listed
    assert ledger_path(home, "main").read_bytes() == ledger
    assert axiom("verify", "latest", "--json").document["session"] == session.name
    assert axiom("replay", folder, "--json").document["outcome"] == "identical"
    assert axiom("verify", folder).code == 0


def test_it_is_told_in_lines(axiom: Call, home: Path, session: Path, tighter: Path) -> None:
    """What was changed, counts by kind with the gate, and what was not recorded."""
    answer = axiom("whatif", "latest", "--config", tighter)
    assert answer.code == 0
    assert answer.out.startswith("risk.lots_max: 5 -> 2\n")
    assert "because trades_day judged otherwise" in answer.out
    assert "instruments without a recorded quote (UNKNOWN NOT_RECORDED): 0" in answer.out
    kept = home / "desks/main/derived"
    assert f"as may all of {kept}" in answer.out
    assert len(list(kept.iterdir())) == 2


def test_a_configuration_that_changes_nothing_is_said_to(
    axiom: Call, session: Path, tmp_path: Path
) -> None:
    """No difference, and a line that says why."""
    same = tmp_path / "same.toml"
    same.write_text("[risk]\ntrades_day_max = 20\n")
    answer = axiom("whatif", "latest", "--config", same, "--json")
    assert answer.code == 0
    assert sum(len(answer.document[kind]) for kind in KINDS) == 0
    assert "changes nothing" in answer.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[risk]\ntrades_day_max = -1\n", "out of bounds"),
        ("[risk]\ntrades = 1\n", "unknown setting risk.trades"),
        ("[rsk]\n", "unknown section"),
        ("not toml", "is not TOML"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(
    axiom: Call, home: Path, session: Path, tmp_path: Path, text: str, said: str
) -> None:
    """One line, and nothing is made."""
    bad = tmp_path / "bad.toml"
    bad.write_text(text)
    before = contents(home)
    assert said in axiom("whatif", "latest", "--config", bad).refusal
    assert contents(home) == before


def test_what_is_missing_is_asked_for(axiom: Call, session: Path, tmp_path: Path) -> None:
    """No configuration, or one that is not there; no session; a damaged one leaves nothing."""
    assert "--config FILE" in axiom("whatif", "latest").refusal
    assert "is not there" in axiom("whatif", "latest", "--config", tmp_path / "no").refusal
    good = tmp_path / "good.toml"
    good.write_text("[risk]\ntrades_day_max = 1\n")
    assert axiom("whatif", tmp_path, "--config", good).refusal
    segment = session / "000001.axs"
    data = bytearray(segment.read_bytes())
    data[-1] ^= 1
    segment.write_bytes(data)
    assert "JOURNAL_CORRUPT" in axiom("whatif", "latest", "--config", good).damage
    derived = session.parent.parent / "derived"
    assert not derived.exists() or list(derived.iterdir()) == []

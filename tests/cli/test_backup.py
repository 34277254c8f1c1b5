"""``axiom backup`` and ``axiom restore``: a copy that verifies, back in an empty home."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from journal.backup import checked_desk, take_copy_lock
from journal.close import close_session
from journal.session_folder import ledger_path
from journal.verify import verify_ledger
from tests.cli.conftest import Call, contents
from tests.cli.test_sessions import UID, begin

ROW = ["session", "state", "entries", "head_hash", "closed", "bytes", "problem"]
KEYS = ["ok", "backup", "desk", "sessions", "ledger"]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where the backup goes."""
    return tmp_path / "disk" / "axiom"


def test_there_and_back(
    axiom: Call, home: Path, session: Path, place: Path, tmp_path: Path
) -> None:
    """What was backed up verifies where it is; a restored home verifies with its ledger and has
    the same bytes; the second run of both changes nothing."""
    answer = axiom("backup", place, "--json")
    assert (answer.code, answer.err) == (0, "")
    assert list(answer.document) == KEYS
    (row,) = answer.document["sessions"]
    assert list(row) == ROW
    verified = axiom("verify", session.name, "--home", place, "--json").document
    assert (row["state"], row["head_hash"]) == ("new", verified["head_hash"])
    assert (verified["ok"], verified["notes"]) == (True, [])

    other = tmp_path / "other"
    restored = axiom("restore", place, "--home", other, "--json")
    assert (restored.code, restored.document["ok"]) == (0, True)
    assert restored.document["ledger"] == {"state": "extended", "records": 1}
    back = axiom("verify", "latest", "--home", other, "--json").document
    assert (back["ok"], back["head_hash"], back["notes"]) == (True, row["head_hash"], [])
    assert verify_ledger(ledger_path(other, "main"), other / "desks/main/sessions") == ()
    kept = ("axs", "axl", "manifest.json")
    for one in (place, other):
        copied = {n: d for n, d in contents(one).items() if n.endswith(kept)}
        assert copied == {n: d for n, d in contents(home).items() if n.endswith(kept)}

    before = contents(place), contents(other)
    assert axiom("backup", place, "--json").document["sessions"][0]["state"] == "unchanged"
    again = axiom("restore", place, "--home", other, "--json")
    assert again.document["sessions"][0]["state"] == "unchanged"
    assert (contents(place), contents(other)) == before
    assert axiom("replay", "latest", "--home", other, "--json").document["identical"]


def test_a_running_session_then_its_end(
    axiom: Call, home: Path, session: Path, place: Path
) -> None:
    """While an engine writes its sessions are copied to the acknowledged end and nobody is
    disturbed; the ledger's line comes with the end."""
    folder = session.parent / f"2026-11-20-sim-{UID}"
    writer = begin(folder)
    rows = axiom("backup", place, "--json").document["sessions"]
    assert [(r["state"], r["closed"]) for r in rows] == [("new", True), ("new", False)]
    writer.close()
    close_session(folder, ledger_path(home, "main"))
    answer = axiom("backup", place, session.name, "--json").document
    assert [row["session"] for row in answer["sessions"]] == [session.name]
    assert answer["ledger"] == {"state": "held_back", "records": 1}
    answer = axiom("backup", place, "--json").document
    assert [row["state"] for row in answer["sessions"]] == ["unchanged", "grown"]
    assert answer["ledger"] == {"state": "extended", "records": 2}
    assert axiom("verify", folder.name, "--home", place).code == 0


def test_a_session_of_the_home_is_never_changed(
    axiom: Call, home: Path, session: Path, place: Path
) -> None:
    """One that differs from the backup's is named, exit 1, and every byte stays."""
    axiom("backup", place)
    shutil.rmtree(session)
    begin(session).close(final=False)
    (home / "desks/main/copy.lock").touch()
    before = contents(home)
    answer = axiom("restore", place, "--json")
    (row,) = answer.document["sessions"]
    assert (answer.code, row["state"], answer.document["ok"]) == (1, "differs", False)
    assert "BACKUP_DIFFERS" in axiom("restore", place).out
    assert contents(home) == before
    answer = axiom("backup", place, "--json")
    assert (answer.code, answer.document["sessions"][0]["state"]) == (1, "differs")


def test_a_damaged_session_does_not_stop_the_others(
    axiom: Call, home: Path, session: Path, place: Path
) -> None:
    """It is named with its place; the rest is copied; exit 1."""
    bad = session.parent / f"2026-11-20-sim-{UID}"
    begin(bad).close()
    segment = bad / "000001.axj"
    segment.write_bytes(segment.read_bytes()[:-40])
    answer = axiom("backup", place, "--json")
    states = {row["session"]: row["state"] for row in answer.document["sessions"]}
    assert (answer.code, states) == (1, {session.name: "new", bad.name: "refused"})
    assert not (place / "desks/main/sessions" / bad.name).exists()
    told = axiom("backup", place)
    assert (told.code, "PROBLEM" in told.out) == (1, True)


def test_damage_of_the_backup_is_found_by_restore(
    axiom: Call, session: Path, place: Path, tmp_path: Path
) -> None:
    """No session comes back from changed bytes, and none is left half."""
    axiom("backup", place)
    sealed = place / "desks/main/sessions" / session.name / "000001.axs"
    data = bytearray(sealed.read_bytes())
    data[len(data) // 2] ^= 4
    sealed.write_bytes(data)
    answer = axiom("restore", place, "--home", tmp_path / "other", "--json")
    assert (answer.code, answer.document["sessions"][0]["state"]) == (1, "refused")
    assert axiom("sessions", "--home", tmp_path / "other", "--json").document[0]["state"] == (
        "missing"
    )


def test_a_ledger_with_another_history_stays(
    axiom: Call, home: Path, session: Path, place: Path
) -> None:
    """A backup of the desk whose ledger was replaced is a problem; nothing is rewritten."""
    axiom("backup", place)
    ledger = ledger_path(home, "main")
    ledger.unlink()
    before = ledger_path(place, "main").read_bytes()
    answer = axiom("backup", place, "--json")
    assert (answer.code, answer.document["ledger"]["state"]) == (1, "ahead")
    folder = session.parent / f"2026-11-20-sim-{UID}"
    begin(folder).close()
    close_session(folder, ledger)
    answer = axiom("backup", place)
    assert (answer.code, "another history" in answer.out) == (1, True)
    assert axiom("restore", place).code == 0
    assert ledger_path(place, "main").read_bytes() == before


def test_what_cannot_be_run_is_refused(
    axiom: Call, home: Path, session: Path, place: Path, tmp_path: Path
) -> None:
    """One line, exit 2, nothing made."""
    (tmp_path / "file").write_text("x")
    assert "home itself" in axiom("backup", home).refusal
    assert "not a folder" in axiom("backup", tmp_path / "file").refusal
    assert "no session 'nope'" in axiom("backup", place, "nope").refusal
    assert "nothing to back up" in axiom("backup", place, "--desk", "two").refusal
    assert "holds no backup" in axiom("restore", place).refusal
    assert not place.exists()
    axiom("backup", place)
    assert "--desk: main" in axiom("restore", place, "--desk", "two").refusal
    assert "did you mean" in axiom("restore", place, "--session", session.name[:-1]).refusal
    copy = shutil.copytree(session, tmp_path / "elsewhere" / session.name)
    assert "--home and --desk" in axiom("backup", place, copy).refusal
    with take_copy_lock(checked_desk(place, "main")):
        assert "JOURNAL_LOCKED" in axiom("backup", place).refusal
    shutil.move(place / "desks", tmp_path / "moved")
    (place / "desks").symlink_to(tmp_path / "moved")
    assert "PATH_UNSAFE" in axiom("backup", place).refusal
    assert "PATH_UNSAFE" in axiom("restore", place, "--home", tmp_path / "other").refusal

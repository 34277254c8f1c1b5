"""What the last engine left: locks, the ledger, the last session."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from cli.doctor import sessions
from cli.recorded import session_row
from journal.lock import take_desk_lock
from journal.session_folder import ledger_path
from tests.cli.conftest import only_session
from tests.cli.doctor.place import context


def test_the_desks_lock_is_looked_at_and_not_taken(tmp_path: Path) -> None:
    """Held is bad for LIVE, good to know otherwise; the look takes nothing and changes nothing."""
    assert sessions.desk_lock(context(tmp_path, live=True)).verdict == "ok"
    with take_desk_lock(tmp_path, "main"):
        assert sessions.desk_lock(context(tmp_path, live=True)).verdict == "bad"
        assert sessions.desk_lock(context(tmp_path)).verdict == "ok"
        assert sessions.desk_lock(context(tmp_path, desk="other", live=True)).verdict == "ok"
    assert sessions.desk_lock(context(tmp_path, live=True)).verdict == "ok"
    with take_desk_lock(tmp_path, "main"):
        pass


def test_a_sound_desk(home: Path) -> None:
    """One sealed session in its ledger; LIVE reads it through."""
    assert sessions.ledger(context(home)).sentence == "1 sessions in the ledger, none missing"
    assert sessions.last_session(context(home)).verdict == "ok"
    found = sessions.last_session(context(home, live=True))
    assert found.verdict == "ok"
    assert "entries verified" in found.sentence


def test_an_empty_desk(tmp_path: Path) -> None:
    """Nothing is there, and nothing is wrong."""
    assert sessions.ledger(context(tmp_path)).verdict == "ok"
    assert sessions.last_session(context(tmp_path, live=True)).verdict == "ok"


def test_a_missing_session_and_a_damaged_ledger(home: Path) -> None:
    """In the ledger and gone; then a changed byte."""
    folder = only_session(home)
    shutil.rmtree(folder)
    found = sessions.ledger(context(home))
    assert found.verdict == "bad"
    assert folder.name in found.sentence
    path = ledger_path(home, "main")
    path.write_bytes(path.read_bytes().replace(b"closed", b"cl0sed"))
    assert sessions.ledger(context(home)).verdict == "bad"


def test_a_changed_byte_of_the_last_session_stops_live(session: Path, home: Path) -> None:
    """Sealed and altered: only reading it through shows it."""
    segment = next(session.glob("*.axs"))
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    found = sessions.last_session(context(home, live=True))
    assert found.verdict == "bad"
    assert found.to_do == f"axiom verify {session.name}"


@pytest.mark.parametrize(
    ("state", "plain", "live"),
    [("crashed", "warn", "warn"), ("open", "warn", "warn"), ("running", "ok", "ok"),
     ("damaged", "bad", "bad"), ("closed", "warn", "ok"), ("sealed", "ok", "ok")],
)  # fmt: skip
def test_each_state_of_the_last_session(
    home: Path, monkeypatch: pytest.MonkeyPatch, state: str, plain: str, live: str
) -> None:
    """A crash is told with what the next start does about it; damage is bad."""
    row = session_row(only_session(home), "main")
    monkeypatch.setattr(sessions, "session_row", lambda *_: replace(row, state=state))
    assert sessions.last_session(context(home)).verdict == plain
    assert sessions.last_session(context(home, live=True)).verdict == live


def test_what_is_too_large_to_read_through_is_unknown(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LIVE takes that as bad, and the line says so."""
    monkeypatch.setattr(sessions, "VERIFY_BYTES_MAX", 10)
    assert sessions.last_session(context(home, live=True)).verdict is None

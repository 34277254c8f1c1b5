"""Names and folders of sessions, and the manifest in them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journal.errors import BadSessionName, JournalCorrupt
from journal.manifest import Manifest, describe_session, read_manifest, write_manifest
from journal.session_folder import (
    SessionName,
    desk_folder,
    ledger_of,
    ledger_path,
    make_session_folder,
    parse_session_name,
    sessions_folder,
)
from journal.verify import verify_session
from tests.journal.journals import UID, make_groups, write_session


def test_a_name_is_parsed_as_made() -> None:
    """str and parse are inverse; the first copy has no number."""
    for copy, text in ((1, ""), (2, "-2"), (31, "-31")):
        name = SessionName("2025-08-29", "backtest", UID, copy)
        assert str(name) == f"2025-08-29-backtest-{UID}{text}"
        assert parse_session_name(str(name)) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "..",
        "latest",
        "2025-08-29-backtest",
        f"2025-08-29-backtest-{UID}-1",
        f"2025-08-29-backtest-{UID}-0",
        f"2025-08-29-Backtest-{UID}",
        f"2025-08-29-backtest-{UID}/..",
        f"2025-08-29-backtest-{UID}\n",
        f"2025-8-29-backtest-{UID}",
    ],
)
def test_other_names_are_refused(name: str) -> None:
    """S02: a name that is no session never becomes a path."""
    with pytest.raises(BadSessionName):
        parse_session_name(name)


@settings(deadline=None)
@given(st.text(max_size=80))
def test_s02_a_desk_stays_in_its_home(desk: str) -> None:
    """S02: whatever the desk's name, its folder is a direct child of ``desks`` or it is refused."""
    home = Path("home").absolute()
    try:
        folder = desk_folder(home, desk)
    except BadSessionName:
        return
    assert folder.resolve().parent == home / "desks"


def test_folders_are_made_once_and_private(tmp_path: Path) -> None:
    """A second session with the same uid gets -2, a third -3; all are 0700."""
    parent = sessions_folder(tmp_path, "main")
    made = [make_session_folder(parent, day="2025-08-29", mode="paper", uid=UID) for _ in range(3)]
    assert [folder.name[-14:] for folder in made] == [f"r-{UID}", f"{UID}-2", f"{UID}-3"]
    assert {folder.stat().st_mode & 0o777 for folder in (parent, *made)} == {0o700}
    assert ledger_of(made[0]) == ledger_path(tmp_path, "main")
    with pytest.raises(BadSessionName):
        make_session_folder(parent, day="../2025", mode="paper", uid=UID)


def test_a_manifest_is_read_as_written(tmp_path: Path) -> None:
    """The manifest comes back, is replaced as a whole, and knows the process that made it."""
    assert read_manifest(tmp_path) is None
    manifest = describe_session(
        session="s", uid=UID, day="2025-08-29", mode="paper", program="axiom 1"
    )
    assert manifest.pid > 0
    assert manifest.created_ts > 1_700_000_000_000_000_000
    for _ in range(2):
        write_manifest(tmp_path, manifest)
        assert read_manifest(tmp_path) == manifest
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


def test_a_changed_manifest_shows(tmp_path: Path) -> None:
    """Any changed byte is refused by the reader and named by the verifier; so is another
    session's manifest."""
    folder = tmp_path / "s"
    write_session(folder, [make_groups([1, 2])])
    manifest = Manifest("s", UID, "2025-08-29", "paper", "axiom", "3", "x", "host", 1, 2)
    write_manifest(folder, manifest)
    assert verify_session(folder).ok
    path = folder / "manifest.json"
    whole = path.read_bytes()
    for at in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[at] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(JournalCorrupt):
            read_manifest(folder)
        assert [problem.code for problem in verify_session(folder).problems] == ["MANIFEST_CHANGED"]
    write_manifest(folder, Manifest("s", "f" * 12, "d", "m", "p", "3", "x", "host", 1, 2))
    assert not verify_session(folder).ok

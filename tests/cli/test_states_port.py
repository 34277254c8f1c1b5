"""The kept states of sessions: private files, replaced whole, only a few of them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from cli import states_port
from cli.states_port import FILES_KEPT, FOLDER_NAME, FileStates, own_release


def test_what_is_kept_is_found_again(tmp_path: Path) -> None:
    """The last one wins; another session's is another one."""
    states = FileStates(tmp_path / "home")
    assert states.load("one") is None
    states.keep("one", b"1")
    states.keep("one", b"2")
    states.keep("two", b"3")
    assert (states.load("one"), states.load("two")) == (b"2", b"3")


def test_files_are_private_from_the_first(tmp_path: Path) -> None:
    """0600 in 0700, whatever the umask, and nothing half-written is left beside them."""
    old = os.umask(0)
    try:
        FileStates(tmp_path / "home").keep("one", b"1")
    finally:
        os.umask(old)
    folder = tmp_path / "home" / FOLDER_NAME
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [path.name for path in folder.iterdir()] == ["one.state"]
    assert stat.S_IMODE((folder / "one.state").stat().st_mode) == 0o600


def test_only_the_newest_few_stay(tmp_path: Path) -> None:
    """A year of sessions does not fill the home."""
    states = FileStates(tmp_path)
    for number in range(FILES_KEPT + 3):
        states.keep(f"s{number:02}", b"x")
        os.utime(tmp_path / FOLDER_NAME / f"s{number:02}.state", ns=(0, number))
    states.keep("last", b"x")
    names = sorted(path.stem for path in (tmp_path / FOLDER_NAME).iterdir())
    assert len(names) == FILES_KEPT
    assert "last" in names
    assert "s00" not in names


def test_a_name_never_leads_elsewhere(tmp_path: Path) -> None:
    """Whatever a session is called, its file is in the folder."""
    FileStates(tmp_path / "home").keep("../../out", b"1")
    assert [path.name for path in (tmp_path / "home" / FOLDER_NAME).iterdir()] == ["out.state"]


def test_a_link_or_a_stranger_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another user put there is not read, nor what a link leads to."""
    states = FileStates(tmp_path)
    states.keep("one", b"1")
    (tmp_path / FOLDER_NAME / "two.state").symlink_to(tmp_path / FOLDER_NAME / "one.state")
    with pytest.raises(OSError, match="two"):
        states.load("two")
    monkeypatch.setattr(os, "getuid", lambda: 12_345_678)
    with pytest.raises(OSError, match="not what a screen of yours"):
        states.load("one")


def test_a_place_that_cannot_be_written_is_an_oserror(tmp_path: Path) -> None:
    """The screen goes on without."""
    (tmp_path / FOLDER_NAME).write_text("a file")
    with pytest.raises(OSError, match=FOLDER_NAME):
        FileStates(tmp_path).keep("one", b"1")


def test_the_release_is_of_the_folding_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same code is the same release; other rooms are another one."""
    assert own_release() == own_release()
    monkeypatch.setattr(states_port, "ROOMS", ("events",))
    assert own_release.__wrapped__() != own_release()

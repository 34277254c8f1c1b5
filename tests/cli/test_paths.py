"""Homes, desks and sessions: where a name leads, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from cli.errors import UserError
from cli.paths import (
    check_desk,
    latest_session,
    list_sessions,
    make_private,
    resolve_home,
    resolve_session,
    sessions_folder,
)
from journal.manifest import describe_session, write_manifest


def test_the_option_wins_over_the_variable_and_both_over_the_platform(tmp_path: Path) -> None:
    """``--home``, then AXIOM_HOME, then the user's data folder."""
    variable = {"AXIOM_HOME": str(tmp_path / "b")}
    assert resolve_home(str(tmp_path / "a"), variable) == tmp_path / "a"
    assert resolve_home(None, variable) == tmp_path / "b"
    assert resolve_home(None, {"AXIOM_HOME": ""}) == resolve_home(None, {})


def test_a_home_is_absolute_and_never_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative option is meant from here; the default does not move with the person."""
    monkeypatch.chdir(tmp_path)
    assert resolve_home("x/../y", {}) == tmp_path / "y"
    default = resolve_home(None, {})
    assert default.is_absolute()
    assert not default.is_relative_to(tmp_path)


def test_a_relative_variable_is_refused() -> None:
    """AXIOM_HOME=here would be another home in every folder."""
    with pytest.raises(UserError, match="absolute"):
        resolve_home(None, {"AXIOM_HOME": "here"})


@given(st.text(max_size=70))
def test_a_desk_id_is_exactly_what_the_rule_allows(text: str) -> None:
    """1 to 64 of a-z, 0-9 and '-'; anything else, a path above all, is refused."""
    allowed = set("abcdefghijklmnopqrstuvwxyz0123456789-")
    if 1 <= len(text) <= 64 and set(text) <= allowed:
        assert check_desk(text) == text
    else:
        with pytest.raises(UserError):
            check_desk(text)


@pytest.mark.parametrize("desk", ["", "..", "a/b", "Main", "main\n", "a" * 65])
def test_a_desk_that_is_no_id_is_refused(desk: str, tmp_path: Path) -> None:
    """The traps by name: nothing, a step up, a separator, a capital, a line break, too long."""
    with pytest.raises(UserError, match="not a desk id"):
        sessions_folder(tmp_path, desk)


def test_what_is_created_is_private_from_the_start(tmp_path: Path) -> None:
    """Every new folder on the way is 0700, whatever the umask; an old one is left as it was."""
    old = tmp_path / "old"
    old.mkdir(mode=0o755)
    before = os.umask(0o000)
    try:
        made = make_private(old / "home" / "desks")
    finally:
        os.umask(before)
    assert made.stat().st_mode & 0o777 == 0o700
    assert made.parent.stat().st_mode & 0o777 == 0o700
    assert old.stat().st_mode & 0o777 == 0o755
    assert make_private(made) == made


def test_a_file_in_the_way_of_a_home_is_named(tmp_path: Path) -> None:
    """Neither a file itself nor a place below one can be a home."""
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="not a folder"):
        make_private(tmp_path / "file")
    with pytest.raises(UserError, match="cannot create"):
        make_private(tmp_path / "file" / "home")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose desk ``main`` has three sessions; the middle one by name was begun last."""
    for age_s, name in ((300, "20250829-backtest-a"), (100, "20260105-sim-b"), (200, "2026-c")):
        folder = sessions_folder(tmp_path, "main") / name
        folder.mkdir(parents=True)
        for file, later_s in (("manifest.json", 0), ("000001.axs", 50)):
            (folder / file).touch()
            stamp = 1_000_000_000 - age_s + later_s
            os.utime(folder / file, (stamp, stamp))
    return tmp_path


def test_latest_is_the_session_begun_last(home: Path) -> None:
    """Not the greatest trading day, and not the one whose folder was touched last."""
    os.utime(sessions_folder(home, "main") / "2026-c")
    names = [folder.name for folder in list_sessions(home, "main")]
    assert names == ["20250829-backtest-a", "2026-c", "20260105-sim-b"]
    assert latest_session(home, "main").name == "20260105-sim-b"
    assert resolve_session(home, "main", "latest") == latest_session(home, "main")


def test_the_manifest_says_when_a_session_was_begun(home: Path) -> None:
    """A session copied here today keeps its own time; a damaged manifest falls back to the file."""
    first = sessions_folder(home, "main") / "20250829-backtest-a"
    made = describe_session(
        session=first.name, uid="0" * 12, day="2025-08-29", mode="backtest", program="axiom"
    )
    write_manifest(first, structs.replace(made, created_ts=2_000_000_000 * 10**9))
    assert latest_session(home, "main") == first
    write_manifest(first, structs.replace(made, created_ts=1))
    assert list_sessions(home, "main")[0] == first
    (first / "manifest.json").write_text("{}")
    (first / "000001.axs").unlink()
    assert latest_session(home, "main") == first  # written just now


def test_a_session_is_found_by_id_and_by_path(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An id is looked up in the desk; a path may lie anywhere and comes back absolute."""
    folder = sessions_folder(home, "main") / "2026-c"
    assert resolve_session(home, "main", "2026-c") == folder
    assert resolve_session(home, "other", str(folder)) == folder
    monkeypatch.chdir(folder)
    assert resolve_session(home, "other", ".") == folder
    monkeypatch.chdir(folder.parent)
    assert resolve_session(home, "other", "./2026-c") == folder


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("20250829-backtest-b", "did you mean 20250829-backtest-a"),
        ("zzz", "no session 'zzz'; 'axiom sessions' lists them"),
        ("", "no session ''"),
        ("no/where", "not there"),
    ],
)
def test_a_session_that_is_not_there_is_named(home: Path, name: str, said: str) -> None:
    """The line says what was looked for and what is like it."""
    with pytest.raises(UserError, match=said):
        resolve_session(home, "main", name)


def test_a_file_is_no_session(home: Path) -> None:
    """A path to a file is refused with what a session is."""
    file = sessions_folder(home, "main") / "2026-c" / "manifest.json"
    with pytest.raises(UserError, match="a file, not a session's folder"):
        resolve_session(home, "main", str(file))


def test_an_empty_desk_has_no_latest(tmp_path: Path) -> None:
    """The first thing a newcomer may try says what to do instead."""
    assert list_sessions(tmp_path, "main") == []
    with pytest.raises(UserError, match="try 'axiom demo'"):
        resolve_session(tmp_path, "main", "latest")

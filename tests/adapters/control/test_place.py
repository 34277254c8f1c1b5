"""Where an engine is reached: the same places for everybody who asks, and none that is not ours."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from adapters.control.place import (
    PATH_BYTES_MAX,
    PlaceUnsafe,
    check_folder,
    kill_files,
    login_of,
    make_folder,
    runtime_folders,
    socket_path,
)


def test_the_candidates_do_not_depend_on_the_environment_alone(tmp_path: Path) -> None:
    """An asker without the variable still looks where an engine without it would listen."""
    plain = runtime_folders(tmp_path, "main", {})
    named = runtime_folders(tmp_path, "main", {"XDG_RUNTIME_DIR": "/run/elsewhere"})
    assert named[1:] == plain
    assert named[0] == Path("/run/elsewhere/axiom") / plain[0].name
    assert runtime_folders(tmp_path, "main", {"XDG_RUNTIME_DIR": "relative"}) == plain
    uid = os.getuid()
    assert runtime_folders(tmp_path, "main", {"XDG_RUNTIME_DIR": f"/run/user/{uid}"}) == plain


def test_a_home_and_a_desk_have_a_place_of_their_own(tmp_path: Path) -> None:
    """By any name of the home; another desk or home is elsewhere."""
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "home")
    (tmp_path / "home").mkdir()
    first = runtime_folders(tmp_path / "home", "main", {})
    assert runtime_folders(link, "main", {}) == first
    assert not set(first) & set(runtime_folders(tmp_path / "home", "two", {}))
    assert not set(first) & set(runtime_folders(tmp_path, "main", {}))
    assert all(len(os.fsencode(socket_path(folder))) <= PATH_BYTES_MAX for folder in first)


def test_the_kill_file_is_looked_for_in_the_desk_and_beside_the_socket(tmp_path: Path) -> None:
    """The desk's folder first: it is the one that people know."""
    folders = runtime_folders(tmp_path, "main", {})
    files = kill_files(tmp_path, "main", folders)
    assert files[0] == tmp_path / "desks" / "main" / "KILL"
    assert files[1:] == tuple(folder / "KILL" for folder in folders)


def test_a_folder_is_made_private_whatever_the_umask(root: Path) -> None:
    """S06: 0700 from the start, also the one above it."""
    before = os.umask(0)
    try:
        folder = make_folder(root / "a" / "b")
    finally:
        os.umask(before)
    assert [oct(part.stat().st_mode & 0o777) for part in (folder, folder.parent)] == ["0o700"] * 2
    assert make_folder(folder) == folder


def test_what_is_not_ours_alone_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """S07: a folder open to others, a link, a file, another user's, a place that cannot be."""
    open_ = root / "open"
    open_.mkdir()
    open_.chmod(0o750)
    (root / "link").symlink_to(make_folder(root / "there"))
    (root / "file").touch()
    for name, said in (
        ("open", "chmod 700"), ("link", "not a folder"), ("file", "not a folder"),
        ("none", "cannot be looked at"),
    ):  # fmt: skip
        with pytest.raises(PlaceUnsafe, match=said):
            check_folder(root / name)
    with pytest.raises(PlaceUnsafe, match="cannot be made"):
        make_folder(root / "missing" / "a" / "b")
    other = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: other)
    with pytest.raises(PlaceUnsafe, match="belongs to"):
        check_folder(root / "there")


def test_a_socket_path_that_is_too_long_is_refused(tmp_path: Path) -> None:
    """By name, not by what the system would say later."""
    with pytest.raises(PlaceUnsafe, match="longer than"):
        socket_path(tmp_path / ("x" * PATH_BYTES_MAX))


def test_a_user_without_a_name_is_its_number() -> None:
    """An answer for every id."""
    assert login_of(os.getuid())
    assert login_of(2_147_483_000) == "uid-2147483000"

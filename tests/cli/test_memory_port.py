"""The screen's memory on files: private, whole, never in the way."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from cli.memory_port import EXPORTS_NAME, KEPT_NAME, FileMemory


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_was_kept_is_there_again(tmp_path: Path) -> None:
    """In a file of 0600, replaced whole."""
    memory = FileMemory(tmp_path / "home")
    assert memory.load() == {}
    memory.keep({"theme": "light"})
    memory.keep({"theme": "dark", "place": "blocked"})
    assert FileMemory(tmp_path / "home").load() == {"theme": "dark", "place": "blocked"}
    assert mode_of(tmp_path / "home" / KEPT_NAME) == 0o600
    assert mode_of(tmp_path / "home") == 0o700


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"a": 1}', b"\xff\x00", b"[" * 100_000])
def test_a_broken_file_is_said(tmp_path: Path, data: bytes) -> None:
    """Whatever stands in it: one reason, nothing raised, and the next keeping replaces it."""
    (tmp_path / KEPT_NAME).write_bytes(data)
    memory = FileMemory(tmp_path)
    assert list(memory.load()) == ["fault"]
    memory.keep({"a": "b"})
    assert memory.load() == {"a": "b"}


def test_an_export_never_overwrites(tmp_path: Path) -> None:
    """The same name twice gives two private files, and no name leads out of the folder."""
    memory = FileMemory(tmp_path)
    paths = [Path(memory.export(name, "text")) for name in ("a.csv", "a.csv", "../../a.csv")]
    assert [path.name for path in paths] == ["a.csv", "a-2.csv", "a-3.csv"]
    assert {path.parent for path in paths} == {tmp_path / EXPORTS_NAME}
    assert {mode_of(path) for path in paths} == {0o600}


def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """A file where the home should be: ``OSError``, as the screen expects it."""
    (tmp_path / "home").write_text("")
    with pytest.raises(OSError, match="home"):
        FileMemory(tmp_path / "home").export("a.csv", "")

"""F12: the day's list on disk: private, whole, never written over, found by its day."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from adapters.kite.dump_file import keep_dump, kept_dumps, latest_dump
from adapters.kite.instruments import DumpError
from engine.rulebook import ist_ns

DAY = 20261126


def test_the_newest_of_the_day_is_found(tmp_path: Path) -> None:
    """By its name, whatever the file's own time says; other names are nobody's."""
    keep_dump(tmp_path, b"old", ist_ns(20261125, "08:31"))
    first = keep_dump(tmp_path, b"first", ist_ns(DAY, "08:31:05"))
    second = keep_dump(tmp_path, b"second", ist_ns(DAY, "09:01"))
    os.utime(first.path, (2_000_000_000, 2_000_000_000))
    (tmp_path / "instruments-20261399-083100.csv").write_bytes(b"x")
    (tmp_path / "notes.txt").write_bytes(b"x")
    assert latest_dump(tmp_path, DAY) == second
    assert second.path.read_bytes() == b"second"
    assert [one.day for one in kept_dumps(tmp_path)] == [20261125, DAY, DAY]
    assert stat.S_IMODE(second.path.stat().st_mode) == 0o600


def test_a_day_without_a_list_is_told_with_the_newest(tmp_path: Path) -> None:
    """Also where there is no folder yet."""
    with pytest.raises(DumpError, match="no instruments of 20261126") as caught:
        latest_dump(tmp_path / "none", DAY)
    assert caught.value.fault == "FILE_OLD"
    keep_dump(tmp_path, b"old", ist_ns(20261125, "08:31"))
    with pytest.raises(DumpError, match="newest is of 20261125"):
        latest_dump(tmp_path, DAY)


def test_nothing_is_written_over_or_left_behind(tmp_path: Path) -> None:
    """A second list of the same second is refused, and the first stands."""
    keep_dump(tmp_path, b"first", ist_ns(DAY, "08:31"))
    with pytest.raises(FileExistsError):
        keep_dump(tmp_path, b"second", ist_ns(DAY, "08:31"))
    assert [p.name for p in tmp_path.iterdir()] == ["instruments-20261126-083100.csv"]
    assert latest_dump(tmp_path, DAY).path.read_bytes() == b"first"

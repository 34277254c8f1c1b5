"""F12: the day's list on disk: private, whole, never written over, found by its day."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from adapters.kite.dump_file import keep_dump, kept_dumps, latest_dump, read_kept, todays_dump
from adapters.kite.instruments import HEADER, DumpError
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


def _list(lot: int = 65) -> bytes:
    row = f"11421186,44614,NIFTY26D0122550CE,NIFTY,0,2026-12-01,22550,0.05,{lot},CE,NFO-OPT,NFO"
    return f"{','.join(HEADER)}\n{row}\n".encode()


class _Broker:
    """Gives lists in turn and counts how often it was asked."""

    def __init__(self, *lists: bytes) -> None:
        self.lists = list(lists)

    def __call__(self) -> bytes:
        return self.lists.pop(0)


def _today(folder: Path, broker: _Broker, day: int = DAY) -> int:
    dump = todays_dump(folder, day, ("NIFTY",), lambda: ist_ns(day, "08:31"), broker)
    return dump.rows[0].lot_units


def test_the_day_is_fetched_once(tmp_path: Path) -> None:
    """Then it is the kept one, whatever the broker would give; another day is fetched anew."""
    assert _today(tmp_path, _Broker(_list(65))) == 65
    assert _today(tmp_path, _Broker()) == 65
    assert read_kept(tmp_path, DAY, ("NIFTY",)).rows[0].lot_units == 65
    assert _today(tmp_path, _Broker(_list(75)), 20261127) == 75
    assert [one.day for one in kept_dumps(tmp_path)] == [DAY, 20261127]


def test_a_refused_list_is_not_kept(tmp_path: Path) -> None:
    """At fault, or byte for byte yesterday's: nothing is kept, and the next try fetches again."""
    assert _today(tmp_path, _Broker(_list(65))) == 65
    for data, fault in ((_list(0), "ROWS"), (_list(65), "FILE_OLD")):
        with pytest.raises(DumpError) as caught:
            _today(tmp_path, _Broker(data), 20261127)
        assert caught.value.fault == fault
    assert [one.day for one in kept_dumps(tmp_path)] == [DAY]
    assert _today(tmp_path, _Broker(_list(70)), 20261127) == 70


def test_a_damaged_old_list_refuses_no_new_one(tmp_path: Path) -> None:
    """It cannot be compared; what is of today is judged by itself."""
    keep_dump(tmp_path, b"\x1f\x8bnot gzip", ist_ns(20261125, "08:31"))
    assert _today(tmp_path, _Broker(_list(65))) == 65

"""The machine's checks: Python, libraries, rooms, the home, the disk."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from cli.doctor import machine
from tests.cli.doctor.place import context


class Usage(NamedTuple):
    """What the operating system says of a disk."""

    total: int
    used: int
    free: int


@pytest.mark.parametrize(
    ("version", "verdict"),
    [((3, 10, 9), "bad"), ((3, 11, 0), "ok"), ((3, 13, 1), "ok"), ((3, 14, 0), "warn")],
)
def test_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int], verdict: str
) -> None:
    """Older than the least is bad; newer than any that replayed a golden is warned of."""
    monkeypatch.setattr(machine.sys, "version_info", version)  # type: ignore[attr-defined]
    assert machine.python(context(tmp_path)).verdict == verdict


def test_libraries_are_compared_with_the_lock(tmp_path: Path) -> None:
    """As locked; another version; no lock file. What is locked for other platforms is no fault."""
    assert machine.libraries(context(tmp_path)).verdict == "ok"
    lock = tmp_path / "locks" / "run.txt"
    assert machine.libraries(context(tmp_path, root=tmp_path)).verdict is None
    lock.parent.mkdir()
    lock.write_text("msgspec==0.0.1 \\\n    --hash=sha256:00\nnever-heard-of==1.0 ; os == 'x' \\\n")
    found = machine.libraries(context(tmp_path, root=tmp_path))
    assert found.verdict == "bad"
    assert "is not 0.0.1" in found.sentence
    assert "never" not in found.sentence


def test_rooms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An intruder is named."""
    assert machine.rooms(context(tmp_path)).verdict == "ok"
    monkeypatch.setattr(machine, "find_intruder", lambda: "journal comes from elsewhere")
    assert machine.rooms(context(tmp_path)).verdict == "bad"


def test_home_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing is warned of; open to others is bad down to the desk; so is another owner's."""
    place = tmp_path / "home"
    assert machine.home(context(place)).verdict == "warn"
    desk = place / "desks" / "main"
    desk.mkdir(parents=True)
    for folder in (place, place / "desks", desk):
        folder.chmod(0o700)
    assert machine.home(context(place)).verdict == "ok"
    for folder in (place, place / "desks", desk):
        folder.chmod(0o750)
        found = machine.home(context(place))
        assert found.verdict == "bad"
        assert found.to_do == f"chmod 700 {folder}"
        folder.chmod(0o700)
    monkeypatch.setattr(machine.os, "geteuid", lambda: 4_711)  # type: ignore[attr-defined]
    assert "belongs to user" in machine.home(context(place)).sentence


def test_disk_with_the_days_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the desk's largest day; under two days or a gibibyte is bad, under ten is warned of."""
    free = [10 * machine.GIB]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, free[0]))
    assert "no session yet" in machine.disk(context(tmp_path)).sentence
    sessions = tmp_path / "desks" / "main" / "sessions"
    for day, name, size in (
        ("2026-08-10", "a" * 12, 100), ("2026-08-10", "b" * 12, 900), ("2026-08-07", "c" * 12, 5),
    ):  # fmt: skip
        folder = sessions / f"{day}-sim-{name}"
        folder.mkdir(parents=True)
        (folder / "000001.axj").write_bytes(b"x" * size)
    found = machine.disk(context(tmp_path))
    assert found.verdict == "ok"
    assert f"{free[0] // 1000} days" in found.sentence
    for gib, day_gib, verdict in ((0.9, 0.0, "bad"), (5, 3, "bad"), (7, 1, "warn"), (30, 1, "ok")):
        free[0] = int(gib * machine.GIB)
        monkeypatch.setattr(
            machine, "_bytes_of_a_day", lambda _, size=day_gib: (int(size * machine.GIB), 1)
        )
        assert machine.disk(context(tmp_path)).verdict == verdict

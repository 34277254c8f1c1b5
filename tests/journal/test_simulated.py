"""The simulated disk: what a sync keeps, what a crash may take, what each fault does."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from journal.files import OS_FILES, Files
from journal.simulated import APPLIES, DiskGone, Fault, Mode, SimulatedDisk, SimulatedFiles

FOLDER = Path("/disk/a")


def new(fault: Fault | None = None, sector: int = 4) -> SimulatedFiles:
    """A disk with an empty, durable folder; steps count from there."""
    disk = SimulatedDisk(sector_bytes=sector)
    SimulatedFiles(disk).make_folder(FOLDER)
    return SimulatedFiles(disk, fault)


def contents(disk: SimulatedDisk) -> dict[str, bytes]:
    return {name: bytes(n.cached) for name, n in disk.find(FOLDER).cached_names.items()}


def survivors(files: SimulatedFiles) -> list[dict[str, bytes]]:
    return [contents(disk) for disk in files.disk.survivors()]


def script(files: Files, folder: Path) -> list[object]:
    """Every verb once; what each answered. The real disk must give the same."""
    answers: list[object] = []
    files.make_folder(folder / "b" / "c")
    handle = files.open(folder / "b" / "f", "create")
    files.write(handle, 2, b"hello world")
    files.truncate(handle, 9)
    files.allocate(handle, 12)
    files.allocate(handle, 3)
    files.sync(handle)
    answers += [files.size(handle), files.read(handle, 0, 100), files.read(handle, 20, 5)]
    lock = files.open(folder / "l", "lock")
    again = files.open(folder / "l", "lock")
    answers += [files.lock(lock), files.lock(again)]
    files.unlock(lock)
    answers += [files.lock(again)]
    files.rename(folder / "b" / "f", folder / "b" / "g")
    files.sync_dir(folder / "b")
    answers += [files.names(folder / "b"), files.mode(folder / "b"), files.mode(folder / "l")]
    files.unlink(folder / "b" / "g")
    answers += [files.names(folder / "b"), files.free_space(folder) > 0]
    for path, how in (("x", "read"), ("x", "edit"), ("l", "create"), ("b", "read")):
        with pytest.raises(OSError) as caught:
            files.open(folder / path, how)  # type: ignore[arg-type]
        answers.append(caught.value.errno)
    for exclusive in (False, True):
        with pytest.raises(FileExistsError):
            files.make_folder(folder / "l", exclusive=exclusive)
    for each in (handle, lock, again):
        files.close(each)
    return answers


def test_it_answers_as_the_real_disk_does(tmp_path: Path) -> None:
    """Both implementations of the port give the same answers to the same calls."""
    assert script(new(), FOLDER) == script(OS_FILES, tmp_path)


def test_what_is_synced_survives_and_what_is_not_may() -> None:
    """A synced file in a synced folder is in every survivor; unsynced bytes come back sector by
    sector in any combination, or as zeros behind a size that came first; an unsynced name may
    be gone with everything in it."""
    files = new()
    handle = files.open(FOLDER / "f", "create")
    files.write(handle, 0, b"aaaa")
    files.sync(handle)
    assert sorted(map(str, survivors(files))) == ["{'f': b'aaaa'}", "{}"]
    files.sync_dir(FOLDER)
    assert survivors(files) == [{"f": b"aaaa"}]
    files.write(handle, 4, b"bbbbcccc")
    left = {found["f"] for found in survivors(files)}
    assert left == {
        b"aaaa",
        b"aaaabbbb",
        b"aaaa\0\0\0\0cccc",
        b"aaaabbbbcccc",
        b"aaaabbbb\0\0\0\0",
        b"aaaa" + bytes(8),
    }
    assert contents(files.disk.everything()) == {"f": b"aaaabbbbcccc"}


def test_a_sector_is_old_or_new() -> None:
    """Two writes into one sector: it is as it was, as after the first, or as after both."""
    files = new()
    handle = files.open(FOLDER / "f", "create")
    files.sync_dir(FOLDER)
    files.write(handle, 0, b"....")
    files.sync(handle)
    files.write(handle, 0, b"1")
    files.write(handle, 1, b"2")
    assert {found["f"] for found in survivors(files)} == {b"....", b"1...", b"12.."}


def test_names_come_and_go_as_a_whole() -> None:
    """A rename happened or did not; the target is never half of each."""
    files = new()
    for name, data in (("old", b"1"), ("new", b"2")):
        handle = files.open(FOLDER / name, "create")
        files.write(handle, 0, data)
        files.sync(handle)
    files.sync_dir(FOLDER)
    files.rename(FOLDER / "new", FOLDER / "old")
    assert survivors(files) == [{"old": b"1", "new": b"2"}, {"old": b"2"}]
    files.sync_dir(FOLDER)
    files.unlink(FOLDER / "old")
    assert survivors(files) == [{"old": b"2"}, {}]


def test_j07_a_failed_sync_forgets() -> None:
    """J07: after a failed sync the bytes still read, the next sync succeeds and writes none of
    them; only writing them again does."""
    files = new(Fault(3, Mode.EIO))
    handle = files.open(FOLDER / "f", "create")
    files.sync_dir(FOLDER)
    files.write(handle, 0, b"data")
    with pytest.raises(OSError, match="Input/output"):
        files.sync(handle)
    files.sync(handle)
    assert files.read(handle, 0, 4) == b"data"
    assert {found["f"] for found in survivors(files)} == {b"", bytes(4), b"data"}
    files.write(handle, 0, b"data")
    files.sync(handle)
    assert survivors(files) == [{"f": b"data"}] * len(survivors(files))


def test_the_faults_do_what_they_are_called() -> None:
    """A crash ends everything; no space and an error take half of a write; a short one is
    continued; a slow one tells."""
    for mode in (Mode.EIO, Mode.ENOSPC):
        files = new(Fault(1, mode))
        handle = files.open(FOLDER / "f", "create")
        with pytest.raises(OSError) as caught:
            files.write(handle, 0, b"12345678")
        assert caught.value.errno == {Mode.EIO: errno.EIO, Mode.ENOSPC: errno.ENOSPC}[mode]
        assert contents(files.disk) == {"f": b"1234"}
    files = new(Fault(1, Mode.CRASH))
    handle = files.open(FOLDER / "f", "create")
    for _ in range(2):
        with pytest.raises(DiskGone):
            files.write(handle, 0, b"1234")
    with pytest.raises(DiskGone):
        files.names(FOLDER)
    files = new(Fault(1, Mode.SHORT))
    handle = files.open(FOLDER / "f", "create")
    files.write(handle, 0, b"12345678")
    assert contents(files.disk) == {"f": b"12345678"}
    assert [step.verb for step in files.steps] == ["create", "write", "write"]
    slow: list[int] = []
    disk = SimulatedDisk()
    SimulatedFiles(disk).make_folder(FOLDER)
    files = SimulatedFiles(
        disk, Fault(1, Mode.SLOW), while_slow=lambda step: slow.append(step.number)
    )
    files.sync(files.open(FOLDER / "f", "create"))
    assert slow == [1]
    assert set(APPLIES) == set(Mode)


def test_a_full_disk_takes_what_fits() -> None:
    """With a capacity a write takes what fits and then refuses; what is allocated stays usable,
    and removing a file makes room."""
    files = new()
    files.disk.capacity_bytes = 20
    reserve = files.open(FOLDER / "reserve", "create")
    files.allocate(reserve, 8)
    handle = files.open(FOLDER / "f", "create")
    with pytest.raises(OSError, match="No space"):
        files.write(handle, 0, b"x" * 16)
    assert files.size(handle) == 12
    assert files.free_space(FOLDER) == 0
    files.write(reserve, 0, b"r" * 8)
    with pytest.raises(OSError, match="No space"):
        files.allocate(reserve, 9)
    files.unlink(FOLDER / "f")
    files.write(reserve, 8, b"r" * 8)
    assert files.free_space(FOLDER) == 4


def test_many_changes_are_sampled_and_few_are_not() -> None:
    """Up to six changes every combination is a survivor; of many, hundreds are tried, none twice,
    and always nothing, everything and each sector missing alone."""
    files = new()
    handle = files.open(FOLDER / "f", "create")
    files.sync_dir(FOLDER)
    files.allocate(handle, 400)
    files.sync(handle)
    files.write(handle, 0, b"x" * 24)
    assert len({found["f"] for found in survivors(files)}) == 64
    files.write(handle, 24, b"x" * 376)
    left = [found["f"] for found in survivors(files)]
    assert len(left) == len(set(left)) > 400
    whole = b"x" * 400
    holes = {whole[:at] + bytes(4) + whole[at + 4 :] for at in range(0, 400, 4)}
    assert {bytes(400), whole} | holes <= set(left)

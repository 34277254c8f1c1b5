"""The real disk behind the port: whole writes, whole reads, locks, private folders."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from journal.errors import JournalLocked
from journal.files import OS_FILES
from journal.lock import FileLock


def test_j06_short_writes_and_reads_are_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """J06: a disk that takes or gives half of what is asked still moves every byte, once."""
    pwrite, pread = os.pwrite, os.pread
    monkeypatch.setattr(os, "pwrite", lambda h, d, o: pwrite(h, bytes(d)[: len(d) // 2 + 1], o))
    monkeypatch.setattr(os, "pread", lambda h, n, o: pread(h, n // 2 + 1, o))
    handle = OS_FILES.open(tmp_path / "f", "create")
    data = bytes(range(256)) * 5
    OS_FILES.write(handle, 3, data)
    assert OS_FILES.read(handle, 3, len(data)) == data
    assert OS_FILES.read(handle, 0, 5000) == bytes(3) + data
    assert OS_FILES.size(handle) == len(data) + 3
    OS_FILES.close(handle)


def test_j06_a_disk_that_takes_nothing_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """J06: no bytes taken, again and again, is a failure and not an endless loop."""
    monkeypatch.setattr(os, "pwrite", lambda h, d, o: 0)
    handle = OS_FILES.open(tmp_path / "f", "create")
    with pytest.raises(OSError, match="no bytes"):
        OS_FILES.write(handle, 0, b"abc")
    OS_FILES.close(handle)


def test_verbs(tmp_path: Path) -> None:
    """Create refuses an existing file, rename replaces, names are sorted, folders are made once."""
    handle = OS_FILES.open(tmp_path / "b", "create")
    OS_FILES.write(handle, 0, b"12345")
    OS_FILES.truncate(handle, 3)
    OS_FILES.sync(handle)
    OS_FILES.close(handle)
    with pytest.raises(FileExistsError):
        OS_FILES.open(tmp_path / "b", "create")
    OS_FILES.rename(tmp_path / "b", tmp_path / "a")
    OS_FILES.make_folder(tmp_path / "c" / "d")
    OS_FILES.make_folder(tmp_path / "c" / "d")
    with pytest.raises(FileExistsError):
        OS_FILES.make_folder(tmp_path / "c" / "d", exclusive=True)
    with pytest.raises(FileExistsError):
        OS_FILES.make_folder(tmp_path / "a")
    OS_FILES.sync_dir(tmp_path)
    assert OS_FILES.names(tmp_path) == ("a", "c")
    assert (tmp_path / "a").read_bytes() == b"123"
    assert OS_FILES.free_space(tmp_path) > 0
    OS_FILES.unlink(tmp_path / "a")
    assert OS_FILES.names(tmp_path) == ("c",)


def test_a_lock_has_one_holder(tmp_path: Path) -> None:
    """A second take is refused with the pid, in the same process too; after release it is free;
    a stale file without a holder is no lock."""
    path = tmp_path / "lock"
    path.write_text("99999\n")
    with FileLock.take(path):
        with pytest.raises(JournalLocked, match=str(os.getpid())):
            FileLock.take(path)
        assert path.read_text() == f"{os.getpid()}\n"
    assert path.read_text() == ""
    lock = FileLock.take(path)
    lock.release()
    lock.release()

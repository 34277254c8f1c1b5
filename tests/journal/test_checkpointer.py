"""The checkpointer: never in the way, whatever its disk does, and what is dropped is counted."""

from __future__ import annotations

import errno
import functools
import threading
from pathlib import Path

import pytest

from journal.checkpointer import WAITING_MAX, Checkpointer, Counts
from journal.checkpoints import CHECKPOINTS_NAME, FILE_BYTES, CheckpointKey, newest_checkpoint
from journal.files import OsFiles
from journal.writer import JournalWriter
from tests.journal.journals import UID, chain_of, flat, make_groups

KEY = CheckpointKey(UID, "c" * 64, "d" * 64)
GROUPS = make_groups([3] * 40)
ENTRIES = flat(GROUPS)
DEADLINE_S = 60


class SlowDisk(OsFiles):
    """A disk that takes a checkpoint only once it is let."""

    def __init__(self) -> None:
        self.asked, self.may = threading.Event(), threading.Event()

    def write(self, handle: int, offset: int, data: bytes | memoryview) -> None:
        if offset >= FILE_BYTES:
            self.asked.set()
            assert self.may.wait(DEADLINE_S)
        super().write(handle, offset, data)


class FullDisk(OsFiles):
    """A disk that takes nothing from the ``last``-th write on."""

    def __init__(self, last: int) -> None:
        self.left = last

    def write(self, handle: int, offset: int, data: bytes | memoryview) -> None:
        self.left -= 1
        if self.left < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().write(handle, offset, data)


def state_of(seq: int) -> bytes:
    return b"%08d" % seq


def newest(folder: Path, seq: int | None = None) -> tuple[int, bytes | None]:
    found = newest_checkpoint(folder, KEY, lambda _, data: data, seq=seq)
    assert found.discarded == ()
    return found.seq, found.state


def offer(checkpointer: Checkpointer, seq: int) -> None:
    checkpointer.offer(seq, seq, chain_of(ENTRIES[:seq]), lambda: state_of(seq))


def test_what_the_writer_hashed_is_found_again(tmp_path: Path) -> None:
    """The journal's writer tells the chain at the end of the group, batched however it likes."""
    with (
        JournalWriter.create(tmp_path / "s", UID) as writer,
        Checkpointer(tmp_path / "s", KEY) as checkpointer,
    ):
        told: list[tuple[int, bytes]] = []

        def tell(seq: int, chain: bytes) -> None:
            told.append((seq, chain))

        for place, group in enumerate(GROUPS):
            writer.append(group, tell if place % 4 == 0 else None)
        writer.close()
        assert told == [(s, chain_of(ENTRIES[:s])) for s in range(3, 120, 12)]
        assert len(told) <= WAITING_MAX
        for seq, chain in told:
            checkpointer.offer(seq, seq, chain, functools.partial(state_of, seq))
    assert checkpointer.counts == Counts(len(told), 0, None)
    for seq, _ in told:
        assert newest(tmp_path / "s", seq) == (seq, state_of(seq))


def test_a_slow_disk_is_not_waited_for(tmp_path: Path) -> None:
    """While the disk holds one, a few wait and the others are dropped and counted; ``offer`` has
    returned from all of them before the disk moves."""
    disk = SlowDisk()
    with JournalWriter.create(tmp_path / "s", UID) as writer:
        for group in GROUPS:
            writer.append(group)
    with Checkpointer(tmp_path / "s", KEY, files=disk) as checkpointer:
        offer(checkpointer, 3)
        assert disk.asked.wait(DEADLINE_S)
        for seq in range(6, 121, 3):
            offer(checkpointer, seq)
        dropped = len(range(6, 121, 3)) - WAITING_MAX
        assert dropped > 0
        assert checkpointer.counts == Counts(0, dropped, None)
        disk.may.set()
    assert checkpointer.counts == Counts(1 + WAITING_MAX, dropped, None)
    assert newest(tmp_path / "s") == (3 + 3 * WAITING_MAX, state_of(3 + 3 * WAITING_MAX))


@pytest.mark.parametrize("last", [0, 1, 2])
def test_a_full_disk_ends_the_checkpoints_alone(tmp_path: Path, last: int) -> None:
    """J07: a refused write, of the file's header too, is kept and said; the rest is dropped, and
    what was written before stays good."""
    with JournalWriter.create(tmp_path / "s", UID) as writer:
        for group in GROUPS:
            writer.append(group)
    with Checkpointer(tmp_path / "s", KEY, files=FullDisk(last)) as checkpointer:
        for seq in (3, 6, 9):
            offer(checkpointer, seq)
    written = max(last - 1, 0)
    failure = f"[Errno {errno.ENOSPC}] No space left on device"
    assert checkpointer.counts == Counts(written, 3 - written, failure)
    checkpointer.check()
    found = newest_checkpoint(tmp_path / "s", KEY, lambda _, data: data)
    assert found.seq == 3 * written


def test_a_state_without_bytes_is_told_to_who_asks(tmp_path: Path) -> None:
    """The fault is the program's: it is kept, and the others are still written."""

    def refuse() -> bytes:
        raise ValueError("a float that is an int")

    with JournalWriter.create(tmp_path / "s", UID) as writer:
        for group in GROUPS:
            writer.append(group)
    with Checkpointer(tmp_path / "s", KEY) as checkpointer:
        checkpointer.offer(3, 3, chain_of(ENTRIES[:3]), refuse)
        offer(checkpointer, 6)
    with pytest.raises(ValueError, match="a float that is an int"):
        checkpointer.check()
    assert checkpointer.counts == Counts(1, 1, None)
    assert newest(tmp_path / "s") == (6, state_of(6))


def test_closing_twice_is_closing(tmp_path: Path) -> None:
    """And a session without a checkpoint has a file without a record."""
    checkpointer = Checkpointer(tmp_path, KEY)
    checkpointer.close()
    checkpointer.close()
    assert (tmp_path / CHECKPOINTS_NAME).stat().st_size == FILE_BYTES

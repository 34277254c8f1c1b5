"""One engine for a desk, one for a broker account; the kernel lets go when the holder dies."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest

from journal.errors import BadSessionName, JournalLocked, WriteFailed
from journal.lock import FileLock, take_account_lock, take_desk_lock
from tests.journal.journals import FastFiles

ROOT = Path(__file__).resolve().parents[2]

HOLDER = """
import sys
from pathlib import Path
from journal.lock import take_desk_lock
lock = take_desk_lock(Path(sys.argv[1]), "main")
print("held", flush=True)
sys.stdin.read()
"""


def start_holder(home: Path) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        (sys.executable, "-P", "-c", HOLDER, str(home)),
        env={"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    return child


def try_to_take(home: Path) -> str:
    """What a spawned child is told when it asks for the desk."""
    try:
        take_desk_lock(home, "main").release()
    except JournalLocked as error:
        return str(error)
    return "taken"


def test_j11_one_engine_a_desk(tmp_path: Path) -> None:
    """J11: a second engine of the same desk is refused with the holder's pid, in this process and
    in a spawned one; another desk is free; after release the desk is free."""
    with take_desk_lock(tmp_path, "main") as lock:
        with pytest.raises(JournalLocked, match=f"JOURNAL_LOCKED.*process {os.getpid()} "):
            take_desk_lock(tmp_path, "main")
        take_desk_lock(tmp_path, "other").release()
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            assert f"process {os.getpid()} " in pool.apply(try_to_take, (tmp_path,))
        lock.release()
        assert try_to_take(tmp_path) == "taken"


def test_j11_one_sender_an_account(tmp_path: Path) -> None:
    """J11: in LIVE an account has one engine, whatever the desk: one lock in its folder; a desk's
    name cannot leave the home."""
    with take_account_lock(tmp_path / "ab1234"):
        with pytest.raises(JournalLocked):
            take_account_lock(tmp_path / "ab1234")
        take_account_lock(tmp_path / "xy9876").release()
    with pytest.raises(BadSessionName):
        take_desk_lock(tmp_path, "../main")


def test_j11_a_dead_holder_holds_nothing(tmp_path: Path) -> None:
    """J11: while another process holds the desk it is refused; after kill -9 it is free, though
    the file still names the dead."""
    with start_holder(tmp_path) as child:
        assert f"process {child.pid} " in try_to_take(tmp_path)
        child.kill()
    assert str(child.pid) in (tmp_path / "desks" / "main" / "desk.lock").read_text()
    assert try_to_take(tmp_path) == "taken"


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_j11_a_forked_child_keeps_nothing(tmp_path: Path) -> None:
    """J11: children are spawned, never forked; one that is forked all the same does not keep the
    desk after its parent let go."""
    lock = take_desk_lock(tmp_path, "main")
    release, hold = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover (another process)
        os.close(hold)
        os.read(release, 1)
        os._exit(0)
    os.close(release)
    lock.forget()  # as a death would: no unlock, only the descriptor goes
    try:
        # The child closes its copy as it begins: a moment later, not at once.
        with FileLock.take(lock.path, wait=True):
            pass
    finally:
        os.close(hold)
        os.waitpid(child, 0)


def test_a_lock_that_cannot_open_is_named(tmp_path: Path) -> None:
    """A folder, or a pipe, under the lock's name refuses by name instead of waiting."""
    (tmp_path / "desks" / "main" / "desk.lock").mkdir(parents=True)
    with pytest.raises(WriteFailed):
        take_desk_lock(tmp_path, "main")
    (tmp_path / "desks" / "pipe").mkdir()
    os.mkfifo(tmp_path / "desks" / "pipe" / "desk.lock")
    with pytest.raises(WriteFailed, match="not a regular file"):
        take_desk_lock(tmp_path, "pipe")


def test_j05_a_full_disk_does_not_hold_the_lock_back(tmp_path: Path) -> None:
    """J05: the pid is only for a message: without space for it the lock is taken all the same."""

    class Full(FastFiles):
        def write(self, handle: int, offset: int, data: bytes | memoryview) -> None:
            raise OSError(28, "No space left on device")

    lock = take_desk_lock(tmp_path, "main", files=Full())
    with pytest.raises(JournalLocked, match="process unknown"):
        take_desk_lock(tmp_path, "main")
    lock.release()

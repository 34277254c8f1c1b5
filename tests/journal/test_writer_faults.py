"""The writer when the disk, the process or a caller fails: loudly, once, and nothing is lost."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from journal.block import HEADER_BYTES
from journal.errors import (
    EntryTooLarge,
    JournalError,
    JournalExists,
    JournalForked,
    JournalFull,
    JournalLocked,
    JournalMissing,
    SequenceGap,
    SyncFailed,
    UnsafePermissions,
    WriteFailed,
    WriterFailed,
)
from journal.files import OsFiles
from journal.log import WriterOptions
from journal.reader import JournalReader
from journal.writer import JournalWriter
from tests.journal.journals import UID, chain_of, flat, make_group, make_groups, read_all

ROOT = Path(__file__).resolve().parents[2]


class FaultyFiles(OsFiles):
    """The real disk until ``verb`` has been called ``after`` times; then every call fails."""

    def __init__(self, verb: str, after: int, number: int) -> None:
        self.verb, self.left, self.number = verb, after, number
        self.failures = 0

    def _count(self, verb: str) -> None:
        if verb == self.verb:
            self.left -= 1
            if self.left < 0:
                self.failures += 1
                raise OSError(self.number, os.strerror(self.number))

    def sync(self, handle: int) -> None:
        self._count("sync")
        super().sync(handle)

    def write(self, handle: int, offset: int, data: bytes | memoryview) -> None:
        self._count("write")
        super().write(handle, offset, data)

    def open(self, path: Path, how: str) -> int:
        if how == "create":
            self._count("create")
        return super().open(path, how)  # type: ignore[arg-type]


class GatedFiles(OsFiles):
    """Syncs wait for a gate."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.waiting = threading.Event()

    def sync(self, handle: int) -> None:
        self.waiting.set()
        self.gate.wait(10)
        super().sync(handle)


def say_until_it_fails(writer: JournalWriter) -> tuple[int, JournalError]:
    """(last seq that was acknowledged, the refusal that followed)."""
    for seq in range(1, 100):
        try:
            writer.append(make_group(seq, 1))
            assert writer.wait_durable(seq, 60)
        except JournalError as error:
            return seq - 1, error
    raise AssertionError("the disk never failed")


def test_j07_a_failed_sync_is_fatal_and_never_retried(tmp_path: Path) -> None:
    """J07: after the sync fails once, every call refuses with JOURNAL_SYNC_FAILED, no second sync
    is tried, and the next opening has all that was acknowledged before."""
    files = FaultyFiles("sync", 3, errno.EIO)
    writer = JournalWriter.create(tmp_path / "s", UID, files=files)
    durable, failure = say_until_it_fails(writer)
    seq = durable + 1
    assert isinstance(failure, SyncFailed)
    assert str(failure).startswith("JOURNAL_SYNC_FAILED")
    assert durable >= 1
    assert writer.durable_seq == durable
    assert writer.wait_durable(durable)
    for call in (
        lambda: writer.append(make_group(seq + 1, 1)),
        lambda: writer.wait_durable(seq),
        lambda: writer.head_hash,
        writer.close,
        writer.close,
    ):
        with pytest.raises(SyncFailed):
            call()
    assert files.failures == 1
    resumed, tail = JournalWriter.resume(tmp_path / "s")
    assert tail.head_seq >= durable
    resumed.close()


@pytest.mark.parametrize(
    ("verb", "number", "kind"),
    [
        ("write", errno.ENOSPC, JournalFull),
        ("write", errno.EDQUOT, JournalFull),
        ("write", errno.EIO, WriteFailed),
        ("create", errno.ENOSPC, JournalFull),
    ],
)
def test_j05_a_full_or_failing_disk_is_named(
    tmp_path: Path, verb: str, number: int, kind: type[JournalError]
) -> None:
    """J05: no space on a write or on a new segment ends the writer by name; with space again the
    session goes on from what was acknowledged."""
    options = WriterOptions(segment_size_bytes=100)
    writer = JournalWriter.create(
        tmp_path / "s", UID, options=options, files=FaultyFiles(verb, 9, number)
    )
    durable, failure = say_until_it_fails(writer)
    assert type(failure) is kind
    with pytest.raises(kind):
        writer.close()
    resumed, tail = JournalWriter.resume(tmp_path / "s", options=options)
    assert tail.head_seq >= durable
    resumed.append(make_group(tail.head_seq + 1, 1))
    resumed.close()
    assert len(read_all(tmp_path / "s")) == tail.head_seq + 1


def test_a_failure_while_making_the_journal_is_named(tmp_path: Path) -> None:
    """A disk that is full at the first file refuses by name and leaves no lock behind."""
    for verb, after in (("write", 0), ("write", 1), ("create", 0), ("create", 1), ("sync", 0)):
        folder = tmp_path / f"{verb}{after}"
        with pytest.raises(WriteFailed):
            JournalWriter.create(folder, UID, files=FaultyFiles(verb, after, errno.ENOSPC))
        with pytest.raises((JournalExists, JournalMissing)):
            JournalWriter.resume(folder)


def test_a_mistake_of_ours_is_not_hidden(tmp_path: Path) -> None:
    """An exception that is not the disk's ends the writer with its name and cause."""

    class Broken(OsFiles):
        def sync(self, handle: int) -> None:
            raise ZeroDivisionError("a programming error")

    writer = JournalWriter.create(tmp_path / "s", UID)
    writer._log._files = Broken()
    writer.append(make_group(1, 1))
    with pytest.raises(WriterFailed, match="ZeroDivisionError") as caught:
        writer.wait_durable(1, 60)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    with pytest.raises(WriterFailed):
        writer.close()


def test_j19_a_full_backlog_waits_and_loses_nothing(tmp_path: Path) -> None:
    """J19: while the disk stands still ``append`` waits at the limit (so memory is bounded), and
    everything arrives when it moves again."""
    files = GatedFiles()
    options = WriterOptions(backlog_size_bytes=1000, batch_size_bytes=200, linger_ms=0)
    writer = JournalWriter.create(tmp_path / "s", UID, options=options, files=files)
    groups = make_groups([1] * 200, b"z" * 50)
    files.waiting.clear()
    files.gate.clear()
    most = 0

    def produce() -> None:
        nonlocal most
        for group in groups:
            writer.append(group)
            most = max(most, writer.backlog_bytes)

    producer = threading.Thread(target=produce)
    producer.start()
    assert files.waiting.wait(10)
    producer.join(0.05)
    assert producer.is_alive()
    assert writer.wait_durable(1, timeout_s=0.01) is False
    files.gate.set()
    producer.join(30)
    assert writer.close() == (200, chain_of(flat(groups)))
    assert 1000 < most < 1200
    assert read_all(tmp_path / "s") == flat(groups)


def test_waiting_for_what_was_never_said_is_refused(tmp_path: Path) -> None:
    """``wait_durable`` of a future seq would wait for ever: it is refused."""
    with JournalWriter.create(tmp_path / "s", UID) as writer:
        with pytest.raises(SequenceGap):
            writer.wait_durable(1)
        assert writer.wait_durable(0)


def test_an_entry_over_the_limit_takes_nothing(tmp_path: Path) -> None:
    """An envelope over 16 MiB is refused whole, and the next fits its seq; one at the limit
    passes, alone in its block."""
    with JournalWriter.create(tmp_path / "s", UID) as writer:
        head = make_group(1, 1)[0]
        limit = 16 * 1024 * 1024
        with pytest.raises(EntryTooLarge):
            writer.append((head + bytes(limit - len(head) + 1),))
        largest = head + bytes(limit - len(head))
        writer.append((largest, *make_group(2, 1)))
    assert read_all(tmp_path / "s") == [largest, *make_group(2, 1)]


def test_without_sync_a_waiter_still_gets_it(tmp_path: Path) -> None:
    """With ``at_close`` readers see what is written, and whoever waits makes a sync happen."""
    options = WriterOptions(sync="at_close")
    writer = JournalWriter.create(tmp_path / "s", UID, options=options)
    for group in make_groups([1] * 50):
        writer.append(group)
    assert writer.durable_seq == 0
    assert len(writer.head_hash) == 32
    assert len(read_all(tmp_path / "s")) == 50
    assert writer.durable_seq == 0
    assert writer.wait_durable(50, 60)
    assert writer.durable_seq == 50
    writer.close()


def test_silence_is_marked(tmp_path: Path) -> None:
    """An idle writer writes one empty block that says what is durable, and only one."""
    marks: list[bytes] = []
    marked = threading.Event()

    class Watching(OsFiles):
        def write(self, handle: int, offset: int, data: bytes | memoryview) -> None:
            super().write(handle, offset, data)
            if len(data) == HEADER_BYTES:
                marks.append(bytes(data))
                marked.set()

    options = WriterOptions(idle_sync_ms=1)
    with JournalWriter.create(tmp_path / "s", UID, options=options, files=Watching()) as writer:
        writer.append(make_group(1, 3))
        assert marked.wait(10)
        assert int.from_bytes(marks[0][40:48], "little") == 3
        with JournalReader(tmp_path / "s") as reader:
            assert len(list(reader)) == 3
            assert not reader.closed
    assert len(marks) == 2


def test_an_exception_in_the_body_leaves_a_session_that_resumes(tmp_path: Path) -> None:
    """Leaving the context by an exception writes what was taken and no final block."""

    def work() -> None:
        with JournalWriter.create(tmp_path / "s", UID) as writer:
            writer.append(make_group(1, 2))
            raise RuntimeError("the engine stopped")

    with pytest.raises(RuntimeError, match="the engine"):
        work()
    resumed, tail = JournalWriter.resume(tmp_path / "s")
    assert tail.head_seq == 2
    resumed.close()


# -- locks, forks, permissions -----------------------------------------------------------------


def test_j11_a_second_writer_is_refused_with_the_pid(tmp_path: Path) -> None:
    """J11: in this process and in another the second writer gets JOURNAL_LOCKED with the
    holder's pid; when the first is gone the journal opens."""
    script = (
        "import sys; from pathlib import Path; from journal.writer import JournalWriter\n"
        "from journal.errors import JournalLocked\n"
        "try:\n    JournalWriter.resume(Path(sys.argv[1]))\n"
        "except JournalLocked as error:\n    print(error); sys.exit(7)\n"
    )
    with JournalWriter.create(tmp_path / "s", UID) as writer:
        writer.append(make_group(1, 1))
        with pytest.raises(JournalLocked, match=f"process {os.getpid()} "):
            JournalWriter.resume(tmp_path / "s")
        with pytest.raises(JournalLocked):
            JournalWriter.create(tmp_path / "s", UID)
        done = subprocess.run(
            (sys.executable, "-P", "-c", script, str(tmp_path / "s")),
            env={"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 7, done.stderr
        assert f"process {os.getpid()} " in done.stdout
        writer.close(final=False)
    JournalWriter.resume(tmp_path / "s")[0].close()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_j11_a_forked_child_may_not_write(tmp_path: Path) -> None:
    """J11: a fork's writer refuses by name instead of waiting for a thread it does not have, and
    does not hold the lock when the parent lets go."""
    writer = JournalWriter.create(tmp_path / "s", UID)
    writer.append(make_group(1, 1))
    release, hold = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover (another process)
        refused = 0
        for call in (lambda: writer.append(make_group(2, 1)), writer.close):
            try:
                call()
            except JournalForked:
                refused += 1
        os.close(hold)
        os.read(release, 1)
        os._exit(refused)
    os.close(release)
    writer.append(make_group(2, 1))
    writer.close(final=False)
    resumed, tail = JournalWriter.resume(tmp_path / "s")
    resumed.close()
    os.close(hold)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
    assert tail.head_seq == 2


def test_s06_everything_is_private_from_birth(tmp_path: Path) -> None:
    """S06: with an open umask folders are 0700 and files 0600; a folder others can reach is
    refused."""
    before = os.umask(0)
    try:
        with JournalWriter.create(tmp_path / "a" / "s", UID) as writer:
            writer.append(make_group(1, 1))
    finally:
        os.umask(before)
    for path in (tmp_path / "a", tmp_path / "a" / "s"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    names = list((tmp_path / "a" / "s").iterdir())
    assert len(names) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in names} == {0o600}
    (tmp_path / "open").mkdir(mode=0o755)
    (tmp_path / "open").chmod(0o755)
    with pytest.raises(UnsafePermissions, match="JOURNAL_PERMISSIONS"):
        JournalWriter.create(tmp_path / "open", UID)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """S02: a segment or lock that is a symbolic link is refused by name, its target untouched."""
    with JournalWriter.create(tmp_path / "s", UID) as writer:
        writer.append(make_group(1, 1))
        writer.close(final=False)
    segment = tmp_path / "s" / "000001.axj"
    segment.rename(tmp_path / "elsewhere")
    segment.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(JournalError, match="JOURNAL_READ_FAILED"):
        JournalWriter.resume(tmp_path / "s")
    lock = tmp_path / "s" / "writer.lock"
    lock.unlink()
    lock.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(JournalError):
        JournalWriter.resume(tmp_path / "s")


@pytest.mark.parametrize("uid", ["", "0123456789a", "0123456789AG", "0123456789abcd"])
def test_a_uid_is_twelve_hex_digits(tmp_path: Path, uid: str) -> None:
    """Anything else is a mistake of the caller."""
    with pytest.raises(ValueError, match="hex"):
        JournalWriter.create(tmp_path / "s", uid)


# -- death -------------------------------------------------------------------------------------

CHILD = """
import sys
from pathlib import Path
from journal.log import WriterOptions
from journal.writer import JournalWriter
from tests.journal.journals import UID, make_group
writer = JournalWriter.create(Path(sys.argv[1]), UID, options=WriterOptions(
    segment_size_bytes=4000, linger_ms=0))
seq = 1
while True:
    for _ in range(5):
        writer.append(make_group(seq, 3, b"k" * 40))
        seq += 3
    writer.wait_durable(seq - 1)
    print(seq - 1, flush=True)
"""


def kill_and_recover(folder: Path, lines: int) -> None:
    child = subprocess.Popen(
        (sys.executable, "-P", "-c", CHILD, str(folder)),
        env={"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    acknowledged = 0
    for _ in range(lines):
        acknowledged = int(child.stdout.readline())
    child.kill()
    acknowledged = max([acknowledged, *map(int, child.stdout.read().split())])
    child.stdout.close()
    child.wait()
    writer, tail = JournalWriter.resume(folder)
    assert tail.head_seq >= acknowledged
    following = tail.head_seq + 1
    writer.append(make_group(following, 1))
    writer.close()
    said = flat(make_groups([3] * (tail.head_seq // 3 + 1), b"k" * 40))
    entries = read_all(folder)
    assert entries[:acknowledged] == said[:acknowledged]
    assert len(entries) == following


@pytest.mark.parametrize("lines", [1, 17])
def test_j10_a_killed_writer_has_what_it_acknowledged(tmp_path: Path, lines: int) -> None:
    """J10: a child that acknowledges only after the sync is killed with -9 while it writes; all
    that it acknowledged is there (process death only: the page cache survives)."""
    kill_and_recover(tmp_path / "s", lines)


@pytest.mark.slow
def test_j10_again_and_again(tmp_path: Path) -> None:
    """J10 at forty more places."""
    for lines in range(1, 41):
        kill_and_recover(tmp_path / str(lines), lines)

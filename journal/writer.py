"""The writing end: one thread that batches whatever has gathered.

Lives here: ``JournalWriter``. May import: events.envelope, log, recovery, cuts, lock, watermark,
files, errors.
Always holds: ``append`` takes a whole group or refuses it; what is taken is written in order, once;
``durable_seq`` rises only after the sync; the first failed write or sync ends the writer, and
every later call says so. One thread appends; any thread may wait.
Start reading at ``JournalWriter.append``, then ``_run``.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

from events.envelope import EnvelopeBytes
from journal.block import ENTRY_BYTES_MAX, ENTRY_BYTES_MIN, seq_prefix
from journal.cuts import note_cut
from journal.errors import (
    EntryTooLarge,
    JournalClosed,
    JournalError,
    JournalExists,
    JournalForked,
    JournalMissing,
    ReserveOnly,
    SequenceGap,
    UnsafePermissions,
    WriterFailed,
    write_failure,
)
from journal.files import OS_FILES, Files
from journal.lock import FileLock
from journal.log import LogEnd, SessionLog, WriterOptions
from journal.recovery import TAIL_CUT_BYTES_MAX, RecoveredTail, inspect_session, repair
from journal.segment import list_segments
from journal.watermark import WATERMARK_NAME, WatermarkFile

OnHashed = Callable[[int, bytes], None]
"""Told the last seq of a group and the chain there, on the writer's thread: returns at once."""

LOCK_NAME: Final = "writer.lock"
_UID_DIGITS: Final = 12
DEFAULT_OPTIONS: Final = WriterOptions()


class JournalWriter:
    """The only writer of one session."""

    def __init__(
        self, log: SessionLog, lock: FileLock, options: WriterOptions, *, first_mark: bool
    ) -> None:
        self.folder = log.folder
        self.session_uid = log.uid.hex()
        self._log = log
        self._lock = lock
        self._options = options
        self._first_mark = first_mark
        self._queue: deque[Sequence[EnvelopeBytes]] = deque()
        self._asked: deque[tuple[int, OnHashed]] = deque()
        self._next_seq = log.head_seq + 1
        self._hashed_seq = log.head_seq
        self._durable = (log.durable_seq, log.durable_hash)
        self._appended_bytes = 0
        self._taken_bytes = 0
        self._idle = False
        self._wanted_seq = 0
        self._stop: str | None = None
        self._failure: JournalError | None = None
        self._wake = threading.Event()
        self._moved = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="journal-writer", daemon=True)
        self._thread.start()
        _writers.add(self)

    @classmethod
    def create(
        cls,
        folder: Path,
        session_uid: str,
        *,
        options: WriterOptions = DEFAULT_OPTIONS,
        files: Files = OS_FILES,
    ) -> JournalWriter:
        """Begin a session in ``folder`` (made 0700 if absent); ``session_uid`` is 12 hex digits.

        Raises ``JournalExists``, ``JournalLocked``, ``UnsafePermissions``, ``ValueError``.
        """
        uid = _uid_bytes(session_uid)
        try:
            files.make_folder(folder)
            _check_private(folder, files)
            lock = FileLock.take(folder / LOCK_NAME, files=files)
        except OSError as error:
            raise write_failure("the folder cannot be used", error, folder) from error
        try:
            log = _begin_log(folder, uid, options, files)
        except BaseException:
            lock.release()
            raise
        return cls(log, lock, options, first_mark=False)

    @classmethod
    def resume(
        cls,
        folder: Path,
        *,
        session_uid: str | None = None,
        options: WriterOptions = DEFAULT_OPTIONS,
        tail_cut_bytes_max: int = TAIL_CUT_BYTES_MAX,
        files: Files = OS_FILES,
    ) -> tuple[JournalWriter, RecoveredTail]:
        """Go on with a session that was not closed, by the rule in ``recovery``.

        Raises ``JournalCorrupt`` and its kinds, ``TailTooLong``, ``VersionTooNew``,
        ``JournalClosed``, ``JournalLocked``, ``UnsafePermissions``, ``JournalMissing``.
        """
        try:
            _check_private(folder, files)
            lock = FileLock.take(folder / LOCK_NAME, files=files)
        except OSError as error:
            raise JournalMissing(f"the folder cannot be used: {error}", path=folder) from error
        try:
            inspection = inspect_session(folder, tail_cut_bytes_max=tail_cut_bytes_max, files=files)
            if session_uid is not None and inspection.uid != _uid_bytes(session_uid):
                raise JournalExists(
                    f"this folder holds session {inspection.uid.hex()}", path=folder
                )
            end, tail = repair(inspection, files, note_cut)
            log = _open_log(folder, inspection.uid, end, options, files)
        except BaseException:
            lock.release()
            raise
        return cls(log, lock, options, first_mark=True), tail

    @property
    def head_seq(self) -> int:
        """Seq of the last entry handed over (0 before the first)."""
        return self._next_seq - 1

    @property
    def head_hash(self) -> bytes:
        """The chain after the last entry handed over; waits until the writer has hashed it."""
        head = self._next_seq - 1
        with self._moved:
            self._moved.wait_for(lambda: self._hashed_seq >= head or self._failure is not None)
            self._check()
            return self._log.head_hash

    @property
    def durable_seq(self) -> int:
        """Every entry up to this seq is on the disk."""
        return self._durable[0]

    @property
    def durable_hash(self) -> bytes:
        """The chain at ``durable_seq``."""
        return self._durable[1]

    @property
    def backlog_bytes(self) -> int:
        """Handed over and not yet taken by the writer's thread."""
        return self._appended_bytes - self._taken_bytes

    @property
    def disk_full(self) -> bool:
        """The disk is full and the reserve is in use: only essential groups are taken."""
        return self._log.in_reserve

    def append(
        self,
        group: Sequence[EnvelopeBytes],
        on_hashed: OnHashed | None = None,
        *,
        essential: bool = False,
    ) -> int:
        """Take one whole group of canonical envelopes with the next seqs; returns the last seq.

        Returns before the group is durable. Waits when the backlog is full; loses nothing. The
        caller must not change ``group`` afterwards. ``essential`` (an exit, a cancel, a halt) is
        taken also from the reserve of a full disk. ``on_hashed`` is called once the chain has come
        to the group's end, before it is durable. Raises ``SequenceGap``, ``EntryTooLarge`` or
        ``ReserveOnly`` (nothing was taken), or the writer's failure.
        """
        if self._failure is not None or self._stop is not None:
            self._check()
            raise JournalClosed("the writer is closed", path=self.folder)
        if self._log.in_reserve and not essential:
            raise ReserveOnly("the disk is full: only exits, cancels and halts are taken")
        seq = self._next_seq
        size = 0
        for data in group:
            length = len(data)
            if not data.startswith(seq_prefix(seq)):
                raise SequenceGap("the envelope does not carry the next seq", seq=seq)
            if not ENTRY_BYTES_MIN <= length <= ENTRY_BYTES_MAX:
                raise EntryTooLarge(f"an envelope of {length} bytes", seq=seq)
            size += length
            seq += 1
        if not size:
            raise SequenceGap("an empty group", seq=seq)
        if self._appended_bytes - self._taken_bytes > self._options.backlog_size_bytes:
            self._wait_for_room()
        self._next_seq = seq
        self._appended_bytes += size
        if on_hashed is not None:
            self._asked.append((seq - 1, on_hashed))
        self._queue.append(group)
        if self._idle:
            self._wake.set()
        return seq - 1

    def wait_durable(self, seq: int, timeout_s: float | None = None) -> bool:
        """True when every entry up to ``seq`` is on the disk; False when time ran out first.

        Raises the writer's failure, and ``SequenceGap`` for a seq that was never handed over.
        """
        if self._durable[0] >= seq:
            return True
        if seq >= self._next_seq:
            raise SequenceGap("waiting for an entry that was never appended", seq=seq)
        with self._moved:
            self._wanted_seq = max(self._wanted_seq, seq)
            self._wake.set()
            self._moved.wait_for(
                lambda: self._durable[0] >= seq or self._failure is not None, timeout_s
            )
        if self._durable[0] >= seq:
            return True
        self._check()
        return False

    def close(self, *, final: bool = True) -> tuple[int, bytes]:
        """Write, sync, mark and let go of the lock; returns (head seq, head hash).

        ``final`` writes the final block: the session is closed for good. Without it the session
        can be resumed. Raises the writer's failure; the lock is free in any case.
        """
        if self._stop is None:
            self._stop = "final" if final else "pause"
            self._wake.set()
            self._thread.join()
            self._release()
        self._check()
        return self._durable

    def __enter__(self) -> JournalWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
            return
        try:
            self.close(final=False)
        except JournalError as failure:
            assert error is not None
            error.add_note(str(failure))

    def _release(self) -> None:
        self._log.close()
        self._lock.release()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _wait_for_room(self) -> None:
        limit = self._options.backlog_size_bytes
        with self._moved:
            self._wake.set()
            self._moved.wait_for(
                lambda: (
                    self._appended_bytes - self._taken_bytes <= limit or self._failure is not None
                )
            )
        self._check()

    # -- the writer's thread -------------------------------------------------------------------

    def _run(self) -> None:
        try:
            if self._first_mark:
                self._log.mark()
            while self._wait_for_work():
                self._write_batch()
            if self._stop == "final":
                self._log.finish()
            else:
                self._log.pause()
            self._announce()
        except JournalError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001 (a thread's boundary: callers get it)
            failure = WriterFailed(f"{type(error).__name__}: {error}", path=self.folder)
            failure.__cause__ = error
            self._fail(failure)

    def _wait_for_work(self) -> bool:
        """Block until there is a batch or a sync to make (True), or the writer is to stop and
        has nothing left (False)."""
        idle_s: float | None = self._options.idle_sync_ms / 1000
        while not (self._queue or self._sync_wanted):
            if self._stopping():
                return bool(self._queue)
            self._idle = True
            if not (self._queue or self._stopping() or self._wake.wait(idle_s)):
                if self._options.sync == "batch" and self._log.head_seq > 0:
                    self._log.mark()
                idle_s = None
            self._idle = False
            self._wake.clear()
        self._linger()
        return True

    def _stopping(self) -> bool:
        return self._stop is not None

    @property
    def _sync_wanted(self) -> bool:
        return self._wanted_seq > self._durable[0]

    def _linger(self) -> None:
        """Let a batch gather, unless somebody waits or it is large enough already."""
        if self._options.linger_ms == 0 or self._sync_wanted or self._stop is not None:
            return
        if self.backlog_bytes < self._options.batch_size_bytes:
            self._wake.wait(self._options.linger_ms / 1000)
            self._wake.clear()

    def _write_batch(self) -> None:
        queue, log, asked = self._queue, self._log, self._asked
        size = 0
        limit = self._options.batch_size_bytes
        while queue and size < limit:
            group = queue.popleft()
            log.add_group(group)
            if asked and asked[0][0] == log.head_seq:
                asked.popleft()[1](log.head_seq, log.head_hash)
            size += sum(map(len, group))
        self._taken_bytes += size
        if self._options.sync == "batch" or self._sync_wanted:
            log.sync()
        else:
            log.publish_written()
        self._announce()

    def _announce(self) -> None:
        with self._moved:
            self._hashed_seq = self._log.head_seq
            self._durable = (self._log.durable_seq, self._log.durable_hash)
            self._moved.notify_all()
        if self._options.on_durable is not None:
            self._options.on_durable(self._log.durable_seq)

    def _fail(self, error: JournalError) -> None:
        with self._moved:
            self._failure = error
            self._moved.notify_all()

    def _disown(self) -> None:
        """In a forked child: refuse everything, and leave the lock to the parent."""
        self._failure = JournalForked("a forked process may not write", path=self.folder)
        self._moved = threading.Condition()
        self._stop = "forked"
        self._lock.forget()


_writers: Final[weakref.WeakSet[JournalWriter]] = weakref.WeakSet()


def _disown_all() -> None:
    for writer in list(_writers):
        writer._disown()


os.register_at_fork(after_in_child=_disown_all)


def _uid_bytes(session_uid: str) -> bytes:
    if len(session_uid) != _UID_DIGITS:
        raise ValueError(f"a session uid is {_UID_DIGITS} hex digits, not {session_uid!r}")
    return bytes.fromhex(session_uid)


def _check_private(folder: Path, files: Files) -> None:
    mode = files.mode(folder)
    if mode & 0o077:
        raise UnsafePermissions(
            f"the folder's mode is {mode:o}, others can reach it; run chmod 700 on it", path=folder
        )


def _refuse_existing(folder: Path, files: Files) -> None:
    """A watermark without a segment is a journal whose segments are lost, or half made."""
    if WATERMARK_NAME in files.names(folder):
        raise JournalExists("the folder already holds a watermark", path=folder)
    try:
        list_segments(folder, files)
    except JournalMissing:
        return
    raise JournalExists("the folder already holds a journal", path=folder)


def _begin_log(folder: Path, uid: bytes, options: WriterOptions, files: Files) -> SessionLog:
    try:
        _refuse_existing(folder, files)
        watermark = WatermarkFile.create(folder, uid, files)
        files.sync_dir(folder)
    except OSError as error:
        raise write_failure("the journal cannot be made", error, folder) from error
    return SessionLog(folder, uid, watermark, options, files)


def _open_log(
    folder: Path, uid: bytes, end: LogEnd, options: WriterOptions, files: Files
) -> SessionLog:
    watermark = WatermarkFile.open(folder, files, writable=True)
    return SessionLog(folder, uid, watermark, options, files, end)

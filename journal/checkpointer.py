"""The thread that writes checkpoints, out of the way of the one that works.

Lives here: ``Checkpointer``, and when a state is due. May import: checkpoints, files. Always holds:
``offer`` returns at once, whatever the disk does; what the thread cannot keep up with is dropped
and counted; a disk that refuses ends the checkpoints and not the session; a state that has no
canonical bytes is a fault of the program, and ``check`` says so to who asks.
Start reading at ``EachMinute``, then ``Checkpointer.offer``.
"""

from __future__ import annotations

import functools
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Generic, TypeVar

import msgspec

from journal.checkpoints import RAW_BYTES_MAX, RECORDS_MAX, CheckpointFile, CheckpointKey
from journal.files import OS_FILES, Files

State = TypeVar("State")

EVERY_NS: Final = 60_000_000_000
"""Of session time: what a crash or a look into the past has to apply again at the most."""

WAITING_MAX: Final = 32
"""States that may wait for the thread: half an hour of a session, or a moment of a backtest. Each
is under a megabyte of memory."""


class Counts(msgspec.Struct, frozen=True):
    """What became of the checkpoints of a run. ``failure`` is the disk's, None where there was
    none: after it everything is dropped."""

    written: int = 0
    dropped: int = 0
    failure: str | None = None


class Checkpointer:
    """Takes states of one session and writes them on a thread of its own."""

    def __init__(
        self, folder: Path, key: CheckpointKey, head_seq: int = 0, files: Files = OS_FILES
    ) -> None:
        self._file: CheckpointFile | None = None
        self._failure: str | None = None
        self._fault: ValueError | None = None
        self._written = 0
        self._refused = 0
        self._lost = 0
        self._jobs: queue.Queue[_Job | None] = queue.Queue(WAITING_MAX)
        try:
            self._file = CheckpointFile.open(folder, key, head_seq, files)
        except OSError as error:
            self._failure = str(error)
        self._thread = threading.Thread(target=self._run, name="checkpointer", daemon=True)
        self._thread.start()

    def offer(self, seq: int, ts: int, chain: bytes, encode: Callable[[], bytes]) -> None:
        """Take the state after entry ``seq``, or drop it.

        ``encode`` is called on the checkpointer's thread; its ``ValueError`` is kept for ``check``.
        """
        try:
            self._jobs.put_nowait(_Job(seq, ts, chain, encode))
        except queue.Full:
            self._refused += 1

    def check(self) -> None:
        """Raise the ``ValueError`` of a state that could not be encoded."""
        if self._fault is not None:
            raise self._fault

    @property
    def counts(self) -> Counts:
        return Counts(self._written, self._refused + self._lost, self._failure)

    def close(self) -> None:
        """Write what waits and close the file. Raises nothing."""
        if self._thread.is_alive():
            self._jobs.put(None)
            self._thread.join()
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Checkpointer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            if self._file is None or self._failure is not None or self._written == RECORDS_MAX:
                self._lost += 1
                continue
            try:
                self._write(self._file, job)
            except OSError as error:
                self._failure = str(error)
                self._lost += 1
            except ValueError as error:
                self._fault = error
                self._lost += 1

    def _write(self, file: CheckpointFile, job: _Job) -> None:
        raw = job.encode()
        if len(raw) > RAW_BYTES_MAX:
            self._lost += 1
            return
        file.add(job.seq, job.ts, job.chain, raw)
        self._written += 1


class _Job(msgspec.Struct, frozen=True):
    """A state that waits to be written."""

    seq: int
    ts: int
    chain: bytes
    encode: Callable[[], bytes]


class EachMinute(Generic[State]):
    """Hands over the state after the first group of each minute but the first.

    Who hands over makes no bytes and meets no disk here: a state is taken as it was at its group's
    end, and ``encode`` runs on the checkpointer's thread. Without a checkpointer nothing is kept.
    ``now`` is the session time so far, 0 before the first fact.
    """

    def __init__(
        self, encode: Callable[[State], bytes], checkpointer: Checkpointer | None, now: int
    ) -> None:
        self._encode = encode
        self._checkpointer = checkpointer
        self._due_ns = _minute_after(now) if now else 0

    @property
    def counts(self) -> Counts:
        """What became of them."""
        return Counts() if self._checkpointer is None else self._checkpointer.counts

    def check(self) -> None:
        """Raise the ``ValueError`` of a state that could not be encoded."""
        if self._checkpointer is not None:
            self._checkpointer.check()

    def hand_over(
        self, state: Callable[[], State], now: int
    ) -> Callable[[int, bytes], None] | None:
        """What to tell the chain after the group that led to ``state``, which is asked for only
        where it is due; else None.

        Raises as ``check``.
        """
        if now < self._due_ns or self._checkpointer is None:
            return None
        first = self._due_ns == 0
        self._due_ns = _minute_after(now)
        self.check()
        encode = functools.partial(self._encode, state())
        return None if first else functools.partial(_offer, self._checkpointer, now, encode)


def _offer(
    checkpointer: Checkpointer, now: int, encode: Callable[[], bytes], seq: int, chain: bytes
) -> None:
    checkpointer.offer(seq, now, chain, encode)


def _minute_after(now: int) -> int:
    return now - now % EVERY_NS + EVERY_NS


@contextmanager
def checkpointer_of(
    folder: Path, key: CheckpointKey, head_seq: int, files: Files, *, keep: bool = True
) -> Iterator[Checkpointer | None]:
    """The checkpointer of a session; none where states are not to be kept, and none on a disk that
    is not the real one, where a thread that writes when it likes would make every run another."""
    if not keep or files is not OS_FILES:
        yield None
        return
    with Checkpointer(folder, key, head_seq, files) as checkpointer:
        yield checkpointer

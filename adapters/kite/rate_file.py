"""One count of order messages for an account, whatever process sends them.

Lives here: the day's file of times, and the reservation of a place in it. May import:
adapters.kite.rate, the standard library. Always holds: a message is counted before it leaves and
stays counted whatever becomes of it; an entry that cannot be counted does not go, an exit goes and
is counted in memory; a process that stands still with the file locked holds up nobody for long.
Start reading at ``OrderBudget.reserve``.

The file ``order-messages-YYYYMMDD`` is eight bytes a message, big-endian, of nanoseconds since the
machine started, in order: its size is the day's count and its end is the last minute. The engine
and ``axiom flatten --emergency`` open it for each message, under ``flock``, so that both count
into one. Time since the start is the same for all processes and is never put back; after a restart
the times before it lie in the future, and are then known to be longer ago than any window. Where
the folder does not outlive the restart the day's count begins anew: what is left is the broker's.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from adapters.kite.rate import DEFAULT_BUDGETS, NS_PER_MINUTE, Budgets, wait_ns
from engine.rulebook import NS_PER_S, day_of

FILE_MODE: Final = 0o600
FOLDER_MODE: Final = 0o700
NAME: Final = "order-messages-"
RECORD_BYTES: Final = 8
LOCK_PATIENCE_NS: Final = NS_PER_S // 5
_LOCK_STEP_S: Final = 0.002
_TAIL_BYTES: Final = 512 * RECORD_BYTES
"""More than a minute's budget can be."""

_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def since_start_ns() -> int:
    """ns since the machine started, sleep included where the system can tell."""
    return time.clock_gettime_ns(_CLOCK)


def today() -> int:
    """The IST day (yyyymmdd), by the wall clock, since the broker counts by it."""
    return day_of(time.time_ns())


class OrderBudget:
    """The account's order messages. One object for each process, for all its threads."""

    def __init__(
        self,
        folder: Path,
        budgets: Budgets = DEFAULT_BUDGETS,
        clock: Callable[[], int] = since_start_ns,
        day: Callable[[], int] = today,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._folder = folder
        self._budgets = budgets
        self._clock = clock
        self._day = day
        self._pause = pause
        self._unwritten: list[tuple[int, int]] = []
        self._one = threading.Lock()

    def reserve(self, is_exit: bool) -> int | None:
        """Count one message and return 0; or count nothing and return how long to wait (ns), or
        None where the day's budget is used up or, for an entry, where it cannot be counted."""
        with self._one:
            try:
                handle = self._open()
            except OSError:
                return self._decide((), 0, None, is_exit)
            try:
                return self._reserved(handle, is_exit)
            except OSError:
                return self._decide((), 0, None, is_exit)
            finally:
                os.close(handle)  # and with it the lock

    def _reserved(self, handle: int, is_exit: bool) -> int | None:
        if not self._locked(handle):
            return self._decide((), 0, None, is_exit)
        count = os.fstat(handle).st_size // RECORD_BYTES
        start = max(0, count * RECORD_BYTES - _TAIL_BYTES)
        tail = os.pread(handle, count * RECORD_BYTES - start, start)
        return self._decide(times_of(tail), count, handle, is_exit)

    def _decide(
        self, times: tuple[int, ...], count: int, handle: int | None, is_exit: bool
    ) -> int | None:
        now, day = self._clock(), self._day()
        self._unwritten = [(d, t) for d, t in self._unwritten if d == day]
        unwritten = [t for _, t in self._unwritten]
        recent = sorted(t for t in (*times, *unwritten) if now - NS_PER_MINUTE - 1 <= t <= now)
        wait = wait_ns(recent, count + len(unwritten), now, is_exit, self._budgets)
        if wait == 0 and not self._written(handle, count, now):
            if not is_exit:
                return None
            self._unwritten.append((day, now))
        return wait

    def _written(self, handle: int | None, count: int, now: int) -> bool:
        """Whether the message stands in the file. A record cut short is written over by the next;
        a file that could not take it whole does not count it."""
        if handle is None:
            return False
        record = struct.pack(">q", now)
        try:
            return os.pwrite(handle, record, count * RECORD_BYTES) == RECORD_BYTES
        except OSError:
            return False

    def _open(self) -> int:
        self._folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        path = self._folder / f"{NAME}{self._day()}"
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        handle = os.open(path, flags, FILE_MODE)
        if os.fstat(handle).st_size == 0:
            self._forget_earlier(path)
        return handle

    def _forget_earlier(self, path: Path) -> None:
        """Earlier days count for nothing any more."""
        for other in self._folder.glob(f"{NAME}*"):
            if other.name < path.name:
                with contextlib.suppress(OSError):  # another process was faster, or may not
                    other.unlink()

    def _locked(self, handle: int) -> bool:
        """Take the file's lock, within a patience: who holds it longer stands still."""
        until = self._clock() + LOCK_PATIENCE_NS
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if self._clock() >= until:
                    return False
                self._pause(_LOCK_STEP_S)
            else:
                return True


def times_of(tail: bytes) -> tuple[int, ...]:
    """The times in a piece of the file."""
    return struct.unpack(f">{len(tail) // RECORD_BYTES}q", tail)

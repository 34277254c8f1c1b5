"""What the engine's process and its machine are like: disk, durability, inbox, limits, clock.

Lives here: ``MachineWatch``, the ``Watch`` of ``engine.live``. May import: engine.ports, the clock,
inbox and meter beside it. Always holds: a look costs microseconds; a measurement that cannot be had
is left out, so that it is never said to be good.
"""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from adapters.session.clock import SessionClock
from adapters.session.inbox import FRAMES_MAX, SessionInbox
from adapters.session.latency import LatencyMeter
from engine.ports import Measured

DURABILITY_MS: Final = "DURABILITY_MS"
INBOX_FRAMES: Final = "INBOX_FRAMES"
DISK_FREE_MB: Final = "DISK_FREE_MB"
DISK_FULL: Final = "DISK_FULL"
DESCRIPTORS: Final = "DESCRIPTORS"
ADDRESS_SPACE_MB: Final = "ADDRESS_SPACE_MB"
_MB: Final = 1_000_000
_STATM: Final = "/proc/self/statm"
"""Where Linux says how many pages the process has mapped; elsewhere that is not measured."""


class Limits(msgspec.Struct, frozen=True):
    """Beyond these a measurement is bad; of the disk, and of what the process may still take (file
    descriptors, address space), below."""

    durability_ms_max: int = 1_000
    inbox_frames_max: int = FRAMES_MAX // 2
    disk_free_mb_min: int = 1_000
    descriptors_free_min: int = 32
    address_free_mb_min: int = 128


class MachineWatch:
    """Looks at the machine that a session in ``folder`` runs on."""

    def __init__(
        self,
        folder: Path,
        clock: SessionClock,
        inbox: SessionInbox,
        meter: LatencyMeter,
        limits: Limits | None = None,
        disk_full: Callable[[], bool] = bool,
    ) -> None:
        """``disk_full`` tells whether the journal lives on its reserve."""
        self._disk_full = disk_full
        self._folder, self._clock, self._inbox, self._meter = folder, clock, inbox, meter
        self._limits = limits or Limits()

    def measure(self) -> tuple[Measured, ...]:
        """The longest way to the disk, the fullest inbox since the last look, the disk's space, and
        how near the process is to its own limits."""
        limits = self._limits
        slow_ms, most = self._meter.worst_ms(), self._inbox.most_frames()
        looks = [
            Measured(DURABILITY_MS, slow_ms, limits.durability_ms_max,
                 slow_ms > limits.durability_ms_max),
            Measured(DISK_FULL, int(self._disk_full()), 0, self._disk_full()),
            Measured(INBOX_FRAMES, most, limits.inbox_frames_max, most > limits.inbox_frames_max),
        ]  # fmt: skip
        with contextlib.suppress(OSError):  # a folder that is gone shows at the next write
            disk = os.statvfs(self._folder)
            free_mb = disk.f_bavail * disk.f_frsize // _MB
            least = limits.disk_free_mb_min
            looks.append(Measured(DISK_FREE_MB, free_mb, least, free_mb < least))
        return (*looks, *self._rooms())

    def _rooms(self) -> Iterator[Measured]:
        """What the process has taken of what it may have; without a limit there is nothing to say.

        The limits are read anew: somebody may have set them from outside.
        """
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != resource.RLIM_INFINITY:
            used, most = lowest_free(soft), soft - self._limits.descriptors_free_min
            yield Measured(DESCRIPTORS, used, most, used > most)
        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
        if soft != resource.RLIM_INFINITY:
            with contextlib.suppress(OSError):  # no such file here, or no descriptor to read it by
                used = mapped_bytes() // _MB
                most = soft // _MB - self._limits.address_free_mb_min
                yield Measured(ADDRESS_SPACE_MB, used, most, used > most)

    def clock_offset_ns(self) -> int | None:
        """The wall clock minus the session clock, where the session follows the wall."""
        return self._clock.offset_ns()


def lowest_free(limit: int) -> int:
    """The number of the next file descriptor: at least so many are in use. ``limit`` where no more
    is given: it bounds the numbers."""
    try:
        handle = os.open("/", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return limit
    os.close(handle)
    return handle


def mapped_bytes() -> int:
    """The address space of this process. Raises ``OSError`` where it cannot be read."""
    with open(_STATM, "rb", buffering=0) as file:
        return int(file.read(64).split()[0]) * resource.getpagesize()

"""What the engine's process and its machine are like: disk, durability, inbox, clock.

Lives here: ``MachineWatch``, the ``Watch`` of ``engine.live``. May import: engine.ports, the clock,
inbox and meter beside it. Always holds: a look costs microseconds; a measurement that cannot be had
is left out, so that it is never said to be good.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
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
_MB: Final = 1_000_000


class Limits(msgspec.Struct, frozen=True):
    """Beyond these a measurement is bad; of the disk, below."""

    durability_ms_max: int = 1_000
    inbox_frames_max: int = FRAMES_MAX // 2
    disk_free_mb_min: int = 1_000


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
        """The longest way to the disk, the fullest inbox since the last look, the disk's space."""
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
        return tuple(looks)

    def clock_offset_ns(self) -> int | None:
        """The wall clock minus the session clock, where the session follows the wall."""
        return self._clock.offset_ns()

"""How long a frame takes from its receipt to the disk, measured by the engine itself.

Lives here: ``LatencyMeter``. May import: adapters.session.clock. Always holds: bounded, whatever
the number of frames: a histogram of fixed buckets; what is said of a percentile is its bucket's
upper bound, so it never says less than was measured.
Start reading at ``LatencyMeter.received``.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import deque
from typing import Final

import msgspec

from adapters.session.clock import boot_ns

WAITING_MAX: Final = 65_536
"""Entries whose durability is awaited; beyond it the oldest is no longer measured."""

_US_PER_MS: Final = 1_000
_STEPS: Final = (
    100, 110, 120, 130, 140, 150, 160, 170, 180, 190, 200, 220, 240, 260, 280, 300, 330, 360, 400,
    440, 480, 530, 580, 640, 700, 770, 850, 930,
)  # fmt: skip
BOUNDS_US: Final[tuple[int, ...]] = tuple(
    step * scale for scale in (1, 10, 100, 1_000, 10_000, 100_000) for step in _STEPS
)
"""Upper bounds of the buckets, 100 us to 93 s, a tenth apart at most."""


class Percentiles(msgspec.Struct, frozen=True):
    """Of all that was measured, in ms; None before anything was."""

    count: int
    p50: float | None
    p99: float | None
    max: float | None


class LatencyMeter:
    """Times between ``received`` (the engine's thread) and ``durable`` (the writer's)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[tuple[int, int]] = deque(maxlen=WAITING_MAX)
        self._buckets = [0] * (len(BOUNDS_US) + 1)
        self._count = 0
        self._max_us = 0
        self._worst_us = 0

    def received(self, seq: int, at_boot_ns: int) -> None:
        """Entry ``seq`` holds what was received at that time since boot."""
        self._waiting.append((seq, at_boot_ns))

    def durable(self, seq: int) -> None:
        """Every entry up to ``seq`` is on the disk now."""
        now_ns, waiting = boot_ns(), self._waiting
        with self._lock:
            while waiting and waiting[0][0] <= seq:
                took_us = max(now_ns - waiting.popleft()[1], 0) // 1_000
                self._buckets[bisect_left(BOUNDS_US, took_us)] += 1
                self._count += 1
                self._max_us = max(self._max_us, took_us)
                self._worst_us = max(self._worst_us, took_us)

    def worst_ms(self) -> int:
        """The longest since this was asked last; of what waits still, how long it has waited."""
        with self._lock:
            worst_us, self._worst_us = self._worst_us, 0
            if self._waiting:
                worst_us = max(worst_us, (boot_ns() - self._waiting[0][1]) // 1_000)
        return worst_us // _US_PER_MS

    def percentiles(self) -> Percentiles:
        """Over the whole session."""
        with self._lock:
            count, buckets, most_us = self._count, list(self._buckets), self._max_us
        if not count:
            return Percentiles(0, None, None, None)
        return Percentiles(
            count, _at(buckets, count, 50, most_us), _at(buckets, count, 99, most_us),
            most_us / _US_PER_MS,
        )  # fmt: skip


def _at(buckets: list[int], count: int, percent: int, most_us: int) -> float:
    """The upper bound of the bucket in which the percentile lies, never more than the most."""
    seen, wanted = 0, -(-count * percent // 100)
    for place, held in enumerate(buckets[:-1]):
        seen += held
        if seen >= wanted:
            return min(BOUNDS_US[place], most_us) / _US_PER_MS
    return most_us / _US_PER_MS

"""The session clock of a machine: an anchor, and the time since boot at the session's rate.

Lives here: ``SessionClock``, and the wall clock for whoever anchors. May import: nothing. Always
holds: it never runs backwards and no change of the wall clock moves it; time in which the machine
slept has passed for it too.
"""

from __future__ import annotations

import time
from typing import Final

NS_PER_S: Final = 1_000_000_000

_BOOT: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Linux counts the time of a suspended machine here; elsewhere the monotonic clock must do."""


def boot_ns() -> int:
    """Time since boot, ns: what every wait and every latency is measured by."""
    return time.clock_gettime_ns(_BOOT)


def wall_ns() -> int:
    """The wall clock, ns UTC: for an anchor, and for the offset from it."""
    return time.time_ns()


class SessionClock:
    """``anchor_ns`` (ns UTC) when it is made, then ``rate`` seconds of the market a second.

    ``simulated``: the anchor is another market's time, which the wall clock never showed.
    """

    def __init__(self, anchor_ns: int, rate: int = 1, *, simulated: bool = False) -> None:
        if rate < 1:
            raise ValueError(f"a clock of rate {rate} does not go forward")
        self.rate = rate
        self._anchor_ns = anchor_ns
        self._boot_ns = boot_ns()
        self._apart_ns = wall_ns() - anchor_ns if simulated else 0

    def now_ns(self) -> int:
        """Session time, ns UTC."""
        return self._anchor_ns + (boot_ns() - self._boot_ns) * self.rate

    def left_s(self, until_ns: int) -> float:
        """Real seconds until the session time ``until_ns``; 0 or less where it has passed."""
        return (until_ns - self.now_ns()) / (NS_PER_S * self.rate)

    def boot_at(self, session_ns: int) -> int:
        """The time since boot (ns) at a session time."""
        return self._boot_ns + (session_ns - self._anchor_ns) // self.rate

    def offset_ns(self) -> int | None:
        """The wall clock minus this one, at a simulated market minus what it was at the anchor;
        None at another rate than the wall's."""
        return wall_ns() - self.now_ns() - self._apart_ns if self.rate == 1 else None

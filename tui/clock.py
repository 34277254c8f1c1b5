"""The screen's own clocks, as a port.

Lives here: the protocol and the machine's clocks. May import: the standard library. Always holds:
nothing else in the room reads a clock, so tests decide what time it is.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Two clocks in ns: ``mono_ns`` never steps and has no epoch, ``wall_ns`` is UTC."""

    def mono_ns(self) -> int: ...

    def wall_ns(self) -> int: ...


class MachineClock:
    """The machine's clocks."""

    def mono_ns(self) -> int:
        return time.monotonic_ns()

    def wall_ns(self) -> int:
        return time.time_ns()

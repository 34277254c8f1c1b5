"""What the engine asks of the outside, as protocols.

Lives here: the market port. May import: events, msgspec. Always holds: nothing here does I/O; a
market makes the broker's binary frames, in order of time, from integers and exact arithmetic alone,
so that equal identity means equal frames on any machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import msgspec

from events.session import CycleRule, Instrument, MarketIdentity


class MarketError(Exception):
    """A market that cannot be opened or read; the message is one line that says what to do."""


class MarketFrame(msgspec.Struct, frozen=True, gc=False):
    """One frame with its session time (ns UTC) and connection; ``snapshot_end`` ends a page."""

    ts: int
    data: bytes
    connection: int
    snapshot_end: bool


class Market(Protocol):
    """A source of one trading day. ``day`` is yyyymmdd IST; ``anchor_ns`` is the session clock's
    start (ns UTC), at or before the first frame; ``open_ns`` and ``close_ns`` bound the cycle grid.
    """

    @property
    def identity(self) -> MarketIdentity: ...

    @property
    def cycle_rule(self) -> CycleRule: ...

    @property
    def day(self) -> int: ...

    @property
    def anchor_ns(self) -> int: ...

    @property
    def open_ns(self) -> int: ...

    @property
    def close_ns(self) -> int: ...

    @property
    def dump_digest(self) -> str: ...

    def instruments(self) -> tuple[Instrument, ...]: ...

    def frames(self) -> Iterator[MarketFrame]:
        """Frames in order of ``ts``; a fresh iterator from the day's start at each call."""
        ...

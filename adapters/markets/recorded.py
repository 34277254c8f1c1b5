"""A recorded session as a market: its own frames, again.

Lives here: the market over the facts of a session. May import: events, engine.ports,
engine.rulebook. Always holds: frames are given byte for byte with their times; lacks, bar and cycle
rule are those of the recording, and so are the first and the last moment of its cycles; the
identity is a digest of all that, so a copy is the same market.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from engine.ports import MarketError, MarketFrame
from engine.rulebook import Rulebook
from events.base import Event
from events.feed import FeedFrame, TimerTick
from events.session import (
    CycleRule,
    Instrument,
    InstrumentsLoaded,
    MarketIdentity,
    SessionClosed,
    SessionOpened,
)

GRID: Final = "GRID"
MS: Final = 1_000_000

Facts = Callable[[], Iterator[tuple[int, Event]]]
"""Gives (ts, fact) of the recorded session from its start at each call."""


class RecordedMarket:
    """The ``Market`` of a recorded session. Raises ``MarketError`` where it holds no market."""

    def __init__(self, facts: Facts, rulebook: Rulebook) -> None:
        self._facts = facts
        self._opened, self._loaded = self._opening()
        window = rulebook.session_window(self._opened.day, "fno", "NSE")
        if window is None:
            raise MarketError(
                f"the rulebook knows no session on {self._opened.day}: add a row with source"
            )
        self.open_ns, self.close_ns = window.open_ns, window.close_ns
        self._digest = self._read()

    def _opening(self) -> tuple[SessionOpened, InstrumentsLoaded]:
        opened: SessionOpened | None = None
        for _, event in self._facts():
            if isinstance(event, SessionOpened):
                opened = event
            elif isinstance(event, InstrumentsLoaded) and opened is not None:
                return opened, event
        raise MarketError("the session holds no instruments: it cannot serve as a market")

    def _read(self) -> str:
        """The content's digest; on the way the moments between which the recording had its cycles.

        One that was never closed ends just after its last fact, so that a cycle there is one here;
        on a grid the cycles end a cadence after the last, also where frames came after the close.
        What was recorded without cycles has them on the market's grid, as far as it was recorded.
        """
        digest = hashlib.sha256(msgspec.msgpack.encode(self._loaded))
        due: list[int] = []
        end = self._opened.anchor_ns
        for ts, event in self._facts():
            end = ts if isinstance(event, SessionClosed) else ts + 1
            if isinstance(event, TimerTick):
                due = [*due[:1], event.due_ts]
            elif isinstance(event, FeedFrame):
                digest.update(msgspec.msgpack.encode((ts, event.snapshot_end, event.data)))
        step = self.cycle_rule.cadence_ms * MS
        if not due:
            late_ns = max(self._opened.anchor_ns - self.open_ns, 0)
            self.close_ns = max(min(end, self.close_ns), self.open_ns)
            self.open_ns = min(self.open_ns + -(-late_ns // step) * step, self.close_ns)
        else:
            on_grid = self.cycle_rule.kind == GRID
            self.open_ns = due[0]
            self.close_ns = min(end, due[-1] + step) if on_grid else end
        digest.update(msgspec.msgpack.encode((self.open_ns, self.close_ns)))
        return digest.hexdigest()

    @property
    def identity(self) -> MarketIdentity:
        market = self._opened.market
        return MarketIdentity("session", None, None, self._digest, market.lacks, market.bar_ms)

    @property
    def cycle_rule(self) -> CycleRule:
        return self._opened.cycle_rule

    @property
    def day(self) -> int:
        return self._opened.day

    @property
    def anchor_ns(self) -> int:
        return self._opened.anchor_ns

    @property
    def dump_digest(self) -> str:
        return self._loaded.dump_digest

    def instruments(self) -> tuple[Instrument, ...]:
        """The instruments of the recording, in its order."""
        return self._loaded.rows

    def frames(self) -> Iterator[MarketFrame]:
        """The recorded frames in order; one that was cut on receipt is given as it was kept."""
        for ts, event in self._facts():
            if isinstance(event, FeedFrame):
                yield MarketFrame(ts, event.data, event.connection, event.snapshot_end)

"""WORK-A as a plain Python loop: one mutable object an instrument, ticks already in memory.

Lives here: the loop that every other peer's answers are checked against. May import: the bench's
own data. Always holds: nothing of the engine is used, so that an error there cannot hide here; no
codec, no journal, no event: it is what the interpreter needs for the work itself.
Start reading at ``run``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bench.work_a_data import (
    AGE_NS_MAX,
    BARS_MIN,
    INSTRUMENTS,
    MINUTE_NS,
    OPEN_NS,
    PASS,
    SPREAD_BPS_MAX,
    STALE,
    WARM_UP,
    WIDE,
    Answers,
    Day,
    answers_of,
)

FAST: Final = 2 / 10
SLOW: Final = 2 / 22

PlainTick = tuple[int, int, int, int, int, int]
"""ts, instrument, last price, cumulative volume, bid, ask."""


class Slot:
    """All that is kept of one instrument."""

    __slots__ = (
        "ask", "atr", "bars", "base", "bid", "close", "ema_fast", "ema_slow", "gain", "high",
        "last", "loss", "low", "seen_ns", "ticks", "turnover", "volume", "vwap_volume",
    )  # fmt: skip

    def __init__(self) -> None:
        self.ticks = self.bars = self.seen_ns = 0
        self.high = self.low = self.last = self.close = self.bid = self.ask = 0
        self.base = -1
        self.volume = 0
        self.ema_fast = self.ema_slow = self.gain = self.loss = self.atr = 0.0
        self.turnover = self.vwap_volume = 0


def flatten(day: Day) -> list[PlainTick]:
    """The day's ticks in the loop's form; not part of the measured work."""
    return [
        (burst.ts, i, price, volume, bid, ask)
        for burst in day.bursts
        for i, price, _, volume, _, _, bid, _, ask in burst.ticks
    ]


def run(ticks: Sequence[PlainTick], minutes: int) -> Answers:
    """The whole work: ticks in, verdicts and sums out."""
    slots = [Slot() for _ in range(INSTRUMENTS)]
    ledger = _Ledger()
    boundary = OPEN_NS + MINUTE_NS
    for ts, i, price, volume, bid, ask in ticks:
        while ts >= boundary:
            ledger.minute(slots, boundary)
            boundary += MINUTE_NS
        slot = slots[i]
        if slot.ticks:
            if price > slot.high:
                slot.high = price
            elif price < slot.low:
                slot.low = price
        else:
            slot.high = slot.low = price
            if slot.base < 0:
                slot.base = volume
        slot.ticks += 1
        slot.last = price
        slot.volume = volume
        slot.bid = bid
        slot.ask = ask
        slot.seen_ns = ts
    while boundary <= OPEN_NS + minutes * MINUTE_NS:
        ledger.minute(slots, boundary)
        boundary += MINUTE_NS
    return ledger.answers()


class _Ledger:
    """Verdicts and sums so far."""

    def __init__(self) -> None:
        self._verdicts = bytearray()
        self._bars = 0
        self._fast = self._slow = self._rsi = self._atr = self._vwap = 0.0

    def minute(self, slots: list[Slot], boundary: int) -> None:
        """Close the bars that had a tick, then pass every instrument through the gate."""
        for slot in slots:
            if slot.ticks:
                self._close(slot)
        for slot in slots:
            self._verdicts.append(_verdict(slot, boundary))

    def _close(self, slot: Slot) -> None:
        step(slot)
        self._bars += 1
        self._fast += slot.ema_fast
        self._slow += slot.ema_slow
        self._atr += slot.atr
        if slot.bars > 1:
            moved = slot.gain + slot.loss
            self._rsi += 100.0 * slot.gain / moved if moved else 50.0
        if slot.vwap_volume:
            self._vwap += slot.turnover / 3.0 / slot.vwap_volume

    def answers(self) -> Answers:
        sums = (self._fast, self._slow, self._rsi, self._atr, self._vwap)
        return answers_of(bytes(self._verdicts), self._bars, sums)


def step(slot: Slot) -> None:
    """Fold the closed bar into the indicators and make ready for the next."""
    high, low, close = slot.high, slot.low, slot.last
    volume = slot.volume - slot.base
    slot.turnover += (high + low + close) * volume
    slot.vwap_volume += volume
    if slot.bars == 0:
        slot.ema_fast = slot.ema_slow = float(close)
        slot.atr = float(high - low)
    else:
        before = slot.close
        slot.ema_fast += FAST * (close - slot.ema_fast)
        slot.ema_slow += SLOW * (close - slot.ema_slow)
        slot.atr += (max(high, before) - min(low, before) - slot.atr) / 14.0
        gain, loss = max(close - before, 0), max(before - close, 0)
        if slot.bars == 1:
            slot.gain, slot.loss = float(gain), float(loss)
        else:
            slot.gain += (gain - slot.gain) / 14.0
            slot.loss += (loss - slot.loss) / 14.0
    slot.bars += 1
    slot.close = close
    slot.base = slot.volume
    slot.ticks = 0


def _verdict(slot: Slot, boundary: int) -> int:
    if slot.bars < BARS_MIN:
        return WARM_UP
    if boundary - slot.seen_ns > AGE_NS_MAX:
        return STALE
    if (slot.ask - slot.bid) * 20_000 > SPREAD_BPS_MAX * (slot.ask + slot.bid):
        return WIDE
    return PASS

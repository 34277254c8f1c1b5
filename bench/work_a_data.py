"""WORK-A: the day that every peer is given, and the form in which every peer answers.

Lives here: the seeded generator of ticks, their encoding as Kite frames, the answers and their
comparison. May import: events, msgspec. Always holds: a seed gives the same ticks on every Python
(``random.random`` alone is drawn from); all ticks of a burst have the burst's time, so a burst cut
into frames of 200 or of 20 is the same work; no tick falls on a minute's boundary.
Start reading at ``make_day``.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import random
from bisect import bisect
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from events.wire.kite import DEPTH_LEVELS, FULL_PACKET, FULL_SIZE, Segment

INSTRUMENTS: Final = 100
MINUTES: Final = 375
BURST: Final = 200
"""Ticks that share a time; every size of frame must divide it."""

BARS_MIN: Final = 15
AGE_NS_MAX: Final = 3_000_000_000
SPREAD_BPS_MAX: Final = 8
PASS, WARM_UP, STALE, WIDE = range(4)
"""Verdicts of the gate, in the order in which its conditions are asked."""

DAY: Final = 20_250_829
OPEN_NS: Final = 1_756_439_100_000_000_000
"""09:15 IST of ``DAY``."""
SECOND_NS: Final = 1_000_000_000
MINUTE_NS: Final = 60 * SECOND_NS
CLOSE_NS: Final = OPEN_NS + MINUTES * MINUTE_NS

Tick = tuple[int, int, int, int, int, int, int, int, int]
"""instrument, last price, last quantity, cumulative volume, OI, bid quantity, bid, ask quantity,
ask. Prices in paise."""


class Burst(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Ticks that arrive together at ``ts`` (ns UTC)."""

    ts: int
    ticks: tuple[Tick, ...]


class Day(msgspec.Struct, frozen=True, array_like=True):
    """A whole day of bursts in order of time."""

    seed: int
    minutes: int
    bursts: tuple[Burst, ...]

    @property
    def ticks(self) -> int:
        return len(self.bursts) * BURST


class Answers(msgspec.Struct, frozen=True):
    """What a peer found: verdicts by kind and in order, and sums over all bars.

    ``verdicts_sha256`` is over one byte an instrument and minute. Sums are of the value after each
    one-minute bar: EMA, ATR and VWAP in paise, RSI 0 to 100 (from an instrument's second bar on;
    VWAP from its first volume on).
    """

    passed: int
    warm_up: int
    stale: int
    wide: int
    verdicts_sha256: str
    bars: int
    ema_fast_sum: float
    ema_slow_sum: float
    rsi_sum: float
    atr_sum: float
    vwap_sum: float


RELATIVE_MAX: Final = 1e-6


def answers_of(
    verdicts: bytes, bars: int, sums: tuple[float, float, float, float, float]
) -> Answers:
    """Answers from all verdict bytes in order and the sums of fast, slow, RSI, ATR, VWAP."""
    passed, warm_up, stale, wide = (verdicts.count(kind) for kind in (PASS, WARM_UP, STALE, WIDE))
    return Answers(passed, warm_up, stale, wide, hashlib.sha256(verdicts).hexdigest(), bars, *sums)


def differences(ours: Answers, theirs: Answers) -> list[str]:
    """Fields in which two answers differ: sums by more than a millionth, all else at all."""
    found = []
    for name in Answers.__struct_fields__:
        one, other = getattr(ours, name), getattr(theirs, name)
        same = (
            math.isclose(one, other, rel_tol=RELATIVE_MAX)
            if isinstance(one, float)
            else one == other
        )
        if not same:
            found.append(f"{name} {one} and {other}")
    return found


# --- the generator -----------------------------------------------------------------------------


def make_day(ticks: int, seed: int, minutes: int = MINUTES) -> Day:
    """A day of ``ticks`` (a multiple of ``BURST``; at least one burst a minute), in memory.

    Raises ``ValueError`` for a count that cannot be cut so.
    """
    return Day(seed, minutes, tuple(bursts(ticks, seed, minutes)))


def bursts(ticks: int, seed: int, minutes: int = MINUTES) -> Iterator[Burst]:
    """The bursts of such a day one after the other: a long one need not stand in memory."""
    check_size(ticks, minutes)
    rng = random.Random(seed)
    street = _Street(rng)
    count = ticks // BURST
    for minute in range(minutes):
        inside = count * (minute + 1) // minutes - count * minute // minutes
        for ts in _times(rng, OPEN_NS + minute * MINUTE_NS, inside):
            yield Burst(ts, tuple(street.tick() for _ in range(BURST)))


def check_size(ticks: int, minutes: int) -> None:
    """Raises ``ValueError`` for a day that ``make_day`` cannot make."""
    least = minutes * BURST
    if minutes < 1 or ticks < least or ticks % BURST:
        raise ValueError(
            f"{ticks} in {minutes} minutes: make it a multiple of {BURST}, {BURST} a minute or more"
        )


def _times(rng: random.Random, start: int, count: int) -> list[int]:
    """Times of a minute's bursts. The last decides whose quote is fresh at the boundary: now and
    then it lies exactly at the limit, or one nanosecond past it."""
    draw = rng.random()
    lead = int((0.05 + 4.95 * rng.random()) * SECOND_NS)
    if draw < 0.1:
        lead = AGE_NS_MAX + (draw < 0.05)
    last = start + MINUTE_NS - lead
    span = last - start - SECOND_NS
    others = sorted(start + SECOND_NS + int(rng.random() * span) for _ in range(count - 1))
    return [*others, last]


class _Street:
    """One hundred instruments that trade unequally: the last never, the one before it rarely."""

    def __init__(self, rng: random.Random) -> None:
        self._draw = rng.random
        weights = [1.0 / (4 + i) for i in range(INSTRUMENTS - 4)] + [2e-3, 2e-4, 2e-5, 0.0]
        self._activity = list(itertools.accumulate(weights))
        self._mid = [10_000 + 3_000 * i for i in range(INSTRUMENTS)]
        self._volume = [1_000 * (i + 1) for i in range(INSTRUMENTS)]

    def tick(self) -> Tick:
        """The next tick: a trade at bid or ask, these up to 9 bps apart or, the less active the
        instrument, up to 14."""
        draw = self._draw
        i = bisect(self._activity, draw() * self._activity[-1])
        mid = self._mid[i] + int((draw() - 0.5) * self._mid[i] * 4e-4)
        mid = self._mid[i] = max(mid, 1_000)
        half = int(mid * draw() * (4.5 + 2.5 * i / INSTRUMENTS) * 1e-4) + 1
        side = draw()
        last = 1 + int(side * 50)
        self._volume[i] += last
        price = mid - half if side < 0.5 else mid + half
        size = 50 + int(draw() * 1_000)
        oi = 1_000_000 + self._volume[i] // 7
        return (
            i,
            price,
            last,
            self._volume[i],
            oi,
            size,
            mid - half,
            1_050 - size // 2,
            mid + half,
        )


# --- as Kite frames ------------------------------------------------------------------------------


def token_of(instrument: int) -> int:
    """The instrument token on the wire: a future of the NFO segment."""
    return (1_000 + instrument) << 8 | Segment.NFO


def frames_of(some: Iterable[Burst], per_frame: int) -> Iterator[tuple[int, bytes]]:
    """(ts, frame bytes) of bursts: full packets with five levels of depth a side.

    Raises ``ValueError`` for a size that does not divide a burst.
    """
    if per_frame < 1 or BURST % per_frame:
        raise ValueError(f"frames of {per_frame} do not divide a burst of {BURST}")
    head = per_frame.to_bytes(2, "big")
    size = FULL_SIZE.to_bytes(2, "big")
    for burst in some:
        packets = [size + _packet(tick, burst.ts) for tick in burst.ticks]
        for first in range(0, BURST, per_frame):
            yield burst.ts, head + b"".join(packets[first : first + per_frame])


def _packet(tick: Tick, ts: int) -> bytes:
    i, price, last, volume, oi, bid_units, bid, ask_units, ask = tick
    stamp = ts // SECOND_NS
    depth: list[int] = []
    for level in range(DEPTH_LEVELS):
        depth += (bid_units + 75 * level, bid - 5 * level, 2 + level)
    for level in range(DEPTH_LEVELS):
        depth += (ask_units + 75 * level, ask + 5 * level, 2 + level)
    return FULL_PACKET.pack(
        token_of(i), price, last, price, volume, 5 * bid_units, 5 * ask_units,
        price, ask, bid, price, stamp, oi, oi, oi // 2, stamp, *depth,
    )  # fmt: skip

"""Bars: ticks in, open-high-low-close-volume out.

Lives here: the frozen ``Bar``; the accumulator that a tight loop over one frame's packets updates;
the arithmetic of bar boundaries. May import: msgspec. Always holds: a bar has at least one tick, of
which one made of a candle knows no number and says 0, and low <= open, close <= high; prices are
integer paise, volume is integer units or None where the market publishes none; a bar belongs to the
session clock (``ts`` of the facts), so no tick is late.
An accumulator is a mutable list that never leaves the core: it is frozen at every boundary.
Start reading at ``fold_tick``.
"""

from __future__ import annotations

from typing import Final

import msgspec

MINUTE_NS: Final = 60_000_000_000
FIVE_NS: Final = 5 * MINUTE_NS

OPEN: Final = 0
HIGH: Final = 1
LOW: Final = 2
CLOSE: Final = 3
TICKS: Final = 4
CUMULATIVE: Final = 5
BASE: Final = 6
BANKED: Final = 7
GAPPED: Final = 8
"""Places in an accumulator.

``OPEN`` .. ``CLOSE``: paise, meaningless while ``TICKS`` is 0. ``CUMULATIVE``: the highest
cumulative day volume seen, in units; where its next value must not count (start of the feed, a
gap), the one's complement of it, which is negative. ``BASE``: the cumulative volume from which the
bar counts, -1 before the first. ``BANKED``: the bar's volume before a gap inside it. ``GAPPED``: 1
when the feed was lost during the bar.
"""

Accumulator = list[int]
Frozen = tuple[int, ...]
"""An accumulator between two frames, as the state holds it."""


class Bar(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """One closed bar, [start_ts, start_ts + length_ns) on the session clock (ns UTC).

    ``volume`` is in units, None where the instrument has published none; after a gap it lacks what
    was traded in the gap, and ``gapped`` is true.
    """

    start_ts: int
    length_ns: int
    open_paise: int
    high_paise: int
    low_paise: int
    close_paise: int
    volume: int | None
    ticks: int
    gapped: bool


def bar_start(ts: int, length_ns: int, origin_ts: int) -> int:
    """The start of the bar that holds ``ts``; bars are counted from ``origin_ts`` (all ns UTC).

    The origin is the session's open: it puts five-minute bars on 09:15, 09:20, ... and a length
    that does not divide the hour where traders expect it.
    """
    return ts - (ts - origin_ts) % length_ns


def floor_to(ts: int, length_ns: int) -> int:
    """The start of the clock's own minute, or five minutes, that holds ``ts`` (ns UTC)."""
    return ts - ts % length_ns


def new_accumulator() -> Accumulator:
    """An accumulator before its first tick: the first cumulative volume seen is its base."""
    return [0, 0, 0, 0, 0, -1, -1, 0, 0]


def fold_price(acc: Accumulator, price_paise: int) -> None:
    """One tick of an instrument without volume (an index, INDIA VIX)."""
    if acc[TICKS]:
        if price_paise > acc[HIGH]:
            acc[HIGH] = price_paise
        elif price_paise < acc[LOW]:
            acc[LOW] = price_paise
    else:
        acc[OPEN] = acc[HIGH] = acc[LOW] = price_paise
    acc[CLOSE] = price_paise
    acc[TICKS] += 1


def fold_tick(acc: Accumulator, price_paise: int, cumulative: int) -> None:
    """One tick: last price in paise and the day's cumulative volume in units.

    The volume counts from the highest cumulative value seen. A lower one changes nothing: within a
    trading day it is an old page or a blank field (in the recorded chain day of 29 August 2025
    eleven snapshots show 0 and the true value returns in the next), and to count from it would
    book the whole day's volume again. After ``mark_gap`` the first value only moves the base.
    A loop over a frame may hold this body inline (a call costs a third of it); the plain model in
    ``tests/engine/test_bars.py`` says what any copy has to agree with.
    """
    if acc[TICKS]:
        if price_paise > acc[HIGH]:
            acc[HIGH] = price_paise
        elif price_paise < acc[LOW]:
            acc[LOW] = price_paise
    else:
        acc[OPEN] = acc[HIGH] = acc[LOW] = price_paise
    acc[CLOSE] = price_paise
    acc[TICKS] += 1
    if cumulative > acc[CUMULATIVE]:
        if acc[CUMULATIVE] < 0:
            rebase(acc, cumulative)
        else:
            acc[CUMULATIVE] = cumulative


def rebase(acc: Accumulator, cumulative: int) -> None:
    """Count from here on: the first cumulative volume of the feed, or the first after a gap."""
    acc[CUMULATIVE] = acc[BASE] = max(cumulative, ~acc[CUMULATIVE])


def mark_gap(acc: Accumulator) -> None:
    """The feed of this instrument is lost here: the bar is marked, and what is traded until its
    next tick is in no bar. ``mark_return`` marks the bar of the other end."""
    acc[GAPPED] = 1
    if acc[CUMULATIVE] >= 0:
        acc[BANKED] += acc[CUMULATIVE] - acc[BASE]
        acc[CUMULATIVE] = ~acc[CUMULATIVE]


def mark_return(acc: Accumulator) -> None:
    """The feed is back. An instrument that has ticked since counts on from that tick."""
    acc[GAPPED] = 1


def bar_volume(acc: Accumulator | Frozen) -> int | None:
    """Units traded in the bar so far; None while the instrument has published no volume."""
    if acc[BASE] < 0:
        return None
    if acc[CUMULATIVE] < 0:
        return acc[BANKED]
    return acc[BANKED] + acc[CUMULATIVE] - acc[BASE]


def freeze(acc: Accumulator | Frozen, start_ts: int, length_ns: int) -> Bar:
    """The accumulator as a frozen ``Bar``; it must hold a tick."""
    first, high, low, close, ticks, _, _, _, gapped = acc
    assert ticks > 0, "a bar without a tick does not exist"
    volume = bar_volume(acc)
    return Bar(start_ts, length_ns, first, high, low, close, volume, ticks, gapped != 0)


def close_bar(acc: Frozen, start_ts: int, length_ns: int) -> tuple[Bar | None, Frozen]:
    """The bar, or None where the instrument had no tick in it, and the accumulator of the next.

    The next bar's volume counts from this one's last tick; a gap that no tick has ended stays
    marked for the bar of the next tick.
    """
    first, high, low, close, ticks, cumulative, base, _, _ = acc
    if not ticks:
        return None, acc
    bar = freeze(acc, start_ts, length_ns)
    base = cumulative if cumulative >= 0 else base
    return bar, (first, high, low, close, 0, cumulative, base, 0, 0)


def merge(bars: tuple[Bar, ...], start_ts: int, length_ns: int) -> Bar:
    """The longer bar that consecutive shorter ones make, as if its ticks had been folded into it.

    ``bars`` holds at least one, in order; minutes without a tick are simply missing from it.
    """
    assert bars, "a bar without a tick does not exist"
    high, low = bars[0].high_paise, bars[0].low_paise
    volume: int | None = None
    ticks, gapped = 0, False
    for bar in bars:
        high = bar.high_paise if bar.high_paise > high else high
        low = bar.low_paise if bar.low_paise < low else low
        ticks += bar.ticks
        gapped = gapped or bar.gapped
        if bar.volume is not None:
            volume = bar.volume if volume is None else volume + bar.volume
    first, last = bars[0], bars[-1]
    return Bar(
        start_ts,
        length_ns,
        first.open_paise,
        high,
        low,
        last.close_paise,
        volume,
        ticks,
        gapped,
    )

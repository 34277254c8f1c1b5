"""Frames that lead to nothing: when a frame is quiet, and many of them folded at once.

Lives here: the test for quiet and the fast fold. May import: events, engine. Always holds: pure;
``fold_quiet`` gives the state that ``apply`` gives frame by frame, to the bit; what it cannot fold
faster, and frames in which a tick may have to be judged, it gives to that general path. Between two
decisions nobody asks for the state, so a quote is made once of an instrument's last packet, and an
accumulator is taken apart and frozen once, however many frames there were.
Start reading at ``quiet_until``, then ``fold_quiet``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from engine.bars import BASE, CLOSE, CUMULATIVE, HIGH, LOW, OPEN, TICKS, Accumulator
from engine.feed import (
    LIVE,
    NEAR_PAISE,
    NEAR_SHIFT,
    DoubtfulTick,
    Limits,
    checked_walk,
    fold_small,
    full_quote,
    known_stamp,
    silence_ms_max,
    stamp_limits,
)
from engine.lookup import Lookup
from engine.quality import apply_feed_frame
from engine.state import State
from events.feed import FeedFrame
from events.wire.kite import FULL_SIZE, FrameError, Run, Walk, unpack_run, unpack_trades

NEVER: Final = -1
_STRIDE: Final = FULL_SIZE + 2
NS_PER_S: Final = 1_000_000_000
_BEYOND: Final = 1 << 33
"""More than any price or volume on the wire."""

_NO_BAR: Final = (0, _BEYOND, -_BEYOND, 0, 0, _BEYOND, 0, 0, 0)
"""Stands for the accumulator of an instrument without bars: no packet moves its range."""

_AT: Final = 9
"""Place behind an accumulator's own nine: the address of the instrument's last full packet, which
is its length word's byte in all the frames put together."""


class QuietFrame(msgspec.Struct, frozen=True, gc=False):
    """A frame that waits to be folded, its lengths already checked."""

    event: FeedFrame
    packets: Walk
    ts: int
    seq: int


class _Unusual(Exception):  # noqa: N818 - named for the condition
    """A packet that only the general path folds."""


def quiet_until(state: State) -> int:
    """The session time before which a good frame leads to nothing but itself: no bar is due, no
    connection changes its health, no order may fill, no position may be marked. ``NEVER`` where
    that cannot be said: a market of pages judges each silence. In real time each is judged too, so
    that it is no longer quiet once one may have lasted too long since the last decision."""
    opened, feed = state.opened, state.feed
    busy = state.orders or state.positions or state.unsettled
    if busy or opened is None or opened.cycle_rule.max_gap_ms or feed.status != LIVE or feed.gap_ms:
        return NEVER
    silence_ns = silence_ms_max(state) * 1_000_000
    return (
        min(state.bar_end_ns, feed.last_frame_ns + silence_ns) if silence_ns else state.bar_end_ns
    )


def quiet_frame(event: FeedFrame, ts: int, seq: int) -> QuietFrame | None:
    """The frame with its walk; None where it is not one of a stream, or does not keep its word."""
    if event.snapshot_end:
        return None
    try:
        return QuietFrame(event, checked_walk(event), ts, seq)
    except FrameError:
        return None


def fold_quiet(state: State, frames: Sequence[QuietFrame], look: Lookup) -> State:
    """The state after quiet frames, at least one, in order; all before ``quiet_until(state)``."""
    if len(frames) > 1 and not state.quality.doubts:
        try:
            return _fold_many(state, frames, look)
        except (_Unusual, DoubtfulTick):
            pass
    for one in frames:
        state = replace(state, now=one.ts, seq=one.seq)
        state = apply_feed_frame(state, one.event, one.ts, one.seq, look)
    return state


def _fold_many(state: State, frames: Sequence[QuietFrame], look: Lookup) -> State:
    fold = _Fold(state, frames, look)
    packets, unknown, newest = 0, 0, state.feed.newest_stamp_s
    ahead, _, back = stamp_limits(state, 0)
    for one, base in zip(frames, fold.bases, strict=True):
        packets += one.packets.packets
        unknown += one.packets.skipped
        # Rounded down twice: what lies between is left to the general path.
        limits = (ahead + one.ts // NS_PER_S, newest, back)
        for run in one.packets.runs:
            if run.size == FULL_SIZE:
                stamp, missed = fold.full(one.event.data, run, base, limits)
            else:
                stamp, missed = fold.small(one, run, limits)
            newest = stamp if stamp > newest else newest
            unknown += missed
    fold.settle_all()
    last, feed = frames[-1], state.feed
    return replace(
        state,
        now=last.ts,
        seq=last.seq,
        quotes=tuple(fold.quotes),
        accs=tuple(fold.accs),
        feed=replace(
            feed,
            last_frame_ns=last.ts,
            newest_stamp_s=newest,
            frames=feed.frames + len(frames),
            ticks=feed.ticks + packets,
            unknown_tokens=feed.unknown_tokens + unknown,
        ),
    )


class _Fold:
    """What changes while frames are folded. It lives for one call of ``fold_quiet``.

    ``_live`` holds, by token, the accumulator of every instrument that had a full packet since its
    quote was last made, with that packet's address behind it.
    """

    def __init__(self, state: State, frames: Sequence[QuietFrame], look: Lookup) -> None:
        self.quotes = list(state.quotes)
        self.accs = list(state.accs)
        self.bases: list[int] = []
        self._frames = frames
        self._look = look
        self._live: dict[int, Accumulator] = {}
        base = 0
        for one in frames:
            self.bases.append(base)
            base += len(one.event.data)

    def full(self, data: bytes, run: Run, base: int, limits: Limits) -> tuple[int, int]:
        """Fold a run of full packets of the frame at address ``base``; gives the newest exchange
        stamp and the unknown tokens. The hottest loop of all: ``bars.fold_tick`` with all that is
        rare kept out of it, by ``_begin``."""
        get = self._live.get
        unknown = 0
        at = base + run.start - _STRIDE
        for token, ltp, volume in unpack_trades(data, run):
            at += _STRIDE
            acc = get(token)
            if acc is None:
                acc = self._begin(token, ltp, volume)
                if acc is None:
                    unknown += 1
                    continue
            if ltp > acc[1]:
                if ltp - acc[1] > NEAR_PAISE + (acc[1] >> NEAR_SHIFT):
                    raise _Unusual
                acc[1] = ltp
            elif ltp < acc[2]:
                if ltp <= 0 or acc[2] - ltp > NEAR_PAISE + (acc[2] >> NEAR_SHIFT):
                    raise _Unusual
                acc[2] = ltp
            acc[3] = ltp
            acc[4] += 1
            if volume > acc[5]:
                acc[5] = volume
            acc[9] = at
        return known_stamp(data, run, unknown, self._look, limits), unknown

    def _begin(self, token: int, ltp: int, volume: int) -> Accumulator | None:
        """The accumulator that a packet of ``token`` finds: where it is a bar's first, already with
        its price, and where the volume has no base yet, with that. None for an unknown token."""
        i = self._look.index_of.get(token, -1)
        if i < 0:
            return None
        place = self._look.slot_of[i]
        if place < 0:
            acc = [*_NO_BAR, 0]
        else:
            if ltp <= 0:
                raise _Unusual
            acc = [*self.accs[place], 0]
            if not acc[TICKS]:
                close = acc[CLOSE]
                if close and abs(ltp - close) > NEAR_PAISE + (close >> NEAR_SHIFT):
                    raise _Unusual
                acc[OPEN] = acc[HIGH] = acc[LOW] = ltp
            if acc[CUMULATIVE] < 0:  # the feed's first, or the first after a gap: see ``rebase``
                acc[CUMULATIVE] = acc[BASE] = max(volume, ~acc[CUMULATIVE])
        self._live[token] = acc
        return acc

    def small(self, one: QuietFrame, run: Run, limits: Limits) -> tuple[int, int]:
        """Fold a run of packets without depth by the general path, on quotes that are up to date;
        gives as ``full``."""
        data = one.event.data
        for token, *_ in unpack_run(data, run):
            acc = self._live.pop(token, None)
            if acc is not None:
                self._settle(token, acc)
        return fold_small(data, run, one.ts, one.seq, self._look, self.quotes, self.accs, limits)

    def settle_all(self) -> None:
        """Freeze what is still live."""
        for token, acc in self._live.items():
            self._settle(token, acc)

    def _settle(self, token: int, acc: Accumulator) -> None:
        at = acc.pop()
        i = self._look.index_of[token]
        place = self._look.slot_of[i]
        if place >= 0:
            self.accs[place] = tuple(acc)
        k = bisect_right(self.bases, at) - 1
        one = self._frames[k]
        self.quotes[i] = full_quote(one.event.data, at - self.bases[k], one.ts, one.seq)

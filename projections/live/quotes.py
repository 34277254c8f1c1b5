"""The last quote of each instrument, taken from the frames as they stand in the journal.

Lives here: the table of last quotes, and the frozen copy of it that a view gives out. May import:
events.wire. Always holds: only instruments of the session are kept, so memory is bounded; a frame
that fails its walk changes nothing, as in the core; a side with price 0 is no side. Of a packet
only its place is kept: it is decoded when somebody asks about its instrument.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Set
from functools import lru_cache
from typing import Any, Final

import msgspec

from events.session import Instrument
from events.wire import kite

_PAISE: Final = 100
WAITING_MAX: Final = 256
"""Runs that wait; a frame is some kilobytes."""


Place = tuple[int, int, bytes, int]
"""A run of packets: ts and seq of its frame, the frame's bytes, the packets' size."""
Seen = tuple[Place, int]
"""Where a packet stands, and the offset of its length word."""


class Quote(msgspec.Struct, frozen=True, gc=False):
    """The last packet of an instrument, prices in paise; None is what it did not say. ``seq`` is
    its frame's; ``oi_first`` the open interest of its first packet of the session."""

    ts: int
    seq: int
    last_paise: int
    volume_units: int | None
    oi_units: int | None
    oi_first_units: int | None
    bid_paise: int | None
    bid_units: int
    ask_paise: int | None
    ask_units: int


class Depth(msgspec.Struct, frozen=True, gc=False):
    """The five levels of each side, best first, as (price in paise, units, orders)."""

    bids: tuple[tuple[int, int, int], ...]
    asks: tuple[tuple[int, int, int], ...]


class Quotes(msgspec.Struct, frozen=True):
    """The quotes of one moment, read on demand; given out, it never changes. Both by token."""

    seen: dict[int, Seen]
    oi_first: dict[int, int]

    def last_price(self, token: int) -> tuple[int, int] | None:
        """(last price in paise, ts) of an instrument, None before its first packet."""
        seen = self.seen.get(token)
        return None if seen is None else (_hot(seen)[1], seen[0][0])

    def seq(self, token: int) -> int | None:
        """The seq of the frame with an instrument's last packet."""
        seen = self.seen.get(token)
        return None if seen is None else seen[0][1]

    def seen_ts(self, token: int) -> int | None:
        """When an instrument was last in a frame, None before its first packet."""
        seen = self.seen.get(token)
        return None if seen is None else seen[0][0]

    def bid(self, token: int) -> tuple[int, int] | None:
        """(best bid in paise, ts), None where no packet with depth came or nobody bids."""
        return self._side(token, _BID_AT)

    def ask(self, token: int) -> tuple[int, int] | None:
        """(best ask in paise, ts), None where no packet with depth came or nobody offers."""
        return self._side(token, _ASK_AT)

    def _side(self, token: int, at: int) -> tuple[int, int] | None:
        seen = self.seen.get(token)
        if seen is None or seen[0][3] != kite.FULL_SIZE:
            return None
        price = _hot(seen)[at]
        return (price, seen[0][0]) if price > 0 else None

    def quote(self, token: int) -> Quote | None:
        """All that the last packet said, None before the first."""
        seen = self.seen.get(token)
        if seen is None:
            return None
        tick = _hot(seen)
        ts, seq, _, size = seen[0]
        volume = tick[_VOLUME_AT] if size in (kite.QUOTE_SIZE, kite.FULL_SIZE) else None
        if size != kite.FULL_SIZE:
            return Quote(ts, seq, tick[1], volume, None, None, None, 0, None, 0)
        oi, _, bid_units, bid, ask_units, ask = tick[_OI_AT:]
        return Quote(
            ts=ts,
            seq=seq,
            last_paise=tick[1],
            volume_units=volume,
            oi_units=oi,
            oi_first_units=self.oi_first.get(token),
            bid_paise=bid if bid > 0 else None,
            bid_units=bid_units,
            ask_paise=ask if ask > 0 else None,
            ask_units=ask_units,
        )

    def depth(self, token: int) -> Depth | None:
        """The book of an instrument's last packet, None where that had none."""
        seen = self.seen.get(token)
        if seen is None or seen[0][3] != kite.FULL_SIZE:
            return None
        found = kite.FULL_PACKET.unpack_from(seen[0][2], seen[1] + _LENGTH_BYTES)
        levels = [
            (price, units, orders)
            for units, price, orders in zip(*(iter(found[_LEVELS_AT:]),) * 3, strict=True)
        ]
        sides = (levels[: kite.DEPTH_LEVELS], levels[kite.DEPTH_LEVELS :])
        bids, asks = (tuple(level for level in side if level[0] > 0) for side in sides)
        return Depth(bids, asks)


def _hot(seen: Seen) -> tuple[Any, ...]:
    """The hot fields of a packet; which fields they are follows from its size."""
    (_, _, data, size), at = seen
    return kite.HOT_BY_SIZE[size].unpack_from(data, at)


NO_QUOTES: Final = Quotes({}, {})


class QuoteTable:
    """The last packet's place by token, for the one thread that folds; ``now`` goes on changing,
    ``frozen`` gives out what does not.

    Runs of full packets wait until somebody asks: then the newest are looked at first, and of the
    older ones only the instruments that did not come again. What is given out is the same however
    many waited.
    """

    def __init__(self) -> None:
        self.ticks = 0
        self._now = Quotes({}, {})
        self._known: frozenset[int] = frozenset()
        self._fulls: frozenset[int] = frozenset()
        self._firsts: frozenset[int] = frozenset()
        self._waiting: list[tuple[Place, kite.Run]] = []
        self._given = NO_QUOTES
        self._given_at = 0

    @property
    def now(self) -> Quotes:
        """The quotes after the last frame."""
        self.settle()
        return self._now

    def load(self, rows: Iterable[Instrument]) -> None:
        """Take the session's instruments; only those priced in paise can be shown as rupees."""
        self.settle()
        self._known = frozenset(row.token for row in rows if _priced_in_paise(row.token))
        self._fulls = frozenset(token for token in self._known if not _is_index(token))
        self._firsts = self._fulls - self._now.oi_first.keys()
        for token in self._now.seen.keys() - self._known:
            del self._now.seen[token]

    def take(self, data: bytes, ts: int, seq: int) -> int:
        """Take one frame received at ``ts``; returns its packets, 0 when it was refused."""
        try:
            walk = kite.walk(data)
        except kite.FrameError:
            return 0
        for run in walk.runs:
            place = ts, seq, data, run.size
            if run.size == kite.FULL_SIZE:
                self._waiting.append((place, run))
                continue
            if run.size not in _INDEX_SIZES:
                self.settle()  # the instruments of such a run may also wait as full packets
            self._now.seen.update(_newest(place, run, self._known))
        self.ticks += walk.packets
        if len(self._waiting) >= WAITING_MAX:
            self.settle()
        return walk.packets

    def index_seq(self, token: int) -> int | None:
        """``now.seq`` of an index, which never waits."""
        return (self._now if _is_index(token) else self.now).seq(token)

    def settle(self) -> None:
        """Take what waits, the newest first."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        fresh: dict[int, Seen] = {}
        firsts: dict[int, int] = {}
        for place, run in reversed(waiting):
            if len(fresh) == len(self._fulls) and not self._firsts:
                break  # every instrument has come again since
            tokens = _tokens(place[2], run)
            if not fresh.keys() >= set(tokens):
                new = self._known.intersection(tokens).difference(fresh)
                fresh.update(_newest(place, run, new))
            if not self._firsts.isdisjoint(tokens):
                firsts.update(_first_oi(place, run, self._firsts))
        self._now.seen.update(fresh)
        self._now.oi_first.update(firsts)
        self._firsts -= firsts.keys()

    def frozen(self) -> Quotes:
        """The quotes as they are now; the same value until the next packet."""
        if self._given_at != self.ticks:
            self._given_at = self.ticks
            now = self.now
            self._given = Quotes(dict(now.seen), dict(now.oi_first))
        return self._given


def _tokens(data: bytes, run: kite.Run) -> tuple[int, ...]:
    return _tokens_of(run.size, run.count).unpack_from(data, run.start)


@lru_cache(maxsize=1_024)
def _tokens_of(size: int, count: int) -> struct.Struct:
    """The tokens of so many packets of a size, each behind its length word."""
    return struct.Struct(">" + f"2xI{size - 4}x" * count)


def _newest(place: Place, run: kite.Run, wanted: Set[int]) -> dict[int, Seen]:
    """Where the last packet of each wanted instrument of a run stands."""
    offsets = range(run.start, run.stop, run.size + _LENGTH_BYTES)
    tokens = _tokens(place[2], run)
    return {t: (place, at) for t, at in zip(tokens, offsets, strict=True) if t in wanted}


def _first_oi(place: Place, run: kite.Run, wanted: Set[int]) -> dict[int, int]:
    """The open interest in the first packet of each wanted instrument of a run."""
    found: dict[int, int] = {}
    for tick in kite.unpack_run(place[2], run):
        if tick[0] in wanted:
            found.setdefault(tick[0], tick[_OI_AT])
    return found


_VOLUME_AT: Final = 3
_OI_AT: Final = 4
_LEVELS_AT: Final = 16
_BID_AT: Final = 7
_ASK_AT: Final = 9
_LENGTH_BYTES: Final = 2
_INDEX_SIZES: Final = (kite.INDEX_QUOTE_SIZE, kite.INDEX_FULL_SIZE)


def _is_index(token: int) -> bool:
    return token & 0xFF == kite.Segment.INDICES


def _priced_in_paise(token: int) -> bool:
    try:
        return kite.price_divisor(token) == _PAISE
    except KeyError:
        return False

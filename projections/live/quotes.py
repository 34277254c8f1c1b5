"""The last quote of each instrument, taken from the frames as they stand in the journal.

Lives here: the table of last quotes, and the frozen copy of it that a view gives out. May import:
events.wire. Always holds: only instruments of the session are kept, so memory is bounded; a frame
that fails its walk changes nothing, as in the core; a side with price 0 is no side; depth is
decoded only for the contract that somebody asks about.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from typing import Any, Final

import msgspec

from events.session import Instrument
from events.wire import kite

_PAISE: Final = 100
_token_of = itemgetter(0)


Seen = tuple[int, int, bytes, kite.Run]
"""Where a packet stands: ts and seq of its frame, the frame's bytes, the run that it is in."""


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
    """The quotes of one moment, read on demand; given out, it never changes.

    The tuples of ``last`` are ``kite.unpack_run``'s; which fields they hold follows from their
    length, so they are read only by the functions below. All are by token.
    """

    last: dict[int, tuple[Any, ...]]
    seen: dict[int, Seen]
    oi_first: dict[int, int]

    def last_price(self, token: int) -> tuple[int, int] | None:
        """(last price in paise, ts) of an instrument, None before its first packet."""
        tick = self.last.get(token)
        return None if tick is None else (tick[1], self.seen[token][0])

    def seq(self, token: int) -> int | None:
        """The seq of the frame with an instrument's last packet."""
        seen = self.seen.get(token)
        return None if seen is None else seen[1]

    def seen_ts(self, token: int) -> int | None:
        """When an instrument was last in a frame, None before its first packet."""
        seen = self.seen.get(token)
        return None if seen is None else seen[0]

    def bid(self, token: int) -> tuple[int, int] | None:
        """(best bid in paise, ts), None where no packet with depth came or nobody bids."""
        return self._side(token, _BID_AT)

    def ask(self, token: int) -> tuple[int, int] | None:
        """(best ask in paise, ts), None where no packet with depth came or nobody offers."""
        return self._side(token, _ASK_AT)

    def _side(self, token: int, at: int) -> tuple[int, int] | None:
        tick = self.last.get(token)
        if tick is None or len(tick) != _FULL_FIELDS or tick[at] <= 0:
            return None
        return tick[at], self.seen[token][0]

    def quote(self, token: int) -> Quote | None:
        """All that the last packet said, None before the first."""
        tick = self.last.get(token)
        if tick is None:
            return None
        ts, seq, _, run = self.seen[token]
        volume = tick[_VOLUME_AT] if run.size in (kite.QUOTE_SIZE, kite.FULL_SIZE) else None
        if run.size != kite.FULL_SIZE:
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
        if seen is None or seen[3].size != kite.FULL_SIZE:
            return None
        found = None
        for packet in kite.unpack_full_run(seen[2], seen[3]):
            if packet[0] == token:
                found = packet  # the last one of the frame counts
        if found is None:
            return None
        levels = [
            (price, units, orders)
            for units, price, orders in zip(*(iter(found[_LEVELS_AT:]),) * 3, strict=True)
        ]
        sides = (levels[: kite.DEPTH_LEVELS], levels[kite.DEPTH_LEVELS :])
        bids, asks = (tuple(level for level in side if level[0] > 0) for side in sides)
        return Depth(bids, asks)


NO_QUOTES: Final = Quotes({}, {}, {})


class QuoteTable:
    """Last hot fields and place by token, for the one thread that folds; ``now`` goes on changing,
    ``frozen`` gives out what does not."""

    def __init__(self) -> None:
        self.now = Quotes({}, {}, {})
        self.ticks = 0
        self._known: frozenset[int] = frozenset()
        self._given = NO_QUOTES
        self._given_at = 0

    def load(self, rows: Iterable[Instrument]) -> None:
        """Take the session's instruments; only those priced in paise can be shown as rupees."""
        self._known = frozenset(row.token for row in rows if _priced_in_paise(row.token))

    def take(self, data: bytes, ts: int, seq: int) -> int:
        """Take one frame received at ``ts``; returns its packets, 0 when it was refused."""
        try:
            walk = kite.walk(data)
        except kite.FrameError:
            return 0
        last, seen = self.now.last, self.now.seen
        held = len(last)
        for run in walk.runs:
            ticks = tuple(kite.unpack_run(data, run))
            tokens = tuple(map(_token_of, ticks))
            last.update(zip(tokens, ticks, strict=True))
            seen.update(dict.fromkeys(tokens, (ts, seq, data, run)))
        self.ticks += walk.packets
        if len(last) > len(self._known):
            self._drop_strangers()
        if len(last) != held:
            self._note_first()
        return walk.packets

    def _drop_strangers(self) -> None:
        for token in [token for token in self.now.last if token not in self._known]:
            del self.now.last[token]
            del self.now.seen[token]

    def _note_first(self) -> None:
        """The open interest that a newly seen contract begins with."""
        for token in self.now.last.keys() - self.now.oi_first.keys():
            tick = self.now.last[token]
            if len(tick) == _FULL_FIELDS:
                self.now.oi_first[token] = tick[_OI_AT]

    def frozen(self) -> Quotes:
        """The quotes as they are now; the same value until the next packet."""
        if self._given_at != self.ticks:
            self._given_at = self.ticks
            now = self.now
            self._given = Quotes(dict(now.last), dict(now.seen), dict(now.oi_first))
        return self._given


_VOLUME_AT: Final = 3
_OI_AT: Final = 4
_LEVELS_AT: Final = 16
_FULL_FIELDS: Final = 10
_BID_AT: Final = 7
_ASK_AT: Final = 9


def _priced_in_paise(token: int) -> bool:
    try:
        return kite.price_divisor(token) == _PAISE
    except KeyError:
        return False

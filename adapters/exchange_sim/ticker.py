"""One instrument's market as its frames show it: prices, five levels, trades, candles.

Lives here: ``Ticker`` and the book that our orders meet. May import: events.wire, candles. Always
holds: between two packets of an instrument no more is taken of a level than it shows; a packet is
taken apart only when somebody looks. Start reading at ``Ticker.see``.
"""

from __future__ import annotations

from typing import Final

import msgspec

from adapters.exchange_sim.candles import Candles
from events.wire.kite import (
    DEPTH_LEVELS,
    FULL_SIZE,
    FullTick,
    IndexTick,
    LtpTick,
    QuoteTick,
    decode_packet,
    depth,
)

WINDOW_NS: Final = 30_000_000_000
"""The exchange's reference price is the mean trade price of so long, renewed as often."""


class Level(msgspec.Struct, gc=False):
    """A level of the market's book and how much of it our orders have had since it was shown."""

    price: int
    units: int
    orders: int
    taken: int = 0


Levels = tuple[list[Level], list[Level]]
"""Bids and asks, best first, five of each; price 0 is no level."""


class Ticker:
    """What is known of one instrument. Prices in paise; ``last`` is None before the first packet.

    ``packet`` is the newest packet that is more than a last price, None before one has come.
    """

    __slots__ = (
        "_book",
        "_count",
        "_depth_of",
        "_reference",
        "_sum",
        "_window",
        "candles",
        "last",
        "oi",
        "packet",
        "volume",
    )  # fmt: skip

    def __init__(self) -> None:
        self.last: int | None = None
        self.volume = self.oi = 0
        self.packet: bytes | None = None
        self.candles: Final = Candles()
        self._depth_of: bytes | None = None
        self._book: Levels | None = None
        self._reference: int | None = None
        self._window = self._sum = self._count = 0

    def see(self, now_ns: int, packet: bytes, last: int, volume: int, oi: int) -> int:
        """Take a packet of a tradable instrument with its last price, volume of the day and open
        interest; the units that traded since the packet before it (0 for the first)."""
        first = self.last is None
        traded = 0 if first else max(0, volume - self.volume)
        if traded or (first and volume):
            self._refer(now_ns, last)
            self.candles.see(now_ns, last, traded, oi)
        self.last, self.volume, self.oi, self.packet = last, volume, oi, packet
        if len(packet) == FULL_SIZE:
            self._depth_of, self._book = packet, None
        return traded

    def see_price(self, now_ns: int, packet: bytes | None, last: int) -> None:
        """Take a price without trades: an index packet, or a last price alone (packet None)."""
        self.last = last
        self.packet = packet or self.packet
        self.candles.see(now_ns, last, 0, self.oi)

    def detail(self) -> FullTick | QuoteTick | IndexTick | None:
        """The newest whole packet taken apart; None before there is one."""
        if self.packet is None:
            return None
        tick = decode_packet(self.packet)
        assert not isinstance(tick, LtpTick), "a last price is no whole packet"
        return tick if isinstance(tick, FullTick | QuoteTick | IndexTick) else None

    @property
    def close(self) -> int | None:
        """The previous close; None where no packet gave one."""
        tick = self.detail()
        return tick.close_price if tick is not None and tick.close_price > 0 else None

    @property
    def book(self) -> Levels:
        """The market's book with what was taken of it; empty before a packet showed one."""
        if self._depth_of is None:
            return ([], [])
        if self._book is None:
            bids, asks = depth(self._depth_of)
            self._book = (
                [Level(one.price, one.quantity, one.orders) for one in bids],
                [Level(one.price, one.quantity, one.orders) for one in asks],
            )
        return self._book

    def reference_price(self, now_ns: int) -> int | None:
        """The price that limit price protection measures from: the mean of the last window with
        trades that is over, else the last price; None before there is one."""
        if self._count and now_ns // WINDOW_NS != self._window:
            return self._sum // self._count
        return self.last if self._reference is None else self._reference

    def _refer(self, now_ns: int, price: int) -> None:
        window = now_ns // WINDOW_NS
        if window != self._window:
            if self._count:
                self._reference = self._sum // self._count
            self._window, self._sum, self._count = window, 0, 0
        self._sum += price
        self._count += 1

    def opposite(self, side: str) -> list[Level]:
        """What an order of ``side`` meets, best first, the empty ones left out."""
        bids, asks = self.book
        return [level for level in (asks if side == "BUY" else bids) if level.price > 0]

    def ahead(self, side: str, price: int) -> int | None:
        """The units that the market shows at a price on an order's own side; None where the price
        lies behind the five levels, so that nobody can see."""
        bids, asks = self.book
        own = [level for level in (bids if side == "BUY" else asks) if level.price > 0]
        for level in own:
            if level.price == price:
                return level.units
        if len(own) == DEPTH_LEVELS:
            behind = price < own[-1].price if side == "BUY" else price > own[-1].price
            return None if behind else 0
        return 0

"""The market that the exchange sits on: every instrument's ticker, fed by the broker's frames.

Lives here: ``Market``. May import: events.wire, listing, ticker. Always holds: a frame is taken
whole or refused whole; instruments that are not listed are passed over. Start reading at
``Market.see``.
"""

from __future__ import annotations

from typing import Final

from adapters.exchange_sim.listing import Listed, Listings
from adapters.exchange_sim.ticker import Ticker
from engine.rulebook import Rulebook, protected_band
from events.wire.kite import (
    FULL_SIZE,
    INDEX_FULL_SIZE,
    INDEX_QUOTE_SIZE,
    QUOTE_SIZE,
    unpack_run,
    walk,
)

BPS: Final = 10_000
_OI_AT: Final = 4
"""The place of the open interest among a full packet's hot fields."""


class Market:
    """Tickers by token; ``range_bps`` as in ``Behaviour``."""

    def __init__(self, listings: Listings, rulebook: Rulebook, day: int, range_bps: int) -> None:
        self._rulebook = rulebook
        self._day = day
        self._range_bps = range_bps
        self.tickers: Final = {token: Ticker() for token in listings.by_token}

    def see(self, now_ns: int, data: bytes) -> list[tuple[int, int]]:
        """Take a frame: (token, units traded since) of every tradable instrument with a new
        packet, in order. Raises ``FrameError``."""
        seen: list[tuple[int, int]] = []
        for run in walk(data).runs:
            size = run.size
            at = run.start + 2
            tradable = size in (FULL_SIZE, QUOTE_SIZE)
            for hot in unpack_run(data, run):
                ticker = self.tickers.get(hot[0])
                packet = data[at : at + size]
                at += size + 2
                if ticker is None:
                    continue
                if tradable:
                    oi = hot[_OI_AT] if size == FULL_SIZE else ticker.oi
                    seen.append((hot[0], ticker.see(now_ns, packet, hot[1], hot[3], oi)))
                elif size in (INDEX_QUOTE_SIZE, INDEX_FULL_SIZE):
                    ticker.see_price(now_ns, packet, hot[1])
                else:
                    ticker.see_price(now_ns, None, hot[1])
                    seen.append((hot[0], 0))
        return seen

    def of(self, listed: Listed) -> Ticker:
        return self.tickers[listed.row.token]

    def last(self, listed: Listed) -> int:
        """The last price in paise; 0 before there is one."""
        return self.of(listed).last or 0

    def underlying(self, listed: Listed) -> int:
        """The value of an underlying in paise: its index, else the strike, else the own price."""
        index = listed.underlying_token
        ticker = None if index is None else self.tickers[index]
        if ticker is not None and ticker.last is not None:
            return ticker.last
        return listed.row.strike_paise or self.last(listed)

    def limits(self, listed: Listed) -> tuple[int, int] | None:
        """(lower, upper) circuit limit in paise, on the tick; None where no previous close is
        known.

        The rule here, simpler than the exchange's (which takes each contract's delta): the previous
        close ± ``range_bps`` of the previous close of the underlying index for an option, of its
        own for a future; never below one tick.
        """
        close = self.of(listed).close
        if close is None:
            return None
        base: int | None = close
        if listed.option:
            index = listed.underlying_token
            base = None if index is None else self.tickers[index].close
        if base is None:
            return None
        tick = max(1, listed.row.tick_paise)
        reach = base * self._range_bps // BPS
        low = max(tick, -((reach - close) // tick) * tick)
        return low, (close + reach) // tick * tick

    def outside_protection(self, now_ns: int, listed: Listed, side: str, price: int) -> bool:
        """Whether limit price protection refuses a price: only the aggressive side is limited, by
        the rulebook's band around the reference; with no reference, or no rule, nothing is."""
        reference = self.of(listed).reference_price(now_ns)
        if reference is None:
            return False
        band = protected_band(self._rulebook, self._day, listed.row.exchange, reference)
        if band is None:
            return False
        return price > band[1] if side == "BUY" else price < band[0]

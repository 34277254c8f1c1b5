"""Quotes of the market routes: full, OHLC, last price. Names that are not listed have no key.

Lives here: the objects of ``/quote``, ``/quote/ohlc`` and ``/quote/ltp``. May import: events.wire,
listing, market, words. Always holds: five levels a side, zeros where there is none; an index has no
volume, no depth that says anything, no open interest. Start reading at ``Quotes.quote``.
"""

from __future__ import annotations

from typing import Final

from adapters.exchange_sim.candles import DAYS_MAX, INTERVALS
from adapters.exchange_sim.errors import (
    FIELD_INVALID,
    FROM_AFTER_TO,
    TOO_MANY_DAYS,
    TOO_MANY_TOKENS,
    input_error,
)
from adapters.exchange_sim.listing import Listed, Listings
from adapters.exchange_sim.market import Market
from adapters.exchange_sim.spec import FaultSwitches
from adapters.exchange_sim.ticker import Level, Ticker
from adapters.exchange_sim.words import Data, Form, read_stamp, rupees, stamp
from engine.rulebook import IST_OFFSET_NS, NS_PER_DAY, NS_PER_S
from events.wire.kite import DEPTH_LEVELS, FullTick, IndexTick

QUOTES_MAX: Final = 500
PRICES_MAX: Final = 1_000


class Quotes:
    """What the market shows, in the broker's words."""

    def __init__(self, listings: Listings, market: Market, faults: FaultSwitches) -> None:
        self._listings = listings
        self._market = market
        self._faults = faults

    def quote(self, now_ns: int, keys: tuple[str, ...]) -> Data:
        """Full quotes by key. Raises ``KiteError`` for more than 500."""
        return {key: self._quote(now_ns, one) for key, one in self._known(keys, QUOTES_MAX)}

    def ohlc(self, keys: tuple[str, ...]) -> Data:
        """Last price and OHLC by key. Raises ``KiteError`` for more than 1,000."""
        return {
            key: {
                "instrument_token": one.row.token,
                "last_price": rupees(self._market.last(one)),
                "ohlc": _ohlc(self._market.of(one)),
            }
            for key, one in self._known(keys, PRICES_MAX)
        }

    def ltp(self, keys: tuple[str, ...]) -> Data:
        """Last price by key. Raises ``KiteError`` for more than 1,000."""
        return {
            key: {"instrument_token": one.row.token, "last_price": rupees(self._market.last(one))}
            for key, one in self._known(keys, PRICES_MAX)
        }

    def historical(self, token: int, interval: str, span: Form, oi: bool) -> Data:
        """Candles that start between ``from`` and ``to`` (both included). Raises ``KiteError``."""
        ticker = self._market.tickers.get(token)
        if ticker is None:
            raise input_error(FIELD_INVALID.format(field="instrument_token"))
        if interval not in INTERVALS:
            raise input_error(FIELD_INVALID.format(field="interval"))
        from_ns, to_ns = read_stamp(span, "from"), read_stamp(span, "to")
        if from_ns > to_ns:
            raise input_error(FROM_AFTER_TO)
        most = DAYS_MAX[interval]
        if to_ns - from_ns > most * NS_PER_DAY:
            raise input_error(TOO_MANY_DAYS.format(days=most))
        if interval == "day":
            from_ns = (from_ns + IST_OFFSET_NS) // NS_PER_DAY * NS_PER_DAY - IST_OFFSET_NS
        return {"candles": ticker.candles.of(interval, from_ns, to_ns, oi)}

    def _known(self, keys: tuple[str, ...], most: int) -> list[tuple[str, Listed]]:
        if len(keys) > most:
            raise input_error(TOO_MANY_TOKENS.format(most=most))
        found = [(key, self._listings.by_key.get(key)) for key in keys]
        return [(key, one) for key, one in found if one is not None]

    def _quote(self, now_ns: int, listed: Listed) -> Data:
        ticker = self._market.of(listed)
        tick = ticker.detail()
        full = tick if isinstance(tick, FullTick) else None
        tradable = None if isinstance(tick, IndexTick) else tick
        last = self._market.last(listed)
        limits = self._market.limits(listed) if listed.tradable else None
        seconds = 0 if tick is None else _second(tick)
        traded_s = 0 if full is None else full.last_trade_time_s
        bids, asks = ticker.book
        return {
            "instrument_token": listed.row.token,
            "timestamp": stamp(self._faults.stamped(seconds * NS_PER_S if seconds else now_ns)),
            "last_trade_time": (
                stamp(self._faults.stamped(traded_s * NS_PER_S)) if traded_s else None
            ),
            "last_price": rupees(last),
            "last_quantity": 0 if tradable is None else tradable.last_quantity,
            "buy_quantity": 0 if tradable is None else tradable.buy_quantity,
            "sell_quantity": 0 if tradable is None else tradable.sell_quantity,
            "volume": ticker.volume,
            "average_price": 0 if tradable is None else rupees(tradable.average_price),
            "oi": ticker.oi,
            "oi_day_high": 0 if full is None else full.oi_day_high,
            "oi_day_low": 0 if full is None else full.oi_day_low,
            "net_change": rupees(last - (ticker.close or last)),
            "lower_circuit_limit": rupees(limits[0]) if limits else 0,
            "upper_circuit_limit": rupees(limits[1]) if limits else 0,
            "ohlc": _ohlc(ticker),
            "depth": {"buy": _side(bids), "sell": _side(asks)},
        }


def _second(tick: object) -> int:
    """The exchange's own time of a packet, epoch seconds; 0 where it has none."""
    if isinstance(tick, FullTick):
        return tick.exchange_time_s
    if isinstance(tick, IndexTick):
        return tick.exchange_time_s or 0
    return 0


def _ohlc(ticker: Ticker) -> Data:
    tick = ticker.detail()
    if tick is None:
        return {"open": 0, "high": 0, "low": 0, "close": 0}
    return {
        "open": rupees(tick.open_price),
        "high": rupees(tick.high_price),
        "low": rupees(tick.low_price),
        "close": rupees(tick.close_price),
    }


def _side(levels: list[Level]) -> list[Data]:
    rows = [
        {"price": rupees(one.price), "quantity": one.units, "orders": one.orders} for one in levels
    ]
    empty = {"price": 0, "quantity": 0, "orders": 0}
    return [*rows, *(dict(empty) for _ in range(DEPTH_LEVELS - len(rows)))]

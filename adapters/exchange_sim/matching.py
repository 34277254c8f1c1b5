"""Price-time matching of our orders against the market's own book.

Lives here: who of our orders gets what of a book, and of the trades that were printed. May import:
orders, ticker. Always holds: our orders stand behind what the market shows at their price; no level
gives more than it shows until it is shown anew; printed trades are shared out once; a fill is a
multiple of the lot. Our own orders never meet each other, as an exchange's self-trade prevention
has it. Start reading at ``meet_book``.
"""

from __future__ import annotations

from typing import Final

import msgspec

from adapters.exchange_sim.orders import Order
from adapters.exchange_sim.ticker import Ticker

BPS: Final = 10_000


class Fill(msgspec.Struct, frozen=True, gc=False):
    """What one order gets, and at which price in paise."""

    order: Order
    price_paise: int
    units: int


def by_priority(orders: list[Order], side: str) -> list[Order]:
    """The orders of a side that can trade: best price first, then the earliest."""
    sign = -1 if side == "BUY" else 1
    live = [order for order in orders if order.side == side and order.at_exchange]
    return sorted(live, key=lambda order: (sign * order.price_paise, order.priority))


def meet_book(orders: list[Order], ticker: Ticker, share_bps: int) -> list[Fill]:
    """What the orders take from the levels that are shown, and the levels marked as taken."""
    fills: list[Fill] = []
    for side in ("BUY", "SELL"):
        levels = ticker.opposite(side)
        for order in by_priority(orders, side):
            left = order.remaining
            lot = max(1, order.listed.row.lot_units)
            for level in levels:
                if left == 0 or not reaches(side, order.price_paise, level.price):
                    break
                offered = (level.units * share_bps // BPS - level.taken) // lot * lot
                units = min(left, max(0, offered))
                if units:
                    level.taken += units
                    left -= units
                    fills.append(Fill(order, level.price, units))
    return fills


def meet_trades(orders: list[Order], ticker: Ticker, traded: int) -> list[Fill]:
    """What resting orders get of trades printed at the last price since the packet before.

    An order with a better price than the print came first; one at the print's price waits until
    what stood before it in the market's book has traded.
    """
    fills: list[Fill] = []
    last = ticker.last
    if last is None or traded <= 0:
        return fills
    left = traded
    for side in ("BUY", "SELL"):
        through = 0
        for order in by_priority(orders, side):
            if not reaches(side, order.price_paise, last) or left <= 0:
                break
            if order.price_paise == last:
                waits = min(left, max(0, order.ahead_units - through))
                through += waits
                left -= waits
            lot = max(1, order.listed.row.lot_units)
            units = min(order.remaining, left // lot * lot)
            if units:
                left -= units
                fills.append(Fill(order, order.price_paise, units))
        _move_up(orders, side, last, through)
    return fills


def settle_queue(orders: list[Order], ticker: Ticker) -> None:
    """After a new packet: nobody waits behind more than the market shows at his price."""
    for order in orders:
        if order.at_exchange:
            shown = ticker.ahead(order.side, order.price_paise)
            if shown is not None:
                order.ahead_units = min(order.ahead_units, shown)


def reaches(side: str, limit: int, price: int) -> bool:
    """Whether an order with a limit may trade at a price."""
    return price <= limit if side == "BUY" else price >= limit


def _move_up(orders: list[Order], side: str, price: int, units: int) -> None:
    for order in by_priority(orders, side):
        if order.price_paise == price:
            order.ahead_units = max(0, order.ahead_units - units)

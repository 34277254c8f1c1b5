"""The account: money, positions, and what the broker blocks against them.

Lives here: ``Account`` and ``Position``. May import: engine.rulebook, listing, market, orders,
words. Always holds: units and values come from trades alone, conversions move them between
products; money is the opening cash plus what trades and charges did to it. Start reading at
``Account.book``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from adapters.exchange_sim import errors
from adapters.exchange_sim.errors import input_error
from adapters.exchange_sim.listing import Listed
from adapters.exchange_sim.market import BPS, Market
from adapters.exchange_sim.orders import Order, Trade
from adapters.exchange_sim.spec import AccountSpec, Behaviour
from adapters.exchange_sim.words import Data, average_rupees, rupees

Key = tuple[str, str, str]
"""(exchange, tradingsymbol, product)."""


class Position(msgspec.Struct, gc=False):
    """One instrument in one product. Values in paise, gross of charges; ``cost_paise`` is what the
    open units were acquired for, with their sign."""

    listed: Listed
    product: str
    buy_units: int = 0
    buy_paise: int = 0
    sell_units: int = 0
    sell_paise: int = 0
    cost_paise: int = 0

    @property
    def units(self) -> int:
        return self.buy_units - self.sell_units

    def take(self, side: str, units: int, price: int) -> None:
        """A trade: a closing part releases cost in proportion, the rest adds to it."""
        held = self.units
        signed = units if side == "BUY" else -units
        if held * signed < 0:
            closed = min(abs(held), units)
            self.cost_paise -= self.cost_paise * closed // abs(held)
            signed = (1 if signed > 0 else -1) * (units - closed)
        self.cost_paise += signed * price
        if side == "BUY":
            self.buy_units += units
            self.buy_paise += units * price
        else:
            self.sell_units += units
            self.sell_paise += units * price

    def realised(self) -> int:
        """Profit of what is closed, paise."""
        return self.sell_paise - self.buy_paise + self.cost_paise

    def data(self, last: int, close: int) -> Data:
        """The object of ``GET /portfolio/positions``."""
        value = self.sell_paise - self.buy_paise
        pnl = value + self.units * last
        buy_price = average_rupees(self.buy_paise, self.buy_units)
        sell_price = average_rupees(self.sell_paise, self.sell_units)
        row = self.listed.row
        return {
            "tradingsymbol": row.tradingsymbol,
            "exchange": row.exchange,
            "instrument_token": row.token,
            "product": self.product,
            "quantity": self.units,
            "overnight_quantity": 0,
            "multiplier": 1,
            "average_price": average_rupees(self.cost_paise, self.units),
            "close_price": rupees(close),
            "last_price": rupees(last),
            "value": rupees(value),
            "pnl": rupees(pnl),
            "m2m": rupees(pnl),
            "unrealised": rupees(pnl),
            "realised": 0,
            "buy_quantity": self.buy_units,
            "buy_price": buy_price,
            "buy_value": rupees(self.buy_paise),
            "buy_m2m": rupees(self.buy_paise),
            "sell_quantity": self.sell_units,
            "sell_price": sell_price,
            "sell_value": rupees(self.sell_paise),
            "sell_m2m": rupees(self.sell_paise),
            "day_buy_quantity": self.buy_units,
            "day_buy_price": buy_price,
            "day_buy_value": rupees(self.buy_paise),
            "day_sell_quantity": self.sell_units,
            "day_sell_price": sell_price,
            "day_sell_value": rupees(self.sell_paise),
        }


class Claim(msgspec.Struct, frozen=True, gc=False):
    """What an order asks of the account: open units at a limit price in paise."""

    listed: Listed
    product: str
    side: str
    units: int
    price_paise: int

    @property
    def key(self) -> Key:
        return (self.listed.row.exchange, self.listed.row.tradingsymbol, self.product)


class Blocked(msgspec.Struct, frozen=True, gc=False):
    """What is blocked, paise: premium of working buys, SPAN and exposure of shorts and futures."""

    premium: int
    span: int
    exposure: int

    @property
    def total(self) -> int:
        return self.premium + self.span + self.exposure


class Account:
    """Positions in order of their first trade, money, and margins."""

    def __init__(self, spec: AccountSpec, behaviour: Behaviour, market: Market, day: int) -> None:
        self._spec = spec
        self._behaviour = behaviour
        self._market = market
        self._day = day
        self._positions: dict[Key, Position] = {}
        self._charges_paise = 0

    def book(self, trade: Trade) -> None:
        """Take a trade into position and money."""
        self.position(trade.listed, trade.product).take(trade.side, trade.units, trade.price_paise)
        self._charges_paise += trade.charges_paise

    def charge(self, paise: int) -> None:
        """A charge that belongs to no trade (the broker's square-off)."""
        self._charges_paise += paise

    def position(self, listed: Listed, product: str) -> Position:
        """The position of an instrument in a product, made empty if it is new."""
        key = (listed.row.exchange, listed.row.tradingsymbol, product)
        return self._positions.setdefault(key, Position(listed, product))

    def units(self, listed: Listed, product: str) -> int:
        """The net units of an instrument in a product."""
        found = self._positions.get((listed.row.exchange, listed.row.tradingsymbol, product))
        return 0 if found is None else found.units

    def positions(self) -> tuple[Position, ...]:
        return tuple(self._positions.values())

    def ledger(self) -> tuple[tuple[str, str, str, int], ...]:
        """(exchange, tradingsymbol, product, net units) of every position that is or was."""
        return tuple((*key, one.units) for key, one in self._positions.items())

    @property
    def cash_paise(self) -> int:
        """Opening cash, premium paid and got, profit of closed futures, less charges."""
        moved = 0
        for one in self._positions.values():
            moved += one.sell_paise - one.buy_paise if one.listed.option else one.realised()
        return self._spec.cash_paise + moved - self._charges_paise

    def available(self, claims: list[Claim]) -> int:
        """Free money beside the claims of working orders, paise."""
        return self.cash_paise - self.blocked(claims).total

    def blocked(
        self, claims: list[Claim], *, positions: bool = True, filled: bool = False
    ) -> Blocked:
        """What claims block, and what ``positions`` block, together. ``filled``: the claims' buys
        cover what they sell, as a basket's are taken to do."""
        held = self._positions if positions else {}
        by_key: dict[Key, list[Claim]] = {key: [] for key in held}
        for claim in claims:
            by_key.setdefault(claim.key, []).append(claim)
        premium = span = exposure = 0
        options: list[tuple[Listed, int]] = []
        for key, mine in by_key.items():
            position = held.get(key)
            listed = mine[0].listed if position is None else position.listed
            have = 0 if position is None else position.units
            bought = sum(claim.units for claim in mine if claim.side == "BUY")
            sold = sum(claim.units for claim in mine if claim.side == "SELL")
            if listed.option:
                premium += sum(one.units * one.price_paise for one in mine if one.side == "BUY")
                options.append((listed, have - sold + (bought if filled else 0)))
            else:
                more = self.short_margin(listed, max(abs(have + bought), abs(have - sold)))
                span, exposure = span + more[0], exposure + more[1]
        for more in self._of_shorts(options):
            span, exposure = span + more[0], exposure + more[1]
        return Blocked(premium, span, exposure)

    def _of_shorts(self, options: list[tuple[Listed, int]]) -> Iterator[tuple[int, int]]:
        """(SPAN, exposure) of each option that is short. What a long of the same kind and expiry
        covers asks for what the two can lose together, and the exposure as ever."""
        free = [max(units, 0) for _, units in options]
        for listed, units in options:
            left = max(-units, 0)
            for place, (cover, _) in enumerate(options):
                covered = min(left, free[place]) if _covers(cover, listed) else 0
                if covered:
                    span, exposure = self.short_margin(listed, covered)
                    yield min(span, covered * _loss(cover, listed)), exposure
                    free[place] -= covered
                    left -= covered
            yield self.short_margin(listed, left)

    def short_margin(self, listed: Listed, units: int) -> tuple[int, int]:
        """(SPAN, exposure) in paise of so many short units: ``span_bps`` and ``exposure_bps`` of
        the underlying's value, and ``expiry_day_bps`` more on the day of expiry."""
        value = units * self._market.underlying(listed)
        last_day = listed.row.expiry == self._day
        extra = self._behaviour.expiry_day_bps if last_day else 0
        span = value * self._behaviour.span_bps // BPS
        return span, value * (self._behaviour.exposure_bps + extra) // BPS

    def convert(self, listed: Listed, side: str, old: str, new: str, units: int) -> None:
        """Move open units, at their average price, from one product to another. Raises
        ``KiteError`` where the position has fewer of that side."""
        held = self.units(listed, old) * (1 if side == "BUY" else -1)
        if held < units:
            raise input_error(errors.POSITION_SHORT.format(have=max(0, held)))
        source = self.position(listed, old)
        value = abs(source.cost_paise) * units // held
        target = self.position(listed, new)
        _shift(source, side, -units, -value)
        _shift(target, side, units, value)

    def positions_data(self) -> Data:
        """``net`` and ``day``: nothing is carried overnight, so they show the same."""
        rows = [
            one.data(self._market.last(one.listed), self._market.of(one.listed).close or 0)
            for one in self._positions.values()
        ]
        return {"net": rows, "day": [dict(row) for row in rows]}

    def margins_data(self, claims: list[Claim]) -> Data:
        """The equity segment, which derivatives use too."""
        blocked = self.blocked(claims)
        net = self.cash_paise - blocked.total
        opening = self._spec.cash_paise
        realised = unrealised = premium = 0
        for one in self._positions.values():
            realised += one.realised()
            unrealised += one.units * self._market.last(one.listed) - one.cost_paise
            premium += one.buy_paise - one.sell_paise if one.listed.option else 0
        utilised = {
            "debits": opening - net,
            "exposure": blocked.exposure,
            "m2m_realised": realised,
            "m2m_unrealised": unrealised,
            "option_premium": blocked.premium + premium,
            "span": blocked.span,
        }
        return _margins(True, net, opening, utilised)


def _covers(long: Listed, short: Listed) -> bool:
    """Whether a long is of a short's kind: underlying, expiry, call or put."""
    mine, its = long.row, short.row
    return (mine.underlying, mine.expiry, mine.kind) == (its.underlying, its.expiry, its.kind)


def _loss(long: Listed, short: Listed) -> int:
    """The most that a unit of both can lose at expiry, paise: none of a debit spread."""
    away = long.row.strike_paise - short.row.strike_paise
    return max(away if short.row.kind == "CE" else -away, 0)


UTILISED: Final = (
    *("debits", "exposure", "m2m_realised", "m2m_unrealised", "option_premium", "payout", "span"),
    *("holding_sales", "turnover", "liquid_collateral", "stock_collateral", "delivery"),
)


def empty_margins() -> Data:
    """A segment with no money in it."""
    return _margins(False, 0, 0, {})


def claim_of(order: Order) -> Claim:
    """What a working order asks of the account."""
    return Claim(order.listed, order.product, order.side, order.remaining, order.price_paise)


def _margins(enabled: bool, net: int, opening: int, utilised: dict[str, int]) -> Data:
    return {
        "enabled": enabled,
        "net": rupees(net),
        "available": {
            "adhoc_margin": 0,
            "cash": rupees(opening),
            "opening_balance": rupees(opening),
            "live_balance": rupees(net),
            "collateral": 0,
            "intraday_payin": 0,
        },
        "utilised": {name: rupees(utilised.get(name, 0)) for name in UTILISED},
    }


def _shift(position: Position, side: str, units: int, value: int) -> None:
    """Units and value of one side, and their cost, in or out of a position."""
    if side == "BUY":
        position.buy_units += units
        position.buy_paise += value
        position.cost_paise += value
    else:
        position.sell_units += units
        position.sell_paise += value
        position.cost_paise -= value

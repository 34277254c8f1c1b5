"""What the emergency decides from the broker's books, without asking or sending anything.

Lives here: whether books can be believed, what is open in them, how it is sliced and priced, and
the instruction for a person. May import: events, adapters.kite's forms. Always holds: pure; a book
that was not received, that lost what it showed before or that disagrees with the orders' own fills
is not believed; what is not in a believed book is not flat.
Start reading at ``doubts``.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Final

import msgspec

from adapters.kite.order_form import BUY, SELL
from events.broker import BrokerPosition, BrokerReport, BrokerSnapshot, ObservedQuote

ENDS: Final = ("COMPLETE", "CANCELLED", "CANCELLED AMO", "REJECTED")
"""The broker's words for an order that is over; any other word is a working order."""

DELIVERY: Final = "CNC"
"""A sale of holdings shows as a negative position of this product: delivered, and no short."""

DERIVATIVES: Final = ("NFO", "BFO")
TICK_PAISE: Final = 5
"""Of index options, where the instrument list was not had (rulebook, ``tick``)."""

BPS: Final = 10_000
COLLAR_STEP_BPS: Final = 100
COLLAR_MOST_BPS: Final = 2_000
"""A limit begins 1 % past the best price and goes 1 % further at each re-pricing, to 20 %."""

Symbol = tuple[str, str]
"""(exchange, tradingsymbol)."""

Freeze = Callable[[str, str | None], int | None]
"""The largest order (units) of (exchange, underlying); of an unknown one the strictest there."""


class Held(msgspec.Struct, frozen=True):
    """A position by its key; ``units`` below zero is short."""

    exchange: str
    tradingsymbol: str
    product: str
    units: int

    @property
    def symbol(self) -> Symbol:
        return self.exchange, self.tradingsymbol

    @property
    def side(self) -> str:
        """The side of the order that closes it."""
        return SELL if self.units > 0 else BUY


class Terms(msgspec.Struct, frozen=True):
    """What one order of a contract may be; ``slice_units`` None: as much as is held."""

    tick_paise: int
    slice_units: int | None


# --- whether the books are believed ---------------------------------------------------------------


def doubts(books: BrokerSnapshot, seen: Mapping[str, BrokerReport]) -> tuple[str, ...]:
    """Why the whole of the books cannot be believed; empty where it can. ``seen`` are the orders
    that an earlier book showed, by id."""
    if books.orders is None or books.positions is None:
        return books.failed or ("not received",)
    now = {one.broker_order_id: one for one in books.orders}
    lost = [id_ for id_ in seen if id_ not in now]
    if lost:
        return (f"the order book lost {len(lost)} orders that it showed before",)
    back = [id_ for id_, one in seen.items() if now[id_].filled_units < one.filled_units]
    if back:
        return (f"the order book took back fills of {len(back)} orders",)
    funds = books.funds
    empty = not (books.orders or books.positions or books.trades)
    if empty and (funds is None or funds.utilised_paise != 0):
        return ("the books are empty and the account's money does not say so",)
    return ()


def disagreeing(books: BrokerSnapshot) -> tuple[Symbol, ...]:
    """Contracts whose orders filled more than the positions show: the positions lag behind. The
    orders are read first, so that positions which are up to date show at least as much."""
    filled: dict[tuple[Symbol, str], int] = {}
    for one in books.orders or ():
        key = (one.exchange, one.tradingsymbol), one.side
        filled[key] = filled.get(key, 0) + one.filled_units
    shown: dict[tuple[Symbol, str], int] = {}
    for row in books.positions or ():
        symbol = row.exchange, row.tradingsymbol
        shown[symbol, BUY] = shown.get((symbol, BUY), 0) + row.buy_units
        shown[symbol, SELL] = shown.get((symbol, SELL), 0) + row.sell_units
    return tuple(sorted({key[0] for key, units in filled.items() if units > shown.get(key, 0)}))


def working(books: BrokerSnapshot) -> tuple[BrokerReport, ...]:
    """Orders of the account that are not over, whoever placed them."""
    return tuple(one for one in books.orders or () if one.status not in ENDS)


def excess(books: BrokerSnapshot) -> tuple[BrokerReport, ...]:
    """Working orders that would close more than is held: of a position that somebody else closed
    meanwhile. All of the contract's on that side, since any may fill."""
    net: dict[tuple[str, str, str], int] = {}
    for row in books.positions or ():
        net[row.exchange, row.tradingsymbol, row.product] = row.net_units
    rest = working(books)
    asked: dict[tuple[str, str, str, str], int] = {}
    for one in rest:
        key = one.exchange, one.tradingsymbol, one.product, one.side
        asked[key] = asked.get(key, 0) + one.quantity_units - one.filled_units
    over = set()
    for key, units in asked.items():
        there = net.get(key[:3], 0)
        if units > max(there if key[3] == SELL else -there, 0):
            over.add(key)
    return tuple(
        one for one in rest if (one.exchange, one.tradingsymbol, one.product, one.side) in over
    )


def held(books: BrokerSnapshot) -> tuple[Held, ...]:
    """Positions that are not flat: shorts first, since closing them frees money."""
    rows = [
        Held(row.exchange, row.tradingsymbol, row.product, row.net_units)
        for row in books.positions or ()
        if row.net_units and not _delivered(row)
    ]
    return tuple(sorted(rows, key=lambda one: one.units))


def paired(open_now: Iterable[Held]) -> tuple[Held, ...]:
    """Shorts that are the legs of pairs: of their kind (the name before the symbol's digits, and
    CE or PE) at least as much is held as is sold. They are closed before what they stand on."""
    rows = [one for one in open_now if one.exchange in DERIVATIVES]
    units: dict[Symbol, int] = {}
    for one in rows:
        units[kind_of(one)] = units.get(kind_of(one), 0) + one.units
    return tuple(one for one in rows if one.units < 0 <= units[kind_of(one)])


def kind_of(one: Held) -> Symbol:
    """(``NFO NIFTY``, ``CE``): an option's underlying and its side, by its symbol alone."""
    name = re.match("[^0-9]*", one.tradingsymbol)
    assert name is not None, "the pattern takes nothing too"
    return f"{one.exchange} {name[0]}", one.tradingsymbol[-2:]


def _delivered(row: BrokerPosition) -> bool:
    return row.product == DELIVERY and row.net_units < 0


def print_of(books: BrokerSnapshot) -> tuple[object, ...]:
    """What must stand still before anything is sold."""
    return (
        tuple((o.broker_order_id, o.status, o.filled_units) for o in books.orders or ()),
        tuple((p.exchange, p.tradingsymbol, p.product, p.net_units) for p in books.positions or ()),
    )


# --- sizes and prices -----------------------------------------------------------------------------


def slices(units: int, terms: Terms) -> tuple[int, ...]:
    """``units`` (positive) in orders of at most a slice."""
    most = terms.slice_units or units
    whole, rest = divmod(units, most)
    return (most,) * whole + ((rest,) if rest else ())


def limit_paise(side: str, quote: ObservedQuote, terms: Terms, step: int | None) -> int | None:
    """The limit after so many re-pricings: past the best price by a collar, at a tick; ``step``
    None is at the best price itself. None where there is no such price."""
    best = quote.bid_paise if side == SELL else quote.ask_paise
    if best <= 0:
        return None
    collar = 0 if step is None else min(COLLAR_STEP_BPS * (step + 1), COLLAR_MOST_BPS)
    away, tick = best * collar // BPS, terms.tick_paise
    if side == SELL:
        return max((best - away) // tick * tick, tick)
    return -(-(best + away) // tick) * tick


def terms_of(
    wanted: Iterable[Held], dump: bytes | None, freeze: Freeze
) -> dict[Symbol, Terms | None]:
    """What orders of contracts may be, by the broker's own instrument list; None for a contract of
    which it cannot be known how large an order may be."""
    rows = {} if dump is None else _rows_of(dump)
    found: dict[Symbol, Terms | None] = {}
    for one in wanted:
        row = rows.get(one.symbol)
        most = freeze(one.exchange, row[0] if row else None)
        if row is not None:
            _, lot, tick = row
            whole = None if most is None else most // lot * lot
            known = one.exchange not in DERIVATIVES or whole
            found[one.symbol] = Terms(tick, whole) if known else None
        elif one.exchange not in DERIVATIVES or (most is not None and abs(one.units) <= most):
            found[one.symbol] = Terms(TICK_PAISE, None)
        else:
            found[one.symbol] = None
    return found


def _rows_of(dump: bytes) -> dict[Symbol, tuple[str, int, int]]:
    """(underlying, lot, tick in paise) by contract. A row that cannot be read is left out: here a
    list with damage is better than none."""
    found: dict[Symbol, tuple[str, int, int]] = {}
    for row in csv.DictReader(io.StringIO(dump.decode("utf-8", "replace"))):
        try:
            lot = int(row["lot_size"])
            tick = int(Decimal(row["tick_size"]) * 100)
            symbol = row["exchange"], row["tradingsymbol"]
            name = row["name"]
        except (KeyError, TypeError, ValueError, InvalidOperation, OverflowError):
            continue
        if lot > 0 and tick > 0:
            found[symbol] = name, lot, tick
    return found


# --- for a person ---------------------------------------------------------------------------------


class Left(msgspec.Struct, frozen=True):
    """A position that is still open, and what a person does about it."""

    exchange: str
    tradingsymbol: str
    units: int
    product: str
    side: str
    why: str

    @property
    def instruction(self) -> str:
        """In the broker's own application."""
        return (
            f"{self.side} {self.units} units of {self.exchange} {self.tradingsymbol}, product"
            f" {self.product} ({self.why})"
        )


def left_of(one: Held, why: str) -> Left:
    """The instruction for a position."""
    return Left(one.exchange, one.tradingsymbol, abs(one.units), one.product, one.side, why)

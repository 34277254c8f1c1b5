"""The synthetic market's instruments: indices, VIX, near futures, option chains around the money.

Lives here: the table of underlyings and the instrument rows of a day. May import: events,
engine.rulebook. Always holds: lots, ticks, strike steps, venues and expiries come from the rulebook
of that day; symbols follow Kite's grammar; tokens are valid and unique. Start reading at
``UNDERLYINGS``, then ``build``.
"""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from adapters.markets.port import MarketError
from adapters.markets.synthetic_regimes import Factor
from engine.rulebook import DayRules, Rulebook, resolve_day
from events.session import Instrument
from events.wire.kite import Segment


class Underlying(msgspec.Struct, frozen=True, gc=False):
    """One index of the market. Token and symbol are the real ones; ``base_paise`` is the level
    around which a day opens; ``iv_bps`` is its ordinary implied volatility a year, a little above
    what its paths realise."""

    name: str
    index_symbol: str
    index_token: int
    base_paise: int
    iv_bps: int
    factor: Factor


UNDERLYINGS: Final = (
    Underlying("NIFTY", "NIFTY 50", 256265, 2_264_000, 1420, Factor(900, 1000, 930)),
    Underlying("BANKNIFTY", "NIFTY BANK", 260105, 5_090_000, 1660, Factor(1060, 1150, 850)),
    Underlying("SENSEX", "SENSEX", 265, 7_278_000, 1430, Factor(900, 980, 950)),
)
VIX_SYMBOL: Final = "INDIA VIX"
VIX_TOKEN: Final = 264969

EXPIRIES: Final = 2
STRIKES_EACH_SIDE: Final = 20
"""41 strikes an expiry, calls and puts."""

_EXCHANGES: Final = {"NSE": ("NFO", Segment.NFO, 35_001), "BSE": ("BFO", Segment.BFO, 861_001)}
"""Venue to Kite's derivatives exchange, token segment, first exchange token given out."""

T = TypeVar("T")

_MONTHS: Final = (
    *("JAN", "FEB", "MAR", "APR", "MAY", "JUN"),
    *("JUL", "AUG", "SEP", "OCT", "NOV", "DEC"),
)
_WEEKLY_MONTHS: Final = "123456789OND"


class Listing(msgspec.Struct, frozen=True, gc=False):
    """One underlying's rows of a day: indices into ``Universe.rows``.

    ``pages`` is one tuple an expiry: (expiry, strikes ascending, index of the first contract);
    contracts follow as call, put, call, put by strike.
    """

    underlying: Underlying
    index_row: int
    future_row: int
    lot_units: int
    tick_paise: int
    strike_step_paise: int
    pages: tuple[tuple[int, tuple[int, ...], int], ...]


class Universe(msgspec.Struct, frozen=True, gc=False):
    """All instruments of a day, in order, and how they belong together."""

    rows: tuple[Instrument, ...]
    vix_row: int
    listings: tuple[Listing, ...]


def option_symbol(underlying: str, expiry: int, monthly: bool, strike_paise: int, kind: str) -> str:
    """Kite's symbol: ``NIFTY26NOV22500CE`` monthly, ``NIFTY26D0122500CE`` weekly."""
    year, month, day = expiry // 10_000 % 100, expiry // 100 % 100, expiry % 100
    middle = _MONTHS[month - 1] if monthly else f"{_WEEKLY_MONTHS[month - 1]}{day:02d}"
    return f"{underlying}{year:02d}{middle}{strike_paise // 100}{kind}"


def future_symbol(underlying: str, expiry: int) -> str:
    """Kite's symbol of a future: ``NIFTY26NOVFUT``."""
    return f"{underlying}{expiry // 10_000 % 100:02d}{_MONTHS[expiry // 100 % 100 - 1]}FUT"


def build(
    book: Rulebook, day: int, names: tuple[str, ...], spots_paise: tuple[int, ...]
) -> Universe:
    """The instruments of a day, strikes around ``spots_paise`` (one a name).

    Raises ``MarketError`` where the rulebook does not give what a contract needs.
    """
    chosen = tuple(u for u in UNDERLYINGS if u.name in names)
    rules = resolve_day(book, day, tuple(u.name for u in chosen))
    rows = [_index_row(u.index_token, u.index_symbol, u.name, "INDEX") for u in chosen]
    rows.append(_index_row(VIX_TOKEN, VIX_SYMBOL, VIX_SYMBOL, "VIX"))
    vix_row = len(rows) - 1
    builder = _Builder(book, day, rules, rows)
    futures = tuple(builder.add_future(u) for u in chosen)
    listings = tuple(
        builder.add_chain(n, u, futures[n], spot)
        for n, (u, spot) in enumerate(zip(chosen, spots_paise, strict=True))
    )
    return Universe(tuple(rows), vix_row, listings)


def _index_row(token: int, symbol: str, underlying: str, kind: str) -> Instrument:
    """An index: lot and tick are 0, as in the broker's dump."""
    exchange = "BSE" if underlying == "SENSEX" else "NSE"
    return Instrument(token, exchange, symbol, underlying, kind, 0, 0, 0, 0, "exchange")


class _Builder:
    """Gives out tokens and appends rows."""

    def __init__(self, book: Rulebook, day: int, rules: DayRules, rows: list[Instrument]) -> None:
        self._book = book
        self._day = day
        self._rules = {rule.underlying: rule for rule in rules.underlyings}
        self._rows = rows
        self._next = {venue: first for venue, (_, _, first) in _EXCHANGES.items()}

    def add_future(self, underlying: Underlying) -> int:
        """The near future: the first monthly expiry that is left."""
        expiry = self._near_month(underlying.name)
        return self._add(underlying.name, future_symbol(underlying.name, expiry), "FUT", expiry, 0)

    def add_chain(self, row: int, underlying: Underlying, future: int, spot: int) -> Listing:
        """The option chains of the next expiries, strikes centred on ``spot``."""
        name = underlying.name
        step = self._need(name, self._rules[name].strike_step_paise, "strike_step")
        centre = (spot + step // 2) // step * step
        reach = range(-STRIKES_EACH_SIDE, STRIKES_EACH_SIDE + 1)
        strikes = tuple(centre + n * step for n in reach)
        pages = tuple(
            (expiry, strikes, self._add_page(name, expiry, strikes))
            for expiry in self._expiries(name)
        )
        lot = self._need(name, self._rules[name].lot_units, "lot")
        tick = self._need(name, self._rules[name].tick_paise, "tick")
        return Listing(underlying, row, future, lot, tick, step, pages)

    def _expiries(self, name: str) -> tuple[int, ...]:
        """The next expiries, fewer where the calendar ends before the last of them: one of next
        year is not known before its holidays are published."""
        for count in range(EXPIRIES, 0, -1):
            found = self._book.expiries(name, self._day, count)
            if found is not None:
                return found
        return self._need(name, None, "expiry")

    def _add_page(self, name: str, expiry: int, strikes: tuple[int, ...]) -> int:
        first = len(self._rows)
        monthly = self._book.is_monthly(name, expiry)
        for strike in strikes:
            for kind in ("CE", "PE"):
                symbol = option_symbol(name, expiry, monthly, strike, kind)
                self._add(name, symbol, kind, expiry, strike)
        return first

    def _near_month(self, name: str) -> int:
        listed = self._need(name, self._book.expiries(name, self._day, 1), "expiry")
        count = 1
        while not self._book.is_monthly(name, listed[-1]):
            count += 1
            listed = self._need(name, self._book.expiries(name, self._day, count), "expiry")
        return listed[-1]

    def _add(self, name: str, symbol: str, kind: str, expiry: int, strike: int) -> int:
        rules = self._rules[name]
        venue = self._need(name, rules.venue, "index.exchange")
        exchange, segment, _ = _EXCHANGES[venue]
        token = self._next[venue] << 8 | segment
        self._next[venue] += 1
        lot = self._need(name, rules.lot_units, "lot")
        tick = self._need(name, rules.tick_paise, "tick")
        row = Instrument(token, exchange, symbol, name, kind, expiry, strike, lot, tick, "exchange")
        self._rows.append(row)
        return len(self._rows) - 1

    def _need(self, name: str, value: T | None, rule: str) -> T:
        if value is None:
            raise MarketError(
                f"the rulebook gives no {rule} of {name} on {self._day}: "
                "choose another day, or add the row (axiom rulebook add; an expiry also needs "
                "calendar.covered and the holidays of its year)"
            )
        return value

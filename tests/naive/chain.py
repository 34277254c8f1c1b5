"""The chain of an expiry at a cycle, naively: forward, volatility at the money, what is quoted.

Lives here: ``look_at``, the quotes near the money, the witness of the index. May import: events.
Always holds: a forward comes of put-call parity, else of the future of the same expiry; a quote
counts by the time at which it was received. Start reading at ``look_at``.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass

from tests.naive.black import Model, nearest, years
from tests.naive.book import MS, Book, Expiry, Quote, Underlying, closest


@dataclass
class Seen:
    """An expiry as a cycle sees it."""

    expiry: Expiry
    t: float
    df: float
    forward: int | None
    source: str | None
    pairs: int
    money: int
    vol: float | None
    tick: int
    quoted: int

    @property
    def model(self) -> Model:
        assert self.forward is not None
        return Model(float(self.forward), self.t, self.df)


def look_at(book: Book, one: Underlying, expiry: Expiry, before: int | None) -> Seen:
    """An expiry now; ``before`` is its forward of the last cycle, around which pairs are sought."""
    t = years(book.now, expiry.end_ns)
    df = math.exp(-book.rules.rate()[0] * t)
    middle = _middle(book, one, expiry, before)
    forward, source, pairs = _forward(book, one, expiry, middle, df)
    seen = Seen(expiry, t, df, forward, source, pairs, middle, None, 0, 0)
    if forward is None or t <= 0.0:
        return seen
    seen.money = closest(expiry.strikes, forward)
    seen.tick = tick_of(book, expiry, seen.money)
    vols = []
    for right in ("CE", "PE"):
        contract = expiry.legs.get((expiry.strikes[seen.money], right), -1)
        vol = vol_of(book, seen, contract, seen.tick)
        vols += [vol] if vol is not None else []
    seen.vol = sum(vols) / len(vols) if vols else None
    for contract in around(expiry, seen.money, book.config.quote.near_strikes):
        quote = book.at(contract)
        if quote is not None and quote.two_sided and book.is_fresh(quote):
            seen.quoted += 1
    return seen


def tick_of(book: Book, expiry: Expiry, place: int) -> int:
    strike = expiry.strikes[place]
    contract = expiry.legs.get((strike, "CE"), expiry.legs.get((strike, "PE"), -1))
    return int(book.rows[contract].tick_paise)


def vol_of(book: Book, seen: Seen, contract: int, tick: int) -> float | None:
    """The volatility of a contract's mid."""
    quote = book.at(contract)
    if quote is None or not quote.two_sided:
        return None
    row = book.rows[contract]
    return seen.model.vol((quote.bid + quote.ask) / 2, float(row.strike_paise), row.kind, tick)


def around(expiry: Expiry, money: int, each_side: int) -> list[int]:
    """The contracts of the strikes around the money."""
    found = []
    for strike in strikes_around(expiry, money, each_side):
        for right in ("CE", "PE"):
            if (strike, right) in expiry.legs:
                found.append(expiry.legs[strike, right])
    return found


def strikes_around(expiry: Expiry, money: int, each_side: int) -> list[int]:
    if money < 0:
        return expiry.strikes[:400]
    return expiry.strikes[max(money - each_side, 0) : money + each_side + 1]


def near_quotes(book: Book, one: Underlying) -> tuple[int, int | None]:
    """Fresh two-sided quotes near the money of the near expiry, and their median spread."""
    if not one.chain or one.chain[0].forward is None or one.chain[0].money < 0:
        return 0, None
    near, spreads = one.chain[0], []
    for contract in around(near.expiry, near.money, book.config.quote.near_strikes):
        quote = book.at(contract)
        if quote is not None and quote.two_sided and book.is_fresh(quote):
            spreads.append(quote.spread_bps)
    return len(spreads), statistics.median_high(spreads) if spreads else None


Price = tuple[int, str, int]
"""(paise of today, what it is, age in ms)."""


def by_future(book: Book, one: Underlying) -> Price | None:
    future = book.at(one.future)
    if future is None or not future.two_sided or not book.is_fresh(future):
        return None
    if one.future_end_ns <= 0:
        return None
    t = years(book.now, one.future_end_ns)
    middle = (future.bid + future.ask) / 2
    paise = nearest(middle * math.exp(-book.rules.rate()[0] * t))
    return paise, "FUTURE", (book.now - future.seen) // MS


def by_parity(one: Underlying) -> Price | None:
    if not one.chain or one.chain[0].forward is None or one.chain[0].source != "PARITY":
        return None
    return nearest(one.chain[0].forward * one.chain[0].df), "PARITY", 0


def by_index(book: Book, one: Underlying) -> Price | None:
    spot = book.at(one.index)
    return (spot.ltp, "INDEX", (book.now - spot.seen) // MS) if spot is not None else None


def in_auction(book: Book, one: Underlying) -> bool:
    """Whether the shares of the index are in their closing auction."""
    times = book.rules.auction(one.exchange)
    if book.rules.hours(one.exchange) is None or times is None:
        return False
    return times[0] <= book.now < times[1]


def reference(book: Book, one: Underlying) -> Price | None:
    """What stands for the underlying's price."""
    if not in_auction(book, one):
        return by_index(book, one)
    return by_future(book, one) or by_parity(one)


def witness(book: Book, one: Underlying) -> tuple[int | None, str | None]:
    """What confirms it, discounted to now, and what it is."""
    found = by_future(book, one) or by_parity(one)
    if in_auction(book, one):
        found = by_parity(one) if by_future(book, one) is not None else None
    return found[:2] if found is not None else (None, None)


def _middle(book: Book, one: Underlying, expiry: Expiry, before: int | None) -> int:
    if before is not None:
        return closest(expiry.strikes, before)
    for i in (one.future, one.index):
        quote = book.at(i)
        if quote is not None and quote.ltp > 0:
            return closest(expiry.strikes, quote.ltp)
    return -1


def _forward(
    book: Book, one: Underlying, expiry: Expiry, middle: int, df: float
) -> tuple[int | None, str | None, int]:
    found: list[tuple[float, int, float]] = []
    for strike in strikes_around(expiry, middle, 5):
        call, put = (_usable(book, expiry.legs.get((strike, r), -1)) for r in ("CE", "PE"))
        if call is not None and put is not None:
            gap = (call.bid + call.ask) / 2 - (put.bid + put.ask) / 2
            found.append((abs(gap), strike, gap))
    if len(found) >= 3:
        best = sorted(found)[:7]
        forward = nearest(statistics.median([strike + gap / df for _, strike, gap in best]))
        if forward > 0:
            return forward, "PARITY", len(found)
    future = book.at(one.future)
    if future is None or book.rows[one.future].expiry != expiry.day:
        return None, None, len(found)
    if book.is_fresh(future) and future.ltp > 0:
        return future.ltp, "FUTURE", len(found)
    return None, None, len(found)


def _usable(book: Book, contract: int) -> Quote | None:
    quote = book.at(contract)
    usable = quote is not None and quote.two_sided and book.is_fresh(quote)
    return quote if usable else None

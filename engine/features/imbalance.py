"""Imbalance of the books: who waits to buy against who waits to sell.

Lives here: sums over the five levels of a book. May import: events, engine. Always holds: only
fresh two-sided books count; a market that has not five levels has no imbalance, whatever its best
level shows.
"""

from __future__ import annotations

from collections.abc import Iterable

from engine.features.reading import (
    MILLI,
    NO_QUOTE,
    NOT_OFFERED,
    Reading,
    gathered,
    known,
    rounded_ratio,
    unknown,
)
from engine.paper import levels
from engine.state import NO_INDEX, ExpiryMap, Quote
from events.features import Imbalance

Quotes = tuple[Quote | None, ...]


def imbalance(
    quotes: Quotes, future: int, emap: ExpiryMap | None, near: range, oldest_ns: int, *, deep: bool
) -> tuple[Imbalance, tuple[str, ...]]:
    """The imbalances; ``near`` are the places of the strikes near the money, ``deep`` says that the
    market shows five levels."""
    if not deep:
        return gathered("imbalance", Imbalance, (unknown(NOT_OFFERED),) * 3)
    calls = puts = unknown(NOT_OFFERED)
    if emap is not None:
        calls = _of((emap.calls[place] for place in near), quotes, oldest_ns)
        puts = _of((emap.puts[place] for place in near), quotes, oldest_ns)
    own = unknown(NOT_OFFERED)
    if future != NO_INDEX:
        own = _of((future,), quotes, oldest_ns)
    return gathered("imbalance", Imbalance, (own, calls, puts))


def _of(instruments: Iterable[int], quotes: Quotes, oldest_ns: int) -> Reading:
    bid = ask = 0
    for i in instruments:
        quote = quotes[i] if i != NO_INDEX else None
        if quote is not None and quote.two_sided and quote.is_fresh(oldest_ns):
            bid += _shown(quote, "SELL")
            ask += _shown(quote, "BUY")
    if bid + ask == 0:
        return unknown(NO_QUOTE)
    return known(rounded_ratio(bid - ask, bid + ask, MILLI))


def _shown(quote: Quote, side: str) -> int:
    """Units that an order of a side would meet."""
    units = 0
    for _, shown in levels(quote, side):
        units += shown
    return units

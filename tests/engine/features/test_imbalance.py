"""Depth imbalance: against the decoded levels of random packets."""

from __future__ import annotations

from fractions import Fraction
from math import floor

from hypothesis import given
from hypothesis import strategies as st

from engine.features.imbalance import imbalance
from engine.features.reading import NO_QUOTE, NOT_OFFERED
from engine.feed import full_quote
from engine.state import ExpiryMap, Quote
from events.wire.kite import FullTick, Level, decode_frame, encode_frame, encode_full

NOW = 1_000
LEVELS = st.lists(st.integers(0, 10_000), min_size=5, max_size=5)
EMAP = ExpiryMap(20261124, 1, (100, 200), (0.0, 0.0), (1, 2), (3, -1))


def packet(bids: list[int], asks: list[int]) -> bytes:
    sides: list[list[Level]] = [
        [(units, price + n, 1) for n, units in enumerate(side)]
        for side, price in ((bids, 90), (asks, 100))
    ]
    return encode_full(258, 95, 1, 95, 0, 0, 0, 95, 95, 95, 95, 0, 0, 0, 0, 0, sides[0], sides[1])


def decoded(data: bytes) -> tuple[int, int]:
    """Units bid and asked, by the codec's own reader of whole packets."""
    (tick,) = decode_frame(encode_frame([data]))
    assert isinstance(tick, FullTick)
    return sum(one.quantity for one in tick.bids), sum(one.quantity for one in tick.asks)


def quote(data: bytes, seen_ns: int = NOW) -> Quote:
    return full_quote(encode_frame([data]), 2, seen_ns, 1)


def expected(packets: list[bytes]) -> int | None:
    bid = sum(decoded(one)[0] for one in packets)
    ask = sum(decoded(one)[1] for one in packets)
    if bid + ask == 0:
        return None
    return floor(Fraction((bid - ask) * 1000, bid + ask) + Fraction(1, 2))


@given(st.lists(st.tuples(LEVELS, LEVELS), min_size=4, max_size=4))
def test_it_is_bid_less_asked_over_both_of_five_levels(
    books: list[tuple[list[int], list[int]]],
) -> None:
    """Of the future, and summed over the calls and over the puts near the money."""
    packets = [packet(*one) for one in books]
    quotes = tuple(quote(one) for one in packets)
    found, unknown = imbalance(quotes, 0, EMAP, range(2), NOW, deep=True)
    wanted = (expected(packets[:1]), expected(packets[1:3]), expected(packets[3:]))
    assert (found.future_milli, found.calls_milli, found.puts_milli) == wanted
    assert len(unknown) == wanted.count(None)


def test_old_and_one_sided_books_do_not_count() -> None:
    """A book that nobody has confirmed lately says nothing of who waits now."""
    book = packet([10] * 5, [30] * 5)
    quotes = (quote(book, NOW - 1), quote(book), None, None)
    found, unknown = imbalance(quotes, 0, EMAP, range(2), NOW, deep=True)
    assert (found.future_milli, found.calls_milli, found.puts_milli) == (None, -500, None)
    assert unknown == (f"imbalance.future_milli {NO_QUOTE}", f"imbalance.puts_milli {NO_QUOTE}")


def test_a_market_of_one_level_has_none() -> None:
    """The best level alone is not passed off as a book; no future and no chain say so."""
    quotes = (quote(packet([10] * 5, [30] * 5)),) * 4
    _, unknown = imbalance(quotes, 0, EMAP, range(2), NOW, deep=False)
    assert {line.rpartition(" ")[2] for line in unknown} == {NOT_OFFERED}
    _, unknown = imbalance(quotes, -1, None, range(0), NOW, deep=True)
    assert {line.rpartition(" ")[2] for line in unknown} == {NOT_OFFERED}

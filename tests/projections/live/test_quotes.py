"""The table of last quotes, against hostile frames and strangers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from events.wire import kite
from projections.live.quotes import QuoteTable
from tests.projections.live.story import (
    CALL_TOKEN,
    INSTRUMENTS,
    NIFTY_TOKEN,
    full_packet,
    index_packet,
)


def table() -> QuoteTable:
    quotes = QuoteTable()
    quotes.load(INSTRUMENTS)
    return quotes


def test_the_last_quote_stands_with_its_time() -> None:
    """Price, bid, ask and the time of the frame that brought them."""
    quotes = table()
    quotes.take(kite.encode_frame([full_packet(CALL_TOKEN, 100, 105)]), 7)
    quotes.take(kite.encode_frame([index_packet(NIFTY_TOKEN, 9_000)]), 8)
    assert quotes.bid(CALL_TOKEN) == (100, 7)
    assert quotes.ask(CALL_TOKEN) == (105, 7)
    assert quotes.last_price(NIFTY_TOKEN) == (9_000, 8)
    assert quotes.bid(NIFTY_TOKEN) is None
    assert quotes.last_price(999) is None


def test_a_frame_that_lies_changes_nothing() -> None:
    """A frame refused by the walk is refused whole here too."""
    quotes = table()
    good = kite.encode_frame([full_packet(CALL_TOKEN, 100, 105)])
    assert quotes.take(good, 1) == 1
    assert quotes.take(good + b"\0", 2) == 0
    assert quotes.take(good[:-1], 3) == 0
    assert quotes.bid(CALL_TOKEN) == (100, 1)
    assert quotes.ticks == 1


def test_strangers_are_not_kept() -> None:
    """Tokens that are no instrument of the session cannot grow the table."""
    quotes = table()
    for number in range(2_000):
        token = (100 + number) << 8 | kite.Segment.NFO
        quotes.take(kite.encode_frame([full_packet(token, 1, 2)]), number)
    assert len(quotes._last) <= len(INSTRUMENTS)
    assert len(quotes._last_ts) <= len(INSTRUMENTS)


@given(st.binary(max_size=400))
def test_any_bytes_are_survived(data: bytes) -> None:
    """Whatever stands in a journaled frame, the table neither raises nor invents an instrument."""
    quotes = table()
    quotes.take(data, 1)
    assert quotes.bid(CALL_TOKEN) is None or data.find(CALL_TOKEN.to_bytes(4, "big")) >= 0

"""The table of last quotes, against hostile frames and strangers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from events.wire import kite
from projections.live.quotes import WAITING_MAX, Depth, Quote, QuoteTable
from tests.projections.live.story import (
    CALL_TOKEN,
    INSTRUMENTS,
    NIFTY_TOKEN,
    PUT_TOKEN,
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
    quotes.take(kite.encode_frame([full_packet(CALL_TOKEN, 100, 105)]), 7, 7)
    quotes.take(kite.encode_frame([index_packet(NIFTY_TOKEN, 9_000)]), 8, 8)
    assert quotes.now.bid(CALL_TOKEN) == (100, 7)
    assert quotes.now.ask(CALL_TOKEN) == (105, 7)
    assert quotes.now.last_price(NIFTY_TOKEN) == (9_000, 8)
    assert quotes.now.bid(NIFTY_TOKEN) is None
    assert quotes.now.last_price(999) is None


def test_all_of_a_quote_and_its_book() -> None:
    """What the last packet said, what it could not say, and five levels for who asks."""
    quotes = table()
    quotes.take(kite.encode_frame([full_packet(CALL_TOKEN, 100, 105)]), 7, 3)
    later = kite.encode_full(
        CALL_TOKEN, 101, 65, 101, 1_200, 0, 0, 100, 101, 100, 100, 0, 5_500, 0, 0, 9,
        ((65, 99, 1), (130, 98, 2)), ((195, 103, 3),),
    )  # fmt: skip
    quotes.take(kite.encode_frame([index_packet(NIFTY_TOKEN, 9_000), later]), 8, 4)
    quote = quotes.now.quote(CALL_TOKEN)
    assert quote == Quote(8, 4, 101, 1_200, 5_500, 5_000, 99, 65, 103, 195)
    assert quotes.now.depth(CALL_TOKEN) == Depth(((99, 65, 1), (98, 130, 2)), ((103, 195, 3),))
    index = quotes.now.quote(NIFTY_TOKEN)
    assert index == Quote(8, 4, 9_000, None, None, None, None, 0, None, 0)
    assert quotes.now.depth(NIFTY_TOKEN) is None
    assert quotes.now.quote(999) is None
    assert quotes.now.seq(CALL_TOKEN) == 4


def test_what_was_given_out_never_changes() -> None:
    """A frozen copy keeps its quotes; without a packet it is the same value again."""
    quotes = table()
    quotes.take(kite.encode_frame([full_packet(CALL_TOKEN, 100, 105)]), 7, 1)
    given = quotes.frozen()
    assert quotes.frozen() is given
    quotes.take(kite.encode_frame([full_packet(CALL_TOKEN, 200, 205)]), 8, 2)
    assert given.bid(CALL_TOKEN) == (100, 7)
    assert quotes.frozen().bid(CALL_TOKEN) == (200, 8)


def test_a_frame_that_lies_changes_nothing() -> None:
    """A frame refused by the walk is refused whole here too."""
    quotes = table()
    good = kite.encode_frame([full_packet(CALL_TOKEN, 100, 105)])
    assert quotes.take(good, 1, 1) == 1
    assert quotes.take(good + b"\0", 2, 2) == 0
    assert quotes.take(good[:-1], 3, 3) == 0
    assert quotes.now.bid(CALL_TOKEN) == (100, 1)
    assert quotes.ticks == 1


def test_strangers_are_not_kept() -> None:
    """Tokens that are no instrument of the session cannot grow the table."""
    quotes = table()
    for number in range(2_000):
        token = (100 + number) << 8 | kite.Segment.NFO
        quotes.take(kite.encode_frame([full_packet(token, 1, 2)]), number, number)
    assert len(quotes.now.seen) <= len(INSTRUMENTS)


@given(st.binary(max_size=400))
def test_any_bytes_are_survived(data: bytes) -> None:
    """Whatever stands in a journaled frame, the table neither raises nor invents an instrument."""
    quotes = table()
    quotes.take(data, 1, 1)
    assert quotes.now.bid(CALL_TOKEN) is None or data.find(CALL_TOKEN.to_bytes(4, "big")) >= 0


TOKENS = [CALL_TOKEN, PUT_TOKEN, NIFTY_TOKEN, 77_777 << 8 | kite.Segment.NFO]


def _packet(token: int, kind: int, price: int) -> bytes:
    """A full packet, a bare price, or that of an index."""
    if token == NIFTY_TOKEN:
        return index_packet(token, price)
    return full_packet(token, price, price + 5) if kind else kite.encode_ltp(token, price)


frames = st.lists(
    st.lists(st.tuples(st.sampled_from(TOKENS), st.integers(0, 1), st.integers(1, 99)), min_size=1),
    min_size=1,
    max_size=12,
)


@given(frames, st.sets(st.integers(0, 11)))
def test_what_waits_changes_nothing(
    given: list[list[tuple[int, int, int]]], asked: set[int]
) -> None:
    """Whoever asks after each frame, now and then or only at the end is told the same."""
    often, seldom = table(), table()
    for number, packets in enumerate(given):
        data = kite.encode_frame([_packet(*one) for one in packets])
        for quotes in (often, seldom):
            quotes.take(data, number, number + 1)
        often.frozen()
        if number in asked:
            assert seldom.now == often.now
            assert seldom.index_seq(NIFTY_TOKEN) == often.now.seq(NIFTY_TOKEN)
    assert seldom.frozen() == often.frozen()
    assert set(seldom.now.seen) <= {row.token for row in INSTRUMENTS}


def test_a_long_wait_is_bounded() -> None:
    """However many frames come unasked, only so many of them wait."""
    quotes = table()
    for number in range(2 * WAITING_MAX):
        quotes.take(kite.encode_frame([full_packet(CALL_TOKEN, number + 1, 2)]), number, number)
        assert len(quotes._waiting) < WAITING_MAX
    assert quotes.now.bid(CALL_TOKEN) == (2 * WAITING_MAX, 2 * WAITING_MAX - 1)

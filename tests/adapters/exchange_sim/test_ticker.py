"""One instrument's market: traded units, the reference price by windows, packets of every kind."""

from __future__ import annotations

from adapters.exchange_sim.ticker import WINDOW_NS, Ticker
from events.wire.kite import encode_full, encode_index, encode_quote

START = 1_000 * WINDOW_NS
TOKEN = 35_002 << 8 | 2


def full(last: int, volume: int, ask: int = 10_010) -> bytes:
    """A full packet with one level a side."""
    return encode_full(
        TOKEN, last, 65, last, volume, 1, 1, last, last, last, 9_900, 1, 7, 8, 6, 2,
        [(65, 9_990, 1)], [(65, ask, 1)],
    )  # fmt: skip


def see(ticker: Ticker, now_ns: int, last: int, volume: int) -> int:
    """Give a ticker a full packet."""
    return ticker.see(now_ns, full(last, volume), last, volume, 7)


def test_units_traded_are_what_the_volume_grew_by() -> None:
    """Nothing for the first packet, and never less than nothing."""
    ticker = Ticker()
    assert [see(ticker, START, 10_000, volume) for volume in (650, 715, 715, 65)] == [0, 65, 0, 0]


def test_the_reference_is_the_mean_of_the_last_window_with_trades() -> None:
    """Renewed every 30 seconds, kept while nothing trades; the last price before any trade."""
    ticker = Ticker()
    assert ticker.reference_price(START) is None
    see(ticker, START, 10_000, 0)
    assert ticker.reference_price(START) == 10_000
    see(ticker, START + 1, 12_000, 65)
    see(ticker, START + 2, 13_000, 130)
    assert ticker.reference_price(START + 3) == 13_000
    assert ticker.reference_price(START + WINDOW_NS) == 12_500
    see(ticker, START + WINDOW_NS, 20_000, 195)
    assert ticker.reference_price(START + WINDOW_NS + 1) == 12_500
    assert ticker.reference_price(START + 9 * WINDOW_NS) == 20_000


def test_a_quote_without_depth_leaves_the_book_as_it_was_taken() -> None:
    """What was taken is not shown anew by a packet that shows no levels."""
    ticker = Ticker()
    see(ticker, START, 10_000, 0)
    ticker.opposite("BUY")[0].taken = 65
    packet = encode_quote(TOKEN, 10_000, 65, 10_000, 65, 1, 1, 1, 1, 1, 9_900)
    assert ticker.see(START, packet, 10_000, 65, 7) == 65
    assert ticker.opposite("BUY")[0].taken == 65
    see(ticker, START, 10_000, 65)
    assert ticker.opposite("BUY")[0].taken == 0


def test_an_index_and_a_last_price_alone_have_no_book() -> None:
    """And a last price alone keeps what the packet before it told."""
    ticker = Ticker()
    assert (ticker.book, ticker.close, ticker.detail()) == (([], []), None, None)
    ticker.see_price(START, encode_index(265, 100, 110, 90, 95, 98, 2, 1), 100)
    ticker.see_price(START, None, 101)
    assert (ticker.last, ticker.close, ticker.book) == (101, 98, ([], []))


def test_what_stands_before_an_order_is_seen_or_not() -> None:
    """Shown at the price; nobody at a better or a free one; unknown behind five levels."""
    ticker = Ticker()
    bids = [(65 * n, 10_000 - 10 * n, 1) for n in range(1, 6)]
    asks = [(65 * n, 10_000 + 10 * n, 1) for n in range(1, 6)]
    packet = encode_full(
        TOKEN, 10_000, 65, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, bids, asks
    )  # fmt: skip
    ticker.see(START, packet, 10_000, 1, 1)
    buys = [(9_990, 65), (9_950, 325), (10_005, 0), (9_985, 0), (9_945, None)]
    assert [ticker.ahead("BUY", price) for price, _ in buys] == [ahead for _, ahead in buys]
    sells = [(10_010, 65), (10_050, 325), (9_995, 0), (10_015, 0), (10_055, None)]
    assert [ticker.ahead("SELL", price) for price, _ in sells] == [ahead for _, ahead in sells]

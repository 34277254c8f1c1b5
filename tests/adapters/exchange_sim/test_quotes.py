"""Quotes, the instrument dump and candles: shapes, absent names, numbers as the frames had them."""

from __future__ import annotations

import csv
import io

import pytest

from adapters.exchange_sim.errors import KiteError
from engine.rulebook import ist_ns
from tests.adapters.exchange_sim.bench_market import CALL, DAY, NIFTY, ROWS, Bench

KEY = f"NFO:{CALL.tradingsymbol}"


def test_a_quote_has_the_brokers_fields() -> None:
    """Prices in rupees, five levels a side with zeros for none, limits from the index's close."""
    bench = Bench()
    quote = bench.exchange.quote(bench.now, (KEY,))[KEY]
    assert list(quote) == [
        *("instrument_token", "timestamp", "last_trade_time", "last_price", "last_quantity"),
        *("buy_quantity", "sell_quantity", "volume", "average_price", "oi", "oi_day_high"),
        *("oi_day_low", "net_change", "lower_circuit_limit", "upper_circuit_limit", "ohlc"),
        "depth",
    ]
    assert (quote["last_price"], quote["ohlc"]["close"], quote["net_change"]) == (100, 100, 0)
    assert (quote["lower_circuit_limit"], quote["upper_circuit_limit"]) == (0.05, 2_350.0)
    assert quote["depth"]["buy"][0] == {"price": 99.9, "quantity": 650, "orders": 1}
    assert [len(quote["depth"][side]) for side in ("buy", "sell")] == [5, 5]
    assert quote["depth"]["sell"][4] == {"price": 0, "quantity": 0, "orders": 0}


def test_names_that_are_not_listed_have_no_key() -> None:
    """Never an error, never a null; and all three routes agree on the last price."""
    bench = Bench()
    keys = (KEY, "NFO:NONSUCH", "NIFTY 50", "NSE:NIFTY 50")
    for route in (bench.exchange.quote, bench.exchange.ohlc, bench.exchange.ltp):
        found = route(bench.now, keys)
        assert list(found) == [KEY, "NSE:NIFTY 50"]
        assert found["NSE:NIFTY 50"]["last_price"] == 22_620


def test_an_index_has_no_volume_and_no_depth() -> None:
    """Zeros where an index has nothing to say."""
    bench = Bench()
    quote = bench.exchange.quote(bench.now, ("NSE:NIFTY 50",))["NSE:NIFTY 50"]
    assert [quote[name] for name in ("volume", "average_price", "oi", "upper_circuit_limit")] == [
        0
    ] * 4
    assert all(level["price"] == 0 for level in quote["depth"]["buy"])
    assert quote["net_change"] == 120


def test_too_many_names_are_refused() -> None:
    """500 full quotes, 1,000 prices, with the broker's text."""
    bench = Bench()
    with pytest.raises(KiteError, match=r"Too many tokens requested\. Max permitted is 500\."):
        bench.exchange.quote(bench.now, (KEY,) * 501)
    with pytest.raises(KiteError, match=r"Max permitted is 1000\."):
        bench.exchange.ltp(bench.now, (KEY,) * 1_001)


def test_the_dump_is_the_brokers_csv() -> None:
    """Header and rows; indices are EQ of segment INDICES with lot and tick 0."""
    bench = Bench()
    rows = list(csv.DictReader(io.StringIO(bench.exchange.instruments_csv().decode())))
    assert len(rows) == len(ROWS)
    assert rows[0] == {
        "instrument_token": "256265",
        "exchange_token": "1001",
        "tradingsymbol": "NIFTY 50",
        "name": "NIFTY 50",
        "last_price": "0",
        "expiry": "",
        "strike": "0",
        "tick_size": "0",
        "lot_size": "0",
        "instrument_type": "EQ",
        "segment": "INDICES",
        "exchange": "NSE",
    }
    option = rows[2]
    assert (option["strike"], option["tick_size"], option["segment"]) == (
        "22600",
        "0.05",
        "NFO-OPT",
    )
    assert (option["expiry"], option["name"]) == ("2026-11-23", "NIFTY")
    only = bench.exchange.instruments_csv("BFO").decode().splitlines()
    assert len(only) == 2
    assert bench.exchange.instruments_csv("MCX").decode().splitlines() == only[:1]


def candles(bench: Bench, interval: str, oi: bool = False) -> list[list[str | float]]:
    """The day's candles of the call."""
    answer = bench.exchange.historical(
        bench.now, CALL.token, interval, "2026-11-20 09:15:00", "2026-11-20 15:40:00", oi
    )
    found: list[list[str | float]] = answer["candles"]
    return found


def test_candles_are_made_of_the_frames_seen() -> None:
    """Minute by minute, merged to five minutes and to the day; volume is what it grew by."""
    bench = Bench(opened=False)
    path = [
        ("10:00:01", 10_000),
        ("10:00:20", 9_950),
        ("10:00:30", 10_200),
        ("10:01:05", 9_900),
        ("10:06:00", 10_050),
    ]
    for when, price in path:
        bench.now = ist_ns(DAY, when)
        bench.book(CALL, price, [], [], traded=65)
    assert candles(bench, "minute", oi=True) == [
        ["2026-11-20T10:00:00+0530", 100, 102, 99.5, 102, 130, 130],
        ["2026-11-20T10:01:00+0530", 99, 99, 99, 99, 65, 130],
        ["2026-11-20T10:06:00+0530", 100.5, 100.5, 100.5, 100.5, 65, 130],
    ]
    assert candles(bench, "5minute") == [
        ["2026-11-20T10:00:00+0530", 100, 102, 99, 99, 195],
        ["2026-11-20T10:05:00+0530", 100.5, 100.5, 100.5, 100.5, 65],
    ]
    assert candles(bench, "60minute")[0][0] == "2026-11-20T09:15:00+0530"
    assert candles(bench, "day") == [["2026-11-20T00:00:00+0530", 100, 102, 99, 100.5, 260]]


def test_only_trades_of_the_session_make_candles() -> None:
    """Yesterday's close before the open, and quotes without a trade, are in none; the first trade's
    units are."""
    bench = Bench(at="09:14:50", opened=False)
    bench.book(CALL, 6_065, [], [])
    bench.now = ist_ns(DAY, "09:15:05")
    bench.book(CALL, 6_065, [(65, 6_000)], [(65, 6_100)])
    early = ("2026-11-20 09:00:00", "2026-11-20 15:40:00")
    assert bench.exchange.historical(bench.now, CALL.token, "minute", *early, False) == {
        "candles": []
    }
    bench.now = ist_ns(DAY, "09:16:05")
    bench.book(CALL, 6_100, [(65, 6_000)], [(65, 6_100)], traded=130)
    bench.now = ist_ns(DAY, "09:17:05")
    bench.book(CALL, 6_100, [(65, 6_050)], [(65, 6_100)])
    assert candles(bench, "minute") == [["2026-11-20T09:16:00+0530", 61, 61, 61, 61, 130]]


SPANS = [
    (CALL.token + 1, "minute", "2026-11-20", "2026-11-20", "Invalid `instrument_token`."),
    (CALL.token, "2minute", "2026-11-20", "2026-11-20", "Invalid `interval`."),
    (CALL.token, "minute", "20 Nov", "2026-11-20", "Invalid `from`."),
    (CALL.token, "minute", "2026-11-31", "2026-11-20", "Invalid `from`."),
    (CALL.token, "minute", "2026-11-21", "2026-11-20", "from date cannot be after to date"),
    (CALL.token, "minute", "2026-09-20", "2026-11-20", "interval exceeds max limit: 60 days"),
    (CALL.token, "minute", "2026-01-01", "2026-11-20", "interval exceeds max limit: 60 days"),
]


@pytest.mark.parametrize(("token", "interval", "start", "end", "message"), SPANS)
def test_a_wrong_request_for_candles_is_refused(
    token: int, interval: str, start: str, end: str, message: str
) -> None:
    """One message a fault, all of them InputException."""
    bench = Bench()
    with pytest.raises(KiteError) as refused:
        bench.exchange.historical(bench.now, token, interval, start, end, False)
    assert (refused.value.message, refused.value.error_type) == (message, "InputException")


def test_an_index_has_candles_without_volume() -> None:
    """Volume 0, as the broker gives it."""
    bench = Bench()
    answer = bench.exchange.historical(
        bench.now, NIFTY.token, "minute", "2026-11-20", "2026-11-21", False
    )
    assert answer["candles"] == [["2026-11-20T10:00:00+0530", *[22_620] * 4, 0]]

"""The exchange end to end: an order's life, its book, positions, updates, by hand-made frames."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import Any

import pytest

from adapters.exchange_sim.errors import KiteError
from adapters.exchange_sim.exchange import Exchange
from adapters.exchange_sim.spec import AccountSpec, Behaviour
from adapters.markets.synthetic import SyntheticMarket
from adapters.markets.synthetic_random import SplitMix64
from tests.adapters.exchange_sim.bench_market import CALL, RULEBOOK, Bench
from tests.adapters.exchange_sim.test_machine import money_of


def test_a_resting_limit_order_opens_and_is_cancelled() -> None:
    """Place, rest, cancel: the statuses, the book and the update that it makes."""
    bench = Bench()
    order_id = bench.place(price=99, tag="abc123")
    order = bench.order(order_id)
    assert (order["status"], order["pending_quantity"], order["tag"]) == ("OPEN", 65, "abc123")
    assert order["tags"] == ["abc123"]
    bench.exchange.cancel(bench.now, "regular", order_id, "127.0.0.1")
    assert bench.order(order_id)["status"] == "CANCEL PENDING"
    bench.wait(100)
    assert bench.order(order_id)["status"] == "CANCELLED"
    assert [event["status"] for event in bench.heard] == ["CANCELLED"]


def test_a_crossing_limit_order_fills_at_the_shown_price() -> None:
    """A buy above the best ask gets the ask's price; position, trades and money follow."""
    bench = Bench()
    order_id = bench.place(price=101)
    order = bench.order(order_id)
    assert (order["status"], order["average_price"]) == ("COMPLETE", 100.1)
    assert bench.net(CALL) == 65
    (trade,) = bench.exchange.trades(bench.now)
    assert (trade["quantity"], trade["average_price"]) == (65, 100.1)
    net = bench.exchange.positions(bench.now)["net"][0]
    assert (net["quantity"], net["average_price"], net["value"]) == (65, 100.1, -6506.5)
    assert [event["status"] for event in bench.heard] == ["COMPLETE"]


def test_an_unknown_order_does_not_exist() -> None:
    """The text and class of the broker for an order that is not there."""
    bench = Bench()
    with pytest.raises(KiteError) as refused:
        bench.exchange.cancel(bench.now, "regular", "7", "127.0.0.1")
    assert refused.value.message == "The order for ID (7) does not exist"
    assert (refused.value.http_status, refused.value.error_type) == (400, "OrderException")


def life(seed: int) -> list[Any]:
    """Everything that an exchange with faults says of a short life."""
    bench = Bench(Behaviour(seed=seed))
    faults = bench.exchange.faults
    faults.duplicate_updates = faults.reorder_updates = faults.drop_updates = 300
    faults.late_fill_after_cancel = True
    for n in range(10):
        bench.book(CALL, 10_000, [(650, 9_990)], [(65 * (1 + n % 3), 10_010)], traded=65)
        order_id = bench.place(price=100.1 if n % 2 else 99, quantity=195)
        if bench.order(order_id)["status"] == "OPEN":
            bench.exchange.cancel(bench.now, "regular", order_id)
    bench.wait(5_000)
    exchange = bench.exchange
    return [bench.heard, exchange.orders(bench.now), exchange.trades(bench.now), exchange.ledger()]


def test_equal_calls_give_equal_answers() -> None:
    """To the last id and checksum; another seed has other late fills."""
    assert life(1) == life(1)
    assert life(1) != life(2)


@pytest.mark.slow
def test_a_whole_synthetic_day_adds_up() -> None:
    """Orders every half minute from open to close, MIS and NRML: at the end no order
    works, MIS is closed where anybody bids, trades are positions and money."""
    market = SyntheticMarket(7, "small")
    calls = [row for row in market.instruments() if row.kind in ("CE", "PE")][:40]
    cash = 50_000_000_000
    account = AccountSpec(cash_paise=cash)
    exchange = Exchange(market.instruments(), RULEBOOK, market.day, account)
    rng, due_ns, placed, heard = SplitMix64(7), market.open_ns, 0, []
    for frame in market.frames():
        exchange.on_frame(frame.ts, frame.data)
        heard.extend(exchange.take_updates(frame.ts))
        if frame.ts < due_ns:
            continue
        due_ns += 30_000_000_000
        row = calls[rng.below(len(calls))]
        form = {
            "exchange": row.exchange,
            "tradingsymbol": row.tradingsymbol,
            "transaction_type": ("BUY", "SELL")[rng.below(2)],
            "quantity": str(row.lot_units * rng.between(1, 10)),
            "product": ("MIS", "NRML")[rng.below(2)],
            "order_type": "MARKET",
            "market_protection": "-1",
        }
        with contextlib.suppress(KiteError):
            exchange.place(frame.ts, "regular", form)
            placed += 1
    end_ns = market.close_ns + 60_000_000_000
    heard.extend(exchange.take_updates(end_ns))
    orders, trades = exchange.orders(end_ns), exchange.trades(end_ns)
    assert placed > 500
    assert {order["status"] for order in orders} <= {"COMPLETE", "CANCELLED", "REJECTED"}
    held: Counter[tuple[str, str, str]] = Counter()
    for trade in trades:
        sign = 1 if trade["transaction_type"] == "BUY" else -1
        key = (trade["exchange"], trade["tradingsymbol"], trade["product"])
        held[key] += sign * trade["quantity"]
    assert {row[:3]: row[3] for row in exchange.ledger()} == dict(held)
    # Where nobody bids, the broker's order rests until the close, and that much stays held.
    closing = [order for order in orders if order["placed_by"] == "RMS"]
    kept: Counter[str] = Counter()
    for order in closing:
        assert order["quantity"] <= 1_755
        kept[order["tradingsymbol"]] += order["cancelled_quantity"]
    stuck = {key[1]: abs(units) for key, units in held.items() if key[2] == "MIS" and units}
    assert stuck == {name: units for name, units in kept.items() if units}
    assert len(closing) > len(stuck)
    squared = len({order["tradingsymbol"] for order in closing})
    assert exchange.cash_paise == cash + money_of(trades) - 5_900 * squared
    last = {event["order_id"]: event["status"] for event in heard}
    assert last == {order["order_id"]: order["status"] for order in orders}

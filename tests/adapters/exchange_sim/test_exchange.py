"""The exchange end to end: an order's life, its book, positions, updates, by hand-made frames."""

from __future__ import annotations

import pytest

from adapters.exchange_sim.errors import KiteError
from tests.adapters.exchange_sim.bench_market import CALL, Bench


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

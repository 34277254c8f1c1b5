"""Good-till-triggered orders: single and two-leg, what they refuse, what they place."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.exchange_sim.errors import KiteError
from tests.adapters.exchange_sim.bench_market import CALL, Bench


def gtt_form(kind: str, values: list[float], prices: list[float], **order: Any) -> dict[str, str]:
    """A trigger form as the official client sends it."""
    side = {"transaction_type": "SELL", "quantity": 65, "order_type": "LIMIT", "product": "NRML"}
    condition = {
        "exchange": "NFO",
        "tradingsymbol": CALL.tradingsymbol,
        "trigger_values": values,
        "last_price": 100,
    }
    orders = [{**side, "price": price, **order} for price in prices]
    return {"type": kind, "condition": json.dumps(condition), "orders": json.dumps(orders)}


def test_a_single_trigger_fires_once_when_its_price_is_reached() -> None:
    """Nothing happens above it; at it one LIMIT order is placed, and never a second."""
    bench = Bench()
    bench.place(price=101)
    answer = bench.exchange.gtt_place(bench.now, gtt_form("single", [95], [94]))
    assert answer == {"trigger_id": 1}
    bench.book(CALL, 9_505, [(650, 9_505)], [(650, 9_510)])
    assert bench.exchange.gtt_get(bench.now, "1")["status"] == "active"
    bench.book(CALL, 9_500, [(650, 9_500)], [(650, 9_505)])
    bench.book(CALL, 9_490, [(650, 9_490)], [(650, 9_500)])
    bench.wait(100)
    trigger = bench.exchange.gtt_get(bench.now, "1")
    result = trigger["orders"][0]["result"]
    assert (trigger["status"], result["order_result"]["status"]) == ("triggered", "success")
    sold = bench.order(result["order_result"]["order_id"])
    assert (sold["status"], sold["order_type"], sold["average_price"]) == (
        "COMPLETE",
        "LIMIT",
        94.9,
    )
    assert (bench.net(CALL), len(bench.exchange.orders(bench.now))) == (0, 2)


def test_a_trigger_sleeps_while_the_market_is_closed() -> None:
    """A price before 09:15 does not fire it; the first of the session does."""
    bench = Bench(at="09:14:50")
    bench.exchange.gtt_place(bench.now, gtt_form("single", [95], [94]))
    bench.book(CALL, 9_400, [], [])
    assert bench.exchange.gtt_get(bench.now, "1")["status"] == "active"
    bench.wait(10_000)
    bench.book(CALL, 9_400, [], [])
    assert bench.exchange.gtt_get(bench.now, "1")["status"] == "triggered"


def test_of_two_legs_one_fires_and_the_other_is_dropped() -> None:
    """The upper leg is reached: its order is placed, the lower one never."""
    bench = Bench()
    bench.place(price=101)
    bench.exchange.gtt_place(bench.now, gtt_form("two-leg", [90, 110], [89, 109]))
    bench.book(CALL, 11_000, [(650, 11_000)], [(650, 11_010)])
    bench.wait(100)
    bench.book(CALL, 8_000, [(650, 8_000)], [(650, 8_010)])
    bench.wait(100)
    trigger = bench.exchange.gtt_list(bench.now)[0]
    assert [leg["result"] is None for leg in trigger["orders"]] == [True, False]
    assert bench.net(CALL) == 0
    assert len(bench.exchange.orders(bench.now)) == 2


def test_an_order_that_the_broker_refuses_is_told_in_the_trigger() -> None:
    """The trigger has fired, and its result holds the broker's own words."""
    bench = Bench()
    form = gtt_form("single", [95], [5_000], transaction_type="BUY")
    bench.exchange.gtt_place(bench.now, form)
    bench.book(CALL, 9_400, [(650, 9_400)], [(650, 9_405)])
    result = bench.exchange.gtt_get(bench.now, "1")["orders"][0]["result"]["order_result"]
    assert result["status"] == "failed"
    assert result["rejection_reason"].startswith(
        "Your order price is higher than the current upper"
    )


def test_a_trigger_is_changed_and_deleted_while_it_is_active() -> None:
    """A deleted trigger does not fire and cannot be changed."""
    bench = Bench()
    bench.exchange.gtt_place(bench.now, gtt_form("single", [95], [94]))
    bench.exchange.gtt_modify(bench.now, "1", gtt_form("single", [93], [92]))
    assert bench.exchange.gtt_get(bench.now, "1")["condition"]["trigger_values"] == [93.0]
    assert bench.exchange.gtt_delete(bench.now, "1") == {"trigger_id": 1}
    bench.book(CALL, 9_000, [(650, 9_000)], [(650, 9_005)])
    assert bench.exchange.orders(bench.now) == []
    with pytest.raises(KiteError, match="deleted and cannot be changed"):
        bench.exchange.gtt_modify(bench.now, "1", gtt_form("single", [93], [92]))


REFUSED = [
    (gtt_form("single", [95, 96], [94]), "Trigger values must be 1"),
    (gtt_form("two-leg", [110, 90], [89, 109]), "Trigger values must be 2"),
    (gtt_form("two-leg", [90, 110], [89]), "Invalid `orders`."),
    (gtt_form("two-leg", [101, 110], [89, 109]), "Trigger already met: the last price is 100.00."),
    (gtt_form("single", [95], [94], order_type="MARKET"), "GTT orders must be LIMIT orders."),
    (gtt_form("single", [95], [94], quantity=64), "Quantity should be in multiples of lot size"),
    ({**gtt_form("single", [95], [94]), "type": "three-leg"}, "Invalid `type`."),
    ({**gtt_form("single", [95], [94]), "orders": "["}, "Invalid `orders`."),
    ({**gtt_form("single", [95], [94]), "condition": "[]"}, "Invalid `condition`."),
]


@pytest.mark.parametrize(("form", "message"), REFUSED)
def test_a_wrong_trigger_is_refused(form: dict[str, str], message: str) -> None:
    """Each fault has one clear message, and nothing is kept."""
    bench = Bench()
    with pytest.raises(KiteError) as refused:
        bench.exchange.gtt_place(bench.now, form)
    assert refused.value.message.startswith(message)
    assert refused.value.error_type == "InputException"
    assert bench.exchange.gtt_list(bench.now) == []


@pytest.mark.parametrize("trigger_id", ["1", "x", ""])
def test_an_unknown_trigger_is_not_found(trigger_id: str) -> None:
    """404 for an id that no trigger has."""
    bench = Bench()
    with pytest.raises(KiteError) as refused:
        bench.exchange.gtt_get(bench.now, trigger_id)
    assert (refused.value.http_status, refused.value.message) == (404, "Trigger not found")

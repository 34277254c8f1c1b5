"""The life of an order: status by status, modifications, stops, slices, legs, the end of day."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.exchange_sim.errors import KiteError
from adapters.exchange_sim.spec import AccountSpec, Behaviour
from engine.rulebook import ist_ns
from tests.adapters.exchange_sim.bench_market import CALL, DAY, FUTURE, PUT, SENSEX_CALL, Bench

PLACED = ["PUT ORDER REQ RECEIVED", "VALIDATION PENDING", "OPEN PENDING"]
CHANGED = ["MODIFY VALIDATION PENDING", "MODIFY PENDING", "MODIFIED", "OPEN"]


def statuses(bench: Bench, order_id: str) -> list[str]:
    """The steps of an order's history."""
    return [row["status"] for row in bench.exchange.order_history(bench.now, order_id)]


def change(bench: Bench, order_id: str, **fields: Any) -> None:
    """Modify an order and wait for it."""
    form = {name: str(value) for name, value in fields.items()}
    answer = bench.exchange.modify(bench.now, "regular", order_id, form)
    assert answer == {"order_id": order_id}
    bench.wait(100)


def test_the_history_of_an_order_is_the_documented_one() -> None:
    """Placed, open, modified, open: eight steps; the first row has the sample's wrong token."""
    bench = Bench()
    order_id = bench.place(price=90)
    assert statuses(bench, order_id) == [*PLACED, "OPEN"]
    change(bench, order_id, price=91)
    assert statuses(bench, order_id) == [*PLACED, "OPEN", *CHANGED]
    rows = bench.exchange.order_history(bench.now, order_id)
    assert [row["instrument_token"] for row in rows[:2]] == [1, CALL.token]
    assert [row["exchange_order_id"] is None for row in rows[:4]] == [True, True, True, False]
    assert "tags" not in rows[0] and "guid" not in rows[0]
    order = bench.order(order_id)
    assert (order["price"], order["modified"]) == (91.0, True)
    assert [event["status"] for event in bench.heard] == ["UPDATE"]


def test_the_order_object_has_the_documented_fields() -> None:
    """Every field, null where there is nothing, tags absent when there are none."""
    bench = Bench()
    order = bench.order(bench.place(price=90))
    assert set(order) == {
        *("account_id", "placed_by", "order_id", "exchange_order_id", "parent_order_id", "status"),
        *("status_message", "status_message_raw", "order_timestamp", "exchange_update_timestamp"),
        *("exchange_timestamp", "variety", "modified", "exchange", "tradingsymbol"),
        *("instrument_token", "order_type", "transaction_type", "validity", "validity_ttl"),
        *("product", "quantity", "disclosed_quantity", "price", "trigger_price", "auction_number"),
        *("average_price", "filled_quantity", "pending_quantity", "cancelled_quantity"),
        *("market_protection", "meta", "tag", "guid"),
    }
    assert len(order["order_id"]) == 19
    assert order["order_id"].isdecimal()
    assert order["order_timestamp"] == "2026-11-20 10:00:00"
    nulls = ("parent_order_id", "status_message", "status_message_raw", "tag", "auction_number")
    assert [order[name] for name in nulls] == [None] * 5
    assert "tags" not in order
    assert bench.order(bench.place(price=90, tag="a1"))["tags"] == ["a1"]


def test_an_order_is_there_only_once_the_exchange_has_answered() -> None:
    """Before that it is OPEN PENDING and can be neither changed nor cancelled."""
    bench = Bench()
    placed = bench.exchange.place(bench.now, "regular", bench.form(price=90), "")
    order_id = placed["order_id"]
    assert bench.order(order_id)["status"] == "OPEN PENDING"
    with pytest.raises(KiteError, match="does not exist"):
        bench.exchange.cancel(bench.now, "regular", order_id)
    bench.wait(19)
    assert bench.order(order_id)["status"] == "OPEN PENDING"
    bench.wait(1)
    assert bench.order(order_id)["status"] == "OPEN"
    with pytest.raises(KiteError, match="does not exist"):
        bench.exchange.cancel(bench.now, "iceberg", order_id)


def test_a_protected_market_order_is_a_limit_that_can_rest() -> None:
    """LIMIT at the last price + 2 %, marked; what the book does not give rests OPEN."""
    bench = Bench()
    bench.book(CALL, 10_000, [], [(65, 10_010), (650, 10_400)])
    order_id = bench.place(quantity=130, price=None, order_type="MARKET", market_protection=-1)
    order = bench.order(order_id)
    assert (order["order_type"], order["price"], order["status"]) == ("LIMIT", 102.0, "OPEN")
    assert (order["filled_quantity"], order["pending_quantity"]) == (65, 65)
    assert (order["tags"], order["market_protection"]) == (["mktp", "mktp:2.00"], 2.0)


@pytest.mark.parametrize(("last", "percent"), [(995, 5), (5_000, 3), (10_000, 2), (60_000, 1)])
def test_automatic_protection_follows_the_price(last: int, percent: int) -> None:
    """5, 3, 2 and 1 % by the option's price, as the tag says."""
    bench = Bench()
    bench.book(CALL, last, [], [])
    order = bench.order(bench.place(price=None, order_type="MARKET", market_protection=-1))
    assert order["tags"][-1] == f"mktp:{percent:.2f}"


def test_a_protected_market_order_by_percent() -> None:
    """4.5 % of 100 is 104.50."""
    bench = Bench()
    bench.book(CALL, 10_000, [], [])
    order = bench.order(bench.place(price=None, order_type="MARKET", market_protection=4.5))
    assert (order["price"], order["tags"]) == (104.5, ["mktp", "mktp:4.50"])


def test_a_future_is_protected_by_one_percent() -> None:
    """Automatic protection of what is no option."""
    bench = Bench()
    bench.book(FUTURE, 2_265_000, [], [])
    fields: dict[str, Any] = {"order_type": "MARKET", "market_protection": -1, "price": None}
    order = bench.order(bench.place(tradingsymbol=FUTURE.tradingsymbol, **fields))
    assert order["price"] == 22_876.5


def test_a_stop_waits_for_the_last_price() -> None:
    """TRIGGER PENDING until the last price is at the trigger, then OPEN, then filled."""
    bench = Bench()
    bench.place(price=101)
    order_id = bench.place(transaction_type="SELL", order_type="SL", price=94, trigger_price=95)
    assert statuses(bench, order_id) == [*PLACED, "TRIGGER PENDING"]
    bench.book(CALL, 9_505, [(650, 9_490)], [(650, 9_510)])
    assert bench.order(order_id)["status"] == "TRIGGER PENDING"
    bench.book(CALL, 9_500, [(650, 9_490)], [(650, 9_510)])
    assert statuses(bench, order_id)[3:] == ["TRIGGER PENDING", "OPEN", "COMPLETE"]
    assert bench.order(order_id)["average_price"] == 94.9
    assert bench.net(CALL) == 0


def test_a_stop_that_wakes_comes_after_what_was_there() -> None:
    """One lot is bid: the best that rested has it; the woken stop, cheaper still, waits."""
    bench = Bench()
    bench.book(CALL, 10_000, [(650, 9_000)], [])
    resting = bench.place(transaction_type="SELL", price=95)
    stop = bench.place(transaction_type="SELL", order_type="SL", price=85, trigger_price=95)
    other = bench.place(transaction_type="SELL", price=94)
    bench.book(CALL, 9_500, [(65, 9_500)], [])
    statuses_now = [bench.order(one)["status"] for one in (resting, stop, other)]
    assert statuses_now == ["OPEN", "OPEN", "COMPLETE"]


def test_a_stop_may_wake_while_it_is_being_cancelled() -> None:
    """It is in the book from then on, and what shows is the cancellation."""
    bench = Bench()
    order_id = bench.place(transaction_type="SELL", order_type="SL", price=94, trigger_price=95)
    bench.exchange.cancel(bench.now, "regular", order_id)
    bench.book(CALL, 9_500, [], [])
    assert statuses(bench, order_id)[-3:] == ["CANCEL PENDING", "OPEN", "CANCEL PENDING"]
    bench.wait(100)
    assert bench.order(order_id)["status"] == "CANCELLED"


def test_a_stop_whose_price_is_out_of_range_at_its_trigger_is_cancelled() -> None:
    """By the exchange, with both texts: the range moved away from the limit."""
    bench = Bench()
    order_id = bench.place(order_type="SL", price=139, trigger_price=110)
    for second in range(4):
        bench.wait(30_000)
        bench.book(CALL, 9_000, [], [(650, 9_900)], traded=65)
        assert bench.order(order_id)["status"] == "TRIGGER PENDING", second
    bench.book(CALL, 11_000, [], [(650, 11_000)], traded=65)
    order = bench.order(order_id)
    assert order["status"] == "CANCELLED"
    assert order["status_message_raw"] == "17070 : The Price is out of the current execution range"
    assert "limit price protection range" in order["status_message"]
    assert order["filled_quantity"] == 0


def test_a_stop_is_held_against_the_price_range_only_when_it_wakes() -> None:
    """Its limit may lie beyond today's range for now."""
    bench = Bench()
    order_id = bench.place(order_type="SL", price=150, trigger_price=110)
    assert bench.order(order_id)["status"] == "TRIGGER PENDING"


def test_a_stop_that_woke_does_not_sleep_again() -> None:
    """The market went back, its price is changed: it stays in the book."""
    bench = Bench()
    order_id = bench.place(order_type="SL", price=112, trigger_price=110)
    bench.book(CALL, 11_000, [], [])
    bench.book(CALL, 10_000, [], [])
    change(bench, order_id, price=111)
    assert bench.order(order_id)["status"] == "OPEN"


def test_the_price_range_may_be_switched_off() -> None:
    """Behaviour without price protection takes any price of the day."""
    bench = Bench(Behaviour(price_protection=False))
    assert bench.order(bench.place(price=2_000))["status"] == "COMPLETE"


def test_a_price_out_of_range_is_rejected_by_the_exchange() -> None:
    """A buy above 140 % of the reference: accepted, then REJECTED without exchange id."""
    bench = Bench()
    order = bench.order(bench.place(price=140.05))
    assert (order["status"], order["exchange_order_id"]) == ("REJECTED", None)
    assert order["status_message_raw"] == "17070 : The Price is out of the current execution range"
    assert (order["pending_quantity"], order["cancelled_quantity"]) == (0, 0)
    assert bench.order(bench.place(price=140))["status"] == "COMPLETE"


def test_immediate_or_cancel_leaves_nothing() -> None:
    """It takes what is there, and the rest is CANCELLED, with what was unfilled still told."""
    bench = Bench()
    bench.book(CALL, 10_000, [], [(130, 10_010)])
    order = bench.order(bench.place(quantity=195, price=101, validity="IOC"))
    assert (order["status"], order["filled_quantity"]) == ("CANCELLED", 130)
    assert (order["pending_quantity"], order["cancelled_quantity"]) == (65, 65)


def test_an_order_for_minutes_ends_with_them() -> None:
    """TTL of 2 minutes: open to the last millisecond."""
    bench = Bench()
    order_id = bench.place(price=90, validity="TTL", validity_ttl=2)
    bench.now = ist_ns(DAY, "10:02:00") - 1
    assert bench.order(order_id)["status"] == "OPEN"
    bench.now += 1
    assert bench.order(order_id)["status"] == "CANCELLED"


def test_a_modification_moves_price_quantity_and_type() -> None:
    """To a crossing price it fills; a stop may become a limit order; less keeps its place."""
    bench = Bench()
    order_id = bench.place(price=90, quantity=130)
    change(bench, order_id, quantity=65)
    assert bench.order(order_id)["quantity"] == 65
    change(bench, order_id, price=101)
    assert statuses(bench, order_id)[-2:] == ["OPEN", "COMPLETE"]
    stop = bench.place(transaction_type="SELL", order_type="SL", price=94, trigger_price=95)
    change(bench, stop, order_type="LIMIT", price=99)
    assert bench.order(stop)["status"] == "COMPLETE"
    market = bench.place(price=90)
    change(bench, market, order_type="MARKET", market_protection=-1)
    assert bench.order(market)["average_price"] == 100.1


def test_a_modification_is_checked_as_an_order_is() -> None:
    """Tick, lot, circuit, filled quantity, protection; the order stands as it was."""
    bench = Bench()
    bench.book(CALL, 10_000, [], [(65, 10_010)])
    order_id = bench.place(price=100.1, quantity=195)
    cases = [
        ({"price": "100.01"}, "Tick size for this script is 0.05"),
        ({"quantity": "66"}, "Quantity should be in multiples of lot size"),
        ({"price": "9000"}, "Your order price is higher than the current upper circuit limit"),
        ({"order_type": "MARKET"}, "Market orders without market protection are not allowed"),
        ({"order_type": "SL-M"}, "SL-M orders are not allowed"),
        ({"quantity": "1820"}, "Order quantity is above the freeze quantity of 1800"),
    ]
    for form, message in cases:
        with pytest.raises(KiteError) as refused:
            bench.exchange.modify(bench.now, "regular", order_id, form)
        assert refused.value.message.startswith(message)
    bench.book(CALL, 10_000, [], [(65, 10_010)])
    with pytest.raises(KiteError) as refused:
        bench.exchange.modify(bench.now, "regular", order_id, {"quantity": "65"})
    assert refused.value.message == "Quantity cannot be less than the filled quantity of 130."
    assert bench.order(order_id)["modified"] is False


def test_a_modification_that_comes_too_late_changes_nothing() -> None:
    """The order fills while the modification is on its way: either is legal, filled wins."""
    bench = Bench()
    order_id = bench.place(price=99, quantity=130)
    bench.exchange.modify(bench.now, "regular", order_id, {"quantity": "65"})
    bench.book(CALL, 9_900, [], [(65, 9_900)])
    bench.wait(100)
    order = bench.order(order_id)
    assert (order["status"], order["quantity"], order["filled_quantity"]) == ("OPEN", 130, 65)
    assert order["status_message"] == "The modification came after the quantity had been filled."
    assert order["status_message_raw"] is None


def test_a_modification_out_of_the_price_range_is_refused_by_the_exchange() -> None:
    """Also of a stop that has woken; the order stands as it was, with the exchange's words."""
    bench = Bench()
    woken = bench.place(order_type="SL", price=112, trigger_price=110)
    bench.book(CALL, 11_000, [], [])
    limit = bench.place(price=90)
    for order_id, price in ((woken, 112), (limit, 90)):
        change(bench, order_id, price=160)
        order = bench.order(order_id)
        assert (order["status"], order["price"]) == ("OPEN", price)
        raw = "17070 : The Price is out of the current execution range"
        assert order["status_message_raw"] == raw


def test_a_modification_needs_funds_for_what_is_not_filled() -> None:
    """What is filled is paid; a dearer or larger rest must be payable."""
    bench = Bench(account=AccountSpec(cash_paise=1_310_000))
    bench.book(CALL, 10_000, [], [(65, 10_000)])
    order_id = bench.place(price=100, quantity=130)
    change(bench, order_id, price=100.1)
    assert bench.order(order_id)["price"] == 100.1
    for form in ({"price": "102"}, {"quantity": "195"}):
        with pytest.raises(KiteError, match="Insufficient funds"):
            bench.exchange.modify(bench.now, "regular", order_id, form)


def test_the_twenty_sixth_modification_is_refused() -> None:
    """25, then cancel and place anew."""
    bench = Bench()
    order_id = bench.place(price=90)
    for n in range(25):
        change(bench, order_id, price=80 + n % 2)
    with pytest.raises(KiteError) as refused:
        bench.exchange.modify(bench.now, "regular", order_id, {"price": "82"})
    assert refused.value.message == "Maximum allowed order modifications exceeded."
    assert refused.value.error_type == "NetworkException"


def test_a_fill_may_overtake_a_cancellation() -> None:
    """CANCEL PENDING and the book comes: COMPLETE, and the cancellation does nothing."""
    bench = Bench()
    order_id = bench.place(price=99)
    bench.exchange.cancel(bench.now, "regular", order_id)
    bench.exchange.cancel(bench.now, "regular", order_id)
    bench.book(CALL, 9_900, [], [(65, 9_900)])
    bench.wait(100)
    assert statuses(bench, order_id) == [*PLACED, "OPEN", "CANCEL PENDING", "COMPLETE"]
    with pytest.raises(KiteError, match="does not exist"):
        bench.exchange.cancel(bench.now, "regular", order_id)


def test_an_order_on_its_way_out_cannot_be_modified() -> None:
    """After a cancel request only the exchange decides."""
    bench = Bench()
    order_id = bench.place(price=90)
    bench.exchange.cancel(bench.now, "regular", order_id)
    with pytest.raises(KiteError, match="does not exist"):
        bench.exchange.modify(bench.now, "regular", order_id, {"price": "91"})


def test_what_is_on_its_way_shows_until_it_has_arrived() -> None:
    """A modification lands while a cancellation is under way: still CANCEL PENDING."""
    bench = Bench()
    order_id = bench.place(price=90)
    bench.exchange.modify(bench.now, "regular", order_id, {"price": "91"})
    bench.exchange.modify(bench.now, "regular", order_id, {"price": "92"})
    bench.wait(10)
    bench.exchange.cancel(bench.now, "regular", order_id)
    bench.wait(10)
    order = bench.order(order_id)
    assert (order["status"], order["price"]) == ("CANCEL PENDING", 92)
    bench.wait(10)
    assert bench.order(order_id)["status"] == "CANCELLED"


def test_a_trigger_that_was_moved_into_the_market_wakes_the_stop() -> None:
    """The price is there when the modification arrives: no further packet is needed."""
    bench = Bench()
    order_id = bench.place(transaction_type="SELL", order_type="SL", price=80, trigger_price=85)
    bench.exchange.modify(bench.now, "regular", order_id, {"trigger_price": "95"})
    bench.book(CALL, 9_400, [(650, 9_400)], [(650, 9_410)])
    assert bench.order(order_id)["filled_quantity"] == 0
    bench.wait(20)
    assert bench.order(order_id)["status"] == "COMPLETE"


def test_autoslice_cuts_at_the_freeze_quantity() -> None:
    """4,000 and a bit of NIFTY: slices of 27 lots, each its own order, tagged with the parent."""
    bench = Bench()
    form = bench.form(quantity=65 * 60, price=90, autoslice="true", tag="mine")
    answer = bench.exchange.place(bench.now, "regular", form, "")
    bench.wait(100)
    parts = [bench.order(child["order_id"]) for child in answer["children"]]
    assert [part["quantity"] for part in parts] == [1_755, 1_755, 390]
    parent = answer["order_id"]
    assert all(part["tags"] == ["mine", "autoslice", f"autoslice:{parent}"] for part in parts)
    assert parent not in [order["order_id"] for order in bench.exchange.orders(bench.now)]


@pytest.mark.parametrize("word", ["true", "True", "1", "yes"])
def test_autoslice_is_asked_for_in_any_spelling(word: str) -> None:
    """As clients send it; anything else is no."""
    bench = Bench()
    answer = bench.exchange.place(bench.now, "regular", bench.form(price=90, autoslice=word), "")
    assert len(answer["children"]) == 1
    plain = bench.exchange.place(bench.now, "regular", bench.form(price=90, autoslice="no"), "")
    assert list(plain) == ["order_id"]


def test_autoslice_may_succeed_in_part() -> None:
    """A child that the broker refuses is an error beside its siblings; each counts as an order."""
    bench = Bench(Behaviour(orders_a_second=2))
    bench.exchange.admit(bench.now, "order")
    form = bench.form(quantity=1_755 * 3, price=90, autoslice="true")
    answer = bench.exchange.place(bench.now, "regular", form, "")
    assert ["order_id" in child for child in answer["children"]] == [True, True, False]
    assert answer["children"][2]["error"] == {
        "code": 429,
        "error_type": "NetworkException",
        "message": "Too many requests",
        "data": None,
    }


def test_autoslice_has_a_limit_and_an_older_shape() -> None:
    """Ten slices at most; the older answer is the children alone."""
    bench = Bench(Behaviour(autoslice_v2=False))
    form = bench.form(quantity=1_755 * 11, price=1, autoslice="true")
    with pytest.raises(KiteError, match="Order needs 11 slices"):
        bench.exchange.place(bench.now, "regular", form, "")
    form = bench.form(quantity=65, price=90, autoslice="true")
    answer = bench.exchange.place(bench.now, "regular", form, "")
    assert [list(child) for child in answer] == [["order_id"]]


def test_autoslice_refuses_part_of_a_lot_whole() -> None:
    """No slice is placed of a quantity that is no multiple of the lot."""
    bench = Bench()
    with pytest.raises(KiteError, match="Quantity should be in multiples"):
        bench.exchange.place(bench.now, "regular", bench.form(quantity=3_600, autoslice="true"), "")
    assert bench.exchange.orders(bench.now) == []


def test_an_iceberg_shows_one_leg_at_a_time() -> None:
    """The next leg comes when one is filled, and a cancelled leg ends it."""
    bench = Bench()
    bench.book(CALL, 10_000, [], [(65, 10_000)])
    bench.place("iceberg", quantity=195, iceberg_legs=3, price=100)
    bench.wait(100)
    first, second = bench.exchange.orders(bench.now)
    assert (first["status"], second["status"]) == ("COMPLETE", "OPEN")
    assert second["meta"]["iceberg"] == {
        "leg": 2,
        "legs": 3,
        "leg_quantity": 65,
        "total_quantity": 195,
        "remaining_quantity": 65,
    }
    bench.exchange.cancel(bench.now, "iceberg", second["order_id"])
    bench.wait(100)
    assert len(bench.exchange.orders(bench.now)) == 2
    assert bench.net(CALL) == 65


def test_an_iceberg_ends_with_its_last_leg() -> None:
    """Three legs are three orders, and the last leaves nothing."""
    bench = Bench()
    bench.place("iceberg", quantity=195, iceberg_legs=3, price=101)
    bench.wait(1_000)
    legs = bench.exchange.orders(bench.now)
    assert [order["meta"]["iceberg"]["remaining_quantity"] for order in legs] == [130, 65, 0]
    assert {order["status"] for order in legs} == {"COMPLETE"}
    assert bench.net(CALL) == 195


def test_at_the_end_of_the_day_everything_that_works_is_cancelled() -> None:
    """15:40 on both exchanges: open, waiting and pending orders; and nothing trades after it."""
    bench = Bench(at="15:39:59")
    ids = [
        bench.place(price=90),
        bench.place(transaction_type="SELL", order_type="SL", price=80, trigger_price=85),
        bench.place(exchange="BFO", tradingsymbol=SENSEX_CALL.tradingsymbol, quantity=20, price=90),
    ]
    bench.now = ist_ns(DAY, "15:40:00") - 1
    late = bench.exchange.place(bench.now, "regular", bench.form(price=90), "")["order_id"]
    bench.wait(100)
    bench.book(CALL, 8_000, [], [(650, 8_000)], traded=650)
    assert [bench.order(one)["status"] for one in (*ids, late)] == ["CANCELLED"] * 4
    assert bench.net(CALL) == 0
    assert {event["status"] for event in bench.heard} == {"CANCELLED"}


def test_the_broker_squares_off_what_is_intraday() -> None:
    """At its hour MIS orders are cancelled and MIS positions closed, for a fee; NRML stays."""
    bench = Bench(Behaviour(square_off_hhmm="10:30"))
    bench.place(price=101, product="MIS")
    bench.place(price=101, product="NRML", tradingsymbol=PUT.tradingsymbol)
    waiting = bench.place(price=90, product="MIS")
    kept = bench.place(price=80, product="NRML")
    bench.book(CALL, 10_000, [(650, 9_990)], [(650, 10_010)])
    before = bench.exchange.margins(bench.now, "equity")["net"]
    bench.now = ist_ns(DAY, "10:30:00")
    bench.wait(100)
    assert (bench.net(CALL, "MIS"), bench.net(PUT)) == (0, 65)
    assert bench.order(waiting)["status"] == "CANCELLED"
    assert bench.order(kept)["status"] == "OPEN"
    closing = bench.exchange.orders(bench.now)[-1]
    assert (closing["placed_by"], closing["status"], closing["tag"]) == ("RMS", "COMPLETE", None)
    after = bench.exchange.margins(bench.now, "equity")["net"]
    # The sale and the released order bring money, the sale's charges and the fee of 59 cost some.
    assert after == pytest.approx(before + 65 * 99.9 + 65 * 90 - 36.09 - 59, abs=0.05)


def test_the_broker_may_square_off_at_any_moment() -> None:
    """As a fault script asks: also what is NRML."""
    bench = Bench()
    bench.place(price=101)
    bench.exchange.square_off(bench.now, "NRML")
    assert bench.net(CALL) == 0

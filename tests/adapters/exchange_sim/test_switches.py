"""The core's switches, one by one: late fills and late want of funds, listing lag, a person."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from adapters.exchange_sim.errors import KiteError
from adapters.exchange_sim.spec import AccountSpec, Behaviour
from adapters.exchange_sim.updates import update_checksum
from tests.adapters.exchange_sim.bench_market import CALL, Bench

ANY_SEED = range(8)


def test_want_of_funds_may_be_found_late() -> None:
    """The order is accepted, then REJECTED, with the broker's longer text and the raw one."""
    bench = Bench(account=AccountSpec(cash_paise=100_000))
    bench.exchange.faults.margin_async = True
    order_id = bench.place(price=90)
    order = bench.order(order_id)
    assert (order["status"], order["exchange_order_id"]) == ("REJECTED", None)
    assert order["status_message"] == (
        "Insufficient funds. Required margin is 5850.00 but available margin is 1000.00. "
        "Check the orderbook for open orders."
    )
    assert order["status_message_raw"] == (
        "RMS:Margin Exceeds,Required:5850.00, Available:1000.00 for entity account-demo "
        "across exchange across segment across product "
    )
    history = bench.exchange.order_history(bench.now, order_id)
    assert [row["status"] for row in history] == [
        "PUT ORDER REQ RECEIVED",
        "VALIDATION PENDING",
        "REJECTED",
    ]
    assert [event["status"] for event in bench.heard] == ["REJECTED"]


def test_one_order_is_rejected_with_a_message_of_choice() -> None:
    """The next order that reaches the exchange, and only that one."""
    bench = Bench()
    bench.exchange.faults.reject_next = "16387 : Security is not allowed to trade"
    rejected, accepted = bench.place(price=90), bench.place(price=90)
    order = bench.order(rejected)
    assert (order["status"], order["status_message"]) == (
        "REJECTED",
        "16387 : Security is not allowed to trade",
    )
    assert bench.order(accepted)["status"] == "OPEN"


@pytest.mark.parametrize("seed", ANY_SEED)
def test_a_fill_may_be_told_after_the_cancellation(seed: int) -> None:
    """CANCELLED, then a larger filled quantity; position, trades and updates have it."""
    bench = Bench(Behaviour(seed=seed))
    bench.exchange.faults.late_fill_after_cancel = True
    order_id = bench.place(price=90, quantity=195)
    bench.exchange.cancel(bench.now, "regular", order_id)
    bench.wait(100)
    assert (bench.order(order_id)["status"], bench.net(CALL)) == ("CANCELLED", 0)
    bench.wait(1_000)
    order = bench.order(order_id)
    filled = order["filled_quantity"]
    assert filled in (65, 130, 195)
    assert order["status"] == ("COMPLETE" if filled == 195 else "CANCELLED")
    assert bench.net(CALL) == filled == bench.heard[-1]["filled_quantity"]
    assert sum(trade["quantity"] for trade in bench.exchange.trades(bench.now)) == filled
    assert [event["status"] for event in bench.heard] == ["CANCELLED", order["status"]]


def test_a_stop_that_waited_has_no_late_fill() -> None:
    """It was never in the book, so nothing can have met it."""
    bench = Bench()
    bench.exchange.faults.late_fill_after_cancel = True
    order_id = bench.place(transaction_type="SELL", order_type="SL", price=80, trigger_price=85)
    bench.exchange.cancel(bench.now, "regular", order_id)
    bench.wait(5_000)
    assert bench.order(order_id)["filled_quantity"] == 0


def test_an_order_may_be_listed_late() -> None:
    """For a second it is in no list, has no history, cannot be cancelled, but it trades."""
    bench = Bench()
    bench.exchange.faults.listing_lag_ms = 1_000
    order_id = bench.place(price=101)
    assert bench.net(CALL) == 65
    assert bench.exchange.orders(bench.now) == []
    assert bench.exchange.trades(bench.now) == []
    calls: list[Callable[[], object]] = [
        lambda: bench.exchange.order_history(bench.now, order_id),
        lambda: bench.exchange.order_trades(bench.now, order_id),
        lambda: bench.exchange.cancel(bench.now, "regular", order_id),
    ]
    for call in calls:
        with pytest.raises(KiteError) as refused:
            call()
        assert refused.value.message == f"The order for ID ({order_id}) does not exist"
    bench.wait(900)
    assert bench.order(order_id)["status"] == "COMPLETE"
    assert len(bench.exchange.order_trades(bench.now, order_id)) == 1


def test_an_order_may_be_pending_for_minutes() -> None:
    """OPEN PENDING and CANCEL PENDING as long as the switch is on, then all goes on."""
    bench = Bench()
    working = bench.place(price=90)
    bench.exchange.faults.pending_forever = True
    stuck = bench.place(price=90)
    bench.exchange.cancel(bench.now, "regular", working)
    bench.wait(180_000)
    assert bench.order(stuck)["status"] == "OPEN PENDING"
    assert bench.order(working)["status"] == "CANCEL PENDING"
    bench.exchange.faults.pending_forever = False
    bench.wait(1_000)
    assert bench.order(stuck)["status"] == "OPEN"
    assert bench.order(working)["status"] == "CANCELLED"


def test_the_brokers_clock_may_be_off() -> None:
    """In every stamp that goes out, the checksum over it too; what is due stays as it was."""
    bench = Bench()
    bench.exchange.faults.clock_offset_ms = -3_600_000
    order_id = bench.place(price=101, validity="TTL", validity_ttl=1)
    order, (event,) = bench.order(order_id), bench.heard
    (trade,) = bench.exchange.order_trades(bench.now, order_id)
    stamps = [order[name] for name in ("order_timestamp", "exchange_timestamp")]
    stamps += [trade["fill_timestamp"], event["order_timestamp"]]
    stamps += [row["order_timestamp"] for row in bench.exchange.order_history(bench.now, order_id)]
    assert {stamp[:13] for stamp in stamps} == {"2026-11-20 09"}
    assert event["checksum"] == update_checksum(order_id, event["order_timestamp"], "demo")
    key = f"NFO:{CALL.tradingsymbol}"
    assert bench.exchange.quote(bench.now, (key,))[key]["timestamp"] == "2026-11-20 09:00:00"
    resting = bench.place(price=90, validity="TTL", validity_ttl=1)
    bench.wait(59_000)
    assert bench.order(resting)["status"] == "OPEN"
    bench.wait(1_000)
    assert bench.order(resting)["status"] == "CANCELLED"


def test_a_person_closes_a_position_in_the_brokers_app() -> None:
    """At once, as an order without our tag and not of our app, told like any other."""
    bench = Bench()
    bench.place(price=101, quantity=130)
    bench.heard.clear()
    answer = bench.exchange.close_by_hand(bench.now, "NFO", CALL.tradingsymbol, "NRML", 65)
    order = bench.order(answer["order_id"])
    assert (order["status"], order["transaction_type"], order["tag"]) == ("COMPLETE", "SELL", None)
    assert bench.net(CALL) == 65
    bench.wait(100)
    assert [(e["status"], e["app_id"]) for e in bench.heard] == [("COMPLETE", 0)]


def test_a_large_position_is_closed_in_slices() -> None:
    """No order is above the freeze quantity, a person's included."""
    bench = Bench()
    for _ in range(2):
        bench.book(CALL, 10_000, [], [(1_755, 10_000)])
        bench.place(quantity=1_755, price=100)
    bench.book(CALL, 10_000, [(6_500, 9_990)], [])
    bench.exchange.close_by_hand(bench.now, "NFO", CALL.tradingsymbol, "NRML", 3_510)
    sold = [order["quantity"] for order in bench.exchange.orders(bench.now)[2:]]
    assert (sold, bench.net(CALL)) == ([1_755, 1_755], 0)


def test_a_persons_hand_waits_for_no_switch() -> None:
    """Pending, listing lag, the next rejection: all are for orders of the API."""
    bench = Bench()
    bench.place(price=101)
    faults = bench.exchange.faults
    faults.pending_forever, faults.listing_lag_ms, faults.reject_next = True, 5_000, "no"
    answer = bench.exchange.close_by_hand(bench.now, "NFO", CALL.tradingsymbol, "NRML", 65)
    assert bench.order(answer["order_id"])["status"] == "COMPLETE"
    assert faults.reject_next == "no"


BY_HAND = [
    (CALL.tradingsymbol, 130, "Insufficient quantity in the position: 65."),
    (CALL.tradingsymbol, 64, "Quantity should be in multiples of lot size. Lot size is 65."),
    ("X", 65, "The instrument you are placing an order for has either expired or does not exist."),
]


@pytest.mark.parametrize(("symbol", "units", "message"), BY_HAND)
def test_a_person_cannot_close_what_is_not_there(symbol: str, units: int, message: str) -> None:
    """No more than is held, in lots, in a listed contract."""
    bench = Bench()
    bench.place(price=101)
    with pytest.raises(KiteError) as refused:
        bench.exchange.close_by_hand(bench.now, "NFO", symbol, "NRML", units)
    assert refused.value.message == message


def test_a_foreign_order_needs_no_address_and_no_protection() -> None:
    """From another terminal; in the book, in the updates, and not of our app."""
    bench = Bench(account=AccountSpec(allowed_ips=("10.0.0.7",)))
    form = bench.form(order_type="MARKET", price=None)
    answer = bench.exchange.foreign_order(bench.now, form)
    order = bench.order(answer["order_id"])
    assert (order["status"], "tags" in order) == ("COMPLETE", False)
    bench.wait(100)
    assert [event["app_id"] for event in bench.heard] == [0]
    with pytest.raises(KiteError, match="Quantity should be in multiples"):
        bench.exchange.foreign_order(bench.now, bench.form(quantity=1))

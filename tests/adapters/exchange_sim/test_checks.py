"""Every refusal of an order at once, by its exact text, class and HTTP code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from adapters.exchange_sim.checks import protected_price
from adapters.exchange_sim.errors import KiteError
from adapters.exchange_sim.spec import AccountSpec, Behaviour
from engine.rulebook import ist_ns
from tests.adapters.exchange_sim.bench_market import (
    CALL,
    DAY,
    FUTURE,
    SENSEX_CALL,
    Bench,
)

HOLIDAY = 20261124

UNPROTECTED = (
    "Market orders without market protection are not allowed via API. "
    "Please set market protection or use a Limit order."
)
TICK = (
    "Tick size for this script is 0.05. "
    "Kindly enter {} in the multiple of tick size for this script"
)
DAILY = " You can place an order within the daily range."
LOT = "Quantity should be in multiples of lot size. Lot size is 65."
GONE = "The instrument you are placing an order for has either expired or does not exist."
TAG = "Invalid `tag`. Tag should be alphanumeric and at most 20 characters."
FREEZE = (
    "Order quantity is above the freeze quantity of {} for this script. "
    "Slice the order or use autoslice."
)
STOP_SIDE = "Trigger price for stoploss {} orders should be {} than the last traded price (100.00)."
SELL_STOP = {"transaction_type": "SELL", "order_type": "SL"}

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("no exchange", {"exchange": None}, "Missing or empty field `exchange`"),
    ("no symbol", {"tradingsymbol": ""}, "Missing or empty field `tradingsymbol`"),
    ("unknown symbol", {"tradingsymbol": "NIFTY99"}, GONE),
    ("wrong exchange", {"exchange": "BFO"}, GONE),
    (
        "an index",
        {"exchange": "NSE", "tradingsymbol": "NIFTY 50"},
        "Orders cannot be placed in NIFTY 50: an index is not tradable.",
    ),
    ("no side", {"transaction_type": None}, "Missing or empty field `transaction_type`"),
    ("wrong side", {"transaction_type": "HOLD"}, "Invalid `transaction_type`."),
    ("lower case side", {"transaction_type": "buy"}, "Invalid `transaction_type`."),
    ("wrong type", {"order_type": "STOP"}, "Invalid `order_type`."),
    ("wrong product", {"product": "CNC"}, "Invalid `product`."),
    ("wrong validity", {"validity": "GTC"}, "Invalid `validity`."),
    ("TTL without minutes", {"validity": "TTL"}, "Missing or empty field `validity_ttl`"),
    (
        "TTL of no minutes",
        {"validity": "TTL", "validity_ttl": 0},
        "Invalid `validity_ttl`.",
    ),
    (
        "TTL beyond a day",
        {"validity": "TTL", "validity_ttl": 1_441},
        "Invalid `validity_ttl`.",
    ),
    ("no quantity", {"quantity": None}, "Missing or empty field `quantity`"),
    ("quantity 0", {"quantity": 0}, "Invalid `quantity`."),
    ("negative quantity", {"quantity": -65}, "Invalid `quantity`."),
    ("part of a unit", {"quantity": "65.5"}, "Invalid `quantity`."),
    ("words", {"quantity": "many"}, "Invalid `quantity`."),
    ("not a number", {"quantity": "NaN"}, "Invalid `quantity`."),
    ("infinite", {"price": "Infinity"}, "Invalid `price`."),
    ("lot", {"quantity": 64}, LOT),
    ("freeze", {"quantity": 1_820}, FREEZE.format(1_800)),
    ("no price", {"price": None}, "Invalid `price`."),
    ("negative price", {"price": -1}, "Invalid `price`."),
    ("off the tick", {"price": 100.03}, TICK.format("price")),
    ("a shadow off the tick", {"price": "100.0500001"}, TICK.format("price")),
    (
        "trigger off the tick",
        {**SELL_STOP, "price": 90, "trigger_price": 95.01},
        TICK.format("trigger price"),
    ),
    (
        "above the circuit",
        {"price": 2_350.05},
        "Your order price is higher than the current upper circuit limit of 2350.00." + DAILY,
    ),
    (
        "SL-M of an option",
        {"order_type": "SL-M", "trigger_price": 110, "market_protection": -1},
        "SL-M orders are not allowed for options contracts. Use SL (limit) orders instead.",
    ),
    ("unprotected", {"order_type": "MARKET"}, UNPROTECTED),
    ("protection 0", {"order_type": "MARKET", "market_protection": 0}, UNPROTECTED),
    (
        "protection True",
        {"order_type": "MARKET", "market_protection": True},
        "Invalid request (failed to decode market_protection, got: True (expected decimal))",
    ),
    (
        "protection above 100",
        {"order_type": "MARKET", "market_protection": 101},
        "Invalid `market_protection`.",
    ),
    (
        "protection finer than a hundredth",
        {"order_type": "MARKET", "market_protection": 4.555},
        "Invalid `market_protection`.",
    ),
    (
        "protection -2",
        {"order_type": "MARKET", "market_protection": -2},
        "Invalid `market_protection`.",
    ),
    ("tag too long", {"tag": "a" * 21}, TAG),
    ("tag with a space", {"tag": "two words"}, TAG),
    ("stop without trigger", {**SELL_STOP, "price": 90}, "Invalid `trigger_price`."),
    (
        "sell stop above the market",
        {**SELL_STOP, "price": 90, "trigger_price": 100},
        STOP_SIDE.format("sell", "lower"),
    ),
    (
        "sell stop above its limit",
        {**SELL_STOP, "price": 96, "trigger_price": 95},
        "Trigger price of a stoploss sell order cannot be below its price.",
    ),
    (
        "buy stop below the market",
        {"order_type": "SL", "price": 120, "trigger_price": 100},
        STOP_SIDE.format("buy", "higher"),
    ),
    (
        "buy stop above its limit",
        {"order_type": "SL", "price": 109, "trigger_price": 110},
        "Trigger price of a stoploss buy order cannot be above its price.",
    ),
    (
        "disclosed quantity",
        {"disclosed_quantity": 65},
        "Disclosed quantity is not allowed for derivatives.",
    ),
]


@pytest.mark.parametrize(
    ("fields", "message"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_a_wrong_order_is_refused_by_name(fields: dict[str, Any], message: str) -> None:
    """InputException, HTTP 400, the exact text; the book stays empty."""
    bench = Bench()
    with pytest.raises(KiteError) as refused:
        bench.place(**fields)
    error = refused.value
    assert (error.message, error.error_type, error.http_status) == (message, "InputException", 400)
    assert bench.exchange.orders(bench.now) == []


def test_the_lower_circuit_limit_is_kept() -> None:
    """A future's range is a tenth of its own close, both ways."""
    bench = Bench()
    with pytest.raises(KiteError) as refused:
        bench.place(tradingsymbol=FUTURE.tradingsymbol, price=20_249.95)
    assert refused.value.message == (
        "Your order price is lower than the current lower circuit limit of 20250.00." + DAILY
    )


def test_a_contract_that_never_traded_has_no_price_to_protect() -> None:
    """A market order needs a last price."""
    bench = Bench(opened=False)
    with pytest.raises(KiteError) as refused:
        bench.place(order_type="MARKET", market_protection=-1)
    assert refused.value.message == (
        f"{CALL.tradingsymbol} has not traded yet, so a market order has no price to protect."
    )


VARIETIES = [
    ("amo", "OrderException", "AMO orders are not served by the simulated exchange."),
    ("co", "OrderException", "Orders of variety co are not served by the simulated exchange."),
    ("bo", "InputException", "Invalid `variety`."),
]


@pytest.mark.parametrize(("variety", "error_type", "message"), VARIETIES)
def test_a_variety_that_is_not_served_is_refused_clearly(
    variety: str, error_type: str, message: str
) -> None:
    """AMO and cover orders are known and refused; anything else is no variety."""
    bench = Bench()
    with pytest.raises(KiteError) as refused:
        bench.place(variety)
    assert (refused.value.error_type, refused.value.message) == (error_type, message)


ICEBERGS: list[dict[str, Any]] = [
    {"quantity": 65, "iceberg_legs": 1},
    {"quantity": 65 * 51, "iceberg_legs": 51},
    {"quantity": 65 * 3, "iceberg_legs": 2},
    {"quantity": 65 * 2, "iceberg_legs": 26},
    {"quantity": 65 * 2, "iceberg_legs": 2, "iceberg_quantity": 130},
]


@pytest.mark.parametrize("fields", ICEBERGS)
def test_an_iceberg_has_two_to_fifty_equal_legs(fields: dict[str, Any]) -> None:
    """Each leg a multiple of the lot."""
    bench = Bench()
    with pytest.raises(KiteError, match="`iceberg_legs` must be from 2 to 50"):
        bench.place("iceberg", **fields)


MIS_CLOSED = (
    "MIS (intraday) are blocked as the markets are not open for trading today. "
    "Try placing an AMO order."
)
HOURS = [
    (DAY, "09:14:59", "NRML", "Markets are closed right now. Try placing an AMO order."),
    (DAY, "15:40:00", "NRML", "Markets are closed right now. Try placing an AMO order."),
    (
        DAY,
        "15:25:00",
        "MIS",
        "MIS (intraday) orders are blocked after the square-off time of 15:25.",
    ),
    (HOLIDAY, "10:00:00", "NRML", "Markets are closed right now. Try placing an AMO order."),
    (
        HOLIDAY,
        "10:00:00",
        "MIS",
        MIS_CLOSED,
    ),
]


@pytest.mark.parametrize(("day", "at", "product", "message"), HOURS)
def test_orders_are_taken_in_hours_only(day: int, at: str, product: str, message: str) -> None:
    """By the rulebook's window of the day: 09:15 to 15:40, no holiday, MIS until 15:25."""
    bench = Bench(day=day, at=at)
    with pytest.raises(KiteError) as refused:
        bench.place(product=product)
    assert (refused.value.message, refused.value.error_type) == (message, "OrderException")


def test_the_last_moment_of_the_day_is_open() -> None:
    """One nanosecond before the close an order is taken, with or without a configured hour."""
    bench = Bench(Behaviour(square_off_hhmm="15:39"))
    bench.now = ist_ns(DAY, "15:40") - 1
    bench.exchange.place(bench.now, "regular", bench.form(product="NRML"), "")
    with pytest.raises(KiteError, match="square-off time of 15:39"):
        bench.exchange.place(bench.now, "regular", bench.form(product="MIS"), "")


def test_orders_come_from_registered_addresses_only() -> None:
    """Place, modify and cancel are refused by address; reading is not."""
    account = AccountSpec(allowed_ips=("10.0.0.7",))
    bench = Bench(account=account)
    order_id = bench.place(price=90, ip="10.0.0.7")
    refusals: list[Callable[[str], Any]] = [
        lambda ip: bench.exchange.place(bench.now, "regular", bench.form(), ip),
        lambda ip: bench.exchange.modify(bench.now, "regular", order_id, {"price": "91"}, ip),
        lambda ip: bench.exchange.cancel(bench.now, "regular", order_id, ip),
    ]
    for call in refusals:
        with pytest.raises(KiteError) as refused:
            call("10.0.0.8")
        assert refused.value.http_status == 403
        assert refused.value.error_type == "PermissionException"
        assert refused.value.message.startswith(
            "IP (10.0.0.8) is not allowed to place orders for this app. Update allowed IPs on the "
            "Kite developer console. Learn more - "
        )
    assert len(bench.exchange.orders(bench.now)) == 1


def test_an_app_without_addresses_may_place_nothing() -> None:
    """Where addresses are required and none is configured."""
    bench = Bench(Behaviour(ip_required=True))
    with pytest.raises(KiteError) as refused:
        bench.place()
    assert refused.value.message == (
        "No IPs configured for this app. Add allowed IPs on the Kite developer console."
    )


SHORT = "Insufficient funds. Required margin is {} but available margin is {}."


def test_want_of_funds_is_told_at_once() -> None:
    """MarginException with both amounts; what works already is counted in."""
    bench = Bench(account=AccountSpec(cash_paise=1_000_000))
    bench.place(price=90)
    with pytest.raises(KiteError) as refused:
        bench.place(price=99)
    error = refused.value
    assert (error.error_type, error.http_status) == ("MarginException", 400)
    assert error.message == SHORT.format("6435.00", "4150.00")


def test_a_naked_sale_needs_span_and_exposure() -> None:
    """A sale beyond the long is refused when short of funds; a sale of what is held never is."""
    bench = Bench(account=AccountSpec(cash_paise=1_000_000))
    with pytest.raises(KiteError) as refused:
        bench.place(transaction_type="SELL")
    assert refused.value.message == SHORT.format("176436.00", "10000.00")
    bench.place(price=101)
    assert bench.order(bench.place(transaction_type="SELL", price=99))["status"] == "COMPLETE"


PROTECTED = [
    ("BUY", 10_000, 300, 10_300),
    ("SELL", 10_000, 300, 9_700),
    ("BUY", 11_365, 200, 11_590),
    ("SELL", 11_365, 200, 11_140),
    ("SELL", 20, 500, 20),
    ("BUY", 5, 500, 5),
    ("SELL", 5, 10_000, 5),
]


@pytest.mark.parametrize(("side", "last", "protection_e2", "price"), PROTECTED)
def test_protection_is_rounded_to_the_tick_within_itself(
    side: str, last: int, protection_e2: int, price: int
) -> None:
    """Never further from the last price than the protection, never below one tick."""
    assert protected_price(side, last, protection_e2, 5) == price


LPP = [
    ("BUY", 5_000, 7_000, False),
    ("BUY", 5_000, 7_005, True),
    ("SELL", 5_000, 3_000, False),
    ("SELL", 5_000, 2_995, True),
    ("BUY", 10_000, 14_000, False),
    ("BUY", 10_000, 14_005, True),
    ("SELL", 10_000, 5_995, True),
    ("SELL", 10_000, 90_000, False),
]


@pytest.mark.parametrize(("side", "last", "price", "outside"), LPP)
def test_price_protection_limits_the_aggressive_side_only(
    side: str, last: int, price: int, outside: bool
) -> None:
    """±20 rupees around a reference of up to 50, ±40 % above it."""
    bench = Bench()
    bench.book(CALL, last, [], [])
    order_id = bench.place(price=price / 100, transaction_type=side)
    assert bench.order(order_id)["status"] == ("REJECTED" if outside else "OPEN")


def test_price_protection_needs_a_reference() -> None:
    """Before a price is known nothing can be out of range."""
    bench = Bench(opened=False)
    assert bench.order(bench.place(price=2_000))["status"] == "OPEN"


def test_the_freeze_of_each_index_is_its_own() -> None:
    """SENSEX freezes at 1,000 by the rulebook."""
    bench = Bench()
    with pytest.raises(KiteError) as refused:
        bench.place(exchange="BFO", tradingsymbol=SENSEX_CALL.tradingsymbol, quantity=1_020)
    assert refused.value.message == FREEZE.format(1_000)

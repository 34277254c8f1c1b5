"""The official Python client, unchanged but for its root, on every route of the exchange."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
import requests
from kiteconnect import KiteConnect
from kiteconnect import exceptions as kite_errors

from adapters.exchange_sim.errors import MARKET_UNPROTECTED
from adapters.exchange_sim.running import RunningExchange, running_exchange
from events.wire.kite import encode_frame
from tests.adapters.exchange_sim.bench_market import CALL, FUTURE, NIFTY, PUT
from tests.adapters.exchange_sim.clients import ask
from tests.adapters.exchange_sim.hand_market import START, HandMarket, at, index, tradable

NFO_CALL = f"NFO:{CALL.tradingsymbol}"
INDEX = "NSE:NIFTY 50"
FRAMES = tuple(
    (second, encode_frame([tradable(CALL, 10_000 + int(second), int(second)), index(seconds=0)]))
    for second in (30.0, 61.0, 95.0)
)
IST = timezone(timedelta(hours=5, minutes=30))


class Desk:
    """The client, and a hand on the exchange's clock: each call has a second of its own."""

    def __init__(self, exchange: RunningExchange) -> None:
        self.exchange = exchange
        self.kite = KiteConnect("demo", "demo", root=exchange.rest)
        self.seconds = 0

    def call(self, name: str, *arguments: Any, **named: Any) -> Any:
        """One method of the client, a second after the one before it."""
        self.seconds += 1
        self.exchange.step_to(at(self.seconds))
        return getattr(self.kite, name)(*arguments, **named)

    def place(self, **fields: Any) -> str:
        """Place an order: one lot of the call, LIMIT at 99, unless said otherwise."""
        order: dict[str, Any] = {
            "variety": "regular",
            "exchange": "NFO",
            "tradingsymbol": CALL.tradingsymbol,
            "transaction_type": "BUY",
            "quantity": 65,
            "product": "NRML",
            "order_type": "LIMIT",
            "price": 99,
            **fields,
        }
        return str(self.call("place_order", **order))

    def order(self, order_id: str) -> dict[str, Any]:
        """An order as the book has it."""
        found = [o for o in self.call("orders") if o["order_id"] == order_id]
        assert len(found) == 1
        return dict(found[0])


@pytest.fixture
def desk() -> Iterator[Desk]:
    """An exchange by hand and the client on it."""
    with running_exchange(HandMarket(*FRAMES), speed=0) as exchange:
        desk = Desk(exchange)
        try:
            yield desk
        finally:
            desk.kite.reqsession.close()


# --- session and user


def test_the_login_flow(desk: Desk) -> None:
    """generate_session takes the page's request token and the client goes on with the new one."""
    ask(desk.exchange, "POST", "/sim/app", items={"redirect_url": "http://127.0.0.1:9/"})
    page = ask(desk.exchange, "GET", "/connect/login?api_key=demo&v=3")
    request_token = page.headers["location"].rpartition("request_token=")[2].partition("&")[0]
    expired: list[bool] = []

    def hook() -> None:
        expired.append(True)

    desk.kite.set_session_expiry_hook(hook)
    session = desk.call("generate_session", request_token, "demo")
    assert desk.kite.access_token == session["access_token"] != "demo"
    assert isinstance(session["login_time"], datetime)
    assert desk.call("profile")["user_id"] == "demo"
    assert desk.call("invalidate_access_token") is True
    with pytest.raises(kite_errors.TokenException) as refused:
        desk.call("profile")
    assert refused.value.code == 403 and expired == [True]
    for name, arguments in (
        ("renew_access_token", ("x", "demo")),
        ("invalidate_refresh_token", ("x",)),
    ):
        with pytest.raises(kite_errors.TokenException):
            desk.call(name, *arguments)


def test_profile_and_margins(desk: Desk) -> None:
    """The documented fields; one segment or both."""
    profile = desk.call("profile")
    assert {"user_id", "user_type", "email", "broker", "exchanges", "products", "meta"} <= set(
        profile
    )
    both = desk.call("margins")
    assert set(both) == {"equity", "commodity"}
    equity = desk.call("margins", "equity")
    assert equity["net"] == equity["available"]["live_balance"] == 5_000_000.0
    assert set(equity) == {"enabled", "net", "available", "utilised"}


# --- orders


ORDER_FIELDS = (
    "account_id placed_by order_id exchange_order_id parent_order_id status status_message"
    " status_message_raw order_timestamp exchange_update_timestamp exchange_timestamp variety"
    " modified exchange tradingsymbol instrument_token order_type transaction_type validity"
    " validity_ttl product quantity disclosed_quantity price trigger_price auction_number"
    " average_price filled_quantity pending_quantity cancelled_quantity market_protection meta"
    " tag guid"
).split()


def test_an_orders_life(desk: Desk) -> None:
    """place, orders, order_history, modify, cancel: ids, fields, times, statuses."""
    order_id = desk.place(tag="axiom1")
    order = desk.order(order_id)
    assert set(ORDER_FIELDS) <= set(order) <= {*ORDER_FIELDS, "tags", "terminal_id"}
    assert (order["status"], order["tag"], order["pending_quantity"]) == ("OPEN", "axiom1", 65)
    assert order["order_timestamp"].date() == date(2026, 11, 20)
    assert desk.call("modify_order", "regular", order_id, price=98.5, quantity=130) == order_id
    changed = desk.order(order_id)
    assert (changed["price"], changed["quantity"]) == (98.5, 130)
    assert desk.call("cancel_order", "regular", order_id) == order_id
    statuses = [row["status"] for row in desk.call("order_history", order_id)]
    assert statuses[0] == "PUT ORDER REQ RECEIVED" and statuses[-1] == "CANCELLED"
    assert "OPEN" in statuses and "MODIFY PENDING" in statuses
    again = desk.place()
    assert desk.call("exit_order", "regular", again) == again


def test_fills_and_positions(desk: Desk) -> None:
    """trades, order_trades, positions, convert_position, holdings."""
    order_id = desk.place(price=101)
    trades = desk.call("trades")
    assert trades == desk.call("order_trades", order_id)
    [trade] = trades
    assert trade["order_id"] == order_id and trade["quantity"] == 65
    assert isinstance(trade["fill_timestamp"], datetime)
    assert len(trade["order_timestamp"]) == 8
    [net] = desk.call("positions")["net"]
    assert (net["tradingsymbol"], net["quantity"], net["product"]) == (
        CALL.tradingsymbol,
        65,
        "NRML",
    )
    assert desk.call("convert_position", "NFO", CALL.tradingsymbol, "BUY", "day", 65, "NRML", "MIS")
    products = {row["product"]: row["quantity"] for row in desk.call("positions")["net"]}
    assert products["MIS"] == 65
    assert desk.call("holdings") == []


def test_a_protected_market_order_and_a_stop(desk: Desk) -> None:
    """MARKET without protection is refused; with it the book shows a LIMIT; a stop waits."""
    with pytest.raises(kite_errors.InputException, match=MARKET_UNPROTECTED):
        desk.place(order_type="MARKET", price=None)
    order_id = desk.place(order_type="MARKET", price=None, market_protection=2)
    order = desk.order(order_id)
    assert (order["order_type"], order["status"]) == ("LIMIT", "COMPLETE")
    assert order["tags"] == ["mktp", "mktp:2.00"]
    stop = desk.place(order_type="SL", transaction_type="SELL", price=90, trigger_price=91)
    assert desk.order(stop)["status"] == "TRIGGER PENDING"


def test_iceberg_and_autoslice(desk: Desk) -> None:
    """Legs of an iceberg; an order past the freeze in slices, each tagged with its parent."""
    order_id = desk.place(variety="iceberg", quantity=130, iceberg_legs=2, iceberg_quantity=65)
    assert desk.order(order_id)["meta"]["iceberg"]["legs"] == 2
    sliced = desk.call(
        "place_autoslice_order",
        "regular", "NFO", CALL.tradingsymbol, "BUY", 65 * 30, "NRML", "LIMIT", price=99,
    )  # fmt: skip
    assert set(sliced) == {"order_id", "children"}
    ids = [child["order_id"] for child in sliced["children"]]
    tags = [desk.order(each)["tags"] for each in ids]
    assert len(ids) > 1 and all(f"autoslice:{sliced['order_id']}" in tag for tag in tags)


def test_refusals_are_the_clients_own_classes(desk: Desk) -> None:
    """Each error type the client knows arrives as that class, others as GeneralException."""
    cases: list[tuple[type[Exception], int, Callable[[], Any]]] = [
        (kite_errors.OrderException, 400, lambda: desk.call("cancel_order", "regular", "7")),
        (kite_errors.InputException, 400, lambda: desk.place(quantity=66)),
        (kite_errors.InputException, 400, lambda: desk.place(price=99.01)),
        (kite_errors.GeneralException, 404, lambda: desk.call("mf_orders")),
    ]
    for kind, code, call in cases:
        with pytest.raises(kind) as refused:
            call()
        assert type(refused.value) is kind and refused.value.code == code  # type: ignore[attr-defined]
    with pytest.raises(kite_errors.OrderException, match="does not exist"):
        desk.call("order_history", "7")
    desk.exchange.fault("[[fault]]\nkind = 'too_many_requests'")
    with pytest.raises(kite_errors.NetworkException) as limited:
        desk.place()
    assert limited.value.code == 429
    desk.exchange.fault("[[fault]]\nkind = 'server_error'\nstatus = 504")
    with pytest.raises(kite_errors.DataException):
        desk.place()
    desk.exchange.fault("[[fault]]\nkind = 'lost_acknowledgement'")
    with pytest.raises(requests.ConnectionError):
        desk.place()


# --- market data


def test_instruments(desk: Desk) -> None:
    """The dump, whole and per exchange, parsed as the client does it."""
    rows = {row["instrument_token"]: row for row in desk.call("instruments")}
    assert len(rows) == 6
    call = rows[CALL.token]
    assert call["expiry"] == date(2026, 11, 23) and call["strike"] == 22_600.0
    assert (call["lot_size"], call["tick_size"], call["segment"]) == (65, 0.05, "NFO-OPT")
    nifty = rows[NIFTY.token]
    assert (nifty["segment"], nifty["instrument_type"], nifty["expiry"]) == ("INDICES", "EQ", "")
    assert {row["exchange"] for row in desk.call("instruments", "NFO")} == {"NFO"}


def test_quotes(desk: Desk) -> None:
    """quote, ohlc and ltp, keyed by what was asked for; what does not exist is no key."""
    quote = desk.call("quote", NFO_CALL, INDEX, "NFO:NONE")
    assert set(quote) == {NFO_CALL, INDEX}
    call = quote[NFO_CALL]
    assert call["instrument_token"] == CALL.token and call["last_price"] == 100.0
    assert isinstance(call["timestamp"], datetime)
    assert [len(call["depth"][side]) for side in ("buy", "sell")] == [5, 5]
    assert call["depth"]["buy"][0] == {"price": 99.95, "quantity": 650, "orders": 3}
    assert call["depth"]["buy"][1]["price"] == 0
    assert set(desk.call("ohlc", [NFO_CALL])[NFO_CALL]) == {
        "instrument_token",
        "last_price",
        "ohlc",
    }
    assert desk.call("ltp", INDEX)[INDEX]["last_price"] == 22_620.0
    with pytest.raises(kite_errors.InputException, match="Max permitted is 500"):
        desk.call("quote", *[f"NFO:{n}" for n in range(501)])


def test_historical_candles(desk: Desk) -> None:
    """Candles of what was sent, aware times in IST, with and without open interest."""
    desk.seconds = 130
    first, last = "2026-11-20 10:00:00", "2026-11-20 10:05:00"
    rows = desk.call("historical_data", CALL.token, first, last, "minute")
    assert [row["close"] for row in rows[:2]] == [100.30, 100.95]
    assert rows[0]["date"] == datetime(2026, 11, 20, 10, tzinfo=IST) and "oi" not in rows[0]
    with_oi = desk.call("historical_data", CALL.token, first, last, "minute", oi=True)
    assert with_oi[0]["oi"] == 130


# --- margins, charges, GTT


def item(**fields: Any) -> dict[str, Any]:
    """A line of an estimate."""
    return {
        "exchange": "NFO",
        "tradingsymbol": CALL.tradingsymbol,
        "transaction_type": "BUY",
        "variety": "regular",
        "product": "NRML",
        "order_type": "LIMIT",
        "quantity": 65,
        "price": 100,
        "trigger_price": 0,
        **fields,
    }


def test_margins_and_charges(desk: Desk) -> None:
    """order_margins, a basket in both modes, and the charges of a contract note."""
    [margin] = desk.call("order_margins", [item()])
    assert margin["total"] > 0 and margin["option_premium"] == 6_500.0
    basket = desk.call("basket_order_margins", [item(), item(tradingsymbol=PUT.tradingsymbol)])
    assert {"initial", "final", "orders"} <= set(basket)
    assert desk.call("basket_order_margins", [item()], consider_positions=False, mode="compact")
    note_item = item(order_id="1", average_price=100)
    [note] = desk.call("get_virtual_contract_note", [note_item])
    assert note["charges"]["total"] > 0 and note["charges"]["gst"]["total"] > 0


def test_triggers(desk: Desk) -> None:
    """place_gtt, get_gtts, get_gtt, modify_gtt, delete_gtt; and one that triggers."""
    leg = {
        "transaction_type": "BUY",
        "quantity": 65,
        "order_type": "LIMIT",
        "product": "NRML",
        "price": 95,
    }
    trigger = ("single", CALL.tradingsymbol, "NFO", [96.0], 100.0, [leg])
    trigger_id = desk.call("place_gtt", *trigger)["trigger_id"]
    assert [row["id"] for row in desk.call("get_gtts")] == [trigger_id]
    assert desk.call("get_gtt", trigger_id)["status"] == "active"
    changed = ("single", CALL.tradingsymbol, "NFO", [95.5], 100.0, [leg])
    assert desk.call("modify_gtt", trigger_id, *changed)["trigger_id"] == trigger_id
    assert desk.call("get_gtt", trigger_id)["condition"]["trigger_values"] == [95.5]
    assert desk.call("delete_gtt", trigger_id)["trigger_id"] == trigger_id
    rising = ("single", CALL.tradingsymbol, "NFO", [100.25], 100.0, [leg])
    triggered = desk.call("place_gtt", *rising)["trigger_id"]
    desk.seconds = 40
    assert desk.call("get_gtt", triggered)["status"] == "triggered"


# --- nothing was left out

NOT_SERVED = {
    "get_auction_instruments",
    "trigger_range",
    *(name for name in dir(KiteConnect) if name.startswith("mf_") or "_mf_" in name),
}
LOCAL = {"login_url", "set_access_token", "set_session_expiry_hook"}
"""Methods that send nothing."""


def test_every_method_of_the_client_is_called_here_or_named_as_not_served() -> None:
    """Of all public methods of the official client none is forgotten."""
    methods = {
        name
        for name, _ in inspect.getmembers(KiteConnect, inspect.isfunction)
        if not name.startswith("_")
    }
    source = inspect.getsource(inspect.getmodule(Desk))  # type: ignore[arg-type]
    called = {name for name in methods if f'"{name}"' in source}
    assert methods - called - NOT_SERVED - LOCAL == set()
    assert len(called) >= 30


@pytest.mark.parametrize("name", ["get_auction_instruments", "mf_orders", "mf_sips", "mf_holdings"])
def test_what_is_not_served_is_refused_as_an_error_of_the_broker(desk: Desk, name: str) -> None:
    """No hang, no crash of the client: a GeneralException."""
    with pytest.raises(kite_errors.GeneralException):
        desk.call(name)


def test_two_clients_at_once_do_not_mix(desk: Desk) -> None:
    """Answers of calls made side by side belong to their own call."""
    other = KiteConnect("demo", "demo", root=desk.exchange.rest)
    heard: list[dict[str, Any]] = []
    keys = [NFO_CALL, f"NFO:{FUTURE.tradingsymbol}"]

    def look(kite: KiteConnect) -> None:
        heard.append(kite.margins("equity"))

    threads = [threading.Thread(target=look, args=(each,)) for each in (desk.kite, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    other.reqsession.close()
    assert heard[0] == heard[1] and set(desk.call("ltp", keys)) == set(keys)
    assert desk.exchange.now_ns() == START + 1_000_000_000

"""The exchange over HTTP: the broker's envelopes, codes and limits, and the controls beside it."""

from __future__ import annotations

import asyncio
import gc
import gzip
import socket
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from adapters.exchange_sim.errors import NO_SUCH_ORDER, TOKEN_WRONG, TOO_MANY
from adapters.exchange_sim.rest import ROUTES, Route
from adapters.exchange_sim.running import RunningExchange, running_exchange
from adapters.exchange_sim.server import HOST, ExchangeServer, Settings
from adapters.exchange_sim.tokens import checksum
from adapters.markets.port import MarketError
from adapters.rulebook.load import load_rows
from engine.rulebook import Rulebook
from tests.adapters.exchange_sim.bench_market import CALL
from tests.adapters.exchange_sim.clients import DEADLINE_S, FORM, ask, breaks, listen, order_form
from tests.adapters.exchange_sim.hand_market import START, HandMarket, at, tradable


@pytest.fixture
def exchange() -> Iterator[RunningExchange]:
    """An exchange whose time is moved by hand, at 10:00:00."""
    with running_exchange(HandMarket(), speed=0) as running:
        yield running


# --- envelopes


def test_a_success_is_the_brokers_envelope(exchange: RunningExchange) -> None:
    """200, application/json, status and data and nothing else."""
    answer = ask(exchange, "GET", "/user/profile")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("application/json")
    assert set(answer.json) == {"status", "data"}
    assert answer.data["user_id"] == "demo"


REFUSALS: list[tuple[str, str, dict[str, Any], int, str, str]] = [
    ("GET", "/orders/7", {}, 400, "OrderException", NO_SUCH_ORDER.format(order_id=7)),
    ("GET", "/user/profile", {"token": None}, 403, "TokenException", TOKEN_WRONG),
    ("GET", "/user/profile", {"token": "demo:no"}, 403, "TokenException", TOKEN_WRONG),
    ("GET", "/user/profile", {"token": "no:demo"}, 403, "TokenException", TOKEN_WRONG),
    (
        "GET",
        "/user/profile",
        {"token": None, "headers": {"Authorization": "Bearer demo:demo"}},
        403,
        "TokenException",
        TOKEN_WRONG,
    ),
    ("GET", "/mf/orders", {}, 404, "GeneralException", "Not Found"),
    ("PATCH", "/orders", {}, 405, "GeneralException", "Method Not Allowed"),
    ("POST", "/margins/orders", {"body": b"[{"}, 400, "InputException", "Invalid JSON: "),
    (
        "POST",
        "/orders/regular",
        {"body": b"a=1", "headers": {"Content-Type": "x-www-form-urlencoded; charset=none"}},
        400,
        "InputException",
        "",
    ),
    (
        "POST",
        "/orders/regular",
        {"body": b"x" * 2**21, "headers": {"Content-Type": FORM}},
        400,
        "InputException",
        "Request body",
    ),
    ("POST", "/session/refresh_token", {"form": {}}, 403, "TokenException", "Invalid `refresh"),
]


@pytest.mark.parametrize(("method", "path", "given", "status", "kind", "message"), REFUSALS)
def test_a_refusal_is_the_brokers_envelope(
    exchange: RunningExchange,
    method: str,
    path: str,
    given: dict[str, Any],
    status: int,
    kind: str,
    message: str,
) -> None:
    """B02: its own HTTP status, error class and text, with data null as real servers send it."""
    answer = ask(exchange, method, path, **given)
    assert answer.headers["content-type"].startswith("application/json")
    assert set(answer.json) == {"status", "message", "data", "error_type"}
    assert (answer.json["status"], answer.json["data"]) == ("error", None)
    assert (answer.status, answer.json["error_type"]) == (status, kind)
    assert answer.json["message"].startswith(message)


@pytest.mark.parametrize("route", [r for r in ROUTES if not r.open], ids=lambda r: r.path)
def test_every_route_but_the_logins_needs_a_token(exchange: RunningExchange, route: Route) -> None:
    """No route answers, or does, anything without the right token."""
    path = route.path.replace("{token}", "1").replace("{", "").replace("}", "")
    answer = ask(exchange, route.method, path, token="demo:wrong")
    assert (answer.status, answer.json["error_type"]) == (403, "TokenException")


def test_fields_may_be_unknown_or_sent_twice(exchange: RunningExchange) -> None:
    """As the official client does it: variety again in the form; of two values the first counts."""
    pairs = [*order_form(price=99).items(), ("variety", "amo"), ("price", "1"), ("x", "y")]
    order_id = ask(exchange, "POST", "/orders/regular", pairs).data["order_id"]
    exchange.step_to(at(1))
    [order] = ask(exchange, "GET", "/orders").data
    assert (order["order_id"], order["price"], order["variety"]) == (order_id, 99.0, "regular")


@pytest.mark.parametrize("path", ["/instruments", "/instruments/BFO"])
def test_the_dump_is_csv_and_compressed_for_who_reads_it(
    exchange: RunningExchange, path: str
) -> None:
    """text/csv; gzip where it is accepted and large, the same bytes where it is not."""
    plain = ask(exchange, "GET", path)
    packed = ask(exchange, "GET", path, headers={"Accept-Encoding": "gzip, deflate"})
    assert plain.headers["content-type"].startswith("text/csv")
    assert plain.body == packed.body
    assert plain.body.startswith(b"instrument_token,exchange_token,tradingsymbol,name,last_price,")
    lines = plain.body.decode().splitlines()
    assert len(lines) == (2 if path.endswith("BFO") else 7)


def test_a_large_answer_is_compressed() -> None:
    """Of a market with many instruments the dump goes out as gzip."""
    from adapters.markets.synthetic import SyntheticMarket

    with running_exchange(SyntheticMarket(7, "small"), speed=0) as running:
        packed = ask(running, "GET", "/instruments", headers={"Accept-Encoding": "gzip"})
        plain = ask(running, "GET", "/instruments")
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(plain.body) // 3
    assert packed.body == plain.body and "content-encoding" not in plain.headers
    assert gzip.compress(plain.body, 6, mtime=0) != plain.body


# --- limits


def test_the_eleventh_order_message_of_a_second_is_refused(exchange: RunningExchange) -> None:
    """B06: ten in a second of the session's clock, then 429 and nothing done; then a new second."""
    done = [ask(exchange, "POST", "/orders/regular", order_form(price=90)) for _ in range(11)]
    assert [answer.status for answer in done] == [200] * 10 + [429]
    assert done[-1].json["error_type"] == "NetworkException"
    assert done[-1].json["message"] == TOO_MANY
    assert len(ask(exchange, "GET", "/orders").data) == 10
    exchange.step_to(at(1))
    assert ask(exchange, "POST", "/orders/regular", order_form(price=90)).status == 200


def test_quotes_have_a_limit_of_their_own(exchange: RunningExchange) -> None:
    """One quote a second, whichever of the three it is; missing instruments are absent keys."""
    assert set(ask(exchange, "GET", "/quote/ltp?i=NSE%3ANIFTY+50&i=NSE:NONE").data) == {
        "NSE:NIFTY 50"
    }
    assert ask(exchange, "GET", "/quote?i=NSE:NIFTY%2050").status == 429
    assert ask(exchange, "GET", "/user/profile").status == 200


# --- the login


def test_a_login_ends_the_token_before_it(exchange: RunningExchange) -> None:
    """F08: page, request token, checksum, new access token; the old one is dead, its socket too."""
    with listen(exchange) as old:
        page = ask(exchange, "GET", "/connect/login?api_key=demo&v=3", token=None)
        request_token = page.body.decode().partition('id="request_token">')[2].partition("<")[0]
        form = {
            "api_key": "demo",
            "request_token": request_token,
            "checksum": checksum("demo", request_token, "demo"),
        }
        session = ask(exchange, "POST", "/session/token", form, token=None).data
        assert breaks(old)
    token = session["access_token"]
    assert ask(exchange, "GET", "/user/profile").status == 403
    assert ask(exchange, "GET", "/user/profile", token=f"demo:{token}").status == 200
    again = ask(exchange, "POST", "/session/token", form, token=None)
    assert (again.status, again.json["error_type"]) == (403, "TokenException")
    assert ask(exchange, "DELETE", f"/session/token?api_key=demo&access_token={token}").data is True
    assert ask(exchange, "GET", "/user/profile", token=f"demo:{token}").status == 403


def test_a_login_leads_back_to_the_app(exchange: RunningExchange) -> None:
    """The app's address gets request_token, status, action, and what it asked to be told."""
    address = "http://127.0.0.1:9/landed?mine=1"
    assert ask(exchange, "POST", "/sim/app", items={"redirect_url": address}).status == 200
    page = ask(exchange, "GET", "/connect/login?api_key=demo&v=3&redirect_params=a%3D1%26b%3D2")
    assert page.status == 302
    target = urlsplit(page.headers["location"])
    assert target.netloc == "127.0.0.1:9" and target.path == "/landed"
    query = parse_qs(target.query)
    assert query.pop("request_token")[0]
    assert query == {
        "mine": ["1"],
        "a": ["1"],
        "b": ["2"],
        "status": ["success"],
        "action": ["login"],
        "type": ["login"],
    }
    assert ask(exchange, "GET", "/connect/login?api_key=other").status == 400


# --- postbacks


@pytest.fixture
def heard() -> Iterator[tuple[str, Queue[Any]]]:
    """An app's own server that puts what is posted to it in a queue."""
    import json

    posts: Queue[Any] = Queue()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Take one postback."""
            posts.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Nothing on standard error."""
            assert args

    server = HTTPServer((HOST, 0), Receiver)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}/postback", posts
    finally:
        server.shutdown()
        thread.join(DEADLINE_S)
        server.server_close()


def test_our_orders_are_posted_back_and_other_peoples_are_not(
    exchange: RunningExchange, heard: tuple[str, Queue[Any]]
) -> None:
    """The postback is the socket's payload; an order of the broker's own app makes none."""
    address, posts = heard
    ask(exchange, "POST", "/sim/app", items={"postback_url": address})
    with listen(exchange) as link:
        assert ask(exchange, "POST", "/sim/order", items=order_form(price=101)).status == 200
        exchange.step_to(at(1))
        assert link.text("order")["status"] == "COMPLETE"
        order_id = ask(exchange, "POST", "/orders/regular", order_form(price=101)).data["order_id"]
        exchange.step_to(at(2))
        update = link.text("order")
    posted = posts.get(timeout=DEADLINE_S)
    assert posted == update and posted["order_id"] == order_id
    assert posted["checksum"] == checksum(order_id, posted["order_timestamp"], "demo")
    assert posts.empty()


@pytest.mark.parametrize("name", ["redirect_url", "postback_url"])
@pytest.mark.parametrize("address", ["http://example.org/", "https://127.0.0.1/", "127.0.0.1", 7])
def test_the_exchange_sends_nothing_off_this_machine(
    exchange: RunningExchange, name: str, address: object
) -> None:
    """An address elsewhere, or none, is refused by name."""
    refused = ask(exchange, "POST", "/sim/app", items={name: address})
    assert refused.status == 400 and name in refused.json["error"]


# --- the controls


def test_the_clock_tells_the_sessions_time_and_is_moved_by_hand(exchange: RunningExchange) -> None:
    """F-time: /sim/clock is the market's time; /sim/advance moves it forward, never back."""
    clock = ask(exchange, "GET", "/sim/clock", token=None).json
    assert (clock["now_ns"], clock["now_ist"], clock["speed"]) == (START, "10:00:00", 0.0)
    assert clock["day"] == 20261120 and clock["open_ns"] < clock["close_ns"]
    for asked, expected in (
        ({"after": "90s"}, "10:01:30"),
        ({"at": "10:05"}, "10:05:00"),
        ({"at": "09:00"}, "10:05:00"),
    ):
        assert ask(exchange, "POST", "/sim/advance", items=asked).json["now_ist"] == expected


def test_time_that_runs_is_not_moved_by_hand() -> None:
    """With a speed the clock goes by itself and the control says so."""
    with running_exchange(HandMarket(), speed=50) as running:
        first = running.now_ns()
        refused = ask(running, "POST", "/sim/advance", items={"after": "1s"})
        assert refused.status == 400 and "by itself" in refused.json["error"]
        assert running.now_ns() > first


def test_what_is_due_happens_by_itself_while_time_runs() -> None:
    """In real time, with no frame of the market to come: the order opens, fills and is told."""
    with running_exchange(HandMarket()) as running, listen(running) as link:
        order_id = ask(running, "POST", "/orders/regular", order_form(price=101)).data["order_id"]
        update = link.text("order")
    assert (update["order_id"], update["status"]) == (order_id, "COMPLETE")


def test_people_can_trade_and_close_beside_us(exchange: RunningExchange) -> None:
    """B11: an order from elsewhere and a position closed by hand are in the ledger at once."""
    ask(exchange, "POST", "/sim/order", items=order_form(price=101))
    exchange.step_to(at(1))
    position = {"exchange": "NFO", "tradingsymbol": CALL.tradingsymbol, "product": "NRML"}
    assert ask(exchange, "GET", "/sim/ledger").json == [{**position, "units": 65}]
    assert ask(exchange, "POST", "/sim/close", items=position).status == 200
    exchange.step_to(at(2))
    assert ask(exchange, "GET", "/sim/ledger").json == [{**position, "units": 0}]
    assert ask(exchange, "POST", "/sim/close", items=position).status == 400


BAD_CONTROLS = [
    ("POST", "/sim/faults", {"items": {"kind": "nothing"}}, "there is no fault 'nothing'"),
    ("POST", "/sim/faults", {"items": []}, "send a JSON object"),
    ("POST", "/sim/faults", {"body": b"{"}, "not JSON"),
    ("DELETE", "/sim/faults?kind=rest_dead", {}, "rest_dead is not on"),
    ("DELETE", "/sim/faults", {}, "there is no fault ''"),
    ("POST", "/sim/advance", {"items": {"after": "soon"}}, "is not a span of time"),
    ("POST", "/sim/order", {"items": {}}, "Missing or empty field"),
    ("POST", "/sim/close", {"items": {}}, "give exchange, tradingsymbol and product"),
]


@pytest.mark.parametrize(("method", "path", "given", "message"), BAD_CONTROLS)
def test_a_control_that_cannot_be_done_says_why(
    exchange: RunningExchange, method: str, path: str, given: dict[str, Any], message: str
) -> None:
    """One line, 400, and not in the broker's envelope."""
    refused = ask(exchange, method, path, **given)
    assert refused.status == 400 and set(refused.json) == {"error"}
    assert message in refused.json["error"]


# --- its life


def test_it_listens_on_loopback_only(exchange: RunningExchange) -> None:
    """The port is bound to 127.0.0.1 and to nothing else."""
    port = urlsplit(exchange.rest).port
    assert exchange.rest == f"http://127.0.0.1:{port}" and exchange.ws == f"ws://127.0.0.1:{port}"
    with socket.socket() as other, pytest.raises(OSError):
        other.bind(("127.0.0.1", port or 0))
    with socket.socket() as other:
        other.bind(("127.0.0.2", port or 0))


def test_a_port_that_is_taken_is_said_at_the_start() -> None:
    """The error reaches whoever starts the exchange."""
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        settings = Settings(port=other.getsockname()[1])
        with pytest.raises(OSError), running_exchange(HandMarket(), settings=settings):
            raise AssertionError("it started")


def test_a_market_that_fails_while_it_runs_is_not_silent() -> None:
    """The market's own error is raised where the exchange is left."""

    class Broken(HandMarket):
        def frames(self) -> Iterator[Any]:
            """One frame, then a damaged file."""
            yield from super().frames()
            raise MarketError("the file ends here")

    with pytest.raises(MarketError, match="ends here"), running_exchange(Broken()):
        raise AssertionError("it started")
    later = Broken((0.05, tradable(CALL, 9_000)))
    with pytest.raises(MarketError, match="ends here"), running_exchange(later) as running:
        wait_for_its_end(running)


def wait_for_its_end(running: RunningExchange) -> None:
    """Ask until nobody answers any more."""
    answering = True
    while answering:
        try:
            ask(running, "GET", "/sim/clock")
        except OSError:
            answering = False


@pytest.mark.slow
@pytest.mark.parametrize("steps", range(24))
def test_a_crowd_at_the_door_when_it_stops_leaves_no_socket_open(steps: int) -> None:
    """Whoever is accepted at whatever moment of its stopping is closed with the rest."""

    async def crowded() -> None:
        server = ExchangeServer(HandMarket(), Rulebook(load_rows()), settings=Settings(speed=0))
        await server.start()
        address = (HOST, urlsplit(server.rest).port)
        stopping = asyncio.create_task(server.stop())
        for _ in range(steps):
            await asyncio.sleep(0)
        with ExitStack() as links, suppress(ConnectionRefusedError):
            for _ in range(20):
                links.enter_context(socket.create_connection(address, DEADLINE_S))
            await stopping
        await stopping

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        asyncio.run(crowded())
        gc.collect()
    assert [str(warning.message) for warning in caught] == []

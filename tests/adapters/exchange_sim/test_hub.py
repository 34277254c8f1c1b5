"""The exchange's WebSocket: handshake, modes on the wire, limits, heartbeats, who does not read."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from adapters.exchange_sim import hub
from adapters.exchange_sim.modes import TOKENS_MAX
from adapters.exchange_sim.running import RunningExchange, running_exchange
from adapters.exchange_sim.server import Settings
from events.wire import kite
from events.wire.kite import HEARTBEAT, encode_frame
from tests.adapters.exchange_sim.bench_market import CALL, FUTURE, NIFTY, PUT, SENSEX_CALL
from tests.adapters.exchange_sim.clients import DEADLINE_S, Socket, ask, listen, order_form, until
from tests.adapters.exchange_sim.hand_market import HandMarket, at, index, tradable

FRAMES = tuple(
    (float(second), encode_frame([tradable(CALL, 10_000 + second, second), index(seconds=second)]))
    for second in range(1, 4)
)


@pytest.fixture
def exchange() -> Iterator[RunningExchange]:
    """Time by hand, heartbeats out of the way; a call and the index speak each second."""
    settings = Settings(heartbeat_s=3_600.0)
    with running_exchange(HandMarket(*FRAMES), speed=0, settings=settings) as running:
        yield running


def connections(exchange: RunningExchange) -> int:
    """How many sockets the exchange has."""
    return len(ask(exchange, "GET", "/sim/clients").json)


# --- handshake


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("?api_key=demo&access_token=wrong", 403),
        ("?api_key=wrong&access_token=demo", 403),
        ("?api_key=demo", 400),
        ("", 400),
    ],
)
def test_a_handshake_without_the_right_token_is_refused(
    exchange: RunningExchange, query: str, status: int
) -> None:
    """F08: 403 on the handshake for a dead or wrong token, 400 where one is missing."""
    with pytest.raises(InvalidStatus) as refused:
        connect(f"{exchange.ws}/{query}", open_timeout=DEADLINE_S)
    assert refused.value.response.status_code == status


def test_the_fourth_connection_is_refused_and_one_that_left_makes_room(
    exchange: RunningExchange,
) -> None:
    """Three sockets of an api key; the next gets 429 until one of them is closed."""
    with ExitStack() as links:
        links.enter_context(listen(exchange))
        links.enter_context(listen(exchange))
        with listen(exchange), pytest.raises(InvalidStatus) as refused:
            links.enter_context(listen(exchange))
        assert refused.value.response.status_code == 429
        until(lambda: connections(exchange) == 2)
        links.enter_context(listen(exchange))


def test_a_socket_greets_with_a_text_that_clients_do_not_know(exchange: RunningExchange) -> None:
    """instruments_meta comes first, as it does in practice."""
    with listen(exchange) as link:
        greeting = link.hear()
    assert isinstance(greeting, str) and json.loads(greeting)["type"] == "instruments_meta"


# --- what is subscribed is what comes


def test_the_default_mode_is_quote_and_the_newest_packet_comes_at_once(
    exchange: RunningExchange,
) -> None:
    """Before any frame of the market: one snapshot; of a token that never spoke, nothing."""
    with listen(exchange) as link:
        link.say("subscribe", [CALL.token, NIFTY.token, SENSEX_CALL.token, 999])
        ticks = link.ticks()
    assert set(ticks) == {CALL.token, NIFTY.token}
    call, nifty = ticks[CALL.token], ticks[NIFTY.token]
    assert isinstance(call, kite.QuoteTick) and call.last_price == 10_000
    assert isinstance(nifty, kite.IndexTick) and nifty.exchange_time_s is None


SIZES = {
    "ltp": (kite.LTP_SIZE, kite.LTP_SIZE),
    "quote": (kite.QUOTE_SIZE, kite.INDEX_QUOTE_SIZE),
    "full": (kite.FULL_SIZE, kite.INDEX_FULL_SIZE),
}


@pytest.mark.parametrize("mode", SIZES)
def test_each_mode_has_its_layout_on_the_wire(exchange: RunningExchange, mode: str) -> None:
    """In the snapshot and in the market's frames: 8, 44 or 184 bytes, of an index 8, 28 or 32."""
    with listen(exchange) as link:
        link.say("subscribe", [CALL.token, NIFTY.token])
        link.say("mode", [mode, [CALL.token, NIFTY.token]])
        link.frame()
        frames = [link.frame()]
        exchange.step_to(at(1))
        frames.append(link.frame())
    for frame in frames:
        assert [size for _, size in kite.packet_spans(frame)] == list(SIZES[mode])
    assert kite.decode_packet(kite.packet_at(frames[1], 0)).last_price == 10_001  # type: ignore[union-attr]


def test_only_subscribed_tokens_go_out_and_a_frame_without_any_not_at_all(
    exchange: RunningExchange,
) -> None:
    """After unsubscribing the call only the index comes; a connection of the put hears nothing."""
    with listen(exchange) as link, listen(exchange) as other:
        other.say("subscribe", [PUT.token])
        other.frame()
        link.say("subscribe", [CALL.token, NIFTY.token])
        link.frame()
        link.say("unsubscribe", [CALL.token])
        link.settle()
        exchange.step_to(at(1))
        assert set(link.ticks()) == {NIFTY.token}
        other.say("subscribe", [FUTURE.token])
        assert set(other.ticks()) == {FUTURE.token}
        shown = [set(client["tokens"]) for client in ask(exchange, "GET", "/sim/clients").json]
        assert {str(NIFTY.token)} in shown


BAD_REQUESTS = [
    "{",
    "[]",
    '{"a":"jump","v":[1]}',
    '{"a":"subscribe","v":1}',
    '{"a":"subscribe","v":["1"]}',
    '{"a":"subscribe","v":[true]}',
    '{"a":"subscribe","v":[4294967296]}',
    '{"a":"mode","v":["all",[1]]}',
    '{"a":"mode","v":[1]}',
    '{"a":"mode","v":null}',
]


@pytest.mark.parametrize("request_text", BAD_REQUESTS)
def test_a_request_that_is_none_gets_an_error_text_and_the_socket_lives(
    exchange: RunningExchange, request_text: str
) -> None:
    """The answer is an ``error`` message; the next request is served."""
    with listen(exchange) as link:
        link.link.send(request_text)
        assert link.text("error").startswith("invalid ")
        link.say("subscribe", [CALL.token])
        assert set(link.ticks()) == {CALL.token}


def test_past_the_limit_of_tokens_a_request_is_refused_whole(exchange: RunningExchange) -> None:
    """3,000 are taken; the next request gets an error text and adds nothing."""
    with listen(exchange) as link:
        link.say("subscribe", list(range(1, TOKENS_MAX + 1)))
        link.say("subscribe", [CALL.token])
        assert link.text("error").startswith("max tokens exceeded")
        [client] = ask(exchange, "GET", "/sim/clients").json
    assert len(client["tokens"]) == TOKENS_MAX and str(CALL.token) not in client["tokens"]


def test_order_updates_go_to_every_socket_subscribed_or_not(exchange: RunningExchange) -> None:
    """Also an order from another terminal; the payload has the documented checksum fields."""
    with listen(exchange) as one, listen(exchange) as two:
        ask(exchange, "POST", "/sim/order", items=order_form(price=101))
        exchange.step_to(at(1))
        updates = [link.text("order") for link in (one, two)]
    assert updates[0] == updates[1]
    assert updates[0]["status"] == "COMPLETE" and updates[0]["filled_quantity"] == 65
    assert {"user_id", "app_id", "checksum", "unfilled_quantity"} <= set(updates[0])


# --- the link itself


def test_heartbeats_come_idle_and_between_ticks() -> None:
    """One byte again and again, with nothing subscribed and with frames flowing."""
    settings = Settings(heartbeat_s=0.02)
    later = [(n / 100, encode_frame([index(2_262_000 + n)])) for n in range(1, 200)]
    with (
        running_exchange(HandMarket(*later), settings=settings) as running,
        listen(running) as link,
    ):
        link.hear_until(lambda message: message == HEARTBEAT)
        link.say("subscribe", [NIFTY.token])
        heard: list[bytes | str] = []
        while heard.count(HEARTBEAT) < 3 or len(heard) < 8:
            heard.append(link.hear())
    assert any(isinstance(message, bytes) and len(message) > 1 for message in heard)


def test_the_default_pace_of_heartbeats_is_about_three_seconds() -> None:
    """As a real session has them."""
    assert Settings().heartbeat_s == 3.0


def test_pings_are_answered_and_a_close_is_too(exchange: RunningExchange) -> None:
    """A ping gets its pong; a close handshake ends cleanly on both sides."""
    with listen(exchange) as link:
        assert link.link.ping(b"here").wait(DEADLINE_S)
        link.link.close(1000, "done")
        assert link.link.close_code == 1000
    until(lambda: connections(exchange) == 0)


def test_a_client_that_does_not_read_is_dropped(
    exchange: RunningExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F11: what waits for it is bounded; the others go on; the exchange keeps no memory of it."""
    monkeypatch.setattr(hub, "WAITING_BYTES_MAX", 100_000)
    with listen(exchange) as reader, unread(exchange):
        reader.say("subscribe", [CALL.token])
        reader.frame()
        assert connections(exchange) == 2
        big = "x" * 50_000
        sent = 0
        while connections(exchange) == 2:
            exchange.do(lambda server: server.hub.on_update({"filler": big}))
            sent += 1
            reader.text("order")
            assert sent < 1_000, "nobody was dropped"
        exchange.step_to(at(1))
        assert set(reader.ticks()) == {CALL.token}


def unread(exchange: RunningExchange) -> socket.socket:
    """A WebSocket whose owner shakes hands and never reads again."""
    address = urlsplit(exchange.ws)
    link = socket.create_connection((address.hostname, address.port), timeout=DEADLINE_S)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    link.sendall(
        b"GET /?api_key=demo&access_token=demo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    assert link.recv(12) == b"HTTP/1.1 101"
    return link


def test_a_frame_of_a_recording_that_nobody_can_read_is_passed_on_as_it_was() -> None:
    """A damaged frame of a recorded session reaches every client; the exchange lives on."""
    bad = b"\x00\x02\x00\x08" + b"\x01" * 8
    market = HandMarket((1.0, bad), (2.0, encode_frame([index()])))
    settings = Settings(heartbeat_s=3_600.0)
    with (
        running_exchange(market, speed=0, settings=settings) as running,
        listen(running) as link,
    ):
        link.say("subscribe", [NIFTY.token])
        link.frame()
        running.step_to(at(2))
        assert link.frame() == bad
        assert set(link.ticks()) == {NIFTY.token}
        assert running.do(lambda server: server.frames_unread) == 1


def test_a_socket_that_breaks_without_a_word_leaves_nothing_behind(
    exchange: RunningExchange,
) -> None:
    """The client's machine is gone: the connection is forgotten, the exchange goes on."""
    with listen(exchange) as link:
        link.say("subscribe", [CALL.token])
        link.settle()
        link.link.socket.shutdown(socket.SHUT_RDWR)
        until(lambda: connections(exchange) == 0)
        with pytest.raises(ConnectionClosed):
            link.hear_until(lambda message: False)


def test_a_binary_message_of_a_client_is_ignored(exchange: RunningExchange) -> None:
    """The protocol has none; it is no reason to break."""
    with listen(exchange) as link:
        link.link.send(b"\x00\x01")
        link.settle()
        assert isinstance(link, Socket)

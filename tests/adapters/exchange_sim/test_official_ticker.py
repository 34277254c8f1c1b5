"""The official KiteTicker, unchanged but for its root, on the exchange's WebSocket."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.exchange_sim.modes import Mode, Subscription, packets_of
from adapters.exchange_sim.running import RunningExchange, running_exchange
from adapters.exchange_sim.server import Settings
from events.wire import kite
from events.wire.kite import encode_frame
from tests.adapters.exchange_sim.bench_market import CALL, FUTURE, NIFTY
from tests.adapters.exchange_sim.clients import ask, order_form
from tests.adapters.exchange_sim.hand_market import HandMarket, at, index, tradable
from tests.events.wire.test_kite import as_official, flattened, ticks

ROOT = Path(__file__).resolve().parents[3]
CHILD = "tests.adapters.exchange_sim.official_ticker"
DEADLINE_S = 30.0
"""The official client waits seconds before it reconnects."""

FRAMES = tuple(
    (
        float(second),
        encode_frame(
            [
                tradable(CALL, 10_000 + second, second),
                index(2_262_000 - second, second),
                tradable(FUTURE, 2_265_000, second, close=2_250_000),
            ]
        ),
    )
    for second in range(1, 60)
)


class Official:
    """The client in its own process; what it told is a queue of [callback, what...]."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self.child = child
        self.told: queue.Queue[list[Any]] = queue.Queue()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        assert self.child.stdout is not None
        for line in self.child.stdout:
            self.told.put(json.loads(line))

    def call(self, method: str, *arguments: Any) -> None:
        """Call a method of the client in its reactor."""
        assert self.child.stdin is not None
        self.child.stdin.write(json.dumps([method, *arguments]) + "\n")
        self.child.stdin.flush()

    def hear(self, event: str, wanted: Callable[[list[Any]], bool] = lambda _: True) -> list[Any]:
        """What the next such callback was given; others are passed over."""
        ends = time.monotonic() + DEADLINE_S
        while True:
            told = self.told.get(timeout=max(0.0, ends - time.monotonic()))
            if told[0] == event and wanted(told[1:]):
                return told[1:]

    def end(self) -> None:
        """Let the process end, and see that it did."""
        assert self.child.stdin is not None
        self.child.stdin.close()
        try:
            self.child.wait(DEADLINE_S)
        finally:
            self.child.kill()
            self.reader.join(DEADLINE_S)
            for stream in (self.child.stdout, self.child.stderr):
                assert stream is not None
                stream.close()


@contextmanager
def official_ticker(exchange: RunningExchange, token: str = "demo") -> Iterator[Official]:
    """KiteTicker on an exchange for as long as the context lasts."""
    child = subprocess.Popen(
        [sys.executable, "-m", CHILD, exchange.ws, "demo", token],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    client = Official(child)
    try:
        yield client
    finally:
        client.end()


@pytest.fixture
def exchange() -> Iterator[RunningExchange]:
    """Time by hand, heartbeats often."""
    settings = Settings(heartbeat_s=0.1)
    with running_exchange(HandMarket(*FRAMES), speed=0, settings=settings) as running:
        yield running


def test_the_official_ticker_in_every_mode(exchange: RunningExchange) -> None:
    """Subscribe, all three modes, ticks, heartbeats, an order update, unsubscribe, error text: the
    client's callbacks say what our codec says of the same bytes."""
    tokens = [CALL.token, NIFTY.token, FUTURE.token]
    second = 0
    with official_ticker(exchange) as client:
        client.hear("connect")
        for mode in ("quote", "ltp", "full"):
            client.call("subscribe", tokens)
            client.call("set_mode", mode, tokens)
            client.hear("ticks", in_mode(mode))
            second += 1
            exchange.step_to(at(second))
            data, is_binary = client.hear("message", lambda told: told[1] and len(told[0]) > 8)
            [parsed] = client.hear("ticks")
            assert is_binary
            assert_same(parsed, bytes.fromhex(data))
        client.hear("message", lambda told: told == ["00", True])
        ask(exchange, "POST", "/orders/regular", order_form(price=101, tag="seen"))
        second += 1
        exchange.step_to(at(second))
        [update] = client.hear("order")
        assert (update["status"], update["tag"]) == ("COMPLETE", "seen")
        client.call("unsubscribe", tokens[1:])
        client.call("subscribe", list(range(3_000)))
        code, reason = client.hear("error")
        assert code == 0 and reason.startswith("max tokens exceeded")
        second += 1
        exchange.step_to(at(second))
        [parsed] = client.hear("ticks", lambda told: len(told[0]) == 1)
        assert parsed[0]["instrument_token"] == CALL.token


def in_mode(mode: str) -> Callable[[list[Any]], bool]:
    """Whether all ticks of a callback are in a mode."""
    return lambda told: {tick["mode"] for tick in told[0]} == {mode}


def assert_same(parsed: list[dict[str, Any]], data: bytes) -> None:
    """What the client told of a frame is what our codec decodes from its bytes."""
    own = kite.decode_frame(data)
    assert len(parsed) == len(own) > 0
    for told, tick in zip(parsed, own, strict=True):
        ours = as_official(tick)
        for name in ("exchange_timestamp", "last_trade_time"):
            if name in ours:
                ours[name] = ours[name].timestamp()
        assert flattened(told, kite.price_divisor(tick.token)) == ours


def test_the_official_ticker_reconnects_and_is_resubscribed(exchange: RunningExchange) -> None:
    """F01: a broken socket; the client comes back by itself, subscribes anew and ticks flow."""
    with official_ticker(exchange) as client:
        client.hear("connect")
        client.call("subscribe", [CALL.token])
        client.call("set_mode", "full", [CALL.token])
        client.hear("ticks")
        exchange.fault("[[fault]]\nkind = 'socket_drop'")
        client.hear("close")
        client.hear("connect")
        [parsed] = client.hear("ticks", lambda told: told[0][0]["mode"] == "full")
        assert parsed[0]["instrument_token"] == CALL.token


def test_the_official_ticker_hears_a_message_of_the_broker(exchange: RunningExchange) -> None:
    """A text frame of type ``message`` reaches ``on_message`` as it was sent, and is no tick, no
    order update and no error: what comes after it comes as ever."""
    with official_ticker(exchange) as client:
        client.hear("connect")
        client.call("subscribe", [CALL.token])
        client.hear("ticks")
        exchange.fault("[[fault]]\nkind = 'broker_message'\ntext = 'slow today'")
        exchange.step_to(at(1))
        told: list[list[Any]] = []
        while not told or told[-1][0] != "ticks":
            told.append(client.told.get(timeout=DEADLINE_S))
    texts = [json.loads(one[1]) for one in told if one[0] == "message" and not one[2]]
    assert {"type": "message", "data": "slow today"} in texts
    assert {one[0] for one in told} == {"message", "ticks"}
    assert told[-1][1][0]["instrument_token"] == CALL.token


def test_the_official_ticker_is_refused_with_a_dead_token(exchange: RunningExchange) -> None:
    """F08: the handshake's 403 reaches the client as such."""
    with official_ticker(exchange, token="dead") as client:
        code, reason = client.hear("error")
    assert code == 1006 and "403" in reason


# --- on every mode and kind of instrument


@pytest.fixture(scope="module")
def parser() -> Any:
    """The official client's parser, without a connection."""
    from kiteconnect import KiteTicker

    return KiteTicker("demo", "demo")


@given(
    st.lists(ticks(price=st.integers(0, (1 << 31) - 1)), min_size=1, max_size=8),
    st.lists(st.sampled_from(Mode), min_size=8, max_size=8),
)
def test_what_the_client_parses_of_a_cut_frame_is_what_our_codec_decodes(
    parser: Any, sent: list[kite.Tick], modes: list[Mode]
) -> None:
    """Any market frame, cut to any modes as the exchange does it: both read the same of it. Prices
    are not negative, since the client reads them unsigned."""
    data = cut(sent, modes)
    parsed = parser._parse_binary(data)
    own = kite.decode_frame(data)
    assert [flattened(row, kite.price_divisor(row["instrument_token"])) for row in parsed] == [
        as_official(tick) for tick in own
    ]
    for row in parsed:
        assert row["mode"] in tuple(Mode)


def cut(sent: list[kite.Tick], modes: list[Mode]) -> bytes:
    """The frame that a connection gets which subscribed to each tick's token in a mode."""
    whole = encode_frame([kite.encode_packet(tick) for tick in sent])
    mine = Subscription()
    for tick, mode in zip(sent, modes, strict=False):
        mine.subscribe([tick.token])
        mine.set_mode(mode, [tick.token])
    data = mine.frame_of(packets_of(whole), whole)
    assert data is not None
    return data


@pytest.mark.parametrize("mode", Mode)
def test_canary_a_changed_byte_is_a_difference(parser: Any, mode: Mode) -> None:
    """In each mode one paisa more in the last price is seen by the same comparison."""
    data = cut(list(kite.decode_frame(encode_frame([tradable(CALL, 10_000)]))), [mode])
    [row] = parser._parse_binary(data)
    [tick] = kite.decode_frame(data[:9] + bytes((data[9] ^ 1,)) + data[10:])
    [same] = kite.decode_frame(data)
    assert flattened(row, 100) == as_official(same) != as_official(tick)

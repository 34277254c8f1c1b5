"""Whole days with faults by seed: whatever comes together, the exchange itself never breaks."""

from __future__ import annotations

import http.client
from collections import Counter
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import ClientConnection, connect

from adapters.exchange_sim.faults import Fault, seeded_plan
from adapters.exchange_sim.running import RunningExchange, running_exchange
from adapters.exchange_sim.server import Settings
from adapters.kite.callback import LoginError
from adapters.markets.synthetic import SyntheticMarket
from adapters.markets.synthetic_random import SplitMix64
from cli.demo_login import demo_login, renewed
from engine.rulebook import NS_PER_S
from events.wire import kite
from tests.adapters.exchange_sim.clients import Answer, ask

MARKET = SyntheticMarket(7, "small")
STEP_NS = 30 * NS_PER_S
PATIENCE_S = 0.2
BROKEN_FRAMES = ("malformed_frames", "truncated_frames")
ENVELOPE = {"status", "message", "data", "error_type"}
SETTLE_NS = 600 * NS_PER_S


class Trader:
    """A careless program on the exchange: it orders, cancels, looks and reconnects by chance. Its
    person logs in anew where the login is dead, through the broker's page, which may fail too."""

    def __init__(self, exchange: RunningExchange, seed: int) -> None:
        self.exchange = exchange
        self.random = SplitMix64(seed)
        self.seen: Counter[str] = Counter()
        self.orders: list[str] = []
        self.login = demo_login()
        self.links = ExitStack()
        self.link: ClientConnection | None = None
        rows = [row for row in MARKET.instruments() if row.kind in ("CE", "PE")]
        self.rows = rows[len(rows) // 2 - 6 : len(rows) // 2 + 6]

    def step(self) -> None:
        """Something, and whatever the socket has said since."""
        act = (self.place, self.place, self.cancel, self.look, self.listen)[self.random.below(5)]
        act()
        self.drain()

    def ask(self, method: str, path: str, form: Any = None) -> Answer | None:
        """One request; None where no answer came."""
        token = f"demo:{self.login.access_token.reveal()}"
        try:
            answer = ask(self.exchange, method, path, form, token=token, timeout_s=PATIENCE_S)
        except (OSError, http.client.HTTPException) as lost:
            self.seen[type(lost).__name__] += 1
            return None
        self.seen[str(answer.status)] += 1
        if answer.headers["content-type"].startswith("application/json"):
            assert set(answer.json) in ({"status", "data"}, ENVELOPE)
        else:
            assert answer.status >= 500 and b"<h1>" in answer.body
        if answer.status == 403:
            self.log_in()
        return answer

    def log_in(self) -> None:
        """Another login, where one comes about; the next refusal asks again."""
        with suppress(LoginError, OSError, http.client.HTTPException):
            self.login = renewed(self.exchange.rest, MARKET.open_ns)
            self.seen["logins"] += 1

    def place(self) -> None:
        """A market order or one that rests, of an option near the money."""
        row = self.rows[self.random.below(len(self.rows))]
        form = {
            "exchange": row.exchange,
            "tradingsymbol": row.tradingsymbol,
            "transaction_type": ("BUY", "SELL")[self.random.below(2)],
            "quantity": row.lot_units * (1 + self.random.below(3)),
            "product": ("NRML", "MIS")[self.random.below(2)],
            "order_type": "MARKET",
            "market_protection": 2,
        }
        if self.random.below(2):
            form |= {"order_type": "LIMIT", "price": 1 + self.random.below(60)}
        answer = self.ask("POST", "/orders/regular", form)
        if answer is not None and answer.status == 200:
            self.orders.append(answer.data["order_id"])

    def cancel(self) -> None:
        """The newest order that it knows."""
        if self.orders:
            self.ask("DELETE", f"/orders/regular/{self.orders.pop()}")

    def look(self) -> None:
        """One of the books."""
        paths = ("/orders", "/trades", "/portfolio/positions", "/user/margins")
        self.ask("GET", paths[self.random.below(len(paths))])

    def listen(self) -> None:
        """A socket on everything, where it has none."""
        if self.link is None:
            address = (
                f"{self.exchange.ws}/?api_key=demo&access_token={self.login.access_token.reveal()}"
            )
            with suppress(WebSocketException, OSError):
                self.link = self.links.enter_context(
                    connect(
                        address,
                        compression=None,
                        ping_interval=None,
                        open_timeout=1,
                        close_timeout=0,
                    )
                )
        if self.link is not None:
            tokens = [row.token for row in MARKET.instruments()]
            with suppress(ConnectionClosed):
                self.link.send(f'{{"a":"subscribe","v":{tokens}}}')

    def drain(self) -> None:
        """Everything that has arrived."""
        while self.link is not None:
            try:
                message = self.link.recv(timeout=0)
            except TimeoutError:
                return
            except ConnectionClosed:
                self.seen["closed"] += 1
                self.close()
                return
            if isinstance(message, bytes):
                try:
                    kite.walk(message)
                    self.seen["frames"] += 1
                except kite.FrameError:
                    self.seen["broken frames"] += 1
            else:
                self.seen["texts"] += 1

    def close(self) -> None:
        """Leave."""
        self.links.close()
        self.link = None


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_a_day_of_random_faults_breaks_nothing(seed: int) -> None:
    """A day in steps of half a minute under a seed's plan: every answer is an envelope, a page or
    none; every frame is whole unless a fault of frames is planned; afterwards everything answers,
    and positions are what the trades add up to."""
    plan = seeded_plan(seed, MARKET.open_ns, MARKET.close_ns)
    settings = Settings(heartbeat_s=0.05)
    with running_exchange(MARKET, speed=0, faults=plan, settings=settings) as exchange:
        trader = Trader(exchange, seed)
        now_ns = MARKET.open_ns
        while now_ns < MARKET.close_ns:
            now_ns += STEP_NS
            exchange.step_to(now_ns)
            trader.step()
        exchange.step_to(MARKET.close_ns + SETTLE_NS)
        trader.close()
        check_the_end(exchange, plan, trader)


def check_the_end(exchange: RunningExchange, plan: tuple[Fault, ...], trader: Trader) -> None:
    """After the day nothing is on, every fault has happened, and the books agree."""
    said = ask(exchange, "GET", "/sim/faults").json
    on = set(said["on"]) - {fault.kind for fault in plan if "count" in fault.settings}
    assert on == set()
    begun = Counter(
        line.split()[1].rstrip(":")
        for line in said["record"]
        if line.endswith(("begins", "happens"))
    )
    assert begun == Counter(fault.kind for fault in plan)
    if not {fault.kind for fault in plan} & set(BROKEN_FRAMES):
        assert trader.seen["broken frames"] == 0
    assert trader.seen["200"] > 100, trader.seen
    net: Counter[tuple[str, str]] = Counter()
    trades = trader.ask("GET", "/trades")
    if trades is not None and trades.status == 403:
        trades = trader.ask("GET", "/trades")  # with the login that the refusal led to
    assert trades is not None
    for trade in trades.data:
        sign = 1 if trade["transaction_type"] == "BUY" else -1
        net[trade["tradingsymbol"], trade["product"]] += sign * trade["quantity"]
    ledger = {
        (row["tradingsymbol"], row["product"]): row["units"]
        for row in ask(exchange, "GET", "/sim/ledger").json
    }
    assert {key: units for key, units in net.items() if units} == {
        key: units for key, units in ledger.items() if units
    }

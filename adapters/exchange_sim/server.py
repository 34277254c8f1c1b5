"""The simulated exchange as a server on loopback: Kite Connect v3 over REST and WebSocket.

Lives here: the wiring of market, exchange, faults, sockets and routes, and their life. May import:
engine.rulebook, aiohttp, the parts beside it. Always holds: bound to 127.0.0.1 only; one loop, so
that nothing here needs a lock; the session's time is the market's. Start reading at
``ExchangeServer.start``.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout, web

from adapters.exchange_sim.control import control_routes
from adapters.exchange_sim.drive import Clock, Drive
from adapters.exchange_sim.effects import World, unfold
from adapters.exchange_sim.exchange import Exchange
from adapters.exchange_sim.fault_state import FaultState
from adapters.exchange_sim.faults import Fault
from adapters.exchange_sim.gate import Gate, hang_up, in_envelopes
from adapters.exchange_sim.hub import Hub
from adapters.exchange_sim.login import login_routes
from adapters.exchange_sim.rest import ROUTES, Route
from adapters.exchange_sim.spec import AccountSpec, Behaviour
from adapters.markets.port import Market, MarketFrame
from engine.rulebook import Rulebook
from events.wire.kite import FrameError

HOST: Final = "127.0.0.1"
STEP_NS: Final = 5_000_000
"""The machine's time that the drive may take before the sockets have their turn."""

WAIT_MIN_S: Final = 0.000_2
BODY_BYTES_MAX: Final = 1024 * 1024
STOP_S: Final = 2.0
BACKLOG: Final = 128
ACCEPT_STEPS: Final = 10
POSTBACKS_MAX: Final = 1_000
POSTBACK_S: Final = 5.0
RELAYED: Final = ("order_id", "status", "filled_quantity")
RELAYED_MAX: Final = 100_000
"""Order updates that are remembered for the controls."""

NO_TOKEN_CHECK: Final = ("sockets_dead", "both_dead")


class Settings(msgspec.Struct, frozen=True, gc=False):
    """How the server runs. ``at_ns`` (ns UTC, of the market's day) is where its time starts, by
    default the open; ``speed`` 0 leaves the time to ``/sim/advance``. ``redirect_url`` is where a
    login ends, ``postback_url`` where order updates are sent: both on loopback, both optional."""

    port: int = 0
    speed: float = 1.0
    at_ns: int | None = None
    heartbeat_s: float = 3.0
    redirect_url: str | None = None
    postback_url: str | None = None


class ExchangeServer:
    """One exchange with its one account. ``rest`` and ``ws`` are its addresses once started."""

    def __init__(
        self,
        market: Market,
        rulebook: Rulebook,
        plan: tuple[Fault, ...] = (),
        settings: Settings | None = None,
        account: AccountSpec | None = None,
        behaviour: Behaviour | None = None,
    ) -> None:
        self.settings = settings or Settings()
        self.market = market
        at_ns = market.open_ns if self.settings.at_ns is None else self.settings.at_ns
        self.account = account or AccountSpec()
        behaviour = behaviour or Behaviour()
        self.exchange = Exchange(
            market.instruments(), rulebook, market.day, self.account, behaviour
        )
        self.faults = FaultState(plan, behaviour.seed)
        self.hub = Hub(self.faults, self.settings.heartbeat_s)
        self.clock = Clock(at_ns, self.settings.speed)
        self.drive = Drive(market, self.clock, self, at_ns)
        self.frames_unread = self.postbacks_failed = 0
        self.relayed: deque[dict[str, Any]] = deque(maxlen=RELAYED_MAX)
        self.redirect_url = self.settings.redirect_url
        self.postback_url = self.settings.postback_url
        self._world = World(self.faults, self.exchange, self.hub, market.instruments())
        self._gate = Gate(self)
        self._woken = asyncio.Event()
        self._postbacks: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue(POSTBACKS_MAX)
        self._runner: web.AppRunner | None = None
        self._listener: socket.socket | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.rest = self.ws = ""

    # --- its life

    async def start(self) -> None:
        """Go to the starting time, open the port, let the time run.

        Raises ``OSError`` for a port that cannot be had, ``MarketError`` as the market does.
        """
        self.drive.skip()
        application = web.Application(client_max_size=BODY_BYTES_MAX, middlewares=[in_envelopes])
        application.add_routes(self._routes())
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=STOP_S)
        await self._runner.setup()
        self._listener = socket.create_server((HOST, self.settings.port), backlog=BACKLOG)
        await web.SockSite(self._runner, self._listener, backlog=BACKLOG).start()
        port = self._listener.getsockname()[1]
        self.rest, self.ws = f"http://{HOST}:{port}", f"ws://{HOST}:{port}"
        self.clock.start()
        work = (self._move(), self.hub.beat(), self._post())
        self._tasks = [asyncio.create_task(each) for each in work]

    async def run_until(self, stopped: asyncio.Event) -> None:
        """Serve until told to stop, or until a part of the server fails: its error is raised."""
        waiting = asyncio.create_task(stopped.wait())
        try:
            await asyncio.wait((waiting, *self._tasks), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            await self.stop()

    async def stop(self) -> None:
        """End everything: the tasks, the sockets, the port. Raises what a task ended with."""
        self._gate.stop()
        for task in self._tasks:
            task.cancel()
        ends = await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._runner is not None:
            await self._close(self._runner)
        for end in ends:
            if isinstance(end, Exception):
                raise end

    async def _close(self, runner: web.AppRunner) -> None:
        # asyncio makes a task of every connection that it accepts, and forgets its socket, open, if
        # the listener was closed before that task has run. So: accept nothing more, let those come
        # as far as the list of connections, and then close the listener and all of them.
        if self._listener is not None and self._listener.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._listener)
        for _ in range(ACCEPT_STEPS):
            await asyncio.sleep(0)
        self.hub.drop_all()
        await runner.cleanup()

    # --- time

    def now_ns(self) -> int:
        """The session's time; what was due before it is done, as far as the machine keeps up."""
        self.drive.catch_up(STEP_NS)
        return self.drive.now_ns

    def called(self) -> None:
        """Something was asked of the exchange: send what is ready, and look at what is due."""
        self._deliver(self.drive.now_ns)
        self._woken.set()

    async def session_sleep(self, milliseconds: int) -> None:
        """Wait in the session's time; not at all where time is moved by hand."""
        if self.settings.speed:
            await asyncio.sleep(milliseconds / 1_000 / self.settings.speed)

    async def _move(self) -> None:
        while True:
            self._woken.clear()
            if not self.drive.catch_up(STEP_NS):
                await asyncio.sleep(0)
                continue
            next_ns = self.drive.next_ns()
            wait_s = None if next_ns is None else self.clock.seconds_until(next_ns)
            with suppress(TimeoutError):
                async with asyncio.timeout(None if wait_s is None else max(wait_s, WAIT_MIN_S)):
                    await self._woken.wait()

    # --- what the drive moves

    def due_ns(self) -> int | None:
        """The next of the exchange's own steps and of the faults (ns UTC)."""
        exchange_ns, fault_ns = self.exchange.next_due_ns(), self.faults.due_ns()
        if exchange_ns is None or fault_ns is None:
            return fault_ns if exchange_ns is None else exchange_ns
        return min(exchange_ns, fault_ns)

    def on_due(self, now_ns: int) -> None:
        """Do what is due."""
        fault_ns = self.faults.due_ns()
        if fault_ns is not None and fault_ns <= now_ns:
            self.unfold()
        self.exchange.advance(now_ns)
        self._deliver(now_ns)

    def unfold(self) -> None:
        """Begin and end the faults that are due."""
        unfold(self.drive.now_ns, self._world)

    def on_frame(self, now_ns: int, frame: MarketFrame) -> None:
        """A frame of the market: first for the exchange, then for who subscribed."""
        try:
            self.exchange.on_frame(now_ns, frame.data)
        except FrameError:
            # A recorded session may hold a frame that nobody can read: its clients get it as it is.
            self.frames_unread += 1
        self.hub.on_frame(now_ns, frame)
        self._deliver(now_ns)

    def _deliver(self, now_ns: int) -> None:
        for update in self.exchange.take_updates(now_ns):
            heard = self.hub.on_update(update)
            said = {name: update[name] for name in RELAYED}
            self.relayed.append({"ts": now_ns, "heard": heard, **said})
            if self.postback_url is not None and update["app_id"] == self.account.app_id:
                if self._postbacks.full():
                    self.postbacks_failed += 1
                else:
                    self._postbacks.put_nowait(update)

    async def _post(self) -> None:
        """Order updates to the app's postback address, one after the other."""
        async with ClientSession(timeout=ClientTimeout(total=POSTBACK_S)) as session:
            while True:
                update = await self._postbacks.get()
                url = self.postback_url
                if url is None:
                    continue
                try:
                    async with session.post(url, data=msgspec.json.encode(update)) as response:
                        self.postbacks_failed += response.status >= 400
                except (ClientError, TimeoutError):
                    # As the broker: sent once, whoever listens.
                    self.postbacks_failed += 1

    # --- routes

    def logged_in(self) -> None:
        """A token was given or taken: the faults of the old one are over, its sockets end."""
        self.faults.stop("token_expiry", "second_login")
        self.unfold()
        self.hub.drop_all()

    def _routes(self) -> list[web.RouteDef]:
        rows = [web.route(row.method, row.path, self._handler(row)) for row in ROUTES]
        return [
            web.get("/", self._open_socket),
            *rows,
            *login_routes(self),
            *control_routes(self),
        ]

    def _handler(self, route: Route) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._gate.answer(route, request)

        return handle

    async def _open_socket(self, request: web.Request) -> web.StreamResponse:
        now_ns = self.now_ns()
        if self.faults.on(*NO_TOKEN_CHECK):
            return hang_up(request)
        key, token = request.query.get("api_key"), request.query.get("access_token")
        if key is None or token is None or not _upgrades(request):
            return web.Response(status=400, text="api_key and access_token are needed\n")
        if not self._gate.is_login(key, token, now_ns):
            return web.Response(status=403, text="Forbidden\n")
        return await self.hub.serve(request, now_ns)


def _upgrades(request: web.Request) -> bool:
    """Whether a request asks for a WebSocket; clients write the word in either case."""
    return "websocket" in request.headers.get("Upgrade", "").lower()

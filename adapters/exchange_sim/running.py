"""The simulated exchange inside another program: a thread with a loop of its own.

Lives here: a context manager for tests and for ``run --mode sim``. May import: the server beside
it. Always holds: when the context is left, the thread has ended and the port is closed; an error of
the server is raised there. Start reading at ``running_exchange``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import msgspec

from adapters.exchange_sim.faults import Fault, read_script
from adapters.exchange_sim.server import ExchangeServer, Settings
from adapters.exchange_sim.spec import AccountSpec, Behaviour
from adapters.markets.port import Market
from adapters.rulebook.load import load_rows
from engine.rulebook import Rulebook

START_S: Final = 120.0
"""Going to a late hour of a large market takes its time."""

CALL_S: Final = 60.0
STOP_S: Final = 30.0

T = TypeVar("T")


class RunningExchange:
    """A server that runs. ``rest`` and ``ws`` are what a client is given as its roots."""

    def __init__(self, server: ExchangeServer, loop: asyncio.AbstractEventLoop) -> None:
        self.server = server
        self.rest = server.rest
        self.ws = server.ws
        self._loop = loop

    def do(self, call: Callable[[ExchangeServer], T]) -> T:
        """Call something in the server's thread and wait for what it gives."""

        async def called() -> T:
            done = call(self.server)
            self.server.called()
            return done

        return asyncio.run_coroutine_threadsafe(called(), self._loop).result(CALL_S)

    def now_ns(self) -> int:
        """The session's time (ns UTC)."""
        return self.do(lambda server: server.now_ns())

    def step_to(self, ns: int) -> None:
        """Move the session's time; for an exchange that was started with speed 0."""
        self.do(lambda server: server.drive.step(ns))

    def fault(self, script: str) -> None:
        """Add the faults of a script; what is due already begins at once."""

        def add(server: ExchangeServer) -> None:
            for fault in read_script(script, server.market.day, server.drive.now_ns):
                server.faults.add(fault)
            server.unfold()

        self.do(add)


@contextmanager
def running_exchange(
    market: Market,
    speed: float = 1.0,
    faults: str | tuple[Fault, ...] = (),
    *,
    rulebook: Rulebook | None = None,
    settings: Settings | None = None,
    account: AccountSpec | None = None,
    behaviour: Behaviour | None = None,
) -> Iterator[RunningExchange]:
    """An exchange on a port of its own for as long as the context lasts.

    ``faults`` is a script's text or a plan; ``speed`` replaces that of ``settings``.
    """
    chosen = msgspec.structs.replace(settings or Settings(), speed=speed)
    at_ns = market.open_ns if chosen.at_ns is None else chosen.at_ns
    plan = read_script(faults, market.day, at_ns) if isinstance(faults, str) else faults
    rules = rulebook or Rulebook(load_rows())
    ready: Future[tuple[RunningExchange, Callable[[], None]]] = Future()

    async def main() -> None:
        server = ExchangeServer(market, rules, plan, chosen, account, behaviour)
        stopped = asyncio.Event()
        await server.start()
        loop = asyncio.get_running_loop()

        def stop() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(stopped.set)

        ready.set_result((RunningExchange(server, loop), stop))
        await server.run_until(stopped)

    with ThreadPoolExecutor(1, "exchange-sim") as pool:
        serving = pool.submit(asyncio.run, main())
        either: tuple[Future[Any], Future[Any]] = (ready, serving)
        wait(either, START_S, FIRST_COMPLETED)
        if not ready.done():
            serving.result(0)
        exchange, stop = ready.result(0)
        try:
            yield exchange
        finally:
            stop()
        serving.result(STOP_S)

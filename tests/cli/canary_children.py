"""Processes of the canary test that are no verbs: the exchange, LIVE on it, verbs that crash.

Lives here: ``exchange`` (an exchange whose account and tokens are canaries and which repeats what
it was sent, as bad servers do), ``live`` (``axiom run --mode live`` with the exchange in the
broker's place), ``crash`` (a verb in whose depths an error quotes all that it has). Always holds:
what is changed is the outside or the place of an error, never what would show a secret. Start
reading at ``main``.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from adapters.exchange_sim import gate, hub, tokens, updates
from adapters.exchange_sim.server import ExchangeServer, Settings
from adapters.exchange_sim.spec import AccountSpec
from adapters.markets.synthetic import SyntheticMarket
from adapters.rulebook.load import load_rows
from cli.main import main as axiom
from engine.rulebook import Rulebook, ist_ns
from tests.cli.canary import value

ISSUED_MAX = 60
PATCH = pytest.MonkeyPatch()
"""Of a process: never undone."""


def issued(count: int = ISSUED_MAX) -> dict[str, str]:
    """The words that the exchange gives out: request tokens, access tokens and the like."""
    return {f"issued {number}": value(f"issued {number}") for number in range(count)}


def exchange(told: dict[str, Any]) -> None:
    """Serve until ended. ``told`` has the account; ``checksums`` is a file that each goes into."""
    _repeat_what_came()
    _keep_checksums(Path(told.pop("checksums")))
    given = iter(issued().values())
    tokens.Tokens._word = lambda self, size: next(given)  # type: ignore[method-assign]
    market = SyntheticMarket(3, "small")
    settings = Settings(at_ns=ist_ns(market.day, "10:00"), heartbeat_s=1.0)
    account = AccountSpec(**told)
    server = ExchangeServer(market, Rulebook(load_rows()), (), settings, account)

    async def serve() -> None:
        stopped = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
        await server.start()
        sys.stdout.write(json.dumps({"rest": server.rest, "ws": server.ws}) + "\n")
        sys.stdout.flush()
        await server.run_until(stopped)

    asyncio.run(serve())


def _repeat_what_came() -> None:
    """Answers that are errors, and order updates, quote the login that they came with."""
    answer, serve, on_update = gate.Gate.answer, hub.Hub.serve, hub.Hub.on_update
    seen: dict[str, str] = {"login": ""}

    async def repeating(self: gate.Gate, route: Any, request: web.Request) -> Any:
        form = dict(await request.post()) if route.name == "session" else {}
        response = await answer(self, route, request)
        if response.status < 400 or not isinstance(response, web.Response) or not response.body:
            return response
        quoted = f"{request.path_qs} {request.headers.get('Authorization', '')} {form}"
        if response.content_type != "application/json":
            return web.Response(
                text=f"<html>{quoted}</html>", status=response.status, content_type="text/html"
            )
        told = msgspec.json.decode(response.body)  # type: ignore[arg-type]
        told["message"] = f"{told['message']} {quoted}"
        return web.json_response(told, status=response.status)

    async def served(self: hub.Hub, request: web.Request, now_ns: int) -> web.StreamResponse:
        seen["login"] = request.path_qs
        return await serve(self, request, now_ns)

    def relayed(self: hub.Hub, data: Any) -> int:
        self._send_to_all(json.dumps({"type": "error", "data": f"bad {seen['login']}"}))
        self._send_to_all(f"no JSON {seen['login']}")
        return on_update(self, {**data, "status_message": f"as sent to {seen['login']}"})

    gate.Gate.answer = repeating  # type: ignore[method-assign]
    hub.Hub.serve = served  # type: ignore[method-assign]
    hub.Hub.on_update = relayed  # type: ignore[method-assign]


def _keep_checksums(path: Path) -> None:
    """Those of logins and of order updates, a line each."""
    of_update, of_login = updates.update_checksum, tokens.checksum

    def kept(text: str) -> str:
        with path.open("a") as file:
            file.write(text + "\n")
        return text

    updates.update_checksum = lambda *texts: kept(of_update(*texts))
    tokens.checksum = lambda *texts: kept(of_login(*texts))


def live(words: list[str]) -> int:
    """REST, WS, then the words of the program: LIVE with nothing that stands against it."""
    PATCH.setattr("cli.world.REST_ROOT", words[0])
    PATCH.setattr("cli.world.FEED_ROOT", words[1])
    PATCH.setattr("cli.on_live.preconditions", lambda _: ())
    return axiom(words[2:])


def crash(where: str, words: list[str]) -> int:
    """The program, with an error in the depths of a library that quotes all that stands there."""

    def send(self: Any, request: Any, **_: Any) -> Any:
        raise RuntimeError(f"{request.url} {dict(request.headers)} {request.body!r}")

    def connected(self: Any) -> Any:
        raise RuntimeError(f"{self.uri} {vars(self)}")

    place, raises = {
        "rest": ("requests.Session.send", send),
        "socket": ("adapters.kite.ticker._Connect.__await__", connected),
    }[where]
    PATCH.setattr(place, raises)
    return axiom(words)


def unfenced(words: list[str]) -> int:
    """The program without the fence around what others log and print."""
    PATCH.setattr("adapters.kite.login.fence_loggers", lambda: None)
    return axiom(words)


def main(words: list[str]) -> int:
    """WHAT, then what it takes."""
    if words[0] == "exchange":
        exchange(json.loads(sys.stdin.readline()))
        return 0
    if words[0] == "live":
        return live(words[1:])
    if words[0] == "unfenced":
        return unfenced(words[1:])
    return crash(words[1], words[2:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Controls of the simulation under ``/sim``: its clock, its faults, and what other people do.

Lives here: the routes that the broker does not have. May import: aiohttp, the parts beside it.
Always holds: nothing here needs a login, and nothing here answers in the broker's envelope, so that
no program takes it for the broker. Start reading at ``control_routes``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from adapters.exchange_sim.errors import KiteError
from adapters.exchange_sim.faults import (
    KINDS,
    FaultScriptError,
    kind_of,
    read_fault,
    read_moment,
)
from adapters.exchange_sim.login import is_loopback
from engine.rulebook import hhmmss_of

if TYPE_CHECKING:
    from adapters.exchange_sim.server import ExchangeServer

Answer = Callable[["ExchangeServer", dict[str, Any]], Any]


class ControlError(ValueError):
    """What was asked of the controls cannot be done; the message says why."""


def control_routes(server: ExchangeServer) -> list[web.RouteDef]:
    """Every control. A POST takes a JSON object, a DELETE its query."""
    return [
        web.get("/sim/clock", _route(server, _clock)),
        web.get("/sim/ledger", _route(server, _ledger)),
        web.get("/sim/account", _route(server, _account)),
        web.get("/sim/clients", _route(server, _clients)),
        web.get("/sim/faults", _route(server, _faults)),
        web.post("/sim/faults", _route(server, _begin_fault)),
        web.delete("/sim/faults", _route(server, _end_fault)),
        web.post("/sim/advance", _route(server, _advance)),
        web.post("/sim/order", _route(server, _foreign_order)),
        web.post("/sim/close", _route(server, _close)),
        web.post("/sim/app", _route(server, _app)),
    ]


def _route(server: ExchangeServer, answer: Answer) -> Any:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            asked = await _asked(request)
            server.now_ns()
            said = answer(server, asked)
        except (ControlError, FaultScriptError, KiteError) as error:
            return _json({"error": str(error)}, 400)
        server.called()
        return _json(said, 200)

    return handle


async def _asked(request: web.Request) -> dict[str, Any]:
    if request.method != "POST":
        return dict(request.query)
    try:
        asked = msgspec.json.decode(await request.read() or b"{}")
    except msgspec.DecodeError as error:
        raise ControlError(f"not JSON: {error}") from error
    if not isinstance(asked, dict):
        raise ControlError("send a JSON object")
    return asked


def _json(value: Any, status: int) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(value), status=status, content_type="application/json"
    )


def _clock(server: ExchangeServer, asked: dict[str, Any]) -> Any:
    now_ns = server.drive.now_ns
    return {
        "now_ns": now_ns,
        "now_ist": hhmmss_of(now_ns),
        "day": server.market.day,
        "open_ns": server.market.open_ns,
        "close_ns": server.market.close_ns,
        "speed": server.settings.speed,
        "behind_ms": max(0, server.clock.now_ns() - now_ns) // 1_000_000,
    }


def _ledger(server: ExchangeServer, asked: dict[str, Any]) -> Any:
    names = ("exchange", "tradingsymbol", "product", "units")
    return [dict(zip(names, row, strict=True)) for row in server.exchange.ledger()]


def _account(server: ExchangeServer, asked: dict[str, Any]) -> Any:
    """The account's orders and trades as they are, whatever the broker's books show yet; its
    ledger; the updates that were sent, with what each said and to how many sockets; how often
    somebody logged in; and the time (ns UTC) of all that."""
    orders, trades = server.exchange.unlagged()
    return {
        "now_ns": server.drive.now_ns,
        "logins": server.exchange.logins,
        "orders": orders,
        "trades": trades,
        "ledger": _ledger(server, asked),
        "updates": list(server.relayed),
        "faults": [line.text() for line in server.faults.record],
    }


def account_of(server: ExchangeServer) -> bytes:
    """What ``/sim/account`` answers, as JSON."""
    return msgspec.json.encode(_account(server, {}))


def _clients(server: ExchangeServer, asked: dict[str, Any]) -> Any:
    return [
        {"tokens": {str(token): str(mode) for token, mode in modes.items()}}
        for modes in server.hub.subscriptions
    ]


def _faults(server: ExchangeServer, asked: dict[str, Any]) -> Any:
    return {
        "on": server.faults.kinds_on(),
        "record": [line.text() for line in server.faults.record],
        "kinds": {kind.name: kind.sentence for kind in KINDS},
    }


def _begin_fault(server: ExchangeServer, asked: dict[str, Any]) -> Any:
    server.faults.add(read_fault(asked, server.market.day, server.drive.now_ns))
    server.unfold()
    return _faults(server, asked)


def _end_fault(server: ExchangeServer, asked: dict[str, Any]) -> Any:
    kind = kind_of(asked.get("kind", ""))
    if server.faults.on(kind.name) is None:
        raise ControlError(f"{kind.name} is not on")
    server.faults.stop(kind.name)
    server.unfold()
    return _faults(server, asked)


def _advance(server: ExchangeServer, asked: dict[str, Any]) -> Any:
    if server.settings.speed:
        raise ControlError("time runs by itself here: start with speed 0 to move it by hand")
    server.drive.step(read_moment(asked, server.market.day, server.drive.now_ns))
    return _clock(server, asked)


def _foreign_order(server: ExchangeServer, asked: dict[str, Any]) -> Any:
    form = {name: str(value) for name, value in asked.items()}
    return server.exchange.foreign_order(server.drive.now_ns, form)


def _close(server: ExchangeServer, asked: dict[str, Any]) -> Any:
    venue, symbol, product = (
        str(asked.get(name, "")) for name in ("exchange", "tradingsymbol", "product")
    )
    held = {row[:3]: row[3] for row in server.exchange.ledger()}.get((venue, symbol, product), 0)
    units = asked.get("units", abs(held))
    if not held or type(units) is not int or units < 1:
        raise ControlError("give exchange, tradingsymbol and product of an open position")
    server.exchange.close_by_hand(server.drive.now_ns, venue, symbol, product, units)
    return _ledger(server, asked)


def _app(server: ExchangeServer, asked: dict[str, Any]) -> Any:
    """The addresses that the app is registered with."""
    for name in ("redirect_url", "postback_url"):
        if name in asked:
            address = asked[name]
            if address is not None and not (isinstance(address, str) and is_loopback(address)):
                raise ControlError(f"{name} must be an http address of this machine, or null")
            setattr(server, name, address)
    return {"redirect_url": server.redirect_url, "postback_url": server.postback_url}

"""The exchange's REST side: every route with its rules, and what each asks of the exchange.

Lives here: the route table, the readers of queries, forms and JSON, and the handlers. May import:
aiohttp, the exchange beside it. Always holds: a handler gives the ``data`` of an answer or raises
``KiteError``; envelopes, logins, limits and faults are ``gate.py``'s. Start reading at ``ROUTES``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

import msgspec
from aiohttp import web

from adapters.exchange_sim.errors import KiteError, input_error
from adapters.exchange_sim.exchange import Exchange
from adapters.exchange_sim.limits import HISTORICAL, ORDER, OTHER, QUOTE


class Call(NamedTuple):
    """One request as a handler sees it: the exchange, the session's time, and what was sent."""

    exchange: Exchange
    now_ns: int
    request: web.Request
    form: dict[str, str]
    items: Any
    address: str

    def path(self, name: str) -> str:
        """A variable of the path."""
        return self.request.match_info[name]

    def query(self, name: str) -> str | None:
        """A parameter of the query, or None."""
        return self.request.query.get(name)


class Csv(NamedTuple):
    """A dump: what a handler gives in place of JSON data."""

    body: bytes


Handler = Callable[[Call], Any]


class Route(NamedTuple):
    """One row: the name that faults and limits know it by, and who answers it.

    ``body`` is what the request carries: NOTHING, FORM or JSON. ``open`` needs no login.
    """

    name: str
    method: str
    path: str
    limit: str
    body: str
    handler: Handler
    open: bool = False


NOTHING, FORM, JSON = "NOTHING", "FORM", "JSON"


# --- session and user ----------------------------------------------------------------------------


def _exchange_token(call: Call) -> Any:
    return call.exchange.session_token(call.now_ns, call.form)


def _refresh_token(call: Call) -> Any:
    # Only approved platforms are given refresh tokens; everybody else is refused.
    raise KiteError(403, "TokenException", "Invalid `refresh_token`.")


def _invalidate(call: Call) -> Any:
    key, token = call.query("api_key") or "", call.query("access_token")
    if token is None:
        return _refresh_token(call)
    return call.exchange.invalidate(call.now_ns, key, token)


def _profile(call: Call) -> Any:
    return call.exchange.profile(call.now_ns)


def _margins(call: Call) -> Any:
    return call.exchange.margins(call.now_ns, call.request.match_info.get("segment"))


# --- orders --------------------------------------------------------------------------------------


def _place(call: Call) -> Any:
    return call.exchange.place(call.now_ns, call.path("variety"), call.form, call.address)


def _modify(call: Call) -> Any:
    variety, order_id = call.path("variety"), call.path("order_id")
    return call.exchange.modify(call.now_ns, variety, order_id, call.form, call.address)


def _cancel(call: Call) -> Any:
    variety, order_id = call.path("variety"), call.path("order_id")
    return call.exchange.cancel(call.now_ns, variety, order_id, call.address)


def _orders(call: Call) -> Any:
    return call.exchange.orders(call.now_ns)


def _order(call: Call) -> Any:
    return call.exchange.order_history(call.now_ns, call.path("order_id"))


def _trades(call: Call) -> Any:
    return call.exchange.trades(call.now_ns)


def _order_trades(call: Call) -> Any:
    return call.exchange.order_trades(call.now_ns, call.path("order_id"))


# --- portfolio -----------------------------------------------------------------------------------


def _positions(call: Call) -> Any:
    return call.exchange.positions(call.now_ns)


def _convert(call: Call) -> Any:
    return call.exchange.convert_position(call.now_ns, call.form)


def _holdings(call: Call) -> Any:
    return call.exchange.holdings(call.now_ns)


# --- market data ---------------------------------------------------------------------------------


def _instruments(call: Call) -> Any:
    return Csv(call.exchange.instruments_csv(call.request.match_info.get("exchange")))


def _quote(call: Call) -> Any:
    return call.exchange.quote(call.now_ns, _keys(call))


def _ohlc(call: Call) -> Any:
    return call.exchange.ohlc(call.now_ns, _keys(call))


def _ltp(call: Call) -> Any:
    return call.exchange.ltp(call.now_ns, _keys(call))


def _keys(call: Call) -> tuple[str, ...]:
    return tuple(call.request.query.getall("i", []))


def _historical(call: Call) -> Any:
    token = call.path("token")
    if not token.isdecimal():
        raise input_error("invalid token")
    return call.exchange.historical(
        call.now_ns,
        int(token),
        call.path("interval"),
        call.query("from") or "",
        call.query("to") or "",
        said_yes(call.query("oi")),
    )


# --- margins, charges, GTT -----------------------------------------------------------------------


def _order_margins(call: Call) -> Any:
    return call.exchange.order_margins(call.now_ns, call.items)


def _basket_margins(call: Call) -> Any:
    return call.exchange.basket_margins(
        call.now_ns, call.items, said_yes(call.query("consider_positions"))
    )


def _charges(call: Call) -> Any:
    return call.exchange.charges(call.now_ns, call.items)


def _gtt_place(call: Call) -> Any:
    return call.exchange.gtt_place(call.now_ns, call.form)


def _gtt_list(call: Call) -> Any:
    return call.exchange.gtt_list(call.now_ns)


def _gtt_get(call: Call) -> Any:
    return call.exchange.gtt_get(call.now_ns, call.path("trigger_id"))


def _gtt_modify(call: Call) -> Any:
    return call.exchange.gtt_modify(call.now_ns, call.path("trigger_id"), call.form)


def _gtt_delete(call: Call) -> Any:
    return call.exchange.gtt_delete(call.now_ns, call.path("trigger_id"))


ROUTES: Final[tuple[Route, ...]] = (
    Route("session", "POST", "/session/token", OTHER, FORM, _exchange_token, open=True),
    Route("session", "POST", "/session/refresh_token", OTHER, FORM, _refresh_token, open=True),
    Route("session", "DELETE", "/session/token", OTHER, NOTHING, _invalidate, open=True),
    Route("profile", "GET", "/user/profile", OTHER, NOTHING, _profile),
    Route("margins", "GET", "/user/margins", OTHER, NOTHING, _margins),
    Route("margins", "GET", "/user/margins/{segment}", OTHER, NOTHING, _margins),
    Route("place", "POST", "/orders/{variety}", ORDER, FORM, _place),
    Route("modify", "PUT", "/orders/{variety}/{order_id}", ORDER, FORM, _modify),
    Route("cancel", "DELETE", "/orders/{variety}/{order_id}", ORDER, NOTHING, _cancel),
    Route("orders", "GET", "/orders", OTHER, NOTHING, _orders),
    Route("order", "GET", "/orders/{order_id}", OTHER, NOTHING, _order),
    Route("trades", "GET", "/trades", OTHER, NOTHING, _trades),
    Route("order_trades", "GET", "/orders/{order_id}/trades", OTHER, NOTHING, _order_trades),
    Route("positions", "GET", "/portfolio/positions", OTHER, NOTHING, _positions),
    Route("convert", "PUT", "/portfolio/positions", OTHER, FORM, _convert),
    Route("holdings", "GET", "/portfolio/holdings", OTHER, NOTHING, _holdings),
    Route("instruments", "GET", "/instruments", OTHER, NOTHING, _instruments),
    Route("instruments", "GET", "/instruments/{exchange}", OTHER, NOTHING, _instruments),
    Route("quote", "GET", "/quote", QUOTE, NOTHING, _quote),
    Route("ohlc", "GET", "/quote/ohlc", QUOTE, NOTHING, _ohlc),
    Route("ltp", "GET", "/quote/ltp", QUOTE, NOTHING, _ltp),
    Route(
        "historical",
        "GET",
        "/instruments/historical/{token}/{interval}",
        HISTORICAL,
        NOTHING,
        _historical,
    ),
    Route("order_margins", "POST", "/margins/orders", OTHER, JSON, _order_margins),
    Route("order_margins", "POST", "/margins/basket", OTHER, JSON, _basket_margins),
    Route("charges", "POST", "/charges/orders", OTHER, JSON, _charges),
    Route("gtt", "POST", "/gtt/triggers", OTHER, FORM, _gtt_place),
    Route("gtt", "GET", "/gtt/triggers", OTHER, NOTHING, _gtt_list),
    Route("gtt", "GET", "/gtt/triggers/{trigger_id}", OTHER, NOTHING, _gtt_get),
    Route("gtt", "PUT", "/gtt/triggers/{trigger_id}", OTHER, FORM, _gtt_modify),
    Route("gtt", "DELETE", "/gtt/triggers/{trigger_id}", OTHER, NOTHING, _gtt_delete),
)
"""Everything the exchange serves over REST."""


def said_yes(text: str | None) -> bool:
    """A boolean as clients write it: ``True``, ``true``, ``1``."""
    return (text or "").lower() in ("true", "1")


async def read_form(request: web.Request) -> dict[str, str]:
    """The fields of a form: of one that is sent twice the first. Raises ``KiteError``."""
    try:
        fields = await request.post()
    except (ValueError, LookupError) as error:
        raise input_error(f"Invalid form: {error}") from error
    form: dict[str, str] = {}
    for name, value in fields.items():
        if isinstance(value, str):
            form.setdefault(name, value)
    return form


async def read_items(request: web.Request) -> Any:
    """The JSON of a body. Raises ``KiteError``."""
    try:
        return msgspec.json.decode(await request.read())
    except msgspec.DecodeError as error:
        raise input_error(f"Invalid JSON: {error}") from error


READERS: Final[dict[str, Callable[[web.Request], Awaitable[Any]]]] = {
    FORM: read_form,
    JSON: read_items,
}

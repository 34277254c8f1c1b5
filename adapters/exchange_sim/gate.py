"""What stands before every REST route: faults of the way, the login, the limits, the envelope.

Lives here: the one path from a request to its answer. May import: aiohttp, the parts beside it.
Always holds: an answer is one of the broker's envelopes (or, by a fault, what its edge would send,
or nothing); what was done before an answer was lost stays done. Start reading at ``Gate.answer``.
"""

from __future__ import annotations

import asyncio
import gzip
from contextlib import suppress
from typing import Any, Final, Protocol

import msgspec
from aiohttp import web

from adapters.exchange_sim.errors import (
    IP_REFUSED,
    KiteError,
    input_error,
    token_error,
    too_many,
)
from adapters.exchange_sim.exchange import Exchange
from adapters.exchange_sim.fault_state import Active, FaultState
from adapters.exchange_sim.limits import ORDER
from adapters.exchange_sim.rest import FORM, JSON, READERS, Call, Csv, Route

GZIP_BYTES: Final = 1_400
"""Answers from this size on are sent compressed to who can read them."""

DEAD: Final = ("rest_dead", "both_dead")
DEAD_TOKEN: Final = ("token_expiry", "second_login")
FOREIGN_ADDRESS: Final = "203.0.113.77"
"""From the range that documentation uses: no address of anybody."""

EMPTY: Final[dict[str, Any]] = {"positions": {"net": [], "day": []}}

PAGE: Final = """<html>
<head><title>{status} {reason}</title></head>
<body>
<center><h1>{status} {reason}</h1></center>
<hr><center>cloudflare</center>
</body>
</html>
"""


class Served(Protocol):
    """What the gate needs of the server."""

    exchange: Exchange
    faults: FaultState

    def now_ns(self) -> int:
        """The session's time, everything before it done."""
        ...

    def called(self) -> None:
        """Something may have changed: send what it caused, look again when something is due."""
        ...

    def logged_in(self) -> None:
        """The token was exchanged or given back: the sockets of the old one end."""
        ...

    async def session_sleep(self, milliseconds: int) -> None:
        """Wait in the session's time."""
        ...


class Gate:
    """Answers requests; one of it serves all routes."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End the waits of answers that a fault holds."""
        self._stopping.set()

    async def answer(self, route: Route, request: web.Request) -> web.StreamResponse:
        """One request, as the way to the broker and the broker treat it."""
        served, faults = self._served, self._served.faults
        now_ns = served.now_ns()
        if faults.on(*DEAD):
            return hang_up(request)
        try:
            if faults.strike(now_ns, "too_many_requests", route.name):
                raise too_many()
            error = faults.strike(now_ns, "server_error", route.name)
            if error is None:
                data = await self._done(route, request, now_ns)
            else:
                if error["accepted"]:
                    with suppress(KiteError):  # the page hides a refusal as it hides a success
                        await self._done(route, request, now_ns)
                return page(error["status"])
        except KiteError as refused:
            return envelope_of(refused, request)
        return await self._sent(route, request, data)

    async def _done(self, route: Route, request: web.Request, now_ns: int) -> Any:
        """The data of a request that came through. Raises ``KiteError``."""
        served = self._served
        if not route.open:
            self._check_login(request, now_ns)
        served.exchange.admit(now_ns, route.limit)
        if route.limit == ORDER and served.faults.on("refused_address"):
            raise KiteError(403, "PermissionException", IP_REFUSED.format(ip=FOREIGN_ADDRESS))
        content: Any = await READERS[route.body](request) if route.body in READERS else None
        # Reading the body may have taken time, and the session's time must not go back.
        now_ns = served.now_ns()
        call = Call(
            served.exchange,
            now_ns,
            request,
            form=content if route.body == FORM else {},
            items=content if route.body == JSON else None,
            address=request.remote or "",
        )
        empty = served.faults.strike(now_ns, "empty_answers", route.name)
        if empty is not None:
            return EMPTY.get(route.name, [])
        if route.name == "place":
            self._arm_reject(now_ns)
        try:
            data = route.handler(call)
        finally:
            served.called()
        if route.name == "session":
            served.logged_in()
        return data

    def _check_login(self, request: web.Request, now_ns: int) -> None:
        word, _, pair = request.headers.get("Authorization", "").partition(" ")
        key, _, token = pair.partition(":")
        if word != "token" or not self.is_login(key, token, now_ns):
            raise token_error()

    def is_login(self, key: str, token: str, now_ns: int) -> bool:
        """Whether an api key and an access token are alive."""
        if self._served.faults.on(*DEAD_TOKEN):
            return False
        return self._served.exchange.token_ok(now_ns, key, token)

    def _arm_reject(self, now_ns: int) -> None:
        hit = self._served.faults.strike(now_ns, "rejected_orders", "place")
        if hit is not None:
            self._served.exchange.faults.reject_next = hit["message"]

    async def _sent(self, route: Route, request: web.Request, data: Any) -> web.StreamResponse:
        """The answer to what was done, where nothing loses it on its way."""
        served, faults = self._served, self._served.faults
        if route.limit == ORDER:
            await served.session_sleep(served.exchange.behaviour.ack_ms)
        now_ns = served.now_ns()
        if faults.strike(now_ns, "lost_acknowledgement", route.name):
            return hang_up(request)
        held = faults.strike(now_ns, "accepted_but_timed_out", route.name)
        if held is not None:
            await self._hold(held)
            return page(504)
        if isinstance(data, Csv):
            return packed(request, data.body, "text/csv")
        return packed(request, msgspec.json.encode({"status": "success", "data": data}), JSON_TYPE)

    async def _hold(self, held: Active) -> None:
        try:
            async with asyncio.timeout(held["hold_ms"] / 1_000):
                await self._stopping.wait()
        except TimeoutError:
            return


JSON_TYPE: Final = "application/json"


def envelope_of(error: KiteError, request: web.Request) -> web.Response:
    """A refusal as the broker sends it, ``data`` null included."""
    fields = {
        "status": "error",
        "message": error.message,
        "data": None,
        "error_type": error.error_type,
    }
    return packed(request, msgspec.json.encode(fields), JSON_TYPE, status=error.http_status)


def packed(request: web.Request, body: bytes, kind: str, status: int = 200) -> web.Response:
    """A response, compressed where it is large and the client reads gzip."""
    headers = {}
    if len(body) >= GZIP_BYTES and "gzip" in request.headers.get("Accept-Encoding", ""):
        body, headers = gzip.compress(body, 6, mtime=0), {"Content-Encoding": "gzip"}
    return web.Response(body=body, status=status, content_type=kind, headers=headers)


def page(status: int) -> web.Response:
    """What the broker's edge sends when it does not reach what is behind it."""
    reason = web.Response(status=status).reason
    text = PAGE.format(status=status, reason=reason)
    return web.Response(text=text, status=status, content_type="text/html")


def hang_up(request: web.Request) -> web.Response:
    """Close the connection without an answer; the response that is given goes nowhere."""
    if request.transport is not None:
        request.transport.close()
    return web.Response(status=503)


@web.middleware
async def in_envelopes(request: web.Request, handler: Any) -> web.StreamResponse:
    """The server's own refusals (no such route or method, a body too large) in envelopes."""
    try:
        response: web.StreamResponse = await handler(request)
    except web.HTTPRequestEntityTooLarge:
        return envelope_of(input_error("Request body too large"), request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return envelope_of(KiteError(error.status, "GeneralException", error.reason), request)
    return response

"""The broker's login page as far as a program sees it: an app's link, and a request token back.

Lives here: the page that redirects. May import: aiohttp. Always holds: it leads to the app's own
address and, like every address the exchange is given, to this machine only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from aiohttp import web

if TYPE_CHECKING:
    from adapters.exchange_sim.server import ExchangeServer

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")

PAGE: Final = """<html>
<head><title>Simulated login</title></head>
<body>
<p>This app has no redirect address. Its request token, good once and for minutes:</p>
<p><code id="request_token">{token}</code></p>
</body>
</html>
"""


def login_routes(server: ExchangeServer) -> list[web.RouteDef]:
    """The login page. Nobody is asked for a password: whoever comes is the account's owner."""

    async def login(request: web.Request) -> web.StreamResponse:
        if request.query.get("api_key") != server.account.api_key:
            return web.Response(status=400, text="Invalid `api_key`.\n")
        token = server.exchange.login(server.now_ns())
        if server.redirect_url is None:
            return web.Response(text=PAGE.format(token=token), content_type="text/html")
        more = parse_qsl(request.query.get("redirect_params", ""))
        raise web.HTTPFound(redirected(server.redirect_url, token, more))

    return [web.get("/connect/login", login)]


def redirected(address: str, token: str, more: list[tuple[str, str]]) -> str:
    """The app's address with what the broker adds to its query."""
    parts = urlsplit(address)
    ours = {"action": "login", "type": "login", "status": "success", "request_token": token}
    query = [*parse_qsl(parts.query), *ours.items(), *more]
    return urlunsplit(parts._replace(query=urlencode(query)))


def is_loopback(address: str) -> bool:
    """Whether an http address is of this machine."""
    parts = urlsplit(address)
    return parts.scheme == "http" and parts.hostname in LOOPBACK

"""The way back from the broker's login page: a server of one answer on this machine.

Lives here: ``Callback`` and the reading of an answer that was pasted. May import: the standard
library, adapters.kite.secret. Always holds: bound to 127.0.0.1 and asked by that name only; an
answer counts once, and only with the state that this login sent along; nothing of a request is
logged.
Start reading at ``Callback``.

The page that is opened is ours and sends the browser on: the broker's address, with the key in it,
stands in no argument of a process. The answer's page takes the token out of the browser's history.
"""

from __future__ import annotations

import hmac
import re
import secrets
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Final
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from adapters.kite.secret import Secret, why_not_secret

HOST: Final = "127.0.0.1"
STATE_BYTES: Final = 24
REQUEST_TIMEOUT_S: Final = 10
POLL_S: Final = 0.05
"""How often the server looks whether it shall end."""
TEXT_MAX: Final = 4_096

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{4,256}")
_PAGE: Final = """<!doctype html><meta charset="utf-8"><title>axiom</title>
<script>history.replaceState(null, "", "/")</script>
<p>{text}</p>
"""


class LoginError(Exception):
    """The login did not come about: one line that says what to do, without a key or a token."""


def new_state() -> str:
    """A word that only this login knows."""
    return secrets.token_urlsafe(STATE_BYTES)


def login_address(page: str, api_key: Secret, state: str) -> str:
    """The broker's login page for our key; ``state`` comes back with the answer."""
    echoed = quote(urlencode({"state": state}), safe="")
    return f"{page}?v=3&api_key={quote(api_key.reveal(), safe='')}&redirect_params={echoed}"


def pasted_token(text: str, state: str) -> Secret:
    """The request token in what a person pasted: the token itself, or the whole address that the
    browser was sent back to. Raises ``LoginError``; an address with another login's state is one.
    """
    text = text.strip()
    if len(text) <= TEXT_MAX and _TOKEN.fullmatch(text) and why_not_secret(text) is None:
        return Secret(text)
    try:
        fields = parse_qs(urlsplit(text[:TEXT_MAX]).query)
    except ValueError:
        fields = {}
    if "request_token" not in fields:
        raise LoginError(
            "that is no request token and no address with one: paste the address that the browser "
            "was sent back to after the login"
        )
    return _token(fields, state)


def _token(fields: dict[str, list[str]], state: str) -> Secret:
    """The token of an answer's fields. Raises ``LoginError``."""
    given = fields.get("state", [""])[0]
    if not hmac.compare_digest(given.encode(), state.encode()):
        raise LoginError("that is the answer to another login: begin again with 'axiom login'")
    if fields.get("status", ["success"])[0] != "success":
        raise LoginError("the login was not completed: begin again with 'axiom login'")
    tokens = fields.get("request_token", [])
    if len(tokens) != 1 or not _TOKEN.fullmatch(tokens[0]):
        raise LoginError("the answer holds no request token: begin again with 'axiom login'")
    return Secret(tokens[0])


class Callback:
    """Waits on ``port`` of this machine (0: any) for the one answer; use with ``with``.

    Raises ``LoginError`` where the port is taken. ``start`` is the address to open in a browser.
    """

    def __init__(self, port: int, state: str, address_of: Callable[[], str]) -> None:
        self.start_path = "/" + secrets.token_urlsafe(STATE_BYTES)
        self._state, self._address_of = state, address_of
        self._lock = threading.Lock()
        self._token: Secret | None = None
        self._failed: LoginError | None = None
        self._answered = threading.Event()
        try:
            self._server = _Server((HOST, port), _Handler)
        except (OSError, OverflowError):
            raise LoginError(
                f"port {port} cannot be listened on: choose another with --port, and have it in "
                "the app's redirect address; or use --paste"
            ) from None
        self._server.callback = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(POLL_S,), name="login-callback"
        )

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def start(self) -> str:
        """The address to open: it sends the browser on to the login page."""
        return f"http://{HOST}:{self.port}{self.start_path}"

    def __enter__(self) -> Callback:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def wait(self, timeout_s: float) -> Secret:
        """The request token. Raises ``LoginError`` where none came in time, or the login failed."""
        if not self._answered.wait(timeout_s):
            raise LoginError(
                f"no login came back within {timeout_s:.0f} s: is http://{HOST}:{self.port} the "
                "app's redirect address? Or use --paste"
            )
        if self._token is None:
            assert self._failed is not None, "answered is a token or a failure"
            raise self._failed
        return self._token

    def answer(self, path: str, query: str) -> tuple[int, str, str | None]:
        """Status, sentence and where to go on, for one request."""
        fields = parse_qs(query)
        if path == self.start_path and not fields:
            return 302, "Going on to the broker's login.", self._address_of()
        if not fields.keys() & {"request_token", "state", "status"}:
            return 404, "There is nothing here.", None
        try:
            token = _token(fields, self._state)
        except LoginError as error:
            if hmac.compare_digest(fields.get("state", [""])[0].encode(), self._state.encode()):
                self._failed = error
                self._answered.set()
            return 403, "This answer is not to the login that is waited for.", None
        with self._lock:
            if self._answered.is_set():
                return 410, "This login was already answered.", None
            self._token = token
            self._answered.set()
        return 200, "Logged in. You can close this page and go back to the terminal.", None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    callback: Callback

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that hangs up half-way is not told of; a traceback might hold a token."""


class _Handler(BaseHTTPRequestHandler):
    timeout = REQUEST_TIMEOUT_S
    server_version = "axiom"
    sys_version = ""
    server: _Server

    def do_GET(self) -> None:
        """Answer a browser."""
        callback = self.server.callback
        if self.headers.get("Host") not in _hosts(callback.port):
            self._say(400, "This server is asked by the name 127.0.0.1 only.", None)
            return
        parts = urlsplit(self.path)
        self._say(*callback.answer(parts.path, parts.query))

    def _say(self, status: int, text: str, location: str | None) -> None:
        page = _PAGE.format(text=text).encode()
        self.send_response(status)
        if location is not None:
            self.send_header("Location", location)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Says nothing: a request's line holds the token."""


def _hosts(port: int) -> tuple[str, str]:
    return f"{HOST}:{port}", f"localhost:{port}"

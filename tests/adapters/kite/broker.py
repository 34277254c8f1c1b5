"""A small broker on loopback for the tests of the login: its login page and its session routes.

Lives here: ``Broker``. Always holds: loopback only; checks the checksum as the broker documents it;
every request that came is kept, so that a test can see what was sent.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import parse_qs, quote, urlsplit

KEY, SECRET, REQUEST, TOKEN = "canarykey81", "canarysecret82", "canaryrequest83", "canarytoken84"


class Broker:
    """``answer`` replaces the next answers: (status, content type, body). ``redirect`` is the app's
    redirect address. ``login_time`` is what a login says of its time."""

    def __init__(self) -> None:
        self.answer: tuple[int, str, bytes] | None = None
        self.location: str | None = None
        self.redirect = ""
        self.outcome = f"request_token={REQUEST}&action=login&status=success"
        self.login_time = "2026-11-26 08:41:07"
        self.requests: list[tuple[str, str, str]] = []
        self.headers: list[Mapping[str, str]] = []
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.broker = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="test-broker"
        )

    @property
    def root(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Broker:
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


class _Server(ThreadingHTTPServer):
    broker: Broker


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        """The login page: it sends the browser back at once."""
        broker, parts = self.server.broker, urlsplit(self.path)
        broker.requests.append(("GET", self.path, ""))
        fields = parse_qs(parts.query)
        back = f"{broker.redirect}?{broker.outcome}&{fields.get('redirect_params', [''])[0]}"
        good = parts.path == "/connect/login" and fields.get("api_key") == [KEY]
        self._say(302 if good else 404, "text/html", b"", back)

    def do_POST(self) -> None:
        """The token exchange."""
        size = int(self.headers["Content-Length"])
        self._answer("POST", self.rfile.read(size).decode())

    def do_DELETE(self) -> None:
        """The end of a login."""
        self._answer("DELETE", "")

    def _answer(self, method: str, body: str) -> None:
        broker = self.server.broker
        broker.requests.append((method, self.path, body))
        broker.headers.append(dict(self.headers))
        if broker.answer is not None:
            self._say(*broker.answer, broker.location)
            return
        if method == "DELETE":
            good = f"/session/token?api_key={KEY}&access_token={quote(TOKEN)}" == self.path
            self._json(200, {"status": "success", "data": True}) if good else self._dead()
            return
        fields = {name: values[0] for name, values in parse_qs(body).items()}
        checksum = hashlib.sha256(f"{KEY}{REQUEST}{SECRET}".encode()).hexdigest()
        if fields != {"api_key": KEY, "request_token": REQUEST, "checksum": checksum}:
            self._dead()
            return
        data = {"user_id": "AB1234", "api_key": KEY, "access_token": TOKEN, "refresh_token": "",
                "login_time": broker.login_time}  # fmt: skip
        self._json(200, {"status": "success", "data": data})

    def _dead(self) -> None:
        text = f"Token is invalid or has expired. ({REQUEST})"
        error = {"status": "error", "message": text, "error_type": "TokenException", "data": None}
        self._json(403, error)

    def _json(self, status: int, document: object) -> None:
        self._say(status, "application/json", json.dumps(document).encode(), None)

    def _say(self, status: int, kind: str, body: bytes, location: str | None) -> None:
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        if kind:
            self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Says nothing."""

"""A small REST server on loopback with the broker's envelopes and every bad manner of a network.

Lives here: ``RestServer``. Always holds: loopback only; every thread and socket ends with its
``with``; what was asked is kept, so that a test can count what left.
"""

from __future__ import annotations

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from adapters.kite.calls import Timeouts
from adapters.kite.credentials import Credentials
from adapters.kite.secret import Secret
from tests.adapters.kite import objects

DEADLINE_S = 20.0
JSON = "application/json"
KEY = "k3ycanary7f3a9c"
TOKEN = "t0kencanary91be44d2"
QUICK = Timeouts(connect_s=2.0, read_s=0.3, whole_s=0.3)
"""Short enough to wait out, long enough for loopback."""

PATIENT = Timeouts(connect_s=10.0, read_s=10.0, whole_s=10.0)


def login(user_id: str | None = "AB1234") -> Credentials:
    """Credentials whose key and token are canaries: whatever holds them has leaked them."""
    return Credentials(Secret(KEY), Secret(TOKEN), user_id, None, None, "environment")


class Canned:
    """One answer. ``manner``: good, drop (no answer at all), hang (none until the end), cut (less
    than was announced), drip (a byte at a time until the end), bare (no content type)."""

    def __init__(
        self,
        data: Any = None,
        status: int = 200,
        *,
        body: bytes | None = None,
        content_type: str = JSON,
        manner: str = "good",
        location: str | None = None,
    ) -> None:
        self.status = status
        envelope = {"status": "success", "data": data}
        self.body = json.dumps(envelope).encode() if body is None else body
        self.content_type = content_type
        self.manner = manner
        self.location = location


def refusal(error_type: str | None, status: int, message: str = "no") -> Canned:
    """An error in the broker's envelope, as real servers send it: with a null ``data``."""
    body: dict[str, Any] = {"status": "error", "message": message, "data": None}
    if error_type is not None:
        body["error_type"] = error_type
    return Canned(status=status, body=json.dumps(body).encode())


class Asked:
    """One request as it came."""

    def __init__(self, method: str, path: str, query: str, form: str, headers: Any) -> None:
        self.method = method
        self.path = path
        self.query = parse_qs(query)
        self.body = form
        self.form = {key: values[0] for key, values in parse_qs(form).items()}
        self.headers = headers


class RestServer:
    """Answers with ``answers[path]`` where there is one (a list is used up one by one, its last
    stays), else like a broker: placing puts an order into the book. ``at_order`` is the manner of
    the answer to an order message that was taken; ``listing`` False hides the book's new orders."""

    def __init__(self) -> None:
        self.answers: dict[str, Canned | list[Canned]] = {}
        self.asked: list[Asked] = []
        self.book: list[objects.Data] = []
        self.trade_rows: list[objects.Data] = []
        self.at_order = "good"
        self.listing = True
        self.ended = threading.Event()
        self.arrived = threading.Condition()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = DEADLINE_S

            def handle_any(self) -> None:
                server._handle(self)

            do_GET = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815 - the library's names

            def log_message(self, *_: Any) -> None:
                """Nothing is printed."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = False
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        self.root = f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> RestServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.ended.set()
        self._http.shutdown()
        self._thread.join(DEADLINE_S)
        self._http.server_close()

    def count(self, method: str) -> int:
        """How many requests of a method came."""
        return sum(asked.method == method for asked in self.asked)

    def wait_for(self, count: int) -> None:
        """Until so many requests have come."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.asked) >= count, DEADLINE_S)

    # --- the handler's thread --------------------------------------------------------------------

    def _handle(self, request: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(request.path)
        form = request.rfile.read(int(request.headers.get("Content-Length", 0))).decode()
        asked = Asked(request.command, parts.path, parts.query, form, dict(request.headers))
        with self.arrived:
            self.asked.append(asked)
            answer = self._answer(asked)
            self.arrived.notify_all()
        self._send(request, answer)

    def _answer(self, asked: Asked) -> Canned:
        canned = self.answers.get(asked.path)
        if isinstance(canned, list):
            return canned.pop(0) if len(canned) > 1 else canned[0]
        if canned is not None:
            return canned
        if asked.path.startswith("/orders/") and asked.method != "GET":
            return self._order(asked)
        routes: dict[str, Any] = {
            "/orders": self.book if self.listing else [],
            "/trades": self.trade_rows,
            "/portfolio/positions": {"net": [], "day": []},
            "/user/margins/equity": objects.margins(),
            "/user/profile": {"user_id": "AB1234"},
        }
        if asked.path not in routes:
            return refusal("GeneralException", 404, "Route not found")
        return Canned(routes[asked.path])

    def _order(self, asked: Asked) -> Canned:
        order_id = asked.path.rpartition("/")[2]
        if asked.method == "POST":
            order_id = str(1_000_000 + len(self.book))
            terms = {
                "order_id": order_id,
                "status": "OPEN",
                "average_price": 0,
                "filled_quantity": 0,
                "tag": asked.form["tag"],
                "tags": [asked.form["tag"]],
                "transaction_type": asked.form["transaction_type"],
                "quantity": int(asked.form["quantity"]),
            }
            self.book.append(objects.order(**terms))
        return Canned({"order_id": order_id}, manner=self.at_order)

    def _send(self, request: BaseHTTPRequestHandler, answer: Canned) -> None:
        request.close_connection = True
        if answer.manner == "hang":
            self.ended.wait(DEADLINE_S)
        if answer.manner in ("drop", "hang"):
            request.connection.shutdown(socket.SHUT_RDWR)
            return
        request.send_response(answer.status)
        request.send_header("Connection", "close")
        if answer.manner != "bare":
            request.send_header("Content-Type", answer.content_type)
        if answer.location is not None:
            request.send_header("Location", answer.location)
        short = 10 if answer.manner == "cut" else 0
        request.send_header("Content-Length", str(len(answer.body) + short))
        request.end_headers()
        if answer.manner != "drip":
            request.wfile.write(answer.body)
            return
        for byte in answer.body * 1000:
            if self.ended.wait(0.01):
                return
            try:
                request.wfile.write(bytes((byte,)))
            except OSError:
                return  # the client has had enough

"""Plain clients for tests of the server: one HTTP request, one WebSocket.

Lives here: ``ask`` and ``listen``. Always holds: every wait has a deadline.
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from adapters.exchange_sim.running import RunningExchange
from events.wire import kite

DEADLINE_S = 10.0
FORM = "application/x-www-form-urlencoded"


class Answer(NamedTuple):
    """A response: its status, its headers (names in lower case), its body uncompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)

    @property
    def data(self) -> Any:
        """The data of a success."""
        assert (self.status, self.json["status"]) == (200, "success"), self.body
        return self.json["data"]


def ask(
    root: str | RunningExchange,
    method: str,
    path: str,
    form: Any = None,
    *,
    items: Any = None,
    body: bytes | None = None,
    token: str | None = "demo:demo",
    headers: Mapping[str, str] | None = None,
    timeout_s: float = DEADLINE_S,
) -> Answer:
    """One request with a form (mapping or pairs), JSON ``items`` or a raw body."""
    address = urlsplit(root if isinstance(root, str) else root.rest)
    sent = {"X-Kite-Version": "3", **(headers or {})}
    if token is not None:
        sent.setdefault("Authorization", f"token {token}")
    if form is not None:
        body = urlencode(form).encode()
        sent.setdefault("Content-Type", FORM)
    if items is not None:
        body = json.dumps(items).encode()
    link = HTTPConnection(address.hostname or "", address.port, timeout=timeout_s)
    try:
        link.request(method, path, body, sent)
        response = link.getresponse()
        content = response.read()
        fields = {name.lower(): value for name, value in response.getheaders()}
        if fields.get("content-encoding") == "gzip":
            content = gzip.decompress(content)
        return Answer(response.status, fields, content)
    finally:
        link.close()


def until(condition: Callable[[], bool]) -> None:
    """Ask again and again until something is so. Raises AssertionError past the deadline."""
    ends = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < ends, "it did not come to be so"


class Socket:
    """An open WebSocket; what it hears is kept in order."""

    def __init__(self, link: ClientConnection) -> None:
        self.link = link

    def say(self, action: str, value: Any) -> None:
        """Send a request of the protocol."""
        self.link.send(json.dumps({"a": action, "v": value}))

    def hear(self, timeout_s: float = DEADLINE_S) -> bytes | str:
        """The next message of any kind. Raises ``TimeoutError``."""
        return self.link.recv(timeout=timeout_s)

    def hear_until(self, wanted: Callable[[bytes | str], bool]) -> bytes | str:
        """The next message that is wanted; others are passed over."""
        while not wanted(message := self.hear()):
            assert message is not None
        return message

    def frame(self) -> bytes:
        """The next frame with ticks."""
        message = self.hear_until(lambda m: isinstance(m, bytes) and len(m) > 1)
        assert isinstance(message, bytes)
        return message

    def ticks(self) -> dict[int, kite.Tick]:
        """The next frame's ticks by token."""
        return {tick.token: tick for tick in kite.decode_frame(self.frame())}

    def text(self, kind: str) -> Any:
        """The data of the next text message of a type."""

        def wanted(message: bytes | str) -> bool:
            return isinstance(message, str) and json.loads(message)["type"] == kind

        return json.loads(self.hear_until(wanted))["data"]

    def settle(self) -> None:
        """Wait until everything said so far was read by the server: a ping, and its pong."""
        assert self.link.ping().wait(DEADLINE_S)


@contextmanager
def listen(exchange: RunningExchange, token: str = "demo", key: str = "demo") -> Iterator[Socket]:
    """A WebSocket without pings of its own."""
    address = f"{exchange.ws}/?api_key={key}&access_token={token}"
    with connect(
        address,
        compression=None,
        ping_interval=None,
        open_timeout=DEADLINE_S,
        close_timeout=DEADLINE_S,
    ) as link:
        yield Socket(link)


def breaks(link: Socket) -> bool:
    """Whether a socket ends without a close frame, whatever it says before; false past the
    deadline or after a farewell."""
    try:
        link.hear_until(lambda message: False)
    except ConnectionClosed as closed:
        return closed.rcvd is None
    except TimeoutError:
        return False
    return False


def order_form(**fields: Any) -> dict[str, str]:
    """A buy of one lot of the call at 100.00 (below its ask), but for the fields given."""
    form: dict[str, Any] = {
        "exchange": "NFO",
        "tradingsymbol": "NIFTY26NOV22600CE",
        "transaction_type": "BUY",
        "quantity": 65,
        "product": "NRML",
        "order_type": "LIMIT",
        "price": 100,
        "validity": "DAY",
        **fields,
    }
    return {name: str(value) for name, value in form.items() if value is not None}

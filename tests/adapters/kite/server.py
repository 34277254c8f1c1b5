"""A small WebSocket server on loopback with the manners, good and bad, of the broker's feed.

Lives here: ``Server`` in a thread of its own, ``Outcome``, where a ticker's posts are waited for.
Always holds: loopback only; waiting is for an event with a deadline; every thread and socket ends
with its ``with``.
"""

from __future__ import annotations

import asyncio
import contextlib
import http
import json
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from adapters.kite.subscription import FULL
from adapters.kite.ticker import Outlet
from events.base import Event
from events.wire.kite import HEARTBEAT, encode_frame
from tests.adapters.kite.packets import SINCE_S, packet

DEADLINE_S = 20.0
BEAT_S = 0.03


class Server:
    """Takes handshakes, answers requests with a first snapshot, sends heartbeats.

    ``status`` is the answer to a handshake (101: taken), ``token`` the one that is good, ``manner``
    one of good, silent (a socket that says nothing), deaf (nor reads: pings are not answered) and
    drops (taken and dropped at once); ``ignores`` are tokens whose subscription is lost,
    ``stamp_s`` the exchange time of snapshots.
    """

    def __init__(self) -> None:
        self.status = 101
        self.token: str | None = None
        self.manner = "good"
        self.ignores: set[int] = set()
        self.stamp_s = SINCE_S
        self.paths: list[str] = []
        self.ended = 0
        self.headers: list[dict[str, str]] = []
        self.requests: list[dict[str, Any]] = []
        self.location: str | None = None
        self._loop = asyncio.new_event_loop()
        self._sockets: list[ServerConnection] = []
        self._ready = threading.Event()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="test-feed")
        self.port = 0

    @property
    def root(self) -> str:
        """Its address."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def open_now(self) -> int:
        """How many sockets are open."""
        return len(self._sockets)

    def __enter__(self) -> Server:
        self._thread.start()
        assert self._ready.wait(DEADLINE_S)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(DEADLINE_S)
        self._loop.close()

    def send(self, *messages: bytes | str) -> None:
        """Send to every open socket."""

        async def all_of_them() -> None:
            for socket in tuple(self._sockets):
                with contextlib.suppress(ConnectionClosed):
                    for message in messages:
                        await socket.send(message)

        asyncio.run_coroutine_threadsafe(all_of_them(), self._loop).result(DEADLINE_S)

    def drop(self) -> None:
        """End every socket without a closing handshake."""

        def abort() -> None:
            for socket in self._sockets:
                socket.transport.abort()

        self._loop.call_soon_threadsafe(abort)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._main())

    async def _main(self) -> None:
        async with serve(
            self._serve, "127.0.0.1", 0, process_request=self._request, close_timeout=0.1,
            ping_interval=None, compression=None,
        ) as server:  # fmt: skip
            self.port = next(iter(server.sockets)).getsockname()[1]
            self._ready.set()
            await self._end.wait()
            for socket in self._sockets:
                socket.transport.abort()

    def _request(self, connection: ServerConnection, request: Request) -> Response | None:
        self.paths.append(request.path)
        self.headers.append(dict(request.headers.raw_items()))
        given = parse_qs(urlsplit(request.path).query).get("access_token", [""])[0]
        status = 403 if self.token is not None and given != self.token else self.status
        if status == 101:
            return None
        response = connection.respond(http.HTTPStatus(status), "no\n")
        if self.location is not None:
            response.headers["Location"] = self.location
        return response

    async def _serve(self, socket: ServerConnection) -> None:
        if self.manner == "drops":
            socket.transport.abort()
            return
        self._sockets.append(socket)
        if self.manner == "deaf":
            socket.transport.pause_reading()
        beats = asyncio.create_task(self._beat(socket))
        try:
            async for text in socket:
                await self._asked(socket, json.loads(text))
        except ConnectionClosed:
            self.ended += 1
        finally:
            beats.cancel()
            self._sockets.remove(socket)

    async def _beat(self, socket: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            while not self._end.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._end.wait(), BEAT_S)
                if self.manner == "good":
                    socket.transport.resume_reading()  # of one that was deaf
                    await socket.send(HEARTBEAT)

    async def _asked(self, socket: ServerConnection, message: dict[str, Any]) -> None:
        self.requests.append(message)
        if message["a"] != "mode" or self.manner != "good":
            return
        mode, tokens = message["v"]
        shown = [packet(t, mode, self.stamp_s) for t in tokens if t not in self.ignores]
        if shown:
            await socket.send(encode_frame(shown))


class Outcome:
    """What a ticker posted; ``wait`` returns when something holds of it."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.orders: list[dict[str, Any]] = []
        self.told: list[tuple[str, str]] = []
        self._changed = threading.Condition()
        self.outlet = Outlet(
            lambda event: self._add(self.events, event),
            lambda order: self._add(self.orders, order),
            lambda kind, text: self._add(self.told, (kind, text)),
        )

    def kinds(self, kind: type[Event]) -> list[Any]:
        """The facts of one kind, in order."""
        with self._changed:
            return [event for event in self.events if isinstance(event, kind)]

    def wait(self, what: Callable[[], object], about: str = "") -> None:
        """Until ``what()`` is true; it is asked again with each post, and a few times a second."""
        with self._changed:
            for _ in range(int(DEADLINE_S * 20)):
                if what():
                    return
                self._changed.wait(0.05)
        raise AssertionError(f"not within {DEADLINE_S} s: {about}; {self.events[-5:]}")

    def _add(self, rows: list[Any], row: Any) -> None:
        with self._changed:
            rows.append(row)
            self._changed.notify_all()


def frames_of(tokens: Iterable[int], stamp_s: int = SINCE_S) -> bytes:
    """One frame of full packets."""
    return encode_frame([packet(token, FULL, stamp_s) for token in tokens])

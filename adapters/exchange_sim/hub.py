"""The exchange's WebSocket: handshake, subscriptions, frames, heartbeats, order updates.

Lives here: one ``Connection`` a client and the ``Hub`` that all of them hang on. May import:
events, aiohttp, the sans-I/O parts beside it. Always holds: what waits for a client is bounded, and
one that does not read is dropped; a connection gets only what it asked for, unless a fault says
otherwise. Start reading at ``Hub.serve``.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec
from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from adapters.exchange_sim.damage import malformed, shifted, truncated
from adapters.exchange_sim.fault_state import FaultState
from adapters.exchange_sim.modes import Mode, Subscription, SubscriptionError, packets_of
from adapters.markets.port import MarketFrame
from events.wire.kite import HEARTBEAT, FrameError

CONNECTIONS_MAX: Final = 3
"""Of one api key; the next is refused at the handshake."""

WAITING_BYTES_MAX: Final = 4 * 1024 * 1024
"""What may wait for one client beside the system's own buffers; past it the client is dropped."""

REQUEST_BYTES_MAX: Final = 1024 * 1024
META_EVERY: Final = 100
"""One heartbeat in so many is followed by a text message that clients do not know."""

OLD_NS: Final = 60_000_000_000
"""How old the ticks are, at least, that a stale first tick comes from."""

Message = bytes | str


class Connection:
    """One client: its subscription and what waits to be sent to it."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        self.subscription = Subscription()
        self._socket = socket
        self._transport = request.transport
        self._waiting: deque[Message] = deque()
        self._waiting_bytes = 0
        self._more = asyncio.Event()
        self.dropped = False

    def send(self, message: Message) -> None:
        """Put a message in line; a client with too much in line is dropped."""
        if self.dropped:
            return
        self._waiting.append(message)
        self._waiting_bytes += len(message)
        if self._waiting_bytes > WAITING_BYTES_MAX:
            self.drop()
        self._more.set()

    def drop(self) -> None:
        """Break the connection, as a lost network does: no close frame."""
        self.dropped = True
        self._waiting.clear()
        self._waiting_bytes = 0
        self._more.set()
        if self._transport is not None:
            self._transport.abort()

    async def send_all(self) -> None:
        """Send what is in line, for as long as the connection lives."""
        while not self.dropped:
            await self._more.wait()
            self._more.clear()
            while self._waiting:
                message = self._waiting.popleft()
                self._waiting_bytes -= len(message)
                try:
                    await self._send(message)
                except ConnectionError:
                    self.drop()

    async def _send(self, message: Message) -> None:
        if isinstance(message, str):
            await self._socket.send_str(message)
        else:
            await self._socket.send_bytes(message)

    async def pong(self, data: bytes) -> None:
        """Answer a ping, ahead of the line."""
        await self._socket.pong(data)

    async def close(self, code: int) -> None:
        """Answer a close frame, or begin to close."""
        await self._socket.close(code=code)

    async def receive(self) -> WSMessage:
        """The next message of the client."""
        return await self._socket.receive()


class Hub:
    """All connections, the newest packet of every token, and the faults between the two."""

    def __init__(self, faults: FaultState, heartbeat_s: float) -> None:
        self._faults = faults
        self._heartbeat_s = heartbeat_s
        self._connections: list[Connection] = []
        self._newest: dict[int, bytes] = {}
        self._old: dict[int, bytes] = {}
        self._older: dict[int, bytes] = {}
        self._old_ns = 0
        self._now_ns = 0

    def __len__(self) -> int:
        return len(self._connections)

    @property
    def subscriptions(self) -> tuple[Mapping[int, Mode], ...]:
        """What each connection asked for, for the controls and for tests."""
        return tuple(connection.subscription.modes for connection in self._connections)

    # --- what goes out

    def on_frame(self, now_ns: int, frame: MarketFrame) -> None:
        """Give the market's frame to who asked for it; its own heartbeats are not passed on."""
        self._now_ns = now_ns
        if len(frame.data) < 2:
            return
        try:
            packets: Sequence[tuple[int, bytes]] = packets_of(frame.data)
        except FrameError:
            # A recorded session may hold a frame that nobody can read: it was sent as it is.
            self._send_to_all(frame.data)
            return
        self._remember(now_ns, packets)
        whole = frame.data
        offset = self._faults.on("clock_offset")
        if offset is not None:
            packets = [(token, shifted(packet, offset["offset_ms"])) for token, packet in packets]
            whole = b""
        if self._is_quiet():
            return
        for connection in tuple(self._connections):
            data = connection.subscription.frame_of(packets, whole)
            if data is not None:
                connection.send(self._damaged(data))

    def on_update(self, data: Mapping[str, Any]) -> int:
        """Relay an order update to every connection; gives to how many."""
        if self._is_quiet():
            return 0
        text, connections = _text("order", data), tuple(self._connections)
        for connection in connections:
            connection.send(text)
        return len(connections)

    def on_message(self, text: str) -> int:
        """Relay words of the broker to every connection; gives to how many."""
        if self._is_quiet():
            return 0
        self._send_to_all(_text("message", text))
        return len(self._connections)

    def drop_all(self) -> None:
        """Break every connection."""
        for connection in tuple(self._connections):
            connection.drop()

    async def beat(self) -> None:
        """Heartbeats for as long as the server runs, in the machine's time."""
        count = 0
        while True:
            await asyncio.sleep(self._heartbeat_s)
            count += 1
            if not self._is_quiet():
                self._send_to_all(HEARTBEAT)
                if count % META_EVERY == 0:
                    self._send_to_all(self._meta())

    def _send_to_all(self, message: Message) -> None:
        for connection in tuple(self._connections):
            connection.send(message)

    def _remember(self, now_ns: int, packets: Sequence[tuple[int, bytes]]) -> None:
        self._newest.update(packets)
        if now_ns - self._old_ns >= OLD_NS:
            self._old, self._older, self._old_ns = dict(self._newest), self._old, now_ns

    def _damaged(self, data: bytes) -> bytes:
        faults = self._faults
        if faults.chance(self._now_ns, "malformed_frames"):
            return malformed(data, faults.draw)
        if faults.chance(self._now_ns, "truncated_frames"):
            return truncated(data, faults.draw)
        return data

    def _is_quiet(self) -> bool:
        """Whether open sockets send nothing just now."""
        if self._faults.on("silent_socket", "half_open_socket"):
            return True
        expired = self._faults.on("token_expiry")
        return expired is not None and expired["sockets"] == "quiet"

    def _meta(self) -> str:
        return _text("instruments_meta", {"count": len(self._newest), "etag": 'W/"sim"'})

    # --- what comes in

    async def serve(self, request: web.Request, now_ns: int) -> web.StreamResponse:
        """One connection from its handshake, which is already allowed, to its end."""
        self._now_ns = max(self._now_ns, now_ns)
        if len(self._connections) >= CONNECTIONS_MAX:
            return web.Response(status=429, text="too many connections of this api key\n")
        socket = web.WebSocketResponse(
            autoping=False, autoclose=False, compress=False, max_msg_size=REQUEST_BYTES_MAX
        )
        await socket.prepare(request)
        connection = Connection(socket, request)
        self._connections.append(connection)
        sender = asyncio.create_task(connection.send_all())
        if not self._is_quiet():
            connection.send(self._meta())
        storm = self._faults.on("socket_storm")
        if storm is not None:
            self._drop_later(connection, storm["live_ms"] / 1_000)
        try:
            await self._read(connection)
        finally:
            self._connections.remove(connection)
            sender.cancel()
            with suppress(asyncio.CancelledError):
                await sender
        return socket

    async def _read(self, connection: Connection) -> None:
        while True:
            message = await connection.receive()
            await self._thaw(connection)
            if connection.dropped or message.type in _ENDS:
                return
            if message.type == WSMsgType.CLOSE:
                await connection.close(message.data or WSCloseCode.OK)
                return
            if message.type == WSMsgType.PING:
                await connection.pong(message.data)
            elif message.type == WSMsgType.TEXT:
                self._requested(connection, message.data)

    async def _thaw(self, connection: Connection) -> None:
        """Wait for as long as a half-open socket lets nothing through."""
        while self._faults.on("half_open_socket") and not connection.dropped:
            await asyncio.sleep(HALF_OPEN_LOOK_S)

    def _requested(self, connection: Connection, text: str) -> None:
        try:
            action, value = read_request(text)
            if action == "subscribe":
                heard = connection.subscription.subscribe(self._heard("token", value))
            elif action == "mode":
                mode, tokens = value
                heard = connection.subscription.set_mode(mode, self._heard("mode", tokens))
            else:
                connection.subscription.unsubscribe(value)
                heard = ()
        except SubscriptionError as error:
            heard = ()
            if not self._is_quiet():
                connection.send(_text("error", str(error)))
        if heard and not self._is_quiet():
            stale = self._faults.on("stale_first_tick") is not None and bool(self._older)
            newest = self._older if stale else self._newest
            for frame in connection.subscription.snapshot(heard, newest):
                connection.send(frame)

    def _heard(self, lost: str, tokens: Sequence[int]) -> Sequence[int]:
        """The tokens of a request that the server hears: all, unless a fault loses some."""
        fault = self._faults.on("partial_subscription")
        if fault is None or fault["lost"] != lost:
            return tokens
        share = fault["share_per_mille"]
        heard = [token for token in tokens if self._faults.draw(1_000) >= share]
        if len(heard) < len(tokens):
            lost_count = len(tokens) - len(heard)
            self._faults.note(self._now_ns, "partial_subscription", f"loses {lost_count} tokens")
        return heard

    def _drop_later(self, connection: Connection, delay_s: float) -> None:
        asyncio.get_running_loop().call_later(delay_s, connection.drop)


def _text(kind: str, data: object) -> str:
    """A text message of the protocol."""
    return msgspec.json.encode({"type": kind, "data": data}).decode()


HALF_OPEN_LOOK_S: Final = 0.05
_ENDS: Final = (WSMsgType.CLOSED, WSMsgType.CLOSING, WSMsgType.ERROR)

_ACTIONS: Final = ("subscribe", "unsubscribe", "mode")


def read_request(text: str) -> tuple[str, Any]:
    """(action, its tokens) of a client's message; for ``mode`` (mode, tokens).

    Raises ``SubscriptionError``.
    """
    try:
        message: object = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise SubscriptionError(f"invalid message: {error}") from error
    fields = message if isinstance(message, dict) else {}
    action, value = fields.get("a"), fields.get("v")
    if action not in _ACTIONS:
        raise SubscriptionError(f"invalid action: {action!r}")
    if action != "mode":
        return action, _tokens(value)
    if not isinstance(value, list) or len(value) != 2 or value[0] not in tuple(Mode):
        raise SubscriptionError("invalid mode")
    return action, (Mode(value[0]), _tokens(value[1]))


def _tokens(value: object) -> list[int]:
    if not isinstance(value, list) or not all(type(t) is int and 0 <= t < 2**32 for t in value):
        raise SubscriptionError("invalid tokens: a list of numbers")
    return value

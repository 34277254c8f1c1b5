"""The feed's sockets: a thread that does what ``Link`` decides.

Lives here: ``Ticker``. May import: websockets, adapters.kite, events. Always holds: all decisions
are the link's; a frame is posted as it came, before anything looks into it; the address with the
token in it is made for one handshake and is neither logged nor part of any message, and a text that
repeats the login is handed on without it; the login is read again before each handshake; a
redirection is never followed.
Start reading at ``Ticker``.

One thread with one asyncio loop for all connections: the link sees every socket in one order and
needs no lock, and a frame costs no hand-over before ``post``. The threading interface of websockets
takes two threads a connection and passes each frame through a lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from adapters.kite.credentials import CredentialError, Credentials, TokenExpired
from adapters.kite.link import (
    LOST,
    Action,
    Drop,
    Limits,
    Link,
    LookForLogin,
    Open,
    Post,
    PostOrder,
    Send,
    Told,
)
from adapters.kite.roots import FEED_ROOT, checked_root, fence_loggers, is_loopback
from adapters.kite.subscription import Subscription, share_out
from events.base import Event
from events.feed import FeedStatus, HealthObserved

OPEN_TIMEOUT_S: Final = 10.0
PING_S: Final = 5.0
PONG_S: Final = 10.0
CLOSE_TIMEOUT_S: Final = 1.0
FRAME_MAX_BYTES: Final = 8 * 1024 * 1024
"""More than 32,767 full packets, the most that a frame can announce."""

HEADERS: Final = {"X-Kite-Version": "3"}
USER_AGENT: Final = "axiom"
NS_PER_S: Final = 1_000_000_000


def _steady_ns() -> int:
    """Nanoseconds that also count while the machine sleeps, where the system has such a clock."""
    return time.clock_gettime_ns(_STEADY)


_STEADY: Final[int] = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def _silent_logger() -> logging.Logger:
    """A logger that belongs to no tree, so that nobody can turn it up to where addresses are."""
    log = logging.Logger("axiom.kite.socket", logging.WARNING)
    log.addHandler(logging.NullHandler())
    return log


class _Connect(connect):
    """A handshake whose address, and so the token, goes to one host and no further."""

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


class Outlet(msgspec.Struct, frozen=True):
    """Where what came goes; each is called on the ticker's thread and must not wait.

    ``post`` takes facts in order of arrival, ``post_order`` the broker's order updates as they are,
    ``tell`` other texts for a person: their kind and their content.
    """

    post: Callable[[Event], None]
    post_order: Callable[[dict[str, Any]], None]
    tell: Callable[[str, str], None]


class Ticker:
    """The feed of one login. ``start`` and ``stop`` once each; ``subscribe`` from any thread.

    ``login`` reads the credentials anew (``CredentialError`` where there are none), ``session_ns``
    is the session clock, ``seed`` that of the jitter. Raises ``BadRoot``.
    """

    def __init__(
        self,
        login: Callable[[], Credentials],
        session_ns: Callable[[], int],
        outlet: Outlet,
        *,
        seed: int,
        root: str = FEED_ROOT,
        limits: Limits | None = None,
    ) -> None:
        fence_loggers()
        self.link = Link(limits or Limits(), Random(seed))
        self.failure: str | None = None
        self._root = checked_root(root, "wss")
        self._login, self._session_ns, self._outlet = login, session_ns, outlet
        self._used: Credentials | None = None
        self._wanted: tuple[Subscription, ...] = ()
        self._stopping = False
        self._broken: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._outboxes: dict[int, asyncio.Queue[str]] = {}
        self._thread = threading.Thread(target=self._run, name="kite-ticker", daemon=True)

    # --- from any thread -------------------------------------------------------------------------

    def start(self, wanted: Iterable[Subscription]) -> None:
        """Connect and subscribe to ``wanted``. Raises as ``subscribe``."""
        self.subscribe(wanted)
        self._thread.start()

    def subscribe(self, wanted: Iterable[Subscription]) -> None:
        """Want exactly these instruments from now on. Raises ``TooManyInstruments``."""
        limits, asked = self.link.limits, tuple(wanted)
        share_out([], asked, limits.tokens_max, limits.connections_max)
        with self._lock:
            self._wanted = asked
            loop = self._loop
        if loop is not None:
            self._call(loop, self._take_wanted)

    def stop(self, timeout_s: float = 5.0) -> bool:
        """Close every socket; False where the thread did not end in time."""
        with self._lock:
            self._stopping = True
            loop = self._loop
        if loop is not None:
            self._call(loop, self._wake_up)
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @staticmethod
    def _call(loop: asyncio.AbstractEventLoop, do: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has just ended: nothing is left to do
            loop.call_soon_threadsafe(do)

    # --- the thread ------------------------------------------------------------------------------

    def _run(self) -> None:
        """The thread's boundary: an error ends the feed, is kept by its place, and is a fact."""
        try:
            asyncio.run(self._main())
        except Exception as error:  # noqa: BLE001 - the thread's boundary; the text may hold a token
            place = traceback.extract_tb(error.__traceback__)[-1]
            self.failure = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
            connections = sorted(self._tasks)
            self._broken, self._tasks = None, {}  # they hold the error, and it its frames
            self._outlet.post(HealthObserved("TICKER_FAILED", "BAD", 1, 0))
            for connection in connections:
                self._outlet.post(FeedStatus(connection, LOST, False, 0))

    async def _main(self) -> None:
        self._wake = asyncio.Event()
        with self._lock:
            self._loop = asyncio.get_running_loop()
        self._take_wanted()
        self._do(self.link.start(_steady_ns()))
        try:
            while not self._stopping and self._broken is None:
                await self._until_due()
                self._do(self.link.due(_steady_ns()))
            if self._broken is not None:
                raise self._broken
            self._do(self.link.stop())
        finally:
            with self._lock:
                self._loop = None
            tasks = list(self._tasks.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _until_due(self) -> None:
        """Return when the link has something to do, or something happened that may bring it on."""
        due = self.link.next_due_ns()
        delay = None if due is None else max(0, due - _steady_ns()) / NS_PER_S
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await self._wake.wait()
        self._wake.clear()

    def _wake_up(self) -> None:
        self._wake.set()

    def _take_wanted(self) -> None:
        with self._lock:
            wanted = self._wanted
        self._happened(self.link.subscribe(_steady_ns(), wanted))

    def _happened(self, actions: list[Action]) -> None:
        """Do the actions, then see again when something is due."""
        self._do(actions)
        self._wake.set()

    def _do(self, actions: list[Action]) -> None:
        for one in actions:
            if isinstance(one, Post):
                self._outlet.post(one.event)
            elif isinstance(one, PostOrder):
                self._outlet.post_order(one.order)
            elif isinstance(one, Told):
                self._outlet.tell(one.kind, one.text)
            elif isinstance(one, Send):
                self._outboxes[one.connection].put_nowait(one.text)
            elif isinstance(one, Open):
                self._begin(one.connection)
            elif isinstance(one, Drop):
                self._tasks[one.connection].cancel()
            elif isinstance(one, LookForLogin):
                self._look()

    # --- one connection --------------------------------------------------------------------------

    def _begin(self, connection: int) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(connection))
        task.add_done_callback(self._ended)
        self._tasks[connection] = task

    def _ended(self, task: asyncio.Task[None]) -> None:
        """An error of ours in a connection's task ends the thread: it must not die unheard."""
        if not task.cancelled() and task.exception() is not None:
            self._broken = task.exception()
            self._wake.set()

    async def _serve(self, connection: int) -> None:
        """A connection from its handshake to its end, all of it told to the link."""
        socket = await self._opened(connection)
        if socket is None:
            return
        outbox = self._outboxes[connection] = asyncio.Queue[str]()
        self._happened(self.link.opened(_steady_ns(), connection, self._session_ns()))
        sending = asyncio.create_task(self._send(socket, outbox))
        try:
            async for message in socket:
                now = _steady_ns()
                if isinstance(message, bytes):
                    self._do(self.link.frame(now, connection, message))
                else:
                    self._do(self.link.text(now, connection, self._without_login(message)))
        except ConnectionClosed:
            reason = socket.close_code
            self._outlet.tell("closed", f"connection {connection}, code {reason}")
        finally:
            sending.cancel()
            # Not a closing handshake: of a socket that is given up nothing more is waited for.
            socket.transport.abort()
        self._happened(self.link.closed(_steady_ns(), connection))

    def _without_login(self, text: str) -> str:
        """A text of the broker's, which becomes an order's fact or is shown, without our login."""
        if self._used is None:
            return text
        return self._used.api_key.out_of(self._used.access_token.out_of(text))

    async def _opened(self, connection: int) -> ClientConnection | None:
        """The socket after its handshake; None where there is none, which the link was told."""
        now = _steady_ns()
        try:
            found = self._login()
        except TokenExpired as error:
            self._outlet.tell("login", str(error))
            self._happened(self.link.no_login(now, connection, "EXPIRED"))
            return None
        except CredentialError as error:
            self._outlet.tell("login", str(error))
            self._happened(self.link.no_login(now, connection, "UNKNOWN"))
            return None
        self._used = found
        self.link.login(found.user_id, found.expires_ns)
        try:
            return await self._handshake(found)
        except InvalidStatus as error:
            status = error.response.status_code
            self._happened(self.link.refused(_steady_ns(), connection, status))
        except (OSError, TimeoutError, WebSocketException, ImportError) as error:
            # ImportError: a proxy is configured of a kind that needs a package of its own.
            self._outlet.tell("unreachable", type(error).__name__)
            self._happened(self.link.failed(_steady_ns(), connection))
        return None

    async def _handshake(self, found: Credentials) -> ClientConnection:
        query = urlencode(
            {"api_key": found.api_key.reveal(), "access_token": found.access_token.reveal()}
        )
        return await _Connect(
            f"{self._root}/?{query}",
            additional_headers=HEADERS,
            user_agent_header=USER_AGENT,
            compression=None,
            proxy=None if is_loopback(self._root) else True,
            open_timeout=OPEN_TIMEOUT_S,
            ping_interval=PING_S,
            ping_timeout=PONG_S,
            close_timeout=CLOSE_TIMEOUT_S,
            max_size=FRAME_MAX_BYTES,
            logger=_silent_logger(),
        )

    async def _send(self, socket: ClientConnection, outbox: asyncio.Queue[str]) -> None:
        with contextlib.suppress(ConnectionClosed):  # the reader tells the link
            while True:
                await socket.send(await outbox.get())

    def _look(self) -> None:
        """Is there another login than the one that was refused?"""
        try:
            found = self._login()
        except CredentialError:
            return  # said when it was first met; the next look asks again
        if self._used is None or found.access_token != self._used.access_token:
            self._happened(self.link.new_login(_steady_ns()))

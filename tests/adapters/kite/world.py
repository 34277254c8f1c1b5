"""A broker under a virtual clock, for the feed's decisions: what the sockets would do, as a script.

Lives here: ``World``, which drives a ``Link`` and answers its actions at virtual times. Always
holds: no thread, no socket, no clock; everything that the link did is kept with its time.
"""

from __future__ import annotations

import heapq
import itertools
import json
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

from adapters.kite.link import (
    MS,
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
from adapters.kite.subscription import FULL, Subscription
from events.base import Event
from events.wire.kite import HEARTBEAT, encode_frame
from tests.adapters.kite.packets import SINCE_S, packet

HOUR_MS = 3_600_000
HEARTBEAT_MS = 2_500


class World:
    """A link, its virtual clock in ms, and a broker whose manners a test sets.

    ``answer`` is the HTTP status of a handshake (101: taken, 0: no answer at all), ``lives_ms`` how
    long a connection stands (None: for ever), ``beats`` whether heartbeats come, ``ignores`` the
    tokens whose subscription is lost, ``stamp_s`` the exchange time in what is sent.
    """

    def __init__(self, limits: Limits | None = None, seed: int = 1) -> None:
        self.link = Link(limits or Limits(), Random(seed))
        self.now_ms = 0
        self.answer: Callable[[int], int] = lambda _: 101
        self.lives_ms: int | None = None
        self.beats = True
        self.ignores: set[int] = set()
        self.lost_mode: set[int] = set()
        self.stamp_s: Callable[[], int] = lambda: SINCE_S + self.now_ms // 1000
        self.login_there = False
        self.opens: list[tuple[int, int]] = []
        self.requests: list[tuple[int, dict[str, Any]]] = []
        self.events: list[tuple[int, Event]] = []
        self.orders: list[dict[str, Any]] = []
        self.told: list[Told] = []
        self._socket: dict[int, int] = {}
        self._numbers = itertools.count()
        self._timers: list[tuple[int, int, Callable[[], None]]] = []

    def at(self, delay_ms: int, do: Callable[[], None]) -> None:
        """Do something later."""
        heapq.heappush(self._timers, (self.now_ms + delay_ms, next(self._numbers), do))

    def run(self, until_ms: int) -> None:
        """Let time pass to ``until_ms``."""
        while True:
            due_ns = self.link.next_due_ns()
            due = until_ms + 1 if due_ns is None else max(self.now_ms, -(-due_ns // MS))
            timer = self._timers[0][0] if self._timers else until_ms + 1
            if min(due, timer) > until_ms:
                break
            if timer <= due:
                self.now_ms, _, do = heapq.heappop(self._timers)
                do()
            else:
                self.now_ms = due
                self.do(self.link.due(due * MS))
        self.now_ms = until_ms

    def do(self, actions: Iterable[Action]) -> None:
        """What the glue does with actions."""
        for one in actions:
            if isinstance(one, Open):
                self.opens.append((self.now_ms, one.connection))
                self.at(20, lambda c=one.connection: self._answered(c))  # type: ignore[misc]
            elif isinstance(one, Send):
                assert one.connection in self._socket
                self.requests.append((one.connection, json.loads(one.text)))
                self._asked(one.connection, self.requests[-1][1])
            elif isinstance(one, Drop):
                self._socket.pop(one.connection, None)
            elif isinstance(one, LookForLogin):
                if self.login_there:
                    self.do(self.link.new_login(self.now_ms * MS))
            elif isinstance(one, Post):
                self.events.append((self.now_ms, one.event))
            elif isinstance(one, PostOrder):
                self.orders.append(one.order)
            else:
                self.told.append(one)

    def kinds(self, kind: type[Event]) -> list[Any]:
        """The facts of one kind, in order."""
        return [event for _, event in self.events if isinstance(event, kind)]

    def frame(self, connection: int, tokens: Iterable[int]) -> None:
        """Send full packets of ``tokens`` now."""
        data = encode_frame([packet(token, FULL, self.stamp_s()) for token in tokens])
        self.do(self.link.frame(self.now_ms * MS, connection, data))

    def close(self, connection: int) -> None:
        """The server, or the way to it, ends a connection."""
        if self._socket.pop(connection, None) is not None:
            self.do(self.link.closed(self.now_ms * MS, connection))

    def _answered(self, connection: int) -> None:
        status = self.answer(connection)
        now_ns = self.now_ms * MS
        if status == 101:
            number = self._socket[connection] = next(self._numbers)
            self.do(self.link.opened(now_ns, connection, (SINCE_S * 1000 + self.now_ms) * MS))
            self.at(HEARTBEAT_MS, lambda: self._beat(connection, number))
            if self.lives_ms is not None:
                self.at(self.lives_ms, lambda: self._dies(connection, number))
        elif status:
            self.do(self.link.refused(now_ns, connection, status))
        else:
            self.do(self.link.failed(now_ns, connection))

    def _beat(self, connection: int, number: int) -> None:
        if self._socket.get(connection) == number:
            if self.beats:
                self.do(self.link.frame(self.now_ms * MS, connection, HEARTBEAT))
            self.at(HEARTBEAT_MS, lambda: self._beat(connection, number))

    def _dies(self, connection: int, number: int) -> None:
        if self._socket.get(connection) == number:
            self.close(connection)

    def _asked(self, connection: int, message: dict[str, Any]) -> None:
        """A first snapshot of what is subscribed to in full mode, as the broker sends it."""
        if message["a"] == "mode":
            shown = [t for t in message["v"][1] if t not in self.ignores | self.lost_mode]
            if shown:
                self.at(5, lambda: self._shown(connection, shown))

    def _shown(self, connection: int, tokens: list[int]) -> None:
        if connection in self._socket:
            self.frame(connection, tokens)


def full(*tokens: int, essential: bool = False) -> list[Subscription]:
    """Subscriptions in full mode."""
    return [Subscription(token, FULL, essential) for token in tokens]

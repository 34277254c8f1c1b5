"""The threads that speak to the broker: messages and questions in, facts out.

Lives here: ``OrderWorker`` and ``ReadWorker``. May import: adapters.kite, engine.ports, events.
Always holds: whatever is handed in comes back as exactly one fact through ``post``, and one that
tells of a refused login is followed by an ``AuthStatus``, whoever asked for what; exits go before
entries, and one lane is kept for them, so that an exit never waits behind an entry that hangs;
an order has at most one message on its way; reads have a thread of their own and hold up no order;
an error inside a call is that call's fact and a ``HealthObserved`` BAD, and the thread goes on; a
thread that ends all the same is a fact too, and then nothing is left waiting for it.
Start reading at ``OrderWorker.send``, then ``ReadWorker``.
"""

from __future__ import annotations

import heapq
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from adapters.kite.broker import FAILED, KiteOrders, KiteReads, not_sent, unknown
from adapters.kite.history import HistoryRequest, load_history, no_history
from adapters.kite.order_form import AuthorityMisfit, UnsendableMessage
from adapters.kite.rate import OrderQueue, Waiting
from engine.ports import Authority, MarginQuery
from events.base import Event
from events.broker import (
    AuthStatus,
    BrokerSnapshot,
    MarginObserved,
    OrderLookup,
    OrderSendResult,
    OrderSendStarted,
    QuotesObserved,
)
from events.feed import HealthObserved, HistoryLoaded

WAITING_MAX: Final = 10_000
"""Messages, or questions, that may wait; more is an error of who asks, and is answered at once."""

CLOSE_PATIENCE_S: Final = 25.0
"""More than a call can take: its place in the budget, its connection, its answer."""

CLOSING, BUDGET, NEW, TOKEN = "CLOSING", "BUDGET", "NEW", "TOKEN"
LOOKUP, BOOKS, QUOTES, HISTORY = range(4)
"""Questions in the order in which they are asked: what decides about an unknown order first."""

Post = Callable[[Event], None]


def guarded(
    do: Callable[[], Event], otherwise: Callable[[Exception], Event]
) -> tuple[Event, str | None]:
    """What a call gave, or the fact that stands for it and where it broke (without its text, which
    may hold anything)."""
    try:
        return do(), None
    except Exception as error:  # noqa: BLE001 - a thread's boundary: what breaks becomes a fact
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
        return otherwise(error), where


def says_no_login(answer: Event) -> bool:
    """Whether an answer of any kind says that the broker does not take the login (any more)."""
    if isinstance(answer, BrokerSnapshot):
        return any(one.endswith(f" {TOKEN}") for one in answer.failed)
    if isinstance(
        answer, OrderSendResult | OrderLookup | QuotesObserved | HistoryLoaded | MarginObserved
    ):
        return answer.fault == TOKEN
    return False


class OrderWorker:
    """Sends order messages on as many lanes as it is given brokers; the first lane of several is
    for exits alone. ``post`` is called from the lanes' threads and from ``close``."""

    def __init__(self, lanes: Sequence[KiteOrders], post: Post) -> None:
        if not lanes:
            raise ValueError("an order worker needs a broker to send to")
        self._post = post
        self._queue = OrderQueue()
        self._busy: set[str] = set()
        self._closing = False
        self._lanes = len(lanes)
        self._changed = threading.Condition()
        self.failure: str | None = None
        self._threads = [
            threading.Thread(
                target=self._run,
                args=(broker, number == 0),
                name=f"kite-orders-{number}",
                daemon=True,
            )
            for number, broker in enumerate(lanes)
        ]

    def start(self) -> None:
        """Begin to send."""
        for thread in self._threads:
            thread.start()

    def send(self, message: OrderSendStarted, authority: Authority) -> None:
        """Have a message sent whose start is durable; its ``OrderSendResult`` will be posted."""
        with self._changed:
            full = len(self._queue) >= WAITING_MAX
            fault = CLOSING if self._closing or not self._lanes else BUDGET if full else None
            if fault is None:
                self._queue.put(Waiting(message, authority))
                self._changed.notify_all()
        if fault is not None:
            self._post(not_sent(message, fault))

    def close(self, patience_s: float = CLOSE_PATIENCE_S) -> bool:
        """Tell of what waits that it was not sent, let what is on its way come back, and end.
        False where a thread did not end in time."""
        with self._changed:
            self._closing = True
            rest = self._queue.drain()
            self._changed.notify_all()
        for item in rest:
            self._post(not_sent(item.message, CLOSING))
        return _joined(self._threads, patience_s)

    def _run(self, broker: KiteOrders, for_exits: bool) -> None:
        try:
            while (item := self._next(for_exits)) is not None:
                self._send(broker, item)
                with self._changed:
                    self._busy.remove(item.message.order_id)
                    self._changed.notify_all()
        finally:
            broker.close()
            self._ended()

    def _ended(self) -> None:
        """A lane is gone. One that was not asked to end is a fact; the last one leaves nothing
        waiting."""
        with self._changed:
            self._lanes -= 1
            left, asked = self._lanes, self._closing
            rest = self._queue.drain() if left == 0 else ()
            self._changed.notify_all()
        if not asked:
            self._post(HealthObserved("ORDER_LANES", "BAD", left, len(self._threads)))
        for item in rest:
            self._post(not_sent(item.message, CLOSING))

    def _next(self, for_exits: bool) -> Waiting | None:
        with self._changed:
            while True:
                alone = self._lanes == 1  # nobody else would take the entries
                item = self._queue.take(frozenset(self._busy), for_exits and not alone)
                if item is not None:
                    self._busy.add(item.message.order_id)
                    return item
                if self._closing:
                    return None
                self._changed.wait()

    def _send(self, broker: KiteOrders, item: Waiting) -> None:
        message = item.message

        def otherwise(error: Exception) -> Event:
            # These two are raised before anything leaves; of any other nothing is known.
            if isinstance(error, AuthorityMisfit | UnsendableMessage):
                return not_sent(message, "UNSENDABLE")
            return unknown(message, NEW)

        result, failure = guarded(lambda: broker.send(message, item.authority), otherwise)
        self._post(result)
        if says_no_login(result):
            self._post(broker.refused_login())
        if failure is not None:
            self.failure = failure
            self._post(HealthObserved("ORDER_WORKER_FAILED", "BAD", 1, 0))


class Question:
    """One thing to ask the broker: what to do, and the fact where it could not be done."""

    def __init__(self, do: Callable[[], Event], otherwise: Callable[[str], Event]) -> None:
        self.do = do
        self.otherwise = otherwise

    def broken(self, _error: Exception) -> Event:
        """The fact where asking broke."""
        return self.otherwise(NEW)


class ReadWorker:
    """Asks the broker, one question after the other; an unknown order before everything else,
    history last. ``clock`` is the session clock (ns UTC): a question's time is when it is asked,
    not when it was put. ``post`` is called from its thread and from ``close``."""

    def __init__(self, reads: KiteReads, post: Post, clock: Callable[[], int]) -> None:
        self._reads = reads
        self._post = post
        self._clock = clock
        self._waiting: list[tuple[int, int, Question]] = []
        self._put = 0
        self._closing = False
        self._changed = threading.Condition()
        self.failure: str | None = None
        self._thread = threading.Thread(target=self._run, name="kite-reads", daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def snapshot(self, trigger: str) -> None:
        """Order book, trades, positions and funds; posts a ``BrokerSnapshot``."""
        self._ask(
            BOOKS,
            lambda: self._reads.snapshot(trigger, self._clock()),
            lambda fault: no_snapshot(trigger, self._clock(), fault),
        )

    def lookup(self, order_id: str, tag: str, broker_order_id: str | None) -> None:
        """One order of ours; posts an ``OrderLookup``."""
        self._ask(
            LOOKUP,
            lambda: self._reads.lookup(order_id, tag, broker_order_id, self._clock()),
            lambda fault: OrderLookup(order_id, tag, self._clock(), FAILED, None, fault),
        )

    def quotes(self, names: Sequence[tuple[int, str]]) -> None:
        """Quotes by (instrument, ``EXCHANGE:SYMBOL``); posts a ``QuotesObserved``."""
        self._ask(
            QUOTES,
            lambda: self._reads.quotes(names, self._clock()),
            lambda fault: QuotesObserved(self._clock(), (), fault),
        )

    def margin(self, query: MarginQuery) -> None:
        """What the broker asks for a pair; posts a ``MarginObserved``."""
        self._ask(
            QUOTES,
            lambda: self._reads.margin(query, self._clock()),
            lambda fault: no_margin(query, self._clock(), fault),
        )

    def auth(self) -> None:
        """Whether the login is taken; posts an ``AuthStatus``."""
        self._ask(
            BOOKS,
            lambda: self._reads.auth(self._clock()),
            lambda fault: AuthStatus("UNKNOWN", None, None, fault),
        )

    def history(self, request: HistoryRequest) -> None:
        """Candles of one instrument; posts a ``HistoryLoaded``."""
        self._ask(
            HISTORY,
            lambda: load_history(self._reads, request),
            lambda fault: no_history(request, fault),
        )

    def close(self, patience_s: float = CLOSE_PATIENCE_S) -> bool:
        """Answer what waits with the fault CLOSING, let the question that is being asked come
        back, and end. False where the thread did not end in time."""
        with self._changed:
            self._closing = True
        self._give_back()
        return _joined([self._thread], patience_s)

    def _give_back(self) -> None:
        with self._changed:
            rest, self._waiting = sorted(self._waiting, key=lambda row: row[:2]), []
            self._changed.notify_all()
        for _, _, question in rest:
            self._post(question.otherwise(CLOSING))

    def _ask(self, rank: int, do: Callable[[], Event], otherwise: Callable[[str], Event]) -> None:
        question = Question(do, otherwise)
        with self._changed:
            full = len(self._waiting) >= WAITING_MAX
            fault = CLOSING if self._closing else BUDGET if full else None
            if fault is None:
                self._put += 1
                heapq.heappush(self._waiting, (rank, self._put, question))
                self._changed.notify_all()
        if fault is not None:
            self._post(otherwise(fault))

    def _run(self) -> None:
        try:
            while (question := self._next()) is not None:
                answer, failure = guarded(question.do, question.broken)
                self._post(answer)
                if says_no_login(answer):
                    self._post(self._reads.refused_login())
                if failure is not None:
                    self.failure = failure
                    self._post(HealthObserved("READ_WORKER_FAILED", "BAD", 1, 0))
        finally:
            self._reads.close()
            self._ended()

    def _ended(self) -> None:
        """The thread is gone. Where it was not asked to end that is a fact, and nothing is left
        waiting."""
        with self._changed:
            asked, self._closing = self._closing, True
        if not asked:
            self._post(HealthObserved("READ_THREADS", "BAD", 0, 1))
            self._give_back()

    def _next(self) -> Question | None:
        with self._changed:
            while not self._waiting:
                if self._closing:
                    return None
                self._changed.wait()
            return heapq.heappop(self._waiting)[2]


def no_margin(query: MarginQuery, asked_ns: int, fault: str) -> MarginObserved:
    """A question about a pair that was not answered."""
    pair = query.contract, query.sold_contract, query.quantity_units
    return MarginObserved(asked_ns, *pair, None, fault)


def no_snapshot(trigger: str, asked_ns: int, fault: str) -> BrokerSnapshot:
    """A snapshot of which nothing was received."""
    books = ("orders", "trades", "positions", "funds")
    return BrokerSnapshot(
        trigger=trigger,
        asked_ts=asked_ns,
        orders=None,
        trades=None,
        positions=None,
        funds=None,
        failed=tuple(f"{book} {fault}" for book in books),
    )


def _joined(threads: Sequence[threading.Thread], patience_s: float) -> bool:
    until = time.monotonic() + patience_s
    for thread in threads:
        if thread.ident is not None:
            thread.join(max(0.0, until - time.monotonic()))
    return not any(thread.is_alive() for thread in threads)

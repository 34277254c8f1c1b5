"""The way from the core to a broker: messages start, then leave; questions are asked in time.

Lives here: what the live driver calls after every group where orders go to a broker. May import:
events, engine. Always holds: a message leaves only when its start is durable, with the authority
that its order has; nothing waits here: the worker sends in a thread of its own, and what comes back
is a fact; at most one question about an order, one for the books, one for the login is open at a
time.
Start reading at ``BrokerOutward.starts``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from engine.core import Derived
from engine.history import HistoryQuery, history_due
from engine.orders.margin import margins_due
from engine.orders.outbox import (
    Context,
    Query,
    auth_due,
    authority_of,
    lookups_due,
    next_message,
    quotes_due,
    snapshot_due,
)
from engine.ports import Authority, MarginQuery
from engine.state import State
from events.base import Event
from events.broker import (
    AuthStatus,
    BrokerSnapshot,
    MarginObserved,
    OrderLookup,
    OrderSendStarted,
    QuotesObserved,
)
from events.feed import FeedFrame, HistoryLoaded

ASK_EVERY_NS: Final = 200_000_000
QUOTES_EVERY_NS: Final = 1_000_000_000


class Worker(Protocol):
    """Takes messages and questions and returns at once; every answer comes back as a fact."""

    def send(self, message: OrderSendStarted, authority: Authority) -> None: ...

    def ask_auth(self) -> None: ...

    def ask_snapshot(self, trigger: str) -> None: ...

    def ask_lookup(self, query: Query) -> None: ...

    def ask_margin(self, query: MarginQuery) -> None: ...

    def ask_quotes(self, names: tuple[tuple[int, str], ...]) -> None: ...

    def ask_history(self, query: HistoryQuery) -> None: ...


class BrokerOutward:
    """``engine.sink.Outward`` of a session whose orders go to a broker.

    ``state`` gives the core's state, ``context`` what is kept with each message for the audit.
    """

    def __init__(
        self, state: Callable[[], State], worker: Worker, context: Callable[[], Context]
    ) -> None:
        self._state = state
        self._worker = worker
        self._context = context
        self._looking: set[str] = set()
        self._candles: set[int] = set()
        self._margins: set[tuple[int, int]] = set()
        self._books_asked = False
        self._login_asked = False
        self._asked_ns = 0
        self._quotes_asked_ns = 0
        self._quotes_open = False

    def starts(
        self, now_ns: int, event: Event, derived: Sequence[Derived]
    ) -> Sequence[OrderSendStarted]:
        """The next message's start, if one should leave; asked again until there is none. A frame
        that led to nothing wants nothing, and the state is not asked for after it."""
        if isinstance(event, FeedFrame) and not derived:
            return ()
        message = next_message(self._state(), self._context())
        return () if message is None else (message,)

    def release(self, now_ns: int, event: Event, derived: Sequence[Derived]) -> None:
        """Let a started message go; note what is answered, and ask what is due."""
        if isinstance(event, OrderSendStarted):
            self._worker.send(event, authority_of(self._state(), event))
        elif isinstance(event, OrderLookup):
            self._looking.discard(event.order_id)
        elif isinstance(event, BrokerSnapshot):
            self._books_asked = False
        elif isinstance(event, AuthStatus):
            self._login_asked = False
        elif isinstance(event, QuotesObserved):
            self._quotes_open = False
        elif isinstance(event, MarginObserved):
            self._margins.discard((event.contract, event.sold_contract))
        elif isinstance(event, HistoryLoaded):
            self._candles.discard(event.instrument)
        if now_ns - self._asked_ns >= ASK_EVERY_NS or not isinstance(event, FeedFrame):
            self._asked_ns = now_ns
            self._ask(now_ns)

    def _ask(self, now_ns: int) -> None:
        state = self._state()
        for query in lookups_due(state):
            if query.order_id not in self._looking:
                self._looking.add(query.order_id)
                self._worker.ask_lookup(query)
        if not self._login_asked and auth_due(state):
            self._login_asked = True
            self._worker.ask_auth()
        trigger = None if self._books_asked else snapshot_due(state)
        if trigger is not None:
            self._books_asked = True
            self._worker.ask_snapshot(trigger)
        names = quotes_due(state)
        if names and not self._quotes_open and now_ns - self._quotes_asked_ns >= QUOTES_EVERY_NS:
            self._quotes_open, self._quotes_asked_ns = True, now_ns
            self._worker.ask_quotes(names)
        for pair in margins_due(state):
            if (pair.contract, pair.sold_contract) not in self._margins:
                self._margins.add((pair.contract, pair.sold_contract))
                self._worker.ask_margin(pair)
        for wanted in history_due(state):
            if wanted.instrument not in self._candles:
                self._candles.add(wanted.instrument)
                self._worker.ask_history(wanted)

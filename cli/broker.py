"""A broker behind a session: its threads, the way of messages to it, and of its words back.

Lives here: ``Desk``, the outside of a session whose orders go to a broker. May import: everything
it wires. Always holds: nothing here decides; a message leaves only through ``BrokerOutward``, once
its start is durable; order updates are facts, whatever they hold; at ``stop`` the last answer has
been posted. ``kiteconnect`` is imported by ``adapters.kite.broker`` alone, when a broker is made.
Start reading at ``Desk``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from adapters.kite.calls import Timeouts
from cli.candles import ask_history
from cli.feed import Login
from engine.history import HistoryQuery
from engine.orders.outbox import AFTER_CLOSE, Context, Query
from engine.orders.outward import BrokerOutward
from engine.ports import Authority, MarginQuery
from engine.sink import Outward
from engine.state import State
from events.base import Event
from events.broker import BrokerSnapshot, OrderSendStarted
from events.feed import HealthObserved

if TYPE_CHECKING:
    from adapters.kite.rate_file import OrderBudget
    from adapters.session.clock import SessionClock
    from adapters.session.inbox import Post

LANES: Final = 2
"""Messages on their way at once: the first lane is for exits alone."""

CLOSING_S: Final = 15.0
"""So long a session waits for the broker's books at its end."""

PATIENCE_S: Final = 1.0
"""The least that an answer is waited for, however fast the session's time runs."""

SOCKET: Final = "SOCKET"
UNREADABLE: Final = "ORDER_UPDATES"


def timeouts_at(rate: int) -> Timeouts:
    """How long answers are waited for in a session of so many market seconds a second: a message
    that hangs for the usual seconds would hang for most of an hour of a market that is 400 times
    as fast, and nothing else can be said of its order meanwhile."""
    usual = Timeouts()
    if rate == 1:
        return usual
    return Timeouts(
        *(max(getattr(usual, name) / rate, PATIENCE_S) for name in usual.__struct_fields__)
    )


class Desk:
    """The broker's threads for one session. ``counted`` counts the account's messages, ``context``
    is what is kept with each message for the audit, ``halted`` the kill switch."""

    def __init__(
        self,
        login: Login,
        rest: str,
        counted: OrderBudget,
        post: Post,
        clock: SessionClock,
        context: Callable[[], Context],
        halted: Callable[[], bool],
    ) -> None:
        from adapters.kite.broker import KiteOrders, KiteReads, Silence
        from adapters.kite.worker import OrderWorker, ReadWorker

        self._post, self._clock, self._context = post, clock, context
        timeouts, silence = timeouts_at(clock.rate), Silence()
        lanes = [
            KiteOrders(login, counted, silence, halted=halted, root=rest, timeouts=timeouts)
            for _ in range(LANES)
        ]
        self._orders = OrderWorker(lanes, post)
        self._reads = ReadWorker(
            KiteReads(login, root=rest, timeouts=timeouts), self._answered, clock.now_ns
        )
        self._damaged = 0
        self._stopped = False
        self._closing = threading.Event()

    def start(self, state: Callable[[], State]) -> Outward:
        """Begin to speak. What is asked first is whether the login is taken."""
        self._orders.start()
        self._reads.start()
        return BrokerOutward(state, self, self._context)

    def on_update(self, order: dict[str, Any]) -> None:
        """An order update as it came. One that cannot be read is a fact too: nothing is lost
        unseen, and the next comparison of the books has it."""
        from adapters.kite.reports import DamagedData, update_of

        try:
            self._post(update_of(SOCKET, order))
        except DamagedData:
            self._damaged += 1
            self._post(HealthObserved(UNREADABLE, "BAD", self._damaged, 0))

    def _answered(self, event: Event) -> None:
        """What was asked for. Whole books make up for updates that could not be read."""
        self._post(event)
        if isinstance(event, BrokerSnapshot) and event.trigger == AFTER_CLOSE:
            self._closing.set()
        if self._damaged and isinstance(event, BrokerSnapshot) and event.orders is not None:
            self._damaged = 0
            self._post(HealthObserved(UNREADABLE, "OK", 0, 0))

    def stop(self) -> None:
        """No more messages; what is on its way comes back first, then the books as they are at the
        end. Where they do not come, the session says that it closed without them."""
        if self._stopped:
            return
        self._stopped = True
        self._orders.close()
        self._reads.snapshot(AFTER_CLOSE)
        self._closing.wait(CLOSING_S)
        self._reads.close()

    # --- engine.orders.outward.Worker ------------------------------------------------------------

    def send(self, message: OrderSendStarted, authority: Authority) -> None:
        self._orders.send(message, authority)

    def ask_auth(self) -> None:
        self._reads.auth()

    def ask_snapshot(self, trigger: str) -> None:
        self._reads.snapshot(trigger)

    def ask_lookup(self, query: Query) -> None:
        self._reads.lookup(query.order_id, query.tag, query.broker_order_id)

    def ask_history(self, query: HistoryQuery) -> None:
        ask_history(self._reads, query)

    def ask_margin(self, query: MarginQuery) -> None:
        self._reads.margin(query)

    def ask_quotes(self, names: tuple[tuple[int, str], ...]) -> None:
        self._reads.quotes(names)

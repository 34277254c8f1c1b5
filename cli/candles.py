"""Candles for a session on the paper broker: what was missed of the feed is asked for.

Lives here: ``Candles``, the ``Outward`` of a session that sends nothing. May import: everything it
wires. Always holds: it only reads; one question an instrument is open at a time; what comes back is
a fact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from engine.core import Derived
from engine.history import HistoryQuery, history_due
from engine.orders.outbox import auth_due
from engine.orders.outward import ASK_EVERY_NS
from engine.state import State
from events.base import Event
from events.broker import AuthStatus
from events.feed import FeedFrame, HistoryLoaded

if TYPE_CHECKING:
    from adapters.kite.broker import KiteReads
    from adapters.kite.worker import ReadWorker
    from adapters.session.clock import SessionClock
    from adapters.session.inbox import Post


class Candles:
    """Asks for the candles that the core wants, and about a login that was refused. ``reads`` is
    for this object's thread alone."""

    def __init__(
        self, reads: KiteReads, post: Post, clock: SessionClock, state: Callable[[], State]
    ) -> None:
        from adapters.kite.worker import ReadWorker

        self._reads, self._state = ReadWorker(reads, post, clock.now_ns), state
        self._open: set[int] = set()
        self._login_asked = False
        self._asked_ns = 0
        self._stopped = False
        self._reads.start()

    def starts(self, now_ns: int, event: Event, derived: Sequence[Derived]) -> Sequence[Event]:
        """Nothing is sent."""
        return ()

    def release(self, now_ns: int, event: Event, derived: Sequence[Derived]) -> None:
        """Ask for what is due."""
        if isinstance(event, HistoryLoaded):
            self._open.discard(event.instrument)
        elif isinstance(event, AuthStatus):
            self._login_asked = False
        if isinstance(event, FeedFrame) or now_ns - self._asked_ns < ASK_EVERY_NS:
            return
        self._asked_ns = now_ns
        state = self._state()
        if not self._login_asked and auth_due(state):
            self._login_asked = True
            self._reads.auth()
        for query in history_due(state):
            if query.instrument not in self._open:
                self._open.add(query.instrument)
                ask_history(self._reads, query)

    def stop(self) -> None:
        """No more questions. A second call does nothing."""
        if not self._stopped:
            self._stopped = True
            self._reads.close()


def ask_history(reads: ReadWorker, query: HistoryQuery) -> None:
    """Have a worker ask for the candles of a query."""
    from adapters.kite.history import HistoryRequest

    reads.history(
        HistoryRequest(query.instrument, query.token, query.bar_ms, query.from_ns, query.to_ns)
    )

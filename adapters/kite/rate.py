"""How often the broker may be asked: ceilings, budgets, and what is kept back for exits.

Lives here: the pure arithmetic of windows, the pause after a "too many requests", the order in
which what waits is taken. May import: events, engine.ports. Always holds: no clock, no file and no
thread; at most ``ORDERS_A_SECOND`` order messages in any rolling second, closed at both ends; an
entry never takes what is kept for exits, and never goes while an exit could.
Start reading at ``wait_ns``, then ``OrderQueue``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

import msgspec

from engine.ports import Authority, ExitAuthority
from engine.rulebook import NS_PER_S
from events.broker import OrderSendStarted

ORDERS_A_SECOND: Final = 8
"""Place, modify and cancel together, for an account. The broker's limit is 10 by the second of its
own clock (kite.trade, "Exceptions and errors", API rate limit; SEBI's framework of 2026 the same);
a constant and no setting, because above it a strategy must be registered with the exchange."""

NS_PER_MINUTE: Final = 60 * NS_PER_S

QUOTE, HISTORICAL, OTHER = "QUOTE", "HISTORICAL", "OTHER"
READS_A_SECOND: Final = {QUOTE: 1, HISTORICAL: 3, OTHER: 10}
"""Requests a second by kind of route (kite.trade, the same page)."""

PAUSE_FIRST_NS: Final = NS_PER_S
PAUSE_MOST_NS: Final = 16 * NS_PER_S
"""After one 429 a second, since the broker counts by the second; doubled for each that follows,
since repeated ones get an app blocked for longer."""


class Budgets(msgspec.Struct, frozen=True):
    """An account's order messages a minute and a day, and what entries leave for exits.

    The broker allows 400 and 5,000: a margin of 5 % and 4 % is for messages that a person sends
    from the broker's own app, which count too and are not seen here.
    """

    minute: int = 380
    day: int = 4800
    exits_second: int = 2
    exits_minute: int = 60
    exits_day: int = 600

    def __post_init__(self) -> None:
        """Raises ``ValueError`` for budgets that are none, or that leave an entry or exit none."""
        if not 0 < self.minute <= 400 or not 0 < self.day <= 5000:
            raise ValueError("a minute's budget is 1 to 400 order messages, a day's 1 to 5,000")
        kept = (self.exits_second, self.exits_minute, self.exits_day)
        limits = (ORDERS_A_SECOND, self.minute, self.day)
        if not all(1 <= reserve < limit for reserve, limit in zip(kept, limits, strict=True)):
            raise ValueError("what is kept for exits is at least 1 and less than each budget")


DEFAULT_BUDGETS: Final = Budgets()


def wait_ns(
    sent_ns: Sequence[int], sent_today: int, now_ns: int, is_exit: bool, budgets: Budgets
) -> int | None:
    """How long an order message must wait: 0 is now, None is not today.

    ``sent_ns`` are the times of at least the last minute's messages, oldest first, on the clock of
    ``now_ns``; ``sent_today`` counts all of the day's.
    """
    reserves = (budgets.exits_second, budgets.exits_minute, budgets.exits_day)
    second, minute, day = (
        limit - (0 if is_exit else reserve)
        for limit, reserve in zip(
            (ORDERS_A_SECOND, budgets.minute, budgets.day), reserves, strict=True
        )
    )
    if sent_today >= day:
        return None
    return max(
        window_wait_ns(sent_ns, second, NS_PER_S, now_ns),
        window_wait_ns(sent_ns, minute, NS_PER_MINUTE, now_ns),
    )


def window_wait_ns(sent_ns: Sequence[int], limit: int, length_ns: int, now_ns: int) -> int:
    """How long until a further message makes at most ``limit`` in every window of that length.

    A window is closed at both ends, so the message that it pushes out must be more than its length
    ago.
    """
    if len(sent_ns) < limit:
        return 0
    return max(0, sent_ns[-limit] + length_ns + 1 - now_ns)


class ReadLimits:
    """The rolling second of each kind of read, of one process."""

    def __init__(self) -> None:
        self._sent: dict[str, deque[int]] = {
            kind: deque(maxlen=limit) for kind, limit in READS_A_SECOND.items()
        }

    def reserve(self, kind: str, now_ns: int) -> int:
        """0 and counted, or how long to wait (ns)."""
        sent = self._sent[kind]
        wait = window_wait_ns(sent, READS_A_SECOND[kind], NS_PER_S, now_ns)
        if wait == 0:
            sent.append(now_ns)
        return wait


class Pause:
    """The silence after a "too many requests"."""

    def __init__(self) -> None:
        self._until_ns = 0
        self._last_ns = 0

    def refused(self, now_ns: int) -> None:
        """The broker said 429."""
        self._last_ns = min(max(2 * self._last_ns, PAUSE_FIRST_NS), PAUSE_MOST_NS)
        self._until_ns = now_ns + self._last_ns

    def answered(self) -> None:
        """The broker said anything else: it takes requests again."""
        self._last_ns = self._until_ns = 0

    def wait_ns(self, now_ns: int, is_exit: bool) -> int:
        """How long to be silent yet; an exit waits out the broker's second and no more."""
        wait = max(0, self._until_ns - now_ns)
        return max(0, wait - (self._last_ns - PAUSE_FIRST_NS)) if is_exit and wait else wait


class Waiting(msgspec.Struct, frozen=True):
    """A message that has not started its way to the broker."""

    message: OrderSendStarted
    authority: Authority

    @property
    def is_exit(self) -> bool:
        return isinstance(self.authority, ExitAuthority)


class OrderQueue:
    """What waits to be sent: exits before entries, each in order of arrival; never two of one
    order at a time, nor a later one of an order before an earlier one."""

    def __init__(self) -> None:
        self._waiting: list[Waiting] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, item: Waiting) -> None:
        self._waiting.append(item)

    def take(self, busy: frozenset[str], exits_only: bool) -> Waiting | None:
        """The next to send, given the orders that have a message on its way; None for none."""
        for exits in (True,) if exits_only else (True, False):
            blocked = set(busy)
            for place, item in enumerate(self._waiting):
                order_id = item.message.order_id
                if item.is_exit is exits and order_id not in blocked:
                    return self._waiting.pop(place)
                blocked.add(order_id)
        return None

    def drain(self) -> tuple[Waiting, ...]:
        """All that waits, which then waits no longer."""
        rest, self._waiting = tuple(self._waiting), []
        return rest

"""When a message about something is due: at once, as a reminder, when it is over; and no oftener.

Lives here: ``Post``. May import: this package. Always holds: pure, every time is given; the same
thing is said once when it begins, again each reminder while it lasts, and once when it is over;
no more than the hour's messages leave, and what was held back is counted in the next one.
Start reading at ``Post.take``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

import msgspec

from adapters.alerts.news import NOW, NS_PER_S, News

HOUR_NS: Final = 3_600 * NS_PER_S
URGENT_SHARE: Final = 2
"""One message of so many is kept for what must be acted on now."""

BEGAN: Final = "BEGAN"
STILL: Final = "STILL"
OVER: Final = "OVER"


class Message(msgspec.Struct, frozen=True):
    """One message that leaves now. ``held_back`` are those of the hour that did not."""

    news: News
    state: str
    now_ns: int
    since_ns: int
    held_back: int


class _Told(msgspec.Struct):
    news: News
    since_ns: int
    last_ns: int
    said: bool


class Post:
    """Which news become messages. ``per_hour`` is the most in any sixty minutes."""

    def __init__(self, reminder_s: int, per_hour: int) -> None:
        self._reminder_ns = reminder_s * NS_PER_S
        self._per_hour = per_hour
        self._told: dict[str, _Told] = {}
        self._sent: deque[int] = deque()
        self._held_back = 0

    def take(self, news: Iterable[News], now_ns: int) -> list[Message]:
        """The messages of these news."""
        found = []
        for one in news:
            message = self._ended(one, now_ns) if one.over else self._began(one, now_ns)
            if message is not None:
                found.append(message)
        return found

    def due(self, open_news: Iterable[News], now_ns: int) -> list[Message]:
        """Reminders of what lasts. What is no longer open is forgotten without a word."""
        open_keys = {one.key for one in open_news}
        for key in [key for key in self._told if key not in open_keys]:
            del self._told[key]
        found = []
        for told in self._told.values():
            if now_ns - told.last_ns >= self._reminder_ns:
                told.last_ns = now_ns
                state = STILL if told.said else BEGAN
                message = self._message(told.news, state, told.since_ns, now_ns)
                if message is not None:
                    told.said = True
                    found.append(message)
        return found

    def _began(self, news: News, now_ns: int) -> Message | None:
        if news.key in self._told:
            return None
        message = self._message(news, BEGAN, now_ns, now_ns)
        self._told[news.key] = _Told(news, now_ns, now_ns, message is not None)
        return message

    def _ended(self, news: News, now_ns: int) -> Message | None:
        told = self._told.pop(news.key, None)
        if told is None or not told.said:
            return None  # nobody heard that it began
        return self._message(news, OVER, told.since_ns, now_ns)

    def _message(self, news: News, state: str, since_ns: int, now_ns: int) -> Message | None:
        """The message, or None where the hour is full; half of it is for what is urgent."""
        while self._sent and now_ns - self._sent[0] >= HOUR_NS:
            self._sent.popleft()
        urgent = news.severity <= NOW and state == BEGAN
        room = self._per_hour if urgent else self._per_hour // URGENT_SHARE
        if len(self._sent) >= room:
            self._held_back += 1
            return None
        self._sent.append(now_ns)
        held_back, self._held_back = self._held_back, 0
        return Message(news, state, now_ns, since_ns, held_back)

"""What the adapters have brought and the engine has not taken yet: bounded, many threads to one.

Lives here: ``SessionInbox``. May import: events, engine.ports. Always holds: facts are taken in the
order in which they were posted; only whole frames are ever dropped, the oldest first, and every
drop is told before anything that came after it; ``post`` never waits for the reader.
Start reading at ``SessionInbox.post``.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from events.base import Event
from events.feed import FeedFrame, FramesDropped

FRAMES_MAX: Final = 20_000
BYTES_MAX: Final = 64 * 1024 * 1024
WAIT_S_MAX: Final = 1.0
"""The longest single wait: a clock that was set right is looked at again."""

Wanted = Callable[[], bool]
"""Asked when its fact is taken: whether it still is to be. Must not block."""

Waiting = tuple[int, int, Event, Wanted | None]
"""(number in order of posting, session time of arrival, fact, whether it is still wanted)."""


class RealClock(Protocol):
    """A session clock that knows how long a wait is."""

    def now_ns(self) -> int: ...

    def left_s(self, until_ns: int) -> float: ...


class SessionInbox:
    """An ``Inbox`` (engine.ports) that any thread may post to; one thread takes.

    ``frames_max`` and ``bytes_max`` bound the frames that wait. Order updates, results, commands
    and all else are few, and are never dropped.
    """

    def __init__(
        self, clock: RealClock, frames_max: int = FRAMES_MAX, bytes_max: int = BYTES_MAX
    ) -> None:
        self._clock = clock
        self._frames_max, self._bytes_max = frames_max, bytes_max
        self._frames: deque[tuple[int, int, FeedFrame]] = deque()
        self._others: deque[Waiting] = deque()
        self._dropped: list[FramesDropped] = []
        self._bytes = 0
        self._posted = 0
        self._woken = False
        self._changed = threading.Condition()
        self.dropped = 0
        """Frames that were dropped so far."""
        self.taken_ns = 0
        """Session time at which the fact that was taken last had arrived."""
        self._most = 0

    @property
    def frames(self) -> int:
        """Frames that wait now."""
        return len(self._frames)

    def most_frames(self) -> int:
        """The most frames that waited at once since this was asked last."""
        with self._changed:
            most, self._most = self._most, len(self._frames)
        return most

    def post(self, event: Event, wanted: Wanted | None = None) -> None:
        """Put a fact behind all others, stamped with its arrival. Any thread; returns at once.

        What is not ``wanted`` any more when its turn comes goes, and whoever posted it knows; a
        frame is always wanted.
        """
        with self._changed:
            now_ns = self._clock.now_ns()
            self._posted += 1
            if isinstance(event, FeedFrame):
                self._frames.append((self._posted, now_ns, event))
                self._bytes += len(event.data)
                while len(self._frames) > self._frames_max or self._bytes > self._bytes_max:
                    self._drop_oldest()
                self._most = max(self._most, len(self._frames))
            else:
                self._others.append((self._posted, now_ns, event, wanted))
            self._changed.notify()

    def wake(self) -> None:
        """Let a reader that waits look around at once; a signal handler may call it."""
        with self._changed:
            self._woken = True
            self._changed.notify()

    def take(self, until_ns: int) -> tuple[int, Event] | None:
        """See ``engine.ports.Inbox``."""
        with self._changed:
            while True:
                found = self._next()
                if found is not None:
                    self.taken_ns = found[0]
                    return found
                left_s = self._clock.left_s(until_ns)
                if self._woken or left_s <= 0:
                    self._woken = False
                    return None
                self._changed.wait(min(left_s, WAIT_S_MAX))

    def _next(self) -> tuple[int, Event] | None:
        """The first of all that waits: what was dropped is told before what came after it."""
        if self._dropped:
            told = self._dropped.pop(0)
            return told.last_ts, told
        if self._frames and not (self._others and self._others[0][0] < self._frames[0][0]):
            _, arrived_ns, frame = self._frames.popleft()
            self._bytes -= len(frame.data)
            return arrived_ns, frame
        if not self._others:
            return None
        _, arrived_ns, event, wanted = self._others.popleft()
        return (arrived_ns, event) if wanted is None or wanted() else self._next()

    def _drop_oldest(self) -> None:
        _, at, frame = self._frames.popleft()
        self._bytes -= len(frame.data)
        self.dropped += 1
        size, connection = len(frame.data), frame.connection
        for place, one in enumerate(self._dropped):
            if one.connection == connection:
                self._dropped[place] = FramesDropped(
                    connection, one.frames + 1, one.length_bytes + size, one.first_ts, at
                )
                return
        self._dropped.append(FramesDropped(connection, 1, size, at, at))


Post = Callable[[Event], None]
"""All that an adapter sees of the inbox."""

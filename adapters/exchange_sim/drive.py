"""The market's day in real time: its frames, and whatever else is due, each at its moment.

Lives here: the clock that runs the market's time beside the machine's, and the drive that goes
through a market in order of time. May import: engine.ports, events. Always holds: time never goes
back; what is due comes before a frame of the same moment; if the machine cannot keep up, the time
that is told stands at what was last sent, so that nobody meets an event of the future.
Start reading at ``Drive.step``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from adapters.markets.port import Market, MarketFrame

NS_PER_S: Final = 1_000_000_000
SPEED_MAX: Final = 10_000.0
DUE_AGAIN_MAX: Final = 100_000
"""Things due at one moment; more is a fault of what says that they are."""


class Clock:
    """The market's time (ns UTC) while the machine's goes on: ``speed`` of it in each second.

    Speed 0 stands still: the drive is then stepped by hand. Nothing runs before ``start``.
    """

    def __init__(self, start_ns: int, speed: float, monotonic: Callable[[], int] | None = None):
        if not 0 <= speed <= SPEED_MAX:
            raise ValueError(f"a speed of {speed:g} is none: 0 (by hand) to {SPEED_MAX:g}")
        self.speed = speed
        self._start_ns = start_ns
        self._monotonic = monotonic or time.monotonic_ns
        self._began_ns: int | None = None

    def start(self) -> None:
        """Let the time run."""
        self._began_ns = self._monotonic()

    def now_ns(self) -> int:
        """The market's time now."""
        if self._began_ns is None:
            return self._start_ns
        return self._start_ns + int((self._monotonic() - self._began_ns) * self.speed)

    def seconds_until(self, ns: int) -> float | None:
        """Seconds of the machine's time until a moment of the market's; None where time stands."""
        if self._began_ns is None or not self.speed:
            return None
        return max(0.0, (ns - self.now_ns()) / (self.speed * NS_PER_S))


class Followers(Protocol):
    """What the drive moves."""

    def due_ns(self) -> int | None:
        """When something is due next (ns UTC), which ``on_due`` then does."""
        ...

    def on_due(self, now_ns: int) -> None: ...

    def on_frame(self, now_ns: int, frame: MarketFrame) -> None: ...


class Drive:
    """Goes through a market's day and moves what follows it."""

    def __init__(self, market: Market, clock: Clock, followers: Followers, at_ns: int) -> None:
        self._frames: Iterator[MarketFrame] = market.frames()
        self._next: MarketFrame | None = next(self._frames, None)
        self._clock = clock
        self._followers = followers
        self._at_ns = at_ns
        self._failure: Exception | None = None
        self.now_ns = min(at_ns, market.anchor_ns)
        """The market's time that everything has been told of."""

    def skip(self) -> None:
        """Everything before the moment at which the clock starts, without waiting."""
        self.step(self._at_ns)

    def next_ns(self) -> int | None:
        """The moment of the next frame or due thing; None when the market's day is over."""
        due_ns = self._followers.due_ns()
        if self._next is None:
            return due_ns
        return self._next.ts if due_ns is None else min(due_ns, self._next.ts)

    def catch_up(self, budget_ns: int | None = None) -> bool:
        """Step to the clock's time; whether that was reached within the budget (ns)."""
        return self.step(self._clock.now_ns(), budget_ns)

    def step(self, target_ns: int, budget_ns: int | None = None) -> bool:
        """Everything up to a moment (ns UTC), in order; false where the budget ended before it.

        An error of the market or of a follower is raised, and again at every later step.
        """
        if self._failure is not None:
            raise self._failure
        try:
            return self._step(target_ns, budget_ns)
        except Exception as error:
            self._failure = error
            raise

    def _step(self, target_ns: int, budget_ns: int | None) -> bool:
        followers = self._followers
        stop_ns = None if budget_ns is None else time.monotonic_ns() + budget_ns
        again = 0
        while (at_ns := self.next_ns()) is not None and at_ns <= target_ns:
            again = again + 1 if at_ns <= self.now_ns else 0
            if again > DUE_AGAIN_MAX:
                raise RuntimeError(f"what is due at {at_ns} is due again and again")
            self.now_ns = max(self.now_ns, at_ns)
            frame = self._next
            if frame is not None and frame.ts == at_ns and not self._is_due(at_ns):
                self._next = next(self._frames, None)
                followers.on_frame(self.now_ns, frame)
            else:
                followers.on_due(self.now_ns)
            if stop_ns is not None and time.monotonic_ns() > stop_ns:
                return False
        self.now_ns = max(self.now_ns, target_ns)
        return True

    def _is_due(self, at_ns: int) -> bool:
        due_ns = self._followers.due_ns()
        return due_ns is not None and due_ns <= at_ns

"""Where facts go, and who acts on what they led to, as protocols.

Lives here: the sink that applies and journals facts, the hook that acts outward. May import:
events, engine.core. Always holds: nothing leaves the process before the group that it follows from
is durable; what must stand in the journal before it leaves is made durable together with that
group.
``engine.runner.Runner`` is a ``Sink``; in real time the session wraps it and ``engine.live`` drives
both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from engine.core import Derived
from events.base import Event


class Sink(Protocol):
    """Applies facts and journals their groups."""

    @property
    def now(self) -> int:
        """Session time of the last fact, ns UTC."""
        ...

    def fact(self, ts: int, event: Event) -> None:
        """Take one fact; when its group is urgent it is durable at return."""
        ...


class LiveSink(Sink, Protocol):
    """The sink of a session in real time: it may be asked what stands open, and does not wait for
    the disk at each fact."""

    @property
    def exposed(self) -> int:
        """Positions that are open and orders that work."""
        ...

    @property
    def end_moved_ns(self) -> int:
        """By how much (ns) the day ends later than it did when the session began, by what was
        amended since; negative is earlier."""
        ...

    @property
    def loose(self) -> int:
        """Of these, what cannot be left alone: entries that could still be filled, and longs whose
        stop does not rest at the broker."""
        ...

    @property
    def takes_frames(self) -> bool:
        """Whether there is room for them: on a full disk what is left is kept for the rest."""
        ...

    def append(self, ts: int, event: Event) -> list[Derived]:
        """Take one fact without waiting for the disk; gives what it led to."""
        ...

    def settle(self) -> None:
        """Wait until every urgent group taken so far is durable."""
        ...


class Outward(Protocol):
    """Acts outside on what facts led to; called by the driver alone, on its own thread."""

    def starts(self, now_ns: int, event: Event, derived: Sequence[Derived]) -> Sequence[Event]:
        """What must be in the journal before anything of this group leaves (``OrderSendStarted``).

        Called once the group is appended and before it is durable: nothing may leave here.
        """
        ...

    def release(self, now_ns: int, event: Event, derived: Sequence[Derived]) -> None:
        """The group and every start behind it are durable: send, answer, alert.

        Returns at once: whoever waits for the outside does so on a thread of his own, and what
        comes back arrives by the inbox. Called for every group, in order.
        """
        ...

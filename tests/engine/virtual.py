"""A session in real time without any: a clock that is moved, arrivals by list, a sink that listens.

Lives here: the ports of ``engine.live`` for tests. Always holds: nothing here waits; time passes
when the driver waits for it, or when a step of the sink takes some.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from engine.core import Core, Derived
from engine.hours import end_moved_ns
from engine.live import EndRequest, Live, Stopped, Timing
from engine.ports import Measured
from engine.schedule import Dated
from engine.sink import LiveSink
from events.base import Event
from events.session import CycleRule

S = 1_000_000_000
GRID_1S = CycleRule("GRID", 1_000, 0)


class VirtualClock:
    """A session clock that only others move; ``now_ns`` may be set back to be a bad one."""

    def __init__(self, now_ns: int = 0) -> None:
        self.ns = now_ns

    def now_ns(self) -> int:
        return self.ns


class VirtualInbox:
    """Facts that arrive at their times; waiting moves the clock."""

    def __init__(self, clock: VirtualClock, arrivals: Iterable[Dated]) -> None:
        self._clock = clock
        self._arrivals = list(arrivals)[::-1]

    def post(self, at_ns: int, event: Event) -> None:
        """One more, behind those that arrive by then."""
        self._arrivals.append((at_ns, event))
        self._arrivals.sort(key=lambda one: -one[0])

    def take(self, until_ns: int) -> Dated | None:
        """The next arrival by ``until_ns``; one that lies in the past is there already."""
        if self._arrivals and self._arrivals[-1][0] <= max(until_ns, self._clock.ns):
            at, event = self._arrivals.pop()
            self._clock.ns = max(self._clock.ns, at)
            return at, event
        self._clock.ns = max(self._clock.ns, until_ns)
        return None


class ListSink:
    """Keeps the facts; what they lead to, how long they take and what is open may be told."""

    def __init__(self, clock: VirtualClock, cost_ns: Callable[[Event], int] = lambda _: 0) -> None:
        self._clock, self._cost_ns = clock, cost_ns
        self.facts: list[Dated] = []
        self.leads_to: Callable[[Event], list[Derived]] = lambda _: []
        self.exposed = 0
        self.loose = 0
        self.takes_frames = True
        self.end_moved_ns = 0
        self.settled = 0
        self.now = clock.ns

    def fact(self, ts: int, event: Event) -> None:
        self.append(ts, event)
        self.settle()

    def append(self, ts: int, event: Event) -> list[Derived]:
        assert ts >= self.now, "time ran backwards"
        self.now = ts
        self.facts.append((ts, event))
        self._clock.ns += self._cost_ns(event)
        return self.leads_to(event)

    def settle(self) -> None:
        self.settled = len(self.facts)


class CoreSink(ListSink):
    """As ``ListSink``, with the engine's own core behind it."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.core = Core()
        self.datas: list[bytes] = []

    def append(self, ts: int, event: Event) -> list[Derived]:
        super().append(ts, event)
        derived = self.core.step(len(self.facts) + len(self.datas), ts, event)
        self.datas.extend(one.data for one in derived)
        self.end_moved_ns = end_moved_ns(self.core.state)
        return derived


class Silent:
    """An ``Outward`` that does nothing and a ``Watch`` that sees nothing."""

    def starts(self, now_ns: int, event: Event, derived: Sequence[Derived]) -> Sequence[Event]:
        return ()

    def release(self, now_ns: int, event: Event, derived: Sequence[Derived]) -> None:
        return None

    def measure(self) -> tuple[Measured, ...]:
        return ()

    def clock_offset_ns(self) -> int | None:
        return None


def never(_: int) -> EndRequest | None:
    """Nobody asks the session to end."""
    return None


def nothing() -> Stopped:
    """No sources to stop."""
    return lambda: True


def timing(close_s: int = 60, **others: object) -> Timing:
    """A session on a grid of a second from 0 to ``close_s``; health is looked at once."""
    end_ns = close_s * S
    given = {"health_ns": end_ns * 2, **others}
    return Timing(rule=GRID_1S, open_ns=0, close_ns=end_ns, end_ns=end_ns, **given)  # type: ignore[arg-type]


def live(
    clock: VirtualClock,
    inbox: VirtualInbox,
    sink: LiveSink,
    times: Timing,
    ends: Callable[[int], EndRequest | None] = never,
    silent: Silent | None = None,
    stop_sources: Callable[[], Stopped] = nothing,
) -> Live:
    """The driver on these."""
    one = silent or Silent()
    return Live(clock, inbox, sink, one, one, times, ends, stop_sources)

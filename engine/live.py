"""A session in real time: facts in order of arrival, ticks by the cycle rule, an orderly end.

Lives here: the driver of a running engine, without any I/O: clock, inbox, journal, watch and the
outside are ports. May import: events, engine. Always holds: time never runs backwards, whatever the
clock does; what had arrived by a tick's time comes before it; after a stall there is one tick, and
it says how many are missing; nothing leaves before it is durable; the same arrivals on the same
clock give the same facts.
Start reading at ``Live.run``. A market's day at full speed is ``engine.schedule``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from engine.commands import AMEND, LEAVE_PROTECTED, SET
from engine.core import Derived
from engine.hours import amendment_of
from engine.ports import Clock, Inbox, Measured, Watch
from engine.risk.command import change_of
from engine.schedule import AFTER_SNAPSHOT, END_OF_DAY, GRID, MS
from engine.sink import LiveSink, Outward
from events.base import Event
from events.feed import ClockStepped, FeedFrame, FramesDropped, HealthObserved, TimerTick
from events.governance import CommandAnswered, SessionEndDue
from events.session import (
    ConfigChanged,
    CycleRule,
    OperatorCommand,
    SessionAmended,
    SessionClosed,
)

OPERATOR: Final = "OPERATOR"
FLATTEN: Final = "FLATTEN"
STOP: Final = "STOP"
LEAVE: Final = "LEAVE"
SIGNAL: Final = "SIGNAL"
OK: Final = "OK"
BAD: Final = "BAD"
ACCEPTED: Final = "ACCEPTED"
RECEIVE_LAG_MS: Final = "RECEIVE_LAG_MS"
STOP_LOOK_NS: Final = 50 * MS
AGES: Final = 1 << 62
"""Later than any session."""


class Timing(msgspec.Struct, frozen=True):
    """When what is due: session times in ns UTC, lengths in ns of session time.

    Cycles run from ``open_ns`` to ``close_ns``, the close excluded; without ``cycles`` there are
    none (a recording). The session is closed at ``end_ns`` at the latest; at ``stop_ns`` it is
    asked to end by ``stop_policy``. ``rate`` is market seconds per second. Close and end are those
    by the rulebook: what an operator amends moves both (``LiveSink.end_moved_ns``).
    """

    rule: CycleRule
    open_ns: int
    close_ns: int
    end_ns: int
    stop_ns: int | None = None
    stop_policy: str = "LEAVE"
    cycles: bool = True
    rate: int = 1
    health_ns: int = 1_000 * MS
    health_again_ns: int = 60_000 * MS
    flat_wait_ns: int = 60_000 * MS
    leave_wait_ns: int = 20_000 * MS
    lag_ms_max: int = 1_000
    clock_ns_max: int = 1_000 * MS
    clock_step_ns: int = 100 * MS


class EndRequest(msgspec.Struct, frozen=True):
    """The session is to end. ``policy`` FLATTEN sells what is held first, LEAVE leaves it, once no
    entry can be filled any more and a stop rests for every long; ``who`` asked, and ``why``."""

    policy: str
    who: str
    why: str


Ends = Callable[[int], EndRequest | None]
"""Asked between facts, with how much is open: is the session to end?"""


Stopped = Callable[[], bool]
"""Whether every source has posted its last fact."""


class Cycles:
    """The ticks of a cycle rule, as a clock goes by."""

    __slots__ = ("_close_ns", "_gap_ns", "_next_ns", "_pages", "_step_ns", "due_ns")

    def __init__(self, rule: CycleRule, open_ns: int, close_ns: int, from_ns: int) -> None:
        """Of ticks on a grid the first is due at ``from_ns`` or later. Raises ``ValueError`` for a
        rule that is not known."""
        if rule.cadence_ms <= 0 or rule.kind not in (GRID, AFTER_SNAPSHOT):
            raise ValueError(f"cycle rule {rule.kind} of {rule.cadence_ms} ms is not known")
        self._step_ns, self._close_ns = rule.cadence_ms * MS, close_ns
        self._gap_ns, self._pages = rule.max_gap_ms * MS, rule.kind == AFTER_SNAPSHOT
        self.due_ns = self._next_ns = AGES
        if not self._pages:
            late_ns = max(from_ns - open_ns, 0)
            self._due_at(open_ns + -(-late_ns // self._step_ns) * self._step_ns)

    def tick(self, now_ns: int) -> TimerTick | None:
        """The tick that is due; of several the last, with how many it stands for beside itself."""
        if now_ns < self.due_ns:
            return None
        last_ns = min(now_ns, self._close_ns - 1)
        missed = (last_ns - self.due_ns) // self._step_ns
        due_ns = self.due_ns + missed * self._step_ns
        self._due_at(due_ns + self._step_ns)
        return TimerTick(due_ns, missed)

    def page(self, ts: int) -> TimerTick | None:
        """The tick that follows the last frame of a page; None where the rule knows no pages."""
        if not self._pages:
            return None
        self._due_at(ts + self._gap_ns + self._step_ns)
        return TimerTick(ts, 0)

    def closes_at(self, close_ns: int) -> None:
        """The day ends earlier or later than it was to: so do its ticks."""
        self._close_ns = close_ns
        self._due_at(self._next_ns)

    def _due_at(self, due_ns: int) -> None:
        self._next_ns = due_ns
        self.due_ns = due_ns if due_ns < self._close_ns else AGES


class Live:
    """Drives one session from its first frame to its close."""

    def __init__(
        self,
        clock: Clock,
        inbox: Inbox,
        sink: LiveSink,
        outward: Outward,
        watch: Watch,
        timing: Timing,
        ends: Ends,
        stop_sources: Callable[[], Stopped],
    ) -> None:
        """``stop_sources`` is called before the close, and gives what tells whether everything that
        posts has posted its last; facts are taken meanwhile."""
        self._clock, self._inbox, self._sink, self._outward = clock, inbox, sink, outward
        self._watch, self._timing, self._ends = watch, timing, ends
        self._by_rulebook, self._moved_ns = timing, 0
        self._stop_sources = stop_sources
        self._cycles = Cycles(timing.rule, timing.open_ns, timing.close_ns, clock.now_ns())
        self._health_ns = sink.now
        self._said: tuple[tuple[str, str, int], ...] = ()
        self._lag_ns = 0
        self._lost: FramesDropped | None = None
        self._offset_ns: int | None = None
        self._held: tuple[int, Event] | None = None
        self._exposed = sink.exposed
        self._ending: EndRequest | None = None
        self._flat_by_ns = AGES
        self._closes: str | None = None
        self._follow_hours()

    def run(self) -> str:
        """Take facts until the session is to end, and close it; gives the reason of the close."""
        while self._closes is None:
            self.step()
        stopped = self._stop_sources()
        while not stopped():
            arrived = self._inbox.take(self._clock.now_ns() + STOP_LOOK_NS * self._timing.rate)
            if arrived is not None:
                self._arrived(*arrived)
        self._drain(AGES)
        self._take(self._clock.now_ns(), SessionClosed(self._closes))
        return self._closes

    def step(self) -> None:
        """One arrival, or whatever is due by now."""
        self._asked(self._ends(self._exposed))
        due_ns, now_ns = self._due_ns(), self._clock.now_ns()
        if now_ns < due_ns:
            arrived = self._inbox.take(due_ns)
            if arrived is not None:
                self._arrived(*arrived)
            return
        self._drain(now_ns)
        self._on_time()

    def _due_ns(self) -> int:
        timing = self._timing
        tick_ns = self._cycles.due_ns if timing.cycles else AGES
        stop_ns = AGES if timing.stop_ns is None or self._ending else timing.stop_ns
        return min(tick_ns, self._health_ns, timing.end_ns, stop_ns, self._flat_by_ns)

    def _drain(self, until_ns: int) -> None:
        """Take what had arrived by then; what arrived later keeps its place behind it."""
        while True:
            arrived, self._held = self._held or self._inbox.take(0), None
            if arrived is None:
                return
            if arrived[0] > until_ns:
                self._held = arrived
                return
            self._arrived(*arrived)

    def _arrived(self, arrived_ns: int, event: Event) -> None:
        self._lag_ns = max(self._lag_ns, self._clock.now_ns() - arrived_ns)
        if isinstance(event, FeedFrame) and not self._sink.takes_frames:
            self._lose(arrived_ns, event)
            return
        ts = self._take(arrived_ns, event)
        if isinstance(event, FeedFrame) and event.snapshot_end and self._timing.cycles:
            tick = self._cycles.page(ts)
            if tick is not None:
                self._take(ts, tick)

    def _lose(self, arrived_ns: int, frame: FeedFrame) -> None:
        """A frame that the disk has no room for: the first is told at once, so that entries halt,
        the others each time that health is looked at."""
        first = self._lost is None
        before = self._lost or FramesDropped(frame.connection, 0, 0, arrived_ns, arrived_ns)
        self._lost = FramesDropped(
            frame.connection,
            before.frames + 1,
            before.length_bytes + len(frame.data),
            before.first_ts if before.frames else arrived_ns,
            arrived_ns,
        )
        if first:
            self._tell_lost(arrived_ns)

    def _tell_lost(self, now_ns: int) -> None:
        if self._lost is not None and self._lost.frames:
            lost = self._lost
            self._take(now_ns, lost)
            self._lost = FramesDropped(lost.connection, 0, 0, now_ns, now_ns)
        if self._sink.takes_frames:
            self._lost = None

    # -- what is due ---------------------------------------------------------------------------

    def _on_time(self) -> None:
        """Whatever is due, the measurements before the tick that decides by them."""
        timing, now_ns = self._timing, self._clock.now_ns()
        held, self._held = self._held, None
        if now_ns >= self._health_ns:
            self._health_ns = now_ns - now_ns % timing.health_ns + timing.health_ns
            self._look_after(now_ns)
        tick = self._cycles.tick(now_ns) if timing.cycles else None
        if tick is not None:
            self._take(now_ns, tick)
        if now_ns >= timing.end_ns:
            self._closes = self._closes or END_OF_DAY
        elif now_ns >= self._flat_by_ns:
            self._closes = OPERATOR
        elif timing.stop_ns is not None and now_ns >= timing.stop_ns and self._ending is None:
            why = "the time that it was given is over"
            self._ending_by(EndRequest(timing.stop_policy, "axiom", why))
        if held is not None:
            self._arrived(*held)

    def _look_after(self, now_ns: int) -> None:
        self._tell_lost(now_ns)
        lag_ms, self._lag_ns = self._lag_ns // (MS * self._timing.rate), 0
        limit_ms = self._timing.lag_ms_max
        lag = Measured(RECEIVE_LAG_MS, lag_ms, limit_ms, lag_ms > limit_ms)
        for one in (*self._watch.measure(), lag):
            self._say(now_ns, one)
        offset_ns = self._watch.clock_offset_ns()
        if offset_ns is not None and self._is_news(offset_ns):
            self._offset_ns = offset_ns
            self._take(now_ns, ClockStepped(offset_ns, self._timing.clock_ns_max, "WALL"))

    def _say(self, now_ns: int, one: Measured) -> None:
        """Journal a measurement at first, when it turns, and each minute."""
        status = BAD if one.bad else OK
        for what, before, said_ns in self._said:
            fresh = now_ns < said_ns + self._timing.health_again_ns
            if what == one.what and before == status and fresh:
                return
        others = tuple(row for row in self._said if row[0] != one.what)
        self._said = (*others, (one.what, status, now_ns))
        self._take(now_ns, HealthObserved(one.what, status, one.observed, one.limit))

    def _is_news(self, offset_ns: int) -> bool:
        """Whether the wall clock has moved against the session's since that was last said."""
        before_ns, limit_ns = self._offset_ns or 0, self._timing.clock_ns_max
        moved = abs(offset_ns - before_ns) >= self._timing.clock_step_ns
        return moved or (abs(offset_ns) > limit_ns) != (abs(before_ns) > limit_ns)

    # -- facts ---------------------------------------------------------------------------------

    def _take(self, at_ns: int, event: Event) -> int:
        """One fact, what must stand behind it, one sync for all of it, and then the outside."""
        sink, outward = self._sink, self._outward
        ts = max(at_ns, sink.now)
        derived = sink.append(ts, event)
        if not derived and isinstance(event, FeedFrame):
            return ts
        groups = [(event, derived)]
        behind = _fact_behind(event, derived)
        if behind is not None:
            groups.append((behind, sink.append(ts, behind)))
        for fact, led_to in groups:
            starts = outward.starts(ts, fact, led_to)
            groups.extend((start, sink.append(ts, start)) for start in starts)
        sink.settle()
        for fact, led_to in groups:
            outward.release(ts, fact, led_to)
            for one in led_to:
                self._hear(fact, one.entry.event)
        if any(isinstance(fact, SessionAmended) for fact, _ in groups):
            self._follow_hours()
        self._exposed = sink.exposed
        if self._ending is not None and self._can_close(self._ending):
            self._closes = self._closes or OPERATOR
        return ts

    def _follow_hours(self) -> None:
        """Ticks and the session end with the day, which may have been amended."""
        moved_ns = self._sink.end_moved_ns
        if moved_ns == self._moved_ns:
            return
        self._moved_ns, was = moved_ns, self._by_rulebook
        close_ns, end_ns = was.close_ns + moved_ns, was.end_ns + moved_ns
        self._timing = msgspec.structs.replace(was, close_ns=close_ns, end_ns=end_ns)
        self._cycles.closes_at(close_ns)

    # -- the end -------------------------------------------------------------------------------

    def _hear(self, fact: Event, said: Event) -> None:
        """What the core says of the session's end: its day is over, or a command to stop holds."""
        if isinstance(said, SessionEndDue):
            self._closes = self._closes or END_OF_DAY
            return
        stops = isinstance(said, CommandAnswered) and (said.verb, said.outcome) == (STOP, ACCEPTED)
        if stops and isinstance(fact, OperatorCommand) and self._ending is None:
            policy = FLATTEN if fact.value == FLATTEN else LEAVE
            self._begin_to_end(EndRequest(policy, fact.who, fact.why))

    def _asked(self, request: EndRequest | None) -> None:
        """A wish to end. A second one, that leaves everything as it is, waits for nothing."""
        if request is None or self._closes is not None:
            return
        if self._ending is None:
            self._ending_by(request)
        elif request.policy == LEAVE:
            self._closes = OPERATOR

    def _ending_by(self, request: EndRequest) -> None:
        """End by a wish from outside the journal; what must happen first is asked for by a
        command."""
        self._begin_to_end(request)
        if self._closes is None:
            now_ns = self._clock.now_ns()
            value = FLATTEN if request.policy == FLATTEN else LEAVE_PROTECTED
            self._take(
                now_ns,
                OperatorCommand(
                    STOP, request.who, request.why, None, value, f"end-{now_ns}", SIGNAL
                ),
            )

    def _begin_to_end(self, request: EndRequest) -> None:
        self._ending = request
        if self._can_close(request):
            self._closes = self._closes or OPERATOR
            return
        timing = self._timing
        wait_ns = timing.flat_wait_ns if request.policy == FLATTEN else timing.leave_wait_ns
        self._flat_by_ns = self._clock.now_ns() + wait_ns

    def _can_close(self, request: EndRequest) -> bool:
        """Whether what is open may be left: nothing is, or what is to be left is not loose."""
        return not self._exposed or (request.policy != FLATTEN and not self._sink.loose)


def _fact_behind(event: Event, derived: Sequence[Derived]) -> SessionAmended | ConfigChanged | None:
    """What an accepted command to amend the day's hours, or to set a limit, leads to: a fact right
    behind it."""
    if not isinstance(event, OperatorCommand) or event.verb not in (AMEND, SET):
        return None
    answers = (one.entry.event for one in derived)
    accepted = any(isinstance(a, CommandAnswered) and a.outcome == ACCEPTED for a in answers)
    if not accepted:
        return None
    return amendment_of(event) if event.verb == AMEND else change_of(event)

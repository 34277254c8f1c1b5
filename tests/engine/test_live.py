"""A session in real time: order, ticks, stalls, health, what leaves and when, and how it ends."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.apply import Entry
from engine.core import Derived
from engine.live import BAD, FLATTEN, LEAVE, OK, Cycles, EndRequest, Stopped, Timing
from engine.opening import fresh_account, opening_facts, session_opened
from engine.ports import Measured
from engine.schedule import Dated, facts_of
from events.base import Event
from events.broker import AuthStatus
from events.feed import (
    ClockStepped,
    FeedFrame,
    FeedStatus,
    FramesDropped,
    HealthObserved,
    TimerTick,
)
from events.governance import CommandAnswered, SessionEndDue
from events.session import CycleRule, OperatorCommand, SessionClosed
from tests.engine.fabricated import SmallMarket, relaxed, small_rows
from tests.engine.virtual import (
    GRID_1S,
    CoreSink,
    ListSink,
    S,
    Silent,
    VirtualClock,
    VirtualInbox,
    live,
    timing,
)

MS = 1_000_000


def frame(number: int = 0, *, page: bool = False) -> FeedFrame:
    return FeedFrame(0, "kite", 1, page, 2, None, number.to_bytes(2, "big"))


def derived(event: Event) -> Derived:
    return Derived(Entry(2, type(event).__name__, 0, 1, event), b"")


def run(arrivals: Sequence[Dated], **times: object) -> list[Dated]:
    """The facts of a session of a minute on these arrivals."""
    clock = VirtualClock()
    sink = ListSink(clock)
    live(clock, VirtualInbox(clock, arrivals), sink, timing(**times)).run()  # type: ignore[arg-type]
    return sink.facts


def ticks(facts: Sequence[Dated]) -> list[tuple[int, int, int]]:
    """(ts, due, missed) of the ticks."""
    return [(ts, e.due_ts, e.missed) for ts, e in facts if isinstance(e, TimerTick)]


ARRIVALS = st.lists(st.integers(0, 60_500), max_size=40).map(
    lambda at: [(ms * MS, frame(n)) for n, ms in enumerate(sorted(at))]
)
STALLS = st.lists(st.integers(0, 7_000), min_size=1, max_size=5)


@given(ARRIVALS)
def test_every_fact_comes_in_order_and_every_second_has_its_tick(arrivals: list[Dated]) -> None:
    """Nothing is lost or doubled, a frame at a tick's time is before it, and an engine that keeps
    up stamps each frame with its arrival; so do two runs on the same arrivals."""
    facts = run(arrivals)
    in_time = [one for one in arrivals if one[0] <= 60 * S]
    assert [one for one in facts if isinstance(one[1], FeedFrame)] == in_time
    assert ticks(facts) == [(n * S, n * S, 0) for n in range(60)]
    rank = {FeedFrame: 0, TimerTick: 1}
    within = [(ts, rank[type(e)]) for ts, e in facts if type(e) in rank]
    assert within == sorted(within)
    assert facts[-1] == (60 * S, SessionClosed("END_OF_DAY"))
    assert facts == run(arrivals)


@given(ARRIVALS, STALLS)
def test_a_stall_gives_one_tick_that_counts_the_missing(
    arrivals: list[Dated], stalls: list[int]
) -> None:
    """Whatever the engine's steps take: ticks never run backwards, none is due twice, given and
    missed ones are all that were due until the last, and every frame is there."""
    clock = VirtualClock()
    costs = iter(stalls * 400)
    sink = ListSink(clock, lambda event: next(costs) * MS // 10)
    live(clock, VirtualInbox(clock, arrivals), sink, timing()).run()
    given = ticks(sink.facts)
    dues = [due for _, due, _ in given]
    assert dues == sorted(set(dues))
    assert all(ts >= due for ts, due, _ in given)
    assert [sum(m + 1 for _, _, m in given[: n + 1]) for n in range(len(given))] == [
        due // S + 1 for due in dues
    ]
    frames = [e for _, e in sink.facts if isinstance(e, FeedFrame)]
    assert frames == [e for at, e in arrivals if at <= sink.facts[-1][0]]
    assert [ts for ts, _ in sink.facts] == sorted(ts for ts, _ in sink.facts)


def test_a_stall_of_five_seconds_is_one_tick() -> None:
    """A step of 5.2 s from 10 s on: the next tick is that of 15 s, and tells of five."""
    clock = VirtualClock()
    sink = ListSink(clock, lambda event: 5_200 * MS if event == frame(7) else 0)
    arrivals = [(10 * S, frame(7)), (12 * S, frame(8)), (15 * S + 100 * MS, frame(9))]
    live(clock, VirtualInbox(clock, arrivals), sink, timing()).run()
    given = [one for one in ticks(sink.facts) if one[2]]
    assert given == [(15 * S + 200 * MS, 15 * S, 5)]
    at = [e for _, e in sink.facts if isinstance(e, FeedFrame) or e == TimerTick(15 * S, 5)]
    assert at == [frame(7), frame(8), frame(9), TimerTick(15 * S, 5)]


def test_a_flood_that_never_ends_does_not_keep_the_ticks_away() -> None:
    """Frames that arrive faster than they are taken: each second still has its tick or is counted,
    and what arrived by a tick's time is before it."""
    clock = VirtualClock()
    sink = ListSink(clock, lambda event: 3 * MS if isinstance(event, FeedFrame) else 0)
    arrivals = [(n * 2 * MS, frame(n)) for n in range(3_000)]
    live(clock, VirtualInbox(clock, arrivals), sink, timing(8)).run()
    assert sum(missed + 1 for _, _, missed in ticks(sink.facts)) == 8
    assert len(ticks(sink.facts)) >= 4


def test_a_clock_that_is_set_back_moves_nothing_back() -> None:
    """J12, E12: the stamps of facts stay where they are until the clock is there again."""
    clock = VirtualClock()
    sink = ListSink(clock)

    def set_back(event: Event) -> list[Derived]:
        clock.ns -= 3 * S if event == frame(1) else 0
        return []

    sink.leads_to = set_back
    arrivals = [(5 * S, frame(1)), (3 * S + 1, frame(2)), (9 * S, frame(3))]
    inbox = VirtualInbox(clock, arrivals[:1])
    inbox.post(*arrivals[2])
    live(clock, inbox, sink, timing()).run()
    stamps = [ts for ts, _ in sink.facts]
    assert stamps == sorted(stamps)
    assert [due for _, due, _ in ticks(sink.facts)] == [n * S for n in range(60)]


def test_a_market_s_day_gives_the_facts_of_a_backtest() -> None:
    """Frames that arrive at their market times: the same facts, and the core derives the same."""
    market, config, rows = SmallMarket(), relaxed(), small_rows()
    opened = session_opened(market, config, rows, "ab" * 32)
    opening = opening_facts(opened, fresh_account(config, market.day), market, rows)
    day = list(facts_of(market.frames(), market.cycle_rule, market.open_ns, market.close_ns))
    clock = VirtualClock(opened.anchor_ns)
    sink = CoreSink(clock)
    for event in opening:
        sink.append(opened.anchor_ns, event)
    plan = Timing(market.cycle_rule, market.open_ns, market.close_ns, market.close_ns)
    frames = [one for one in day if isinstance(one[1], FeedFrame)]
    live(clock, VirtualInbox(clock, frames), sink, plan).run()
    seen = [one for one in sink.facts if not isinstance(one[1], HealthObserved)]
    end = (market.close_ns, SessionClosed("END_OF_DAY"))
    assert seen == [*((opened.anchor_ns, event) for event in opening), *day, end]
    assert sink.core.state.trades > 0


def test_a_day_of_24_hours_runs_through() -> None:
    """86,400 ticks, a frame every 10 s, health each second; none is missing."""
    clock = VirtualClock()
    sink = ListSink(clock)
    arrivals = [(n * 10 * S + 1, frame(n)) for n in range(8_640)]
    live(clock, VirtualInbox(clock, arrivals), sink, timing(86_400, health_ns=S)).run()
    assert ticks(sink.facts) == [(n * S, n * S, 0) for n in range(86_400)]
    assert sum(isinstance(e, FeedFrame) for _, e in sink.facts) == 8_640
    assert sum(isinstance(e, HealthObserved) for _, e in sink.facts) == 1_441


# --- the cycle rule ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("from_ns", "first"), [(0, 0), (1, S), (S, S), (S + 1, 2 * S), (60 * S, None)]
)
def test_the_first_tick_is_on_the_grid(from_ns: int, first: int | None) -> None:
    """A session that begins, or goes on, in the middle of the day: the next place of the grid, and
    nothing is missing of before; after the close there is none."""
    tick = Cycles(GRID_1S, 0, 60 * S, from_ns).tick(from_ns + S)
    assert tick == (None if first is None else TimerTick(first + (from_ns + S - first) // S * S,
                                                         (from_ns + S - first) // S))  # fmt: skip


def test_a_market_of_pages_has_its_ticks_behind_them() -> None:
    """Each page's last frame is followed by a tick of the same time; in a longer silence there is
    one each cadence; before the first page there is none."""
    rule = CycleRule("AFTER_SNAPSHOT", 10_000, 20_000)
    clock = VirtualClock()
    sink = ListSink(clock)
    arrivals = [(5 * S, frame(1)), (6 * S, frame(2, page=True)), (90 * S, frame(3, page=True))]
    plan = Timing(rule, 0, 120 * S, 120 * S)
    live(clock, VirtualInbox(clock, arrivals), sink, plan).run()
    dues = [6, 36, 46, 56, 66, 76, 86, 90]
    assert ticks(sink.facts) == [(n * S, n * S, 0) for n in dues]


def test_another_rule_is_refused() -> None:
    """A rule that is not known, or never due."""
    for rule in (CycleRule("HOURLY", 1_000, 0), CycleRule("GRID", 0, 0)):
        with pytest.raises(ValueError, match="is not known"):
            Cycles(rule, 0, S, 0)


def test_a_recording_has_no_ticks() -> None:
    """Without cycles there are frames and health alone."""
    facts = run([(n * S, frame(n, page=True)) for n in range(50)], cycles=False)
    assert not ticks(facts)
    assert sum(isinstance(e, FeedFrame) for _, e in facts) == 50


# --- health and the clock ------------------------------------------------------------------------


class Machine(Silent):
    """Measurements and offsets by the second at which they are taken."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.full_s: tuple[int, ...] = ()
        self.offsets_ms: dict[int, int] = {}
        self.offset_ms = 0

    def measure(self) -> tuple[Measured, ...]:
        bad = self.clock.ns // S in self.full_s
        return (Measured("DISK_FREE_MB", 10 if bad else 9_000, 500, bad),)

    def clock_offset_ns(self) -> int:
        self.offset_ms = self.offsets_ms.get(self.clock.ns // S, self.offset_ms)
        return self.offset_ms * MS


def test_health_is_said_at_first_when_it_turns_and_each_minute() -> None:
    """Not each second: a measurement that stays as it is would fill the journal."""
    clock = VirtualClock()
    machine = Machine(clock)
    machine.full_s = (20, 21, 22)
    sink = ListSink(clock)
    live(clock, VirtualInbox(clock, ()), sink, timing(130, health_ns=S), silent=machine).run()
    disk = [
        (ts // S, e.status, e.observed)
        for ts, e in sink.facts
        if isinstance(e, HealthObserved) and e.what == "DISK_FREE_MB"
    ]
    assert disk == [(0, OK, 9_000), (20, BAD, 10), (23, OK, 9_000), (83, OK, 9_000)]


def test_the_time_that_a_frame_waited_is_measured() -> None:
    """A step of 3 s keeps a frame waiting that long: receive lag beyond its limit, before the tick
    that decides by it."""
    clock = VirtualClock()
    sink = ListSink(clock, lambda event: 3 * S if event == frame(1) else 0)
    arrivals = [(10 * S + 1, frame(1)), (11 * S, frame(2))]
    live(clock, VirtualInbox(clock, arrivals), sink, timing(health_ns=S)).run()
    bad = [n for n, (_, e) in enumerate(sink.facts)
           if isinstance(e, HealthObserved) and e.status == BAD]  # fmt: skip
    assert [sink.facts[n][1] for n in bad] == [HealthObserved("RECEIVE_LAG_MS", BAD, 2_000, 1_000)]
    assert sink.facts[bad[0] + 1][1] == TimerTick(13 * S, 2)


def test_a_wall_clock_that_steps_is_told_once() -> None:
    """J12: when it has moved by more than a tenth of a second, or past its limit and back."""
    clock = VirtualClock()
    machine = Machine(clock)
    machine.offsets_ms = {5: 30, 6: 60, 20: 400, 30: 470, 31: 999, 40: 1_001, 41: 1_000, 50: -3_000}
    sink = ListSink(clock)
    live(clock, VirtualInbox(clock, ()), sink, timing(health_ns=S), silent=machine).run()
    told = [(ts // S, e.offset_ns // MS) for ts, e in sink.facts if isinstance(e, ClockStepped)]
    assert told == [(20, 400), (31, 999), (40, 1_001), (41, 1_000), (50, -3_000)]
    assert [ts for ts, _ in sink.facts] == sorted(ts for ts, _ in sink.facts)


def test_frames_that_the_disk_has_no_room_for_are_lost_and_told() -> None:
    """The first at once, the others with each look at health; everything else is taken; with room
    again frames are too."""
    clock = VirtualClock()
    sink = ListSink(clock)

    def room(event: Event) -> list[Derived]:
        sink.takes_frames = not 9 * S < clock.ns < 12 * S
        return []

    sink.leads_to = room
    arrivals: list[Dated] = [(n * S // 4 + 1, frame(n)) for n in range(80)]
    arrivals.insert(43, (arrivals[42][0], FeedStatus(0, "LOST", False, 0)))
    live(clock, VirtualInbox(clock, arrivals), sink, timing(20, health_ns=S)).run()
    told = [(ts, e) for ts, e in sink.facts if isinstance(e, FramesDropped)]
    kept = [e for _, e in sink.facts if isinstance(e, FeedFrame)]
    lost = [(at, e) for at, e in arrivals if isinstance(e, FeedFrame) and e not in kept]
    assert lost == [(at, e) for at, e in arrivals if e in [frame(n) for n in range(37, 48)]]
    assert (told[0][0], told[0][1].frames) == (lost[0][0], 1)
    assert [(e.frames, e.first_ts, e.last_ts) for _, e in told[1:3]] == [
        (2, lost[1][0], lost[2][0]),
        (4, lost[3][0], lost[6][0]),
    ]
    assert sum(e.frames for _, e in told) == len(lost)
    assert sum(e.length_bytes for _, e in told) == 2 * len(lost)
    assert any(isinstance(e, FeedStatus) for _, e in sink.facts)
    assert len(ticks(sink.facts)) == 20


# --- what leaves ---------------------------------------------------------------------------------


class Broker(Silent):
    """Starts an order behind the fact that wants it, and sends once it may."""

    def __init__(self, sink: ListSink) -> None:
        self.sink = sink
        self.sent: list[tuple[Event, int, int]] = []

    def starts(self, now_ns: int, event: Event, derived: Sequence[Derived]) -> Sequence[Event]:
        wants = isinstance(event, FeedStatus)
        return (AuthStatus("OK", "first", None, None),) if wants else ()

    def release(self, now_ns: int, event: Event, derived: Sequence[Derived]) -> None:
        self.sent.append((event, self.sink.settled, len(self.sink.facts)))


def test_what_leads_outward_is_settled_once_before_anything_leaves() -> None:
    """The fact, and the start behind it, are on the disk together before either is acted on; a
    start's own start too."""
    clock = VirtualClock()
    sink = ListSink(clock)
    broker = Broker(sink)
    status = FeedStatus(0, "CONNECTED", True, 1)
    live(clock, VirtualInbox(clock, [(5 * S, status)]), sink, timing(), silent=broker).run()
    place = [e for _, e in sink.facts].index(status)
    start = AuthStatus("OK", "first", None, None)
    assert sink.facts[place + 1] == (5 * S, start)
    acted = [one for one in broker.sent if one[0] in (status, start)]
    assert acted == [(status, place + 2, place + 2), (start, place + 2, place + 2)]
    assert all(settled == had for _, settled, had in broker.sent)


# --- the end -------------------------------------------------------------------------------------


def ended(
    exposed: int,
    requests: dict[int, EndRequest],
    flat_at: int | None = None,
    loose_until: int = 0,
    **times: object,
) -> list[Dated]:
    """The facts of a session that is asked to end at these seconds; ``flat_at`` is when the account
    is flat after FLATTEN, ``loose_until`` when all of it is protected."""
    clock = VirtualClock()
    sink = ListSink(clock)
    sink.exposed = exposed
    sink.loose = exposed if loose_until else 0

    def flat(event: Event) -> list[Derived]:
        if flat_at is not None and clock.ns >= flat_at * S:
            sink.exposed = 0
        if clock.ns >= loose_until * S:
            sink.loose = 0
        return []

    sink.leads_to = flat
    asked = dict(requests)
    plan = timing(**times)  # type: ignore[arg-type]
    ends = lambda _: asked.pop(clock.ns // S, None)  # noqa: E731
    live(clock, VirtualInbox(clock, ()), sink, plan, ends).run()
    return [one for one in sink.facts if not isinstance(one[1], HealthObserved | TimerTick)]


STOP = EndRequest(LEAVE, "someone", "enough")
SELL = EndRequest(FLATTEN, "someone", "enough")
COMMAND = OperatorCommand("STOP", "someone", "enough", None, "FLATTEN", f"end-{10 * S}", "SIGNAL")


def test_a_wish_to_end_with_nothing_open_ends_at_once() -> None:
    """Whatever is asked."""
    for wish in (STOP, SELL):
        assert ended(0, {10: wish}) == [(10 * S, SessionClosed("OPERATOR"))]
    assert ended(2, {10: STOP}) == [(10 * S, SessionClosed("OPERATOR"))]


def test_what_is_left_is_protected_first() -> None:
    """B: an entry that could still be filled, or a long whose stop does not rest yet, is not left
    behind: the core is told, and the close follows the last of it; not for longer than the wait,
    and a second wish waits for nothing."""
    leave = replace(COMMAND, value="LEAVE_PROTECTED")
    closed = SessionClosed("OPERATOR")
    assert ended(2, {10: STOP}, loose_until=14) == [(10 * S, leave), (14 * S, closed)]
    assert ended(2, {10: STOP}, loose_until=50) == [(10 * S, leave), (30 * S, closed)]
    twice = ended(2, {10: STOP, 12: STOP}, loose_until=50)
    assert twice == [(10 * S, leave), (12 * S, closed)]
    given = ended(2, {}, loose_until=33, stop_ns=30 * S)
    assert [(ts, type(one)) for ts, one in given] == [
        (30 * S, OperatorCommand),
        (33 * S, SessionClosed),
    ]


def test_a_wish_to_flatten_waits_until_nothing_is_open() -> None:
    """The command is a fact; the close follows the last exit; a second wish changes nothing."""
    for wishes in ({10: SELL}, {10: SELL, 12: SELL}):
        facts = ended(1, wishes, flat_at=20)
        assert facts == [(10 * S, COMMAND), (20 * S, SessionClosed("OPERATOR"))]


def test_what_cannot_be_sold_does_not_keep_the_session_open() -> None:
    """After the wait, or at another's wish to leave it, the session is closed with what is held."""
    waits = ended(1, {10: SELL}, flat_wait_ns=30 * S)
    assert waits == [(10 * S, COMMAND), (40 * S, SessionClosed("OPERATOR"))]
    leaves = ended(1, {10: SELL, 15: STOP}, flat_wait_ns=30 * S)
    assert leaves == [(10 * S, COMMAND), (15 * S, SessionClosed("OPERATOR"))]


def test_the_time_that_was_given_ends_it_by_the_policy() -> None:
    """``--for``: as a wish to end, by the setting."""
    facts = ended(1, {}, flat_at=34, stop_ns=30 * S, stop_policy=FLATTEN)
    assert [(ts, type(e)) for ts, e in facts] == [
        (30 * S, OperatorCommand),
        (34 * S, SessionClosed),
    ]
    assert ended(1, {}, stop_ns=30 * S) == [(30 * S, SessionClosed("OPERATOR"))]


def test_the_core_ends_the_day() -> None:
    """``SessionEndDue`` among what a fact led to closes the session behind it."""
    clock = VirtualClock()
    sink = ListSink(clock)
    due = SessionEndDue("SESSION_NOT_OPEN")
    sink.leads_to = lambda event: [derived(due)] if event == TimerTick(20 * S, 0) else []
    live(clock, VirtualInbox(clock, ()), sink, timing()).run()
    assert sink.facts[-2:] == [
        (20 * S, TimerTick(20 * S, 0)),
        (20 * S, SessionClosed("END_OF_DAY")),
    ]


@pytest.mark.parametrize(
    ("value", "outcome", "exposed", "loose", "ends_s"),
    [
        ("LEAVE_PROTECTED", "ACCEPTED", 1, 0, 10),
        ("LEAVE_PROTECTED", "ACCEPTED", 1, 1, 25),
        ("FLATTEN", "ACCEPTED", 0, 0, 10),
        ("FLATTEN", "ACCEPTED", 1, 0, 25),
        ("FLATTEN", "REFUSED", 1, 0, 60),
    ],
)
def test_an_operator_stops_the_session(
    value: str, outcome: str, exposed: int, loose: int, ends_s: int
) -> None:
    """By a command that the core accepts: at once, or when nothing is open any more; a refused one
    changes nothing."""
    clock = VirtualClock()
    sink = ListSink(clock)
    sink.exposed, sink.loose = exposed, loose
    stop = OperatorCommand("STOP", "someone", "", None, value, "c-1", "SOCKET")

    def answer(event: Event) -> list[Derived]:
        sink.exposed = 0 if clock.ns >= 25 * S else exposed
        sink.loose = 0 if clock.ns >= 25 * S else loose
        answered = CommandAnswered("c-1", "STOP", outcome, "CMD_ACCEPTED")
        return [derived(answered)] if event == stop else []

    sink.leads_to = answer
    live(clock, VirtualInbox(clock, [(10 * S, stop)]), sink, timing()).run()
    ts, closed = sink.facts[-1]
    assert ts == ends_s * S
    assert closed == SessionClosed("END_OF_DAY" if ends_s == 60 else "OPERATOR")
    assert sum(isinstance(e, OperatorCommand) for _, e in sink.facts) == 1


def test_what_the_sources_say_while_they_stop_is_taken_at_once() -> None:
    """A result that comes while the sources are stopped is in the journal when it comes, not when
    all of them have ended; nothing is after the close."""
    clock = VirtualClock()
    sink = ListSink(clock)
    late = [FeedStatus(0, "LOST", False, 0), AuthStatus("OK", "last", None, None)]
    inbox = VirtualInbox(clock, [])

    def stop() -> Stopped:
        inbox.post(clock.ns + S, late[0])
        inbox.post(clock.ns + 3 * S, late[1])
        return lambda: clock.ns >= 63 * S

    live(clock, inbox, sink, timing(), stop_sources=stop).run()
    assert sink.facts[-3:] == [
        (61 * S, late[0]),
        (63 * S, late[1]),
        (63 * S, SessionClosed("END_OF_DAY")),
    ]

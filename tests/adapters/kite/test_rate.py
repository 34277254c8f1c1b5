"""B06: never more order messages than the ceiling, and exits before entries, on a virtual clock."""

from __future__ import annotations

import bisect
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.kite.rate import (
    DEFAULT_BUDGETS,
    HISTORICAL,
    NS_PER_MINUTE,
    ORDERS_A_SECOND,
    OTHER,
    PAUSE_MOST_NS,
    QUOTE,
    READS_A_SECOND,
    Budgets,
    OrderQueue,
    Pause,
    ReadLimits,
    Waiting,
    wait_ns,
)
from engine.rulebook import NS_PER_S
from tests.adapters.kite.messages import ENTRY, EXIT, entry, exit_order

MS = 1_000_000


def most_in_a_window(times: list[int], length: int) -> int:
    """The most of ``times`` (ascending) in any window of a length, both ends included."""
    return max((bisect.bisect_right(times, t + length) - i for i, t in enumerate(times)), default=0)


class Day:
    """A day on a virtual clock: messages arrive, and each goes as soon as it may."""

    def __init__(self, budgets: Budgets) -> None:
        self.budgets = budgets
        self.queue = OrderQueue()
        self.sent: list[int] = []
        self.entries: list[int] = []
        self.entry_numbers: list[int] = []
        self.now = 0
        self.refused = 0

    def arrive(self, is_exit: bool) -> None:
        number = len(self.sent) + len(self.queue) + self.refused + 1
        message = exit_order(number) if is_exit else entry(number)
        self.queue.put(Waiting(message, EXIT if is_exit else ENTRY))

    def run(self, until: int) -> None:
        """Send what may go before ``until``, then be there."""
        while len(self.queue):
            item = self.queue.take(frozenset(), exits_only=False)
            assert item is not None
            wait = wait_ns(self.sent, len(self.sent), self.now, item.is_exit, self.budgets)
            if wait is None:
                self.refused += 1
            elif self.now + wait > until:
                self.queue.put(item)
                break
            else:
                self.now += wait
                self.send(item)
        self.now = max(self.now, until)

    def send(self, item: Waiting) -> None:
        if not item.is_exit:
            waiting = self.queue.drain()
            assert not any(other.is_exit for other in waiting), "an entry went before an exit"
            for other in waiting:
                self.queue.put(other)
            self.entries.append(self.now)
            self.entry_numbers.append(len(self.sent))
        self.sent.append(self.now)


GAPS = st.one_of(
    st.just(0),
    st.integers(0, 5 * MS),
    st.sampled_from([NS_PER_S // 8, NS_PER_S - 1, NS_PER_S, NS_PER_S + 1, NS_PER_MINUTE]),
)
SMALL = Budgets(minute=20, day=60, exits_second=2, exits_minute=5, exits_day=10)


@settings(max_examples=150, deadline=None)
@given(arrivals=st.lists(st.tuples(GAPS, st.booleans()), max_size=120))
def test_never_more_than_the_ceiling(arrivals: list[tuple[int, bool]]) -> None:
    """B06: whatever arrives when, no rolling second holds more than 8, no minute and no day more
    than its budget; entries leave the reserve alone; no entry goes while an exit waits."""
    day = Day(SMALL)
    for gap, is_exit in arrivals:
        day.run(day.now + gap)
        day.arrive(is_exit)
    day.run(day.now + 5 * NS_PER_MINUTE)
    assert most_in_a_window(day.sent, NS_PER_S) <= ORDERS_A_SECOND == 8
    assert most_in_a_window(day.sent, NS_PER_MINUTE) <= SMALL.minute
    assert len(day.sent) <= SMALL.day
    for number in day.entry_numbers:
        before = day.sent[: number + 1]
        in_second = sum(before[-1] - t <= NS_PER_S for t in before)
        assert in_second <= ORDERS_A_SECOND - SMALL.exits_second
    assert most_in_a_window(day.entries, NS_PER_S) <= ORDERS_A_SECOND - SMALL.exits_second
    assert most_in_a_window(day.entries, NS_PER_MINUTE) <= SMALL.minute - SMALL.exits_minute
    assert len(day.entries) <= SMALL.day - SMALL.exits_day
    assert len(day.sent) + day.refused + len(day.queue) == len(arrivals)


def test_the_bounds_are_used_to_the_full() -> None:
    """Canary: a storm of exits does send 8 in a second and a whole minute's budget; one less would
    be another rule, one more would be found."""
    day = Day(DEFAULT_BUDGETS)
    for _ in range(800):
        day.arrive(is_exit=True)
    day.run(NS_PER_MINUTE)
    assert most_in_a_window(day.sent, NS_PER_S) == ORDERS_A_SECOND
    assert most_in_a_window(day.sent, NS_PER_MINUTE) == DEFAULT_BUDGETS.minute
    assert most_in_a_window(sorted([*day.sent, day.sent[3]]), NS_PER_S) > ORDERS_A_SECOND
    sys.stdout.write(f"B06: {len(day.sent)} messages in a minute\n")


def test_entries_leave_room_for_exits() -> None:
    """A storm of entries stops short of the ceiling, and exits then still go at once."""
    day = Day(DEFAULT_BUDGETS)
    for _ in range(30):
        day.arrive(is_exit=False)
    day.run(0)
    assert len(day.sent) == ORDERS_A_SECOND - DEFAULT_BUDGETS.exits_second
    day.arrive(is_exit=True)
    day.run(0)
    assert day.sent[-1] == 0 and len(day.sent) == 7


@pytest.mark.parametrize(("is_exit", "most"), [(False, 50), (True, 60)])
def test_a_day_ends(is_exit: bool, most: int) -> None:
    """The day's budget is final: the answer is never "later today"."""
    assert wait_ns((), most - 1, 0, is_exit, SMALL) == 0
    assert wait_ns((), most, 0, is_exit, SMALL) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"minute": 401},
        {"minute": 0},
        {"day": 5001},
        {"exits_second": 8},
        {"exits_minute": 0},
        {"exits_day": 4800},
    ],
)
def test_budgets_that_are_none(changed: dict[str, int]) -> None:
    """No setting goes past the broker's own limits, nor leaves entries or exits nothing."""
    with pytest.raises(ValueError, match="budget"):
        Budgets(**changed)
    assert (DEFAULT_BUDGETS.minute, DEFAULT_BUDGETS.day) == (380, 4800)


def test_reads_have_limits_of_their_own() -> None:
    """Quotes once, candles three times, the rest ten times a second."""
    limits = ReadLimits()
    for kind, most in ((QUOTE, 1), (HISTORICAL, 3), (OTHER, 10)):
        assert READS_A_SECOND[kind] == most
        sent: list[int] = []
        now = 0
        while len(sent) < 40:
            wait = limits.reserve(kind, now)
            now += wait
            if wait == 0:
                sent.append(now)
        assert most_in_a_window(sent, NS_PER_S) == most
        assert sent[-1] <= (40 // most + 1) * (NS_PER_S + 1)


def test_a_pause_grows_and_ends() -> None:
    """B06: after a 429 a second's silence, doubled for each that follows up to 16, forgotten at
    the first other answer; an exit waits out the broker's second only."""
    pause = Pause()
    assert pause.wait_ns(0, is_exit=False) == 0
    lengths = []
    for _ in range(6):
        pause.refused(0)
        lengths.append(pause.wait_ns(0, is_exit=False) // NS_PER_S)
        assert pause.wait_ns(0, is_exit=True) == NS_PER_S
    assert lengths == [1, 2, 4, 8, 16, 16]
    assert pause.wait_ns(PAUSE_MOST_NS, is_exit=False) == 0
    pause.answered()
    pause.refused(100 * NS_PER_S)
    assert pause.wait_ns(100 * NS_PER_S, is_exit=False) == NS_PER_S


def test_the_queue_keeps_an_order_s_messages_in_order() -> None:
    """One message of an order at a time and each in its turn; exits first; a lane for exits takes
    nothing else."""
    queue = OrderQueue()
    place = Waiting(entry(1), ENTRY)
    cancel = Waiting(entry(2, order_id="P1", action="CANCEL", authority=EXIT.exit_id), EXIT)
    other = Waiting(entry(3), ENTRY)
    sell = Waiting(exit_order(4), EXIT)
    for item in (place, cancel, other, sell):
        queue.put(item)
    assert queue.take(frozenset(), exits_only=True) is sell
    assert queue.take(frozenset(), exits_only=True) is None
    assert queue.take(frozenset(), exits_only=False) is place
    assert queue.take(frozenset({"P1"}), exits_only=False) is other
    assert queue.take(frozenset({"P1"}), exits_only=False) is None
    assert queue.take(frozenset(), exits_only=True) is cancel
    assert len(queue) == 0 and queue.drain() == ()

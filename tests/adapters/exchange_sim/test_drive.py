"""The market's day in order of time, at any speed, from any moment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.exchange_sim.drive import DUE_AGAIN_MAX, NS_PER_S, Clock, Drive
from adapters.markets.port import MarketError, MarketFrame


class Day:
    """A market of frames at given moments; only what the drive asks of one."""

    anchor_ns = 0

    def __init__(self, *moments: int) -> None:
        self._moments = moments

    def frames(self) -> Iterator[MarketFrame]:
        """One heartbeat at each moment."""
        return (MarketFrame(ts, b"\x00", 0, False) for ts in self._moments)


class Follower:
    """Writes down what it was told and when; ``due`` are moments of its own."""

    def __init__(self, *due: int) -> None:
        self.due = list(due)
        self.told: list[tuple[str, int]] = []

    def due_ns(self) -> int | None:
        """The next own moment."""
        return self.due[0] if self.due else None

    def on_due(self, now_ns: int) -> None:
        """One own moment is done."""
        self.told.append(("due", now_ns))
        self.due.pop(0)

    def on_frame(self, now_ns: int, frame: MarketFrame) -> None:
        """A frame came."""
        assert frame.ts <= now_ns
        self.told.append(("frame", now_ns))


def driven(day: Any, follower: Follower, clock: Clock | None = None, at_ns: int = 0) -> Drive:
    """A drive over a planted day."""
    return Drive(day, clock or Clock(at_ns, 0), follower, at_ns)


moments = st.lists(st.integers(0, 20), max_size=8).map(sorted)


@given(moments, moments, st.lists(st.integers(0, 25), max_size=5))
def test_everything_comes_once_in_order_whatever_the_steps(
    frames: list[int], due: list[int], steps: list[int]
) -> None:
    """Frames and due things up to the furthest step, each at its moment, due before frame; a step
    backwards does nothing."""
    follower = Follower(*due)
    drive = driven(Day(*frames), follower)
    for target in steps:
        assert drive.step(target)
    last = max(steps, default=-1)
    expected = [(ts, "due") for ts in due if ts <= last] + [
        (ts, "frame") for ts in frames if ts <= last
    ]
    assert follower.told == [(what, ts) for ts, what in sorted(expected)]
    assert drive.now_ns == max(0, last)


def test_a_due_thing_that_appears_in_between_is_not_passed_over() -> None:
    """What a frame makes due before the next frame happens before it."""
    follower = Follower()
    drive = driven(Day(1, 9), follower)
    drive.step(1)
    follower.due.append(4)
    assert drive.next_ns() == 4
    drive.step(9)
    assert follower.told == [("frame", 1), ("due", 4), ("frame", 9)]


def test_what_was_due_in_the_past_happens_now_and_time_does_not_go_back() -> None:
    """A thing that became due late is told the present moment."""
    follower = Follower()
    drive = driven(Day(), follower)
    drive.step(7)
    follower.due.append(3)
    drive.step(8)
    assert follower.told == [("due", 7)]


def test_a_thing_that_is_due_for_ever_is_an_error_and_no_hang() -> None:
    """The drive gives up on what never stops being due."""

    class Stuck(Follower):
        def on_due(self, now_ns: int) -> None:
            """Not done at all."""
            self.told.append(("due", now_ns))

    follower = Stuck(3)
    with pytest.raises(RuntimeError, match="due at 3 is due again and again"):
        driven(Day(), follower).step(5)
    assert len(follower.told) == DUE_AGAIN_MAX + 1


def test_an_error_is_raised_again_at_every_later_step() -> None:
    """Who meets the market's error first does not hide it from the others."""

    class Broken(Day):
        def frames(self) -> Iterator[MarketFrame]:
            """One frame, then an error."""
            yield from super().frames()
            raise MarketError("the file ends here")

    drive = driven(Broken(1), Follower())
    for _ in range(2):
        with pytest.raises(MarketError, match="ends here"):
            drive.step(5)


def test_a_budget_ends_a_step_early_with_the_time_of_what_was_done() -> None:
    """With no budget left one thing is done, and the told time is that thing's."""
    follower = Follower()
    drive = driven(Day(1, 2, 3), follower)
    assert not drive.step(3, budget_ns=-1)
    assert drive.now_ns == 1
    assert drive.step(3) and drive.now_ns == 3


def test_skip_goes_to_the_starting_moment() -> None:
    """Everything before it is done before anybody waits."""
    follower = Follower()
    drive = driven(Day(1, 5, 9), follower, at_ns=5)
    drive.skip()
    assert follower.told == [("frame", 1), ("frame", 5)] and drive.now_ns == 5


@pytest.mark.parametrize("speed", [1.0, 2.5, 60.0])
def test_the_clock_runs_at_its_speed(speed: float) -> None:
    """So much of the market's time in a second of the machine's, and the way back."""
    machine = [1_000]
    clock = Clock(500, speed, lambda: machine[0])
    assert clock.now_ns() == 500 and clock.seconds_until(600) is None
    clock.start()
    machine[0] += 2 * NS_PER_S
    assert clock.now_ns() == 500 + int(2 * speed * NS_PER_S)
    assert clock.seconds_until(clock.now_ns() + int(speed * NS_PER_S)) == pytest.approx(1.0)
    assert clock.seconds_until(0) == 0.0


def test_at_speed_zero_time_stands_and_a_mad_speed_is_refused() -> None:
    """By hand: no time passes; a negative or enormous factor is no speed."""
    machine = [0]
    clock = Clock(500, 0, lambda: machine[0])
    clock.start()
    machine[0] = NS_PER_S
    assert clock.now_ns() == 500 and clock.seconds_until(10_000) is None
    for speed in (-1, 20_000, float("nan")):
        with pytest.raises(ValueError, match="is none: 0"):
            Clock(0, speed)

"""J12: the session clock goes on with the time since boot, whatever the wall clock does."""

from __future__ import annotations

import pytest

from adapters.session import clock
from adapters.session.clock import SessionClock

ANCHOR = 1_795_000_000_000_000_000


def test_it_goes_at_its_rate_from_its_anchor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anchor and elapsed time at the rate, and back: how long until a session time."""
    boot = [5_000]
    monkeypatch.setattr(clock, "boot_ns", lambda: boot[0])
    one = SessionClock(ANCHOR, 60)
    assert one.now_ns() == ANCHOR
    boot[0] += 2_000_000_000
    assert one.now_ns() == ANCHOR + 120_000_000_000
    assert one.left_s(ANCHOR + 180_000_000_000) == 1.0
    assert one.boot_at(one.now_ns()) == boot[0]
    assert one.left_s(ANCHOR) < 0


def test_a_step_of_the_wall_clock_shows_in_the_offset_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An hour back: the session clock does not move, the offset says it; at another rate there is
    nothing to compare."""
    boot, wall = [0], [ANCHOR]
    monkeypatch.setattr(clock, "boot_ns", lambda: boot[0])
    monkeypatch.setattr(clock, "wall_ns", lambda: wall[0])
    one = SessionClock(ANCHOR)
    boot[0], wall[0] = 1_000, ANCHOR - 3_600_000_000_000
    assert one.now_ns() == ANCHOR + 1_000
    assert one.offset_ns() == -3_600_000_001_000
    assert SessionClock(ANCHOR, 2).offset_ns() is None


def test_a_simulated_day_is_not_an_offset(monkeypatch: pytest.MonkeyPatch) -> None:
    """A market of another day: nothing is off until the wall clock steps from here on. Taken for
    the wall's own day (canary) it would be off by the days between, and block every entry."""
    day_ns = 86_400_000_000_000
    boot, wall = [0], [ANCHOR + 6 * day_ns]
    monkeypatch.setattr(clock, "boot_ns", lambda: boot[0])
    monkeypatch.setattr(clock, "wall_ns", lambda: wall[0])
    one, canary = SessionClock(ANCHOR, simulated=True), SessionClock(ANCHOR)
    boot[0], wall[0] = 1_000, wall[0] + 1_000
    assert (one.offset_ns(), canary.offset_ns()) == (0, 6 * day_ns)
    wall[0] += 2_000_000_000
    assert one.offset_ns() == 2_000_000_000


def test_it_never_runs_backwards() -> None:
    """The machine's own clock, read often."""
    one = SessionClock(ANCHOR, 7)
    seen = [one.now_ns() for _ in range(20_000)]
    assert seen == sorted(seen)


def test_a_clock_that_stands_is_refused() -> None:
    """A backtest has no clock; a session in real time has one that goes."""
    with pytest.raises(ValueError, match="does not go forward"):
        SessionClock(ANCHOR, 0)

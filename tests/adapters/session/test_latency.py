"""J19: how long a frame takes to the disk is measured as it was, and a disk that stands shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.session import latency
from adapters.session.clock import SessionClock
from adapters.session.inbox import SessionInbox
from adapters.session.latency import BOUNDS_US, LatencyMeter, Percentiles
from adapters.session.machine import Limits, MachineWatch

MS = 1_000_000


@given(st.lists(st.integers(1, 50_000_000), min_size=1, max_size=200))
def test_percentiles_are_never_below_what_was_measured(took_us: list[int]) -> None:
    """Against the exact ones of the same times: at least as long, at most a bucket more."""
    meter = LatencyMeter()
    with pytest.MonkeyPatch.context() as patch:
        for seq, us in enumerate(took_us, 1):
            patch.setattr(latency, "boot_ns", lambda us=us: us * 1_000)
            meter.received(seq, 0)
            meter.durable(seq)
    exact = sorted(took_us)
    said = meter.percentiles()
    assert (said.count, said.max) == (len(exact), exact[-1] / 1_000)
    for percent, value in ((50, said.p50), (99, said.p99)):
        true_us = exact[-(-len(exact) * percent // 100) - 1]
        assert value is not None
        assert true_us <= value * 1_000 * 1.000_001
        assert value * 1_000 <= max(true_us * 1.11, BOUNDS_US[0])


def test_one_sync_ends_the_wait_of_all_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """And of none behind it; what waits still shows in the worst."""
    now = [0]
    monkeypatch.setattr(latency, "boot_ns", lambda: now[0])
    meter = LatencyMeter()
    assert meter.percentiles() == Percentiles(0, None, None, None)
    for seq in (2, 4, 9):
        meter.received(seq, now[0])
        now[0] += 10 * MS
    meter.durable(8)
    assert meter.percentiles() == Percentiles(2, 20.0, 30.0, 30.0)
    assert meter.worst_ms() == 30
    now[0] += 5_000 * MS
    assert meter.worst_ms() == 5_010


def test_a_machine_in_trouble_is_said_to_be(tmp_path: Path) -> None:
    """Each limit on both sides."""
    clock = SessionClock(0)
    inbox, meter = SessionInbox(clock), LatencyMeter()
    good = MachineWatch(tmp_path, clock, inbox, meter, Limits(disk_free_mb_min=0))
    names = ["DURABILITY_MS", "DISK_FULL", "INBOX_FRAMES", "DISK_FREE_MB"]
    assert [one.what for one in good.measure()] == names
    assert not any(one.bad for one in good.measure())
    meter.received(1, -10_000 * MS)
    limits = Limits(inbox_frames_max=-1, disk_free_mb_min=1 << 40)
    bad = MachineWatch(tmp_path, clock, inbox, meter, limits, lambda: True)
    assert all(one.bad for one in bad.measure())
    gone = MachineWatch(tmp_path / "gone", clock, inbox, meter)
    assert [one.what for one in gone.measure()] == names[:-1]

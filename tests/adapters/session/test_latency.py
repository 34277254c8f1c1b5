"""J19: how long a frame takes to the disk is measured as it was, and a disk that stands shows."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.session import latency, machine
from adapters.session.clock import SessionClock
from adapters.session.inbox import SessionInbox
from adapters.session.latency import BOUNDS_US, LatencyMeter, Percentiles
from adapters.session.machine import Limits, MachineWatch
from engine.ports import Measured

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
    names = ["DURABILITY_MS", "DISK_FULL", "INBOX_FRAMES", "DISK_FREE_MB", "DESCRIPTORS"]
    assert [one.what for one in good.measure()] == names
    assert not any(one.bad for one in good.measure())
    meter.received(1, -10_000 * MS)
    limits = Limits(inbox_frames_max=-1, disk_free_mb_min=1 << 40, descriptors_free_min=1 << 40)
    bad = MachineWatch(tmp_path, clock, inbox, meter, limits, lambda: True)
    assert all(one.bad for one in bad.measure())
    gone = MachineWatch(tmp_path / "gone", clock, inbox, meter)
    assert [one.what for one in gone.measure()] == [*names[:3], names[4]]


def measured(watch: MachineWatch) -> dict[str, Measured]:
    """What a look found, by name."""
    return {one.what: one for one in watch.measure()}


def test_a_process_near_its_limits_is_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E11: descriptors against the real limit of this process, set to what it has and put back;
    address space on both sides of its margin; without a limit nothing is said."""
    clock = SessionClock(0)
    watch = MachineWatch(tmp_path, clock, SessionInbox(clock), LatencyMeter())
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    roomy = measured(watch)["DESCRIPTORS"]
    assert (roomy.bad, roomy.limit) == (False, soft - 32)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (machine.lowest_free(soft), hard))
        none_left = measured(watch)["DESCRIPTORS"]
        assert none_left.observed == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert none_left.bad
    assert not measured(watch)["DESCRIPTORS"].bad
    if not Path("/proc/self/statm").exists():
        pytest.skip("this system does not say how much a process has mapped")
    mapped, margin = machine.mapped_bytes(), 128_000_000
    for room, bad in ((margin * 2, False), (margin // 2, True), (-margin, True)):
        limit = mapped + room

        def limits(what: int, limit: int = limit) -> tuple[int, int]:
            return (limit if what == resource.RLIMIT_AS else resource.RLIM_INFINITY, -1)

        with monkeypatch.context() as patched:
            patched.setattr(resource, "getrlimit", limits)
            found = measured(watch)
        assert found["ADDRESS_SPACE_MB"].bad is bad
        assert "DESCRIPTORS" not in found

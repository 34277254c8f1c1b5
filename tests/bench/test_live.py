"""The bench of an engine in real time reads what the engine said, and probes the disk beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import live


@pytest.mark.slow
def test_two_seconds_are_measured(tmp_path: Path) -> None:
    """A small market at high speed: ticks came, both figures are there, the replay is identical,
    and the disk was probed meanwhile."""
    report = live.measure(tmp_path, "synthetic:small", "2s", ("--speed", "60"))
    assert report.ticks > 100
    assert 0 < report.p50_ms <= report.p99_ms
    assert 0 < report.cpu_percent < 200
    assert report.identical
    assert report.disk.count >= 1
    assert report.met == (report.cpu_percent < 10 and report.p99_ms < 20)

"""The screen's bench on seconds of data."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import screen
from bench.measure import write_report


@pytest.mark.slow
def test_a_short_run_says_what_it_cost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A screen in a real terminal follows, rests, answers keys, opens a longer session."""
    monkeypatch.setattr(screen, "PANES", screen.PANES[:1])
    report = screen.measure(tmp_path, 2.0, 4_000)
    assert set(report.live_percent) == {"home"}
    assert report.start_cpu_s > 0
    assert 0 < report.key_p50_ms <= report.key_p99_ms
    assert 0 < report.opened_s <= report.loaded_s
    assert report.again_s > 0
    assert 0 < report.seek_p50_ms <= report.seek_p95_ms
    assert 0 < report.frame_p50_ms <= report.frame_p99_ms
    assert 0 < report.frame_cpu_p50_ms <= report.frame_cpu_p99_ms
    assert 0 < report.switch_p50_ms <= report.switch_p99_ms
    write_report(report, tmp_path / "report.json")
    assert (tmp_path / "report.json").exists()


@pytest.mark.slow
def test_a_short_soak_counts_what_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two short hours with every pane visited: not a widget more, and memory by hour."""
    monkeypatch.setattr(screen, "HOUR_NS", 12 * 120_000_000_000)
    soaked = screen.soak(tmp_path, 2)
    assert soaked.entries > 20_000
    assert len(soaked.rss_mb) == 2
    assert soaked.widgets[0] == soaked.widgets[1] > 0
    assert soaked.growth_mb == round(soaked.rss_mb[1] - soaked.rss_mb[0], 1)


def test_parts_of_values() -> None:
    """The median and the last of a hundred, in any order; of one value that one."""
    values = [float(one) for one in range(100, 0, -1)]
    assert (screen.part_of(values, 50), screen.part_of(values, 99)) == (51.0, 100.0)
    assert screen.part_of([7.0], 99) == 7.0

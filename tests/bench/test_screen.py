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
    write_report(report, tmp_path / "report.json")
    assert (tmp_path / "report.json").exists()

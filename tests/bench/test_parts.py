"""The benchmarks of single parts run, and refuse to time a wrong answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import journal_bench, maths_bench, synthetic_bench
from engine import exact


def test_the_journal_alone_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A few thousand envelopes of each size are appended, read, sealed and verified."""
    monkeypatch.setattr(journal_bench, "WAITS", 8)
    journal_bench.main(["--envelopes=4000", f"--folder={tmp_path}"])
    report = json.loads(capsys.readouterr().out)
    assert set(report) == {
        *(f"envelopes_of_{size}_bytes" for size in journal_bench.SIZES),
        "acknowledged_one_by_one",
    }
    for figures in report.values():
        assert all(figure >= 0 for figure in figures.values())
    assert report["envelopes_of_4000_bytes"]["sealed_bytes_each"] > 0


def test_the_core_s_arithmetic_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every function has a figure."""
    monkeypatch.setattr(maths_bench, "CALLS", 50)
    monkeypatch.setattr(maths_bench, "ROUNDS", 1)
    maths_bench.main(["--json"])
    figures = json.loads(capsys.readouterr().out)["cpu_ns_per_call"]
    assert set(figures) == {name for name, _, _ in maths_bench.cases()}
    assert all(figure > 0 for figure in figures.values())


def test_canary_a_wrong_function_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exponential that is a little off ends the bench before any figure."""
    right = exact.exp
    monkeypatch.setattr(exact, "exp", lambda x: right(x) * (1 + 1e-12))
    with pytest.raises(SystemExit, match="wrong answers, nothing timed"):
        maths_bench.main([])


def test_a_synthetic_day_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """The small day has its packets; an unknown profile is one line with the known ones."""
    found = synthetic_bench.measure("small", 7)
    assert 100_000 < found.packets < 150_000
    assert found.data_bytes > found.packets
    assert f"{found.packets:,} packets" in found.line()
    with pytest.raises(SystemExit) as ended:
        synthetic_bench.main(["huge"])
    assert ended.value.code == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert all(name in said for name in synthetic_bench.PROFILE_NAMES)

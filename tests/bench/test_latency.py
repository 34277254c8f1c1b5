"""The latency bench: every urgent group is timed, percentiles are of the series."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import latency


@pytest.mark.slow
def test_every_urgent_group_is_timed_beside_as_many_syncs(tmp_path: Path) -> None:
    """Two turns: the engine worked, frames were journaled, both series have all their values."""
    groups = 2 * latency.TURN
    report = latency.measure(tmp_path, groups)
    counts = (report.urgent.count, report.beside.count, report.disk.count)
    assert counts == (groups, groups, groups)
    assert report.frames >= groups * latency.EVERY_FRAMES
    assert 0 < report.busy <= 1.05
    assert 0 < report.urgent.p50_ms <= report.urgent.p99_ms <= report.urgent.max_ms


def test_percentiles_are_values_of_the_series() -> None:
    """Of 1 to 100 ms in any order; of one value all are that one."""
    found = latency.latency_of([at / 1e3 for at in range(100, 0, -1)])
    assert (found.p50_ms, found.p90_ms, found.p99_ms, found.max_ms) == (51.0, 91.0, 100.0, 100.0)
    one = latency.latency_of([0.002])
    assert (one.p50_ms, one.p99_ms, one.count) == (2.0, 2.0, 1)


@pytest.mark.parametrize("bad", ["--groups=0", "--groups=26"])
def test_a_bad_option_ends_with_one_line(bad: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and what is wrong in the last line."""
    with pytest.raises(SystemExit) as ended:
        latency.parse([bad])
    assert ended.value.code == 2
    assert "--groups" in capsys.readouterr().err.splitlines()[-1]

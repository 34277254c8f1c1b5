"""The memory bench: all three phases over one journal, by fifths, and growth is seen."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bench import memory
from bench.measure import resident_mb
from bench.work_a_data import BURST, MINUTES

TICKS = BURST * MINUTES


@pytest.mark.slow
def test_the_command_watches_writer_reader_and_replay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The shortest day: each phase has a figure, and the replay found all of its ticks."""
    path = tmp_path / "report.json"
    assert memory.main([f"--ticks={TICKS}", f"--folder={tmp_path}", f"--json={path}"]) == 0
    report = msgspec.json.decode(path.read_bytes(), type=memory.Report)
    assert [one.name for one in report.phases] == ["write", "read", "replay"]
    for one in report.phases:
        assert max(one.fifths_mb) > 0 and one.peak_mb >= max(one.fifths_mb) - 1
    assert "target of replay under" in capsys.readouterr().out


def test_canary_growth_is_seen() -> None:
    """Forty MB held in the last fifth stand in the last fifth."""
    watch = memory.Watch(10)
    watch.look(0)
    kept = bytearray(b"x") * (40 * 1024 * 1024)
    watch.look(9)
    assert watch.fifths_mb[4] - watch.fifths_mb[0] >= 30
    assert watch.fifths_mb[1:4] == [0, 0, 0]
    del kept
    assert resident_mb() > 0

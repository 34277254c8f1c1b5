"""The travel bench: a state that differs has no figure, every series has all its values."""

from __future__ import annotations

import msgspec
import pytest

from bench import travel_bench
from engine.runner import RunReport
from journal.checkpoints import CHECKPOINTS_NAME
from tests.engine.fabricated import run_small


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> RunReport:
    """A finished session of a few minutes."""
    return run_small(tmp_path_factory.mktemp("travelled"))


@pytest.mark.slow
def test_a_session_is_travelled_and_weighed(
    made: RunReport, capsys: pytest.CaptureFixture[str]
) -> None:
    """States by the function and by the command, each compared with the one from the start."""
    options = travel_bench.parse(["small", "--count=12", "--commands=2"])
    report = travel_bench.report_of(made, 2.0, options)
    assert (report.function.wall.count, report.command.cpu.count) == (12, 2)
    assert report.started.wall.count == 2
    assert report.command.cpu.p50_ms > report.started.cpu.p50_ms / 2 > 0
    assert report.kept.count == made.checkpoints.written > 0
    size = (made.folder / CHECKPOINTS_NAME).stat().st_size
    assert report.kept.stored_kb == round(size / report.kept.count / 1e3, 1) > 0
    assert 0 < report.kept.share < 1
    travel_bench.show(report)
    said = capsys.readouterr().out
    assert "target of p99" in said
    assert msgspec.json.decode(msgspec.json.encode(report), type=travel_bench.Report) == report


def test_canary_another_state_has_no_figure(made: RunReport) -> None:
    """The comparison fails where the state is not the expected one."""
    expected = travel_bench.hashes_at(made.folder, [5, made.head_seq])
    assert list(expected) == [5, made.head_seq]
    travel_bench.check(made.folder, 5, expected[5])
    with pytest.raises(AssertionError, match="another state after entry 5"):
        travel_bench.check(made.folder, 5, expected[made.head_seq])
    with pytest.raises(SystemExit, match=r"cli\.main at .* ended with 2"):
        travel_bench.command(made.folder, made.head_seq + 1)


@pytest.mark.parametrize("bad", ["--commands=0", "--commands=301", "--count=x"])
def test_a_bad_option_ends_with_one_line(bad: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and what is wrong in the last line."""
    with pytest.raises(SystemExit) as ended:
        travel_bench.parse([bad])
    assert ended.value.code == 2
    assert "--co" in capsys.readouterr().err.splitlines()[-1]

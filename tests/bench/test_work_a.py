"""WORK-A runs, its peers agree, and a peer that answers otherwise is found."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bench import work_a, work_a_axiom, work_a_plain
from bench.work_a_data import BURST, answers_of, differences, frames_of, make_day
from events.wire.kite import walk

MINUTES = 20
TICKS = MINUTES * BURST
ARGUMENTS = [f"--ticks={TICKS}", f"--minutes={MINUTES}", "--reps=1", "--without-nautilus"]


@pytest.mark.slow
def test_the_command_measures_every_peer_of_ours(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The whole command on 20 minutes: four peers, each a process of its own, same answers."""
    report_path = tmp_path / "report.json"
    code = work_a.main([*ARGUMENTS, f"--folder={tmp_path}", f"--json={report_path}"])
    said = capsys.readouterr().out
    report = msgspec.json.decode(report_path.read_bytes(), type=work_a.Report)
    assert code == 0, said
    assert [row.peer for row in report.rows] == [
        name for name in work_a.PEERS if name not in work_a.NEEDS_NAUTILUS
    ]
    found = report.answers
    assert found.passed + found.warm_up + found.stale + found.wide == MINUTES * 100
    assert min(found.passed, found.warm_up, found.stale, found.wide) > 0
    assert "NautilusTrader did not run: it was not asked for" in said


def test_canary_an_answer_that_differs_fails_the_command() -> None:
    """One verdict out of order, or one sum a little off, is named; the report then says so."""
    day = make_day(TICKS, 7, MINUTES)
    want = work_a_plain.run(work_a_plain.flatten(day), MINUTES)
    assert differences(want, want) == []
    swapped = answers_of(b"\x00\x01", want.bars, (0.0, 0.0, 0.0, 0.0, 0.0))
    again = answers_of(b"\x01\x00", want.bars, (0.0, 0.0, 0.0, 0.0, 0.0))
    assert [line.split()[0] for line in differences(swapped, again)] == ["verdicts_sha256"]
    off = msgspec.structs.replace(want, atr_sum=want.atr_sum * (1 + 3e-6))
    assert [line.split()[0] for line in differences(want, off)] == ["atr_sum"]


def test_the_answers_are_read_from_the_journal(tmp_path: Path) -> None:
    """What is compared is what a finished journal holds, in frames of 200 and of 20 alike."""
    day = make_day(TICKS, 11, MINUTES)
    large = work_a_axiom.run(tmp_path / "large", work_a_axiom.market_of(day, 200))
    small = work_a_axiom.run(tmp_path / "small", work_a_axiom.market_of(day, 20))
    want = work_a_plain.run(work_a_plain.flatten(day), MINUTES)
    assert differences(work_a_axiom.answers(large), want) == []
    assert differences(work_a_axiom.answers(small), want) == []
    work_a_axiom.seal(large)
    work_a_axiom.replay(large)


def test_a_seed_is_a_day_and_frames_hold_all_of_it() -> None:
    """The same seed makes the same bytes; another makes others; no packet is lost in frames."""
    one, same, other = (
        list(frames_of(make_day(TICKS, seed, MINUTES).bursts, 20)) for seed in (7, 7, 8)
    )
    assert one == same
    assert one != other
    assert sum(walk(data).packets for _, data in one) == TICKS


@pytest.mark.parametrize("bad", ["--ticks=150", "--minutes=0", "--reps=0", "--peer=nobody"])
def test_a_bad_option_ends_with_one_line(bad: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and what is wrong in the last line."""
    with pytest.raises(SystemExit) as ended:
        work_a.parse([bad])
    assert ended.value.code == 2
    assert bad.split("=")[0] in capsys.readouterr().err.splitlines()[-1]

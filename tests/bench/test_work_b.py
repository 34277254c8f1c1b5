"""WORK-B runs, every peer gives back what it was given, and one that does not is found."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bench import work_b
from bench.work_a_data import BURST, bursts, frames_of

PACKETS = 10 * BURST


def test_the_command_measures_the_journal_and_sqlite(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The whole command on 2,000 packets: appended, read in four ways, sealed and read again."""
    report_path = tmp_path / "report.json"
    code = work_b.main(
        [f"--packets={PACKETS}", "--reps=1", "--without-lmdb", f"--json={report_path}"]
    )
    said = capsys.readouterr().out
    report = msgspec.json.decode(report_path.read_bytes(), type=work_b.Report)
    assert code == 0, said
    assert [row.peer for row in report.rows] == [
        work_b.FRAMES,
        "axiom, a packet an entry",
        "SQLite, WAL FULL",
    ]
    read = report.rows[0].reads
    assert {target.figure for target in work_b.TARGETS} <= {"append", *read}
    assert "LMDB did not run: it was not asked for" in said


def test_canary_a_packet_that_does_not_come_back_fails_the_run() -> None:
    """One lost, one changed, two swapped: each ends the run."""
    packets = work_b.packets_of(tuple(frames_of(bursts(PACKETS, 7, 1), BURST)))
    assert len(packets) == PACKETS
    work_b.check(packets, packets)
    wrong = (
        packets[:-1],
        [*packets[:5], b"\0" * 184, *packets[6:]],
        [packets[1], packets[0], *packets[2:]],
    )
    for found in wrong:
        with pytest.raises(AssertionError, match="not what was appended"):
            work_b.check(found, packets)


@pytest.mark.parametrize("bad", ["--packets=150", "--reps=0"])
def test_a_bad_option_ends_with_one_line(bad: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and what is wrong in the last line."""
    with pytest.raises(SystemExit) as ended:
        work_b.parse([bad])
    assert ended.value.code == 2
    assert bad.split("=")[0] in capsys.readouterr().err.splitlines()[-1]

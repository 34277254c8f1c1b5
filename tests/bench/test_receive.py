"""The receive bench: what came over the socket is the day, and another day is found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from bench import receive
from bench.work_a_data import BURST

MINUTES = 16
TICKS = MINUTES * BURST


def test_the_command_measures_both_sizes_and_compares(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A short day over real sockets in both frame sizes: every packet journaled, digests equal."""
    path = tmp_path / "report.json"
    arguments = [f"--ticks={TICKS}", f"--minutes={MINUTES}", "--reps=1", f"--folder={tmp_path}"]
    assert receive.main([*arguments, f"--json={path}"]) == 0
    report = msgspec.json.decode(path.read_bytes(), type=receive.Report)
    assert [(row.per_frame, row.packets, row.runs) for row in report.rows] == [
        (BURST, TICKS, 1), (20, TICKS, 1),
    ]  # fmt: skip
    assert all(0 < row.ticker_cpu_s < row.cpu_s for row in report.rows)
    assert "per CPU s" in capsys.readouterr().out


def test_canary_one_changed_price_fails_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sender that changes one byte of one price: the journal is another one, and it is said."""
    honest = receive.sending

    @contextmanager
    def false_sending(frames: Sequence[bytes]) -> Iterator[str]:
        changed = bytearray(frames[0])
        changed[2 + 2 + 4 + 3] ^= 1  # the last byte of the first packet's price
        with honest([bytes(changed), *frames[1:]]) as root:
            yield root

    monkeypatch.setattr(receive, "sending", false_sending)
    with pytest.raises(SystemExit, match="not that of the same day"):
        receive.measure(tmp_path, TICKS, MINUTES, 7, BURST, 1)


@pytest.mark.parametrize("bad", ["--ticks=7", "--reps=0"])
def test_a_bad_option_ends_with_one_line(bad: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and what is wrong in the last line."""
    with pytest.raises(SystemExit) as ended:
        receive.parse([bad])
    assert ended.value.code == 2
    assert bad.partition("=")[0] in capsys.readouterr().err.splitlines()[-1]

"""The projections' bench: counts that must hold, figures of a short day, verdicts that can fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from adapters.markets.synthetic import SyntheticMarket
from bench import projections
from engine.ports import MarketFrame
from projections.duck.questions import QUESTIONS

NS_PER_S = 1_000_000_000
SECONDS = 40


class Morning(SyntheticMarket):
    """The first seconds of the small day."""

    @property
    def close_ns(self) -> int:
        return self.open_ns + SECONDS * NS_PER_S

    def frames(self) -> Iterator[MarketFrame]:
        for frame in super().frames():
            if frame.ts >= self.close_ns:
                return
            yield frame


def test_the_command_projects_and_asks_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every figure is there, the counts are the day's, and every target is judged."""
    monkeypatch.setattr(projections, "SyntheticMarket", Morning)
    report = tmp_path / "report.json"
    assert projections.main(["small", "--asked", "1", f"--json={report}"]) == 0
    found = msgspec.json.decode(report.read_bytes(), type=projections.Report)
    assert found.decisions == SECONDS
    assert found.gate_rows > SECONDS * 11
    assert found.ticks > 0 and found.tick_bytes > 0
    assert found.asked == len(QUESTIONS)
    said = capsys.readouterr().out
    assert said.count("target of") == len(list(projections.verdicts(found))) == 6


def test_a_target_can_be_missed() -> None:
    """The canary: figures that miss each target are said to."""
    blank = projections.Report(
        "small",
        1,
        "m",
        1,
        1,
        1,
        1.0,
        49_999,
        40.0,
        1.0,
        1_000,
        1,
        1.0,
        150.0,
        500.0,
        [],
        500.0,
        2,
        1,
    )
    assert not any(met for _, met, _ in projections.verdicts(blank))


@pytest.mark.parametrize("words", [["--asked", "0"], ["nowhere"]])
def test_a_bad_option_is_refused(words: list[str]) -> None:
    """Exit code 2, as every command."""
    with pytest.raises(SystemExit) as ended:
        projections.parse(words)
    assert ended.value.code == 2

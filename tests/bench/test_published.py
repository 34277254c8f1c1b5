"""The bench of what a reader sees: a paced second, verdicts that can fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from adapters.markets.synthetic import SyntheticMarket
from bench import published
from engine.ports import MarketFrame

NS_PER_S = 1_000_000_000


class Morning(SyntheticMarket):
    """The first seconds of the small day."""

    @property
    def close_ns(self) -> int:
        return self.open_ns + 60 * NS_PER_S

    def frames(self) -> Iterator[MarketFrame]:
        for frame in super().frames():
            if frame.ts >= self.close_ns:
                return
            yield frame


@pytest.mark.slow
def test_the_command_writes_follows_and_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Looks were made while it wrote, their ages are in order, and the target is judged."""
    monkeypatch.setattr(published, "SyntheticMarket", Morning)
    report = tmp_path / "report.json"
    assert published.main(["--rows", "400", "--seconds", "2", f"--json={report}"]) == 0
    found = msgspec.json.decode(report.read_bytes(), type=published.Report)
    assert found.looks > 3 and found.entries > 10
    assert 0 <= found.age_p50_s <= found.age_p99_s <= found.age_max_s
    assert "target of 3 s" in capsys.readouterr().out


def test_a_target_can_be_missed(capsys: pytest.CaptureFixture[str]) -> None:
    """The canary: an age at the limit is not below it."""
    published.show(published.Report("m", 1, 1.0, 1, 1, 1.0, published.AGE_P99_MAX_S, 9.0))
    assert "not met" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--rows", "0"], ["--seconds", "0"]])
def test_a_bad_option_is_refused(words: list[str]) -> None:
    """Exit code 2, as every command."""
    with pytest.raises(SystemExit) as ended:
        published.parse(words)
    assert ended.value.code == 2

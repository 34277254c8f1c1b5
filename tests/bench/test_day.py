"""The day's bench: identical or no figure, sizes of a sealed session, verdicts that can fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from adapters.markets.synthetic import SyntheticMarket
from bench import day
from engine.ports import MarketFrame
from journal.errors import JournalCorrupt

SECONDS = 60


class Morning(SyntheticMarket):
    """The first minute of the small day."""

    @property
    def close_ns(self) -> int:
        return self.open_ns + SECONDS * day.NS_PER_S

    def frames(self) -> Iterator[MarketFrame]:
        for frame in super().frames():
            if frame.ts >= self.close_ns:
                return
            yield frame


@pytest.fixture
def short_days(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every profile's day ends after a minute."""
    monkeypatch.setattr(day, "SyntheticMarket", Morning)


@pytest.mark.usefixtures("short_days")
def test_the_command_makes_replays_and_weighs_a_day(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole command: made and sealed here, replayed and sampled in processes of their own."""
    path = tmp_path / "report.json"
    assert day.main(["small", "--reps=1", f"--folder={tmp_path}", f"--json={path}"]) == 0
    report = msgspec.json.decode(path.read_bytes(), type=day.Report)
    assert report.market_s == SECONDS
    assert report.ticks > 0 and report.derivations > SECONDS
    assert 0 < report.sizes.derivations_mb < report.sizes.sealed_mb
    assert report.sizes.frame_bytes_a_tick < 184
    assert "replayed identical" in capsys.readouterr().out


def test_a_damaged_day_has_no_figure(tmp_path: Path) -> None:
    """A byte changed in the sealed file ends the bench, whatever it would have cost."""
    folder = day.make(tmp_path, Morning(7, "small")).folder
    assert day.replay(folder).ticks > 0
    sealed = next(folder.glob("*.axs"))
    data = bytearray(sealed.read_bytes())
    data[len(data) // 2] ^= 1
    sealed.chmod(0o600)
    sealed.write_bytes(data)
    with pytest.raises(JournalCorrupt):
        day.replay(folder)


def test_canary_a_figure_past_its_target_is_not_met() -> None:
    """Each target of the default day can fail, and says so."""
    good = day.Report(
        "default", 7, "a machine", 100.0, 10, 10, 1.0, day.Sizes(1.0, 35.0, 30.0), 1, 0.5, 200.0,
        20, 60, [],
    )  # fmt: skip
    bad = msgspec.structs.replace(good, times_real_time=199.0, sizes=day.Sizes(1.0, 35.1, 30.1))
    assert [met for _, met, _ in day.verdicts(good)] == [True] * 3
    assert [met for _, met, _ in day.verdicts(bad)] == [False] * 3

"""Ten days and a recorded one: each is lived again to the decision, and the page says how."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from scripts import days


@pytest.mark.slow
@pytest.mark.parametrize("day", days.DAYS, ids=lambda day: day.name)
def test_a_day_is_lived_as_the_page_tells(day: days.Day) -> None:
    """Decisions, intents, ends of positions and the words around them: the page's part is what the
    engine makes of the day now. Is a change meant: python -m scripts.days, and a new account."""
    text = days.PAGE.read_text(encoding="utf-8")
    assert days.section(day, days.lived(day)) in text


@pytest.mark.slow
def test_the_recorded_day_is_lived_as_the_page_tells() -> None:
    """The real chain: its decisions, its trades and the words around them, to the pin."""
    if not days.CHAIN_FILE.exists():
        pytest.skip("the recorded chain day is not beside the checkout (../shared/data)")
    pytest.importorskip("polars", reason="polars is not installed here")
    told = days.section(days.RECORDED, days.lived(days.RECORDED))
    assert told == days.kept(days.RECORDED)


def test_without_its_file_the_recorded_day_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The page is made all the same, the recorded day's part as it stood; living it is refused."""
    page = tmp_path / "DAYS.md"
    before = days.PAGE.read_text(encoding="utf-8")
    page.write_text(before, encoding="utf-8")
    monkeypatch.setattr(days, "PAGE", page)
    monkeypatch.setattr(days, "CHAIN_FILE", tmp_path / "none.parquet")
    monkeypatch.setattr(days, "DAYS", ())
    assert days.main([]) == 0
    assert page.read_text(encoding="utf-8") == days.HEAD + days.kept(days.RECORDED) + "\n"
    assert days.kept(days.RECORDED) in before
    with pytest.raises(FileNotFoundError, match="cannot be lived"):
        days.lived(days.RECORDED)


def test_the_page_has_eleven_days_with_pins_and_accounts() -> None:
    """No day is without its pin, and each account is written."""
    pins = days.pins()
    assert list(pins) == [one.name for one in (*days.DAYS, days.RECORDED)]
    assert len(pins) == len(set(pins.values())) == 11
    assert all(len(pin) == days.PIN for pin in pins.values())
    assert all(len(one.account) > 100 for one in (*days.DAYS, days.RECORDED))


@pytest.mark.slow
def test_canary_another_day_has_another_pin(capsys: pytest.CaptureFixture[str]) -> None:
    """The check of a day holds, and that of the same day with another seed does not."""
    day = days.DAYS[-1]
    assert days.main(["--check", day.name]) == 0
    assert days.lived(replace(day, seed=8)).pin != days.pins()[day.name]

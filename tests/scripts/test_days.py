"""Ten days: each is lived again to the decision, and the page says how."""

from __future__ import annotations

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


def test_the_page_has_ten_days_with_pins_and_accounts() -> None:
    """No day is without its pin, and each account is written."""
    pins = days.pins()
    assert list(pins) == [one.name for one in days.DAYS]
    assert len(pins) == len(set(pins.values())) == 10
    assert all(len(pin) == days.PIN for pin in pins.values())
    assert all(len(one.account) > 100 for one in days.DAYS)


@pytest.mark.slow
def test_canary_another_day_has_another_pin(capsys: pytest.CaptureFixture[str]) -> None:
    """The check of a day holds, and that of the same day with another seed does not."""
    day = days.DAYS[-1]
    assert days.main(["--check", day.name]) == 0
    assert days.lived(replace(day, seed=8)).pin != days.pins()[day.name]

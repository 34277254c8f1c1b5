"""docs/SCREENS.md: made from the table of places and the agreed texts, and up to date."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import make_screens
from tui.places import PLACES


def test_the_page_is_up_to_date() -> None:
    """`python -m scripts.make_screens` would write what is there."""
    assert make_screens.is_current()


def test_every_place_is_on_the_page() -> None:
    """Each with its question and a picture that bears a word for the mode."""
    sections = make_screens.page().split("\n## ")[1:]
    assert len(sections) == len(PLACES)
    for row, section in zip(PLACES, sections, strict=True):
        assert row.question[1:] in section
        assert any(word in section for word in (" SIM ", "REPLAY", "MODE ?"))


def test_canary_a_stale_page_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of yesterday is not taken for today's; a wrong word is told."""
    old = tmp_path / "SCREENS.md"
    old.write_text("# Screens\n")
    monkeypatch.setattr(make_screens, "PAGE", old)
    assert make_screens.main(["--check"]) == 1
    assert make_screens.main([]) == 0
    assert make_screens.main(["--check"]) == 0
    assert make_screens.main(["--nothing"]) == 2

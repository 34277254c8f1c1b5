"""The page of risk: its tables are those of the engine."""

from __future__ import annotations

import pytest

from scripts import make_risk


def test_the_page_is_what_the_tables_say() -> None:
    """``docs/RISK.md`` is up to date. If not: python -m scripts.make_risk."""
    assert make_risk.is_current()


def test_canary_a_changed_cell_and_a_missing_mark_are_found() -> None:
    """A page whose table says something else is made right; one without a mark is refused."""
    text = make_risk.PAGE.read_text(encoding="utf-8")
    wrong = text.replace("| DAILY_LOSS | HARD_HALT |", "| DAILY_LOSS | NORMAL |")
    assert wrong != text
    assert make_risk.page_text(wrong) == text
    with pytest.raises(ValueError, match="states"):
        make_risk.page_text(text.replace("<!-- states -->", ""))

"""The pages of risk and governance: their tables are those of the engine."""

from __future__ import annotations

import pytest

from scripts import make_tables


def test_the_pages_are_what_the_tables_say() -> None:
    """Both are up to date. If not: python -m scripts.make_tables."""
    assert make_tables.outdated() == []


@pytest.mark.parametrize(
    ("page", "cell", "other", "mark"),
    [
        ("RISK.md", "| DAILY_LOSS | HARD_HALT |", "| DAILY_LOSS | NORMAL |", "states"),
        ("GOVERNANCE.md", "| SILENT | BOOTING |", "| SILENT | READY |", "readiness"),
    ],
)
def test_canary_a_changed_cell_and_a_missing_mark_are_found(
    page: str, cell: str, other: str, mark: str
) -> None:
    """A page whose table says something else is made right; one without a mark is refused."""
    text = (make_tables.DOCS / page).read_text(encoding="utf-8")
    wrong = text.replace(cell, other)
    assert wrong != text
    assert make_tables.page_text(page, wrong) == text
    with pytest.raises(ValueError, match=mark):
        make_tables.page_text(page, text.replace(f"<!-- {mark} -->", ""))

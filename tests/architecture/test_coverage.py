"""docs/COVERAGE.md: what it names is there, and what is here has a test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from events.reasons import BY_CODE

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "COVERAGE.md").read_text(encoding="utf-8")
STATES = ("here", "part", "later", "dropped", "not built")
QUOTED = re.compile(r"`([^`]+)`")


def cells(section: str) -> list[list[str]]:
    """The rows of the table below a heading."""
    text = PAGE.partition(f"## {section}\n")[2].partition("\n## ")[0]
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows[1:]]


def unknown_codes(text: str) -> list[str]:
    """Words in the form of a code that are none."""
    words = [word for word in QUOTED.findall(text) if re.fullmatch(r"[A-Z0-9]+(_[A-Z0-9]+)+", word)]
    return [word for word in words if word not in BY_CODE]


@pytest.mark.parametrize("row", cells("Features"), ids=lambda row: row[0][:40])
def test_a_feature_says_what_it_is_and_names_what_there_is(row: list[str]) -> None:
    """Five cells, a state, paths that exist, a test where it is here."""
    assert len(row) == 5
    _, state, where, _, test = row
    assert state.startswith(STATES)
    for path in QUOTED.findall(where + test):
        assert (ROOT / path).exists(), path
    if state.startswith(("here", "part")):
        assert QUOTED.search(where)
        assert QUOTED.search(test)


def test_every_code_of_the_page_is_one() -> None:
    """A code that is renamed or misspelt is found."""
    assert unknown_codes(PAGE) == []
    assert all(len(row) == 2 for row in cells("Reason codes"))


def test_canary_a_code_that_is_none_is_found() -> None:
    """One letter too many."""
    assert unknown_codes("see `QUOTE_SPOT_MISSINGS`") == ["QUOTE_SPOT_MISSINGS"]

"""docs/COVERAGE.md: what it names is there, and what is here has a test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from events.reasons import BY_CODE

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "COVERAGE.md").read_text(encoding="utf-8")
STATES = ("here", "part", "later", "dropped", "not built")
MARKED = 33
"""Rows of marked defects; some rows hold two that one test finds."""
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


def absent_tests(text: str) -> list[str]:
    """Tests (``file::function``) that are not in their file, and files that are not there."""
    absent = []
    for word in QUOTED.findall(text):
        path, _, name = word.partition("::")
        if path.startswith("tests/"):
            file = ROOT / path
            there = file.exists() and (not name or f"def {name}(" in file.read_text("utf-8"))
            absent += [] if there else [word]
    return absent


@pytest.mark.parametrize("row", cells("Old mistakes"), ids=lambda row: row[0][:40])
def test_an_old_mistake_has_the_test_that_would_find_it(row: list[str]) -> None:
    """Three cells; the tests named are there; a row without one says that it is dropped."""
    assert len(row) == 3
    assert absent_tests(row[2]) == []
    assert QUOTED.search(row[2]) or row[1].startswith("dropped")


def test_every_mark_and_letter_of_the_inventory_stands_there() -> None:
    """33 defects marked in the inventory and the fourteen letters of its last list."""
    rows = [row[0] for row in cells("Old mistakes")]
    letters = [row[0] for row in rows if row[1:3] == ". "]
    assert letters == list("ABCDEFGHIJKLMN")
    assert len(rows) - len(letters) == MARKED


def test_canary_a_test_that_is_not_there_is_found() -> None:
    """A function that was renamed, and a file."""
    gone = "tests/architecture/test_coverage.py::test_nothing"
    assert absent_tests(f"`{gone}` and `tests/none.py`") == [gone, "tests/none.py"]


def test_every_code_of_the_page_is_one() -> None:
    """A code that is renamed or misspelt is found."""
    assert unknown_codes(PAGE) == []
    assert all(len(row) == 2 for row in cells("Reason codes"))


def test_canary_a_code_that_is_none_is_found() -> None:
    """One letter too many."""
    assert unknown_codes("see `QUOTE_SPOT_MISSINGS`") == ["QUOTE_SPOT_MISSINGS"]

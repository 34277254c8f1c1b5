"""docs/SCREEN_CHECKS.md: each check has a line, and each test that a line names exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "SCREEN_CHECKS.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`((?:tui|cli|projections/live)/test_\w+\.py)::(test_\w+)`")


def missing(page: str) -> list[str]:
    """The tests that are named and do not exist."""
    return [
        f"{file}::{name}"
        for file, name in NAMED.findall(page)
        if not re.search(rf"^(async )?def {name}\(", (ROOT / "tests" / file).read_text(), re.M)
    ]


def test_every_named_test_exists() -> None:
    """A test that is renamed or dropped takes its line along."""
    assert len(NAMED.findall(PAGE)) > 40
    assert missing(PAGE) == []


def test_every_check_has_a_line() -> None:
    """1 to 40 and T01 to T07, in order."""
    rows = re.findall(r"^\| (T?\d+)(?: to (\d+))? \|", PAGE, re.M)
    found = [
        str(number)
        for first, last in rows
        if not first.startswith("T")
        for number in range(int(first), int(last or first) + 1)
    ]
    assert found == [str(number) for number in range(1, 41)]
    assert [first for first, _ in rows if first.startswith("T")] == [f"T0{n}" for n in range(1, 8)]


def test_canary_a_test_that_is_gone_is_found() -> None:
    """The check of names can fail."""
    assert missing("`tui/test_app.py::test_nobody_wrote`") == ["tui/test_app.py::test_nobody_wrote"]

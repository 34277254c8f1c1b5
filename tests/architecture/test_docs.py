"""The words beside the code: what they name exists, and what they tell to type runs."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import build_group
from cli.table import VERBS

ROOT = Path(__file__).resolve().parents[2]
PLACE = re.compile(r"`([a-z_]+/[\w/]+\.py):([\w.]+)`")
FILE = re.compile(r"`([\w./-]+\.(?:py|md))`")


def names_in(path: Path) -> set[str]:
    """Every function, class, method and assigned name of a module, dotted."""
    names: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names.update(
                f"{node.name}.{part.name}"
                for part in node.body
                if isinstance(part, ast.FunctionDef)
            )
    return names


def missing_places(text: str) -> list[str]:
    """The ``file:name`` places of a text that do not exist."""
    found = []
    for file, name in PLACE.findall(text):
        path = ROOT / file
        if not path.is_file() or name not in names_in(path):
            found.append(f"{file}:{name}")
    return found


def test_the_tour_names_what_exists() -> None:
    """Every stop of the tour is a function that is there."""
    text = (ROOT / "docs/TOUR.md").read_text()
    assert len(PLACE.findall(text)) > 20
    assert missing_places(text) == []


def test_a_tour_that_names_nothing_real_is_found() -> None:
    """Canary: a stop that does not exist is reported."""
    assert missing_places("`engine/core.py:Core.leap` and `engine/none.py:f`") == [
        "engine/core.py:Core.leap",
        "engine/none.py:f",
    ]


@pytest.mark.parametrize("page", sorted(p.name for p in (ROOT / "docs").glob("*.md")))
def test_files_that_a_page_names_exist(page: str) -> None:
    """A page under docs/ names no file that is not there."""
    text = (ROOT / "docs" / page).read_text()
    named = {file for file in FILE.findall(text) if "/" in file}
    assert [file for file in sorted(named) if not (ROOT / file).is_file()] == []


def test_every_invariant_has_its_test() -> None:
    """Each row of the invariants names a place and a test, and the numbers run."""
    rows = re.findall(
        r"^\| (\d+) \|.*\| `(.+?)` \| `(tests/.+?)` \|$",
        (ROOT / "docs/INVARIANTS.md").read_text(),
        re.MULTILINE,
    )
    assert [int(number) for number, _, _ in rows] == list(range(1, len(rows) + 1))
    assert len(rows) >= 20


def test_the_commands_in_the_words_are_verbs() -> None:
    """``axiom X`` in README, docs and CHANGELOG is always a verb of the program."""
    known = {verb.name for verb in VERBS}
    pages = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]
    unknown = {
        (page.name, word)
        for page in pages
        for word in re.findall(r"`axiom ([a-z-]+)", page.read_text())
        if word not in known
    }
    assert unknown == set()


@pytest.mark.parametrize("verb", [verb.name for verb in VERBS])
def test_every_verb_has_help_with_an_example(verb: str) -> None:
    """``axiom VERB --help`` answers and shows an example."""
    answer = CliRunner().invoke(build_group(), [verb, "--help"])
    assert answer.exit_code == 0, answer.output
    assert "xample" in answer.output

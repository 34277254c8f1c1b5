"""The table of verbs and the files behind it agree."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from cli.main import load
from cli.table import GROUPS, VERBS, Verb

FOLDER = Path(__file__).resolve().parents[2] / "cli/verbs"


def files_without_a_row(files: list[str], verbs: tuple[Verb, ...]) -> list[str]:
    """Verb files, by module name, that no row of the table leads to."""
    known = {verb.target.partition(":")[0].rpartition(".")[2] for verb in verbs}
    return sorted(name for name in files if name not in known and not name.startswith("_"))


def test_each_file_has_its_row() -> None:
    """No verb is written and cannot be called."""
    assert files_without_a_row([p.stem for p in FOLDER.glob("*.py")], VERBS) == []


def test_canary_a_file_without_a_row_is_found() -> None:
    """A planted file is named; one with a row and a private one are not."""
    verbs = (Verb("demo", "Run", "", "cli.verbs.demo:command"),)
    assert files_without_a_row(["demo", "lost", "__init__", "_shared"], verbs) == ["lost"]


def test_names_are_unique_and_groups_are_known() -> None:
    """Each verb stands once, under a heading that the help shows."""
    names = [verb.name for verb in VERBS]
    assert len(names) == len(set(names))
    assert {verb.group for verb in VERBS} <= set(GROUPS)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_each_verb_loads_and_its_help_has_an_example(verb: Verb) -> None:
    """The row leads to a command whose help shows how it is called."""
    command = load(verb)
    context = click.Context(command, info_name=f"axiom {verb.name}")
    words = f"{command.help or ''} {command.epilog or ''}".replace("\b", "")
    assert f"axiom {verb.name}" in words, "no example"
    assert command.get_help(context)

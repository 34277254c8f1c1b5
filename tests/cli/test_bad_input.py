"""Every verb about a session, given what is none; and given a session that lies anywhere."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Call, contents

QUESTIONS: dict[str, tuple[str, ...]] = {
    "verify": ("verify", "SESSION"),
    "replay": ("replay", "SESSION"),
    "why": ("why", "SESSION"),
    "at": ("at", "SESSION", "5"),
    "query": ("query", "SESSION", "select 1 one"),
    "export": ("export", "SESSION", "--to", "TARGET"),
    "journal info": ("journal", "info", "SESSION"),
    "journal cat": ("journal", "cat", "SESSION"),
    "journal tail": ("journal", "tail", "SESSION"),
    "journal seal": ("journal", "seal", "SESSION"),
}
"""A question of each verb about a session."""

JUDGES = ("verify", "replay")
"""The verbs that answer about damage at length; the others name it in one line."""


def asked(question: str, session: str | Path, target: Path) -> list[str]:
    """The words of a question about a session."""
    named = {"SESSION": str(session), "TARGET": str(target)}
    return [named.get(word, word) for word in QUESTIONS[question]]


@pytest.mark.parametrize("question", [*QUESTIONS, "tui"])
@pytest.mark.parametrize("wrong", ["no id", "no path", "file", "empty folder", "half a header"])
def test_what_is_no_session_is_refused(
    axiom: Call, home: Path, session: Path, tmp_path: Path, question: str, wrong: str
) -> None:
    """One line, exit 2 (1 where it is damage), with and without --json; every byte of the home as
    before."""
    place: str | Path = tmp_path / "place"
    if wrong == "no id":
        place = "2026-01-01-sim-000000000000"
    elif wrong == "file":
        Path(place).write_text("not a folder")
    elif wrong == "empty folder":
        Path(place).mkdir(mode=0o700)
    elif wrong == "half a header":
        Path(place).mkdir(mode=0o700)
        part = (session / "000001.axs").read_bytes()[:50]
        (Path(place) / "000001.axs").write_bytes(part)
    before = contents(tmp_path)
    half = wrong == "half a header"  # it looked, and what it saw is bad
    words = (
        ["tui", str(place)] if question == "tui" else asked(question, place, tmp_path / "target")
    )
    if question in JUDGES and half:
        assert axiom(*words).code == 1
    else:
        assert axiom(*words).damage if half else axiom(*words).refusal
        if question != "tui":
            assert axiom(*words, "--json").damage if half else axiom(*words, "--json").refusal
    assert contents(tmp_path) == before


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_desk_without_a_session_has_no_latest(axiom: Call, tmp_path: Path, question: str) -> None:
    """The line says what to try, and no home is made by asking."""
    words = asked(question, "latest", tmp_path / "target")
    assert "try 'axiom demo'" in axiom(*words, "--home", tmp_path / "none").refusal
    assert list(tmp_path.iterdir()) == []


def test_a_copied_folder_answers_everything_in_an_empty_home(
    axiom: Call, built: Path, tmp_path: Path
) -> None:
    """The session's folder alone is enough for every verb, and no home is made by asking."""
    copy = shutil.copytree(built, tmp_path / "elsewhere" / built.name)
    for question in QUESTIONS:
        words = asked(question, copy, tmp_path / "target")
        answer = axiom(*words, "--home", tmp_path / "none", "--json")
        assert answer.code == 0, (question, answer)
        assert answer.document is not None
    assert not (tmp_path / "none").exists()

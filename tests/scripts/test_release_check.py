"""The release's checklist: each check fails for its fault; a draft says what it left out."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

import cli
from engine.runner import own_code_digest
from events.registry import schema_digest
from scripts import goldens, release_check
from scripts.engines import EngineError, EngineRow, History, load_engines
from scripts.goldens import GOLDENS, PINS, WAIVERS, GoldenError
from scripts.release_check import (
    CHECKS,
    Check,
    changelog,
    clean_tree,
    generated_pages,
    golden_sessions,
    kept_since_releases,
    own_engine,
    recorded_engines,
    run,
)
from tests.scripts.repository import Repository

ROW = EngineRow("0.9.0", "a" * 64, "b" * 64, "c" * 40, (), ())
ENTRY = "\n\n**Safety**\n- a\n\n**Behaviour**\n- b\n\n**Format**\n- c\n\n**Internals**\n- d\n"


# --- running -------------------------------------------------------------------------------------


def _raises(draft: bool) -> Sequence[str]:
    raise GoldenError("no pins")


def test_every_check_runs_and_one_fault_is_enough(capsys: pytest.CaptureFixture[str]) -> None:
    """A check after a bad one is run too; an error of a check is its problem, and the exit is 1."""
    checks = [
        Check("first", lambda draft: ["odd thing"]),
        Check("second", _raises),
        Check("third", lambda draft: []),
        Check("fourth", lambda draft: ["never"] if draft else [], release_only=True),
    ]
    assert run(checks, draft=True) == 1
    out = capsys.readouterr().out.splitlines()
    assert out == [
        "BAD  first",
        "     odd thing",
        "BAD  second",
        "     no pins",
        "good third",
        "--   fourth: asked of a release only",
        "draft: 2 checks do not hold",
    ]
    assert run(checks[2:], draft=False) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "release: every check holds"


def test_the_checklist_is_whole() -> None:
    """What a hand-over needs is on it; only what a draft cannot have is left out of a draft."""
    names = {check.run for check in CHECKS}
    assert {golden_sessions, recorded_engines, changelog, generated_pages, clean_tree} <= names
    assert {check.run for check in CHECKS if check.release_only} == {own_engine, clean_tree}


# --- the checks ----------------------------------------------------------------------------------


def test_a_golden_that_needs_a_waiver_fails_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its waivers the golden of an earlier engine is not as pinned."""
    assert golden_sessions(False) == []
    empty = tmp_path / "waivers"
    empty.mkdir()
    monkeypatch.setattr(goldens.judge_all, "__defaults__", (GOLDENS, empty))
    problems = [one for one in golden_sessions(False) if one.startswith("intent_approved_v1 re-")]
    assert len(problems) == 1
    assert "Needs a waiver" in problems[0]


def test_this_changelog_is_this_version_s() -> None:
    """The newest entry is the program's, with its four sections."""
    assert changelog(draft=True) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"## 1.0.0 (unreleased){ENTRY}", "is unreleased: give it its date"),
        (f"## 1.0.1 (2026-11-25){ENTRY}", "begins with 1.0.1, the program is 1.0.0"),
        (f"## 1.0.0 (2026-11-25){ENTRY}\n## 0.9.0 (unreleased)\n", "only the newest"),
        (f"## 1.0.0 (soon){ENTRY}", "headings are"),
        ("", "headings are"),
        (f"## 1.0.0 (2026-11-25){ENTRY.replace('**Format**', '')}", "has Safety, Behaviour, Int"),
    ],
)
def test_a_changelog_that_does_not_fit_is_named(text: str, told: str) -> None:
    """No date, another version, an old entry without a date, another form, a section missing."""
    assert changelog(False, f"## 1.0.0 (2026-11-25){ENTRY}", "1.0.0") == []
    assert any(told in problem for problem in changelog(False, text, "1.0.0"))


def test_this_engine_must_be_in_the_table_under_its_version() -> None:
    """Absent, or there with other code: refused; there as it is: good."""
    right = replace(
        ROW, name=cli.__version__, code_digest=own_code_digest(), schema_digest=schema_digest()
    )
    assert own_engine(False, [right]) == []
    assert "lacks" in own_engine(False, [ROW])[0]
    assert "other code" in own_engine(False, [replace(right, code_digest="0" * 64)])[0]
    assert "other code" in own_engine(False, [replace(right, schema_digest="0" * 64)])[0]


def test_generated_pages_are_asked_of_their_scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each ``scripts/make_*.py`` is run with ``--check``, and its word is the problem."""
    asked: list[str] = []

    def told(words: Sequence[str]) -> str | None:
        asked.append(words[2])
        return "docs/REASONS.md is not up to date"

    monkeypatch.setattr(release_check, "_run", told)
    assert set(generated_pages(False)) == {"docs/REASONS.md is not up to date"}
    assert "scripts.make_reasons" in asked


def test_a_file_that_is_not_committed_is_named(tmp_path: Path) -> None:
    """Changed and new ones; a clean tree has none."""
    repository = Repository(tmp_path / "repository")
    repository.commit({"engine/core.py": "a = 1"})
    assert clean_tree(False, repository.history) == []
    (repository.root / "new.txt").write_text("x")
    (repository.root / "engine/core.py").write_text("a = 2")
    assert clean_tree(False, repository.history) == [
        "not committed: engine/core.py",
        "not committed: new.txt",
    ]


def test_no_repository_at_all_is_a_problem_in_words(tmp_path: Path) -> None:
    """Outside git the check has an answer, not a traceback."""
    with pytest.raises(EngineError, match="git status: "):
        clean_tree(False, History(tmp_path / "nowhere"))


@pytest.fixture
def released(tmp_path: Path) -> tuple[Repository, EngineRow]:
    """A repository whose one commit is a release with goldens, pins and a waiver."""
    repository = Repository(tmp_path / "repository")
    for folder in (GOLDENS, WAIVERS):
        shutil.copytree(folder, repository.root / folder.relative_to(goldens.ROOT))
    return repository, replace(ROW, commit=repository.commit({"engine/core.py": "a = 1"}))


def test_what_a_release_pinned_may_grow(released: tuple[Repository, EngineRow]) -> None:
    """A new golden and a new waiver beside the old ones are fine, and so is another page."""
    repository, row = released
    pins = repository.root / GOLDENS.relative_to(goldens.ROOT) / PINS
    pins.write_text(pins.read_text() + '\n[[golden]]\nname = "zz"\n')
    waivers = repository.root / WAIVERS.relative_to(goldens.ROOT)
    (waivers / "9999-more.toml").write_text("")
    (waivers / "README.md").write_text("x")
    assert kept_since_releases(False, repository.history, [row]) == []


@pytest.mark.parametrize("fault", ["golden", "pin", "waiver", "gone", "clone"])
def test_canary_what_a_release_pinned_may_not_change(
    released: tuple[Repository, EngineRow], fault: str
) -> None:
    """A byte of a golden or a waiver, a pin, a file gone, a release that the clone lacks."""
    repository, row = released
    folder = repository.root / GOLDENS.relative_to(goldens.ROOT)
    waiver = (
        repository.root / WAIVERS.relative_to(goldens.ROOT) / "0001-before-the-first-release.toml"
    )
    if fault == "golden":
        (folder / "trades/000001.axs").write_bytes(b"other")
    elif fault == "pin":
        text = (folder / PINS).read_text()
        (folder / PINS).write_text(text.replace('uid = "', 'uid = "0', 1))
    elif fault == "waiver":
        waiver.write_text(waiver.read_text().replace("maintainers", "others"))
    elif fault == "gone":
        waiver.unlink()
    else:
        row = replace(row, commit="d" * 40)
    (problem,) = kept_since_releases(False, repository.history, [row])
    assert row.name in problem


def test_a_row_of_the_table_that_lies_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit with other code under a row, and a golden whose engine has no row."""
    rows = load_engines()
    lying = [replace(rows[0], commit=rows[-1].commit), *rows[2:]]
    monkeypatch.setattr(release_check, "load_engines", lambda: lying)
    monkeypatch.setattr(release_check, "_replayed", lambda *_: [])
    problems = recorded_engines(True)
    assert any("is not in engines.toml" in problem for problem in problems)
    if History().has(rows[-1].commit):
        assert any("is not the code" in problem for problem in problems)

"""Is the program an unchanged release that was checked: by the digest of its code, and git."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest

from cli import __version__
from cli.doctor import build
from cli.doctor.check import Outcome
from engine.runner import own_code_digest
from scripts.release_check import write_record
from tests.cli.doctor.place import context


def _table(root: Path, name: str, digest: str) -> None:
    path = root / "docs" / "engines.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"[[engine]]\nname = {json.dumps(name)}\ncode_digest = {json.dumps(digest)}\n")


def _look(root: Path, git: str | None = "") -> Outcome:
    return build.clean_build(context(root, root=root, run=lambda words: git))


def test_only_an_unchanged_release_is_clean(tmp_path: Path) -> None:
    """No table, another engine, a golden's engine, a changed file, no git: each is told."""
    assert _look(tmp_path).verdict is None
    _table(tmp_path, __version__, "0" * 64)
    assert "is not that of release" in _look(tmp_path).sentence
    _table(tmp_path, "golden session pages", own_code_digest())
    assert _look(tmp_path).verdict == "bad"
    _table(tmp_path, __version__, own_code_digest())
    assert _look(tmp_path).verdict == "ok"
    changed = _look(tmp_path, " M engine/core.py\n?? x.py\n")
    assert (changed.verdict, changed.sentence) == ("bad", "2 files of the checkout are changed")
    assert _look(tmp_path, None).verdict is None


def test_git_is_asked_for_the_whole_checkout(tmp_path: Path) -> None:
    """By its own words, in the checkout, whatever the working directory is."""
    _table(tmp_path, __version__, own_code_digest())
    asked: list[object] = []

    def run(words: object) -> str:
        asked.append(words)
        return ""

    build.clean_build(context(tmp_path, root=tmp_path, run=run))
    assert asked == [("git", "-C", str(tmp_path), "status", "--porcelain")]


def test_release_check_must_have_been_good_for_this_code(tmp_path: Path) -> None:
    """None, of other code, torn, and the one that a good run writes."""
    root = context(tmp_path, root=tmp_path)
    assert build.release_check(root).verdict == "bad"
    path = tmp_path / "build" / "release-check.toml"
    write_record("2026-08-11T03:00:00Z", path)
    assert build.release_check(root).verdict == "ok"
    good = path.read_text()
    path.write_text(good.replace(own_code_digest(), "1" * 64))
    assert "with code 111111111111, not of" in build.release_check(root).sentence
    path.write_text(good[:10])
    assert build.release_check(root).verdict == "bad"


def _found(problems: tuple[str, ...], draft: bool) -> tuple[str, ...]:
    return problems


def test_the_record_is_written_by_a_good_release_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A draft, or a check that does not hold, leaves none."""
    from scripts import release_check

    written: list[str] = []
    monkeypatch.setattr(release_check, "write_record", written.append)
    for words, problems, count in (
        (["--draft"], [], 0), ([], ["something"], 0), ([], [], 1),
    ):  # fmt: skip
        checks = (release_check.Check("one", functools.partial(_found, tuple(problems))),)
        monkeypatch.setattr(release_check, "CHECKS", checks)
        release_check.main(words)
        assert len(written) == count

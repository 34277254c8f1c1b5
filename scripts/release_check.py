"""What must hold before a release, and what of it must hold always.

Lives here: the checklist as checks, one function each, and their order. May import: the other
scripts, cli's version. Always holds: every check names what is wrong and what to do; one that did
not run says so; with ``--draft`` what only a release can have (a clean tree, a dated entry in the
CHANGELOG, its engine in the table) is left out by name. The matrix is always the whole one.

    python -m scripts.release_check [--draft]     exit 0 when all hold, else 1

Start reading at ``CHECKS``.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

import cli
from engine.runner import own_code_digest
from events.registry import schema_digest
from scripts import goldens, matrix
from scripts.engines import (
    REPLAY,
    TABLE,
    EngineError,
    EngineRow,
    History,
    find_commit,
    load_engines,
    replay_with,
)
from scripts.goldens import GOLDENS, ROOT, WAIVERS, GoldenError, load_pins

RELEASE: Final = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+(?:(?:a|b|rc)[0-9]+)?")
HEADING: Final = re.compile(r"^## (\S+) \((unreleased|[0-9]{4}-[0-9]{2}-[0-9]{2})\)$", re.MULTILINE)
SECTIONS: Final = ("Safety", "Behaviour", "Format", "Internals")
RECORD: Final = ROOT / "build" / "release-check.toml"
LOCK_TESTS: Final = ("tests/architecture/test_packaging.py", "-k", "lock or declared")


class Check(NamedTuple):
    """One line of the checklist: ``run`` gives what is wrong, nothing where it holds.

    ``release_only``: only a release can have it, so a draft leaves it out.
    """

    name: str
    run: Callable[[bool], Iterable[str]]
    release_only: bool = False


# --- what sessions re-derive to ------------------------------------------------------------------


def golden_sessions(draft: bool) -> list[str]:
    """Every golden is as pinned, or as its last waiver says."""
    judged = goldens.judge_all()
    return [f"{one.pin.name} {one.problem}" for one in judged if one.problem]


def determinism(draft: bool) -> list[str]:
    """One digest a golden over the whole matrix."""
    return (
        [] if matrix.main([]) == 0 else ["the matrix does not give one digest: see the lines above"]
    )


def kept_since_releases(
    draft: bool, history: History | None = None, rows: Sequence[EngineRow] | None = None
) -> list[str]:
    """What a release pinned and waived stands unchanged: pins, goldens, waivers."""
    history = history or History()
    problems = []
    for row in load_engines() if rows is None else rows:
        if RELEASE.fullmatch(row.name):
            if not history.has(row.commit):
                problems.append(f"release {row.name} at {row.commit[:12]} is not in this clone")
                continue
            problems += [
                f"{name} changed since {row.name}" for name in _changed(history, row.commit)
            ]
    return problems


def _changed(history: History, commit: str) -> list[str]:
    """Files of a commit that must never change and are not what they were; pins by their rows."""
    listed = history.git("ls-tree", "-r", "-z", "--name-only", commit, "--", *_kept_folders())
    changed = []
    for name in filter(None, listed.decode().split("\0")):
        was, path = history.git("show", f"{commit}:{name}"), history.root / name
        now = path.read_bytes() if path.is_file() else b""
        if name.endswith(goldens.PINS):
            rows = [tomllib.loads(text.decode()).get("golden", []) for text in (was, now)]
            changed += [f"the pin of {row['name']}" for row in rows[0] if row not in rows[1]]
        elif name.endswith((".axs", ".toml")) and was != now:
            changed.append(name)
    return changed


def _kept_folders() -> tuple[str, str]:
    return str(GOLDENS.relative_to(ROOT)), str(WAIVERS.relative_to(ROOT))


# --- engines -------------------------------------------------------------------------------------


def recorded_engines(draft: bool) -> list[str]:
    """Every row of the table names its code, and the engine of every golden is found by content
    and replays it identical, where it has a replay.

    A draft may stand in a clone without the whole history: what is not there is a note.
    """
    history = History()
    rows = load_engines()
    known = {row.code_digest for row in rows}
    problems = [
        f"{row.name}: {row.commit[:12]} is not the code {row.code_digest[:12]}"
        for row in rows
        if history.has(row.commit) and history.digest(row.commit) != row.code_digest
    ]
    for pin in load_pins():
        if pin.code_digest not in known:
            problems.append(f"the engine of {pin.name} is not in {TABLE.name}")
    missing = []
    for row in rows:
        try:
            commit = find_commit(row.code_digest, rows, history)
        except EngineError as error:
            missing.append(f"{row.name}: {error}")
            continue
        if history.holds(commit, REPLAY):
            for pin in load_pins():
                if pin.code_digest == row.code_digest:
                    problems += _replayed(pin.name, commit, history)
    if draft:
        sys.stdout.writelines(f"note: {line}\n" for line in missing)
        return problems
    return problems + missing


def _replayed(name: str, commit: str, history: History) -> list[str]:
    _, report = replay_with(commit, GOLDENS / name, history)
    outcome = msgspec.json.decode(report)["outcome"]
    if outcome == "identical":
        return []
    return [f"{name} is {outcome} under {commit[:12]}, the code that recorded it"]


def own_engine(draft: bool, rows: Sequence[EngineRow] | None = None) -> list[str]:
    """The release's engine is in the table, under its version."""
    version = cli.__version__
    for row in load_engines() if rows is None else rows:
        if row.name == version:
            if (row.code_digest, row.schema_digest) == (own_code_digest(), schema_digest()):
                return []
            return [f"{TABLE.name} has {version} with other code: a new release has a new version"]
    return [f"{TABLE.name} lacks {version}: make release-record, then commit"]


# --- words, pages, packages ----------------------------------------------------------------------


def changelog(draft: bool, text: str | None = None, version: str = cli.__version__) -> list[str]:
    """The newest entry is this version's, has the four sections, and a date in a release."""
    whole = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8") if text is None else text
    headings = HEADING.findall(whole)
    if not headings or len(headings) != len(re.findall("^## ", whole, re.MULTILINE)):
        return ["CHANGELOG.md: headings are ## VERSION (DATE), or (unreleased) at the top"]
    problems = []
    newest, dated = headings[0]
    if newest != version:
        problems.append(f"CHANGELOG.md begins with {newest}, the program is {version}")
    if not draft and dated == "unreleased":
        problems.append(f"CHANGELOG.md says that {newest} is unreleased: give it its date")
    if any(when == "unreleased" for _, when in headings[1:]):
        problems.append("CHANGELOG.md: only the newest entry may be unreleased")
    entry = HEADING.split(whole)[3]
    sections = re.findall(r"^\*\*(.+)\*\*$", entry, re.MULTILINE)
    if tuple(sections) != SECTIONS:
        problems.append(f"CHANGELOG.md: {newest} has {', '.join(sections)}")
    return problems


def generated_pages(draft: bool) -> list[str]:
    """Every page that a script makes says what the script would write now."""
    problems = []
    for path in sorted((ROOT / "scripts").glob("make_*.py")):
        said = _run([sys.executable, "-m", f"scripts.{path.stem}", "--check"])
        if said is not None:
            problems.append(said)
    return problems


def locks(draft: bool) -> list[str]:
    """What pyproject.toml declares is locked, with hashes and no address."""
    said = _run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *LOCK_TESTS])
    return [] if said is None else [f"locks/ and pyproject.toml do not agree: {said}"]


def clean_tree(draft: bool, history: History | None = None) -> list[str]:
    """Nothing stands in the checkout that is not committed."""
    status = (history or History()).git("status", "--porcelain").decode().splitlines()
    return [f"not committed: {line[3:]}" for line in status]


def _run(words: Sequence[str]) -> str | None:
    """Run a command in the checkout; None, or its last line where it failed."""
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode == 0:
        return None
    said = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return said[-1] if said else f"exit {done.returncode}"


CHECKS: Final = (
    Check("golden sessions, or their waivers", golden_sessions),
    Check("goldens and waivers kept since each release", kept_since_releases),
    Check("recorded engines are found and replay", recorded_engines),
    Check("version and CHANGELOG agree", changelog),
    Check("generated pages are current", generated_pages),
    Check("locks agree with pyproject.toml", locks),
    Check("determinism matrix", determinism),
    Check("this engine is archived", own_engine, release_only=True),
    Check("clean tree", clean_tree, release_only=True),
)


def run(checks: Iterable[Check], draft: bool) -> int:
    """Run the checks in order and say each; gives the exit code."""
    bad = 0
    for check in checks:
        if draft and check.release_only:
            sys.stdout.write(f"--   {check.name}: asked of a release only\n")
            continue
        try:
            problems = list(check.run(draft))
        except (EngineError, GoldenError) as error:
            problems = [str(error)]
        sys.stdout.write(f"{'BAD ' if problems else 'good'} {check.name}\n")
        sys.stdout.writelines(f"     {problem}\n" for problem in problems)
        sys.stdout.flush()
        bad += bool(problems)
    what = "draft" if draft else "release"
    sys.stdout.write(f"{what}: {f'{bad} checks do not hold' if bad else 'every check holds'}\n")
    return 1 if bad else 0


def main(arguments: Sequence[str]) -> int:
    """The command; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m scripts.release_check")
    parser.add_argument("--draft", action="store_true", help="leave out what only a release has")
    draft = parser.parse_args(arguments).draft
    code = run(CHECKS, draft)
    if code == 0 and not draft:
        write_record(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    return code


def write_record(checked: str, path: Path = RECORD) -> None:
    """Note that this very code passed every check: LIVE asks for it (docs/LIVE.md)."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        f'version = "{cli.__version__}"\ncode_digest = "{own_code_digest()}"\n'
        f'checked = "{checked}"\n',
        encoding="utf-8",
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Engines of earlier days: which commit has the code of a digest, and a replay with that code.

Lives here: the table docs/engines.toml, the search behind it, the command. May import: engine's
code digest, events, journal's reader. Always holds: a digest is found by content, so a commit that
was named wrongly, or rewritten, is never taken for it; the old code runs in a process of its own,
out of a copy that git made, and the checkout is not touched.

    python -m scripts.engines list               the table, and whether each commit is in this clone
    python -m scripts.engines record RELEASE     add the engine of HEAD as that of a release
    python -m scripts.engines replay FOLDER      replay a session with the engine that recorded it
    python -m scripts.engines pack DIGEST FILE   that engine's sources as a tar archive, to keep

Start reading at ``find_commit``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from engine.runner import own_code_digest
from events.registry import schema_digest
from journal.errors import JournalError
from scripts.goldens import ROOT, GoldenError, opened_of

TABLE: Final = ROOT / "docs" / "engines.toml"
ROOMS: Final = ("engine", "events")
NOT_CORE: Final = ("engine/runner.py", "engine/runner/")
"""The runner decides nothing and is in no digest; for some commits it was a folder."""
REPLAY: Final = "replay/__main__.py"
DIGEST_CHARS_MIN: Final = 8
HEADER: Final = """\
# Engines that recorded sessions, and where each is: docs/REPLAY_OLD.md says how to use this.
# A release adds its row with: make release-record RELEASE=X.Y.Z
"""


class EngineRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One engine: ``commit`` has the code of ``code_digest``.

    ``name`` is the version of a release, or what else recorded sessions with it. ``pythons`` and
    ``packages`` are what it is known to replay on: minor versions, and the locked versions of what
    it needs.
    """

    name: str
    code_digest: str
    schema_digest: str
    commit: str
    pythons: tuple[str, ...]
    packages: tuple[str, ...]


class EngineError(Exception):
    """An engine that cannot be found or run: one line that says what to do."""


# --- the table -----------------------------------------------------------------------------------


def load_engines(path: Path = TABLE) -> list[EngineRow]:
    """The rows in order. Raises ``EngineError``."""
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
        return [msgspec.convert(row, EngineRow) for row in tree.get("engine", [])]
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise EngineError(f"{path.name}: {error}") from error


def write_engines(rows: Iterable[EngineRow], path: Path = TABLE) -> None:
    """Write the table."""
    lines = [HEADER.rstrip()]
    for row in rows:
        lines += ["", "[[engine]]"]
        for name in row.__struct_fields__:
            lines.append(f"{name} = {json.dumps(getattr(row, name))}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


# --- finding by content --------------------------------------------------------------------------


class History:
    """Code digests of commits, from git's objects alone; a blob is read once."""

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root
        self._files: dict[str, str] = {}
        self._digests: dict[str, str] = {}

    def git(self, *words: str, data: bytes = b"") -> bytes:
        """What a git command says. Raises ``EngineError``."""
        try:
            return subprocess.run(
                ["git", "-C", str(self.root), *words], input=data, capture_output=True, check=True
            ).stdout
        except subprocess.CalledProcessError as error:
            said = error.stderr.decode(errors="replace").strip().splitlines()
            raise EngineError(f"git {words[0]}: {said[-1] if said else 'failed'}") from error

    def has(self, commit: str) -> bool:
        """Whether a commit is in this clone."""
        try:
            self.git("cat-file", "-e", f"{commit}^{{commit}}")
        except EngineError:
            return False
        return True

    def holds(self, commit: str, path: str) -> bool:
        """Whether a commit has a file."""
        return bool(self.git("ls-tree", "--name-only", commit, "--", path).strip())

    def digest(self, commit: str) -> str:
        """The code digest of a commit: what ``engine.runner.code_digest`` gives of its files."""
        if commit not in self._digests:
            listed = self.git("ls-tree", "-r", "-z", commit, "--", *ROOMS).decode()
            files = []
            for line in filter(None, listed.split("\0")):
                about, _, name = line.partition("\t")
                if name.endswith(".py") and not name.startswith(NOT_CORE):
                    files.append((name, about.split()[2]))
            self._read([blob for _, blob in files])
            lines = sorted(f"{name} {self._files[blob]}" for name, blob in files)
            self._digests[commit] = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        return self._digests[commit]

    def _read(self, blobs: list[str]) -> None:
        """SHA-256 of blobs not seen yet, in one question to git."""
        asked = [blob for blob in dict.fromkeys(blobs) if blob not in self._files]
        told = self.git("cat-file", "--batch", data="\n".join(asked).encode()) if asked else b""
        at = 0
        for blob in asked:
            end = told.index(b"\n", at)
            size = int(told[at:end].split()[2])
            content = told[end + 1 : end + 1 + size]
            self._files[blob] = hashlib.sha256(content).hexdigest()
            at = end + 1 + size + 1

    def commits(self) -> list[str]:
        """Every commit that changed the core, newest first."""
        return self.git("rev-list", "--all", "--", *ROOMS).decode().split()


def find_commit(code_digest: str, rows: Iterable[EngineRow], history: History) -> str:
    """The commit with the code of a digest: the table's, if it is what it says, else searched for.

    Raises ``EngineError`` where no commit of this clone has it.
    """
    for row in rows:
        named = row.code_digest == code_digest and history.has(row.commit)
        if named and history.digest(row.commit) == code_digest:
            return row.commit
    for commit in history.commits():
        if history.digest(commit) == code_digest:
            return commit
    raise EngineError(
        f"no commit here has the code {code_digest[:12]}: fetch the whole history with its tags, "
        "or take the archive that was packed at the release"
    )


def whole_digest(head: str, rows: Iterable[EngineRow]) -> str:
    """The one digest of the table that begins with ``head``. Raises ``EngineError``."""
    found = sorted({row.code_digest for row in rows if row.code_digest.startswith(head)})
    if len(head) < DIGEST_CHARS_MIN or len(found) != 1:
        raise EngineError(f"{head!r} names {len(found)} engines: give {DIGEST_CHARS_MIN} or more")
    return found[0]


# --- replaying with it ---------------------------------------------------------------------------


def pack(commit: str, target: Path, history: History) -> None:
    """The sources of a commit as a tar archive."""
    history.git("archive", "--format=tar", "--output", str(target.absolute()), commit)


def replay_with(commit: str, folder: Path, history: History) -> tuple[int, str]:
    """(exit code, report as JSON) of a session replayed by the code of a commit.

    Raises ``EngineError`` for a commit from before there was a replay.
    """
    if not history.holds(commit, REPLAY):
        raise EngineError(
            f"{commit[:12]} records and has no replay: it is from before there was one"
        )
    with tempfile.TemporaryDirectory(prefix="axiom-engine-") as place:
        pack(commit, Path(place) / "code.tar", history)
        with tarfile.open(Path(place) / "code.tar") as archive:
            archive.extractall(Path(place) / "code", filter="data")
        done = subprocess.run(
            [sys.executable, "-P", "-m", "replay", str(folder.absolute())],
            cwd=place,
            env={**os.environ, "PYTHONPATH": str(Path(place) / "code")},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
    if done.returncode not in (0, 1) or not done.stdout:
        said = done.stderr.strip().splitlines()
        raise EngineError(f"{commit[:12]} did not replay it: {said[-1] if said else 'no word'}")
    return done.returncode, done.stdout


def record(release: str, history: History, path: Path = TABLE) -> EngineRow:
    """Add the engine of HEAD to the table. Raises ``EngineError`` if it cannot be the release's."""
    from scripts.matrix import LOCK, NEEDS, locked, pythons

    rows = load_engines(path)
    if any(row.name == release for row in rows):
        raise EngineError(f"release {release} is recorded already: a row is never changed")
    commit = history.git("rev-parse", "HEAD").decode().strip()
    if history.digest(commit) != own_code_digest():
        raise EngineError("engine/ or events/ differ from HEAD: commit them first")
    packages = [
        line.split()[0]
        for line in locked(LOCK.read_text(encoding="utf-8"), NEEDS).splitlines()
        if "==" in line
    ]
    ready, _ = pythons()
    minors = sorted({python.version.rpartition(".")[0] for python in ready})
    row = EngineRow(
        release, own_code_digest(), schema_digest(), commit, tuple(minors), tuple(packages)
    )
    write_engines([*rows, row], path)
    return row


# --- the command ---------------------------------------------------------------------------------


def main(arguments: Sequence[str]) -> int:
    """Run one of the verbs; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m scripts.engines")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("list", help="the table, and whether each commit is in this clone")
    verbs.add_parser("record", help="add the engine of HEAD").add_argument("release")
    verbs.add_parser("replay", help="with the engine that recorded it").add_argument("folder")
    packed = verbs.add_parser("pack", help="an engine's sources as a tar archive")
    packed.add_argument("digest")
    packed.add_argument("file", type=Path)
    given = parser.parse_args(arguments)
    history = History()
    try:
        return _run(given, history)
    except (EngineError, GoldenError, JournalError) as error:
        sys.stderr.write(f"engines: {error}\n")
        return 2


def _run(given: argparse.Namespace, history: History) -> int:
    rows = load_engines()
    if given.verb == "list":
        for row in rows:
            here = "here" if history.has(row.commit) else "not in this clone"
            sys.stdout.write(f"{row.name}: {row.code_digest} {row.commit[:12]} {here}\n")
    elif given.verb == "record":
        row = record(given.release, history)
        sys.stdout.write(f"{row.name}: {row.code_digest} at {row.commit}\n")
    elif given.verb == "pack":
        digest = whole_digest(given.digest, rows)
        pack(find_commit(digest, rows, history), given.file, history)
        sys.stdout.write(f"{given.file}\n")
    else:
        _, opened = opened_of(Path(given.folder))
        commit = find_commit(opened.code_digest, rows, history)
        sys.stderr.write(f"replaying with {commit[:12]}, code {opened.code_digest[:12]}\n")
        code, report = replay_with(commit, Path(given.folder), history)
        sys.stdout.write(f"{report}\n")
        return code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

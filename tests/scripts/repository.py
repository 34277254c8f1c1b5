"""A small git repository of engines, made for a test.

Lives here: ``Repository``. Always holds: its commits have a core of two files and nothing of the
machine's git configuration in them.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from scripts.engines import History

IDENTITY = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")


class Repository:
    """A repository under ``root`` with what ``commit`` has put there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        self.git("init", "--quiet")

    @property
    def history(self) -> History:
        """A fresh look at it."""
        return History(self.root)

    def git(self, *words: str) -> str:
        """What a git command says."""
        done = subprocess.run(
            ["git", "-C", str(self.root), *IDENTITY, *words],
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def commit(self, files: dict[str, str]) -> str:
        """Write files by their paths and commit; gives the commit's id."""
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", "-A")
        self.git("commit", "--quiet", "--allow-empty", "-m", "x")
        return self.git("rev-parse", "HEAD")

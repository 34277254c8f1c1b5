"""The states of sessions that a screen keeps, so that the next one need not begin at the start.

Lives here: their files in the home. May import: ``cli.memory_port``, the standard library. Always
holds: files are private from the moment they exist (0600 in a folder 0700) and replaced whole; they
are a cache: any of them may go at any time, and only the newest few stay.
Start reading at ``FileStates``.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
from pathlib import Path
from typing import Final

from cli.memory_port import replace_private

FOLDER_NAME: Final = "screen-states"
SUFFIX: Final = ".state"
FILES_KEPT: Final = 8
FILE_BYTES_MAX: Final = 1 << 28
ROOMS: Final = ("engine", "events", "projections/live")
"""The code that a fold's result depends on."""


class FileStates:
    """One file a session, in the home of whoever looks."""

    def __init__(self, home: Path) -> None:
        self._folder = home / FOLDER_NAME

    def release(self) -> str:
        """The digest of the folding code, and of the interpreter that ran it."""
        return own_release()

    def load(self, session: str) -> bytes | None:
        """What was kept, None where there is nothing. Raises ``OSError``."""
        path = self._path(session)
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        with os.fdopen(handle, "rb") as file:
            found = os.fstat(file.fileno())
            if found.st_uid != os.getuid() or found.st_size > FILE_BYTES_MAX:
                raise OSError(f"{path} is not what a screen of yours wrote")
            return file.read(FILE_BYTES_MAX)

    def keep(self, session: str, data: bytes) -> None:
        """Replace a session's file, and forget the oldest of others. Raises ``OSError``."""
        replace_private(self._folder, self._path(session).name, data)
        self._forget()

    def _path(self, session: str) -> Path:
        return self._folder / f"{Path(session).name}{SUFFIX}"

    def _forget(self) -> None:
        """Leave the newest few; another screen may do the same at the same time."""
        ages: list[tuple[int, Path]] = []
        for path in self._folder.glob(f"*{SUFFIX}"):
            try:
                ages.append((path.stat().st_mtime_ns, path))
            except FileNotFoundError:
                continue
        for _, path in sorted(ages, reverse=True)[FILES_KEPT:]:
            path.unlink(missing_ok=True)


@functools.cache
def own_release() -> str:
    """SHA-256 (hex) of the folding code's source files, with the interpreter's version."""
    base = Path(__file__).resolve().parents[1]
    found = hashlib.sha256(platform.python_version().encode())
    for room in ROOMS:
        for path in sorted((base / room).rglob("*.py")):
            found.update(path.relative_to(base).as_posix().encode())
            found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()

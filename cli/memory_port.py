"""What a user's screen keeps in the home, and the files it writes there.

Lives here: the screen's memory on files. May import: ``cli.paths``, the standard library. Always
holds: files are private from the moment they exist (0600 in a folder 0700); what is kept is
replaced whole or not at all; an export never overwrites one; a broken file is said, never raised.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cli.errors import UserError
from cli.paths import make_private

KEPT_NAME: Final = "screen.json"
EXPORTS_NAME: Final = "exports"
FILE_MODE: Final = 0o600
KEPT_BYTES_MAX: Final = 1 << 20
NAMES_MAX: Final = 10_000
FAULT: Final = "fault"
"""The name under which ``load`` says why it gives nothing."""


class FileMemory:
    """The memory of whoever owns the home; all of a home's desks share it."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def load(self) -> Mapping[str, str]:
        """What was kept; where the file cannot be used, only ``fault`` with the reason."""
        path = self._home / KEPT_NAME
        try:
            with path.open("rb") as file:
                data = file.read(KEPT_BYTES_MAX + 1)
        except FileNotFoundError:
            return {}
        except OSError as error:
            return {FAULT: f"{path}: {error.strerror}"}
        return _texts(data) or {FAULT: f"{path} is not what a screen wrote; it will be replaced"}

    def keep(self, kept: Mapping[str, str]) -> None:
        """Replace the file. Raises ``OSError``."""
        text = json.dumps(dict(kept), indent=1, sort_keys=True) + "\n"
        replace_private(self._home, KEPT_NAME, text.encode())

    def export(self, name: str, text: str) -> str:
        """A new file; where the name is taken, with a number. Raises ``OSError``."""
        folder = _folder(self._home / EXPORTS_NAME)
        wanted = Path(Path(name).name)  # a name, never a way to somewhere else
        for number in range(1, NAMES_MAX):
            tail = "" if number == 1 else f"-{number}"
            path = folder / f"{wanted.stem}{tail}{wanted.suffix}"
            try:
                _write(path, text.encode())
            except FileExistsError:
                continue
            return str(path)
        raise OSError(f"{folder} is full of {wanted}")


def replace_private(folder: Path, name: str, data: bytes) -> None:
    """Put a file of 0600 in a folder of 0700, whole or not at all. Raises ``OSError``.

    Another process may do the same at the same time: the later one wins.
    """
    new = _folder(folder) / f"{name}.{os.getpid()}.new"
    new.unlink(missing_ok=True)
    try:
        _write(new, data)
        new.replace(folder / name)
    except OSError:
        new.unlink(missing_ok=True)
        raise


def _folder(folder: Path) -> Path:
    try:
        return make_private(folder)
    except UserError as error:
        raise OSError(str(error)) from error


def _texts(data: bytes) -> dict[str, str] | None:
    try:
        found = json.loads(data) if len(data) <= KEPT_BYTES_MAX else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    good = all(isinstance(one, str) for pair in found.items() for one in pair)
    return found if good and found else None


def _write(path: Path, data: bytes) -> None:
    """A file that must not be there yet."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, FILE_MODE)
    with os.fdopen(handle, "wb") as file:
        file.write(data)

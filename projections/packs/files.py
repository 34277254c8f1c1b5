"""The files of a pack: written once, each with its digest, and one file that names them all.

Lives here: ``PackFolder``. May import: journal. Always holds: files are 0600 and folders 0700;
nothing of this moment or machine gets in, so the same content gives the same bytes; ``pack.json``
comes last, so a folder without it is no pack.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from journal import verify, verify_pack
from journal.files import FILE_MODE, FOLDER_MODE

FORMAT: Final = 1
README: Final = "README.txt"
_COPY_BYTES: Final = 1024 * 1024


class PackError(Exception):
    """A pack that cannot be made; one line that says why, and what to do."""


class DamagedError(PackError):
    """The session is not as it was written: an answer, and a bad one."""

    damage = True


class NewFile:
    """A file of a pack while it is written."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.size_bytes = 0

    def write(self, data: bytes) -> None:
        """Append."""
        self._file.write(data)
        self.digest.update(data)
        self.size_bytes += len(data)


class PackFolder:
    """A folder that becomes a pack. Raises ``PackError`` where it cannot be written."""

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        except OSError as error:
            raise PackError(
                f"{folder} cannot be made: {error.strerror}; choose another folder"
            ) from error
        self.folder = folder
        self.files: dict[str, dict[str, Any]] = {}

    def write(self, name: str, parts: Iterable[bytes]) -> None:
        """A new file from its parts, in order."""
        with self.create(name) as file:
            for part in parts:
                file.write(part)

    @contextmanager
    def create(self, name: str) -> Iterator[NewFile]:
        """A new file to write to; what it came to is known when the context ends."""
        path = self.folder / name
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        try:
            for place in reversed(path.relative_to(self.folder).parents):
                (self.folder / place).mkdir(mode=FOLDER_MODE, exist_ok=True)
            with os.fdopen(os.open(path, flags, FILE_MODE), "wb") as file:
                new = NewFile(file)
                yield new
        except OSError as error:
            raise PackError(
                f"{path} cannot be written: {error.strerror}; free some space there, or choose "
                "another folder"
            ) from error
        self.files[name] = {"bytes": new.size_bytes, "sha256": new.digest.hexdigest()}

    def text(self, name: str, text: str) -> None:
        self.write(name, (text.encode("utf-8"),))

    def json(self, name: str, document: Any) -> None:
        """A JSON document that a person can read."""
        self.text(name, json.dumps(document, indent=2, ensure_ascii=False) + "\n")

    def json_lines(self, name: str, documents: Iterable[Any]) -> None:
        """One JSON document a line."""
        self.write(name, (line_of(one) for one in documents))

    def copy(self, source: Path, name: str) -> None:
        """A file as it is."""
        self.write(name, _parts_of(source))

    def verifiers(self) -> None:
        """The pack's verifier and the journal's: two files that need nothing else of ours."""
        self.copy(Path(verify_pack.__file__), "verify.py")
        self.copy(Path(verify.__file__), verify_pack.JOURNAL_VERIFIER)

    def close(self, fields: dict[str, Any]) -> str:
        """Write ``pack.json`` and give its SHA-256 (hex), which stands for the whole pack."""
        files = {name: self.files[name] for name in sorted(self.files)}
        self.json(verify_pack.PACK, {"format": FORMAT, **fields, "files": files})
        digest: str = self.files[verify_pack.PACK]["sha256"]
        return digest


def line_of(document: Any) -> bytes:
    """A JSON document as a line."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8") + b"\n"


def _parts_of(source: Path) -> Iterable[bytes]:
    try:
        with source.open("rb") as file:
            while data := file.read(_COPY_BYTES):
                yield data
    except OSError as error:
        raise PackError(f"{source} cannot be read: {error.strerror}") from error

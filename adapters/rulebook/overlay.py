"""A desk's dated overlay: rows that people add, each with its source, who added it and when.

Lives here: one row appended to the file. May import: events, adapters.rulebook. Always holds: the
file is private (0600) and only ever grows: what stood before stands byte for byte, and whoever
reads sees it with the new row or without, never half of it; two who add at once both have added.
Start reading at ``append_row``.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from adapters.rulebook.load import (
    OPEN_ENDED,
    OVERLAY,
    LoadedRow,
    RulebookError,
    read_overlay,
)
from events.session import RuleRow

FILE_MODE: Final = 0o600
HEADER: Final = """\
# This desk's rulebook: each row rules its days over the package's rows, and over earlier rows here.
# Rows are never edited: add the one that supersedes a mistake with `axiom rulebook add`.
"""


def append_row(path: Path, row: RuleRow, who: str, added: str) -> LoadedRow:
    """Append one row to the overlay at ``path`` (its folder must be there), durably.

    ``added`` is when, ISO in UTC. Raises ``RulebookError`` where the file that is there cannot be
    read, or the row's texts are not one printable line each; nothing is written then.
    """
    for word, text in (("source", row.source), ("who", who), ("value", str(row.value))):
        if not text.strip() or not text.isprintable():
            raise RulebookError(f"{word} must be one line of text that says something: {text!r}")
    with _locked(path.parent):
        before = path.read_bytes() if _is_there(path) else HEADER.encode()
        known = read_overlay(path) if _is_there(path) else ()
        gap = b"" if before.endswith(b"\n") else b"\n"
        _replace(path, before + gap + _block(row, who, added).encode())
        after = read_overlay(path)
    new = LoadedRow(row, OVERLAY, who, added)
    if after != (*known, new):
        raise RulebookError(f"{path}: holds something else than was added: look at its last row")
    return new


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One adder at a time; the kernel lets go when a process ends."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _is_there(path: Path) -> bool:
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise RulebookError(f"{path}: is no regular file; put the overlay itself there")
    return path.exists()


def _block(row: RuleRow, who: str, added: str) -> str:
    """The row as TOML. JSON's strings are TOML's where nothing unprintable is in them."""
    lines = [
        ("name", row.name),
        ("scope", row.scope),
        ("from", row.valid_from),
        *((("to", row.valid_to),) if row.valid_to != OPEN_ENDED else ()),
        ("value", row.value),
        ("unit", row.unit),
        ("source", row.source),
        *((("unsure", True),) if row.unsure else ()),
        ("who", who),
        ("added", added),
    ]
    texts = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in lines]
    return "\n".join(["", "[[row]]", *texts, ""])


def _replace(path: Path, data: bytes) -> None:
    """The whole file anew beside the old one, synced, then renamed over it."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)  # of an adder that died; nobody else writes while we hold the lock
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(new, path)
    finally:
        new.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

"""The published file: where it is, how it gets there, what it says of itself.

Lives here: paths inside a session's folder, publishing, the status of a published file. May import:
duckdb, projections. Always holds: a reader sees a whole file or the one before it, never a lock and
never a half; the file is 0600. Start reading at ``publish``.

In the session's folder: ``projection/`` (the projector's own file and lock, and the digest of what
it published) and ``published/``,
which is all that a reader needs: ``session.duckdb`` and ``ticks/``.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from pathlib import Path
from typing import Final

import duckdb
import msgspec

from journal.files import FILE_MODE, FOLDER_MODE
from projections.duck.store import (
    Checkpoint,
    ProjectionError,
    Store,
    TickFile,
    first_line,
    read_tick_files,
)
from projections.duck.ticks import sync_folder

WORK_FOLDER: Final = "projection"
PUBLISHED_FOLDER: Final = "published"
TICKS_FOLDER: Final = "ticks"
PUBLISHED_NAME: Final = "session.duckdb"
DIGEST_NAME: Final = "published.sha256"
_PARTIAL_NAME: Final = "session.duckdb.tmp"
_COPY_SIZE: Final = 1 << 20


def published_path(folder: Path) -> Path:
    """Where a session's published projection is."""
    return folder / PUBLISHED_FOLDER / PUBLISHED_NAME


def ticks_folder(published: Path) -> Path:
    """Where the tick files of a published projection are."""
    return published.parent / TICKS_FOLDER


def make_folders(folder: Path) -> None:
    """The projection's folders, 0700. Raises ``ProjectionError`` where they cannot be made, or lead
    out of the session's folder."""
    try:
        for name in (WORK_FOLDER, PUBLISHED_FOLDER, f"{PUBLISHED_FOLDER}/{TICKS_FOLDER}"):
            if (folder / name).is_symlink():
                raise ProjectionError(f"{name} is a symbolic link: remove it, it is made again")
            (folder / name).mkdir(mode=FOLDER_MODE, exist_ok=True)
    except OSError as error:
        raise ProjectionError(f"the projection cannot be written: {error}") from error


def publish(store: Store, target: Path) -> float:
    """Publish the store's present state as ``target``; gives back how long it took, in seconds.

    Between transactions only. Reading the file by another descriptor drops DuckDB's own lock on it
    (record locks belong to the process); the projector's lock is what keeps a second one away.
    """
    begun = time.monotonic()
    store.stamp(time.time_ns())
    store.flush()
    partial = target.with_name(_PARTIAL_NAME)
    partial.unlink(missing_ok=True)
    copy_private(store.path, partial)
    note_digest(partial, store.path.with_name(DIGEST_NAME))
    partial.rename(target)
    sync_folder(target.parent)
    return time.monotonic() - begun


def note_digest(published: Path, note: Path) -> None:
    """Write down the SHA-256 of a file that is about to be published, 0600, by rename.

    Before the file is: a kill in between leaves a note that fits no file, and it is built again.
    """
    partial = note.with_name(f"{note.name}.tmp")
    partial.unlink(missing_ok=True)
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, FILE_MODE)
    with os.fdopen(handle, "w", encoding="ascii") as text:
        text.write(_digest(published))
        text.flush()
        os.fsync(text.fileno())
    partial.rename(note)


def is_as_published(folder: Path) -> bool:
    """Is a session's published file, byte for byte, the one that its projector published?"""
    note = folder / WORK_FOLDER / DIGEST_NAME
    try:
        return note.read_text(encoding="ascii") == _digest(published_path(folder))
    except (OSError, UnicodeDecodeError):
        return False


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def copy_private(source: Path, target: Path) -> None:
    """A synced copy, 0600 from the first byte on. ``target`` must not exist."""
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, FILE_MODE)
    with os.fdopen(handle, "wb") as copy, source.open("rb") as original:
        shutil.copyfileobj(original, copy, _COPY_SIZE)
        copy.flush()
        os.fsync(copy.fileno())


class Status(msgspec.Struct, frozen=True):
    """What a published file says of itself."""

    session: str
    session_uid: str
    version: int
    checkpoint: Checkpoint
    tick_files: tuple[TickFile, ...]


def read_status(published: Path) -> Status:
    """The status of a published file. Raises ``ProjectionError`` when it is not one."""
    try:
        connection = duckdb.connect(str(published), read_only=True)
    except duckdb.Error as error:
        raise ProjectionError(f"{published.name}: {first_line(error)}") from error
    store = Store(connection, published)
    try:
        return Status(*store.identity(), store.checkpoint(), read_tick_files(connection, "base"))
    except duckdb.Error as error:
        raise ProjectionError(f"{published.name}: {first_line(error)}") from error
    finally:
        store.close()

"""What ``backup`` and ``restore`` share: one session after the other, what became of each.

Lives here: the loop with its bar, the rows and their text. May import: ``cli``, journal. Always
holds: a session that is refused does not stop the others; a disk that takes no more, or another
copier, stops the run with one line.
Start reading at ``copy_sessions``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click
import msgspec

from cli.errors import UserError, told_as_user_error
from cli.output import clean, show, table
from cli.run import progress
from journal.backup import CopiedSession, OnBytes, checked_desk, take_copy_lock
from journal.errors import (
    BackupDiffers,
    BadSessionName,
    JournalError,
    JournalLocked,
    UnsafePath,
    WriteFailed,
)
from journal.ledger import LedgerCopy

DIFFERS: Final = "differs"
REFUSED: Final = "refused"

Copy = Callable[[Path, OnBytes], CopiedSession]


class CopyRow(msgspec.Struct, frozen=True):
    """What became of one session. ``state``: ``new``, ``grown``, ``unchanged``, ``differs`` (not
    one the beginning of the other: both are as before), ``refused`` (damaged, or not safe to
    read). ``bytes`` were written in this run; ``head_hash`` is lower-case hex."""

    session: str
    state: str
    entries: int | None
    head_hash: str | None
    closed: bool | None
    bytes: int
    problem: str | None

    @property
    def good(self) -> bool:
        return self.problem is None


def copy_sessions(label: str, sources: Sequence[Path], copy: Copy) -> list[CopyRow]:
    """Run ``copy`` over the folders, with a bar over their bytes on a terminal."""
    sizes = [_size_bytes(source) for source in sources]
    rows = []
    with progress(label, 0, sum(sizes)) as move:
        for place, source in enumerate(sources):
            done = sum(sizes[:place])
            rows.append(_row(source, copy, _counter(done, move)))
            move(done + sizes[place])
    return rows


@contextmanager
def copying(home: Path, desk: str) -> Iterator[None]:
    """The right to copy into the desk of ``home``; ``UserError`` where another run has it, or the
    place cannot be used."""
    with (
        told_as_user_error(JournalLocked, UnsafePath, WriteFailed, BadSessionName),
        take_copy_lock(checked_desk(home, desk)),
    ):
        yield


def _counter(done: int, move: Callable[[int], None]) -> OnBytes:
    written = done

    def count(size: int) -> None:
        nonlocal written
        written += size
        move(written)

    return count


def _row(source: Path, copy: Copy, on_bytes: OnBytes) -> CopyRow:
    try:
        copied = copy(source, on_bytes)
    except (WriteFailed, JournalLocked):
        raise
    except JournalError as error:
        state = DIFFERS if isinstance(error, BackupDiffers) else REFUSED
        return CopyRow(source.name, state, None, None, None, 0, clean(str(error)))
    end = copied.end
    return CopyRow(
        source.name, copied.state, end.seq, end.chain.hex(), end.closed, copied.written_bytes, None
    )


def _size_bytes(folder: Path) -> int:
    """What a session's files are together; 0 where the folder cannot be read (the copy says so)."""
    try:
        return sum(
            entry.stat(follow_symlinks=False).st_size
            for entry in os.scandir(folder)
            if entry.is_file(follow_symlinks=False)
        )
    except OSError:
        return 0


def other_place(folder: Path, home: Path) -> Path:
    """``folder`` as an absolute path; ``UserError`` where it is the home itself."""
    place = Path(os.path.abspath(folder.expanduser()))
    if place.resolve() == home.resolve():
        raise UserError(f"{folder} is the home itself: a backup belongs elsewhere")
    if place.exists() and not place.is_dir():
        raise UserError(f"{folder} is not a folder: a backup is one")
    return place


def tell_rows(rows: Sequence[CopyRow]) -> None:
    """The rows for people: a table, then each problem in a line."""
    columns = ("session", "state", "entries", "closed", "bytes")
    show(table(columns, [[getattr(row, name) for name in columns] for row in rows]))
    for row in rows:
        if row.problem is not None:
            click.echo(f"PROBLEM {row.session}: {row.problem}")


def ledger_row(copy: LedgerCopy) -> dict[str, object]:
    """The ledger's part of a document."""
    return {"state": copy.state, "records": copy.records}

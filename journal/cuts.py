"""What was cut from a session's end, said on the disk before it is cut.

Lives here: the session's file of cuts. May import: ledger, recovery, files, errors. Always holds: a
cut is noted and synced, once, before a byte of it is gone; so a death between the cut and what
tells of it (the fact ``TailCut``, the ledger's record) leaves its word for the next.
Start reading at ``note_cut``. Layout in FORMAT.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from journal.errors import JournalFull, LedgerCorrupt, write_failure
from journal.files import OS_FILES, Files
from journal.ledger import (
    Numbered,
    held_bytes,
    parse_lines,
    record_hash,
    settle,
    settled,
    write_line,
)
from journal.recovery import Inspection, RecoveredTail, cut_digest

CUTS_NAME: Final = "cuts.axl"


class Cut(Numbered, frozen=True, forbid_unknown_fields=True):
    """Bytes that were never acknowledged, behind the last whole block.

    ``after_seq`` is the last entry that was kept, ``after_hash`` (hex) the chain there. There were
    ``cut_bytes`` at ``offset`` of ``file``; ``digest`` (hex) is their SHA-256. ``mark_count`` is
    the watermark's count before the cut.
    """

    uid: str
    after_seq: int
    after_hash: str
    file: str
    offset: int
    cut_bytes: int
    digest: str
    mark_count: int


_decoder: Final = msgspec.json.Decoder(Cut)


def note_cut(inspection: Inspection, files: Files = OS_FILES) -> None:
    """Write down what ``repair`` will cut, which calls this with the session's lock. Raises
    ``LedgerCorrupt`` and ``WriteFailed``, but not for a full disk: cutting frees space there, and
    a session that can go on is worth more than a note that its journal may make itself.
    """
    path = inspection.folder / CUTS_NAME
    digest = cut_digest(inspection, files)
    try:
        handle = files.open(path, "lock")
        try:
            with _told(path):
                _append(handle, path, inspection, digest, files)
        finally:
            files.close(handle)
    except OSError as error:
        failure = write_failure("noting a cut", error, path)
        if not isinstance(failure, JournalFull):
            raise failure from error


def _append(handle: int, path: Path, inspection: Inspection, digest: str, files: Files) -> None:
    cuts, previous, whole = parse_lines(settle(handle, path, files), path, _decoder)
    cut = _cut(inspection, len(cuts) + 1, digest)
    if cuts and _is_same(cuts[-1], cut):
        files.sync(handle)  # whoever made the note may have died before this
    else:
        body = msgspec.json.encode(cut)
        files.truncate(handle, whole)
        line = record_hash(previous, body).hex().encode("ascii") + b" " + body
        write_line(handle, whole, line, files)
    files.sync_dir(path.parent)


def _is_same(noted: Cut, cut: Cut) -> bool:
    """Whether the one who made the note died before the cut was done, which moves the watermark;
    what the machine has lost of the tail since was in the note."""
    places = [(one.after_seq, one.file, one.offset) for one in (noted, cut)]
    return places[0] == places[1] and cut.mark_count <= noted.mark_count


def _cut(inspection: Inspection, number: int, digest: str) -> Cut:
    scan = inspection.scan
    return Cut(
        number,
        inspection.uid.hex(),
        scan.end_seq,
        scan.end_hash.hex(),
        inspection.last.path.name,
        scan.end_offset,
        inspection.file_bytes - scan.end_offset,
        digest,
        inspection.mark_count,
    )


def read_cuts(folder: Path, *, files: Files = OS_FILES) -> tuple[Cut, ...]:
    """What was cut from a session, oldest first; none where there is no such file. Raises
    ``LedgerCorrupt``."""
    return _parsed(folder / CUTS_NAME, files)[0]


def cuts_bytes(folder: Path, through_seq: int, *, files: Files = OS_FILES) -> bytes:
    """The lines of the file of cuts for a copy that ends at ``through_seq``; empty when there are
    none. Raises ``LedgerCorrupt``."""
    cuts, data = _parsed(folder / CUTS_NAME, files)
    count = sum(cut.after_seq <= through_seq for cut in cuts)
    return b"".join(data.splitlines(keepends=True)[:count])


def _parsed(path: Path, files: Files) -> tuple[tuple[Cut, ...], bytes]:
    with _told(path):
        data = settled(held_bytes(path, files), path)
        return parse_lines(data, path, _decoder)[0], data


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Damage of this file with what to do: the session itself is whole."""
    try:
        yield
    except LedgerCorrupt as error:
        what = f"{error.message}; nothing is rebuilt from this file: put it elsewhere to go on"
        raise LedgerCorrupt(what, path=path, offset=error.offset) from error


def untold_bytes(
    folder: Path, tail: RecoveredTail | None, told_seq: int, *, files: Files = OS_FILES
) -> int:
    """How many bytes were cut behind a later entry than ``told_seq`` (-1: behind any): now
    (``tail``), and by those who died before they could tell. Raises ``LedgerCorrupt``."""
    cuts = read_cuts(folder, files=files)
    untold = sum(cut.cut_bytes for cut in cuts if cut.after_seq > told_seq)
    if tail is None or (cuts and cuts[-1].after_seq == tail.head_seq):
        return untold
    return untold + tail.cut_bytes  # the disk was too full for a note

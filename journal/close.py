"""Closing a session: final block, seals, and its line in the desk's ledger.

Lives here: ``close_session``. May import: recovery, cuts, log, seal, ledger, reserve, lock,
files, errors.
Always holds: closing again, or after dying at any step, ends in the same folder and the same
single ledger record; a running writer is never disturbed.
Start reading at ``close_session``.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from journal.cuts import note_cut, untold_bytes
from journal.errors import write_failure
from journal.files import OS_FILES, Files
from journal.ledger import append_record
from journal.lock import FileLock
from journal.log import SessionLog, WriterOptions
from journal.recovery import (
    TAIL_CUT_BYTES_MAX,
    Inspection,
    RecoveredTail,
    check_verdict,
    inspect_session,
    repair,
)
from journal.reserve import Reserve
from journal.seal import seal_session
from journal.watermark import Watermark, WatermarkFile
from journal.writer import LOCK_NAME


class ClosedSession(msgspec.Struct, frozen=True):
    """How a session ended. ``tail`` is what recovery found when its writer had died."""

    uid: str
    head_seq: int
    head_hash: bytes
    tail: RecoveredTail | None


def close_session(
    folder: Path,
    ledger: Path | None,
    *,
    tail_cut_bytes_max: int = TAIL_CUT_BYTES_MAX,
    files: Files = OS_FILES,
) -> ClosedSession:
    """Close a session whose writer has ended, orderly or not: recover what was acknowledged,
    write the final block if there is none, seal every segment, record the end in ``ledger``.

    Raises ``JournalLocked`` while a writer runs, and the refusals of recovery, sealing and the
    ledger.
    """
    with FileLock.take(folder / LOCK_NAME, files=files):
        inspection = inspect_session(folder, tail_cut_bytes_max=tail_cut_bytes_max, files=files)
        check_verdict(inspection)
        tail = None if inspection.closed else _finish(inspection, files)
        if inspection.closed and inspection.last.live:
            _mark_closed(inspection, files)
        seal_session(folder, files=files)
        Reserve(folder, 0, files).discard()
    scan = inspection.scan
    if ledger is not None:
        append_record(
            ledger,
            session=folder.resolve().name,
            uid=inspection.uid.hex(),
            head_seq=scan.end_seq,
            head_hash=scan.end_hash,
            cut_bytes=untold_bytes(folder, tail, scan.end_seq - 1, files=files),
            files=files,
        )
    return ClosedSession(inspection.uid.hex(), scan.end_seq, scan.end_hash, tail)


def _finish(inspection: Inspection, files: Files) -> RecoveredTail:
    end, tail = repair(inspection, files, note_cut)
    watermark = WatermarkFile.open(inspection.folder, files, writable=True)
    log = SessionLog(inspection.folder, inspection.uid, watermark, WriterOptions(), files, end)
    try:
        log.finish()
    finally:
        log.close()
    return tail


def _mark_closed(inspection: Inspection, files: Files) -> None:
    """The writer died between its final block and the end of its work on the watermark."""
    scan, count = inspection.scan, inspection.mark_count
    file = WatermarkFile.open(inspection.folder, files, writable=True)
    try:
        for turn in (count + 1, count + 2):
            file.write(Watermark(inspection.uid, turn, scan.end_seq, scan.end_hash, closed=True))
        file.sync()
    except OSError as error:
        raise write_failure("the watermark", error, file.path) from error
    finally:
        file.close()

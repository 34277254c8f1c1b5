"""A second copy of a session, elsewhere: made whole, kept up with, and brought back.

Lives here: ``back_up_session``, ``restore_session`` and the copying of a desk's ledger. May import:
segment, recovery, seal, verify, watermark, manifest, cuts, ledger, lock, files, errors. Always
holds: a copy is a journal like any other and verifies after a death at any step; a block is checked
before it is written; a running writer is read up to its watermark and never locked; a session that
is not a continuation of its copy is refused and both stay as they are.
Start reading at ``back_up_session``; the walk through the source is in ``walk``.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from events.envelope import GENESIS_HASH
from journal.block import (
    BlockForeign,
    BlockTooNew,
    BlockTorn,
)
from journal.cuts import CUTS_NAME, cuts_bytes
from journal.errors import (
    BackupDiffers,
    BadSessionName,
    JournalCorrupt,
    ReadFailed,
    UnsafePath,
    write_failure,
)
from journal.files import OS_FILES, Files
from journal.ledger import LedgerCopy, LedgerRecord, extend_ledger, held_bytes
from journal.lock import FileLock
from journal.manifest import read_manifest, write_manifest
from journal.recovery import Inspection, chain_at, check_verdict, inspect_session, repair
from journal.seal import seal_segment
from journal.segment import (
    SegmentFiles,
    SegmentSource,
    first_header,
    list_segments,
)
from journal.session_folder import desk_folder, parse_session_name, sessions_folder
from journal.verify import VerifyReport, verify_session
from journal.walk import SessionEnd, Walk, session_end, walked_end
from journal.watermark import (
    SLOT_OFFSETS,
    WATERMARK_NAME,
    Watermark,
    pack_slot,
)

COPY_LOCK_NAME: Final = "copy.lock"
_LINK: Final = frozenset({errno.ELOOP, errno.EMLINK})
"""What opening says of a symbolic link that it will not follow."""

State = Literal["new", "grown", "unchanged"]
OnBytes = Callable[[int], None]
Verify = Callable[[Path], VerifyReport]
"""The verifier shares no code with us, the port ``Files`` included: another disk brings its own."""


class CopiedSession(msgspec.Struct, frozen=True):
    """One session's copy after a run. ``written_bytes`` went to the disk in this run."""

    session: str
    state: State
    end: SessionEnd
    written_bytes: int


def checked_desk(home: Path, desk: str, *, files: Files = OS_FILES) -> Path:
    """The folder of a desk in a home or in a backup, which is laid out as one. Raises
    ``BadSessionName``, and ``UnsafePath`` where a part of it is a symbolic link."""
    folder = desk_folder(home, desk)
    for part in (folder.parent, folder, sessions_folder(home, desk)):
        refuse_link(part, files)
    return folder


def take_copy_lock(desk: Path, *, files: Files = OS_FILES) -> FileLock:
    """The right to copy into a desk's folder (made 0700 if absent), one process at a time.

    Raises ``JournalLocked`` naming the holder's pid, ``WriteFailed``.
    """
    with _told(desk):
        files.make_folder(desk)
    return FileLock.take(desk / COPY_LOCK_NAME, files=files)


def list_copies(sessions: Path, *, files: Files = OS_FILES) -> tuple[str, ...]:
    """The sessions in a folder of sessions, by name. Names that are none are left out: a copy
    that was not finished, or what somebody else put there."""
    refuse_link(sessions, files)
    try:
        names = files.names(sessions)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise ReadFailed(f"the folder cannot be read: {error.strerror}", path=sessions) from error
    return tuple(name for name in names if _is_session(name))


def back_up_session(
    source: Path,
    sessions: Path,
    *,
    on_bytes: OnBytes | None = None,
    files: Files = OS_FILES,
    verify: Verify = verify_session,
) -> CopiedSession:
    """Bring the copy of ``source`` in the folder ``sessions`` up to its acknowledged end.

    The caller holds the copy lock. Raises ``BackupDiffers`` where the copy holds another history
    or a longer one, ``BadSessionName``, ``UnsafePath``, the refusals of reading and recovery (of
    either side, with the file's path), ``WriteFailed``. None of them changes an existing copy's
    entries.
    """
    target = _target(source, sessions, files)
    job = _Job(source, on_bytes, files, verify)
    with _told(target):
        if target.name not in files.names(sessions):
            return _copy_new(job, target)
        end = session_end(target, files=files)
        whole = end == session_end(source, files=files) and not _sealable(source, target, files)
        # Sealed files of other sizes were cut, on either side: they are looked at whole.
        if whole and _sealed_sizes(source, files) == _sealed_sizes(target, files):
            return CopiedSession(source.name, "unchanged", end, 0)
        return _grow(job, target)


def restore_session(
    source: Path,
    sessions: Path,
    *,
    on_bytes: OnBytes | None = None,
    files: Files = OS_FILES,
    verify: Verify = verify_session,
) -> CopiedSession:
    """Bring the session ``source`` of a backup back into the folder ``sessions`` of a desk.

    A session that is there already is never changed: the same one is ``unchanged``, any other is
    a ``BackupDiffers``. Raises as ``back_up_session``. The caller holds the copy lock.
    """
    target = _target(source, sessions, files)
    with _told(target):
        if target.name not in files.names(sessions):
            return _copy_new(_Job(source, on_bytes, files, verify), target)
        if is_same_session(source, target, files=files):
            return CopiedSession(source.name, "unchanged", session_end(target, files=files), 0)
    raise BackupDiffers("another session of this name is there; it stays as it is", path=target)


def is_same_session(one: Path, other: Path, *, files: Files = OS_FILES) -> bool:
    """Both end at the same entry with the same chain. A closed session whose watermark was not
    moved in time is asked by a walk. Raises the refusals of reading."""
    ends = session_end(one, files=files), session_end(other, files=files)
    if ends[0] == ends[1]:
        return True
    if ends[0].closed == ends[1].closed:
        return False
    return walked_end(one, files) == walked_end(other, files)


def refuse_link(folder: Path, files: Files) -> None:
    """Raise ``UnsafePath`` if the last part of ``folder`` is a symbolic link: what it leads to is
    no part of a backup, and a copy must not be written through it."""
    try:
        files.close(files.open(folder, "read"))
    except OSError as error:
        if error.errno in _LINK:
            raise UnsafePath("a symbolic link where a folder belongs", path=folder) from error


def _is_session(name: str) -> bool:
    try:
        parse_session_name(name)
    except BadSessionName:
        return False
    return True


@contextmanager
def _told(target: Path) -> Iterator[None]:
    """An ``OSError`` of the copy's side as the journal's own, with the copy's path."""
    try:
        yield
    except OSError as error:
        raise write_failure("copying", error, target) from error


def _target(source: Path, sessions: Path, files: Files) -> Path:
    """Where the copy of ``source`` belongs; the folders of both sides are looked at."""
    parse_session_name(source.name)
    target = sessions / source.name
    for folder in (source.parent, source, sessions, target):
        refuse_link(folder, files)
    with _told(target):
        files.make_folder(sessions)
    return target


def copy_ledger(
    data: bytes, target: Path, sessions: Path, *, files: Files = OS_FILES
) -> LedgerCopy:
    """Add to the ledger at ``target`` what ``data`` (``ledger_bytes``, read before any session was
    copied) has more, up to the first record that a session in ``sessions`` does not fit.

    Raises ``LedgerCorrupt``, ``WriteFailed``.
    """

    def agrees(record: LedgerRecord) -> bool:
        if not _is_session(record.session) or record.session not in names:
            return True
        end = session_end(sessions / record.session, files=files)
        said = (record.uid, record.head_seq, record.head_hash, True)
        return (end.uid.hex(), end.seq, end.chain.hex(), end.closed) == said

    names = list_copies(sessions, files=files)
    return extend_ledger(data, target, agrees, files=files)


class _Job:
    """One session to copy: where from, and what it has cost."""

    def __init__(
        self, source: Path, on_bytes: OnBytes | None, files: Files, verify: Verify
    ) -> None:
        self.source = source
        self.files = files
        self.verify = verify
        self.written_bytes = 0
        self._on_bytes = on_bytes

    def write(self, handle: int, offset: int, data: bytes) -> int:
        """Write; returns the offset behind it."""
        self.files.write(handle, offset, data)
        self.written_bytes += len(data)
        if self._on_bytes is not None:
            self._on_bytes(len(data))
        return offset + len(data)


# -- a copy that is not there yet --------------------------------------------------------------


def _copy_new(job: _Job, target: Path) -> CopiedSession:
    """Build the copy under a name that nobody reads, verify it, then give it its own."""
    files = job.files
    partial = target.with_name(f".{target.name}.partial")
    _clear(partial, files)
    walk = Walk(job.source, 0, GENESIS_HASH, files)
    number, segment = 1, walk.open(1)
    while segment is not None:
        try:
            place = SegmentFiles(partial, number, live=True, sealed=False)
            path = place.sealed_path if segment.sealed else place.live_path
            _write_file(job, path, walk.blocks(segment))
            done = walk.is_done(segment)
        finally:
            segment.close()
        number += 1
        segment = None if done else walk.open(number)
    walk.check_end()
    _write_mark(job, partial, walk.end, 0)
    _finish(job, partial)
    files.rename(partial, target)
    files.sync_dir(target.parent)
    return CopiedSession(target.name, "new", walk.end, job.written_bytes)


def _clear(partial: Path, files: Files) -> None:
    """An empty folder for a new copy: what a death left in it is not trusted."""
    refuse_link(partial, files)
    files.make_folder(partial)
    for name in files.names(partial):
        files.unlink(partial / name)


def _write_file(job: _Job, path: Path, blocks: Iterator[bytes]) -> None:
    """A new file of these blocks, synced, its name too."""
    handle = job.files.open(path, "create")
    try:
        offset = 0
        for block in blocks:
            offset = job.write(handle, offset, block)
        job.files.sync(handle)
    finally:
        job.files.close(handle)
    job.files.sync_dir(path.parent)


def _write_mark(job: _Job, folder: Path, end: SessionEnd, count: int) -> None:
    """Say how far the copy goes, after its sync: both slots, under another name first, so that no
    death leaves a closed session with a torn slot."""
    turns = range(count + 1, count + 3)
    slots = {n & 1: pack_slot(Watermark(end.uid, n, end.seq, end.chain, end.closed)) for n in turns}
    data = slots[0].ljust(SLOT_OFFSETS[1], b"\0") + slots[1]
    _replace_file(job, folder / WATERMARK_NAME, iter((data,)))


def _replace_file(job: _Job, path: Path, blocks: Iterator[bytes]) -> None:
    """As ``_write_file``, over a file that may be there: whole under another name first."""
    partial = path.with_name(f"{path.name}.tmp")
    if partial.name in job.files.names(path.parent):
        job.files.unlink(partial)
    _write_file(job, partial, blocks)
    job.files.rename(partial, path)
    job.files.sync_dir(path.parent)


def _finish(job: _Job, folder: Path) -> None:
    """The manifest and what was cut, then a reading by the verifier that shares no code with us."""
    manifest = read_manifest(job.source, files=job.files)
    if manifest is not None and manifest != read_manifest(folder, files=job.files):
        write_manifest(folder, manifest, files=job.files)
    end = session_end(folder, files=job.files)
    cuts = cuts_bytes(job.source, end.seq, files=job.files)
    if cuts and cuts != held_bytes(folder / CUTS_NAME, job.files):
        _replace_file(job, folder / CUTS_NAME, iter((cuts,)))
    report = job.verify(folder)
    if not report.ok:
        first = report.problems[0]
        raise JournalCorrupt(
            f"the copy does not verify: {first.code} {first.message}",
            path=folder / first.file,
            offset=first.offset,
            seq=first.seq,
        )


# -- a copy that is there ----------------------------------------------------------------------


def _grow(job: _Job, target: Path) -> CopiedSession:
    """Append what the session has gained, then seal what it has sealed.

    In this order a death leaves a journal that ends earlier, with or without a torn tail: the
    next run recovers it as its own writer would have.
    """
    files = job.files
    held = inspect_session(target, files=files)
    check_verdict(held)
    _check_history(job, held, target)
    end = _closed_end(job, held, target) if held.closed else _append(job, held, target)
    _seal_finished(job, target)
    _finish(job, target)
    state: State = "grown" if job.written_bytes else "unchanged"
    return CopiedSession(target.name, state, end, job.written_bytes)


def _closed_end(job: _Job, held: Inspection, target: Path) -> SessionEnd:
    """The end of a copy that has its final block; a death may have come before its watermark."""
    end = SessionEnd(held.uid, held.scan.end_seq, held.scan.end_hash, True)
    if session_end(target, files=job.files) != end:
        _write_mark(job, target, end, held.mark_count)
    return end


def _check_history(job: _Job, held: Inspection, target: Path) -> None:
    """Refuse a session that does not begin with what the copy holds."""
    files, scan = job.files, held.scan
    source = session_end(job.source, files=files)
    if source.uid != held.uid:
        raise BackupDiffers(f"the copy holds session {held.uid.hex()}", path=target)
    if held.closed and walked_end(job.source, files) != walked_end(target, files):
        raise BackupDiffers("the copy is closed and ends otherwise", path=target, seq=scan.end_seq)
    chain = chain_at(job.source, scan.end_seq, files=files)
    if chain is None or source.seq < scan.end_seq:
        raise BackupDiffers(
            f"the copy goes on to seq {scan.end_seq}, the session ends at {source.seq}; both stay "
            "as they are",
            path=target,
            seq=scan.end_seq,
        )
    if chain != scan.end_hash:
        raise BackupDiffers(
            "the copy holds another history of this session; both stay as they are",
            path=target,
            seq=scan.end_seq,
        )


def _append(job: _Job, held: Inspection, target: Path) -> SessionEnd:
    """Bring the last segment up to date and make those behind it, all live; move the watermark."""
    files = job.files
    log_end, _ = repair(held, files)
    number = held.last.number
    walk = Walk(job.source, log_end.head_seq, log_end.head_hash, files)
    walk.uid = held.uid
    walk.told[log_end.head_seq] = log_end.head_hash
    segment = walk.open(number)
    while segment is not None:
        try:
            place = SegmentFiles(target, number, live=True, sealed=False)
            if number > held.last.number:
                _replace_live(job, walk, segment, place)
            elif _goes_on(segment, log_end.offset, walk):
                _append_live(job, walk, segment, place, log_end.offset)
            else:
                _restart(walk, place, files)
                _replace_live(job, walk, segment, place)
            done = walk.is_done(segment)
        finally:
            segment.close()
        number += 1
        segment = None if done else walk.open(number)
    walk.check_end()
    _write_mark(job, target, walk.end, log_end.mark_count)
    return walk.end


def _goes_on(segment: SegmentSource, offset: int, walk: Walk) -> bool:
    """Whether the live segment has, where its copy ends, the block that continues it (or no
    entry more than the copy)."""
    if segment.sealed:
        return False
    if walk.mark is not None and walk.mark.seq == walk.seq and not walk.mark.closed:
        return True
    try:
        header = segment.header_at(offset, walk.uid)
    except (BlockTorn, BlockForeign, BlockTooNew):
        return False
    return header is not None and (header.first_seq, header.hash_before) == (
        walk.seq + 1,
        walk.chain,
    )


def _append_live(
    job: _Job, walk: Walk, segment: SegmentSource, place: SegmentFiles, offset: int
) -> None:
    handle = job.files.open(place.live_path, "edit")
    try:
        for block in walk.blocks(segment, offset):
            offset = job.write(handle, offset, block)
        job.files.sync(handle)
    finally:
        job.files.close(handle)


def _restart(walk: Walk, place: SegmentFiles, files: Files) -> None:
    """Put the walk at the beginning of a segment whose copy will be written anew."""
    copy = SegmentSource(place.live_path, place.number, files)
    try:
        header = first_header(copy, walk.uid)
    finally:
        copy.close()
    if header is not None:
        walk.seq, walk.chain = header.first_seq - 1, header.hash_before


def _replace_live(job: _Job, walk: Walk, segment: SegmentSource, place: SegmentFiles) -> None:
    """The segment as a live one, whole under another name first. It may be sealed in the session:
    its copy is not, until all behind it is there, since a session may not end in a sealed segment
    that is not final."""
    _replace_file(job, place.live_path, walk.blocks(segment, as_live=True))


def _seal_finished(job: _Job, target: Path) -> None:
    """Replace the live segments of the copy that the session has sealed, as sealing does it."""
    for segment in _sealable(job.source, target, job.files):
        sealed = replace(segment, folder=job.source).sealed_path

        def write(partial: SegmentFiles, files: Files, sealed: Path = sealed) -> None:
            _copy_sealed(job, sealed, partial, files)

        seal_segment(segment, job.files, write)


def _copy_sealed(job: _Job, sealed: Path, partial: SegmentFiles, files: Files) -> None:
    """Copy a sealed segment to where sealing makes it; the caller compares it with the live one."""
    source = SegmentSource(sealed, partial.number, files)
    try:
        header = first_header(source)
        if header is None:
            raise JournalCorrupt("a sealed segment without a block", path=sealed)
        walk = Walk(job.source, header.first_seq - 1, header.hash_before, files)
        if partial.partial_path.name in files.names(partial.folder):
            files.unlink(partial.partial_path)
        _write_file(job, partial.partial_path, walk.blocks(source))
    finally:
        source.close()


def _sealed_sizes(folder: Path, files: Files) -> dict[int, int | None]:
    """The sizes of a session's sealed segments by number; None for a live one."""
    sizes: dict[int, int | None] = {}
    for segment in list_segments(folder, files):
        sizes[segment.number] = None
        if segment.sealed:
            handle = files.open(segment.sealed_path, "read")
            try:
                sizes[segment.number] = files.size(handle)
            finally:
                files.close(handle)
    return sizes


def _sealable(source: Path, target: Path, files: Files) -> tuple[SegmentFiles, ...]:
    """The live segments of the copy that are sealed in the session, and whole in the copy."""
    sealed = {segment.number for segment in list_segments(source, files) if segment.sealed}
    segments = list_segments(target, files)
    closed = session_end(target, files=files).closed
    return tuple(
        segment
        for segment in segments
        if segment.live and segment.number in sealed and (segment is not segments[-1] or closed)
    )

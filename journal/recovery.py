"""Opening a journal that was not closed: keep all that was acknowledged, or refuse by name.

Lives here: the inspection of a folder, the table of verdicts, the cut. May import: segment,
block, watermark, log, errors, files. Always holds: ``inspect_session`` changes nothing; only
``repair`` does, only with a verdict OPEN or CUT, and it removes only bytes that were never
acknowledged. The rule is the table ``VERDICTS``; a test enumerates every combination.
Start reading at ``VERDICTS``, then ``inspect_session``.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from events.envelope import GENESIS_HASH
from journal.block import (
    BlockForeign,
    BlockHeader,
    BlockTooNew,
    BlockTorn,
    Entry,
    chain_next,
    chain_over,
)
from journal.errors import (
    ChainBroken,
    JournalClosed,
    JournalCorrupt,
    JournalError,
    SyncFailed,
    TailTooLong,
    VersionTooNew,
    WatermarkDamaged,
    write_failure,
)
from journal.files import OS_FILES, Files
from journal.log import LogEnd
from journal.segment import (
    SegmentFiles,
    SegmentSource,
    check_link,
    first_header,
    list_segments,
)
from journal.watermark import Watermark, WatermarkFile, read_watermark

TAIL_CUT_BYTES_MAX: Final = 32 * 1024 * 1024
"""A batch, the largest entry, and room: a writer never has more than this unsynced."""

_CHUNK_BYTES: Final = 1024 * 1024


class Damage(enum.Enum):
    """What stands at the first place that is not a whole block continuing the chain."""

    NONE = "the end of the file"
    TORN = "bytes that are not a whole block"
    FOREIGN = "a whole block that cannot stand there"
    NEWER = "a block of a newer format"


class Mark(enum.Enum):
    """What the watermark says about the end that was found."""

    AGREES = "at or before the end, same hash"
    AHEAD = "beyond the end"
    DIFFERS = "another hash, or another session"
    DAMAGED = "missing or unreadable"


class Verdict(enum.Enum):
    """What opening does."""

    OPEN = "open"
    CUT = "cut the tail, then open"
    TOO_LONG = "refuse: the tail is too long to cut"
    CORRUPT = "refuse: acknowledged bytes are damaged"
    CHAIN = "refuse: the chain was changed"
    WATERMARK = "refuse: the acknowledged end is unknown"
    TOO_NEW = "refuse: a newer format"


class Found(msgspec.Struct, frozen=True):
    """What recovery looks at. ``proof``: a later block of the same segment says that entries
    past the end were durable. ``short``: the tail is within the limit."""

    damage: Damage
    last_segment: bool
    proof: bool
    mark: Mark
    short: bool


_ANY: Final = None
_Row = tuple[Damage | None, bool | None, bool | None, Mark | None, bool | None, Verdict]

VERDICTS: Final[tuple[_Row, ...]] = (
    # damage, last segment, proof, watermark, short tail -> verdict; the first matching row wins
    (Damage.NEWER, _ANY, _ANY, _ANY, _ANY, Verdict.TOO_NEW),
    (Damage.FOREIGN, _ANY, _ANY, _ANY, _ANY, Verdict.CORRUPT),
    (Damage.TORN, False, _ANY, _ANY, _ANY, Verdict.CORRUPT),
    (Damage.TORN, True, True, _ANY, _ANY, Verdict.CORRUPT),
    (_ANY, _ANY, _ANY, Mark.DAMAGED, _ANY, Verdict.WATERMARK),
    (_ANY, _ANY, _ANY, Mark.AHEAD, _ANY, Verdict.CORRUPT),
    (_ANY, _ANY, _ANY, Mark.DIFFERS, _ANY, Verdict.CHAIN),
    (Damage.NONE, _ANY, _ANY, Mark.AGREES, _ANY, Verdict.OPEN),
    (Damage.TORN, True, False, Mark.AGREES, True, Verdict.CUT),
    (Damage.TORN, True, False, Mark.AGREES, False, Verdict.TOO_LONG),
)
"""The recovery rule. A segment is synced before the next is made, so only the last can be torn;
a torn write cannot make a whole block in the wrong place; an end before the watermark, or another
hash at it, means that acknowledged entries are gone."""


def verdict_for(found: Found) -> Verdict:
    """The first row of ``VERDICTS`` that matches."""
    seen = (found.damage, found.last_segment, found.proof, found.mark, found.short)
    for row in VERDICTS:
        if all(want is None or want == have for want, have in zip(row[:5], seen, strict=True)):
            return row[5]
    raise AssertionError(f"the table has no row for {found}")


class RecoveredTail(msgspec.Struct, frozen=True):
    """What a reopened journal holds and what was taken from it.

    ``incomplete`` is the durable part of a last group without its end mark (empty when the last
    group is whole): it stays in the journal; the engine re-derives the group and appends the rest.
    ``cut_bytes`` were removed from ``cut_file`` at ``cut_offset``; ``cut_digest`` is their SHA-256.
    """

    head_seq: int
    head_hash: bytes
    incomplete: tuple[bytes, ...]
    cut_bytes: int
    cut_offset: int
    cut_file: str
    cut_digest: str


class SegmentScan(msgspec.Struct, frozen=True):
    """One segment walked to its end or to the first damage. ``open_group``: entries after the
    last group end; ``mark_hash``: the chain at the watermark's seq, when it lies here;
    ``covered_bytes``: the file up to here was synced, by the watermark's word."""

    end_offset: int
    end_seq: int
    end_hash: bytes
    raw_bytes: int
    final: bool
    damage: Damage
    reason: str
    open_group: tuple[Entry, ...]
    mark_hash: bytes | None
    covered_bytes: int


class Inspection(msgspec.Struct, frozen=True):
    """A session's folder as found. Nothing has been changed."""

    folder: Path
    uid: bytes
    last: SegmentFiles
    scan: SegmentScan
    mark_count: int
    found: Found
    verdict: Verdict
    file_bytes: int
    tail_bytes: int

    @property
    def closed(self) -> bool:
        return self.scan.final


class _Walk:
    """The state of a walk through one segment."""

    def __init__(self, end_seq: int, chain: bytes, mark: Watermark | None) -> None:
        self.end_offset = 0
        self.end_seq = end_seq
        self.chain = chain
        self.raw_bytes = 0
        self.final = False
        self.open_group: list[Entry] = []
        self.mark = mark
        self.mark_hash = chain if mark is not None and mark.seq == end_seq else None
        self.covered_bytes = 0

    def take(self, source: SegmentSource, header: BlockHeader, full: bool) -> None:
        """Check one block and move past it. Raises what is wrong with it."""
        if self.final:
            raise BlockForeign("a block after the final one")
        check_link(header, source, self.end_seq + 1, self.chain)
        probe = self.mark.seq if self.mark is not None else -1
        if full or header.first_seq <= probe <= header.last_seq:
            self._check_entries(source.entries(header), header, probe)
        else:
            source.stored(header)
        self.end_offset = header.end_offset
        self.end_seq = header.last_seq
        self.chain = header.hash_after
        self.raw_bytes += header.raw_bytes
        self.final = header.is_final
        if header.last_seq <= probe:
            self.covered_bytes = header.end_offset

    def _check_entries(self, entries: list[Entry], header: BlockHeader, probe: int) -> None:
        chain = self.chain
        for entry in entries:
            chain = chain_next(chain, entry.data)
            if entry.seq == probe:
                self.mark_hash = chain
            self.open_group.append(entry)
            if entry.group_end:
                self.open_group.clear()
        if chain != header.hash_after:
            raise BlockForeign("the entries do not give the hash that the header holds")

    def result(self, damage: Damage, reason: str) -> SegmentScan:
        return SegmentScan(
            self.end_offset,
            self.end_seq,
            self.chain,
            self.raw_bytes,
            self.final,
            damage,
            reason,
            tuple(self.open_group),
            self.mark_hash,
            self.covered_bytes,
        )


def scan_segment(
    source: SegmentSource,
    uid: bytes,
    end_seq: int,
    chain: bytes,
    mark: Watermark | None,
    *,
    full: bool = True,
) -> SegmentScan:
    """Walk a segment that follows ``end_seq`` and ``chain``. ``full`` reads the entries too,
    else only headers and payload CRCs (and the block of the watermark)."""
    walk = _Walk(end_seq, chain, mark)
    while True:
        try:
            header = source.header_at(walk.end_offset, uid)
            if header is None:
                return walk.result(Damage.NONE, "")
            walk.take(source, header, full)
        except BlockTorn as error:
            return walk.result(Damage.TORN, str(error))
        except BlockTooNew as error:
            return walk.result(Damage.NEWER, str(error))
        except BlockForeign as error:
            return walk.result(Damage.FOREIGN, str(error))
        except ChainBroken as error:
            return walk.result(Damage.FOREIGN, error.message)


def inspect_session(
    folder: Path, *, tail_cut_bytes_max: int = TAIL_CUT_BYTES_MAX, files: Files = OS_FILES
) -> Inspection:
    """Look at a session's folder and say what opening it would do. Changes nothing.

    Raises ``JournalMissing``, ``SegmentGap``, ``ReadFailed``.
    """
    segments = list_segments(folder, files)
    try:
        mark: Watermark | None = read_watermark(folder, files)
    except WatermarkDamaged:
        mark = None
    uid = _session_uid(segments[0], mark, files)
    end_seq, chain, mark_hash = 0, GENESIS_HASH, None
    for segment in segments:
        is_last = segment is segments[-1]
        source = SegmentSource(segment.path, segment.number, files)
        try:
            scan = scan_segment(source, uid, end_seq, chain, mark, full=is_last)
            mark_hash = scan.mark_hash or mark_hash
            if is_last or scan.damage is not Damage.NONE or scan.final:
                seen = _Seen(folder, uid, segment, is_last, _complete(scan, segment, is_last))
                return _inspection(seen, source, mark, mark_hash, tail_cut_bytes_max)
        finally:
            source.close()
        end_seq, chain = scan.end_seq, scan.end_hash
    raise AssertionError("list_segments returns at least one")


def _session_uid(first: SegmentFiles, mark: Watermark | None, files: Files) -> bytes:
    source = SegmentSource(first.path, first.number, files)
    try:
        header = first_header(source)
    finally:
        source.close()
    if header is not None:
        return header.uid
    return mark.uid if mark is not None else bytes(6)


class _Seen(msgspec.Struct, frozen=True):
    """Where the walk stopped."""

    folder: Path
    uid: bytes
    segment: SegmentFiles
    is_last: bool
    scan: SegmentScan


def _complete(scan: SegmentScan, segment: SegmentFiles, is_last: bool) -> SegmentScan:
    """A segment without damage that still cannot be where it is, among the others."""
    if scan.damage is not Damage.NONE:
        return scan
    reason = ""
    if scan.final and not is_last:
        reason = "a segment follows the final block"
    elif is_last and segment.sealed and not scan.final:
        reason = "the session ends in a sealed segment that is not final: the next is missing"
    damage = Damage.FOREIGN if reason else Damage.NONE
    return msgspec.structs.replace(scan, damage=damage, reason=reason)


def _inspection(
    seen: _Seen,
    source: SegmentSource,
    mark: Watermark | None,
    mark_hash: bytes | None,
    tail_cut_bytes_max: int,
) -> Inspection:
    scan, size = seen.scan, source.size()
    torn = scan.damage is Damage.TORN
    tail_bytes = _used_bytes(source, scan.end_offset, size) if torn else 0
    found = Found(
        damage=scan.damage,
        last_segment=seen.is_last,
        proof=torn and _is_proven(source, scan, seen.uid),
        mark=_judge_mark(scan, seen.uid, mark, mark_hash),
        short=tail_bytes <= tail_cut_bytes_max,
    )
    return Inspection(
        folder=seen.folder,
        uid=seen.uid,
        last=seen.segment,
        scan=scan,
        mark_count=mark.count if mark is not None else 0,
        found=found,
        verdict=verdict_for(found),
        file_bytes=size,
        tail_bytes=tail_bytes,
    )


def _is_proven(source: SegmentSource, scan: SegmentScan, uid: bytes) -> bool:
    """A block behind the damage says that entries past the end were durable."""
    behind = source.blocks_behind(scan.end_offset, uid)
    return any(header.durable_through > scan.end_seq for header in behind)


def _judge_mark(
    scan: SegmentScan, uid: bytes, mark: Watermark | None, mark_hash: bytes | None
) -> Mark:
    if mark is None:
        return Mark.DAMAGED
    if mark.uid != uid:
        return Mark.DIFFERS
    if mark.seq > scan.end_seq or (mark.closed and not scan.final):
        return Mark.AHEAD
    if mark.chain != (GENESIS_HASH if mark.seq == 0 else mark_hash):
        return Mark.DIFFERS
    return Mark.AGREES


def _used_bytes(source: SegmentSource, start: int, size: int) -> int:
    """Length of the tail up to its last byte that is not zero (a file extended before its data
    were written, or a preallocated one, ends in zeros that were never anybody's)."""
    end = size
    while end > start:
        at = max(start, end - _CHUNK_BYTES)
        used = source.read(at, end - at).rstrip(b"\0")
        if used:
            return at + len(used) - start
        end = at
    return 0


_REFUSALS: Final[dict[Verdict, type[JournalError]]] = {
    Verdict.TOO_LONG: TailTooLong,
    Verdict.CORRUPT: JournalCorrupt,
    Verdict.CHAIN: ChainBroken,
    Verdict.WATERMARK: WatermarkDamaged,
    Verdict.TOO_NEW: VersionTooNew,
}


def check_verdict(inspection: Inspection) -> None:
    """Raise the named refusal of an inspection, with its place; return if it may be opened."""
    refusal = _REFUSALS.get(inspection.verdict)
    if refusal is None:
        return
    scan, found = inspection.scan, inspection.found
    what = scan.reason or found.damage.value
    if inspection.verdict is Verdict.TOO_LONG:
        what = f"{inspection.tail_bytes} bytes are torn, more than may be cut without a human"
    elif found.mark is not Mark.AGREES and found.damage in (Damage.NONE, Damage.TORN):
        what = f"{what}; the watermark is {found.mark.value}"
    elif found.proof:
        what = f"{what}; a later block says that it was durable"
    raise refusal(what, path=inspection.last.path, offset=scan.end_offset, seq=scan.end_seq + 1)


def repair(
    inspection: Inspection,
    files: Files = OS_FILES,
    before_cut: Callable[[Inspection, Files], None] | None = None,
) -> tuple[LogEnd, RecoveredTail]:
    """Make durable what is kept and cut the torn tail. Raises the refusal of the inspection,
    ``JournalClosed`` for a session with its final block, ``WriteFailed``, ``SyncFailed``.

    ``before_cut`` is called when there is a tail to cut and what is kept is durable.

    What stands beyond the watermark is written again before it is synced: after a failed sync the
    system may hold pages as clean that never reached the disk.
    """
    check_verdict(inspection)
    scan, path = inspection.scan, inspection.last.path
    if inspection.closed:
        raise JournalClosed("the session is closed", path=path, seq=scan.end_seq)
    digest = cut_digest(inspection, files)
    try:
        handle = files.open(path, "edit")
        try:
            _write_again(handle, scan, files)
            if before_cut is not None and inspection.verdict is Verdict.CUT:
                _sync(handle, path, files)
                before_cut(inspection, files)
            files.truncate(handle, scan.end_offset)
            _sync(handle, path, files)
        finally:
            files.close(handle)
        files.sync_dir(inspection.folder)
        count = inspection.mark_count + 1
        _move_mark(inspection, count, files)
    except OSError as error:
        raise write_failure("reopening", error, path) from error
    end = LogEnd(
        inspection.last.number,
        scan.end_offset,
        scan.raw_bytes,
        scan.end_seq,
        scan.end_hash,
        count,
        bool(scan.open_group),
    )
    return end, RecoveredTail(
        scan.end_seq,
        scan.end_hash,
        tuple(entry.data for entry in scan.open_group),
        inspection.file_bytes - scan.end_offset,
        scan.end_offset,
        path.name,
        digest,
    )


def _sync(handle: int, path: Path, files: Files) -> None:
    try:
        files.sync(handle)
    except OSError as error:
        raise SyncFailed(f"reopening: {error.strerror}", path=path) from error


def cut_digest(inspection: Inspection, files: Files = OS_FILES) -> str:
    """SHA-256 (hex) of the bytes that ``repair`` cuts."""
    digest = hashlib.sha256()
    source = SegmentSource(inspection.last.path, inspection.last.number, files)
    try:
        for at in range(inspection.scan.end_offset, inspection.file_bytes, _CHUNK_BYTES):
            digest.update(source.read(at, min(_CHUNK_BYTES, inspection.file_bytes - at)))
    finally:
        source.close()
    return digest.hexdigest()


def _write_again(handle: int, scan: SegmentScan, files: Files) -> None:
    for at in range(scan.covered_bytes, scan.end_offset, _CHUNK_BYTES):
        data = files.read(handle, at, min(_CHUNK_BYTES, scan.end_offset - at))
        files.write(handle, at, data)


def _move_mark(inspection: Inspection, count: int, files: Files) -> None:
    scan = inspection.scan
    file = WatermarkFile.open(inspection.folder, files, writable=True)
    try:
        file.write(Watermark(inspection.uid, count, scan.end_seq, scan.end_hash))
        file.sync()
    finally:
        file.close()


def chain_at(folder: Path, seq: int, *, files: Files = OS_FILES) -> bytes | None:
    """The chain's hash after entry ``seq`` (0 gives the genesis hash), or None when the journal
    does not reach that far. Reads headers, and the entries of one block."""
    if seq == 0:
        return GENESIS_HASH
    for segment in list_segments(folder, files):
        source = SegmentSource(segment.path, segment.number, files)
        try:
            offset = 0
            while (header := source.header_at(offset)) is not None:
                if header.last_seq == seq:
                    return header.hash_after
                if header.last_seq > seq:
                    entries = source.entries(header)[: seq - header.first_seq + 1]
                    return chain_over(header.hash_before, entries)
                offset = header.end_offset
        except (BlockTorn, BlockForeign, BlockTooNew):
            return None
        finally:
            source.close()
    return None

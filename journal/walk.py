"""A walk through a session that trusts nothing: what a copy is made from.

Lives here: ``Walk``, and where a session ends. May import: segment, block, recovery, watermark,
files, errors. Always holds: a block is given only after its CRC, its place and the hash of its
entries were checked, and a live segment only up to the watermark; nothing is written or locked.
Start reading at ``Walk.blocks``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec.structs import replace

from journal.block import (
    FLAG_SEALED,
    BlockForeign,
    BlockHeader,
    BlockTooNew,
    BlockTorn,
    chain_next,
    pack_header,
)
from journal.errors import ChainBroken, JournalCorrupt, SegmentGap, WatermarkDamaged
from journal.files import OS_FILES, Files
from journal.recovery import inspect_session
from journal.segment import SegmentSource, check_link, list_segments, refuse
from journal.watermark import Watermark, read_watermark


class SessionEnd(msgspec.Struct, frozen=True):
    """How far a session goes: its acknowledged end, and whether the final block is there."""

    uid: bytes
    seq: int
    chain: bytes
    closed: bool


def session_end(folder: Path, *, files: Files = OS_FILES) -> SessionEnd:
    """The end by the watermark's word, else by a walk. Raises the refusals of reading."""
    segments = list_segments(folder, files)
    try:
        mark = read_watermark(folder, files)
    except WatermarkDamaged:
        if any(not segment.sealed for segment in segments):
            raise
        return walked_end(folder, files)
    return SessionEnd(mark.uid, mark.seq, mark.chain, mark.closed)


def walked_end(folder: Path, files: Files) -> SessionEnd:
    inspection = inspect_session(folder, files=files)
    scan = inspection.scan
    return SessionEnd(inspection.uid, scan.end_seq, scan.end_hash, scan.final)


class Walk:
    """A walk through a session's blocks in order, each checked: CRC, place, chain, and the hash
    at every seq at which somebody has said what it is (``told``)."""

    def __init__(self, source: Path, seq: int, chain: bytes, files: Files) -> None:
        self.source = source
        self.seq = seq
        self.chain = chain
        self.final = False
        self.uid: bytes | None = None
        self.told: dict[int, bytes] = {}
        self._files = files
        self.mark = _mark_of(source, files)  # before the segments are listed: it may move
        if self.mark is not None:
            self.told[self.mark.seq] = self.mark.chain

    def open(self, number: int) -> SegmentSource | None:
        """A segment as it is now: sealing may replace the live file at any moment."""
        for _ in range(2):
            segments = list_segments(self.source, self._files)
            if number > len(segments):
                return None
            try:
                return SegmentSource(segments[number - 1].path, number, self._files)
            except FileNotFoundError:
                continue
        raise SegmentGap(f"segment {number:06d} went away", path=self.source)

    def blocks(
        self, segment: SegmentSource, offset: int = 0, *, as_live: bool = False
    ) -> Iterator[bytes]:
        """The bytes of the blocks from ``offset`` to the end of a sealed segment, or to the
        watermark in a live one. ``as_live``: with the seal's flag taken off, which is all that a
        block of a sealed segment differs in from a live one.

        Sync marks behind the last acknowledged entry are left out: after a crash of the machine
        something else may come to stand in their place.
        """
        pending = b""
        while (header := self._header(segment, offset)) is not None:
            pending += self._take(segment, header, as_live)
            offset = header.end_offset
            if header.count or header.is_final:
                yield pending
                pending = b""

    def _header(self, segment: SegmentSource, offset: int) -> BlockHeader | None:
        """The header at ``offset``; None at the end of what may be read."""
        limit = self.mark.seq if self.mark is not None else 0
        closed = self.mark is not None and self.mark.closed
        done = not segment.sealed and self.seq >= limit and not closed
        try:
            header = segment.header_at(offset, self.uid)
        except (BlockTorn, BlockForeign, BlockTooNew) as error:
            if done:
                return None
            raise refuse(error, segment.path, offset, self.seq + 1) from error
        if header is None or segment.sealed:
            return header
        beyond = header.last_seq > limit or (header.is_final and not closed)
        return None if beyond else header

    def _take(self, segment: SegmentSource, header: BlockHeader, as_live: bool) -> bytes:
        """Check one block, move past it, give its bytes."""
        if self.final:
            raise JournalCorrupt(
                "a block after the final one", path=segment.path, offset=header.offset
            )
        check_link(header, segment, self.seq + 1, self.chain)
        try:
            stored = segment.stored(header)
            entries = segment.entries(header) if header.count else []
        except (BlockTorn, BlockForeign) as error:
            raise refuse(error, segment.path, header.offset, header.first_seq) from error
        for entry in entries:
            self.chain = chain_next(self.chain, entry.data)
            if self.told.get(entry.seq, self.chain) != self.chain:
                raise ChainBroken("another hash was acknowledged", path=segment.path, seq=entry.seq)
        if self.chain != header.hash_after:
            raise ChainBroken(
                "the entries do not give the hash that the header holds",
                path=segment.path,
                offset=header.offset,
                seq=header.first_seq,
            )
        self.uid, self.seq, self.final = header.uid, header.last_seq, header.is_final
        flags = header.flags & ~FLAG_SEALED if as_live else header.flags
        return pack_header(replace(header, flags=flags)) + stored

    def is_done(self, segment: SegmentSource) -> bool:
        """Whether nothing behind this segment may be copied now."""
        if self.final:
            return True
        return not segment.sealed and self.mark is not None and self.seq >= self.mark.seq

    def check_end(self) -> None:
        """Raise if the session ended before its acknowledged end."""
        if self.mark is None and not self.final:
            raise SegmentGap("the session ends in a sealed segment, not final", path=self.source)
        if self.mark is not None and (
            self.seq < self.mark.seq or (self.mark.closed and not self.final)
        ):
            raise SegmentGap(
                "the journal ends before its acknowledged end", path=self.source, seq=self.seq + 1
            )

    @property
    def end(self) -> SessionEnd:
        mark = self.mark.uid if self.mark is not None else bytes(6)
        return SessionEnd(self.uid or mark, self.seq, self.chain, self.final)


def _mark_of(folder: Path, files: Files) -> Watermark | None:
    """The watermark; None where there is none and only sealed segments, which need none."""
    try:
        return read_watermark(folder, files)
    except WatermarkDamaged:
        if any(not segment.sealed for segment in list_segments(folder, files)):
            raise
        return None

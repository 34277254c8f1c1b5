"""The reading end: entries in order, from any seq, also behind a running writer.

Lives here: ``JournalReader``. May import: segment, block, watermark, files, errors. Always holds:
entries come once, in order, gapless; a segment that is not sealed is read up to the watermark and
no further; anything wrong below the watermark is a named refusal with its place. Positions are
seqs, so sealing or rolling beneath a reader does not move it.
Start reading at ``JournalReader.__iter__``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from events.envelope import GENESIS_HASH, SEQ_FIRST
from journal.block import (
    BlockForeign,
    BlockHeader,
    BlockTooNew,
    BlockTorn,
    Entry,
    chain_next,
    chain_over,
)
from journal.errors import ChainBroken, ReadFailed, SegmentGap, WatermarkDamaged
from journal.files import OS_FILES, Files
from journal.segment import (
    SegmentFiles,
    SegmentSource,
    check_link,
    first_header,
    list_segments,
    refuse,
)
from journal.watermark import WatermarkFile, read_watermark

_UNLIMITED: Final = (1 << 64) - 1


class Position(msgspec.Struct, frozen=True):
    """A place in a session: the last entry of the last block read, and the chain there."""

    seq: int
    chain: bytes


class JournalReader:
    """Reads one session. One iteration at a time; iterating again goes on where it stopped.

    ``verify_chain`` recomputes the hash of every envelope; without it blocks are still checked
    by CRC and must continue one another. Raises ``JournalMissing``, ``SegmentGap`` on opening;
    ``JournalCorrupt`` and its kinds, ``ReadFailed``, ``VersionTooNew`` while reading.
    """

    def __init__(
        self,
        folder: Path,
        *,
        from_seq: int = SEQ_FIRST,
        verify_chain: bool = True,
        files: Files = OS_FILES,
    ) -> None:
        if from_seq < SEQ_FIRST:
            raise ValueError(f"seqs begin at {SEQ_FIRST}, not {from_seq}")
        self.folder = folder
        self._files = files
        self._verify_chain = verify_chain
        self._from_seq = from_seq
        self._closed = False
        self._watermark: WatermarkFile | None = None
        self._durable_seq = 0
        self._segments = list_segments(folder, files)
        self._source, header = self._find_start(from_seq)
        self._uid = header.uid if header is not None else None
        self._offset = 0
        self._next_seq = header.first_seq if header is not None else SEQ_FIRST
        self._chain = header.hash_before if header is not None else GENESIS_HASH
        if self._next_seq == SEQ_FIRST and self._chain != GENESIS_HASH:
            raise ChainBroken("the first block does not begin the chain", path=self._source.path)
        self._skip_blocks()

    @property
    def closed(self) -> bool:
        """The final block has been read: nothing more will come."""
        return self._closed

    @property
    def position(self) -> Position:
        """The end of the last block that was read."""
        return Position(self._next_seq - 1, self._chain)

    @property
    def session_uid(self) -> str | None:
        """12 hex digits; None while the session holds no block."""
        return self._uid.hex() if self._uid is not None else None

    def end_seq(self) -> int:
        """The last seq acknowledged by now, 0 where the folder does not say: a recorded session may
        have lost its watermark."""
        try:
            return read_watermark(self.folder, self._files).seq
        except (WatermarkDamaged, ReadFailed):
            return 0

    def __iter__(self) -> Iterator[Entry]:
        """Entries up to the acknowledged end, then stop."""
        for block in self.iter_blocks():
            yield from block

    def iter_blocks(self) -> Iterator[list[Entry]]:
        """The same entries, a non-empty list for each block."""
        while True:
            block = self._next_block()
            if block is None:
                return
            yield block

    def follow(self, *, poll_s: float = 0.01, stop: Callable[[], bool]) -> Iterator[Entry | None]:
        """Entries as they become durable, from another process too; None after each idle poll.

        Ends when the session is closed, or at an idle moment when ``stop()`` is true.
        """
        for block in self.follow_blocks(poll_s=poll_s, stop=stop):
            if block is None:
                yield None
            else:
                yield from block

    def follow_blocks(
        self, *, poll_s: float = 0.01, stop: Callable[[], bool]
    ) -> Iterator[list[Entry] | None]:
        """As ``follow``, a non-empty list for each block."""
        while True:
            block = self._next_block()
            if block is not None:
                yield block
            elif self._closed or stop():
                return
            else:
                yield None
                time.sleep(poll_s)

    def close(self) -> None:
        """Close the descriptors."""
        self._source.close()
        if self._watermark is not None:
            self._watermark.close()
            self._watermark = None

    def __enter__(self) -> JournalReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- where to begin ------------------------------------------------------------------------

    def _find_start(self, from_seq: int) -> tuple[SegmentSource, BlockHeader | None]:
        """The last segment that begins at or before ``from_seq``, and its first header."""
        chosen: tuple[SegmentSource, BlockHeader | None] | None = None
        for segment in self._segments:
            source = self._open(segment)
            header = first_header(source)
            if chosen is not None and (header is None or header.first_seq > from_seq):
                source.close()
                return chosen
            if chosen is not None:
                chosen[0].close()
            chosen = (source, header)
        assert chosen is not None
        return chosen

    def _skip_blocks(self) -> None:
        """Move past the blocks that end before ``from_seq`` by their headers."""
        while True:
            try:
                header = self._source.header_at(self._offset, self._uid)
            except (BlockTorn, BlockForeign, BlockTooNew):
                return
            if header is None or header.count == 0 or header.last_seq >= self._from_seq:
                return
            check_link(header, self._source, self._next_seq, self._chain)
            self._pass(header)

    # -- one block -----------------------------------------------------------------------------

    def _next_block(self) -> list[Entry] | None:
        """The next block's entries from ``from_seq`` on, or None when there is none now."""
        while not self._closed:
            limit = self._limit()
            header = self._next_header(limit)
            if header is None:
                if not self._next_segment(limit):
                    return None
                continue
            check_link(header, self._source, self._next_seq, self._chain)
            if header.count == 0:
                self._pass(header)
                self._closed = header.is_final
                continue
            if header.last_seq > limit:
                self._source.refresh()
                return None
            entries = self._entries(header)
            self._pass(header)
            if entries and entries[0].seq < self._from_seq:
                entries = [entry for entry in entries if entry.seq >= self._from_seq]
            if entries:
                return entries
        return None

    def _limit(self) -> int:
        """The last seq that may be read now. Asked before the bytes, never after."""
        if self._source.sealed:
            return _UNLIMITED
        if self._watermark is None:
            self._watermark = WatermarkFile.open(self.folder, self._files)
        if self._next_seq > self._durable_seq:
            # What was read ahead of the old watermark may have been cut off since: a full disk.
            self._source.refresh()
            self._durable_seq = max(self._durable_seq, self._watermark.read().seq)
        return self._durable_seq

    def _next_header(self, limit: int) -> BlockHeader | None:
        """The header at the reader's place; None where nothing readable stands yet."""
        try:
            header = self._source.header_at(self._offset, self._uid)
            if header is None:
                self._source.refresh()
                header = self._source.header_at(self._offset, self._uid)
        except BlockTorn as error:
            self._source.refresh()
            if self._next_seq > limit:
                return None
            return self._header_again(error)
        except (BlockForeign, BlockTooNew) as error:
            raise refuse(error, self._source.path, self._offset, self._next_seq) from error
        if header is not None and self._uid is None:
            self._uid = header.uid
        return header

    def _header_again(self, error: BlockTorn) -> BlockHeader | None:
        """The read-ahead may be older than the watermark: look once more before refusing."""
        try:
            return self._source.header_at(self._offset, self._uid)
        except (BlockTorn, BlockForeign, BlockTooNew):
            raise refuse(error, self._source.path, self._offset, self._next_seq) from error

    def _entries(self, header: BlockHeader) -> list[Entry]:
        path, offset, seq = self._source.path, header.offset, header.first_seq
        try:
            try:
                entries = self._source.entries(header)
            except BlockTorn:
                self._source.refresh()
                entries = self._source.entries(header)
        except (BlockTorn, BlockForeign) as error:
            raise refuse(error, path, offset, seq) from error
        if self._verify_chain and chain_over(header.hash_before, entries) != header.hash_after:
            raise ChainBroken(
                "the entries do not give the hash that the header holds",
                path=path,
                offset=offset,
                seq=seq,
            )
        return entries

    def _pass(self, header: BlockHeader) -> None:
        self._offset = header.end_offset
        self._next_seq = header.last_seq + 1
        self._chain = header.hash_after

    # -- from segment to segment ---------------------------------------------------------------

    def _next_segment(self, limit: int) -> bool:
        """Move to the next segment if this one is read to its end and there is one."""
        number = self._source.number + 1
        if number > len(self._segments):
            self._segments = list_segments(self.folder, self._files)
        size = self._source.size()
        if number > len(self._segments):
            if self._source.sealed or (self._next_seq <= limit and self._offset == size):
                raise SegmentGap(
                    "the journal ends before its acknowledged end",
                    path=self._source.path,
                    offset=self._offset,
                    seq=self._next_seq,
                )
            return False
        if self._offset != size:
            # The next segment is made only after this one is whole: what is here now is all.
            self._source.refresh()
            return self._must_have_block()
        source = self._open(self._segments[number - 1])
        self._source.close()
        self._source, self._offset = source, 0
        return True

    def _must_have_block(self) -> bool:
        try:
            self._source.header_at(self._offset, self._uid)
        except (BlockTorn, BlockForeign, BlockTooNew) as error:
            raise refuse(error, self._source.path, self._offset, self._next_seq) from error
        return True

    def _open(self, segment: SegmentFiles) -> SegmentSource:
        """Open a segment; sealing may replace its file between the listing and the opening."""
        try:
            return SegmentSource(segment.path, segment.number, self._files)
        except FileNotFoundError:
            self._segments = list_segments(self.folder, self._files)
        segment = self._segments[segment.number - 1]
        try:
            return SegmentSource(segment.path, segment.number, self._files)
        except FileNotFoundError as error:
            raise SegmentGap("a segment went away", path=segment.path) from error


def read_entries(folder: Path, from_seq: int = SEQ_FIRST) -> Iterator[Entry]:
    """Every entry of a session from ``from_seq`` to its acknowledged end."""
    with JournalReader(folder, from_seq=from_seq) as reader:
        yield from reader


def chain_at(folder: Path, seq: int, files: Files = OS_FILES) -> bytes | None:
    """The chain after entry ``seq`` (0: before the first), from the block that holds it; None where
    the acknowledged journal does not reach there.

    What stands behind ``seq`` in that block is not hashed: whoever reads on does. Raises the
    journal's errors. What a crash left beyond the watermark is ``recovery.chain_at``'s.
    """
    first = max(seq, SEQ_FIRST)
    with JournalReader(folder, from_seq=first, verify_chain=False, files=files) as reader:
        before = reader.position
    if before.seq == seq:
        return before.chain
    chain = before.chain
    with JournalReader(folder, from_seq=before.seq + 1, verify_chain=False, files=files) as reader:
        for entry in reader:
            chain = chain_next(chain, entry.data)
            if entry.seq == seq:
                return chain
    return None

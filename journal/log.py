"""The writing end without threads: envelopes in, blocks on the disk out.

Lives here: ``SessionLog``, which buffers entries, cuts blocks, rolls segments, syncs and moves
the watermark. May import: events.envelope, block, segment, watermark, reserve, files, errors.
Always holds: a segment is rolled by the entries alone (never by timing) unless the disk is full,
only after its sync; the watermark moves only after the sync of what it names; after a failed write
or sync nothing more is written, but for a full disk and a reserve.
Start reading at ``SessionLog.add_group``, then ``_move_to_reserve``.
"""

from __future__ import annotations

import errno
import io
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec

from events.envelope import EnvelopeBytes, SplitEnvelope
from journal.block import (
    CODEC_RAW,
    FLAG_FINAL,
    GROUP_END,
    HEADER_BYTES,
    WORD_BYTES,
    BlockHeader,
    chain_next,
    compress,
    pack_header,
    pack_word,
)
from journal.errors import JournalFull, SyncFailed, WriteFailed, write_failure
from journal.files import Files
from journal.reserve import Reserve
from journal.segment import LIVE_SUFFIX
from journal.watermark import Watermark, WatermarkFile

_LAST_BLOCKS_BYTES: Final = 4 * HEADER_BYTES
"""Kept of a reserve for the blocks that end a session: a mark or two and the final one."""


class WriterOptions(msgspec.Struct, frozen=True):
    """How a writer works. None of it changes what a reader reads, or a sealed byte, except
    ``segment_size_bytes`` (where a session is cut into files).

    sync: ``batch`` syncs every batch; ``at_close`` only when a segment or the session ends (a
    run that can be repeated), and its watermark then says written, not durable.
    linger_ms: how long a batch gathers unless somebody waits for it. idle_sync_ms: silence after
    which an empty block marks what is durable. codec: of live blocks. on_roll is called with the
    finished segment's path, and on_durable with the last seq that is on the disk after each sync;
    both on the writer's thread: they must return at once. reserve_size_bytes:
    space taken from the disk beforehand; when the disk is full what was taken is written there,
    and so are essential groups, as long as it lasts (0: a full disk ends the writer).
    """

    segment_size_bytes: int = 64 * 1024 * 1024
    block_size_bytes: int = 1024 * 1024
    batch_size_bytes: int = 4 * 1024 * 1024
    backlog_size_bytes: int = 64 * 1024 * 1024
    linger_ms: int = 2
    idle_sync_ms: int = 500
    sync: Literal["batch", "at_close"] = "batch"
    codec: Literal["raw", "zstd"] = "raw"
    on_roll: Callable[[Path], None] | None = None
    on_durable: Callable[[int], None] | None = None
    reserve_size_bytes: int = 0


class LogEnd(msgspec.Struct, frozen=True):
    """Where writing goes on: the live segment, its size and raw entry bytes, and the chain.
    ``group_open``: the last entry has no group mark, so no segment may end here."""

    segment: int = 0
    offset: int = 0
    segment_raw_bytes: int = 0
    head_seq: int = 0
    head_hash: bytes = bytes(32)
    mark_count: int = 0
    group_open: bool = False


class OpenGroup(tuple[EnvelopeBytes, ...]):
    """Envelopes that begin a group whose rest is not known: recovery finds it as if the engine had
    died here. What is taken next must be that rest."""

    __slots__ = ()


class SessionLog:
    """The open end of one session. Not thread-safe; one owner."""

    def __init__(
        self,
        folder: Path,
        uid: bytes,
        watermark: WatermarkFile,
        options: WriterOptions,
        files: Files,
        end: LogEnd = LogEnd(),  # noqa: B008 (frozen)
    ) -> None:
        self.folder = folder
        self.uid = uid
        self.head_seq = end.head_seq
        self.head_hash = end.head_hash
        self.durable_seq = end.head_seq
        self.durable_hash = end.head_hash
        self._watermark = watermark
        self._options = options
        self._files = files
        self._segment = end.segment
        self._offset = end.offset
        self._segment_raw = end.segment_raw_bytes
        self._mark_count = end.mark_count
        self._group_open = end.group_open
        self._handle = -1
        self._block = io.BytesIO()
        self._block_bytes = 0
        self._block_count = 0
        self._start_block()
        self._block_seq = end.head_seq
        self._block_hash = end.head_hash
        self._path = self._segment_path(end.segment)
        self.in_reserve = False
        self._unsynced: list[Sequence[EnvelopeBytes]] = []
        self._durable_offset = end.offset
        self._durable_open = end.group_open
        size = options.reserve_size_bytes
        if size and options.sync != "batch":
            raise ValueError("a reserve needs a sync a batch: readers may be ahead of the disk")
        self._reserve = Reserve.prepare(folder, size, files) if size else None
        if end.segment == 0:
            self._open_next()
        else:
            self._open_again()

    def _segment_path(self, number: int) -> Path:
        return self.folder / f"{number:06d}{LIVE_SUFFIX}"

    def add_group(self, group: Sequence[EnvelopeBytes]) -> None:
        """Take one whole group: buffered, hashed, written in blocks, not yet synced."""
        full = self._segment_raw >= self._options.segment_size_bytes
        try:
            if full and not (self._group_open or self.in_reserve):
                self._roll()
            self._take_group(group)
        except JournalFull:
            if not self._can_move:
                raise
            self._move_to_reserve()
            self._take_group(group)
        if self._reserve is not None:
            self._unsynced.append(group)

    def _take_group(self, group: Sequence[EnvelopeBytes]) -> None:
        self._group_open = type(group) is OpenGroup
        limit = self._options.block_size_bytes
        put = self._block.write
        chain = self.head_hash
        last = -1 if self._group_open else len(group) - 1
        for index, data in enumerate(group):
            size = len(data)
            if self._block_count and self._block_bytes + size + WORD_BYTES > limit:
                self._write_block(chain)
            put(pack_word(size | GROUP_END if index == last else size))
            if isinstance(data, SplitEnvelope):
                put(data.head)
                put(data.body)
            else:
                put(data)
            self._block_count += 1
            self._block_bytes += size + WORD_BYTES
            self._segment_raw += size + WORD_BYTES
            self.head_seq += 1
            chain = chain_next(chain, data)
        self.head_hash = chain

    def flush(self) -> None:
        """Write what is buffered."""
        self._or_in_reserve(self._flush)

    def _flush(self) -> None:
        if self._block_count:
            self._write_block(self.head_hash)

    def sync(self) -> None:
        """Write and sync everything taken so far, then say so in the watermark."""
        self.flush()
        self._sync_segment()
        self._publish(closed=False)

    def publish_written(self) -> None:
        """Let readers see what is written but not synced (the ``at_close`` policy)."""
        self.flush()
        self._publish(closed=False)

    def mark(self) -> None:
        """Write and sync an empty block: its header says what is durable."""
        self.flush()
        self._or_in_reserve(lambda: self._write_empty(0))
        self._sync_segment()
        self._sync_watermark()

    def pause(self) -> None:
        """Write, sync and mark what was taken; the session can be resumed. Nothing follows."""
        self.sync()
        self._or_in_reserve(lambda: self._write_empty(0))
        self._trim(self._offset)
        self._sync_segment()
        self._sync_watermark()
        self._discard_reserve()

    def finish(self) -> None:
        """Write and sync the final block: nothing can follow it. Both slots of the watermark then
        say the same, so that a later change of any of its bytes shows."""
        self.sync()
        self._or_in_reserve(self._write_final)
        self._sync_segment()
        self._publish(closed=True)
        self._publish(closed=True)
        self._sync_watermark()
        self._discard_reserve()

    def close(self) -> None:
        """Close the descriptors. Writes nothing."""
        if self._handle >= 0:
            self._files.close(self._handle)
            self._handle = -1
        self._watermark.close()

    # -- a full disk ---------------------------------------------------------------------------

    def _or_in_reserve(self, write: Callable[[], None]) -> None:
        """Do a write; if the disk is full, move what is not durable to the reserve and do it
        there. Raises ``JournalFull`` when there is no reserve, or no more of it."""
        try:
            write()
        except JournalFull:
            if not self._can_move:
                raise
            self._move_to_reserve()
            write()

    @property
    def _can_move(self) -> bool:
        """There is an unused reserve, and the durable end is a group's: a segment may end there."""
        return self._reserve is not None and not (self.in_reserve or self._durable_open)

    def _move_to_reserve(self) -> None:
        """Cut the segment back to its durable end, make the reserve the next segment, and write
        what is not durable there."""
        assert self._reserve is not None
        try:
            if self._handle >= 0:
                self._files.truncate(self._handle, self._durable_offset)
                self._files.sync(self._handle)
                self._files.close(self._handle)
                self._handle = -1
                self._segment += 1
            self._path = self._segment_path(self._segment)
            self._reserve.become(self._path)
            self._handle = self._files.open(self._path, "edit")
        except OSError as error:
            raise self._failure("moving to the reserve", error) from error
        self.in_reserve = True
        self.head_seq, self.head_hash = self.durable_seq, self.durable_hash
        self._block_seq, self._block_hash = self.durable_seq, self.durable_hash
        self._block = io.BytesIO()  # the failed write may still look at the old one
        self._start_block()
        self._offset = self._durable_offset = self._segment_raw = 0
        for group in self._unsynced:
            self._take_group(group)

    def _trim(self, size: int) -> None:
        """Give back what the reserve holds beyond ``size`` bytes: nothing more will follow."""
        if self.in_reserve:
            try:
                self._files.truncate(self._handle, size)
            except OSError as error:
                raise self._failure("cutting the reserve", error) from error

    def _discard_reserve(self) -> None:
        if self._reserve is not None and not self.in_reserve:
            self._reserve.discard()

    # -- segments and blocks -------------------------------------------------------------------

    def _roll(self) -> None:
        self._flush()
        self._sync_segment()
        self._publish(closed=False)
        self._files.close(self._handle)
        self._handle = -1
        finished = self._path
        self._open_next()
        if self._options.on_roll is not None:
            self._options.on_roll(finished)

    def _open_next(self) -> None:
        self._segment += 1
        self._offset = self._durable_offset = 0
        self._segment_raw = 0
        self._path = self._segment_path(self._segment)
        try:
            self._handle = self._files.open(self._path, "create")
            self._files.sync_dir(self.folder)
        except OSError as error:
            raise self._failure("making the segment", error) from error

    def _open_again(self) -> None:
        try:
            self._handle = self._files.open(self._path, "edit")
        except OSError as error:
            raise self._failure("opening the segment again", error) from error

    def _start_block(self) -> None:
        """An open block without an entry. All blocks are made in one buffer, the header's place
        first: memory that is new for each costs more than filling it (a page fault each 4 KiB)."""
        self._block.seek(HEADER_BYTES)
        self._block_bytes = self._block_count = 0

    def _write_block(self, chain: bytes) -> None:
        """Write the buffered entries as one block; ``chain`` is the hash after the last."""
        with self._block.getbuffer() as block:
            codec, raw = CODEC_RAW, block[HEADER_BYTES : HEADER_BYTES + self._block_bytes]
            stored: bytes | memoryview = raw
            if self._options.codec == "zstd":
                codec, stored = compress(raw)
            header = BlockHeader(
                uid=self.uid,
                segment=self._segment,
                offset=self._offset,
                first_seq=self._block_seq + 1,
                count=self._block_count,
                durable_through=self.durable_seq,
                hash_before=self._block_hash,
                hash_after=chain,
                raw_bytes=len(raw),
                stored_bytes=len(stored),
                payload_crc=zlib.crc32(stored),
                codec=codec,
            )
            size = HEADER_BYTES + len(stored)
            block[:HEADER_BYTES] = pack_header(header)
            if codec != CODEC_RAW:
                block[HEADER_BYTES:size] = stored
            self._write(block[:size])
        self._block_seq = header.last_seq
        self._block_hash = chain
        self._start_block()

    def _write_empty(self, flags: int) -> None:
        header = BlockHeader(
            uid=self.uid,
            segment=self._segment,
            offset=self._offset,
            first_seq=self.head_seq + 1,
            count=0,
            durable_through=self.durable_seq,
            hash_before=self.head_hash,
            hash_after=self.head_hash,
            flags=flags,
        )
        self._write(pack_header(header))

    def _write_final(self) -> None:
        if self.in_reserve:
            # Surely cut before the block is there: behind a final block nothing may stand.
            self._trim(self._offset + HEADER_BYTES)
            self._sync_segment()
        self._write_empty(FLAG_FINAL)

    def _write(self, data: bytes | memoryview) -> None:
        if self.in_reserve and self._reserve is not None:
            last = len(data) == HEADER_BYTES
            room = self._reserve.size_bytes - (0 if last else _LAST_BLOCKS_BYTES)
            if self._offset + len(data) > room:
                raise self._failure("the reserve is used up", OSError(errno.ENOSPC, "free space"))
        try:
            self._files.write(self._handle, self._offset, data)
        except OSError as error:
            raise self._failure(f"writing {len(data)} bytes", error) from error
        self._offset += len(data)

    def _sync_segment(self) -> None:
        try:
            self._files.sync(self._handle)
        except OSError as error:
            raise self._sync_failure("the sync", error) from error
        self.durable_seq = self.head_seq
        self.durable_hash = self.head_hash
        self._durable_offset = self._offset
        self._durable_open = self._group_open
        self._unsynced.clear()

    def _sync_watermark(self) -> None:
        try:
            self._watermark.sync()
        except OSError as error:
            raise self._sync_failure("the watermark's sync", error) from error

    def _publish(self, *, closed: bool) -> None:
        self._mark_count += 1
        mark = Watermark(self.uid, self._mark_count, self.head_seq, self.head_hash, closed)
        try:
            self._watermark.write(mark)
        except OSError as error:
            raise self._failure("writing the watermark", error) from error

    def _sync_failure(self, what: str, error: OSError) -> SyncFailed:
        return SyncFailed(
            f"{what} failed ({error.strerror}); what is on the disk is unknown",
            path=self._path,
            offset=self._offset,
            seq=self.head_seq,
        )

    def _failure(self, doing: str, error: OSError) -> WriteFailed:
        return write_failure(doing, error, self._path, offset=self._offset, seq=self.head_seq)

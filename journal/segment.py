"""Segments: the numbered files a session is made of, read block by block.

Lives here: names and the listing of a folder, ``SegmentSource`` (one open segment, read only),
the search for blocks behind damage. May import: block, files, errors. Always holds: a block that
is returned stands where it says it stands, in the session, segment and kind of file it says.
Start reading at ``list_segments``, then ``SegmentSource.block_at``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from journal.block import (
    FLAG_SEALED,
    HEADER_BYTES,
    MAGIC,
    BlockForeign,
    BlockHeader,
    BlockTooNew,
    BlockTorn,
    Entry,
    check_stored,
    expand,
    parse_header,
    read_entries,
)
from journal.errors import (
    ChainBroken,
    JournalCorrupt,
    JournalMissing,
    ReadFailed,
    SegmentGap,
    VersionTooNew,
)
from journal.files import OS_FILES, Files

LIVE_SUFFIX: Final = ".axj"
SEALED_SUFFIX: Final = ".axs"
PARTIAL_SUFFIX: Final = ".axs.tmp"
_NAME: Final = re.compile(r"([0-9]{6})\.(axj|axs)")
_READ_AHEAD_BYTES: Final = 256 * 1024
_SCAN_BYTES: Final = 1024 * 1024


class SegmentFiles(msgspec.Struct, frozen=True):
    """One segment number and the files that hold it: live, sealed, or for a moment both."""

    folder: Path
    number: int
    live: bool
    sealed: bool

    @property
    def live_path(self) -> Path:
        return self.folder / f"{self.number:06d}{LIVE_SUFFIX}"

    @property
    def sealed_path(self) -> Path:
        return self.folder / f"{self.number:06d}{SEALED_SUFFIX}"

    @property
    def partial_path(self) -> Path:
        """Where a sealed segment is made before it is verified and gets its name."""
        return self.folder / f"{self.number:06d}{PARTIAL_SUFFIX}"

    @property
    def path(self) -> Path:
        """The file to read: the sealed one wins, it was verified before it got its name."""
        return self.sealed_path if self.sealed else self.live_path


def list_segments(folder: Path, files: Files = OS_FILES) -> tuple[SegmentFiles, ...]:
    """The segments of a folder, from 1 on. Raises ``JournalMissing``, ``SegmentGap``."""
    try:
        names = files.names(folder)
    except OSError as error:
        raise JournalMissing(f"no journal here: {error.strerror}", path=folder) from error
    kinds: dict[int, list[str]] = {}
    for name in names:
        match = _NAME.fullmatch(name)
        if match:
            kinds.setdefault(int(match[1]), []).append(match[2])
    if not kinds:
        raise JournalMissing("the folder holds no segment", path=folder)
    for expected, number in enumerate(sorted(kinds), start=1):
        if number != expected:
            raise SegmentGap(f"segment {expected:06d} is missing", path=folder)
    return tuple(
        SegmentFiles(folder, number, "axj" in kinds[number], "axs" in kinds[number])
        for number in sorted(kinds)
    )


class SegmentSource:
    """An open segment. Offsets are bytes from its start; reads go through one read-ahead buffer."""

    def __init__(self, path: Path, number: int, files: Files = OS_FILES) -> None:
        self.path = path
        self.number = number
        self.sealed = path.name.endswith((SEALED_SUFFIX, PARTIAL_SUFFIX))
        self._files = files
        self._buffer = b""
        self._buffer_at = 0
        try:
            self._handle = files.open(path, "read")
        except FileNotFoundError:
            raise
        except OSError as error:
            raise ReadFailed(f"does not open: {error.strerror}", path=path) from error

    def close(self) -> None:
        self._files.close(self._handle)

    def size(self) -> int:
        return self._files.size(self._handle)

    def refresh(self) -> None:
        """Forget what was read ahead: the file may have grown."""
        self._buffer = b""

    def read(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes; fewer only at the end. Raises ``ReadFailed``."""
        start = offset - self._buffer_at
        if start < 0 or start + length > len(self._buffer):
            try:
                self._buffer = self._files.read(
                    self._handle, offset, max(length, _READ_AHEAD_BYTES)
                )
            except OSError as error:
                raise ReadFailed(
                    f"reading {length} bytes: {error.strerror}", path=self.path, offset=offset
                ) from error
            self._buffer_at = offset
            start = 0
        return self._buffer[start : start + length]

    def header_at(self, offset: int, uid: bytes | None = None) -> BlockHeader | None:
        """The header at ``offset``, or None at the end of the file.

        Raises ``BlockTorn``, ``BlockForeign`` (misplaced, or not of session ``uid``),
        ``BlockTooNew``.
        """
        data = self.read(offset, HEADER_BYTES)
        if not data:
            return None
        header = parse_header(data)
        if header.offset != offset:
            raise BlockForeign(f"a block that belongs at offset {header.offset}")
        if header.segment != self.number:
            raise BlockForeign(f"a block of segment {header.segment:06d}")
        if uid is not None and header.uid != uid:
            raise BlockForeign(f"a block of session {header.uid.hex()}, not {uid.hex()}")
        if bool(header.flags & FLAG_SEALED) != self.sealed:
            raise BlockForeign("a live block in a sealed segment, or the reverse")
        return header

    def stored(self, header: BlockHeader) -> bytes:
        """The stored payload of a block, its CRC checked. Raises ``BlockTorn``."""
        return check_stored(header, self.read(header.offset + HEADER_BYTES, header.stored_bytes))

    def entries(self, header: BlockHeader) -> list[Entry]:
        """The entries of a block. Raises ``BlockTorn``, ``BlockForeign``."""
        return read_entries(expand(header, self.stored(header)), header)

    def blocks_behind(self, offset: int, uid: bytes) -> Iterator[BlockHeader]:
        """Every header of this session found after ``offset``, looked for byte by byte.

        Only a header with its CRC, its own offset and the session's uid counts, so bytes inside a
        broker's frame that look like a block do not.
        """
        at = offset
        while True:
            data = self.read(at, _SCAN_BYTES)
            found = data.find(MAGIC)
            while found >= 0:
                try:
                    header = self.header_at(at + found, uid)
                except (BlockTorn, BlockForeign, BlockTooNew):
                    header = None
                if header is not None:
                    yield header
                found = data.find(MAGIC, found + 1)
            if len(data) < _SCAN_BYTES:
                return
            at += _SCAN_BYTES - len(MAGIC) + 1


def refuse(
    error: BlockTorn | BlockForeign | BlockTooNew, path: Path, offset: int, seq: int
) -> JournalCorrupt | VersionTooNew:
    """The named refusal for a block that should be whole."""
    if isinstance(error, BlockTooNew):
        return VersionTooNew(str(error), path=path, offset=offset, seq=seq)
    return JournalCorrupt(str(error), path=path, offset=offset, seq=seq)


def check_link(header: BlockHeader, source: SegmentSource, next_seq: int, chain: bytes) -> None:
    """Refuse a whole block that does not continue the journal at ``next_seq`` and ``chain``."""
    if header.first_seq != next_seq:
        raise ChainBroken(
            f"a block begins at seq {header.first_seq}",
            path=source.path,
            offset=header.offset,
            seq=next_seq,
        )
    if header.hash_before != chain:
        raise ChainBroken(
            "a block does not continue the chain",
            path=source.path,
            offset=header.offset,
            seq=next_seq,
        )


def first_header(source: SegmentSource, uid: bytes | None = None) -> BlockHeader | None:
    """The first header of a segment; None when it has none yet (a live one, just made)."""
    try:
        return source.header_at(0, uid)
    except BlockTorn as error:
        if source.sealed:
            raise refuse(error, source.path, 0, 0) from error
        return None
    except (BlockForeign, BlockTooNew) as error:
        raise refuse(error, source.path, 0, 0) from error

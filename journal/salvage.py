"""What can still be read of a session, whatever has happened to it.

Lives here: ``Salvage``. May import: segment, block, files, errors. Always holds: nothing is
changed; every entry given is whole and continues the chain from the first; at what is not so it
ends, and says why. It asks no watermark: that may be what was lost. A session that recovery opens
is read with ``reader``.
Start reading at ``Salvage``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from events.envelope import GENESIS_HASH
from journal.block import BlockForeign, BlockTooNew, BlockTorn, Entry, chain_next, chain_over
from journal.errors import JournalError
from journal.files import OS_FILES, Files
from journal.segment import SegmentFiles, SegmentSource, check_link


class Salvage:
    """The readable entries of a session, once. ``seq`` and ``chain`` are the end reached so far;
    ``stopped`` is what stands behind it, empty where nothing does."""

    def __init__(self, folder: Path, *, files: Files = OS_FILES) -> None:
        self.folder = folder
        self.seq = 0
        self.chain = GENESIS_HASH
        self.stopped = ""
        self._files = files

    def __iter__(self) -> Iterator[Entry]:
        try:
            for number in range(1, 1_000_000):
                segment = self._segment(number)
                if segment is None:
                    return
                yield from self._entries(segment)
        except (BlockTorn, BlockForeign, BlockTooNew, JournalError, OSError) as error:
            self.stopped = str(error)

    def _segment(self, number: int) -> SegmentFiles | None:
        names = self._files.names(self.folder)
        both = SegmentFiles(self.folder, number, live=True, sealed=True)
        live, sealed = both.live_path.name in names, both.sealed_path.name in names
        return SegmentFiles(self.folder, number, live, sealed) if live or sealed else None

    def _entries(self, segment: SegmentFiles) -> Iterator[Entry]:
        source = SegmentSource(segment.path, segment.number, self._files)
        try:
            offset = 0
            while (header := source.header_at(offset)) is not None:
                check_link(header, source, self.seq + 1, self.chain)
                entries = source.entries(header)
                if chain_over(self.chain, entries) != header.hash_after:
                    raise BlockForeign("the entries do not give the hash that the header holds")
                for entry in entries:
                    self.seq, self.chain = entry.seq, chain_next(self.chain, entry.data)
                    yield entry
                offset = header.end_offset
        finally:
            source.close()

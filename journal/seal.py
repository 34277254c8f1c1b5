"""Sealing: a finished segment becomes a smaller file that is never written again.

Lives here: ``seal_session``, the child process that runs it (``python -P -m journal.seal
FOLDER``), ``spawn_seal``, ``sealing``. May import: segment, recovery, block, lock, files, errors,
log's options. Always holds: the sealed bytes depend on the entries alone (and the zstd version),
not on how they were batched; the live file goes only after the sealed one was written, synced, read
back and renamed; dying at any step leaves a folder that reads the same.
Start reading at ``seal_session``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from journal.block import (
    FLAG_FINAL,
    FLAG_SEALED,
    GROUP_END,
    WORD_BYTES,
    BlockHeader,
    chain_next,
    compress,
    pack_header,
    pack_word,
)
from journal.errors import (
    ChainBroken,
    JournalError,
    JournalMissing,
    WriteFailed,
    write_failure,
)
from journal.files import OS_FILES, Files
from journal.lock import FileLock
from journal.log import WriterOptions
from journal.recovery import Damage, SegmentScan, scan_segment
from journal.segment import SegmentFiles, SegmentSource, first_header, list_segments

LOCK_NAME: Final = "seal.lock"
SEALED_BLOCK_BYTES: Final = 8 * 1024 * 1024
"""Raw bytes of a sealed block, unless its only entry is larger. Part of the format: it decides
where sealed blocks are cut."""
SEALED_LEVEL: Final = 5
"""Zstd level of a sealed block. Measured on 190 MB of frames: level 3 gives 34.7 bytes a tick in
0.7 CPU s, 5 gives 33.0 in 1.3, 7 gives 31.9 in 2.7, 9 gives 29.9 in 3.9; long-distance matching and
blocks of 16 MiB give under 2 % more. Its window is at most a block, 8 MiB, at any level."""


def seal_session(folder: Path, *, files: Files = OS_FILES) -> tuple[Path, ...]:
    """Seal every finished segment: all but the last, and the last if the session is closed.

    Returns the sealed files made. Safe beside a running writer and beside readers; waits for
    another sealer. Raises ``JournalMissing``, ``JournalCorrupt`` and its kinds (the live file is
    left as it is), ``WriteFailed``.
    """
    list_segments(folder, files)
    with FileLock.take(folder / LOCK_NAME, wait=True, files=files):
        segments = list_segments(folder, files)
        made = []
        for segment in segments:
            if segment.live and (segment is not segments[-1] or _is_final(segment, files)):
                try:
                    if seal_segment(segment, files):
                        made.append(segment.sealed_path)
                except OSError as error:
                    raise write_failure("sealing", error, segment.live_path) from error
        return tuple(made)


def spawn_seal(folder: Path) -> subprocess.Popen[bytes]:
    """Seal in another process, so that the caller's thread loses no time. Reap it with wait()."""
    root = str(Path(__file__).resolve().parents[1])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(
        (sys.executable, "-P", "-m", "journal.seal", str(folder)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
    )


SWITCH_INTERVAL_S: Final = 0.0005
"""With the interpreter's default a busy thread delays the writer's durability by 12 ms
(measured)."""


@contextmanager
def sealing(options: WriterOptions) -> Iterator[WriterOptions]:
    """For as long as a session is written: options under which another process seals each segment
    that is rolled, unless they say what happens then; and a switch interval that lets the writer's
    thread in at once."""
    sealers: list[subprocess.Popen[bytes]] = []
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        seal = options.on_roll or (lambda path: sealers.append(spawn_seal(path.parent)))
        yield replace(options, on_roll=seal)
    finally:
        sys.setswitchinterval(before)
        for sealer in sealers:
            sealer.wait()


def _is_final(segment: SegmentFiles, files: Files) -> bool:
    return _scan(segment.path, segment, files, full=False).final


def _scan(path: Path, segment: SegmentFiles, files: Files, *, full: bool) -> SegmentScan:
    """Walk a segment from what its own first block says came before it."""
    source = SegmentSource(path, segment.number, files)
    try:
        first = first_header(source)
        if first is None:
            return scan_segment(source, bytes(6), 0, bytes(32), None, full=full)
        return scan_segment(
            source, first.uid, first.first_seq - 1, first.hash_before, None, full=full
        )
    finally:
        source.close()


def seal_segment(
    segment: SegmentFiles,
    files: Files,
    write: Callable[[SegmentFiles, Files], None] | None = None,
) -> bool:
    """Seal one finished segment; True when a file was made, False when it was there already.

    ``write`` makes the file at ``partial_path`` (a copy of one that was sealed elsewhere, for a
    backup); it must end as the live one does. Raises ``ChainBroken``.
    """
    live = _whole(segment.live_path, segment, files, full=False)
    if not segment.sealed:
        (write or _write_sealed)(segment, files)
        _must_agree(live, _whole(segment.partial_path, segment, files), segment)
        files.rename(segment.partial_path, segment.sealed_path)
        files.sync_dir(segment.folder)
    else:
        _must_agree(live, _whole(segment.sealed_path, segment, files), segment)
    files.unlink(segment.live_path)
    files.sync_dir(segment.folder)
    return not segment.sealed


def _whole(path: Path, segment: SegmentFiles, files: Files, *, full: bool = True) -> SegmentScan:
    """Where a segment ends, by its entries or (the live one, which is read once more when the
    sealed one is made from it) by its headers and payload CRCs. Raises when it is not whole."""
    scan = _scan(path, segment, files, full=full)
    if scan.damage is not Damage.NONE:
        raise ChainBroken(
            f"cannot be sealed: {scan.reason}",
            path=path,
            offset=scan.end_offset,
            seq=scan.end_seq + 1,
        )
    return scan


def _must_agree(live: SegmentScan, sealed: SegmentScan, segment: SegmentFiles) -> None:
    same = (live.end_seq, live.end_hash, live.raw_bytes, live.final) == (
        sealed.end_seq,
        sealed.end_hash,
        sealed.raw_bytes,
        sealed.final,
    )
    if not same:
        raise ChainBroken(
            "the sealed and the live segment end differently; both are left as they are",
            path=segment.sealed_path,
            seq=live.end_seq,
        )


def _write_sealed(segment: SegmentFiles, files: Files) -> None:
    path = segment.partial_path
    if path.name in files.names(segment.folder):
        files.unlink(path)
    handle = files.open(path, "create")
    try:
        offset = 0
        for block in _sealed_blocks(segment, files):
            files.write(handle, offset, block)
            offset += len(block)
        files.sync(handle)
    finally:
        files.close(handle)


def _sealed_blocks(segment: SegmentFiles, files: Files) -> Iterator[bytes]:
    """The sealed segment's blocks: as many entries in each as fit, then the final block if any."""
    source = SegmentSource(segment.live_path, segment.number, files)
    builder: _Builder | None = None
    try:
        offset, final = 0, False
        while (header := source.header_at(offset)) is not None:
            builder = builder or _Builder(header)
            for entry in source.entries(header) if header.count else ():
                if builder.is_full(len(entry.data)):
                    yield builder.cut()
                builder.add(entry.data, entry.group_end)
            offset, final = header.end_offset, header.is_final
        if builder is not None and builder.count:
            yield builder.cut()
        if builder is not None and final:
            yield builder.cut(FLAG_FINAL)
    finally:
        source.close()


class _Builder:
    """Gathers the entries of the next sealed block."""

    def __init__(self, first: BlockHeader) -> None:
        self._uid = first.uid
        self._segment = first.segment
        self._offset = 0
        self._seq = first.first_seq
        self._before = self._chain = first.hash_before
        self._parts: list[bytes] = []
        self._raw_bytes = 0
        self.count = 0

    def is_full(self, length: int) -> bool:
        return self.count > 0 and self._raw_bytes + WORD_BYTES + length > SEALED_BLOCK_BYTES

    def add(self, data: bytes, group_end: bool) -> None:
        self._parts += (pack_word(len(data) | (GROUP_END if group_end else 0)), data)
        self._raw_bytes += WORD_BYTES + len(data)
        self._chain = chain_next(self._chain, data)
        self.count += 1

    def cut(self, flags: int = 0) -> bytes:
        """The gathered entries as one block; begins the next."""
        raw = b"".join(self._parts)
        codec, stored = compress(raw, SEALED_LEVEL)
        header = BlockHeader(
            uid=self._uid,
            segment=self._segment,
            offset=self._offset,
            first_seq=self._seq,
            count=self.count,
            durable_through=self._seq + self.count - 1,
            hash_before=self._before,
            hash_after=self._chain,
            raw_bytes=len(raw),
            stored_bytes=len(stored),
            payload_crc=zlib.crc32(stored),
            codec=codec,
            flags=flags | FLAG_SEALED,
        )
        self._offset = header.end_offset
        self._seq += self.count
        self._before = self._chain
        self._parts, self._raw_bytes, self.count = [], 0, 0
        return pack_header(header) + stored


def main(arguments: list[str]) -> int:
    """Seal the folder named on the command line; 0 done, 1 refused, 2 cannot run."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -P -m journal.seal FOLDER\n")
        return 2
    try:
        for path in seal_session(Path(arguments[0])):
            sys.stdout.write(f"{path}\n")
    except (JournalMissing, WriteFailed, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except JournalError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

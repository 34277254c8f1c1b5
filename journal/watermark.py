"""How far the journal is acknowledged: a small file that readers and recovery trust.

Lives here: the watermark's two slots, its writer and its reader. May import: files, errors.
Always holds: slots are written in turn, each with a CRC and a rising count, so a write torn at
any byte leaves the other slot; the seq never goes back; it is written only after the sync of the
entries it names. Layout in FORMAT.md.
Start reading at ``Watermark``.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Final

import msgspec

from events.envelope import GENESIS_HASH
from journal.errors import ReadFailed, WatermarkDamaged
from journal.files import OS_FILES, Files

WATERMARK_NAME: Final = "watermark"
SLOT_MAGIC: Final = b"AXWM"
SLOT_BYTES: Final = 64
SLOT_OFFSETS: Final = (0, 4096)
"""In different pages and sectors: one torn write cannot reach both."""

_FLAG_CLOSED: Final = 1
_SLOT: Final = struct.Struct("<4sBB6sQQ32s")
_CRC: Final = struct.Struct("<I")
assert _SLOT.size + _CRC.size == SLOT_BYTES
_FILE_BYTES: Final = SLOT_OFFSETS[1] + SLOT_BYTES


class Watermark(msgspec.Struct, frozen=True, gc=False):
    """Every entry up to ``seq`` is durable and the chain there is ``chain`` (32 bytes).

    ``count`` numbers the writes of the file; ``closed`` says that the final block is durable too.
    """

    uid: bytes
    count: int = 0
    seq: int = 0
    chain: bytes = GENESIS_HASH
    closed: bool = False


def pack_slot(mark: Watermark) -> bytes:
    """The 64 bytes of a slot, its CRC last."""
    flags = _FLAG_CLOSED if mark.closed else 0
    body = _SLOT.pack(SLOT_MAGIC, 1, flags, mark.uid, mark.count, mark.seq, mark.chain)
    return body + _CRC.pack(zlib.crc32(body))


def parse_slot(data: bytes) -> Watermark | None:
    """A slot's content, or None when it is not whole."""
    if len(data) < SLOT_BYTES:
        return None
    body = data[: _SLOT.size]
    if zlib.crc32(body) != _CRC.unpack_from(data, _SLOT.size)[0]:
        return None
    magic, version, flags, uid, count, seq, chain = _SLOT.unpack(body)
    if magic != SLOT_MAGIC or version != 1 or flags & ~_FLAG_CLOSED:
        return None
    return Watermark(uid, count, seq, chain, bool(flags))


def parse_watermark(data: bytes) -> Watermark | None:
    """The newer of the whole slots, or None when neither is."""
    slots = (parse_slot(data[at : at + SLOT_BYTES]) for at in SLOT_OFFSETS)
    return max((slot for slot in slots if slot), key=lambda slot: slot.count, default=None)


class WatermarkFile:
    """An open watermark. Reading is one call to the disk; so is writing."""

    def __init__(self, path: Path, handle: int, files: Files) -> None:
        self.path = path
        self._handle = handle
        self._files = files

    @classmethod
    def create(cls, folder: Path, uid: bytes, files: Files = OS_FILES) -> WatermarkFile:
        """A new one at seq 0, synced, so that a later absence is a loss and not a beginning."""
        path = folder / WATERMARK_NAME
        self = cls(path, files.open(path, "create"), files)
        first = pack_slot(Watermark(uid))
        self._files.write(self._handle, SLOT_OFFSETS[1], first)
        self._files.write(self._handle, SLOT_OFFSETS[0], first)
        self.sync()
        return self

    @classmethod
    def open(
        cls, folder: Path, files: Files = OS_FILES, *, writable: bool = False
    ) -> WatermarkFile:
        """Raises ``WatermarkDamaged`` when there is none."""
        path = folder / WATERMARK_NAME
        try:
            return cls(path, files.open(path, "edit" if writable else "read"), files)
        except FileNotFoundError as error:
            raise WatermarkDamaged("there is no watermark beside the journal", path=path) from error
        except OSError as error:
            raise ReadFailed(f"the watermark does not open: {error.strerror}", path=path) from error

    def read(self) -> Watermark:
        """The acknowledged end. Raises ``WatermarkDamaged`` when neither slot is whole."""
        try:
            data = self._files.read(self._handle, 0, _FILE_BYTES)
        except OSError as error:
            raise ReadFailed(f"reading the watermark: {error.strerror}", path=self.path) from error
        mark = parse_watermark(data)
        if mark is None:
            raise WatermarkDamaged("neither slot of the watermark is whole", path=self.path)
        return mark

    def write(self, mark: Watermark) -> None:
        """Write the slot whose turn it is. Not synced: losing it only loses evidence."""
        self._files.write(self._handle, SLOT_OFFSETS[mark.count & 1], pack_slot(mark))

    def sync(self) -> None:
        self._files.sync(self._handle)

    def close(self) -> None:
        self._files.close(self._handle)


def read_watermark(folder: Path, files: Files = OS_FILES) -> Watermark:
    """The watermark of a session's folder. Raises ``WatermarkDamaged``, ``ReadFailed``."""
    file = WatermarkFile.open(folder, files)
    try:
        return file.read()
    finally:
        file.close()


def held_entries(folder: Path, files: Files = OS_FILES) -> bool:
    """Whether the watermark of a folder speaks of a journal. One that was never written, for a
    session that died while it was made, does not; one that is damaged does. Raises ``ReadFailed``.
    """
    try:
        return read_watermark(folder, files).seq > 0
    except WatermarkDamaged:
        if WATERMARK_NAME not in files.names(folder):
            return False
    handle = files.open(folder / WATERMARK_NAME, "read")
    try:
        return any(files.read(handle, 0, _FILE_BYTES))
    finally:
        files.close(handle)

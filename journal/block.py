# ruff: noqa: N818 (named for the condition)
"""One block of the journal, as bytes and back. No files here (sans-I/O).

Lives here: block header, entries, CRCs, group mark, compression, the chain over a batch. May
import: errors, events.envelope. Always holds: ``parse_header(pack_header(h)) == h``; lengths are
checked against limits before anything is allocated; a header that parses is internally
consistent. The layout is specified in FORMAT.md, and this module follows it.
Start reading at ``BlockHeader``.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterable
from typing import Final

import msgspec
import zstandard

from events.envelope import EnvelopeBytes, SplitEnvelope, chain_hash

MAGIC: Final = b"\x89AXJ\r\n\x1a\n"
"""First bytes of every block; the PNG trick (a text-mode copy changes them)."""

FORMAT_VERSION: Final = 1
HEADER_BYTES: Final = 132
WORD_BYTES: Final = 4
ENTRY_BYTES_MAX: Final = 16 * 1024 * 1024
ENTRY_BYTES_MIN: Final = 7
"""An array of six one-byte items: no envelope is shorter."""

RAW_BYTES_MAX: Final = ENTRY_BYTES_MAX + WORD_BYTES
"""A block holds at least the largest entry, and never more bytes than that."""

CODEC_RAW: Final = 0
CODEC_ZSTD: Final = 1
FLAG_FINAL: Final = 1
"""No block follows in this session."""
FLAG_SEALED: Final = 2
"""This block stands in a sealed segment."""
FLAGS_KNOWN: Final = FLAG_FINAL | FLAG_SEALED
GROUP_END: Final = 0x80000000
LENGTH_MASK: Final = 0x7FFFFFFF
ZSTD_LEVEL: Final = 3
"""Of live blocks, which are compressed while the engine waits for the disk."""

_HEADER: Final = struct.Struct("<8sHBBI6sHQQQIIII32s32s")
_CRC: Final = struct.Struct("<I")
_CRC_AT: Final = HEADER_BYTES - 4
_ENVELOPE_ARRAY: Final = 0x96
_SEQ_16: Final = struct.Struct(">BBH")
_SEQ_32: Final = struct.Struct(">BBI")
_SEQ_64: Final = struct.Struct(">BBQ")
assert _HEADER.size == _CRC_AT

pack_word = struct.Struct("<I").pack
_unpack_word = struct.Struct("<I").unpack_from
_WINDOW_BYTES_MAX: Final = 1 << 25


class BlockTorn(ValueError):
    """Bytes that are not (the whole of) a block: what a torn write or a flipped bit looks like."""


class BlockForeign(ValueError):
    """An intact block that cannot stand here, or contradicts itself: never a torn write."""


class BlockTooNew(ValueError):
    """An intact header of a newer format version."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One envelope as it stands in the journal; ``data`` is its whole canonical bytes."""

    seq: int
    data: bytes
    group_end: bool


class BlockHeader(msgspec.Struct, frozen=True, gc=False):
    """Everything a block says of itself. Lengths and ``offset`` are bytes; hashes are 32 bytes."""

    uid: bytes
    segment: int
    offset: int
    first_seq: int
    count: int
    durable_through: int
    hash_before: bytes
    hash_after: bytes
    raw_bytes: int = 0
    stored_bytes: int = 0
    payload_crc: int = 0
    codec: int = CODEC_RAW
    flags: int = 0

    @property
    def last_seq(self) -> int:
        """Seq of the last entry; for an empty block the seq before it."""
        return self.first_seq + self.count - 1

    @property
    def end_offset(self) -> int:
        """Offset of the first byte after this block."""
        return self.offset + HEADER_BYTES + self.stored_bytes

    @property
    def is_final(self) -> bool:
        return bool(self.flags & FLAG_FINAL)


def pack_header(header: BlockHeader) -> bytes:
    """The 132 bytes of a header, its CRC last."""
    body = _HEADER.pack(
        MAGIC,
        FORMAT_VERSION,
        header.flags,
        header.codec,
        header.segment,
        header.uid,
        0,
        header.offset,
        header.first_seq,
        header.durable_through,
        header.count,
        header.raw_bytes,
        header.stored_bytes,
        header.payload_crc,
        header.hash_before,
        header.hash_after,
    )
    return body + _CRC.pack(zlib.crc32(body))


def parse_header(data: bytes) -> BlockHeader:
    """Read a header from the first 132 bytes of ``data``.

    Raises ``BlockTorn`` (short, no magic, CRC), ``BlockTooNew``, ``BlockForeign`` (an intact
    header whose fields contradict one another).
    """
    if len(data) < HEADER_BYTES:
        raise BlockTorn(f"{len(data)} bytes where a block header needs {HEADER_BYTES}")
    if data[: len(MAGIC)] != MAGIC:
        raise BlockTorn("no block begins here")
    body = data[:_CRC_AT]
    if zlib.crc32(body) != _CRC.unpack_from(data, _CRC_AT)[0]:
        raise BlockTorn("the block header's CRC does not match")
    fields = _HEADER.unpack(body)
    if fields[1] > FORMAT_VERSION:
        raise BlockTooNew(f"format version {fields[1]}, this code knows up to {FORMAT_VERSION}")
    header = BlockHeader(
        flags=fields[2],
        codec=fields[3],
        segment=fields[4],
        uid=fields[5],
        offset=fields[7],
        first_seq=fields[8],
        durable_through=fields[9],
        count=fields[10],
        raw_bytes=fields[11],
        stored_bytes=fields[12],
        payload_crc=fields[13],
        hash_before=fields[14],
        hash_after=fields[15],
    )
    _check_header(header, version=fields[1], reserved=fields[6])
    return header


def _check_header(header: BlockHeader, *, version: int, reserved: int) -> None:
    """Refuse an intact header that no writer could have made."""
    empty = header.count == 0
    rules = (
        (version == FORMAT_VERSION, "format version 0"),
        (reserved == 0, "reserved bytes are not zero"),
        (header.flags & ~FLAGS_KNOWN == 0, "unknown flags"),
        (header.codec in (CODEC_RAW, CODEC_ZSTD), "unknown codec"),
        (header.segment >= 1, "segments begin at 1"),
        (header.first_seq >= 1, "seqs begin at 1"),
        (header.durable_through <= header.last_seq, "durable beyond its own end"),
        (header.raw_bytes <= RAW_BYTES_MAX, "raw length over the limit"),
        (header.stored_bytes <= header.raw_bytes, "stored length over the raw length"),
        (
            (header.codec == CODEC_RAW) == (header.stored_bytes == header.raw_bytes),
            "codec and lengths disagree",
        ),
        (
            header.count * (WORD_BYTES + ENTRY_BYTES_MIN) <= header.raw_bytes,
            "more entries than its bytes can hold",
        ),
        (empty == (header.raw_bytes == 0), "count and length disagree"),
        (not empty or header.hash_before == header.hash_after, "an empty block changed the chain"),
        (empty or not header.is_final, "a final block holds entries"),
    )
    for holds, reason in rules:
        if not holds:
            raise BlockForeign(reason)


def compress(raw: bytes | memoryview, level: int = ZSTD_LEVEL) -> tuple[int, bytes]:
    """(codec, stored bytes): zstd when that is shorter, else raw. Depends on these two alone."""
    packed = zstandard.ZstdCompressor(level=level).compress(raw)
    if len(packed) < len(raw):
        return CODEC_ZSTD, packed
    return CODEC_RAW, bytes(raw)


def check_stored(header: BlockHeader, stored: bytes) -> bytes:
    """The stored payload, if it is the one the header was made for; else ``BlockTorn``."""
    if len(stored) < header.stored_bytes:
        raise BlockTorn(f"{len(stored)} bytes where the payload needs {header.stored_bytes}")
    if zlib.crc32(stored) != header.payload_crc:
        raise BlockTorn("the payload's CRC does not match")
    return stored


def expand(header: BlockHeader, stored: bytes) -> bytes:
    """A block's raw payload from its checked stored bytes.

    The declared sizes are compared before anything is allocated: zstandard ignores
    ``max_output_size`` when the frame declares its own size, so the frame's own word is read
    first. Raises ``BlockForeign``.
    """
    if header.codec == CODEC_RAW:
        return stored
    try:
        declared = zstandard.frame_content_size(stored)
        if declared != header.raw_bytes:
            raise BlockForeign(f"the zstd frame declares {declared} bytes, not {header.raw_bytes}")
        return zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES_MAX).decompress(
            stored, max_output_size=header.raw_bytes, allow_extra_data=False
        )
    except zstandard.ZstdError as error:
        raise BlockForeign(f"the zstd frame does not decompress: {error}") from error


def seq_prefix(seq: int) -> bytes:
    """The first bytes of the canonical envelope with this seq (array of six, then the seq)."""
    if seq > 0xFFFFFFFF:
        return _SEQ_64.pack(_ENVELOPE_ARRAY, 0xCF, seq)
    if seq > 0xFFFF:
        return _SEQ_32.pack(_ENVELOPE_ARRAY, 0xCE, seq)
    if seq > 0xFF:
        return _SEQ_16.pack(_ENVELOPE_ARRAY, 0xCD, seq)
    if seq > 0x7F:
        return bytes((_ENVELOPE_ARRAY, 0xCC, seq))
    return bytes((_ENVELOPE_ARRAY, seq))


def read_entries(raw: bytes, header: BlockHeader) -> list[Entry]:
    """The entries of a block's raw payload. Raises ``BlockForeign`` when they do not fit it."""
    entries: list[Entry] = []
    add = entries.append
    at, end, seq = 0, len(raw), header.first_seq
    while at < end:
        if end - at < WORD_BYTES:
            raise BlockForeign(f"{end - at} bytes where a length word should be")
        word = _unpack_word(raw, at)[0]
        at += WORD_BYTES
        length = word & LENGTH_MASK
        if not ENTRY_BYTES_MIN <= length <= end - at:
            raise BlockForeign(f"entry {seq} declares {length} bytes, {end - at} are left")
        data = raw[at : at + length]
        if not data.startswith(seq_prefix(seq)):
            raise BlockForeign(f"the envelope that should be {seq} has another seq")
        add(Entry(seq, data, word >= GROUP_END))
        at += length
        seq += 1
    if len(entries) != header.count:
        raise BlockForeign(f"{len(entries)} entries, the header says {header.count}")
    return entries


_HASH_IN_PLACE_BYTES: Final = 4096


def chain_next(previous: bytes, data: EnvelopeBytes) -> bytes:
    """``events.envelope.chain_hash`` without copying large envelopes (hashlib drops the GIL)."""
    if isinstance(data, SplitEnvelope):
        digest = hashlib.sha256(previous + data.head)
        digest.update(data.body)
        return digest.digest()
    if len(data) < _HASH_IN_PLACE_BYTES:
        return chain_hash(previous, data)
    digest = hashlib.sha256(previous)
    digest.update(data)
    return digest.digest()


def chain_over(previous: bytes, entries: Iterable[Entry]) -> bytes:
    """The chain's hash after ``entries``; ``chain_next`` for each, without its calls."""
    sha256 = hashlib.sha256
    for entry in entries:
        data = entry.data
        if len(data) < _HASH_IN_PLACE_BYTES:
            previous = sha256(previous + data).digest()
        else:
            previous = chain_next(previous, data)
    return previous

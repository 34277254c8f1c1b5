"""One block as bytes: what is packed is parsed, what is hostile is refused before it costs."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import msgspec
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from events.envelope import GENESIS_HASH, chain_hash, encode_envelope
from journal.block import (
    CODEC_RAW,
    CODEC_ZSTD,
    ENTRY_BYTES_MAX,
    FLAG_FINAL,
    GROUP_END,
    HEADER_BYTES,
    MAGIC,
    RAW_BYTES_MAX,
    BlockForeign,
    BlockHeader,
    BlockTooNew,
    BlockTorn,
    chain_next,
    check_stored,
    compress,
    expand,
    pack_header,
    pack_word,
    parse_header,
    read_entries,
    seq_prefix,
)
from tests.journal.journals import Said, make_group

HEADER = BlockHeader(
    uid=bytes(range(6)),
    segment=3,
    offset=4096,
    first_seq=10,
    count=2,
    durable_through=9,
    hash_before=bytes(32),
    hash_after=b"\x01" * 32,
    raw_bytes=40,
    stored_bytes=40,
    payload_crc=7,
)

HASHES = st.binary(min_size=32, max_size=32)


@st.composite
def headers(draw: st.DrawFn) -> BlockHeader:
    """Headers that a writer could have made."""
    count = draw(st.integers(0, 1000))
    raw = draw(st.integers(count * 11, RAW_BYTES_MAX)) if count else 0
    codec = draw(st.sampled_from((CODEC_RAW, CODEC_ZSTD))) if count else CODEC_RAW
    first = draw(st.integers(1, 2**60))
    before = draw(HASHES)
    return BlockHeader(
        uid=draw(st.binary(min_size=6, max_size=6)),
        segment=draw(st.integers(1, 2**32 - 1)),
        offset=draw(st.integers(0, 2**63)),
        first_seq=first,
        count=count,
        durable_through=draw(st.integers(0, first + count - 1)),
        hash_before=before,
        hash_after=draw(HASHES) if count else before,
        raw_bytes=raw,
        stored_bytes=draw(st.integers(0, raw - 1)) if codec == CODEC_ZSTD else raw,
        payload_crc=draw(st.integers(0, 2**32 - 1)),
        codec=codec,
        flags=draw(st.sampled_from((0, 2) if count else (0, 1, 2, 3))),
    )


@settings(deadline=None)
@given(headers())
def test_a_header_is_parsed_as_packed(header: BlockHeader) -> None:
    """parse(pack(h)) == h for every header a writer can make, in exactly 132 bytes."""
    data = pack_header(header)
    assert len(data) == HEADER_BYTES
    assert parse_header(data + b"payload") == header


def test_every_flipped_bit_of_a_header_shows() -> None:
    """A header with any one bit changed, or cut anywhere, is torn: never another header."""
    data = pack_header(HEADER)
    for bit in range(len(data) * 8):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BlockTorn):
            parse_header(bytes(damaged))
    for length in range(len(data)):
        with pytest.raises(BlockTorn):
            parse_header(data[:length])


def reseal(data: bytearray) -> bytes:
    """The header with a CRC that fits again: what a forger, not a disk, would leave."""
    data[128:132] = struct.pack("<I", zlib.crc32(bytes(data[:128])))
    return bytes(data)


def test_a_newer_format_is_named() -> None:
    """J17: an intact header of a later version says so; the same bytes with a bad CRC are torn."""
    data = bytearray(pack_header(HEADER))
    data[8:10] = struct.pack("<H", 2)
    with pytest.raises(BlockTorn):
        parse_header(bytes(data))
    with pytest.raises(BlockTooNew):
        parse_header(reseal(data))


@pytest.mark.parametrize(
    ("offset", "layout", "value"),
    [
        (8, "<H", 0),
        (10, "<B", 4),
        (10, "<B", FLAG_FINAL),
        (11, "<B", 2),
        (11, "<B", CODEC_ZSTD),
        (12, "<I", 0),
        (22, "<H", 1),
        (32, "<Q", 0),
        (40, "<Q", 12),
        (48, "<I", 0),
        (48, "<I", 4),
        (48, "<I", 2**32 - 1),
        (52, "<I", RAW_BYTES_MAX + 1),
        (52, "<I", 2**32 - 1),
        (56, "<I", 41),
        (56, "<I", 39),
    ],
)
def test_a_header_that_contradicts_itself_is_foreign(offset: int, layout: str, value: int) -> None:
    """S04: fields over a limit, or against each other, are refused before they are believed."""
    data = bytearray(pack_header(HEADER))
    struct.pack_into(layout, data, offset, value)
    with pytest.raises(BlockForeign):
        parse_header(reseal(data))


def packed(group: tuple[bytes, ...]) -> bytes:
    last = len(group) - 1
    return b"".join(
        pack_word(len(data) | (GROUP_END if index == last else 0)) + data
        for index, data in enumerate(group)
    )


def header_of(raw: bytes, count: int, first_seq: int = 1) -> BlockHeader:
    return msgspec.structs.replace(
        HEADER,
        first_seq=first_seq,
        count=count,
        raw_bytes=len(raw),
        stored_bytes=len(raw),
        payload_crc=zlib.crc32(raw),
    )


@settings(deadline=None)
@given(st.lists(st.binary(max_size=200), min_size=1, max_size=20), st.integers(1, 2**40))
def test_entries_are_read_as_written(contents: list[bytes], first: int) -> None:
    """Entries, their seqs and the group mark come back from a payload, raw or compressed."""
    group = tuple(
        encode_envelope(first + at, "Said", 1, 1, first, Said(at, content))
        for at, content in enumerate(contents)
    )
    raw = packed(group)
    codec, stored = compress(raw)
    header = msgspec.structs.replace(
        header_of(raw, len(group), first),
        stored_bytes=len(stored),
        payload_crc=zlib.crc32(stored),
        codec=codec,
    )
    entries = read_entries(expand(header, stored), header)
    assert tuple(entry.data for entry in entries) == group
    assert [entry.seq for entry in entries] == list(range(first, first + len(group)))
    assert [entry.group_end for entry in entries] == [False] * (len(group) - 1) + [True]


@pytest.mark.parametrize("length", [0, 6, 45, 2**24 + 1, 2**31 - 1])
def test_a_length_that_lies_is_foreign(length: int) -> None:
    """S04: a length word over what is left (or under any envelope) is refused, not followed."""
    raw = bytearray(packed(make_group(1, 1)))
    raw[0:4] = struct.pack("<I", length | GROUP_END)
    with pytest.raises(BlockForeign):
        read_entries(bytes(raw), header_of(bytes(raw), 1))


def test_a_count_or_seq_that_lies_is_foreign() -> None:
    """Fewer or more entries than the header says, or another seq inside, is refused."""
    raw = packed(make_group(1, 3))
    for count, first in ((2, 1), (4, 1), (3, 2)):
        with pytest.raises(BlockForeign):
            read_entries(raw, header_of(raw, count, first))
    with pytest.raises(BlockForeign):
        read_entries(raw + b"abc", header_of(raw, 3))


def bomb(declared: bool, size: int = 1 << 30) -> bytes:
    """A zstd frame of a few KB that gives ``size`` zero bytes."""
    chunk = bytes(1 << 20)
    packer = zstandard.ZstdCompressor(level=1).compressobj(size=size if declared else -1)
    return b"".join(packer.compress(chunk) for _ in range(size >> 20)) + packer.flush()


def test_a_zstd_bomb_is_refused_before_it_opens(tmp_path: Path) -> None:
    """S04: frames that give 1 GiB, sizes declared, hidden or lying, are refused in 400 MB of
    address space; the canary shows that the naive call would not be."""
    (tmp_path / "declared").write_bytes(bomb(True))
    (tmp_path / "hidden").write_bytes(bomb(False))
    script = f"""
import resource, sys, zlib
from pathlib import Path
import zstandard
from journal.block import BlockForeign, BlockHeader, expand
resource.setrlimit(resource.RLIMIT_AS, ({400 << 20}, {400 << 20}))
for name in ("declared", "hidden"):
    stored = Path(name).read_bytes()
    for raw in (len(stored) + 1, {RAW_BYTES_MAX}):
        header = BlockHeader(uid=bytes(6), segment=1, offset=0, first_seq=1, count=1,
            durable_through=0, hash_before=bytes(32), hash_after=bytes(32), raw_bytes=raw,
            stored_bytes=len(stored), payload_crc=zlib.crc32(stored), codec=1)
        try:
            expand(header, stored)
        except BlockForeign:
            continue
        sys.exit("a bomb went through")
try:
    zstandard.ZstdDecompressor().decompress(Path("declared").read_bytes(), max_output_size=1 << 20)
except MemoryError:
    sys.exit(0)
except zstandard.ZstdError as error:
    sys.exit(0 if "allocat" in str(error).lower() or "memory" in str(error).lower() else str(error))
sys.exit("the canary is dead: the naive call is safe here")
"""
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        (sys.executable, "-P", "-c", script),
        cwd=tmp_path,
        env={"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_payload_damage_is_told_from_forgery() -> None:
    """A short or changed payload is torn; a payload whose CRC fits but which is no frame is not."""
    raw = packed(make_group(1, 40))
    codec, stored = compress(raw)
    assert codec == CODEC_ZSTD
    header = msgspec.structs.replace(
        header_of(raw, 40),
        stored_bytes=len(stored),
        payload_crc=zlib.crc32(stored),
        codec=codec,
    )
    assert expand(header, check_stored(header, stored)) == raw
    with pytest.raises(BlockTorn):
        check_stored(header, stored[:-1])
    with pytest.raises(BlockTorn):
        check_stored(header, bytes([stored[0] ^ 1]) + stored[1:])
    other = b"\0" * len(stored)
    with pytest.raises(BlockForeign):
        expand(msgspec.structs.replace(header, payload_crc=zlib.crc32(other)), other)
    twice = stored + stored
    with pytest.raises(BlockForeign):
        expand(
            msgspec.structs.replace(header, stored_bytes=len(twice), payload_crc=zlib.crc32(twice)),
            twice,
        )


@settings(deadline=None)
@given(st.integers(1, 2**64 - 1))
def test_the_seq_prefix_is_the_encoders(seq: int) -> None:
    """``seq_prefix`` is how the canonical envelope of that seq begins, and of no other."""
    data = encode_envelope(seq, "Said", 1, 0, seq, Said(0, b""))
    assert data.startswith(seq_prefix(seq))
    assert not data.startswith(seq_prefix(seq - 1 or 2))


@settings(deadline=None)
@given(st.binary(max_size=10_000))
def test_the_chain_is_the_envelopes(data: bytes) -> None:
    """Hashing in place for large envelopes gives what ``events.envelope.chain_hash`` gives."""
    assert chain_next(GENESIS_HASH, data) == chain_hash(GENESIS_HASH, data)


def test_limits_fit_each_other() -> None:
    """The largest entry fits a block alone, and its length fits the length word."""
    assert RAW_BYTES_MAX == ENTRY_BYTES_MAX + 4
    assert ENTRY_BYTES_MAX < GROUP_END
    assert len(MAGIC) == 8

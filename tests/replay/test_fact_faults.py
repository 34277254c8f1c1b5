"""J03: 200 bytes changed inside facts, with and without the CRCs put right: verify finds each."""

from __future__ import annotations

import functools
import shutil
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

import pytest
from msgspec.structs import replace

from events.envelope import decode_envelope
from journal.block import (
    CODEC_ZSTD,
    HEADER_BYTES,
    BlockHeader,
    compress,
    expand,
    pack_header,
    parse_header,
)
from journal.block import read_entries as entries_of
from journal.close import close_session
from journal.errors import JournalCorrupt
from journal.log import WriterOptions
from journal.seal import SEALED_LEVEL
from journal.verify import verify_session
from replay.session import replay_session
from tests.journal.journals import FAST, build
from tests.replay.journals import UID, groups_of, lines

FAULTS: Final = 200
SLICE: Final = 45
"""Of the planted faults, those of ``make test``; the slow test runs every one."""

GROUPS_A_BLOCK: Final = 8
OPTIONS: Final = WriterOptions(segment_size_bytes=48 * 1024)

RAW, CRCS_RIGHT, SEALED = HOWS = ("raw", "CRCs put right", "sealed, CRCs put right")
"""How a byte is changed: alone; with the block's CRCs made for it; in a compressed block, which is
packed again, and the blocks behind it moved."""

Homes = dict[str, Path]


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Homes:
    """The short session as its writer left it, and sealed. Read only."""
    parent = tmp_path_factory.mktemp("facts")
    groups = list(groups_of(lines()))
    batches = [groups[at : at + GROUPS_A_BLOCK] for at in range(0, len(groups), GROUPS_A_BLOCK)]
    for name in ("live", "sealed"):
        build(parent / name, batches, options=OPTIONS, uid=UID)
    close_session(parent / "sealed", None, files=FAST)
    assert len(list((parent / "sealed").glob("*.axs"))) > 3
    for name in ("live", "sealed"):
        assert verify_session(parent / name).ok, name
    return {RAW: parent / "live", CRCS_RIGHT: parent / "live", SEALED: parent / "sealed"}


class Block(NamedTuple):
    """A block of a segment as it stands: header and raw payload."""

    header: BlockHeader
    raw: bytes


def blocks_of(path: Path) -> Iterator[Block]:
    """Every block of a segment."""
    data, at = path.read_bytes(), 0
    while at < len(data):
        header = parse_header(data[at : at + HEADER_BYTES])
        stored = data[at + HEADER_BYTES : header.end_offset]
        yield Block(header, expand(header, stored))
        at = header.end_offset


class Fault(NamedTuple):
    """One byte of one fact: where it is, and where a verifier must say that it is."""

    path: Path
    header: BlockHeader
    seq: int
    kind: str
    raw_at: int
    bit: int


@functools.cache
def facts_in(folder: Path) -> dict[str, list[tuple[Path, BlockHeader, int, int, int]]]:
    """By kind: segment, block, seq, place in the block and size of every fact of a session."""
    found: dict[str, list[tuple[Path, BlockHeader, int, int, int]]] = {}
    for path in sorted(folder.glob("*.ax[js]")):
        for header, raw in blocks_of(path):
            at = 0
            for entry in entries_of(raw, header):
                envelope, size = decode_envelope(entry.data), len(entry.data)
                if envelope.is_fact:
                    row = (path, header, envelope.seq, at + 4, size)
                    found.setdefault(envelope.kind, []).append(row)
                at += 4 + size
    return found


def fault_of(folder: Path, seed: int) -> Fault:
    """A seeded byte inside a fact of a session; the kinds take turns."""
    chance, facts = Random(seed), facts_in(folder)
    kind = sorted(facts)[seed // len(HOWS) % len(facts)]
    path, header, seq, at, size = chance.choice(facts[kind])
    return Fault(path, header, seq, kind, at + chance.randrange(size), 1 << chance.randrange(8))


def change(fault: Fault, path: Path, how: str) -> None:
    """Write a segment with the fault in it."""
    written = b""
    for header, raw in blocks_of(fault.path):
        here = header.offset == fault.header.offset
        if here:
            changed = bytearray(raw)
            changed[fault.raw_at] ^= fault.bit
            raw = bytes(changed)
        codec, stored = (
            compress(raw, SEALED_LEVEL) if header.codec == CODEC_ZSTD else (header.codec, raw)
        )
        crc = zlib.crc32(stored) if how != RAW else header.payload_crc
        moved = replace(
            header, codec=codec, stored_bytes=len(stored), offset=len(written), payload_crc=crc
        )
        written += pack_header(moved) + stored
    path.write_bytes(written)


def planted(seed: int, homes: Homes, folder: Path) -> str:
    """Plant the fault of a seed and check that verify names its block; the kind of the fact."""
    how = HOWS[seed % len(HOWS)]
    fault = fault_of(homes[how], seed)
    shutil.copytree(homes[how], folder)
    change(fault, folder / fault.path.name, how)
    about = f"seed {seed}: {how}, byte {fault.raw_at} of the block at {fault.header.offset}"
    report = verify_session(folder)
    assert not report.ok, about
    first = report.problems[0]
    assert (first.file, first.offset, first.seq) == (
        fault.path.name, fault.header.offset, fault.header.first_seq
    ), about  # fmt: skip
    assert fault.header.first_seq <= fault.seq <= fault.header.last_seq, about
    if seed % 10 == 0:
        with pytest.raises(JournalCorrupt):
            replay_session(folder)
    shutil.rmtree(folder)
    return fault.kind


def found_in(seeds: range, homes: Homes, folder: Path) -> Counter[str]:
    kinds = Counter(planted(seed, homes, folder / str(seed)) for seed in seeds)
    sys.stdout.write(f"{len(seeds)} bytes changed in facts, all located: {dict(kinds)}\n")
    return kinds


def test_a_byte_changed_in_a_fact_is_located(homes: Homes, tmp_path: Path) -> None:
    """A seeded byte of a fact changed in place: verify names file, block and seq (a slice)."""
    assert found_in(range(SLICE), homes, tmp_path).total() == SLICE


@pytest.mark.slow
def test_200_bytes_changed_in_facts_are_located(homes: Homes, tmp_path: Path) -> None:
    """All 200 seeded bytes, over every kind of fact that the session has."""
    kinds = found_in(range(FAULTS), homes, tmp_path)
    assert kinds.total() == FAULTS == 200
    assert set(kinds) == {line.kind for line in lines() if line.fact}


def test_canary_without_a_change_nothing_is_found(homes: Homes, tmp_path: Path) -> None:
    """Writing every block again as it was gives the same bytes, and nothing to find."""
    for how in HOWS:
        for path in sorted(homes[how].glob("*.ax[js]")):
            fault = fault_of(homes[how], 1)._replace(path=path, raw_at=0, bit=0)
            change(fault, tmp_path / "segment", how)
            assert (tmp_path / "segment").read_bytes() == path.read_bytes()

"""FORMAT.md is enough: a verifier that takes its layout from the page's own tables reads the golden
files, finds every flipped bit in them, and the page's dumps are those files.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from pathlib import Path
from typing import NamedTuple

import pytest
import zstandard

import journal
from journal import block, recovery, seal, watermark
from journal.ledger import LEDGER_GENESIS
from journal.verify import verify_session

PAGE = (Path(journal.__file__).parent / "FORMAT.md").read_text()
FIXTURES = Path(__file__).parent / "fixtures"
HEAD_HASH = "db9ae09ef48d9d915dad747ddbdba7de3352323a9984390ca7555ed014975d6f"
ROW = re.compile(r"^\| (\d+) \| (\d+) \| ([\w ]+) \|(.*)\|$", re.MULTILINE)


class Field(NamedTuple):
    """A row of one of the page's tables: a field's place, and what is said of it."""

    at: int
    size: int
    meaning: str


def table_after(heading: str) -> dict[str, Field]:
    """The layout table of a section of the page."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    return {name: Field(int(at), int(size), what) for at, size, name, what in ROW.findall(section)}


HEADER = table_after("A block")
SLOT = table_after("The watermark")


class Wrong(Exception):  # noqa: N818 (a finding)
    """What the page's rules do not allow."""


def number(data: bytes, field: Field) -> int:
    return int.from_bytes(data[field.at : field.at + field.size], "little")


def raw(data: bytes, field: Field) -> bytes:
    return data[field.at : field.at + field.size]


def require(holds: bool, what: str) -> None:
    if not holds:
        raise Wrong(what)


def read_mark(folder: Path) -> bytes:
    """The whole slot with the larger count."""
    data = (folder / "watermark").read_bytes()
    size = sum(field.size for field in SLOT.values())
    slots = [data[at : at + size] for at in (0, 4096)]
    whole = [slot for slot in slots if zlib.crc32(slot[:-4]) == number(slot, SLOT["CRC"])]
    require(bool(whole) and all(slot.startswith(b"AXWM") for slot in whole), "the watermark")
    return max(whole, key=lambda slot: number(slot, SLOT["count"]))


def verify(folder: Path) -> tuple[int, str]:
    """(entries, head hash) by the page's steps 1 to 6. Raises ``Wrong``."""
    mark = read_mark(folder)
    seq, chain, fact, group_open, final, at_mark = 0, bytes(32), 0, False, False, bytes(32)
    for path in sorted(folder.glob("*.ax[js]")):
        data, at = path.read_bytes(), 0
        while at < len(data):
            header, at = check_header(data, at, path)
            require(not final, "a block behind the final one")
            require(raw(header, HEADER["session uid"]) == raw(mark, SLOT["session uid"]), "uid")
            require(number(header, HEADER["first seq"]) == seq + 1, "first seq")
            require(raw(header, HEADER["hash before"]) == chain, "hash before")
            payload = check_payload(header, data[at : at + number(header, HEADER["stored length"])])
            at += number(header, HEADER["stored length"])
            final = number(header, HEADER["flags"]) & 1 == 1
            place, count = 0, 0
            while place < len(payload):
                word = int.from_bytes(payload[place : place + 4], "little")
                envelope = payload[place + 4 : place + 4 + (word & 0x7FFFFFFF)]
                require(len(envelope) == word & 0x7FFFFFFF >= 7, "an entry's length")
                seq, count, place = seq + 1, count + 1, place + 4 + len(envelope)
                fact = check_envelope(envelope, seq, fact, group_open)
                group_open = word >> 31 == 0
                chain = hashlib.sha256(chain + envelope).digest()
                at_mark = chain if seq == number(mark, SLOT["seq"]) else at_mark
            require(count == number(header, HEADER["count"]), "count")
            require(raw(header, HEADER["hash after"]) == chain, "hash after")
        require(final or path.suffix == ".axj", "a sealed end that is not final")
    require(number(mark, SLOT["seq"]) <= seq, "the end is before the watermark")
    require(at_mark == raw(mark, SLOT["chain"]), "another hash at the watermark")
    require(number(mark, SLOT["flags"]) == final, "closed")
    return seq, chain.hex()


def check_header(data: bytes, at: int, path: Path) -> tuple[bytes, int]:
    """The header at ``at`` and where its payload begins."""
    end = at + HEADER["header CRC"].at + HEADER["header CRC"].size
    header = data[at:end]
    require(len(header) == end - at, "half a header")
    require(raw(header, HEADER["magic"]).hex(" ").upper() in HEADER["magic"].meaning, "magic")
    require(zlib.crc32(header[:-4]) == number(header, HEADER["header CRC"]), "header CRC")
    require(number(header, HEADER["version"]) == 1, "version")
    require(number(header, HEADER["segment"]) == int(path.stem), "segment")
    require(number(header, HEADER["offset"]) == at, "offset")
    require((number(header, HEADER["flags"]) & 2 == 2) == (path.suffix == ".axs"), "SEALED")
    return header, end


def check_payload(header: bytes, stored: bytes) -> bytes:
    require(zlib.crc32(stored) == number(header, HEADER["payload CRC"]), "payload CRC")
    require(len(stored) == number(header, HEADER["stored length"]), "stored length")
    length = number(header, HEADER["raw length"])
    if number(header, HEADER["codec"]) == 0:
        return stored
    require(zstandard.frame_content_size(stored) == length, "declared size")
    return zstandard.ZstdDecompressor().decompress(stored, max_output_size=length)


def check_envelope(data: bytes, seq: int, fact: int, group_open: bool) -> int:
    """The fact of the entry's group. Small numbers and short kinds only, as in the fixtures."""
    require(data[0] == 0x96 and data[1] == seq, "seq")
    kind_end = 3 + (data[2] & 0x1F)
    require(data[kind_end + 1] == 0xCF, "ts")
    cause = data[kind_end + 10]
    if cause == seq:
        require(not group_open, "a fact inside a group")
        return seq
    require(cause == fact and group_open, "another fact's derivation")
    return fact


@pytest.mark.parametrize("name", ["live", "sealed"])
def test_the_page_alone_reads_the_golden_files(name: str) -> None:
    """A reading by the page's tables and steps gives the golden journals' entries and head."""
    assert verify(FIXTURES / name) == (6, HEAD_HASH)


@pytest.mark.parametrize("name", ["live", "sealed"])
def test_canary_the_page_alone_finds_every_flip(tmp_path: Path, name: str) -> None:
    """A bit turned anywhere in a segment is found by that reading, as by ours (which in the last
    sync mark of an open session takes it for a torn tail, and says so)."""
    (path,) = (FIXTURES / name).glob("*.ax[js]")
    data = path.read_bytes()
    (tmp_path / "watermark").write_bytes((FIXTURES / name / "watermark").read_bytes())
    for at in range(len(data)):
        changed = data[:at] + bytes((data[at] ^ 1 << at % 8,)) + data[at + 1 :]
        (tmp_path / path.name).write_bytes(changed)
        with pytest.raises(Wrong):
            verify(tmp_path)
        report = verify_session(tmp_path)
        assert not report.ok or any("torn tail" in note for note in report.notes)


def test_the_layouts_are_the_codes() -> None:
    """The tables have no hole and end where the code's structs do."""
    for table, size in ((HEADER, block.HEADER_BYTES), (SLOT, watermark.SLOT_BYTES)):
        end = 0
        for name, field in table.items():
            assert field.at == end, name
            end += field.size
        assert end == size
    assert len(HEADER) == 17
    assert len(SLOT) == 8


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("raw length is over\n{:,}", block.RAW_BYTES_MAX),
        ("7\nto {:,}", block.ENTRY_BYTES_MAX),
        ("fit {:,} raw bytes", seal.SEALED_BLOCK_BYTES),
        ("count × {} is over", block.WORD_BYTES + block.ENTRY_BYTES_MIN),
        ("A block is a header of {} bytes", block.HEADER_BYTES),
        ("level {}, content size", seal.SEALED_LEVEL),
        ("Two slots of 64 bytes, at 0 and {};", watermark.SLOT_OFFSETS[1]),
    ],
)
def test_the_numbers_are_the_codes(words: str, value: int) -> None:
    """A limit that the page names is the one that the code has."""
    assert words.format(value) in PAGE
    assert recovery.TAIL_CUT_BYTES_MAX == 32 << 20
    assert "within the limit (32 MiB)" in PAGE


def dumps() -> list[bytes]:
    found = re.findall(r"```hex\n(.*?)```", PAGE, re.DOTALL)
    return [
        bytes.fromhex("".join(line.split("|")[0].partition(" ")[2] for line in dump.splitlines()))
        for dump in found
    ]


def test_the_dumps_are_the_golden_files() -> None:
    """The hex dumps worked out on the page are the live fixture's first block, its watermark's
    first slot, and the whole sealed fixture."""
    live, slot, sealed = dumps()
    whole = (FIXTURES / "live" / "000001.axj").read_bytes()
    assert live == whole[: block.parse_header(whole).end_offset]
    assert slot == (FIXTURES / "live" / "watermark").read_bytes()[:64]
    assert sealed == (FIXTURES / "sealed" / "000001.axs").read_bytes()
    assert HEAD_HASH in PAGE


def test_the_ledger_line_is_right() -> None:
    """The page's ledger line has the hash it says, and records the sealed fixture's end."""
    (line,) = re.findall(r"```ledger\n(.*?)\n```", PAGE)
    digest, _, body = line.partition(" ")
    assert hashlib.sha256(LEDGER_GENESIS + body.encode()).hexdigest() == digest
    record = json.loads(body)
    assert (record["head_seq"], record["head_hash"]) == verify(FIXTURES / "sealed")

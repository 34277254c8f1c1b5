"""The watermark: two slots, one of which is always whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journal.errors import WatermarkDamaged
from journal.watermark import (
    SLOT_BYTES,
    SLOT_OFFSETS,
    Watermark,
    WatermarkFile,
    pack_slot,
    parse_slot,
    parse_watermark,
    read_watermark,
)

UID = bytes.fromhex("0123456789ab")


@settings(deadline=None)
@given(
    st.builds(
        Watermark,
        uid=st.binary(min_size=6, max_size=6),
        count=st.integers(0, 2**64 - 1),
        seq=st.integers(0, 2**64 - 1),
        chain=st.binary(min_size=32, max_size=32),
        closed=st.booleans(),
    )
)
def test_a_slot_is_parsed_as_packed(mark: Watermark) -> None:
    """parse(pack(m)) == m, in exactly 64 bytes."""
    data = pack_slot(mark)
    assert len(data) == SLOT_BYTES
    assert parse_slot(data) == mark


def test_every_flipped_bit_of_a_slot_shows() -> None:
    """A slot with one changed bit is not a slot."""
    data = pack_slot(Watermark(UID, 5, 9, b"\x07" * 32))
    for bit in range(len(data) * 8):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        assert parse_slot(bytes(damaged)) is None


def test_a_torn_update_leaves_the_mark_before(tmp_path: Path) -> None:
    """A write of the next mark cut at any byte is read as the mark before, or as the next."""
    file = WatermarkFile.create(tmp_path, UID)
    for count in range(1, 4):
        file.write(Watermark(UID, count, count * 10, bytes([count]) * 32))
    whole = (tmp_path / "watermark").read_bytes()
    following = Watermark(UID, 4, 40, b"\x04" * 32)
    slot = pack_slot(following)
    at = SLOT_OFFSETS[following.count & 1]
    for cut in range(SLOT_BYTES + 1):
        torn = whole[:at] + slot[:cut] + whole[at + cut :]
        seen = parse_watermark(torn)
        assert seen is not None
        assert seen.seq == (40 if cut == SLOT_BYTES else 30)
    file.close()


def test_a_damaged_or_missing_watermark_is_named(tmp_path: Path) -> None:
    """No file, an empty file, and two broken slots are refused by name."""
    with pytest.raises(WatermarkDamaged):
        read_watermark(tmp_path)
    WatermarkFile.create(tmp_path, UID).close()
    assert read_watermark(tmp_path) == Watermark(UID)
    path = tmp_path / "watermark"
    path.write_bytes(b"")
    with pytest.raises(WatermarkDamaged):
        read_watermark(tmp_path)
    path.write_bytes(b"\xff" * 5000)
    with pytest.raises(WatermarkDamaged):
        read_watermark(tmp_path)

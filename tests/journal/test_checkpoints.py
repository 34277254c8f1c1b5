"""Checkpoints as a cache: what is in doubt is passed over and said, never used, never an error."""

from __future__ import annotations

import functools
import hashlib
import os
import stat
import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import zstandard

from journal.checkpoints import (
    CHECKPOINTS_NAME,
    FILE_BYTES,
    RAW_BYTES_MAX,
    RECORD_BYTES,
    TRIES_MAX,
    CheckpointFile,
    CheckpointKey,
    Newest,
    Record,
    newest_checkpoint,
    pack_file_header,
    recorded_states,
)
from journal.errors import JournalError
from journal.reader import chain_at
from journal.verify import verify_session
from tests.journal.journals import UID, build, chain_of, files_of, flat, make_groups, write_session

KEY = CheckpointKey(UID, "c" * 64, "d" * 64)
GROUPS = make_groups([2] * 30)
ENTRIES = flat(GROUPS)
SEQS = tuple(range(4, 61, 4))
TS_STEP = 60_000_000_000
STORED_AT = 28
"""Where a record's header holds the length of what follows."""


def state_of(seq: int) -> bytes:
    """A stand-in for a state: mostly the same bytes at any seq."""
    return b"%08d" % seq + bytes(range(256)) * 20


def decode(seq: int, data: bytes) -> bytes:
    if data != state_of(seq):
        raise ValueError("not the state of this entry")
    return data


def as_it_stands(seq: int, data: bytes) -> bytes:
    """An owner that believes everything."""
    return data


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A closed journal of 60 entries with a checkpoint every four."""
    write_session(tmp_path / "s", [GROUPS[:10], GROUPS[10:20], GROUPS[20:]])
    fill(tmp_path / "s")
    return tmp_path / "s"


def fill(folder: Path, seqs: tuple[int, ...] = SEQS, head_seq: int = 0) -> None:
    """Write checkpoints for these seqs, each with the journal's chain."""
    file = CheckpointFile.open(folder, KEY, head_seq)
    for seq in seqs:
        file.add(seq, seq * TS_STEP, chain_of(ENTRIES[:seq]), state_of(seq))
    file.close()


def newest(folder: Path, seq: int | None = None, ts: int | None = None) -> Newest[bytes]:
    return newest_checkpoint(folder, KEY, decode, seq=seq, ts=ts)


def test_the_newest_at_or_before_a_seq_or_a_time(folder: Path) -> None:
    """Every seq and every time of the session, also before the first and behind the last."""
    for seq in range(70):
        found = max((one for one in SEQS if one <= seq), default=0)
        expected = Newest(found, state_of(found) if found else None, ())
        assert newest(folder, seq=seq) == expected
        assert newest(folder, ts=seq * TS_STEP) == newest(folder, ts=seq * TS_STEP + 9) == expected
    assert newest(folder).seq == SEQS[-1]


def test_the_file_is_private_and_small(folder: Path) -> None:
    """0600 from its creation; what does not change from state to state is stored once."""
    path = folder / CHECKPOINTS_NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_size < len(SEQS) * 300 < len(state_of(1))


def test_it_has_no_part_in_the_journal(folder: Path) -> None:
    """With it, without it, or with rubbish in its place the journal verifies to the same head."""
    before = verify_session(folder)
    assert before.ok
    (folder / CHECKPOINTS_NAME).write_bytes(b"rubbish")
    assert verify_session(folder) == before
    (folder / CHECKPOINTS_NAME).unlink()
    assert verify_session(folder) == before
    assert newest(folder) == Newest(0, None, ())


def test_the_headers_tell_which_state_had_which_digest(folder: Path) -> None:
    """All of them, oldest first, under any of the keys given; of a file that is cut those before
    the cut; of another key, of rubbish and of no file none."""
    other = CheckpointKey(UID, "e" * 64, "d" * 64)
    found = recorded_states(folder, (other, KEY))
    assert [(one.seq, one.ts, one.digest) for one in found] == [
        (seq, seq * TS_STEP, hashlib.sha256(state_of(seq)).digest()) for seq in SEQS
    ]
    assert recorded_states(folder, (other,)) == ()
    path = folder / CHECKPOINTS_NAME
    path.write_bytes(path.read_bytes()[:-1])
    assert recorded_states(folder, (KEY,)) == found[:-1]
    path.write_bytes(b"rubbish")
    assert recorded_states(folder, (KEY,)) == ()
    path.unlink()
    assert recorded_states(folder, (KEY,)) == ()


# --- doubt ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["session_uid", "code_digest", "schema_digest"])
def test_another_key_is_passed_over(folder: Path, field: str) -> None:
    """Another session, other code or another schema: the whole file is of no use."""
    other = msgspec.structs.replace(KEY, **{field: "ab" * 6})
    found = newest_checkpoint(folder, other, decode)
    assert (found.seq, found.state, len(found.discarded)) == (0, None, 1)
    assert "other code" in found.discarded[0]


def test_another_chain_is_passed_over(folder: Path, tmp_path: Path) -> None:
    """A checkpoint of entries that are not those of the journal; an older one that is, is used."""
    file = CheckpointFile.open(tmp_path, KEY, 0)
    for seq in SEQS:
        chain = chain_of(ENTRIES[:seq]) if seq < 20 else bytes(32)
        file.add(seq, seq, chain, state_of(seq))
    file.close()
    (tmp_path / CHECKPOINTS_NAME).rename(folder / CHECKPOINTS_NAME)
    found = newest(folder, seq=30)
    assert (found.seq, found.state) == (16, state_of(16))
    assert [line.partition(":")[0] for line in found.discarded] == ["seq 28", "seq 24", "seq 20"]
    assert "another chain" in found.discarded[0]


def test_a_checkpoint_ahead_of_the_journal_is_passed_over(tmp_path: Path) -> None:
    """It may be on the disk before its entries are, behind a running writer or after a crash: it is
    not in doubt, and not of use."""
    build(tmp_path / "s", [GROUPS[:5]])
    fill(tmp_path / "s", (8, 12))
    found = newest(tmp_path / "s")
    assert (found.seq, found.discarded) == (8, ())


def test_a_damaged_journal_is_no_error_here(folder: Path) -> None:
    """Whoever reads the journal next is told by it."""
    (segment,) = files_of(folder, ".axj")
    data = bytearray(segment.read_bytes())
    data[200] ^= 1
    segment.write_bytes(data)
    with pytest.raises(JournalError):
        chain_at(folder, 4)
    found = newest(folder, seq=8)
    assert (found.seq, len(found.discarded)) == (0, 2)


def test_a_state_that_its_owner_refuses_is_passed_over(folder: Path) -> None:
    """The owner of the bytes has the last word; after a few refusals all are given up."""

    def only(wanted: int, seq: int, data: bytes) -> bytes:
        if seq != wanted:
            raise ValueError("not mine")
        return data

    for wanted, tries in ((SEQS[-3], 2), (SEQS[0], TRIES_MAX)):
        found = newest_checkpoint(folder, KEY, functools.partial(only, wanted))
        assert found.seq == (wanted if tries == 2 else 0)
        assert len(found.discarded) == tries


def ends_of(data: bytes) -> Iterator[int]:
    """Where each record ends."""
    at = FILE_BYTES
    while at < len(data):
        at += RECORD_BYTES + struct.unpack_from("<I", data, at + STORED_AT)[0]
        yield at


def test_cut_anywhere_it_never_gives_a_wrong_state(folder: Path) -> None:
    """Every third length of a torn file: an older state or none, and a cut record is counted."""
    path = folder / CHECKPOINTS_NAME
    whole = path.read_bytes()
    seen: set[int] = set()
    ends = {FILE_BYTES, *ends_of(whole)}
    lengths = range(0, len(whole), 3)
    for length in lengths:
        path.write_bytes(whole[:length])
        found = newest(folder)
        assert found.state == (state_of(found.seq) if found.seq else None)
        assert len(found.discarded) == (length not in ends), f"cut at byte {length}"
        seen.add(found.seq)
    sys.stdout.write(f"{len(lengths)} cuts\n")
    assert seen == {0, *SEQS[:-1]}


def test_changed_anywhere_it_never_gives_a_wrong_state(folder: Path) -> None:
    """A bit of every byte up to the sixth record: an older state or none, and the doubt is said;
    its owner takes any bytes for a state, so that only the record's own digest tells."""
    path = folder / CHECKPOINTS_NAME
    whole = path.read_bytes()
    used = 0
    places = sorted(ends_of(whole))[5]
    for place in range(places):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        found = newest_checkpoint(folder, KEY, as_it_stands, seq=SEQS[3])
        assert found.state == (state_of(found.seq) if found.seq else None), f"byte {place}"
        used += found.seq == SEQS[3]
        assert found.seq == SEQS[3] or found.discarded, f"byte {place}"
    sys.stdout.write(f"{places} changes, {used} of them behind what was asked for\n")
    assert 0 < used < places


def test_canary_without_its_digest_a_change_would_pass(folder: Path) -> None:
    """The same search finds a state that says what it should not when its digest agrees."""
    file = CheckpointFile.open(folder, KEY, 8)
    file.add(12, 12, chain_of(ENTRIES[:12]), state_of(99))
    file.close()
    taken = newest_checkpoint(folder, KEY, as_it_stands)
    assert (taken.seq, taken.state) == (12, state_of(99))
    assert newest(folder).seq == 8


# --- hostile -------------------------------------------------------------------------------------


def plant(folder: Path, *, raw: int, stored: bytes, stored_bytes: int | None = None) -> None:
    """A file whose one record declares what it likes, with sound CRCs."""
    record = Record(4, 4, raw, stored_bytes or len(stored), chain_of(ENTRIES[:4]), bytes(32))
    (folder / CHECKPOINTS_NAME).write_bytes(pack_file_header(KEY) + record.pack() + stored)


def test_s05_sizes_are_checked_before_anything_is_allocated(folder: Path) -> None:
    """S05: a declared size over the limit, one that the file does not have, a frame that declares
    another than its record, and one that declares none."""
    bomb = zstandard.ZstdCompressor().compress(bytes(1 << 26))
    streamed = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(100))
    for raw, stored, stored_bytes in (
        (RAW_BYTES_MAX + 1, b"x", None),
        (0xFFFFFFFF, b"x", None),
        (100, b"x", RAW_BYTES_MAX),
        (100, b"x", 0xFFFFFFFF),
        (100, bomb, None),
        (RAW_BYTES_MAX, bomb, None),
        (100, streamed, None),
        (100, b"", None),
        (100, b"no frame at all", None),
    ):
        plant(folder, raw=raw, stored=stored, stored_bytes=stored_bytes)
        found = newest(folder)
        assert (found.seq, len(found.discarded)) == (0, 1), (raw, len(stored), stored_bytes)


def test_s05_seqs_go_up_and_reserved_bytes_are_zero(folder: Path) -> None:
    """S05: what no writer could have written ends the file."""
    path = folder / CHECKPOINTS_NAME
    data = path.read_bytes()
    first = data[FILE_BYTES : next(ends_of(data))]
    path.write_bytes(data[:FILE_BYTES] + first + first)
    found = newest(folder)
    assert (found.seq, len(found.discarded)) == (SEQS[0], 1)
    body = bytearray(first[: RECORD_BYTES - 4])
    body[4] = 1
    path.write_bytes(pack_file_header(KEY) + body + struct.pack("<I", zlib.crc32(body)))
    assert newest(folder).seq == 0


def test_s04_nothing_but_a_plain_file_is_opened(folder: Path, tmp_path: Path) -> None:
    """S04: a link is not followed, a pipe is not waited for, a folder is no file."""
    path = folder / CHECKPOINTS_NAME
    aside = tmp_path / "aside"
    path.rename(aside)
    path.symlink_to(aside)
    assert len(newest(folder).discarded) == 1
    path.unlink()
    os.mkfifo(path)
    assert len(newest(folder).discarded) == 1
    path.unlink()
    path.mkdir()
    assert len(newest(folder).discarded) == 1
    assert aside.stat().st_size > FILE_BYTES


# --- going on ------------------------------------------------------------------------------------


def test_a_resumed_session_goes_on_with_its_file(folder: Path) -> None:
    """What lies behind the recovered end is cut off, and what follows is added."""
    fill(folder, (22, 26), head_seq=21)
    for seq, expected in ((21, 20), (22, 22), (25, 22), (60, 26)):
        assert newest(folder, seq=seq) == Newest(expected, state_of(expected), ())


@pytest.mark.parametrize("fault", ["torn", "foreign", "link", "first"])
def test_a_file_in_doubt_is_replaced(folder: Path, tmp_path: Path, fault: str) -> None:
    """Its end is cut off, or it is begun anew, and nothing that a link leads to is touched."""
    path = folder / CHECKPOINTS_NAME
    data = bytearray(path.read_bytes())
    if fault == "torn":
        path.write_bytes(data[:-3])
    elif fault == "foreign":
        path.write_bytes(pack_file_header(CheckpointKey(UID, "", "")) + data[FILE_BYTES:])
    elif fault == "first":
        data[FILE_BYTES + RECORD_BYTES + 9] ^= 1
        path.write_bytes(data)
    else:
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")
    fill(folder, (60,), head_seq=60) if fault != "torn" else fill(folder, (60,), head_seq=59)
    assert newest(folder) == Newest(60, state_of(60), ())
    assert newest(folder, seq=59).seq == (SEQS[-2] if fault == "torn" else 0)
    assert not path.is_symlink()
    if fault == "link":
        assert (tmp_path / "elsewhere").read_bytes() == data

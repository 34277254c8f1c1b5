"""Recovery: all that was acknowledged, or a refusal by name that changes nothing."""

from __future__ import annotations

import hashlib
import itertools
import os
import struct
import zlib
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from journal.block import HEADER_BYTES, MAGIC, BlockHeader, pack_header, parse_header
from journal.errors import (
    ChainBroken,
    JournalClosed,
    JournalCorrupt,
    JournalError,
    JournalMissing,
    ReadFailed,
    SegmentGap,
    TailTooLong,
    VersionTooNew,
    WatermarkDamaged,
)
from journal.log import WriterOptions
from journal.recovery import (
    VERDICTS,
    Damage,
    Found,
    Mark,
    Verdict,
    chain_at,
    check_verdict,
    inspect_session,
    repair,
    verdict_for,
)
from journal.seal import seal_session
from journal.verify import verify_session
from journal.writer import JournalWriter
from tests.journal.journals import (
    FAST,
    UID,
    FastFiles,
    build,
    chain_of,
    flat,
    make_group,
    make_groups,
    read_all,
    snapshot,
    write_session,
)

ACKNOWLEDGED = (make_groups([2, 1]), make_groups([3], first_seq=4), make_groups([1], first_seq=7))
LAST = make_groups([2, 1, 2], first_seq=8)
SMALL_SEGMENTS = WriterOptions(segment_size_bytes=100)


def refuse_without_change(folder: Path, kind: type[JournalError], tail_max: int = 1 << 25) -> str:
    """Both the look and the real opening refuse as ``kind``; not a byte of the folder changes."""
    before = snapshot(folder)
    with pytest.raises(kind) as caught:
        JournalWriter.resume(folder, tail_cut_bytes_max=tail_max, files=FAST)
    after = snapshot(folder)
    after.pop("writer.lock")
    before.pop("writer.lock", None)
    assert after == before
    return str(caught.value)


# -- the table ---------------------------------------------------------------------------------


def expected_verdict(found: Found) -> Verdict:
    """The rule in words, written apart from the table."""
    if found.damage is Damage.NEWER:
        return Verdict.TOO_NEW
    if found.damage is Damage.FOREIGN:
        return Verdict.CORRUPT
    if found.damage is Damage.TORN and (found.proof or not found.last_segment):
        return Verdict.CORRUPT
    by_mark = {
        Mark.DAMAGED: Verdict.WATERMARK,
        Mark.AHEAD: Verdict.CORRUPT,
        Mark.DIFFERS: Verdict.CHAIN,
    }
    if found.mark in by_mark:
        return by_mark[found.mark]
    if found.damage is Damage.NONE:
        return Verdict.OPEN
    return Verdict.CUT if found.short else Verdict.TOO_LONG


def test_every_combination_has_its_row() -> None:
    """The recovery table is total, says what the rule says, and has no row that is never used."""
    used = set()
    bools = (False, True)
    combinations = list(itertools.product(Damage, bools, bools, Mark, bools))
    for values in combinations:
        found = Found(*values)
        assert verdict_for(found) is expected_verdict(found), found
        used.add(
            next(
                index
                for index, row in enumerate(VERDICTS)
                if all(w is None or w == v for w, v in zip(row[:5], values, strict=True))
            )
        )
    assert len(combinations) == 128
    assert used == set(range(len(VERDICTS)))


# -- J01, J02, J04: tails ----------------------------------------------------------------------


def test_j01_a_tail_torn_at_every_byte_is_cut(tmp_path: Path) -> None:
    """J01: whatever part of the last, unacknowledged batch survives, opening keeps all that was
    acknowledged, reports the bytes it cut with their digest, and writing goes on."""
    path = build(tmp_path / "s", ACKNOWLEDGED, LAST)
    whole = path.read_bytes()
    start = build(tmp_path / "acked", ACKNOWLEDGED).stat().st_size
    mark = (tmp_path / "s" / "watermark").read_bytes()
    kept = flat(group for batch in ACKNOWLEDGED for group in batch)
    for length in range(start, len(whole)):
        path.write_bytes(whole[:length])
        (tmp_path / "s" / "watermark").write_bytes(mark)
        end, tail = repair(inspect_session(tmp_path / "s", files=FAST), FAST)
        assert (tail.head_seq, tail.head_hash) == (7, chain_of(kept))
        assert (tail.cut_bytes, tail.cut_offset) == (length - start, start)
        assert tail.cut_digest == hashlib.sha256(whole[start:length]).hexdigest()
        assert tail.incomplete == ()
        assert end.offset == path.stat().st_size == start
    writer, tail = JournalWriter.resume(tmp_path / "s", files=FAST)
    for group in LAST:
        writer.append(group)
    writer.close()
    assert read_all(tmp_path / "s") == kept + flat(LAST)
    assert verify_session(tmp_path / "s").ok


def test_j01_a_whole_unacknowledged_batch_is_kept(tmp_path: Path) -> None:
    """A batch that was written but not acknowledged is kept when all of it survived."""
    build(tmp_path / "s", ACKNOWLEDGED, LAST)
    _, tail = repair(inspect_session(tmp_path / "s", files=FAST), FAST)
    assert (tail.head_seq, tail.cut_bytes) == (12, 0)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    sizes=st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=4), min_size=1, max_size=4),
    last=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    content=st.binary(max_size=300),
    cut=st.floats(0, 1),
    junk=st.binary(max_size=200),
)
def test_j01_any_batches_any_cut(
    tmp_path_factory: pytest.TempPathFactory,
    sizes: list[list[int]],
    last: list[int],
    content: bytes,
    cut: float,
    junk: bytes,
) -> None:
    """J01 over random batches: the acknowledged prefix survives a cut and junk after it."""
    folder = tmp_path_factory.mktemp("j") / "s"
    batches, seq = [], 1
    for batch in sizes:
        batches.append(make_groups(batch, content, seq))
        seq += sum(batch)
    acknowledged = build(folder, batches).stat().st_size
    for name in os.listdir(folder):
        (folder / name).unlink()
    path = build(folder, batches, make_groups(last, content, seq))
    whole = path.read_bytes()
    length = acknowledged + int((len(whole) - acknowledged) * cut)
    path.write_bytes(whole[:length] + (junk if length < len(whole) else b""))
    _, tail = repair(inspect_session(folder, files=FAST), FAST)
    datas = flat(group for batch in batches for group in batch)
    if length < len(whole):
        assert (tail.head_seq, tail.head_hash) == (seq - 1, chain_of(datas))
    assert read_all(folder)[: len(datas)] == datas


def test_a_cut_into_the_acknowledged_part_is_refused(tmp_path: Path) -> None:
    """Cut anywhere before its last acknowledged byte, the journal is refused and not touched."""
    path = build(tmp_path / "s", ACKNOWLEDGED)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(JournalCorrupt):
            check_verdict(inspect_session(tmp_path / "s", files=FAST))
        assert path.stat().st_size == length
    refuse_without_change(tmp_path / "s", JournalCorrupt)


def test_j02_a_tail_that_is_too_long_is_refused(tmp_path: Path) -> None:
    """J02: beyond the limit nothing is cut; at the limit it is. Zeros at the end do not count."""
    path = build(tmp_path / "s", ACKNOWLEDGED)
    whole = path.read_bytes()
    for junk in (101, 200, 5000):
        path.write_bytes(whole + b"j" * junk)
        message = refuse_without_change(tmp_path / "s", TailTooLong, tail_max=100)
        assert message.startswith("JOURNAL_TAIL_TOO_LONG")
        assert str(junk) in message
    path.write_bytes(whole + b"j" * 100 + bytes(3_000_000))
    inspection = inspect_session(tmp_path / "s", tail_cut_bytes_max=100, files=FAST)
    assert inspection.verdict is Verdict.CUT
    _, tail = repair(inspection, FAST)
    assert tail.cut_bytes == 3_000_100
    assert path.read_bytes() == whole


def test_j04_zero_holes_in_an_unsynced_batch_are_cut(tmp_path: Path) -> None:
    """J04: an unsynced batch of blocks of which any are zeros, in any order of survival, is cut
    at the first hole without an alarm."""
    options = WriterOptions(block_size_bytes=40)
    path = build(tmp_path / "s", ACKNOWLEDGED, LAST, options=options)
    whole = bytearray(path.read_bytes())
    blocks = [header for header in headers_of(bytes(whole)) if header.first_seq > 7]
    assert len(blocks) == len(flat(LAST))
    for lost in itertools.product((False, True), repeat=len(blocks)):
        data = bytearray(whole)
        for header, gone in zip(blocks, lost, strict=True):
            if gone:
                data[header.offset : header.end_offset] = bytes(header.end_offset - header.offset)
        path.write_bytes(data)
        inspection = inspect_session(tmp_path / "s", files=FAST)
        check_verdict(inspection)
        assert inspection.scan.end_seq == 7 + (lost.index(True) if any(lost) else len(lost))


def headers_of(data: bytes) -> list[BlockHeader]:
    headers, at = [], 0
    while at < len(data):
        headers.append(parse_header(data[at:]))
        at = headers[-1].end_offset
    return headers


# -- J03: flips --------------------------------------------------------------------------------


def test_j03_an_eighth_of_all_bit_flips_is_refused_and_located(tmp_path: Path) -> None:
    """J03: one bit in every byte of the acknowledged region: each flip is refused as corrupt, at
    the block it is in, with its first seq, and the file stays as it was."""
    folder = tmp_path / "s"
    path = build(folder, (*ACKNOWLEDGED, LAST))
    whole = path.read_bytes()
    blocks = headers_of(whole)
    for at in range(len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << at % 8
        path.write_bytes(damaged)
        with pytest.raises(JournalCorrupt) as caught:
            check_verdict(inspect_session(folder, files=FAST))
        block = next(header for header in blocks if at < header.end_offset)
        assert (caught.value.offset, caught.value.seq) == (block.offset, block.first_seq), at
        assert path.read_bytes() == damaged
    refuse_without_change(folder, JournalCorrupt)


def test_j03_durable_through_alone_refuses(tmp_path: Path) -> None:
    """With a watermark as old as the session, a flip is still refused wherever a later block
    says that the damaged place was durable; only the last such block looks like a torn tail."""
    folder = tmp_path / "s"
    path = build(folder, (*ACKNOWLEDGED, LAST))
    build(tmp_path / "new", ())
    (folder / "watermark").write_bytes((tmp_path / "new" / "watermark").read_bytes())
    whole = path.read_bytes()
    blocks = headers_of(whole)
    for at in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << at % 8
        path.write_bytes(damaged)
        verdict = inspect_session(folder, files=FAST).verdict
        proven = at < blocks[-1].offset
        assert verdict is (Verdict.CORRUPT if proven else Verdict.CUT), at


def test_flips_in_the_watermark_never_lose_entries(tmp_path: Path) -> None:
    """Any one flip in the watermark leaves the other slot; both slots broken is refused."""
    folder = tmp_path / "s"
    build(folder, ACKNOWLEDGED)
    mark = folder / "watermark"
    whole = mark.read_bytes()
    for at in (*range(64), *range(4096, 4160)):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << at % 8
        mark.write_bytes(damaged)
        inspection = inspect_session(folder, files=FAST)
        assert (inspection.verdict, inspection.scan.end_seq) == (Verdict.OPEN, 7)
    damaged = bytearray(whole)
    damaged[5] ^= 1
    damaged[4100] ^= 1
    mark.write_bytes(damaged)
    refuse_without_change(folder, WatermarkDamaged)
    mark.unlink()
    refuse_without_change(folder, WatermarkDamaged)


# -- edits, other places, other formats --------------------------------------------------------


def forge(header: BlockHeader, payload: bytes) -> bytes:
    """A block whose CRCs fit, whatever it says."""
    packed = pack_header(header)
    body = packed[:60] + struct.pack("<I", zlib.crc32(payload)) + packed[64:128]
    return body + struct.pack("<I", zlib.crc32(body)) + payload


def test_s10_an_edit_with_new_crcs_breaks_the_chain(tmp_path: Path) -> None:
    """S10: one byte of an entry changed and every CRC made good again is still refused."""
    folder = tmp_path / "s"
    path = build(folder, ACKNOWLEDGED)
    whole = path.read_bytes()
    for header in headers_of(whole):
        payload = bytearray(whole[header.offset + HEADER_BYTES : header.end_offset])
        payload[-1] ^= 1
        block = forge(header, bytes(payload))
        path.write_bytes(whole[: header.offset] + block + whole[header.end_offset :])
        assert "hash" in refuse_without_change(folder, JournalCorrupt)


def test_j15_a_block_in_the_wrong_place_is_refused(tmp_path: Path) -> None:
    """J15: an intact block written over another of the same length is caught by its offset."""
    folder = tmp_path / "s"
    batches = [[make_group(1, 1)], [make_group(2, 1)], [make_group(3, 1)]]
    path = build(folder, batches)
    whole = path.read_bytes()
    one, two, three = headers_of(whole)
    assert one.stored_bytes == two.stored_bytes
    path.write_bytes(whole[: two.offset] + whole[: one.end_offset] + whole[three.offset :])
    assert "offset 0" in refuse_without_change(folder, JournalCorrupt)


def test_j17_a_newer_format_is_refused_by_name(tmp_path: Path) -> None:
    """J17: an intact block of a later format version stops with VERSION_TOO_NEW."""
    path = build(tmp_path / "s", ACKNOWLEDGED)
    whole = path.read_bytes()
    last = headers_of(whole)[-1]
    body = bytearray(whole[last.offset : last.offset + 128])
    body[8:10] = struct.pack("<H", 2)
    header = bytes(body) + struct.pack("<I", zlib.crc32(bytes(body)))
    path.write_bytes(whole[: last.offset] + header + whole[last.offset + HEADER_BYTES :])
    message = refuse_without_change(tmp_path / "s", VersionTooNew)
    assert message.startswith("VERSION_TOO_NEW")
    assert [problem.code for problem in verify_session(tmp_path / "s").problems] == [
        "VERSION_TOO_NEW",
        "JOURNAL_CORRUPT",
    ]


def test_a_block_inside_an_entry_is_not_mistaken(tmp_path: Path) -> None:
    """A frame that carries the bytes of a block, even one that claims durability, is data: the
    search behind a torn tail does not take it for a block."""
    claim = BlockHeader(
        uid=bytes.fromhex(UID),
        segment=1,
        offset=123_456,
        first_seq=90,
        count=0,
        durable_through=89,
        hash_before=bytes(32),
        hash_after=bytes(32),
    )
    folder = tmp_path / "s"
    written = make_groups([1, 1], MAGIC + pack_header(claim) + MAGIC, first_seq=8)
    path = build(folder, ACKNOWLEDGED, written)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert inspect_session(folder, files=FAST).verdict is Verdict.CUT


# -- J14, J09: segments ------------------------------------------------------------------------


def many_segments(folder: Path, uid: str = UID, content: bytes = b"x") -> list[Path]:
    """A dead session of four segments."""
    build(
        folder,
        [[group] for group in make_groups([2] * 8, content)],
        options=SMALL_SEGMENTS,
        uid=uid,
    )
    paths = sorted(folder.glob("*.axj"))
    assert len(paths) >= 4
    return paths


def test_j14_a_missing_segment_is_a_gap(tmp_path: Path) -> None:
    """J14: any segment taken away is noticed: by its number, or by the watermark if it is last."""
    paths = many_segments(tmp_path / "s")
    for path in paths:
        data = path.read_bytes()
        path.unlink()
        kind = JournalCorrupt if path is paths[-1] else SegmentGap
        refuse_without_change(tmp_path / "s", kind)
        path.write_bytes(data)
    check_verdict(inspect_session(tmp_path / "s", files=FAST))


def test_j14_a_segment_of_another_place_or_session_is_refused(tmp_path: Path) -> None:
    """J14: a segment copied over another, exchanged with it, or taken from a session with the
    same entries under another uid, is refused."""
    paths = many_segments(tmp_path / "s")
    others = many_segments(tmp_path / "other", uid="ffffffffffff")
    datas = [path.read_bytes() for path in paths]
    for at, path in enumerate(paths):
        for foreign in (others[at].read_bytes(), datas[at - 1]):
            path.write_bytes(foreign)
            refuse_without_change(tmp_path / "s", JournalCorrupt)
            path.write_bytes(datas[at])
    paths[0].write_bytes(datas[1])
    paths[1].write_bytes(datas[0])
    refuse_without_change(tmp_path / "s", JournalCorrupt)


def test_damage_in_an_earlier_segment_is_never_a_tail(tmp_path: Path) -> None:
    """A segment is synced before the next is made: a cut in any but the last is corruption."""
    paths = many_segments(tmp_path / "s")
    data = paths[1].read_bytes()
    paths[1].write_bytes(data[:-1])
    refuse_without_change(tmp_path / "s", JournalCorrupt)


def test_j09_every_state_of_a_roll_opens(tmp_path: Path) -> None:
    """J09: after a death at a roll the next segment is absent, empty, or holds part of a block;
    each opens with every acknowledged entry, and writing goes on."""
    paths = many_segments(tmp_path / "whole")
    part = paths[1].read_bytes()[:70]
    for number, content in enumerate((None, b"", part)):
        folder = tmp_path / str(number)
        first = build(folder, [[make_group(1, 2)]], options=SMALL_SEGMENTS)
        if content is not None:
            (folder / "000002.axj").write_bytes(content)
        writer, tail = JournalWriter.resume(folder, options=SMALL_SEGMENTS, files=FAST)
        assert (tail.head_seq, tail.cut_bytes) == (2, len(content or b""))
        writer.append(make_group(3, 2))
        writer.close()
        assert read_all(folder) == flat((make_group(1, 2), make_group(3, 2)))
        assert first.exists()
        assert verify_session(folder).ok


# -- reopening ---------------------------------------------------------------------------------


def test_an_incomplete_last_group_is_handed_back(tmp_path: Path) -> None:
    """The durable part of a group without its end stays and is returned; the rest completes it
    to the same chain that an uninterrupted session has."""
    folder = tmp_path / "s"
    group = make_group(8, 5)
    options = WriterOptions(block_size_bytes=40)
    path = build(folder, ACKNOWLEDGED, [group], options=options)
    blocks = [header for header in headers_of(path.read_bytes()) if header.first_seq >= 8]
    os.truncate(path, blocks[2].offset)
    writer, tail = JournalWriter.resume(folder, files=FAST)
    assert tail.incomplete == group[:2]
    assert tail.head_seq == 9
    writer.append(group[2:])
    head = writer.close()
    everything = flat(g for batch in ACKNOWLEDGED for g in batch) + list(group)
    assert head == (12, chain_of(everything))
    assert read_all(folder) == everything
    assert verify_session(folder).ok


def test_no_segment_ends_inside_a_group(tmp_path: Path) -> None:
    """A group that was cut where its segment was already full is completed in that segment, so
    the files are those of an uninterrupted session."""
    options = WriterOptions(segment_size_bytes=100, block_size_bytes=40)
    groups = [make_group(1, 8), make_group(9, 2)]
    write_session(tmp_path / "whole", [groups], options=options)
    path = build(tmp_path / "s", [], groups[:1], options=options)
    os.truncate(path, headers_of(path.read_bytes())[6].offset)
    writer, tail = JournalWriter.resume(tmp_path / "s", options=options, files=FAST)
    assert tail.incomplete == groups[0][:6]
    writer.append(groups[0][6:])
    writer.append(groups[1])
    writer.close()
    for folder in (tmp_path / "whole", tmp_path / "s"):
        seal_session(folder)
    names = [path.name for path in sorted((tmp_path / "whole").glob("*.axs"))]
    assert names == ["000001.axs", "000002.axs"]
    for name in names:
        assert (tmp_path / "s" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_what_is_kept_is_written_again(tmp_path: Path) -> None:
    """Entries beyond the watermark are written and synced again before they count: after a failed
    sync the cache may show what the disk does not have."""

    class Watching(FastFiles):
        def __init__(self) -> None:
            self.written: list[tuple[int, int]] = []
            self.synced_after = 0

        def write(self, handle: int, offset: int, data: bytes | memoryview) -> None:
            self.written.append((offset, len(data)))
            super().write(handle, offset, data)

        def sync(self, handle: int) -> None:
            self.synced_after = len(self.written)

    folder = tmp_path / "s"
    acknowledged = build(tmp_path / "acked", ACKNOWLEDGED).stat().st_size
    path = build(folder, ACKNOWLEDGED, LAST)
    whole = path.read_bytes()
    files = Watching()
    repair(inspect_session(folder, files=files), files)
    assert (acknowledged, len(whole) - acknowledged) in files.written
    assert files.synced_after >= 1
    assert path.read_bytes() == whole


def test_a_closed_session_does_not_reopen(tmp_path: Path) -> None:
    """After the final block nothing follows; bytes behind it are refused."""
    folder = tmp_path / "s"
    write_session(folder, [make_groups([2, 1])])
    with pytest.raises(JournalClosed):
        JournalWriter.resume(folder)
    path = folder / "000001.axj"
    whole = path.read_bytes()
    final = headers_of(whole)[-1]
    assert final.is_final
    path.write_bytes(whole[: final.offset])
    refuse_without_change(folder, JournalCorrupt)
    again = msgspec.structs.replace(final, offset=len(whole))
    path.write_bytes(whole + pack_header(again))
    refuse_without_change(folder, JournalCorrupt)


def test_a_pause_is_resumed_many_times(tmp_path: Path) -> None:
    """Closed without a final block and reopened, again and again, the session is one chain."""
    folder = tmp_path / "s"
    groups = make_groups([2] * 6)
    write_session(folder, [groups[:1]], final=False)
    for group in groups[1:]:
        writer, tail = JournalWriter.resume(folder, session_uid=UID)
        assert tail.cut_bytes == 0
        writer.append(group)
        writer.close(final=group is groups[-1])
    assert read_all(folder) == flat(groups)
    report = verify_session(folder)
    assert (report.ok, report.closed) == (True, True)
    assert report.head_hash == chain_of(flat(groups)).hex()


def test_j08_a_read_error_is_named(tmp_path: Path) -> None:
    """J08: a disk that fails to read refuses the opening and says where."""

    class Failing(FastFiles):
        def read(self, handle: int, offset: int, length: int) -> bytes:
            if length > 10_000:
                raise OSError(5, "Input/output error")
            return super().read(handle, offset, length)

    build(tmp_path / "s", ACKNOWLEDGED)
    with pytest.raises(ReadFailed, match=r"JOURNAL_READ_FAILED.*offset 0"):
        inspect_session(tmp_path / "s", files=Failing())


def test_no_journal_is_named(tmp_path: Path) -> None:
    """A folder that is missing or empty is not a journal."""
    for folder in (tmp_path / "none", tmp_path):
        with pytest.raises(JournalMissing):
            inspect_session(folder)


def test_chain_at_any_seq(tmp_path: Path) -> None:
    """The chain's hash at every seq, over segments, is the one of the envelopes; beyond: None."""
    many_segments(tmp_path / "s")
    datas = read_all(tmp_path / "s")
    for seq in range(len(datas) + 1):
        assert chain_at(tmp_path / "s", seq) == chain_of(datas[:seq])
    assert chain_at(tmp_path / "s", len(datas) + 1) is None


def test_the_chain_at_the_watermark_is_compared(tmp_path: Path) -> None:
    """A journal exchanged for another with the same uid and length does not fit its watermark."""
    many_segments(tmp_path / "s")
    many_segments(tmp_path / "other", content=b"y")
    mark = (tmp_path / "s" / "watermark").read_bytes()
    (tmp_path / "other" / "watermark").write_bytes(mark)
    refuse_without_change(tmp_path / "other", ChainBroken)

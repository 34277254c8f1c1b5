"""The reader: from any seq, up to the watermark, behind a writer, over segments and seals."""

from __future__ import annotations

import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from journal.block import HEADER_BYTES
from journal.errors import ChainBroken, JournalCorrupt, JournalMissing, ReadFailed, SegmentGap
from journal.files import OsFiles
from journal.log import SessionLog, WriterOptions
from journal.reader import JournalReader, chain_at, read_entries
from journal.recovery import inspect_session, repair
from journal.seal import seal_session
from journal.watermark import WatermarkFile
from tests.journal.journals import (
    FAST,
    UID,
    Group,
    build,
    chain_of,
    flat,
    make_group,
    make_groups,
    read_all,
    write_session,
)

ROOT = Path(__file__).resolve().parents[2]
SMALL = WriterOptions(segment_size_bytes=120, block_size_bytes=70)


def never() -> bool:
    return False


def live_and_sealed(folder: Path) -> Iterator[bool]:
    """Once as it was written, once sealed; whether it is."""
    yield False
    assert len(seal_session(folder)) > 3
    yield True


def test_the_chain_at_every_seq(tmp_path: Path) -> None:
    """The hash after any entry is the same live or sealed, in the middle of a block too; beyond the
    end there is none. The acknowledged end is the watermark's, and unknown without one."""
    groups = make_groups([2] * 12)
    write_session(tmp_path / "s", [[group] for group in groups], options=SMALL)
    datas = flat(groups)
    for _ in live_and_sealed(tmp_path / "s"):
        for seq in range(len(datas) + 1):
            assert chain_at(tmp_path / "s", seq) == chain_of(datas[:seq])
        assert chain_at(tmp_path / "s", len(datas) + 1) is None
    with JournalReader(tmp_path / "s") as reader:
        assert reader.end_seq() == len(datas)
        (tmp_path / "s" / "watermark").unlink()
        assert reader.end_seq() == 0


def test_from_every_seq(tmp_path: Path) -> None:
    """Reading from any seq gives the rest, over blocks and segments, live or sealed, with the
    chain recomputed or not; a position is the seq and the chain there."""
    groups = make_groups([2] * 12)
    write_session(tmp_path / "s", [[group] for group in groups], options=SMALL)
    datas = flat(groups)
    for _ in live_and_sealed(tmp_path / "s"):
        for seq in range(1, len(datas) + 2):
            for verify in (True, False):
                with JournalReader(tmp_path / "s", from_seq=seq, verify_chain=verify) as reader:
                    assert [entry.data for entry in reader] == datas[seq - 1 :]
                    assert reader.closed
                    assert reader.position.seq == len(datas)
                    assert reader.position.chain == chain_of(datas)
    assert [entry.seq for entry in read_entries(tmp_path / "s", 20)] == list(range(20, 25))


def test_blocks_are_whole_batches(tmp_path: Path) -> None:
    """``iter_blocks`` gives the same entries, one non-empty list for each block."""
    batches = [make_groups([2, 1]), make_groups([3], first_seq=4)]
    build(tmp_path / "s", batches)
    with JournalReader(tmp_path / "s") as reader:
        blocks = list(reader.iter_blocks())
    assert [[entry.data for entry in block] for block in blocks] == [flat(b) for b in batches]


def test_j13_nothing_beyond_the_watermark(tmp_path: Path) -> None:
    """J13: entries that are written and not acknowledged are not read, however much of them is
    there; half a block never raises."""
    path = build(tmp_path / "s", [[make_group(1, 2)]], [make_group(3, 3)])
    whole = path.read_bytes()
    start = build(tmp_path / "acked", [[make_group(1, 2)]]).stat().st_size
    for length in range(start, len(whole) + 1):
        path.write_bytes(whole[:length])
        assert read_all(tmp_path / "s") == list(make_group(1, 2))
    path.write_bytes(whole[: start - 1])
    with pytest.raises(JournalCorrupt):
        read_all(tmp_path / "s")


def test_damage_below_the_watermark_is_named(tmp_path: Path) -> None:
    """Any flip in the acknowledged part stops the reader with a name at the damaged block, and
    what came before is right."""
    batches = [make_groups([2, 1]), make_groups([3], first_seq=4), make_groups([1], first_seq=7)]
    path = build(tmp_path / "s", batches)
    whole = path.read_bytes()
    datas = flat(group for batch in batches for group in batch)
    for at in range(0, len(whole), 2):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << at % 8
        path.write_bytes(damaged)
        got: list[bytes] = []
        with pytest.raises(JournalCorrupt) as caught:
            got.extend(entry.data for entry in JournalReader(tmp_path / "s"))
        assert datas[: len(got)] == got
        assert caught.value.offset is not None
        assert caught.value.offset <= at < caught.value.offset + 300


def test_a_missing_segment_is_a_gap(tmp_path: Path) -> None:
    """Segments that are missing are refused on opening, or where the reader would need them."""
    write_session(tmp_path / "s", [make_groups([2] * 12)], options=SMALL)
    seal_session(tmp_path / "s")
    paths = sorted((tmp_path / "s").glob("*.axs"))
    last = paths[-1].read_bytes()
    paths[-1].unlink()
    with pytest.raises(SegmentGap):
        read_all(tmp_path / "s")
    paths[-1].write_bytes(last)
    paths[1].unlink()
    with pytest.raises(SegmentGap, match="000002"):
        read_all(tmp_path / "s")
    with pytest.raises(JournalMissing):
        read_all(tmp_path)


def test_the_beginning_must_be_the_beginning(tmp_path: Path) -> None:
    """A first segment whose chain begins elsewhere is refused."""
    write_session(tmp_path / "s", [make_groups([1] * 3)])
    path = tmp_path / "s" / "000001.axj"
    data = bytearray(path.read_bytes())
    data[64] ^= 1
    data[128:132] = struct.pack("<I", zlib.crc32(bytes(data[:128])))
    path.write_bytes(data)
    with pytest.raises(ChainBroken):
        read_all(tmp_path / "s")


def test_j08_a_read_error_is_named(tmp_path: Path) -> None:
    """J08: a failing read is refused with the file and the offset."""

    class Failing(OsFiles):
        def read(self, handle: int, offset: int, length: int) -> bytes:
            if offset >= HEADER_BYTES or length > 100_000:
                raise OSError(5, "Input/output error")
            return super().read(handle, offset, length)

    build(tmp_path / "s", [[make_group(1, 2)]])
    with pytest.raises(ReadFailed, match=r"JOURNAL_READ_FAILED.*000001.axj"):
        list(JournalReader(tmp_path / "s", files=Failing()))


def test_a_follower_waits_and_ends(tmp_path: Path) -> None:
    """``follow`` gives None while nothing is there, ends when asked at an idle moment, and ends
    by itself at the final block."""
    build(tmp_path / "s", [[make_group(1, 2)]])
    reader = JournalReader(tmp_path / "s")
    following = reader.follow(poll_s=0, stop=never)
    assert [entry.seq for entry in (next(following), next(following)) if entry] == [1, 2]
    assert next(following) is None
    end, _ = repair(inspect_session(tmp_path / "s", files=FAST), FAST)
    mark = WatermarkFile.open(tmp_path / "s", FAST, writable=True)
    log = SessionLog(tmp_path / "s", bytes.fromhex(UID), mark, SMALL, FAST, end)
    log.add_group(make_group(3, 1))
    log.sync()
    entry = next(following)
    assert entry is not None
    assert entry.seq == 3
    assert list(JournalReader(tmp_path / "s").follow(poll_s=0, stop=lambda: True))[-1] == entry
    log.finish()
    log.close()
    assert list(following) == []
    assert reader.closed


class Interleaving(RuleBasedStateMachine):
    """J13: a writer and a follower take turns in any order; segments roll, get sealed, the
    writer dies and is resumed. The follower has always read exactly a prefix, up to the
    watermark when it looks."""

    @initialize(tmp=st.just(None))
    def begin(self, tmp: None) -> None:
        self.tmp = tempfile.TemporaryDirectory()
        self.folder = Path(self.tmp.name) / "s"
        FAST.make_folder(self.folder)
        mark = WatermarkFile.create(self.folder, bytes.fromhex(UID), FAST)
        self.log = SessionLog(self.folder, bytes.fromhex(UID), mark, SMALL, FAST)
        self.said: list[bytes] = []
        self.acknowledged = 0
        self.finished = False
        self.reader = JournalReader(self.folder)
        self.following = self.reader.follow_blocks(poll_s=0, stop=never)
        self.got: list[bytes] = []

    @precondition(lambda self: not self.finished)
    @rule(size=st.integers(1, 3), length=st.integers(0, 90))
    def add(self, size: int, length: int) -> None:
        group: Group = make_group(len(self.said) + 1, size, b"h" * length)
        before = self.log.head_seq if self.log._segment_raw >= SMALL.segment_size_bytes else 0
        self.log.add_group(group)
        self.acknowledged = max(self.acknowledged, before)
        self.said += group

    @precondition(lambda self: not self.finished)
    @rule()
    def flush(self) -> None:
        self.log.flush()

    @precondition(lambda self: not self.finished)
    @rule()
    def sync(self) -> None:
        self.log.sync()
        self.acknowledged = len(self.said)

    @precondition(lambda self: not self.finished and self.acknowledged == len(self.said))
    @rule()
    def mark(self) -> None:
        self.log.mark()

    @rule()
    def seal(self) -> None:
        seal_session(self.folder, files=FAST)

    @precondition(lambda self: not self.finished)
    @rule()
    def die_and_resume(self) -> None:
        self.log.close()
        end, tail = repair(inspect_session(self.folder, files=FAST), FAST)
        assert self.acknowledged <= tail.head_seq <= len(self.said)
        mark = WatermarkFile.open(self.folder, FAST, writable=True)
        self.log = SessionLog(self.folder, bytes.fromhex(UID), mark, SMALL, FAST, end)
        self.acknowledged = tail.head_seq
        self.said = self.said[: tail.head_seq]
        if tail.incomplete:
            rest = make_group(tail.head_seq + 1, 1)
            self.log.add_group(rest)
            self.said += rest

    @precondition(lambda self: not self.finished)
    @rule()
    def finish(self) -> None:
        self.log.finish()
        self.acknowledged = len(self.said)
        self.finished = True

    @rule()
    def read(self) -> None:
        for block in self.following:
            if block is None:
                break
            self.got += [entry.data for entry in block]
        assert self.got == self.said[: self.acknowledged]
        assert self.reader.closed == self.finished

    @rule(data=st.data())
    def read_anew(self, data: st.DataObject) -> None:
        seq = data.draw(st.integers(1, self.acknowledged + 1))
        assert read_all(self.folder, seq) == self.said[seq - 1 : self.acknowledged]

    @invariant()
    def a_prefix(self) -> None:
        if hasattr(self, "got"):
            assert self.got == self.said[: len(self.got)]

    def teardown(self) -> None:
        if hasattr(self, "tmp"):
            self.reader.close()
            self.log.close()
            self.tmp.cleanup()


TestInterleaving = Interleaving.TestCase
TestInterleaving.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)

WRITER = """
import sys
from pathlib import Path
from journal.log import WriterOptions
from journal.seal import seal_session
from journal.writer import JournalWriter
from tests.journal.journals import UID, make_group
folder = Path(sys.argv[1])
options = WriterOptions(segment_size_bytes=8000, linger_ms=1)
writer = JournalWriter.create(folder, UID, options=options)
print("begun", flush=True)
seq = 1
for turn in range(600):
    writer.append(make_group(seq, 3, b"f" * 30))
    seq += 3
    if turn % 100 == 99:
        writer.wait_durable(seq - 1)
        seal_session(folder)
writer.close()
seal_session(folder)
"""


def test_j13_a_follower_in_another_process(tmp_path: Path) -> None:
    """J13: while another process writes, rolls and seals, a follower reads every entry once, in
    order, and ends with the session."""
    child = subprocess.Popen(
        (sys.executable, "-P", "-c", WRITER, str(tmp_path / "s")),
        env={"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "begun\n"
    with JournalReader(tmp_path / "s") as reader:
        following = reader.follow(poll_s=0.001, stop=lambda: child.poll() not in (None, 0))
        got = [entry.data for entry in following if entry is not None]
    child.stdout.close()
    assert child.wait() == 0
    assert got == flat(make_groups([3] * 600, b"f" * 30))

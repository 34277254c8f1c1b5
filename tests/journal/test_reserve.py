"""A full disk with a reserve: nothing taken is lost, exits still go, space ends it well."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from journal.block import HEADER_BYTES, parse_header
from journal.close import close_session
from journal.errors import JournalError, JournalFull, ReserveOnly
from journal.files import OS_FILES
from journal.reader import JournalReader
from journal.reserve import RESERVE_NAME
from journal.simulated import Fault, Mode, SimulatedDisk, SimulatedFiles, Step
from journal.verify import verify_session
from journal.watermark import Watermark, WatermarkFile
from journal.writer import JournalWriter
from tests.journal.crash import FOLDER, NAME, OPTIONS, SECTOR_BYTES, Trace, check, ending, look
from tests.journal.disks import small_disk
from tests.journal.journals import UID, Group, flat, make_group, read_all

RESERVE_BYTES = 2_200
RESERVED = msgspec.structs.replace(OPTIONS, reserve_size_bytes=RESERVE_BYTES)


def begun(room: int, fault: Fault | None = None) -> tuple[SimulatedFiles, JournalWriter]:
    """A session with its reserve on a disk that has ``room`` bytes left."""
    files = SimulatedFiles(SimulatedDisk(sector_bytes=SECTOR_BYTES), fault)
    files.make_folder(FOLDER)
    writer = JournalWriter.create(FOLDER, UID, options=RESERVED, files=files)
    files.disk.capacity_bytes = files.disk.used_bytes() + room
    return files, writer


def say(writer: JournalWriter, trace: Trace, *, essential: bool, size: int = 2) -> bool:
    """One group, acknowledged; False when the disk is full and it was not essential."""
    group = make_group(writer.head_seq + 1, size)
    try:
        last = writer.append(group, essential=essential)
    except ReserveOnly:
        return False
    trace.said += group
    assert writer.wait_durable(last, 60)
    trace.acknowledged = last
    return True


def until_full(writer: JournalWriter, trace: Trace, size: int = 2) -> None:
    """Groups that are not essential, until they are refused."""
    for _ in range(100):
        if not say(writer, trace, essential=False, size=size):
            return
    raise AssertionError("the disk never filled")


def exit_for_ever(writer: JournalWriter, trace: Trace) -> None:
    while True:
        say(writer, trace, essential=True)


def test_j05_a_full_disk_still_takes_exits(tmp_path: Path) -> None:
    """J05: wherever the disk fills up (any byte of a block, a new segment), what was taken is
    durable in the reserve, a group that is not essential is refused without harm, essential ones
    are taken, a follower misses nothing, and with space again the session goes on and closes."""
    moved = set()
    for room in range(0, 700, 13):
        files, writer = begun(room)
        trace = Trace()
        with ending(writer):
            until_full(writer, trace)
            assert writer.disk_full
            with pytest.raises(ReserveOnly, match="JOURNAL_FULL"):
                writer.append(make_group(writer.head_seq + 1, 1))
            assert all(say(writer, trace, essential=True) for _ in range(3))
            look(files.disk, trace)
            assert (trace.wrong, trace.seen) == ([], len(trace.said))
            moved.add(tuple(name for name in files.names(FOLDER) if name.endswith(".axj")))
            files.disk.export(FOLDER, tmp_path / str(room))
            assert verify_session(tmp_path / str(room)).ok
            writer.close(final=False)
        files.end_process()
        files.disk.capacity_bytes = None
        writer, tail = JournalWriter.resume(FOLDER, options=RESERVED, files=files)
        with ending(writer):
            assert (tail.head_seq, tail.cut_bytes) == (trace.acknowledged, 0)
            assert not writer.disk_full
            assert all(say(writer, trace, essential=False) for _ in range(3))
            writer.close()
        close_session(FOLDER, None, files=files)
        files.disk.export(FOLDER, tmp_path / "closed" / str(room) / NAME)
        report = verify_session(tmp_path / "closed" / str(room) / NAME)
        assert (report.ok, report.closed, report.entries) == (True, True, len(trace.said))
        assert read_all(tmp_path / "closed" / str(room) / NAME) == trace.said
        assert RESERVE_NAME not in files.names(FOLDER)
    assert len(moved) == 2
    sys.stdout.write(f"J05: {len(range(0, 700, 13))} places where the disk was full\n")


def filled(fault: Fault) -> tuple[SimulatedFiles, Trace]:
    """A session that fills its disk and goes on in the reserve, with a crash on the way."""
    trace = Trace()
    files, writer = begun(300, fault)
    with contextlib.suppress(JournalError), ending(writer):
        until_full(writer, trace)
        assert all(say(writer, trace, essential=True) for _ in range(3))
        writer.close()
        trace.final_asked = True
    files.end_process()
    return files, trace


def test_j13_a_follower_is_not_misled_by_what_was_cut_back() -> None:
    """J13: a follower that takes a block at some steps of the disk, and so has read ahead what is
    then cut back, because the disk is full, reads every entry once, in order, into the reserve."""
    places = list(itertools.product(range(0, 700, 41), range(2, 7)))
    for room, pace in places:
        files, writer = begun(room)
        trace = Trace()
        got: list[bytes] = []
        reader = JournalReader(FOLDER, files=SimulatedFiles(files.disk))

        def poll(
            step: Step, reader: JournalReader = reader, got: list[bytes] = got, pace: int = pace
        ) -> None:
            if step.number % pace == 0:
                got += [entry.data for entry in next(reader.iter_blocks(), [])]

        files.before_step = poll
        with ending(writer):
            until_full(writer, trace, size=6)
            assert say(writer, trace, essential=True)
            writer.close()
        got += [entry.data for entry in reader]
        assert got == trace.said
        assert reader.closed
        reader.close()


def test_j05_a_crash_anywhere_on_the_way_to_the_reserve_loses_nothing() -> None:
    """J05, J10: the machine stops at any step before, while or after the reserve becomes a
    segment; every disk this may leave opens with all that was acknowledged."""
    quiet, _ = filled(Fault(1 << 30, Mode.CRASH))
    rename = next(step.number for step in quiet.steps if step.verb == "rename")
    born = next(step.number for step in quiet.steps if step.name == "000001.axj")
    first = max(born + 2, rename - 12)
    disks = 0
    for step in range(first, len(quiet.steps)):
        files, trace = filled(Fault(step, Mode.CRASH))
        trace.final_asked = True
        files.disk.capacity_bytes = None
        for number, survivor in enumerate(files.disk.survivors()):
            if number < 2 or number % 9 == step % 9:
                assert check(survivor, trace, go_on=number < 2) == [], step
                disks += 1
    assert disks > 200
    sys.stdout.write(f"J05: {disks} disks after a crash near the reserve\n")


def test_j05_a_reserve_that_is_used_up_ends_the_writer() -> None:
    """J05: the reserve is finite: then JOURNAL_FULL ends the writer, and nothing acknowledged is
    lost."""
    files, writer = begun(50)
    trace = Trace()
    with ending(writer):
        until_full(writer, trace)
        with pytest.raises(JournalFull, match="the reserve is used up"):
            exit_for_ever(writer, trace)
    assert trace.acknowledged > 10
    files.end_process()
    files.disk.capacity_bytes = None
    assert check(files.disk, trace, go_on=True) == []


def test_j05_a_reserve_needs_its_space_at_the_start() -> None:
    """J05: without room for the reserve a session does not begin; the refusal says what to do,
    and leaves neither a half reserve nor a lock behind."""
    files = SimulatedFiles(SimulatedDisk())
    files.make_folder(FOLDER)
    for capacity, word in ((1_000, "cannot be made"), (5_000, "free some space")):
        files.disk.capacity_bytes = capacity
        with pytest.raises(JournalFull, match=word):
            JournalWriter.create(FOLDER, UID, options=RESERVED, files=files)
        files.unlink(FOLDER / "watermark")
    assert RESERVE_NAME not in files.names(FOLDER)
    with pytest.raises(ValueError, match="a sync a batch"):
        JournalWriter.create(
            Path("/axiom/other"),
            UID,
            options=msgspec.structs.replace(RESERVED, sync="at_close"),
            files=SimulatedFiles(SimulatedDisk()),
        )


def test_j05_a_durable_end_inside_a_group_stays_in_its_segment() -> None:
    """J05: no segment ends inside a group: where only a part of one is durable, a full disk ends
    the writer; that part stays, and with space the group is completed."""
    files, writer = begun(10_000)
    with ending(writer):
        writer.append(make_group(1, 5))
        writer.close(final=False)
    files.end_process()
    handle = files.open(FOLDER / "000001.axj", "edit")
    first = parse_header(files.read(handle, 0, HEADER_BYTES))
    files.truncate(handle, first.end_offset)
    mark = WatermarkFile.open(FOLDER, files, writable=True)
    for count in (8, 9):
        mark.write(Watermark(bytes.fromhex(UID), count))
    for room in (10, 10_000):
        files.end_process()
        files.disk.capacity_bytes = None
        writer, tail = JournalWriter.resume(FOLDER, options=RESERVED, files=files)
        assert 0 < len(tail.incomplete) == first.count < 5
        files.disk.capacity_bytes = files.disk.used_bytes() + room
        with ending(writer):
            last = writer.append(make_group(1, 5)[first.count :])
            if room == 10:
                with pytest.raises(JournalFull):
                    writer.wait_durable(last, 60)
            else:
                assert writer.wait_durable(last, 60)
    trace = Trace()
    trace.said, trace.acknowledged = list(make_group(1, 5)), 5
    files.end_process()
    files.disk.capacity_bytes = None
    assert check(files.disk, trace) == []


# -- a real file system ------------------------------------------------------------------------

TMPFS_BYTES = 256 * 1024


@pytest.fixture(name="small_disk")
def small(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 256 KiB, where this user may mount one."""
    with small_disk(tmp_path / "small", TMPFS_BYTES) as folder:
        yield folder


def test_j05_a_disk_that_is_really_full(small_disk: Path) -> None:
    """J05: on a file system of 256 KiB the reserve is really there when nothing else is: entries
    until it is full, exits in the reserve, then space again and an orderly end."""
    options = msgspec.structs.replace(
        RESERVED, reserve_size_bytes=64 * 1024, segment_size_bytes=40_000, block_size_bytes=8_000
    )
    folder = small_disk / "s"
    said: list[bytes] = []

    def append(writer: JournalWriter, *, essential: bool) -> None:
        group = make_group(writer.head_seq + 1, 1, os.urandom(3_000))
        assert writer.wait_durable(writer.append(group, essential=essential), 60)
        said.extend(group)

    ballast = OS_FILES.open(small_disk / "ballast", "create")
    OS_FILES.allocate(ballast, 48 * 1024)
    OS_FILES.close(ballast)
    writer = JournalWriter.create(folder, UID, options=options)
    with pytest.raises(ReserveOnly):  # noqa: PT012 (until it is full)
        while True:
            append(writer, essential=False)
    before = len(said)
    assert OS_FILES.free_space(small_disk) < 8_192
    for _ in range(8):
        append(writer, essential=True)
    assert read_all(folder) == said
    writer.close(final=False)
    OS_FILES.unlink(small_disk / "ballast")
    writer, tail = JournalWriter.resume(
        folder, options=msgspec.structs.replace(options, reserve_size_bytes=0)
    )
    assert tail.head_seq == len(said) == before + 8
    append(writer, essential=False)
    writer.close()
    with JournalReader(folder) as reader:
        assert [entry.data for entry in reader] == said
        assert reader.closed
    assert verify_session(folder).ok


def test_j05_without_a_reserve_a_full_disk_is_named_and_survived(small_disk: Path) -> None:
    """J05: a real full disk without a reserve ends the writer as JOURNAL_FULL; what was
    acknowledged is there, and with space again the session goes on."""
    folder = small_disk / "s"
    writer = JournalWriter.create(folder, UID)
    groups: list[Group] = []
    with pytest.raises(JournalFull):  # noqa: PT012 (until it is full)
        while True:
            group = make_group(len(groups) + 1, 1, os.urandom(1_500))
            assert writer.wait_durable(writer.append(group), 60)
            groups.append(group)
    with pytest.raises(JournalFull):
        writer.close()
    assert len(groups) > 50
    assert read_all(folder) == flat(groups)
    subprocess.run(("mount", "-o", f"remount,size={2 * TMPFS_BYTES}", str(small_disk)), check=True)
    writer, tail = JournalWriter.resume(folder)
    assert tail.head_seq >= len(groups)
    writer.append(make_group(tail.head_seq + 1, 1))
    writer.close()
    assert read_all(folder)[: len(groups)] == flat(groups)

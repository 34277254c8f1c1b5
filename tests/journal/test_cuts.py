"""J01: a torn tail is noted before it is cut, once, whatever dies in between.

The machine crashes at every step of reopening a session with a torn tail; whatever of that the disk
keeps, the one who comes next knows of every byte that was cut.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import sys
from pathlib import Path

import pytest

from journal.backup import back_up_session, restore_session
from journal.close import close_session
from journal.cuts import CUTS_NAME, read_cuts, untold_bytes
from journal.errors import JournalError, LedgerCorrupt, WriteFailed
from journal.files import How
from journal.ledger import read_ledger
from journal.log import SessionLog, WriterOptions
from journal.simulated import Fault, Mode, SimulatedDisk, SimulatedFiles
from journal.verify import verify_session
from journal.watermark import WatermarkFile
from journal.writer import JournalWriter
from tests.journal.journals import (
    UID,
    FastFiles,
    build,
    make_group,
    make_groups,
    snapshot,
)

FOLDER = Path("/axiom/s")
SEGMENT = FOLDER / "000001.axj"
GROUPS = make_groups([2, 1, 3])
ENTRIES = 6
OPTIONS = WriterOptions(linger_ms=0, idle_sync_ms=3_600_000)
TORN = b"\x89AXJ\r\n\x1a\n and no more than the beginning of a block"


def torn_disk() -> tuple[SimulatedDisk, bytes]:
    """A session whose writer was killed: a batch that was acknowledged, then a block that was not
    and a torn one, which the system has still to write; with the segment's whole blocks."""
    disk = SimulatedDisk(sector_bytes=64)
    files = SimulatedFiles(disk)
    files.make_folder(FOLDER)
    mark = WatermarkFile.create(FOLDER, bytes.fromhex(UID), files)
    files.sync_dir(FOLDER)
    log = SessionLog(FOLDER, bytes.fromhex(UID), mark, OPTIONS, files)
    for group in GROUPS[:2]:
        log.add_group(group)
    log.sync()
    log.add_group(GROUPS[2])
    log.flush()
    handle = files.open(SEGMENT, "edit")
    whole = files.read(handle, 0, files.size(handle))
    files.write(handle, len(whole), TORN)
    files.end_process()
    return disk, whole


def reopen(files: SimulatedFiles) -> int:
    """What is not told of when the session is opened again, which is then paused."""
    writer, tail = JournalWriter.resume(FOLDER, options=OPTIONS, files=files)
    with writer:
        untold = untold_bytes(FOLDER, tail, -1, files=files)
        writer.close(final=False)
    return untold


@pytest.mark.slow
def test_a_cut_is_noted_once_whenever_the_machine_crashes(tmp_path: Path) -> None:
    """After a crash at each step of reopening, with everything that the disk may keep of it: once
    the cut is asked for, every disk has its note; the next reopening counts the bytes once; and the
    session with its notes verifies."""
    crashes = disks = after_cut = 0
    for step in itertools.count():
        disk, whole = torn_disk()
        files = SimulatedFiles(disk, Fault(step, Mode.CRASH))
        with contextlib.suppress(JournalError, OSError):
            reopen(files)
        files.end_process()
        if step >= len(files.steps):
            break
        crashes += files.fired
        is_cut = any((one.verb, one.name) == ("truncate", SEGMENT.name) for one in files.steps)
        for left in disk.survivors() if files.fired else ():
            disks += 1
            after_cut += is_cut
            check(left, whole, tmp_path / f"{disks}", is_cut=is_cut)
    sys.stdout.write(f"{crashes} crashes, {disks} disks, {after_cut} of them after the cut\n")
    assert crashes > 10
    assert after_cut > 10


def check(left: SimulatedDisk, whole: bytes, to: Path, *, is_cut: bool) -> None:
    """One disk that a crash left, whose tail had been cut or not."""
    files = SimulatedFiles(left)
    handle = files.open(SEGMENT, "read")
    held = files.read(handle, 0, files.size(handle))
    untold = reopen(files)
    cuts = read_cuts(FOLDER, files=files)
    notes = [cut.after_seq for cut in cuts if cut.digest == hashlib.sha256(TORN).hexdigest()]
    if is_cut or held == whole + TORN:
        assert notes == [ENTRIES], left.label
    assert untold == sum(cut.cut_bytes for cut in cuts), left.label
    files.end_process()
    assert reopen(SimulatedFiles(left.everything())) == untold, left.label
    left.export(FOLDER, to)
    report = verify_session(to)
    assert report.ok, (left.label, report.problems)


def test_what_the_journal_tells_of_is_not_counted_again(tmp_path: Path) -> None:
    """Cuts behind entries that a ``TailCut`` names are told; those behind later ones are not."""
    told: list[list[int]] = []
    for size in (20, 30):
        path = tmp_path / "s" / "000001.axj"
        if not told:
            build(tmp_path / "s", [GROUPS])
        with path.open("ab") as file:
            file.write(TORN[:size])
        writer, tail = JournalWriter.resume(tmp_path / "s", options=OPTIONS)
        with writer:
            told.append([untold_bytes(writer.folder, tail, seq) for seq in (-1, ENTRIES)])
            writer.append(make_group(writer.head_seq + 1, 1))
            writer.close(final=False)
    assert told == [[20, 0], [50, 30]]


def test_a_closing_that_died_tells_the_ledger_what_was_cut(tmp_path: Path) -> None:
    """The tail was cut by one who died before the record; the record of the next one says it."""
    path = build(tmp_path / "s", [GROUPS])
    with path.open("ab") as file:
        file.write(TORN)

    class Dies(FastFiles):
        def open(self, path: Path, how: How) -> int:
            if path.name == "ledger.axl":
                raise OSError(errno.ENODEV, "the process is dead")
            return super().open(path, how)

    with pytest.raises(WriteFailed):
        close_session(tmp_path / "s", tmp_path / "ledger.axl", files=Dies())
    closed = close_session(tmp_path / "s", tmp_path / "ledger.axl")
    assert closed.tail is None
    (record,) = read_ledger(tmp_path / "ledger.axl")
    assert record.cut_bytes == len(TORN)


def test_a_full_disk_does_not_keep_a_session_from_going_on(tmp_path: Path) -> None:
    """Without room for the note the tail is cut all the same, and its bytes are counted."""
    path = build(tmp_path / "s", [GROUPS])
    with path.open("ab") as file:
        file.write(TORN)

    class Full(FastFiles):
        def open(self, path: Path, how: How) -> int:
            if path.name == CUTS_NAME and how == "lock":
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().open(path, how)

    writer, tail = JournalWriter.resume(tmp_path / "s", options=OPTIONS, files=Full())
    with writer:
        assert read_cuts(tmp_path / "s") == ()
        assert untold_bytes(tmp_path / "s", tail, -1) == len(TORN)
        writer.close(final=False)


def test_a_changed_note_refuses_before_anything_is_cut(tmp_path: Path) -> None:
    """Of a session whose notes are not as they were written nothing is cut: by name, with place."""
    path = build(tmp_path / "s", [GROUPS])
    for _ in range(2):
        with path.open("ab") as file:
            file.write(TORN)
        writer, _ = JournalWriter.resume(tmp_path / "s", options=OPTIONS)
        writer.close(final=False)
    notes = tmp_path / "s" / CUTS_NAME
    notes.write_bytes(notes.read_bytes().replace(b'"cut_bytes":5', b'"cut_bytes":4', 1))
    with path.open("ab") as file:
        file.write(TORN)
    before = snapshot(tmp_path / "s")
    with pytest.raises(LedgerCorrupt, match=r"record 1 .*put it elsewhere to go on"):
        JournalWriter.resume(tmp_path / "s", options=OPTIONS)
    assert snapshot(tmp_path / "s") == before
    notes.rename(tmp_path / "elsewhere")
    writer, tail = JournalWriter.resume(tmp_path / "s", options=OPTIONS)
    writer.close()
    assert tail.cut_bytes == len(TORN)


def noted_session(folder: Path, uid: str = UID, seq: int = 1) -> None:
    """A session that was cut, went on and was paused."""
    path = build(folder, [make_groups([2, seq])], uid=uid)
    with path.open("ab") as file:
        file.write(TORN)
    writer, _ = JournalWriter.resume(folder, options=OPTIONS)
    writer.append(make_group(writer.head_seq + 1, 1))
    writer.close(final=False)


def test_verify_lists_the_notes_and_finds_a_changed_one(tmp_path: Path) -> None:
    """Every byte of the file is under a hash, and a note must fit the session's chain."""
    noted_session(tmp_path / "s")
    report = verify_session(tmp_path / "s")
    assert (report.ok, len(read_cuts(tmp_path / "s"))) == (True, 1)
    said = f"{len(TORN)} bytes behind seq 3 were a torn tail, and are cut"
    assert said in report.notes
    path = tmp_path / "s" / CUTS_NAME
    whole, found = path.read_bytes(), 0
    for at in range(len(whole) - 1):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        found += "LEDGER_CORRUPT" in [one.code for one in verify_session(tmp_path / "s").problems]
    sys.stdout.write(f"{found} of {len(whole) - 1} changed bytes found\n")
    assert found == len(whole) - 1
    for name, uid, seq in (("of", "ffffffffffff", 1), ("longer", UID, 4)):
        noted_session(tmp_path / name, uid, seq)
        path.write_bytes((tmp_path / name / CUTS_NAME).read_bytes())
        (problem,) = verify_session(tmp_path / "s").problems
        assert (problem.code, problem.file) == ("LEDGER_DIFFERS", CUTS_NAME)


def test_a_copy_has_the_notes_of_what_it_holds(tmp_path: Path) -> None:
    """A backup takes the notes over, also of a session that was copied before its tail was cut; the
    copy's own torn tail is no cut of the session."""
    name = f"2025-08-29-paper-{UID}"
    source = tmp_path / "desk" / name
    path = build(source, [make_groups([2, 1])])
    back_up_session(source, tmp_path / "copies")
    assert read_cuts(tmp_path / "copies" / name) == ()
    with path.open("ab") as file:
        file.write(TORN)
    writer, _ = JournalWriter.resume(source, options=OPTIONS)
    writer.append(make_group(writer.head_seq + 1, 1))
    writer.close(final=False)
    copied = tmp_path / "copies" / name / "000001.axj"
    copied.write_bytes(copied.read_bytes() + TORN[:9])
    assert back_up_session(source, tmp_path / "copies").state == "grown"
    assert read_cuts(tmp_path / "copies" / name) == read_cuts(source) != ()
    restore_session(tmp_path / "copies" / name, tmp_path / "restored")
    assert read_cuts(tmp_path / "restored" / name) == read_cuts(source)

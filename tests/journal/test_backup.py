"""Backup and restore: a copy is a journal at every moment, whichever side dies, and nothing that
differs is ever written over."""

from __future__ import annotations

import errno
import os
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from journal.backup import (
    CopiedSession,
    back_up_session,
    checked_desk,
    copy_ledger,
    list_copies,
    restore_session,
    take_copy_lock,
)
from journal.close import close_session
from journal.errors import (
    BackupDiffers,
    BadSessionName,
    JournalCorrupt,
    JournalError,
    JournalLocked,
    LedgerCorrupt,
    UnsafePath,
)
from journal.files import Files, How
from journal.ledger import append_record, ledger_bytes, read_ledger
from journal.log import SessionLog, WriterOptions
from journal.manifest import describe_session, read_manifest, write_manifest
from journal.recovery import inspect_session, repair
from journal.seal import seal_session
from journal.verify import verify_ledger, verify_session
from journal.watermark import WatermarkFile, read_watermark
from tests.journal.journals import FAST, UID, FastFiles, Group, make_groups, read_all, snapshot

NAME = f"2025-08-29-paper-{UID}"
SMALL = WriterOptions(segment_size_bytes=300, block_size_bytes=120)
MARK_BYTES = 4160
GROUPS = make_groups([1, 3, 2, 4, 1, 1, 2, 5] * 8, b"back me up " * 2)


class Dying(FastFiles):
    """A disk whose process dies at change number ``left`` from now: of a write half arrives."""

    def __init__(self, left: int) -> None:
        self.left = left

    def _change(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise OSError(errno.ENODEV, "the process is dead")

    def open(self, path: Path, how: How) -> int:
        if how in ("create", "lock"):
            self._change()
        return super().open(path, how)

    def write(self, handle: int, offset: int, data: bytes | memoryview) -> None:
        if self.left == 0:
            super().write(handle, offset, data[: len(data) // 2])
        self._change()
        super().write(handle, offset, data)

    def truncate(self, handle: int, size: int) -> None:
        self._change()
        super().truncate(handle, size)

    def rename(self, source: Path, target: Path) -> None:
        self._change()
        super().rename(source, target)

    def unlink(self, path: Path) -> None:
        self._change()
        super().unlink(path)

    def make_folder(self, folder: Path, *, exclusive: bool = False) -> None:
        if not folder.is_dir():
            self._change()
        super().make_folder(folder, exclusive=exclusive)


class Engine:
    """A session that is being written, step by step and without threads."""

    def __init__(self, folder: Path, files: Files = FAST) -> None:
        self.folder = folder
        self.files = files
        self.left = list(GROUPS)
        self.files.make_folder(folder)
        day, mode, uid = NAME[:10], "paper", UID
        about = describe_session(session=NAME, uid=uid, day=day, mode=mode, program="test 1")
        write_manifest(folder, about, files=self.files)
        mark = WatermarkFile.create(folder, bytes.fromhex(UID), self.files)
        self.log = SessionLog(folder, bytes.fromhex(UID), mark, SMALL, self.files)

    def append(self, count: int = 3) -> None:
        """So many groups, each batch acknowledged."""
        for group in self._take(count):
            self.log.add_group(group)
        self.log.sync()

    def idle(self) -> None:
        """A sync mark: an empty block behind the last acknowledged entry."""
        self.log.mark()

    def seal(self) -> None:
        """Seal what is finished."""
        seal_session(self.folder, files=self.files)

    def die(self) -> None:
        """Half a block behind the watermark, then the next engine recovers and goes on."""
        for group in self._take(1):
            self.log.add_group(group)
        self.log.flush()
        self.log.close()
        path = max(self.folder.glob("*.axj"))
        path.write_bytes(path.read_bytes()[:-7])
        end, _ = repair(inspect_session(self.folder, files=self.files), self.files)
        mark = WatermarkFile.open(self.folder, self.files, writable=True)
        self.log = SessionLog(self.folder, bytes.fromhex(UID), mark, SMALL, self.files, end)
        self.left = groups_after(end.head_seq)

    def close(self) -> None:
        """End the session: final block, seals, its line in the ledger."""
        self.log.close()
        close_session(self.folder, self.folder.parent.parent / "ledger.axl", files=self.files)

    def _take(self, count: int) -> list[Group]:
        taken, self.left = self.left[:count], self.left[count:]
        return taken


def groups_after(seq: int) -> list[Group]:
    """What is left to append; of a group that is there in part, the rest."""
    left, last = [], 0
    for group in GROUPS:
        last += len(group)
        if last > seq:
            left.append(group[-(last - seq) :])
    return left


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(tmp_path / "home/desks/main/sessions" / NAME)


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """The folder of sessions in a backup."""
    return tmp_path / "backup/desks/main/sessions"


def acknowledged(folder: Path) -> list[bytes]:
    """What the watermark of a session says is durable."""
    mark = read_watermark(folder)
    return [data for group in GROUPS for data in group][: mark.seq]


def check_copy(source: Path, copy: Path) -> None:
    """The copy verifies and holds what was acknowledged."""
    report = verify_session(copy)
    assert report.ok, report.problems
    assert read_all(copy) == acknowledged(source)
    assert read_manifest(copy) == read_manifest(source)
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in copy.iterdir())
    assert copy.stat().st_mode & 0o777 == copy.parent.stat().st_mode & 0o777 == 0o700


def segments(folder: Path) -> dict[str, bytes]:
    """The bytes of a folder's segments."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.ax?"))}


def test_a_closed_session_is_copied_as_it_is(engine: Engine, backup: Path) -> None:
    """Every segment byte for byte; the second run writes nothing and says so."""
    engine.append(40)
    engine.close()
    first = back_up_session(engine.folder, backup, files=FAST)
    check_copy(engine.folder, backup / NAME)
    assert segments(backup / NAME) == segments(engine.folder)
    assert len(segments(backup / NAME)) > 3
    assert (first.state, first.end.closed, first.end.seq) == ("new", True, 95)
    before = snapshot(backup / NAME)
    again = back_up_session(engine.folder, backup, files=FAST)
    assert (again.state, again.written_bytes, again.end) == ("unchanged", 0, first.end)
    assert snapshot(backup / NAME) == before


@pytest.mark.parametrize("side", ["copy", "session"])
def test_a_sealed_file_of_another_size_is_no_unchanged_one(
    engine: Engine, backup: Path, side: str
) -> None:
    """Behind equal watermarks a cut of either side is found, and the other side stays as it is."""
    engine.append(40)
    engine.close()
    target = backup / NAME
    back_up_session(engine.folder, backup, files=FAST)
    cut, other = (target, engine.folder) if side == "copy" else (engine.folder, target)
    segment = sorted(cut.glob("*.axs"))[-1]
    os.truncate(segment, segment.stat().st_size - 1)
    before = snapshot(other)
    with pytest.raises((JournalCorrupt, BackupDiffers)):
        back_up_session(engine.folder, backup, files=FAST)
    assert snapshot(other) == before


def test_a_running_session_is_copied_to_its_watermark(engine: Engine, backup: Path) -> None:
    """What is written and not acknowledged is not taken; what came since is appended, not copied
    anew; in the end the copy's sealed files are the session's."""
    engine.append(20)
    for group in engine.left[:2]:
        engine.log.add_group(group)
    engine.log.flush()
    one = back_up_session(engine.folder, backup, files=FAST)
    check_copy(engine.folder, backup / NAME)
    assert one.end.seq == read_watermark(engine.folder).seq < engine.log.head_seq
    engine.log.sync()
    two = back_up_session(engine.folder, backup, files=FAST)
    check_copy(engine.folder, backup / NAME)
    assert (two.state, two.end.seq) == ("grown", engine.log.head_seq)
    assert two.written_bytes - MARK_BYTES < (one.written_bytes - MARK_BYTES) / 4
    engine.left = engine.left[2:]
    engine.append(20)
    engine.close()
    assert back_up_session(engine.folder, backup, files=FAST).end.closed
    assert segments(backup / NAME) == segments(engine.folder)


STEPS: tuple[Callable[[Engine], None], ...] = (
    Engine.append, Engine.append, Engine.append, Engine.idle, Engine.seal, Engine.die
)  # fmt: skip


@pytest.mark.parametrize("seed", range(25))
def test_copies_at_any_moments_follow_the_session(engine: Engine, backup: Path, seed: int) -> None:
    """Whatever the engine did between two runs (append, roll, idle, seal, die and recover), the
    copy is a journal of all that was acknowledged; after closing its files are the session's."""
    choose = random.Random(seed)
    for _ in range(choose.randint(1, 12)):
        for _ in range(choose.randint(0, 5)):
            choose.choice(STEPS)(engine)
        back_up_session(engine.folder, backup, files=FAST)
        check_copy(engine.folder, backup / NAME)
    engine.close()
    assert back_up_session(engine.folder, backup, files=FAST).end.closed
    check_copy(engine.folder, backup / NAME)
    assert segments(backup / NAME) == segments(engine.folder)
    assert back_up_session(engine.folder, backup, files=FAST).state == "unchanged"


Copy = Callable[[FastFiles], CopiedSession]


def steps_of(copy: Copy) -> int:
    """How many changes of the disk a whole run makes."""
    counting = Dying(1_000_000)
    copy(counting)
    return 1_000_000 - counting.left


def die_at_every_step(copy: Copy, sessions: Path, source: Path) -> int:
    """Let a run die before each of its changes; in each state between, what has the session's name
    verifies and holds a beginning of it, no less than before; a second run ends as an undisturbed
    one does. Returns the number of deaths."""
    start = sessions.with_name("start")
    shutil.copytree(sessions, start) if sessions.is_dir() else start.mkdir(parents=True)

    def reset() -> None:
        shutil.rmtree(sessions, ignore_errors=True)
        shutil.copytree(start, sessions)
        sessions.chmod(0o700)

    held = len(read_all(start / NAME)) if (start / NAME).is_dir() else 0
    reset()
    total = steps_of(copy)
    done = snapshot_segments(sessions)
    for step in range(total):
        reset()
        with pytest.raises(JournalError):
            copy(Dying(step))
        if (sessions / NAME).is_dir():
            report = verify_session(sessions / NAME)
            assert report.ok, (step, report.problems)
            entries = read_all(sessions / NAME)
            # A watermark torn in its turn gives way to the one before: less may be read for now.
            assert report.entries >= held, step
            assert entries == acknowledged(source)[: len(entries)], step
        else:
            assert held == 0
        copy(FAST)
        assert snapshot_segments(sessions) == done, step
        check_copy(source, sessions / NAME)
    return total


def snapshot_segments(sessions: Path) -> dict[str, bytes]:
    assert list_copies(sessions) == (NAME,)
    return segments(sessions / NAME)


def test_a_backup_dies_at_every_step(engine: Engine, backup: Path) -> None:
    """J10: a first copy, one of a tail, one over rolls and seals, one of a close: a death before
    any change of the disk, a write half done, is finished by the next run."""
    deaths = 0

    def run(files: FastFiles) -> CopiedSession:
        return back_up_session(engine.folder, backup, files=files)

    def grow() -> None:
        nonlocal deaths
        deaths += die_at_every_step(run, backup, engine.folder)
        shutil.rmtree(backup.with_name("start"))

    engine.append(9)
    engine.seal()
    grow()
    engine.append(1)
    grow()
    engine.append(12)
    grow()
    engine.append(6)
    engine.seal()
    engine.append(2)
    grow()
    engine.log.finish()
    grow()
    engine.close()
    grow()
    assert segments(backup / NAME) == segments(engine.folder)
    sys.stdout.write(f"{deaths} deaths of a backup\n")
    assert deaths > 90


def test_a_restore_dies_at_every_step(engine: Engine, backup: Path, tmp_path: Path) -> None:
    """J10: the session has its name only when it is whole and verified; the next run completes."""
    engine.append(30)
    engine.close()
    back_up_session(engine.folder, backup, files=FAST)
    restored = tmp_path / "other/desks/main/sessions"

    def run(files: FastFiles) -> CopiedSession:
        return restore_session(backup / NAME, restored, files=files)

    deaths = die_at_every_step(run, restored, engine.folder)
    assert segments(restored / NAME) == segments(engine.folder)
    assert run(FAST).state == "unchanged"
    sys.stdout.write(f"{deaths} deaths of a restore\n")
    assert deaths >= 25


def other_history(folder: Path) -> None:
    """A session of the same name that goes another way after its first groups."""
    other = Engine(folder)
    other.append(2)
    for group in make_groups([2] * 30, b"otherwise", other.log.head_seq + 1):
        other.log.add_group(group)
    other.log.sync()
    other.log.close()


def test_nothing_that_differs_is_written_over(engine: Engine, backup: Path, tmp_path: Path) -> None:
    """Another history, a shorter session, a session ahead of the restored one: refused by name,
    every byte of both sides as before."""
    engine.append(20)
    back_up_session(engine.folder, backup, files=FAST)
    fork = tmp_path / "fork" / NAME
    other_history(fork)
    short = tmp_path / "short" / NAME
    shorter = Engine(short)
    shorter.append(5)
    shorter.log.close()
    before = snapshot(backup / NAME)
    for source, word in ((fork, "another history"), (short, "goes on to seq")):
        kept = snapshot(source)
        with pytest.raises(BackupDiffers, match=word):
            back_up_session(source, backup, files=FAST)
        with pytest.raises(BackupDiffers, match="another session"):
            restore_session(backup / NAME, source.parent, files=FAST)
        assert snapshot(source) == kept
    engine.append(3)
    ahead = snapshot(engine.folder)
    with pytest.raises(BackupDiffers):
        restore_session(backup / NAME, engine.folder.parent, files=FAST)
    assert snapshot(engine.folder) == ahead
    assert snapshot(backup / NAME) == before


def test_a_closed_copy_of_another_end_is_refused(engine: Engine, backup: Path) -> None:
    """A copy that was closed takes no entry more, and one that is not closed is not the same."""
    engine.append(10)
    copy = shutil.copytree(engine.folder, engine.folder.parent.parent / "early" / NAME)
    close_session(copy, None, files=FAST)
    back_up_session(copy, backup, files=FAST)
    before = snapshot(backup / NAME)
    with pytest.raises(BackupDiffers, match="closed"):
        back_up_session(engine.folder, backup, files=FAST)
    engine.append(5)
    with pytest.raises(BackupDiffers, match="closed"):
        back_up_session(engine.folder, backup, files=FAST)
    assert snapshot(backup / NAME) == before


@pytest.mark.parametrize("where", ["session", "copy"])
def test_damage_on_either_side_is_refused(engine: Engine, backup: Path, where: str) -> None:
    """A flipped bit in an acknowledged block: no block of it is copied, nothing is changed."""
    engine.append(20)
    if where == "copy":
        back_up_session(engine.folder, backup, files=FAST)
        engine.append(1)
    folder = engine.folder if where == "session" else backup / NAME
    path = folder / max(p.name for p in folder.glob("*.axj") if p.stat().st_size > 400)
    data = bytearray(path.read_bytes())
    data[150] ^= 1
    path.write_bytes(data)
    before = snapshot(backup / NAME) if where == "copy" else {}
    with pytest.raises(JournalCorrupt):
        back_up_session(engine.folder, backup, files=FAST)
    assert (backup / NAME).is_dir() == (where == "copy")
    if where == "copy":
        assert snapshot(backup / NAME) == before


def test_an_acknowledged_hash_that_differs_is_refused(engine: Engine, backup: Path) -> None:
    """The watermark's word counts also where the blocks agree with one another."""
    engine.append(20)
    engine.log.close()
    mark = WatermarkFile.open(engine.folder, FAST, writable=True)
    held = mark.read()
    for _ in range(2):
        held = type(held)(held.uid, held.count + 1, held.seq - 1, b"\1" * 32)
        mark.write(held)
    mark.close()
    with pytest.raises(JournalCorrupt, match="acknowledged"):
        back_up_session(engine.folder, backup, files=FAST)


def test_a_closed_session_without_its_final_block_is_refused(engine: Engine, backup: Path) -> None:
    """The watermark says closed: a final block that is cut or torn is a loss, not a tail."""
    engine.append(4)
    engine.log.finish()
    path = max(engine.folder.glob("*.axj"))
    whole = path.read_bytes()
    for cut in (1, 132):
        path.write_bytes(whole[:-cut])
        with pytest.raises(JournalCorrupt):
            back_up_session(engine.folder, backup, files=FAST)
    path.write_bytes(whole)
    assert back_up_session(engine.folder, backup, files=FAST).end.closed


# -- the ledger --------------------------------------------------------------------------------


def ledger_of(sessions: Path) -> Path:
    return sessions.parent / "ledger.axl"


def copy_all(source: Path, target: Path) -> str:
    """A run over a desk: the ledger read first and written last."""
    data = ledger_bytes(ledger_of(source))
    for name in list_copies(source):
        back_up_session(source / name, target, files=FAST)
    return copy_ledger(data, ledger_of(target), target, files=FAST).state


def test_the_ledger_goes_with_its_sessions(engine: Engine, backup: Path) -> None:
    """A session that closes is recorded in the copy when its end is there, never before; the
    copy's ledger is the beginning of the desk's, and verifies."""
    home = engine.folder.parent
    engine.append(10)
    assert copy_all(home, backup) == "absent"
    late = ledger_bytes(ledger_of(home))
    engine.close()
    assert copy_ledger(late, ledger_of(backup), backup, files=FAST).state == "absent"
    ahead = ledger_bytes(ledger_of(home))
    assert copy_ledger(ahead, ledger_of(backup), backup, files=FAST).state == "held_back"
    assert read_ledger(ledger_of(backup)) == ()
    assert copy_all(home, backup) == "extended"
    assert copy_all(home, backup) == "unchanged"
    assert ledger_of(backup).read_bytes() == ledger_of(home).read_bytes()
    assert verify_ledger(ledger_of(backup), backup) == ()
    assert verify_session(backup / NAME, ledger=ledger_of(backup)).ok


def test_a_ledger_is_never_rewritten(tmp_path: Path) -> None:
    """Longer, or with another history: it stays as it is; a torn last line is completed."""
    one, two, sessions = tmp_path / "one.axl", tmp_path / "two.axl", tmp_path / "sessions"
    for number in range(3):
        session = f"2025-08-2{number}-paper-{UID}"
        append_record(one, session=session, uid=UID, head_seq=4, head_hash=bytes(32))
    whole = ledger_bytes(one)
    lines = whole.splitlines(keepends=True)
    assert copy_ledger(lines[0], two, sessions).records == 1
    with two.open("ab") as file:
        file.write(lines[1][:30])
    assert copy_ledger(whole, two, sessions).state == "extended"
    assert two.read_bytes() == whole
    assert copy_ledger(lines[0], two, sessions).state == "ahead"
    append_record(one, session=f"2025-08-27-paper-{UID}", uid=UID, head_seq=4, head_hash=bytes(32))
    append_record(two, session=f"2025-08-28-paper-{UID}", uid=UID, head_seq=4, head_hash=bytes(32))
    before = two.read_bytes()
    assert copy_ledger(ledger_bytes(one), two, sessions).state == "diverged"
    assert two.read_bytes() == before
    with pytest.raises(LedgerCorrupt):
        copy_ledger(whole.replace(b"paper", b"other", 1), two, sessions)


def test_a_ledger_copy_dies_at_every_step(tmp_path: Path) -> None:
    """Whole lines or none: every state between reads as a beginning, the next run completes it."""
    one, sessions = tmp_path / "one.axl", tmp_path / "sessions"
    for number in range(3):
        session = f"2025-08-2{number}-paper-{UID}"
        append_record(one, session=session, uid=UID, head_seq=4, head_hash=bytes(32))
    whole = ledger_bytes(one)
    for step in range(6):  # the lock, the truncation, twice a line and its newline
        two = tmp_path / f"two{step}.axl"
        copy_ledger(whole.splitlines(keepends=True)[0], two, sessions)
        with pytest.raises(JournalError):
            copy_ledger(whole, two, sessions, files=Dying(step))
        assert len(read_ledger(two)) in (1, 2, 3)
        assert copy_ledger(whole, two, sessions).records == 3
        assert two.read_bytes() == whole


# -- a folder that means harm ------------------------------------------------------------------


def test_names_that_are_no_session_are_left_alone(engine: Engine, backup: Path) -> None:
    """Only a session's name is listed, and only under such a name is anything written."""
    engine.append(10)
    back_up_session(engine.folder, backup, files=FAST)
    for bad in ("..", "evil", f"{NAME}-1", f".{NAME}.partial", f"{NAME}\n", "a\\b"):
        if bad != "..":
            shutil.copytree(backup / NAME, backup / bad)
        with pytest.raises(BadSessionName):
            restore_session(backup / bad, engine.folder.parent.parent / "out", files=FAST)
    assert list_copies(backup) == (NAME,)
    assert not (engine.folder.parent.parent / "out").exists()


@pytest.mark.parametrize("what", ["session", "segment", "sessions", "partial", "watermark"])
def test_a_symbolic_link_is_never_followed(
    engine: Engine, backup: Path, tmp_path: Path, what: str
) -> None:
    """S05: reading through one is refused, and so is writing; what it points to stays as it is."""
    engine.append(20)
    engine.close()
    back_up_session(engine.folder, backup, files=FAST)
    out = tmp_path / "out"
    link = {
        "session": backup / NAME,
        "segment": backup / NAME / "000002.axs",
        "sessions": backup,
        "partial": out / f".{NAME}.partial",
        "watermark": backup / NAME / "watermark",
    }[what]
    elsewhere = tmp_path / "elsewhere"
    if link.exists():
        link.rename(elsewhere)
    else:
        link.parent.mkdir(parents=True)
        elsewhere.mkdir()
        (elsewhere / "precious").write_text("kept")
    link.symlink_to(elsewhere)
    with pytest.raises(JournalError):
        restore_session(backup / NAME, out, files=FAST)
    assert not (out / NAME).exists()
    if what == "partial":
        assert (elsewhere / "precious").read_text() == "kept"
    if what in ("session", "sessions"):
        with pytest.raises(UnsafePath):
            back_up_session(engine.folder, backup, files=FAST)


def test_a_desk_that_is_a_link_is_refused(tmp_path: Path) -> None:
    """In a home or a backup; a name that could leave the folder is none of a desk."""
    (tmp_path / "real/desks/main").mkdir(parents=True)
    (tmp_path / "link").mkdir()
    (tmp_path / "link/desks").symlink_to(tmp_path / "real/desks")
    with pytest.raises(UnsafePath):
        checked_desk(tmp_path / "link", "main")
    assert checked_desk(tmp_path / "real", "main") == tmp_path / "real/desks/main"
    with pytest.raises(BadSessionName):
        checked_desk(tmp_path / "real", "../main")


def test_a_segment_of_another_session_is_refused(engine: Engine, backup: Path) -> None:
    """Whole blocks that do not continue one another: nothing under the session's name."""
    engine.append(30)
    engine.close()
    back_up_session(engine.folder, backup, files=FAST)
    sealed = sorted((backup / NAME).glob("*.axs"))
    sealed[1].write_bytes(sealed[2].read_bytes())
    out = backup.parent / "out"
    with pytest.raises(JournalCorrupt):
        restore_session(backup / NAME, out, files=FAST)
    assert list_copies(out) == ()


def test_one_copies_at_a_time(tmp_path: Path) -> None:
    """A second run over the same desk is refused while the first holds it."""
    desk = checked_desk(tmp_path, "main")
    with take_copy_lock(desk), pytest.raises(JournalLocked):
        take_copy_lock(desk)
    take_copy_lock(desk).release()
    assert os.stat(desk).st_mode & 0o777 == 0o700

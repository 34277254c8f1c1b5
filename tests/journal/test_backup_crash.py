"""Backup and restore on a disk that fails at any step and keeps any part of what was not synced.

Source and copy are on one simulated disk; the crash is the machine's, so both sides suffer it.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from journal import backup
from journal.backup import CopiedSession, back_up_session, restore_session
from journal.errors import JournalError
from journal.reader import JournalReader
from journal.recovery import inspect_session, repair
from journal.session_folder import sessions_folder
from journal.simulated import APPLIES, Fault, Mode, SimulatedDisk, SimulatedFiles
from journal.verify import VerifyReport, verify_session
from tests.journal.test_backup import GROUPS, NAME, Engine

SOURCE = sessions_folder(Path("/axiom"), "main") / NAME
COPIES = sessions_folder(Path("/backup"), "main")
RESTORED = sessions_folder(Path("/restored"), "main")
ENTRIES = [data for group in GROUPS for data in group]
SECTOR_BYTES = 256

History = Callable[[Engine], None]
Copy = Callable[[SimulatedFiles], CopiedSession]


def trusting(folder: Path) -> VerifyReport:
    """What a copy is verified with while it is made: it is judged here, after each crash."""
    return VerifyReport(True, None, 0, 0, "", False, (), ())


def back_up(files: SimulatedFiles) -> CopiedSession:
    return back_up_session(SOURCE, COPIES, files=files, verify=trusting)


def restore(files: SimulatedFiles) -> CopiedSession:
    return restore_session(COPIES / NAME, RESTORED, files=files, verify=trusting)


def small(engine: Engine) -> None:
    """Two segments and a tail, one of them sealed."""
    engine.append(8)
    engine.seal()
    engine.append(2)


def tail(engine: Engine) -> None:
    """A few entries more."""
    engine.append(2)


def rolls(engine: Engine) -> None:
    """Over a segment's end, then sealed, and a tail."""
    engine.append(7)
    engine.seal()
    engine.append(1)


def end(engine: Engine) -> None:
    """Closed and sealed."""
    engine.append(1)
    engine.log.finish()
    engine.close()


HISTORY: tuple[History, ...] = (small, tail, rolls, end)


def prepared(runs: int, *, also_restore: bool) -> SimulatedDisk:
    """A disk on which the history went on to step ``runs``; each step before was backed up."""
    disk = SimulatedDisk(sector_bytes=SECTOR_BYTES)
    files = SimulatedFiles(disk)
    engine = Engine(SOURCE, files)
    for number, step in enumerate(HISTORY[: runs + 1]):
        step(engine)
        if number < runs or also_restore:
            back_up(SimulatedFiles(disk))
    return disk


def read(disk: SimulatedDisk, folder: Path) -> list[bytes]:
    with JournalReader(folder, files=SimulatedFiles(disk)) as reader:
        return [entry.data for entry in reader]


def is_there(disk: SimulatedDisk, folder: Path) -> bool:
    try:
        disk.find(folder)
    except FileNotFoundError:
        return False
    return True


def reopen(disk: SimulatedDisk) -> None:
    """What the session's engine does after a crash: the watermark, which is not synced at each
    step, may have fallen behind what is durable."""
    files = SimulatedFiles(disk)
    found = inspect_session(SOURCE, files=files)
    if not found.closed:
        repair(found, files)
    files.end_process()


class Judge:
    """Looks at disks: a copy under its name verifies and holds a beginning of the session, no less
    than was there before; another run completes it."""

    def __init__(self, copy: Copy, place: Path, tmp_path: Path, held: int, want: int) -> None:
        self.copy, self.place, self.tmp_path = copy, place, tmp_path
        self.held, self.want = held, want
        self.disks = 0

    def look(self, disk: SimulatedDisk, least: int, what: str) -> None:
        self.disks += 1
        if not is_there(disk, self.place):
            assert least == 0, f"{what}: the copy is gone"
            return
        folder = self.tmp_path / str(self.disks)
        disk.export(self.place, folder / NAME)
        report = verify_session(folder / NAME)
        assert report.ok, (what, report.problems)
        assert report.entries >= least, what
        entries = read(disk, self.place)
        assert entries == ENTRIES[: len(entries)], what

    def after(self, disk: SimulatedDisk, what: str) -> None:
        """A crash: any survivor, then a second run on it, then another crash at once."""
        for survivor in itertools.islice(disk.survivors(), 0, None, THIN):
            self.look(survivor, self.held, what)
            reopen(survivor)
            self.copy(SimulatedFiles(survivor))
            for last in (survivor, *itertools.islice(survivor.survivors(), 2)):
                self.look(last, self.want, f"{what}, then completed")


THIN = 9
"""Of the disks that a crash may leave, every ninth; another begins at each step."""


def judge_all(runs: int, modes: tuple[Mode, ...], every: int, tmp_path: Path) -> tuple[int, int]:
    """Every fault of a run that copies; the number of faults and of disks looked at."""
    going_back = runs == len(HISTORY)
    copy, place = (restore, RESTORED / NAME) if going_back else (back_up, COPIES / NAME)
    runs = min(runs, len(HISTORY) - 1)
    disk = prepared(runs, also_restore=going_back)
    held = len(read(disk, place)) if is_there(disk, place) else 0
    counting = SimulatedFiles(disk)
    copy(counting)
    judge = Judge(copy, place, tmp_path, held, len(read(disk, place)))
    assert judge.want == len(read(disk, SOURCE))
    count = 0
    for step, mode in itertools.product(counting.steps[::every], modes):
        if step.verb not in APPLIES[mode]:
            continue
        count += 1
        what = f"{copy.__name__} {runs}, {mode.name} at {step.number} {step.verb} {step.name}"
        disk = prepared(runs, also_restore=going_back)
        files = SimulatedFiles(disk, Fault(step.number, mode))
        try:
            copy(files)
        except JournalError:
            assert mode is not Mode.SHORT, what
        files.end_process()
        if mode is Mode.CRASH:
            judge.after(disk, what)
        else:
            judge.look(disk, held, what)
            copy(SimulatedFiles(disk))
            judge.look(disk, judge.want, f"{what}, then completed")
    return count, judge.disks


def judge_history(modes: tuple[Mode, ...], every: int, tmp_path: Path) -> int:
    """``judge_all`` over each run of the history and the restore; the number of faults."""
    runs = range(len(HISTORY) + 1)
    return sum(judge_all(run, modes, every, tmp_path / str(run))[0] for run in runs)


def test_a_slice_of_all_faults(tmp_path: Path) -> None:
    """J04, J05, J07, J08, J10: some faults at some steps of each run of a history."""
    assert judge_history((Mode.CRASH, Mode.EIO, Mode.ENOSPC, Mode.SHORT), 23, tmp_path) > 20


@pytest.mark.slow
@pytest.mark.parametrize("runs", range(len(HISTORY) + 1))
def test_every_fault_at_every_step(tmp_path: Path, runs: int) -> None:
    """J04, J05, J07, J08, J10: every step of each run, in every mode."""
    modes = (Mode.CRASH, Mode.EIO, Mode.ENOSPC, Mode.SHORT)
    count, disks = judge_all(runs, modes, 1, tmp_path)
    sys.stdout.write(f"run {runs}: {count} faults, {disks} disks looked at\n")
    assert count > 40


def no_sync(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(backup, "_write_file", _unsynced)


def _unsynced(job: backup._Job, path: Path, blocks: Iterator[bytes]) -> None:
    handle = job.files.open(path, "create")
    offset = 0
    for block in blocks:
        offset = job.write(handle, offset, block)
    job.files.close(handle)
    job.files.sync_dir(path.parent)


def no_sync_of_the_tail(patch: pytest.MonkeyPatch) -> None:
    whole = SimulatedFiles.sync

    def sync(self: SimulatedFiles, handle: int) -> None:
        path = self._handles[handle][1]
        if path.suffix != ".axj" or not path.is_relative_to(COPIES):
            whole(self, handle)

    patch.setattr(SimulatedFiles, "sync", sync)


def in_its_own_place(patch: pytest.MonkeyPatch) -> None:
    whole = Path.with_name

    def with_name(self: Path, name: str) -> Path:
        return self if name.endswith(".partial") else whole(self, name)

    patch.setattr(Path, "with_name", with_name)


@pytest.mark.parametrize("mutant", [no_sync, no_sync_of_the_tail, in_its_own_place])
def test_canary_a_mistake_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mutant: Callable[[pytest.MonkeyPatch], None]
) -> None:
    """A copy that is not synced, a tail that is not synced before the watermark names it, a copy
    that is built under its own name: each is found at some step of some run."""
    mutant(monkeypatch)
    with pytest.raises((AssertionError, JournalError)):
        judge_history((Mode.CRASH,), 5, tmp_path)

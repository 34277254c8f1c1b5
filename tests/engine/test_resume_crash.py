"""J10: an engine that dies at any step of its disk, or by kill -9, loses and doubles nothing.

The whole engine runs over the disk: opening, groups, urgent waits, closing. What it acknowledged
must be in the session that goes on, and that session must be the one that never died.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from engine.resume import EngineFault
from engine.runner import Runner, RunReport, resume_market, run_market
from events.session import TailCut
from journal.cuts import read_cuts
from journal.errors import JournalClosed, JournalError, JournalMissing, WatermarkDamaged
from journal.files import Files, How
from journal.log import WriterOptions
from journal.recovery import chain_at
from journal.simulated import Fault, Mode, SimulatedDisk, SimulatedFiles
from tests.engine.cut import (
    account,
    check_session,
    config,
    cut_session,
    datas_of,
    group_of,
    market,
    ran,
    read,
    whole,
)
from tests.engine.fabricated import small_rows
from tests.journal.journals import FastFiles

ROOT = Path(__file__).resolve().parents[2]
PARENT = Path("/axiom/desks/main/sessions")
OPTIONS = WriterOptions(
    block_size_bytes=600, linger_ms=0, idle_sync_ms=3_600_000, on_roll=lambda _: None
)
"""Blocks of a few entries, so that groups lie in several; no mark that a timer makes."""


class OneAtATime:
    """Simulated files for an engine and its writer, which are two callers."""

    def __init__(self, files: SimulatedFiles) -> None:
        self._files = files
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        verb = getattr(self._files, name)

        def locked(*given: Any, **named: Any) -> Any:
            with self._lock:
                return verb(*given, **named)

        return locked


class Life:
    """What the outside knows of a session on a simulated disk: the last seq acknowledged to it."""

    def __init__(self, disk: SimulatedDisk, crash_at: int | None) -> None:
        fault = None if crash_at is None else Fault(crash_at, Mode.CRASH)
        self.files = SimulatedFiles(disk, fault)
        self.acknowledged = 0
        self.folder: Path | None = None
        self.begun_anew = ""
        self.report: RunReport | None = None

    def live(self, patch: pytest.MonkeyPatch) -> None:
        """Run the session, or go on with the one that is there, until its end or the crash."""
        group = Runner.group
        life = self

        def waiting(runner: Runner, *given: Any) -> Any:
            derived = group(runner, *given)
            head = runner._writer.head_seq
            assert runner._writer.wait_durable(head, 60)
            life.acknowledged = head
            return derived

        with patch.context() as inner, contextlib.suppress(JournalError, OSError):
            inner.setattr(Runner, "group", waiting)
            self.report = self._goes_on() or run_market(
                PARENT, market(), config(), small_rows(), options=OPTIONS, files=self._port()
            )
            self.folder = self.report.folder
        self.files.end_process()

    def _goes_on(self) -> RunReport | None:
        """The session that is there, to its end; None where none holds an entry."""
        names: tuple[str, ...] = ()
        with contextlib.suppress(FileNotFoundError):
            names = self.files.names(PARENT)
        for name in names:
            try:
                return resume_market(
                    PARENT / name, market(), small_rows(), account(),
                    options=OPTIONS, files=self._port(),
                )  # fmt: skip
            except (JournalMissing, WatermarkDamaged, EngineFault) as error:
                self.begun_anew = str(error)
            except JournalClosed:
                self.folder = PARENT / name  # it died after its final block
                raise
        return None

    def _port(self) -> Files:
        return cast(Files, OneAtATime(self.files))


def goes_on(disk: SimulatedDisk, acknowledged: int, to: Path, patch: pytest.MonkeyPatch) -> None:
    """The session on a disk that a crash left runs to its end, and is the one that never died."""
    life = Life(disk, None)
    life.live(patch)
    assert life.folder is not None, f"{disk.label}: the session did not go on"
    assert acknowledged == 0 or not life.begun_anew, f"{acknowledged} entries: {life.begun_anew}"
    folder = to / life.folder.name
    disk.export(life.folder, folder)
    entries = check_session(folder, life.report)
    said = [data for group in datas_of(whole()) for data in group]
    assert [one.data for one in entries[:acknowledged]] == said[:acknowledged]


def steps_of_a_life(patch: pytest.MonkeyPatch) -> int:
    life = Life(SimulatedDisk(), None)
    life.live(patch)
    assert life.report is not None
    return len(life.files.steps)


def crashes(
    tmp_path: Path, patch: pytest.MonkeyPatch, steps: range, survivors: int
) -> tuple[int, int]:
    """(crashes, disks) over these steps, and the first survivors of each: nothing that was not
    synced, everything, and mixtures."""
    count = disks = 0
    for step in steps:
        life = Life(SimulatedDisk(), step)
        life.live(patch)
        count += life.files.fired
        for disk in itertools.islice(life.files.disk.survivors(), survivors):
            goes_on(disk, life.acknowledged, tmp_path / f"{step}-{disks}", patch)
            disks += 1
    return count, disks


@pytest.mark.slow
def test_j10_a_crash_at_any_step_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps from the first folder to the final block (a slice), each with what may survive."""
    total = steps_of_a_life(monkeypatch)
    count, disks = crashes(tmp_path, monkeypatch, range(1, total, 37), 2)
    ran(f"{count} crashes in {total} steps, {disks} disks")
    assert count > 5


@pytest.mark.slow
def test_j10_a_crash_at_every_step_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every third step, with four disks that it may leave."""
    total = steps_of_a_life(monkeypatch)
    count, disks = crashes(tmp_path, monkeypatch, range(0, total, 3), 4)
    ran(f"{count} crashes in {total} steps, {disks} disks")
    assert count > 60


# --- a torn tail ---------------------------------------------------------------------------------

TORN_AT = 70
TORN_BYTES = 50


class Dying(FastFiles):
    """A disk whose process dies at a change of it: what was written before stays."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def _change(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise OSError(errno.ENODEV, "the process is dead")

    def open(self, path: Path, how: How) -> int:
        if how in ("create", "lock") and path.name != "writer.lock":
            self._change()
        return super().open(path, how)

    def write(self, handle: int, offset: int, data: bytes | memoryview) -> None:
        self._change()
        super().write(handle, offset, data)

    def truncate(self, handle: int, size: int) -> None:
        self._change()
        super().truncate(handle, size)


@pytest.mark.slow
def test_j01_a_cut_is_told_once_wherever_the_next_engine_dies(tmp_path: Path) -> None:
    """The engine that cut a torn tail dies at each change of the disk, from the cut to the fact
    that tells of it and beyond: in the session that ran to its end one ``TailCut`` has the bytes,
    and it is still the session that never died."""
    cut_session(tmp_path / "torn", TORN_AT, TORN_BYTES)
    (torn,) = (tmp_path / "torn").iterdir()
    deaths = untold = 0
    while True:
        folder = tmp_path / f"{deaths}" / torn.name
        shutil.copytree(torn, folder)
        with contextlib.suppress(JournalError, OSError):
            resume_market(folder, market(), small_rows(), options=OPTIONS, files=Dying(deaths))
        told = [one.event for one in read(folder) if one.envelope.kind == "TailCut"]
        if len(read(folder)) > TORN_AT + 8:
            break  # far beyond
        cut = bool(read_cuts(folder)) and not told
        entries = check_session(folder, resume_market(folder, market(), small_rows()))
        (told_of,) = [one.event for one in entries if isinstance(one.event, TailCut)]
        assert told_of.cut_bytes == TORN_BYTES, deaths
        # Behind the torn tail, or behind as much of its group as was finished before a death.
        assert group_of(TORN_AT) == group_of(told_of.after_seq), deaths
        deaths, untold = deaths + 1, untold + cut
    ran(f"{deaths} deaths, {untold} of them with the cut made or begun and not told")
    assert untold > 3


# --- kill -9 -------------------------------------------------------------------------------------

CHILD = """
import signal, sys, threading
from pathlib import Path
from engine.runner import run_market
from engine.runner import resume_market
from journal import writer as writers
from journal.files import OsFiles
from journal.log import WriterOptions
from tests.engine.cut import account, config, market
from tests.engine.fabricated import small_rows

parent, barrier = Path(sys.argv[1]), int(sys.argv[2])
options = WriterOptions(block_size_bytes=600, segment_size_bytes=20_000, linger_ms=0)
counting = threading.Lock()
steps = 0

def at_barrier(verb):
    def stepping(self, *given, **named):
        global steps
        with counting:
            steps += 1
            here = steps == barrier
        if here:
            if verb is write:
                verb(self, given[0], given[1], given[2][: len(given[2]) // 2])
            known = [(w.durable_seq, w.durable_hash.hex()) for w in writers._writers]
            print("at", *max(known, default=(0, "-")), flush=True)
            while True:
                signal.pause() if threading.current_thread() is threading.main_thread() else (
                    threading.Event().wait())
        return verb(self, *given, **named)
    return stepping

write = OsFiles.write
for name in ("write", "sync", "truncate", "sync_dir", "rename", "unlink"):
    setattr(OsFiles, name, at_barrier(getattr(OsFiles, name)))
there = [p for p in parent.iterdir()] if parent.is_dir() else []
if there:
    resume_market(there[0], market(), small_rows(), account(), options=options)
else:
    run_market(parent, market(), config(), small_rows(), options=options)
print("done", flush=True)
"""
DEADLINE_S = 60


def live_until(parent: Path, barrier: int) -> tuple[int, str] | None:
    """Run or resume the session in a process of its own and kill it at a step of its disk; gives
    (last acknowledged seq, chain there), or None where the session ended before that step."""
    child = subprocess.Popen(
        (sys.executable, "-P", "-c", CHILD, str(parent), str(barrier)),
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert child.stdout is not None
        assert select.select([child.stdout], [], [], DEADLINE_S)[0], "the child hangs"
        word, *known = child.stdout.readline().split()
    finally:
        child.kill()
        child.communicate()
    assert word == "done" or child.returncode == -signal.SIGKILL
    return (int(known[0]), known[-1]) if word == "at" else None


def die_twice_and_go_on(parent: Path, first: int, second: int) -> tuple[int, int]:
    """(deaths, entries acknowledged at the last of them) of a session that then ran to its end."""
    known = [one for one in (live_until(parent, first), live_until(parent, second)) if one]
    (folder,) = parent.iterdir()
    report = None
    with contextlib.suppress(JournalClosed):
        report = resume_market(folder, market(), small_rows(), account(), options=OPTIONS)
    entries = check_session(folder, report)
    for seq, chain in known:
        assert len(entries) >= seq
        if seq:
            assert chain_at(folder, seq) == bytes.fromhex(chain), f"entry {seq} has changed"
    return len(known), max((seq for seq, _ in known), default=0)


@pytest.mark.parametrize(("first", "second"), [(60, 30)])
def test_j10_kill_9_twice_and_the_day_is_the_same(tmp_path: Path, first: int, second: int) -> None:
    """A process is killed in the middle of a write or before a sync, its successor too; what both
    acknowledged is in the session, which ends as if neither had died."""
    deaths, acknowledged = die_twice_and_go_on(tmp_path / "sessions", first, second)
    ran(f"{deaths} processes killed, {acknowledged} entries acknowledged")
    assert deaths == 2
    assert acknowledged > 0


@pytest.mark.slow
def test_j10_kill_9_at_thirty_places(tmp_path: Path) -> None:
    """Thirty processes killed at steps all over the day; every session ends as if none had been."""
    killed = most = 0
    for case in range(15):
        parent = tmp_path / f"{case}" / "sessions"
        deaths, acknowledged = die_twice_and_go_on(parent, 25 + case * 9, 8 + case * 13 % 70)
        killed, most = killed + deaths, max(most, acknowledged)
    ran(f"{killed} processes killed, at most {most} entries acknowledged before")
    assert killed >= 25

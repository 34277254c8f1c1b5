"""J10: kill -9 of the backup, of the restore and of the engine that writes, at any point: what
was backed up verifies, holds what was acknowledged when the run began, the next run completes."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from journal.backup import back_up_session, restore_session
from journal.close import close_session
from journal.verify import verify_session
from tests.journal.journals import UID, files_of, read_all

ROOT = Path(__file__).resolve().parents[2]
NAME = f"2025-08-29-paper-{UID}"

ENGINE = """
import sys
from pathlib import Path
from journal.log import WriterOptions
from journal.seal import seal_session
from journal.watermark import WATERMARK_NAME
from journal.writer import JournalWriter
from tests.journal.journals import UID, make_group
folder = Path(sys.argv[1])
options = WriterOptions(segment_size_bytes=4000, block_size_bytes=700, linger_ms=0)
if (folder / WATERMARK_NAME).exists():
    writer, _ = JournalWriter.resume(folder, options=options)
else:
    writer = JournalWriter.create(folder, UID, options=options)
while True:
    for _ in range(5):
        writer.append(make_group(writer.head_seq + 1, 1, b"f" * 90))
    writer.wait_durable(writer.head_seq)
    print(writer.head_seq, flush=True)
    if writer.head_seq % 100 == 0:
        seal_session(folder)
"""
"""Writes until it is killed, and says what is acknowledged. Groups of one: none can be cut."""

COPIER = """
import os, signal, sys
from pathlib import Path
from journal.backup import back_up_session, restore_session
from journal.files import OsFiles
verb, source, sessions, left = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])

def change():
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)

class Killed(OsFiles):
    def open(self, path, how):
        if how in ("create", "lock"):
            change()
        return super().open(path, how)
    def write(self, handle, offset, data):
        if left == 0:
            super().write(handle, offset, data[: len(data) // 2])
        change()
        super().write(handle, offset, data)

for verb_of_files in ("truncate", "sync", "sync_dir", "rename", "unlink"):
    def step(self, *words, inner=getattr(OsFiles, verb_of_files)):
        change()
        inner(self, *words)
    setattr(Killed, verb_of_files, step)

copy = back_up_session if verb == "backup" else restore_session
copy(source, sessions, files=Killed())
print("done", flush=True)
"""
"""One run that kills itself at a change of the disk, a write half done."""


def child(program: str, *words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        (sys.executable, "-P", "-c", program, *map(str, words)),
        env={"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )


def copy_killed(verb: str, source: Path, sessions: Path, left: int) -> bool:
    """Run a copier that dies at change ``left``; False when it was done before."""
    copier = child(COPIER, verb, source, sessions, left)
    out = copier.communicate(timeout=60)[0]
    assert copier.returncode == (0 if out == "done\n" else -signal.SIGKILL)
    return out != "done\n"


def write_and_kill(folder: Path, sessions: Path, choose: random.Random) -> tuple[int, int]:
    """Let an engine write while backups are killed beside it, then kill it. Returns (the number
    of kills, what it had acknowledged)."""
    engine, kills, said = child(ENGINE, folder), 1, 0
    assert engine.stdout is not None
    try:
        for _ in range(choose.randint(1, 3)):
            for _ in range(choose.randint(1, 12)):
                said = int(engine.stdout.readline())
            held = len(read_all(sessions / NAME)) if (sessions / NAME).is_dir() else 0
            kills += copy_killed("backup", folder, sessions, choose.randint(0, 40))
            if (sessions / NAME).is_dir():
                report = verify_session(sessions / NAME)
                assert report.ok, report.problems
                assert report.entries >= held
            if choose.random() < 0.5:
                back_up_session(folder, sessions)
                assert len(read_all(sessions / NAME)) >= said
    finally:
        engine.kill()
        engine.stdout.close()
        engine.wait()
    return kills, said


def run_history(tmp_path: Path, seed: int, lives: int) -> int:
    """A session of several deaths, its end, and its way back. Returns the number of kills."""
    choose = random.Random(seed)
    folder = tmp_path / "home/desks/main/sessions" / NAME
    sessions = tmp_path / "backup/desks/main/sessions"
    back = tmp_path / "back/desks/main/sessions"
    kills = 0
    for _ in range(lives):
        more, said = write_and_kill(folder, sessions, choose)
        kills += more
        back_up_session(folder, sessions)  # of a session whose engine is dead
        assert verify_session(sessions / NAME).ok
        assert len(read_all(sessions / NAME)) >= said
    close_session(folder, None)
    limit = 0
    while copy_killed("backup", folder, sessions, choose.randint(0, limit := limit + 20)):
        kills += 1
        assert verify_session(sessions / NAME).ok
    while copy_killed("restore", sessions / NAME, back, choose.randint(0, limit := limit + 200)):
        kills += 1
        assert not (back / NAME).exists() or verify_session(back / NAME).ok
    assert restore_session(sessions / NAME, back).state == "unchanged"
    for copy in (sessions / NAME, back / NAME):
        assert read_all(copy) == read_all(folder)
        for path in files_of(folder, ".axs"):
            assert (copy / path.name).read_bytes() == path.read_bytes()
    return kills


def test_killed_in_the_middle(tmp_path: Path) -> None:
    """One engine's life, with a backup killed beside it."""
    assert run_history(tmp_path, seed=1, lives=1) >= 2


@pytest.mark.slow
def test_killed_in_the_middle_often(tmp_path: Path) -> None:
    """The same, many times over."""
    kills = sum(run_history(tmp_path / str(seed), seed, 3) for seed in range(2, 7))
    sys.stdout.write(f"J10: {kills} kills of engines, backups and restores\n")
    assert kills > 25

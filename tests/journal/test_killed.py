"""Kill -9, at every step and at any time: what was acknowledged stays, and a follower goes on.

The page cache survives the death of a process, so this cannot show a missing sync (test_crash.py
does); it shows that real processes, locks and files behave as the simulated ones.
"""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from journal.close import close_session
from journal.cuts import read_cuts
from journal.errors import JournalClosed, JournalMissing
from journal.ledger import read_ledger
from journal.reader import JournalReader
from journal.verify import verify_session
from journal.writer import JournalWriter
from tests.journal.journals import FAST, flat, make_group, make_groups, read_all
from tests.journal.killed import GROUPS, NAME, OPTIONS, SAID_NAME

ROOT = Path(__file__).resolve().parents[2]
SAID = flat(GROUPS)


def kill_everywhere(folder: Path, every: int) -> list[Path]:
    """The desks that dead processes left, one for each place they were killed at."""
    done = subprocess.run(
        (sys.executable, "-P", "-m", "tests.journal.killed", str(folder), str(every)),
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    last = int(done.stdout)
    return [folder / str(place) for place in range(0, last, every)]


def goes_on(folder: Path, acknowledged: int, *, closed: bool) -> None:
    """The next process recovers, goes on and closes; or finds the session closed."""
    try:
        writer, tail = JournalWriter.resume(folder, options=OPTIONS, files=FAST)
    except JournalClosed:
        return
    assert not closed
    assert acknowledged <= tail.head_seq <= len(SAID)
    rest = SAID[tail.head_seq :] or make_group(len(SAID) + 1, 1)
    marks = {seq for group in GROUPS for seq in (int(group[-1][1]),)}
    group: list[bytes] = []
    for data in rest:
        group.append(data)
        if data[1] in marks or data[1] > len(SAID):
            writer.append(group)
            group = []
    writer.close()


def judge(desk: Path) -> bool:
    """Check one desk; False when the session was not born yet."""
    told = (desk / SAID_NAME).read_text().split()
    acknowledged = max([0, *(int(word) for word in told if word.isdigit())])
    folder, ledger = desk / "sessions" / NAME, desk / "ledger.axl"
    assert ("recorded" in told) <= (len(read_ledger(ledger)) == 1)
    if not folder.is_dir():
        assert acknowledged == 0
        return False
    try:
        goes_on(folder, acknowledged, closed="closed" in told)
    except JournalMissing:
        assert acknowledged == 0
        return False
    assert read_all(folder)[: len(SAID)] == SAID
    closed = close_session(folder, ledger, files=FAST)
    report = verify_session(folder, ledger=ledger)
    cuts = tuple(
        f"{cut.cut_bytes} bytes behind seq {cut.after_seq} were a torn tail, and are cut"
        for cut in read_cuts(folder)
    )
    assert (report.ok, report.closed, report.notes) == (True, True, cuts)
    assert report.entries == closed.head_seq >= len(SAID)
    assert len(read_ledger(ledger)) == 1
    return True


def test_j10_killed_at_a_quarter_of_all_places(tmp_path: Path) -> None:
    """J10: children are killed with -9 before, within and after steps of the disk: write, sync,
    roll, pause, resume, final block, seal, ledger; all that they told is there, and the next
    process goes on to a good end."""
    desks = kill_everywhere(tmp_path, 4)
    born = [judge(desk) for desk in desks]
    sys.stdout.write(f"J10: {len(desks)} kills, {sum(born)} with a journal\n")
    assert sum(born) > 40


@pytest.mark.slow
def test_j10_killed_at_all_places(tmp_path: Path) -> None:
    """J10: the same at every place."""
    desks = kill_everywhere(tmp_path, 1)
    born = [judge(desk) for desk in desks]
    sys.stdout.write(f"J10: {len(desks)} kills, {sum(born)} with a journal\n")
    assert sum(born) > 160


# -- a follower --------------------------------------------------------------------------------

WRITER = """
import sys
from pathlib import Path
from journal.log import WriterOptions
from journal.seal import seal_session
from journal.writer import JournalWriter
from tests.journal.journals import UID, make_group
folder, last = Path(sys.argv[1]), int(sys.argv[2])
options = WriterOptions(segment_size_bytes=3000, block_size_bytes=500, linger_ms=0)
if folder.exists():
    writer, tail = JournalWriter.resume(folder, options=options)
else:
    writer = JournalWriter.create(folder, UID, options=options)
while writer.head_seq < last:
    for _ in range(7):
        seq = writer.append(make_group(writer.head_seq + 1, 1, b"f" * 30))
    writer.wait_durable(seq)
    print(seq, flush=True)
    if seq % 70 == 0:
        seal_session(folder)
writer.close()
"""


def start(folder: Path, last: int) -> subprocess.Popen[str]:
    """A writer that ends its session behind entry ``last``; it has acknowledged once."""
    child = subprocess.Popen(
        (sys.executable, "-P", "-c", WRITER, str(folder), str(last)),
        env={"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline()
    return child


def is_dead(child: subprocess.Popen[str]) -> bool:
    return child.poll() is not None


def test_j13_a_follower_outlives_its_writers(tmp_path: Path) -> None:
    """J10, J13: a follower reads while writers that roll and seal are killed with -9, one after the
    other; each is followed by one that resumes. It reads every entry once, in order, at least as
    far as each writer acknowledged, and ends with the session."""
    folder, deaths, last = tmp_path / "s", 4, 100_000
    child = start(folder, last)
    got: list[bytes] = []
    with JournalReader(folder) as reader:
        for death in range(deaths + 1):
            goal = len(got) + 200
            dying = death < deaths
            for block in reader.follow_blocks(poll_s=0.001, stop=partial(is_dead, child)):
                got += [entry.data for entry in block or ()]
                if dying and len(got) >= goal:
                    child.kill()
            assert child.stdout is not None
            told = [int(word) for word in child.stdout.read().split()]
            child.stdout.close()
            assert child.wait() == (-9 if dying else 0)
            assert len(got) >= max(told, default=0)
            assert reader.closed is not dying
            if dying:
                child = start(folder, last if death + 1 < deaths else len(got) + 200)
    assert got == flat(make_groups([1] * len(got), b"f" * 30))
    assert len(list(folder.glob("*.axs"))) > 3
    sys.stdout.write(f"J13: {len(got)} entries followed over {deaths} kills\n")


def test_j13_resealing_under_a_follower(tmp_path: Path) -> None:
    """J13: whatever a follower has open, sealing takes the file away beneath it and it reads on:
    one seal between any two blocks, at every place."""
    groups = make_groups([1] * 24, b"r" * 30)
    for place in range(24):
        folder = tmp_path / str(place)
        writer = JournalWriter.create(folder, "0123456789ab", options=OPTIONS, files=FAST)
        for group in groups:
            writer.append(group)
            writer.wait_durable(writer.head_seq, 60)
        writer.close()
        got: list[bytes] = []
        with JournalReader(folder) as reader:
            for number, block in enumerate(reader.iter_blocks()):
                got += [entry.data for entry in block]
                if number == place:
                    close_session(folder, None, files=FAST)
            assert reader.closed
        assert got == flat(groups)
        assert not list(folder.glob("*.axj"))

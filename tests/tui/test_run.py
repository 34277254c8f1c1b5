"""``run`` as a person meets it: in a terminal of its own, and without one."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.projections.live.story import a_day
from tests.tui.test_source import tidy, write
from tui.run import run

ROOT = Path(__file__).parents[2]
DEADLINE_S = 30.0
PROGRAM = """
import sys
from pathlib import Path
from tui.run import run
sys.exit(run(Path(sys.argv[1]), live=sys.argv[2] == "live"))
"""


def in_a_terminal(folder: Path, how: str, *, keys: bytes, until: bytes) -> tuple[int, bytes]:
    """Run in a pseudo-terminal, press keys once ``until`` was seen; exit code and output."""
    return talk(["-c", PROGRAM, str(folder), how], ((until, keys),))


def talk(words: list[str], steps: tuple[tuple[bytes, bytes], ...]) -> tuple[int, bytes]:
    """Run Python in a pseudo-terminal; of each step press the keys once its text was seen since
    the step before. Exit code and output."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-P", *words],
        cwd=ROOT,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30",
             "PYTHONPATH": str(ROOT)},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    seen = b""
    since = step = 0
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        ready, _, _ = select.select([ours], [], [], 0.2)
        if ready:
            try:
                chunk = os.read(ours, 65_536)
            except OSError:  # the terminal's other side is closed: the child has ended
                break
            seen += chunk
        if step < len(steps) and steps[step][0] in seen[since:]:
            os.write(ours, steps[step][1])
            since, step = len(seen), step + 1
    os.close(ours)
    try:
        return child.wait(DEADLINE_S), seen
    finally:
        child.kill()


def test_a_recorded_session_is_shown_and_left(tmp_path: Path) -> None:
    """Open, see the recorded day, press q: exit 0 and the terminal as it was."""
    folder = tmp_path / "session"
    write(folder, tidy(a_day().close()))
    code, seen = in_a_terminal(folder, "recorded", keys=b"q", until=b"QUOTE_SPREAD_WIDE")
    assert code == 0
    assert b"REPLAY" in seen
    assert b"\x1b[?1049l" in seen  # the alternate screen was left
    assert b"Traceback" not in seen


def test_a_folder_without_a_journal_is_one_line(tmp_path: Path) -> None:
    """No journal there: exit 2 and one line that says what to do."""
    code, seen = in_a_terminal(tmp_path, "recorded", keys=b"", until=b"\0")
    assert code == 2
    lines = seen.decode().strip().splitlines()
    assert len(lines) == 1
    assert "JOURNAL_MISSING" in lines[0]
    assert "axiom sessions" in lines[0]


def test_without_a_terminal_it_does_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pipes instead of a terminal: exit 2 and one line, nothing painted."""
    assert run(tmp_path, live=False) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "needs a terminal" in captured.err


PROGRAM_OF_TWO = """
import sys
from pathlib import Path
from tests.tui.days import Desk
from tui.ports import Day, Opened, Ports
from tui.run import run
folders = [Path(one) for one in sys.argv[1:]]
class Two(Desk):
    def find(self, session):
        return next(Opened(one.name, one, False) for one in folders if one.name == session)
days = tuple(Day(one.name, one.name, "SIM", "closed", 1, 1, 1, (), None) for one in folders)
ports = Ports(desk=Two(days))
sys.exit(run(folders[0], live=False, ports=ports, ports_of=lambda _: ports))
"""


def test_another_day_is_opened_in_the_same_terminal(tmp_path: Path) -> None:
    """From the first session to Days, down, enter: the second one is shown, and q leaves with 0."""
    folders = [tmp_path / "day-one", tmp_path / "day-two"]
    write(folders[0], tidy(a_day().close()))
    other = a_day()
    other.at(800).quotes(nifty=2_999_900)
    write(folders[1], tidy(other.close()))
    code, seen = talk(
        ["-c", PROGRAM_OF_TWO, *map(str, folders)],
        (
            (b"QUOTE_SPREAD_WIDE", b"9"), (b"day-two", b"j\r"), (b"29,999.00", b"q"),
        ),
    )  # fmt: skip
    assert code == 0
    assert seen.count(b"\x1b[?1049h") == 2  # each session had a screen of its own
    assert b"Traceback" not in seen

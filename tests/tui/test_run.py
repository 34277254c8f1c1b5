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
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-P", "-c", PROGRAM, str(folder), how],
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
    pressed = False
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        ready, _, _ = select.select([ours], [], [], 0.2)
        if ready:
            try:
                chunk = os.read(ours, 65_536)
            except OSError:  # the terminal's other side is closed: the child has ended
                break
            seen += chunk
        if not pressed and until in seen:
            os.write(ours, keys)
            pressed = True
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

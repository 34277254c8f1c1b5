"""What the screen can start for a person who has nothing to look at yet.

Lives here: ``DemoStarter`` and the process behind it. May import: the standard library, ``cli``.
Always holds: what is started is this very program in a process of its own; its lines are read by a
thread that ends with it, and only the last ones are kept. Start reading at ``DemoStarter``.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final

LINES_KEPT: Final = 200
STOP_S: Final = 5.0


class Child:
    """A process and what it says."""

    def __init__(self, command: Sequence[str]) -> None:
        """Start it. Raises ``OSError``."""
        self._lines: deque[str] = deque(maxlen=LINES_KEPT)
        self._process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self._reader = threading.Thread(
            target=self._read, args=(self._process.stdout,), name="child-lines", daemon=True
        )
        self._reader.start()

    def _read(self, pipe: IO[bytes]) -> None:
        with pipe:
            for line in pipe:
                self._lines.append(line.decode(errors="replace").rstrip())

    def lines(self) -> tuple[str, ...]:
        """What it said so far, the last lines of it."""
        return tuple(self._lines)

    def code(self) -> int | None:
        """Its exit code, once it has ended and all that it said was read."""
        code = self._process.poll()
        if code is not None:
            self._reader.join(STOP_S)
        return code

    def stop(self) -> None:
        """Ask it to end; it has a moment for that."""
        if self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class DemoStarter:
    """Starts the demo of a desk in a home."""

    def __init__(self, home: Path, desk: str) -> None:
        self._home, self._desk = home, desk

    def demo(self) -> Child:
        """``axiom demo --headless``. Raises ``OSError``."""
        words = ("demo", "--headless", "--home", str(self._home), "--desk", self._desk)
        return Child((sys.executable, "-P", "-m", "cli.main", *words))

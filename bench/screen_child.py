"""The screen as a process whose frames are timed: what ``bench.screen`` starts in its terminal.

Lives here: the timing of frames, around the app and not in it. May import: the bench, tui, cli's
ports. Always holds: a frame lasts from when it was due (a tenth of a second after the one before
began, or its own beginning where that came first) until the terminal has it; its CPU is the
painting thread's. At SIGUSR1, and at its end, a line with memory, widgets and frames goes to the
file. Run as ``python -m bench.screen_child FOLDER live|recorded HOME FILE [FRAMES_PER_S]``.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any
from weakref import WeakSet

import msgspec
from textual.widget import Widget

from cli.states_port import FileStates
from tui import app as room
from tui import run as starter
from tui.app import AxiomApp
from tui.ports import Ports


class Frames(msgspec.Struct):
    """Milliseconds of each frame since the last mark: from due to painted, and of CPU."""

    lasted_ms: list[float] = []
    cpu_ms: list[float] = []


class Mark(msgspec.Struct):
    """Memory and widgets at a moment."""

    rss_mb: float
    widgets: int
    frames: Frames


class Timed(AxiomApp):
    """The app with a stopwatch."""

    frames = Frames()
    _began = _due = _cpu = _done_s = _cpu_done = 0.0

    def paint(self) -> None:
        self._note()
        self._due = self._began + 1 / room.FRAMES_PER_S
        self._began, self._cpu = time.perf_counter(), time.thread_time()
        super().paint()
        self._done_s, self._cpu_done = time.perf_counter(), time.thread_time()

    def _display(self, screen: Any, renderable: Any) -> None:
        super()._display(screen, renderable)
        self._done_s, self._cpu_done = time.perf_counter(), time.thread_time()

    def _note(self) -> None:
        if self._began and self._due:
            due = min(self._due, self._began)
            self.frames.lasted_ms.append(round((self._done_s - due) * 1e3, 2))
            self.frames.cpu_ms.append(round((self._cpu_done - self._cpu) * 1e3, 2))


_alive: WeakSet[Widget] = WeakSet()


def _count_widgets() -> None:
    """Know every widget that is alive, mounted or not."""
    made = Widget.__init__

    def counted(self: Widget, *args: Any, **more: Any) -> None:
        made(self, *args, **more)
        _alive.add(self)

    Widget.__init__ = counted  # type: ignore[method-assign]


def _mark(file: Path) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    mark = Mark(round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1), len(_alive), Timed.frames)
    with file.open("ab") as out:
        out.write(msgspec.json.encode(mark) + b"\n")
    Timed.frames = Frames([], [])


def main() -> int:
    """Show a session and time it."""
    folder, how, home, file = sys.argv[1:5]
    if len(sys.argv) > 5:
        room.FRAMES_PER_S = int(sys.argv[5])  # type: ignore[misc]
    _count_widgets()
    signal.signal(signal.SIGUSR1, lambda *_: _mark(Path(file)))
    starter.AxiomApp = Timed  # type: ignore[attr-defined]
    code = starter.run(Path(folder), live=how == "live", ports=Ports(states=FileStates(Path(home))))
    _mark(Path(file))
    return code


if __name__ == "__main__":
    sys.exit(main())

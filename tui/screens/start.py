"""First use: what to do where there is no session, and the demo that can be run from here.

Lives here: the pane. May import: textual, tui.ports, tui's view models and widgets. Always holds:
the demo is a process of its own; leaving the screen ends it.
"""

from __future__ import annotations

from typing import Final

from textual.app import ComposeResult
from textual.timer import Timer

from tui.ports import Chore, Library, Opened, Starter
from tui.screens.days import DaysPane
from tui.screens.pane import Pane
from tui.store import Frame
from tui.view.start import start_lines
from tui.widgets.line import Lines

LOOK_S: Final = 0.25


class StartPane(Pane):
    """What can be done here?"""

    place = "start"
    DEFAULT_CSS = """
    #start-lines { height: 1fr; }
    """

    def __init__(self, starter: Starter | None, library: Library | None) -> None:
        super().__init__(id="start")
        self._starter = starter
        self._library = library
        self._chore: Chore | None = None
        self._timer: Timer | None = None
        self._state = ""
        self._said: tuple[str, ...] = ()
        self._lines = Lines("start-lines")

    @property
    def busy(self) -> bool:
        """Whether the demo runs: its session is opened once it has ended."""
        return self._chore is not None

    def compose(self) -> ComposeResult:
        yield self._lines

    def paint(self, frame: Frame) -> None:
        width, height = self.size
        self._lines.show(start_lines(self._said, self._state, width, height))

    def do(self, action: str, frame: Frame) -> None:
        """``demo`` starts it, once."""
        if self._chore is not None and self._chore.code() is None:
            self.post_message(self.Says("The demo is running."))
        elif self._starter is None:
            self.post_message(self.Says("This screen cannot start it: axiom demo"))
        else:
            self._start(self._starter)

    def _start(self, starter: Starter) -> None:
        try:
            self._chore = starter.demo()
        except OSError as error:
            self._state = f"THE DEMO COULD NOT BE STARTED: {error}"
            return
        self._state, self._said = "THE DEMO RUNS", ()
        self._timer = self.set_interval(LOOK_S, self.look)

    def look(self) -> None:
        """What it said meanwhile; once it has ended well, its session."""
        chore = self._chore
        if chore is None:
            return
        code, said = chore.code(), chore.lines()
        if code is None and said == self._said:
            return
        self._said = said
        if code is not None:
            self._ended(code)
        self.post_message(self.Resized())

    def _ended(self, code: int) -> None:
        self._chore = None
        if self._timer is not None:
            self._timer.stop()
        if code:
            self._state = f"THE DEMO ENDED WITH {code}: its last line says why"
            return
        self._state = "THE DEMO IS DONE: opening its session"
        found = self._library.newest() if self._library is not None else None
        if found is not None:
            self.post_message(DaysPane.Opens(Opened(found.session, found.folder, found.running)))

    def on_unmount(self) -> None:
        """Leaving ends what was started from here."""
        if self._chore is not None:
            self._chore.stop()

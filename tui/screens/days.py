"""Days: the desk's sessions; enter opens one in this screen.

Lives here: the pane. May import: textual, tui.ports, tui's view models and widgets. Always holds:
files are read off the painting thread, and what is not there yet is said to be loading.
"""

from __future__ import annotations

from textual.app import ComposeResult
from textual.message import Message

from tui.ports import Day, Library, Opened, Parity
from tui.screens.pane import Pane
from tui.store import Frame
from tui.view.days import ASKED, NO_LIBRARY, days_table, detail, found_to
from tui.view.text import wrap
from tui.widgets.grid import LiveGrid
from tui.widgets.line import Lines

DETAIL_ROWS = 3


class DaysPane(Pane):
    """What the desk did on which day."""

    place = "days"
    DEFAULT_CSS = """
    #days-detail { height: 3; }
    """

    class Read(Message):
        """The desk's sessions, or why they cannot be read."""

        def __init__(self, days: tuple[Day, ...], fault: str | None) -> None:
            super().__init__()
            self.days = days
            self.fault = fault

    class Judged(Message):
        """The verdict of a replay."""

        def __init__(self, session: str, verdict: Parity) -> None:
            super().__init__()
            self.session = session
            self.verdict = verdict

    class Opens(Message):
        """This session is to be shown in place of the present one."""

        def __init__(self, opened: Opened) -> None:
            super().__init__()
            self.opened = opened

    def __init__(self, library: Library | None, shown: str | None) -> None:
        super().__init__(id="days")
        self._library = library
        self._days: tuple[Day, ...] | None = None
        self._asked = False
        self._fault: str | None = None
        self._verdicts: dict[str, Parity] = {}
        self._grid = LiveGrid("days-list")
        self._detail = Lines("days-detail")
        self.shown = shown

    def compose(self) -> ComposeResult:
        yield self._grid
        yield self._detail

    def paint(self, frame: Frame) -> None:
        if not self._asked:
            self._ask()
        table = days_table(self._days, self._verdicts, self.shown)
        self._grid.show(table)
        key = self._grid.cursor_key
        said = (
            NO_LIBRARY
            if self._library is None
            else self._fault or detail(self._days, self._verdicts, key)
        )
        rows = wrap(said, max(self.size.width - 4, 10), DETAIL_ROWS)
        self._detail.show(tuple((("  ", "text"), (row, "text")) for row in rows))

    def _ask(self) -> None:
        self._asked = True
        library = self._library
        if library is None:
            self._days = ()
            return

        def read() -> None:
            try:
                self.post_message(self.Read(library.days(), None))
            except OSError as error:
                self.post_message(self.Read((), f"the desk cannot be read: {error}"))

        self.run_worker(read, thread=True, group="days", exclusive=True)

    def on_days_pane_read(self, message: Read) -> None:
        """They are there: show them at once."""
        self._days, self._fault = message.days, message.fault
        self.post_message(self.Resized())

    def on_days_pane_judged(self, message: Judged) -> None:
        """The verdict stands in its row, which is as the replay found it where it had grown."""
        verdict = message.verdict
        self._verdicts[message.session] = verdict
        self._days = tuple(found_to(day, verdict, message.session) for day in self._days or ())
        if verdict.unkept is not None:
            self.post_message(self.Says(f"The verdict is not kept: {verdict.unkept}"))
        self.post_message(self.Resized())

    def opens_here(self, frame: Frame) -> bool:
        """The session under the cursor, in place of the one that is shown."""
        self.do("open", frame)
        return True

    def do(self, action: str, frame: Frame) -> None:
        """``again`` reads the desk anew, ``open`` shows the session, ``parity`` replays it."""
        key = self._grid.cursor_key
        session = key[1] if isinstance(key, tuple) else None
        if action == "again":
            self._ask()
        elif self._library is None or session is None:
            self.post_message(self.Says("There is no session on this row."))
        elif action == "open":
            self._open(self._library, session)
        elif self._verdicts.get(session) != ASKED:
            self._replay(self._library, session)

    def _open(self, library: Library, session: str) -> None:
        if session == self.shown:
            self.post_message(self.Says("This is the session that is shown."))
            return

        def find() -> None:
            try:
                self.post_message(self.Opens(library.find(session)))
            except LookupError as error:
                self.post_message(self.Says(str(error)))

        self.run_worker(find, thread=True, group="open", exclusive=True)

    def _replay(self, library: Library, session: str) -> None:
        self._verdicts[session] = ASKED

        def judge() -> None:
            self.post_message(self.Judged(session, library.replay(session)))

        self.run_worker(judge, thread=True, group="parity")

"""Which session is looked at: opening another in this screen, and going on with the next one.

Lives here: ``SessionsApp``, the app's part for it. May import: textual, tui. Always holds: an app
shows one session from its beginning to its end; another one is wished for by ending with ``wanted``
set, so that nothing of the first (a control least of all) is left. Start reading at
``SessionsApp.show_instead``.
"""

from __future__ import annotations

from typing import Final

from textual.message import Message

from tui import fmt
from tui.ports import Opened
from tui.screens.days import DaysPane
from tui.screens.start import StartPane
from tui.store import Frame, Store
from tui.tools import ToolsApp
from tui.view.alarms import Alarm, Bell, alarms
from tui.view.text import Line

LOOK_S: Final = 1.0
"""So often the desk is asked for its next session, once the one that is shown has ended."""
NONE_RUNS: Final = "No engine runs on this desk: axiom run starts one."
SHOWN_ALREADY: Final = "This is the session that runs."
NO_LIBRARY: Final = "This screen was opened on one session alone: axiom tui shows a desk's."


class Found(Message):
    """The desk's newest session; ``asked`` by a key, else by the clock."""

    def __init__(self, opened: Opened | None, *, asked: bool) -> None:
        super().__init__()
        self.opened = opened
        self.asked = asked


class SessionsApp(ToolsApp):
    """The app's way from one session to another."""

    _store: Store
    _live: bool

    def __init__(self, shown: Opened | None, beside: Store | None, *, bell: bool) -> None:
        super().__init__()
        self.wanted: Opened | None = None
        self._shown = shown
        self._beside = beside
        self._bell = Bell(on=bell)
        self._looking = False

    # --- to another session --------------------------------------------------------------------

    def show_instead(self, opened: Opened) -> None:
        """End, and say which session is to be shown next."""
        self.wanted = opened
        self._keep_at_leaving()
        self.exit(0)

    def on_days_pane_opens(self, message: DaysPane.Opens) -> None:
        """A session was chosen."""
        self.show_instead(message.opened)

    def go_live(self) -> None:
        """To the session that the desk's engine writes."""
        if self._live and not self._ended(self._store.now()):
            self._say(SHOWN_ALREADY)
        elif self._ports.desk is None:
            self._say(NO_LIBRARY)
        else:
            self._look(asked=True)

    def look_for_next(self) -> None:
        """Where the session that was followed is over, see whether the desk has the next one."""
        waits = self._shown is None or (self._live and self._ended(self._store.now()))
        busy = any(pane.busy for pane in self.query(StartPane))
        if waits and not busy and not self._looking:
            self._look(asked=False)

    @staticmethod
    def _ended(frame: Frame) -> bool:
        return frame.view.closed is not None or frame.state in ("ENDED", "FAILED")

    def _look(self, *, asked: bool) -> None:
        library = self._ports.desk
        if library is None:
            return
        self._looking = True

        def look() -> None:
            try:
                found = library.newest()
            except OSError:
                found = None  # the desk cannot be read just now: the next look may
            self.post_message(Found(found, asked=asked))

        self.run_worker(look, thread=True, group="newest")

    def on_found(self, message: Found) -> None:
        """Go on with a session that runs and is not the one that is shown."""
        self._looking = False
        found = message.opened
        if found is not None and found.running:
            shown = self._shown
            if not (self._live and shown is not None and shown.folder == found.folder):
                self.show_instead(found)
            elif message.asked:
                self._say(SHOWN_ALREADY)
        elif message.asked:
            self._say(NONE_RUNS)

    # --- what goes on beside -------------------------------------------------------------------

    def _ring(self, frame: Frame) -> None:
        """The bell is for the session that runs, also while another one is looked at."""
        runs = frame if self._beside is None else self._beside.frame()
        if self._bell.due(runs, alarms(runs), self._clock.mono_ns()):
            self.bell()

    def _beside_line(self, width: int) -> Line | None:
        """While a recorded session is looked at: that another one runs, and how it is."""
        if self._beside is None:
            return None
        runs = self._beside.frame()
        return ((fmt.fit(fmt.clean(beside_text(runs, alarms(runs))), width), "alert"),)


def beside_text(runs: Frame, found: tuple[Alarm, ...]) -> str:
    """The running session in one line."""
    session = runs.view.session
    mode = "A SESSION" if session is None else session.mode
    if runs.view.closed is not None:
        how = f"has closed ({runs.view.closed})"
    elif runs.behind is not None:
        how = f"is being caught up with, {fmt.group_indian(runs.behind)} entries to go"
    elif runs.no_data:
        how = f"gives NO DATA for {fmt.age(runs.silent_ns)}"
    else:
        how = f"runs on, P&L net {fmt.gain(runs.view.money.net_paise)}"
    alarm = f"  ✗ {len(found)} ALARMS: {found[0].code}" if found else ""
    return f" {mode} {how}{alarm}  - this is a recorded session; ctrl+l goes back"

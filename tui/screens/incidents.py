"""Incidents: the list above, the story of the chosen one below.

Lives here: the pane. May import: textual, tui's view models and widgets.
"""

from __future__ import annotations

from textual.app import ComposeResult

from tui.places import EVERYWHERE
from tui.ports import Answer, Command
from tui.screens.pane import Pane, Target
from tui.store import Frame
from tui.view.incidents import detail, incidents_table, pointed, rows_of, timeline_table
from tui.view.text import wrap
from tui.widgets.grid import LiveGrid
from tui.widgets.line import Lines

DETAIL_ROWS = 2
NOTHING = "Nothing to acknowledge on this row: it is over, seen already, or this screen's own."


class IncidentsPane(Pane):
    """What asked for a person."""

    place = "incidents"
    DEFAULT_CSS = """
    #incident-detail { height: 2; }
    """

    def __init__(self) -> None:
        super().__init__(id="incidents")
        self._list = LiveGrid("incident-list")
        self._detail = Lines("incident-detail")
        self._timeline = LiveGrid("incident-timeline")

    def compose(self) -> ComposeResult:
        yield self._list
        yield self._detail
        yield self._timeline

    def paint(self, frame: Frame) -> None:
        faded = frame.no_data
        self._list.show(incidents_table(frame), faded=faded)
        key = self._list.cursor_key
        rows = wrap(detail(frame, key), max(self.size.width - 4, 10), DETAIL_ROWS)
        self._detail.show(tuple((("  ", "text"), (row, "text")) for row in rows), faded=faded)
        self._timeline.show(timeline_table(frame, pointed(frame, key)), faded=faded)

    def target(self, frame: Frame) -> Target | None:
        """The entry under the cursor, in the journal."""
        key = self._timeline.cursor_key if self._timeline.has_focus else None
        row = pointed(frame, self._list.cursor_key)
        seq = key[1] if isinstance(key, tuple) else None if row is None else row.seq
        if seq is None or "journal" not in EVERYWHERE:
            return None
        return Target("journal", seq=seq)

    def do(self, action: str, frame: Frame) -> None:
        """``ack`` the row under the cursor, or ``ack-all`` that are open and unseen."""
        row = pointed(frame, self._list.cursor_key)
        chosen = rows_of(frame) if action == "ack-all" else () if row is None else (row,)
        unseen = [one for one in chosen if one.unseen]
        for one in unseen:
            command = Command("ACK", one.incident_id, None, "", None)
            self.post_message(self.Gives(command, _answered))
        if not unseen:
            self.post_message(self.Says(NOTHING))


def _answered(answer: Answer) -> None:
    """The app has said what became of it; the journal's own entry changes the row."""

"""Home: the tables that answer in three seconds whether it can trade.

Lives here: the pane. May import: textual, tui's view models and widgets.
"""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Container

from projections.live.view import LiveView, UnderlyingView
from tui.screens.pane import Pane, Target
from tui.store import Frame
from tui.view.home import (
    blocked_table,
    decision_of_position,
    positions_table,
    underlyings_table,
    why_text,
)
from tui.view.notices import notices_table
from tui.view.text import wrap
from tui.view.verdict import plot_lines, verdict_lines
from tui.view.why import Explain
from tui.widgets.grid import HEAD_ROWS, LiveGrid
from tui.widgets.line import Lines

WHY_ROWS = 2


class HomePane(Pane):
    """Underlyings and their verdicts, the reason in words, positions, blockers, events."""

    place = "home"
    SCOPED_CSS = False  # the class that tells the width is the screen's
    DEFAULT_CSS = """
    #verdict { height: 2; }
    #home-why { height: 2; }
    #plots { height: 4; }
    .-narrow #plots { display: none; }
    #positions { height: 7; }
    #lower { layout: horizontal; height: 1fr; }
    #events { margin-left: 1; }
    .-narrow #positions { height: 5; }
    .-narrow #lower { layout: vertical; }
    .-narrow #events { margin-left: 0; height: 4; }
    """

    def __init__(self, explain: Explain) -> None:
        super().__init__(id="home")
        self._explain = explain
        self._underlyings = LiveGrid("underlyings")
        self._verdict = Lines("verdict")
        self._why = Lines("home-why")
        self._plots = Lines("plots")
        self._positions = LiveGrid("positions")
        self._blocked = LiveGrid("blocked-short")
        self._events = LiveGrid("events")

    def compose(self) -> ComposeResult:
        yield self._verdict
        yield self._underlyings
        yield self._why
        yield self._positions
        yield self._plots
        yield Container(self._blocked, self._events, id="lower")

    def paint(self, frame: Frame) -> None:
        faded = frame.no_data
        self._verdict.show(verdict_lines(frame, self.size.width), faded=faded)
        table = underlyings_table(frame)
        height = max(len(table.rows), 1) + HEAD_ROWS
        if self._underlyings.styles.height is None or self._underlyings.styles.height.value != (
            height
        ):
            self._underlyings.styles.height = height
        self._underlyings.show(table, faded=faded)
        pointed = self._pointed(frame.view)
        self._plots.show(plot_lines(frame, pointed, self.size.width), faded=faded)
        text = why_text(frame, pointed, self._explain)
        rows = wrap(text, max(self.size.width - 4, 10), WHY_ROWS)
        self._why.show(tuple((("  ", "text"), (row, "text")) for row in rows), faded=faded)
        self._positions.show(positions_table(frame), faded=faded)
        self._blocked.show(blocked_table(frame), faded=faded)
        self._events.show(notices_table(frame.view), faded=faded)

    def _pointed(self, view: LiveView) -> UnderlyingView | None:
        """The underlying under the cursor."""
        key = self._underlyings.cursor_key
        for row in view.underlyings:
            if ("underlying", row.name) == key:
                return row
        return view.underlyings[0] if view.underlyings else None

    def target(self, frame: Frame) -> Target | None:
        """An underlying's last decision, a position's decision, a reason."""
        grid = self.focused_grid()
        key = None if grid is None else grid.cursor_key
        if not isinstance(key, tuple):
            return None
        if key[0] == "reason":
            return Target("blocked", reason=(key[1], key[2]))
        if key[0] == "position":
            line = decision_of_position(frame.view, key[1])
            return None if line is None else Target("why", decision=line)
        row = self._pointed(frame.view)
        if key[0] != "underlying" or row is None or row.episode is None:
            return None
        return Target("why", decision=row.episode.last)

"""Data and SLA: connections, rates and ages, clock and process, the instruments by age.

Lives here: the pane. May import: textual, tui's view models and widgets.
"""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Container

from tui.screens.pane import Pane
from tui.store import Frame
from tui.view.data import ages_lines, connections_table, health_table, instruments_table
from tui.view.staleness import instrument_ages
from tui.widgets.grid import HEAD_ROWS, LiveGrid
from tui.widgets.line import Lines

CONNECTIONS_SHOWN = 3


class DataPane(Pane):
    """Is what it decides on fresh?"""

    place = "data"
    SCOPED_CSS = False  # the class that tells the width is the screen's
    DEFAULT_CSS = """
    #data-ages { height: 3; }
    #data-lower { layout: horizontal; height: 1fr; }
    #data-health { width: 2fr; }
    #data-instruments { width: 3fr; margin-right: 1; }
    .-narrow #data-lower { layout: vertical; }
    .-narrow #data-health { width: 1fr; height: 5; }
    .-narrow #data-instruments { width: 1fr; margin-right: 0; }
    """

    def __init__(self) -> None:
        super().__init__(id="data")
        self._connections = LiveGrid("data-connections")
        self._ages = Lines("data-ages")
        self._instruments = LiveGrid("data-instruments")
        self._health = LiveGrid("data-health")
        self._stale_only = False
        self._held_only = False

    def compose(self) -> ComposeResult:
        yield self._connections
        yield self._ages
        yield Container(self._instruments, self._health, id="data-lower")

    def paint(self, frame: Frame) -> None:
        faded = frame.no_data
        table = connections_table(frame)
        height = min(max(len(table.rows), 1), CONNECTIONS_SHOWN) + HEAD_ROWS
        if self._connections.styles.height is None or (
            self._connections.styles.height.value != height
        ):
            self._connections.styles.height = height
        self._connections.show(table, faded=faded)
        ages = instrument_ages(frame)
        self._ages.show(ages_lines(frame, ages, self.size.width), faded=faded)
        rows = instruments_table(
            frame, ages, stale_only=self._stale_only, held_only=self._held_only
        )
        self._instruments.show(rows, faded=faded)
        self._health.show(health_table(frame), faded=faded)

    def do(self, action: str, frame: Frame) -> None:
        """``stale`` and ``held`` leave out what is not so; again brings it back."""
        if action == "stale":
            self._stale_only = not self._stale_only
        else:
            self._held_only = not self._held_only

"""Help: keys and signs.

Lives here: the pane. May import: textual, tui's view models and widgets.
"""

from __future__ import annotations

from textual.app import ComposeResult

from tui.screens.pane import Pane
from tui.store import Frame
from tui.view.help import help_table
from tui.widgets.grid import LiveGrid


class HelpPane(Pane):
    """What every key does and every sign means."""

    place = "help"

    def __init__(self) -> None:
        super().__init__(id="help")
        self._grid = LiveGrid("help-rows")

    def compose(self) -> ComposeResult:
        yield self._grid

    def paint(self, frame: Frame) -> None:
        self._grid.show(help_table(frame))

"""The palette: what can be done, while a line is typed below.

Lives here: the pane. May import: textual, tui's view models and widgets.
"""

from __future__ import annotations

from textual.app import ComposeResult

from tui.places import Place
from tui.screens.pane import Pane
from tui.store import Frame
from tui.view.palette import palette_table
from tui.widgets.grid import LiveGrid


class PalettePane(Pane):
    """Panes, keys and verbs that match the words."""

    place = "palette"

    def __init__(self, verbs: tuple[tuple[str, str], ...]) -> None:
        super().__init__(id="palette")
        self._verbs = verbs
        self._grid = LiveGrid("palette-rows")
        self._from: Place = "home"
        self._words = ""

    def compose(self) -> ComposeResult:
        yield self._grid

    def opened_from(self, place: Place) -> None:
        """What is offered is what that pane can do."""
        self._from = place
        self.narrow("")

    def narrow(self, words: str) -> None:
        """Only what matches these words from now on."""
        self._words = words
        self._show()
        self._grid.jump(0)

    @property
    def chosen(self) -> tuple[str, str] | None:
        """("do", action) or ("verb", name) under the cursor."""
        key = self._grid.cursor_key
        return key if isinstance(key, tuple) else None

    def paint(self, frame: Frame) -> None:
        self._show()

    def _show(self) -> None:
        self._grid.show(palette_table(self._from, self._words, self._verbs))

"""Gates: what each underlying waits for, stage by stage.

Lives here: the pane. May import: textual, tui's view models and widgets.
"""

from __future__ import annotations

from textual.app import ComposeResult

from tui.screens.pane import Pane, Target
from tui.store import Frame
from tui.view.gates import matrix_table, pointed, stages_table
from tui.view.home import why_text
from tui.view.text import wrap
from tui.view.why import Explain
from tui.widgets.grid import HEAD_ROWS, LiveGrid
from tui.widgets.line import Lines

WHY_ROWS = 2


class GatesPane(Pane):
    """The matrix above, the stages of the underlying under its cursor below."""

    place = "gates"
    DEFAULT_CSS = """
    #gates-why { height: 2; }
    """

    def __init__(self, explain: Explain) -> None:
        super().__init__(id="gates")
        self._explain = explain
        self._matrix = LiveGrid("matrix")
        self._why = Lines("gates-why")
        self._stages = LiveGrid("stages")

    def compose(self) -> ComposeResult:
        yield self._matrix
        yield self._why
        yield self._stages

    def paint(self, frame: Frame) -> None:
        faded = frame.no_data
        table = matrix_table(frame)
        self._matrix.styles.height = max(len(table.rows), 1) + HEAD_ROWS
        self._matrix.show(table, faded=faded)
        row = pointed(frame, self._matrix.cursor_key)
        text = wrap(why_text(frame, row, self._explain), max(self.size.width - 4, 10), WHY_ROWS)
        self._why.show(tuple((("  ", "text"), (line, "text")) for line in text), faded=faded)
        self._stages.show(stages_table(frame, row), faded=faded)

    def target(self, frame: Frame) -> Target | None:
        """The last decision of the underlying; from a stage, at that stage."""
        row = pointed(frame, self._matrix.cursor_key)
        if row is None or row.episode is None:
            return None
        key = self._stages.cursor_key if self._stages.has_focus else None
        stage = key[1] if isinstance(key, tuple) else None
        return Target("why", decision=row.episode.last, stage=stage)

"""Blocked today: reasons above, the decisions of the chosen one below.

Lives here: the pane. May import: textual, tui's view models and widgets.
"""

from __future__ import annotations

from textual.app import ComposeResult

from tui.screens.pane import Pane, Target
from tui.store import Frame
from tui.view.blocked import decisions_table, detail, reason_row, reasons_table
from tui.view.text import wrap
from tui.widgets.grid import LiveGrid
from tui.widgets.line import Lines

DETAIL_ROWS = 2


class BlockedPane(Pane):
    """What stopped trades today."""

    place = "blocked"
    DEFAULT_CSS = """
    #reason-detail { height: 2; }
    """

    def __init__(self) -> None:
        super().__init__(id="blocked")
        self._reasons = LiveGrid("reasons")
        self._detail = Lines("reason-detail")
        self._decisions = LiveGrid("decisions")
        self._wanted: tuple[str, str] | None = None

    def compose(self) -> ComposeResult:
        yield self._reasons
        yield self._detail
        yield self._decisions

    def look_at(self, target: Target) -> None:
        """Point at a (stage, reason) at the next paint."""
        self._wanted = target.reason

    def paint(self, frame: Frame) -> None:
        faded = frame.no_data
        self._reasons.show(reasons_table(frame), faded=faded)
        if self._wanted is not None and self._reasons.size.height:
            self._reasons.point_at_key(("reason", *self._wanted))
            self._wanted = None
        row = reason_row(frame, self._reasons.cursor_key)
        text = wrap(detail(row), max(self.size.width - 4, 10), DETAIL_ROWS)
        self._detail.show(tuple((("  ", "text"), (line, "text")) for line in text), faded=faded)
        self._decisions.show(decisions_table(row), faded=faded)

    def target(self, frame: Frame) -> Target | None:
        """The chosen decision; from a reason, its last one."""
        row = reason_row(frame, self._reasons.cursor_key)
        if row is None or not row.recent:
            return None
        chosen = row.recent[-1]
        if self._decisions.has_focus:
            key = self._decisions.cursor_key
            chosen = next((line for line in row.recent if ("decision", line.seq) == key), chosen)
        return Target("why", decision=chosen)

"""Positions and risk: what is held, the day's curve, the limits as bars.

Lives here: the pane. May import: textual, tui's view models and widgets.
"""

from __future__ import annotations

from textual.app import ComposeResult

from projections.live.view import PositionView
from tui.ports import Command, Ports
from tui.screens.confirm import give_with_word
from tui.screens.pane import Pane, Target
from tui.screens.resolve import ask_fate
from tui.store import Frame
from tui.view.halt import confirm_word, halts_of, why_not
from tui.view.home import decision_of_position
from tui.view.positions import (
    day_lines,
    exit_label,
    exit_of,
    position_at,
    position_text,
    positions_table,
)
from tui.view.resolve import of_position
from tui.view.risk import halts_text, limits_table
from tui.view.text import Line, span, wrap
from tui.widgets.grid import LiveGrid
from tui.widgets.line import Lines

CURVE_ROWS = 2
BY_HAND = "closed by hand from the screen"
TYPED = 8
"""Columns for what is typed behind a question."""


class PositionsPane(Pane):
    """Positions above; the id under the cursor, the curve and the risk state; the limits below."""

    place = "positions"
    DEFAULT_CSS = f"""
    #day {{ height: {CURVE_ROWS + 2}; }}
    """

    def __init__(self, ports: Ports) -> None:
        super().__init__(id="positions-pane")
        self._control = ports.control
        self._positions = LiveGrid("held")
        self._day = Lines("day")
        self._limits = LiveGrid("limits")

    def compose(self) -> ComposeResult:
        yield self._positions
        yield self._day
        yield self._limits

    def paint(self, frame: Frame) -> None:
        faded = frame.no_data
        width = max(self.size.width - 4, 10)
        self._positions.show(positions_table(frame), faded=faded)
        state: tuple[Line, ...] = tuple(
            (("  ", "text"), (row, "bad" if halts_of(frame.view) else "text"))
            for row in wrap(halts_text(frame), width, 1)
        )
        row = position_at(frame, self._positions.cursor_key)
        named: Line = (("  ", "text"), span(position_text(frame, row)))
        curve = day_lines(frame, width, CURVE_ROWS)
        self._day.show((named, *curve, *state), faded=faded)
        self._limits.show(limits_table(frame), faded=faded)

    def target(self, frame: Frame) -> Target | None:
        """The decision that opened the position under the cursor."""
        key = self._positions.cursor_key
        if self._limits.has_focus or not isinstance(key, tuple):
            return None
        line = decision_of_position(frame.view, key[1])
        return None if line is None else Target("why", decision=line)

    def do(self, action: str, frame: Frame) -> None:
        """``exit``: close the position under the cursor, a pair as a whole; ``resolve``: how much
        of it the broker holds."""
        no = why_not(frame, self._control)
        key = self._positions.cursor_key
        rows = [row for row in frame.view.positions if ("position", row.position_id) == key]
        if no is None and not rows:
            no = "The position under the cursor is not open."
        if no is not None:
            self.post_message(self.Says(no))
            return
        if action == "resolve":
            self._resolve(frame, rows[0])
            return
        leaving = exit_of(frame.view, rows[0])
        room = self.size.width - len(f" Type {confirm_word(frame)}: ") - TYPED
        command = Command("EXIT", leaving.position_id, None, BY_HAND, None)
        give_with_word(self, frame, exit_label(leaving, room), command)

    def _resolve(self, frame: Frame, row: PositionView) -> None:
        doubt = of_position(frame.view, row)
        if doubt is None:
            self.post_message(self.Says("A sold leg is no long: this is said of its long."))
        else:
            ask_fate(self, frame, doubt)

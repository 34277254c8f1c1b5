"""Blocked today: reasons above, when in the day, the decisions of the chosen one below.

Lives here: the pane. May import: textual, tui's view models and widgets.
"""

from __future__ import annotations

from textual.app import ComposeResult

from tui.screens.pane import Pane, Target
from tui.store import Frame
from tui.view.blocked import (
    EVERYTHING,
    decisions_table,
    detail,
    heat_lines,
    next_list,
    next_underlying,
    reason_row,
    reasons_table,
    shown_lines,
)
from tui.view.text import wrap
from tui.widgets.grid import LiveGrid
from tui.widgets.line import Lines

DETAIL_ROWS = 2


class BlockedPane(Pane):
    """What stopped trades today. ``u`` goes through the underlyings, ``n`` through the lists."""

    place = "blocked"
    DEFAULT_CSS = """
    #reason-heat { height: 3; }
    #reason-detail { height: 2; }
    """

    def __init__(self) -> None:
        super().__init__(id="blocked")
        self._reasons = LiveGrid("reasons")
        self._heat = Lines("reason-heat")
        self._detail = Lines("reason-detail")
        self._decisions = LiveGrid("decisions")
        self._choice = EVERYTHING
        self._wanted: tuple[str, str] | None = None

    def compose(self) -> ComposeResult:
        yield self._reasons
        yield self._heat
        yield self._detail
        yield self._decisions

    def look_at(self, target: Target) -> None:
        """Point at a (stage, reason) at the next paint."""
        self._wanted = target.reason
        self._choice = EVERYTHING
        self._tell_choice()

    def do(self, action: str, frame: Frame) -> None:
        """``underlying``: the next one, or all; ``list``: the next list of decisions."""
        if action == "underlying":
            self._choice = next_underlying(frame.view, self._choice)
        else:
            self._choice = next_list(self._choice)
        self._tell_choice()

    def _tell_choice(self) -> None:
        name = self._choice.underlying
        self.crumb = "" if name is None else f"> {name} alone"

    def paint(self, frame: Frame) -> None:
        faded = frame.no_data
        choice = self._choice
        self._reasons.show(reasons_table(frame, choice), faded=faded)
        if self._wanted is not None and self._reasons.size.height:
            self._reasons.point_at_key(("reason", *self._wanted))
            self._wanted = None
        row = reason_row(frame, self._reasons.cursor_key, choice)
        self._heat.show(heat_lines(frame, choice, self.size.width), faded=faded)
        text = wrap(detail(row), max(self.size.width - 4, 10), DETAIL_ROWS)
        self._detail.show(tuple((("  ", "text"), (line, "text")) for line in text), faded=faded)
        self._decisions.show(decisions_table(frame, row, choice), faded=faded)

    def target(self, frame: Frame) -> Target | None:
        """The chosen decision; from a reason, its last one."""
        row = reason_row(frame, self._reasons.cursor_key, self._choice)
        if self._decisions.has_focus:
            key = self._decisions.cursor_key
            for line in shown_lines(frame, row, self._choice):
                if ("decision", line.seq) == key:
                    return Target("why", decision=line)
        name = self._choice.underlying
        kept = () if row is None else row.recent
        mine = [line for line in kept if name is None or line.made.underlying == name]
        return Target("why", decision=mine[-1]) if mine else None

"""Why: one decision with all its stages and gates.

Lives here: the pane. May import: textual, tui's view models and widgets. Always holds: what it
shows is as it was at the decision, not as it is now.
"""

from __future__ import annotations

from textual.app import ComposeResult

from events.decision import GatesEvaluated
from projections.live.view import DecisionLine, LiveView
from tui import fmt
from tui.screens.pane import Pane, Target
from tui.store import Frame
from tui.view.text import Line, span, wrap
from tui.view.why import (
    Explain,
    deciding_key,
    detail_text,
    gates_of,
    gates_table,
    trail_text,
)
from tui.widgets.grid import LiveGrid
from tui.widgets.line import Lines

DETAIL_ROWS = 2


class WhyPane(Pane):
    """The sentence, the trail, the eleven stages, and the row under the cursor in words."""

    place = "why"

    DEFAULT_CSS = """
    #gate-detail { height: 2; }
    #sentence { height: 3; }
    """

    def __init__(self, explain: Explain) -> None:
        super().__init__(id="why")
        self._explain = explain
        self._sentence = Lines("sentence")
        self._grid = LiveGrid("gate-rows")
        self._detail = Lines("gate-detail")
        self._line: DecisionLine | None = None
        self._gates: GatesEvaluated | None = None
        self._stage: str | None = None
        self._all_gates = False
        self._fresh = False

    def compose(self) -> ComposeResult:
        yield self._sentence
        yield self._grid
        yield self._detail

    def look_at(self, target: Target) -> None:
        """Show this decision from the next paint on."""
        line = target.decision
        if line is None:
            return
        self._line = line
        self._stage = target.stage
        self._gates = gates_of(line)
        self._fresh = True
        self.crumb = f"> {line.made.underlying} {fmt.clock(line.ts)} #{line.seq}"

    def do(self, action: str, frame: Frame) -> None:
        """``all``: every gate or only those that say why; ``before``, ``after``: the neighbour."""
        if action == "all":
            self._all_gates = not self._all_gates
        elif not self._step(frame.view, 1 if action == "after" else -1):
            text = "There is no further decision of this underlying in memory."
            self.post_message(self.Says(text))

    def _step(self, view: LiveView, by: int) -> bool:
        """Go to a neighbouring decision of the same underlying; False at the ends."""
        if self._line is None:
            return False
        name = self._line.made.underlying
        kept = {
            line.seq: line
            for row in view.funnel
            for line in row.recent
            if line.made.underlying == name
        }
        seqs = sorted(kept)
        later = [seq for seq in seqs if seq > self._line.seq]
        earlier = [seq for seq in seqs if seq < self._line.seq]
        found = later[:1] if by > 0 else earlier[-1:]
        if not found:
            return False
        self.look_at(Target("why", decision=kept[found[0]]))
        return True

    def paint(self, frame: Frame) -> None:
        if self._line is None:
            return
        width = max(self.size.width - 4, 10)
        words = wrap(self._explain(self._line.made, self._gates), width, 2)
        ago = f"decided {fmt.age(frame.age_ns(self._line.ts))} ago.  "
        lines: list[Line] = [(("  ", "text"), (row, "title")) for row in words]
        lines.append((("  ", "text"), span(ago + trail_text(self._line, frame.view), "dim")))
        self._sentence.show(tuple(lines))
        self._grid.show(gates_table(self._line, self._gates, all_gates=self._all_gates))
        if self._fresh and self._grid.size.height:  # a pane just shown has no height yet
            self._grid.jump(0)
            self._grid.point_at_key(deciding_key(self._gates, self._stage))
            self._fresh = False
        detail = wrap(detail_text(self._gates, self._grid.cursor_key), width, DETAIL_ROWS)
        self._detail.show(tuple((("  ", "text"), (row, "text")) for row in detail))

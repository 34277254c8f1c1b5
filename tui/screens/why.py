"""Why: one decision with its causes, all its gates, what it saw and what it was decided by.

Lives here: the pane. May import: textual, tui's view models and widgets. Always holds: what it
shows is as it was at the decision, not as it is now; the sentence is always in view.
"""

from __future__ import annotations

from typing import Final, Literal

from textual.app import ComposeResult
from textual.containers import Container
from textual.message import Message

from events.decision import GatesEvaluated
from projections.live.view import DecisionLine, LiveView
from tui import fmt
from tui.ports import LeastChange
from tui.screens.pane import Pane, Target
from tui.store import Frame
from tui.view.text import Line, span, wrap
from tui.view.trace import build_table, chain_table, inputs_table
from tui.view.why import (
    Explain,
    deciding_key,
    detail_text,
    gate_source,
    gates_of,
    gates_table,
    trail_text,
)
from tui.widgets.grid import LiveGrid
from tui.widgets.line import Lines

DETAIL_ROWS: Final = 2
LEAST_ROWS: Final = 3
NO_LEAST: Final = "The least change is found from a recorded session: axiom why --counterfactual"

Part = Literal["gates", "chain", "inputs", "build"]
PARTS: Final[tuple[Part, ...]] = ("gates", "chain", "inputs", "build")


class WhyPane(Pane):
    """The sentence; gates, chain, inputs and build; the row under the cursor in words.

    On a wide screen the gates stand above the chain and one of inputs and build; on a narrow one
    each part stands alone, by its key.
    """

    place = "why"

    SCOPED_CSS = False  # the class that tells the width is the screen's
    DEFAULT_CSS = """
    #gate-detail { height: 2; }
    #sentence { height: 3; }
    #least { height: 3; display: none; }
    #least.-shown { display: block; }
    #traces { layout: horizontal; height: 16; }
    #why-inputs, #why-build { margin-left: 1; }
    WhyPane.-part-build #why-inputs { display: none; }
    WhyPane.-part-gates #why-build, WhyPane.-part-chain #why-build { display: none; }
    WhyPane.-part-inputs #why-build { display: none; }
    .-narrow #traces { height: 1fr; }
    .-narrow #why-inputs, .-narrow #why-build { margin-left: 0; }
    .-narrow WhyPane.-part-gates #traces { display: none; }
    .-narrow WhyPane.-part-chain #gate-rows, .-narrow WhyPane.-part-chain #why-inputs,
    .-narrow WhyPane.-part-inputs #gate-rows, .-narrow WhyPane.-part-inputs #why-chain,
    .-narrow WhyPane.-part-build #gate-rows, .-narrow WhyPane.-part-build #why-chain {
        display: none;
    }
    """

    class Least(Message):
        """The least change of a decision was found, or why it was not."""

        def __init__(self, seq: int, text: str) -> None:
            super().__init__()
            self.seq = seq
            self.text = text

    def __init__(self, explain: Explain, least_change: LeastChange | None) -> None:
        super().__init__(id="why")
        self._explain = explain
        self._least_change = least_change
        self._sentence = Lines("sentence")
        self._least = Lines("least")
        self._grid = LiveGrid("gate-rows")
        self._chain = LiveGrid("why-chain")
        self._inputs = LiveGrid("why-inputs")
        self._build = LiveGrid("why-build")
        self._detail = Lines("gate-detail")
        self._line: DecisionLine | None = None
        self._gates: GatesEvaluated | None = None
        self._stage: str | None = None
        self._all_gates = False
        self._fresh = False
        self._found: tuple[int, str] | None = None
        self._part: Part = "gates"

    def compose(self) -> ComposeResult:
        yield self._sentence
        yield self._least
        yield self._grid
        yield Container(self._chain, self._inputs, self._build, id="traces")
        yield self._detail

    def on_mount(self) -> None:
        """The gates first."""
        self._show_part("gates")

    def look_at(self, target: Target) -> None:
        """Show the gates of this decision from the next paint on."""
        if target.decision is not None:
            self._show_part("gates")
            self._look(target.decision, target.stage)

    def _look(self, line: DecisionLine, stage: str | None) -> None:
        self._line = line
        self._stage = stage
        self._gates = gates_of(line)
        self._fresh = True
        self.crumb = f"> {line.made.underlying} {fmt.clock(line.ts)} #{line.seq}"

    # --- keys ----------------------------------------------------------------------------------

    def do(self, action: str, frame: Frame) -> None:
        """A part by its name; ``all``: every gate or those that say why; ``least``: what would have
        had to be otherwise; ``before``, ``after``: the neighbour."""
        part = next((one for one in PARTS if one == action), None)
        if part is not None:
            self._show_part(part)
            self.call_after_refresh(self._focus_part)
        elif action == "all":
            self._all_gates = not self._all_gates
        elif action == "least":
            self._ask_least()
        elif not self._step(frame.view, 1 if action == "after" else -1):
            text = "There is no further decision of this underlying in memory."
            self.post_message(self.Says(text))

    def _grid_of(self, part: Part) -> LiveGrid:
        return (self._grid, self._chain, self._inputs, self._build)[PARTS.index(part)]

    def focused_grid(self) -> LiveGrid | None:
        """The grid with the cursor: the focused one, else that of the part that is shown."""
        focused = (self._grid_of(part) for part in PARTS if self._grid_of(part).has_focus)
        return next(focused, self._grid_of(self._part))

    def _focus_part(self) -> None:
        """Once it is laid out: what is hidden cannot take the focus."""
        self._grid_of(self._part).focus(scroll_visible=False)
        self.post_message(self.Resized())

    def _show_part(self, part: Part) -> None:
        self._part = part
        for name in PARTS:
            self.set_class(name == part, f"-part-{name}")

    def _ask_least(self) -> None:
        """Off the painting thread: the session is taken back to the decision and run again."""
        line, find = self._line, self._least_change
        if line is None:
            return
        if find is None:
            self.post_message(self.Says(NO_LEAST))
            return
        self._found = (line.seq, "Finding the least change: the session is run up to here ...")

        def ask() -> None:
            self.post_message(self.Least(line.seq, find(line.seq)))

        self.run_worker(ask, thread=True, group="least", exclusive=True)

    def on_why_pane_least(self, message: Least) -> None:
        """It is found; another decision may be shown meanwhile, then it waits there."""
        message.stop()
        self._found = (message.seq, message.text)
        self.post_message(self.Resized())

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
        self._look(kept[found[0]], None)
        return True

    # --- painting ------------------------------------------------------------------------------

    def paint(self, frame: Frame) -> None:
        line = self._line
        if line is None:
            return
        width = max(self.size.width - 4, 10)
        words = wrap(self._explain(line.made, self._gates), width, 2)
        ago = f"decided {fmt.age(frame.age_ns(line.ts))} ago.  "
        lines: list[Line] = [(("  ", "text"), (row, "title")) for row in words]
        lines.append((("  ", "text"), span(ago + trail_text(line, frame.view), "dim")))
        self._sentence.show(tuple(lines))
        self._paint_least(line, width)
        self._grid.show(gates_table(line, self._gates, all_gates=self._all_gates))
        self._chain.show(chain_table(frame.view, line, self._gates))
        self._inputs.show(inputs_table(frame.view, line))
        self._build.show(build_table(frame.view, line))
        if self._fresh and (self._grid.size.height or self._chain.size.height):
            # A pane just shown has no height yet.
            self._grid.jump(0)
            self._grid.point_at_key(deciding_key(self._gates, self._stage))
            self._chain.point_at_key(("entry", line.seq, "decision"))
            self._fresh = False
        grid = self.focused_grid() or self._grid
        text = grid.cursor_text.replace("└ ", "")
        if grid is self._grid:
            text = detail_text(line, self._gates, grid.cursor_key)
        detail = wrap(text, width, DETAIL_ROWS)
        self._detail.show(tuple((("  ", "text"), (row, "text")) for row in detail))

    def _paint_least(self, line: DecisionLine, width: int) -> None:
        known = self._found is not None and self._found[0] == line.seq
        self._least.set_class(known, "-shown")
        if self._found is not None and known:
            rows = wrap(self._found[1], width, LEAST_ROWS)
            self._least.show(tuple((("  ", "text"), (row, "warn")) for row in rows))

    def target(self, frame: Frame) -> Target | None:
        """The journal's entry behind the row: of a gate, the one that it looked at."""
        grid = self.focused_grid()
        key = None if grid is None else grid.cursor_key
        if self._line is None or not isinstance(key, tuple):
            return None
        if key[0] == "entry":
            return Target("entry", seq=key[1])
        if key[0] == "input":
            return Target("entry", seq=self._line.made.snapshot_seq)
        return Target("entry", seq=gate_source(self._line, key))

"""Chain: what the contracts of an underlying stand at, and why each was taken or not.

Lives here: the pane. May import: textual, tui's view models and widgets.
"""

from __future__ import annotations

from textual.app import ComposeResult

from events.session import Instrument
from tui.screens.pane import Pane, Target
from tui.store import Frame
from tui.view.chain import (
    Chosen,
    Shelf,
    chain_table,
    choose,
    depth_lines,
    leg_text,
    shelf_of,
    strike_at,
)
from tui.view.text import Line, wrap
from tui.widgets.grid import LiveGrid
from tui.widgets.line import Lines

TEXT_ROWS = 2


class ChainPane(Pane):
    """Strikes of one expiry; below them the words and the books of the one under the cursor."""

    place = "chain"
    DEFAULT_CSS = """
    #chain-text { height: 4; }
    #depth { height: 6; }
    """

    def __init__(self) -> None:
        super().__init__(id="chain")
        self._grid = LiveGrid("strikes")
        self._text = Lines("chain-text")
        self._depth = Lines("depth")
        self._instruments: tuple[Instrument, ...] = ()
        self._shelf: Shelf = {}
        self._name: str | None = None
        self._expiry: int | None = None
        self._fresh = True

    def compose(self) -> ComposeResult:
        yield self._grid
        yield self._text
        yield self._depth

    def _chosen(self, frame: Frame) -> Chosen | None:
        if frame.view.instruments is not self._instruments:
            self._instruments = frame.view.instruments
            self._shelf = shelf_of(self._instruments)
        return choose(frame.view, self._shelf, self._name, self._expiry)

    def do(self, action: str, frame: Frame) -> None:
        """``before``, ``after``: another underlying; ``expiry``: the next expiry of this one."""
        chosen = self._chosen(frame)
        if chosen is None:
            self.post_message(self.Says("The session has no option contracts."))
            return
        if action == "expiry":
            days = list(self._shelf[chosen.underlying.name])
            self._expiry = days[(days.index(chosen.expiry) + 1) % len(days)]
        else:
            names = [row.name for row in frame.view.underlyings if row.name in self._shelf]
            by = 1 if action == "after" else -1
            self._name = names[(names.index(chosen.underlying.name) + by) % len(names)]
            self._expiry = None
        self._fresh = True

    def paint(self, frame: Frame) -> None:
        faded = frame.no_data
        chosen = self._chosen(frame)
        self.crumb = "" if chosen is None else f"> {chosen.underlying.name}"
        self._grid.show(chain_table(frame, chosen), faded=faded)
        if self._fresh and chosen is not None and self._grid.size.height:
            self._grid.point_at_key(("strike", chosen.at_the_money))
            self._fresh = False
        one = strike_at(chosen, self._grid.cursor_key)
        width = self.size.width
        lines: list[Line] = []
        if chosen is not None and one is not None:
            for leg in (one.call, one.put):
                words = wrap(leg_text(frame, chosen, leg), max(width - 4, 10), TEXT_ROWS)
                lines.extend((("  ", "text"), (row, "text")) for row in words)
        self._text.show(tuple(lines), faded=faded)
        self._depth.show(depth_lines(frame, one, width), faded=faded)

    def target(self, frame: Frame) -> Target | None:
        """The last decision of the underlying: what became of its contracts."""
        chosen = self._chosen(frame)
        episode = None if chosen is None else chosen.underlying.episode
        return None if episode is None else Target("why", decision=episode.last)

"""What every pane can do.

Lives here: the base class and the target of a drill. May import: textual, tui.store, tui.widgets.
Always holds: ``paint`` is the only way in for data.
"""

from __future__ import annotations

import msgspec
from textual.containers import Container
from textual.message import Message

from projections.live.view import DecisionLine
from tui.keys import Place
from tui.store import Frame
from tui.widgets.grid import LiveGrid


class Target(msgspec.Struct, frozen=True):
    """Where ``enter`` leads: a place, and what to look at there."""

    place: Place
    reason: tuple[str, str] | None
    decision: DecisionLine | None


class Pane(Container):
    """The body for one place. ``crumb`` says where in it one is."""

    class Resized(Message):
        """The pane has another size than when it was painted."""

    place: Place
    crumb = ""

    def on_resize(self) -> None:
        """Ask for a repaint once the layout is done."""
        self.post_message(self.Resized())

    def paint(self, frame: Frame) -> None:
        """Show a frame."""
        raise TypeError(f"{type(self).__name__} does not say how it is painted")

    def target(self, frame: Frame) -> Target | None:
        """Where ``enter`` leads from here, None for nowhere."""
        return None

    def focused_grid(self) -> LiveGrid | None:
        """The grid with the cursor: the focused one, else the first."""
        grids = list(self.query(LiveGrid))
        for grid in grids:
            if grid.has_focus:
                return grid
        return grids[0] if grids else None

"""What every pane can do.

Lives here: the base class, the target of a drill, and what a pane asks of the app. May import:
textual, tui.ports, tui.store, tui.widgets. Always holds: ``paint`` is the only way in for data; a
pane acts on nothing itself, it asks by a message.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from textual.containers import Container
from textual.message import Message

from projections.live.view import DecisionLine
from tui.places import Place
from tui.ports import Answer, Command
from tui.store import Frame
from tui.widgets.grid import LiveGrid


class Target(msgspec.Struct, frozen=True):
    """Where ``enter`` leads: a place, and what to look at there (each pane takes what it knows)."""

    place: Place
    reason: tuple[str, str] | None = None
    decision: DecisionLine | None = None
    stage: str | None = None
    seq: int | None = None


class Pane(Container):
    """The body for one place. ``crumb`` says where in it one is."""

    class Resized(Message):
        """The pane has another size than when it was painted."""

    class Says(Message):
        """A line for the person, shown in place of the key bar for a while."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Asks(Message):
        """A line is wanted from the person; ``done`` gets it, unless escape was pressed."""

        def __init__(self, label: str, done: Callable[[str], None], initial: str = "") -> None:
            super().__init__()
            self.label = label
            self.done = done
            self.initial = initial

    class Gives(Message):
        """A command for the engine; ``done`` gets its answer."""

        def __init__(self, command: Command, done: Callable[[Answer], None]) -> None:
            super().__init__()
            self.command = command
            self.done = done

    class Goes(Message):
        """Somewhere else is to be shown."""

        def __init__(self, target: Target) -> None:
            super().__init__()
            self.target = target

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

    def opens_here(self, frame: Frame) -> bool:
        """Do what ``enter`` means here where it leads to no other pane; whether it did."""
        return False

    def look_at(self, target: Target) -> None:
        """Somebody comes here to see this."""

    def do(self, action: str, frame: Frame) -> None:
        """A key of this pane: a row of the key table whose action is ``pane('action')``."""
        raise TypeError(f"{type(self).__name__} has no action {action!r}")

    def back(self) -> bool:
        """Escape: a step back within the pane; False where there is none."""
        return False

    def stirred(self) -> bool:
        """Whether something beside the frame is new since the last paint."""
        return False

    def focused_grid(self) -> LiveGrid | None:
        """The grid with the cursor: the focused one, else the first."""
        grids = list(self.query(LiveGrid))
        for grid in grids:
            if grid.has_focus:
                return grid
        return grids[0] if grids else None

"""The kill switch: its levels, how it stands, and the day's commands.

Lives here: the pane. May import: textual, tui's view models and widgets. Always holds: whoever
comes here finds the cursor on the first level, which goes out with one key; every other one needs
the mode's word.
"""

from __future__ import annotations

from textual.app import ComposeResult

from tui.ports import Command, Ports
from tui.screens.confirm import give_with_word, nothing_more
from tui.screens.pane import Pane, Target
from tui.store import Frame
from tui.view.halt import (
    LEVELS,
    Level,
    commands_table,
    level_of,
    levels_table,
    more_text,
    standing_lines,
    why_not,
)
from tui.view.shaping import AS_GIVEN
from tui.view.text import Line, wrap
from tui.widgets.grid import HEAD_ROWS, LiveGrid
from tui.widgets.line import Lines

MORE_ROWS = 2
FROM_HERE = "halted from the screen"


class HaltPane(Pane):
    """Levels above, what was commanded below."""

    place = "halt"
    DEFAULT_CSS = f"""
    #standing {{ height: {2 + MORE_ROWS}; }}
    #levels {{ height: {len(LEVELS) + HEAD_ROWS + 1}; }}
    """

    def __init__(self, ports: Ports) -> None:
        super().__init__(id="halt")
        self._control = ports.control
        self._standing = Lines("standing")
        self._levels = LiveGrid("levels")
        self._commands = LiveGrid("commands")

    def compose(self) -> ComposeResult:
        yield self._levels
        yield self._standing
        yield self._commands

    def look_at(self, target: Target) -> None:
        """Back to the first level, whatever was chosen the last time."""
        self._levels.reshape(AS_GIVEN)
        self._levels.jump(0)

    def paint(self, frame: Frame) -> None:
        no = why_not(frame, self._control)
        self._levels.show(levels_table(frame, can=no is None))
        lines = standing_lines(frame, no)
        more = wrap(more_text(frame), max(self.size.width - 4, 10), MORE_ROWS)
        words: tuple[Line, ...] = tuple((("    ", "text"), (row, "dim")) for row in more)
        self._standing.show((*lines, *words))
        self._commands.show(commands_table(frame))

    def focused_grid(self) -> LiveGrid:
        """The levels, unless somebody went down to the list."""
        return self._commands if self._commands.has_focus else self._levels

    def do(self, action: str, frame: Frame) -> None:
        """``give``: the level under the cursor."""
        no = why_not(frame, self._control)
        if no is not None:
            self.post_message(self.Says(no))
            return
        if self._commands.has_focus:
            self.post_message(self.Says("The levels stand above: tab goes there."))
            return
        self._give(level_of(self._levels.cursor_key) or LEVELS[0], frame)

    def _give(self, level: Level, frame: Frame) -> None:
        if level.verb == "RESUME":
            self.post_message(
                self.Asks("RESUME: why may it go on?", lambda why: self._resume(why, frame))
            )
            return
        command = Command(level.verb, None, level.value, FROM_HERE, None)
        if not level.typed:
            self.post_message(self.Gives(command, nothing_more))
            return
        give_with_word(self, frame, f"{level.name}:", command)

    def _resume(self, why: str, frame: Frame) -> None:
        if not why:
            self.post_message(self.Says("Without a reason nothing is resumed."))
            return
        give_with_word(self, frame, "RESUME.", Command("RESUME", None, None, why, None))

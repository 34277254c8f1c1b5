"""A widget that shows finished lines.

Lives here: ``Lines``. May import: textual, tui.view.text, tui.theme. Always holds: a repaint
happens only when the lines differ; the widget is never focused and never scrolls.
"""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from tui.theme import LOOKS, Look
from tui.view.text import Line, crop


def look_of(widget: Widget) -> Look:
    """The styles of the theme that the widget's app shows now."""
    return LOOKS[not widget.app.has_class("-light-mode")]


def strip_of(
    line: Line, width: int, look: Look, *, faded: bool, extra: Style | None = None
) -> Strip:
    """A line in exactly ``width`` cells; ``extra`` is laid over every span."""
    styles = look.faded if faded else look.styles
    segments = [
        Segment(text, styles[role] if extra is None else styles[role] + extra)
        for text, role in crop(line, width)
    ]
    return Strip(segments, width)


class Lines(Widget):
    """Rows of text, top to bottom; fewer lines than rows leave blanks."""

    DEFAULT_CSS = """
    Lines { height: 1; width: 1fr; }
    """

    def __init__(self, name: str) -> None:
        super().__init__(id=name)
        self._lines: tuple[Line, ...] = ()
        self._faded = False

    def show(self, lines: tuple[Line, ...], *, faded: bool = False) -> None:
        """Show these lines."""
        if (lines, faded) != (self._lines, self._faded):
            self._lines = lines
            self._faded = faded
            self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        line = self._lines[y] if y < len(self._lines) else ()
        return strip_of(line, width, look_of(self), faded=self._faded)

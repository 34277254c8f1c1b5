"""The grid for live tables.

Lives here: ``LiveGrid``. May import: textual, tui's pure parts. Always holds: only visible rows
are asked for and laid out, and only changed ones repainted; a moved cursor follows the key of its
row when rows move, one at the top stays at the top; every line has exactly the grid's width.
Textual's own table repaints the whole of itself for one cell; at ten frames a second this costs a
fraction.
Start reading at ``LiveGrid.show``.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.view.shaping import AS_GIVEN, Shaping, shape
from tui.view.text import Row, Table, crop, header_line, row_line, title_line
from tui.widgets.line import look_of, strip_of

HEAD_ROWS: Final = 2
"""Title and column titles; they do not scroll."""
EMPTY_TABLE: Final = Table("", (), (), "")


class LiveGrid(ScrollView, can_focus=True, inherit_bindings=False):
    """A titled table with a cursor, given whole at each frame."""

    DEFAULT_CSS = """
    LiveGrid {
        height: 1fr; width: 1fr; overflow-x: hidden; overflow-y: hidden;
        scrollbar-size-vertical: 0; scrollbar-size-horizontal: 0;
    }
    """

    class Pointed(Message):
        """The cursor came to another row."""

    class Opened(Message):
        """A row was chosen with the mouse."""

    def __init__(self, name: str) -> None:
        super().__init__(id=name)
        self._given = EMPTY_TABLE
        self._table = EMPTY_TABLE
        self._shaping = AS_GIVEN
        self._faded = False
        self._cursor = 0
        self._key: Hashable | None = None

    # --- what is shown -------------------------------------------------------------------------

    @property
    def cursor_key(self) -> Hashable | None:
        """The key of the row under the cursor, None in an empty table."""
        return self._key

    @property
    def table(self) -> Table:
        """The table as it stands there, filtered and sorted."""
        return self._table

    @property
    def row(self) -> Row | None:
        """The row under the cursor."""
        return self._table.rows[self._cursor] if self._table.rows else None

    @property
    def shaping(self) -> Shaping:
        """How the table is filtered and sorted, whatever is shown in it."""
        return self._shaping

    def reshape(self, shaping: Shaping) -> None:
        """Filter and sort from now on like this."""
        self._shaping = shaping
        self.show(self._given, faded=self._faded)

    @property
    def cursor_text(self) -> str:
        """The row under the cursor whole: what its columns had no room for, too."""
        cells = () if self.row is None else self.row.cells
        return "  ".join(text.strip() for text, _ in cells if text.strip())

    def show(self, table: Table, *, faded: bool = False) -> None:
        """Show this table; a moved cursor stays on its row, and that row where it is on screen."""
        self._given = table
        table = shape(table, self._shaping)
        was, self._table = self._table, table
        cursor_was, top_was = self._cursor, round(self.scroll_y)
        self._place_cursor()
        height = len(table.rows) + HEAD_ROWS
        if self.virtual_size.height != height:
            self.virtual_size = Size(self.size.width, height)
        if self._cursor != cursor_was:
            self._scroll_rows(top_was + self._cursor - cursor_was)
        self._scroll_to_cursor()
        whole = (
            faded != self._faded
            or was.columns != table.columns
            or len(was.rows) != len(table.rows)
            or was.empty != table.empty
            or top_was != round(self.scroll_y)
        )
        self._faded = faded
        if whole:
            self.refresh()
            return
        self._refresh_changed(was, cursor_was)

    def _refresh_changed(self, was: Table, cursor_was: int) -> None:
        if was.title != self._table.title:
            self._refresh_at(0)
        top = round(self.scroll_y)
        shown = range(top, min(top + self._body_rows, len(self._table.rows)))
        changed = [row for row in shown if was.rows[row] != self._table.rows[row]]
        if cursor_was != self._cursor:
            changed.extend((cursor_was, self._cursor))
        if len(changed) > self._body_rows // 2:
            self.refresh()
            return
        for row in changed:
            self._refresh_at(HEAD_ROWS + row - top)

    def _refresh_at(self, y: int) -> None:
        if 0 <= y < self.size.height:
            self.refresh(Region(0, y, self.size.width, 1))

    @property
    def _body_rows(self) -> int:
        return max(self.size.height - HEAD_ROWS, 1)

    def _place_cursor(self) -> None:
        rows = self._table.rows
        if not rows:
            self._cursor, self._key = 0, None
            return
        at = min(self._cursor, len(rows) - 1)
        if at and self._key is not None and self._table.key_at(at) != self._key:
            moved = self._table.place_of(self._key)
            at = at if moved is None else moved
        self._cursor, self._key = at, self._table.key_at(at)

    # --- the cursor ----------------------------------------------------------------------------

    def move(self, by: int) -> None:
        """Move the cursor by rows; it stops at both ends."""
        self.point_at(self._cursor + by)

    def page(self, by: int) -> None:
        """Move the cursor by screens."""
        self.move(by * max(self._body_rows - 1, 1))

    def jump(self, to: int) -> None:
        """To the first row (0) or the last (-1)."""
        self.point_at(0 if to == 0 else len(self._table.rows) - 1)

    def point_at(self, row: int) -> None:
        """Put the cursor on a row and scroll it into view."""
        rows = self._table.rows
        if not rows:
            return
        before = self._cursor
        self._cursor = min(max(row, 0), len(rows) - 1)
        self._key = self._table.key_at(self._cursor)
        self._scroll_to_cursor()
        if before != self._cursor:
            self.refresh()
            self.post_message(self.Pointed())

    def point_at_key(self, key: Hashable | None) -> None:
        """Put the cursor on the row with this key, where there is one."""
        place = self._table.place_of(key)
        if place is not None:
            self.point_at(place)

    def _scroll_to_cursor(self) -> None:
        if self.size.height <= HEAD_ROWS:
            return  # a terminal that is too small: what is out of sight keeps its place
        top = round(self.scroll_y)
        if self._cursor < top:
            self._scroll_rows(self._cursor)
        elif self._cursor >= top + self._body_rows:
            self._scroll_rows(self._cursor - self._body_rows + 1)

    def _scroll_rows(self, top: int) -> None:
        """Make ``top`` the first visible row."""
        self.scroll_to(y=top, animate=False, force=True, immediate=True)

    def on_click(self, event: events.Click) -> None:
        """A click points; a second one opens."""
        row = event.y - HEAD_ROWS + round(self.scroll_y)
        if event.y < HEAD_ROWS or row >= len(self._table.rows):
            return
        again = row == self._cursor and self.has_focus
        self.point_at(row)
        if again or event.chain > 1:
            self.post_message(self.Opened())

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """The wheel moves the cursor, so that what is chosen is always in view."""
        event.stop()
        self.move(1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """See ``on_mouse_scroll_down``."""
        event.stop()
        self.move(-1)

    def on_resize(self) -> None:
        """Keep the cursor in view."""
        self.virtual_size = Size(self.size.width, len(self._table.rows) + HEAD_ROWS)
        self._scroll_to_cursor()

    def watch_has_focus(self, value: bool) -> None:
        """The title's rule shows the focus."""
        super().watch_has_focus(value)
        self.refresh()

    # --- painting ------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        table, look = self._table, look_of(self)
        if y == 0:
            line = title_line(self._title_text(), width, focused=self.has_focus)
            return strip_of(line, width, look, faded=self._faded)
        if y == 1:
            line = header_line(table, width) if table.rows else ()
            return strip_of(line, width, look, faded=self._faded)
        row = y - HEAD_ROWS + round(self.scroll_y)
        if row >= len(table.rows):
            empty = y == HEAD_ROWS and not table.rows
            text = crop(((f"  {table.empty}", "dim"),), width) if empty else ()
            return strip_of(text, width, look, faded=self._faded)
        # Only the table with the focus shows a cursor: two would ask which one a key moves.
        at_cursor = row == self._cursor and self.has_focus
        line = row_line(table, table.rows[row], width, at_cursor=at_cursor)
        marked = look.cursor if at_cursor else None
        return strip_of(line, width, look, faded=self._faded, extra=marked)

    def _title_text(self) -> str:
        """The title, with the place in the list where not all rows fit."""
        total = len(self._table.rows)
        if total <= self._body_rows:
            return self._table.title
        return f"{self._table.title}  [{self._cursor + 1}/{total}]"

"""Lines and tables as values: text with roles, columns with priorities.

Lives here: spans, lines, rows, tables and their layout in a width. May import: msgspec, tui.fmt.
Always holds: a laid-out line has exactly the width asked for; meaning never rests on a role
(colour) alone; columns are dropped by priority, never squeezed below their width.
Start reading at ``Table``.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from typing import Final, Literal, overload

import msgspec

from tui.fmt import clean, fit

Role = Literal[
    "text", "dim", "title", "header", "ok", "degraded", "warn", "bad", "unknown", "up", "down",
    "key", "LIVE", "PAPER", "SIM", "BACKTEST", "REPLAY", "MODE ?", "alert",
]  # fmt: skip

Span = tuple[str, Role]
Line = tuple[Span, ...]

GAP: Final = " "


def span(text: str, role: Role = "text") -> Span:
    """A piece of text, made safe to show."""
    return clean(text), role


def line_width(line: Line) -> int:
    """Cells of a line (its text is clean, so a character is a cell)."""
    return sum(len(text) for text, _ in line)


def crop(line: Line, width: int) -> Line:
    """The line in exactly ``width`` cells, cut or filled up with blanks."""
    left = max(width, 0)
    out: list[Span] = []
    for text, role in line:
        if left <= 0:
            break
        piece = text if len(text) <= left else fit(text, left)
        if piece:
            out.append((piece, role))
        left -= len(piece)
    if left > 0:
        out.append((" " * left, "text"))
    return tuple(out)


def spread(left: Line, right: Line, width: int) -> Line:
    """Two lines at the two ends of a row; the right one is kept whole as long as it fits."""
    room = width - line_width(right)
    if room <= 0:
        return crop(right, width)
    return (*crop(left, room), *right)


def wrap(text: str, width: int, lines: int) -> tuple[str, ...]:
    """Words in at most ``lines`` rows of ``width``; what does not fit ends in an ellipsis."""
    if width <= 0 or lines <= 0:
        return ()
    rows: list[str] = []
    row = ""
    for word in clean(text).split():
        if row and len(row) + 1 + len(word) > width:
            rows.append(row)
            row = word
        else:
            row = f"{row} {word}" if row else word
    if row:
        rows.append(row)
    if len(rows) > lines:
        rows = [*rows[: lines - 1], " ".join(rows[lines - 1 :])]
    return tuple(fit(row, width).rstrip() for row in rows)


class Column(msgspec.Struct, frozen=True):
    """A column: ``priority`` 1 is kept longest; ``grow`` shares what is left of the width."""

    title: str
    width: int
    align: Literal["<", ">"]
    priority: int
    grow: bool


def column(
    title: str, width: int, align: Literal["<", ">"] = "<", *, priority: int = 1, grow: bool = False
) -> Column:
    """A column with the usual choices."""
    return Column(title, width, align, priority, grow)


class Row(msgspec.Struct, frozen=True):
    """A row: one span a column of its table, and the key that a cursor follows."""

    key: Hashable
    cells: tuple[Span, ...]


class RowsOnDemand(Sequence[Row]):
    """The rows of a long table: each is made when it is first asked for, so that a frame costs what
    is in sight; the keys are known before, so that a cursor finds its row without making any."""

    def __init__(self, keys: Sequence[Hashable], make: Callable[[int], Row]) -> None:
        self.keys = keys
        self._make = make
        self._made: dict[int, Row] = {}

    def __len__(self) -> int:
        return len(self.keys)

    @overload
    def __getitem__(self, at: int) -> Row: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[Row]: ...

    def __getitem__(self, at: int | slice) -> Row | Sequence[Row]:
        places = range(len(self.keys))[at]
        if isinstance(places, range):
            return tuple(self[place] for place in places)
        row = self._made.get(places)
        if row is None:
            row = self._made[places] = self._make(places)
        return row


class Table(msgspec.Struct, frozen=True):
    """A titled table. ``empty`` is what stands there when it has no rows."""

    title: str
    columns: tuple[Column, ...]
    rows: Sequence[Row]
    empty: str

    def key_at(self, place: int) -> Hashable:
        """The key of a row; it makes no row."""
        rows = self.rows
        return rows.keys[place] if isinstance(rows, RowsOnDemand) else rows[place].key

    def place_of(self, key: Hashable) -> int | None:
        """Where the row with this key is, None where there is none; it makes no row."""
        rows = self.rows
        keys = rows.keys if isinstance(rows, RowsOnDemand) else (row.key for row in rows)
        return next((place for place, one in enumerate(keys) if one == key), None)


@lru_cache(maxsize=256)
def place_columns(columns: tuple[Column, ...], width: int) -> tuple[tuple[int, int], ...]:
    """(index, width) of the columns that are shown in ``width`` cells, in declared order.

    Columns are taken by priority while they fit with a blank between; growing ones then share the
    rest evenly. The first cell of a row is the cursor's.
    """
    left = width - 1
    taken: list[int] = []
    for index in sorted(range(len(columns)), key=lambda place: (columns[place].priority, place)):
        need = columns[index].width + (len(GAP) if taken else 0)
        if need > left:
            break
        taken.append(index)
        left -= need
    growing = [index for index in taken if columns[index].grow]
    placed: list[tuple[int, int]] = []
    for index in sorted(taken):
        extra = 0
        if index in growing:
            extra = left // len(growing)
            left -= extra
            growing.remove(index)
        placed.append((index, columns[index].width + extra))
    return tuple(placed)


def header_line(table: Table, width: int) -> Line:
    """The column titles."""
    titles = GAP.join(
        fit(table.columns[index].title, cells, table.columns[index].align)
        for index, cells in place_columns(table.columns, width)
    )
    return crop(((" " + titles, "header"),), width)


def row_line(table: Table, row: Row, width: int, *, at_cursor: bool) -> Line:
    """One row; the cursor shows as ``>`` in the first cell."""
    spans: list[Span] = [(">" if at_cursor else " ", "key")]
    for place, (index, cells) in enumerate(place_columns(table.columns, width)):
        text, role = row.cells[index]
        lead = GAP if place else ""
        spans.append((lead + fit(text, cells, table.columns[index].align), role))
    return crop(tuple(spans), width)


def title_line(title: str, width: int, *, focused: bool) -> Line:
    """A rule with the title in it; the part with the focus is doubled and named by a mark."""
    rule = "═" if focused else "─"
    text = f"{rule}{rule} {clean(title)} "
    return crop(((text + rule * max(width - len(text), 0), "title" if focused else "dim"),), width)

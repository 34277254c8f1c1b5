"""Layout of lines and tables: exact widths, columns by priority."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tui.fmt import clean
from tui.view import blocked, home, notices, why
from tui.view.help import COLUMNS as HELP
from tui.view.text import (
    Column,
    Row,
    RowsOnDemand,
    Table,
    crop,
    header_line,
    line_width,
    place_columns,
    row_line,
    span,
    spread,
    title_line,
    wrap,
)

COLUMNS = st.lists(
    st.builds(
        Column,
        st.text(alphabet="ABC ", max_size=9),
        st.integers(1, 30),
        st.sampled_from(["<", ">"]),
        st.integers(1, 5),
        st.booleans(),
    ),
    min_size=1,
    max_size=9,
).map(tuple)


@given(COLUMNS, st.text(max_size=60), st.integers(1, 200))
def test_every_line_of_a_table_has_exactly_the_width(
    columns: tuple[Column, ...], text: str, width: int
) -> None:
    """Title, header and rows, whatever the text and however narrow."""
    row = Row("key", tuple(span(text) for _ in columns))
    table = Table(text, columns, (row,), "none")
    lines = (
        title_line(table.title, width, focused=True),
        header_line(table, width),
        row_line(table, row, width, at_cursor=True),
    )
    assert [line_width(crop(line, width)) for line in lines] == [width] * 3


def test_a_row_on_demand_is_made_once_and_found_without_being_made() -> None:
    """By place, from the end, in slices and in order they are what a tuple of them would be."""
    made: list[int] = []

    def make(at: int) -> Row:
        made.append(at)
        return Row(f"key {at}", (span(str(at)),))

    rows = RowsOnDemand([f"key {at}" for at in range(9)], make)
    table = Table("", (), rows, "")
    assert len(rows) == 9
    assert (table.place_of("key 7"), table.place_of("none"), table.key_at(8)) == (7, None, "key 8")
    assert made == []
    assert rows[3] is rows[3]
    assert (rows[-1].key, [row.key for row in rows[3:5]]) == ("key 8", ["key 3", "key 4"])
    assert made == [3, 8, 4]
    whole = tuple(rows)
    assert sorted(made) == list(range(9))
    given_whole = Table("", (), whole, "")
    assert (given_whole.place_of("key 7"), given_whole.key_at(8)) == (7, "key 8")


@given(COLUMNS, st.integers(1, 200))
def test_a_column_is_dropped_and_never_squeezed(columns: tuple[Column, ...], width: int) -> None:
    """What is shown has at least its width, and nothing of a lower priority stands in for it."""
    placed = dict(place_columns(columns, width))
    assert all(cells >= columns[index].width for index, cells in placed.items())
    hidden = [column.priority for i, column in enumerate(columns) if i not in placed]
    if hidden and placed:
        assert max(columns[index].priority for index in placed) <= min(hidden)


@given(st.text(max_size=80), st.text(max_size=40), st.integers(0, 120))
def test_spread_keeps_the_right_end(left: str, right: str, width: int) -> None:
    """The right part is whole wherever it fits."""
    line = spread((span(left),), (span(right),), width)
    assert line_width(line) == width
    if len(clean(right)) < width:
        assert "".join(text for text, _ in line).endswith(clean(right))


@given(st.text(max_size=200), st.integers(0, 60), st.integers(0, 5))
def test_wrapped_text_fits(text: str, width: int, lines: int) -> None:
    """Never more rows or cells than asked for."""
    rows = wrap(text, width, lines)
    assert len(rows) <= lines
    assert all(len(row) <= width for row in rows)


def test_first_columns_fit_the_least_terminal() -> None:
    """At 80 columns every priority-1 column of every table is shown."""
    names = ("NIFTY", "BANKNIFTY", "SENSEX")
    for columns in (
        home.UNDERLYINGS,
        home.POSITIONS,
        home.BLOCKED,
        blocked._columns(names),
        blocked.DECISIONS,
        why.COLUMNS,
        notices.COLUMNS,
        HELP,
    ):
        placed = dict(place_columns(columns, 80))
        missing = [c.title for i, c in enumerate(columns) if c.priority == 1 and i not in placed]
        assert missing == []

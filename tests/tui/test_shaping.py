"""Filters, sort orders, copies and exports of any table."""

from __future__ import annotations

import csv
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.view.shaping import (
    AS_GIVEN,
    Shaping,
    next_sort,
    number_of,
    row_json,
    row_text,
    shape,
    table_csv,
    table_jsonl,
)
from tui.view.text import Row, Table, column, span

COLUMNS = (column("BLOCKED BY", 20), column("N", 6, ">"), column("NET", 12), column("TIME IST", 9))
CELLS = (
    ("QUOTE_SPREAD_WIDE", "1,24,000", "₹1,200.50", "10:31:05"),
    ("WARMUP_BARS", "90", "-₹3.00", "09:20:00"),
    ("COOLDOWN_ACTIVE", "9", "-", "15:00:00"),
    ("=HOSTILE()", "1,000", "+₹12.00", "10:30:00"),
)
ROWS = tuple(Row(cells[0], tuple(span(text) for text in cells)) for cells in CELLS)
TABLE = Table("BLOCKED", COLUMNS, ROWS, "nothing")


def names(words: str = "", sort: str | None = None, *, falling: bool = False) -> list[object]:
    return [row.key for row in shape(TABLE, Shaping(words, sort, falling)).rows]


def test_a_table_nobody_shaped_is_the_same_value() -> None:
    """Without a filter and a sort nothing is made anew, so nothing is painted anew."""
    assert shape(TABLE, AS_GIVEN) is TABLE


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("₹1,23,456.50", "123456.50"),
        ("-₹12.00", "-12.00"),
        ("+₹120.00", "120.00"),
        ("2 (130)", "2"),
        ("44%", "44"),
        ("0.8s", "0.8"),
        ("12m ▲", "720"),
        ("3h", "10800"),
        ("400 ms", "0.400"),
        ("#918220", "918220"),
        ("~24,512.35", "24512.35"),
        ("● 5", "5"),
        ("09:15:01.250", "33301.250"),
        ("10:30", "37800"),
        ("8.42L", "842000.00"),
    ],
)
def test_numbers_are_read_as_a_person_reads_them(text: str, number: str) -> None:
    """Signs of currency, grouping, units, marks, ages and times."""
    assert number_of(text) == Decimal(number)


@pytest.mark.parametrize("text", ["", "-", "?", "WARMUP_BARS", "NIFTY26NOV24500CE", "n/a"])
def test_words_are_no_numbers(text: str) -> None:
    """A cell without a number in front has none."""
    assert number_of(text) is None


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_words_filter_any_text(words: str, text: str) -> None:
    """Whatever is typed and whatever stands there, a filter gives rows of the table."""
    table = Table("T", (column("A", 5),), (Row(1, (span(text),)),), "none")
    assert set(shape(table, Shaping(words, "A")).rows) <= set(table.rows)


def test_filters() -> None:
    """Words of any column, of one column, numbers against numbers, and what must not be there."""
    assert names("warmup") == ["WARMUP_BARS"]
    assert names("n:>90") == ["QUOTE_SPREAD_WIDE", "=HOSTILE()"]
    assert names("n:>=90 n:<2000") == ["WARMUP_BARS", "=HOSTILE()"]
    assert names("net:<0") == ["WARMUP_BARS"]
    assert names("time:>10:30") == ["QUOTE_SPREAD_WIDE", "COOLDOWN_ACTIVE"]
    assert names("blockedby:spread") == ["QUOTE_SPREAD_WIDE"]
    assert names("!spread !warm !hostile") == ["COOLDOWN_ACTIVE"]
    assert names("10:31:05") == ["QUOTE_SPREAD_WIDE"]
    assert names("n:=9") == ["COOLDOWN_ACTIVE"]


def test_the_title_says_what_was_done() -> None:
    """A filter and a sort stand in the title; one that nothing matches says how to get out."""
    shaped = shape(TABLE, Shaping("zzz", "N", falling=True))
    assert shaped.title == "BLOCKED  filter: zzz  0 of 4  by N ▼"
    assert "esc" in shaped.empty


def test_sorting() -> None:
    """Numbers as numbers, in both directions; what is missing stands last."""
    assert names(sort="N")[0] == "COOLDOWN_ACTIVE"
    assert names(sort="N", falling=True)[0] == "QUOTE_SPREAD_WIDE"
    for falling in (False, True):
        assert names(sort="NET", falling=falling)[-1] == "COOLDOWN_ACTIVE"
    assert names(sort="NET")[:2] == ["WARMUP_BARS", "=HOSTILE()"]
    assert names(sort="no such column") == [row.key for row in ROWS]


def test_the_next_column_and_back() -> None:
    """Each press is the next column, and after the last one the table is as given."""
    now, seen = AS_GIVEN, []
    for _ in range(5):
        now = next_sort(TABLE, now)
        seen.append(now.sort)
    assert seen == ["BLOCKED BY", "N", "NET", "TIME IST", None]


def test_copies_and_exports_are_what_stands_there() -> None:
    """Text and JSON of a row, CSV and JSON lines of a table; no cell is taken for a formula."""
    assert row_text(TABLE, ROWS[1]).startswith("BLOCKED BY WARMUP_BARS  N 90  NET -₹3.00")
    assert json.loads(row_json(TABLE, ROWS[0]))["NET"] == "₹1,200.50"
    lines = list(csv.reader(table_csv(TABLE).splitlines()))
    assert lines[0] == [col.title for col in COLUMNS]
    assert lines[2] == list(CELLS[1])
    assert lines[4][0] == "'=HOSTILE()"
    assert [json.loads(line)["N"] for line in table_jsonl(TABLE).splitlines()] == [
        cells[1] for cells in CELLS
    ]

"""What a person makes of any table: filtered, sorted, copied, exported.

Lives here: filters, sort orders and the text of rows, for every table alike. May import: msgspec,
the standard library's pure parts, tui's pure parts. Always holds: a table that nobody shaped is the
very same value; numbers sort and compare as numbers whatever their sign of currency, grouping or
unit; what is missing sorts last; text that leaves is what stands on the screen.
Start reading at ``shape``.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import lru_cache
from typing import Final

import msgspec

from tui.view.text import Row, Table


class Shaping(msgspec.Struct, frozen=True):
    """How a person wants one table: words to filter by, the title of the column to sort by."""

    words: str = ""
    sort: str | None = None
    falling: bool = False


AS_GIVEN: Final = Shaping()

# --- numbers in cells --------------------------------------------------------------------------

_NUMBER: Final = re.compile(
    r"(?P<sign>[+-]?)₹?(?P<digits>[\d,]*\d(?:\.\d+)?)\s?(?P<unit>[A-Za-z%]+)?(?![\w.:])"
)
_CLOCK: Final = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,3}))?)?(?!\d)")
_MARKS: Final = "●◐▲▼✗?~#> "
"""Shapes that stand before a number without being part of it."""
_UNITS: Final[dict[str, Decimal]] = {
    "ms": Decimal("0.001"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3_600),
    "d": Decimal(86_400),
    "L": Decimal(100_000),
    "Cr": Decimal(10_000_000),
}


@lru_cache(maxsize=4096)
def number_of(text: str) -> Decimal | None:
    """The number that a cell begins with: rupees, lots, shares, seconds of an age or of the day.

    None for a cell that is a word.
    """
    bare = text.lstrip(_MARKS).strip()
    found = _CLOCK.match(bare)
    if found is not None:
        hours, minutes, seconds, millis = (part or "0" for part in found.groups())
        whole = int(hours) * 3_600 + int(minutes) * 60 + int(seconds)
        return Decimal(whole) + Decimal(f"0.{millis}")
    number = _NUMBER.match(bare)
    if number is None:
        return None
    value = Decimal(number["sign"] + number["digits"].replace(",", ""))
    return value * _UNITS.get(number["unit"] or "", Decimal(1))


# --- filters -----------------------------------------------------------------------------------

_COMPARE: Final[dict[str, Callable[[Decimal, Decimal], bool]]] = {
    ">=": lambda one, other: one >= other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    "<": lambda one, other: one < other,
    "=": lambda one, other: one == other,
}


class Term(msgspec.Struct, frozen=True):
    """One word of a filter: of any column (None) or of one; ``sign`` compares numbers, none looks
    for text; ``absent`` turns it round."""

    column: int | None
    sign: str | None
    text: str
    number: Decimal | None
    absent: bool

    def takes(self, row: Row) -> bool:
        """Whether the row is one that was asked for."""
        return self._is_in(row) is not self.absent

    def _is_in(self, row: Row) -> bool:
        if self.column is None:
            return any(self.text in cell.casefold() for cell, _ in row.cells)
        cell = row.cells[self.column][0]
        if self.sign is None:
            return self.text in cell.casefold()
        found = number_of(cell)
        if found is None or self.number is None:
            return self.sign == "=" and cell.casefold().strip() == self.text
        return _COMPARE[self.sign](found, self.number)


def terms_of(words: str, titles: tuple[str, ...]) -> tuple[Term, ...]:
    """The words of a filter against the columns there are; a name that is no column is text."""
    return tuple(_term(word, titles) for word in words.split())


def _term(word: str, titles: tuple[str, ...]) -> Term:
    absent = word.startswith("!") and len(word) > 1
    word = word[1:] if absent else word
    name, colon, value = word.partition(":")
    at = _column_named(name, titles) if colon and value else None
    if at is None:
        return Term(None, None, word.casefold(), None, absent)
    sign = next((known for known in _COMPARE if value.startswith(known)), None)
    text = value.removeprefix(sign) if sign else value
    return Term(at, sign, text.casefold(), number_of(text) if sign else None, absent)


def _column_named(name: str, titles: tuple[str, ...]) -> int | None:
    """A column by its title, or the first whose title begins so; blanks and case are no matter."""
    wanted = _bare(name)
    if not wanted:
        return None
    bare = [_bare(title) for title in titles]
    if wanted in bare:
        return bare.index(wanted)
    return next((at for at, title in enumerate(bare) if title.startswith(wanted)), None)


def _bare(title: str) -> str:
    return "".join(char for char in title.casefold() if char.isalnum() or char == "%")


# --- the shaped table --------------------------------------------------------------------------


def shape(table: Table, wanted: Shaping) -> Table:
    """The table as it was asked for; its title says so."""
    if wanted == AS_GIVEN:
        return table
    rows: Iterable[Row] = table.rows
    title, empty = table.title, table.empty
    if wanted.words:
        terms = terms_of(wanted.words, tuple(column.title for column in table.columns))
        rows = [row for row in table.rows if all(term.takes(row) for term in terms)]
        title += f"  filter: {wanted.words}  {len(rows)} of {len(table.rows)}"
        empty = f"no row of {len(table.rows)} matches the filter; esc clears it"
    at = next((n for n, col in enumerate(table.columns) if col.title == wanted.sort), None)
    if at is not None:
        rows = _sorted(rows, at, falling=wanted.falling)
        title += f"  by {wanted.sort} {'▼' if wanted.falling else '▲'}"
    return Table(title, table.columns, tuple(rows), empty)


def _sorted(rows: Iterable[Row], at: int, *, falling: bool) -> list[Row]:
    """By one column: numbers, then words, then what is missing."""
    numbers: list[tuple[Decimal, Row]] = []
    words: list[tuple[str, Row]] = []
    missing: list[Row] = []
    for row in rows:
        text = row.cells[at][0].strip()
        number = number_of(text)
        if number is not None:
            numbers.append((number, row))
        elif text in ("", "-", "?"):
            missing.append(row)
        else:
            words.append((text.casefold(), row))
    numbers.sort(key=lambda pair: pair[0], reverse=falling)
    words.sort(key=lambda pair: pair[0], reverse=falling)
    return [*(row for _, row in numbers), *(row for _, row in words), *missing]


def next_sort(table: Table, now: Shaping) -> Shaping:
    """Sort by the next column; after the last one, as given."""
    titles = [column.title for column in table.columns if column.title]
    at = titles.index(now.sort) + 1 if now.sort in titles else 0
    if at >= len(titles):
        return msgspec.structs.replace(now, sort=None, falling=False)
    return msgspec.structs.replace(now, sort=titles[at], falling=False)


# --- what leaves the screen --------------------------------------------------------------------


def row_text(table: Table, row: Row) -> str:
    """A row as one line of ``title value`` pairs."""
    pairs = zip(table.columns, row.cells, strict=True)
    return "  ".join(f"{col.title} {text.strip()}".strip() for col, (text, _) in pairs)


def _named(table: Table, row: Row) -> dict[str, str]:
    pairs = enumerate(zip(table.columns, row.cells, strict=True))
    return {col.title or f"column {at + 1}": text.strip() for at, (col, (text, _)) in pairs}


def row_json(table: Table, row: Row) -> str:
    """A row as one JSON object, column title to text."""
    return json.dumps(_named(table, row), ensure_ascii=False)


def table_jsonl(table: Table) -> str:
    """Every row as a line of JSON."""
    return "".join(f"{row_json(table, row)}\n" for row in table.rows)


def table_csv(table: Table) -> str:
    """Every row as CSV under its column titles. A spreadsheet takes no cell for a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([column.title for column in table.columns])
    for row in table.rows:
        writer.writerow([_no_formula(text.strip()) for text, _ in row.cells])
    return out.getvalue()


def _no_formula(text: str) -> str:
    risky = text[:1] in ("=", "@") or (
        text[:1] in ("+", "-") and len(text) > 1 and number_of(text) is None
    )
    return f"'{text}" if risky else text

"""Writes ``docs/CONTRACTS.md`` from the contracts themselves.

Lives here: the page as text. May import: duckdb, projections. Always holds: the page is what a new
file of the projection says of itself: names, types and comments come out of its catalogue.
Run from the checkout: ``python -m scripts.make_contracts``; with ``--check`` nothing is written and
the exit code is 1 when the page is not up to date.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import duckdb

from projections.duck.contracts import MACROS, TICKS_VIEW_COMMENT, VIEWS
from projections.duck.questions import QUESTIONS, TICK_MACROS
from projections.duck.store import Store
from projections.tables import TICK_COLUMNS

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "CONTRACTS.md"
COMMAND: Final = "python -m scripts.make_contracts"

INTRODUCTION: Final = f"""\
# Contracts

What may be asked in SQL: `axiom query "SELECT ..."`, over many sessions `axiom query --sessions
2026-11 "SELECT ..."`, or any DuckDB client on a session's published file
(`published/session.duckdb`, opened read-only). Everything is in schema `v1`; other schemas are
private and change without a word.

- A released column keeps its name, its place, its type and its meaning; new ones come at the end,
  and the version of the view grows. `SELECT * FROM v1.contracts` is this page's list.
- Money is integer paise, quantities are units, a time is ns UTC (`ts`) with the same in IST beside
  it (`ts_ist`); a null is what is not known.
- `seq` is a place in its session's journal, a token an instrument of its session: over several
  sessions join by `(session, seq)`, and contracts by `instrument_id` (`v1.instrument_ids`).
- The macros are the questions of `axiom ask` where they stand there; over many sessions each
  session answers, with its name in front. Those marked "ticks", and the view `ticks`, are made by
  `axiom query`, which knows where the tick files are.

This page is made by `{COMMAND}` from the contracts: change those.
"""


def page_text() -> str:
    """The whole page."""
    return "\n".join((INTRODUCTION, *_views(), *_macros()))


def _views() -> Iterator[str]:
    columns = _columns()
    yield "## Views\n"
    for view in VIEWS:
        yield f"### v1.{view.name}\n"
        yield f"{_sentence(view.comment)} Version {view.version}, since {view.since}.\n"
        yield from _table(columns[view.name])
    yield "### v1.ticks\n"
    yield f"{_sentence(TICKS_VIEW_COMMENT)} Version 1, since 0.1.0.\n"
    added = (
        ("ts_ist", "TIMESTAMP", "session clock in IST"),
        ("tradingsymbol", "VARCHAR", "the exchange's name of the contract"),
        ("underlying", "VARCHAR", "name of the underlying"),
    )
    first = ("session", "VARCHAR", "session the row belongs to")
    yield from _table([first, *TICK_COLUMNS, *added])


def _macros() -> Iterator[str]:
    by_macro = {one.macro.name: one.name for one in QUESTIONS}
    yield "## Macros\n"
    yield "| macro | parameters | answers | `axiom ask` | needs |"
    yield "|---|---|---|---|---|"
    for macro in (*MACROS, *TICK_MACROS):
        parameters = f"`{macro.parameters}`" if macro.parameters else "–"
        asked = f"`{by_macro[macro.name]}`" if macro.name in by_macro else "–"
        needs = "ticks" if macro in TICK_MACROS else "–"
        yield f"| `v1.{macro.name}` | {parameters} | {macro.comment} | {asked} | {needs} |"
    yield ""


def _table(rows: list[tuple[str, str, str]]) -> Iterator[str]:
    yield "| column | type | what it says |"
    yield "|---|---|---|"
    for name, kind, comment in rows:
        yield f"| `{name}` | {kind} | {comment} |"
    yield ""


def _sentence(comment: str) -> str:
    return f"{comment[0].upper()}{comment[1:]}."


def _columns() -> dict[str, list[tuple[str, str, str]]]:
    """(column, type, comment) of each view, as a new file has them."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "new.duckdb"
        Store.create(path, "page", "page").connection.close()
        with duckdb.connect(str(path), read_only=True) as connection:
            rows: list[Any] = connection.execute(
                "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() "
                "WHERE schema_name = 'v1' ORDER BY table_name, column_index"
            ).fetchall()
    for view, name, kind, comment in rows:
        found.setdefault(view, []).append((name, kind, comment))
    return found


def is_current() -> bool:
    """Whether the page is what this would write."""
    return PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page_text()


def main(arguments: list[str]) -> int:
    """Write the page, or with ``--check`` say whether it is right."""
    if "--check" in arguments:
        return 0 if is_current() else 1
    PAGE.write_text(page_text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

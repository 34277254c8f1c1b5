"""Many sessions asked at once: the same contracts, over all of them.

Lives here: the reader that has several published files behind one schema ``v1``. May import:
duckdb, projections. Always holds: a view is the rows of every session's view of that name, a macro
the answer of every session's macro with the session in front; dimensions are this release's own and
come once; a seq is of its session, so rows of two views belong together by (session, seq); the
connection is locked as that of one session is.
Start reading at ``open_many``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb

from projections.duck import contracts, questions
from projections.duck.forms import Macro
from projections.duck.publish import ticks_folder
from projections.duck.query import (
    DEFAULT_LIMITS,
    QueryLimits,
    QueryRefused,
    QueryResult,
    asked,
    filled_connection,
    lock,
    moved_or_refused,
    tick_files,
)
from projections.duck.store import first_line

SESSIONS_MAX: Final = 400
"""Files that one connection attaches: more than a year of a desk's days."""

IDS: Final = "instrument_ids"
_FIRST_SEEN: Final = (
    "SELECT i.* REPLACE (" + contracts.INSTRUMENT_ID.format("f.day") + " AS instrument_id, "
    "f.day AS first_seen_day) FROM ({rows}) i JOIN (SELECT exchange, tradingsymbol, expiry, "
    "min(first_seen_day) AS day FROM ({rows}) GROUP BY ALL) f "
    "USING (exchange, tradingsymbol, expiry)"
)
"""The first day of all the sessions that are asked, in place of each one's own."""

_SCHEMAS: Final = re.compile(r"\b(base|v1)\.")
_TICKS: Final = re.compile(r"\bFROM ticks\b")
"""What a macro's SQL names its tables by."""

DIMENSIONS: Final = ("reasons", "stages", "gate_catalogue", "contracts")
"""Views without a session: this release's words."""


def run_query_many(
    published: Sequence[Path], sql: str, limits: QueryLimits = DEFAULT_LIMITS
) -> QueryResult:
    """Run one SELECT on several published projections. Raises ``QueryRefused``."""
    return asked(lambda: open_many(published, limits), sql, limits)


@contextmanager
def open_many(
    published: Sequence[Path], limits: QueryLimits = DEFAULT_LIMITS
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A locked connection with ``v1`` over all of them. Raises ``QueryRefused`` where one is no
    projection, or they are too many."""
    if len(published) > SESSIONS_MAX:
        raise QueryRefused(
            f"{len(published)} sessions are more than {SESSIONS_MAX}: choose fewer at once"
        )
    with filled_connection(lambda connection: _fill(connection, published), limits) as connection:
        lock(connection, [ticks_folder(path) for path in published])
        yield connection


def _fill(connection: duckdb.DuckDBPyConnection, published: Sequence[Path]) -> bool:
    """Attach all and make the schema over them; says whether every tick file was there."""
    names = [f"s{place}" for place in range(len(published))]
    for name, path in zip(names, published, strict=True):
        _attach(connection, name, path)
    files = [
        tick_files(connection, name, path) for name, path in zip(names, published, strict=True)
    ]
    there = all(file.exists() for mine in files for file in mine)
    try:
        for statement in _statements(names, files if there else None):
            connection.execute(statement)
    except duckdb.IOException as error:
        raise moved_or_refused(error) from error
    connection.execute("SET search_path = 'memory.v1'")
    return there


def _attach(connection: duckdb.DuckDBPyConnection, name: str, path: Path) -> None:
    try:
        connection.execute(f"ATTACH {contracts.quoted(str(path))} AS {name} (READ_ONLY)")
        connection.execute(f"FROM {name}.base.meta LIMIT 0")
    except duckdb.Error as error:
        raise QueryRefused(f"{path.name}: {first_line(error)}") from error


def _statements(names: Sequence[str], files: Sequence[Sequence[Path]] | None) -> Iterator[str]:
    """What makes the schema over all sessions; without their files there is no ``v1.ticks``."""
    yield "CREATE SCHEMA v1"
    for view in contracts.VIEWS:
        of = names[:1] if view.name in DIMENSIONS else names
        rows = " UNION ALL BY NAME ".join(f"FROM {name}.v1.{view.name}" for name in of)
        rows = _FIRST_SEEN.format(rows=rows) if view.name == IDS else rows
        yield f"CREATE VIEW v1.{view.name} AS {rows}"
        yield f"COMMENT ON VIEW v1.{view.name} IS {contracts.quoted(view.comment)}"
    yield from _tick_statements(names, files) if files is not None else ()
    for macro in (*contracts.MACROS, *(questions.TICK_MACROS if files is not None else ())):
        yield contracts.create_macro(_over_all(macro, names))
        yield f"COMMENT ON MACRO TABLE v1.{macro.name} IS {contracts.quoted(macro.comment)}"


def _tick_statements(names: Sequence[str], files: Sequence[Sequence[Path]]) -> Iterator[str]:
    yield "CREATE SCHEMA own"
    for name, mine in zip(names, files, strict=True):
        view = contracts.ticks_view([str(file) for file in mine], name)
        yield f"CREATE VIEW own.ticks_{name} AS {view}"
    every = " UNION ALL BY NAME ".join(f"FROM own.ticks_{name}" for name in names)
    yield f"CREATE VIEW v1.ticks AS {every}"
    yield f"COMMENT ON VIEW v1.ticks IS {contracts.quoted(contracts.TICKS_VIEW_COMMENT)}"


def _over_all(macro: Macro, names: Sequence[str]) -> Macro:
    """The macro of every session, one answer behind the other. A macro looks its tables up where it
    is called, so each session's has its own names in it."""
    rows = " UNION ALL ".join(
        f"SELECT (SELECT session FROM {name}.base.meta) AS of_session, * "
        f"FROM ({_in_session(macro.sql, name)})"
        for name in names
    )
    return Macro(macro.name, macro.parameters, macro.comment, rows)


def _in_session(sql: str, name: str) -> str:
    """A macro's SQL with the tables of one session."""
    return _TICKS.sub(f"FROM own.ticks_{name}", _SCHEMAS.sub(rf"{name}.\1.", sql))

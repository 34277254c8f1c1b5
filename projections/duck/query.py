"""SQL by people: one SELECT on the contracts, on a connection that can do nothing else.

Lives here: the reader's connection with its tick view, the locked query, values made safe for JSON.
May import: duckdb, projections. Always holds: exactly one SELECT is run; the published file is
attached read-only; outside access is off and the configuration locked before a word of the user's
SQL is parsed for running; time, memory, threads and rows are limited; a refusal is one line.
Start reading at ``run_query``.
"""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from types import FrameType
from typing import Any, Final

import duckdb
import msgspec

from projections.duck import contracts, questions
from projections.duck.publish import ticks_folder
from projections.duck.store import first_line, read_tick_files

_ATTACHED: Final = "published"
_LOOKS: Final = 5
"""How often one looks for tick files that newer states have merged away."""

_GONE: Final = ("No such file", "No files found")
"""DuckDB's words for a file that is not there: it has no finer type of error."""


class QueryRefused(Exception):  # noqa: N818 - named for the condition
    """A query that was not run, or not to its end; one line that says why."""


class _TicksMoved(QueryRefused):
    """A tick file was merged away after the opening; the next state of the projection names
    the merged one, so asking once more answers."""


class QueryLimits(msgspec.Struct, frozen=True):
    """What one query may take."""

    time_s: float = 30.0
    memory_mb: int = 1024
    threads: int = 2
    rows: int = 1_000_000
    sql_size: int = 100_000


DEFAULT_LIMITS: Final = QueryLimits()


class QueryResult(msgspec.Struct, frozen=True):
    """Column names and rows; values are int, float, text, truth value, None, list or dict."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def objects(self) -> list[dict[str, Any]]:
        """Rows as objects; a name that occurs again gets the number of its place."""
        names: list[str] = []
        for place, name in enumerate(self.columns, 1):
            names.append(name if name not in names else f"{name}_{place}")
        return [dict(zip(names, row, strict=True)) for row in self.rows]


def run_query(published: Path, sql: str, limits: QueryLimits = DEFAULT_LIMITS) -> QueryResult:
    """Run one SELECT on a published projection. Raises ``QueryRefused``."""
    return asked(lambda: open_reader(published, limits), sql, limits)


def asked(
    opened: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]],
    sql: str,
    limits: QueryLimits,
) -> QueryResult:
    """Run one SELECT on what is opened, and opened anew where tick files were merged meanwhile.
    Raises ``QueryRefused``."""
    for _ in range(_LOOKS - 1):
        try:
            with opened() as connection:
                return run_on(connection, sql, limits)
        except _TicksMoved:
            continue  # the next state names the merged file
    with opened() as connection:
        return run_on(connection, sql, limits)


def run_on(connection: duckdb.DuckDBPyConnection, sql: str, limits: QueryLimits) -> QueryResult:
    """Run one SELECT on a locked connection. Raises ``QueryRefused``."""
    statement = _only_select(connection, sql, limits)
    with _time_limit(connection, limits.time_s) as ran_out:
        try:
            cursor = connection.execute(statement)
            columns = _columns(cursor)
            rows = cursor.fetchmany(limits.rows + 1)
        except duckdb.Error as error:
            raise _refusal(error, timed_out=bool(ran_out), limits=limits) from error
        except UnicodeDecodeError as error:
            raise QueryRefused("the result holds text that is not UTF-8") from error
    if len(rows) > limits.rows:
        raise QueryRefused(f"more than {limits.rows} rows: add a LIMIT or aggregate")
    return QueryResult(columns, tuple(tuple(json_safe(value) for value in row) for row in rows))


def _columns(cursor: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    """The result's column names. Raises ``QueryRefused`` on a type that has no value here."""
    for name, kind, *_ in cursor.description or ():
        if "WITH TIME ZONE" in str(kind):
            raise QueryRefused(f"column {name} is {kind}: cast it, as in now()::TIMESTAMP")
    return tuple(item[0] for item in cursor.description or ())


def check_select(sql: str, limits: QueryLimits = DEFAULT_LIMITS) -> None:
    """Is this one SELECT? Needs no file. Raises ``QueryRefused`` on anything else."""
    with duckdb.connect() as connection:
        _only_select(connection, sql, limits)


def _only_select(
    connection: duckdb.DuckDBPyConnection, sql: str, limits: QueryLimits
) -> duckdb.Statement:
    """The one statement of the text. Raises ``QueryRefused`` on none, several, or another kind."""
    if len(sql) > limits.sql_size:
        raise QueryRefused(f"the SQL is longer than {limits.sql_size} characters")
    try:
        statements = connection.extract_statements(sql)
    except duckdb.Error as error:
        raise QueryRefused(first_line(error)) from error
    if len(statements) != 1:
        found = "no statement" if not statements else f"{len(statements)} statements"
        raise QueryRefused(f"{found} given: exactly one SELECT is allowed")
    kind = statements[0].type
    if kind != duckdb.StatementType.SELECT:
        raise QueryRefused(f"{kind.name} is not allowed: exactly one SELECT is")
    return statements[0]


def _refusal(error: duckdb.Error, *, timed_out: bool, limits: QueryLimits) -> QueryRefused:
    if timed_out:
        return QueryRefused(f"the query took longer than {limits.time_s:g} s and was stopped")
    return moved_or_refused(error)


def moved_or_refused(error: duckdb.Error, name: str = "") -> QueryRefused:
    """The refusal to raise for it: another one where a file that was named is not there any more,
    so that a new look is worth it."""
    line = f"{name}: {first_line(error)}" if name else first_line(error)
    gone = isinstance(error, duckdb.IOException) and any(words in line for words in _GONE)
    return _TicksMoved(line) if gone else QueryRefused(line)


@contextmanager
def _time_limit(connection: duckdb.DuckDBPyConnection, limit_s: float) -> Iterator[list[bool]]:
    ran_out: list[bool] = []

    def interrupt() -> None:
        ran_out.append(True)
        connection.interrupt()

    timer = threading.Timer(limit_s, interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield ran_out
    finally:
        timer.cancel()


@contextmanager
def open_reader(
    published: Path, limits: QueryLimits = DEFAULT_LIMITS
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A locked connection on a published file; ``v1`` is in reach, with ``v1.ticks``.

    Raises ``QueryRefused`` when the file is not a projection.
    """
    with unlocked_reader(published, limits) as connection:
        lock(connection, [ticks_folder(published)])
        yield connection


def lock(connection: duckdb.DuckDBPyConnection, folders: Sequence[Path]) -> None:
    """From here on the connection reads these folders and nothing else, for good."""
    # The order matters: nothing can be allowed once outside access is off.
    allowed = ", ".join(contracts.quoted(str(folder)) for folder in folders)
    connection.execute(f"SET allowed_directories = [{allowed}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


@contextmanager
def unlocked_reader(
    published: Path, limits: QueryLimits = DEFAULT_LIMITS
) -> Iterator[duckdb.DuckDBPyConnection]:
    """The same before it is locked: for the program's own SQL only. Raises ``QueryRefused``."""

    def fill(connection: duckdb.DuckDBPyConnection) -> bool:
        try:
            return _attach(connection, published)
        except duckdb.Error as error:
            raise moved_or_refused(error, published.name) from error

    with filled_connection(fill, limits) as connection:
        yield connection


@contextmanager
def filled_connection(
    fill: Callable[[duckdb.DuckDBPyConnection], bool], limits: QueryLimits
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with what ``fill`` puts in, on a new one while tick files are merged away.

    ``fill`` says whether all files were there; after so many looks they are gone for good, and what
    it made without them is given. Raises what it raises.
    """
    for look in reversed(range(_LOOKS)):
        with blank_connection(limits) as connection:
            try:
                found = fill(connection)
            except _TicksMoved:
                if not look:
                    raise
                continue
            if found or not look:
                yield connection
                return


@contextmanager
def blank_connection(limits: QueryLimits) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection in memory with the limits of a query, and nothing attached."""
    connection = duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "python_enable_replacements": False,
            "memory_limit": f"{limits.memory_mb}MB",
            "threads": limits.threads,
            "temp_directory": "",
        },
    )
    try:
        with _stopped_by_ctrl_c(connection):
            yield connection
    finally:
        connection.close()


@contextmanager
def _stopped_by_ctrl_c(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """SIGINT also ends what runs on the connection, before whoever hears it hears it.

    DuckDB sees the signal by itself, but then waits for its own threads, which have not.
    """
    heard_by = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(heard_by):
        yield
        return

    def hear(number: int, frame: FrameType | None) -> None:
        connection.interrupt()
        heard_by(number, frame)

    signal.signal(signal.SIGINT, hear)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, heard_by)


def _attach(connection: duckdb.DuckDBPyConnection, published: Path) -> bool:
    """Attach read-only and make the tick view, which names files and so belongs to the reader.

    Without the files there is no ``v1.ticks``, and the rest answers; says whether they were there.
    """
    connection.execute(f"ATTACH {contracts.quoted(str(published))} AS {_ATTACHED} (READ_ONLY)")
    files = tick_files(connection, _ATTACHED, published)
    connection.execute("CREATE SCHEMA v1")
    there = all(path.exists() for path in files)
    if there:
        names = [str(path) for path in files]
        connection.execute(f"CREATE VIEW v1.ticks AS {contracts.ticks_view(names, _ATTACHED)}")
        comment = contracts.quoted(contracts.TICKS_VIEW_COMMENT)
        connection.execute(f"COMMENT ON VIEW v1.ticks IS {comment}")
        connection.execute(f"SET search_path = '{_ATTACHED}.v1,memory.v1'")
        sorted_whole = len(names) == 1
        macros = questions.SORTED_TICK_MACROS if sorted_whole else questions.TICK_MACROS
        for macro in macros:
            made = contracts.create_macro(macro).replace("MACRO v1.", "MACRO memory.v1.", 1)
            connection.execute(made)
            said = contracts.quoted(macro.comment)
            connection.execute(f"COMMENT ON MACRO TABLE memory.v1.{macro.name} IS {said}")
    connection.execute(f"SET search_path = '{_ATTACHED}.v1,memory.v1'")
    return there


def tick_files(connection: duckdb.DuckDBPyConnection, attached: str, published: Path) -> list[Path]:
    """The Parquet files of ticks that the attached state names."""
    named = read_tick_files(connection, f"{attached}.base")
    return [ticks_folder(published) / item.file for item in named]


def json_safe(value: Any) -> Any:
    """A DuckDB value as JSON can hold it: times as ISO text, bytes as hex, decimals as numbers."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, dict):
        return {str(json_safe(key)): json_safe(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [json_safe(item) for item in value]
    return str(value)

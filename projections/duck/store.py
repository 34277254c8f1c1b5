"""The projector's own DuckDB file: tables, checkpoint, digests.

Lives here: opening and making the file, applying a batch. May import: duckdb, pyarrow, projections.
Always holds: rows and checkpoint change in one transaction, so that a kill at any moment leaves
neither a gap nor a double; the file is written in the format of DuckDB 1.5, which its command line
reads; files are made 0600 in folders of 0700. Start reading at ``Store``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import duckdb
import msgspec
import pyarrow as pa

from events.envelope import GENESIS_HASH
from journal.files import FILE_MODE
from projections import tables
from projections.duck import contracts
from projections.glossary import ColumnType
from projections.rows import Row, columns

STORAGE_VERSION: Final = "v1.5.0"
MEMORY_LIMIT: Final = "1GB"
_PRIVATE_UMASK: Final = 0o077

_ARROW: Final[dict[ColumnType, pa.DataType]] = {
    "INT": pa.int64(),
    "TEXT": pa.string(),
    "BOOL": pa.bool_(),
    "REAL": pa.float64(),
}


class ProjectionError(Exception):
    """A projection that cannot be built, opened or read; one line that says what to do."""


class Checkpoint(msgspec.Struct, frozen=True):
    """How far a projection is: the last seq in its tables and the chain there, whether the session
    is closed, and the last seq whose packets are in the tick files."""

    seq: int
    hash: bytes
    ts: int
    closed: bool
    ticks_seq: int


START: Final = Checkpoint(0, GENESIS_HASH, 0, False, 0)


class TickFile(msgspec.Struct, frozen=True):
    """A Parquet file of packets; written once, known by its digest (SHA-256, hex)."""

    file: str
    first_seq: int
    last_seq: int
    rows: int
    sha256: str
    sealed: bool


@contextmanager
def private_files() -> Iterator[None]:
    """Files made inside are for the owner alone, whoever makes them (DuckDB takes no mode)."""
    before = os.umask(_PRIVATE_UMASK)
    try:
        yield
    finally:
        os.umask(before)


class Store:
    """One open projection. Only one process may hold it; the projector's lock sees to that."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, path: Path) -> None:
        self.connection = connection
        self.path = path

    @classmethod
    def create(cls, path: Path, session: str, session_uid: str) -> Store:
        """A new file with empty tables. Raises ``ProjectionError`` when it cannot be written."""
        blank = _blank_file()
        try:
            write_private(path, blank)
        except OSError as error:
            raise ProjectionError(f"the projection cannot be written: {error}") from error
        store = cls.open(path)
        run = store.connection.execute
        run("BEGIN")
        run("INSERT INTO base.meta VALUES (?, ?, ?)", [session, session_uid, tables.VERSION])
        run("INSERT INTO base.checkpoint VALUES (?, ?, ?, ?, ?)", _checkpoint_values(START))
        run("COMMIT")
        return store

    @classmethod
    def open(cls, path: Path) -> Store:
        """An existing file. Raises ``ProjectionError`` when it is none of ours or is damaged."""
        return cls(_connect(path), path)

    def identity(self) -> tuple[str, str, int]:
        """Session id, session uid and version of the tables. Raises ``ProjectionError``."""
        found = self._one("SELECT session, session_uid, projection_version FROM base.meta")
        return found[0], found[1], found[2]

    def checkpoint(self) -> Checkpoint:
        """Where the tables stand. Raises ``ProjectionError``."""
        found = self._one(
            "SELECT applied_seq, applied_hash, applied_ts, closed, ticks_through_seq "
            "FROM base.checkpoint"
        )
        return Checkpoint(found[0], bytes.fromhex(found[1]), found[2], found[3], found[4])

    def _one(self, sql: str) -> tuple[Any, ...]:
        try:
            found = self.connection.execute(sql).fetchone()
        except duckdb.Error as error:
            raise ProjectionError(f"{self.path.name} is not a whole projection") from error
        if found is None:
            raise ProjectionError(f"{self.path.name} is not a whole projection")
        return found

    def apply(
        self,
        rows: dict[str, list[Row]],
        checkpoint: Checkpoint,
        tick_files: tuple[TickFile, ...] | None = None,
    ) -> None:
        """Add rows and move the checkpoint, in one transaction.

        ``tick_files``, when given, are all files that hold ticks from now on.
        """
        connection = self.connection
        connection.execute("BEGIN")
        try:
            for name, added in rows.items():
                connection.register("batch", arrow_table(name, added))
                connection.execute(f"INSERT INTO base.{name} SELECT * FROM batch")
                connection.unregister("batch")
            connection.execute(
                "UPDATE base.checkpoint SET applied_seq = ?, applied_hash = ?, applied_ts = ?, "
                "closed = ?, ticks_through_seq = ?",
                _checkpoint_values(checkpoint),
            )
            if tick_files is not None:
                self._name_tick_files(tick_files)
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise

    def _name_tick_files(self, tick_files: tuple[TickFile, ...]) -> None:
        self.connection.execute("DELETE FROM base.tick_files")
        for item in tick_files:
            self.connection.execute(
                "INSERT INTO base.tick_files VALUES (?, ?, ?, ?, ?, ?)",
                list(msgspec.structs.astuple(item)),
            )

    def tick_files(self) -> tuple[TickFile, ...]:
        """The files that hold the ticks up to the checkpoint's ``ticks_seq``, in order."""
        return read_tick_files(self.connection, "base")

    def instrument_tokens(self) -> tuple[int, ...]:
        """The broker's tokens in the order of the instruments' indices."""
        found = self.connection.execute(
            "SELECT token FROM base.instruments ORDER BY instrument"
        ).fetchall()
        return tuple(row[0] for row in found)

    def stamp(self, now_ns: int) -> None:
        """Write when this state is published (wall clock, ns UTC); no digest covers it."""
        self.connection.execute("DELETE FROM base.publication")
        self.connection.execute(
            "INSERT INTO base.publication SELECT make_timestamp(?)", [now_ns // 1000]
        )

    def flush(self) -> None:
        """Bring everything into the one file, so that a copy of it is whole."""
        self.connection.execute("CHECKPOINT")

    def close(self) -> None:
        """Let the file go."""
        self.connection.close()


@cache
def _blank_file() -> bytes:
    """A file with the contracts and without a row. Made once a process: it is most of the work."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "blank.duckdb"
        connection = _connect(path)
        try:
            _make_contracts(connection)
            connection.execute("CHECKPOINT")
        finally:
            connection.close()
        return path.read_bytes()


def _make_contracts(connection: duckdb.DuckDBPyConnection) -> None:
    run = connection.execute
    run("BEGIN")
    for statement in contracts.schema_statements():
        run(statement)
    views = run(
        "SELECT table_name, column_name FROM duckdb_columns() WHERE schema_name = 'v1' "
        "ORDER BY table_name, column_index"
    ).fetchall()
    for view, column in views:
        comment = contracts.quoted(contracts.column_comment(column))
        run(f"COMMENT ON COLUMN v1.{view}.{column} IS {comment}")
    for table in tables.TABLES:
        for word in table.columns:
            comment = contracts.quoted(word.comment)
            run(f"COMMENT ON COLUMN base.{table.name}.{word.name} IS {comment}")
    for name, rows in contracts.dimension_rows().items():
        marks = ", ".join("?" for _ in rows[0])
        connection.executemany(f"INSERT INTO base.{name} VALUES ({marks})", rows)
    run("COMMIT")


def write_private(path: Path, data: bytes) -> None:
    """Write a new file, 0600 from the first byte on."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, FILE_MODE)
    with os.fdopen(handle, "wb") as file:
        file.write(data)


def read_tick_files(connection: duckdb.DuckDBPyConnection, schema: str) -> tuple[TickFile, ...]:
    """The tick files named in a projection; ``schema`` is its private one, with its catalogue."""
    found = connection.execute(
        f"SELECT file, first_seq, last_seq, tick_rows, sha256, sealed FROM {schema}.tick_files "
        "ORDER BY first_seq"
    ).fetchall()
    return tuple(TickFile(*row) for row in found)


def _connect(path: Path) -> duckdb.DuckDBPyConnection:
    try:
        with private_files():
            return duckdb.connect(
                str(path),
                config={
                    "storage_compatibility_version": STORAGE_VERSION,
                    "autoinstall_known_extensions": False,
                    "autoload_known_extensions": False,
                    "python_enable_replacements": False,
                    "memory_limit": MEMORY_LIMIT,
                    "threads": 1,
                    "temp_directory": str(path.parent / "spill"),
                },
            )
    except duckdb.Error as error:
        raise ProjectionError(f"{path}: {first_line(error)}") from error


def first_line(error: Exception) -> str:
    """The first line of an error's text."""
    return str(error).partition("\n")[0].strip() or type(error).__name__


def _checkpoint_values(point: Checkpoint) -> list[object]:
    return [point.seq, point.hash.hex(), point.ts, point.closed, point.ticks_seq]


def arrow_table(name: str, rows: list[Row]) -> pa.Table:
    """Rows of a base table as Arrow, in its declared columns and types."""
    declared = tables.BY_NAME[name].columns
    return pa.table(
        {
            column.name: pa.array(values, _ARROW[column.type])
            for column, values in zip(declared, columns(rows), strict=True)
        }
    )


Digest = tuple[int, int, int]
"""XOR of the rows' hashes, their sum, their number: equal for equal contents in any order."""


def digests(connection: duckdb.DuckDBPyConnection, schema: str = "base") -> dict[str, Digest]:
    """The content digest of every journal-derived table. Raises ``ProjectionError``.

    ``hash`` is DuckDB's own, equal within one release: it compares projections on one machine. The
    evidence of record is the journal.
    """
    try:
        return {table.name: _digest(connection, schema, table) for table in tables.TABLES}
    except duckdb.Error as error:
        raise ProjectionError(
            f"the projection cannot be read whole: {first_line(error)}"
        ) from error


def _digest(connection: duckdb.DuckDBPyConnection, schema: str, table: tables.Table) -> Digest:
    names = ", ".join(column.name for column in table.columns)
    row = connection.execute(
        f"SELECT coalesce(bit_xor(hash({names})), 0), "
        f"coalesce(sum(hash({names})::HUGEINT), 0), count(*) FROM {schema}.{table.name}"
    ).fetchone()
    assert row is not None
    return (row[0], row[1], row[2])

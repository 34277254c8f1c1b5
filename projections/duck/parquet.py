"""Parquet whose bytes depend on the rows alone.

Lives here: writing a query's result in row groups of a fixed size. May import: duckdb, pyarrow.
Always holds: the same rows in the same order give the same bytes under one release of the writer,
however they were cut into batches (DuckDB's own COPY does not: its pages follow the vectors of the
source, as measured); a file is synced and for the owner alone. Start reading at ``write_query``.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from journal.files import FILE_MODE

GROUP_ROWS: Final = 122_880
_DICTIONARY_TYPES: Final = (pa.types.is_string, pa.types.is_boolean)


def write_query(
    connection: duckdb.DuckDBPyConnection, sql: str, target: Path, dictionary: tuple[str, ...] = ()
) -> tuple[int, str]:
    """Write the rows of a SELECT into a new file; their number, and the file's SHA-256 (hex).

    The SELECT must fix the order of its rows. ``dictionary`` names integer columns of few distinct
    values; text columns are dictionaries always.
    """
    reader = connection.sql(sql).to_arrow_reader(GROUP_ROWS)
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, FILE_MODE)
    rows = 0
    with os.fdopen(handle, "wb") as file:
        with pq.ParquetWriter(file, reader.schema, **_options(reader.schema, dictionary)) as writer:
            for group in _groups(reader):
                writer.write_table(group, row_group_size=GROUP_ROWS)
                rows += group.num_rows
        file.flush()
        os.fsync(file.fileno())
    return rows, sha256_of(target)


def _options(schema: pa.Schema, dictionary: tuple[str, ...]) -> dict[str, object]:
    few = [
        field.name
        for field in schema
        if field.name in dictionary or any(test(field.type) for test in _DICTIONARY_TYPES)
    ]
    delta = {
        field.name: "DELTA_BINARY_PACKED"
        for field in schema
        if pa.types.is_integer(field.type) and field.name not in few
    }
    return {
        "compression": "zstd",
        "use_dictionary": few,
        "column_encoding": delta,
        "data_page_version": "2.0",
        "store_schema": False,
    }


def _groups(reader: pa.RecordBatchReader) -> Iterator[pa.Table]:
    """The rows in tables of exactly ``GROUP_ROWS``, the last one shorter."""
    waiting = reader.schema.empty_table()
    for batch in reader:
        waiting = pa.concat_tables([waiting, pa.Table.from_batches([batch])])
        while waiting.num_rows >= GROUP_ROWS:
            yield waiting.slice(0, GROUP_ROWS).combine_chunks()
            waiting = waiting.slice(GROUP_ROWS)
    if waiting.num_rows:
        yield waiting.combine_chunks()


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, lower-case hex."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()

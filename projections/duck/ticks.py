"""Tick files: write-once Parquet of the packets of a session.

Lives here: the tick files and their sealing. May import: projections, polars, duckdb. Always holds:
a file is written once under a name of its own, sorted by instrument, time and place in the journal,
and known by its digest; nothing is ever replaced in place.
Start reading at ``TickFiles``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import duckdb
import polars as pl

from projections.duck.contracts import quoted
from projections.duck.parquet import write_query
from projections.duck.store import TickFile
from projections.tables import TICK_COLUMNS

_FEW_VALUES: Final = (
    *("seq", "ts", "instrument", "token", "packet_bytes", "last_units", "bid_units", "ask_units"),
    *("exchange_ts", "last_trade_ts"),
)
_ORDER: Final = "instrument NULLS LAST, token, ts, seq, idx"


class TickFiles:
    """The folder of tick files of one session."""

    def __init__(self, folder: Path, connection: duckdb.DuckDBPyConnection) -> None:
        self.folder = folder
        self._connection = connection

    def write(self, ticks: pl.DataFrame, first_seq: int, last_seq: int) -> TickFile:
        """Write ticks into a new file. ``first_seq`` and ``last_seq`` are the seqs it covers."""
        self._connection.register("ticks", ticks.to_arrow())
        try:
            return self._copy("ticks", (first_seq, last_seq), sealed=False)
        finally:
            self._connection.unregister("ticks")

    def seal(self, files: Sequence[TickFile]) -> TickFile | None:
        """One sorted file from all, of the same bytes however they were cut; None for none."""
        if not files:
            return None
        paths = ", ".join(quoted(str(self.folder / item.file)) for item in files)
        span = (files[0].first_seq, files[-1].last_seq)
        return self._copy(f"read_parquet([{paths}])", span, sealed=True)

    def _copy(self, source: str, span: tuple[int, int], *, sealed: bool) -> TickFile:
        """Write, then name by span and digest: a name never stands for two contents."""
        partial = self.folder / f"ticks-{span[0]:012d}.tmp"
        partial.unlink(missing_ok=True)
        columns = ", ".join(column for column, _, _ in TICK_COLUMNS)
        rows, digest = write_query(
            self._connection,
            f"SELECT {columns} FROM {source} ORDER BY {_ORDER}",
            partial,
            _FEW_VALUES,
        )
        name = f"ticks-{span[0]:012d}-{span[1]:012d}-{digest[:12]}.parquet"
        partial.rename(self.folder / name)
        sync_folder(self.folder)
        return TickFile(name, *span, rows, digest, sealed)

    def keep_only(self, files: Sequence[TickFile]) -> None:
        """Remove what no table names: files of a batch that never committed, and merged ones."""
        named = {item.file for item in files}
        for path in sorted(self.folder.glob("ticks*")):
            if path.name not in named:
                path.unlink()


def sync_folder(folder: Path) -> None:
    """Bring a folder's names to the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

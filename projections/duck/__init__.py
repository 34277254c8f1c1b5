"""The SQL side of the projections: DuckDB files that anybody may open, built from the journal.

Lives here: ``contracts.py`` (tables, views and macros of schema ``v1``), ``store.py`` (the file
and its checkpoint), ``ticks.py`` and ``parquet.py``, ``projector.py`` (tails a journal),
``publish.py``, ``query.py`` (locked SQL), ``ask.py`` (answers of ``why``), ``export.py``. May
import: events, journal, projections, duckdb, pyarrow, polars. Always holds: rows and checkpoint
change in one transaction; a published file is replaced by rename, never written in place; a Parquet
file is written once. The engine never imports this room. Start reading at ``projector.py``.
"""

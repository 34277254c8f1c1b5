"""projections/duck/query.py: one SELECT, and nothing else gets through."""

from __future__ import annotations

import json
import os
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from projections.duck.projector import ensure_projection
from projections.duck.publish import read_status, ticks_folder
from projections.duck.query import (
    QueryLimits,
    QueryRefused,
    check_select,
    json_safe,
    open_reader,
    run_query,
)
from tests.projections.duck.journals import write_session

SECRET = "do not read this"


def test_select_gives_columns_and_rows(published: Path) -> None:
    """A SELECT on a contract gives its columns and rows, and JSON takes them."""
    result = run_query(published, "select reason, count(*) n from v1.decisions group by 1")
    assert result.columns == ("reason", "n")
    assert sum(row[1] for row in result.rows) == 80
    assert json.loads(json.dumps(result.objects()))[0].keys() == {"reason", "n"}


def test_ticks_are_in_reach(published: Path) -> None:
    """The reader sees the packets of the tick files beside the contracts, by contract name."""
    sql = "select count(*), count(tradingsymbol), max(ts_ist) from v1.ticks"
    (count, named, last), *_ = run_query(published, sql).rows
    assert count > named > 0
    assert str(last).startswith("2025-08-29T09:")


@pytest.mark.parametrize("sql", ["describe v1.decisions", "from decisions limit 1", "values (1)"])
def test_other_spellings_of_a_select(published: Path, sql: str) -> None:
    """What DuckDB counts as a SELECT may be asked."""
    assert run_query(published, sql).rows


HOSTILE = (
    "",
    "-- nothing",
    "selec 1",
    "select 1; select 2",
    "select 1; drop view v1.decisions",
    "insert into base.decisions select * from base.decisions",
    "update base.meta set session = 'x'",
    "delete from base.gates",
    "create table x (a int)",
    "create or replace temp view decisions as select 1",
    "with gone as (delete from base.gates returning *) select * from gone",
    "with put as (insert into base.stages values (1, 'a', 'b') returning *) select * from put",
    "copy (select 1) to '{folder}/out.csv'",
    "export database '{folder}/out'",
    "select * from '{folder}/secret.csv'",
    "select * from read_csv('{folder}/secret.csv')",
    "select * from read_text('{folder}/secret.csv')",
    "select * from read_blob('{folder}/secret.csv')",
    "select * from read_text('{ticks}/../../secret.csv')",
    "select * from glob('{folder}/*')",
    "select * from sniff_csv('{folder}/secret.csv')",
    "select * from parquet_metadata('{folder}/secret.csv')",
    "attach '{folder}/other.duckdb' as other",
    "detach published",
    "use memory",
    "install httpfs",
    "load httpfs",
    "set threads = 64",
    "set enable_external_access = true",
    "reset lock_configuration",
    "pragma database_size",
    "call pragma_version()",
    "select * from query('create table x (a int)')",
    "select getenv('HOME')",
    "select * from secret_rows",
    "prepare p as select 1",
    "begin",
    "checkpoint",
    "vacuum",
    "from enable_logging('QueryLog', storage := 'file', storage_config := {{'path': '{folder}'}})",
    "select * from duckdb_secrets()",
    ";",
    "select 1 -- one\n; copy (select 1) to '{folder}/out.csv'",
    "/* a select */ copy (select 1) to '{folder}/out.csv'",
    "copy v1.decisions to '{folder}/out.parquet' (format parquet)",
    "import database '{folder}'",
    "merge into base.meta using (select 1) s on true when matched then delete",
    "alter table base.meta add column x int",
    "truncate base.decisions",
    "create secret s (type s3)",
    "create macro m() as 1",
    "explain analyze select 1",
    "execute p",
    "set variable x = 1",
    "set memory_limit = '100GB'",
    "select * from query('copy (select 1) to ''{folder}/out.csv''')",
    "select * from query('select 1; select 2')",
    "select * from json_execute_serialized_sql('nothing')",
    "select * from read_json('{folder}/secret.csv')",
    "select * from read_parquet('{folder}/secret.csv')",
    "select * from read_csv(['{folder}/secret.csv', '{folder}/secret.csv'])",
    "select * from read_parquet('{ticks}/../../../*/secret.csv')",
    "select * from parquet_schema('{folder}/secret.csv')",
    "select * from glob('{ticks}/../../**')",
    "select * from read_text('file:{folder}/secret.csv')",
    "select * from read_text('http://127.0.0.1:1/x')",
    "select * from read_text('s3://bucket/x')",
    "select * from sqlite_scan('{folder}/secret.csv', 't')",
    "select * from postgres_scan('host=127.0.0.1', 'public', 't')",
    "select content from '{folder}/secret.csv'",
)


@pytest.mark.parametrize("sql", HOSTILE)
def test_everything_else_is_refused(published: Path, tmp_path: Path, sql: str) -> None:
    """S03: writes, files, settings, extensions, variables: refused in one line, nothing changes."""
    secret_rows = [SECRET]
    (tmp_path / "secret.csv").write_text(SECRET)
    before = (published.read_bytes(), sorted(tmp_path.iterdir()))
    text = sql.format(folder=tmp_path, ticks=ticks_folder(published))
    with pytest.raises(QueryRefused) as refused:
        run_query(published, text)
    assert "\n" not in str(refused.value)
    assert SECRET not in str(refused.value)
    assert (published.read_bytes(), sorted(tmp_path.iterdir())) == before
    assert secret_rows == [SECRET]


BOMBS = (
    "with recursive r(n) as (select 1 union all select n + 1 from r) select count(*) from r",
    "select count(*) from range(10000000000000)",
    "select count(*) from v1.gates a, v1.gates b, v1.gates c",
    "select max(md5(a.seq || b.seq)) from v1.gates a, v1.gates b, range(100)",
    "select string_agg(md5(seq::varchar), '') from v1.gates, range(1000)",
    "select * from range(20000)",
)


@pytest.mark.parametrize("sql", BOMBS)
def test_what_would_take_too_much_is_stopped(published: Path, sql: str) -> None:
    """S03: time, memory and rows are bounded, and which of them it was is said in one line."""
    limits = QueryLimits(time_s=0.3, memory_mb=96, rows=10_000)
    with pytest.raises(QueryRefused, match=r"longer than|Out of Memory|more than") as refused:
        run_query(published, sql, limits)
    assert "\n" not in str(refused.value)


def test_check_needs_no_file() -> None:
    """What is no single SELECT is refused before any file is opened or built."""
    check_select("select nothing from nowhere")
    for sql in ("selec", "", "select 1; select 2", "drop table x", "select 1 -- " + "x" * 10**5):
        with pytest.raises(QueryRefused):
            check_select(sql)


def test_a_link_beside_the_ticks_opens_nothing(tmp_path: Path) -> None:
    """A symbolic link put into the tick folder is the only way out that a folder rule leaves open.

    Whoever can put it there can read its target anyway; the rows still never leave as a write.
    """
    folder = write_session(tmp_path, cycles=2)
    published = ensure_projection(folder)
    (tmp_path / "target").mkdir()
    (ticks_folder(published) / "away").symlink_to(tmp_path / "target")
    with pytest.raises(QueryRefused):
        run_query(published, f"copy (select 1) to '{ticks_folder(published)}/away/out.csv'")
    assert not list((tmp_path / "target").iterdir())


def test_the_corpus_can_fail(published: Path, tmp_path: Path) -> None:
    """Canary: on a connection that is not locked, what the corpus tries does work."""
    (tmp_path / "secret.csv").write_text(SECRET)
    with duckdb.connect() as connection:
        sql = f"select content from read_text('{tmp_path}/secret.csv')"
        assert SECRET in str(connection.execute(sql).fetchall())
    with open_reader(published) as connection, pytest.raises(duckdb.Error):
        connection.execute(sql)


def test_endless_query_is_stopped(published: Path) -> None:
    """A query over its time is stopped and says so."""
    sql = "select count(*) from range(1000000000000) a"
    with pytest.raises(QueryRefused, match=r"longer than 0\.2 s"):
        run_query(published, sql, QueryLimits(time_s=0.2))


def test_too_much_is_refused(published: Path) -> None:
    """Too many rows, too much text and too much memory are refused by name."""
    with pytest.raises(QueryRefused, match="more than 10 rows"):
        run_query(published, "select * from range(11)", QueryLimits(rows=10))
    with pytest.raises(QueryRefused, match="longer than 20 characters"):
        run_query(published, "select 1 -- " + "x" * 20, QueryLimits(sql_size=20))
    hungry = "select list(a) from (select range(100) a from range(1000000))"
    with pytest.raises(QueryRefused, match="Out of Memory"):
        run_query(published, hungry, QueryLimits(memory_mb=64))


def test_no_projection_is_refused(tmp_path: Path) -> None:
    """A file that is no projection is one line."""
    (tmp_path / "session.duckdb").write_bytes(b"nothing")
    with pytest.raises(QueryRefused, match=r"session\.duckdb"):
        run_query(tmp_path / "session.duckdb", "select 1")


def test_a_tick_file_that_is_gone_is_told(tmp_path: Path) -> None:
    """Ticks whose file is missing are an error that names it; the contracts still answer."""
    folder = write_session(tmp_path, cycles=2)
    published = ensure_projection(folder)
    (file,) = read_status(published).tick_files
    os.unlink(ticks_folder(published) / file.file)
    with pytest.raises(QueryRefused, match="ticks does not exist"):
        run_query(published, "select count(*) from v1.ticks")
    assert run_query(published, "select count(*) from v1.decisions").rows == ((4,),)


def test_values_are_safe_for_json() -> None:
    """Every kind of value that DuckDB gives has a JSON form that loses no meaning."""
    values = (
        (2**70, 2**70),
        (Decimal("2.00"), 2),
        (Decimal("2.50"), 2.5),
        (float("nan"), "nan"),
        (date(2025, 8, 29), "2025-08-29"),
        (datetime(2025, 8, 29, 9, 15, tzinfo=UTC), "2025-08-29T09:15:00+00:00"),
        (time(9, 15), "09:15:00"),
        (timedelta(seconds=90), 90.0),
        (b"\x01\xff", "01ff"),
        ([1, None, Decimal(1)], [1, None, 1]),
        ({"a": (1, 2)}, {"a": [1, 2]}),
    )
    for value, expected in values:
        assert json_safe(value) == expected
        json.dumps(json_safe(value), allow_nan=False)


def test_times_with_a_zone_are_told(published: Path) -> None:
    """A time with a zone is refused with the cast that shows it; the cast works."""
    with pytest.raises(QueryRefused, match="cast it"):
        run_query(published, "select [now()]")
    (shown,) = run_query(published, "select now()::timestamp").rows[0]
    assert datetime.fromisoformat(shown).year >= 2025


def test_repeated_names_keep_their_columns(published: Path) -> None:
    """Two columns of one name both reach the objects."""
    assert run_query(published, "select 1 a, 2 a").objects() == [{"a": 1, "a_2": 2}]

"""Many sessions asked at once answer as each of them does alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import duckdb
import pytest

from projections.duck import contracts, many, questions
from projections.duck.many import DIMENSIONS, open_many, run_query_many
from projections.duck.projector import ensure_projection
from projections.duck.publish import ticks_folder
from projections.duck.query import (
    QueryLimits,
    QueryRefused,
    QueryResult,
    open_reader,
    run_on,
)
from tests.projections.duck.journals import write_session

OTHER_DAY = "2025-09-01-backtest-0123456789ab"


@pytest.fixture(scope="module")
def both(published: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two sessions of one desk; seqs, cycles and tokens occur in each."""
    folder = write_session(tmp_path_factory.mktemp("many"), cycles=9, name=OTHER_DAY)
    return published, ensure_projection(folder)


@pytest.fixture
def reader(both: tuple[Path, Path]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A locked reader on both."""
    with open_many(both) as connection:
        yield connection


@pytest.fixture
def alone(both: tuple[Path, Path]) -> Iterator[list[duckdb.DuckDBPyConnection]]:
    """A locked reader on each."""
    with ExitStack() as stack:
        yield [stack.enter_context(open_reader(path)) for path in both]


def ask(connection: duckdb.DuckDBPyConnection, sql: str) -> QueryResult:
    return run_on(connection, sql, QueryLimits())


def test_the_contracts_are_those_of_one_session(
    reader: duckdb.DuckDBPyConnection, alone: list[duckdb.DuckDBPyConnection]
) -> None:
    """Every view with its columns, places and types, as a reader of one session has them."""
    sql = (
        "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE schema_name = 'v1' "
        "{} ORDER BY table_name, column_index"
    )
    of_all = ask(reader, sql.format("AND database_name = 'memory'")).rows
    assert of_all == ask(alone[0], sql.format("")).rows
    assert len(of_all) > 400


def test_each_view_is_the_rows_of_every_session(
    reader: duckdb.DuckDBPyConnection, alone: list[duckdb.DuckDBPyConnection]
) -> None:
    """By count and by content; the words of this release come once."""
    for view in (*(one.name for one in contracts.VIEWS), "ticks"):
        sql = f"SELECT * FROM v1.{view}"
        answers = [ask(one, sql) for one in alone]
        together = ask(reader, sql)
        assert together.columns == answers[0].columns
        of = answers[:1] if view in DIMENSIONS else answers
        rows = [row for answer in of for row in answer.rows]
        assert sorted(map(repr, together.rows)) == sorted(map(repr, rows)), view


def test_each_question_is_every_session_s_answer(
    reader: duckdb.DuckDBPyConnection, alone: list[duckdb.DuckDBPyConnection]
) -> None:
    """With the session in front; a seq of one session never meets a row of another."""
    names = [ask(one, "SELECT session FROM v1.sessions").rows[0][0] for one in alone]
    answered = 0
    for macro in (*contracts.MACROS, *questions.TICK_MACROS):
        needed = [part for part in macro.parameters.split(",") if part and ":=" not in part]
        words = ["20"] if macro.name == "gates_of" else ["'none'"] * len(needed)
        sql = f"SELECT * FROM v1.{macro.name}({', '.join(words)})"
        answers = [ask(one, sql) for one in alone]
        together = ask(reader, sql)
        assert together.columns == ("of_session", *answers[0].columns), macro.name
        rows = [
            (name, *row) for name, answer in zip(names, answers, strict=True) for row in answer.rows
        ]
        assert sorted(map(repr, together.rows)) == sorted(map(repr, rows)), macro.name
        answered += bool(rows)
    assert answered > 8


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1) TO '/tmp/axiom-many'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_parquet('/etc/*')",
        "ATTACH '/tmp/x.db'",
        "SET lock_configuration = false",
        "SELECT 1; SELECT 2",
        "DROP VIEW v1.decisions",
        "INSERT INTO s0.base.meta VALUES ('x', 'x', 1)",
        "SELECT getenv('HOME')",
    ],
)
def test_it_is_locked_as_the_reader_of_one_session_is(both: tuple[Path, Path], sql: str) -> None:
    """Nothing but one SELECT on the contracts, in one line."""
    with pytest.raises(QueryRefused) as refused:
        run_query_many(both, sql)
    assert "\n" not in str(refused.value)


def test_limits_hold_over_all_of_them(both: tuple[Path, Path]) -> None:
    """Rows and time are those of one query."""
    with pytest.raises(QueryRefused, match="more than 3 rows"):
        run_query_many(both, "SELECT * FROM v1.entries", QueryLimits(rows=3))
    endless = "SELECT count(*) FROM v1.entries a, v1.entries b, v1.entries c, v1.entries d"
    with pytest.raises(QueryRefused, match="longer than"):
        run_query_many(both, endless, QueryLimits(time_s=0.2))


@pytest.mark.slow
def test_ticks_that_are_gone_are_never_half_an_answer(
    both: tuple[Path, Path], tmp_path: Path
) -> None:
    """Without one session's files there is no ``v1.ticks`` over both; the rest answers."""
    folder = write_session(tmp_path, cycles=9, name=OTHER_DAY)
    damaged = (both[0], ensure_projection(folder))
    for file in ticks_folder(damaged[1]).iterdir():
        file.unlink()
    with pytest.raises(QueryRefused, match="ticks"):
        run_query_many(damaged, "SELECT count(*) FROM v1.ticks")
    count = "SELECT count(*) FROM v1.decisions"
    assert run_query_many(damaged, count) == run_query_many(both, count)


def test_files_that_are_merged_meanwhile_are_looked_for_again(
    both: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look for the files and the view of them the first look's are merged away."""
    view, seen = contracts.ticks_view, []

    def moved_once(names: list[str], schema: str) -> str:
        seen.append(schema)
        return view([f"{names[0]}.merged"] if len(seen) == 1 else names, schema)

    count = "SELECT count(*) FROM v1.ticks"
    before = run_query_many(both, count)
    with monkeypatch.context() as patch:
        patch.setattr(contracts, "ticks_view", moved_once)
        assert run_query_many(both, count) == before
    assert seen == ["s0", "s0", "s1"]


def test_too_many_and_none_of_ours_are_refused(
    both: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line each; a file that is no projection is named."""
    monkeypatch.setattr(many, "SESSIONS_MAX", 1)
    with pytest.raises(QueryRefused, match="2 sessions are more than 1"):
        run_query_many(both, "SELECT 1")
    monkeypatch.undo()
    strange = tmp_path / "strange.duckdb"
    duckdb.connect(str(strange)).close()
    with pytest.raises(QueryRefused, match=r"strange\.duckdb"):
        run_query_many((both[0], strange), "SELECT 1")

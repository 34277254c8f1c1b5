"""projections/duck/contracts.py: a released column stays what it is, and says what it is."""

from __future__ import annotations

from pathlib import Path

import duckdb

from events.reasons import REASONS, STAGES
from projections import tables
from projections.duck import contracts, questions

PINNED = Path(__file__).parent / "contracts.txt"

DECISIONS = (
    "session seq ts ts_ist underlying outcome stage reason family strategy_id regime day_type cause"
)
GATES = (
    "session seq decision_seq underlying stage gate verdict reason assumed observed limit_value "
    "margin age_ms"
)


def described(reader: duckdb.DuckDBPyConnection) -> str:
    """Every contract's columns with their types, one a line."""
    rows = reader.execute(
        "SELECT table_name || '.' || column_name || ' ' || data_type FROM duckdb_columns() "
        "WHERE schema_name = 'v1' ORDER BY table_name, column_index"
    ).fetchall()
    return "".join(f"{row[0]}\n" for row in rows)


def test_contracts_are_the_pinned_ones(reader: duckdb.DuckDBPyConnection) -> None:
    """No column of schema v1 changes its name, place or type unseen.

    A new column is added to contracts.txt with its release; an old line is never changed.
    """
    assert described(reader) == PINNED.read_text()


def test_decisions_and_gates_have_the_promised_columns(reader: duckdb.DuckDBPyConnection) -> None:
    """The columns that the command line promises come first, in the promised order."""
    for view, promised in (("decisions", DECISIONS), ("gates", GATES)):
        names = [item[0] for item in reader.execute(f"FROM v1.{view} LIMIT 0").description or ()]
        assert names[: len(promised.split())] == promised.split()
    kind = reader.execute("SELECT typeof(ts_ist) FROM v1.decisions LIMIT 1").fetchall()
    assert kind == [("TIMESTAMP",)]


def test_everything_has_a_comment(reader: duckdb.DuckDBPyConnection) -> None:
    """Every view, macro, table and column of the file says what it is."""
    silent = reader.execute(
        "SELECT view_name FROM duckdb_views() WHERE schema_name = 'v1' AND comment IS NULL "
        "UNION ALL SELECT function_name FROM duckdb_functions() "
        "WHERE schema_name = 'v1' AND comment IS NULL "
        "UNION ALL SELECT table_name || '.' || column_name FROM duckdb_columns() "
        "WHERE schema_name = 'v1' AND table_name <> 'ticks' AND comment IS NULL"
    ).fetchall()
    assert silent == []
    found = reader.execute("SELECT count(*) FROM duckdb_functions() WHERE schema_name = 'v1'")
    assert found.fetchall() == [(len(contracts.MACROS) + len(questions.TICK_MACROS),)]


def test_times_in_ist(reader: duckdb.DuckDBPyConnection) -> None:
    """ts_ist is the session clock plus five and a half hours, to the microsecond."""
    wrong = reader.execute(
        "SELECT count(*) FROM v1.decisions WHERE epoch_us(ts_ist) <> ts // 1000 + 19800000000"
    ).fetchall()
    assert wrong == [(0,)]
    first = reader.execute("SELECT min(ts_ist)::VARCHAR FROM v1.decisions").fetchall()
    assert first == [("2025-08-29 09:15:05",)]


def test_dimensions_are_this_release_s_words(reader: duckdb.DuckDBPyConnection) -> None:
    """The reasons in SQL are the reason table, and no decision has one that is not in it."""
    codes = reader.execute(
        "SELECT code, number, sentence FROM v1.reasons ORDER BY number"
    ).fetchall()
    assert codes == sorted(
        ((r.code, r.number, r.sentence) for r in REASONS), key=lambda row: row[1]
    )
    stages = reader.execute("SELECT stage FROM v1.stages ORDER BY ordinal").fetchall()
    assert tuple(row[0] for row in stages) == STAGES
    strangers = reader.execute(
        "SELECT count(*) FROM v1.decisions ANTI JOIN v1.reasons ON code = reason"
    ).fetchall()
    assert strangers == [(0,)]


def test_sessions_is_one_row(reader: duckdb.DuckDBPyConnection) -> None:
    """The session's row joins its opening, its carry, its end and its totals."""
    rows = reader.execute(
        "SELECT state, close_reason, mode, market_kind, decisions, market_lacks FROM v1.sessions"
    ).fetchall()
    assert rows == [("CLOSED", "END_OF_DAY", "BACKTEST", "synthetic", 80, "history,vix")]


def test_orders_and_positions_are_last_states(reader: duckdb.DuckDBPyConnection) -> None:
    """Each order and position is there once, as its last event left it, with a contract's name."""
    orders = reader.execute(
        "SELECT count(*) = count(DISTINCT order_id), bool_and(status = 'FILLED'), "
        "bool_and(tradingsymbol IS NOT NULL), count(*) FROM v1.orders"
    ).fetchall()
    assert orders[0][:3] == (True, True, True)
    positions = reader.execute(
        "SELECT count(*) = count(DISTINCT position_id), bool_and(status = 'CLOSED') "
        "FROM v1.positions"
    ).fetchall()
    assert positions == [(True, True)]
    assert orders[0][3] > 0


def test_a_closed_position_keeps_what_it_was_entered_at(reader: duckdb.DuckDBPyConnection) -> None:
    """Its last event holds nothing and has no average; the average of the last holding is shown."""
    closed = "FROM v1.position_events WHERE status = 'CLOSED'"
    assert reader.execute(f"SELECT max(average_paise) {closed}").fetchone() == (0,)
    kept = reader.execute("SELECT DISTINCT quantity_units, average_paise FROM v1.positions")
    assert kept.fetchall() == [(0, 10_000)]


def test_why_no_trade_takes_times_as_people_write_them(reader: duckdb.DuckDBPyConnection) -> None:
    """The macro's window is IST, by time of day or whole timestamp, both ends included."""
    whole = reader.execute("SELECT sum(decisions) FROM v1.why_no_trade()").fetchall()
    refused = reader.execute(
        "SELECT count(*) FROM v1.decisions WHERE outcome <> 'TRADE'"
    ).fetchall()
    assert whole == refused
    by_time = reader.execute("FROM v1.why_no_trade('NIFTY', '09:16', '09:17:00')").fetchall()
    by_stamp = reader.execute(
        "FROM v1.why_no_trade('NIFTY', TIMESTAMP '2025-08-29 09:16:00', '2025-08-29T09:17:00')"
    ).fetchall()
    assert by_time == by_stamp
    direct = reader.execute(
        "SELECT count(*) FROM v1.decisions WHERE underlying = 'NIFTY' AND outcome <> 'TRADE' "
        "AND ts_ist BETWEEN '2025-08-29 09:16:00' AND '2025-08-29 09:17:00'"
    ).fetchall()
    assert sum(row[4] for row in by_time) == direct[0][0] > 0


def test_attached_under_any_name(published: Path) -> None:
    """Views and macros work whatever the file is called, in any DuckDB, with no setting."""
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{published}' AS \"a day\" (READ_ONLY)")
        connection.execute('USE "a day"')
        found = connection.execute(
            "SELECT (SELECT count(*) FROM v1.decisions), (SELECT count(*) FROM v1.blockers())"
        ).fetchall()
    assert found[0][0] == 80
    assert found[0][1] > 0


def test_storage_is_what_older_command_lines_read(published: Path) -> None:
    """The file's storage version is that of DuckDB 1.5 (68), not this release's own (999)."""
    header = published.read_bytes()[:20]
    assert header[8:12] == b"DUCK"
    assert int.from_bytes(header[12:20], "little") == 68


def test_every_base_table_has_rows(reader: duckdb.DuckDBPyConnection) -> None:
    """No table of the invented session stays empty, so no view here is tried on nothing."""
    for table in tables.TABLES:
        found = reader.execute(f"SELECT count(*) FROM base.{table.name}").fetchall()
        assert found[0][0] > 0, table.name

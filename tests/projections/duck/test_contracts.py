"""projections/duck/contracts.py: a released column stays what it is, and says what it is."""

from __future__ import annotations

from pathlib import Path

import duckdb

from events.reasons import REASONS, STAGES
from projections import tables
from projections.duck import contracts, questions
from scripts import make_contracts

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


MEANINGS = Path(__file__).parent / "meanings.txt"


def meanings(reader: duckdb.DuckDBPyConnection) -> str:
    """Every view, macro and column with what it says of itself, one a line."""
    rows = reader.execute(
        "SELECT view_name || ': ' || comment FROM duckdb_views() WHERE schema_name = 'v1' "
        "UNION ALL SELECT table_name || '.' || column_name || ': ' || comment "
        "FROM duckdb_columns() WHERE schema_name = 'v1' AND table_name <> 'ticks' ORDER BY 1"
    ).fetchall()
    return "".join(f"{row[0]}\n" for row in rows)


def test_meanings_are_the_pinned_ones(reader: duckdb.DuckDBPyConnection) -> None:
    """What a column means never changes: the words are written down beside the types.

    A new column is added to meanings.txt with its release; an old line changes for its spelling
    alone.
    """
    assert meanings(reader) == MEANINGS.read_text(encoding="utf-8")


def test_a_changed_contract_is_seen(reader: duckdb.DuckDBPyConnection) -> None:
    """The canary of both pins: another type, another place, another meaning are other texts."""
    text = described(reader)
    assert text != text.replace("decisions.seq BIGINT", "decisions.seq INTEGER", 1)
    said = meanings(reader)
    assert "decisions.ts: " in said and "decisions.ts_ist: " in said


def test_the_list_of_contracts_is_what_there_is(reader: duckdb.DuckDBPyConnection) -> None:
    """``v1.contracts`` names every view and macro of the schema, once, with a version."""
    listed = reader.execute("SELECT name, form FROM v1.contracts ORDER BY 2, 1").fetchall()
    there = reader.execute(
        "SELECT view_name, 'VIEW' FROM duckdb_views() WHERE schema_name = 'v1' UNION ALL "
        "SELECT function_name, 'MACRO' FROM duckdb_functions() WHERE schema_name = 'v1' "
        "ORDER BY 2, 1"
    ).fetchall()
    assert listed == there
    unsure = "SELECT count(*) FROM v1.contracts WHERE version < 1 OR since IS NULL"
    assert reader.execute(unsure).fetchall() == [(0,)]


def test_the_page_is_what_the_contracts_say() -> None:
    """docs/CONTRACTS.md is made from them; `python -m scripts.make_contracts` makes it anew."""
    assert make_contracts.is_current()


def test_a_contract_has_one_id_over_sessions(reader: duckdb.DuckDBPyConnection) -> None:
    """Exchange, symbol and first day; every instrument has one, and no two the same."""
    ids, distinct, all_of_them = reader.execute(
        "SELECT count(*), count(DISTINCT instrument_id), (SELECT count(*) FROM v1.instruments) "
        "FROM v1.instrument_ids"
    ).fetchall()[0]
    assert ids == distinct == all_of_them > 0
    example = reader.execute(
        "SELECT bool_and(instrument_id = exchange || ':' || tradingsymbol || ':' || "
        "first_seen_day) FROM v1.instrument_ids"
    ).fetchall()
    assert example == [(True,)]


def test_results_are_the_positions_own(reader: duckdb.DuckDBPyConnection) -> None:
    """``v1.pnl`` has each position once, with the figures of its last state."""
    rows = reader.execute(
        "SELECT position_id, realised_paise, charges_paise, net_paise FROM v1.pnl ORDER BY 1"
    ).fetchall()
    last = reader.execute(
        "SELECT position_id, realised_paise, charges_paise, realised_paise - charges_paise "
        "FROM v1.positions ORDER BY 1"
    ).fetchall()
    assert rows == last


def test_settings_in_force_are_the_last_of_each(reader: duckdb.DuckDBPyConnection) -> None:
    """``v1.configuration`` has each key once, with its newest value."""
    newest = reader.execute(
        "SELECT key, max(seq) FROM v1.settings GROUP BY 1 ORDER BY 1"
    ).fetchall()
    assert reader.execute("SELECT key, seq FROM v1.configuration ORDER BY 1").fetchall() == newest

"""The canned questions: a golden answer each, and by another way the same."""

from __future__ import annotations

import functools
import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from engine.runner import run_market
from events.decision import DecisionMade, GatesEvaluated
from events.upcast import current_event
from projections.duck.contracts import MACROS, create_macro, schema_statements
from projections.duck.projector import ensure_projection
from projections.duck.query import open_reader, unlocked_reader
from projections.duck.questions import (
    QUESTIONS,
    SORTED_TICK_MACROS,
    TICK_MACROS,
    Question,
)
from projections.why import sole_blocker
from scripts.goldens import GOLDENS
from tests.engine.fabricated import SmallMarket, relaxed, small_rows
from tests.projections.builders import envelopes
from tests.projections.duck.journals import CYCLES

ANSWERS = Path(__file__).with_name("answers")
WRITE = "AXIOM_WRITE_GOLDENS"
SESSIONS = ("trades", "troubled", "two_underlyings", "generated")
ROWS_SHOWN = 12
PINNED = Path(__file__).with_name("macros.txt")


@pytest.fixture(scope="session")
def readers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A locked reader on each golden session."""
    opened: list[Any] = []

    @functools.cache
    def reader(name: str) -> duckdb.DuckDBPyConnection:
        copy = shutil.copytree(GOLDENS / name, tmp_path_factory.mktemp(name) / name)
        manager = open_reader(ensure_projection(copy))
        opened.append(manager)
        return manager.__enter__()

    yield reader
    for manager in opened:
        manager.__exit__(None, None, None)


def call(reader: duckdb.DuckDBPyConnection, question: Question) -> str:
    """The macro with what it needs, from the session itself: its first intent, the contract that
    was chosen or looked at first."""
    first = {
        "intent": "SELECT coalesce((SELECT min_by(intent_id, seq) FROM v1.intents), 'none')",
        "symbol": "SELECT coalesce((SELECT min_by(tradingsymbol, (NOT selected, seq, contract)) "
        "FROM v1.contracts_screened), 'none')",
    }
    needed = [
        reader.execute(first[name]).fetchall()[0][0] for name in question.takes if name in first
    ]
    return f"v1.{question.macro.name}({', '.join(repr(one) for one in needed)})"


def answer(reader: duckdb.DuckDBPyConnection, question: Question) -> str:
    """An answer as text: the columns, how many rows, the first of them."""
    cursor = reader.execute(f"SELECT * FROM {call(reader, question)}")
    names = [item[0] for item in cursor.description or ()]
    rows = cursor.fetchall()
    lines = [" | ".join("-" if one is None else str(one) for one in row) for row in rows]
    return "\n".join([" | ".join(names), f"{len(rows)} rows", *lines[:ROWS_SHOWN], ""])


@pytest.fixture(scope="session")
def longer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """A locked reader on twenty-five minutes of the small market."""
    report = run_market(
        tmp_path_factory.mktemp("longer"), SmallMarket(minutes=25), relaxed(), small_rows()
    )
    with open_reader(ensure_projection(report.folder)) as connection:
        yield connection


@pytest.mark.parametrize("name", SESSIONS)
@pytest.mark.parametrize("question", QUESTIONS, ids=lambda one: one.name)
def test_each_answer_is_the_golden_one(readers: Any, name: str, question: Question) -> None:
    """On the golden sessions, which never change, each question answers as it always did; with
    AXIOM_WRITE_GOLDENS set the answers are written anew."""
    path = ANSWERS / name / f"{question.name}.txt"
    found = answer(readers(name), question)
    if WRITE in os.environ:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(found, encoding="utf-8")
    assert found == path.read_text(encoding="utf-8")


def test_every_question_is_answered_with_rows_somewhere(readers: Any) -> None:
    """A question that is always empty would pass every comparison: those that no golden session
    has an answer for are named here, with the test that has one."""
    empty = {
        question.name
        for question in QUESTIONS
        if not any(
            readers(name).execute(f"SELECT 1 FROM {call(readers(name), question)}").fetchall()
            for name in SESSIONS
        )
    }
    assert empty == {"differences-found"}  # its test is below: no golden session has a broker


def test_no_answer_depends_on_how_the_engine_happens_to_read(readers: Any) -> None:
    """Twice, with one thread and with two, the same rows in the same order."""
    reader = readers("two_underlyings")
    for question in QUESTIONS:
        sql = f"SELECT * FROM {call(reader, question)}"
        assert reader.execute(sql).fetchall() == reader.execute(sql).fetchall(), question.name


def test_the_funnel_adds_up(readers: Any) -> None:
    """What reached a stage is what ended there and what reached the next one; all of it ends or
    trades: the same as the decisions counted one by one."""
    for name in SESSIONS:
        rows = readers(name).execute("SELECT reached, ended, traded FROM v1.funnel()").fetchall()
        decisions = readers(name).execute("SELECT count(*) FROM v1.decisions").fetchall()[0][0]
        assert rows[0][0] == decisions
        for (reached, ended, _), (following, _, _) in itertools.pairwise(rows):
            assert reached - ended == following
        assert rows[-1][0] == rows[-1][1] + rows[-1][2]
        assert sum(row[1] for row in rows) + rows[-1][2] == decisions


def test_the_heat_map_is_the_blocked_decisions(readers: Any) -> None:
    """Its cells are all decisions without a trade, once each, and no more in a window."""
    reader = readers("two_underlyings")
    cells = reader.execute("SELECT sum(decisions) FROM v1.heat_map()").fetchall()
    blocked = "SELECT count(*) FROM v1.decisions WHERE outcome = 'NO_TRADE'"
    assert cells == reader.execute(blocked).fetchall()
    half = "from_ist := '09:20', to_ist := '09:24:59.999999'"
    some = reader.execute(f"SELECT sum(decisions) FROM v1.heat_map({half})").fetchall()
    within = f"{blocked} AND ts_ist::TIME BETWEEN '09:20' AND '09:24:59.999999'"
    assert some == reader.execute(within).fetchall()
    assert some[0][0] < cells[0][0]


def test_trades_are_the_account_s_result(readers: Any) -> None:
    """The last day_net_paise is what the session's summary booked."""
    reader = readers("trades")
    last = reader.execute("SELECT max_by(day_net_paise, ts_ist) FROM v1.trades()").fetchall()
    booked = reader.execute("SELECT realised_paise - charges_paise FROM v1.sessions").fetchall()
    assert last == booked


def test_an_order_s_trail_is_whole_for_every_intent(readers: Any) -> None:
    """From the snapshot to the position: each entry that was filled has every step, in order."""
    reader = readers("trades")
    intents = [row[0] for row in reader.execute("SELECT intent_id FROM v1.intents").fetchall()]
    assert intents
    filled = {
        row[0][1:17]
        for row in reader.execute("SELECT order_id FROM v1.fills WHERE side = 'BUY'").fetchall()
    }
    for intent in intents:
        rows = reader.execute(f"SELECT seq, what FROM v1.order_trail('{intent}')").fetchall()
        assert [seq for seq, _ in rows] == sorted(seq for seq, _ in rows)
        steps = dict.fromkeys(what for _, what in rows)
        wanted = ["snapshot", "gates", "decision", "intent", "order"]
        assert [one for one in steps if one in wanted] == wanted
        if intent in filled:
            assert {"fill", "position"} <= set(steps)


def test_a_trail_begins_at_its_tick_and_has_the_quotes_that_filled_it(readers: Any) -> None:
    """The first step is the tick of the decision's own cycle; each fill has its frame before it."""
    reader = readers("generated")
    sold = "SELECT authority FROM v1.orders WHERE order_role = 'EXIT'"
    ((intent,),) = reader.execute(sold).fetchall()
    rows = reader.execute(f"SELECT seq, what FROM v1.order_trail('{intent}')").fetchall()
    steps = [what for _, what in rows]
    cause = f"SELECT cause FROM v1.decisions WHERE intent_id = '{intent[:16]}'"
    assert rows[0] == (*reader.execute(cause).fetchall()[0], "tick")
    assert steps.count("fill") == 2
    quotes = {seq for seq, what in rows if what == "quote"}
    named = f"SELECT quote_seq FROM v1.fills WHERE contains(order_id, '{intent[:16]}')"
    assert quotes == {row[0] for row in reader.execute(named).fetchall()}


def test_what_blocked_today_counts_runs(readers: Any) -> None:
    """Decisions, runs and the longest one as they are counted one after the other; what blocks now
    is the reason of each underlying's last decision."""
    reader = readers("two_underlyings")
    expected: dict[tuple[str, ...], list[int]] = {}
    last: dict[str, tuple[str, ...]] = {}
    for underlying, stage, reason in reader.execute(
        "SELECT underlying, stage, reason FROM v1.decisions ORDER BY seq"
    ).fetchall():
        key = (underlying, stage, reason)
        runs = expected.setdefault(key, [])
        runs[len(runs) :] = [] if last.get(underlying) == key else [0]
        runs[-1] += 1
        last[underlying] = key
    found = reader.execute(
        "SELECT underlying, stage, reason, decisions, runs, longest_run, blocks_now "
        "FROM v1.blocked_today()"
    ).fetchall()
    assert {row[:3]: row[3:] for row in found} == {
        key: (sum(runs), len(runs), max(runs), last[key[0]] == key)
        for key, runs in expected.items()
        if key[2] != "TRADE_APPROVED"
    }
    assert max(row[4] for row in found) > 1


def test_sole_blockers_are_those_of_why(reader: duckdb.DuckDBPyConnection) -> None:
    """For every decision of the invented session the one gate in the way is the one that ``why``
    finds in its events; a stage that ended it without a gate of its own too."""
    entries = envelopes(cycles=CYCLES)
    events = {one.seq: current_event(one) for one in entries}
    expected: dict[int, tuple[str, str | None, str]] = {}
    for seq, made in events.items():
        if isinstance(made, DecisionMade) and made.outcome == "NO_TRADE":
            gates = events[made.gates_seq]
            assert isinstance(gates, GatesEvaluated)
            only = sole_blocker(gates)
            if only is not None:
                expected[seq] = only
    found = reader.execute("SELECT seq, stage, gate, reason FROM v1.sole_blockers()").fetchall()
    assert {row[0]: row[1:] for row in found} == expected
    assert {gate for _, gate, _ in expected.values()} > {None}
    ((counted,),) = reader.execute("SELECT sum(sole) FROM v1.blockers()").fetchall()
    assert counted == len(expected)


def test_no_yes_or_no_is_a_near_miss(readers: Any) -> None:
    """A flag that was missed is missed altogether: it has no distance to be near by."""
    for name in SESSIONS:
        flags = (
            readers(name)
            .execute(
                "SELECT count(*) FROM v1.nearest_misses() n JOIN v1.gate_catalogue c USING (gate) "
                "WHERE c.sense = 'IS_TRUE'"
            )
            .fetchall()
        )
        assert flags == [(0,)]
    missed = "SELECT count(*) FROM v1.gates WHERE gate = 'signal' AND margin < 0 AND NOT assumed"
    assert readers("generated").execute(missed).fetchall()[0][0] > 0


def test_what_people_did_includes_what_they_set(readers: Any) -> None:
    """A changed setting stands between the commands, with who and why; each fact once."""
    rows = (
        readers("troubled")
        .execute("SELECT who, verb, subject, value, why FROM v1.operator_actions()")
        .fetchall()
    )
    assert rows == [
        ("risk", "CONFIG", "risk.trades_day_max", "2", "two are enough"),
        ("trader", "HALT", None, None, "the spread looks wrong"),
        ("trader", "RESUME", None, None, "it was the depth"),
    ]


def test_macros_keep_their_parameters_and_columns(readers: Any) -> None:
    """Names, places and types are the pinned ones: new ones are added to macros.txt, behind the old
    ones, and an old line is never changed."""
    reader = readers("trades")
    lines = []
    for macro in (*MACROS, *TICK_MACROS):
        lines.append(f"{macro.name}({macro.parameters})")
        needed = [p for p in macro.parameters.split(", ") if p and ":=" not in p]
        values = ", ".join("1" if one == "decision" else "'x'" for one in needed)
        described = reader.execute(f"DESCRIBE FROM v1.{macro.name}({values})").fetchall()
        lines += [f"{macro.name}.{name} {kind}" for name, kind, *_ in described]
    if WRITE in os.environ:
        PINNED.write_text("\n".join([*lines, ""]), encoding="utf-8")
    assert lines == PINNED.read_text(encoding="utf-8").splitlines()


def outcomes_checked(reader: duckdb.DuckDBPyConnection) -> int:
    """How many figures of blocked outcomes a session has; each is asked of its packets again."""
    checked = 0
    rows = reader.execute(
        "SELECT o.seq, o.minutes, o.tradingsymbol, o.ask_paise, o.bid_paise, "
        "o.gross_lot_paise, o.missing, d.ts "
        "FROM v1.blocked_outcomes() o JOIN v1.decisions d USING (seq)"
    ).fetchall()
    for _, minutes, symbol, ask, bid, gross, missing, ts in rows:
        assert (missing is None) == (gross is not None)
        if missing is not None:
            continue
        quoted = (
            "SELECT max_by({}, (ts, seq, idx)) FROM v1.ticks "
            f"WHERE tradingsymbol = '{symbol}' AND bid_paise > 0 AND ask_paise > 0 "
            "AND ts <= {}"
        )
        lot = reader.execute(
            f"SELECT lot_units FROM v1.instruments WHERE tradingsymbol = '{symbol}'"
        ).fetchall()[0][0]
        until = ts + minutes * 60 * 10**9
        again = (
            reader.execute(quoted.format("ask_paise", ts)).fetchall()[0][0],
            reader.execute(quoted.format("bid_paise", until)).fetchall()[0][0],
        )
        assert (ask, bid) == again
        assert gross == (bid - ask) * lot
        checked += 1
    return checked


def test_blocked_outcomes_are_what_the_ticks_say(readers: Any) -> None:
    """Each figure again, from the packets themselves: the last ask at or before the decision, the
    last bid at or before the later moment, times the lot; what is missing says why."""
    checked = {name: outcomes_checked(readers(name)) for name in SESSIONS}
    assert checked.pop("generated") > 0
    assert not any(checked.values())  # those are shorter than a quarter of an hour: see below


def test_blocked_outcomes_of_a_longer_day_are_what_the_ticks_say(longer: Any) -> None:
    """Twenty-five minutes of the small market: figures of 15 minutes exist and are the packets';
    those of 30 and 60 are missing, since the session ended before."""
    assert outcomes_checked(longer) > 0
    later = "SELECT DISTINCT missing FROM v1.blocked_outcomes() WHERE minutes > 15 ORDER BY 1"
    assert longer.execute(later).fetchall() == [("the session ended before",)]


def test_a_stretch_of_one_underlying_is_not_cut_by_another(readers: Any) -> None:
    """Asked of all, each underlying's rows are those that it has when asked of alone: its name in
    the macro is the column, not the parameter."""
    reader = readers("two_underlyings")
    told = "SELECT seq, minutes, missing FROM v1.blocked_outcomes({}) WHERE underlying = '{}'"
    names = [
        row[0] for row in reader.execute("SELECT DISTINCT underlying FROM v1.decisions").fetchall()
    ]
    asked = 0
    for name in names:
        alone = reader.execute(told.format(f"underlying := '{name}'", name)).fetchall()
        assert reader.execute(told.format("", name)).fetchall() == alone
        asked += len(alone)
    assert asked
    assert len(names) == 2


def test_differences_are_told_with_their_comparison() -> None:
    """A comparison that differed, with each difference; one that agreed has no row."""
    with duckdb.connect() as connection:
        for statement in schema_statements():
            connection.execute(statement)
        insert(connection, "meta", "s", "u", 1)
        for seq, status, differences in ((7, "DIFFERS", 1), (9, "EQUAL", 0)):
            insert(connection, "reconciliations", seq, seq * 10**9, seq - 1, "PERIODIC", status,
                   3, 2, 0, differences)  # fmt: skip
        insert(connection, "differences", 6, 7 * 10**9, 6, "NFO:A:MIS", "POSITION_DIFFERS", 65, 0)
        rows = connection.execute(
            "SELECT seq, books_status, subject, ours, theirs FROM v1.differences_found("
            "'1970-01-01T00:00:00', '1970-01-02T00:00:00')"
        ).fetchall()
    assert rows == [(7, "DIFFERS", "NFO:A:MIS", 65, 0)]


def insert(connection: duckdb.DuckDBPyConnection, table: str, *values: Any) -> None:
    """One row of a base table."""
    marks = ", ".join("?" for _ in values)
    connection.execute(f"INSERT INTO base.{table} VALUES ({marks})", list(values))


def test_over_one_sorted_file_the_silences_are_those_of_any_files(published: Path) -> None:
    """The sealed file's own order gives the same silences as sorting, over any window."""
    with unlocked_reader(published) as reader:
        for name, macros in (("by_order", SORTED_TICK_MACROS), ("by_sorting", TICK_MACROS)):
            (macro,) = (one for one in macros if one.name == "instrument_sla")
            made = create_macro(msgspec.structs.replace(macro, name=name))
            reader.execute(made.replace("MACRO v1.", "MACRO memory.v1.", 1))
        for window in ("", "from_ist := '09:15:20', to_ist := '09:16:00'"):
            found, expected = (
                reader.execute(f"SELECT * FROM memory.v1.{name}({window})").fetchall()
                for name in ("by_order", "by_sorting")
            )
            assert found == expected
            assert any(row[-1] for row in found)

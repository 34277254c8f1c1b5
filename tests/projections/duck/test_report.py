"""projections/duck/report.py: the rows of a report are those of the journal, or are absent."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from projections.duck import report
from projections.duck.ask import AskError, why_seq
from projections.duck.query import run_query
from projections.report.inputs import Absent

NO_REPLAY = Absent("left out")


def test_no_input_is_absent(published: Path) -> None:
    """Every query runs on a projection of this release."""
    given = report.read_day(published, "s", NO_REPLAY)
    absent = {name: rows for name, rows in given.rows.items() if isinstance(rows, Absent)}
    assert absent == {}
    assert set(given.rows) == {*report.DAY, *report.DAY_TICKS}
    week = report.read_of_week(published, "s")
    assert not [name for name, rows in week.rows.items() if isinstance(rows, Absent)]


def test_runs_hold_every_decision_once(published: Path) -> None:
    """Their counts are the decisions, and each begins at a decision that ended so."""
    given = report.read_day(published, "s", NO_REPLAY)
    counted = run_query(published, "SELECT count(*) AS n FROM v1.decisions").objects()[0]["n"]
    assert sum(row["count"] for row in given.all("runs")) == counted
    for row in given.all("runs")[:5]:
        answer = why_seq(published, row["seq"])
        assert (answer.stage, answer.reason) == (row["stage"], row["reason"])


def test_sole_blockers_are_those_of_the_macro(published: Path) -> None:
    """Each gate that stood alone, as often as v1.blockers says, its nearest one first."""
    given = report.read_day(published, "s", NO_REPLAY)
    macro = {
        (row["gate"], row["reason"]): row["sole"] for row in given.all("blockers") if row["sole"]
    }
    ours = {(row["gate"], row["reason"]): row["sole"] for row in given.all("sole")}
    assert ours == {key: count for key, count in macro.items() if key[0] is not None}


def test_trails_are_those_of_why(published: Path) -> None:
    """A trade is told in the words of ``why``."""
    given = report.read_day(published, "s", NO_REPLAY)
    assert not isinstance(given.stories, Absent)
    assert given.stories
    for story in given.stories[:3]:
        assert story == why_seq(published, story.decision.seq)


def test_a_table_that_is_not_there_makes_its_input_absent(tmp_path: Path, published: Path) -> None:
    """A projection that lacks tables: those inputs are absent with the database's line, the others
    are read."""
    other = tmp_path / "old.duckdb"
    connection = duckdb.connect(str(other))
    connection.execute(f"ATTACH '{published}' AS p (READ_ONLY)")
    connection.execute("CREATE SCHEMA base")
    connection.execute("CREATE TABLE base.decisions AS FROM p.base.decisions")
    connection.close()
    given = report.read_day(other, "s", NO_REPLAY)
    assert given.all("funnel") == report.read_day(published, "s", NO_REPLAY).all("funnel")
    lacking = given.get("readiness")
    assert isinstance(lacking, Absent)
    assert "readiness" in lacking.reason
    assert isinstance(given.stories, Absent)


def test_without_ticks_only_their_inputs_are_absent(tmp_path: Path, published: Path) -> None:
    """A published file whose tick files are gone: the silences are absent, the rest is read."""
    copy = tmp_path / "published" / published.name
    copy.parent.mkdir()
    copy.write_bytes(published.read_bytes())
    given = report.read_day(copy, "s", NO_REPLAY)
    absent = {name for name, rows in given.rows.items() if isinstance(rows, Absent)}
    assert absent == set(report.DAY_TICKS)


def test_what_is_no_projection_is_refused(tmp_path: Path) -> None:
    """A file that is not there has no report."""
    with pytest.raises(AskError):
        report.read_day(tmp_path / "none.duckdb", "s", NO_REPLAY)
    with pytest.raises(AskError):
        report.count_decisions(tmp_path / "none.duckdb")


def test_decisions_before_a_seq(published: Path) -> None:
    """All of them, or those before an entry."""
    every = report.count_decisions(published)
    first = run_query(published, "SELECT min(seq) AS s FROM v1.decisions").objects()[0]["s"]
    assert report.count_decisions(published, first) == 0
    assert report.count_decisions(published, first + 1) == 1 < every

"""``axiom query``: rows for people and for programs, and everything that it refuses."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from projections.duck.publish import DIGEST_NAME, WORK_FOLDER, note_digest, published_path
from tests.cli.conftest import Call, contents
from tests.cli.test_main import ROOT

COUNT = "select reason, count(*) n from v1.decisions group by 1 order by n desc, 1"


def test_rows_are_an_array_of_objects(axiom: Call, session: Path) -> None:
    """The first question builds the projection and says so; the second finds it."""
    answer = axiom("query", "latest", COUNT, "--json")
    assert answer.code == 0
    rows = answer.document
    assert sum(row["n"] for row in rows) == 192
    assert all(list(row) == ["reason", "n"] for row in rows)
    assert f"building the projection of {session.name}" in answer.err
    assert axiom("query", COUNT, "--json") == (0, answer.out, "")


STUBBORN = """
import sys
from cli.projection import ended_at_last
import duckdb
with ended_at_last(0.5):
    duckdb.sql(sys.argv[1]).fetchall()
"""


@pytest.mark.parametrize("sql", ["select list(range(100000000))", "select repeat('x', 1000000000)"])
def test_what_hears_no_interruption_ends_the_program(sql: str) -> None:
    """S03: a function over one huge value cannot be stopped from inside; the program ends with one
    line and exit code 2, long before the function would."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", STUBBORN, sql], cwd=ROOT, capture_output=True, text=True,
        timeout=60, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "could not be stopped" in done.stderr


def test_a_refusal_is_one_line_also_where_the_projection_was_built_for_it(
    axiom: Call, session: Path
) -> None:
    """What was built is told with an answer; without one only the refusal is."""
    assert "nope" in axiom("query", "select nope from v1.decisions").refusal
    assert axiom("query", "select 1 one").err == ""  # it stands, nothing to say


@pytest.mark.slow
def test_anew_believes_the_journal_alone(axiom: Call, session: Path, tmp_path: Path) -> None:
    """Tables that were changed together with their digest answer otherwise until a verb is asked to
    build them anew."""
    right = axiom("query", COUNT, "--json").out
    asked = (
        ("query", COUNT, "--json", "--anew"),
        ("why", "latest", "--at", "10:00", "--json", "--anew"),
        ("export", "latest", "--to", tmp_path / "out", "--json", "--anew"),
    )
    for words in asked:
        with duckdb.connect(str(published_path(session))) as connection:
            connection.execute("UPDATE base.decisions SET reason = 'SIGNAL_NONE'")
        note_digest(published_path(session), session / WORK_FOLDER / DIGEST_NAME)
        assert axiom("query", COUNT, "--json").out != right
        answer = axiom(*words)
        assert answer.code == 0
        assert f"building the projection of {session.name}" in answer.err
        assert axiom("query", COUNT, "--json").out == right


def test_people_get_an_aligned_table(axiom: Call, built: Path) -> None:
    """Heading, rule, rows; null is a dash."""
    out = axiom("query", "select 1 a, 'x' b, null c union all select 10, 'yy', null order by 1").out
    assert out.splitlines() == [" a  b   c", "--  --  -", " 1  x   -", "10  yy  -"]


def test_a_copied_folder_answers_in_an_empty_home(axiom: Call, built: Path, tmp_path: Path) -> None:
    """A path is enough; nothing is written into the home."""
    home = tmp_path / "empty"
    answer = axiom("query", built, "select count(*) n from v1.ticks", "--home", home, "--json")
    assert answer.document[0]["n"] > 2_000
    assert not home.exists()


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("select from where", "Parser Error"),
        ("select nope from v1.decisions", "nope"),
        ("select * from v1.nothing", "nothing"),
        ("select 1; select 2", "2 statements"),
        ("insert into v1.decisions values (1)", "INSERT is not allowed"),
        ("drop view v1.decisions", "DROP is not allowed"),
        ("attach 'other.duckdb'", "ATTACH is not allowed"),
        ("copy (select 1) to 'out.csv'", "COPY is not allowed"),
        ("select * from read_csv('/etc/hostname')", "disabled"),
        ("select * from '/etc/hostname'", "does not exist"),
        ("set threads = 9", "SET is not allowed"),
        (" -- \n", "no statement"),
    ],
)
def test_what_is_no_single_select_is_refused(axiom: Call, built: Path, sql: str, said: str) -> None:
    """Bad SQL, two statements, a write, a file: one line, exit 2, every byte as before."""
    before = contents(built)
    assert said in axiom("query", "latest", sql).refusal
    assert contents(built) == before


@pytest.mark.parametrize("words", [[], ["latest"], ["select", "1"], ["select", "1", "a"]])
def test_a_select_without_quotes_is_explained(axiom: Call, home: Path, words: list[str]) -> None:
    """The shell tears it apart; the line shows how it is written."""
    assert axiom("query", *words).refusal


def test_half_a_journal_is_refused(axiom: Call, session: Path) -> None:
    """A cut segment is named where the projection would be built from it."""
    segment = session / "000001.axs"
    segment.write_bytes(segment.read_bytes()[: segment.stat().st_size // 2])
    assert "JOURNAL_CORRUPT" in axiom("query", "select 1 one").damage


def test_a_path_that_the_locale_cannot_write(built: Path, tmp_path: Path) -> None:
    """In an ASCII locale a session whose path is not ASCII answers as anywhere."""
    copy = shutil.copytree(built, tmp_path / "désk" / built.name)
    words = [sys.executable, "-m", "cli.main", "query", str(copy), "select 1 one", "--json"]
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        words, cwd=ROOT, env={**os.environ, **locale}, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout) == [{"one": 1}]

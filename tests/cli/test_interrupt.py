"""Ctrl-C: one line, exit code 2, no child left, and a session that goes on where it was stopped."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

import cli.run
from cli.main import INTERRUPTED
from cli.run import stop_children
from engine.runner import Runner
from events.base import Event
from projections.duck import query
from tests.cli.conftest import Call

AT_FACT = 40
SIGNAL_AFTER_S = 0.05
LONG_SELECT = "select count(*) from range(1000000000000)"


@pytest.fixture(autouse=True)
def keyboard() -> Iterator[None]:
    """SIGINT as a terminal's program has it, also where the tests run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The next run is interrupted at a fact in the middle of its day."""
    fact = Runner.fact

    def interrupted(self: Runner, ts: int, event: Event) -> None:
        fact(self, ts, event)
        if self.facts == AT_FACT:
            press_ctrl_c()

    with monkeypatch.context() as patch:
        patch.setattr(Runner, "fact", interrupted)
        yield


def test_an_interrupted_backtest_is_taken_up_by_the_command_that_its_line_gives(
    axiom: Call, built: Path, tmp_path: Path, stopped: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line names the session and the whole command; given as it stands, the day ends sealed."""
    home = tmp_path / "a home"
    line = axiom("backtest", f"session:{built}", "--home", home).refusal
    assert line.startswith("axiom: interrupted; the session stays open: 'axiom backtest ")
    assert [row["state"] for row in axiom("sessions", "--home", home, "--json").document] == [
        "open"
    ]
    monkeypatch.undo()
    words = line[line.index("'axiom ") + 1 : line.rindex("' goes on")]
    assert axiom(*shlex.split(words)[1:]).code == 0
    assert [row["state"] for row in axiom("sessions", "--home", home, "--json").document] == [
        "sealed"
    ]


def test_a_day_that_had_ended_is_said_to_want_its_seal(
    axiom: Call, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted between the end of the run and the seal, the line gives the command to seal."""

    def close_day(*_: object) -> None:
        press_ctrl_c()

    monkeypatch.setattr("cli.verbs.backtest.close_day", close_day)
    line = axiom("backtest", f"session:{built}", "--home", tmp_path / "home").refusal
    words = line[line.index("'axiom ") + 1 : line.rindex("' seals it")]
    assert axiom(*shlex.split(words)[1:]).code == 0
    (row,) = axiom("sessions", "--home", tmp_path / "home", "--json").document
    assert row["state"] == "sealed"


def test_an_interrupted_query_is_no_internal_error(
    axiom: Call, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB answers an interrupt with an error of its own, which is told as what it is."""
    limit = query._time_limit

    @contextmanager
    def soon(connection: duckdb.DuckDBPyConnection, limit_s: float) -> Iterator[list[bool]]:
        timer = threading.Timer(SIGNAL_AFTER_S, press_ctrl_c)
        timer.start()
        with limit(connection, limit_s) as ran_out:
            yield ran_out
        timer.join()

    monkeypatch.setattr(query, "_time_limit", soon)
    assert axiom("query", LONG_SELECT).refusal == f"axiom: {INTERRUPTED}\n"


def test_children_are_ended_also_those_that_do_not_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    """One ends when it is told, one ignores it, one has ended before: none is left."""
    monkeypatch.setattr(cli.run, "STOP_WAIT_S", 0.2)
    wait = "import signal, sys, time; {}; print(flush=True); time.sleep(600)"
    deaf = wait.format("signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    programs = (wait.format("pass"), deaf, "print(flush=True)")
    children = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
        for program in programs
    ]
    for child in children:
        assert child.stdout is not None
        child.stdout.readline()
    children[2].wait()
    stop_children(children)
    assert [child.returncode for child in children] == [-signal.SIGTERM, -signal.SIGKILL, 0]
    for child in children:
        assert child.stdout is not None
        child.stdout.close()

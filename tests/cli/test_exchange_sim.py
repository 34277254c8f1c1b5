"""``axiom exchange-sim``: one line, a server until it is told to stop, and every wrong input."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.exchange_sim.clients import DEADLINE_S, ask
from tests.cli.conftest import Call

START = "import sys; from cli.main import main; sys.exit(main(sys.argv[1:]))"


@contextmanager
def served(home: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], Any]]:
    """The program as a process of its own, and what its one line says."""
    command = [sys.executable, "-P", "-c", START, "exchange-sim", "--home", str(home), *words]
    path = str(Path(__file__).resolve().parents[2])
    child = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    try:
        assert child.stdout is not None
        yield child, json.loads(child.stdout.readline())
    finally:
        child.kill()
        child.communicate(timeout=DEADLINE_S)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_it_says_its_addresses_serves_and_stops_when_told(
    tmp_path: Path, number: signal.Signals
) -> None:
    """One JSON line with rest and ws; the market's time as asked; exit 0 on either signal."""
    words = ("--market", "synthetic:small", "--at", "09:20", "--speed", "0", "--faults", "seed:3")
    with served(tmp_path, *words) as (child, said):
        assert set(said) == {"rest", "ws"}
        assert said["ws"] == said["rest"].replace("http", "ws")
        clock = ask(said["rest"], "GET", "/sim/clock").json
        assert (clock["now_ist"], clock["speed"]) == ("09:20:00", 0.0)
        assert ask(said["rest"], "GET", "/user/profile").data["user_id"] == "demo"
        child.send_signal(number)
        out, err = child.communicate(timeout=DEADLINE_S)
    assert (child.returncode, out) == (0, "")
    assert err.startswith("2026-11-20 from 09:20:00 IST at speed 0, 167 instruments, ")
    assert err.count("\n") == 1


def test_a_recorded_session_is_a_market_of_the_exchange(home: Path, built: Path) -> None:
    """Its own day, its own instruments, from its home."""
    with served(home, "--market", f"session:{built}", "--speed", "0") as (_, said):
        clock = ask(said["rest"], "GET", "/sim/clock").json
        dump = ask(said["rest"], "GET", "/instruments").body.decode().splitlines()
    assert clock["day"] == 20261120 and clock["now_ns"] == clock["open_ns"]
    assert len(dump) > 3


def test_a_taken_port_is_one_line(axiom: Call, tmp_path: Path) -> None:
    """The second exchange on a port says which, and what to do."""
    with served(tmp_path, "--market", "synthetic:small") as (_, said):
        port = said["rest"].rpartition(":")[2]
        line = axiom("exchange-sim", "--market", "synthetic:small", "--port", port).refusal
    assert line.startswith(f"axiom: port {port} cannot be had (")
    assert "choose another with --port, or 0" in line


WRONG = [
    (("--faults", "nowhere.toml"), "the faults nowhere.toml cannot be read: No such file"),
    (("--faults", "seed:x"), "--faults seed:x: write seed: and a whole number"),
    (("--faults", "seed:-1"), "--faults seed:-1: write seed: and a whole number"),
    (("--at", "9am"), "--at: '9am' is not a time of day"),
    (("--at", "08:00"), "--at 08:00 is not in the market's day: give 09:00 to 15:40"),
    (("--market", "nope"), "'nope' is not a market"),
    (("--market", "session:x", "--seed", "3"), "'session:x' has no seed"),
    (("--day", "2026-11-22"), "20261122 is not a trading day"),
    (("--speed", "-1"), "Invalid value for '--speed'"),
    (("--port", "70000"), "Invalid value for '--port'"),
]


@pytest.mark.parametrize(("words", "message"), WRONG, ids=lambda value: str(value)[:30])
def test_wrong_input_is_one_line_and_nothing_is_served(
    axiom: Call, words: tuple[str, ...], message: str
) -> None:
    """Exit 2, one line that names what was wrong."""
    assert axiom("exchange-sim", *words).refusal.startswith(f"axiom: {message}")


def test_a_bad_script_is_one_line_with_its_file_and_fault(axiom: Call, tmp_path: Path) -> None:
    """The file, the number of the fault, what is wrong, what there is instead."""
    script = tmp_path / "faults.toml"
    script.write_text("[[fault]]\nkind = 'socket_drop'\n[[fault]]\nkind = 'sockets_dea'\n")
    line = axiom("exchange-sim", "--faults", script).refusal
    assert line == (
        f"axiom: {script}: fault 2: there is no fault 'sockets_dea': did you mean sockets_dead"
        " or socket_drop?\n"
    )

"""``axiom run``: a session on the simulated exchange, over its sockets, that replays the same."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from cli.errors import UserError
from cli.verbs.run import seconds_of
from journal.lock import take_desk_lock
from tests.cli.conftest import Call
from tests.cli.live_runs import SMALL, started, until

RUN = ("run", "--mode", "sim", "--headless", *SMALL)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home."""
    monkeypatch.setenv("AXIOM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def replayed(axiom: Call, session: str) -> Any:
    """What ``replay`` says of it; its chain is intact and it is sealed."""
    assert axiom("verify", session, "--json").document["ok"]
    return axiom("replay", session, "--json").document


def test_a_simulated_session_runs_and_replays_identical(axiom: Call, home: Path) -> None:
    """Two seconds at 60: frames come over the socket, a cycle each market second, the time that was
    given ends it, its projection is there, and a replay derives the same bytes."""
    answer = axiom(*RUN, "--for", "2s", "--json")
    assert answer.code == 0, answer
    document = answer.document
    keys = ("session", "mode", "facts", "derivations", "ticks", "decisions", "trades")
    assert set(keys) <= document.keys()
    assert (document["mode"], document["reason"]) == ("SIM", "OPERATOR")
    assert document["ticks"] > 100
    assert 60 <= document["decisions"] <= 125
    assert document["frames_dropped"] == 0
    assert 0 < document["latency_ms"]["p50"] <= document["latency_ms"]["p99"]
    verdict = replayed(axiom, document["session"])
    assert (verdict["identical"], verdict["facts"]) == (True, document["facts"])
    (row,) = axiom("sessions", "--json").document
    assert (row["session"], row["mode"], row["state"]) == (document["session"], "SIM", "sealed")
    folder = home / "desks/main/sessions" / document["session"]
    assert (folder / "published/session.duckdb").exists()


@pytest.mark.slow
def test_another_day_at_the_walls_own_speed_is_no_clock_that_is_off(
    axiom: Call, home: Path
) -> None:
    """The market's day is not today. No cycle is blocked by the clock, at the one speed at which
    the wall clock is compared; the canary is a gate that does block in a session's first seconds.
    """
    answer = axiom("run", "--mode", "sim", "--headless", "--market", "synthetic:small",
                   "--for", "3s", "--json")  # fmt: skip
    assert answer.code == 0, answer
    asked = "select count(*) n from v1.gates where verdict <> 'PASS' and gate = '{}'"
    blocked = [
        axiom("query", "latest", asked.format(gate), "--json").document[0]["n"]
        for gate in ("clock", "bars")
    ]
    assert blocked[0] == 0 < blocked[1]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--mode", "paper"), "axiom login"),
        (("--mode", "paper", "--speed", "2"), "--speed is of --mode sim"),
        (("--mode", "sim", "--rest", "http://127.0.0.1:1"), "--rest is of --mode paper"),
        (("--mode", "sim", "--confirm", "LIVE"), "--confirm is of --mode live"),
        (("--mode", "sim", "--confirm-waiver", "WAIVER"), "--confirm-waiver is of --mode live"),
        (("--mode", "paper", "--faults", "seed:1"), "--faults is of --mode sim"),
        (("--mode", "sim", "--faults", "no-such-file"), "cannot be read"),
        (("--mode", "sim", "--for", "soon"), "is not a length of time"),
        (("--mode", "sim", "--at", "16:00"), "lies outside the market's day"),
        (("--mode", "sim", "--at", "noon"), "is not a time"),
        (("--mode", "sim", "--market", "nowhere"), "is not a market"),
        (("--mode", "sim", "--speed", "0"), "'--speed'"),
        (("--mode", "moon"), "'--mode'"),
        ((), "--mode"),
    ],
)
def test_what_cannot_be_run_is_refused(
    axiom: Call, home: Path, words: tuple[str, ...], says: str
) -> None:
    """One line and exit code 2, before anything is begun."""
    assert says in axiom("run", *words, "--headless").refusal
    assert not (home / "desks/main/sessions").exists()


def test_one_engine_runs_on_a_desk(axiom: Call, home: Path) -> None:
    """A second one is refused by name of the first; another desk is free."""
    with take_desk_lock(home, "main"):
        assert "an engine of desk 'main' runs already" in axiom(*RUN, "--for", "1s").refusal


def test_lengths_of_time() -> None:
    """Seconds, minutes, hours; nothing else."""
    assert [seconds_of(text) for text in ("90s", "10m", "2h", "45")] == [90, 600, 7_200, 45]
    for text in ("", "s", "-1s", "1d", "1.5m", "0s", "١s"):
        with pytest.raises(UserError, match="is not a length of time"):
            seconds_of(text)


@pytest.mark.slow
@pytest.mark.parametrize("entries", [9, 400, 1_500])
def test_a_killed_engine_goes_on_where_it_stood(axiom: Call, home: Path, entries: int) -> None:
    """E02: kill -9 at three places; the next start takes the session up, and the whole replays
    identical. The children of the killed one end by themselves: the next finds the desk free."""
    with started(home, *RUN) as engine:
        engine.wait_for(entries)
        engine.kill()
    with started(home, *RUN, "--for", "2s") as again:
        code, document = again.answer()
    assert (code, document["resumed"]) == (0, True)
    assert again.folder == engine.folder
    assert replayed(axiom, document["session"])["identical"]
    assert len(axiom("sessions", "--json").document) == 1


@pytest.mark.slow
def test_an_engine_that_is_killed_with_a_position_finds_it_at_its_exchange(
    axiom: Call, home: Path
) -> None:
    """E02: the exchange outlives the engine, as a broker does. The next start takes the session up,
    asks for the books before anything else, finds no difference, and replays identical; when it
    ends in order, so does the exchange."""
    run = ("run", "--mode", "sim", "--headless", "--market", "synthetic:small", "--speed", "90")
    with started(home, *run) as engine:
        holding = until(axiom, lambda said: said["positions"])
        engine.kill()
    note = home / "desks/main/simulated-exchange.json"
    left = json.loads(note.read_text())
    with started(home, *run, "--for", "3s") as again:
        assert json.loads(note.read_text()) == left
        code, document = again.answer()
    assert (code, document["resumed"], again.folder) == (0, True, engine.folder)
    entries = axiom("journal", "cat", document["session"], "--json").document
    kinds = [entry["kind"] for entry in entries]
    after = kinds[kinds.index("SessionResumed") :]
    assert holding["seq"] <= kinds.index("SessionResumed")
    assert "DifferenceFound" not in after
    assert "Reconciled" in after
    assert replayed(axiom, document["session"])["identical"]
    assert not note.exists()
    assert axiom("status").code == 2


@pytest.mark.slow
def test_another_configuration_does_not_go_on_with_a_session(
    axiom: Call, home: Path, tmp_path: Path
) -> None:
    """What was killed under other settings is closed as crashed, and a new session begins."""
    with started(home, *RUN) as engine:
        engine.wait_for(50)
        engine.kill()
    config = tmp_path / "other.toml"
    config.write_text("[warmup]\nbars_min = 5\n")
    with started(home, *RUN, "--for", "1s", "--config", str(config)) as again:
        code, document = again.answer()
    assert (code, document["resumed"]) == (0, False)
    states = {row["session"]: row["state"] for row in axiom("sessions", "--json").document}
    assert states == {engine.folder.name: "sealed", again.folder.name: "sealed"}
    for name in states:
        assert replayed(axiom, name)["identical"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_session_in_order(axiom: Call, home: Path, number: int) -> None:
    """Also when it comes twice: the journal is closed, exit code 0, replay identical."""
    with started(home, *RUN) as engine:
        engine.wait_for(100)
        engine.told(number)
        engine.told(number)
        code, document = engine.answer()
    assert (code, document["reason"]) == (0, "OPERATOR")
    assert replayed(axiom, document["session"])["identical"]

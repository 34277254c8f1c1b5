"""``axiom backtest``: what is refused, going on with a day whose engine died, and what the other
verbs say of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from engine import runner
from engine.core import Core, CoreFault, Derived
from engine.decide import DECIDE
from engine.resume import EngineFault
from engine.work import Outcome
from events.base import Event
from journal.checkpoints import CheckpointFile
from journal.ledger import read_ledger
from journal.reader import read_entries
from journal.verify import verify_session
from tests.cli.conftest import Answer, Call
from tests.engine.cut import cut_again, read
from tests.journal.journals import snapshot

AT = 61


@pytest.fixture
def crashed(axiom: Call, home: Path, built: Path) -> Path:
    """A backtest of the recorded session, dead after an entry inside a group."""
    answer = axiom("backtest", f"session:{built.name}", "--home", home, "--json")
    folder = Path(answer.document["folder"])
    (folder.parent.parent / "ledger.axl").unlink()
    inside = [e.seq for e in read_entries(folder) if not e.group_end and e.seq > AT]
    cut_again(folder, inside[0], torn_bytes=20)
    return folder


def resume(axiom: Call, home: Path, built: Path, session: str, *words: str) -> Answer:
    return axiom("backtest", f"session:{built.name}", "--resume", session, "--home", home, *words)


def test_every_verb_says_what_is_known_of_a_crashed_session(
    axiom: Call, home: Path, crashed: Path
) -> None:
    """It is listed as crashed, verifies, replays identical with its cut group named, and answers
    why and query from what was acknowledged."""
    rows = axiom("sessions", "--home", home, "--json").document
    states = {row["session"]: row["state"] for row in rows}
    assert states[crashed.name] == "open"  # its writer left no lock behind, as after a reboot
    (crashed / "writer.lock").write_text("4242\n")
    listed = axiom("sessions", "--home", home)
    assert "crashed" in listed.out
    assert f"--resume {crashed.name}" in listed.err
    assert axiom("verify", crashed.name, "--home", home, "--json").document["ok"] is True
    replayed = axiom("replay", crashed.name, "--home", home, "--json").document
    assert replayed["outcome"] == "identical"
    sql = "select count(*) n from v1.decisions"
    assert axiom("query", crashed.name, sql, "--home", home, "--json").code == 0
    assert axiom("why", crashed.name, "--home", home, "--json").code == 0
    state = axiom("at", crashed.name, "16:00", "--home", home, "--json").document
    assert state["seq"] == acknowledged_of(crashed)


def acknowledged_of(folder: Path) -> int:
    """The last entry that a session acknowledged."""
    return max(entry.seq for entry in read_entries(folder))


def test_a_disk_without_room_for_checkpoints_costs_only_them(
    axiom: Call, home: Path, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The day runs to its end, and how many states were not kept is said, and why."""

    def no_room(*_: object) -> CheckpointFile:
        raise OSError("no room")

    words = ("backtest", f"session:{built.name}", "--home", home, "--json")
    with_them = axiom(*words)
    assert "checkpoints" not in with_them.err
    monkeypatch.setattr(CheckpointFile, "open", no_room)
    answer = axiom(*words)
    assert answer.code == 0
    assert "checkpoints were not kept (no room)" in answer.err
    assert answer.document["digest"] == with_them.document["digest"]


def test_a_crashed_day_goes_on_to_its_end(
    axiom: Call, home: Path, built: Path, crashed: Path
) -> None:
    """The session is the same one, closed, sealed and in the ledger; its replay is identical, and
    its resumption is in its journal and in its tables."""
    answer = resume(axiom, home, built, crashed.name, "--json").document
    assert (answer["session"], answer["resumed"]) == (crashed.name, crashed.name)
    rows = axiom("sessions", "--home", home, "--json").document
    row = next(row for row in rows if row["session"] == crashed.name)
    assert (row["state"], row["head_hash"]) == ("sealed", answer["head_hash"])
    assert verify_session(crashed, ledger=crashed.parent.parent / "ledger.axl").ok
    replayed = axiom("replay", crashed.name, "--home", home, "--json").document
    assert (replayed["outcome"], replayed["digest"]) == ("identical", answer["digest"])
    for table, kind in (("v1.session_resumed", "SessionResumed"), ("v1.tail_cuts", "TailCut")):
        sql = f"select seq from {table}"
        found = axiom("query", crashed.name, sql, "--home", home, "--json").document
        assert [r["seq"] for r in found] == [
            one.envelope.seq for one in read(crashed) if one.envelope.kind == kind
        ]
        assert len(found) == 1
    again = resume(axiom, home, built, crashed.name)
    assert "ran to its end" in again.refusal


def test_a_rule_that_fails_stops_the_day_and_the_day_goes_on_when_it_is_mended(
    axiom: Call, home: Path, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E06, E07: one line with ENGINE_FAULT and the entry; of the failing group the journal has the
    fact alone. The same code stops there again, with what to do; mended, the day goes on with what
    the fact leads to."""
    rule, calls = DECIDE["TimerTick"], []

    def failing(*given: Any) -> Outcome:
        calls.append(1)
        if len(calls) == 20:
            raise ZeroDivisionError("no spread")
        return rule(*given)

    words = ("backtest", f"session:{built.name}", "--home", home)
    with monkeypatch.context() as patch:
        patch.setitem(DECIDE, "TimerTick", failing)
        refusal = axiom(*words).refusal
    assert "ENGINE_FAULT" in refusal and "TimerTick" in refusal and "no spread" in refusal
    left = next(p for p in (home / "desks/main/sessions").iterdir() if p.name != built.name)
    kinds = [one.envelope.kind for one in read(left)]
    assert kinds.count("TimerTick") == 20 and kinds[-1] == "TimerTick"
    with monkeypatch.context() as patch:
        patch.setitem(DECIDE, "TimerTick", failing)
        calls[:] = [1] * 19
        poisoned = resume(axiom, home, built, left.name).refusal
    assert "fails there each time" in poisoned and "axiom journal seal --close" in poisoned
    assert [one.envelope.kind for one in read(left)] == kinds, "nothing is skipped, nothing added"
    answer = resume(axiom, home, built, left.name, "--json").document
    assert answer["session"] == left.name
    assert axiom("replay", left.name, "--home", home, "--json").document["identical"] is True
    whole = axiom(*words, "--json").document
    for key in ("ticks", "decisions", "derivations", "trades", "pnl_paise"):
        assert answer[key] == whole[key]


def test_a_rule_without_memory_says_what_to_do(
    axiom: Call, home: Path, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E11: MemoryError in a rule, and one that comes from anywhere else: one line, exit code 2, and
    that the process needs more."""

    def without(*_: Any) -> Outcome:
        raise MemoryError

    words = ("backtest", f"session:{built.name}", "--home", home)
    with monkeypatch.context() as patch:
        patch.setitem(DECIDE, "TimerTick", without)
        refusal = axiom(*words).refusal
    assert "ENGINE_FAULT" in refusal and "ulimit -v" in refusal
    monkeypatch.setattr(runner, "own_code_digest", without)
    assert "ulimit -v" in axiom(*words).refusal


def test_after_a_change_of_code_a_successor_goes_on(
    axiom: Call, home: Path, built: Path, crashed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The crashed session is closed and in the ledger, its successor's name is the answer; asked
    again, the line names the successor."""
    monkeypatch.setattr(runner, "own_code_digest", lambda: "ab" * 32)
    answer = resume(axiom, home, built, crashed.name, "--json").document
    assert answer["resumed"] == crashed.name != answer["session"]
    kinds = [one.envelope.kind for one in read(crashed)]
    assert kinds[-2:] == ["TailCut", "SessionClosed"]
    assert kinds.count("SessionResumed") == 0
    rows = axiom("sessions", "--home", home, "--json").document
    states = {row["session"]: row["state"] for row in rows}
    assert states[crashed.name] == states[answer["session"]] == "sealed"
    assert answer["session"] in resume(axiom, home, built, crashed.name).refusal


def test_a_death_between_the_closing_and_the_successor_loses_neither(
    axiom: Call, home: Path, built: Path, crashed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session that was closed as crashed and has no successor gets it when it is asked for."""
    monkeypatch.setattr(runner, "own_code_digest", lambda: "ab" * 32)

    def dies(*_: object, **__: object) -> runner.RunReport:
        raise EngineFault("killed here")

    with monkeypatch.context() as patch:
        patch.setattr(runner, "run_market", dies)
        assert "killed here" in resume(axiom, home, built, crashed.name).refusal
    assert read(crashed)[-1].envelope.kind == "SessionClosed"
    answer = resume(axiom, home, built, crashed.name, "--json").document
    assert answer["session"] != crashed.name
    assert verify_session(crashed).ok


def test_a_crashed_day_that_a_person_closed_has_a_successor(
    axiom: Call, home: Path, built: Path, crashed: Path
) -> None:
    """Nothing can follow a final block, so the day goes on in a session of its own."""
    assert axiom("journal", "seal", crashed.name, "--close", "--home", home).code == 0
    answer = resume(axiom, home, built, crashed.name, "--json").document
    assert answer["resumed"] == crashed.name != answer["session"]
    assert axiom("replay", answer["session"], "--home", home, "--json").document["identical"]
    assert answer["session"] in resume(axiom, home, built, crashed.name).refusal


def test_a_day_that_died_after_its_end_is_sealed_when_it_is_asked_for(
    axiom: Call, home: Path, built: Path, crashed: Path
) -> None:
    """Its final block was written and no more: it is sealed, in the ledger, and the line says how
    to ask it."""
    assert resume(axiom, home, built, crashed.name).code == 0
    ledger = crashed.parent.parent / "ledger.axl"
    ledger.unlink()
    assert "axiom why" in resume(axiom, home, built, crashed.name).refusal
    assert crashed.name in [record.session for record in read_ledger(ledger)]
    assert verify_session(crashed, ledger=ledger).ok


@pytest.mark.parametrize("ended", [False, True])
def test_a_day_that_died_before_its_account_is_run_anew(
    axiom: Call, home: Path, built: Path, crashed: Path, *, ended: bool
) -> None:
    """Nothing has happened in it: the line says what to do, and no successor begins from nothing,
    also when a person has ended it."""
    cut_again(crashed, 1)
    if ended:
        assert axiom("journal", "seal", crashed.name, "--close", "--home", home).code == 0
    refusal = resume(axiom, home, built, crashed.name).refusal
    assert "run the market anew" in refusal and "seal --close" in refusal
    assert len(list(crashed.parent.iterdir())) == 2


def test_what_cannot_be_resumed_is_refused_in_one_line(
    axiom: Call, home: Path, built: Path, crashed: Path, tmp_path: Path
) -> None:
    """Options that the session settles, another market, no session, one elsewhere: exit 2, and
    nothing has changed, the torn tail neither."""
    before = snapshot(crashed)
    config = tmp_path / "c.toml"
    config.write_text("")
    for words, said in (
        (("--seed", "7"), "leave --seed out"),
        (("--from", "2026-11-20", "--config", str(config)), "leave --from and --config out"),
        (("--cadence-ms", "500"), "leave --cadence-ms out"),
    ):
        assert said in resume(axiom, home, built, crashed.name, *words).refusal
    other = axiom("backtest", "synthetic", "--resume", crashed.name, "--home", home)
    assert "another market" in other.refusal
    assert (
        "has no session" in resume(axiom, home, built, "2026-11-20-backtest-ffffffffffff").refusal
    )
    assert "is no session of desk" in resume(axiom, tmp_path, built, str(crashed)).refusal
    after = snapshot(crashed)
    assert after == before


@pytest.mark.parametrize("verb", [("backtest", "synthetic"), ("demo", "--headless")])
@pytest.mark.parametrize("seed", [-1, 1 << 63, 1 << 64])
def test_a_seed_beyond_64_bits_is_refused(
    axiom: Call, tmp_path: Path, verb: tuple[str, str], seed: int
) -> None:
    """It could not be journaled: one line with the range, and no home is made."""
    line = axiom(*verb, "--seed", str(seed), "--home", tmp_path / "none").refusal
    assert "9223372036854775807" in line
    assert not (tmp_path / "none").exists()


def test_a_flag_that_would_be_ignored_is_refused(axiom: Call, built: Path) -> None:
    """A recorded day has no seed, and an empty profile is none."""
    for market in (f"session:{built.name}", "chain:day.parquet"):
        assert "leave --seed out" in axiom("backtest", market, "--seed", "3").refusal
    assert "names no profile" in axiom("backtest", "synthetic:").refusal


def test_a_fault_of_the_engine_is_a_coded_line(
    axiom: Call, built: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ENGINE_FAULT with its entry and what to do; the session stays, as an open one."""
    step = Core.step

    def fails(self: Core, seq: int, ts: int, event: Event) -> list[Derived]:
        if seq > AT:
            raise CoreFault(f"ENGINE_FAULT: the engine failed on entry {seq} (FeedFrame): planted")
        return step(self, seq, ts, event)

    monkeypatch.setattr(Core, "step", fails)
    line = axiom("backtest", f"session:{built.name}").refusal
    assert "ENGINE_FAULT" in line
    assert "axiom config show" in line


def test_a_home_that_cannot_be_written_is_refused_before_anything_is_said(
    axiom: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The demo's first line comes when its session can be begun."""
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    assert "--home" in axiom("demo", "--headless", "--home", tmp_path / "home").refusal
    (tmp_path / "file").write_text("no folder")
    monkeypatch.undo()
    assert axiom("demo", "--headless", "--home", tmp_path / "file").refusal

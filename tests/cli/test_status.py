"""``axiom status``: what a running engine says of itself, and plainly when none runs."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from adapters.control.protocol import OpenApproval, OpenIncident, Status, StatusAnswer
from tests.cli.conftest import Call
from tests.cli.live_runs import SMALL, started, until

KEYS = ("readiness", "mode", "session", "latency_ms")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home."""
    monkeypatch.setenv("AXIOM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_no_engine_is_said_plainly(axiom: Call, home: Path) -> None:
    """Exit code 2 and what to do; also in JSON nothing but that."""
    assert "no engine of desk 'main' runs" in axiom("status").refusal
    assert "no engine of desk 'other' runs" in axiom("status", "--desk", "other", "--json").refusal


def test_a_running_engine_says_how_it_is(axiom: Call, home: Path) -> None:
    """The keys of the contract; counts that grow; the latency that the engine measured; a halt by
    a signal shows; when it is told to end it ends, and nobody answers any more."""
    with started(home, "run", "--mode", "sim", "--headless", *SMALL) as engine:
        first = until(axiom, lambda said: said["latency_ms"] is not None)
        assert set(KEYS) <= first.keys()
        assert (first["session"], first["mode"]) == (engine.folder.name, "SIM")
        assert first["pid"] == engine.child.pid
        assert first["feed_connected"]
        assert first["halts"] is None
        later = until(axiom, lambda said: said["cycles"] > first["cycles"])
        assert later["seq"] > first["seq"]
        assert later["ticks"] > first["ticks"]
        assert "latency_ms" in axiom("status").out
        engine.told(signal.SIGUSR1)
        assert until(axiom, lambda said: said["halts"])["halts"] == "GOV_HALTED"
        engine.told(signal.SIGTERM)
        assert engine.answer()[0] == 0
    assert "no engine" in axiom("status").refusal


def test_an_engine_that_fell_silent_is_bad(
    axiom: Call, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A status of long ago is shown as what it is, with exit code 1; one that said nothing yet is
    no answer."""
    status = Status(
        "2026-11-20-sim-0123456789ab", "SIM", "READY", ("A", "B"), 7, 10**18, (), (), ()
    )
    answers = [StatusAnswer(status, 60_000), StatusAnswer(status, 10), StatusAnswer(None, None)]
    monkeypatch.setattr("adapters.control.client.ask_status", lambda *_: answers.pop(0))
    stale = axiom("status")
    assert stale.code == 1
    assert stale.out.startswith("STALE       nothing said for 60 s\n")
    good = axiom("status")
    assert good.code == 0
    assert "A, B" in good.out
    assert "ask again" in axiom("status").refusal


def test_what_waits_for_a_person_is_listed(
    axiom: Call, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An open approval with everything that is approved, an open incident with its id: on the
    screen in rupees and IST, in the JSON in paise and ns; a quiet engine shows no such table."""
    asked = OpenApproval(
        "a1b2c3d4e5f6", "TREND", "BUY", "NIFTY26NOV25000CE", 75, 9_950, 10_150, 8_000, 13_000,
        150_000, 42, "NIFTY26NOV25200CE", 4_500,
    )  # fmt: skip
    told = OpenIncident("I3", 1, "POSITION_BLIND", "p1", 1_795_600_000 * 10**9, False)
    busy = Status("s", "LIVE", "DEGRADED", (), 7, 10**18, (), (asked,), (told,))
    quiet = Status("s", "LIVE", "READY", (), 7, 10**18, (), (), ())
    answers = [StatusAnswer(one, 10) for one in (busy, busy, quiet)]
    monkeypatch.setattr("adapters.control.client.ask_status", lambda *_: answers.pop(0))
    shown = axiom("status").out
    for word in ("a1b2c3d4e5f6", "NIFTY26NOV25000CE", "99.50", "101.50", "80.00", "130.00",
                 "1,500.00", "42", "a1b2c3d4e5f6 sells NIFTY26NOV25200CE against it, for ₹45.00",
                 "axiom approve ID", "I3", "POSITION_BLIND", "axiom ack ID",
                 " IST "):  # fmt: skip
        assert word in shown, word
    document = axiom("status", "--json").document
    assert document["approvals"] == [
        {
            "request_id": "a1b2c3d4e5f6", "strategy": "TREND", "side": "BUY",
            "contract": "NIFTY26NOV25000CE", "units": 75, "low_paise": 9_950, "high_paise": 10_150,
            "stop_paise": 8_000, "target_paise": 13_000, "risk_paise": 150_000, "expires_s": 42,
            "sold_contract": "NIFTY26NOV25200CE", "sold_low_paise": 4_500,
        }
    ]  # fmt: skip
    assert document["incidents"] == [
        {
            "incident_id": "I3", "severity": 1, "code": "POSITION_BLIND", "subject": "p1",
            "since_ts": 1_795_600_000 * 10**9, "acknowledged": False,
        }
    ]  # fmt: skip
    assert "axiom ack" not in axiom("status").out

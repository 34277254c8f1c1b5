"""``axiom record``: the feed as a journal, which replays identical and is a market of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.exchange_sim.running import RunningExchange, running_exchange
from adapters.exchange_sim.server import Settings
from adapters.markets.synthetic import SyntheticMarket
from cli.load import load_rulebook
from cli.options import Common
from engine.rulebook import ist_ns
from tests.cli.conftest import Call

LENGTH_S, SPEED = 2, 60


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, with a configuration that watches what the small market has."""
    monkeypatch.setenv("AXIOM_HOME", str(tmp_path / "home"))
    (tmp_path / "nifty.toml").write_text('[live]\nunderlyings = "NIFTY"\n')
    return tmp_path / "home"


@pytest.fixture(scope="module")
def exchange() -> Iterator[RunningExchange]:
    """A small market at speed 60, from 10:00 on."""
    market = SyntheticMarket(3, "small")
    at_ns = ist_ns(market.day, "10:00")
    with running_exchange(market, SPEED, settings=Settings(at_ns=at_ns)) as running:
        yield running


def recorded(axiom: Call, home: Path, exchange: RunningExchange, *more: str) -> Any:
    config = home.parent / "nifty.toml"
    roots = ("--rest", exchange.rest, "--ws", exchange.ws)
    return axiom("record", "--for", f"{LENGTH_S}s", "--config", config, *roots, *more)


@pytest.mark.slow
def test_a_recording_replays_and_is_a_market(
    axiom: Call, home: Path, exchange: RunningExchange
) -> None:
    """Two seconds at 60: frames and nothing decided; its replay is identical; a backtest on it has
    a decision for each market second that was recorded, and replays identical too."""
    answer = recorded(axiom, home, exchange, "--json")
    assert answer.code == 0, answer
    document = answer.document
    assert (document["mode"], document["decisions"], document["trades"]) == ("RECORD", 0, 0)
    assert document["ticks"] > 100
    assert axiom("replay", document["session"], "--json").document["identical"]
    tested = axiom("backtest", f"session:{document['session']}", "--json").document
    assert tested["ticks"] == document["ticks"]
    assert LENGTH_S * SPEED - 2 <= tested["decisions"] <= (LENGTH_S + 10) * SPEED
    assert axiom("replay", tested["session"], "--json").document["identical"]
    assert not (home / "instruments").exists()  # a simulated list is not kept among the broker's


def test_what_cannot_be_recorded_is_refused(
    axiom: Call, home: Path, exchange: RunningExchange
) -> None:
    """No login, an address alone, nothing there, an underlying that the exchange has not."""
    assert "axiom login" in axiom("record", "--for", "1s").refusal
    assert "give both --rest and --ws" in axiom("record", "--rest", exchange.rest).refusal
    nothing = ("--rest", "http://127.0.0.1:1", "--ws", "ws://127.0.0.1:1")
    assert "nothing answers at" in axiom("record", *nothing).refusal
    roots = ("--rest", exchange.rest, "--ws", exchange.ws)
    assert "no level of BANKNIFTY" in axiom("record", *roots).refusal
    assert (
        "only this machine"
        in axiom("record", "--rest", "http://example.com", "--ws", "ws://x").refusal
    )
    assert not (home / "desks/main/sessions").exists()


def test_the_market_s_hours_are_the_rulebook_s(home: Path, exchange: RunningExchange) -> None:
    """A day without a session, and one that is over, are refused with a word on what to do."""
    from cli.errors import UserError
    from cli.machine import MachineSettings
    from cli.universe import Today, watch_market

    rulebook = load_rulebook(Common(home, "main", None, False))
    for day, hhmm, says in (
        (20261121, "11:00", "not a trading day"),
        (20261120, "15:40", "closed"),
    ):
        today = Today(day, ist_ns(day, hhmm), simulated=True)
        with pytest.raises(UserError, match=says):
            watch_market(None, home, rulebook, today, MachineSettings())  # type: ignore[arg-type]

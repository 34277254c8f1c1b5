"""``run --mode paper`` and ``--mode live``: what can only read, and what is refused."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters.exchange_sim.running import RunningExchange, running_exchange
from adapters.exchange_sim.server import Settings
from adapters.kite.rate import Budgets
from adapters.kite.rate_file import OrderBudget
from adapters.markets.synthetic import SyntheticMarket
from cli.account import account_lock
from cli.doctor.clock import Measured
from cli.errors import UserError
from cli.feed import jitter_seed
from cli.on_live import confirmed
from engine.rulebook import ist_ns
from tests.cli.conftest import Call

ROOT = Path(__file__).resolve().parents[2]
SENDERS = ("KiteOrders", "OrderWorker", "OrderPort", "Desk")
PAPER_MODULES = ("cli/on_kite.py", "cli/world.py", "cli/feed.py", "cli/universe.py")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, with a configuration that watches what the small market has."""
    monkeypatch.setenv("AXIOM_HOME", str(tmp_path / "home"))
    (tmp_path / "nifty.toml").write_text('[live]\nunderlyings = "NIFTY"\n')
    return tmp_path / "home"


@pytest.fixture(scope="module")
def exchange() -> Iterator[RunningExchange]:
    """The exchange of most tests."""
    with served() as running:
        yield running


@pytest.fixture
def own_exchange() -> Iterator[RunningExchange]:
    """One that nobody else has asked for its instruments: it gives them so often and no more."""
    with served() as running:
        yield running


@contextmanager
def served() -> Iterator[RunningExchange]:
    """A small market in real time, from 10:00 on."""
    market = SyntheticMarket(3, "small")
    settings = Settings(at_ns=ist_ns(market.day, "10:00"))
    with running_exchange(market, 1, settings=settings) as running:
        yield running


@pytest.mark.slow
def test_paper_follows_the_broker_s_market_and_carries_on(
    axiom: Call, home: Path, exchange: RunningExchange
) -> None:
    """Two sessions of two seconds: decisions each second, the second begins from the first, both
    replay identical; nothing was asked of the broker that could change anything. The second is told
    what the contracts of the first were, and none of them has changed."""
    roots = ("--rest", exchange.rest, "--ws", exchange.ws, "--config", home.parent / "nifty.toml")
    run = ("run", "--mode", "paper", "--headless", "--for", "2s", "--json", *roots)
    first, second = axiom(*run).document, axiom(*run).document
    assert (first["mode"], second["mode"]) == ("PAPER", "PAPER")
    assert 1 <= first["decisions"] <= 6
    for one in (first, second):
        assert axiom("replay", one["session"], "--json").document["identical"]
    opened = axiom("journal", "cat", second["session"], "--kind", "CarriedOver", "--json").document
    assert opened[0]["payload"]["previous_head_hash"] == first["head_hash"]
    told = axiom("journal", "cat", second["session"], "--kind", "ArtifactLoaded", "--json").document
    assert [one["payload"]["kind"] for one in told] == ["RULEBOOK", "CONTRACTS"]
    assert len(told[1]["payload"]["rows"]) > 4 * 100
    raised = axiom("journal", "cat", second["session"], "--kind", "IncidentRaised", "--json")
    assert "CONTRACT_CHANGED" not in raised.out
    assert exchange.do(lambda server: server.exchange.ledger()) == ()


def senders(source: str) -> list[str]:
    """Names of what can send, wherever a module's text mentions them."""
    names = [node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)]
    names += [
        alias.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    return sorted(set(names) & set(SENDERS))


@pytest.mark.parametrize("path", PAPER_MODULES)
def test_paper_has_nothing_that_could_send(path: str) -> None:
    """By construction: no module of its wiring names an order port."""
    assert senders((ROOT / path).read_text()) == []


def test_canary_a_sender_is_found() -> None:
    """Imported, or called."""
    assert senders("from adapters.kite.broker import KiteOrders") == ["KiteOrders"]
    assert senders("port = OrderWorker([], post)") == ["OrderWorker"]


def test_live_is_refused_with_every_reason(
    axiom: Call, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1, each precondition that does not hold with its code and what to do."""
    answer = axiom("run", "--mode", "live", "--confirm", "LIVE", "--json")
    assert answer.code == 1
    codes = [row["code"] for row in answer.document["refused"]]
    assert {"LIVE_LOGIN", "LIVE_ADDRESS", "LIVE_RELEASE_CHECK"} <= set(codes)
    plain = axiom("run", "--mode", "live")
    assert (plain.code, plain.out) == (1, "")
    assert "LIVE does not begin" in plain.err
    assert all(code in plain.err for code in codes)


@pytest.mark.slow
def test_live_runs_where_nothing_stands_against_it(
    axiom: Call, home: Path, exchange: RunningExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the exchange in the broker's place and the doctor content: the session asks for the
    broker's books, enters nothing that nobody approved, holds the account's lock while it runs, and
    replays identical."""
    monkeypatch.setattr("cli.world.REST_ROOT", exchange.rest)
    monkeypatch.setattr("cli.world.FEED_ROOT", exchange.ws)
    monkeypatch.setattr("cli.on_live.preconditions", lambda _: ())
    monkeypatch.setattr("cli.on_live.measured", lambda _: Measured(250_000_000, "a host", "NTP"))
    config = home.parent / "live.toml"
    config.write_text('[live]\nunderlyings = "NIFTY"\naccount = "demo"\norders_per_minute = 77\n')
    budgets: list[Budgets] = []

    def counting(folder: Path, given: Budgets) -> OrderBudget:
        budgets.append(given)
        return OrderBudget(folder, given)

    monkeypatch.setattr("cli.on_live.OrderBudget", counting)
    run = ("run", "--mode", "live", "--for", "3s", "--headless", "--json", "--config", config)
    assert "'YES' is not LIVE" in axiom(*run, "--confirm", "YES").refusal
    answer = axiom(*run, "--confirm", "LIVE")
    assert answer.code == 0, answer
    document = answer.document
    assert (document["mode"], document["trades"]) == ("LIVE", 0)
    assert axiom("replay", document["session"], "--json").document["identical"]
    entries = axiom("journal", "cat", document["session"], "--json").document
    kinds = {entry["kind"] for entry in entries}
    assert {"AuthStatus", "BrokerSnapshot", "Reconciled", "ReadinessChanged"} <= kinds
    assert [one.minute for one in budgets] == [77]
    day = SyntheticMarket(3, "small").day
    feed = [e["payload"] for e in entries if e["kind"] in ("HealthObserved", "FeedStatus")]
    seeds = [place for place, one in enumerate(feed) if one.get("what") == "FEED_JITTER_SEED"]
    assert feed[seeds[0]]["observed"] == jitter_seed(f"{day} {exchange.rest}")
    assert seeds[0] < next(place for place, one in enumerate(feed) if "what" not in one)
    steps = [e["payload"] for e in entries if e["kind"] == "ClockStepped"]
    assert (steps[0]["offset_ns"], steps[0]["source"]) == (-250_000_000, "NTP")
    assert not kinds & {"OrderSendStarted", "IntentApproved"}
    with account_lock("demo"):  # as an engine of another home would hold it
        elsewhere = (*run, "--home", home.parent / "other", "--confirm", "LIVE")
        assert "ACCOUNT_SHARED" in axiom(*elsewhere).refusal
    config.write_text('[live]\nunderlyings = "NIFTY"\naccount = "AB1234"\n')
    refusal = axiom(*run, "--confirm", "LIVE").refusal
    assert "live.account is AB1234, and the login is of account demo" in refusal


WAIVED = ("run", "--mode", "live", "--for", "1s", "--headless", "--json", "--confirm", "LIVE")


@pytest.mark.slow
def test_live_without_resting_stops_runs_by_a_waiver(
    axiom: Call, home: Path, own_exchange: RunningExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the word and a reason it begins; both are journaled, as a command and as an incident."""
    monkeypatch.setattr("cli.world.REST_ROOT", own_exchange.rest)
    monkeypatch.setattr("cli.world.FEED_ROOT", own_exchange.ws)
    monkeypatch.setattr("cli.on_live.preconditions", lambda _: ())
    monkeypatch.setattr("cli.on_live.measured", lambda _: Measured(250_000_000, "a host", "NTP"))
    config = home.parent / "live.toml"
    config.write_text('[live]\nunderlyings = "NIFTY"\n[orders]\nprotective_stop = false\n')
    word = ("--confirm-waiver", "WAIVER", "--why", "a try")
    answer = axiom(*WAIVED, "--config", config, *word)
    assert answer.code == 0, answer
    session = answer.document["session"]
    assert axiom("replay", session, "--json").document["identical"]
    cat = ("journal", "cat", session, "--json", "--kind")
    (command,) = [entry["payload"] for entry in axiom(*cat, "OperatorCommand").document]
    assert (command["verb"], command["subject"], command["why"]) == (
        "WAIVE", "orders.protective_stop", "a try",
    )  # fmt: skip
    codes = [entry["payload"]["code"] for entry in axiom(*cat, "IncidentRaised").document]
    assert codes.count("STOP_WAIVED") == 1


def test_live_without_resting_stops_is_refused_without_its_word(
    axiom: Call, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The setting begins nothing: one line, exit code 2; and no word is taken without it."""
    begun: list[object] = []
    monkeypatch.setattr("cli.on_live.refusals", lambda _: ())
    monkeypatch.setattr("cli.on_live.run_live", lambda *given, **_: begun.append(given))
    config = home.parent / "live.toml"
    config.write_text("[orders]\nprotective_stop = false\n")
    live = (*WAIVED, "--config", config)
    assert "give --confirm-waiver WAIVER and --why TEXT" in axiom(*live).refusal
    assert "'yes' is not WAIVER" in axiom(*live, "--confirm-waiver", "yes").refusal
    assert "give --confirm-waiver" in axiom(*live, "--confirm-waiver", "WAIVER").refusal
    assert "nothing is waived" in axiom(*WAIVED, "--confirm-waiver", "WAIVER").refusal
    assert begun == []


def test_live_wants_its_word() -> None:
    """Typed or given; anything else begins nothing; without a terminal nobody can type."""
    confirmed("LIVE")
    for word in ("live", "", "SIM", "LIVE "):
        with pytest.raises(UserError, match="is not LIVE"):
            confirmed(word)
    with pytest.raises(UserError, match="--confirm LIVE"):
        confirmed(None)

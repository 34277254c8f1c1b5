"""E10: ``axiom flatten --emergency`` as a person gives it: the word, the lock, the engine told, its
own journal, a full disk, and the answer with its exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import cli.emergency
from adapters.exchange_sim.running import RunningExchange, running_exchange
from adapters.kite.flatten import Ending
from events.envelope import decode_envelope
from journal.lock import FileLock
from journal.reader import JournalReader
from tests.adapters.exchange_sim.bench_market import CALL
from tests.adapters.exchange_sim.clients import ask, order_form, until
from tests.adapters.exchange_sim.hand_market import HandMarket
from tests.adapters.kite.rest_server import RestServer
from tests.cli.conftest import Call
from tests.cli.test_operate import engine, runtime

__all__ = ["runtime"]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def exchange() -> Iterator[RunningExchange]:
    """An exchange in real time, from 10:00:00."""
    with running_exchange(HandMarket((3_000.0, b"\x00"))) as running:
        yield running


def ledger(exchange: RunningExchange) -> dict[str, int]:
    """The exchange's own truth."""
    rows = exchange.do(lambda server: server.exchange.ledger())
    return {row[1]: row[3] for row in rows if row[3]}


def bought(exchange: RunningExchange) -> None:
    """Two lots of the call are held."""
    ask(exchange, "POST", "/orders/regular", order_form(quantity=130, price=105))
    until(lambda: ledger(exchange) == {CALL.tradingsymbol: 130})


def words(exchange: RunningExchange | RestServer, home: Path, *more: str) -> list[str]:
    """The command line."""
    rest = exchange.rest if isinstance(exchange, RunningExchange) else exchange.root
    return ["flatten", "--emergency", "--rest", rest, *more, "--home", str(home)]


def kept(folder: str) -> list[str]:
    """The kinds of what an emergency's journal holds."""
    with JournalReader(Path(folder)) as reader:
        return [decode_envelope(bytes(entry.data)).kind for entry in reader]


@pytest.mark.slow
def test_e10_an_account_is_flat_and_a_journal_says_how(
    axiom: Call, exchange: RunningExchange, runtime: Path, tmp_path: Path
) -> None:
    """E10: no engine runs: exit code 0, the exchange's ledger is flat, each message stands in a
    journal of its own, counted with the account's; the kill file halts the next engine."""
    bought(exchange)
    answer = axiom(*words(exchange, tmp_path, "--confirm", "SIM", "--json"))
    document = answer.document
    assert (answer.code, document["outcome"], document["left"]) == (0, "FLAT", []), answer
    assert (document["engine"], document["mode"]) == ("ENDED", "SIM")
    assert ledger(exchange) == {}
    kinds = kept(document["journal"])
    assert kinds[0] == "OperatorCommand" and kinds.count("OrderSendStarted") == 1
    assert kinds.index("OrderSendStarted") + 1 == kinds.index("OrderSendResult")
    assert Path(document["journal"]).stat().st_mode & 0o777 == 0o700
    (counted,) = (tmp_path / "desks/main/simulated-broker").glob("order-messages-*")
    assert counted.stat().st_size == 8
    assert (tmp_path / "desks/main/KILL").exists()
    assert axiom("verify", document["journal"]).code == 0


@pytest.mark.slow
def test_e10_an_engine_that_lives_is_told_and_not_waited_for(
    axiom: Call,
    exchange: RunningExchange,
    runtime: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """E10: an engine of the same mode is halted by the file and asked to end and leave things as
    they are; it does not end, and the emergency goes on. One of another mode is only halted."""
    monkeypatch.setattr(cli.emergency, "ENGINE_ENDS_S", 0.2)
    bought(exchange)
    with engine(runtime, tmp_path) as desk:
        answer = axiom(*words(exchange, tmp_path, "--confirm", "SIM", "--json"))
        assert (answer.code, answer.document["engine"]) == (0, "ENDING"), answer
        assert desk.kill.halted
        assert ("STOP", "LEAVE_PROTECTED") in [(c.verb, c.value) for c in desk.taken]
    with engine(runtime, tmp_path / "other", "PAPER") as desk:
        answer = axiom(*words(exchange, tmp_path / "other", "--confirm", "SIM", "--json"))
        assert (answer.code, answer.document["engine"]) == (0, "NOT_OURS"), answer
        assert [c.verb for c in desk.taken if c.verb != "HALT"] == []


@pytest.mark.slow
def test_e10_a_full_disk_does_not_stop_it(exchange: RunningExchange, tmp_path: Path) -> None:
    """E10: no file can grow by a byte: every step is printed, the messages are counted in memory,
    and the account is flat."""
    bought(exchange)
    child = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0));"
        "from cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    line = words(exchange, tmp_path, "--confirm", "SIM", "--json")
    ran = subprocess.run(
        [sys.executable, "-P", "-c", child, *line], cwd=ROOT, capture_output=True, text=True,
        timeout=60, env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert (json.loads(ran.stdout)["outcome"], json.loads(ran.stdout)["journal"]) == ("FLAT", None)
    assert ledger(exchange) == {}
    assert "no journal is kept from here on" in ran.stderr
    printed = [line for line in ran.stderr.splitlines() if '"kind"' in line]
    rows = [json.loads(line[line.index("{") :]) for line in printed]
    assert {"OrderSendStarted", "OrderSendResult", "BrokerSnapshot"} <= {r["kind"] for r in rows}


def test_e10_a_second_emergency_is_refused(
    axiom: Call, exchange: RunningExchange, tmp_path: Path
) -> None:
    """E10: two at once would sell twice: the second names the first and does nothing."""
    folder = tmp_path / "desks/main/simulated-broker"
    folder.mkdir(parents=True)
    with FileLock.take(folder / cli.emergency.LOCK):
        line = axiom(*words(exchange, tmp_path, "--confirm", "SIM")).refusal
    assert f"process {os.getpid()}" in line and "another emergency is at work" in line
    assert not (tmp_path / "desks/main/KILL").exists()


def test_e10_what_is_left_is_told_with_exit_code_1(
    axiom: Call, exchange: RunningExchange, runtime: Path, tmp_path: Path
) -> None:
    """E10: a refused address: 1, FLATTEN_INCOMPLETE, and what a person does by hand."""
    bought(exchange)
    exchange.fault('[[fault]]\nkind = "refused_address"\n')
    answer = axiom(*words(exchange, tmp_path, "--confirm", "SIM"))
    assert answer.code == 1
    assert answer.out.startswith("FLATTEN_INCOMPLETE (IP)")
    told = f"by hand: SELL 130 units of NFO {CALL.tradingsymbol}, product NRML (IP)"
    assert told in answer.out.splitlines()


@pytest.mark.parametrize(
    ("outcome", "known", "lines"),
    [("FLAT", True, 0), ("FLATTEN_INCOMPLETE", True, 1), ("FLATTEN_INCOMPLETE", False, 1)],
)
def test_e10_whoever_is_not_flat_is_told_what_to_do(outcome: str, known: bool, lines: int) -> None:
    """E10: what was sent may have closed everything, and nobody saw it: a person looks."""
    ending = Ending(outcome, "BOOKS", known, (), (), (), (), 2, 2, 4)
    assert len(cli.emergency.instructions(ending)) == lines


def test_e10_without_a_login_nothing_is_known(axiom: Call, runtime: Path, tmp_path: Path) -> None:
    """E10: there is no token: 1, and it says that the positions could not be read."""
    with RestServer() as server:
        answer = axiom(*words(server, tmp_path, "--confirm", "SIM"))
    assert (answer.code, answer.out.split(":")[0]) == (1, "FLATTEN_INCOMPLETE (TOKEN)")
    assert "the positions could not be read" in answer.out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ([], "asks for its word: --confirm SIM"),
        (["--json"], "asks for its word: --confirm SIM"),
        (["--confirm", "LIVE"], "that is not SIM: nothing was done"),
    ],
)
def test_e10_the_word_is_the_mode_s(
    axiom: Call, runtime: Path, tmp_path: Path, more: list[str], said: str
) -> None:
    """E10: without the word of the account's own mode nothing is done, asked or left."""
    line = axiom("flatten", "--emergency", "--rest", "http://127.0.0.1:1", *more, "--home",
                 str(tmp_path / "none"))  # fmt: skip
    assert said in line.refusal
    assert not (tmp_path / "none").exists()


ADDRESSES = ["http://example.org", "ftp://127.0.0.1", "https://user@host", "http://127.0.0.1:1"]


@pytest.mark.parametrize("rest", ADDRESSES)
def test_e10_a_wrong_address_is_one_line(axiom: Call, tmp_path: Path, rest: str) -> None:
    """E10: an address that is not spoken to, or where nobody answers: 2."""
    document: Any = axiom(
        "flatten", "--emergency", "--rest", rest, "--confirm", "SIM", "--home", str(tmp_path)
    )
    assert document.refusal

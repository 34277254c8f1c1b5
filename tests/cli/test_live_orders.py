"""A LIVE order from end to end over sockets: login, arming, approval, entry, stop, flatten.

``run --mode live`` is a process of its own with all of its own wiring (``tests.cli.live_child``),
the simulated exchange runs in this one, and everything else is what a person gives: verbs of the
program, a time server and a service that says addresses, both on loopback.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import pytest

from adapters.exchange_sim.running import RunningExchange, running_exchange
from adapters.exchange_sim.server import Settings
from adapters.markets.synthetic import SyntheticMarket
from engine.rulebook import ist_ns
from events.base import Event
from events.broker import AuthStatus, BrokerSnapshot, OrderSendResult, OrderSendStarted
from events.decision import DecisionMade
from events.envelope import decode_envelope
from events.feed import ClockStepped
from events.governance import ApprovalClosed, ApprovalRequested
from events.orders import IntentApproved, OrderChanged, PositionChanged
from events.registry import decode_event
from events.session import OperatorCommand, SessionClosed, SessionOpened
from journal.reader import JournalReader
from journal.verify_pack import verify_pack
from tests.cli.canary_day import sent_on, until
from tests.cli.conftest import Call
from tests.cli.live_runs import AXIOM, ROOT, started
from tests.cli.test_operate import runtime
from tests.cli.time_server import time_server

__all__ = ["runtime"]

LIVE_CHILD = (sys.executable, "-m", "tests.cli.live_child")
DEADLINE_S = 60.0
ENTRY_S = 180.0
"""A first bar has to close, and where the machine is slow a second."""

CLOCK_MS = 400
"""So much may be lost in asking the time."""

EGRESS = "203.0.113.7"
AHEAD_MS = 500
"""So far the time server's clock is ahead of ours."""

BEGINS = "11:52:50"
"""A trend begins: with less asked of it (``CONFIG``) every bar until 12:10 is one to enter on. The
minute that ends next is fetched as history, and the one after it is the first to decide."""

ALGO = "ALGO77"
CONFIG = f"""
[orders]
algo_id = "{ALGO}"
reconcile_s = 5
[warmup]
bars_min = 3
[risk]
cooldown_s = 0
[regime]
prob_milli_min = 0
entropy_milli_max = 3_000
settle_bars = 1
[contract]
oi_fall_bps_max = 10_000
[trend]
signal_milli_min = 0
adx_milli_min = 0
aligned = false
[mean_revert]
signal_milli_min = 0
aligned = false
stretch_milli_min = 100
[approval]
band_bps = 2_000
[live]
underlyings = "NIFTY"
account = "demo"
egress_address = "{EGRESS}"
"""
"""To trade soon: what a day waits for is asked less of, and what needs a quarter of an hour is not
asked at all. No other gate is off."""

Of = TypeVar("Of", bound=Event)


# --- the outside ---------------------------------------------------------------------------------


class Address(BaseHTTPRequestHandler):
    """Says the address that the broker knows."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(EGRESS)))
        self.end_headers()
        self.wfile.write(EGRESS.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing."""


@contextmanager
def address_service() -> Iterator[str]:
    """Who says which address we come from; gives its own."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Address) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="test-address")
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def exchange() -> Iterator[RunningExchange]:
    """A small market in real time."""
    market = SyntheticMarket(3, "small")
    settings = Settings(at_ns=ist_ns(market.day, BEGINS))
    with running_exchange(market, 1, settings=settings) as running:
        yield running


@pytest.fixture
def home(tmp_path: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A private home with its configuration beside it, and the account's key in the environment."""
    monkeypatch.setenv("AXIOM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AXIOM_KITE_API_KEY", "demo")
    monkeypatch.setenv("AXIOM_KITE_API_SECRET", "demo")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "home").mkdir(mode=0o700)
    with time_server(AHEAD_MS) as clock, address_service() as address:
        lines = f'ntp_host = "{clock}"\negress_url = "{address}"\n'
        (tmp_path / "live.toml").write_text(CONFIG + lines)
        yield tmp_path / "home"


def log_in(exchange: RunningExchange) -> None:
    """``axiom login --paste``: the person opens the page and pastes where it sent the browser."""
    exchange.do(lambda server: setattr(server, "redirect_url", "http://127.0.0.1:1/"))
    words = (
        "login",
        "--paste",
        "--rest",
        exchange.rest,
        "--page",
        f"{exchange.rest}/connect/login",
    )
    with subprocess.Popen(
        [*AXIOM, *words], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:  # fmt: skip
        assert child.stderr is not None
        page = next(line.split()[-1] for line in child.stderr if "/connect/login?" in line)
        _, complaint = child.communicate(f"{sent_on(page)}\n", DEADLINE_S)
    assert child.returncode == 0, complaint


# --- what is seen --------------------------------------------------------------------------------


class Story:
    """A session's journal while it is written."""

    def __init__(self, reader: JournalReader) -> None:
        self.entries: list[tuple[int, Event]] = []
        self._end = 0.0
        self._blocks = reader.follow_blocks(poll_s=0.02, stop=lambda: time.monotonic() > self._end)

    def of(self, kind: type[Of]) -> list[Of]:
        """The events of a kind, in order."""
        return [event for _, event in self.entries if isinstance(event, kind)]

    def seq(self, wanted: Event) -> int:
        """Where an event stands."""
        return next(seq for seq, event in self.entries if event is wanted)

    def until(self, look: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S) -> Any:
        """What ``look`` gives once it is true of what was read."""
        self._end = time.monotonic() + deadline_s
        while not (found := look()):
            try:
                block = next(self._blocks)
            except StopIteration:
                raise AssertionError(f"never: {what}") from None
            for entry in block or ():
                envelope = decode_envelope(bytes(entry.data))
                self.entries.append((envelope.seq, decode_event(envelope)))
        return found


# --- a LIVE session ------------------------------------------------------------------------------


class Session:
    """The engine, its journal, the exchange's own books, and the person at the command line."""

    def __init__(self, axiom: Call, exchange: RunningExchange, story: Story) -> None:
        self.axiom, self.exchange, self.story = axiom, exchange, story

    def say(self, *words: str) -> None:
        """A command, which the engine takes."""
        answer = self.axiom(*words, "--why", "a test", "--json")
        assert (answer.code, answer.document["outcome"]) == (0, "ACCEPTED"), answer

    def decided(self, reason: str, times: int, after: int = 0) -> None:
        """So many cycles end for a reason, behind an entry of the journal."""

        def found() -> bool:
            made = [event for seq, event in self.story.entries
                    if seq > after and isinstance(event, DecisionMade)]  # fmt: skip
            return sum(one.reason == reason for one in made) >= times

        self.story.until(found, reason, ENTRY_S)

    def request(self, number: int) -> ApprovalRequested:
        """The request of that number, once there is one."""
        asked = self.story.until(lambda: self.story.of(ApprovalRequested)[number:], "a request")
        return asked[0]

    def closed(self, asked: ApprovalRequested) -> ApprovalClosed:
        """How a request ended."""

        def found() -> list[ApprovalClosed]:
            return [one for one in self.story.of(ApprovalClosed)
                    if one.request_id == asked.request_id]  # fmt: skip

        return self.story.until(found, "the request's end")[0]

    def nothing_left(self) -> None:
        """No message of ours was begun, and the exchange has no order of anybody."""
        assert self.story.of(OrderSendStarted) == []
        assert self.orders() == []

    def orders(self) -> list[dict[str, Any]]:
        """Every order that the exchange has."""
        return self.exchange.do(lambda server: server.exchange.unlagged()[0])

    def held(self) -> dict[str, int]:
        """Units by symbol in the exchange's own ledger."""
        rows = self.exchange.do(lambda server: server.exchange.ledger())
        return {row[1]: row[3] for row in rows if row[3]}

    def changed(self, role: str, status: str) -> OrderChanged | None:
        """The last time that an order of a role came into a status."""
        found = [one for one in self.story.of(OrderChanged)
                 if (one.role, one.status) == (role, status)]  # fmt: skip
        return found[-1] if found else None


def promoted(session: Session, config: Path) -> None:
    """No strategy enters before it was promoted with the code and the parameters that run."""
    rows = session.axiom("config", "show", "--strategies", "--config", config, "--json").document
    for row in rows:
        assert row["named"].endswith(f":{ALGO}")
        refused = session.axiom("promote", row["strategy"], "--pilot", f"x{row['named']}",
                                "--why", "a test", "--json", "--confirm", "LIVE")  # fmt: skip
        assert (refused.code, refused.document["reason"]) == (1, "CMD_OTHER_DIGEST")
        for to in ("--pilot", "--live"):
            session.say("promote", row["strategy"], to, row["named"], "--confirm", "LIVE")


def approved(session: Session, config: Path) -> ApprovalRequested:
    """Unarmed, unapproved and rejected entries stay; then one is approved and used. An approval
    whose moment has passed lapses by the gates, and the next request is asked for anew."""
    session.decided("GOV_NOT_ARMED", 2)
    session.nothing_left()
    assert session.story.of(ApprovalRequested) == []
    promoted(session, config)
    session.say("arm", "--confirm", "LIVE")
    first = session.request(0)
    session.decided("APPROVAL_PENDING", 3, session.story.seq(first))
    session.nothing_left()
    waiting = session.axiom("status", "--json").document
    assert first.request_id in str(waiting), waiting
    session.say("reject", first.request_id)
    assert session.closed(first).outcome == "REJECTED"
    for number in range(1, 6):
        asked = session.request(number)
        session.nothing_left()
        session.say("approve", asked.request_id)
        if session.closed(asked).outcome == "USED":
            return asked
    raise AssertionError(f"no approval was used: {session.story.of(ApprovalClosed)}")


def rests(session: Session) -> tuple[str, str, str, int]:
    """What the exchange's newest order is, and where it stands."""
    last = session.orders()[-1]
    return last["transaction_type"], last["order_type"], last["status"], last["quantity"]


def entered(session: Session, asked: ApprovalRequested) -> None:
    """The entry is filled whole, and a stop for all of it rests at the exchange."""
    story = session.story
    story.until(lambda: session.changed("ENTRY", "FILLED"), "the entry is filled")
    story.until(lambda: session.changed("PROTECT", "WORKING"), "the stop rests")
    until(lambda: rests(session) == ("SELL", "SL", "TRIGGER PENDING", asked.quantity_units),
          "the stop rests for all that is held")  # fmt: skip
    entry, stop = session.orders()
    assert session.held() == {entry["tradingsymbol"]: asked.quantity_units}
    bought = (entry["transaction_type"], entry["status"], entry["filled_quantity"])
    assert bought == ("BUY", "COMPLETE", asked.quantity_units)
    assert stop["tradingsymbol"] == entry["tradingsymbol"]
    assert 0 < stop["price"] < stop["trigger_price"] < entry["average_price"]


def audited(story: Story, asked: ApprovalRequested) -> None:
    """What is kept with each message, and with the entry's above all."""
    (opened,), (stepped, *_) = story.of(SessionOpened), story.of(ClockStepped)
    assert (opened.mode, stepped.source) == ("LIVE", "NTP")
    assert abs(stepped.offset_ns // 1_000_000 + AHEAD_MS) < CLOCK_MS
    messages = story.of(OrderSendStarted)
    for one in messages:
        assert (one.algo_id, one.egress) == (ALGO, EGRESS)
        assert (one.code_digest, one.settings_digest) == (
            opened.code_digest, opened.settings_digest,
        )  # fmt: skip
        assert one.clock_offset_us is not None
        assert abs(one.clock_offset_us // 1_000 + AHEAD_MS) < CLOCK_MS
    (entry,) = [one for one in messages if one.side == "BUY"]
    said = next(one for one in story.of(OperatorCommand) if one.verb == "APPROVE")
    used = next(one for one in story.of(ApprovalClosed) if one.outcome == "USED")
    intent = next(one for one in story.of(IntentApproved) if one.intent_id == used.intent_id)
    assert (entry.action, entry.order_type, entry.strategy_id) == (
        "PLACE", "LIMIT", asked.strategy_id,
    )  # fmt: skip
    assert (entry.approver, entry.quantity_units) == (said.who, asked.quantity_units)
    assert entry.approver == used.who
    assert asked.low_paise <= intent.limit_paise <= asked.high_paise
    order = [story.seq(one) for one in (asked, said, intent, used, entry)]
    assert order[0] < order[1] < order[2] < order[4] and order[1] < order[3]


def flattened(session: Session) -> None:
    """The stop is cancelled and known to be over before the sale leaves; then nothing is held."""
    story = session.story
    session.say("flatten", "--confirm", "LIVE")
    story.until(lambda: session.changed("EXIT", "FILLED"), "the exit is filled")
    story.until(lambda: any(one.status == "CLOSED" for one in story.of(PositionChanged)), "flat")
    assert session.held() == {}
    over = session.changed("PROTECT", "CANCELLED")
    assert over is not None
    (cancel,) = [one for one in story.of(OrderSendStarted) if one.action == "CANCEL"]
    sale = next(
        one for one in story.of(OrderSendStarted)
        if one.side == "SELL" and one.order_type == "LIMIT" and one.action == "PLACE"
    )  # fmt: skip
    assert story.seq(cancel) < story.seq(over) < story.seq(sale)
    entry, stop, *sales = session.orders()
    assert (entry["status"], stop["status"]) == ("COMPLETE", "CANCELLED")
    assert sum(one["filled_quantity"] for one in sales) == entry["filled_quantity"]


def test_canary_live_still_refuses_what_does_not_hold(
    home: Path, exchange: RunningExchange
) -> None:
    """With another address registered the same program does not begin, and says why: what the test
    below passes over is no more than ``CANNOT_HOLD``."""
    config = home.parent / "live.toml"
    config.write_text(config.read_text().replace(EGRESS, "203.0.113.8"))
    words = ("run", "--mode", "live", "--confirm", "LIVE", "--json", "--config", str(config))
    done = subprocess.run(
        [*LIVE_CHILD, exchange.rest, exchange.ws, *words], cwd=ROOT, capture_output=True,
        timeout=DEADLINE_S, check=False,
    )  # fmt: skip
    refused = [row["code"] for row in json.loads(done.stdout)["refused"]]
    assert (done.returncode, refused) == (1, ["LIVE_ADDRESS"])


@pytest.mark.slow
def test_a_live_order_from_login_to_flat(
    axiom: Call, home: Path, exchange: RunningExchange
) -> None:
    """A login, LIVE with every precondition that a simulated day can meet, entries that stay
    without arming and approval, one that is approved, filled and protected at the exchange, a
    flatten; the books agree, and the journal verifies and replays identical."""
    log_in(exchange)
    words = ("run", "--mode", "live", "--confirm", "LIVE", "--headless", "--for", "10m",
             "--config", str(home.parent / "live.toml"))  # fmt: skip
    by = (*LIVE_CHILD, exchange.rest, exchange.ws)
    with started(home, *words, by=by) as engine, JournalReader(engine.folder) as reader:
        story = Story(reader)
        session = Session(axiom, exchange, story)
        asked = approved(session, home.parent / "live.toml")
        entered(session, asked)
        flattened(session)
        audited(story, asked)
        session.say("disarm")
        session.say("stop", "--leave-protected", "--confirm", "LIVE")
        code, document = engine.answer()
        story.until(lambda: story.of(SessionClosed), "the session's end")
    assert (code, document["mode"], document["trades"]) == (0, "LIVE", 1), document
    agree(session)
    assert axiom("verify", document["session"]).code == 0
    assert axiom("replay", document["session"], "--json").document["identical"]
    packed(session, document["session"], home.parent)


def packed(session: Session, name: str, place: Path) -> None:
    """The compliance pack of that day: every order with its whole chain, of the entry the approval
    too; and the day leaves, redacted, without the address or who approved."""
    pack, window = place / "pack", place / "window"
    answer = session.axiom("export", name, "--to", pack, "--compliance", "--json")
    assert (answer.code, answer.document["broken"]) == (0, []), answer
    orders = [json.loads(line) for line in (pack / "orders.jsonl").read_text("utf-8").splitlines()]
    ours = {one.order_id for one in session.story.of(OrderSendStarted)}
    assert ours <= {one["order_id"] for one in orders}
    (entry,) = [one for one in orders if one["role"] == "ENTRY"]
    assert {link["status"] for link in entry["links"]} == {"FOUND"}
    assert (entry["algo_id"], entry["address"]) == (ALGO, EGRESS)
    assert entry["approver"] == session.story.of(OrderSendStarted)[0].approver
    assert verify_pack(pack).problems == []
    assert session.axiom("export", name, "--to", window, "--from", "00:00").code == 0
    assert EGRESS not in (window / "entries.jsonl").read_text("utf-8")
    journal = pack / "journal" / name
    assert verify_pack(window, session=journal).problems == []


def agree(session: Session) -> None:
    """Every message is one that the broker took; the exchange's orders are ours and no others; the
    last books that came show nothing held."""
    story = session.story
    results = story.of(OrderSendResult)
    assert {one.outcome for one in results} == {"ACCEPTED"}
    assert len(results) == len(story.of(OrderSendStarted))
    placed = [one.tag for one in story.of(OrderSendStarted) if one.action == "PLACE"]
    assert [order["tag"] for order in session.orders()] == placed
    books = story.of(BrokerSnapshot)[-1]
    assert books.trigger == "AFTER_CLOSE" and books.failed == ()
    assert [one.net_units for one in books.positions or ()] == [0]
    assert {one.status for one in story.of(AuthStatus)} == {"OK"}

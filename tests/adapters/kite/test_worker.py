"""B01, B06: whatever is handed to the threads comes back as one fact, and exits never wait."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.kite.broker import KiteOrders, KiteReads
from adapters.kite.history import HistoryRequest
from adapters.kite.rate import Budgets
from adapters.kite.rate_file import OrderBudget
from adapters.kite.worker import OrderWorker, ReadWorker
from engine.rulebook import ist_ns
from events.base import Event
from events.broker import (
    AuthStatus,
    BrokerSnapshot,
    OrderLookup,
    OrderSendResult,
    QuotesObserved,
)
from events.canonical import check_event
from events.feed import HealthObserved, HistoryLoaded
from tests.adapters.kite.messages import ENTRY, EXIT, entry, exit_order
from tests.adapters.kite.rest_server import DEADLINE_S, PATIENT, QUICK, Canned, RestServer, login

NOW = ist_ns(20261008, "09:20:00")
REQUEST = HistoryRequest(3, 256265, 60_000, NOW - 10**12, NOW)


class Facts:
    """Where facts are posted, and waited for."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.changed = threading.Condition()

    def post(self, event: Event) -> None:
        check_event(event)
        with self.changed:
            self.events.append(event)
            self.changed.notify_all()

    def wait(self, count: int) -> list[Event]:
        """At least so many facts, in the order of their posting."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.events) >= count, DEADLINE_S)
            return list(self.events)

    def results(self) -> dict[str, OrderSendResult]:
        return {e.order_id: e for e in self.events if isinstance(e, OrderSendResult)}


class Gate:
    """A broker of one lane whose calls wait to be let through, or break."""

    def __init__(self, breaks: Exception | None = None) -> None:
        self.began: list[str] = []
        self.open = threading.Event()
        self.changed = threading.Condition()
        self.breaks = breaks
        self.now_in = 0
        self.most_in: dict[str, int] = {}

    def send(self, message: Any, authority: Any) -> OrderSendResult:
        with self.changed:
            self.began.append(message.order_id)
            self.changed.notify_all()
        assert self.open.wait(DEADLINE_S)
        if self.breaks is not None:
            raise self.breaks
        return OrderSendResult(
            message.message_no, message.order_id, "ACCEPTED", "7", None, None, 200, None, 1
        )

    def close(self) -> None:
        """Nothing to end."""
        self.closed = True

    def wait_began(self, count: int) -> list[str]:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.began) >= count, DEADLINE_S)
            return list(self.began)


def worker_of(facts: Facts, *lanes: Any) -> OrderWorker:
    worker = OrderWorker(lanes, facts.post)
    worker.start()
    return worker


@pytest.fixture
def facts() -> Facts:
    """A place for facts."""
    return Facts()


@pytest.fixture
def server() -> Iterator[RestServer]:
    """A server that answers like a broker."""
    with RestServer() as running:
        yield running


def broker(server: RestServer, folder: Path, **options: Any) -> KiteOrders:
    budget = OrderBudget(folder, Budgets())
    return KiteOrders(login, budget, **{"root": server.root, "timeouts": PATIENT, **options})


def test_exits_go_before_entries(facts: Facts) -> None:
    """What waits goes exits first, each kind in its order of arrival."""
    gate = Gate()
    worker = worker_of(facts, gate)
    worker.send(entry(1), ENTRY)
    gate.wait_began(1)
    for number in (2, 3):
        worker.send(entry(number), ENTRY)
    for number in (4, 5):
        worker.send(exit_order(number), EXIT)
    gate.open.set()
    facts.wait(5)
    assert gate.began == ["P1", "P4", "P5", "P2", "P3"]
    assert worker.close()


def test_a_hanging_entry_holds_up_no_exit(facts: Facts) -> None:
    """With several lanes one is for exits alone: entries that hang on all the others leave it
    free."""
    exits, entries = Gate(), Gate()
    exits.open.set()
    worker = worker_of(facts, exits, entries)
    for number in (1, 2):
        worker.send(entry(number), ENTRY)
    entries.wait_began(1)
    worker.send(exit_order(3), EXIT)
    facts.wait(1)
    assert (exits.began, entries.began) == (["P3"], ["P1"])
    entries.open.set()
    facts.wait(3)
    assert worker.close()


def test_one_message_of_an_order_at_a_time(facts: Facts) -> None:
    """A second message of an order waits for the first one's result, though a lane is free; other
    orders do not wait."""
    lanes = [Gate(), Gate(), Gate()]
    worker = worker_of(facts, *lanes)
    worker.send(entry(1), ENTRY)
    worker.send(entry(2, order_id="P1", action="CANCEL", broker_order_id="7"), ENTRY)
    worker.send(entry(3), ENTRY)
    with_work = [lane for lane in lanes[1:] if lane.wait_began(1)]
    assert sorted(lane.began[0] for lane in with_work) == ["P1", "P3"]
    for lane in lanes:
        lane.open.set()
    results = [e for e in facts.wait(3) if isinstance(e, OrderSendResult)]
    assert sorted(result.message_no for result in results) == [1, 2, 3]
    of_one = [result.message_no for result in results if result.order_id == "P1"]
    assert of_one == [1, 2]
    assert worker.close()


def test_closing_tells_what_was_not_sent(facts: Facts) -> None:
    """On closing, what is on its way comes back as it ends, what waits is NOT_SENT, and so is what
    comes later; nothing is lost and nothing said twice."""
    gate = Gate()
    worker = worker_of(facts, gate)
    for number in range(1, 5):
        worker.send(entry(number), ENTRY)
    gate.wait_began(1)
    assert not worker.close(patience_s=0.0)
    worker.send(exit_order(9), EXIT)
    gate.open.set()
    assert worker.close()
    told = {order: (result.outcome, result.fault) for order, result in facts.results().items()}
    unsent = ("NOT_SENT", "CLOSING")
    assert told == {"P1": ("ACCEPTED", None), **dict.fromkeys(("P2", "P3", "P4", "P9"), unsent)}
    assert len(facts.events) == 5
    assert gate.closed


def test_a_broken_call_is_a_fact(facts: Facts) -> None:
    """An error inside a send is UNKNOWN for its message and a BAD health; the lane goes on, and
    where it broke is kept without the error's text."""
    gate = Gate(breaks=RuntimeError("a token t0ken"))
    gate.open.set()
    worker = worker_of(facts, gate)
    worker.send(entry(1), ENTRY)
    events = facts.wait(2)
    assert isinstance(events[0], OrderSendResult) and events[0].outcome == "UNKNOWN"
    assert events[1] == HealthObserved("ORDER_WORKER_FAILED", "BAD", 1, 0)
    assert worker.failure is not None and worker.failure.startswith("RuntimeError at test_worker")
    assert "t0ken" not in worker.failure
    gate.breaks = None
    worker.send(exit_order(2), EXIT)
    assert facts.wait(3)[2].outcome == "ACCEPTED"  # type: ignore[attr-defined]
    assert worker.close()


def test_a_message_that_must_not_leave(facts: Facts, server: RestServer, tmp_path: Path) -> None:
    """A misfit is told as NOT_SENT and as BAD health, and the next message goes."""
    worker = worker_of(facts, broker(server, tmp_path))
    worker.send(entry(1), EXIT)
    worker.send(entry(2, order_type="MARKET", limit_paise=None), ENTRY)
    worker.send(entry(3), ENTRY)
    facts.wait(5)
    told = {order: (result.outcome, result.fault) for order, result in facts.results().items()}
    unsendable = ("NOT_SENT", "UNSENDABLE")
    assert told == {"P1": unsendable, "P2": unsendable, "P3": ("ACCEPTED", None)}
    assert server.count("POST") == 1
    assert worker.close()


def test_a_hung_call_ends(facts: Facts, server: RestServer, tmp_path: Path) -> None:
    """B01: a call that hangs is over at its timeout, UNKNOWN, and the lane is free again."""
    server.at_order = "hang"
    worker = worker_of(facts, broker(server, tmp_path, timeouts=QUICK))
    worker.send(exit_order(1), EXIT)
    facts.wait(1)
    assert (facts.results()["P1"].outcome, facts.results()["P1"].fault) == ("UNKNOWN", "TIMEOUT")
    server.at_order = "good"
    worker.send(exit_order(2), EXIT)
    facts.wait(2)
    assert facts.results()["P2"].outcome == "ACCEPTED"
    assert worker.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_the_end_of_a_thread_is_a_fact(facts: Facts) -> None:
    """A lane that ends although nobody asked it to is told, and the lane for exits then takes
    entries too; the last one leaves nothing waiting, and what comes later is NOT_SENT."""
    lanes = [Gate(), Gate()]
    lost = threading.Event()

    def post(event: Event) -> None:
        if isinstance(event, OrderSendResult) and event.outcome == "ACCEPTED":
            lost.wait(DEADLINE_S)
            raise RuntimeError("the inbox is gone")
        facts.post(event)

    worker = OrderWorker(lanes, post)  # type: ignore[arg-type]
    worker.start()
    worker.send(entry(1), ENTRY)
    lanes[1].open.set()
    lanes[1].wait_began(1)
    lost.set()
    assert facts.wait(1) == [HealthObserved("ORDER_LANES", "BAD", 1, 2)]
    worker.send(entry(2), ENTRY)
    lanes[0].wait_began(1)
    worker.send(entry(3), ENTRY)
    lanes[0].open.set()
    events = facts.wait(3)
    assert events[1] == HealthObserved("ORDER_LANES", "BAD", 0, 2)
    worker.send(exit_order(4), EXIT)
    facts.wait(4)
    unsent = {order: result.fault for order, result in facts.results().items()}
    assert unsent == {"P3": "CLOSING", "P4": "CLOSING"}
    assert worker.close()


def test_a_worker_needs_a_broker(facts: Facts) -> None:
    """PAPER cannot be wired with an order worker: it has no broker to give it."""
    with pytest.raises(ValueError, match="needs a broker"):
        OrderWorker([], facts.post)


# --- questions -----------------------------------------------------------------------------------


def reads_of(server: RestServer) -> KiteReads:
    return KiteReads(login, root=server.root, timeouts=PATIENT)


def test_each_question_has_its_fact(facts: Facts, server: RestServer) -> None:
    """Each question is answered by its own kind of fact, at the time when it is asked."""
    server.answers["/quote"] = Canned({})
    server.answers["/instruments/historical/256265/minute"] = Canned({"candles": []})
    worker = ReadWorker(reads_of(server), facts.post, lambda: NOW)
    worker.start()
    worker.snapshot("START")
    worker.lookup("P1", "tag1", None)
    worker.quotes([(1, "NFO:A")])
    worker.auth()
    worker.history(REQUEST)
    kinds = {type(event) for event in facts.wait(5)}
    assert kinds == {BrokerSnapshot, OrderLookup, QuotesObserved, AuthStatus, HistoryLoaded}
    assert worker.close()


def test_an_unknown_order_is_asked_for_first(facts: Facts, server: RestServer) -> None:
    """Of what waits an unknown order goes first, history last."""
    worker = ReadWorker(reads_of(server), facts.post, lambda: NOW)
    server.answers["/instruments/historical/256265/minute"] = Canned({"candles": []})
    worker.history(REQUEST)
    worker.snapshot("PERIODIC")
    worker.lookup("P1", "tag1", None)
    worker.start()
    kinds = [type(event) for event in facts.wait(3)]
    assert kinds == [OrderLookup, BrokerSnapshot, HistoryLoaded]
    assert worker.close()


def test_closing_answers_every_question(facts: Facts, server: RestServer) -> None:
    """What was never asked is answered as failed, what comes after the end too: an absent answer
    is never an empty book."""
    worker = ReadWorker(reads_of(server), facts.post, lambda: NOW)
    worker.snapshot("PERIODIC")
    worker.lookup("P1", "tag1", None)
    assert worker.close()
    worker.quotes([(1, "NFO:A")])
    worker.auth()
    worker.history(REQUEST)
    lookup, snapshot, quotes, auth, history = facts.wait(5)
    assert isinstance(snapshot, BrokerSnapshot) and snapshot.orders is None
    assert snapshot.failed == tuple(
        f"{book} CLOSING" for book in ("orders", "trades", "positions", "funds")
    )
    assert isinstance(lookup, OrderLookup)
    assert (lookup.outcome, lookup.fault) == ("FAILED", "CLOSING")
    assert isinstance(quotes, QuotesObserved) and quotes.fault == "CLOSING"
    assert isinstance(auth, AuthStatus) and (auth.status, auth.fault) == ("UNKNOWN", "CLOSING")
    assert isinstance(history, HistoryLoaded) and history.fault == "CLOSING"
    assert server.asked == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_the_end_of_the_reading_thread_is_a_fact(facts: Facts, server: RestServer) -> None:
    """A thread that ends by itself is told, and every question then waiting or coming is answered
    as failed."""

    def post(event: Event) -> None:
        if isinstance(event, AuthStatus) and event.status == "OK":
            raise RuntimeError("the inbox is gone")
        facts.post(event)

    worker = ReadWorker(reads_of(server), post, lambda: NOW)
    worker.auth()
    worker.quotes([(1, "NFO:A")])
    worker.start()
    health, quotes = facts.wait(2)
    assert health == HealthObserved("READ_THREADS", "BAD", 0, 1)
    assert isinstance(quotes, QuotesObserved) and quotes.fault == "CLOSING"
    worker.lookup("P1", "tag1", None)
    lookup = facts.wait(3)[2]
    assert isinstance(lookup, OrderLookup) and lookup.fault == "CLOSING"
    assert worker.close()


def test_a_question_that_breaks_is_a_fact(facts: Facts, server: RestServer) -> None:
    """An error inside a question is its failed answer and a BAD health, and the next is asked."""
    worker = ReadWorker(reads_of(server), facts.post, lambda: NOW)
    worker.start()
    worker.history(HistoryRequest(3, 1, 7, NOW, NOW))
    answer, health = facts.wait(2)
    assert isinstance(answer, HistoryLoaded) and answer.fault == "NEW"
    assert health == HealthObserved("READ_WORKER_FAILED", "BAD", 1, 0)
    assert worker.failure is not None and worker.failure.startswith("ValueError at history.py")
    worker.auth()
    assert isinstance(facts.wait(3)[2], AuthStatus)
    assert worker.close()

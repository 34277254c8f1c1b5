"""B01, B02, B06, B10: what is said of the broker's books and of a message, over a real socket."""

from __future__ import annotations

import ast
import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.kite.broker import KiteOrders, KiteReads
from adapters.kite.order_form import AuthorityMisfit, UnsendableMessage
from adapters.kite.rate import Budgets
from adapters.kite.rate_file import OrderBudget
from engine.ports import BrokerReads, MarginQuery, OrderPort
from engine.rulebook import NS_PER_S, ist_ns
from events.broker import MarginObserved
from events.canonical import check_event
from tests.adapters.kite import objects
from tests.adapters.kite.messages import ENTRY, EXIT, entry, exit_order
from tests.adapters.kite.rest_server import (
    PATIENT,
    QUICK,
    Canned,
    RestServer,
    login,
    refusal,
)
from tests.architecture.source import ROOMS, ROOT, module_name, python_files
from tests.architecture.test_imports import allowed

NOW = ist_ns(20261008, "09:20:00")
DAY = 20261008


class Clock:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now = 10**15
        self.waited: list[float] = []

    def __call__(self) -> int:
        return self.now

    def wait(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.now += round(seconds * NS_PER_S)


@pytest.fixture
def server() -> Iterator[RestServer]:
    """A server that answers like a broker."""
    with RestServer() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    """A clock of this test's own."""
    return Clock()


@pytest.fixture
def reads(server: RestServer, clock: Clock) -> Iterator[KiteReads]:
    """A broker that may be asked."""
    broker = KiteReads(login, root=server.root, timeouts=PATIENT, pause=clock.wait, clock=clock)
    yield broker
    broker.close()


@pytest.fixture
def orders(server: RestServer, clock: Clock, tmp_path: Path) -> Iterator[KiteOrders]:
    """A broker that may be sent orders."""
    broker = orders_of(server, clock, tmp_path)
    yield broker
    broker.close()


def orders_of(server: RestServer, clock: Clock, folder: Path, **options: Any) -> KiteOrders:
    budgets = options.pop("budgets", Budgets())
    budget = OrderBudget(folder, budgets, clock, lambda: DAY, clock.wait)
    usual = {"root": server.root, "timeouts": PATIENT, "pause": clock.wait, "clock": clock}
    return KiteOrders(login, budget, **{**usual, **options})


# --- the ports -----------------------------------------------------------------------------------


def test_paper_has_no_way_to_send() -> None:
    """PAPER is wired with ``KiteReads``: a type without ``send``, and without anything inside that
    sends; ``KiteOrders`` is an order port."""
    public = {name for name in dir(KiteReads) if not name.startswith("_")}
    assert public == {
        "snapshot",
        "lookup",
        "margin",
        "quotes",
        "auth",
        "refused_login",
        "dump",
        "read",
        "rest",
        "close",
    }
    assert not hasattr(KiteReads, "send")
    assert {name for name in dir(KiteOrders) if not name.startswith("_")} - public == {"send"}
    as_reads: type[BrokerReads] = KiteReads
    as_port: type[OrderPort] = KiteOrders
    assert (as_reads, as_port) == (KiteReads, KiteOrders)


ORDER_CALLS = (
    "place_order", "modify_order", "cancel_order", "place_autoslice_order", "exit_order",
    "convert_position", "place_gtt", "modify_gtt", "delete_gtt", "place_mf_order",
    "cancel_mf_order", "place_mf_sip", "modify_mf_sip", "cancel_mf_sip",
)  # fmt: skip
"""Every method of the official client that changes what the account has or wants."""

SENDERS = {
    ("adapters/kite/broker.py", "_ask", name)
    for name in ("place_order", "modify_order", "cancel_order")
}


def naming(tree: ast.Module, where: str) -> set[tuple[str, str, str]]:
    """(file, function, call) of every place that names one of the calls, as attribute or text."""
    found: set[tuple[str, str, str]] = set()

    def walk(node: ast.AST, function: str) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            function = node.name
        named = getattr(node, "attr", None) or getattr(node, "value", None)
        if isinstance(named, str) and named in ORDER_CALLS:
            found.add((where, function, named))
        for child in ast.iter_child_nodes(node):
            walk(child, function)

    walk(tree, "<module>")
    return found


def test_one_function_reaches_the_broker_s_order_calls() -> None:
    """No other function of the project names a call of the client that places, changes or cancels
    anything. The simulated exchange is the other side and may not import the client at all (the
    import table says so)."""
    found: set[tuple[str, str, str]] = set()
    for path in python_files(*ROOMS):
        if path.as_posix().startswith("adapters/exchange_sim/"):
            assert not allowed(module_name(path), "kiteconnect")
            continue
        found |= naming(ast.parse((ROOT / path).read_text()), path.as_posix())
    assert found == SENDERS


@pytest.mark.parametrize(
    "source",
    [
        "def sneak(k):\n    k.place_order()",
        "def sneak(k):\n    getattr(k, 'place_order')()",
        "def sneak(k):\n    return map(k.place_order, ())",
    ],
)
def test_canary_another_caller_is_found(source: str) -> None:
    """Canary: a call, a call by text and a method handed on are all seen."""
    assert naming(ast.parse(source), "x.py") == {("x.py", "sneak", "place_order")}


# --- sending -------------------------------------------------------------------------------------


def test_an_order_is_accepted(server: RestServer, orders: KiteOrders) -> None:
    """B14: what was sent stands in the book under its tag; modify and cancel name its id."""
    result = orders.send(entry(1), ENTRY)
    assert (result.outcome, result.broker_order_id, result.fault) == ("ACCEPTED", "1000000", None)
    check_event(result)
    form = server.asked[0].form
    assert (form["tag"], form["price"], form["quantity"]) == ("tag000000000001", "110.15", "65")
    found = orders.lookup("P1", "tag000000000001", None, NOW)
    assert found.outcome == "FOUND" and found.report is not None
    assert found.report.broker_order_id == result.broker_order_id
    for action, method in (("MODIFY", "PUT"), ("CANCEL", "DELETE")):
        sent = orders.send(entry(2, action=action, broker_order_id="1000000"), ENTRY)
        assert (sent.outcome, sent.broker_order_id) == ("ACCEPTED", "1000000")
        assert server.asked[-1].method == method
        assert server.asked[-1].path == "/orders/regular/1000000"


@pytest.mark.parametrize(("manner", "fault"), [("drop", "NETWORK"), ("hang", "TIMEOUT")])
def test_b01_accepted_and_no_answer(
    server: RestServer, clock: Clock, tmp_path: Path, manner: str, fault: str
) -> None:
    """B01: the broker takes the order and its answer is lost: UNKNOWN, sent once and not again,
    and found by its tag."""
    server.at_order = manner
    orders = orders_of(server, clock, tmp_path, timeouts=QUICK)
    result = orders.send(entry(1), ENTRY)
    assert (result.outcome, result.fault, result.broker_order_id) == ("UNKNOWN", fault, None)
    assert (server.count("POST"), len(server.book)) == (1, 1)
    found = orders.lookup("P1", "tag000000000001", None, NOW)
    assert found.outcome == "FOUND" and found.report is not None
    assert found.report.tags == ("tag000000000001",)
    orders.close()


def test_b02_refused_and_not_sent(server: RestServer, orders: KiteOrders) -> None:
    """B02, B05: a refusal keeps the broker's class, status and words; 5xx is UNKNOWN for each
    action."""
    text = "Insufficient funds. Required margin is 7156.50 but available margin is 0.00."
    server.answers["/orders/regular"] = refusal("MarginException", 400, text)
    result = orders.send(entry(1), ENTRY)
    assert (result.outcome, result.fault) == ("REFUSED", "MARGIN")
    assert (result.error_class, result.http_status) == ("MarginException", 400)
    assert result.message == text
    check_event(result)
    for action, path in (("PLACE", ""), ("MODIFY", "/7"), ("CANCEL", "/7")):
        server.answers[f"/orders/regular{path}"] = Canned(
            status=504, body=b"<html>", content_type="text/html"
        )
        message = entry(2, action=action, broker_order_id="7" if path else None)
        assert orders.send(message, ENTRY).outcome == "UNKNOWN", action


def test_an_answer_about_another_order(server: RestServer, orders: KiteOrders) -> None:
    """A modification that is confirmed for another id, and a placed order without one, are
    UNKNOWN."""
    server.answers["/orders/regular/7"] = Canned({"order_id": "8"})
    result = orders.send(entry(1, action="MODIFY", broker_order_id="7"), ENTRY)
    assert (result.outcome, result.fault) == ("UNKNOWN", "DATA")
    for strange in (None, "", 17, ["1"]):
        server.answers["/orders/regular"] = Canned({"order_id": strange})
        assert orders.send(entry(2), ENTRY).outcome == "UNKNOWN"


def test_what_does_not_fit_never_leaves(server: RestServer, orders: KiteOrders) -> None:
    """A wrong authority and a market order without protection raise, and nothing was asked."""
    with pytest.raises(AuthorityMisfit):
        orders.send(entry(1), EXIT)
    with pytest.raises(AuthorityMisfit):
        orders.send(exit_order(1), ENTRY)
    with pytest.raises(UnsendableMessage):
        orders.send(entry(1, order_type="MARKET", limit_paise=None), ENTRY)
    assert server.asked == []


def test_a_halt_holds_what_is_on_its_way(server: RestServer, clock: Clock, tmp_path: Path) -> None:
    """A halt that is pressed while an entry waits for its place in the budget still holds it; a
    cancel and every exit go."""
    orders = orders_of(server, clock, tmp_path, halted=lambda: bool(clock.waited))
    results = [orders.send(entry(number), ENTRY) for number in range(7)]
    assert [r.outcome for r in results] == ["ACCEPTED"] * 6 + ["NOT_SENT"]
    assert results[6].fault == "HALTED"
    modify = entry(8, action="MODIFY", broker_order_id="1000000")
    assert orders.send(modify, ENTRY).fault == "HALTED"
    cancel = entry(9, action="CANCEL", broker_order_id="1000000")
    assert orders.send(cancel, ENTRY).outcome == "ACCEPTED"
    assert orders.send(exit_order(10), EXIT).outcome == "ACCEPTED"
    assert (server.count("POST"), server.count("PUT"), server.count("DELETE")) == (7, 0, 1)
    orders.close()


def test_b06_the_ceiling(server: RestServer, orders: KiteOrders, clock: Clock) -> None:
    """B06: a burst waits at the ceiling: the ninth exit goes a second after the first."""
    started = clock.now
    for number in range(9):
        assert orders.send(exit_order(number), EXIT).outcome == "ACCEPTED"
    assert clock.now - started == NS_PER_S + 1
    assert len(clock.waited) == 1
    assert server.count("POST") == 9


def test_b06_a_used_up_budget(server: RestServer, clock: Clock, tmp_path: Path) -> None:
    """B06: an entry that would have to wait for the next minute does not go at all; exits have
    their reserve."""
    budgets = Budgets(minute=4, exits_minute=2)
    orders = orders_of(server, clock, tmp_path, budgets=budgets)
    results = [orders.send(entry(number), ENTRY) for number in range(3)]
    assert [(r.outcome, r.fault) for r in results[1:]] == [
        ("ACCEPTED", None),
        ("NOT_SENT", "BUDGET"),
    ]
    assert orders.send(exit_order(9), EXIT).outcome == "ACCEPTED"
    assert server.count("POST") == 3
    orders.close()


def test_b06_too_many_requests(server: RestServer, orders: KiteOrders, clock: Clock) -> None:
    """B06: on a 429 this order is UNKNOWN and entries are silent for a while that doubles; an exit
    waits out the broker's second; another answer ends it."""
    limit = refusal("NetworkException", 429, "Too many requests")
    server.answers["/orders/regular"] = [limit, limit, Canned({"order_id": "5"})]
    results = [orders.send(entry(1), ENTRY), orders.send(entry(2), ENTRY)]
    assert [(r.outcome, r.fault) for r in results] == [("UNKNOWN", "RATE")] * 2
    assert clock.waited == [1.0]
    clock.waited.clear()
    silent_until = clock.now + 2 * NS_PER_S
    assert orders.send(exit_order(3), EXIT).outcome == "ACCEPTED"
    assert clock.waited == [1.0] and clock.now < silent_until
    clock.waited.clear()
    assert orders.send(entry(4), ENTRY).outcome == "ACCEPTED"
    assert clock.waited == []


# --- asking --------------------------------------------------------------------------------------


def test_a_snapshot(server: RestServer, reads: KiteReads) -> None:
    """All four books as records, in one fact that can be journaled."""
    server.book.append(objects.order())
    server.trade_rows.append(objects.trade())
    snapshot = reads.snapshot("START", NOW)
    check_event(snapshot)
    assert snapshot.orders is not None and len(snapshot.orders) == 1
    assert snapshot.trades is not None and snapshot.trades[0].price_paise == 11010
    assert snapshot.positions == () and snapshot.funds is not None
    assert (snapshot.trigger, snapshot.asked_ts, snapshot.failed) == ("START", NOW, ())


BOOKS = {
    "orders": "/orders",
    "trades": "/trades",
    "positions": "/portfolio/positions",
    "funds": "/user/margins/equity",
}


@pytest.mark.parametrize("name", BOOKS)
@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (refusal("TokenException", 403), "TOKEN"),
        (Canned(status=502, body=b"<html>", content_type="text/html"), "NETWORK"),
        (Canned(None), "DATA"),
        (Canned({"net": [{"quantity": 1}]}), "DATA"),
        (Canned([{"order_id": "7"}]), "DATA"),
        (Canned(manner="drop"), "NETWORK"),
    ],
)
def test_b10_a_book_that_was_not_received(
    server: RestServer, reads: KiteReads, name: str, answer: Canned, fault: str
) -> None:
    """B10: whatever one book fails by, it is None and named, never empty; the others are there."""
    server.answers[BOOKS[name]] = answer
    snapshot = reads.snapshot("PERIODIC", NOW)
    check_event(snapshot)
    assert getattr(snapshot, name) is None
    assert all(getattr(snapshot, other) is not None for other in BOOKS if other != name)
    (failed,) = snapshot.failed
    assert failed.split()[:2] == [name, fault]


def test_a_lookup_that_finds_nothing(server: RestServer, reads: KiteReads) -> None:
    """B01: absent only if orders and trades were both received; each failing alone is FAILED."""
    assert reads.lookup("P1", "tag1", None, NOW).outcome == "ABSENT"
    for path in ("/orders", "/trades"):
        server.answers[path] = refusal("NetworkException", 503)
        found = reads.lookup("P1", "tag1", None, NOW)
        assert (found.outcome, found.fault) == ("FAILED", "NETWORK")
        del server.answers[path]


def test_a_lookup_by_trades(server: RestServer, reads: KiteReads) -> None:
    """B01: an order that has traded and is not listed yet is found by its history."""
    server.trade_rows.append(objects.trade(order_id="7"))
    early = {"order_id": "7", "status": "PUT ORDER REQ RECEIVED", "instrument_token": 1}
    last = objects.order(order_id="7", status="COMPLETE", filled_quantity=130)
    server.answers["/orders/7"] = Canned([early, last])
    found = reads.lookup("P1", "tag1", "7", NOW)
    assert found.outcome == "FOUND" and found.report is not None
    assert (found.report.status, found.report.filled_units) == ("COMPLETE", 130)
    assert reads.lookup("P1", "tag1", "8", NOW).outcome == "ABSENT"
    for strange in ([], [early], None):
        server.answers["/orders/7"] = Canned(strange)
        assert reads.lookup("P1", "tag1", "7", NOW).outcome == "FAILED"


def test_a_lookup_among_damaged_rows(server: RestServer, reads: KiteReads) -> None:
    """A row that cannot be read fails the search, unless its tag shows that it is another's; two
    orders under one tag are for a person."""
    server.book += [objects.order(tag="other", tags=[], quantity=None)]
    assert reads.lookup("P1", "tag1", None, NOW).outcome == "ABSENT"
    assert reads.lookup("P1", "tag1", "7", NOW).outcome == "ABSENT"
    server.book[0]["order_id"] = "9"
    assert reads.lookup("P1", "tag1", "9", NOW).outcome == "FAILED"
    server.book += [objects.order(order_id="7", tag="tag1", tags=[])]
    assert reads.lookup("P1", "tag1", None, NOW).outcome == "FOUND"
    server.book += [objects.order(order_id="8", tag="tag1", tags=[])]
    assert reads.lookup("P1", "tag1", None, NOW).fault == "TAG_TWICE"
    server.book += [objects.order(tag=["tag1"])]
    found = reads.lookup("P1", "tag1", None, NOW)
    assert (found.outcome, found.fault) == ("FAILED", "DATA order.tag")


PAIR = MarginQuery(4, 5, "NFO", "NIFTYA", "NIFTYB", "NRML", 65, 11_015, 4_520)


def test_what_a_pair_asks_for(server: RestServer, reads: KiteReads) -> None:
    """The basket's final total, a part of a paisa rounded up; both orders as they would be sent,
    beside what is held. A refusal, a lost answer and a body without the figure tell nothing."""
    basket = {"initial": {"total": 99.0}, "final": {"total": 36_506.005}, "orders": []}
    server.answers["/margins/basket"] = Canned(basket)
    told = reads.margin(PAIR, NOW)
    check_event(told)
    assert told == MarginObserved(NOW, 4, 5, 65, 3_650_601, None)
    (asked,) = server.asked
    assert asked.method == "POST" and asked.query["consider_positions"] == ["True"]
    orders = json.loads(asked.body)
    assert [(one["transaction_type"], one["tradingsymbol"], one["price"]) for one in orders] == [
        ("BUY", "NIFTYA", 110.15), ("SELL", "NIFTYB", 45.2),
    ]  # fmt: skip
    assert {(one["quantity"], one["product"], one["order_type"]) for one in orders} == {
        (65, "NRML", "LIMIT")
    }
    bad: tuple[Any, ...] = (5, {"final": {}}, {"final": {"total": "1"}}, {"final": 1})
    for body in bad:
        server.answers["/margins/basket"] = Canned(body)
        told = reads.margin(PAIR, NOW)
        assert told.required_paise is None and (told.fault or "").startswith("DATA"), body
    server.answers["/margins/basket"] = refusal("TokenException", 403)
    assert reads.margin(PAIR, NOW).fault == "TOKEN"


def test_quotes(server: RestServer, reads: KiteReads, clock: Clock) -> None:
    """B15: quotes by name, one request a second, with their own time; an absent key has no row
    and is said."""
    server.answers["/quote"] = Canned({"NFO:A": objects.quote(), "NFO:C": objects.quote()})
    seen = reads.quotes([(4, "NFO:A"), (5, "NFO:B")], NOW)
    check_event(seen)
    assert [row.instrument for row in seen.rows] == [4]
    assert seen.rows[0].stamp_ts == ist_ns(20261008, "09:20:12")
    assert seen.fault == "DATA NFO:B is absent"
    assert server.asked[0].query == {"i": ["NFO:A", "NFO:B"]}
    many = reads.quotes([(n, "NFO:A" if n % 2 else "NFO:C") for n in range(1001)], NOW)
    assert (len(many.rows), many.fault) == (1001, None)
    assert [len(asked.query["i"]) for asked in server.asked[1:]] == [500, 500, 1]
    assert len(clock.waited) == 3
    server.answers["/quote"] = Canned({"NFO:A": objects.quote(last_price="1")})
    assert reads.quotes([(4, "NFO:A")], NOW).fault == "DATA NFO:A quote.last_price"
    server.answers["/quote"] = Canned(5)
    assert reads.quotes([(4, "NFO:A")], NOW).fault == "DATA"


def test_the_login_s_state(server: RestServer, clock: Clock) -> None:
    """F08: OK with its account and planned end, EXPIRED on a dead token, REFUSED for another
    account or a refusal, UNKNOWN for whatever is not certain."""
    reads = KiteReads(login, root=server.root, timeouts=PATIENT, pause=clock.wait, clock=clock)
    status = reads.auth(NOW)
    check_event(status)
    assert (status.status, status.account, status.fault) == ("OK", "AB1234", None)
    assert status.expires_ts == ist_ns(20261009, "06:00")
    for answer, told, fault in (
        (refusal("TokenException", 403), "EXPIRED", "TOKEN"),
        (refusal("UserException", 403), "REFUSED", "ACCOUNT"),
        (refusal("GeneralException", 500), "UNKNOWN", "GENERAL"),
        (Canned({"user_id": None}), "UNKNOWN", "DATA profile.user_id"),
        (Canned({"user_id": "ZZ9999"}), "REFUSED", "ACCOUNT"),
    ):
        server.answers["/user/profile"] = answer
        status = reads.auth(NOW)
        assert (status.status, status.fault) == (told, fault)
    reads.close()


@settings(max_examples=120, deadline=None)
@given(data=st.data(), status=st.sampled_from([200, 200, 200, 400, 403, 429, 500, 502, 302]))
def test_whatever_is_answered(data: st.DataObject, status: int) -> None:
    """B02, B10, E13: damaged books, envelopes and statuses, through the official client: nothing
    is raised, each answer is a fact that can be journaled, and no damaged book is an empty one."""
    bodies = {
        path: data.draw(ANSWERED[path](status), label=path)
        for path in ("/orders", "/trades", "/portfolio/positions", "/user/margins/equity")
    }
    clock = Clock()
    reads = KiteReads(login, root="http://127.0.0.1:9", pause=clock.wait, clock=clock)
    reads._caller._fence._session = Session(bodies, status)
    snapshot = reads.snapshot("PERIODIC", NOW)
    check_event(snapshot)
    received = [getattr(snapshot, name) is not None for name in BOOKS]
    assert len(snapshot.failed) == received.count(False)
    if status != 200:
        assert received == [False] * 4
    check_event(reads.lookup("P1", "0123456789abcdef", "7", NOW))
    check_event(reads.auth(NOW))
    reads.close()


def envelope(rows: st.SearchStrategy[Any]) -> Callable[[int], st.SearchStrategy[bytes]]:
    """Bodies: a success around ``rows``, an error, or anything that is JSON or is not."""

    def bodies(status: int) -> st.SearchStrategy[bytes]:
        error = {"status": "error", "message": "no", "error_type": "GeneralException"}
        good = rows.map(lambda data: json.dumps({"status": "success", "data": data}).encode())
        strange = objects.STRANGE.map(lambda data: json.dumps(data).encode())
        bad = st.one_of(strange, st.binary(max_size=20), st.just(json.dumps(error).encode()))
        return st.one_of(good, good, good, bad) if status == 200 else st.one_of(good, bad)

    return bodies


ANSWERED = {
    "/orders": envelope(st.lists(objects.damaged(objects.order()), max_size=3)),
    "/trades": envelope(st.lists(objects.damaged(objects.trade()), max_size=3)),
    "/portfolio/positions": envelope(
        st.fixed_dictionaries({"net": st.lists(objects.damaged(objects.position()), max_size=2)})
    ),
    "/user/margins/equity": envelope(objects.damaged(objects.margins())),
}


class Body:
    """A body as the client's library gives it out."""

    def __init__(self, content: bytes) -> None:
        self._rest = io.BytesIO(content)

    def read1(self, size: int, decode_content: bool) -> bytes:
        return self._rest.read(size if decode_content else 0)


class Session:
    """Stands where the client's library would send requests: answers from a table."""

    def __init__(self, bodies: dict[str, bytes], status: int) -> None:
        self._bodies = bodies
        self._status = status

    def request(self, _method: str, url: str, **_: Any) -> Session:
        self.raw = Body(self._bodies.get(urlsplit(url).path, b"{}"))
        self.status_code = self._status
        self.headers = {"content-type": "application/json"}
        return self

    def close(self) -> None:
        """Nothing to end."""


def test_the_dump(server: RestServer, reads: KiteReads) -> None:
    """All instruments as they came, unread; what is no CSV is a fault."""
    rows = b"instrument_token,exchange_token\n1,2\n"
    server.answers["/instruments"] = Canned(body=rows, content_type="text/csv")
    assert reads.dump().data == rows
    server.answers["/instruments"] = Canned([])
    reply = reads.dump()
    assert reply.verdict is not None and reply.verdict.fault == "DATA"
    sys.stdout.write(f"{len(ORDER_CALLS)} calls that change something\n")

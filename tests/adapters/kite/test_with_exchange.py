"""B01, B02, B05, B06, B14, B15: the adapter against the simulated exchange, over real sockets."""

from __future__ import annotations

import bisect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.exchange_sim.running import RunningExchange, running_exchange
from adapters.exchange_sim.spec import AccountSpec
from adapters.kite.broker import KiteOrders, KiteReads
from adapters.kite.calls import Timeouts
from adapters.kite.credentials import Credentials
from adapters.kite.history import HistoryRequest, load_history
from adapters.kite.rate import ORDERS_A_SECOND, Budgets
from adapters.kite.rate_file import OrderBudget, times_of
from adapters.kite.reports import (
    funds_of,
    net_positions_of,
    report_of,
    rows_of,
    trade_of,
    update_of,
)
from adapters.kite.secret import Secret
from adapters.kite.worker import OrderWorker
from engine.rulebook import NS_PER_S
from events.broker import BrokerReport, BrokerSnapshot, OrderSendResult
from events.canonical import check_event
from tests.adapters.exchange_sim.bench_market import CALL, DAY, NIFTY, Bench
from tests.adapters.exchange_sim.hand_market import START, HandMarket, at
from tests.adapters.kite.messages import ENTRY, EXIT, entry, exit_order
from tests.adapters.kite.rest_server import PATIENT
from tests.adapters.kite.test_broker import Clock
from tests.adapters.kite.test_worker import Facts

QUICK = Timeouts(connect_s=5.0, read_s=1.0, whole_s=1.0)
CALL_NAME = "NFO:NIFTY26NOV22600CE"
MARKET = HandMarket((60.0, b"\x00"), (120.0, b"\x00"))


def demo() -> Credentials:
    """The default account's login."""
    return Credentials(Secret("demo"), Secret("demo"), "demo", None, None, "environment")


@pytest.fixture
def exchange() -> Iterator[RunningExchange]:
    """An exchange whose time is moved by hand, at 10:00:00; ask 100.05, bid 99.95 for ten lots."""
    with running_exchange(MARKET, speed=0) as running:
        yield running


@pytest.fixture
def orders(exchange: RunningExchange, tmp_path: Path) -> Iterator[KiteOrders]:
    """The adapter, logged in there."""
    broker = orders_of(exchange, tmp_path)
    yield broker
    broker.close()


def orders_of(exchange: RunningExchange, folder: Path, timeouts: Timeouts = PATIENT) -> KiteOrders:
    """The adapter on a clock that only its own waiting moves, so that no test waits for it."""
    clock = Clock()
    budget = OrderBudget(folder, Budgets(), clock, lambda: DAY, clock.wait)
    return KiteOrders(
        demo, budget, root=exchange.rest, timeouts=timeouts, pause=clock.wait, clock=clock
    )


def buy(number: int = 1, **changed: Any) -> Any:
    """A buy of one lot of the call, at 100.10 unless told otherwise: more than its ask."""
    terms = {"tradingsymbol": CALL.tradingsymbol, "limit_paise": 10_010, **changed}
    return entry(number, **terms)


def sell(number: int = 1, **changed: Any) -> Any:
    """A sale of one lot of the call at 99.90."""
    terms = {"tradingsymbol": CALL.tradingsymbol, "limit_paise": 9_990, **changed}
    return exit_order(number, **terms)


def books(orders: KiteReads) -> BrokerSnapshot:
    """The books, all of them received."""
    snapshot = orders.snapshot("PERIODIC", START)
    check_event(snapshot)
    assert snapshot.failed == ()
    return snapshot


def ledger(exchange: RunningExchange) -> dict[str, int]:
    """The exchange's own truth: net units by symbol."""
    rows = exchange.do(lambda server: server.exchange.ledger())
    return {row[1]: row[3] for row in rows}


def found(orders: KiteReads, number: int, broker_order_id: str | None = None) -> BrokerReport:
    """The report of an order that must be found by its tag."""
    lookup = orders.lookup(f"P{number}", f"tag{number:012d}", broker_order_id, START)
    check_event(lookup)
    assert lookup.report is not None, lookup
    return lookup.report


# --- a good day ----------------------------------------------------------------------------------


def test_a_round_trip(exchange: RunningExchange, orders: KiteOrders) -> None:
    """What the adapter reads is what the exchange's own ledger says: orders, fills to the paisa,
    positions, and money."""
    bought = orders.send(buy(1, quantity_units=1300, limit_paise=10_500), ENTRY)
    assert bought.outcome == "ACCEPTED"
    exchange.step_to(at(1))
    report = found(orders, 1)
    assert report.status == "OPEN" and report.filled_units == 650
    assert report.filled_value_paise == 650 * 10_005
    sold = orders.send(sell(2), EXIT)
    assert sold.outcome == "ACCEPTED"
    exchange.step_to(at(2))
    snapshot = books(orders)
    assert snapshot.trades is not None and snapshot.positions is not None
    value = sum(t.quantity_units * t.price_paise for t in snapshot.trades if t.side == "BUY")
    assert value == report.filled_value_paise
    (position,) = snapshot.positions
    assert position.net_units == ledger(exchange)[CALL.tradingsymbol] == 585
    assert (position.buy_value_paise, position.sell_value_paise) == (value, 65 * 9_995)
    assert snapshot.funds is not None and 0 < snapshot.funds.net_paise < 500_000_000
    assert found(orders, 2).status == "COMPLETE"


def test_modify_and_cancel(exchange: RunningExchange, orders: KiteOrders) -> None:
    """A protective stop is placed, moved and cancelled to its end; then the broker has no such
    order any more."""
    orders.send(buy(1), ENTRY)
    exchange.step_to(at(1))
    stop = {"order_type": "SL", "limit_paise": 8_900, "trigger_paise": 9_000}
    placed = orders.send(sell(2, **stop), EXIT)
    exchange.step_to(at(2))
    assert found(orders, 2).status == "TRIGGER PENDING"
    moved = {**stop, "trigger_paise": 9_500, "limit_paise": 9_400}
    moved["action"], moved["broker_order_id"] = "MODIFY", placed.broker_order_id
    assert orders.send(sell(2, **moved), EXIT).outcome == "ACCEPTED"
    exchange.step_to(at(3))
    report = found(orders, 2)
    assert (report.trigger_paise, report.limit_paise) == (9_500, 9_400)
    cancel = sell(2, action="CANCEL", broker_order_id=placed.broker_order_id)
    assert orders.send(cancel, EXIT).outcome == "ACCEPTED"
    exchange.step_to(at(4))
    assert found(orders, 2).status == "CANCELLED"
    again = orders.send(cancel, EXIT)
    assert (again.outcome, again.fault) == ("REFUSED", "ORDER_GONE")


def test_a_market_exit_is_protected(exchange: RunningExchange, orders: KiteOrders) -> None:
    """A market order goes with its protection and shows as the limit order that it becomes."""
    orders.send(buy(1), ENTRY)
    exchange.step_to(at(1))
    market = {"order_type": "MARKET", "limit_paise": None, "protection_bps": 200}
    assert orders.send(sell(2, **market), EXIT).outcome == "ACCEPTED"
    exchange.step_to(at(2))
    report = found(orders, 2)
    assert (report.status, report.order_type) == ("COMPLETE", "LIMIT")
    assert "mktp" in report.tags and ledger(exchange).get(CALL.tradingsymbol, 0) == 0


def test_the_other_questions(exchange: RunningExchange, orders: KiteOrders) -> None:
    """Login, quotes, the dump and candles of the same exchange."""
    status = orders.auth(START)
    assert (status.status, status.account) == ("OK", "demo")
    quotes = orders.quotes([(2, CALL_NAME), (0, "NSE:NIFTY 50"), (4, "NFO:NONE")], START)
    check_event(quotes)
    option, spot = quotes.rows
    assert (option.bid_paise, option.ask_paise, option.bid_units) == (9_995, 10_005, 650)
    assert (spot.ltp_paise, spot.bid_paise) == (2_262_000, 0)
    assert quotes.fault == "DATA NFO:NONE is absent"
    dump = orders.dump().data
    assert dump is not None and CALL.tradingsymbol.encode() in dump
    exchange.step_to(at(90))
    loaded = load_history(orders, HistoryRequest(0, NIFTY.token, 60_000, START, at(90)))
    check_event(loaded)
    assert (loaded.starts, loaded.closes_paise, loaded.fault) == ((START,), (2_262_000,), None)


@settings(max_examples=25, deadline=None)
@given(
    orders=st.lists(
        st.tuples(
            st.sampled_from(["BUY", "SELL"]),
            st.integers(1, 20),
            st.integers(9_970, 10_030),
            st.sampled_from(["LIMIT", "MARKET"]),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_everything_the_exchange_says_is_read(orders: list[tuple[str, int, int, str]]) -> None:
    """Every order, history, message, trade, position and margin of any orders is read, and what
    was filled is the exchange's own value: to the rounding of its average by the book, to the
    paisa by the trades."""
    bench = Bench(account=AccountSpec(cash_paise=10**12))
    for side, lots, paise, order_type in orders:
        market = order_type == "MARKET"
        bench.place(
            transaction_type=side,
            quantity=65 * lots,
            order_type=order_type,
            price=None if market else paise // 5 * 5 / 100,
            market_protection=2 if market else None,
        )
        bench.wait(1_000)
    exchange, now = bench.exchange, bench.now
    reports = rows_of(exchange.orders(now), "orders", report_of)
    trades = rows_of(exchange.trades(now), "trades", trade_of)
    heard = [update_of("SOCKET", data).report for data in bench.heard]
    histories = [exchange.order_history(now, r.broker_order_id) for r in reports]
    assert all(report_of(rows[-1]) for rows in histories)
    assert len(reports) == len(orders) and len(heard) >= sum(r.filled_units > 0 for r in reports)
    for report in reports:
        check_event(report)
        mine = [t for t in trades if t.broker_order_id == report.broker_order_id]
        assert sum(t.quantity_units for t in mine) == report.filled_units
        value = sum(t.quantity_units * t.price_paise for t in mine)
        assert abs(value - report.filled_value_paise) * 200 <= report.filled_units + 100
    net = {p.tradingsymbol: p.net_units for p in net_positions_of(exchange.positions(now))}
    assert {symbol: units for symbol, units in net.items() if units} == {
        symbol: units for _, symbol, _, units in exchange.ledger() if units
    }
    assert funds_of(exchange.margins(now, "equity")).net_paise <= 10**12


# --- the faults ----------------------------------------------------------------------------------

ACCEPTED_AND_LOST = {
    "lost_acknowledgement": 'kind = "lost_acknowledgement"',
    "accepted_but_timed_out": 'kind = "accepted_but_timed_out"',
    "server_error": 'kind = "server_error"\naccepted = true\nrequests = ["place"]',
}


@pytest.mark.parametrize("name", ACCEPTED_AND_LOST)
def test_b01_accepted_then_dropped(exchange: RunningExchange, tmp_path: Path, name: str) -> None:
    """B01: the exchange has the order and its answer never comes, or comes as a page of the edge:
    UNKNOWN, one message, found by its tag, bought once."""
    orders = orders_of(exchange, tmp_path, QUICK)
    exchange.fault(f"[[fault]]\n{ACCEPTED_AND_LOST[name]}\n")
    result = orders.send(buy(1), ENTRY)
    check_event(result)
    assert (result.outcome, result.broker_order_id) == ("UNKNOWN", None)
    exchange.step_to(at(1))
    assert found(orders, 1).status == "COMPLETE"
    snapshot = books(orders)
    assert snapshot.orders is not None and len(snapshot.orders) == 1
    assert ledger(exchange) == {CALL.tradingsymbol: 65}
    orders.close()


NOT_DONE: dict[str, tuple[str, str, str]] = {
    "too_many_requests": ('kind = "too_many_requests"', "UNKNOWN", "RATE"),
    "server_error": (
        'kind = "server_error"\nstatus = 503\nrequests = ["place"]', "UNKNOWN", "NETWORK"
    ),
    "refused_address": ('kind = "refused_address"\nfor = "1s"', "REFUSED", "IP"),
    "rest_dead": ('kind = "rest_dead"\nfor = "1s"', "UNKNOWN", "NETWORK"),
}  # fmt: skip


@pytest.mark.parametrize("name", NOT_DONE)
def test_b02_refused_or_unknown(exchange: RunningExchange, orders: KiteOrders, name: str) -> None:
    """B02: what certainly did nothing is REFUSED with its fault, the rest UNKNOWN and found absent
    afterwards; nothing was bought."""
    script, outcome, fault = NOT_DONE[name]
    exchange.fault(f"[[fault]]\n{script}\n")
    result = orders.send(buy(1), ENTRY)
    check_event(result)
    assert (result.outcome, result.fault) == (outcome, fault)
    exchange.step_to(at(5))
    assert orders.lookup("P1", "tag000000000001", None, START).outcome == "ABSENT"
    assert ledger(exchange) == {}


@pytest.mark.parametrize("kind", ["token_expiry", "second_login"])
def test_b02_a_dead_login_refuses(exchange: RunningExchange, orders: KiteOrders, kind: str) -> None:
    """B02: a message under a dead token is REFUSED by that name, and the exchange has no order."""
    exchange.fault(f'[[fault]]\nkind = "{kind}"\nfor = "1s"\n')
    result = orders.send(buy(1), ENTRY)
    check_event(result)
    assert (result.outcome, result.fault) == ("REFUSED", "TOKEN")
    exchange.step_to(at(5))
    assert orders.lookup("P1", "tag000000000001", None, START).outcome == "FAILED"
    assert exchange.do(lambda server: server.exchange.unlagged()) == ([], [])


def test_a_dead_login_is_not_flat(exchange: RunningExchange, orders: KiteOrders) -> None:
    """F08, B10: under a dead token no book is received and none is empty."""
    orders.send(buy(1), ENTRY)
    exchange.step_to(at(1))
    exchange.fault('[[fault]]\nkind = "token_expiry"\n')
    snapshot = orders.snapshot("PERIODIC", START)
    assert (snapshot.orders, snapshot.positions, snapshot.funds) == (None, None, None)
    assert snapshot.failed[0] == "orders TOKEN"
    status = orders.auth(START)
    assert (status.status, status.fault) == ("EXPIRED", "TOKEN")
    assert orders.lookup("P1", "tag000000000001", None, START).outcome == "FAILED"


def test_a_book_that_lags(exchange: RunningExchange, orders: KiteOrders) -> None:
    """B01: an order that is not listed yet is ABSENT, which is not "not there": later it is
    found."""
    exchange.fault('[[fault]]\nkind = "listing_lag"\nlag_ms = 3000\n')
    assert orders.send(buy(1, limit_paise=9_000), ENTRY).outcome == "ACCEPTED"
    exchange.step_to(at(1))
    assert orders.lookup("P1", "tag000000000001", None, START).outcome == "ABSENT"
    exchange.step_to(at(4))
    assert found(orders, 1).status == "OPEN"


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "tick": ({"limit_paise": 10_003}, "TICK"),
    "lot": ({"quantity_units": 64}, "LOT"),
    "freeze": ({"quantity_units": 65 * 100}, "FREEZE"),
    "above the day's range": ({"limit_paise": 1_000_000}, "CIRCUIT"),
    "no such contract": ({"tradingsymbol": "NIFTY26NOV99999CE"}, "INSTRUMENT"),
    "an index": ({"tradingsymbol": "NIFTY 50", "exchange": "NSE"}, "INPUT"),
    "trigger": ({"order_type": "SL", "limit_paise": 9_900, "trigger_paise": 9_800}, "TRIGGER"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_b05_each_refusal_has_its_fault(
    exchange: RunningExchange, orders: KiteOrders, name: str
) -> None:
    """B05: the exchange's refusals by name are definite, with the broker's words as they came."""
    changed, fault = REFUSED[name]
    result = orders.send(buy(1, **changed), ENTRY)
    check_event(result)
    assert (result.outcome, result.fault) == ("REFUSED", fault), result
    assert result.message and result.http_status == 400
    assert books(orders).orders == ()


def test_b05_a_late_refusal(exchange: RunningExchange, orders: KiteOrders) -> None:
    """B05: an order that was accepted and is then rejected shows so with the exchange's words."""
    exchange.fault('[[fault]]\nkind = "rejected_orders"\n')
    assert orders.send(buy(1), ENTRY).outcome == "ACCEPTED"
    exchange.step_to(at(1))
    report = found(orders, 1)
    assert (report.status, report.filled_units, report.filled_value_paise) == ("REJECTED", 0, 0)
    assert report.status_message is not None and "not allowed" in report.status_message


def test_b05_modified_too_often(exchange: RunningExchange, orders: KiteOrders) -> None:
    """The 26th modification of an order is refused by name: cancel and place again."""
    placed = orders.send(buy(1, limit_paise=9_000), ENTRY)
    exchange.step_to(at(1))
    results: list[OrderSendResult] = []
    for number in range(26):
        change = {"action": "MODIFY", "broker_order_id": placed.broker_order_id}
        results.append(orders.send(buy(1, limit_paise=9_005 + 5 * number, **change), ENTRY))
        exchange.step_to(at(2 + number))
    assert {result.outcome for result in results[:25]} == {"ACCEPTED"}
    assert (results[25].outcome, results[25].fault) == ("REFUSED", "MODIFICATIONS"), results[25]


def test_b14_the_tag_comes_back(exchange: RunningExchange, orders: KiteOrders) -> None:
    """B14: tags of every length that can be sent stand in the book as they were sent, beside the
    broker's own."""
    tags = ["A", "0123456789abcdef", "x" * 19, "Zz09" * 5]
    for number, tag in enumerate(tags):
        assert orders.send(buy(number, tag=tag, limit_paise=9_000), ENTRY).outcome == "ACCEPTED"
    exchange.step_to(at(1))
    for tag in tags:
        lookup = orders.lookup("P", tag, None, START)
        assert lookup.report is not None and lookup.report.tags == (tag,)
    shorter = orders.lookup("P", "Zz09" * 4, None, START)
    assert shorter.outcome == "ABSENT"


@pytest.mark.parametrize("offset_ms", [-3_600_000, 3_600_000])
def test_b15_a_broker_whose_clock_is_off(
    exchange: RunningExchange, orders: KiteOrders, offset_ms: int
) -> None:
    """B15: its times come as it tells them and decide nothing: state, fills and the search are
    those of a clock that is right."""
    exchange.fault(f'[[fault]]\nkind = "clock_offset"\noffset_ms = {offset_ms}\n')
    orders.send(buy(1), ENTRY)
    exchange.step_to(at(1))
    report = found(orders, 1)
    assert (report.status, report.filled_units) == ("COMPLETE", 65)
    assert report.order_ts is not None
    assert abs(report.order_ts - (START + offset_ms * 1_000_000)) <= NS_PER_S
    assert books(orders).positions is not None


@pytest.mark.slow
def test_b06_a_burst_meets_no_limit(tmp_path: Path) -> None:
    """B06: thirty messages as fast as they may go, over three lanes and in real time, are all
    taken by an exchange that refuses the eleventh of a second; no second holds more than eight."""
    facts = Facts()
    with running_exchange(HandMarket(), speed=1.0) as exchange:
        budget = OrderBudget(tmp_path, Budgets(), day=lambda: DAY)
        lanes = [KiteOrders(demo, budget, root=exchange.rest, timeouts=PATIENT) for _ in range(3)]
        worker = OrderWorker(lanes, facts.post)
        worker.start()
        for number in range(30):
            worker.send(buy(number, limit_paise=9_000), ENTRY)
        facts.wait(30)
        assert worker.close()
    outcomes = [r.outcome for r in facts.results().values()]
    assert outcomes.count("ACCEPTED") >= 12
    assert {(r.outcome, r.fault) for r in facts.results().values()} <= {
        ("ACCEPTED", None),
        ("NOT_SENT", "BUDGET"),
    }
    (file,) = tmp_path.iterdir()
    times = times_of(file.read_bytes())
    most = max(bisect.bisect_right(times, t + NS_PER_S) - i for i, t in enumerate(times))
    assert most <= ORDERS_A_SECOND - Budgets().exits_second
    sys.stdout.write(f"B06: {len(times)} messages, at most {most} in a second\n")


def test_an_account_without_money(tmp_path: Path) -> None:
    """The broker's class for want of money is not in the official client, and is read all the
    same."""
    with running_exchange(MARKET, speed=0, account=AccountSpec(cash_paise=100)) as exchange:
        orders = orders_of(exchange, tmp_path)
        result = orders.send(buy(1), ENTRY)
        assert (result.outcome, result.fault) == ("REFUSED", "MARGIN")
        assert result.error_class == "MarginException"
        orders.close()

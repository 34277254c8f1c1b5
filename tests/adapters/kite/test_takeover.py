"""S08, B10: a login that ended is told by whatever answer says so first, over real sockets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.exchange_sim.running import RunningExchange, running_exchange
from adapters.kite.broker import KiteReads
from adapters.kite.history import HistoryRequest
from adapters.kite.worker import OrderWorker, ReadWorker
from events.broker import AuthStatus, OrderSendResult
from tests.adapters.exchange_sim.bench_market import NIFTY
from tests.adapters.exchange_sim.hand_market import START, at
from tests.adapters.kite.messages import ENTRY
from tests.adapters.kite.rest_server import PATIENT
from tests.adapters.kite.test_with_exchange import MARKET, buy, demo, orders_of
from tests.adapters.kite.test_worker import Facts

LOST = AuthStatus("EXPIRED", "demo", None, "TOKEN")

QUESTIONS: dict[str, Callable[[ReadWorker], None]] = {
    "books": lambda reads: reads.snapshot("PERIODIC"),
    "lookup": lambda reads: reads.lookup("P1", "tag1", None),
    "quotes": lambda reads: reads.quotes([(0, "NSE:NIFTY 50")]),
    "history": lambda reads: reads.history(HistoryRequest(0, NIFTY.token, 60_000, START, at(90))),
}


def _reads(exchange: RunningExchange, facts: Facts) -> ReadWorker:
    reads = ReadWorker(
        KiteReads(demo, root=exchange.rest, timeouts=PATIENT), facts.post, lambda: START
    )
    reads.start()
    return reads


@pytest.mark.parametrize("what", QUESTIONS)
def test_a_second_login_elsewhere_is_seen_by_any_question(what: str) -> None:
    """Whatever is asked once somebody else logged in: its own answer, then AuthStatus EXPIRED; the
    same question before that is followed by nothing."""
    with running_exchange(MARKET, speed=0) as exchange:
        facts = Facts()
        reads = _reads(exchange, facts)
        QUESTIONS[what](reads)
        reads.auth()
        before = [one for one in facts.wait(2) if isinstance(one, AuthStatus)]
        assert [one.status for one in before] == ["OK"]
        exchange.fault('[[fault]]\nkind = "second_login"\n')
        QUESTIONS[what](reads)
        assert facts.wait(4)[3] == LOST
        assert reads.close()


def test_a_second_login_elsewhere_is_seen_by_an_order(tmp_path: Path) -> None:
    """An entry that is refused for the login: its result, then AuthStatus EXPIRED, at once."""
    with running_exchange(MARKET, speed=0) as exchange:
        facts = Facts()
        exchange.fault('[[fault]]\nkind = "second_login"\n')
        worker = OrderWorker([orders_of(exchange, tmp_path)], facts.post)
        worker.start()
        worker.send(buy(), ENTRY)
        result, status = facts.wait(2)
        assert isinstance(result, OrderSendResult)
        assert (result.outcome, result.fault) == ("REFUSED", "TOKEN")
        assert status == LOST
        assert worker.close()

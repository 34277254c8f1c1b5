"""F08: the login of the simulated exchange: one that was ended is replaced, and not used again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from adapters.exchange_sim.running import RunningExchange, running_exchange
from adapters.kite.calls import Timeouts
from adapters.kite.link import Limits
from cli.broker import timeouts_at
from cli.demo_login import Person, living_login
from cli.errors import UserError
from cli.feed import limits_at
from events.broker import AuthStatus
from tests.adapters.exchange_sim.clients import ask
from tests.adapters.exchange_sim.hand_market import HandMarket, at

DEADLINE_S = 20.0
LOST = AuthStatus("EXPIRED", "demo", None, "TOKEN")


@pytest.fixture
def exchange() -> Iterator[RunningExchange]:
    """Time by hand, and nothing happens."""
    with running_exchange(HandMarket(), speed=0) as running:
        yield running


def dies(exchange: RunningExchange) -> None:
    exchange.fault('[[fault]]\nkind = "token_expiry"\n')


def lives(exchange: RunningExchange, token: str) -> bool:
    """Whether the exchange takes it."""
    return ask(exchange, "GET", "/user/profile", token=f"demo:{token}").status == 200


def until(wanted: object) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + DEADLINE_S
    pause = threading.Event()
    while not wanted():  # type: ignore[operator]
        assert time.monotonic() < end
        pause.wait(0.01)


def test_news_of_a_lost_login_leads_to_another(exchange: RunningExchange) -> None:
    """The person begins with the known token, changes nothing while it lives, and has another one
    after it was ended; the news twice is one login; a second death leads to a third token."""
    person = Person(exchange.rest, 0.01, lambda: at(0))
    first = person().access_token.reveal()
    person.heard(AuthStatus("OK", "demo", None, None))
    person.heard(AuthStatus("UNKNOWN", "demo", None, None))
    assert lives(exchange, first)
    tokens = [first]
    for _ in range(2):
        dies(exchange)
        assert not lives(exchange, tokens[-1])
        person.heard(LOST)
        person.heard(LOST)
        until(lambda: person().access_token.reveal() != tokens[-1])
        tokens.append(person().access_token.reveal())
        assert lives(exchange, tokens[-1])
        until(lambda: person._thread is None)
    person.close()
    assert len({*tokens}) == 3
    assert ask(exchange, "GET", "/sim/account").json["logins"] == 2


def test_a_person_tries_until_the_exchange_answers_and_ends_when_told() -> None:
    """Nobody is there: it is tried again and again, and the end ends that."""
    with running_exchange(HandMarket(), speed=0) as running:
        nowhere = running.rest
    person = Person(nowhere, 0.01, lambda: at(0))
    person.heard(LOST)
    person.close()
    person.heard(LOST)
    assert person._thread is None or not person._thread.is_alive()
    assert person().access_token.reveal() == "demo"


def test_whoever_comes_later_has_a_login_that_lives(exchange: RunningExchange) -> None:
    """The known token where it is taken, another where it is not; no exchange is an error."""
    assert living_login(exchange.rest, at(0)).access_token.reveal() == "demo"
    dies(exchange)
    login = living_login(exchange.rest, at(0))
    assert lives(exchange, login.access_token.reveal())
    with pytest.raises(UserError, match="is the exchange running"):
        living_login("http://127.0.0.1:9", at(0))


def test_the_feed_waits_in_the_market_s_time() -> None:
    """And the broker's answers are waited for in it: at speed 1 as long as ever, faster the waits
    shrink with it, and never to nothing."""
    assert limits_at(1) == Limits()
    ten, fast = limits_at(10), limits_at(1_000)
    assert (ten.backoff_cap_ms, ten.token_look_ms) == (6_000, 500)
    assert (fast.backoff_cap_ms, fast.token_look_ms, fast.hour_ms) == (200, 20, 3_600)
    assert fast.silence_ms == Limits().silence_ms
    assert timeouts_at(1) == Timeouts()
    assert timeouts_at(2) == Timeouts(1.5, 3.5, 5.0)
    assert timeouts_at(400) == Timeouts(1.0, 1.0, 1.0)

"""The login of a session with a broker: entries need one that is known to be taken."""

from __future__ import annotations

import pytest

from engine.orders.outbox import auth_due, next_message
from engine.state import State
from events.broker import AuthStatus, BrokerSnapshot
from events.decision import DecisionMade
from events.feed import TimerTick
from events.governance import IncidentRaised
from events.orders import IntentApproved
from events.session import OperatorCommand
from tests.engine.orders.told import Told
from tests.engine.orders.world import CONTEXT, SECOND, World

OK = AuthStatus("OK", "demo", None, None)
EXPIRED = AuthStatus("EXPIRED", "demo", None, "TOKEN")
UNKNOWN = AuthStatus("UNKNOWN", "demo", None, "TIMEOUT")


def _reason(desk: Told) -> tuple[str, str | None]:
    made = desk.said(DecisionMade)[-1]
    return made.stage, made.reason


@pytest.mark.parametrize(
    ("status", "code"),
    [("UNKNOWN", "GOV_LOGIN_UNKNOWN"), ("EXPIRED", "GOV_LOGIN"), ("REFUSED", "GOV_LOGIN")],
)
def test_an_entry_needs_a_login_that_is_known_to_be_taken(status: str, code: str) -> None:
    """Fail-closed: the moment of an entry, with the login as it is: only OK lets it through."""
    plain = Told()
    plain.tell(TimerTick(plain.now, 0), 0)
    assert plain.said(IntentApproved), "canary: with the login OK the same moment enters"
    desk = Told()
    desk.tell(AuthStatus(status, None, None, "TIMEOUT"), 0)
    desk.tell(TimerTick(desk.now, 0), 0)
    assert desk.said(IntentApproved) == []
    assert _reason(desk) == ("N7_GOVERNANCE_LOCKS_OK", code)


def test_an_answer_that_does_not_come_makes_no_lost_login_good() -> None:
    """AUTH_LOST stays open while nobody knows, and is over once the broker takes the login."""
    desk, _ = Told.bought()
    desk.tell(EXPIRED)
    assert "AUTH_LOST" in desk.open_codes()
    desk.tell(UNKNOWN)
    desk.tick()
    assert "AUTH_LOST" in desk.open_codes()
    desk.tell(OK)
    assert "AUTH_LOST" not in desk.open_codes()


def test_an_entry_that_is_approved_does_not_leave_without_a_login() -> None:
    """The login is lost between the approval and the message: the entry stays and lapses; the same
    entry leaves where the login holds."""
    desk = Told()
    desk.tell(TimerTick(desk.now, 0), 0)
    assert desk.said(IntentApproved)
    held = desk.fork()
    assert next_message(desk.state, CONTEXT) is not None, "canary"
    for lost in (EXPIRED, UNKNOWN):
        other = held.fork()
        other.tell(lost)
        assert other.send() == []
    held.tell(EXPIRED)
    held.tick(held.state.config.orders.entry_valid_ms + 1_000)
    assert held.reasons()["ORDER_LAPSED"] == 1
    assert held.send() == []


def test_exits_and_cancels_leave_whatever_the_login_is() -> None:
    """Only entries wait for a login: a stop's cancel is tried all the same."""
    desk, _ = Told.bought()
    desk.tell(EXPIRED)
    desk.tell(OperatorCommand("FLATTEN", "t", "end", None, None, "c1", "NONE"))
    assert [one.action for one in desk.send()] == ["CANCEL"]


def _aged(desk: Told, ms: int) -> State:
    return desk.fork_at(ms).state


def test_the_login_is_asked_about_with_the_books_and_sooner_while_nobody_knows() -> None:
    """Bounded: every ``orders.reconcile_s`` while it is taken or refused, after 5 s where nobody
    knows, at once where it was never seen; never before."""
    every_ms = Told().state.config.orders.reconcile_s * 1_000
    found = []
    for status, wait_ms in ((OK, every_ms), (EXPIRED, every_ms), (UNKNOWN, 5_000)):
        desk = Told()
        desk.tell(status)
        assert not auth_due(_aged(desk, wait_ms - 100))
        found.append(auth_due(_aged(desk, wait_ms)))
    assert found == [True, True, True]


def test_after_a_takeover_the_first_sees_the_foreign_login_and_does_not_send() -> None:
    """S08: another machine logs in, which ends the first's login while its socket lives on: the
    first learns it by its books at the latest, tells AUTH_LOST once, and starts no entry any more,
    at the moment at which it would have; it is over once a person has logged in anew."""
    first = Told()
    unaware = first.fork()
    unaware.tell(TimerTick(unaware.now, 0), 0)
    assert [one.side for one in unaware.send()] == ["BUY"], "canary: who does not know it sends"
    failed = tuple(f"{book} TOKEN" for book in ("orders", "trades", "positions", "funds"))
    first.tell(BrokerSnapshot("PERIODIC", first.now, None, None, None, None, failed))
    first.tell(EXPIRED, 0)  # as the worker posts it: tests/adapters/kite/test_takeover.py
    for _ in range(5):
        first.tell(TimerTick(first.now, 0), 0)
        assert first.send() == []
        first.now += SECOND
    raised = [one.code for one in first.said(IncidentRaised)]
    assert raised.count("AUTH_LOST") == 1
    first.tell(OK)
    assert "AUTH_LOST" not in first.open_codes()


class _Asked(World):
    """A world that counts how often the login is asked about."""

    asked = 0

    def ask_auth(self) -> None:
        type(self).asked += 1
        super().ask_auth()


def test_a_session_asks_about_its_login_by_itself() -> None:
    """Over 70 s and a period of 30 s the login is asked about twice or three times, no more."""
    _Asked.asked = 0
    found = _Asked().run()
    assert found.problems == ()
    assert 2 <= _Asked.asked <= 3

"""B10: what a session looks after by itself: readiness counts the incidents that are said with it,
and the session's own end is no fault of the broker."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from engine.core import Core
from engine.lookup import lookup_for
from engine.orders.incidents import apply_incident_raised, apply_incident_resolved
from engine.orders.pricing import leaving_paise
from engine.orders.reconcile import compared
from engine.orders.reduce import apply_broker_snapshot
from engine.orders.watch import watched
from engine.rulebook import ist_ns
from engine.state import NEW_LEG, Order, Position, State
from events.base import Event
from events.broker import BrokerSnapshot
from events.governance import IncidentRaised, IncidentResolved, ReadinessChanged
from events.session import SessionResumed
from tests.engine.build import quote_of, with_quote
from tests.engine.fabricated import DAY
from tests.engine.orders.test_gates import SECOND, _desk, session
from tests.engine.orders.world import GOOD, LOST_ANSWER, World
from tests.engine.test_exits import CONTRACT, _long

ROUNDS_MAX = 5


def _said(state: State) -> tuple[State, list[Event]]:
    """The state and the events once there is nothing more to say."""
    said: list[Event] = []
    for _ in range(ROUNDS_MAX):
        events = watched(state)
        if not events:
            return state, said
        for one in events:
            look = lookup_for(state)
            if isinstance(one, IncidentRaised):
                state = apply_incident_raised(state, one, state.now, look)
            elif isinstance(one, IncidentResolved):
                state = apply_incident_resolved(state, one, state.now, look)
            elif isinstance(one, ReadinessChanged):
                state = _desk(readiness=one.status, blockers=one.reasons)(state)
        said += events
    raise AssertionError(f"it never comes to rest: {said}")


def _statuses(said: list[Event]) -> list[tuple[str, tuple[str, ...]]]:
    return [(one.status, one.reasons) for one in said if isinstance(one, ReadinessChanged)]


def test_readiness_counts_the_incident_that_is_said_with_it() -> None:
    """The fact that raises an incident says DEGRADED, and the one that resolves it READY."""
    state, _ = _said(session())
    before = (state.desk.readiness, state.desk.blockers)
    assert before == ("READY", ())
    state, said = _said(_desk(dropped_ns=state.now - 5 * SECOND)(state))
    assert [one.code for one in said if isinstance(one, IncidentRaised)] == ["FRAMES_DROPPED"]
    assert _statuses(said) == [("DEGRADED", ("FRAMES_DROPPED",))]
    state, said = _said(_desk(dropped_ns=0)(state))
    assert [one.code for one in said if isinstance(one, IncidentResolved)] == ["FRAMES_DROPPED"]
    assert _statuses(said) == [before]


WHOLE = BrokerSnapshot("AFTER_CLOSE", 0, (), (), (), None, ())


def _books(fault: str) -> BrokerSnapshot:
    failed = tuple(f"{book} {fault}" for book in ("orders", "trades", "positions", "funds"))
    return BrokerSnapshot("PERIODIC", 0, None, None, None, None, failed)


def test_books_that_the_end_kept_from_being_asked_for_are_no_incident() -> None:
    """CLOSING is our own word; any other fault is the broker's, and is told."""
    state = session()
    assert compared(state, _books("CLOSING")) == []
    [raised] = compared(state, _books("NETWORK"))
    assert isinstance(raised, IncidentRaised) and raised.code == "BROKER_UNREACHABLE"


def test_the_books_of_the_end_count_whatever_is_not_asked_after_them() -> None:
    """Once they came whole, a question that the end kept back does not make them missing; one that
    the broker failed to answer does."""
    state = apply_broker_snapshot(session(), WHOLE, session().now, lookup_for(session()))
    assert state.desk.closing_books
    for fault, closed in (("CLOSING", True), ("NETWORK", False)):
        after = apply_broker_snapshot(state, _books(fault), state.now, lookup_for(state))
        assert after.desk.closing_books is closed


def test_whole_books_behind_those_of_the_end_do_not_undo_them() -> None:
    """A periodic question was on its way when the session ended; before the books of the end it
    stands for nothing, and another life of the engine must ask for them itself."""
    state = session()
    periodic = replace(WHOLE, trigger="PERIODIC")
    assert not apply_broker_snapshot(
        state, periodic, state.now, lookup_for(state)
    ).desk.closing_books
    state = apply_broker_snapshot(state, WHOLE, state.now, lookup_for(state))
    state = apply_broker_snapshot(state, periodic, state.now, lookup_for(state))
    assert state.desk.closing_books
    core = Core(state)
    core.step(state.seq + 1, state.now, SessionResumed(state.seq, "", 0))
    assert not core.state.desk.closing_books


def test_lost_frames_are_told_by_the_fact_that_tells_of_them() -> None:
    """F06: not a tick later: an entry may be decided before that."""
    state, _ = _said(session())
    state, said = _said(_desk(dropped_ns=state.now)(state))
    assert [one.code for one in said if isinstance(one, IncidentRaised)] == ["FRAMES_DROPPED"]


@pytest.mark.parametrize("updates", [True, False])
def test_an_unknown_order_that_is_found_filled_is_unknown_no_more(updates: bool) -> None:
    """B01: the answer is lost and the order is filled at once: a lookup, or its update, shows it
    complete, and neither ORDER_UNKNOWN nor ORDER_UNKNOWN_LONG stays open."""
    settings = (("orders", "unknown_cutoff_s", 1), ("orders", "unknown_ms", 3_000))
    found = World((LOST_ANSWER, GOOD), updates=updates, settings=settings).run()
    assert found.problems == ()
    orders = (*found.state.orders, *found.state.desk.ended)
    unknown = [one for one in orders if one.leg is not None and one.leg.status == "UNKNOWN"]
    assert unknown == []
    assert [one.code for one in found.state.desk.incidents if "UNKNOWN" in one.code] == []


def test_a_position_after_the_deadline_needs_a_person() -> None:
    """A minute after the hard deadline whoever is still held is told, not a nanosecond earlier, and
    it is over with the position."""
    held = _long(session())
    late = ist_ns(DAY, "15:13")

    def told(now: int, positions: tuple[Position, ...], state: State) -> tuple[State, list[str]]:
        state = replace(state, now=now, positions=positions)
        state, said = _said(state)
        codes = [o.code for o in said if isinstance(o, IncidentRaised | IncidentResolved)]
        return state, [one for one in codes if one == "POSITION_PAST_DEADLINE"]

    state, codes = told(late - 1, (held,), session())
    assert codes == []
    state, codes = told(late, (held,), state)
    assert codes == ["POSITION_PAST_DEADLINE"]
    assert told(late + SECOND, (), state)[1] == ["POSITION_PAST_DEADLINE"]


def test_from_the_deadline_on_an_exit_goes_as_low_as_the_schedule() -> None:
    """Before it the first price is the collar below the bid; from it on the last step at once, but
    for one that was refused before."""
    state = session()
    known = quote_of(state, CONTRACT)
    state = with_quote(state, CONTRACT, replace(known, bid_paise=10_000))
    settings = state.config.orders
    row = _order_of_exit()
    deepest = settings.exit_collar_bps + settings.exit_step_bps * settings.exit_steps_max
    for at, collar in ((-1, settings.exit_collar_bps), (0, deepest)):
        moment = replace(state, now=ist_ns(DAY, "15:12") + at)
        assert leaving_paise(moment, row, 0) == 10_000 - collar
    refused = replace(row, leg=replace(NEW_LEG, status="REJECTED"))
    moment = replace(moment, desk=replace(moment.desk, ended=(refused,)))
    assert leaving_paise(moment, row, 0) == 10_000


def _order_of_exit() -> Order:
    """An exit of the contract, held back."""
    return Order(
        order_id="B1", authority="0123456789abcdefX1", role="EXIT", underlying=0,
        strategy_id="trend.v1", contract=CONTRACT, side="SELL", quantity_units=65, filled_units=0,
        fills=0, last_seq=0, limit_paise=0, reference_paise=0, due_ns=0, expires_ns=0, risk_paise=0,
        stop_paise=0, target_paise=0, trail_paise=0, reason="EXIT_DEADLINE", leg=NEW_LEG,
    )  # fmt: skip

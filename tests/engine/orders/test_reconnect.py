"""B08, F01: a connection that comes back brings the broker's books with it, and entries wait."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from engine.gates.governance import judge
from engine.orders.outbox import snapshot_due
from engine.readiness import readiness
from events.broker import BrokerSnapshot
from events.decision import DecisionMade
from events.feed import FeedStatus, TimerTick
from events.orders import IntentApproved
from tests.engine.build import view_of
from tests.engine.orders.test_told import Lived
from tests.engine.orders.told import Told
from tests.engine.orders.world import MS

LOST = FeedStatus(0, "LOST", False, 9)
ASKED = FeedStatus(0, "CONNECTED", False, 9)
UP = FeedStatus(0, "CONNECTED", True, 9)


def _equal(desk: Told, asked_ago_ms: int = 0) -> None:
    """Books that show what the desk holds and the stop that rests for it."""
    stop = desk.order("PROTECT")
    desk.books(
        orders=(desk.report(stop, "TRIGGER PENDING"),),
        positions=(desk.net(stop, stop.quantity_units),),
        asked_ago_ms=asked_ago_ms,
    )


def _bought() -> Told:
    """A desk that holds something and whose books came a moment ago."""
    desk, _ = Told.bought()
    _equal(desk)
    desk.tick(5_000)
    assert snapshot_due(desk.state) is None
    return desk


def test_books_are_asked_for_when_a_connection_is_back() -> None:
    """Four seconds without a connection, with a position held: the books are due with RECONNECT as
    soon as it is CONNECTED again, and not before; once they came they are not due any more."""
    desk = _bought()
    desk.tell(LOST)
    desk.tick(4_000)
    assert snapshot_due(desk.state) is None
    desk.tell(ASKED)
    assert snapshot_due(desk.state) == "RECONNECT"
    _equal(desk)
    assert snapshot_due(desk.state) is None
    desk.tell(UP)
    desk.tick(3_000)
    assert snapshot_due(desk.state) is None


def test_books_from_before_the_connection_was_back_do_not_do() -> None:
    """Books that were asked for while it was lost, or that did not come, leave RECONNECT due."""
    desk = _bought()
    for one in (LOST, UP):
        desk.tell(one)
    before, failed = desk.fork(), desk.fork()
    _equal(before, 500)
    failed.books(orders=None, trades=None, positions=None)
    for other in (before, failed):
        other.tick(3_000)
        assert snapshot_due(other.state) == "RECONNECT"


def test_entries_wait_for_the_books_of_the_connection_that_is_back() -> None:
    """The moment of an entry right after a reconnection: N7 is UNKNOWN with GOV_RECONNECTED and
    readiness says so; once the books agree the same moment enters."""
    desk = Told()
    desk.tell(LOST, 1)
    desk.tell(UP, 1)
    agreed = desk.fork()
    agreed.books()
    for one, enters in ((desk, False), (agreed, True)):
        one.tell(TimerTick(one.now, 0), 0)
        assert bool(one.said(IntentApproved)) is enters
        assert ("GOV_RECONNECTED" not in readiness(one.state)[1]) is enters
    assert desk.said(DecisionMade)[-1].reason == "GOV_RECONNECTED"


def test_a_backtest_knows_no_reconnection() -> None:
    """Only a session with a broker has the gate, and only a connection that was lost comes back."""
    desk = Told()
    desk.tell(UP)
    assert desk.state.desk.reconnected_ns == 0
    assert desk.state.opened is not None
    for one in (LOST, UP):
        desk.tell(one)
    paper = replace(desk.state, opened=replace(desk.state.opened, mode="PAPER"))
    for state, there in ((desk.state, True), (paper, False)):
        gates = [row.gate for row in judge(view_of(state)).rows]
        assert ("reconciled_since" in gates) is there


class _Asked(Lived):
    """A world that keeps why its books were asked for, and when (ms)."""

    def __init__(self, **schedule: Any) -> None:
        self.asked: list[tuple[int, str]] = []
        super().__init__(**schedule)

    def ask_snapshot(self, trigger: str) -> None:
        self.asked.append(((self.now - self.start_ns) // MS, trigger))
        super().ask_snapshot(trigger)


def test_a_session_asks_at_once_and_once_for_each_reconnection() -> None:
    """The connection is lost for 4 s in the middle of a position: RECONNECT within a quarter of a
    second, once, long before the period of 30 s is over."""
    world = _Asked(
        given=(
            (40_000, lambda _: LOST), (44_000, lambda _: ASKED), (44_300, lambda _: UP),
        ),
        flatten_ms=60_000,
    )  # fmt: skip
    asked = world.asked
    found = world.run()
    assert found.problems == ()
    times = [at for at, trigger in asked if trigger == "RECONNECT"]
    assert len(times) == 1
    assert 44_000 <= times[0] <= 44_250
    snapshots = [one for _, one in found.facts_list if isinstance(one, BrokerSnapshot)]
    assert [one.trigger for one in snapshots].count("RECONNECT") == 1

"""What a session with a broker tells of itself: each code by a life that leads to it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from adapters.exchange_sim.spec import Behaviour
from events.base import Event
from events.broker import AuthStatus
from events.feed import FeedFrame, FramesDropped, HealthObserved, TimerTick
from events.governance import ApprovalClosed, ApprovalRequested, IncidentRaised, OrderWanted
from events.orders import ExitSignalled, OrderChanged
from events.session import OperatorCommand, SessionClosed
from tests.engine.fabricated import frame_fact, full_packet
from tests.engine.orders.world import GOOD, LOST, MS, SECOND, World

Given = Callable[[World], Event | None]


class Lived(World):
    """A world into which further facts come at times of its life (ms); all that the core says is
    kept. ``silent_from_ms``: no frame arrives any more."""

    def __init__(
        self, given: tuple[tuple[int, Given], ...] = (), silent_from_ms: int | None = None,
        **schedule: Any,
    ) -> None:  # fmt: skip
        self.said: list[Event] = []
        self.silent_from_ms = silent_from_ms
        super().__init__(**schedule)
        for at_ms, one in given:
            self._at(self.start_ns + at_ms * MS, functools.partial(self._give_of, one))

    def _give_of(self, given: Given) -> None:
        event = given(self)
        if event is not None:
            self._living(event)

    def _living(self, event: Event) -> None:
        silent = self.silent_from_ms is not None and (
            self.now >= self.start_ns + self.silent_from_ms * MS
        )
        if not (silent and isinstance(event, FeedFrame)):
            super()._living(event)

    def _append(self, event: Event) -> tuple[Event, list[Any]]:
        fact, derived = super()._append(event)
        self.said.extend(one.entry.event for one in derived)
        return fact, derived


def tick(world: World) -> Event:
    """A tick that is due now."""
    return TimerTick(world.now, 0)


def ticks(first_ms: int, last_ms: int) -> tuple[tuple[int, Given], ...]:
    """One each second."""
    return tuple((ms, tick) for ms in range(first_ms, last_ms, 1_000))


def command(verb: str, subject: str | None = None, value: str | None = None) -> Given:
    """An operator's word."""
    return lambda world: OperatorCommand(
        verb, "asha", "to see", subject, value, f"{verb}{world.now}", "SOCKET"
    )


def codes(said: list[Event]) -> set[str]:
    """Codes of incidents, exits and orders."""
    found: set[str] = set()
    for event in said:
        if isinstance(event, IncidentRaised):
            found.add(event.code)
        elif isinstance(event, ExitSignalled | OrderChanged | OrderWanted) and event.reason:
            found.add(event.reason)
    return found


def no_bid(world: World) -> Event:
    """The held contract's book loses its bids."""
    (position,) = world.core.state.positions
    row = world.core.state.instruments[position.contract]
    stamp = world.now // SECOND
    packet = bytearray(full_packet(row.token, 5, row.lot_units, 90_000, stamp, spread=40))
    return frame_fact([bytes(packet)])


BROKEN: tuple[tuple[str, Given], ...] = (
    ("AUTH_LOST", lambda world: AuthStatus("EXPIRED", None, None, "TOKEN")),
    ("FRAMES_DROPPED", lambda world: FramesDropped(0, 3, 900, world.now - SECOND, world.now)),
    ("PROCESS_UNHEALTHY", lambda world: HealthObserved("DISK_FREE_MB", "BAD", 5, 500)),
    ("CLOSED_UNRECONCILED", lambda world: SessionClosed("OPERATOR")),
)


def _said(world: Lived) -> list[Event]:
    said = world.said
    world.run()
    return said


@pytest.mark.parametrize(("code", "given"), BROKEN, ids=[code for code, _ in BROKEN])
def test_each_incident_is_raised_once(code: str, given: Given) -> None:
    """Raised when it begins, and not again at the next tick."""
    said = _said(Lived(((69_000, given), *ticks(69_200, 70_000))))
    assert [one.code for one in said if isinstance(one, IncidentRaised)].count(code) == 1


def test_a_silent_feed_makes_a_position_blind_and_then_sells_it_where_that_is_set() -> None:
    """POSITION_BLIND while a position is held without a frame, its quotes asked for by request;
    after ``orders.blind_flatten_s`` it is sold."""
    said = _said(
        Lived(
            ticks(3_000, 60_000), silent_from_ms=4_000, flatten_ms=69_000,
            settings=(("orders", "blind_flatten_s", 15),),
        )
    )  # fmt: skip
    assert {"POSITION_BLIND", "EXIT_BLIND"} <= codes(said)


def test_an_exit_without_a_bid_is_told() -> None:
    """EXIT_NO_BID: nothing is sent below nothing; a person is told."""
    said = _said(Lived(((19_900, no_bid),), flatten_ms=20_000))
    assert "EXIT_NO_BID" in codes(said)


def test_an_order_that_was_modified_too_often_is_replaced() -> None:
    """ORDER_REPLACED: a stop that followed its growing position as often as is allowed gives way to
    another, and the position is protected again."""
    world = Lived(
        behaviour=Behaviour(depth_share_bps=250), flatten_ms=40_000,
        settings=(
            ("orders", "modifications_max", 1), ("orders", "entry_valid_ms", 60_000),
            ("risk", "lots_max", 20), ("risk", "trade_risk_bps_max", 9_000),
            ("risk", "open_risk_bps_max", 10_000),
        ),
    )  # fmt: skip
    said = world.said
    found = world.run()
    assert found.problems == ()
    assert "ORDER_REPLACED" in codes(said)
    stops = [one for one in found.state.desk.ended if one.role == "PROTECT"]
    assert len(stops) > 1


def test_a_person_ends_an_unknown_order() -> None:
    """RESOLVE --lapsed: what no search found is over by a person's word, and told as that."""

    def resolve(world: World) -> Event | None:
        (order,) = world.core.state.orders
        return command("RESOLVE", order.authority, "LAPSED")(world)

    said = _said(Lived(((30_000, resolve),), wires=(LOST, GOOD)))
    assert "ORDER_RESOLVED_LAPSED" in codes(said)


# --- approvals ------------------------------------------------------------------------------------

ASKED = (("approval", "required", True), ("approval", "valid_s", 5))


def _answer(verb: str) -> Given:
    def given(world: World) -> Event | None:
        requests = world.core.state.desk.requests
        return command(verb, requests[0].request_id)(world) if requests else None

    return given


def _closed(said: list[Event]) -> list[str]:
    return [one.reason for one in said if isinstance(one, ApprovalClosed)]


def test_an_approved_entry_leaves_with_who_approved_it() -> None:
    """APPROVAL_USED: asked, approved, sent by the next cycle, and the message names the person."""
    world = Lived(((1_000, _answer("APPROVE")), (2_000, tick)), settings=ASKED)
    facts = world.facts
    said = _said(world)
    assert [type(one) for one in said].count(ApprovalRequested) >= 1
    assert _closed(said)[:1] == ["APPROVAL_USED"]
    sent = [event for _, event in facts if type(event).__name__ == "OrderSendStarted"]
    assert getattr(sent[0], "approver", None) == "asha"


def test_a_rejected_or_forgotten_entry_is_not_sent() -> None:
    """APPROVAL_REJECTED by a person's word, APPROVAL_EXPIRED by nobody's."""
    rejected = _said(Lived(((1_000, _answer("REJECT")),), settings=ASKED))
    assert _closed(rejected) == ["APPROVAL_REJECTED"]
    forgotten = _said(Lived(((6_000, tick),), settings=ASKED, flatten_ms=60_000))
    assert "APPROVAL_EXPIRED" in _closed(forgotten)


def test_an_approval_lapses_where_entries_are_blocked_meanwhile() -> None:
    """APPROVAL_LAPSED: every gate runs again, and one does not pass."""
    unwell: Given = lambda world: HealthObserved("DISK_FREE_MB", "BAD", 5, 500)  # noqa: E731
    said = _said(
        Lived(((1_000, _answer("APPROVE")), (1_500, unwell), (2_000, tick)), settings=ASKED)
    )
    assert _closed(said)[:1] == ["APPROVAL_LAPSED"]

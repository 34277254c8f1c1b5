"""Codes of a broker's session that only a rare day gives: each is reached by the core itself."""

from __future__ import annotations

from typing import Any

import pytest

from engine.commands import LAPSED
from events.base import Event
from events.broker import AuthStatus
from events.feed import ClockStepped, FramesDropped, HealthObserved, TimerTick
from events.governance import ApprovalClosed
from events.session import OperatorCommand, SessionClosed
from events.wire.kite import encode_frame, encode_full
from tests.engine.build import quote_of, with_config
from tests.engine.fabricated import frame_of, full_packet
from tests.engine.orders.told import MANY, Told
from tests.engine.orders.world import MS, SECOND

FLATTEN = OperatorCommand("FLATTEN", "t", "end", None, None, "c1", "NONE")

CONDITIONS: dict[str, tuple[Event, Event]] = {
    "AUTH_LOST": (AuthStatus("EXPIRED", None, None, "TOKEN"), AuthStatus("OK", "d", None, None)),
    "CLOCK_OFFSET": (
        ClockStepped(2 * SECOND, SECOND, "WALL"), ClockStepped(SECOND // 2, SECOND, "WALL"),
    ),
    "PROCESS_UNHEALTHY": (
        HealthObserved("DISK_FREE_MB", "BAD", 12, 500),
        HealthObserved("DISK_FREE_MB", "OK", 900, 500),
    ),
}  # fmt: skip


@pytest.mark.parametrize("code", CONDITIONS)
def test_a_condition_is_said_once_and_its_end_too(code: str) -> None:
    """Login, clock and process: an incident when it begins, none more while it lasts, over with
    it; what is held stays held."""
    begins, ends = CONDITIONS[code]
    desk, _ = Told.bought()
    for _ in range(3):
        desk.tell(begins)
        desk.tick()
    assert desk.reasons()[code] == 1
    assert code in desk.open_codes()
    assert desk.order("PROTECT").filled_units == 0
    desk.tell(ends)
    assert code not in desk.open_codes()


@pytest.mark.parametrize("what", ["DESCRIPTORS", "ADDRESS_SPACE_MB"])
def test_a_process_at_its_limits_enters_nothing_and_exits(what: str) -> None:
    """E11: few descriptors or little address space left: the next tick approves no entry, a held
    position keeps its stop, and a flatten sends what it takes."""
    empty = Told()
    empty.tell(HealthObserved(what, "BAD", 1_000, 992))
    empty.tell(TimerTick(empty.now, 0), 0)
    assert empty.send() == []
    assert "GOV_UNHEALTHY" in empty.state.desk.blockers
    desk, _ = Told.bought()
    desk.tell(HealthObserved(what, "BAD", 1_000, 992))
    desk.tick()
    assert desk.order("PROTECT").leg is not None
    desk.tell(FLATTEN)
    (cancel,) = desk.send()
    desk.answer(cancel)
    desk.update(desk.report(desk.order("PROTECT"), "CANCELLED"))
    (sold,) = desk.send()
    assert (sold.action, sold.side) == ("PLACE", "SELL")


def test_frames_that_were_lost_are_said_for_a_minute() -> None:
    """F11: FRAMES_DROPPED is open while entries wait for it, and over after a minute."""
    desk, _ = Told.bought()
    desk.tell(FramesDropped(0, 5, 1_000, desk.now, desk.now + MS))
    desk.tick()
    assert "FRAMES_DROPPED" in desk.open_codes()
    desk.tick(61_000)
    assert "FRAMES_DROPPED" not in desk.open_codes()


def test_a_blind_position_is_said_and_sold_after_its_time() -> None:
    """F01: the feed is silent while something is held: POSITION_BLIND at once, EXIT_BLIND when the
    configured time is over, and the exit takes the stop's place."""
    desk, _ = Told.bought((*MANY, ("orders", "blind_flatten_s", 20)))
    for _ in range(19):
        desk.now += SECOND
        desk.tell(TimerTick(desk.now, 0), 0)
    assert desk.open_codes() == {"POSITION_BLIND"}
    assert desk.send() == []
    for _ in range(3):
        desk.now += SECOND
        desk.tell(TimerTick(desk.now, 0), 0)
    assert desk.reasons()["EXIT_BLIND"] == 1
    (cancel,) = desk.send()
    assert cancel.action == "CANCEL"


def test_an_exit_without_a_bid_waits_for_one_and_says_so() -> None:
    """F13: nobody bids: EXIT_NO_BID, and no price is made up; with the next bid the exit leaves
    below it."""
    desk, entry = Told.bought()
    row = desk.state.instruments[entry.contract]
    ltp = quote_of(desk.state, entry.contract).ltp_paise
    asks = [(650, ltp + 5, 3)] * 5
    nobody = encode_full(
        row.token, ltp, 65, ltp, 700, 0, 5_000, ltp, ltp, ltp, ltp, desk.now // SECOND, 100_000,
        100_000, 100_000, desk.now // SECOND, [], asks,
    )  # fmt: skip
    desk.tell(frame_of(encode_frame([nobody])))
    desk.tell(FLATTEN)
    (cancel,) = desk.send()
    desk.answer(cancel)
    desk.update(desk.report(desk.order("PROTECT"), "CANCELLED"))
    assert desk.send() == []
    assert "EXIT_NO_BID" in desk.open_codes()
    bid = full_packet(row.token, ltp, 65, 765, desk.now // SECOND)
    desk.tell(frame_of(encode_frame([bid])))
    desk.tick()
    (placed,) = desk.send()
    assert placed.limit_paise is not None
    assert 0 < placed.limit_paise < ltp
    assert "EXIT_NO_BID" not in desk.open_codes()


def test_an_exit_that_was_modified_often_enough_is_replaced() -> None:
    """B13: at the broker's limit of modifications the exit is cancelled with ORDER_REPLACED, and
    another one, with a tag of its own, takes its place once that is over; a stop stands between."""
    desk, _ = Told.bought((*MANY, ("orders", "modifications_max", 1)))
    desk.tell(FLATTEN)
    (cancel,) = desk.send()
    desk.answer(cancel)
    desk.update(desk.report(desk.order("PROTECT"), "CANCELLED"))
    exits: list[tuple[str, str]] = []
    for _ in range(12):
        for message in desk.send():
            (order,) = [one for one in desk.state.orders if one.order_id == message.order_id]
            if order.role == "EXIT":
                exits.append((message.action, message.tag))
            desk.answer(message)
            rests = "OPEN" if message.order_type == "LIMIT" else "TRIGGER PENDING"
            desk.update(desk.report(order, "CANCELLED" if message.action == "CANCEL" else rests))
        desk.tick()
    assert [action for action, _ in exits[:4]] == ["PLACE", "MODIFY", "CANCEL", "PLACE"]
    assert exits[3][1] != exits[0][1]
    assert desk.reasons()["ORDER_REPLACED"] >= 1


def test_a_person_ends_an_unknown_order() -> None:
    """B01: after all searching a person says that it is not there: ORDER_RESOLVED_LAPSED, the
    incidents are over, and nothing is sent again."""
    desk, message = Told.sent()
    entry = desk.order("ENTRY")
    desk.answer(message, "UNKNOWN", fault="TIMEOUT")
    desk.tick(61_000)
    assert {"ORDER_UNKNOWN", "ORDER_UNKNOWN_LONG"} <= desk.open_codes()
    desk.tell(
        OperatorCommand("RESOLVE", "asha", "not there", entry.order_id, LAPSED, "r1", "SOCKET")
    )
    assert desk.reasons()["ORDER_RESOLVED_LAPSED"] == 1
    assert not desk.open_codes() & {"ORDER_UNKNOWN", "ORDER_UNKNOWN_LONG"}
    desk.tick()
    assert message.tag not in {one.tag for one in desk.send()}


def test_a_day_without_its_last_books_is_closed_unreconciled() -> None:
    """B10: the session ends and no books came after the close: CLOSED_UNRECONCILED."""
    desk, _ = Told.bought()
    desk.tell(SessionClosed("END_OF_DAY"))
    assert desk.reasons()["CLOSED_UNRECONCILED"] == 1


# --- approvals ------------------------------------------------------------------------------------


def _asking() -> tuple[Told, str]:
    """A desk whose entry waits for a person; gives the request's id."""
    state = with_config(Told().state, approval={"required": True})
    desk = Told(state=state)
    desk.tell(TimerTick(desk.now, 0), 0)
    (request,) = desk.state.desk.requests
    assert desk.send() == []
    return desk, request.request_id


def _command(verb: str, request_id: str) -> OperatorCommand:
    return OperatorCommand(verb, "asha", "seen", request_id, None, "a1", "SOCKET")


def _closed(desk: Told) -> list[Any]:
    return [one.reason for one in desk.said(ApprovalClosed)]


def test_an_approved_entry_leaves_at_the_next_cycle() -> None:
    """Approved: the next tick decides anew and the entry leaves, with who approved it."""
    desk, request_id = _asking()
    desk.tell(_command("APPROVE", request_id))
    desk.tick(5_000)
    assert _closed(desk) == ["APPROVAL_USED"]
    (message,) = desk.send()
    assert (message.side, message.approver) == ("BUY", "asha")


def test_a_rejected_entry_does_not_leave() -> None:
    """Turned down: the request is over and nothing leaves."""
    desk, request_id = _asking()
    desk.tell(_command("REJECT", request_id))
    assert _closed(desk) == ["APPROVAL_REJECTED"]
    assert desk.send() == []


def test_a_request_that_nobody_answers_expires() -> None:
    """Nobody came: the request is closed by the clock."""
    desk, _ = _asking()
    desk.tick(desk.state.config.approval.valid_s * 1_000 + 1_000)
    assert _closed(desk)[0] == "APPROVAL_EXPIRED"


def test_an_approval_that_comes_after_a_block_lapses() -> None:
    """Approved, and meanwhile the login is gone: every gate is asked again and nothing leaves."""
    desk, request_id = _asking()
    desk.tell(_command("APPROVE", request_id))
    desk.tell(AuthStatus("EXPIRED", None, None, "TOKEN"))
    desk.tick(5_000)
    assert _closed(desk) == ["APPROVAL_LAPSED"]
    assert desk.send() == []

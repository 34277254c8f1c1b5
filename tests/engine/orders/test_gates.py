"""The gates of a session with a broker: each blocks or is unknown on its own, and says which."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from engine.carry import carry_over
from engine.cycle import decide_cycle
from engine.gates.approval import apply_approval_requested, asked_for, request_events
from engine.gates.governance import judge
from engine.gates.spread import Sold
from engine.lookup import lookup_for
from engine.orders.legs import UNKNOWN
from engine.orders.operator import KEPT_COMMANDS, apply_operator_command
from engine.readiness import readiness
from engine.state import NEW_LEG, Difference, Incident, Order, State
from events.decision import DecisionMade
from events.governance import ApprovalClosed, ApprovalRequested
from events.orders import IntentApproved
from events.session import OperatorCommand
from tests.engine.build import at_trade, view_of, with_config
from tests.reached import fault_of

SECOND = 1_000_000_000


def session(mode: str = "SIM", **desk: Any) -> State:
    """The moment of an entry, in a session of a mode whose books agreed just now."""
    state = at_trade().state
    assert state.opened is not None
    plain = {"reconciled_ns": state.now, "nets_ns": state.now, "auth": "OK",
             "armed_until_ns": state.now + SECOND, **desk}  # fmt: skip
    return replace(
        state,
        opened=replace(state.opened, mode=mode, rate=1),
        risk=replace(state.risk, funds_paise=10**12, funds_ns=state.now),
        desk=replace(state.desk, **plain),
    )


def _unknown(state: State) -> State:
    order = Order(
        "Bx", "x", "ENTRY", 0, "t", 2, "BUY", 65, 0, 0, 0, 100, 100, 0, 0, 0, 0, 0, 0, "",
        replace(NEW_LEG, status=UNKNOWN),
    )  # fmt: skip
    return replace(state, orders=(*state.orders, order))


def _entered(state: State, count: int) -> State:
    """E08: so many entries, over already, all of the last minute."""
    expires = state.now + state.config.orders.entry_valid_ms * 1_000_000
    order = Order(
        "Bx", "x", "ENTRY", 0, "t", 2, "BUY", 65, 65, 0, 0, 100, 100, 0, expires, 0, 0, 0, 0, "",
        replace(NEW_LEG, status="FILLED"),
    )  # fmt: skip
    return replace(state, desk=replace(state.desk, ended=(order,) * count))


def _desk(**changes: Any) -> Callable[[State], State]:
    return lambda state: replace(state, desk=replace(state.desk, **changes))


def _at(name: str, ago_s: int) -> Callable[[State], State]:
    return lambda state: _desk(**{name: state.now - ago_s * SECOND})(state)


def lost(state: State, ago_s: tuple[int, ...]) -> State:
    """The state with connections lost so many seconds ago."""
    losses = tuple(state.now - one * SECOND for one in ago_s)
    return replace(state, feed=replace(state.feed, losses_ns=losses))


def acute_one(*, severity: int = 1, acknowledged: bool = False) -> Incident:
    """An open incident."""
    return Incident("I1", "POSITION_SHORT", severity, "NFO:X:MIS", 1, acknowledged)


def test_the_end_of_a_session_halts_it_alone() -> None:
    """STOP halts with its own code, which the next session does not begin with; HALT does."""
    for verb, value, carried in (("STOP", "LEAVE_PROTECTED", ()), ("HALT", None, ("GOV_HALTED",))):
        state = session()
        command = OperatorCommand(verb, "t", "end", None, value, "c", "NONE")
        after = apply_operator_command(state, command, state.now, lookup_for(state))
        stage = judge(view_of(after))
        assert stage.reason == ("GOV_HALTED" if carried else "GOV_STOPPING")
        assert carry_over(after, "00", 20991231, orders_unknown=False).halts == carried


CASES: list[tuple[str, str, str, Callable[[State], State]]] = [
    ("login", "BLOCK", "GOV_LOGIN", _desk(auth="EXPIRED")),
    ("login_known", "UNKNOWN", "GOV_LOGIN_UNKNOWN", _desk(auth="UNKNOWN")),
    ("login_known", "UNKNOWN", "GOV_LOGIN_UNKNOWN", _desk(auth="UNSEEN")),
    ("clock", "BLOCK", "GOV_CLOCK_OFFSET", _desk(clock_bad=True)),
    ("process", "BLOCK", "GOV_UNHEALTHY", _desk(unhealthy=("DISK_FREE_MB",))),
    ("frames_lost", "BLOCK", "GOV_FRAMES_DROPPED", _at("dropped_ns", 5)),
    ("reconciled_age", "UNKNOWN", "GOV_UNRECONCILED", _desk(reconciled_ns=0)),
    ("reconciled_age", "BLOCK", "GOV_BOOKS_OLD", _at("reconciled_ns", 91)),
    ("reconciled_since", "UNKNOWN", "GOV_RECONNECTED",
     lambda s: _desk(reconnected_ns=s.now, reconciled_ns=s.now - 1)(s)),
    ("orders_unknown", "BLOCK", "GOV_ORDER_UNKNOWN", _unknown),
    ("books_differ", "BLOCK", "GOV_BOOKS_DIFFER",
     _desk(differences=(Difference("NFO:X:MIS", "POSITION_DIFFERS", 65, 0, 1, 0),))),
    ("feed_losses", "BLOCK", "GOV_FEED_BREAKER", lambda s: lost(s, (0,) * 11)),
    ("incidents", "BLOCK", "GOV_INCIDENT", lambda s: _desk(incidents=(acute_one(),))(s)),
    ("entries_minute", "BLOCK", "GOV_ENTRY_BURST", lambda s: _entered(s, 5)),
    ("rejects", "BLOCK", "GOV_REJECT_BURST",
     lambda s: _desk(refused_ns=(s.now, s.now, s.now, s.now))(s)),
]  # fmt: skip


@pytest.mark.parametrize(("gate", "verdict", "reason", "change"), CASES)
def test_each_gate_blocks_alone(
    gate: str, verdict: str, reason: str, change: Callable[[State], State]
) -> None:
    """E08, B10: with everything else in order the one gate decides, with its own code."""
    assert judge(view_of(session())).verdict == "PASS"
    stage = judge(view_of(change(session())))
    assert (stage.verdict, stage.reason, stage.gate) == (verdict, reason, gate)
    assert [fault_of(row) for row in stage.rows if fault_of(row)] == []


def test_live_waits_for_its_arming() -> None:
    """LIVE enters nothing until somebody armed it, and no longer than that; SIM needs none."""
    assert judge(view_of(session("LIVE"))).verdict == "PASS"
    late = judge(view_of(session("LIVE", armed_until_ns=0)))
    assert (late.verdict, late.reason) == ("BLOCK", "GOV_NOT_ARMED")
    assert judge(view_of(session("SIM", armed_until_ns=0))).verdict == "PASS"


def test_a_backtest_has_none_of_these_gates() -> None:
    """What only a broker can be asked is asked in no backtest, whose bytes stay as they were."""
    state = at_trade().state
    gates = [row.gate for row in judge(view_of(state)).rows]
    assert gates == ["carried_over", "halted", "cycles_missed"]
    assert readiness(session())[0] in ("READY", "MARKET_CLOSED", "BLOCKED")


# --- approvals ------------------------------------------------------------------------------------


def _decided(state: State) -> list[Any]:
    return decide_cycle(state, 0, lookup_for(state).slot_of, state.seq + 1)


def _one(events: list[Any], kind: type) -> Any:
    return next((event for event in events if isinstance(event, kind)), None)


def _asked(state: State) -> tuple[State, ApprovalRequested]:
    request = _one(_decided(state), ApprovalRequested)
    return apply_approval_requested(state, request, state.now, lookup_for(state)), request


def test_an_entry_waits_for_its_approval_and_asks_once() -> None:
    """With approvals on the decision is a wait with its code; the request is made once."""
    state = with_config(session(), approval={"required": True})
    events = _decided(state)
    made = _one(events, DecisionMade)
    assert (made.outcome, made.stage, made.reason) == (
        "NO_TRADE", "N11_FINAL_DECISION", "APPROVAL_PENDING",
    )  # fmt: skip
    assert _one(events, IntentApproved) is None
    waiting, request = _asked(state)
    assert _one(_decided(waiting), ApprovalRequested) is None
    assert request.low_paise <= request.high_paise


def test_an_approval_is_used_once_by_the_next_cycle() -> None:
    """Approved, all gates run again and the entry follows, with the request's end; the next cycle
    has no approval any more."""
    from engine.gates.approval import apply_approval_closed

    waiting, request = _asked(with_config(session(), approval={"required": True}))
    approved = _desk(approving=(request.request_id, "asha"))(waiting)
    events = _decided(approved)
    intent, closed = _one(events, IntentApproved), _one(events, ApprovalClosed)
    assert (closed.outcome, closed.intent_id, closed.who) == ("USED", intent.intent_id, "asha")
    after = apply_approval_closed(approved, closed, approved.now, lookup_for(approved))
    assert after.desk.requests == () and after.desk.approving == ()
    assert after.desk.approved == (f"{intent.intent_id} asha",)


def test_an_approval_lapses_where_a_gate_does_not_pass_any_more() -> None:
    """Approved and blocked meanwhile: nothing is entered, the approval is gone."""
    waiting, request = _asked(with_config(session(), approval={"required": True}))
    blocked = _desk(approving=(request.request_id, "asha"), clock_bad=True)(waiting)
    events = _decided(blocked)
    assert _one(events, IntentApproved) is None
    assert _one(events, ApprovalClosed).reason == "APPROVAL_LAPSED"


def test_an_approval_of_a_pair_is_for_its_sold_leg_too() -> None:
    """What the person saw is sold against the contract, for as much: another leg, a lower limit of
    it, or none at all, is another request; a better limit is the same."""
    state = with_config(session(), approval={"required": True})
    entry = _one(_decided(session()), IntentApproved)
    leg = Sold(7, 4_600, 4_500, 10_000, 3_000, 2_000, 6_000, 1, 1, 65)
    view = view_of(state)
    (asked,) = request_events(view, entry, leg, False)
    assert isinstance(asked, ApprovalRequested)
    band = state.config.approval.band_bps
    assert (asked.sold_contract, asked.sold_low_paise) == (7, 4_500 - 4_500 * band // 10_000)
    waiting = apply_approval_requested(state, asked, state.now, lookup_for(state))
    least = asked.sold_low_paise or 0
    fits = [
        asked_for(waiting, entry, one) is not None
        for one in (
            leg, replace(leg, limit_paise=least), replace(leg, limit_paise=9_000),
            replace(leg, limit_paise=least - 1), replace(leg, contract=8), None,
        )
    ]  # fmt: skip
    assert fits == [True, True, True, False, False, False]
    alone = apply_approval_requested(
        state, replace(asked, sold_contract=None, sold_low_paise=None), state.now, lookup_for(state)
    )
    assert asked_for(alone, entry, None) is not None and asked_for(alone, entry, leg) is None


def test_an_approval_is_for_the_price_that_was_seen() -> None:
    """A request whose band the price has left does not let the entry through."""
    waiting, request = _asked(with_config(session(), approval={"required": True}))
    (open_one,) = waiting.desk.requests
    moved = replace(open_one, low_paise=1, high_paise=2)
    left = _desk(approving=(request.request_id, "asha"), requests=(moved,))(waiting)
    events = _decided(left)
    assert _one(events, IntentApproved) is None
    assert _one(events, ApprovalClosed).outcome == "LAPSED"


def test_a_request_expires() -> None:
    """Nobody answered in time: it is closed with its code, and the next one may be asked."""
    waiting, _ = _asked(with_config(session(), approval={"required": True}))
    (open_one,) = waiting.desk.requests
    old = _desk(requests=(replace(open_one, expires_ns=waiting.now),))(waiting)
    events = _decided(old)
    assert _one(events, ApprovalClosed).reason == "APPROVAL_EXPIRED"
    assert _one(events, ApprovalRequested) is not None


def test_a_command_without_an_id_makes_no_earlier_one_new() -> None:
    """What was taken once stays taken, whatever comes between; of the ids the newest are kept."""
    state = session()
    look = lookup_for(state)
    for id_ in ("c1", "", "c2"):
        halt = OperatorCommand("HALT", "t", "", None, None, id_, "NONE")
        state = apply_operator_command(state, halt, state.now, look)
    assert state.desk.commands == ("c1", "c2")
    again = OperatorCommand("HALT", "t", "", None, None, "c1", "NONE")
    assert apply_operator_command(state, again, state.now, look).desk.repeated
    for number in range(KEPT_COMMANDS):
        halt = OperatorCommand("HALT", "t", "", None, None, f"n{number}", "NONE")
        state = apply_operator_command(state, halt, state.now, look)
    assert len(state.desk.commands) == KEPT_COMMANDS
    assert not apply_operator_command(state, again, state.now, look).desk.repeated

"""What an account takes from one session into the next: every counter, pause and position."""

from __future__ import annotations

import functools
from collections.abc import Iterable

import pytest
from msgspec.structs import replace

from engine.carry import DAYS_KEPT, EXITS_ONLY, carry_over, cooldown_of
from engine.core import Core, CoreFault
from engine.features.tape import NEW_TAPE
from engine.gates import governance
from engine.state import State
from events.base import Event
from events.governance import IncidentRaised
from events.orders import PositionChanged, RiskStateChanged
from events.session import CarriedDay, CarriedOver, InstrumentsLoaded, SessionOpened
from tests.engine.build import view_of
from tests.engine.fabricated import DAY, CoreRun, SmallMarket, relaxed, run_core, small_facts

HEAD = "ab" * 32
NEXT_DAY = 20261123


@functools.cache
def facts() -> tuple[tuple[int, Event], ...]:
    return tuple(small_facts(SmallMarket(), relaxed()))


@functools.cache
def holding() -> tuple[int, State]:
    """How many facts until a position is held after another was closed, and the state then."""
    core = Core()
    for count, (ts, event) in enumerate(facts(), 1):
        core.step(core.state.seq + 1, ts, event)
        held = [one for one in core.state.positions if one.quantity_units]
        if held and core.state.markets[0].cooldown_until_ns:
            return count, core.state
    raise AssertionError("the small market never holds a second position")


def successor(carried: CarriedOver, rest: Iterable[tuple[int, Event]]) -> CoreRun:
    """A session that begins with what was carried and goes on with other facts."""
    opening = [
        (ts, carried if isinstance(event, CarriedOver) else event) for ts, event in facts()[:5]
    ]
    return run_core([*opening, *rest])


def test_on_the_same_day_every_counter_goes_on() -> None:
    """Result, charges, trades, streak, exits, halts, pauses and positions are what they were."""
    _, state = holding()
    carried = carry_over(state, HEAD, DAY, orders_unknown=False)
    after = successor(carried, ()).core.state
    assert after.account == state.account
    assert after.exits == state.exits > 0
    assert [one.cooldown_until_ns for one in after.markets] == [
        one.cooldown_until_ns for one in state.markets
    ]
    assert after.positions == tuple(replace(one, exit_reason="") for one in state.positions)
    assert (carried.previous_session, carried.previous_head_hash) == (state.uid, HEAD)
    again = carry_over(after, HEAD, DAY, orders_unknown=False)
    assert again == replace(carried, previous_session=after.uid)


def test_on_another_day_counts_begin_anew_and_capital_has_moved() -> None:
    """Counts of the day and pauses are gone, the result is in the capital, positions stay."""
    _, state = holding()
    carried = carry_over(state, HEAD, NEXT_DAY, orders_unknown=False)
    account = state.account
    assert (carried.day, carried.trades_today, carried.exits, carried.cooldowns) == (
        NEXT_DAY, 0, 0, (),
    )  # fmt: skip
    result = account.realised_paise - account.charges_paise
    assert carried.capital_paise == account.capital_paise + result
    assert len(carried.positions) == len(state.positions) == 1


def test_each_day_leaves_its_close_and_its_volatility() -> None:
    """The day that ends is added to those behind it, once, at most a year of them; an underlying
    that the session did not watch keeps its days."""
    _, state = holding()
    (today,) = carry_over(state, HEAD, NEXT_DAY, orders_unknown=False).days
    minutes = state.tapes[0].minutes
    features = state.markets[0].features
    assert features is not None
    assert today == CarriedDay("NIFTY", DAY, minutes[-1].close_paise, features.implied.atm_bps)
    other = CarriedDay("SENSEX", 20261119, 1, None)
    before = tuple(CarriedDay("NIFTY", 20250101 + n, n, n) for n in range(300))
    again = CarriedDay("NIFTY", DAY, 5, 1_234)
    assert state.carried is not None
    known = replace(state, carried=replace(state.carried, days=(other, *before, again)))
    days = carry_over(known, HEAD, NEXT_DAY, orders_unknown=False).days
    assert days == (other, *before[-DAYS_KEPT + 1 :], today)
    blind = replace(known, tapes=(replace(state.tapes[0], minutes=()),))
    assert carry_over(blind, HEAD, DAY, orders_unknown=False).days[-1] == again
    early = replace(known, tapes=(replace(state.tapes[0], volatility=NEW_TAPE.volatility),))
    assert carry_over(early, HEAD, DAY, orders_unknown=False).days[-1] == replace(
        today, atm_iv_bps=1_234
    )


def test_the_days_behind_are_what_the_next_session_ranks_by() -> None:
    """Closes of volatility of earlier days, and the close of the trading day before."""
    _, state = holding()
    carried = carry_over(state, HEAD, DAY, orders_unknown=False)
    days = tuple(CarriedDay("NIFTY", 20261118 + n, 2_400_000 + n, 1_000 + n) for n in range(2))
    after = successor(replace(carried, days=days), facts()[5:])
    tape = after.core.state.tapes[0]
    assert (tape.previous_close_paise, tape.closes_bps) == (2_400_001, (1_000, 1_001))


def test_a_carried_position_is_said_and_leaves_by_its_own_exits() -> None:
    """The successor says that it holds it, and closes it without any entry of its own."""
    count, state = holding()
    held = state.positions[0]
    later = [(ts, event) for ts, event in facts()[count:] if ts > state.now]
    run = successor(carry_over(state, HEAD, DAY, orders_unknown=False), later)
    said = [e for e in run.events("PositionChanged") if isinstance(e, PositionChanged)]
    mine = [e for e in said if e.position_id == held.position_id]
    assert mine[0].status != "CLOSED"
    assert mine[-1].status == "CLOSED"
    reasons = [e.reason for e in run.events("RiskStateChanged") if isinstance(e, RiskStateChanged)]
    assert reasons[:2] == ["RISK_DAY_OPENED", "RISK_CARRIED"]


def test_orders_whose_end_is_not_known_are_named() -> None:
    """Beside a damaged journal each working order is carried as unknown; else none is."""
    core = Core()
    for ts, event in facts():
        core.step(core.state.seq + 1, ts, event)
        if core.state.orders:
            break
    state = core.state
    known = carry_over(state, HEAD, DAY, orders_unknown=False)
    unknown = carry_over(state, HEAD, DAY, orders_unknown=True)
    assert known.unknown_orders == ()
    assert [one.order_id for one in unknown.unknown_orders] == [
        one.order_id for one in state.orders
    ]
    assert unknown.unknown_orders[0].tradingsymbol


def test_a_position_without_its_contract_stops_the_session() -> None:
    """A session that cannot see what it holds does not begin, and names the contract."""
    _, state = holding()
    carried = carry_over(state, HEAD, DAY, orders_unknown=False)
    lost = state.instruments[state.positions[0].contract].tradingsymbol
    opening: list[tuple[int, Event]] = []
    for ts, event in facts()[:5]:
        if isinstance(event, CarriedOver):
            opening.append((ts, carried))
        elif isinstance(event, InstrumentsLoaded):
            rows = tuple(row for row in event.rows if row.tradingsymbol != lost)
            opening.append((ts, replace(event, rows=rows)))
        else:
            opening.append((ts, event))
    with pytest.raises(CoreFault, match=f"ENGINE_FAULT: .*{lost} is held"):
        run_core(opening)


def test_a_pause_of_every_underlying_holds_for_each() -> None:
    """Version 1 knew one pause for all: its upcast names it ``*``."""
    _, state = holding()
    carried = carry_over(state, HEAD, DAY, orders_unknown=False)
    assert carried.cooldowns
    every = replace(carried, cooldowns=(replace(carried.cooldowns[0], underlying="*"),))
    until = carried.cooldowns[0].until_ns
    assert cooldown_of(every, "NIFTY") == cooldown_of(every, "SENSEX") == until
    assert cooldown_of(carried, "SENSEX") == 0
    assert cooldown_of(None, "NIFTY") == 0


def test_beside_a_quarantined_session_only_exits_are_made() -> None:
    """GOV_EXITS_ONLY blocks every entry, says so, and is not carried on."""
    count, state = holding()
    carried = carry_over(state, HEAD, DAY, orders_unknown=True)
    beside = replace(carried, halts=(*carried.halts, EXITS_ONLY))
    later = [(ts, event) for ts, event in facts()[count:] if ts > state.now]
    run = successor(beside, later)
    stage = governance.judge(view_of(run.core.state))
    assert (stage.verdict, stage.reason) == ("BLOCK", EXITS_ONLY)
    assert run.events("IntentApproved") == []
    assert run.events("FillApplied"), "the carried position was never sold"
    onward = carry_over(run.core.state, HEAD, DAY, orders_unknown=False)
    assert EXITS_ONLY not in onward.halts


@pytest.mark.parametrize(
    ("changes", "rate", "found"),
    [
        ({"lot_units": 64}, 1, "LOT"),
        ({"expiry": DAY - 1}, 1, "EXPIRY"),
        ({}, 1, None),
        ({"lot_units": 64}, 0, None),
    ],
)
def test_a_held_contract_that_is_not_what_it_was_is_an_incident(
    changes: dict[str, int], rate: int, found: str | None
) -> None:
    """Units that are no whole lots of today's, or an expiry that is past, say so once, at the start
    of a session in real time; the same instruments say nothing."""
    _, state = holding()
    carried = carry_over(state, HEAD, DAY, orders_unknown=False)
    contract = state.positions[-1].contract
    opening: list[tuple[int, Event]] = []
    for ts, event in facts()[:4]:
        if isinstance(event, CarriedOver):
            event = carried
        elif isinstance(event, SessionOpened):
            event = replace(event, rate=rate)
        elif isinstance(event, InstrumentsLoaded):
            rows = list(event.rows)
            rows[contract] = replace(rows[contract], **changes)
            event = replace(event, rows=tuple(rows))
        opening.append((ts, event))
    run = run_core(opening)
    told = [e.event for e in run.entries if isinstance(e.event, IncidentRaised)]
    assert [(one.code, one.severity) for one in told] == (
        [("CONTRACT_CHANGED", 1)] if found else []
    )
    whats = [pair.value for one in told for pair in one.evidence if pair.key == "what"]
    assert whats == ([found] if found else [])

"""No sequence of approvals, fills, cancels and exits carries the open risk past its limit, and what
stands as open risk is never less than what would be lost at the stops."""

from __future__ import annotations

import sys

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.apply import apply
from engine.books import ENTRY, EXIT, open_risk_paise, position_of
from engine.gates import sizing
from engine.gates.contract import Pick, Plan
from engine.gates.sizing import protected_paise, risk_lot_paise
from engine.lookup import lookup_for
from engine.risk.day import share_of, worst_result_paise
from engine.risk.portfolio import book_of
from engine.state import Order, State
from events.base import Event
from events.orders import ExitSignalled, FillApplied, IntentApproved, OrderChanged, PositionChanged
from tests.engine.build import at_trade, entry_of, view_of, with_config
from tests.engine.gates.cases import WIDE, account, freeze, order_of, picked
from tests.engine.risk.test_portfolio import LOT

CAPITAL = 10_000_000
CONTRACTS = (6, 7, 12)
seen: dict[str, int] = {}


def _applied(state: State, event: Event) -> State:
    return apply(state, entry_of(event, state.seq + 1, state.now), lookup_for(state))


def _intent(state: State, pick: Pick, lots: int, number: int) -> IntentApproved:
    view, plan = view_of(state), pick.plan
    assert plan is not None
    return IntentApproved(
        f"{number:016x}", "NIFTY", "trend.v1", pick.contract, "BUY", lots * LOT, lots,
        protected_paise(view, pick), plan.entry_paise, plan.stop_paise, plan.target_paise, 0,
        risk_lot_paise(view, pick) * lots, 1, state.now,
    )  # fmt: skip


def _fill(state: State, order: Order, units: int, price: int) -> State:
    """One fill, and what it leads to in the books."""
    event = FillApplied(
        order.order_id, order.fills + 1, order.contract, order.side, units, price, 0, (), 0, 0
    )
    state = _applied(state, event)
    if order.filled_units + units == order.quantity_units:
        state = _ended(state, order, "FILLED", order.quantity_units)
    held = position_of(state, order.authority.partition("X")[0])
    if held is not None and held.quantity_units == 0:
        state = _applied(state, PositionChanged(
            held.position_id, "NIFTY", "trend.v1", held.contract, "CLOSED", 0, 0, 0, 0, 0, 0,
            held.realised_paise, held.charges_paise, "EXIT_STOP",
        ))  # fmt: skip
    return state


def _ended(state: State, order: Order, status: str, filled: int) -> State:
    return _applied(state, OrderChanged(
        order.order_id, order.authority, order.role, order.contract, order.side, status, None,
        order.quantity_units, filled, order.limit_paise or None,
    ))  # fmt: skip


class _Desk:
    """An account under the limit, and what may happen to it."""

    def __init__(self, open_bps: int, data: st.DataObject) -> None:
        self.data, self.number = data, 0
        limits = WIDE | {
            "open_risk_bps_max": open_bps, "lots_max": 1_000, "positions_underlying_max": 9,
        }  # fmt: skip
        state = freeze(account(at_trade().state, capital_paise=CAPITAL), 1_800)
        self.state = with_config(state, risk=limits, orders={"value_paise_max": 10**12})
        self.limit = share_of(CAPITAL, open_bps)
        self.plans: dict[str, Plan] = {}

    def enter(self) -> None:
        entry = self.data.draw(st.integers(40, 6_000)) * 5
        away = self.data.draw(st.integers(100, 5_000))
        stop = max(entry - entry * away // 10_000 // 5 * 5, 5)
        plan = Plan(entry, stop, entry * 2, 0, self.data.draw(st.integers(0, 9_000)), LOT)
        place = self.data.draw(st.sampled_from(CONTRACTS))
        pick = replace(picked(at_trade().state), contract=place, plan=plan)
        lots = sizing.judge(view_of(self.state), pick, book_of(self.state))[1]
        if lots:
            self.number += 1
            intent = _intent(self.state, pick, lots, self.number)
            self.plans[intent.intent_id] = plan
            self.state = _applied(self.state, intent)
            seen["entries"] = seen.get("entries", 0) + 1

    def _one(self, role: str) -> Order | None:
        found = [one for one in self.state.orders if one.role == role]
        return self.data.draw(st.sampled_from(found)) if found else None

    def fill(self) -> None:
        order = self._one(ENTRY)
        if order is not None:
            units = self.data.draw(st.integers(1, order.quantity_units - order.filled_units))
            low = min(order.stop_paise + 5, order.limit_paise)
            price = self.data.draw(st.integers(low, order.limit_paise))
            self.state = _fill(self.state, order, units, price)
            seen["fills"] = seen.get("fills", 0) + 1

    def cancel(self) -> None:
        order = self._one(ENTRY)
        if order is not None:
            self.state = _ended(self.state, order, "CANCELLED", order.filled_units)

    def leave(self) -> None:
        """A position is sold, in parts or whole, at any price; never more than is held of it."""
        if not self.state.positions:
            return
        one = self.data.draw(st.sampled_from(self.state.positions))
        units = one.quantity_units
        name = f"{one.position_id}X{self.state.exits + 1}"
        signal = ExitSignalled(
            name, one.position_id, one.contract, "EXIT_STOP", units, None, None, self.state.now
        )
        self.state = _applied(self.state, signal)
        order = next(o for o in self.state.orders if o.role == EXIT and o.authority == name)
        sold = self.data.draw(st.integers(1, units))
        self.state = _fill(self.state, order, sold, self.data.draw(st.integers(0, 60_000)))
        if sold < units:
            self.state = _ended(self.state, order, "CANCELLED", sold)

    def check(self) -> None:
        state = self.state
        assert open_risk_paise(state) <= self.limit
        for one in state.positions:
            charges = self.plans[one.position_id].charges_lot_paise * one.quantity_units // LOT
            lost = one.value_paise - one.stop_paise * one.quantity_units + charges
            # Parts of a position that are sold round its value down, by a paisa a sale.
            assert lost <= one.risk_paise + one.quantity_units
        assert worst_result_paise(state) >= state.account.realised_paise - self.limit


ACTIONS = (_Desk.enter, _Desk.fill, _Desk.cancel, _Desk.leave)


@given(
    st.sampled_from((250, 400, 700, 10_000)),
    st.lists(st.sampled_from((0, 0, 1, 1, 1, 2, 3)), min_size=4, max_size=16),
    st.data(),
)
@settings(max_examples=40, deadline=None)
def test_no_sequence_of_fills_carries_the_open_risk_past_its_limit(
    open_bps: int, steps: list[int], data: st.DataObject
) -> None:
    """Entries of any price and stop sized by the engine, filled in parts at anything up to their
    limit, cancelled and sold in any order: after each step the open risk is within its limit, and
    it is no less than the loss at the stops with the charges."""
    desk = _Desk(open_bps, data)
    for step in steps:
        ACTIONS[step](desk)
        desk.check()


def test_the_sequences_do_enter_and_fill() -> None:
    """A canary: a market in which nothing is ever bought would prove nothing."""
    test_no_sequence_of_fills_carries_the_open_risk_past_its_limit()
    sys.stdout.write(f"sequences: {seen}\n")
    assert seen["entries"] > 20
    assert seen["fills"] > 20


def test_an_order_without_a_plan_keeps_its_risk_over_its_fills() -> None:
    """An entry that was carried over as unknown has no stop of its own: its first fill sets one,
    and the second counts as much as the first. It once set the position's risk to nothing."""
    state = at_trade().state
    blank = order_of(
        state, underlying=0, contract=12, authority="a" * 16, order_id="Pa", filled_units=0,
        fills=0, quantity_units=2 * LOT, limit_paise=10_000, stop_paise=0, target_paise=0,
    )  # fmt: skip
    state = replace(state, orders=(blank,))
    for _ in range(2):
        (order,) = [one for one in state.orders if one.role == ENTRY]
        state = _applied(
            state, FillApplied("Pa", order.fills + 1, 12, "BUY", LOT, 10_000, 0, (), 0, 0)
        )
    (held,) = state.positions
    assert held.quantity_units == 2 * LOT
    assert held.risk_paise == (10_000 - held.stop_paise) * 2 * LOT > 0

"""Orders, positions, the account: money is conserved, nothing oversold, a trade counts once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec.structs import replace

from engine import books
from engine.apply import Entry
from engine.books import (
    free_funds_paise,
    mid_paise,
    open_risk_paise,
    order_of,
    position_of,
    unrealised_paise,
)
from engine.core import Core
from engine.state import State
from events.feed import TimerTick
from events.orders import (
    ExitSignalled,
    FillApplied,
    IntentApproved,
    OrderChanged,
    PositionChanged,
    RiskStateChanged,
)
from tests.engine.build import MS, at_trade, quote_of, with_quote
from tests.engine.fabricated import (
    SmallMarket,
    frame_fact,
    full_packet,
    relaxed,
    run_core,
    small_facts,
)

MARKET = SmallMarket(minutes=1)
ROWS = MARKET.instruments()
CONTRACTS = (2, 3)
LOT = 65


def opened(**sections: dict[str, int | bool]) -> Core:
    """A core after the opening facts, before any frame."""
    return run_core(list(small_facts(MARKET, relaxed(**sections)))[:5]).core


def intent(state: State, number: int, contract: int, lots: int, **changes: Any) -> IntentApproved:
    """An approval of so many lots, due by the configured latency, limit far away."""
    plain = IntentApproved(
        intent_id=f"{number:08d}{number:08d}", underlying="NIFTY", strategy_id="trend.v1",
        contract=contract,
        side="BUY", quantity_units=lots * LOT, lots=lots, limit_paise=100_000,
        reference_paise=10_000, stop_paise=9_000, target_paise=11_000, trail_paise=500,
        risk_paise=lots * 65_001, gates_seq=1,
        due_ts=state.now + state.config.paper.latency_ms * MS,
    )  # fmt: skip
    return replace(plain, **changes)


def inject(core: Core, event: Any) -> None:
    """Apply a derivation as if a cycle of the last fact had made it."""
    seq = core.state.seq + 1
    entry = Entry(seq, type(event).__name__, core.state.now, core.state.seq, event)
    core._apply(entry)


def trade(core: Core, contract: int, price: int, wait_ms: int, lots: int = 40) -> list[Any]:
    """A frame with one contract's book around a price; gives what it led to."""
    ts = core.state.now + wait_ms * MS
    volume = 100 + core.state.seq
    packet = full_packet(ROWS[contract].token, price, LOT, volume, ts // 10**9, lots=lots)
    derived = core.step(core.state.seq + 1, ts, frame_fact([packet]))
    return [one.entry.event for one in derived]


class Accounts(RuleBasedStateMachine):
    """Approvals, frames and ticks in any order, against a cash book kept beside the engine."""

    def __init__(self) -> None:
        super().__init__()
        self.core = opened(paper={"entry_valid_ms": 3_000}, plan={"hold_s_max": 20})
        self.number = 0
        self.cash = 0
        self.units = dict.fromkeys(CONTRACTS, 0)
        self.filled: dict[str, int] = {}
        self.trades: set[str] = set()
        for contract in CONTRACTS:
            trade(self.core, contract, 10_000, 1)

    @rule(contract=st.sampled_from(CONTRACTS), lots=st.integers(1, 8), risk=st.integers(1, 10**6))
    def approve(self, contract: int, lots: int, risk: int) -> None:
        self.number += 1
        approved = intent(self.core.state, self.number, contract, lots, risk_paise=risk)
        inject(self.core, approved)

    @rule(
        contract=st.sampled_from(CONTRACTS),
        price=st.sampled_from((8_500, 9_600, 10_000, 10_500, 11_500)),
        lots=st.integers(0, 9),
        wait_ms=st.sampled_from((0, 100, 300, 4_000)),
    )
    def frame(self, contract: int, price: int, lots: int, wait_ms: int) -> None:
        self.take(trade(self.core, contract, price, wait_ms, lots))

    @rule(wait_s=st.sampled_from((1, 5, 25)))
    def tick(self, wait_s: int) -> None:
        ts = self.core.state.now + wait_s * 10**9
        derived = self.core.step(self.core.state.seq + 1, ts, TimerTick(ts, 0))
        self.take([one.entry.event for one in derived])

    def take(self, events: list[Any]) -> None:
        """The cash book: what fills cost and gave, with their charges."""
        met: dict[tuple[int, str, int], str] = {}
        for event in events:
            if not isinstance(event, FillApplied):
                continue
            sign = 1 if event.side == "BUY" else -1
            self.cash -= sign * event.price_paise * event.quantity_units + event.charges_paise
            self.units[event.contract] += sign * event.quantity_units
            self.filled[event.order_id] = self.filled.get(event.order_id, 0) + event.quantity_units
            if event.side == "BUY":
                self.trades.add(event.order_id)
            assert event.charges_paise == sum(line.paise for line in event.charges)
            assert event.quantity_units > 0
            assert event.quantity_units % LOT == 0
            book = (event.contract, event.side, event.quote_seq)
            assert met.setdefault(book, event.order_id) == event.order_id, "two took from one book"

    @invariant()
    def money_is_conserved(self) -> None:
        """Realised and unrealised less charges is the cash that moved and what the rest would
        fetch; every paisa of cost is in a position or realised."""
        state = self.core.state
        worth = sum(
            quote_of(state, p.contract).bid_paise * p.quantity_units for p in state.positions
        )
        account = state.account
        result = account.realised_paise + unrealised_paise(state) - account.charges_paise
        assert result == self.cash + worth
        held = sum(p.value_paise for p in state.positions)
        assert account.realised_paise - account.charges_paise - held == self.cash

    @invariant()
    def nothing_is_oversold(self) -> None:
        """Held is bought less sold, never negative; working sells never exceed it."""
        state = self.core.state
        for contract in CONTRACTS:
            held = sum(p.quantity_units for p in state.positions if p.contract == contract)
            assert held == self.units[contract] >= 0
            selling = sum(
                o.quantity_units - o.filled_units
                for o in state.orders
                if o.contract == contract and o.side == "SELL"
            )
            assert selling <= held

    @invariant()
    def filled_is_cumulative(self) -> None:
        """An order's filled quantity is the sum of its fills and never beyond what was ordered."""
        for order in self.core.state.orders:
            assert order.filled_units == self.filled.get(order.order_id, 0) < order.quantity_units

    @invariant()
    def a_trade_counts_once(self) -> None:
        """The account counts each filled entry as one trade, however many fills it took."""
        assert self.core.state.account.trades_today == len(self.trades)

    @invariant()
    def risk_is_counted_once(self) -> None:
        """What is held and what is working of one entry carry its risk together, not twice."""
        state = self.core.state
        for order in state.orders:
            held = position_of(state, order.authority)
            if order.role == "ENTRY" and held is not None:
                alone = replace(state, orders=(order,), positions=(held,))
                assert open_risk_paise(alone) == order.risk_paise
        assert open_risk_paise(state) >= 0

    @invariant()
    def every_position_has_at_most_one_exit(self) -> None:
        """One exit at a time; a position whose exit works is still there."""
        exits = [o.authority[:16] for o in self.core.state.orders if o.role == "EXIT"]
        assert len(exits) == len(set(exits))
        assert set(exits) <= {p.position_id for p in self.core.state.positions}


Accounts.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestAccounts = Accounts.TestCase


def _held(lots: int = 2) -> Core:
    """A core that holds a long of so many lots bought at one price."""
    core = opened()
    trade(core, 2, 10_000, 1)
    inject(core, intent(core.state, 1, 2, lots))
    trade(core, 2, 10_000, 300, lots=1_000)
    assert [p.quantity_units for p in core.state.positions] == [lots * LOT]
    return core


def test_an_approval_is_an_order_whose_risk_counts_at_once() -> None:
    """From its approval on the order stands in the books with its risk and its reserved funds."""
    core = opened()
    funds = free_funds_paise(core.state)
    inject(core, intent(core.state, 1, 2, 3))
    order = order_of(core.state, "P0000000100000001")
    assert order is not None
    assert (order.role, order.side, order.underlying, order.filled_units) == ("ENTRY", "BUY", 0, 0)
    assert open_risk_paise(core.state) == order.risk_paise == 3 * 65_001
    assert free_funds_paise(core.state) == funds - order.limit_paise * order.quantity_units
    assert order_of(core.state, "Pnone") is None


def test_a_loss_makes_the_streak_longer_and_a_gain_ends_it() -> None:
    """A closed trade pauses its underlying; its result after charges moves the streak."""
    for price, streak in ((8_000, 4), (13_000, 0)):
        core = _held()
        core.state = replace(core.state, account=replace(core.state.account, loss_streak=3))
        trade(core, 2, price, 100)
        events = trade(core, 2, price, 1_000)
        closed = [e for e in events if isinstance(e, PositionChanged)]
        assert [one.status for one in closed] == ["CLOSED"]
        assert core.state.positions == ()
        assert core.state.account.loss_streak == streak
        assert core.state.markets[0].cooldown_until_ns == (
            core.state.now + core.state.config.risk.cooldown_s * 1_000 * MS
        )
        said = [e for e in events if isinstance(e, RiskStateChanged)][-1]
        assert (said.reason, said.loss_streak) == ("RISK_EXIT_FILLED", streak)


def test_a_trade_whose_gain_is_eaten_by_charges_is_a_loss() -> None:
    """The streak counts the result after charges, not the gross one."""
    core = _held(1)
    (position,) = core.state.positions
    sold = replace(position, quantity_units=0, realised_paise=100, charges_paise=101)
    after = books.settle_closed(core.state, sold, core.state.now)
    assert after.account.loss_streak == 1
    assert after.positions == ()
    even = books.settle_closed(core.state, replace(sold, charges_paise=100), core.state.now)
    assert even.account.loss_streak == 0


def test_the_account_s_risk_is_free_when_an_order_ends_unfilled() -> None:
    """An entry that lapses frees its risk and its funds, and the account says so."""
    core = opened()
    trade(core, 2, 10_000, 1)
    before = core.state
    inject(core, intent(core.state, 1, 2, 1, limit_paise=50))
    events = trade(core, 2, 10_000, 60_000)
    ended = [e for e in events if isinstance(e, OrderChanged)]
    assert [(one.status, one.reason) for one in ended] == [("CANCELLED", "ORDER_LAPSED")]
    assert [e.reason for e in events if isinstance(e, RiskStateChanged)] == ["RISK_ORDER_ENDED"]
    assert (core.state.orders, open_risk_paise(core.state)) == ((), 0)
    assert free_funds_paise(core.state) == free_funds_paise(before)


def test_an_order_that_goes_on_working_stays() -> None:
    """WORKING and PARTIAL leave the books as they are; the three ends take the order out."""
    core = opened()
    inject(core, intent(core.state, 1, 2, 1))
    (order,) = core.state.orders
    for status, left in (("WORKING", 1), ("PARTIAL", 1), ("REJECTED", 0), ("FILLED", 0)):
        said = OrderChanged(
            order.order_id, order.authority, "ENTRY", 2, "BUY", status, None, 65, 0, None
        )
        after = books.apply_order_changed(core.state, said, core.state.now, core.look)
        assert len(after.orders) == left


def test_impossible_books_stop_the_core() -> None:
    """A fill of no order, a fill beyond the order, a sale beyond what is held and an exit of no
    position are faults, not figures."""
    core = _held(1)
    state, ts = core.state, core.state.now
    (position,) = state.positions
    fill = FillApplied("Pnone", 1, 2, "BUY", LOT, 10_000, 0, (), 0, 1)
    with pytest.raises(AssertionError, match="unknown order"):
        books.apply_fill_applied(state, fill, ts, core.look)
    signalled = ExitSignalled("none", "none", 2, "EXIT_STOP", LOT, None, None, ts)
    with pytest.raises(AssertionError, match="names no position"):
        books.apply_exit_signalled(state, signalled, ts, core.look)
    signalled = replace(signalled, exit_id=f"{position.position_id}X1", quantity_units=2 * LOT,
                        position_id=position.position_id)  # fmt: skip
    selling = books.apply_exit_signalled(state, signalled, ts, core.look)
    fill = replace(fill, order_id=f"P{signalled.exit_id}", side="SELL", quantity_units=2 * LOT)
    with pytest.raises(AssertionError, match="more than is held"):
        books.apply_fill_applied(selling, fill, ts, core.look)
    with pytest.raises(AssertionError, match="beyond its quantity"):
        books.apply_fill_applied(selling, replace(fill, quantity_units=3 * LOT), ts, core.look)


def test_a_partial_sale_takes_its_share_of_cost_and_risk() -> None:
    """A part sold: its share of the cost is realised, and its share of the risk is gone."""
    units = 20 * LOT
    core = _held(20)
    (before,) = core.state.positions
    trade(core, 2, 8_000, 100)
    trade(core, 2, 8_000, 1_000, lots=1)
    (after,) = core.state.positions
    sold = before.quantity_units - after.quantity_units
    assert sold > 0
    assert after.value_paise == before.value_paise - before.value_paise * sold // units
    assert after.risk_paise == -(-before.risk_paise * after.quantity_units // units)
    assert core.state.account.realised_paise == after.realised_paise < 0


def test_the_middle_of_a_quote() -> None:
    """Mid of a two-sided quote rounded down, last price without one, 0 where nothing was seen."""
    state = at_trade().state
    quote = quote_of(state, 2)
    two = replace(quote, bid_paise=100, ask_paise=105)
    assert mid_paise(with_quote(state, 2, two), 2) == 102
    assert mid_paise(with_quote(state, 2, replace(two, bid_paise=0, ltp_paise=99)), 2) == 99
    assert mid_paise(with_quote(state, 2, None), 2) == 0


def test_a_contract_without_a_bid_is_worth_nothing() -> None:
    """A long that nobody bids for is marked at zero: the whole cost is the open loss."""
    core = _held(1)
    (position,) = core.state.positions
    bare = with_quote(core.state, 2, replace(quote_of(core.state, 2), bid_paise=0))
    assert unrealised_paise(bare) == -position.value_paise
    assert unrealised_paise(with_quote(core.state, 2, None)) == -position.value_paise


def test_the_best_bid_only_rises() -> None:
    """The trailing level's base is the highest bid since the entry."""
    core = _held(1)
    seen = []
    for price in (10_100, 10_300, 10_200):
        trade(core, 2, price, 10)
        seen.append(core.state.positions[0].best_bid_paise)
    assert seen == [10_095, 10_295, 10_295]

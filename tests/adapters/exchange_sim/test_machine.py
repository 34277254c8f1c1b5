"""A state machine of random orders, books, changes and waits: what never breaks, whatever comes."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from adapters.exchange_sim.errors import KiteError
from adapters.exchange_sim.spec import AccountSpec, Behaviour
from engine.charges import charge_lines, charges_paise
from engine.rulebook import resolve_day
from events.session import Instrument
from tests.adapters.exchange_sim.bench_market import CALL, DAY, PUT, RULEBOOK, Bench, Side

TERMINAL = ("COMPLETE", "REJECTED", "CANCELLED")
CASH = 50_000_000
CONTRACTS = (CALL, PUT)
RULES = resolve_day(RULEBOOK, DAY, ())

prices = st.integers(1_960, 2_040).map(lambda ticks: ticks * 5)
lots = st.integers(1, 4)
levels = st.lists(lots, min_size=0, max_size=5)


class Machine(RuleBasedStateMachine):
    """Books around 100.00, orders around the books, on two contracts. No fault is on."""

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench(Behaviour(seed=3, modifications_max=6), AccountSpec(cash_paise=CASH))
        self.ids: list[str] = []
        self.seen: dict[str, dict[str, Any]] = {}
        self.shown: dict[str, tuple[Counter[float], Counter[float], int]] = {}
        self.trades_before: dict[str, int] = {}
        self.fees = 0
        self.moved: Counter[tuple[str, str, str]] = Counter()

    @initialize()
    def opens(self) -> None:
        """Two books to begin with."""
        for row in CONTRACTS:
            self.show(row, 10_000, 9_995, [2, 2], [2, 2], 0)

    def show(
        self, row: Instrument, last: int, bid: int, buys: list[int], sells: list[int], traded: int
    ) -> None:
        """A packet, remembered as what may be taken until the next."""
        bids: Side = [(65 * n, bid - 5 * at) for at, n in enumerate(buys)]
        asks: Side = [(65 * n, bid + 5 + 5 * at) for at, n in enumerate(sells)]
        name = row.tradingsymbol
        self.shown[name] = (
            Counter({price / 100: units for units, price in bids}),
            Counter({price / 100: units for units, price in asks}),
            65 * traded,
        )
        self.bench.wait(0)
        self.trades_before[name] = len(self.bench.exchange.trades(self.bench.now))
        self.bench.book(row, last, bids, asks, traded=65 * traded)

    @rule(
        row=st.sampled_from(CONTRACTS),
        last=prices,
        bid=prices,
        buys=levels,
        sells=levels,
        traded=st.integers(0, 3),
    )
    def packet(
        self, row: Instrument, last: int, bid: int, buys: list[int], sells: list[int], traded: int
    ) -> None:
        """The market moves."""
        self.show(row, last, bid, buys, sells, traded)

    @rule(
        row=st.sampled_from(CONTRACTS),
        side=st.sampled_from(("BUY", "SELL")),
        kind=st.sampled_from(("LIMIT", "LIMIT", "MARKET", "SL")),
        quantity=lots,
        price=prices,
        away=st.integers(0, 60),
        validity=st.sampled_from(("DAY", "DAY", "IOC")),
        product=st.sampled_from(("NRML", "MIS")),
    )
    def place(
        self,
        row: Instrument,
        side: str,
        kind: str,
        quantity: int,
        price: int,
        away: int,
        validity: str,
        product: str,
    ) -> None:
        """An order; the broker may refuse it, which leaves no trace."""
        fields: dict[str, Any] = {
            "tradingsymbol": row.tradingsymbol,
            "transaction_type": side,
            "order_type": kind,
            "quantity": 65 * quantity,
            "price": price / 100,
            "validity": validity,
            "product": product,
            "market_protection": -1 if kind == "MARKET" else None,
        }
        if kind == "SL":
            trigger = price - 5 * away if side == "BUY" else price + 5 * away
            fields["trigger_price"] = trigger / 100
        self.attempt(lambda: self.ids.append(self.bench.place(**fields)))

    @rule(at=st.integers(0, 50))
    def cancel(self, at: int) -> None:
        """Some order, finished or not."""
        if self.ids:
            order_id = self.ids[at % len(self.ids)]
            self.attempt(lambda: self.bench.exchange.cancel(self.bench.now, "regular", order_id))

    @rule(at=st.integers(0, 50), price=prices, quantity=lots)
    def modify(self, at: int, price: int, quantity: int) -> None:
        """Some order, to another price and quantity."""
        if self.ids:
            order_id = self.ids[at % len(self.ids)]
            form = {"price": str(price / 100), "quantity": str(65 * quantity)}
            self.attempt(
                lambda: self.bench.exchange.modify(self.bench.now, "regular", order_id, form)
            )

    @rule(row=st.sampled_from(CONTRACTS), old=st.sampled_from(("NRML", "MIS")), quantity=lots)
    def convert(self, row: Instrument, old: str, quantity: int) -> None:
        """Some units from one product to the other: no trade, and no money."""
        new = "MIS" if old == "NRML" else "NRML"
        held = self.bench.net(row, old)
        form = {
            "exchange": row.exchange,
            "tradingsymbol": row.tradingsymbol,
            "transaction_type": "BUY" if held > 0 else "SELL",
            "position_type": "day",
            "quantity": str(65 * quantity),
            "old_product": old,
            "new_product": new,
        }
        try:
            self.bench.exchange.convert_position(self.bench.now, form)
        except KiteError:
            assert abs(held) < 65 * quantity
            return
        signed = 65 * quantity * (1 if held > 0 else -1)
        self.moved[row.exchange, row.tradingsymbol, old] -= signed
        self.moved[row.exchange, row.tradingsymbol, new] += signed

    @rule(ms=st.sampled_from((0, 1, 10, 25, 1_000)))
    def wait(self, ms: int) -> None:
        """Time passes."""
        self.bench.wait(ms)

    def attempt(self, call: Any) -> None:
        """A call that may be refused, and then changed nothing."""
        before = len(self.bench.exchange.orders(self.bench.now))
        try:
            call()
        except KiteError:
            assert len(self.bench.exchange.orders(self.bench.now)) == before

    # --- what always holds -----------------------------------------------------------------------

    def orders(self) -> list[dict[str, Any]]:
        """The book."""
        return self.bench.exchange.orders(self.bench.now)

    @invariant()
    def orders_only_go_on(self) -> None:
        """Filled never falls nor passes the quantity; a terminal order is as it was."""
        for order in self.orders():
            assert 0 <= order["filled_quantity"] <= order["quantity"]
            left = order["quantity"] - order["filled_quantity"]
            assert order["pending_quantity"] == (0 if order["status"] == "REJECTED" else left)
            assert (order["status"] == "COMPLETE") == (left == 0)
            known = self.seen.get(order["order_id"])
            if known is not None:
                assert order["filled_quantity"] >= known["filled_quantity"]
                self.check_terminal(known, order)
            self.seen[order["order_id"]] = order

    def check_terminal(self, known: dict[str, Any], order: dict[str, Any]) -> None:
        """Terminal stays terminal, to the last field."""
        if known["status"] in TERMINAL:
            assert order == known

    @invariant()
    def trades_are_fills_are_positions(self) -> None:
        """By order, by position key, and in the broker's own list."""
        trades = self.bench.exchange.trades(self.bench.now)
        filled: Counter[str] = Counter()
        held = Counter(self.moved)
        for trade in trades:
            assert trade["quantity"] > 0 and trade["quantity"] % 65 == 0
            filled[trade["order_id"]] += trade["quantity"]
            signed = trade["quantity"] * (1 if trade["transaction_type"] == "BUY" else -1)
            held[trade["exchange"], trade["tradingsymbol"], trade["product"]] += signed
        for order in self.orders():
            assert filled[order["order_id"]] == order["filled_quantity"]
        ledger = {row[:3]: row[3] for row in self.bench.exchange.ledger() if row[3]}
        assert ledger == {key: units for key, units in held.items() if units}
        net = self.bench.exchange.positions(self.bench.now)["net"]
        for one in net:
            key = (one["exchange"], one["tradingsymbol"], one["product"])
            assert one["quantity"] == one["buy_quantity"] - one["sell_quantity"] == held[key]
            assert (one["average_price"] == 0) == (one["quantity"] == 0)

    @invariant()
    def money_is_conserved(self) -> None:
        """Opening cash, less what was bought, plus what was sold, less the charges of each fill,
        less the broker's fees."""
        trades = self.bench.exchange.trades(self.bench.now)
        assert self.bench.exchange.cash_paise == CASH + money_of(trades) - self.fees

    @invariant()
    def nothing_shown_is_taken_twice(self) -> None:
        """Since a packet no level gave more than it showed, beyond what was printed as traded."""
        trades = self.bench.exchange.trades(self.bench.now)
        for row in CONTRACTS:
            name = row.tradingsymbol
            if name not in self.shown:
                continue
            bids, asks, printed = self.shown[name]
            taken: dict[str, Counter[float]] = {"BUY": Counter(), "SELL": Counter()}
            for trade in trades[self.trades_before[name] :]:
                if trade["tradingsymbol"] == name:
                    taken[trade["transaction_type"]][trade["average_price"]] += trade["quantity"]
            excess = (taken["BUY"] - asks).total() + (taken["SELL"] - bids).total()
            assert excess <= printed, (name, taken, bids, asks)

    @invariant()
    def history_ends_with_the_book(self) -> None:
        """The last step of each order is its status."""
        for order in self.orders():
            history = self.bench.exchange.order_history(self.bench.now, order["order_id"])
            assert history[-1]["status"] == order["status"]
            assert (
                history[-1]["filled_quantity"] == order["filled_quantity"]
                or order["status"] not in TERMINAL
            )

    def teardown(self) -> None:
        """When all is told, the last word of the updates is the book's."""
        self.bench.wait(60_000)
        last = {event["order_id"]: event for event in self.bench.heard}
        for order in self.orders():
            told = last.get(order["order_id"])
            if order["status"] in TERMINAL or order["filled_quantity"]:
                assert told is not None, order
                assert told["filled_quantity"] == order["filled_quantity"]
                expected = order["status"] if order["status"] in TERMINAL else "UPDATE"
                assert told["status"] == expected


class FaultyMachine(Machine):
    """The same with every switch turned at random: what must hold even then."""

    @rule(
        share=st.integers(0, 1_000),
        late=st.booleans(),
        pending=st.booleans(),
        late_funds=st.booleans(),
        reject=st.sampled_from((None, "17070 : no")),
    )
    def switch(
        self, share: int, late: bool, pending: bool, late_funds: bool, reject: str | None
    ) -> None:
        """Turn the switches."""
        faults = self.bench.exchange.faults
        faults.duplicate_updates = faults.reorder_updates = faults.drop_updates = share
        faults.late_fill_after_cancel, faults.pending_forever = late, pending
        faults.margin_async, faults.reject_next = late_funds, reject

    @rule(row=st.sampled_from(CONTRACTS), product=st.sampled_from(("NRML", "MIS")))
    def by_hand(self, row: Instrument, product: str) -> None:
        """A person closes what there is of a position."""
        units = abs(self.bench.net(row, product))
        if units:
            self.bench.exchange.close_by_hand(
                self.bench.now, row.exchange, row.tradingsymbol, product, units
            )

    @rule()
    def squared_off(self) -> None:
        """The broker closes what is NRML, for fees that ``money_is_conserved`` has to know."""
        held = [row for row in self.bench.exchange.ledger() if row[2] == "NRML" and row[3]]
        self.bench.exchange.square_off(self.bench.now, "NRML")
        self.fees += 5_900 * len(held)

    def check_terminal(self, known: dict[str, Any], order: dict[str, Any]) -> None:
        """A cancelled order may still be told of a fill; nothing else moves."""
        if known["status"] in TERMINAL and order["filled_quantity"] == known["filled_quantity"]:
            assert order["status"] == known["status"]
        elif known["status"] in TERMINAL:
            assert known["status"] == "CANCELLED"

    @invariant()
    def nothing_shown_is_taken_twice(self) -> None:
        """Late fills are outside of any book: this is for the machine without faults."""

    def teardown(self) -> None:
        """Updates may be lost: the book has the last word here."""
        self.bench.exchange.faults.pending_forever = False
        self.bench.wait(60_000)
        self.trades_are_fills_are_positions()
        self.orders_only_go_on()


def money_of(trades: list[dict[str, Any]]) -> int:
    """What trades did to the money, charges included, paise."""
    moved, begun = 0, set()
    for trade in trades:
        price, side = round(trade["average_price"] * 100), trade["transaction_type"]
        moved += price * trade["quantity"] * (1 if side == "SELL" else -1)
        first = trade["order_id"] not in begun
        begun.add(trade["order_id"])
        lines = charge_lines(RULES, "NFO", side, price, trade["quantity"], first_fill=first)
        moved -= charges_paise(lines)
    return moved


def run(machine: type[Machine], examples: int, steps: int, *, shrink: bool = True) -> None:
    """So many random lives of so many steps each."""
    phases = [phase for phase in Phase if shrink or phase not in (Phase.shrink, Phase.explain)]
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            phases=phases,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize("machine", [Machine, FaultyMachine])
def test_random_lives_break_nothing(machine: type[Machine]) -> None:
    """30 lives of 30 steps."""
    run(machine, 30, 30)


@pytest.mark.slow
@pytest.mark.parametrize("machine", [Machine, FaultyMachine])
def test_many_random_lives_break_nothing(machine: type[Machine]) -> None:
    """The same in full: 300 lives of 60 steps."""
    run(machine, 300, 60)


def test_canary_a_level_taken_twice_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A book that never remembers what was taken of it fails the machine."""
    from adapters.exchange_sim import ticker

    class Forgetful(ticker.Level):
        """A level that is always whole."""

        def __setattr__(self, name: str, value: Any) -> None:
            if name != "taken":
                super().__setattr__(name, value)

    monkeypatch.setattr(ticker, "Level", Forgetful)
    with pytest.raises(AssertionError):
        run(Machine, 100, 30, shrink=False)

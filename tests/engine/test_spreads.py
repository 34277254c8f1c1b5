"""Pairs: bought before sold, bought back before sold on, and closed where a leg is missing."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.books import free_funds_paise, unrealised_paise
from engine.carry import carry_over
from engine.config import Config
from engine.core import Core
from engine.gates import contract
from engine.gates.contract import Pick
from engine.gates.sizing import protected_paise
from engine.gates.spread import Sold, with_margin, with_sold_leg
from engine.gates.strategy import judge_signal
from engine.risk.day import result_paise
from engine.risk.portfolio import book_of
from engine.rulebook import ist_ns
from engine.shorts import COVER, SHORT, kept_paise, margin_held_paise
from engine.spreads import decide_pairs, net_paise
from engine.state import State
from engine.strategies import defined_risk, routing
from engine.strategies.routing import Route
from engine.view import View
from events.base import Event
from events.decision import StageVerdict
from events.feed import TimerTick
from events.orders import (
    ExitSignalled,
    FillApplied,
    IntentApproved,
    OrderChanged,
    PositionChanged,
    PositionSettled,
    SpreadApproved,
)
from events.session import (
    CarriedOver,
    OperatorCommand,
    SessionClosed,
)
from tests.engine.build import moment_of, quote_of, view_of, with_config, with_quote
from tests.engine.fabricated import (
    DAY,
    SmallMarket,
    frame_of,
    relaxed,
    run_core,
    small_facts,
)

PAIRS = {
    "defined_risk": {"signal_milli_min": 0, "aligned": False, "width_bps": 60, "stop_bps": 3_000},
    "plan": {"hold_s_max": 120},
}
NEXT_DAY = 20261123
HEARTBEAT_FRAME = frame_of(b"\0")


@pytest.fixture(autouse=True)
def _pairs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every regime is the defined-risk family's: the small market's are a trend's and a range's."""
    for name in ("TREND", "RANGE", "RANGE_VOLATILE", "EVENT", "PANIC"):
        names = ("DEFINED_RISK",)
        monkeypatch.setitem(routing.BY_REGIME, name, Route(name, names, names, "FAMILY_EVENT"))
    monkeypatch.setattr(defined_risk, "FULL_PPM", 1.0)


def _config(**sections: dict[str, int | bool]) -> Any:
    merged = {
        name: {**PAIRS.get(name, {}), **sections.get(name, {})} for name in {*PAIRS, *sections}
    }
    return relaxed(**merged)


def _stepped(
    seed: int = 1, **sections: dict[str, int | bool]
) -> Iterator[tuple[State, list[Event]]]:
    """The state after each fact of the small market, with what it led to."""
    core = Core()
    for ts, event in small_facts(SmallMarket(minutes=14, seed=seed), _config(**sections)):
        derived = core.step(core.state.seq + 1, ts, event)
        yield core.state, [one.entry.event for one in derived]


def _first(wanted: Callable[[State], bool], **sections: dict[str, int | bool]) -> State:
    return next(state for state, _ in _stepped(1, **sections) if wanted(state))


def _is_open(state: State) -> bool:
    """Whether a pair is held whole, and nothing of it works."""
    return bool(state.shorts) and not state.orders and state.shorts[0].quantity_units < 0


@functools.cache
def _open_state() -> State:
    return _first(_is_open)


def _waiting() -> State:
    """A pair whose long is held and whose sale waits."""
    return _first(lambda s: any(o.role == SHORT for o in s.orders) and bool(s.positions))


def _bid_ask(state: State, contract: int, bid: int, ask: int) -> State:
    quote = replace(quote_of(state, contract), bid_paise=bid, ask_paise=ask, depth=b"")
    return with_quote(state, contract, quote)


def _legs(state: State) -> tuple[int, int]:
    return state.positions[0].contract, state.shorts[0].contract


# --- the order of its life -----------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_is_sold_is_never_more_than_what_is_held(seed: int) -> None:
    """After every derivation's fact the sold leg is covered by its long, in quantity and kind; a
    pair is bought, then sold, then bought back, then sold on, and no other way round."""
    pairs = 0
    order: list[tuple[str, str]] = []
    for state, events in _stepped(seed):
        for leg in state.shorts:
            longs = [o for o in state.positions if leg.position_id == f"{o.position_id}S"]
            assert leg.quantity_units <= 0
            assert leg.quantity_units == 0 or longs[0].quantity_units >= -leg.quantity_units
            if longs:
                bought, sold = (state.instruments[o.contract] for o in (longs[0], leg))
                assert (bought.expiry, bought.kind) == (sold.expiry, sold.kind)
        fills = [one for one in events if isinstance(one, FillApplied)]
        roles = {one.order_id: one.role for one in events if isinstance(one, OrderChanged)}
        order.extend((roles[one.order_id], one.side) for one in fills)
        pairs += sum(isinstance(one, SpreadApproved) for one in events)
    assert pairs >= 1
    lives = "".join({"ENTRY": "b", SHORT: "s", COVER: "c", "EXIT": "x"}[role] for role, _ in order)
    assert set(lives.replace("bscx", "").replace("bx", "")) <= {"b", "s"}, lives
    assert "bscx" in lives
    sides = dict(order)
    assert sides == {"ENTRY": "BUY", SHORT: "SELL", COVER: "BUY", "EXIT": "SELL"}


def test_the_approval_says_what_the_pair_may_cost_and_bring() -> None:
    """Width, worst debit, levels between nothing and the width, and the money kept for the leg."""
    for state, events in _stepped():
        for one in events:
            if isinstance(one, SpreadApproved):
                intent = next(o for o in events if isinstance(o, IntentApproved))
                assert (one.intent_id, one.leg_id) == (intent.intent_id, f"{intent.intent_id}S")
                bought, sold = (state.instruments[o.contract] for o in (intent, one))
                assert abs(bought.strike_paise - sold.strike_paise) == one.width_paise
                assert (sold.strike_paise > bought.strike_paise) == (bought.kind == "CE")
                assert one.debit_paise == intent.limit_paise - one.limit_paise > 0
                assert 0 < one.stop_paise < one.target_paise < one.width_paise
                assert one.margin_paise == kept_paise(sold.strike_paise, intent.quantity_units, 400)
                return
    raise AssertionError("no pair was approved")


def test_the_money_of_a_pair() -> None:
    """Free funds fall by the debit and the money kept; the result of both legs adds up to the
    account's; risk's book nets the greeks."""
    state = _open_state()
    (long,), (leg,) = state.positions, state.shorts
    account = state.account
    at_hand = account.capital_paise + account.realised_paise - account.charges_paise
    kept = margin_held_paise(state)
    assert kept == kept_paise(
        state.instruments[leg.contract].strike_paise, -leg.quantity_units, 400
    )
    assert free_funds_paise(state) == at_hand - long.value_paise - leg.value_paise - kept
    assert leg.value_paise < 0 < long.value_paise + leg.value_paise
    bought, sold = (quote_of(state, contract) for contract in _legs(state))
    net = bought.bid_paise - sold.ask_paise
    assert net_paise(state, long) == net
    assert unrealised_paise(state) == net * long.quantity_units - long.value_paise - leg.value_paise
    result = result_paise(state)
    closed = account.realised_paise - account.charges_paise
    assert result is not None and result < closed + unrealised_paise(state)
    book = book_of(state)
    alone = book_of(replace(state, shorts=()))
    assert book.net is not None and alone.net is not None
    assert abs(book.net.delta_paise) < abs(alone.net.delta_paise)
    assert book.net.vega_paise < alone.net.vega_paise
    no_ask = _bid_ask(state, leg.contract, sold.bid_paise, 0)
    assert result_paise(no_ask) is None


def test_a_closed_pair_is_one_trade_with_one_result() -> None:
    """Streak, results and the account take both legs together, whatever each brought."""
    before = 0
    for state, events in _stepped():
        ends = [o for o in events if isinstance(o, PositionChanged) and o.status == "CLOSED"]
        longs = [one for one in ends if not one.position_id.endswith("S")]
        if longs:
            result = state.account.realised_paise - state.account.charges_paise
            assert state.risk.closed_paise[-1] == result - before
            assert (state.account.loss_streak > 0) == (state.risk.closed_paise[-1] < 0)
            assert state.account.trades_today == len(state.risk.closed_paise)
            before = result
    assert before


# --- how it ends ---------------------------------------------------------------------------------


def _signals(state: State) -> list[tuple[str, str]]:
    return [(o.position_id, o.reason) for o in decide_pairs(state) if isinstance(o, ExitSignalled)]


@pytest.mark.parametrize(
    ("net", "reason"), [("stop", "EXIT_STOP"), ("target", "EXIT_TARGET"), ("between", None)]
)
def test_prices_are_the_pair_s(net: str, reason: str | None) -> None:
    """Stop and target are judged on what the pair is worth, exactly at the level and not beside
    it; the leg is bought back first, and nothing of the long is signalled."""
    state = _open_state()
    bought, sold = _legs(state)
    leg = state.shorts[0]
    worth = {"stop": leg.stop_paise, "target": leg.target_paise, "between": leg.stop_paise + 1}[net]
    state = _bid_ask(_bid_ask(state, sold, 9_990, 10_000), bought, 10_000 + worth, 10_010 + worth)
    assert _signals(state) == ([(leg.position_id, reason)] if reason else [])


def test_a_leg_without_a_price_stops_nothing_and_time_still_ends_it() -> None:
    """A pair whose value is not known waits for its clock, which buys the leg back."""
    state = _open_state()
    bought, sold = _legs(state)
    blind = _bid_ask(state, sold, 0, 0)
    assert net_paise(blind, blind.positions[0]) is None
    assert _signals(blind) == []
    crossed = _bid_ask(state, bought, 20_000, 10_000)
    assert _signals(crossed) == []
    late = replace(blind, now=blind.positions[0].opened_ns + 120 * 1_000_000_000)
    assert _signals(late) == [(state.shorts[0].position_id, "EXIT_TIME")]


def test_the_long_follows_only_once_its_leg_is_bought_back() -> None:
    """While the purchase works nothing is signalled; then the long goes for the same reason."""
    seen = []
    for state, events in _stepped():
        for one in events:
            if isinstance(one, ExitSignalled):
                covered = all(leg.quantity_units == 0 for leg in state.shorts)
                seen.append((one.position_id.endswith("S"), one.reason, covered))
        if any(order.role == COVER for order in state.orders):
            assert decide_pairs(state) == []
    pairs = list(zip(seen[::2], seen[1::2], strict=False))
    assert pairs
    for (first, why, _), (second, after, covered) in pairs[:1]:
        assert (first, second, covered) == (True, False, True)
        assert why == after


@pytest.mark.parametrize("part", [0, 1])
def test_a_leg_that_is_not_sold_whole_closes_the_pair(part: int) -> None:
    """What was not sold in its time is sold no more: the rest is bought back, or the long goes."""
    state = _open_state()
    (long,), (leg,) = state.positions, state.shorts
    lot = state.instruments[leg.contract].lot_units
    assert long.quantity_units > lot
    some = replace(leg, quantity_units=-lot, value_paise=leg.value_paise // 2)
    state = replace(state, shorts=(some,) if part else ())
    (signal,) = decide_pairs(state)
    assert isinstance(signal, ExitSignalled)
    assert signal.reason == "EXIT_SPREAD_BROKEN"
    want = (leg.position_id, lot) if part else (long.position_id, long.quantity_units)
    assert (signal.position_id, signal.quantity_units) == want


def test_a_sale_that_nobody_buys_lapses_and_the_long_goes() -> None:
    """The whole way: the leg's bid falls away before its sale, which lapses; the pair is broken."""
    state = _waiting()
    sale = next(one for one in state.orders if one.role == SHORT)
    (released,) = decide_pairs(state)
    assert isinstance(released, OrderChanged)
    assert (released.reason, released.quantity_units) == ("ORDER_RELEASED", sale.quantity_units)
    without = replace(state, orders=tuple(one for one in state.orders if one is not sale))
    assert [reason for _, reason in _signals(without)] == ["EXIT_SPREAD_BROKEN"]


def test_an_entry_that_lapses_leaves_no_sale() -> None:
    """Without a fill of the long the sale is cancelled with it."""
    gone = 0
    for state, events in _stepped(
        paper={"latency_ms": 0, "entry_collar_bps": 0, "entry_valid_ms": 1}
    ):
        for one in events:
            if isinstance(one, OrderChanged) and (one.role, one.reason) == (
                SHORT,
                "ORDER_NOT_NEEDED",
            ):
                gone += 1
                assert not any(o.authority.startswith(one.authority[:16]) for o in state.orders)
    stuck = [one for one in state.orders if one.role == SHORT]
    assert stuck == []
    assert gone or state.trades


def test_the_kill_switch_ends_a_sale_that_waits() -> None:
    """Its second level cancels what is not filled, a held sale too; then the long goes."""
    state = _waiting()
    core = Core(state)
    command = OperatorCommand("HALT", "me", "test", None, "CANCEL", "c1", "SOCKET")
    derived = core.step(state.seq + 1, state.now, command)
    cancelled = [
        one.entry.event
        for one in derived
        if isinstance(one.entry.event, OrderChanged) and one.entry.event.status == "CANCELLED"
    ]
    assert SHORT in {one.role for one in cancelled}
    tick = TimerTick(core.state.now + 1_000_000_000, 0)
    said = [one.entry.event for one in core.step(core.state.seq + 1, tick.due_ts, tick)]
    assert [o.reason for o in said if isinstance(o, ExitSignalled)] == ["EXIT_SPREAD_BROKEN"]


def _on_paper(state: State) -> State:
    """A backtest hears no operator."""
    assert state.opened is not None
    return replace(state, opened=replace(state.opened, mode="PAPER"))


@pytest.mark.parametrize("leg", ["", "S"])
def test_a_pair_that_a_person_asks_for_goes_as_a_whole(leg: str) -> None:
    """By either leg's id: the leg is bought back, then the long is sold, for the person's reason;
    asked for once more, by the other id, it is on its way."""
    core = Core(_on_paper(_open_state()))
    (long,), (short,) = core.state.positions, core.state.shorts

    def told(event: Event, after_ms: int = 0) -> list[Event]:
        at = core.state.now + after_ms * 1_000_000
        return [one.entry.event for one in core.step(core.state.seq + 1, at, event)]

    def word(id_: str, subject: str) -> OperatorCommand:
        return OperatorCommand("EXIT", "me", "test", subject, None, id_, "SOCKET")

    said = told(word("c1", long.position_id + leg))
    first = [one for one in said if isinstance(one, ExitSignalled)]
    assert [(one.position_id, one.reason) for one in first] == [(short.position_id, "EXIT_ASKED")]
    for subject in (long.position_id, short.position_id):
        answer = next(o for o in told(word(f"d{subject}", subject)) if hasattr(o, "outcome"))
        assert getattr(answer, "reason", "") == "CMD_EXITING"
    said = told(HEARTBEAT_FRAME, 1_000)
    then = [one for one in said if isinstance(one, ExitSignalled)] or [
        one for one in told(HEARTBEAT_FRAME, 1) if isinstance(one, ExitSignalled)
    ]
    assert [(one.position_id, one.reason) for one in then] == [(long.position_id, "EXIT_ASKED")]
    said = told(HEARTBEAT_FRAME, 1_000)
    ends = [one for one in said if isinstance(one, PositionChanged) and one.status == "CLOSED"]
    assert {one.exit_reason for one in ends} == {"EXIT_ASKED"}
    assert (core.state.positions, core.state.shorts) == ((), ())
    assert core.state.account.halts == ()


def test_a_sale_that_waits_is_withdrawn_from_a_pair_that_is_asked_for() -> None:
    """Nothing is sold of the leg any more, and the long goes at once."""
    state = _on_paper(_waiting())
    core = Core(state)
    word = OperatorCommand(
        "EXIT", "me", "test", state.positions[0].position_id, None, "c1", "SOCKET"
    )
    said = [one.entry.event for one in core.step(state.seq + 1, state.now, word)]
    ended = [one for one in said if isinstance(one, OrderChanged) and one.role == SHORT]
    assert [(one.status, one.reason) for one in ended] == [("CANCELLED", "ORDER_EXITED")]
    assert [o.reason for o in said if isinstance(o, ExitSignalled)] == ["EXIT_ASKED"]


# --- over the day's end --------------------------------------------------------------------------


def test_a_pair_is_carried_over_whole() -> None:
    """Both legs are there in the next session with their costs, and the pair stays covered."""
    state = _open_state()
    carried = carry_over(state, "ab" * 32, DAY, orders_unknown=False)
    assert [one.quantity_units for one in carried.positions] == [
        state.positions[0].quantity_units, state.shorts[0].quantity_units,
    ]  # fmt: skip
    facts = list(small_facts(SmallMarket(minutes=14), _config()))[:5]
    opening = [(ts, carried if isinstance(one, CarriedOver) else one) for ts, one in facts]
    run = run_core(opening)
    after = run.core.state
    assert (after.positions, after.shorts) == (state.positions, state.shorts)
    said = [one for one in run.events("PositionChanged") if isinstance(one, PositionChanged)]
    assert sorted(one.quantity_units for one in said) == sorted(
        (state.positions[0].quantity_units, state.shorts[0].quantity_units)
    )


def test_a_leg_bought_back_before_the_end_is_in_its_long_s_result() -> None:
    """A session that ends between the two purchases keeps the result of the first."""
    state = _open_state()
    (long,), (leg,) = state.positions, state.shorts
    bought = replace(leg, quantity_units=0, value_paise=0, realised_paise=-700, charges_paise=90)
    carried = carry_over(replace(state, shorts=(bought,)), "ab" * 32, DAY, orders_unknown=False)
    (one,) = carried.positions
    assert one.realised_paise == long.realised_paise - 700
    assert one.charges_paise == long.charges_paise + 90


@given(inside=st.integers(-300_000, 300_000))
@settings(max_examples=40, deadline=None)
def test_left_at_expiry_both_legs_are_settled_and_the_loss_is_the_debit_at_most(
    inside: int,
) -> None:
    """Wherever the index closes, the pair loses no more than it cost with charges and tax, and
    gains no more than its width."""
    state = replace(_open_state(), now=ist_ns(DAY, "15:39:59"))
    close = 2_412_340
    rows = list(state.instruments)
    bought, sold = _legs(state)
    call = rows[bought].kind == "CE"
    width = abs(rows[bought].strike_paise - rows[sold].strike_paise)
    strike = close - inside if call else close + inside
    rows[bought] = replace(rows[bought], expiry=DAY, strike_paise=strike)
    rows[sold] = replace(
        rows[sold], expiry=DAY, strike_paise=strike + width if call else strike - width
    )
    state = replace(state, instruments=tuple(rows))
    printed = replace(
        quote_of(state, 0), ltp_paise=close, seen_ns=ist_ns(DAY, "15:35:00"), seq=state.seq
    )
    core = Core(with_quote(state, 0, printed))
    derived = core.step(state.seq + 1, ist_ns(DAY, "15:40"), SessionClosed("END_OF_DAY"))
    settled = [o.entry.event for o in derived if isinstance(o.entry.event, PositionSettled)]
    assert [one.quantity_units < 0 for one in settled] == [True, False]
    assert settled[0].tax_paise == 0
    assert (core.state.positions, core.state.shorts) == ((), ())
    cost = state.positions[0].value_paise + state.shorts[0].value_paise
    gain = sum(one.realised_paise for one in settled)
    units = state.positions[0].quantity_units
    assert -cost <= gain <= width * units - cost
    last = core.state.risk.closed_paise[-1]
    paid = sum(one.charges_paise for one in (*state.positions, *state.shorts))
    assert last == gain - settled[1].tax_paise - paid


# --- what N10 and N11 ask ------------------------------------------------------------------------


def _approving() -> State:
    """The state before the tick that approves the first pair, that tick applied."""
    return moment_of(small_facts(SmallMarket(minutes=14), _config()), SpreadApproved).state


def _judged(state: State) -> tuple[StageVerdict, Sold | None, Pick, View]:
    view = view_of(state)
    _, chosen = judge_signal(view, (defined_risk.FAMILY,))
    ready, _, pick = contract.judge(view, chosen.signal.lean, "DEFINED_RISK")
    assert pick is not None
    verdict, sold = with_sold_leg(view, ready, pick)
    return verdict, sold, pick, view


def _spoiled(name: str, state: State, leg: int) -> State:
    quote = quote_of(state, leg)
    changes: dict[str, dict[str, int | bytes]] = {
        "one-sided": {"bid_paise": 0}, "crossed": {"bid_paise": quote.ask_paise + 5},
        "stale": {"seen_ns": state.now - 10**12}, "wide": {"bid_paise": quote.ask_paise // 2},
        "thin": {"bid_units": 1, "depth": b""},
    }  # fmt: skip
    return with_quote(state, leg, replace(quote, **changes[name]))


@pytest.mark.parametrize("name", ["one-sided", "crossed", "stale", "wide", "thin"])
def test_a_leg_that_may_not_be_sold_is_passed_over(name: str) -> None:
    """The next strike is taken; where none in reach is good N10 says so, and nothing is traded."""
    state = with_config(_approving(), contract={"depth_lots_min": 1})
    verdict, sold, pick, _ = _judged(state)
    assert sold is not None
    assert verdict.verdict == "PASS"
    row = state.instruments[pick.contract]
    others = [
        i for i, one in enumerate(state.instruments) if one.kind == row.kind and i != pick.contract
    ]
    _, other, _, _ = _judged(_spoiled(name, state, sold.contract))
    assert other is None or other.contract != sold.contract
    for leg in others:
        state = _spoiled(name, state, leg)
    verdict, sold, _, _ = _judged(state)
    assert (verdict.reason, sold) == ("SPREAD_NO_LEG", None)


def test_what_is_held_or_works_is_not_sold() -> None:
    """A leg of a contract that a position or an order is in would be another position's."""
    state = _approving()
    _, sold, _, _ = _judged(state)
    assert sold is not None
    held = _open_state()
    taken = replace(held.positions[0], contract=sold.contract)
    works = replace(_waiting().orders[0], contract=sold.contract)
    for changed in (
        replace(state, positions=(taken,)),
        replace(state, shorts=(taken,)),
        replace(state, orders=(works,)),
    ):
        _, other, _, _ = _judged(changed)
        assert other is None or other.contract != sold.contract


def test_reward_and_margin_are_reckoned_at_the_worst() -> None:
    """The limit stands exactly at the reward that the worst fills leave; a lot is carried where the
    free funds hold the whole premium, all charges and the leg's money, and not a paisa less."""
    state = _approving()
    _, sold, pick, view = _judged(state)
    assert sold is not None
    assert sold.debit_paise == protected_paise(view, pick) - sold.limit_paise
    for least, reason in ((sold.reward_milli, None), (sold.reward_milli + 1, "SPREAD_REWARD")):
        verdict, _, _, _ = _judged(
            with_config(state, defined_risk={"pair_reward_milli_min": least})
        )
        assert verdict.reason == reason
    lot = protected_paise(view, pick) * sold.lot_units + sold.charges_paise + sold.margin_paise
    for capital, lots in ((lot, 1), (lot - 1, 0), (3 * lot, 3)):
        account = replace(state.account, capital_paise=capital, realised_paise=0, charges_paise=0)
        view = view_of(replace(state, account=account))
        fine = StageVerdict("N11_FINAL_DECISION", "PASS", None, None, None, (), ())
        verdict, found = with_margin(view, fine, 9, pick, sold)
        assert found == lots
        assert verdict.reason == (None if lots else "SIZE_MARGIN")


def test_the_default_configuration_can_trade_a_pair() -> None:
    """A lot of NIFTY at 100,000 rupees: premium, charges and the leg's money fit together."""
    config = Config()
    strike, premium = 2_600_000, 20_000
    kept = kept_paise(strike, 65, config.defined_risk.margin_bps)
    assert premium * 65 + kept < config.account.capital_paise
    assert strike * config.defined_risk.width_bps // 10_000 >= 2 * 5_000, "two strikes of NIFTY"


# --- the strategy --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "side", "direction"),
    [(900, "ABOVE", "UP"), (900, "INSIDE", "UP"), (900, "BELOW", None), (-900, "ABOVE", None),
     (None, "ABOVE", None)],
)  # fmt: skip
def test_the_strategy_goes_with_averages_and_momentum(
    change: int | None, side: str, direction: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both must go the same way, and the index must not stand beyond the other side of its range;
    the strength is the momentum's."""
    monkeypatch.setattr(defined_risk, "FULL_PPM", 1_000.0)
    view = view_of(_approving())
    ind, features = view.indicators, view.market.features
    assert ind is not None and view.slot is not None and features is not None
    up = replace(ind, ema_fast_paise=2_412_000.0, ema_slow_paise=2_411_000.0)
    felt = replace(
        features,
        momentum=replace(features.momentum, change_5m_ppm=change),
        opening_range=replace(features.opening_range, side=side),
    )
    view = replace(
        view, slot=replace(view.slot, indicators=up), market=replace(view.market, features=felt)
    )
    found = defined_risk.signal(view)
    assert found.direction == direction
    assert found.strength_milli == (abs(change) if change is not None else 0)
    bare = replace(view, market=replace(view.market, features=None))
    assert defined_risk.signal(bare).direction is None

"""Pairs at a broker: over crashes, wires, lags and hands nothing is ever sold bare."""

from __future__ import annotations

import functools
import itertools
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from adapters.exchange_sim.spec import Behaviour
from engine import commands
from engine.core import Core
from engine.lookup import EMPTY_LOOKUP
from engine.orders.margin import (
    AGAIN_NS,
    YOUNG_NS,
    apply_margin_observed,
    apply_margin_wanted,
    asked_paise,
    is_wished,
    margins_due,
)
from engine.orders.past import HAND_PATIENCE_NS
from engine.orders.protocol import decide_orders
from engine.risk.day import funds_paise
from engine.shorts import COVER, SHORT
from engine.state import Holding, State
from engine.strategies import defined_risk, routing
from engine.strategies.routing import Route
from events.base import Event
from events.broker import MarginObserved, OrderSendStarted
from events.decision import DecisionMade
from events.feed import TimerTick
from events.governance import CommandAnswered, MarginWanted
from events.orders import ExitSignalled, FillApplied, SpreadApproved
from events.session import OperatorCommand
from tests.engine.orders.test_asked import of, ran, wrong
from tests.engine.orders.test_protocol import FAULTS, LAGS_MS, run_all
from tests.engine.orders.world import GOOD, LOST, LOST_ANSWER, REFUSED, WIRES, Wire, World, begun

SETTINGS: tuple[tuple[str, str, Any], ...] = (
    ("defined_risk", "signal_milli_min", 0),
    ("defined_risk", "aligned", False),
    ("defined_risk", "width_bps", 60),
    ("defined_risk", "stop_bps", 3_000),
    ("plan", "hold_s_max", 120),
)
BASE: dict[str, Any] = {"settings": SETTINGS, "pairs": True, "flatten_ms": 20_000}


@pytest.fixture(autouse=True)
def _pairs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every regime is the defined-risk family's: the small market's are a trend's and a range's."""
    for name in ("TREND", "RANGE", "RANGE_VOLATILE", "EVENT", "PANIC"):
        names = ("DEFINED_RISK",)
        monkeypatch.setitem(routing.BY_REGIME, name, Route(name, names, names, "FAMILY_EVENT"))
    monkeypatch.setattr(defined_risk, "FULL_PPM", 1.0)


def schedules(wires: tuple[Wire, ...] = WIRES) -> Iterator[dict[str, Any]]:
    """Every schedule: the wire of the entry, the stop, the sale and what buys it back, the lag of
    the books, the updates' faults, each crash point."""
    for place, wire, lag, faults in itertools.product(range(6), wires, LAGS_MS, FAULTS):
        for crash_at in range(-1, 100, 3):
            yield {
                **BASE,
                "wires": (*(GOOD,) * place, wire, GOOD),
                "listing_lag_ms": lag,
                "faults": faults,
                "crash_at": crash_at,
                "keep": crash_at % 2 == 0,
            }


def sent(world: World) -> list[OrderSendStarted]:
    facts = world.run().facts_list
    return [event for _, event in facts if isinstance(event, OrderSendStarted)]


def test_a_pair_is_bought_sold_bought_back_and_sold_on() -> None:
    """On a good wire: entry, its sale, its cover, its exit, each placed once, in that order, of the
    same units; what is sold is sold under the pair's approval and bought back under an exit."""
    placed = [
        one for one in sent(World(**BASE)) if one.action == "PLACE" and one.order_type != "SL"
    ]
    assert [(one.side, "S" in one.tag, "X" in one.tag) for one in placed] == [
        ("BUY", False, False), ("SELL", True, False), ("BUY", True, True), ("SELL", False, True),
    ]  # fmt: skip
    assert len({one.quantity_units for one in placed}) == 1


def test_a_sample_of_the_enumeration_holds() -> None:
    """Never bare, never twice, our books at rest those of the exchange."""
    count, problems = run_all(itertools.islice(schedules(), 0, None, 433))
    sys.stdout.write(f"{count} schedules\n")
    assert count > 30
    assert problems == []


@pytest.mark.slow
@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
def test_the_whole_enumeration_holds(wire: Wire) -> None:
    """Over 18,000 schedules in all, each crash point with each wire, lag and fault."""
    count, problems = run_all(schedules((wire,)))
    sys.stdout.write(f"{count} schedules\n")
    assert problems == []


def hands() -> Iterator[dict[str, Any]]:
    """A person, or the broker's square-off, closes what is held at any moment, with updates or
    without, with books that lag, and with a crash before or behind it."""
    for who, at, updates, lag, crash_at in itertools.product(
        ("by_hand_ms", "square_off_ms"), range(60, 24_000, 460), (True, False), LAGS_MS,
        (-1, 31, 44),
    ):  # fmt: skip
        yield {
            **BASE, who: at, "updates": updates, "listing_lag_ms": lag, "wires": (GOOD,),
            "run_ms": 90_000, "crash_at": crash_at,
        }  # fmt: skip


def test_a_hand_that_closes_a_pair_leaves_nothing_behind() -> None:
    """Neither a bare leg nor a long that nobody planned: what a hand sold and bought back is taken
    in before anything is bought back twice. Only where the hand and an exit of ours cross on their
    way can more be sold than was held: then a person is told, by code."""
    crossed = 0
    for schedule in itertools.islice(hands(), 0, None, 29):
        found = World(**schedule).run()
        assert found.problems == (), schedule
        if any(units for *_, units in found.ledger):
            crossed += 1
            told = {one.code for one in found.state.desk.incidents}
            assert told & {"POSITION_SHORT", "POSITION_EXTERNAL"}, schedule
    assert crossed <= 2


@pytest.mark.parametrize("wire", [REFUSED, LOST_ANSWER], ids=lambda wire: wire.name)
def test_a_sale_that_does_not_come_through_closes_the_pair(wire: Wire) -> None:
    """A refused sale is never sent again: the long alone is another trade than the one
    approved, so it is sold. One that was filled unheard is found, and the pair goes on."""
    found = World(**BASE, wires=(GOOD, wire, GOOD), run_ms=60_000).run()
    messages = [one for _, one in found.facts_list if isinstance(one, OrderSendStarted)]
    sales = [one for one in messages if one.action == "PLACE" and one.tag.endswith("S")]
    assert len(sales) == 1
    assert found.problems == ()
    assert [row for row in found.ledger if row[3]] == []
    reasons = {one.reason for one in found.state.desk.ended if one.role in ("EXIT", COVER)}
    assert reasons == ({"EXIT_OPERATOR"} if wire is LOST_ANSWER else {"EXIT_SPREAD_BROKEN"})


def test_a_lost_sale_is_a_person_s() -> None:
    """Nobody knows whether the sale is there: it is searched and never sent again, the long is not
    sold from under it, and a person is asked; once he says that it lapsed the pair is closed."""
    quick = (*SETTINGS, ("orders", "unknown_cutoff_s", 10))
    world = World(
        **{**BASE, "flatten_ms": 45_000, "settings": quick}, wires=(GOOD, LOST, GOOD), run_ms=60_000
    )
    world.at(40_000, functools.partial(_resolved, world))
    found = world.run()
    messages = [one for _, one in found.facts_list if isinstance(one, OrderSendStarted)]
    assert [one.tag[16:] for one in messages if one.tag.endswith("S")] == ["S"]
    resolved = next(at for at, one in found.facts_list if isinstance(one, OperatorCommand))
    sold = [
        at
        for at, one in found.facts_list
        if isinstance(one, OrderSendStarted) and one.side == "SELL" and "X" in one.tag
    ]
    assert sold and min(sold) >= resolved
    assert found.problems == ()
    assert [row for row in found.ledger if row[3]] == []


def asking(wires: tuple[Wire, ...] = WIRES) -> Iterator[dict[str, Any]]:
    """A person asks for a pair by either leg: with its sale on the way, while that works, later."""
    for asked_ms, place, wire, lag, leg in itertools.product(
        (520, 700, 2_500), range(7), wires, LAGS_MS, (False, True)
    ):
        for crash_at in range(-1, 100, 9):
            yield {
                **BASE, "asked_ms": asked_ms, "wires": (*(GOOD,) * place, wire, GOOD), "leg": leg,
                "listing_lag_ms": lag, "crash_at": crash_at, "keep": crash_at % 2 == 0,
            }  # fmt: skip


@pytest.mark.parametrize("leg", [False, True])
def test_a_pair_that_a_person_asks_for_goes_as_a_whole(leg: bool) -> None:
    """Whichever of its legs is named: the sold leg is bought back, then the long is sold, each for
    the person's reason and nothing else; no halt."""
    found, said = ran(**BASE, asked_ms=6_000, leg=leg)
    assert found.problems == ()
    signals = [(o.position_id[16:], o.reason) for o in of(said, ExitSignalled)]
    assert [one for one in signals if one[1] != "EXIT_PROTECT"] == [
        ("S", "EXIT_ASKED"), ("", "EXIT_ASKED"),
    ]  # fmt: skip
    assert {units for *_, units in found.ledger} == {0}
    assert found.state.account.halts == ()


@pytest.mark.parametrize("asked_ms", [520, 700])
def test_the_sale_of_a_pair_that_is_asked_for_is_withdrawn_first(asked_ms: int) -> None:
    """On its way or working: its end is waited for, while no order tells of the person's word. It
    was filled before its cancel: what was sold is bought back, and only then the long leaves."""
    found, said = ran(**BASE, asked_ms=asked_ms)
    assert found.problems == ()
    sends = [(one.action, one.side) for one in of(said, OrderSendStarted)]
    assert sends == [
        ("PLACE", "BUY"), ("PLACE", "SELL"), ("CANCEL", "SELL"), ("PLACE", "BUY"),
        ("PLACE", "SELL"),
    ]  # fmt: skip
    signals = [(o.position_id[16:], o.reason) for o in of(said, ExitSignalled)]
    assert signals == [("S", "EXIT_ASKED"), ("", "EXIT_ASKED")]
    answered = next(i for i, one in enumerate(said) if isinstance(one, CommandAnswered))
    signalled = next(i for i, one in enumerate(said) if isinstance(one, ExitSignalled))
    between = [one for one in said[answered:signalled] if isinstance(one, FillApplied)]
    assert [one.side for one in between] == ["SELL"]
    assert {units for *_, units in found.ledger} == {0}


def test_a_sample_of_the_askings_holds() -> None:
    """Never bare, never halted, and gone unless the fate of an order is unknown."""
    problems = [
        problem
        for schedule in itertools.islice(asking(), 0, None, 97)
        for problem in wrong(schedule)
    ]
    assert problems == []


@pytest.mark.slow
@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
def test_all_askings_hold(wire: Wire) -> None:
    """Over 9,000 schedules in all."""
    assert [problem for schedule in asking((wire,)) for problem in wrong(schedule)] == []


def _resolved(world: World) -> None:
    state = world.core.state
    (order,) = (one for one in state.orders if one.role == SHORT)
    assert "ORDER_UNKNOWN_LONG" in {one.code for one in state.desk.incidents}
    lapsed = OperatorCommand(
        "RESOLVE", "t", "looked", order.authority, commands.LAPSED, "r", "NONE"
    )
    world.arrive(lapsed)


def test_a_stop_rests_until_the_leg_is_sold() -> None:
    """While the entry fills piece by piece its long has a stop at the broker; it is taken away
    before the sale leaves, and no other is placed while the leg is sold."""
    thin = Behaviour(depth_share_bps=250)
    large = (
        *SETTINGS, ("orders", "entry_valid_ms", 9_000), ("risk", "lots_max", 20),
        ("risk", "trade_risk_bps_max", 9_000), ("risk", "open_risk_bps_max", 9_000),
    )  # fmt: skip
    found = World(**{**BASE, "settings": large}, behaviour=thin, run_ms=90_000).run()
    assert found.problems == ()
    messages = [one for _, one in found.facts_list if isinstance(one, OrderSendStarted)]
    kinds = [
        (one.action, one.order_type == "SL", one.tag.endswith("S"))
        for one in messages
        if one.order_type == "SL" or one.tag.endswith("S")
    ]
    stop, away = ("PLACE", True, False), ("CANCEL", True, False)
    assert kinds.index(stop) < kinds.index(away) < kinds.index(("PLACE", False, True))
    sold = next(n for n, one in enumerate(messages) if one.tag.endswith("S"))
    covered = next((n for n, one in enumerate(messages) if "SX" in one.tag), len(messages))
    assert not any(one.order_type == "SL" for one in messages[sold:covered])


def covering() -> State:
    """A pair that is to be closed, its cover wished for and not sent."""
    state, _, _ = begun(SETTINGS)
    core = Core(state)
    for ts, event in World(**BASE).run().facts_list:
        core.step(core.state.seq + 1, max(ts, core.state.now), event)
        if any(one.role == COVER for one in core.state.orders):
            return core.state
    raise AssertionError("no pair was closed")


def _codes(state: State) -> set[str]:
    """What the protocol says now, in codes."""
    events = decide_orders(state)
    return {str(getattr(one, "reason", getattr(one, "code", ""))) for one in events}


def test_what_buys_back_never_exceeds_what_is_sold() -> None:
    """Others hold as much beside it: nothing is bought, and a person is told; while books newer
    than the wish are to come nothing leaves at all, and not for longer than three seconds."""
    state = covering()
    (order,) = (one for one in state.orders if one.role == COVER)
    row = state.instruments[order.contract]
    late = replace(state, now=order.due_ns + HAND_PATIENCE_NS)
    assert _codes(state) == set()
    assert _codes(late) == {"ORDER_WANTED"}
    assert late.rules is not None
    no_freeze = replace(late, rules=replace(late.rules, underlyings=()))
    assert _codes(no_freeze) == {"ORDER_WANTED"}  # of a short too an unknown size is all of it
    product = state.shorts[0].product
    held = Holding(order.contract, row.exchange, row.tradingsymbol, product, order.quantity_units)
    theirs = replace(late, desk=replace(late.desk, holdings=(held,)))
    assert _codes(theirs) == {"EXIT_EXCEEDS_SHORT", "POSITION_DIFFERS"}


def test_a_leg_that_nobody_offers_is_told_and_not_priced() -> None:
    """EXIT_NO_ASK: nothing is bought at a price that nobody asks."""
    state = covering()
    (order,) = (one for one in state.orders if one.role == COVER)
    quotes = list(state.quotes)
    quote = quotes[order.contract]
    assert quote is not None
    quotes[order.contract] = replace(quote, ask_paise=0, ask_units=0, depth=b"")
    bare = replace(state, quotes=tuple(quotes), now=order.due_ns + HAND_PATIENCE_NS)
    assert _codes(bare) == {"EXIT_NO_ASK"}


# --- what the broker asks for it -----------------------------------------------------------------


def _moment() -> State:
    """The moment of a pair's entry at a broker who has said nothing of it."""
    state, _, _ = begun(SETTINGS)
    return replace(state, desk=replace(state.desk, margins=()))


def _cycle(state: State, after_ms: int = 0) -> list[Event]:
    now = state.now + 5_000_000_000 + after_ms * 1_000_000
    core = Core(state)
    derived = core.step(state.seq + 1, now, TimerTick(now, 0))
    return [one.entry.event for one in derived]


def _found(events: list[Event]) -> tuple[str, list[MarginWanted], list[SpreadApproved]]:
    (made,) = (one for one in events if isinstance(one, DecisionMade))
    wishes = [one for one in events if isinstance(one, MarginWanted)]
    return made.reason, wishes, [one for one in events if isinstance(one, SpreadApproved)]


def _told(state: State, wish: MarginWanted, paise: int | None, **changed: int) -> State:
    """The state once the broker has answered a wish."""
    at = state.now
    for event in (wish, MarginObserved(at, wish.contract, wish.sold_contract,
                                       wish.quantity_units, paise, None)):  # fmt: skip
        fields = changed if isinstance(event, MarginObserved) else {}
        apply: Any = (
            apply_margin_wanted if isinstance(event, MarginWanted) else apply_margin_observed
        )
        state = apply(state, replace(event, **fields), at, EMPTY_LOOKUP)
    return state


def test_a_pair_waits_until_the_broker_has_said_what_he_asks_for_it() -> None:
    """Nothing is known: SIZE_MARGIN_UNKNOWN, and he is to be asked, once; what he said of another
    pair, of fewer units, too long ago, or a failure is nothing known; at the free funds the pair is
    entered, a paisa above SIZE_MARGIN blocks it."""
    state = _moment()
    reason, (wish,), pairs = _found(_cycle(state))
    assert (reason, pairs) == ("SIZE_MARGIN_UNKNOWN", [])
    funds = funds_paise(state) or 0
    cases: dict[str, State] = {
        "said": _told(state, wish, funds),
        "too much": _told(state, wish, funds + 1),
        "failed": _told(state, wish, None),
        "wider": _told(state, replace(wish, sold_contract=wish.sold_contract + 2), 1),
        "another": _told(state, wish, 1, sold_contract=wish.sold_contract + 1),
        "fewer": _told(state, replace(wish, quantity_units=wish.quantity_units - 1), 1),
    }
    assert {name: _found(_cycle(one))[0] for name, one in cases.items()} == {
        "said": "TRADE_APPROVED", "too much": "SIZE_MARGIN", "failed": "SIZE_MARGIN_UNKNOWN",
        "wider": "SIZE_MARGIN_UNKNOWN", "another": "SIZE_MARGIN_UNKNOWN",
        "fewer": "SIZE_MARGIN_UNKNOWN",
    }  # fmt: skip
    dearer = replace(wish, limit_paise=wish.limit_paise + 100)
    assert asked_paise(cases["said"], dearer) == funds + 100 * wish.quantity_units
    assert asked_paise(cases["said"], replace(wish, limit_paise=1)) == funds
    old = replace(cases["said"].desk.margins[0], told_ns=state.now - YOUNG_NS)
    aged = replace(state, desk=replace(state.desk, margins=(old,)))
    assert _found(_cycle(aged))[0] == "SIZE_MARGIN_UNKNOWN"


def test_the_broker_is_asked_once_and_again_where_he_does_not_answer() -> None:
    """One question while it is open and young; the login must be taken."""
    state = _moment()
    _, (wish,), _ = _found(_cycle(state))
    asked = apply_margin_wanted(state, wish, state.now, EMPTY_LOOKUP)
    (query,) = margins_due(asked)
    assert (query.contract, query.quantity_units) == (wish.contract, wish.quantity_units)
    assert is_wished(asked, wish) and not is_wished(state, wish)
    later = replace(asked, now=asked.now + AGAIN_NS)
    assert not is_wished(later, wish) and list(margins_due(later)) == []
    refused = replace(asked, desk=replace(asked.desk, auth="REFUSED"))
    assert list(margins_due(refused)) == []
    assert list(margins_due(_told(state, wish, 1))) == []


def test_a_session_asks_the_exchange_and_trades_the_pair() -> None:
    """From the wish over the wire to the entry, with nothing known before: a second tick finds the
    answer, and the exchange's own figure is what was asked for."""
    world = World(**BASE)
    world.forget_margins()
    second = world.start_ns + 5_000 * 1_000_000
    world.at(5_000, functools.partial(world.arrive, TimerTick(second, 0)))
    found = world.run()
    kinds = [one for _, one in found.facts_list if isinstance(one, MarginObserved)]
    assert kinds and all(one.required_paise for one in kinds)
    placed = [one for _, one in found.facts_list if isinstance(one, OrderSendStarted)]
    assert placed and placed[0].side == "BUY"
    assert found.problems == ()


def test_orders_of_the_legs_are_of_the_pair_s_roles() -> None:
    """The books name them: what sells a leg is SHORT, what buys it back COVER."""
    ended = World(**BASE).run().state.desk.ended
    assert {SHORT, COVER} <= {one.role for one in ended}

"""The paper broker: when an order is looked at, what it takes, when it gives up."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.charges import charge_lines, charges_paise
from engine.core import Core
from engine.paper import decide_fills, decide_lapses, levels
from engine.state import Quote, State
from events.feed import TimerTick
from events.orders import FillApplied, OrderChanged
from events.session import CycleRule
from events.wire.kite import HEARTBEAT, Level, encode_full
from tests.engine.build import MS
from tests.engine.fabricated import frame_fact, frame_of
from tests.engine.test_books import LOT, ROWS, inject, intent, opened, trade

CONTRACT = 2


def _fills(events: list[Any]) -> list[FillApplied]:
    return [event for event in events if isinstance(event, FillApplied)]


def _ordered(lots: int = 1, **changes: Any) -> Core:
    """A core with one quote seen and one approved entry."""
    core = opened()
    trade(core, CONTRACT, 10_000, 1)
    inject(core, intent(core.state, 1, CONTRACT, lots, **changes))
    return core


def _packet(core: Core, asks: list[Level], bids: list[Level]) -> bytes:
    now_s = core.state.now // 10**9
    return encode_full(
        ROWS[CONTRACT].token, 10_000, LOT, 0, 9, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, now_s, bids, asks
    )


def _book(core: Core, asks: list[Level], wait_ms: int = 0) -> list[FillApplied]:
    ts = core.state.now + wait_ms * MS
    frame = frame_fact([_packet(core, asks, [(LOT, 9_500, 1)])])
    return _fills([one.entry.event for one in core.step(core.state.seq + 1, ts, frame)])


def test_nothing_fills_before_the_latency_has_passed() -> None:
    """A frame one ns before the due time gives nothing, the first at or after it fills."""
    core = _ordered()
    (order,) = core.state.orders
    assert order.due_ns == core.state.now + core.state.config.paper.latency_ms * MS
    early = [one.entry.event for one in core.step(
        core.state.seq + 1, order.due_ns - 1, frame_of(HEARTBEAT))]  # fmt: skip
    assert not _fills(early)
    due = [one.entry.event for one in core.step(
        core.state.seq + 1, order.due_ns, frame_of(HEARTBEAT))]  # fmt: skip
    assert len(_fills(due)) == 1, "any frame is a look at the book that stands after it"


def test_a_timer_fills_nothing() -> None:
    """Long past the due time a timer tick gives nothing: only a frame shows the book."""
    core = _ordered()
    ts = core.state.now + 5_000 * MS
    events = [one.entry.event for one in core.step(core.state.seq + 1, ts, TimerTick(ts, 0))]
    assert not _fills(events)
    assert len(core.state.orders) == 1


def test_it_takes_from_the_book_after_the_frame() -> None:
    """The price is that of the frame which is past due, not of the one it was decided on."""
    core = _ordered()
    (fill,) = _fills(trade(core, CONTRACT, 10_400, 300))
    assert fill.price_paise == 10_405
    assert fill.slippage_paise == 10_405 - 10_000
    seen = core.state.quotes[CONTRACT]
    assert seen is not None
    assert fill.quote_seq == seen.seq


def test_its_charges_are_the_rulebooks() -> None:
    """A fill carries the dated charges of its side, line by line, brokerage on the first alone."""
    core = _ordered(lots=2)
    rules = core.state.rules
    assert rules is not None
    fills = _book(core, [(LOT, 10_100, 1), (2 * LOT, 10_200, 1)], 300)
    for number, fill in enumerate(fills):
        lines = charge_lines(
            rules, "NFO", "BUY", fill.price_paise, fill.quantity_units, first_fill=number == 0
        )
        assert (fill.charges, fill.charges_paise) == (lines, charges_paise(lines))
    assert [fill.fill_no for fill in fills] == [1, 2]
    assert fills[0].charges_paise > fills[1].charges_paise > 0


def test_it_takes_its_share_of_each_level_in_whole_lots() -> None:
    """Half of what each level shows, rounded down to lots, best price first, none past the limit;
    where a lot is shown at least a lot."""
    asks = [(5 * LOT, 10_000, 1), (LOT, 10_050, 1), (LOT - 1, 10_100, 1), (9 * LOT, 10_200, 1)]
    core = _ordered(lots=20, limit_paise=10_150)
    took = [(fill.price_paise, fill.quantity_units) for fill in _book(core, asks, 300)]
    assert took == [(10_000, 2 * LOT), (10_050, LOT)]
    (order,) = core.state.orders
    assert order.filled_units == 3 * LOT


def test_what_is_shown_is_taken_once() -> None:
    """A partly filled order takes nothing more until the contract's book comes anew."""
    core = _ordered(lots=20)
    asks = [(2 * LOT, 10_000, 1)]
    assert len(_book(core, asks, 300)) == 1
    beat = core.step(core.state.seq + 1, core.state.now + MS, frame_of(HEARTBEAT))
    assert not _fills([one.entry.event for one in beat])
    assert not _fills(trade(core, 3, 10_000, 10)), "another contract's packet is not this book"
    assert len(_book(core, asks, 10)) == 1


def test_two_orders_of_a_contract_do_not_take_the_same_quantity() -> None:
    """Of two orders due at once the earlier approved takes; the later waits for the next book."""
    core = _ordered(lots=1)
    inject(core, intent(core.state, 2, CONTRACT, 1))
    asks = [(2 * LOT, 10_000, 1)]
    first, second = _book(core, asks, 300), _book(core, asks, 10)
    assert [fill.order_id[-1] for fill in (*first, *second)] == ["1", "2"]


def test_an_entry_that_is_never_filled_lapses_and_is_not_sent_again() -> None:
    """At its expiry an entry out of reach is cancelled with ORDER_LAPSED, once, and is gone."""
    core = _ordered(limit_paise=1_000)
    (order,) = core.state.orders
    wait = (order.expires_ns - core.state.now) // MS
    assert not [e for e in trade(core, CONTRACT, 10_000, wait - 1) if isinstance(e, OrderChanged)]
    (ended,) = [e for e in trade(core, CONTRACT, 10_000, 1) if isinstance(e, OrderChanged)]
    assert (ended.status, ended.reason, ended.filled_units) == ("CANCELLED", "ORDER_LAPSED", 0)
    assert not [e for e in trade(core, CONTRACT, 500, 10) if isinstance(e, OrderChanged)]


def test_an_expired_entry_is_looked_at_before_it_lapses() -> None:
    """The first frame after a long silence both fills and lapses: what fills is kept."""
    core = _ordered(lots=20)
    events = trade(core, CONTRACT, 10_000, 60_000, lots=1)
    changes = [(e.status, e.reason) for e in events if isinstance(e, OrderChanged)]
    assert changes == [("PARTIAL", "ORDER_PARTIAL"), ("CANCELLED", "ORDER_LAPSED")]
    assert core.state.orders == ()
    assert core.state.positions[0].quantity_units > 0


def test_an_exit_never_lapses() -> None:
    """An exit works until it is filled, however long nobody bids."""
    core = _ordered()
    trade(core, CONTRACT, 10_000, 300)
    trade(core, CONTRACT, 8_000, 10)
    (order,) = core.state.orders
    assert order.role == "EXIT"
    ts = core.state.now + 3_600 * 1_000 * MS
    no_bids = frame_fact([_packet(core, [(LOT, 8_000, 1)], [])])
    core.step(core.state.seq + 1, ts, no_bids)
    assert [one.order_id for one in core.state.orders] == [order.order_id]
    assert not decide_lapses(core.state, no_bids)


def test_a_page_is_one_look_at_its_last_frame() -> None:
    """In a market of pages nothing is filled or lapsed before the page's last frame."""
    core = _ordered()
    assert core.state.opened is not None
    rule = CycleRule("AFTER_SNAPSHOT", 60_000, 130_000)
    core.state = replace(core.state, opened=replace(core.state.opened, cycle_rule=rule))
    ts = core.state.now + 60_000 * MS
    packet = _packet(core, [(9 * LOT, 10_000, 1)], [])
    for end, fills in ((False, 0), (True, 1)):
        derived = core.step(core.state.seq + 1, ts, frame_fact([packet], end))
        assert len(_fills([one.entry.event for one in derived])) == fills


def test_a_contract_without_a_quote_fills_nothing() -> None:
    """Nothing was ever quoted: no fill, no crash, and the entry lapses in its time."""
    core = opened()
    trade(core, CONTRACT, 10_000, 1)
    inject(core, intent(core.state, 1, 5, 1))
    frame = frame_of(HEARTBEAT)
    state = replace(core.state, now=core.state.now + 20_000 * MS)
    assert decide_fills(state, frame) == []
    assert len(decide_lapses(state, frame)) == 1


def test_levels_without_depth_are_the_best_alone() -> None:
    """A quote whose packet had no depth offers its best level; with no price there is none."""
    quote = Quote(0, 0, 0, 0, 0, 130, 990, 65, 1_010, 0, 0, b"", 0)
    assert levels(quote, "BUY") == ((1_010, 65),)
    assert levels(quote, "SELL") == ((990, 130),)
    assert levels(replace(quote, ask_paise=0), "BUY") == ()


LEVELS = st.lists(
    st.tuples(st.integers(0, 20 * LOT), st.integers(1, 20_000)),
    max_size=5,
    unique_by=lambda level: level[1],
)


@given(LEVELS, st.integers(1, 30), st.integers(5_000, 20_000), st.integers(1, 10_000))
def test_a_fill_never_takes_more_than_is_shown_or_asked(
    asks: list[tuple[int, int]], lots: int, limit: int, share: int
) -> None:
    """For any book: whole lots, at shown prices within the limit, of each level at most what it
    shows, in all at most what was ordered."""
    asks.sort(key=lambda level: level[1])
    core = _PREPARED
    state = _state_with(core.state, asks, lots, limit, share)
    fills = _fills(decide_fills(state, frame_of(HEARTBEAT)))
    assert sum(fill.quantity_units for fill in fills) <= lots * LOT
    left = [[price, units] for units, price in asks]
    for fill in fills:
        assert fill.price_paise <= limit
        assert fill.quantity_units % LOT == 0
        level = next(one for one in left if one[0] == fill.price_paise and one[1] > 0)
        assert fill.quantity_units <= level[1]
        level[1] = 0


_PREPARED = _ordered()


def _state_with(
    state: State, asks: list[tuple[int, int]], lots: int, limit: int, share: int
) -> State:
    """A due order of so many lots before a book."""
    core = Core(state)
    levels_: list[Level] = [(units, price, 1) for units, price in asks]
    core.step(state.seq + 1, state.now, frame_fact([_packet(core, levels_, [])]))
    (order,) = core.state.orders
    order = replace(order, quantity_units=lots * LOT, limit_paise=limit, due_ns=core.state.now)
    paper = replace(core.state.config.paper, depth_share_bps=share)
    config = replace(core.state.config, paper=paper)
    return replace(core.state, orders=(order,), config=config)


@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_slippage_is_positive_where_it_costs(side: str) -> None:
    """Slippage counts against us: paying more than the mid, or getting less, is positive."""
    core = _ordered()
    if side == "BUY":
        (fill,) = _fills(trade(core, CONTRACT, 10_100, 300))
    else:
        trade(core, CONTRACT, 10_000, 300)
        trade(core, CONTRACT, 8_500, 10)
        (fill,) = _fills(trade(core, CONTRACT, 8_400, 300))
    assert fill.side == side
    assert fill.slippage_paise == 105

"""F03, F05, F07: ticks that are not taken at their word: what is held, by what it is confirmed."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.bars import CLOSE, HIGH, LOW, MINUTE_NS, TICKS
from engine.core import Core
from engine.cycle import decide_cycle
from engine.doubt import EMPTY_QUALITY, KEPT
from engine.exits import decide_exits
from engine.gates.feed import judge as judge_feed
from engine.gates.quote import judge as judge_quote
from engine.lookup import lookup_for
from engine.quality import AHEAD_NS, _Judge, apply_feed_frame
from engine.quiet import fold_quiet, quiet_frame
from engine.state import Quote, State
from events.base import Event
from events.decision import DecisionMade
from events.feed import FeedFrame, TimerTick
from events.market import BarClosed, TicksJudged
from events.orders import ExitSignalled
from events.reasons import BY_CODE
from events.wire.kite import encode_index
from tests.engine.build import SECOND_NS, at_trade, quote_of, view_of
from tests.engine.fabricated import (
    SmallMarket,
    frame_fact,
    full_packet,
    relaxed,
    run_core,
    small_facts,
)
from tests.engine.test_exits import CONTRACT, STOP, TARGET, _state

MARKET = SmallMarket(minutes=1)
TOKENS = [row.token for row in MARKET.instruments()]
INDEX, FUTURE, OPTION, VIX = 0, 1, 2, len(TOKENS) - 1
NOW_S = MARKET.open_ns // SECOND_NS
LEVEL = 2_400_000


def _core(pages: bool = False) -> Core:
    """A core after the opening facts."""
    facts = list(small_facts(SmallMarket(minutes=1, pages=pages), relaxed()))[:5]
    return run_core(facts).core


def _give(core: Core, at_s: float, *packets: bytes) -> list[Event]:
    ts = MARKET.open_ns + int(at_s * SECOND_NS)
    frame = frame_fact(list(packets))
    return [one.entry.event for one in core.step(core.state.seq + 1, ts, frame)]


def _tick(core: Core, at_s: float) -> list[Event]:
    ts = MARKET.open_ns + int(at_s * SECOND_NS)
    return [one.entry.event for one in core.step(core.state.seq + 1, ts, TimerTick(ts, 0))]


def _index(price: int, second: int | None = 0) -> bytes:
    stamp = None if second is None else NOW_S + second
    return encode_index(TOKENS[INDEX], price, 0, 0, 0, 0, 0, stamp)


def _future(price: int, second: int = 0, volume: int = 700) -> bytes:
    return full_packet(TOKENS[FUTURE], price, 65, volume, NOW_S + second)


def _said(events: Sequence[Event]) -> list[tuple[int, str, str]]:
    """(instrument, reason, outcome) of every tick that was judged."""
    return [
        row
        for one in events
        if isinstance(one, TicksJudged)
        for row in zip(one.instruments, one.reasons, one.outcomes, strict=True)
    ]


def _price(core: Core, i: int) -> int:
    return quote_of(core.state, i).ltp_paise


def _acc(core: Core, i: int) -> tuple[int, ...]:
    state = core.state
    return state.accs[lookup_for(state).slot_of[i]]


# --- F05: plausible garbage -----------------------------------------------------------------------


def test_a_lone_jump_of_the_index_moves_nothing_and_is_refuted() -> None:
    """F05: a print 5 % away moves neither quote nor bar; while it waits N4 says TICK_IMPLAUSIBLE;
    the next print at the old level refutes it, and both are in the journal at the next tick."""
    core = _core()
    _give(core, 0, _index(LEVEL))
    _give(core, 1, _index(LEVEL * 105 // 100, 1))
    assert _price(core, INDEX) == LEVEL
    assert _acc(core, INDEX)[: TICKS + 1] == (LEVEL, LEVEL, LEVEL, LEVEL, 1)
    row = next(r for r in judge_quote(view_of(core.state)).rows if r.gate == "spot_confirmed")
    assert (row.verdict, row.reason) == ("BLOCK", "TICK_IMPLAUSIBLE")
    _give(core, 2, _index(LEVEL + 100, 2))
    assert _price(core, INDEX) == LEVEL + 100
    assert "spot_confirmed" not in {row.gate for row in judge_quote(view_of(core.state)).rows}
    held, refuted = _said(_tick(core, 2.5))
    assert held == (INDEX, "TICK_IMPLAUSIBLE", "HELD")
    assert refuted == (INDEX, "TICK_IMPLAUSIBLE", "REFUTED")
    assert core.state.quality == EMPTY_QUALITY
    assert _said(_tick(core, 3)) == []


def test_a_second_tick_confirms_a_crash_at_once() -> None:
    """F05: a true fall is taken with its second tick, however much further that one fell; the first
    is in no bar."""
    core = _core()
    _give(core, 0, _index(LEVEL))
    _give(core, 1, _index(LEVEL * 97 // 100, 1))
    _give(core, 2, _index(LEVEL * 90 // 100, 2))
    assert _price(core, INDEX) == LEVEL * 90 // 100
    acc = _acc(core, INDEX)
    assert (acc[HIGH], acc[LOW], acc[TICKS]) == (LEVEL, LEVEL * 90 // 100, 2)
    assert [one[2] for one in _said(_tick(core, 3))] == ["HELD", "CONFIRMED"]


def test_the_same_packet_again_is_no_second_witness() -> None:
    """F02, F05: a tick that was delivered twice is one tick: it confirms nothing."""
    core = _core()
    _give(core, 0, _index(LEVEL), _future(LEVEL))
    for at in (1, 2, 3):
        _give(core, at, _future(LEVEL * 110 // 100, 1, 765))
    assert _price(core, FUTURE) == LEVEL
    _give(core, 4, _future(LEVEL * 110 // 100, 4, 765))
    assert _price(core, FUTURE) == LEVEL * 110 // 100


def test_the_counterpart_confirms() -> None:
    """F05: index and future that jump together confirm each other with their first ticks; the
    second of the frame is taken, the first by its next tick."""
    core = _core()
    up = LEVEL * 103 // 100
    _give(core, 0, _index(LEVEL), _future(LEVEL + 2_000))
    _give(core, 1, _index(up, 1), _future(up + 2_000, 1))
    assert (_price(core, INDEX), _price(core, FUTURE)) == (LEVEL, up + 2_000)
    _give(core, 2, _index(up + 50, 2))
    assert _price(core, INDEX) == up + 50
    outcomes = [(one[0], one[2]) for one in _said(_tick(core, 3))]
    assert outcomes == [(INDEX, "HELD"), (FUTURE, "CONFIRMED"), (INDEX, "CONFIRMED")]


@pytest.mark.parametrize(
    ("i", "bound_bps"), [(INDEX, 100), (FUTURE, 150), (VIX, 1_000)], ids=["index", "future", "vix"]
)
@pytest.mark.parametrize("sign", [1, -1])
def test_the_bound_is_that_of_the_kind(i: int, bound_bps: int, sign: int) -> None:
    """F05: on its bound a move is taken, a paisa beyond it is held; the bound is a hundred paise
    and the kind's basis points, from what the bar has seen."""

    def packet(price: int, second: int) -> bytes:
        if i == FUTURE:
            return _future(price, second, 700 + second)
        return encode_index(TOKENS[i], price, 0, 0, 0, 0, 0, NOW_S + second)

    base = 1_500 if i == VIX else LEVEL
    bound = 100 + base * bound_bps // 10_000
    core = _core()
    _give(core, 0, packet(base, 0))
    _give(core, 1, packet(base + sign * bound, 1))
    assert _price(core, i) == base + sign * bound
    core = _core()
    _give(core, 0, packet(base, 0))
    _give(core, 1, packet(base + sign * (bound + 1), 1))
    assert _price(core, i) == base


def test_the_first_price_of_the_day_is_held_against_nothing() -> None:
    """F05: neither the first of all nor the first after the open, whatever the pre-open said; the
    first of a later minute is held against the last close."""
    core = _core()
    _give(core, -30, _index(LEVEL * 90 // 100, -30))
    _tick(core, 0)
    _give(core, 0, _index(LEVEL))
    assert _price(core, INDEX) == LEVEL
    _tick(core, 60)
    _give(core, 61, _index(LEVEL * 90 // 100, 61))
    assert (_price(core, INDEX), _acc(core, INDEX)[CLOSE]) == (LEVEL, LEVEL)


def test_an_exit_needs_a_second_print_of_a_bid_that_collapses() -> None:
    """F05: one bid at a tenth fires no stop; the next one does, at once; and one that goes up far
    beyond the target fires none either until it is seen twice."""
    for low, high, reason in ((900, 1_000, "EXIT_STOP"), (30_000, 31_000, "EXIT_TARGET")):
        core = Core(_state())
        row = core.state.instruments[CONTRACT]
        fired: list[list[str]] = []
        for k, price in enumerate((low, high)):
            stamp = core.state.now // SECOND_NS
            packet = full_packet(row.token, price, row.lot_units, 700 + k, stamp)
            derived = core.step(core.state.seq + 1, core.state.now + 1, frame_fact([packet]))
            events = [one.entry.event for one in derived]
            fired.append([one.reason for one in events if isinstance(one, ExitSignalled)])
        assert fired == [[], [reason]]


def test_an_ordinary_stop_needs_no_second_print() -> None:
    """F05: canary: a bid that falls through the stop within the bound sells with its first tick."""
    core = Core(_state())
    row = core.state.instruments[CONTRACT]
    packet = full_packet(row.token, STOP - 500, row.lot_units, 700, core.state.now // SECOND_NS)
    derived = core.step(core.state.seq + 1, core.state.now + 1, frame_fact([packet]))
    (signal,) = [one.entry.event for one in derived if isinstance(one.entry.event, ExitSignalled)]
    assert signal.reason == "EXIT_STOP"


@pytest.mark.parametrize("others", [True, False])
def test_a_collapsed_bid_that_nothing_contradicts_stands(others: bool) -> None:
    """F05: a contract that has sent one print and falls silent is not kept from its exit: after two
    seconds of a feed that lives it is believed. A feed that is silent proves nothing."""
    core = Core(_state())
    state = core.state
    row, start = state.instruments[CONTRACT], state.now
    first = full_packet(row.token, 1_000, row.lot_units, 700, start // SECOND_NS)
    core.step(state.seq + 1, start + 1, frame_fact([first]))
    other = full_packet(TOKENS[CONTRACT + 1], 9_000, 65, 900, start // SECOND_NS)
    reasons: list[list[str]] = []
    for ms in (1_500, 2_500):
        ts = start + ms * 1_000_000
        if others:
            core.step(core.state.seq + 1, ts - 1, frame_fact([other]))
        derived = core.step(core.state.seq + 1, ts, TimerTick(ts, 0))
        events = [one.entry.event for one in derived]
        reasons.append([one.reason for one in events if isinstance(one, ExitSignalled)])
    assert reasons == ([[], ["EXIT_STOP"]] if others else [[], []])
    assert quote_of(core.state, CONTRACT).bid_paise < TARGET


def test_a_doubt_of_a_contract_that_is_sold_is_none() -> None:
    """F05: with the position the doubt of its contract goes."""
    core = Core(_state())
    row = core.state.instruments[CONTRACT]
    packet = full_packet(row.token, 1_000, row.lot_units, 700, core.state.now // SECOND_NS)
    core.step(core.state.seq + 1, core.state.now + 1, frame_fact([packet]))
    assert len(core.state.quality.doubts) == 1
    core = Core(replace(core.state, positions=()))
    _ = core.step(core.state.seq + 1, core.state.now + 1, TimerTick(core.state.now, 0))
    assert core.state.quality.doubts == ()


def test_no_entry_is_made_while_the_spot_is_in_doubt() -> None:
    """F05: the state that trades, with a jump of its index that waits: TICK_IMPLAUSIBLE ends the
    decision, at N4; exits are not asked."""
    core = Core(at_trade().before)
    spot = quote_of(core.state, INDEX)
    far = encode_index(TOKENS[INDEX], spot.ltp_paise * 2, 0, 0, 0, 0, 0, spot.stamp_s)
    state = apply_feed_frame(
        at_trade().state, frame_fact([far]), at_trade().state.now, 1, at_trade().look
    )
    made = decide_cycle(state, 0, at_trade().look.slot_of, state.seq + 1)
    (decision,) = [one for one in made if isinstance(one, DecisionMade)]
    assert (decision.outcome, decision.stage) == ("NO_TRADE", BY_CODE["TICK_IMPLAUSIBLE"].stage)
    assert decision.reason == "TICK_IMPLAUSIBLE"
    assert decide_exits(replace(_state(STOP), quality=state.quality))


# --- F03: back ------------------------------------------------------------------------------------


def test_a_tick_of_a_time_that_is_over_is_in_no_bar_and_no_quote() -> None:
    """F03, F06: an old first tick after a reconnect, further back than ticks may come: quote, range
    and count of the bar stay; it is journaled, counted, and the next one of now is taken."""
    core = _core()
    _give(core, 60, _future(LEVEL, 60))
    _give(core, 61, _future(LEVEL - 9_000, 0, 640))
    assert (_price(core, FUTURE), _acc(core, FUTURE)[TICKS]) == (LEVEL, 1)
    _give(core, 62, _future(LEVEL + 50, 62, 765))
    assert (_price(core, FUTURE), _acc(core, FUTURE)[TICKS]) == (LEVEL + 50, 2)
    said = [one[1:] for one in _said(_tick(core, 62))]
    assert said == [("TICK_REORDERED", "DROPPED"), ("TICK_REORDERED", "REFUTED")]
    assert core.state.quality.doubts == ()


def test_an_exchange_clock_that_was_set_back_is_believed_when_it_goes_on() -> None:
    """F03: ticks of a time that runs on from the earlier one are taken after as long as a tick may
    be late: no contract starves by its exchange's clock."""
    core = _core()
    _give(core, 100, _future(LEVEL, 100))
    taken = []
    for k in range(8):
        _give(core, 101 + k, _future(LEVEL + k, 1 + k, 765 + k))
        taken.append(_price(core, FUTURE) == LEVEL + k and k > 0)
    assert taken == [False] * 5 + [True] * 3


def test_reordered_ticks_are_counted_against_entries() -> None:
    """F03: within the limit N2 passes, beyond it the code is TICK_REORDERED; a minute later the row
    is gone. A market of pages judges its pages, and no tick."""
    core = _core()
    _give(core, 60, _index(LEVEL, 60), _future(LEVEL, 60))
    verdicts = []
    for k in range(5):
        _give(core, 61 + k * 0.1, _future(LEVEL, 0, 600 - k))
        rows = {row.gate: row.verdict for row in judge_feed(view_of(core.state)).rows}
        verdicts.append(rows["ticks_reordered"])
    assert verdicts == ["PASS"] * 3 + ["BLOCK"] * 2
    _give(core, 122, _index(LEVEL, 122))
    assert "ticks_reordered" not in {row.gate for row in judge_feed(view_of(core.state)).rows}
    core = _core(pages=True)
    _give(core, 60, _future(LEVEL, 60))
    _give(core, 61, _future(LEVEL - 9_000, 0, 640))
    assert _price(core, FUTURE) == LEVEL - 9_000


# --- F07: times that lie --------------------------------------------------------------------------


@pytest.mark.parametrize("stamp", [0, NOW_S + 60, 2**32 - 1])
def test_a_stamp_that_cannot_be_renews_no_age(stamp: int) -> None:
    """F07: the price of a tick without a time, or of the future, is taken; its age goes on from the
    last tick that had one, so that such a feed ends in QUOTE_SPOT_STALE."""
    core = _core()
    _give(core, 0, _index(LEVEL))
    for k in range(1, 8):
        price = LEVEL + k
        _give(core, k, encode_index(TOKENS[INDEX], price, 0, 0, 0, 0, 0, stamp))
        quote = quote_of(core.state, INDEX)
        assert (quote.ltp_paise, quote.seen_ns, quote.stamp_s) == (price, MARKET.open_ns, NOW_S)
    row = next(r for r in judge_quote(view_of(core.state)).rows if r.gate == "spot_age")
    assert (row.reason, row.observed) == ("QUOTE_SPOT_STALE", 7_000)


def test_one_stamp_of_the_future_blocks_for_a_while_and_poisons_nothing() -> None:
    """F07: FEED_FUTURE_STAMP for ten seconds, then the feed is judged by its newest true stamp."""
    core = _core()
    _give(core, 0, _index(LEVEL))
    _give(core, 1, encode_index(TOKENS[INDEX], LEVEL, 0, 0, 0, 0, 0, 2**32 - 1))
    assert judge_feed(view_of(core.state)).reason == "FEED_FUTURE_STAMP"
    over = 1 + AHEAD_NS // SECOND_NS
    _give(core, over - 0.1, _index(LEVEL, over - 1))
    assert judge_feed(view_of(core.state)).reason == "FEED_FUTURE_STAMP"
    _give(core, over, _index(LEVEL, over))
    rows = {row.gate: row.verdict for row in judge_feed(view_of(core.state)).rows}
    assert (rows["page_age"], rows["future_stamp"]) == ("PASS", "PASS")
    assert core.state.feed.newest_stamp_s == NOW_S + over


def test_ticks_without_a_time_are_counted_against_entries() -> None:
    """F07: up to the limit N2 passes, beyond it the code is TICK_NO_TIME; a contract's own are not
    counted: it ages alone."""
    core = _core()
    _give(core, 0, _index(LEVEL))
    for k in range(9):
        _give(core, 0.1 + k / 100, full_packet(TOKENS[OPTION], 9_000, 65, 700 + k, 0))
    assert "ticks_timeless" not in {row.gate for row in judge_feed(view_of(core.state)).rows}
    verdicts = []
    for k in range(5):
        _give(core, 0.3 + k / 100, encode_index(TOKENS[INDEX], LEVEL, 0, 0, 0, 0, 0, 0))
        rows = {row.gate: row for row in judge_feed(view_of(core.state)).rows}
        verdicts.append(rows["ticks_timeless"].verdict)
    assert verdicts == ["PASS"] * 3 + ["BLOCK"] * 2
    assert rows["ticks_timeless"].reason == "TICK_NO_TIME"


def test_a_burst_of_bad_ticks_is_one_bounded_event() -> None:
    """F07: thousands of them between two ticks are one event, all counted, the first 32 named; the
    state does not grow."""
    core = _core()
    _give(core, 0, _index(LEVEL))
    bad = encode_index(TOKENS[INDEX], LEVEL, 0, 0, 0, 0, 0, 0)
    for k in range(20):
        _give(core, 0.1 + k / 1_000, *[bad] * 100)
    quality = core.state.quality
    assert (len(quality.judgements), len(quality.timeless_ns)) == (KEPT, KEPT)
    (event,) = [one for one in _tick(core, 1) if isinstance(one, TicksJudged)]
    assert (event.ticks, len(event.seqs)) == (2_000, KEPT)
    assert core.state.quality.unsaid == 0


# --- the two folds --------------------------------------------------------------------------------

PACKETS = st.one_of(
    st.builds(
        _future,
        st.sampled_from((LEVEL, LEVEL + 50, LEVEL * 105 // 100, LEVEL * 95 // 100)),
        st.sampled_from((0, 0, 0, 1, -60, 60)),
        st.sampled_from((700, 765)),
    ),
    st.builds(
        _index, st.sampled_from((LEVEL, LEVEL * 106 // 100)), st.sampled_from((None, 0, -60))
    ),
    st.builds(
        full_packet,
        st.just(TOKENS[OPTION]),
        st.sampled_from((9_000, 900)),
        st.just(65),
        st.just(700),
        st.sampled_from((0, NOW_S)),
    ),
)
FRAMES = st.lists(st.lists(PACKETS, min_size=1, max_size=3).map(frame_fact), min_size=2, max_size=9)


@given(FRAMES)
@settings(deadline=None)
def test_frames_that_wait_are_judged_as_those_that_do_not(frames: Sequence[FeedFrame]) -> None:
    """Frames folded at once give the state of frames folded one by one: doubts, counts, quotes and
    bars, whatever has to be judged among them."""
    core = _core()
    _give(core, 0, _index(LEVEL), _future(LEVEL))
    start, look = core.state, core.look
    state, waiting = start, []
    for k, frame in enumerate(frames):
        seq, ts = start.seq + 1 + k, start.now + (1 + k) * SECOND_NS // 5
        one = quiet_frame(frame, ts, seq)
        assert one is not None
        waiting.append(one)
        state = apply_feed_frame(replace(state, now=ts, seq=seq), frame, ts, seq, look)
    assert fold_quiet(start, waiting, look) == state


GOOD = st.lists(
    st.one_of(
        st.builds(_future, st.integers(LEVEL - 900, LEVEL + 900), st.integers(-3, 2)),
        st.builds(_index, st.integers(LEVEL - 900, LEVEL + 900), st.sampled_from((None, 0, 1))),
        st.builds(
            full_packet, st.just(TOKENS[OPTION]), st.integers(8_000, 9_999), st.just(65),
            st.just(700), st.just(NOW_S),
        ),
        st.builds(full_packet, st.just(9 << 8 | 2), *[st.just(9_000)] * 4),
    ),
    min_size=1,
    max_size=6,
)  # fmt: skip


@given(st.lists(GOOD, min_size=1, max_size=5))
@settings(deadline=None)
def test_where_nothing_is_wrong_the_judge_folds_as_the_loop(frames: list[list[bytes]]) -> None:
    """A frame that has nothing to judge leads to the same state packet by packet."""
    core = _core()
    look, fast, slow = core.look, core.state, core.state
    for k, packets in enumerate(frames):
        ts, seq = MARKET.open_ns + k * SECOND_NS, core.state.seq + k
        fast = apply_feed_frame(fast, frame_fact(packets), ts, seq, look)
        slow = _Judge(slow, frame_fact(packets), ts, seq, look).frame()
    assert fast == slow
    assert fast.quality == EMPTY_QUALITY


class Model:
    """What becomes of one index's prices: the plainest form of the rule, with all it has seen."""

    def __init__(self, bps: int) -> None:
        self.bps, self.taken, self.waits = bps, list[int](), 0

    def take(self, price: int, seen: Sequence[int]) -> bool:
        side = 0
        if seen:
            low, high = min(seen), max(seen)
            above = price - high > 100 + high * self.bps // 10_000
            below = low - price > 100 + low * self.bps // 10_000
            side = 1 if above else -1 if below else 0
        if side and side != self.waits:
            self.waits = side
            return False
        self.waits = 0
        self.taken.append(price)
        return True


@given(st.lists(st.sampled_from((90, 97, 99, 100, 101, 103, 110)), min_size=1, max_size=30))
@settings(deadline=None)
def test_what_is_taken_is_what_a_plain_model_takes(levels: list[int]) -> None:
    """F05: over any prices of an index within a minute, quote and bar are those of the prices that
    a model takes; whatever comes, never do two ticks beyond the bound on one side both wait."""
    core, model = _core(), Model(100)
    streak = 0
    for k, level in enumerate(levels):
        price = LEVEL * level // 100 + k
        took = model.take(price, model.taken)
        streak = 0 if took else streak + 1
        _give(core, 1 + k, _index(price, 1 + k))
        assert _price(core, INDEX) == model.taken[-1]
    acc = _acc(core, INDEX)
    assert (acc[HIGH], acc[LOW], acc[TICKS]) == (
        max(model.taken), min(model.taken), len(model.taken),
    )  # fmt: skip
    sys.stdout.write(f"{len(levels)} prices, {len(model.taken)} taken\n")


def test_bars_hold_no_print_that_was_refuted() -> None:
    """F05: over every place of one bad print among five, the minute's bar is that of the others."""
    count = 0
    good = [LEVEL + 10 * k for k in range(5)]
    for place, bad in itertools.product(range(1, 5), (1, LEVEL // 2, 2**31 - 1)):
        count += 1
        core = _core()
        prices = [*good[:place], bad, *good[place:]]
        for k, price in enumerate(prices):
            _give(core, k, _index(price, k))
        bars = [one for one in _tick(core, MINUTE_NS // SECOND_NS) if isinstance(one, BarClosed)]
        (bar,) = [one for one in bars if one.instrument == INDEX]
        assert (bar.open_paise, bar.high_paise, bar.low_paise, bar.ticks) == (
            LEVEL, LEVEL + 40, LEVEL, 5,
        )  # fmt: skip
    sys.stdout.write(f"{count} bad prints\n")


def test_the_judge_keeps_books_of_contracts_that_nobody_holds() -> None:
    """F05: a contract that is not held is taken as it comes: entries are asked for its spread, its
    volatility and the collar; there is no doubt of it that could wait."""
    core = _core()
    _give(core, 0, full_packet(TOKENS[OPTION], 9_000, 65, 700, NOW_S))
    _give(core, 1, full_packet(TOKENS[OPTION], 900, 65, 765, NOW_S + 1))
    quote: Quote = quote_of(core.state, OPTION)
    state: State = core.state
    assert (quote.ltp_paise, state.quality) == (900, EMPTY_QUALITY)

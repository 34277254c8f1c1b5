"""F02, F03, F05, F07: ticks that come twice, go back, are plausible garbage, or lie about time."""

from __future__ import annotations

import itertools
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.bars import TICKS
from engine.core import Core
from engine.exits import decide_exits
from engine.gates.feed import judge as judge_feed
from engine.gates.quote import judge as judge_quote
from engine.state import Quote, State
from events.feed import FeedFrame
from events.orders import ExitSignalled
from events.wire.kite import encode_frame
from tests.engine.build import SECOND_NS, at_trade, view_of, with_quote
from tests.engine.fabricated import (
    SmallMarket,
    frame_fact,
    frame_of,
    full_packet,
    relaxed,
    run_core,
    small_facts,
)
from tests.engine.test_exits import CONTRACT, STOP, TARGET, _state

MARKET = SmallMarket(minutes=1)
TOKENS = [row.token for row in MARKET.instruments()]
FUTURE, OPTION = 1, 2
NOW_S = MARKET.open_ns // SECOND_NS


def _fed(frames: list[FeedFrame], every_ms: int = 100) -> State:
    """The state after frames from the open on."""
    core = run_core(list(small_facts(SmallMarket(minutes=1), relaxed()))[:5]).core
    for place, frame in enumerate(frames):
        core.step(core.state.seq + 1, MARKET.open_ns + place * every_ms * 1_000_000, frame)
    return core.state


def _book(quote: Quote | None) -> Quote | None:
    """A quote without when and in which frame it came."""
    return replace(quote, seen_ns=0, seq=0) if quote is not None else None


def _bars(state: State) -> list[tuple[int, ...]]:
    """Open bars without how many ticks made them."""
    return [(*acc[:TICKS], *acc[TICKS + 1 :]) for acc in state.accs]


# --- F02: twice -----------------------------------------------------------------------------------


@pytest.mark.slow
@given(
    st.lists(st.tuples(st.integers(10_000, 10_150), st.integers(0, 65)), min_size=1, max_size=6),
    st.lists(st.integers(1, 4), min_size=6, max_size=6),
)
def test_a_tick_that_comes_several_times_counts_and_changes_nothing(
    ticks: list[tuple[int, int]], times: list[int]
) -> None:
    """F02: prices, books, volumes and ranges are those of the ticks once; the ticks are counted."""
    volume, frames = 700, list[FeedFrame]()
    for price, traded in ticks:
        volume += traded
        packets = [full_packet(TOKENS[i], price, 65, volume, NOW_S) for i in (FUTURE, OPTION)]
        frames.append(frame_fact(packets))
    repeated = [
        frame for frame, k in zip(frames, itertools.cycle(times), strict=False) for _ in range(k)
    ]
    once, often = _fed(frames), _fed(repeated)
    assert [_book(one) for one in once.quotes] == [_book(one) for one in often.quotes]
    assert _bars(once) == _bars(often)
    assert often.feed.ticks == 2 * len(repeated)
    assert often.feed.frames - once.feed.frames == len(repeated) - len(frames)


# --- F03: back ------------------------------------------------------------------------------------


def test_a_tick_of_an_earlier_second_takes_nothing_back() -> None:
    """F03: a little out of order: in every order of four ticks of four seconds, the feed's newest
    stamp and the volume of the bar stay the newest; range and count are those of all four. The
    quote is the one that was received last, with the stamp that it came with: one connection is one
    ordered stream. What is further back is in ``test_quality``."""
    sent = [(10_000, 700, -3), (10_100, 765, -2), (9_900, 830, -1), (10_050, 895, 0)]
    count = 0
    for order in itertools.permutations(sent):
        count += 1
        state = _fed(
            [
                frame_fact([full_packet(TOKENS[FUTURE], price, 65, volume, NOW_S + second)])
                for price, volume, second in order
            ]
        )
        quote = state.quotes[FUTURE]
        assert quote is not None
        assert state.feed.newest_stamp_s == NOW_S
        assert (quote.ltp_paise, quote.stamp_s) == (order[-1][0], NOW_S + order[-1][2])
        _, high, low, _, ticks, highest, *_ = _acc(state)
        assert (high, low, ticks, highest) == (10_100, 9_900, 4, 895)
    sys.stdout.write(f"{count} orders of arrival\n")


def _acc(state: State) -> tuple[int, ...]:
    from engine.lookup import lookup_for

    return state.accs[lookup_for(state).slot_of[FUTURE]]


# --- F05: plausible garbage -----------------------------------------------------------------------


def _flips(packet: bytes) -> list[bytes]:
    """The packet with each of its bits turned over."""
    return [
        packet[:at] + bytes((packet[at] ^ 1 << bit,)) + packet[at + 1 :]
        for at in range(len(packet))
        for bit in range(8)
    ]


def test_a_bit_of_a_held_contract_turned_over_is_judged_by_the_bid() -> None:
    """F05: each bit of a real packet of a held contract, turned over: the core never fails; a gain
    is taken on no crossed book, and a price alone (the last one, its average, the day's) sells
    nothing: only a bid that meets stop or target does. One that is implausible waits for a second
    tick, and here there is none: each bit that would have sold alone is held."""
    state = _state()
    row = state.instruments[CONTRACT]
    packet = full_packet(row.token, 10_000, row.lot_units, 700, state.now // SECOND_NS)
    outcomes: dict[str, int] = {}
    held = 0
    for flipped in _flips(packet):
        core = Core(state)
        frame = frame_of(encode_frame([flipped]))
        said = [one.entry.event for one in core.step(state.seq + 1, state.now + 1, frame)]
        quote = core.state.quotes[CONTRACT]
        assert quote is not None
        signals = [one for one in said if isinstance(one, ExitSignalled)]
        reason = signals[0].reason if signals else "none"
        held += bool(core.state.quality.doubts)
        outcomes[reason] = outcomes.get(reason, 0) + 1
        if reason == "EXIT_TARGET":
            assert quote.bid_paise >= TARGET
            assert not 0 < quote.ask_paise < quote.bid_paise
        elif reason == "EXIT_STOP":
            assert 0 < quote.bid_paise <= STOP
        else:
            assert reason == "none"
    sys.stdout.write(f"a bit turned over, what it led to: {outcomes}\n")
    assert outcomes == {"none": 8 * len(packet)}
    assert held > 10


def test_a_bit_of_the_index_turned_over_is_found_by_its_witness() -> None:
    """F05: each bit of an index's print turned over: no entry is made on one that lies further from
    the witness than allowed, whatever the flip made of it."""
    state = at_trade().state
    index = state.underlyings[0].index
    known = state.quotes[index]
    assert known is not None
    passed = blocked = 0
    for bit in range(31):
        price = known.ltp_paise ^ 1 << bit
        stage = judge_quote(view_of(with_quote(state, index, replace(known, ltp_paise=price))))
        away_bps = abs(price - known.ltp_paise) * 10_000 // known.ltp_paise
        if stage.verdict == "PASS":
            passed += 1
            assert away_bps <= 2 * state.config.quote.witness_gap_bps_max
        else:
            blocked += 1
    sys.stdout.write(f"{blocked} flips of the print blocked, {passed} within the witness's gap\n")
    assert blocked > 12
    assert passed > 0


# --- F07: times that lie --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stamp_s", "code"),
    [
        (0, "FEED_NEVER_SEEN"),
        (1, "FEED_PAGE_OLD"),
        (NOW_S // 1_000, "FEED_PAGE_OLD"),
        (NOW_S - 7, "FEED_PAGE_OLD"),
        (NOW_S - 6, None),
        (NOW_S, None),
        (NOW_S + 2, None),
        (NOW_S + 3, "FEED_FUTURE_STAMP"),
        (2**31 - 1, "FEED_FUTURE_STAMP"),
        (2**32 - 1, "FEED_FUTURE_STAMP"),
    ],
)
def test_a_stamp_that_cannot_be_blocks_and_makes_nothing_young(
    stamp_s: int, code: str | None
) -> None:
    """F07: no time, 1970, a thousandth, too old, the future, the largest of the wire: each blocks
    with its code or is of now; the price is taken. Its age is by when it was received, whatever the
    stamp says, but for one that cannot be: no time and the future make nothing fresh."""
    state = _fed([frame_fact([full_packet(TOKENS[FUTURE], 10_000, 65, 700, stamp_s)])])
    quote = state.quotes[FUTURE]
    assert quote is not None
    assert quote.ltp_paise == 10_000
    if code in ("FEED_NEVER_SEEN", "FEED_FUTURE_STAMP"):
        assert (quote.stamp_s, quote.seen_ns) == (0, 0)
    else:
        assert (quote.stamp_s, quote.seen_ns) == (stamp_s, MARKET.open_ns)
    assert quote.is_fresh(MARKET.open_ns) == (quote.stamp_s > 0)
    assert not quote.is_fresh(MARKET.open_ns + 1)
    rows = judge_feed(view_of(state)).rows
    reasons = {row.reason for row in rows if row.gate in ("page_age", "future_stamp")} - {None}
    assert reasons == ({code} if code else set())


def test_a_stamp_of_the_future_blocks_entries_and_no_exit() -> None:
    """F07: while the feed's newest stamp lies ahead, N2 blocks entries; a stop that is met still
    sells."""
    state = _state(STOP)
    ahead = replace(state, feed=replace(state.feed, newest_stamp_s=2**32 - 1))
    assert judge_feed(view_of(ahead)).reason == "FEED_FUTURE_STAMP"
    (signal,) = decide_exits(ahead)
    assert isinstance(signal, ExitSignalled)
    assert signal.reason == "EXIT_STOP"

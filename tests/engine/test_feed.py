"""Frames into quotes and bars: what changes, what a lying frame may not change, how bars roll."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.bars import GAPPED, MINUTE_NS, TICKS, fold_tick
from engine.core import Core
from engine.feed import REFUSED_KEPT, REFUSED_WINDOW_NS
from engine.quality import apply_feed_frame
from engine.state import Quote, State
from events.feed import FeedFrame, FeedStatus, TimerTick
from events.market import BarClosed, FeedHealthChanged, FrameRejected
from events.wire.kite import (
    HEARTBEAT,
    FrameFault,
    FullTick,
    decode_frame,
    encode_frame,
    encode_index,
    encode_ltp,
    encode_quote,
)
from tests.engine.build import SECOND_NS
from tests.engine.fabricated import (
    SmallMarket,
    frame_fact,
    frame_of,
    full_packet,
    relaxed,
    run_core,
    small_facts,
)

MARKET = SmallMarket(minutes=1)
TOKENS = [row.token for row in MARKET.instruments()]
INDEX, FUTURE, OPTION = 0, 1, 2
STRANGER = 999 << 8 | 2


def _opened(pages: bool = False) -> Core:
    """A core after the opening facts, before any frame."""
    market = SmallMarket(minutes=1, pages=pages)
    facts = list(small_facts(market, relaxed()))[:5]
    return run_core(facts).core


def _step(core: Core, ts: int, event: FeedFrame | FeedStatus | TimerTick) -> list[Any]:
    return [one.entry.event for one in core.step(core.state.seq + 1, ts, event)]


def _index(price: int, stamp: int | None = 1_000) -> bytes:
    return encode_index(TOKENS[INDEX], price, price, price, price, price, 0, stamp)


def test_a_full_packet_becomes_the_quote() -> None:
    """Every field of a full packet stands in the quote, with session time and seq."""
    core = _opened()
    _step(core, MARKET.open_ns, frame_fact([full_packet(TOKENS[OPTION], 15_000, 65, 700, 9_000)]))
    quote = core.state.quotes[OPTION]
    assert quote is not None
    (tick,) = decode_frame(encode_frame([full_packet(TOKENS[OPTION], 15_000, 65, 700, 9_000)]))
    assert isinstance(tick, FullTick)
    assert (quote.ltp_paise, quote.volume_units, quote.oi_units) == (15_000, 700, 100_000)
    assert (quote.bid_paise, quote.bid_units) == (tick.bids[0].price, tick.bids[0].quantity)
    assert (quote.ask_paise, quote.ask_units) == (tick.asks[0].price, tick.asks[0].quantity)
    assert (quote.stamp_s, quote.seen_ns, quote.seq) == (9_000, MARKET.open_ns, core.state.seq - 1)
    assert len(quote.depth) == 120
    assert core.state.feed.ticks == 1


def test_an_instrument_that_comes_twice_in_a_frame_is_quoted_by_its_last_packet() -> None:
    """The bar has all three ticks, the quote is the third packet's, its depth too; a stranger
    between them is counted, and the newest stamp stands whichever packet brought it."""
    core = _opened()
    sent = [
        full_packet(TOKENS[FUTURE], 15_000, 65, 700, 9_002),
        full_packet(STRANGER, 1, 65, 700, 9_000),
        full_packet(TOKENS[FUTURE], 15_300, 65, 765, 9_001),
        full_packet(TOKENS[FUTURE], 14_900, 130, 895, 9_001),
    ]
    _step(core, MARKET.open_ns, frame_fact(sent))
    alone = _opened()
    _step(alone, MARKET.open_ns, frame_fact(sent[-1:]))
    assert core.state.quotes[FUTURE] == alone.state.quotes[FUTURE]
    acc = core.state.accs[core.look.slot_of[FUTURE]]
    assert acc[: TICKS + 1] == (15_000, 15_300, 14_900, 14_900, 3)
    assert (core.state.feed.newest_stamp_s, core.state.feed.unknown_tokens) == (9_002, 1)


def test_a_price_alone_makes_no_old_book_new() -> None:
    """After a full packet an ltp packet moves the price; book, its time and its frame stay, so that
    no quantity can be taken twice and no age looks young. A quote packet brings its volume too."""
    core = _opened()
    ts = MARKET.open_ns
    _step(core, ts, frame_fact([full_packet(TOKENS[FUTURE], 15_000, 65, 700, 9_000)]))
    before = core.state.quotes[FUTURE]
    assert before is not None
    _step(core, ts + 5, frame_fact([encode_ltp(TOKENS[FUTURE], 15_100)]))
    assert core.state.quotes[FUTURE] == replace(before, ltp_paise=15_100)
    quoted = encode_quote(TOKENS[FUTURE], 15_200, 130, 0, 830, 0, 0, 0, 0, 0, 0)
    _step(core, ts + 6, frame_fact([quoted]))
    after = replace(before, ltp_paise=15_200, last_units=130, volume_units=830)
    assert core.state.quotes[FUTURE] == after


def test_an_index_packet_is_a_fresh_print() -> None:
    """An index has no book: each packet is its print, and a lacking stamp keeps the last one."""
    core = _opened()
    _step(core, MARKET.open_ns, frame_fact([_index(2_400_000)]))
    _step(core, MARKET.open_ns + 9, frame_fact([_index(2_400_100, None)]))
    quote = core.state.quotes[INDEX]
    assert quote is not None
    assert (quote.ltp_paise, quote.stamp_s, quote.seen_ns) == (2_400_100, 1_000, MARKET.open_ns + 9)


LYING = {
    "empty": b"",
    "no packets": b"\0\0",
    "cut": encode_frame([full_packet(TOKENS[OPTION], 15_000, 65, 700, 9_000)])[:-1],
    "trailing": encode_frame([_index(2_400_000)]) + b"\0",
    "length": b"\0\1\0\7" + bytes(7),
    "second packet": encode_frame([_index(1), _index(2)])[:-3],
}


@pytest.mark.parametrize("name", LYING)
def test_a_lying_frame_changes_only_counters(name: str) -> None:
    """A frame that does not keep its lengths is refused whole: no quote, no bar, one refusal, one
    FrameRejected with the codec's word."""
    core = _opened()
    _step(core, MARKET.open_ns, frame_fact([_index(2_400_000)]))
    before = core.state
    events = _step(core, before.now + 1, frame_of(LYING[name]))
    after = core.state
    feed = before.feed
    assert after.feed == replace(
        feed,
        refused=feed.refused + 1,
        frames=feed.frames + 1,
        refused_ns=(before.now + 1,),
        last_frame_ns=before.now + 1,
    )
    assert after == replace(before, feed=after.feed, now=after.now, seq=after.seq)
    (rejected,) = events
    assert isinstance(rejected, FrameRejected)
    assert rejected.fault in set(FrameFault)
    assert rejected.length_bytes == len(LYING[name])


def test_a_frame_that_was_cut_is_refused_with_its_true_length() -> None:
    """A frame whose data is only its head is refused even where the head is a frame by itself."""
    core = _opened()
    cut = replace(frame_fact([_index(2_400_000)]), length_bytes=70_000, digest="ab")
    (_, rejected) = _step(core, MARKET.open_ns, cut)
    assert rejected == FrameRejected(0, "FRAME_TRUNCATED", rejected.offset, 70_000)
    assert core.state.quotes[INDEX] is None


def test_only_the_last_minutes_refusals_are_kept() -> None:
    """Refusals older than a minute are forgotten, and no burst makes the state grow."""
    core = _opened()
    for step in range(REFUSED_KEPT + 9):
        _step(core, MARKET.open_ns + step, frame_of(b""))
    assert len(core.state.feed.refused_ns) == REFUSED_KEPT
    _step(core, core.state.now + REFUSED_WINDOW_NS, frame_of(b""))
    assert len(core.state.feed.refused_ns) == 1
    assert core.state.feed.refused == REFUSED_KEPT + 10


def test_unknown_tokens_are_counted_and_skipped() -> None:
    """A packet of a token that was not loaded, and one of an unknown segment, change no quote; the
    known packet in the same frame is taken."""
    core = _opened()
    packets = [
        full_packet(STRANGER, 15_000, 65, 700, 9_000),
        encode_ltp(STRANGER, 1),
        encode_ltp(77 << 8 | 200, 1),
        _index(2_400_000),
    ]
    _step(core, MARKET.open_ns, frame_fact(packets))
    assert core.state.feed.unknown_tokens == 3
    assert core.state.feed.ticks == 4
    assert [i for i, quote in enumerate(core.state.quotes) if quote is not None] == [INDEX]


def test_a_heartbeat_is_a_frame_and_no_tick() -> None:
    """A heartbeat keeps the link young and is no print."""
    core = _opened()
    _step(core, MARKET.open_ns, frame_of(HEARTBEAT))
    feed = core.state.feed
    assert (feed.frames, feed.ticks, feed.refused) == (1, 0, 0)
    assert feed.last_frame_ns == MARKET.open_ns
    assert set(core.state.quotes) == {None}


def test_a_repeated_page_is_counted_until_a_newer_one() -> None:
    """A page with the stamp of the last, or a page of a heartbeat alone, is a repeat; a newer stamp
    ends the count; a frame inside a page is judged with it, not alone."""
    core, seen = _opened(pages=True), []
    pages = [
        frame_fact([_index(2_400_000, 1_000)], True),
        frame_fact([_index(2_400_000, 1_000)], True),
        frame_of(HEARTBEAT, True),
        frame_fact([_index(2_400_050, 1_060)], False),
        frame_fact([full_packet(TOKENS[OPTION], 15_000, 65, 700, 1_001)], True),
    ]
    for minute, frame in enumerate(pages):
        _step(core, MARKET.open_ns + minute * MINUTE_NS, frame)
        seen.append(core.state.feed.page_repeats)
    assert seen == [0, 1, 2, 2, 0]


def test_a_connection_counts_as_up_only_with_its_subscription() -> None:
    """CONNECTED without a verified subscription is not verified; LOST is neither."""
    core = _opened()
    for status, verified, want in (
        ("CONNECTED", False, (True, False)),
        ("CONNECTED", True, (True, True)),
        ("LOST", True, (False, False)),
    ):
        _step(core, MARKET.open_ns, FeedStatus(0, status, verified, 1))
        assert (core.state.feed.connected, core.state.feed.verified) == want


def _bars(core: Core, ts: int) -> list[BarClosed]:
    return [e for e in _step(core, ts, TimerTick(ts, 0)) if isinstance(e, BarClosed)]


def test_a_minute_closes_at_the_first_fact_past_it() -> None:
    """The bar of a minute is said by the first fact at or after its end, with its ticks alone."""
    core = _opened()
    for second, price in ((1, 2_400_000), (20, 2_400_900), (59, 2_399_500)):
        _step(core, MARKET.open_ns + second * SECOND_NS, frame_fact([_index(price)]))
    assert not _bars(core, MARKET.open_ns + MINUTE_NS - 1)
    bars = _bars(core, MARKET.open_ns + MINUTE_NS)
    assert [(one.instrument, one.bar_ms, one.start_ts) for one in bars] == [
        (INDEX, 60_000, MARKET.open_ns)
    ]
    one = bars[0]
    assert (one.open_paise, one.high_paise, one.low_paise, one.close_paise, one.ticks) == (
        2_400_000, 2_400_900, 2_399_500, 2_399_500, 3,
    )  # fmt: skip
    assert one.ema_fast_paise is not None


def test_five_minutes_close_with_their_last_minute() -> None:
    """At 09:20 the minute and the five-minute bar are said, the longer with no indicators: they run
    on the declared bar."""
    core = _opened()
    for minute in range(5):
        _step(core, MARKET.open_ns + minute * MINUTE_NS, frame_fact([_index(2_400_000 + minute)]))
    one, five = _bars(core, MARKET.open_ns + 5 * MINUTE_NS)
    assert (one.bar_ms, five.bar_ms) == (60_000, 300_000)
    assert (five.start_ts, five.ticks) == (MARKET.open_ns, 5)
    assert (five.open_paise, five.close_paise) == (2_400_000, 2_400_004)
    assert five.ema_fast_paise is None


def test_what_came_before_the_open_is_no_bar() -> None:
    """A price of the pre-open closes no bar, warms nothing up and is in no bar after the open; the
    volume counts from it."""
    core = _opened()
    early = full_packet(TOKENS[FUTURE], 2_300_000, 65, 1_000, 1)
    _step(core, MARKET.open_ns - 5 * SECOND_NS, frame_fact([_index(2_300_000), early]))
    assert _bars(core, MARKET.open_ns) == []
    assert [slot.bars_done for slot in core.state.slots] == [0] * len(core.state.slots)
    first = full_packet(TOKENS[FUTURE], 2_410_000, 65, 1_007, 1)
    _step(core, MARKET.open_ns + SECOND_NS, frame_fact([_index(2_400_000), first]))
    index, future = _bars(core, MARKET.open_ns + MINUTE_NS)
    assert (index.open_paise, index.low_paise, index.bars_done) == (2_400_000, 2_400_000, 1)
    assert (future.low_paise, future.volume_units) == (2_410_000, 7)


def test_a_gap_that_no_tick_saw_is_said_when_it_ends() -> None:
    """A market of pages declares its largest gap: a longer silence is FEED_GAP with its age, though
    the next page came before any tick; one that is just as long is none. Bars since it count anew,
    and what was traded in it is in no bar."""
    core = _opened(pages=True)
    ts, limit = MARKET.open_ns, 130 * SECOND_NS

    def page(at: int, volume: int) -> list[Any]:
        packets = [_index(2_400_000), full_packet(TOKENS[FUTURE], 2_410_000, 65, volume, 1)]
        return _step(core, at, frame_fact(packets, snapshot_end=True))

    page(ts, 1_000)
    quiet = page(ts + limit, 1_010)
    assert not [one for one in quiet if isinstance(one, FeedHealthChanged)]
    core.step(core.state.seq + 1, ts + limit, TimerTick(ts + limit, 0))
    assert core.state.markets[0].bars_since_gap == 1
    said = page(ts + 2 * limit + 1_000_000, 6_010)
    health = [one for one in said if isinstance(one, FeedHealthChanged)]
    assert [(one.status, one.reason, one.link_age_ms) for one in health] == [
        ("GAP", "FEED_GAP", 130_001), ("LIVE", "FEED_RESUMED", 0),
    ]  # fmt: skip
    assert core.state.feed.status == "LIVE"
    assert core.state.markets[0].bars_since_gap == 0
    page(ts + 2 * limit + 2_000_000, 6_017)
    bars = [one for one in _bars(core, ts + 5 * MINUTE_NS) if one.instrument == FUTURE]
    assert bars[0].volume_units == 7, "the gap's volume is in no bar, what came after it is"


@pytest.mark.parametrize(("rate", "told"), [(0, False), (1, True), (400, True)])
def test_a_silence_through_which_the_engine_stood_still_is_said(rate: int, told: bool) -> None:
    """F02: in real time a process that stood still takes the frame behind a silence before any
    tick: the gap is said with its age all the same, and bars count anew. A backtest has ticks."""
    core = _opened()
    opened = core.state.opened
    assert opened is not None
    core = Core(replace(core.state, opened=replace(opened, rate=rate)))
    ts, limit = MARKET.open_ns, 6 * SECOND_NS
    _step(core, ts, frame_fact([_index(2_400_000)]))
    _step(core, ts + 1, TimerTick(ts, 0))
    assert _step(core, ts + limit, frame_fact([_index(2_400_000)])) == []
    said = _step(core, ts + 2 * limit + 1_000_000, frame_fact([_index(2_400_100)]))
    health = [(one.status, one.link_age_ms) for one in said if isinstance(one, FeedHealthChanged)]
    assert health == ([("GAP", 6_001), ("LIVE", 0)] if told else [])
    assert core.state.feed.status == "LIVE"


def test_minutes_without_a_tick_make_no_bar() -> None:
    """A gap of many minutes closes the bar before it and invents none inside it."""
    core = _opened()
    _step(core, MARKET.open_ns, frame_fact([_index(2_400_000)]))
    bars = _bars(core, MARKET.open_ns + 12 * MINUTE_NS)
    assert [(one.bar_ms, one.start_ts - MARKET.open_ns) for one in bars] == [
        (60_000, 0),
        (300_000, 0),
    ]
    assert not _bars(core, MARKET.open_ns + 30 * MINUTE_NS)


def test_a_gap_starts_the_count_of_bars_anew() -> None:
    """After an outage the bars since the gap count from zero, and the bar's volume lacks what was
    traded in it."""
    core = _opened()
    ts = MARKET.open_ns
    volume = 1_000

    def trade(at: int, more: int) -> None:
        nonlocal volume
        volume += more
        packets = [_index(2_400_000), full_packet(TOKENS[FUTURE], 2_410_000, 65, volume, 1)]
        _step(core, at, frame_fact(packets))

    for minute in range(3):
        trade(ts + minute * MINUTE_NS, 10)
    _step(core, ts + 2 * MINUTE_NS + 1, TimerTick(0, 0))
    assert core.state.markets[0].bars_since_gap == 2
    _step(core, ts + 2 * MINUTE_NS + 20 * SECOND_NS, TimerTick(0, 0))
    assert core.state.feed.status == "GAP"
    assert core.state.markets[0].bars_since_gap == 0
    trade(ts + 5 * MINUTE_NS, 5_000)
    trade(ts + 5 * MINUTE_NS + 1, 7)
    trade(ts + 5 * MINUTE_NS + 2, 7)
    bars = [one for one in _bars(core, ts + 6 * MINUTE_NS) if one.instrument == FUTURE]
    assert [one.volume_units for one in bars] == [14], "the first tick's volume is in no bar"


def _gapped(core: Core) -> list[bool]:
    """Of each slot, whether a gap has a part in the open bar."""
    return [acc[GAPPED] == 1 for acc in core.state.accs]


def test_a_gap_after_one_that_no_tick_saw_is_marked_as_well() -> None:
    """A silence after the frame that ended another: the volume of both is in no bar."""
    core = _opened(pages=True)
    ts, limit = MARKET.open_ns, 130 * SECOND_NS

    def page(at: int, volume: int) -> None:
        packets = [_index(2_400_000), full_packet(TOKENS[FUTURE], 2_410_000, 65, volume, 1)]
        _step(core, at, frame_fact(packets, snapshot_end=True))

    page(ts, 1_000)
    page(ts + limit + 1_000_000, 2_000)
    quiet = ts + 2 * limit + 60 * SECOND_NS
    (said,) = [
        one for one in _step(core, quiet, TimerTick(quiet, 0)) if isinstance(one, FeedHealthChanged)
    ]
    assert (said.reason, core.state.feed.status) == ("FEED_GAP", "GAP")
    page(quiet + 10 * SECOND_NS, 9_000)
    page(quiet + 20 * SECOND_NS, 9_004)
    bars = [one for one in _bars(core, quiet + 5 * MINUTE_NS) if one.instrument == FUTURE]
    assert [one.volume_units for one in bars if one.bar_ms == 60_000] == [4]


@pytest.mark.parametrize(("late_s", "marked"), [(0, False), (5, False), (6, True), (3_600, True)])
def test_a_feed_that_began_after_the_open_begins_with_a_gap(late_s: int, marked: bool) -> None:
    """The first bar of a late start is marked as one after a gap: nobody saw what was before."""
    core = _opened()
    _step(core, MARKET.open_ns + late_s * SECOND_NS, frame_fact([_index(2_400_000)]))
    assert _gapped(core) == [marked] * len(core.state.accs)


@given(
    prices=st.lists(st.integers(1, 90), min_size=4, max_size=4),
    volumes=st.lists(st.integers(-900, 900), min_size=4, max_size=4),
    ticks=st.integers(0, 2),
    price=st.integers(-1, 90),
    volume=st.integers(0, 900),
)
@settings(deadline=None)
def test_the_hot_loop_folds_as_fold_tick_does(
    prices: list[int], volumes: list[int], ticks: int, price: int, volume: int
) -> None:
    """The loop's own copy of a tick's arithmetic gives what ``fold_tick`` gives, from any
    accumulator of prices near each other: fresh, open, gapped; a price of 0 is no trade."""
    acc = [*prices, ticks, *volumes]
    core = _opened()
    place = core.look.slot_of[FUTURE]
    accs = list(core.state.accs)
    accs[place] = tuple(acc)
    frame = frame_fact([full_packet(TOKENS[FUTURE], price, 65, volume, 1_000)])
    ts = MARKET.open_ns
    after = apply_feed_frame(replace(core.state, accs=tuple(accs)), frame, ts, 1, core.look)
    if price > 0:
        fold_tick(acc, price, volume)
    assert after.accs[place] == tuple(acc)


# --- against a naive model ------------------------------------------------------------------------

PRICES = st.integers(2_400_000, 2_410_000)
"""No jump: what becomes of one is in ``test_quality``."""


@st.composite
def _packet(draw: st.DrawFn) -> bytes:
    i = draw(st.sampled_from((INDEX, FUTURE, OPTION, len(TOKENS) - 1, -5)))
    price, volume = draw(PRICES), draw(st.integers(0, 50))
    if i == -5:
        return encode_ltp(STRANGER, price)
    if i in (INDEX, len(TOKENS) - 1):
        stamp = draw(st.sampled_from((None, 1_496, 1_500)))
        return encode_index(TOKENS[i], price, 0, 0, 0, 0, 0, stamp)
    kind = draw(st.sampled_from(("full", "quote", "ltp")))
    if kind == "full":
        return full_packet(TOKENS[i], price, 65, volume, 1_500)
    if kind == "quote":
        return encode_quote(TOKENS[i], price, 65, 0, volume, 0, 0, 0, 0, 0, 0)
    return encode_ltp(TOKENS[i], price)


DAYS = st.lists(
    st.tuples(st.integers(0, 4 * 60), st.lists(_packet(), min_size=1, max_size=5), st.booleans()),
    max_size=25,
)


class Naive:
    """Everything that was said, kept whole; quotes and bars are computed from it at the end."""

    def __init__(self) -> None:
        self.ticks: list[tuple[int, int, Any]] = []

    def take(self, ts: int, data: bytes) -> None:
        for tick in decode_frame(data):
            if tick.token in TOKENS:
                self.ticks.append((ts, TOKENS.index(tick.token), tick))

    def price(self, i: int) -> int | None:
        prices = [tick.last_price for _, one, tick in self.ticks if one == i]
        return prices[-1] if prices else None

    def book(self, i: int) -> tuple[int, int]:
        books = [
            (tick.bids[0].price, tick.asks[0].price)
            for _, one, tick in self.ticks
            if one == i and isinstance(tick, FullTick)
        ]
        return books[-1] if books else (0, 0)

    def bars(self, i: int, length_ns: int, until: int) -> list[tuple[int, int, int, int, int, int]]:
        """(start, open, high, low, close, ticks) of every bar that ended at or before ``until``."""
        found: dict[int, list[int]] = {}
        for ts, one, tick in self.ticks:
            if one == i:
                found.setdefault(ts - ts % length_ns, []).append(tick.last_price)
        return [
            (start, prices[0], max(prices), min(prices), prices[-1], len(prices))
            for start, prices in sorted(found.items())
            if start + length_ns <= until
        ]


def _quote(state: State, i: int) -> Quote | None:
    return state.quotes[i]


@given(DAYS)
@settings(max_examples=40)
def test_quotes_and_bars_are_those_of_a_naive_model(
    day: list[tuple[int, list[bytes], bool]],
) -> None:
    """For any frames, heartbeats and lying frames between them, quotes and bars are what a model
    gets that keeps every tick and looks through all of them."""
    core, naive, said = _opened(), Naive(), []
    ts = MARKET.open_ns
    for wait_s, packets, lies in day:
        ts += wait_s * SECOND_NS
        data = encode_frame(packets) + (b"\0" if lies else b"")
        said += _step(core, ts, frame_of(data))
        if not lies:
            naive.take(ts, data)
    end = ts + 7 * MINUTE_NS
    said += _step(core, end, TimerTick(end, 0))
    for i in range(len(TOKENS)):
        quote = core.state.quotes[i]
        assert (quote.ltp_paise if quote is not None else None) == naive.price(i)
        assert (quote.bid_paise, quote.ask_paise) == naive.book(i) if quote else True
    for i in (INDEX, FUTURE, len(TOKENS) - 1):
        for bar_ms in (60_000, 300_000):
            ours = [
                (b.start_ts, b.open_paise, b.high_paise, b.low_paise, b.close_paise, b.ticks)
                for b in said
                if isinstance(b, BarClosed) and (b.instrument, b.bar_ms) == (i, bar_ms)
            ]
            assert ours == naive.bars(i, bar_ms * 1_000_000, end)
    order = [b.instrument for b in said if isinstance(b, BarClosed)]
    assert set(order) <= {INDEX, FUTURE, len(TOKENS) - 1}, "an option that is not held has no bars"

"""The feed's reducers: frames into quotes and bars, the health of the connection.

Lives here: the loop over a frame's packets and the roll of bars. May import: events, engine. Always
holds: inside one frame lists are changed in place, at its end they are tuples again; a frame that
does not keep its lengths changes nothing but its own counters; a frame with a tick that has to be
judged changes nothing here (``DoubtfulTick``): ``engine.quality`` takes it packet by packet.
Start reading at ``fold_frame``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from engine.bars import (
    CLOSE,
    FIVE_NS,
    HIGH,
    LOW,
    MINUTE_NS,
    TICKS,
    Accumulator,
    Bar,
    close_bar,
    fold_price,
    fold_tick,
    mark_gap,
    mark_return,
    merge,
)
from engine.indicators import step_bar, step_volatility
from engine.lookup import Lookup
from engine.orders.route import in_real_time, to_broker
from engine.policy import limit_ms
from engine.state import BarSlot, Connection, FeedState, HistoryState, Quote, State
from events.feed import FeedFrame, FeedStatus
from events.wire.kite import (
    FULL_SIZE,
    INDEX_FULL_SIZE,
    INDEX_QUOTE_SIZE,
    QUOTE_SIZE,
    FrameError,
    FrameFault,
    Run,
    Walk,
    index_close,
    stamp_bounds,
    unpack_full_at,
    unpack_run,
    unpack_trades,
    walk,
)

MS: Final = 1_000_000
LIVE: Final = "LIVE"
"""The status of a connection whose frames arrive."""

CONNECTED: Final = "CONNECTED"
LOST: Final = "LOST"
FIRST: Final = 0
"""The connection over which order updates come."""

SECOND_NS: Final = 1_000_000_000
REFUSED_WINDOW_NS: Final = 60 * SECOND_NS
REFUSED_KEPT: Final = 64
NEAR_PAISE: Final = 100
"""A jump within this and the bound of its kind is none: prices of a few rupees move in large parts
of themselves."""

NEAR_SHIFT: Final = 7
NEAR_BPS: Final = 78
"""A jump within ``NEAR_PAISE`` and a 128th, which is so much, is looked at no further: it is less
than any bound may be (80 bps)."""

Limits = tuple[int, int, int]
"""Of a frame's stamps, in epoch s: the furthest ahead, the newest before the frame, and how far an
instrument's may go back."""

_DEPTH_AT: Final = 2 + 64
_FULL_STRIDE: Final = FULL_SIZE + 2
_NO_DEPTH: Final = b""
_WITH_CLOSE: Final = (INDEX_FULL_SIZE, INDEX_QUOTE_SIZE)


class DoubtfulTick(Exception):  # noqa: N818 - named for the condition
    """A tick in a frame has to be judged: its stamp cannot be, its price jumps, or one of before
    waits for it. It may be good all the same."""


def checked_walk(event: FeedFrame) -> Walk:
    """The frame's packets. Raises ``FrameError``; a frame that was cut is refused as truncated."""
    if event.length_bytes != len(event.data):
        size = len(event.data)
        raise FrameError(FrameFault.FRAME_TRUNCATED, size, 0, size, event.length_bytes)
    return walk(event.data)


def fold_frame(state: State, event: FeedFrame, ts: int, seq: int, look: Lookup) -> State:
    """Quotes, bars and feed counters after one frame. Raises ``DoubtfulTick``."""
    state = after_silence(state, ts)
    try:
        packets = checked_walk(event)
    except FrameError:
        return replace(state, feed=_refused(state.feed, ts))
    if packets.heartbeat:
        return replace(state, feed=seen(state.feed, event, ts, 0, 0, state.feed.newest_stamp_s))
    if state.quality.doubts:
        raise DoubtfulTick
    quotes, accs = list(state.quotes), list(state.accs)
    newest, unknown = 0, packets.skipped
    limits = stamp_limits(state, ts)
    for run in packets.runs:
        fold = _fold_full if run.size == FULL_SIZE else fold_small
        stamp, missed = fold(event.data, run, ts, seq, look, quotes, accs, limits)
        newest = stamp if stamp > newest else newest
        unknown += missed
    if (state.positions or state.orders) and _side_jumps(state, quotes):
        raise DoubtfulTick
    feed = seen(state.feed, event, ts, packets.packets, unknown, newest)
    return replace(state, quotes=tuple(quotes), accs=tuple(accs), feed=feed)


def stamp_limits(state: State, ts: int) -> Limits:
    """What the stamps of a frame are held against. A market of pages has its own way to tell a page
    of before (``page_repeats``); there no instrument goes back."""
    config, opened = state.config.feed, state.opened
    pages = opened is not None and opened.cycle_rule.max_gap_ms
    ahead_s = (ts // MS + config.future_ms_max) // 1000
    return ahead_s, state.feed.newest_stamp_s, _NEVER_BACK if pages else back_s(state)


def back_s(state: State) -> int:
    """How far an instrument's exchange time may go back, in whole seconds as it is told."""
    return state.config.feed.reordered_ms_max // 1000


_NEVER_BACK: Final = 1 << 33
"""More seconds than the wire can tell."""


def watched(state: State) -> tuple[tuple[int, bool], ...]:
    """(contract, whether it is its ask that counts) of all whose price may lead to an order or a
    fill: of positions and of orders that work by the bid, of sold legs by the ask."""
    sold = tuple((one.contract, True) for one in state.shorts)
    held = tuple((one.contract, False) for one in state.positions)
    return (*sold, *held, *((one.contract, False) for one in state.orders))


def _side_jumps(state: State, quotes: list[Quote | None]) -> bool:
    """Whether the price of a watched contract that counts jumped in this frame."""
    bps = state.config.quote.jump_contract_bps_max
    for i, sold in watched(state):
        before, after = state.quotes[i], quotes[i]
        if before is None or after is None or after is before:
            continue
        old, new = (one.ask_paise if sold else one.bid_paise for one in (before, after))
        if side_jumps(old, new, bps):
            return True
    return False


def side_jumps(before_paise: int, after_paise: int, bps: int) -> int:
    """Which way a side of a book jumps, 1, -1 or 0. One that empties or fills says nothing."""
    if before_paise <= 0 or after_paise <= 0 or not jumps(before_paise, after_paise, bps):
        return 0
    return 1 if after_paise > before_paise else -1


def after_silence(state: State, ts: int) -> State:
    """A gap that no tick has noticed is marked before its first frame is folded: what was traded
    in it belongs to no bar.

    A market of pages has a tick only where the silence lasts. On a grid one falls into every gap,
    unless the engine itself stood still meanwhile, which happens in real time alone.
    """
    feed = state.feed
    silence_ms = silence_ms_max(state)
    silent_ms = (ts - feed.last_frame_ns) // MS if feed.last_frame_ns else 0
    gap_ms = silent_ms if 0 < silence_ms < silent_ms else 0
    if gap_ms != feed.gap_ms:
        state = replace(state, feed=replace(feed, gap_ms=gap_ms))
    return mark_feed_gap(state) if gap_ms and feed.status == LIVE else state


def silence_ms_max(state: State) -> int:
    """So long may lie between two frames; 0 where nothing but a tick judges it."""
    if state.opened is None:
        return 0
    if in_real_time(state) and not state.opened.cycle_rule.max_gap_ms:
        return limit_ms(state, "link_age", state.config.feed.link_age_ms_max)[0]
    return state.opened.cycle_rule.max_gap_ms


def _fold_full(
    data: bytes,
    run: Run,
    ts: int,
    seq: int,
    look: Lookup,
    quotes: list[Quote | None],
    accs: list[tuple[int, ...]],
    limits: Limits,
) -> tuple[int, int]:
    """Fold a run of full packets; gives the newest exchange stamp and the unknown tokens.

    Bars take every packet, by the three fields they need; a quote is made of an instrument's last
    packet alone. The hottest loop of all: it holds the body of ``bars.fold_tick``, on accumulators
    that it takes apart and puts together again, which costs less than to change a list of nine.
    """
    index_of, slot_of = look.index_of, look.slot_of
    unknown = 0
    last_at: dict[int, int] = {}
    at = run.start - _FULL_STRIDE
    for token, ltp, volume in unpack_trades(data, run):
        at += _FULL_STRIDE
        i = index_of.get(token, -1)
        if i < 0:
            unknown += 1
            continue
        last_at[i] = at
        place = slot_of[i]
        if place < 0 or ltp <= 0:
            continue
        first, high, low, close, ticks, highest, base, banked, gapped = accs[place]
        if not ticks:
            if close and abs(ltp - close) > NEAR_PAISE + (close >> NEAR_SHIFT):
                raise DoubtfulTick
            first = high = low = ltp
        elif ltp > high:
            if ltp - high > NEAR_PAISE + (high >> NEAR_SHIFT):
                raise DoubtfulTick
            high = ltp
        elif ltp < low:
            if low - ltp > NEAR_PAISE + (low >> NEAR_SHIFT):
                raise DoubtfulTick
            low = ltp
        if volume > highest:
            if highest < 0:  # the feed's first, or the first after a gap: see ``rebase``
                volume = base = max(volume, ~highest)
            highest = volume
        accs[place] = (first, high, low, ltp, ticks + 1, highest, base, banked, gapped)
    for i, at in last_at.items():
        quotes[i] = full_quote(data, at, ts, seq)
    return known_stamp(data, run, unknown, look, limits), unknown


def known_stamp(data: bytes, run: Run, unknown: int, look: Lookup, limits: Limits) -> int:
    """The newest exchange stamp of a run of full packets of which so many are of unknown tokens:
    what a stranger says of the time does not count. 0 where there is none. Raises ``DoubtfulTick``
    where one of them may lie."""
    if unknown == run.count:
        return 0
    if not unknown:
        oldest, newest = stamp_bounds(data, run)
    else:
        known = [one[5] for one in unpack_run(data, run) if one[0] in look.index_of]
        oldest, newest = min(known), max(known)
    ahead_s, before_s, back = limits
    if (
        not oldest
        or newest > ahead_s
        or oldest + back < (newest if newest > before_s else before_s)
    ):
        raise DoubtfulTick
    return newest


def full_quote(data: bytes, at: int, ts: int, seq: int) -> Quote:
    """The quote that the full packet with its length word at byte ``at`` of a frame makes."""
    _, ltp, last, volume, oi, stamp, bid_units, bid, ask_units, ask = unpack_full_at(data, at)
    return Quote(
        ltp, last, volume, oi, stamp, bid_units, bid, ask_units, ask, ts, seq,
        data[at + _DEPTH_AT : at + _FULL_STRIDE], 0,
    )  # fmt: skip


def fold_small(
    data: bytes,
    run: Run,
    ts: int,
    seq: int,
    look: Lookup,
    quotes: list[Quote | None],
    accs: list[tuple[int, ...]],
    limits: Limits,
) -> tuple[int, int]:
    """Packets without depth: what they lack stays as the last complete packet left it.

    So do the time and the frame of a book that was seen: a price alone makes no old book new.
    """
    newest, unknown = 0, 0
    ahead_s, _, back = limits
    quoted, stamped = run.size == QUOTE_SIZE, run.size == INDEX_FULL_SIZE
    for place_in_run, fields in enumerate(unpack_run(data, run)):
        token, ltp = fields[0], fields[1]
        i = look.index_of.get(token, -1)
        if i < 0:
            unknown += 1
            continue
        stamp = fields[2] if stamped else 0
        before = quotes[i] or first_quote(data, run, place_in_run, ts, seq)
        if stamped and (not stamp or stamp > ahead_s or stamp + back < before.stamp_s):
            raise DoubtfulTick
        last, volume = fields[2:4] if quoted else (before.last_units, before.volume_units)
        quotes[i] = replace(
            before,
            ltp_paise=ltp,
            last_units=last,
            volume_units=volume,
            stamp_s=stamp or before.stamp_s,
            seen_ns=before.seen_ns if before.depth else ts,
            seq=before.seq if before.depth else seq,
        )
        newest = stamp if stamp > newest else newest
        place = look.slot_of[i]
        if place >= 0 and ltp > 0:
            acc = list(accs[place])
            if far(acc, ltp, NEAR_BPS):
                raise DoubtfulTick
            if quoted:
                fold_tick(acc, ltp, volume)
            else:
                fold_price(acc, ltp)
            accs[place] = tuple(acc)
    return newest, unknown


def first_quote(data: bytes, run: Run, place: int, ts: int, seq: int) -> Quote:
    """The quote of an instrument before its first packet, which alone is asked for the day before's
    close: on the wire it may become the day's own once the market has closed."""
    close = index_close(data, run, place) if run.size in _WITH_CLOSE else 0
    return Quote(0, 0, 0, 0, 0, 0, 0, 0, 0, ts, seq, _NO_DEPTH, close)


def far(acc: Accumulator | tuple[int, ...], price_paise: int, bps: int) -> int:
    """Whether a price lies further than so many bps outside what its bar has seen, or of a bar's
    first outside the last close: 1 above, -1 below, else 0. The first of all lies nowhere."""
    close = acc[CLOSE]
    if not close:
        return 0
    high, low = (acc[HIGH], acc[LOW]) if acc[TICKS] else (close, close)
    if price_paise > high:
        return int(jumps(high, price_paise, bps))
    return -int(price_paise < low and jumps(low, price_paise, bps))


def jumps(from_paise: int, to_paise: int, bps: int) -> bool:
    """Whether two prices are further apart than a move of so many bps of the first."""
    return abs(to_paise - from_paise) > NEAR_PAISE + from_paise * bps // 10_000


LOSSES_WINDOW_NS: Final = 3_600_000 * MS
LOSSES_KEPT: Final = 64
"""More than any limit of losses an hour may be."""


def _refused(feed: FeedState, ts: int) -> FeedState:
    recent = tuple(at for at in feed.refused_ns if at > ts - REFUSED_WINDOW_NS)
    return replace(
        feed,
        refused_ns=(*recent, ts)[-REFUSED_KEPT:],
        refused=feed.refused + 1,
        frames=feed.frames + 1,
        last_frame_ns=ts,
    )


def seen(
    feed: FeedState, event: FeedFrame, ts: int, ticks: int, unknown: int, newest: int
) -> FeedState:
    """Counters and stamps after a good frame; a page's stamp is judged at its last frame."""
    newest = newest if newest > feed.newest_stamp_s else feed.newest_stamp_s
    page, repeats = feed.page_stamp_s, feed.page_repeats
    if event.snapshot_end:
        repeats = 0 if newest > page else repeats + 1
        page = newest
    return FeedState(
        feed.connected,
        feed.verified,
        feed.status,
        ts,
        newest,
        page,
        repeats,
        feed.refused_ns,
        feed.losses_ns,
        feed.frames + 1,
        feed.ticks + ticks,
        feed.refused,
        feed.unknown_tokens + unknown,
        feed.gap_ms,
        feed.connections,
    )


def apply_feed_status(state: State, event: FeedStatus, ts: int) -> State:
    """A connection came up, was verified, or was lost; the feed is what all of them are."""
    before = next((one for one in state.feed.connections if one.number == event.connection), None)
    up = event.status == CONNECTED
    since_ns = (before.lost_ns if before is not None else 0) or ts
    one = Connection(
        event.connection, up, up and event.subscription_verified, 0 if up else since_ns
    )
    rest = (other for other in state.feed.connections if other.number != event.connection)
    connections = tuple(sorted((*rest, one), key=lambda other: other.number))
    feed = replace(
        state.feed,
        connected=all(other.up for other in connections),
        verified=all(other.verified for other in connections),
        connections=connections,
        losses_ns=_losses(state.feed, before, event.status, ts),
    )
    state = replace(state, feed=feed)
    if not up or before is None or before.up or not to_broker(state):
        return state
    return replace(state, desk=replace(state.desk, reconnected_ns=ts))


def _losses(feed: FeedState, before: Connection | None, status: str, ts: int) -> tuple[int, ...]:
    """When connections were lost in the last hour, with one that is lost now."""
    if status != LOST or before is None or not before.up:
        return feed.losses_ns
    recent = tuple(at for at in feed.losses_ns if at > ts - LOSSES_WINDOW_NS)
    return (*recent, ts)[-LOSSES_KEPT:]


def losses_recent(state: State) -> int:
    """How many connections were lost in the last hour."""
    since_ns = state.now - LOSSES_WINDOW_NS
    return sum(1 for at in state.feed.losses_ns if at > since_ns)


def all_lost(feed: FeedState, ts: int) -> FeedState:
    """The feed of an engine that died: each connection that was up is lost since ``ts``."""
    connections = tuple(
        Connection(one.number, False, False, one.lost_ns or ts) for one in feed.connections
    )
    return replace(feed, connected=False, verified=False, connections=connections)


def unseen_ns(state: State, contract: int) -> int:
    """How long a contract may have moved unseen: since the last frame of all, or since a connection
    was lost that may be the contract's. Which instruments a connection carries is in no fact; it
    is not this one's where its book came since, and else it may be any."""
    quote = state.quotes[contract]
    came_ns = quote.seen_ns if quote is not None and quote.depth else 0
    unseen = state.now - state.feed.last_frame_ns
    for one in state.feed.connections:
        if not one.up and came_ns <= one.lost_ns:
            unseen = max(unseen, state.now - one.lost_ns)
    return unseen


def unheard_ns(state: State) -> int:
    """How long order updates may not have been heard: they come over the first connection."""
    first = next((one for one in state.feed.connections if one.number == FIRST), None)
    lost = state.now - first.lost_ns if first is not None and not first.up else 0
    return max(state.now - state.feed.last_frame_ns, lost)


def mark_feed_gap(state: State) -> State:
    """Tell every bar slot that the feed is lost; warm-up after it starts anew."""
    return _marked(state, mark_gap)


def mark_feed_return(state: State) -> State:
    """Tell every bar slot that the feed is back; what its first frame brought has been folded."""
    return _marked(state, mark_return)


def _marked(state: State, mark: Callable[[Accumulator], None]) -> State:
    accs = []
    for frozen in state.accs:
        acc = list(frozen)
        mark(acc)
        accs.append(tuple(acc))
    markets = tuple(replace(one, bars_since_gap=0) for one in state.markets)
    return replace(state, accs=tuple(accs), markets=markets)


# --- bars --------------------------------------------------------------------------------------


def roll_bars(state: State, ts: int, seq: int) -> State:
    """Close every minute that ended at or before ``ts``; called before anything else of fact
    ``seq``, which then has these bars to say.

    What came before the session's open is no bar: a price of the pre-open is not one of continuous
    trading, no warm-up, and nothing that the first price of the day is held against. So it is with
    an index while its shares are in their closing auction.
    """
    if ts < state.bar_end_ns:
        return state
    start = state.bar_end_ns - MINUTE_NS
    window = state.rules.cash if state.rules is not None else None
    early = window is not None and start < window.open_ns
    auction = window is not None and window.in_auction(start)
    end = ts - ts % MINUTE_NS + MINUTE_NS
    five_ended = ts - ts % FIVE_NS > start - start % FIVE_NS
    bar_ns = state.opened.market.bar_ms * 1_000_000 if state.opened else MINUTE_NS
    slots: list[BarSlot] = []
    accs: list[tuple[int, ...]] = []
    minutes: list[Bar | None] = []
    for slot, frozen in zip(state.slots, state.accs, strict=True):
        minute, after = close_bar(frozen, start, MINUTE_NS)
        none = early or (auction and state.instruments[slot.instrument].kind == "INDEX")
        accs.append((0, 0, 0, 0, *after[TICKS:]) if none else after)
        minute = None if none else minute
        minutes.append(minute)
        slots.append(rolled(slot, minute, five_ended, start - start % FIVE_NS, bar_ns))
    return replace(
        state,
        slots=tuple(slots),
        accs=tuple(accs),
        history=_kept(state, minutes),
        bar_end_ns=end,
        rolled_seq=seq,
    )


def _kept(state: State, minutes: list[Bar | None]) -> HistoryState:
    """The day's minutes, where candles may yet come between them."""
    if not in_real_time(state) or not any(minutes):
        return state.history
    slots = tuple(
        slot if minute is None else replace(slot, minutes=(*slot.minutes, minute))
        for slot, minute in zip(state.history.slots, minutes, strict=True)
    )
    return replace(state.history, slots=slots)


def rolled(
    slot: BarSlot, minute: Bar | None, five_ended: bool, five_start: int, bar_ns: int
) -> BarSlot:
    """The slot after one minute, None where there was no tick in it. ``five_ended``: it was the
    last of the five that begin at ``five_start``."""
    five, closed = (slot.five, ()) if minute is None else ((*slot.five, minute), (minute,))
    if five_ended and five:
        closed = (*closed, merge(five, five_start, FIVE_NS))
        five = ()
    indicators, volatility, done = slot.indicators, slot.volatility, slot.bars_done
    for bar in closed:
        if bar.length_ns == bar_ns:
            indicators = step_bar(indicators, bar)
            volatility = step_volatility(volatility, bar.close_paise)
            done += 1
    return BarSlot(slot.instrument, five, closed, indicators, volatility, done)

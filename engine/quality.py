"""Ticks that are not taken at their word: judged one by one, held until a second witness confirms.

Lives here: the fold of a frame in which something has to be judged, packet by packet, and what
time makes of a doubt. May import: events, engine. Always holds: pure; a frame in which nothing
turns out to be wrong is folded here as ``engine.feed`` folds it, to the bit; a tick that is held
moves neither bar nor quote, and so neither stop nor target; the second tick that lies beyond the
bound on the same side is taken at once, so that no crash is kept from an exit for more than one.

What is judged:

* a stamp of zero, or too far ahead of the session clock: the price is taken, its time is not, so
  that such ticks alone make no price young (``TICK_NO_TIME``, ``FEED_FUTURE_STAMP``);
* a stamp further back than is allowed of the same instrument: the tick is dropped, unless that time
  goes on for as long (``TICK_REORDERED``);
* a jump of an index, a future or INDIA VIX from what its bar has seen, and of the bid of a contract
  that is held or worked (of a sold leg its ask) from its last (``TICK_IMPLAUSIBLE``): a second tick
  confirms it, or the future the index and the index the future; a contract's stands if nothing
  contradicts it for a while, for a book that does not change sends nothing.

Start reading at ``apply_feed_frame``.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from engine.bars import fold_price, fold_tick
from engine.doubt import KEPT, Doubt, Judgement, Quality
from engine.feed import (
    MS,
    REFUSED_WINDOW_NS,
    DoubtfulTick,
    after_silence,
    checked_walk,
    far,
    first_quote,
    fold_frame,
    full_quote,
    jumps,
    seen,
    side_jumps,
    stamp_limits,
    watched,
)
from engine.layout import BAR_KINDS
from engine.lookup import Lookup
from engine.state import NO_INDEX, Quote, State
from events.base import Event
from events.feed import FeedFrame
from events.market import TicksJudged
from events.wire.kite import FULL_SIZE, INDEX_FULL_SIZE, QUOTE_SIZE, Run, unpack_run

IMPLAUSIBLE: Final = "TICK_IMPLAUSIBLE"
REORDERED: Final = "TICK_REORDERED"
NO_TIME: Final = "TICK_NO_TIME"
AHEAD: Final = "FEED_FUTURE_STAMP"

HELD: Final = "HELD"
CONFIRMED: Final = "CONFIRMED"
REFUTED: Final = "REFUTED"
STOOD: Final = "STOOD"
UNTIMED: Final = "UNTIMED"
DROPPED: Final = "DROPPED"

AHEAD_NS: Final = 10_000 * MS
"""So long after its last one a stamp too far ahead is what the feed's time is judged by."""

_STRIDE: Final = FULL_SIZE + 2


def apply_feed_frame(state: State, event: FeedFrame, ts: int, seq: int, look: Lookup) -> State:
    """Quotes, bars, feed counters and doubts after one frame."""
    try:
        return fold_frame(state, event, ts, seq, look)
    except DoubtfulTick:
        return _Judge(state, event, ts, seq, look).frame()


def ahead_stamp_s(state: State) -> int:
    """The last stamp too far ahead of the clock while it is what is judged, else 0."""
    quality = state.quality
    recent = quality.ahead_ns and state.now - quality.ahead_ns < AHEAD_NS
    return quality.ahead_stamp_s if recent else 0


def recent_of(times: tuple[int, ...], now: int) -> int:
    """How many of some times lie within the last minute."""
    return sum(1 for at in times if at > now - REFUSED_WINDOW_NS)


def doubted(state: State, u: int) -> bool:
    """Whether a jump of an underlying's index or future waits for its second witness."""
    umap = state.underlyings[u]
    return any(
        one.reason == IMPLAUSIBLE and one.instrument in (umap.index, umap.future)
        for one in state.quality.doubts
    )


def let_stand(state: State, ts: int) -> State:
    """Jumps of contracts that nothing has contradicted for long enough, while frames came, stand.
    A contract that nobody holds any more is in no doubt."""
    limit_ns = state.config.quote.doubt_ms_max * MS
    kept, quotes = list[Doubt](), list(state.quotes)
    quality, held = state.quality, dict(watched(state))
    for doubt in quality.doubts:
        contract = state.instruments[doubt.instrument].kind not in BAR_KINDS
        over = contract and ts - doubt.since_ns >= limit_ns
        heard = state.feed.last_frame_ns - doubt.since_ns >= limit_ns // 2
        if contract and doubt.reason == IMPLAUSIBLE and doubt.instrument not in held:
            continue
        if not (over and heard and doubt.reason == IMPLAUSIBLE):
            kept.append(doubt)
            continue
        quotes[doubt.instrument] = full_quote(doubt.packet, 0, doubt.since_ns, doubt.seq)
        quality = _noted(quality, _of(doubt, STOOD))
    if len(kept) == len(quality.doubts):
        return state
    return replace(state, quotes=tuple(quotes), quality=replace(quality, doubts=tuple(kept)))


def said(quality: Quality) -> Quality:
    """After the judgements were journaled."""
    return replace(quality, judgements=(), unsaid=0)


def judged(state: State) -> list[Event]:
    """What was judged and not yet said, if anything."""
    quality = state.quality
    if not quality.unsaid:
        return []
    rows = quality.judgements
    event = TicksJudged(
        quality.unsaid,
        tuple(one.instrument for one in rows),
        tuple(one.reason for one in rows),
        tuple(one.outcome for one in rows),
        tuple(one.price_paise for one in rows),
        tuple(one.accepted_paise for one in rows),
        tuple(one.stamp_s for one in rows),
        tuple(one.seq for one in rows),
    )
    return [event]


def _of(doubt: Doubt, outcome: str) -> Judgement:
    return Judgement(
        doubt.instrument, doubt.reason, outcome, doubt.price_paise, doubt.accepted_paise,
        doubt.stamp_s, doubt.seq,
    )  # fmt: skip


def _noted(quality: Quality, one: Judgement) -> Quality:
    judgements = (*quality.judgements, one)[:KEPT]
    return replace(quality, judgements=judgements, unsaid=quality.unsaid + 1)


class _Judge:
    """One frame, packet by packet. It lives for one call of ``apply_feed_frame``."""

    def __init__(self, state: State, event: FeedFrame, ts: int, seq: int, look: Lookup) -> None:
        self._state = after_silence(state, ts)
        self._event, self._ts, self._seq, self._look = event, ts, seq, look
        self._quotes, self._accs = list(self._state.quotes), list(self._state.accs)
        self._quality = self._state.quality
        self._doubts = {one.instrument: one for one in self._quality.doubts}
        self._sold_of = dict(reversed(watched(state)))
        self._ahead_s, _, self._back = stamp_limits(self._state, ts)
        self._newest = 0

    def frame(self) -> State:
        """The state after the frame."""
        packets = checked_walk(self._event)
        unknown = packets.skipped
        for run in packets.runs:
            unknown += self._full(run) if run.size == FULL_SIZE else self._small(run)
        state, doubts = self._state, tuple(self._doubts[i] for i in sorted(self._doubts))
        feed = seen(state.feed, self._event, self._ts, packets.packets, unknown, self._newest)
        return replace(
            state,
            quotes=tuple(self._quotes),
            accs=tuple(self._accs),
            feed=feed,
            quality=replace(self._quality, doubts=doubts),
        )

    def _full(self, run: Run) -> int:
        """Full packets; gives how many are of unknown tokens."""
        data, unknown = self._event.data, 0
        at = run.start - _STRIDE
        for token, ltp, _, volume, _, stamp, _, bid, _, ask in unpack_run(data, run):
            at += _STRIDE
            i = self._look.index_of.get(token, -1)
            if i < 0:
                unknown += 1
                continue
            before = self._quotes[i]
            timed = self._timed(i, stamp, ltp)
            packet = data[at : at + _STRIDE]
            if self._goes_back(i, stamp, ltp, before) or self._jumps(
                i, ltp, (bid, ask), stamp, packet
            ):
                continue
            self._fold(i, ltp, volume)
            quote = full_quote(data, at, self._ts, self._seq)
            self._quotes[i] = quote if timed else _untimed(quote, before)
        return unknown

    def _small(self, run: Run) -> int:
        """Packets without depth, as ``feed.fold_small`` has them; gives the unknown tokens."""
        data, unknown = self._event.data, 0
        quoted, stamped = run.size == QUOTE_SIZE, run.size == INDEX_FULL_SIZE
        for place, fields in enumerate(unpack_run(data, run)):
            ltp = fields[1]
            i = self._look.index_of.get(fields[0], -1)
            if i < 0:
                unknown += 1
                continue
            known = self._quotes[i]
            before = known or first_quote(data, run, place, self._ts, self._seq)
            stamp = fields[2] if stamped else before.stamp_s
            timed = self._timed(i, stamp, ltp) if stamped else True
            at = run.start + place * (run.size + 2)
            packet = data[at : at + run.size + 2]
            back = stamped and self._goes_back(i, stamp, ltp, known)
            if back or self._jumps(i, ltp, (0, 0), stamp, packet):
                continue
            last, volume = fields[2:4] if quoted else (before.last_units, before.volume_units)
            self._fold(i, ltp, volume if quoted else None)
            quote = replace(
                before,
                ltp_paise=ltp,
                last_units=last,
                volume_units=volume,
                stamp_s=stamp,
                seen_ns=before.seen_ns if before.depth else self._ts,
                seq=before.seq if before.depth else self._seq,
            )
            self._quotes[i] = quote if timed else _untimed(quote, known)
        return unknown

    def _fold(self, i: int, ltp: int, volume: int | None) -> None:
        place = self._look.slot_of[i]
        if place < 0 or ltp <= 0:
            return
        acc = list(self._accs[place])
        if volume is None:
            fold_price(acc, ltp)
        else:
            fold_tick(acc, ltp, volume)
        self._accs[place] = tuple(acc)

    def _timed(self, i: int, stamp: int, ltp: int) -> bool:
        """Whether a tick's stamp may be believed; the newest that may is kept."""
        if 0 < stamp <= self._ahead_s:
            self._newest = stamp if stamp > self._newest else self._newest
            return True
        reason = AHEAD if stamp else NO_TIME
        if stamp:
            self._quality = replace(self._quality, ahead_stamp_s=stamp, ahead_ns=self._ts)
        elif self._look.slot_of[i] >= 0:
            self._quality = replace(
                self._quality, timeless_ns=self._with_now(self._quality.timeless_ns)
            )
        self._note(i, reason, UNTIMED, ltp, stamp)
        return False

    def _with_now(self, times: tuple[int, ...]) -> tuple[int, ...]:
        recent = tuple(at for at in times if at > self._ts - REFUSED_WINDOW_NS)
        return (*recent, self._ts)[-KEPT:]

    def _note(self, i: int, reason: str, outcome: str, price: int, stamp: int) -> None:
        quote = self._quotes[i]
        accepted = quote.ltp_paise if quote is not None else 0
        one = Judgement(i, reason, outcome, price, accepted, stamp, self._seq)
        self._quality = _noted(self._quality, one)

    def _goes_back(self, i: int, stamp: int, ltp: int, before: Quote | None) -> bool:
        """Whether the tick is of a time that is over. A time that goes on is the new one."""
        known = before.stamp_s if before is not None else 0
        doubt = self._doubts.get(i)
        doubt = doubt if doubt is not None and doubt.reason == REORDERED else None
        if not 0 < stamp < known - self._back:
            if doubt is not None and stamp:
                self._settle(doubt, REFUTED)
            return False
        over_ns = self._ts - doubt.since_ns if doubt is not None else 0
        goes_on = doubt is not None and stamp >= doubt.stamp_s
        if doubt is not None and goes_on and over_ns >= self._back * 1000 * MS:
            self._settle(doubt, CONFIRMED)
            return False
        self._note(i, REORDERED, DROPPED, ltp, stamp)
        if self._look.slot_of[i] >= 0:
            times = self._with_now(self._quality.reordered_ns)
            self._quality = replace(self._quality, reordered_ns=times)
        since = doubt.since_ns if doubt is not None and goes_on else self._ts
        accepted = before.ltp_paise if before is not None else 0
        self._doubts[i] = Doubt(i, REORDERED, ltp, accepted, stamp, since, self._seq, b"")
        return True

    def _side(self, i: int, book: tuple[int, int]) -> tuple[int, int]:
        """The price of a contract that counts, before and in this tick: its ask where it was sold,
        else its bid; 0 where there is none."""
        known, sold = self._quotes[i], self._sold_of[i]
        old = (known.bid_paise, known.ask_paise) if known is not None else (0, 0)
        return old[sold], book[sold]

    def _jumps(self, i: int, ltp: int, book: tuple[int, int], stamp: int, packet: bytes) -> bool:
        """Whether the tick has to wait for a second one."""
        place = self._look.slot_of[i]
        bars = place >= 0
        if bars:
            price, accepted = ltp, self._accs[place][3]
            side = far(self._accs[place], ltp, self._bound_bps(i)) if ltp > 0 else 0
        elif i in self._sold_of and len(packet) == _STRIDE:
            accepted, price = self._side(i, book)
            side = side_jumps(accepted, price, self._state.config.quote.jump_contract_bps_max)
        else:
            return False
        doubt = self._doubts.get(i)
        doubt = doubt if doubt is not None and doubt.reason == IMPLAUSIBLE else None
        if not side:
            if doubt is not None and price > 0:
                self._settle(doubt, REFUTED)
            return False
        if doubt is not None and packet == doubt.packet:
            return True
        if doubt is not None and (doubt.price_paise > doubt.accepted_paise) == (side > 0):
            self._settle(doubt, CONFIRMED)
            return False
        if bars and self._counterpart_confirms(i, ltp):
            self._note(i, IMPLAUSIBLE, CONFIRMED, ltp, stamp)
            return False
        now = self._ts, self._seq
        self._doubts[i] = Doubt(i, IMPLAUSIBLE, price, accepted, stamp, *now, packet)
        self._quality = _noted(self._quality, _of(self._doubts[i], HELD))
        return True

    def _settle(self, doubt: Doubt, outcome: str) -> None:
        del self._doubts[doubt.instrument]
        self._quality = _noted(self._quality, _of(doubt, outcome))

    def _bound_bps(self, i: int) -> int:
        config, kind = self._state.config.quote, self._state.instruments[i].kind
        if kind == "INDEX":
            return config.jump_index_bps_max
        return config.jump_vix_bps_max if kind == "VIX" else config.jump_future_bps_max

    def _counterpart_confirms(self, i: int, ltp: int) -> bool:
        """Whether the future of an index, or the index of a future, is where this tick is: at its
        price, or at the one that waits itself."""
        u = self._look.underlying_of.get(i, -1)
        if u < 0:
            return False
        umap = self._state.underlyings[u]
        other = umap.future if i == umap.index else umap.index
        if other in (NO_INDEX, i):
            return False
        waits, quote = self._doubts.get(other), self._quotes[other]
        price = quote.ltp_paise if quote is not None else 0
        if waits is not None and waits.reason == IMPLAUSIBLE:
            price = waits.price_paise
        return price > 0 and not jumps(price, ltp, self._state.config.quote.jump_index_bps_max)


def _untimed(quote: Quote, before: Quote | None) -> Quote:
    """A tick whose time is not believed: its price counts, and makes nothing young."""
    if before is None:
        return replace(quote, stamp_s=0, seen_ns=0)
    return replace(quote, stamp_s=before.stamp_s, seen_ns=before.seen_ns)

"""One underlying at one cycle, looked at once: what gates and strategies are given.

Lives here: the immutable view and how it is taken. May import: events, engine. Always holds: taken
at the start of the underlying's cycle from the state as it then is; ages are against the session
clock.
"""

from __future__ import annotations

import hashlib

import msgspec

from engine.chain import contract_age_ns, rate_of, span
from engine.exact import exp, floor
from engine.history import warmed
from engine.indicators import IndicatorState
from engine.options import year_fraction
from engine.quality import ahead_stamp_s
from engine.rulebook import SessionWindow
from engine.state import (
    NO_INDEX,
    BarSlot,
    ExpiryState,
    Quote,
    State,
    UnderlyingMap,
    UnderlyingState,
)
from events.market import ExpiryView, SnapshotTaken

MS: int = 1_000_000


class Price(msgspec.Struct, frozen=True, gc=False):
    """Where the underlying is, in paise of today, by INDEX, FUTURE or PARITY, and how old."""

    paise: int
    source: str
    age_ms: int


class View(msgspec.Struct, frozen=True, gc=False):
    """The underlying as the gates see it. Prices in paise, times in ns UTC, ages in ms.

    ``reference`` is its price: the index's print, but in the closing ``auction`` of its shares, in
    which an index is not continuous, the future's or the parity forward's. ``witness`` is another.
    """

    state: State
    u: int
    umap: UnderlyingMap
    market: UnderlyingState
    window: SessionWindow | None
    slot: BarSlot | None
    spot: Quote | None
    future: Quote | None
    vix: Quote | None
    line_paise: float | None
    line_is_twap: bool
    near: ExpiryState | None
    auction: bool
    reference: Price | None
    witness_paise: int | None
    witness_source: str | None
    near_fresh: int
    near_spread_bps: int | None
    near_age_ms: int | None
    warmed: tuple[str, ...]

    @property
    def indicators(self) -> IndicatorState | None:
        return self.slot.indicators if self.slot is not None else None

    @property
    def estimated(self) -> tuple[str, ...]:
        """The mark of an index that is only an estimate."""
        return ("ESTIMATED_INDEX",) if self.umap.estimated else ()


def age_ms(state: State, then_ns: int) -> int:
    """Milliseconds since a session time, rounded down."""
    return (state.now - then_ns) // MS


def take_view(state: State, u: int, slot_of: list[int]) -> View:
    """The view of one underlying now."""
    umap, market = state.underlyings[u], state.markets[u]
    spot = state.quotes[umap.index]
    future = state.quotes[umap.future] if umap.future != NO_INDEX else None
    vix = state.quotes[state.vix] if state.vix != NO_INDEX else None
    place = slot_of[umap.index]
    slot = state.slots[place] if place >= 0 else None
    line, is_twap = _line(state, umap, slot, slot_of)
    near = market.expiries[0] if market.expiries else None
    window = window_of(state, umap)
    auction = window is not None and window.in_auction(state.now)
    reference, witness = _prices(state, umap, auction, spot, future, near)
    fresh, spread, oldest_ms = _near_quotes(state, umap, near)
    return View(
        state, u, umap, market, window, slot, spot, future, vix, line, is_twap, near,
        auction, reference, witness.paise if witness is not None else None,
        witness.source if witness is not None else None, fresh, spread, oldest_ms,
        warmed(state, place),
    )  # fmt: skip


def window_of(state: State, umap: UnderlyingMap) -> SessionWindow | None:
    """The derivatives session of the underlying's venue."""
    if state.rules is None:
        return None
    return state.rules.fno_bse if umap.exchange in ("BFO", "BSE") else state.rules.fno_nse


def _line(
    state: State, umap: UnderlyingMap, slot: BarSlot | None, slot_of: list[int]
) -> tuple[float | None, bool]:
    """The day's average price: VWAP of the future shifted to the index, else the index's TWAP.

    An index has no volume. The future's VWAP is moved by the two last prices' difference, so that
    it can be compared with the index.
    """
    if umap.future != NO_INDEX and slot_of[umap.future] >= 0:
        theirs = state.slots[slot_of[umap.future]].indicators
        ours = slot.indicators if slot is not None else None
        vwap = theirs.vwap_paise if theirs is not None else None
        if vwap is not None and theirs is not None and ours is not None:
            return vwap + (ours.close_paise - theirs.close_paise), False
    indicators = slot.indicators if slot is not None else None
    return (indicators.twap_paise if indicators is not None else None), True


def _prices(
    state: State,
    umap: UnderlyingMap,
    auction: bool,
    spot: Quote | None,
    future: Quote | None,
    near: ExpiryState | None,
) -> tuple[Price | None, Price | None]:
    """(the reference, its witness): in the auction two of future and parity, else the index and the
    first of those. The future is discounted to today, and so is the forward."""
    by_future = _of_future(state, umap, future)
    if auction:
        parity = _of_parity(near)
        return (by_future, parity) if by_future is not None else (parity, None)
    index = None
    if spot is not None:
        index = Price(spot.ltp_paise, "INDEX", age_ms(state, spot.seen_ns))
    return index, by_future if by_future is not None else _of_parity(near)


def _of_future(state: State, umap: UnderlyingMap, future: Quote | None) -> Price | None:
    oldest = state.now - contract_age_ns(state)
    fresh = future is not None and future.two_sided and future.is_fresh(oldest)
    if future is None or not fresh or umap.future_close_ns <= 0:
        return None
    t = year_fraction(state.now, umap.future_close_ns)
    mid = (future.bid_paise + future.ask_paise) * 0.5
    paise = floor(mid * exp(-rate_of(state) * t) + 0.5)
    return Price(paise, "FUTURE", age_ms(state, future.seen_ns))


def _of_parity(near: ExpiryState | None) -> Price | None:
    """The parity forward is of this very tick, of quotes that are fresh."""
    if near is None or near.forward_paise is None or near.source != "PARITY":
        return None
    return Price(floor(near.forward_paise * near.df + 0.5), "PARITY", 0)


def _near_quotes(
    state: State, umap: UnderlyingMap, near: ExpiryState | None
) -> tuple[int, int | None, int | None]:
    """(fresh two-sided contracts near the money, their median spread in bps of the mid, the age of
    the oldest of them in ms)."""
    if near is None or near.atm_place < 0 or near.forward_paise is None:
        return 0, None, None
    emap = umap.expiries[near.place]
    oldest = state.now - contract_age_ns(state)
    spreads: list[int] = []
    first = state.now
    for place in span(emap, near.atm_place, state.config.quote.near_strikes):
        for i in (emap.calls[place], emap.puts[place]):
            quote = state.quotes[i] if i >= 0 else None
            if quote is not None and quote.two_sided and quote.is_fresh(oldest):
                spreads.append(spread_bps(quote))
                first = quote.seen_ns if quote.seen_ns < first else first
    if not spreads:
        return 0, None, None
    spreads.sort()
    return len(spreads), spreads[len(spreads) // 2], age_ms(state, first)


def spread_bps(quote: Quote) -> int:
    """Spread of a two-sided quote in basis points of its mid, rounded up: a limit is a limit."""
    return -((quote.bid_paise - quote.ask_paise) * 20_000 // (quote.bid_paise + quote.ask_paise))


def snapshot_of(view: View) -> SnapshotTaken:
    """The journaled snapshot of a view."""
    state, ind, ref = view.state, view.indicators, view.reference
    return SnapshotTaken(
        cycle=state.cycle,
        underlying=view.umap.name,
        spot_paise=view.spot.ltp_paise if view.spot is not None else None,
        spot_source="ESTIMATED" if view.umap.estimated else "EXCHANGE",
        spot_age_ms=_age(state, view.spot),
        future_paise=view.future.ltp_paise if view.future is not None else None,
        future_age_ms=_age(state, view.future),
        vix_paise=view.vix.ltp_paise if view.vix is not None else None,
        link_age_ms=age_ms(state, state.feed.last_frame_ns) if state.feed.frames else None,
        page_age_ms=stamp_age_ms(state),
        bars_done=view.slot.bars_done if view.slot is not None else 0,
        ema_fast_paise=ind.ema_fast_paise if ind is not None else None,
        ema_slow_paise=ind.ema_slow_paise if ind is not None else None,
        rsi=ind.rsi if ind is not None else None,
        atr_paise=ind.atr_paise if ind is not None else None,
        adx=ind.adx if ind is not None else None,
        vwap_paise=view.line_paise,
        vwap_is_twap=view.line_is_twap,
        vix_age_ms=_age(state, view.vix),
        reference_paise=ref.paise if ref is not None else None,
        reference_source=ref.source if ref is not None else None,
        reference_age_ms=ref.age_ms if ref is not None else None,
        witness_paise=view.witness_paise,
        witness_source=view.witness_source,
        near_age_ms=view.near_age_ms,
        expiries=tuple(_expiry_view(view, one) for one in view.market.expiries),
        whole_hash=whole_hash(view),
    )


def _age(state: State, quote: Quote | None) -> int | None:
    return age_ms(state, quote.seen_ns) if quote is not None else None


def stamp_age_ms(state: State) -> int | None:
    """Age of the exchange's newest stamp; None before the first; negative if it lies ahead. One
    that cannot be is judged for a while and then forgotten: it hides no age after that."""
    newest_s = ahead_stamp_s(state) or state.feed.newest_stamp_s
    return state.now // MS - newest_s * 1000 if newest_s else None


def _expiry_view(view: View, one: ExpiryState) -> ExpiryView:
    strikes = view.umap.expiries[one.place].strikes_paise
    return ExpiryView(
        one.expiry,
        one.forward_paise,
        one.source,
        one.pairs,
        strikes[one.atm_place] if one.atm_place >= 0 and strikes else None,
        one.atm_iv,
        one.skew_25d,
        one.pcr_oi_milli,
        one.quoted,
    )


def whole_hash(view: View) -> str:
    """SHA-256 (hex) of all quotes of the viewed expiries, the index, the future and the market."""
    state = view.state
    known, quotes = state.quotes, [view.spot, view.future, view.vix]
    for one in view.market.expiries:
        emap = view.umap.expiries[one.place]
        quotes += [known[i] for i in emap.calls if i >= 0]
        quotes += [known[i] for i in emap.puts if i >= 0]
    return hashlib.sha256(msgspec.msgpack.encode((quotes, view.slot, view.market))).hexdigest()

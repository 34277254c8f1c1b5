"""Features derived: once an underlying and declared bar, at the first cycle after it.

Lives here: when they are due, what they are made of, what is kept of them. May import: events,
engine. Always holds: made at a tick, when a market of pages has given its page whole and the chain
is of now; a function of the state alone.
Start reading at ``features_due``.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from engine.chain import contract_age_ns, span
from engine.features.cross import PeerView, alignment, peer_of
from engine.features.imbalance import imbalance
from engine.features.interest import interest_row, open_interest, with_row
from engine.features.momentum import change_over, momentum
from engine.features.session import higher_trend, open_gap, opening_range
from engine.features.tape import InterestRow, step_volatility_day
from engine.features.volatility import atm_bps, implied, realised
from engine.features.vwap import future_vwap
from engine.lookup import Lookup
from engine.state import NO_INDEX, ExpiryMap, State
from events.features import FeaturesDerived, FutureVwap, Imbalance, OpenInterest

TRADING_MS_PER_YEAR: Final = 252 * 375 * 60_000
NO_PLACES: Final = range(0)
ALIGNED_OVER: Final = 5
Lines = tuple[str, ...]


def features_due(state: State, look: Lookup) -> list[FeaturesDerived]:
    """The features of each underlying of whose index a declared bar has ended since the last."""
    cash = state.rules.cash if state.rules is not None else None
    if cash is None:
        return []
    due = []
    for u, (market, tape) in enumerate(zip(state.markets, state.tapes, strict=True)):
        before = market.features
        if tape.declared_ts and (before is None or before.bar_start_ts < tape.declared_ts):
            due.append(derive(state, u, look, cash.open_ns))
    return due


def derive(state: State, u: int, look: Lookup, open_ns: int) -> FeaturesDerived:
    """The features of an underlying now; its index has had a declared bar."""
    umap, market, tape = state.underlyings[u], state.markets[u], state.tapes[u]
    assert state.opened is not None, "a bar belongs to a session"
    slot, since = state.slots[look.slot_of[umap.index]], market.bars_since_gap
    index = state.quotes[umap.index]
    told = index.close_paise if index is not None else 0
    day = step_volatility_day(tape.volatility, tape.declared_ts, atm_bps(market.expiries))
    a_year = float(TRADING_MS_PER_YEAR // state.opened.market.bar_ms)
    pace, pace_lines = momentum(tape.minutes)
    opening, opening_lines = opening_range(tape, open_ns)
    trend, trend_lines = higher_trend(tape.trend, gapped=since < slot.bars_done)
    gap, gap_lines = open_gap(tape.opening, open_ns, told or tape.previous_close_paise)
    real, real_lines = realised(slot.volatility, a_year, slot.bars_done, since)
    vwap, vwap_lines = _vwap(state, u, look, open_ns)
    interest, interest_lines = _interest(state, u)
    vols, vols_lines = implied(market.expiries, day, tape.closes_bps)
    books, books_lines = _imbalance(state, u)
    indices, vix = _peers(state, u)
    joint = alignment(change_over(tape.minutes, _end(state, u), ALIGNED_OVER), indices)
    lines = (
        *pace_lines, *opening_lines, *trend_lines, *gap_lines, *real_lines, *vwap_lines,
        *interest_lines, *vols_lines, *books_lines,
        *((f"alignment_milli {joint.reason}",) if joint.reason is not None else ()),
        *(line for one in (*indices, *vix) for line in one.unknown),
    )  # fmt: skip
    return FeaturesDerived(
        umap.name,
        tape.declared_ts,
        slot.bars_done,
        pace,
        opening,
        trend,
        gap,
        real,
        vwap,
        interest,
        vols,
        books,
        joint.number,
        tuple(one.peer for one in (*indices, *vix)),
        lines,
    )


def keep_features(state: State, u: int, event: FeaturesDerived) -> State:
    """The state that knows the features; the tape keeps what later ones are compared with."""
    markets, tapes = list(state.markets), list(state.tapes)
    tape = tapes[u]
    markets[u] = replace(markets[u], features=event)
    tapes[u] = replace(
        tape,
        volatility=step_volatility_day(tape.volatility, event.bar_start_ts, event.implied.atm_bps),
        interest=with_row(tape.interest, row_of_now(state, u)),
    )
    return replace(state, markets=tuple(markets), tapes=tuple(tapes))


def row_of_now(state: State, u: int) -> InterestRow:
    """The open interest of an underlying as its quotes stand: what ``interest.contract_build``
    compares with the tape's rows."""
    tape = state.tapes[u]
    index_paise = tape.minutes[-1].close_paise if tape.minutes else 0
    future = state.underlyings[u].future
    return interest_row(tape.declared_ts, index_paise, _near(state, u)[0], future, state.quotes)


def _end(state: State, u: int) -> int:
    """When the index's last closed minute began; 0 before the first."""
    minutes = state.tapes[u].minutes
    return minutes[-1].start_ts if minutes else 0


def _near(state: State, u: int) -> tuple[ExpiryMap | None, int]:
    """The near expiry and the place of the money in it, -1 where that is not known."""
    expiries = state.markets[u].expiries
    if not expiries:
        return None, -1
    return state.underlyings[u].expiries[expiries[0].place], expiries[0].atm_place


def _vwap(state: State, u: int, look: Lookup, open_ns: int) -> tuple[FutureVwap, Lines]:
    tape, future = state.tapes[u], state.underlyings[u].future
    place = look.slot_of[future] if future != NO_INDEX else -1
    indicators = state.slots[place].indicators if place >= 0 else None
    end = _end(state, u)
    return future_vwap(tape.future, tape.lost, indicators, end, open_ns, offered=place >= 0)


def _interest(state: State, u: int) -> tuple[OpenInterest, Lines]:
    emap, atm = _near(state, u)
    near = NO_PLACES
    if emap is not None and atm >= 0:
        near = span(emap, atm, state.config.contract.window_strikes)
    has_future = state.underlyings[u].future != NO_INDEX
    now, rows = row_of_now(state, u), state.tapes[u].interest
    return open_interest(now, rows, emap, near, state.quotes, has_future=has_future)


def _imbalance(state: State, u: int) -> tuple[Imbalance, Lines]:
    emap, atm = _near(state, u)
    near = NO_PLACES
    if emap is not None and atm >= 0:
        near = span(emap, atm, state.config.quote.near_strikes)
    deep = state.opened is not None and "depth_beyond_1" not in state.opened.market.lacks
    oldest, future = state.now - contract_age_ns(state), state.underlyings[u].future
    return imbalance(state.quotes, future, emap, near, oldest, deep=deep)


def _peers(state: State, u: int) -> tuple[tuple[PeerView, ...], tuple[PeerView, ...]]:
    """The other indices, and INDIA VIX where the market has it."""
    ours = state.tapes[u].minutes
    indices = tuple(
        peer_of(state.underlyings[n].name, ours, tape.minutes)
        for n, tape in enumerate(state.tapes)
        if n != u
    )
    if state.vix == NO_INDEX:
        return indices, ()
    name = state.instruments[state.vix].tradingsymbol
    return indices, (peer_of(name, ours, state.vix_minutes),)

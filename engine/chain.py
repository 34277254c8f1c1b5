"""The option chain of an underlying at a cycle: forward, volatility, skew, ratios.

Lives here: what a timer tick refreshes for each underlying. May import: events, engine. Always
holds: the forward comes from put-call parity over fresh two-sided quotes, else from the future of
the same expiry if it printed as lately, else it is None; never from the index. Volatilities start
from the last root of the same contract, so that a quiet contract costs one Newton step.
Start reading at ``refresh``.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from engine.exact import exp, floor
from engine.options import (
    CALL,
    PUT,
    OptionInputError,
    Pricer,
    parity_forward,
    pricer_for,
    year_fraction,
)
from engine.policy import limit_ms
from engine.state import NO_INDEX, ExpiryMap, ExpiryState, Quote, State, UnderlyingMap

EXPIRIES_VIEWED: Final = 2
"""The nearest expiries that are looked at; further ones are quoted but not traded here."""

PARITY_SPAN: Final = 5
"""Strikes each side of the last known money that are offered to the parity forward."""

FULL_SPAN_ON_FIRST: Final = 400
RATE_SCALE: Final = 10_000.0
QUARTER_DELTA: Final = 0.6744897501960817
"""Standard deviations at which the normal distribution leaves a quarter."""


def refresh(state: State, u: int, vols: list[float]) -> tuple[ExpiryState, ...]:
    """The viewed expiries of an underlying now; ``vols`` takes the new roots (0.0 is none)."""
    umap, market = state.underlyings[u], state.markets[u]
    before = {one.expiry: one for one in market.expiries}
    day = state.opened.day if state.opened else 0
    allowed = state.config.contract.expiry_day_allowed
    places = [
        place
        for place, one in enumerate(umap.expiries)
        if one.expiry > day or (one.expiry == day and allowed)
    ][:EXPIRIES_VIEWED]
    return tuple(
        _refresh_expiry(state, umap, place, before.get(umap.expiries[place].expiry), vols)
        for place in places
    )


def expiry_now(state: State, u: int, place: int) -> ExpiryState:
    """An expiry of an underlying now, by its place; what the cycle has found of it is not used."""
    umap = state.underlyings[u]
    return _refresh_expiry(state, umap, place, None, list(state.vols))


def rate_of(state: State) -> float:
    """The discount rate of the day, continuous per year; 0.0 where the rulebook has none."""
    bps = state.rules.discount_rate_bps if state.rules else None
    return bps / RATE_SCALE if bps is not None else 0.0


def _refresh_expiry(
    state: State, umap: UnderlyingMap, place: int, before: ExpiryState | None, vols: list[float]
) -> ExpiryState:
    emap = umap.expiries[place]
    t_years = year_fraction(state.now, emap.close_ns)
    df = exp(-rate_of(state) * t_years)
    middle = _middle(state, umap, emap, before)
    forward, source, pairs = _forward(state, umap, emap, middle, df)
    view = ExpiryState(
        emap.expiry, place, t_years, df, forward, source, pairs, middle, None, None, None, 0
    )
    if forward is None or t_years <= 0.0:
        return view
    atm = nearest_place(emap.strikes_paise, forward)
    pricer = pricer_for(forward, t_years, df, tick_of(state, emap, atm))
    atm_iv = _atm_iv(state, emap, atm, pricer, vols)
    return replace(
        view,
        atm_place=atm,
        atm_iv=atm_iv,
        skew_25d=_skew(state, emap, pricer, atm_iv, vols),
        pcr_oi_milli=_put_call_ratio(state, emap, atm),
        quoted=_quoted(state, emap, atm),
    )


def _middle(state: State, umap: UnderlyingMap, emap: ExpiryMap, before: ExpiryState | None) -> int:
    """Where in the strikes the money was last seen: last forward, else the index or the future."""
    if before is not None and before.forward_paise is not None:
        return nearest_place(emap.strikes_paise, before.forward_paise)
    for i in (umap.future, umap.index):
        quote = state.quotes[i] if i != NO_INDEX else None
        if quote is not None and quote.ltp_paise > 0:
            return nearest_place(emap.strikes_paise, quote.ltp_paise)
    return -1


def nearest_place(strikes: tuple[int, ...], price_paise: int) -> int:
    """Place of the strike nearest to a price, the lower one of two equally near."""
    low, high = 0, len(strikes) - 1
    while low < high:
        middle = (low + high) // 2
        if strikes[middle] < price_paise:
            low = middle + 1
        else:
            high = middle
    if low > 0 and price_paise - strikes[low - 1] <= strikes[low] - price_paise:
        return low - 1
    return low


def span(emap: ExpiryMap, middle: int, each_side: int) -> range:
    """Places of the strikes around the money; all of them while the money is not known."""
    if middle < 0:
        return range(min(len(emap.strikes_paise), FULL_SPAN_ON_FIRST))
    return range(max(0, middle - each_side), min(len(emap.strikes_paise), middle + each_side + 1))


def _forward(
    state: State, umap: UnderlyingMap, emap: ExpiryMap, middle: int, df: float
) -> tuple[int | None, str | None, int]:
    """(forward in paise, its source, how many strikes had both legs)."""
    oldest = state.now - contract_age_ns(state)
    quotes = state.quotes
    legs: list[tuple[int, int, int, int, int]] = []
    for place in span(emap, middle, PARITY_SPAN):
        call = _fresh(quotes, emap.calls[place], oldest)
        put = _fresh(quotes, emap.puts[place], oldest)
        if call is not None and put is not None:
            legs.append(
                (
                    emap.strikes_paise[place],
                    call.bid_paise,
                    call.ask_paise,
                    put.bid_paise,
                    put.ask_paise,
                )
            )
    forward = parity_forward(tuple(legs), df)
    if forward is not None and forward > 0:
        return forward, "PARITY", len(legs)
    future = state.quotes[umap.future] if umap.future != NO_INDEX else None
    if (
        future is not None
        and future.is_fresh(oldest)
        and future.ltp_paise > 0
        and state.instruments[umap.future].expiry == emap.expiry
    ):
        return future.ltp_paise, "FUTURE", len(legs)
    return None, None, len(legs)


def contract_age_ns(state: State) -> int:
    """How old a contract's quote may be here; a market of pages has a wider ceiling."""
    return limit_ms(state, "contract_age", state.config.quote.contract_age_ms_max)[0] * 1_000_000


def _fresh(quotes: tuple[Quote | None, ...], i: int, oldest_ns: int) -> Quote | None:
    if i < 0:
        return None
    quote = quotes[i]
    if quote is not None and quote.is_fresh(oldest_ns) and quote.two_sided:
        return quote
    return None


def iv_of(
    pricer: Pricer, emap: ExpiryMap, place: int, right: str, quote: Quote, vols: list[float], i: int
) -> float | None:
    """Implied volatility of a contract's mid, from its last root; the new root goes to ``vols``."""
    mid = (quote.bid_paise + quote.ask_paise) * 0.5
    start = vols[i] or None
    try:
        found = pricer.implied_vol(
            mid,
            float(emap.strikes_paise[place]),
            right,
            start,
            pricer.log_forward - emap.log_strikes[place],
        )
    except OptionInputError:
        # A strike of zero or an unknown right in the dump: no volatility, and the gate says so.
        return None
    vols[i] = found.vol or 0.0
    return found.vol


def _atm_iv(
    state: State, emap: ExpiryMap, atm: int, pricer: Pricer, vols: list[float]
) -> float | None:
    """Mean of the two legs' volatilities at the money, or of the one that has a value."""
    found: list[float] = []
    for right, legs in ((CALL, emap.calls), (PUT, emap.puts)):
        i = legs[atm]
        quote = state.quotes[i] if i >= 0 else None
        if quote is not None and quote.two_sided:
            vol = iv_of(pricer, emap, atm, right, quote, vols, i)
            if vol is not None:
                found.append(vol)
    if not found:
        return None
    return found[0] if len(found) == 1 else (found[0] + found[1]) * 0.5


def tick_of(state: State, emap: ExpiryMap, place: int) -> int:
    """Price step in paise of the contracts at a strike."""
    i = emap.calls[place] if emap.calls[place] >= 0 else emap.puts[place]
    return state.instruments[i].tick_paise


def _skew(
    state: State, emap: ExpiryMap, pricer: Pricer, atm_iv: float | None, vols: list[float]
) -> float | None:
    """Volatility of the put less that of the call, each nearest to a delta of a quarter.

    The strikes are those at 0.6745 standard deviations, by the at-the-money volatility.
    """
    if atm_iv is None:
        return None
    away = exp(QUARTER_DELTA * atm_iv * pricer.sqrt_t)
    found: list[float] = []
    for right, legs, level in (
        (PUT, emap.puts, pricer.forward_paise / away),
        (CALL, emap.calls, pricer.forward_paise * away),
    ):
        place = nearest_place(emap.strikes_paise, floor(level + 0.5))
        quote = state.quotes[legs[place]] if legs[place] >= 0 else None
        if quote is None or not quote.two_sided:
            return None
        vol = iv_of(pricer, emap, place, right, quote, vols, legs[place])
        if vol is None:
            return None
        found.append(vol)
    return found[0] - found[1]


def _put_call_ratio(state: State, emap: ExpiryMap, atm: int) -> int | None:
    """Open interest of puts over calls near the money, per mille; None without calls."""
    calls = puts = 0
    quotes, call_legs, put_legs = state.quotes, emap.calls, emap.puts
    for place in span(emap, atm, state.config.contract.window_strikes):
        call = quotes[call_legs[place]] if call_legs[place] >= 0 else None
        put = quotes[put_legs[place]] if put_legs[place] >= 0 else None
        calls += call.oi_units if call is not None else 0
        puts += put.oi_units if put is not None else 0
    return puts * 1000 // calls if calls > 0 else None


def _quoted(state: State, emap: ExpiryMap, atm: int) -> int:
    """Fresh two-sided contracts within the near strikes."""
    oldest = state.now - contract_age_ns(state)
    quoted = 0
    for place in span(emap, atm, state.config.quote.near_strikes):
        for legs in (emap.calls, emap.puts):
            if _fresh(state.quotes, legs[place], oldest) is not None:
                quoted += 1
    return quoted

"""The chain at a cycle: where the forward comes from, and what happens where it cannot."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.chain import contract_age_ns, nearest_place, rate_of, refresh, span
from engine.options import year_fraction
from engine.state import NO_INDEX, ExpiryMap, ExpiryState, Quote, State
from tests.engine.build import at_trade, quote_of, with_config, with_quote

OPTIONS = range(2, 26)
FUTURE = 1


def _near(state: State) -> ExpiryState:
    (one,) = refresh(state, 0, list(state.vols))
    return one


def _every_option(state: State, **changes: int) -> State:
    quotes = list(state.quotes)
    for i in OPTIONS:
        quotes[i] = replace(quote_of(state, i), **changes)
    return replace(state, quotes=tuple(quotes))


def _without_expiry_view(state: State) -> State:
    """The state as before its first cycle: nothing known of where the money is."""
    return replace(state, markets=(replace(state.markets[0], expiries=()),))


def test_the_forward_is_that_of_the_parity_it_was_made_from() -> None:
    """The chain was priced from a forward: parity finds it again to a tick and two."""
    state = at_trade().state
    near = _near(state)
    future = quote_of(state, FUTURE)
    assert near.source == "PARITY"
    assert near.pairs >= 5
    assert near.forward_paise is not None
    assert abs(near.forward_paise - future.ltp_paise) <= 10
    assert near.atm_iv == pytest.approx(0.14, abs=0.005)
    assert near.df == pytest.approx(1 - 0.0525 * near.t_years, abs=1e-6)
    assert near.t_years == year_fraction(state.now, state.underlyings[0].expiries[0].close_ns)


def test_a_first_look_finds_the_money_from_any_print() -> None:
    """Without an earlier look the money is sought around the future, else the index, else
    everywhere: the forward is the same."""
    state = _without_expiry_view(at_trade().state)
    known = _near(at_trade().state).forward_paise
    assert _near(state).forward_paise == known
    assert _near(with_quote(state, FUTURE, None)).forward_paise == known
    blind = with_quote(with_quote(state, FUTURE, None), 0, None)
    assert _near(blind).forward_paise == known


def test_without_parity_a_fresh_future_of_the_expiry_stands_in() -> None:
    """No two-sided options: the future of the same expiry gives the forward, and says so."""
    state = _every_option(at_trade().state, bid_paise=0)
    near = _near(state)
    assert (near.forward_paise, near.source) == (quote_of(state, FUTURE).ltp_paise, "FUTURE")
    assert near.atm_iv is None


@pytest.mark.parametrize(
    "change",
    [{"seen_ns": 0}, {"ltp_paise": 0}, {"ltp_paise": -5}],
    ids=["stale", "no price", "a price that cannot be"],
)
def test_no_future_that_cannot_be_trusted_stands_in(change: dict[str, int]) -> None:
    """A future that is old or has no price gives no forward: it is UNKNOWN, never the index."""
    state = _every_option(at_trade().state, bid_paise=0)
    state = with_quote(state, FUTURE, replace(quote_of(state, FUTURE), **change))
    near = _near(state)
    assert (near.forward_paise, near.source, near.atm_iv) == (None, None, None)
    assert near.quoted == 0


def test_a_future_of_another_expiry_does_not_stand_in() -> None:
    """Only the future that ends with the options has their forward."""
    state = _every_option(at_trade().state, bid_paise=0)
    rows = list(state.instruments)
    rows[FUTURE] = replace(rows[FUTURE], expiry=20261229)
    assert _near(replace(state, instruments=tuple(rows))).forward_paise is None


def test_stale_options_give_no_parity() -> None:
    """Quotes older than their ceiling are no quotes, one ns younger they are."""
    state = at_trade().state
    oldest = state.now - contract_age_ns(state)
    assert _near(_every_option(state, seen_ns=oldest)).source == "PARITY"
    stale = _every_option(state, seen_ns=oldest - 1)
    assert _near(stale).source == "FUTURE"
    assert _near(with_quote(stale, FUTURE, None)).forward_paise is None


def test_a_crossed_book_is_no_quote() -> None:
    """Where the bid stands above the ask nobody can trade: such a leg takes no part."""
    state = _every_option(at_trade().state, bid_paise=99_999)
    assert _near(state).source == "FUTURE"


def test_an_expiry_without_an_end_has_no_volatility() -> None:
    """Without a close of the expiry in the rulebook there is neither time nor volatility."""
    state = at_trade().state
    emap = replace(state.underlyings[0].expiries[0], close_ns=0)
    umap = replace(state.underlyings[0], expiries=(emap,))
    near = _near(replace(state, underlyings=(umap,)))
    assert (near.t_years, near.atm_iv, near.quoted) == (0.0, None, 0)


def test_today_s_expiry_is_looked_at_only_where_allowed() -> None:
    """The expiry that ends today is left out unless the setting allows it."""
    state = at_trade().state
    assert state.opened is not None
    today = replace(state.underlyings[0].expiries[0], expiry=state.opened.day)
    state = replace(state, underlyings=(replace(state.underlyings[0], expiries=(today,)),))
    assert refresh(state, 0, list(state.vols)) == ()
    allowed = with_config(state, contract={"expiry_day_allowed": True})
    assert len(refresh(allowed, 0, list(state.vols))) == 1


def test_a_warm_start_costs_nothing_in_the_result() -> None:
    """Volatilities from last cycle's roots agree with those from none to the solver's tolerance."""
    state = at_trade().state
    warm, cold = list(state.vols), [0.0] * len(state.vols)
    one, other = refresh(state, 0, warm)[0].atm_iv, refresh(state, 0, cold)[0].atm_iv
    assert one is not None
    assert one == pytest.approx(other, abs=1e-7)
    assert any(cold), "the new roots stand in the list that was given"


def test_the_rate_is_the_rulebooks() -> None:
    """The rate is the dated row's, per year; without a row it is zero (and says unsure)."""
    state = at_trade().state
    assert rate_of(state) == 0.0525
    assert state.rules is not None
    assert rate_of(replace(state, rules=replace(state.rules, discount_rate_bps=None))) == 0.0
    assert rate_of(replace(state, rules=None)) == 0.0


def test_a_missing_leg_is_no_quote_and_no_crash() -> None:
    """Strikes with one leg alone take no part in parity, wherever they stand."""
    state = at_trade().state
    emap = state.underlyings[0].expiries[0]
    emap = replace(emap, calls=(NO_INDEX,) * len(emap.calls))
    state = replace(state, underlyings=(replace(state.underlyings[0], expiries=(emap,)),))
    near = _near(state)
    assert (near.source, near.pairs) == ("FUTURE", 0)
    assert near.atm_iv == pytest.approx(0.14, abs=0.005), "the put alone gives the volatility"


@given(
    st.lists(st.integers(1, 10_000), min_size=1, unique=True).map(sorted), st.integers(0, 11_000)
)
def test_the_nearest_strike_is_the_nearest(strikes: list[int], price: int) -> None:
    """Bisection gives what looking at every strike gives, the lower one of two equally near."""
    want = min(range(len(strikes)), key=lambda place: (abs(strikes[place] - price), place))
    assert nearest_place(tuple(strikes), price) == want


@given(st.integers(1, 30), st.integers(-1, 29), st.integers(0, 40))
def test_a_span_stays_within_the_strikes(count: int, middle: int, each_side: int) -> None:
    """The span holds the places at most so far from the middle, and no others."""
    emap = ExpiryMap(0, 0, tuple(range(count)), (), (), ())
    middle = min(middle, count - 1)
    want = [p for p in range(count) if middle < 0 or abs(p - middle) <= each_side]
    assert list(span(emap, middle, each_side)) == want


def test_an_empty_chain_is_unknown() -> None:
    """Before any quote there is neither forward nor volatility nor ratio."""
    state = _without_expiry_view(at_trade().state)
    nothing: tuple[Quote | None, ...] = (None,) * len(state.quotes)
    near = _near(replace(state, quotes=nothing))
    assert (near.forward_paise, near.atm_iv, near.pcr_oi_milli) == (None, None, None)
    assert near.atm_place == -1

"""The book: greeks in rupees of a stated move, and a stress by full revaluation."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.books import ENTRY, PROTECT
from engine.chain import contract_age_ns
from engine.options import pricer_for
from engine.risk.portfolio import (
    CORNERS,
    FLAT,
    NOTHING_HELD,
    book_of,
    candidate,
    corners_milli,
    exposure_of,
    legs_of,
    premium_of_expiry,
    premium_of_underlying,
    valued,
    worst_loss_paise,
    worst_of_long_milli,
)
from engine.state import Position, State
from tests.engine.build import at_trade, quote_of, with_config, with_quote
from tests.engine.gates.cases import market, order_of, picked, with_order

F, LOT = 2_400_000, 65
STRIKES = st.integers(1_800_000, 3_000_000)
VOLS = st.floats(0.05, 1.5)
YEARS = st.floats(0.0005, 0.5)
RIGHTS = st.sampled_from(("CE", "PE"))


def held(state: State, contract: int, units: int = LOT, **changes: object) -> State:
    """The state with a position of a contract, bought at its ask."""
    ask = quote_of(state, contract).ask_paise
    one = Position(
        position_id=f"{contract:016x}", underlying=0, strategy_id="trend.v1", contract=contract,
        product="MIS",
        quantity_units=units, value_paise=ask * units, opened_ns=state.now, stop_paise=5,
        target_paise=ask * 2, trail_paise=0, best_bid_paise=ask, realised_paise=0, charges_paise=0,
        risk_paise=ask * units // 5, exit_reason="", tp1_paise=0, keep_units=units, tp1_hit=False,
    )  # fmt: skip
    return replace(state, positions=(*state.positions, replace(one, **changes)))


def _black(forward: float, strike: float, t: float, df: float, right: str, vol: float) -> float:
    """Black-76 by the textbook and the library's error function: another way to the same."""
    deviation = vol * math.sqrt(t)
    d1 = math.log(forward / strike) / deviation + deviation / 2
    d2 = d1 - deviation

    def cdf(x: float) -> float:
        return 0.5 * math.erfc(-x / math.sqrt(2))

    call = df * (forward * cdf(d1) - strike * cdf(d2))
    return call if right == "CE" else call - df * (forward - strike)


# --- stress ---------------------------------------------------------------------------------------


@given(STRIKES, RIGHTS, VOLS, YEARS, st.integers(5, 60_000))
@settings(max_examples=150)
def test_a_long_loses_its_premium_at_most(
    strike: int, right: str, vol: float, t: float, entry: int
) -> None:
    """In every corner, whatever the option and whatever was paid for it."""
    state = at_trade().state
    one = candidate(pricer_for(F, t, 0.99, 5), strike, right, vol, entry)
    corners = corners_milli(state, one, one.worth_paise)
    assert min(corners) >= -entry * 1_000
    assert worst_loss_paise(tuple(result * LOT // 1_000 for result in corners)) <= entry * LOT


@given(STRIKES, RIGHTS, VOLS, YEARS, st.integers(5, 60_000), st.integers(1, 2_000),
       st.integers(1, 8_999))  # fmt: skip
@settings(max_examples=150)
def test_the_one_corner_of_a_long_is_the_worst_of_all(
    strike: int, right: str, vol: float, t: float, entry: int, move: int, change: int
) -> None:
    """What is reckoned by one price where nothing is held is the full revaluation's least."""
    limits = {"stress_move_bps": move, "stress_vol_bps": change}
    state = with_config(at_trade().state, risk=limits)
    one = candidate(pricer_for(F, t, 0.99, 5), strike, right, vol, entry)
    assert worst_of_long_milli(state, one, float(entry)) == min(corners_milli(state, one, entry))


@given(STRIKES, RIGHTS, VOLS, YEARS)
@settings(max_examples=100)
def test_every_corner_is_black_76_anew(strike: int, right: str, vol: float, t: float) -> None:
    """±2 % of the forward and ±30 % of the volatility, against the textbook's formula."""
    state = at_trade().state
    one = candidate(pricer_for(F, t, 0.99, 5), strike, right, vol, 0)
    found = corners_milli(state, one, 0.0)
    for (up, wilder), result in zip(CORNERS, found, strict=True):
        moved = F * (1 + 0.02 * up)
        want = _black(moved, strike, t, 0.99, right, vol * (1 + 0.3 * wilder))
        assert result / 1_000 == pytest.approx(want, abs=0.02)


def test_the_corners_of_a_book_are_the_sum_of_its_legs() -> None:
    """A call and a put of the same strike: each corner is what the two give there; the worst is
    where nothing moves and volatility falls, and less than both premiums."""
    state = at_trade().state
    call = picked(state).contract
    emap = state.underlyings[0].expiries[0]
    place = emap.calls.index(call) if call in emap.calls else emap.puts.index(call)
    call, put = emap.calls[place], emap.puts[place]
    one, other = book_of(held(state, call)), book_of(held(state, put))
    both = book_of(held(held(state, call), put))
    assert one.corners is not None and other.corners is not None and both.corners is not None
    assert both.corners == tuple(a + b for a, b in zip(one.corners, other.corners, strict=True))
    premiums = sum(quote_of(state, i).ask_paise * LOT for i in (call, put))
    assert 0 < worst_loss_paise(both.corners) < premiums
    assert CORNERS[both.corners.index(min(both.corners))] == (0, -1)
    assert worst_loss_paise((5, 1, 2, 3)) == 0


# --- greeks ---------------------------------------------------------------------------------------


@given(st.integers(2_300_000, 2_500_000), RIGHTS, st.floats(0.08, 0.6), st.floats(0.01, 0.3))
@settings(max_examples=100)
def test_greeks_are_rupees_of_the_stated_move(
    strike: int, right: str, vol: float, t: float
) -> None:
    """Delta is what a move of 1 % does, gamma what it does to that delta, vega a volatility point,
    theta a day: against differences of prices. A put's delta is negative: the old bot took puts for
    calls."""
    df = 0.99

    def price(move: float = 0.0, point: float = 0.0, day: float = 0.0) -> float:
        return _black(F * (1 + move), strike, t - day, df, right, vol + point) * LOT

    pricer = pricer_for(F, t, df, 5)
    found = exposure_of(float(F), pricer.greeks(float(strike), right, vol), LOT)
    step = 0.0001
    slope = (price(step) - price(-step)) / (2 * step) * 0.01
    curve = (price(step) - 2 * price() + price(-step)) / step**2 * 0.01**2
    assert found.delta_paise == pytest.approx(slope, rel=2e-3, abs=20)
    assert found.gamma_paise == pytest.approx(curve, rel=2e-2, abs=100)
    point = (price(point=0.0005) - price(point=-0.0005)) * 10
    assert found.vega_paise == pytest.approx(point, rel=1e-3, abs=2)
    assert found.delta_paise >= 0 if right == "CE" else found.delta_paise <= 0
    assert found.gamma_paise >= 0 <= found.vega_paise


def test_an_at_the_money_lot_of_nifty_has_the_rupees_that_a_trader_expects() -> None:
    """24,000, 12 %, five days: some 7,800 rupees a percent, 4,400 a percent squared, 730 a point,
    880 a day: within the limits of every profile at 100,000, of which the old bot's allocator gave
    none."""
    t = 5 / 365
    pricer = pricer_for(F, t, 1.0, 5)
    lot = exposure_of(float(F), pricer.greeks(float(F), "CE", 0.12), LOT)
    assert 7_700_00 < lot.delta_paise < 8_000_00
    assert 4_200_00 < lot.gamma_paise < 4_600_00
    assert 700_00 < lot.vega_paise < 760_00
    assert -920_00 < lot.theta_paise < -840_00


def test_of_nothing_held_nothing_is_reckoned() -> None:
    """No position and no order: the same book each time, flat, with results of nothing."""
    assert book_of(at_trade().state) is NOTHING_HELD
    assert (NOTHING_HELD.net, set(NOTHING_HELD.corners or ())) == (FLAT, {0})


def test_what_enters_counts_as_held_and_what_leaves_still_does() -> None:
    """The rest of a working entry is a leg at its limit; an exit's order takes nothing away."""
    state = held(at_trade().state, 4)
    entering = with_order(state, contract=6, quantity_units=195, filled_units=65, limit_paise=900)
    assert legs_of(entering)[-1].units == 130
    assert legs_of(entering)[-1].premium_paise == 130 * 900
    leaving = replace(
        state,
        orders=(order_of(state, role="EXIT", side="SELL", contract=4, quantity_units=65),
                order_of(state, role=PROTECT, side="SELL", contract=4)),
    )  # fmt: skip
    assert legs_of(leaving) == legs_of(state)
    assert book_of(leaving) == book_of(state)
    assert order_of(state).role == ENTRY


def test_premium_by_underlying_and_by_expiry() -> None:
    """Each sums the legs of its own."""
    state = held(held(at_trade().state, 4), 5)
    book = book_of(state)
    paid = sum(leg.premium_paise for leg in book.legs)
    expiry = state.instruments[4].expiry
    assert premium_of_underlying(state, book, "NIFTY") == paid > 0
    assert premium_of_underlying(state, book, "SENSEX") == 0
    assert premium_of_expiry(state, book, expiry) == paid
    assert premium_of_expiry(state, book, expiry + 1) == 0


# --- what is not known ----------------------------------------------------------------------------

UNKNOWN = {
    "no quote": lambda s: with_quote(s, 4, None),
    "an old quote": lambda s: with_quote(
        s, 4, replace(quote_of(s, 4), seen_ns=s.now - contract_age_ns(s) - 1)),
    "no forward": lambda s: market(
        s, expiries=(replace(s.markets[0].expiries[0], forward_paise=None),)),
    "no time left": lambda s: market(
        s, expiries=(replace(s.markets[0].expiries[0], t_years=0.0),)),
    "no volatility at all": lambda s: with_quote(
        market(s, expiries=(replace(s.markets[0].expiries[0], atm_iv=None),)), 4,
        replace(quote_of(s, 4), bid_paise=0)),
}  # fmt: skip


@pytest.mark.parametrize("name", UNKNOWN)
def test_without_quote_forward_or_volatility_there_is_no_figure(name: str) -> None:
    """A held contract of which one of them is not known: no greeks and no stress, whatever is known
    of the others."""
    state = UNKNOWN[name](held(held(at_trade().state, 4), 6))
    assert valued(state, 4) is None
    book = book_of(state)
    assert (book.net, book.corners) == (None, None)
    assert len(book.legs) == 2


def test_an_index_is_no_option() -> None:
    """Nothing that is not an option has a value here."""
    assert valued(at_trade().state, 0) is None
    assert valued(at_trade().state, 1) is None


def test_a_price_that_carries_no_volatility_has_the_money_s() -> None:
    """One-sided, it is worth its bid and has the volatility at the money; an expiry that the cycle
    does not look at is looked at for it."""
    state = at_trade().state
    plain = valued(state, 4)
    assert plain is not None
    bid = quote_of(state, 4).bid_paise
    one_sided = valued(with_quote(state, 4, replace(quote_of(state, 4), ask_paise=0)), 4)
    assert one_sided is not None
    assert (one_sided.worth_paise, one_sided.vol) == (bid, state.markets[0].expiries[0].atm_iv)
    unseen = valued(market(state, expiries=()), 4)
    assert unseen is not None
    assert unseen.pricer.forward_paise == plain.pricer.forward_paise
    assert unseen.vol == pytest.approx(plain.vol, abs=1e-6)

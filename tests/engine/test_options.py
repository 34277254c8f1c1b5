"""engine/options.py: Black-76 against vollib, implied volatility, its refusals, parity forward."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine import exact, options
from engine.options import CALL, PUT, ParityQuote, Pricer

FORWARD = 2_450_000
TICK = 5
RATE = 0.06
CHAIN_DAY = Path(__file__).parents[2] / "../shared/data/NIFTY_option_chain_2025-08-29.parquet"

RIGHTS = st.sampled_from([CALL, PUT])
STRIKES = st.integers(2_000_000, 3_000_000).map(float)
TIMES = st.floats(0.0005, 1.0)
VOLS = st.floats(0.05, 1.5)


def pricer(t_years: float = 7 / 365, tick_paise: int = TICK) -> Pricer:
    df = options.discount_factor(RATE, t_years)
    return options.pricer_for(FORWARD, t_years, df, tick_paise)


@settings(deadline=None)
@given(STRIKES, TIMES, VOLS, RIGHTS)
def test_price_and_greeks_against_vollib(
    strike: float, t_years: float, vol: float, right: str
) -> None:
    """Price, delta, gamma, theta a day and vega a point equal vollib's Black-76."""
    black = pytest.importorskip("vollib.black", reason="vollib is not installed here")
    analytical = pytest.importorskip("vollib.black.greeks.analytical")
    arguments = ("c" if right == CALL else "p", float(FORWARD), strike, t_years, RATE, vol)
    own = pricer(t_years).greeks(strike, right, vol)
    assert own.price_paise == pytest.approx(black.black(*arguments), rel=1e-9, abs=1e-7)
    assert own.delta == pytest.approx(analytical.delta(*arguments), rel=1e-9, abs=1e-12)
    assert own.gamma == pytest.approx(analytical.gamma(*arguments), rel=1e-9, abs=1e-18)
    assert own.theta_paise == pytest.approx(analytical.theta(*arguments), rel=1e-9, abs=1e-7)
    assert own.vega_paise == pytest.approx(analytical.vega(*arguments), rel=1e-9, abs=1e-9)


@settings(deadline=None)
@given(STRIKES, TIMES, VOLS, RIGHTS)
def test_greeks_are_the_derivatives_of_the_price(
    strike: float, t_years: float, vol: float, right: str
) -> None:
    """Central differences of price(), without a library: the units are those documented."""
    own = pricer(t_years).greeks(strike, right, vol)
    df, day = options.discount_factor(RATE, t_years), 1.0 / 365.0
    assume(t_years > 5.0 * day)

    def price(forward: int = FORWARD, t: float = t_years, v: float = vol) -> float:
        moved_df = options.discount_factor(RATE, t)
        return options.pricer_for(forward, t, moved_df, TICK).price(strike, right, v)

    up, down = price(forward=FORWARD + 100), price(forward=FORWARD - 100)
    assert price() == own.price_paise
    assert (up - down) / 200.0 == pytest.approx(own.delta, abs=1e-4)
    gamma = (up - 2.0 * own.price_paise + down) / 10_000.0
    assert gamma == pytest.approx(own.gamma, rel=1e-2, abs=1e-9)
    vega = (price(v=vol + 1e-4) - price(v=vol - 1e-4)) / 0.02
    assert vega == pytest.approx(own.vega_paise, rel=1e-3, abs=1e-4)
    theta = (price(t=t_years - day / 100) - price(t=t_years + day / 100)) * 50.0
    assert theta == pytest.approx(own.theta_paise, rel=1e-3, abs=1e-3)
    assert 0.0 <= abs(own.delta) <= df


@settings(deadline=None)
@given(STRIKES, TIMES, VOLS)
def test_put_call_parity(strike: float, t_years: float, vol: float) -> None:
    """C - P = df (F - K), and the deltas differ by df."""
    own = pricer(t_years)
    call, put = own.greeks(strike, CALL, vol), own.greeks(strike, PUT, vol)
    gap = own.df * (FORWARD - strike)
    assert call.price_paise - put.price_paise == pytest.approx(gap, abs=1e-7)
    assert call.delta - put.delta == pytest.approx(own.df, abs=1e-14)
    assert (call.gamma, call.vega_paise) == (put.gamma, put.vega_paise)


@settings(deadline=None)
@given(STRIKES, TIMES, st.floats(0.03, 6.0), RIGHTS, st.floats(0.001, 15.0))
def test_implied_vol_finds_the_volatility(
    strike: float, t_years: float, vol: float, right: str, start: float
) -> None:
    """Price to volatility and back, from a cold start and from any warm one; else a reason."""
    own = pricer(t_years)
    price = own.price(strike, right, vol)
    cold = own.implied_vol(price, strike, right)
    warm = own.implied_vol(price, strike, right, start=start)
    assert cold.reason == warm.reason
    if cold.vol is None:
        assert cold.reason in options.IV_REASONS
        greeks = own.greeks(strike, right, vol)
        time_value = price - own.df * own.intrinsic(strike, right)
        assert time_value < TICK * 1.01 or greeks.vega_paise < TICK * 1.01
    else:
        assert cold.vol == pytest.approx(vol, abs=2 * options.VOL_TOLERANCE)
        assert warm.vol == pytest.approx(vol, abs=2 * options.VOL_TOLERANCE)


@settings(deadline=None)
@given(STRIKES, st.floats(0.002, 0.2), st.floats(0.08, 0.8), RIGHTS)
def test_a_warm_start_takes_few_steps(
    strike: float, t_years: float, vol: float, right: str
) -> None:
    """A start within 1e-5 of the volatility takes one step, within a tenth of a point three."""
    own = pricer(t_years)
    price = own.price(strike, right, vol)
    near = own.implied_vol(price, strike, right, start=vol + 1e-5 * vol)
    assume(near.vol is not None)
    ratio = (own.log_forward - exact.log(strike)) / (vol * own.sqrt_t)
    assume(abs(ratio) < 3.0)
    assert near.iterations == 1
    assert own.implied_vol(price, strike, right, start=vol + 1e-3).iterations <= 3


@settings(deadline=None)
@given(STRIKES, TIMES, VOLS, st.floats(0.01, 4.0))
def test_the_solver_is_newton_step_repeated_and_delta_that_of_greeks(
    strike: float, t_years: float, vol: float, start: float
) -> None:
    """The step that the solver has written out gives the bits of ``newton_step``, wherever it
    starts; the delta that a screening asks for alone is that of ``greeks`` to the bit."""
    own = pricer(t_years)
    moneyness = own.log_forward - exact.log(strike)
    value = own.price(strike, CALL, vol) / own.df - own.intrinsic(strike, CALL)
    found = own.implied_vol(own.price(strike, CALL, vol), strike, CALL, start, moneyness)
    low, high, at = options.VOL_MIN, options.VOL_MAX, start
    for _ in range(found.iterations):
        after, error, vega = own.newton_step(value, strike, at, moneyness)
        low, high = (at, high) if after > at else (low, at)
        at = after if low < after < high else 0.5 * (low + high)
    if found.vol is not None:
        assert (found.vol, error < options.VOL_TOLERANCE) == (after, True)
        assert own.df * vega * options.VOL_POINT >= TICK
    for right in (CALL, PUT):
        assert own.delta(right, vol, moneyness) == own.greeks(strike, right, vol).delta


def test_newton_step_reports_a_long_step() -> None:
    """From the inflection point, where the second derivative vanishes, a step is not final."""
    own, strike = pricer(), 2_500_000.0
    moneyness = own.log_forward - exact.log(strike)
    inflection = exact.sqrt(2.0 * abs(moneyness)) / own.sqrt_t
    value = own.price(strike, CALL, 0.12) / own.df
    next_vol, error, vega = own.newton_step(value, strike, inflection, moneyness)
    assert vega > 0.0
    assert error >= abs(next_vol - 0.12)
    assert error > options.VOL_TOLERANCE


@pytest.mark.parametrize(
    ("price_paise", "strike_paise", "t_years", "tick_paise", "reason"),
    [
        (12_000.0, FORWARD, 0.0, 5, options.IV_EXPIRED),
        (0.0, FORWARD, 0.02, 5, options.IV_PRICE_NOT_POSITIVE),
        (49_000.0, FORWARD - 50_000, 0.02, 5, options.IV_PRICE_BELOW_INTRINSIC),
        (2_460_000.0, FORWARD, 0.02, 5, options.IV_PRICE_ABOVE_MAXIMUM),
        (4.5, FORWARD + 100_000, 0.02, 5, options.IV_TIME_VALUE_BELOW_TICK),
        (6.0, FORWARD + 200_000, 0.0005, 5, options.IV_VEGA_BELOW_TICK),
        (2_440_000.0, FORWARD, 0.0005, 5, options.IV_OUTSIDE_BRACKET),
    ],
)
def test_every_refusal_has_its_reason(
    price_paise: float, strike_paise: int, t_years: float, tick_paise: int, reason: str
) -> None:
    """Each reason of the table is given by its own input, through the one-option function."""
    df = options.discount_factor(RATE, t_years)
    answer = options.implied_vol(price_paise, FORWARD, strike_paise, t_years, df, CALL, tick_paise)
    assert (answer.vol, answer.reason) == (None, reason)


def test_every_reason_is_tested() -> None:
    """The table of refusals above and ``IV_REASONS`` hold the same reasons."""
    marks = test_every_refusal_has_its_reason.pytestmark  # type: ignore[attr-defined]
    assert {row[-1] for row in marks[0].args[1]} == set(options.IV_REASONS)


def test_intrinsic_at_the_end() -> None:
    """At the expiry a price is its discounted intrinsic value; greeks do not exist."""
    own = options.pricer_for(FORWARD, 0.0, 1.0, TICK)
    assert own.price(2_400_000.0, CALL, 0.2) == 50_000.0
    assert own.price(2_400_000.0, PUT, 0.2) == 0.0
    with pytest.raises(options.OptionInputError, match="no greeks"):
        own.greeks(2_400_000.0, CALL, 0.2)


@pytest.mark.parametrize(
    ("forward_paise", "t_years", "df"),
    [(0, 0.1, 1.0), (FORWARD, -0.1, 1.0), (FORWARD, float("nan"), 1.0), (FORWARD, 0.1, 0.0)],
)
def test_impossible_constants(forward_paise: int, t_years: float, df: float) -> None:
    """A forward, a time or a discount factor that cannot be is refused by name."""
    with pytest.raises(options.OptionInputError, match="must be"):
        options.pricer_for(forward_paise, t_years, df, TICK)


@pytest.mark.parametrize(("strike", "right"), [(0.0, CALL), (-5.0, PUT), (100.0, "C")])
def test_impossible_contracts(strike: float, right: str) -> None:
    """A strike that is not positive or an unknown right is refused by name."""
    with pytest.raises(options.OptionInputError, match="must be"):
        pricer().implied_vol(100.0, strike, right)


def test_year_fraction() -> None:
    """ACT/365 in one division: a day is 1/365, the past is 0."""
    day_ns = 86_400 * 1_000_000_000
    start = 1_756_439_100_000_000_000
    assert options.year_fraction(start, start + day_ns) == 1.0 / 365.0
    assert options.year_fraction(start, start + 365 * day_ns) == 1.0
    assert options.year_fraction(start + 1, start) == 0.0


def test_values_are_canonical() -> None:
    """Pricer, greeks and answers survive their own bytes; no rate is -0.0."""
    own = options.pricer_for(FORWARD, 0.02, 1.0, TICK)
    assert str(own.rate) == "0.0"
    for value in (own, own.greeks(2_400_000.0, CALL, 0.2), own.implied_vol(60_000.0, 2.4e6, CALL)):
        data = msgspec.msgpack.encode(value)
        assert msgspec.msgpack.decode(data, type=type(value)) == value


def two_sided(strike: int, forward: int, spread: int, time_value: int = 20_000) -> ParityQuote:
    call = max(forward - strike, 0) + time_value
    put = max(strike - forward, 0) + time_value
    return strike, call - spread, call + spread, put - spread, put + spread


@settings(deadline=None)
@given(st.integers(2_300_000, 2_600_000), st.integers(0, 300))
def test_parity_forward_is_exact_on_a_consistent_chain(forward: int, spread: int) -> None:
    """Quotes made from one forward give it back, whatever the spread."""
    quotes = tuple(two_sided(k, forward, spread) for k in range(2_300_000, 2_600_001, 5_000))
    assert options.parity_forward(quotes, 1.0) == forward


def test_parity_forward_survives_bad_quotes() -> None:
    """Three of seven near strikes off by far, all on one side, move the median by nothing."""
    quotes = [two_sided(k, FORWARD, 10) for k in range(2_435_000, 2_465_001, 5_000)]
    for index in (0, 3, 6):
        strike, call_bid, call_ask, put_bid, put_ask = quotes[index]
        quotes[index] = (strike, call_bid + 900, call_ask + 900, put_bid, put_ask)
    assert options.parity_forward(tuple(quotes), 1.0) == FORWARD


@pytest.mark.parametrize(
    "broken",
    [
        (2_450_000, 0, 20_010, 19_990, 20_010),
        (2_450_000, 19_990, 0, 19_990, 20_010),
        (2_450_000, 19_990, 20_010, 20_020, 20_010),
    ],
)
def test_parity_forward_needs_three_two_sided_strikes(broken: ParityQuote) -> None:
    """A leg without bid or ask, or crossed, does not count; with two strikes left there is none."""
    good = [two_sided(k, FORWARD, 10) for k in (2_440_000, 2_445_000, 2_455_000)]
    assert options.parity_forward((*good, broken), 1.0) == FORWARD
    assert options.parity_forward((*good[:2], broken), 1.0) is None


def test_parity_forward_of_the_recorded_day() -> None:
    """On the real chain the near forward stays in the range that its description names."""
    if not CHAIN_DAY.exists():
        pytest.skip("the recorded chain day is not beside the checkout (../shared/data)")
    polars = pytest.importorskip("polars", reason="polars is not installed here")
    frame = polars.read_parquet(CHAIN_DAY)
    frame = frame.filter(polars.col("expiry") == frame["expiry"].min())
    times = frame["ts_ist"].unique().sort()
    seen = []
    for time in times.gather_every(30):
        rows = frame.filter(polars.col("ts_ist") == time)
        legs: dict[int, dict[str, tuple[int, int]]] = {}
        for row in rows.iter_rows(named=True):
            legs.setdefault(row["strike"], {})[row["right"]] = (row["bid_paise"], row["ask_paise"])
        quotes = tuple(
            (strike * 100, *pair[CALL], *pair[PUT])
            for strike, pair in legs.items()
            if CALL in pair and PUT in pair
        )
        seen.append(options.parity_forward(quotes, 0.9995))
    assert len(seen) >= 10
    assert all(forward is not None and 2_443_000 <= forward <= 2_461_000 for forward in seen), seen

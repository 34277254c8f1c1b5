"""engine/indicators.py: against textbook loops, against TA-Lib after convergence, properties."""

from __future__ import annotations

import math
from functools import reduce
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.bars import MINUTE_NS, Bar
from engine.indicators import (
    IndicatorState,
    VolatilityState,
    start_session,
    start_volatility_session,
    step_bar,
    step_volatility,
)
from tests.engine.goldens_exact.make_bits import uniform

RELATIVE = 1e-12


def make_bar(index: int, prices: list[int], volume: int | None) -> Bar:
    return Bar(
        index * MINUTE_NS,
        MINUTE_NS,
        prices[0],
        max(prices),
        min(prices),
        prices[-1],
        volume,
        len(prices),
        False,
    )


def random_bars(count: int, seed: int) -> list[Bar]:
    numbers = uniform(seed)
    price, out = 2_450_000, []
    for index in range(count):
        path = [price]
        for _ in range(4):
            path.append(path[-1] + int((next(numbers) - 0.495) * 4_000))
        price = path[-1]
        out.append(make_bar(index, path, int(next(numbers) * 5_000)))
    return out


BARS = st.lists(
    st.tuples(
        st.lists(st.integers(1, 10_000), min_size=1, max_size=4),
        st.none() | st.integers(0, 100),
    ),
    min_size=1,
    max_size=40,
).map(lambda rows: [make_bar(i, prices, volume) for i, (prices, volume) in enumerate(rows)])


def run(bars: list[Bar]) -> IndicatorState:
    state = step_bar(None, bars[0])
    for bar in bars[1:]:
        state = step_bar(state, bar)
    return state


def average(values: list[float], alpha: float) -> float:
    """An exponential average in its other form, alpha * x + (1 - alpha) * y, first-value seed."""
    return reduce(lambda y, x: alpha * x + (1.0 - alpha) * y, values[1:], values[0])


def textbook(bars: list[Bar]) -> dict[str, float]:
    """Each indicator from whole series, as a book writes it; nothing shared with the reducers."""
    pairs = list(pairwise(bars))
    changes = [float(b.close_paise - a.close_paise) for a, b in pairs]
    ranges = [float(bars[0].high_paise - bars[0].low_paise)]
    ranges += [
        float(
            max(
                b.high_paise - b.low_paise,
                abs(b.high_paise - a.close_paise),
                abs(b.low_paise - a.close_paise),
            )
        )
        for a, b in pairs
    ]
    ups = [b.high_paise - a.high_paise for a, b in pairs]
    downs = [a.low_paise - b.low_paise for a, b in pairs]
    plus = [float(u) if u > d and u > 0 else 0.0 for u, d in zip(ups, downs, strict=True)]
    minus = [float(d) if d > u and d > 0 else 0.0 for u, d in zip(ups, downs, strict=True)]
    wilder = 1.0 / 14.0
    directions = []
    for n in range(1, len(pairs) + 1):
        p, m = average(plus[:n], wilder), average(minus[:n], wilder)
        directions.append(100.0 * abs(p - m) / (p + m) if p + m else 0.0)
    gain = average([max(c, 0.0) for c in changes], wilder)
    loss = average([max(-c, 0.0) for c in changes], wilder)
    closes = [float(b.close_paise) for b in bars]
    typical = [(b.high_paise + b.low_paise + b.close_paise) / 3.0 for b in bars]
    weights = [float(b.volume or 0) for b in bars]
    return {
        "ema_fast_paise": average(closes, 0.2),
        "ema_slow_paise": average(closes, 2.0 / 22.0),
        "rsi": 100.0 - 100.0 / (1.0 + gain / loss) if loss else 100.0,
        "atr_paise": average(ranges, wilder),
        "adx": average(directions, wilder),
        "plus_di": 100.0 * average(plus, wilder) / average(ranges, wilder),
        "minus_di": 100.0 * average(minus, wilder) / average(ranges, wilder),
        "vwap_paise": sum(t * w for t, w in zip(typical, weights, strict=True)) / sum(weights),
        "twap_paise": sum(typical) / len(typical),
    }


@pytest.mark.parametrize("count", [2, 3, 15, 120])
def test_against_the_textbook(count: int) -> None:
    """Every indicator equals the book's definition with first-value seeding."""
    bars = random_bars(count, seed=5)
    state = run(bars)
    for name, expected in textbook(bars).items():
        assert getattr(state, name) == pytest.approx(expected, rel=RELATIVE), name


def test_textbook_canary() -> None:
    """The comparison fails for a series that differs by one paisa in one bar."""
    bars = random_bars(30, seed=5)
    moved = msgspec.structs.replace(bars[3], close_paise=bars[3].close_paise + 1)
    state = run([*bars[:3], moved, *bars[4:]])
    expected = textbook(bars)
    assert any(
        getattr(state, name) != pytest.approx(expected[name], rel=RELATIVE) for name in expected
    )


def test_against_talipp_after_convergence() -> None:
    """With the different seeds forgotten (600 bars), talipp gives the same numbers."""
    indicators = pytest.importorskip("talipp.indicators", reason="talipp is not installed here")
    ohlcv = pytest.importorskip("talipp.ohlcv").OHLCV
    bars = random_bars(600, seed=11)
    state = run(bars)
    rows = [ohlcv(b.open_paise, b.high_paise, b.low_paise, b.close_paise, b.volume) for b in bars]
    closes = [float(bar.close_paise) for bar in bars]
    adx = indicators.ADX(14, 14, rows)[-1]
    oracle = {
        "ema_fast_paise": indicators.EMA(9, closes)[-1],
        "ema_slow_paise": indicators.EMA(21, closes)[-1],
        "rsi": indicators.RSI(14, closes)[-1],
        "atr_paise": indicators.ATR(14, rows)[-1],
        "adx": adx.adx,
        "plus_di": adx.plus_di,
        "minus_di": adx.minus_di,
        "vwap_paise": indicators.VWAP(rows)[-1],
    }
    for name, expected in oracle.items():
        assert getattr(state, name) == pytest.approx(expected, rel=1e-9), name


def test_against_talib_after_convergence() -> None:
    """With the different seeds forgotten (1,500 bars), TA-Lib gives the same numbers."""
    talib = pytest.importorskip("talib", reason="TA-Lib is not installed here")
    numpy = pytest.importorskip("numpy", reason="numpy is not installed here")
    bars = random_bars(1_500, seed=11)
    state = run(bars)
    high, low, close = (
        numpy.array([getattr(bar, name) for bar in bars], dtype=float)
        for name in ("high_paise", "low_paise", "close_paise")
    )
    oracle = {
        "ema_fast_paise": talib.EMA(close, 9),
        "ema_slow_paise": talib.EMA(close, 21),
        "rsi": talib.RSI(close, 14),
        "atr_paise": talib.ATR(high, low, close, 14),
        "adx": talib.ADX(high, low, close, 14),
        "plus_di": talib.PLUS_DI(high, low, close, 14),
        "minus_di": talib.MINUS_DI(high, low, close, 14),
    }
    for name, series in oracle.items():
        assert getattr(state, name) == pytest.approx(float(series[-1]), rel=1e-10), name


@settings(deadline=None)
@given(BARS)
def test_ranges(bars: list[Bar]) -> None:
    """RSI and ADX stay in [0, 100], averages inside what was seen, everything finite."""
    state = run(bars)
    highest, lowest = max(b.high_paise for b in bars), min(b.low_paise for b in bars)
    slack = 1e-9 * highest
    for name in ("ema_fast_paise", "ema_slow_paise", "vwap_paise", "twap_paise"):
        value = getattr(state, name)
        assert value is None or lowest - slack <= value <= highest + slack, name
    for name in ("rsi", "adx"):
        value = getattr(state, name)
        assert value is None or 0.0 <= value <= 100.0 + 1e-9, name
    assert 0.0 <= state.atr_paise <= highest - lowest + slack
    assert all(math.isfinite(value) for value in msgspec.structs.astuple(state))


@settings(deadline=None)
@given(BARS)
def test_state_is_canonical(bars: list[Bar]) -> None:
    """A state survives its own bytes, so that a checkpoint continues to the same bits."""
    state = run(bars)
    data = msgspec.msgpack.encode(state)
    assert msgspec.msgpack.decode(data, type=IndicatorState) == state


def test_what_does_not_exist_yet_is_none() -> None:
    """One bar gives no RSI, ADX or DI; an index never has a VWAP; a new session has no sums."""
    first = step_bar(None, make_bar(0, [100, 110, 90, 105], None))
    assert (first.rsi, first.adx, first.plus_di, first.minus_di) == (None, None, None, None)
    assert first.vwap_paise is None
    assert first.twap_paise == pytest.approx((110 + 90 + 105) / 3.0)
    again = start_session(first)
    assert again.twap_paise is None
    assert again.ema_fast_paise == first.ema_fast_paise


def test_a_market_that_does_not_move() -> None:
    """A flat series: RSI 50, ADX 0, ATR 0, no division by zero."""
    state = run([make_bar(i, [100], 1) for i in range(20)])
    assert (state.rsi, state.adx, state.atr_paise, state.plus_di) == (50.0, 0.0, 0.0, None)


def volatility(closes: list[int]) -> VolatilityState:
    state = step_volatility(None, closes[0])
    for close in closes[1:]:
        state = step_volatility(state, close)
    return state


def test_realised_volatility_against_the_textbook() -> None:
    """Session variance and both averages equal their definitions on libm's logarithm."""
    closes = [bar.close_paise for bar in random_bars(90, seed=3)]
    squares = [math.log(b / a) * math.log(b / a) for a, b in pairwise(closes)]
    state, year = volatility(closes), 93_750.0
    assert state.annualised_session(year) == pytest.approx(
        math.sqrt(math.fsum(squares) / len(squares) * year), rel=RELATIVE
    )
    fast, slow = average(squares, 2.0 / 11.0), average(squares, 2.0 / 61.0)
    assert state.annualised_fast(year) == pytest.approx(math.sqrt(fast * year), rel=RELATIVE)
    assert state.annualised_slow(year) == pytest.approx(math.sqrt(slow * year), rel=RELATIVE)
    assert state.expansion == pytest.approx(math.sqrt(fast / slow), rel=RELATIVE)


def test_volatility_before_there_is_any() -> None:
    """No return, no volatility; a new session keeps the averages and drops the sum."""
    first = volatility([100])
    assert first.annualised_fast(1.0) is None
    assert first.annualised_slow(1.0) is None
    assert first.annualised_session(1.0) is None
    assert first.expansion is None
    again = start_volatility_session(volatility([100, 101, 99]))
    assert again.annualised_session(1.0) is None
    assert again.annualised_fast(1.0) is not None

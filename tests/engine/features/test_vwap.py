"""VWAP of the future: session and rolling against talipp on random series, and its unknowns."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from engine.bars import MINUTE_NS, Bar
from engine.features.reading import GAP, NO_QUOTE, NOT_OFFERED, TOO_FEW
from engine.features.tape import NEW_TAPE, Tape, with_future
from engine.features.vwap import ROLLING_MINUTES, ROLLING_MINUTES_MIN, future_vwap, rolling_vwap
from engine.indicators import IndicatorState, step_bar
from events.features import FutureVwap
from tests.engine.features.series import OPEN, minute_bar, minutes


def folded(series: list[Bar]) -> tuple[Tape, IndicatorState | None]:
    tape, state = NEW_TAPE, None
    for one in series:
        tape = with_future(tape, one, OPEN)
        state = step_bar(state, one)
    return tape, state


def read(series: list[Bar], end: int | None = None) -> tuple[FutureVwap, tuple[str, ...]]:
    tape, state = folded(series)
    end_ts = series[-1].start_ts if end is None else OPEN + end * MINUTE_NS
    return future_vwap(tape.future, tape.lost, state, end_ts, OPEN, offered=True)


def talipp_vwap(series: list[Bar]) -> float:
    indicators = pytest.importorskip("talipp.indicators", reason="talipp is not installed here")
    ohlcv = pytest.importorskip("talipp.ohlcv").OHLCV
    rows = [ohlcv(b.open_paise, b.high_paise, b.low_paise, b.close_paise, b.volume) for b in series]
    return float(indicators.VWAP(rows)[-1])


@given(minutes(volumes=True, holes=False))
@settings(deadline=None)
def test_session_and_rolling_are_talipps(series: list[Bar]) -> None:
    """The session's VWAP is talipp's over all its minutes, the rolling one talipp's over the last
    twenty: never an average of prices alone ([BUG] of the previous system, whose bars had no
    volume)."""
    found, _ = read(series)
    if sum(one.volume or 0 for one in series) == 0:
        assert found.session_paise is None
        return
    assert found.session_paise == pytest.approx(talipp_vwap(series), abs=0.51)
    last = series[-ROLLING_MINUTES:]
    if len(last) < ROLLING_MINUTES_MIN or sum(one.volume or 0 for one in last) == 0:
        assert found.rolling_paise is None
    else:
        assert found.rolling_paise == pytest.approx(talipp_vwap(last), abs=0.51)


def test_canary_volume_moves_the_average() -> None:
    """Two minutes at two prices: the heavier counts, so a mean of the prices would be found out."""
    found, _ = read([minute_bar(0, [100]), minute_bar(1, [200], 1), minute_bar(2, [100], 3)])
    assert found.session_paise == 125


def test_the_slope_is_the_rolling_average_ten_minutes_on() -> None:
    """ppm between the rolling average now and the one of ten minutes before."""
    series = [minute_bar(n, [1_000_000 + 100 * n], 10) for n in range(40)]
    found, unknown = read(series)
    before = rolling_vwap(tuple(series[:30]), series[29].start_ts).value
    assert (found.rolling_paise, before) == (1_002_950, 1_001_950)
    assert found.slope_ppm == round((1_002_950 - 1_001_950) * 1_000_000 / 1_001_950)
    assert unknown == ()


def test_a_gap_makes_the_session_unknown_until_it_is_a_tenth_of_it() -> None:
    """Six lost minutes: unknown until an hour has passed; rolling until they lie behind it."""
    series = [minute_bar(n, [1_000], 10) for n in range(20)]
    series += [minute_bar(25, [1_000], 10, True)]
    series += [minute_bar(n, [1_000], 10) for n in range(26, 70)]
    tape, _ = folded(series)
    assert tape.lost == 6
    shown = {n: read([one for one in series if one.start_ts <= OPEN + n * MINUTE_NS], n)
             for n in (30, 45, 58, 59, 60)}  # fmt: skip
    assert [shown[n][0].session_paise for n in (30, 58, 59, 60)] == [None, None, 1_000, 1_000]
    assert f"future_vwap.session_paise {GAP}" in shown[30][1]
    assert [shown[n][0].rolling_paise for n in (30, 45)] == [None, 1_000]
    assert f"future_vwap.rolling_paise {GAP}" in shown[30][1]
    late = [minute_bar(60, [1_000], 10, True), *(minute_bar(n, [1_000], 10) for n in (61, 62))]
    assert folded(late)[0].lost == 61
    assert read(late)[0].session_paise is None


def test_without_a_future_or_a_trade_there_is_none() -> None:
    """Each lack has its own reason."""
    none, lines = future_vwap((), 0, None, OPEN, OPEN, offered=False)
    assert none.session_paise is None
    assert {line.rpartition(" ")[2] for line in lines} == {NOT_OFFERED}
    _, lines = future_vwap((), 0, None, OPEN, OPEN, offered=True)
    assert {line.rpartition(" ")[2] for line in lines} == {TOO_FEW}
    _, lines = read([minute_bar(n, [1_000], 0) for n in range(30)])
    assert {line.rpartition(" ")[2] for line in lines} == {NO_QUOTE}

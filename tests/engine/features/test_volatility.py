"""Volatility: ranks and scores against the statistics library, realised against a plain loop."""

from __future__ import annotations

import itertools
import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.features.reading import GAP, NO_EARLIER_DAY, NO_QUOTE, NOT_OFFERED, TOO_FEW
from engine.features.tape import NEW_TAPE, step_volatility_day
from engine.features.volatility import (
    DAYS_MIN,
    SESSION_BARS_MIN,
    implied,
    realised,
)
from engine.indicators import step_volatility
from engine.state import ExpiryState

BLANK = ExpiryState(20261124, 0, 0.01, 1.0, 2_400_000, "PARITY", 7, 5, 0.12, 0.01, 900, 12)
VOLS = st.lists(st.integers(500, 4_000), min_size=1, max_size=60)


def expiry(iv: float | None, skew: float | None = 0.0) -> ExpiryState:
    return ExpiryState(20261124, 0, 0.01, 1.0, 2_400_000, "PARITY", 7, 5, iv, skew, 900, 12)


def by_statistics(series: list[int], now: int) -> tuple[int, float]:
    """Rank and score, as the books have them."""
    rank = math.floor((now - min(series)) * 1000 / (max(series) - min(series)) + 0.5)
    return rank, (now - statistics.mean(series)) / statistics.stdev(series) * 1000


@given(VOLS, VOLS)
def test_ranks_and_scores_are_those_of_the_statistics_library(
    bars: list[int], closes: list[int]
) -> None:
    """Of the session's bars with the one of now, and of earlier days' closes with it."""
    day = NEW_TAPE.volatility
    for n, one in enumerate(bars, 1):
        day = step_volatility_day(day, n, one)
        assert step_volatility_day(day, n, one) == day, "a bar counts once"
    now = bars[-1]
    found, unknown = implied((expiry(now / 10_000), expiry(0.1)), day, tuple(closes))
    assert found.atm_bps == now
    for series, least, rank, score, reason in (
        (bars, SESSION_BARS_MIN, found.session_rank_milli, found.session_z_milli, TOO_FEW),
        ([*closes, now], DAYS_MIN + 1, found.days_rank_milli, found.days_z_milli, NO_EARLIER_DAY),
    ):
        if len(series) < least:
            assert (rank, score) == (None, None)
            assert reason in {line.rpartition(" ")[2] for line in unknown}
        elif min(series) == max(series):
            assert (rank, score) == (None, None)
        else:
            rank_by, score_by = by_statistics(series, now)
            assert rank == rank_by
            assert score == pytest.approx(score_by, abs=0.51)


def test_canary_an_unlike_series_has_another_score() -> None:
    """The oracle tells two series apart."""
    assert by_statistics([1, 2, 9], 9) != by_statistics([1, 2, 8], 8)


def test_skew_and_term_are_differences_of_volatilities() -> None:
    """Put over call of a quarter delta, near over next; each unknown for its own reason."""
    day = NEW_TAPE.volatility
    found, _ = implied((expiry(0.1234, 0.0125), expiry(0.15)), day, ())
    assert (found.atm_bps, found.skew_25d_bps, found.term_bps) == (1_234, 125, -266)
    lone, lines = implied((expiry(0.1234, None),), day, ())
    assert (lone.skew_25d_bps, lone.term_bps) == (None, None)
    assert f"implied.skew_25d_bps {NO_QUOTE}" in lines
    assert f"implied.term_bps {NOT_OFFERED}" in lines
    _, lines = implied((expiry(0.1234), expiry(None)), day, ())
    assert f"implied.term_bps {NO_QUOTE}" in lines
    for expiries, reason in (((expiry(None, None),), NO_QUOTE), ((), NOT_OFFERED)):
        nothing, lines = implied(expiries, day, ())
        assert nothing.atm_bps is None
        assert {line.rpartition(" ")[2] for line in lines} == {reason}
        assert len(lines) == 7


@given(st.lists(st.integers(9_000, 11_000), min_size=1, max_size=60))
def test_realised_is_the_root_of_averaged_squares(closes: list[int]) -> None:
    """The three averages against a plain loop over logarithms, once enough returns are there."""
    state = None
    for close in closes:
        state = step_volatility(state, close)
    found, unknown = realised(state, 94_500.0, len(closes), len(closes))
    squares = [math.log(b / a) ** 2 for a, b in itertools.pairwise(closes)]
    values = (found.fast_bps, found.slow_bps, found.session_bps)
    for value, bars, least in zip(values, (10, 60, None), (5, 20, 5), strict=True):
        if len(squares) < least:
            assert value is None
            continue
        mean = squares[0] if bars else sum(squares) / len(squares)
        for one in squares[1:] if bars else ():
            mean += 2.0 / (bars + 1 if bars else 1) * (one - mean)
        assert value == pytest.approx(math.sqrt(mean * 94_500.0) * 10_000, abs=0.51)
    assert all(line.endswith(TOO_FEW) for line in unknown)


@pytest.mark.parametrize(("since", "known"), [(0, False), (9, False), (10, True), (40, True)])
def test_the_return_over_a_gap_is_outweighed_before_the_fast_one_is_known(
    since: int, known: bool
) -> None:
    """After a gap the fast average is unknown for its own ten bars."""
    state = None
    for close in range(10_000, 10_040):
        state = step_volatility(state, close)
    found, unknown = realised(state, 94_500.0, 40, since)
    assert (found.fast_bps is not None) == known
    assert unknown == (() if known else (f"realised.fast_bps {GAP}",))
    nothing, unknown = realised(None, 94_500.0, 0, 0)
    assert nothing.fast_bps is None
    assert len(unknown) == 3

"""Momentum: every window against a plain look-up of closes on random series with holes."""

from __future__ import annotations

from fractions import Fraction
from math import floor

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.bars import MINUTE_NS, Bar
from engine.features.momentum import change_over, momentum
from engine.features.reading import GAP, TOO_FEW
from tests.engine.features.series import OPEN, minute_bar, minutes


def plain_change(series: list[Bar], end: int, span: int) -> int | str:
    """The change by definition: both closes looked up minute by minute, as a fraction."""
    by_minute = {(one.start_ts - OPEN) // MINUTE_NS: one for one in series}

    def near(wanted: int) -> int | None:
        tries = range(wanted, wanted - span // 5 - 1, -1)
        return next((n for n in tries if n in by_minute), None)

    last, first = near(end), near(end - span)
    if last is None or first is None or first >= last:
        return TOO_FEW
    if any(by_minute[n].gapped for n in range(first, last + 1) if n in by_minute):
        return GAP
    now, then = by_minute[last].close_paise, by_minute[first].close_paise
    return floor(Fraction((now - then) * 1_000_000, then) + Fraction(1, 2))


@given(minutes(), st.sampled_from((1, 5, 10, 15)))
@settings(deadline=None)
def test_a_change_is_that_of_the_closes_it_names(series: list[Bar], span: int) -> None:
    """Value, or the reason of none, equal the plain look-up for every window."""
    end = series[-1].start_ts
    found = change_over(tuple(series), end, span)
    expected = plain_change(series, (end - OPEN) // MINUTE_NS, span)
    assert (found.reason or found.value) == expected


def test_canary_a_close_of_a_paisa_more_is_seen() -> None:
    """The comparison fails for a series that differs in one close."""
    series = [minute_bar(n, [2_400_000 + 240 * n]) for n in range(16)]
    moved = [*series[:-1], minute_bar(15, [2_400_000 + 240 * 15 + 3])]
    end = series[-1].start_ts
    assert change_over(tuple(moved), end, 15).value != plain_change(series, 15, 15)


def test_acceleration_is_the_last_five_minutes_less_the_five_before() -> None:
    """A move that doubles is faster by what it was; without the earlier five it is unknown."""
    closes = [1_000_000] * 5 + [1_000_000 + 100 * n for n in range(1, 6)]
    closes += [1_000_500 + 200 * n for n in range(1, 6)]
    series = tuple(minute_bar(n, [one]) for n, one in enumerate(closes))
    found, unknown = momentum(series)
    assert (found.change_5m_ppm, found.acceleration_ppm) == (1000, 500)
    assert unknown == ("momentum.change_15m_ppm FEATURE_TOO_FEW",)
    short, lines = momentum(series[-6:])
    assert short.change_5m_ppm == 1000
    assert short.acceleration_ppm is None
    assert "momentum.acceleration_ppm FEATURE_TOO_FEW" in lines

"""The day's weather: every regime each day, trends that trend, ranges that turn."""

from __future__ import annotations

import itertools
from statistics import median

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.markets.synthetic_regimes import REGIMES, Factor, Path, Regime, Spell, schedule

LENGTH_S = 385 * 60
FACTORS = (Factor(1150, 1000, 930), Factor(1350, 1150, 850))


def _walked(seed: int, regime: Regime, minutes: int) -> list[float]:
    """The first index at each minute of one long spell."""
    spells = (Spell(regime, 0, minutes * 60, 1000, 1),)
    path = Path(seed, spells, (2_264_000, 5_090_000), FACTORS, 1.0)
    closes = [path.spots[0]]
    for second in range(minutes * 60):
        path.step(float(second))
        if second % 60 == 59:
            closes.append(path.spots[0])
    return closes


def _named(name: str) -> Regime:
    return next(regime for regime in REGIMES if regime.name == name)


@given(st.integers(0, 1 << 64))
def test_every_day_shows_every_regime(seed: int) -> None:
    """Whatever the seed, spells cover the day without a hole and none of the table is absent."""
    spells = schedule(seed, LENGTH_S)
    assert {spell.regime.name for spell in spells} == {regime.name for regime in REGIMES}
    assert spells[0].start_s == 0
    assert spells[-1].end_s == LENGTH_S
    assert all(a.end_s == b.start_s for a, b in itertools.pairwise(spells))
    assert all(spell.end_s > spell.start_s for spell in spells)
    names = [spell.regime.name for spell in spells]
    at = names.index("EVENT")
    assert at > 0
    assert names[at : at + 3] == ["EVENT", "PANIC", "RECOVERY"]


def test_the_longest_spells_fit_the_day() -> None:
    """Even when each spell lasts its longest, a little of the day is left for the last range."""
    assert sum(regime.minutes_max for regime in REGIMES) < 385


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1 << 64))
def test_a_path_is_its_seeds(seed: int) -> None:
    """Equal seeds walk equal paths to the bit; another seed does not."""
    regime = _named("VOLATILE_RANGE")
    assert _walked(seed, regime, 5) == _walked(seed, regime, 5)
    assert _walked(seed, regime, 5) != _walked(seed + 1, regime, 5)


def test_trends_trend_and_ranges_turn() -> None:
    """Over an hour the median trend moves far, in its direction, and the median range does not."""
    moved: dict[str, list[float]] = {}
    for name in ("TREND_UP", "TREND_DOWN", "RANGE"):
        for seed in range(9):
            closes = _walked(seed, _named(name), 60)
            moved.setdefault(name, []).append((closes[-1] / closes[0] - 1.0) * 10_000)
    assert median(moved["TREND_UP"]) > 25
    assert median(moved["TREND_DOWN"]) < -25
    assert median(abs(move) for move in moved["RANGE"]) < 15


def test_a_trend_is_no_straight_line() -> None:
    """Nothing is given away: in an up-trend more than a third of the minutes fall."""
    falls = minutes = 0
    for seed in range(6):
        closes = _walked(seed, _named("TREND_UP"), 60)
        falls += sum(b < a for a, b in itertools.pairwise(closes))
        minutes += 60
    assert 0.33 < falls / minutes < 0.5


def test_stress_and_falls_lift_volatility() -> None:
    """A panic raises stress to near one and implied volatility by what prices lost."""
    spells = (Spell(_named("PANIC"), 0, 1000, 1000, 1),)
    path = Path(3, spells, (2_264_000, 5_090_000), FACTORS, 1.0)
    for second in range(900):
        path.step(float(second))
    assert path.stress > 0.9
    assert path.vol_lift > 0.002


def test_the_indices_move_together_but_not_alike() -> None:
    """Two indices share the market factor: minute moves correlate, and are not the same."""
    spells = (Spell(_named("RANGE"), 0, 7200, 1000, 1),)
    path = Path(5, spells, (2_264_000, 5_090_000), FACTORS, 1.0)
    moves: list[tuple[float, float]] = []
    before = tuple(path.spots)
    for second in range(7200):
        path.step(float(second))
        if second % 60 == 59:
            moves.append((path.spots[0] / before[0] - 1, path.spots[1] / before[1] - 1))
            before = tuple(path.spots)
    cross = sum(a * b for a, b in moves)
    square = sum(a * a for a, _ in moves) * sum(b * b for _, b in moves)
    assert 0.5 < cross / square**0.5 < 0.95

"""Chance in integers: SplitMix64 against its published numbers, the normal table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.markets.synthetic_random import (
    MASK64,
    MIX_A,
    NORMAL_TABLE,
    SplitMix64,
    mixed,
    normal_quantile,
    substream,
)
from engine.exact import norm_cdf

SEEDS = st.integers(0, MASK64)


def test_the_published_numbers() -> None:
    """Seed 1234567 gives the five numbers that every SplitMix64 is checked against."""
    rng = SplitMix64(1234567)
    assert [rng.draw() for _ in range(5)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


@given(SEEDS)
def test_the_mix_can_be_undone(state: int) -> None:
    """The output function is a bijection: two states never give one number."""

    def unshift(value: int, by: int) -> int:
        result = value
        for _ in range(64 // by + 1):
            result = value ^ (result >> by)
        return result

    value = unshift(mixed(state), 31) * pow(0x94D0_49BB_1331_11EB, -1, 1 << 64) & MASK64
    value = unshift(value, 27) * pow(MIX_A, -1, 1 << 64) & MASK64
    assert unshift(value, 30) == state


@given(SEEDS, st.integers(1, 1 << 40))
def test_below_stays_below(seed: int, bound: int) -> None:
    """Bounded draws are within their bounds, and equal seeds give equal draws."""
    one, two = SplitMix64(seed), SplitMix64(seed)
    draws = [one.below(bound) for _ in range(8)]
    assert all(0 <= draw < bound for draw in draws)
    assert draws == [two.below(bound) for _ in range(8)]


@given(SEEDS, st.integers(-1000, 1000), st.integers(0, 1000))
def test_between_includes_both_ends(seed: int, low: int, width: int) -> None:
    """``between`` stays within its ends, and reaches both of them on a narrow range."""
    rng = SplitMix64(seed)
    assert all(low <= rng.between(low, low + width) <= low + width for _ in range(8))
    assert {rng.between(0, 1) for _ in range(64)} == {0, 1}


def test_a_bound_below_one_is_refused() -> None:
    """There is no integer below zero to draw."""
    with pytest.raises(ValueError, match="cannot draw below 0"):
        SplitMix64(1).below(0)


def test_draws_are_even() -> None:
    """Each of 64 bits is set in about half of 4,000 draws (five deviations of slack)."""
    rng = SplitMix64(7)
    draws = [rng.draw() for _ in range(4000)]
    for bit in range(64):
        assert abs(sum(draw >> bit & 1 for draw in draws) - 2000) < 5 * 32


@given(SEEDS)
def test_a_shuffle_keeps_every_item(seed: int) -> None:
    """Shuffling loses and doubles nothing."""
    items = ("a", "b", "c", "d", "e")
    assert sorted(SplitMix64(seed).shuffled(items)) == list(items)


@given(SEEDS, st.integers(0, 1000), st.integers(0, 1000))
def test_substreams_differ_by_every_word(seed: int, one: int, two: int) -> None:
    """Another word, or the same words in another order, is another stream."""
    assert substream(seed, one, two) == substream(seed, one, two)
    assert substream(seed, one) != substream(seed, one + 1)
    if one != two:
        assert substream(seed, one, two) != substream(seed, two, one)


def test_the_normal_table_is_standard() -> None:
    """Mean 0 and variance 1 to rounding, symmetric, ascending, kurtosis near 3."""
    count = len(NORMAL_TABLE)
    assert count == 4096
    assert abs(sum(NORMAL_TABLE)) < 1e-9
    assert abs(sum(z * z for z in NORMAL_TABLE) / count - 1.0) < 1e-12
    assert 2.9 < sum(z * z * z * z for z in NORMAL_TABLE) / count < 3.0
    assert list(NORMAL_TABLE) == sorted(NORMAL_TABLE)
    assert all(a == -b for a, b in zip(NORMAL_TABLE, reversed(NORMAL_TABLE), strict=True))


@given(st.floats(1e-9, 1 - 1e-9))
def test_the_quantile_inverts_the_distribution(p: float) -> None:
    """P(Z <= quantile(p)) is p to the approximation's stated accuracy."""
    assert abs(norm_cdf(normal_quantile(p)) - p) < 2e-9

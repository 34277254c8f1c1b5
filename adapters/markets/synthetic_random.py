"""Seeded randomness in integers: SplitMix64 and normal deviates from a table.

Lives here: the one source of chance of the synthetic market. May import: engine.exact. Always
holds: the same seed gives the same numbers on any machine and Python; nothing here is global.
Start reading at ``SplitMix64``.
"""

from __future__ import annotations

from typing import Final

from engine.exact import log, sqrt

MASK64: Final = 0xFFFF_FFFF_FFFF_FFFF
GAMMA: Final = 0x9E37_79B9_7F4A_7C15
MIX_A: Final = 0xBF58_476D_1CE4_E5B9
MIX_B: Final = 0x94D0_49BB_1331_11EB
"""Constants of SplitMix64 (G. Steele, D. Lea, C. Flood, OOPSLA 2014; S. Vigna's reference code).
Public so that a loop which draws a million times can hold the state in a local variable."""

NORMAL_BITS: Final = 12
_NORMAL_SIZE: Final = 1 << NORMAL_BITS
_NORMAL_MASK: Final = _NORMAL_SIZE - 1


class SplitMix64:
    """A stream of 64-bit integers; ``state`` may be read and set, it is the whole of it."""

    __slots__ = ("state",)

    def __init__(self, seed: int) -> None:
        self.state = seed & MASK64

    def draw(self) -> int:
        """The next integer, uniform over 0 to 2^64 - 1."""
        self.state = (self.state + GAMMA) & MASK64
        return mixed(self.state)

    def below(self, bound: int) -> int:
        """An integer from 0 to ``bound`` - 1: the high word of draw x bound, biased by less than
        bound / 2^64. Raises ``ValueError`` for a bound below 1."""
        if bound < 1:
            raise ValueError(f"cannot draw below {bound}")
        return self.draw() * bound >> 64

    def between(self, low: int, high: int) -> int:
        """An integer from ``low`` to ``high``, both included."""
        return low + self.below(high - low + 1)

    def normal(self) -> float:
        """A standard normal deviate out of ``NORMAL_TABLE``."""
        return NORMAL_TABLE[self.draw() & _NORMAL_MASK]

    def shuffled(self, items: tuple[str, ...]) -> tuple[str, ...]:
        """The items in a random order (Fisher and Yates, Durstenfeld's form)."""
        order = list(items)
        for last in range(len(order) - 1, 0, -1):
            other = self.below(last + 1)
            order[last], order[other] = order[other], order[last]
        return tuple(order)


def mixed(state: int) -> int:
    """SplitMix64's output function: a bijection of 64-bit integers."""
    state = ((state ^ (state >> 30)) * MIX_A) & MASK64
    state = ((state ^ (state >> 27)) * MIX_B) & MASK64
    return state ^ (state >> 31)


def substream(seed: int, *words: int) -> int:
    """A seed that depends on all its arguments, so that streams of one seed do not overlap."""
    state = seed & MASK64
    for word in words:
        state = mixed((state ^ mixed(word & MASK64)) + GAMMA & MASK64)
    return state


# Rational approximation of the normal quantile by P. Acklam (2003), relative error below 1.15e-9:
# far finer than a table of 4,096 steps can show.
_A: Final = (
    -3.969683028665376e01,
    2.209460984245205e02,
    -2.759285104469687e02,
    1.383577518672690e02,
    -3.066479806614716e01,
    2.506628277459239e00,
)
_B: Final = (
    -5.447609879822406e01,
    1.615858368580409e02,
    -1.556989798598866e02,
    6.680131188771972e01,
    -1.328068155288572e01,
    1.0,
)
_C: Final = (
    -7.784894002430293e-03,
    -3.223964580411365e-01,
    -2.400758277161838e00,
    -2.549732539343734e00,
    4.374664141464968e00,
    2.938163982698783e00,
)
_D: Final = (
    7.784695709041462e-03,
    3.224671290700398e-01,
    2.445134137142996e00,
    3.754408661907416e00,
    1.0,
)
_TAIL: Final = 0.02425


def _horner(coefficients: tuple[float, ...], x: float) -> float:
    value = 0.0
    for coefficient in coefficients:
        value = value * x + coefficient
    return value


def normal_quantile(p: float) -> float:
    """The z with P(Z <= z) = p, for 0 < p < 1."""
    if p > 0.5:
        return -normal_quantile(1.0 - p)
    if p < _TAIL:
        q = sqrt(-2.0 * log(p))
        return _horner(_C, q) / _horner(_D, q)
    q = p - 0.5
    r = q * q
    return q * _horner(_A, r) / _horner(_B, r)


def _normal_table() -> tuple[float, ...]:
    """Quantiles at the middles of equal slices, scaled so that the table's variance is 1."""
    half = tuple(
        normal_quantile((2 * i + 1) / (2.0 * _NORMAL_SIZE)) for i in range(_NORMAL_SIZE // 2)
    )
    square = 0.0
    for z in half:
        square += z * z
    scale = 1.0 / sqrt(2.0 * square / _NORMAL_SIZE)
    low = tuple(z * scale for z in half)
    return low + tuple(-z for z in reversed(low))


NORMAL_TABLE: Final = _normal_table()
"""4,096 equally likely values: mean 0 and variance 1 to rounding, from -3.68 to 3.68."""

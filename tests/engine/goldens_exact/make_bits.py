"""The cases behind ``golden_bits.txt``: what ``engine.exact`` and ``engine.options`` answered once.

Lives here: fixed pseudo-random inputs and their outputs as text. May import: the engine's pure
leaves. Always holds: inputs come from integers alone, so every machine asks the same questions.
A changed line means that journals recorded before no longer replay: it is a new engine, and the
file is written anew only in a commit that says so.
Run from the checkout:
``python -m tests.engine.goldens_exact.make_bits > tests/engine/goldens_exact/golden_bits.txt``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from math import ldexp
from typing import Final

from engine import exact, options
from engine import exact_tables as tables

FAR_CASES: Final = 40
OPTION_CASES: Final = 60
_MASK: Final = (1 << 64) - 1


def uniform(seed: int) -> Iterator[float]:
    """Numbers in [0, 1) from Knuth's MMIX generator; 53 exact bits each."""
    state = seed
    while True:
        state = (state * 6364136223846793005 + 1442695040888963407) & _MASK
        yield (state >> 11) / (1 << 53)


def function_inputs() -> Iterator[tuple[str, Callable[[float], float], float]]:
    """``(name, function, input)``: at least one input in every row of every table, then the rest.

    Row by row, because a random sample misses rows: the canary in ``test_exact.py`` found that.
    """
    numbers = uniform(1)
    for row in range(tables.EXP_STEPS):
        octaves = int((next(numbers) - 0.5) * 2_000)
        step = row + next(numbers) - 0.5
        yield "exp", exact.exp, (octaves + step / tables.EXP_STEPS) * 0.6931471805599453
    for row in range(len(tables.LOG_TABLE)):
        mantissa = (tables.LOG_FIRST + row + next(numbers) - 0.5) / tables.LOG_STEPS
        yield "log", exact.log, ldexp(mantissa, int((next(numbers) - 0.5) * 80))
        yield "log", exact.log, mantissa
    for row in range(len(tables.NORM_TAIL_TABLE)):
        x = (row + next(numbers) - 0.5) / tables.NORM_STEPS
        yield "norm_cdf", exact.norm_cdf, x if row % 2 else -x
        yield "norm_pdf", exact.norm_pdf, x
    for _ in range(FAR_CASES):
        far = 8.0 + 30.0 * next(numbers)
        yield "norm_cdf", exact.norm_cdf, -far
        yield "norm_pdf", exact.norm_pdf, far


def function_lines() -> Iterator[str]:
    """``name input output`` for exp, log, norm_cdf and norm_pdf."""
    for name, function, x in function_inputs():
        yield f"{name} {x.hex()} {function(x).hex()}"


def option_lines() -> Iterator[str]:
    """``option forward strike right t vol`` and then price, greeks and a cold and a warm vol."""
    numbers = uniform(99)
    for index in range(OPTION_CASES):
        forward = 2_400_000 + int(next(numbers) * 200_000)
        strike = 2_300_000 + int(next(numbers) * 80) * 5_000
        right = options.CALL if index % 2 else options.PUT
        t_years = 0.001 + 0.1 * next(numbers)
        vol = 0.08 + 0.4 * next(numbers)
        df = options.discount_factor(0.06, t_years)
        pricer = options.pricer_for(forward, t_years, df, 5)
        greeks = pricer.greeks(float(strike), right, vol)
        cold = pricer.implied_vol(greeks.price_paise, float(strike), right)
        warm = pricer.implied_vol(greeks.price_paise, float(strike), right, start=vol * 1.01)
        numbers_out = (
            greeks.price_paise,
            greeks.delta,
            greeks.gamma,
            greeks.theta_paise,
            greeks.vega_paise,
        )
        words = [number.hex() for number in numbers_out]
        words += [answer.vol.hex() if answer.vol else str(answer.reason) for answer in (cold, warm)]
        case = f"option {forward} {strike} {right} {t_years.hex()} {vol.hex()}"
        yield f"{case} {' '.join(words)}"


def lines() -> list[str]:
    """All golden lines, in file order."""
    return [*function_lines(), *option_lines()]


if __name__ == "__main__":
    sys.stdout.write("\n".join(lines()) + "\n")

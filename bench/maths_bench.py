"""What the core's arithmetic costs: CPU nanoseconds a call, next to libm where it has the function.

Lives here: timing of ``engine.exact``, ``engine.options``, ``engine.indicators``, ``engine.bars``.
May import: the engine's pure leaves. Always holds: figures are CPU time (``process_time``), the
least of several interleaved rounds, the loop and the call (about 40 ns) included; each function's
answer is checked against libm or a round trip before it is timed, so a wrong one has no figure.
Run from the checkout: ``python -m bench.maths_bench [--json]``.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Sequence
from time import process_time
from typing import Any, Final

from engine import bars, exact, indicators, options

CALLS = 20_000
ROUNDS = 7
RELATIVE_MAX: Final = 1e-14

Case = tuple[str, Callable[..., Any], tuple[Any, ...]]


def libm_cdf(x: float) -> float:
    """The normal distribution by the C library's erfc."""
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def check() -> None:
    """Fail loudly where an answer is not what libm or the round trip gives."""
    pairs = [
        (exact.exp(-12.3), math.exp(-12.3)),
        (exact.log(1.003), math.log(1.003)),
        (exact.norm_cdf(-0.73), libm_cdf(-0.73)),
        (exact.norm_cdf_pdf(-0.73)[0], libm_cdf(-0.73)),
    ]
    wrong = [pair for pair in pairs if abs(pair[0] / pair[1] - 1.0) > RELATIVE_MAX]
    pricer = options.pricer_for(2_450_000, 7 / 365, 0.999, 5)
    found = pricer.implied_vol(pricer.price(2_460_000.0, "CE", 0.12), 2_460_000.0, "CE").vol
    if wrong or found is None or abs(found - 0.12) > options.VOL_TOLERANCE:
        raise SystemExit(f"maths_bench: wrong answers, nothing timed: {wrong} {found}")


def cases() -> list[Case]:
    """What is timed: name, callable, arguments."""
    strike, vol = 2_460_000.0, 0.12
    pricer = options.pricer_for(2_450_000, 7 / 365, 0.999, 5)
    moneyness = pricer.log_forward - exact.log(strike)
    price = pricer.price(strike, "CE", vol)
    value = price / pricer.df
    first = bars.Bar(0, bars.MINUTE_NS, 100, 110, 90, 105, 1000, 5, False)
    second = bars.Bar(bars.MINUTE_NS, bars.MINUTE_NS, 105, 112, 99, 101, 1200, 5, False)
    state = indicators.step_bar(indicators.step_bar(None, first), second)
    moves = indicators.step_volatility(indicators.step_volatility(None, 2_450_000), 2_450_100)
    quotes = tuple(
        (2_400_000 + 5_000 * i, 60_000 - 4_000 * i, 60_050 - 4_000 * i, 9_000 + i, 9_050 + i)
        for i in range(11)
    )
    return [
        ("libm exp", math.exp, (-12.3,)),
        ("exact.exp", exact.exp, (-12.3,)),
        ("libm log", math.log, (1.003,)),
        ("exact.log", exact.log, (1.003,)),
        ("libm norm_cdf by erfc", libm_cdf, (-0.73,)),
        ("exact.norm_cdf", exact.norm_cdf, (-0.73,)),
        ("exact.norm_pdf", exact.norm_pdf, (-0.73,)),
        ("exact.norm_cdf_pdf", exact.norm_cdf_pdf, (-0.73,)),
        ("Pricer.newton_step", pricer.newton_step, (value, strike, vol * 1.001, moneyness)),
        (
            "implied_vol, warm, 1 step",
            pricer.implied_vol,
            (price, strike, "CE", vol + 1e-6, moneyness),
        ),
        (
            "implied_vol, warm, 2 steps",
            pricer.implied_vol,
            (price, strike, "CE", vol + 1e-3, moneyness),
        ),
        ("implied_vol, cold", pricer.implied_vol, (price, strike, "CE")),
        ("greeks", pricer.greeks, (strike, "CE", vol, moneyness)),
        ("parity_forward, 11 strikes", options.parity_forward, (quotes, 0.999)),
        ("indicators.step_bar", indicators.step_bar, (state, second)),
        ("indicators.step_volatility", indicators.step_volatility, (moves, 2_450_200)),
        ("bars.fold_tick", bars.fold_tick, (bars.new_accumulator(), 100, 5)),
    ]


def seconds(function: Callable[..., Any], arguments: tuple[Any, ...]) -> float:
    """CPU seconds of ``CALLS`` calls."""
    began = process_time()
    for _ in range(CALLS):
        function(*arguments)
    return process_time() - began


def measure() -> dict[str, int]:
    """Nanoseconds a call by name, the least of the rounds."""
    table = cases()
    least = {name: math.inf for name, _, _ in table}
    for _ in range(ROUNDS):
        for name, function, arguments in table:
            least[name] = min(least[name], seconds(function, arguments))
    return {name: round(best / CALLS * 1e9) for name, best in least.items()}


def main(arguments: Sequence[str]) -> None:
    """Check, measure, print."""
    check()
    figures = measure()
    if "--json" in arguments:
        print(json.dumps({"cpu_ns_per_call": figures}))
        return
    for name, figure in figures.items():
        print(f"{name:28} {figure:6,} ns")


if __name__ == "__main__":
    main(sys.argv[1:])

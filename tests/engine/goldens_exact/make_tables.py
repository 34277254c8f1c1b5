"""Make ``engine/exact_tables.py``: the golden tables behind ``engine/exact.py``.

Lives here: the reference functions in arbitrary precision (``decimal``, whose results do not
depend on the machine) and the writer of the table module. May import: the standard library.
Always holds: running it twice gives the same text; ``test_exact.py`` compares that text with the
module that is checked in, so neither can change alone.
Run from the checkout:
``python -m tests.engine.goldens_exact.make_tables > engine/exact_tables.py``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from decimal import Decimal, localcontext
from typing import Final

PRECISION_DIGITS: Final = 70
"""Far beyond the 17 digits of a double: the series below lose up to 30 in the far tail."""

EXP_STEPS: Final = 256
LOG_STEPS: Final = 128
LOG_FIRST: Final = 90
LOG_LAST: Final = 182
NORM_STEPS: Final = 64
NORM_MAX: Final = 8
HEX_PER_LINE: Final = 4

HEADER: Final = '''"""Golden tables of ``engine/exact.py``. Generated: never edit by hand.

Lives here: correctly rounded doubles as hex floats, written by
``tests/engine/goldens_exact/make_tables.py``. May import: nothing but ``typing``. Always holds: the
text equals what the script writes (``tests/engine/test_exact.py`` compares it).
"""

from typing import Final


def _floats(text: str) -> tuple[float, ...]:
    """Hex floats, blank separated; ``float.fromhex`` is exact on every platform."""
    return tuple(map(float.fromhex, text.split()))
'''


def scalar_constants() -> dict[str, float]:
    """The scalar constants, split where a product with a small integer has to be exact."""
    with localcontext() as context:
        context.prec = PRECISION_DIGITS
        ln2 = Decimal(2).ln()
        step = ln2 / EXP_STEPS
        step_hi, ln2_hi = truncate_bits(step, 32), truncate_bits(ln2, 41)
        return {
            "EXP_STEP_HI": step_hi,
            "EXP_STEP_LO": float(step - Decimal(step_hi)),
            "EXP_STEP_INVERSE": float(1 / step),
            "LN2_HI": ln2_hi,
            "LN2_LO": float(ln2 - Decimal(ln2_hi)),
            "INVERSE_SQRT_2PI": float(1 / (2 * pi()).sqrt()),
        }


def truncate_bits(value: Decimal, bits: int) -> float:
    """The value cut to its leading ``bits`` binary digits (a value in (0, 1))."""
    scale = 1
    while value * scale < 1:
        scale *= 2
    scale *= 1 << (bits - 1)
    return float(Decimal(int(value * scale)) / scale)


def pi() -> Decimal:
    """Pi by the Gauss-Legendre iteration, at the context's precision."""
    a, b, t, p = Decimal(1), 1 / Decimal(2).sqrt(), Decimal("0.25"), Decimal(1)
    for _ in range(8):
        a, b, t, p = (a + b) / 2, (a * b).sqrt(), t - p * ((a - b) / 2) * ((a - b) / 2), 2 * p
    return (a + b) * (a + b) / (4 * t)


def reference_exp(x: float) -> Decimal:
    """e to the x."""
    with localcontext() as context:
        context.prec = PRECISION_DIGITS
        return Decimal(x).exp()


def reference_log(x: float) -> Decimal:
    """The natural logarithm of x > 0."""
    with localcontext() as context:
        context.prec = PRECISION_DIGITS
        return Decimal(x).ln()


def reference_norm_pdf(x: float) -> Decimal:
    """The standard normal density: exp(-x*x/2) / sqrt(2 pi)."""
    with localcontext() as context:
        context.prec = PRECISION_DIGITS
        exact = Decimal(x)
        return (-exact * exact / 2).exp() / (2 * pi()).sqrt()


def reference_norm_cdf(x: float) -> Decimal:
    """The standard normal distribution function, for |x| up to 9.

    1/2 + pdf(x) * sum of x^(2k+1) / (1*3*5*...*(2k+1)): all terms of one sign, so nothing is lost
    before the last subtraction, which costs about 20 of the digits carried.
    """
    with localcontext() as context:
        context.prec = PRECISION_DIGITS
        exact = Decimal(x)
        square = exact * exact
        term, total, odd = exact, Decimal(0), 1
        tiny = Decimal(1).scaleb(-PRECISION_DIGITS)
        while abs(term) > tiny:
            total += term
            odd += 2
            term = term * square / odd
        return Decimal("0.5") + reference_norm_pdf(x) * total


def table(function: Callable[[float], Decimal], inputs: Iterator[float]) -> str:
    """One table as lines of hex floats, each correctly rounded from the reference."""
    words = [float(function(x)).hex() for x in inputs]
    rows = [words[i : i + HEX_PER_LINE] for i in range(0, len(words), HEX_PER_LINE)]
    return "\n".join("    " + " ".join(row) for row in rows)


def exp_table() -> str:
    """2^(j/256) for j = 0 .. 255."""
    with localcontext() as context:
        context.prec = PRECISION_DIGITS
        step = Decimal(2).ln() / EXP_STEPS
        return table(lambda j: (step * Decimal(j)).exp(), (float(j) for j in range(EXP_STEPS)))


def module_text() -> str:
    """The whole text of ``engine/exact_tables.py``."""
    grid = [j / NORM_STEPS for j in range(NORM_MAX * NORM_STEPS + 1)]
    centres = [j / LOG_STEPS for j in range(LOG_FIRST, LOG_LAST + 1)]
    tables = [
        ("EXP2_TABLE", f"2^(j/{EXP_STEPS}), j = 0 .. {EXP_STEPS - 1}", exp_table()),
        (
            "LOG_TABLE",
            f"log(j/{LOG_STEPS}), j = {LOG_FIRST} .. {LOG_LAST}",
            table(reference_log, iter(centres)),
        ),
        (
            "NORM_TAIL_TABLE",
            f"P(Z < -j/{NORM_STEPS}), j = 0 .. {NORM_MAX * NORM_STEPS}",
            table(lambda a: reference_norm_cdf(-a), iter(grid)),
        ),
        (
            "NORM_PDF_TABLE",
            f"normal density at j/{NORM_STEPS}, j = 0 .. {NORM_MAX * NORM_STEPS}",
            table(reference_norm_pdf, iter(grid)),
        ),
    ]
    scalars = "\n".join(
        f'{name}: Final = float.fromhex("{value.hex()}")'
        for name, value in scalar_constants().items()
    )
    sizes = "\n".join(
        f"{name}: Final = {value}"
        for name, value in (
            ("EXP_STEPS", EXP_STEPS),
            ("LOG_STEPS", LOG_STEPS),
            ("LOG_FIRST", LOG_FIRST),
            ("NORM_STEPS", NORM_STEPS),
            ("NORM_MAX", NORM_MAX),
        )
    )
    bodies = "\n\n".join(
        f'{name}: Final = _floats(\n    """\n{body}\n    """\n)\n"""{words}."""'
        for name, words, body in tables
    )
    return f"{HEADER}\n\n{sizes}\n{scalars}\n\n{bodies}\n"


if __name__ == "__main__":
    sys.stdout.write(module_text())

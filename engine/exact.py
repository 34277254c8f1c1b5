"""Exact functions: exp, log and the normal distribution with the same bits on every machine.

Lives here: elementary functions built from ``+ - * /``, ``frexp``, ``ldexp`` and ``floor`` alone,
which IEEE 754 fixes, around the golden tables of ``exact_tables.py``; libm's own exp and log differ
between builds and CPUs. May import: ``math`` (sqrt, floor, frexp, ldexp), the tables. Always holds:
every result is finite, never -0.0, and equal bit for bit wherever this runs; an argument without
such a result raises ``ExactDomainError``. The order of operations in this file is part of the
journal's format: ``tests/engine/goldens_exact/golden_bits.txt`` pins it.
Start reading at ``exp``.
"""

from __future__ import annotations

from math import floor, frexp, ldexp, sqrt
from typing import Final

from engine.exact_tables import (
    EXP2_TABLE,
    EXP_STEP_HI,
    EXP_STEP_INVERSE,
    EXP_STEP_LO,
    INVERSE_SQRT_2PI,
    LN2_HI,
    LN2_LO,
    LOG_FIRST,
    LOG_STEPS,
    LOG_TABLE,
    NORM_MAX,
    NORM_PDF_TABLE,
    NORM_STEPS,
    NORM_TAIL_TABLE,
)

__all__ = [
    "ExactDomainError",
    "exp",
    "log",
    "norm_cdf",
    "norm_pdf",
    "norm_cdf_pdf",
    # IEEE 754 fixes these two; handed on so that callers name one module for all of their maths.
    "floor",
    "sqrt",
]

EXP_MAX: Final = 709.0
"""Above this ``exp`` raises rather than come near overflow (the limit of a double is 709.78)."""

EXP_MIN: Final = -708.0
"""Below this ``exp`` is 0.0: subnormal results are rounded differently by some C libraries."""

_INFINITY: Final = float("inf")
_SQRT_HALF: Final = 0.7071067811865476
_NORM_STEP: Final = 1.0 / NORM_STEPS
_NORM_STEPS_FLOAT: Final = float(NORM_STEPS)
_NORM_MAX_FLOAT: Final = float(NORM_MAX)
_LOG_STEPS_FLOAT: Final = float(LOG_STEPS)
_TAIL_TERMS: Final = 32


class ExactDomainError(ValueError):
    """The argument is outside the function's domain, or not a number; the message names both."""


def exp(x: float) -> float:
    """e to the x, within 4e-16 relative; 0.0 below ``EXP_MIN``.

    x = k * ln2/256 + r with |r| <= ln2/512 (Cody and Waite's two-part constant keeps r exact to
    85 bits), then 2^(k/256) from the table times the Taylor series of exp(r) to r^4.
    Raises ``ExactDomainError`` above ``EXP_MAX`` and for NaN.
    """
    if not EXP_MIN <= x <= EXP_MAX:
        return _exp_outside(x)
    k = floor(x * EXP_STEP_INVERSE + 0.5)
    r = (x - k * EXP_STEP_HI) - k * EXP_STEP_LO
    scale = EXP2_TABLE[k & 255]
    series = r * (1.0 + r * (0.5 + r * (0.16666666666666666 + r * 0.041666666666666664)))
    return ldexp(scale + scale * series, k >> 8)


def _exp_outside(x: float) -> float:
    if x < EXP_MIN:
        return 0.0
    raise ExactDomainError(f"exp({x!r}): the argument must be a number up to {EXP_MAX}")


def log(x: float) -> float:
    """Natural logarithm of a finite x > 0, within 4e-16 relative.

    x = 2^e * m with m in [sqrt(1/2), sqrt(2)), c the multiple of 1/128 nearest to m, then
    e * ln2 + log(c) + 2 atanh((m - c) / (m + c)); at c = 1 the table holds 0, so that x near 1
    loses nothing. Raises ``ExactDomainError`` for zero, negatives, infinity and NaN.
    """
    if not 0.0 < x < _INFINITY:
        raise ExactDomainError(f"log({x!r}): the argument must be positive and finite")
    m, e = frexp(x)
    if m < _SQRT_HALF:
        m += m
        e -= 1
    j = floor(m * _LOG_STEPS_FLOAT + 0.5)
    c = j / _LOG_STEPS_FLOAT
    s = (m - c) / (m + c)
    square = s * s
    series = 2.0 * s + s * square * (0.6666666666666666 + square * 0.4)
    return (e * LN2_HI + LOG_TABLE[j - LOG_FIRST]) + (e * LN2_LO + series)


def norm_cdf(x: float) -> float:
    """P(Z <= x) of the standard normal, within 5e-16 relative for every x (both tails).

    The lower tail at the nearest multiple of 1/64 from the table, then 8 Taylor steps; beyond
    |x| = 8 the continued fraction of Mills' ratio. 0.0 below about -37.6.
    Raises ``ExactDomainError`` for NaN.
    """
    a = x if x >= 0.0 else -x
    if a <= _NORM_MAX_FLOAT:
        j = floor(a * _NORM_STEPS_FLOAT + 0.5)
        d = a - j * _NORM_STEP
        q0, q1, q2, q3, q4, q5, q6, q7, q8 = _TAIL_ROWS[j]
        tail = q0 + d * (
            q1 + d * (q2 + d * (q3 + d * (q4 + d * (q5 + d * (q6 + d * (q7 + d * q8))))))
        )
    else:
        tail = _far_tail(a)[0]
    return tail if x < 0.0 else 1.0 - tail


def norm_pdf(x: float) -> float:
    """Density of the standard normal, within 5e-16 relative; 0.0 beyond about 37.6.

    Raises ``ExactDomainError`` for NaN.
    """
    a = x if x >= 0.0 else -x
    if not a <= _NORM_MAX_FLOAT:
        return _far_pdf(a)
    j = floor(a * _NORM_STEPS_FLOAT + 0.5)
    d = a - j * _NORM_STEP
    p0, p1, p2, p3, p4, p5, p6, p7, p8 = _PDF_ROWS[j]
    return p0 + d * (p1 + d * (p2 + d * (p3 + d * (p4 + d * (p5 + d * (p6 + d * (p7 + d * p8)))))))


def norm_cdf_pdf(x: float) -> tuple[float, float]:
    """``(norm_cdf(x), norm_pdf(x))``, the same bits as the two calls, for little more than one."""
    a = x if x >= 0.0 else -x
    if a <= _NORM_MAX_FLOAT:
        j = floor(a * _NORM_STEPS_FLOAT + 0.5)
        d = a - j * _NORM_STEP
        q0, q1, q2, q3, q4, q5, q6, q7, q8 = _TAIL_ROWS[j]
        tail = q0 + d * (
            q1 + d * (q2 + d * (q3 + d * (q4 + d * (q5 + d * (q6 + d * (q7 + d * q8))))))
        )
        p0, p1, p2, p3, p4, p5, p6, p7, p8 = _PDF_ROWS[j]
        pdf = p0 + d * (
            p1 + d * (p2 + d * (p3 + d * (p4 + d * (p5 + d * (p6 + d * (p7 + d * p8))))))
        )
    else:
        tail, pdf = _far_tail(a)
    return (tail if x < 0.0 else 1.0 - tail), pdf


def _far_pdf(a: float) -> float:
    """Density for a > 8.

    a is split at a multiple of 1/64 whose square is exact: exp(-a*a/2) in one piece would carry
    the rounding of a*a, which is worth a*a/2 units of the last place.
    """
    if a != a:
        raise ExactDomainError(f"norm({a!r}): the argument must be a number")
    if a > 40.0:
        return 0.0
    head = floor(a * _NORM_STEPS_FLOAT) * _NORM_STEP
    rest = a - head
    return INVERSE_SQRT_2PI * exp(-0.5 * head * head) * exp(-rest * (head + 0.5 * rest))


def _far_tail(a: float) -> tuple[float, float]:
    """P(Z < -a) and the density for a > 8.

    Laplace's continued fraction of Mills' ratio, 1/(a + 1/(a + 2/(a + 3/...))) (Abramowitz and
    Stegun 26.2.14); 32 terms are below one unit of the last place from a = 8 on.
    """
    pdf = _far_pdf(a)
    if pdf == 0.0:
        return 0.0, 0.0
    fraction = a
    for k in range(_TAIL_TERMS, 0, -1):
        fraction = a + k / fraction
    return pdf / fraction, pdf


_Row = tuple[float, float, float, float, float, float, float, float, float]


def _pdf_row(a: float, pdf: float) -> _Row:
    """Taylor coefficients of the density around a, from f' = -x f: (n+1) b' = -(a b + b_before)."""
    before, b = 0.0, pdf
    row = [b]
    for n in range(1, 9):
        before, b = b, -(a * b + before) / n
        row.append(b)
    b0, b1, b2, b3, b4, b5, b6, b7, b8 = row
    return b0, b1, b2, b3, b4, b5, b6, b7, b8


def _tail_row(tail: float, pdf_row: _Row) -> _Row:
    """Taylor coefficients of the lower tail around a: its derivative is minus the density."""
    b0, b1, b2, b3, b4, b5, b6, b7, _ = pdf_row
    return tail, -b0, -b1 / 2.0, -b2 / 3.0, -b3 / 4.0, -b4 / 5.0, -b5 / 6.0, -b6 / 7.0, -b7 / 8.0


_PDF_ROWS: Final = tuple(_pdf_row(j * _NORM_STEP, pdf) for j, pdf in enumerate(NORM_PDF_TABLE))
_TAIL_ROWS: Final = tuple(
    _tail_row(tail, row) for tail, row in zip(NORM_TAIL_TABLE, _PDF_ROWS, strict=True)
)

"""engine/exact.py: golden tables, golden bits, accuracy against two oracles, domain."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import exact, exact_tables
from tests.engine.goldens_exact import make_bits, make_tables

GOLDEN_BITS = Path(__file__).parent / "goldens_exact" / "golden_bits.txt"
TOLERANCE = 5e-16


def pinned() -> list[str]:
    return GOLDEN_BITS.read_text(encoding="ascii").splitlines()


def test_tables_are_what_the_script_writes() -> None:
    """The checked-in tables are correctly rounded: a 70-digit computation gives the same text."""
    source = Path(exact_tables.__file__).read_text(encoding="utf-8")
    assert source == make_tables.module_text()


def test_golden_bits() -> None:
    """Every function gives the pinned bits: what was recorded elsewhere replays here."""
    assert make_bits.lines() == pinned()


def test_golden_bits_without_fused_multiply_add() -> None:
    """Another C library path gives the same bits: glibc told not to use FMA, which moves its exp.

    Elsewhere than on glibc for x86 the setting means nothing and this is a second process.
    """
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-m", make_bits.__name__],
        cwd=root,
        env={**os.environ, "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-FMA,-FMA4,-AVX2"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == pinned()


@pytest.mark.parametrize("name", ["EXP2_TABLE", "LOG_TABLE", "_TAIL_ROWS", "_PDF_ROWS"])
def test_golden_bits_canary(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """One unit of the last place in one row of one table is enough to fail the golden bits."""
    table = list(getattr(exact, name))
    row = table[77]
    table[77] = nudged(row) if isinstance(row, float) else (nudged(row[0]), *row[1:])
    monkeypatch.setattr(exact, name, tuple(table))
    assert make_bits.lines() != pinned()


def nudged(value: float) -> float:
    return math.nextafter(value, math.inf)


def relative_error(value: float, reference: Decimal) -> float:
    return abs(float((Decimal(value) - reference) / reference))


@pytest.mark.parametrize(
    ("function", "reference", "low", "high"),
    [
        (exact.exp, make_tables.reference_exp, -707.0, 709.0),
        (exact.exp, make_tables.reference_exp, -1.0, 1.0),
        (exact.log, make_tables.reference_log, 1e-300, 1e-3),
        (exact.log, make_tables.reference_log, 0.5, 2.0),
        (exact.log, make_tables.reference_log, 0.999, 1.001),
        (exact.log, make_tables.reference_log, 1e5, 1e8),
        (exact.norm_cdf, make_tables.reference_norm_cdf, -9.0, -8.0),
        (exact.norm_cdf, make_tables.reference_norm_cdf, -8.0, 8.0),
        (exact.norm_pdf, make_tables.reference_norm_pdf, -8.0, 8.0),
        (exact.norm_pdf, make_tables.reference_norm_pdf, 8.0, 37.0),
    ],
)
def test_accuracy_against_decimal(
    function: Callable[[float], float],
    reference: Callable[[float], Decimal],
    low: float,
    high: float,
) -> None:
    """The documented error bound holds against 70 digits, table seams included."""
    numbers = make_bits.uniform(7)
    inputs = [low + (high - low) * next(numbers) for _ in range(300)]
    steps = (round(low * 128) + i for i in range(64))
    inputs += [x for x in ((k + 0.5) / 128 for k in steps) if low <= x <= high]
    worst = max((relative_error(function(x), reference(x)), x) for x in inputs)
    assert worst[0] <= TOLERANCE, f"{function.__name__} at {worst[1]!r}"


@settings(deadline=None)
@given(st.floats(-700.0, 700.0))
def test_exp_against_libm(x: float) -> None:
    """exp agrees with the C library to 5e-16."""
    assert exact.exp(x) == pytest.approx(math.exp(x), rel=TOLERANCE, abs=0.0)


@settings(deadline=None)
@given(st.floats(1e-300, 1e300))
def test_log_against_libm(x: float) -> None:
    """log agrees with the C library to 5e-16."""
    assert exact.log(x) == pytest.approx(math.log(x), rel=TOLERANCE, abs=0.0)


@settings(deadline=None)
@given(st.floats(-37.0, 37.0))
def test_norm_cdf_against_libm(x: float) -> None:
    """norm_cdf agrees with erfc; erfc's argument is rounded, which costs x * x / 2 units."""
    oracle = 0.5 * math.erfc(-x / math.sqrt(2.0))
    assert exact.norm_cdf(x) == pytest.approx(oracle, rel=1e-15 + x * x * 3e-16, abs=0.0)


def test_against_mpmath() -> None:
    """A second arbitrary-precision library agrees, so the references share no mistake."""
    mpmath = pytest.importorskip("mpmath", reason="mpmath is not installed here")
    numbers = make_bits.uniform(23)
    with mpmath.workdps(60):
        for _ in range(200):
            x = 74.0 * next(numbers) - 37.0
            for function, oracle in (
                (exact.exp, mpmath.exp(x)),
                (exact.norm_cdf, mpmath.erfc(-mpmath.mpf(x) / mpmath.sqrt(2)) / 2),
                (exact.norm_pdf, mpmath.npdf(mpmath.mpf(x))),
            ):
                assert abs(mpmath.mpf(function(x)) / oracle - 1) <= TOLERANCE, (function, x)
            y = abs(x) + 1e-3
            assert abs(mpmath.mpf(exact.log(y)) / mpmath.log(y) - 1) <= TOLERANCE, y


@settings(deadline=None)
@given(st.floats(-40.0, 40.0), st.floats(1e-12, 5.0))
def test_norm_cdf_properties(x: float, step: float) -> None:
    """norm_cdf stays in [0, 1], its tails add up to 1, and it never falls."""
    cdf = exact.norm_cdf(x)
    assert 0.0 <= cdf <= 1.0
    assert cdf + exact.norm_cdf(-x) == pytest.approx(1.0, abs=2.3e-16)
    assert exact.norm_cdf(x + step) >= cdf * (1.0 - TOLERANCE)


@settings(deadline=None)
@given(st.floats(-50.0, 50.0))
def test_joint_call_has_the_same_bits(x: float) -> None:
    """norm_cdf_pdf is the two single calls, bit for bit."""
    assert exact.norm_cdf_pdf(x) == (exact.norm_cdf(x), exact.norm_pdf(x))


@pytest.mark.parametrize(
    ("function", "argument"),
    [
        (exact.exp, 709.5),
        (exact.exp, math.inf),
        (exact.exp, math.nan),
        (exact.log, 0.0),
        (exact.log, -0.0),
        (exact.log, -1.0),
        (exact.log, math.inf),
        (exact.log, math.nan),
        (exact.norm_cdf, math.nan),
        (exact.norm_pdf, math.nan),
        (exact.norm_cdf_pdf, math.nan),
    ],
)
def test_outside_the_domain(function: Callable[[float], object], argument: float) -> None:
    """An argument without a finite result raises the typed error that names it."""
    with pytest.raises(exact.ExactDomainError, match="must be"):
        function(argument)


def test_limits_are_zero_not_negative_zero() -> None:
    """Underflow and log(1) give +0.0; certainty is exactly 1.0."""
    results = (
        exact.exp(-709.0),
        exact.exp(-math.inf),
        exact.log(1.0),
        exact.norm_cdf(-39.0),
        exact.norm_cdf(-math.inf),
        exact.norm_pdf(math.inf),
    )
    assert all(result == 0.0 and math.copysign(1.0, result) == 1.0 for result in results)
    assert exact.norm_cdf(math.inf) == 1.0
    assert exact.exp(0.0) == exact.exp(-0.0) == 1.0
    assert exact.norm_cdf(0.0) == 0.5

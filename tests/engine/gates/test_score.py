"""The score: weights that are a whole, parts per mille that each grow with what is better."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.config import ContractConfig
from engine.gates.score import WEIGHTS, WHOLE, score_of, score_rows

GOOD = (500, 0, 0, 2_000, 10_000, 10_000)
"""Delta at the aim, at the money, no spread, twice the risk, ten lots, ten times the volume."""
CONFIG = ContractConfig()

INPUTS = st.tuples(
    st.integers(0, 1_000), st.integers(-9_999, 9_999), st.integers(0, 20_000),
    st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**9),
)  # fmt: skip


def test_the_weights_are_a_whole_and_the_best_has_it() -> None:
    """They sum to a thousand, and a contract without fault scores as much."""
    assert sum(weight for _, weight in WEIGHTS) == WHOLE
    assert score_of(CONFIG, *GOOD) == (WHOLE, (WHOLE,) * len(WEIGHTS))


@given(INPUTS)
def test_score_and_parts_are_per_mille(values: tuple[int, int, int, int, int, int]) -> None:
    """Whatever the inputs are."""
    score, parts = score_of(CONFIG, *values)
    assert all(0 <= one <= WHOLE for one in (score, *parts))


def test_each_part_falls_with_its_own_input() -> None:
    """One input worse, and its part alone is less, and so is the score."""
    worse = ((400, 0), (0, 0), (50, 1), (1_000, 2), (5_000, 3), (5_000, 4))
    for place, (value, part) in enumerate(worse):
        if place == 1:
            continue
        values = (*GOOD[:place], value, *GOOD[place + 1 :])
        score, parts = score_of(CONFIG, *values)
        assert [at for at, one in enumerate(parts) if one < WHOLE] == [part]
        assert score < WHOLE


def test_the_aim_is_by_delta_or_by_moneyness() -> None:
    """By moneyness the delta says nothing, and the strike that far in the money is best."""
    config = ContractConfig(strike_by="MONEYNESS", moneyness_aim_bps=-100)
    aims = [score_of(config, 999, away, *GOOD[2:])[1][0] for away in (-300, -100, 0, 400)]
    assert aims == [600, 1_000, 800, 0]


def test_the_rows_of_evidence_decide_nothing() -> None:
    """Every row is a PASS without a reason; a contract without parts has none."""
    rows = score_rows((1, 2, 3, 4, 5))
    assert [(row.verdict, row.reason, row.observed) for row in rows] == [
        ("PASS", None, part) for part in (1, 2, 3, 4, 5)
    ]
    assert score_rows(()) == ()

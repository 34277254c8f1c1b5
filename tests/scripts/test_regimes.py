"""The regime's right names: the page's tables are what the engine makes now."""

from __future__ import annotations

import pytest

from engine.regime_model import FIRST, SHIPPED
from scripts import regimes


def test_the_page_has_the_shipped_model() -> None:
    """The page's table of weights is made from the engine's own."""
    text = regimes.PAGE.read_text(encoding="utf-8")
    assert regimes.put(text, "model", regimes.model_table()) == text


@pytest.mark.slow
def test_the_page_has_the_shares_as_they_are() -> None:
    """Every profile under both models: is a change meant, python -m scripts.regimes."""
    text = regimes.PAGE.read_text(encoding="utf-8")
    assert regimes.put(text, "shares", regimes.shares_table()) == text


@pytest.mark.slow
@pytest.mark.parametrize("case", regimes.CASES, ids=lambda case: case.profile)
def test_a_day_of_one_kind_is_mostly_called_by_its_name(case: regimes.Case) -> None:
    """Its right name is the most frequent one inside the spell it is for, by the shipped model."""
    counted = regimes.shares(case, SHIPPED)
    assert counted.most_common(1)[0][0] == case.wanted, counted


@pytest.mark.slow
def test_canary_the_first_model_seldom_saw_a_volatile_range() -> None:
    """Under the first model a volatile day was hardly ever called so: the share can be small."""
    volatile = next(case for case in regimes.CASES if case.profile == "volatile")
    assert regimes.per_cent(regimes.shares(volatile, FIRST, (1,)), "RANGE_VOLATILE") < 25


def test_a_page_without_its_marks_is_refused() -> None:
    """A part that cannot be put anywhere is an error, no silence."""
    with pytest.raises(ValueError, match="no marks"):
        regimes.put("a page", "model", "x")

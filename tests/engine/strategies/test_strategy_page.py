"""The strategy that docs/STRATEGY.md writes runs, and the page's tables are those of the code."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest
from msgspec.structs import replace

from engine.gates.strategy import judge_signal
from engine.strategies import FAMILIES
from engine.strategies.family import Family
from engine.strategies.lifecycle import MOVES
from engine.strategies.routing import ROUTES
from engine.view import View
from events.gates import CONTRACT_FILTERS
from tests.engine.build import at_trade, view_of

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "STRATEGY.md").read_text()


def _example() -> Family:
    """The family of the page's file, made as an import would."""
    (source,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    module = ModuleType("breakout")
    exec(compile(source, "docs/STRATEGY.md", "exec"), module.__dict__)
    family = module.__dict__["FAMILY"]
    assert isinstance(family, Family)
    return family


def _view(broken: str, side: str, change: int | None) -> View:
    view = view_of(at_trade().state)
    known = view.market.features
    assert known is not None
    features = replace(
        known,
        opening_range=replace(known.opening_range, broken=broken, side=side),
        momentum=replace(known.momentum, change_5m_ppm=change),
        higher_trend=replace(known.higher_trend, direction="FLAT"),
    )
    return replace(view, market=replace(view.market, features=features))


@pytest.mark.parametrize(
    ("broken", "side", "change", "want"),
    [
        ("UP", "ABOVE", 300, ("UP", 300)),
        ("DOWN", "BELOW", -5_000, ("DOWN", 1_000)),
        ("UP", "INSIDE", 300, (None, 300)),
        ("NONE", "INSIDE", 300, (None, 300)),
        ("UNKNOWN", "UNKNOWN", None, (None, 0)),
    ],
)
def test_the_page_s_strategy_signals(
    broken: str, side: str, change: int | None, want: tuple[str | None, int]
) -> None:
    """It joins the break while it holds."""
    signal = _example().signal(_view(broken, side, change))
    assert (signal.direction, signal.strength_milli) == want


def test_the_page_s_strategy_is_judged_by_the_engine() -> None:
    """N9 passes with it, and refuses it where it is weak or the longer bars are against it."""
    family = _example()
    verdict, chosen = judge_signal(_view("UP", "ABOVE", 300), (family,))
    assert (verdict.verdict, chosen.family) == ("PASS", family)
    assert judge_signal(_view("UP", "ABOVE", 199), (family,))[0].reason == "SIGNAL_WEAK"
    assert family.name not in {one.name for one in FAMILIES}


def test_the_page_s_tables_are_the_code_s() -> None:
    """Each regime's row, each filter in its order."""
    for route in ROUTES:
        cells = [" ".join(names) or "-" for names in (route.live, route.others)]
        assert f"| {route.regime} | {' | '.join(cells)} | `{route.refusal}` |" in PAGE
    told = [code for line in re.findall(r"^\| (`CONTRACT_.*?) \|", PAGE, re.MULTILINE)
            for code in re.findall(r"`(\w+)`", line)]  # fmt: skip
    assert tuple(told) == CONTRACT_FILTERS
    for was, to in MOVES:
        assert f"| {was} | {', '.join(to) or '-'} |" in PAGE

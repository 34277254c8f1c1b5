"""Strategies: one small file each behind one protocol, in one table.

Lives here: the table of families and its look-ups. May import: events, engine. Always holds: a
strategy is a pure function from a view to a signal; a family that may not trade a regime has its
reason; the order of the table is the order of preference at equal probability.
Start reading at ``FAMILIES``, then ``engine.strategies.routing``.
"""

from __future__ import annotations

from typing import Final

from engine.strategies import defined_risk, mean_revert, trend
from engine.strategies.family import Family
from engine.strategies.routing import routed

__all__ = ["FAMILIES", "Family", "family_named", "family_of", "has_two_legs", "regime_allows"]

FAMILIES: Final[tuple[Family, ...]] = (trend.FAMILY, mean_revert.FAMILY, defined_risk.FAMILY)


def family_of(strategy_id: str) -> Family:
    """The family of a strategy id. Raises ``KeyError``."""
    for family in FAMILIES:
        if family.strategy_id == strategy_id:
            return family
    raise KeyError(strategy_id)


def family_named(name: str) -> Family:
    """The family of a name. Raises ``KeyError``."""
    for family in FAMILIES:
        if family.name == name:
            return family
    raise KeyError(name)


def regime_allows(family: Family, regime: str, *, live: bool) -> bool:
    """Whether the routing lets a family trade a regime in LIVE, or in the other modes."""
    return family.name in routed(regime, live=live)


def has_two_legs(strategy_id: str) -> bool:
    """Whether what a strategy buys is sold against; not so where no family has the id."""
    return any(one.strategy_id == strategy_id and one.two_legs for one in FAMILIES)

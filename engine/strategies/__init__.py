"""Strategies: one small file each behind one protocol, in one table.

Lives here: the table of families and its look-ups. May import: events, engine. Always holds: a
strategy is a pure function from a view to a signal; a family that may not trade a regime has its
reason; the order of the table is the order of preference at equal probability.
Start reading at ``FAMILIES``, then ``engine.strategies.routing``.
"""

from __future__ import annotations

from typing import Final

from engine.strategies import mean_revert, trend
from engine.strategies.family import Family
from engine.strategies.routing import route_of

__all__ = ["FAMILIES", "Family", "family_named", "family_of", "regime_allows"]

FAMILIES: Final[tuple[Family, ...]] = (trend.FAMILY, mean_revert.FAMILY)


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


def regime_allows(family: Family, regime: str) -> bool:
    """Whether the routing lets a family trade a regime in every mode."""
    route = route_of(regime)
    return family.name in route.live and family.name in route.others

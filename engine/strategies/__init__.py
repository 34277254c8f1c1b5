"""Strategies: one small file each behind one protocol, in one table.

Lives here: the protocol, the table of families, the routing of regimes. May import: events, engine.
Always holds: a strategy is a pure function from a view to a signal; a family that may not trade a
regime has its reason; the order of the table is the order of preference at equal probability.
Start reading at ``FAMILIES``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from engine.config import Config
from engine.strategies import mean_revert, trend
from engine.strategies.signal import Signal
from engine.view import View


class Family(msgspec.Struct, frozen=True):
    """One strategy family: which regimes it may trade and how it is asked for its signal.

    ``expiry_day``: it is meant for the expiry that ends today, where that is in view.
    """

    name: str
    strategy_id: str
    gate: str
    regimes: tuple[str, ...]
    enabled: Callable[[Config], bool]
    signal_min_milli: Callable[[Config], int]
    signal: Callable[[View], Signal]
    expiry_day: bool = False


FAMILIES: Final[tuple[Family, ...]] = (
    Family(
        "TREND", "trend.v1", "family_trend", ("TREND",),
        lambda config: config.trend.enabled,
        lambda config: config.trend.signal_milli_min,
        trend.signal,
    ),
    Family(
        "MEAN_REVERT", "mean_revert.v1", "family_mean_revert", ("RANGE", "RANGE_VOLATILE"),
        lambda config: config.mean_revert.enabled,
        lambda config: config.mean_revert.signal_milli_min,
        mean_revert.signal,
    ),
)  # fmt: skip
"""EVENT and PANIC have no family yet: they need a defined risk, which is a spread."""


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
    """Whether the routing lets a family trade a regime."""
    return regime in family.regimes

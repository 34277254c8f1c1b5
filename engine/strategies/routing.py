"""Routing: which families may trade a regime in a mode, and why the others may not, as one table.

Lives here: the table and its look-up. May import: nothing of the engine. Always holds: every label
of the regime has one row; a family that a row does not name is refused with the row's own reason.
Start reading at ``ROUTES``.
"""

from __future__ import annotations

from typing import Final

import msgspec

TREND: Final = "TREND"
MEAN_REVERT: Final = "MEAN_REVERT"
DEFINED_RISK: Final = "DEFINED_RISK"

NOT_FOR_REGIME: Final = "FAMILY_NOT_FOR_REGIME"


class Route(msgspec.Struct, frozen=True):
    """One regime: the families of LIVE and of the other modes, and why any other is refused."""

    regime: str
    live: tuple[str, ...]
    others: tuple[str, ...]
    refusal: str


ROUTES: Final[tuple[Route, ...]] = (
    Route("TREND", (TREND,), (TREND,), NOT_FOR_REGIME),
    Route("RANGE", (MEAN_REVERT,), (MEAN_REVERT,), NOT_FOR_REGIME),
    Route("RANGE_VOLATILE", (MEAN_REVERT,), (MEAN_REVERT,), NOT_FOR_REGIME),
    Route("EVENT", (DEFINED_RISK,), (DEFINED_RISK,), "FAMILY_EVENT"),
    Route("PANIC", (), (), "FAMILY_PANIC"),
    Route("NEUTRAL", (), (DEFINED_RISK,), "FAMILY_NEUTRAL"),
    Route("UNKNOWN", (), (), NOT_FOR_REGIME),
)
"""An event is for a defined risk alone; in a panic nothing is opened; without a leader LIVE opens
nothing."""

BY_REGIME: Final = {route.regime: route for route in ROUTES}


def route_of(regime: str) -> Route:
    """The row of a regime; of a label that nobody knows, that of UNKNOWN."""
    return BY_REGIME.get(regime, BY_REGIME["UNKNOWN"])


def routed(regime: str, *, live: bool) -> tuple[str, ...]:
    """The families that the regime is routed to."""
    route = route_of(regime)
    return route.live if live else route.others

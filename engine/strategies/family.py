"""The protocol of a strategy: what its one file declares.

Lives here: ``Family``. May import: events, engine. Always holds: what a strategy is asked is a pure
function of the view; everything else of it is data that the gates read. Start reading at
``Family``; ``docs/STRATEGY.md`` shows how to write one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from engine.config import Config
from engine.strategies.signal import Signal
from engine.view import View

OPENING_RANGE: Final = "OPENING_RANGE"
HIGHER_TREND: Final = "HIGHER_TREND"


class Family(msgspec.Struct, frozen=True):
    """One strategy family. Which regimes it trades is ``engine.strategies.routing``'s.

    ``gate`` shows its refusal, ``enabled`` and ``signal_min_milli`` read its own settings,
    ``signal`` gives direction and strength. ``aligned`` names, as configured, what its direction
    may not go against: the opening range, the trend of longer bars. ``expiry_day``: it is meant for
    the expiry that ends today, where that is in view. ``two_legs``: it sells a second contract
    against the one that it buys (``engine.spreads``).
    """

    name: str
    strategy_id: str
    gate: str
    enabled: Callable[[Config], bool]
    signal_min_milli: Callable[[Config], int]
    signal: Callable[[View], Signal]
    aligned: Callable[[Config], tuple[str, ...]]
    expiry_day: bool = False
    two_legs: bool = False

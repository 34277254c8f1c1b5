"""What a strategy answers.

Lives here: the signal. May import: msgspec. Always holds: a lean is given even where there is no
signal, so that an assumed evaluation has a direction; it never leads to an order.
"""

from __future__ import annotations

from typing import Final

import msgspec

UP: Final = "UP"
DOWN: Final = "DOWN"


class Signal(msgspec.Struct, frozen=True, gc=False):
    """``direction`` UP, DOWN or None; ``lean`` the direction it would take; strength per mille."""

    direction: str | None
    lean: str
    strength_milli: int

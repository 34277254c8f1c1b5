"""The interpreter's collector, kept from holding up a frame.

Lives here: ``calm`` and ``wake``. May import: the standard library. Always holds: what is there
when a screen stands (modules, styles, widgets) is looked through once and not again, since it
stays; what comes later is collected as ever, in larger parts; between two sessions all of it counts
again, so that the first one's app can go. Start reading at ``calm``.
"""

from __future__ import annotations

import gc
from typing import Final

CALM: Final = (5_000, 5, 5)
"""Of the three generations. Measured: with the interpreter's own numbers one frame of a hundred
takes 60 ms of CPU, most of it a look through what stays. Much rarer is no better: Textual's layouts
leave rings behind, some MB in an hour of going about."""


def calm() -> None:
    """A screen stands: leave what it is made of alone."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*CALM)


def wake() -> None:
    """The screen is closed: everything may go."""
    gc.unfreeze()

"""Curves in block characters.

Lives here: ``plot``. May import: tui.fmt. Always holds: every row has exactly the width asked for;
the glyphs are the eight blocks that every font has. Start reading at ``plot``.
"""

from __future__ import annotations

from tui.fmt import BLOCKS, resample

FULL = "█"
EMPTY = "░"


def plot(values: tuple[int, ...], width: int, rows: int) -> tuple[str, ...]:
    """Values as columns between their least and greatest, top row first; flat is the lowest.

    Each column has at least its lowest block, so that a value is never a blank.
    """
    shown = resample(values, width)
    if not shown or rows <= 0:
        return (" " * max(width, 0),) * max(rows, 0)
    low, high = min(shown), max(shown)
    steps = rows * len(BLOCKS) - 1
    heights = [1 + (value - low) * steps // max(high - low, 1) for value in shown]
    pad = " " * (width - len(shown))
    return tuple(
        "".join(_block(height - (rows - 1 - row) * len(BLOCKS)) for height in heights) + pad
        for row in range(rows)
    )


def _block(height: int) -> str:
    """The part of a column that stands in one row, of so many eighths."""
    return " " if height <= 0 else BLOCKS[min(height, len(BLOCKS)) - 1]


def share_bar(used: int, limit: int, width: int) -> str:
    """``[████░░░░]``: what of a limit is used; anything used shows, and full is at the limit."""
    room = max(width - 2, 1)
    if limit <= 0:
        filled = room if used > 0 else 0
    else:
        filled = min(max(used, 0) * room // limit, room)
        if used > 0 and filled == 0:
            filled = 1
    return f"[{FULL * filled}{EMPTY * (room - filled)}]"

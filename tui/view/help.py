"""Help: every key and every sign, from the tables they are made from.

Lives here: the help's table. May import: tui.keys, tui's pure parts. Always holds: a key that works
is listed. Start reading at ``help_table``.
"""

from __future__ import annotations

from typing import Final

from tui.keys import KEYS
from tui.places import EVERYWHERE, Place
from tui.store import Frame
from tui.view.text import Column, Role, Row, Table, column, span

COLUMNS: Final[tuple[Column, ...]] = (
    column("KEY", 10),
    column("WHAT IT DOES", 40, grow=True),
    column("WHERE", 20, priority=2),
)

SIGNS: Final[tuple[tuple[str, Role, str], ...]] = (
    ("●", "ok", "good, passed"),
    ("◐", "degraded", "degraded, or still loading"),
    ("▲", "warn", "beyond its limit (an age), or worth a look"),
    ("✗", "bad", "bad, blocked, or more than five times its limit"),
    ("?", "unknown", "not known"),
    ("-", "dim", "there is none; a zero is 0"),
    ("~", "warn", "before a price: an estimate, not an exchange's print"),
)
SCREENSHOT_NOTE: Final = "shift+drag selects text with the mouse in most terminals"


def _where(places: tuple[Place, ...]) -> str:
    without = [place for place in EVERYWHERE if place not in places]
    if not without:
        return "everywhere"
    if len(without) < len(places):
        return f"but {' '.join(without)}"
    return " ".join(places)


def help_table(frame: Frame) -> Table:
    """Keys first, then signs."""
    rows = [
        Row(
            ("key", key.action),
            (span(key.shown, "key"), span(key.text), span(_where(key.places), "dim")),
        )
        for key in KEYS
    ]
    rows.extend(
        Row(("sign", shape), ((shape, role), span(text), ("sign", "dim")))
        for shape, role, text in SIGNS
    )
    rows.append(Row("note", (span("mouse", "key"), span(SCREENSHOT_NOTE), span(""))))
    kind = "recorded session: nothing here can be commanded" if frame.replay else "running engine"
    return Table(f"KEYS AND SIGNS  {kind}", COLUMNS, tuple(rows), "no keys")

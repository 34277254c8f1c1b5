"""The command palette: everything that can be done from here, found by its words.

Lives here: its rows. May import: tui.keys, tui.places, tui's pure parts. Always holds: it offers
what the key table has for the pane it was opened from, and the command line's verbs as what they
are: commands for another terminal. Start reading at ``palette_table``.
"""

from __future__ import annotations

from typing import Final

from tui.keys import KEYS, Key
from tui.places import Place
from tui.view.text import Column, Row, Table, column, span

COLUMNS: Final[tuple[Column, ...]] = (
    column("KEY", 10),
    column("WHAT IT DOES", 40, grow=True),
    column("KIND", 12, priority=2),
)
_NOT_HERE: Final = ("palette", "go_back")
"""Actions that make no sense as a choice."""


def keys_of(place: Place) -> tuple[Key, ...]:
    """The keys that do something on a pane."""
    return tuple(
        key for key in KEYS if place in key.places and key.action not in _NOT_HERE
    )  # fmt: skip


def palette_table(place: Place, words: str, verbs: tuple[tuple[str, str], ...]) -> Table:
    """What matches all the words, panes and keys first."""
    wanted = words.casefold().split()
    rows = [
        Row(
            ("do", key.action),
            (
                span(key.shown, "key"),
                span(key.text),
                span("pane" if key.action.startswith("show(") else "here", "dim"),
            ),
        )
        for key in keys_of(place)
    ]
    rows.extend(
        Row(("verb", verb), (span(""), span(f"axiom {verb}  {text}"), span("command", "dim")))
        for verb, text in verbs
    )
    found = tuple(row for row in rows if _matches(row, wanted))
    return Table(f"COMMANDS  {len(found)} of {len(rows)}", COLUMNS, found, "nothing is called so")


def _matches(row: Row, wanted: list[str]) -> bool:
    text = " ".join(cell for cell, _ in row.cells).casefold()
    return all(word in text for word in wanted)

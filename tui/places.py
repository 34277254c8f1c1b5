"""The panes that there are, in the order in which a trader needs them.

Lives here: the one table that tabs, keys, palette and help are made from. May import: msgspec.
Always holds: a place has a name, a key and the question it answers.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

Place = Literal[
    "home", "gates", "blocked", "why", "positions", "execution", "chain", "data", "recon",
    "incidents", "days", "journal", "entry", "replay", "halt", "palette", "help", "start",
]  # fmt: skip


class PlaceRow(msgspec.Struct, frozen=True):
    """A pane: its keys (as the terminal library names them, the first is shown), its word in the
    tabs (None: it has no tab) and the question it answers."""

    place: Place
    keys: tuple[str, ...]
    tab: str | None
    question: str


PLACES: Final[tuple[PlaceRow, ...]] = (
    PlaceRow("home", ("1",), "Home", "can it trade, and if not why"),
    PlaceRow("gates", ("2",), "Gates", "which stage stops which underlying, and by how much"),
    PlaceRow("positions", ("3",), "Pos", "what is held, at what risk, and what would trip next"),
    PlaceRow("chain", ("4",), "Chain", "where the contracts stand, and why each was not taken"),
    PlaceRow("blocked", ("5", "b"), "Blocked", "what blocked trades today"),
    PlaceRow("execution", ("6",), "Exec", "what works at the broker, what waits for a person"),
    PlaceRow("recon", ("7",), "Recon", "whether our books and the broker's agree"),
    PlaceRow("data", ("8",), "Data", "how fresh and whole the data is"),
    PlaceRow("days", ("9",), "Days", "what the desk did on which day"),
    PlaceRow("journal", ("0",), "Jrnl", "what was written, and what it follows from"),
    PlaceRow("incidents", ("i",), "Inc", "what asked for a person, and who has seen it"),
    PlaceRow("replay", ("t",), "Time", "what it looked like then: travel through the session"),
    PlaceRow("why", (), None, "why one decision ended as it did"),
    PlaceRow("halt", (), None, "stop it, how far, and whether the engine took it"),
    PlaceRow("entry", (), None, "everything that one entry of the journal says"),
    PlaceRow("start", (), None, "what to do where there is no session yet"),
    PlaceRow("palette", (), None, "everything that can be done from here"),
    PlaceRow("help", ("question_mark",), None, "every key and every sign"),
)
"""A row for each pane that is built; ``tui.screens.PANES`` has the same places."""

TABBED: Final[tuple[PlaceRow, ...]] = tuple(row for row in PLACES if row.tab is not None)
EVERYWHERE: Final[tuple[Place, ...]] = tuple(row.place for row in PLACES)


def but(*without: Place) -> tuple[Place, ...]:
    """Every place but these."""
    return tuple(place for place in EVERYWHERE if place not in without)

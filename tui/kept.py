"""What a user's screen keeps: theme, last place, filters and sort orders.

Lives here: that state and its way to and from the memory's names and texts. May import: msgspec,
tui's pure parts. Always holds: whatever is read gives a state and at most one line that says what
was not understood; nothing of a session is kept. Start reading at ``Kept``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

import msgspec

from tui.places import TABBED, Place
from tui.theme import DARK, THEMES
from tui.view.shaping import AS_GIVEN, Shaping

FAULT: Final = "fault"
"""The name under which a memory says why nothing could be read."""


class Kept(msgspec.Struct, frozen=True):
    """``shapings`` are by the name of the table."""

    place: Place = "home"
    theme: str = DARK
    shapings: dict[str, Shaping] = {}


def kept_of(texts: Mapping[str, str]) -> tuple[Kept, str | None]:
    """What was kept, and a line on what could not be used."""
    if FAULT in texts:
        return Kept(), f"The layout that was kept is not used: {texts[FAULT]}"
    if not texts:
        return Kept(), None
    places = [row.place for row in TABBED if row.place == texts.get("place")]
    theme = texts.get("theme", DARK)
    shapings, broken = _shapings(texts.get("tables", "{}"))
    if theme not in THEMES:
        theme, broken = DARK, True
    line = "Part of the layout that was kept is not understood and not used." if broken else None
    return Kept(places[0] if places else "home", theme, shapings), line


def _shapings(text: str) -> tuple[dict[str, Shaping], bool]:
    try:
        return msgspec.json.decode(text.encode(), type=dict[str, Shaping]), False
    except msgspec.MsgspecError:
        return {}, True


def texts_of(kept: Kept) -> dict[str, str]:
    """The texts to keep, by name."""
    shaped = {name: one for name, one in kept.shapings.items() if one != AS_GIVEN}
    tables = {name: msgspec.structs.asdict(one) for name, one in sorted(shaped.items())}
    return {"place": kept.place, "theme": kept.theme, "tables": json.dumps(tables)}

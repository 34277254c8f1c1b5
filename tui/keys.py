"""Every key, once.

Lives here: the one table that bindings, the key bar and the help are made from. May import:
msgspec. Always holds: a key in the bar works where it is shown, and stands in the help.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

Place = Literal["home", "blocked", "gates", "help"]

EVERYWHERE: Final[tuple[Place, ...]] = ("home", "blocked", "gates", "help")
LISTS: Final[tuple[Place, ...]] = ("home", "blocked", "gates")
TABLES: Final[tuple[Place, ...]] = ("home", "blocked")


class Key(msgspec.Struct, frozen=True):
    """One key: ``keys`` as the terminal library names them, ``shown`` as people do.

    ``hint`` is its word in the key bar (none: only in the help); ``places`` are the panes on which
    it does something.
    """

    keys: tuple[str, ...]
    shown: str
    action: str
    hint: str | None
    text: str
    places: tuple[Place, ...]


KEYS: Final[tuple[Key, ...]] = (
    Key(("enter", "w"), "enter", "open", "gates", "open the row: the gates of a decision", TABLES),
    Key(("1",), "1", "show('home')", None, "home: can it trade, and if not why", EVERYWHERE),
    Key(
        ("b", "5"), "b", "show('blocked')", "blocked today", "what blocked trades today", EVERYWHERE
    ),
    Key(
        ("escape",),
        "esc",
        "go_back",
        "back",
        "back to where you were",
        ("blocked", "gates", "help"),
    ),
    Key(("left_square_bracket",), "[", "step(-1)", None, "the decision before", ("gates",)),
    Key(("right_square_bracket",), "]", "step(1)", "prev/next", "the decision after", ("gates",)),
    Key(("tab",), "tab", "next_table", "next table", "next table", TABLES),
    Key(("shift+tab",), "shift+tab", "previous_table", None, "table before", TABLES),
    Key(("down", "j"), "down j", "move(1)", None, "next row", LISTS),
    Key(("up", "k"), "up k", "move(-1)", None, "row before", LISTS),
    Key(("pagedown",), "pgdn", "page(1)", None, "a page down", LISTS),
    Key(("pageup",), "pgup", "page(-1)", None, "a page up", LISTS),
    Key(("home", "g"), "home g", "jump(0)", None, "first row", LISTS),
    Key(("end", "G"), "end G", "jump(-1)", None, "last row", LISTS),
    Key(("a",), "a", "all_gates", "all gates", "all gates, or only those that failed", ("gates",)),
    Key(("f",), "f", "freeze", "freeze", "freeze the tables; the top rows go on", LISTS),
    Key(("ctrl+k",), "ctrl+k", "halt", None, "how to halt the engine from here", EVERYWHERE),
    Key(("question_mark",), "?", "show('help')", "help", "this list", EVERYWHERE),
    Key(("q",), "q", "leave", "quit", "leave; the engine goes on", EVERYWHERE),
    Key(("ctrl+c",), "ctrl+c", "leave", None, "leave, as q does", EVERYWHERE),
)


def hints(place: Place) -> tuple[tuple[str, str], ...]:
    """(shown, word) of the key bar on a pane, in table order."""
    return tuple((key.shown, key.hint) for key in KEYS if key.hint and place in key.places)

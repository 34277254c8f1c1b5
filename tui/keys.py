"""Every key, once.

Lives here: the one table that bindings, the key bar and the help are made from. May import:
msgspec, tui.places. Always holds: a key in the bar works where it is shown, and stands in the help.
"""

from __future__ import annotations

from typing import Final

import msgspec

from tui.places import EVERYWHERE, PLACES, Place, PlaceRow, but


class Key(msgspec.Struct, frozen=True):
    """One key: ``keys`` as the terminal library names them, ``shown`` as people do.

    ``hint`` is its word in the key bar (none: only in the help); ``places`` are the panes on which
    it does something. ``action`` is a method of the app; ``pane('x')`` is ``Pane.do("x")`` of the
    pane that is shown.
    """

    keys: tuple[str, ...]
    shown: str
    action: str
    hint: str | None
    text: str
    places: tuple[Place, ...]


LISTS: Final[tuple[Place, ...]] = but("help", "start")
TABLES: Final[tuple[Place, ...]] = but("help", "why", "halt", "entry", "start", "days", "palette")
GRIDS: Final[tuple[Place, ...]] = but("help", "entry", "start", "palette")
ENTRIES: Final[tuple[Place, ...]] = ("journal", "entry")
SHAPED: Final[tuple[Place, ...]] = but("help", "halt", "palette")
"""Panes whose tables may be filtered and sorted; the levels of the kill switch stay as they are."""


def _shown(name: str) -> str:
    return {"question_mark": "?"}.get(name, name)


def _go(row: PlaceRow) -> Key:
    hint = "help" if row.place == "help" else None
    text = f"{row.place}: {row.question}"
    return Key(
        row.keys,
        " ".join(map(_shown, row.keys)),
        f"show({row.place!r})",
        hint,
        text,
        EVERYWHERE,
    )


_RESOLVE_TEXT: Final = "say what became of an order, or what the broker holds of its position"
_HOLDS_TEXT: Final = "say how much of the position the broker holds"
_OPEN_TEXT: Final = "open the row: why a decision ended so"
_FIRST: Final[tuple[Key, ...]] = (
    Key(("enter", "w"), "enter w", "open", "why", _OPEN_TEXT, TABLES),
    Key(("enter",), "enter", "open", "open", "show this session here", ("days",)),
    Key(("enter",), "enter", "open", "entry", "open the journal's entry behind the row", ("why",)),
    Key(("enter",), "enter", "pane('give')", "do it", "do what the level says", ("halt",)),
    Key(
        ("x",),
        "x",
        "pane('exit')",
        "exit",
        "close the row's position, by the mode's word",
        ("positions",),
    ),
    Key(("a",), "a", "pane('approve')", "approve", "approve the entry that waits", ("execution",)),
    Key(("r",), "r", "pane('refuse')", "refuse", "turn down the entry that waits", ("execution",)),
    Key(("u",), "u", "pane('resolve')", "resolve", _RESOLVE_TEXT, ("execution",)),
    Key(("u",), "u", "pane('resolve')", "resolve", _HOLDS_TEXT, ("positions",)),
    Key(("ctrl+k",), "ctrl+k", "halt", "HALT", "the kill switch; enter then halts", EVERYWHERE),
)
_AFTER_TEXT: Final = "the underlying after"
_LEAST_TEXT: Final = "the least change of limits that would have let it trade"
_LISTS_TEXT: Final = "the last decisions, the nearest misses, those one gate away"
_PALETTE_TEXT: Final = "everything that can be done from here, by its words"
_CHANGE_TEXT: Final = "to the next change of regime, verdict, risk or readiness"
_DIVERGE_TEXT: Final = "replay the session and go to the first entry that differs"
_HASH_TEXT: Final = "replay to the recorded hash of the state and compare"
_REST: Final[tuple[Key, ...]] = (
    Key(("c",), "c", "pane('chain')", "chain", "what led to it, what followed", ("why",)),
    Key(("d",), "d", "pane('inputs')", "inputs", "what the decision saw then", ("why",)),
    Key(("h",), "h", "pane('build')", "hashes", "configuration, code and models", ("why",)),
    Key(("v",), "v", "pane('gates')", "gates", "the gates of the decision", ("why",)),
    Key(("l",), "l", "pane('least')", "least", _LEAST_TEXT, ("why",)),
    Key(("escape",), "esc", "go_back", "back", "back to where you were", but("home")),
    Key(("escape",), "esc", "clear_filter", None, "show all rows again", ("home",)),
    Key(("left_square_bracket",), "[", "pane('before')", None, "the decision before", ("why",)),
    Key(
        ("right_square_bracket",), "]", "pane('after')", "prev/next", "the decision after", ("why",)
    ),
    Key(("a",), "a", "pane('all')", "all gates", "all gates, or only those that failed", ("why",)),
    Key(("p",), "p", "pane('parity')", "parity", "replay the session and compare", ("days",)),
    Key(("r",), "r", "pane('again')", "read again", "read the desk's sessions again", ("days",)),
    Key(("d",), "d", "pane('demo')", "demo", "run the demo and open its session", ("start",)),
    Key(("left_square_bracket",), "[", "pane('before')", None, "the underlying before", ("chain",)),
    Key(("right_square_bracket",), "]", "pane('after')", "underlying", _AFTER_TEXT, ("chain",)),
    Key(("x",), "x", "pane('expiry')", "expiry", "the next expiry", ("chain",)),
    Key(("u",), "u", "pane('underlying')", "underlying", "one underlying, or all", ("blocked",)),
    Key(("n",), "n", "pane('list')", "list", _LISTS_TEXT, ("blocked",)),
    Key(("a",), "a", "pane('ack')", "acknowledge", "say that you saw it", ("incidents",)),
    Key(("A",), "A", "pane('ack-all')", None, "acknowledge all that are open", ("incidents",)),
    Key(("v",), "v", "pane('stale')", "stale only", "only what is stale, or all", ("data",)),
    Key(("h",), "h", "pane('held')", "held only", "only what is held, or all", ("data",)),
    Key(("left_square_bracket",), "[", "pane('before')", None, "the entry before", ("entry",)),
    Key(
        ("right_square_bracket",), "]", "pane('after')", "prev/next", "the entry after", ("entry",)
    ),
    Key(("c",), "c", "pane('cause')", "cause", "the entry that it follows from", ENTRIES),
    Key(
        ("o",), "o", "pane('goto')", "go to", "go to #seq, hh:mm:ss or the next of a kind", ENTRIES
    ),
    Key(("space",), "space", "pane('play')", "play", "play from here, or stop", ("replay",)),
    Key(("plus",), "+", "pane('faster')", None, "play faster", ("replay",)),
    Key(("minus",), "-", "pane('slower')", None, "play slower", ("replay",)),
    Key(("full_stop",), ".", "pane('event 1')", "step", "one entry on", ("replay",)),
    Key(("comma",), ",", "pane('event -1')", None, "one entry back", ("replay",)),
    Key(("greater_than_sign",), ">", "pane('minute 1')", "minute", "a minute on", ("replay",)),
    Key(("less_than_sign",), "<", "pane('minute -1')", None, "a minute back", ("replay",)),
    Key(("n",), "n", "pane('decision 1')", "decision", "to the next decision", ("replay",)),
    Key(("p",), "p", "pane('decision -1')", None, "to the decision before", ("replay",)),
    Key(("right_square_bracket",), "]", "pane('change 1')", "change", _CHANGE_TEXT, ("replay",)),
    Key(("left_square_bracket",), "[", "pane('change -1')", None, "the change before", ("replay",)),
    Key(("o",), "o", "pane('goto')", "go to", "go to #seq or hh:mm:ss", ("replay",)),
    Key(("d",), "d", "pane('diverge')", "divergence", _DIVERGE_TEXT, ("replay",)),
    Key(("h",), "h", "pane('hash')", None, _HASH_TEXT, ("replay",)),
    Key(("z",), "z", "look_back", None, "see every pane as of this entry", ENTRIES),
    Key(
        ("ctrl+l",),
        "ctrl+l",
        "present",
        None,
        "back to now, then to the session that runs",
        EVERYWHERE,
    ),
    Key(("tab",), "tab", "next_table", "table", "next table", GRIDS),
    Key(("shift+tab",), "shift+tab", "previous_table", None, "table before", GRIDS),
    Key(("down", "j"), "down j", "move(1)", None, "next row", LISTS),
    Key(("up", "k"), "up k", "move(-1)", None, "row before", LISTS),
    Key(("pagedown",), "pgdn", "page(1)", None, "a page down", LISTS),
    Key(("pageup",), "pgup", "page(-1)", None, "a page up", LISTS),
    Key(("home", "g"), "home g", "jump(0)", None, "first row", LISTS),
    Key(("end", "G"), "end G", "jump(-1)", None, "last row", LISTS),
    Key(("f",), "f", "freeze", "freeze", "freeze the tables; the top rows go on", LISTS),
    Key(("colon",), ":", "palette", None, _PALETTE_TEXT, but("palette", "halt", "start")),
    Key(
        ("slash",), "/", "filter", "filter", "filter: words, column:text, column:>5, !word", SHAPED
    ),
    Key(("s",), "s", "sort", None, "sort by the next column; after the last, as it was", SHAPED),
    Key(("S",), "S", "turn_sort", None, "turn the order round", SHAPED),
    Key(("y",), "y", "copy('text')", None, "copy the row as text, and into a file", LISTS),
    Key(("Y",), "Y", "copy('json')", None, "copy the row as JSON, and into a file", LISTS),
    Key(("e",), "e", "export", None, "export the table as CSV and JSON lines", LISTS),
    Key(("T",), "T", "theme", None, "the other theme: dark or light", EVERYWHERE),
    Key(("q",), "q", "leave", "quit", "leave; the engine goes on", EVERYWHERE),
    Key(("ctrl+c",), "ctrl+c", "leave", None, "leave, as q does", EVERYWHERE),
)

KEYS: Final[tuple[Key, ...]] = (*_FIRST, *(_go(row) for row in PLACES if row.keys), *_REST)


def hints(place: Place) -> tuple[tuple[str, str], ...]:
    """(shown, word) of the key bar on a pane, in table order; quit and help stand last."""
    rows = [key for key in KEYS if key.hint and place in key.places]
    rows.sort(key=lambda key: key.hint in ("help", "quit"))
    return tuple((key.shown.partition(" ")[0], key.hint or "") for key in rows)

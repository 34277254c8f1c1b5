"""First use: what there is to do where there is no session yet.

Lives here: its lines. May import: tui's pure parts. Always holds: what the screen cannot do itself
stands there as the command that does it. Start reading at ``start_lines``.
"""

from __future__ import annotations

from typing import Final

from tui.view.text import Line, crop, span, wrap

SAID_SHOWN: Final = 200
_TEXT: Final[tuple[tuple[str, str], ...]] = (
    ("", "Nothing has been traded here yet, so there is nothing to look at. What can be done:"),
    ("d", "run the demo: a whole simulated trading day, explained and replayed; about a minute"),
    ("9", "open a session that this desk has already (Days)"),
    ("?", "every key and every sign; q leaves"),
    ("", "From another terminal:"),
    ("$", "axiom run --mode sim          a simulated exchange, in real time"),
    ("$", "axiom login                   log in at the broker, then"),
    ("$", "axiom doctor                  what is still missing"),
    ("$", "axiom run --mode paper        the real market, with orders on paper"),
    ("", "An engine that is started on this desk is shown here by itself."),
)


def start_lines(said: tuple[str, ...], state: str, width: int, height: int) -> tuple[Line, ...]:
    """The choices, then what the demo says; its last lines where not all have room."""
    lines: list[Line] = [()]
    for key, text in _TEXT:
        mark = f"  {key:>2} " if key else "  "
        shown = (
            wrap(text, max(width - len(mark) - 1, 10), 2) if not key.startswith("$") else (text,)
        )
        for place, row in enumerate(shown):
            lead = mark if place == 0 else " " * len(mark)
            lines.append(crop(((lead, "key"), (row, "text")), width))
    if state:
        lines.append(())
        lines.append(crop((span(f"  {state}", "title"),), width))
    room = max(height - len(lines), 0)
    tail = said[-room:] if room else ()
    lines.extend(crop((span(f"     {line}", "dim"),), width) for line in tail)
    return tuple(lines[:height])

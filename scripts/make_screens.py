"""Writes ``docs/SCREENS.md``: each screen of the terminal UI as text, and what it answers.

Lives here: the page. May import: tui's tables. Always holds: the pictures are the agreed texts that
the tests compare the screens with, so the page shows what a terminal shows; every place is on it.
Run from the checkout: ``python -m scripts.make_screens``; with ``--check`` nothing is written and
the exit code is 1 when the page is not up to date.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tui.keys import KEYS
from tui.places import PLACES, PlaceRow

ROOT: Final = Path(__file__).resolve().parents[1]
PAGE: Final = ROOT / "docs" / "SCREENS.md"
GOLDENS: Final = ROOT / "tests" / "tui" / "golden"
COMMAND: Final = "python -m scripts.make_screens"
SCENES: Final = ("{}-live", "{}")
"""Which agreed text shows a place best: of a running engine, else of a recorded session."""

INTRODUCTION: Final = f"""\
# Screens

`axiom tui` follows the running engine of the desk or opens a recorded session (`axiom tui
SESSION`); `axiom demo` ends in it. It is a reader of the journal in a process of its own: closing,
killing or freezing it does not touch the engine. What is commanded here goes over the control
socket as a request that the engine journals and answers; in a recorded session nothing can be
commanded.

Every number that can be old shows its age, every state has a word and a shape beside its colour:
`●` good, `◐` degraded, `▲` beyond a limit, `✗` bad or blocked, `?` not known. Below 80x24 the mode
and the result stay. Pictures are 120x40, with blank rows left out; this page is made by
`{COMMAND}` from the texts that the tests hold the screens to.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([INTRODUCTION, *(line for row in PLACES for line in _section(row))])


def _section(row: PlaceRow) -> Iterator[str]:
    keys = ", ".join(f"`{'?' if key == 'question_mark' else key}`" for key in row.keys)
    yield f"## {row.place.capitalize()}{f' ({keys})' if keys else ''}"
    yield ""
    yield f"{row.question[0].upper()}{row.question[1:]}."
    yield ""
    yield "```text"
    yield from _picture(row)
    yield "```"
    yield ""
    own = [key for key in KEYS if key.action.startswith("pane(") and row.place in key.places]
    yield from (f"- `{key.shown}`: {key.text}" for key in own)
    if own:
        yield ""


def _picture(row: PlaceRow) -> Iterator[str]:
    names = (GOLDENS / f"{scene.format(row.place)}@120x40.txt" for scene in SCENES)
    found = next((name for name in names if name.exists()), None)
    if found is None:
        raise SystemExit(f"{row.place}: no agreed text of it in {GOLDENS.relative_to(ROOT)}")
    text = re.sub(r"\n{3,}", "\n\n", found.read_text(encoding="utf-8")).strip("\n")
    yield from text.split("\n")


def is_current() -> bool:
    """Whether the page on disk is what would be written."""
    return PAGE.exists() and PAGE.read_text(encoding="utf-8") == page()


def main(arguments: list[str]) -> int:
    """0 when the page is written, or up to date with ``--check``; else 1."""
    if arguments == ["--check"]:
        return 0 if is_current() else 1
    if arguments:
        sys.stderr.write(f"usage: {COMMAND} [--check]\n")
        return 2
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The command line's verbs in words, for the screen's palette.

Lives here: names and what they do. May import: ``cli.table``. Always holds: nothing is imported but
the table, so a screen that names every verb starts as fast as one that names none.
"""

from __future__ import annotations

from cli.table import VERBS


def verbs_told() -> tuple[tuple[str, str], ...]:
    """(verb, what it does), in the order of the help."""
    return tuple((verb.name, verb.summary) for verb in VERBS)

"""Several sessions by one word: ids, folders, ``latest``, ``all``, days and months.

Lives here: ``chosen_sessions`` and the week of the latest session. May import: ``cli``. Always
holds: each session once, in order of its day and its name; a word that means none is refused.
Start reading at ``chosen_sessions``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from cli.errors import UserError
from cli.options import Common
from cli.paths import list_sessions

ALL: Final = "all"
_SPAN: Final = re.compile(r"(\d{4}-\d{2}-\d{2})\.\.(\d{4}-\d{2}-\d{2})")
_PREFIX: Final = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")
_DAY_CHARS: Final = 10
_TO_SUNDAY: Final = 6
"""Days from a Monday to the end of its week."""


def chosen_sessions(common: Common, words: Sequence[str]) -> list[Path]:
    """The folders that the words name, comma-separated or apart. ``UserError`` for one of none.

    A word is an id, a folder, ``latest``, ``all``, a year, month or day (``2026-10``), or
    ``DAY..DAY`` with both days included.
    """
    found: dict[Path, None] = {}
    for word in (part for words_ in words for part in words_.split(",") if part):
        found.update(dict.fromkeys(folder.resolve() for folder in _named(common, word)))
    return sorted(found, key=lambda folder: (folder.name[:_DAY_CHARS], folder.name))


def _named(common: Common, word: str) -> list[Path]:
    span = _SPAN.fullmatch(word)
    if word != ALL and span is None and not _PREFIX.fullmatch(word):
        return [common.session(word)]
    every = list_sessions(common.home, common.desk)
    if word == ALL:
        picked = every
    elif span is not None:
        picked = [one for one in every if span[1] <= one.name[:_DAY_CHARS] <= span[2]]
    else:
        picked = [one for one in every if one.name.startswith(f"{word}-")]
    if not picked:
        raise UserError(
            f"desk '{common.desk}' has no session of '{word}' in {common.home}: 'axiom sessions' "
            "lists them"
        )
    return picked


def week_of_latest(common: Common) -> list[Path]:
    """The sessions of the latest session's week, Monday to Sunday, that are of its mode."""
    latest = common.session("latest")
    mode = latest.name[_DAY_CHARS + 1 :].partition("-")[0]
    try:
        day = date.fromisoformat(latest.name[:_DAY_CHARS])
    except ValueError:
        return [latest]
    monday = day - timedelta(days=day.weekday())
    span = f"{monday.isoformat()}..{(monday + timedelta(days=_TO_SUNDAY)).isoformat()}"
    return [
        one
        for one in chosen_sessions(common, [span])
        if one.name[_DAY_CHARS + 1 :].partition("-")[0] == mode
    ]

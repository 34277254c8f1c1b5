"""The forms that contracts are written in: a view, a macro, a time in IST.

Lives here: structs and one expression. May import: msgspec. Always holds: nothing of DuckDB runs
here.
"""

from __future__ import annotations

from typing import Final

import msgspec

IST: Final = "make_timestamp({} // 1000 + 19800000000)"
"""Nanoseconds UTC to a TIMESTAMP in IST (UTC+05:30, no summer time since 1945)."""


FIRST: Final = "0.1.0"
"""The release that brought the first contracts."""


class View(msgspec.Struct, frozen=True):
    """A view of schema v1: its comment and its SELECT. ``version`` grows with each added column,
    ``since`` is the release that brought the view."""

    name: str
    comment: str
    sql: str
    version: int = 1
    since: str = FIRST


class Macro(msgspec.Struct, frozen=True):
    """A table macro of schema v1: parameters with defaults, its comment and its SELECT."""

    name: str
    parameters: str
    comment: str
    sql: str
    version: int = 1
    since: str = FIRST

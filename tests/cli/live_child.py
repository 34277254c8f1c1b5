"""LIVE as a process of its own with a simulated exchange in the broker's place, for tests.

Lives here: the program ``REST WS WORDS...``, which is ``axiom WORDS...`` but for two things. The
broker's two root addresses are the exchange's, and those preconditions of docs/LIVE.md are not
looked at that a checkout on a simulated day cannot meet (``CANNOT_HOLD``). Always holds: every
other line of that page has to hold, or LIVE does not begin; nothing of LIVE's wiring is replaced.
Start reading at ``main``.
"""

from __future__ import annotations

import sys

import pytest

from cli.doctor import table
from cli.doctor.check import Context, Row
from cli.main import main as axiom

CANNOT_HOLD = frozenset(
    ("LIVE_BUILD", "LIVE_RELEASE_CHECK", "LIVE_CALENDAR", "LIVE_RULEBOOK", "LIVE_INSTRUMENTS",
     "LIVE_LOGIN")
)  # fmt: skip
"""Of a release alone, or of today, which is not the simulated day. A login of the small hours ends
before today's close; that there is one at all, and whose, the session's own start asks."""

PATCH = pytest.MonkeyPatch()
"""Of a process: never undone."""


def others(context: Context) -> tuple[Row, ...]:
    """What else stands against LIVE."""
    return tuple(row for row in table.preconditions(context) if row.code not in CANNOT_HOLD)


def main(words: list[str]) -> int:
    """REST, WS, then the words of the program."""
    PATCH.setattr("cli.world.REST_ROOT", words[0])
    PATCH.setattr("cli.world.FEED_ROOT", words[1])
    PATCH.setattr("cli.on_live.preconditions", others)
    return axiom(words[2:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

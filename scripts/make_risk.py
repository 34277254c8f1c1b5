"""Writes the tables of ``docs/RISK.md`` from the engine's own: limits, risk states, halts.

Lives here: the three tables as text, put between marks in the page. May import: engine. Always
holds: what stands between the marks is made from the engine's tables alone.
Run from the checkout: ``python -m scripts.make_risk``; with ``--check`` nothing is written and the
exit code is 1 when the page is not up to date.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from engine.risk.limits import LIMITS
from engine.risk.states import ALLOWS, HALTS, STATES, TRIGGERS, after

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "RISK.md"


def limits_table() -> str:
    """A row a limit: its setting, unit, three profiles, which side is tighter, why."""
    rows = [
        f"| `{row.name}` | {row.unit} | {row.pilot:,} | {row.normal:,} | {row.aggressive:,} "
        f"| {row.tighter.lower()} | {row.why} |"
        for row in LIMITS
    ]
    head = "| `risk.` | unit | PILOT | NORMAL | AGGRESSIVE | tighter | why NORMAL's |"
    return "\n".join((head, "|---|---|---|---|---|---|---|", *rows))


def states_table() -> str:
    """A row a trigger: the state after it from each state."""
    head = f"| trigger | {' | '.join(STATES)} |"
    rows = [
        f"| {trigger} | {' | '.join(after(state, trigger) for state in STATES)} |"
        for trigger in TRIGGERS
    ]
    allowed = f"| *allows* | {' | '.join(ALLOWS[state].sentence for state in STATES)} |"
    return "\n".join((head, "|---|---|---|---|---|", *rows, allowed))


def halts_table() -> str:
    """A row a halt: its code, hardness, clearing rule, why."""
    rows = [
        f"| {one.code} | {'automatic' if one.automatic else 'asked for'} "
        f"| {'hard' if one.hard else 'soft'} | {one.clears} | {one.why} |"
        for one in HALTS
    ]
    head = "| halt | begins | is | ends with | why |"
    return "\n".join((head, "|---|---|---|---|---|", *rows))


TABLES: Final[dict[str, Callable[[], str]]] = {
    "limits": limits_table,
    "states": states_table,
    "halts": halts_table,
}


def page_text(text: str) -> str:
    """The page with its tables made anew. Raises ``ValueError`` for a page without their marks."""
    for name, table in TABLES.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- {name} end -->"
        before, mark, rest = text.partition(begin)
        _, close, behind = rest.partition(end)
        if not mark or not close:
            raise ValueError(f"{PAGE.name} has no marks for the table of {name}")
        text = f"{before}{begin}{table()}\n{end}{behind}"
    return text


def is_current() -> bool:
    """Whether the page holds the tables as they are."""
    text = PAGE.read_text(encoding="utf-8")
    return page_text(text) == text


def main(arguments: list[str]) -> int:
    """Write the page, or say whether it is up to date."""
    if "--check" in arguments:
        return 0 if is_current() else 1
    PAGE.write_text(page_text(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

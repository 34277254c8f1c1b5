"""Writes the tables of ``docs/RISK.md`` and ``docs/GOVERNANCE.md`` from the engine's own.

Lives here: limits, risk states, halts, readiness, blockers, incidents as text, put between marks in
their page. May import: engine, events. Always holds: what stands between the marks is made from the
engine's tables alone.
Run from the checkout: ``python -m scripts.make_tables``; with ``--check`` nothing is written and
the exit code is 1 when a page is not up to date.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from engine.orders.incidents import SEVERITY
from engine.readiness import BLOCKERS, ENTERS, SIGNALS
from engine.readiness import STATES as READINESS
from engine.readiness import after as ready_after
from engine.risk.limits import LIMITS
from engine.risk.states import ALLOWS, HALTS, STATES, TRIGGERS, after
from events.gates import BY_GATE
from events.reasons import BY_CODE

DOCS: Final = Path(__file__).resolve().parents[1] / "docs"


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


def readiness_table() -> str:
    """A row a signal: the readiness after it from each state."""
    head = f"| signal | {' | '.join(READINESS)} |"
    rows = [
        f"| {signal} | {' | '.join(ready_after(state, signal) for state in READINESS)} |"
        for signal in SIGNALS
    ]
    enters = " | ".join("yes" if state in ENTERS else "no" for state in READINESS)
    return "\n".join((head, "|---|---|---|---|---|---|", *rows, f"| *entries* | {enters} |"))


def blockers_table() -> str:
    """A row a blocker: its code, the gate and stage that decide it, where it is asked."""
    rows = [
        f"| {one.code} | `{one.gate}` | {BY_GATE[one.gate].stage.split('_')[0]} "
        f"| {'with a broker' if one.broker else 'in real time'} | {BY_CODE[one.code].sentence} |"
        for one in BLOCKERS
    ]
    return "\n".join(("| code | gate | stage | asked | says |", "|---|---|---|---|---|", *rows))


def incidents_table() -> str:
    """A row an incident: its severity, what it says, what to do."""
    named = sorted(SEVERITY.items(), key=lambda row: (row[1], row[0]))
    rows = [
        f"| {level} | {code} | {BY_CODE[code].sentence} | {BY_CODE[code].what_to_do} |"
        for code, level in named
    ]
    return "\n".join(("| severity | code | says | to do |", "|---|---|---|---|", *rows))


Tables = dict[str, Callable[[], str]]

PAGES: Final[dict[str, Tables]] = {
    "RISK.md": {"limits": limits_table, "states": states_table, "halts": halts_table},
    "GOVERNANCE.md": {
        "readiness": readiness_table,
        "blockers": blockers_table,
        "incidents": incidents_table,
    },
}


def page_text(name: str, text: str) -> str:
    """A page with its tables made anew. Raises ``ValueError`` for a page without their marks."""
    for mark, table in PAGES[name].items():
        begin, end = f"<!-- {mark} -->\n", f"<!-- {mark} end -->"
        before, opened, rest = text.partition(begin)
        _, closed, behind = rest.partition(end)
        if not opened or not closed:
            raise ValueError(f"{name} has no marks for the table of {mark}")
        text = f"{before}{begin}{table()}\n{end}{behind}"
    return text


def outdated() -> list[str]:
    """The pages that do not hold the tables as they are."""
    texts = {name: (DOCS / name).read_text(encoding="utf-8") for name in PAGES}
    return [name for name, text in texts.items() if page_text(name, text) != text]


def main(arguments: list[str]) -> int:
    """Write the pages, or say which are not up to date."""
    for name in outdated():
        if "--check" in arguments:
            sys.stderr.write(f"docs/{name} is not up to date\n")
        else:
            page = DOCS / name
            page.write_text(page_text(name, page.read_text(encoding="utf-8")), encoding="utf-8")
    return 1 if outdated() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

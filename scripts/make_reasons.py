"""Writes ``docs/REASONS.md`` from the reason table and the gate catalogue.

Lives here: the page as text. May import: events. Always holds: the page is made from the two tables
alone, so it is right when it equals what this gives.
Run from the checkout: ``python -m scripts.make_reasons``; with ``--check`` nothing is written and
the exit code is 1 when the page is not up to date.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from events.gates import GATES, GateSpec
from events.reasons import REASONS, STAGE_TITLES, STAGES, ReasonSpec

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "REASONS.md"
COMMAND: Final = "python -m scripts.make_reasons"

OTHER_STAGES: Final = {
    "EXIT": "why a position is being closed",
    "ORDER": "why an order changed its state",
    "RISK": "why the account's day changed",
    "FEED": "why the feed's state changed",
    "JOURNAL": "why a journal cannot be read",
    "ENGINE": "why the engine stops",
    "COMMAND": "why an operator's command was taken or refused",
    "LIVE": "what stands against beginning a LIVE session",
    "INCIDENT": "what a person should know of, now or soon",
    "APPROVAL": "what became of an entry that a person was asked about",
    "ALERT": "what a person is told of by the watchdog",
    "FEATURE": "why a feature of the market is not known",
}
"""What is not a stage of a decision, in the order of the page."""

INTRODUCTION: Final = f"""\
# Reasons

Every decision, exit, order and refusal carries one of these codes. A code and its number never mean
anything else later: a code that is no longer given stays here, marked as retired. `axiom explain
CODE` shows one of them, `axiom explain GATE` one gate.

Kinds: BLOCK, a limit was missed; UNKNOWN, an input is missing, which blocks too; HALT, entries stop
until somebody acts; INFO, no refusal. Inside a stage the first gate that does not pass gives the
reason, in the order of the list of gates; the codes stand in the order of their numbers.

This page is made by `{COMMAND}` from `events/reasons.py` and `events/gates.py`: change those.
"""

SENSES: Final = {"AT_MOST": "at most", "AT_LEAST": "at least", "IS_TRUE": "holds"}


def page_text() -> str:
    """The whole page."""
    sections = [
        *((f"{stage}: {title}", stage) for stage, title in zip(STAGES, STAGE_TITLES, strict=True)),
        *((f"{name}: {title}", name) for name, title in OTHER_STAGES.items()),
    ]
    blocks = [INTRODUCTION]
    for heading, stage in sections:
        blocks.append(f"## {heading}\n")
        blocks.extend(_gates([gate for gate in GATES if gate.stage == stage]))
        blocks.append("\n".join(_codes([one for one in REASONS if one.stage == stage])) + "\n")
    return "\n".join(blocks)


def _gates(gates: list[GateSpec]) -> Iterator[str]:
    if gates:
        lines = ["| gate | passes while | unit | gives |", "|---|---|---|---|"]
        for one in gates:
            codes = ", ".join(f"`{code}`" for code in one.codes) or "–"
            sense = SENSES[one.sense]
            passes = one.title if sense == "holds" else f"{one.title}: {sense} the limit"
            lines.append(f"| `{one.gate}` | {passes} | {one.unit} | {codes} |")
        yield "\n".join(lines) + "\n"


def _codes(rows: list[ReasonSpec]) -> Iterator[str]:
    yield "| number | code | kind | meaning | what to do | evidence | formerly |"
    yield "|---|---|---|---|---|---|---|"
    for one in rows:
        meaning = one.sentence if one.retired is None else f"Retired {one.retired}. {one.sentence}"
        evidence = ", ".join(one.evidence) or "–"
        former = f"`{one.legacy_code}`" if one.legacy_code is not None else "–"
        yield (
            f"| {one.number} | `{one.code}` | {one.kind} | {meaning} | {one.what_to_do} "
            f"| {evidence} | {former} |"
        )


def is_current(page: Path = PAGE) -> bool:
    """Whether the page is there and says what the tables say."""
    return page.is_file() and page.read_text(encoding="utf-8") == page_text()


def main(arguments: list[str], page: Path = PAGE) -> int:
    """Write the page, or check it; gives the exit code."""
    if arguments == ["--check"]:
        if is_current(page):
            return 0
        sys.stderr.write(f"docs/{page.name} is not up to date: run {COMMAND}\n")
        return 1
    if arguments:
        sys.stderr.write(f"{arguments[0]} is not known: the only option is --check\n")
        return 2
    page.parent.mkdir(exist_ok=True)
    page.write_text(page_text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

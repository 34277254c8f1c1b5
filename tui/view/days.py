"""Days: the desk's sessions and what became of each.

Lives here: the table and the line about the selected one. May import: tui.ports, tui's pure parts.
Always holds: a figure that was not recorded is missing, never 0; a session that cannot be read is a
row with its line. Start reading at ``days_table``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tui import fmt
from tui.ports import Day
from tui.view.bar import gain_role
from tui.view.text import Column, Role, Row, Span, Table, column, span

LOADING: Final = "reading the desk's sessions ..."
NONE_YET: Final = "this desk has no session yet: axiom demo makes one"
NO_LIBRARY: Final = "this screen was opened on one session alone: axiom tui shows a desk's days"
DAYS: Final[tuple[Column, ...]] = (
    column("DAY", 10),
    column("MODE", 8),
    column("STATE", 9),
    column("DECISIONS", 9, ">"),
    column("TRADES", 6, ">"),
    column("NET P&L", 13, ">"),
    column("PARITY", 12, grow=True),
    column("DAY TYPE", 13, priority=2, grow=True),
    column("SESSION", 28, priority=3, grow=True),
)
_STATES: Final[dict[str, tuple[str, Role]]] = {
    "running": ("●", "ok"),
    "sealed": ("●", "text"),
    "closed": ("●", "text"),
    "open": ("▲", "warn"),
    "crashed": ("✗", "bad"),
    "damaged": ("✗", "bad"),
    "missing": ("✗", "bad"),
}
_VERDICTS: Final[dict[str, tuple[str, Role]]] = {
    "identical": ("●", "ok"),
    "other_engine": ("◐", "degraded"),
    "diverged": ("✗", "bad"),
    "damaged": ("✗", "bad"),
}
ASKED: Final = "replaying"
"""The verdict of a replay that still runs."""


def days_table(
    days: tuple[Day, ...] | None, verdicts: Mapping[str, str], shown: str | None
) -> Table:
    """One row a session, newest first; ``shown`` is the one that is looked at."""
    if days is None:
        return Table("DAYS", DAYS, (), LOADING)
    rows = tuple(_day_row(day, verdicts.get(day.session), shown == day.session) for day in days)
    known = [day.net_paise for day in days if day.net_paise is not None]
    title = f"DAYS  {len(days)} sessions  net of {len(known)} that ended {fmt.gain(sum(known))}"
    return Table(title, DAYS, rows, NONE_YET)


def _day_row(day: Day, verdict: str | None, shown: bool) -> Row:
    shape, role = _STATES.get(day.state, ("?", "unknown"))
    return Row(
        ("day", day.session),
        (
            span(day.day or fmt.MISSING, "title" if shown else "text"),
            span(day.mode or "?"),
            span(f"{shape} {day.state}", role),
            _count(day.decisions),
            _count(day.trades),
            ("-", "dim") if day.net_paise is None else (
                fmt.gain(day.net_paise), gain_role(day.net_paise)
            ),
            _verdict(verdict),
            span(_day_types(day) or day.fault or fmt.MISSING, "bad" if day.fault else "text"),
            span(f"{'> ' if shown else ''}{day.session}", "dim"),
        ),
    )  # fmt: skip


def _count(count: int | None) -> Span:
    return (fmt.MISSING, "dim") if count is None else (fmt.group_indian(count), "text")


def _verdict(verdict: str | None) -> Span:
    if verdict is None:
        return "not asked", "dim"
    shape, role = _VERDICTS.get(verdict, ("?", "unknown"))
    return span(f"{shape} {verdict}", role)


def _day_types(day: Day) -> str:
    """The day types of the underlyings, each once."""
    kinds = [text for name, text in day.facts if name.startswith("day type ")]
    return " ".join(dict.fromkeys(kinds))


def detail(days: tuple[Day, ...] | None, key: object) -> str:
    """All that is known of the selected session."""
    for day in days or ():
        if key == ("day", day.session):
            fault = f"{day.fault}  " if day.fault else ""
            return f"{day.session}  {fault}" + "  ".join(f"{n} {text}" for n, text in day.facts)
    return ""

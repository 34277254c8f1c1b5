"""Days: the desk's sessions and what became of each.

Lives here: the table and the line about the selected one. May import: tui.ports, tui's pure parts.
Always holds: a figure that was not recorded is missing, never 0; a verdict is of the journal as it
is, or says up to where it is one; a session that cannot be read is a
row with its line. Start reading at ``days_table``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from tui import fmt
from tui.ports import Day, Parity
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
_OF_A_PART: Final = ("identical", "other_engine")
"""What may be otherwise behind the entries that were replayed; a difference stays one."""
ASKED: Final = Parity("replaying")
"""The verdict of a replay that still runs."""
CODE: Final = 12
"""Characters of a digest that are shown."""


def days_table(
    days: tuple[Day, ...] | None, asked: Mapping[str, Parity], shown: str | None
) -> Table:
    """One row a session, newest first; ``shown`` is the one that is looked at; what was ``asked``
    from this screen stands before what was kept."""
    if days is None:
        return Table("DAYS", DAYS, (), LOADING)
    rows = tuple(_day_row(day, standing(day, asked), shown == day.session) for day in days)
    known = [day.net_paise for day in days if day.net_paise is not None]
    title = f"DAYS  {len(days)} sessions  net of {len(known)} that ended {fmt.gain(sum(known))}"
    return Table(title, DAYS, rows, NONE_YET)


def _day_row(day: Day, verdict: Parity | None, shown: bool) -> Row:
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
            _verdict(day, verdict),
            span(_day_types(day) or day.fault or fmt.MISSING, "bad" if day.fault else "text"),
            span(f"{'> ' if shown else ''}{day.session}", "dim"),
        ),
    )  # fmt: skip


def _count(count: int | None) -> Span:
    return (fmt.MISSING, "dim") if count is None else (fmt.group_indian(count), "text")


# --- the verdicts of replays ---------------------------------------------------------------------


def standing(day: Day, asked: Mapping[str, Parity]) -> Parity | None:
    """The verdict that may be shown of a session: of the journal as it is, or of its beginning.

    One of another end is of another journal and is not shown.
    """
    verdict = asked.get(day.session, day.parity)
    if verdict is None or verdict.word not in _VERDICTS:
        return verdict
    return verdict if verdict.head == day.head or _has_grown(day, verdict) else None


def _has_grown(day: Day, verdict: Parity) -> bool:
    """Whether the journal has gone on behind the end that was replayed, or that end was not seen:
    an engine was writing."""
    if day.entries is None or verdict.entries is None or verdict.head == day.head:
        return False
    return day.entries > verdict.entries or (
        day.entries == verdict.entries and verdict.head is None
    )


def found_to(day: Day, verdict: Parity, session: str) -> Day:
    """The session as a replay found it, where it had grown since it was read."""
    if day.session != session or (verdict.entries or 0) <= (day.entries or 0):
        return day
    return msgspec.structs.replace(day, entries=verdict.entries, head=verdict.head)


def _verdict(day: Day, verdict: Parity | None) -> Span:
    if verdict is None:
        return "not asked", "dim"
    if _has_grown(day, verdict) and verdict.word in _OF_A_PART:
        return "~ has grown", "degraded"
    shape, role = _VERDICTS.get(verdict.word, ("?", "unknown"))
    return span(f"{shape} {verdict.word}", role)


def parity_text(day: Day, verdict: Parity | None) -> str:
    """The verdict in a sentence: about which entries, and by which engine's code."""
    if verdict is None or verdict.word not in _VERDICTS:
        return ""
    text = f"PARITY {verdict.word}"
    if verdict.first is not None:
        text += f", first at #{verdict.first}"
    elif verdict.word == "other_engine":
        same = "every derivation is the same" if verdict.identical else "see axiom replay"
        text += f", {same}"
    if verdict.entries is not None:
        text += f", to #{verdict.entries}"
    if _has_grown(day, verdict):
        text += f" (it has grown since, to #{day.entries}: p asks again)"
    if verdict.code is not None and verdict.recorded_code is not None:
        here, there = fmt.clean(verdict.code[:CODE]), fmt.clean(verdict.recorded_code[:CODE])
        text += f", by code {here}" + ("" if here == there else f", recorded by {there}")
    return f"{text}."


def _day_types(day: Day) -> str:
    """The day types of the underlyings, each once."""
    kinds = [text for name, text in day.facts if name.startswith("day type ")]
    return " ".join(dict.fromkeys(kinds))


def detail(days: tuple[Day, ...] | None, asked: Mapping[str, Parity], key: object) -> str:
    """All that is known of the selected session."""
    for day in days or ():
        if key == ("day", day.session):
            fault = f"{day.fault}  " if day.fault else ""
            parity = parity_text(day, standing(day, asked))
            return f"{day.session}  {parity}  {fault}" + "  ".join(
                f"{n} {text}" for n, text in day.facts
            )
    return ""

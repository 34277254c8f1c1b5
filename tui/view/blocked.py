"""Blocked today: every reason with its count and its place in the day, and its last decisions.

Lives here: the two tables and the text about the selected reason. May import: events,
projections.live, tui's pure parts. Always holds: the counts add up to the decisions that ended
without a trade. Start reading at ``reasons_table``.
"""

from __future__ import annotations

from typing import Final

from projections.live.view import DecisionLine, FunnelRow, LiveView
from tui import fmt
from tui.store import Frame
from tui.view.home import blocked_rows, blocked_title, now_cell
from tui.view.text import Column, Row, Table, column, span
from tui.view.why import reason_text, short_stage

HEAT_WIDTH: Final = 25


def _columns(names: tuple[str, ...]) -> tuple[Column, ...]:
    return (
        column("AT", 3),
        column("BLOCKED BY", 24, grow=True),
        column("N", 7, ">"),
        column("%", 4, ">"),
        *(column(fmt.fit(fmt.clean(name), 9).rstrip(), 9, ">", priority=4) for name in names),
        column("LAST", 8, ">"),
        column("NOW", 9, priority=2),
        column("WHEN IN THE DAY", HEAT_WIDTH, priority=3),
    )


def reasons_table(frame: Frame) -> Table:
    """One row a reason. The blocks of the last column run from the open to the close."""
    view = frame.view
    columns = _columns(tuple(row.name for row in view.underlyings))
    rows = tuple(_reason_row(view, row) for row in blocked_rows(view))
    return Table(blocked_title(view), columns, rows, "nothing was blocked yet")


def _reason_row(view: LiveView, row: FunnelRow) -> Row:
    return Row(
        ("reason", row.stage, row.reason),
        (
            span(short_stage(row.stage), "bad"),
            span(row.reason),
            span(fmt.group_indian(row.count)),
            (fmt.percent(row.count, view.blocked), "text"),
            *(span(fmt.group_indian(count)) for count in row.by_underlying),
            (fmt.clock(row.last_ts), "dim"),
            now_cell(view, row),
            (fmt.heat(row.heat, HEAT_WIDTH), "warn"),
        ),
    )


def reason_row(frame: Frame, key: object) -> FunnelRow | None:
    """The funnel row under the cursor, else the most frequent one."""
    rows = blocked_rows(frame.view)
    for row in rows:
        if ("reason", row.stage, row.reason) == key:
            return row
    return rows[0] if rows else None


DECISIONS: Final[tuple[Column, ...]] = (
    column("TIME IST", 12),
    column("UNDERLYING", 10),
    column("REGIME", 14),
    column("DAY TYPE", 12, priority=2),
    column("FAMILY", 16, grow=True, priority=3),
    column("DECISION", 11, ">"),
)


def decisions_table(row: FunnelRow | None) -> Table:
    """The last decisions that ended for one reason, newest first."""
    if row is None:
        return Table("DECISIONS", DECISIONS, (), "no reason is selected")
    lines = tuple(_decision_row(line) for line in reversed(row.recent))
    shown = f"the last {len(lines)} of {fmt.group_indian(row.count)}"
    return Table(f"DECISIONS  {row.reason}  {shown}", DECISIONS, lines, "none is kept")


def _decision_row(line: DecisionLine) -> Row:
    made = line.made
    return Row(
        ("decision", line.seq),
        (
            span(fmt.clock_ms(line.ts)),
            span(made.underlying),
            span(made.regime),
            span(made.day_type),
            span(made.family or fmt.MISSING),
            span(f"#{line.seq}", "dim"),
        ),
    )


def detail(row: FunnelRow | None) -> str:
    """The selected reason in words, and what to do about it."""
    return "" if row is None else reason_text(row.reason)

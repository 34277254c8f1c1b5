"""Incidents: what a person should know, whether he has seen it, and what led to it and followed.

Lives here: the two tables and the text about the selected incident. May import: projections.live,
tui's pure parts. Always holds: an incident's words are those of the reason table; a time is shown
with its age or its end. Start reading at ``incidents_table``.
"""

from __future__ import annotations

from typing import Final

from projections.live.view import Notice
from projections.live.watch_view import IncidentView, Step
from tui import fmt
from tui.store import Frame
from tui.view.alarms import Alarm, alarms, texts_of
from tui.view.notices import tell
from tui.view.text import Column, Row, Span, Table, column, span

AROUND_NS: Final = 60 * fmt.NS_PER_S
"""So much before an incident, and after its end, belongs to its story."""

INCIDENTS: Final[tuple[Column, ...]] = (
    column("ID", 5),
    column("SEV", 3, ">"),
    column("STATE", 9),
    column("CODE", 20, grow=True),
    column("SUBJECT", 14, grow=True),
    column("N", 3, ">"),
    column("SINCE", 8, ">"),
    column("FOR", 4, ">"),
    column("SEEN BY", 12, priority=3),
    column("ENDED BY", 12, priority=4),
    column("SEQ", 9, ">", priority=5),
)
TIMELINE: Final[tuple[Column, ...]] = (
    column("TIME IST", 12),
    column("", 1),
    column("WHAT", 44, grow=True),
    column("SEQ", 9, ">", priority=2),
)


def rows_of(frame: Frame) -> tuple[IncidentView, ...]:
    """Open ones first; within each part the newest first."""
    rows = reversed(frame.view.watch.incidents)
    return tuple(sorted(rows, key=lambda row: not row.is_open))


def incidents_table(frame: Frame) -> Table:
    """One row for each (code, subject), before them what the screen itself sees."""
    incidents = rows_of(frame)
    unseen = sum(row.unseen for row in incidents)
    still = sum(row.is_open for row in incidents)
    own = [row for row in alarms(frame) if row.incident_id is None]
    title = f"INCIDENTS  {still} open  {unseen} not acknowledged  {len(incidents)} today"
    if own:
        title += f"  {len(own)} seen by this screen"
    rows = [_alarm_row(frame, row) for row in own]
    rows.extend(_incident_row(frame, row) for row in incidents)
    return Table(title, INCIDENTS, tuple(rows), "no incident: nothing has asked for a person")


def _severity(severity: int) -> Span:
    return str(severity), "bad" if severity == 1 else "warn" if severity == 2 else "text"


def _alarm_row(frame: Frame, row: Alarm) -> Row:
    return Row(
        ("alarm", row.code, row.subject),
        (
            ("-", "dim"),
            _severity(row.severity),
            ("✗ NOW", "bad"),
            span(row.code),
            span(row.subject),
            ("1", "dim"),
            (fmt.clock(row.since_ts), "text"),
            (fmt.age(frame.age_ns(row.since_ts)), "warn"),
            ("-", "dim"),
            ("-", "dim"),
            ("-", "dim"),
        ),
    )


def state_cell(row: IncidentView) -> Span:
    """Open and unseen, open and seen, or over."""
    if row.unseen:
        return "✗ OPEN", "bad"
    return ("▲ seen", "warn") if row.is_open else ("● over", "ok")


def _incident_row(frame: Frame, row: IncidentView) -> Row:
    until = row.resolved_ts
    lasted = frame.age_ns(row.raised_ts) if until is None else until - row.raised_ts
    ended = "-" if until is None else row.resolved_by or "itself"
    return Row(
        ("incident", row.code, row.subject),
        (
            span(row.incident_id),
            _severity(row.severity),
            state_cell(row),
            span(row.code),
            span(row.subject),
            (str(row.times), "text" if row.times > 1 else "dim"),
            (fmt.clock(row.raised_ts), "text"),
            (fmt.age(lasted), "text"),
            span(row.acked_by or fmt.MISSING, "dim"),
            span(ended, "dim"),
            span(f"#{row.seq}", "dim"),
        ),
    )


def pointed(frame: Frame, key: object) -> IncidentView | None:
    """The incident under the cursor; None on a row of the screen's own."""
    for row in frame.view.watch.incidents:
        if ("incident", row.code, row.subject) == key:
            return row
    return None


def detail(frame: Frame, key: object) -> str:
    """What the selected row means, what it was seen by, and what to do."""
    if not isinstance(key, tuple):
        return ""
    said, to_do = texts_of(key[1])
    row = pointed(frame, key)
    seen = "" if row is None else "  ".join(f"{one.key} {one.value}" for one in row.evidence)
    evidence = f"  [{seen}]" if seen else ""
    return f"{said} {to_do}{evidence}"


# --- the story of one ---------------------------------------------------------------------------

_STEPS: Final[dict[str, tuple[Span, str]]] = {
    "RAISED": (("✗", "bad"), "RAISED"),
    "AGAIN": (("✗", "bad"), "RAISED AGAIN"),
    "ACK": (("▲", "warn"), "ACKNOWLEDGED"),
    "RESOLVED": (("●", "ok"), "OVER"),
}


def timeline_table(frame: Frame, row: IncidentView | None) -> Table:
    """What led to it and what followed, the newest first."""
    if row is None:
        return Table("TIMELINE", TIMELINE, (), "no incident is selected")
    told = {step.seq: _step_row(step, row) for step in row.steps}
    for notice in _around(frame, row):
        told.setdefault(notice.seq, _notice_row(frame, notice, row))
    rows = tuple(told[seq] for seq in sorted(told, reverse=True))
    title = f"TIMELINE  {row.incident_id} {row.code} {row.subject}  caused by #{row.cause}"
    return Table(title, TIMELINE, rows, "nothing is kept of it")


def _around(frame: Frame, row: IncidentView) -> list[Notice]:
    start = row.steps[0].ts - AROUND_NS
    end = (frame.view.ts if row.resolved_ts is None else row.resolved_ts) + AROUND_NS
    return [notice for notice in frame.view.notices if start <= notice.ts <= end]


def _step_row(step: Step, row: IncidentView) -> Row:
    shape, text = _STEPS[step.what]
    by = f" by {step.who}" if step.who else " by itself" if step.what == "RESOLVED" else ""
    said = span(f"{text}{by}  {row.code} {row.subject}", "title")
    return Row(
        ("step", step.seq),
        ((fmt.clock_ms(step.ts), "text"), shape, said, span(f"#{step.seq}", "dim")),
    )


def _notice_row(frame: Frame, notice: Notice, row: IncidentView) -> Row:
    shape, role, text = tell(frame.view, notice)
    cause = "  (led to it)" if notice.seq == row.cause else ""
    return Row(
        ("step", notice.seq),
        (
            (fmt.clock_ms(notice.ts), "dim"),
            (shape, role),
            span(text + cause, role),
            span(f"#{notice.seq}", "dim"),
        ),
    )

"""Time travel: the scrubber over the whole session, and the state at the cursor.

Lives here: the scrubber's lines, the table of marks, the state in words. May import: projections'
live view, tui's pure parts. Always holds: a line has exactly its width; what has not been read yet
is blank; every mark has a letter. Start reading at ``scrubber``.
"""

from __future__ import annotations

from typing import Final

from projections.live.view import LiveView
from tui import fmt
from tui.store import Frame
from tui.travel import MINUTE_NS, Mark, Way, Where
from tui.view.hashes import seen_text
from tui.view.text import Column, Line, Role, Row, Table, column, crop, span

LABEL: Final = 10
LEGEND: Final = "E entry  X exit  R regime  K risk  ! incident  c command"
_LOUD: Final = "!KXERc"
"""Which mark stands where several fall into one cell: the first of these."""


def scrubber(where: Where, frame: Frame, width: int) -> tuple[Line, ...]:
    """The session from its first minute to its last, with the cursor in it."""
    way = where.way
    room = max(width - LABEL - 2, 1)
    cursor = _cell(way, frame.view.ts, room)
    return (
        _row("", _ruler(way, room), "dim"),
        _row("price", _price(way, room), "text"),
        _row("marks", _marks(way, room), "title"),
        _row("blocked", fmt.heat(_stretched(way.blocks, way, room), room), "warn"),
        _row("", _pointer(cursor, fmt.clock_ms(frame.view.ts), room), "key"),
        crop((("  " + _status(where, frame), "text"),), width),
        crop((("  " + LEGEND, "dim"),), width),
    )


def _row(label: str, text: str, role: Role) -> Line:
    return ((fmt.fit(f"  {label}", LABEL), "dim"), (text, role))


def _pointer(at: int, time: str, room: int) -> str:
    """The cursor with its time on the side where there is room."""
    if at + len(time) + 2 <= room:
        return f"{' ' * at}▲ {time}"
    return f"{time} ▲".rjust(at + 1)


def _minutes(way: Way) -> int:
    return max((way.last_ts - way.first_ts) // MINUTE_NS + 1, 1)


def _cell(way: Way, ts: int, room: int) -> int:
    """The cell of a moment."""
    minute = (ts - way.first_ts) // MINUTE_NS
    return min(max(minute * room // _minutes(way), 0), room - 1)


def _stretched(values: tuple[int, ...], way: Way, room: int) -> tuple[int, ...]:
    """Values by minute laid on ``room`` cells: a cell of several minutes is their sum."""
    total = _minutes(way)
    values = (*values, *([0] * (total - len(values))))
    if total >= room:
        return tuple(sum(values[n * total // room : (n + 1) * total // room]) for n in range(room))
    return tuple(values[n * total // room] for n in range(room))


def _price(way: Way, room: int) -> str:
    """The last price of each cell; blank before the first."""
    total = _minutes(way)
    known = (*way.prices, *([way.prices[-1] if way.prices else 0] * (total - len(way.prices))))
    cells = [known[min((n + 1) * total // room, total) - 1] for n in range(room)]
    shown = tuple(value for value in cells if value)
    return " " * (room - len(shown)) + fmt.spark(shown, room)


def _marks(way: Way, room: int) -> str:
    cells = [" "] * room
    for mark in way.marks:
        at = _cell(way, mark.ts, room)
        if cells[at] == " " or _LOUD.index(mark.sign) < _LOUD.index(cells[at]):
            cells[at] = mark.sign
    return "".join(cells)


def _ruler(way: Way, room: int) -> str:
    """Times of day, as many as fit."""
    if not way.first_ts:
        return ""
    text = ""
    step = max(room // 6, 12)
    for at in range(0, room - 5, step):
        ts = way.first_ts + at * _minutes(way) // room * MINUTE_NS
        text = text.ljust(at) + fmt.clock(ts)[:5]
    return text


def _status(where: Where, frame: Frame) -> str:
    way = where.way
    state = f"PLAYING x{where.speed}" if where.playing else f"paused (x{where.speed})"
    if where.view is None:
        state = "NOW: nothing is travelled yet" if not frame.replay else "at the end of the session"
    text = f"{state}   #{fmt.group_indian(frame.view.seq)} of #{fmt.group_indian(way.last_seq)}"
    if not way.complete:
        text += "   reading the session"
    if where.took_ms is not None:
        text += f"   found in {where.took_ms} ms"
    if where.fault is not None:
        text += f"   ✗ {fmt.clean(where.fault)}"
    return text


# --- the state at the cursor -------------------------------------------------------------------

STATE: Final[tuple[Column, ...]] = (column("WHAT", 14), column("THEN", 30, grow=True))


def state_table(frame: Frame) -> Table:
    """The session at the cursor in a few rows; the panes have the rest."""
    view = frame.view
    rows = [
        ("P&L net", fmt.gain(view.money.net_paise)),
        ("positions", f"{len(view.positions)} open  {len(view.closed_positions)} closed"),
        ("decisions", f"{fmt.group_indian(view.decisions)}  {view.trades} trades"),
        ("risk", fmt.MISSING if view.risk is None else view.risk.status),
        *_underlying_rows(view),
        ("seen, its hash", seen_text(view)),
    ]
    made = tuple(Row(("state", name), (span(name, "dim"), span(text))) for name, text in rows)
    return Table(f"STATE at #{fmt.group_indian(view.seq)}", STATE, made, "nothing yet")


def _underlying_rows(view: LiveView) -> list[tuple[str, str]]:
    rows = []
    for one in view.underlyings:
        last = one.episode.last.made if one.episode is not None else None
        verdict = fmt.MISSING if last is None else f"{last.outcome} {last.reason}"
        rows.append((one.name, f"{one.regime or fmt.MISSING}  {verdict}"))
    return rows


MARKS: Final[tuple[Column, ...]] = (
    column("", 1),
    column("TIME IST", 12),
    column("WHAT", 20, grow=True),
    column("SEQ", 10, ">", priority=2),
)


def marks_table(where: Where) -> Table:
    """What is worth going to, in order."""
    marks = where.way.marks
    return Table(
        f"MARKS  {len(marks)}", MARKS, tuple(map(_mark_row, marks)), "nothing happened yet"
    )


def _mark_row(mark: Mark) -> Row:
    return Row(
        ("mark", mark.seq),
        (
            (mark.sign, "title"),
            span(fmt.clock_ms(mark.ts)),
            span(mark.text),
            span(f"#{mark.seq}", "dim"),
        ),
    )

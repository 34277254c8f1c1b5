"""Blocked today: every reason with its count and its place in the day, and decisions that it ended.

Lives here: the reasons, the picture of the day, the lists of decisions and the text about the
selected reason. May import: events, projections.live, tui's pure parts. Always holds: the counts
add up to the decisions that ended without a trade, of one underlying too; nothing here is money, so
nothing hypothetical can be taken for a result. Start reading at ``reasons_table``.
"""

from __future__ import annotations

from string import ascii_letters
from typing import Final, Literal

import msgspec

from events.decision import GatesEvaluated
from projections.live.view import HEAT_PART_NS, DecisionLine, FunnelRow, LiveView, Miss
from tui import fmt
from tui.store import Frame
from tui.view.gates import gate_row, numbers
from tui.view.home import blocked_rows, blocked_title, now_cell
from tui.view.text import Column, Line, Row, Span, Table, column, span
from tui.view.why import gates_of, reason_text, short_stage

HEAT_WIDTH: Final = 20
COLUMNS_AN_HOUR: Final = 12
LETTERS: Final = ascii_letters.swapcase()
"""Capitals first: most days have fewer reasons than those."""

Listed = Literal["last", "nearest", "sole"]
LISTS: Final[tuple[Listed, ...]] = ("last", "nearest", "sole")


class Choice(msgspec.Struct, frozen=True):
    """What is looked at: one underlying (None: all) and which list of decisions."""

    underlying: str | None
    listed: Listed


EVERYTHING: Final = Choice(None, "last")


def next_underlying(view: LiveView, choice: Choice) -> Choice:
    """All, then each underlying, then all again."""
    names = [None, *(row.name for row in view.underlyings)]
    at = names.index(choice.underlying) if choice.underlying in names else 0
    return msgspec.structs.replace(choice, underlying=names[(at + 1) % len(names)])


def next_list(choice: Choice) -> Choice:
    """The last decisions, the nearest misses, those one gate away, then the last again."""
    return msgspec.structs.replace(
        choice, listed=LISTS[(LISTS.index(choice.listed) + 1) % len(LISTS)]
    )


def _place(view: LiveView, name: str | None) -> int | None:
    names = [row.name for row in view.underlyings]
    return names.index(name) if name in names else None


# --- reasons -------------------------------------------------------------------------------------


def count_of(row: FunnelRow, place: int | None) -> int:
    """How many decisions of a reason, of one underlying where one is chosen."""
    return row.count if place is None else row.by_underlying[place]


def chosen_rows(view: LiveView, choice: Choice) -> tuple[FunnelRow, ...]:
    """The reasons that blocked something of what is looked at, most frequent first."""
    place = _place(view, choice.underlying)
    rows = [row for row in blocked_rows(view) if count_of(row, place)]
    return tuple(sorted(rows, key=lambda row: -count_of(row, place)))


def letter_of(place: int) -> str:
    """The letter that stands for a reason in the picture of the day."""
    return LETTERS[place] if place < len(LETTERS) else "*"


def _columns(names: tuple[str, ...]) -> tuple[Column, ...]:
    return (
        column("", 1),
        column("AT", 3),
        column("BLOCKED BY", 22, grow=True),
        column("N", 7, ">"),
        column("%", 4, ">"),
        column("SOLE", 6, ">", priority=2),
        *(column(fmt.fit(fmt.clean(name), 9).rstrip(), 9, ">", priority=5) for name in names),
        column("LAST", 8, ">"),
        column("NOW", 9, priority=3),
        column("WHEN IN THE DAY", HEAT_WIDTH, priority=4),
    )


def reasons_table(frame: Frame, choice: Choice) -> Table:
    """One row a reason. SOLE counts decisions that nothing else stopped; the blocks of the last
    column run from the open to the close."""
    view = frame.view
    columns = _columns(tuple(row.name for row in view.underlyings))
    shown = chosen_rows(view, choice)
    place = _place(view, choice.underlying)
    total = sum(count_of(row, place) for row in shown)
    title = blocked_title(view)
    if choice.underlying is not None:
        title += f"  {choice.underlying} alone {fmt.group_indian(total)}"
    rows = tuple(
        _reason_row(view, row, place, letter_of(at), total) for at, row in enumerate(shown)
    )
    return Table(title, columns, rows, "nothing was blocked yet")


def _reason_row(view: LiveView, row: FunnelRow, place: int | None, letter: str, total: int) -> Row:
    sole = row.sole if place is None else row.sole_by_underlying[place]
    count = count_of(row, place)
    return Row(
        ("reason", row.stage, row.reason),
        (
            (letter, "key"),
            span(short_stage(row.stage), "bad"),
            span(row.reason),
            span(fmt.group_indian(count)),
            (fmt.percent(count, total), "text"),
            span(fmt.group_indian(sole), "text" if sole else "dim"),
            *(span(fmt.group_indian(number)) for number in row.by_underlying),
            (fmt.clock(row.last_ts), "dim"),
            now_cell(view, row),
            (fmt.heat(_whole_day(view, heat_of(row, place)), HEAT_WIDTH), "warn"),
        ),
    )


def reason_row(frame: Frame, key: object, choice: Choice) -> FunnelRow | None:
    """The funnel row under the cursor, else the most frequent one."""
    rows = chosen_rows(frame.view, choice)
    for row in rows:
        if ("reason", row.stage, row.reason) == key:
            return row
    return rows[0] if rows else None


# --- the picture of the day ----------------------------------------------------------------------


def heat_of(row: FunnelRow, place: int | None) -> tuple[int, ...]:
    """The counts of a reason by time, of one underlying where one is chosen."""
    return row.heat if place is None else row.heat_by_underlying[place]


def _whole_day(view: LiveView, counts: tuple[int, ...]) -> tuple[int, ...]:
    """With a column for each five minutes to the close."""
    hours = view.hours
    if hours is None or hours.open_ns is None or hours.close_ns is None:
        return counts
    columns = -(-(hours.close_ns - hours.open_ns) // HEAT_PART_NS)
    return (*counts, *(0,) * (columns - len(counts)))


def heat_lines(frame: Frame, choice: Choice, width: int) -> tuple[Line, ...]:
    """When it blocked: a column for five minutes (or more where the day is wider than the screen),
    its height how often, its letter the most frequent reason; the hours below."""
    view = frame.view
    place = _place(view, choice.underlying)
    hours = view.hours
    if hours is None or hours.open_ns is None:
        return ((span("  the day's hours are not known: no picture of it", "dim"),),)
    heats = [_whole_day(view, heat_of(row, place)) for row in chosen_rows(view, choice)]
    size = len(heats[0]) if heats else len(_whole_day(view, ()))
    step = max(-(-size // max(width - 2, 1)), 1)
    merged = [_merged(heat, step) for heat in heats]
    totals = tuple(map(sum, zip(*merged, strict=True))) if merged else (0,) * -(-size // step)
    letters = "".join(_letter_at(merged, at) for at in range(len(totals)))
    return (
        (("  ", "text"), (fmt.heat(totals, len(totals)), "warn")),
        (("  ", "text"), (letters, "key")),
        (("  ", "text"), (_axis(hours.open_ns, len(totals), step, width - 2), "dim")),
    )


def _merged(counts: tuple[int, ...], step: int) -> tuple[int, ...]:
    return tuple(sum(counts[at : at + step]) for at in range(0, len(counts), step))


def _letter_at(heats: list[tuple[int, ...]], at: int) -> str:
    best = max(range(len(heats)), key=lambda row: (heats[row][at], -row), default=None)
    return letter_of(best) if best is not None and heats[best][at] else " "


def _axis(open_ns: int, columns: int, step: int, room: int) -> str:
    """The time of day each hour from the open, and what a column is where there is room."""
    each = max(COLUMNS_AN_HOUR // step, 7)
    marks = range(0, columns, each)
    text = "".join(fmt.fit(fmt.clock(open_ns + at * step * HEAT_PART_NS)[:5], each) for at in marks)
    told = f"  column: {5 * step} min, letter: most frequent"
    text = text[:columns].ljust(columns)
    return text + told if len(text) + len(told) <= room else text


# --- decisions -----------------------------------------------------------------------------------

DECISIONS: Final[tuple[Column, ...]] = (
    column("TIME IST", 12),
    column("UNDERLYING", 10),
    column("REASON", 20, priority=4, grow=True),
    column("GATE", 13, grow=True),
    column("OBSERVED", 10, ">"),
    column("LIMIT", 12, ">"),
    column("SHORT BY", 10, ">"),
    column("OF LIMIT", 8, ">", priority=2),
    column("FAILS", 5, ">", priority=2),
    column("REGIME", 10, priority=5),
    column("DECISION", 10, ">", priority=3),
)


def decisions_table(frame: Frame, row: FunnelRow | None, choice: Choice) -> Table:
    """The decisions of the chosen list. ``nearest`` and ``sole`` are of all reasons, since that is
    what a person compares; ``last`` are those of the reason under the cursor."""
    lines, title, empty = _listed(frame.view, row, choice)
    rows = tuple(_decision_row(line) for line in lines)
    return Table(title, DECISIONS, rows, empty)


def shown_lines(frame: Frame, row: FunnelRow | None, choice: Choice) -> tuple[DecisionLine, ...]:
    """The decisions of the chosen list, in its order."""
    return _listed(frame.view, row, choice)[0]


def _listed(
    view: LiveView, row: FunnelRow | None, choice: Choice
) -> tuple[tuple[DecisionLine, ...], str, str]:
    """(decisions, title, what stands there when there are none)."""
    rows = chosen_rows(view, choice)
    if choice.listed == "nearest":
        near: list[Miss] = [miss for one in rows for miss in one.nearest]
        near.sort(key=lambda miss: (miss.ppm, miss.line.seq))
        found = tuple(miss.line for miss in near)
        return _of(found, choice), "NEAREST MISSES  one a reason and underlying", "none is known"
    if choice.listed == "sole":
        every = [line for one in rows for line in one.sole_recent]
        every.sort(key=lambda line: -line.seq)
        total = sum(one.sole for one in rows)
        title = f"ONE GATE AWAY  {fmt.group_indian(total)} today: all else was judged and passed"
        return _of(tuple(every), choice), title, "no decision was one gate away"
    if row is None:
        return (), "DECISIONS", "no reason is selected"
    lines = _of(tuple(reversed(row.recent)), choice)
    count = count_of(row, _place(view, choice.underlying))
    shown = f"the last {len(lines)} of {fmt.group_indian(count)}"
    return lines, f"DECISIONS  {row.reason}  {shown}", "none is kept"


def _of(lines: tuple[DecisionLine, ...], choice: Choice) -> tuple[DecisionLine, ...]:
    name = choice.underlying
    return lines if name is None else tuple(one for one in lines if one.made.underlying == name)


def _decision_row(line: DecisionLine) -> Row:
    made = line.made
    return Row(
        ("decision", line.seq),
        (
            span(fmt.clock_ms(line.ts)),
            span(made.underlying),
            span(made.reason),
            *_figures(line),
            span(made.regime),
            span(f"#{line.seq}", "dim"),
        ),
    )


def _figures(line: DecisionLine) -> tuple[Span, ...]:
    """(gate, observed, limit, short by, of its limit, how many gates failed)."""
    gates = gates_of(line)
    stages = () if gates is None else gates.official
    verdict = next((one for one in stages if one.stage == line.made.stage), None)
    gate = None if verdict is None else gate_row(verdict)
    fails = span("?" if gates is None else str(failed_gates(gates)))
    if gate is None:
        blank: Span = (fmt.MISSING, "dim")
        return blank, blank, blank, blank, blank, fails
    observed, limit, margin = numbers(gate)
    share = fmt.MISSING
    if gate.margin is not None and gate.margin < 0 and gate.limit:
        share = fmt.percent(-gate.margin, abs(gate.limit))
    return span(gate.gate), observed, limit, margin, span(share), fails


def failed_gates(gates: GatesEvaluated) -> int:
    """How many official gates did not pass; those of a stage that waits were not judged."""
    return sum(
        row.verdict != "PASS"
        for one in gates.official
        if one.depends_on is None
        for row in one.rows
    )


def detail(row: FunnelRow | None) -> str:
    """The selected reason in words, and what to do about it."""
    return "" if row is None else reason_text(row.reason)

"""What a report is made of: sections of tables, facts and charts, all immutable.

Lives here: the blocks of a section, the section with its status, the report, and the report as JSON
objects. May import: projections.why, msgspec. Always holds: values are raw (paise, ns UTC, ms, per
mille) and named by the unit of their column, so that the page shows and JSON gives the same ones; a
section without content has a reason. Start reading at ``Report`` and ``document``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from projections.why import TrailStep, ist_iso

Value = str | int | float | bool | None
Status = Literal["SHOWN", "NOTHING", "MISSING"]

SHOWN: Final = "SHOWN"
"""There is content."""
NOTHING: Final = "NOTHING"
"""The input is there and holds nothing of the kind; the reason says so."""
MISSING: Final = "MISSING"
"""The input is not there; the reason says why."""

TIME_UNITS: Final = ("ts", "ts_ms")


class Column(msgspec.Struct, frozen=True):
    """A column: its key in JSON, its title on the page, the unit of its values.

    Units: ``text``, ``code`` (set in type for codes), ``stage`` (shown by its
    number), ``count``, ``paise``, ``result``
    (paise, a loss in red), ``day`` (kept on one line), ``ts`` and ``ts_ms``
    (ns UTC, shown in IST), ``ms``, ``us``, ``milli`` (per mille, shown as %), ``bar`` (the same
    with a bar), ``digest``, ``measure`` (text that holds its own unit),
    ``command`` (to be typed).
    """

    key: str
    title: str
    unit: str


class Table(msgspec.Struct, frozen=True):
    """Rows under columns. ``name`` is its key in the section's JSON; a ``narrow`` one is set in
    columns on the page."""

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    narrow: bool


class Facts(msgspec.Struct, frozen=True):
    """One row of named values."""

    name: str
    caption: str
    columns: tuple[Column, ...]
    values: tuple[Value, ...]


class HeatRow(msgspec.Struct, frozen=True):
    """A row of a heat map: its label, what it means, and one count a bin."""

    stage: str
    reason: str
    text: str
    counts: tuple[int, ...]


class Heat(msgspec.Struct, frozen=True):
    """Decisions that ended at each reason, by bins of time; ``starts`` are ns UTC, ``totals`` all
    decisions of a bin."""

    name: str
    caption: str
    bin_ms: int
    starts: tuple[int, ...]
    totals: tuple[int, ...]
    rows: tuple[HeatRow, ...]


class Span(msgspec.Struct, frozen=True):
    """What held from one time to another, ns UTC. ``look`` picks the colour."""

    from_ts: int
    to_ts: int
    label: str
    look: str
    text: str


class Lane(msgspec.Struct, frozen=True):
    """A named row of spans."""

    label: str
    spans: tuple[Span, ...]


class Lanes(msgspec.Struct, frozen=True):
    """Lanes over one axis of time, ns UTC."""

    name: str
    caption: str
    from_ts: int
    to_ts: int
    lanes: tuple[Lane, ...]


class Candle(msgspec.Struct, frozen=True):
    """The price of a minute: ns UTC and paise."""

    ts: int
    low_paise: int
    high_paise: int
    close_paise: int


class Run(msgspec.Struct, frozen=True):
    """Decisions one after another that ended the same way: the first one's seq, how many."""

    from_ts: int
    to_ts: int
    seq: int
    outcome: str
    stage: str
    reason: str
    count: int


class Mark(msgspec.Struct, frozen=True):
    """A point on the price: a trade that was entered, or an exit."""

    ts: int
    price_paise: int
    kind: Literal["TRADE", "EXIT"]
    seq: int
    text: str


class Price(msgspec.Struct, frozen=True):
    """An underlying over the day: price, regime, kind of day, every decision, every trade."""

    underlying: str
    from_ts: int
    to_ts: int
    candles: tuple[Candle, ...]
    regimes: tuple[Span, ...]
    day_types: tuple[Span, ...]
    runs: tuple[Run, ...]
    marks: tuple[Mark, ...]


class Prices(msgspec.Struct, frozen=True):
    """One chart for each underlying."""

    name: str
    caption: str
    underlyings: tuple[Price, ...]


class Story(msgspec.Struct, frozen=True):
    """A trade as ``why`` tells it: its decision, the sentence, and the trail from tick to close."""

    seq: int
    ts: int
    underlying: str
    contract: str
    sentence: str
    steps: tuple[TrailStep, ...]


class Stories(msgspec.Struct, frozen=True):
    """Every trade of the day with its trail."""

    name: str
    caption: str
    stories: tuple[Story, ...]


class Series(msgspec.Struct, frozen=True):
    """A line of steps: (ns UTC, value) pairs."""

    label: str
    look: str
    points: tuple[tuple[int, int], ...]


class Steps(msgspec.Struct, frozen=True):
    """Values over time that hold until the next one."""

    name: str
    caption: str
    unit: str
    from_ts: int
    to_ts: int
    series: tuple[Series, ...]


class Part(msgspec.Struct, frozen=True):
    """A share of a bar."""

    look: str
    label: str
    count: int


class Bar(msgspec.Struct, frozen=True):
    """A bar of parts."""

    label: str
    parts: tuple[Part, ...]


class Bars(msgspec.Struct, frozen=True):
    """Bars side by side, each the whole of its parts."""

    name: str
    caption: str
    bars: tuple[Bar, ...]


class Text(msgspec.Struct, frozen=True):
    """Sentences; the first one of the first section is the verdict."""

    name: str
    lines: tuple[str, ...]


Block = Table | Facts | Heat | Lanes | Prices | Stories | Steps | Bars | Text


class Section(msgspec.Struct, frozen=True):
    """A part of a report. ``notes`` say which lesser inputs are missing, and why."""

    key: str
    title: str
    status: Status
    reason: str | None
    notes: tuple[str, ...]
    blocks: tuple[Block, ...]


class Report(msgspec.Struct, frozen=True):
    """The whole: ``kind`` is day or week."""

    kind: Literal["day", "week"]
    title: str
    subtitle: str
    sections: tuple[Section, ...]

    def section(self, key: str) -> Section:
        """The section with this key. Raises ``KeyError``."""
        for section in self.sections:
            if section.key == key:
                return section
        raise KeyError(key)


# --- JSON ------------------------------------------------------------------------------------


def document(report: Report) -> dict[str, Any]:
    """The report as JSON objects: the same sections in the same order, rows as objects."""
    return {
        "report": report.kind,
        "title": report.title,
        "subtitle": report.subtitle,
        "sections": {section.key: _section(section) for section in report.sections},
    }


def _section(section: Section) -> dict[str, Any]:
    head = {
        "title": section.title,
        "status": section.status,
        "reason": section.reason,
        "notes": list(section.notes),
    }
    return {**head, **{block.name: _block(block) for block in section.blocks}}


def _block(block: Block) -> Any:
    if isinstance(block, Table):
        return [_row(block.columns, row) for row in block.rows]
    if isinstance(block, Facts):
        return _row(block.columns, block.values)
    if isinstance(block, Text):
        return list(block.lines)
    if isinstance(block, Prices):
        return [msgspec.to_builtins(price) for price in block.underlyings]
    if isinstance(block, Stories):
        return [msgspec.to_builtins(story) for story in block.stories]
    return msgspec.to_builtins(block)


def _row(columns: tuple[Column, ...], values: tuple[Value, ...]) -> dict[str, Any]:
    """Values by key; a time has its IST text beside it."""
    shown: dict[str, Any] = {}
    for column, value in zip(columns, values, strict=True):
        shown[column.key] = value
        if column.unit in TIME_UNITS:
            shown[f"{column.key}_ist"] = ist_iso(value) if isinstance(value, int) else None
    return shown


# --- making ----------------------------------------------------------------------------------


def columns(spec: str) -> tuple[Column, ...]:
    """Columns from lines of ``key unit Title of several words``."""
    parts = (line.split(maxsplit=2) for line in spec.strip().splitlines())
    return tuple(Column(key, title, unit) for key, unit, title in parts)


def table(name: str, caption: str, spec: str, rows: Any, *, narrow: bool = False) -> Table:
    """A table whose rows are objects that hold its columns' keys, or tuples in their order."""
    made = columns(spec)
    return Table(name, caption, made, tuple(_values(made, row) for row in rows), narrow)


def facts(name: str, caption: str, spec: str, row: Mapping[str, Any]) -> Facts:
    """Named values out of an object."""
    made = columns(spec)
    return Facts(name, caption, made, _values(made, row))


def _values(made: tuple[Column, ...], row: Any) -> tuple[Value, ...]:
    if isinstance(row, tuple):
        return row
    return tuple(row[column.key] for column in made)

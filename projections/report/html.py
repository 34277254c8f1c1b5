"""A report as one page that opens offline: no script, nothing from outside.

Lives here: the page, its tables, its style. May import: projections. Always holds: the page begins
with ``MARKER``, so that a report can be told from another file; its policy forbids every load; all
text from a journal is escaped; the same report gives the same bytes. Start reading at ``page``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from projections import why
from projections.report import svg
from projections.report.escape import text
from projections.report.model import (
    MISSING,
    Bars,
    Block,
    Column,
    Facts,
    Heat,
    Lanes,
    Prices,
    Report,
    Section,
    Steps,
    Stories,
    Table,
    Text,
    Value,
)
from projections.report.style import STYLE

MARKER: Final = "<!doctype html>\n<!-- axiom report -->\n"
"""How every report begins."""

POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
_LOOKS: Final = {"command": "cmd"}
_NARROW_FROM: Final = 16
"""Rows from which on a narrow table is set in columns."""
_NUMBERS: Final = ("count", "paise", "result", "ms", "us", "milli", "measure")


def page(report: Report) -> str:
    """The whole page."""
    sections = "\n".join(_section(section) for section in report.sections)
    contents = "\n".join(_link(section) for section in report.sections)
    return (
        f'{MARKER}<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{text(report.title)}: {text(report.subtitle)}</title>\n"
        f"<style>{STYLE}</style></head>\n<body>\n"
        f"<header><h1>{text(report.title)}</h1><p>{text(report.subtitle)}. Times are IST."
        f"</p></header>\n<nav>{contents}</nav>\n<main>\n{sections}\n</main>\n</body></html>\n"
    )


def _link(section: Section) -> str:
    look = "" if section.blocks else ' class="none"'
    return f'<a href="#{text(section.key)}"{look}>{text(section.title)}</a>'


def _section(section: Section) -> str:
    parts = [f'<section id="{text(section.key)}"><h2>{text(section.title)}</h2>']
    if section.reason is not None:
        look, word = ("missing", "Missing. ") if section.status == MISSING else ("nothing", "")
        parts.append(f'<p class="{look}">{word}{text(section.reason)}</p>')
    parts += [_block(block) for block in section.blocks]
    parts += [f'<p class="missing">Missing. {text(note)}</p>' for note in section.notes]
    return "\n".join([*parts, "</section>"])


# --- blocks ----------------------------------------------------------------------------------


def _block(block: Block) -> str:
    return _DRAWN[type(block)](block)


def _figure(caption: str, drawn: str, legend: str = "") -> str:
    words = f"<figcaption>{text(caption)}{legend}</figcaption>"
    return f"<figure>{words}{drawn}</figure>"


def _text(block: Text) -> str:
    return "\n".join(f'<p class="said">{text(line)}</p>' for line in block.lines)


def _facts(block: Facts) -> str:
    pairs = "".join(
        f"<div><dt>{text(column.title)}</dt><dd>{_value(column, value)}</dd></div>"
        for column, value in zip(block.columns, block.values, strict=True)
        if value not in (None, "")
    )
    caption = f"<h3>{text(block.caption)}</h3>" if block.caption else ""
    return f"{caption}<dl>{pairs}</dl>"


def _table(block: Table) -> str:
    shown = _shown_columns(block)
    heads = "".join(
        f"<th{_align(block.columns[place])}>{text(block.columns[place].title)}</th>"
        for place in shown
    )
    rows = "\n".join(
        "<tr>" + "".join(_cell(block.columns[place], row[place]) for place in shown) + "</tr>"
        for row in block.rows
    )
    narrow = block.narrow and len(block.rows) >= _NARROW_FROM
    look = ' class="narrow"' if narrow else ' class="table"'
    return (
        f"<h3>{text(block.caption)}</h3><div{look}><table><thead><tr>{heads}</tr></thead>"
        f"<tbody>\n{rows}\n</tbody></table></div>"
    )


def _shown_columns(block: Table) -> list[int]:
    """Columns that hold anything at all; JSON has the others too."""
    return [
        place
        for place in range(len(block.columns))
        if any(row[place] not in (None, "") for row in block.rows)
    ]


def _align(column: Column) -> str:
    look = "n" if column.unit in _NUMBERS else _LOOKS.get(column.unit)
    return f' class="{look}"' if look else ""


def _cell(column: Column, value: Value) -> str:
    return f"<td{_align(column)}>{_value(column, value)}</td>"


def _value(column: Column, value: Value) -> str:
    if value is None or value == "":
        return ""
    show = _SHOWN.get(column.unit)
    return show(value) if show is not None else text(value)


def _bar(value: Any) -> str:
    share = int(value)
    return (
        f'<span class="bar"><i style="width:{share // 10}.{share % 10}%"></i></span>'
        f"{share // 10}.{share % 10} %"
    )


def _digest(value: Any) -> str:
    shown = text(value)
    return f'<code class="digest" title="{shown}">{shown}</code>'


def _money(value: Any) -> str:
    return text(why.amount(int(value), "paise"))


def _result(value: Any) -> str:
    return f'<span class="loss">{_money(value)}</span>' if int(value) < 0 else _money(value)


def _count(value: Any) -> str:
    number = int(value)
    return ("-" if number < 0 else "") + why.indian(abs(number))


def _permille(value: Any) -> str:
    return f"{int(value) // 10}.{int(value) % 10} %"


_SHOWN: Final[dict[str, Callable[[Any], str]]] = {
    "code": lambda value: (
        f"<code>{text(value).replace('_', '_<wbr>').replace(',', ',<wbr>')}</code>"
    ),
    "command": lambda value: f"<code>{text(value)}</code>",
    "stage": lambda value: f"<code>{text(str(value).partition('_')[0])}</code>",
    "count": _count,
    "paise": _money,
    "result": _result,
    "day": lambda value: f'<span class="day">{text(value)}</span>',
    "ts": lambda value: why.ist_iso(int(value))[11:19],
    "ts_ms": lambda value: why.ist_iso(int(value))[11:],
    "ms": lambda value: f"{_count(value)} ms",
    "us": lambda value: f"{_count(value)} µs",
    "milli": _permille,
    "bar": _bar,
    "digest": _digest,
}
"""How a value of each unit is shown; other units are text."""


def _prices(block: Prices) -> str:
    drawn = "".join(f"<h3>{text(one.underlying)}</h3>{svg.price(one)}" for one in block.underlyings)
    labels = dict.fromkeys(
        (span.look, span.label)
        for one in block.underlyings
        for span in (*one.regimes, *one.day_types)
    )
    legend = "".join(f'<span class="key {look}">{text(label)}</span>' for look, label in labels)
    return f'<figcaption>{text(block.caption)}</figcaption><p class="keys">{legend}</p>{drawn}'


def _steps(block: Steps) -> str:
    legend = "".join(
        f' <span class="key {one.look}">{text(one.label)}</span>' for one in block.series
    )
    return _figure(block.caption, svg.steps(block), legend)


def _bars(block: Bars) -> str:
    labels = dict.fromkeys((part.look, part.label) for bar in block.bars for part in bar.parts)
    legend = "".join(f' <span class="key {look}">{text(label)}</span>' for look, label in labels)
    return _figure(block.caption, svg.bars(block), legend)


def _stories(block: Stories) -> str:
    parts = [f"<h3>{text(block.caption)}</h3>"]
    for story in block.stories:
        rows = "".join(
            f"<tr><td>{text(step.ts_ist[11:])}</td><td><code>{text(step.kind)}</code></td>"
            f'<td>{text(step.what)}</td><td class="n">{step.seq}</td>'
            f'<td class="n">{step.cause}</td></tr>'
            for step in story.steps
        )
        parts.append(
            f'<div class="story"><p class="said">{svg.clock(story.ts)} '
            f"<code>{text(story.contract)}</code> {text(story.sentence)}</p>"
            '<table><thead><tr><th>Time</th><th>Entry</th><th>What</th><th class="n">Seq</th>'
            f'<th class="n">Cause</th></tr></thead><tbody>{rows}</tbody></table></div>'
        )
    return "".join(parts)


_DRAWN: Final[dict[type, Callable[[Any], str]]] = {
    Table: _table,
    Facts: _facts,
    Text: _text,
    Heat: lambda block: _figure(block.caption, svg.heat(block)),
    Lanes: lambda block: _figure(block.caption, svg.lanes(block)),
    Prices: _prices,
    Stories: _stories,
    Steps: _steps,
    Bars: _bars,
}
"""How each block is drawn."""

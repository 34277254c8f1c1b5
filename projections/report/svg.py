"""Charts as inline SVG: a heat map, lanes of time, prices with decisions, steps, bars.

Lives here: one function a chart, from a block to markup. May import: events, projections. Always
holds: coordinates are integers or tenths of one, so that the same block gives the same bytes;
colours are classes of the page; each mark has its words as a title; all text is escaped. Start
reading at ``heat``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from events import reasons
from projections import why
from projections.report.escape import text
from projections.report.model import Bars, Heat, Lanes, Mark, Price, Run, Series, Span, Steps

WIDTH: Final = 1000
_RIGHT: Final = WIDTH - 8
_SECOND_NS: Final = 1_000_000_000
_MINUTE_NS: Final = 60 * _SECOND_NS
_STEPS_S: Final = (1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 86_400)
_TICKS_MAX: Final = 14
_LABEL_TENTHS: Final = 300
"""Half the width of a label of the axis of time, and a little: what keeps it inside the chart."""
_CHAR_TENTHS: Final = 62
"""Width of a letter at 10 px, tenths: whether a label fits into its span."""
_IST_NS: Final = 19_800_000_000_000


class Axis(NamedTuple):
    """Time to x: ns UTC between ``left`` and ``right`` (px)."""

    from_ts: int
    to_ts: int
    left: int
    right: int

    def tenths(self, ts: int) -> int:
        """x in tenths of a px, kept inside."""
        span = max(self.to_ts - self.from_ts, 1)
        inside = min(max(ts - self.from_ts, 0), span)
        return self.left * 10 + inside * (self.right - self.left) * 10 // span

    def at(self, ts: int) -> str:
        """x of a time."""
        return px(self.tenths(ts))

    def wide(self, from_ts: int, to_ts: int) -> int:
        """Width of a stretch of time, tenths, at least 8."""
        return max(self.tenths(to_ts) - self.tenths(from_ts), 8)


def px(tenths: int) -> str:
    """Tenths of a px as SVG writes them."""
    sign, whole = ("-", -tenths) if tenths < 0 else ("", tenths)
    return f"{sign}{whole // 10}.{whole % 10}" if whole % 10 else f"{sign}{whole // 10}"


def clock(ts: int) -> str:
    """HH:MM:SS in IST."""
    return why.ist_iso(ts)[11:19]


def _svg(height: int, label: str, parts: Iterable[str]) -> str:
    body = "\n".join(parts)
    head = f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{text(label)}">'
    return f"{head}\n{body}\n</svg>"


def _title(words: str) -> str:
    return f"<title>{text(words)}</title>"


def _word(x: str, y: int, words: str, *, look: str = "t", anchor: str = "start") -> str:
    return f'<text x="{x}" y="{y}" class="{look}" text-anchor="{anchor}">{text(words)}</text>'


def _rect(x: str, y: int, wide: int, high: int, look: str, words: str, more: str = "") -> str:
    return (
        f'<rect x="{x}" y="{y}" width="{px(wide)}" height="{high}" class="{look}"{more}>'
        f"{_title(words)}</rect>"
    )


def _time_axis(axis: Axis, top: int, bottom: int) -> Iterator[str]:
    """Lines and labels at round times."""
    span = max(axis.to_ts - axis.from_ts, 1)
    seconds = next((s for s in _STEPS_S if span // (s * _SECOND_NS) <= _TICKS_MAX), _STEPS_S[-1])
    step, digits = seconds * _SECOND_NS, 8 if seconds % 60 else 5
    first = -(-(axis.from_ts + _IST_NS) // step) * step - _IST_NS
    for ts in range(first, axis.to_ts + 1, step):
        x, anchor = axis.at(ts), "middle"
        if axis.tenths(ts) > WIDTH * 10 - _LABEL_TENTHS:
            anchor = "end"
        yield f'<line x1="{x}" y1="{top}" x2="{x}" y2="{bottom}" class="grid"/>'
        yield _word(x, bottom + 12, clock(ts)[:digits], anchor=anchor)


# --- heat map --------------------------------------------------------------------------------

_ROW: Final = 17


def heat(block: Heat) -> str:
    """Rows of reasons, bins of time; the share of a bin's decisions as darkness."""
    left, bin_ns = 236, block.bin_ms * 1_000_000
    axis = Axis(block.starts[0], block.starts[-1] + bin_ns, left, WIDTH - 60)
    bottom = 6 + _ROW * len(block.rows)
    parts = list(_time_axis(axis, 6, bottom))
    for place, row in enumerate(block.rows):
        y, total = 6 + place * _ROW, 0
        stage = row.stage.partition("_")[0]
        parts.append(_word(str(left - 6), y + 12, f"{stage} {row.reason}", anchor="end"))
        for start, count, whole in zip(block.starts, row.counts, block.totals, strict=True):
            total += count
            if not count:
                continue
            shade = 15 + 85 * count // max(whole, 1)
            words = f"{clock(start)[:5]} {row.reason}: {count} of {whole}. {row.text}"
            wide = axis.wide(start, start + bin_ns)
            opacity = f' fill-opacity="{shade // 100}.{shade % 100:02d}"'
            parts.append(_rect(axis.at(start), y + 1, wide, _ROW - 2, "heat", words, opacity))
        parts.append(_word(str(WIDTH - 54), y + 12, why.indian(total)))
    return _svg(bottom + 18, block.caption, parts)


# --- lanes -----------------------------------------------------------------------------------

_LANE: Final = 20


def lanes(block: Lanes) -> str:
    """Named rows of spans over time."""
    axis = Axis(block.from_ts, block.to_ts, 96, _RIGHT)
    bottom = 4 + _LANE * len(block.lanes)
    parts = list(_time_axis(axis, 4, bottom))
    for place, lane in enumerate(block.lanes):
        y = 4 + place * _LANE
        parts.append(_word("90", y + 14, lane.label, anchor="end"))
        parts.extend(_spans(lane.spans, axis, y + 2, _LANE - 4))
    return _svg(bottom + 18, block.caption, parts)


def _spans(spans: Iterable[Span], axis: Axis, y: int, high: int) -> Iterator[str]:
    for span in spans:
        wide = axis.wide(span.from_ts, span.to_ts)
        words = f"{clock(span.from_ts)} to {clock(span.to_ts)}: {span.label}. {span.text}"
        yield _rect(axis.at(span.from_ts), y, wide, high, span.look, words)
        if len(span.label) * _CHAR_TENTHS + 60 < wide:
            x = px(axis.tenths(span.from_ts) + 30)
            yield _word(x, y + high - 4, span.label, look="on")


# --- price and decisions ---------------------------------------------------------------------

_PRICE_TOP: Final = 8
_PRICE_HIGH: Final = 190
_STRIP: Final = 15
_STAGE_ROW: Final = 9
_PRICE_LEFT: Final = 122
_GAP_NS: Final = 2 * _MINUTE_NS


def price(block: Price) -> str:
    """Price with entries and exits, then strips of regime, kind of day, and stages."""
    axis = Axis(block.from_ts, block.to_ts, _PRICE_LEFT, _RIGHT)
    scale = _scale(
        [c.low_paise for c in block.candles], [c.high_paise for c in block.candles],
        [m.price_paise for m in block.marks],
    )  # fmt: skip
    strips = _PRICE_TOP + _PRICE_HIGH + 8
    stages = strips + 2 * _STRIP + 4
    bottom = stages + _STAGE_ROW * (len(reasons.STAGES) + 1)
    parts = [*_time_axis(axis, _PRICE_TOP, bottom), *_levels(scale, "paise")]
    parts += [_range_path(block, axis, scale), _close_path(block, axis, scale)]
    parts += [_mark(mark, axis, scale) for mark in block.marks]
    for place, (label, spans) in enumerate(
        (("regime", block.regimes), ("kind of day", block.day_types))
    ):
        y = strips + place * _STRIP
        parts.append(_word(str(_PRICE_LEFT - 6), y + 10, label, anchor="end"))
        parts.extend(_spans(spans, axis, y, _STRIP - 2))
    parts.extend(_stage_rows(block.runs, axis, stages))
    return _svg(bottom + 18, f"{block.underlying}: price and decisions", parts)


class Scale(NamedTuple):
    """Value to y: ``low`` at the bottom, ``high`` at the top of a box (px)."""

    low: int
    high: int
    top: int
    tall: int

    def at(self, value: int) -> str:
        """y of a value."""
        span = max(self.high - self.low, 1)
        return px((self.top + self.tall) * 10 - (value - self.low) * self.tall * 10 // span)


_LEAST_PAD: Final = 100
"""A rupee: a line of equal values is not drawn on a scale of paise."""


def _scale(*values: list[int], top: int = _PRICE_TOP, tall: int = _PRICE_HIGH) -> Scale:
    every = [value for some in values for value in some]
    low, high = min(every), max(every)
    pad = max((high - low) // 20, _LEAST_PAD)
    return Scale(low - pad, high + pad, top, tall)


def _levels(scale: Scale, unit: str) -> Iterator[str]:
    """Lines at round values."""
    for value in _round_values(scale.low, scale.high):
        y = scale.at(value)
        yield f'<line x1="{_PRICE_LEFT}" y1="{y}" x2="{_RIGHT}" y2="{y}" class="grid"/>'
        label = why.amount(value, unit).removesuffix(".00")
        yield (
            f'<text x="{_PRICE_LEFT - 6}" y="{y}" dy="4" class="t" text-anchor="end">'
            f"{text(label)}</text>"
        )


def _round_values(low: int, high: int) -> range:
    """About five values of 1, 2 or 5 times a power of ten."""
    step, factors, place = 1, (2, 5, 10), 0
    power = 1
    while (high - low) // step > 5:
        step = power * factors[place]
        place += 1
        if place == len(factors):
            place, power = 0, power * 10
    return range(-(-low // step) * step, high + 1, step)


def _close_path(block: Price, axis: Axis, scale: Scale) -> str:
    points, before = [], None
    for candle in block.candles:
        joined = before is not None and candle.ts - before <= _GAP_NS
        letter = "L" if joined else "M"
        end = candle.ts + _MINUTE_NS  # its last price is of its end
        points.append(f"{letter}{axis.at(end)} {scale.at(candle.close_paise)}")
        before = candle.ts
    return f'<path d="{" ".join(points)}" class="line ink"/>'


def _range_path(block: Price, axis: Axis, scale: Scale) -> str:
    """Low to high of each minute as one stroke."""
    strokes = [
        f"M{axis.at(c.ts + _MINUTE_NS // 2)} {scale.at(c.low_paise)}V{scale.at(c.high_paise)}"
        for c in block.candles
    ]
    return f'<path d="{" ".join(strokes)}" class="range"/>'


def _mark(mark: Mark, axis: Axis, scale: Scale) -> str:
    x, y = axis.at(mark.ts), scale.at(mark.price_paise)
    shape = "M0 -9L6 3L-6 3Z" if mark.kind == "TRADE" else "M-5 -5L5 5M-5 5L5 -5"
    look = "trade" if mark.kind == "TRADE" else "exit"
    words = f"{clock(mark.ts)} {mark.text}, seq {mark.seq}"
    return f'<path d="{shape}" transform="translate({x} {y})" class="{look}">{_title(words)}</path>'


def _stage_rows(runs: Iterable[Run], axis: Axis, top: int) -> Iterator[str]:
    """A row a stage, the last one for trades; each run of equal ends is a block."""
    place_of = {stage: place for place, stage in enumerate(reasons.STAGES)}
    last = len(reasons.STAGES)
    for stage, place in place_of.items():
        y, name = top + place * _STAGE_ROW, stage.partition("_")[0]
        words = f"{name} {reasons.STAGE_TITLES[place]}"
        yield _word(str(_PRICE_LEFT - 6), y + 8, words, look="s", anchor="end")
    yield _word(str(_PRICE_LEFT - 6), top + last * _STAGE_ROW + 8, "trade", look="s", anchor="end")
    for run in runs:
        traded = run.outcome == "TRADE"
        place = last if traded else place_of.get(run.stage, last)
        words = (
            f"{clock(run.from_ts)} to {clock(run.to_ts)}: {run.count} x {run.reason} at "
            f"{run.stage}, from seq {run.seq}. {why.reason_text(run.reason)}"
        )
        look, y = ("good" if traded else "run"), top + place * _STAGE_ROW
        wide = max(axis.wide(run.from_ts, run.to_ts), 30 if traded else 8)
        yield _rect(axis.at(run.from_ts), y + 1, wide, _STAGE_ROW - 1, look, words)


# --- steps and bars --------------------------------------------------------------------------


def steps(block: Steps) -> str:
    """Values that hold until the next one."""
    axis = Axis(block.from_ts, block.to_ts, _PRICE_LEFT, _RIGHT)
    scale = _scale([v for one in block.series for _, v in one.points], [0], tall=130)
    bottom = _PRICE_TOP + 130
    zero = scale.at(0)
    parts = [
        *_time_axis(axis, _PRICE_TOP, bottom),
        *_levels(scale, block.unit),
        f'<line x1="{_PRICE_LEFT}" y1="{zero}" x2="{_RIGHT}" y2="{zero}" class="zero"/>',
        *(_step_path(one, axis, scale) for one in block.series),
    ]
    return _svg(bottom + 18, block.caption, parts)


def _step_path(series: Series, axis: Axis, scale: Scale) -> str:
    path = ""
    for ts, value in series.points:
        x, y = axis.at(ts), scale.at(value)
        path += f"H{x}V{y}" if path else f"M{x} {y}"
    path += f"H{axis.at(axis.to_ts)}"
    return f'<path d="{path}" class="line {series.look}">{_title(series.label)}</path>'


_BAR: Final = 22


def bars(block: Bars) -> str:
    """Whole bars, cut into their parts."""
    left, parts = 150, []
    for place, bar in enumerate(block.bars):
        y, x, whole = 2 + place * _BAR, left * 10, 0
        parts.append(_word(str(left - 6), y + 14, bar.label, anchor="end"))
        for part in bar.parts:
            whole += part.count
        for part in bar.parts:
            wide = (_RIGHT - left) * 10 * part.count // max(whole, 1)
            words = f"{bar.label}: {part.label} {why.indian(part.count)} of {why.indian(whole)}"
            if part.count:
                parts.append(_rect(px(x), y + 2, max(wide, 4), _BAR - 4, part.look, words))
            if len(part.label) * _CHAR_TENTHS + 60 < wide:
                parts.append(_word(px(x + 30), y + 15, part.label, look="on"))
            x += wide
    return _svg(4 + _BAR * len(block.bars), block.caption, parts)

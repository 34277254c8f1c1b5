"""An underlying over the day: price, regime, kind of day and every decision, on one axis of time.

Lives here: the section of the market, runs of equal spans. May import: events, projections. Always
holds: every decision is in exactly one run, a run is of equal ends; each TRADE is a mark of its
own. Start reading at ``market``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from events import reasons
from projections import why
from projections.report.inputs import Inputs, Row
from projections.report.model import Block, Candle, Mark, Price, Prices, Run, Span, table
from projections.report.sections import Made, Nothing
from projections.report.words import with_next

_STAGE_PLACE: Final = {stage: place for place, stage in enumerate(reasons.STAGES)}
_LAST: Final = len(reasons.STAGES)

LOOKS: Final = {
    "TREND": "c0", "RANGE": "c1", "RANGE_VOLATILE": "c2", "VOLATILE": "c2", "PANIC": "bad",
    "EVENT": "c4",
}  # fmt: skip
"""Colours of regimes, and of kinds of day without their ``_DAY``; the rest are grey."""


def stage_place(stage: str) -> int:
    """The place of a stage, from 0; unknown ones stand behind."""
    return _STAGE_PLACE.get(stage, _LAST)


def market(given: Inputs) -> Made:
    """One chart an underlying, and the points that it shows as a table."""
    names = tuple(dict.fromkeys(row["underlying"] for row in given.all("prices")))
    if not names:
        return Nothing("No snapshot knew a price, so there is none to draw.")
    charts = tuple(_price(given, name) for name in names)
    caption = (
        "Price by the minute as the gates saw it; below it the regime, the kind of day, and the "
        "stage at which each decision ended (a block is a run of equal ends). Triangles are "
        "entries, crosses are exits."
    )
    blocks: list[Block] = [Prices("underlyings", caption, charts)]
    changes = _points(given)
    if changes:
        blocks.append(
            table(
                "points", "Decision points: each entry, each exit, each change of the reason",
                "ts ts Time\nunderlying text Underlying\noutcome code Outcome\nstage stage Stage\n"
                "reason code Reason\ncount count Decisions\nseq count Seq",
                changes,
                narrow=True,
            )
        )  # fmt: skip
    return tuple(blocks)


def _points(given: Inputs) -> list[Row]:
    """Every run of decisions and every exit, in order of the journal."""
    runs = [{**row, "ts": row["from_ts"]} for row in given.all("runs")]
    exits = [{**row, "outcome": "EXIT", "stage": None, "count": None} for row in given.all("exits")]
    return sorted([*runs, *exits], key=lambda row: row["seq"])


def _price(given: Inputs, name: str) -> Price:
    def own(key: str) -> list[Row]:
        return [row for row in given.all(key) if row["underlying"] == name]

    candles = tuple(
        Candle(row["ts"], row["low_paise"], row["high_paise"], row["close_paise"])
        for row in own("prices")
    )
    runs = tuple(
        Run(row["from_ts"], row["to_ts"], row["seq"], row["outcome"], row["stage"], row["reason"],
            row["count"])
        for row in own("runs")
    )  # fmt: skip
    start = min(candles[0].ts, *(run.from_ts for run in runs[:1]), candles[0].ts)
    end = max([candles[-1].ts + 60_000_000_000, *(run.to_ts for run in runs)])
    return Price(
        underlying=name, from_ts=start, to_ts=end, candles=candles,
        regimes=_spans(own("regimes"), "regime", end),
        day_types=_spans(own("day_types"), "day_type", end),
        runs=runs, marks=tuple(_marks(own("trades"), own("exits"))),
    )  # fmt: skip


def _marks(trades: list[Row], exits: list[Row]) -> Iterable[Mark]:
    """Entries and exits at the price of their moment; one without a price has no place."""
    for row in trades:
        if row["spot_paise"] is not None:
            text = f"TRADE {row['tradingsymbol']}, {row['strategy_id']}"
            yield Mark(row["ts"], row["spot_paise"], "TRADE", row["seq"], text)
    for row in exits:
        if row["spot_paise"] is not None:
            text = f"{row['reason']} {row['tradingsymbol']}: {why.reason_text(row['reason'])}"
            yield Mark(row["ts"], row["spot_paise"], "EXIT", row["seq"], text)


def _spans(rows: list[Row], key: str, end: int) -> tuple[Span, ...]:
    spans = (
        Span(row["ts"], after, row[key], _look(row[key]), row[key])
        for row, after in with_next(rows, end)
    )
    return joined(spans)


def _look(label: str) -> str:
    return LOOKS.get(label.removesuffix("_DAY"), "idle")


def joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Neighbours of one label as one span."""
    found: list[Span] = []
    for span in spans:
        if found and found[-1].label == span.label:
            last = found.pop()
            span = Span(last.from_ts, span.to_ts, span.label, span.look, last.text)
        found.append(span)
    return tuple(found)

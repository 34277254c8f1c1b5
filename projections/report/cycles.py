"""The sections about the decision cycles: readiness, the funnel, the heat map, the feed.

Lives here: from rows to blocks. May import: projections. Always holds: numbers are those of the
rows; every reason has ``projections.why``'s text. Start reading at ``funnel``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from projections import why
from projections.report.inputs import Inputs, Row
from projections.report.market import stage_place
from projections.report.model import Block, Heat, HeatRow, Lane, Lanes, Span, facts, table
from projections.report.sections import Made, Nothing, not_recorded
from projections.report.words import (
    codes_text,
    end_ts,
    measure,
    reason_or_none,
    total_of,
    with_next,
    without_desk,
)

HEAT_ROWS: Final = 24
"""Rows of the heat map; the rarer reasons are one row more."""
BIN_MS: Final = 300_000
_BIN_NS: Final = BIN_MS * 1_000_000

READINESS_LOOKS: Final = {
    "READY": "good", "DEGRADED": "warn", "BLOCKED": "bad", "BOOTING": "idle",
    "MARKET_CLOSED": "idle",
}  # fmt: skip

# --- readiness -------------------------------------------------------------------------------


def readiness(given: Inputs) -> Made:
    """Whether entries might be made at all, over the day."""
    rows = given.all("readiness")
    if not rows:
        return not_recorded(without_desk(given, "readiness"))
    end = end_ts(given)
    spans = tuple(
        Span(
            row["ts"], following, row["readiness_status"],
            READINESS_LOOKS.get(row["readiness_status"], "idle"), codes_text(row["blockers"]),
        )
        for row, following in with_next(rows, end)
    )  # fmt: skip
    changes = [
        {**row, "text": codes_text(row["blockers"]), "lasted_ms": (following - row["ts"]) // 10**6}
        for row, following in with_next(rows, end)
    ]
    return (
        Lanes("timeline", "Readiness", rows[0]["ts"], end, (Lane("readiness", spans),)),
        table(
            "changes", "Changes",
            "ts ts Since\nreadiness_status code Status\nlasted_ms ms Lasted\nblockers code Codes\n"
            "text text Meaning\nseq count Seq", changes,
        ),
    )  # fmt: skip


# --- funnel and heat map ---------------------------------------------------------------------


def funnel(given: Inputs) -> Made:
    """Where decisions ended and which gates failed."""
    rows = why.funnel((row["stage"], row["reason"], row["count"]) for row in given.all("funnel"))
    if not rows:
        return Nothing("No decision was made, so none ended anywhere.")
    ended = [
        (row.stage, row.reason, row.count, row.share_milli, row.text) for row in rows
    ]  # fmt: skip
    blocks: list[Block] = [
        table(
            "funnel", "Where decisions ended",
            "stage code Stage\nreason code Reason\ncount count Decisions\nshare_milli bar Share\n"
            "text text Meaning", ended,
        )
    ]  # fmt: skip
    blocks += blockers_table(given)
    return tuple(blocks)


def blockers_table(given: Inputs) -> list[Block]:
    """The gates that failed; none where there are no such rows."""
    found = why.blockers(blocker_count(row) for row in given.all("blockers"))
    rows = [
        (
            row.stage, row.gate, row.reason, row.failed, row.terminal, row.sole,
            measure(row.nearest_margin, row.unit), row.text,
        )
        for row in found
    ]  # fmt: skip
    caption = (
        "Gates that failed: in how many decisions, at how many it ended them, in how many nothing "
        "else stood in the way, and the narrowest miss"
    )
    return [table("blockers", caption, BLOCKER_COLUMNS, rows)] if rows else []


BLOCKER_COLUMNS: Final = """
stage code Stage
gate code Gate
reason code Reason
failed count Failed
terminal count Ended
sole count Alone
nearest measure Narrowest miss
text text Meaning
"""


def blocker_count(row: Row) -> why.BlockerCount:
    """A row of ``v1.blockers`` as ``projections.why`` takes it."""
    names = ("stage", "gate", "reason", "failed", "terminal", "sole", "nearest_margin")
    stage, gate, reason, failed, terminal, sole, margin = (row[name] for name in names)
    return (stage, gate, reason, failed, terminal, sole, margin)


def heat(given: Inputs) -> Made:
    """Which reasons ended decisions, by 5 minutes."""
    rows = given.all("heat")
    if not rows:
        return Nothing("No decision was made, so there is nothing to map.")
    first, last = rows[0]["ts"], rows[-1]["ts"]
    starts = tuple(range(first, last + 1, _BIN_NS))
    return (
        Heat(
            "bins", "Decisions that ended at each reason, by 5 minutes; more is stronger",
            BIN_MS, starts, _binned(rows, starts), _heat_rows(rows, starts),
        ),
    )  # fmt: skip


def _binned(rows: Iterable[Row], starts: tuple[int, ...]) -> tuple[int, ...]:
    counts = [0] * len(starts)
    for row in rows:
        counts[(row["ts"] - starts[0]) // _BIN_NS] += row["count"]
    return tuple(counts)


def _heat_rows(rows: tuple[Row, ...], starts: tuple[int, ...]) -> tuple[HeatRow, ...]:
    """The most frequent reasons in the order of the stages; what is rarer as one row."""
    grouped: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        grouped.setdefault((row["stage"], row["reason"]), []).append(row)
    ranked = sorted(grouped, key=lambda key: (-total_of(grouped[key]), key))
    kept, rare = ranked[:HEAT_ROWS], ranked[HEAT_ROWS:]
    kept.sort(key=lambda key: (stage_place(key[0]), -total_of(grouped[key]), key[1]))
    made = [
        HeatRow(stage, reason, why.reason_text(reason), _binned(grouped[stage, reason], starts))
        for stage, reason in kept
    ]
    if rare:
        others = [row for key in rare for row in grouped[key]]
        text = ", ".join(reason for _, reason in sorted(rare))
        made.append(HeatRow("", f"{len(rare)} other reasons", text, _binned(others, starts)))
    return tuple(made)


# --- the feed --------------------------------------------------------------------------------


def feed(given: Inputs) -> Made:
    """How old what each cycle saw was, and what went wrong on the way in."""
    ages = given.all("feed_ages")
    if not ages:
        return Nothing("No snapshot was taken, so there is no age of the feed to tell.")
    blocks: list[Block] = [table("ages", "Ages of what each cycle saw", _AGE_COLUMNS, ages)]
    stages = [
        {**row, "share_milli": 1000 * row["passed"] // row["decisions"]}
        for row in given.all("feed_stage")
    ]
    if stages:
        blocks.append(
            table(
                "stages", "Decisions for which the feed and the quotes were good enough",
                "underlying text Underlying\nstage code Stage\ndecisions count Decisions\n"
                "passed count Passed\nshare_milli bar Share", stages,
            )
        )  # fmt: skip
    missed = given.one("missed")
    if missed is not None:
        row = {"ticks": missed["ticks"], "missed": missed["missed"] or 0}
        blocks.append(facts("cycles", "Cycles", "ticks count Kept\nmissed count Missed", row))
    blocks += _instruments(given)
    return (*blocks, *_feed_events(given))


def _instruments(given: Inputs) -> list[Block]:
    """Silences of each instrument, and inputs that a gate found too old."""
    blocks: list[Block] = []
    if given.all("sla"):
        caption = "Indices, futures and what was held: packets and the silences between them"
        blocks.append(table("instruments", caption, _SLA, given.all("sla")))
    if given.all("sla_options"):
        caption = "Option contracts of each underlying (a quiet contract sends nothing)"
        blocks.append(table("options", caption, _SLA_OPTIONS, given.all("sla_options")))
    if given.all("stale"):
        rows = [
            {**row, "text": reason_or_none(row["reason"] or None)} for row in given.all("stale")
        ]
        caption = "Gates that failed for an input that was old or not known"
        blocks.append(table("stale", caption, _STALE, rows))
    return blocks


_SLA: Final = """
tradingsymbol code Instrument
underlying text Underlying
instrument_kind code Kind
packets count Packets
median_gap_ms ms Silence, half within
p99_gap_ms ms Silence, 99 % within
longest_gap_ms ms Silence, longest
"""
_SLA_OPTIONS: Final = """
underlying text Underlying
contracts count Contracts
silent count Never heard of
packets count Packets
median_gap_ms ms Typical silence, half within
p99_gap_ms ms Typical silence, 99 % within
longest_gap_ms ms Longest of all
"""
_STALE: Final = """
stage code Stage
gate code Gate
verdict code Verdict
reason code Reason
decisions count Decisions
oldest_ms ms Oldest
first_ts ts First
last_ts ts Last
text text Meaning
"""


def _feed_events(given: Inputs) -> Iterable[Block]:
    """What went wrong on the way in, where anything did."""
    events = [{**row, "text": reason_or_none(row["reason"])} for row in given.all("feed_events")]
    judged = [{**row, "text": reason_or_none(row["reason"])} for row in given.all("ticks_judged")]
    if events:
        yield table("events", "States and faults of the feed", _FEED_EVENTS, events)
    if given.all("frames_dropped"):
        yield table(
            "frames_dropped", "Frames lost before the journal",
            "ts ts_ms Time\nconnection count Connection\nlost_frames count Frames\nseq count Seq",
            given.all("frames_dropped"),
        )  # fmt: skip
    if judged:
        yield table(
            "ticks_judged", "Ticks that were not taken at their word",
            "reason code Reason\ntick_outcome code Outcome\nticks count Ticks\ntext text Meaning",
            judged,
        )  # fmt: skip


_AGE_COLUMNS: Final = """
underlying text Underlying
snapshots count Snapshots
link_p50_ms ms Link, half within
link_p99_ms ms Link, 99 % within
link_max_ms ms Link, longest
spot_p50_ms ms Price, half within
spot_p99_ms ms Price, 99 % within
spot_max_ms ms Price, longest
near_p99_ms ms Near quotes, 99 % within
no_price count Without a price
"""
_FEED_EVENTS: Final = """
ts ts_ms Time
kind code Entry
connection count Connection
status code Status
reason code Reason
link_age_ms ms Link age
fault code Fault
text text Meaning
seq count Seq
"""

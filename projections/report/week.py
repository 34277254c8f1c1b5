"""The sections of a week's report: several sessions side by side.

Lives here: trends by day, blockers over all days, nearest misses, the sessions that were left out.
May import: engine.rulebook (days), events, projections. Always holds: counts are sums of the days'
own; a session that could not be read is named with its reason; nothing here changes a setting.
Start reading at ``week_report`` and ``SECTIONS``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from engine.rulebook import iso_day
from projections import why
from projections.report.cycles import BLOCKER_COLUMNS, blocker_count
from projections.report.inputs import Absent, Inputs, Row, Thresholds
from projections.report.market import stage_place
from projections.report.model import Bar, Bars, Block, Part, Report, Text, table
from projections.report.sections import Made, Nothing, Spec, build
from projections.report.suggest import suggestions
from projections.report.words import (
    count_of,
    is_flag,
    measure,
    money_of,
    percent,
    total_of,
    unit_of,
    wide_words,
)

MISSES: Final = 20
TRADED: Final = "TRADE_APPROVED"

PARTS: Final[tuple[tuple[str, str, tuple[int, ...]], ...]] = (
    ("idle", "market, feed, quotes", (0, 1, 2, 3)),
    ("c1", "regime", (4,)),
    ("c2", "risk", (5,)),
    ("bad", "locks and halts", (6,)),
    ("c0", "strategy, contract", (7, 8, 9)),
    ("c3", "size", (10,)),
)
"""Stages as parts of a day's bar, by their places."""


class WeekInputs(msgspec.Struct, frozen=True):
    """The sessions of a week, in order of their days, and those that could not be read."""

    sessions: tuple[Inputs, ...]
    left_out: tuple[tuple[str, str], ...]
    thresholds: Thresholds | Absent


def week_report(given: WeekInputs) -> Report:
    """The report of several sessions. Never fails for an input that is absent."""
    days = sorted({_day(one) for one in given.sessions})
    when = "of no session" if not days else f"{days[0]} to {days[-1]}"
    subtitle = count_of(len(given.sessions), "session")
    return Report("week", f"Week report {when}", subtitle, build(SECTIONS, given, _absence))


def _absence(given: WeekInputs, name: str) -> str | None:
    """An input of a week is absent when no session has it; one that some lack is a note."""
    if name == "thresholds":
        found = given.thresholds
        return found.reason if isinstance(found, Absent) else None
    lacking = [(one.session, one.get(name)) for one in given.sessions]
    told = [f"{session}: {rows.reason}" for session, rows in lacking if isinstance(rows, Absent)]
    return "; ".join(told) or None


def _day(one: Inputs) -> str:
    session = one.one("session")
    return iso_day(session["day"]) if session else one.session[:10]


# --- verdict and trends ----------------------------------------------------------------------


def _verdict(given: WeekInputs) -> Made:
    if not given.sessions:
        return Nothing("There is no session to tell of.")
    spans = [one.one("span") or {"decisions": 0, "trades": 0} for one in given.sessions]
    decisions, trades = (_sum(spans, name) for name in ("decisions", "trades"))
    nets = [money_of(one)["net_paise"] for one in given.sessions]
    known = [net for net in nets if net is not None]
    total = _sum([{"net": net} for net in known], "net")
    lines = [
        f"{count_of(len(given.sessions), 'session')}: {count_of(trades, 'entry', 'entries')} out "
        f"of {count_of(decisions, 'decision')}, net {why.amount(total, 'paise')} after charges"
        + ("." if len(known) == len(nets) else f" (known of {len(known)} sessions).")
    ]
    reasons = [row for row in _reasons(given) if row["reason"] != TRADED]
    if reasons:
        top, whole = reasons[0], total_of(reasons)
        lines.append(
            f"What stood in the way most: {top['reason']} at {top['stage']}, "
            f"{why.indian(top['count'])} of {why.indian(whole)} ({percent(top['count'], whole)}). "
            f"{why.reason_text(top['reason'])}"
        )
    return (Text("sentences", tuple(lines)),)


def _sum(rows: list[Row], name: str) -> int:
    total = 0
    for row in rows:
        total += row[name]
    return total


def _reasons(given: WeekInputs) -> list[Row]:
    """(stage, reason, count) over all sessions, most frequent first."""
    counts: dict[tuple[str, str], int] = {}
    for one in given.sessions:
        for row in one.all("funnel"):
            key = (row["stage"], row["reason"])
            counts[key] = counts.get(key, 0) + row["count"]
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [{"stage": key[0], "reason": key[1], "count": count} for key, count in ranked]


def _trends(given: WeekInputs) -> Made:
    if not given.sessions:
        return Nothing("There is no session to compare.")
    caption = "Where each day's decisions ended"
    bars = tuple(Bar(_day(one), _parts(one)) for one in given.sessions)
    rows = [_trend(one) for one in given.sessions]
    return (
        table("days", "Result by day", _TRENDS, rows),
        Bars("stages", caption, bars),
        table("service", "Market, fills and feed by day", _SERVICE, rows),
    )


def _parts(one: Inputs) -> tuple[Part, ...]:
    by_place: dict[int, int] = {}
    traded = 0
    for row in one.all("funnel"):
        if row["reason"] == TRADED:
            traded += row["count"]
            continue
        place = stage_place(row["stage"])
        by_place[place] = by_place.get(place, 0) + row["count"]
    found = tuple(
        Part(look, label, sum(by_place.get(place, 0) for place in places))
        for look, label, places in PARTS
    )
    return (*found, Part("good", "traded", traded))


def _trend(one: Inputs) -> Row:
    session, span = one.one("session") or {}, one.one("span") or {}
    funnel = [row for row in one.all("funnel") if row["reason"] != TRADED]
    top = max(funnel, key=lambda row: (row["count"], row["reason"]), default={})
    kinds = {row["underlying"]: row["day_type"] for row in one.all("day_types")}
    entries = next((row for row in one.all("quality") if row["order_role"] == "ENTRY"), {})
    links = [row["link_p99_ms"] for row in one.all("feed_ages") if row["link_p99_ms"] is not None]
    return {
        **money_of(one),
        "day": _day(one),
        "session": one.session,
        "mode": session.get("mode"),
        "state": session.get("state"),
        "decisions": span.get("decisions"),
        "trades": span.get("trades"),
        "reason": top.get("reason"),
        "kinds": ", ".join(f"{name} {kind}" for name, kind in sorted(kinds.items())),
        "slippage_unit_paise": entries.get("slippage_unit_paise"),
        "fill_p50_ms": entries.get("fill_p50_ms"),
        "link_p99_ms": max(links, default=None),
    }


_TRENDS: Final = """
day day Day
decisions count Decisions
trades count Entries
gross_paise result Gross
charges_paise paise Charges
net_paise result Net
reason code Most in the way
session code Session
"""
_SERVICE: Final = """
day day Day
mode text Mode
state text State
kinds text Kind of day
slippage_unit_paise paise Entry slippage a unit
fill_p50_ms ms Entry filled, half within
link_p99_ms ms Link age, 99 % within
"""


# --- blockers and misses ---------------------------------------------------------------------


def _blockers(given: WeekInputs) -> Made:
    tally: dict[tuple[str, str | None, str], list[Any]] = {}
    for one in given.sessions:
        for row in one.all("blockers"):
            _add(tally, row)
    counted = why.blockers((*key, *values[:4]) for key, values in tally.items())
    rows = [
        (
            row.stage, row.gate, row.reason, row.failed, row.terminal, row.sole,
            measure(row.nearest_margin, row.unit), row.text,
            tally[row.stage, row.gate, row.reason][4],
        )
        for row in counted
    ]  # fmt: skip
    if not rows:
        return Nothing("No gate stood in the way of any decision.")
    caption = f"Gates that failed, over {count_of(len(given.sessions), 'session')}"
    return (table("blockers", caption, BLOCKER_COLUMNS + "days count Sessions\n", rows),)


def _add(tally: dict[tuple[str, str | None, str], list[Any]], row: Row) -> None:
    stage, gate, reason, failed, terminal, sole, margin = blocker_count(row)
    found = tally.setdefault((stage, gate, reason), [0, 0, 0, None, 0])
    for place, count in enumerate((failed, terminal, sole)):
        found[place] += count
    if margin is not None:
        found[3] = margin if found[3] is None else max(found[3], margin)
    found[4] += 1


def _misses(given: WeekInputs) -> Made:
    rows = sorted(_nearest(given), key=lambda row: (row["far"], row["session"], row["seq"]))
    if not rows:
        return Nothing(
            "No decision had one measured gate alone in its way, so there is no nearest miss."
        )
    caption = (
        "Decisions with one gate alone in the way, nearest first: the nearest of each gate and "
        "session"
    )
    return (table("misses", caption, _MISSES, rows[:MISSES]),)


def _nearest(given: WeekInputs) -> Iterator[Row]:
    for one in given.sessions:
        for row in one.all("sole"):
            if row["place"] != 1 or row["margin"] is None or is_flag(row["gate"]):
                continue
            unit, limit = unit_of(row["gate"]), row["limit_value"]
            yield {
                **row,
                "session": one.session,
                "day": _day(one),
                "far": 1000 * abs(row["margin"]) // max(abs(limit or 0), 1),
                "observed_text": measure(row["observed"], unit),
                "limit_text": measure(limit, unit),
                "margin_text": measure(row["margin"], unit),
                "ask": ask_why(one.session, row),
            }


def ask_why(session: str, row: Row) -> str:
    """The command that tells of a decision."""
    when = why.ist_iso(row["ts"])[11:]
    return f"axiom why {session} --underlying {row['underlying']} --at {when}"


_MISSES: Final = """
day day Day
ts ts Time
underlying text Underlying
gate code Gate
observed_text measure Seen
limit_text measure Limit
margin_text measure Missed by
sole count Alone that day
reason code Reason
ask command Ask
"""


# --- what followed ----------------------------------------------------------------------------


def _outcomes(given: WeekInputs) -> Made:
    """Per gate: what its contracts did afterwards, summed over the sessions."""
    found: dict[tuple[str, str], Row] = {}
    for one in given.sessions:
        for row in one.all("outcomes"):
            _follow(found.setdefault((row["gate"], row["reason"]), _unfollowed(row)), row)
    if not found:
        return Nothing("No decision had one gate alone in its way, so there is nothing to follow.")
    rows = sorted(found.values(), key=lambda row: (-row["stretches"], row["gate"], row["reason"]))
    return (
        Text("sentences", (wide_words(_HOW_FOLLOWED),)),
        table("outcomes", "What followed, one lot, before charges", _OUTCOMES, rows),
    )


def _unfollowed(row: Row) -> Row:
    counts = {f"{name}_{minutes}": 0 for name in ("gross", "known", "gained") for minutes in AFTER}
    return {"gate": row["gate"], "reason": row["reason"], "stretches": 0, **counts}


def _follow(into: Row, row: Row) -> None:
    minutes = row["minutes"]
    into["stretches"] += row["followed"] if minutes == AFTER[0] else 0
    into[f"gross_{minutes}"] += row["gross_paise"]
    into[f"known_{minutes}"] += row["known"]
    into[f"gained_{minutes}"] += row["gained"]


AFTER: Final = (15, 30, 60)
"""Minutes after which a contract is looked at again, as in ``v1.blocked_outcomes``."""

_HOW_FOLLOWED: Final = """
Where one gate alone said no, its contract is followed on the recorded quotes: bought at the ask of
that moment, sold at the bid 15, 30 and 60 minutes later. A stretch of such decisions counts once.
No stop, no target and no other limit is in this; it is no result that a trade would have had.
"""
_OUTCOMES: Final = """
gate code Gate
reason code Reason
stretches count Stretches
gross_15 result After 15 min
gained_15 count Gained
known_15 count Of
gross_30 result After 30 min
gained_30 count Gained
known_30 count Of
gross_60 result After 60 min
gained_60 count Gained
known_60 count Of
"""


# --- suggestions and what was left out -------------------------------------------------------


def _thresholds(given: WeekInputs) -> Made:
    assert not isinstance(given.thresholds, Absent)  # the section's row needs it
    found = suggestions(given.sessions, given.thresholds)
    if not found:
        return Nothing("No decision had one gate alone in its way: no limit is worth a look.")
    movable = [row for row in found if row["setting"] is not None]
    fixed = [row for row in found if row["setting"] is None]
    blocks: list[Block] = [Text("sentences", (wide_words(_NEVER_APPLIED),))]
    if movable:
        caption = "Limits that stood alone in the way of most decisions"
        blocks.append(table("suggestions", caption, _SUGGESTIONS, movable))
    if fixed:
        caption = "Gates alone in the way that no setting moves"
        blocks.append(table("fixed", caption, _FIXED, fixed))
    return tuple(blocks)


_NEVER_APPLIED: Final = """
These are suggestions and nothing was changed. A looser limit lets decisions through that were
stopped; whether that would have paid, only a what-if tells, and one week proves little.
"""
_SUGGESTIONS: Final = """
gate code Gate
alone count Alone
sessions count Sessions
setting code Setting
value code Is
try_value code To try
note text What it would do
command command What-if
"""
_FIXED: Final = """
gate code Gate
alone count Alone
sessions count Sessions
text text Meaning
note text Why
"""


def _left_out(given: WeekInputs) -> Made:
    if not given.left_out:
        return Nothing("Every session that was asked for is in this report.")
    return (table("sessions", "", "session code Session\nreason text Why", given.left_out),)


SECTIONS: Final[tuple[Spec[WeekInputs], ...]] = (
    Spec("verdict", "Verdict", (), ("span", "funnel"), _verdict),
    Spec("trends", "Trends by day", (),
         ("session", "span", "day_types", "quality", "feed_ages", "risk_states"), _trends),
    Spec("blockers", "What stood in the way", (), ("blockers",), _blockers),
    Spec("misses", "Nearest misses", (), ("sole",), _misses),
    Spec("outcomes", "What followed where one gate alone said no", (), ("outcomes",), _outcomes),
    Spec("thresholds", "Thresholds worth a look", ("thresholds",), ("sole", "settings"),
         _thresholds),
    Spec("left_out", "Sessions left out", (), (), _left_out),
)  # fmt: skip
"""Every section of a week, in order."""

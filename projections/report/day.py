"""The sections of a day's report.

Lives here: one function a section, from the rows of one session to its blocks. May import:
engine.rulebook (days), events, projections. Always holds: numbers are those of the rows; the text
of a code is ``projections.why``'s; a fact and its absence are told apart. Start reading at
``day_report`` and ``SECTIONS``.
"""

from __future__ import annotations

from typing import Final

from engine.rulebook import iso_day
from events import reasons
from projections import why
from projections.report import cycles, desk, market, orders
from projections.report.inputs import Inputs, Row
from projections.report.model import Report, Text, facts
from projections.report.sections import Made, Spec, build, not_recorded
from projections.report.words import absence, count_of, money_of, percent, total_of

EXITS_ONLY: Final = "GOV_EXITS_ONLY"
ENTRY: Final = "ENTRY"
TRADED: Final = "TRADE_APPROVED"


def day_report(given: Inputs) -> Report:
    """The report of one session. Never fails for an input that is absent."""
    session = given.one("session")
    day = iso_day(session["day"]) if session else given.session[:10]
    mode = session["mode"] if session else "mode not known"
    subtitle = f"{given.session}, {mode}"
    return Report("day", f"Day report {day}", subtitle, build(SECTIONS, given, absence))


# --- the verdict -----------------------------------------------------------------------------


def _verdict(given: Inputs) -> Made:
    session = given.one("session")
    if session is None:
        return not_recorded("The projection knows no session.")
    span = given.one("span") or {"decisions": None, "trades": None}
    money = money_of(given)
    row = {**session, **span, **money, "day_iso": iso_day(session["day"])}
    return (
        Text("sentences", verdict_lines(given, session)),
        facts("session", "", _SESSION_FACTS, row),
    )


_SESSION_FACTS: Final = """
session code Session
mode text Mode
day_iso text Trading day
state text State
close_reason code Ended by
account text Account
decisions count Decisions
trades count Entries approved
gross_paise result Gross of the day
charges_paise paise Charges
net_paise result Net of the day
entries count Journal entries
head_hash digest Chain hash
"""


def verdict_lines(given: Inputs, session: Row) -> tuple[str, ...]:
    """The day in a few sentences: traded or not, why, and what is still open."""
    lines = [_outcome(given, session)]
    carried = given.one("carried")
    if carried and EXITS_ONLY in carried["halts"].split(","):
        lines.append(f"Exits only: {why.reason_text(EXITS_ONLY)}")
    most = _most_frequent(given)
    if most is not None:
        lines.append(most)
    left = _exits(given)
    if left is not None:
        lines.append(left)
    still = [row for row in given.all("positions") if row["quantity_units"]]
    if still:
        lines.append(
            f"{count_of(len(still), 'position')} still open at the end of what is recorded."
        )
    if session["state"] != "CLOSED":
        lines.append(
            f"The session is not closed: this is what was recorded up to entry "
            f"{why.indian(session['entries'])}."
        )
    return tuple(lines)


def _outcome(given: Inputs, session: Row) -> str:
    span = given.one("span")
    when = f"on {iso_day(session['day'])} ({session['mode']})"
    if span is None:
        return f"What was decided {when} cannot be told: {_span_reason(given)}."
    if not span["decisions"]:
        return f"No decision was made {when}: nothing was looked at, so nothing was traded."
    if not span["trades"]:
        return (
            f"No trade {when}: none of {count_of(span['decisions'], 'decision')} let one through."
        )
    money = money_of(given)
    net = money["net_paise"]
    result = "its result is not known"
    if net is not None:
        gross, charges = (why.amount(money[k], "paise") for k in ("gross_paise", "charges_paise"))
        result = f"net {why.amount(net, 'paise')} (gross {gross}, charges {charges})"
    approved = (
        f"{when}: {count_of(span['trades'], 'entry', 'entries')} approved out of "
        f"{count_of(span['decisions'], 'decision')}"
    )
    if absence(given, "orders") is None and not _filled(given):
        return f"Approved and not filled {approved}; no order of an entry bought anything."
    return f"Traded {approved}, {result}."


def _filled(given: Inputs) -> bool:
    """Whether an order of an entry was filled, if only in part."""
    return any(row["filled_units"] for row in given.all("orders") if row["order_role"] == ENTRY)


def _exits(given: Inputs) -> str | None:
    """How many exits there were, by reason; None for none."""
    counts: dict[str, int] = {}
    for row in given.all("exits"):
        counts[row["reason"]] = counts.get(row["reason"], 0) + 1
    told = ", ".join(f"{reason} {count}" for reason, count in sorted(counts.items()))
    return f"Exits that were signalled: {told}." if told else None


def _span_reason(given: Inputs) -> str:
    return absence(given, "span") or "no row"


def _most_frequent(given: Inputs) -> str | None:
    """The reason that ended most decisions that were no trade, and what to do about it."""
    rows = [row for row in given.all("funnel") if row["reason"] != TRADED]
    if not rows:
        return None
    top = max(rows, key=lambda row: (row["count"], row["reason"]))
    total = total_of(rows)
    spec = reasons.BY_CODE.get(top["reason"])
    act = f" What to do: {spec.what_to_do}" if spec else ""
    return (
        f"What stood in the way most: {top['reason']} at {top['stage']}, "
        f"{why.indian(top['count'])} of {why.indian(total)} ({percent(top['count'], total)}). "
        f"{why.reason_text(top['reason'])}{act}"
    )


SECTIONS: Final[tuple[Spec[Inputs], ...]] = (
    Spec("verdict", "Verdict", ("session",),
         ("span", "funnel", "positions", "orders", "exits", "risk_states", "carried"),
         _verdict),
    Spec("readiness", "Readiness over the day", ("readiness",), (), cycles.readiness),
    Spec("funnel", "Where decisions ended, and why", ("funnel",), ("blockers",), cycles.funnel),
    Spec("heat", "Blockers by 5 minutes", ("heat",), (), cycles.heat),
    Spec("market", "The market and every decision", ("prices",),
         ("runs", "regimes", "day_types", "trades", "exits", "span"), market.market),
    Spec("trades", "Trades, with their trail and result", ("positions",),
         ("stories", "charges", "settlements"), orders.trades),
    Spec("execution", "Execution quality", ("orders",), ("quality", "sent"), orders.execution),
    Spec("feed", "Feed service level", ("feed_ages",),
         ("feed_stage", "missed", "feed_events", "frames_dropped", "ticks_judged", "sla",
          "sla_options", "stale"), cycles.feed),
    Spec("reconciliation", "Reconciliation", ("reconciliations",), ("differences",),
         orders.reconciliation),
    Spec("risk", "Risk states and halts", ("risk_states",),
         ("risk_transitions", "carried"), desk.risk),
    Spec("incidents", "Incidents", ("incidents",), ("tail_cuts", "resumed"), desk.incidents),
    Spec("commands", "Operator commands", ("commands",), ("approvals", "amendments"),
         desk.commands),
    Spec("configuration", "Configuration in force", ("session",),
         ("settings", "deferred", "rules", "effects"), desk.configuration),
    Spec("replay", "Replay verdict", ("parity",), (), desk.replay),
)  # fmt: skip
"""Every section of a day, in order, with the inputs behind it."""

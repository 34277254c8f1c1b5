"""Events as lines: what happened, how bad it is, in one row.

Lives here: a text a kind. May import: events, projections.live, tui's pure parts. Always holds: a
kind without a text of its own is shown by its name; foreign text is cleaned by the row.
Start reading at ``notice_row``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from events import broker, decision, feed, governance, market, orders, risk, session
from events.reasons import BY_CODE
from projections.live.view import LiveView, Notice
from tui import fmt
from tui.view.text import Column, Role, Row, Table, column, span

COLUMNS: Final[tuple[Column, ...]] = (
    column("TIME IST", 8),
    column("", 1),
    column("WHAT", 45, grow=True),
    column("SEQ", 10, ">", priority=3),
)
INFO, GOOD, WARN, BAD = "●", "●", "▲", "✗"

Told = tuple[str, Role, str]
"""Shape, role and text."""


def _health(view: LiveView, event: market.FeedHealthChanged) -> Told:
    age = fmt.age(event.link_age_ms * fmt.NS_PER_MS)
    text = f"FEED {event.connection} {event.status} {event.reason} (silent {age})"
    return (GOOD, "ok", text) if event.status == "LIVE" else (BAD, "bad", text)


def _feed(view: LiveView, event: feed.FeedStatus) -> Told:
    if event.status != "CONNECTED":
        return (WARN, "warn", f"FEED {event.connection} {event.status}")
    verified = "verified" if event.subscription_verified else "NOT verified"
    text = f"FEED {event.connection} {event.status}, {event.subscribed} subscribed, {verified}"
    return (INFO, "text", text) if event.subscription_verified else (WARN, "warn", text)


def _rejected(view: LiveView, event: market.FrameRejected) -> Told:
    text = f"FRAME REFUSED {event.fault} at byte {event.offset} of {event.length_bytes}"
    return WARN, "warn", text


def _missed(view: LiveView, event: feed.TimerTick) -> Told:
    return WARN, "warn", f"CYCLES MISSED {event.missed}: the engine could not keep up"


def _regime(view: LiveView, event: decision.RegimeAssessed) -> Told:
    return INFO, "text", f"REGIME {event.underlying} {event.regime} (leader {event.leader})"


def _intent(view: LiveView, event: orders.IntentApproved) -> Told:
    text = (
        f"ENTRY {event.side} {view.symbol(event.contract)} {event.lots} lots"
        f" ({event.quantity_units}) limit {fmt.price(event.limit_paise)}"
        f" risk {fmt.rupees(event.risk_paise)}  {event.strategy_id}"
    )
    return INFO, "text", text


def _exit(view: LiveView, event: orders.ExitSignalled) -> Told:
    seen = "" if event.seen_paise is None else f", seen {fmt.price(event.seen_paise)}"
    at = "" if event.trigger_paise is None else f" at {fmt.price(event.trigger_paise)}{seen}"
    return WARN, "warn", f"{event.reason} {view.symbol(event.contract)}{at}"


def _fill(view: LiveView, event: orders.FillApplied) -> Told:
    text = (
        f"FILL {event.side} {event.quantity_units} {view.symbol(event.contract)}"
        f" @ {fmt.price(event.price_paise)}  charges {fmt.rupees(event.charges_paise)}"
    )
    return GOOD, "ok", text


def _position(view: LiveView, event: orders.PositionChanged) -> Told:
    text = f"POSITION {event.status} {view.symbol(event.contract)}"
    if event.status != "CLOSED":
        return INFO, "text", f"{text} {event.quantity_units} @ {fmt.price(event.average_paise)}"
    net = event.realised_paise - event.charges_paise
    return INFO, "text", f"{text} net {fmt.gain(net)}  {event.exit_reason or ''}"


def _risk(view: LiveView, event: orders.RiskStateChanged) -> Told:
    row = BY_CODE.get(event.reason)
    text = f"RISK {event.status} {event.reason}"
    text = text if row is None else f"{text}: {row.sentence}"
    return (INFO, "text", text) if event.status == "NORMAL" else (WARN, "warn", text)


def _command(view: LiveView, event: session.OperatorCommand) -> Told:
    return WARN, "warn", f"OPERATOR {event.verb} by {event.who}: {event.why}"


def _config(view: LiveView, event: session.ConfigChanged) -> Told:
    keys = ", ".join(row.key for row in event.settings)
    return WARN, "warn", f"CONFIG by {event.who}: {keys}"


def _resumed(view: LiveView, event: session.SessionResumed) -> Told:
    return WARN, "warn", f"RESUMED after #{event.after_seq}: the engine had died"


def _tail(view: LiveView, event: session.TailCut) -> Told:
    if event.reason == "OTHER_CODE":
        return WARN, "warn", f"GROUP LEFT OPEN at #{event.after_seq}: its own code alone ends it"
    return WARN, "warn", f"TAIL CUT {event.cut_bytes} bytes after #{event.after_seq}"


def _closed(view: LiveView, event: session.SessionClosed) -> Told:
    if event.reason == "CRASHED":
        return WARN, "warn", "SESSION CLOSED CRASHED: its engine had died, a successor goes on"
    return INFO, "text", f"SESSION CLOSED {event.reason}"


def _raised(view: LiveView, event: governance.IncidentRaised) -> Told:
    text = f"INCIDENT {event.incident_id} SEV{event.severity} {event.code} {event.subject}"
    return (BAD, "bad", text) if event.severity <= 2 else (WARN, "warn", text)


def _resolved(view: LiveView, event: governance.IncidentResolved) -> Told:
    how = "passed by itself" if event.who is None else f"ended by {event.who}"
    return GOOD, "ok", f"INCIDENT {event.incident_id} {event.code} {event.subject} {how}"


def _difference(view: LiveView, event: governance.DifferenceFound) -> Told:
    ours, theirs = (fmt.MISSING if one is None else str(one) for one in (event.ours, event.theirs))
    text = f"BOOKS DIFFER {event.subject} {event.reason}: ours {ours}, broker {theirs}"
    return BAD, "bad", text


def _reconciled(view: LiveView, event: governance.Reconciled) -> Told:
    text = f"BOOKS {event.status}: {event.orders} orders, {event.positions} positions"
    return (BAD, "bad", text) if event.status == "DIFFERS" else (INFO, "text", text)


def _login(view: LiveView, event: broker.AuthStatus) -> Told:
    text = f"LOGIN {event.status} {event.fault or ''}"
    return (INFO, "text", text) if event.status == "OK" else (BAD, "bad", text)


def _dropped(view: LiveView, event: feed.FramesDropped) -> Told:
    return BAD, "bad", f"FRAMES DROPPED {event.frames} of connection {event.connection}"


def _clock(view: LiveView, event: feed.ClockStepped) -> Told:
    off = event.offset_ns // fmt.NS_PER_MS
    text = f"CLOCK {event.source} off by {off} ms, limit {event.limit_ns // fmt.NS_PER_MS} ms"
    beyond = abs(event.offset_ns) > event.limit_ns
    return (BAD, "bad", text) if beyond else (INFO, "text", text)


def _measured(view: LiveView, event: feed.HealthObserved) -> Told:
    return WARN, "warn", f"PROCESS {event.what} {event.observed}, limit {event.limit}"


def _history(view: LiveView, event: feed.HistoryLoaded) -> Told:
    return WARN, "warn", f"HISTORY {view.symbol(event.instrument)} failed: {event.fault}"


def _moved(view: LiveView, event: risk.RiskTransitioned) -> Told:
    row = BY_CODE.get(event.reason)
    words = "" if row is None else f": {row.sentence}"
    text = f"RISK {event.before} to {event.after} {event.reason}{words}"
    return (BAD, "bad", text) if event.halts else (GOOD, "ok", text)


def _spread(view: LiveView, event: orders.SpreadApproved) -> Told:
    text = (
        f"PAIR sells {view.symbol(event.contract)} {event.quantity_units} for"
        f" {fmt.price(event.limit_paise)} or more, debit {fmt.price(event.debit_paise)}"
    )
    return INFO, "text", text


def _asked(view: LiveView, event: governance.ApprovalRequested) -> Told:
    text = (
        f"APPROVAL WANTED {event.side} {event.quantity_units} {view.symbol(event.contract)} up to"
        f" {fmt.price(event.high_paise)} risk {fmt.rupees(event.risk_paise)}"
    )
    return WARN, "warn", text


def _decided(view: LiveView, event: governance.ApprovalClosed) -> Told:
    who = "" if event.who is None else f" by {event.who}"
    return INFO, "text", f"APPROVAL {event.outcome} {event.request_id}{who}"


def _refused(view: LiveView, event: governance.CommandAnswered) -> Told:
    row = BY_CODE.get(event.reason)
    words = "" if row is None else f": {row.sentence}"
    return BAD, "bad", f"{event.verb} REFUSED {event.reason}{words}"


TEXTS: Final[dict[str, Callable[[LiveView, Any], Told]]] = {
    "FeedHealthChanged": _health,
    "FeedStatus": _feed,
    "FrameRejected": _rejected,
    "TimerTick": _missed,
    "RegimeAssessed": _regime,
    "IntentApproved": _intent,
    "ExitSignalled": _exit,
    "FillApplied": _fill,
    "PositionChanged": _position,
    "RiskStateChanged": _risk,
    "RiskTransitioned": _moved,
    "SpreadApproved": _spread,
    "ApprovalRequested": _asked,
    "ApprovalClosed": _decided,
    "CommandAnswered": _refused,
    "OperatorCommand": _command,
    "ConfigChanged": _config,
    "SessionResumed": _resumed,
    "TailCut": _tail,
    "SessionClosed": _closed,
    "IncidentRaised": _raised,
    "IncidentResolved": _resolved,
    "DifferenceFound": _difference,
    "Reconciled": _reconciled,
    "AuthStatus": _login,
    "FramesDropped": _dropped,
    "ClockStepped": _clock,
    "HealthObserved": _measured,
    "HistoryLoaded": _history,
}


def tell(view: LiveView, notice: Notice) -> Told:
    """Shape, role and text of a notice."""
    if notice.event is None:
        return WARN, "warn", f"UNREADABLE {notice.kind}: {notice.fault}"
    text = TEXTS.get(notice.kind)
    return (INFO, "text", notice.kind) if text is None else text(view, notice.event)


def notice_row(view: LiveView, notice: Notice) -> Row:
    """One line of the events table."""
    shape, role, text = tell(view, notice)
    repeats = f" x{notice.repeats}" if notice.repeats > 1 else ""
    return Row(
        ("notice", notice.seq),
        (
            span(fmt.clock(notice.ts), "dim"),
            (shape, role),
            span(text + repeats, role),
            span(f"#{notice.seq}", "dim"),
        ),
    )


def notices_table(view: LiveView) -> Table:
    """The events, newest first."""
    rows = tuple(notice_row(view, notice) for notice in reversed(view.notices))
    return Table(f"EVENTS  {len(rows)}", COLUMNS, rows, "nothing has happened yet")

"""The fold of what a session says of itself.

Lives here: the state behind ``WatchView`` and one small function a kind. May import: events,
projections.live. Always holds: every container is bounded; an incident and a difference are one row
for each (code, subject), however often they come. Start reading at ``APPLY``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final

from msgspec.structs import replace

from events import broker, feed, governance, market, risk, session
from events.envelope import Envelope
from projections.live.watch_view import (
    BooksView,
    DifferenceView,
    HistoryView,
    IncidentView,
    LinkView,
    LoginView,
    MeasureView,
    ReconciledView,
    SkewView,
    Step,
    WatchView,
)

ROWS_KEPT: Final = 200
STEPS_KEPT: Final = 32
COMPARISONS_KEPT: Final = 60
COMMANDS_KEPT: Final = 64
PART_S: Final = 10
PARTS_KEPT: Final = 60
_PART_NS: Final = PART_S * 1_000_000_000
LAG: Final = "RECEIVE_LAG_MS"

Key = tuple[str, str]
"""(code, subject)."""


class WatchState:
    """Everything folded so far; owned by the model's thread."""

    def __init__(self) -> None:
        self.incidents: dict[Key, IncidentView] = {}
        self.differences: dict[Key, DifferenceView] = {}
        self.comparisons: deque[ReconciledView] = deque(maxlen=COMPARISONS_KEPT)
        self.books: BooksView | None = None
        self.halts: tuple[str, ...] | None = None
        self.links: dict[int, LinkView] = {}
        self.measures: dict[str, MeasureView] = {}
        self.skews: dict[str, SkewView] = {}
        self.login: LoginView | None = None
        self.history = HistoryView(0, 0, 0, None, None)
        self.missed_ticks = 0
        self.missed_ts: int | None = None
        self.lags_ms: deque[int] = deque(maxlen=PARTS_KEPT)
        self.acks: dict[str, tuple[str, str]] = {}
        self._packets: deque[int] = deque(maxlen=PARTS_KEPT)
        self._part = -1

    def count_packets(self, ts: int, packets: int) -> None:
        """Count ticks of a frame received at ``ts``."""
        part = ts // _PART_NS
        if part != self._part:
            if self._packets:
                quiet = min(max(part - self._part - 1, 0), PARTS_KEPT)
                self._packets.extend([0] * quiet)
            self._packets.append(0)
            self._part = part
        self._packets[-1] += packets

    def link(self, connection: int) -> LinkView:
        """A connection as last seen, or a fresh one."""
        return self.links.get(connection) or LinkView(connection, 0, 0, 0, None, None)

    def view(self) -> WatchView:
        """The frozen whole."""
        return WatchView(
            incidents=tuple(self.incidents.values()),
            differences=tuple(self.differences.values()),
            comparisons=tuple(self.comparisons),
            books=self.books,
            halts=self.halts,
            links=tuple(self.links[key] for key in sorted(self.links)),
            measures=tuple(self.measures[key] for key in sorted(self.measures)),
            skews=tuple(self.skews[key] for key in sorted(self.skews)),
            login=self.login,
            history=self.history,
            missed_ticks=self.missed_ticks,
            missed_ts=self.missed_ts,
            packets=tuple(self._packets),
            lags_ms=tuple(self.lags_ms),
        )


# --- incidents ---------------------------------------------------------------------------------


def _raised(state: WatchState, envelope: Envelope, event: governance.IncidentRaised) -> None:
    key = event.code, event.subject
    was = state.incidents.pop(key, None)  # re-inserted last: the table is by the last raising
    what = "RAISED" if was is None else "AGAIN"
    state.incidents[key] = IncidentView(
        incident_id=event.incident_id,
        code=event.code,
        severity=event.severity,
        subject=event.subject,
        seq=envelope.seq,
        cause=envelope.cause,
        raised_ts=envelope.ts,
        times=1 if was is None else was.times + 1,
        evidence=event.evidence,
        acked_ts=None,
        acked_by=None,
        resolved_ts=None,
        resolved_by=None,
        steps=_stepped(was, envelope, what, None),
    )
    if len(state.incidents) > ROWS_KEPT:
        over = (kept for kept, row in state.incidents.items() if not row.is_open)
        del state.incidents[next(over, next(iter(state.incidents)))]


def _stepped(
    was: IncidentView | None, envelope: Envelope, what: str, who: str | None
) -> tuple[Step, ...]:
    before = () if was is None else was.steps
    return (*before, Step(envelope.seq, envelope.ts, what, who))[-STEPS_KEPT:]


def _resolved(state: WatchState, envelope: Envelope, event: governance.IncidentResolved) -> None:
    key = event.code, event.subject
    was = state.incidents.get(key)
    if was is not None:
        steps = _stepped(was, envelope, "RESOLVED", event.who)
        state.incidents[key] = replace(
            was, resolved_ts=envelope.ts, resolved_by=event.who, steps=steps
        )


def _commanded(state: WatchState, envelope: Envelope, event: session.OperatorCommand) -> None:
    """A wish to acknowledge counts once the engine took it."""
    if event.verb != "ACK" or event.subject is None:
        return
    if len(state.acks) >= COMMANDS_KEPT:
        state.acks.clear()
    state.acks[event.command_id] = event.subject, event.who


def _answered(state: WatchState, envelope: Envelope, event: governance.CommandAnswered) -> None:
    subject, who = state.acks.pop(event.command_id, ("", ""))
    if event.outcome != "ACCEPTED" or not subject:
        return
    for key, was in state.incidents.items():
        if was.incident_id == subject:
            steps = _stepped(was, envelope, "ACK", who)
            state.incidents[key] = replace(was, acked_ts=envelope.ts, acked_by=who, steps=steps)
            return


# --- books -------------------------------------------------------------------------------------


def _difference(state: WatchState, envelope: Envelope, event: governance.DifferenceFound) -> None:
    key = event.reason, event.subject
    was = state.differences.pop(key, None)
    goes_on = was is not None and was.closed_ts is None
    state.differences[key] = DifferenceView(
        subject=event.subject,
        reason=event.reason,
        ours=event.ours,
        theirs=event.theirs,
        seq=envelope.seq,
        cause=envelope.cause,
        since_ts=was.since_ts if was is not None and goes_on else envelope.ts,
        last_ts=envelope.ts,
        times=1 if was is None else was.times + 1,
        closed_ts=None,
    )
    if len(state.differences) > ROWS_KEPT:
        closed = (kept for kept, row in state.differences.items() if row.closed_ts is not None)
        del state.differences[next(closed, next(iter(state.differences)))]


def _reconciled(state: WatchState, envelope: Envelope, event: governance.Reconciled) -> None:
    """What this comparison did not find again is over."""
    state.comparisons.append(
        ReconciledView(
            envelope.seq, envelope.ts, event.trigger, event.status, event.orders, event.positions,
            event.mended, event.open_differences,
        )
    )  # fmt: skip
    for key, row in state.differences.items():
        if row.closed_ts is None and row.cause != envelope.cause:
            state.differences[key] = replace(row, closed_ts=envelope.ts)


def _books(state: WatchState, envelope: Envelope, event: broker.BrokerSnapshot) -> None:
    state.books = BooksView(envelope.seq, envelope.ts, event)


def _halts(state: WatchState, envelope: Envelope, event: risk.RiskTransitioned) -> None:
    state.halts = event.halts


def _carried(state: WatchState, envelope: Envelope, event: session.CarriedOver) -> None:
    state.halts = event.halts


# --- feed, clock, process ----------------------------------------------------------------------


def _feed_status(state: WatchState, envelope: Envelope, event: feed.FeedStatus) -> None:
    was = state.link(event.connection)
    up = event.status == "CONNECTED"
    state.links[event.connection] = replace(was, connects=was.connects + up)


def _feed_health(state: WatchState, envelope: Envelope, event: market.FeedHealthChanged) -> None:
    if event.status in ("GAP", "DOWN"):
        was = state.link(event.connection)
        state.links[event.connection] = replace(was, gaps=was.gaps + 1)


def _dropped(state: WatchState, envelope: Envelope, event: feed.FramesDropped) -> None:
    was = state.link(event.connection)
    state.links[event.connection] = replace(
        was, dropped=was.dropped + event.frames, dropped_ts=envelope.ts
    )


def _subscribed(state: WatchState, envelope: Envelope, event: feed.SubscriptionChanged) -> None:
    was = state.link(event.connection)
    state.links[event.connection] = replace(was, missing=len(event.missing))


def _missed(state: WatchState, envelope: Envelope, event: feed.TimerTick) -> None:
    if event.missed:
        state.missed_ticks += event.missed
        state.missed_ts = envelope.ts


def _history(state: WatchState, envelope: Envelope, event: feed.HistoryLoaded) -> None:
    was = state.history
    bad = event.fault is not None
    state.history = HistoryView(
        series=was.series + (not bad),
        candles=was.candles + len(event.starts),
        failed=was.failed + bad,
        last_fault=event.fault or was.last_fault,
        ts=envelope.ts,
    )


def _stepped_clock(state: WatchState, envelope: Envelope, event: feed.ClockStepped) -> None:
    state.skews[event.source] = SkewView(event.source, event.offset_ns, event.limit_ns, envelope.ts)
    if len(state.skews) > COMMANDS_KEPT:
        del state.skews[next(iter(state.skews))]


def _measured(state: WatchState, envelope: Envelope, event: feed.HealthObserved) -> None:
    if event.what == LAG:
        state.lags_ms.append(event.observed)
    state.measures[event.what] = MeasureView(
        event.what, event.status, event.observed, event.limit, envelope.ts
    )
    if len(state.measures) > COMMANDS_KEPT:
        del state.measures[next(iter(state.measures))]


def _login(state: WatchState, envelope: Envelope, event: broker.AuthStatus) -> None:
    state.login = LoginView(event.status, event.account, event.expires_ts, event.fault, envelope.ts)


Apply = Callable[[WatchState, Envelope, Any], None]

APPLY: Final[dict[str, Apply]] = {
    "IncidentRaised": _raised,
    "IncidentResolved": _resolved,
    "OperatorCommand": _commanded,
    "CommandAnswered": _answered,
    "DifferenceFound": _difference,
    "Reconciled": _reconciled,
    "BrokerSnapshot": _books,
    "RiskTransitioned": _halts,
    "CarriedOver": _carried,
    "FeedStatus": _feed_status,
    "FeedHealthChanged": _feed_health,
    "FramesDropped": _dropped,
    "SubscriptionChanged": _subscribed,
    "TimerTick": _missed,
    "HistoryLoaded": _history,
    "ClockStepped": _stepped_clock,
    "HealthObserved": _measured,
    "AuthStatus": _login,
}
"""Kinds that change it. A kind may stand in the fold of the screens as well."""

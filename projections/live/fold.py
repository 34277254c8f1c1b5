"""The fold: what each kind of entry changes in the state behind the screens.

Lives here: one small function a kind and the table from kind to function. May import: events, the
engine's pure rulebook, projections.live. Always holds: a kind without a row changes nothing but the
clock and is not decoded; no function reads anything but its arguments.
Start reading at ``APPLY``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final

import msgspec

from engine.rulebook import amended_rows
from events import broker, decision, feed, governance, market, orders, risk, session
from events.base import Event
from events.envelope import Envelope, encode_payload
from events.registry import BY_KIND
from projections.live import desk, watch
from projections.live.greeks import pricing_of
from projections.live.hours import hours_of, moved_hours
from projections.live.state import (
    HEAT_PARTS_MAX,
    PENDING_GATES_KEPT,
    ReasonState,
    State,
    UnderlyingState,
)
from projections.live.verdicts import Lean, deciding_row, is_sole, lean_of, missed_ppm
from projections.live.view import (
    HEAT_PART_NS,
    ArtifactView,
    DecisionLine,
    Episode,
    Kept,
    Miss,
    RecordedHash,
    RiskView,
    SessionInfo,
    StageView,
)

UID_HEX: Final = 12


# --- the session -------------------------------------------------------------------------------


def _session_opened(state: State, envelope: Envelope, event: session.SessionOpened) -> None:
    state.session = SessionInfo(
        uid=hashlib.sha256(bytes(envelope.payload)).hexdigest()[:UID_HEX],
        mode=event.mode.upper(),
        day=event.day,
        account=event.account,
        market=event.market,
        cycle_rule=event.cycle_rule,
        rate=event.rate,
        anchor_ns=event.anchor_ns,
        seq=envelope.seq,
        code_digest=event.code_digest,
        schema_digest=event.schema_digest,
        rulebook_digest=event.rulebook_digest,
        settings_digest=event.settings_digest,
    )
    state.settings = {row.key: row for row in event.settings}


def _carried_over(state: State, envelope: Envelope, event: session.CarriedOver) -> None:
    same_day = state.session is not None and state.session.day == event.day
    state.carried_net_paise = event.realised_paise - event.charges_paise if same_day else 0
    for one in event.positions:
        # What an open position has realised comes back with its own close.
        state.carried_net_paise -= one.realised_paise
    state.capital_paise = event.capital_paise


def _session_resumed(state: State, envelope: Envelope, event: session.SessionResumed) -> None:
    """The connections of before are gone; the next ``FeedStatus`` of each says otherwise."""
    for number, was in state.connections.items():
        state.connections[number] = msgspec.structs.replace(was, status="LOST", verified=False)
    state.state_hash = RecordedHash(event.after_seq, None, event.state_hash)
    state.note(envelope, "resumed", event)


def _artifact_loaded(state: State, envelope: Envelope, event: session.ArtifactLoaded) -> None:
    state.artifacts.append(
        ArtifactView(envelope.seq, envelope.ts, event.kind, event.name, event.digest)
    )
    if event.kind == "RULEBOOK" and state.session is not None:
        state.rule_rows = event.rows
        state.hours = hours_of(event.rows, state.session.day)
        _price(state)


def _price(state: State) -> None:
    """What the rules say of the expiries, once both are known."""
    if state.session is not None:
        state.pricing = pricing_of(state.rule_rows, state.session.day, state.instruments)


def _session_amended(state: State, envelope: Envelope, event: session.SessionAmended) -> None:
    if state.session is None:
        return
    day = state.session.day
    state.rule_rows = amended_rows(
        state.rule_rows, day, event.name, event.scope, event.value, event.source
    )
    state.hours = moved_hours(state.hours, hours_of(state.rule_rows, day))
    _price(state)


def _instruments_loaded(state: State, envelope: Envelope, event: session.InstrumentsLoaded) -> None:
    state.instruments = event.rows
    state.symbols = tuple(row.tradingsymbol for row in event.rows)
    state.quotes.load(event.rows)
    _price(state)
    for row in event.rows:
        if row.kind in ("CE", "PE"):
            state.underlying(row.underlying)
    vix = next((row for row in event.rows if row.kind == "VIX"), None)
    for found in state.underlyings.values():
        found.vix_row = vix
        found.spot_row = next(
            (r for r in event.rows if r.kind == "INDEX" and r.underlying == found.name), None
        )


def _config_changed(state: State, envelope: Envelope, event: session.ConfigChanged) -> None:
    state.settings |= {row.key: row for row in event.settings}
    keys = ", ".join(row.key for row in event.settings)
    state.artifacts.append(ArtifactView(envelope.seq, envelope.ts, "SETTINGS", keys, event.who))
    state.note(envelope, event.who, event)


def _tail_cut(state: State, envelope: Envelope, event: session.TailCut) -> None:
    state.note(envelope, event.reason, event)


def _session_closed(state: State, envelope: Envelope, event: session.SessionClosed) -> None:
    state.closed = event.reason
    state.note(envelope, event.reason, event)


# --- the feed ----------------------------------------------------------------------------------


def _feed_frame(state: State, envelope: Envelope, event: feed.FeedFrame) -> None:
    was = state.connection(event.connection)
    state.connections[event.connection] = msgspec.structs.replace(
        was, last_frame_ts=envelope.ts, frames=was.frames + 1
    )
    packets = state.quotes.take(event.data, envelope.ts, envelope.seq)
    state.watch.count_packets(envelope.ts, packets)
    state.origins["frame"] = envelope.seq


def _feed_status(state: State, envelope: Envelope, event: feed.FeedStatus) -> None:
    was = state.connection(event.connection)
    state.connections[event.connection] = msgspec.structs.replace(
        was,
        status=event.status,
        verified=event.subscription_verified,
        subscribed=event.subscribed,
    )
    state.note(envelope, f"{event.connection}:{event.status}", event)


def _frame_rejected(state: State, envelope: Envelope, event: market.FrameRejected) -> None:
    was = state.connection(event.connection)
    state.connections[event.connection] = msgspec.structs.replace(was, rejected=was.rejected + 1)
    state.frames_rejected += 1
    state.note(envelope, f"{event.connection}:{event.fault}", event)


def _feed_health(state: State, envelope: Envelope, event: market.FeedHealthChanged) -> None:
    was = state.connection(event.connection)
    state.connections[event.connection] = msgspec.structs.replace(
        was,
        health=event.status,
        health_reason=event.reason,
        health_ts=envelope.ts,
        limit_ms=event.limit_ms,
    )
    state.origins["feed health"] = envelope.seq
    state.note(envelope, f"{event.connection}:{event.status}", event)


def _timer_tick(state: State, envelope: Envelope, event: feed.TimerTick) -> None:
    if event.missed:
        state.note(envelope, "missed", event)


# --- the market --------------------------------------------------------------------------------


def _bar_closed(state: State, envelope: Envelope, event: market.BarClosed) -> None:
    row = state.instrument(event.instrument)
    declared = state.session is not None and event.bar_ms == state.session.market.bar_ms
    if row is None or row.kind != "INDEX" or not declared:
        return
    found = state.underlying(row.underlying)
    found.closes.append(event.close_paise)
    found.bars_done = event.bars_done
    found.origins["bar"] = envelope.seq


def _snapshot_taken(state: State, envelope: Envelope, event: market.SnapshotTaken) -> None:
    found = state.underlying(event.underlying)
    found.snapshot_ts = envelope.ts
    found.spot_paise = event.spot_paise
    age_ms = event.spot_age_ms
    found.spot_ts = None if age_ms is None else envelope.ts - age_ms * 1_000_000
    found.vix_paise = event.vix_paise
    old_ms = event.vix_age_ms or 0  # version 1 did not say
    found.vix_ts = envelope.ts - old_ms * 1_000_000
    found.bars_done = event.bars_done
    near = event.expiries[0] if event.expiries else None
    found.forward_paise = None if near is None else near.forward_paise
    found.forward_source = None if near is None else near.forward_source
    found.expiries = event.expiries
    found.pending_snapshot = envelope.seq, payload_of(envelope, event)
    state.seen_hash = RecordedHash(envelope.seq, event.underlying, event.whole_hash)


def _regime_assessed(state: State, envelope: Envelope, event: decision.RegimeAssessed) -> None:
    found = state.underlying(event.underlying)
    if found.regime != event.regime:
        found.regime_since_ts = envelope.ts
        state.note(envelope, f"{event.underlying}:{event.regime}", event)
    found.regime = event.regime
    found.leader = event.leader
    probabilities = dict(zip(event.labels, event.probs_milli, strict=False))
    found.leader_prob_milli = probabilities.get(event.leader)
    found.unstable = event.unstable
    found.origins["regime"] = envelope.seq


def _day_type(state: State, envelope: Envelope, event: decision.DayTypeAssessed) -> None:
    found = state.underlying(event.underlying)
    found.day_type = event.day_type
    found.origins["day type"] = envelope.seq


class _Named(msgspec.Struct, array_like=True):
    """The head of an entry whose first field is its underlying."""

    underlying: str


class _Cycled(msgspec.Struct, array_like=True):
    """The head of an entry that begins with its cycle and its underlying."""

    cycle: int
    underlying: str


_named: Final = msgspec.msgpack.Decoder(_Named)
_cycled: Final = msgspec.msgpack.Decoder(_Cycled)


def payload_of(envelope: Envelope, event: Event) -> bytes:
    """An entry's payload in the current shape of its kind."""
    current = envelope.version == BY_KIND[envelope.kind].version
    return bytes(envelope.payload) if current else encode_payload(event)


def _keep_features(state: State, envelope: Envelope, payload: bytes) -> None:
    found = state.underlying(_named.decode(payload).underlying)
    found.features = Kept(envelope.seq, envelope.ts, payload)
    found.origins["features"] = envelope.seq


def _keep_screened(state: State, envelope: Envelope, payload: bytes) -> None:
    """Said only when it differs from the last: what is kept holds until the next."""
    found = state.underlying(_cycled.decode(payload).underlying)
    found.screened = Kept(envelope.seq, envelope.ts, payload)
    found.origins["screening"] = envelope.seq


def _keep_candidate(state: State, envelope: Envelope, payload: bytes) -> None:
    found = state.underlying(_cycled.decode(payload).underlying)
    found.candidate = Kept(envelope.seq, envelope.ts, payload)
    found.origins["candidate"] = envelope.seq


# --- decisions ---------------------------------------------------------------------------------


def _keep_gates(state: State, envelope: Envelope, payload: bytes) -> None:
    """Kept undecoded: of a day's gates a person looks at a few."""
    if len(state.pending_gates) >= PENDING_GATES_KEPT:
        state.pending_gates.clear()
    state.pending_gates[envelope.seq] = payload


def _decision_made(state: State, envelope: Envelope, event: decision.DecisionMade) -> None:
    found = state.underlying(event.underlying)
    gates = state.pending_gates.pop(event.gates_seq, None)
    taken = found.pending_snapshot
    line = DecisionLine(
        seq=envelope.seq,
        ts=envelope.ts,
        cause=envelope.cause,
        made=event,
        gates=gates,
        snapshot=taken[1] if taken is not None and taken[0] == event.snapshot_seq else None,
        origins=_origins(state, found, event),
    )
    state.decisions += 1
    lean = lean_of(gates)
    _count_reason(state, line, lean)
    if lean is not None:
        _follow_stages(found, lean, envelope.ts)
    _extend_episode(state, found, line)
    if event.outcome == "TRADE":
        state.trades += 1
        state.trade_decisions.append(line)


ROLES: Final = (
    "frame", "print", "feed health", "bar", "features", "regime", "day type", "risk", "risk state",
    "readiness", "screening", "candidate",
)  # fmt: skip
"""What a decision's origins may be: the last frame, that with the underlying's own print, and the
last entry of each kind that the gates look at."""


def _origins(
    state: State, found: UnderlyingState, event: decision.DecisionMade
) -> tuple[tuple[str, int], ...]:
    seqs = state.origins | found.origins
    spot = None if found.spot_row is None else state.quotes.index_seq(found.spot_row.token)
    if spot is not None:
        seqs["print"] = spot
    if seqs.get("candidate", 0) < event.gates_seq:
        seqs.pop("candidate", None)  # an earlier decision's
    return tuple(sorted(seqs.items(), key=lambda item: (item[1], item[0])))


def _follow_stages(found: UnderlyingState, lean: Lean, ts: int) -> None:
    """Since when each stage says what it says."""
    for one in lean.official:
        was = found.stages.get(one.stage)
        now = (one.verdict, one.reason, one.depends_on)
        if was is None or (was.verdict, was.reason, was.waits_for) != now:
            found.stages[one.stage] = StageView(one.stage, *now, since_ts=ts)


def _count_reason(state: State, line: DecisionLine, lean: Lean | None) -> None:
    row = state.reasons.get(line.key)
    if row is None:
        row = state.reasons[line.key] = ReasonState()
    name = line.made.underlying
    row.count += 1
    row.last_ts = line.ts
    row.by_underlying[name] = row.by_underlying.get(name, 0) + 1
    row.recent.append(line)
    part = _part_of_day(state, line.ts)
    if part is not None:
        heat = row.heat.setdefault(name, [])
        heat.extend([0] * (part + 1 - len(heat)))
        heat[part] += 1
    if lean is not None:
        _count_nearness(row, line, lean)


def _count_nearness(row: ReasonState, line: DecisionLine, lean: Lean) -> None:
    name = line.made.underlying
    if is_sole(lean):
        row.sole_by_underlying[name] = row.sole_by_underlying.get(name, 0) + 1
        row.sole_recent.append(line)
    ppm = missed_ppm(deciding_row(lean, line.made.stage))
    best = row.nearest.get(name)
    if ppm is not None and (best is None or ppm < best.ppm):
        row.nearest[name] = Miss(ppm, line)


def _part_of_day(state: State, ts: int) -> int | None:
    """The column of the heat: five minutes each from the open, the last one holds what is later."""
    hours = state.hours
    if hours is None or hours.open_ns is None or hours.close_ns is None:
        return None
    columns = min(-(-(hours.close_ns - hours.open_ns) // HEAT_PART_NS), HEAT_PARTS_MAX)
    if columns <= 0:
        return None
    return min(max((ts - hours.open_ns) // HEAT_PART_NS, 0), columns - 1)


def _extend_episode(state: State, found: UnderlyingState, line: DecisionLine) -> None:
    was = found.episode
    if was is not None and was.last.key == line.key:
        since, count = was.since_ts, was.count + 1
    else:
        since, count = line.ts, 1
        if was is not None:
            state.episodes.append(was)
    found.episode = Episode(
        underlying=found.name, since_ts=since, until_ts=line.ts, count=count, last=line
    )


# --- orders, positions, risk -------------------------------------------------------------------


def _intent_approved(state: State, envelope: Envelope, event: orders.IntentApproved) -> None:
    state.note(envelope, event.intent_id, event)


def _exit_signalled(state: State, envelope: Envelope, event: orders.ExitSignalled) -> None:
    state.note(envelope, event.exit_id, event)


def _position_changed(state: State, envelope: Envelope, event: orders.PositionChanged) -> None:
    if event.status == "CLOSED":
        _, was = state.positions.pop(event.position_id, (0, event))
        state.closed_realised_paise += event.realised_paise
        # A closed position has no average any more; a person wants to see what was paid.
        kept = msgspec.structs.replace(event, average_paise=was.average_paise)
        state.closed_positions.append((envelope.seq, envelope.ts, kept))
        state.note(envelope, event.position_id, event)
    else:
        state.positions[event.position_id] = (envelope.ts, event)


def _position_settled(state: State, envelope: Envelope, event: orders.PositionSettled) -> None:
    """The tax of an exercise is a charge that no fill brings; so is the result of an old position,
    which is closed by nothing else."""
    state.charges_paise += event.tax_paise
    if event.position_id not in state.positions:
        state.closed_realised_paise += event.realised_paise


def _risk_changed(state: State, envelope: Envelope, event: orders.RiskStateChanged) -> None:
    was = state.risk
    state.origins["risk"] = envelope.seq
    state.risk = RiskView(
        ts=envelope.ts,
        status=event.status,
        reason=event.reason,
        trades_today=event.trades_today,
        loss_streak=event.loss_streak,
        open_risk_paise=event.open_risk_paise,
        cooldown_until_ns=event.cooldown_until_ns,
    )
    if was is None or was.status != event.status:
        state.note(envelope, event.status, event)


def _risk_transitioned(state: State, envelope: Envelope, event: risk.RiskTransitioned) -> None:
    state.origins["risk state"] = envelope.seq
    state.governance = msgspec.structs.replace(
        state.governance,
        state=event.after,
        state_ts=envelope.ts,
        state_seq=envelope.seq,
        state_reason=event.reason,
    )
    state.note(envelope, f"{event.trigger}:{event.after}", event)


def _readiness_changed(
    state: State, envelope: Envelope, event: governance.ReadinessChanged
) -> None:
    state.origins["readiness"] = envelope.seq
    state.governance = msgspec.structs.replace(
        state.governance,
        readiness=event.status,
        readiness_ts=envelope.ts,
        readiness_seq=envelope.seq,
        blockers=event.reasons,
    )


# --- what the session says of itself --------------------------------------------------------------


def _noted(subject: Callable[[Any], str]) -> Apply:
    """A kind that the screens' fold only notes, under this subject."""

    def note(state: State, envelope: Envelope, event: Any) -> None:
        state.note(envelope, subject(event), event)

    return note


def _health_observed(state: State, envelope: Envelope, event: feed.HealthObserved) -> None:
    if event.status != "OK":
        state.note(envelope, event.what, event)


def _reconciled(state: State, envelope: Envelope, event: governance.Reconciled) -> None:
    before = state.watch.comparisons
    if not before or before[-1].status != event.status:
        state.note(envelope, event.status, event)


def _auth(state: State, envelope: Envelope, event: broker.AuthStatus) -> None:
    before = state.watch.login
    if before is None or before.status != event.status:
        state.note(envelope, event.status, event)


def _history_loaded(state: State, envelope: Envelope, event: feed.HistoryLoaded) -> None:
    if event.fault is not None:
        state.note(envelope, event.fault, event)


def _watched(apply: Apply | None, kind: str) -> Apply:
    """The fold of a kind, then that of the session's watch, as far as each has one."""
    also = watch.APPLY.get(kind)
    if also is None:
        assert apply is not None
        return apply

    def both(state: State, envelope: Envelope, event: Any) -> None:
        if apply is not None:
            apply(state, envelope, event)
        also(state.watch, envelope, event)

    return both


Apply = Callable[[State, Envelope, Any], None]

_APPLY: Final[dict[str, Apply]] = {
    "SessionOpened": _session_opened,
    "CarriedOver": _carried_over,
    "SessionResumed": _session_resumed,
    "ArtifactLoaded": _artifact_loaded,
    "SessionAmended": _session_amended,
    "InstrumentsLoaded": _instruments_loaded,
    "ConfigChanged": _config_changed,
    "OperatorCommand": desk.operator_command,
    "TailCut": _tail_cut,
    "SessionClosed": _session_closed,
    "FeedFrame": _feed_frame,
    "FeedStatus": _feed_status,
    "TimerTick": _timer_tick,
    "BarClosed": _bar_closed,
    "FrameRejected": _frame_rejected,
    "FeedHealthChanged": _feed_health,
    "SnapshotTaken": _snapshot_taken,
    "RegimeAssessed": _regime_assessed,
    "DayTypeAssessed": _day_type,
    "DecisionMade": _decision_made,
    "IntentApproved": _intent_approved,
    "ExitSignalled": _exit_signalled,
    "OrderChanged": desk.order_changed,
    "FillApplied": desk.fill_applied,
    "PositionChanged": _position_changed,
    "PositionSettled": _position_settled,
    "RiskStateChanged": _risk_changed,
    "RiskTransitioned": _risk_transitioned,
    "SpreadApproved": desk.spread_approved,
    "OrderWanted": desk.order_wanted,
    "OrderSendStarted": desk.send_started,
    "OrderSendResult": desk.send_result,
    "ApprovalRequested": desk.approval_requested,
    "ApprovalClosed": desk.approval_closed,
    "CommandAnswered": desk.command_answered,
    "ReadinessChanged": _readiness_changed,
    "IncidentRaised": _noted(lambda event: f"{event.code}:{event.subject}"),
    "IncidentResolved": _noted(lambda event: f"{event.code}:{event.subject}"),
    "DifferenceFound": _noted(lambda event: f"{event.reason}:{event.subject}"),
    "Reconciled": _reconciled,
    "AuthStatus": _auth,
    "FramesDropped": _noted(lambda event: str(event.connection)),
    "ClockStepped": _noted(lambda event: event.source),
    "HealthObserved": _health_observed,
    "HistoryLoaded": _history_loaded,
}

APPLY: Final[dict[str, Apply]] = {
    kind: _watched(_APPLY.get(kind), kind) for kind in {**_APPLY, **watch.APPLY}
}
"""Kinds that change what is shown, decoded and applied."""

APPLY_RAW: Final[dict[str, Callable[[State, Envelope, bytes], None]]] = {
    "GatesEvaluated": _keep_gates,
    "FeaturesDerived": _keep_features,
    "ContractsScreened": _keep_screened,
    "CandidateProposed": _keep_candidate,
}
"""Kinds kept as payloads of their current version, undecoded."""

PASSED_OVER: Final[tuple[str, ...]] = (
    "InstrumentsGated",
    "TicksJudged",
    "SessionSummarised",
    "BrokerUpdate",
    "OrderLookup",
    "QuotesObserved",
    "MarginWanted",
    "MarginObserved",
    "SessionEndDue",
    "SettingsDeferred",
)
"""Known kinds that no screen shows yet."""

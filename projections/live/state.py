"""The mutable containers that the fold fills and the view is made from.

Lives here: state per session, underlying, connection and reason, each bounded. May import: events,
projections.live. Always holds: one thread owns a state; nothing in it leaves except as a frozen
struct of ``view``. Start reading at ``State``.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from events.base import Event
from events.envelope import Envelope
from events.market import ExpiryView
from events.orders import PositionChanged
from events.session import Instrument, RuleRow, Setting
from projections.live.greeks import NO_PRICING
from projections.live.quotes import QuoteTable
from projections.live.view import (
    ApprovalLine,
    ArtifactView,
    CommandLine,
    ConnectionView,
    DecisionLine,
    Episode,
    FillLine,
    GovernanceView,
    Kept,
    Miss,
    Notice,
    OrderLine,
    RecordedHash,
    RiskView,
    SendView,
    SessionHours,
    SessionInfo,
    StageView,
    WireView,
)
from projections.live.watch import WatchState

CLOSES_KEPT: Final = 512
EPISODES_KEPT: Final = 400
NOTICES_KEPT: Final = 400
RECENT_PER_REASON: Final = 100
TRADES_KEPT: Final = 100
ORDERS_KEPT: Final = 200
FILLS_KEPT: Final = 200
APPROVALS_KEPT: Final = 64
COMMANDS_KEPT: Final = 100
SENDS_KEPT: Final = 512
"""Times of messages: the broker takes fewer in a minute."""

CLOSED_POSITIONS_KEPT: Final = 200
PENDING_GATES_KEPT: Final = 64
SOLE_PER_REASON: Final = 30
ARTIFACTS_KEPT: Final = 100
HEAT_PARTS_MAX: Final = 288

FunnelKey = tuple[str, str, str]
"""(stage, reason, outcome)."""


class UnderlyingState:
    """What is known of one underlying; ``place`` is its position in the view."""

    def __init__(self, name: str, place: int) -> None:
        self.name = name
        self.place = place
        self.spot_row: Instrument | None = None
        self.vix_row: Instrument | None = None
        self.spot_paise: int | None = None
        self.spot_ts: int | None = None
        self.forward_paise: int | None = None
        self.forward_source: str | None = None
        self.snapshot_ts: int | None = None
        self.vix_paise: int | None = None
        self.vix_ts: int | None = None
        self.regime: str | None = None
        self.regime_since_ts: int | None = None
        self.leader: str | None = None
        self.leader_prob_milli: int | None = None
        self.unstable: tuple[str, ...] = ()
        self.day_type: str | None = None
        self.bars_done = 0
        self.closes: deque[int] = deque(maxlen=CLOSES_KEPT)
        self.episode: Episode | None = None
        self.stages: dict[str, StageView] = {}
        self.expiries: tuple[ExpiryView, ...] = ()
        self.screened: Kept | None = None
        self.candidate: Kept | None = None
        self.features: Kept | None = None
        self.pending_snapshot: tuple[int, bytes] | None = None
        self.origins: dict[str, int] = {}


class ReasonState:
    """The day's count of one (stage, reason), where in the day it fell, and its last decisions."""

    def __init__(self) -> None:
        self.count = 0
        self.last_ts = 0
        self.by_underlying: dict[str, int] = {}
        self.heat: dict[str, list[int]] = {}
        self.recent: deque[DecisionLine] = deque(maxlen=RECENT_PER_REASON)
        self.sole_by_underlying: dict[str, int] = {}
        self.sole_recent: deque[DecisionLine] = deque(maxlen=SOLE_PER_REASON)
        self.nearest: dict[str, Miss] = {}


NO_GOVERNANCE: Final = GovernanceView(None, None, None, (), None, None, None, None)


class State:
    """Everything folded so far."""

    def __init__(self) -> None:
        self.session: SessionInfo | None = None
        self.hours: SessionHours | None = None
        self.rule_rows: tuple[RuleRow, ...] = ()
        self.settings: dict[str, Setting] = {}
        self.instruments: tuple[Instrument, ...] = ()
        self.symbols: tuple[str, ...] = ()
        self.underlyings: dict[str, UnderlyingState] = {}
        self.quotes = QuoteTable()
        self.artifacts: deque[ArtifactView] = deque(maxlen=ARTIFACTS_KEPT)
        self.governance = NO_GOVERNANCE
        self.pricing = NO_PRICING
        self.origins: dict[str, int] = {}
        self.watch = WatchState()
        self.seq = 0
        self.ts = 0
        self.facts = 0
        self.closed: str | None = None
        self.connections: dict[int, ConnectionView] = {}
        self.frames_rejected = 0
        self.unreadable = 0
        self.state_hash: RecordedHash | None = None
        self.seen_hash: RecordedHash | None = None
        self.decisions = 0
        self.trades = 0
        self.reasons: dict[FunnelKey, ReasonState] = {}
        self.pending_gates: dict[int, bytes] = {}
        self.episodes: deque[Episode] = deque(maxlen=EPISODES_KEPT)
        self.trade_decisions: deque[DecisionLine] = deque(maxlen=TRADES_KEPT)
        self.positions: dict[str, tuple[int, PositionChanged]] = {}
        self.closed_positions: deque[tuple[int, int, PositionChanged]] = deque(
            maxlen=CLOSED_POSITIONS_KEPT
        )
        self.closed_realised_paise = 0
        self.orders: dict[str, OrderLine] = {}
        self.wires: dict[str, WireView] = {}
        self.fills: deque[FillLine] = deque(maxlen=FILLS_KEPT)
        self.approvals: dict[str, ApprovalLine] = {}
        self.commands: deque[CommandLine] = deque(maxlen=COMMANDS_KEPT)
        self.kill: str | None = None
        self.sends = SendView(0, 0, 0, 0, ())
        self.capital_paise: int | None = None
        self.charges_paise = 0
        self.carried_net_paise = 0
        self.risk: RiskView | None = None
        self.net_by_bar: deque[int] = deque(maxlen=CLOSES_KEPT)
        self.net_sampled_ts = 0
        self.notices: deque[Notice] = deque(maxlen=NOTICES_KEPT)

    def underlying(self, name: str) -> UnderlyingState:
        """The state of an underlying, begun at its first mention."""
        found = self.underlyings.get(name)
        if found is None:
            found = UnderlyingState(name, len(self.underlyings))
            self.underlyings[name] = found
        return found

    def instrument(self, index: int) -> Instrument | None:
        """An instrument of the session by index, None when the journal names one it never gave."""
        return self.instruments[index] if 0 <= index < len(self.instruments) else None

    def symbol(self, index: int) -> str:
        """The trading symbol of an instrument index, or the index itself where it is unknown."""
        row = self.instrument(index)
        return f"#{index}" if row is None else row.tradingsymbol

    def lot_units(self, index: int) -> int:
        """The lot of an instrument index, 0 where it is unknown."""
        row = self.instrument(index)
        return 0 if row is None else row.lot_units

    def connection(self, number: int) -> ConnectionView:
        """A connection as last seen, or a fresh one."""
        return self.connections.get(number) or ConnectionView(
            connection=number,
            status=None,
            verified=False,
            subscribed=0,
            last_frame_ts=None,
            frames=0,
            rejected=0,
            health=None,
            health_reason=None,
            health_ts=None,
            limit_ms=None,
        )

    def note(
        self, envelope: Envelope, subject: str, event: Event | None, fault: str | None = None
    ) -> None:
        """Add a notice; an equal neighbour (kind and subject) is counted, not repeated."""
        last = self.notices[-1] if self.notices else None
        repeats = 1
        if last is not None and (last.kind, last.subject) == (envelope.kind, subject):
            repeats = last.repeats + 1
            self.notices.pop()
        self.notices.append(
            Notice(
                seq=envelope.seq,
                ts=envelope.ts,
                kind=envelope.kind,
                repeats=repeats,
                subject=subject,
                event=event,
                fault=fault,
            )
        )

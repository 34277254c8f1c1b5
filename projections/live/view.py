"""What a screen can show of a session at one moment, as frozen values.

Lives here: the structs that ``LiveModel.view`` gives out. May import: msgspec, events (types only),
projections.live's own values.
Always holds: every struct is frozen and may cross threads; money is integer paise, quantities are
integer units, times are ns UTC on the session clock; unknown is ``None``, never 0.
Start reading at ``LiveView``.
"""

from __future__ import annotations

from typing import Final

import msgspec

from events.base import Event
from events.decision import DecisionMade
from events.governance import ApprovalRequested
from events.market import ExpiryView
from events.session import CycleRule, Instrument, MarketIdentity, OperatorCommand, Setting
from projections.live.greeks import Pricing
from projections.live.quotes import Quotes
from projections.live.watch_view import WatchView

HEAT_PART_NS: Final = 300_000_000_000
"""Five minutes: a column of a reason's heat."""


class SessionInfo(msgspec.Struct, frozen=True):
    """Who the session is. ``uid`` is the first 12 hex of its opening payload's SHA-256; ``seq`` is
    that entry's, and the digests are those it names."""

    uid: str
    mode: str
    day: int
    account: str
    market: MarketIdentity
    cycle_rule: CycleRule
    rate: int
    anchor_ns: int
    seq: int
    code_digest: str
    schema_digest: str
    rulebook_digest: str
    settings_digest: str


class ArtifactView(msgspec.Struct, frozen=True, gc=False):
    """A rulebook, a model or whatever else was loaded, and when settings were changed: then
    ``kind`` is ``SETTINGS``, ``name`` their keys and ``digest`` who changed them."""

    seq: int
    ts: int
    kind: str
    name: str
    digest: str


class SessionHours(msgspec.Struct, frozen=True):
    """The day's hours of the derivatives session by the journaled rulebook, all ns UTC.

    ``auction_from_ns`` and ``auction_to_ns`` bound the closing auction of the cash market, None
    where the day has none. ``trading_day`` is None where no calendar covers the day. ``moved_ns``
    is how far the close was moved since the session began: the desk's own times move with it.
    ``events`` are the scheduled ones of the day as (kind, ns UTC), in order of time.
    """

    trading_day: bool | None
    open_ns: int | None
    close_ns: int | None
    auction_from_ns: int | None
    auction_to_ns: int | None
    moved_ns: int = 0
    events: tuple[tuple[str, int], ...] = ()


class DecisionLine(msgspec.Struct, frozen=True, gc=False):
    """One decision. ``gates`` and ``snapshot`` are the payloads of its ``GatesEvaluated`` and
    ``SnapshotTaken``, undecoded; None when they were not seen. ``cause`` is the seq of the timer
    tick that asked for it; ``origins`` name what it was derived from as (role, seq), by seq:
    ``projections.live.fold.ROLES`` lists the roles."""

    seq: int
    ts: int
    cause: int
    made: DecisionMade
    gates: bytes | None
    snapshot: bytes | None
    origins: tuple[tuple[str, int], ...]

    @property
    def key(self) -> tuple[str, str, str]:
        """(stage, reason, outcome): what makes two decisions equal in kind."""
        return self.made.stage, self.made.reason, self.made.outcome


class Episode(msgspec.Struct, frozen=True, gc=False):
    """Equal decisions of one underlying in a row: from when to when, how many, the last one."""

    underlying: str
    since_ts: int
    until_ts: int
    count: int
    last: DecisionLine


class StageView(msgspec.Struct, frozen=True, gc=False):
    """A stage of an underlying's last decision, and since when it has said the same.

    ``waits_for`` is the stage whose input failed, None where this one was judged.
    """

    stage: str
    verdict: str
    reason: str | None
    waits_for: str | None
    since_ts: int


class Kept(msgspec.Struct, frozen=True, gc=False):
    """An entry kept as its payload, undecoded, in the current shape of its kind."""

    seq: int
    ts: int
    payload: bytes


class UnderlyingView(msgspec.Struct, frozen=True):
    """One underlying. ``spot_paise`` with ``spot_ts`` is its last print in a frame, else the last
    snapshot's; ``forward_paise`` is of the nearest expiry, rounded to a paisa for display.

    ``closes_paise`` are the closes of its declared bars, oldest first. ``expiries`` are those of
    its last snapshot, which was taken at ``snapshot_ts``; ``screened``, ``candidate`` and
    ``features`` are its last entries of those kinds.
    """

    name: str
    spot_paise: int | None
    spot_ts: int | None
    spot_estimated: bool
    forward_paise: int | None
    forward_source: str | None
    snapshot_ts: int | None
    vix_paise: int | None
    vix_ts: int | None
    regime: str | None
    regime_since_ts: int | None
    leader: str | None
    leader_prob_milli: int | None
    unstable: tuple[str, ...]
    day_type: str | None
    bars_done: int
    closes_paise: tuple[int, ...]
    episode: Episode | None
    stages: tuple[StageView, ...]
    expiries: tuple[ExpiryView, ...]
    screened: Kept | None
    candidate: Kept | None
    features: Kept | None


class PositionView(msgspec.Struct, frozen=True, gc=False):
    """A position. ``mark_paise`` is the bid a long could be sold at (the ask for a short), None
    where no such side was quoted; ``unrealised_paise`` is gross, at that mark."""

    position_id: str
    underlying: str
    strategy_id: str
    symbol: str
    contract: int
    is_open: bool
    quantity_units: int
    lot_units: int
    average_paise: int
    mark_paise: int | None
    mark_ts: int | None
    unrealised_paise: int | None
    realised_paise: int
    charges_paise: int
    stop_paise: int
    target_paise: int
    trail_paise: int
    opened_ts: int
    changed_ts: int
    exit_reason: str | None


class WireView(msgspec.Struct, frozen=True, gc=False):
    """The last message about an order: what was wanted, when it left, what the broker answered.

    ``sent_ts`` is None until it leaves, ``outcome`` until it is answered (ACCEPTED, REFUSED,
    NOT_SENT or UNKNOWN); ``said`` are the broker's own words.
    """

    action: str
    order_type: str
    trigger_paise: int | None
    wanted_ts: int
    sent_ts: int | None
    outcome: str | None
    elapsed_us: int | None
    broker_order_id: str | None
    said: str | None


class OrderLine(msgspec.Struct, frozen=True, gc=False):
    """The last known state of an order. ``authority`` is the intent or the exit behind it;
    ``lot_units`` is 0 where the contract is not known; ``wire`` is None for an order that needs no
    message (paper)."""

    order_id: str
    authority: str
    ts: int
    seq: int
    symbol: str
    lot_units: int
    role: str
    side: str
    status: str
    reason: str | None
    quantity_units: int
    filled_units: int
    limit_paise: int | None
    wire: WireView | None


class FillLine(msgspec.Struct, frozen=True, gc=False):
    """One fill. ``slippage_paise`` is a unit's distance from the mid at the decision, above zero to
    our cost; ``role`` is None where its order was not seen."""

    seq: int
    ts: int
    order_id: str
    fill_no: int
    symbol: str
    lot_units: int
    role: str | None
    side: str
    quantity_units: int
    price_paise: int
    slippage_paise: int
    charges_paise: int


class ApprovalLine(msgspec.Struct, frozen=True):
    """An entry that waits for a person."""

    seq: int
    ts: int
    lot_units: int
    asked: ApprovalRequested


class CommandLine(msgspec.Struct, frozen=True):
    """What an operator asked for, and the engine's answer; None while it owes one."""

    seq: int
    ts: int
    asked: OperatorCommand
    outcome: str | None
    reason: str | None
    answered_seq: int | None
    answered_ts: int | None


class SendView(msgspec.Struct, frozen=True, gc=False):
    """Messages to the broker: how many left, how many of them he refused or never answered, the
    times of the last ones (oldest first) and the slowest answer."""

    sent: int
    refused: int
    unknown: int
    slowest_us: int
    recent_ts: tuple[int, ...]


class MoneyView(msgspec.Struct, frozen=True, gc=False):
    """The account's day in paise. ``net_paise`` = carried net + realised - charges + unrealised,
    None while an open position has no mark or no session was opened. Charges are those of the
    fills so far.

    ``net_by_bar_paise`` samples the known net at the close of each declared bar, oldest first.
    """

    carried_net_paise: int
    realised_paise: int
    charges_paise: int
    unrealised_paise: int | None
    net_paise: int | None
    net_by_bar_paise: tuple[int, ...]


class RiskView(msgspec.Struct, frozen=True, gc=False):
    """The account's risk state as last said."""

    ts: int
    status: str
    reason: str
    trades_today: int
    loss_streak: int
    open_risk_paise: int
    cooldown_until_ns: int


class GovernanceView(msgspec.Struct, frozen=True, gc=False):
    """Whether entries may be made at all, as last said: ``ReadinessChanged`` (None in a backtest,
    which has no readiness) and the risk state of ``RiskTransitioned``."""

    readiness: str | None
    readiness_ts: int | None
    readiness_seq: int | None
    blockers: tuple[str, ...]
    state: str | None
    state_ts: int | None
    state_seq: int | None
    state_reason: str | None


class ConnectionView(msgspec.Struct, frozen=True, gc=False):
    """One feed connection. ``health`` is what the core made of it, ``limit_ms`` its own ceiling."""

    connection: int
    status: str | None
    verified: bool
    subscribed: int
    last_frame_ts: int | None
    frames: int
    rejected: int
    health: str | None
    health_reason: str | None
    health_ts: int | None
    limit_ms: int | None


class Miss(msgspec.Struct, frozen=True, gc=False):
    """How near a decision came: ``ppm`` is by how many millionths of its limit the deciding gate
    was missed."""

    ppm: int
    line: DecisionLine


class FunnelRow(msgspec.Struct, frozen=True, gc=False):
    """All decisions of the day with one (stage, reason). ``by_underlying`` follows the order of
    ``LiveView.underlyings``; ``heat`` counts them in columns of ``HEAT_PART_NS`` from the open, and
    ``heat_by_underlying`` each one's; ``blocking_now`` names the underlyings whose last decision
    this is; ``recent`` is newest last.

    ``sole`` counts those that no other gate blocked, ``sole_recent`` are the last of them;
    ``nearest`` are the nearest misses, one an underlying at most, nearest first.
    """

    stage: str
    reason: str
    traded: bool
    count: int
    by_underlying: tuple[int, ...]
    last_ts: int
    heat: tuple[int, ...]
    heat_by_underlying: tuple[tuple[int, ...], ...]
    blocking_now: tuple[str, ...]
    recent: tuple[DecisionLine, ...]
    sole: int
    sole_by_underlying: tuple[int, ...]
    sole_recent: tuple[DecisionLine, ...]
    nearest: tuple[Miss, ...]


class Notice(msgspec.Struct, frozen=True):
    """Something that happened and that a person would want to read; ``event`` is as journaled.

    ``repeats`` counts equal neighbours folded into this line. ``event`` is None for an entry that
    could not be read; then ``fault`` says why.
    """

    seq: int
    ts: int
    kind: str
    repeats: int
    subject: str
    event: Event | None
    fault: str | None


class RecordedHash(msgspec.Struct, frozen=True, gc=False):
    """A hash that the journal holds: of the engine's state after entry ``seq`` (``of`` is None), or
    of all that was seen of the underlying ``of`` at entry ``seq``."""

    seq: int
    of: str | None
    digest: str


class LiveView(msgspec.Struct, frozen=True):
    """A session at one moment: the result of folding all entries up to ``seq``.

    ``ts`` is the session clock after them. ``closed`` is the reason in ``SessionClosed``, None for
    a session that goes on. ``symbols`` are the trading symbols by instrument index; ``unreadable``
    counts entries this release could not decode. ``kill`` is the strongest level that an operator
    asked for and has not taken back: HALT, CANCEL or FLATTEN. ``state_hash`` and ``seen_hash`` are
    the last ones that the journal holds.
    """

    session: SessionInfo | None
    hours: SessionHours | None
    settings: tuple[Setting, ...]
    symbols: tuple[str, ...]
    instruments: tuple[Instrument, ...]
    quotes: Quotes
    artifacts: tuple[ArtifactView, ...]
    governance: GovernanceView
    pricing: Pricing
    seq: int
    ts: int
    facts: int
    ticks: int
    closed: str | None
    underlyings: tuple[UnderlyingView, ...]
    positions: tuple[PositionView, ...]
    closed_positions: tuple[PositionView, ...]
    orders: tuple[OrderLine, ...]
    fills: tuple[FillLine, ...]
    approvals: tuple[ApprovalLine, ...]
    commands: tuple[CommandLine, ...]
    kill: str | None
    sends: SendView
    money: MoneyView
    capital_paise: int | None
    risk: RiskView | None
    connections: tuple[ConnectionView, ...]
    decisions: int
    trades: int
    funnel: tuple[FunnelRow, ...]
    episodes: tuple[Episode, ...]
    trade_decisions: tuple[DecisionLine, ...]
    notices: tuple[Notice, ...]
    frames_rejected: int
    unreadable: int
    watch: WatchView
    state_hash: RecordedHash | None
    seen_hash: RecordedHash | None

    @property
    def blocked(self) -> int:
        """Decisions that ended in no trade."""
        return self.decisions - self.trades

    def symbol(self, index: int | None) -> str:
        """The trading symbol of an instrument index; ``#index`` where the session has none."""
        if index is None:
            return "-"
        return self.symbols[index] if 0 <= index < len(self.symbols) else f"#{index}"

    def setting(self, key: str) -> int | None:
        """An integer setting in force, by dotted key; None where the session has none."""
        for row in self.settings:
            if row.key == key and isinstance(row.value, int):
                return row.value
        return None

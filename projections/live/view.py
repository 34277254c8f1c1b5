"""What a screen can show of a session at one moment, as frozen values.

Lives here: the structs that ``LiveModel.view`` gives out. May import: msgspec, events (types only).
Always holds: every struct is frozen and may cross threads; money is integer paise, quantities are
integer units, times are ns UTC on the session clock; unknown is ``None``, never 0.
Start reading at ``LiveView``.
"""

from __future__ import annotations

import msgspec

from events.base import Event
from events.decision import DecisionMade
from events.session import CycleRule, MarketIdentity, Setting


class SessionInfo(msgspec.Struct, frozen=True):
    """Who the session is. ``uid`` is the first 12 hex of its opening payload's SHA-256."""

    uid: str
    mode: str
    day: int
    account: str
    market: MarketIdentity
    cycle_rule: CycleRule
    rate: int
    anchor_ns: int


class SessionHours(msgspec.Struct, frozen=True):
    """The day's hours of the derivatives session by the journaled rulebook, all ns UTC.

    ``auction_from_ns`` and ``auction_to_ns`` bound the closing auction of the cash market, None
    where the day has none. ``trading_day`` is None where no calendar covers the day. ``moved_ns``
    is how far the close was moved since the session began: the desk's own times move with it.
    """

    trading_day: bool | None
    open_ns: int | None
    close_ns: int | None
    auction_from_ns: int | None
    auction_to_ns: int | None
    moved_ns: int = 0


class DecisionLine(msgspec.Struct, frozen=True, gc=False):
    """One decision. ``gates`` is the payload of its ``GatesEvaluated``, undecoded; None when it was
    not seen. ``cause`` is the seq of the timer tick that asked for it."""

    seq: int
    ts: int
    cause: int
    made: DecisionMade
    gates: bytes | None

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


class UnderlyingView(msgspec.Struct, frozen=True):
    """One underlying. ``spot_paise`` with ``spot_ts`` is its last print in a frame, else the last
    snapshot's; ``forward_paise`` is of the nearest expiry, rounded to a paisa for display.

    ``closes_paise`` are the closes of its declared bars, oldest first.
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


class OrderLine(msgspec.Struct, frozen=True, gc=False):
    """The last known state of an order."""

    order_id: str
    ts: int
    seq: int
    symbol: str
    role: str
    side: str
    status: str
    reason: str | None
    quantity_units: int
    filled_units: int
    limit_paise: int | None


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


class FunnelRow(msgspec.Struct, frozen=True, gc=False):
    """All decisions of the day with one (stage, reason). ``by_underlying`` follows the order of
    ``LiveView.underlyings``; ``heat`` counts them in equal parts of the day's hours;
    ``blocking_now`` names the underlyings whose last decision this is; ``recent`` is newest
    last."""

    stage: str
    reason: str
    traded: bool
    count: int
    by_underlying: tuple[int, ...]
    last_ts: int
    heat: tuple[int, ...]
    blocking_now: tuple[str, ...]
    recent: tuple[DecisionLine, ...]


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


class LiveView(msgspec.Struct, frozen=True):
    """A session at one moment: the result of folding all entries up to ``seq``.

    ``ts`` is the session clock after them. ``closed`` is the reason in ``SessionClosed``, None for
    a session that goes on. ``symbols`` are the trading symbols by instrument index; ``unreadable``
    counts entries this release could not decode.
    """

    session: SessionInfo | None
    hours: SessionHours | None
    settings: tuple[Setting, ...]
    symbols: tuple[str, ...]
    seq: int
    ts: int
    facts: int
    ticks: int
    closed: str | None
    underlyings: tuple[UnderlyingView, ...]
    positions: tuple[PositionView, ...]
    closed_positions: tuple[PositionView, ...]
    orders: tuple[OrderLine, ...]
    money: MoneyView
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

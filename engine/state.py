"""The state of a session, as frozen values.

Lives here: every struct of the core's state but those of its parts, and the empty one. May import:
events, engine.config and its parts. Always holds: no dict and no set anywhere inside; tuples follow
instrument or underlying order; whatever is here can be encoded, hashed and restored.
The token map and other look-ups are caches beside the state (``engine.lookup``), never in it.
Start reading at ``State``.
"""

from __future__ import annotations

from typing import Final

from engine.bars import Bar
from engine.config import Config
from engine.doubt import EMPTY_QUALITY, Quality
from engine.features.tape import Tape
from engine.indicators import IndicatorState, VolatilityState
from engine.rulebook import DayRules
from events.base import Record
from events.features import FeaturesDerived
from events.session import (
    CarriedOver,
    CarriedPosition,
    ConfigChanged,
    Instrument,
    RuleRow,
    SessionAmended,
    SessionOpened,
)

NO_INDEX: Final = -1
"""Stands where an underlying has no such instrument."""

NEVER_NS: Final = 0
"""A time that has not come yet."""


class Quote(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The last packet of one instrument. As on the wire, price 0 in bid or ask is: no level.

    ``stamp_s`` is the exchange's own time (epoch s, 0 where the packet has none), ``seen_ns`` the
    session time of the frame, ``seq`` its fact: of the last one with a book, where there was one;
    ``depth`` the 120 bytes of five levels a side. ``close_paise`` is the close of the day before as
    an index's first packet told it, 0 of anything else.
    """

    ltp_paise: int
    last_units: int
    volume_units: int
    oi_units: int
    stamp_s: int
    bid_units: int
    bid_paise: int
    ask_units: int
    ask_paise: int
    seen_ns: int
    seq: int
    depth: bytes
    close_paise: int

    @property
    def two_sided(self) -> bool:
        return 0 < self.bid_paise <= self.ask_paise

    @property
    def sell_paise(self) -> int:
        """The bid that a long counts on; 0 where there is none, or the book is crossed and its bid
        a mistake of somebody's."""
        crossed = 0 < self.ask_paise < self.bid_paise
        return 0 if crossed else self.bid_paise

    def is_fresh(self, oldest_ns: int) -> bool:
        """Whether it was seen at ``oldest_ns`` or later: an age that is just the limit is fresh."""
        return self.seen_ns >= oldest_ns


class BarSlot(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The bars of one instrument, between its ticks: its accumulator stands in ``State.accs``.

    ``five`` holds the minutes of the open five-minute bar, ``closed`` the bars that ended at the
    last roll (``State.rolled_seq``). Indicators and volatility are those after the last declared
    bar.
    """

    instrument: int
    five: tuple[Bar, ...]
    closed: tuple[Bar, ...]
    indicators: IndicatorState | None
    volatility: VolatilityState | None
    bars_done: int


class SlotHistory(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The day's closed minutes of one bar slot, of a session in real time, oldest first.

    ``wanted``: candles of the missing minutes are asked for, ``tries`` times without one so far,
    next at ``next_ns``. ``candles`` counts the minutes that are candles.
    """

    minutes: tuple[Bar, ...]
    wanted: bool
    tries: int
    next_ns: int
    candles: int


NO_HISTORY: Final = SlotHistory((), False, 0, NEVER_NS, 0)


class HistoryState(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The minutes that the feed did not give whole: [from, to), in ns UTC, the same for all slots.
    ``from_ns`` 0: there are none; ``to_ns`` 0: the hole is not over."""

    from_ns: int
    to_ns: int
    slots: tuple[SlotHistory, ...]


class ExpiryMap(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """One expiry of an underlying: strikes ascending, instrument indices of calls and puts beside.

    ``close_ns`` is when the contract ends; 0 when the rulebook does not say.
    """

    expiry: int
    close_ns: int
    strikes_paise: tuple[int, ...]
    log_strikes: tuple[float, ...]
    calls: tuple[int, ...]
    puts: tuple[int, ...]


class UnderlyingMap(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Where the instruments of an underlying stand; fixed once the instruments are loaded."""

    name: str
    exchange: str
    index: int
    future: int
    future_close_ns: int
    estimated: bool
    expiries: tuple[ExpiryMap, ...]


class ExpiryState(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """What was found of an expiry at the last cycle: forward and source, volatility, ratios."""

    expiry: int
    place: int
    t_years: float
    df: float
    forward_paise: int | None
    source: str | None
    pairs: int
    atm_place: int
    atm_iv: float | None
    skew_25d: float | None
    pcr_oi_milli: int | None
    quoted: int


class RegimeState(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The regime in force, who leads and for how long, and the probabilities behind it."""

    regime: str
    leader: str
    leader_bars: int
    probs_milli: tuple[int, ...]
    entropy_milli: int
    assessed_ns: int


class UnderlyingState(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """What changes of an underlying. ``features`` are those after its last declared bar; what they
    are made of stands in ``State.tapes``, for each snapshot hashes this whole."""

    features: FeaturesDerived | None
    regime: RegimeState | None
    day_type: str
    day_open_paise: int
    day_high_paise: int
    day_low_paise: int
    bars_since_gap: int
    expiries: tuple[ExpiryState, ...]
    screened: bytes
    cooldown_until_ns: int
    day_switches: int
    day_locked: bool


class Connection(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """One connection as it was last told of. ``lost_ns`` is since when it is not up, 0 while it
    is."""

    number: int
    up: bool
    verified: bool
    lost_ns: int


class FeedState(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The feed as the core sees it. ``connected`` and ``verified`` are true where they are of
    every one of ``connections``. ``page_*`` speak of a market that gives whole pages.

    ``gap_ms`` is the silence that the last frame ended where that was longer than the largest gap
    that the market declares, else 0. ``losses_ns`` is when connections were last lost.
    """

    connected: bool
    verified: bool
    status: str
    last_frame_ns: int
    newest_stamp_s: int
    page_stamp_s: int
    page_repeats: int
    refused_ns: tuple[int, ...]
    losses_ns: tuple[int, ...]
    frames: int
    ticks: int
    refused: int
    unknown_tokens: int
    gap_ms: int
    connections: tuple[Connection, ...]


class Wish(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """A message that is wanted of an order and has not started. Prices 0: not part of it."""

    action: str
    order_type: str
    quantity_units: int
    limit_paise: int
    trigger_paise: int


class Leg(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """What an order is at the broker. A paper order has none.

    ``status`` is HELD (waits for other orders to end), PENDING (its message has not left), SENT
    (no answer yet), UNKNOWN, WORKING, or how it ended. ``flight`` is the message that has left and
    is not answered, ``message_no`` its number, ``answered`` the action of the last one that is;
    ``doubt`` says that an answer was no answer, so that only a report tells what holds.
    ``value_paise`` is price times units of all fills. ``limit_paise`` and ``trigger_paise`` are
    those at the broker as far as it told. ``seen_ns`` is when a report last told of it,
    ``asked_ns`` when a lookup was last answered, ``priced_ns`` when its price was last set;
    ``steps`` counts re-pricings, ``cancel_sent`` says that its end is asked for by us,
    ``missed_ns`` when a lookup or the books told of it what no update had told. ``fault`` says why
    it was refused, by the adapter's table.
    """

    status: str
    fault: str
    broker_order_id: str
    broker_status: str
    product: str
    order_type: str
    wish: Wish | None
    flight: Wish | None
    answered: str
    message_no: int
    doubt: bool
    cancelling: bool
    cancel_sent: bool
    missed_ns: int
    value_paise: int
    limit_paise: int
    trigger_paise: int
    modified: int
    steps: int
    sent_ns: int
    seen_ns: int
    asked_ns: int
    priced_ns: int
    update_ts: int


NEW_LEG: Final = Leg(
    status="PENDING", fault="", broker_order_id="", broker_status="", product="", order_type="",
    wish=None, flight=None, answered="", message_no=0, doubt=False, cancelling=False,
    cancel_sent=False, missed_ns=0, value_paise=0, limit_paise=0, trigger_paise=0, modified=0,
    steps=0, sent_ns=0,
    seen_ns=0, asked_ns=0, priced_ns=0, update_ts=0,
)  # fmt: skip
"""A leg of which nothing has left yet."""


class Order(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """A working order, of the paper broker or (with a ``leg``) of a real one.

    ``authority`` is the intent's or the exit's id. ``limit_paise`` 0 is: any price. ``last_seq`` is
    the frame whose book it last took from, so that no shown quantity is taken twice.
    ``reference_paise`` is the mid it was decided at. Stop, target and trail are an entry's plan.
    """

    order_id: str
    authority: str
    role: str
    underlying: int
    strategy_id: str
    contract: int
    side: str
    quantity_units: int
    filled_units: int
    fills: int
    last_seq: int
    limit_paise: int
    reference_paise: int
    due_ns: int
    expires_ns: int
    risk_paise: int
    stop_paise: int
    target_paise: int
    trail_paise: int
    reason: str
    leg: Leg | None


class Position(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """A long from its first entry fill to its last exit fill; ``quantity_units`` 0 is: just closed.

    ``product`` is what the broker holds it in, empty where it is not known: the configured one.
    ``value_paise`` is the cost of what is held, ``best_bid_paise`` the highest bid since entry.
    ``tp1_paise`` is the first target by the configuration in force at entry (0: none),
    ``keep_units`` what is held on beyond it, ``tp1_hit`` that it was met: from then on
    ``stop_paise`` is the break-even.
    """

    position_id: str
    underlying: int
    strategy_id: str
    contract: int
    product: str
    quantity_units: int
    value_paise: int
    opened_ns: int
    stop_paise: int
    target_paise: int
    trail_paise: int
    best_bid_paise: int
    realised_paise: int
    charges_paise: int
    risk_paise: int
    exit_reason: str
    tp1_paise: int
    keep_units: int
    tp1_hit: bool


class AccountState(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The account's day. Counts are of the trading day and account, never of the session."""

    capital_paise: int
    realised_paise: int
    charges_paise: int
    trades_today: int
    loss_streak: int
    halts: tuple[str, ...]


class UnderlyingResult(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The day's closed result of an underlying, net of charges."""

    underlying: str
    paise: int


class Fire(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """An entry that a strategy got approved in an underlying, and when (ns UTC)."""

    strategy_id: str
    underlying: str
    at_ns: int


class RiskState(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """What the risk limits know beside the account's counts.

    ``status`` is one of ``engine.risk.states``, ``halts`` those that it counts: an operator's stand
    in ``AccountState.halts`` first. ``high_paise`` is the day's highest result, open positions
    included, at least 0. ``closed_paise`` are the net results of the last closed positions, the
    oldest first, over all days, ``tail_paise`` the mean loss of the worst of them. ``funds_paise``
    is what the broker last said may be spent, asked for at ``funds_ns`` (0: never).
    """

    status: str
    halts: tuple[str, ...]
    high_paise: int
    results: tuple[UnderlyingResult, ...]
    closed_paise: tuple[int, ...]
    tail_paise: int
    fires: tuple[Fire, ...]
    funds_paise: int
    funds_ns: int


class StrategyLife(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Where a strategy stands in its lifecycle (``engine.strategies.lifecycle``), since when and by
    whom: the code, parameters and algo id that it was promoted with, empty where none were named,
    and the evidence in words."""

    strategy_id: str
    standing: str
    code: str
    parameters: str
    algo_id: str
    evidence: str
    who: str
    since_ns: int


class Foreign(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """An order at the broker that is not ours. ``contract`` is -1 where the session does not have
    it; ``applied_units`` is how much of its fills our books have taken in, ``ours_units`` how much
    of its last report fell on positions of ours (somebody sold what we hold), at ``ours_paise``."""

    broker_order_id: str
    contract: int
    exchange: str
    tradingsymbol: str
    product: str
    side: str
    status: str
    quantity_units: int
    applied_units: int
    applied_value_paise: int
    ours_units: int
    ours_paise: int


class Holding(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Units at the broker by key, of which nothing of ours accounts: bought or sold by others, or
    found there. Negative is short."""

    contract: int
    exchange: str
    tradingsymbol: str
    product: str
    net_units: int


class Difference(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """A difference between our books and the broker's that was seen in the last comparison."""

    subject: str
    reason: str
    ours: int
    theirs: int
    times: int
    seen_ns: int


class Incident(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """An incident that is open."""

    incident_id: str
    code: str
    severity: int
    subject: str
    since_ns: int
    acknowledged: bool


class Request(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """An approval that is asked for: what the person sees, and until when."""

    request_id: str
    underlying: int
    strategy_id: str
    contract: int
    side: str
    quantity_units: int
    low_paise: int
    high_paise: int
    stop_paise: int
    target_paise: int
    risk_paise: int
    expires_ns: int
    sold_contract: int | None
    sold_low_paise: int | None


class Margin(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """What the broker asks for a pair; ``told_ns`` 0 and ``required_paise`` None: not said yet."""

    contract: int
    sold_contract: int
    quantity_units: int
    limit_paise: int
    sold_limit_paise: int
    wanted_ns: int
    told_ns: int
    required_paise: int | None


class ContractChange(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """A contract that is not what it was in the account's session before (CONTRACT_CHANGED).

    ``held`` since before this session; ``subject`` is its incident's: the position, or the first of
    the contracts that changed alike. ``what``, ``was`` and ``now`` run side by side; an earlier
    value that is not known is None.
    """

    contract: int
    held: bool
    subject: str
    what: tuple[str, ...]
    was: tuple[int | None, ...]
    now: tuple[int, ...]


class Desk(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """What the session knows of its broker, its operator and its own health.

    ``kill`` is 0, or the level of the kill switch (1 no entries, 2 cancel all, 3 flatten).
    ``books_ns`` is when books last came, ``first_books`` holds while the session takes in its
    first, ``closing_books`` once those of the end came, ``reconciled_ns`` is when those that last
    agreed were asked for, ``nets_ns`` when the broker's positions were, ``reconnected_ns`` when a
    connection that was lost was last up again. ``ended`` keeps the orders that are over, for a late
    word on them. ``leaving`` are the longs that a person asked to be closed, each by itself.
    ``amending`` is an amendment of the day's hours that was accepted and is no fact yet,
    ``setting`` such a change of a limit. ``approving`` is (request id, who) while a cycle decides
    on an approval, ``approved`` holds ``intent who`` of those that were used; ``repeated``
    and ``refused`` tell of the last command.
    """

    kill: int
    armed_until_ns: int
    auth: str
    auth_ns: int
    clock_offset_ns: int
    clock_bad: bool
    unhealthy: tuple[str, ...]
    dropped_ns: int
    resumed_ns: int
    books_ns: int
    first_books: bool
    closing_books: bool
    reconciled_ns: int
    nets_ns: int
    reconnected_ns: int
    nets: tuple[Holding, ...]
    holdings: tuple[Holding, ...]
    differences: tuple[Difference, ...]
    foreign: tuple[Foreign, ...]
    ended: tuple[Order, ...]
    incidents: tuple[Incident, ...]
    incidents_raised: int
    requests: tuple[Request, ...]
    approved: tuple[str, ...]
    approving: tuple[str, ...]
    margins: tuple[Margin, ...]
    commands: tuple[str, ...]
    leaving: tuple[str, ...]
    amending: SessionAmended | None
    setting: ConfigChanged | None
    repeated: bool
    refused: bool
    messages: int
    refused_ns: tuple[int, ...]
    readiness: str
    blockers: tuple[str, ...]


class State(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Everything the core knows. ``now`` is the last fact's ``ts``, ``seq`` the last applied.

    ``closes_ns`` is when the derivatives day ends on NSE and BSE by the rulebook as it was loaded,
    whatever was amended since; 0 is not known. ``contract_rows`` say what the contracts of the
    session before were, until the instruments are there; ``changes`` is what they were compared to.
    ``rolled_seq`` is the fact before which bars last ended: that fact says them. ``tapes`` are the
    underlyings' memories of minutes, ``vix_minutes`` the last of INDIA VIX. ``shorts`` are
    the legs that are sold against longs of ``positions``. ``unsettled`` are positions of earlier
    days whose contract has expired and whose settlement is not known.
    """

    now: int
    seq: int
    uid: str
    opened: SessionOpened | None
    config: Config
    rules: DayRules | None
    rule_rows: tuple[RuleRow, ...]
    closes_ns: tuple[int, int]
    contract_rows: tuple[RuleRow, ...]
    carried: CarriedOver | None
    instruments: tuple[Instrument, ...]
    changes: tuple[ContractChange, ...]
    underlyings: tuple[UnderlyingMap, ...]
    vix: int
    quotes: tuple[Quote | None, ...]
    vols: tuple[float, ...]
    slots: tuple[BarSlot, ...]
    accs: tuple[tuple[int, ...], ...]
    history: HistoryState
    bar_end_ns: int
    rolled_seq: int
    feed: FeedState
    quality: Quality
    markets: tuple[UnderlyingState, ...]
    tapes: tuple[Tape, ...]
    vix_minutes: tuple[Bar, ...]
    orders: tuple[Order, ...]
    positions: tuple[Position, ...]
    shorts: tuple[Position, ...]
    unsettled: tuple[CarriedPosition, ...]
    account: AccountState
    risk: RiskState
    strategies: tuple[StrategyLife, ...]
    desk: Desk
    cycle: int
    missed: int
    exits: int
    decisions: int
    trades: int
    closed: bool


EMPTY_HISTORY: Final = HistoryState(0, 0, ())
EMPTY_FEED: Final = FeedState(False, False, "UNSEEN", 0, 0, 0, 0, (), (), 0, 0, 0, 0, 0, ())
EMPTY_ACCOUNT: Final = AccountState(0, 0, 0, 0, 0, ())
EMPTY_RISK: Final = RiskState(
    status="NORMAL", halts=(), high_paise=0, results=(), closed_paise=(), tail_paise=0, fires=(),
    funds_paise=0, funds_ns=0,
)  # fmt: skip
EMPTY_DESK: Final = Desk(
    kill=0, armed_until_ns=0, auth="UNSEEN", auth_ns=0, clock_offset_ns=0, clock_bad=False,
    unhealthy=(), dropped_ns=0, resumed_ns=0, books_ns=0, first_books=False, closing_books=False,
    reconciled_ns=0, nets_ns=0, reconnected_ns=0, nets=(), holdings=(), differences=(),
    foreign=(), ended=(), incidents=(), incidents_raised=0, requests=(), approved=(), approving=(),
    margins=(), commands=(), leaving=(), amending=None, setting=None, repeated=False, refused=False,
    messages=0, refused_ns=(), readiness="", blockers=(),
)  # fmt: skip
EMPTY_UNDERLYING: Final = UnderlyingState(
    None, None, "UNKNOWN", 0, 0, 0, 0, (), b"", NEVER_NS, 0, False,
)  # fmt: skip
EMPTY: Final = State(
    now=0,
    seq=0,
    uid="",
    opened=None,
    config=Config(),
    rules=None,
    rule_rows=(),
    closes_ns=(0, 0),
    contract_rows=(),
    carried=None,
    instruments=(),
    changes=(),
    underlyings=(),
    vix=NO_INDEX,
    quotes=(),
    vols=(),
    slots=(),
    accs=(),
    history=EMPTY_HISTORY,
    bar_end_ns=0,
    rolled_seq=0,
    feed=EMPTY_FEED,
    quality=EMPTY_QUALITY,
    markets=(),
    tapes=(),
    vix_minutes=(),
    orders=(),
    positions=(),
    shorts=(),
    unsettled=(),
    account=EMPTY_ACCOUNT,
    risk=EMPTY_RISK,
    strategies=(),
    desk=EMPTY_DESK,
    cycle=0,
    missed=0,
    exits=0,
    decisions=0,
    trades=0,
    closed=False,
)

"""Facts that open, feed and close a session.

Lives here: identity of a session, what it carries over, artefacts by content, instruments,
settings, operator commands, its resumption and its end. May import: events.base. Always holds: no
path, host, process id, secret or wall time stands in any of these structs; they would make two
equal runs differ.
"""

from __future__ import annotations

from events.base import Event, Record


class Setting(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """One effective setting: dotted key, and an integer, a truth value or a word.

    Units stand in the key. Fractions are integers in a named unit (bps, milli), so that settings
    never bring a float into the journal.
    """

    key: str
    value: int | bool | str


class CycleRule(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """When a decision cycle is due. ``kind`` is ``GRID`` or ``AFTER_SNAPSHOT``.

    ``GRID``: every ``cadence_ms`` from the open, the close excluded. ``AFTER_SNAPSHOT``: at each
    snapshot's last frame, and every ``cadence_ms`` once ``max_gap_ms`` passed without a snapshot.
    """

    kind: str
    cadence_ms: int
    max_gap_ms: int


class MarketIdentity(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Which market this session saw, independent of the machine it was read on.

    ``lacks`` names what the market does not have (``index``, ``future``, ``vix``,
    ``depth_beyond_1``, ``history``): the core reads those as UNKNOWN, never as 0.
    ``bar_ms`` is the bar on which indicators run.
    """

    kind: str
    seed: int | None
    profile: str | None
    content_digest: str | None
    lacks: tuple[str, ...]
    bar_ms: int


class SessionOpened(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The first fact of a session. The session uid is the head of this payload's SHA-256.

    ``day`` is yyyymmdd IST; ``anchor_ns`` is the market time at which the session clock starts;
    ``rate`` is market seconds per real second, 0 for as fast as possible.
    """

    mode: str
    day: int
    anchor_ns: int
    rate: int
    account: str
    market: MarketIdentity
    cycle_rule: CycleRule
    code_digest: str
    schema_digest: str
    rulebook_digest: str
    settings: tuple[Setting, ...]
    settings_digest: str


class CarriedCooldown(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """No entry in ``underlying`` (``*``: in any) before ``until_ns`` (ns UTC, session clock)."""

    underlying: str
    until_ns: int


class CarriedPosition(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """A long that an earlier session left open, by its contract's name, with its plan.

    ``product`` is what it is held in at the broker, empty where that is not known: the configured
    one. ``value_paise`` is the cost of what is held; result and charges are those of the position
    so far, and already inside the account's. ``tp1_paise`` is the first target (0: none),
    ``keep_units`` what stays beyond it, ``tp1_hit`` that it was met and the stop is the break-even.
    ``underlying``, ``kind`` (CE or PE), ``expiry`` (yyyymmdd) and ``strike_paise`` are the
    contract's terms, by which it is settled once it has expired; None in what was upcast from
    version 3, which did not keep them.
    """

    position_id: str
    strategy_id: str
    exchange: str
    tradingsymbol: str
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
    product: str
    tp1_paise: int
    keep_units: int
    tp1_hit: bool
    underlying: str | None
    kind: str | None
    expiry: int | None
    strike_paise: int | None


class CarriedOrder(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """An order of an earlier session whose end is not known; ``limit_paise`` None is: any price."""

    order_id: str
    authority: str
    role: str
    exchange: str
    tradingsymbol: str
    side: str
    quantity_units: int
    filled_units: int
    limit_paise: int | None


class CarriedDay(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """How a trading day of an underlying ended: last minute's close and last volatility at the
    money of the near expiry, bps a year; None where the session did not know it."""

    underlying: str
    day: int
    close_paise: int | None
    atm_iv_bps: int | None


class CarriedResult(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The day's closed result of an underlying in paise, net of charges."""

    underlying: str
    paise: int


class CarriedFire(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """An entry that a strategy got approved in an underlying, at ``at_ns`` (ns UTC)."""

    strategy_id: str
    underlying: str
    at_ns: int


class CarriedRisk(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Where the risk limits stood: the risk state, and what it counts beside the account.

    ``day`` is the day that state and halts were last in force on: halts that end with a day end
    where the next session has another. ``high_paise`` (the day's highest result), ``results`` and
    ``fires`` belong to the same day as the counts of ``CarriedOver``; ``closed_paise`` are the net
    results of the last closed positions of any day, the oldest first.
    """

    status: str
    day: int
    high_paise: int
    results: tuple[CarriedResult, ...]
    fires: tuple[CarriedFire, ...]
    closed_paise: tuple[int, ...]


class CarriedStrategy(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Where a strategy stands in its lifecycle, by whose word since when (ns UTC), with the code,
    parameters and algo id that it was promoted with and the evidence in words."""

    strategy_id: str
    standing: str
    code: str
    parameters: str
    algo_id: str
    evidence: str
    who: str
    since_ns: int


class CarriedOver(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """What the account brings from its previous session; limits count per day and account.

    ``previous_session`` is its uid, None for a fresh virtual account. ``day`` is the day the
    day-counters belong to: on another day they start at zero. Money in paise, result and charges
    apart. ``exits`` is how many exits were signalled that day, so that ids of exits go on.
    ``days`` are at most a year of each underlying's days, by underlying, the oldest first.
    ``strategies`` are those that a person ever moved in their lifecycle.
    """

    previous_session: str | None
    previous_head_hash: str | None
    day: int
    realised_paise: int
    charges_paise: int
    trades_today: int
    loss_streak: int
    exits: int
    halts: tuple[str, ...]
    capital_paise: int
    cooldowns: tuple[CarriedCooldown, ...]
    positions: tuple[CarriedPosition, ...]
    unknown_orders: tuple[CarriedOrder, ...]
    days: tuple[CarriedDay, ...]
    risk: CarriedRisk
    strategies: tuple[CarriedStrategy, ...]


class SessionResumed(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The engine reopened a session that was not closed, and goes on with it.

    ``after_seq`` is the last entry before this one and ``state_hash`` the SHA-256 (hex) of the
    state's canonical bytes there: a replay must come to the same. ``cut_bytes`` were never
    acknowledged. Until the next ``FeedStatus`` no connection counts as up.
    """

    after_seq: int
    state_hash: str
    cut_bytes: int


class RuleRow(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """One dated row of the rulebook.

    ``name`` is what is ruled (``session.fno.close``), ``scope`` whom (``NSE``, ``NIFTY``, ``*``),
    ``valid_from`` and ``valid_to`` are yyyymmdd inclusive, ``unsure`` marks a row without a
    first-hand source: whatever uses it says so in its evidence.
    """

    name: str
    scope: str
    valid_from: int
    valid_to: int
    value: int | str
    unit: str
    source: str
    unsure: bool


class ArtifactLoaded(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """An artefact by content: the rulebook's rows in force (``kind`` is ``RULEBOOK``)."""

    kind: str
    name: str
    digest: str
    rows: tuple[RuleRow, ...]


class Instrument(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """One instrument of the session; its place in ``InstrumentsLoaded.rows`` is its index.

    ``kind`` is INDEX, VIX, FUT, CE or PE. ``expiry`` is yyyymmdd, 0 for none. ``provenance`` is
    ``exchange`` or ``estimated``: an estimated index has no witness of its own.
    """

    token: int
    exchange: str
    tradingsymbol: str
    underlying: str
    kind: str
    expiry: int
    strike_paise: int
    lot_units: int
    tick_paise: int
    provenance: str


class InstrumentsLoaded(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The instruments used, in the order that every later index refers to."""

    dump_digest: str
    rows: tuple[Instrument, ...]


class ConfigChanged(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Settings that replace those in force from here on; only the changed keys are listed."""

    settings: tuple[Setting, ...]
    who: str
    why: str


class OperatorCommand(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """What a person asked for; ``why`` is kept as given.

    ``verb`` is a word of ``engine.commands``; ``subject`` what it is about (an intent, an order, an
    incident), ``value`` its argument. ``command_id`` is the asker's own, so that the same request
    twice is one command; ``channel`` is SOCKET, FILE, SIGNAL or NONE.
    """

    verb: str
    who: str
    why: str
    subject: str | None
    value: str | None
    command_id: str
    channel: str


class SessionAmended(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """A rule of this day that changed while it ran: a market that was halted, or goes on longer.

    ``name`` and ``scope`` are those of a rulebook row (``session.fno.close`` of ``NSE``), ``value``
    what holds from here on.
    """

    name: str
    scope: str
    value: int | str
    who: str
    source: str


class TailCut(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """What reopening could not keep: bytes that were never acknowledged, or a group's missing end.

    ``reason`` is ``TORN`` (the writer died within a write) or ``OTHER_CODE`` (the last group is
    incomplete, and what it lacks can only be derived by the code that began it).
    """

    after_seq: int
    cut_bytes: int
    reason: str


class SessionClosed(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The last fact of a session. ``reason`` is ``END_OF_DAY``, ``OPERATOR`` or ``CRASHED``.

    After ``CRASHED`` nothing is derived: what the session did is what it had recorded by then.
    """

    reason: str

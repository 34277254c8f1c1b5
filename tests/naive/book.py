"""A journal folded: dicts of quotes, orders, positions, counts; one branch an event.

Lives here: what is known before a decision. May import: events, ``engine.config`` (the parsing of
settings). Always holds: nothing is shared with the engine's reducers; an event that this book does
not follow is refused by its name. Start reading at ``Book.take``.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from engine.config import DEFAULTS, Config, from_settings
from events import decision, feed, market, orders, risk, session
from events.base import Event
from events.features import FeaturesDerived
from events.wire.kite import FrameError, FullTick, IndexTick, QuoteTick, SkippedPacket, decode_frame
from tests.naive.rules import Rules

MS = 1_000_000
MINUTE = 60 * 1_000 * MS
DAY_HALTS = ("RISK_DAILY_LOSS", "RISK_DRAWDOWN", "RISK_LOSS_STREAK", "RISK_PROFIT_LOCK")
RISK_HALTS = (*DAY_HALTS, "RISK_CVAR", "RISK_REPEAT_FIRE")
OF_SESSION = ("GOV_STOPPING", "GOV_EXITS_ONLY")

IGNORED = (
    "FrameRejected InstrumentsGated SessionClosed SessionSummarised RiskStateChanged"
    " CommandAnswered CandidateProposed GatesEvaluated ContractsScreened DecisionMade SnapshotTaken"
    " ReadinessChanged TailCut SubscriptionChanged IncidentRaised IncidentResolved"
    " SettingsDeferred SessionEndDue"
).split()
"""Events that change nothing here: they report, or are what is compared."""

FOLLOWED_VERBS = ("HALT", "RESUME", "EXIT")


class NotFollowedError(Exception):
    """The session has something that the naive book does not know."""


@dataclass
class Quote:
    """The last of an instrument; 0 is no price."""

    ltp: int = 0
    volume: int = 0
    oi: int = 0
    bid: int = 0
    bid_units: int = 0
    ask: int = 0
    ask_units: int = 0
    seen: int = 0
    depth: bool = False

    @property
    def two_sided(self) -> bool:
        return self.bid > 0 and self.ask >= self.bid

    @property
    def spread_bps(self) -> int:
        """Of the mid, rounded up."""
        mid2 = self.bid + self.ask
        return ((self.ask - self.bid) * 20_000 + mid2 - 1) // mid2


@dataclass
class Expiry:
    """An expiry of an underlying: strikes ascending, contracts by strike and right."""

    day: int
    end_ns: int
    strikes: list[int]
    legs: dict[tuple[int, str], int]


@dataclass
class Underlying:
    """An index with everything known of it."""

    name: str
    exchange: str
    index: int
    future: int
    future_end_ns: int
    estimated: bool
    expiries: list[Expiry]
    regime: Any = None
    regime_ts: int = 0
    day_type: str = "UNKNOWN"
    features: FeaturesDerived | None = None
    bars_since_gap: int = 0
    bars_done: int = 0
    cooldown_ns: int = 0
    result: int = 0
    chain: list[Any] = field(default_factory=list)
    declared_ts: int = 0
    interest: list[tuple[int, int, dict[int, int]]] = field(default_factory=list)


class Book:
    """Everything that a decision may look at."""

    def __init__(self) -> None:
        self.config: Config = DEFAULTS
        self.now = self.cycle = self.missed = 0
        self.opened: Any = None
        self.carried: Any = None
        self.rules = Rules((), 0)
        self.rules_known = False
        self.rows: list[Any] = []
        self.place: dict[int, int] = {}
        self.quotes: dict[int, Quote] = {}
        self.underlyings: list[Underlying] = []
        self.vix = -1
        self.bars: dict[int, Any] = {}
        self.frames = self.last_frame = self.newest_stamp = 0
        self.page_stamp = self.page_repeats = 0
        self.refused: list[int] = []
        self.connections: dict[int, tuple[bool, bool]] = {}
        self.capital = self.realised = self.charges = self.trades = self.streak = 0
        self.halts: list[str] = []
        self.told: list[str] = []
        self.status = "NORMAL"
        self.high = 0
        self.closed: list[int] = []
        self.positions: dict[str, SimpleNamespace] = {}
        self.shorts: dict[str, SimpleNamespace] = {}
        self.orders: dict[str, SimpleNamespace] = {}
        self.asked: dict[str, int] = {}
        self.unsettled: list[Any] = []
        self.fires: list[tuple[str, str, int]] = []
        self.seq = 0
        self.judgements: dict[tuple[int, int], list[tuple[str, str]]] = {}
        self.waiting: dict[int, tuple[Any, int]] = {}
        self.framed: dict[int, int] = {}
        self.doubted: dict[int, bool] = {}
        self.timeless: list[int] = []
        self.reordered: list[int] = []
        self.ahead: tuple[int, int] = (0, 0)
        self.lives: dict[str, str] = {}

    def take(self, seq: int, ts: int, event: Event, *, fact: bool) -> None:
        """Fold one event."""
        if fact:
            self.now, self.seq = ts, seq
        kind = type(event).__name__
        if kind in IGNORED:
            return
        method = getattr(self, f"on_{kind}", None)
        if method is None:
            raise NotFollowedError(f"the naive book does not follow {kind}")
        method(event)

    def underlying(self, name: str) -> Underlying:
        return next(one for one in self.underlyings if one.name == name)

    def at(self, contract: int) -> Quote | None:
        return self.quotes.get(contract)

    def is_fresh(self, quote: Quote) -> bool:
        """Whether a contract's quote is young enough by the time it was received."""
        return self.now - quote.seen <= self.contract_age_ms() * MS

    def pages(self) -> bool:
        return bool(self.opened.cycle_rule.kind == "AFTER_SNAPSHOT")

    def contract_age_ms(self) -> int:
        return 330_000 if self.pages() else self.config.quote.contract_age_ms_max

    # --- the session -----------------------------------------------------------------------------

    def on_SessionOpened(self, event: session.SessionOpened) -> None:
        if event.mode == "LIVE" or event.rate > 0:
            raise NotFollowedError(f"the naive book follows no session in real time ({event.mode})")
        self.opened, self.config = event, from_settings(event.settings)
        self._no_approvals()

    def _no_approvals(self) -> None:
        if self.config.approval.required:
            raise NotFollowedError("the naive book follows no approvals")

    def on_CarriedOver(self, event: session.CarriedOver) -> None:
        self.carried, same = event, event.day == self.opened.day
        self.capital, self.halts = event.capital_paise, list(event.halts)
        self.told = [code for code in event.halts if code not in OF_SESSION]
        self.status, self.closed = event.risk.status, list(event.risk.closed_paise)
        self.lives = {one.strategy_id: one.standing for one in event.strategies}
        if same:
            self.realised, self.charges = event.realised_paise, event.charges_paise
            self.trades, self.streak = event.trades_today, event.loss_streak
            self.high = event.risk.high_paise
            self.fires = [(o.strategy_id, o.underlying, o.at_ns) for o in event.risk.fires]

    def on_SessionResumed(self, event: session.SessionResumed) -> None:
        self.connections = dict.fromkeys(self.connections, (False, False))

    def on_ArtifactLoaded(self, event: session.ArtifactLoaded) -> None:
        if event.kind != "RULEBOOK":
            raise NotFollowedError(f"the naive book follows no artefact {event.kind}")
        self.rules, self.rules_known = Rules(event.rows, self.opened.day), True

    def on_InstrumentsLoaded(self, event: session.InstrumentsLoaded) -> None:
        self.rows = list(event.rows)
        self.place = {row.token: i for i, row in enumerate(self.rows)}
        self.vix = next((i for i, row in enumerate(self.rows) if row.kind == "VIX"), -1)
        for i, row in enumerate(self.rows):
            if row.kind == "INDEX":
                self.underlyings.append(self._underlying(i, row))
        for one in self.carried.positions if self.carried is not None else ():
            self._carry(one)

    def _underlying(self, index: int, row: Any) -> Underlying:
        options, futures = [], []
        for i, one in enumerate(self.rows):
            if one.underlying != row.underlying:
                continue
            if one.kind == "FUT":
                futures.append((one.expiry, i))
            if one.kind in ("CE", "PE") and one.strike_paise > 0 and one.provenance != "carried":
                options.append((i, one))
        expiries = []
        for day in sorted({one.expiry for _, one in options}):
            mine = [(i, one) for i, one in options if one.expiry == day]
            legs = {(one.strike_paise, one.kind): i for i, one in mine}
            strikes = sorted({strike for strike, _ in legs})
            expiries.append(Expiry(day, self.rules.ends(day, mine[0][1].exchange), strikes, legs))
        future = min(futures)[1] if futures else -1
        end = 0
        if future >= 0:
            end = self.rules.ends(self.rows[future].expiry, self.rows[future].exchange)
        exchange = options[0][1].exchange if options else row.exchange
        estimated = row.provenance == "estimated"
        made = Underlying(row.underlying, exchange, index, future, end, estimated, expiries)
        if self.carried is not None:
            for cooldown in self.carried.cooldowns:
                if cooldown.underlying in ("*", made.name):
                    made.cooldown_ns = max(made.cooldown_ns, cooldown.until_ns)
            if self.carried.day == self.opened.day:
                for one in self.carried.risk.results:
                    made.result += one.paise if one.underlying == made.name else 0
        return made

    def _carry(self, one: session.CarriedPosition) -> None:
        found = [
            i
            for i, row in enumerate(self.rows)
            if (row.exchange, row.tradingsymbol) == (one.exchange, one.tradingsymbol)
            and row.expiry >= self.opened.day
        ]
        if not found:
            self.unsettled.append(one)
            return
        held = SimpleNamespace(
            contract=found[0], underlying=self.rows[found[0]].underlying,
            units=one.quantity_units, value=one.value_paise, risk=one.risk_paise,
            realised=one.realised_paise, charges=one.charges_paise,
        )  # fmt: skip
        (self.shorts if one.position_id.endswith("S") else self.positions)[one.position_id] = held

    def on_ConfigChanged(self, event: session.ConfigChanged) -> None:
        self.config = from_settings(event.settings, self.config)
        self._no_approvals()

    def on_OperatorCommand(self, event: session.OperatorCommand) -> None:
        if event.verb not in FOLLOWED_VERBS:
            raise NotFollowedError(f"the naive book does not follow the command {event.verb}")
        if event.verb == "HALT" and "GOV_HALTED" not in self.halts:
            self.halts.append("GOV_HALTED")
        long = (event.subject or "").removesuffix("S")
        if event.verb == "EXIT" and long in self.positions:
            self.asked[long] = self.seq

    def owed(self) -> list[str]:
        """Longs that a person asked for, which are held, and no order takes them or their leg."""
        takes = [one.authority for one in self.orders.values() if one.role in ("EXIT", "COVER")]
        return [
            one
            for one in self.asked
            if one in self.positions and not any(two.startswith(one) for two in takes)
        ]

    # --- the feed --------------------------------------------------------------------------------

    def on_FeedStatus(self, event: feed.FeedStatus) -> None:
        up = event.status == "CONNECTED"
        self.connections[event.connection] = (up, up and event.subscription_verified)

    def on_FeedFrame(self, event: feed.FeedFrame) -> None:
        self.frames, self.last_frame = self.frames + 1, self.now
        try:
            ticks: tuple[Any, ...] | None = decode_frame(event.data)
        except FrameError:
            ticks = None
        if ticks is None or event.length_bytes != len(event.data):
            self.refused.append(self.now)
            return
        self.framed[self.seq] = self.now
        for tick in ticks:
            if not isinstance(tick, SkippedPacket) and tick.token in self.place:
                self._tick(self.place[tick.token], tick)
        if event.snapshot_end:
            newer = self.newest_stamp > self.page_stamp
            self.page_repeats = 0 if newer else self.page_repeats + 1
            self.page_stamp = self.newest_stamp

    def foresee(self, event: market.TicksJudged) -> None:
        """What was judged in the frames that come now; it is journaled at the tick after them."""
        if event.ticks > len(event.seqs):
            raise NotFollowedError("the journal does not say what became of each tick judged")
        for i, seq, reason, outcome in zip(
            event.instruments, event.seqs, event.reasons, event.outcomes, strict=True
        ):
            self.judgements.setdefault((seq, i), []).append((reason, outcome))

    def _tick(self, i: int, tick: Any) -> None:
        found = self.judgements.get((self.seq, i), [])
        outcomes = [outcome for _, outcome in found]
        if "UNTIMED" in outcomes:
            if ("FEED_FUTURE_STAMP", "UNTIMED") in found:
                self.ahead = (tick.exchange_time_s or 0, self.now)
        elif isinstance(tick, FullTick | IndexTick):
            self.newest_stamp = max(self.newest_stamp, tick.exchange_time_s or 0)
        same = i in self.waiting and self.waiting[i][0] == tick
        if "HELD" in outcomes:
            self.waiting[i] = (tick, self.now)
        elif not same and "DROPPED" not in outcomes:
            self.waiting.pop(i, None)
        if "HELD" not in outcomes and "DROPPED" not in outcomes and not same:
            self._set(i, tick, None if "UNTIMED" in outcomes else self.now)

    def _set(self, i: int, tick: Any, seen: int | None) -> None:
        """The quote after a tick; ``seen`` None: its time is not believed."""
        quote = self.quotes.setdefault(i, Quote(seen=seen or 0))
        quote.ltp = tick.last_price
        if seen is not None and (isinstance(tick, FullTick) or not quote.depth):
            quote.seen = seen
        if isinstance(tick, FullTick):
            quote.volume, quote.oi, quote.depth = tick.volume, tick.oi, True
            quote.bid, quote.bid_units = tick.bids[0].price, tick.bids[0].quantity
            quote.ask, quote.ask_units = tick.asks[0].price, tick.asks[0].quantity
        if isinstance(tick, QuoteTick):
            quote.volume = tick.volume

    def _let_stand(self) -> None:
        """Jumps of contracts that nothing contradicted stand, as the journal will say."""
        for i, (tick, since) in list(self.waiting.items()):
            told = [
                one for (_, other), rows in self.judgements.items() if other == i for one in rows
            ]
            if ("TICK_IMPLAUSIBLE", "STOOD") in told:
                self._set(i, tick, since)
                del self.waiting[i]

    def on_TicksJudged(self, event: market.TicksJudged) -> None:
        """What waits, and when ticks came without a time or out of order."""
        for i, seq, reason, outcome in zip(
            event.instruments, event.seqs, event.reasons, event.outcomes, strict=True
        ):
            barred = self.rows[i].kind in ("INDEX", "VIX", "FUT")
            if reason == "TICK_IMPLAUSIBLE":
                self.doubted[i] = outcome == "HELD"
            if reason == "TICK_NO_TIME" and barred:
                self.timeless.append(self.framed[seq])
            if reason == "TICK_REORDERED" and outcome == "DROPPED" and barred:
                self.reordered.append(self.framed[seq])
        self.judgements = {}

    def on_FeedHealthChanged(self, event: market.FeedHealthChanged) -> None:
        opened = self.rules.clock("session.cash.open", "NSE") if self.rules.trades() else None
        late = opened is not None and self.now > opened + 5_000 * MS
        gap = event.reason in ("FEED_GAP", "FEED_RESUMED")
        if gap or (event.reason == "FEED_STARTED" and late):
            for one in self.underlyings:
                one.bars_since_gap = 0

    def on_BarClosed(self, event: market.BarClosed) -> None:
        if event.bar_ms != self.opened.market.bar_ms:
            return
        self.bars[event.instrument] = event
        for one in self.underlyings:
            if one.index == event.instrument:
                one.bars_since_gap += 1
                one.bars_done = event.bars_done
                one.declared_ts = event.start_ts

    def on_TimerTick(self, event: feed.TimerTick) -> None:
        from tests.naive.chain import look_at

        self.cycle, self.missed = self.cycle + 1, event.missed
        self._let_stand()
        for one in self.underlyings:
            before = {seen.expiry.day: seen.forward for seen in one.chain}
            near = [
                e
                for e in one.expiries
                if e.day > self.opened.day
                or (e.day == self.opened.day and self.config.contract.expiry_day_allowed)
            ]
            one.chain = [look_at(self, one, e, before.get(e.day)) for e in near[:2]]
        if self.positions:
            self.raise_high()

    # --- assessments -----------------------------------------------------------------------------

    def on_FeaturesDerived(self, event: FeaturesDerived) -> None:
        one = self.underlying(event.underlying)
        one.features = event
        expiry = one.chain[0].expiry if one.chain else None
        units = {}
        for contract in expiry.legs.values() if expiry is not None else ():
            quote = self.at(contract)
            units[contract] = quote.oi if quote is not None else -1
        five = 5 * MINUTE
        if not one.interest or one.declared_ts // five > one.interest[-1][0] // five:
            day = expiry.day if expiry is not None else 0
            one.interest = [*one.interest, (one.declared_ts, day, units)][-5:]

    def on_RegimeAssessed(self, event: decision.RegimeAssessed) -> None:
        one = self.underlying(event.underlying)
        one.regime, one.regime_ts = event, self.now

    def on_DayTypeAssessed(self, event: decision.DayTypeAssessed) -> None:
        self.underlying(event.underlying).day_type = event.day_type

    def on_RiskTransitioned(self, event: risk.RiskTransitioned) -> None:
        over = [code for code in self.told if code not in event.halts]
        self.halts = [code for code in self.halts if code not in over]
        self.halts += [code for code in event.halts if code not in self.halts]
        self.told, self.status = list(event.halts), event.after
        if "RISK_CVAR" in over:
            self.closed = []
        if "RISK_REPEAT_FIRE" in over:
            self.fires = []

    # --- orders and positions --------------------------------------------------------------------

    def on_IntentApproved(self, event: orders.IntentApproved) -> None:
        fired = (event.strategy_id, event.underlying, self.now)
        if fired not in self.fires:
            self.fires = [*self.fires, fired][-64:]
        self.orders[f"P{event.intent_id}"] = SimpleNamespace(
            authority=event.intent_id, role="ENTRY", side="BUY", contract=event.contract,
            underlying=event.underlying, strategy=event.strategy_id, units=event.quantity_units,
            filled=0, limit=event.limit_paise, risk=event.risk_paise,
        )  # fmt: skip

    def on_SpreadApproved(self, event: orders.SpreadApproved) -> None:
        self.orders[f"P{event.leg_id}"] = SimpleNamespace(
            authority=event.leg_id, role="SHORT", side="SELL", contract=event.contract,
            underlying=event.underlying, strategy=event.strategy_id, units=event.quantity_units,
            filled=0, limit=event.limit_paise, risk=0,
        )  # fmt: skip

    def on_ExitSignalled(self, event: orders.ExitSignalled) -> None:
        short = event.position_id.endswith("S")
        held = (self.shorts if short else self.positions)[event.position_id]
        if event.reason == "EXIT_ASKED" and event.position_id.removesuffix("S") not in self.asked:
            raise AssertionError(f"nobody asked for {event.position_id}")
        self.orders[f"P{event.exit_id}"] = SimpleNamespace(
            authority=event.exit_id, role="COVER" if short else "EXIT",
            side="BUY" if short else "SELL", contract=event.contract, underlying=held.underlying,
            strategy="", units=event.quantity_units, filled=0, limit=0, risk=0,
        )  # fmt: skip

    def on_OrderChanged(self, event: orders.OrderChanged) -> None:
        order = self.orders.get(event.order_id)
        if order is None:
            return
        if event.status in ("FILLED", "CANCELLED", "REJECTED"):
            del self.orders[event.order_id]
        elif event.reason == "ORDER_RELEASED":
            order.units = event.quantity_units

    def on_FillApplied(self, event: orders.FillApplied) -> None:
        order = self.orders[event.order_id]
        order.filled += event.quantity_units
        self.charges += event.charges_paise
        value = event.price_paise * event.quantity_units
        if order.role in ("ENTRY", "SHORT"):
            self._opened(order, event, value if order.role == "ENTRY" else -value)
            return
        book = self.shorts if order.role == "COVER" else self.positions
        held = next(one for name, one in book.items() if order.authority.startswith(name))
        before, units = abs(held.units), event.quantity_units
        if order.role == "COVER":
            cost = held.value * units // held.units
            gain, held.value, held.units = cost - value, held.value + cost, held.units + units
        else:
            cost = held.value * units // held.units
            gain, held.value, held.units = value - cost, held.value - cost, held.units - units
        held.risk = -(-held.risk * abs(held.units) // before)
        held.realised += gain
        held.charges += event.charges_paise
        self.realised += gain

    def _opened(self, order: SimpleNamespace, event: orders.FillApplied, value: int) -> None:
        long = order.role == "ENTRY"
        book = self.positions if long else self.shorts
        units = event.quantity_units if long else -event.quantity_units
        if order.authority not in book:
            if long and not any(one[:15] == order.authority[:15] for one in self.positions):
                self.trades += 1
            book[order.authority] = SimpleNamespace(
                contract=order.contract, underlying=order.underlying, units=0, value=0, risk=0,
                realised=0, charges=0,
            )  # fmt: skip
        held = book[order.authority]
        held.units += units
        held.value += value
        held.charges += event.charges_paise
        held.risk = -(-order.risk * order.filled // order.units) if long else 0

    def on_PositionChanged(self, event: orders.PositionChanged) -> None:
        held = self.positions.get(event.position_id)
        if held is None:
            return
        if event.status != "CLOSED":
            if event.exit_reason == "EXIT_BREAK_EVEN":
                held.risk = max(held.value - event.stop_paise * held.units, 0)
            return
        net, leg = held.realised - held.charges, self.shorts.get(f"{event.position_id}S")
        if leg is not None:
            net += leg.realised - leg.charges
            del self.shorts[f"{event.position_id}S"]
        del self.positions[event.position_id]
        self.streak = self.streak + 1 if net < 0 else 0
        one = self.underlying(held.underlying)
        one.result += net
        one.cooldown_ns = self.now + self.config.risk.cooldown_s * 1_000 * MS
        self.closed = [*self.closed, net][-250:]
        self.raise_high()

    def on_PositionSettled(self, event: orders.PositionSettled) -> None:
        self.realised += event.realised_paise
        self.charges += event.tax_paise
        self.unsettled = [o for o in self.unsettled if o.position_id != event.position_id]
        for book in (self.positions, self.shorts):
            held = book.get(event.position_id)
            if held is not None:
                held.units = held.value = held.risk = 0
                held.realised += event.realised_paise
                held.charges += event.tax_paise

    # --- figures ---------------------------------------------------------------------------------

    def day_result(self) -> int | None:
        """The day if everything were closed now; None where a mark is missing."""
        total = self.realised - self.charges
        if not self.positions:
            return total
        for held in [*self.positions.values(), *self.shorts.values()]:
            if held.units == 0:
                continue
            quote, exchange = self.at(held.contract), self.rows[held.contract].exchange
            if quote is None or not self.is_fresh(quote) or self.rules.lacks_charges(exchange):
                return None
            side, price = "SELL", 0 if 0 < quote.ask < quote.bid else quote.bid
            if held.units < 0:
                side, price = "BUY", quote.ask
                if price <= 0:
                    return None
            cost, _ = self.rules.charges(exchange, side, price * abs(held.units))
            total += price * held.units - held.value - cost
        return total

    def raise_high(self) -> None:
        result = self.day_result()
        if result is not None and result > self.high:
            self.high = result

    def open_risk(self) -> int:
        """At the stops, working entries included."""
        total = sum(held.risk for held in self.positions.values())
        for order in self.orders.values():
            if order.role == "ENTRY":
                total += order.risk * (order.units - order.filled) // order.units
        return total

    def kept_margin(self, contract: int, units: int) -> int:
        bps = self.config.defined_risk.margin_bps
        return -(-self.rows[contract].strike_paise * units * bps // 10_000)

    def free_funds(self) -> int:
        """Capital and result, less what is bound in positions, entries and sold legs."""
        free = self.capital + self.realised - self.charges
        for held in [*self.positions.values(), *self.shorts.values()]:
            free -= held.value
            if held.units < 0:
                free -= self.kept_margin(held.contract, -held.units)
        for order in self.orders.values():
            left = order.units - order.filled
            if order.role == "ENTRY":
                free -= order.limit * left
            if order.role == "SHORT":
                free -= self.kept_margin(order.contract, left)
        for one in self.unsettled:
            free -= one.value_paise
            if one.quantity_units < 0:
                bps = self.config.defined_risk.margin_bps
                free -= -(-(one.strike_paise or 0) * -one.quantity_units * bps // 10_000)
        return free


def closest(strikes: list[int], price: float) -> int:
    """Place of the strike nearest to a price, the lower of two equally near."""
    place = min(bisect.bisect_left(strikes, price), len(strikes) - 1)
    if place > 0 and price - strikes[place - 1] <= strikes[place] - price:
        return place - 1
    return place

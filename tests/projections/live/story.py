"""A small invented session, told event by event with the real structs.

Two underlyings on 20 November 2026: quotes arrive, one underlying is blocked for a wide spread, the
other trades, is stopped out, and the feed has a gap. Tests add to it what they need.
"""

from __future__ import annotations

from events import decision, feed, market, orders, session
from events.base import Event
from events.envelope import Envelope, decode_envelope, encode_envelope
from events.gates import GATES, GateSpec
from events.reasons import STAGES
from events.registry import BY_STRUCT
from events.wire import kite

DAY = 20261120
SECOND = 1_000_000_000
OPEN_NS = 1_795_146_300 * SECOND
"""09:15 IST of the day."""
RULES = (
    ("calendar.covered", "YES"),
    ("session.fno.open", "09:15"),
    ("session.fno.close", "15:40"),
    ("session.cash.auction_from", "15:15"),
    ("session.cash.auction_to", "15:35"),
)
SETTINGS = (
    session.Setting("session.last_entry_hhmm", 1500),
    session.Setting("session.square_off_hhmm", 1505),
    session.Setting("feed.link_age_ms_max", 3_000),
    session.Setting("quote.spot_age_ms_max", 3_000),
    session.Setting("quote.contract_age_ms_max", 60_000),
)


def _token(number: int, segment: kite.Segment) -> int:
    return number << 8 | segment


NIFTY_TOKEN = _token(1, kite.Segment.INDICES)
BANKNIFTY_TOKEN = _token(2, kite.Segment.INDICES)
VIX_TOKEN = _token(3, kite.Segment.INDICES)
CALL_TOKEN = _token(10, kite.Segment.NFO)
PUT_TOKEN = _token(11, kite.Segment.NFO)
INSTRUMENTS = (
    session.Instrument(
        NIFTY_TOKEN, "NSE", "NIFTY 50", "NIFTY", "INDEX", 0, 0, 0, 5, "exchange"
    ),
    session.Instrument(
        BANKNIFTY_TOKEN, "NSE", "NIFTY BANK", "BANKNIFTY", "INDEX", 0, 0, 0, 5, "exchange"
    ),
    session.Instrument(VIX_TOKEN, "NSE", "INDIA VIX", "", "VIX", 0, 0, 0, 5, "exchange"),
    session.Instrument(
        CALL_TOKEN, "NFO", "NIFTY26NOV24500CE", "NIFTY", "CE", 20261123, 2_450_000, 65, 5,
        "exchange",
    ),
    session.Instrument(
        PUT_TOKEN, "NFO", "BANKNIFTY26NOV52000PE", "BANKNIFTY", "PE", 20261123, 5_200_000, 30, 5,
        "exchange",
    ),
)  # fmt: skip
CALL = 3


NUMBERS = {
    "flag": (1, 1, 0),
    "ms": (400, 3_000, 2_600),
    "s": (3_600, 1, 3_599),
    "paise": (50_000, 500_000, 450_000),
}
"""Observed, limit and margin of a gate that passes, by unit."""


def _gate_row(spec: GateSpec, verdict: str, reason: str | None) -> decision.GateRow:
    if verdict == "PASS":
        observed, limit, margin = NUMBERS.get(spec.unit, (10, 60, 50))
        return decision.GateRow(spec.gate, verdict, None, observed, limit, margin, 400, ())
    return decision.GateRow(spec.gate, verdict, reason, 86, 60, -26, 400, ("RELAXED_BY_POLICY",))


def stage_verdict(stage: str, verdict: str, reason: str | None = None, gate: str | None = None,
                  depends_on: str | None = None) -> decision.StageVerdict:  # fmt: skip
    """A stage whose gates all pass but the named one."""
    rows = tuple(
        _gate_row(spec, verdict if spec.gate == gate else "PASS", reason)
        for spec in GATES
        if spec.stage == stage and depends_on is None
    )
    return decision.StageVerdict(stage, verdict, reason, gate, depends_on, rows, ())


class Story:
    """Tells events one by one; ``envelopes`` is what a journal would hold."""

    def __init__(self, mode: str = "BACKTEST", rate: int = 0) -> None:
        self.envelopes: list[Envelope] = []
        self.now = OPEN_NS - 900 * SECOND
        self.cycle = 0
        self.fact(
            session.SessionOpened(
                mode=mode,
                day=DAY,
                anchor_ns=self.now,
                rate=rate,
                account="virtual",
                market=session.MarketIdentity("synthetic", 7, "default", None, (), 60_000),
                cycle_rule=session.CycleRule("GRID", 1_000, 0),
                code_digest="c" * 64,
                schema_digest="s" * 64,
                rulebook_digest="r" * 64,
                settings=SETTINGS,
                settings_digest="e" * 64,
            )
        )
        risk = session.CarriedRisk("NORMAL", DAY, 0, (), (), ())
        self.fact(
            session.CarriedOver(
                None, None, DAY, 0, 0, 0, 0, 0, (), 10_000_000, (), (), (), (), risk, ()
            )
        )

    def tell(self, event: Event, cause: int | None = None) -> int:
        """Add an event at the present time; returns its seq."""
        seq = len(self.envelopes) + 1
        spec = BY_STRUCT[type(event)]
        data = encode_envelope(seq, spec.kind, spec.version, self.now, cause or seq, event)
        self.envelopes.append(decode_envelope(data))
        return seq

    def fact(self, event: Event) -> int:
        """Add a fact."""
        return self.tell(event)

    def derive(self, event: Event, cause: int) -> int:
        """Add a derivation."""
        return self.tell(event, cause)

    def at(self, seconds: float) -> Story:
        """Move the clock to so many seconds after the open."""
        self.now = OPEN_NS + int(seconds * SECOND)
        return self

    def setting_up(self) -> Story:
        """Rulebook, instruments, a verified connection."""
        rows = tuple(
            session.RuleRow(name, "*", 20260101, 20261231, value, "text", "a test", False)
            for name, value in RULES
        )
        self.fact(session.ArtifactLoaded("RULEBOOK", "rulebook", "d" * 64, rows))
        self.fact(session.InstrumentsLoaded("i" * 64, INSTRUMENTS))
        seq = self.fact(feed.FeedStatus(0, "CONNECTED", True, len(INSTRUMENTS)))
        self.derive(orders.RiskStateChanged("NORMAL", "RISK_DAY_OPENED", 0, 0, 0, 0, 0, 0), seq)
        return self

    def frame(self, *packets: bytes) -> int:
        """A frame of packets; without any, a heartbeat."""
        data = kite.encode_frame(packets) if packets else kite.HEARTBEAT
        return self.raw_frame(data)

    def raw_frame(self, data: bytes) -> int:
        """A frame of any bytes."""
        return self.fact(
            feed.FeedFrame(0, kite.CODEC_NAME, kite.CODEC_VERSION, False, len(data), None, data)
        )

    def rejected(self, fault: str) -> int:
        """A frame that was refused."""
        cause = self.raw_frame(b"\x00\x01")
        return self.derive(market.FrameRejected(0, fault, 2, 2), cause)

    def quotes(self, *, nifty: int = 2_451_235, bid: int = 12_815, ask: int = 12_825) -> int:
        """The indices and the call, prices in paise; a bid of 0 is nobody."""
        return self.frame(
            index_packet(NIFTY_TOKEN, nifty),
            index_packet(BANKNIFTY_TOKEN, 5_210_810),
            index_packet(VIX_TOKEN, 1_321),
            full_packet(CALL_TOKEN, bid, ask),
        )

    def bar(self, instrument: int, close: int) -> None:
        """A closed minute bar."""
        start = self.now - 60 * SECOND
        tick = self.fact(feed.TimerTick(self.now, 0))
        self.derive(
            market.BarClosed(
                instrument, 60_000, start, close, close, close, close, None, 5, 20,
                None, None, None, None, None, None, True,
            ),
            tick,
        )  # fmt: skip

    def cycle_of(self, underlying: str, made: tuple[str, str] | None,
                 contract: int | None = None) -> int:  # fmt: skip
        """One decision: blocked at (stage, reason), or a trade when None. Returns its seq."""
        self.cycle += 1
        tick = self.fact(feed.TimerTick(self.now, 0))
        snapshot = self.derive(
            market.SnapshotTaken(
                self.cycle, underlying, 2_451_235, "INDEX", 300, None, None, 1_321, 300, None, 20,
                None, None, None, None, None, None, True,
                40, 2_451_235, "INDEX", 300, None, None, None,
                (market.ExpiryView(20261123, 2_452_000, "PARITY", 5, None, None, None, None, 80),),
                "f" * 64,
            ),
            tick,
        )  # fmt: skip
        gates = self.derive(self.gates_event(underlying, snapshot, made), tick)
        stage, reason = made or ("N11_FINAL_DECISION", "TRADE_APPROVED")
        return self.derive(
            decision.DecisionMade(
                self.cycle,
                underlying,
                "NO_TRADE" if made else "TRADE",
                stage,
                reason,
                None if made else "trend",
                None if made else "trend-1",
                "TREND_UP",
                "TREND_DAY",
                gates,
                snapshot,
                contract,
                None if made else f"I{self.cycle:019d}",
            ),
            tick,
        )

    def gates_event(
        self, underlying: str, snapshot: int, made: tuple[str, str] | None
    ) -> decision.GatesEvaluated:
        """Eleven stages: pass up to the blocking one, then waiting for it."""
        blocked = len(STAGES) if made is None else STAGES.index(made[0])
        official = []
        for place, stage in enumerate(STAGES):
            if place < blocked:
                official.append(stage_verdict(stage, "PASS"))
            elif place == blocked and made is not None:
                gate = [spec.gate for spec in GATES if spec.stage == stage][-1]
                official.append(stage_verdict(stage, "BLOCK", made[1], gate))
            else:
                waits = STAGES[blocked]
                official.append(stage_verdict(stage, "UNKNOWN", f"UPSTREAM_{waits}", None, waits))
        return decision.GatesEvaluated(
            self.cycle, underlying, snapshot, tuple(official), (), None, None
        )

    def regime(self, underlying: str, regime: str) -> None:
        """A regime assessment."""
        tick = self.fact(feed.TimerTick(self.now, 0))
        self.derive(
            decision.RegimeAssessed(
                underlying, regime, regime, 3, ("TREND_UP", "RANGE"), (710, 290), 600, (), 25_000,
                1_000, 300, 0,
            ),
            tick,
        )  # fmt: skip
        self.derive(
            decision.DayTypeAssessed(underlying, "TREND_DAY", 80, 60, "UNKNOWN", 0, False), tick
        )

    def entry(self, price: int = 11_240, quantity: int = 130) -> str:
        """An approved trade in the call and its fill; returns the position's id."""
        seq = self.cycle_of("NIFTY", None, CALL)
        cause = self.envelopes[seq - 1].cause
        intent = f"I{self.cycle:019d}"
        self.derive(
            orders.IntentApproved(
                intent, "NIFTY", "trend-1", CALL, "BUY", quantity, 2, price + 10, price - 5, 10_000,
                14_000, 500, 170_000, seq - 1, self.now,
            ),
            cause,
        )  # fmt: skip
        self._fill(f"P{intent}", intent, "ENTRY", "BUY", quantity, price)
        self._position(intent, quantity, price, "OPEN", 0, 5_000)
        return intent

    def exit(self, intent: str, price: int = 10_000, quantity: int = 130) -> None:
        """The stop is met and the position closed."""
        cause = self.quotes(bid=price)
        self.derive(
            orders.ExitSignalled(
                f"{intent}X", intent, CALL, "EXIT_STOP", quantity, 10_000, price, self.now
            ),
            cause,
        )
        self._fill(f"P{intent}X", f"{intent}X", "EXIT", "SELL", quantity, price)
        gain = (price - 11_240) * quantity
        self._position(intent, 0, 0, "CLOSED", gain, 11_000, "EXIT_STOP")
        self.derive(
            orders.RiskStateChanged("NORMAL", "RISK_EXIT_FILLED", gain, 11_000, 1, 1, 0, 0),
            len(self.envelopes),
        )

    def _fill(
        self, order: str, authority: str, role: str, side: str, quantity: int, price: int
    ) -> None:
        cause = self.frame()
        charges = 5_000 if side == "BUY" else 6_000
        self.derive(
            orders.FillApplied(
                order, 1, CALL, side, quantity, price, 5,
                (orders.ChargeLine("charge.brokerage", charges, False),), charges, cause,
            ),
            cause,
        )  # fmt: skip
        self.derive(
            orders.OrderChanged(
                order, authority, role, CALL, side, "FILLED", "ORDER_FILLED", quantity, quantity,
                None,
            ),
            cause,
        )  # fmt: skip

    def _position(
        self, intent: str, quantity: int, average: int, status: str, realised: int, charges: int,
        reason: str | None = None,
    ) -> None:  # fmt: skip
        self.derive(
            orders.PositionChanged(
                intent, "NIFTY", "trend-1", CALL, status, quantity, average, self.now,
                10_000, 14_000, 500, realised, charges, reason,
            ),
            len(self.envelopes),
        )  # fmt: skip

    def close(self) -> Story:
        """The session's last fact."""
        self.fact(session.SessionClosed("END_OF_DAY"))
        return self


def index_packet(token: int, price: int) -> bytes:
    """A full index packet with all its prices equal."""
    return kite.encode_index(token, price, price, price, price, price, 0, OPEN_NS // SECOND)


def full_packet(token: int, bid: int, ask: int) -> bytes:
    """A full packet with one level a side."""
    bids = ((650, bid, 3),) if bid else ()
    return kite.encode_full(
        token, bid or ask, 65, bid or ask, 1_000, 0, 0, bid, ask, bid, bid, 0, 5_000, 0, 0,
        OPEN_NS // SECOND, bids, ((650, ask, 3),),
    )  # fmt: skip


def a_day() -> Story:
    """A morning: blocked, a trade that is stopped out, blocked again, a gap in the feed, an open
    trade at the end. The session is not closed."""
    story = Story().setting_up()
    story.at(-5).quotes()
    for minute in range(10):
        story.at(60 * minute).quotes(nifty=2_451_235 + 700 * minute)
        story.at(60 * minute + 1)
        story.cycle_of("NIFTY", ("N3_WARMUP_DONE", "WARMUP_BARS"))
        story.cycle_of("BANKNIFTY", ("N4_QUOTE_OK", "QUOTE_SPREAD_WIDE"))
        story.bar(0, 2_451_235 + 700 * minute)
    story.at(601).regime("NIFTY", "TREND_UP")
    story.at(602).quotes(bid=11_230)
    intent = story.entry()
    story.at(700).exit(intent)
    story.at(701)
    for second in range(5):
        story.at(701 + second)
        story.cycle_of("NIFTY", ("N9_STRATEGY_ELIGIBLE", "COOLDOWN_ACTIVE"))
        story.cycle_of("BANKNIFTY", ("N4_QUOTE_OK", "QUOTE_SPREAD_WIDE"))
    story.at(712)
    gap = story.fact(feed.TimerTick(story.now, 0))
    story.derive(market.FeedHealthChanged(0, "GAP", "FEED_GAP", 7_000, 3_000), gap)
    story.at(720).quotes(bid=12_815)
    story.derive(market.FeedHealthChanged(0, "LIVE", "FEED_RESUMED", 0, 3_000), gap)
    story.entry(price=12_500)
    story.at(721).quotes(bid=12_815)
    return story

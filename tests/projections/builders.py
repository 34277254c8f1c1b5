"""A small invented session as groups of canonical envelopes, of any length, from a seed.

It goes through the real vocabulary (every kind that is projected, gates by the real catalogue,
frames by the real codec), with verdicts drawn at random: what is tested is the projection, not the
trading.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import groupby

from events import decision, feed, market, orders, session
from events.base import Event
from events.envelope import Envelope, decode_envelope, encode_envelope
from events.gates import BY_GATE, CONTRACT_FILTERS, GATES
from events.reasons import REASONS, STAGES
from events.registry import BY_KIND, BY_STRUCT, FACT_KINDS
from events.wire import kite
from projections.desk_rows import ROWS as DESK_ROWS
from tests.events.samples import sample

OPEN_NS = 1_756_439_100_000_000_000
"""29 August 2025, 09:15 IST."""

UNDERLYINGS = ("NIFTY", "BANKNIFTY")
CODES = {
    stage: tuple(
        r.code
        for r in REASONS
        if r.stage == stage and r.kind != "INFO" and "UPSTREAM" not in r.code
    )
    for stage in STAGES
}
REGIME_LABELS = ("TREND", "RANGE", "VOLATILE")


def session_opened() -> session.SessionOpened:
    """An identity of a synthetic session."""
    return session.SessionOpened(
        mode="BACKTEST",
        day=20250829,
        anchor_ns=OPEN_NS,
        rate=0,
        account="virtual",
        market=session.MarketIdentity("synthetic", 7, "default", None, ("history", "vix"), 60_000),
        cycle_rule=session.CycleRule("GRID", 5_000, 0),
        code_digest="c" * 64,
        schema_digest="s" * 64,
        rulebook_digest="r" * 64,
        settings=(session.Setting("risk.trades_day_max", 5), session.Setting("x.enabled", True)),
        settings_digest="e" * 64,
    )


class SessionMaker:
    """Makes groups: each fact with its derivations, envelopes with gapless seqs."""

    def __init__(
        self, *, cycles: int, contracts: int = 12, packets: int = 20, seed: int = 7
    ) -> None:
        self.random = random.Random(seed)
        self.cycles = cycles
        self.contracts = contracts
        self.packets = packets
        self.seq = 0
        self.cause = 0
        self.ts = OPEN_NS

    def groups(self) -> Iterator[list[bytes]]:
        """The session's groups in order."""
        for _, members in groupby(self.entries(), key=lambda item: item[0]):
            yield [data for _, data in members]

    def entries(self) -> Iterator[tuple[int, bytes]]:
        """(cause, envelope bytes) of every entry."""
        yield from (self._say(event) for event in self._opening())
        for cycle in range(1, self.cycles + 1):
            yield self._say(self._frame())
            if cycle == 2:
                yield self._say(market.FrameRejected(1, "FRAME_TRAILING", 3, 17))
            self.ts += 5_000_000_000
            yield self._say(feed.TimerTick(self.ts, int(cycle == 3)))
            for place, underlying in enumerate(UNDERLYINGS):
                yield from (self._say(event) for event in self._cycle(cycle, place, underlying))
        yield from (self._say(event) for event in self._closing())

    def _say(self, event: Event) -> tuple[int, bytes]:
        spec = BY_STRUCT[type(event)]
        self.seq += 1
        if spec.kind in FACT_KINDS:
            self.cause = self.seq
        data = encode_envelope(self.seq, spec.kind, spec.version, self.ts, self.cause, event)
        return self.cause, data

    def _opening(self) -> Iterator[Event]:
        rows = [
            session.Instrument(256265, "NSE", "NIFTY 50", "NIFTY", "INDEX", 0, 0, 0, 5, "exchange")
        ]
        for place in range(self.contracts):
            kind = ("CE", "PE")[place % 2]
            strike = 24_000 + 50 * (place // 2)
            symbol = f"NIFTY25902{strike}{kind}"
            token = (40_000 + place) << 8 | 2
            strike_paise = strike * 100
            rows.append(
                session.Instrument(
                    token, "NFO", symbol, "NIFTY", kind, 20250902, strike_paise, 75, 5, "exchange"
                )
            )
        rule = session.RuleRow(
            "session.fno.close", "NSE", 20240101, 20991231, 1530, "hhmm", "a", False
        )
        yield session_opened()
        yield self._carried()
        yield session.ArtifactLoaded("RULEBOOK", "rules", "d" * 64, (rule,))
        yield session.InstrumentsLoaded("f" * 64, tuple(rows))
        yield feed.FeedStatus(1, "CONNECTED", True, len(rows))
        yield market.FeedHealthChanged(1, "LIVE", "FEED_STARTED", 0, 6_000)
        yield session.ConfigChanged((session.Setting("x.enabled", False),), "asha", "a test")

    def _carried(self) -> session.CarriedOver:
        position = session.CarriedPosition(
            *("P0", "trend.v1", "NFO", "NIFTY2590224000CE", 75, 750_000, OPEN_NS),
            *(8_000, 13_000, 500, 10_100, 0, 2_005, 150_000),
            "MIS",
            *(11_400, 75),
            tp1_hit=False,
            underlying="NIFTY",
            kind="CE",
            expiry=20250902,
            strike_paise=2_400_000,
        )
        order = session.CarriedOrder(
            "O0", "I0", "ENTRY", "NFO", "NIFTY2590224000CE", "BUY", 75, 0, 9
        )
        return session.CarriedOver(
            *("0" * 12, "1" * 64, 20250829, 0, 0, 0, 0, 3, ("a", "b"), 10_000_000),
            *((session.CarriedCooldown("NIFTY", OPEN_NS),), (position,), (order,)),
            (session.CarriedDay("NIFTY", 20250828, 2_450_000, 1_234),),
            session.CarriedRisk("NORMAL", 20250829, 0, (), (), ()),
            (),
        )

    def _frame(self) -> feed.FeedFrame:
        pick = self.random.randrange
        second = self.ts // 1_000_000_000
        packets = [kite.encode_index(256265, 2_450_000 + pick(1000), 1, 1, 1, 1, 0, second)]
        for _ in range(self.packets):
            token = (40_000 + pick(self.contracts)) << 8 | 2
            ltp = pick(0, 20_000, 5)
            bids = [(75 * pick(0, 3), ltp - 5, 1)] if ltp else []
            packets.append(
                kite.encode_full(
                    *(token, ltp, 75, ltp, pick(10_000), 0, 0, 1, 1, 1, 1, second - 3),
                    *(pick(90_000), 0, 0, second - 1, bids, [(150, ltp + 5, 2)]),
                )
            )
        packets.append(kite.encode_quote((40_000 << 8) | 2, 10, 1, 1, 1, 1, 1, 1, 1, 1, 1))
        packets.append(kite.encode_ltp((77_777 << 8) | 2, 10))
        data = kite.encode_frame(packets)
        return feed.FeedFrame(1, kite.CODEC_NAME, kite.CODEC_VERSION, False, len(data), None, data)

    def _cycle(self, cycle: int, place: int, underlying: str) -> Iterator[Event]:
        if place == 0:
            yield self._bar(cycle)
        yield self._snapshot(cycle, underlying)
        snapshot_seq = self.seq
        if cycle % 12 == 1:
            yield decision.RegimeAssessed(
                *(underlying, "TREND", "RANGE", 2, REGIME_LABELS, (500, 300, 200), 1029),
                *(("young", "thin"), 21_000, 35, 0, 900),
            )
            yield decision.DayTypeAssessed(underlying, "TREND_DAY", 55, -20, "UNKNOWN", 0, False)
        yield self._screened(cycle, underlying)
        gates = self._gates(cycle, underlying, snapshot_seq)
        yield gates
        yield from self._decide(cycle, underlying, gates, snapshot_seq)

    def _bar(self, cycle: int) -> market.BarClosed:
        price = 2_450_000 + self.random.randrange(1000)
        return market.BarClosed(
            *(0, 60_000, self.ts, price, price + 5, price - 5, price, None, 12, cycle),
            *(price + 0.5, price + 0.25, 55.5, 12.5, None, float(price), True),
        )

    def _snapshot(self, cycle: int, underlying: str) -> market.SnapshotTaken:
        view = market.ExpiryView(20250902, 2_451_234, "PARITY", 5, 2_450_000, 0.11, None, 980, 40)
        return market.SnapshotTaken(
            cycle, underlying, 2_450_000, "INDEX", 800, None, None, None, 700, 900, cycle,
            1.5, 2.5, 55.5, 12.5, None, 2_450_000.0, True,
            None, 2_450_000, "INDEX", 800, 2_450_100, "PARITY", 900, (view, view), "a" * 64,
        )  # fmt: skip

    def _screened(self, cycle: int, underlying: str) -> decision.ContractsScreened:
        masks = tuple(self.random.randrange(8) for _ in range(self.contracts))
        first = tuple((mask & -mask).bit_length() - 1 for mask in masks)
        scores = tuple(-1 if mask else self.random.randrange(1000) for mask in masks)
        selected = next((place + 1 for place, mask in enumerate(masks) if not mask), None)
        contracts = tuple(range(1, self.contracts + 1))
        return decision.ContractsScreened(
            *(cycle, underlying, "TREND", "UP", CONTRACT_FILTERS, contracts, first, masks, scores),
            selected,
        )

    def _gates(self, cycle: int, underlying: str, snapshot_seq: int) -> decision.GatesEvaluated:
        failed = self.random.choice((*STAGES, None))
        official: list[decision.StageVerdict] = []
        assumed: list[decision.StageVerdict] = []
        for place, stage in enumerate(STAGES):
            upstream = failed is not None and place > STAGES.index(failed) and place >= 4
            if upstream:
                code = f"UPSTREAM_{failed}"
                official.append(decision.StageVerdict(stage, "UNKNOWN", code, None, failed, (), ()))
                if place >= 7:
                    assumed.append(self._stage(stage, fails=self.random.random() < 0.2))
            else:
                official.append(self._stage(stage, fails=stage == failed))
        return decision.GatesEvaluated(
            *(cycle, underlying, snapshot_seq, tuple(official), tuple(assumed)),
            *("TREND" if assumed else None, 2 if assumed else None),
        )

    def _stage(self, stage: str, *, fails: bool) -> decision.StageVerdict:
        names = [spec.gate for spec in GATES if spec.stage == stage]
        if fails and stage == "N8_STRATEGY_SELECT":
            return decision.StageVerdict(stage, "BLOCK", "FAMILY_NONE", None, None, (), ())
        missed = (
            set(self.random.sample(names, self.random.choice((1, 1, 2))))
            if fails and len(names) > 1
            else set(names if fails else ())
        )
        rows = tuple(self._row(name, stage, name in missed) for name in names)
        first = next((row for row in rows if row.verdict != "PASS"), None)
        evidence = (
            (self._row("family_trend", stage, True),) if stage == "N8_STRATEGY_SELECT" else ()
        )
        if first is None:
            return decision.StageVerdict(stage, "PASS", None, None, None, rows, evidence)
        return decision.StageVerdict(
            stage, first.verdict, first.reason, first.gate, None, rows, evidence
        )

    def _row(self, gate: str, stage: str, misses: bool) -> decision.GateRow:
        observed = self.random.randrange(1000)
        margin = -1 - self.random.randrange(50) if misses else self.random.randrange(50)
        code = self.random.choice(CODES[stage]) if misses else None
        verdict = self.random.choice(("BLOCK", "UNKNOWN")) if misses else "PASS"
        if BY_GATE[gate].unit == "flag":
            return decision.GateRow(gate, verdict, code, int(not misses), 1, None, None, ())
        marks = ("relaxed:page_age",) if gate == "page_age" else ()
        return decision.GateRow(
            gate, verdict, code, observed, observed + margin, margin, observed * 3, marks
        )

    def _decide(
        self, cycle: int, underlying: str, gates: decision.GatesEvaluated, snapshot_seq: int
    ) -> Iterator[Event]:
        gates_seq = self.seq
        ended = next((v for v in gates.official if v.verdict != "PASS"), None)
        common = (gates_seq, snapshot_seq)
        if ended is not None:
            yield decision.DecisionMade(
                *(cycle, underlying, "NO_TRADE", ended.stage, ended.reason or "", "TREND", None),
                *("TREND", "TREND_DAY", *common, None, None),
            )
            return
        intent_id = f"I{cycle:06d}{underlying[:4]}"
        yield decision.CandidateProposed(
            *(cycle, underlying, "TREND", "trend_v1", 1, "BUY", 10_000, 8_000, 13_000, 500),
            *(120, 480, -900, 300, 700, 640),
        )
        yield orders.IntentApproved(
            *(intent_id, underlying, "trend_v1", 1, "BUY", 75, 1, 10_005, 9_990, 8_000, 13_000),
            *(500, 150_000, gates_seq, self.ts),
        )
        yield decision.DecisionMade(
            *(cycle, underlying, "TRADE", STAGES[-1], "TRADE_APPROVED", "TREND", "trend_v1"),
            *("TREND", "TREND_DAY", *common, 1, intent_id),
        )
        yield from self._life(intent_id, underlying)

    def _life(self, intent_id: str, underlying: str) -> Iterator[Event]:
        """The orders of a trade, opened and closed, in the following facts."""
        charges = (orders.ChargeLine("brokerage", 2_000, False), orders.ChargeLine("stt", 5, True))
        position = f"P{intent_id}"
        for role, authority, side in (
            ("ENTRY", intent_id, "BUY"),
            ("EXIT", f"X{intent_id}", "SELL"),
        ):
            entry = role == "ENTRY"
            order_id = f"O{authority}"
            if not entry:
                yield orders.ExitSignalled(
                    authority, position, 1, "EXIT_TARGET", 75, 13_000, 13_005, self.ts
                )
            yield orders.OrderChanged(
                order_id, authority, role, 1, side, "WORKING", "ORDER_ACCEPTED", 75, 0, 10_005
            )
            yield self._frame()
            yield orders.OrderChanged(
                order_id, authority, role, 1, side, "FILLED", "ORDER_FILLED", 75, 75, 10_005
            )
            yield orders.FillApplied(order_id, 1, 1, side, 75, 10_000, 5, charges, 2_005, self.seq)
            yield orders.PositionChanged(
                *(position, underlying, "trend_v1", 1, "OPEN" if entry else "CLOSED", 75 * entry),
                *(10_000 * entry, self.ts, 8_000, 13_000, 500, 0 if entry else 225_000, 2_005),
                None if entry else "EXIT_TARGET",
            )
            code = "RISK_ENTRY_FILLED" if entry else "RISK_EXIT_FILLED"
            yield orders.RiskStateChanged("NORMAL", code, 0, 2_005, 1, 0, 150_000, 0)

    def _desk(self) -> Iterator[Event]:
        """What the session exchanged with its broker, its operator and its machine."""
        for kind in DESK:
            for style in ("full", "bare"):
                yield sample(BY_KIND[kind].struct, style)

    def _closing(self) -> Iterator[Event]:
        yield session.OperatorCommand(
            "HALT", "asha", "end of the test; it's done", None, None, "", "NONE"
        )
        yield from self._desk()
        yield session.SessionResumed(self.seq, "b" * 64, 17)
        yield session.TailCut(self.seq, 17, "a torn batch")
        yield session.SessionClosed("END_OF_DAY")
        decisions = self.cycles * len(UNDERLYINGS)
        yield orders.SessionSummarised(self.cycles, decisions, 0, 1, 1, 1, 225_000, 4_010, 0)


DESK = tuple(kind for kind in BY_KIND if kind in DESK_ROWS)
"""Kinds of the desk, as their samples are: one with everything and one with as little as may be."""


def envelopes(*, cycles: int) -> list[Envelope]:
    """The whole session as envelopes."""
    return [decode_envelope(data) for _, data in SessionMaker(cycles=cycles).entries()]

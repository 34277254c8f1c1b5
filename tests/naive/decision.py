"""A cycle decided anew, and a whole journal compared with what is decided here.

Lives here: stages N1 to N11 with the rule of assumptions, candidate, decision, intents;
``check``, which folds a journal and compares. May import: events, ``tests.naive``. Always holds:
integers are compared exactly, but for ``TOLERATED``, where the journaled integer is a rounded float
that another method can round the other way: these may differ in the last digit at the same verdict,
and each time is counted. Start reading at ``check``, then ``decide``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import asdict, replace

from events.base import Event
from events.decision import (
    CandidateProposed,
    ContractsScreened,
    DecisionMade,
    GateRow,
    GatesEvaluated,
    StageVerdict,
)
from events.envelope import payload_digest
from events.feed import TimerTick
from events.gates import GATES
from events.market import SnapshotTaken, TicksJudged
from events.orders import IntentApproved, SpreadApproved
from events.reasons import N1, N2, N3, N4, N5, N6, N7, N8, N9, N10, N11
from tests.naive import chain, contracts, gates, sizing
from tests.naive.black import nearest
from tests.naive.book import MS, Book, Quote
from tests.naive.sight import Row, Sight

Entry = tuple[int, int, bool, Event]
"""(seq, ts, whether it is a fact, the event)."""

COMPARED = (
    ContractsScreened, GatesEvaluated, CandidateProposed, DecisionMade, IntentApproved,
    SpreadApproved,
)  # fmt: skip

TOLERATED = {
    "net_delta": 1, "net_gamma": 1, "net_vega": 1, "net_theta": 1, "stress": 1,
    "iv_milli": 1, "delta_milli": 1, "theta_paise_day": 1, "vega_paise_point": 1,
    "scores_milli": 1, "score_milli": 1, "score_aim": 2,
}  # fmt: skip
"""Gates and fields that may differ, and by how much: one unit of the number that was rounded (a
thousandth of delta is two of its part of the score)."""

VOL_SPREAD = 1e-6
"""Two ways to a volatility at the money may differ by so much in a snapshot: a float there, and
compared nowhere else."""


@dataclass(frozen=True)
class Difference:
    """Where the two do not agree: the journal's value and the naive one."""

    seq: int
    stage: str
    gate: str
    journal: object
    naive: object

    def __str__(self) -> str:
        where = f"seq {self.seq} {self.stage} {self.gate}"
        return f"{where}: the journal has {self.journal!r}, naively {self.naive!r}"


@dataclass
class Report:
    """What a comparison found and how much it compared."""

    differences: list[Difference] = field(default_factory=list)
    cycles: int = 0
    rows: int = 0
    contracts: int = 0
    trades: int = 0
    tolerated: int = 0
    assumed: int = 0
    gates: dict[str, int] = field(default_factory=dict)

    def add(self, other: Report) -> None:
        self.differences += other.differences
        for name in ("cycles", "rows", "contracts", "trades", "tolerated", "assumed"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for gate, count in other.gates.items():
            self.gates[gate] = self.gates.get(gate, 0) + count

    def __str__(self) -> str:
        return (
            f"{self.cycles} cycles, {self.rows} rows of {len(self.gates)} gates,"
            f" {self.assumed} assumed stages, {self.contracts} contracts, {self.trades} trades:"
            f" {len(self.differences)} differences, {self.tolerated} last digits tolerated"
        )


# --- one cycle -----------------------------------------------------------------------------------


@dataclass
class Judged:
    """N8 to N11 and what they gave."""

    stages: list[StageVerdict] = field(default_factory=list)
    signal: Any = None
    screen: Any = None
    pick: Any = None
    sold: Any = None
    lots: int = 0


def stage(sight: Sight, name: str) -> StageVerdict:
    """A stage by its gates in the catalogue's order: its first row that is no pass decides."""
    rows: list[GateRow] = []
    evidence: list[GateRow] = []
    for spec in GATES:
        if spec.stage != name or spec.gate in gates.NOT_ASKED:
            continue
        assert spec.gate in gates.TABLE, f"no naive function for the gate {spec.gate}"
        row = gates.TABLE[spec.gate](sight)
        explains = not spec.codes or spec.gate.startswith("family_")
        if row is not None:
            (evidence if explains else rows).append(GateRow(*row))
    for one in rows:
        if one.verdict != "PASS":
            return StageVerdict(
                name, one.verdict, one.reason, one.gate, None, tuple(rows), tuple(evidence)
            )
    return StageVerdict(name, "PASS", None, None, None, tuple(rows), tuple(evidence))


def waiting(name: str, missing: str) -> StageVerdict:
    """A stage whose input another one failed to give."""
    return StageVerdict(name, "UNKNOWN", f"UPSTREAM_{missing}", None, missing, (), ())


def decide(book: Book, underlying: str, seq: int, last: ContractsScreened | None) -> list[Event]:
    """All that follows a snapshot at ``seq``; ``last`` is the screening said last."""
    sight = Sight(book, book.underlying(underlying))
    first = [stage(sight, name) for name in (N1, N2, N3, N4)]
    first.append(stage(sight, N5) if passed(first[2]) else waiting(N5, N3))
    first += [stage(sight, name) for name in (N6, N7)]
    official = officially(sight, quotes_pass=passed(first[3]), clear=passed(first[4]))
    assumed = assuming(sight, official)
    verdicts = (*first, *official.stages)
    events: list[Event] = []
    said = screening(sight, official.screen or assumed.screen)
    if said is not None and (last is None or replace(last, cycle=0) != replace(said, cycle=0)):
        events.append(said)
    gates_seq = seq + 1 + len(events)
    named = assumed.signal.family if assumed.stages and assumed.signal else None
    events.append(
        GatesEvaluated(
            book.cycle, underlying, seq, verdicts, tuple(assumed.stages), named,
            assumed.pick.contract if assumed.pick is not None else None,
        )
    )  # fmt: skip
    if official.pick is not None and passed(official.stages[2]):
        events.append(candidate(sight, official))
    failed = next((one for one in verdicts if not passed(one)), None)
    intents = entries(sight, official, gates_seq) if failed is None else []
    regime = sight.one.regime
    family = official.signal.family if official.signal is not None else None
    events.append(
        DecisionMade(
            book.cycle, underlying, "TRADE" if intents else "NO_TRADE",
            failed.stage if failed is not None else N11,
            (failed.reason or "") if failed is not None else "TRADE_APPROVED",
            family, gates.STRATEGIES[family] if family is not None else None,
            regime.regime if regime is not None else "UNKNOWN", sight.one.day_type,
            gates_seq, seq,
            intents[0].contract if intents else None, intents[0].intent_id if intents else None,
        )
    )  # fmt: skip
    for intent in intents:
        events.append(intent)
        if official.sold is not None:
            events.append(sale(sight, intent, official.sold))
    return events


def passed(one: StageVerdict) -> bool:
    return one.verdict == "PASS"


def officially(sight: Sight, *, quotes_pass: bool, clear: bool) -> Judged:
    """N8 to N11, each only on what those before it gave."""
    found = Judged()
    if not clear:
        found.stages = [waiting(N8, N5), waiting(N9, N8), waiting(N10, N9), waiting(N11, N10)]
        return found
    found.stages.append(stage(sight, N8))
    if not passed(found.stages[0]):
        found.stages += [waiting(N9, N8), waiting(N10, N9), waiting(N11, N10)]
        return found
    found.signal = sight.signal = gates.chosen(sight, gates.allowed_families(sight))
    found.stages.append(stage(sight, N9))
    direction = found.signal.direction
    if not passed(found.stages[1]) or direction is None or not quotes_pass:
        missing = N4 if passed(found.stages[1]) else N9
        found.stages += [waiting(N10, missing), waiting(N11, N10)]
        return found
    found.stages.append(tenth(sight, found, direction))
    if not passed(found.stages[2]):
        found.stages.append(waiting(N11, N10))
        found.pick = found.sold = None
        return found
    sight.pick = found.pick
    found.stages.append(stage(sight, N11))
    if passed(found.stages[3]):
        found.lots = sizing.lots_of(sight, [Row(*_values(r)) for r in found.stages[3].rows])
    return found


def tenth(sight: Sight, found: Judged, direction: str) -> StageVerdict:
    """N10 for a family and a direction; leaves the screening, the pick and the sold leg."""
    sight.screen = found.screen = contracts.screen(sight, found.signal.family, direction)
    found.pick = contracts.shown(found.screen)
    two_legs = found.signal.family == "DEFINED_RISK" and found.pick is not None
    sight.sold = found.sold = contracts.sold_leg(sight, found.pick) if two_legs else None
    return stage(sight, N10)


def assuming(sight: Sight, official: Judged) -> Judged:
    """The stages that waited, for the best-ranked family and the best contract."""
    found = Judged()
    waits = [one.depends_on is not None for one in official.stages]
    if not any(waits):
        return found
    sight.official = False
    if waits[0] and sight.one.regime is not None:
        found.stages.append(stage(sight, N8))
    found.signal = sight.signal = official.signal
    if official.signal is None:
        found.signal = sight.signal = gates.signal_of(sight, gates.best_ranked(sight))
        if sight.book.bars.get(sight.one.index) is not None:
            found.stages.append(stage(sight, N9))
    direction = found.signal.direction or found.signal.lean
    found.screen = official.screen
    if waits[2]:
        found.stages.append(tenth(sight, found, direction))
    elif not passed(official.stages[2]):
        kept = official.screen
        tenth(sight, found, direction)
        found.screen = kept
        if kept is None or kept.lacks:
            found.pick = found.sold = None
    if waits[3] and found.pick is not None:
        sight.pick = found.pick
        found.stages.append(stage(sight, N11))
    return found


def screening(sight: Sight, found: contracts.Screen | None) -> ContractsScreened | None:
    """The screening as it would be said."""
    if found is None or found.lacks:
        return None
    return ContractsScreened(
        sight.book.cycle, sight.one.name, found.family, found.direction, contracts.FILTERS,
        tuple(one.contract for one in found.picks),
        tuple(one.first for one in found.picks),
        tuple(one.mask for one in found.picks),
        tuple(one.score for one in found.picks),
        found.best.contract if found.best is not None else None,
    )  # fmt: skip


def candidate(sight: Sight, official: Judged) -> CandidateProposed:
    pick, plan, greeks = official.pick, official.pick.plan, official.pick.greeks
    family = official.signal.family
    return CandidateProposed(
        sight.book.cycle, sight.one.name, family, gates.STRATEGIES[family], pick.contract, "BUY",
        plan.entry, plan.stop, plan.target, plan.trail,
        nearest(pick.vol * 1_000), nearest(greeks.delta * 1_000), nearest(greeks.theta),
        nearest(greeks.vega), official.signal.strength, pick.score,
    )  # fmt: skip


def entries(sight: Sight, official: Judged, gates_seq: int) -> list[IntentApproved]:
    """The entry, in as many orders as the freeze quantity asks for."""
    book, pick, plan = sight.book, official.pick, official.pick.plan
    due = book.now + book.config.paper.latency_ms * MS

    def of(lots: int, risk: int) -> IntentApproved:
        return IntentApproved(
            "", sight.one.name, gates.STRATEGIES[official.signal.family], pick.contract, "BUY",
            lots * plan.lot, lots, contracts.protected(sight, pick),
            middle(book.at(pick.contract)), plan.stop, plan.target, plan.trail, risk, gates_seq,
            due,
        )  # fmt: skip

    risk_lot = sizing.risk_lot(sight)
    whole = of(official.lots, risk_lot * official.lots)
    name = payload_digest(whole)[:16]
    freeze = book.rules.freeze(sight.one.name)
    largest = max(int(freeze.value) // plan.lot, 1) if freeze is not None else official.lots
    if official.lots <= largest:
        return [replace(whole, intent_id=name)]
    sliced: list[IntentApproved] = []
    left = official.lots
    while left > 0:
        lots = min(largest, left)
        intent_id = f"{name[:-1]}{len(sliced):x}"
        sliced.append(replace(of(lots, risk_lot * lots), intent_id=intent_id))
        left -= lots
    return sliced


def sale(sight: Sight, intent: IntentApproved, sold: contracts.Sold) -> SpreadApproved:
    return SpreadApproved(
        intent.intent_id, f"{intent.intent_id}S", intent.underlying, intent.strategy_id,
        sold.contract, intent.quantity_units, sold.limit, middle(sight.book.at(sold.contract)),
        sold.width, sold.debit, sold.stop, sold.target, sold.margin_lot * intent.lots,
        intent.gates_seq,
    )  # fmt: skip


def middle(quote: Quote | None) -> int:
    if quote is None:
        return 0
    return (quote.bid + quote.ask) // 2 if quote.two_sided else quote.ltp


# --- a whole journal -----------------------------------------------------------------------------


def check(entries_of: Iterable[Entry], *, first: bool = False) -> Report:
    """Fold (seq, ts, whether it is a fact, event) and compare every cycle; ``first``: end at the
    first difference."""
    book, report = Book(), Report()
    said: dict[str, ContractsScreened] = {}
    pending: list[Event] = []
    for seq, ts, fact, event in foreseeing(book, entries_of):
        if first and report.differences:
            break
        if fact or isinstance(event, SnapshotTaken):
            for missing in pending:
                report.differences.append(
                    Difference(seq, "cycle", type(missing).__name__, None, missing)
                )
            pending = []
        if fact:
            report.differences += [
                Difference(seq, "exit", one, None, "EXIT_ASKED") for one in book.owed()
            ]
        if isinstance(event, SnapshotTaken):
            report.cycles += 1
            report.differences += compare_snapshot(book, seq, event)
            pending = decide(book, event.underlying, seq, said.get(event.underlying))
        elif isinstance(event, COMPARED):
            pending = compare_next(report, seq, event, pending)
        if isinstance(event, ContractsScreened):
            said[event.underlying] = event
        book.take(seq, ts, event, fact=fact)
    return report


def foreseeing(book: Book, entries_of: Iterable[Entry]) -> Iterator[Entry]:
    """The same entries; the book hears what was judged in frames before it folds them."""
    window: list[Entry] = []
    for entry in entries_of:
        ended = any(isinstance(one[3], TimerTick) for one in window)
        if entry[2] and ended:
            yield from window
            window = []
        window.append(entry)
        if isinstance(entry[3], TicksJudged):
            book.foresee(entry[3])
    yield from window


def compare_next(report: Report, seq: int, event: Event, pending: list[Event]) -> list[Event]:
    """Compare an event with the one that is expected; gives those still expected."""
    place = next((i for i, one in enumerate(pending) if type(one) is type(event)), None)
    if place is None:
        report.differences.append(Difference(seq, "cycle", type(event).__name__, event, None))
        return pending
    for skipped in pending[:place]:
        report.differences.append(Difference(seq, "cycle", type(skipped).__name__, None, skipped))
    expected = pending[place]
    if isinstance(event, GatesEvaluated):
        assert isinstance(expected, GatesEvaluated)
        compare_gates(report, seq, event, expected)
    else:
        compare_fields(report, seq, type(event).__name__, event, expected)
    if isinstance(event, ContractsScreened):
        report.contracts += len(event.contracts)
    report.trades += isinstance(event, DecisionMade) and event.outcome == "TRADE"
    return pending[place + 1 :]


def compare_gates(report: Report, seq: int, event: GatesEvaluated, mine: GatesEvaluated) -> None:
    for part in ("official", "assumed"):
        theirs: tuple[StageVerdict, ...] = getattr(event, part)
        ours: tuple[StageVerdict, ...] = getattr(mine, part)
        names = [one.stage for one in theirs], [one.stage for one in ours]
        if names[0] != names[1]:
            report.differences.append(Difference(seq, part, "stages", *names))
            continue
        for one, other in zip(theirs, ours, strict=True):
            compare_stage(report, seq, part, one, other)
    report.assumed += len(event.assumed)
    for name in ("cycle", "underlying", "snapshot_seq", "assumed_family", "assumed_contract"):
        if getattr(event, name) != getattr(mine, name):
            report.differences.append(
                Difference(seq, "GatesEvaluated", name, getattr(event, name), getattr(mine, name))
            )


def compare_stage(
    report: Report, seq: int, part: str, one: StageVerdict, other: StageVerdict
) -> None:
    where = one.stage if part == "official" else f"{one.stage} (assumed)"
    for name in ("verdict", "reason", "gate", "depends_on"):
        if getattr(one, name) != getattr(other, name):
            report.differences.append(
                Difference(seq, where, name, getattr(one, name), getattr(other, name))
            )
    for rows, mine in ((one.rows, other.rows), (one.evidence, other.evidence)):
        found = {row.gate: row for row in mine}
        if [row.gate for row in rows] != [row.gate for row in mine]:
            names = [row.gate for row in rows], [row.gate for row in mine]
            report.differences.append(Difference(seq, where, "rows", *names))
        for row in rows:
            report.rows += 1
            report.gates[row.gate] = report.gates.get(row.gate, 0) + 1
            if row.gate in found and row != found[row.gate]:
                if within_one(row, found[row.gate]):
                    report.tolerated += 1
                else:
                    report.differences.append(
                        Difference(seq, where, row.gate, _values(row), _values(found[row.gate]))
                    )


def within_one(row: GateRow, mine: GateRow) -> bool:
    """Whether two rows are the same but for a last digit that may differ."""
    if row.gate not in TOLERATED or row.observed is None or mine.observed is None:
        return False
    same = replace(row, observed=0, margin=0) == replace(mine, observed=0, margin=0)
    return same and abs(row.observed - mine.observed) <= TOLERATED[row.gate]


def compare_fields(report: Report, seq: int, kind: str, event: Event, mine: Event) -> None:
    ours = asdict(mine)
    for name, value in asdict(event).items():
        if value == ours[name]:
            continue
        theirs, my = (v if isinstance(v, tuple) else (v,) for v in (value, ours[name]))
        close = (
            name in TOLERATED
            and len(theirs) == len(my)
            and all(a is not None and b is not None for a, b in zip(theirs, my, strict=True))
            and all(abs(a - b) <= TOLERATED[name] for a, b in zip(theirs, my, strict=True))
        )
        if close:
            report.tolerated += 1
        else:
            report.differences.append(Difference(seq, kind, name, value, ours[name]))


def _values(row: GateRow) -> tuple[Any, ...]:
    return tuple(asdict(row).values())


def compare_snapshot(book: Book, seq: int, event: SnapshotTaken) -> Iterator[Difference]:
    """The snapshot's own figures, from the frames and bars."""
    sight = Sight(book, book.underlying(event.underlying))
    one, spot, bar = sight.one, book.at(sight.one.index), book.bars.get(sight.one.index)
    future, vix = book.at(one.future), book.at(book.vix)
    stands = chain.reference(book, one)
    mine: dict[str, object] = {
        "cycle": book.cycle,
        "spot_paise": spot.ltp if spot is not None else None,
        "spot_age_ms": (book.now - spot.seen) // MS if spot is not None else None,
        "reference_paise": stands[0] if stands is not None else None,
        "reference_source": stands[1] if stands is not None else None,
        "reference_age_ms": stands[2] if stands is not None else None,
        "witness_paise": chain.witness(book, one)[0],
        "witness_source": chain.witness(book, one)[1],
        "future_paise": future.ltp if future is not None else None,
        "vix_paise": vix.ltp if vix is not None else None,
        "page_age_ms": gates.stamp_age(sight),
        "bars_done": one.bars_done,
        "rsi": bar.rsi if bar is not None else None,
        "vwap_paise": gates.line_of(sight),
    }
    for name, value in mine.items():
        if getattr(event, name) != value:
            yield Difference(seq, "SnapshotTaken", name, getattr(event, name), value)
    if len(event.expiries) != len(one.chain):
        yield Difference(seq, "SnapshotTaken", "expiries", event.expiries, len(one.chain))
        return
    for theirs, seen in zip(event.expiries, one.chain, strict=True):
        strikes = seen.expiry.strikes
        money = strikes[seen.money] if seen.money >= 0 and strikes else None
        named = (theirs.expiry, theirs.forward_paise, theirs.forward_source, theirs.forward_pairs,
                 theirs.atm_strike_paise, theirs.contracts_quoted)  # fmt: skip
        naive = (seen.expiry.day, seen.forward, seen.source, seen.pairs, money, seen.quoted)
        if named != naive:
            yield Difference(seq, "SnapshotTaken", "expiry", named, naive)
        vols = (theirs.atm_iv, seen.vol)
        apart = abs((theirs.atm_iv or 0.0) - (seen.vol or 0.0))
        if (theirs.atm_iv is None) != (seen.vol is None) or apart > VOL_SPREAD:
            yield Difference(seq, "SnapshotTaken", "atm_iv", *vols)

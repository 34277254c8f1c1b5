"""projections/duck/ask.py: what SQL gives back is what was journaled."""

from __future__ import annotations

from pathlib import Path

import duckdb
import msgspec
import pytest

from engine.strategies import defined_risk, routing
from engine.strategies.routing import Route
from events.decision import DecisionMade, GatesEvaluated
from events.envelope import Envelope
from events.upcast import current_event
from projections import why
from projections.duck.ask import AskError, why_at, why_contract, why_seq, why_window
from projections.duck.projector import ensure_projection
from projections.duck.query import open_reader, run_query
from tests.engine.fabricated import SmallMarket, relaxed, run_small
from tests.engine.test_spreads import PAIRS
from tests.projections.builders import OPEN_NS, envelopes
from tests.projections.duck.journals import CYCLES

SESSION = {envelope.seq: envelope for envelope in envelopes(cycles=CYCLES)}
DECISIONS = [envelope for envelope in SESSION.values() if envelope.kind == "DecisionMade"]
MINUTE = 60_000_000_000


def pair(envelope: Envelope) -> tuple[DecisionMade, GatesEvaluated]:
    decision = current_event(envelope)
    assert isinstance(decision, DecisionMade)
    gates = current_event(SESSION[decision.gates_seq])
    assert isinstance(gates, GatesEvaluated)
    return decision, gates


@pytest.mark.parametrize("place", range(0, len(DECISIONS), 9))
def test_answer_from_sql_is_the_answer_from_the_journal(published: Path, place: int) -> None:
    """Every word and number of an answer is the same from tables as from recorded events."""
    envelope = DECISIONS[place]
    decision, gates = pair(envelope)
    found = why_seq(published, envelope.seq)
    symbol = found.decision.contract
    recorded = why.Recorded(
        found.decision.session,
        *(envelope.seq, envelope.ts, envelope.cause, decision, gates),
        symbol if isinstance(symbol, str) else None,
    )
    assert msgspec.structs.replace(found, trail=()) == why.answer(recorded)


def test_at_a_time_means_at_or_before(published: Path) -> None:
    """The decision at T is the last one at or before T of that underlying."""
    at = OPEN_NS + 7 * 5_000_000_000
    exact = why_at(published, "BANKNIFTY", at)
    assert (exact.decision.ts, exact.decision.underlying) == (at, "BANKNIFTY")
    assert why_at(published, "BANKNIFTY", at + 4_999_999_999) == exact
    assert why_at(published, "BANKNIFTY", at - 1).decision.ts == at - 5_000_000_000
    assert why_at(published).decision.seq == DECISIONS[-1].seq


def test_trail_goes_from_tick_to_close(published: Path) -> None:
    """A trade's trail holds its whole life; each step's seq, kind and cause are the journal's."""
    trade = next(e for e in DECISIONS if pair(e)[0].outcome == "TRADE")
    trail = why_seq(published, trade.seq).trail
    kinds = [step.kind for step in trail]
    for kind in (
        *("TimerTick", "SnapshotTaken", "RegimeAssessed", "ContractsScreened", "GatesEvaluated"),
        *("CandidateProposed", "IntentApproved", "DecisionMade", "OrderChanged", "FillApplied"),
        *("PositionChanged", "ExitSignalled"),
    ):
        assert kind in kinds
    assert "CLOSED" in trail[-1].what
    for step in trail:
        entry = SESSION[step.seq]
        assert (step.kind, step.ts, step.cause) == (entry.kind, entry.ts, entry.cause)
        assert step.what


def test_trail_of_a_refusal_ends_at_the_decision(published: Path) -> None:
    """Where nothing was traded the chain ends at the decision."""
    refused = next(e for e in DECISIONS if pair(e)[0].outcome == "NO_TRADE")
    trail = why_seq(published, refused.seq).trail
    assert [step.kind for step in trail if step.seq >= refused.cause] == [
        *("TimerTick", "SnapshotTaken", "ContractsScreened", "GatesEvaluated", "DecisionMade")
    ] or "RegimeAssessed" in [step.kind for step in trail]
    assert trail[-1].seq == refused.seq


WINDOWS = [
    (None, None, None),
    ("NIFTY", None, None),
    ("BANKNIFTY", OPEN_NS + MINUTE, OPEN_NS + 3 * MINUTE),
    (None, OPEN_NS + MINUTE, OPEN_NS + MINUTE),
    (None, OPEN_NS + MINUTE + 1, OPEN_NS + MINUTE + 2),
    (None, OPEN_NS + MINUTE - 1, OPEN_NS + MINUTE + 999),
]


@pytest.mark.parametrize(("underlying", "begin", "end"), WINDOWS)
def test_window_equals_the_journal(
    published: Path, underlying: str | None, begin: int | None, end: int | None
) -> None:
    """Funnel and blockers of a window are those counted from recorded events, to the row."""
    inside = [
        pair(e)
        for e in DECISIONS
        if (begin is None or e.ts >= begin)
        and (end is None or e.ts <= end)
        and underlying in (None, pair(e)[0].underlying)
    ]
    tally: dict[tuple[str, str], int] = {}
    for decision, _ in inside:
        key = (decision.stage, decision.reason)
        tally[key] = tally.get(key, 0) + 1
    expected = why.window(
        published.parent.parent.name,
        underlying,
        (begin, end),
        [(*key, count) for key, count in tally.items()],
        why.count_blockers(inside),
    )
    assert why_window(published, underlying, begin, end) == expected


def test_funnel_is_the_query_to_the_row(published: Path) -> None:
    """The funnel and a person's own GROUP BY agree in every row."""
    sql = "select stage, reason, count(*) from v1.decisions group by all"
    rows = set(run_query(published, sql).rows)
    window = why_window(published)
    assert {(row.stage, row.reason, row.count) for row in window.funnel} == rows
    assert window.decisions == len(DECISIONS)


def test_contract_counts_its_filters(published: Path) -> None:
    """Why not this contract: first filters and all failures are counted over the screenings."""
    symbol = "NIFTY2590224000CE"
    answer = why_contract(published, symbol)
    with duckdb.connect(str(published), read_only=True) as connection:
        found = connection.execute(
            "SELECT first_filter, count(*) FROM v1.contracts_screened WHERE tradingsymbol = ? "
            "AND first_filter IS NOT NULL GROUP BY 1",
            [symbol],
        ).fetchall()
    assert {row.filter: row.first for row in answer.filters if row.first} == dict(found)
    assert answer.screenings == answer.passed + sum(row.first for row in answer.filters)
    assert answer.last is not None
    early = why_contract(published, symbol, to_ts=OPEN_NS)
    assert (early.screenings, early.last) == (0, None)


def test_questions_without_an_answer(published: Path, tmp_path: Path) -> None:
    """Unknown names, empty times and wrong files are one line each."""
    with pytest.raises(AskError, match="it has BANKNIFTY, NIFTY"):
        why_at(published, "FINNIFTY")
    with pytest.raises(AskError, match=r"at or before 2025-08-29T09:15:00\.000 IST"):
        why_at(published, "NIFTY", OPEN_NS)
    with pytest.raises(AskError, match="no decision at seq 1"):
        why_seq(published, 1)
    with pytest.raises(AskError, match="no decisions of X"):
        why_window(published, "X")
    with pytest.raises(AskError, match="no contract X"):
        why_contract(published, "X")
    with pytest.raises(AskError):
        why_at(tmp_path / "nothing.duckdb")


def test_trail_of_a_pair_has_both_legs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was sold against the entry, its sale and its purchase stand in the trail of the trade,
    in their order: bought, sold, bought back, sold on."""
    names = ("DEFINED_RISK",)
    for name in ("TREND", "RANGE", "RANGE_VOLATILE", "EVENT", "PANIC"):
        monkeypatch.setitem(routing.BY_REGIME, name, Route(name, names, names, "FAMILY_EVENT"))
    monkeypatch.setattr(defined_risk, "FULL_PPM", 1.0)
    config = relaxed(**PAIRS)
    folder = run_small(tmp_path, SmallMarket(minutes=14), config).folder
    published = ensure_projection(folder)
    with open_reader(published) as reader:
        (seq,) = reader.execute(
            "SELECT min(d.seq) FROM v1.decisions d JOIN v1.spreads s USING (intent_id)"
        ).fetchall()[0]
    trail = why_seq(published, seq).trail
    assert [step.seq for step in trail] == sorted({step.seq for step in trail})
    told = [step for step in trail if step.kind in ("SpreadApproved", "FillApplied")]
    words = [step.what.partition(" ")[0] for step in told]
    assert words == ["SELL", "BUY", "SELL", "BUY", "SELL"]
    assert "for a width of" in told[0].what

"""What led to a decision and what it saw, against the journal."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from events import session
from events.base import Event
from events.decision import DecisionMade, GateRow, GatesEvaluated
from events.gates import BY_GATE
from events.market import SnapshotTaken
from events.reasons import BY_CODE, STAGES
from projections.live import LiveModel
from projections.live.fold import ROLES
from projections.live.view import DecisionLine, LiveView
from projections.why import sentence
from tests.projections.live.story import a_day
from tests.tui.pages import StoryEntries
from tests.tui.recorded import NAMES, entries
from tests.tui.screen import Screen, on_screen, view_of
from tui import fmt
from tui.ports import Ports
from tui.view.text import Row, Table
from tui.view.trace import (
    ORIGIN_TEXTS,
    build_table,
    candidate_of,
    chain_table,
    inputs_table,
    snapshot_of,
    source_of,
)
from tui.view.why import gates_of, gates_table, reason_sentence

KINDS = {
    "frame": "FeedFrame",
    "print": "FeedFrame",
    "feed health": "FeedHealthChanged",
    "bar": "BarClosed",
    "features": "FeaturesDerived",
    "regime": "RegimeAssessed",
    "day type": "DayTypeAssessed",
    "risk": "RiskStateChanged",
    "risk state": "RiskTransitioned",
    "readiness": "ReadinessChanged",
    "screening": "ContractsScreened",
    "candidate": "CandidateProposed",
    "tick": "TimerTick",
    "snapshot": "SnapshotTaken",
    "gates": "GatesEvaluated",
    "decision": "DecisionMade",
    "intent": "IntentApproved",
    "order": "OrderChanged",
}


def texts(row: Row) -> list[str]:
    return [text.strip() for text, _ in row.cells]


def values_of(table: Table) -> dict[str, str]:
    return {texts(row)[0]: texts(row)[1] for row in table.rows}


def decisions(name: str) -> Iterator[tuple[DecisionLine, dict[int, Event], LiveView]]:
    """Each decision of a golden session as the screen has it once it is made, with the journal's
    entries so far and the view at that moment."""
    model = LiveModel()
    journal: dict[int, Event] = {}
    for envelope, event in entries(name):
        model.fold(envelope)
        journal[envelope.seq] = event
        if isinstance(event, DecisionMade):
            view = model.view()
            row = next(one for one in view.underlyings if one.name == event.underlying)
            assert row.episode is not None
            yield row.episode.last, journal, view


def shown_gate(row: GateRow) -> list[str]:
    unit = BY_GATE[row.gate].unit
    operator = {"AT_MOST": "<=", "AT_LEAST": ">=", "IS_TRUE": "is"}[BY_GATE[row.gate].sense]
    return [
        row.gate,
        fmt.measure(row.observed, unit),
        "" if row.limit is None else operator,
        fmt.measure(row.limit, unit),
        "" if unit == "flag" else fmt.measure(row.margin, unit),
    ]


@pytest.mark.parametrize("name", NAMES)
def test_all_gates_of_every_decision_are_those_of_the_journal(name: str) -> None:
    """Check 8: observed, operator, limit, margin, unit of every gate of every decision, in the
    order of evaluation; its source is an entry of a fitting kind before the decision."""
    seen = 0
    for line, journal, _ in decisions(name):
        recorded = journal[line.made.gates_seq]
        assert isinstance(recorded, GatesEvaluated)
        gates = gates_of(line)
        rows = gates_table(line, gates, all_gates=True).rows
        official = [row for row in rows if row.key[0] == "official"]  # type: ignore[index]
        expected = [shown_gate(row) for one in recorded.official for row in one.rows]
        found = [texts(row) for row in official if row.key[2]]  # type: ignore[index]
        assert [[row[0], row[2], row[3], row[4], row[5]] for row in found] == expected
        assert tuple(row.key[1] for row in official if not row.key[2]) == STAGES  # type: ignore[index]
        for one in recorded.official:
            for row in one.rows:
                role, seq = source_of(line, one.stage, row.gate)
                assert seq < line.seq
                assert type(journal[seq]).__name__ == KINDS[role]
        seen += 1
    assert seen > 10


@pytest.mark.parametrize("name", NAMES)
def test_the_inputs_are_those_of_the_decision(name: str) -> None:
    """Check 9: every figure is the one in the decision's own SnapshotTaken, whatever is now."""
    for line, journal, view in decisions(name):
        seen = journal[line.made.snapshot_seq]
        assert isinstance(seen, SnapshotTaken)
        assert snapshot_of(line.snapshot) == seen
        values = values_of(inputs_table(view, line))
        assert values["spot"] == fmt.price(seen.spot_paise)
        assert values["VIX"] == fmt.price(seen.vix_paise)
        assert values["bars closed"] == str(seen.bars_done)


def test_the_inputs_differ_from_now() -> None:
    """Check 9: prices that moved after the decision stand in the column of now alone."""
    story = a_day()
    story.at(800).quotes(nifty=2_999_900)
    view = view_of(story)
    row = texts(inputs_table(view, view.trade_decisions[-1]).rows[0])
    assert row == ["spot", "24,512.35", "0.3s", "INDEX", "29,999.00"]


@pytest.mark.parametrize("name", NAMES)
def test_the_chain_is_made_of_entries_that_are_what_it_says(name: str) -> None:
    """Every line of every chain names an entry of that kind, in order; causes come before."""
    for line, journal, view in decisions(name):
        rows = chain_table(view, line, gates_of(line)).rows
        keys = [row.key for row in rows]
        seqs = [key[1] for key in keys]  # type: ignore[index]
        assert seqs == sorted(seqs)
        for _, seq, step in keys:  # type: ignore[misc]
            assert type(journal[seq]).__name__ == KINDS[step]  # type: ignore[has-type]
        steps = {key[2] for key in keys}  # type: ignore[index]
        assert {"tick", "snapshot", "gates", "decision"} <= steps


def test_a_trade_leads_on_to_its_intent() -> None:
    """The chain of a trade ends with what it caused."""
    view = view_of(a_day())
    line = view.trade_decisions[0]
    steps = [texts(row)[1] for row in chain_table(view, line, gates_of(line)).rows]
    assert steps[-3:] == ["└ decision", "└ intent", "└ order"]


def test_every_origin_has_words() -> None:
    """The roles that the fold gives are the roles that the chain can tell."""
    assert set(ROLES) == set(ORIGIN_TEXTS)


def test_the_build_is_what_was_in_force() -> None:
    """Digests of the opening, artifacts, and changes of settings before the decision only."""
    story = a_day()
    story.at(730)
    changed = story.fact(
        session.ConfigChanged((session.Setting("risk.trades_day_max", 2),), "risk", "enough")
    )
    view = view_of(story)
    line = view.trade_decisions[-1]
    rows = [texts(row) for row in build_table(view, line).rows]
    assert [row[0] for row in rows] == ["CODE", "SCHEMA", "RULEBOOK", "SETTINGS", "RULEBOOK"]
    assert rows[0][2:] == ["c" * 64, "#1"]
    story.at(740).cycle_of("NIFTY", ("N3_WARMUP_DONE", "WARMUP_BARS"))
    view = view_of(story)
    later = next(row for row in view.funnel if row.reason == "WARMUP_BARS").recent[-1]
    assert texts(build_table(view, later).rows[-1]) == [
        "SETTINGS", "risk.trades_day_max", "risk", f"#{changed}",
    ]  # fmt: skip


def test_what_was_not_seen_says_so() -> None:
    """Without its snapshot, or with one of another release, nothing is invented."""
    view = view_of(a_day())
    line = msgspec.structs.replace(view.trade_decisions[0], snapshot=None, origins=())
    assert inputs_table(view, line).rows == ()
    assert "not seen" in inputs_table(view, line).empty
    assert snapshot_of(b"\x91\x01") is None
    assert candidate_of(b"\x91\x01") is None
    assert source_of(line, "N4_QUOTE_OK", "spot_age") == ("snapshot", line.made.snapshot_seq)
    assert "not seen here" in [texts(row)[2] for row in chain_table(view, line, None).rows]
    nothing = msgspec.structs.replace(view, session=None)
    assert "not seen" in build_table(nothing, line).empty


@pytest.mark.parametrize("code", [code for code, row in BY_CODE.items() if row.stage in STAGES])
def test_every_reason_of_a_decision_has_its_sentence(code: str) -> None:
    """Check 10: blocked, halted, expired, pending or traded, both makers of sentences say it."""
    made = view_of(a_day()).trade_decisions[0].made
    for outcome in ("TRADE", "NO_TRADE"):
        one = msgspec.structs.replace(made, reason=code, stage=BY_CODE[code].stage, outcome=outcome)
        for tell in (reason_sentence, sentence):
            said = tell(one, None)
            assert BY_CODE[code].sentence in said
            assert said.startswith("Trade in" if outcome == "TRADE" else "No trade in")


# --- on the screen -------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_the_parts_come_by_their_keys_and_the_sentence_stays(size: tuple[int, int]) -> None:
    """c, d, h, v show chain, inputs, hashes and gates; the sentence is in view in each."""

    async def use(screen: Screen) -> None:
        await screen.press("down", "enter")
        for key, title in (
            ("c", "══ CHAIN  what led to decision #177"),
            ("d", "══ INPUTS AS SEEN AT 09:26:45.000 IST"),
            ("h", "══ CONFIGURATION, CODE AND MODELS"),
            ("v", "══ GATES  BANKNIFTY 09:26:45.000"),
        ):
            await screen.press(key)
            assert title in screen.text()
            assert "No trade in BANKNIFTY: The median near-the-money spread" in screen.text()
        await screen.press("c", "left_square_bracket")
        assert "══ CHAIN  what led to decision #" in screen.text()
        assert "decision #177" not in screen.text()

    on_screen(view_of(a_day()), use, size=size)


def test_from_a_blocked_row_to_the_raw_entry_in_two_keys() -> None:
    """Check 7: enter opens Why, enter again the entry that the deciding gate looked at."""
    story = a_day()

    async def use(screen: Screen) -> None:
        await screen.press("5", "enter", "enter")
        await screen.settle()
        assert "SnapshotTaken" in screen.text()
        assert "#175" in screen.text()
        await screen.press("escape", "c", "enter")
        await screen.settle()
        assert "DecisionMade" in screen.text()

    on_screen(view_of(story), use, ports=Ports(entries=StoryEntries(story.envelopes)))


def test_the_least_change_is_found_off_the_painting_thread() -> None:
    """l asks the port about the decision that is shown; its sentence stands below the reason."""
    asked: list[int] = []

    def find(seq: int) -> str:
        asked.append(seq)
        return "It would have been BUY 2 lots with quote.spread_bps_max at 90."

    async def use(screen: Screen) -> None:
        await screen.press("down", "enter", "l")
        await screen.app.workers.wait_for_complete()
        await screen.settle()
        assert asked == [177]
        assert "It would have been BUY 2 lots" in screen.text()
        await screen.press("left_square_bracket")
        assert "It would have been" not in screen.text()

    on_screen(view_of(a_day()), use, ports=Ports(least_change=find))


def test_without_the_port_the_least_change_says_how() -> None:
    """A running session has none: the key says where to ask."""

    async def use(screen: Screen) -> None:
        await screen.press("enter", "l")
        assert "axiom why --counterfactual" in screen.lines()[-1]

    on_screen(view_of(a_day()), use)

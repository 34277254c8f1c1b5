"""What follows from facts and derivations: the table, and the reactions that fills lead to."""

from __future__ import annotations

import ast
from pathlib import Path

from engine.bars import MINUTE_NS
from engine.books import open_risk_paise
from engine.core import Core
from engine.decide import DECIDE
from engine.state import State
from events.feed import TimerTick
from events.market import FeedHealthChanged, InstrumentsGated
from events.orders import OrderChanged, PositionChanged, RiskStateChanged, SessionSummarised
from events.registry import BY_KIND
from tests.engine.build import at_trade, with_config
from tests.engine.fabricated import SmallMarket, relaxed, run_core, small_facts, small_run

ROOT = Path(__file__).resolve().parents[2]


def _steps_named_in(path: Path) -> set[str]:
    """The words of the module's step tuples, which go with a number: ``("fills", 0)``."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Tuple) and len(node.elts) == 2:
            word, number = (getattr(one, "value", None) for one in node.elts)
            if isinstance(word, str) and not isinstance(number, str):
                found.add(word)
    return found


def test_decide_is_total() -> None:
    """Every registered kind has a row, and every further row is a step that is queued somewhere."""
    assert set(DECIDE) >= set(BY_KIND)
    named = _steps_named_in(ROOT / "engine" / "decide.py")
    named |= _steps_named_in(ROOT / "engine" / "orders" / "facts.py")
    assert set(DECIDE) - set(BY_KIND) == named


def test_derivations_derived_again_are_the_same_bytes() -> None:
    """A second core on the same facts derives each recorded envelope again, byte for byte."""
    facts = [(group.fact.ts, group.fact.event) for group in small_run().groups]
    again = run_core(facts)
    assert [g.datas for g in again.groups] == [g.datas for g in small_run().groups]
    assert again.digest == small_run().digest


def test_what_a_risk_change_says_is_what_the_account_then_holds() -> None:
    """After a group, the last ``RiskStateChanged`` says the account as it stands: result, charges,
    trades, streak, open risk and cooldown."""
    core = Core()
    checked = 0
    for ts, event in small_facts(SmallMarket(), relaxed()):
        derived = core.step(core.state.seq + 1, ts, event)
        said = [d.entry.event for d in derived if isinstance(d.entry.event, RiskStateChanged)]
        if said:
            one, account = said[-1], core.state.account
            checked += 1
            assert isinstance(one, RiskStateChanged)
            assert (one.realised_paise, one.charges_paise, one.trades_today, one.loss_streak) == (
                account.realised_paise,
                account.charges_paise,
                account.trades_today,
                account.loss_streak,
            )
            assert one.open_risk_paise == open_risk_paise(core.state)
            cooldowns = [market.cooldown_until_ns for market in core.state.markets]
            assert one.cooldown_until_ns == max(cooldowns, default=0)
    assert checked > 3
    assert core.state.account.loss_streak > 0, "no losing trade: the streak was not shown"


def test_an_exit_cancels_what_is_left_of_its_entry() -> None:
    """In a group with an exit signal no entry of that position goes on working."""
    deep = relaxed(
        paper={"depth_share_bps": 1, "entry_valid_ms": 600_000},
        risk={"lots_max": 50, "trade_risk_bps_max": 5_000, "open_risk_bps_max": 10_000},
        plan={"hold_s_max": 5},
    )
    run = run_core(small_facts(SmallMarket(), deep))
    cancelled = [
        e for e in run.events("OrderChanged")
        if isinstance(e, OrderChanged) and e.reason == "ORDER_EXITED"
    ]  # fmt: skip
    assert cancelled
    assert all(0 < one.filled_units < one.quantity_units for one in cancelled)


def test_the_end_of_the_day_ends_every_order_and_sums_it_up() -> None:
    """At the close working orders are cancelled with ORDER_DAY_END, and the summary counts."""
    slow = relaxed(paper={"latency_ms": 60_000, "entry_valid_ms": 600_000})
    run = run_core(small_facts(SmallMarket(minutes=5), slow))
    last = run.groups[-1]
    assert last.fact.kind == "SessionClosed"
    ended = [e.event for e in last.derived if isinstance(e.event, OrderChanged)]
    assert [(one.status, one.reason) for one in ended] == [("CANCELLED", "ORDER_DAY_END")]
    assert run.core.state.orders == ()
    summary = last.derived[-1].event
    assert isinstance(summary, SessionSummarised)
    kinds = [entry.kind for entry in run.entries]
    assert summary.frames == kinds.count("FeedFrame")
    assert summary.decisions == kinds.count("DecisionMade")
    assert summary.cycles == kinds.count("TimerTick")


def test_a_gap_is_said_once_and_its_end_once() -> None:
    """A silence longer than the link may have is one FEED_GAP, and the next frame FEED_RESUMED."""
    run = run_core(small_facts(SmallMarket(minutes=6, silent=(3,)), relaxed()))
    said = [e.reason for e in run.events("FeedHealthChanged") if isinstance(e, FeedHealthChanged)]
    assert said == ["FEED_STARTED", "FEED_GAP", "FEED_RESUMED"]


def _gated(state: State, minute: bool, late_ns: int = 0, **settings: int) -> list[InstrumentsGated]:
    gates: dict[str, int | bool] = {"enabled": True, "bars_min": 0, **settings}
    core = Core(with_config(state, instrument_gates=gates))
    ts = core.state.now - core.state.now % MINUTE_NS + MINUTE_NS + (0 if minute else 1)
    derived = core.step(core.state.seq + 1, ts + late_ns, TimerTick(ts, 0))
    return [d.entry.event for d in derived if isinstance(d.entry.event, InstrumentsGated)]


def test_the_instrument_table_comes_with_the_minute() -> None:
    """Switched on, the packed table is said at a tick on the minute and at no other, with one
    verdict an instrument: the first of warm-up, age and spread that fails; in real time, a moment
    later, it is the same."""
    state = at_trade().before
    (table,) = _gated(state, True, age_ms_max=60_000, spread_bps_max=10_000)
    # The index and the VIX have no two sides.
    assert table.verdicts == bytes(3 if i in (0, len(state.quotes) - 1) else 0 for i in range(27))
    assert table.minute_ts % MINUTE_NS == 0
    assert not _gated(state, False)
    (late,) = _gated(state, True, 7_000_000, age_ms_max=60_007, spread_bps_max=10_000)
    assert (late.minute_ts, late.verdicts) == (table.minute_ts, table.verdicts)
    (stale,) = _gated(state, True, age_ms_max=0)
    assert set(stale.verdicts) == {2}
    (cold,) = _gated(state, True, bars_min=1_000, age_ms_max=60_000, spread_bps_max=10_000)
    assert [place for place, one in enumerate(cold.verdicts) if one == 1] == [0, 1, 26]


def test_positions_are_said_as_the_books_hold_them() -> None:
    """Each ``PositionChanged`` is OPEN with units or CLOSED with none, its average at its cost."""
    changes = [e for e in small_run().events("PositionChanged") if isinstance(e, PositionChanged)]
    assert {one.status for one in changes} == {"OPEN", "CLOSED"}
    for one in changes:
        assert (one.quantity_units == 0) == (one.status == "CLOSED")
        parts = (None, "EXIT_BREAK_EVEN", "EXIT_TP1")
        assert (one.exit_reason in parts) == (one.status == "OPEN")
        assert one.average_paise > 0 or one.status == "CLOSED"

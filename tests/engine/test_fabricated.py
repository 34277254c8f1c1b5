"""The small market itself: what other tests rely on when they use it."""

from __future__ import annotations

from events.orders import PositionChanged
from tests.engine.fabricated import SmallMarket, relaxed, run_core, small_facts, small_run


def test_it_trades_and_closes() -> None:
    """The default run approves an entry, fills it and closes it, so other tests see trades."""
    run = small_run()
    assert run.events("IntentApproved")
    closed = [e for e in run.events("PositionChanged") if isinstance(e, PositionChanged)]
    assert any(one.status == "CLOSED" for one in closed)


def test_its_arguments_fix_its_frames() -> None:
    """Equal arguments give equal frames; another seed gives others."""
    frames = list(SmallMarket(minutes=2).frames())
    assert frames == list(SmallMarket(minutes=2).frames())
    assert frames != list(SmallMarket(minutes=2, seed=2).frames())
    assert frames == sorted(frames, key=lambda one: one.ts)


def test_pages_end_once_a_minute() -> None:
    """As a market of pages it ends one page a minute, of two frames at one time."""
    frames = list(SmallMarket(minutes=3, pages=True).frames())
    assert [one.snapshot_end for one in frames] == [False, True] * 3


def test_two_underlyings_trade_too() -> None:
    """With two underlyings both are decided at each cycle, in instrument order."""
    market = SmallMarket(minutes=6, names=("NIFTY", "BANKNIFTY"))
    run = run_core(small_facts(market, relaxed()))
    assert [one.name for one in run.core.state.underlyings] == ["NIFTY", "BANKNIFTY"]
    assert run.core.state.decisions == 2 * run.core.state.cycle > 0

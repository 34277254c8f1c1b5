"""F01: a gap in the feed, end to end: an event, indicators of which nothing is asked until they are
warm again, and a volume that is in no bar."""

from __future__ import annotations

import sys

from engine.core import Core
from engine.features.earlier import EARLIER
from events.decision import DecisionMade, GatesEvaluated, StageVerdict
from events.market import BarClosed, FeedHealthChanged
from events.reasons import N3, N5
from tests.engine.fabricated import (
    SmallMarket,
    frame_fact,
    full_packet,
    relaxed,
    run_core,
    small_facts,
)

FUTURE = 1
SILENT = (6, 7)
AFTER = 3
MINUTE_NS = 60_000_000_000


def _stage(event: GatesEvaluated, name: str) -> StageVerdict:
    return next(stage for stage in event.official if stage.stage == name)


def test_after_a_gap_nothing_is_decided_on_indicators_until_they_are_warm() -> None:
    """F01: the gap is GAP and LIVE in the journal; from its end until three bars of the index have
    closed N3 refuses with WARMUP_AFTER_GAP, the regime and all behind it are UNKNOWN for want of
    N3, and no trade is made; then they are asked again. Before it they were."""
    market = SmallMarket(minutes=14, silent=SILENT)
    run = run_core(
        small_facts(market, relaxed(warmup={"bars_min": 3, "bars_after_gap_min": AFTER}))
    )
    health = [
        (entry.ts, entry.event.status, entry.event.reason)
        for entry in run.entries
        if isinstance(entry.event, FeedHealthChanged)
    ]
    assert [one[1:] for one in health] == [
        ("LIVE", "FEED_STARTED"), ("GAP", "FEED_GAP"), ("LIVE", "FEED_RESUMED"),
    ]  # fmt: skip
    gap_ns, back_ns = health[1][0], health[2][0]
    warm_ns = market.open_ns + (SILENT[-1] + 1 + AFTER) * MINUTE_NS
    counts = {"before": 0, "cold": 0, "warm": 0}
    for group in run.groups:
        for entry in group.derived:
            event = entry.event
            if isinstance(event, DecisionMade) and gap_ns <= entry.ts < warm_ns:
                assert event.outcome == "NO_TRADE"
            if not isinstance(event, GatesEvaluated):
                continue
            warm, regime = _stage(event, N3), _stage(event, N5)
            if back_ns <= entry.ts < warm_ns:
                counts["cold"] += 1
                assert (warm.verdict, warm.reason) == ("BLOCK", "WARMUP_AFTER_GAP")
                assert (regime.verdict, regime.depends_on) == ("UNKNOWN", N3)
            elif entry.ts >= warm_ns:
                counts["warm"] += 1
                assert warm.verdict == "PASS"
                assert regime.depends_on is None
            elif entry.ts < gap_ns and warm.verdict == "PASS":
                counts["before"] += 1
    sys.stdout.write(f"cycles: {counts}\n")
    assert all(counts.values())


def test_the_first_tick_after_a_gap_brings_its_volume_into_no_bar() -> None:
    """F01: what the day's volume grew by in the gap is in neither of the bars at its ends, nor in
    any other: their sum is short of the day's by just that."""
    market = SmallMarket(minutes=14, silent=SILENT)
    run = run_core(small_facts(market, relaxed()))
    bars = [
        entry.event
        for entry in run.entries
        if isinstance(entry.event, BarClosed)
        and (entry.event.instrument, entry.event.bar_ms) == (FUTURE, 60_000)
    ]
    step = 65 * 20
    ticks = 60_000 // market.every_ms
    whole = [bar.volume_units for bar in bars]
    assert len(bars) == market.minutes - len(SILENT)
    after = next(bar for bar in bars if bar.start_ts == market.open_ns + 8 * MINUTE_NS)
    assert after.volume_units == (ticks - 1) * step, "its first tick only moved the base"
    seen = sum(one for one in whole if one is not None)
    grown = (market.minutes * ticks - 1) * step
    assert grown - seen == (len(SILENT) * ticks + 1) * step


def test_canary_without_a_gap_the_first_tick_counts() -> None:
    """The same tick without a silence before it is in its bar."""
    core = Core()
    market = SmallMarket(minutes=14)
    core = run_core(list(small_facts(market, relaxed()))[:5], core).core
    token = market.instruments()[FUTURE].token
    for k, volume in enumerate((700, 765, 9_000)):
        ts = market.open_ns + k * 1_000_000_000
        packet = full_packet(token, 2_400_000, 65, volume, ts // 10**9)
        core.step(core.state.seq + 1, ts, frame_fact([packet]))
    acc = core.state.accs[core.look.slot_of[FUTURE]]
    assert acc[5] - acc[6] == 9_000 - 700


def test_vwap_and_the_opening_range_begin_with_the_day() -> None:
    """What may use yesterday's bars at 09:15 is one table (``engine.features.earlier``, shown in
    docs/FEATURES.md and held by ``tests/engine/features/test_earlier.py``): these two may not."""
    may = {name: allowed for name, allowed, _ in EARLIER}
    assert not may["vwap_session"]
    assert not may["vwap_rolling"]
    assert not may["opening_range"]
    assert may["atr"]

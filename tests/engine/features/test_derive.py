"""Features through the core: when they are said, what they rest on, what they keep."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from engine.apply import Entry
from engine.bars import MINUTE_NS
from engine.core import Core
from engine.features.derive import features_due
from engine.history import history_due
from events.base import Event
from events.features import FeaturesDerived
from events.feed import TimerTick
from events.market import BarClosed
from events.reasons import BY_CODE
from events.session import SessionOpened
from events.wire.kite import encode_index, encode_ltp
from tests.engine import test_history as history
from tests.engine.fabricated import (
    CoreRun,
    SmallMarket,
    frame_fact,
    relaxed,
    run_core,
    small_facts,
)

BOTH = SmallMarket(minutes=24, names=("NIFTY", "BANKNIFTY"), every_ms=10_000, cadence_ms=20_000)
OPEN = BOTH.open_ns


@functools.cache
def both() -> CoreRun:
    """A day of two underlyings, long enough for an opening range."""
    return run_core(small_facts(BOTH, relaxed()))


def told(run: CoreRun, name: str = "NIFTY") -> list[FeaturesDerived]:
    """What was derived of an underlying, in order."""
    events = [e for e in run.events("FeaturesDerived") if isinstance(e, FeaturesDerived)]
    return [one for one in events if one.underlying == name]


def leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every scalar inside a record with its path; a peer is called by its name."""
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from leaves(getattr(value, name), f"{path}.{name}" if path else name)
    elif isinstance(value, tuple):
        for one in value:
            yield from leaves(one, one.name)
    else:
        yield path, value


def unknown_leaves(event: FeaturesDerived) -> set[str]:
    """The paths of what is not known, read off the values."""
    values = leaves(replace(event, unknown=()), "")
    return {path for path, value in values if value is None or value == "UNKNOWN"}


def test_features_are_said_once_a_declared_bar_at_the_first_tick_after_it() -> None:
    """Each underlying, each bar of its index, in a tick's group before that tick's snapshots and
    after its bars; the regime follows from them there."""
    run = both()
    for u, name in enumerate(BOTH.names):
        ended = [
            event.start_ts
            for event in run.events("BarClosed")
            if isinstance(event, BarClosed)
            and event.bar_ms == 60_000
            and event.instrument == run.core.state.underlyings[u].index
        ]
        starts = [one.bar_start_ts for one in told(run, name)]
        # The last bar ends with the session, after its last tick.
        assert starts == ended[: len(starts)]
        assert len(ended) - len(starts) <= 1
    for group in run.groups:
        kinds = [entry.kind for entry in group.derived]
        if "FeaturesDerived" in kinds:
            assert isinstance(group.fact.event, TimerTick)
            first = kinds.index("FeaturesDerived")
            assert "BarClosed" not in kinds[first:]
            assert "SnapshotTaken" not in kinds[:first]
            assert kinds[first + 1] in ("FeaturesDerived", "RegimeAssessed")
    # They are due no more once they are said.
    tick = next(g for g in reversed(run.groups) if g.fact.kind == "TimerTick")
    until = run_core([(e.ts, e.event) for e in facts_until(run, tick.fact.seq)]).core
    assert features_due(until.state, until.look) == []


def facts_until(run: CoreRun, seq: int) -> list[Entry]:
    """The facts of a run up to a seq."""
    return [group.fact for group in run.groups if group.fact.seq <= seq]


def test_what_is_unknown_is_named_with_its_code_and_nothing_else_is() -> None:
    """A line for each value that is None or UNKNOWN, each with a code of the table."""
    for name in BOTH.names:
        for event in told(both(), name):
            named = {line.rpartition(" ")[0]: line.rpartition(" ")[2] for line in event.unknown}
            assert set(named) == unknown_leaves(event)
            assert len(named) == len(event.unknown)
            assert {BY_CODE[code].stage for code in named.values()} <= {"FEATURE"}


def test_the_state_holds_the_last_and_a_peer_says_what_the_other_says_of_itself() -> None:
    """Momentum of one index is the other's peer, at the same bar; both are of the bars' closes."""
    run = both()
    for u, name in enumerate(BOTH.names):
        assert run.core.state.markets[u].features == told(run, name)[-1]
    ours, theirs = told(run)[-1], told(run, "BANKNIFTY")[-1]
    assert ours.bar_start_ts == theirs.bar_start_ts
    peer = ours.peers[0]
    assert [one.name for one in ours.peers] == ["BANKNIFTY", "INDIA VIX"]
    assert peer.change_5m_ppm == theirs.momentum.change_5m_ppm is not None
    assert peer.change_15m_ppm == theirs.momentum.change_15m_ppm is not None
    closes = [
        event.close_paise
        for event in run.events("BarClosed")
        if isinstance(event, BarClosed) and (event.instrument, event.bar_ms) == (0, 60_000)
        and event.start_ts <= ours.bar_start_ts
    ]  # fmt: skip
    change = (closes[-1] - closes[-2]) * 1_000_000 / closes[-2]
    assert ours.momentum.change_1m_ppm == pytest.approx(change, abs=0.51)
    assert ours.opening_range.high_paise is not None
    assert ours.opening_range.broken in ("UP", "DOWN", "NONE")
    assert ours.future_vwap.rolling_paise is not None
    assert ours.implied.session_rank_milli is not None
    assert ours.open_interest.span_min is not None


def test_on_pages_of_five_minute_bars_everything_works_or_is_unknown() -> None:
    """A market of pages: features once in five minutes, after the page is whole."""
    market = SmallMarket(minutes=40, pages=True)
    facts: list[tuple[int, Event]] = []
    for ts, event in small_facts(market, relaxed()):
        if isinstance(event, SessionOpened):
            lacks = ("depth_beyond_1",)
            event = replace(event, market=replace(event.market, bar_ms=300_000, lacks=lacks))
        facts.append((ts, event))
    run = run_core(facts)
    found = told(run)
    assert [(one.bar_start_ts - market.open_ns) // MINUTE_NS for one in found] == list(
        range(0, 35, 5)
    )
    last = found[-1]
    assert last.opening_range.side != "UNKNOWN"
    assert last.momentum.change_15m_ppm is not None
    assert last.open_interest.calls_build != "UNKNOWN"
    assert last.imbalance.future_milli is None
    assert "imbalance.future_milli FEATURE_NOT_OFFERED" in last.unknown
    for event in found:
        assert {line.rpartition(" ")[0] for line in event.unknown} == unknown_leaves(event)


def test_a_gap_makes_windows_unknown_until_it_lies_behind_them() -> None:
    """Two silent minutes: a change over a minute is known again two bars later, one over ten only
    once the gap has passed; the code says why."""
    market = SmallMarket(minutes=24, silent=(6, 7), every_ms=10_000, cadence_ms=10_000)
    by_bar = {
        (one.bar_start_ts - market.open_ns) // MINUTE_NS: one
        for one in told(run_core(small_facts(market, relaxed())))
    }
    after = by_bar[8]
    assert "momentum.change_5m_ppm FEATURE_GAP" in after.unknown
    assert "opening_range.side FEATURE_GAP" in after.unknown
    assert by_bar[10].momentum.change_1m_ppm is not None
    assert by_bar[13].momentum.change_5m_ppm is None
    assert by_bar[14].momentum.change_5m_ppm is not None
    assert by_bar[22].opening_range.side == "UNKNOWN"


def test_a_late_start_is_unknown_and_candles_make_the_day_whole() -> None:
    """Rebuilt from HistoryLoaded: what rests on minutes is what a whole day would have had."""
    late = range(300)
    facts = history._without(late, history._day())
    lone = told(run_core(facts))
    assert lone[-1].opening_range.side == "UNKNOWN"
    assert "opening_range.side FEATURE_NOT_SEEN" in lone[-1].unknown
    assert "open_gap.open_paise FEATURE_NOT_SEEN" in lone[-1].unknown
    run, _ = history._answered(facts, 1)
    assert not history_due(run.core.state)
    ours, whole = told(run)[-1], told(history._whole())[-1]
    assert ours.bar_start_ts == whole.bar_start_ts
    assert ours.opening_range == whole.opening_range
    assert ours.opening_range.side != "UNKNOWN"
    assert (ours.momentum, ours.open_gap.open_paise) == (whole.momentum, whole.open_gap.open_paise)
    assert (ours.higher_trend, ours.future_vwap) == (whole.higher_trend, whole.future_vwap)
    assert ours.realised == whole.realised
    tapes = run.core.state.tapes, history._whole().core.state.tapes
    ticks = [
        [replace(one, ticks=0) for one in (*tape.minutes, *tape.future)]
        for (tape,) in tapes
    ]  # fmt: skip
    assert ticks[0] == ticks[1]


def test_with_nothing_but_an_index_the_rest_is_unknown() -> None:
    """No future, no option and no VIX has ticked: each says that it has no quote, or too few."""
    market = SmallMarket(minutes=3)
    token = market.instruments()[0].token
    core = run_core(list(small_facts(market, relaxed()))[:5]).core
    said: list[Event] = []
    for n in range(4):
        ts = market.open_ns + n * MINUTE_NS
        price = 2_400_000 + n
        packet = encode_index(token, price, price, price, price, 2_390_000 - n, 0, 1_000)
        for fact in (frame_fact([packet]), TimerTick(ts, 0)):
            said += [one.entry.event for one in core.step(core.state.seq + 1, ts, fact)]
    last = [one for one in said if isinstance(one, FeaturesDerived)][-1]
    assert last.open_gap.previous_close_paise == 2_390_000, "the first packet's"
    assert last.open_gap.gap_ppm == round(10_000 * 1_000_000 / 2_390_000)
    assert {line.rpartition(" ")[0] for line in last.unknown} == unknown_leaves(last)
    for line in (
        "open_interest.pcr_oi_milli FEATURE_NO_QUOTE",
        "implied.atm_bps FEATURE_NO_QUOTE",
        "imbalance.future_milli FEATURE_NO_QUOTE",
        "future_vwap.session_paise FEATURE_TOO_FEW",
        "alignment_milli FEATURE_NOT_OFFERED",
        "INDIA VIX.change_1m_ppm FEATURE_TOO_FEW",
    ):
        assert line in last.unknown


def test_a_price_alone_tells_no_close_of_the_day_before() -> None:
    """An index whose first packet is a bare price has none, and its gap is unknown."""
    market = SmallMarket(minutes=3)
    token = market.instruments()[0].token
    core: Core = run_core(list(small_facts(market, relaxed()))[:5]).core
    core.step(core.state.seq + 1, market.open_ns, frame_fact([encode_ltp(token, 2_400_000)]))
    quote = core.state.quotes[0]
    assert quote is not None
    assert quote.close_paise == 0
    ts = market.open_ns + MINUTE_NS
    said = [one.entry.event for one in core.step(core.state.seq + 1, ts, TimerTick(ts, 0))]
    (event,) = [one for one in said if isinstance(one, FeaturesDerived)]
    assert "open_gap.gap_ppm FEATURE_NO_EARLIER_DAY" in event.unknown

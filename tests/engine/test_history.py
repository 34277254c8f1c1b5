"""History: a hole that candles fill leads to the bars that the ticks would have led to."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.bars import FIVE_NS, MINUTE_NS, Bar
from engine.core import Core
from engine.feed import MS
from engine.history import AGAIN_NS, SETTLE_NS, WARMED, HistoryQuery, history_due
from engine.state import BarSlot
from events.base import Event
from events.decision import GatesEvaluated
from events.feed import FeedFrame, FeedStatus, HistoryLoaded, TimerTick
from events.governance import IncidentRaised, IncidentResolved
from events.market import BarClosed, FeedHealthChanged
from events.session import SessionOpened, SessionResumed
from events.wire.kite import HEARTBEAT
from tests.engine.build import SECOND_NS
from tests.engine.fabricated import (
    CoreRun,
    Group,
    SmallMarket,
    frame_of,
    relaxed,
    run_core,
    small_facts,
)

MINUTES = 16
MARKET = SmallMarket(minutes=MINUTES, cadence_ms=10_000)
CONFIG = relaxed(feed={"link_age_ms_max": 10_000})
OPEN = MARKET.open_ns
WITH_BARS = tuple(
    i for i, row in enumerate(MARKET.instruments()) if row.kind in ("INDEX", "FUT", "VIX")
)
INDEX, FUTURE = WITH_BARS[:2]
Facts = Sequence[tuple[int, Event]]


@functools.cache
def _day(bar_ms: int = 60_000, mode: str = "SIM", rate: int = 1) -> Facts:
    """Every fact of the day in real time, the close apart."""
    facts = []
    for ts, event in small_facts(MARKET, CONFIG, mode):
        if isinstance(event, SessionOpened):
            event = replace(event, rate=rate, market=replace(event.market, bar_ms=bar_ms))
        facts.append((ts, event))
    return facts[:-2]


@functools.cache
def _whole(bar_ms: int = 60_000) -> CoreRun:
    return run_core(_day(bar_ms))


@functools.cache
def _minutes() -> tuple[tuple[int, Bar], ...]:
    """The day's minutes as ticks make them, by instrument."""
    slots = _whole().core.state
    return tuple(
        (slot.instrument, minute)
        for slot, kept in zip(slots.slots, slots.history.slots, strict=True)
        for minute in kept.minutes
    )


def _without(hole: range, facts: Facts) -> list[tuple[int, Event]]:
    """The day's facts without the frames of some seconds since the open."""
    first, last = OPEN + hole.start * SECOND_NS, OPEN + hole.stop * SECOND_NS
    return [
        (ts, event)
        for ts, event in facts
        if not (isinstance(event, FeedFrame) and first <= ts < last)
    ]


def _candles(instrument: int, from_ns: int, to_ns: int, fault: str | None = None) -> HistoryLoaded:
    """What a broker answers: the day's own minutes."""
    rows = [
        minute
        for i, minute in _minutes()
        if i == instrument and from_ns <= minute.start_ts < to_ns and fault is None
    ]
    return HistoryLoaded(
        instrument,
        60_000,
        "test",
        from_ns,
        to_ns,
        tuple(row.start_ts for row in rows),
        tuple(row.open_paise for row in rows),
        tuple(row.high_paise for row in rows),
        tuple(row.low_paise for row in rows),
        tuple(row.close_paise for row in rows),
        tuple(row.volume or 0 for row in rows),
        fault,
    )


def _answered(facts: Iterable[tuple[int, Event]], delay_ns: int) -> tuple[CoreRun, int]:
    """Run facts, answering each question so long after it is due; and when the last was answered.
    Facts that come at the same time come first."""
    core, last = Core(), 0
    groups: list[Group] = []
    open_until: dict[HistoryQuery, int] = {}
    for ts, event in facts:
        for query, due in sorted(open_until.items(), key=lambda pair: pair[1]):
            if due < ts:
                answer = _candles(query.instrument, query.from_ns, query.to_ns)
                groups += run_core([(max(due, core.now), answer)], core).groups
                del open_until[query]
                last = due
        groups += run_core([(ts, event)], core).groups
        if isinstance(event, TimerTick):
            for query in history_due(core.state):
                open_until.setdefault(query, ts + delay_ns)
    return CoreRun(core, tuple(groups)), last


def _told(run: CoreRun, from_ns: int) -> list[BarClosed]:
    """Bars that began at a time or later, all that candles cannot know set alike."""
    return [
        replace(entry.event, ticks=0)
        for entry in run.entries
        if isinstance(entry.event, BarClosed)
        and entry.event.start_ts >= from_ns - (entry.event.bar_ms == 300_000) * FIVE_NS
        and entry.ts >= from_ns + MINUTE_NS
    ]


def _alike(slots: Iterable[BarSlot]) -> list[BarSlot]:
    """Slots without the counts of ticks."""
    return [
        replace(
            slot,
            five=tuple(replace(bar, ticks=0) for bar in slot.five),
            closed=tuple(replace(bar, ticks=0) for bar in slot.closed),
        )
        for slot in slots
    ]


@given(
    st.one_of(st.just(0), st.integers(10, 400)),
    st.integers(15, 400),
    st.sampled_from((0, SECOND_NS, 40 * SECOND_NS, 150 * SECOND_NS)),
    st.sampled_from((60_000, 300_000)),
)
@settings(deadline=None, max_examples=12)
def test_a_hole_that_candles_fill_leads_to_the_bars_of_the_whole_day(
    start_s: int, length_s: int, delay_ns: int, bar_ms: int
) -> None:
    """However the hole lies (at the start, or a gap), whatever came before the answer, and however
    long the declared bar: prices, volume, VWAP, indicators, volatility and the day's range at all
    bars after are those of the day as ticks; only ticks per bar differ."""
    whole = _whole(bar_ms)
    facts = _without(range(start_s, start_s + length_s), _day(bar_ms))
    run, answered_ns = _answered(facts, delay_ns)
    assert answered_ns > OPEN, "the candles were never asked for"
    after = answered_ns - answered_ns % MINUTE_NS
    theirs, ours = _told(whole, after), _told(run, after)
    assert ours == theirs
    assert len(ours) >= 3 or answered_ns > MARKET.close_ns - 3 * MINUTE_NS
    assert _alike(run.core.state.slots) == _alike(whole.core.state.slots)
    for one, other in zip(run.core.state.markets, whole.core.state.markets, strict=True):
        assert one.day_open_paise == other.day_open_paise
        assert (one.day_high_paise, one.day_low_paise) == (
            other.day_high_paise,
            other.day_low_paise,
        )


def test_without_candles_the_bars_after_a_hole_are_others() -> None:
    """Canary: the property above does not hold by itself."""
    run = run_core(_without(range(240), _day()))
    late = OPEN + 10 * MINUTE_NS
    assert _told(run, late) != _told(_whole(), late)


def test_what_is_asked_for_and_when() -> None:
    """Once the minute in which the feed began is over, once an instrument, from the open on; after
    the answer not again."""
    core, first = Core(), None
    for ts, event in _without(range(200), _day()):
        core.step(core.state.seq + 1, ts, event)
        if first is None and history_due(core.state):
            first = ts
            break
    due = OPEN + 4 * MINUTE_NS + SETTLE_NS
    assert first is not None and due <= first < due + 3 * SECOND_NS
    asked = history_due(core.state)
    assert [one.instrument for one in asked] == list(WITH_BARS)
    assert {(one.from_ns, one.to_ns) for one in asked} == {(OPEN, OPEN + 4 * MINUTE_NS)}
    for one in asked:
        run_core([(first, _candles(one.instrument, one.from_ns, one.to_ns))], core)
    assert history_due(core.state) == ()
    assert core.state.markets[0].bars_since_gap == 4


def _asked() -> Core:
    """A session whose first four minutes are asked for."""
    core = Core()
    for ts, event in _without(range(200), _day()):
        core.step(core.state.seq + 1, ts, event)
        if history_due(core.state):
            return core
    raise AssertionError("nothing was asked")


GOOD = _candles


def _bad(**columns: object) -> HistoryLoaded:
    return replace(GOOD(INDEX, OPEN, OPEN + 4 * MINUTE_NS), **columns)


BAD = {
    "a fault": lambda: _candles(INDEX, OPEN, OPEN + 4 * MINUTE_NS, "TIMEOUT"),
    "no candle": lambda: _candles(INDEX, OPEN, OPEN + 4 * MINUTE_NS, ""),
    "a short column": lambda: _bad(closes_paise=(2_412_340,)),
    "rupees": lambda: _bad(
        **{
            name: tuple(price // 100 for price in getattr(_bad(), name))
            for name in ("opens_paise", "highs_paise", "lows_paise", "closes_paise")
        }
    ),
    "low above open": lambda: _bad(lows_paise=tuple(p + 1 for p in _bad().highs_paise)),
    "twice": lambda: _bad(starts=(OPEN, OPEN, OPEN + 2 * MINUTE_NS, OPEN + 3 * MINUTE_NS)),
    "off the minute": lambda: _bad(starts=tuple(s + SECOND_NS for s in _bad().starts)),
    "yesterday": lambda: _bad(starts=tuple(s - 86_400 * SECOND_NS for s in _bad().starts)),
    "a negative volume": lambda: _bad(volumes_units=(-1, 0, 0, 0)),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_candles_change_nothing_and_are_told_once(kind: str) -> None:
    """Bars and ranges stay; an incident says it; it is asked again with waits that double, and the
    incident ends with the candles."""
    core = _asked()
    before = core.state
    answer = BAD[kind]()
    if kind == "no candle":
        answer = replace(answer, fault=None)
    run = run_core([(before.now, answer)], core)
    after = core.state
    assert (after.slots, after.markets, after.accs) == (before.slots, before.markets, before.accs)
    (told,) = [e.event for e in run.entries if isinstance(e.event, IncidentRaised)]
    assert (told.code, told.severity) == ("HISTORY_FAILED", 3)
    assert INDEX not in [one.instrument for one in history_due(after)]
    beat = frame_of(HEARTBEAT)
    run_core([(before.now + AGAIN_NS, beat)], core)
    assert INDEX in [one.instrument for one in history_due(core.state)]
    again = run_core([(core.now, answer), (core.now + AGAIN_NS, beat)], core)
    assert not [e for e in again.entries if e.kind == "IncidentRaised"]
    assert INDEX not in [one.instrument for one in history_due(core.state)], "twice the wait"
    run_core([(core.now + AGAIN_NS, beat)], core)
    assert INDEX in [one.instrument for one in history_due(core.state)]
    good = run_core([(core.now, GOOD(INDEX, OPEN, OPEN + 4 * MINUTE_NS))], core)
    assert [e.event.code for e in good.entries if isinstance(e.event, IncidentResolved)] == [
        "HISTORY_FAILED"
    ]
    sys.stdout.write(f"{len(BAD)} kinds of bad answers\n")


def test_candles_that_the_end_kept_from_being_asked_for_are_no_incident() -> None:
    """CLOSING is our own word: nothing is told, and nothing is taken in."""
    core = _asked()
    before = core.state
    answer = _candles(INDEX, OPEN, OPEN + 4 * MINUTE_NS, "CLOSING")
    run = run_core([(before.now, answer)], core)
    assert [one for one in run.entries if isinstance(one.event, IncidentRaised)] == []
    assert core.state.slots == before.slots


def test_an_answer_that_nobody_waits_for_changes_nothing() -> None:
    """The same candles again, another window, another bar, an option, no instrument at all."""
    core = _asked()
    window = (OPEN, OPEN + 4 * MINUTE_NS)
    run_core([(core.now, GOOD(INDEX, *window))], core)
    known = core.state
    for answer in (
        GOOD(INDEX, *window),
        GOOD(FUTURE, OPEN, OPEN + 3 * MINUTE_NS),
        replace(GOOD(FUTURE, *window), bar_ms=300_000),
        replace(GOOD(FUTURE, *window), instrument=FUTURE + 1),
        replace(GOOD(FUTURE, *window), instrument=99_999),
        replace(GOOD(FUTURE, *window), instrument=-1),
    ):
        run_core([(core.now, answer)], core)
        assert replace(core.state, seq=known.seq) == known


def test_evidence_says_that_bars_rest_on_candles() -> None:
    """The rows of N3 carry the mark from the answer on, and not before."""
    run, answered_ns = _answered(_without(range(200), _day()), SECOND_NS)
    seen = {False: 0, True: 0}
    for entry in run.entries:
        if isinstance(entry.event, GatesEvaluated):
            rows = entry.event.official[2].rows
            late = entry.ts >= answered_ns
            assert all((WARMED in row.marks) == late for row in rows)
            seen[late] += 1
    assert min(seen.values()) > 5, seen


def test_a_backtest_and_a_market_without_history_ask_for_nothing() -> None:
    """Rate 0: no minute is kept and nothing is wanted. A market that lacks history: the same."""
    run = run_core(_without(range(60, 200), _day(60_000, "BACKTEST", 0)))
    assert all(not slot.minutes and not slot.wanted for slot in run.core.state.history.slots)
    lacking = [
        (ts, replace(e, market=replace(e.market, lacks=("history",))))
        if isinstance(e, SessionOpened)
        else (ts, e)
        for ts, e in _day()
    ]
    run = run_core(_without(range(60, 200), lacking))
    assert not any(slot.wanted for slot in run.core.state.history.slots)


def test_a_feed_that_began_before_the_open_misses_nothing() -> None:
    """Canary of the start: frames before 09:15 leave no hole."""
    facts = list(_day())
    (at, frame) = next((ts, e) for ts, e in facts if isinstance(e, FeedFrame))
    place = next(i for i, (ts, _) in enumerate(facts) if ts == at)
    facts.insert(place, (at - 5 * SECOND_NS, frame))
    run = run_core(facts)
    assert not any(slot.wanted for slot in run.core.state.history.slots)


def test_a_killed_engine_asks_for_what_it_did_not_see() -> None:
    """After a resumption the first frame ends a gap that began at the last frame before."""
    before = [(ts, e) for ts, e in _day() if ts < OPEN + 400 * SECOND_NS]
    core = _answered(before, SECOND_NS)[0].core
    at = core.now + 150 * SECOND_NS
    last = core.state.feed.last_frame_ns
    resumed = SessionResumed(core.state.seq, "", 0)
    frames = [(ts, e) for ts, e in _day() if ts > at]
    run = run_core(
        [(at, resumed), (at, FeedStatus(0, "CONNECTED", True, 1)), *frames[:200]],
        core,
    )
    assert "FEED_RESUMED" in [
        entry.event.reason for entry in run.entries if isinstance(entry.event, FeedHealthChanged)
    ]
    (window,) = {(one.from_ns, one.to_ns) for one in history_due(core.state)}
    first = frames[0][0]
    assert window == (last - last % MINUTE_NS, first - first % MINUTE_NS + MINUTE_NS)


def test_the_gaps_volume_is_in_no_bar_of_ticks() -> None:
    """The first tick after a gap moves only the base; the candles bring the gap's volume, once."""
    hole = range(130, 290)
    run, _ = _answered(_without(hole, _day()), SECOND_NS)
    place = WITH_BARS.index(FUTURE)
    for state in (run.core.state, _whole().core.state):
        assert state.slots[place].indicators is not None
    ours, theirs = run.core.state.slots[place], _whole().core.state.slots[place]
    assert ours.indicators == theirs.indicators
    without = run_core(_without(hole, _day())).core.state.slots[place].indicators
    assert without is not None and theirs.indicators is not None
    assert 0 < without.volume_sum < theirs.indicators.volume_sum
    assert MS == 1_000_000

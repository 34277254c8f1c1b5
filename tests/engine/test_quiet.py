"""Frames that wait: whenever the state is asked for, it is the one that frame by frame leads to."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine import core as core_module
from engine import quiet as quiet_module
from engine.apply import Entry, apply
from engine.bars import MINUTE_NS
from engine.core import WAITING_MAX, Core, CoreFault
from engine.lookup import Lookup
from engine.quiet import NEVER, QuietFrame, fold_quiet, quiet_frame, quiet_until
from engine.state import State
from events.base import Event
from events.feed import FeedFrame, FeedStatus, TimerTick
from events.wire.kite import (
    HEARTBEAT,
    QUOTE_SIZE,
    encode_frame,
    encode_index,
    encode_ltp,
    encode_quote,
)
from tests.engine.build import SECOND_NS
from tests.engine.fabricated import (
    SmallMarket,
    frame_fact,
    frame_of,
    full_packet,
    relaxed,
    run_core,
    small_facts,
)

MARKET = SmallMarket(minutes=1)
TOKENS = [row.token for row in MARKET.instruments()]
INDEX, FUTURE, OPTION, OTHER = 0, 1, 2, 3
STRANGER = 999 << 8 | 2
UNKNOWN_SEGMENT = 999 << 8 | 0xEE
Facts = Sequence[tuple[int, Event]]


def _live(rate: int = 0) -> Core:
    """A core after the opening facts and a first frame: from here on a good frame is quiet. With a
    ``rate`` it runs by a clock, and judges each silence."""
    return Core(_live_state(rate))


@functools.cache
def _live_state(rate: int) -> State:
    core = run_core(list(small_facts(MARKET, relaxed()))[:5]).core
    state = core.state
    assert state.opened is not None
    core = Core(replace(state, opened=replace(state.opened, rate=rate)))
    core.step(core.state.seq + 1, MARKET.open_ns, frame_of(HEARTBEAT))
    assert core.state.feed.status == "LIVE"
    return core.state


# --- any frames --------------------------------------------------------------------------------


@st.composite
def _packet(draw: st.DrawFn) -> bytes:
    """Mostly full packets of a future and two options; now and then anything the wire may hold."""
    price, volume = draw(st.integers(1, 40)), draw(st.integers(0, 60))
    i = draw(st.sampled_from((FUTURE, FUTURE, FUTURE, OPTION, OTHER)))
    kind = draw(st.sampled_from(("full",) * 6 + ("quote", "ltp", "index", "stranger", "none")))
    stamp = draw(st.integers(1_022, 1_026))
    if kind == "index":
        return encode_index(TOKENS[INDEX], price, 0, 0, 0, 0, 0, draw(st.sampled_from((None, 999))))
    if kind == "ltp":
        return encode_ltp(TOKENS[i], price)
    if kind == "quote":
        return encode_quote(TOKENS[i], price, 65, 0, volume, 0, 0, 0, 0, 0, 0)
    token = draw(st.sampled_from((STRANGER, UNKNOWN_SEGMENT))) if kind == "stranger" else TOKENS[i]
    return full_packet(token, 0 if kind == "none" else price, 65, volume, stamp)


LYING = st.sampled_from((b"", b"\0\0", b"\0\1\0\7" + bytes(7), b"\0\1\0" + bytes((QUOTE_SIZE,))))
FRAMES = st.one_of(
    *[st.lists(_packet(), min_size=1, max_size=12).map(frame_fact)] * 6,
    st.just(frame_of(HEARTBEAT)),
    LYING.map(frame_of),
    st.lists(_packet(), min_size=1, max_size=2).map(lambda p: frame_fact(p, snapshot_end=True)),
)
OTHERS = st.sampled_from(
    (TimerTick(0, 0), FeedStatus(0, "LOST", False, 0), FeedStatus(0, "CONNECTED", True, 9))
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from((0, 1, SECOND_NS, 7 * SECOND_NS, 25 * SECOND_NS)),
        st.one_of(*[FRAMES] * 5, OTHERS),
        st.booleans(),
    ),
    max_size=40,
)


@given(STEPS, st.sampled_from((0, 1, 400)))
@settings(deadline=None)
def test_whoever_asks_and_when_the_state_is_the_same(
    steps: Sequence[tuple[int, Event, bool]], rate: int
) -> None:
    """One core is asked for its state after every fact, so that it folds frame by frame; another
    only here and there. Derivations, states, clock and the state before a fact agree."""
    asked, waiting = _live(rate), _live(rate)
    ts, seq = asked.state.now, asked.state.seq + 1
    for ahead, event, ask in steps:
        ts += ahead
        before = asked.state
        derived = asked.step(seq, ts, event)
        assert waiting.step(seq, ts, event) == derived
        seq += 1 + len(derived)
        assert waiting.now == asked.state.now
        if ask:
            assert waiting.before == before
            assert waiting.state == asked.state
    assert waiting.state == asked.state


@given(
    prices=st.lists(st.integers(1, 40), min_size=4, max_size=4),
    ticks=st.integers(0, 2),
    volumes=st.lists(st.integers(-60, 60), min_size=4, max_size=4),
    frames=st.lists(st.lists(_packet(), min_size=1, max_size=8), min_size=2, max_size=6),
)
@settings(deadline=None)
def test_many_frames_fold_as_one_by_one(
    prices: list[int], ticks: int, volumes: list[int], frames: Sequence[list[bytes]]
) -> None:
    """From any accumulator whose prices a trade can have left: fresh, open, gapped, before its
    first volume."""
    core = _live()
    look, accs = core.look, list(core.state.accs)
    accs[look.slot_of[FUTURE]] = (*prices, ticks, *volumes)
    state = replace(core.state, accs=tuple(accs))
    first = state.seq + 1
    quiet = [
        quiet_frame(frame_fact(packets), state.now + k, first + k)
        for k, packets in enumerate(frames)
    ]
    waited = [one for one in quiet if one is not None]
    assert len(waited) == len(frames)
    assert fold_quiet(state, waited, look) == _one_by_one(state, waited, look)


def _one_by_one(state: State, frames: Sequence[QuietFrame], look: Lookup) -> State:
    for one in frames:
        state = apply(state, Entry(one.seq, "FeedFrame", one.ts, one.seq, one.event), look)
    return state


# --- what waits --------------------------------------------------------------------------------


class Folds:
    """Counts the frames of each fold."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sizes: list[int] = []
        monkeypatch.setattr(core_module, "fold_quiet", self)

    def __call__(self, state: State, frames: Sequence[QuietFrame], look: Lookup) -> State:
        self.sizes.append(len(frames))
        return fold_quiet(state, frames, look)


def _trade(price: int = 15_000) -> FeedFrame:
    return frame_fact([full_packet(TOKENS[FUTURE], price, 65, 700, 9_000)])


def test_frames_wait_for_the_next_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Canary of all of this: frames do wait, and the fast fold takes them all at once."""
    core, folds = _live(), Folds(monkeypatch)
    slow: list[int] = []
    monkeypatch.setattr(quiet_module, "apply_feed_frame", lambda *_: slow.append(1))
    seq = core.state.seq
    for k in range(1, 6):
        assert core.step(seq + k, MARKET.open_ns + k, _trade(15_000 + k)) == []
    assert (folds.sizes, core.now) == ([], MARKET.open_ns + 5)
    core.step(seq + 6, MARKET.open_ns + SECOND_NS, TimerTick(0, 0))
    assert (folds.sizes, slow) == ([5], [])
    assert core.state.accs[core.look.slot_of[FUTURE]][:5] == (15_001, 15_005, 15_001, 15_005, 5)


def test_only_so_many_packets_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two ticks the wait is bounded, so that the next decision is never late by much."""
    core, folds = _live(), Folds(monkeypatch)
    many = frame_fact([full_packet(TOKENS[FUTURE], 15_000, 65, 700, 9_000)] * 1_000)
    for seq in range(core.state.seq + 1, core.state.seq + 12):
        core.step(seq, MARKET.open_ns, many)
    assert folds.sizes == [WAITING_MAX // 1_000 + 1] * 2


def test_what_is_not_quiet_does_not_wait() -> None:
    """Before the first frame, with an order or a position, after a gap, on a market of pages: each
    frame may lead to something."""
    core = _live()
    state = core.state
    assert quiet_until(state) == state.bar_end_ns
    assert state.bar_end_ns == MARKET.open_ns + MINUTE_NS
    run = run_core(small_facts(SmallMarket(), relaxed()))
    held: Sequence[str] = ("orders", "positions")
    seen = dict.fromkeys(held, 0)
    again = Core()
    for group in run.groups:
        again.step(group.fact.seq, group.fact.ts, group.fact.event)
        for name in held:
            if getattr(again.state, name):
                seen[name] += 1
                assert quiet_until(again.state) == NEVER
    assert all(seen.values()), seen
    feed = state.feed
    assert quiet_until(replace(state, feed=replace(feed, status="GAP"))) == NEVER
    assert quiet_until(replace(state, feed=replace(feed, gap_ms=1))) == NEVER
    pages = run_core(list(small_facts(SmallMarket(minutes=1, pages=True), relaxed()))[:9]).core
    assert quiet_until(pages.state) == NEVER
    assert quiet_until(Core().state) == NEVER


def test_a_fold_that_fails_names_a_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect in the fold is ``ENGINE_FAULT`` with seq and kind, whoever asks first."""

    def broken(state: State, frames: Sequence[QuietFrame], look: Lookup) -> State:
        raise ArithmeticError("planted")

    core = _live()
    monkeypatch.setattr(core_module, "fold_quiet", broken)
    seq = core.state.seq + 1
    core.step(seq, MARKET.open_ns, _trade())
    for ask in (lambda: core.state, lambda: core.step(seq + 1, core.now, TimerTick(0, 0))):
        with pytest.raises(CoreFault, match=rf"entry {seq} \(FeedFrame\).*planted"):
            ask()


def test_a_lying_frame_never_waits() -> None:
    """What does not keep its lengths is refused at once, with its derivation."""
    assert quiet_frame(frame_of(encode_frame([encode_ltp(TOKENS[OPTION], 1)])[:-1]), 1, 1) is None
    assert quiet_frame(frame_fact([encode_ltp(TOKENS[OPTION], 1)], snapshot_end=True), 1, 1) is None

"""engine/bars.py: the accumulator against a plain model, volume rules, boundaries, merging."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import bars
from engine.bars import Accumulator, Bar


class Tick(NamedTuple):
    """One step of a generated feed: a gap marker (price 0) or a tick."""

    minute: int
    price: int
    traded: int
    glitch: bool


FEED = st.lists(
    st.builds(
        Tick,
        minute=st.integers(0, 2),
        price=st.sampled_from([0, 95, 99, 100, 101, 107]),
        traded=st.integers(0, 50),
        glitch=st.booleans(),
    ),
    max_size=60,
)


def _close(acc: Accumulator, start_ts: int, length_ns: int) -> Bar | None:
    """``close_bar`` in place."""
    bar, acc[:] = bars.close_bar(tuple(acc), start_ts, length_ns)
    return bar


def plain_bars(feed: list[Tick]) -> list[tuple[int, ...]]:
    """The model: keep each bar's prices and volume contributions as lists, look at them at the end.

    ``minute`` advances the clock by that many bars before the step. A glitch shows volume 0.
    """
    out: list[tuple[int, ...]] = []
    prices: list[int] = []
    volumes: list[int] = []
    minute = cumulative = highest = 0
    known = gapped = False
    for tick in feed:
        if tick.minute and prices:
            row = (minute, prices[0], max(prices), min(prices), prices[-1], len(prices))
            out.append((*row, sum(volumes), int(gapped)))
            prices, volumes, gapped = [], [], False
        minute += tick.minute
        cumulative += tick.traded
        if tick.price == 0:
            known, gapped = False, True
            continue
        prices.append(tick.price)
        shown = 0 if tick.glitch else cumulative
        if known:
            volumes.append(max(shown - highest, 0))
        highest, known = max(shown, highest), True
    return out


def folded_bars(feed: list[Tick]) -> list[tuple[int, ...]]:
    acc = bars.new_accumulator()
    out: list[tuple[int, ...]] = []
    minute = cumulative = 0
    for tick in feed:
        if tick.minute:
            bar = _close(acc, minute, 1)
            if bar is not None:
                out.append(flat(bar))
        minute += tick.minute
        cumulative += tick.traded
        if tick.price == 0:
            bars.mark_gap(acc)
        else:
            bars.fold_tick(acc, tick.price, 0 if tick.glitch else cumulative)
    return out


def flat(bar: Bar) -> tuple[int, ...]:
    prices = (bar.open_paise, bar.high_paise, bar.low_paise, bar.close_paise)
    return (bar.start_ts, *prices, bar.ticks, bar.volume or 0, int(bar.gapped))


@settings(deadline=None)
@given(FEED)
def test_accumulator_agrees_with_the_plain_model(feed: list[Tick]) -> None:
    """Prices, ticks, volume and gap mark of every bar, with gaps and volume glitches anywhere."""
    assert folded_bars(feed) == plain_bars(feed)


def test_the_model_can_disagree() -> None:
    """Canary: the comparison above fails for a feed that differs in one traded unit."""
    feed = [Tick(0, 100, 0, False), Tick(0, 101, 7, False), Tick(1, 101, 0, False)]
    other = [feed[0], feed[1]._replace(traded=8), feed[2]]
    assert folded_bars(feed) != plain_bars(other)


def test_a_blank_volume_books_nothing_twice() -> None:
    """A snapshot that shows 0 and the next that shows the true volume add only what was traded."""
    acc = bars.new_accumulator()
    for cumulative in (236_846, 236_846, 0, 236_900):
        bars.fold_tick(acc, 100, cumulative)
    assert bars.bar_volume(acc) == 54


def test_volume_of_a_gap_is_in_no_bar() -> None:
    """The first tick after a gap moves the base; both bars at the gap's ends are marked."""
    acc = bars.new_accumulator()
    for cumulative in (1_000, 1_010):
        bars.fold_tick(acc, 100, cumulative)
    bars.mark_gap(acc)
    before = _close(acc, 0, 60)
    bars.fold_tick(acc, 101, 5_000)
    bars.mark_return(acc)
    bars.fold_tick(acc, 101, 5_003)
    after = _close(acc, 120, 60)
    bars.fold_tick(acc, 101, 5_010)
    clean = _close(acc, 180, 60)
    found = [(bar.volume, bar.gapped) for bar in (before, after, clean) if bar is not None]
    assert found == [(10, True), (3, True), (7, False)]


def test_an_index_has_no_volume() -> None:
    """Volume is None, not 0, for an instrument that publishes none; prices as with volume."""
    acc = bars.new_accumulator()
    for price in (100, 103, 98):
        bars.fold_price(acc, price)
    bar = bars.freeze(acc, 0, 60)
    assert bar == Bar(0, 60, 100, 103, 98, 98, None, 3, False)


def test_a_minute_without_a_tick_has_no_bar() -> None:
    """close_bar gives None, and freezing an empty accumulator is a programmer's error."""
    acc = bars.new_accumulator()
    assert _close(acc, 0, 60) is None
    with pytest.raises(AssertionError):
        bars.freeze(acc, 0, 60)


def fill(acc: Accumulator, ticks: list[tuple[int, int]]) -> None:
    for price, cumulative in ticks:
        bars.fold_tick(acc, price, cumulative)


@settings(deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.integers(1, 500), st.integers(0, 9)), max_size=4),
        min_size=5,
        max_size=5,
    ).filter(lambda minutes: any(minutes))
)
def test_five_minutes_are_the_merge_of_one_minute_bars(
    minutes: list[list[tuple[int, int]]],
) -> None:
    """Merging five one-minute bars equals folding all their ticks into one accumulator."""
    short, long = bars.new_accumulator(), bars.new_accumulator()
    cumulative, parts = 0, []
    for index, minute in enumerate(minutes):
        ticks = []
        for price, traded in minute:
            cumulative += traded
            ticks.append((price, cumulative))
        fill(short, ticks)
        fill(long, ticks)
        bar = _close(short, index * bars.MINUTE_NS, bars.MINUTE_NS)
        parts += [bar] if bar is not None else []
    length_ns = 5 * bars.MINUTE_NS
    assert bars.merge(tuple(parts), 0, length_ns) == bars.freeze(long, 0, length_ns)


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 100), st.integers(0, 10_000))
def test_bar_start(ts: int, length_ns: int, origin_ts: int) -> None:
    """The start is the only multiple of the length from the origin with start <= ts < its end."""
    start = bars.bar_start(ts, length_ns, origin_ts)
    assert start <= ts < start + length_ns
    assert (start - origin_ts) % length_ns == 0


def test_bar_is_canonical() -> None:
    """A bar survives its own bytes."""
    bar = Bar(0, 60, 100, 103, 98, 98, None, 3, False)
    data = msgspec.msgpack.encode(bar)
    assert msgspec.msgpack.decode(data, type=Bar) == bar

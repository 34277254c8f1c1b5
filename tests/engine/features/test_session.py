"""Opening range, gap of the open, trend of the longer bars: against plain references."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.bars import MINUTE_NS, Bar, merge
from engine.features.reading import GAP, NO_EARLIER_DAY, NOT_SEEN, PENDING, TOO_FEW, UNKNOWN
from engine.features.session import (
    SEPARATION_MILLI_MIN,
    TREND_BARS_MIN,
    higher_trend,
    open_gap,
    opening_range,
)
from engine.features.tape import (
    NEW_TAPE,
    NO_OPENING,
    OPENING_MINUTES,
    TREND_MINUTES,
    TREND_NS,
    Tape,
    refolded,
    start_day,
    with_minute,
)
from tests.engine.features.series import OPEN, minute_bar, minutes


def taped(series: list[Bar], tape: Tape = NEW_TAPE, open_ns: int = OPEN) -> Tape:
    for one in series:
        tape = with_minute(tape, one, open_ns)
    return tape


def at(one: Bar) -> int:
    """The minute's place since the open."""
    return (one.start_ts - OPEN) // MINUTE_NS


def plain_range(series: list[Bar]) -> tuple[object, ...]:
    """High, low, side and first break by definition, or the reason of none."""
    if at(series[0]) != 0:
        return (NOT_SEEN,)
    inside = [one for one in series if at(one) < OPENING_MINUTES]
    lost = False
    for before, one in zip([None, *series], series, strict=False):
        begins = at(one) if before is None else min(at(before) + 1, at(one))
        lost = lost or (one.gapped and begins < OPENING_MINUTES)
    if lost:
        return (GAP,)
    if at(series[-1]) < OPENING_MINUTES - 1:
        return (PENDING,)
    high, low = max(o.high_paise for o in inside), min(o.low_paise for o in inside)
    after = [one for one in series if at(one) >= OPENING_MINUTES]
    words = ["UP" if o.close_paise > high else "DOWN" for o in after
             if not low <= o.close_paise <= high]  # fmt: skip
    close = series[-1].close_paise
    side = "ABOVE" if close > high else "BELOW" if close < low else "INSIDE"
    return high, low, side, words[0] if words else "NONE"


@given(st.one_of(minutes(), minutes(holes=False), minutes(first=3)))
@settings(deadline=None)
def test_the_opening_range_is_that_of_the_days_first_minutes(series: list[Bar]) -> None:
    """Range, side, first break, or the reason of none, equal the plain definition, at every
    minute of the day."""
    for count in range(1, len(series) + 1):
        found, unknown = opening_range(taped(series[:count]), OPEN)
        expected = plain_range(series[:count])
        if len(expected) == 1:
            assert (found.high_paise, found.side, found.broken) == (None, UNKNOWN, UNKNOWN)
            assert {line.rpartition(" ")[2] for line in unknown} == set(expected)
        else:
            values = found.high_paise, found.low_paise, found.side, found.broken
            assert (values, unknown) == (expected, ())


def rising(first: int, last: int, step: int = 100) -> list[Bar]:
    return [minute_bar(n, [2_400_000 + step * n]) for n in range(first, last)]


def test_a_day_begins_with_no_range_of_the_day_before() -> None:
    """[BUG] of the previous system: its range was never reset, so the first day's bias stood for
    ever. A new day knows nothing until its own first minutes are over."""
    yesterday = taped(rising(0, 40))
    assert opening_range(yesterday, OPEN)[0].broken == "UP"
    later = OPEN + 86_400 * 1_000_000_000
    today = [replace(one, start_ts=one.start_ts + later - OPEN) for one in rising(0, 40, -100)]
    tape = start_day(yesterday)
    assert opening_range(taped(today[:1], tape, later), later)[0].broken == UNKNOWN
    found, _ = opening_range(taped(today, tape, later), later)
    assert (found.high_paise, found.broken) == (2_400_000, "DOWN")


def test_a_start_in_the_middle_of_the_day_is_unknown_until_the_candles_come() -> None:
    """[BUG] of the previous system: a mid-day start was NEUTRAL for ever. It is UNKNOWN with its
    reason, and with the first minutes' candles it is what a whole day has."""
    whole = rising(0, 90)
    late = [replace(whole[50], gapped=True), *whole[51:]]
    found, unknown = opening_range(taped(late), OPEN)
    assert (found.side, found.broken) == (UNKNOWN, UNKNOWN)
    assert unknown[0] == f"opening_range.high_paise {NOT_SEEN}"
    candles = tuple(replace(one, ticks=0) for one in whole[:51])
    healed = refolded(taped(late), (*candles, *late[1:]), OPEN)
    assert opening_range(healed, OPEN) == opening_range(taped(whole), OPEN)
    assert higher_trend(healed.trend, gapped=True) == higher_trend(taped(whole).trend, gapped=False)


@pytest.mark.parametrize(
    ("first", "close", "expected", "reasons"),
    [
        (minute_bar(0, [1_010_000, 1]), 1_000_000, (1_000_000, 1_010_000, 10_000), set()),
        (minute_bar(0, [1_010_000]), 0, (None, 1_010_000, None), {NO_EARLIER_DAY}),
        (minute_bar(1, [1_010_000]), 1_000_000, (1_000_000, None, None), {NOT_SEEN}),
        (minute_bar(0, [1_010_000], None, True), 1_000_000, (1_000_000, None, None), {NOT_SEEN}),
        (minute_bar(-1, [9]), 1_000_000, (1_000_000, None, None), {NOT_SEEN}),
    ],
    ids=["known", "no earlier day", "late", "a gap in the first minute", "pre-open"],
)
def test_the_gap_needs_the_open_and_the_close_of_the_day_before(
    first: Bar, close: int, expected: tuple[int | None, ...], reasons: set[str]
) -> None:
    """The gap is of the first price of continuous trading; what is missing is named."""
    opening = taped([first]).opening
    found, unknown = open_gap(opening, OPEN, close)
    assert (found.previous_close_paise, found.open_paise, found.gap_ppm) == expected
    assert {line.rpartition(" ")[2] for line in unknown} == reasons
    assert open_gap(NO_OPENING, OPEN, close)[0].open_paise is None


@given(minutes(most=200))
@settings(deadline=None, max_examples=25)
def test_longer_bars_are_the_minutes_of_each_quarter(series: list[Bar]) -> None:
    """The averages are those that talipp makes of minutes grouped by the clock; a bar without two
    thirds of its minutes, or one that is missing, begins the count anew."""
    indicators = pytest.importorskip("talipp.indicators", reason="talipp is not installed here")
    groups: dict[int, list[Bar]] = {}
    for one in series:
        groups.setdefault(at(one) // TREND_MINUTES, []).append(one)
    if at(series[-1]) % TREND_MINUTES != TREND_MINUTES - 1:
        groups.popitem()  # it is open still
    trend = taped(series).trend
    bars = [merge(tuple(g), OPEN + n * TREND_NS, TREND_NS) for n, g in groups.items()]
    count = previous = 0
    for n, group in groups.items():
        count = count if n == previous + 1 else 0
        whole = sum(not one.gapped for one in group) * 3 >= 2 * TREND_MINUTES
        count, previous = (count + 1 if whole else 0), n
    assert trend.bars == count
    if bars:
        assert trend.indicators is not None
        closes = [float(bar.close_paise) for bar in bars]
        # First-value seed: so many copies of the first close before it are the same series to
        # talipp, which begins with a simple average.
        oracle = indicators.EMA(9, closes[:1] * 9 + closes[1:])[-1]
        assert trend.indicators.ema_fast_paise == pytest.approx(oracle, rel=1e-12)


@pytest.mark.parametrize(("step", "word"), [(900, "UP"), (-900, "DOWN"), (0, "FLAT")])
def test_the_trend_needs_an_hour_and_names_its_direction(step: int, word: str) -> None:
    """UNKNOWN before four longer bars, then by how far the averages lie apart."""
    series = [
        minute_bar(n, [2_400_000 + step * n + wave for wave in (0, 700, -700)]) for n in range(90)
    ]
    early, unknown = higher_trend(taped(series[:59]).trend, gapped=False)
    assert early.direction == UNKNOWN
    assert unknown[0] == f"higher_trend.direction {TOO_FEW}"
    assert higher_trend(taped(series[:59]).trend, gapped=True)[1][0].endswith(GAP)
    found, unknown = higher_trend(taped(series).trend, gapped=False)
    assert (found.direction, unknown) == (word, ())
    assert taped(series).trend.bars == 6 >= TREND_BARS_MIN
    apart = found.separation_milli
    assert apart is not None
    assert (abs(apart) >= SEPARATION_MILLI_MIN) == (word != "FLAT")

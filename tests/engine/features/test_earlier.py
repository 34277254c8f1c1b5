"""Which indicator may use an earlier day's bars at the open: the table, held against the code."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec
import pytest
from msgspec.structs import replace

from adapters.rulebook.load import load_rows
from engine.bars import Bar
from engine.features.cross import correlation
from engine.features.earlier import EARLIER
from engine.features.minutes import day_before, opening_tape
from engine.features.momentum import change_over
from engine.features.session import open_gap, opening_range
from engine.features.tape import (
    NEW_TAPE,
    InterestRow,
    Tape,
    start_day,
    step_volatility_day,
    with_future,
    with_minute,
)
from engine.features.volatility import over_days
from engine.features.vwap import rolling_vwap
from engine.indicators import (
    IndicatorState,
    VolatilityState,
    start_session,
    start_volatility_session,
    step_bar,
    step_volatility,
)
from engine.rulebook import Rulebook
from events import features
from events.base import Record
from events.features import FeaturesDerived as Derived
from events.session import CarriedDay
from tests.architecture.source import ROOT
from tests.engine.features.series import OPEN, minute_bar

DAY, BEFORE = 20261120, 20261119
DAY_NS = 86_400 * 1_000_000_000
BOOK = Rulebook(load_rows())


class World(msgspec.Struct, frozen=True):
    """Everything that remembers bars, after some."""

    indicators: IndicatorState | None
    volatility: VolatilityState | None
    tape: Tape


def bars(days_ago: int, count: int) -> list[Bar]:
    """Minutes of a day, unlike those of any other."""
    prices = [2_400_000 + 700 * ((n * n + 3 * days_ago * n) % 17) - 9_000 * days_ago
              for n in range(count)]  # fmt: skip
    series = [minute_bar(n, [prices[n], prices[n] + 500], 40 + n % 7) for n in range(count)]
    return [replace(one, start_ts=one.start_ts - days_ago * DAY_NS) for one in series]


def run(world: World, series: list[Bar], days_ago: int) -> World:
    open_ns = OPEN - days_ago * DAY_NS
    for one in series:
        tape = with_future(with_minute(world.tape, one, open_ns), one, open_ns)
        day = step_volatility_day(tape.volatility, one.start_ts, 1_000 + one.start_ts % 977)
        row = InterestRow(one.start_ts, one.close_paise, 1, 1, ())
        tape = replace(tape, volatility=day, interest=(*tape.interest, row))
        indicators = step_bar(world.indicators, one)
        world = World(indicators, step_volatility(world.volatility, one.close_paise), tape)
    return world


FRESH = World(None, None, NEW_TAPE)


def next_day(world: World) -> World:
    """Between two days, by the functions that the table names."""
    assert world.indicators is not None
    assert world.volatility is not None
    carried = (CarriedDay("NIFTY", BEFORE, world.indicators.close_paise, 1_500),)
    opened = opening_tape("NIFTY", DAY, carried, BOOK)
    tape = replace(
        start_day(world.tape),
        previous_close_paise=opened.previous_close_paise,
        closes_bps=opened.closes_bps,
    )
    return World(start_session(world.indicators), start_volatility_session(world.volatility), tape)


def _indicator(name: str) -> Callable[[World], object]:
    return lambda world: getattr(world.indicators, name)


def _volatility(name: str) -> Callable[[World], object]:
    return lambda world: getattr(world.volatility, name)


READ: dict[str, Callable[[World], object]] = {
    "ema_fast": _indicator("ema_fast_paise"),
    "ema_slow": _indicator("ema_slow_paise"),
    "rsi": _indicator("rsi"),
    "atr": _indicator("atr_paise"),
    "adx": _indicator("adx"),
    "realised_fast": _volatility("fast"),
    "realised_slow": _volatility("slow"),
    "realised_session": lambda world: (
        world.volatility and (world.volatility.session_returns, world.volatility.session_sum)
    ),
    "vwap_session": _indicator("vwap_paise"),
    "twap_session": _indicator("twap_paise"),
    "vwap_rolling": lambda world: rolling_vwap(world.tape.future, world.tape.future[-1].start_ts),
    "opening_range": lambda world: opening_range(world.tape, OPEN),
    "higher_trend": lambda world: world.tape.trend.indicators,
    "open_gap": lambda world: open_gap(world.tape.opening, OPEN, world.tape.previous_close_paise),
    "momentum": lambda world: change_over(world.tape.minutes, world.tape.minutes[-1].start_ts, 5),
    "cross_asset": lambda world: correlation(world.tape.minutes, world.tape.minutes),
    "build_up": lambda world: world.tape.interest,
    "implied_rank_session": lambda world: world.tape.volatility,
    "implied_rank_days": lambda world: over_days(world.tape.closes_bps, 1_400),
}


def test_the_table_names_each_once() -> None:
    """Each row has a reader here, and a reason in words."""
    names = [name for name, _, _ in EARLIER]
    assert sorted(names) == sorted(READ)
    assert len(set(names)) == len(names)
    assert all(why[0].islower() for _, _, why in EARLIER)


def test_the_page_says_the_same() -> None:
    """docs/FEATURES.md holds the table row by row, and every field that an event has."""
    page = (ROOT / "docs" / "FEATURES.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (yes|no) \| (.*) \|$", page, re.MULTILINE)
    assert rows == [(name, "yes" if may else "no", why) for name, may, why in EARLIER]
    families = [
        one
        for one in vars(features).values()
        if isinstance(one, type) and issubclass(one, Record) and one.__module__ == features.__name__
    ]
    own = [one for one in families if one is not Derived]
    assert len(own) == 10
    for field in (name for one in own for name in one.__struct_fields__):
        assert f"`{field}`" in page, field


@pytest.mark.parametrize("count", [1, 16, 40])
@pytest.mark.parametrize(("name", "may", "why"), EARLIER, ids=lambda row: str(row)[:24])
def test_what_says_no_knows_nothing_of_yesterday(
    name: str, may: bool, why: str, count: int
) -> None:
    """After the same bars of today, a day behind it makes no difference where the table says no;
    from the first bar on, VWAP and opening range among them. Where it says yes it makes one."""
    if name == "realised_session":
        # The night's return is the session's first where the averages go on: one return more.
        count += 1
    yesterday = next_day(run(FRESH, bars(1, 45), 1))
    if name == "realised_session":
        yesterday = World(yesterday.indicators, None, yesterday.tape)
    with_it = READ[name](run(yesterday, bars(0, count), 0))
    without = READ[name](run(FRESH, bars(0, count), 0))
    assert (with_it != without) == may, why


def test_the_close_of_the_day_before_is_of_no_other() -> None:
    """A close that is older than the trading day before is none, over a weekend and holidays too;
    volatilities of any earlier day count, of this one not."""
    days = tuple(CarriedDay("NIFTY", day, 100 + n, 1_000 + n) for n, day in enumerate(
        (20261118, 20261119, 20261120)))  # fmt: skip
    tape = opening_tape("NIFTY", DAY, days, BOOK)
    assert (tape.previous_close_paise, tape.closes_bps) == (101, (1_000, 1_001))
    assert opening_tape("NIFTY", DAY, days[:1], BOOK).previous_close_paise == 0
    assert opening_tape("BANKNIFTY", DAY, days, BOOK) == NEW_TAPE
    monday = opening_tape("NIFTY", 20261123, days, BOOK)
    assert (monday.previous_close_paise, monday.closes_bps) == (102, (1_000, 1_001, 1_002))
    assert day_before(20261123, BOOK) == 20261120
    assert day_before(20261123, None) is None
    assert opening_tape("NIFTY", 20261123, days, None).previous_close_paise == 0

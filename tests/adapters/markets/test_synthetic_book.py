"""Quotes of the synthetic market against Black-76, and what its packets may hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.markets.synthetic_book import (
    ASK,
    BID,
    CURVATURE,
    LAST,
    OI,
    OI_HIGH,
    OI_LOW,
    PATTERN,
    PATTERNS,
    SKEW,
    VOLUME,
    Cell,
    Page,
    Pattern,
    Scan,
    first_future_packet,
    full_packet,
    future_packet,
    index_packet,
    new_cell,
    patterns,
    requote,
    trade,
)
from engine.exact import log, sqrt
from engine.options import pricer_for
from events.wire.kite import FullTick, IndexTick, decode_packet

STRIKES = tuple(range(2_165_000, 2_365_001, 5_000))
SHAPES = (patterns(1, 65, 24), patterns(2, 65, 6))
FORWARD, VOL, DF = 2_264_800.0, 0.12, 0.9995
YEARS = 0.0087


def _page(forward: float = FORWARD, stress: float = 0.0) -> Page:
    cells = [new_cell((40_000 + n) << 8 | 2, 0, 65, 6_500) for n in range(2 * len(STRIKES))]
    page = Page(STRIKES, cells, SHAPES, 1.0)
    page.refresh(forward, VOL, YEARS, DF, stress, 0.0)
    page.settle()
    return page


def _opened(page: Page, forward: float) -> list[FullTick]:
    scan = Scan(1, [], True)
    page.scan(0, len(page.cells), forward, VOL, 1_790_000_000, scan)
    ticks = [decode_packet(packet[2:]) for packet in scan.packets]
    assert len(ticks) == len(page.cells)
    return [tick for tick in ticks if isinstance(tick, FullTick)]


def _smile(strike: int, forward: float) -> float:
    x = max(min((log(float(strike)) - log(forward)) / (VOL * sqrt(YEARS)), 5.0), -5.0)
    return VOL * (1.0 + x * (SKEW + CURVATURE * x))


def _theory(strike: int, right: str, forward: int, vol: float) -> float:
    return pricer_for(forward, YEARS, DF, 5).price(float(strike), right, vol)


def test_quotes_stand_around_black_76_on_the_smile() -> None:
    """At the refreshed forward each contract's bid and ask hold its Black-76 price between them, to
    the maker's lean of two paise."""
    page = _page()
    ticks = _opened(page, FORWARD)
    for k, strike in enumerate(STRIKES):
        for c, right in ((2 * k, "CE"), (2 * k + 1, "PE")):
            worth = _theory(strike, right, int(FORWARD), _smile(strike, FORWARD))
            bid, ask = ticks[c].bids[0].price, ticks[c].asks[0].price
            assert bid - 3 <= worth <= ask + 3, (strike, right)


@pytest.mark.parametrize("move", [-1_200.0, -300.0, 300.0, 1_200.0])
def test_delta_and_gamma_reach_to_the_next_refresh(move: float) -> None:
    """Within the refresh reach the cheap pricing is as good as the full one: still inside bid and
    ask, give or take a tick, for the smile held by strike."""
    page = _page()
    assert not page.is_stale(FORWARD + move, VOL, 1.0)
    ticks = _opened(page, FORWARD + move)
    for k, strike in enumerate(STRIKES):
        vol = _smile(strike, FORWARD)
        for c, right in ((2 * k, "CE"), (2 * k + 1, "PE")):
            worth = _theory(strike, right, int(FORWARD + move), vol)
            bid, ask = ticks[c].bids[0].price, ticks[c].asks[0].price
            assert bid - 8 <= worth <= ask + 8, (strike, right)


def test_a_page_is_stale_after_a_move_a_minute_or_a_change_of_volatility() -> None:
    """Each of the three limits asks for a full pricing."""
    page = _page()
    assert not page.is_stale(FORWARD, VOL, 59.0)
    assert page.is_stale(FORWARD, VOL, 60.0)
    assert page.is_stale(FORWARD + 1_300.0, VOL, 1.0)
    assert page.is_stale(FORWARD, VOL + 0.003, 1.0)


def test_stress_and_distance_widen_spreads() -> None:
    """Near the money 10 to 30 bps in calm, about twice that in full stress, wider farther in the
    money; never less than a tick."""
    calm, panic = _opened(_page(), FORWARD), _opened(_page(stress=1.0), FORWARD)

    def spread_bps(tick: FullTick) -> float:
        bid, ask = tick.bids[0].price, tick.asks[0].price
        return 20_000 * (ask - bid) / (ask + bid)

    money = 2 * STRIKES.index(2_265_000)
    assert 8 < spread_bps(calm[money]) < 30
    assert spread_bps(panic[money]) > 1.9 * spread_bps(calm[money])
    assert spread_bps(calm[0]) > 2 * spread_bps(calm[money])
    assert all(tick.asks[0].price - tick.bids[0].price >= 5 for tick in (*calm, *panic))


def test_a_page_keeps_silent_when_nothing_happens() -> None:
    """With the forward unmoved contracts speak by chance only: far ones hardly ever."""
    page = _page()
    _opened(page, FORWARD)
    scan = Scan(2, [], False)
    for _ in range(10):
        page.scan(0, len(page.cells), FORWARD, VOL, 1_790_000_001, scan)
    assert 0 < len(scan.packets) < 10 * len(page.cells) / 3


def test_a_quote_that_stands_changes_one_level() -> None:
    """Its depth goes a step on or back; a quote that moves keeps its sizes."""
    cell: Cell = new_cell(40_001 << 8 | 2, 5, 65, 650)
    for worth, bits, moved, shape in (
        (5_000, 9, True, 9), (5_000, 1, False, 10), (5_000, 0, False, 9), (5_100, 1, True, 9),
    ):  # fmt: skip
        assert requote(cell, worth, 10, bits) is moved
        assert cell[PATTERN] == shape


@pytest.mark.parametrize("shapes", SHAPES)
def test_neighbouring_shapes_differ_in_one_level(shapes: tuple[Pattern, ...]) -> None:
    """Around the circle units or orders of one level change, and the total of its side by as much;
    a total is never less than what is shown."""
    assert len(shapes) == PATTERNS
    for one, two in zip(shapes, (*shapes[1:], shapes[0]), strict=True):
        changed = [n for n in range(20) if one[n] != two[n]]
        assert 1 <= len(changed) <= 2
        assert len({(n // 10, n % 5) for n in changed}) == 1
        for side in range(2):
            units = slice(10 * side, 10 * side + 5)
            moved = sum(two[units]) - sum(one[units])
            assert two[20 + side] - one[20 + side] == moved
            assert two[20 + side] > sum(two[units])


def test_a_window_is_around_the_money() -> None:
    """The window has so many strikes each side, clipped at the chain's ends."""
    page = _page()
    first, last = page.window(FORWARD, 3)
    assert [STRIKES[c // 2] for c in (first, last - 1)] == [2_250_000, 2_280_000]
    assert page.window(2_000_000.0, 3) == (0, 8)
    assert page.window(2_900_000.0, 3) == (2 * 37, 2 * 41)


@given(st.integers(-50, 300_000), st.integers(0, 5_000), st.integers(0, 63), st.integers(1, 8))
def test_every_quote_makes_a_sane_book(worth: int, half: int, shape: int, step: int) -> None:
    """On the tick, bid below ask, five asks rising, bids falling and none at or below zero; an
    absent level is all zeros; quantities are whole lots."""
    cell = new_cell(40_001 << 8 | 2, 5, 65, 650)
    requote(cell, worth, half, shape)
    tick = decode_packet(full_packet(cell, SHAPES[0][shape], 5 * step, 1_790_000_000)[2:])
    assert isinstance(tick, FullTick)
    bids = [level for level in tick.bids if level.price]
    assert all(level.quantity == level.orders == 0 for level in tick.bids if not level.price)
    assert [b.price for b in bids] == sorted({b.price for b in bids}, reverse=True)
    assert [a.price for a in tick.asks] == sorted({a.price for a in tick.asks})
    assert all(level.price % 5 == 0 for level in (*tick.bids, *tick.asks))
    assert all(b.price < tick.asks[0].price for b in bids)
    assert all(level.quantity % 65 == 0 and level.orders > 0 for level in (*bids, *tick.asks))
    assert bool(bids) == (worth - half >= 5)


@given(st.lists(st.integers(0, 511), min_size=1, max_size=30), st.integers(1, 40))
def test_trades_add_up(draws: list[int], scale: int) -> None:
    """Volume grows by whole lots, the last price is a bid or an ask, high and low bound it, the
    average lies between them, open interest stays inside its own extremes."""
    cell: Cell = new_cell(40_001 << 8 | 2, 5, 65, 65_000)
    requote(cell, 10_000, 12, 0)
    before = 0
    for n, bits in enumerate(draws):
        requote(cell, 10_000 + 7 * n, 12, n)
        trade(cell, bits, scale, 1_790_000_000)
        assert cell[VOLUME] > before
        assert cell[VOLUME] % 65 == cell[OI] % 65 == 0
        before = cell[VOLUME]
        assert cell[LAST] in (cell[BID], cell[ASK])
        tick = decode_packet(full_packet(cell, SHAPES[0][0], 5, 1_790_000_000)[2:])
        assert isinstance(tick, FullTick)
        assert tick.low_price <= tick.average_price <= tick.high_price
        assert tick.low_price <= tick.last_price <= tick.high_price
        assert cell[OI_LOW] <= cell[OI] <= cell[OI_HIGH]


def test_a_future_quotes_before_it_trades() -> None:
    """Before the open a future shows a book and no volume; afterwards it trades."""
    cell = new_cell(40_001 << 8 | 2, 2_264_000, 65, 65_000)
    tick = decode_packet(first_future_packet(cell, 2_265_000.0, SHAPES[0], 1_790_000_000)[2:])
    assert isinstance(tick, FullTick)
    assert (tick.volume, tick.last_price, tick.open_price) == (0, 2_264_000, 0)
    assert tick.bids[0].price < 2_265_000 < tick.asks[0].price
    assert future_packet(cell, 2_265_000.0, 0.0, 1 << 9, SHAPES[0], 1_790_000_001)
    assert cell[VOLUME] > 0


def test_an_index_packet_is_high_low_open_close() -> None:
    """The index packet decodes to the numbers that went in."""
    tick = decode_packet(index_packet(256265, [105, 110, 90, 100], 95, 1_790_000_000)[2:])
    assert tick == IndexTick(256265, 105, 110, 90, 100, 95, 10, 1_790_000_000)

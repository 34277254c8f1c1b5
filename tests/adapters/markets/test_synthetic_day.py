"""The synthetic day's clockwork: option time, heartbeats on a quiet line, framing."""

from __future__ import annotations

import itertools

import pytest

from adapters.markets.port import MarketFrame
from adapters.markets.synthetic import PROFILES, SyntheticMarket
from adapters.markets.synthetic_day import Day, Plan, _Chain, _Index, _interest, _trading_days
from adapters.markets.synthetic_random import SplitMix64
from adapters.rulebook.load import load_rows
from engine.rulebook import NS_PER_S, Rulebook, SessionWindow, ist_ns
from events.session import Instrument
from events.wire.kite import HEARTBEAT, walk

BOOK = Rulebook(load_rows())
DAY = 20261120
SMALL = next(profile for profile in PROFILES if profile.name == "small")


def _window() -> SessionWindow:
    window = BOOK.session_window(DAY, "fno")
    assert window is not None
    return window


def _plan(seed: int = 7) -> Plan:
    return Plan(seed, SMALL, DAY, BOOK, _window())


def test_trading_days_skip_weekends_and_holidays() -> None:
    """From Friday 20 Nov one trading day leads to Monday, six to 1 Dec (24 Nov is closed)."""
    assert _trading_days(BOOK, DAY, DAY) == 0
    assert _trading_days(BOOK, DAY, 20261123) == 1
    assert _trading_days(BOOK, DAY, 20261201) == 6


def test_option_time_runs_while_the_market_trades() -> None:
    """Of two trading days to Monday's expiry, a fifth of one is gone at Friday's open and a whole
    one at its close: holding an option through the session costs most of a day's decay."""
    chain, window = _Chain(_plan(), 0), _window()
    opened, closed = window.open_ns // NS_PER_S, window.close_ns // NS_PER_S
    eve = ist_ns(20261119, "15:40") // NS_PER_S
    assert chain._time(0, eve) * 252 == pytest.approx(2.0)
    assert chain._time(0, opened) * 252 == pytest.approx(1.8)
    assert chain._time(0, (opened + closed) // 2) * 252 == pytest.approx(1.4)
    assert chain._time(0, closed) * 252 == pytest.approx(1.0)


def test_a_quiet_line_sends_heartbeats() -> None:
    """With nobody to speak, a frame of one byte comes at least every three seconds."""
    plan = _plan()
    day = Day(plan, _window(), SyntheticMarket(7, "small").schedule())
    day._step = lambda n, at_ns: []  # type: ignore[method-assign]
    frames: list[MarketFrame] = []
    for frame in day._steps():
        frames.append(frame)
        if len(frames) == 50:
            break
    assert all(frame.data == HEARTBEAT for frame in frames)
    gaps = [b.ts - a.ts for a, b in itertools.pairwise(frames)]
    assert max(gaps) <= 3 * NS_PER_S


def test_large_steps_are_cut_into_frames() -> None:
    """450 packets become frames of 200, 200 and 50, a millisecond apart, in order."""
    day = Day(_plan(), _window(), SyntheticMarket(7, "small").schedule())
    index = _Index(256265, 100, 100)
    packets = [index.packet(100.0 + n, 1_790_000_000) for n in range(450)]
    frames = list(day._framed(packets, 1_000))
    assert [walk(frame.data).packets for frame in frames] == [200, 200, 50]
    assert [frame.ts for frame in frames] == [1_000, 1_001_000, 2_001_000]
    assert b"".join(frame.data[2:] for frame in frames) == b"".join(packets)


def test_an_index_says_each_value_once() -> None:
    """The same value to the paisa is not printed again."""
    index = _Index(256265, 100, 95)
    assert index.packet(100.2, 1) != b""
    assert index.packet(100.4, 2) == b""
    assert index.packet(100.6, 3) != b""


def test_open_interest_sits_near_the_money_and_on_round_strikes() -> None:
    """Interest falls with distance, doubles on a round strike, is whole lots and never none."""

    def interest(strike: int, kind: str) -> int:
        row = Instrument(1, "NFO", "X", "NIFTY", kind, 20261123, strike, 65, 5, "exchange")
        return _interest(SplitMix64(1), row, 2_264_000, 0)

    assert interest(2_270_000, "CE") > interest(2_330_000, "CE") > interest(2_430_000, "CE") > 0
    assert interest(2_300_000, "CE") > 1.5 * interest(2_305_000, "CE")
    assert interest(2_280_000, "CE") > interest(2_280_000, "PE")
    assert interest(2_280_000, "CE") % 65 == 0

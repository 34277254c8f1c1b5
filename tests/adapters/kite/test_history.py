"""Candles come whole and in order with their source, or not at all and with a fault."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.kite.broker import KiteReads
from adapters.kite.history import INTERVALS, HistoryRequest, ist_text, load_history, spans
from engine.rulebook import NS_PER_DAY, NS_PER_S, ist_ns
from events.canonical import check_event
from tests.adapters.kite.rest_server import PATIENT, Canned, RestServer, login, refusal
from tests.adapters.kite.test_broker import Clock

TOKEN = 256265
MINUTE = "/instruments/historical/256265/minute"
FROM = ist_ns(20261008, "09:15:00")
REQUEST = HistoryRequest(3, TOKEN, 60_000, FROM, ist_ns(20261008, "09:18:30"))


def candle(minute: int, **changed: Any) -> list[Any]:
    """One candle as the wire has it."""
    row = {"o": 22500.5, "h": 22510.0, "l": 22490.05, "c": 22501.0, "v": 0, **changed}
    return [f"2026-10-08T09:{minute:02d}:00+0530", *(row[key] for key in "ohlcv")]


@pytest.fixture
def server() -> Iterator[RestServer]:
    """A server that answers like a broker."""
    with RestServer() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    """A clock that only waiting moves."""
    return Clock()


@pytest.fixture
def reads(server: RestServer, clock: Clock) -> Iterator[KiteReads]:
    """A broker that may be asked."""
    broker = KiteReads(login, root=server.root, timeouts=PATIENT, pause=clock.wait, clock=clock)
    yield broker
    broker.close()


def test_candles(server: RestServer, reads: KiteReads) -> None:
    """Paise and ns UTC in parallel arrays, the source named, the unfinished candle left out."""
    server.answers[MINUTE] = Canned({"candles": [candle(m) for m in (15, 16, 17, 18)]})
    loaded = load_history(reads, REQUEST)
    check_event(loaded)
    assert (loaded.instrument, loaded.bar_ms, loaded.fault) == (3, 60_000, None)
    assert loaded.source == "kite:historical:minute"
    assert loaded.starts == tuple(FROM + n * 60 * NS_PER_S for n in range(3))
    assert loaded.opens_paise == (2250050,) * 3 and loaded.lows_paise == (2249005,) * 3
    assert loaded.volumes_units == (0, 0, 0)
    query = server.asked[0].query
    assert query["from"] == ["2026-10-08 09:15:00"] and query["to"] == ["2026-10-08 09:18:30"]


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([candle(15), candle(15, c=22502.0)], "DATA candle.date"),
        ([candle(16), candle(15)], "DATA candle.date"),
        ([candle(15, h=22500.0)], "DATA candle.high"),
        ([candle(15, l=22500.75)], "DATA candle.low"),
        ([candle(15, o="22500")], "DATA candle.open"),
        ([candle(15, v=-1)], "DATA candle.volume"),
        ([candle(15, c=22501.005)], "DATA candle.close"),
        ([["yesterday", 1, 1, 1, 1, 1]], "DATA"),
        ([[1, 2]], "DATA"),
        ({"candles": 5}, "DATA"),
    ],
)
def test_damaged_candles(server: RestServer, reads: KiteReads, rows: Any, fault: str) -> None:
    """One damaged candle is the fault of the whole: a gap in the middle would look like history."""
    server.answers[MINUTE] = Canned({"candles": rows} if isinstance(rows, list) else rows)
    loaded = load_history(reads, REQUEST)
    check_event(loaded)
    assert (loaded.fault, loaded.starts, loaded.closes_paise) == (fault, (), ())


def test_both_ends_of_a_span_may_hold_the_same_candle(server: RestServer, reads: KiteReads) -> None:
    """A candle that two requests both give, alike, is taken once."""
    server.answers[MINUTE] = Canned({"candles": [candle(15), candle(15), candle(16)]})
    assert len(load_history(reads, REQUEST).starts) == 2


def test_long_histories_are_cut(server: RestServer, reads: KiteReads, clock: Clock) -> None:
    """Half a year of minutes is four requests, three in a second, each of at most 60 days; a fault
    of one is told and leaves nothing."""
    good = Canned({"candles": []})
    server.answers[MINUTE] = good
    request = HistoryRequest(3, TOKEN, 60_000, FROM - 181 * NS_PER_DAY, FROM)
    assert load_history(reads, request).fault is None
    assert len(server.asked) == 4
    assert sum(clock.waited) == pytest.approx(1.0)
    asked = [(a.query["from"][0], a.query["to"][0]) for a in server.asked]
    assert asked[0][0] == "2026-04-10 09:15:00" and asked[-1][1] == "2026-10-08 09:15:00"
    server.answers[MINUTE] = [
        Canned({"candles": [candle(15)]}), refusal("TokenException", 403), good
    ]  # fmt: skip
    loaded = load_history(reads, request)
    assert (loaded.fault, loaded.starts) == ("TOKEN", ())


def test_a_read_is_tried_again(server: RestServer, reads: KiteReads, clock: Clock) -> None:
    """A read changes nothing, so a passing fault is asked again, twice, a little later; a refusal
    is not."""
    busy = refusal("NetworkException", 429, "Too many requests")
    server.answers[MINUTE] = [busy, busy, Canned({"candles": [candle(15)]})]
    assert len(load_history(reads, REQUEST).starts) == 1
    assert clock.waited == [1.0, 2.0]
    server.answers[MINUTE] = busy
    assert load_history(reads, REQUEST).fault == "RATE"
    assert len(server.asked) == 6
    server.answers[MINUTE] = refusal("InputException", 400, "invalid token")
    assert load_history(reads, REQUEST).fault == "INPUT"
    assert len(server.asked) == 7


def test_a_bar_that_the_broker_has_not(reads: KiteReads) -> None:
    """Another bar length is an error of who asks."""
    with pytest.raises(ValueError, match="no candles of 7000 ms"):
        load_history(reads, HistoryRequest(3, TOKEN, 7000, FROM, FROM))


@given(
    start=st.integers(FROM, FROM + NS_PER_DAY),
    length=st.integers(0, 3000 * NS_PER_DAY),
    days=st.sampled_from(sorted({days for _, days in INTERVALS.values()})),
)
def test_spans_cover_everything_once(start: int, length: int, days: int) -> None:
    """The pieces are in order, a second apart, each short enough, and begin and end as asked."""
    pieces = list(spans(start, start + length, days))
    assert pieces[0][0] == start
    assert 0 <= start + length - pieces[-1][1] < NS_PER_S
    assert all(end - begin < days * NS_PER_DAY for begin, end in pieces)
    for (_, end), (begin, _) in itertools.pairwise(pieces):
        assert begin == end + NS_PER_S


def test_times_as_the_broker_takes_them() -> None:
    """IST, to the second, over midnight UTC."""
    assert ist_text(ist_ns(20261008, "00:00:01")) == "2026-10-08 00:00:01"
    assert ist_text(ist_ns(20261008, "23:59:59")) == "2026-10-08 23:59:59"

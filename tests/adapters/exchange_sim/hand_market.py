"""A market by hand for tests of the server: frames at given times of the day, nothing by chance.

Lives here: ``HandMarket``. Always holds: Friday 20 November 2026, the instruments of
``bench_market``; at 10:00:00 each of them has spoken once.
"""

from __future__ import annotations

from collections.abc import Iterator

from adapters.markets.port import MarketFrame
from engine.rulebook import NS_PER_S, ist_ns
from events.session import CycleRule, Instrument, MarketIdentity
from events.wire.kite import encode_frame, encode_full, encode_index
from tests.adapters.exchange_sim.bench_market import CALL, DAY, FUTURE, NIFTY, PUT, ROWS

START = ist_ns(DAY, "10:00:00")


def at(seconds: float) -> int:
    """So many seconds after 10:00:00 (ns UTC)."""
    return START + int(seconds * NS_PER_S)


def tradable(row: Instrument, last: int, seconds: int = 0, close: int = 10_000) -> bytes:
    """A full packet with ten lots on either side, five paise from the last price; a lot a second
    has traded."""
    stamp = at(seconds) // NS_PER_S
    return encode_full(
        *(row.token, last, 65, last, 6_500 + 65 * seconds, 650, 650),
        *(last, last, last, close),
        *(stamp, 130, 130, 130, stamp),
        [(650, last - 5, 3)],
        [(650, last + 5, 4)],
    )


def index(last: int = 2_262_000, seconds: int = 0) -> bytes:
    """A full packet of the index."""
    stamp = at(seconds) // NS_PER_S
    return encode_index(NIFTY.token, last, last, last, last, 2_250_000, last - 2_250_000, stamp)


OPENING = encode_frame(
    [
        index(),
        tradable(FUTURE, 2_265_000, close=2_250_000),
        tradable(CALL, 10_000),
        tradable(PUT, 10_000),
    ]
)
"""What is sent at 10:00:00: all but the SENSEX option, which never speaks."""


class HandMarket:
    """A market of the opening and of frames at seconds after it."""

    def __init__(self, *later: tuple[float, bytes]) -> None:
        self._later = later

    identity = MarketIdentity("hand", None, None, None, (), 60_000)
    cycle_rule = CycleRule("GRID", 1_000, 0)
    day = DAY
    anchor_ns = ist_ns(DAY, "09:00")
    open_ns = START
    close_ns = ist_ns(DAY, "15:40")
    dump_digest = "0" * 64

    def instruments(self) -> tuple[Instrument, ...]:
        """The five rows of the bench."""
        return ROWS

    def frames(self) -> Iterator[MarketFrame]:
        """The opening and what follows."""
        for seconds, data in ((0.0, OPENING), *self._later):
            yield MarketFrame(at(seconds), data, 0, False)

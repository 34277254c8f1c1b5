"""A recording without cycles is a market on its grid, exactly as far as it was recorded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from adapters.markets.recorded import RecordedMarket
from adapters.rulebook.load import load_rows
from engine.opening import fresh_account, opening_facts, session_opened
from engine.rulebook import NS_PER_S, Rulebook, ist_ns
from events.base import Event
from events.feed import FeedFrame
from events.session import SessionClosed
from tests.engine.fabricated import DAY, SmallMarket, relaxed, small_rows

FRAME = FeedFrame(0, "kite", 1, False, 1, None, b"\0")


def recording(anchor: str, frames: tuple[str, ...], end: str) -> RecordedMarket:
    """Of the small market's instruments, from an IST time on."""
    market, config, rows = SmallMarket(), relaxed(), small_rows()
    opened = session_opened(market, config, rows, "ab" * 32, "RECORD", ist_ns(DAY, anchor))
    opened = replace(opened, cycle_rule=replace(opened.cycle_rule, cadence_ms=1_000))

    def facts() -> Iterator[tuple[int, Event]]:
        for event in opening_facts(opened, fresh_account(config, DAY), market, rows)[:-1]:
            yield opened.anchor_ns, event
        for at in frames:
            yield ist_ns(DAY, at), FRAME
        yield ist_ns(DAY, end), SessionClosed("OPERATOR")

    return RecordedMarket(facts, Rulebook(load_rows()))


@pytest.mark.parametrize(
    ("anchor", "end", "first", "last"),
    [
        ("10:00", "10:05", "10:00", "10:05"),
        ("09:00", "09:20", "09:15", "09:20"),
        ("15:30", "15:45", "15:30", "15:40"),
        ("09:00", "09:05", "09:15", "09:15"),
        ("15:45", "15:50", "15:40", "15:40"),
    ],
)
def test_the_cycles_lie_within_the_recording(anchor: str, end: str, first: str, last: str) -> None:
    """From its first moment in the session to its last; where the two do not meet there is none."""
    market = recording(anchor, (anchor,), end)
    assert (market.open_ns, market.close_ns) == (ist_ns(DAY, first), ist_ns(DAY, last))


def test_the_first_cycle_is_on_the_market_s_grid() -> None:
    """Not at the odd moment at which the recording began."""
    market = recording("10:00", (), "10:05")
    odd = recording("10:00:00", (), "10:05")
    odd._opened = replace(odd._opened, anchor_ns=odd._opened.anchor_ns + 1)
    odd._read()
    assert odd.open_ns == market.open_ns + NS_PER_S

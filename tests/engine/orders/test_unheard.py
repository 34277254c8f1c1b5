"""What ends a position without a word: a square-off or a hand, at any moment, heard or not."""

from __future__ import annotations

import sys

import pytest

from events.broker import OrderSendStarted
from tests.engine.orders.world import MS, Found, World

EVERY_MS = 500
UNTIL_MS = 16_000
HEARD_MS = 600
"""So long the wire of this world takes to tell of something: of what is younger when a message
leaves, nobody can know."""

DEAF = (("drop_updates", 1_000),)


def _crossed(found: Found, start_ns: int, at_ms: int) -> bool:
    """Whether others ended the position in between: our sale had left, or our own cancel of its
    stop was on the way, which is why its end told nothing."""
    at, cancel_ns = start_ns + at_ms * MS, 0
    for ts, event in found.facts_list:
        if not isinstance(event, OrderSendStarted) or event.side != "SELL":
            continue
        if event.action == "CANCEL":
            cancel_ns = ts
            continue
        close_by = abs(ts - at) <= HEARD_MS * MS
        if event.action == "PLACE" and (close_by or 0 < cancel_ns <= at <= ts):
            return True
    return False


@pytest.mark.parametrize("deaf", [False, True], ids=["heard", "unheard"])
@pytest.mark.parametrize("way", ["square_off_ms", "by_hand_ms"])
def test_a_position_that_others_end_is_never_sold_twice(way: str, deaf: bool) -> None:
    """B11, B16: closed by hand or squared off at every moment, with the order updates or without
    one of them: what is heard of it, or shown by the books, is not sold again; the books agree."""
    ran = 0
    for at_ms in range(250, UNTIL_MS, EVERY_MS):
        schedule = {way: at_ms, "faults": DEAF if deaf else ()}
        world = World(**schedule)  # type: ignore[arg-type]
        start_ns = world.start_ns
        found = world.run()
        ran += 1
        if way == "by_hand_ms" and deaf:
            # A hand leaves our stop where it is: until the next books nobody knows.
            continue
        if not _crossed(found, start_ns, at_ms):
            assert found.problems == (), (at_ms, found.problems)
    sys.stdout.write(f"{ran} moments\n")


def test_a_hand_that_sold_is_in_the_position() -> None:
    """B11: somebody sells what we hold: the position ends by it, its stop is withdrawn."""
    found = World(by_hand_ms=4_000).run()
    assert found.problems == ()
    assert found.state.positions == ()
    (stop,) = [one for one in found.state.desk.ended if one.role == "PROTECT"]
    assert stop.leg is not None
    assert (stop.leg.status, stop.leg.cancel_sent) == ("CANCELLED", True)

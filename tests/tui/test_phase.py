"""The phase of the session, by journaled rules and the desk's own times."""

from __future__ import annotations

import msgspec
import pytest

from projections.live.view import LiveView, SessionHours
from tests.projections.live.story import OPEN_NS, a_day
from tests.tui.screen import view_of
from tui.view.phase import phase_of

MINUTE = 60 * 1_000_000_000


@pytest.fixture(scope="module")
def view() -> LiveView:
    return view_of(a_day())


@pytest.mark.parametrize(
    ("minutes", "word", "next_word", "left"),
    [
        (-1, "PRE", "OPEN", 1),
        (0, "OPEN", "NO-ENTRY", 345),
        (344, "OPEN", "NO-ENTRY", 1),
        (345, "NO-ENTRY", "FLATTEN", 5),
        (350, "FLATTEN", "AUCTION", 10),
        (360, "AUCTION", "FLATTEN", 20),
        (380, "FLATTEN", "CLOSED", 5),
        (385, "CLOSED", None, None),
    ],
)
def test_phases_of_a_day(
    view: LiveView, minutes: int, word: str, next_word: str | None, left: int | None
) -> None:
    """Every edge of the day: 15:00 no entry, 15:05 flatten, 15:15 auction, 15:40 close."""
    phase = phase_of(view, OPEN_NS + minutes * MINUTE)
    assert (phase.word, phase.next_word) == (word, next_word)
    assert phase.left_ns == (None if left is None else left * MINUTE)


def test_own_times_inside_the_auction_wait_for_its_end(view: LiveView) -> None:
    """A square-off set for 15:20 shows after the auction, which it cannot hide."""
    settings = tuple(
        msgspec.structs.replace(row, value=1520) if "square_off" in row.key else row
        for row in view.settings
    )
    later = msgspec.structs.replace(view, settings=settings)
    assert phase_of(later, OPEN_NS + 366 * MINUTE).word == "AUCTION"
    assert phase_of(later, OPEN_NS + 380 * MINUTE).word == "FLATTEN"


@pytest.mark.parametrize(
    ("hours", "word"),
    [
        (None, "PHASE ?"),
        (SessionHours(None, None, None, None, None), "PHASE ?"),
        (SessionHours(False, None, None, None, None), "HOLIDAY"),
        (SessionHours(True, None, None, None, None), "SPECIAL"),
    ],
)
def test_without_hours_the_phase_says_so(
    view: LiveView, hours: SessionHours | None, word: str
) -> None:
    """Unknown is unknown, a holiday is a holiday, and neither has a countdown."""
    phase = phase_of(msgspec.structs.replace(view, hours=hours), OPEN_NS)
    assert (phase.word, phase.left_ns) == (word, None)

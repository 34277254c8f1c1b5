"""The day's hours from journaled rules."""

from __future__ import annotations

from events.session import RuleRow
from projections.live.hours import hours_of
from tests.projections.live.story import DAY, OPEN_NS, RULES


def rows(*pairs: tuple[str, str]) -> tuple[RuleRow, ...]:
    return tuple(
        RuleRow(name, "*", 20260101, 20261231, value, "text", "a test", False)
        for name, value in pairs
    )


def test_hours_are_those_of_the_rows() -> None:
    """Open, close and auction in ns UTC."""
    hours = hours_of(rows(*RULES), DAY)
    assert hours is not None
    assert hours.trading_day is True
    assert hours.open_ns == OPEN_NS
    assert hours.close_ns == OPEN_NS + 385 * 60 * 1_000_000_000
    assert hours.auction_from_ns == OPEN_NS + 360 * 60 * 1_000_000_000


def test_a_missing_rule_is_not_a_usual_time() -> None:
    """Without rows nothing is known; without a close there are no hours."""
    empty = hours_of((), DAY)
    assert empty is not None
    assert (empty.trading_day, empty.open_ns) == (None, None)
    partial = hours_of(rows(*(pair for pair in RULES if pair[0] != "session.fno.close")), DAY)
    assert partial is not None
    assert (partial.trading_day, partial.open_ns) == (True, None)


def test_a_sunday_is_no_trading_day() -> None:
    """The calendar's own answer is kept apart from an unknown one."""
    hours = hours_of(rows(*RULES), 20261122)
    assert hours is not None
    assert hours.trading_day is False


def test_a_rulebook_that_contradicts_itself_gives_no_hours() -> None:
    """Overlapping rows, and a time that is none, are unknown, not a crash."""
    assert hours_of(rows(*RULES, ("session.fno.open", "09:00")), DAY) is None
    wrong = rows(*(p for p in RULES if p[0] != "session.fno.open"), ("session.fno.open", "25:99"))
    assert hours_of(wrong, DAY) is None

"""The desk's own times: the settings', a special day's, and never too near to the close."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from engine.rulebook import Rulebook, SessionWindow, ist_ns, resolve_day
from engine.state import State
from engine.times import hhmm_seconds, ist_seconds, own_times
from events.session import RuleRow
from tests.engine.build import at_trade, with_config
from tests.engine.fabricated import DAY, small_rows


def _closing(state: State, hhmm: str, then_ns: int = 0) -> State:
    """The state on a day whose derivatives close at a time, and by ``then_ns`` when it began."""
    assert state.rules is not None
    window = state.rules.fno_nse
    assert isinstance(window, SessionWindow)
    close_ns = ist_ns(DAY, hhmm)
    rules = replace(state.rules, fno_nse=replace(window, close_ns=close_ns))
    return replace(state, rules=rules, closes_ns=(then_ns or close_ns, 0))


def _told(state: State) -> tuple[int, int, int]:
    one = own_times(state, 0)
    return one.last_entry_ns, one.square_off_ns, one.deadline_ns


def _at(*hhmm: str) -> tuple[int, ...]:
    return tuple(ist_ns(DAY, one) for one in hhmm)


def test_by_default_they_are_three_and_in_order() -> None:
    """15:00, 15:05, 15:12."""
    assert _told(at_trade().state) == _at("15:00", "15:05", "15:12")


@pytest.mark.parametrize(
    ("close", "times"),
    [
        ("15:40", ("15:00", "15:05", "15:12")),
        ("15:15", ("15:00", "15:05", "15:12")),
        ("15:14", ("14:59", "15:04", "15:11")),
        ("13:00", ("12:45", "12:50", "12:57")),
    ],
)
def test_an_earlier_close_takes_them_along(close: str, times: tuple[str, ...]) -> None:
    """A day whose rulebook closes it early is left with time to act in."""
    assert _told(_closing(at_trade().state, close)) == _at(*times)


@pytest.mark.parametrize(
    ("close", "times"),
    [
        ("17:00", ("16:20", "16:25", "16:32")),
        ("15:40", ("15:00", "15:05", "15:12")),
        ("15:14", ("14:34", "14:39", "14:46")),
    ],
)
def test_a_close_that_is_amended_moves_them_by_as_much(close: str, times: tuple[str, ...]) -> None:
    """They keep their distance to a close that was 15:40 when the session began."""
    then_ns = ist_ns(DAY, "15:40")
    assert _told(_closing(at_trade().state, close, then_ns)) == _at(*times)


def test_the_deadline_is_never_before_the_square_off() -> None:
    """A square-off that is set beyond the deadline takes it along."""
    state = with_config(at_trade().state, session={"square_off_hhmm": 1520})
    assert _told(state) == _at("15:00", "15:20", "15:20")


def test_a_day_with_rows_of_its_own_has_its_own_times() -> None:
    """Rows dated for the day alone hold on it, whatever the settings say; rows of a longer time are
    no matter of a single day, and two of three are none."""
    names = ("own.last_entry", "own.square_off", "own.deadline")
    times = ("12:10", "12:20", "12:25")

    def resolved(first: int, rows: int) -> tuple[int, ...]:
        own = tuple(
            RuleRow(name, "*", first, DAY, hhmm, "ist", "a test", False)
            for name, hhmm in list(zip(names, times, strict=True))[:rows]
        )
        others = tuple(one for one in small_rows() if one.name not in names)
        return resolve_day(Rulebook((*others, *own)), DAY).own_ns

    assert resolved(DAY, 3) == _at(*times)
    assert resolved(DAY, 2) == resolved(DAY - 1, 3) == ()
    state = at_trade().state
    assert state.rules is not None
    special = replace(state, rules=replace(state.rules, own_ns=resolved(DAY, 3)))
    assert _told(special) == _at(*times)
    # A short session of the evening: what its rows say holds to the close, and moves with it.
    short = _closing(special, "12:21")
    assert _told(short) == _at("12:10", "12:20", "12:21")
    moved = _closing(special, "12:50", ist_ns(DAY, "12:30"))
    assert _told(moved) == _at("12:30", "12:40", "12:45")


def test_without_rules_the_settings_hold() -> None:
    """No rulebook, no close: the settings alone."""
    assert _told(replace(at_trade().state, rules=None)) == _at("15:00", "15:05", "15:12")


def test_times_of_day_are_ist() -> None:
    """HHMM and session times meet in seconds after midnight IST."""
    assert ist_seconds(ist_ns(DAY, "15:05")) == hhmm_seconds(1505) == 15 * 3600 + 300
    assert ist_seconds(ist_ns(DAY, "00:00")) == 0

"""A day that is halted or goes on longer: its hours and phases change from there on."""

from __future__ import annotations

import functools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from adapters.rulebook.load import load_rows
from engine.apply import apply
from engine.lookup import lookup_for
from engine.rulebook import (
    AMENDABLE,
    Rulebook,
    amended_rows,
    amendment_fault,
    hhmm_of,
    ist_ns,
    resolve_day,
)
from engine.state import EMPTY, State
from events.base import Event
from events.decision import DecisionMade
from events.session import SessionAmended, SessionClosed
from tests.engine.build import at_trade, entry_of, later, view_of
from tests.engine.fabricated import DAY, CoreRun, SmallMarket, relaxed, run_core, small_facts

ROWS = load_rows()
MINUTE_NS = 60_000_000_000


def _amended(state: State, name: str, scope: str, value: int | str) -> State:
    event = SessionAmended(name, scope, value, "ana", "NSE circular")
    return apply(state, entry_of(event, state.seq + 1, state.now), lookup_for(state))


@functools.cache
def _run(*amendments: tuple[str, str, str, str]) -> CoreRun:
    """The small market's twelve minutes with amendments, each (at HH:MM:SS, name, scope, value)."""
    facts: list[tuple[int, Event]] = list(small_facts(SmallMarket(), relaxed()))
    for at, name, scope, value in amendments:
        ts = ist_ns(DAY, at)
        place = next(i for i, (then, _) in enumerate(facts) if then > ts)
        facts.insert(place, (ts, SessionAmended(name, scope, value, "ana", "NSE circular")))
    return run_core(facts)


def _not_open(run: CoreRun) -> list[str]:
    """The times of the decisions that N1 refused as not open."""
    return [
        hhmm_of(group.fact.ts)
        for group in run.groups
        for entry in group.derived
        if isinstance(entry.event, DecisionMade) and entry.event.reason == "SESSION_NOT_OPEN"
    ]


def test_a_halt_is_a_later_open() -> None:
    """From the amendment to the new open no entry is decided; before it and after it nothing of the
    hours is in the way."""
    assert _not_open(_run()) == []
    halted = _not_open(_run(("09:18:59", "session.fno.open", "NSE", "09:22")))
    assert (min(halted), max(halted)) == ("09:19", "09:21")
    assert len(halted) == 3 * 12


def test_a_halt_of_the_other_exchange_is_nobodys_here() -> None:
    """NIFTY is of NSE."""
    assert _not_open(_run(("09:18:59", "session.fno.open", "BSE", "09:22"))) == []
    assert len(_not_open(_run(("09:18:59", "session.fno.open", "*", "09:22")))) == 36


def test_a_day_ends_early_and_goes_on_longer() -> None:
    """An earlier close ends entries at once; a later one takes them up again."""
    early = _not_open(_run(("09:18:59", "session.fno.close", "NSE", "09:20")))
    assert (min(early), max(early)) == ("09:20", "09:26")
    both = _not_open(
        _run(
            ("09:18:59", "session.fno.close", "NSE", "09:20"),
            ("09:22:59", "session.fno.close", "NSE", "17:00"),
        )
    )
    assert (min(both), max(both)) == ("09:20", "09:22")


def test_an_extended_close_opens_the_hours_after_the_old_one() -> None:
    """At 15:41 the day is over by the rulebook, and is not once it goes on to 17:00."""
    state = at_trade().state
    evening = later(state, (ist_ns(DAY, "15:41") - state.now) // 1_000_000)
    for known, closed in (
        (evening, True),
        (_amended(evening, "session.fno.close", "NSE", "17:00"), False),
    ):
        window = view_of(known).window
        assert window is not None
        assert (known.now >= window.close_ns) is closed


def test_the_end_of_contracts_that_expire_today_follows() -> None:
    """Only of today's, and only where their own hour is amended."""
    state = at_trade().state
    today = tuple(replace(row, expiry=DAY) if row.expiry else row for row in state.instruments)
    for rows, moves in ((today, True), (state.instruments, False)):
        before = _amended(replace(state, instruments=rows), "session.fno.close", "NSE", "15:31")
        after = _amended(before, "session.fno.expiry_close", "*", "17:00")
        old, new = before.underlyings[0], after.underlyings[0]
        assert (old.expiries[0].close_ns != new.expiries[0].close_ns) is moves
        assert (old.future_close_ns != new.future_close_ns) is moves
        assert new.expiries[0].calls == old.expiries[0].calls


@pytest.mark.parametrize(
    ("name", "scope", "value"),
    [
        ("lot", "NIFTY", 50),
        ("session.fno.close", "NFO", "17:00"),
        ("session.fno.close", "NSE", "25:00"),
        ("session.fno.close", "NSE", 1700),
        ("session.fno.closes", "NSE", "17:00"),
    ],
)
def test_what_cannot_be_amended_changes_nothing(name: str, scope: str, value: int | str) -> None:
    """A lot, another exchange, a time that is none: said in words, and the state stands."""
    assert amendment_fault(name, scope, value) is not None
    state = at_trade().state
    after = _amended(state, name, scope, value)
    assert replace(after, seq=state.seq) == state


def test_without_rules_there_is_nothing_to_amend() -> None:
    """Before the rulebook is loaded an amendment stays what it is: nothing becomes known by it."""
    assert _amended(EMPTY, "session.fno.close", "NSE", "17:00").rules is None


def test_an_amendment_is_re_derived_with_the_rest() -> None:
    """The same facts, amendment among them, give the same state and the same bytes."""
    words = ("09:18:59", "session.fno.open", "NSE", "09:22")
    one, two = _run(words), _run.__wrapped__(words)
    assert one.core.state == two.core.state
    assert [group.datas for group in one.groups] == [group.datas for group in two.groups]
    assert any(isinstance(group.fact.event, SessionClosed) for group in one.groups)


@given(
    st.sampled_from(AMENDABLE), st.sampled_from(("NSE", "BSE", "*")),
    st.integers(9, 17), st.integers(0, 59), st.sampled_from((20260802, 20260803, DAY)),
)  # fmt: skip
def test_amended_rows_are_a_rulebook_that_differs_on_that_day_alone(
    name: str, scope: str, hour: int, minute: int, day: int
) -> None:
    """The new value holds for whom it was said, all else stands, and the rows never overlap."""
    value = f"{hour:02d}:{minute:02d}"
    before, after = Rulebook(ROWS), Rulebook(amended_rows(ROWS, day, name, scope, value, "x"))
    for venue in ("NSE", "BSE"):
        row = after.lookup(name, venue, day)
        known = before.lookup(name, venue, day)
        if scope in (venue, "*"):
            assert row is not None
            assert row.value == value
        else:
            assert row == known
    for other in (20260731, 20260804, 20261119, 20261123):
        assert resolve_day(after, other) == resolve_day(before, other)

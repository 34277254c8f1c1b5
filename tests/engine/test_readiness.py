"""Readiness: a total table, blockers that are gates, and no entry in a state that allows none."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.config import FeedConfig
from engine.feed import LOSSES_WINDOW_NS, apply_feed_status, losses_recent
from engine.gates import feed, governance
from engine.readiness import (
    BLOCKERS,
    BOOTING,
    CLEAR,
    ENTERS,
    SIGNALS,
    STATES,
    TRANSITIONS,
    Blocker,
    after,
    blockers,
    readiness,
    readiness_events,
)
from engine.rulebook import ist_ns
from engine.state import State
from events.feed import FeedStatus
from events.gates import BY_GATE
from events.governance import ReadinessChanged
from events.reasons import N2, N7
from tests.engine.build import view_of
from tests.engine.fabricated import DAY
from tests.engine.orders.test_gates import CASES, SECOND, _desk, acute_one, lost, session


def holes(table: dict[tuple[str, str], str]) -> list[tuple[str, str]]:
    """Pairs without a row, and rows of no pair."""
    wanted = {(state, signal) for state in STATES for signal in SIGNALS}
    return sorted(wanted ^ set(table))


def test_every_state_has_a_row_for_every_signal() -> None:
    """The table is total, leads to states alone, and each of them is reached from another."""
    assert holes(TRANSITIONS) == []
    assert set(TRANSITIONS.values()) == set(STATES)
    reached = {to for (state, _), to in TRANSITIONS.items() if state != to}
    assert reached == set(STATES) - {BOOTING}
    with pytest.raises(KeyError):
        after("ASLEEP", CLEAR)


def test_canary_a_missing_row_is_found() -> None:
    """Without one row the table is not total."""
    short = {pair: to for pair, to in TRANSITIONS.items() if pair != (BOOTING, CLEAR)}
    assert holes(short) == [(BOOTING, CLEAR)]


@pytest.mark.parametrize("row", BLOCKERS, ids=lambda row: row.code)
def test_a_blocker_is_a_gate(row: Blocker) -> None:
    """Each blocker's code is one that its gate, of N2 or N7, can give."""
    spec = BY_GATE[row.gate]
    assert row.code in spec.codes
    assert spec.stage in (N2, N7)


Change = Callable[[State], State]
CHANGES: dict[str, Change] = {
    **{code: change for _, _, code, change in CASES},
    "FEED_DOWN": lambda s: replace(s, feed=replace(s.feed, connected=False)),
    "UNVERIFIED": lambda s: replace(s, feed=replace(s.feed, verified=False)),
    "GOV_CARRY_MISSING": lambda s: replace(s, carried=None),
    "GOV_HALTED": lambda s: replace(s, account=replace(s.account, halts=("GOV_HALTED",))),
    "GOV_STOPPING": lambda s: replace(s, account=replace(s.account, halts=("GOV_STOPPING",))),
    "GOV_EXITS_ONLY": lambda s: replace(s, account=replace(s.account, halts=("GOV_EXITS_ONLY",))),
    "GOV_NOT_ARMED": _desk(armed_until_ns=0),
    "acknowledged": lambda s: _desk(incidents=(acute_one(acknowledged=True),))(s),
    "look at it": lambda s: _desk(incidents=(acute_one(severity=3),))(s),
    "closed": lambda s: replace(s, now=ist_ns(DAY, "18:00")),
}


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(sorted(CHANGES)), max_size=4, unique=True),
    st.sampled_from(("LIVE", "SIM")),
    st.sampled_from(STATES),
)
def test_what_bars_is_a_gate_that_blocks(names: list[str], mode: str, before: str) -> None:
    """Fail closed: whatever is wrong at once, where readiness is BLOCKED a gate of N2 or N7 blocks
    with one of its codes, each code is given by its own gate, and no other state than READY and
    DEGRADED has both stages pass while the exchange is open."""
    state = session(mode)
    for name in names:
        state = CHANGES[name](state)
    state = _desk(readiness=before)(state)
    status, codes = readiness(state)
    view = view_of(state)
    stages = (feed.judge(view), governance.judge(view))
    given_ = {row.reason for stage in stages for row in stage.rows if row.verdict != "PASS"}
    assert set(blockers(state)) <= given_
    if status == "BLOCKED":
        assert codes
        assert given_
    if all(stage.verdict == "PASS" for stage in stages) and "closed" not in names:
        assert status in ENTERS


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("acknowledged", ("DEGRADED", ("POSITION_SHORT",))),
        ("look at it", ("READY", ())),
        ("GOV_INCIDENT", ("BLOCKED", ("GOV_INCIDENT",))),
        ("GOV_CLOCK_OFFSET", ("BLOCKED", ("GOV_CLOCK_OFFSET",))),
        ("closed", ("MARKET_CLOSED", ())),
    ],
)
def test_each_state_says_why(change: str, expected: tuple[str, tuple[str, ...]]) -> None:
    """BLOCKED by its blockers, DEGRADED by the incidents of severity 1 and 2, else no code; told
    once."""
    state = session("SIM")
    assert readiness(state) == ("READY", ())
    state = CHANGES[change](state)
    status, codes = readiness(state)
    if change == "closed":
        codes = ()  # books age while the clock is moved on
    assert (status, codes) == expected
    (told,) = readiness_events(state)
    assert isinstance(told, ReadinessChanged)
    known = _desk(readiness=told.status, blockers=told.reasons)(state)
    assert readiness_events(known) == []


def test_a_session_boots_until_its_first_frame() -> None:
    """BOOTING without a frame; whoever was past it is never BOOTING again."""
    state = session("SIM")
    silent = replace(state, feed=replace(state.feed, frames=0))
    assert readiness(_desk(readiness="")(silent))[0] == "BOOTING"
    assert readiness(_desk(readiness="READY")(silent))[0] == "READY"


def test_the_feed_breaker_counts_losses_of_an_hour() -> None:
    """CB_FEED_UNHEALTHY, which the old bot never tripped [DEAD]: a connection that is lost
    counts once, a second word of it does not, and it is over when the hour holds fewer."""
    state = session("SIM")
    most = FeedConfig().losses_per_hour_max
    up = FeedStatus(0, "CONNECTED", True, 499)
    down = FeedStatus(0, "LOST", False, 0)
    for number in range(most + 1):
        at = state.now + number * SECOND
        for event in (up, down, down):
            state = apply_feed_status(state, event, at)
        state = replace(state, now=at)
        assert losses_recent(state) == number + 1
    state = apply_feed_status(state, up, state.now)
    assert "GOV_FEED_BREAKER" in blockers(state)
    later = replace(state, now=state.now + LOSSES_WINDOW_NS - most * SECOND)
    assert "GOV_FEED_BREAKER" not in blockers(later)
    assert losses_recent(lost(state, ())) == 0

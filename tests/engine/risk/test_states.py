"""The risk states: a total table, clearing rules, and ways out of every state."""

from __future__ import annotations

import itertools
import sys

import pytest

from engine.risk.machine import CONDITIONS
from engine.risk.states import (
    ALLOWS,
    AUTOMATIC,
    DAY,
    HALTS,
    HARD_HALT,
    HARD_LEFT,
    NEXT_DAY,
    NORMAL,
    RECOVERY,
    RESUME,
    RESUMED,
    SESSION,
    SOFT_HALT,
    SOFT_LEFT,
    STATES,
    TRANSITIONS,
    TRIGGERS,
    WON,
    after,
    cleared,
    halt_of,
    is_risk_halt,
    trigger_of_end,
)
from events.gates import BY_GATE
from events.reasons import BY_CODE


def test_the_table_is_total() -> None:
    """Every pair of a state and a trigger has its row, and every row is such a pair."""
    pairs = list(itertools.product(STATES, TRIGGERS))
    sys.stdout.write(f"{len(pairs)} pairs of a state and a trigger\n")
    assert sorted(TRANSITIONS) == sorted(pairs)
    assert all(after(*pair) in STATES for pair in pairs)
    with pytest.raises(KeyError):
        after("HALTED", DAY)


def test_a_halt_never_makes_anything_softer() -> None:
    """From no state does the beginning of a halt lead to one that allows more."""
    rank = {NORMAL: 0, RECOVERY: 1, SOFT_HALT: 2, HARD_HALT: 3}
    begins = {one.trigger for one in HALTS}
    for state, trigger in itertools.product(STATES, begins):
        assert rank[after(state, trigger)] >= rank[state]
        assert after(state, trigger) in (SOFT_HALT, HARD_HALT)


def test_a_hard_halt_ends_in_recovery_and_recovery_with_a_trade_that_wins() -> None:
    """Out of HARD_HALT lead the day and a person alone, to RECOVERY; out of RECOVERY to NORMAL a
    gain alone. The old bot's recovery was left only through a halt."""
    ways = {trigger: after(HARD_HALT, trigger) for trigger in TRIGGERS}
    assert {t: s for t, s in ways.items() if s != HARD_HALT} == {DAY: RECOVERY, RESUMED: RECOVERY}
    assert [t for t in TRIGGERS if after(RECOVERY, t) == NORMAL] == [WON]


def test_from_every_state_normal_can_be_reached() -> None:
    """No state is a trap."""
    for start in STATES:
        seen = {start}
        for _ in STATES:
            seen |= {after(state, trigger) for state in seen for trigger in TRIGGERS}
        assert seen == set(STATES)


def test_what_each_state_allows() -> None:
    """Halts allow no entry, a hard one not even what works; RECOVERY allows small ones."""
    assert set(ALLOWS) == set(STATES)
    allowed = {state: (one.entries, one.working, one.full_size) for state, one in ALLOWS.items()}
    assert allowed == {
        NORMAL: (True, True, True),
        RECOVERY: (True, True, False),
        SOFT_HALT: (False, True, False),
        HARD_HALT: (False, False, False),
    }
    for one in ALLOWS.values():
        assert not {"exits", "stops", "cancels"} & set(one.__struct_fields__), "exits have no row"


def test_every_automatic_halt_has_a_condition_a_rule_and_its_code() -> None:
    """A halt that begins by itself is measured, ends by a declared rule and is a reason that N6's
    row of halts may give; an operator's ends by ``resume`` alone."""
    assert set(CONDITIONS) == set(AUTOMATIC)
    for one in HALTS:
        assert one.trigger in TRIGGERS
        assert one.clears in (NEXT_DAY, RESUME, SESSION)
        assert BY_CODE[one.code].kind in ("HALT", "BLOCK")
        assert is_risk_halt(one.code) == one.automatic == (one.code in BY_GATE["risk_state"].codes)
    assert halt_of("GOV_HALTED").clears == RESUME
    assert {one.code for one in HALTS if one.automatic and one.clears == RESUME} == {
        "RISK_CVAR", "RISK_REPEAT_FIRE",
    }  # fmt: skip


def test_a_halt_that_no_release_knows_is_hard_and_a_person_s() -> None:
    """What a newer release halted with is not taken for nothing."""
    assert (halt_of("RISK_NEWER").hard, halt_of("RISK_NEWER").clears) == (True, RESUME)
    assert cleared(("RISK_NEWER",), NEXT_DAY) == ("RISK_NEWER",)


@pytest.mark.parametrize("count", range(4))
def test_what_is_left_says_how_the_end_of_a_halt_is_told(count: int) -> None:
    """For every set of halts that are left: nothing left is the end itself, else the hardest."""
    for left in itertools.combinations([one.code for one in HALTS], count):
        trigger = trigger_of_end(left, DAY)
        hard = any(halt_of(code).hard for code in left)
        assert trigger == (DAY if not left else HARD_LEFT if hard else SOFT_LEFT)

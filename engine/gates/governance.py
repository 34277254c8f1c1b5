"""N7: is anything locked or halted, and is the engine itself in order.

May import: events, engine. Always holds: a session that does not know what it carries over blocks.
"""

from __future__ import annotations

from engine.books import HALTED
from engine.carry import EXITS_ONLY
from engine.gates.rows import UNKNOWN, at_most, is_true, stage_of
from engine.view import View
from events.decision import StageVerdict
from events.reasons import N7


def judge(view: View) -> StageVerdict:
    """Verdict of N7."""
    state, halts = view.state, view.state.account.halts
    halted = EXITS_ONLY if EXITS_ONLY in halts else HALTED
    return stage_of(
        N7,
        (
            is_true("carried_over", state.carried is not None, "GOV_CARRY_MISSING", UNKNOWN),
            is_true("halted", not halts, halted),
            at_most("cycles_missed", state.missed, 0, "GOV_CYCLES_MISSED"),
        ),
    )

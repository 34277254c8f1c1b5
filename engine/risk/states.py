"""The risk states: what each allows, what moves between them, how each halt ends.

Lives here: the states, the triggers, the total table of transitions, the halts with their clearing
rules. May import: nothing of the project. Always holds: every pair of a state and a trigger has its
row; an exit, a cancel and a stop are allowed in every state, for no row here speaks of them; an
automatic halt ends by its rule and by nothing else, an operator's only by ``resume``.
Start reading at ``TRANSITIONS``, then ``HALTS``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

NORMAL: Final = "NORMAL"
SOFT_HALT: Final = "SOFT_HALT"
HARD_HALT: Final = "HARD_HALT"
RECOVERY: Final = "RECOVERY"
STATES: Final = (NORMAL, SOFT_HALT, HARD_HALT, RECOVERY)


class Allowed(msgspec.Struct, frozen=True):
    """What a state allows of entries. Exits are not in here: they are always allowed.

    ``entries``: new ones may be approved. ``working``: those that work may go on to be filled.
    ``full_size``: they are as large as the limits let them be, else ``risk.recovery_lots_max``.
    """

    entries: bool
    working: bool
    full_size: bool
    sentence: str


ALLOWS: Final[dict[str, Allowed]] = {
    NORMAL: Allowed(True, True, True, "Entries within all limits."),
    SOFT_HALT: Allowed(False, True, False, "No new entry; one that works may still be filled."),
    HARD_HALT: Allowed(False, False, False, "No new entry, and what works of one is cancelled."),
    RECOVERY: Allowed(True, True, False, "Entries of the smallest size, until one of them wins."),
}

# --- halts ---------------------------------------------------------------------------------------

NEXT_DAY: Final = "NEXT_DAY"
RESUME: Final = "RESUME"
SESSION: Final = "SESSION"
Clears = Literal["NEXT_DAY", "RESUME", "SESSION"]


class Halt(msgspec.Struct, frozen=True):
    """A halt by its code: the trigger that it is, how hard it is, how it ends.

    ``clears``: NEXT_DAY with the account's next trading day, RESUME with an operator's ``resume``
    and its reason, SESSION with the session that it belongs to.
    """

    code: str
    trigger: str
    hard: bool
    clears: Clears
    automatic: bool
    why: str


HALTS: Final[tuple[Halt, ...]] = (
    Halt("RISK_DAILY_LOSS", "DAILY_LOSS", True, NEXT_DAY, True,
         "The day is over for the account; nobody talks himself into one more trade."),
    Halt("RISK_CVAR", "CVAR", True, RESUME, True,
         "The worst trades are worse than their stops: no day mends that, a person has to look."),
    Halt("RISK_REPEAT_FIRE", "REPEAT_FIRE", False, RESUME, True,
         "A strategy that fires again and again is stopped until a person lets it go on."),
    Halt("RISK_DRAWDOWN", "DRAWDOWN", False, NEXT_DAY, True,
         "What the day had won is going back."),
    Halt("RISK_LOSS_STREAK", "LOSS_STREAK", False, NEXT_DAY, True,
         "The day is not the one that the strategy reads."),
    Halt("RISK_PROFIT_LOCK", "PROFIT_LOCK", False, NEXT_DAY, True,
         "The day has won what it can be expected to win."),
    Halt("GOV_HALTED", "OPERATOR", False, RESUME, False, "A person said so."),
    Halt("GOV_STOPPING", "OPERATOR", False, SESSION, False, "The session is ending."),
    Halt("GOV_EXITS_ONLY", "OPERATOR", False, SESSION, False,
         "The session stands beside a quarantined one."),
)  # fmt: skip
"""Every halt that there is. A code that is not here halts hard and ends by ``resume``."""

BY_CODE: Final[dict[str, Halt]] = {one.code: one for one in HALTS}
AUTOMATIC: Final = tuple(one.code for one in HALTS if one.automatic)


def halt_of(code: str) -> Halt:
    """The row of a halt; one that no release knows is hard, and a person's to end."""
    return BY_CODE.get(code) or Halt(code, "OPERATOR", True, RESUME, False, "It is not known.")


def is_risk_halt(code: str) -> bool:
    """Whether a halt is the risk limits' own, and not an operator's or the session's."""
    return code in AUTOMATIC


def is_asked_for(code: str) -> bool:
    """Whether a halt is a person's or the session's, who say themselves what is sold."""
    known = BY_CODE.get(code)
    return known is not None and not known.automatic


# --- transitions ---------------------------------------------------------------------------------

DAY: Final = "DAY"
RESUMED: Final = "RESUMED"
SOFT_LEFT: Final = "SOFT_LEFT"
HARD_LEFT: Final = "HARD_LEFT"
WON: Final = "WON"

TRIGGERS: Final = (
    "DAILY_LOSS", "CVAR", "REPEAT_FIRE", "DRAWDOWN", "LOSS_STREAK", "PROFIT_LOCK", "OPERATOR",
    DAY, RESUMED, SOFT_LEFT, HARD_LEFT, WON,
)  # fmt: skip
"""What moves the state: a halt that begins, by name; DAY and RESUMED, that the last halt ended with
the day or by a person; SOFT_LEFT and HARD_LEFT, that one ended and others are left; WON, a trade
that was closed with a gain."""

TRANSITIONS: Final[dict[tuple[str, str], str]] = {
    (NORMAL, "DAILY_LOSS"): HARD_HALT,
    (NORMAL, "CVAR"): HARD_HALT,
    (NORMAL, "REPEAT_FIRE"): SOFT_HALT,
    (NORMAL, "DRAWDOWN"): SOFT_HALT,
    (NORMAL, "LOSS_STREAK"): SOFT_HALT,
    (NORMAL, "PROFIT_LOCK"): SOFT_HALT,
    (NORMAL, "OPERATOR"): SOFT_HALT,
    (NORMAL, DAY): NORMAL,
    (NORMAL, RESUMED): NORMAL,
    (NORMAL, SOFT_LEFT): SOFT_HALT,
    (NORMAL, HARD_LEFT): HARD_HALT,
    (NORMAL, WON): NORMAL,
    (SOFT_HALT, "DAILY_LOSS"): HARD_HALT,
    (SOFT_HALT, "CVAR"): HARD_HALT,
    (SOFT_HALT, "REPEAT_FIRE"): SOFT_HALT,
    (SOFT_HALT, "DRAWDOWN"): SOFT_HALT,
    (SOFT_HALT, "LOSS_STREAK"): SOFT_HALT,
    (SOFT_HALT, "PROFIT_LOCK"): SOFT_HALT,
    (SOFT_HALT, "OPERATOR"): SOFT_HALT,
    (SOFT_HALT, DAY): NORMAL,
    (SOFT_HALT, RESUMED): NORMAL,
    (SOFT_HALT, SOFT_LEFT): SOFT_HALT,
    (SOFT_HALT, HARD_LEFT): HARD_HALT,
    (SOFT_HALT, WON): SOFT_HALT,
    (HARD_HALT, "DAILY_LOSS"): HARD_HALT,
    (HARD_HALT, "CVAR"): HARD_HALT,
    (HARD_HALT, "REPEAT_FIRE"): HARD_HALT,
    (HARD_HALT, "DRAWDOWN"): HARD_HALT,
    (HARD_HALT, "LOSS_STREAK"): HARD_HALT,
    (HARD_HALT, "PROFIT_LOCK"): HARD_HALT,
    (HARD_HALT, "OPERATOR"): HARD_HALT,
    (HARD_HALT, DAY): RECOVERY,
    (HARD_HALT, RESUMED): RECOVERY,
    (HARD_HALT, SOFT_LEFT): HARD_HALT,
    (HARD_HALT, HARD_LEFT): HARD_HALT,
    (HARD_HALT, WON): HARD_HALT,
    (RECOVERY, "DAILY_LOSS"): HARD_HALT,
    (RECOVERY, "CVAR"): HARD_HALT,
    (RECOVERY, "REPEAT_FIRE"): HARD_HALT,
    (RECOVERY, "DRAWDOWN"): HARD_HALT,
    (RECOVERY, "LOSS_STREAK"): HARD_HALT,
    (RECOVERY, "PROFIT_LOCK"): SOFT_HALT,
    (RECOVERY, "OPERATOR"): HARD_HALT,
    (RECOVERY, DAY): RECOVERY,
    (RECOVERY, RESUMED): RECOVERY,
    (RECOVERY, SOFT_LEFT): SOFT_HALT,
    (RECOVERY, HARD_LEFT): HARD_HALT,
    (RECOVERY, WON): NORMAL,
}  # fmt: skip
"""The state after a trigger, for every pair. A hard halt stays hard until the last halt is over and
then leads to RECOVERY; in RECOVERY a soft halt is a hard one, a locked profit apart, so that a
trade that wins is the way out of it. An operator's halt is a soft one: what becomes of working
orders and positions his kill switch says."""


def after(state: str, trigger: str) -> str:
    """The state after a trigger. Raises ``KeyError`` for a state or trigger that there is not."""
    return TRANSITIONS[state, trigger]


def trigger_of_end(left: Iterable[str], by: str) -> str:
    """The trigger of halts that ended (``by`` DAY or RESUMED) where ``left`` are still in force."""
    hard = [halt_of(code).hard for code in left]
    if not hard:
        return by
    return HARD_LEFT if any(hard) else SOFT_LEFT


def cleared(halts: Iterable[str], rule: str) -> tuple[str, ...]:
    """Halts that are left after a clearing rule."""
    return tuple(code for code in halts if halt_of(code).clears != rule)

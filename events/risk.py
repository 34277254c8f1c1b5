"""Derivations of the risk limits: a state that moves, a looser limit that waits.

Lives here: those two. May import: events.base, events.session. Always holds: a reason is a code of
``events.reasons``; what a halt is and how it ends stands in the core's table, not in the event.
"""

from __future__ import annotations

from events.base import Event
from events.session import Setting


class RiskTransitioned(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The risk state moved, or a halt within it began or ended.

    ``before`` and ``after`` are NORMAL, SOFT_HALT, HARD_HALT or RECOVERY; ``trigger`` is what moved
    it, ``reason`` its code. ``halts`` are those in force afterwards. ``observed`` and ``limit`` are
    in the unit of the reason's gate, None where the trigger measures nothing.
    """

    before: str
    after: str
    trigger: str
    reason: str
    halts: tuple[str, ...]
    observed: int | None
    limit: int | None


class SettingsDeferred(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Settings of a ``ConfigChanged`` that do not act in this session: they loosen a limit, or are
    none. The rest of that fact acts at once."""

    settings: tuple[Setting, ...]
    reason: str

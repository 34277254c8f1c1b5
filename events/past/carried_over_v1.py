"""``CarriedOver`` as it was in version 1: counters alone, and one cooldown for all underlyings.

Lives here: that struct. May import: events.base. Always holds: its fields never change.
"""

from __future__ import annotations

from events.base import Event


class CarriedOverV1(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """What the account brings from its previous session; limits count per day and account.

    ``previous_session`` is None for a fresh virtual account. ``day`` is the day the day-counters
    belong to: on another day they start at zero. Money in paise, net of charges.
    """

    previous_session: str | None
    previous_head_hash: str | None
    day: int
    realised_paise: int
    charges_paise: int
    trades_today: int
    loss_streak: int
    halts: tuple[str, ...]
    cooldown_until_ns: int
    capital_paise: int

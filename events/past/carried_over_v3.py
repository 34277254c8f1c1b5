"""``CarriedOver`` as it was in version 3: a position without its contract's terms or first target,
and nothing of the days before.

Lives here: that struct with the records inside it. May import: events.base. Always holds: their
fields never change.
"""

from __future__ import annotations

from events.base import Event, Record


class CarriedCooldownV3(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """No entry in ``underlying`` (``*``: in any) before ``until_ns`` (ns UTC, session clock)."""

    underlying: str
    until_ns: int


class CarriedPositionV3(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """A long that an earlier session left open, by its contract's name, with its plan.

    ``product`` is what it is held in at the broker, empty where that is not known.
    ``value_paise`` is the cost of what is held; result and charges are those of the position so
    far, and already inside the account's.
    """

    position_id: str
    strategy_id: str
    exchange: str
    tradingsymbol: str
    quantity_units: int
    value_paise: int
    opened_ns: int
    stop_paise: int
    target_paise: int
    trail_paise: int
    best_bid_paise: int
    realised_paise: int
    charges_paise: int
    risk_paise: int
    product: str


class CarriedOrderV3(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """An order of an earlier session whose end is not known; ``limit_paise`` None is: any price."""

    order_id: str
    authority: str
    role: str
    exchange: str
    tradingsymbol: str
    side: str
    quantity_units: int
    filled_units: int
    limit_paise: int | None


class CarriedOverV3(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """What the account brings from its previous session; limits count per day and account.

    ``previous_session`` is its uid, None for a fresh virtual account. ``day`` is the day the
    day-counters belong to: on another day they start at zero. Money in paise, result and charges
    apart. ``exits`` is how many exits were signalled that day, so that ids of exits go on.
    """

    previous_session: str | None
    previous_head_hash: str | None
    day: int
    realised_paise: int
    charges_paise: int
    trades_today: int
    loss_streak: int
    exits: int
    halts: tuple[str, ...]
    capital_paise: int
    cooldowns: tuple[CarriedCooldownV3, ...]
    positions: tuple[CarriedPositionV3, ...]
    unknown_orders: tuple[CarriedOrderV3, ...]

"""``IntentApproved`` as it was in version 1: without the price that the decision was made at.

Lives here: that struct. May import: events.base. Always holds: its fields never change.
"""

from __future__ import annotations

from events.base import Event


class IntentApprovedV1(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """An entry that passed all eleven stages. ``intent_id`` is its content's id (20 characters).

    ``risk_paise`` is the loss at the stop with charges both ways.
    """

    intent_id: str
    underlying: str
    strategy_id: str
    contract: int
    side: str
    quantity_units: int
    lots: int
    limit_paise: int
    stop_paise: int
    target_paise: int
    trail_paise: int
    risk_paise: int
    gates_seq: int
    due_ts: int

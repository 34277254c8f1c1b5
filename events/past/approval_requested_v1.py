"""``ApprovalRequested`` as it was in version 1: of a single contract, without the leg of a pair.

Lives here: that struct. May import: events.base. Always holds: its fields never change.
"""

from __future__ import annotations

from events.base import Event


class ApprovalRequestedV1(
    Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True
):
    """An entry that passed every stage and waits for a person.

    ``request_id`` is the head of the digest of what the person sees: strategy, contract, side,
    quantity, and the band of limits from ``low_paise`` to ``high_paise`` within which the approval
    holds. One request is open per strategy, contract and side.
    """

    request_id: str
    underlying: str
    strategy_id: str
    contract: int
    side: str
    quantity_units: int
    low_paise: int
    high_paise: int
    stop_paise: int
    target_paise: int
    risk_paise: int
    gates_seq: int
    expires_ts: int

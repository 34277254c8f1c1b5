"""N11's last gate, where a person approves each entry: was exactly this entry approved, just now.

Lives here: the gate, the request it leads to, its end. May import: events, engine. Always holds: an
approval is for what the person saw (strategy, contract, side, quantity, a band of prices; of a
pair the leg that is sold, and for how much), is used
by the next cycle of its underlying or lapses there, and is used once; all other gates have run
again by then; one request is open per strategy, contract and side.
"""

from __future__ import annotations

from msgspec.structs import replace

from engine.gates.rows import is_true, stage_of
from engine.gates.spread import Sold
from engine.lookup import Lookup
from engine.orders.route import needs_approval
from engine.state import Request, State
from engine.view import View
from events.base import Event
from events.decision import StageVerdict
from events.envelope import payload_digest
from events.governance import ApprovalClosed, ApprovalRequested
from events.orders import IntentApproved
from events.reasons import N11

MS = 1_000_000


def with_approval(
    view: View, final: StageVerdict, entry: IntentApproved | None, sold: Sold | None
) -> StageVerdict:
    """N11 with the gate behind its others, where the session asks a person. ``entry`` is what would
    be approved, ``sold`` its pair's leg; None where an earlier gate gave none."""
    state = view.state
    if not needs_approval(state) or entry is None:
        return final
    asked = asked_for(state, entry, sold)
    approving = bool(state.desk.approving) and asked is not None
    good = approving and asked is not None and asked.request_id == state.desk.approving[0]
    return stage_of(N11, (*final.rows, is_true("approved", good, "APPROVAL_PENDING")))


def asked_for(state: State, entry: IntentApproved, sold: Sold | None) -> Request | None:
    """The open request that this entry fits: the same in everything the person saw, its limits
    within the band."""
    for one in state.desk.requests:
        same = (one.strategy_id, one.contract, one.side, one.quantity_units) == (
            entry.strategy_id, entry.contract, entry.side, entry.quantity_units,
        )  # fmt: skip
        if same and one.low_paise <= entry.limit_paise <= one.high_paise and _leg_fits(one, sold):
            return one
    return None


def _leg_fits(one: Request, sold: Sold | None) -> bool:
    if sold is None or one.sold_contract is None or one.sold_low_paise is None:
        return sold is None and one.sold_contract is None
    return sold.contract == one.sold_contract and sold.limit_paise >= one.sold_low_paise


def request_events(
    view: View, entry: IntentApproved | None, sold: Sold | None, used: bool
) -> list[Event]:
    """What a cycle says of approvals at its end: used, lapsed, expired, asked for."""
    state = view.state
    if not needs_approval(state):
        return []
    events: list[Event] = []
    open_keys = set[tuple[str, int, str]]()
    for one in state.desk.requests:
        if one.underlying != view.u:
            continue
        approved = bool(state.desk.approving) and one.request_id == state.desk.approving[0]
        if approved:
            events.append(_closed(state, one, entry, used))
        elif state.now >= one.expires_ns:
            events.append(ApprovalClosed(one.request_id, "EXPIRED", "APPROVAL_EXPIRED", None, None))
        else:
            open_keys.add((one.strategy_id, one.contract, one.side))
    if entry is not None and not used:
        key = (entry.strategy_id, entry.contract, entry.side)
        if key not in open_keys and not state.desk.approving:
            events.append(_request(state, entry, sold))
    return events


def _closed(state: State, one: Request, entry: IntentApproved | None, used: bool) -> ApprovalClosed:
    who = state.desk.approving[1]
    if used and entry is not None:
        return ApprovalClosed(one.request_id, "USED", "APPROVAL_USED", entry.intent_id, who)
    return ApprovalClosed(one.request_id, "LAPSED", "APPROVAL_LAPSED", None, who)


def _request(state: State, entry: IntentApproved, sold: Sold | None) -> ApprovalRequested:
    settings = state.config.approval
    room = entry.limit_paise * settings.band_bps // 10_000
    blank = ApprovalRequested(
        "",
        entry.underlying,
        entry.strategy_id,
        entry.contract,
        entry.side,
        entry.quantity_units,
        max(entry.limit_paise - room, 1),
        entry.limit_paise + room,
        entry.stop_paise,
        entry.target_paise,
        entry.risk_paise,
        entry.gates_seq,
        state.now + settings.valid_s * 1_000 * MS,
        sold.contract if sold is not None else None,
        _least(sold.limit_paise, settings.band_bps) if sold is not None else None,
    )
    return replace(blank, request_id=payload_digest(blank)[:12])


def _least(limit_paise: int, band_bps: int) -> int:
    """The least that a leg may be sold for under an approval."""
    return max(limit_paise - limit_paise * band_bps // 10_000, 1)


# --- reducers ------------------------------------------------------------------------------------


def apply_approval_requested(
    state: State, event: ApprovalRequested, ts: int, look: Lookup
) -> State:
    """The request is open."""
    one = Request(
        event.request_id,
        look.underlying_of[event.contract],
        event.strategy_id,
        event.contract,
        event.side,
        event.quantity_units,
        event.low_paise,
        event.high_paise,
        event.stop_paise,
        event.target_paise,
        event.risk_paise,
        event.expires_ts,
        event.sold_contract,
        event.sold_low_paise,
    )
    return replace(state, desk=replace(state.desk, requests=(*state.desk.requests, one)))


def apply_approval_closed(state: State, event: ApprovalClosed, ts: int, look: Lookup) -> State:
    """The request is over; who approved what was used is kept with the intent."""
    desk = state.desk
    left = tuple(one for one in desk.requests if one.request_id != event.request_id)
    approving = desk.approving
    if approving and approving[0] == event.request_id:
        approving = ()
    approved = desk.approved
    if event.intent_id is not None:
        approved = (*approved, f"{event.intent_id} {event.who or ''}")
    return replace(state, desk=replace(desk, requests=left, approving=approving, approved=approved))

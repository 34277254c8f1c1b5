"""The fold of what goes to the broker and of what a person said.

Lives here: order messages, fills as lines, approvals, commands with their answers. May import:
events, projections.live. Always holds: as in ``fold``, whose table names these functions;
everything kept is bounded. Start reading at ``order_changed``.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from events import broker, governance, orders, session
from events.envelope import Envelope
from projections.live.state import APPROVALS_KEPT, ORDERS_KEPT, SENDS_KEPT, State
from projections.live.view import ApprovalLine, CommandLine, FillLine, OrderLine, WireView

ENDED: Final = ("FILLED", "CANCELLED", "REJECTED")
"""States after which nothing more happens to an order; every other one is open."""

ACCEPTED: Final = "ACCEPTED"
KILL_LEVELS: Final = (None, "HALT", "CANCEL", "FLATTEN")
"""What an operator may ask for, from nothing to everything."""


# --- orders --------------------------------------------------------------------------------------


def order_changed(state: State, envelope: Envelope, event: orders.OrderChanged) -> None:
    """An order in its new state; the table is in the order of the last change."""
    state.orders.pop(event.order_id, None)
    state.orders[event.order_id] = OrderLine(
        order_id=event.order_id,
        authority=event.authority,
        ts=envelope.ts,
        seq=envelope.seq,
        symbol=state.symbol(event.contract),
        lot_units=state.lot_units(event.contract),
        role=event.role,
        side=event.side,
        status=event.status,
        reason=event.reason,
        quantity_units=event.quantity_units,
        filled_units=event.filled_units,
        limit_paise=event.limit_paise,
        wire=state.wires.get(event.order_id),
    )
    if len(state.orders) > ORDERS_KEPT:
        _drop_one_order(state)


def _drop_one_order(state: State) -> None:
    """Forget the oldest ended order; a working or unknown one only when there are no others."""
    ended = (key for key, row in state.orders.items() if row.status in ENDED)
    gone = next(ended, next(iter(state.orders)))
    del state.orders[gone]
    state.wires.pop(gone, None)


def order_wanted(state: State, envelope: Envelope, event: governance.OrderWanted) -> None:
    """A message that the core wants sent."""
    was = state.wires.get(event.order_id)
    wire = WireView(
        action=event.action,
        order_type=event.order_type,
        trigger_paise=event.trigger_paise,
        wanted_ts=envelope.ts,
        sent_ts=None,
        outcome=None,
        elapsed_us=None,
        broker_order_id=None if was is None else was.broker_order_id,
        said=None,
    )
    _keep_wire(state, event.order_id, wire)


def send_started(state: State, envelope: Envelope, event: broker.OrderSendStarted) -> None:
    """A message leaves."""
    was = state.wires.get(event.order_id)
    wire = WireView(
        action=event.action,
        order_type=event.order_type,
        trigger_paise=event.trigger_paise,
        wanted_ts=envelope.ts if was is None else was.wanted_ts,
        sent_ts=envelope.ts,
        outcome=None,
        elapsed_us=None,
        broker_order_id=event.broker_order_id or (None if was is None else was.broker_order_id),
        said=None,
    )
    _keep_wire(state, event.order_id, wire)
    sends = state.sends
    recent = (*sends.recent_ts, envelope.ts)[-SENDS_KEPT:]
    state.sends = replace(sends, sent=sends.sent + 1, recent_ts=recent)


def send_result(state: State, envelope: Envelope, event: broker.OrderSendResult) -> None:
    """What became of a message."""
    sends = state.sends
    state.sends = replace(
        sends,
        refused=sends.refused + (event.outcome == "REFUSED"),
        unknown=sends.unknown + (event.outcome == "UNKNOWN"),
        slowest_us=max(sends.slowest_us, event.elapsed_us),
    )
    was = state.wires.get(event.order_id)
    if was is None:
        return
    wire = replace(
        was,
        outcome=event.outcome,
        elapsed_us=event.elapsed_us,
        broker_order_id=event.broker_order_id or was.broker_order_id,
        said=event.message,
    )
    _keep_wire(state, event.order_id, wire)


def _keep_wire(state: State, order_id: str, wire: WireView) -> None:
    """With its order; that of an order which is not known yet waits for it, as one of a few."""
    state.wires[order_id] = wire
    order = state.orders.get(order_id)
    if order is not None:
        state.orders[order_id] = replace(order, wire=wire)
    elif len(state.wires) > 2 * ORDERS_KEPT:
        del state.wires[next(key for key in state.wires if key not in state.orders)]


def fill_applied(state: State, envelope: Envelope, event: orders.FillApplied) -> None:
    """A fill, as a line and as charges of the day."""
    state.charges_paise += event.charges_paise
    order = state.orders.get(event.order_id)
    state.fills.append(
        FillLine(
            seq=envelope.seq,
            ts=envelope.ts,
            order_id=event.order_id,
            fill_no=event.fill_no,
            symbol=state.symbol(event.contract),
            lot_units=state.lot_units(event.contract),
            role=None if order is None else order.role,
            side=event.side,
            quantity_units=event.quantity_units,
            price_paise=event.price_paise,
            slippage_paise=event.slippage_paise,
            charges_paise=event.charges_paise,
        )
    )
    state.note(envelope, f"{event.order_id}:{event.fill_no}", event)


def spread_approved(state: State, envelope: Envelope, event: orders.SpreadApproved) -> None:
    """The sold leg of a pair was approved with its long."""
    state.note(envelope, event.leg_id, event)


# --- a person's word -----------------------------------------------------------------------------


def approval_requested(
    state: State, envelope: Envelope, event: governance.ApprovalRequested
) -> None:
    """An entry waits for a person."""
    if len(state.approvals) >= APPROVALS_KEPT:
        del state.approvals[next(iter(state.approvals))]
    state.approvals[event.request_id] = ApprovalLine(
        seq=envelope.seq,
        ts=envelope.ts,
        lot_units=state.lot_units(event.contract),
        asked=event,
    )
    state.note(envelope, event.request_id, event)


def approval_closed(state: State, envelope: Envelope, event: governance.ApprovalClosed) -> None:
    """It waits no more."""
    state.approvals.pop(event.request_id, None)
    state.note(envelope, event.request_id, event)


def operator_command(state: State, envelope: Envelope, event: session.OperatorCommand) -> None:
    """Somebody asked for something."""
    state.commands.append(
        CommandLine(
            seq=envelope.seq,
            ts=envelope.ts,
            asked=event,
            outcome=None,
            reason=None,
            answered_seq=None,
            answered_ts=None,
        )
    )
    state.note(envelope, event.verb, event)


def command_answered(state: State, envelope: Envelope, event: governance.CommandAnswered) -> None:
    """The engine's answer, put beside its command; a kill that was taken is in force."""
    value = None
    for place in range(len(state.commands) - 1, -1, -1):
        line = state.commands[place]
        if line.asked.command_id == event.command_id and line.outcome is None:
            value = line.asked.value
            state.commands[place] = replace(
                line,
                outcome=event.outcome,
                reason=event.reason,
                answered_seq=envelope.seq,
                answered_ts=envelope.ts,
            )
            break
    if event.outcome == ACCEPTED:
        state.kill = _kill_after(state.kill, event.verb, value)
    else:
        state.note(envelope, f"{event.verb}:{event.reason}", event)


def _kill_after(kill: str | None, verb: str, value: str | None) -> str | None:
    """The strongest level in force after a command that was accepted."""
    if verb == "RESUME":
        return None
    asked = {"HALT": value or "HALT", "FLATTEN": "FLATTEN"}.get(verb)
    if asked not in KILL_LEVELS:
        return kill
    return max(kill, asked, key=KILL_LEVELS.index)

"""What should leave now: the next message, its authority, and what should be asked of the broker.

Lives here: pure looks at the state for the runner. May import: events, engine. Always holds: one
message of an order is under way at a time; exits and cancels leave before entries; of the two types
that open the way to a broker each is made here, in one place, from an order whose journaled
authority fits, and nowhere else (``tests/engine/test_authority.py``).
Start reading at ``next_message``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from engine.books import ENTRY, EXIT, MS, PROTECT, order_of, same_entry
from engine.feed import unseen_ns
from engine.orders.legs import CANCEL, PARTIAL, PLACE, UNKNOWN, WORKING, legs, own_product
from engine.orders.past import books_awaited
from engine.orders.reduce import LOGIN_OK, RESOLVED_GONE
from engine.orders.route import to_broker
from engine.orders.standing import NO_LOGIN, login_known
from engine.ports import ApprovedIntent, Authority, ExitAuthority
from engine.shorts import COVER, SHORT
from engine.state import Leg, Order, Position, State
from events.broker import OrderSendStarted

VARIETY: Final = "regular"
DAY: Final = "DAY"

AFTER_CLOSE: Final = "AFTER_CLOSE"
BEFORE_CLOSE_NS: Final = 60_000 * MS
"""The books are asked for once more in the last minute."""

BOOKS_AGAIN_NS: Final = 2_000 * MS
"""Books that did not come, that differ for the first time, or that a person spoke for, are asked
for again after this."""

LOGIN_AGAIN_NS: Final = 5_000 * MS
"""A login of which nobody knows is asked about again after this; one that is taken or refused, as
often as the books are asked for."""


class Context(msgspec.Struct, frozen=True):
    """What the runner knows beside the journal, kept with each message for the audit."""

    egress: str | None = None
    clock_offset_us: int | None = None


class Query(msgspec.Struct, frozen=True):
    """An order to look for at the broker."""

    order_id: str
    tag: str
    broker_order_id: str | None


def next_message(state: State, context: Context) -> OrderSendStarted | None:
    """The message that should leave next; None where there is none. The runner journals it as it
    is, which takes it out of the outbox, and sends it once that is durable."""
    if not to_broker(state):
        return None
    ready = [
        (order, leg)
        for order, leg in legs(state)
        if leg.wish and leg.flight is None and not _waits_for_login(state, order, leg)
    ]
    if not ready:
        return None
    order, leg = min(ready, key=lambda pair: _rank(*pair))
    return _message(state, order, leg, context)


def _waits_for_login(state: State, order: Order, leg: Leg) -> bool:
    """Whether an entry must stay: the login may be another's by now, and so may the account. It
    lapses where the login does not come back in its time; exits and cancels are tried all the
    same."""
    new = leg.wish is not None and leg.wish.action == PLACE
    return new and order.role in (ENTRY, SHORT) and state.desk.auth != LOGIN_OK


def _rank(order: Order, leg: Leg) -> tuple[int, int]:
    """Exits first, then what makes room for them, then stops, then entries."""
    assert leg.wish is not None
    if leg.wish.action == CANCEL:
        return 1, order.due_ns
    return {EXIT: 0, COVER: 0, PROTECT: 2}.get(order.role, 3), order.due_ns


def _message(state: State, order: Order, leg: Leg, context: Context) -> OrderSendStarted:
    wish = leg.wish
    assert wish is not None and state.opened is not None
    row = state.instruments[order.contract]
    cancel = wish.action == CANCEL
    return OrderSendStarted(
        state.desk.messages + 1,
        wish.action,
        order.order_id,
        order.authority,
        order.authority,
        leg.broker_order_id or None,
        VARIETY,
        row.exchange,
        row.tradingsymbol,
        order.side,
        leg.product or _product(state, order),
        wish.order_type,
        DAY,
        wish.quantity_units,
        None if cancel else wish.limit_paise,
        wish.trigger_paise or None,
        None,
        state.config.orders.algo_id or None,
        order.strategy_id,
        state.opened.code_digest,
        state.opened.settings_digest,
        context.egress,
        context.clock_offset_us,
        _approver(state, order),
    )


def _product(state: State, order: Order) -> str:
    """What closes a position carries its own product, what is sold against a long the long's."""
    held = _held(state, order)
    return own_product(state, held) if held is not None else state.config.orders.product


def _held(state: State, order: Order) -> Position | None:
    if order.role == ENTRY:
        return None
    held = state.shorts if order.role == COVER else state.positions
    return next((p for p in held if order.authority.startswith(p.position_id)), None)


def _approver(state: State, order: Order) -> str | None:
    pairs = (one.partition(" ") for one in state.desk.approved)
    return next((who for intent, _, who in pairs if same_entry(intent, order.authority)), None)


def authority_of(state: State, message: OrderSendStarted) -> Authority:
    """The authority of a message whose start is journaled: of an entry and of a pair's sale the
    approved intent, of anything else the exit. An order that is not ours has none and is a
    programming error."""
    order = order_of(state, message.order_id)
    assert order is not None and order.leg is not None, f"{message.order_id} is none of ours"
    if order.role == ENTRY:
        return ApprovedIntent(order.authority)
    if order.role == SHORT:
        return ApprovedIntent(order.authority, sells=True)
    assert order.role in (EXIT, PROTECT, COVER), f"{message.order_id} has the role {order.role}"
    return ExitAuthority(order.authority, covers=order.role == COVER)


# --- questions -----------------------------------------------------------------------------------


def lookups_due(state: State) -> Iterator[Query]:
    """Orders to look for now: unknown ones each second, silent ones after three, and those whose
    last message was not clearly answered."""
    if not to_broker(state):
        return
    settings = state.config.orders
    for order, leg in legs(state):
        wait_ms = _patience_ms(leg, settings.unknown_ms, settings.silent_ms)
        last = max(leg.seen_ns, leg.asked_ns, leg.sent_ns)
        if wait_ms is not None and state.now - last >= wait_ms * MS:
            yield Query(order.order_id, order.authority, leg.broker_order_id or None)


def _patience_ms(leg: Leg, unknown_ms: int, silent_ms: int) -> int | None:
    if leg.status == UNKNOWN or leg.doubt:
        return unknown_ms
    if leg.status in (WORKING, PARTIAL) and leg.flight is None:
        return silent_ms
    return None


def auth_due(state: State) -> bool:
    """Whether the broker should be asked now if it takes the login: it may have ended since, by
    the clock or because somebody logged in elsewhere, while the socket lives on. On paper that is
    asked only of a login that was refused."""
    if not to_broker(state) and state.desk.auth not in NO_LOGIN:
        return False
    every_ns = state.config.orders.reconcile_s * 1_000 * MS
    wait_ns = every_ns if login_known(state) else LOGIN_AGAIN_NS
    return state.now - state.desk.auth_ns >= wait_ns


def snapshot_due(state: State) -> str | None:
    """Why the broker's books should be asked for now; None where they need not be."""
    if not to_broker(state) or state.desk.auth in NO_LOGIN:
        return None
    if state.now - state.desk.books_ns < BOOKS_AGAIN_NS:
        return None
    if state.desk.nets_ns == 0:
        return "START"
    if state.desk.nets_ns < state.desk.reconnected_ns:
        return "RECONNECT"
    close_ns = _close_ns(state)
    if close_ns is not None and state.desk.nets_ns < close_ns - BEFORE_CLOSE_NS <= state.now:
        return "BEFORE_CLOSE"
    news = any(one.times == 1 or one.reason == RESOLVED_GONE for one in state.desk.differences)
    if news or books_awaited(state):
        return "PERIODIC"
    every_ns = state.config.orders.reconcile_s * 1_000 * MS
    return "PERIODIC" if state.now - state.desk.nets_ns >= every_ns else None


def _close_ns(state: State) -> int | None:
    """When the derivatives session ends, on whichever exchange ends last."""
    rules = state.rules
    windows = (rules.fno_nse, rules.fno_bse) if rules is not None else ()
    return max((one.close_ns for one in windows if one is not None), default=None)


def quotes_due(state: State) -> tuple[tuple[int, str], ...]:
    """Held contracts whose quotes should be asked for, for the feed does not show them."""
    if not to_broker(state) or not state.positions:
        return ()
    limit_ns = state.config.feed.link_age_ms_max * MS
    held = sorted({one.contract for one in (*state.positions, *state.shorts)})
    places = [one for one in held if unseen_ns(state, one) > limit_ns]
    rows = state.instruments
    return tuple((i, f"{rows[i].exchange}:{rows[i].tradingsymbol}") for i in places)

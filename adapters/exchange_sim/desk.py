"""The life of an order: from the form that was let in to its last word, step by due step.

Lives here: ``Desk``: the order book, the trades, the steps that are due. May import: the parts of
this room. Always holds: every step has its row in the order's history; what is sent as an update is
the order as it is then; a step that finds its order finished does nothing. Start reading at
``Desk.place``.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Final

import msgspec

from adapters.exchange_sim import errors
from adapters.exchange_sim.account import Account, Claim, claim_of
from adapters.exchange_sim.changes import Change, loses_place
from adapters.exchange_sim.charges import Charges
from adapters.exchange_sim.checks import Request
from adapters.exchange_sim.ids import Ids
from adapters.exchange_sim.listing import Listed
from adapters.exchange_sim.market import Market
from adapters.exchange_sim.matching import Fill, meet_book, meet_trades, settle_queue
from adapters.exchange_sim.orders import (
    CANCEL_PENDING,
    CANCELLED,
    COMPLETE,
    MODIFIED,
    MODIFY_PENDING,
    MODIFY_VALIDATION,
    OPEN,
    OPEN_PENDING,
    RECEIVED,
    REJECTED,
    TERMINAL,
    TRIGGER_PENDING,
    UPDATE,
    VALIDATION,
    Order,
    Trade,
    history_row,
)
from adapters.exchange_sim.spec import NS_PER_MS, Behaviour, FaultSwitches
from adapters.exchange_sim.updates import Updates

UNSEEN_AHEAD: Final = 1 << 40
"""What stands before an order whose price lies behind the levels that are shown: nobody knows, so
more than anybody shows, until the price comes into sight."""

Step = Callable[[int], None]


class Origin(msgspec.Struct, frozen=True, gc=False):
    """Who places an order. ``immediate`` goes to the exchange at once, as a person's own click or
    the broker's square-off does; ``forced`` is not held against price protection or funds."""

    placed_by: str
    own_app: bool
    immediate: bool = False
    forced: bool = False


class Desk:
    """Orders of the day in order of arrival, by id."""

    def __init__(
        self,
        user_id: str,
        behaviour: Behaviour,
        faults: FaultSwitches,
        market: Market,
        account: Account,
        charges: Charges,
        updates: Updates,
    ) -> None:
        self._user_id = user_id
        self._behaviour = behaviour
        self._faults = faults
        self._market = market
        self._account = account
        self._charges = charges
        self._updates = updates
        self._ids = Ids(behaviour.seed)
        self._steps: list[tuple[int, int, Step]] = []
        self._count = 0
        self._priority = 0
        self.orders: dict[str, Order] = {}
        self.trades: list[Trade] = []
        self._by_token: dict[int, list[Order]] = {}

    # --- what is due -----------------------------------------------------------------------------

    def at(self, due_ns: int, step: Step) -> None:
        """Do a step at a time (ns UTC); steps of one time go in the order in which they came."""
        self._count += 1
        heapq.heappush(self._steps, (due_ns, self._count, step))

    def advance(self, now_ns: int) -> None:
        """Do every step that is due by now, each at its own time."""
        while self._steps and self._steps[0][0] <= now_ns:
            due_ns, _, step = heapq.heappop(self._steps)
            step(due_ns)

    def next_due_ns(self) -> int | None:
        return self._steps[0][0] if self._steps else None

    # --- what is asked ---------------------------------------------------------------------------

    def working(self) -> list[Order]:
        """Orders that are not finished, by instrument, then in order of arrival."""
        return [order for orders in self._by_token.values() for order in orders]

    def new_id(self, now_ns: int) -> str:
        """An order id that no order has."""
        return self._ids.order(now_ns)

    def place(
        self, now_ns: int, request: Request, origin: Origin, meta: dict[str, object] | None = None
    ) -> Order:
        """Take in an order that passed the broker's checks. Raises ``KiteError`` for want of funds,
        unless that is to be found out later."""
        behaviour = self._behaviour
        lag_ms = self._faults.listing_lag_ms or behaviour.listing_lag_ms
        order_id = self.new_id(now_ns)
        order = Order(
            order_id,
            request.listed,
            request.variety,
            request.side,
            request.order_type,
            request.product,
            request.validity,
            request.validity_ttl,
            request.quantity,
            request.price_paise,
            request.trigger_paise,
            request.protection_e2,
            request.tag,
            list(request.tags),
            self._user_id,
            origin.placed_by,
            origin.own_app,
            self._faults.stamped(now_ns),
            now_ns,
            now_ns + (0 if origin.immediate else lag_ms * NS_PER_MS),
            self._ids.guid(order_id),
            meta=dict(meta or {}),
            algo_id=request.algo_id,
        )
        late_funds = self._faults.margin_async
        if not late_funds and not origin.forced:
            self.check_funds(claim_of(order))
        self.orders[order.order_id] = order
        self._by_token.setdefault(request.listed.row.token, []).append(order)
        self._step(now_ns, order, RECEIVED)
        self._step(now_ns, order, VALIDATION)
        if not late_funds:
            self._step(now_ns, order, OPEN_PENDING)
        if origin.immediate:
            self._register(now_ns, order, origin)
        else:
            due_ns = now_ns + behaviour.open_lag_ms * NS_PER_MS
            self.at(due_ns, lambda ns: self._register(ns, order, origin))
        return order

    def claims(self, but: Order | None = None) -> list[Claim]:
        """What the working orders, ``but`` for one, ask of the account."""
        return [claim_of(order) for order in self.working() if order is not but]

    def check_funds(self, claim: Claim, instead: Order | None = None) -> None:
        """Whether the account can carry one more claim, ``instead`` of a working order. Raises
        ``KiteError``."""
        need, have = self._funds(claim, instead)
        if need > max(0, have):
            raise errors.margin_error(errors.funds_text(need, have))

    def modify(self, now_ns: int, order: Order, change: Change) -> None:
        """Send a modification that passed the broker's checks after an order."""
        order.modifications += 1
        order.changes += 1
        self._step(now_ns, order, MODIFY_VALIDATION)
        self._step(now_ns, order, MODIFY_PENDING)
        due_ns = now_ns + self._behaviour.modify_lag_ms * NS_PER_MS
        self.at(due_ns, lambda ns: self._change(ns, order, change))

    def cancel(self, now_ns: int, order: Order) -> None:
        """Send a cancellation after an order; a second one while it is on its way adds nothing."""
        if order.cancelling:
            return
        order.cancelling = True
        self._step(now_ns, order, CANCEL_PENDING)
        due_ns = now_ns + self._behaviour.cancel_lag_ms * NS_PER_MS
        self.at(due_ns, lambda ns: self._cancelled(ns, order))

    def kill(self, now_ns: int, order: Order, message: str | None = None) -> None:
        """Cancel at once: the exchange's day end, the broker's own hand."""
        if not order.terminal:
            order.message = message
            self._step(now_ns, order, CANCELLED)

    def see(self, now_ns: int, token: int, traded: int) -> None:
        """A packet has come: its trades are shared out, its book is met, and stops that it wakes
        meet what is left of it, since they come after what was there."""
        orders = self._by_token.get(token)
        if not orders:
            return
        ticker = self._market.tickers[token]
        self._take(now_ns, meet_trades(orders, ticker, traded))
        settle_queue(orders, ticker)
        self._take(now_ns, meet_book(orders, ticker, self._behaviour.depth_share_bps))
        for order in list(orders):
            if order.waits_for_trigger and self._is_reached(order):
                self._trigger(now_ns, order)
                self._overlay(now_ns, order)

    # --- steps -----------------------------------------------------------------------------------

    def _register(self, ns: int, order: Order, origin: Origin) -> None:
        """The exchange answers: rejected, waiting for its trigger, or open."""
        if order.terminal:
            return None
        if not origin.immediate and self._held_up(ns, lambda at: self._register(at, order, origin)):
            return None
        if order.status == VALIDATION:
            need, have = self._funds(claim_of(order), order)
            if need > max(0, have):
                message, raw = errors.funds_texts(need, have, self._user_id)
                return self._reject(ns, order, message, raw)
            self._step(ns, order, OPEN_PENDING)
        if self._faults.reject_next is not None and not origin.forced:
            message, self._faults.reject_next = self._faults.reject_next, None
            return self._reject(ns, order, message, message)
        ranged = order.order_type != "SL" and not origin.forced
        if ranged and self._is_out_of_range(ns, order, order.price_paise):
            return self._reject(ns, order, errors.LPP_REJECTED, errors.LPP_RAW)
        order.exchange_order_id = self._ids.exchange_order()
        order.exchange_ns = self._faults.stamped(ns)
        self._rest(ns, order)
        return None

    def _rest(self, ns: int, order: Order) -> None:
        """Give an order its place at the exchange, then let it meet the market."""
        stop = order.order_type == "SL" and not order.triggered
        order.resting = TRIGGER_PENDING if stop else OPEN
        self._queue(order)
        self._step(ns, order, order.resting)
        if stop and self._is_reached(order):
            self._trigger(ns, order)
        elif not stop:
            self._meet(ns, order)

    def _trigger(self, ns: int, order: Order) -> None:
        """A stop wakes: it is a limit order from here on, if its price is in range."""
        order.triggered = True
        if self._is_out_of_range(ns, order, order.price_paise):
            order.message_raw = errors.LPP_RAW
            self.kill(ns, order, errors.LPP_CANCELLED)
            return
        order.resting = OPEN
        self._queue(order)
        self._step(ns, order, OPEN)
        self._meet(ns, order)

    def _meet(self, ns: int, order: Order) -> None:
        """Take what the book still shows; what IOC does not get at once is cancelled."""
        ticker = self._market.of(order.listed)
        self._take(ns, meet_book([order], ticker, self._behaviour.depth_share_bps))
        if order.terminal:
            return
        if order.validity == "IOC":
            self.kill(ns, order)
        elif order.validity == "TTL" and not order.expires:
            order.expires = True
            minutes_ns = order.validity_ttl * 60_000 * NS_PER_MS
            self.at(order.taken_ns + minutes_ns, lambda at: self.kill(at, order))

    def _change(self, ns: int, order: Order, change: Change) -> None:
        """A modification reaches the exchange."""
        if order.terminal or self._held_up(ns, lambda at: self._change(at, order, change)):
            return
        order.changes -= 1
        late = change.quantity <= order.filled
        waits = change.order_type == "SL" and not order.triggered
        if late or (not waits and self._is_out_of_range(ns, order, change.price_paise)):
            order.message_raw = None if late else errors.LPP_RAW
            order.message = errors.CHANGE_TOO_LATE if late else errors.LPP_REJECTED
            self._step(ns, order, order.resting)
            self._overlay(ns, order)
            return
        moved = loses_place(order, change)
        change.apply(order)
        self._step(ns, order, MODIFIED)
        if moved:
            self._rest(ns, order)
        else:
            self._step(ns, order, order.resting)
        if not order.terminal:
            self._overlay(ns, order)
            self._updates.send(ns, order, UPDATE)

    def _cancelled(self, ns: int, order: Order) -> None:
        """A cancellation reaches the exchange."""
        if order.terminal or self._held_up(ns, lambda at: self._cancelled(at, order)):
            return
        open_there = order.at_exchange
        self.kill(ns, order)
        if self._faults.late_fill_after_cancel and open_there:
            due_ns = ns + self._behaviour.late_fill_ms * NS_PER_MS
            self.at(due_ns, lambda at: self._late_fill(at, order))

    def _late_fill(self, ns: int, order: Order) -> None:
        """The fault: a trade that was struck before the cancellation is reported after it."""
        lot = max(1, order.listed.row.lot_units)
        lots = order.remaining // lot
        if lots:
            units = (1 + self._ids.below(lots)) * lot
            self._book(ns, order, order.price_paise, units)
            self._step(ns, order, COMPLETE if order.remaining == 0 else CANCELLED)

    # --- what they are made of -------------------------------------------------------------------

    def _take(self, ns: int, fills: list[Fill]) -> None:
        for fill in fills:
            self._book(ns, fill.order, fill.price_paise, fill.units)
            if fill.order.remaining == 0:
                self._step(ns, fill.order, COMPLETE)
                self._next_leg(ns, fill.order)
            else:
                self._updates.send(ns, fill.order, UPDATE)

    def _book(self, ns: int, order: Order, price: int, units: int) -> None:
        """One trade, into the order, the trades and the account."""
        assert 0 < units <= order.remaining, "a fill is never more than what is open"
        cost = self._charges.paise(
            order.listed, order.side, price, units, first_fill=order.filled == 0
        )
        order.filled += units
        order.value_paise += units * price
        order.update_ns = order.exchange_ns = self._faults.stamped(ns)
        trade_id = self._ids.trade()
        trade = Trade(
            trade_id,
            order.order_id,
            order.listed,
            order.product,
            order.side,
            units,
            price,
            cost,
            order.exchange_ns,
        )
        self.trades.append(trade)
        self._account.book(trade)

    def _step(self, ns: int, order: Order, status: str) -> None:
        """Move an order to a status, with its row of history, and tell of it where one does."""
        order.status = status
        stamped = self._faults.stamped(ns)
        order.update_ns = stamped if order.exchange_order_id else None
        order.history.append(history_row(order, stamped))
        if status in TERMINAL:
            left = self._by_token.get(order.listed.row.token, [])
            if order in left:
                left.remove(order)
            self._updates.send(ns, order, status)
        elif status in (OPEN, TRIGGER_PENDING) and self._behaviour.open_updates:
            self._updates.send(ns, order, status)

    def _overlay(self, ns: int, order: Order) -> None:
        """After a step at the exchange: what is still on its way there shows again."""
        if order.terminal:
            return
        if order.cancelling:
            self._step(ns, order, CANCEL_PENDING)
        elif order.changes:
            self._step(ns, order, MODIFY_PENDING)

    def _queue(self, order: Order) -> None:
        """The last place in time at its price."""
        self._priority += 1
        order.priority = self._priority
        ahead = self._market.of(order.listed).ahead(order.side, order.price_paise)
        order.ahead_units = UNSEEN_AHEAD if ahead is None else ahead

    def _next_leg(self, ns: int, order: Order) -> None:
        """An iceberg shows its next leg when one is filled."""
        iceberg = order.meta.get("iceberg")
        if iceberg is None or iceberg["leg"] >= iceberg["legs"]:
            return
        self.place(
            ns,
            request_of(order),
            Origin(order.placed_by, order.own_app),
            {
                "iceberg": {
                    **iceberg,
                    "leg": iceberg["leg"] + 1,
                    "remaining_quantity": iceberg["remaining_quantity"] - order.quantity,
                }
            },
        )

    def _held_up(self, ns: int, again: Step) -> bool:
        """While the switch is on nothing moves on; it is tried again later."""
        if self._faults.pending_forever:
            self.at(ns + self._behaviour.pending_retry_ms * NS_PER_MS, again)
            return True
        return False

    def _is_reached(self, order: Order) -> bool:
        last = self._market.of(order.listed).last
        if last is None:
            return False
        up = order.side == "BUY"
        return last >= order.trigger_paise if up else last <= order.trigger_paise

    def _is_out_of_range(self, ns: int, order: Order, price: int) -> bool:
        if not self._behaviour.price_protection:
            return False
        return self._market.outside_protection(ns, order.listed, order.side, price)

    def _funds(self, claim: Claim, instead: Order | None) -> tuple[int, int]:
        """(what a claim blocks beyond the others, what is free without it)."""
        others = self.claims(instead)
        have = self._account.available(others)
        return have - self._account.available([*others, claim]), have

    def _reject(self, ns: int, order: Order, message: str, raw: str) -> None:
        order.message, order.message_raw = message, raw
        self._step(ns, order, REJECTED)


def request_of(order: Order) -> Request:
    """The request that would place an order's like again."""
    return Request(
        order.listed,
        order.variety,
        order.side,
        order.order_type,
        order.product,
        order.validity,
        order.validity_ttl,
        order.quantity,
        order.price_paise,
        order.trigger_paise,
        order.protection_e2,
        order.tag,
        tuple(order.tags),
        order.algo_id,
    )


def closing_request(
    listed: Listed, product: str, side: str, units: int, price_paise: int
) -> Request:
    """A plain LIMIT order for the day, as a person or the broker closes a position with."""
    return Request(listed, "regular", side, "LIMIT", product, "DAY", 0, units, price_paise)

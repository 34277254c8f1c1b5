"""The sans-I/O exchange: a broker of Kite Connect v3 and the market's book behind it.

Lives here: ``Exchange``, what a server or a test calls. May import: the parts of this room. Always
holds: no clock, no socket, no thread; every call carries the session time and first does what was
due before it; equal calls give equal answers. Start reading at ``Exchange.place``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import msgspec

from adapters.exchange_sim import errors
from adapters.exchange_sim.account import Account, Claim, empty_margins
from adapters.exchange_sim.changes import read_change
from adapters.exchange_sim.charges import Charges
from adapters.exchange_sim.checks import (
    PRODUCTS,
    SIDES,
    asks_autoslice,
    check_address,
    check_freeze,
    check_range,
    check_variety,
    read_instrument,
    read_quantity,
    read_request,
)
from adapters.exchange_sim.desk import Desk, Origin, closing_request
from adapters.exchange_sim.errors import KiteError, input_error, order_error
from adapters.exchange_sim.estimates import Estimates
from adapters.exchange_sim.gtt import Gtts
from adapters.exchange_sim.hours import MIS, Hours
from adapters.exchange_sim.limits import ORDER, Limits
from adapters.exchange_sim.listing import Listed, Listings
from adapters.exchange_sim.market import Market
from adapters.exchange_sim.orders import OPEN_PENDING, Order, trade_data
from adapters.exchange_sim.quotes import Quotes
from adapters.exchange_sim.spec import AccountSpec, Behaviour, FaultSwitches
from adapters.exchange_sim.tokens import Tokens
from adapters.exchange_sim.updates import Updates
from adapters.exchange_sim.words import Data, Form, choice, text
from engine.rulebook import Rulebook
from events.session import Instrument

SQUARE_OFF: Final = Origin("RMS", own_app=False, immediate=True, forced=True)
"""Who places the orders that close what is MIS at the end of the broker's patience."""


class Exchange:
    """One account at one broker on one day. ``day`` is yyyymmdd IST; ``now_ns`` of every call is ns
    UTC of the session clock and should not go back. Refusals are ``KiteError``."""

    def __init__(
        self,
        instruments: tuple[Instrument, ...],
        rulebook: Rulebook,
        day: int,
        account: AccountSpec | None = None,
        behaviour: Behaviour | None = None,
    ) -> None:
        self.spec: Final = account or AccountSpec()
        self.behaviour: Final = behaviour or Behaviour()
        self.faults: Final = FaultSwitches()
        self.day: Final = day
        self._listings = Listings(instruments, rulebook, day)
        self._market = Market(self._listings, rulebook, day, self.behaviour.range_bps)
        self._hours = Hours(rulebook, day, self.behaviour)
        self._charges = Charges(rulebook, day)
        self._account = Account(self.spec, self.behaviour, self._market, day)
        self._updates = Updates(self.spec, self.behaviour, self.faults)
        self._tokens = Tokens(self.spec, self.behaviour, self.faults, day)
        self._limits = Limits(self.behaviour)
        self._quotes = Quotes(self._listings, self._market, self.faults)
        self._desk = Desk(
            self.spec.user_id,
            self.behaviour,
            self.faults,
            self._market,
            self._account,
            self._charges,
            self._updates,
        )
        self._estimates = Estimates(self._listings, self._market, self._account, self._charges)
        self._gtts = Gtts(self._listings, self._market, self.faults, self._place_triggered)
        for exchange, window in self._hours.windows.items():
            self._desk.at(window.close_ns, partial(self._day_end, exchange))
        if self._hours.square_off_ns is not None:
            self._desk.at(self._hours.square_off_ns, self._square_off)

    # --- time and the market ---------------------------------------------------------------------

    def advance(self, now_ns: int) -> None:
        """Let time pass: every step that is due by now is done, each at its own time."""
        self._desk.advance(now_ns)

    def on_frame(self, now_ns: int, data: bytes) -> None:
        """A frame of the market: prices and books move, what rests is matched, stops wake.

        Raises ``FrameError`` on a frame that cannot be taken at its word.
        """
        self.advance(now_ns)
        for token, traded in self._market.see(now_ns, data):
            listed = self._listings.by_token[token]
            if self._hours.is_open(now_ns, listed.row.exchange):
                self._desk.see(now_ns, token, traded)
                self._gtts.see(now_ns, token)

    def next_due_ns(self) -> int | None:
        """When ``advance`` or ``take_updates`` has something to do next; None for never."""
        due = [d for d in (self._desk.next_due_ns(), self._updates.next_due_ns()) if d is not None]
        return min(due) if due else None

    def take_updates(self, now_ns: int) -> list[Data]:
        """The order updates that are due by now, in order of delivery: postback payloads, of all
        orders of the user; ``app_id`` is not ours where another terminal placed the order."""
        self.advance(now_ns)
        return self._updates.take(now_ns)

    # --- who speaks, and how often ---------------------------------------------------------------

    def admit(self, now_ns: int, route_class: str) -> None:
        """Count a call of a class: order, quote, historical, other. Raises ``KiteError`` 429."""
        self._limits.admit(now_ns, route_class)

    def login(self, now_ns: int) -> str:
        """The request token that the login page redirects with."""
        return self._tokens.login(now_ns)

    def session_token(self, now_ns: int, form: Form) -> Data:
        """Exchange a request token (form: api_key, request_token, checksum)."""
        return self._tokens.exchange(
            now_ns, text(form, "api_key"), text(form, "request_token"), text(form, "checksum")
        )

    def token_ok(self, now_ns: int, api_key: str, token: str) -> bool:
        """Whether this key and token may speak now."""
        return self._tokens.ok(now_ns, api_key, token)

    def invalidate(self, now_ns: int, api_key: str, token: str) -> bool:
        """Log out."""
        return self._tokens.invalidate(api_key, token)

    @property
    def logins(self) -> int:
        """How often somebody has logged in."""
        return self._tokens.logins

    def logout_elsewhere(self) -> None:
        """A master logout: no token lives any more."""
        self._tokens.kill()

    def profile(self, now_ns: int) -> Data:
        """The user."""
        return self._tokens.profile()

    # --- orders ----------------------------------------------------------------------------------

    def place(self, now_ns: int, variety: str, form: Form, ip: str = "") -> Any:
        """Place an order; the ``data`` of the answer: ``{order_id}``, or what autoslice gives."""
        self.advance(now_ns)
        check_address(self.spec, self.behaviour, ip)
        check_variety(variety)
        origin = Origin(self.spec.user_id, own_app=True)
        if asks_autoslice(form):
            return self._place_slices(now_ns, variety, form, origin)
        return {"order_id": self._place(now_ns, variety, form, origin).order_id}

    def modify(self, now_ns: int, variety: str, order_id: str, form: Form, ip: str = "") -> Data:
        """Modify a working order."""
        self.advance(now_ns)
        check_address(self.spec, self.behaviour, ip)
        order = self._changeable(now_ns, variety, order_id)
        if order.cancelling:
            raise order_error(errors.NO_SUCH_ORDER.format(order_id=order_id))
        if order.modifications >= self.behaviour.modifications_max:
            raise KiteError(400, "NetworkException", errors.TOO_MANY_CHANGES)
        limits = self._market.limits(order.listed)
        change = read_change(order, form, self._market.of(order.listed), limits)
        left = change.quantity - order.filled
        claim = Claim(order.listed, order.product, order.side, left, change.price_paise)
        self._desk.check_funds(claim, order)
        self._desk.modify(now_ns, order, change)
        return {"order_id": order_id}

    def cancel(self, now_ns: int, variety: str, order_id: str, ip: str = "") -> Data:
        """Cancel a working order."""
        self.advance(now_ns)
        check_address(self.spec, self.behaviour, ip)
        self._desk.cancel(now_ns, self._changeable(now_ns, variety, order_id))
        return {"order_id": order_id}

    def orders(self, now_ns: int) -> list[Data]:
        """The orders of the day that are listed by now, oldest first."""
        self.advance(now_ns)
        return [o.data() for o in self._desk.orders.values() if o.listed_ns <= now_ns]

    def order_history(self, now_ns: int, order_id: str) -> list[Data]:
        """An order's steps, oldest first."""
        self.advance(now_ns)
        return [dict(row) for row in self._listed(now_ns, order_id).history]

    def trades(self, now_ns: int) -> list[Data]:
        """The trades of the orders that are listed by now, oldest first."""
        self.advance(now_ns)
        orders = self._desk.orders
        return [
            trade_data(trade, orders[trade.order_id])
            for trade in self._desk.trades
            if orders[trade.order_id].listed_ns <= now_ns
        ]

    def order_trades(self, now_ns: int, order_id: str) -> list[Data]:
        """The trades of one order."""
        self.advance(now_ns)
        order = self._listed(now_ns, order_id)
        return [trade_data(t, order) for t in self._desk.trades if t.order_id == order_id]

    # --- what a person does in the broker's own app ----------------------------------------------

    def foreign_order(self, now_ns: int, form: Form) -> Data:
        """An order from another terminal of the user (``variety`` may be in the form)."""
        self.advance(now_ns)
        origin = Origin(self.spec.user_id, own_app=False, immediate=True)
        variety = choice(form, "variety", ("regular", "iceberg"), "regular")
        return {"order_id": self._place(now_ns, variety, form, origin).order_id}

    def close_by_hand(
        self, now_ns: int, exchange: str, tradingsymbol: str, product: str, units: int
    ) -> Data:
        """The user closes units of a position in the broker's app, at whatever the book gives; what
        it does not give at once stays as an order at the day's limit."""
        self.advance(now_ns)
        row = {"exchange": exchange, "tradingsymbol": tradingsymbol, "quantity": units}
        listed = read_instrument(self._listings, row)
        read_quantity(listed, row)
        held = abs(self._account.units(listed, product))
        if units > held:
            raise input_error(errors.POSITION_SHORT.format(have=held))
        origin = Origin(self.spec.user_id, own_app=False, immediate=True, forced=True)
        return {"order_id": self._close(now_ns, listed, product, units, origin).order_id}

    def square_off(self, now_ns: int, product: str = MIS) -> None:
        """The broker ends what is of a product, as it does with MIS at its hour every day: working
        orders are cancelled, positions closed at whatever the book gives, for a fee each."""
        self.advance(now_ns)
        self._square_off(now_ns, product)

    # --- the account -----------------------------------------------------------------------------

    def positions(self, now_ns: int) -> Data:
        """``net`` and ``day``."""
        self.advance(now_ns)
        return self._account.positions_data()

    def convert_position(self, now_ns: int, form: Form) -> bool:
        """Move units of a position from one product to another."""
        self.advance(now_ns)
        listed = read_instrument(self._listings, form)
        side = choice(form, "transaction_type", SIDES)
        choice(form, "position_type", ("day", "overnight"))
        old = choice(form, "old_product", PRODUCTS)
        new = choice(form, "new_product", PRODUCTS)
        if old == new:
            raise input_error(errors.FIELD_INVALID.format(field="new_product"))
        self._account.convert(listed, side, old, new, read_quantity(listed, form))
        return True

    def margins(self, now_ns: int, segment: str | None = None) -> Data:
        """Funds of both segments, or of ``equity`` or ``commodity``."""
        self.advance(now_ns)
        both = {
            "equity": self._account.margins_data(self._desk.claims()),
            "commodity": empty_margins(),
        }
        if segment is None:
            return both
        if segment not in both:
            raise input_error(errors.FIELD_INVALID.format(field="segment"))
        return both[segment]

    def holdings(self, now_ns: int) -> list[Data]:
        """None: there is no cash segment here."""
        return []

    @property
    def cash_paise(self) -> int:
        """Opening cash and what trades and charges did to it; nothing that is blocked is taken
        off."""
        return self._account.cash_paise

    def ledger(self) -> tuple[tuple[str, str, str, int], ...]:
        """The truth: (exchange, tradingsymbol, product, net units) of every position of the day."""
        return self._account.ledger()

    def unlagged(self) -> tuple[list[Data], list[Data]]:
        """The truth of the books: every order and every trade, oldest first, listed or not."""
        desk = self._desk
        trades = [trade_data(trade, desk.orders[trade.order_id]) for trade in desk.trades]
        return [order.data() for order in desk.orders.values()], trades

    def order_margins(self, now_ns: int, items: Sequence[Form]) -> list[Data]:
        """What each order would block, beside positions and working orders, and cost."""
        self.advance(now_ns)
        return self._estimates.order_margins(items, self._desk.claims())

    def basket_margins(self, now_ns: int, items: Sequence[Form], consider_positions: bool) -> Data:
        """What orders would block one by one (``initial``) and together (``final``)."""
        self.advance(now_ns)
        claims = self._desk.claims() if consider_positions else []
        return self._estimates.basket_margins(items, claims, consider_positions)

    def charges(self, now_ns: int, items: Sequence[Form]) -> list[Data]:
        """What orders with an ``average_price`` cost."""
        self.advance(now_ns)
        return self._estimates.charges(items)

    # --- the market ------------------------------------------------------------------------------

    def quote(self, now_ns: int, keys: tuple[str, ...]) -> Data:
        """Full quotes by ``EXCH:SYMBOL``; unknown names have no key."""
        return self._quotes.quote(now_ns, keys)

    def ohlc(self, now_ns: int, keys: tuple[str, ...]) -> Data:
        """OHLC and last price by key."""
        return self._quotes.ohlc(keys)

    def ltp(self, now_ns: int, keys: tuple[str, ...]) -> Data:
        """Last price by key."""
        return self._quotes.ltp(keys)

    def instruments_csv(self, exchange: str | None = None) -> bytes:
        """The instrument dump."""
        return self._listings.csv(exchange)

    def historical(
        self, now_ns: int, token: int, interval: str, from_: str, to: str, oi: bool
    ) -> Data:
        """Candles of the frames seen; ``from_`` and ``to`` as the route has them (IST)."""
        return self._quotes.historical(token, interval, {"from": from_, "to": to}, oi)

    # --- GTT -------------------------------------------------------------------------------------

    def gtt_place(self, now_ns: int, form: Form) -> Data:
        """Place a trigger (form: type, condition and orders as JSON texts)."""
        self.advance(now_ns)
        return self._gtts.place(now_ns, form)

    def gtt_modify(self, now_ns: int, trigger_id: str, form: Form) -> Data:
        """Change an active trigger."""
        self.advance(now_ns)
        return self._gtts.modify(now_ns, trigger_id, form)

    def gtt_get(self, now_ns: int, trigger_id: str) -> Data:
        """One trigger."""
        self.advance(now_ns)
        return self._gtts.get(trigger_id).data(self.spec.user_id)

    def gtt_list(self, now_ns: int) -> list[Data]:
        """All triggers, oldest first, finished ones too."""
        self.advance(now_ns)
        return [trigger.data(self.spec.user_id) for trigger in self._gtts.all()]

    def gtt_delete(self, now_ns: int, trigger_id: str) -> Data:
        """Delete an active trigger."""
        self.advance(now_ns)
        return self._gtts.delete(now_ns, trigger_id)

    # --- inside ----------------------------------------------------------------------------------

    def _place(self, now_ns: int, variety: str, form: Form, origin: Origin) -> Order:
        """One order from a form, with every check of the broker."""
        listed = read_instrument(self._listings, form)
        self._hours.check(now_ns, listed.row.exchange, str(form.get("product", "")))
        request = read_request(
            self._listings, variety, form, self._market.of(listed), own_app=origin.own_app
        )
        leg = request.quantity // request.legs
        check_freeze(listed, leg)
        check_range(request.price_paise, self._market.limits(listed))
        meta: dict[str, object] = {}
        if request.legs > 1:
            meta["iceberg"] = {
                "leg": 1,
                "legs": request.legs,
                "leg_quantity": leg,
                "total_quantity": request.quantity,
                "remaining_quantity": request.quantity - leg,
            }
            request = msgspec.structs.replace(request, quantity=leg)
        return self._desk.place(now_ns, request, origin, meta)

    def _place_triggered(self, now_ns: int, form: Form) -> str:
        """The order of a trigger that has fired."""
        origin = Origin(self.spec.user_id, own_app=True)
        return self._place(now_ns, "regular", form, origin).order_id

    def _place_slices(self, now_ns: int, variety: str, form: Form, origin: Origin) -> Any:
        """Cut an order at the freeze quantity; each slice is refused or taken on its own."""
        listed = read_instrument(self._listings, form)
        quantity = read_quantity(listed, form)
        parts = slices_of(quantity, listed.order_max or quantity)
        if len(parts) > self.behaviour.autoslice_max:
            limit = self.behaviour.autoslice_max
            raise input_error(errors.SLICES.format(slices=len(parts), most=limit))
        parent = self._desk.new_id(now_ns)
        children: list[Data] = []
        for n, part_units in enumerate(parts):
            part = {**form, "quantity": part_units}
            try:
                if n:
                    self.admit(now_ns, ORDER)
                order = self._place(now_ns, variety, part, origin)
            except KiteError as error:
                children.append({"error": _error_data(error)})
            else:
                order.tags.extend(("autoslice", f"autoslice:{parent}"))
                children.append({"order_id": order.order_id})
        if self.behaviour.autoslice_v2:
            return {"order_id": parent, "children": children}
        return children

    def _listed(self, now_ns: int, order_id: str) -> Order:
        """An order that the book shows by now."""
        order = self._desk.orders.get(order_id)
        if order is None or order.listed_ns > now_ns:
            raise order_error(errors.NO_SUCH_ORDER.format(order_id=order_id))
        return order

    def _changeable(self, now_ns: int, variety: str, order_id: str) -> Order:
        """A listed order of a variety that the exchange has and that is not finished."""
        order = self._listed(now_ns, order_id)
        if order.terminal or order.resting == OPEN_PENDING or order.variety != variety:
            raise order_error(errors.NO_SUCH_ORDER.format(order_id=order_id))
        return order

    def _close(
        self, now_ns: int, listed: Listed, product: str, quantity: int, origin: Origin
    ) -> Order:
        """Close units of a position at once, down or up to the day's limit, in as many orders as
        the freeze quantity asks for; the first of them."""
        side = "SELL" if self._account.units(listed, product) > 0 else "BUY"
        tick = max(1, listed.row.tick_paise)
        limits = self._market.limits(listed) or (tick, self._market.last(listed) * 2 or tick)
        price = limits[0] if side == "SELL" else limits[1]
        most = listed.order_max or quantity
        orders = [
            self._desk.place(now_ns, closing_request(listed, product, side, part, price), origin)
            for part in slices_of(quantity, most)
        ]
        return orders[0]

    def _day_end(self, exchange: str, ns: int) -> None:
        """The exchange closes: nothing works any more."""
        for order in self._desk.working():
            if order.listed.row.exchange == exchange:
                self._desk.kill(ns, order, errors.CLOSED_BY_EXCHANGE)

    def _square_off(self, ns: int, product: str = MIS) -> None:
        for order in self._desk.working():
            if order.product == product:
                self._desk.kill(ns, order)
        for position in self._account.positions():
            if position.product == product and position.units:
                self._account.charge(self._charges.square_off_paise)
                self._close(ns, position.listed, product, abs(position.units), SQUARE_OFF)


def slices_of(quantity: int, most: int) -> tuple[int, ...]:
    """A positive quantity in parts of ``most`` and what is left."""
    whole, rest = divmod(quantity, most)
    return (*(most,) * whole, rest) if rest else (most,) * whole


def _error_data(error: KiteError) -> Data:
    return {
        "code": error.http_status,
        "error_type": error.error_type,
        "message": error.message,
        "data": None,
    }

"""A modification: what a form asks of a working order, read and refused as a new order would be.

Lives here: ``Change``. May import: checks, errors, orders, words. Always holds: a field that the
form does not name keeps what the order has. Start reading at ``read_change``.
"""

from __future__ import annotations

import msgspec

from adapters.exchange_sim import errors
from adapters.exchange_sim.checks import (
    ORDER_TYPES,
    VALIDITIES,
    check_freeze,
    check_range,
    check_trigger,
    protected_price,
    protection_for,
    read_prices,
    read_protection,
    read_quantity,
)
from adapters.exchange_sim.errors import input_error
from adapters.exchange_sim.orders import Order
from adapters.exchange_sim.ticker import Ticker
from adapters.exchange_sim.words import Form, choice


class Change(msgspec.Struct, frozen=True, gc=False):
    """An order's fields after the modification."""

    order_type: str
    validity: str
    quantity: int
    price_paise: int
    trigger_paise: int
    protection_e2: int

    def apply(self, order: Order) -> None:
        order.order_type = self.order_type
        order.validity = self.validity
        order.quantity = self.quantity
        order.price_paise = self.price_paise
        order.trigger_paise = self.trigger_paise
        order.protection_e2 = self.protection_e2


def read_change(order: Order, form: Form, ticker: Ticker, limits: tuple[int, int] | None) -> Change:
    """The change that a form asks for. Raises ``KiteError``."""
    listed = order.listed
    order_type = choice(form, "order_type", ORDER_TYPES, order.order_type)
    validity = choice(form, "validity", VALIDITIES, order.validity)
    quantity = order.quantity if _absent(form, "quantity") else read_quantity(listed, form)
    if quantity < order.filled:
        raise input_error(errors.QUANTITY_BELOW_FILLED.format(filled=order.filled))
    check_freeze(listed, quantity)
    given_price, given_trigger = read_prices(listed, form)
    price = given_price or order.price_paise
    trigger = given_trigger or order.trigger_paise
    protection = order.protection_e2
    if order_type == "SL-M":
        raise input_error(errors.SLM_REFUSED)
    if order_type == "MARKET":
        protection = protection_for(listed, read_protection(form), ticker)
        price = protected_price(order.side, ticker.last or 0, protection, listed.row.tick_paise)
        order_type = "LIMIT"
    if order_type == "SL" and not order.triggered:
        check_trigger(order.side, price, trigger, ticker)
    check_range(price, limits)
    return Change(order_type, validity, quantity, price, trigger, protection)


def loses_place(order: Order, change: Change) -> bool:
    """Whether a change costs the order its place in time: a new price or trigger, a greater
    quantity, another type. Less of the same keeps it."""
    return (
        change.price_paise != order.price_paise
        or change.trigger_paise != order.trigger_paise
        or change.quantity > order.quantity
        or change.order_type != order.order_type
    )


def _absent(form: Form, field: str) -> bool:
    return form.get(field) in (None, "")

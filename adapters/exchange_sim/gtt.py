"""Good-till-triggered orders: one or two prices that the last price may reach, and a LIMIT each.

Lives here: ``Trigger`` and ``Gtts``. May import: json (through msgspec), checks, listing, market,
words. Always holds: a trigger fires once; of two legs one fires and the other is dropped; what it
places goes through every check of an order. Start reading at ``Gtts.see``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from adapters.exchange_sim import errors
from adapters.exchange_sim.checks import PRODUCTS, SIDES, read_instrument, read_quantity
from adapters.exchange_sim.errors import KiteError, input_error
from adapters.exchange_sim.listing import Listed, Listings
from adapters.exchange_sim.market import Market
from adapters.exchange_sim.spec import FaultSwitches
from adapters.exchange_sim.words import (
    Data,
    Form,
    choice,
    price_e4,
    rupees,
    rupees_text,
    stamp,
    text,
)
from engine.rulebook import NS_PER_DAY

LEGS: Final = {"single": 1, "two-leg": 2}
LIFE_DAYS: Final = 365
ACTIVE, TRIGGERED, DELETED = "active", "triggered", "deleted"

Placer = Callable[[int, Form], str]
"""Places an order at a time and gives its id. Raises ``KiteError``."""


class Trigger(msgspec.Struct, eq=False):
    """One trigger. ``rising`` says of each price whether it is reached from below; times are the
    broker's stamps."""

    trigger_id: int
    kind: str
    listed: Listed
    prices: tuple[int, ...]
    rising: tuple[bool, ...]
    orders: tuple[Data, ...]
    last_paise: int
    created_ns: int
    updated_ns: int
    status: str = ACTIVE
    results: dict[int, Data] = msgspec.field(default_factory=dict)

    def data(self, user_id: str) -> Data:
        """The object of ``GET /gtt/triggers``."""
        row = self.listed.row
        orders = [
            {
                "exchange": row.exchange,
                "tradingsymbol": row.tradingsymbol,
                **order,
                "result": self.results.get(leg),
            }
            for leg, order in enumerate(self.orders)
        ]
        return {
            "id": self.trigger_id,
            "user_id": user_id,
            "parent_trigger": None,
            "type": self.kind,
            "created_at": stamp(self.created_ns),
            "updated_at": stamp(self.updated_ns),
            "expires_at": stamp(self.created_ns + LIFE_DAYS * NS_PER_DAY),
            "status": self.status,
            "condition": {
                "exchange": row.exchange,
                "last_price": rupees(self.last_paise),
                "tradingsymbol": row.tradingsymbol,
                "trigger_values": [rupees(price) for price in self.prices],
                "instrument_token": row.token,
            },
            "orders": orders,
            "meta": {},
        }

    def reached(self, last: int) -> int | None:
        """The leg whose price the last price has reached, if any."""
        for leg, (price, rising) in enumerate(zip(self.prices, self.rising, strict=True)):
            if (last >= price) if rising else (last <= price):
                return leg
        return None


class Gtts:
    """The account's triggers, oldest first."""

    def __init__(
        self, listings: Listings, market: Market, faults: FaultSwitches, placer: Placer
    ) -> None:
        self._listings = listings
        self._market = market
        self._faults = faults
        self._placer = placer
        self._triggers: dict[int, Trigger] = {}

    def all(self) -> tuple[Trigger, ...]:
        """Every trigger of the day, finished ones too."""
        return tuple(self._triggers.values())

    def get(self, trigger_id: str) -> Trigger:
        """A trigger by its id. Raises ``KiteError``."""
        key = int(trigger_id) if trigger_id.isdecimal() else -1
        trigger = self._triggers.get(key)
        if trigger is None:
            raise KiteError(404, "GeneralException", errors.NO_SUCH_GTT)
        return trigger

    def place(self, now_ns: int, form: Form) -> Data:
        """A new trigger. Raises ``KiteError``."""
        stamped = self._faults.stamped(now_ns)
        trigger = self._read(form, len(self._triggers) + 1, stamped, stamped)
        self._triggers[trigger.trigger_id] = trigger
        return {"trigger_id": trigger.trigger_id}

    def modify(self, now_ns: int, trigger_id: str, form: Form) -> Data:
        """Put another condition and other orders in an active trigger's place."""
        old = self._active(trigger_id)
        stamped = self._faults.stamped(now_ns)
        new = self._read(form, old.trigger_id, old.created_ns, stamped)
        self._triggers[old.trigger_id] = new
        return {"trigger_id": old.trigger_id}

    def delete(self, now_ns: int, trigger_id: str) -> Data:
        """End an active trigger."""
        trigger = self._active(trigger_id)
        trigger.status, trigger.updated_ns = DELETED, self._faults.stamped(now_ns)
        return {"trigger_id": trigger.trigger_id}

    def see(self, now_ns: int, token: int) -> None:
        """A packet of an instrument has come: what its last price reaches fires."""
        for trigger in self._triggers.values():
            if trigger.status == ACTIVE and trigger.listed.row.token == token:
                leg = trigger.reached(self._market.last(trigger.listed))
                if leg is not None:
                    self._fire(now_ns, trigger, leg)

    def _fire(self, now_ns: int, trigger: Trigger, leg: int) -> None:
        trigger.status, trigger.updated_ns = TRIGGERED, self._faults.stamped(now_ns)
        row = trigger.listed.row
        order = trigger.orders[leg]
        names = {"exchange": row.exchange, "tradingsymbol": row.tradingsymbol}
        try:
            order_id, reason = self._placer(now_ns, {**names, **order, "validity": "DAY"}), ""
        except KiteError as error:
            order_id, reason = "", error.message
        trigger.results[leg] = {
            **names,
            **order,
            "validity": "DAY",
            "timestamp": stamp(trigger.updated_ns),
            "triggered_at": rupees(self._market.last(trigger.listed)),
            "order_result": {
                "status": "failed" if reason else "success",
                "order_id": order_id,
                "rejection_reason": reason,
            },
        }

    def _active(self, trigger_id: str) -> Trigger:
        trigger = self.get(trigger_id)
        if trigger.status != ACTIVE:
            raise input_error(errors.GTT_DONE.format(status=trigger.status))
        return trigger

    def _read(self, form: Form, trigger_id: int, created_ns: int, updated_ns: int) -> Trigger:
        """The trigger that a form asks for. Raises ``KiteError``."""
        kind = choice(form, "type", tuple(LEGS))
        condition = _json_object(form, "condition")
        listed = read_instrument(self._listings, condition)
        values = condition.get("trigger_values")
        given = values if isinstance(values, list) else []
        prices = tuple(price_e4({"trigger_values": v}, "trigger_values") // 100 for v in given)
        if len(prices) != LEGS[kind] or list(prices) != sorted(set(prices)) or prices[0] <= 0:
            raise input_error(errors.GTT_VALUES.format(count=LEGS[kind]))
        orders = tuple(_read_order(listed, order) for order in _json_list(form, "orders"))
        if len(orders) != LEGS[kind]:
            raise input_error(errors.FIELD_INVALID.format(field="orders"))
        last = self._market.last(listed)
        rising = (False, True) if kind == "two-leg" else (prices[0] >= last,)
        trigger = Trigger(
            trigger_id, kind, listed, prices, rising, orders, last, created_ns, updated_ns
        )
        if trigger.reached(last) is not None:
            raise input_error(errors.GTT_MET.format(last=rupees_text(last)))
        return trigger


def _read_order(listed: Listed, order: Any) -> Data:
    """One leg's order: LIMIT only. Raises ``KiteError``."""
    if not isinstance(order, dict):
        raise input_error(errors.FIELD_INVALID.format(field="orders"))
    if text(order, "order_type") != "LIMIT":
        raise input_error(errors.GTT_LIMIT_ONLY)
    return {
        "product": choice(order, "product", PRODUCTS),
        "order_type": "LIMIT",
        "transaction_type": choice(order, "transaction_type", SIDES),
        "quantity": read_quantity(listed, order),
        "price": rupees(price_e4(order, "price") // 100),
    }


def _json_object(form: Form, field: str) -> Data:
    value = _json(form, field)
    if not isinstance(value, dict):
        raise input_error(errors.FIELD_INVALID.format(field=field))
    return value


def _json_list(form: Form, field: str) -> list[Any]:
    value = _json(form, field)
    if not isinstance(value, list):
        raise input_error(errors.FIELD_INVALID.format(field=field))
    return value


def _json(form: Form, field: str) -> Any:
    try:
        return msgspec.json.decode(text(form, field))
    except msgspec.DecodeError as error:
        raise input_error(errors.FIELD_INVALID.format(field=field)) from error

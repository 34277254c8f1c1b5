"""An order message as the fields of the broker's form, and the authority that it needs.

Lives here: the fit of message and authority, the form of each action. May import: engine.ports,
events. Always holds: pure; a message that must not leave cannot be built: a market order without
protection, a limit order without a limit, an SL-M, a tag that the broker would cut, a variety that
slices; prices are exact decimal text. Start reading at ``form_of``.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from adapters.kite.errors import CANCEL, MODIFY, PLACE
from engine.ports import Authority, ExitAuthority
from events.broker import OrderSendStarted

VARIETIES: Final = ("regular",)
"""The engine slices itself: each slice is an intent with a tag of its own."""

CANCELLABLE: Final = (*VARIETIES, "amo", "co", "iceberg", "auction")
"""What others may have placed from the broker's own app: a cancel opens nothing."""

VALIDITIES: Final = ("DAY", "IOC")
PROTECTION_MAX_BPS: Final = 10_000
TAG: Final = re.compile(r"[A-Za-z0-9]{1,20}")

Form = dict[str, str]

NEEDS: Final = {
    "LIMIT": ("limit_paise",),
    "SL": ("limit_paise", "trigger_paise"),
    "MARKET": ("protection_bps",),
}
"""What each order type must have; it may have nothing else of the three. There is no SL-M: the
exchanges do not take it for index options."""

BUY, SELL = "BUY", "SELL"


class AuthorityMisfit(Exception):  # noqa: N818 - named for the condition
    """A message under an authority that does not allow it: an error of the program."""


class UnsendableMessage(Exception):  # noqa: N818 - named for the condition
    """A message that must not leave: an error of the program."""


def check_fit(message: OrderSendStarted, authority: Authority) -> None:
    """Raises ``AuthorityMisfit`` unless this authority is the one behind the message and allows
    it. A cancel opens nothing, so either kind allows one."""
    named = authority.exit_id if isinstance(authority, ExitAuthority) else authority.intent_id
    if message.authority != named:
        raise AuthorityMisfit(f"message {message.message_no} is under another authority")
    side = side_of(authority)
    if message.action != CANCEL and message.side != side:
        raise AuthorityMisfit(
            f"message {message.message_no}: {type(authority).__name__} allows {side} only"
        )


def side_of(authority: Authority) -> str:
    """The engine buys to enter and sells to leave; a protective stop is an exit that waits. Of a
    pair it sells a leg against what it bought, and buys that back."""
    if isinstance(authority, ExitAuthority):
        return BUY if authority.covers else SELL
    return SELL if authority.sells else BUY


def form_of(message: OrderSendStarted) -> Form:
    """The keyword arguments of the client's call for this message. Raises ``UnsendableMessage``."""
    maker = _FORMS.get(message.action)
    _demand(maker is not None, message, f"no action {message.action!r}")
    assert maker is not None
    varieties = CANCELLABLE if message.action == CANCEL else VARIETIES
    _demand(message.variety in varieties, message, f"variety {message.variety!r} is not sent")
    return maker(message)


def _place(message: OrderSendStarted) -> Form:
    _demand(TAG.fullmatch(message.tag) is not None, message, "a tag is 1 to 20 letters and digits")
    _demand(message.broker_order_id is None, message, "it has been placed before")
    _demand(message.side in ("BUY", "SELL"), message, f"no side {message.side!r}")
    form = {
        "variety": message.variety,
        "exchange": message.exchange,
        "tradingsymbol": message.tradingsymbol,
        "transaction_type": message.side,
        "product": message.product,
        **_terms(message),
        "tag": message.tag,
    }
    if message.algo_id is not None:
        form["algo_id"] = message.algo_id
    return form


def _modify(message: OrderSendStarted) -> Form:
    return {"variety": message.variety, "order_id": _broker_id(message), **_terms(message)}


def _cancel(message: OrderSendStarted) -> Form:
    return {"variety": message.variety, "order_id": _broker_id(message)}


_FORMS: Final = {PLACE: _place, MODIFY: _modify, CANCEL: _cancel}


def _broker_id(message: OrderSendStarted) -> str:
    _demand(bool(message.broker_order_id), message, "the broker's order id is not known")
    return message.broker_order_id or ""


def _terms(message: OrderSendStarted) -> Form:
    """Quantity, type, prices and validity: what can be placed and modified."""
    needs = NEEDS.get(message.order_type)
    _demand(needs is not None, message, f"no order type {message.order_type!r}")
    assert needs is not None
    for field in ("limit_paise", "trigger_paise", "protection_bps"):
        value = getattr(message, field)
        if field not in needs:
            _demand(value is None, message, f"{message.order_type} takes no {field}")
        else:
            _demand(value is not None and value > 0, message, f"{message.order_type} needs {field}")
    _demand(message.quantity_units > 0, message, "nothing to trade")
    _demand(message.validity in VALIDITIES, message, f"no validity {message.validity!r}")
    form = {
        "quantity": str(message.quantity_units),
        "order_type": message.order_type,
        "validity": message.validity,
    }
    if message.limit_paise is not None:
        form["price"] = rupees(message.limit_paise)
    if message.trigger_paise is not None:
        form["trigger_price"] = rupees(message.trigger_paise)
    if message.protection_bps is not None:
        bps = message.protection_bps
        _demand(bps <= PROTECTION_MAX_BPS, message, "protection is at most 100 %")
        form["market_protection"] = percent(bps)
    return form


def rupees(paise: int) -> str:
    """``110.15`` of 11015 paise."""
    return f"{paise // 100}.{paise % 100:02d}"


def percent(bps: int) -> str:
    """``2.5`` of 250 basis points."""
    return f"{(Decimal(bps) / 100).normalize():f}"


def _demand(holds: bool, message: OrderSendStarted, otherwise: str) -> None:
    if not holds:
        raise UnsendableMessage(f"message {message.message_no} cannot be sent: {otherwise}")

"""What the broker looks at before an order leaves its house, in its order, with its texts.

Lives here: reading a form into a ``Request`` and refusing what the broker refuses at once. May
import: errors, listing, spec, ticker, words. Always holds: a request that passed is whole: lot,
tick, freeze, product, price range, hours and trigger are as the rules ask. Start reading at
``read_request``.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from adapters.exchange_sim import errors
from adapters.exchange_sim.errors import KiteError, input_error, order_error
from adapters.exchange_sim.listing import Listed, Listings
from adapters.exchange_sim.spec import AccountSpec, Behaviour
from adapters.exchange_sim.ticker import Ticker
from adapters.exchange_sim.words import (
    Form,
    choice,
    decimal,
    flag,
    price_e4,
    rupees_text,
    text,
    units,
)

SIDES: Final = ("BUY", "SELL")
ORDER_TYPES: Final = ("MARKET", "LIMIT", "SL", "SL-M")
PRODUCTS: Final = ("NRML", "MIS")
VALIDITIES: Final = ("DAY", "IOC", "TTL")
VARIETIES: Final = ("regular", "iceberg", "amo", "co", "auction")
TAG: Final = re.compile(r"[A-Za-z0-9]{1,20}")
TTL_MAX_MINUTES: Final = 1_440

AUTOMATIC_E2: Final = ((1_000, 500), (10_000, 300), (50_000, 200))
"""Automatic protection of options: below so many paise, so many hundredths of a percent."""
AUTOMATIC_ABOVE_E2: Final = 100
AUTOMATIC_FUTURE_E2: Final = 100


class Request(msgspec.Struct, frozen=True, gc=False):
    """An order as asked for, read and in order. ``protection_e2`` is in hundredths of a percent,
    0 for none; a protected market order is a LIMIT here already."""

    listed: Listed
    variety: str
    side: str
    order_type: str
    product: str
    validity: str
    validity_ttl: int
    quantity: int
    price_paise: int
    trigger_paise: int = 0
    protection_e2: int = 0
    tag: str | None = None
    tags: tuple[str, ...] = ()
    algo_id: str | None = None
    legs: int = 1


def check_address(account: AccountSpec, behaviour: Behaviour, ip: str) -> None:
    """Order messages come from registered addresses only. Raises ``KiteError``."""
    if not account.allowed_ips:
        if behaviour.ip_required:
            raise KiteError(403, "PermissionException", errors.NO_IPS)
        return
    if ip not in account.allowed_ips:
        raise KiteError(403, "PermissionException", errors.IP_REFUSED.format(ip=ip))


def check_variety(variety: str) -> None:
    """Regular and iceberg are served. Raises ``KiteError``."""
    if variety not in VARIETIES:
        raise input_error(errors.FIELD_INVALID.format(field="variety"))
    if variety == "amo":
        raise order_error(errors.AMO_REFUSED)
    if variety not in ("regular", "iceberg"):
        raise order_error(errors.VARIETY_REFUSED.format(variety=variety))


def read_request(
    listings: Listings, variety: str, form: Form, ticker: Ticker, *, own_app: bool
) -> Request:
    """The order that a form asks for; ``ticker`` is its instrument's. ``own_app`` False is the
    broker's own terminal, which protects a market order by itself. Raises ``KiteError``."""
    listed = read_instrument(listings, form)
    side = choice(form, "transaction_type", SIDES)
    asked = choice(form, "order_type", ORDER_TYPES)
    product = choice(form, "product", PRODUCTS)
    if asked == "SL-M" and listed.option:
        raise input_error(errors.SLM_REFUSED)
    validity = choice(form, "validity", VALIDITIES, "DAY")
    quantity = read_quantity(listed, form)
    if units(form, "disclosed_quantity", 0):
        raise input_error(errors.DISCLOSED_REFUSED)
    priced = _read_priced(listed, side, asked, form, ticker, own_app)
    tag = read_tag(form)
    marks = ("mktp", f"mktp:{priced.protection_e2 / 100:.2f}")
    return Request(
        listed,
        variety,
        side,
        priced.order_type,
        product,
        validity,
        _read_ttl(form, validity),
        quantity,
        priced.price_paise,
        priced.trigger_paise,
        priced.protection_e2,
        tag,
        (*((tag,) if tag else ()), *(marks if priced.protection_e2 and own_app else ())),
        _optional(form, "algo_id"),
        _read_legs(listed, variety, quantity, form),
    )


class Priced(msgspec.Struct, frozen=True, gc=False):
    """An order's type and prices once protection has turned market orders into limits."""

    order_type: str
    price_paise: int
    trigger_paise: int
    protection_e2: int


def _read_priced(
    listed: Listed, side: str, asked: str, form: Form, ticker: Ticker, own_app: bool
) -> Priced:
    """MARKET becomes LIMIT at the last price ± protection, SL-M becomes SL at its trigger ±
    protection. Raises ``KiteError``."""
    price, trigger = read_prices(listed, form)
    protection = 0
    if asked in ("MARKET", "SL-M"):
        given = read_protection(form) if own_app else -1
        protection = protection_for(listed, given, ticker)
        base = trigger if asked == "SL-M" else _last(listed, ticker)
        price = protected_price(side, base, protection, listed.row.tick_paise)
    elif price == 0:
        raise input_error(errors.FIELD_INVALID.format(field="price"))
    order_type = "SL" if asked in ("SL", "SL-M") else "LIMIT"
    if order_type == "SL":
        check_trigger(side, price, trigger, ticker)
    return Priced(order_type, price, trigger if order_type == "SL" else 0, protection)


def read_instrument(listings: Listings, form: Form) -> Listed:
    """The tradable instrument that a form names. Raises ``KiteError``."""
    symbol = text(form, "tradingsymbol")
    listed = listings.find(text(form, "exchange"), symbol)
    if listed is None:
        raise input_error(errors.NO_SUCH_INSTRUMENT)
    if not listed.tradable:
        raise input_error(errors.NOT_TRADABLE.format(symbol=symbol))
    return listed


def read_quantity(listed: Listed, form: Form) -> int:
    """A positive multiple of the lot. Raises ``KiteError``."""
    quantity = units(form, "quantity")
    if quantity == 0:
        raise input_error(errors.FIELD_INVALID.format(field="quantity"))
    lot = max(1, listed.row.lot_units)
    if quantity % lot:
        raise input_error(errors.LOT_MULTIPLE.format(lot=lot))
    return quantity


def read_prices(listed: Listed, form: Form) -> tuple[int, int]:
    """(price, trigger price) in paise, each a multiple of the tick. Raises ``KiteError``."""
    tick = max(1, listed.row.tick_paise)
    found = []
    for field, message in (("price", errors.TICK_PRICE), ("trigger_price", errors.TICK_TRIGGER)):
        scaled = price_e4(form, field)
        if scaled % (tick * 100):
            raise input_error(message.format(tick=rupees_text(tick)))
        found.append(scaled // 100)
    return found[0], found[1]


def read_protection(form: Form) -> int:
    """Market protection as given: hundredths of a percent, or -1. Raises ``KiteError``."""
    given = form.get("market_protection")
    if given in (None, ""):
        raise input_error(errors.MARKET_UNPROTECTED)
    try:
        number = decimal(form, "market_protection")
    except KiteError as error:
        raise input_error(errors.PROTECTION_UNREADABLE.format(got=given)) from error
    if number == 0:
        raise input_error(errors.MARKET_UNPROTECTED)
    if number == -1:
        return -1
    if not 0 < number <= 100 or number * 100 != int(number * 100):
        raise input_error(errors.FIELD_INVALID.format(field="market_protection"))
    return int(number * 100)


def protected_price(side: str, base: int, protection_e2: int, tick: int) -> int:
    """The limit of a protected order: base ± protection, on the tick, never outside of it, and
    never below one tick."""
    tick = max(1, tick)
    away = base * protection_e2 // 10_000
    if side == "BUY":
        return max(tick, (base + away) // tick * tick)
    return max(tick, -((away - base) // tick) * tick)


def read_tag(form: Form) -> str | None:
    """The caller's tag. Raises ``KiteError``."""
    tag = _optional(form, "tag")
    if tag is not None and TAG.fullmatch(tag) is None:
        raise input_error(errors.TAG_INVALID)
    return tag


def check_freeze(listed: Listed, quantity: int) -> None:
    """An order above the freeze quantity is refused. Raises ``KiteError``."""
    if listed.freeze_units is not None and quantity > listed.freeze_units:
        raise input_error(errors.FREEZE.format(freeze=listed.freeze_units))


def check_range(price: int, limits: tuple[int, int] | None) -> None:
    """The day's price range. Raises ``KiteError``."""
    if limits is None:
        return
    low, high = limits
    if price > high:
        raise input_error(errors.ABOVE_CIRCUIT.format(limit=rupees_text(high)))
    if price < low:
        raise input_error(errors.BELOW_CIRCUIT.format(limit=rupees_text(low)))


def check_trigger(side: str, price: int, trigger: int, ticker: Ticker) -> None:
    """A stop's trigger lies beyond the last price and not past its own limit. Raises
    ``KiteError``."""
    if trigger == 0:
        raise input_error(errors.FIELD_INVALID.format(field="trigger_price"))
    last = ticker.last
    shown = "-" if last is None else rupees_text(last)
    if side == "BUY":
        if last is not None and trigger <= last:
            raise input_error(errors.TRIGGER_BUY_LOW.format(last=shown))
        if trigger > price:
            raise input_error(errors.TRIGGER_BUY_CROSSES)
    else:
        if last is not None and trigger >= last:
            raise input_error(errors.TRIGGER_SELL_HIGH.format(last=shown))
        if trigger < price:
            raise input_error(errors.TRIGGER_SELL_CROSSES)


def protection_for(listed: Listed, given: int, ticker: Ticker) -> int:
    """Hundredths of a percent: as given, or the broker's own table for -1."""
    if given != -1:
        return given
    if not listed.option:
        return AUTOMATIC_FUTURE_E2
    last = _last(listed, ticker)
    for below, protection in AUTOMATIC_E2:
        if last < below:
            return protection
    return AUTOMATIC_ABOVE_E2


def _last(listed: Listed, ticker: Ticker) -> int:
    if ticker.last is None or ticker.last <= 0:
        raise input_error(errors.NO_LAST_PRICE.format(symbol=listed.row.tradingsymbol))
    return ticker.last


def _read_ttl(form: Form, validity: str) -> int:
    if validity != "TTL":
        return 0
    minutes = units(form, "validity_ttl")
    if not 1 <= minutes <= TTL_MAX_MINUTES:
        raise input_error(errors.FIELD_INVALID.format(field="validity_ttl"))
    return minutes


def _read_legs(listed: Listed, variety: str, quantity: int, form: Form) -> int:
    """How many legs an iceberg has, 1 for anything else."""
    if variety != "iceberg":
        return 1
    legs = units(form, "iceberg_legs")
    lot = max(1, listed.row.lot_units)
    if not 2 <= legs <= 50 or quantity % legs or quantity // legs % lot:
        raise input_error(errors.ICEBERG_LEGS)
    if units(form, "iceberg_quantity", quantity // legs) != quantity // legs:
        raise input_error(errors.ICEBERG_LEGS)
    return legs


def _optional(form: Form, field: str) -> str | None:
    value = form.get(field)
    return None if value in (None, "") else str(value)


def asks_autoslice(form: Form) -> bool:
    """Whether the broker is to cut the order at the freeze quantity."""
    return flag(form, "autoslice")

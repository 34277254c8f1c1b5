"""The broker's JSON objects as our records: rupees to paise, IST to UTC, nothing guessed.

Lives here: one function for each kind of object that the broker gives (order, trade, position,
margins, quote). May import: events, engine.rulebook's calendar. Always holds: what is missing, of
another type or out of bounds raises ``DamagedData`` with the field's name and nothing else is ever
raised; a number is read from its shortest decimal text, so no binary rounding enters; a time that
is none (``0001-01-01``) is None; an unknown field changes nothing. Start reading at ``report_of``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from typing import Any, Final, TypeVar

from adapters.kite.errors import fault_of_text
from engine.rulebook import IST_OFFSET_NS, ist_ns
from events.broker import (
    BrokerFunds,
    BrokerPosition,
    BrokerReport,
    BrokerTrade,
    BrokerUpdate,
    ObservedQuote,
)

UNITS_MAX: Final = 10**11
"""More than any volume of a day."""

PAISE_MAX: Final = 10**15
"""Ten thousand crore rupees: more is damage, not money."""

ID_CHARS_MAX: Final = 64
TEXT_CHARS_MAX: Final = 300
TAGS_MAX: Final = 16

SIDES: Final = ("BUY", "SELL")
NEEDS_PRICE: Final = ("LIMIT", "SL")
NEEDS_TRIGGER: Final = ("SL", "SL-M")
WHOLE_PAISE: Final = ("NFO", "BFO", "NSE", "BSE")
"""Exchanges whose prices are whole paise. Elsewhere (currencies have four decimals) a price is
rounded half to even: nothing of ours trades there, and a person's order there must not make the
whole book unreadable."""

_EXACT: Final = Context(prec=60)
_NS_PER_US: Final = 1000
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - subtracted from naive times only
_STAMP: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})[ T]([0-9]{2}:[0-9]{2}:[0-9]{2})")

Object = Mapping[str, Any]
Row = TypeVar("Row")


class DamagedData(Exception):  # noqa: N818 - named for the condition
    """An answer that cannot be read. ``field`` is the place, such as ``order.quantity``."""

    def __init__(self, field: str) -> None:
        super().__init__(f"the broker's {field} cannot be read")
        self.field = field


# --- the objects ---------------------------------------------------------------------------------


def report_of(data: object) -> BrokerReport:
    """An order of the order book, of a history row, of a socket message or of a postback.

    Raises ``DamagedData``.
    """
    at = "order"
    order = _object(data, at)
    exchange = _word(order, "exchange", at)
    order_type = _word(order, "order_type", at)
    filled = _units(order, "filled_quantity", at)
    return BrokerReport(
        broker_order_id=_word(order, "order_id", at),
        exchange_order_id=_maybe_word(order, "exchange_order_id", at),
        parent_order_id=_maybe_word(order, "parent_order_id", at),
        status=_word(order, "status", at),
        status_message=_message(order.get("status_message")),
        fault=fault_of_text(_message(order.get("status_message")) or ""),
        tags=_tags(order, at),
        variety=_word(order, "variety", at),
        exchange=exchange,
        tradingsymbol=_word(order, "tradingsymbol", at),
        side=_side(order, at),
        product=_word(order, "product", at),
        order_type=order_type,
        validity=_word(order, "validity", at),
        quantity_units=_units(order, "quantity", at),
        filled_units=filled,
        filled_value_paise=_filled_value(order, filled, at),
        limit_paise=_order_price(order, "price", exchange, order_type in NEEDS_PRICE),
        trigger_paise=_order_price(order, "trigger_price", exchange, order_type in NEEDS_TRIGGER),
        order_ts=time_of(order.get("order_timestamp")),
        exchange_update_ts=time_of(order.get("exchange_update_timestamp")),
    )


def update_of(source: str, data: object) -> BrokerUpdate:
    """An order update that came by itself (``SOCKET`` or ``POSTBACK``). Raises ``DamagedData``."""
    return BrokerUpdate(source=source, report=report_of(data))


def trade_of(data: object) -> BrokerTrade:
    """A row of the trade book. The wire calls the units ``quantity``, the documentation
    ``filled``: either is taken. Raises ``DamagedData``."""
    at = "trade"
    trade = _object(data, at)
    exchange = _word(trade, "exchange", at)
    units = _units(trade, "quantity" if "quantity" in trade else "filled", at)
    price = _price(trade, "average_price", exchange, at)
    if units == 0 or price == 0:
        raise DamagedData(f"{at}.{'average_price' if units else 'quantity'}")
    return BrokerTrade(
        trade_id=_word(trade, "trade_id", at),
        broker_order_id=_word(trade, "order_id", at),
        exchange=exchange,
        tradingsymbol=_word(trade, "tradingsymbol", at),
        side=_side(trade, at),
        product=_word(trade, "product", at),
        quantity_units=units,
        price_paise=price,
        fill_ts=time_of(trade.get("fill_timestamp")),
    )


def position_of(data: object) -> BrokerPosition:
    """A row of the net positions. Its own profit fields are not read: in the broker's samples they
    are not what they are called. Raises ``DamagedData``."""
    at = "position"
    row = _object(data, at)
    return BrokerPosition(
        exchange=_word(row, "exchange", at),
        tradingsymbol=_word(row, "tradingsymbol", at),
        product=_word(row, "product", at),
        net_units=_signed_units(row, "quantity", at),
        overnight_units=_signed_units(row, "overnight_quantity", at),
        buy_units=_units(row, "buy_quantity", at),
        sell_units=_units(row, "sell_quantity", at),
        buy_value_paise=_money(row, "buy_value", at),
        sell_value_paise=_money(row, "sell_value", at),
        last_paise=_money(row, "last_price", at),
    )


def funds_of(data: object) -> BrokerFunds:
    """The margins of one segment. A part of a paisa (margins have four decimals) never makes more
    money to spend: what is free is rounded down, what is blocked up. Raises ``DamagedData``."""
    at = "margins"
    segment = _object(data, at)
    available = _object(segment.get("available"), f"{at}.available")
    utilised = _object(segment.get("utilised"), f"{at}.utilised")
    return BrokerFunds(
        net_paise=_money(segment, "net", at, ROUND_FLOOR),
        cash_paise=_money(available, "cash", f"{at}.available", ROUND_FLOOR),
        utilised_paise=_money(utilised, "debits", f"{at}.utilised", ROUND_CEILING),
    )


def basket_paise(data: object) -> int:
    """What a basket asks for in all, a part of a paisa counted as one. Raises ``DamagedData``."""
    at = "basket"
    final = _object(_object(data, at).get("final"), f"{at}.final")
    return _money(final, "total", f"{at}.final", ROUND_CEILING)


def quote_of(instrument: int, data: object) -> ObservedQuote:
    """The best of a quote's book. An index has no depth, or five levels of zeros: price 0 is no
    level. Raises ``DamagedData``."""
    at = "quote"
    quote = _object(data, at)
    bid, ask = (0, 0), (0, 0)
    if quote.get("depth") is not None:
        depth = _object(quote["depth"], f"{at}.depth")
        bid, ask = _best(depth, "buy", at), _best(depth, "sell", at)
    return ObservedQuote(
        instrument=instrument,
        ltp_paise=_whole_paise(quote, "last_price", at),
        bid_units=bid[0],
        bid_paise=bid[1],
        ask_units=ask[0],
        ask_paise=ask[1],
        stamp_ts=time_of(quote.get("timestamp")),
    )


def candle_of(data: object) -> tuple[int, int, int, int, int, int]:
    """A candle of the client as start (ns UTC), open, high, low, close (paise) and volume. One
    whose high or low the others pass is damage. Raises ``DamagedData``."""
    at = "candle"
    candle = _object(data, at)
    start = time_of(candle.get("date"))
    if start is None:
        raise DamagedData(f"{at}.date")
    opened, high, low, close = (
        _whole_paise(candle, field, at) for field in ("open", "high", "low", "close")
    )
    if not low <= min(opened, close) <= max(opened, close) <= high:
        raise DamagedData(f"{at}.{'low' if low > min(opened, close) else 'high'}")
    return start, opened, high, low, close, _units(candle, "volume", at)


def rows_of(data: object, at: str, row_of: Callable[[object], Row]) -> tuple[Row, ...]:
    """Every row of a list, or ``DamagedData``: a book with a row left out is another book."""
    if not isinstance(data, list):
        raise DamagedData(at)
    return tuple(row_of(row) for row in data)


def net_positions_of(data: object) -> tuple[BrokerPosition, ...]:
    """The net positions of ``{net: [...], day: [...]}``. Raises ``DamagedData``."""
    return rows_of(_object(data, "positions").get("net"), "positions.net", position_of)


def id_of(data: object, field: str, at: str) -> str:
    """One name out of an answer, such as an order's id. Raises ``DamagedData``."""
    return _word(_object(data, at), field, at)


def may_be(data: object, tag: str, broker_order_id: str | None) -> bool:
    """Whether an order that cannot be read whole may be the one of this tag or id: whether
    neither says that it is another."""
    try:
        order = _object(data, "order")
        if tag in _tags(order, "order"):
            return True
        return broker_order_id is not None and _word(order, "order_id", "order") == broker_order_id
    except DamagedData:
        return True


# --- times ---------------------------------------------------------------------------------------


def time_of(value: object) -> int | None:
    """ns UTC of the broker's naive IST time, as its text or as the client's ``datetime``; None for
    what is no time, and for the zero time ``0001-01-01``."""
    if isinstance(value, datetime):
        return _datetime_ns(value)
    if not isinstance(value, str):
        return None
    match = _STAMP.fullmatch(value)
    if match is None:
        return None
    year, month, day, time_of_day = match.groups()
    try:
        ns = ist_ns(int(year + month + day), time_of_day)
    except ValueError:  # a day or an hour that no calendar has
        return None
    return ns if ns > 0 else None


def _datetime_ns(value: datetime) -> int | None:
    offset_ns = IST_OFFSET_NS
    if value.tzinfo is not None:
        try:
            value = value.astimezone(UTC).replace(tzinfo=None)
        except (OverflowError, ValueError):  # at the edges of the calendar
            return None
        offset_ns = 0
    ns = (value - _EPOCH) // timedelta(microseconds=1) * _NS_PER_US - offset_ns
    return ns if ns > 0 else None


# --- fields --------------------------------------------------------------------------------------


def _object(value: object, at: str) -> Object:
    if not isinstance(value, dict):
        raise DamagedData(at)
    return value


def _word(data: Object, field: str, at: str) -> str:
    """A text that names something: there, not empty, printable and short."""
    value = data.get(field)
    if not isinstance(value, str) or not value or len(value) > ID_CHARS_MAX:
        raise DamagedData(f"{at}.{field}")
    if not value.isprintable():  # a lone surrogate is none either
        raise DamagedData(f"{at}.{field}")
    return value


def _maybe_word(data: Object, field: str, at: str) -> str | None:
    return None if data.get(field) in (None, "") else _word(data, field, at)


def _side(data: Object, at: str) -> str:
    side = _word(data, "transaction_type", at)
    if side not in SIDES:
        raise DamagedData(f"{at}.transaction_type")
    return side


def _tags(data: Object, at: str) -> tuple[str, ...]:
    """``tag`` and ``tags`` together, without repetition; the broker adds tags of its own."""
    listed = data.get("tags")
    if listed is None:
        listed = []
    if not isinstance(listed, list) or len(listed) > TAGS_MAX:
        raise DamagedData(f"{at}.tags")
    own = _maybe_word(data, "tag", at)
    tags = [] if own is None else [own]
    for value in listed:
        tag = _word({"tags": value}, "tags", at)
        if tag not in tags:
            tags.append(tag)
    return tuple(tags)


def _message(value: object) -> str | None:
    """The broker's sentence, cut; no decision depends on it, so that it may be anything."""
    if not isinstance(value, str) or not value:
        return None
    return readable(value)


def readable(text: str) -> str:
    """A text of the outside with a length and without what cannot be encoded or would move a
    terminal's cursor."""
    cut = text if len(text) <= TEXT_CHARS_MAX else text[: TEXT_CHARS_MAX - 1] + "…"
    return "".join(char if char.isprintable() else " " for char in cut)


def _whole(data: Object, field: str, at: str) -> int:
    """A count of units: an integer, or a float that is one."""
    value = data.get(field)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > UNITS_MAX:
        raise DamagedData(f"{at}.{field}")
    return value


def _signed_units(data: Object, field: str, at: str) -> int:
    return _whole(data, field, at)


def _units(data: Object, field: str, at: str) -> int:
    units = _whole(data, field, at)
    if units < 0:
        raise DamagedData(f"{at}.{field}")
    return units


def _rupees(data: Object, field: str, at: str) -> Decimal:
    """The number as its shortest decimal text says it: the float 110.1 is 110.1, not its binary
    neighbour."""
    value = data.get(field)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DamagedData(f"{at}.{field}")
    if isinstance(value, int) and abs(value) > PAISE_MAX:  # its text may be of any length
        raise DamagedData(f"{at}.{field}")
    number = Decimal(repr(value))
    if not number.is_finite() or abs(number) > PAISE_MAX // 100:
        raise DamagedData(f"{at}.{field}")
    return number


def _money(data: Object, field: str, at: str, rounding: str = ROUND_HALF_EVEN) -> int:
    """An amount to the paisa. Sums of the broker carry binary noise and parts of a paisa."""
    paise = _EXACT.multiply(_rupees(data, field, at), 100)
    return int(paise.to_integral_value(rounding, _EXACT))


def _whole_paise(data: Object, field: str, at: str) -> int:
    """A price in whole paise, not negative."""
    paise = _EXACT.multiply(_rupees(data, field, at), 100)
    if paise < 0 or paise != paise.to_integral_value(ROUND_HALF_EVEN, _EXACT):
        raise DamagedData(f"{at}.{field}")
    return int(paise)


def _price(data: Object, field: str, exchange: str, at: str) -> int:
    if exchange in WHOLE_PAISE:
        return _whole_paise(data, field, at)
    paise = _money(data, field, at)
    if paise < 0:
        raise DamagedData(f"{at}.{field}")
    return paise


def _order_price(order: Object, field: str, exchange: str, needed: bool) -> int:
    """An order's price; 0 says "none", and nothing at all says so only where its type has none."""
    if order.get(field) is None and not needed:
        return 0
    return _price(order, field, exchange, "order")


def _filled_value(order: Object, filled: int, at: str) -> int:
    """Price times units of what was filled, in paise.

    The broker gives the average, rounded to some decimals, so that the product is a whole number of
    paise only to within one unit of the last decimal for each unit filled; further off is damage.
    """
    if filled == 0:
        return 0
    average = _rupees(order, "average_price", at)
    if average <= 0:
        raise DamagedData(f"{at}.average_price")
    paise = _EXACT.multiply(_EXACT.multiply(average, filled), 100)
    value = int(paise.to_integral_value(ROUND_HALF_EVEN, _EXACT))
    exponent = average.as_tuple().exponent
    assert isinstance(exponent, int)  # finite, see _rupees
    slack = _EXACT.multiply(Decimal(100 * filled), Decimal(1).scaleb(min(exponent, 0)))
    if abs(paise - value) > max(slack, Decimal("1e-6")) or value > PAISE_MAX:
        raise DamagedData(f"{at}.average_price")
    return value


def _best(depth: Object, side: str, at: str) -> tuple[int, int]:
    """(units, paise) of the first level; zeros where there is none."""
    levels = depth.get(side)
    place = f"{at}.depth.{side}"
    if levels is None or levels == []:
        return 0, 0
    if not isinstance(levels, list):
        raise DamagedData(place)
    level = _object(levels[0], place)
    units, paise = _units(level, "quantity", place), _whole_paise(level, "price", place)
    return (units, paise) if paise and units else (0, 0)

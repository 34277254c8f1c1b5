"""What the broker answers when it refuses: status, class and text.

Lives here: ``KiteError`` and every text of a refusal. May import: nothing. Always holds: a text
that other programs have been seen to match on is spelt as the broker spells it; those marked
"own words" are not on record anywhere and may differ. Start reading at ``KiteError``.
"""

from __future__ import annotations

from typing import Final


class KiteError(Exception):
    """A refusal as the broker's envelope carries it: HTTP status, ``error_type`` and message."""

    def __init__(self, http_status: int, error_type: str, message: str) -> None:
        super().__init__(message)
        self.http_status = http_status
        self.error_type = error_type
        self.message = message


def input_error(message: str) -> KiteError:
    """A parameter that is missing or wrong."""
    return KiteError(400, "InputException", message)


def order_error(message: str) -> KiteError:
    """An order that cannot be placed, changed or found."""
    return KiteError(400, "OrderException", message)


def margin_error(message: str) -> KiteError:
    """Not enough money."""
    return KiteError(400, "MarginException", message)


def funds_text(need_paise: int, have_paise: int) -> str:
    """The message of a refusal for want of funds."""
    return FUNDS_SHORT.format(need=_money(need_paise), have=_money(have_paise))


def funds_texts(need_paise: int, have_paise: int, user_id: str) -> tuple[str, str]:
    """(message, raw message) of an order that was rejected for want of funds."""
    need, have = _money(need_paise), _money(have_paise)
    raw = FUNDS_SHORT_RAW.format(need=need, have=have, user=user_id)
    return FUNDS_SHORT_LISTED.format(need=need, have=have), raw


def _money(paise: int) -> str:
    return f"{'-' if paise < 0 else ''}{abs(paise) // 100}.{abs(paise) % 100:02d}"


def token_error() -> KiteError:
    """A dead or wrong access token."""
    return KiteError(403, "TokenException", TOKEN_WRONG)


def too_many() -> KiteError:
    """A rate limit; the class is the one that most programs have seen."""
    return KiteError(429, "NetworkException", TOO_MANY)


# --- as the broker spells them -------------------------------------------------------------------

TOKEN_WRONG: Final = "Incorrect `api_key` or `access_token`."
TOO_MANY: Final = "Too many requests"
NO_IPS: Final = "No IPs configured for this app. Add allowed IPs on the Kite developer console."
IP_REFUSED: Final = (
    "IP ({ip}) is not allowed to place orders for this app. Update allowed IPs on the Kite "
    "developer console. Learn more - https://support.zerodha.com/static-ip"
)
MARKET_UNPROTECTED: Final = (
    "Market orders without market protection are not allowed via API. "
    "Please set market protection or use a Limit order."
)
PROTECTION_UNREADABLE: Final = (
    "Invalid request (failed to decode market_protection, got: {got} (expected decimal))"
)
FUNDS_SHORT: Final = "Insufficient funds. Required margin is {need} but available margin is {have}."
FUNDS_SHORT_LISTED: Final = FUNDS_SHORT + " Check the orderbook for open orders."
FUNDS_SHORT_RAW: Final = (
    "RMS:Margin Exceeds,Required:{need}, Available:{have} for entity account-{user} "
    "across exchange across segment across product "
)
TICK_PRICE: Final = (
    "Tick size for this script is {tick}. "
    "Kindly enter price in the multiple of tick size for this script"
)
TICK_TRIGGER: Final = (
    "Tick size for this script is {tick}. "
    "Kindly enter trigger price in the multiple of tick size for this script"
)
ABOVE_CIRCUIT: Final = (
    "Your order price is higher than the current upper circuit limit of {limit}. "
    "You can place an order within the daily range."
)
BELOW_CIRCUIT: Final = (
    "Your order price is lower than the current lower circuit limit of {limit}. "
    "You can place an order within the daily range."
)
MIS_CLOSED: Final = (
    "MIS (intraday) are blocked as the markets are not open for trading today. "
    "Try placing an AMO order."
)
NO_SUCH_ORDER: Final = "The order for ID ({order_id}) does not exist"
NO_SUCH_INSTRUMENT: Final = (
    "The instrument you are placing an order for has either expired or does not exist."
)
TOO_MANY_CHANGES: Final = "Maximum allowed order modifications exceeded."
TOO_MANY_TOKENS: Final = "Too many tokens requested. Max permitted is {most}."
LPP_RAW: Final = "17070 : The Price is out of the current execution range"
LPP_REJECTED: Final = (
    "The order was rejected by the exchange because the price is outside the current allowed "
    "limit price protection range."
)
LPP_CANCELLED: Final = (
    "The order was cancelled by the exchange because the price is outside the current allowed "
    "limit price protection range. [Read more.](https://zrd.sh/lpp-range-rejection)"
)

# --- own words -----------------------------------------------------------------------------------

FIELD_MISSING: Final = "Missing or empty field `{field}`"
FIELD_INVALID: Final = "Invalid `{field}`."
LOT_MULTIPLE: Final = "Quantity should be in multiples of lot size. Lot size is {lot}."
FREEZE: Final = (
    "Order quantity is above the freeze quantity of {freeze} for this script. "
    "Slice the order or use autoslice."
)
SLICES: Final = "Order needs {slices} slices. At most {most} are permitted."
TAG_INVALID: Final = "Invalid `tag`. Tag should be alphanumeric and at most 20 characters."
SLM_REFUSED: Final = (
    "SL-M orders are not allowed for options contracts. Use SL (limit) orders instead."
)
DISCLOSED_REFUSED: Final = "Disclosed quantity is not allowed for derivatives."
NOT_TRADABLE: Final = "Orders cannot be placed in {symbol}: an index is not tradable."
AMO_REFUSED: Final = "AMO orders are not served by the simulated exchange."
VARIETY_REFUSED: Final = "Orders of variety {variety} are not served by the simulated exchange."
MARKETS_CLOSED: Final = "Markets are closed right now. Try placing an AMO order."
MIS_AFTER_SQUARE_OFF: Final = (
    "MIS (intraday) orders are blocked after the square-off time of {hhmm}."
)
TRIGGER_BUY_LOW: Final = (
    "Trigger price for stoploss buy orders should be higher than the last traded price ({last})."
)
TRIGGER_SELL_HIGH: Final = (
    "Trigger price for stoploss sell orders should be lower than the last traded price ({last})."
)
TRIGGER_BUY_CROSSES: Final = "Trigger price of a stoploss buy order cannot be above its price."
TRIGGER_SELL_CROSSES: Final = "Trigger price of a stoploss sell order cannot be below its price."
NO_LAST_PRICE: Final = "{symbol} has not traded yet, so a market order has no price to protect."
CHANGE_TOO_LATE: Final = "The modification came after the quantity had been filled."
QUANTITY_BELOW_FILLED: Final = "Quantity cannot be less than the filled quantity of {filled}."
ICEBERG_LEGS: Final = "`iceberg_legs` must be from 2 to 50, each leg a multiple of the lot size."
POSITION_SHORT: Final = "Insufficient quantity in the position: {have}."
FROM_AFTER_TO: Final = "from date cannot be after to date"
TOO_MANY_DAYS: Final = "interval exceeds max limit: {days} days"
NO_SUCH_GTT: Final = "Trigger not found"
GTT_LIMIT_ONLY: Final = "GTT orders must be LIMIT orders."
GTT_VALUES: Final = "Trigger values must be {count} for this type, in ascending order."
GTT_MET: Final = "Trigger already met: the last price is {last}."
GTT_DONE: Final = "Trigger is {status} and cannot be changed."
CLOSED_BY_EXCHANGE: Final = "Order cancelled by the exchange at the end of the day."

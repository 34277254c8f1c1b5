"""What an error of the broker's client means, as one table.

Lives here: the table from (call, error class, HTTP status, text) to an outcome and a fault, the
faults in words, the name of a raised error. May import: events; no client and no network library,
so that the table needs neither. Always holds: the table is total; what no row names is UNKNOWN; no
answer to a POST, PUT or DELETE but a refusal that the broker gives in its own words at a 4xx status
counts as "it did nothing"; nothing but this table looks at a message's text.
Start reading at ``verdict_of``, then ``TABLE``.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

# --- calls and outcomes --------------------------------------------------------------------------

PLACE, MODIFY, CANCEL, READ = "PLACE", "MODIFY", "CANCEL", "READ"
CALLS: Final = (PLACE, MODIFY, CANCEL, READ)

REFUSED: Final = "REFUSED"
NOT_SENT: Final = "NOT_SENT"
UNKNOWN: Final = "UNKNOWN"
"""REFUSED: certainly nothing was done. NOT_SENT: nothing left this machine. UNKNOWN: the rest."""

FAULTS: Final = {
    "TOKEN": "the access token is not taken: log in again",
    "PERMISSION": "the account or the app may not do this",
    "IP": "orders are not taken from this address: register it with the broker",
    "ACCOUNT": "the broker refuses the account",
    "INPUT": "a parameter was not taken",
    "PROTECTION": "a market order without market protection",
    "MARGIN": "not enough money",
    "HOLDING": "not enough holdings, or no authorisation to sell them",
    "TICK": "the price is no multiple of the tick",
    "LOT": "the quantity is no multiple of the lot",
    "FREEZE": "the quantity is above what one order may have",
    "CIRCUIT": "the price is outside the day's limits",
    "PRICE_BAND": "the price is outside the exchange's price protection",
    "TRIGGER": "the trigger is on the wrong side of the price",
    "PRODUCT": "the product is not taken at this time",
    "ORDER_TYPE": "the order type is not taken",
    "CLOSED": "the market is closed",
    "INSTRUMENT": "the instrument has expired or does not exist",
    "ORDER_GONE": "the broker has no such open order: it is finished, or too new to be seen",
    "MODIFICATIONS": "the order was modified too often: cancel and place again",
    "ORDER": "the broker refused the order in words that no row knows",
    "RATE": "too many requests",
    "NETWORK": "no answer, or the broker could not reach its order system",
    "TIMEOUT": "no answer in time",
    "CONNECT": "no connection to the broker could be made",
    "ADDRESS": "the broker's address cannot be used as it is configured",
    "DATA": "the answer cannot be read",
    "REDIRECT": "the answer points elsewhere",
    "GENERAL": "an error that the broker does not explain",
    "BUDGET": "this account's own budget of order messages is used up",
    "HALTED": "entries were halted before it was sent",
    "CLOSING": "the connection to the broker was closed before it was sent",
    "TAG_TWICE": "two orders carry one tag: a person must look at the broker's book",
    "UNSENDABLE": "the program made a message that must not be sent",
    "NEW": "an error that no row of the table knows",
}
"""Every fault with what it means. The words are for people and tests; none is matched on."""

# --- error classes -------------------------------------------------------------------------------

BROKER_REFUSALS: Final = (
    "TokenException", "PermissionException", "UserException", "TwoFAException", "InputException",
    "MarginException", "HoldingException",
)  # fmt: skip
"""Classes that say: your request was looked at, and nothing was done."""

BROKER_OTHERS: Final = (
    "OrderException", "NetworkException", "DataException", "GeneralException", "KiteException",
)  # fmt: skip

NOTHING_SENT: Final = {
    "ConnectTimeout": "CONNECT",
    "ConnectTimeoutError": "CONNECT",
    "NewConnectionError": "CONNECT",
    "NameResolutionError": "CONNECT",
    "SSLCertVerificationError": "CONNECT",
    "InvalidURL": "ADDRESS",
    "InvalidSchema": "ADDRESS",
    "MissingSchema": "ADDRESS",
    "LocationParseError": "ADDRESS",
    "InvalidProxyURL": "ADDRESS",
    "URLRequired": "ADDRESS",
    "InvalidHeader": "TOKEN",
    "UnicodeEncodeError": "INPUT",
    "CredentialError": "TOKEN",
    "TokenExpired": "TOKEN",
    "WriteFenced": "PERMISSION",
    "BudgetSpent": "BUDGET",
    "WorkerClosed": "CLOSING",
}
"""Errors that come before the first byte of a request. A certificate is looked at before one."""

NO_ANSWER: Final = {
    "ReadTimeout": "TIMEOUT",
    "ReadTimeoutError": "TIMEOUT",
    "Timeout": "TIMEOUT",
    "TimeoutError": "TIMEOUT",
    "AnswerTooSlow": "TIMEOUT",
    "AnswerTooLong": "DATA",
    "ConnectionError": "NETWORK",
    "ConnectionResetError": "NETWORK",
    "ConnectionAbortedError": "NETWORK",
    "ConnectionRefusedError": "NETWORK",
    "BrokenPipeError": "NETWORK",
    "OSError": "NETWORK",
    "SSLError": "NETWORK",
    "ProxyError": "NETWORK",
    "ProtocolError": "NETWORK",
    "IncompleteRead": "NETWORK",
    "RemoteDisconnected": "NETWORK",
    "ChunkedEncodingError": "NETWORK",
    "RetryError": "NETWORK",
    "MaxRetryError": "NETWORK",
    "RequestException": "NETWORK",
    "HTTPError": "NETWORK",
    "TooManyRedirects": "REDIRECT",
    "ContentDecodingError": "DATA",
    "DecodeError": "DATA",
    "StreamConsumedError": "DATA",
    "UnrewindableBodyError": "DATA",
    "InvalidJSONError": "DATA",
    "JSONDecodeError": "DATA",
    "UnicodeDecodeError": "DATA",
    "RecursionError": "DATA",
    "KeyError": "DATA",  # no content type, no message, no order id
    "IndexError": "DATA",
    "AttributeError": "DATA",  # a body that is no object
    "TypeError": "DATA",
    "ValueError": "DATA",
    "UnboundLocalError": "DATA",
    "ParserError": "DATA",
    "OverflowError": "DATA",
    "DamagedData": "DATA",
    "StrangeAnswer": "DATA",  # success in words at a status that is none
}
"""Errors behind which anything may have happened."""

ERROR_CLASSES: Final = (*BROKER_REFUSALS, *BROKER_OTHERS, *NOTHING_SENT, *NO_ANSWER)

HTTP_STATUSES: Final = (
    None, 200, 201, 202, 204, 301, 302, 303, 307, 308,
    400, 401, 403, 404, 405, 406, 408, 409, 410, 413, 414, 415, 422, 428, 429,
    500, 501, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 530,
)  # fmt: skip
"""Statuses that the broker, or the edge in front of it, gives. None: no answer came."""

REFUSING: Final = (400, 403, 404, 405, 410, 428)
"""Statuses at which the broker itself answers a request that it will not do."""

REDIRECTS: Final = (301, 302, 303, 307, 308)
SERVER: Final = tuple(status for status in HTTP_STATUSES if status is not None and status >= 500)

# --- the table -----------------------------------------------------------------------------------


class Row(NamedTuple):
    """One row. None in ``calls``, ``classes`` or ``statuses`` is: any, also what is new."""

    outcome: str
    fault: str
    calls: tuple[str, ...] | None = None
    classes: tuple[str, ...] | None = None
    statuses: tuple[int | None, ...] | None = None
    text: str | None = None


class Verdict(NamedTuple):
    """What an error means. For a read REFUSED says: asking again alone changes nothing."""

    outcome: str
    fault: str


_WORDY: Final = ("OrderException", "InputException", "GeneralException", "PermissionException")
"""Classes under which the same texts have been seen, depending on who looked."""

_MARGIN: Final = ("OrderException", "GeneralException")
_BOOK: Final = ("OrderException", "GeneralException", "InputException")
_CAP: Final = (*_BOOK, "NetworkException")

TEXTS: Final = (
    Row(REFUSED, "IP", None, _WORDY, REFUSING, r"^No IPs configured for this app\b"),
    Row(REFUSED, "IP", None, _WORDY, REFUSING, r"^IP \(.*\) is not allowed to place orders\b"),
    Row(REFUSED, "PROTECTION", None, _WORDY, REFUSING, r"\bwithout market protection\b"),
    Row(REFUSED, "PROTECTION", None, _WORDY, REFUSING, r"\bfailed to decode market_protection\b"),
    Row(REFUSED, "MARGIN", None, _MARGIN, REFUSING, r"^Insufficient funds\. Required margin is "),
    Row(REFUSED, "TICK", None, _BOOK, REFUSING, r"^Tick size for this script is "),
    Row(REFUSED, "CIRCUIT", None, _BOOK, REFUSING,
        r"^Your order price is (higher|lower) than the current (upper|lower) circuit limit\b"),
    Row(REFUSED, "PRODUCT", None, _BOOK, REFUSING, r"^MIS \(intraday\) are blocked\b"),
    Row(REFUSED, "ORDER_GONE", (MODIFY, CANCEL, READ), _BOOK, REFUSING,
        r"^The order for ID \(.*\) does not exist"),
    Row(REFUSED, "INSTRUMENT", None, _BOOK, REFUSING,
        r"^The instrument you are placing an order for has either expired or does not exist\b"),
    Row(REFUSED, "MODIFICATIONS", (MODIFY,), _CAP, REFUSING,
        r"^Maximum allowed order modifications exceeded\b"),
    Row(REFUSED, "LOT", None, _BOOK, REFUSING, r"\bmultiples? of (the )?lot size\b"),
    Row(REFUSED, "FREEZE", None, _BOOK, REFUSING, r"\bfreeze quantity\b"),
    Row(REFUSED, "CLOSED", (PLACE,), _BOOK, REFUSING, r"^Markets are closed right now\b"),
    Row(REFUSED, "ORDER_TYPE", None, _BOOK, REFUSING, r"^SL-M orders are not allowed\b"),
    Row(REFUSED, "TRIGGER", None, _BOOK, REFUSING, r"^Trigger price (for|of) (a )?stoploss\b"),
    Row(REFUSED, "PRICE_BAND", None, _BOOK, REFUSING, r"\blimit price protection\b"),
)  # fmt: skip
"""The rows that look at the text, because the broker's class does not say it. A text that is here
was read in the broker's words; one that is not stays UNKNOWN under OrderException."""

CLASSES: Final = (
    Row(REFUSED, "TOKEN", None, ("TokenException", "TwoFAException"), REFUSING),
    Row(REFUSED, "PERMISSION", None, ("PermissionException",), REFUSING),
    Row(REFUSED, "ACCOUNT", None, ("UserException",), REFUSING),
    Row(REFUSED, "INPUT", None, ("InputException",), REFUSING),
    Row(REFUSED, "MARGIN", None, ("MarginException",), REFUSING),
    Row(REFUSED, "HOLDING", None, ("HoldingException",), REFUSING),
    Row(REFUSED, "ORDER", (READ,), ("OrderException",), REFUSING),
    Row(UNKNOWN, "ORDER", None, ("OrderException",)),
    Row(UNKNOWN, "NETWORK", None, ("NetworkException",)),
    Row(UNKNOWN, "DATA", None, ("DataException",)),
    Row(UNKNOWN, "GENERAL", None, ("GeneralException", "KiteException", *BROKER_REFUSALS)),
)

TABLE: Final = (
    # No answer: what matters is whether a byte can have left.
    *(Row(NOT_SENT, fault, None, (name,), (None,)) for name, fault in NOTHING_SENT.items()),
    *(Row(UNKNOWN, fault, None, (name,), (None,)) for name, fault in NO_ANSWER.items()),
    # An answer: its status first. A limit is counted by the second, and one that was hit says
    # nothing of whether this message was the one too many.
    Row(UNKNOWN, "RATE", None, None, (429,)),
    Row(UNKNOWN, "REDIRECT", None, None, REDIRECTS),
    Row(UNKNOWN, "TIMEOUT", None, None, (408, 504, 522, 524)),
    # The client calls any body that is no JSON a DataException; at a server's status it is a page
    # of the edge, which says that the broker behind it did not answer.
    Row(UNKNOWN, "NETWORK", None, ("NetworkException", "DataException"), SERVER),
    Row(UNKNOWN, "DATA", None, ("DataException", *NO_ANSWER, *NOTHING_SENT), HTTP_STATUSES[1:]),
    Row(UNKNOWN, "GENERAL", None, (*BROKER_REFUSALS, *BROKER_OTHERS), SERVER),
    # Then the words, then the class.
    *TEXTS,
    *CLASSES,
)

LAST: Final = Verdict(UNKNOWN, "NEW")
"""What no row names."""

_PATTERNS: Final = {row.text: re.compile(row.text, re.IGNORECASE) for row in TEXTS if row.text}


def fault_of_text(message: str) -> str | None:
    """The fault of a refusal that stands in the order book as words alone; None where no row knows
    them."""
    for row in TEXTS:
        if row.text is not None and _PATTERNS[row.text].search(message):
            return row.fault
    return None


def verdict_of(call: str, error_class: str, http_status: int | None, message: str) -> Verdict:
    """The first row that fits, else UNKNOWN ``NEW``. ``error_class`` is the broker's
    ``error_type`` where it gave one, else ``name_of`` the error that was raised."""
    row = row_of(call, error_class, http_status, message)
    return LAST if row is None else Verdict(row.outcome, row.fault)


def row_of(call: str, error_class: str, http_status: int | None, message: str) -> Row | None:
    """The row behind ``verdict_of``; None where no row fits."""
    if call not in CALLS or http_status not in HTTP_STATUSES:
        return None
    for row in TABLE:
        if (
            (row.calls is None or call in row.calls)
            and (row.classes is None or error_class in row.classes)
            and (row.statuses is None or http_status in row.statuses)
            and (row.text is None or _PATTERNS[row.text].search(message))
        ):
            return row
    return None


# --- the name of a raised error ------------------------------------------------------------------


def name_of(error: BaseException) -> str:
    """The class name that the table knows an error by.

    The client's HTTP library wraps: "connection refused" and "broken while reading" are both its
    ``ConnectionError``. What decides is the innermost error that says no connection was made.
    """
    name = type(error).__name__
    if name not in ("ConnectionError", "SSLError"):
        return name
    for inner in _wrapped(error):
        found = type(inner).__name__
        if found in NOTHING_SENT:
            return found
    return name


def _wrapped(error: BaseException) -> list[BaseException]:
    """What an error carries inside: its arguments, reasons and causes, each once, at most 16."""
    found: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting and len(found) < 16:
        inner = waiting.pop(0)
        if isinstance(inner, BaseException) and not any(inner is seen for seen in found):
            found.append(inner)
            waiting += [*inner.args, getattr(inner, "reason", None), inner.__cause__]
    return found

"""B02: every error class at every status of every call has a row, and what is new is UNKNOWN."""

from __future__ import annotations

import itertools
import json
import ssl
import sys
from collections import Counter
from collections.abc import Callable

import kiteconnect.exceptions
import pytest
import requests
import urllib3.exceptions
from hypothesis import given
from hypothesis import strategies as st

from adapters.kite import errors
from adapters.kite.errors import (
    CALLS,
    CANCEL,
    ERROR_CLASSES,
    FAULTS,
    HTTP_STATUSES,
    MODIFY,
    PLACE,
    READ,
    TABLE,
    TEXTS,
    Verdict,
    name_of,
    row_of,
    verdict_of,
)

DEFINITE_CLASSES = (
    "TokenException PermissionException UserException TwoFAException InputException"
    " MarginException HoldingException"
).split()
DEFINITE_STATUSES = (400, 403, 404, 405, 410, 428)
BEFORE_SENDING = (
    "ConnectTimeout ConnectTimeoutError NewConnectionError NameResolutionError"
    " SSLCertVerificationError InvalidURL InvalidSchema MissingSchema LocationParseError"
    " InvalidProxyURL URLRequired InvalidHeader UnicodeEncodeError WriteFenced BudgetSpent"
    " WorkerClosed CredentialError TokenExpired"
).split()
"""Written down again here, so that a row added to the table alone does not make more definite."""

SAID = "a sentence that no row knows"


def expected_outcome(call: str, error_class: str, status: int | None) -> str:
    """What the rules say without a word of the message, apart from the table."""
    if status is None and error_class in BEFORE_SENDING:
        return "NOT_SENT"
    if status in DEFINITE_STATUSES and error_class in DEFINITE_CLASSES:
        return "REFUSED"
    if status in DEFINITE_STATUSES and error_class == "OrderException" and call == READ:
        return "REFUSED"
    return "UNKNOWN"


CASES = tuple(itertools.product(CALLS, ERROR_CLASSES, HTTP_STATUSES))


def wrong_outcomes(judge: Callable[[str, str, int | None, str], Verdict]) -> list[str]:
    """The cases whose outcome is not what the rules say."""
    return [
        f"{case}: {judge(*case, SAID).outcome}"
        for case in CASES
        if judge(*case, SAID).outcome != expected_outcome(*case)
    ]


def test_every_case_has_a_row() -> None:
    """B02: the whole product of calls, classes and statuses; only what certainly did nothing is
    definite, and no case falls through to the last resort."""
    assert wrong_outcomes(verdict_of) == []
    assert [case for case in CASES if row_of(*case, SAID) is None] == []
    assert {verdict_of(*case, SAID).fault for case in CASES} <= set(FAULTS)
    outcomes = Counter(verdict_of(*case, SAID).outcome for case in CASES)
    sys.stdout.write(f"B02: {len(CASES)} cases, {dict(outcomes)}\n")
    assert len(CASES) > 10_000


@pytest.mark.parametrize(
    ("error_class", "status"),
    [("ReadTimeout", None), ("OrderException", 400), ("InputException", 502), ("TypeError", 200)],
)
def test_canary_one_case_called_not_placed_is_found(error_class: str, status: int | None) -> None:
    """Canary: a table that takes a single uncertain case for a refusal fails the product."""

    def optimist(call: str, name: str, http_status: int | None, message: str) -> Verdict:
        if (call, name, http_status) == (PLACE, error_class, status):
            return Verdict("REFUSED", "GENERAL")
        return verdict_of(call, name, http_status, message)

    assert wrong_outcomes(optimist) == [f"{(PLACE, error_class, status)}: REFUSED"]


@given(error_class=st.text(), status=st.sampled_from(HTTP_STATUSES), call=st.sampled_from(CALLS))
def test_a_new_class_is_unknown(error_class: str, status: int | None, call: str) -> None:
    """B02: a class that was never seen is UNKNOWN at any status, whatever its text is."""
    if error_class in ERROR_CLASSES:
        return
    for message in (SAID, "Insufficient funds. Required margin is 1 but available margin is 0."):
        assert verdict_of(call, error_class, status, message).outcome == "UNKNOWN"


@given(status=st.integers(), error_class=st.sampled_from(ERROR_CLASSES))
def test_a_new_status_is_unknown(status: int, error_class: str) -> None:
    """B02: a status that was never seen is UNKNOWN for any class."""
    if status not in HTTP_STATUSES:
        assert verdict_of(PLACE, error_class, status, SAID) == Verdict("UNKNOWN", "NEW")


def test_a_new_call_is_unknown() -> None:
    """A call that the table was not made for is never definite."""
    assert verdict_of("CONVERT", "InputException", 400, SAID) == Verdict("UNKNOWN", "NEW")


def test_every_class_of_the_client_and_its_library_is_known() -> None:
    """B02: the official client's exceptions and those of the library under it are all in the
    table; an update that brings a new one fails here."""
    found = set()
    for module, base in (
        (kiteconnect.exceptions, kiteconnect.exceptions.KiteException),
        (requests.exceptions, requests.RequestException),
    ):
        found |= {
            name
            for name, kind in vars(module).items()
            if isinstance(kind, type) and issubclass(kind, base)
        }
    assert len(found) > 25
    assert found - set(ERROR_CLASSES) == set()


@pytest.mark.parametrize("row", TABLE)
def test_no_row_is_dead(row: errors.Row) -> None:
    """Each row decides at least one case: none is hidden behind an earlier one."""
    if row.text is not None:
        assert row in TEXTS and any(row_of(*case) is row for case in WORDED_CASES), row
        return
    cases = itertools.product(
        row.calls or CALLS, row.classes or ERROR_CLASSES, row.statuses or HTTP_STATUSES
    )
    assert any(row_of(*case, SAID) is row for case in cases), row


IP = "IP (2001:db8::7) is not allowed to place orders for this app. Update allowed IPs on the Kite"
NO_IPS = "No IPs configured for this app. Add allowed IPs on the Kite developer console."
UNPROTECTED = "Market orders without market protection are not allowed via API. Please set market"
TRUE = "Invalid request (failed to decode market_protection, got: True (expected decimal))"
FUNDS = "Insufficient funds. Required margin is 7156.50 but available margin is 0.00. Check the"
LIMITS = "Your order price is lower than the current lower circuit limit of 12.00. You can"
MIS = "MIS (intraday) are blocked as the markets are not open for trading today. Try placing"
GONE = "The order for ID (17) does not exist"
EXPIRED = "The instrument you are placing an order for has either expired or does not exist."
OFTEN = "Maximum allowed order modifications exceeded."
BAND = "The price is outside the current allowed limit price protection range."
WORDED: list[tuple[str, str, int, str, str]] = [
    (PLACE, "PermissionException", 403, IP, "IP"),
    (PLACE, "InputException", 400, IP, "IP"),
    (CANCEL, "GeneralException", 403, IP, "IP"),
    (PLACE, "GeneralException", 403, NO_IPS, "IP"),
    (PLACE, "InputException", 400, UNPROTECTED, "PROTECTION"),
    (PLACE, "InputException", 400, TRUE, "PROTECTION"),
    (PLACE, "GeneralException", 400, FUNDS, "MARGIN"),
    (PLACE, "OrderException", 400, "Tick size for this script is 0.05. Kindly enter", "TICK"),
    (MODIFY, "OrderException", 400, LIMITS, "CIRCUIT"),
    (PLACE, "InputException", 400, MIS, "PRODUCT"),
    (CANCEL, "OrderException", 400, GONE, "ORDER_GONE"),
    (MODIFY, "GeneralException", 404, GONE, "ORDER_GONE"),
    (PLACE, "InputException", 400, EXPIRED, "INSTRUMENT"),
    (MODIFY, "OrderException", 400, OFTEN, "MODIFICATIONS"),
    (MODIFY, "NetworkException", 400, OFTEN, "MODIFICATIONS"),
    (PLACE, "OrderException", 400, "Quantity should be in multiples of lot size.", "LOT"),
    (PLACE, "OrderException", 400, "Order quantity is above the freeze quantity of 1800", "FREEZE"),
    (PLACE, "OrderException", 400, "Markets are closed right now. Try placing an AMO", "CLOSED"),
    (PLACE, "OrderException", 400, "SL-M orders are not allowed for options", "ORDER_TYPE"),
    (PLACE, "OrderException", 400, "Trigger price for stoploss buy orders should", "TRIGGER"),
    (PLACE, "OrderException", 400, BAND, "PRICE_BAND"),
]
WORDED_CASES = [(call, error, status, text) for call, error, status, text, _ in WORDED]


@pytest.mark.parametrize(("call", "error_class", "status", "text", "fault"), WORDED)
def test_the_words_that_are_known(
    call: str, error_class: str, status: int, text: str, fault: str
) -> None:
    """B05: the broker's recorded texts are refusals with their own fault; the same text at a
    server's status is UNKNOWN all the same."""
    assert verdict_of(call, error_class, status, text) == Verdict("REFUSED", fault)
    assert verdict_of(call, error_class, 500, text).outcome == "UNKNOWN"
    assert verdict_of(call, error_class, 429, text).outcome == "UNKNOWN"


def test_a_placed_order_that_does_not_exist_is_unknown() -> None:
    """A text in the answer to a call that it does not belong to decides nothing."""
    assert verdict_of(PLACE, "OrderException", 400, GONE) == Verdict("UNKNOWN", "ORDER")


@pytest.mark.parametrize("status", [s for s in HTTP_STATUSES if s is not None and s >= 500])
def test_a_server_error_is_never_not_placed(status: int) -> None:
    """B02: at no 5xx status is an order message definite, whatever class and text come with it."""
    for call, error_class in itertools.product((PLACE, MODIFY, CANCEL), ERROR_CLASSES):
        for text in (SAID, *(text for _, _, _, text, _ in WORDED)):
            assert verdict_of(call, error_class, status, text).outcome == "UNKNOWN"


def test_the_name_is_the_innermost_that_decides() -> None:
    """A refused connection and a broken one have one class in the library; what is inside tells
    them apart, and an error that holds itself ends."""
    pool = urllib3.HTTPConnectionPool("127.0.0.1")
    connection = urllib3.connection.HTTPConnection("127.0.0.1")
    refused = urllib3.exceptions.NewConnectionError(connection, "refused")
    wrapped = urllib3.exceptions.MaxRetryError(pool, "/orders", refused)
    assert name_of(requests.ConnectionError(wrapped)) == "NewConnectionError"
    broken = urllib3.exceptions.ProtocolError("Connection aborted.", ConnectionResetError())
    assert name_of(requests.ConnectionError(broken)) == "ConnectionError"
    bad = urllib3.exceptions.SSLError(ssl.SSLCertVerificationError("self-signed"))
    wrapped = urllib3.exceptions.MaxRetryError(pool, "/orders", bad)
    assert name_of(requests.exceptions.SSLError(wrapped)) == "SSLCertVerificationError"
    assert name_of(requests.ReadTimeout()) == "ReadTimeout"
    assert name_of(json.JSONDecodeError("", "", 0)) == "JSONDecodeError"
    ring = requests.ConnectionError()
    ring.args = (ring,)
    assert name_of(ring) == "ConnectionError"

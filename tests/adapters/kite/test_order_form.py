"""Only what may leave can be built, and only under the authority that allows it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.kite.order_form import (
    CANCELLABLE,
    AuthorityMisfit,
    UnsendableMessage,
    check_fit,
    form_of,
    percent,
    rupees,
)
from adapters.kite.reports import report_of
from engine.ports import ApprovedIntent, Authority, ExitAuthority
from tests.adapters.kite import objects
from tests.adapters.kite.messages import ENTRY, EXIT, entry, exit_order


def test_a_limit_entry() -> None:
    """The form of a limit buy: quantity in units, exact rupees, our tag; nothing that is not
    meant."""
    assert form_of(entry(7)) == {
        "variety": "regular",
        "exchange": "NFO",
        "tradingsymbol": "NIFTY26O1322550CE",
        "transaction_type": "BUY",
        "product": "NRML",
        "quantity": "65",
        "order_type": "LIMIT",
        "validity": "DAY",
        "price": "110.15",
        "tag": "tag000000000007",
    }
    assert form_of(entry(1, algo_id="A17"))["algo_id"] == "A17"


def test_a_stop_and_a_market_exit() -> None:
    """A protective stop is an SL with limit and trigger; a market exit carries its protection."""
    stop = form_of(exit_order(1, order_type="SL", limit_paise=9000, trigger_paise=9505))
    assert (stop["price"], stop["trigger_price"]) == ("90.00", "95.05")
    market = form_of(exit_order(1, order_type="MARKET", limit_paise=None, protection_bps=250))
    assert market["market_protection"] == "2.5" and "price" not in market


def test_modify_and_cancel_name_the_broker_s_order() -> None:
    """They carry the broker's id, a modification its terms, and never a tag or a symbol."""
    modify = form_of(exit_order(1, action="MODIFY", broker_order_id="17"))
    assert modify == {
        "variety": "regular",
        "order_id": "17",
        "quantity": "65",
        "order_type": "LIMIT",
        "validity": "DAY",
        "price": "110.15",
    }
    cancel = form_of(exit_order(1, action="CANCEL", broker_order_id="17"))
    assert cancel == {"variety": "regular", "order_id": "17"}

    for variety in CANCELLABLE:
        other = exit_order(1, action="CANCEL", broker_order_id="17", variety=variety)
        assert form_of(other) == {"variety": variety, "order_id": "17"}


COVER = ExitAuthority("0011223344556677", covers=True)

UNSENDABLE: list[dict[str, Any]] = [
    {"order_type": "MARKET", "limit_paise": None},
    {"order_type": "MARKET", "limit_paise": None, "protection_bps": 0},
    {"order_type": "MARKET", "limit_paise": None, "protection_bps": 10_001},
    {"order_type": "MARKET", "protection_bps": 200},
    {"order_type": "SL-M", "limit_paise": None, "trigger_paise": 9505},
    {"order_type": "SL"},
    {"order_type": "SL", "limit_paise": None, "trigger_paise": 9505},
    {"order_type": "LIMIT", "limit_paise": None},
    {"order_type": "LIMIT", "limit_paise": 0},
    {"order_type": "LIMIT", "trigger_paise": 9505},
    {"order_type": "LIMIT", "protection_bps": 200},
    {"order_type": "limit"},
    {"quantity_units": 0},
    {"quantity_units": -65},
    {"validity": "TTL"},
    {"variety": "iceberg"},
    {"variety": "amo"},
    {"action": "CONVERT"},
    {"side": "SHORT"},
    {"tag": ""},
    {"tag": "x" * 21},
    {"tag": "with space"},
    {"tag": "тег"},
    {"broker_order_id": "17"},
    {"action": "MODIFY"},
    {"action": "CANCEL"},
    {"action": "CANCEL", "broker_order_id": ""},
    {"action": "MODIFY", "broker_order_id": "17", "order_type": "MARKET", "limit_paise": None},
]


@pytest.mark.parametrize("changed", UNSENDABLE)
def test_what_must_not_leave_cannot_be_built(changed: dict[str, Any]) -> None:
    """A market order without protection, an SL-M, a slice, a tag that the broker would cut: none
    has a form."""
    with pytest.raises(UnsendableMessage, match="message 3 cannot be sent"):
        form_of(entry(3, **changed))


@pytest.mark.parametrize(
    ("authority", "changed", "fits"),
    [
        (ENTRY, {}, True),
        (EXIT, {"side": "SELL", "authority": EXIT.exit_id}, True),
        (EXIT, {"authority": EXIT.exit_id}, False),
        (ENTRY, {"side": "SELL"}, False),
        (ENTRY, {"authority": EXIT.exit_id}, False),
        (ApprovedIntent("another"), {}, False),
        (ExitAuthority(ENTRY.intent_id), {}, False),
        (ENTRY, {"action": "MODIFY"}, True),
        (EXIT, {"action": "MODIFY", "authority": EXIT.exit_id}, False),
        (ENTRY, {"action": "CANCEL"}, True),
        (EXIT, {"action": "CANCEL", "authority": EXIT.exit_id}, True),
        (EXIT, {"action": "CANCEL"}, False),
        (COVER, {"authority": COVER.exit_id}, True),
        (COVER, {"side": "SELL", "authority": COVER.exit_id}, False),
    ],
)
def test_the_authority_must_fit(authority: Authority, changed: dict[str, Any], fits: bool) -> None:
    """An entry goes under its approved intent, an exit under its exit authority, a cancel under
    either, and never under another one's."""
    message = entry(1, **changed)
    if fits:
        check_fit(message, authority)
    else:
        with pytest.raises(AuthorityMisfit, match="message 1"):
            check_fit(message, authority)


@given(paise=st.integers(1, 10**10), bps=st.integers(1, 10_000))
def test_numbers_are_exact(paise: int, bps: int) -> None:
    """Rupees and percents are exact decimal text, and a price comes back as it went."""
    assert report_of(objects.order(price=float(rupees(paise)))).limit_paise == paise
    assert round(float(percent(bps)) * 100) == bps
    assert "E" not in percent(bps)


@given(tag=st.from_regex(r"[A-Za-z0-9]{1,20}", fullmatch=True))
def test_a_tag_comes_back(tag: str) -> None:
    """B14: any tag that can be sent stands in the order that the broker shows, whole."""
    sent = form_of(entry(1, tag=tag))["tag"]
    assert report_of(objects.order(tag=sent, tags=[sent, "mktp"])).tags == (
        tag,
        *({"mktp"} - {tag}),
    )

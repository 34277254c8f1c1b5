"""An entry larger than an order may be: slices of whole lots, each an intent with its own tag."""

from __future__ import annotations

from typing import Any

from engine.orders.legs import own_tag
from events.broker import BrokerReport, OrderSendStarted
from tests.engine.gates.cases import WIDE
from tests.engine.orders.world import GOOD, LOST_ANSWER, Found, World

RISKS = ("trade_risk_bps_max", "open_risk_bps_max")
LARGE = (
    ("risk", "lots_max", 60),
    ("risk", "trade_risk_bps_max", 9_000),
    ("risk", "open_risk_bps_max", 10_000),
    *(("risk", name, most) for name, most in WIDE.items() if name not in RISKS),
    ("orders", "value_paise_max", 10**12),
    ("orders", "entry_valid_ms", 60_000),
)
SLICE = 1800 // 65 * 65
"""The largest order of NIFTY on the small market's day: 27 lots."""


def _large(**schedule: Any) -> Found:
    return World(settings=LARGE, flatten_ms=25_000, **schedule).run()


def _placed(found: Found, side: str) -> list[OrderSendStarted]:
    return [
        event
        for _, event in found.facts_list
        if isinstance(event, OrderSendStarted) and event.action == "PLACE" and event.side == side
    ]


def test_slices_are_whole_lots_below_the_freeze_with_tags_of_their_own() -> None:
    """3,900 units leave as 1,755, 1,755 and 390; every tag is of our making and none comes twice;
    it is one trade of the day, each slice with a stop, and flat at the end."""
    found = _large()
    assert found.problems == ()
    buys = _placed(found, "BUY")
    assert [one.quantity_units for one in buys] == [SLICE, SLICE, 6 * 65]
    assert len({one.tag for one in buys}) == 3
    assert all(own_tag(_report(one.tag)) == one.tag for one in buys)
    assert found.state.trades == found.state.account.trades_today == 1
    assert max(one.quantity_units for one in _placed(found, "SELL")) <= SLICE
    assert {units for *_, units in found.ledger} == {0}


def test_a_slice_whose_answer_is_lost_is_not_sent_again() -> None:
    """B01: each slice is an order like any other: one answer is lost, nothing is doubled."""
    found = _large(wires=(GOOD, LOST_ANSWER, GOOD), listing_lag_ms=2_000)
    assert found.problems == ()
    assert [one.quantity_units for one in _placed(found, "BUY")] == [SLICE, SLICE, 6 * 65]
    assert {units for *_, units in found.ledger} == {0}


def _report(tag: str) -> BrokerReport:
    return BrokerReport(
        "1", None, None, "OPEN", None, None, (tag,), "regular", "NFO", "X", "BUY", "MIS", "LIMIT",
        "DAY", 65, 0, 0, 100, 0, None, None,
    )  # fmt: skip

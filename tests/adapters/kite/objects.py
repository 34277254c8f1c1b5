"""Objects as the broker sends them, made here with the documented field sets.

Lives here: one builder for each kind of object, and damage done to one. May import: hypothesis.
Always holds: a builder's object is sound, and what is passed replaces its fields.
"""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

Data = dict[str, Any]


def order(**changed: Any) -> Data:
    """An order of the book, filled in part, with every field that the documentation names."""
    return {
        "account_id": "AB1234",
        "placed_by": "AB1234",
        "order_id": "1953367517686685697",
        "exchange_order_id": "1100000012345678",
        "parent_order_id": None,
        "status": "OPEN",
        "status_message": None,
        "status_message_raw": None,
        "order_timestamp": "2026-10-08 09:20:11",
        "exchange_update_timestamp": "2026-10-08 09:20:12",
        "exchange_timestamp": "2026-10-08 09:20:12",
        "variety": "regular",
        "modified": False,
        "exchange": "NFO",
        "tradingsymbol": "NIFTY26O1322550CE",
        "instrument_token": 11421186,
        "order_type": "LIMIT",
        "transaction_type": "BUY",
        "validity": "DAY",
        "validity_ttl": 0,
        "product": "NRML",
        "quantity": 130,
        "disclosed_quantity": 0,
        "price": 110.15,
        "trigger_price": 0,
        "auction_number": None,
        "average_price": 110.1,
        "filled_quantity": 65,
        "pending_quantity": 65,
        "cancelled_quantity": 0,
        "market_protection": 0,
        "meta": {},
        "tag": "0123456789abcdef",
        "tags": ["0123456789abcdef"],
        "guid": "01XABCDEFGH",
        **changed,
    }


def trade(**changed: Any) -> Data:
    """One trade; its order time is a time of day only, as the broker's own sample has it."""
    return {
        "trade_id": "10000001",
        "order_id": "1953367517686685697",
        "exchange": "NFO",
        "tradingsymbol": "NIFTY26O1322550CE",
        "instrument_token": 11421186,
        "product": "NRML",
        "average_price": 110.1,
        "quantity": 65,
        "exchange_order_id": "1100000012345678",
        "transaction_type": "BUY",
        "fill_timestamp": "2026-10-08 09:20:12",
        "order_timestamp": "09:20:11",
        "exchange_timestamp": "2026-10-08 09:20:12",
        **changed,
    }


def position(**changed: Any) -> Data:
    """One row of the net positions."""
    return {
        "tradingsymbol": "NIFTY26O1322550CE",
        "exchange": "NFO",
        "instrument_token": 11421186,
        "product": "NRML",
        "quantity": 65,
        "overnight_quantity": 0,
        "multiplier": 1,
        "average_price": 110.1,
        "close_price": 0,
        "last_price": 111.05,
        "value": -7156.5,
        "pnl": 61.75,
        "m2m": 61.75,
        "unrealised": 61.75,
        "realised": 0,
        "buy_quantity": 65,
        "buy_price": 110.1,
        "buy_value": 7156.5,
        "buy_m2m": 7156.5,
        "sell_quantity": 0,
        "sell_price": 0,
        "sell_value": 0,
        "sell_m2m": 0,
        **changed,
    }


def margins(**changed: Any) -> Data:
    """One segment's margins."""
    return {
        "enabled": True,
        "net": 99725.05000000002,
        "available": {"adhoc_margin": 0, "cash": 245431.6, "live_balance": 99725.05000000002},
        "utilised": {"debits": 145706.55, "exposure": 38981.25, "option_premium": 0},
        **changed,
    }


def quote(**changed: Any) -> Data:
    """One full quote; an absent level is one of zeros."""
    none = {"price": 0, "quantity": 0, "orders": 0}
    return {
        "instrument_token": 11421186,
        "timestamp": "2026-10-08 09:20:12",
        "last_trade_time": "2026-10-08 09:20:12",
        "last_price": 110.1,
        "volume": 1200,
        "depth": {
            "buy": [{"price": 110.05, "quantity": 650, "orders": 3}, none, none, none, none],
            "sell": [{"price": 110.15, "quantity": 195, "orders": 2}, none, none, none, none],
        },
        **changed,
    }


STRANGE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=10**30, max_value=10**31),
    st.floats(),
    st.text(max_size=80),
    st.sampled_from(["0001-01-01 00:00:00", "2026-02-30 10:00:00", "\ud800", "x" * 5000, "NaN"]),
    st.lists(st.none(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
"""Whatever JSON can hold where something else was meant."""


@st.composite
def damaged(draw: st.DrawFn, data: Data) -> Any:
    """``data`` with one to four places, at any depth, missing or holding something strange."""
    if draw(st.integers(0, 19)) == 0:
        return draw(STRANGE)
    changed = copy.deepcopy(data)
    for _ in range(draw(st.integers(1, 4))):
        place: Any = changed
        key = draw(st.sampled_from(sorted(place)))
        while isinstance(place[key], dict | list) and place[key] and draw(st.booleans()):
            place = place[key]
            keys = sorted(place) if isinstance(place, dict) else list(range(len(place)))
            key = draw(st.sampled_from(keys))
        if draw(st.booleans()):
            place[key] = draw(STRANGE)
        elif isinstance(place, dict) and len(place) > 1:
            del place[key]
    return changed

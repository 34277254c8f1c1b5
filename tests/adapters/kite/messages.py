"""Order messages with their authorities, as the engine hands them to the adapter.

Lives here: builders. May import: events, engine.ports. Always holds: what a builder gives fits
together; what is passed replaces a field.
"""

from __future__ import annotations

from typing import Any

from engine.ports import ApprovedIntent, ExitAuthority
from events.broker import OrderSendStarted

ENTRY = ApprovedIntent("0123456789abcdef")
EXIT = ExitAuthority("fedcba9876543210")


def entry(number: int = 1, **changed: Any) -> OrderSendStarted:
    """A limit buy under ``ENTRY``."""
    fields: dict[str, Any] = {
        "message_no": number,
        "action": "PLACE",
        "order_id": f"P{number}",
        "authority": ENTRY.intent_id,
        "tag": f"tag{number:012d}",
        "broker_order_id": None,
        "variety": "regular",
        "exchange": "NFO",
        "tradingsymbol": "NIFTY26O1322550CE",
        "side": "BUY",
        "product": "NRML",
        "order_type": "LIMIT",
        "validity": "DAY",
        "quantity_units": 65,
        "limit_paise": 11015,
        "trigger_paise": None,
        "protection_bps": None,
        "algo_id": None,
        "strategy_id": "TREND",
        "code_digest": "c" * 64,
        "settings_digest": "s" * 64,
        "egress": None,
        "clock_offset_us": None,
        "approver": None,
    }
    return OrderSendStarted(**{**fields, **changed})


def exit_order(number: int = 1, **changed: Any) -> OrderSendStarted:
    """A limit sell under ``EXIT``."""
    return entry(number, **{"side": "SELL", "authority": EXIT.exit_id, **changed})

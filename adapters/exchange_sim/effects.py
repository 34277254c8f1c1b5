"""What a fault does to the exchange and its sockets when it begins and when it ends.

Lives here: the switches of the exchange set from what is on, and the acts of the faults that do
something at their beginning. May import: the parts beside it. Always holds: the switches say
exactly what is on, however faults overlap. Start reading at ``unfold``.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from adapters.exchange_sim.errors import KiteError
from adapters.exchange_sim.exchange import Exchange
from adapters.exchange_sim.fault_state import Active, FaultState
from adapters.exchange_sim.hub import Hub
from adapters.exchange_sim.spec import FaultSwitches
from events.session import Instrument

INTRADAY: Final = "MIS"
DERIVATIVES: Final = ("FUT", "CE", "PE")


class World(NamedTuple):
    """What faults act on."""

    faults: FaultState
    exchange: Exchange
    hub: Hub
    instruments: tuple[Instrument, ...]


def unfold(now_ns: int, world: World) -> None:
    """Begin and end what is due by now."""
    faults, hub = world.faults, world.hub
    for over in faults.end(now_ns):
        if over.fault.kind in _BREAK_AT_END:
            hub.drop_all()
    for begun in faults.begin(now_ns):
        if _breaks_sockets(begun):
            hub.drop_all()
        act = _ACTS.get(begun.fault.kind)
        if act is not None:
            faults.note(now_ns, begun.fault.kind, act(now_ns, begun, world))
    set_switches(world.exchange.faults, faults)


def set_switches(switches: FaultSwitches, faults: FaultState) -> None:
    """The exchange's switches as the faults that are on have them."""
    switches.duplicate_updates = _setting(faults, "duplicate_updates", "share_per_mille")
    switches.reorder_updates = _setting(faults, "reordered_updates", "share_per_mille")
    switches.drop_updates = _setting(faults, "missing_updates", "share_per_mille")
    switches.listing_lag_ms = _setting(faults, "listing_lag", "lag_ms")
    switches.late_fill_after_cancel = faults.on("late_fill_after_cancel") is not None
    switches.pending_forever = faults.on("pending_orders") is not None
    switches.margin_async = faults.on("margin_rejects_late") is not None
    switches.clock_offset_ms = _setting(faults, "clock_offset", "offset_ms")


def _setting(faults: FaultState, kind: str, name: str) -> Any:
    on = faults.on(kind)
    return 0 if on is None else on[name]


_BREAK_AT_END: Final = ("half_open_socket",)
_BREAK_AT_BEGIN: Final = ("socket_drop", "sockets_dead", "both_dead", "second_login")


def _breaks_sockets(begun: Active) -> bool:
    if begun.fault.kind == "token_expiry":
        return bool(begun["sockets"] == "close")
    return begun.fault.kind in _BREAK_AT_BEGIN


# --- what happens at the beginning ---------------------------------------------------------------


def _close_by_hand(now_ns: int, begun: Active, world: World) -> str:
    closed = 0
    for venue, symbol, product, units in world.exchange.ledger():
        wanted = (begun["exchange"], begun["tradingsymbol"], begun["product"])
        pairs = zip(wanted, (venue, symbol, product), strict=True)
        if units and all(want in ("", has) for want, has in pairs):
            world.exchange.close_by_hand(now_ns, venue, symbol, product, abs(units))
            closed += 1
    return f"{closed} positions closed"


def _foreign_order(now_ns: int, begun: Active, world: World) -> str:
    contract = _contract(now_ns, begun, world)
    if contract is None:
        return "no such contract trades: no order"
    venue, symbol, lot_units = contract
    form = {
        "exchange": venue,
        "tradingsymbol": symbol,
        "transaction_type": begun["transaction_type"],
        "quantity": str(lot_units),
        "product": begun["product"] or INTRADAY,
        "order_type": "MARKET",
        "market_protection": "-1",
        "validity": "DAY",
    }
    try:
        world.exchange.foreign_order(now_ns, form)
    except KiteError as refused:
        return f"refused: {refused.message}"
    return f"{begun['transaction_type']} {lot_units} {venue}:{symbol}"


def _contract(now_ns: int, begun: Active, world: World) -> tuple[str, str, int] | None:
    """The named contract, or the first option that has traded."""
    wanted = (begun["exchange"], begun["tradingsymbol"])
    for row in world.instruments:
        pairs = zip(wanted, (row.exchange, row.tradingsymbol), strict=True)
        if row.kind in DERIVATIVES and all(want in ("", has) for want, has in pairs):
            key = f"{row.exchange}:{row.tradingsymbol}"
            if begun["tradingsymbol"] or world.exchange.ltp(now_ns, (key,)):
                return row.exchange, row.tradingsymbol, row.lot_units
    return None


def _square_off(now_ns: int, begun: Active, world: World) -> str:
    world.exchange.square_off(now_ns)
    return "intraday orders cancelled, intraday positions closed"


def _say(now_ns: int, begun: Active, world: World) -> str:
    return f"said on {world.hub.on_message(begun['text'])} sockets"


def _log_out(now_ns: int, begun: Active, world: World) -> str:
    """A token that is dead stays dead when the fault is over: a login brings another."""
    world.exchange.logout_elsewhere()
    return "the token is dead"


_ACTS: Final[MappingProxyType[str, Callable[[int, Active, World], str]]] = MappingProxyType(
    {
        "position_closed_by_hand": _close_by_hand,
        "foreign_order": _foreign_order,
        "broker_square_off": _square_off,
        "broker_message": _say,
        "token_expiry": _log_out,
        "second_login": _log_out,
    }
)

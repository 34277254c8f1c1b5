"""What the engine asks of the outside, as protocols.

Lives here: the market, clock, inbox, watch and broker ports. May import: events, msgspec. Always
holds: nothing here does I/O; a market makes the broker's binary frames, in order of time, from
integers and exact arithmetic alone, so that equal identity means equal frames on any machine; of
the broker only ``OrderPort`` can send, and it takes a message with the authority behind it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec

from events.base import Event
from events.broker import (
    BrokerSnapshot,
    MarginObserved,
    OrderLookup,
    OrderSendResult,
    OrderSendStarted,
)
from events.session import CycleRule, Instrument, MarketIdentity


class MarketError(Exception):
    """A market that cannot be opened or read; the message is one line that says what to do."""


class MarketFrame(msgspec.Struct, frozen=True, gc=False):
    """One frame with its session time (ns UTC) and connection; ``snapshot_end`` ends a page."""

    ts: int
    data: bytes
    connection: int
    snapshot_end: bool


class Market(Protocol):
    """A source of one trading day. ``day`` is yyyymmdd IST; ``anchor_ns`` is the session clock's
    start (ns UTC), at or before the first frame; ``open_ns`` and ``close_ns`` bound the cycle grid.
    """

    @property
    def identity(self) -> MarketIdentity: ...

    @property
    def cycle_rule(self) -> CycleRule: ...

    @property
    def day(self) -> int: ...

    @property
    def anchor_ns(self) -> int: ...

    @property
    def open_ns(self) -> int: ...

    @property
    def close_ns(self) -> int: ...

    @property
    def dump_digest(self) -> str: ...

    def instruments(self) -> tuple[Instrument, ...]: ...

    def frames(self) -> Iterator[MarketFrame]:
        """Frames in order of ``ts``; a fresh iterator from the day's start at each call."""
        ...


# --- a session in real time ----------------------------------------------------------------------


class Clock(Protocol):
    """The session clock: anchor and elapsed time at the session's rate, never backwards."""

    def now_ns(self) -> int:
        """Session time, ns UTC."""
        ...


class Inbox(Protocol):
    """What the adapters have brought, in order of arrival; one reader."""

    def take(self, until_ns: int) -> tuple[int, Event] | None:
        """The next (session time of arrival, fact), whenever it arrived, or None once the session
        clock is at ``until_ns`` with nothing there; None earlier too, where somebody woke it.
        Frames that did not fit are said as ``FramesDropped``."""
        ...


class Measured(msgspec.Struct, frozen=True):
    """One measurement of the process or its machine; ``bad`` by its own limit."""

    what: str
    observed: int
    limit: int
    bad: bool


class Watch(Protocol):
    """What the driver cannot see of itself; both are asked now and then and answer at once."""

    def measure(self) -> tuple[Measured, ...]:
        """Durability, inbox, disk; what cannot be measured is left out."""
        ...

    def clock_offset_ns(self) -> int | None:
        """The wall clock minus the session clock; None where the two have nothing in common."""
        ...


class ApprovedIntent(msgspec.Struct, frozen=True):
    """The authority of what opens a position; made in one place, from a journaled
    ``IntentApproved`` or, where it ``sells`` the leg of a pair, ``SpreadApproved`` alone.
    """

    intent_id: str
    sells: bool = False


class ExitAuthority(msgspec.Struct, frozen=True):
    """The authority of an exit; made in one place of the engine, from a journaled ``ExitSignalled``
    alone, and in one of the emergency, which closes what it read in the broker's own books.

    ``covers``: the exit buys back a short, of the engine the sold leg of a pair.
    """

    exit_id: str
    covers: bool = False


Authority = ApprovedIntent | ExitAuthority


class MarginQuery(msgspec.Struct, frozen=True):
    """What to ask for: the two orders of a pair, prices in paise a unit."""

    contract: int
    sold_contract: int
    exchange: str
    tradingsymbol: str
    sold_tradingsymbol: str
    product: str
    quantity_units: int
    limit_paise: int
    sold_limit_paise: int


class BrokerReads(Protocol):
    """What may be asked of the broker in any mode. Calls block: the adapter's own thread makes
    them, and their answers come back as facts through the inbox. None raises for what the broker
    or the network does: the answer says it."""

    def snapshot(self, trigger: str, now_ns: int) -> BrokerSnapshot:
        """Order book, trades, positions and funds, each None where it was not received."""
        ...

    def lookup(
        self, order_id: str, tag: str, broker_order_id: str | None, now_ns: int
    ) -> OrderLookup:
        """Search orders and trades for one order of ours."""
        ...

    def quotes(self, names: Sequence[tuple[int, str]], now_ns: int) -> Event:
        """``QuotesObserved`` of (instrument, ``EXCHANGE:SYMBOL``) by request."""
        ...

    def margin(self, query: MarginQuery, now_ns: int) -> MarginObserved:
        """What the account must have for the two orders of a pair."""
        ...


class OrderPort(BrokerReads, Protocol):
    """A broker that can be sent orders. PAPER is wired without one."""

    def send(self, message: OrderSendStarted, authority: Authority) -> OrderSendResult:
        """Send one message whose start is durable. Blocks up to the adapter's timeout, raises
        nothing of the network: what is not certain is UNKNOWN. An authority that does not fit the
        message is a programming error."""
        ...

"""A desk that is told by hand what its broker says, and lets no message go by itself.

Lives here: ``Told``, the core of ``world.begun`` with a pen for reports, books, lookups and
answers. May be used by every test of orders. Always holds: no thread, no clock but the one that a
test moves, and nothing that the core did not derive from a fact.
Start reading at ``Told.bought``.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from msgspec.structs import replace

from engine.core import Core
from engine.orders.legs import legs
from engine.orders.outbox import next_message
from engine.state import Order, State
from events.base import Event
from events.broker import (
    BrokerPosition,
    BrokerReport,
    BrokerSnapshot,
    BrokerTrade,
    BrokerUpdate,
    OrderLookup,
    OrderSendResult,
    OrderSendStarted,
)
from events.feed import HealthObserved, TimerTick
from tests.engine.orders.world import CONTEXT, FUNDS, HEARTBEAT, MS, SECOND, begun

Settings = tuple[tuple[str, str, Any], ...]

MANY: Settings = (
    ("orders", "entry_valid_ms", 60_000),
    ("risk", "lots_max", 10),
    ("risk", "trade_risk_bps_max", 9_000),
    ("risk", "open_risk_bps_max", 10_000),
)
"""Settings with which an entry is for several lots, so that it can be filled in part."""

PRICE = 13_700
"""What a unit is bought for where a test does not say, in paise."""


class Told:
    """One desk. ``started`` holds every message that left, ``derived`` all that the core said."""

    def __init__(self, settings: Settings = MANY, state: State | None = None) -> None:
        begin, self.now, _ = begun(settings)
        self.core = Core(state or begin)
        self.now = max(self.now, self.core.state.now)
        self.started: list[OrderSendStarted] = []
        self.derived: list[Event] = []

    @property
    def state(self) -> State:
        """The core's state."""
        return self.core.state

    def fork(self) -> Told:
        """Another desk that stands where this one stands, with nothing said yet."""
        other = Told(state=self.state)
        other.now = self.now
        return other

    def fork_at(self, after_ms: int) -> Told:
        """Another desk that stands so long after this one, with no frame and no tick between."""
        other = self.fork()
        other.tell(HealthObserved("DISK_FREE_MB", "OK", 900, 500), after_ms)
        return other

    # --- facts -----------------------------------------------------------------------------------

    def tell(self, event: Event, after_ms: int = 10) -> list[Event]:
        """One fact, and what the core derives from it."""
        self.now += after_ms * MS
        derived = self.core.step(self.state.seq + 1, self.now, event)
        said = [one.entry.event for one in derived]
        self.derived.extend(said)
        return said

    def tick(self, after_ms: int = 1_000) -> list[Event]:
        """A beat of the feed, then a second's tick."""
        self.tell(HEARTBEAT, after_ms)
        return self.tell(TimerTick(self.now, 0), 0)

    def send(self) -> list[OrderSendStarted]:
        """Start every message that the outbox holds, in its order."""
        sent: list[OrderSendStarted] = []
        while (message := next_message(self.state, CONTEXT)) is not None:
            self.tell(message, 1)
            sent.append(message)
        self.started.extend(sent)
        return sent

    def answer(
        self,
        message: OrderSendStarted,
        outcome: str = "ACCEPTED",
        broker_id: str | None = None,
        fault: str | None = None,
        text: str | None = None,
    ) -> list[Event]:
        """The broker's answer to a message; accepted orders get an id made of its number."""
        known = broker_id or message.broker_order_id or f"26112000000{message.message_no:04d}"
        accepted = known if outcome == "ACCEPTED" else None
        result = OrderSendResult(
            message.message_no, message.order_id, outcome, accepted, fault, None, None, text, 1
        )
        return self.tell(result)

    def update(self, report: BrokerReport, after_ms: int = 10) -> list[Event]:
        """A report over the socket."""
        return self.tell(BrokerUpdate("SOCKET", report), after_ms)

    def lookup(self, order: Order, report: BrokerReport | None) -> list[Event]:
        """The books were searched for an order."""
        outcome = "FOUND" if report is not None else "ABSENT"
        asked = self.now
        return self.tell(OrderLookup(order.order_id, order.authority, asked, outcome, report, None))

    def books(
        self,
        orders: tuple[BrokerReport, ...] | None = (),
        trades: tuple[BrokerTrade, ...] | None = (),
        positions: tuple[BrokerPosition, ...] | None = (),
        asked_ago_ms: int = 0,
    ) -> list[Event]:
        """The broker's books as they were ``asked_ago_ms`` ago; None is: that book did not come."""
        names = (("orders", orders), ("trades", trades), ("positions", positions))
        failed = tuple(f"{name} NETWORK" for name, rows in names if rows is None)
        asked = self.now - asked_ago_ms * MS
        books = (orders, trades, positions, FUNDS)
        return self.tell(BrokerSnapshot("PERIODIC", asked, *books, failed))

    # --- what there is ---------------------------------------------------------------------------

    def order(self, role: str) -> Order:
        """The one working order of a role."""
        (found,) = [one for one, _ in legs(self.state) if one.role == role]
        return found

    def report(self, order: Order, status: str, filled: int = 0, **changes: Any) -> BrokerReport:
        """What the broker would say of an order at the price ``PRICE``."""
        row = self.state.instruments[order.contract]
        assert order.leg is not None
        plain = BrokerReport(
            broker_order_id=order.leg.broker_order_id or "261120999999999",
            exchange_order_id=None, parent_order_id=None, status=status, status_message=None,
            fault=None, tags=(order.authority,), variety="regular", exchange=row.exchange,
            tradingsymbol=row.tradingsymbol, side=order.side, product="MIS",
            order_type=order.leg.order_type or "LIMIT", validity="DAY",
            quantity_units=order.quantity_units, filled_units=filled,
            filled_value_paise=filled * PRICE, limit_paise=order.leg.limit_paise,
            trigger_paise=order.leg.trigger_paise, order_ts=self.now - SECOND,
            exchange_update_ts=self.now - self.now % SECOND,
        )  # fmt: skip
        return replace(plain, **changes)

    def net(self, order: Order, units: int, product: str = "MIS") -> BrokerPosition:
        """A row of the broker's net positions for an order's contract."""
        row = self.state.instruments[order.contract]
        return BrokerPosition(row.exchange, row.tradingsymbol, product, units, 0, 0, 0, 0, 0, 0)

    def said(self, kind: type) -> list[Any]:
        """Every event of a kind so far."""
        return [one for one in self.derived if isinstance(one, kind)]

    def reasons(self) -> Counter[str]:
        """How often the core gave each reason and raised each incident."""
        given = (getattr(one, "reason", None) or getattr(one, "code", None) for one in self.derived)
        return Counter(one for one in given if one)

    def open_codes(self) -> set[str]:
        """Codes of the incidents that are open."""
        return {one.code for one in self.state.desk.incidents}

    # --- beginnings ------------------------------------------------------------------------------

    @classmethod
    def sent(cls, settings: Settings = MANY) -> tuple[Told, OrderSendStarted]:
        """A desk whose entry has left and is not answered yet."""
        desk = cls(settings)
        desk.tell(TimerTick(desk.now, 0), 0)
        (message,) = desk.send()
        return desk, message

    @classmethod
    def working(cls, settings: Settings = MANY) -> tuple[Told, Order]:
        """A desk whose entry the broker has taken."""
        desk, message = cls.sent(settings)
        desk.answer(message)
        return desk, desk.order("ENTRY")

    @classmethod
    def bought(cls, settings: Settings = MANY) -> tuple[Told, Order]:
        """A desk whose entry is filled and whose stop rests at the broker; gives the entry."""
        desk, entry = cls.working(settings)
        desk.update(desk.report(entry, "COMPLETE", entry.quantity_units))
        for message in desk.send():
            desk.answer(message)
        stop = desk.order("PROTECT")
        desk.update(desk.report(stop, "TRIGGER PENDING"))
        return desk, entry

"""What a session said of its orders, gathered in one walk.

Lives here: ``Book``. May import: events, projections.packs. Always holds: entries are taken in
order and kept as they are; only kinds that tell of an order are decoded, the rest is passed by.
Start reading at ``Book.add``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any, Final

import msgspec

from events import broker, decision, governance, orders, session
from projections.packs.entries import Item

ENTRY_DIGITS: Final = 15
"""Slices of one entry have so many digits in common (``engine.books``)."""


class Approved(msgspec.Struct, frozen=True):
    """What stood when an order was allowed: its authority and what the core knew then."""

    item: Item
    group: dict[int, Item]
    cycle: tuple[Item, ...]
    regimes: dict[str, Item]
    risk: Item | None
    settings: dict[str, Any]
    fact: Item
    configs: tuple[Item, ...]


class Book:
    """What a session said of its orders, by whom it concerns."""

    def __init__(self) -> None:
        self.opened: Item | None = None
        self.carried: Item | None = None
        self.instruments: tuple[session.Instrument, ...] = ()
        self.settings: dict[str, Any] = {}
        self.seen: dict[str, Approved] = {}
        """Orders in the order of their first entry, with what stood then."""
        self.allowed: dict[str, Approved] = {}
        self.changes: dict[str, list[Item]] = defaultdict(list)
        self.started: dict[str, list[Item]] = defaultdict(list)
        self.results: dict[int, Item] = {}
        self.answered: set[str] = set()
        self.lookups: dict[str, list[Item]] = defaultdict(list)
        self.reports: list[tuple[Item, broker.BrokerReport]] = []
        self.fills: dict[str, list[tuple[Item, Item]]] = defaultdict(list)
        self.requests: dict[str, Item] = {}
        self.used: dict[str, Item] = {}
        self.commands: dict[str, Item] = {}
        self.entry_of: dict[str, str] = {}
        """Positions and the authority of the order that opened each."""
        self._fact: Item | None = None
        self._group: dict[int, Item] = {}
        self._cycle: tuple[Item, ...] = ()
        self._regimes: dict[str, Item] = {}
        self._risk: Item | None = None
        self._filled: dict[int, str] = {}
        self._configs: tuple[Item, ...] = ()

    def add(self, item: Item) -> None:
        """Take the next entry."""
        envelope = item.envelope
        if envelope.is_fact:
            self._fact, self._group, self._filled = item, {}, {}
        if envelope.kind in _KEPT:
            self._group[item.seq] = item
        if envelope.kind == "SnapshotTaken":
            same = bool(self._cycle) and self._cycle[0].envelope.cause == envelope.cause
            self._cycle = (*self._cycle, item) if same else (item,)
        take = _TAKE.get(envelope.kind)
        if take is not None:
            take(self, item, item.event)

    def stands(self, item: Item) -> Approved:
        """What stands at an entry that allows an order, or first tells of one."""
        return Approved(
            item, self._group, self._cycle, dict(self._regimes), self._risk, self.settings,
            self._fact or item, self._configs,
        )  # fmt: skip

    def _see(self, order_id: str, item: Item) -> None:
        if order_id not in self.seen:
            self.seen[order_id] = self.stands(item)

    def take_opened(self, item: Item, event: session.SessionOpened) -> None:
        self.opened = item
        self.settings = {one.key: one.value for one in event.settings}

    def take_carried(self, item: Item, event: session.CarriedOver) -> None:
        self.carried = item

    def take_instruments(self, item: Item, event: session.InstrumentsLoaded) -> None:
        self.instruments = event.rows

    def take_config(self, item: Item, event: session.ConfigChanged) -> None:
        self.settings = {**self.settings, **{one.key: one.value for one in event.settings}}
        self._configs = (*self._configs, item)

    def take_regime(self, item: Item, event: decision.RegimeAssessed) -> None:
        self._regimes[event.underlying] = item

    def take_risk(self, item: Item, event: object) -> None:
        self._risk = item

    def take_intent(self, item: Item, event: orders.IntentApproved) -> None:
        self.allowed[event.intent_id] = self.stands(item)

    def take_spread(self, item: Item, event: orders.SpreadApproved) -> None:
        self.allowed[event.leg_id] = self.stands(item)

    def take_exit(self, item: Item, event: orders.ExitSignalled) -> None:
        self.allowed[event.exit_id] = self.stands(item)

    def take_change(self, item: Item, event: orders.OrderChanged) -> None:
        self._see(event.order_id, item)
        self.changes[event.order_id].append(item)

    def take_started(self, item: Item, event: broker.OrderSendStarted) -> None:
        self._see(event.order_id, item)
        self.started[event.order_id].append(item)

    def take_result(self, item: Item, event: broker.OrderSendResult) -> None:
        self.results[event.message_no] = item
        self.answered.add(event.order_id)

    def take_lookup(self, item: Item, event: broker.OrderLookup) -> None:
        self.lookups[event.order_id].append(item)

    def take_update(self, item: Item, event: broker.BrokerUpdate) -> None:
        self.reports.append((item, event.report))

    def take_books(self, item: Item, event: broker.BrokerSnapshot) -> None:
        self.reports += [(item, one) for one in event.orders or ()]

    def take_fill(self, item: Item, event: orders.FillApplied) -> None:
        self._see(event.order_id, item)
        self.fills[event.order_id].append((item, self._fact or item))
        self._filled[event.contract] = event.order_id

    def take_position(self, item: Item, event: orders.PositionChanged) -> None:
        order_id = self._filled.get(event.contract)
        if event.position_id in self.entry_of or order_id is None:
            return
        first: Any = self.changes[order_id][0].event if self.changes[order_id] else None
        if first is not None:
            self.entry_of[event.position_id] = first.authority

    def take_request(self, item: Item, event: governance.ApprovalRequested) -> None:
        self.requests[event.request_id] = item

    def take_closed(self, item: Item, event: governance.ApprovalClosed) -> None:
        if event.intent_id is not None:
            self.used[event.intent_id[:ENTRY_DIGITS]] = item

    def take_command(self, item: Item, event: session.OperatorCommand) -> None:
        if event.verb.upper() == "APPROVE" and event.subject is not None:
            self.commands[event.subject] = item


_KEPT: Final = frozenset({"GatesEvaluated", "SnapshotTaken", "DecisionMade"})
_TAKE: Final[dict[str, Callable[[Book, Item, Any], None]]] = {
    "SessionOpened": Book.take_opened,
    "CarriedOver": Book.take_carried,
    "InstrumentsLoaded": Book.take_instruments,
    "ConfigChanged": Book.take_config,
    "RegimeAssessed": Book.take_regime,
    "RiskStateChanged": Book.take_risk,
    "IntentApproved": Book.take_intent,
    "SpreadApproved": Book.take_spread,
    "ExitSignalled": Book.take_exit,
    "OrderChanged": Book.take_change,
    "OrderSendStarted": Book.take_started,
    "OrderSendResult": Book.take_result,
    "OrderLookup": Book.take_lookup,
    "BrokerUpdate": Book.take_update,
    "BrokerSnapshot": Book.take_books,
    "FillApplied": Book.take_fill,
    "PositionChanged": Book.take_position,
    "ApprovalRequested": Book.take_request,
    "ApprovalClosed": Book.take_closed,
    "OperatorCommand": Book.take_command,
}

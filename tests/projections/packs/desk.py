"""An invented LIVE session whose orders went to a broker and were approved, whole or with a piece
left out.

Lives here: ``AtABroker``, ``items``, ``write``. Always holds: a session is made of events alone, so
a piece that is left out leaves a journal that verifies and a chain that is broken.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from events import broker, feed, governance, orders, session
from events.base import Event
from events.envelope import decode_envelope
from journal.writer import JournalWriter
from projections.packs.entries import Item
from tests.events.samples import sample
from tests.projections.builders import SessionMaker

UID = "0123456789ab"
NAME = f"2025-08-29-live-{UID}"
ALGO, ADDRESS, ACCOUNT = "ALGO77", "203.0.113.7", "AB1234"
CYCLES = 60
APPROVER = "asha"


class AtABroker(SessionMaker):
    """``without`` are kinds that are never said. Each entry gets an approval, each order a message,
    an answer and a report."""

    def __init__(self, *without: str, cycles: int = CYCLES) -> None:
        super().__init__(cycles=cycles, packets=4)
        self.without = without
        self.messages = 0

    def entries(self) -> Iterator[tuple[int, bytes]]:
        for cause, data in super().entries():
            if data:
                yield cause, data

    def _say(self, event: Event) -> tuple[int, bytes]:
        if isinstance(event, session.SessionOpened):
            event = replace(event, mode="LIVE", account=ACCOUNT)
        if type(event).__name__ in self.without:
            return self.cause, b""
        return super()._say(event)

    def _opening(self) -> Iterator[Event]:
        yield from super()._opening()
        yield orders.RiskStateChanged("NORMAL", "RISK_DAY_OPENED", 0, 0, 0, 0, 0, 0)

    def _life(self, intent_id: str, underlying: str) -> Iterator[Event]:
        asked: governance.ApprovalRequested = sample(governance.ApprovalRequested, "full")
        request = f"R{intent_id}"
        yield replace(asked, request_id=request, underlying=underlying)
        yield session.OperatorCommand(
            "APPROVE", APPROVER, "seen", request, None, f"c{intent_id}", "SOCKET"
        )
        yield governance.ApprovalClosed(request, "USED", "APPROVAL_USED", intent_id, APPROVER)
        for event in super()._life(intent_id, underlying):
            yield event
            if isinstance(event, orders.OrderChanged) and event.status == "WORKING":
                yield from self._sent(event)

    def _sent(self, order: orders.OrderChanged) -> Iterator[Event]:
        self.messages += 1
        theirs = f"26082800000{self.messages:04d}"
        started: broker.OrderSendStarted = sample(broker.OrderSendStarted, "full")
        yield replace(
            started, message_no=self.messages, action="PLACE", order_id=order.order_id,
            authority=order.authority, tag=order.authority, algo_id=ALGO, egress=ADDRESS,
            code_digest="c" * 64, settings_digest="e" * 64, approver=None,
        )  # fmt: skip
        yield broker.OrderSendResult(
            self.messages, order.order_id, "ACCEPTED", theirs, None, None, 200, None, 900
        )
        report: broker.BrokerReport = sample(broker.BrokerReport, "full")
        yield broker.BrokerUpdate(
            "SOCKET", replace(report, broker_order_id=theirs, tags=(order.authority,))
        )

    def _desk(self) -> Iterator[Event]:
        yield broker.AuthStatus("OK", ACCOUNT, None, None)
        yield feed.HealthObserved("DISK_FREE_MB", "OK", 1_000, 100)


def items(*without: str) -> list[Item]:
    """The session's entries."""
    return [Item(decode_envelope(data), data) for _, data in AtABroker(*without).entries()]


def write(folder: Path, *without: str) -> Path:
    """The session, closed, in its folder."""
    with JournalWriter.create(folder, UID) as writer:
        for group in AtABroker(*without).groups():
            writer.append(group)
    return folder

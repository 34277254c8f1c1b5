"""projections/duck/orders.py: an order is found by each of its ids, with all that tells of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from events import broker, governance, session
from events.base import Event
from journal.writer import JournalWriter
from projections.duck.orders import OrderStory, find_order
from projections.duck.projector import ensure_projection
from tests.events.samples import sample
from tests.projections.builders import SessionMaker
from tests.projections.duck.journals import UID

BROKERS, EXCHANGES = "260828000000042", "1100000000000042"


class AtABroker(SessionMaker):
    """A session whose first entry went to a broker, and was approved by a person."""

    def __init__(self) -> None:
        super().__init__(cycles=40)
        self.intents: list[str] = []

    def _life(self, intent_id: str, underlying: str) -> Iterator[Event]:
        self.intents.append(intent_id)
        yield from super()._life(intent_id, underlying)

    def _desk(self) -> Iterator[Event]:
        mine, other = self.intents[0], self.intents[-1]
        assert mine != other
        for intent, number, theirs in ((mine, 1, BROKERS), (other, 2, "260828000000077")):
            order_id = f"B{intent}"
            sent: broker.OrderSendStarted = sample(broker.OrderSendStarted, "full")
            yield replace(sent, message_no=number, order_id=order_id, authority=intent, tag=intent)
            yield broker.OrderSendResult(
                number, order_id, "ACCEPTED", theirs, None, None, 200, None, 900
            )
            report: broker.BrokerReport = sample(broker.BrokerReport, "full")
            exchanges = EXCHANGES if intent == mine else "77"
            yield broker.BrokerUpdate(
                "SOCKET",
                replace(
                    report, broker_order_id=theirs, exchange_order_id=exchanges, tags=(intent,)
                ),
            )
        yield governance.ApprovalClosed("R1", "USED", "APPROVAL_USED", mine, "asha")
        yield session.OperatorCommand("APPROVE", "asha", "seen", "R1", None, "c1", "SOCKET")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The projection of such a session, and the intent's id."""
    maker = AtABroker()
    folder = tmp_path_factory.mktemp("desk") / f"2025-08-29-live-{UID}"
    with JournalWriter.create(folder, UID) as writer:
        for group in maker.groups():
            writer.append(group)
    return ensure_projection(folder), maker.intents[0]


def _story(told: tuple[Path, str], wanted: str) -> OrderStory:
    story = find_order(told[0], wanted)
    assert story is not None
    return story


def test_each_id_leads_to_the_same_order(told: tuple[Path, str]) -> None:
    """Ours, the intent's, the broker's, the exchange's: one story, with its decision."""
    intent = told[1]
    stories = [_story(told, one) for one in (intent, f"B{intent}", BROKERS, EXCHANGES)]
    assert all(story == stories[0] for story in stories)
    assert stories[0].answer is not None
    assert stories[0].answer.decision.outcome == "TRADE"
    assert [step.kind for step in stories[0].trail if step.kind == "IntentApproved"]
    for stranger in ("260828000000043", "0000000000000000", "asha", "NIFTY"):
        assert find_order(told[0], stranger) is None


def test_what_was_sent_and_received_is_its_own(told: tuple[Path, str]) -> None:
    """Messages, answers and reports of this order alone, in the order of the journal."""
    messages = _story(told, BROKERS).messages
    kinds = [item["kind"] for item in messages]
    assert kinds == ["order_messages", "order_results", "broker_reports"]
    assert [item["seq"] for item in messages] == sorted(item["seq"] for item in messages)
    assert messages[2]["exchange_order_id"] == EXCHANGES
    assert messages[1]["broker_order_id"] == BROKERS


def test_people_and_digests(told: tuple[Path, str]) -> None:
    """Who approved it and by which command; the digests of what ran."""
    story = _story(told, BROKERS)
    assert [item["kind"] for item in story.people] == ["approvals_closed", "operator_commands"]
    assert {item["who"] for item in story.people} == {"asha"}
    assert story.digests["code_digest"] == "c" * 64

"""Orders on the wire, approvals, commands and the kill level, as the model keeps them."""

from __future__ import annotations

import pytest

from events import broker, governance
from projections.live import LiveModel, LiveView
from projections.live.state import APPROVALS_KEPT, COMMANDS_KEPT, ORDERS_KEPT, SENDS_KEPT
from tests.projections.live.story import CALL, Story
from tests.tui import desk


def folded(story: Story) -> tuple[LiveModel, LiveView]:
    model = LiveModel()
    for envelope in story.envelopes:
        model.fold(envelope)
    return model, model.view()


def a_story() -> Story:
    return Story("SIM", rate=1).setting_up()


def test_an_order_bears_its_last_message_and_the_answer() -> None:
    """Wanted, sent, answered: kind, trigger, the broker's number and how long he took."""
    _, view = folded(desk.a_desk())
    stop = next(row for row in view.orders if row.role == "PROTECT")
    assert stop.status == "WORKING"
    assert stop.lot_units == 65
    wire = stop.wire
    assert wire is not None
    assert (wire.action, wire.order_type, wire.trigger_paise) == ("PLACE", "SL", 10_050)
    assert (wire.outcome, wire.elapsed_us) == ("ACCEPTED", 38_000)
    assert wire.broker_order_id == "251120000000042"


def test_a_later_message_keeps_the_brokers_number() -> None:
    """A modification is another message about the same order."""
    story = desk.a_desk()
    _, before = folded(story)
    stop = next(row for row in before.orders if row.role == "PROTECT")
    cause = story.frame()
    story.derive(
        governance.OrderWanted(stop.order_id, "I", "MODIFY", "SL", 130, 9_000, 9_050, "X"), cause
    )
    _, view = folded(story)
    wire = next(row for row in view.orders if row.order_id == stop.order_id).wire
    assert wire is not None
    assert (wire.action, wire.sent_ts, wire.outcome) == ("MODIFY", None, None)
    assert wire.broker_order_id == "251120000000042"


def test_messages_are_counted_with_how_they_ended() -> None:
    """All that left, those refused, those without a known fate, the slowest answer."""
    _, view = folded(desk.a_desk())
    sends = view.sends
    assert (sends.sent, sends.refused, sends.unknown) == (3, 1, 1)
    assert sends.slowest_us == 38_000
    assert len(sends.recent_ts) == 3


def test_an_answer_to_an_unknown_message_changes_no_order() -> None:
    """It is counted, and nothing is made up for it."""
    story = a_story()
    story.fact(broker.OrderSendResult(1, "O?", "REFUSED", None, None, None, 400, "no", 5))
    _, view = folded(story)
    assert view.orders == ()
    assert view.sends.refused == 1


def test_a_fill_knows_its_orders_role_where_the_order_was_seen() -> None:
    """Else none is claimed; slippage and charges are the journal's."""
    story = a_story()
    story.at(0).entry()
    desk.at_broker(story, "O1", "I1", "EXIT", "SELL", CALL, 65, 12_000)
    story._fill("O1", "I1", "EXIT", "SELL", 65, 12_000)
    _, view = folded(story)
    assert [row.role for row in view.fills] == [None, "EXIT"]
    assert [row.slippage_paise for row in view.fills] == [5, 5]
    assert sum(row.charges_paise for row in view.fills) == view.money.charges_paise


def test_a_command_stands_beside_its_answer() -> None:
    """By its id; one without an answer says so; a refusal keeps its code."""
    story = a_story()
    desk.commanded(story, "ARM", "a", outcome=None)
    desk.commanded(story, "ACK", "b", subject="I1", outcome="REFUSED", reason="CMD_SUBJECT_UNKNOWN")
    seq = desk.commanded(story, "DISARM", "c")
    _, view = folded(story)
    assert [line.outcome for line in view.commands] == [None, "REFUSED", "ACCEPTED"]
    assert view.commands[1].reason == "CMD_SUBJECT_UNKNOWN"
    assert view.commands[2].answered_seq == seq


@pytest.mark.parametrize(
    ("given", "kill"),
    [
        ((("HALT", None),), "HALT"),
        ((("HALT", "CANCEL"), ("HALT", None)), "CANCEL"),
        ((("HALT", None), ("FLATTEN", None)), "FLATTEN"),
        ((("HALT", "FLATTEN"), ("RESUME", None)), None),
        ((("ARM", None),), None),
    ],
)
def test_the_kill_level_is_the_strongest_until_it_is_taken_back(
    given: tuple[tuple[str, str | None], ...], kill: str | None
) -> None:
    """A weaker halt takes nothing back; a resume takes all of it; refused ones change nothing."""
    story = a_story()
    for number, (verb, value) in enumerate(given):
        desk.commanded(story, verb, f"c{number}", value=value)
    desk.commanded(story, "RESUME", "late", outcome="REFUSED", reason="CMD_NOT_IN_MODE")
    _, view = folded(story)
    assert view.kill == kill


def test_approvals_are_open_until_they_are_closed() -> None:
    """With what is approved and the lot of its contract."""
    story = a_story()
    desk.asked(story, "r1", left_s=60)
    desk.asked(story, "r2", left_s=90)
    story.derive(
        governance.ApprovalClosed("r1", "USED", "APPROVAL_USED", "I1", "ana"), len(story.envelopes)
    )
    _, view = folded(story)
    assert [line.asked.request_id for line in view.approvals] == ["r2"]
    assert view.approvals[0].lot_units == 65


def test_whatever_comes_it_stays_bounded() -> None:
    """Orders, their messages, approvals, commands and times of messages."""
    story = a_story()
    for number in range(ORDERS_KEPT + 300):
        desk.at_broker(story, f"O{number}", "I", "ENTRY", "BUY", CALL, 65, 12_000,
                       outcome="REFUSED")  # fmt: skip
        desk.asked(story, f"r{number}", left_s=60)
        desk.commanded(story, "ARM", f"c{number}")
        cause = story.frame()
        story.derive(
            governance.OrderWanted(f"W{number}", "I", "PLACE", "LIMIT", 65, 1, None, "X"), cause
        )
    model, view = folded(story)
    assert len(view.orders) == ORDERS_KEPT
    assert len(view.approvals) == APPROVALS_KEPT
    assert len(view.commands) == COMMANDS_KEPT
    assert len(view.sends.recent_ts) <= SENDS_KEPT
    assert len(model._state.wires) <= 2 * ORDERS_KEPT + 1

"""B11, B13-B16: a person's hand, messages that cross, lost names, clocks that lie, square-off."""

from __future__ import annotations

import itertools
import sys
from typing import Any

import pytest

from engine.orders import reduce
from engine.orders.legs import AT_BROKER, held_units, legs, position_key, remaining
from engine.state import Order
from events.base import Event
from events.broker import BrokerReport, OrderSendStarted
from events.orders import PositionChanged
from events.session import OperatorCommand
from tests.engine.orders.told import MANY, PRICE, Told
from tests.engine.orders.world import GOOD, LOST_ANSWER, SECOND, World

FLATTEN = OperatorCommand("FLATTEN", "t", "end", None, None, "c1", "NONE")


# --- B11: by hand ---------------------------------------------------------------------------------


class Handed(World):
    """A world in which a person closes the position at a moment, that looks at every sell as it
    leaves. ``over`` is what was found wrong, ``crossed`` whether an exit was out already when the
    engine first heard of the hand."""

    def __init__(self, over: list[str], **schedule: Any) -> None:
        super().__init__(**schedule)
        self._over = over
        self._exit_out = False
        self._heard = False

    def _append(self, event: Event) -> tuple[Event, list[Any]]:
        if (
            isinstance(event, OrderSendStarted)
            and event.side == "SELL"
            and event.action != "CANCEL"
        ):
            self._check_sell(event)
        result = super()._append(event)
        self._heard = self._heard or bool(self.core.state.desk.foreign)
        return result

    def _check_sell(self, message: OrderSendStarted) -> None:
        if message.action == "CANCEL":
            return
        state = self.core.state
        order = next(one for one in state.orders if one.order_id == message.order_id)
        selling = message.quantity_units - order.filled_units + sum(
            remaining(one)
            for one, leg in legs(state)
            if one is not order and one.side == "SELL" and one.contract == order.contract
            and leg.status in AT_BROKER
        )  # fmt: skip
        held = held_units(state, order.contract)
        if selling > held:
            self._over.append(f"{selling} are for sale and {held} held at {message.order_id}")
        if order.role == "EXIT" and not self._heard:
            self._exit_out = True

    def _check_never_short(self) -> None:
        if not self._exit_out:
            super()._check_never_short()

    def _check_rest(self) -> None:
        super()._check_rest()
        working = [one.role for one, leg in legs(self.core.state) if leg.status in AT_BROKER]
        if working:
            self._over.append(f"still working at the end: {working}")


def handed(step_ms: int, **schedule: Any) -> tuple[int, int, list[str]]:
    """A position closed by hand at every step of half a minute: how many runs, how many of them
    ended short, what was wrong."""
    count, short, wrong = 0, 0, list[str]()
    for by_hand_ms in range(0, 14_000, step_ms):
        over: list[str] = []
        found = Handed(over, by_hand_ms=by_hand_ms, flatten_ms=8_000, **schedule).run()
        count += 1
        short += any(units < 0 for *_, units in found.ledger)
        wrong += [f"by hand at {by_hand_ms} ms: {one}" for one in (*found.problems, *over)]
    return count, short, wrong


HANDED: dict[str, dict[str, Any]] = {
    "plain": {},
    "several lots": {"settings": MANY},
    "books that lag": {"listing_lag_ms": 900},
    "a cancel's answer lost": {"wires": (GOOD, GOOD, LOST_ANSWER, GOOD)},
    "updates twice and reordered": {
        "faults": (("duplicate_updates", 1_000), ("reorder_updates", 500))
    },
    "every update lost": {"faults": (("drop_updates", 1_000),)},
}


@pytest.mark.slow
@pytest.mark.parametrize("case", HANDED)
def test_a_hand_at_every_step_meets_no_sell_beyond_what_is_held(case: str) -> None:
    """B11: a position closed by hand at any step of entry, stop and exit: no sell leaves for more
    than is held by what is known, exits end, our books are the exchange's. Short is only what
    crosses: an exit that had left before anything told of the hand."""
    step_ms = 250 if case != "every update lost" else 500
    count, short, wrong = handed(step_ms, **HANDED[case])
    sys.stdout.write(f"{case}: {count} steps, {short} crossed an exit on its way\n")
    assert wrong == []
    assert count > 20
    if case != "every update lost":
        assert short <= 2


@pytest.mark.slow
@pytest.mark.parametrize("case", HANDED)
def test_a_hand_at_every_25_ms(case: str) -> None:
    """B11: the same at 560 steps a case."""
    count, short, wrong = handed(25, **HANDED[case])
    sys.stdout.write(f"{case}: {count} steps, {short} crossed an exit on its way\n")
    assert wrong == []


def test_the_hand_is_noticed_where_the_engine_does_not_hear_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Canary: an engine that takes no order of others into account sells what is gone."""
    monkeypatch.setattr(reduce, "_note_foreign", lambda state, report: state)
    over: list[str] = []
    found = Handed(over, by_hand_ms=3_000, flatten_ms=8_000).run()
    assert [units for *_, units in found.ledger] != [0] or over or found.problems


def test_a_short_is_said_whoever_sold_too_much() -> None:
    """B11: sold by hand and, unheard, by an exit: the account is short, a person is told, nothing
    is bought back, and it is over when the short is."""
    desk, entry = Told.bought()
    stop = desk.order("PROTECT")
    desk.update(desk.report(stop, "COMPLETE", 650))
    hand = _by_hand(desk, entry, "SELL", 650)
    desk.update(hand)
    desk.tick()
    assert "POSITION_SHORT" in desk.open_codes()
    assert desk.send() == []
    desk.update(_by_hand(desk, entry, "BUY", 650, "261120777777778"))
    desk.tick()
    assert "POSITION_SHORT" not in desk.open_codes()


def _by_hand(
    desk: Told, entry: Order, side: str, units: int, broker_id: str = "261120777777777"
) -> BrokerReport:
    return desk.report(
        entry, "COMPLETE", units, broker_order_id=broker_id, tags=(), side=side,
        quantity_units=units,
    )  # fmt: skip


@pytest.mark.parametrize("units", [65, 325, 650])
def test_what_a_hand_sells_cuts_the_stop(units: int) -> None:
    """B11: a part sold by hand: the position shrinks at once, and the stop with it, woken or not:
    one that rests is made smaller, one that works already is cancelled."""
    for woken in (False, True):
        desk, entry = Told.bought()
        stop = desk.order("PROTECT")
        if woken:
            desk.update(desk.report(stop, "OPEN"))
        desk.update(_by_hand(desk, entry, "SELL", units))
        assert sum(one.quantity_units for one in desk.state.positions) == 650 - units
        (message,) = desk.send()
        whole = units == 650
        assert message.action == ("CANCEL" if woken or whole else "MODIFY")
        if message.action == "MODIFY":
            assert message.quantity_units == 650 - units
        assert desk.reasons()["ORDER_EXTERNAL"] == 1


def test_a_hand_that_is_heard_before_the_fill_it_sold_is_not_sold_again() -> None:
    """B11: the fill of our entry is told after the sale by hand of the same units: nothing is held,
    so that nothing is sold, and a person is told that the long of our books has no stop."""
    desk, entry = Told.working()
    desk.update(_by_hand(desk, entry, "SELL", 650))
    desk.update(desk.report(entry, "COMPLETE", 650))
    for _ in range(8):
        desk.tick()
        assert desk.send() == []
    assert desk.open_codes() == {"POSITION_UNPROTECTED"}
    desk.tell(FLATTEN)
    desk.tick()
    assert desk.send() == []
    assert "POSITION_DIFFERS" in desk.open_codes()
    about = {one.subject for one in desk.state.desk.incidents if one.code == "POSITION_DIFFERS"}
    assert about == {":".join(position_key(desk.state, desk.state.positions[0]))}
    # A comparison speaks of the same net by the same name, and ends what it finds explained.
    orders = (desk.report(entry, "COMPLETE", 650), _by_hand(desk, entry, "SELL", 650))
    desk.tick(2_100)
    desk.books(orders, positions=())
    assert "POSITION_DIFFERS" not in desk.open_codes()


# --- B13: messages that cross ---------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["ACCEPTED", "REFUSED", "UNKNOWN", "NOT_SENT"])
@pytest.mark.parametrize("end", [("CANCELLED", 0), ("CANCELLED", 325), ("COMPLETE", 650)])
def test_a_cancel_and_a_fill_may_arrive_in_either_order(answer: str, end: tuple[str, int]) -> None:
    """B13: the answer to a cancel and the order's end, either first: the next fact decides, both
    ways end in the same books, and what was bought is protected once."""
    found = []
    for answer_first in (True, False):
        desk, entry = Told.working()
        desk.update(desk.report(entry, "OPEN"))
        desk.tick(61_000)
        (cancel,) = desk.send()
        assert cancel.action == "CANCEL"
        if answer_first:
            desk.answer(cancel, answer)
        desk.update(desk.report(entry, end[0], end[1]))
        if not answer_first:
            desk.answer(cancel, answer)
        state = desk.state
        (over,) = state.desk.ended
        assert over.leg is not None
        stops = [(one.side, one.quantity_units) for one in desk.send()]
        assert stops == ([("SELL", end[1])] if end[1] else [])
        found.append((over.leg.status, over.filled_units, over.leg.value_paise))
    assert found[0] == found[1] == (END_STATUS[end], end[1], end[1] * PRICE)


END_STATUS = {
    ("CANCELLED", 0): "CANCELLED", ("CANCELLED", 325): "CANCELLED", ("COMPLETE", 650): "FILLED",
}  # fmt: skip


@pytest.mark.parametrize("carried_out", [True, False])
@pytest.mark.parametrize("answer", ["ACCEPTED", "UNKNOWN"])
def test_a_modify_whose_reply_is_lost_is_told_by_the_next_report(
    carried_out: bool, answer: str
) -> None:
    """B13: a stop is cut after a part of its position was sold; whatever became of the message and
    of its reply, the stop ends at the size of what is held, and is asked for again only where the
    next report says that it was not carried out."""
    for report_first in (True, False):
        desk, entry = Told.bought()
        stop = desk.order("PROTECT")
        desk.update(_by_hand(desk, entry, "SELL", 325))
        (modify,) = desk.send()
        size = 325 if carried_out else 650
        report = desk.report(
            stop, "TRIGGER PENDING", quantity_units=size,
            exchange_update_ts=desk.now + SECOND,
        )  # fmt: skip
        if report_first:
            desk.update(report)
        desk.answer(modify, answer)
        if not report_first or answer == "UNKNOWN":
            desk.tick(2_500)
            desk.lookup(desk.order("PROTECT"), report)
        again = [(one.action, one.quantity_units) for one in desk.send()]
        if carried_out:
            assert again == []
            assert desk.order("PROTECT").quantity_units == 325
        elif not report_first or answer == "UNKNOWN":
            assert again == [("MODIFY", 325)]


# --- B14: names that are lost ---------------------------------------------------------------------


def test_an_order_without_its_tag_is_found_by_its_id() -> None:
    """B14: the books lost the tag, or the broker added its own: the id tells whose it is."""
    desk, entry = Told.working()
    for tags in ((), ("autoslice",)):
        desk.update(desk.report(entry, "UPDATE", 65, tags=tags))
    assert desk.order("ENTRY").filled_units == 65
    assert desk.state.desk.foreign == ()


def test_an_order_without_tag_and_id_stays_unknown_for_a_person() -> None:
    """B14: the answer and the tag are lost: the order that the books show is nobody's of ours, ours
    stays UNKNOWN and is not sent again, until a person says which it is; then its fill is ours,
    once."""
    desk, message = Told.sent()
    entry = desk.order("ENTRY")
    desk.answer(message, "UNKNOWN", fault="TIMEOUT")
    report = desk.report(entry, "COMPLETE", 650, broker_order_id="261120555555555", tags=())
    for _ in range(3):
        desk.tick()
        desk.lookup(desk.order("ENTRY"), None)
        desk.books((report,), positions=(desk.net(entry, 650),))
        assert desk.send() == []
    assert not sum(one.quantity_units for one in desk.state.positions)
    told = OperatorCommand(
        "RESOLVE", "asha", "seen in the app", entry.order_id, "ORDER:261120555555555", "r1",
        "SOCKET",
    )  # fmt: skip
    desk.tell(told)
    desk.tick()
    desk.books((report,), positions=(desk.net(entry, 650),))
    (held,) = desk.state.positions
    assert held.quantity_units == 650
    assert sum(one.net_units for one in desk.state.desk.holdings) == 0


def test_a_long_tag_comes_back_whole() -> None:
    """B14: every tag that leaves is at most 20 letters and digits, the longest that is kept."""
    desk, _ = Told.bought()
    desk.tell(FLATTEN)
    (cancel,) = desk.send()
    desk.answer(cancel)
    desk.update(desk.report(desk.order("PROTECT"), "CANCELLED"))
    desk.send()
    tags = [one.tag for one in desk.started]
    assert len(set(tags)) == 3
    assert all(tag.isalnum() and len(tag) <= 20 for tag in tags)


# --- B15: clocks that lie -------------------------------------------------------------------------


HOURS = 3_600 * SECOND


@pytest.mark.parametrize("offset_ns", [-5 * HOURS, -SECOND, 3 * HOURS, 5 * HOURS + 1_800 * SECOND])
def test_a_broker_whose_clock_is_off_changes_no_books(offset_ns: int) -> None:
    """B15: hours ahead or behind, from the middle of an order's life on or without any time at
    all: fills are cumulative and an end is an end."""
    for stamps in ((0, offset_ns, 0), (offset_ns, 0, offset_ns), (None, 0, None)):
        desk, entry = Told.working()
        lives = (("OPEN", 0), ("UPDATE", 325), ("COMPLETE", 650))
        for (status, filled), offset in zip(lives, stamps, strict=True):
            at = None if offset is None else desk.now + offset
            desk.update(desk.report(entry, status, filled, exchange_update_ts=at))
        assert [one.quantity_units for one in desk.state.positions] == [650]
        assert [one.filled_units for one in desk.state.desk.ended] == [650]


def test_times_that_are_set_back_do_not_keep_an_old_word_alive() -> None:
    """B15: one report is stamped hours ahead; what was asked for a while later tells what holds
    all the same, so that an exit that rests is priced again."""
    desk, _ = Told.bought()
    desk.tell(FLATTEN)
    (cancel,) = desk.send()
    desk.answer(cancel)
    desk.update(desk.report(desk.order("PROTECT"), "CANCELLED"))
    (placed,) = desk.send()
    desk.answer(placed)
    exit_ = desk.order("EXIT")
    desk.update(desk.report(exit_, "OPEN PENDING", exchange_update_ts=desk.now + 3 * HOURS))
    desk.tick(3_000)
    assert desk.send() == []
    desk.lookup(desk.order("EXIT"), desk.report(exit_, "OPEN"))
    desk.tick()
    assert [one.action for one in desk.send()] == ["MODIFY"]


# --- B16: square-off ------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", list(itertools.permutations(("stop", "sale", "books"))))
def test_a_square_off_by_the_broker_is_an_end_from_outside(steps: tuple[str, ...]) -> None:
    """B16: the broker cancels our stop and sells what is MIS, told in any order: the position ends
    as sold from outside, nothing of ours sells it again, and the strategy waits its cooldown."""
    desk, entry = Told.bought()
    stop = desk.order("PROTECT")
    sale = _by_hand(desk, entry, "SELL", 650)
    for step in steps:
        desk.tick()
        if step == "stop":
            desk.update(desk.report(stop, "CANCELLED", status_message="squared off"))
        elif step == "sale":
            desk.update(sale)
        else:
            desk.books((desk.report(stop, "CANCELLED"), sale), positions=(desk.net(entry, 0),))
    sells = [one for one in desk.send() if one.action == "PLACE" and one.side == "SELL"]
    assert sells == []
    assert desk.state.positions == ()
    assert desk.state.desk.holdings == ()
    closed = [one for one in desk.said(PositionChanged) if one.status == "CLOSED"]
    assert [one.exit_reason for one in closed] == ["EXIT_BY_HAND"]
    assert desk.state.markets[entry.underlying].cooldown_until_ns > desk.now


@pytest.mark.parametrize("at_ms", [300, 600, 3_000, 7_900, 8_050, 8_500])
def test_a_square_off_at_the_exchange_leaves_nothing_behind(at_ms: int) -> None:
    """B16: at the simulated exchange, at several moments: not short, nothing left, books equal."""
    over: list[str] = []
    world = Handed(over, by_hand_ms=69_000, flatten_ms=8_000)
    world.at(at_ms, lambda: world.exchange.square_off(world.now))
    found = world.run()
    assert found.problems == ()
    assert over == []
    assert [units for *_, units in found.ledger if units > 0] == []

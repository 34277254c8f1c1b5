"""B03-B16: what a broker may do to the order protocol, fault by fault, told by hand."""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from typing import Any

import pytest

from engine.orders import reconcile
from engine.orders.outbox import lookups_due, snapshot_due
from engine.orders.reports import REFUSED
from engine.state import Order
from events.broker import BrokerReport, OrderSendStarted
from events.governance import Reconciled
from events.orders import OrderChanged
from events.session import OperatorCommand
from tests.engine.orders.told import MANY, PRICE, Told
from tests.engine.orders.world import SECOND, World

Books = tuple[object, ...]

END_WORDS = ("COMPLETE", "CANCELLED", "REJECTED")


def books_of(desk: Told) -> Books:
    """What a desk holds and what became of its orders, without when it heard of it and without
    charges: those are rounded for each fill, and how many fills there are is how it was told."""
    state = desk.state
    working = tuple(
        (one.role, one.quantity_units, one.filled_units, one.leg.value_paise if one.leg else 0)
        for one in state.orders
        if one.role == "ENTRY"
    )
    ended = tuple(
        (one.order_id, one.leg.status, one.filled_units, one.leg.value_paise)
        for one in state.desk.ended
        if one.leg is not None
    )
    held = tuple((one.position_id, one.quantity_units, one.value_paise) for one in state.positions)
    return held, state.desk.holdings, working, ended


# --- B03, B04: twice, and in any order ------------------------------------------------------------


def _steps(desk: Told, entry: Order, *steps: tuple[str, int]) -> list[BrokerReport]:
    """Reports of an order's life, a second apart by the broker's clock; the same step twice is the
    same report. Fills grow dearer, so that one that is taken from the wrong report shows."""
    return [
        desk.report(
            entry, status, filled, filled_value_paise=filled * PRICE + filled * filled // 65,
            exchange_update_ts=desk.now + steps.index((status, filled)) * SECOND,
        )
        for status, filled in steps
    ]  # fmt: skip


LIVES: dict[str, tuple[tuple[str, int], ...]] = {
    "filled in parts": (
        ("OPEN PENDING", 0), ("OPEN", 0), ("UPDATE", 65), ("UPDATE", 65), ("UPDATE", 130),
        ("COMPLETE", 650),
    ),
    "complete twice": (
        ("VALIDATION PENDING", 0), ("OPEN", 0), ("UPDATE", 325), ("COMPLETE", 650),
        ("COMPLETE", 650), ("COMPLETE", 650),
    ),
    "cancelled in the middle": (
        ("OPEN", 0), ("UPDATE", 65), ("CANCEL PENDING", 65), ("UPDATE", 130), ("CANCELLED", 130),
        ("CANCELLED", 130),
    ),
    "cancelled, then a late fill": (
        ("OPEN", 0), ("UPDATE", 65), ("CANCELLED", 65), ("UPDATE", 195), ("CANCELLED", 195),
        ("UPDATE", 130),
    ),
    "rejected by the exchange": (
        ("PUT ORDER REQ RECEIVED", 0), ("VALIDATION PENDING", 0), ("OPEN PENDING", 0),
        ("REJECTED", 0), ("REJECTED", 0), ("OPEN PENDING", 0),
    ),
    "modified": (
        ("MODIFY VALIDATION PENDING", 0), ("MODIFY PENDING", 0), ("MODIFIED", 0), ("OPEN", 65),
        ("UPDATE", 65), ("COMPLETE", 650),
    ),
}  # fmt: skip


@pytest.mark.parametrize("life", LIVES)
def test_the_order_of_updates_changes_no_books(life: str) -> None:
    """B03, B04: every order in which six updates of an order may come ends in the same books, and
    what is filled is always the most that was told; an end that came too early is confirmed by the
    order book."""
    desk, entry = Told.working()
    reports = _steps(desk, entry, *LIVES[life])
    final = max(reports, key=lambda one: (one.filled_units, one.status in END_WORDS))
    found: set[Books] = set()
    count = 0
    for updates in set(itertools.permutations(reports)):
        count += 1
        one, most = desk.fork(), 0
        for report in updates:
            one.update(report)
            most = max(most, report.filled_units)
            assert _filled(one, entry) == most
        held = sum(position.quantity_units for position in one.state.positions)
        assert held == most
        one.books((final,), positions=None)
        found.add(books_of(one))
    sys.stdout.write(f"{life}: {count} orders of arrival\n")
    assert count >= 60
    assert len(found) == 1


def _filled(desk: Told, entry: Order) -> int:
    orders = (*desk.state.orders, *desk.state.desk.ended)
    return next(one.filled_units for one in orders if one.order_id == entry.order_id)


def test_an_update_twice_leads_to_nothing_the_second_time() -> None:
    """B03: whatever the update, its duplicate derives no event."""
    desk, entry = Told.working()
    for report in _steps(desk, entry, *LIVES["filled in parts"]):
        desk.update(report)
        assert desk.update(report) == []


def test_a_fill_after_the_end_reopens_the_order_loudly() -> None:
    """B04: cancelled and then filled: the units are ours, ORDER_LATE_FILL says so, the order lives
    on until its end is told again, and what it bought is protected."""
    desk, entry = Told.working()
    desk.update(desk.report(entry, "CANCELLED"))
    assert desk.reasons()["ORDER_CANCELLED"] == 1
    desk.update(desk.report(entry, "UPDATE", 130))
    assert desk.order("ENTRY").filled_units == 130
    assert "ORDER_LATE_FILL" in desk.open_codes()
    assert desk.reasons()["ORDER_LATE_FILL"] == 2  # the order's, and the incident
    (stop,) = desk.send()
    assert (stop.side, stop.order_type, stop.quantity_units) == ("SELL", "SL", 130)
    desk.update(desk.report(entry, "CANCELLED", 130))
    assert [one.role for one in desk.state.orders] == ["PROTECT"]


# --- B05: refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [*REFUSED, "INPUT", "HOLDING"])
def test_a_refused_entry_keeps_its_words_and_is_not_sent_again(fault: str) -> None:
    """B05: the refusal is the order's end, with the code of its kind and the broker's own words in
    the fact; no later moment sends the same intent again."""
    desk, message = Told.sent()
    entry = desk.order("ENTRY")
    desk.answer(message, "REFUSED", fault=fault, text="Insufficient funds. Required 1,23,456.78")
    (end,) = [one for one in desk.said(OrderChanged) if one.status == "REJECTED"]
    assert (end.order_id, end.reason) == (entry.order_id, REFUSED.get(fault, "ORDER_REFUSED"))
    for _ in range(20):
        desk.tick()
        desk.send()
    tags = Counter(one.tag for one in desk.started)
    assert tags[message.tag] == 1


def test_an_entry_rejected_later_is_not_sent_again() -> None:
    """B05: taken first and rejected by a report: the report's words stay, the order is over."""
    desk, entry = Told.working()
    words = "RMS:Margin Exceeds,Required:1234.00, Available:12.00"
    desk.update(desk.report(entry, "REJECTED", status_message=words))
    (end,) = [one for one in desk.said(OrderChanged) if one.status == "REJECTED"]
    assert end.reason == "ORDER_REJECTED"
    assert [one.authority for one in desk.send()] == []


@pytest.mark.parametrize("later", [False, True], ids=["refused at once", "rejected by a report"])
def test_refusals_one_after_another_are_a_burst(later: bool) -> None:
    """B05: a stop that is refused is tried three times and no more; the burst is said once, with
    the refused exit and the long that has no stop, and is over after a minute without another."""
    desk, entry = Told.working((*MANY, ("orders", "rejects_per_minute_max", 2)))
    desk.update(desk.report(entry, "COMPLETE", entry.quantity_units))
    refused = 0
    for _ in range(40):
        for message in desk.send():
            refused += 1
            if later:
                desk.answer(message)
                stop = desk.order("PROTECT")
                desk.update(desk.report(stop, "REJECTED", status_message="price band"))
            else:
                desk.answer(message, "REFUSED", fault="INPUT", text="price band")
        desk.tick()
    assert refused == 3
    assert {"ORDER_REJECT_BURST", "EXIT_REFUSED", "POSITION_UNPROTECTED"} <= desk.open_codes()
    assert desk.reasons()["ORDER_REJECT_BURST"] == 1
    desk.tick(60_000)
    assert "ORDER_REJECT_BURST" not in desk.open_codes()


# --- B07: a part, then silence --------------------------------------------------------------------


def test_a_part_and_then_silence_leaves_the_rest_alive() -> None:
    """B07: the position is what was filled, protected for so much; the rest is looked for every
    few seconds and is live until something tells its end: neither absence nor time does."""
    desk, entry = Told.working()
    desk.update(desk.report(entry, "UPDATE", 130))
    (stop,) = desk.send()
    desk.answer(stop)
    assert (desk.state.positions[0].quantity_units, stop.quantity_units) == (130, 130)
    asked = 0
    for _ in range(120):
        desk.tick()
        for query in lookups_due(desk.state):
            if query.order_id == entry.order_id:
                asked += 1
                desk.lookup(desk.order("ENTRY"), None)
        for message in desk.send():
            desk.answer(message, "UNKNOWN")
    assert asked > 20
    alive = desk.order("ENTRY")
    assert (alive.quantity_units, alive.filled_units) == (650, 130)
    assert Counter(one.action for one in desk.started if one.side == "BUY")["CANCEL"] >= 1
    desk.update(desk.report(alive, "CANCELLED", 130))
    assert [one.role for one in desk.state.orders if one.role == "ENTRY"] == []
    assert desk.state.positions[0].quantity_units == 130


def test_an_exit_waits_for_the_rest_of_its_entry() -> None:
    """B07: an exit of a part leaves only when the rest is known to be over, for what is held."""
    desk, entry = Told.working()
    desk.update(desk.report(entry, "UPDATE", 130))
    for message in desk.send():
        desk.answer(message)
    desk.tell(OperatorCommand("FLATTEN", "t", "end", None, None, "c1", "NONE"))
    sent = desk.send()
    assert {one.action for one in sent} == {"CANCEL"}
    for message in sent:
        desk.answer(message)
    desk.update(desk.report(desk.order("PROTECT"), "CANCELLED"))
    assert desk.send() == []
    desk.update(desk.report(desk.order("ENTRY"), "CANCELLED", 195))
    (exit_,) = desk.send()
    assert (exit_.action, exit_.side, exit_.quantity_units) == ("PLACE", "SELL", 195)


# --- B09: books that answer while updates arrive --------------------------------------------------


def _truths(desk: Told, entry: Order) -> list[tuple[BrokerReport, int]]:
    """What the broker's two books hold after each step of an entry's life: report, net units."""
    lives = (("OPEN", 0), ("UPDATE", 65), ("UPDATE", 325), ("COMPLETE", 650))
    return [(report, report.filled_units) for report in _steps(desk, entry, *lives)]


def test_books_and_updates_in_any_order_end_in_the_same_books() -> None:
    """B09: the order book and the positions as they were at any step, each by itself, arrive
    between any two updates: nothing is taken for a stranger's, nothing is said to differ, and our
    books end as if none had come."""
    desk, entry = Told.working()
    truths = _truths(desk, entry)
    plain = desk.fork()
    for report, _ in truths:
        plain.update(report)
    count = 0
    places = range(len(truths))
    for asked, arrives, told, counted in itertools.product(places, places, places, places):
        if asked > arrives or not asked <= told <= arrives or not asked <= counted <= arrives:
            continue
        count += 1
        one = desk.fork()
        for place, (report, _) in enumerate(truths):
            one.update(report)
            if place == arrives:
                ago_ms = 10 * (arrives - asked) + 5
                net = one.net(entry, truths[counted][1])
                one.books((truths[told][0],), positions=(net,), asked_ago_ms=ago_ms)
        assert books_of(one) == books_of(plain)
        assert one.open_codes() == set()
        assert one.state.desk.differences == ()
    sys.stdout.write(f"{count} interleavings of books and updates\n")
    assert count >= 30


def test_the_interleavings_notice_books_that_are_taken_at_their_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Canary: compared while the entry works, the broker's books seem to differ."""
    desk, entry = Told.working()
    (_, _, _, (report, _)) = _truths(desk, entry)
    monkeypatch.setattr(reconcile, "busy_keys", lambda state, asked_ns: set())
    desk.update(report)
    desk.books((), positions=(desk.net(entry, 325),), asked_ago_ms=20)
    assert desk.state.desk.differences != ()


def test_a_resting_stop_does_not_keep_the_books_from_being_compared() -> None:
    """B09: a stop that the books themselves show is at rest, so that the position behind it is
    compared: what is missing at the broker is found with the stop in place."""
    desk, entry = Told.bought()
    stop = desk.order("PROTECT")
    desk.tick()
    desk.books((desk.report(stop, "TRIGGER PENDING"),), positions=(desk.net(entry, 650),))
    assert [one.status for one in desk.said(Reconciled)] == ["EQUAL"]
    desk.tick()
    desk.books((desk.report(stop, "TRIGGER PENDING"),), positions=(desk.net(entry, 325),))
    assert [one.status for one in desk.said(Reconciled)] == ["EQUAL", "DIFFERS"]


# --- B10: books that fail, or answer nothing ------------------------------------------------------


@pytest.mark.parametrize("failing", ["orders", "trades", "positions"])
def test_a_book_that_fails_alone_changes_nothing(failing: str) -> None:
    """B10: an absent report is not flat: position and stop stay as they are, the comparison does
    not count, BROKER_UNREACHABLE is said, and it is over when the books come again."""
    desk, entry = Told.bought()
    before = books_of(desk)
    stop = desk.order("PROTECT")
    whole: dict[str, Any] = {
        "orders": (desk.report(stop, "TRIGGER PENDING"),),
        "trades": (),
        "positions": (desk.net(entry, 650),),
    }
    agreed = desk.state.desk.reconciled_ns
    desk.tick()
    desk.books(**{**whole, failing: None})
    assert books_of(desk) == before
    assert desk.open_codes() == {"BROKER_UNREACHABLE"}
    assert desk.state.desk.reconciled_ns == agreed
    assert desk.send() == []
    desk.tick(3_000)
    desk.books(**whole)
    assert desk.open_codes() == set()
    assert desk.state.desk.reconciled_ns > agreed


@pytest.mark.parametrize("exits", [False, True], ids=["held", "being sold"])
def test_positions_that_are_empty_once_are_not_flat(exits: bool) -> None:
    """B10: an empty list of positions beside a stop that rests: the stop stays, an exit waits two
    seconds for the books to be asked again, and leaves when they show the long."""
    desk, entry = Told.bought()
    desk.tick()
    resting = (desk.report(desk.order("PROTECT"), "TRIGGER PENDING"),)
    desk.books(resting, positions=())
    assert desk.send() == []
    assert [one.times for one in desk.state.desk.differences] == [1]
    orders: tuple[BrokerReport, ...] = resting
    if exits:
        desk.tell(OperatorCommand("FLATTEN", "t", "end", None, None, "c1", "NONE"))
        (cancel,) = desk.send()
        desk.answer(cancel)
        desk.update(desk.report(desk.order("PROTECT"), "CANCELLED"))
        assert desk.send() == []
        orders = ()
    desk.tick(2_100)
    assert snapshot_due(desk.state) == "PERIODIC"
    desk.books(orders, positions=(desk.net(entry, 650),))
    sent = [(one.action, one.quantity_units) for one in desk.send()]
    assert sent == ([("PLACE", 650)] if exits else [])
    assert desk.state.desk.differences == ()


def test_positions_that_are_empty_twice_are_believed_and_said() -> None:
    """B10, B11: two comparisons in a row find nothing held: no order sells it any more, nothing of
    our books is changed, and a person is told with both figures."""
    desk, _ = Told.bought()
    stop = desk.order("PROTECT")
    for _ in range(2):
        desk.tick(2_100)
        desk.books((desk.report(stop, "TRIGGER PENDING"),), positions=())
    (cancel,) = desk.send()
    assert (cancel.action, cancel.order_id) == ("CANCEL", stop.order_id)
    assert desk.reasons()["EXIT_EXCEEDS_LONG"] >= 1
    assert "POSITION_DIFFERS" in desk.open_codes()
    assert desk.state.positions[0].quantity_units == 650
    desk.answer(cancel)
    desk.update(desk.report(stop, "CANCELLED"))
    for _ in range(10):
        desk.tick()
        assert desk.send() == []


def test_an_empty_order_book_ends_no_order() -> None:
    """B10: orders that the book does not show are not over: ORDER_NOT_LISTED is said, and no stop
    takes the place of one that may rest."""
    desk, entry = Told.bought()
    desk.tick()
    desk.books((), positions=(desk.net(entry, 650),))
    assert desk.reasons()["ORDER_NOT_LISTED"] == 1
    assert desk.order("PROTECT").leg is not None
    assert desk.send() == []


# --- B12: pending for minutes ---------------------------------------------------------------------


@pytest.mark.parametrize("from_ms", [0, 200, 700, 5_000, 12_100])
def test_an_exchange_that_lets_nothing_pass_gets_no_storm(from_ms: int) -> None:
    """B12: from some moment on nothing leaves OPEN, CANCEL or MODIFY PENDING: over a minute no
    message is sent more than a few times, and books and ledger agree."""
    world = World(run_ms=110_000)
    world.at(from_ms, lambda: setattr(world.exchange.faults, "pending_forever", True))
    found = world.run()
    sent = [one for _, one in found.facts_list if isinstance(one, OrderSendStarted)]
    of_order = Counter((one.order_id, one.action) for one in sent)
    assert found.problems == ()
    assert max(of_order.values()) <= 4, of_order


def test_an_order_that_stays_pending_is_said_once() -> None:
    """B12: a cancel that stays pending is not sent again; after a while a person is told, once, and
    it is over when the order ends."""
    desk, entry = Told.working()
    desk.update(desk.report(entry, "OPEN"))
    desk.tick(61_000)
    (cancel,) = desk.send()
    desk.answer(cancel)
    for _ in range(180):
        desk.tick()
        desk.lookup(desk.order("ENTRY"), desk.report(entry, "CANCEL PENDING"))
        assert desk.send() == []
    assert desk.open_codes() == {"ORDER_PENDING_LONG"}
    assert desk.reasons()["ORDER_PENDING_LONG"] == 1
    desk.update(desk.report(entry, "CANCELLED"))
    desk.tick()
    assert desk.open_codes() == set()


def test_an_exit_that_is_on_its_way_is_not_priced_again() -> None:
    """B12: while the exchange has not taken an exit in, it is not modified; at rest it is."""
    desk, _ = Told.bought()
    desk.tell(OperatorCommand("FLATTEN", "t", "end", None, None, "c1", "NONE"))
    (cancel,) = desk.send()
    desk.answer(cancel)
    desk.update(desk.report(desk.order("PROTECT"), "CANCELLED"))
    (placed,) = desk.send()
    desk.answer(placed)
    exit_ = desk.order("EXIT")
    desk.update(desk.report(exit_, "OPEN PENDING"))
    for _ in range(10):
        desk.tick()
        assert desk.send() == []
    desk.update(desk.report(exit_, "OPEN"))
    desk.tick()
    assert [one.action for one in desk.send()] == ["MODIFY"]

"""What a session that ends may leave: no entry that can be filled, no long without a stop."""

from __future__ import annotations

from engine.orders.watch import loose
from events.session import OperatorCommand
from tests.engine.orders.told import MANY, Told

NO_STOP = (*MANY, ("orders", "protective_stop", False))


def _stop(desk: Told) -> None:
    value = "LEAVE_PROTECTED"
    desk.tell(OperatorCommand("STOP", "asha", "done for today", None, value, "c1", "SOCKET"))


def _working_entry() -> Told:
    desk = Told()
    desk.tick()
    (message,) = desk.send()
    desk.answer(message)
    return desk


def test_an_entry_that_works_is_cancelled_and_keeps_the_session_until_it_is_over() -> None:
    """An entry of several lots rests at the broker, filled in part: ending cancels the rest, and
    what was filled is loose until its stop rests."""
    desk = _working_entry()
    entry = desk.order("ENTRY")
    assert loose(desk.state) == 1
    _stop(desk)
    (cancel,) = desk.send()
    assert (cancel.action, cancel.order_id) == ("CANCEL", entry.order_id)
    desk.answer(cancel)
    assert loose(desk.state) == 1
    desk.update(desk.report(entry, "CANCELLED", filled=65))
    assert loose(desk.state) == 1
    (stop,) = [one for one in desk.send() if one.order_type == "SL"]
    desk.answer(stop)
    assert loose(desk.state) == 0
    assert [one.quantity_units for one in desk.state.positions] == [65]


def test_an_entry_that_has_not_left_ends_at_once() -> None:
    """Nothing of it is at the broker, so nothing is loose."""
    desk = Told()
    desk.tick()
    assert desk.order("ENTRY").leg is not None
    _stop(desk)
    desk.tick()
    assert desk.send() == []
    assert (loose(desk.state), desk.state.orders) == (0, ())


def test_under_the_waiver_a_long_is_left_as_it_is() -> None:
    """Without a resting stop there is nothing to wait for; an entry is waited for all the same."""
    desk, entry = Told.working(NO_STOP)
    assert loose(desk.state) == 1
    desk.update(desk.report(entry, "COMPLETE", entry.quantity_units))
    assert (len(desk.state.positions), desk.send(), loose(desk.state)) == (1, [], 0)
    assert loose(Told.bought()[0].state) == 0

"""B11: a ghost long, which our books hold and the broker's do not, ends by a person's word, and
only where the broker's books say the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.books import free_funds_paise, open_risk_paise
from engine.commands import ACCEPTED, BOOKS_DISAGREE, LAPSED, SUBJECT_UNKNOWN
from engine.core import Core
from engine.orders.outbox import snapshot_due
from engine.orders.resolve import unconfirmed_paise
from engine.readiness import readiness
from engine.state import Order
from events.base import Event
from events.governance import CommandAnswered, DifferenceFound, IncidentResolved, Reconciled
from events.orders import FillApplied, IntentApproved, OrderChanged, PositionChanged
from events.session import OperatorCommand
from tests.engine.orders.told import Told
from tests.engine.orders.world import MS, SECOND

WHY = "sold in the app, the broker's support has confirmed it"


class Kept(Told):
    """A desk that keeps its facts and what each led to, as bytes."""

    def __init__(self, *given: object) -> None:
        super().__init__(*given)  # type: ignore[arg-type]
        self.begun = self.core.state
        self.facts: list[tuple[int, Event]] = []
        self.bytes: list[bytes] = []

    def tell(self, event: Event, after_ms: int = 10) -> list[Event]:
        self.now += after_ms * MS
        self.facts.append((self.now, event))
        derived = self.core.step(self.state.seq + 1, self.now, event)
        self.bytes.extend(one.data for one in derived)
        said = [one.entry.event for one in derived]
        self.derived.extend(said)
        return said

    def resolve(self, subject: str, units: int, id_: str = "r1") -> str:
        """A person says what the broker holds; gives the code of the answer."""
        value = f"HOLDS:{units}"
        said = self.tell(OperatorCommand("RESOLVE", "asha", WHY, subject, value, id_, "SOCKET"))
        (answer,) = [one for one in said if isinstance(one, CommandAnswered)]
        return answer.reason

    def settle(self) -> list[tuple[str, str]]:
        """The broker takes what is sent, cancels and stops alike; gives (action, side) of each."""
        sent = self.send()
        for message in sent:
            self.answer(message)
            (order,) = [one for one in self.state.orders if one.order_id == message.order_id]
            ends = message.action == "CANCEL"
            self.update(self.report(order, "CANCELLED" if ends else "TRIGGER PENDING"))
        return [(one.action, one.side) for one in sent]

    def compare(self, entry: Order, units: int | None, times: int = 1) -> None:
        """The broker's books, with so many units of the entry's contract (None: without a row);
        our resting stop is among the orders."""
        for _ in range(times):
            self.tick(2_100)
            stops = [one for one in self.state.orders if one.role == "PROTECT"]
            orders = tuple(self.report(one, "TRIGGER PENDING") for one in stops)
            rows = () if units is None else (self.net(entry, units),)
            self.books(orders, positions=rows)


def ghost(units: int | None = 0) -> tuple[Kept, Order]:
    """A long of which the broker's books have shown ``units`` twice: its stop is cancelled, or made
    as small, since no more is sold than the broker shows."""
    desk, entry = Kept.bought()
    assert isinstance(desk, Kept)
    desk.compare(entry, units, times=2)
    assert desk.settle() == [("MODIFY" if units else "CANCEL", "SELL")]
    assert "POSITION_DIFFERS" in desk.open_codes()
    return desk, entry


def entries_blocked(desk: Kept) -> bool:
    """Whether a difference stands between the desk and its next entry."""
    return bool(desk.state.desk.differences)


@pytest.mark.parametrize("units", [0, None])
def test_a_ghost_long_ends_by_a_person_s_word(units: int | None) -> None:
    """B11: both figures are said before, the long ends as sold by others at a price that brings no
    gain and is marked as unconfirmed, its stop is cancelled and nothing sold; entries wait until
    the next books agree, which are asked for at once. All of it derives again from the facts."""
    desk, entry = ghost(units)
    before = desk.state
    (held,) = before.positions
    assert desk.resolve(held.position_id, 0) == ACCEPTED
    said = desk.derived
    found = [one for one in said if isinstance(one, DifferenceFound)][-1]
    assert (found.reason, found.ours, found.theirs) == (
        "ORDER_RESOLVED_GONE", held.quantity_units, 0,
    )  # fmt: skip
    begun, fill = desk.said(OrderChanged), desk.said(FillApplied)[-1]
    assert ("EXTERNAL", "ORDER_RESOLVED_GONE") in {(one.role, one.reason) for one in begun}
    closed = desk.said(PositionChanged)[-1]
    assert (closed.status, closed.exit_reason) == ("CLOSED", "EXIT_RESOLVED")
    assert closed.realised_paise <= 0
    assert fill.quantity_units == held.quantity_units
    assert {"RESULT_UNCONFIRMED", "POSITION_DIFFERS"} <= desk.open_codes()
    state = desk.state
    assert state.positions == ()
    assert state.account.loss_streak == before.account.loss_streak + 1
    assert state.account.trades_today == before.account.trades_today
    assert state.markets[held.underlying].cooldown_until_ns > desk.now
    assert open_risk_paise(state) == 0
    assert free_funds_paise(state) <= before.account.capital_paise
    assert entries_blocked(desk)
    assert snapshot_due(replace(state, now=state.now + 2 * SECOND)) == "PERIODIC"
    desk.compare(entry, units)
    assert [one.status for one in desk.said(Reconciled)][-1] == "EQUAL"
    assert "POSITION_DIFFERS" in {one.code for one in desk.said(IncidentResolved)}
    assert desk.open_codes() == {"RESULT_UNCONFIRMED"}
    assert not entries_blocked(desk)
    assert not [one for one in desk.send() if one.side == "SELL"]
    core, again = Core(desk.begun), []
    for ts, event in desk.facts:
        again += [one.data for one in core.step(core.state.seq + 1, ts, event)]
    assert again == desk.bytes


def test_a_part_of_it_may_be_gone() -> None:
    """The broker holds some: the rest is ours, keeps its plan, and its stop follows it."""
    desk, entry = ghost(65)
    (held,) = desk.state.positions
    assert held.quantity_units > 65
    assert desk.resolve(held.position_id, 65) == ACCEPTED
    (left,) = desk.state.positions
    assert (left.quantity_units, left.stop_paise) == (65, held.stop_paise)
    assert (
        left.value_paise
        == held.value_paise - held.value_paise * (held.quantity_units - 65) // held.quantity_units
    )
    assert desk.order("PROTECT").quantity_units == 65
    desk.compare(entry, 65, times=2)
    assert "POSITION_DIFFERS" not in desk.open_codes()
    assert not entries_blocked(desk)


def _seen_once(desk: Kept, entry: Order) -> None:
    desk.compare(entry, 0)


def _never(desk: Kept, entry: Order) -> None:
    return None


def _agrees(desk: Kept, entry: Order) -> None:
    desk.compare(entry, entry.quantity_units, times=2)


def _shows_more(desk: Kept, entry: Order) -> None:
    desk.compare(entry, 65, times=2)


def _old(desk: Kept, entry: Order) -> None:
    desk.compare(entry, 0, times=2)
    desk.now += 80_001 * SECOND


def _moved(desk: Kept, entry: Order) -> None:
    """The stop is hit in part after the books came."""
    desk.compare(entry, 0, times=2)
    desk.update(desk.report(desk.order("PROTECT"), "OPEN", 65))


def _books_again(desk: Kept, entry: Order) -> None:
    """What differed twice does not differ any more."""
    desk.compare(entry, 0, times=2)
    desk.compare(entry, entry.quantity_units)


NOT_TAKEN = (_never, _seen_once, _agrees, _shows_more, _old, _moved, _books_again)


@pytest.mark.parametrize("what", NOT_TAKEN, ids=lambda one: one.__name__)
def test_a_word_that_the_books_do_not_bear_out_is_refused(what: object) -> None:
    """CMD_BOOKS_DISAGREE, and nothing changes: no book, one comparison, equal books, another
    number, old books, something that moved since, a difference that is over."""
    desk, entry = Kept.bought()
    assert isinstance(desk, Kept)
    assert callable(what)
    what(desk, entry)
    (held,) = desk.state.positions
    assert desk.resolve(held.position_id, 0) == BOOKS_DISAGREE
    assert desk.state.positions == (held,)
    assert "RESULT_UNCONFIRMED" not in desk.open_codes()


def test_an_order_that_no_book_shows_ends_by_a_person_s_word() -> None:
    """The broker lost our stop: one book without it is not enough; after two of them a person's
    word ends it, and what is held gets another stop. Meanwhile an incident names the order."""
    desk, entry = Kept.bought()
    assert isinstance(desk, Kept)
    stop = desk.order("PROTECT")
    word = OperatorCommand("RESOLVE", "asha", WHY, stop.authority, LAPSED, "l1", "SOCKET")
    for times, reason in ((1, SUBJECT_UNKNOWN), (2, ACCEPTED)):
        desk.tick(2_100)
        desk.books((), positions=(desk.net(entry, entry.quantity_units),))
        found = [one for one in desk.said(DifferenceFound) if one.reason == "ORDER_NOT_LISTED"]
        assert len(found) == times
        named = [o.subject for o in desk.state.desk.incidents if o.code == "ORDER_NOT_LISTED"]
        assert named == [stop.order_id] * (times - 1)
        assert ("GOV_BOOKS_DIFFER" in readiness(desk.state)[1]) is True
        said = desk.tell(replace(word, command_id=f"l{times}"))
        assert [one.reason for one in said if isinstance(one, CommandAnswered)] == [reason]
    assert desk.reasons()["ORDER_RESOLVED_LAPSED"] == 1
    (placed,) = desk.send()
    assert (placed.action, placed.order_type) == ("PLACE", "SL")
    assert placed.tag != stop.authority
    desk.answer(placed)
    desk.tick(2_100)
    resting = (desk.report(desk.order("PROTECT"), "TRIGGER PENDING"),)
    desk.books(resting, positions=(desk.net(entry, entry.quantity_units),))
    desk.tick()
    assert "ORDER_NOT_LISTED" not in desk.open_codes()


def test_a_position_that_is_not_there_is_not_resolved() -> None:
    """CMD_SUBJECT_UNKNOWN for an id of nothing, and for one that was resolved before."""
    desk, _ = ghost()
    (held,) = desk.state.positions
    assert desk.resolve("f" * 16, 0) == SUBJECT_UNKNOWN
    assert desk.resolve(held.position_id, 0, "r2") == ACCEPTED
    assert desk.resolve(held.position_id, 0, "r3") == SUBJECT_UNKNOWN
    assert len([one for one in desk.said(FillApplied) if one.side == "SELL"]) == 1


def test_the_sale_that_is_told_of_later_counts_once() -> None:
    """The hand's sale comes into the books after all: nothing is sold again, no entry is made, and
    two comparisons later nothing is left of it."""
    desk, entry = ghost()
    (held,) = desk.state.positions
    desk.resolve(held.position_id, 0)
    late = desk.report(
        entry, "COMPLETE", held.quantity_units, broker_order_id="261120444444444", tags=(),
        side="SELL", order_type="MARKET",
    )  # fmt: skip
    desk.update(late)
    assert desk.state.positions == ()
    for _ in range(3):
        desk.tick(2_100)
        desk.books((late,), positions=(desk.net(entry, 0),))
    assert desk.state.desk.holdings == ()
    assert not entries_blocked(desk)
    assert "POSITION_SHORT" not in desk.open_codes()
    assert [one for one in desk.send() if one.side == "SELL"] == []


def test_no_entry_is_approved_before_the_next_books() -> None:
    """Canary for what blocks: ticks after the word bring no entry, though the position is gone."""
    desk, _ = ghost()
    (held,) = desk.state.positions
    desk.resolve(held.position_id, 0)
    count = len(desk.said(IntentApproved))
    for _ in range(3):
        desk.tick()
    assert len(desk.said(IntentApproved)) == count
    assert entries_blocked(desk)


@given(st.integers(1, 2_000), st.integers(0, 90_000), st.integers(1, 200))
def test_the_price_brings_no_gain(cost_paise: int, bid_paise: int, units: int) -> None:
    """For any cost, bid and size: never above what the units cost, nor above the bid."""
    desk, entry = _long()
    (held,) = desk.state.positions
    quote = desk.state.quotes[entry.contract]
    assert quote is not None
    quotes = list(desk.state.quotes)
    quotes[entry.contract] = replace(quote, bid_paise=bid_paise)
    state = replace(desk.state, quotes=tuple(quotes))
    value = cost_paise * units + units // 2
    price = unconfirmed_paise(state, replace(held, quantity_units=units, value_paise=value))
    assert 0 <= price <= max(bid_paise, 0)
    assert price * units <= value


def _long() -> tuple[Told, Order]:
    if not _LONG:
        _LONG.append(Told.bought())
    return _LONG[0]


_LONG: list[tuple[Told, Order]] = []

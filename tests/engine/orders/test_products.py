"""The product is part of what a position is: in its exits, in what others sell, after a night.

Positions are keyed (exchange, tradingsymbol, product); a sale in another product is a naked short.
"""

from __future__ import annotations

import itertools

from msgspec.structs import replace

from engine.carry import carry_over
from engine.core import Core
from engine.opening import opening_facts, session_opened
from engine.orders.legs import own_product
from events.broker import AuthStatus, BrokerPosition, OrderSendStarted
from events.feed import FeedStatus
from events.session import CarriedOver, OperatorCommand
from tests.engine.fabricated import SmallMarket, frame_of, small_rows
from tests.engine.orders.told import MANY, Settings, Told
from tests.engine.orders.world import MS, _config

IN_NRML: Settings = (*MANY, ("orders", "product", "NRML"))


def _held_in_nrml() -> Told:
    """A desk that bought in NRML, its stop resting."""
    desk = Told(IN_NRML)
    desk.tick()
    (entry_message,) = desk.send()
    desk.answer(entry_message)
    entry = desk.order("ENTRY")
    desk.update(desk.report(entry, "COMPLETE", entry.quantity_units, product="NRML"))
    for message in desk.send():
        desk.answer(message)
    desk.update(desk.report(desk.order("PROTECT"), "TRIGGER PENDING", product="NRML"))
    return desk


def _next_day(desk: Told, settings: Settings = MANY) -> Told:
    """The session after it, with other settings; no books have come yet."""
    assert desk.state.opened is not None
    carried = carry_over(desk.state, "0" * 64, desk.state.opened.day, orders_unknown=False)
    return _begun_with(carried, settings, desk.now)


def _begun_with(carried: CarriedOver, settings: Settings, now_ns: int) -> Told:
    market, rows = SmallMarket(cadence_ms=5_000), small_rows()
    opened = replace(
        session_opened(market, _config(settings), rows, "c" * 64, "SIM"), rate=1, anchor_ns=now_ns
    )
    core = Core()
    desk = Told(settings, state=core.state)
    desk.core, desk.now = core, now_ns
    for event in opening_facts(opened, replace(carried, unknown_orders=()), market, rows):
        desk.tell(event)
    desk.tell(AuthStatus("OK", "demo", None, None))
    desk.tell(FeedStatus(0, "CONNECTED", True, len(rows)))
    for frame in itertools.islice(market.frames(), 3):
        desk.tell(frame_of(frame.data))
    return desk


def _sales(desk: Told) -> list[OrderSendStarted]:
    return [one for one in desk.started if one.side == "SELL" and one.action == "PLACE"]


def _sell_out(desk: Told) -> None:
    desk.tell(OperatorCommand("FLATTEN", "asha", "a test", None, None, "c1", "SOCKET"))


def test_an_exit_carries_the_product_of_its_position_over_a_night_and_another_setting() -> None:
    """Bought in NRML, sold in NRML, in a session that is set to MIS."""
    desk = _next_day(_held_in_nrml())
    (position,) = desk.state.positions
    assert (position.product, own_product(desk.state, position)) == ("NRML", "NRML")
    _sell_out(desk)
    for _ in range(14):
        desk.tick()
        desk.send()
    assert {one.product for one in _sales(desk)} == {"NRML"}


def test_what_an_older_session_did_not_say_is_the_configured_product() -> None:
    """A carried position of the shape before has no product: the setting decides, as it did."""
    before = _held_in_nrml()
    assert before.state.opened is not None
    carried = carry_over(before.state, "0" * 64, before.state.opened.day, orders_unknown=False)
    rows = tuple(replace(one, product="") for one in carried.positions)
    desk = _begun_with(replace(carried, positions=rows), MANY, before.now)
    assert own_product(desk.state, desk.state.positions[0]) == "MIS"


def test_nothing_is_sold_before_the_first_books_and_not_held_back_for_ever() -> None:
    """Reconcile, then exits, then entries: a carried position waits for the broker's positions, and
    where none come, so long and no longer: an exit is never blocked."""
    desk = _next_day(_held_in_nrml(), IN_NRML)
    _sell_out(desk)
    for _ in range(5):
        desk.tick()
        assert desk.send() == []
    heard, silent = desk, desk.fork()
    heard.books((), (), (_net(heard),))
    heard.tick()
    assert [one.action for one in heard.send()] == ["PLACE"]
    for _ in range(12):
        silent.tick()
        silent.send()
    assert [one.action for one in silent.started] == ["PLACE"]


def _net(desk: Told) -> BrokerPosition:
    """What the broker shows of the one position."""
    (position,) = desk.state.positions
    return desk.net(desk.order("EXIT"), position.quantity_units, position.product)


def test_a_sale_by_others_in_another_product_is_theirs() -> None:
    """A person sells the contract in NRML while we hold it in MIS: our position and its stop stay,
    and the account is short in NRML, which is told. The canary is the same sale in MIS: that one
    closes our position."""
    for product, held in (("NRML", True), ("MIS", False)):
        desk, entry = Told.bought()
        units = entry.quantity_units
        desk.books((), (), (desk.net(entry, units),))
        sale = desk.report(entry, "COMPLETE", units, product=product)
        desk.update(replace(sale, broker_order_id="999", tags=(), side="SELL"))
        desk.tick()
        assert [one.quantity_units for one in desk.state.positions] == ([units] if held else [])
        short = [one.subject for one in desk.state.desk.incidents if one.code == "POSITION_SHORT"]
        assert [one.endswith(":NRML") for one in short] == ([True] if held else [])


def test_a_freeze_below_the_known_one_halves_the_exit_until_it_is_taken() -> None:
    """Refused as above the freeze quantity: the next is half as large, in whole lots, to one."""
    desk, entry = Told.bought()
    units, lot = entry.quantity_units, 65
    assert units > 4 * lot
    sizes = _refused_sizes(desk, "FREEZE", 5)
    assert sizes[0] == units
    for larger, smaller in itertools.pairwise(sizes):
        assert smaller == max(larger // 2 // lot * lot, lot)
    assert _refused_sizes(Told.bought()[0], "CIRCUIT", 3) == [units] * 3


def _refused_sizes(desk: Told, fault: str, times: int) -> list[int]:
    """Sizes of so many exits, each refused."""
    stop = desk.order("PROTECT")
    _sell_out(desk)
    sizes: list[int] = []
    for _ in range(40):
        desk.tick()
        for message in desk.send():
            if message.action == "CANCEL":
                desk.answer(message)
                desk.update(desk.report(stop, "CANCELLED"))
            else:
                sizes.append(message.quantity_units)
                desk.answer(message, "REFUSED", fault=fault)
        if len(sizes) >= times:
            break
    return sizes[:times]


def test_a_refused_product_is_read_from_the_books() -> None:
    """Somebody converted the position: its product is refused, the broker's next positions show the
    contract in another alone, and the exit goes out in that one. While they show our own, or none
    newer than the refusal, it stays our own."""
    desk, entry = Told.bought()
    units = entry.quantity_units
    assert _refused_sizes(desk, "PRODUCT", 1) == [units]
    (position,) = desk.state.positions
    assert own_product(desk.state, position) == "MIS"
    desk.now += 10 * MS
    same = desk.fork()
    same.books((), (), (desk.net(entry, units),))
    assert own_product(same.state, position) == "MIS"
    desk.books((), (), (desk.net(entry, units, "NRML"),))
    assert own_product(desk.state, position) == "NRML"
    for _ in range(12):
        desk.tick()
        for message in desk.send():
            desk.answer(message)
    assert _sales(desk)[-1].product == "NRML"

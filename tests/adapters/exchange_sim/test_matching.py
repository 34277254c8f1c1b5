"""Price-time matching: nothing shown is taken twice, the market queues first, shares are lots."""

from __future__ import annotations

from adapters.exchange_sim.spec import Behaviour
from tests.adapters.exchange_sim.bench_market import CALL, FUTURE, Bench


def filled(bench: Bench, order_id: str) -> int:
    """The filled quantity of an order."""
    return int(bench.order(order_id)["filled_quantity"])


def test_a_buy_walks_up_the_levels_to_its_limit() -> None:
    """Three levels, the third beyond the limit: each at its own price, the rest waits."""
    bench = Bench()
    bench.book(CALL, 10_000, [], [(65, 10_010), (130, 10_020), (650, 10_030)])
    order_id = bench.place(quantity=325, price=100.2)
    prices = [(t["average_price"], t["quantity"]) for t in bench.exchange.trades(bench.now)]
    assert prices == [(100.1, 65), (100.2, 130)]
    order = bench.order(order_id)
    assert (order["status"], order["pending_quantity"]) == ("OPEN", 130)
    assert order["average_price"] == round((65 * 100.1 + 130 * 100.2) / 195, 4)


def test_what_is_shown_is_not_taken_twice_before_it_is_shown_anew() -> None:
    """Two orders on one packet share its level; the next packet gives again."""
    bench = Bench()
    bench.book(CALL, 10_000, [], [(130, 10_010)])
    first = bench.place(quantity=65, price=100.1)
    second = bench.place(quantity=130, price=100.1)
    assert (filled(bench, first), filled(bench, second)) == (65, 65)
    bench.index(2_262_100)
    assert filled(bench, second) == 65
    bench.book(CALL, 10_000, [], [(65, 10_010)])
    assert bench.order(second)["status"] == "COMPLETE"


def test_orders_of_ours_meet_the_book_by_price_then_time() -> None:
    """The better price first, then the earlier one."""
    bench = Bench()
    bench.book(CALL, 10_000, [], [(650, 10_500)])
    early, late, better = (bench.place(price=price) for price in (101, 101, 102))
    bench.book(CALL, 10_000, [], [(130, 10_100)])
    assert [filled(bench, one) for one in (early, late, better)] == [65, 0, 65]


def test_a_change_of_price_loses_the_place_and_less_quantity_keeps_it() -> None:
    """There and back again is behind whoever waited."""
    bench = Bench()
    bench.book(CALL, 10_000, [], [(650, 10_500)])
    moved, steady = bench.place(price=101, quantity=130), bench.place(price=101)
    for price in ("100", "101"):
        bench.exchange.modify(bench.now, "regular", moved, {"price": price})
        bench.wait(100)
    bench.book(CALL, 10_000, [], [(65, 10_100)])
    assert (filled(bench, moved), filled(bench, steady)) == (0, 65)
    third = bench.place(price=101)
    bench.exchange.modify(bench.now, "regular", moved, {"quantity": "65"})
    bench.wait(100)
    bench.book(CALL, 10_000, [], [(65, 10_100)])
    assert (filled(bench, moved), filled(bench, third)) == (65, 0)


def test_more_quantity_loses_the_place() -> None:
    """One lot more is behind whoever waited at that price."""
    bench = Bench()
    bench.book(CALL, 10_000, [], [(650, 10_500)])
    grown, steady = bench.place(price=101), bench.place(price=101)
    bench.exchange.modify(bench.now, "regular", grown, {"quantity": "130"})
    bench.wait(100)
    bench.book(CALL, 10_000, [], [(65, 10_100)])
    assert (filled(bench, grown), filled(bench, steady)) == (0, 65)


def test_a_resting_order_waits_behind_what_the_market_showed() -> None:
    """130 stand before it: 130 trade at its price without it, then it has the rest."""
    bench = Bench()
    bench.book(CALL, 10_000, [(130, 9_990)], [(650, 10_010)])
    order_id = bench.place(price=99.9, quantity=130)
    bench.book(CALL, 9_990, [(130, 9_990)], [(650, 10_010)], traded=65)
    assert filled(bench, order_id) == 0
    bench.book(CALL, 9_990, [(130, 9_990)], [(650, 10_010)], traded=130)
    assert filled(bench, order_id) == 65
    bench.book(CALL, 9_990, [(130, 9_990)], [(650, 10_010)], traded=650)
    assert bench.order(order_id)["status"] == "COMPLETE"
    assert {t["average_price"] for t in bench.exchange.trades(bench.now)} == {99.9}


def test_what_left_the_queue_no_longer_stands_before_it() -> None:
    """The level shrank: orders before it were cancelled."""
    bench = Bench()
    bench.book(CALL, 10_000, [(650, 9_990)], [(650, 10_010)])
    order_id = bench.place(price=99.9)
    bench.book(CALL, 10_000, [(65, 9_990)], [(650, 10_010)])
    bench.book(CALL, 9_990, [(650, 9_990)], [(650, 10_010)], traded=130)
    assert filled(bench, order_id) == 65


def test_a_better_price_than_the_print_trades_before_it() -> None:
    """A trade below our bid must have met our bid first, at our price."""
    bench = Bench()
    bench.book(CALL, 10_000, [(650, 9_900)], [(650, 10_010)])
    order_id = bench.place(price=99.5, quantity=130)
    bench.book(CALL, 9_900, [(650, 9_900)], [(650, 10_010)], traded=65)
    assert filled(bench, order_id) == 65
    assert bench.order(order_id)["average_price"] == 99.5


def test_printed_trades_are_shared_out_once() -> None:
    """Two orders of ours at a better price do not get the same 65 units."""
    bench = Bench()
    bench.book(CALL, 10_000, [(650, 9_900)], [(650, 10_010)])
    first, second = bench.place(price=99.5), bench.place(price=99.5)
    bench.book(CALL, 9_900, [(650, 9_900)], [(650, 10_010)], traded=65)
    assert (filled(bench, first), filled(bench, second)) == (65, 0)


def test_behind_the_levels_that_are_shown_nobody_knows_the_queue() -> None:
    """A print at a price out of sight gives nothing until the level comes into sight."""
    bench = Bench()
    five = [(65, 9_990 - 10 * n) for n in range(5)]
    bench.book(CALL, 10_000, five, [(650, 10_010)])
    order_id = bench.place(price=99)
    bench.book(CALL, 9_900, five, [(650, 10_010)], traded=6_500)
    assert filled(bench, order_id) == 0
    bench.book(CALL, 9_900, [(65, 9_900)], [(650, 10_010)])
    bench.book(CALL, 9_900, [(65, 9_900)], [(650, 10_010)], traded=130)
    assert filled(bench, order_id) == 65


def test_our_own_orders_never_meet() -> None:
    """A sell through a buy of ours: both rest."""
    bench = Bench()
    bench.book(CALL, 10_000, [], [(65, 10_010)])
    bench.place(price=101)
    bench.book(CALL, 10_000, [], [])
    buy = bench.place(price=100)
    sell = bench.place(price=99, transaction_type="SELL")
    assert [bench.order(one)["status"] for one in (buy, sell)] == ["OPEN", "OPEN"]


def test_a_share_of_the_depth_is_rounded_down_to_lots() -> None:
    """Half of three lots is one lot; half of one is none."""
    bench = Bench(Behaviour(depth_share_bps=5_000))
    bench.book(CALL, 10_000, [], [(65, 10_000), (195, 10_010)])
    order_id = bench.place(price=101, quantity=195)
    assert filled(bench, order_id) == 65
    assert bench.order(order_id)["average_price"] == 100.1


def test_a_locked_book_gives_nothing() -> None:
    """No offers at all, as in an upper circuit: the buy rests."""
    bench = Bench()
    bench.book(CALL, 10_000, [(650, 10_000)], [])
    order_id = bench.place(price=110)
    assert bench.order(order_id)["status"] == "OPEN"


def test_nothing_is_matched_before_the_open() -> None:
    """Packets before 09:15 fill nothing and wake nothing; the first after it does."""
    bench = Bench(at="09:14:58")
    bench.book(CALL, 10_000, [], [(650, 10_000)])
    bench.wait(2_000)
    order_id = bench.place(price=90)
    bench.book(CALL, 9_000, [], [(650, 9_000)])
    assert bench.order(order_id)["status"] == "COMPLETE"


def test_a_future_is_matched_like_any_other() -> None:
    """In its own price range, blocking margin instead of premium."""
    bench = Bench()
    order_id = bench.place(tradingsymbol=FUTURE.tradingsymbol, price=22_652)
    assert bench.order(order_id)["average_price"] == 22_651
    funds = bench.exchange.margins(bench.now, "equity")["utilised"]
    assert (funds["span"], funds["exposure"]) == (147_030, 29_406)

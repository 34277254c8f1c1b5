"""Order updates: payload and checksum; told twice, out of order, not at all."""

from __future__ import annotations

import hashlib
from typing import Any

from adapters.exchange_sim.spec import AccountSpec, Behaviour
from adapters.exchange_sim.updates import update_checksum
from tests.adapters.exchange_sim.bench_market import CALL, Bench


def test_the_checksum_is_the_published_one() -> None:
    """The test vector of the broker's documents."""
    assert update_checksum("220303000308932", "2022-03-03 09:24:25", "my_api_secret") == (
        "60f6735188cce077a723b8d53432ffcb985cdc0437474e3b55dd5991aacd936c"
    )


def test_the_payload_is_the_order_without_modified_and_with_its_checksum() -> None:
    """And it says who, which app, and how much is unfilled."""
    bench = Bench(account=AccountSpec("AB1234", "key", "secret", "token", app_id=77))
    order_id = bench.place(price=101)
    (event,) = bench.heard
    order = bench.order(order_id)
    extra = {"user_id", "unfilled_quantity", "app_id", "checksum"}
    assert set(event) - set(order) == extra
    assert set(order) - set(event) == {"modified"}
    assert (event["user_id"], event["app_id"], event["unfilled_quantity"]) == ("AB1234", 77, 0)
    text = event["order_id"] + event["order_timestamp"] + "secret"
    assert event["checksum"] == hashlib.sha256(text.encode()).hexdigest()


def test_partial_fills_and_modifications_are_told_as_update() -> None:
    """UPDATE is only in messages: the book says OPEN."""
    bench = Bench()
    bench.book(CALL, 10_000, [], [(65, 10_010)])
    order_id = bench.place(price=100.1, quantity=130)
    bench.exchange.modify(bench.now, "regular", order_id, {"price": "100.05"})
    bench.wait(100)
    told = [(event["status"], event["filled_quantity"]) for event in bench.heard]
    assert told == [("UPDATE", 65), ("UPDATE", 65)]
    assert [event["price"] for event in bench.heard] == [100.1, 100.05]
    assert bench.order(order_id)["status"] == "OPEN"


def test_placement_is_told_only_where_that_is_asked_for() -> None:
    """Nothing by default; OPEN and TRIGGER PENDING for newer clients."""
    quiet = Bench()
    quiet.place(price=90)
    assert quiet.heard == []
    loud = Bench(Behaviour(open_updates=True))
    loud.place(price=90)
    loud.place(transaction_type="SELL", order_type="SL", price=80, trigger_price=85)
    assert [event["status"] for event in loud.heard] == ["OPEN", "TRIGGER PENDING"]


def test_an_update_is_due_after_its_lag_and_the_exchange_says_when() -> None:
    """Not a nanosecond earlier; ``next_due_ns`` names the steps and the updates."""
    bench = Bench(Behaviour(open_lag_ms=20, update_lag_ms=5))
    bench.exchange.place(bench.now, "regular", bench.form(price=101), "")
    start = bench.now
    assert bench.exchange.next_due_ns() == start + 20_000_000
    bench.exchange.advance(start + 20_000_000)
    assert bench.exchange.next_due_ns() == start + 25_000_000
    assert bench.exchange.take_updates(start + 25_000_000 - 1) == []
    assert len(bench.exchange.take_updates(start + 25_000_000)) == 1


def fills(bench: Bench) -> list[dict[str, Any]]:
    """Ten orders of two lots, filled lot by lot; all that was told of them."""
    for _ in range(10):
        bench.book(CALL, 10_000, [], [(65, 10_010)])
        bench.place(price=100.1, quantity=130)
        bench.book(CALL, 10_000, [], [(65, 10_010)])
    bench.wait(10_000)
    return bench.heard


def test_duplicates_reorderings_and_losses_follow_their_switches() -> None:
    """All, none, and the same events in another order; every switch is read at the moment."""
    plain = fills(Bench())
    assert [event["filled_quantity"] for event in plain] == [65, 130] * 10
    twice = Bench()
    twice.exchange.faults.duplicate_updates = 1_000
    doubled = fills(twice)
    assert len(doubled) == 40
    lost = Bench()
    lost.exchange.faults.drop_updates = 1_000
    assert fills(lost) == []
    mixed = Bench()
    mixed.exchange.faults.reorder_updates = 500
    shuffled = [event["filled_quantity"] for event in fills(mixed)]
    assert sorted(shuffled) == sorted([65, 130] * 10)
    assert shuffled != [65, 130] * 10


def test_faults_are_drawn_from_the_seed() -> None:
    """The same seed gives the same post, another seed another."""

    def post(seed: int) -> list[str]:
        bench = Bench(Behaviour(seed=seed))
        bench.exchange.faults.drop_updates = 300
        bench.exchange.faults.duplicate_updates = 300
        return [f"{e['order_timestamp']} {e['filled_quantity']}" for e in fills(bench)]

    assert post(1) == post(1)
    assert post(1) != post(2)


def test_a_taken_update_is_the_readers_own() -> None:
    """Changing it changes no duplicate that is still on its way."""
    bench = Bench()
    bench.exchange.faults.duplicate_updates = 1_000
    bench.exchange.place(bench.now, "regular", bench.form(price=101), "")
    bench.wait(25)
    bench.heard[0]["status"] = "changed"
    bench.wait(100)
    assert bench.heard[1]["status"] == "COMPLETE"

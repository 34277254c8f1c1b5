"""The calculators: margins of orders alone and together, and the charges of trades."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.exchange_sim.errors import KiteError
from tests.adapters.exchange_sim.bench_market import CALL, FAR_CALL, FUTURE, PUT, Bench

CHARGES = {
    *("transaction_tax", "transaction_tax_type", "exchange_turnover_charge"),
    *("sebi_turnover_charge", "brokerage", "stamp_duty", "gst", "total"),
}


def item(**fields: Any) -> dict[str, Any]:
    """An order of the calculators: a buy of one lot of the call at 100."""
    return {
        "exchange": "NFO",
        "tradingsymbol": CALL.tradingsymbol,
        "transaction_type": "BUY",
        "variety": "regular",
        "product": "NRML",
        "order_type": "LIMIT",
        "quantity": 65,
        "price": 100,
        "trigger_price": 0,
        **fields,
    }


def test_a_buyer_pays_the_premium_and_nothing_else() -> None:
    """No SPAN, no exposure: option_premium is the total."""
    bench = Bench()
    (margin,) = bench.exchange.order_margins(bench.now, [item()])
    assert (margin["option_premium"], margin["total"], margin["span"]) == (6_500, 6_500, 0)
    assert (margin["type"], margin["leverage"], set(margin["charges"])) == ("equity", 1, CHARGES)


def test_a_seller_needs_span_and_exposure_beyond_what_is_held() -> None:
    """A short lot blocks 10 % and 2 % of the index's value; the lot that is held needs nothing."""
    bench = Bench()
    sell = item(transaction_type="SELL")
    (naked,) = bench.exchange.order_margins(bench.now, [sell])
    assert (naked["span"], naked["exposure"]) == (147_030.0, 29_406.0)
    bench.place(price=101)
    (covered,) = bench.exchange.order_margins(bench.now, [sell])
    assert covered["total"] == 0


def test_a_short_blocks_more_on_the_day_of_its_expiry() -> None:
    """2 % more exposure; and by the strike where no index is seen."""
    bench = Bench(day=20261123, opened=False)
    (margin,) = bench.exchange.order_margins(bench.now, [item(transaction_type="SELL")])
    assert (margin["span"], margin["exposure"]) == (65 * 2_260.0, 65 * 904.0)


def test_a_short_future_blocks_as_a_long_one() -> None:
    """By the greater of what it could become."""
    bench = Bench()
    fields = {"tradingsymbol": FUTURE.tradingsymbol, "price": 22_650}
    buy, sell = bench.exchange.order_margins(
        bench.now, [item(**fields), item(transaction_type="SELL", **fields)]
    )
    assert buy["total"] == sell["total"] == 147_030 + 29_406


def test_a_basket_blocks_no_more_than_its_orders_one_by_one() -> None:
    """A buy and a sell of one contract: initial has both, final has the sell's cover."""
    bench = Bench()
    items = [item(transaction_type="SELL"), item(tradingsymbol=PUT.tradingsymbol)]
    basket = bench.exchange.basket_margins(bench.now, items, consider_positions=True)
    assert set(basket) == {"initial", "final", "orders", "charges"}
    assert basket["initial"]["total"] == basket["final"]["total"] == 147_030 + 29_406 + 6_500
    bench.place(price=101)
    covered = bench.exchange.basket_margins(bench.now, items, consider_positions=True)
    assert covered["final"]["total"] == 6_500
    bare = bench.exchange.basket_margins(bench.now, items, consider_positions=False)
    assert bare["final"]["total"] == 147_030 + 29_406 + 6_500


def test_what_a_long_covers_asks_for_what_the_pair_can_lose() -> None:
    """A call sold beyond a call that is held: the exposure alone, as a basket of both says before;
    sold below it, their distance besides; a put covers no call."""
    far = item(tradingsymbol=FAR_CALL.tradingsymbol, transaction_type="SELL")
    bench = Bench()
    pair = bench.exchange.basket_margins(bench.now, [item(), far], consider_positions=True)
    assert pair["final"]["total"] == 6_500 + 29_406
    assert pair["initial"]["total"] == 6_500 + 147_030 + 29_406
    bench.place(price=101)
    (sold,) = bench.exchange.order_margins(bench.now, [far])
    assert (sold["span"], sold["exposure"]) == (0, 29_406.0)
    below = Bench()
    below.place(tradingsymbol=FAR_CALL.tradingsymbol, price=101)
    (near,) = below.exchange.order_margins(below.now, [item(transaction_type="SELL")])
    assert (near["span"], near["exposure"]) == (65 * 100.0, 29_406.0)
    other = Bench()
    other.place(tradingsymbol=PUT.tradingsymbol, price=101)
    (naked,) = other.exchange.order_margins(other.now, [far])
    assert naked["span"] == 147_030.0


def test_working_orders_count_beside_a_basket() -> None:
    """The lot that is held covers the sale that works, so another sale is naked."""
    bench = Bench()
    bench.place(price=101)
    bench.place(transaction_type="SELL", price=120)
    basket = bench.exchange.basket_margins(
        bench.now, [item(transaction_type="SELL")], consider_positions=True
    )
    assert basket["final"]["total"] == 147_030 + 29_406


WORKED = [("BUY", 100, 26.53), ("SELL", 110, 37.33)]
"""Worked by hand from the rates of 2026-27: 20 + fees + GST, and stamp duty or STT."""


@pytest.mark.parametrize(("side", "price", "total"), WORKED)
def test_charges_are_those_worked_by_hand(side: str, price: int, total: float) -> None:
    """One lot bought at 100 costs 26.53, sold at 110 37.33, and the account pays the same."""
    bench = Bench()
    order = item(transaction_type=side, average_price=price, order_id="1")
    (note,) = bench.exchange.charges(bench.now, [order])
    assert note["charges"]["total"] == pytest.approx(total, abs=0.02)
    parts = [v for k, v in note["charges"].items() if k not in ("total", "gst")]
    numbers = [part for part in parts if isinstance(part, int | float)]
    whole = sum(numbers) + note["charges"]["gst"]["total"]
    assert whole == pytest.approx(note["charges"]["total"])


def test_charges_need_a_price() -> None:
    """Without average_price there is nothing to charge."""
    bench = Bench()
    with pytest.raises(KiteError, match="average_price"):
        bench.exchange.charges(bench.now, [item()])

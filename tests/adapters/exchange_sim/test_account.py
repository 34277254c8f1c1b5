"""Positions by the broker's formulas, conversion, funds, and the ledger that is the truth."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.exchange_sim.account import Position
from adapters.exchange_sim.errors import KiteError
from adapters.exchange_sim.listing import Listed
from adapters.exchange_sim.spec import AccountSpec
from tests.adapters.exchange_sim.bench_market import CALL, FUTURE, PUT, Bench


def position(bench: Bench, product: str = "NRML") -> dict[str, Any]:
    """The net position of the call."""
    rows = bench.exchange.positions(bench.now)["net"]
    return next(
        row
        for row in rows
        if (row["tradingsymbol"], row["product"]) == (CALL.tradingsymbol, product)
    )


def test_a_position_follows_the_documented_formulas() -> None:
    """value = sells - buys; pnl = value + quantity x last; unrealised is pnl, realised 0."""
    bench = Bench()
    bench.place(price=101, quantity=130)
    bench.book(CALL, 10_500, [(650, 10_500)], [(650, 10_510)])
    bench.place(price=105, transaction_type="SELL")
    row = position(bench)
    assert (row["buy_quantity"], row["buy_value"], row["sell_value"]) == (130, 13_013.0, 6_825.0)
    assert (row["quantity"], row["average_price"]) == (65, 100.1)
    assert row["value"] == row["sell_value"] - row["buy_value"]
    assert row["pnl"] == row["value"] + row["quantity"] * row["last_price"] * row["multiplier"]
    assert (row["unrealised"], row["realised"], row["m2m"]) == (row["pnl"], 0, row["pnl"])
    assert (row["day_buy_quantity"], row["day_sell_price"]) == (130, 105)
    assert bench.exchange.positions(bench.now)["day"] == [row]


def test_a_flat_position_has_no_average_price() -> None:
    """It stays in the list, with quantity 0."""
    bench = Bench()
    bench.place(price=101)
    bench.place(price=99, transaction_type="SELL")
    row = position(bench)
    assert (row["quantity"], row["average_price"]) == (0, 0)
    assert row["pnl"] == row["value"]
    assert bench.exchange.ledger() == (("NFO", CALL.tradingsymbol, "NRML", 0),)


def test_a_sale_through_zero_is_a_short_at_its_own_price() -> None:
    """Long 65, sell 130: short 65, bought for nothing of the old price."""
    one = Position(Listed(CALL, None, None), "NRML")
    one.take("BUY", 65, 10_000)
    one.take("SELL", 130, 11_000)
    assert (one.units, one.cost_paise) == (-65, -65 * 11_000)
    assert one.realised() == 65 * 1_000
    one.take("BUY", 65, 12_000)
    assert (one.units, one.cost_paise, one.realised()) == (0, 0, 0)


def convert(**fields: Any) -> dict[str, str]:
    """A conversion of one lot of the call from NRML to MIS."""
    form = {
        "exchange": "NFO",
        "tradingsymbol": CALL.tradingsymbol,
        "transaction_type": "BUY",
        "position_type": "day",
        "quantity": 65,
        "old_product": "NRML",
        "new_product": "MIS",
        **fields,
    }
    return {name: str(value) for name, value in form.items()}


def test_a_conversion_moves_units_at_their_average_price() -> None:
    """130 NRML become 65 and 65; neither money nor profit changes."""
    bench = Bench()
    bench.place(price=101, quantity=130)
    before = bench.exchange.margins(bench.now, "equity")
    assert bench.exchange.convert_position(bench.now, convert()) is True
    assert (bench.net(CALL), bench.net(CALL, "MIS")) == (65, 65)
    moved = position(bench, "MIS")
    assert (moved["average_price"], moved["buy_value"]) == (100.1, 6_506.5)
    assert bench.exchange.margins(bench.now, "equity") == before


def test_a_short_is_converted_at_its_own_price() -> None:
    """What was sold moves: both products are short at the price of the sale."""
    bench = Bench()
    bench.place(price=99, transaction_type="SELL", quantity=130)
    assert bench.exchange.convert_position(bench.now, convert(transaction_type="SELL")) is True
    for product in ("NRML", "MIS"):
        row = position(bench, product)
        assert (row["quantity"], row["average_price"], row["sell_value"]) == (-65, 99.9, 6_493.5)


CONVERSIONS = [
    (convert(quantity=130), "Insufficient quantity in the position: 65."),
    (convert(transaction_type="SELL"), "Insufficient quantity in the position: 0."),
    (convert(quantity=0), "Invalid `quantity`."),
    (convert(quantity=1), "Quantity should be in multiples of lot size."),
    (convert(old_product="MIS", new_product="NRML"), "Insufficient quantity in the position: 0."),
    (convert(new_product="NRML"), "Invalid `new_product`."),
    (convert(old_product="CNC"), "Invalid `old_product`."),
    (convert(position_type="week"), "Invalid `position_type`."),
    (convert(tradingsymbol="X"), "The instrument you are placing an order for has either"),
]


@pytest.mark.parametrize(("form", "message"), CONVERSIONS)
def test_a_wrong_conversion_is_refused(form: dict[str, str], message: str) -> None:
    """And the position stands as it was."""
    bench = Bench()
    bench.place(price=101)
    with pytest.raises(KiteError) as refused:
        bench.exchange.convert_position(bench.now, form)
    assert refused.value.message.startswith(message)
    assert bench.exchange.ledger() == (("NFO", CALL.tradingsymbol, "NRML", 65),)


def test_an_exit_in_another_product_opens_a_position() -> None:
    """An exit with the wrong product is a naked short beside the long."""
    bench = Bench()
    bench.place(price=101)
    bench.place(price=99, product="MIS", transaction_type="SELL")
    assert (bench.net(CALL), bench.net(CALL, "MIS")) == (65, -65)


def test_money_follows_trades_charges_and_working_orders() -> None:
    """Opening - premium - charges - what a working buy blocks; a sale brings it back."""
    bench = Bench(account=AccountSpec(cash_paise=10_000_000))
    funds = bench.exchange.margins(bench.now)
    assert set(funds) == {"equity", "commodity"}
    assert (funds["equity"]["net"], funds["commodity"]["enabled"]) == (100_000, False)
    bench.place(price=101)
    equity = bench.exchange.margins(bench.now, "equity")
    assert equity["net"] == pytest.approx(100_000 - 6_506.5 - 26.53, abs=0.02)
    assert equity["net"] == equity["available"]["live_balance"]
    assert equity["available"]["cash"] == 100_000
    waiting = bench.place(price=90, tradingsymbol=PUT.tradingsymbol)
    blocked = bench.exchange.margins(bench.now, "equity")
    assert blocked["net"] == pytest.approx(equity["net"] - 5_850)
    assert blocked["utilised"]["option_premium"] == 6_506.5 + 5_850
    bench.exchange.cancel(bench.now, "regular", waiting)
    bench.wait(100)
    assert bench.exchange.margins(bench.now, "equity")["net"] == equity["net"]
    with pytest.raises(KiteError, match="Invalid `segment`"):
        bench.exchange.margins(bench.now, "bonds")


def test_who_is_in_debt_may_still_get_out() -> None:
    """Charges have eaten more than was left: nothing new, but what is held can be sold."""
    bench = Bench(account=AccountSpec(cash_paise=651_000))
    bench.place(price=100.15)
    assert bench.exchange.margins(bench.now, "equity")["net"] < 0
    with pytest.raises(KiteError, match="Insufficient funds"):
        bench.place(price=0.05)
    assert bench.order(bench.place(transaction_type="SELL", price=99))["status"] == "COMPLETE"


def test_a_future_costs_brokerage_and_its_tax() -> None:
    """The rulebook has no rows of its other charges: 20 rupees and 18 %."""
    bench = Bench()
    bench.place(tradingsymbol=FUTURE.tradingsymbol, price=22_652)
    assert bench.exchange.cash_paise == 500_000_000 - 2_360


def test_there_are_no_holdings() -> None:
    """No cash segment here."""
    bench = Bench()
    assert bench.exchange.holdings(bench.now) == []

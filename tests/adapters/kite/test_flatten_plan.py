"""E10: what the emergency believes of the broker's books, and how it sizes and prices."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from adapters.kite.flatten_plan import (
    Held,
    Terms,
    disagreeing,
    doubts,
    excess,
    held,
    limit_paise,
    slices,
    terms_of,
)
from adapters.kite.reports import position_of, report_of
from events.broker import BrokerFunds, BrokerSnapshot, ObservedQuote
from tests.adapters.kite import objects

SYMBOL = ("NFO", "NIFTY26O1322550CE")
FUNDS = BrokerFunds(1_000, 1_000, 0)
HEADER = (
    "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,"
    "lot_size,instrument_type,segment,exchange\n"
)


def order(id_: str = "1", **changed: Any) -> Any:
    """A report of the broker."""
    return report_of(objects.order(order_id=id_, **changed))


def position(units: int, product: str = "NRML", **changed: Any) -> Any:
    """A row of the net positions of the same contract."""
    row = objects.position(
        exchange=SYMBOL[0], tradingsymbol=SYMBOL[1], product=product, quantity=units, **changed
    )
    return position_of(row)


def books(**changed: Any) -> BrokerSnapshot:
    """Books of which each was received."""
    fields: dict[str, Any] = {
        "trigger": "FLATTEN", "asked_ts": 1, "orders": (), "trades": (), "positions": (),
        "funds": FUNDS, "failed": (),
    }  # fmt: skip
    return BrokerSnapshot(**{**fields, **changed})


def test_e10_which_books_are_not_believed() -> None:
    """E10, B10: one that was not received, lost an order, took back a fill, or is empty where the
    money says otherwise; whole ones are believed."""
    one = order(filled_quantity=65)
    assert doubts(books(), {}) == ()
    assert doubts(books(orders=(one,)), {"1": one}) == ()
    assert doubts(books(orders=None, failed=("orders NETWORK",)), {}) == ("orders NETWORK",)
    assert doubts(books(positions=None), {}) == ("not received",)
    assert "lost 1" in doubts(books(), {"1": one})[0]
    assert "took back" in doubts(books(orders=(order(filled_quantity=0),)), {"1": one})[0]
    assert doubts(books(funds=None), {}) and doubts(books(funds=BrokerFunds(1, 1, 5)), {})


def test_e10_positions_that_lag_are_seen() -> None:
    """E10: orders filled more than the positions show: that contract is not closed yet."""
    bought = order(transaction_type="BUY", filled_quantity=65, quantity=65)
    symbol = (bought.exchange, bought.tradingsymbol)
    assert disagreeing(books(orders=(bought,))) == (symbol,)
    row = position_of(
        objects.position(exchange=symbol[0], tradingsymbol=symbol[1], quantity=65, buy_quantity=65)
    )
    assert disagreeing(books(orders=(bought,), positions=(row,))) == ()


def test_e10_shorts_come_first_and_delivered_holdings_are_none() -> None:
    """E10: a short is closed before a long; a sale of holdings is no short."""
    rows = (position(130), position(-65, "MIS"), position(-10, "CNC"), position(0, "CO"))
    assert [(one.units, one.side) for one in held(books(positions=rows))] == [
        (-65, "BUY"), (130, "SELL"),
    ]  # fmt: skip


def test_e10_what_sells_more_than_is_held() -> None:
    """E10: two working sales are one too many for one lot, and each is for none."""
    sale = {
        "exchange": SYMBOL[0], "tradingsymbol": SYMBOL[1], "transaction_type": "SELL",
        "status": "OPEN", "quantity": 65, "filled_quantity": 0, "product": "NRML",
    }  # fmt: skip
    one, two = order("1", **sale), order("2", **sale)
    for units, orders, too_many in ((65, (one,), 0), (65, (one, two), 2), (0, (one,), 1)):
        found = books(orders=orders, positions=(position(units),) if units else ())
        assert len(excess(found)) == too_many


@given(units=st.integers(1, 10**6), lots=st.integers(1, 100), lot=st.integers(1, 200))
def test_e10_slices_add_up(units: int, lots: int, lot: int) -> None:
    """E10: nothing is lost, none is larger than a slice, and only the last is smaller."""
    most = lots * lot
    found = slices(units, Terms(5, most))
    assert sum(found) == units and max(found) <= most
    assert all(one == most for one in found[:-1])
    assert slices(units, Terms(5, None)) == (units,)


@given(
    best=st.integers(1, 10**7), step=st.none() | st.integers(0, 50), tick=st.sampled_from([1, 5])
)
def test_e10_limits_are_past_the_best_price_at_a_tick(
    best: int, step: int | None, tick: int
) -> None:
    """E10: a sale at or below the bid and never below a tick, a purchase at or above the ask; a
    further step is never nearer; without a price there is no limit."""
    quote = ObservedQuote(0, best, 65, best, 65, best, None)
    terms = Terms(tick, None)
    sale, cover = (limit_paise(side, quote, terms, step) for side in ("SELL", "BUY"))
    assert sale is not None and cover is not None
    assert sale % tick == cover % tick == 0
    assert tick <= sale <= max(best, tick) and cover >= best
    further = limit_paise("SELL", quote, terms, 0 if step is None else step + 1)
    assert further is not None and further <= sale
    nobody = ObservedQuote(0, best, 0, 0, 0, 0, None)
    assert limit_paise("SELL", nobody, terms, step) is None


def test_e10_sizes_by_the_list_of_the_broker_else_the_strictest() -> None:
    """E10: whole lots under the freeze; without a list (or with a damaged row) one order, where it
    is small enough for any underlying; else nobody knows, and a person is told."""
    row = "1,1,NIFTY26O1322550CE,NIFTY,0,2026-10-13,22550,0.05,65,CE,NFO-OPT,NFO\n"
    one = Held(*SYMBOL, "NRML", 1_300)

    def freeze(exchange: str, name: str | None) -> int | None:
        return None if exchange == "NSE" else {"NIFTY": 1_800}.get(name or "", 600)

    def found(dump: str | None, units: int = 1_300) -> Terms | None:
        held_ = Held(*SYMBOL, "NRML", units)
        return terms_of([held_], None if dump is None else dump.encode(), freeze)[one.symbol]

    assert found(HEADER + row) == Terms(5, 1_755)
    for without in (None, HEADER, HEADER + row.replace("65,CE", "x,CE"), "rubbish"):
        assert found(without) is None
        assert found(without, 585) == Terms(5, None)
    share = Held("NSE", "INFY", "MIS", 5_000)
    assert terms_of([share], None, freeze)[share.symbol] == Terms(5, None)

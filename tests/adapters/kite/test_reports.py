"""B07, B15: the broker's objects become exact records, or name the field that is damaged."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.kite.reports import (
    PAISE_MAX,
    DamagedData,
    funds_of,
    net_positions_of,
    position_of,
    quote_of,
    report_of,
    rows_of,
    time_of,
    trade_of,
    update_of,
)
from engine.rulebook import ist_ns
from events.base import Record
from events.canonical import check_event
from tests.adapters.kite import objects

KINDS: dict[str, tuple[Callable[..., objects.Data], Callable[[object], Record]]] = {
    "order": (objects.order, report_of),
    "trade": (objects.trade, trade_of),
    "position": (objects.position, position_of),
    "margins": (objects.margins, funds_of),
    "quote": (objects.quote, lambda data: quote_of(3, data)),
}


def test_an_order_in_every_field() -> None:
    """A sound order is read field by field, in paise, units and ns UTC."""
    report = report_of(objects.order())
    assert report.broker_order_id == "1953367517686685697"
    assert report.tags == ("0123456789abcdef",)
    assert (report.quantity_units, report.filled_units) == (130, 65)
    assert (report.limit_paise, report.trigger_paise) == (11015, 0)
    assert report.filled_value_paise == 65 * 11010
    assert report.order_ts == ist_ns(20261008, "09:20:11")
    assert report.exchange_update_ts == ist_ns(20261008, "09:20:12")
    assert (report.side, report.status, report.status_message) == ("BUY", "OPEN", None)


def test_the_other_objects() -> None:
    """Trade, position, funds and quote in paise; what is free is rounded down, what is blocked
    up."""
    assert trade_of(objects.trade()).price_paise == 11010
    assert trade_of({**objects.trade(), "order_timestamp": 5}).fill_ts == ist_ns(
        20261008, "09:20:12"
    )
    row = position_of(objects.position(quantity=-65, buy_value=13017.300000000001))
    assert (row.net_units, row.buy_value_paise, row.last_paise) == (-65, 1301730, 11105)
    funds = funds_of(objects.margins())
    assert (funds.net_paise, funds.cash_paise, funds.utilised_paise) == (
        9972505,
        24543160,
        14570655,
    )
    utilised = {"debits": 10.0001}
    assert funds_of(objects.margins(net=24966.7493, utilised=utilised)).net_paise == 2496674
    assert funds_of(objects.margins(net=-0.001, utilised=utilised)).net_paise == -1
    assert funds_of(objects.margins(utilised=utilised)).utilised_paise == 1001
    quote = quote_of(3, objects.quote())
    assert (quote.ltp_paise, quote.bid_paise, quote.ask_units) == (11010, 11005, 195)


def test_a_trade_by_its_documented_name() -> None:
    """The documentation calls the units ``filled``, the wire ``quantity``; none at all is
    damage."""
    other = objects.trade(filled=65)
    del other["quantity"]
    assert trade_of(other).quantity_units == 65
    del other["filled"]
    with pytest.raises(DamagedData, match=r"trade\.filled"):
        trade_of(other)


def test_an_index_has_no_book() -> None:
    """No depth and five levels of zeros both read as no level."""
    none = {"price": 0, "quantity": 0, "orders": 0}
    without = objects.quote()
    del without["depth"]
    for data in (without, objects.quote(depth={"buy": [none] * 5, "sell": [none] * 5})):
        row = quote_of(0, data)
        assert (row.bid_paise, row.bid_units, row.ask_paise, row.ask_units) == (0, 0, 0, 0)


@settings(max_examples=300)
@given(
    prices=st.lists(st.integers(1, 4_000_000), min_size=1, max_size=5),
    units=st.lists(st.integers(1, 1800), min_size=5, max_size=5),
    decimals=st.sampled_from([2, 4, 6, 17]),
)
def test_the_average_gives_the_value(prices: list[int], units: list[int], decimals: int) -> None:
    """Whatever was filled at whatever prices, the average as a float of any decimals is accepted;
    it gives the value back exactly where the decimals suffice, and else to within them."""
    value = sum(p * n for p, n in zip(prices, units, strict=False))
    filled = sum(units[: len(prices)])
    average = float(Decimal(value) / filled / 100)
    if decimals < 17:
        average = round(average, decimals)
    if average == 0:
        return
    report = report_of(objects.order(average_price=average, filled_quantity=filled, quantity=10**6))
    within = Decimal(100 * filled) * Decimal(1).scaleb(-decimals) / 2 + Decimal("0.5")
    assert abs(report.filled_value_paise - value) <= within
    if len(prices) == 1 or decimals == 17:
        assert report.filled_value_paise == value


def test_an_average_that_cannot_be_is_damage() -> None:
    """Six decimals for 65 units leave no doubt: a product that is no whole number of paise was
    not made by fills. Nothing filled needs no average, something filled does."""
    with pytest.raises(DamagedData, match=r"order\.average_price"):
        report_of(objects.order(average_price=110.100071))
    for average in (0, -1.0, None, float("nan")):
        with pytest.raises(DamagedData, match=r"order\.average_price"):
            report_of(objects.order(average_price=average))
        assert report_of(
            objects.order(average_price=average, filled_quantity=0)
        ).filled_value_paise == (0)


@given(paise=st.integers(0, PAISE_MAX // 1000))
def test_rupees_are_paise_exactly(paise: int) -> None:
    """Every price that is whole paise survives its way through a float and JSON."""
    data = json.loads(json.dumps(objects.order(price=paise / 100)))
    assert report_of(data).limit_paise == paise


def test_part_of_a_paisa() -> None:
    """A price finer than a paisa is damage on an exchange that has none, and is rounded half to
    even in the currency segments, where a person may trade."""
    with pytest.raises(DamagedData, match=r"order\.price"):
        report_of(objects.order(price=110.155))
    assert report_of(objects.order(price=82.7425, exchange="CDS")).limit_paise == 8274


@pytest.mark.parametrize(
    ("order_type", "needed"),
    [("MARKET", ()), ("LIMIT", ("price",)), ("SL", ("price", "trigger_price"))],
)
def test_a_missing_price_is_never_zero(order_type: str, needed: tuple[str, ...]) -> None:
    """A price that the type needs must be there; where it has none, none reads as 0."""
    for field in ("price", "trigger_price"):
        data = objects.order(order_type=order_type)
        del data[field]
        if field in needed:
            with pytest.raises(DamagedData, match=rf"order\.{field}"):
                report_of(data)
        else:
            assert report_of(data).trigger_paise == 0


def test_tags_are_put_together() -> None:
    """B14: our tag stands in ``tag``, in ``tags`` or in both, beside tags that the broker adds."""
    tags = ["mktp", "mktp:2.00", "0123456789abcdef"]
    assert report_of(objects.order(tags=tags)).tags == ("0123456789abcdef", "mktp", "mktp:2.00")
    alone = objects.order(tag=None, tags=tags)
    assert report_of(alone).tags == tuple(tags)
    none = objects.order(tag=None)
    del none["tags"]
    assert report_of(none).tags == ()


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("2026-10-08 09:20:09", 1_791_431_409 * 10**9),
        ("2026-10-08T09:20:09", 1_791_431_409 * 10**9),
        (datetime.datetime(2026, 10, 8, 9, 20, 9), 1_791_431_409 * 10**9),  # noqa: DTZ001
        (
            datetime.datetime(2026, 10, 8, 3, 50, 9, 250_000, tzinfo=datetime.UTC),
            1_791_431_409_250_000_000,
        ),
        ("0001-01-01 00:00:00", None),
        (datetime.datetime(1, 1, 1), None),  # noqa: DTZ001
        ("2026-02-30 09:20:09", None),
        ("2026-10-08 25:00:00", None),
        ("09:20:09", None),
        ("", None),
        (1791431409, None),
        (None, None),
    ],
)
def test_times(text: Any, ns: int | None) -> None:
    """B15: naive times are IST whatever zone this machine is in; what is no time is None."""
    assert time_of(text) == ns


def test_a_socket_message() -> None:
    """An order update has the order's fields and more; what is unknown changes nothing."""
    data = objects.order(status="UPDATE", unfilled_quantity=65, checksum="ab" * 32, app_id=7)
    assert update_of("SOCKET", data).report == report_of(objects.order(status="UPDATE"))


def test_messages_are_cut_and_cleaned() -> None:
    """The broker's sentence is at most 300 characters, without what moves a cursor or cannot be
    encoded; one that is no text is none."""
    assert (
        report_of(objects.order(status_message="RMS: no funds")).status_message == "RMS: no funds"
    )
    long = report_of(objects.order(status_message="a\x1b[2J\ud800" * 400)).status_message
    assert long is not None and len(long) == 300 and long.isprintable()
    check_event(report_of(objects.order(status_message=long)))
    assert report_of(objects.order(status_message=5)).status_message is None


def read_or_damage(read: Callable[[object], Record], data: object) -> Record | DamagedData:
    """What was read, or the one error that may be raised."""
    try:
        return read(data)
    except DamagedData as damage:
        return damage


@pytest.mark.parametrize("kind", KINDS)
def test_each_missing_field_is_named(kind: str) -> None:
    """Without any one of its fields an object is read as before, or the field is named."""
    make, read = KINDS[kind]
    whole = read(make())
    named = set()
    for field in make():
        data = make()
        del data[field]
        record = read_or_damage(read, data)
        if isinstance(record, DamagedData):
            assert record.field.split(".")[1] in (field, "filled"), record.field
            named.add(field)
        else:
            assert record == whole or field in OPTIONAL[kind], field
    assert named == NEEDED[kind]


NEEDED = {
    "order": set(
        "order_id status variety exchange tradingsymbol order_type transaction_type validity"
        " product quantity price average_price filled_quantity".split()
    ),
    "trade": set(
        "trade_id order_id exchange tradingsymbol product average_price quantity"
        " transaction_type".split()
    ),
    "position": set(
        "tradingsymbol exchange product quantity overnight_quantity last_price buy_quantity"
        " buy_value sell_quantity sell_value".split()
    ),
    "margins": {"net", "available", "utilised"},
    "quote": {"last_price"},
}
OPTIONAL = {
    "order": {"exchange_order_id", "tag", "tags", "order_timestamp", "exchange_update_timestamp"},
    "trade": {"fill_timestamp"},
    "position": set(),
    "margins": set(),
    "quote": {"depth", "timestamp"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_named_and_nothing_else_is_raised(kind: str) -> None:
    """E13: whatever stands in any field, the object is read or the damage is named; what was read
    can be journaled."""
    make, read = KINDS[kind]

    @settings(max_examples=200, deadline=None)
    @given(objects.damaged(make()))
    def check(data: Any) -> None:
        record = read_or_damage(read, data)
        if isinstance(record, DamagedData):
            assert record.field.startswith(kind)
        else:
            check_event(record)

    check()


def test_a_book_is_whole_or_damaged() -> None:
    """One damaged row makes its book unreadable: a book without it would be another book."""
    rows = [objects.order(), objects.order(quantity="65")]
    with pytest.raises(DamagedData, match=r"order\.quantity"):
        rows_of(rows, "orders", report_of)
    assert len(rows_of(rows[:1], "orders", report_of)) == 1
    unreadable: list[Any] = [None, {}, "[]", {"net": None, "day": []}]
    for data in unreadable:
        with pytest.raises(DamagedData):
            net_positions_of(data)
    assert net_positions_of({"net": [], "day": [objects.position()]}) == ()


@pytest.mark.parametrize("value", [True, "65", 65.5, float("inf"), 10**400, [], None, -65])
def test_a_quantity_is_a_count(value: Any) -> None:
    """E13: neither a flag, a text, a part of a unit, an infinity nor a negative count is a
    quantity; a float that is whole is."""
    with pytest.raises(DamagedData, match=r"order\.filled_quantity"):
        report_of(objects.order(filled_quantity=value))
    assert report_of(objects.order(filled_quantity=65.0)).filled_units == 65

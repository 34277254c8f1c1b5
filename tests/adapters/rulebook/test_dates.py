"""F13: both sides of each dated change of the package's rows, and of what an overlay changes."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from adapters.rulebook.load import load_rows
from engine.charges import charges
from engine.rulebook import Rulebook, broker_rules, hhmm_of, protected_band, resolve_day
from events.session import RuleRow

BOOK = Rulebook(load_rows())


def _with(*rows: RuleRow) -> Rulebook:
    """The package's rows with further ones, which must not overlap any."""
    return Rulebook((*BOOK.rows, *rows))


def _row(name: str, scope: str, day: int, value: int | str) -> RuleRow:
    """A row of one day, as an exchange's circular gives it."""
    return RuleRow(name, scope, day, day, value, "unit", "a circular", False)


@pytest.mark.parametrize(
    ("day", "close", "auction"),
    [
        (20260730, "15:30", None),
        (20260731, "15:30", None),
        (20260803, "15:40", ("15:15", "15:35")),
        (20260804, "15:40", ("15:15", "15:35")),
    ],
)
@pytest.mark.parametrize("exchange", ["NFO", "BFO"])
def test_the_close_moves_to_1540_on_3_august_2026(
    day: int, close: str, auction: tuple[str, str] | None, exchange: str
) -> None:
    """F13: until 31 July 15:30 and no closing auction, from 3 August 15:40 with one; the time to
    expiry ends with the close on both sides."""
    window = BOOK.session_window(day, "fno", exchange)
    assert window is not None
    assert (hhmm_of(window.open_ns), hhmm_of(window.close_ns)) == ("09:15", close)
    assert window.expiry_close_ns == window.close_ns
    found = (window.auction_from_ns, window.auction_to_ns)
    assert [None if ns is None else hhmm_of(ns) for ns in found] == list(auction or (None, None))
    cash = BOOK.session_window(day, "cash", "NSE")
    assert cash is not None
    assert hhmm_of(cash.close_ns) == ("15:30" if auction is None else "15:15")


@pytest.mark.parametrize(
    ("day", "paise"), [(20240930, 625), (20241001, 1000), (20260331, 1000), (20260401, 1500)]
)
def test_stt_of_a_sale(day: int, paise: int) -> None:
    """0.0625, 0.10 and 0.15 per cent of the premium, from the day each came into force."""
    row = BOOK.require("charge.stt.sell", "NSE", day)
    assert int(row.value) * 1_000_000 // 10_000_000 == paise
    if day >= 20241001:
        lines = {line.name: line.paise for line in charges(BOOK, day, "NFO", "SELL", 10_000, 100)}
        assert lines["charge.stt.sell"] == paise


def test_the_exchanges_fee_of_nse() -> None:
    """3,503 rupees a crore until February 2026, 3,553 from March; BSE's does not move with it."""
    for day, nse, unsure in ((20260227, 3503, True), (20260302, 3553, False)):
        row = BOOK.require("charge.exchange_txn", "NSE", day)
        assert (row.value, row.unsure) == (nse, unsure)
        assert BOOK.require("charge.exchange_txn", "BSE", day).value == 3250


@pytest.mark.parametrize(
    ("underlying", "before", "after"),
    [("NIFTY", 75, 65), ("BANKNIFTY", 35, 30), ("SENSEX", 20, 20)],
)
def test_lots_of_the_january_2026_series(underlying: str, before: int, after: int) -> None:
    """The last day of the old lot and the first of the new, by trading day; a listed contract keeps
    the lot of the instrument dump (``tests/adapters/kite/test_instruments.py``)."""
    lots = [
        next(one.lot_units for one in resolve_day(BOOK, day).underlyings
             if one.underlying == underlying)
        for day in (20251230, 20251231)
    ]  # fmt: skip
    assert lots == [before, after]


@pytest.mark.parametrize(
    ("underlying", "lots"),
    [("NIFTY", (25, 75)), ("BANKNIFTY", (15, 30)), ("SENSEX", (10, 20)), ("BANKEX", (15, 30))],
)
def test_lots_of_20_november_2024(underlying: str, lots: tuple[int, int]) -> None:
    """The contract value rule raised every lot on one day."""
    rows = [BOOK.require("lot", underlying, day) for day in (20241119, 20241120)]
    assert (rows[0].value, rows[1].value) == lots
    assert rows[0].unsure


def test_lots_end_with_2026() -> None:
    """They are reviewed every half year: past the last row they are stale and None."""
    for day, lot, stale in ((20261231, 65, False), (20270101, None, True)):
        rules = resolve_day(BOOK, day)
        assert rules.underlyings[0].lot_units == lot
        assert ("lot:NIFTY" in rules.stale) is stale


@pytest.mark.parametrize(
    ("day", "units"),
    [
        (20250829, 600), (20250901, 900), (20250930, 900), (20251001, 600), (20251031, 600),
        (20251103, 600), (20260331, 600), (20260401, 900), (20260630, 900), (20260701, 600),
        (20260831, 600), (20260901, 600), (20261120, 600),
    ],
)  # fmt: skip
def test_freeze_quantities_of_banknifty_by_month(day: int, units: int) -> None:
    """Each month its own; from September 2026 no list is known, so the strictest recent holds and
    is marked."""
    rules = resolve_day(BOOK, day)
    assert rules.underlyings[1].freeze_units == units
    assert ("freeze:BANKNIFTY" in rules.stale) is (day > 20260831)
    assert ("freeze" in rules.underlyings[1].unsure) is (20251001 <= day <= 20251031)


def test_expiry_days_change_in_september_2025() -> None:
    """NIFTY from Thursday to Tuesday (first on 2 September), SENSEX from Tuesday to Thursday (first
    on 4 September, after a last Tuesday on the 2nd)."""
    assert BOOK.expiries("NIFTY", 20250825, 3) == (20250828, 20250902, 20250909)
    assert BOOK.expiries("BANKNIFTY", 20250828, 2) == (20250828, 20250930)
    assert BOOK.expiries("SENSEX", 20250901, 3) == (20250902, 20250904, 20250911)
    assert BOOK.is_monthly("NIFTY", 20250828)
    assert BOOK.is_monthly("NIFTY", 20250930)
    assert not BOOK.is_monthly("NIFTY", 20250902)


def test_a_holiday_added_at_three_days_notice_moves_an_expiry() -> None:
    """F13: 15 January 2026 was added on the 12th; SENSEX's Thursday went to Wednesday with it, and
    without the row it would not have."""
    assert BOOK.is_trading_day(20260115) is False
    assert BOOK.expiries("SENSEX", 20260112, 1) == (20260114,)
    before = Rulebook(tuple(row for row in BOOK.rows if row.valid_from != 20260115))
    assert before.is_trading_day(20260115) is True
    assert before.expiries("SENSEX", 20260112, 1) == (20260115,)


def test_a_holiday_that_is_moved() -> None:
    """A religious day follows the moon: one day opens again (OPEN), the next closes."""
    rows = tuple(row for row in BOOK.rows if row.valid_from != 20260626)
    moved = Rulebook((*rows, _row("calendar.holiday", "*", 20260626, "OPEN"),
                      _row("calendar.holiday", "*", 20260625, "Ashura, moved")))  # fmt: skip
    assert [BOOK.is_trading_day(day) for day in (20260625, 20260626)] == [True, False]
    assert [moved.is_trading_day(day) for day in (20260625, 20260626)] == [False, True]
    assert BOOK.expiries("SENSEX", 20260622, 1) == (20260625,)
    assert moved.expiries("SENSEX", 20260622, 1) == (20260624,)


def test_an_exchange_dates_an_expiry_anew() -> None:
    """The row of the nominal day says where it went; its neighbours stay, and a monthly one stays a
    monthly one."""
    book = _with(_row("expiry.dated", "NIFTY", 20261229, 20261230))
    assert BOOK.expiries("NIFTY", 20261223, 1) == (20261229,)
    assert book.expiries("NIFTY", 20261223, 1) == (20261230,)
    assert book.expiries("NIFTY", 20261230, 1) == (20261230,)
    assert book.expiries("BANKNIFTY", 20261223, 1) == (20261229,)
    assert book.expiries("NIFTY", 20261216, 2) == (20261222, 20261230)
    assert book.is_monthly("NIFTY", 20261230)
    assert not book.is_monthly("NIFTY", 20261229)


def test_muhurat_trading_has_its_own_hours_and_no_expiry() -> None:
    """F13: on 21 October 2025 the market opened for an hour on a holiday: the usual hours are not
    taken for it, rows of that day alone are, and Tuesday's expiry was on Monday."""
    assert BOOK.is_trading_day(20251021) is True
    assert BOOK.session_window(20251021, "fno") is None
    assert BOOK.expiries("NIFTY", 20251020, 1) == (20251020,)
    assert BOOK.expiries("NIFTY", 20251021, 1) == (20251028,)
    day = 20261108
    cut = tuple(
        replace(row, valid_to=day - 1)
        if row.name in ("session.fno.close", "session.fno.expiry_close") and row.valid_to > day
        else row
        for row in BOOK.rows
        if row.name != "session.fno.open"
    )
    hours = (
        _row("session.fno.open", "*", day, "18:00"),
        _row("session.fno.close", "NSE", day, "19:00"),
    )
    window = Rulebook((*cut, *hours)).session_window(day, "fno", "NFO")
    assert window is not None
    assert (hhmm_of(window.open_ns), hhmm_of(window.close_ns)) == ("18:00", "19:00")
    assert window.auction_from_ns is window.auction_to_ns is None
    assert Rulebook((*cut, *hours)).session_window(day, "fno", "BFO") is None


def test_weekend_sessions() -> None:
    """F13: Budget Sunday has the usual hours; an ordinary Sunday beside it none."""
    window = BOOK.session_window(20260201, "fno")
    assert window is not None
    assert hhmm_of(window.close_ns) == "15:30"
    assert BOOK.is_trading_day(20260208) is False
    added = _with(_row("calendar.special", "*", 20260208, "NORMAL"))
    assert added.is_trading_day(20260208) is True
    assert added.session_window(20260208, "fno") is not None


def test_what_the_broker_allows() -> None:
    """Budgets, cap, protection and square-off on both sides of 1 April and 3 August 2026."""
    before, after = broker_rules(BOOK, 20260331), broker_rules(BOOK, 20260401)
    assert (before.minute_max, before.day_max, before.protection_required) == (200, 3000, False)
    assert (after.minute_max, after.day_max, after.protection_required) == (400, 5000, True)
    assert (after.second_max, after.modifications_max) == (10, 25)
    assert "order.rate_minute" in after.unsure
    assert "order.rate_second" not in after.unsure
    for day in (20260731, 20260803):
        rules = broker_rules(BOOK, day)
        assert rules.mis_square_off_ns is not None
        assert hhmm_of(rules.mis_square_off_ns) == "15:25"
        assert "squareoff.mis" in rules.unsure
        assert rules.mis_square_off_paise == 5000
    unknown = broker_rules(BOOK, 20260401, "NOBODY")
    assert (unknown.minute_max, unknown.protection_required, unknown.unsure) == (None, None, ())


@pytest.mark.parametrize(
    ("reference", "band"),
    [
        (1_000, (0, 3_000)),
        (5_000, (3_000, 7_000)),
        (5_001, (3_001, 7_001)),
        (40_000, (24_000, 56_000)),
    ],
)
def test_price_protection(reference: int, band: tuple[int, int]) -> None:
    """Twenty rupees either way up to fifty, 40 per cent above; the two meet at fifty rupees."""
    assert protected_band(BOOK, 20261120, "NFO", reference) == band
    assert protected_band(Rulebook(()), 20261120, "NFO", reference) is None

"""The synthetic instruments: symbols, tokens, expiries, lots."""

from __future__ import annotations

import pytest

from adapters.markets.port import MarketError
from adapters.markets.synthetic_chain import build, future_symbol, option_symbol
from adapters.rulebook.load import load_rows
from engine.rulebook import Rulebook
from events.wire.kite import Segment, segment

BOOK = Rulebook(load_rows())
NAMES = ("NIFTY", "BANKNIFTY", "SENSEX")
SPOTS = (2_264_017, 5_090_099, 7_278_001)


@pytest.mark.parametrize(
    ("underlying", "expiry", "monthly", "strike", "kind", "symbol"),
    [
        ("NIFTY", 20261027, True, 2_250_000, "CE", "NIFTY26OCT22500CE"),
        ("NIFTY", 20261013, False, 2_255_000, "CE", "NIFTY26O1322550CE"),
        ("SENSEX", 20261008, False, 7_250_000, "CE", "SENSEX26O0872500CE"),
        ("NIFTY", 20261201, False, 2_250_000, "PE", "NIFTY26D0122500PE"),
        ("NIFTY", 20250902, False, 2_440_000, "PE", "NIFTY2590224400PE"),
    ],
)
def test_symbols_follow_the_brokers_grammar(
    underlying: str, expiry: int, monthly: bool, strike: int, kind: str, symbol: str
) -> None:
    """Monthly and weekly symbols are spelt as in rows of real instrument dumps."""
    assert option_symbol(underlying, expiry, monthly, strike, kind) == symbol


def test_futures_are_the_near_month() -> None:
    """Each underlying has one future, of the first monthly expiry left."""
    rows = build(BOOK, 20261120, NAMES, SPOTS).rows
    futures = {row.underlying: row for row in rows if row.kind == "FUT"}
    assert {name: row.tradingsymbol for name, row in futures.items()} == {
        "NIFTY": "NIFTY26NOVFUT",
        "BANKNIFTY": "BANKNIFTY26NOVFUT",
        "SENSEX": "SENSEX26NOVFUT",
    }
    assert futures["NIFTY"].expiry == 20261123
    assert future_symbol("SENSEX", 20261029) == "SENSEX26OCTFUT"


def test_the_universe_of_the_default_day() -> None:
    """3 indices, VIX, 3 futures, 2 expiries of 41 strikes each: 499 rows with unique tokens."""
    universe = build(BOOK, 20261120, NAMES, SPOTS)
    rows = universe.rows
    assert len(rows) == 499
    assert len({row.token for row in rows}) == len({row.tradingsymbol for row in rows}) == 499
    assert [(row.tradingsymbol, row.token) for row in rows[:4]] == [
        ("NIFTY 50", 256265),
        ("NIFTY BANK", 260105),
        ("SENSEX", 265),
        ("INDIA VIX", 264969),
    ]
    segments = {"NFO": Segment.NFO, "BFO": Segment.BFO, "NSE": Segment.INDICES}
    for row in rows:
        expected = Segment.INDICES if row.kind in ("INDEX", "VIX") else segments[row.exchange]
        assert segment(row.token) == expected
        assert row.token < 1 << 31
    expiries = {
        name: sorted({row.expiry for row in rows if row.underlying == name and row.kind == "CE"})
        for name in NAMES
    }
    assert expiries == {
        "NIFTY": [20261123, 20261201],
        "BANKNIFTY": [20261123, 20261229],
        "SENSEX": [20261126, 20261203],
    }
    lots = {row.underlying: row.lot_units for row in rows if row.kind == "PE"}
    assert lots == {"NIFTY": 65, "BANKNIFTY": 30, "SENSEX": 20}


def test_pages_name_their_rows() -> None:
    """A page's first index, strikes and sides agree with the rows they stand for."""
    universe = build(BOOK, 20261120, NAMES, SPOTS)
    for listing in universe.listings:
        for expiry, strikes, first in listing.pages:
            assert len(strikes) == 41
            for k, strike in enumerate(strikes):
                call, put = universe.rows[first + 2 * k], universe.rows[first + 2 * k + 1]
                assert (call.kind, put.kind) == ("CE", "PE")
                assert call.strike_paise == put.strike_paise == strike
                assert call.expiry == put.expiry == expiry
                assert strike % listing.strike_step_paise == 0


@pytest.mark.parametrize(
    ("day", "pages"), [(20261120, 2), (20261125, 1), (20261222, 1), (20261229, 1)]
)
def test_a_calendar_that_ends_leaves_the_expiries_before_its_end(day: int, pages: int) -> None:
    """Until the holidays of the next year are published BANKNIFTY's expiry of January is not known:
    the chain is of those that are, down to one, and of none there is no day."""
    universe = build(BOOK, day, NAMES, SPOTS)
    (bank,) = [one for one in universe.listings if one.underlying.name == "BANKNIFTY"]
    assert len(bank.pages) == pages
    assert all(one.pages for one in universe.listings)
    with pytest.raises(MarketError, match=r"calendar\.covered"):
        build(BOOK, 20261230, NAMES, SPOTS)


def test_a_missing_rule_is_one_clear_line() -> None:
    """Without a lot row nothing is invented."""
    book = Rulebook(tuple(row for row in BOOK.rows if row.name != "lot"))
    with pytest.raises(MarketError, match="gives no lot of NIFTY on 20261120"):
        build(book, 20261120, NAMES, SPOTS)

"""The estimate of the index: exact where the truth is planted, absent where it cannot be known."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.markets.chain import open_chain
from adapters.markets.chain_file import ChainContract, Row
from adapters.markets.chain_index import CarryPair, carry_pair, close_of, estimate_index
from engine.rulebook import NS_PER_DAY, ist_ns
from events.wire import kite
from tests.adapters.markets.chain_fixture import RULEBOOK, page, small_day, write

DAY, NEAR, FAR = 20250829, 20250902, 20250930
CLOSE = ist_ns(DAY, "15:30")
STRIKES = tuple(range(2_430_000, 2_475_000, 5_000))
CONTRACTS = tuple(
    ChainContract(expiry, strike, right)
    for expiry in (NEAR, FAR)
    for strike in STRIKES
    for right in ("CE", "PE")
)


def rows_for(forwards: dict[int, int], half_spread: int = 5) -> list[Row]:
    """Quotes whose mids obey parity with the given forwards (paise)."""
    return [
        (i, mid - half_spread, 75, mid + half_spread, 75, mid, 0, 0)
        for i, contract in enumerate(CONTRACTS)
        for mid in (
            [
                60_000
                + (forwards[contract.expiry] - contract.strike_paise) * (contract.right == "CE")
            ]
        )
    ]


def pair() -> CarryPair:
    found = carry_pair(CONTRACTS, DAY)
    assert found is not None
    return found


def estimate(forwards: dict[int, int], ts: int) -> int | None:
    closes = (close_of(NEAR, DAY, CLOSE), close_of(FAR, DAY, CLOSE))
    return estimate_index(pair(), rows_for(forwards), ts, *closes)


def test_closes_of_expiries_stand_at_the_days_own_closing_hour() -> None:
    """2 September and 30 September end at 15:30 IST, four and thirty-two days on."""
    assert close_of(NEAR, DAY, CLOSE) == ist_ns(NEAR, "15:30") == CLOSE + 4 * NS_PER_DAY
    assert close_of(FAR, DAY, CLOSE) == ist_ns(FAR, "15:30") == CLOSE + 32 * NS_PER_DAY


def test_the_stated_rule_by_hand() -> None:
    """Forwards 24,500 and 24,640 at the close: 140 points in 28 days, so 20 for the first four."""
    assert estimate({NEAR: 2_450_000, FAR: 2_464_000}, CLOSE) == 2_448_000


@given(
    index_paise=st.integers(2_440_000, 2_460_000),
    carry_paise_a_day=st.integers(-600, 600),
    ago_s=st.integers(0, 6 * 3600),
)
def test_a_planted_index_with_linear_carry_is_found(
    index_paise: int, carry_paise_a_day: int, ago_s: int
) -> None:
    """Forwards that grow in a line from an index give that index back, to their own rounding."""
    ts = CLOSE - ago_s * 1_000_000_000
    forwards = {
        expiry: index_paise + carry_paise_a_day * (close_of(expiry, DAY, CLOSE) - ts) // NS_PER_DAY
        for expiry in (NEAR, FAR)
    }
    found = estimate(forwards, ts)
    assert found is not None
    assert abs(found - index_paise) <= 2


def test_after_the_near_expirys_close_its_forward_is_the_index() -> None:
    """No time left is no carry left; time never counts backwards."""
    late = close_of(NEAR, DAY, CLOSE) + NS_PER_DAY
    assert estimate({NEAR: 2_450_000, FAR: 2_464_000}, late) == 2_450_000


def test_the_carry_is_read_over_four_weeks_or_not_at_all() -> None:
    """The first expiry at least 28 days on is chosen; with none so far there is no estimate."""
    weeklies = (20250902, 20250909, 20250916, 20250923, 20250930, 20251028)
    listed = tuple(ChainContract(expiry, 2_450_000, r) for expiry in weeklies for r in ("CE", "PE"))
    found = carry_pair(listed, DAY)
    assert found is not None
    assert (found.near, found.far) == (20250902, 20250930)
    assert carry_pair(listed[:8], DAY) is None
    assert carry_pair((), DAY) is None
    later = carry_pair(listed, 20250903)
    assert later is not None
    assert (later.near, later.far) == (20250909, 20251028)


def test_legs_are_strikes_with_both_rights() -> None:
    """A strike with a call only has no parity and is left out."""
    found = carry_pair((*CONTRACTS, ChainContract(NEAR, 2_600_000, "CE")), DAY)
    assert found is not None
    assert tuple(strike for strike, _, _ in found.near_legs) == STRIKES


@pytest.mark.parametrize("expiry", [NEAR, FAR])
def test_too_few_two_sided_quotes_are_no_estimate(expiry: int) -> None:
    """With two quoted strikes left on either expiry the index is unknown, not guessed."""
    closes = (close_of(NEAR, DAY, CLOSE), close_of(FAR, DAY, CLOSE))
    rows = rows_for({NEAR: 2_450_000, FAR: 2_464_000})
    kept = [row for row in rows if CONTRACTS[row[0]].expiry != expiry or row[0] % 18 < 4]
    assert estimate_index(pair(), rows, CLOSE, *closes) is not None
    assert estimate_index(pair(), kept, CLOSE, *closes) is None


def test_the_market_prints_the_estimate_at_the_instant_of_the_stamp(tmp_path: Path) -> None:
    """The first page's print is the rule's value at 09:22:45, when the quotes stood."""
    market = open_chain(write(tmp_path / "day.parquet", small_day()), RULEBOOK)
    [frame, *_] = market.frames()
    tick = kite.decode_frame(frame.data)[0]
    assert isinstance(tick, kite.IndexTick)
    expected = estimate({NEAR: 2_450_000, FAR: 2_464_000}, ist_ns(DAY, "09:22:45"))
    assert tick.last_price == expected
    assert tick.exchange_time_s == ist_ns(DAY, "09:22:45") // 1_000_000_000


def test_a_page_without_parity_sends_its_quotes_but_no_print(tmp_path: Path) -> None:
    """An unknown index is silent; the option quotes go on."""
    rows = [row | {"ask_paise": 0, "ask_qty": 0} for row in page("09:24:16", "09:22:45")]
    market = open_chain(write(tmp_path / "day.parquet", rows), RULEBOOK)
    ticks = [tick for frame in market.frames() for tick in kite.decode_frame(frame.data)]
    assert len(ticks) == 36
    assert not [tick for tick in ticks if isinstance(tick, kite.IndexTick)]

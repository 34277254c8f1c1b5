"""N11: the smallest limit counts, each zero has its own code, and a size is in whole lots."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.gates import sizing
from engine.gates.contract import Pick, Plan
from engine.gates.sizing import SLICES_MAX, freeze_units
from engine.options import Greeks
from engine.risk.portfolio import book_of
from engine.state import State
from engine.view import View
from events.decision import StageVerdict
from tests.engine.build import at_trade, view_of, with_config
from tests.engine.gates.cases import WIDE, account, freeze, risk, rules, with_order, with_premium

LOT = 65
PLAN = Plan(10_000, 9_100, 12_000, 0, 4_950, LOT)
"""Bought at its protected price of 10,100 a lot risks 1,000 x 65 + 5,000 = 70,000 paise and costs
661,450."""
GREEKS = Greeks(10_000.0, 0.5, 0.000_01, -900.0, 1_100.0)
PICK = Pick(2, 0, 900, PLAN, 0.14, GREEKS)


def judge(view: View, pick: Pick) -> tuple[StageVerdict, int]:
    """N11 beside what the state holds."""
    return sizing.judge(view, pick, book_of(view.state))


def _sized(state: State, pick: Pick = PICK) -> tuple[str | None, int]:
    verdict, lots = judge(view_of(state), pick)
    assert (lots > 0) == (verdict.verdict == "PASS")
    return verdict.reason, lots


def _base() -> State:
    """Room for ten lots by every limit but those of a test."""
    state = account(at_trade().state, capital_paise=700_000_000)
    return with_config(
        state,
        risk={"trade_risk_bps_max": 10, "open_risk_bps_max": 10, "lots_max": 1_000},
    )


def _wide() -> State:
    """The same with every other limit of money out of the way."""
    return with_config(_base(), risk=WIDE, orders={"value_paise_max": 10**12})


def test_the_risk_budget_gives_its_lots() -> None:
    """Ten budgets, ten lots; a paisa of risk more in the lot, nine."""
    assert _sized(_base()) == (None, 10)
    dearer = Pick(2, 0, 900, Plan(10_000, 9_100, 12_000, 0, 4_951, LOT), 0.14, GREEKS)
    assert _sized(_base(), dearer) == (None, 9)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (lambda: with_config(_base(), risk={"trade_risk_bps_max": 1}), None),
        (lambda: account(_base(), capital_paise=69_999_999), "SIZE_RISK_BUDGET"),
        (lambda: with_order(_base(), risk_paise=630_001, filled_units=0, limit_paise=0),
         "SIZE_OPEN_RISK"),
        (lambda: with_order(_base(), risk_paise=630_000, filled_units=0, limit_paise=0), None),
        (lambda: with_premium(_wide(), 700_000_000 - 661_449), "SIZE_FUNDS"),
        (lambda: with_premium(_wide(), 700_000_000 - 661_450), None),
        (lambda: freeze(_base(), None), "SIZE_FREEZE_UNKNOWN"),
        (lambda: freeze(_base(), LOT - 1), "SIZE_FREEZE_UNKNOWN"),
        (lambda: freeze(_base(), LOT), None),
        (lambda: account(_base(), capital_paise=0), "SIZE_RISK_BUDGET"),
    ],
)  # fmt: skip
def test_each_zero_has_its_code(state: object, reason: str | None) -> None:
    """A limit that leaves no lot blocks with its own reason; with room for one there is one."""
    assert callable(state)
    said, lots = _sized(state())
    assert said == reason
    assert lots >= (0 if reason else 1)


def test_the_smallest_limit_counts() -> None:
    """Each limit in turn is made the smallest and decides the size."""
    assert _sized(with_config(_base(), risk={"lots_max": 3}))[1] == 3
    wide = {"lots_max": 100_000, "trade_risk_bps_max": 10_000, "open_risk_bps_max": 10_000}
    largest = account(with_config(_base(), risk=wide), capital_paise=10**12)
    assert _sized(freeze(largest, LOT + 64))[1] == SLICES_MAX
    assert _sized(with_order(_base(), risk_paise=350_000, filled_units=0, limit_paise=0))[1] == 5
    assert _sized(with_premium(_wide(), 700_000_000 - 6 * 661_450))[1] == 6
    assert _sized(with_config(_base(), orders={"value_paise_max": 4 * 656_500}))[1] == 4
    assert _sized(risk(_base(), status="RECOVERY"))[1] == 1


def test_a_lot_of_nothing_is_no_size() -> None:
    """An instrument without a lot is refused, not divided by."""
    broken = Pick(2, 0, 900, Plan(10_000, 9_100, 12_000, 0, 4_950, 0), 0.14, GREEKS)
    assert _sized(_base(), broken) == ("SIZE_FREEZE_UNKNOWN", 0)


def test_an_unsure_freeze_is_marked() -> None:
    """A freeze quantity from an unsure row is used and said to be unsure; one from rows that have
    ended is used and said to be stale, as that of the small market's day is."""
    state = at_trade().state
    assert judge(view_of(state), PICK)[0].rows[-1].marks == ("RULEBOOK_STALE",)
    assert freeze_units(view_of(state)) == 1800
    assert state.rules is not None
    unsure = tuple(replace(one, unsure=("freeze",)) for one in state.rules.underlyings)
    both = judge(view_of(rules(state, underlyings=unsure)), PICK)[0].rows[-1]
    assert both.marks == ("UNSURE_FREEZE", "RULEBOOK_STALE")
    fresh = judge(view_of(rules(state, underlyings=unsure, stale=())), PICK)[0].rows[-1]
    assert fresh.marks == ("UNSURE_FREEZE",)


def test_a_lot_whose_row_has_ended_blocks() -> None:
    """The contract's own lot is known, and the rulebook's is not any more: no size, with its code.
    Another underlying's ended row changes nothing."""
    state = _base()
    verdict, lots = judge(view_of(rules(state, stale=("lot:NIFTY",))), PICK)
    assert (verdict.reason, verdict.verdict, lots) == ("SIZE_LOT_STALE", "UNKNOWN", 0)
    assert _sized(rules(state, stale=("lot:SENSEX", "freeze:NIFTY"))) == (None, 10)


@given(
    st.integers(0, 2_000_000_000), st.integers(1, 10_000), st.integers(1, 10_000),
    st.integers(1, 500), st.integers(0, 4_000), st.integers(100, 60_000), st.integers(1, 9_000),
)  # fmt: skip
def test_a_size_never_passes_any_limit(
    capital: int,
    trade_bps: int,
    open_bps: int,
    lots_max: int,
    freeze_qty: int,
    entry: int,
    stop: int,
) -> None:
    """Whatever the limits, the size given is within all of them, and one more lot is not."""
    stop_paise = entry - max(entry * stop // 10_000, 1)
    plan = Plan(entry, stop_paise, entry * 2, 0, 4_000, LOT)
    state = account(at_trade().state, capital_paise=capital)
    state = freeze(state, freeze_qty)
    state = with_config(
        state,
        risk=WIDE
        | {"trade_risk_bps_max": trade_bps, "open_risk_bps_max": open_bps, "lots_max": lots_max},
        orders={"value_paise_max": 10**12},
    )
    still = Greeks(float(entry), 0.0, 0.0, 0.0, 0.0)
    verdict, lots = judge(view_of(state), Pick(2, 0, 0, plan, 0.14, still))
    limit = entry + entry // 100
    limit -= limit % 5

    def within(number: int) -> bool:
        risk = ((limit - stop_paise) * LOT + -(-4_000 * limit // entry)) * number
        cost = (limit * LOT + 4_000) * number
        return (
            risk <= capital * trade_bps // 10_000
            and risk <= capital * open_bps // 10_000
            and cost <= capital
            and limit * LOT * number <= capital
            and number <= lots_max
            and number <= SLICES_MAX * (freeze_qty // LOT)
        )

    assert (verdict.verdict == "PASS") == (lots > 0) == within(1)
    assert lots == 0 or within(lots)
    assert lots == 0 or not within(lots + 1)


def test_a_contract_of_the_next_expiry_is_reckoned_by_its_own_forward_and_time() -> None:
    """On an expiry day the near expiry is not the contract's: what is said of it moves no row."""
    state = _wide()
    market = state.markets[0]
    own = market.expiries[0]
    today = replace(own, expiry=own.expiry - 1, t_years=own.t_years / 50.0, forward_paise=1_000_000)
    before = replace(state, markets=(replace(market, expiries=(today, own)), *state.markets[1:]))
    assert view_of(before).near == today
    assert judge(view_of(before), PICK) == judge(view_of(state), PICK)

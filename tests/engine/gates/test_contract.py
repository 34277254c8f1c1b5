"""N10: each filter, which comes first, that all others are judged too, and which contract wins."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.chain import contract_age_ns
from engine.charges import charge_lines, charges_paise
from engine.features.interest import SPAN_NS
from engine.features.tape import InterestRow
from engine.gates import contract
from engine.gates.contract import Pick, Plan, costs_of, judge
from engine.gates.score import WEIGHTS
from engine.state import ContractChange, State
from engine.strategies import family_named
from engine.strategies.signal import DOWN, UP
from engine.view import spread_bps
from events.decision import ContractsScreened
from events.gates import CONTRACT_FILTERS
from tests.engine.build import at_trade, core_at, quote_of, view_of, with_config, with_quote
from tests.engine.gates.cases import market

Change = Callable[[State, int], State]


def _screened(state: State, direction: str = UP) -> ContractsScreened:
    screened = judge(view_of(state), direction, "TREND")[1]
    assert screened is not None
    return screened


def _target() -> int:
    """The contract that is selected when nothing is wrong."""
    selected = _screened(at_trade().state).selected
    assert selected is not None
    return selected


def _of(state: State, i: int) -> tuple[int, int, int]:
    """(first filter, mask, score) of a contract."""
    screened = _screened(state)
    place = screened.contracts.index(i)
    return screened.first_filter[place], screened.masks[place], screened.scores_milli[place]


def _quote(state: State, i: int, **changes: int) -> State:
    return with_quote(state, i, replace(quote_of(state, i), **changes))


def _mask(*codes: str) -> int:
    mask = 0
    for code in codes:
        mask |= 1 << CONTRACT_FILTERS.index(code)
    return mask


def _config(**settings_: int) -> Change:
    return lambda s, i: with_config(s, contract=dict(settings_))


def _changed(state: State) -> State:
    """Every contract is another than in the session before."""
    return replace(
        state,
        changes=tuple(
            ContractChange(i, True, "P1", ("LOT",), (75,), (65,))
            for i in range(len(state.instruments))
        ),
    )


def _remembering(state: State, was_units: int) -> State:
    """Half an hour ago every contract had so much open interest."""
    tape = state.tapes[0]
    near = state.markets[0].expiries[0]
    legs = 2 * len(state.underlyings[0].expiries[near.place].strikes_paise)
    row = InterestRow(tape.declared_ts - SPAN_NS, 2_400_000, near.expiry, 1, (was_units,) * legs)
    return replace(state, tapes=(replace(tape, interest=(row,)),))


def _ranked(state: State, rank_milli: int | None) -> State:
    """The volatility at the money ranks so among the days before."""
    features = state.markets[0].features
    assert features is not None
    implied = replace(features.implied, days_rank_milli=rank_milli)
    return market(state, features=replace(features, implied=implied))


def _atm(state: State, atm_iv: float | None) -> State:
    near = state.markets[0].expiries[0]
    return market(state, expiries=(replace(near, atm_iv=atm_iv),))


VOLATILE = ("CONTRACT_IV_UNKNOWN", "CONTRACT_DELTA", "CONTRACT_IV_BOUNDS", "CONTRACT_SKEW",
            "CONTRACT_SCORE")  # fmt: skip
PRICED = ("CONTRACT_SPREAD", "CONTRACT_PREMIUM", "CONTRACT_REWARD", "CONTRACT_DEPTH", *VOLATILE)
FAILS: dict[str, tuple[Change, tuple[str, ...]]] = {
    "CONTRACT_ONE_SIDED": (lambda s, i: _quote(s, i, bid_paise=0), PRICED),
    "CONTRACT_STALE": (
        lambda s, i: _quote(s, i, seen_ns=s.now - contract_age_ns(s) - 1), ()),
    "CONTRACT_SPREAD": (
        lambda s, i: with_config(s, contract={"spread_bps_max": spread_bps(quote_of(s, i)) - 1}),
        ()),
    "CONTRACT_VOLUME": (
        lambda s, i: with_config(s, contract={"volume_units_min": quote_of(s, i).volume_units + 1}),
        ()),
    "CONTRACT_OI": (
        lambda s, i: with_config(s, contract={"oi_units_min": quote_of(s, i).oi_units + 1}), ()),
    "CONTRACT_IV_UNKNOWN": (
        lambda s, i: _quote(s, i, bid_paise=10**9, ask_paise=10**9),
        ("CONTRACT_PREMIUM", *VOLATILE)),
    "CONTRACT_DELTA": (_config(delta_milli_min=998, delta_milli_max=999), ()),
    "CONTRACT_PREMIUM": (
        lambda s, i: with_config(s, contract={"premium_paise_max": quote_of(s, i).ask_paise - 1}),
        ()),
    "CONTRACT_REWARD": (_config(reward_milli_min=10**6), ()),
    "CONTRACT_DEPTH": (lambda s, i: _quote(s, i, ask_units=64), ()),
    "CONTRACT_OI_FALL": (lambda s, i: _remembering(s, 10 * quote_of(s, i).oi_units), ()),
    "CONTRACT_IV_BOUNDS": (lambda s, i: _ranked(s, 981), ()),
    "CONTRACT_SKEW": (lambda s, i: _atm(s, 0.08), ()),
    "CONTRACT_SCORE": (_config(score_milli_min=1_000), ()),
    "CONTRACT_NOT_AS_BEFORE": (lambda s, i: _changed(s), ()),
}  # fmt: skip
"""How to fail each filter alone, and which others fail with it by their nature."""


def test_the_start_selects() -> None:
    """Before anything is changed the nearest-to-even contract is selected and has no filter."""
    verdict, screened, pick = judge(view_of(at_trade().state), UP, "TREND")
    assert verdict.verdict == "PASS"
    assert screened is not None
    assert pick is not None
    assert pick.contract == screened.selected == _target()
    assert _of(at_trade().state, _target())[:2] == (-1, 0)
    assert at_trade().state.instruments[_target()].kind == "CE"
    assert pick.greeks is not None
    assert 0.3 < pick.greeks.delta < 0.7


@pytest.mark.parametrize("code", CONTRACT_FILTERS)
def test_each_filter_rejects_with_its_code(code: str) -> None:
    """The filter stands first in the contract's row, its bit in the mask, and the contract is not
    the one selected."""
    change, others = FAILS[code]
    state = change(at_trade().state, _target())
    first, mask, _ = _of(state, _target())
    assert CONTRACT_FILTERS[first] == code
    assert mask == _mask(code, *others)
    assert _screened(state).selected != _target()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("spread_bps_max", lambda q: spread_bps(q)),
        ("volume_units_min", lambda q: q.volume_units),
        ("oi_units_min", lambda q: q.oi_units),
        ("depth_lots_min", lambda q: min(q.bid_units, q.ask_units) // 65),
        ("premium_paise_min", lambda q: q.ask_paise),
        ("premium_paise_max", lambda q: q.ask_paise),
    ],
)
def test_a_limit_itself_is_allowed(name: str, value: Callable[..., int]) -> None:
    """Exactly on its limit a contract is not rejected."""
    state = at_trade().state
    limit = value(quote_of(state, _target()))
    assert _of(with_config(state, contract={name: limit}), _target())[1] == 0


def test_a_quote_at_its_oldest_is_allowed() -> None:
    """A quote exactly as old as it may be is not stale."""
    state = at_trade().state
    assert (
        _of(_quote(state, _target(), seen_ns=state.now - contract_age_ns(state)), _target())[1] == 0
    )


ADDED = ("CONTRACT_STALE", "CONTRACT_VOLUME", "CONTRACT_OI", "CONTRACT_PREMIUM", "CONTRACT_REWARD",
         "CONTRACT_SPREAD", "CONTRACT_DELTA")  # fmt: skip


@given(st.sets(st.sampled_from(ADDED), min_size=1))
@settings(max_examples=40)
def test_the_first_filter_in_declared_order_and_all_others(codes: set[str]) -> None:
    """With several filters failed all their bits are set, and the first declared is the reason."""
    state = at_trade().state
    for code in sorted(codes):
        state = FAILS[code][0](state, _target())
    first, mask, _ = _of(state, _target())
    assert mask == _mask(*codes)
    assert CONTRACT_FILTERS[first] == min(codes, key=CONTRACT_FILTERS.index)


@pytest.mark.parametrize("code", ["CONTRACT_STALE", "CONTRACT_VOLUME", "CONTRACT_OI"])
def test_a_contract_without_two_sides_is_judged_on_the_rest_too(code: str) -> None:
    """One-sided and stale, or without volume: both are in the mask."""
    state = FAILS["CONTRACT_ONE_SIDED"][0](at_trade().state, _target())
    state = FAILS[code][0](state, _target())
    assert _of(state, _target())[1] == _mask("CONTRACT_ONE_SIDED", code, *PRICED)


def test_a_contract_never_seen_fails_everything() -> None:
    """No quote at all: every filter's bit is set that a quote decides, no score is given."""
    state = with_config(at_trade().state, contract={"volume_units_min": 1, "oi_units_min": 1})
    first, mask, score = _of(with_quote(state, _target(), None), _target())
    assert (first, mask, score) == (0, (1 << len(CONTRACT_FILTERS) - 1) - 1, -1)


def test_the_arrays_are_parallel_and_within_the_window() -> None:
    """One entry a contract in every array, calls for UP and puts for DOWN, within the strikes that
    the setting gives, in order of the strikes."""
    state = with_config(at_trade().state, contract={"window_strikes": 2})
    for direction, kind in ((UP, "CE"), (DOWN, "PE")):
        one = _screened(state, direction)
        assert one.filters == CONTRACT_FILTERS[:-1]
        assert len(one.contracts) == 5
        assert {len(a) for a in (one.first_filter, one.masks, one.scores_milli)} == {5}
        rows = [state.instruments[i] for i in one.contracts]
        assert {row.kind for row in rows} == {kind}
        assert [row.strike_paise for row in rows] == sorted(row.strike_paise for row in rows)


def test_the_best_score_wins_and_the_first_of_equals() -> None:
    """The highest score is selected; of equal ones the contract that stands first."""
    screened = _screened(at_trade().state)
    passed = [
        (score, -i)
        for i, score, mask in zip(
            screened.contracts, screened.scores_milli, screened.masks, strict=True
        )
        if mask == 0
    ]
    assert len(passed) > 2
    assert screened.selected == -max(passed)[1]
    tie = [Pick(i, 0, 500, None, None, None) for i in (7, 3, 5)]
    assert max(tie, key=contract._rank).contract == 3


def test_when_none_is_left_the_commonest_first_filter_is_marked() -> None:
    """The gate's evidence names the filter that most contracts failed first; the best rejected one
    is kept for an assumed evaluation."""
    state = with_config(at_trade().state, contract={"oi_units_min": 10**9})
    verdict, screened, pick = judge(view_of(state), UP, "TREND")
    assert (verdict.verdict, verdict.reason) == ("BLOCK", "CONTRACT_NONE_LEFT")
    assert "CONTRACT_OI" in verdict.rows[-1].marks
    assert screened is not None
    assert screened.selected is None
    assert pick is not None
    assert pick.plan is not None
    assert pick.mask.bit_count() == min(mask.bit_count() for mask in screened.masks)


def test_without_a_forward_there_is_nothing_to_screen() -> None:
    """No expiry, or one without a forward: UNKNOWN EXPIRY_NONE, no screening, no contract."""
    state = at_trade().state
    near = replace(state.markets[0].expiries[0], forward_paise=None)
    for one in (
        market(state, expiries=()),
        market(state, expiries=(near,)),
        replace(state, rules=None),
    ):
        verdict, screened, pick = judge(view_of(one), UP, "TREND")
        assert (verdict.verdict, verdict.reason) == ("UNKNOWN", "EXPIRY_NONE")
        assert (screened, pick) == (None, None)


@pytest.mark.parametrize(("vix_paise", "want"), [(None, 0), (1_390, 0), (3_400, 0), (5_000, 1)])
def test_volatility_is_measured_by_the_vix_or_by_the_money(
    vix_paise: int | None, want: int
) -> None:
    """Against INDIA VIX at 13.9 and 34 a contract of 14 % is in bounds, at 50 it is too cheap to be
    true; without one it stands beside the volatility at the money."""
    state = at_trade().state
    vix = replace(quote_of(state, state.vix), ltp_paise=vix_paise or 0)
    changed = with_quote(state, state.vix, vix if vix_paise else None)
    assert (_of(changed, _target())[1] == _mask("CONTRACT_IV_BOUNDS")) == bool(want)
    assert _of(changed, _target())[1] in (0, _mask("CONTRACT_IV_BOUNDS"))


def test_a_vix_that_is_old_is_no_measure() -> None:
    """After a minute the money's volatility is the measure again."""
    state = at_trade().state
    high = replace(quote_of(state, state.vix), ltp_paise=5_000)
    old = replace(high, seen_ns=state.now - contract.VIX_AGE_NS - 1)
    assert _of(with_quote(state, state.vix, high), _target())[1] == _mask("CONTRACT_IV_BOUNDS")
    assert _of(with_quote(state, state.vix, old), _target())[1] == 0


@pytest.mark.parametrize("rank", [None, 0, 980])
def test_a_rank_up_to_its_limit_is_allowed(rank: int | None) -> None:
    """A rank that is not known yet, for want of twenty days, rejects nothing."""
    assert _of(_ranked(at_trade().state, rank), _target())[1] == 0


def test_a_fall_of_open_interest_at_its_limit_is_allowed() -> None:
    """Three tenths of it gone in a quarter of an hour pass, a unit more does not; open interest
    that grew, or a contract that was not seen then, passes outside LIVE."""
    state = _quote(at_trade().state, _target(), oi_units=7_000)
    for was, mask in ((10_000, 0), (10_001, _mask("CONTRACT_OI_FALL")), (1, 0), (-1, 0)):
        assert _of(_remembering(state, was), _target())[1] == mask


def test_in_live_a_change_that_is_not_known_rejects() -> None:
    """Nothing is remembered yet: elsewhere the row says so and the contract passes, in LIVE every
    contract is rejected."""
    state = at_trade().state
    assert state.opened is not None
    assert "OI_CHANGE_UNKNOWN" in judge(view_of(state), UP, "TREND")[0].rows[-1].marks
    known = judge(view_of(_remembering(state, 1)), UP, "TREND")[0]
    assert "OI_CHANGE_UNKNOWN" not in known.rows[-1].marks
    live = replace(state, opened=replace(state.opened, mode="LIVE"))
    assert _of(live, _target())[1] == _mask("CONTRACT_OI_FALL")
    assert _of(_remembering(live, 1), _target())[1] == 0
    unasked = with_config(live, contract={"oi_fall_bps_max": 10_000})
    assert _of(unasked, _target())[1] == 0


def test_the_best_score_s_parts_stand_in_the_evidence() -> None:
    """Each part by its gate; weighed they give the score of the contract selected."""
    verdict, screened, pick = judge(view_of(at_trade().state), UP, "TREND")
    assert pick is not None and screened is not None
    assert [row.gate for row in verdict.evidence] == [gate for gate, _ in WEIGHTS]
    weighed = sum(
        (row.observed or 0) * weight
        for row, (_, weight) in zip(verdict.evidence, WEIGHTS, strict=True)
    )
    assert (
        weighed // 1000
        == pick.score_milli
        == screened.scores_milli[screened.contracts.index(pick.contract)]
    )


def _two_expiries(state: State, day: int) -> State:
    """The near expiry ends on ``day``; behind it stands another of the same strikes."""
    umap, near = state.underlyings[0], state.markets[0].expiries[0]
    first = replace(umap.expiries[near.place], expiry=day)
    umap = replace(umap, expiries=(first, umap.expiries[near.place]))
    changed = replace(state, underlyings=(umap,))
    nearest = replace(near, expiry=day, place=0)
    return market(changed, expiries=(nearest, replace(near, place=1)))


def test_on_an_expiry_day_the_next_expiry_is_traded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What ends today is left to strategies that are meant for it; where there is no other in view
    it is traded, for the setting put it there."""
    state = at_trade().state
    assert state.opened is not None
    today = _two_expiries(state, state.opened.day)
    assert contract.expiry_for(view_of(today), "TREND") == today.markets[0].expiries[1]
    later = _two_expiries(state, state.opened.day + 1)
    assert contract.expiry_for(view_of(later), "TREND") == later.markets[0].expiries[0]
    alone = market(today, expiries=today.markets[0].expiries[:1])
    assert contract.expiry_for(view_of(alone), "TREND") == today.markets[0].expiries[0]
    meant = replace(family_named("TREND"), expiry_day=True)
    monkeypatch.setattr(contract, "family_named", lambda _: meant)
    assert contract.expiry_for(view_of(today), "TREND") == today.markets[0].expiries[0]


THROUGH: dict[str, Change] = {
    "CONTRACT_DEPTH": _config(depth_lots_min=10_000),
    "CONTRACT_OI_FALL": lambda s, i: _remembering(s, 10 * quote_of(s, i).oi_units),
    "CONTRACT_IV_BOUNDS": _config(iv_ratio_milli_min=5_000, iv_ratio_milli_max=6_000),
    "CONTRACT_SKEW": lambda s, i: _quote(
        s,
        i - 3,
        bid_paise=quote_of(s, i - 3).bid_paise * 3,
        ask_paise=quote_of(s, i - 3).ask_paise * 3,
    ),
    "CONTRACT_SCORE": _config(score_milli_min=1_000),
}
"""The newer filters, failed before the tick that would trade."""


@pytest.mark.parametrize("code", THROUGH)
def test_a_filter_is_told_by_a_cycle_of_the_engine(code: str) -> None:
    """Through the engine, not the judge alone: the screening that is journaled names it."""
    moment = at_trade()
    core = core_at(THROUGH[code](moment.before, _target()))
    derived = core.step(moment.fact.seq, moment.fact.ts, moment.fact.event)
    told = [one.entry.event for one in derived if isinstance(one.entry.event, ContractsScreened)]
    assert any(mask & _mask(code) for one in told for mask in one.masks)


def test_a_plan_stands_in_ticks() -> None:
    """Stop below entry rounded down, target above rounded up, both in the contract's tick; never a
    stop of nothing."""
    pick = judge(view_of(at_trade().state), UP, "TREND")[2]
    assert pick is not None
    plan, config = pick.plan, at_trade().state.config.plan
    assert plan is not None
    assert plan.stop_paise % 5 == plan.target_paise % 5 == 0
    exact = plan.entry_paise * (10_000 - config.stop_bps) / 10_000
    assert exact - 5 < plan.stop_paise <= exact + 1
    assert 0 <= plan.target_paise - plan.entry_paise * (10_000 + config.target_bps) / 10_000 < 6
    deep = with_config(at_trade().state, plan={"stop_bps": 9_000})
    cheap = _quote(deep, _target(), bid_paise=5, ask_paise=10)
    plans = contract._plan(cheap, costs_of(cheap, "NFO"), 10, cheap.instruments[_target()])
    assert plans.stop_paise == 5


@given(st.integers(5, 60_000), st.integers(5, 90_000), st.integers(1, 40))
@settings(max_examples=60)
def test_the_screening_s_charges_are_those_of_the_fills(buy: int, sell: int, lots: int) -> None:
    """The short form of the charges agrees with the exact lines of both fills to two paise a line,
    and is never below them by more."""
    rules = at_trade().state.rules
    assert rules is not None
    units = lots * 65
    costs = costs_of(at_trade().state, "NFO")
    exact = charges_paise(charge_lines(rules, "NFO", "BUY", buy, units)) + charges_paise(
        charge_lines(rules, "NFO", "SELL", sell, units)
    )
    assert abs(costs.both_ways(buy * units, sell * units) - exact) <= 12


def test_reward_over_risk_is_after_charges() -> None:
    """Charges come off the gain and on the loss; a gain below the charges is no reward."""
    plan = Plan(1_000, 900, 1_200, 0, 500, 10)
    assert plan.risk_lot_paise == 100 * 10 + 500
    assert plan.reward_milli == (200 * 10 - 500) * 1000 // 1_500
    assert Plan(1_000, 900, 1_010, 0, 500, 10).reward_milli == 0

"""N6 and N11 over a book: limits in rupees at their boundary, monotone, tradable by default."""

from __future__ import annotations

import functools
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.config import Config, merge
from engine.cycle import decide_cycle
from engine.gates import risk, sizing
from engine.gates.contract import Pick, Plan
from engine.lookup import lookup_for
from engine.options import pricer_for
from engine.risk.limits import LIMITS, OTHERS
from engine.risk.portfolio import book_of, worst_loss_paise
from engine.state import State
from events.decision import CandidateProposed, GateRow, GatesEvaluated
from events.gates import BY_GATE
from events.orders import IntentApproved
from tests.engine.build import Moment, at_trade, moment_of, view_of, with_config, with_quote
from tests.engine.fabricated import SmallMarket, relaxed, small_facts
from tests.engine.gates.cases import WHEN_HELD, WIDE, account, bps, freeze, picked, with_premium
from tests.engine.risk.test_portfolio import LOT, held

CONTRACT = 12


def _rows(state: State) -> dict[str, GateRow]:
    """N6's rows by gate."""
    return {row.gate: row for row in risk.judge(view_of(state), book_of(state)).rows}


def _holding() -> State:
    return held(with_config(at_trade().state, risk=WIDE), CONTRACT, 100 * LOT)


def _figures() -> dict[str, int]:
    """What N6 should see of the position, by gate, in paise."""
    state = _holding()
    book = book_of(state)
    assert book.net is not None and book.corners is not None
    return {
        "exposure": book.legs[0].premium_paise,
        "net_delta": abs(book.net.delta_paise),
        "net_gamma": abs(book.net.gamma_paise),
        "net_vega": abs(book.net.vega_paise),
        "net_theta": -book.net.theta_paise,
        "stress": worst_loss_paise(book.corners),
    }


SETTINGS = {
    "exposure": "exposure_underlying_bps_max", "net_delta": "net_delta_bps_max",
    "net_gamma": "net_gamma_bps_max", "net_vega": "net_vega_bps_max",
    "net_theta": "net_theta_bps_max", "stress": "stress_loss_bps_max",
}  # fmt: skip


@pytest.mark.parametrize("gate", sorted(WHEN_HELD))
def test_what_is_held_passes_on_its_limit_and_blocks_a_paisa_past_it(gate: str) -> None:
    """Each limit of the book at exactly its figure, and a paisa of capital's share below it."""
    observed = _figures()[gate]
    state = with_config(_holding(), risk={SETTINGS[gate]: 100})
    on = _rows(account(state, capital_paise=observed * 100))[gate]
    assert (on.verdict, on.observed, on.limit, on.margin) == ("PASS", observed, observed, 0)
    past = _rows(account(state, capital_paise=observed * 100 - 1))[gate]
    assert (past.verdict, past.margin) == ("BLOCK", -1)
    assert past.reason == BY_GATE[gate].codes[0]


def test_rows_of_the_book_stand_only_while_something_is_held() -> None:
    """Nothing held and nothing entering: no row of the book, and no work for one."""
    assert not WHEN_HELD & set(_rows(at_trade().state))
    assert set(_rows(_holding())) >= WHEN_HELD
    rows = [row.gate for row in risk.judge(view_of(_holding()), book_of(_holding())).rows]
    assert rows == [name for name in BY_GATE if name in rows]
    assert rows[-1] == "risk_state"


def test_greeks_and_marks_that_are_not_known_block_with_their_own_codes() -> None:
    """A held contract without a quote: the day's result, the greeks and the stress are UNKNOWN, and
    so is the size of any entry; its premium is known all the same."""
    state = with_quote(_holding(), CONTRACT, None)
    rows = _rows(state)
    for gate in ("daily_loss", "profit_lock", "drawdown"):
        assert (rows[gate].verdict, rows[gate].reason) == ("UNKNOWN", "RISK_MARK_UNKNOWN")
    for gate in WHEN_HELD - {"exposure"}:
        assert (rows[gate].verdict, rows[gate].reason) == ("UNKNOWN", "RISK_GREEKS_UNKNOWN")
    assert rows["exposure"].observed is not None
    pick = picked(at_trade().state)
    sized, lots = sizing.judge(view_of(state), pick, book_of(state))
    unknown = {row.gate: row.reason for row in sized.rows if row.verdict == "UNKNOWN"}
    assert lots == 0
    assert set(unknown.values()) == {"SIZE_GREEKS_UNKNOWN"}
    assert {gate for gate, _ in sizing.GREEKS} == set(unknown)
    blind = replace(pick, vol=None, greeks=None)
    sized, lots = sizing.judge(view_of(at_trade().state), blind, book_of(at_trade().state))
    assert (sized.reason, lots) == ("SIZE_GREEKS_UNKNOWN", 0)
    market = at_trade().state.markets[0]
    nowhere = replace(at_trade().state, markets=(replace(market, expiries=()),))
    assert sizing.judge(view_of(nowhere), pick, book_of(nowhere))[0].verdict == "UNKNOWN"


# --- sizing beside a book -------------------------------------------------------------------------


def test_a_lot_the_other_way_has_more_room_and_none_past_the_limit() -> None:
    """Net of both signs: what is held one way makes room the other way, until it is past its limit
    by itself. A limit that a lot does not come near to gives any number."""
    assert sizing.within_both(100, 60, 10) == 4
    assert sizing.within_both(100, 60, -10) == 16
    assert sizing.within_both(100, -60, -10) == 4
    assert sizing.within_both(100, 100, 10) == 0
    assert sizing.within_both(100, 101, -10) == 0
    assert sizing.within_both(100, 0, 0) == sizing.MANY
    assert sizing.within(100, 0, -5) == sizing.within(10**9, 0, 1) == sizing.MANY
    assert sizing.within(100, 101, -5) == 0


@given(st.integers(0, 10**6), st.integers(-(10**6), 10**6), st.integers(-(10**4), 10**4))
def test_room_is_exact(limit: int, beside: int, lot: int) -> None:
    """As many lots as fit stay within the limit on both sides, and one more does not."""
    lots = sizing.within_both(limit, beside, lot)
    if lots and lots < sizing.MANY:
        assert abs(beside + lots * lot) <= limit < abs(beside + (lots + 1) * lot)
    if not lots:
        assert abs(beside) > limit or abs(beside + lot) > limit


def test_a_straddle_is_stressed_where_nothing_moves() -> None:
    """With a call held a put has as many lots as the worst corner of both together allows: found by
    adding lots one by one and revaluing the whole."""
    state = held(with_config(at_trade().state, risk=WIDE), CONTRACT, 10 * LOT)
    emap = state.underlyings[0].expiries[0]
    put = emap.puts[emap.calls.index(CONTRACT)] if CONTRACT in emap.calls else CONTRACT - 1
    state = with_config(state, risk={"stress_loss_bps_max": 5_000, "lots_max": 100_000})
    view = view_of(state)
    assert view.near is not None and view.near.forward_paise is not None
    row = state.instruments[put]
    quote = state.quotes[put]
    assert quote is not None
    pricer = pricer_for(view.near.forward_paise, view.near.t_years, view.near.df, 5)
    greeks = pricer.greeks(float(row.strike_paise), row.kind, 0.14)
    plan = Plan(quote.ask_paise, quote.ask_paise // 2, quote.ask_paise * 2, 0, 0, LOT)
    pick = Pick(put, 0, 0, plan, 0.14, greeks)
    rows = {one.gate: one for one in sizing.judge(view, pick, book_of(state))[0].rows}
    lots = rows["lots_by_stress"].observed
    assert lots is not None and lots > 0
    limit = bps(state, 5_000)

    def loss(number: int) -> int:
        """The worst corner of the whole, the put at what it costs."""
        from engine.risk.portfolio import candidate, corners_milli

        one = candidate(pricer, row.strike_paise, row.kind, 0.14, plan.entry_paise)
        corners = book_of(state).corners
        assert corners is not None
        whole = [
            beside + number * (result * LOT // 1_000)
            for beside, result in zip(
                corners, corners_milli(state, one, one.worth_paise), strict=True
            )
        ]
        return max(-min(whole), 0)

    assert loss(lots) <= limit < loss(lots + 1)


# --- the first trade ------------------------------------------------------------------------------


@given(st.integers(1, 10_000), st.integers(5, 60_000), st.integers(0, 10**9))
@settings(max_examples=60)
def test_the_first_trade_of_an_expiry_is_no_concentration(
    share: int, entry: int, capital: int
) -> None:
    """With nothing held, whatever the limit, the premium and the capital: the expiry's row passes.
    The old bot's limit of 65 % of the book refused every first trade: it is all of itself."""
    state = account(at_trade().state, capital_paise=capital)
    state = with_config(state, risk={"expiry_premium_bps_max": share})
    plan = Plan(entry, entry - 1, entry * 2, 0, 100, LOT)
    pick = replace(picked(at_trade().state), plan=plan)
    rows = {one.gate: one for one in sizing.judge(view_of(state), pick, book_of(state))[0].rows}
    assert rows["lots_by_expiry"].verdict == "PASS"
    beside = {one.gate: one for one in _sized_beside(state, pick)}
    assert beside["lots_by_expiry"].observed != sizing.MANY


def _sized_beside(state: State, pick: Pick) -> tuple[GateRow, ...]:
    """N11's rows with a unit of the same expiry entering at all the capital."""
    full = with_premium(state, state.account.capital_paise + 1)
    return sizing.judge(view_of(full), pick, book_of(full))[0].rows


# --- monotone -------------------------------------------------------------------------------------

TIGHTEN = {
    **{row.key: row.tighter for row in LIMITS},
    **{key: side for key, side in OTHERS.items() if key.startswith(("risk.", "orders."))},
}
BOUNDS = {"LOWER": 1, "HIGHER": 10_000}


def _verdicts(state: State) -> tuple[bool, dict[str, str]]:
    """Whether the cycle trades, and the verdict of each row of N6 and N11."""
    made = decide_cycle(state, 0, lookup_for(state).slot_of, 1)
    gates = next(one for one in made if isinstance(one, GatesEvaluated))
    rows = (
        row for stage in gates.official for row in stage.rows if stage.stage[:3] in ("N6_", "N11")
    )
    return any(isinstance(one, IntentApproved) for one in made), {r.gate: r.verdict for r in rows}


@functools.cache
def _scenes() -> tuple[State, ...]:
    """Nothing held; a call held; two contracts and an entry; a losing day; a winning one."""
    plain = at_trade().state
    some = with_config(plain, risk={"positions_underlying_max": 9})
    return (
        plain,
        held(some, CONTRACT),
        with_premium(held(held(some, CONTRACT), 7), 9_000_000),
        account(plain, realised_paise=-3_000_000, loss_streak=2, trades_today=4),
        account(plain, realised_paise=6_000_000, trades_today=2),
    )


@given(st.integers(0, 4), st.sampled_from(sorted(TIGHTEN)), st.integers(0, 10_000), st.data())
@settings(max_examples=120)
def test_tightening_any_limit_never_turns_a_block_into_a_pass(
    scene: int, key: str, by: int, data: st.DataObject
) -> None:
    """In five situations, under random limits: with one of them tightened no row that did not pass
    passes, and no cycle that did not trade trades."""
    section, _, name = key.partition(".")
    state = _scenes()[scene]
    other = data.draw(st.sampled_from(sorted(SETTINGS.values())))
    loose = with_config(state, risk={other: data.draw(st.integers(1, 5_000))})
    value = getattr(getattr(loose.config, section), name)
    tighter = max(value - by % value, 1) if TIGHTEN[key] == "LOWER" else value + by
    try:
        tight = with_config(loose, **{section: {name: tighter}})
    except ValueError:
        return  # out of the setting's bounds
    before, after = _verdicts(loose), _verdicts(tight)
    assert not (after[0] and not before[0])
    for gate, verdict in before[1].items():
        if verdict != "PASS" and gate in after[1]:
            assert after[1][gate] != "PASS", gate


# --- the default configuration trades -------------------------------------------------------------

LAKH = 10_000_000


def _money_by_default(profile: str) -> Config:
    """The small market's warm-up and regime, which say nothing of money; all limits, the contract's
    filters and the plan as they are by default, at 100,000 rupees."""
    default, easy = merge(Config(), {"risk": {"profile": profile}}), relaxed()
    assert default.account.capital_paise == LAKH
    return replace(easy, account=default.account, risk=default.risk, contract=default.contract,
                   plan=default.plan, orders=default.orders)  # fmt: skip


@functools.cache
def _first(profile: str) -> Moment:
    facts = small_facts(SmallMarket(minutes=40), _money_by_default(profile))
    return moment_of(facts, IntentApproved)


@pytest.mark.parametrize("profile", ["PILOT", "NORMAL", "AGGRESSIVE"])
def test_the_default_configuration_trades_one_lot_of_nifty_at_a_lakh(profile: str) -> None:
    """The real lot of 65, an at-the-money premium, all charges, every gate of the engine: one lot
    is approved under every profile. The old bot's limits let no lot of any index through."""
    state = _first(profile).state
    made = decide_cycle(state, 0, lookup_for(state).slot_of, 1)
    (intent,) = [one for one in made if isinstance(one, IntentApproved)]
    (found,) = [one for one in made if isinstance(one, CandidateProposed)]
    assert (intent.lots, intent.quantity_units) == (1, 65)
    assert state.instruments[intent.contract].underlying == "NIFTY"
    assert found.delta_milli is not None and 350 <= abs(found.delta_milli) <= 650
    assert 6_000 <= found.entry_paise <= 18_500
    sys.stdout.write(f"{profile}: premium {found.entry_paise}, risk {intent.risk_paise}\n")


@pytest.mark.parametrize(
    ("premium", "lots"), [(4_000, 2), (8_000, 2), (11_000, 1), (13_500, 1), (17_800, 1)]
)
def test_what_a_lakh_buys_by_premium(premium: int, lots: int) -> None:
    """At the default limits and a real charge table: one lot of an at-the-money weekly of 100 to
    178 rupees, two of a cheaper one, for a third would pass the limit of delta."""
    state = replace(at_trade().state, config=_money_by_default("NORMAL"))
    state = account(freeze(state, 1800), capital_paise=LAKH)
    stop = premium * 8 // 10
    plan = Plan(premium, stop - stop % 5, premium * 13 // 10, 0, 6_500, LOT)
    sized, found = sizing.judge(
        view_of(state), replace(picked(at_trade().state), plan=plan), book_of(state)
    )
    assert sized.verdict == "PASS", sized.reason
    assert found == lots


def test_a_premium_past_the_budget_has_its_code() -> None:
    """A lot at 200 rupees risks 2,796 at its limit: past the 2,500 of a trade, and said so."""
    state = replace(at_trade().state, config=_money_by_default("NORMAL"))
    state = account(state, capital_paise=LAKH)
    plan = Plan(20_000, 16_000, 26_000, 0, 6_500, LOT)
    sized, lots = sizing.judge(
        view_of(state), replace(picked(at_trade().state), plan=plan), book_of(state)
    )
    assert (sized.reason, lots) == ("SIZE_RISK_BUDGET", 0)

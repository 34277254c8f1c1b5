"""The risk machine: halts that begin by a limit and end by their rule, over restarts and days."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from engine import decide
from engine.carry import carry_over
from engine.core import Core
from engine.cycle import decide_cycle
from engine.exits import RULES, decide_exits
from engine.lookup import lookup_for
from engine.opening import opening_facts, session_opened
from engine.risk.day import (
    cvar_paise,
    fires_of,
    funds_paise,
    result_paise,
    tail_of,
    underlying_result_paise,
    with_fire,
    with_high,
)
from engine.risk.machine import CONDITIONS, watch_risk
from engine.risk.states import AUTOMATIC, HALTS, STATES
from engine.state import Fire, State
from engine.work import Item
from events.base import Event
from events.decision import DecisionMade, GatesEvaluated
from events.feed import TimerTick
from events.governance import CommandAnswered
from events.orders import ExitSignalled, IntentApproved, OrderChanged, PositionChanged
from events.risk import RiskTransitioned
from events.session import CarriedOver, OperatorCommand, SessionOpened
from tests.engine.build import MS, at_trade, entry_of, quote_of, with_config, with_quote
from tests.engine.fabricated import DAY, SmallMarket, relaxed, small_rows
from tests.engine.gates.cases import WIDE, Change, account, bps, order_of, rules, with_order
from tests.engine.gates.cases import risk as known
from tests.engine.risk.test_portfolio import LOT, held

CONTRACT = 12
GREEKS_WIDE = {name: most for name, most in WIDE.items() if name.startswith(("net_", "str", "exp"))}


def _tick(state: State, ms: int = 0) -> list[Event]:
    """What a tick leads to in a state."""
    core = Core(state)
    ts = state.now + ms * MS
    return [one.entry.event for one in core.step(state.seq + 1, ts, TimerTick(ts, 0))]


def _moves(events: list[Event]) -> list[RiskTransitioned]:
    return [one for one in events if isinstance(one, RiskTransitioned)]


def _bid(state: State, paise: int) -> State:
    """The held contract is bid at so much, and asked a tick above."""
    quote = replace(quote_of(state, CONTRACT), bid_paise=paise, ask_paise=paise + 5)
    return with_quote(state, CONTRACT, quote)


def _losing(units: int = 3_900, **changes: Any) -> State:
    """A position whose open loss is past the day's limit, its stop far below."""
    state = held(at_trade().state, CONTRACT, units, **changes)
    limit = bps(state, state.config.risk.daily_loss_bps_max)
    bid = quote_of(state, CONTRACT).ask_paise - limit // units - 1
    return _bid(state, bid)


# --- the day's result -----------------------------------------------------------------------------


def test_an_open_loss_counts_at_the_bid_with_the_charges_of_the_exit() -> None:
    """Result: closed less charges, and each long at its bid less what selling it there costs."""
    state = account(held(at_trade().state, CONTRACT), realised_paise=5_000, charges_paise=700)
    quote = quote_of(state, CONTRACT)
    gross = 5_000 - 700 + (quote.bid_paise - quote.ask_paise) * LOT
    result = result_paise(state)
    assert result is not None
    assert 2_000 < gross - result < 8_000, "brokerage, STT and the rest of a sale"
    assert result_paise(account(at_trade().state, realised_paise=9, charges_paise=2)) == 7


@pytest.mark.parametrize(
    "lose",
    [
        lambda s: with_quote(s, CONTRACT, None),
        lambda s: with_quote(s, CONTRACT, replace(quote_of(s, CONTRACT), seen_ns=0)),
        lambda s: rules(s, charges=()),
        lambda s: replace(s, rules=None),
    ],
)
def test_a_mark_that_is_not_known_leaves_the_day_without_a_result(lose: Any) -> None:
    """No quote, an old one or no charges: UNKNOWN, which halts nothing and lets nothing in."""
    state = lose(_losing())
    assert result_paise(state) is None
    assert with_high(state) is state
    assert watch_risk(state) == []


def test_a_contract_that_nobody_bids_for_is_worth_nothing() -> None:
    """No bid is no mark of zero by accident: the whole premium counts as lost, and a crossed book's
    bid is not believed."""
    state = held(at_trade().state, CONTRACT)
    whole = result_paise(_bid(state, 0))
    quote = quote_of(state, CONTRACT)
    crossed = with_quote(state, CONTRACT, replace(quote, bid_paise=quote.ask_paise + 500))
    assert whole is not None
    assert whole <= -quote.ask_paise * LOT
    assert result_paise(crossed) == whole


def test_the_high_of_the_day_only_rises() -> None:
    """A gain raises it at the next tick; a fall leaves it; a closed day keeps it at least at 0."""
    state = _bid(
        held(at_trade().state, CONTRACT), quote_of(at_trade().state, CONTRACT).ask_paise + 900
    )
    high = with_high(state).risk.high_paise
    result = result_paise(state)
    assert result is not None
    assert high == result > 0
    assert with_high(_bid(with_high(state), 500)).risk.high_paise == high
    core = Core(state)
    core.step(state.seq + 1, state.now, TimerTick(state.now, 0))
    assert core.state.risk.high_paise >= high


# --- halts that begin -----------------------------------------------------------------------------


def test_a_daily_loss_halts_hard_and_ends_what_works_of_entries() -> None:
    """The open loss passes the limit: HARD_HALT with what was measured, the entry that works is
    cancelled, and no underlying enters; the position goes on by its own plan."""
    state = with_order(_losing(), contract=6, filled_units=0, due_ns=2**62, expires_ns=2**62)
    events = _tick(state)
    (moved,) = _moves(events)
    assert (moved.before, moved.after, moved.reason) == ("NORMAL", "HARD_HALT", "RISK_DAILY_LOSS")
    assert moved.observed is not None and moved.limit is not None
    assert moved.observed > moved.limit == bps(state, state.config.risk.daily_loss_bps_max)
    ended = [one for one in events if isinstance(one, OrderChanged)]
    assert [(one.status, one.reason) for one in ended] == [("CANCELLED", "ORDER_KILLED")]
    made = [one for one in events if isinstance(one, DecisionMade)]
    assert {(one.outcome, one.reason) for one in made} == {("NO_TRADE", "RISK_DAILY_LOSS")}
    assert events.index(moved) < events.index(made[0])


def test_a_halt_stays_when_its_limit_is_kept_again() -> None:
    """The loss is won back before the next tick: the row of the loss passes, that of the state
    blocks with the same code, and nothing is told twice."""
    wide = {"open_risk_bps_max": 10_000, "positions_underlying_max": 9, **GREEKS_WIDE}
    state = with_config(_losing(), risk=wide)
    core = Core(state)
    core.step(state.seq + 1, state.now, TimerTick(state.now, 0))
    back = _bid(core.state, quote_of(state, CONTRACT).ask_paise + 500)
    events = _tick(back)
    assert _moves(events) == []
    (made,) = [one for one in events if isinstance(one, DecisionMade)]
    assert made.reason == "RISK_DAILY_LOSS"
    (gates,) = [one for one in events if isinstance(one, GatesEvaluated)]
    rows = {row.gate: row.verdict for row in gates.official[5].rows}
    assert (rows["daily_loss"], rows["risk_state"]) == ("PASS", "BLOCK")


SOFT: dict[str, Change] = {
    "RISK_DRAWDOWN": lambda s: known(s, high_paise=bps(s, s.config.risk.drawdown_bps_max) + 1),
    "RISK_PROFIT_LOCK": lambda s: account(
        s, realised_paise=bps(s, s.config.risk.profit_lock_bps_max) + 1),
    "RISK_LOSS_STREAK": lambda s: account(s, loss_streak=s.config.risk.loss_streak_max),
    "RISK_REPEAT_FIRE": lambda s: known(
        s, fires=tuple(Fire("trend.v1", "NIFTY", s.now - n)
                       for n in range(s.config.risk.repeat_fires_max))),
}  # fmt: skip
HARD: dict[str, Change] = {
    "RISK_DAILY_LOSS": lambda s: account(
        s, realised_paise=-bps(s, s.config.risk.daily_loss_bps_max) - 1),
    "RISK_CVAR": lambda s: known(
        s, closed_paise=(0,) * s.config.risk.cvar_trades_min,
        tail_paise=bps(s, s.config.risk.cvar_bps_max) + 1),
}  # fmt: skip


@pytest.mark.parametrize("code", AUTOMATIC)
def test_each_automatic_halt_begins_just_past_its_limit(code: str) -> None:
    """One unit past: the halt, of its own hardness; nothing on the limit itself."""
    change: Change = (SOFT | HARD)[code]
    state = change(at_trade().state)
    (moved,) = watch_risk(state)
    assert isinstance(moved, RiskTransitioned)
    assert (moved.reason, moved.after) == (code, "SOFT_HALT" if code in SOFT else "HARD_HALT")
    assert moved.observed is not None and moved.limit is not None
    assert moved.observed == moved.limit + 1
    measured = CONDITIONS[code](state, result_paise(state))
    assert measured == (moved.observed, moved.limit)
    assert watch_risk(at_trade().state) == []
    (again,) = watch_risk(change(known(at_trade().state, status="RECOVERY")))
    assert isinstance(again, RiskTransitioned)
    assert again.after == ("SOFT_HALT" if code == "RISK_PROFIT_LOCK" else "HARD_HALT")


def test_several_halts_are_told_one_by_one() -> None:
    """A day that loses with a streak: both halts, the loss first, each once."""
    state = SOFT["RISK_LOSS_STREAK"](HARD["RISK_DAILY_LOSS"](at_trade().state))
    core = Core(state)
    command = OperatorCommand("ACK", "x", "", "I1", None, "c1", "SOCKET")
    moves = _moves([one.entry.event for one in core.step(state.seq + 1, state.now, command)])
    assert [one.reason for one in moves] == ["RISK_DAILY_LOSS", "RISK_LOSS_STREAK"]
    assert moves[-1].halts == ("RISK_DAILY_LOSS", "RISK_LOSS_STREAK")
    assert core.state.account.halts == core.state.risk.halts == moves[-1].halts


def test_a_strategy_that_fires_again_and_again_needs_a_person() -> None:
    """E08: the entries of one strategy in one underlying within the window; another strategy's, an
    older one's and the slices of one entry do not count."""
    state = at_trade().state
    most, window_ns = state.config.risk.repeat_fires_max, state.config.risk.repeat_window_s * 10**9
    for number in range(most - 1):
        state = with_fire(state, "trend.v1", "NIFTY", state.now - number)
    state = with_fire(state, "trend.v1", "NIFTY", state.now)
    state = with_fire(state, "other.v1", "NIFTY", state.now)
    state = with_fire(state, "trend.v1", "SENSEX", state.now)
    state = with_fire(state, "trend.v1", "NIFTY", state.now - window_ns)
    assert fires_of(state, "trend.v1", "NIFTY") == most - 1
    assert watch_risk(state) == []
    (moved,) = watch_risk(with_fire(state, "trend.v1", "NIFTY", state.now - most))
    assert isinstance(moved, RiskTransitioned)
    assert (moved.reason, moved.observed, moved.limit) == ("RISK_REPEAT_FIRE", most + 1, most)
    for number in range(200):
        state = with_fire(state, "trend.v1", "NIFTY", state.now + number)
    assert len(state.risk.fires) == 64


def test_an_approved_entry_is_counted_as_fired() -> None:
    """The very tick that approves an entry counts it for its strategy and underlying."""
    moment = at_trade()
    core = Core(moment.before)
    events = [
        one.entry.event for one in core.step(moment.fact.seq, moment.fact.ts, moment.fact.event)
    ]
    (intent,) = [one for one in events if isinstance(one, IntentApproved)]
    assert core.state.risk.fires == (Fire(intent.strategy_id, "NIFTY", moment.fact.ts),)
    tight = with_config(moment.before, risk={"repeat_fires_max": 1})
    core = Core(tight)
    moves = _moves(
        [one.entry.event for one in core.step(moment.fact.seq, moment.fact.ts, moment.fact.event)]
    )
    assert [one.reason for one in moves] == ["RISK_REPEAT_FIRE"]
    assert len(core.state.orders) == 1, "a soft halt is of what comes after it"


# --- CVaR -----------------------------------------------------------------------------------------


def test_cvar_is_a_share_of_capital_and_of_enough_trades() -> None:
    """The old bot compared rupees with a fraction, so that one trade that lost three rupees halted
    it for good: here it does nothing, and neither do thirty-nine; forty are a sample."""
    assert tail_of((-300,)) == 300
    few = known(at_trade().state, closed_paise=(-(10**9),) * 39, tail_paise=10**9)
    assert cvar_paise(few) is None
    assert watch_risk(few) == []
    three_rupees = known(at_trade().state, closed_paise=(-300,) * 40, tail_paise=300)
    assert cvar_paise(three_rupees) == 300
    assert watch_risk(three_rupees) == []


@pytest.mark.parametrize(
    ("closed", "tail"),
    [((), 0), ((5, 7), 0), ((-1, 100), 1), (tuple(range(-40, 0)), 40),
     (tuple(range(-41, 0)), 40), ((-3, -4, *(0,) * 38), 4), ((-3,) * 20 + (-4,), 4)],
)  # fmt: skip
def test_the_tail_is_the_mean_of_the_worst_twentieth(closed: tuple[int, ...], tail: int) -> None:
    """Of forty the worst two, of fewer than twenty-one the worst one; rounded up; never a gain."""
    assert tail_of(closed) == tail


# --- halts that end -------------------------------------------------------------------------------


def _session(carried: CarriedOver, day: int = DAY) -> Core:
    """A session of a day that has just taken in what the account carries."""
    market = SmallMarket()
    opened = replace(session_opened(market, relaxed(), small_rows(), "c" * 64), day=day)
    assert isinstance(opened, SessionOpened)
    core = Core()
    for event in opening_facts(opened, carried, market, small_rows())[:3]:
        core.step(core.state.seq + 1, market.anchor_ns, event)
    return core


def _halted(*codes: str, status: str = "HARD_HALT") -> State:
    """The moment of an entry, halted."""
    return known(account(at_trade().state, halts=codes), halts=codes, status=status)


def _next(state: State, day: int) -> Core:
    return _session(carry_over(state, "00" * 32, day, orders_unknown=False), day)


def test_halts_survive_a_restart_on_the_same_day() -> None:
    """Another session of the day begins as the last one ended: state, halts, high, results, fires
    and closed trades."""
    state = known(_halted("RISK_DAILY_LOSS", "GOV_HALTED"), high_paise=777, closed_paise=(-5, 3),
                  fires=(Fire("trend.v1", "NIFTY", 5),))  # fmt: skip
    core = _next(state, DAY)
    risk = core.state.risk
    assert (risk.status, risk.halts) == ("HARD_HALT", ("RISK_DAILY_LOSS", "GOV_HALTED"))
    assert core.state.account.halts == ("RISK_DAILY_LOSS", "GOV_HALTED")
    assert (risk.high_paise, risk.closed_paise, risk.tail_paise) == (777, (-5, 3), 5)
    assert risk.fires == (Fire("trend.v1", "NIFTY", 5),)
    assert watch_risk(core.state) == []


NEXT = 20261123


def test_the_next_day_ends_what_a_day_ends_and_nothing_else() -> None:
    """The daily loss is over and the account recovers; the operator's halt and the repeated fire
    wait for a person, whatever the day."""
    core = _next(_halted("RISK_DAILY_LOSS", "RISK_DRAWDOWN"), NEXT)
    assert (core.state.risk.status, core.state.account.halts) == ("RECOVERY", ())
    core = _next(_halted("RISK_PROFIT_LOCK", status="SOFT_HALT"), NEXT)
    assert (core.state.risk.status, core.state.account.halts) == ("NORMAL", ())
    core = _next(_halted("RISK_DAILY_LOSS", "GOV_HALTED", "RISK_CVAR"), NEXT)
    assert core.state.account.halts == core.state.risk.halts == ("GOV_HALTED", "RISK_CVAR")
    assert core.state.risk.status == "HARD_HALT"
    counts = known(at_trade().state, high_paise=9, closed_paise=(-7,))
    fresh = _next(counts, NEXT).state.risk
    assert (fresh.high_paise, fresh.closed_paise, fresh.results) == (0, (-7,), ())


def test_what_ends_with_a_day_is_told() -> None:
    """The session's journal says that the halts ended, why and what is left."""
    state = _halted("RISK_DAILY_LOSS", "GOV_HALTED")
    carried = carry_over(state, "00" * 32, NEXT, orders_unknown=False)
    market = SmallMarket()
    opened = replace(session_opened(market, relaxed(), small_rows(), "c" * 64), day=NEXT)
    assert isinstance(opened, SessionOpened)
    core = Core()
    core.step(1, market.anchor_ns, opened)
    (moved,) = _moves([one.entry.event for one in core.step(2, market.anchor_ns, carried)])
    assert (moved.trigger, moved.reason) == ("SOFT_LEFT", "RISK_HALT_CLEARED")
    assert (moved.before, moved.after, moved.halts) == ("HARD_HALT", "HARD_HALT", ("GOV_HALTED",))


def _command(state: State, verb: str) -> tuple[State, list[RiskTransitioned]]:
    core = Core(state)
    command = OperatorCommand(verb, "x", "seen to", None, None, f"c{verb}", "SOCKET")
    events = [one.entry.event for one in core.step(state.seq + 1, state.now, command)]
    return core.state, _moves(events)


def test_an_operator_s_halt_is_told_and_ends_with_resume_alone() -> None:
    """HALT: a soft halt, once; RESUME: NORMAL again. A recovery is not escaped that way."""
    state, moves = _command(at_trade().state, "HALT")
    assert [(m.after, m.reason, m.halts) for m in moves] == [
        ("SOFT_HALT", "GOV_HALTED", ("GOV_HALTED",))
    ]
    again, moves = _command(replace(state, desk=replace(state.desk, commands=())), "HALT")
    assert moves == []
    state, moves = _command(again, "RESUME")
    assert [(m.after, m.reason, m.halts) for m in moves] == [("NORMAL", "RISK_RESUMED", ())]
    state, _ = _command(known(at_trade().state, status="RECOVERY"), "HALT")
    state, _ = _command(state, "RESUME")
    assert (state.risk.status, state.account.halts) == ("RECOVERY", ())


def test_resume_ends_no_halt_that_ends_with_the_day() -> None:
    """Nobody talks the account into one more trade: a daily loss outlasts the word. What waited for
    a person is over, and its count begins anew."""
    codes = ("RISK_DAILY_LOSS", "RISK_CVAR", "RISK_REPEAT_FIRE", "GOV_HALTED")
    state = known(_halted(*codes), closed_paise=(-9,) * 50, tail_paise=9,
                  fires=(Fire("a", "b", 1),))  # fmt: skip
    state = account(state, realised_paise=-1)
    state, moves = _command(state, "RESUME")
    assert state.account.halts == state.risk.halts == ("RISK_DAILY_LOSS",)
    assert [(m.trigger, m.after) for m in moves] == [("HARD_LEFT", "HARD_HALT")]
    assert (state.risk.closed_paise, state.risk.tail_paise, state.risk.fires) == ((), 0, ())


def test_resume_says_which_halt_it_leaves_in_force() -> None:
    """A person who resumes a day that is over by its loss is told so in the answer."""
    for halts, reason in ((("GOV_HALTED",), "CMD_ACCEPTED"),
                          (("GOV_HALTED", "RISK_DAILY_LOSS"), "RISK_DAILY_LOSS")):  # fmt: skip
        state = _halted(*halts)
        core = Core(state)
        command = OperatorCommand("RESUME", "ana", "looked at it", None, None, "", "SOCKET")
        told = [one.entry.event for one in core.step(state.seq + 1, state.now, command)]
        (answer,) = [one for one in told if isinstance(one, CommandAnswered)]
        assert (answer.outcome, answer.reason) == ("ACCEPTED", reason)


def test_recovery_ends_with_a_trade_that_wins() -> None:
    """A closed position with a gain after charges leads to NORMAL; one without does not."""
    from engine.risk.machine import trade_closed

    def closed(realised: int, status: str = "CLOSED") -> PositionChanged:
        return PositionChanged(
            "p", "NIFTY", "t", 2, status, 0, 0, 0, 0, 0, 0, realised, 100, "EXIT_TARGET"
        )

    def after(net: int) -> State:
        state = known(at_trade().state, status="RECOVERY")
        return replace(state, risk=replace(state.risk, closed_paise=(net,)))

    state = after(1)
    (moved,) = trade_closed(state, closed(101))
    assert isinstance(moved, RiskTransitioned)
    assert (moved.trigger, moved.after, moved.reason) == ("WON", "NORMAL", "RISK_RECOVERED")
    said = decide.decide(
        state,
        Item("PositionChanged", 0, entry_of(closed(101), state.seq, state.now)),
        lookup_for(state),
        state.seq + 1,
    ).events
    assert [one.reason for one in said if isinstance(one, RiskTransitioned)] == ["RISK_RECOVERED"]
    assert trade_closed(after(0), closed(100)) == []
    assert trade_closed(known(at_trade().state, status="RECOVERY"), closed(101)) == []
    assert trade_closed(state, closed(101, "OPEN")) == []
    leg = replace(closed(101), position_id="0123456789abcdefS")
    assert trade_closed(state, leg) == [], "a pair ends with its long"
    assert trade_closed(at_trade().state, closed(101)) == []


def test_a_closed_position_counts_for_its_underlying_and_among_the_last() -> None:
    """Net of charges, added to what the underlying had; the day's high follows."""
    from engine.books import settle_closed

    state = held(at_trade().state, CONTRACT, realised_paise=900, charges_paise=200)
    one = replace(state.positions[-1], quantity_units=0)
    state = settle_closed(settle_closed(state, one, state.now), one, state.now)
    assert underlying_result_paise(state, "NIFTY") == 1_400
    assert underlying_result_paise(state, "SENSEX") == 0
    assert state.risk.closed_paise == (700, 700)
    many = known(state, closed_paise=(1,) * 250)
    assert settle_closed(many, one, state.now).risk.closed_paise == (*(1,) * 249, 700)


# --- exits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", STATES)
def test_exits_are_never_blocked(status: str) -> None:
    """In every state, with every halt at once, without funds, marks or greeks of anything else:
    each position at its stop is signalled. The old bot's exits stood behind its entry gates."""
    codes = tuple(one.code for one in HALTS)
    state = held(at_trade().state, CONTRACT, stop_paise=2**40)
    state = held(state, 6, stop_paise=2**40)
    state = known(account(state, halts=codes, capital_paise=0), halts=codes, status=status)
    state = with_quote(state, 4, None)
    signals = [one for one in decide_exits(state) if isinstance(one, ExitSignalled)]
    assert [one.reason for one in signals] == ["EXIT_STOP", "EXIT_STOP"]
    events = _tick(state)
    assert sum(isinstance(one, ExitSignalled) for one in events) == 2
    assert not any(isinstance(one, IntentApproved) for one in events)
    assert len(RULES) > 5


def test_no_order_of_an_exit_is_ended_by_a_hard_halt() -> None:
    """Of what works on paper the entries end alone."""
    from engine.risk.machine import stopped_entries

    state = replace(
        at_trade().state,
        orders=(order_of(at_trade().state), order_of(at_trade().state, role="EXIT", side="SELL")),
    )
    hard = RiskTransitioned("NORMAL", "HARD_HALT", "CVAR", "RISK_CVAR", ("RISK_CVAR",), 2, 1)
    ended = [one for one in stopped_entries(state, hard) if isinstance(one, OrderChanged)]
    assert [one.role for one in ended] == ["ENTRY"]
    assert stopped_entries(state, replace(hard, after="SOFT_HALT")) == []


# --- funds ----------------------------------------------------------------------------------------


def test_with_a_broker_no_more_may_be_spent_than_it_says() -> None:
    """The account's own reckoning or the broker's, whichever is less; of the broker's what has
    entered since is taken off; unsaid, it is not known."""
    state = at_trade().state
    assert state.opened is not None
    assert funds_paise(state) == state.account.capital_paise
    sim = replace(state, opened=replace(state.opened, mode="SIM"))
    assert funds_paise(sim) is None
    said = known(sim, funds_paise=1_000_000, funds_ns=state.now - 5)
    assert funds_paise(said) == 1_000_000
    assert funds_paise(known(said, funds_paise=10**12)) == state.account.capital_paise
    entering = with_order(said, quantity_units=65, filled_units=0, limit_paise=1_000)
    assert funds_paise(entering) == 1_000_000 - 65_000
    bought = held(said, CONTRACT)
    premium = quote_of(state, CONTRACT).ask_paise * LOT
    assert funds_paise(bought) == 1_000_000 - premium
    assert funds_paise(held(said, CONTRACT, opened_ns=state.now - 9)) == 1_000_000


def test_the_cycle_of_a_halted_account_names_the_halt() -> None:
    """Each automatic halt in force is the decision's reason, at N6."""
    for code in AUTOMATIC:
        state = account(at_trade().state, halts=(code,))
        made = decide_cycle(state, 0, lookup_for(state).slot_of, 1)
        decision = next(one for one in made if isinstance(one, DecisionMade))
        assert (decision.reason, decision.stage) == (code, "N6_RISK_OK")

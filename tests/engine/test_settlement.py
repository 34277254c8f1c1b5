"""Positions left at expiry: settled at the exchange's closing value with their tax, or told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.books import free_funds_paise
from engine.carry import carry_over
from engine.core import Core, CoreFault
from engine.rulebook import add_days, ist_ns
from engine.state import Holding, State
from events.governance import IncidentRaised, IncidentResolved
from events.orders import PositionChanged, PositionSettled, RiskStateChanged, SessionSummarised
from events.session import (
    CarriedOrder,
    CarriedOver,
    InstrumentsLoaded,
    SessionClosed,
    SessionOpened,
)
from events.wire.kite import encode_index
from tests.engine.build import at_trade, quote_of, with_quote
from tests.engine.fabricated import (
    DAY,
    SmallMarket,
    frame_fact,
    relaxed,
    run_core,
    small_facts,
)
from tests.engine.test_exits import CONTRACT, ENTRY, _long

INDEX = 0
UNITS = 130
CLOSE = 2_412_340
SESSION_DAY = 20261123
"""The trading day after the small market's: a Monday, and DAY a Friday."""


def expiring(
    inside_paise: int, seen: str = "15:35:00", kind: str = "CE", units: int = UNITS
) -> State:
    """The end of a day on which a held contract has expired, the index so far in its money."""
    state = replace(at_trade().state, now=ist_ns(DAY, "15:39:59"))
    row = state.instruments[CONTRACT]
    strike = CLOSE - inside_paise if kind == "CE" else CLOSE + inside_paise
    rows = list(state.instruments)
    rows[CONTRACT] = replace(row, expiry=DAY, kind=kind, strike_paise=strike)
    printed = replace(quote_of(state, INDEX), ltp_paise=CLOSE, seen_ns=ist_ns(DAY, seen), seq=77)
    state = with_quote(replace(state, instruments=tuple(rows)), INDEX, printed)
    held = _long(state, quantity_units=units, value_paise=units * ENTRY, charges_paise=4_000)
    return replace(state, positions=(held,))


def closed(state: State, hhmm: str = "15:40") -> tuple[Core, list[Any]]:
    """The session's end."""
    core = Core(state)
    derived = core.step(state.seq + 1, ist_ns(DAY, hhmm), SessionClosed("END_OF_DAY"))
    return core, [one.entry.event for one in derived]


def of(events: list[Any], kind: type) -> list[Any]:
    """The events of a kind."""
    return [one for one in events if isinstance(one, kind)]


@pytest.mark.parametrize("kind", ["CE", "PE"])
@pytest.mark.parametrize(
    ("inside", "payoff", "tax"), [(15_000, 15_000, 2_925), (1, 1, 0), (0, 0, 0), (-9_999, 0, 0)]
)
def test_it_pays_what_it_is_in_the_money_less_its_tax(
    kind: str, inside: int, payoff: int, tax: int
) -> None:
    """The closing value against the strike, a call and a put alike; 0.15 % of the intrinsic value
    is tax, and what is worthless pays none."""
    state = expiring(inside, kind=kind)
    core, events = closed(state)
    (settled,) = of(events, PositionSettled)
    assert (settled.payoff_paise, settled.tax_paise) == (payoff, tax)
    assert (settled.index_paise, settled.source, settled.source_seq) == (CLOSE, "CLOSING_PRINT", 77)
    assert settled.realised_paise == (payoff - ENTRY) * UNITS
    assert settled.unsure, "the auction's rule is second hand"
    before, after = state.account, core.state.account
    assert after.realised_paise == before.realised_paise + settled.realised_paise
    assert after.charges_paise == before.charges_paise + tax
    (change,) = of(events, PositionChanged)
    assert (change.status, change.exit_reason) == ("CLOSED", "EXIT_SETTLED")
    assert change.charges_paise == 4_000 + tax
    assert core.state.positions == ()
    assert core.state.unsettled == ()
    (summary,) = of(events, SessionSummarised)
    assert (summary.open_positions, summary.realised_paise) == (0, after.realised_paise)
    assert after.loss_streak == (before.loss_streak + 1 if payoff <= ENTRY else 0)


@given(
    inside=st.integers(-(10**6), 10**6),
    lots=st.integers(1, 40),
    kind=st.sampled_from(("CE", "PE")),
)
def test_a_long_loses_its_cost_at_most(inside: int, lots: int, kind: str) -> None:
    """Whatever the closing value, nobody pays in; the tax never exceeds what is paid out."""
    (settled,) = of(closed(expiring(inside, kind=kind, units=65 * lots))[1], PositionSettled)
    assert settled.realised_paise >= -65 * lots * ENTRY
    assert 0 <= settled.tax_paise <= settled.payoff_paise * settled.quantity_units


def _rule(state: State, which: str, **changes: Any) -> State:
    rows = tuple(replace(o, **changes) if o.name == which else o for o in state.rule_rows)
    return replace(state, rule_rows=rows)


def _estimated(state: State) -> State:
    return replace(state, underlyings=(replace(state.underlyings[0], estimated=True),))


def _live(state: State) -> State:
    assert state.opened is not None
    return replace(state, opened=replace(state.opened, mode="LIVE"))


UNKNOWN = {
    "a print before the auction's end": expiring(100, seen="15:34:59"),
    "no print": with_quote(expiring(100), INDEX, None),
    "an index that is estimated": _estimated(expiring(100)),
    "an average that nobody prints": _rule(
        expiring(100), "settlement.index", value="LAST_HALF_HOUR"
    ),
    "no rule of the value": _rule(expiring(100), "settlement.index", name="another"),
    "no rate of the tax": _rule(expiring(100), "charge.stt.exercise", name="another"),
    "the broker settles": _live(expiring(100)),
    "no rules": replace(expiring(100), rule_rows=()),
}


@pytest.mark.parametrize("why", UNKNOWN)
def test_what_is_not_known_is_told_and_never_invented(why: str) -> None:
    """Without a value or a rate the position stays, is an incident, and goes into the next day."""
    core, events = closed(UNKNOWN[why])
    assert of(events, PositionSettled) == []
    assert [
        one.code for one in of(events, IncidentRaised) if one.code != "CLOSED_UNRECONCILED"
    ] == ["SETTLEMENT_UNKNOWN"]
    assert core.state.account.realised_paise == UNKNOWN[why].account.realised_paise
    carried = carry_over(core.state, "ab" * 32, SESSION_DAY, orders_unknown=False)
    assert [one.quantity_units for one in carried.positions] == [UNITS]


def test_a_session_that_ends_before_the_expiry_settles_nothing() -> None:
    """An operator's end at noon, or a contract of another day: nothing has expired."""
    early = replace(expiring(100), now=ist_ns(DAY, "12:00"))
    later = expiring(100)
    rows = list(later.instruments)
    rows[CONTRACT] = replace(rows[CONTRACT], expiry=DAY + 3)
    for state, hhmm in ((early, "12:01"), (replace(later, instruments=tuple(rows)), "15:40")):
        _, events = closed(state, hhmm)
        assert of(events, PositionSettled) == of(events, IncidentRaised) == []


# --- the day after ---------------------------------------------------------------------------


def next_day(
    state: State, mode: str = "BACKTEST", day: int = SESSION_DAY, orders: tuple[Any, ...] = ()
) -> tuple[Core, list[Any]]:
    """A session of a later day that took the account over, among whose instruments the contract is
    no more; and what it said."""
    core, _ = closed(state)
    carried = carry_over(core.state, "ab" * 32, day, orders_unknown=False)
    carried = replace(carried, unknown_orders=orders)
    facts = list(small_facts(SmallMarket(minutes=1), relaxed(), mode))[:5]
    changed: list[tuple[int, Any]] = []
    shift = ist_ns(day, "09:00") - facts[0][0]
    for ts, event in facts:
        if isinstance(event, SessionOpened):
            event = replace(event, day=day)
        elif isinstance(event, CarriedOver):
            event = carried
        elif isinstance(event, InstrumentsLoaded):
            gone = state.instruments[CONTRACT].tradingsymbol
            event = replace(event, rows=tuple(o for o in event.rows if o.tradingsymbol != gone))
        changed.append((ts + shift, event))
    run = run_core(changed)
    return run.core, [one.event for one in run.entries]


def printed(core: Core, close: int = CLOSE) -> list[Any]:
    """A frame with an index packet that brings the close of the day before."""
    token = core.state.instruments[core.state.underlyings[0].index].token
    packet = encode_index(token, 2_400_000, 1, 1, 1, close, 0, core.state.now // 10**9)
    derived = core.step(core.state.seq + 1, core.state.now + 10**9, frame_fact([packet]))
    return [one.entry.event for one in derived]


def test_the_next_day_s_print_brings_the_value() -> None:
    """Told at the start, its cost kept out of the free funds, settled by the first print of the
    index, and the incident is over."""
    core, events = next_day(UNKNOWN["no print"])
    assert [one.code for one in of(events, IncidentRaised)] == ["SETTLEMENT_UNKNOWN"]
    assert core.state.positions == ()
    cost = UNITS * ENTRY
    assert free_funds_paise(core.state) == core.state.account.capital_paise - cost
    said = printed(core)
    (settled,) = of(said, PositionSettled)
    assert (settled.source, settled.index_paise, settled.payoff_paise) == (
        "PREVIOUS_CLOSE",
        CLOSE,
        100,
    )
    assert settled.source_seq < core.state.seq
    assert [one.code for one in of(said, IncidentResolved)] == ["SETTLEMENT_UNKNOWN"]
    (risk,) = of(said, RiskStateChanged)
    assert risk.realised_paise == settled.realised_paise == (100 - ENTRY) * UNITS
    assert core.state.unsettled == ()
    assert of(printed(core), PositionSettled) == []
    assert free_funds_paise(core.state) == (
        core.state.account.capital_paise + settled.realised_paise - settled.tax_paise
    )


def test_another_day_s_close_settles_nothing() -> None:
    """Two trading days after the expiry the close of the day before is another value: it stays
    unsettled and goes on being carried. So it does without a close."""
    core, _ = next_day(UNKNOWN["no print"], day=add_days(SESSION_DAY, 2))
    assert of(printed(core), PositionSettled) == []
    assert len(core.state.unsettled) == 1
    again = carry_over(core.state, "cd" * 32, SESSION_DAY + 3, orders_unknown=False)
    assert again.positions == core.state.unsettled
    core, _ = next_day(UNKNOWN["no print"])
    assert of(printed(core, 0), PositionSettled) == []
    assert len(core.state.unsettled) == 1


@pytest.mark.parametrize(
    ("books", "left", "settles"), [(0, 0, False), (1, 0, True), (1, 130, False)]
)
def test_in_live_the_broker_s_books_come_first(books: int, left: int, settles: bool) -> None:
    """In LIVE nothing is settled before the broker's positions came and hold it no more."""
    core, _ = next_day(UNKNOWN["the broker settles"], "LIVE")
    (one,) = core.state.unsettled
    nets = (Holding(-1, one.exchange, one.tradingsymbol, "MIS", left),) if left else ()
    core.state = replace(core.state, desk=replace(core.state.desk, nets=nets, nets_ns=books))
    assert bool(of(printed(core), PositionSettled)) is settles


def test_the_stop_of_what_expired_ended_with_it() -> None:
    """The stop that rested for a position at expiry is carried, and its contract is no more: the
    next session begins all the same. An order of another contract that is gone still stops it."""
    state = UNKNOWN["the broker settles"]
    row = state.instruments[CONTRACT]
    stop = CarriedOrder("B1", "0123456789abcdefX1", "PROTECT", row.exchange, row.tradingsymbol,
                        "SELL", UNITS, 0, 7_000)  # fmt: skip
    core, _ = next_day(state, "LIVE", orders=(stop,))
    assert core.state.orders == ()
    assert len(core.state.unsettled) == 1
    with pytest.raises(CoreFault, match="is not among"):
        next_day(state, "LIVE", orders=(replace(stop, tradingsymbol="ANOTHER"),))


def test_a_contract_that_was_dated_anew_is_held_on() -> None:
    """An exchange may date a listed contract to a later day: among the instruments it is held."""
    core, _ = closed(UNKNOWN["no print"])
    carried = carry_over(core.state, "ab" * 32, SESSION_DAY, orders_unknown=False)
    facts = list(small_facts(SmallMarket(minutes=1), relaxed()))[:5]
    run = run_core(
        (ts, carried if isinstance(event, CarriedOver) else replace(event, day=SESSION_DAY)
         if isinstance(event, SessionOpened) else event)
        for ts, event in facts
    )  # fmt: skip
    assert len(run.core.state.positions) == 1
    assert run.core.state.unsettled == ()

"""F12: a contract that is not what it was: each change, held and watched, is an incident with both
values; exits of what is held go on, and no entry is made in it."""

from __future__ import annotations

import functools

import pytest
from msgspec.structs import replace

from engine.carry import carry_over
from engine.core import CoreFault
from engine.gates import contract
from engine.known import contracts_artifact, with_held
from engine.layout import UNLISTED
from engine.orders.contracts import FIELDS, barred_contracts, scope_of
from engine.orders.operator import apply_operator_command
from engine.state import ContractChange, State
from engine.strategies.signal import UP
from events.base import Event
from events.decision import ContractsScreened
from events.feed import TimerTick
from events.gates import CONTRACT_FILTERS
from events.governance import IncidentRaised, IncidentResolved
from events.orders import FillApplied, IntentApproved
from events.session import (
    CarriedOver,
    Instrument,
    InstrumentsLoaded,
    OperatorCommand,
    SessionOpened,
)
from tests.engine.build import at_trade, view_of
from tests.engine.fabricated import DAY, CoreRun, SmallMarket, run_core
from tests.engine.test_carry import HEAD, facts, holding

LATER = 20261231
CHANGES = {
    "TOKEN": {"token": 999_000_002},
    "EXPIRY": {"expiry": LATER},
    "LOT": {"lot_units": 50},
    "TICK": {"tick_paise": 10},
}


@functools.cache
def known() -> tuple[Instrument, ...]:
    """What the session before had."""
    return SmallMarket().instruments()


@functools.cache
def carried() -> CarriedOver:
    """Its account, with a position."""
    return carry_over(holding()[1], HEAD, DAY, orders_unknown=False)


def held() -> int:
    return holding()[1].positions[0].contract


def watched() -> int:
    """An option that is not held."""
    return next(i for i, row in enumerate(known()) if row.kind == "CE" and i != held())


def with_changes(place: int, **changes: int | str) -> tuple[Instrument, ...]:
    rows = list(known())
    rows[place] = replace(rows[place], **changes)
    return tuple(rows)


def opening(
    rows: tuple[Instrument, ...], *, before: tuple[Instrument, ...] | None = None, rate: int = 1
) -> list[tuple[int, Event]]:
    """The facts of a session that begins on ``rows`` after one that had ``before``."""
    given: list[tuple[int, Event]] = []
    before = known() if before is None else before
    for ts, event in facts()[:5]:
        if isinstance(event, CarriedOver):
            given.append((ts, carried()))
        elif isinstance(event, SessionOpened):
            given.append((ts, replace(event, rate=rate)))
        elif isinstance(event, InstrumentsLoaded):
            if before:
                given.append((ts, contracts_artifact(before, carried())))
            given.append((ts, replace(event, rows=rows)))
        else:
            given.append((ts, event))
    return given


def raised(run: CoreRun) -> list[IncidentRaised]:
    found = [e for e in run.events("IncidentRaised") if isinstance(e, IncidentRaised)]
    return [e for e in found if e.code == "CONTRACT_CHANGED"]


def evidence(one: IncidentRaised) -> dict[str, int | bool | str]:
    return {pair.key: pair.value for pair in one.evidence}


def field_of(row: Instrument, what: str) -> int:
    return int(getattr(row, next(field for word, field, _, _ in FIELDS if word == what)))


@pytest.mark.parametrize("what", CHANGES)
def test_a_held_contract_that_changed_is_an_incident(what: str) -> None:
    """One, about the position, with both values; the position keeps its own units."""
    run = run_core(opening(with_changes(held(), **CHANGES[what])))
    (one,) = raised(run)
    position = run.core.state.positions[0]
    assert (one.subject, one.severity) == (position.position_id, 1)
    told, row = evidence(one), known()[held()]
    assert (told["contract"], told["what"]) == (row.tradingsymbol, what)
    assert told[f"{what.lower()}_was"] == field_of(row, what)
    assert told[f"{what.lower()}_is"] == next(iter(CHANGES[what].values()))
    assert told["units"] == position.quantity_units == carried().positions[0].quantity_units
    assert list(barred_contracts(run.core.state)) == [held()]


@pytest.mark.parametrize("what", CHANGES)
def test_a_watched_contract_that_changed_is_an_incident(what: str) -> None:
    """One, about the contract, with both values; it is barred until a person has seen it."""
    run = run_core(opening(with_changes(watched(), **CHANGES[what])))
    (one,) = raised(run)
    told, row = evidence(one), known()[watched()]
    assert (one.subject, told["what"], told["contracts"]) == (scope_of(row), what, 1)
    assert told[f"{what.lower()}_was"] == field_of(row, what)
    assert told[f"{what.lower()}_is"] == next(iter(CHANGES[what].values()))
    assert "units" not in told
    state = run.core.state
    assert list(barred_contracts(state)) == [watched()]
    ack = OperatorCommand("ACK", "ana", "", one.incident_id, None, "c1", "SOCKET")
    opened = state.opened
    assert opened is not None
    state = replace(state, opened=replace(opened, mode="PAPER"))
    seen = apply_operator_command(state, ack, state.now, run.core.look)
    assert barred_contracts(seen) == {}


def test_a_held_contract_that_is_not_listed_any_more_is_an_incident() -> None:
    """It stays held, by its row of then, is in no map, and nothing else stands in the way."""
    gone = known()[held()]
    rows = tuple(row for i, row in enumerate(known()) if i != held())
    rows = with_held(rows, carried(), rows, known())
    assert rows[-1] == replace(gone, provenance=UNLISTED)
    run = run_core(opening(rows))
    (one,) = raised(run)
    told, state = evidence(one), run.core.state
    assert (told["what"], told["listed_was"], told["listed_is"]) == ("LISTED", 1, 0)
    assert (one.subject, told["contract"]) == (state.positions[0].position_id, gone.tradingsymbol)
    place = state.positions[0].contract
    assert place == len(rows) - 1
    legs = [i for e in state.underlyings[0].expiries for i in (*e.calls, *e.puts)]
    assert place not in legs
    assert run.core.look.underlying_of[place] == state.positions[0].underlying


def test_a_held_contract_that_expired_says_both() -> None:
    """It was not sold, its day is past, and today's list does not have it."""
    past = replace(known()[held()], expiry=DAY - 1)
    before = tuple(past if i == held() else row for i, row in enumerate(known()))
    rows = tuple(row for i, row in enumerate(known()) if i != held())
    run = run_core(opening(with_held(rows, carried(), rows, before), before=before))
    (one,) = raised(run)
    assert evidence(one)["what"] == "LISTED EXPIRY"
    assert DAY - 1 not in [e.expiry for e in run.core.state.underlyings[0].expiries]


def test_several_changes_of_a_contract_are_one_incident() -> None:
    """Each field with its values."""
    run = run_core(opening(with_changes(held(), lot_units=50, tick_paise=10)))
    (one,) = raised(run)
    told = evidence(one)
    assert told["what"] == "LOT TICK"
    assert (told["lot_was"], told["lot_is"], told["tick_was"], told["tick_is"]) == (65, 50, 5, 10)


def test_contracts_that_change_alike_are_one_incident_and_all_are_barred() -> None:
    """An exchange that changes the lot of an expiry is told once, not a hundred times."""
    rows = tuple(replace(row, lot_units=50) if row.kind == "PE" else row for row in known())
    run = run_core(opening(rows))
    puts = [i for i, row in enumerate(rows) if row.kind == "PE"]
    others = [one for one in raised(run) if one.subject != carried().positions[0].position_id]
    assert len(others) == 1
    assert evidence(others[0])["contracts"] == len([i for i in puts if i != held()])
    assert list(barred_contracts(run.core.state)) == puts


@pytest.mark.parametrize(
    ("rows", "rate"),
    [
        (SmallMarket().instruments(), 1),
        (tuple(r for i, r in enumerate(SmallMarket().instruments()) if i != watched()), 1),
        (with_changes(watched(), provenance="estimated"), 1),
        (with_changes(held(), lot_units=50), 0),
    ],
    ids=["the same", "one is not watched any more", "another provenance", "a backtest"],
)
def test_canary_no_change_is_no_incident(rows: tuple[Instrument, ...], rate: int) -> None:
    """Nothing is said, nothing barred, and the screening lists what it always did."""
    run = run_core(opening(rows, rate=rate))
    assert raised(run) == []
    assert run.core.state.changes == ()
    assert barred_contracts(run.core.state) == {}


def test_a_contract_that_is_new_is_not_compared() -> None:
    """What the session before did not have cannot have changed."""
    run = run_core(opening(with_changes(watched(), tradingsymbol="NIFTYNEW")))
    assert raised(run) == []


def test_a_held_contract_that_nobody_knows_lets_no_session_begin() -> None:
    """Neither listed nor known from before: it is said, as ever, instead of being lost."""
    rows = tuple(row for i, row in enumerate(known()) if i != held())
    assert with_held(rows, carried(), rows, ()) == rows
    with pytest.raises(CoreFault, match="is held"):
        run_core(opening(rows))


def test_what_is_held_is_watched_by_todays_row() -> None:
    """Out of the strikes that are watched, and in the day's list: it is added as the list has it;
    one that is watched already is not doubled."""
    listed = with_changes(held(), tick_paise=10)
    rows = tuple(row for i, row in enumerate(known()) if i != held())
    assert with_held(rows, carried(), listed, known()) == (*rows, listed[held()])
    assert with_held(known(), carried(), listed, known()) == known()


# --- exits and entries ---------------------------------------------------------------------------


def test_a_held_contract_whose_lot_changed_is_sold_in_its_own_units() -> None:
    """The exits go as they would, for all that is held; nothing is entered in the contract, and the
    incident is over with the position."""
    count, state = holding()
    later = [(ts, event) for ts, event in facts()[count:] if ts > state.now]
    run = run_core([*opening(with_changes(held(), lot_units=50)), *later])
    mine = carried().positions[0]
    sold = [
        e.quantity_units
        for e in run.events("FillApplied")
        if isinstance(e, FillApplied) and (e.contract, e.side) == (held(), "SELL")
    ]
    assert sum(sold) == mine.quantity_units
    assert mine.quantity_units % 50
    entries = [e for e in run.events("IntentApproved") if isinstance(e, IntentApproved)]
    assert [e.contract for e in entries if e.contract == held()] == []
    (one,) = raised(run)
    over = [
        e.incident_id for e in run.events("IncidentResolved") if isinstance(e, IncidentResolved)
    ]
    assert one.incident_id in over


def test_an_incident_of_a_watched_contract_stays_open() -> None:
    """It is about no position, so no tick resolves it."""
    run = run_core(opening(with_changes(watched(), lot_units=50)))
    (one,) = raised(run)
    again = run_core([(run.core.now + 1, TimerTick(run.core.now + 1, 0))], run.core)
    assert one.incident_id in [i.incident_id for i in again.core.state.desk.incidents]


def _screened(state: State) -> ContractsScreened:
    screened = contract.judge(view_of(state), UP, "TREND")[1]
    assert screened is not None
    return screened


@pytest.mark.parametrize("is_held", [True, False])
def test_no_entry_is_made_in_a_changed_contract(is_held: bool) -> None:
    """The contract that would be chosen is refused with its code; without a change the filter is
    not even listed."""
    state = at_trade().state
    before = _screened(state)
    chosen = before.selected
    assert chosen is not None
    assert before.filters == CONTRACT_FILTERS[:-1]
    change = ContractChange(chosen, is_held, "NFO:X", ("LOT",), (65,), (50,))
    after = _screened(replace(state, changes=(change,)))
    place = after.contracts.index(chosen)
    assert after.filters[after.first_filter[place]] == "CONTRACT_NOT_AS_BEFORE"
    assert after.selected != chosen
    alike = [m for c, m in zip(after.contracts, after.masks, strict=True) if c != chosen]
    assert alike == [m for c, m in zip(before.contracts, before.masks, strict=True) if c != chosen]


def test_where_every_contract_changed_none_is_left() -> None:
    """N10 blocks, and names the filter."""
    state = at_trade().state
    every = tuple(
        ContractChange(i, False, "NFO:X", ("LOT",), (65,), (50,))
        for i in range(len(state.instruments))
    )
    verdict = contract.judge(view_of(replace(state, changes=every)), UP, "TREND")[0]
    assert (verdict.verdict, verdict.reason) == ("BLOCK", "CONTRACT_NONE_LEFT")
    assert any("CONTRACT_NOT_AS_BEFORE" in row.marks for row in verdict.rows)

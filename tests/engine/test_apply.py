"""What events do to the state: the table is total, and derivations act only through it."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from engine.apply import APPLY, Entry, apply, underlying_index
from engine.lookup import EMPTY_LOOKUP, lookup_for
from engine.state import EMPTY, State
from events.decision import ContractsScreened
from events.envelope import decode_envelope
from events.registry import BY_KIND, decode_event
from events.session import CarriedCooldown, CarriedOver, InstrumentsLoaded, OperatorCommand
from tests.engine.build import at_trade, entry_of
from tests.engine.fabricated import DAY, SmallMarket, relaxed, small_facts, small_run


def test_apply_is_total() -> None:
    """Every registered kind has a row, and no row is of an unknown kind."""
    assert set(APPLY) == set(BY_KIND)


def test_recorded_derivations_applied_give_the_same_state() -> None:
    """A reader that applies the recorded envelopes, facts and derivations alike, without deciding
    anything, ends in the state of the core that made them."""
    run = small_run()
    state, look = EMPTY, EMPTY_LOOKUP
    for group in run.groups:
        for data in (group.fact_data, *group.datas):
            envelope = decode_envelope(data)
            event = decode_event(envelope)
            entry = Entry(envelope.seq, envelope.kind, envelope.ts, envelope.cause, event)
            state = apply(state, entry, look)
            if entry.kind == "InstrumentsLoaded":
                look = lookup_for(state)
    assert state == run.core.state


def test_the_state_is_canonical() -> None:
    """The state encodes, decodes to itself and encodes to the same bytes again, mid-day too."""
    for state in (EMPTY, at_trade().state, small_run().core.state):
        data = msgspec.msgpack.encode(state)
        again = msgspec.msgpack.decode(data, type=State)
        assert again == state
        assert msgspec.msgpack.encode(again) == data


def test_the_state_holds_no_dict_and_no_set() -> None:
    """Whatever stands in the state is a struct, a tuple or a plain value."""

    def walk(value: object, where: str) -> None:
        assert not isinstance(value, dict | set | frozenset | list | bytearray), where
        if isinstance(value, msgspec.Struct):
            for field in value.__struct_fields__:
                walk(getattr(value, field), f"{where}.{field}")
        elif isinstance(value, tuple):
            for place, one in enumerate(value):
                walk(one, f"{where}[{place}]")

    walk(at_trade().state, "state")


def test_what_is_looked_up_is_a_function_of_the_state() -> None:
    """The caches beside the state are equal for equal states, and none is needed to encode it."""
    state = small_run().core.state
    assert lookup_for(state) == lookup_for(at_trade().state) == small_run().core.look


def _carried(day: int) -> State:
    facts = [event for _, event in small_facts(SmallMarket(minutes=1), relaxed())][:5]
    state, look = EMPTY, EMPTY_LOOKUP
    for seq, event in enumerate(facts, 1):
        if isinstance(event, CarriedOver):
            event = replace(
                event, day=day, realised_paise=-500, charges_paise=40, trades_today=3,
                loss_streak=2, exits=4, halts=("GOV_HALTED",), capital_paise=9_000,
                cooldowns=(CarriedCooldown("NIFTY", 77), CarriedCooldown("SENSEX", 99)),
            )  # fmt: skip
        state = apply(state, entry_of(event, seq, SmallMarket().anchor_ns), look)
        look = lookup_for(state)
    return state


def test_limits_count_per_day_and_account() -> None:
    """A second session of the same day goes on counting: result, trades, streak and cooldown."""
    state = _carried(DAY)
    account = state.account
    assert (account.realised_paise, account.charges_paise) == (-500, 40)
    assert (account.trades_today, account.loss_streak) == (3, 2)
    assert (account.capital_paise, account.halts) == (9_000, ("GOV_HALTED",))
    assert state.exits == 4
    assert [one.cooldown_until_ns for one in state.markets] == [77]


def test_another_day_starts_its_counters_anew() -> None:
    """Counters of another day start at zero; capital and halts stay."""
    account = _carried(DAY - 1).account
    assert (account.realised_paise, account.charges_paise) == (0, 0)
    assert (account.trades_today, account.loss_streak) == (0, 0)
    assert (account.capital_paise, account.halts) == (9_000, ("GOV_HALTED",))


def test_a_halt_holds_until_it_is_resumed() -> None:
    """HALT is kept once however often it is said; RESUME lifts it."""
    moment = at_trade()
    state = moment.state
    for verb, halts in (("HALT", 1), ("HALT", 1), ("RESUME", 0)):
        event = OperatorCommand(verb, "a test", "to see", None, None, "", "NONE")
        state = apply(state, entry_of(event, state.seq + 1, state.now), moment.look)
        assert len(state.account.halts) == halts


def test_a_screening_is_remembered_without_its_cycle() -> None:
    """Two screenings that differ in the cycle alone are the same, others are not."""
    moment = at_trade()
    screened = next(
        e for e in small_run().events("ContractsScreened") if isinstance(e, ContractsScreened)
    )
    marks = []
    for one in (screened, replace(screened, cycle=99), replace(screened, direction="X")):
        entry = Entry(moment.state.seq + 1, "ContractsScreened", moment.state.now, 1, one)
        marks.append(apply(moment.state, entry, moment.look).markets[0].screened)
    assert marks[0] == marks[1] != marks[2]


def test_an_underlying_is_found_by_name() -> None:
    """An unknown name is an error, not the first underlying."""
    assert underlying_index(at_trade().state, "NIFTY") == 0
    with pytest.raises(KeyError):
        underlying_index(at_trade().state, "FINNIFTY")


def test_instruments_loaded_anew_start_empty() -> None:
    """Loading instruments sets every tuple to their number; nothing of earlier ones stays."""
    moment = at_trade()
    rows = moment.state.instruments[:4]
    event = InstrumentsLoaded("", rows)
    state = apply(
        moment.state, entry_of(event, moment.state.seq + 1, moment.state.now), moment.look
    )
    assert state.quotes == (None,) * 4
    assert len(state.vols) == 4
    assert len(state.slots) == len(state.accs) == 2

"""The step from a fact to its group: order, addresses, bounds."""

from __future__ import annotations

import functools
import re
from typing import Never

import pytest
from msgspec.structs import replace

from engine import apply as apply_module
from engine import core as core_module
from engine import decide as decide_module
from engine.config import flatten
from engine.core import Core, CoreFault, CoreLoopError, encode_fact, fact_bytes
from engine.gates import (
    contract,
    feed,
    governance,
    quote,
    regime,
    risk,
    session,
    sizing,
    strategy,
    warmup,
)
from engine.lookup import Lookup
from engine.state import State
from engine.work import Item, Outcome
from events.envelope import SplitEnvelope, decode_envelope, encode_envelope
from events.feed import FeedStatus, TimerTick
from events.registry import BY_KIND, decode_event
from events.session import ConfigChanged
from tests.engine.build import at_trade
from tests.engine.fabricated import (
    Group,
    SmallMarket,
    frame_of,
    relaxed,
    run_core,
    small_facts,
    small_run,
)

STAGES = (session, feed, warmup, quote, regime, risk, governance, strategy, contract, sizing)
BARS = ("BarClosed", "RegimeAssessed", "DayTypeAssessed")


def _two() -> tuple[Group, ...]:
    market = SmallMarket(minutes=7, names=("NIFTY", "BANKNIFTY"), every_ms=4_000, cadence_ms=1_000)
    return run_core(small_facts(market, relaxed(plan={"hold_s_max": 61}))).groups


def test_seqs_are_gapless_and_causes_name_the_fact() -> None:
    """Every entry follows the last by one; a group shares the fact's time and names it as cause."""
    seq = 0
    for group in small_run().groups:
        for entry in group.entries:
            seq += 1
            assert entry.seq == seq
            assert (entry.cause, entry.ts) == (group.fact.seq, group.fact.ts)
            assert entry.is_fact == (entry is group.fact)


def test_every_envelope_decodes_to_its_event() -> None:
    """The bytes handed to the journal say the entry: kind, seq, cause, time and payload."""
    for group in small_run().groups:
        for entry, data in zip(group.entries, (group.fact_data, *group.datas), strict=True):
            envelope = decode_envelope(data)
            assert (envelope.seq, envelope.kind, envelope.ts) == (entry.seq, entry.kind, entry.ts)
            event = decode_event(envelope)
            assert event == entry.event
            spec = BY_KIND[entry.kind]
            again = encode_envelope(
                entry.seq, entry.kind, spec.version, entry.ts, entry.cause, event
            )
            assert again == data


def test_within_a_tick_bars_exits_then_one_cycle_an_underlying() -> None:
    """The order of a tick's group: bars, then exits, then each underlying's cycle to its end."""
    seen_exit = seen_reaction = False
    for group in _two():
        if group.fact.kind != "TimerTick":
            continue
        kinds = [entry.kind for entry in group.derived]
        first = kinds.index("SnapshotTaken")
        assert not any(kind in BARS for kind in kinds[first:])
        assert "ExitSignalled" not in kinds[first:]
        seen_exit = seen_exit or "ExitSignalled" in kinds
        snapshots = [place for place, kind in enumerate(kinds) if kind == "SnapshotTaken"]
        names = [getattr(group.derived[place].event, "underlying", "") for place in snapshots]
        assert names == ["NIFTY", "BANKNIFTY"]
        for start, stop in zip(snapshots, [*snapshots[1:], len(kinds)], strict=True):
            assert kinds[start:stop].count("DecisionMade") == 1
            seen_reaction = seen_reaction or "OrderChanged" in kinds[start : snapshots[1]]
    assert seen_exit
    assert seen_reaction, "no approval of the first underlying: the order was not shown"


def test_reactions_come_before_the_next_underlying() -> None:
    """Two underlyings cannot pass the same open-risk limit: the second sees the first's order."""
    moment = at_trade()
    two = run_core(
        small_facts(SmallMarket(minutes=7, names=("NIFTY", "BANKNIFTY")), relaxed())
    ).events("IntentApproved")
    assert two
    risk = max(one.risk_paise for one in two if hasattr(one, "risk_paise"))
    bps = risk * 10_000 // moment.state.account.capital_paise + 1
    tight = relaxed(risk={"open_risk_bps_max": bps, "trade_risk_bps_max": bps})
    market = SmallMarket(minutes=7, names=("NIFTY", "BANKNIFTY"))
    limit = moment.state.account.capital_paise * bps // 10_000
    core = Core()
    for ts, event in small_facts(market, tight):
        core.step(core.state.seq + 1, ts, event)
        open_risk = 0
        for order in core.state.orders:
            open_risk += order.risk_paise if order.role == "ENTRY" else 0
        assert open_risk <= limit
    assert core.state.trades > 0


def test_what_an_event_leads_to_comes_before_the_steps_behind_it() -> None:
    """A fill's order and position changes stand before the next step of the same frame."""
    for group in small_run().groups:
        kinds = [entry.kind for entry in group.derived]
        for place, kind in enumerate(kinds):
            if kind == "FillApplied":
                assert kinds[place + 1 : place + 3] == ["OrderChanged", "PositionChanged"]


def test_a_fact_that_leads_to_itself_stops_with_a_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Canary: without a fixed point the step raises CORE_LOOP_LIMIT, it does not hang."""

    def forever(state: State, item: Item, look: Lookup, seq: int) -> Outcome:
        return Outcome((), (("cycle", 0),))

    monkeypatch.setitem(decide_module.DECIDE, "cycle", forever)
    monkeypatch.setitem(decide_module.DECIDE, "TimerTick", forever)
    core = Core(at_trade().before)
    with pytest.raises(CoreLoopError, match="CORE_LOOP_LIMIT"):
        core.step(core.state.seq + 1, core.state.now, TimerTick(core.state.now, 0))


def test_a_failing_rule_names_the_entry_and_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error inside the core becomes ENGINE_FAULT with the entry's seq, not silence."""

    def broken(state: State, item: Item, look: Lookup, seq: int) -> Outcome:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setitem(decide_module.DECIDE, "TimerTick", broken)
    core = Core(at_trade().before)
    seq = core.state.seq + 1
    with pytest.raises(CoreFault, match=rf"ENGINE_FAULT: .*entry {seq} \(TimerTick\).*by nothing"):
        core.step(seq, core.state.now, TimerTick(core.state.now, 0))


RULES = (
    *(("decide", kind) for kind in decide_module.DECIDE),
    *(("apply", kind) for kind in apply_module.APPLY),
    *(("gate", stage.__name__.rpartition(".")[2]) for stage in STAGES),
)


@functools.cache
def _befores() -> tuple[tuple[State, Group], ...]:
    """Each kind's first group in a small day, with the state before it."""
    core, seen, found = Core(), set[str](), []
    for group in small_run().groups:
        kinds = {entry.kind for entry in group.entries}
        if kinds - seen:
            seen |= kinds
            found.append((core.state, group))
        core.step(group.fact.seq, group.fact.ts, group.fact.event)
    return tuple(found)


def _fault_of(core: Core, group: Group) -> str | None:
    try:
        core.step(group.fact.seq, group.fact.ts, group.fact.event)
    except CoreFault as fault:
        return str(fault)
    return None


@pytest.mark.parametrize(("table", "name"), RULES)
def test_an_exception_in_any_rule_is_a_fault_with_its_entry(
    table: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E06: whichever rule or gate fails, the step is ENGINE_FAULT naming entry and error."""

    def broken(*given: object) -> Never:
        raise ZeroDivisionError("by nothing")

    groups = _befores()  # made by whole rules
    if table == "gate":
        (stage,) = [one for one in STAGES if one.__name__.endswith(f".{name}")]
        for judge in [one for one in vars(stage) if one.startswith("judge")]:
            monkeypatch.setattr(stage, judge, broken)
    else:
        rules = decide_module.DECIDE if table == "decide" else apply_module.APPLY
        monkeypatch.setitem(rules, name, broken)
    reached = 0
    for before, group in groups:
        told = _fault_of(Core(before), group)
        if told is not None:
            reached += 1
            assert re.search(r"ENGINE_FAULT: .*entry \d+ \(\w+\).*by nothing", told)
    kinds = {entry.kind for _, group in groups for entry in group.entries}
    assert reached or (table != "gate" and name not in kinds), "the rule was never asked"


def test_a_day_stays_far_below_the_loop_limit() -> None:
    """The limit is a guard, not a bound in use: the largest group is a hundredth of it."""
    assert max(len(group.derived) for group in small_run().groups) < core_module.ITEMS_MAX // 100


def test_time_does_not_go_back() -> None:
    """A fact before the session clock is refused, the same time is taken."""
    core = Core(at_trade().before)
    seq, now = core.state.seq + 1, core.state.now
    with pytest.raises(AssertionError, match="session clock"):
        core.step(seq, now - 1, FeedStatus(0, "LOST", False, 0))
    core.step(seq, now, FeedStatus(0, "LOST", False, 0))


def test_a_derivation_is_no_fact() -> None:
    """A derivation cannot be written as a fact."""
    decision = small_run().events("DecisionMade")[0]
    with pytest.raises(AssertionError, match="is no fact"):
        encode_fact(1, 0, decision)


def test_a_core_restored_from_its_state_goes_on_alike() -> None:
    """The state is all there is: a core made from it gives the same bytes as one that ran on."""
    facts = list(small_facts(SmallMarket(), relaxed()))
    half = len(facts) // 2
    whole = run_core(facts)
    restored = run_core(facts[half:], Core(run_core(facts[:half]).core.state))
    assert restored.core.state == whole.core.state
    assert [g.datas for g in restored.groups] == [g.datas for g in whole.groups[half:]]


def test_changed_settings_hold_from_their_fact_on() -> None:
    """E03: ``ConfigChanged`` replaces the keys it names and no others, from the next fact on."""
    core = Core(at_trade().before)
    changed = tuple(
        replace(one, value=1) if one.key == "warmup.bars_min" else one
        for one in flatten(core.state.config)
        if one.key.startswith("warmup.")
    )
    before = core.state.config
    core.step(core.state.seq + 1, core.state.now, ConfigChanged(changed, "a test", "why not"))
    assert core.state.config.warmup.bars_min == 1
    assert core.state.config.risk == before.risk


def test_a_long_frame_is_journaled_from_where_it_is() -> None:
    """The bytes are those of the whole envelope; a short frame and any other fact come whole."""
    size = core_module.SPLIT_BYTES_MIN
    long, short = frame_of(bytes(size)), frame_of(bytes(size - 1))
    pieces = fact_bytes(7, 5, long)
    assert isinstance(pieces, SplitEnvelope)
    assert pieces.head + pieces.body == encode_fact(7, 5, long)
    assert pieces.body is long.data
    for fact in (short, TimerTick(5, 0)):
        assert fact_bytes(7, 5, fact) == encode_fact(7, 5, fact)

"""Every reason code is reached by something that the engine does, or listed with why not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from engine.cycle import decide_cycle
from engine.exits import decide_exits
from engine.lookup import lookup_for
from engine.state import State
from events.base import Event
from events.decision import ContractsScreened, DecisionMade, GatesEvaluated, RegimeAssessed
from events.market import FeedHealthChanged, FrameRejected
from events.orders import ExitSignalled, OrderChanged, PositionChanged, RiskStateChanged
from events.reasons import BY_CODE, REASONS
from tests.engine.build import at_trade, quote_of, with_config, with_quote
from tests.engine.fabricated import (
    SmallMarket,
    frame_of,
    relaxed,
    run_core,
    small_facts,
    small_run,
)
from tests.engine.gates.cases import LOSSES, MISSES, WIDE, feed, market, picked, regime
from tests.engine.gates.test_contract import FAILS
from tests.engine.gates.test_risk import CONTRACT, SETTINGS
from tests.engine.risk.test_portfolio import held
from tests.engine.test_exits import (
    STOP,
    TARGET,
    _broken,
    _late,
    _panic,
    _past_deadline,
    _state,
)

ELSEWHERE = {
    "KIND_UNKNOWN": "raised by the registry: tests/events/test_registry.py",
    "VERSION_TOO_NEW": "raised by the registry: tests/events/test_registry.py",
    "PAYLOAD_INVALID": "raised by the registry: tests/events/test_registry.py",
    "CORE_LOOP_LIMIT": "raised by the core: tests/engine/test_core.py",
    "ENGINE_FAULT": "raised by the core: tests/engine/test_core.py",
    "RISK_CARRIED": "a position of an earlier session: tests/engine/test_carry.py",
    **dict.fromkeys(
        ("SPREAD_NO_LEG", "SPREAD_REWARD", "SIZE_MARGIN", "EXIT_SPREAD_BROKEN", "ORDER_HELD",
         "ORDER_RELEASED"),
        "a pair: tests/engine/test_spreads.py",
    ),
    "SIZE_MARGIN_UNKNOWN": "a broker's session: tests/engine/orders/test_pairs.py",
    "EXIT_EXCEEDS_SHORT": "a broker's session: tests/engine/orders/test_pairs.py",
    "EXIT_NO_ASK": "a broker's session: tests/engine/orders/test_pairs.py",
    "ORDER_PAIRED": "a broker's session: tests/engine/orders/test_pairs.py",
    "REGIME_CALENDAR_UNKNOWN": "a session of LIVE: tests/engine/gates/test_regime.py",
    "EXIT_SETTLED": "a position left at expiry: tests/engine/test_settlement.py",
    **{
        row.code: "an answer to an operator: tests/engine/test_commands.py, tests/adapters/control"
        for row in REASONS
        if row.stage == "COMMAND"
    },
    **{
        row.code: "a precondition of LIVE: tests/cli/doctor/test_table.py"
        for row in REASONS
        if row.stage == "LIVE"
    },
    **{
        row.code: "a session with a broker: tests/engine/orders"
        for row in REASONS
        if row.stage in ("INCIDENT", "APPROVAL")
        or 705 <= row.number <= 799
        or 1307 <= row.number <= 1312
        or 1407 <= row.number <= 1499
        or row.code == "APPROVAL_PENDING"
    },
    **{
        row.code: "told by the watchdog: tests/adapters/alerts"
        for row in REASONS
        if row.stage == "ALERT"
    },
    **{
        row.code: "named beside a feature that is not known: tests/engine/features"
        for row in REASONS
        if row.stage == "FEATURE"
    },
    **dict.fromkeys(
        ("RISK_HALT_CLEARED", "RISK_RESUMED", "RISK_RECOVERED", "RISK_LIMIT_DEFERRED"),
        "the risk machine: tests/engine/risk",
    ),
    **dict.fromkeys(
        ("OPENING_RANGE_AGAINST", "OPENING_RANGE_UNKNOWN", "HIGHER_TREND_UNKNOWN"),
        "what a strategy asks beside its signal: tests/engine/strategies/test_strategies.py",
    ),
    **dict.fromkeys(
        ("STRATEGY_NOT_PROMOTED", "STRATEGY_RETIRED"),
        "where a strategy stands: tests/engine/strategies/test_lifecycle.py",
    ),
    **dict.fromkeys(
        ("TICK_IMPLAUSIBLE", "TICK_NO_TIME", "TICK_REORDERED"),
        "ticks that are not taken at their word: tests/engine/test_quality.py",
    ),
    "FAMILY_EVENT": "a regime that the table leaves alone: tests/engine/strategies/test_routing.py",
    "SIZE_FUNDS_UNKNOWN": "a session with a broker: tests/engine/orders/test_gates.py",
    "FRAME_REFUSED": "the sentence of FrameRejected, whose own word is the codec's fault",
    **{
        f"UPSTREAM_{stage}": "nothing takes its input from this stage"
        for stage in (
            "N1_MARKET_OPEN", "N2_FEED_FRESH", "N6_RISK_OK", "N7_GOVERNANCE_LOCKS_OK",
            "N11_FINAL_DECISION",
        )
    },
}  # fmt: skip
"""Codes that no decision, order or health event gives, each with where it is said instead."""


def _codes(events: list[Event]) -> Iterator[str]:
    """Every reason code that the events hold."""
    for event in events:
        if isinstance(event, GatesEvaluated):
            for stage in (*event.official, *event.assumed):
                yield from (stage.reason,) if stage.reason else ()
                yield from (row.reason for row in (*stage.rows, *stage.evidence) if row.reason)
        elif isinstance(event, ContractsScreened):
            for mask in event.masks:
                yield from (c for place, c in enumerate(event.filters) if mask >> place & 1)
        elif isinstance(
            event,
            DecisionMade | ExitSignalled | OrderChanged | RiskStateChanged | FeedHealthChanged,
        ):
            yield from (event.reason,) if event.reason else ()
        elif isinstance(event, PositionChanged):
            yield from (event.exit_reason,) if event.exit_reason else ()
        elif isinstance(event, RegimeAssessed):
            yield from event.unstable
        elif isinstance(event, FrameRejected):
            assert event.fault.startswith("FRAME_")


def _cycles() -> Iterator[State]:
    """States of a cycle: one for each gate missed, each input lost, each filter failed."""
    state = at_trade().state
    yield state
    for case in MISSES:
        yield case.missed(state)
    for _, change in LOSSES:
        yield change(state)
    for change_of, _ in FAILS.values():
        yield change_of(
            state, next(i for i, row in enumerate(state.instruments) if row.kind == "CE")
        )
    yield from _books(state)
    yield regime(state, regime="PANIC", leader="PANIC")
    yield with_config(state, trend={"enabled": False})
    yield feed(market(state, expiries=()), frames=0, newest_stamp_s=0)


def _books(state: State) -> Iterator[State]:
    """States in which something is held: each of its limits missed, its quote lost; and a contract
    that never traded."""
    book = held(with_config(state, risk=WIDE | {"positions_underlying_max": 9}), CONTRACT)
    yield from (with_config(book, risk={name: 1}) for name in SETTINGS.values())
    yield with_quote(book, CONTRACT, None)
    target = picked(state).contract
    yield with_quote(state, target, replace(quote_of(state, target), ltp_paise=0))


def _exits() -> Iterator[State]:
    """States in which each exit rule fires."""
    yield _state(STOP)
    yield _state(TARGET)
    yield _state(best_bid_paise=11_000)
    yield _late(_state())
    asked = _state()
    names = tuple(one.position_id for one in asked.positions)
    yield replace(asked, desk=replace(asked.desk, leaving=names))
    yield _panic(_state())
    yield _state(opened_ns=0)
    yield _state(12_000, tp1_paise=12_000, keep_units=65)
    yield _past_deadline(_state())
    yield _broken(_state())


@pytest.fixture(scope="module")
def reached() -> set[str]:
    """The codes that a day, an outage, bad frames and all the single states give."""
    found = set(_codes([entry.event for entry in small_run().entries]))
    for state in _cycles():
        found |= set(_codes(decide_cycle(state, 0, lookup_for(state).slot_of, 1)))
    for state in _exits():
        found |= set(_codes(decide_exits(state)))
    slow = {"latency_ms": 60_000, "entry_valid_ms": 600_000}
    tight = {"depth_share_bps": 1, "entry_valid_ms": 0, "entry_collar_bps": 0}
    part = {"depth_share_bps": 1, "entry_valid_ms": 600_000}
    deep = {"lots_max": 50, "trade_risk_bps_max": 5_000, "open_risk_bps_max": 10_000}
    for config in (
        relaxed(paper=slow, regime={"settle_bars": 3}),
        relaxed(paper=tight, risk=deep),
        relaxed(paper=part, risk=deep, plan={"hold_s_max": 5}),
    ):
        facts = list(small_facts(SmallMarket(minutes=7, silent=(5,)), config))
        facts.insert(9, (facts[8][0], frame_of(b"\0\1")))
        found |= set(_codes([entry.event for entry in run_core(facts).entries]))
    return found


def test_every_code_is_reached_or_listed(reached: set[str]) -> None:
    """No code of the table is a wish: the engine gives it, or it is listed with who says it."""
    missing = {spec.code for spec in REASONS if spec.retired is None} - reached - set(ELSEWHERE)
    assert not missing


def test_no_code_is_given_that_the_table_does_not_hold(reached: set[str]) -> None:
    """Whatever the engine says as a reason can be explained."""
    assert reached <= set(BY_CODE)


def test_the_list_of_exceptions_is_not_a_way_out(reached: set[str]) -> None:
    """Canary: a code on the list is not reached after all, and each is one of the table."""
    assert not set(ELSEWHERE) & reached
    assert set(ELSEWHERE) <= set(BY_CODE)

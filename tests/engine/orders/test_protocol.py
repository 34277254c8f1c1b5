"""E01, B01: the order protocol over every crash point, wire and lag: no duplicate, never short."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from adapters.exchange_sim.spec import Behaviour
from engine.core import CoreFault
from engine.orders import reduce
from engine.state import State
from events.broker import BrokerReport, BrokerSnapshot, OrderLookup
from tests.engine.orders.world import GOOD, LOST, LOST_ANSWER, NOT_SENT, WIRES, Wire, World

LAGS_MS = (0, 900, 4_000)
FAULTS: tuple[tuple[tuple[str, Any], ...], ...] = (
    (),
    (("duplicate_updates", 500), ("reorder_updates", 500)),
    (("drop_updates", 1_000),),
    (("late_fill_after_cancel", True),),
    (("margin_async", True),),
)


def schedules(entries: tuple[Wire, ...] = WIRES) -> Iterator[dict[str, Any]]:
    """Every schedule of the enumeration: the wire of the entry and of all that follows, the lag of
    the books, the updates' faults, and each crash point, with what was not durable kept or lost."""
    for entry, rest, lag, faults in itertools.product(entries, WIRES, LAGS_MS, FAULTS):
        for crash_at in range(-1, 60, 2):
            yield {
                "wires": (entry, rest, GOOD) if rest is not GOOD else (entry, GOOD),
                "listing_lag_ms": lag,
                "faults": faults,
                "crash_at": crash_at,
                "keep": crash_at % 4 < 2,
            }


def problems_of(schedule: dict[str, Any]) -> tuple[str, ...]:
    """What a schedule broke, with the schedule's own words in front."""
    found = World(**schedule).run()
    return tuple(f"{words(schedule)}: {problem}" for problem in found.problems)


def words(schedule: dict[str, Any]) -> str:
    """A schedule as one may run it again."""
    wires = "/".join(one.name for one in schedule["wires"])
    rest = {key: value for key, value in schedule.items() if key != "wires"}
    return f"[{wires}] {rest}"


def run_all(given: Iterator[dict[str, Any]]) -> tuple[int, list[str]]:
    """How many schedules ran, and the first problems."""
    count, problems = 0, list[str]()
    for schedule in given:
        count += 1
        problems.extend(problems_of(schedule))
        if len(problems) > 20:
            break
    return count, problems


def test_a_sample_of_the_enumeration_holds() -> None:
    """E01, B01: duplicates 0, never short, our books at rest those of the exchange."""
    count, problems = run_all(itertools.islice(schedules(), 0, None, 211))
    sys.stdout.write(f"{count} schedules\n")
    assert count > 70
    assert problems == []


@pytest.mark.slow
@pytest.mark.parametrize("entry", WIRES, ids=lambda wire: wire.name)
def test_the_whole_enumeration_holds(entry: Wire) -> None:
    """E01, B01: over 16,000 schedules in all, each crash point with each wire, lag and fault."""
    count, problems = run_all(schedules((entry,)))
    sys.stdout.write(f"{count} schedules\n")
    assert problems == []
    assert count * len(WIRES) >= 10_000


# --- mutants --------------------------------------------------------------------------------------


def resend_on_timeout(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """An order whose answer is lost counts as not sent."""
    monkeypatch.setattr(reduce, "UNKNOWN", "PENDING")
    return {
        "wires": (LOST_ANSWER, GOOD), "listing_lag_ms": 6_000,
        "faults": (("drop_updates", 1_000),), "flatten_ms": 25_000,
    }  # fmt: skip


def query_then_resend(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """An order that a lookup does not find counts as not sent."""
    real = reduce.apply_order_lookup

    def mutant(state: State, event: OrderLookup, ts: int, look: Any) -> State:
        state = real(state, event, ts, look)
        if event.outcome != "ABSENT":
            return state
        orders = tuple(
            replace(one, leg=replace(one.leg, status="PENDING", doubt=False))
            if one.order_id == event.order_id and one.leg is not None
            else one
            for one in state.orders
        )
        return replace(state, orders=orders)

    _replace_row(monkeypatch, "OrderLookup", mutant)
    return {"wires": (LOST_ANSWER, GOOD), "listing_lag_ms": 6_000, "flatten_ms": 25_000}


def last_writer_wins(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a report says was filled is believed, also where it is less than is known."""
    real = reduce.note_report

    def mutant(state: State, report: BrokerReport, ts: int, **named: bool) -> State:
        state = real(state, report, ts, **named)
        orders = tuple(
            replace(one, filled_units=report.filled_units)
            if one.leg is not None and one.leg.broker_order_id == report.broker_order_id
            else one
            for one in state.orders
        )
        return replace(state, orders=orders)

    monkeypatch.setattr(reduce, "note_report", mutant)
    return {
        "wires": (GOOD,),
        "faults": (("duplicate_updates", 1_000), ("reorder_updates", 500)),
        "behaviour": Behaviour(depth_share_bps=250),
        "settings": (
            ("orders", "entry_valid_ms", 60_000),
            ("risk", "lots_max", 20),
            ("risk", "trade_risk_bps_max", 9_000),
            ("risk", "open_risk_bps_max", 10_000),
        ),
        "flatten_ms": 25_000,
    }


def empty_is_flat(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Positions that were not received count as none."""
    real = reduce.apply_broker_snapshot

    def mutant(state: State, event: BrokerSnapshot, ts: int, look: Any) -> State:
        state = real(state, event, ts, look)
        return replace(state, positions=()) if event.positions is None else state

    _replace_row(monkeypatch, "BrokerSnapshot", mutant)
    return {"wires": (GOOD,), "books": "no positions", "flatten_ms": 35_000}


def _replace_row(monkeypatch: pytest.MonkeyPatch, kind: str, mutant: Callable[..., State]) -> None:
    from engine import apply

    monkeypatch.setitem(apply.APPLY, kind, apply._book(mutant))


MUTANTS = (resend_on_timeout, query_then_resend, last_writer_wins, empty_is_flat)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: one.__name__)
def test_the_mutant_dies(
    mutant: Callable[[pytest.MonkeyPatch], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Canary: the same schedule holds without the mutant, and breaks or stops with it."""
    with pytest.MonkeyPatch.context() as aside:
        schedule = mutant(aside)
    assert problems_of(schedule) == ()
    mutant(monkeypatch)
    try:
        problems = problems_of(schedule)
    except CoreFault as error:  # a core that stops has noticed it too
        problems = (f"stopped: {error}",)
    assert problems


def test_lost_and_unsent_entries_are_never_sent_again() -> None:
    """B01: a message that was lost stays unknown and is searched; one that never left is over."""
    lost = World(wires=(LOST, GOOD)).run()
    assert [one.leg.status for one in lost.state.orders if one.leg is not None] == ["UNKNOWN"]
    assert lost.problems == ()
    unsent = World(wires=(NOT_SENT, GOOD)).run()
    assert unsent.state.orders == ()
    assert unsent.ledger == ()

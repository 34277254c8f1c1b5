"""What a decision cycle of one underlying costs: CPU microseconds, 80 contracts in view.

Lives here: the state in which all stages pass, made by the engine from a small market of forty
strikes, and the timing of a tick's refresh of the chain and of ``decide_cycle``. May import:
events, engine, the tests' small market. Always holds: CPU time (``process_time``); a cycle counts
only if it ended in a decision and screened the contracts; every call works on the same state, whose
volatilities are the last roots, as a running session's are. Run from the checkout:
``python -m bench.cycle [--reps N]``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from time import process_time
from typing import Final

from engine.chain import refresh
from engine.cycle import decide_cycle
from engine.lookup import lookup_for
from engine.state import State
from events.base import Event
from events.decision import ContractsScreened, DecisionMade
from events.orders import IntentApproved
from tests.engine import fabricated
from tests.engine.build import moment_of
from tests.engine.fabricated import SmallMarket, relaxed, small_facts

STRIKES: Final = 40
CONTRACTS: Final = 2 * STRIKES
MICROSECOND: Final = 1e-6


def state_in_view() -> State:
    """The small market's first entry, with forty strikes and all of them within the window."""
    before = fabricated.STRIKES
    fabricated.STRIKES = STRIKES
    try:
        wide = small_facts(SmallMarket(), relaxed(contract={"window_strikes": STRIKES // 2}))
        state = moment_of(wide, IntentApproved).state
    finally:
        fabricated.STRIKES = before
    seen = sum(1 for row in state.instruments if row.kind in ("CE", "PE"))
    if seen != CONTRACTS:
        raise SystemExit(f"bench.cycle: {seen} contracts in view, not {CONTRACTS}: nothing timed")
    return state


def cycle(state: State, slot_of: list[int]) -> list[Event]:
    """What a tick does for an underlying: the chain of now, then the cycle."""
    refresh(state, 0, list(state.vols))
    return decide_cycle(state, 0, slot_of, state.seq + 1)


def costs_us(state: State, reps: int) -> tuple[int, ...]:
    """CPU microseconds of each of so many cycles, ascending."""
    slot_of = lookup_for(state).slot_of
    kinds = {type(one) for one in cycle(state, slot_of)}
    if not {DecisionMade, ContractsScreened} <= kinds:
        raise SystemExit("bench.cycle: no decision or no screening: nothing timed")
    found = []
    for _ in range(reps):
        began = process_time()
        cycle(state, slot_of)
        found.append(round((process_time() - began) / MICROSECOND))
    return tuple(sorted(found))


def main(argv: Sequence[str] | None = None) -> int:
    """Time it and say the median, the least and the 95th percentile."""
    parser = argparse.ArgumentParser(prog="bench.cycle", description=main.__doc__)
    parser.add_argument("--reps", type=int, default=1_000)
    reps = parser.parse_args(argv).reps
    costs = costs_us(state_in_view(), reps)
    at = {name: costs[min(reps * part // 100, reps - 1)] for name, part in (("median", 50),
          ("p95", 95))}  # fmt: skip
    sys.stdout.write(
        f"decision cycle, {CONTRACTS} contracts: median {at['median']} us, least {costs[0]} us,"
        f" p95 {at['p95']} us of CPU ({reps} cycles)\n"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

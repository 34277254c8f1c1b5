"""Exit rules: stop, target, trailing stop, time, square-off, a regime without a place for the
trade.

Lives here: when a position must go. May import: events, engine. Always holds: no entry gate is
asked; the first rule in declared order that fires is the reason; a position whose exit is out is
not signalled again. Stops are judged on the bid, for a bid is what a long can be sold at; a crossed
book may stop a position and never fulfils a target, for only its bid is in doubt.
Start reading at ``decide_exits``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine.books import EXIT, MS, exit_id, exit_working
from engine.feed import unseen_ns
from engine.hours import moved_s
from engine.orders.protocol import KILL_FLATTEN, may_try_again
from engine.orders.route import to_broker
from engine.rulebook import IST_OFFSET_NS, NS_PER_DAY, NS_PER_S
from engine.state import Position, State
from engine.strategies import family_of, regime_allows
from events.base import Event
from events.envelope import payload_digest
from events.orders import ExitSignalled

Fired = tuple[str, int | None, int | None]
"""(reason code, trigger level in paise, bid seen in paise)."""


def decide_exits(state: State) -> list[Event]:
    """Exit signals of this moment, in order of the positions."""
    outputs: list[Event] = []
    for position in state.positions:
        if (
            position.quantity_units > 0
            and not exit_working(state, position)
            and may_exit(state, position)
        ):
            fired = _first(state, position)
            if fired is not None:
                outputs.append(_signal(state, position, fired))
    return outputs


def _first(state: State, position: Position) -> Fired | None:
    quote = state.quotes[position.contract]
    bid = quote.bid_paise if quote is not None else 0
    for rule in RULES:
        fired = rule(state, position, bid)
        if fired is not None:
            return fired
    return None


def may_exit(state: State, position: Position) -> bool:
    """Whether an exit may be signalled now: at a broker, one that failed is tried again only after
    a while. The order protocol holds it back until nothing else of the position works."""
    return not to_broker(state) or may_try_again(state, position, EXIT)


def _operator(state: State, position: Position, bid: int) -> Fired | None:
    if state.desk.kill >= KILL_FLATTEN:
        return "EXIT_OPERATOR", None, bid or None
    return None


def _blind(state: State, position: Position, bid: int) -> Fired | None:
    limit_s = state.config.orders.blind_flatten_s
    if not to_broker(state) or limit_s <= 0:
        return None
    if unseen_ns(state, position.contract) >= limit_s * 1000 * MS:
        return "EXIT_BLIND", None, bid or None
    return None


def _stop(state: State, position: Position, bid: int) -> Fired | None:
    if 0 < bid <= position.stop_paise:
        return "EXIT_STOP", position.stop_paise, bid
    return None


def _target(state: State, position: Position, bid: int) -> Fired | None:
    quote = state.quotes[position.contract]
    if quote is not None and quote.sell_paise >= position.target_paise > 0:
        return "EXIT_TARGET", position.target_paise, bid
    return None


def _trail(state: State, position: Position, bid: int) -> Fired | None:
    """Active once the best bid stood above the entry by the trail itself."""
    average = position.value_paise // position.quantity_units
    trail = position.trail_paise
    level = position.best_bid_paise - trail
    if trail > 0 and level >= average and 0 < bid <= level:
        return "EXIT_TRAIL", level, bid
    return None


def _square_off(state: State, position: Position, bid: int) -> Fired | None:
    moved = moved_s(state, state.instruments[position.contract].exchange)
    if ist_seconds(state.now) >= hhmm_seconds(state.config.session.square_off_hhmm) + moved:
        return "EXIT_SQUARE_OFF", None, bid or None
    return None


def _time(state: State, position: Position, bid: int) -> Fired | None:
    held_ns = state.now - position.opened_ns
    if held_ns >= state.config.plan.hold_s_max * 1000 * MS:
        return "EXIT_TIME", None, bid or None
    return None


def _regime_flip(state: State, position: Position, bid: int) -> Fired | None:
    regime = state.markets[position.underlying].regime
    if regime is None or regime.regime != "PANIC":
        return None
    if regime_allows(family_of(position.strategy_id), regime.regime):
        return None
    return "EXIT_REGIME_FLIP", None, bid or None


RULES: Final[tuple[Callable[[State, Position, int], Fired | None], ...]] = (
    _operator,
    _stop,
    _target,
    _trail,
    _square_off,
    _blind,
    _time,
    _regime_flip,
)
"""In order of precedence: a price that was met explains more than a clock."""


def _signal(state: State, position: Position, fired: Fired) -> ExitSignalled:
    reason, trigger, seen = fired
    due = state.now + state.config.paper.latency_ms * MS
    return ExitSignalled(
        exit_id(state, position),
        position.position_id,
        position.contract,
        reason,
        position.quantity_units,
        trigger,
        seen,
        due,
    )


def ist_seconds(ns: int) -> int:
    """Seconds after midnight IST."""
    return (ns + IST_OFFSET_NS) % NS_PER_DAY // NS_PER_S


def hhmm_seconds(hhmm: int) -> int:
    """Seconds after midnight of an HHMM integer."""
    return hhmm // 100 * 3600 + hhmm % 100 * 60


def content_id(event: Event) -> str:
    """Sixteen characters of an event's digest: with an exit's number it fits a tag of 20."""
    return payload_digest(event)[:16]

"""Exit rules: a person's word, stop, targets, trailing stop, times of the day, a halt, a regime
without a place for the trade.

Lives here: when a position must go, or a part of it. May import: events, engine. Always holds: no
entry gate is asked; the first rule in declared order that fires is the reason; a position whose
exit is out is not signalled again; a part never stands in the way of the whole. Every level is of
the premium, and stops are judged on the bid, for a bid is what a long can be sold at; a crossed
book may stop a position and never fulfils a target, for only its bid is in doubt. What is gained is
what the market gives after the signal: no level is ever booked as a price.
Start reading at ``decide_exits``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine.books import (
    BREAK_EVEN,
    EXIT,
    MS,
    TP1,
    exit_id,
    exit_working,
    taking_part,
)
from engine.charges import charge_lines, charges_paise
from engine.feed import unseen_ns
from engine.orders.entries import KILL_FLATTEN
from engine.orders.legs import UNSENT
from engine.orders.past import may_try_again
from engine.orders.route import to_broker
from engine.paper import order_event
from engine.policy import is_live
from engine.regime import UNKNOWN
from engine.risk.states import HARD_HALT, is_asked_for
from engine.rulebook import RuleMissingError
from engine.shorts import short_of
from engine.state import Position, State
from engine.strategies import FAMILIES, has_two_legs, regime_allows
from engine.times import own_times
from events.base import Event
from events.envelope import payload_digest
from events.orders import ExitSignalled, PositionChanged

Fired = tuple[str, int | None, int | None]
"""(reason code, trigger level in paise, bid seen in paise)."""

Rule = Callable[[State, Position, int], Fired | None]


def decide_exits(state: State) -> list[Event]:
    """Exit signals of this moment, in order of the positions; pairs have ``engine.spreads``."""
    outputs: list[Event] = []
    for position in state.positions:
        held = position.quantity_units > 0 and not exit_working(state, position)
        if held and not is_pair(state, position) and may_exit(state, position):
            fired = first_of(state, position)
            if fired is None:
                outputs.extend(_at_first_target(state, position))
            else:
                outputs.extend(all_of_it(state, position, fired))
    return outputs


def is_pair(state: State, position: Position) -> bool:
    """Whether a long is one of a pair: by the strategy that bought it, or because something is
    sold against it."""
    return has_two_legs(position.strategy_id) or short_of(state, position.position_id) is not None


def all_of_it(state: State, position: Position, fired: Fired) -> list[Event]:
    """Sell what is held. On paper an order for a part ends first; one that is at a broker stays
    there, where a cancelled sale may still be filled, and the rest goes beside it."""
    part, units = taking_part(state, position), position.quantity_units
    if part is None:
        return [_signal(state, position, fired, units)]
    if part.leg is None:
        ended = order_event(part, "CANCELLED", "ORDER_EXITED", part.filled_units)
        return [ended, _signal(state, position, fired, units)]
    if part.leg.status not in UNSENT:
        units -= part.quantity_units - part.filled_units
    return [_signal(state, position, fired, units)] if units > 0 else []


def first_of(
    state: State, position: Position, rules: tuple[Rule, ...] | None = None
) -> Fired | None:
    """The first rule in order that fires, of those of a single long where none are given."""
    quote = state.quotes[position.contract]
    bid = quote.bid_paise if quote is not None else 0
    for rule in RULES if rules is None else rules:
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


def _asked(state: State, position: Position, bid: int) -> Fired | None:
    if position.position_id in state.desk.leaving:
        return "EXIT_ASKED", None, bid or None
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
    if _reached(state, position, position.target_paise):
        return "EXIT_TARGET", position.target_paise, bid
    return None


def _reached(state: State, position: Position, level_paise: int) -> bool:
    """Whether a level is bid, in a book that may be believed; a level of 0 is none."""
    quote = state.quotes[position.contract]
    return quote is not None and quote.sell_paise >= level_paise > 0


def _trail(state: State, position: Position, bid: int) -> Fired | None:
    """Active once the best bid stood above the entry by the trail itself."""
    average = position.value_paise // position.quantity_units
    trail = position.trail_paise
    level = position.best_bid_paise - trail
    if trail > 0 and level >= average and 0 < bid <= level:
        return "EXIT_TRAIL", level, bid
    return None


def _halt(state: State, position: Position, bid: int) -> Fired | None:
    # In RECOVERY a person's halt is a hard one as well; what it sells he says himself.
    hard = state.risk.status == HARD_HALT and not all(map(is_asked_for, state.risk.halts))
    if hard and state.config.plan.hard_halt == "FLATTEN":
        return "EXIT_HALT", None, bid or None
    return None


def _deadline(state: State, position: Position, bid: int) -> Fired | None:
    if state.now >= own_times(state, position.underlying).deadline_ns:
        return "EXIT_DEADLINE", None, bid or None
    return None


def _square_off(state: State, position: Position, bid: int) -> Fired | None:
    if state.now >= own_times(state, position.underlying).square_off_ns:
        return "EXIT_SQUARE_OFF", None, bid or None
    return None


def _time(state: State, position: Position, bid: int) -> Fired | None:
    held_ns = state.now - position.opened_ns
    if held_ns >= state.config.plan.hold_s_max * 1000 * MS:
        return "EXIT_TIME", None, bid or None
    return None


def _regime_flip(state: State, position: Position, bid: int) -> Fired | None:
    regime, policy = state.markets[position.underlying].regime, state.config.plan.regime_flip
    if regime is None or regime.regime == UNKNOWN or policy == "OFF":
        return None
    if policy == "PANIC" and regime.regime != "PANIC":
        return None
    family = next((one for one in FAMILIES if one.strategy_id == position.strategy_id), None)
    if family is None or regime_allows(family, regime.regime, live=is_live(state)):
        # What a person adopted, or another machine bought, is of no family: no regime ends it.
        return None
    return "EXIT_REGIME_FLIP", None, bid or None


PERSON: Final[tuple[Rule, ...]] = (_operator, _asked)
REST: Final[tuple[Rule, ...]] = (_halt, _deadline, _square_off, _blind, _time, _regime_flip)
RULES: Final[tuple[Rule, ...]] = (*PERSON, _stop, _target, _trail, *REST)
"""In order of precedence: a price that was met explains more than a clock. A pair has prices of its
own (``engine.spreads``)."""


def _signal(state: State, position: Position, fired: Fired, units: int) -> ExitSignalled:
    reason, trigger, seen = fired
    due = state.now + state.config.paper.latency_ms * MS
    return ExitSignalled(
        exit_id(state, position),
        position.position_id,
        position.contract,
        reason,
        units,
        trigger,
        seen,
        due,
    )


# --- the first target ----------------------------------------------------------------------------


def _at_first_target(state: State, position: Position) -> list[Event]:
    """Once the first target is bid the stop goes to break-even, and what is held beyond what stays
    is sold. A part that did not come through is tried again while the target is bid."""
    if not _reached(state, position, position.tp1_paise):
        return []
    outputs: list[Event] = []
    if not position.tp1_hit:
        outputs.append(_moved_to_break_even(state, position))
    units = position.quantity_units - position.keep_units
    if units > 0 and taking_part(state, position) is None:
        quote = state.quotes[position.contract]
        fired = (TP1, position.tp1_paise, quote.bid_paise if quote is not None else None)
        outputs.append(_signal(state, position, fired, units))
    return outputs


def _moved_to_break_even(state: State, position: Position) -> PositionChanged:
    return PositionChanged(
        position.position_id,
        state.underlyings[position.underlying].name,
        position.strategy_id,
        position.contract,
        "OPEN",
        position.quantity_units,
        position.value_paise // position.quantity_units,
        position.opened_ns,
        max(position.stop_paise, break_even_paise(state, position)),
        position.target_paise,
        position.trail_paise,
        position.realised_paise,
        position.charges_paise,
        BREAK_EVEN,
    )


def break_even_paise(state: State, position: Position) -> int:
    """The price at which what is held is sold without a loss: its cost with the charges so far and
    those of the sale, a unit, on tick. Where charges take it as far as the first target (they are
    an order's, and the position is small) it is the cost alone: a stop at the bid is an exit."""
    units, row = position.quantity_units, state.instruments[position.contract]
    tick = max(row.tick_paise, 1)
    cost = -(-position.value_paise // units)
    whole = position.value_paise + position.charges_paise + _sale_charges(state, position, cost)
    level = -(-whole // units)
    level = level if level + -level % tick < position.tp1_paise else cost
    return level + -level % tick


def _sale_charges(state: State, position: Position, price_paise: int) -> int:
    if state.rules is None:
        return 0
    exchange = state.instruments[position.contract].exchange
    try:
        lines = charge_lines(state.rules, exchange, "SELL", price_paise, position.quantity_units)
    except RuleMissingError:
        # A day without rates still has exits: its stop stands at the cost and what was paid.
        return 0
    return charges_paise(lines)


def content_id(event: Event) -> str:
    """Sixteen characters of an event's digest: with an exit's number it fits a tag of 20."""
    return payload_digest(event)[:16]

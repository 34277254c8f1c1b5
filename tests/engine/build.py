"""Moments of the small market, taken apart: states to change and judge.

Lives here: the state in which all eleven stages pass, and small changes of it. May be used by the
tests of the engine. Always holds: what is given out is frozen and comes from the core itself.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping

import msgspec
from msgspec.structs import replace

from engine.apply import Entry, apply
from engine.config import Config, merge
from engine.core import Core
from engine.lookup import Lookup, lookup_for
from engine.state import Quote, State
from engine.view import View, take_view
from events.base import Event
from events.feed import TimerTick
from events.orders import IntentApproved
from events.registry import BY_STRUCT
from tests.engine.fabricated import SmallMarket, relaxed, small_facts

SECOND_NS = 1_000_000_000
MS = 1_000_000


class Moment(msgspec.Struct, frozen=True):
    """The state before a fact, the fact, and the state after it was applied (not yet decided)."""

    before: State
    fact: Entry
    state: State
    look: Lookup


@functools.cache
def at_trade() -> Moment:
    """The first tick of the small market that leads to an approval."""
    return moment_of(small_facts(SmallMarket(), relaxed()), IntentApproved)


def moment_of(facts: Iterable[tuple[int, Event]], wanted: type[Event]) -> Moment:
    """The first fact whose group holds an event of a type."""
    core = Core()
    for ts, event in facts:
        before, seq = core.state, core.state.seq + 1
        derived = core.step(seq, ts, event)
        if any(isinstance(one.entry.event, wanted) for one in derived):
            fact = entry_of(event, seq, ts)
            return Moment(before, fact, apply(before, fact, core.look), core.look)
    raise AssertionError(f"no fact led to {wanted.__name__}")


def entry_of(event: Event, seq: int, ts: int) -> Entry:
    """A fact's entry."""
    return Entry(seq, BY_STRUCT[type(event)].kind, ts, seq, event)


def view_of(state: State, u: int = 0) -> View:
    """The view of an underlying in a state."""
    return take_view(state, u, lookup_for(state).slot_of)


def later(state: State, ms: int) -> State:
    """The state so many ms on, with the clock moved and the chain refreshed as by a tick."""
    ts = state.now + ms * MS
    return apply(state, entry_of(TimerTick(ts, 0), state.seq + 1, ts), lookup_for(state))


def with_config(state: State, **sections: Mapping[str, int | bool | str]) -> State:
    """The state under a changed configuration."""
    return replace(state, config=merge(state.config, sections))


def with_quote(state: State, i: int, quote: Quote | None) -> State:
    """The state with one instrument's quote replaced."""
    quotes = list(state.quotes)
    quotes[i] = quote
    return replace(state, quotes=tuple(quotes))


def quote_of(state: State, i: int) -> Quote:
    """The quote of an instrument, which must be there."""
    quote = state.quotes[i]
    assert quote is not None
    return quote


def core_at(state: State) -> Core:
    """A core that goes on from a state."""
    return Core(state)


DEFAULTS = Config()

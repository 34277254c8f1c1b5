"""Look-ups beside the state: rebuilt from it at any time, never encoded, never a source of truth.

Lives here: token to instrument index, instrument to bar slot, instrument to underlying. May import:
events, engine.state. Always holds: ``lookup_for(state)`` of equal states is equal.
"""

from __future__ import annotations

from typing import Final

import msgspec

from engine.layout import UNLISTED
from engine.state import State, UnderlyingMap
from events.session import Instrument


class Lookup(msgspec.Struct, frozen=True):
    """The caches of one state. ``slot_of`` has an entry for each instrument, -1 for none."""

    index_of: dict[int, int]
    slot_of: list[int]
    underlying_of: dict[int, int]


EMPTY_LOOKUP: Final = Lookup({}, [], {})


def lookup_for(state: State) -> Lookup:
    """The caches for a state; needed again only when instruments or bar slots change."""
    slot_of = [-1] * len(state.instruments)
    for place, slot in enumerate(state.slots):
        slot_of[slot.instrument] = place
    index_of = {row.token: i for i, row in enumerate(state.instruments)}
    return Lookup(index_of, slot_of, underlying_places(state.underlyings, state.instruments))


def underlying_places(
    maps: tuple[UnderlyingMap, ...], rows: tuple[Instrument, ...]
) -> dict[int, int]:
    """Instrument index to the place of its underlying, for every instrument that has one. A held
    contract that is not listed any more stands in no map and has its underlying all the same."""
    underlying_of: dict[int, int] = {}
    for u, umap in enumerate(maps):
        members = [umap.index, umap.future]
        for expiry in umap.expiries:
            members.extend(expiry.calls)
            members.extend(expiry.puts)
        underlying_of.update((i, u) for i in members if i >= 0)
        underlying_of.update(
            (i, u)
            for i, row in enumerate(rows)
            if row.provenance == UNLISTED and row.underlying == umap.name
        )
    return underlying_of

"""Pieces of work within a fact, and what they come to.

Lives here: ``Item`` and ``Outcome``. May import: events, engine.apply. Always holds: plain frozen
values; who makes them and in which order is ``engine.core``'s and ``engine.decide``'s.
"""

from __future__ import annotations

from typing import Final

import msgspec

from engine.apply import Entry
from events.base import Event


class Item(msgspec.Struct, frozen=True, gc=False):
    """A piece of work: an entry to react to, or a step of a fact (``step`` with ``arg``)."""

    step: str
    arg: int
    entry: Entry


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """Events to journal now, in order, and steps to queue behind what they lead to."""

    events: tuple[Event, ...]
    steps: tuple[tuple[str, int], ...] = ()


NOTHING: Final = Outcome(())

"""Journals of the real core at the simulated exchange, with whatever the wire and crashes do.

Lives here: ``journal_of``. Always holds: the facts are those of a ``World``; what they lead to is
derived anew by the core, so the entries are those that an engine would have written.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any
from unittest import mock

from engine.core import Core
from events.base import Event
from events.envelope import decode_envelope, encode_envelope
from events.registry import BY_STRUCT
from projections.packs.entries import Item
from tests.engine.orders import world
from tests.engine.orders.world import World

Settings = tuple[tuple[str, str, Any], ...]
Facts = tuple[tuple[int, Event], ...]


@functools.cache
def before_entry(settings: Settings) -> Facts:
    """The facts of the small market's session up to just before its first entry."""
    told: list[tuple[int, Event]] = []

    class Recording(Core):
        def step(self, seq: int, ts: int, event: Event) -> Any:
            told.append((ts, event))
            return super().step(seq, ts, event)

    with mock.patch.object(world, "Core", Recording):
        world.begun.__wrapped__(settings)
    return tuple(told[:-1])  # the tick that leads to the entry is the world's own first fact


@functools.cache
def _prefix(settings: Settings) -> tuple[Core, tuple[Item, ...]]:
    core = Core()
    return core, tuple(_entries(core, before_entry(settings)))


def journal_of(**schedule: Any) -> tuple[Item, ...]:
    """Every entry of a world's session."""
    settings = schedule.get("settings", ())
    core, items = _prefix(settings)
    return (*items, *_entries(Core(core.state), World(**schedule).run().facts_list))


def _entries(core: Core, facts: Iterable[tuple[int, Event]]) -> Iterable[Item]:
    for ts, fact in facts:
        seq, now = core.state.seq + 1, max(ts, core.state.now)
        derived = core.step(seq, now, fact)
        yield _item(seq, now, seq, fact)
        for place, one in enumerate(derived, 1):
            yield _item(seq + place, now, seq, one.entry.event)


def _item(seq: int, ts: int, cause: int, event: Event) -> Item:
    spec = BY_STRUCT[type(event)]
    data = encode_envelope(seq, spec.kind, spec.version, ts, cause, event)
    return Item(decode_envelope(data), data)

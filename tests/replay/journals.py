"""Journals that are sound and say something else: one planted fault, the chain made anew.

Lives here: a recorded session as entries that can be changed, its writing back through the
journal's own writer, and seeded faults in one field of one derivation. Always holds: what is
written back has a valid chain, so only a re-derivation can find the fault.
Start reading at ``plant``.
"""

from __future__ import annotations

import functools
import math
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from events.base import Event, Record
from events.envelope import encode_envelope
from events.registry import BY_STRUCT, PAST
from journal.writer import JournalWriter
from replay.divergence import Divergence, plain
from tests.engine.fabricated import CoreRun, SmallMarket, relaxed, run_core, small_facts
from tests.events.samples import alternatives
from tests.journal.journals import FAST

UID = "0123456789ab"


class Line(NamedTuple):
    """One entry, without its seq: that is its place. ``fact`` says whose group it is in."""

    event: Event
    ts: int
    fact: bool
    kind: str
    version: int

    @classmethod
    def of(cls, event: Event, ts: int, fact: bool) -> Line:
        known = {struct: key for key, struct in PAST.items()}
        spec = BY_STRUCT.get(type(event))
        kind, version = (spec.kind, spec.version) if spec is not None else known[type(event)]
        return cls(event, ts, fact, kind, version)


@functools.cache
def short_run() -> CoreRun:
    """A few minutes with every kind of derivation that a trade makes; cheap to derive again."""
    market = SmallMarket(minutes=8, every_ms=6_000, cadence_ms=15_000)
    config = relaxed(warmup={"bars_min": 2}, instrument_gates={"enabled": True})
    return run_core(small_facts(market, config))


def lines(run: CoreRun | None = None) -> list[Line]:
    """The run's entries in order."""
    return [
        Line.of(entry.event, entry.ts, entry.seq == entry.cause)
        for entry in (run or short_run()).entries
    ]


def groups_of(given: Iterable[Line]) -> Iterator[tuple[bytes, ...]]:
    """Canonical groups with gapless seqs, each derivation caused by the fact before it."""
    group: list[bytes] = []
    cause = 0
    for seq, line in enumerate(given, 1):
        if line.fact and group:
            yield tuple(group)
            group = []
        cause = seq if line.fact else cause
        group.append(encode_envelope(seq, line.kind, line.version, line.ts, cause, line.event))
    yield tuple(group)


def write(folder: Path, groups: Iterable[tuple[bytes, ...]], uid: str = UID) -> Path:
    """A closed session of these groups."""
    with JournalWriter.create(folder, uid, files=FAST) as writer:
        for group in groups:
            writer.append(group)
    return folder


def record(folder: Path, given: Iterable[Line]) -> Path:
    """A closed session of these entries."""
    return write(folder, groups_of(given))


def where(kind: str, given: list[Line]) -> list[int]:
    """Places of a kind among the entries."""
    return [place for place, line in enumerate(given) if line.kind == kind]


def changed(given: list[Line], place: int, event: Event) -> list[Line]:
    """The entries with another event at a place."""
    line = given[place]
    return [*given[:place], Line.of(event, line.ts, line.fact), *given[place + 1 :]]


def cause_of(given: list[Line], place: int) -> int:
    """The seq of the fact whose group holds a place."""
    return max(at for at in range(place + 1) if given[at].fact) + 1


def bare(first: Divergence | None) -> Divergence | None:
    """A divergence without the chain behind it."""
    return replace(first, chain=()) if first is not None else None


class Plant(NamedTuple):
    """A fault: the changed event at a seq, and what a replay must say of it."""

    seq: int
    event: Event
    field: str
    recorded: Any
    replayed: Any


def plant(event: Event, seq: int, chance: Random) -> Plant | None:
    """The event with one field changed to another value of its type; None where it has none."""
    places = list(leaves(event, type(event), ""))
    if not places:
        return None
    path, value, annotation = chance.choice(places)
    other = another(value, annotation, chance)
    changed = put(event, path, other)
    field, recorded, replayed = path, plain(other), plain(value)
    if isinstance(value, tuple):
        field, recorded, replayed = f"{path}.length", len(other), len(value)
    return Plant(seq, changed, field, recorded, replayed)


def leaves(value: Any, annotation: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """(dotted path, value, annotation) of everything in an event that can be changed."""
    if isinstance(value, Record):
        for field in msgspec.structs.fields(type(value)):
            inner = f"{path}.{field.name}" if path else field.name
            yield from leaves(getattr(value, field.name), field.type, inner)
    elif isinstance(value, tuple):
        if value:
            yield path, value, annotation
        for place, item in enumerate(value):
            yield from leaves(item, _item(annotation), f"{path}[{place}]")
    else:
        yield path, value, annotation


def _item(annotation: Any) -> Any:
    (of_tuple,) = [a for a in alternatives(annotation) if typing.get_origin(a) is tuple]
    return typing.get_args(of_tuple)[0]


def another(value: Any, annotation: Any, chance: Random) -> Any:
    """Another value that the annotation allows, as near as possible."""
    if isinstance(value, tuple):
        return value[:-1]
    if value is None:
        kinds = [kind for kind in alternatives(annotation) if kind is not type(None)]
        return {int: 0, float: 0.5, str: "", bool: False, bytes: b""}[kinds[0]]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + chance.choice((-1, 1)) if value else 1
    if isinstance(value, float):
        return math.nextafter(value, math.inf)
    return value + value[:1] if value else type(value)(b"x" if value == b"" else "x")


def put(value: Any, path: str, other: Any) -> Any:
    """``value`` with what stands at ``path`` replaced."""
    if not path:
        return other
    if path.startswith("["):
        place, _, rest = path[1:].partition("]")
        at = int(place)
        return (*value[:at], put(value[at], rest.removeprefix("."), other), *value[at + 1 :])
    cut = min((path.find(c) for c in ".[" if c in path), default=len(path))
    name, rest = path[:cut], path[cut:].removeprefix(".")
    return replace(value, **{name: put(getattr(value, name), rest, other)})

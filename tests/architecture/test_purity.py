"""The core depends on nothing but its input, and so does every number on a journaled path."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from events.base import Record
from tests.architecture.planted import IMPURE, IMPURE_IN_THE_CORE_ONLY, PURE
from tests.architecture.purity import impurities
from tests.architecture.source import ROOT, is_under, module_name, python_files

RUNNER = "engine.runner"
CACHES = ("engine.lookup",)
"""Modules of look-ups that stand beside the state and are never encoded: they may hold dicts."""

UNORDERED = (msgspec.inspect.DictType, msgspec.inspect.SetType, msgspec.inspect.FrozenSetType)
MUTABLE = (*UNORDERED, msgspec.inspect.ListType, msgspec.inspect.ByteArrayType)


def core_files() -> list[Path]:
    """The pure core: events and engine, the runner apart."""
    return [p for p in python_files("events", "engine") if module_name(p) != RUNNER]


def market_files() -> list[Path]:
    """The generators of market data: outside the core, but on the journaled path."""
    return [p for p in python_files("adapters") if is_under(module_name(p), "adapters.markets")]


def test_the_core_is_pure() -> None:
    """No module of the core reads a clock, a file, chance or the order of a set, or uses libm."""
    found = [
        f"{p}:{i.line}: {i.what}"
        for p in core_files()
        for i in impurities(_read(p), caches=module_name(p) in CACHES)
    ]
    assert not found, "\n".join(found)


def test_market_generators_compute_as_the_core_does() -> None:
    """A market may read a file; its numbers obey the core's rules, and no clock or chance."""
    found = [
        f"{p}:{i.line}: {i.what}"
        for p in market_files()
        for i in impurities(_read(p), arithmetic_only=True)
    ]
    assert not found, "\n".join(found)


def _read(path: Path) -> str:
    return (ROOT / path).read_text()


@pytest.mark.parametrize("source", IMPURE + IMPURE_IN_THE_CORE_ONLY)
def test_canary_an_impurity_is_found(source: str) -> None:
    """Each planted violation is reported once at least, on a line of its own text."""
    found = impurities(source)
    assert found
    assert all(1 <= i.line <= source.count("\n") + 1 for i in found)


@pytest.mark.parametrize("source", IMPURE)
def test_canary_a_market_s_impurity_is_found(source: str) -> None:
    """The milder check of the markets still finds clock, chance, order and libm."""
    assert impurities(source, arithmetic_only=True)


@pytest.mark.parametrize("source", PURE)
def test_what_is_pure_passes(source: str) -> None:
    """The checker does not refuse everything."""
    assert impurities(source) == []


def test_violations_planted_in_the_tree_s_own_functions_are_found() -> None:
    """Each planted statement, put into a function of the core, is found at its line."""
    single = [text for text in IMPURE + IMPURE_IN_THE_CORE_ONLY if "\n" not in text]
    sound = (p for p in core_files() if module_name(p) not in CACHES)
    # The shorter ones: each is parsed anew for every statement.
    fit = (p for p in sound if "\n    return " in _read(p))
    rooms = sorted(fit, key=lambda path: len(_read(path)))[:40]
    for place, text in enumerate(single):
        lines = _read(rooms[place % len(rooms)]).splitlines()
        at = next(i for i, line in enumerate(lines) if line.startswith("    return "))
        planted = "\n".join([*lines[:at], f"    {text}", *lines[at:]])
        found = impurities(planted)
        assert at + 1 in {i.line for i in found}, (text, rooms[place % len(rooms)])
    whole = len(IMPURE) + len(IMPURE_IN_THE_CORE_ONLY)
    sys.stdout.write(f"{whole} violations, {len(single)} of them in functions of the core: found\n")
    assert whole >= 150
    assert len(single) >= 50


def test_a_waiver_needs_a_reason() -> None:
    """``# pure:`` with nothing after it waives nothing."""
    assert impurities("x = sum(a)  # pure:")
    assert impurities("x = sum(a)  # pure")


def structs_of(*rooms: str) -> Iterator[type[msgspec.Struct]]:
    """Every struct defined in the rooms, after importing all of their modules."""
    modules = [module_name(p) for p in python_files(*rooms)]
    for name in modules:
        if name == RUNNER:
            continue
        for value in vars(importlib.import_module(name)).values():
            is_struct = isinstance(value, type) and issubclass(value, msgspec.Struct)
            if is_struct and value.__module__ == name:
                yield value


def faults_of(struct: type[msgspec.Struct], *, journaled: bool) -> list[str]:
    """What is wrong with a struct: not frozen, a container that changes or has no order.

    ``journaled`` structs also refuse unknown fields, are arrays and have no default value.
    """
    config = struct.__struct_config__
    found = [] if config.frozen else ["is not frozen"]
    for field in msgspec.structs.fields(struct):
        for part in _parts(msgspec.inspect.type_info(field.type)):
            if isinstance(part, MUTABLE):
                found.append(f"{field.name} holds a list, a dict or a set: use a tuple")
            elif isinstance(part, msgspec.inspect.StructType) and part.cls.__module__ in CACHES:
                found.append(f"{field.name} holds a cache: keep it beside the state")
        if journaled and not field.required:
            found.append(f"{field.name} has a default: missing data would be invented")
    if journaled and not config.array_like:
        found.append("is not an array")
    if journaled and not config.forbid_unknown_fields:
        found.append("takes unknown fields")
    return found


def _parts(kind: msgspec.inspect.Type) -> Iterator[msgspec.inspect.Type]:
    """A type and the types it is written with; the fields of a nested struct are its own affair."""
    yield kind
    inner: list[Any] = []
    if isinstance(kind, msgspec.inspect.UnionType):
        inner = list(kind.types)
    elif isinstance(kind, msgspec.inspect.TupleType):
        inner = list(kind.item_types)
    elif isinstance(kind, msgspec.inspect.VarTupleType):
        inner = [kind.item_type]
    for part in inner:
        yield from _parts(part)


def test_journaled_structs_are_frozen_arrays_without_defaults() -> None:
    """Every record and event can be encoded in one way only, and nothing in it can be left out."""
    records = [s for s in structs_of("events") if issubclass(s, Record)]
    assert len(records) > 20
    found = [f"{s.__module__}.{s.__name__} {f}" for s in records for f in _journaled(s)]
    assert not found, "\n".join(found)


def _journaled(struct: type[msgspec.Struct]) -> list[str]:
    return faults_of(struct, journaled=True)


def test_the_state_is_frozen_all_the_way_down() -> None:
    """No struct of the core can be changed in place or holds a container without an order."""
    structs = [s for s in structs_of("events", "engine") if s.__module__ not in CACHES]
    assert len(structs) > 40
    found = [
        f"{s.__module__}.{s.__name__} {f}" for s in structs for f in faults_of(s, journaled=False)
    ]
    assert not found, "\n".join(found)


class _Changing(msgspec.Struct):
    x: int


class _WithDict(msgspec.Struct, frozen=True):
    x: tuple[int, ...] | None
    y: tuple[dict[str, int], ...]


class _WithDefault(Record, frozen=True, array_like=True, forbid_unknown_fields=True):
    x: int = 0


class _Open(msgspec.Struct, frozen=True, array_like=True):
    x: int


@pytest.mark.parametrize(
    ("struct", "fault"),
    [
        (_Changing, "not frozen"),
        (_WithDict, "y holds"),
        (_WithDefault, "x has a default"),
        (_Open, "unknown fields"),
        (_WithDict, "not an array"),
    ],
)
def test_canary_a_faulty_struct_is_found(struct: type[msgspec.Struct], fault: str) -> None:
    """Each planted fault of a struct is named."""
    assert any(fault in found for found in faults_of(struct, journaled=True))

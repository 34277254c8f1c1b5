"""What canonical means, as a check: one value has one encoding, and it reads back as itself.

Lives here: the check of an event and of an envelope's bytes, for tests and for debug mode; the
engine needs none of it to run. May import: events, msgspec. Always holds: an event that passes is
made of exactly the types its fields declare, with no dict, set or list in it, finite floats without
-0.0 and integers of 64 bits; ``encode(decode(encode(event))) == encode(event)``.
Start reading at ``check_event``.
"""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Iterator
from math import isfinite
from typing import Any, Final

import msgspec

from events.base import Event, Record
from events.envelope import decode_envelope, encode_payload, is_canonical
from events.registry import UnknownKindError, shapes

INT_MIN: Final = -(1 << 63)
INT_MAX: Final = (1 << 64) - 1
"""The integers that MessagePack holds."""

SHAPES: Final = shapes()


class CanonicalError(ValueError):
    """Something that has no one canonical encoding; the message names the field."""


class Shape(msgspec.Struct, frozen=True):
    """What an annotation allows: exact scalar types, items of a tuple, records."""

    scalars: tuple[type, ...]
    item: Shape | None
    records: tuple[type[Record], ...]


def check_event(event: Record) -> None:
    """Raise ``CanonicalError`` unless the event has exactly one encoding and reads back equal."""
    fault = next(faults(event), None)
    if fault is not None:
        raise CanonicalError(fault)
    data = encode_payload(event)
    again = msgspec.msgpack.decode(data, type=type(event))
    if again != event or encode_payload(again) != data:
        raise CanonicalError(f"{type(event).__name__} reads back as {again}")


def check_envelope(data: bytes) -> Event:
    """The event in an envelope's bytes, as recorded; past versions in their own shape.

    Raises ``CanonicalError`` where the envelope, or the payload, is not in canonical form; and
    ``EnvelopeError``, ``UnknownKindError`` or msgspec's error where it cannot be read at all.
    """
    envelope = decode_envelope(data)
    where = f"seq {envelope.seq}, {envelope.kind} v{envelope.version}"
    if not is_canonical(data):
        raise CanonicalError(f"{where}: the envelope is not in canonical form")
    struct = SHAPES.get((envelope.kind, envelope.version))
    if struct is None:
        raise UnknownKindError(f"KIND_UNKNOWN: {where} was never released")
    event = msgspec.msgpack.decode(envelope.payload, type=struct)
    if encode_payload(event) != bytes(envelope.payload):
        raise CanonicalError(f"{where}: the payload is not in canonical form")
    check_event(event)
    return event


def faults(record: Record) -> Iterator[str]:
    """Everything in a record that is not canonical, a line each, in field order."""
    name = type(record).__name__
    for field, shape in _shapes_of(type(record)):
        yield from _faults(getattr(record, field), shape, f"{name}.{field}")


def _faults(value: Any, shape: Shape, path: str) -> Iterator[str]:
    kind = type(value)
    if kind is tuple and shape.item is not None:
        for place, one in enumerate(value):
            yield from _faults(one, shape.item, f"{path}[{place}]")
    elif kind in shape.records:
        yield from (f"{path}: {fault}" for fault in faults(value))
    elif kind not in shape.scalars:
        yield f"{path} is a {kind.__name__}: {value!r}"
    elif kind is float and (not isfinite(value) or (value == 0.0 and str(value) != "0.0")):
        yield f"{path} is {value!r}"
    elif kind is int and not INT_MIN <= value <= INT_MAX:
        yield f"{path} has more than 64 bits: {value}"


@functools.cache
def _shapes_of(struct: type[Record]) -> tuple[tuple[str, Shape], ...]:
    fields = msgspec.structs.fields(struct)
    return tuple((field.name, _shape(field.type)) for field in fields)


def _shape(annotation: Any) -> Shape:
    origin = typing.get_origin(annotation)
    union = origin is typing.Union or origin is types.UnionType
    scalars: list[type] = []
    records: list[type[Record]] = []
    item: Shape | None = None
    for member in typing.get_args(annotation) if union else (annotation,):
        if typing.get_origin(member) is tuple:
            item = _shape(typing.get_args(member)[0])
        elif issubclass(member, Record):
            records.append(member)
        else:
            scalars.append(member)
    return Shape(tuple(scalars), item, tuple(records))

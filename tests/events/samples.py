"""Sample events made from the shapes themselves, and the readable form that goldens keep.

Lives here: three samples of any shape (everything said, nothing said, the edges of each type), the
turning of an event into plain values and back. May import: events. Always holds: made from field
types and names alone, so a new event has its samples at once; the readable form builds the event
again without the code that made the sample.
Start reading at ``sample``.
"""

from __future__ import annotations

import hashlib
import types
import typing
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from events.base import Event, Record
from events.envelope import encode_envelope
from events.registry import SPECS, schema_digest, shapes

STYLES: Final = ("full", "bare", "edge")
SHAPES: Final = shapes()
"""Every (kind, version) ever released, with its struct."""

FACTS: Final = frozenset(spec.kind for spec in SPECS if spec.role == "FACT")

WORDS: Final[dict[str, Any]] = {
    "underlying": "NIFTY",
    "side": "BUY",
    "strategy_id": "trend_follow.v1",
    "family": "trend",
    "contract": 2,
    "quantity_units": 150,
    "lots": 2,
    "limit_paise": 11_255,
    "stop_paise": 8_900,
    "target_paise": 15_600,
    "trail_paise": 1_100,
    "due_ts": 1_756_440_900_250_000_000,
    "intent_id": "3f9c0a1b2c3d4e5f6071",
    "day": 20_250_829,
    "expiry": 20_250_902,
    "exchange": "NFO",
    "tradingsymbol": "NIFTY2590224500CE",
    "verdict": "PASS",
}
"""Values by field name, where a plausible one makes the golden easier to read."""

EDGE_INTS: Final = (2**63 - 1, -(2**63), 2**32, -129, 128, 65_536, -1)
EDGE_FLOATS: Final = (0.1, 1e300, 5e-324, -2.5, 1.0, 2.220446049250313e-16)
EDGE_WORDS: Final = ("₹ 1,00,000 – ok", "x" * 40, "line\nbreak \x00 \U0001f4c8")
LONG: Final = 17
"""One more than the largest array that MessagePack writes with a head of one byte."""


def sample(struct: type[Record], style: str, turn: int = 0) -> Any:
    """An event or record of a shape. ``turn`` moves through the alternatives of unions."""
    values = [
        _value(field.type, field.name, style, turn + place)
        for place, field in enumerate(msgspec.structs.fields(struct))
    ]
    return struct(*values)


def alternatives(annotation: Any) -> tuple[Any, ...]:
    """The members of a union; a type that is none is its only member."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)


def _value(annotation: Any, name: str, style: str, turn: int) -> Any:
    members = alternatives(annotation)
    if style == "bare" and type(None) in members:
        return None
    members = tuple(one for one in members if one is not type(None))
    member = members[turn % len(members)]
    if typing.get_origin(member) is tuple:
        return _items(typing.get_args(member)[0], name, style)
    if issubclass(member, Record):
        return sample(member, style, turn)
    if style == "full" and isinstance(WORDS.get(name), member):
        return WORDS[name]
    return _scalar(member, name, style, turn)


def _items(item: Any, name: str, style: str) -> tuple[Any, ...]:
    nested = isinstance(item, type) and issubclass(item, Record)
    counts = {"full": 3, "bare": 0, "edge": 1 if nested else LONG}
    return tuple(_value(item, name, style, turn) for turn in range(counts[style]))


def _scalar(kind: type, name: str, style: str, turn: int) -> Any:
    table: dict[tuple[type, str], Any] = {
        (bool, "full"): True,
        (bool, "bare"): False,
        (bool, "edge"): turn % 2 == 0,
        (int, "full"): 100 + turn,
        (int, "bare"): 0,
        (int, "edge"): EDGE_INTS[turn % len(EDGE_INTS)],
        (float, "full"): 2_450_000.0 + turn / 8,
        (float, "bare"): 0.0,
        (float, "edge"): EDGE_FLOATS[turn % len(EDGE_FLOATS)],
        (str, "full"): f"{name.upper()}_{turn}",
        (str, "bare"): "",
        (str, "edge"): EDGE_WORDS[turn % len(EDGE_WORDS)],
        (bytes, "full"): bytes((0, 1, 127, 128, 254, 255)),
        (bytes, "bare"): b"",
        (bytes, "edge"): bytes(range(256)),
    }
    return table[kind, style]


def types_of(annotation: Any) -> Iterator[Any]:
    """Every leaf type and record inside an annotation."""
    for member in alternatives(annotation):
        if typing.get_origin(member) is tuple:
            yield from types_of(typing.get_args(member)[0])
        else:
            yield member


def readable(value: Any) -> Any:
    """Plain values that JSON can hold: records by field name, bytes as hex."""
    if isinstance(value, Record):
        return {name: readable(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, tuple):
        return [readable(one) for one in value]
    return value.hex() if isinstance(value, bytes) else value


def from_readable(struct: type[Record], plain: dict[str, Any]) -> Any:
    """The event or record of a readable form. Raises ``KeyError`` where a field is missing."""
    fields = msgspec.structs.fields(struct)
    assert set(plain) == {field.name for field in fields}, f"{struct.__name__}: other fields"
    return struct(*(_from_plain(field.type, plain[field.name]) for field in fields))


def _from_plain(annotation: Any, plain: Any) -> Any:
    if plain is None:
        return None
    for member in alternatives(annotation):
        if typing.get_origin(member) is tuple:
            return tuple(_from_plain(typing.get_args(member)[0], one) for one in plain)
        if isinstance(member, type) and issubclass(member, Record):
            return from_readable(member, plain)
        if member is bytes:
            return bytes.fromhex(plain)
    return plain


def place_of(kind: str, style: str) -> tuple[int, int, int]:
    """``(seq, ts, cause)`` of a sample's envelope; a fact is its own cause."""
    seq, ts = {
        "full": (70_007, 1_756_440_900_000_000_000),
        "bare": (2, 0),
        "edge": (2**63 - 1, 2**62 + 1),
    }[style]
    return seq, ts, seq if kind in FACTS else seq - 1


def every_sample() -> Iterator[tuple[str, int, str, Event]]:
    """``(kind, version, style, event)`` for every shape and style."""
    for (kind, version), struct in SHAPES.items():
        for style in STYLES:
            yield kind, version, style, sample(struct, style)


def sample_digest() -> str:
    """One SHA-256 (hex) over the bytes of every sample and over the schema's own digest."""
    whole = hashlib.sha256(schema_digest().encode())
    for kind, version, style, event in every_sample():
        seq, ts, cause = place_of(kind, style)
        whole.update(encode_envelope(seq, kind, version, ts, cause, event))
    return whole.hexdigest()

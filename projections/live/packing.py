"""The room's objects as plain values and back, by a closed table of what a model is made of.

Lives here: ``plain`` and ``made``. May import: msgspec, events, projections.live, the standard
library. Always holds: what comes back equals what went in; nothing is ever made but containers,
plain values and the classes of the table, whatever the values say; equal bytes are kept once.
Start reading at ``plain``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from functools import cache
from types import ModuleType, NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from events import (
    broker,
    decision,
    features,
    feed,
    gates,
    governance,
    market,
    orders,
    risk,
    session,
)
from projections.live import (
    desk,
    fold,
    greeks,
    hours,
    model,
    quotes,
    state,
    verdicts,
    view,
    watch,
    watch_view,
)

_MODULES: Final[tuple[ModuleType, ...]] = (
    broker, decision, features, feed, gates, governance, market, orders, risk, session,
    desk, fold, greeks, hours, model, quotes, state, verdicts, view, watch, watch_view,
)  # fmt: skip

_PLAIN: Final = (int, float, str, bool, NoneType)
_TUPLE, _LIST, _DICT, _DEQUE, _SET, _FROZEN, _WHOLE, _STRUCT, _OBJECT, _BYTES = range(10)
"""The first item of an array says what it is made into."""

Class = type[Any]


class NotPacked(TypeError):  # noqa: N818 - named for the condition
    """A value that is no part of a model: a mistake of this room."""


class Plain(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A value without objects: the classes it names, the bytes it names, and itself."""

    classes: tuple[str, ...]
    blobs: tuple[bytes, ...]
    value: Any


def plain(value: object) -> Plain:
    """A value as msgpack can hold it. Raises ``NotPacked`` for what no model holds."""
    packer = _Packer()
    found = packer.plain(value)
    return Plain(tuple(packer.classes), tuple(packer.blobs), found)


def made(said: Plain) -> Any:
    """The value again. Raises ``LookupError``, ``TypeError`` or ``ValueError`` for what is none."""
    classes = [_table()[name] for name in said.classes]
    return _Maker(classes, said.blobs).made(said.value)


@cache
def _table() -> dict[str, Class]:
    """Every class that a model may hold, by its full name."""
    return {
        _name(one): one
        for module in _MODULES
        for one in vars(module).values()
        if isinstance(one, type) and one.__module__ == module.__name__ and _is_value(one)
    }


def _is_value(kind: Class) -> bool:
    """Structs, and the room's own containers."""
    if issubclass(kind, msgspec.Struct):
        return True
    return kind.__module__ in _OWN and not issubclass(kind, BaseException)


_OWN: Final = tuple(one.__name__ for one in (model, quotes, state, watch))


def _name(kind: Class) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


@cache
def _hints(kind: Class) -> dict[str, Any]:
    return get_type_hints(kind)


@cache
def _is_whole(kind: Any) -> bool:
    """Whether msgspec makes the struct again from its types alone: they are all plain."""
    return all(map(_is_plain, _hints(kind).values()))


def _is_plain(hint: Any) -> bool:
    if hint in _PLAIN or get_origin(hint) is Literal:
        return True
    if get_origin(hint) in (tuple, Union, UnionType):
        return all(one is Ellipsis or _is_plain(one) for one in get_args(hint))
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct) and _is_whole_struct(hint)


def _is_whole_struct(kind: Any) -> bool:
    """An event's base class stands for any event: it is no type to be made by."""
    return len(kind.__struct_fields__) > 0 and _is_whole(kind)


class _Packer:
    """Collects the classes and the bytes that a value names."""

    def __init__(self) -> None:
        self.classes: dict[str, int] = {}
        self.blobs: dict[bytes, int] = {}
        self._by_kind: dict[Class, Callable[[Any], Any]] = {
            tuple: lambda value: [_TUPLE, *map(self.plain, value)],
            list: lambda value: [_LIST, *map(self.plain, value)],
            dict: lambda value: [_DICT, *map(self.plain, _flat(value))],
            deque: lambda value: [_DEQUE, value.maxlen, *map(self.plain, value)],
            set: lambda value: [_SET, *map(self.plain, sorted(value))],
            frozenset: lambda value: [_FROZEN, *map(self.plain, sorted(value))],
            bytes: lambda value: [_BYTES, self.blobs.setdefault(value, len(self.blobs))],
        }

    def plain(self, value: Any) -> Any:
        kind = type(value)
        if kind in _PLAIN:
            return value
        known = self._by_kind.get(kind)
        if known is None:
            known = self._by_kind[kind] = self._of_class(kind)
        return known(value)

    def _of_class(self, kind: Class) -> Callable[[Any], Any]:
        if _table().get(_name(kind)) is not kind:
            raise NotPacked(f"{_name(kind)} is no part of a model")
        place = self.classes.setdefault(_name(kind), len(self.classes))
        if not issubclass(kind, msgspec.Struct):
            return lambda value: [_OBJECT, place, *map(self.plain, _flat(vars(value)))]
        if _is_whole(kind):
            return lambda value: [_WHOLE, place, value]
        fields = kind.__struct_fields__
        return lambda value: [_STRUCT, place, *(self.plain(getattr(value, f)) for f in fields)]


def _flat(rows: dict[Any, Any]) -> Iterator[Any]:
    for key, value in rows.items():
        yield key
        yield value


class _Maker:
    """The other way, by the same table."""

    def __init__(self, classes: list[Class], blobs: tuple[bytes, ...]) -> None:
        self._classes, self._blobs = classes, blobs
        self._by_tag: Final[tuple[Callable[[list[Any]], Any], ...]] = (
            lambda said: tuple(map(self.made, said[1:])),
            lambda said: list(map(self.made, said[1:])),
            lambda said: self._pairs(said[1:]),
            lambda said: deque(map(self.made, said[2:]), said[1]),
            lambda said: set(map(self.made, said[1:])),
            lambda said: frozenset(map(self.made, said[1:])),
            lambda said: msgspec.convert(said[2], self._struct(said[1])),
            lambda said: self._struct(said[1])(*map(self.made, said[2:])),
            self._object,
            lambda said: self._blobs[said[1]],
        )

    def made(self, said: Any) -> Any:
        return self._by_tag[said[0]](said) if isinstance(said, list) else said

    def _pairs(self, items: list[Any]) -> dict[Any, Any]:
        values = map(self.made, items)
        return dict(zip(values, values, strict=True))

    def _struct(self, place: int) -> type[msgspec.Struct]:
        kind = self._classes[place]
        if not issubclass(kind, msgspec.Struct):
            raise TypeError(f"{_name(kind)} is no struct")
        return kind

    def _object(self, said: list[Any]) -> Any:
        kind = self._classes[said[1]]
        if issubclass(kind, msgspec.Struct):
            raise TypeError(f"{_name(kind)} is a struct")
        new = object.__new__(kind)
        vars(new).update(self._pairs(said[2:]))
        return new

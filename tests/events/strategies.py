"""Hypothesis strategies for every event and record, made from their field types.

Lives here: ``events_of``. Always holds: nothing is known of any kind by name, so a new event is
searched from the day it exists.
"""

from __future__ import annotations

import functools
import typing
from typing import Any, Final

import msgspec
from hypothesis import strategies as st

from events.base import Record
from events.canonical import INT_MAX, INT_MIN
from tests.events.samples import alternatives

ITEMS_MAX: Final = 3

SCALARS: Final[dict[type, st.SearchStrategy[Any]]] = {
    bool: st.booleans(),
    int: st.integers(INT_MIN, INT_MAX) | st.integers(-200, 70_000),
    float: st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from((0.0, -0.0, 0.1)),
    str: st.text(max_size=40),
    bytes: st.binary(max_size=300),
    type(None): st.none(),
}


@functools.cache
def events_of(struct: type[Record]) -> st.SearchStrategy[Any]:
    """Any value of a shape that its field types allow."""
    fields = msgspec.structs.fields(struct)
    return st.builds(struct, *(_values(field.type) for field in fields))


def _values(annotation: Any) -> st.SearchStrategy[Any]:
    members = alternatives(annotation)
    return st.one_of(*(_member(member) for member in members))


def _member(member: Any) -> st.SearchStrategy[Any]:
    if typing.get_origin(member) is tuple:
        item = _values(typing.get_args(member)[0])
        return st.lists(item, max_size=ITEMS_MAX).map(tuple)
    return events_of(member) if issubclass(member, Record) else SCALARS[member]

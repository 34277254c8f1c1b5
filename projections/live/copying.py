"""A copy of the mutable state that shares all that never changes.

Lives here: ``copied``. May import: msgspec, the standard library. Always holds: a change of the
copy does not reach the original nor the other way round; frozen values are shared, so a copy costs
what its containers cost. A container holds values of one kind, as everywhere in this room.
"""

from __future__ import annotations

from collections import deque
from functools import cache
from typing import Any, Final, get_origin, get_type_hints

import msgspec

_ROOM: Final = __name__.rpartition(".")[0]
_CONTAINERS: Final = (dict, list, set, deque)


def copied(value: Any) -> Any:
    """The value, with containers and the room's own objects made anew at every depth."""
    if isinstance(value, dict):
        if _is_shared(value.values()):
            return dict(value)
        return {key: copied(one) for key, one in value.items()}
    if isinstance(value, deque):
        items = value if _is_shared(value) else map(copied, value)
        return deque(items, value.maxlen)
    if isinstance(value, list | set):
        return type(value)(value if _is_shared(value) else map(copied, value))
    if isinstance(value, msgspec.Struct):
        names = _open_fields(type(value))
        if not names:
            return value
        return msgspec.structs.replace(value, **{n: copied(getattr(value, n)) for n in names})
    return _copied_object(value) if type(value).__module__.startswith(_ROOM) else value


def _copied_object(value: Any) -> Any:
    new = object.__new__(type(value))
    new.__dict__.update({name: copied(one) for name, one in vars(value).items()})
    return new


def _is_shared(values: Any) -> bool:
    """Whether the values of a container can be shared, told by its first."""
    for one in values:
        if isinstance(one, msgspec.Struct):
            return not _open_fields(type(one))
        return not (isinstance(one, _CONTAINERS) or type(one).__module__.startswith(_ROOM))
    return True


@cache
def _open_fields(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """The fields of a struct that hold a container."""
    return tuple(
        name for name, hint in get_type_hints(kind).items() if get_origin(hint) in _CONTAINERS
    )

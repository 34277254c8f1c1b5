"""The closed registry: every kind once, every struct by the house's rules, nothing else is read."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterator
from types import ModuleType, NoneType
from typing import Any, Union

import msgspec
import pytest

from events import (
    broker,
    decision,
    features,
    feed,
    governance,
    market,
    orders,
    registry,
    risk,
    session,
)
from events.base import Event, Record
from events.envelope import decode_envelope, encode_envelope
from events.registry import (
    BY_KIND,
    BY_STRUCT,
    FACT_KINDS,
    PAST,
    SPECS,
    UnknownKindError,
    VersionTooNewError,
    decode_event,
    schema_lines,
    shapes,
    spec_of,
)
from tests.events.samples import readable, sample, types_of
from tests.events.test_canonical import records

MODULES = (broker, decision, features, feed, governance, market, orders, risk, session)
PLAIN = (bool, int, float, str, bytes, NoneType)


def events_in(module: ModuleType) -> list[type[Event]]:
    """The event structs that a module declares."""
    found = [one for _, one in inspect.getmembers(module, inspect.isclass)]
    return [one for one in found if issubclass(one, Event) and one.__module__ == module.__name__]


def test_every_event_is_registered_once_under_its_own_name() -> None:
    """What a module of events declares is in the table, and the table holds nothing else."""
    declared = {one for module in MODULES for one in events_in(module)}
    assert declared == set(BY_STRUCT)
    assert len(SPECS) == len(BY_KIND) == len(BY_STRUCT)
    assert all(spec.kind == spec.struct.__name__ for spec in SPECS)


def test_facts_come_before_derivations_and_only_they_are_fact_kinds() -> None:
    """The table is in two parts, and ``FACT_KINDS`` is the first."""
    roles = [spec.role for spec in SPECS]
    assert roles == sorted(roles, reverse=True)
    assert tuple(spec.kind for spec in SPECS)[: len(FACT_KINDS)] == FACT_KINDS


def test_an_entry_on_which_something_outward_waits_is_urgent() -> None:
    """An order goes out after an approval, an exit signal or a wish, once its start is kept; what
    the broker says is kept before anything follows from it; a person waits for a command and its
    answer, an approval or an alert; a resumed session says that it was before anything leaves."""
    assert {spec.kind for spec in SPECS if spec.urgent} == {
        "SessionResumed",
        "IntentApproved",
        "SpreadApproved",
        "ExitSignalled",
        "OrderWanted",
        "OrderSendStarted",
        "OrderSendResult",
        "BrokerUpdate",
        "OperatorCommand",
        "CommandAnswered",
        "SessionAmended",
        "ApprovalRequested",
        "ApprovalClosed",
        "IncidentRaised",
    }


def broken_rules(struct: type[Record]) -> Iterator[str]:
    """Which of the house's rules for event structs a struct breaks."""
    config = struct.__struct_config__
    if not (config.frozen and config.array_like and config.forbid_unknown_fields):
        yield "not frozen, array-like and closed"
    if config.gc:
        yield "tracked by the garbage collector"
    for field in msgspec.structs.fields(struct):
        if not field.required:
            yield f"{field.name} has a default"
        for inside in types_of(field.type):
            if inside not in PLAIN and not (
                isinstance(inside, type) and issubclass(inside, Record)
            ):
                yield f"{field.name} holds {inside}"


@pytest.mark.parametrize("struct", records(), ids=lambda struct: struct.__name__)
def test_every_struct_keeps_the_rules(struct: type[Record]) -> None:
    """Frozen, an array, closed, untracked, no default, no dict, set, list or any in it."""
    assert list(broken_rules(struct)) == []
    with pytest.raises(AttributeError):
        setattr(sample(struct, "full"), struct.__struct_fields__[0], 1)


def test_canary_a_struct_that_breaks_a_rule_is_found() -> None:
    """A default, a dict, a list and a mutable, tracked struct are each reported."""

    class Default(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
        a: int = 1

    class Holding(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
        a: dict[str, int]
        b: tuple[list[int], ...]
        c: Any

    class Loose(msgspec.Struct):
        a: int

    assert list(broken_rules(Default)) == ["a has a default"]
    assert len(list(broken_rules(Holding))) == 3
    assert len(list(broken_rules(Loose))) == 2  # type: ignore[arg-type]


def test_the_shapes_are_the_past_ones_and_the_current_ones() -> None:
    """No version is both; a past one is older than the current one of its kind."""
    assert len(shapes()) == len(PAST) + len(SPECS)
    for kind, version in PAST:
        assert 1 <= version < BY_KIND[kind].version
        assert PAST[kind, version].__name__ == f"{kind}V{version}"


def test_a_payload_decodes_as_recorded() -> None:
    """Each current kind's sample comes back equal through its envelope."""
    for spec in SPECS:
        event = sample(spec.struct, "full")
        data = encode_envelope(3, spec.kind, spec.version, 4, 2, event)
        assert decode_event(decode_envelope(data)) == event
        assert spec_of(decode_envelope(data)) is spec
        assert readable(event).keys() == set(spec.struct.__struct_fields__)


def test_unknown_and_newer_kinds_are_refused_by_code() -> None:
    """Neither is looked up by name nor read as something that looks like it."""
    tick = sample(feed.TimerTick, "full")
    for kind in ("", "timertick", "os.system", "ChargeLine", "IntentApprovedV1"):
        with pytest.raises(UnknownKindError, match="KIND_UNKNOWN: seq 3"):
            spec_of(decode_envelope(encode_envelope(3, kind, 1, 4, 2, tick)))
    with pytest.raises(VersionTooNewError, match="this release knows up to 1"):
        spec_of(decode_envelope(encode_envelope(3, "TimerTick", 2, 4, 2, tick)))


def test_the_schema_names_every_kind_and_every_field_of_every_record() -> None:
    """One line a kind with its version and role, one a field with its type."""
    lines = schema_lines()
    for spec in SPECS:
        assert f"{spec.kind} v{spec.version} {spec.role}" in lines
    for struct in records():
        if not struct.__module__.startswith("events.past."):
            for field in struct.__struct_fields__:
                assert any(line.startswith(f"{struct.__name__}.{field}: ") for line in lines)
    assert "IntentApproved.reference_paise: union[int, NoneType]" in lines
    assert "StageVerdict.rows: tuple[GateRow, Ellipsis]" in lines


def test_the_two_spellings_of_a_union_are_one_schema() -> None:
    """``X | None`` and ``Optional[X]`` read the same, so the digest is one on every Python."""
    spelled = [registry._type_name(one, [], set()) for one in (int | None, Union[int, None])]  # noqa: UP007
    assert spelled == ["union[int, NoneType]"] * 2
    assert typing.get_origin(Union[int, None]) is Union  # noqa: UP007

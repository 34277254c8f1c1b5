"""Old shapes read as current events: chains without a hole, goldens that still work in the core."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from engine.apply import Entry, apply
from engine.core import Core
from engine.state import State
from events.envelope import Envelope, decode_envelope, encode_envelope
from events.orders import IntentApproved
from events.past.intent_approved_v1 import IntentApprovedV1
from events.registry import (
    BY_KIND,
    PAST,
    PayloadError,
    UnknownKindError,
    VersionTooNewError,
    decode_event,
)
from events.upcast import UPCASTS, Step, current_bytes, current_event
from tests.engine.fabricated import small_run
from tests.events.make_goldens import golden_path
from tests.events.samples import SHAPES, STYLES, from_readable


def golden_samples(kind: str, version: int) -> list[dict[str, Any]]:
    golden = json.loads(golden_path(kind, version).read_text(encoding="utf-8"))
    samples: list[dict[str, Any]] = golden["samples"]
    return samples


def holes(current: dict[str, int], past: set[tuple[str, int]], steps: set[tuple[str, int]]) -> Any:
    """Past versions that lack a shape or a step, and those that are not past."""
    wanted = {(kind, version) for kind, last in current.items() for version in range(1, last)}
    return sorted(wanted ^ past), sorted(wanted ^ steps)


def test_the_chain_is_continuous_from_one_to_the_current_version_of_every_kind() -> None:
    """Each version before the current one has its shape and its step, and nothing else has."""
    current = {kind: spec.version for kind, spec in BY_KIND.items()}
    assert holes(current, set(PAST), set(UPCASTS)) == ([], [])


def test_canary_a_hole_in_a_chain_is_found() -> None:
    """A kind at version 3 with only its first step lacks the second, and its shape."""
    found = holes({"A": 3}, {("A", 1), ("B", 1)}, {("A", 1)})
    assert found == ([("A", 2), ("B", 1)], [("A", 2)])


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape[0]}.v{shape[1]}")
def test_every_golden_reads_as_a_current_event(shape: tuple[str, int]) -> None:
    """J18: each sample of each release gives an event of today's struct, which says all it said."""
    kind, version = shape
    samples = golden_samples(kind, version)
    assert len(samples) == len(STYLES)
    for one in samples:
        envelope = decode_envelope(bytes.fromhex(one["envelope"]))
        event = current_event(envelope)
        assert type(event) is BY_KIND[kind].struct
        written = from_readable(SHAPES[shape], one["event"])
        kept = [name for name in one["event"] if name in event.__struct_fields__]
        for name in kept:
            assert _plain(getattr(event, name), getattr(written, name)) == _plain(
                getattr(written, name), getattr(event, name)
            )
        lifted = decode_envelope(current_bytes(envelope))
        assert lifted.version == BY_KIND[kind].version
        assert decode_event(lifted) == event
        if version == BY_KIND[kind].version:
            assert current_bytes(envelope) == bytes.fromhex(one["envelope"])


def _plain(value: Any, other: Any) -> Any:
    """A value with the fields alone that it shares with its other version, records inside too."""
    if isinstance(value, tuple):
        return [_plain(one, two) for one, two in zip(value, other, strict=True)]
    if isinstance(value, msgspec.Struct):
        shared = [n for n in value.__struct_fields__ if n in other.__struct_fields__]
        return [_plain(getattr(value, n), getattr(other, n)) for n in shared]
    return value


@pytest.mark.parametrize("key", UPCASTS, ids=lambda key: f"{key[0]}.v{key[1]}")
def test_a_step_is_pure(key: tuple[str, int]) -> None:
    """It leaves its input alone and gives the same again."""
    step: Step = UPCASTS[key]
    event = from_readable(SHAPES[key], golden_samples(*key)[0]["event"])
    fields = {name: getattr(event, name) for name in event.__struct_fields__}
    before = dict(fields)
    first = step(fields)
    assert fields == before
    assert step(fields) == first


def approval() -> tuple[State, Core, Envelope]:
    """A recorded approval of the small market as an envelope, with the state before it."""
    run = small_run()
    core = Core()
    for group in run.groups:
        for entry, data in zip(group.entries, (group.fact_data, *group.datas), strict=True):
            if entry.kind == "IntentApproved":
                return core.state, core, decode_envelope(data)
            core._apply(entry)
    raise AssertionError("the small market approved nothing")


def as_version_1(envelope: Envelope) -> Envelope:
    """The envelope as the release before would have written it."""
    event = decode_event(envelope)
    old = IntentApprovedV1(*(getattr(event, n) for n in IntentApprovedV1.__struct_fields__))
    head = (envelope.seq, envelope.kind, 1, envelope.ts, envelope.cause)
    return decode_envelope(encode_envelope(*head, old))


def after(state: State, core: Core, envelope: Envelope) -> State:
    """The state after the entry of an envelope of any version."""
    head = (envelope.seq, envelope.kind, envelope.ts, envelope.cause)
    return apply(state, Entry(*head, current_event(envelope)), core.look)


def test_an_approval_of_version_1_does_to_the_books_what_version_2_does() -> None:
    """Upcast, it knows no reference; applied where it was decided, the order finds the same one."""
    state, core, envelope = approval()
    old = current_event(as_version_1(envelope))
    new = decode_event(envelope)
    assert isinstance(old, IntentApproved)
    assert isinstance(new, IntentApproved)
    assert old.reference_paise is None
    assert new.reference_paise is not None
    assert msgspec.structs.replace(old, reference_paise=new.reference_paise) == new
    assert after(state, core, as_version_1(envelope)) == after(state, core, envelope) != state


def test_the_golden_of_version_1_decodes_upcasts_and_applies() -> None:
    """The bytes of the first release still become an order in the books."""
    state, core, _ = approval()
    golden = golden_samples("IntentApproved", 1)[0]
    moved = after(state, core, decode_envelope(bytes.fromhex(golden["envelope"])))
    order = moved.orders[-1]
    assert order.authority == golden["event"]["intent_id"]
    assert order.limit_paise == golden["event"]["limit_paise"]
    assert order.reference_paise > 0


def envelope_of(kind: str, version: int, payload: Any) -> Envelope:
    raw = msgspec.Raw(msgspec.msgpack.encode(payload))
    return Envelope(5, kind, version, 0, 4, raw)


@pytest.mark.parametrize(
    ("envelope", "error", "words"),
    [
        (envelope_of("NoSuchKind", 1, []), UnknownKindError, "KIND_UNKNOWN: seq 5"),
        (envelope_of("IntentApproved", 99, []), VersionTooNewError, "VERSION_TOO_NEW: seq 5"),
        (envelope_of("IntentApproved", 0, []), PayloadError, "PAYLOAD_INVALID: seq 5"),
        (envelope_of("IntentApproved", -1, []), PayloadError, "never had a version -1"),
        (envelope_of("IntentApproved", 1, ["too short"]), PayloadError, "PAYLOAD_INVALID: seq 5"),
        (envelope_of("TimerTick", 1, [1, 2, 3]), PayloadError, "PAYLOAD_INVALID: seq 5"),
        (envelope_of("TimerTick", 1, ["1", 2]), PayloadError, "PAYLOAD_INVALID: seq 5"),
    ],
)
def test_what_cannot_be_read_is_refused_by_code(
    envelope: Envelope, error: type[Exception], words: str
) -> None:
    """An unknown kind, a newer version, one never released and a wrong payload each say so."""
    with pytest.raises(error, match=words):
        current_event(envelope)


def test_the_registry_alone_does_not_read_an_old_version() -> None:
    """Without the upcast an old version is refused, never read as the current shape."""
    golden = golden_samples("IntentApproved", 1)[0]
    with pytest.raises(PayloadError, match="needs an upcast first"):
        decode_event(decode_envelope(bytes.fromhex(golden["envelope"])))


def test_canary_a_step_that_loses_a_field_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that gives other fields than the current struct's cannot pass for an event."""
    monkeypatch.setitem(UPCASTS, ("IntentApproved", 1), dict)
    golden = golden_samples("IntentApproved", 1)[0]
    with pytest.raises(AssertionError, match="give other fields"):
        current_event(decode_envelope(bytes.fromhex(golden["envelope"])))

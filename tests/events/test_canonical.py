"""One value, one encoding: properties over every event there is, and what breaks them."""

from __future__ import annotations

import json
import math
import os
import struct as packing
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.base import Record
from events.canonical import CanonicalError, check_envelope, check_event, faults
from events.decision import GateRow
from events.envelope import decode_envelope, encode_envelope, encode_payload
from events.feed import FeedFrame, TimerTick
from events.market import BarClosed, ExpiryView, SnapshotTaken
from events.registry import PayloadError, UnknownKindError, decode_event
from events.session import Setting
from tests.engine.fabricated import small_run
from tests.events.make_goldens import golden_path
from tests.events.samples import SHAPES, sample, sample_digest, types_of
from tests.events.strategies import events_of

ROOT = Path(__file__).resolve().parents[2]
SHAPE_IDS = [f"{kind}.v{version}" for kind, version in SHAPES]


def records() -> list[type[Record]]:
    """Every event and every record inside one, past shapes included."""
    found: list[type[Record]] = []
    waiting: list[type[Record]] = list(SHAPES.values())
    while waiting:
        one = waiting.pop(0)
        if one not in found:
            found.append(one)
            for field in msgspec.structs.fields(one):
                inside = [t for t in types_of(field.type) if issubclass(t, Record)]
                waiting.extend(inside)
    return found


def floats_of(struct: type[Record]) -> list[str]:
    return [f.name for f in msgspec.structs.fields(struct) if float in types_of(f.type)]


WITH_FLOATS = [struct for struct in records() if floats_of(struct)]


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPE_IDS)
@given(data=st.data())
@settings(max_examples=15)
def test_any_event_is_canonical_and_reads_back_equal(
    shape: type[Record], data: st.DataObject
) -> None:
    """Whatever its field types allow has one encoding, which decodes to it and encodes again."""
    event = data.draw(events_of(shape))
    check_event(event)
    encoded = encode_payload(event)
    decoded = msgspec.msgpack.decode(encoded, type=shape)
    assert decoded == event
    assert encode_payload(decoded) == encoded


@given(data=st.data(), seq=st.integers(1, 2**63), ts=st.integers(0, 2**63))
@settings(max_examples=30)
def test_any_envelope_is_canonical(data: st.DataObject, seq: int, ts: int) -> None:
    """``encode(decode(encode(x))) == encode(x)`` for the envelope with its event in it."""
    kind, version = data.draw(st.sampled_from(sorted(SHAPES)))
    event = data.draw(events_of(SHAPES[kind, version]))
    encoded = encode_envelope(seq, kind, version, ts, seq, event)
    assert check_envelope(encoded) == event
    envelope = decode_envelope(encoded)
    head = (envelope.seq, envelope.kind, envelope.version, envelope.ts, envelope.cause)
    assert encode_envelope(*head, check_envelope(encoded)) == encoded


def test_every_entry_of_a_session_is_canonical() -> None:
    """What the engine really says, fact by fact and derivation by derivation, passes the check."""
    count = 0
    for group in small_run().groups:
        for entry, data in zip(group.entries, (group.fact_data, *group.datas), strict=True):
            assert check_envelope(data) == entry.event
            check_event(entry.event)
            count += 1
    assert count > 1_000


# --- what is not canonical ------------------------------------------------------------------------


class Word(str):
    """Encodes as a string and is none."""

    __slots__ = ()


BROKEN: list[tuple[type[Record], str, Any]] = [
    (Setting, "value", 1.0),
    (Setting, "value", None),
    (Setting, "value", {"a": 1}),
    (Setting, "key", Word("session.last")),
    (Setting, "key", b"session.last"),
    (TimerTick, "missed", True),
    (TimerTick, "missed", 2**64),
    (TimerTick, "missed", -(2**63) - 1),
    (TimerTick, "missed", 3.0),
    (FeedFrame, "snapshot_end", 1),
    (FeedFrame, "data", bytearray(b"ab")),
    (FeedFrame, "data", memoryview(b"ab")),
    (GateRow, "marks", ["a"]),
    (GateRow, "marks", {"a"}),
    (GateRow, "marks", ("a", 1)),
    (BarClosed, "rsi", 50),
    (BarClosed, "rsi", math.nan),
    (BarClosed, "rsi", math.inf),
    (BarClosed, "rsi", -0.0),
    (BarClosed, "rsi", "50"),
    (SnapshotTaken, "expiries", (TimerTick(1, 0),)),
    (SnapshotTaken, "expiries", [sample(ExpiryView, "full")]),
]


@pytest.mark.parametrize(("struct", "field", "value"), BROKEN)
def test_canary_what_has_no_one_encoding_is_refused(
    struct: type[Record], field: str, value: Any
) -> None:
    """Each planted value is found, and the message names its field."""
    event = sample(struct, "full")
    check_event(event)
    msgspec.structs.force_setattr(event, field, value)
    assert len(list(faults(event))) == 1
    with pytest.raises(CanonicalError, match=f"{struct.__name__}.{field}"):
        check_event(event)


def test_canary_a_fault_deep_inside_is_found_by_its_path() -> None:
    """A wrong value in a row of a row is named from the outside in."""
    event = sample(SnapshotTaken, "full")
    msgspec.structs.force_setattr(event.expiries[1], "atm_iv", 1)
    with pytest.raises(CanonicalError, match=r"SnapshotTaken.expiries\[1\]: ExpiryView.atm_iv"):
        check_event(event)


def test_canary_bytes_that_say_the_same_otherwise_are_refused() -> None:
    """A longer form of an integer, or an integer for a float, decodes well and is refused."""
    short = encode_envelope(7, "TimerTick", 1, 9, 7, TimerTick(5, 0))
    assert check_envelope(short) == TimerTick(5, 0)
    payload = encode_payload(TimerTick(5, 0))
    long = short.replace(payload, b"\x92\xcc\x05\x00")
    assert decode_event(decode_envelope(long)) == TimerTick(5, 0)
    with pytest.raises(CanonicalError, match="the payload is not"):
        check_envelope(long)
    with pytest.raises(CanonicalError, match="the envelope is not"):
        check_envelope(short.replace(b"\x96\x07", b"\x96\xcc\x07"))
    bar = sample(BarClosed, "full")
    integer = encode_payload(bar).replace(b"\xcb" + packing.pack(">d", bar.rsi), b"\x32")
    head = encode_envelope(7, "BarClosed", 1, 9, 7, bar)
    with pytest.raises(CanonicalError, match="the payload is not"):
        check_envelope(head.replace(encode_payload(bar), integer))


def test_canary_a_kind_that_was_never_released_is_refused() -> None:
    """The check does not take a (kind, version) it has no shape for."""
    with pytest.raises(UnknownKindError):
        check_envelope(encode_envelope(7, "TimerTick", 9, 9, 7, TimerTick(5, 0)))


# --- floats ---------------------------------------------------------------------------------------


def unsettled(struct: type[Record]) -> list[str]:
    """Float fields that keep what was put in, whatever it is."""
    found = []
    for name in floats_of(struct):
        plain = msgspec.structs.asdict(sample(struct, "full"))
        for value in (-0.0, 7):
            made = getattr(struct(**{**plain, name: value}), name)
            if type(made) is not float or math.copysign(1.0, made) != 1.0:
                found.append(name)
        for value in (math.nan, math.inf, -math.inf):
            try:
                struct(**{**plain, name: value})
            except ValueError:
                continue
            found.append(name)
    return found


@pytest.mark.parametrize("struct", WITH_FLOATS, ids=lambda struct: struct.__name__)
def test_floats_are_settled_as_a_record_is_made(struct: type[Record]) -> None:
    """-0.0 becomes 0.0, an integer a float; NaN and infinities are refused, in every field."""
    assert unsettled(struct) == []
    assert msgspec.structs.replace(sample(struct, "bare")) == sample(struct, "bare")


def test_canary_an_unsettled_float_is_found() -> None:
    """A record that does not settle its float is reported for each of the five bad values."""

    class Forgetful(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
        width: float

    assert unsettled(Forgetful) == ["width"] * 5
    assert len(WITH_FLOATS) >= 3


@pytest.mark.parametrize("bits", [math.nan, math.inf, -math.inf])
def test_a_recorded_number_that_is_none_is_refused(bits: float) -> None:
    """A payload with NaN or an infinity in it is invalid, not a value."""
    bar = sample(BarClosed, "full")
    rotten = encode_payload(bar).replace(packing.pack(">d", bar.rsi), packing.pack(">d", bits))
    envelope = encode_envelope(7, "BarClosed", 1, 9, 6, bar).replace(encode_payload(bar), rotten)
    with pytest.raises(PayloadError, match="PAYLOAD_INVALID: seq 7, BarClosed"):
        decode_event(decode_envelope(envelope))


# --- nothing of the process gets in ---------------------------------------------------------------


@pytest.mark.parametrize("seed", ["0", "1", "4242"])
def test_bytes_do_not_depend_on_the_hash_seed(seed: str) -> None:
    """Another process with another ``PYTHONHASHSEED`` writes the same bytes and schema digest."""
    code = "from tests.events.samples import sample_digest; print(sample_digest())"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": seed, "TZ": "Pacific/Chatham", "LC_ALL": "C"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ran.stdout.strip() == sample_digest()


def test_goldens_are_canonical() -> None:
    """The goldens themselves pass the check they stand for."""
    for kind, version in SHAPES:
        for one in json.loads(golden_path(kind, version).read_text(encoding="utf-8"))["samples"]:
            check_envelope(bytes.fromhex(one["envelope"]))

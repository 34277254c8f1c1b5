"""Every shape ever released, byte for byte: what was written once is read and written the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from events.base import Event
from events.envelope import decode_envelope, encode_envelope
from events.registry import schema_digest
from tests.events import make_goldens
from tests.events.make_goldens import GOLDENS, golden_path
from tests.events.samples import SHAPES, STYLES, from_readable, readable

NAMES = sorted(f"{kind}.v{version}.json" for kind, version in SHAPES)


def faults(golden: dict[str, Any], struct: type[Event]) -> list[str]:
    """What today's code does differently from a golden, a line a fault."""
    found = []
    kind, version = golden["kind"], golden["version"]
    for one in golden["samples"]:
        data = bytes.fromhex(one["envelope"])
        event = from_readable(struct, one["event"])
        if encode_envelope(one["seq"], kind, version, one["ts"], one["cause"], event) != data:
            found.append(f"{kind} v{version} {one['style']}: other bytes are written")
        envelope = decode_envelope(data)
        head = (envelope.seq, envelope.kind, envelope.version, envelope.ts, envelope.cause)
        if head != (one["seq"], kind, version, one["ts"], one["cause"]):
            found.append(f"{kind} v{version} {one['style']}: the envelope reads {head}")
        decoded = msgspec.msgpack.decode(envelope.payload, type=struct)
        if decoded != event or readable(decoded) != one["event"]:
            found.append(f"{kind} v{version} {one['style']}: {decoded} is read")
    return found


def load(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def missing_goldens(folder: Path) -> list[str]:
    """Shapes of the registry without a file in ``folder``."""
    return [name for name in NAMES if not (folder / name).is_file()]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape[0]}.v{shape[1]}")
def test_todays_code_writes_and_reads_exactly_the_golden_bytes(shape: tuple[str, int]) -> None:
    """Each released shape gives its golden's bytes, and its golden's bytes give the event."""
    golden = load(golden_path(*shape))
    assert (golden["kind"], golden["version"]) == shape
    assert [one["style"] for one in golden["samples"]] == list(STYLES)
    assert faults(golden, SHAPES[shape]) == []


def test_every_shape_has_a_golden() -> None:
    """No (kind, version) of the registry, past ones included, lacks its file."""
    assert missing_goldens(GOLDENS) == [], "make it: python -m tests.events.make_goldens"


def test_every_golden_has_a_shape() -> None:
    """A shape that was ever released stays readable: no golden is left without its struct."""
    assert sorted(path.name for path in GOLDENS.glob("*.json")) == NAMES


def test_the_schema_is_the_pinned_one() -> None:
    """The digest that every session carries changes only with a version.

    When this fails a field list changed. Give the kind its next version in ``events/registry.py``,
    move the struct as it was to ``events/past/``, add its step to ``events/upcast.py``, then run
    ``python -m tests.events.make_goldens``: it makes the new golden and pins the schema again.
    """
    pinned = (GOLDENS / make_goldens.SCHEMA).read_text(encoding="utf-8")
    assert pinned == make_goldens.schema_text()
    assert pinned.split()[0] == schema_digest()


def test_canary_a_missing_golden_is_found(tmp_path: Path) -> None:
    """With one file taken away, that file is named."""
    for name in NAMES[1:]:
        (tmp_path / name).write_text("{}")
    assert missing_goldens(tmp_path) == [NAMES[0]]


def test_canary_one_changed_byte_is_found() -> None:
    """The last byte of each sample changed: each sample is reported, by kind and style."""
    path = golden_path("TimerTick", 1)
    golden = load(path)
    for one in golden["samples"]:
        data = bytearray.fromhex(one["envelope"])
        data[-1] ^= 1
        one["envelope"] = data.hex()
    found = faults(golden, SHAPES["TimerTick", 1])
    assert [style for style in STYLES if any(f" {style}:" in line for line in found)] == [*STYLES]


def test_the_script_never_touches_a_golden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second run makes nothing, and a file that is there keeps its content."""
    monkeypatch.setattr(make_goldens, "GOLDENS", tmp_path)
    kept = tmp_path / NAMES[0]
    kept.write_text("as some release wrote it")
    made = [path.name for path in make_goldens.write_missing()]
    assert sorted(made) == sorted([*NAMES[1:], make_goldens.SCHEMA])
    assert make_goldens.write_missing() == []
    assert kept.read_text() == "as some release wrote it"

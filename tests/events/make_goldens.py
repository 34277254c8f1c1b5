"""Writes the golden file of each (kind, version) that has none yet, and never touches another.

Lives here: the form of a golden file and its making. May import: events, tests.events.samples.
Always holds: a golden that exists is what some release wrote, so it is never written again: bytes
that change need a new version of the kind, whose golden is then missing and is made by this.
``schema.txt`` pins the schema's digest with the field lists behind it; it follows the goldens.
Run from the checkout: ``python -m tests.events.make_goldens``; it prints the files it made.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

from events.envelope import encode_envelope
from events.registry import schema_digest, schema_lines
from tests.events.samples import SHAPES, STYLES, place_of, readable, sample

GOLDENS: Final = Path(__file__).parent / "goldens"


SCHEMA: Final = "schema.txt"


def schema_text() -> str:
    """The schema as it is kept: its digest, then one line a kind and one a field."""
    return "\n".join((schema_digest(), "", *schema_lines(), ""))


def golden_path(kind: str, version: int) -> Path:
    """Where the golden of a (kind, version) is kept."""
    return GOLDENS / f"{kind}.v{version}.json"


def golden_of(kind: str, version: int) -> dict[str, Any]:
    """A golden as plain values: the samples of a shape, each with its envelope's bytes as hex."""
    samples = []
    for style in STYLES:
        event = sample(SHAPES[kind, version], style)
        seq, ts, cause = place_of(kind, style)
        data = encode_envelope(seq, kind, version, ts, cause, event)
        place = {"style": style, "seq": seq, "ts": ts, "cause": cause}
        samples.append({**place, "event": readable(event), "envelope": data.hex()})
    return {"kind": kind, "version": version, "samples": samples}


def write_missing() -> list[Path]:
    """Make the goldens that are missing, and the schema's after them; gives their paths."""
    made = []
    for kind, version in SHAPES:
        path = golden_path(kind, version)
        if not path.exists():
            text = json.dumps(golden_of(kind, version), indent=1, ensure_ascii=False)
            path.write_text(text + "\n", encoding="utf-8")
            made.append(path)
    schema = GOLDENS / SCHEMA
    if made or not schema.exists():
        schema.write_text(schema_text(), encoding="utf-8")
        made.append(schema)
    return made


if __name__ == "__main__":
    for path in write_missing():
        sys.stdout.write(f"{path.name}\n")

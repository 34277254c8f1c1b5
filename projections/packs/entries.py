"""Entries of a journal as a pack shows them: where they stand, their digest, their values by name.

Lives here: ``Item`` and its forms. May import: events,
journal, projections.why. Always holds: the digest is
that of the entry's bytes as they stand in the journal; values are those recorded, field by field in
the event's own order, so that a verifier without our code can lay them beside the entry.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from events.base import Event
from events.envelope import Envelope, decode_envelope
from events.registry import spec_of
from events.upcast import current_event
from journal.reader import JournalReader
from projections.why import ist_iso

BYTES_MARK: Final = "base64:"
"""Stands before bytes, which JSON has not."""

SEQS_A_CALL: Final = 4096

Fields = dict[str, Any]
OnSeq = Callable[[int], None]


class Item(msgspec.Struct, frozen=True):
    """An entry with the bytes it stands in the journal with."""

    envelope: Envelope
    data: bytes

    @property
    def seq(self) -> int:
        return self.envelope.seq

    @property
    def event(self) -> Event:
        """In its kind's current shape. Raises ``events.registry``'s errors."""
        return current_event(self.envelope)

    @property
    def sha256(self) -> str:
        """Of the entry's canonical bytes, lower-case hex."""
        return hashlib.sha256(self.data).hexdigest()


def place(item: Item) -> Fields:
    """Where an entry stands, and its digest, without its values."""
    one = item.envelope
    return {
        "seq": one.seq,
        "kind": one.kind,
        "version": one.version,
        "ts": one.ts,
        "ts_ist": ist_iso(one.ts),
        "cause": one.cause,
        "sha256": item.sha256,
    }


def shown(item: Item) -> Fields:
    """An entry with its values. One of an older version has them in the current shape, and says so:
    its own bytes hold fewer."""
    told = place(item)
    if item.envelope.version != spec_of(item.envelope).version:
        told["upcast"] = True
    told["values"] = named(item.event)
    return told


def named(value: Any) -> Any:
    """A value as JSON has it: structs as objects with their fields in order, bytes marked."""
    if isinstance(value, msgspec.Struct):
        return {name: named(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, list | tuple):
        return [named(one) for one in value]
    if isinstance(value, bytes):
        return BYTES_MARK + base64.b64encode(value).decode("ascii")
    return value


def unseen(seq: int) -> None:
    """Nobody watches."""


def items_of(folder: Path, on_seq: OnSeq = unseen, *, verified: bool = False) -> Iterator[Item]:
    """The entries of a session from the first; ``on_seq`` is told every ``SEQS_A_CALL``-th seq.
    ``verified``: its chain was just looked at. Raises the journal's errors."""
    with JournalReader(folder, verify_chain=not verified) as reader:
        for entry in reader:
            if entry.seq % SEQS_A_CALL == 0:
                on_seq(entry.seq)
            yield Item(decode_envelope(entry.data), entry.data)

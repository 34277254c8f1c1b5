"""Journal entries as rows, and one entry's payload as named fields.

Lives here: the two tables and the text of a value. May import: events, tui's pure parts. Always
holds: any payload of any kind or version gives rows, never an error: what this release cannot read
is shown raw and marked; money, quantities and times are told by their field's name.
Start reading at ``entries_table``, then ``fields_table``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from events import registry
from events.envelope import Envelope
from events.upcast import current_event
from tui import fmt
from tui.view.text import Column, Row, Table, column, span

UNREADABLE: Final = (
    registry.UnknownKindError,
    registry.VersionTooNewError,
    registry.PayloadError,
)
FIELDS_MAX: Final = 2_000
SUMMARY_CHARS: Final = 160
VALUE_CHARS: Final = 400
RAW_BYTES: Final = 96

COLUMNS: Final[tuple[Column, ...]] = (
    column("SEQ", 10, ">"),
    column("TIME IST", 12),
    column("", 1),
    column("KIND", 18),
    column("CAUSE", 10, ">", priority=2),
    column("WHAT", 20, grow=True),
)
FACT: Final = "●"


ROWS_KEPT: Final = 2_000


def entries_table(
    title: str, entries: tuple[Envelope, ...], empty: str, known: dict[int, Row]
) -> Table:
    """One row an entry; a fact has a mark, a derivation the fact that it follows from.

    ``known`` keeps rows of one journal from paint to paint: what was written never changes.
    """
    if len(known) > ROWS_KEPT:
        known.clear()
    for envelope in entries:
        if envelope.seq not in known:
            known[envelope.seq] = entry_row(envelope)
    return Table(title, COLUMNS, tuple(known[envelope.seq] for envelope in entries), empty)


def entry_row(envelope: Envelope) -> Row:
    """One entry in one row."""
    fact = envelope.is_fact
    return Row(
        ("entry", envelope.seq),
        (
            span(f"#{envelope.seq}"),
            span(fmt.clock_ms(envelope.ts)),
            (FACT if fact else " ", "ok"),
            span(envelope.kind, "title" if fact else "text"),
            span(fmt.MISSING if fact else f"#{envelope.cause}", "dim"),
            _summary(envelope),
        ),
    )


def _summary(envelope: Envelope) -> tuple[str, Any]:
    try:
        event = current_event(envelope)
    except UNREADABLE as error:
        return span(f"✗ {_fault(error)}: {raw_text(bytes(envelope.payload))}", "bad")
    parts: list[str] = []
    length = 0
    for info in msgspec.structs.fields(event):
        text = value_text(info.name, getattr(event, info.name))
        parts.append(f"{info.name} {text}")
        length += len(parts[-1]) + 2
        if length > SUMMARY_CHARS:
            break
    return span("  ".join(parts)[:SUMMARY_CHARS])


def _fault(error: Exception) -> str:
    return str(error).partition(":")[0]


# --- one entry ---------------------------------------------------------------------------------

FIELDS: Final[tuple[Column, ...]] = (
    column("FIELD", 34),
    column("VALUE", 20, grow=True),
)


def fields_table(envelope: Envelope | None) -> Table:
    """The payload as named fields, nested ones by their path."""
    if envelope is None:
        return Table("ENTRY", FIELDS, (), "this entry is being read")
    kind = f"{envelope.kind} v{envelope.version}"
    title = f"ENTRY #{envelope.seq}  {kind}  {fmt.clock_ms(envelope.ts)} IST"
    title += "  fact" if envelope.is_fact else f"  follows from #{envelope.cause}"
    try:
        event = current_event(envelope)
    except UNREADABLE as error:
        return Table(f"{title}  ✗ cannot be read", FIELDS, _raw_rows(envelope, error), "")
    rows: list[Row] = []
    for path, text in paths_of(event):
        rows.append(Row(("field", path), (span(path, "dim"), span(text[:VALUE_CHARS]))))
        if len(rows) >= FIELDS_MAX:
            rows.append(Row("more", (span("..."), span(f"only {FIELDS_MAX} fields are shown"))))
            break
    return Table(title, FIELDS, tuple(rows), "this kind has no fields")


def _raw_rows(envelope: Envelope, error: Exception) -> tuple[Row, ...]:
    payload = bytes(envelope.payload)
    told = (
        ("why", str(error)),
        ("version", str(envelope.version)),
        ("bytes", fmt.group_indian(len(payload))),
        ("payload", raw_text(payload)),
    )
    return tuple(Row(("raw", name), (span(name, "dim"), span(text))) for name, text in told)


def raw_text(payload: bytes) -> str:
    """Bytes as hex digits, cut."""
    more = fmt.ELLIPSIS if len(payload) > RAW_BYTES else ""
    return payload[:RAW_BYTES].hex() + more


def paths_of(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """(path, text) of everything in a struct, in declared order."""
    if isinstance(value, msgspec.Struct):
        for info in msgspec.structs.fields(value):
            name = f"{path}.{info.name}" if path else info.name
            yield from paths_of(getattr(value, info.name), name)
    elif isinstance(value, tuple) and any(isinstance(one, msgspec.Struct) for one in value):
        for at, one in enumerate(value):
            yield from paths_of(one, f"{path}[{at}]")
    else:
        yield path, value_text(path.rpartition(".")[2], value)


def value_text(name: str, value: Any) -> str:
    """A value as its field's name tells it: paise as rupees, ns as IST, bytes as their number."""
    if value is None:
        return fmt.MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return _number_text(name, value)
    if isinstance(value, bytes | msgspec.Raw):
        return f"{fmt.group_indian(len(bytes(value)))} bytes"
    if isinstance(value, tuple):
        return _tuple_text(name, value)
    if isinstance(value, msgspec.Struct):
        inner = (value_text(i.name, getattr(value, i.name)) for i in msgspec.structs.fields(value))
        return f"({', '.join(inner)})"
    return str(value)


def _tuple_text(name: str, value: tuple[Any, ...]) -> str:
    if len(value) > 4:
        return f"{len(value)} of them: {', '.join(value_text(name, one) for one in value[:3])}, ..."
    return f"[{', '.join(value_text(name, one) for one in value)}]"


_EPOCH_NS_MIN: Final = 1_000_000_000 * fmt.NS_PER_S
"""A number of ns above this is a moment, below it a length."""


def _number_text(name: str, value: int) -> str:
    if name.endswith("_paise"):
        return fmt.rupees(value)
    if name.endswith(("_ts", "_ns")) or name == "ts":
        if value > _EPOCH_NS_MIN:
            return f"{fmt.clock_ms(value)} IST"
        return f"{fmt.group_indian(value)} ns"
    if name in ("day", "expiry", "token") or name.endswith("_seq"):
        return str(value)
    return fmt.group_indian(value)

"""Old shapes brought up to date: any released version of a kind, read as its current event.

Lives here: one step a (kind, version) that is no longer current, and the reading that chains them.
May import: events. Always holds: a step is pure, takes and gives field name to value, looks nothing
up and leads to the next version; from every past version a chain leads to the current one; what is
unknown then stays unknown (None), never guessed.
Start reading at ``current_event``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec.structs import asdict, astuple

from events.base import Event
from events.envelope import Envelope, encode_envelope
from events.past.carried_over_v3 import CarriedPositionV3
from events.registry import PAST, KindSpec, PayloadError, decode_event, decode_payload, spec_of

Fields = dict[str, Any]
Step = Callable[[Fields], Fields]


def approval_requested_1_to_2(fields: Fields) -> Fields:
    """Version 1 knew no pairs: nothing was sold against what was asked for."""
    return {**fields, "sold_contract": None, "sold_low_paise": None}


def carried_over_1_to_2(fields: Fields) -> Fields:
    """Version 1 had one cooldown for all underlyings, and nothing but counters."""
    until = fields["cooldown_until_ns"]
    kept = {name: value for name, value in fields.items() if name != "cooldown_until_ns"}
    cooldowns = (("*", until),) if until else ()
    return {**kept, "exits": 0, "cooldowns": cooldowns, "positions": (), "unknown_orders": ()}


def carried_over_2_to_3(fields: Fields) -> Fields:
    """Version 2 did not say in what product a position is held."""
    positions = tuple(CarriedPositionV3(**asdict(one), product="") for one in fields["positions"])
    return {**fields, "positions": positions}


def carried_over_3_to_4(fields: Fields) -> Fields:
    """Version 3 knew no first target, of a contract its name alone (all of it stays), and nothing
    of the days behind it. It had no risk state: its halts were an operator's, and end by ``resume``
    alone. No strategy was ever moved."""
    positions = tuple(
        (*astuple(one), 0, one.quantity_units, False, None, None, None, None)
        for one in fields["positions"]
    )
    status = "SOFT_HALT" if fields["halts"] else "NORMAL"
    risk = (status, fields["day"], 0, (), (), ())
    return {**fields, "positions": positions, "days": (), "risk": risk, "strategies": ()}


def day_type_assessed_1_to_2(fields: Fields) -> Fields:
    """Version 1 told neither the kind before nor how often it had changed, and locked nothing."""
    return {**fields, "before": None, "switches": None, "locked": None}


def intent_approved_1_to_2(fields: Fields) -> Fields:
    """Version 1 did not say what price the decision was made at."""
    return {**fields, "reference_paise": None}


def operator_command_1_to_2(fields: Fields) -> Fields:
    """Version 1 knew neither what a command was about nor how it came."""
    return {**fields, "subject": None, "value": None, "command_id": "", "channel": "NONE"}


def snapshot_taken_1_to_2(fields: Fields) -> Fields:
    """Version 1 said neither how old INDIA VIX was, nor what the print was held against, nor how
    old the quotes near the money were."""
    names = (
        "vix_age_ms", "reference_paise", "reference_source", "reference_age_ms",
        "witness_paise", "witness_source", "near_age_ms",
    )  # fmt: skip
    return {**fields, **dict.fromkeys(names)}


UPCASTS: Final[dict[tuple[str, int], Step]] = {
    ("ApprovalRequested", 1): approval_requested_1_to_2,
    ("CarriedOver", 1): carried_over_1_to_2,
    ("CarriedOver", 2): carried_over_2_to_3,
    ("CarriedOver", 3): carried_over_3_to_4,
    ("DayTypeAssessed", 1): day_type_assessed_1_to_2,
    ("IntentApproved", 1): intent_approved_1_to_2,
    ("OperatorCommand", 1): operator_command_1_to_2,
    ("SnapshotTaken", 1): snapshot_taken_1_to_2,
}
"""The step from a past version of a kind to the version after it."""


def current_event(envelope: Envelope) -> Event:
    """The event of an envelope of any released version, in its kind's current shape.

    Raises ``UnknownKindError``, ``VersionTooNewError`` or ``PayloadError``.
    """
    spec = spec_of(envelope)
    if envelope.version == spec.version:
        return decode_event(envelope)
    past = PAST.get((envelope.kind, envelope.version))
    if past is None:
        raise PayloadError(
            f"PAYLOAD_INVALID: seq {envelope.seq}, {envelope.kind} never had a version "
            f"{envelope.version}"
        )
    event = decode_payload(envelope, msgspec.msgpack.Decoder(past))
    fields: Fields = {name: getattr(event, name) for name in past.__struct_fields__}
    for version in range(envelope.version, spec.version):
        fields = UPCASTS[envelope.kind, version](fields)
    return _build(spec, fields)


def current_bytes(envelope: Envelope) -> bytes:
    """The envelope's canonical bytes with its event in the current shape and version.

    What replay compares when a session was written by an older release; the bytes of an envelope
    that is current are its own.
    """
    spec = spec_of(envelope)
    head = (envelope.seq, envelope.kind, spec.version, envelope.ts, envelope.cause)
    return encode_envelope(*head, current_event(envelope))


def _build(spec: KindSpec, fields: Fields) -> Event:
    """The current struct, with its types checked; the steps must have given exactly its fields."""
    names = spec.struct.__struct_fields__
    assert set(fields) == set(names), f"the steps to {spec.kind} v{spec.version} give other fields"
    values = msgspec.msgpack.encode([fields[name] for name in names])
    return msgspec.msgpack.decode(values, type=spec.struct)

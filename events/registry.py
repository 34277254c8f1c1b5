"""The closed registry: every (kind, version) that a journal may hold, and its struct.

Lives here: the table of kinds, the past shapes, the decoding of payloads. May import: events.
Always holds: a kind or version that is not in the tables is an error with a code, never a guess and
never an import by name. Start reading at ``SPECS``.
"""

from __future__ import annotations

import hashlib
import types
import typing
from typing import Final, Literal

import msgspec

from events import broker, decision, features, feed, governance, market, orders, risk, session
from events.base import Event
from events.envelope import UNDECODABLE, Envelope
from events.past.approval_requested_v1 import ApprovalRequestedV1
from events.past.carried_over_v1 import CarriedOverV1
from events.past.carried_over_v2 import CarriedOverV2
from events.past.carried_over_v3 import CarriedOverV3
from events.past.day_type_assessed_v1 import DayTypeAssessedV1
from events.past.intent_approved_v1 import IntentApprovedV1
from events.past.operator_command_v1 import OperatorCommandV1
from events.past.snapshot_taken_v1 import SnapshotTakenV1

Role = Literal["FACT", "DERIVATION"]


class KindSpec(msgspec.Struct, frozen=True):
    """A kind: its current version and struct, whether it is a fact, whether its group is urgent.

    An urgent entry is one on which an outward action waits: its group is made durable before the
    next fact is taken.
    """

    kind: str
    version: int
    struct: type[Event]
    role: Role
    urgent: bool


class UnknownKindError(ValueError):
    """A kind that no release knows (``KIND_UNKNOWN``)."""


class VersionTooNewError(ValueError):
    """A version newer than this release knows (``VERSION_TOO_NEW``)."""


class PayloadError(ValueError):
    """A payload that is not of its declared shape (``PAYLOAD_INVALID``)."""


def _fact(struct: type[Event], version: int = 1, *, urgent: bool = False) -> KindSpec:
    return KindSpec(struct.__name__, version, struct, "FACT", urgent)


def _derivation(struct: type[Event], version: int = 1, *, urgent: bool = False) -> KindSpec:
    return KindSpec(struct.__name__, version, struct, "DERIVATION", urgent)


SPECS: Final[tuple[KindSpec, ...]] = (
    _fact(session.SessionOpened),
    _fact(session.CarriedOver, 4),
    _fact(session.SessionResumed, urgent=True),
    _fact(session.ArtifactLoaded),
    _fact(session.InstrumentsLoaded),
    _fact(session.ConfigChanged),
    _fact(session.OperatorCommand, 2, urgent=True),
    _fact(session.SessionAmended, urgent=True),
    _fact(session.TailCut),
    _fact(session.SessionClosed),
    _fact(feed.FeedFrame),
    _fact(feed.FeedStatus),
    _fact(feed.TimerTick),
    _fact(feed.SubscriptionChanged),
    _fact(feed.FramesDropped),
    _fact(feed.HistoryLoaded),
    _fact(feed.ClockStepped),
    _fact(feed.HealthObserved),
    _fact(broker.AuthStatus),
    _fact(broker.OrderSendStarted, urgent=True),
    _fact(broker.OrderSendResult, urgent=True),
    _fact(broker.BrokerUpdate, urgent=True),
    _fact(broker.BrokerSnapshot),
    _fact(broker.OrderLookup),
    _fact(broker.QuotesObserved),
    _fact(broker.MarginObserved),
    _derivation(market.BarClosed),
    _derivation(market.FrameRejected),
    _derivation(market.FeedHealthChanged),
    _derivation(market.InstrumentsGated),
    _derivation(market.TicksJudged),
    _derivation(market.SnapshotTaken, 2),
    _derivation(features.FeaturesDerived),
    _derivation(decision.RegimeAssessed),
    _derivation(decision.DayTypeAssessed, 2),
    _derivation(decision.GatesEvaluated),
    _derivation(decision.ContractsScreened),
    _derivation(decision.CandidateProposed),
    _derivation(decision.DecisionMade),
    _derivation(orders.IntentApproved, 2, urgent=True),
    _derivation(orders.SpreadApproved, urgent=True),
    _derivation(orders.ExitSignalled, urgent=True),
    _derivation(orders.OrderChanged),
    _derivation(orders.FillApplied),
    _derivation(orders.PositionChanged),
    _derivation(orders.PositionSettled),
    _derivation(orders.RiskStateChanged),
    _derivation(orders.SessionSummarised),
    _derivation(governance.OrderWanted, urgent=True),
    _derivation(governance.MarginWanted),
    _derivation(governance.ApprovalRequested, 2, urgent=True),
    _derivation(governance.ApprovalClosed, urgent=True),
    _derivation(governance.CommandAnswered, urgent=True),
    _derivation(governance.Reconciled),
    _derivation(governance.DifferenceFound),
    _derivation(governance.IncidentRaised, urgent=True),
    _derivation(governance.IncidentResolved),
    _derivation(governance.ReadinessChanged),
    _derivation(governance.SessionEndDue),
    _derivation(risk.RiskTransitioned),
    _derivation(risk.SettingsDeferred),
)

PAST: Final[dict[tuple[str, int], type[Event]]] = {
    ("ApprovalRequested", 1): ApprovalRequestedV1,
    ("CarriedOver", 1): CarriedOverV1,
    ("CarriedOver", 2): CarriedOverV2,
    ("CarriedOver", 3): CarriedOverV3,
    ("DayTypeAssessed", 1): DayTypeAssessedV1,
    ("IntentApproved", 1): IntentApprovedV1,
    ("OperatorCommand", 1): OperatorCommandV1,
    ("SnapshotTaken", 1): SnapshotTakenV1,
}
"""Shapes that a journal may still hold and that nothing writes any more, by (kind, version)."""

BY_KIND: Final[dict[str, KindSpec]] = {spec.kind: spec for spec in SPECS}
BY_STRUCT: Final[dict[type[Event], KindSpec]] = {spec.struct: spec for spec in SPECS}
FACT_KINDS: Final[tuple[str, ...]] = tuple(s.kind for s in SPECS if s.role == "FACT")

_DECODERS: Final[dict[str, msgspec.msgpack.Decoder[Event]]] = {
    spec.kind: msgspec.msgpack.Decoder(spec.struct) for spec in SPECS
}


def shapes() -> dict[tuple[str, int], type[Event]]:
    """Every (kind, version) ever released with its struct, past ones first."""
    return {**PAST, **{(spec.kind, spec.version): spec.struct for spec in SPECS}}


def spec_of(envelope: Envelope) -> KindSpec:
    """The row of an envelope's kind. Raises ``UnknownKindError`` or ``VersionTooNewError``."""
    spec = BY_KIND.get(envelope.kind)
    if spec is None:
        raise UnknownKindError(f"KIND_UNKNOWN: seq {envelope.seq} holds kind {envelope.kind!r}")
    if envelope.version > spec.version:
        raise VersionTooNewError(
            f"VERSION_TOO_NEW: seq {envelope.seq} holds {envelope.kind} version "
            f"{envelope.version}, this release knows up to {spec.version}; "
            "read it with the release that wrote it"
        )
    return spec


def decode_event(envelope: Envelope) -> Event:
    """The event of a current-version envelope, as recorded. See ``upcast`` for older versions."""
    spec = spec_of(envelope)
    if envelope.version != spec.version:
        raise PayloadError(f"{envelope.kind} version {envelope.version} needs an upcast first")
    return decode_payload(envelope, _DECODERS[envelope.kind])


def decode_payload(envelope: Envelope, decoder: msgspec.msgpack.Decoder[Event]) -> Event:
    """The payload as the decoder's shape. Raises ``PayloadError`` where it is not of that shape."""
    try:
        return decoder.decode(envelope.payload)
    except UNDECODABLE as error:
        raise PayloadError(
            f"PAYLOAD_INVALID: seq {envelope.seq}, {envelope.kind}: {error}"
        ) from error


def _field_lines(struct: type[msgspec.Struct], seen: set[str]) -> list[str]:
    """Field list of a struct and of the records inside it, in declared order."""
    name = struct.__name__
    if name in seen:
        return []
    seen.add(name)
    lines: list[str] = []
    nested: list[str] = []
    for field in msgspec.structs.fields(struct):
        lines.append(f"{name}.{field.encode_name}: {_type_name(field.type, nested, seen)}")
    return lines + nested


def _type_name(annotation: object, nested: list[str], seen: set[str]) -> str:
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        nested.extend(_field_lines(annotation, seen))
        return annotation.__name__
    args = typing.get_args(annotation)
    if args:
        inner = ", ".join(_type_name(arg, nested, seen) for arg in args)
        # ``X | Y`` and ``Union[X, Y]`` are two types in some releases of Python and one in others.
        origin = typing.get_origin(annotation)
        union = origin is typing.Union or origin is types.UnionType
        return f"{'union' if union else getattr(origin, '__name__', origin)}[{inner}]"
    return getattr(annotation, "__name__", str(annotation))


def schema_lines() -> tuple[str, ...]:
    """The whole schema as text: one line a kind, one a field, in registry order."""
    lines: list[str] = []
    for spec in SPECS:
        lines.append(f"{spec.kind} v{spec.version} {spec.role}")
        lines.extend(_field_lines(spec.struct, set()))
    return tuple(lines)


def schema_digest() -> str:
    """Lower-case hex SHA-256 of ``schema_lines``."""
    return hashlib.sha256("\n".join(schema_lines()).encode()).hexdigest()

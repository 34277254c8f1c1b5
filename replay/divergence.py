"""The first difference of a replay: where it is, what it follows from, and what the two sides ran.

Lives here: the naming of a difference to its field, the causal chain from an entry back to the
packet in its frame, the makings of two runs. May import: events, the journal's reader, engine's
pure types. Always holds: a chain goes back in time only, from the entry through what led to it
inside its group, to its fact, to the last packets of the instruments it speaks of.
Start reading at ``difference`` and ``causal_chain``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from engine.apply import Entry
from engine.config import flatten, of_session
from engine.core import Derived
from engine.runner import own_code_digest
from engine.state import NO_INDEX, State
from events.base import Event
from events.decision import ContractsScreened, GatesEvaluated
from events.envelope import Envelope, decode_envelope, encode_payload
from events.feed import FeedFrame
from events.market import BarClosed, InstrumentsGated, SnapshotTaken, TicksJudged
from events.orders import FillApplied
from events.registry import PAST, SPECS, PayloadError, schema_digest
from events.session import SessionOpened, Setting
from events.upcast import current_event
from events.wire.kite import FrameError, packet_spans
from journal.reader import JournalReader

ABSENT: Final = "(absent)"


class Link(msgspec.Struct, frozen=True):
    """One link of a causal chain. A frame has ``packet``, the place in it of the tick that spoke of
    ``instrument`` (a trading symbol) last; ``ts`` is ns UTC on the session clock."""

    seq: int
    kind: str
    ts: int
    instrument: str | None
    packet: int | None


class Divergence(msgspec.Struct, frozen=True):
    """The first derivation that differs, or state that a session was resumed from: where, in which
    field, both values, and what it follows from, nearest first."""

    seq: int
    kind: str
    field: str
    recorded: Any
    replayed: Any
    cause: int
    chain: tuple[Link, ...] = ()


class Makings(msgspec.Struct, frozen=True):
    """What two runs were made of. ``code`` and ``schema`` are digests (hex), first run first;
    ``settings`` says ``key: first -> second`` of every setting that differs."""

    code: tuple[str, str]
    schema: tuple[str, str]
    settings: tuple[str, ...]

    @property
    def same(self) -> bool:
        return len({*self.code}) == len({*self.schema}) == 1 and not self.settings


def recorded_makings(opened: SessionOpened) -> Makings:
    """What recorded a session, beside what replays it: a setting that the session does not record
    is in force at this release's default. Raises ``ConfigError`` where this release has no such
    setting."""
    return Makings(
        (opened.code_digest, own_code_digest()),
        (opened.schema_digest, schema_digest()),
        changed_settings(opened.settings, flatten(of_session(opened.settings))),
    )


def makings_of(first: SessionOpened, second: SessionOpened) -> Makings:
    """What two sessions were recorded by, and under which settings."""
    return Makings(
        (first.code_digest, second.code_digest),
        (first.schema_digest, second.schema_digest),
        changed_settings(first.settings, second.settings),
    )


def changed_settings(before: tuple[Setting, ...], after: tuple[Setting, ...]) -> tuple[str, ...]:
    """``key: old -> new`` of every setting that differs, by key; ``(absent)`` where a side has
    none."""
    was, now = ({one.key: one.value for one in side} for side in (before, after))
    return tuple(
        f"{key}: {was.get(key, ABSENT)} -> {now.get(key, ABSENT)}"
        for key in sorted({**was, **now})
        if not same(was.get(key), now.get(key))
    )


# --- naming the difference -----------------------------------------------------------------------


def difference(envelope: Envelope, ours: Derived | None) -> Divergence:
    """How a recorded derivation differs from the one derived in its place (None: nothing was)."""
    seq, kind, cause = envelope.seq, envelope.kind, envelope.cause
    if ours is None:
        return Divergence(seq, kind, "", "recorded", ABSENT, cause)
    if kind != ours.entry.kind:
        return Divergence(seq, kind, "kind", kind, ours.entry.kind, cause)
    for name, recorded, replayed in (
        ("ts", envelope.ts, ours.entry.ts),
        ("cause", envelope.cause, ours.entry.cause),
    ):
        if recorded != replayed:
            return Divergence(seq, kind, name, recorded, replayed, cause)
    event = event_or_none(envelope)
    derived = ours.entry.event if event is None else as_silent(envelope, event, ours.entry.event)
    if event is None or same(event, derived):  # not of the kind's shape, or not canonical
        payloads = bytes(envelope.payload).hex(), encode_payload(derived).hex()
        return Divergence(seq, kind, "payload", *payloads, cause)
    return Divergence(seq, kind, *first_field(event, derived), cause)


def missing(ours: Derived) -> Divergence:
    """What was derived and is not recorded."""
    one = ours.entry
    return Divergence(one.seq, one.kind, "", ABSENT, "derived", one.cause)


def event_or_none(envelope: Envelope) -> Event | None:
    """The event of an envelope, None where its payload is none of its kind."""
    try:
        return current_event(envelope)
    except PayloadError:
        return None


def as_silent(envelope: Envelope, recorded: Event, derived: Event) -> Event:
    """``derived`` without the fields that the recorded version did not have."""
    past = PAST.get((envelope.kind, envelope.version))
    if past is None:
        return derived
    silent = {
        name: None
        for name in recorded.__struct_fields__
        if name not in past.__struct_fields__ and getattr(recorded, name) is None
    }
    return replace(derived, **silent)


def first_field(recorded: Any, replayed: Any, path: str = "") -> tuple[str, Any, Any]:
    """The dotted path of the first field in which two values differ, and both values there."""
    if isinstance(recorded, msgspec.Struct) and type(recorded) is type(replayed):
        for name in recorded.__struct_fields__:
            ours, theirs = getattr(recorded, name), getattr(replayed, name)
            if not same(ours, theirs):
                return first_field(ours, theirs, f"{path}.{name}" if path else name)
    if isinstance(recorded, tuple) and isinstance(replayed, tuple):
        if len(recorded) != len(replayed):
            return f"{path}.length", len(recorded), len(replayed)
        for place, (ours, theirs) in enumerate(zip(recorded, replayed, strict=True)):
            if not same(ours, theirs):
                return first_field(ours, theirs, f"{path}[{place}]")
    return path, plain(recorded), plain(replayed)


def same(ours: Any, theirs: Any) -> bool:
    """Equal to the byte: 1 is not 1.0 and not True."""
    return msgspec.msgpack.encode(ours) == msgspec.msgpack.encode(theirs)


def plain(value: Any) -> Any:
    """A value as JSON can hold it; bytes as hex."""
    return value.hex() if isinstance(value, bytes) else msgspec.to_builtins(value)


# --- the causal chain ----------------------------------------------------------------------------

LED_BY: Final[dict[str, tuple[str, ...]]] = {
    "BarClosed": (),
    "FrameRejected": (),
    "FeedHealthChanged": (),
    "InstrumentsGated": (),
    "TicksJudged": (),
    "SnapshotTaken": (),
    "FeaturesDerived": ("BarClosed",),
    "RegimeAssessed": ("FeaturesDerived",),
    "DayTypeAssessed": ("FeaturesDerived",),
    "ContractsScreened": ("SnapshotTaken",),
    "GatesEvaluated": ("ContractsScreened", "SnapshotTaken"),
    "CandidateProposed": ("GatesEvaluated",),
    "DecisionMade": ("GatesEvaluated",),
    "IntentApproved": ("CandidateProposed", "DecisionMade"),
    "SpreadApproved": ("IntentApproved",),
    "ExitSignalled": (),
    "OrderChanged": ("FillApplied", "ExitSignalled", "SpreadApproved", "IntentApproved"),
    "FillApplied": (),
    "PositionChanged": ("FillApplied", "PositionSettled"),
    "PositionSettled": (),
    "RiskStateChanged": ("PositionChanged", "OrderChanged", "PositionSettled"),
    "SessionSummarised": ("OrderChanged",),
    "OrderWanted": ("OrderChanged", "ExitSignalled", "IntentApproved", "FillApplied"),
    "MarginWanted": ("DecisionMade",),
    "ApprovalRequested": ("CandidateProposed", "DecisionMade"),
    "ApprovalClosed": ("IntentApproved", "DecisionMade"),
    "CommandAnswered": (),
    "Reconciled": ("DifferenceFound",),
    "DifferenceFound": (),
    "IncidentRaised": ("DifferenceFound", "OrderChanged"),
    "IncidentResolved": (),
    "ReadinessChanged": (),
    "SessionEndDue": (),
    "RiskTransitioned": ("RiskStateChanged", "CommandAnswered", "IntentApproved"),
    "SettingsDeferred": (),
}
"""What leads to each kind of derivation inside its group: the nearest before it that speaks of the
same thing. With none it follows from the fact alone."""

assert sorted(LED_BY) == sorted(s.kind for s in SPECS if s.role == "DERIVATION"), "one row a kind"

SAME_THING: Final = ("underlying", "contract", "order_id", "position_id")
"""Fields that two events must share where both have them (an unknown one shares with any)."""

BEFORE_THE_FACT: Final = ("BarClosed", "RegimeAssessed", "DayTypeAssessed")
"""Kinds that speak of the market before their fact: a bar ends before the frame that ends it."""


class Place(msgspec.Struct, frozen=True):
    """A derivation in its group: the group's derivations before it, and the states around."""

    entry: Entry
    fact: Entry
    earlier: tuple[Entry, ...]
    before: State
    after: State


def causal_chain(place: Place, field: str, folder: Path) -> tuple[Link, ...]:
    """From an entry back to the packets that it rests on; ``field`` says which instruments.

    Reads the frames from the journal in ``folder``, and raises its errors.
    """
    entries = [place.entry, *_led_by(place.entry, place.earlier), place.fact]
    state = place.before if place.entry.kind in BEFORE_THE_FACT else place.after
    links = [Link(one.seq, one.kind, one.ts, None, None) for one in entries]
    rests_on = (_instruments(one, field if one is place.entry else "", state) for one in entries)
    named = next((found for found in rests_on if found), ())
    packets = [link for i in named for link in _packet(folder, i, state, place.entry)]
    if links[-1].seq in [link.seq for link in packets]:
        links.pop()  # the fact is the very frame: it is said with its packet
    return (*links, *sorted(packets, key=lambda link: -link.seq))


def _led_by(entry: Entry, earlier: tuple[Entry, ...]) -> Iterator[Entry]:
    """The links inside the group, nearest first."""
    for one in reversed(earlier):
        if one.kind in LED_BY.get(entry.kind, ()) and _same_thing(entry.event, one.event):
            yield one
            entry = one


def _same_thing(ours: Event, theirs: Event) -> bool:
    for name in SAME_THING:
        left, right = getattr(ours, name, None), getattr(theirs, name, None)
        if left is not None and right is not None and left != right:
            return False
    return True


def _instruments(entry: Entry, field: str, state: State) -> tuple[int, ...]:
    """The instruments that an entry's field was derived from, none where it names none."""
    event = entry.event
    found: tuple[int, ...]
    if isinstance(event, BarClosed):
        found = (event.instrument,)
    elif isinstance(event, ContractsScreened):
        found = _at(event.contracts, field) or _of_underlying(event.underlying, state)
    elif isinstance(event, TicksJudged):
        found = _at(event.instruments, field)
    elif isinstance(event, InstrumentsGated | FeedFrame):
        found = ()
    elif isinstance(event, SnapshotTaken):
        found = _of_snapshot(event, field, state)
    elif isinstance(event, GatesEvaluated):
        assumed = event.assumed_contract
        found = (*_of_underlying(event.underlying, state), *(() if assumed is None else (assumed,)))
    else:
        contract = getattr(event, "contract", None)
        found = (contract,) if isinstance(contract, int) else ()
        if not found and isinstance(getattr(event, "underlying", None), str):
            found = _of_underlying(str(getattr(event, "underlying", "")), state)
    # What was recorded may name what is not there: that is the difference, not a cause.
    return tuple(i for i in dict.fromkeys(found) if 0 <= i < len(state.quotes))


def _at(contracts: tuple[int, ...], field: str) -> tuple[int, ...]:
    """The contract at the place of a parallel array that a field such as ``masks[3]`` names."""
    _, _, rest = field.partition("[")
    place = rest.partition("]")[0]
    here = place.isdecimal() and int(place) < len(contracts)
    return (contracts[int(place)],) if here else ()


def _of_underlying(name: str, state: State) -> tuple[int, ...]:
    return tuple(umap.index for umap in state.underlyings if umap.name == name)


def _of_snapshot(event: SnapshotTaken, field: str, state: State) -> tuple[int, ...]:
    """The index, unless the field is of the future, the VIX, or an expiry's contracts."""
    umap = next((one for one in state.underlyings if one.name == event.underlying), None)
    if umap is None:
        return ()
    if field.startswith("future_"):
        return (umap.future,)
    if field.startswith("vix_"):
        return (state.vix,)
    if field.startswith(("reference_", "witness_")):
        return tuple(i for i in (umap.index, umap.future) if i >= 0)
    if not field.startswith(("expiries", "near_")):
        return (umap.index,)
    legs: list[int] = []
    for emap in umap.expiries:
        for view in event.expiries:
            if emap.expiry == view.expiry and view.atm_strike_paise in emap.strikes_paise:
                at = emap.strikes_paise.index(view.atm_strike_paise)
                legs += [emap.calls[at], emap.puts[at]]
    return tuple(i for i in legs if i != NO_INDEX) or (umap.index,)


def _packet(folder: Path, instrument: int, state: State, entry: Entry) -> Iterator[Link]:
    """The last packet of an instrument, where it has had one."""
    quote = state.quotes[instrument]
    seq = quote.seq if quote is not None else 0
    if isinstance(entry.event, FillApplied) and entry.event.contract == instrument:
        seq = entry.event.quote_seq
    row = state.instruments[instrument]
    for one in _frame(folder, seq) if 0 < seq <= entry.seq else ():
        yield Link(one.seq, one.kind, one.ts, row.tradingsymbol, packet_of(one.event, row.token))


def _frame(folder: Path, seq: int) -> Iterator[Entry]:
    with JournalReader(folder, from_seq=seq, verify_chain=False) as reader:
        data = next((entry.data for entry in reader), None)
    envelope = decode_envelope(data) if data is not None else None
    if envelope is not None and (envelope.seq, envelope.kind) == (seq, "FeedFrame"):
        event = event_or_none(envelope)
        if event is not None:
            yield Entry(seq, envelope.kind, envelope.ts, envelope.cause, event)


def packet_of(event: Event, token: int) -> int | None:
    """The place in a frame of the last packet of a token, None where it has none."""
    assert isinstance(event, FeedFrame)
    try:
        spans = packet_spans(event.data)
    except FrameError:
        return None
    places = [n for n, (at, _) in enumerate(spans) if event.data[at : at + 4] == _big(token)]
    return places[-1] if places else None


def _big(token: int) -> bytes:
    return token.to_bytes(4, "big")

"""What is said on the control socket: framed, versioned, bounded.

Lives here: requests, answers, their bytes, and the reader that cuts a stream into them. May import:
msgspec. Always holds: a length is checked before anything of it is kept; what is not of the shape
is refused by name; no answer is longer than ``ANSWER_BYTES_MAX``. No I/O is done here.
Start reading at ``Frames``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, TypeVar

import msgspec

MAGIC: Final = b"AXCT"
"""The first bytes of every frame: no request of a browser begins so."""

VERSION: Final = 3
REQUEST_BYTES_MAX: Final = 8 * 1024
ANSWER_BYTES_MAX: Final = 64 * 1024

LISTED_MAX: Final = 64
"""Rows of a kind in a status: with them it stays well below the longest answer."""

ACCEPTED: Final = "ACCEPTED"
REFUSED: Final = "REFUSED"
PENDING: Final = "PENDING"
"""The engine has the command, and had not journaled an answer when the deadline passed."""

NOT_CONTROL: Final = "NOT_CONTROL"
OTHER_VERSION: Final = "OTHER_VERSION"
OVERSIZE: Final = "OVERSIZE"
MALFORMED: Final = "MALFORMED"
FLOOD: Final = "FLOOD"

_HEADER: Final = struct.Struct(">4sHI")


class _Message(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """A message: an array that begins with its tag."""


class CommandRequest(
    _Message, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True, tag="command"
):
    """A command. ``word`` is the mode's word where one was typed; ``command_id`` the asker's own.
    ``asked_ns`` is when it was first sent, ns since this machine's boot; the asker's end stamps it.

    Who asks is not said here: the engine's end knows it from the system.
    """

    verb: str
    subject: str | None
    value: str | None
    why: str
    word: str | None
    command_id: str
    asked_ns: int = 0


class StatusRequest(
    _Message, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True, tag="status"
):
    """How is the engine? Reads only."""


Request = CommandRequest | StatusRequest


class Figure(_Message, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """One named figure of a status; the unit is last in its name."""

    name: str
    value: int | float | str | bool | None


class OpenApproval(_Message, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """An entry that waits for a person: what is approved with ``request_id``.

    ``contract`` is its tradingsymbol; the approval is for limits from ``low_paise`` to
    ``high_paise``; ``risk_paise`` is the loss at the stop with charges both ways; ``expires_s`` is
    of session time. Of a pair ``sold_contract`` is sold against it for ``sold_low_paise`` or more.
    """

    request_id: str
    strategy: str
    side: str
    contract: str
    units: int
    low_paise: int
    high_paise: int
    stop_paise: int
    target_paise: int
    risk_paise: int
    expires_s: int
    sold_contract: str | None
    sold_low_paise: int | None


class OpenIncident(_Message, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """An incident that is not over. ``since_ts`` is session time (ns UTC)."""

    incident_id: str
    severity: int
    code: str
    subject: str
    since_ts: int
    acknowledged: bool


class Status(_Message, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The engine as it last said: ``session_ts`` is its session clock (ns UTC), ``seq`` its last
    durable entry; ``reasons`` stand in the way of entries. ``approvals`` are in the order in which
    they were asked for, ``incidents`` the worst first: of each ``LISTED_MAX`` at most, the figures
    say how many there are."""

    session: str
    mode: str
    readiness: str
    reasons: tuple[str, ...]
    seq: int
    session_ts: int
    figures: tuple[Figure, ...]
    approvals: tuple[OpenApproval, ...]
    incidents: tuple[OpenIncident, ...]


class CommandAnswer(
    _Message, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True, tag="answer"
):
    """What became of a command: ACCEPTED, REFUSED or PENDING, with the code of its reason.

    ``seq`` is the journal's entry that answers, None where nothing was journaled.
    """

    command_id: str
    outcome: str
    reason: str | None
    seq: int | None


class StatusAnswer(
    _Message, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True, tag="status"
):
    """The last status, and its age; None before the first."""

    status: Status | None
    age_ms: int | None


class Fault(
    _Message, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True, tag="fault"
):
    """What was sent is not understood; the connection ends. ``version`` is the engine's."""

    code: str
    version: int


Answer = CommandAnswer | StatusAnswer | Fault

_Said = TypeVar("_Said")
_encode: Final = msgspec.msgpack.Encoder().encode
_REQUESTS: Final[msgspec.msgpack.Decoder[Request]] = msgspec.msgpack.Decoder(Request)
_ANSWERS: Final[msgspec.msgpack.Decoder[Answer]] = msgspec.msgpack.Decoder(Answer)


class ProtocolError(Exception):
    """What came is no frame of ours: ``code`` is one of the words above."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def frame(message: Request | Answer) -> bytes:
    """A message with its header."""
    payload = _encode(message)
    return _HEADER.pack(MAGIC, VERSION, len(payload)) + payload


class Frames:
    """Cuts a stream into payloads. Holds at most one frame of ``bytes_max`` and its header."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._held = bytearray()

    def __len__(self) -> int:
        return len(self._held)

    @property
    def room(self) -> int:
        """How many bytes may be fed now; at least one between frames."""
        return _HEADER.size + self._bytes_max - len(self._held)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The payloads that are whole now, one by one. Raises ``ProtocolError`` at the first wrong
        header, behind what came before it."""
        self._held += data
        while (size := self._size()) is not None and len(self._held) >= size:
            payload = bytes(self._held[_HEADER.size : size])
            del self._held[:size]
            yield payload

    def _size(self) -> int | None:
        """The size of the frame at the front, header included; None while it is not known."""
        begun = min(len(self._held), len(MAGIC))
        if self._held[:begun] != MAGIC[:begun]:
            raise ProtocolError(NOT_CONTROL)
        if len(self._held) < _HEADER.size:
            return None
        _, version, length = _HEADER.unpack_from(self._held)
        if version != VERSION:
            raise ProtocolError(OTHER_VERSION)
        if length > self._bytes_max:
            raise ProtocolError(OVERSIZE)
        return _HEADER.size + int(length)


def request_of(payload: bytes) -> Request:
    """The request in a payload. Raises ``ProtocolError``."""
    return _decoded(_REQUESTS, payload)


def answer_of(payload: bytes) -> Answer:
    """The answer in a payload. Raises ``ProtocolError``."""
    return _decoded(_ANSWERS, payload)


def _decoded(decoder: msgspec.msgpack.Decoder[_Said], payload: bytes) -> _Said:
    try:
        return decoder.decode(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ProtocolError(MALFORMED) from error

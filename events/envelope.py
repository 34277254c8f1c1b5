"""The envelope: how one event stands in the journal, byte for byte.

Lives here: the envelope, its canonical MessagePack bytes, the chain hash. May import: msgspec,
hashlib. Always holds: ``encode(decode(b)) == b`` for every canonical ``b``; an envelope can be read
without knowing its kind, because kind and version stand outside the payload.
Start reading at ``Envelope``.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec

GENESIS_HASH: Final = bytes(32)
"""h0 of the chain: 32 zero bytes."""

SEQ_FIRST: Final = 1
"""The first seq of a session. Seqs are gapless from here on."""


class EnvelopeError(ValueError):
    """Bytes that are not one canonical envelope; the message says what is wrong."""


class Envelope(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """One entry: a MessagePack array of six.

    ``seq`` is gapless per session; ``ts`` is ns UTC on the session clock; ``cause`` is the seq of
    the fact that led here (a fact's own seq); ``payload`` is the event's canonical bytes.
    """

    seq: int
    kind: str
    version: int
    ts: int
    cause: int
    payload: msgspec.Raw

    @property
    def is_fact(self) -> bool:
        """A fact is its own cause; every derivation names an earlier seq."""
        return self.cause == self.seq


_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Envelope] = msgspec.msgpack.Decoder(Envelope)


def encode_payload(event: msgspec.Struct) -> bytes:
    """Canonical payload bytes of an event struct (MessagePack array, shortest integer forms)."""
    return _encoder.encode(event)


def encode_envelope(
    seq: int, kind: str, version: int, ts: int, cause: int, event: msgspec.Struct
) -> bytes:
    """Canonical bytes of an event in its envelope.

    Nesting the struct gives the same bytes as nesting its encoded payload, at one pass.
    """
    return _encoder.encode((seq, kind, version, ts, cause, event))


def decode_envelope(data: bytes) -> Envelope:
    """Read one envelope. Raises ``EnvelopeError`` on anything that is not exactly one."""
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise EnvelopeError(f"not an envelope: {error}") from error


def is_canonical(data: bytes) -> bool:
    """True when the envelope's own six fields are in canonical form (payload taken as raw)."""
    return _encoder.encode(decode_envelope(data)) == data


def chain_hash(previous: bytes, envelope: bytes) -> bytes:
    """h = SHA-256(h_previous || canonical envelope bytes)."""
    return hashlib.sha256(previous + envelope).digest()


def payload_digest(event: Any) -> str:
    """Lower-case hex SHA-256 of an event's canonical payload."""
    return hashlib.sha256(_encoder.encode(event)).hexdigest()

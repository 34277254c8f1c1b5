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


UNDECODABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError)
"""What a decoder raises on bytes of another shape. The second comes of a text that is none, and no
other error of msgspec covers it."""


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


class SplitEnvelope(msgspec.Struct, frozen=True, gc=False):
    """Canonical envelope bytes in two pieces, ``head + body``, so that a long field at the end (a
    broker's frame) goes to the disk without being copied into its envelope first."""

    head: bytes
    body: bytes

    def __len__(self) -> int:
        return len(self.head) + len(self.body)

    def startswith(self, prefix: bytes) -> bool:
        """Of the whole; ``prefix`` is no longer than the head."""
        return self.head.startswith(prefix)


EnvelopeBytes = bytes | SplitEnvelope
"""One canonical envelope, whole or in two pieces."""


def split_envelope(without_body: bytes, body: bytes) -> SplitEnvelope:
    """An envelope of which the last field is ``body``, from its bytes with an empty one there.

    The last two bytes of those are MessagePack's word for no bytes; the word for the body's length
    takes their place, in its shortest form.
    """
    assert without_body.endswith(_NO_BYTES), "the last field must be bytes, and empty"
    size = len(body)
    if size < 1 << 8:
        word = bytes((0xC4, size))
    elif size < 1 << 16:
        word = b"\xc5" + size.to_bytes(2, "big")
    else:
        word = b"\xc6" + size.to_bytes(4, "big")
    return SplitEnvelope(without_body[: -len(_NO_BYTES)] + word, body)


_NO_BYTES: Final = b"\xc4\x00"


def decode_envelope(data: bytes) -> Envelope:
    """Read one envelope. Raises ``EnvelopeError`` on anything that is not exactly one."""
    try:
        return _decoder.decode(data)
    except (*UNDECODABLE, RecursionError) as error:
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

"""The state as bytes and back, and its hash.

Lives here: the canonical encoding of a state. May import: events, engine.state. Always holds: pure;
``encode_state(decode_state(data)) == data``; equal states have equal bytes, on any machine, so the
hash names a state. Where the bytes are kept is no concern of this module.
Start reading at ``encode_state``.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from engine.state import State

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(State)


class StateError(ValueError):
    """Bytes that are no state of this code, or a state that does not read back as itself."""


def encode_state(state: State) -> bytes:
    """Canonical bytes of a state (MessagePack, structs as arrays)."""
    return _ENCODER.encode(state)


def decode_state(data: bytes) -> State:
    """The state of canonical bytes. Raises ``StateError`` for any others."""
    try:
        state = _DECODER.decode(data)
    except msgspec.MsgspecError as error:
        raise StateError(f"not a state of this code: {error}") from error
    if _ENCODER.encode(state) != data:
        raise StateError("not in canonical form")
    return state


def restored_state(seq: int, data: bytes) -> State:
    """The state after entry ``seq``. Raises ``StateError`` for bytes that are none, or another."""
    state = decode_state(data)
    if state.seq != seq:
        raise StateError(f"the state after entry {state.seq}, not {seq}")
    return state


def checked_bytes(state: State) -> bytes:
    """``encode_state``, with the proof that the bytes read back as the same bytes.

    Raises ``StateError``: something in the state has no one encoding, which is a programming error.
    """
    data = _ENCODER.encode(state)
    decode_state(data)
    return data


def state_hash(state: State) -> str:
    """SHA-256 (hex) of the canonical bytes."""
    return hashlib.sha256(_ENCODER.encode(state)).hexdigest()
